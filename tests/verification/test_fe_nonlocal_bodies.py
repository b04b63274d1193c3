"""The nonlocal field of a phase that consists of several bodies."""

import numpy as np
import pytest

from ngcfem.constitutive.material import Material

SOFT = {
    "youngs_modulus_gpa": 130.0,
    "poisson_ratio": 0.3,
    "yield_strength_gpa": 2.5,
    "hardening_modulus_gpa": 3.0,
    "softening_gpa": 0.4,
    "softening_strain": 0.05,
    "characteristic_length_nm": 2.0,
}
SHEARED = [[1.0, 0.03, 0.0], [0.0, 0.96, 0.0], [0.0, 0.0, 1.0]]


def two_bodies(centres):
    """A large and a small body of one phase, in another phase."""
    first = (np.abs(centres - (4.0, 4.0)) < (3.0, 3.0)).all(axis=1)
    second = (np.abs(centres - (11.0, 13.0)) < (2.0, 1.0)).all(axis=1)
    return np.where(first, 0, np.where(second, 1, 2))


@pytest.mark.parametrize("own", ["shared", "per-phase"])
def test_bodies_of_one_phase_exchange_nothing(own, plane_mesh, build_problem, build_path):
    grid = np.linspace(0.0, 16.0, 17)
    mesh = plane_mesh(grid, grid, lambda c: two_bodies(c) == 2, ("bodies", "around"))
    materials = {
        "bodies": Material("bodies", "j2", SOFT),
        "around": Material("around", "j2", {**SOFT, "yield_strength_gpa": 2.2}),
    }
    problem = build_problem(mesh, materials, nonlocal_field=own)
    *_, last = problem.march(build_path((SHEARED, 3), axis="y"))
    assert last.phases["bodies"].mean_equivalent_plastic_strain > 0.005
    fields = problem.snapshot()
    chi, kappa = (
        fields.cell_data[f"{name} [-]"] for name in ("nonlocal_field", "equivalent_plastic_strain")
    )
    corners = fields.points[fields.cells[:, :3], :2]
    area = 0.5 * np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
    # The snapshot lists the cells as the solver has them.
    body = two_bodies(corners.mean(axis=1))
    np.testing.assert_array_equal(fields.cell_data["phase"], body == 2)
    lost = [area[body == n] @ (chi - kappa)[body == n] / (area @ kappa) for n in (0, 1, 2)]
    means = [np.average(kappa[body == n], weights=area[body == n]) for n in (0, 1)]
    # They flow differently, so that an exchange between them would be seen.
    assert abs(means[0] - means[1]) > 0.02 * means[0]
    if own == "per-phase":
        assert np.abs(lost).max() < 1e-9
    else:
        assert np.abs(lost).min() > 1e-5
        assert sum(lost) == pytest.approx(0.0, abs=1e-9)
