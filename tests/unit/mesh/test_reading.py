"""A user's mesh file, good and bad, and the round trip of our own."""

import json
from dataclasses import replace
from pathlib import Path

import gmsh
import meshio
import numpy as np
import pytest

from ngcfem.errors import InputError, RefusedError
from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.mesh.quality import cell_volumes, mesh_quality
from ngcfem.mesh.reading import read_mesh, read_written_mesh
from ngcfem.mesh.writing import write_mesh
from ngcfem.microstructure.simple_cells import homogeneous_cell, sphere_cell

NAMES = {1: "matrix", 2: "inclusion"}


def write_msh22(
    path: Path,
    points: np.ndarray,
    cells: np.ndarray,
    volume: np.ndarray,
    names: dict[int, str],
    element_type: int = 4,
    extra: tuple[str, ...] = (),
    loose: int = 0,
) -> Path:
    """Write an ASCII file of format 2.2 by hand, independent of the writer under test.

    ``volume`` is the elementary entity of each cell, its hundreds the physical group.
    """
    lines = ["$MeshFormat", "2.2 0 8", "$EndMeshFormat"]
    if names:
        lines += ["$PhysicalNames", str(len(names))]
        lines += [f'3 {number} "{name}"' for number, name in names.items()]
        lines += ["$EndPhysicalNames"]
    lines += ["$Nodes", str(len(points) + loose)]
    lines += [f"{k} {x!r} {y!r} {z!r}" for k, (x, y, z) in enumerate(points.tolist(), start=1)]
    lines += [f"{len(points) + k + 1} 0.5 0.5 {0.1 * k!r}" for k in range(loose)]
    lines += ["$EndNodes", "$Elements", str(len(cells) + len(extra))]
    for number, (nodes, entity) in enumerate(
        zip(cells.tolist(), volume.tolist(), strict=True), start=1
    ):
        tags = f"2 {entity // 100} {entity}"
        lines.append(f"{number} {element_type} {tags} " + " ".join(str(n + 1) for n in nodes))
    lines += [f"{len(cells) + k} {text}" for k, text in enumerate(extra, start=1)]
    lines += ["$EndElements", ""]
    path.write_text("\n".join(lines))
    return path


def entities(mesh) -> np.ndarray:
    """Entities 100 and 200: the first volume of groups 1 and 2."""
    return 100 * (mesh.phase + 1)


def findings_of(path, **options) -> str:
    with pytest.raises(InputError) as caught:
        read_mesh(path, **options)
    assert caught.value.exit_code == 2
    for finding in caught.value.findings:
        assert finding.found
        assert finding.allowed
        assert finding.remedy
        assert finding.key
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "order", "cells", "nodes"),
    [
        ("sphere_straight.msh", 1, 1487, 362),
        ("sphere_curved_coarse.msh", 2, 1487, 2410),
        ("sphere_curved_medium.msh", 2, 5351, 8142),
    ],
)
def test_shipped_spheres(shipped_meshes, name, order, cells, nodes):
    mesh = read_mesh(shipped_meshes / name)
    assert (mesh.order, len(mesh.cells), len(mesh.points)) == (order, cells, nodes)
    assert mesh.phase_names == ("matrix", "inclusion")
    assert mesh.periodic
    np.testing.assert_allclose(mesh.lattice, np.eye(3), atol=1e-12)
    assert cell_volumes(mesh.points, mesh.cells).sum() == pytest.approx(1.0, abs=1e-12)


def test_unit_of_length_and_period(shipped_meshes):
    path = shipped_meshes / "sphere_straight.msh"
    mesh = read_mesh(path, length_unit_nm=20.0, period_nm=20.0 * np.eye(3))
    assert mesh.cell_volume_nm3 == pytest.approx(8000.0)
    np.testing.assert_allclose(mesh.points, 20.0 * read_mesh(path).points)
    assert "without an image" in findings_of(path, length_unit_nm=20.0, period_nm=np.eye(3) * 19.0)


@pytest.mark.parametrize("version", [2.2, 4.1])
@pytest.mark.parametrize("binary", [0, 1])
def test_formats(tmp_path, sphere_mesh, version, binary):
    source = tmp_path / "source.msh"
    write_mesh(sphere_mesh, source)
    path = tmp_path / "user.msh"
    with gmsh_session("convert", {"Mesh.MshFileVersion": version, "Mesh.Binary": binary}):
        gmsh.merge(str(source))
        gmsh.write(str(path))
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.cells, sphere_mesh.cells)
    np.testing.assert_allclose(mesh.points, sphere_mesh.points, atol=1e-14)
    np.testing.assert_array_equal(mesh.phase, sphere_mesh.phase)


def test_file_that_meshio_wrote(tmp_path, sphere_mesh):
    data = sphere_mesh.phase + 1
    path = tmp_path / "meshio.msh"
    meshio.Mesh(
        sphere_mesh.points,
        [("tetra", sphere_mesh.cells)],
        cell_data={"gmsh:physical": [data], "gmsh:geometrical": [data]},
        field_data={"matrix": np.array([1, 3]), "inclusion": np.array([2, 3])},
    ).write(path, file_format="gmsh22")
    mesh = read_mesh(path)
    assert mesh.phase_names == ("matrix", "inclusion")
    assert mesh_quality(mesh).phase_fractions["inclusion"] == pytest.approx(0.2, rel=1e-10)


def test_grains_are_the_volumes_of_a_phase_with_several(tmp_path, sphere_mesh):
    volume = entities(sphere_mesh)
    upper = sphere_mesh.points[sphere_mesh.cells].mean(axis=1)[:, 2] > 5.0
    volume[(sphere_mesh.phase == 0) & upper] = 107
    path = write_msh22(tmp_path / "m.msh", sphere_mesh.points, sphere_mesh.cells, volume, NAMES)
    mesh = read_mesh(path)
    # cells come volume by volume; the entity of each is known from its phase and height
    upper = mesh.points[mesh.cells].mean(axis=1)[:, 2] > 5.0
    expected = np.where(mesh.phase == 1, -1, np.where(upper, 107, 100))
    np.testing.assert_array_equal(mesh.grain, expected)


def test_inverted_cells_are_turned(tmp_path, sphere_mesh, shipped_meshes):
    cells = sphere_mesh.cells.copy()
    cells[::3] = cells[::3][:, [0, 2, 1, 3]]
    path = write_msh22(tmp_path / "m.msh", sphere_mesh.points, cells, entities(sphere_mesh), NAMES)
    mesh = read_mesh(path)
    assert np.all(cell_volumes(mesh.points, mesh.cells) > 0.0)
    curved = read_mesh(shipped_meshes / "sphere_curved_coarse.msh")
    mirrored = curved.cells[
        :, [0, 2, 1, 3, 6, 5, 4, 7, 8, 9]
    ]  # Gmsh numbers edges 01 12 02 03 23 13
    mirrored[:, [8, 9]] = mirrored[:, [9, 8]]
    path = write_msh22(
        tmp_path / "c.msh", curved.points, mirrored, entities(curved), NAMES, element_type=11
    )
    turned = read_mesh(path)
    assert cell_volumes(turned.points, turned.cells).sum() == pytest.approx(1.0, abs=1e-12)
    assert mesh_quality(turned).minimum_jacobian_ratio == pytest.approx(
        mesh_quality(curved).minimum_jacobian_ratio, rel=1e-12
    )


def test_missing_names(tmp_path, sphere_mesh):
    mesh = sphere_mesh
    path = write_msh22(tmp_path / "m.msh", mesh.points, mesh.cells, entities(mesh), {1: "matrix"})
    message = findings_of(path)
    assert "volume 200" in message
    assert "without a name" in message
    path = write_msh22(tmp_path / "n.msh", mesh.points, mesh.cells, 100 * mesh.phase, {})
    message = findings_of(path)
    assert "no physical group" in message
    assert "Physical Volume" in message


def test_other_elements(tmp_path):
    corners = np.array([[i, j, k] for k in (0, 1) for j in (0, 1) for i in (0, 1)], dtype=float)
    hexahedron = np.array([[0, 1, 3, 2, 4, 5, 7, 6]])
    path = write_msh22(
        tmp_path / "hex.msh", corners, hexahedron, np.array([100]), NAMES, element_type=5
    )
    message = findings_of(path)
    assert "1 x Hexahedron" in message
    assert "tetrahedra" in message
    triangles = np.array([[0, 1, 2]])
    path = write_msh22(
        tmp_path / "surface.msh", corners, triangles, np.array([100]), NAMES, element_type=2
    )
    assert "no volume elements" in findings_of(path)


def test_every_defect_is_reported_at_once(tmp_path, sphere_mesh):
    # a doubled node (one cell gets its own copy) and a flat cell over an existing edge
    points = np.vstack([sphere_mesh.points, sphere_mesh.points[sphere_mesh.cells[0, 0]]])
    cells = sphere_mesh.cells.copy()
    cells[0, 0] = len(points) - 1
    middle = 0.5 * (points[cells[1, 0]] + points[cells[1, 1]])
    points = np.vstack([points, middle])
    flat = np.array([[cells[1, 0], cells[1, 1], len(points) - 1, cells[1, 2]]])
    volume = np.append(entities(sphere_mesh), 100)
    path = write_msh22(tmp_path / "m.msh", points, np.vstack([cells, flat]), volume, NAMES)
    message = findings_of(path)
    assert "1 pairs of nodes at the same place" in message
    assert "1 tetrahedra of no volume" in message


def test_loose_nodes(tmp_path, sphere_mesh):
    mesh = sphere_mesh
    # a triangle that bounds nothing is a fault, the point of a geometry is none
    centre = ("15 2 0 900 1",)
    path = write_msh22(
        tmp_path / "p.msh", mesh.points, mesh.cells, entities(mesh), NAMES, extra=centre
    )
    assert len(read_mesh(path).cells) == len(mesh.cells)
    number = len(mesh.points)
    triangle = (f"2 2 0 901 {number + 1} {number + 2} {number + 3}",)
    path = write_msh22(
        tmp_path / "t.msh", mesh.points, mesh.cells, entities(mesh), NAMES, extra=triangle, loose=3
    )
    assert "3 nodes that belong to no tetrahedron" in findings_of(path)
    point = (f"15 2 0 902 {number + 1}",)
    path = write_msh22(
        tmp_path / "q.msh", mesh.points, mesh.cells, entities(mesh), NAMES, extra=point, loose=1
    )
    assert len(read_mesh(path).points) == len(mesh.points)


def test_bodies_that_touch_without_sharing_nodes(tmp_path, sphere_mesh):
    mesh = sphere_mesh
    own = mesh.cells.copy()
    own[mesh.phase == 1] += len(mesh.points)
    points = np.vstack([mesh.points, mesh.points])
    used, cells = np.unique(own, return_inverse=True)
    path = write_msh22(
        tmp_path / "m.msh", points[used], cells.reshape(-1, 4), entities(mesh), NAMES
    )
    assert "at the same place" in findings_of(path)


def test_hole_is_refused(tmp_path, sphere_mesh):
    solid = sphere_mesh.phase == 0
    used, cells = np.unique(sphere_mesh.cells[solid], return_inverse=True)
    cells = cells.reshape(-1, 4)
    path = write_msh22(
        tmp_path / "m.msh", sphere_mesh.points[used], cells, np.full(len(cells), 100), NAMES
    )
    message = findings_of(path)
    assert "away from the faces" in message
    assert "hole" in message
    # a body with a hole is fine where nothing has to pair
    body = read_mesh(path, periodic=False)
    assert not body.periodic
    np.testing.assert_array_equal(body.torus_node, np.arange(len(body.points)))


def test_mesh_that_is_not_periodic(tmp_path, sphere_mesh):
    points = sphere_mesh.points.copy()
    low = np.flatnonzero(points[:, 1] < 1e-9)
    inner = low[
        (points[low][:, [0, 2]] > 0.1).all(axis=1) & (points[low][:, [0, 2]] < 9.9).all(axis=1)
    ]
    points[inner[0], 0] += 1e-3
    path = write_msh22(tmp_path / "m.msh", points, sphere_mesh.cells, entities(sphere_mesh), NAMES)
    message = findings_of(path)
    assert "low y face" in message
    assert "high y face" in message
    assert "1 of" in message
    assert len(read_mesh(path, periodic=False).cells) == len(sphere_mesh.cells)


def test_too_coarse_mesh_is_refused_not_faulted(tmp_path):
    # one box of six tetrahedra
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    cells = np.array(
        [[0, 4, 6, 7], [0, 6, 2, 7], [0, 2, 3, 7], [0, 3, 1, 7], [0, 1, 5, 7], [0, 5, 4, 7]]
    )
    path = write_msh22(tmp_path / "m.msh", corners, cells, np.full(6, 100), NAMES)
    with pytest.raises(RefusedError, match="too coarse") as caught:
        read_mesh(path)
    assert caught.value.exit_code == 4
    assert len(read_mesh(path, periodic=False).cells) == 6


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "No such file"),
        (b"", "$MeshFormat"),
        (b"solid cube\n", "$MeshFormat"),
        (b"$MeshFormat\n4 0 8\n$EndMeshFormat\n", "format 4"),
        (b"$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n2\n1 a b c\n", "cannot read"),
        (b"$MeshFormat\n4.1 0 8\n$EndMeshFormat\n$Nodes\n1 3 1 3\n3 1 0 3\n1\n2\n", "cannot read"),
        (b"$MeshFormat\n4.1 0 8\n$EndMeshFormat\n", "no volume elements"),
    ],
)
def test_broken_files(tmp_path, content, word):
    path = tmp_path / "broken.msh"
    if content is not None:
        path.write_bytes(content)
    assert word in findings_of(path)


def test_written_mesh_reads_back_identical(tmp_path, sphere_mesh):
    grain = np.where(sphere_mesh.phase == 1, 3, 0).astype(np.int32)
    upper = sphere_mesh.points[sphere_mesh.cells].mean(axis=1)[:, 2] > 5.0
    grain[(sphere_mesh.phase == 0) & upper] = 2
    order = np.lexsort((grain, sphere_mesh.phase))
    mesh = replace(
        sphere_mesh,
        cells=sphere_mesh.cells[order],
        phase=sphere_mesh.phase[order],
        grain=grain[order],
    )
    path = tmp_path / "mesh.msh"
    write_mesh(mesh, path, origin={"kind": "sphere", "size_nm": 2.5})
    back = read_written_mesh(path)
    assert back.sha256 == mesh.sha256
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["sha256"] == mesh.sha256
    assert record["origin"] == {"kind": "sphere", "size_nm": 2.5}
    assert record["quality"]["phase_fractions"]["inclusion"] == pytest.approx(0.2)
    assert {b["phase"]: b["grain"] for b in record["bodies"]} == {"matrix": 2, "inclusion": 3}
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["mesh.json", "mesh.msh"]


def test_curved_mesh_is_written_and_read_back(tmp_path, shipped_meshes):
    mesh = read_mesh(shipped_meshes / "sphere_curved_coarse.msh")
    write_mesh(mesh, tmp_path / "mesh.msh")
    assert read_written_mesh(tmp_path / "mesh.msh").sha256 == mesh.sha256


def test_record_that_does_not_fit(tmp_path, sphere_mesh):
    path = tmp_path / "mesh.msh"
    write_mesh(sphere_mesh, path)
    record = json.loads(path.with_suffix(".json").read_text())
    record["bodies"] = record["bodies"][:1]
    path.with_suffix(".json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="1 bodies in the record, 2 in"):
        read_written_mesh(path)
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(InputError):
        read_written_mesh(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError):
        read_written_mesh(path)


def test_cells_of_a_written_user_mesh_keep_their_volumes(tmp_path):
    mesh = generate_mesh(homogeneous_cell("a", (10.0, 9.0, 8.0)), 1.5, use_cache=False)
    write_mesh(mesh, tmp_path / "m.msh")
    back = read_mesh(tmp_path / "m.msh")
    np.testing.assert_array_equal(
        cell_volumes(back.points, back.cells), cell_volumes(mesh.points, mesh.cells)
    )
    assert generate_mesh(sphere_cell(0.2), 2.5, use_cache=False).sha256 != mesh.sha256
