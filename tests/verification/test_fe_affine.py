"""A homogeneous cell deforms affinely, and its curve is that of one material point.

The closed forms: uniaxial stress of Hencky J2 with linear hardening, Kirchhoff stress
(sigma_0 + H a) / (1 + H / E) at a = |ln lambda|; simple shear of Hencky elasticity,
tau_12 = 2 G asinh(g / 2) 2 / sqrt(g^2 + 4) and tau_11 = tau_12 g / 2.
"""

from dataclasses import replace

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import uniaxial_stress
from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.simple_cells import homogeneous_cell

LAWS = {
    "j2": {
        "youngs_modulus_gpa": 130.0,
        "poisson_ratio": 0.33,
        "yield_strength_gpa": 2.5,
        "hardening_modulus_gpa": 1.0,
    },
    "drucker-prager": {
        "youngs_modulus_gpa": 130.0,
        "poisson_ratio": 0.33,
        "yield_strength_gpa": 2.5,
        "hardening_modulus_gpa": 1.0,
        "friction_coefficient": 0.12,
        "dilatancy": 0.03,
        "rate_sensitivity": 0.02,
    },
}

# No symmetry, plastic from the second increment on, then reversed.
LOADED = [[1.03, 0.02, -0.01], [0.015, 0.95, 0.03], [-0.02, 0.01, 1.01]]
REVERSED = [[1.00, -0.01, 0.0], [0.02, 0.99, 0.01], [0.0, 0.02, 0.98]]


def shaken(mesh: PeriodicMesh, seed: int, amplitude_nm: float) -> PeriodicMesh:
    """Move every node at random, periodic images alike."""
    moves = np.random.default_rng(seed).uniform(-1.0, 1.0, mesh.points.shape) * amplitude_nm
    points = mesh.points + moves[mesh.torus_node]
    corner = points[mesh.cells]
    volume = np.linalg.det(corner[:, 1:] - corner[:, :1])
    assert volume.min() > 0.0
    return replace(mesh, points=points)


@pytest.fixture(scope="module")
def meshes() -> dict[str, PeriodicMesh]:
    """Unstructured boxes: two sizes, one of them with its nodes shaken, and a flat box."""
    fine = generate_mesh(homogeneous_cell("grain"), 1.6, use_cache=False)
    coarse = generate_mesh(homogeneous_cell("grain"), 2.0, use_cache=False)
    flat = generate_mesh(homogeneous_cell("grain", (10.0, 12.0, 14.0)), 2.0, use_cache=False)
    return {
        "fine": fine,
        "shaken 1": shaken(coarse, 1, 0.12),
        "shaken 2": shaken(coarse, 2, 0.12),
        "long": flat,
    }


@pytest.mark.parametrize(
    ("mesh", "law", "kinematics", "boundary"),
    [
        ("fine", "j2", "finite", "periodic"),
        ("shaken 1", "drucker-prager", "finite", "periodic"),
        ("shaken 2", "j2", "small", "periodic"),
        ("long", "drucker-prager", "small", "periodic"),
        ("shaken 2", "drucker-prager", "finite", "uniform-displacement"),
        ("long", "j2", "finite", "uniform-displacement"),
        ("fine", "j2", "small", "uniform-displacement"),
        ("shaken 1", "drucker-prager", "small", "uniform-displacement"),
    ],
)
def test_patch(mesh, law, kinematics, boundary, meshes, build_problem, build_path):
    material = Material("grain", law, LAWS[law])
    problem = build_problem(meshes[mesh], {"grain": material}, kinematics, boundary)
    path = build_path((LOADED, 5, 50.0), (REVERSED, 4, 5.0))
    point = list(drive_point(material, path, kinematics))
    largest = max(np.abs(row.first_piola_kirchhoff_stress).max() for row in point)
    assert point[-1].phases["grain"].mean_equivalent_plastic_strain > 0.05
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
        # 1e-10 of the cell's edge
        assert np.abs(arrays["fluctuation_nm"]).max() < 1e-9
        assert row.minimum_jacobian_vertices == pytest.approx(
            np.linalg.det(row.deformation_gradient), abs=1e-10
        )


def test_patch_is_restored_from_a_wrong_start(meshes, build_problem, build_path):
    """Newton's method takes a large disturbance out of a homogeneous cell again."""
    problem = build_problem(
        meshes["shaken 1"], {"grain": Material("grain", "j2", LAWS["j2"])}, "finite", "periodic"
    )
    path = build_path((LOADED, 4))
    marching = problem.march(path)
    next(marching)
    next(marching)
    arrays, metadata = problem.checkpoint()
    torus = problem.volume.source
    wave = 0.02 * np.sin(2.0 * np.pi * torus.points / 10.0 + 0.3)
    vertex = wave[problem.volume.node[:, :4]]
    # Edges in the order of the displacement nodes 4 to 9; the edge carries the mean of its ends.
    ends = np.array([(2, 3), (1, 3), (1, 2), (0, 3), (0, 2), (0, 1)])
    arrays["fluctuation_nm"] = np.concatenate([vertex, vertex[:, ends].mean(axis=2)], axis=1)
    metadata["previous_step"] = 0.0
    disturbed = build_problem(
        meshes["shaken 1"], {"grain": Material("grain", "j2", LAWS["j2"])}, "finite", "periodic"
    )
    disturbed.restore(arrays, metadata)
    row = next(disturbed.march(path))
    undisturbed = next(marching)
    assert row.newton_iterations >= 2
    # 1e-9: the conditioning of the mesh times the residual tolerance 1e-11
    np.testing.assert_allclose(
        row.first_piola_kirchhoff_stress, undisturbed.first_piola_kirchhoff_stress, atol=1e-9
    )


def test_uniaxial_compression_of_j2(cube_mesh, build_problem):
    material = Material("grain", "j2", LAWS["j2"])
    path = uniaxial_stress("z", np.log(0.45), 1e-3, 200)
    problem = build_problem(cube_mesh, {"grain": material}, "finite", "periodic")
    rows = list(problem.march(path))
    point = list(drive_point(material, path, "finite"))
    assert len(rows) == len(point) == 201
    assert all(row.requested for row in rows)
    stress = np.array([row.first_piola_kirchhoff_stress for row in rows])
    gradient = np.array([row.deformation_gradient for row in rows])
    expected = np.array([row.first_piola_kirchhoff_stress for row in point])
    np.testing.assert_allclose(stress, expected, rtol=0.0, atol=1e-8 * np.abs(expected).max())
    np.testing.assert_allclose(
        gradient, np.array([row.deformation_gradient for row in point]), rtol=0.0, atol=1e-8
    )
    # Closed form, exact for a coaxial path: Kirchhoff stress, then P = tau / lambda.
    strain = -np.log(gradient[:, 2, 2])
    kirchhoff = np.minimum(130.0 * strain, (2.5 + strain) / (1.0 + 1.0 / 130.0))
    np.testing.assert_allclose(-stress[:, 2, 2] * gradient[:, 2, 2], kirchhoff, atol=1e-8)
    jacobian = np.exp(-(1.0 - 2.0 * 0.33) * kirchhoff / 130.0)
    np.testing.assert_allclose(np.linalg.det(gradient), jacobian, atol=1e-8)
    assert stress[-1, 2, 2] == pytest.approx(-7.274063, abs=1e-6)
    assert jacobian[-1] == pytest.approx(0.991476, abs=1e-6)
    plastic = rows[-1].phases["grain"].mean_equivalent_plastic_strain
    assert plastic == pytest.approx(0.773328, abs=1e-6)


SHEAR_MODULUS_GPA = 50.0
SHEAR_POISSON_RATIO = 0.3
SHEAR_ELASTIC = {
    "youngs_modulus_gpa": 2.0 * SHEAR_MODULUS_GPA * (1.0 + SHEAR_POISSON_RATIO),
    "poisson_ratio": SHEAR_POISSON_RATIO,
}


def simple_shear(amount):
    """F = I + amount e1 (x) e2."""
    gradient = np.eye(3)
    gradient[0, 1] = amount
    return gradient


def kirchhoff_stress(row):
    return row.first_piola_kirchhoff_stress @ row.deformation_gradient.T


def test_simple_shear_of_hencky_elasticity(cube_mesh, build_problem, build_path):
    material = Material("grain", "elastic", SHEAR_ELASTIC)
    problem = build_problem(cube_mesh, {"grain": material}, "finite", "periodic")
    rows = list(problem.march(build_path((simple_shear(2.0), 20, 20.0))))
    for row in rows[1:]:
        shear = row.deformation_gradient[0, 1]
        scale = 2.0 * SHEAR_MODULUS_GPA * np.arcsinh(0.5 * shear) / np.hypot(shear, 2.0)
        expected = np.array([[shear, 2.0, 0.0], [2.0, -shear, 0.0], [0.0, 0.0, 0.0]]) * scale
        np.testing.assert_allclose(kirchhoff_stress(row), expected, rtol=0.0, atol=1e-8)
    np.testing.assert_allclose(kirchhoff_stress(rows[10])[0, :2], [21.520447, 43.040894], atol=1e-6)
    np.testing.assert_allclose(kirchhoff_stress(rows[20])[0, :2], [62.322524, 62.322524], atol=1e-6)


def test_simple_shear_of_j2(cube_mesh, build_problem, build_path):
    material = Material(
        "grain",
        "j2",
        {**SHEAR_ELASTIC, "yield_strength_gpa": 2.5, "hardening_modulus_gpa": 2.0},
    )
    path = build_path((simple_shear(1.0), 200, 200.0))
    problem = build_problem(cube_mesh, {"grain": material}, "finite", "periodic")
    rows = list(problem.march(path))
    point = list(drive_point(material, path, "finite"))
    stress = np.array([row.first_piola_kirchhoff_stress for row in rows])
    expected = np.array([row.first_piola_kirchhoff_stress for row in point])
    np.testing.assert_allclose(stress, expected, rtol=0.0, atol=1e-8 * np.abs(expected).max())
    # Limit of small steps plus the first-order error, which is twenty times that of a point at
    # steps of 2.5e-4 (2.080124, 0.085765, 0.552971); twenty times the last digit as the tolerance.
    end = kirchhoff_stress(rows[-1])
    assert end[0, 1] == pytest.approx(2.080137 - 20.0 * 1.3e-5, abs=2e-5)
    assert end[0, 0] == pytest.approx(0.085512 + 20.0 * 2.53e-4, abs=2e-5)
    plastic = rows[-1].phases["grain"].mean_equivalent_plastic_strain
    assert plastic == pytest.approx(0.552973 - 20.0 * 2e-6, abs=2e-5)
