"""Newton's method on two phases in plane strain: quadratic with the exact tangent of any law."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from ngcfem.constitutive.batch import LAWS
from ngcfem.constitutive.material import Material

FREE = np.nan
BINGHAM = f"{Path(__file__).resolve().parents[2] / 'cases' / 'laws' / 'bingham.py'}:Bingham"
ELASTIC = {"youngs_modulus_gpa": 130.0, "poisson_ratio": 0.33}
PLASTIC = {**ELASTIC, "yield_strength_gpa": 2.0, "hardening_modulus_gpa": 2.0}
ACTIVATED = {**ELASTIC, "reference_stress_gpa": 0.25, "reference_rate_per_s": 1e-1}
CUBIC = {"c11_gpa": 230.0, "c12_gpa": 135.0, "c44_gpa": 117.0}
MATERIALS = {
    "elastic": ELASTIC,
    "j2": PLASTIC,
    "drucker-prager": {**PLASTIC, "friction_coefficient": 0.1, "dilatancy": 0.05},
    "mohr-coulomb": {
        **ELASTIC,
        "cohesion_gpa": 1.0,
        "cohesion_hardening_gpa": 1.0,
        "friction_coefficient": 0.1,
        "dilatancy": 0.05,
        "softening_slip": 0.1,
    },
    "free-volume": {**ACTIVATED, "initial_free_volume": 0.06},
    "effective-temperature": {
        **ACTIVATED,
        "initial_effective_temperature": 0.06,
        "steady_effective_temperature": 0.065,
        "effective_heat_capacity": 1.0,
    },
    "free-volume-relaxation": {
        **ACTIVATED,
        "initial_free_volume": 0.06,
        "creation_per_shear_strain": 0.02,
        "relaxation_rate_per_s": 1e-3,
    },
    "cubic-elastic": CUBIC,
    "crystal-plasticity": {
        **CUBIC,
        "slip_systems": "110+112",
        "initial_slip_resistance_gpa": 1.0,
        "saturation_slip_resistance_gpa": 1.5,
        "slip_hardening_modulus_gpa": 1.0,
    },
    BINGHAM: {**ELASTIC, "strength_gpa": 2.0, "flow_viscosity_gpa_s": 5.0},
}
LOADED = [[FREE, 0.0, 0.0], [FREE, 0.94, 0.0], [0.0, 0.0, 1.0]]


def test_every_law_is_here():
    assert set(MATERIALS) >= set(LAWS)


def residuals_of_steps(law, kinematics, fixtures, tangent_error=0.0, element="p2"):
    """Residuals of every Newton iteration, step by step, and the last row."""
    plane_mesh, build_problem, build_path = fixtures
    edge = np.linspace(0.0, 9.0, 4)
    mesh = plane_mesh(edge, edge, lambda x: x[:, 0] > 4.5, ("soft", "hard"), shake_nm=0.3)
    materials = {
        "soft": Material("soft", law, MATERIALS[law]),
        "hard": Material("hard", "elastic", {**ELASTIC, "youngs_modulus_gpa": 260.0}),
    }
    problem = build_problem(
        mesh,
        materials,
        kinematics,
        residual_tolerance=1e-12,
        linear_tolerance=1e-10,
        element=element,
    )
    material_points = problem._points
    update = material_points.evaluate

    def disturbed(gradient, time_increment_s, viscosity, stress, moduli, *rest):
        answer = update(gradient, time_increment_s, viscosity, stress, moduli, *rest)
        moduli *= 1.0 + tangent_error
        return answer

    material_points.evaluate = disturbed
    residuals = []
    evaluate = problem._newton._evaluate

    def recorded(*arguments):
        state = evaluate(*arguments)
        residuals.append(state.force_residual)
        return state

    problem._newton._evaluate = recorded
    steps = []
    for row in problem.march(build_path((LOADED, 6, 60.0), axis="y")):
        assert row.cutbacks == 0
        assert row.hill_mandel_error < 1e-8
        steps.append(list(residuals))
        residuals.clear()
    return steps, row


def highest_order(steps):
    """The largest log r_(k+1) / log r_k of steps that are close, 2 if the tangent is exact.

    A tangent that is wrong by a per cent makes the residual fall by a hundred an iteration: 1.5 at
    most, from 1e-4 to 1e-6. Below 1e-12 rounding ends the fall.
    """
    orders = [
        math.log(max(after, 1e-13)) / math.log(before)
        for step in steps
        for before, after in itertools.pairwise(step)
        if 1e-7 < before < 1e-4
    ]
    assert orders, steps
    return max(orders)


# elastic laws in small strain are linear: one iteration
@pytest.mark.parametrize(
    ("law", "kinematics"),
    [pytest.param(law, "finite", id=f"{law.rpartition(':')[2]}-finite") for law in MATERIALS]
    + [
        pytest.param(law, "small", id=f"{law.rpartition(':')[2]}-small", marks=pytest.mark.slow)
        for law in MATERIALS
        if law not in ("elastic", "cubic-elastic")
    ],
)
def test_newton_is_quadratic(law, kinematics, plane_mesh, build_problem, build_path):
    steps, row = residuals_of_steps(law, kinematics, (plane_mesh, build_problem, build_path))
    if law not in ("elastic", "cubic-elastic"):
        assert row.phases["soft"].mean_equivalent_plastic_strain > 0.01
    assert highest_order(steps) > 1.6, steps


QUICK_WITH_NODAL_PRESSURE = ("j2", "drucker-prager")


@pytest.mark.parametrize(
    ("law", "kinematics"),
    [
        pytest.param(
            law,
            kinematics,
            id=f"{law.rpartition(':')[2]}-{kinematics}",
            marks=()
            if law in QUICK_WITH_NODAL_PRESSURE and kinematics == "finite"
            else pytest.mark.slow,
        )
        for law in MATERIALS
        for kinematics in ("finite", "small")
        if kinematics == "finite" or law not in ("elastic", "cubic-elastic")
    ],
)
def test_newton_is_quadratic_with_nodal_pressure(
    law, kinematics, plane_mesh, build_problem, build_path
):
    steps, row = residuals_of_steps(
        law, kinematics, (plane_mesh, build_problem, build_path), element="p2-nodal"
    )
    if law not in ("elastic", "cubic-elastic"):
        assert row.phases["soft"].mean_equivalent_plastic_strain > 0.01
    assert highest_order(steps) > 1.6, steps


def test_a_tangent_that_is_wrong_by_a_per_cent_is_seen(plane_mesh, build_problem, build_path):
    steps, _ = residuals_of_steps(
        "j2", "finite", (plane_mesh, build_problem, build_path), tangent_error=0.01
    )
    assert highest_order(steps) < 1.55, steps
