"""Von Mises and Drucker-Prager written a second time, plainly, and compared.

The oracle works point by point on tensors with general matrix functions and a bracketing root
finder; it shares no line and no idea of implementation (principal axes, unknowns, differentiation)
with the program.
"""

import math

import numpy as np
import pytest
from scipy.linalg import expm, logm
from scipy.optimize import brentq

from ngcfem.constitutive.material import Material

EYE = np.eye(3)


def hardened(values, kappa):
    return (
        values["yield_strength_gpa"]
        - values["softening_gpa"] * (1.0 - math.exp(-kappa / values["softening_strain"]))
        + values["voce_hardening_gpa"] * (1.0 - math.exp(-values["voce_rate"] * kappa))
        + values["hardening_modulus_gpa"] * kappa
    )


def root(function, lower, upper):
    return brentq(function, lower, upper, xtol=1e-300, rtol=8.9e-16, maxiter=500)


def return_to_mises(strain, kappa, values, dt, viscosity):
    """Elastic strain and kappa after the step, from the trial elastic strain tensor."""
    G = values["youngs_modulus_gpa"] / (2.0 + 2.0 * values["poisson_ratio"])
    mean = np.trace(strain) / 3.0 * EYE
    s_trial = 2.0 * G * (strain - mean)
    q_trial = math.sqrt(1.5 * np.tensordot(s_trial, s_trial))
    if q_trial <= hardened(values, kappa):
        return strain, kappa
    increment = root(
        lambda x: q_trial - 3.0 * G * x - hardened(values, kappa + x) - viscosity * x / dt,
        0.0,
        q_trial / (3.0 * G),
    )
    flow = 1.5 * s_trial / q_trial
    return strain - increment * flow, kappa + increment


def return_to_cone(strain, kappa, values, dt, viscosity):
    """The same for Drucker-Prager: smooth part of the cone, else its apex."""
    E, nu = values["youngs_modulus_gpa"], values["poisson_ratio"]
    G, K = E / (2.0 + 2.0 * nu), E / (3.0 - 6.0 * nu)
    mu, beta = values["friction_coefficient"], values["dilatancy"]
    m, rate0 = values["rate_sensitivity"], values["reference_rate_per_s"]
    factor = 1.0 / math.sqrt(3.0) - mu / 3.0
    p_trial = K * np.trace(strain)
    s_trial = 2.0 * G * (strain - np.trace(strain) / 3.0 * EYE)
    shear_trial = math.sqrt(0.5 * np.tensordot(s_trial, s_trial))

    def resistance(accumulated, flow):
        """Flow counts for the rate, accumulated strain for hardening."""
        rate = flow / dt
        power = 1.0 if m == 0.0 else (rate / rate0) ** m
        return factor * (hardened(values, accumulated) * power + viscosity * rate)

    def on_cone(gamma):
        x = gamma / math.sqrt(3.0)
        return (
            shear_trial - G * gamma + mu * (p_trial - K * beta * gamma) - resistance(kappa + x, x)
        )

    if on_cone(0.0) <= 0.0:
        return strain, kappa
    last = shear_trial / G
    if on_cone(last) <= 0.0:
        gamma = root(on_cone, 0.0, last)
        flow = s_trial / (2.0 * shear_trial) + beta / 3.0 * EYE
        return strain - gamma * flow, kappa + gamma / math.sqrt(3.0)
    sheared = last / math.sqrt(3.0)

    def at_apex(opening):
        pressure = p_trial - K * (beta * last + opening)
        return mu * pressure - resistance(kappa + sheared, sheared + opening)

    opening = root(at_apex, 0.0, p_trial / K)
    elastic_volume = np.trace(strain) - beta * last - opening
    return elastic_volume / 3.0 * EYE, kappa + sheared


RETURNS = {"j2": return_to_mises, "drucker-prager": return_to_cone}
INDEX = np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2]])


def advance(law, kinematics, F, state, values, dt, viscosity):
    """P and the new state (tensor, kappa) of one point."""
    tensor, kappa = state
    E, nu = values["youngs_modulus_gpa"], values["poisson_ratio"]
    lame, G = E * nu / ((1.0 + nu) * (1.0 - 2.0 * nu)), E / (2.0 + 2.0 * nu)
    if kinematics == "small":
        total = 0.5 * (F + F.T) - EYE
        elastic, kappa = RETURNS[law](total - tensor, kappa, values, dt, viscosity)
        return lame * np.trace(elastic) * EYE + 2.0 * G * elastic, (total - elastic, kappa)
    trial = 0.5 * np.real(logm(F @ tensor @ F.T))
    elastic, kappa = RETURNS[law](trial, kappa, values, dt, viscosity)
    tau = lame * np.trace(elastic) * EYE + 2.0 * G * elastic
    inverse = np.linalg.inv(F)
    return tau @ inverse.T, (inverse @ expm(2.0 * elastic) @ inverse.T, kappa)


HARDENING = {
    "youngs_modulus_gpa": 140.0,
    "poisson_ratio": 0.31,
    "yield_strength_gpa": 2.7,
    "softening_gpa": 0.35,
    "softening_strain": 0.05,
    "voce_hardening_gpa": 0.6,
    "voce_rate": 5.0,
    "hardening_modulus_gpa": 1.5,
}
PRESSURE = {**HARDENING, "friction_coefficient": 0.25, "dilatancy": 0.12}


@pytest.mark.parametrize("kinematics", ["finite", "small"])
@pytest.mark.parametrize(
    ("law", "parameters", "viscosity_gpa_s"),
    [
        ("j2", HARDENING, 0.0),
        ("j2", HARDENING, 30.0),
        ("drucker-prager", PRESSURE, 0.0),
        ("drucker-prager", {**PRESSURE, "dilatancy": 0.0}, 0.0),
        ("drucker-prager", {**PRESSURE, "rate_sensitivity": 0.02}, 0.0),
        ("drucker-prager", {**PRESSURE, "rate_sensitivity": 0.2}, 30.0),
    ],
)
def test_same_stress_and_state_as_the_oracle(
    make_points, random_path, kinematics, law, parameters, viscosity_gpa_s
):
    material = Material("grain", law, parameters)
    points = make_points(material, kinematics)
    values = material.resolved
    n, dt = 24, 7.0
    path = random_path(5, n, 0.035, seed=21)
    state = points.law.initial_state(n)
    start = EYE if kinematics == "finite" else np.zeros((3, 3))
    expected = [(start, 0.0)] * n
    for F in path:
        result = points.update(F, state, dt, viscosity_gpa_s)
        assert np.all(result.status == 0)
        state = result.state
        for k in range(n):
            P, expected[k] = advance(
                law, kinematics, F[k], expected[k], values, dt, viscosity_gpa_s
            )
            found = result.first_piola_kirchhoff_stress[k].reshape(3, 3)
            # logm and expm are good to about 1e-13 of the strain, times 200 GPa, a few times over.
            np.testing.assert_allclose(found, P, rtol=0, atol=1e-9)
            np.testing.assert_allclose(state[k, :6][INDEX], expected[k][0], rtol=0, atol=1e-10)
            assert abs(state[k, 6] - expected[k][1]) < 1e-11
    assert np.sum(state[:, 6] > 0.01) > n // 2
