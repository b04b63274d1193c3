"""Identification of nodes modulo a lattice, and each check of the periodic topology."""

import numpy as np
import pytest

from ngcfem.errors import InputError, RefusedError
from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.pairing import check_quotient, identify_nodes, quotient_check
from ngcfem.mesh.reading import read_mesh
from ngcfem.microstructure.simple_cells import homogeneous_cell


def box_grid(divisions: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit cube of divisions^3 boxes, each cut into six tetrahedra along its main diagonal."""
    n = divisions
    axis = np.arange(n + 1)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3) / n
    cells = []
    for i in range(n):
        for j in range(n):
            for k in range(n):
                for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)):
                    here = np.array([i, j, k])
                    path = [here.copy()]
                    for step in order:
                        here[step] += 1
                        path.append(here.copy())
                    cells.append([(a * (n + 1) + b) * (n + 1) + c for a, b, c in path])
    return points, np.array(cells)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pairs_are_found_on_a_sheared_turned_and_displaced_lattice(seed):
    points, cells = box_grid(4)
    generator = np.random.default_rng(seed)
    lattice = np.eye(3) * 7.0 + generator.normal(size=(3, 3))
    moved = points @ lattice + generator.normal(size=3) * 50.0
    torus_node = identify_nodes(moved, cells, lattice)
    expected = identify_nodes(points, cells, np.eye(3))
    assert len(np.unique(torus_node)) == 4**3
    np.testing.assert_array_equal(torus_node, expected)
    check_quotient(moved, cells, torus_node)


def test_pairs_do_not_depend_on_which_images_the_domain_is_made_of(sphere_mesh):
    # cells moved by periods make a ragged domain with many shift vectors, as whole grains do
    mesh = sphere_mesh
    generator = np.random.default_rng(4)
    shift = np.zeros((len(mesh.cells), 3), dtype=int)
    centre = mesh.points[mesh.cells].mean(axis=1)
    shift[centre[:, 0] < 3.0] = (1, 0, 0)
    shift[(centre[:, 1] > 6.0) & (centre[:, 2] > 5.0)] += np.array([0, -1, 1])
    moved_corners = mesh.points[mesh.cells] + (shift @ mesh.lattice)[:, None]
    keys = np.concatenate([mesh.cells.reshape(-1, 1), np.repeat(shift, 4, axis=0)], axis=1)
    unique, first, number = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    points = moved_corners.reshape(-1, 3)[first] + 1e-10 * generator.normal(size=(len(unique), 3))
    cells = number.reshape(-1, 4)
    torus_node = identify_nodes(points, cells, mesh.lattice)
    assert len(np.unique(torus_node)) == len(np.unique(mesh.torus_node))
    check_quotient(points, cells, torus_node)


def test_unpaired_nodes_are_counted_face_by_face(sphere_mesh):
    points = sphere_mesh.points.copy()
    low = np.flatnonzero(points[:, 0] < 1e-9)
    inner = low[(points[low, 1:] > 0.1).all(axis=1) & (points[low, 1:] < 9.9).all(axis=1)]
    points[inner[:3], 1] += 1e-4
    with pytest.raises(InputError) as caught:
        identify_nodes(points, sphere_mesh.cells, sphere_mesh.lattice, origin="user.msh")
    keys = {finding.key: finding.found for finding in caught.value.findings}
    assert set(keys) == {"low x face of the cell", "high x face of the cell"}
    assert all(found.startswith(f"3 of {len(low)} nodes") for found in keys.values())
    assert caught.value.exit_code == 2


def test_mismatch_up_to_the_tolerance_is_forgiven(sphere_mesh):
    points = sphere_mesh.points.copy()
    low = np.flatnonzero(points[:, 0] < 1e-9)
    points[low[5]] += 5e-8  # 5e-9 of the cell
    torus_node = identify_nodes(points, sphere_mesh.cells, sphere_mesh.lattice)
    np.testing.assert_array_equal(torus_node, sphere_mesh.torus_node)


def test_wrong_period_leaves_nodes_unpaired(sphere_mesh):
    with pytest.raises(InputError):
        identify_nodes(sphere_mesh.points, sphere_mesh.cells, 1.01 * sphere_mesh.lattice)


@pytest.mark.parametrize("divisions", [1, 2])
def test_too_coarse_mesh_is_refused(divisions):
    points, cells = box_grid(divisions)
    torus_node = identify_nodes(points, cells, np.eye(3))
    check = quotient_check(points, cells, torus_node)
    assert check.too_coarse
    assert (check.cells_with_repeated_vertex > 0) == (divisions == 1)
    assert check.ambiguous_edges > 0 or check.duplicate_cells > 0
    with pytest.raises(RefusedError, match="too coarse") as caught:
        check_quotient(points, cells, torus_node)
    assert caught.value.exit_code == 4


def test_three_divisions_are_enough():
    points, cells = box_grid(3)
    check = quotient_check(points, cells, identify_nodes(points, cells, np.eye(3)))
    assert check.accepted
    assert generate_mesh(homogeneous_cell("a"), 9.0).cells.shape == cells.shape


def test_ambiguous_edge_is_detected():
    # two nodes of a sound quotient are identified: edges to either become edges between one pair
    points, cells = box_grid(4)
    torus_node = identify_nodes(points, cells, np.eye(3))
    lowest, other = torus_node[0], torus_node[2]
    torus_node[torus_node == other] = lowest
    assert quotient_check(points, cells, torus_node).ambiguous_edges > 0


def test_missing_and_doubled_cells_are_detected():
    points, cells = box_grid(3)
    torus_node = identify_nodes(points, cells, np.eye(3))
    missing = quotient_check(points, cells[1:], torus_node)
    assert missing.facets_not_shared_by_two == 4
    assert not missing.accepted
    with pytest.raises(InputError, match="facets"):
        check_quotient(points, cells[1:], torus_node)
    doubled = quotient_check(points, np.vstack([cells, cells[:1]]), torus_node)
    assert doubled.duplicate_cells == 1


def test_wrong_euler_characteristic_is_detected():
    points, cells = box_grid(4)
    torus_node = identify_nodes(points, cells, np.eye(3))
    two = np.concatenate([cells, cells + len(points)])
    apart = np.concatenate([points, points + 10.0])
    both = np.concatenate([torus_node, torus_node + len(points)])
    assert quotient_check(apart, two, both).accepted  # two tori: 0 + 0
    both[both == len(points)] = 0  # that touch in one node
    check = quotient_check(apart, two, both)
    assert check.facets_not_shared_by_two == 0
    assert check.euler_characteristic == -1
    with pytest.raises(InputError, match="Euler"):
        check_quotient(apart, two, both)


def test_curved_edges_must_match(shipped_meshes):
    mesh = read_mesh(shipped_meshes / "sphere_curved_coarse.msh")
    torus_node = mesh.torus_node.copy()
    images = np.flatnonzero(torus_node != np.arange(len(torus_node)))
    middle = next(node for node in images if node in mesh.cells[:, 4:])
    torus_node[middle] = middle
    check = quotient_check(mesh.points, mesh.cells, torus_node)
    assert check.mismatched_midside_nodes == 1
    with pytest.raises(InputError, match="midside"):
        check_quotient(mesh.points, mesh.cells, torus_node)


def test_curved_edge_that_bulges_on_one_side_only_is_unpaired(shipped_meshes):
    mesh = read_mesh(shipped_meshes / "sphere_curved_coarse.msh")
    points = mesh.points.copy()
    images = np.flatnonzero(mesh.torus_node != np.arange(len(points)))
    middle = next(node for node in images if node in mesh.cells[:, 4:])
    points[middle] += 1e-3
    with pytest.raises(InputError, match="without an image"):
        identify_nodes(points, mesh.cells, mesh.lattice)
