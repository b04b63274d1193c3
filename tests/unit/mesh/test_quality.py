"""Shape measures against closed forms, and the floor."""

from dataclasses import replace

import numpy as np
import pytest

from ngcfem.errors import RefusedError
from ngcfem.mesh.quality import (
    QualityFloor,
    cell_volumes,
    mesh_quality,
    refuse_poor_quality,
    tetrahedron_shapes,
)
from ngcfem.mesh.reading import read_mesh
from ngcfem.mesh.relaxation import tetrahedron_scores

REGULAR = np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, -1.0]])
CORNER = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def test_regular_and_corner_tetrahedron():
    shapes = tetrahedron_shapes(np.stack([REGULAR, CORNER]))
    # edge sqrt(8): V = 8/3; dihedral acos(1/3); height = sqrt(2/3) edge
    assert abs(shapes.volume[0]) == pytest.approx(8.0 / 3.0, rel=1e-14)
    assert shapes.gamma[0] == pytest.approx(1.0, rel=1e-12)
    angle = np.degrees(np.arccos(1.0 / 3.0))
    assert shapes.minimum_dihedral_angle_deg[0] == pytest.approx(angle, rel=1e-12)
    assert shapes.maximum_dihedral_angle_deg[0] == pytest.approx(angle, rel=1e-12)
    assert shapes.aspect_ratio[0] == pytest.approx(np.sqrt(1.5), rel=1e-12)
    # corner of the unit cube: r_in = 1 / (3 + sqrt 3), r_circ = sqrt(3) / 2
    assert shapes.gamma[1] == pytest.approx(6.0 / (3.0 + 3.0**0.5) / 3.0**0.5, rel=1e-12)
    assert shapes.minimum_dihedral_angle_deg[1] == pytest.approx(
        np.degrees(np.arccos(1.0 / 3.0**0.5)), rel=1e-12
    )
    assert shapes.maximum_dihedral_angle_deg[1] == pytest.approx(90.0, rel=1e-12)


def test_scores_agree_with_the_shapes():
    corners = np.random.default_rng(3).normal(size=(300, 4, 3))
    shapes = tetrahedron_shapes(corners)
    expected = np.minimum.reduce(
        [
            shapes.minimum_dihedral_angle_deg / 20.0,
            (180.0 - shapes.maximum_dihedral_angle_deg) / 40.0,
            shapes.gamma / 0.3,
        ]
    )
    expected = np.where(shapes.volume > 0.0, expected, -1.0)
    np.testing.assert_allclose(tetrahedron_scores(corners), expected, atol=1e-12)


def test_curved_volume_is_exact_for_a_cubic_jacobian(shipped_meshes):
    # independent rule: tensor Gauss points on the collapsed cube integrate the same cubic
    mesh = read_mesh(shipped_meshes / "sphere_curved_coarse.msh")
    nodes, weights = np.polynomial.legendre.leggauss(5)
    nodes, weights = 0.5 * (nodes + 1.0), 0.5 * weights
    total = np.zeros(len(mesh.cells))
    for a, wa in zip(nodes, weights, strict=True):
        for b, wb in zip(nodes, weights, strict=True):
            for c, wc in zip(nodes, weights, strict=True):
                x, y, z = a, b * (1.0 - a), c * (1.0 - a) * (1.0 - b)
                shape = [1.0 - x - y - z, x, y, z]
                slope = np.array([[-1.0, -1.0, -1.0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
                gradient = [(4.0 * shape[i] - 1.0) * slope[i] for i in range(4)]
                for i, j in ((0, 1), (1, 2), (0, 2), (0, 3), (2, 3), (1, 3)):
                    gradient.append(4.0 * (shape[i] * slope[j] + shape[j] * slope[i]))
                jacobian = np.einsum("mai,aj->mij", mesh.points[mesh.cells], np.array(gradient))
                total += wa * wb * wc * (1 - a) ** 2 * (1 - b) * np.linalg.det(jacobian)
    np.testing.assert_allclose(cell_volumes(mesh.points, mesh.cells), total, rtol=1e-12)


def test_curved_sphere_has_the_volume_of_a_sphere(shipped_meshes):
    # 80 quadratic triangles on a sphere of radius 0.3: within 1e-3 of 4/3 pi r^3 (straight: 6 %)
    quality = mesh_quality(read_mesh(shipped_meshes / "sphere_curved_coarse.msh"))
    sphere = 4.0 / 3.0 * np.pi * 0.3**3
    assert quality.phase_fractions["inclusion"] == pytest.approx(sphere, rel=1e-3)
    assert quality.volume_nm3 == pytest.approx(1.0, abs=1e-12)
    straight = mesh_quality(read_mesh(shipped_meshes / "sphere_straight.msh"))
    assert straight.phase_fractions["inclusion"] == pytest.approx(0.94 * sphere, rel=5e-3)
    assert 0.0 < quality.minimum_jacobian_ratio < 1.0 == straight.minimum_jacobian_ratio


def test_floor_names_everything_below_it(sphere_mesh):
    quality = mesh_quality(sphere_mesh, {"matrix": 0.8, "inclusion": 0.2})
    refuse_poor_quality(quality)
    poor = replace(
        quality, minimum_dihedral_angle_deg=1.0, minimum_gamma=0.01, minimum_cell_volume_nm3=0.0
    )
    with pytest.raises(RefusedError) as caught:
        refuse_poor_quality(poor)
    for word in ("dihedral", "gamma", "inverted"):
        assert word in str(caught.value)
    wrong = mesh_quality(sphere_mesh, {"matrix": 0.82, "inclusion": 0.18})
    with pytest.raises(RefusedError, match="volume of phase inclusion off by 11"):
        refuse_poor_quality(wrong, QualityFloor())


def test_flattened_tetrahedron_shows_in_every_figure(sphere_mesh):
    points = sphere_mesh.points.copy()
    cell = sphere_mesh.cells[0]
    points[cell[0]] = points[cell[1:]].mean(axis=0) + 1e-3 * (
        points[cell[0]] - points[cell[1:]].mean(axis=0)
    )
    quality = mesh_quality(replace(sphere_mesh, points=points))
    assert quality.minimum_dihedral_angle_deg < 1.0
    assert quality.minimum_gamma < 0.01
    assert quality.maximum_aspect_ratio > 100.0
    assert quality.cells_below_gamma >= 1
    assert quality.cells_below_dihedral_angle >= 1
