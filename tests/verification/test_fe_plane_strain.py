"""Plane strain: triangles with laws that stay three-dimensional, F33 = 1.

The closed forms: uniaxial stress in plane strain of J2 (elastic slope E / (1 - nu^2); the plastic
branch against an own radial return with the lateral stress iterated to zero) and the laminate of
test_fe_laminate, whose layers the plane represents exactly.
"""

from dataclasses import replace

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import uniaxial_stress

J2 = {
    "youngs_modulus_gpa": 130.0,
    "poisson_ratio": 0.33,
    "yield_strength_gpa": 2.5,
    "hardening_modulus_gpa": 1.0,
}
DRUCKER_PRAGER = {
    **J2,
    "friction_coefficient": 0.12,
    "dilatancy": 0.03,
    "rate_sensitivity": 0.02,
}
LAWS = {"j2": J2, "drucker-prager": DRUCKER_PRAGER}

LOADED = [[1.03, 0.02, 0.0], [0.015, 0.95, 0.0], [0.0, 0.0, 1.0]]
REVERSED = [[1.00, -0.01, 0.0], [0.02, 0.99, 0.0], [0.0, 0.0, 1.0]]
GRID = np.linspace(0.0, 10.0, 6)


@pytest.mark.parametrize(
    ("curve_nm", "law", "kinematics", "boundary"),
    [
        (None, "j2", "finite", "periodic"),
        (None, "drucker-prager", "small", "periodic"),
        (None, "drucker-prager", "finite", "uniform-displacement"),
        (0.15, "drucker-prager", "finite", "periodic"),
        (0.15, "j2", "small", "periodic"),
        (0.15, "j2", "finite", "uniform-displacement"),
    ],
)
def test_patch(curve_nm, law, kinematics, boundary, plane_mesh, build_problem, build_path):
    mesh = plane_mesh(GRID, 1.3 * GRID, seed=3, shake_nm=0.5, curve_nm=curve_nm)
    assert mesh.order == (1 if curve_nm is None else 2)
    material = Material("grain", law, LAWS[law])
    problem = build_problem(mesh, {"grain": material}, kinematics, boundary)
    path = build_path((LOADED, 5, 50.0), (REVERSED, 4, 5.0), axis="y")
    point = list(drive_point(material, path, kinematics))
    largest = max(np.abs(row.first_piola_kirchhoff_stress).max() for row in point)
    assert point[-1].phases["grain"].mean_equivalent_plastic_strain > 0.03
    for row, expected in zip(problem.march(path), point, strict=True):
        assert row.cutbacks == 0
        arrays, _ = problem.checkpoint()
        everywhere = arrays["point_stress_gpa"].reshape(-1, 3, 3)
        np.testing.assert_allclose(
            everywhere,
            np.broadcast_to(expected.first_piola_kirchhoff_stress, everywhere.shape),
            rtol=0.0,
            atol=1e-10 * largest,
        )
        np.testing.assert_allclose(
            row.first_piola_kirchhoff_stress,
            expected.first_piola_kirchhoff_stress,
            rtol=0.0,
            atol=1e-10 * largest,
        )
        assert arrays["fluctuation_nm"].shape[1:] == (6, 2)
        assert np.abs(arrays["fluctuation_nm"]).max() < 1e-9
        assert row.minimum_jacobian_vertices == pytest.approx(
            np.linalg.det(row.deformation_gradient), abs=1e-10
        )
