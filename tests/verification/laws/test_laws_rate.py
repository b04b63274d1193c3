"""The time increment reaches the law: rate jumps, viscosity, the rate-independent limit."""

import math

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import LoadPath, LoadSegment, uniaxial_stress

ELASTIC = {"youngs_modulus_gpa": 130.0, "poisson_ratio": 0.33}
PERFECT = {**ELASTIC, "yield_strength_gpa": 2.5}
SENSITIVE = {
    **PERFECT,
    "friction_coefficient": 0.1,
    "rate_sensitivity": 0.02,
    "reference_rate_per_s": 1e-3,
}


def compression(strain_rates_per_s, strain_per_segment, kinematics, increments=20):
    """Uniaxial stress at constant plastic strain rates, one segment each."""
    free = np.full((3, 3), np.nan)
    free[2, 0] = free[2, 1] = free[0, 1] = 0.0
    segments = []
    for number, rate in enumerate(strain_rates_per_s, start=1):
        strain = -number * strain_per_segment
        target = free.copy()
        target[2, 2] = math.exp(strain) if kinematics == "finite" else 1.0 + strain
        segments.append(
            LoadSegment(
                deformation_gradient=target,
                first_piola_kirchhoff_stress_gpa=np.zeros((3, 3)),
                duration_s=strain_per_segment / rate,
                increments=increments,
                logarithmic_axis=2 if kinematics == "finite" else None,
            )
        )
    return LoadPath(segments)


def axial(increment, kinematics):
    P = increment.first_piola_kirchhoff_stress
    return -(P @ increment.deformation_gradient.T if kinematics == "finite" else P)[2, 2]


@pytest.mark.parametrize("kinematics", ["finite", "small"])
def test_rate_jump_of_the_power_law(kinematics):
    """Ten times the rate multiplies the strength by 10^m, and back."""
    path = compression([1e-3, 1e-2, 1e-3], 0.05, kinematics)
    rows = list(drive_point(Material("g", "drucker-prager", SENSITIVE), path, kinematics))
    plateaus = [axial(rows[k], kinematics) for k in (20, 40, 60)]
    expected = [2.5, 2.5 * 10.0**0.02, 2.5]
    # Steady flow at the prescribed rate; what is left of the transient is far below 1e-9.
    np.testing.assert_allclose(plateaus, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kinematics", ["finite", "small"])
@pytest.mark.parametrize("law", ["j2", "drucker-prager"])
def test_rate_jump_of_the_viscosity(law, kinematics):
    """The viscous overstress in uniaxial compression is viscosity times strain rate."""
    parameters = PERFECT if law == "j2" else {**PERFECT, "friction_coefficient": 0.1}
    path = compression([1e-3, 4e-3], 0.05, kinematics)
    rows = list(drive_point(Material("g", law, parameters), path, kinematics, viscosity_gpa_s=25.0))
    plateaus = [axial(rows[k], kinematics) for k in (20, 40)]
    np.testing.assert_allclose(plateaus, [2.525, 2.6], rtol=0, atol=1e-8)
    assert (
        abs(
            rows[20].viscous_stress_share
            - 0.025 / abs(rows[20].phases["g"].mean_cauchy_stress[2, 2])
        )
        < 1e-9
    )


def test_stress_is_the_same_for_any_duration_without_rate_dependence():
    material = Material("g", "j2", PERFECT)
    ends = []
    for rate in (1e-6, 1e3):
        *_, last = drive_point(material, uniaxial_stress("z", -0.1, rate, 5), "finite")
        ends.append(last.first_piola_kirchhoff_stress)
    np.testing.assert_array_equal(ends[0], ends[1])


@pytest.mark.parametrize("kinematics", ["finite", "small"])
def test_small_rate_sensitivity_approaches_rate_independence(make_points, random_path, kinematics):
    """The stress differs from that of m = 0 by an amount proportional to m."""
    base = {
        **PERFECT,
        "softening_gpa": 0.3,
        "softening_strain": 0.05,
        "friction_coefficient": 0.2,
        "dilatancy": 0.1,
    }
    path = random_path(3, 50, 0.04, seed=9)

    def end(rate_sensitivity):
        parameters = {**base, "rate_sensitivity": rate_sensitivity}
        points = make_points(Material("g", "drucker-prager", parameters), kinematics)
        state = None
        for F in path:
            result = points.update(F, state, time_increment_s=10.0)
            assert np.all(result.status == 0)
            state = result.state
        return result.first_piola_kirchhoff_stress

    exact = end(0.0)
    errors = [np.abs(end(m) - exact).max() for m in (1e-2, 1e-3, 1e-4)]
    assert errors[2] < 5e-3
    assert abs(errors[1] / errors[2] - 10.0) < 0.5
    assert errors[0] > errors[1]


def test_extreme_rates_and_steps_converge(make_points):
    """No failures over sixteen decades of rate and steps up to 50 % strain."""
    rng = np.random.default_rng(4)
    F = np.concatenate(
        [np.eye(3) + size * rng.normal(size=(40, 3, 3)) for size in (1e-6, 1e-3, 1e-2, 0.1, 0.2)]
    )
    F = F[np.linalg.det(F) > 0.05]
    for m in (1e-4, 1e-3, 0.02, 0.3, 1.0):
        parameters = {
            **SENSITIVE,
            "rate_sensitivity": m,
            "softening_gpa": 0.5,
            "softening_strain": 0.02,
            "dilatancy": 0.05,
        }
        points = make_points(Material("g", "drucker-prager", parameters), "finite")
        for time_increment_s in (1e-8, 1e-2, 10.0, 1e8):
            result = points.update(F, time_increment_s=time_increment_s)
            assert np.all(result.status == 0)
            assert np.all(np.isfinite(result.consistent_tangent))
