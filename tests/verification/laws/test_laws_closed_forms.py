"""Laws at a point against closed forms and against tables computed independently of the program."""

import math

import numpy as np
import pytest

from ngcfem.constitutive.batch import BatchedLaw
from ngcfem.constitutive.material import Material
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import uniaxial_stress

E, NU = 130.0, 0.33
SHEAR = 50.0
# Constants with a shear modulus of 50 GPa, as the tables of simple shear have it.
SHEAR_50 = {"youngs_modulus_gpa": 2.0 * SHEAR * (1.0 + NU), "poisson_ratio": NU}
ELASTIC = {"youngs_modulus_gpa": E, "poisson_ratio": NU}


def axial_kirchhoff_stress(increment):
    F, P = increment.deformation_gradient, increment.first_piola_kirchhoff_stress
    return (P @ F.T)[2, 2]


def uniaxial_end(material, true_strain, increments, kinematics="finite", rate_per_s=1e-3):
    path = uniaxial_stress("z", true_strain, rate_per_s, increments)
    *_, last = drive_point(material, path, kinematics)
    return last


@pytest.mark.parametrize(
    ("stretch", "tau", "sigma", "P", "kappa", "J"),
    [
        (0.9, 2.585472, 2.603014, 2.872747, 0.085472, 0.993261),
        (0.7, 2.834868, 2.855965, 4.049812, 0.334868, 0.992613),
        (0.5, 3.168772, 3.195143, 6.337544, 0.668772, 0.991747),
        (0.45, 3.273328, 3.301471, 7.274063, 0.773328, 0.991476),
    ],
)
def test_uniaxial_finite_j2(stretch, tau, sigma, P, kappa, J):
    material = Material(
        "grain", "j2", {**ELASTIC, "yield_strength_gpa": 2.5, "hardening_modulus_gpa": 1.0}
    )
    end = uniaxial_end(material, math.log(stretch), 20)
    average = end.phases["grain"]
    found = (
        -axial_kirchhoff_stress(end),
        -average.mean_cauchy_stress[2, 2],
        -end.first_piola_kirchhoff_stress[2, 2],
        average.mean_equivalent_plastic_strain,
        end.minimum_jacobian_points,
    )
    np.testing.assert_allclose(found, (tau, sigma, P, kappa, J), rtol=0, atol=1e-6)


def test_uniaxial_small_j2():
    material = Material(
        "grain", "j2", {**ELASTIC, "yield_strength_gpa": 2.5, "hardening_modulus_gpa": 1.0}
    )
    end = uniaxial_end(material, math.log(0.9), 10, kinematics="small")
    expected = (2.5 + 0.1) / (1.0 + 1.0 / E)
    assert abs(end.first_piola_kirchhoff_stress[2, 2] + expected) < 1e-11
    kappa = end.phases["grain"].mean_equivalent_plastic_strain
    assert abs(kappa - (0.1 - expected / E)) < 1e-13


def test_uniaxial_elastic_hencky():
    end = uniaxial_end(Material("grain", "elastic", ELASTIC), -0.4, 5)
    F = end.deformation_gradient
    assert abs(axial_kirchhoff_stress(end) + E * 0.4) < 1e-10
    assert abs(F[0, 0] - math.exp(NU * 0.4)) < 1e-12
    assert abs(F[0, 0] - F[1, 1]) < 1e-12


@pytest.mark.parametrize(
    ("gamma", "tau12", "tau11"),
    [
        (0.1, 4.991683, 0.249584),
        (0.5, 24.007773, 6.001943),
        (1.0, 43.040894, 21.520447),
        (2.0, 62.322524, 62.322524),
    ],
)
def test_simple_shear_elastic(make_points, gamma, tau12, tau11):
    points = make_points(Material("grain", "elastic", SHEAR_50), "finite")
    F = np.eye(3)[None].copy()
    F[0, 0, 1] = gamma
    tau = points.kirchhoff_stress(F, points.update(F))[0]
    factor = 2.0 * SHEAR * math.asinh(gamma / 2.0) / math.sqrt(gamma**2 + 4.0)
    expected = np.array([[gamma, 2.0, 0.0], [2.0, -gamma, 0.0], [0.0, 0.0, 0.0]]) * factor
    np.testing.assert_allclose(tau, expected, rtol=0, atol=1e-11)
    # The table is printed with six decimals.
    assert abs(tau[0, 1] - tau12) < 6e-7
    assert abs(tau[0, 0] - tau11) < 6e-7
    assert abs(tau[1, 1] + tau11) < 6e-7


def shear_history(hardening, step, end, wanted):
    """tau12, tau11 and kappa at the shears wanted, in equal steps of shear."""
    law = BatchedLaw("j2", "finite", chunk_size=1)
    parameters = law.parameter_vector(
        {**SHEAR_50, "yield_strength_gpa": 2.5, "hardening_modulus_gpa": hardening}
    )
    state, rows = law.initial_state(1), []
    indices = {round(gamma / step) for gamma in wanted}
    for k in range(1, round(end / step) + 1):
        F = np.eye(3)
        F[0, 1] = k * step
        result = law.update(F.reshape(1, 9), state, parameters, 1.0)
        state = result.state
        if k in indices:
            tau = result.first_piola_kirchhoff_stress.reshape(3, 3) @ F.T
            rows.append([tau[0, 1], tau[0, 0], state[0, 6]])
    return np.array(rows)


def test_simple_shear_perfectly_plastic():
    """The plateau of a perfectly plastic von Mises solid in simple shear, and its limit."""
    fine = shear_history(0.0, 2.5e-4, 1.0, [1.0])[0]
    np.testing.assert_allclose(fine, [1.442769, 0.041835, 0.560454], rtol=0, atol=1e-6)
    coarse = shear_history(0.0, 5e-4, 1.0, [1.0])[0]
    strength = 2.5 / math.sqrt(3.0)
    limit = [strength / math.cosh(strength / SHEAR), strength * math.tanh(strength / SHEAR)]
    extrapolated = 2.0 * fine - coarse
    np.testing.assert_allclose(extrapolated[:2], limit, rtol=0, atol=1e-6)
    np.testing.assert_allclose(extrapolated[2], 0.560456, rtol=0, atol=1e-6)
    # First order in the step: half the step, half the error of tau11.
    assert abs((coarse[1] - limit[1]) / (fine[1] - limit[1]) - 2.0) < 0.02


def test_simple_shear_hardening():
    fine = shear_history(2.0, 2.5e-4, 2.0, [1.0, 2.0])
    expected = [[2.080124, 0.085765, 0.552971], [2.735017, 0.148287, 1.122073]]
    np.testing.assert_allclose(fine, expected, rtol=0, atol=1e-6)
    coarse = shear_history(2.0, 5e-4, 2.0, [1.0, 2.0])
    limit = [[2.080137, 0.085512, 0.552973], [2.735041, 0.147956, 1.122078]]
    np.testing.assert_allclose(2.0 * fine - coarse, limit, rtol=0, atol=1.5e-6)


MOHR_COULOMB = [
    (0.04, 2.29, 2.0816, 1.9216),
    (0.05, 2.86, 2.1025, 1.9025),
    (0.10, 5.71, 2.2100, 1.8100),
    (0.20, 11.31, 2.4396, 1.6396),
]


def cone(friction_angle, meridian, cohesion):
    """mu and k of the Drucker-Prager cone through one meridian of Mohr-Coulomb."""
    sine, cosine = math.sin(friction_angle), math.cos(friction_angle)
    side = -1.0 if meridian == "compression" else 1.0
    denominator = math.sqrt(3.0) * (3.0 + side * sine)
    return 6.0 * sine / denominator, 6.0 * cohesion * cosine / denominator


@pytest.mark.parametrize(("tangent", "degrees", "compression", "tension"), MOHR_COULOMB)
def test_drucker_prager_uniaxial_strengths(tangent, degrees, compression, tension):
    """Compression and tension strength of cones fitted to either meridian of Mohr-Coulomb."""
    cohesion = 1.19
    angle = math.atan(tangent)
    assert abs(math.degrees(angle) - degrees) < 6e-3
    sine, cosine = math.sin(angle), math.cos(angle)
    for meridian in ("compression", "tension"):
        mu, k = cone(angle, meridian, cohesion)
        strength = k / (1.0 / math.sqrt(3.0) - mu / 3.0)
        material = Material(
            "grain",
            "drucker-prager",
            {
                **ELASTIC,
                "yield_strength_gpa": strength,
                "friction_coefficient": mu,
                "dilatancy": 0.5 * mu,
            },
        )
        pressed = -axial_kirchhoff_stress(uniaxial_end(material, -0.1, 5))
        pulled = axial_kirchhoff_stress(uniaxial_end(material, 0.1, 5))
        assert abs(pressed / strength - 1.0) < 1e-10
        assert abs(pulled * (1.0 / math.sqrt(3.0) + mu / 3.0) / k - 1.0) < 1e-10
        if meridian == "compression":
            assert abs(pressed / cohesion - 2.0 * cosine / (1.0 - sine)) < 1e-10
            assert abs(pressed / cohesion - compression) < 6e-5
        else:
            assert abs(pulled / cohesion - 2.0 * cosine / (1.0 + sine)) < 1e-10
            assert abs(pulled / cohesion - tension) < 6e-5


@pytest.mark.parametrize("kinematics", ["finite", "small"])
def test_drucker_prager_strength_at_the_reference_rate(kinematics):
    """With a rate factor, compression at the reference rate carries the yield strength."""
    material = Material(
        "grain",
        "drucker-prager",
        {
            **ELASTIC,
            "yield_strength_gpa": 2.5,
            "friction_coefficient": 0.1,
            "rate_sensitivity": 0.02,
            "reference_rate_per_s": 1e-3,
        },
    )
    end = uniaxial_end(material, -0.2, 40, kinematics)
    if kinematics == "finite":
        # Steady flow: the plastic strain rate is the true strain rate.
        assert abs(axial_kirchhoff_stress(end) + 2.5) < 1e-9
    else:
        # The engineering strain rate falls to exp(-0.2) of the true one, by 0.4 % of the stress.
        assert abs(end.first_piola_kirchhoff_stress[2, 2] + 2.5 * math.exp(-0.2 * 0.02)) < 1e-3


def test_drucker_prager_confined_shear_builds_up_pressure(make_points):
    """Small simple shear at constant volume: dilatant flow is held back and presses.

    With s the shear stress and g the plastic shear, p = -K beta g and s + mu p = k, so that
    g = (gamma - k / G) / (1 + mu beta K / G).
    """
    mu, beta, strength = 0.3, 0.2, 2.5
    parameters = {
        **ELASTIC,
        "yield_strength_gpa": strength,
        "friction_coefficient": mu,
        "dilatancy": beta,
    }
    points = make_points(Material("grain", "drucker-prager", parameters), "small")
    G, K = E / (2.0 * (1.0 + NU)), E / (3.0 * (1.0 - 2.0 * NU))
    k = strength * (1.0 / math.sqrt(3.0) - mu / 3.0)
    gamma = 0.1
    state = None
    for part in (0.2, 0.7, 1.0):
        F = np.eye(3)[None].copy()
        F[0, 0, 1] = part * gamma
        result = points.update(F, state)
        state = result.state
    stress = points.kirchhoff_stress(F, result)[0]
    slip = (gamma - k / G) / (1.0 + mu * beta * K / G)
    pressure = -K * beta * slip
    expected = pressure * np.eye(3)
    expected[0, 1] = expected[1, 0] = k - mu * pressure
    np.testing.assert_allclose(stress, expected, rtol=0, atol=1e-11)
    assert abs(state[0, 6] - slip / math.sqrt(3.0)) < 1e-13


def test_dilatancy_is_kept_in_the_volume_of_the_plastic_deformation(make_points):
    """Finite strain: det C_p^-1 = exp(-2 sqrt(3) beta kappa) after any path on the cone."""
    beta = 0.15
    parameters = {
        **ELASTIC,
        "yield_strength_gpa": 2.5,
        "friction_coefficient": 0.2,
        "dilatancy": beta,
        "rate_sensitivity": 0.05,
    }
    points = make_points(Material("grain", "drucker-prager", parameters), "finite")
    state = None
    for amount in np.linspace(0.02, 0.5, 25):
        F = np.eye(3)[None].copy()
        F[0, 0, 1], F[0, 2, 2] = amount, math.exp(-0.8 * amount)
        result = points.update(F, state)
        state = result.state
    inverse = state[0, :6][np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2]])]
    kappa = state[0, 6]
    assert kappa > 0.2
    expected = -2.0 * math.sqrt(3.0) * beta * kappa
    assert abs(math.log(np.linalg.det(inverse)) - expected) < 1e-12


@pytest.mark.parametrize("dilatancy", [0.0, 0.1])
@pytest.mark.parametrize("kinematics", ["finite", "small"])
def test_apex_cuts_tension_off(make_points, kinematics, dilatancy):
    """Equal triaxial tension ends at p = k / mu, with or without dilatancy."""
    mu, strength = 0.3, 2.5
    parameters = {
        **ELASTIC,
        "yield_strength_gpa": strength,
        "friction_coefficient": mu,
        "dilatancy": dilatancy,
    }
    points = make_points(Material("grain", "drucker-prager", parameters), kinematics)
    F = 1.08 * np.eye(3)[None]
    result = points.update(F)
    stress = points.kirchhoff_stress(F, result)[0]
    k = strength * (1.0 / math.sqrt(3.0) - mu / 3.0)
    np.testing.assert_allclose(stress, k / mu * np.eye(3), rtol=0, atol=1e-11)
    # With some shear on top the shear stress is gone too, and kappa counts it.
    F[0, 0, 1] = 0.002
    result = points.update(F)
    stress = points.kirchhoff_stress(F, result)[0]
    np.testing.assert_allclose(stress, k / mu * np.eye(3), rtol=0, atol=1e-11)
    sheared = 0.002 / math.sqrt(3.0)
    assert abs(result.state[0, 6] / sheared - 1.0) < (0.1 if kinematics == "finite" else 1e-10)
