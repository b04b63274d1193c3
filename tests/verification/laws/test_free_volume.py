"""The laws of activated flow against their differential equations, integrated another way."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ngcfem.constitutive.batch import BatchedLaw

POISSON_RATIO = 1.0 / 3.0
REFERENCE_STRESS = 0.3

# constitutive.md 1c, integrated there by another program (Radau, relative tolerance 1e-10):
# G/tau_0, xi_0, rate/R, alpha | strain and stress at the peak, xi there | steady stress and xi
TABLE = [
    (100.0, 0.05, 1e-6, 0.15, 0.057230, 4.961444, 0.053257, 2.013364, 0.063248),
    (100.0, 0.05, 1e-7, 0.15, 0.040333, 3.174922, 0.051837, 1.915135, 0.055521),
    (100.0, 0.06, 1e-6, 0.15, 0.040365, 2.763402, 0.060332, 2.013364, 0.063248),
    (200.0, 0.05, 1e-6, 0.15, 0.03513, 5.57220, 0.05158, 2.54864, 0.061132),
    (160.0, 0.05, 1e-7, 0.15, 0.03023, 3.48853, 0.05101, 2.26562, 0.054428),
    (150.0, 0.05, 1e-6, 0.05, 0.036864, 4.866865, 0.053527, 2.319469, 0.062014),
]


def elastic(modulus_ratio):
    """Elastic constants with G = modulus_ratio tau_0."""
    shear = modulus_ratio * REFERENCE_STRESS
    return {
        "youngs_modulus_gpa": 2.0 * shear * (1.0 + POISSON_RATIO),
        "poisson_ratio": POISSON_RATIO,
        "reference_stress_gpa": REFERENCE_STRESS,
        "reference_rate_per_s": 1.0,
    }


def simple_shear(name, values, rate, strains):
    """(s, xi - xi_0) by the program at every one of equally spaced shear strains."""
    law = BatchedLaw(name, "small", chunk_size=1)
    vector = law.parameter_vector(values)
    state, rows, previous = law.initial_state(1), [], 0.0
    for strain in strains:
        F = np.eye(3).reshape(1, 9)
        F[0, 1] = strain
        result = law.update(F, state, vector, (strain - previous) / rate, tangent=False)
        assert result.status[0] == 0
        state, previous = result.state, strain
        stress = result.first_piola_kirchhoff_stress[0, 1] / values["reference_stress_gpa"]
        rows.append((stress, state[0, -1]))
    return np.array(rows)


def extrapolated(name, values, rate, largest, steps):
    """The limit of small steps, by Richardson's rule for a method of first order."""
    coarse = simple_shear(name, values, rate, np.linspace(0.0, largest, steps + 1)[1:])
    fine = simple_shear(name, values, rate, np.linspace(0.0, largest, 2 * steps + 1)[1:])
    return 2.0 * fine[1::2] - coarse


def integrated(right_hand_side, initial, strains):
    solution = solve_ivp(
        right_hand_side,
        (0.0, strains[-1]),
        [0.0, initial],
        method="Radau",
        rtol=1e-10,
        atol=1e-12,
        t_eval=strains,
    )
    assert solution.success
    return solution.y.T


def free_volume_equations(modulus_ratio, rate, alpha, jumps=3.0):
    eshelby = 4.0 / 3.0 * modulus_ratio  # (2/3) G (1 + nu) / (1 - nu) at nu = 1/3

    def right_hand_side(_, y):
        s, xi = y
        rare = math.exp(-1.0 / xi)
        flow = 2.0 * rare * math.sinh(s) / rate
        change = rare * ((math.cosh(s) - 1.0) / (eshelby * xi) - 1.0 / jumps) / (alpha * rate)
        return [modulus_ratio * (1.0 - flow), change]

    return right_hand_side


@pytest.mark.parametrize("row", TABLE)
def test_free_volume_in_shear_meets_the_differential_equation_and_the_table(row):
    modulus_ratio, initial, rate, alpha, peak_strain, peak, xi_peak, steady, xi_steady = row
    values = {**elastic(modulus_ratio), "initial_free_volume": initial, "geometry_factor": alpha}
    steps, largest = 600, 0.3
    strains = np.linspace(0.0, largest, steps + 1)[1:]
    found = extrapolated("free-volume", values, rate, largest, steps)
    expected = integrated(free_volume_equations(modulus_ratio, rate, alpha), initial, strains)
    # What Richardson's rule leaves is of second order in the step of 5e-4; it is largest where the
    # stress falls at once after the peak. Away from there a hundredth of that.
    assert np.abs(found[:, 0] - expected[:, 0]).max() < 0.01 * peak
    calm = (strains < 0.9 * peak_strain) | (strains > 2.5 * peak_strain)
    assert np.abs(found[calm, 0] - expected[calm, 0]).max() < 1e-3 * peak
    # The verification table: peak within 0.5 %, steady state 1e-4.
    assert abs(found[:, 0].max() / peak - 1.0) < 5e-3
    assert abs(strains[found[:, 0].argmax()] - peak_strain) < 1e-3
    assert abs(initial + found[found[:, 0].argmax(), 1] - xi_peak) < 2e-4
    assert abs(found[-1, 0] / steady - 1.0) < 1e-4
    assert abs((initial + found[-1, 1]) / xi_steady - 1.0) < 1e-4


def test_the_history_of_the_first_row_has_its_undershoot():
    values = {**elastic(100.0), "initial_free_volume": 0.05}
    found = extrapolated("free-volume", values, 1e-6, 0.3, 3000)
    for strain, stress in ((0.05, 4.683490), (0.12, 2.065206), (0.20, 2.014218), (0.30, 2.013362)):
        assert abs(found[round(strain * 1e4) - 1, 0] - stress) < 2e-4


def test_the_steady_state_is_the_closed_form_after_one_huge_step():
    """Backward Euler's fixed point is the exact one, so a single long step must land on it."""
    modulus_ratio, rate = 100.0, 1e-6
    values = {**elastic(modulus_ratio), "initial_free_volume": 0.05}
    found = simple_shear("free-volume", values, rate, np.linspace(0.0, 40.0, 401)[1:])[-1]
    s, xi = found[0], 0.05 + found[1]
    assert abs(xi * math.log(2.0 * math.sinh(s) / rate) - 1.0) < 1e-9
    eshelby = 4.0 / 3.0 * modulus_ratio
    assert abs((math.cosh(s) - 1.0) / (xi * eshelby / 3.0) - 1.0) < 1e-6


def test_effective_temperature_meets_its_differential_equation():
    modulus_ratio, rate, heat, steady, initial = 120.0, 1e-6, 0.5, 0.066, 0.05
    values = {
        **elastic(modulus_ratio),
        "initial_effective_temperature": initial,
        "steady_effective_temperature": steady,
        "effective_heat_capacity": heat,
    }

    def right_hand_side(_, y):
        s, chi = y
        flow = 2.0 * math.exp(-1.0 / chi) * math.sinh(s) / rate
        return [modulus_ratio * (1.0 - flow), flow * s / heat * (steady - chi)]

    strains = np.linspace(0.0, 0.4, 1601)[1:]
    found = extrapolated("effective-temperature", values, rate, 0.4, 1600)
    expected = integrated(right_hand_side, initial, strains)
    assert np.abs(found[:, 0] - expected[:, 0]).max() < 3e-3 * expected[:, 0].max()
    assert np.abs(initial + found[:, 1] - expected[:, 1]).max() < 1e-4
    # In the steady state chi is its steady value and the flow rule gives the stress.
    last = simple_shear("effective-temperature", values, rate, np.linspace(0.0, 6.0, 601)[1:])[-1]
    assert abs(initial + last[1] - steady) < 1e-8
    assert abs(math.sinh(last[0]) * 2.0 * math.exp(-1.0 / steady) / rate - 1.0) < 1e-5


def test_relaxation_meets_its_differential_equation():
    modulus_ratio, rate, initial = 120.0, 1e-4, 0.045
    zeta, relaxation, relaxed = 0.08, 2e-3, 0.05
    values = {
        **elastic(modulus_ratio),
        "initial_free_volume": initial,
        "creation_per_shear_strain": zeta,
        "relaxation_rate_per_s": relaxation,
        "relaxed_free_volume": relaxed,
    }

    def right_hand_side(_, y):
        s, xi = y
        flow = 2.0 * math.exp(-1.0 / xi) * math.sinh(s) / rate
        return [modulus_ratio * (1.0 - flow), zeta * flow - relaxation / rate * (xi - relaxed)]

    strains = np.linspace(0.0, 0.4, 1601)[1:]
    found = extrapolated("free-volume-relaxation", values, rate, 0.4, 1600)
    expected = integrated(right_hand_side, initial, strains)
    assert np.abs(found[:, 0] - expected[:, 0]).max() < 3e-3 * expected[:, 0].max()
    # Steady: creation at the whole strain rate balances relaxation.
    assert abs(initial + found[-1, 1] - (relaxed + zeta * rate / relaxation)) < 1e-5


def test_pressure_presses_free_volume_out_at_its_rate():
    law = BatchedLaw("free-volume-relaxation", "small", chunk_size=1)
    values = {
        **elastic(120.0),
        "reference_rate_per_s": 1e-12,
        "initial_free_volume": 0.05,
        "creation_per_shear_strain": 0.1,
        "pressure_annihilation_per_gpa_s": 1e-4,
    }
    F = (np.eye(3) * 0.99).reshape(1, 9)
    result = law.update(F, law.initial_state(1), law.parameter_vector(values), 10.0)
    bulk = values["youngs_modulus_gpa"] / (3.0 * (1.0 - 2.0 * POISSON_RATIO))
    assert abs(result.state[0, -1] + 10.0 * 1e-4 * bulk * 0.03) < 1e-12


def test_the_variants_are_the_free_volume_law_where_they_must_be():
    """A frozen structure makes all three one law; without annihilation creation is zeta's."""
    rate, strains = 1e-6, np.linspace(0.0, 0.1, 201)[1:]
    base = elastic(120.0)
    frozen = [
        ("free-volume", {"initial_free_volume": 0.06, "geometry_factor": 10.0,
                         "activation_ratio": 100.0, "diffusion_jumps": 1e12}),
        ("effective-temperature", {"initial_effective_temperature": 0.06,
                                   "steady_effective_temperature": 0.06,
                                   "effective_heat_capacity": 1.0}),
        ("free-volume-relaxation", {"initial_free_volume": 0.06,
                                    "creation_per_shear_strain": 0.0}),
    ]  # fmt: skip
    curves = [simple_shear(name, {**base, **own}, rate, strains)[:, 0] for name, own in frozen]
    # alpha b = 1000 leaves the free volume a change of about 1e-6 in the first of them.
    np.testing.assert_allclose(curves[0], curves[2], rtol=1e-3)
    np.testing.assert_allclose(curves[1], curves[2], rtol=1e-12)
    # tanh(s/2) and 1/xi of the creation hardly move while s is about 6 and xi changes by 1 %.
    alpha = 2.0
    created = simple_shear(
        "free-volume",
        {**base, "initial_free_volume": 0.05, "geometry_factor": alpha, "diffusion_jumps": 1e12},
        rate,
        strains,
    )
    zeta = np.tanh(0.5 * created[-1, 0]) / (2.0 * alpha * 4.0 / 3.0 * 120.0 * 0.05)
    linear = simple_shear(
        "free-volume-relaxation",
        {**base, "initial_free_volume": 0.05, "creation_per_shear_strain": zeta},
        rate,
        strains,
    )
    assert created[-1, 1] > 3e-4
    np.testing.assert_allclose(linear[-1, 1], created[-1, 1], rtol=0.03)
    np.testing.assert_allclose(linear[:, 0], created[:, 0], rtol=0.01)


@pytest.mark.parametrize("size", [1e-6, 1e-3, 0.05, 0.3])
@pytest.mark.parametrize("time_increment_s", [1e-6, 1.0, 1e4])
def test_no_step_of_the_free_volume_law_fails(size, time_increment_s):
    law = BatchedLaw("free-volume", "finite")
    vector = law.parameter_vector({**elastic(200.0), "initial_free_volume": 0.05})
    rng = np.random.default_rng(0)
    state, F = law.initial_state(4096), np.tile(np.eye(3).ravel(), (4096, 1))
    for _ in range(2):
        turn = np.eye(3) + size * rng.normal(size=(4096, 3, 3))
        stretched = (turn @ F.reshape(-1, 3, 3)).reshape(-1, 9)
        valid = np.linalg.det(stretched.reshape(-1, 3, 3)) > 0.05
        F = np.where(valid[:, None], stretched, F)
        result = law.update(F, state, vector, time_increment_s)
        assert np.all(result.status == 0)
        assert np.all(np.isfinite(result.consistent_tangent))
        state = result.state


@pytest.mark.parametrize("kinematics", ["finite", "small"])
def test_dilatation_has_an_exact_tangent_and_moves_the_pressure(kinematics, random_path):
    law = BatchedLaw("free-volume", kinematics, chunk_size=64)
    values = {
        **elastic(200.0),
        "initial_free_volume": 0.06,
        "dilatation_per_free_volume": 0.15,
        "reference_rate_per_s": 10.0,
    }
    vector = law.parameter_vector(values)
    first, second = random_path(2, 64, 0.03, seed=4).reshape(2, 64, 9)
    state = law.update(first, law.initial_state(64), vector, 1.0).state
    result = law.update(second, state, vector, 1.0)
    step, columns = 1e-5, []
    for k in range(9):
        shifted = [second.copy() for _ in range(4)]
        for F, factor in zip(shifted, (1, -1, 2, -2), strict=True):
            F[:, k] += factor * step
        stress = [
            law.update(F, state, vector, 1.0, tangent=False).first_piola_kirchhoff_stress
            for F in shifted
        ]
        columns.append((8.0 * (stress[0] - stress[1]) - (stress[2] - stress[3])) / (12.0 * step))
    expected = np.stack(columns, axis=2).reshape(-1, 81)
    error = np.abs(expected - result.consistent_tangent).max(1) / np.abs(expected).max(1)
    assert error.max() < 1e-7
    if kinematics == "small":
        bulk = values["youngs_modulus_gpa"] / (3.0 * (1.0 - 2.0 * POISSON_RATIO))
        trace = second.reshape(-1, 3, 3).trace(axis1=1, axis2=2) - 3.0
        pressure = result.first_piola_kirchhoff_stress[:, ::4].mean(axis=1)
        np.testing.assert_allclose(
            pressure, bulk * (trace - 0.15 * result.state[:, -1]), rtol=0, atol=1e-11
        )
        assert np.abs(result.state[:, -1]).max() > 1e-3
