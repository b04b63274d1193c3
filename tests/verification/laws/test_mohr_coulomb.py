"""Mohr-Coulomb: closed forms, a second writing of the law on tensors, limits and robustness.

Closed forms at a point use steady flow without hardening, where the elastic strain rate is zero and
the rate of every system known.
"""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm, logm
from scipy.optimize import root

from ngcfem.constitutive.material import Material
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import LoadPath, LoadSegment, uniaxial_stress

E, NU = 130.0, 0.33
ELASTIC = {"youngs_modulus_gpa": E, "poisson_ratio": NU}
PERFECT = {**ELASTIC, "cohesion_gpa": 1.2}
SOFT = {
    **PERFECT,
    "cohesion_softening_gpa": 0.15,
    "softening_slip": 0.1,
    "cohesion_hardening_gpa": 0.3,
    "friction_coefficient": 0.2,
    "dilatancy": 0.15,
}
EYE = np.eye(3)
INDEX = np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2]])


def angle(mu):
    """Sine and cosine of the friction angle."""
    phi = math.atan(mu)
    return math.sin(phi), math.cos(phi)


def steady_stress(mu, sign, rate_factor, cohesion=1.2):
    """Uniaxial stress (sign +1 tension) at which tau = (c + mu sigma_n) rate_factor."""
    s, c = angle(mu)
    # Pair of the axial stress a and a zero one: tau = cos a / 2, sigma_n = -sign (1 +- s) a / 2.
    return rate_factor * cohesion / (0.5 * c + sign * rate_factor * mu * 0.5 * (1.0 + sign * s))


def uniaxial_plateau(mu, sign, m, slip_rate, kinematics="finite"):
    """Kirchhoff stress of steady uniaxial flow in which each of four systems slips at a rate.

    The strain grows by 2 nu (cos phi) with two of the three pairs flowing.
    """
    _, c = angle(mu)
    parameters = {**PERFECT, "friction_coefficient": mu, "rate_sensitivity": m}
    path = uniaxial_stress("z", sign * 0.12, 2.0 * c * slip_rate, 12)
    *_, last = drive_point(Material("g", "mohr-coulomb", parameters), path, kinematics)
    return sign * (last.first_piola_kirchhoff_stress @ last.deformation_gradient.T)[2, 2]


@pytest.mark.parametrize(
    ("mu", "compression", "tension"),
    [(0.04, 2.0816, 1.9216), (0.05, 2.1025, 1.9025), (0.1, 2.2100, 1.8100), (0.2, 2.4396, 1.6396)],
)
def test_uniaxial_strengths(mu, compression, tension):
    """Strengths over cohesion at the reference rate, where every m gives the limit m = 0."""
    s, c = angle(mu)
    for sign, printed, exact in (
        (-1, compression, 2.0 * c / (1.0 - s)),
        (1, tension, 2.0 * c / (1.0 + s)),
    ):
        assert abs(exact - printed) < 5e-5
        # What is left of the transient decays with exp(-E strain / (m sigma)).
        found = uniaxial_plateau(mu, sign, 0.02, 1e-3) / 1.2
        assert abs(found - exact) < 1e-9


def test_rate_independent_limit():
    """A tenth of the reference rate: exact for each m, and the table in the limit m -> 0."""
    mu = 0.1
    s, c = angle(mu)
    sensitivities = (0.004, 0.002, 0.001)
    found = [uniaxial_plateau(mu, -1, m, 1e-4) for m in sensitivities]
    for m, stress in zip(sensitivities, found, strict=True):
        assert abs(stress - steady_stress(mu, -1, 0.1**m)) < 1e-9
    first = [2.0 * found[1] - found[0], 2.0 * found[2] - found[1]]
    limit = (4.0 * first[1] - first[0]) / 3.0
    # The stress is a power series in m ln(0.1): the cubic term left is (0.0023)^3, a part of it.
    assert abs(limit / 1.2 - 2.0 * c / (1.0 - s)) < 1e-7


@pytest.mark.parametrize("kinematics", ["finite", "small"])
def test_rate_jump(kinematics):
    """Ten times the rate in compression and back: 4.7 % more at m = 0.02, here exactly."""
    mu, m = 0.2, 0.02
    _, c = angle(mu)
    parameters = {**PERFECT, "friction_coefficient": mu, "rate_sensitivity": m}
    segments = []
    free = np.full((3, 3), np.nan)
    free[2, 0] = free[2, 1] = free[0, 1] = 0.0
    for number, slip_rate in enumerate((1e-3, 1e-2, 1e-3), start=1):
        target = free.copy()
        target[2, 2] = math.exp(-0.1 * number) if kinematics == "finite" else 1 - 0.1 * number
        axis = 2 if kinematics == "finite" else None
        duration = 0.1 / (2.0 * c * slip_rate)
        segments.append(LoadSegment(target, np.zeros((3, 3)), duration, 20, logarithmic_axis=axis))
    rows = list(
        drive_point(Material("g", "mohr-coulomb", parameters), LoadPath(segments), kinematics)
    )
    for k, factor in ((20, 1.0), (40, 10.0**m), (60, 1.0)):
        P, F = rows[k].first_piola_kirchhoff_stress, rows[k].deformation_gradient
        stress = -(P @ F.T if kinematics == "finite" else P)[2, 2]
        assert abs(stress - steady_stress(mu, -1, factor)) < 1e-8
    assert steady_stress(mu, -1, 10.0**m) / steady_stress(mu, -1, 1.0) > 10.0**m


def test_viscosity_adds_its_uniaxial_overstress():
    """Viscosity 25 GPa s at 4e-3 / s: 0.1 GPa more compressive stress at the same slip rate."""
    parameters = {**PERFECT, "friction_coefficient": 0.0, "reference_rate_per_s": 2e-3}
    path = uniaxial_stress("z", -0.15, 4e-3, 30)
    material = Material("g", "mohr-coulomb", parameters)
    *_, last = drive_point(material, path, "finite", viscosity_gpa_s=25.0)
    stress = -(last.first_piola_kirchhoff_stress @ last.deformation_gradient.T)[2, 2]
    assert abs(stress - 2.5) < 1e-9


def test_simple_shear_without_friction_flows_at_the_cohesion(make_points):
    """Small strain, m small: tau = c at a slip rate nu_0; the slip of one pair is all there is."""
    parameters = {**PERFECT, "friction_coefficient": 0.0, "rate_sensitivity": 0.005}
    points = make_points(Material("g", "mohr-coulomb", parameters), "small")
    # gamma = 2 nu cos(phi) t with phi = 0.
    F = EYE[None].copy()
    state = None
    for part in (0.5, 1.0, 1.5, 2.0):
        F[0, 0, 1] = 0.1 * part
        result = points.update(F, state, time_increment_s=25.0)
        state = result.state
    stress = result.first_piola_kirchhoff_stress[0].reshape(3, 3)
    np.testing.assert_allclose(stress, 1.2 * (np.eye(3)[[1, 0, 2]] - np.diag([0, 0, 1])), atol=1e-9)
    slip = 0.2 - 1.2 / (E / (2.0 + 2.0 * NU))
    assert abs(state[0, 7] - slip) < 1e-11
    assert abs(state[0, 6] - slip / math.sqrt(3.0)) < 1e-11


@pytest.mark.parametrize("steps", [1, 40])
def test_plastic_volume_is_the_free_volume_of_the_slip(make_points, steps):
    """det C_p^-1 = exp(-2 eta), eta = eta_cv (1 - exp(-N/N_c)), for steps of any length."""
    points = make_points(Material("g", "mohr-coulomb", SOFT), "finite")
    state = None
    for amount in np.linspace(0.0, 0.5, steps + 1)[1:]:
        F = EYE[None].copy()
        F[0, 0, 1], F[0, 2, 2] = 0.8 * amount, math.exp(-0.4 * amount)
        result = points.update(F, state, time_increment_s=400.0 / steps)
        assert result.status[0] == 0
        state = result.state
    slip = state[0, 7]
    assert slip > 0.3
    eta = 0.15 * 0.1 * (1.0 - math.exp(-slip / 0.1))
    inverse = state[0, :6][INDEX]
    assert abs(math.log(np.linalg.det(inverse)) + 2.0 * eta) < 1e-12


@pytest.mark.parametrize("kinematics", ["finite", "small"])
def test_tension_is_cut_off_before_the_apex(make_points, kinematics):
    """Equal triaxial tension ends at 0.95 c / mu and opens the volume without slip."""
    points = make_points(Material("g", "mohr-coulomb", SOFT), kinematics)
    result = points.update(1.08 * EYE[None])
    stress = points.kirchhoff_stress(1.08 * EYE[None], result)[0]
    np.testing.assert_allclose(stress, 0.95 * 1.2 / 0.2 * EYE, rtol=0, atol=1e-11)
    assert result.state[0, 7] == 0.0
    # With shear on top, a resistance of 5 % of the cohesion is left at least.
    F = 1.08 * EYE[None].copy()
    F[0, 0, 1] = 0.02
    result = points.update(F)
    stress = points.kirchhoff_stress(F, result)[0]
    values = np.linalg.eigvalsh(stress)
    # The cohesion has changed a little with the slip.
    assert 0.04 < 0.5 * (values[2] - values[0]) / 1.2 < 0.1
    assert abs(np.trace(stress) / 3.0 - 0.95 * 1.2 / 0.2) < 0.5
    assert result.state[0, 7] > 0.01


def test_without_friction_there_is_no_cut_off(make_points):
    parameters = {**PERFECT, "friction_coefficient": 0.0}
    points = make_points(Material("g", "mohr-coulomb", parameters), "finite")
    result = points.update(1.3 * EYE[None])
    stress = points.kirchhoff_stress(1.3 * EYE[None], result)[0]
    bulk = E / (3.0 - 6.0 * NU)
    np.testing.assert_allclose(stress, bulk * 3.0 * math.log(1.3) * EYE, rtol=1e-13, atol=1e-12)


# --- A second writing of the law: six slip systems as tensors, unknown stress, general root finder.


def slip_systems(stress, mu):
    """Six pairs of slip direction and plane normal of Anand and Su, eq. by eq."""
    _, vectors = np.linalg.eigh(stress)
    axes = vectors[:, ::-1].T
    xi = 0.25 * math.pi + 0.5 * math.atan(mu)
    systems = []
    for i, j in ((0, 2), (0, 1), (1, 2)):
        for sign in (1.0, -1.0):
            direction = math.cos(xi) * axes[i] + sign * math.sin(xi) * axes[j]
            normal = math.sin(xi) * axes[i] - sign * math.cos(xi) * axes[j]
            systems.append((direction, normal))
    return systems


def rates(stress, values, cohesion):
    """Slip rate of each system over the reference rate, and shear and opening directions."""
    mu = values["friction_coefficient"]
    found, shears, openings = [], [], []
    for direction, normal in slip_systems(stress, mu):
        shear = direction @ stress @ normal
        resistance = max(cohesion - mu * normal @ stress @ normal, 0.05 * cohesion)
        found.append((max(shear, 0.0) / resistance) ** (1.0 / values["rate_sensitivity"]))
        shears.append(np.outer(direction, normal))
        openings.append(np.outer(normal, normal))
    return np.array(found), np.array(shears), np.array(openings)


def pack(tensor):
    return tensor[[0, 1, 2, 0, 1, 0], [0, 1, 2, 1, 2, 2]]


def return_by_tensors(trial, slip, values, dt):
    """Elastic strain and slip after a step: the state of rest of a relaxation of the strain.

    The unknown strain still holds the volume that opens where the mean stress is cut off.
    """
    G, K = E / (2.0 + 2.0 * NU), E / (3.0 - 6.0 * NU)
    scale, reference = values["softening_slip"], values["reference_rate_per_s"]

    def cohesion_at(end):
        lost = 1.0 - math.exp(-end / scale)
        gained = values["cohesion_hardening_gpa"] * end
        return values["cohesion_gpa"] - values["cohesion_softening_gpa"] * lost + gained

    def pressure_and_stress(strain, cohesion):
        volume = np.trace(strain)
        p = min(K * volume, 0.95 * cohesion / values["friction_coefficient"])
        return p, p * EYE + 2.0 * G * (strain - volume / 3.0 * EYE)

    def relax(x):
        strain, end = x[:6][INDEX], slip + x[6]
        cohesion = cohesion_at(end)
        _, stress = pressure_and_stress(strain, cohesion)
        nu, shears, openings = rates(stress, values, cohesion)
        nu = nu * reference * dt
        decay = math.exp(-slip / scale) - math.exp(-end / scale)
        beta = values["dilatancy"] * scale * decay / x[6] if x[6] > 0.0 else 0.0
        flow = np.einsum("a,aij->ij", nu, shears) + beta * np.einsum("a,aij->ij", nu, openings)
        # Conjugate systems slip alike: no spin.
        assert np.abs(flow - flow.T).max() < 1e-9 * max(1.0, np.abs(flow).max())
        return np.append(pack(trial - strain - flow), nu.sum() - x[6])

    volume = np.trace(trial) / 3.0 * EYE
    start = volume + 0.01 * (trial - volume) / np.abs(trial).max()
    relaxed = solve_ivp(
        lambda _, x: relax(x), (0.0, 40.0), np.append(pack(start), 0.0), method="LSODA", rtol=1e-8
    )
    x = root(relax, relaxed.y[:, -1], method="hybr", tol=1e-14).x
    assert np.abs(relax(x)).max() < 1e-11
    p, stress = pressure_and_stress(x[:6][INDEX], cohesion_at(slip + x[6]))
    return p / (3.0 * K) * EYE + (stress - p * EYE) / (2.0 * G), slip + x[6]


@pytest.mark.parametrize("kinematics", ["finite", "small"])
@pytest.mark.parametrize("m", [0.02, 0.15])
def test_same_stress_and_slip_as_six_systems_on_tensors(make_points, random_path, kinematics, m):
    material = Material("g", "mohr-coulomb", {**SOFT, "rate_sensitivity": m})
    points, values = make_points(material, kinematics), material.resolved
    n, dt = 6, 7.0
    path = random_path(3, n, 0.025, seed=5)
    state = points.law.initial_state(n)
    plastic = [EYE if kinematics == "finite" else np.zeros((3, 3))] * n
    slips = [0.0] * n
    lame, G = E * NU / ((1.0 + NU) * (1.0 - 2.0 * NU)), E / (2.0 + 2.0 * NU)
    for F in path:
        result = points.update(F, state, dt)
        assert np.all(result.status == 0)
        state = result.state
        for k in range(n):
            if kinematics == "small":
                total = 0.5 * (F[k] + F[k].T) - EYE
                trial = total - plastic[k]
            else:
                trial = 0.5 * np.real(logm(F[k] @ plastic[k] @ F[k].T))
            elastic, slips[k] = return_by_tensors(trial, slips[k], values, dt)
            stress = lame * np.trace(elastic) * EYE + 2.0 * G * elastic
            if kinematics == "small":
                plastic[k] = total - elastic
            else:
                inverse = np.linalg.inv(F[k])
                plastic[k] = inverse @ expm(2.0 * elastic) @ inverse.T
                stress = stress @ inverse.T
            found = result.first_piola_kirchhoff_stress[k].reshape(3, 3)
            # The root finder is asked for 1e-9 GPa; three steps and the condition of the corner.
            np.testing.assert_allclose(found, stress, rtol=0, atol=2e-8)
            assert abs(state[k, 7] - slips[k]) < 1e-9
    assert np.sum(state[:, 7] > 0.02) > n // 2


def test_random_steps_never_fail(make_points):
    """2e5 increments of 1e-6 to 0.3 from virgin and from flowed states; sensitivities to 0.005."""
    rng = np.random.default_rng(12)
    count = 0
    for m in (0.005, 0.02, 0.1):
        for mu, beta in ((0.05, 0.04), (0.2, 0.1), (0.5, 0.5)):
            parameters = {
                **SOFT,
                "friction_coefficient": mu,
                "dilatancy": beta,
                "rate_sensitivity": m,
            }
            points = make_points(Material("g", "mohr-coulomb", parameters), "finite")
            for time_increment_s in (1e-2, 10.0, 1e5):
                sizes = np.repeat([1e-6, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.3], 600)
                F = EYE + sizes[:, None, None] * rng.normal(size=(len(sizes), 3, 3))
                F = F[np.linalg.det(F) > 0.02]
                first = points.update(F, time_increment_s=time_increment_s)
                assert np.all(first.status == 0)
                assert np.all(np.isfinite(first.consistent_tangent))
                further = F @ (EYE + 0.02 * rng.normal(size=F.shape))
                further = np.where(np.linalg.det(further)[:, None, None] > 0.0, further, F)
                second = points.update(further, first.state, time_increment_s=time_increment_s)
                assert np.all(second.status == 0)
                assert np.all(second.state[:, 7] >= first.state[:, 7])
                count += 2 * len(F)
    assert count > 2e5


def test_rates_at_which_friction_has_no_limit_are_flagged_not_wrong(make_points):
    """mu r^m > 1: the law itself becomes singular there; what fails says so and keeps its state."""
    parameters = {**SOFT, "friction_coefficient": 0.5, "rate_sensitivity": 0.2}
    points = make_points(Material("g", "mohr-coulomb", parameters), "finite")
    F = EYE + 0.3 * np.random.default_rng(3).normal(size=(4000, 3, 3))
    F = F[np.linalg.det(F) > 0.02]
    result = points.update(F, time_increment_s=1e-3)
    failed = result.status != 0
    assert failed.mean() < 0.02
    assert np.all(result.status[failed] == 1)
    np.testing.assert_array_equal(result.state[failed], points.law.initial_state(int(failed.sum())))
    assert np.all(np.isfinite(result.first_piola_kirchhoff_stress[~failed]))


def test_principal_stresses_keep_their_order_and_edges_are_reached(make_points):
    """Trial states within a hair of both corners: the two pairs there share the flow."""
    parameters = {**PERFECT, "friction_coefficient": 0.1, "rate_sensitivity": 0.005}
    points = make_points(Material("g", "mohr-coulomb", parameters), "small")
    gaps = np.array([0.0, 1e-9, 1e-6, 1e-4, 1e-3])
    for strains in (
        np.stack([0.05 + gaps, 0.05 - gaps, -0.1 + 0.0 * gaps], axis=1),
        np.stack([0.1 + 0.0 * gaps, -0.05 + gaps, -0.05 - gaps], axis=1),
    ):
        F = EYE + strains[:, :, None] * EYE
        result = points.update(F)
        stress = np.diagonal(
            result.first_piola_kirchhoff_stress.reshape(-1, 3, 3), axis1=1, axis2=2
        )
        assert np.all(np.diff(stress, axis=1) <= 1e-12)
        close = (0, 1) if strains[0, 0] == strains[0, 1] else (1, 2)
        # On an edge the two stresses differ by m c ln(ratio of the slips), at most by a few m c.
        assert np.all(np.abs(stress[:, close[0]] - stress[:, close[1]]) < 5.0 * 0.005 * 1.2)
