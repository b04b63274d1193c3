"""Mohr-Coulomb softening over a length: homogeneous limit, quadratic convergence."""

import itertools
import math

import numpy as np

from ngcfem.constitutive.material import Material

SLIP = {
    "youngs_modulus_gpa": 130.0,
    "poisson_ratio": 0.3,
    "cohesion_gpa": 1.2,
    "cohesion_softening_gpa": 0.15,
    "softening_slip": 0.06,
    "friction_coefficient": 0.1,
    "dilatancy": 0.04,
    "rate_sensitivity": 0.02,
}
SPREAD = {**SLIP, "characteristic_length_nm": 2.0}
FREE = np.nan


def test_homogeneous_flow_is_that_of_the_local_law(plane_mesh, build_problem, build_path):
    """chi = slip wherever it is the same everywhere, softening and all."""
    grid = np.linspace(0.0, 6.0, 4)
    path = build_path(([[FREE, 0.0, 0.0], [0.0, 0.94, 0.0], [0.0, 0.0, 1.0]], 10, 50.0), axis="y")
    stresses = []
    for parameters in (SLIP, SPREAD):
        materials = {"grain": Material("grain", "mohr-coulomb", parameters)}
        problem = build_problem(plane_mesh(grid, grid), materials)
        stresses.append([r.first_piola_kirchhoff_stress[1, 1] for r in problem.march(path)])
    # It softens by a few per cent of 2.8 GPa after the peak.
    assert stresses[0][-1] > min(stresses[0]) + 0.05
    np.testing.assert_allclose(stresses[1], stresses[0], rtol=0.0, atol=1e-8)
    slip, total = problem.nonlocal_balance()
    assert abs(slip) < 1e-9 * total


def test_newton_is_quadratic_with_two_slipping_phases(plane_mesh, build_problem, build_path):
    grid = np.linspace(0.0, 10.0, 5)
    mesh = plane_mesh(grid, grid, lambda c: c[:, 0] > 5.0, ("soft", "hard"), shake_nm=0.3)
    hard = {**SPREAD, "cohesion_gpa": 1.5}
    materials = {
        "soft": Material("soft", "mohr-coulomb", SPREAD),
        "hard": Material("hard", "mohr-coulomb", hard),
    }
    problem = build_problem(mesh, materials, linear_tolerance=1e-10, predictor="affine")
    residuals = []
    evaluate = problem._newton._evaluate

    def recorded(*arguments):
        state = evaluate(*arguments)
        residuals.append(max(state.force_residual, state.field_residual))
        return state

    problem._newton._evaluate = recorded
    path = build_path(([[FREE, 0.0, 0.0], [0.0, 0.955, 0.0], [0.0, 0.0, 1.0]], 9, 45.0), axis="y")
    orders = []
    for row in problem.march(path):
        steps = [value for value in residuals if value > 1e-12]
        residuals.clear()
        orders += [math.log(b) / math.log(a) for a, b in itertools.pairwise(steps) if a < 1e-3]
        assert row.hill_mandel_error < 1e-8
        assert row.newton_iterations <= 6
        assert row.cutbacks == 0
    assert row.phases["soft"].mean_equivalent_plastic_strain > 0.005
    # An exact tangent doubles the number of correct digits; a wrong term would leave it linear.
    assert max(orders) > 1.6
