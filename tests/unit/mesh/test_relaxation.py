"""Relaxation: better tetrahedra, the same volumes, and surfaces that stay what they were."""

import dataclasses

import numpy as np
import pytest

from ngcfem.mesh.quality import periodic_mismatch, tetrahedron_volumes
from ngcfem.mesh.relaxation import Leash, relax_nodes, tetrahedron_scores


@pytest.fixture
def spoilt_mesh(sphere_mesh):
    """The sphere with nodes thrown about, those on the surface along it."""
    generator = np.random.default_rng(2)
    mesh = sphere_mesh
    inside, outside = (np.unique(mesh.cells[mesh.phase == k]) for k in (1, 0))
    surface = np.zeros(len(mesh.points), dtype=bool)
    surface[np.intersect1d(inside, outside)] = True
    noise = 0.2 * generator.normal(size=mesh.points.shape)[mesh.torus_node]
    noise[surface] = 0.0
    return dataclasses.replace(mesh, points=mesh.points + noise), surface


def test_worst_improve_fixed_stay_and_images_follow(spoilt_mesh):
    mesh, surface = spoilt_mesh
    before = tetrahedron_scores(mesh.points[mesh.cells])
    assert 0.0 < before.min() < 0.5
    relaxed = relax_nodes(mesh.points, mesh.cells, mesh.torus_node, surface)
    after = tetrahedron_scores(relaxed[mesh.cells])
    assert after.min() > before.min()
    assert (after < 1.0).sum() < 0.5 * (before < 1.0).sum()
    np.testing.assert_array_equal(relaxed[surface], mesh.points[surface])
    assert periodic_mismatch(dataclasses.replace(mesh, points=relaxed)) < 1e-12


def test_surface_nodes_slide_without_a_change_of_volume(sphere_mesh, spoilt_mesh):
    mesh, surface = sphere_mesh, spoilt_mesh[1]
    centre = np.full(3, 5.0)
    squeezed = mesh.points.copy()
    # nodes of the sphere pushed along it: triangles of bad shape
    generator = np.random.default_rng(4)
    sideways = np.cross(squeezed[surface] - centre, generator.normal(size=(surface.sum(), 3)))
    squeezed[surface] += 0.4 * sideways / np.linalg.norm(sideways, axis=1)[:, None]
    volumes = tetrahedron_volumes(squeezed[mesh.cells])
    assert np.all(volumes > 0.0)
    leash = Leash(normal_nm=0.05, along_nm=0.5)
    # everything else is held, so that only the surface can mend what is spoilt
    arguments = (squeezed, mesh.cells, mesh.torus_node, ~surface, mesh.phase.astype(np.int64))
    np.testing.assert_array_equal(relax_nodes(*arguments), squeezed)
    moved = relax_nodes(*arguments, leash)
    step = np.linalg.norm(moved - squeezed, axis=1)
    assert 0.05 < step[surface].max() < leash.along_nm
    after = tetrahedron_volumes(moved[mesh.cells])
    by_phase = [np.bincount(mesh.phase, weights=v) for v in (volumes, after)]
    np.testing.assert_allclose(by_phase[1], by_phase[0], rtol=1e-12)
    before = tetrahedron_scores(squeezed[mesh.cells]).min()
    assert tetrahedron_scores(moved[mesh.cells]).min() > before


def test_edges_of_a_box_keep_their_line():
    """A cube in a cube, cut into boxes: a node on its edge moves along the edge alone."""
    ticks = np.linspace(0.0, 4.0, 5)
    grid = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 3)
    number = np.arange(len(grid)).reshape(5, 5, 5)
    paths = [(0, 1, 3, 7), (0, 1, 5, 7), (0, 2, 3, 7), (0, 2, 6, 7), (0, 4, 5, 7), (0, 4, 6, 7)]
    cells, body = [], []
    for i, j, k in np.ndindex(4, 4, 4):
        corner = [number[i + (c >> 2 & 1), j + (c >> 1 & 1), k + (c & 1)] for c in range(8)]
        for path in paths:
            cells.append([corner[c] for c in path])
            body.append(int(all(1 <= x < 3 for x in (i, j, k))))
    tets = np.array(cells)
    flipped = tetrahedron_volumes(grid[tets]) < 0.0
    tets[flipped] = tets[flipped][:, [0, 2, 1, 3]]
    bodies = np.array(body)
    on_edge = int(number[1, 1, 2])
    corner = int(number[1, 1, 1])
    points = grid.copy()
    points[on_edge] += [0.0, 0.0, 0.8]
    outer = np.any((grid == 0.0) | (grid == 4.0), axis=1)
    normal_nm = 0.01
    relaxed = relax_nodes(
        points, tets, np.arange(len(points)), outer, bodies, Leash(normal_nm, along_nm=1.0)
    )
    step = relaxed[on_edge] - points[on_edge]
    assert abs(step[2]) > 0.1
    # half of the area around the node is normal to x, half to y: the quadric allows sqrt(2)
    # of the distance across the line
    assert np.linalg.norm(step[:2]) <= 2.0**0.5 * normal_nm + 1e-12
    # about a corner the three normals share the area
    assert np.linalg.norm(relaxed[corner] - points[corner]) <= 3.0**0.5 * normal_nm * 1.5
    inside = tetrahedron_volumes(relaxed[tets])[bodies == 1].sum()
    assert inside == pytest.approx(tetrahedron_volumes(points[tets])[bodies == 1].sum(), rel=1e-13)


def test_order_of_execution_is_fixed(spoilt_mesh):
    mesh, surface = spoilt_mesh
    first, again = (
        relax_nodes(mesh.points, mesh.cells, mesh.torus_node, surface) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
