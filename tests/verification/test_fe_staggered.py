"""Displacement and nonlocal field solved in turn: the same solution as together."""

import math

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.fem.newton import NewtonOutcome

ROOT3 = math.sqrt(3.0)
GLASS = {
    "youngs_modulus_gpa": 130.0,
    "poisson_ratio": 0.3,
    "yield_strength_gpa": 1.45 * ROOT3,
    "softening_gpa": 0.2 * ROOT3,
    "softening_strain": 0.05 / ROOT3,
    "characteristic_length_nm": 2.1,
}
HARD = {
    "youngs_modulus_gpa": 204.0,
    "poisson_ratio": 0.29,
    "yield_strength_gpa": 4.0,
    "hardening_modulus_gpa": 1.0,
    "characteristic_length_nm": 2.1,
}
COMPRESSED = [[np.nan, 0.0, 0.0], [0.0, 0.95, 0.0], [0.0, 0.0, 1.0]]


def composite(plane_mesh, build_problem, **options):
    """Two hard squares in softening glass: strain gathers in bands around them."""
    grid = np.linspace(0.0, 16.0, 9)

    def hard(centres):
        return (np.abs(centres - 5.0).max(axis=1) < 2.0) | (np.abs(centres - 11.0).max(axis=1) < 2)

    mesh = plane_mesh(grid, grid, hard, ("glass", "crystal"), shake_nm=0.2)
    materials = {
        "glass": Material("glass", "j2", GLASS),
        "crystal": Material("crystal", "j2", HARD),
    }
    return build_problem(mesh, materials, residual_tolerance=1e-9, **options)


def final_state(problem, path):
    rows = list(problem.march(path))
    return rows, problem.snapshot().cell_data["nonlocal_field [-]"]


def test_in_turn_is_the_same_as_together(plane_mesh, build_problem, build_path):
    path = build_path((COMPRESSED, 4), axis="y")
    rows, chi = {}, {}
    for way in ("monolithic", "staggered"):
        problem = composite(plane_mesh, build_problem, nonlocal_solution=way)
        rows[way], chi[way] = final_state(problem, path)
    together, in_turn = rows["monolithic"], rows["staggered"]
    assert len(together) == len(in_turn)
    for first, second in zip(together, in_turn, strict=True):
        # Both residuals are below 1e-9; softening magnifies what that leaves of the solution.
        np.testing.assert_allclose(
            first.first_piola_kirchhoff_stress,
            second.first_piola_kirchhoff_stress,
            rtol=0.0,
            atol=1e-7,
        )
        assert second.relative_residual <= 1e-9
        assert second.hill_mandel_error < 1e-7
    np.testing.assert_allclose(chi["monolithic"], chi["staggered"], rtol=0.0, atol=1e-6)
    # Past the strain over which most of the softening happens.
    assert chi["monolithic"].max() > GLASS["softening_strain"]
    assert sum(row.staggered_iterations for row in together) == 0
    assert all(row.staggered_iterations > 0 for row in in_turn[1:])


@pytest.mark.parametrize("way", ["monolithic-then-staggered", "monolithic"])
def test_in_turn_steps_in_where_together_fails(way, plane_mesh, build_problem, build_path):
    problem = composite(plane_mesh, build_problem, nonlocal_solution=way)
    solve = problem._newton.solve
    failures = []

    def failing(*arguments, held_field_tolerance=None):
        # The second step fails once when everything is solved for together.
        if held_field_tolerance is None and problem.position > 0.5 and not failures:
            failures.append(problem.position)
            return NewtonOutcome(None, "made to fail", 3, 30, 1.0)
        return solve(*arguments, held_field_tolerance=held_field_tolerance)

    problem._newton.solve = failing
    rows, _ = final_state(problem, build_path((COMPRESSED, 4), axis="y"))
    assert len(failures) == 1
    if way == "monolithic":
        assert sum(row.cutbacks for row in rows) == 1
        assert sum(row.staggered_iterations for row in rows) == 0
    else:
        assert sum(row.cutbacks for row in rows) == 0
        assert [row.staggered_iterations > 0 for row in rows] == [False, False, True, False, False]
