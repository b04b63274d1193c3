"""Meshes of nanoglass composites: quality, fractions, topology, seeds."""

import json
from pathlib import Path

import numpy as np
import pytest

from ngcfem.atomprobe.statistics import read_statistics
from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.pairing import quotient_check
from ngcfem.mesh.quality import mesh_quality, periodic_mismatch
from ngcfem.mesh.reading import read_mesh, read_written_mesh
from ngcfem.mesh.writing import write_mesh
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.generation import generate_cell
from ngcfem.microstructure.statistics import CompositeStatistics, composite_statistics

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def statistics() -> CompositeStatistics:
    """The shipped statistics."""
    path = ROOT / "cases" / "data" / "fe90sc10_statistics.json"
    return composite_statistics(read_statistics(path), str(path))


def check_composite(mesh, cell) -> None:
    quality = mesh_quality(mesh, geometric_fractions(cell))
    # grains, crystals and caps are scaled to their volumes: round-off is left
    assert max(abs(e) for e in quality.phase_fraction_errors.values()) < 1e-9
    assert quality.volume_nm3 == pytest.approx(cell.volume_nm3, rel=1e-10)
    assert quality.minimum_cell_volume_nm3 > 0.0
    # seeds at 1.5 nm reach 20 degrees and 0.3; edges of five times half the network give less
    assert quality.minimum_dihedral_angle_deg > 10.0
    assert quality.minimum_gamma > 0.15
    assert quality.mean_gamma > 0.45
    assert quotient_check(mesh.points, mesh.cells, mesh.torus_node).accepted
    assert periodic_mismatch(mesh) < 1e-14 * np.abs(mesh.points).max() * 10.0
    assert set(np.unique(mesh.grain)) == set(range(cell.number_of_grains))


@pytest.mark.parametrize("seed", range(5))
def test_composite_of_eight_grains(statistics, seed):
    cell = generate_cell("nanocomposite", statistics, seed)
    mesh = generate_mesh(cell, 2.5, use_cache=False)
    check_composite(mesh, cell)
    assert mesh.phase_names == ("interface", "grain", "sc_rich", "nanocrystal")
    # every crystal is whole and of its own volume: connected components of the crystal cells
    names = list(mesh.phase_names)
    volumes = body_volumes(mesh, mesh.phase == names.index("nanocrystal"))
    np.testing.assert_allclose(
        volumes, np.sort([inclusion.volume_nm3 for inclusion in cell.inclusions]), rtol=1e-9
    )
    caps = body_volumes(mesh, mesh.phase == names.index("sc_rich"))
    np.testing.assert_allclose(
        caps, np.sort([i.cap_volume_nm3 for i in cell.inclusions if i.cap]), rtol=1e-9
    )


def body_volumes(mesh, chosen) -> np.ndarray:
    """Sorted volumes of the connected bodies that the chosen cells make up."""
    cells = mesh.cells[chosen]
    label = np.arange(len(mesh.points))
    while True:
        lowest = label[cells].min(axis=1)
        before = label.copy()
        for corner in range(4):
            np.minimum.at(label, cells[:, corner], lowest)
        if np.array_equal(before, label):
            break
    x = mesh.points[cells]
    volume = np.linalg.det(x[:, 1:] - x[:, :1]) / 6.0
    _, body = np.unique(label[cells[:, 0]], return_inverse=True)
    return np.sort(np.bincount(body, weights=volume))


@pytest.mark.parametrize(("n_grains", "aspect"), [(2, (1, 1, 1)), (5, (1, 1, 2)), (9, (1, 1, 1))])
def test_nanoglass(statistics, n_grains, aspect):
    cell = generate_cell("nanoglass", statistics, 1, n_grains=n_grains, cell_aspect=aspect)
    check_composite(generate_mesh(cell, 3.0, use_cache=False), cell)


def test_same_seed_same_mesh_and_round_trip(statistics, tmp_path):
    cell = generate_cell("nanocomposite", statistics, 7, n_grains=2)
    mesh = generate_mesh(cell, 2.5, use_cache=False)
    generate_mesh(generate_cell("nanoglass", statistics, 1, n_grains=2), 3.0, use_cache=False)
    again = generate_mesh(
        generate_cell("nanocomposite", statistics, 7, n_grains=2), 2.5, use_cache=False
    )
    assert again.sha256 == mesh.sha256
    path = tmp_path / "mesh.msh"
    write_mesh(mesh, path)
    assert read_written_mesh(path).sha256 == mesh.sha256
    # as a user's mesh it needs the period: the domain is no box
    user = read_mesh(path, period_nm=mesh.lattice)
    np.testing.assert_array_equal(user.torus_node, mesh.torus_node)
    assert user.phase_names == mesh.phase_names


def test_shipped_composite_is_the_cell_of_its_recipe(statistics, shipped_meshes):
    path = shipped_meshes / "composite_coarse.msh"
    mesh = read_written_mesh(path)
    record = json.loads(path.with_suffix(".json").read_text())
    assert mesh.sha256 == record["sha256"]
    cell = generate_cell("nanocomposite", statistics, record["origin"]["seed"])
    # another processor may pack the crystals elsewhere, but not change sizes or fractions
    fractions = geometric_fractions(cell)
    for name, fraction in mesh_quality(mesh).phase_fractions.items():
        assert fraction == pytest.approx(fractions[name], rel=0.01)
    np.testing.assert_allclose(mesh.lattice, cell.lattice, rtol=1e-12)
    assert len(np.unique(mesh.grain)) == 8


def test_network_has_the_thickness_asked_for(statistics):
    # nodes between network and grain lie half a thickness from the faces of the Laguerre cells; the
    # merging of short edges and the scaling to exact volumes move them by less than a merged edge
    cell = generate_cell("nanoglass", statistics, 0)
    mesh = generate_mesh(cell, 2.5, use_cache=False)
    inside = [np.unique(mesh.cells[mesh.phase == k]) for k in (0, 1)]
    surface = mesh.points[np.intersect1d(*inside)]
    edges = np.diag(cell.lattice)
    away = surface[:, None] - cell.sites[None]
    away -= edges * np.round(away / edges)
    power = np.sort((away**2).sum(axis=2) - cell.weights, axis=1)
    nearest = np.argsort((away**2).sum(axis=2) - cell.weights, axis=1)[:, :2]
    separate = cell.sites[nearest[:, 0]] - cell.sites[nearest[:, 1]]
    separate -= edges * np.round(separate / edges)
    distance = (power[:, 1] - power[:, 0]) / (2.0 * np.linalg.norm(separate, axis=1))
    facing = np.median(distance)
    assert facing == pytest.approx(0.5, abs=0.02)
