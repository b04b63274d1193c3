"""The seven gates that every law passes, in both kinematics.

Tolerances, unless said otherwise: the stresses come from eigenvalues with an error of 1e-16 times
moduli of about 200 GPa; 1e-11 GPa leaves room for a few dozen operations on them.
"""

import numpy as np

from ngcfem.constitutive.material import Material

STRESS_ROUNDING_GPA = 1e-11


def symmetric(components):
    index = np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2]])
    return components[:, index]


def logarithm(tensor):
    values, vectors = np.linalg.eigh(tensor)
    return (vectors * np.log(values)[:, None, :]) @ np.swapaxes(vectors, 1, 2)


def march(points, path, **options):
    state, results = None, []
    for F in path:
        result = points.update(F, state, **options)
        assert np.all(result.status == 0)
        state = result.state
        results.append(result)
    return results


def test_rotating_the_observer_rotates_the_stress_and_leaves_the_state(
    points, random_path, random_rotations
):
    path = random_path(5, 40, 0.04)
    Q = random_rotations(5 * 40).reshape(5, 40, 3, 3)
    if points.kinematics == "small":
        skew = 0.3 * (Q - np.swapaxes(Q, 2, 3))
        turned, Q = path + skew, np.broadcast_to(np.eye(3), Q.shape)
    else:
        turned = Q @ path
    still = march(points, path)
    moving = march(points, turned)
    for rotation, first, second in zip(Q, still, moving, strict=True):
        expected = rotation @ first.first_piola_kirchhoff_stress.reshape(-1, 3, 3)
        found = second.first_piola_kirchhoff_stress.reshape(-1, 3, 3)
        # The specification asks for 1e-9; rounding grows a little over the five steps.
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
        np.testing.assert_allclose(second.state, first.state, rtol=0, atol=1e-12)


def test_rotating_the_specimen_rotates_the_response(points, random_path, random_rotations):
    path = random_path(4, 40, 0.04)
    R = random_rotations(40)
    transposed = np.swapaxes(R, 1, 2)
    turned = [R @ F @ transposed for F in path]
    for first, second in zip(march(points, path), march(points, turned), strict=True):
        expected = R @ first.first_piola_kirchhoff_stress.reshape(-1, 3, 3) @ transposed
        found = second.first_piola_kirchhoff_stress.reshape(-1, 3, 3)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_simple_shear_has_the_signs_and_size_of_the_closed_form(points):
    """Elastic simple shear: Hencky's closed form, and its linear limit in small strain."""
    gamma = 0.01
    shear = 130.0 / (2.0 * 1.33)
    F = np.eye(3)[None].repeat(2, axis=0)
    F[0, 0, 1], F[1, 1, 0] = gamma, gamma
    result = points.update(F, time_increment_s=1e-9)
    stress = points.kirchhoff_stress(F, result)
    if points.kinematics == "small":
        expected_shear, normal = shear * gamma, 0.0
    else:
        factor = 2.0 * shear * np.arcsinh(gamma / 2.0) / np.sqrt(gamma**2 + 4.0)
        expected_shear, normal = 2.0 * factor, gamma * factor
    expected = np.zeros((2, 3, 3))
    expected[:, 0, 1] = expected[:, 1, 0] = expected_shear
    expected[0, 0, 0], expected[0, 1, 1] = normal, -normal
    expected[1, 0, 0], expected[1, 1, 1] = -normal, normal
    np.testing.assert_allclose(stress, expected, rtol=0, atol=STRESS_ROUNDING_GPA)


def test_unloading_is_elastic_and_reloading_continues_the_curve(rate_independent):
    """Uniaxial strain along z: load, take half of it back, load again to the same strain."""

    def axial(stretches):
        F = np.eye(3)[None, None].repeat(len(stretches), axis=0)
        F[:, 0, 2, 2] = stretches
        return F

    points = rate_independent
    loading = np.linspace(0.99, 0.90, 10)
    loaded = march(points, axial(loading))
    unloaded = points.update(axial([0.905])[0], loaded[-1].state)
    reloaded = points.update(axial([0.90])[0], unloaded.state)
    np.testing.assert_allclose(unloaded.state, loaded[-1].state, rtol=0, atol=1e-13)
    first = loaded[-1].first_piola_kirchhoff_stress
    np.testing.assert_allclose(
        reloaded.first_piola_kirchhoff_stress, first, rtol=0, atol=STRESS_ROUNDING_GPA
    )
    constrained = 130.0 * (1.0 - 0.33) / (1.33 * (1.0 - 0.66))
    strain = 0.005 if points.kinematics == "small" else np.log(0.905 / 0.90)
    change = (
        points.kirchhoff_stress(axial([0.905])[0], unloaded)
        - points.kirchhoff_stress(axial([0.90])[0], loaded[-1])
    )[0, 2, 2]
    assert abs(change - constrained * strain) < STRESS_ROUNDING_GPA
    further = points.update(axial([0.89])[0], reloaded.state)
    directly = points.update(axial([0.89])[0], loaded[-1].state)
    np.testing.assert_allclose(
        further.first_piola_kirchhoff_stress,
        directly.first_piola_kirchhoff_stress,
        rtol=0,
        atol=STRESS_ROUNDING_GPA,
    )


def relieved(points, F, state):
    """Deformation gradients at which the elastic logarithmic strain is half of that at F."""
    if points.kinematics == "small":
        plastic = symmetric(state[:, :6]) if state.shape[1] else 0.0
        return np.eye(3) + 0.5 * (F - np.eye(3) + plastic)
    inverse = symmetric(state[:, :6]) if state.shape[1] else np.eye(3)
    values, vectors = np.linalg.eigh(F @ inverse @ np.swapaxes(F, 1, 2))
    return (vectors * values[:, None, :] ** -0.25) @ np.swapaxes(vectors, 1, 2) @ F


def test_elastic_steps_can_be_split(points, random_path):
    """From a state that has flowed, an elastic excursion in one step or in twenty."""
    F = random_path(1, 40, 0.05)[0]
    flowed = points.update(F).state
    start = relieved(points, F, flowed)
    step = 1e-4 * np.random.default_rng(5).normal(size=F.shape)
    # So short that the rate-dependent law, which has no elastic range, cannot flow.
    short = {"time_increment_s": 1e-9}
    at_once = points.update(start + step, flowed, **short)
    state = flowed
    for k in range(1, 21):
        split = points.update(start + k / 20.0 * step, state, **short)
        state = split.state
    np.testing.assert_allclose(at_once.state, flowed, rtol=0, atol=1e-13)
    np.testing.assert_allclose(split.state, flowed, rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        split.first_piola_kirchhoff_stress,
        at_once.first_piola_kirchhoff_stress,
        rtol=0,
        atol=STRESS_ROUNDING_GPA,
    )
    stress = np.abs(at_once.first_piola_kirchhoff_stress).max(1)
    assert np.all(stress > 0.01)


def test_plastic_work_is_never_negative(points, random_path):
    """Stress times plastic strain increment, tau : (e_trial - e_elastic), in every step."""
    if points.law.plastic_strain_index is None:
        return
    path = random_path(6, 60, 0.03, seed=3)
    state = points.law.initial_state(60)
    flowing = 0
    for F in path:
        result = points.update(F, state)
        if points.kinematics == "small":
            plastic = symmetric(result.state[:, :6]) - symmetric(state[:, :6])
        else:
            transposed = np.swapaxes(F, 1, 2)
            trial = F @ symmetric(state[:, :6]) @ transposed
            elastic = F @ symmetric(result.state[:, :6]) @ transposed
            plastic = 0.5 * (logarithm(trial) - logarithm(elastic))
        work = np.einsum("nij,nij->n", points.kirchhoff_stress(F, result), plastic)
        growth = result.state[:, 6] - state[:, 6]
        assert np.all(growth >= 0.0)
        # Rounding: stresses of 10 GPa times errors of 1e-15 of the logarithms taken here.
        assert np.all(work >= -1e-13)
        # A step that flows dissipates; at the apex of the cone too.
        assert np.all(work[growth > 1e-6] > 0.0)
        flowing += int(np.sum(growth > 1e-6))
        state = result.state
    assert flowing > 100


def test_zero_strain_gives_exactly_zero_stress(points):
    result = points.update(np.eye(3)[None].repeat(3, axis=0))
    assert np.all(result.status == 0)
    assert np.all(result.first_piola_kirchhoff_stress == 0.0)
    state, virgin = result.state, points.law.initial_state(3)
    if points.material.law == "free-volume":
        # At rest free volume is annihilated, and only lost.
        assert np.all((state[:, -1] < 0.0) & (state[:, -1] > -1e-3))
        state, virgin = state[:, :-1], virgin[:, :-1]
    np.testing.assert_array_equal(state, virgin)


def test_the_same_update_gives_the_same_answer_and_leaves_its_input(points, random_path):
    F = random_path(1, 50, 0.05)[0]
    state = points.update(0.5 * (F + np.eye(3))).state
    before = state.copy()
    first = points.update(F, state)
    second = points.update(F, state)
    np.testing.assert_array_equal(state, before)
    np.testing.assert_array_equal(first.state, second.state)
    np.testing.assert_array_equal(first.consistent_tangent, second.consistent_tangent)


def test_updating_again_from_the_end_of_a_step_changes_nothing(rate_independent, random_path):
    points = rate_independent
    F = random_path(1, 50, 0.05)[0]
    first = points.update(F)
    again = points.update(F, first.state)
    np.testing.assert_allclose(again.state, first.state, rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        again.first_piola_kirchhoff_stress,
        first.first_piola_kirchhoff_stress,
        rtol=0,
        atol=STRESS_ROUNDING_GPA,
    )


def test_small_and_finite_strain_agree_to_first_order(make_points):
    """The difference of the two kinematics falls with the square of the strain."""
    rng = np.random.default_rng(2)
    direction = rng.normal(size=(30, 3, 3))
    weak = {
        "youngs_modulus_gpa": 130.0,
        "poisson_ratio": 0.33,
        "yield_strength_gpa": 0.0,
        "hardening_modulus_gpa": 20.0,
        "friction_coefficient": 0.2,
        "dilatancy": 0.1,
    }
    differences = []
    for size in (1e-3, 1e-4):
        weak["yield_strength_gpa"] = 50.0 * size
        material = Material("grain", "drucker-prager", weak)
        F = np.eye(3) + size * direction
        finite = make_points(material, "finite").update(F)
        small = make_points(material, "small").update(F)
        assert np.sum(finite.state[:, 6] > 0.0) > 20
        difference = finite.first_piola_kirchhoff_stress - small.first_piola_kirchhoff_stress
        scale = np.abs(small.first_piola_kirchhoff_stress).max()
        differences.append(np.abs(difference).max() / scale)
    assert differences[0] < 2e-2
    # Relative difference of first order in the strain: ten times smaller strain, ten times less.
    assert abs(differences[0] / differences[1] - 10.0) < 0.5
