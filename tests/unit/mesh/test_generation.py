"""Meshes of boxes: volumes, topology, repeatability, cache, and Gmsh as a guest."""

import gmsh
import numpy as np
import pytest

from ngcfem.errors import RefusedError
from ngcfem.mesh import cache
from ngcfem.mesh.generation import MeshOptions, generate_mesh, generate_recorded_mesh, mesh_key
from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.mesh.pairing import quotient_check
from ngcfem.mesh.quality import QualityFloor, mesh_quality, periodic_mismatch
from ngcfem.mesh.sphere_surface import enclosed_volume, geodesic_sphere
from ngcfem.microstructure.cell import Layer
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.simple_cells import homogeneous_cell, laminate_cell, sphere_cell

LAYERS = (Layer("a", 0.05), Layer("b", 0.3), Layer("a", 0.2), Layer("b", 0.45))
CELLS = {
    "smallest": (homogeneous_cell("grain", 7.0), 20.0),
    "unstructured": (homogeneous_cell("grain", (10.0, 14.0, 12.0)), 1.9),
    "two layers": (laminate_cell("x", (Layer("a", 0.35), Layer("b", 0.65))), 9.0),
    "four layers": (laminate_cell("z", LAYERS, (5.0, 10.0, 20.0)), 2.0),
    "sphere": (sphere_cell(0.2), 2.0),
    "small sphere": (sphere_cell(0.01, (10.0, 12.0, 14.0)), 2.5),
    "large sphere": (sphere_cell(0.45), 2.0),
}


@pytest.mark.parametrize("name", CELLS)
def test_mesh_fills_the_cell_with_the_phases_of_the_geometry(name):
    cell, size_nm = CELLS[name]
    mesh = generate_mesh(cell, size_nm, use_cache=False)
    quality = mesh_quality(mesh, geometric_fractions(cell))
    # round-off of sums over some thousand cells; nothing is cut or curved
    assert quality.volume_nm3 == pytest.approx(cell.volume_nm3, rel=1e-10)
    assert max(abs(e) for e in quality.phase_fraction_errors.values()) < 1e-10
    assert sum(quality.phase_fractions.values()) == pytest.approx(1.0, abs=1e-12)
    assert quality.minimum_cell_volume_nm3 > 0.0
    assert quality_is_sound(mesh)
    assert mesh.phase_names == cell.phase_names
    assert np.all(mesh.grain == -1)


def quality_is_sound(mesh) -> bool:
    """Whether topology is sound and images are a period apart to the last bits."""
    sound = quotient_check(mesh.points, mesh.cells, mesh.torus_node).accepted
    return sound and periodic_mismatch(mesh) < 1e-14 * np.abs(mesh.lattice).max()


def test_smallest_homogeneous_mesh_is_three_boxes_wide():
    mesh = generate_mesh(homogeneous_cell("grain"), 100.0, use_cache=False)
    assert len(mesh.cells) == 6 * 3**3
    assert len(np.unique(mesh.torus_node)) == 3**3


def test_layers_lie_where_they_were_asked_for():
    cell, size_nm = CELLS["four layers"]
    mesh = generate_mesh(cell, size_nm, use_cache=False)
    height = mesh.points[mesh.cells].mean(axis=1)[:, 2] / 20.0
    expected = np.where((height < 0.05) | ((height > 0.35) & (height < 0.55)), 0, 1)
    np.testing.assert_array_equal(mesh.phase, expected)
    # one element through the thin layer is enough
    assert len(np.unique(mesh.points[:, 2][mesh.points[:, 2] <= 1.0 + 1e-9].round(9))) == 2


def test_sphere_is_round_in_the_middle_and_finer_there():
    mesh = generate_mesh(sphere_cell(0.2), 2.0, use_cache=False)
    inside, outside = (np.unique(mesh.cells[mesh.phase == k]) for k in (1, 0))
    surface = mesh.points[np.intersect1d(inside, outside)] - 5.0
    radius = np.linalg.norm(surface, axis=1)
    assert np.ptp(radius) < 1e-9
    # the polyhedron has the volume of the sphere, so its nodes lie slightly outside
    exact = (0.2 * 1000.0 * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)
    assert exact < radius[0] < 1.1 * exact
    edges = mesh.points[mesh.cells[:, 1]] - mesh.points[mesh.cells[:, 0]]
    length = np.linalg.norm(edges, axis=1)
    assert length[mesh.phase == 1].mean() < length[mesh.phase == 0].mean()


@pytest.mark.parametrize("size_nm", [3.0, 0.9, 0.3])
def test_geodesic_sphere_is_closed_and_has_the_volume(size_nm):
    points, triangles = geodesic_sphere(1.5, size_nm)
    assert enclosed_volume(points, triangles) == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=1e-13)
    edges = np.sort(np.concatenate([triangles[:, [k, (k + 1) % 3]] for k in range(3)]), axis=1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    assert np.all(count == 2)
    assert len(points) - len(unique) + len(triangles) == 2


@pytest.mark.parametrize("name", ["sphere", "four layers", "unstructured"])
def test_same_cell_gives_the_same_mesh(name):
    cell, size_nm = CELLS[name]
    first = generate_mesh(cell, size_nm, use_cache=False)
    generate_mesh(sphere_cell(0.3), 2.5, use_cache=False)  # nothing is carried over in between
    assert generate_mesh(cell, size_nm, use_cache=False).sha256 == first.sha256


def test_cache_returns_the_mesh_and_forgets_on_change(private_cache):
    cell = sphere_cell(0.2)
    made = generate_mesh(cell, 2.5)
    key = mesh_key(cell, 2.5, MeshOptions())
    stored = private_cache / "ngcfem" / "meshes" / f"{key}.npz"
    assert [p.name for p in stored.parent.iterdir()] == [stored.name]
    loaded = cache.load(key)
    assert loaded is not None
    assert loaded.mesh.sha256 == made.sha256
    assert loaded.record.route == "box"
    assert generate_mesh(cell, 2.5).sha256 == made.sha256
    assert mesh_key(cell, 2.4, MeshOptions()) != key
    assert mesh_key(sphere_cell(0.21), 2.5, MeshOptions()) != key
    assert mesh_key(cell, 2.5, MeshOptions(surface_size_factor=0.6)) != key
    stored.write_bytes(stored.read_bytes()[:-100])
    assert cache.load(key) is None
    assert generate_mesh(cell, 2.5).sha256 == made.sha256
    assert cache.load(key) is not None


def test_cached_mesh_with_changed_content_is_not_used(private_cache):
    cache.store("key", generate_recorded_mesh(sphere_cell(0.2), 2.5, use_cache=False))
    path = private_cache / "ngcfem" / "meshes" / "key.npz"
    with np.load(path) as stored:
        content = dict(stored)
    content["points"] = content["points"] + 1e-9
    np.savez_compressed(path, **content)
    assert cache.load("key") is None


def test_unwritable_cache_does_no_harm(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert len(generate_mesh(sphere_cell(0.2), 2.5).cells) > 100


def test_poor_and_coarse_meshes_are_refused():
    floor = QualityFloor(minimum_dihedral_angle_deg=60.0)
    with pytest.raises(RefusedError, match="dihedral"):
        generate_mesh(sphere_cell(0.2), 2.5, MeshOptions(floor=floor), use_cache=False)
    with pytest.raises(RefusedError, match="too coarse"):
        generate_mesh(sphere_cell(0.01), 50.0, use_cache=False)
    with pytest.raises(ValueError, match="size_nm"):
        generate_mesh(sphere_cell(0.2), 0.0, use_cache=False)


def test_gmsh_of_somebody_else_is_left_as_it_was(capfd):
    reference = generate_mesh(sphere_cell(0.2), 2.5, use_cache=False).sha256
    assert not gmsh.isInitialized()
    gmsh.initialize(readConfigFiles=False, interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("Mesh.MeshSizeFactor", 0.37)
        gmsh.option.setNumber("Mesh.ElementOrder", 2)
        gmsh.model.add("theirs")
        point = gmsh.model.geo.addPoint(1.0, 2.0, 3.0)
        gmsh.model.geo.synchronize()
        assert generate_mesh(sphere_cell(0.2), 2.5, use_cache=False).sha256 == reference
        assert gmsh.model.getCurrent() == "theirs"
        assert gmsh.model.getEntities() == [(0, point)]
        assert gmsh.option.getNumber("Mesh.MeshSizeFactor") == 0.37
        assert gmsh.option.getNumber("Mesh.ElementOrder") == 2
    finally:
        gmsh.finalize()
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_session_is_closed_after_an_error():
    with pytest.raises(KeyError), gmsh_session("outer"), gmsh_session("inner"):
        raise KeyError
    assert not gmsh.isInitialized()
