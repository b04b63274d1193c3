"""What couples a law to the nonlocal field: every derivative against central differences.

The differences are of order four, with steps at which truncation and rounding are both below 1e-8
of the largest entry.
"""

import numpy as np
import pytest

from ngcfem.constitutive.batch import BatchedLaw, NonlocalInput

ELASTIC = {"youngs_modulus_gpa": 130.0, "poisson_ratio": 0.3}
SOFTENING = {
    **ELASTIC,
    "yield_strength_gpa": 2.5,
    "softening_gpa": 0.4,
    "softening_strain": 0.03,
    "characteristic_length_nm": 2.0,
}
PRESSURE = {"friction_coefficient": 0.1, "dilatancy": 0.04}
LAWS = {
    "j2": ("j2", SOFTENING),
    "micromorphic": ("j2", {**SOFTENING, "micromorphic_modulus_gpa": 14.0}),
    "drucker-prager": ("drucker-prager", {**SOFTENING, **PRESSURE, "rate_sensitivity": 0.02}),
    "mohr-coulomb": (
        "mohr-coulomb",
        {
            **ELASTIC,
            **PRESSURE,
            "cohesion_gpa": 1.19,
            "cohesion_softening_gpa": 0.2,
            "softening_slip": 0.06,
            "rate_sensitivity": 0.02,
            "characteristic_length_nm": 2.0,
        },
    ),
}
DT_S = 5.0
STEP = 2e-5


def central(function, step):
    """Derivative of order four."""
    values = [function(k * step) for k in (-2, -1, 1, 2)]
    return (values[0] - 8.0 * values[1] + 8.0 * values[2] - values[3]) / (12.0 * step)


@pytest.mark.parametrize("kinematics", ["finite", "small"])
@pytest.mark.parametrize("name", list(LAWS))
def test_every_derivative_is_that_of_the_law(name, kinematics):
    law_name, parameters = LAWS[name]
    law = BatchedLaw(law_name, kinematics, chunk_size=16)
    vector, constants = law.parameter_vector(parameters), law.field_constants(parameters)
    random = np.random.default_rng(3)
    n = 12
    # Compression with shear, past yield; fields above half of kappa, away from the kink.
    start = np.eye(3) + random.uniform(-0.01, 0.01, (n, 3, 3)) + np.diag([0.02, 0.015, -0.04])
    end = start + random.uniform(-0.001, 0.001, (n, 3, 3)) + np.diag([0.006, 0.004, -0.012])
    chi = random.uniform(0.08, 0.12, n)

    def update(gradient, field, state):
        given = NonlocalInput(field, constants)
        return law.update(gradient.reshape(n, 9), state, vector, DT_S, nonlocal_input=given)

    state = update(start, 0.6 * chi, law.initial_state(n)).state
    found = update(end, chi, state)
    assert (found.status == 0).all()
    coupling = found.coupling
    assert coupling is not None
    column = law.state_names.index(law.nonlocal_variable)
    np.testing.assert_array_equal(coupling.source, found.state[:, column])
    assert (coupling.source > state[:, column]).all()
    bend = 2.0 * chi - coupling.source
    assert (bend > 1e-3).all()

    def close(value, expected):
        np.testing.assert_allclose(value, expected, rtol=0.0, atol=1e-7 * np.abs(expected).max())

    def stress(shift):
        return update(end, chi + shift, state).first_piola_kirchhoff_stress

    def source(shift):
        return update(end, chi + shift, state).state[:, column]

    close(coupling.stress_by_field, central(stress, STEP))
    close(coupling.source_by_field, central(source, STEP))
    assert (coupling.source_by_field > 0.0).all()
    assert (coupling.source_by_field < 1.0).all()
    by_gradient = np.empty((n, 9))
    for component in range(9):
        direction = np.zeros((3, 3))
        direction.ravel()[component] = 1.0

        def moved(shift, direction=direction):
            return update(end + shift * direction, chi, state).state[:, column]

        by_gradient[:, component] = central(moved, STEP)
    close(coupling.source_by_gradient, by_gradient)


def test_closed_form_of_the_softening_step():
    """J2 in small shear: r = q_tr - 3 G dk - s(k_hat) = 0 differentiated by hand."""
    law = BatchedLaw("j2", "small", chunk_size=4)
    constants = law.field_constants(SOFTENING)
    shear = 130.0 / 2.6
    chi = np.array([0.03])
    gradient = np.eye(3)
    gradient[0, 1] = 0.08
    result = law.update(
        gradient.reshape(1, 9),
        law.initial_state(1),
        law.parameter_vector(SOFTENING),
        DT_S,
        nonlocal_input=NonlocalInput(chi, constants),
    )
    coupling = result.coupling
    kappa = coupling.source[0]
    rate = 0.4 / 0.03 * np.exp(-(2.0 * chi[0] - kappa) / 0.03)
    strength = 2.5 - 0.4 * (1.0 - np.exp(-(2.0 * chi[0] - kappa) / 0.03))
    trial = np.sqrt(3.0) * shear * 0.08
    assert trial - 3.0 * shear * kappa == pytest.approx(strength, rel=1e-10)
    # dr = -(3 G + s' (1 - m)) dk - s' m dchi with s' = -rate and m = 2
    assert coupling.source_by_field[0] == pytest.approx(2.0 * rate / (3.0 * shear + rate), rel=1e-9)
    by_shear = np.sqrt(3.0) * shear / (3.0 * shear + rate)
    # The gradient enters by its symmetric part: F12 and F21 alike, each half of the shear.
    both = coupling.source_by_gradient[0, 1] + coupling.source_by_gradient[0, 3]
    assert both == pytest.approx(2.0 * by_shear, rel=1e-9)
    change = coupling.stress_by_field[0]
    assert change[1] == pytest.approx(-shear * np.sqrt(3.0) * coupling.source_by_field[0], rel=1e-9)


ACTIVATED = {
    **ELASTIC,
    "reference_stress_gpa": 0.3,
    "reference_rate_per_s": 1e3,
    "diffusion_coefficient_nm2_per_s": 1.0,
    "dilatation_per_free_volume": 0.4,
}
DIFFUSING = {
    "free-volume": {**ACTIVATED, "initial_free_volume": 0.05},
    "effective-temperature": {
        **ACTIVATED,
        "initial_effective_temperature": 0.05,
        "steady_effective_temperature": 0.07,
        "effective_heat_capacity": 1.0,
    },
    "free-volume-relaxation": {
        **ACTIVATED,
        "initial_free_volume": 0.05,
        "creation_per_shear_strain": 0.05,
        "relaxation_rate_per_s": 1e-3,
        "pressure_annihilation_per_gpa_s": 1e-4,
    },
}


def activated_points(name, kinematics):
    """Law, vector, constants, F before and at the end, and a state that has flowed."""
    law = BatchedLaw(name, kinematics)
    vector = law.parameter_vector(DIFFUSING[name])
    random = np.random.default_rng(3)
    n = 12
    start = np.eye(3) + random.uniform(-0.01, 0.01, (n, 3, 3)) + np.diag([0.01, 0.008, -0.02])
    end = start + random.uniform(-0.001, 0.001, (n, 3, 3)) + np.diag([0.004, 0.003, -0.008])
    state = law.update(start.reshape(n, 9), law.initial_state(n), vector, DT_S).state
    return law, vector, law.field_constants(DIFFUSING[name]), end, state


@pytest.mark.parametrize("kinematics", ["finite", "small"])
@pytest.mark.parametrize("name", list(DIFFUSING))
def test_the_balance_of_the_plain_law_is_where_field_and_source_agree(name, kinematics):
    law, vector, constants, end, state = activated_points(name, kinematics)
    flat = end.reshape(-1, 9)
    plain = law.update(flat, state, vector, DT_S)
    column = law.state_names.index(law.nonlocal_variable)
    given = NonlocalInput(plain.state[:, column].copy(), constants)
    found = law.update(flat, state, vector, DT_S, nonlocal_input=given)
    assert (np.abs(plain.state[:, column] - state[:, column]) > 1e-6).all()
    np.testing.assert_allclose(found.coupling.source, given.field, rtol=0.0, atol=1e-11)
    np.testing.assert_allclose(found.state, plain.state, rtol=0.0, atol=1e-11)
    np.testing.assert_allclose(
        found.first_piola_kirchhoff_stress, plain.first_piola_kirchhoff_stress, atol=1e-9
    )


@pytest.mark.parametrize("kinematics", ["finite", "small"])
@pytest.mark.parametrize("name", list(DIFFUSING))
def test_every_derivative_of_a_diffusing_law(name, kinematics):
    law, vector, constants, end, state = activated_points(name, kinematics)
    n = len(end)
    chi = np.random.default_rng(4).uniform(0.002, 0.006, n)
    step = 2e-6

    def update(gradient, field):
        given = NonlocalInput(field, constants)
        return law.update(gradient.reshape(n, 9), state, vector, DT_S, nonlocal_input=given)

    found = update(end, chi)
    assert (found.status == 0).all()
    column = law.state_names.index(law.nonlocal_variable)
    # The state keeps the field; what the law made goes to the source.
    np.testing.assert_allclose(found.state[:, column], chi, rtol=0.0, atol=1e-15)
    coupling = found.coupling

    def close(value, expected):
        np.testing.assert_allclose(value, expected, rtol=0.0, atol=1e-7 * np.abs(expected).max())

    close(
        coupling.stress_by_field,
        central(lambda h: update(end, chi + h).first_piola_kirchhoff_stress, step),
    )
    close(coupling.source_by_field, central(lambda h: update(end, chi + h).coupling.source, step))
    by_gradient, by_component = np.empty((n, 9)), np.empty((n, 9, 9))
    for component in range(9):
        direction = np.zeros((3, 3))
        direction.ravel()[component] = 1.0

        def moved(shift, direction=direction):
            return update(end + shift * direction, chi)

        by_gradient[:, component] = central(lambda h, at=moved: at(h).coupling.source, step)
        by_component[:, :, component] = central(
            lambda h, at=moved: at(h).first_piola_kirchhoff_stress, step
        )
    close(coupling.source_by_gradient, by_gradient)
    close(found.consistent_tangent, by_component.reshape(n, 81))


def test_a_field_without_a_meaning_is_flagged():
    law, vector, constants, end, state = activated_points("free-volume", "finite")
    field = np.zeros(len(end))
    field[:4] = [-0.05, -0.2, 0.96, np.nan]
    given = NonlocalInput(field, constants)
    result = law.update(end.reshape(-1, 9), state, vector, DT_S, nonlocal_input=given)
    np.testing.assert_array_equal(result.status[:5], [1, 1, 1, 3, 0])
    assert np.isfinite(result.state).all()
    np.testing.assert_array_equal(result.state[:4], state[:4])
