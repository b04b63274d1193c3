"""Meshes for other programs, read back by meshio: sets, volumes, pairs, orders of nodes."""

from pathlib import Path

import meshio
import numpy as np
import pytest

from ngcfem.mesh.abaqus_file import periodic_pairs
from ngcfem.mesh.export import MESH_FORMATS, export_mesh
from ngcfem.mesh.pairing import quotient_check
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.promotion import with_midside_nodes
from ngcfem.mesh.quality import cell_volumes
from ngcfem.mesh.reading import read_mesh, read_written_mesh
from ngcfem.mesh.voxel_meshing import mesh_voxel_volume
from ngcfem.microstructure.voxel_volume import VoxelVolume


@pytest.fixture
def mesh() -> PeriodicMesh:
    """Four grains of two phases in a box of 3 x 4 x 5 voxels."""
    grain = (np.arange(60).reshape(3, 4, 5) % 4).astype(np.int32)
    volume = VoxelVolume(grain // 2, grain, ("soft phase", "hard"), np.array([0.5, 0.6, 0.7]))
    return mesh_voxel_volume(volume, surface="stair-stepped")


def straight_volumes(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    corners = points[cells[:, :4]]
    return np.linalg.det(corners[:, 1:] - corners[:, :1]) / 6.0


@pytest.mark.parametrize("order", [1, 2])
def test_abaqus_sets_hold_the_phases_and_grains(
    tmp_path: Path, mesh: PeriodicMesh, order: int
) -> None:
    export_mesh(mesh, tmp_path / "m.inp", "inp", order)
    found = meshio.read(tmp_path / "m.inp")
    (block,) = found.cells
    assert block.type == ("tetra" if order == 1 else "tetra10")
    volume = straight_volumes(found.points, block.data)
    own = cell_volumes(mesh.points, mesh.cells)
    for index, name in enumerate(("PHASE_SOFT_PHASE", "PHASE_HARD")):
        (members,) = found.cell_sets[name]
        assert volume[members].sum() == pytest.approx(own[mesh.phase == index].sum())
    for grain in range(4):
        (members,) = found.cell_sets[f"GRAIN_{grain}"]
        assert volume[members].sum() == pytest.approx(own[mesh.grain == grain].sum())
    if order == 2:
        # meshio's order of edges is that of VTK and Abaqus: 01, 12, 02, 03, 13, 23
        ends = [(0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3)]
        for k, (i, j) in enumerate(ends):
            middle = 0.5 * (found.points[block.data[:, i]] + found.points[block.data[:, j]])
            np.testing.assert_allclose(found.points[block.data[:, 4 + k]], middle, atol=1e-14)


@pytest.mark.parametrize("order", [1, 2])
def test_abaqus_pairs_are_a_period_apart_and_complete(
    tmp_path: Path, mesh: PeriodicMesh, order: int
) -> None:
    export_mesh(mesh, tmp_path / "m.inp", "inp", order)
    found = meshio.read(tmp_path / "m.inp")
    sizes = {0: 0.0, 1: 1.5, 2: 2.4, 3: 3.5}
    number = 0
    images: list[int] = []
    for name, nodes in found.point_sets.items():
        if not name.startswith("IMAGE_"):
            continue
        words = name.removeprefix("IMAGE_").split("_")
        shift = [int(w.replace("M", "-").replace("P", "")) for w in words]
        sources = found.point_sets["SOURCE_" + name.removeprefix("IMAGE_")]
        expected = np.array([n * sizes[k] for k, n in enumerate(shift, 1)])
        np.testing.assert_allclose(
            found.points[nodes] - found.points[sources],
            np.broadcast_to(expected, (len(nodes), 3)),
            atol=1e-12,
        )
        images += nodes.tolist()
        number += len(nodes)
    assert len(set(images)) == number
    # a grid of 3 x 4 x 5 boxes, at order 2 of 6 x 8 x 10 half boxes: planes meet at the far faces
    torus = 60 * order**3
    assert len(found.points) - number == torus


def test_equations_close_under_a_homogeneous_deformation(
    tmp_path: Path, mesh: PeriodicMesh
) -> None:
    export_mesh(mesh, tmp_path / "m.inp", "inp", equations=True)
    lines = (tmp_path / "m.inp").read_text().splitlines()
    place: dict[int, np.ndarray] = {}
    reading = False
    for line in lines:
        if line.startswith("*"):
            reading = line == "*NODE"
        elif reading:
            number, *rest = line.split(",")
            place[int(number)] = np.array([float(x) for x in rest])
    gradient = np.array([[0.1, 0.02, 0.03], [-0.04, 0.05, 0.06], [0.07, -0.08, 0.09]])
    # the nodes of the periods stand at the ends of their vectors: one affine field serves all
    displacement = {number: gradient @ x for number, x in place.items()}
    equations = 0
    for start in (k for k, line in enumerate(lines) if line == "*EQUATION"):
        count = int(lines[start + 1])
        numbers: list[float] = []
        row = start + 2
        while len(numbers) < 3 * count:
            numbers += [float(x) for x in lines[row].split(",")]
            assert lines[row].count(",") <= 11
            row += 1
        terms = np.array(numbers).reshape(count, 3)
        total = sum(f * displacement[int(n)][int(c) - 1] for n, c, f in terms.tolist())
        assert abs(total) < 1e-12
        equations += 1
    pairs = periodic_pairs(mesh)
    assert equations == 3 * sum(len(images) for images, _ in pairs.values())


def test_midside_nodes_keep_the_torus(mesh: PeriodicMesh) -> None:
    second = with_midside_nodes(mesh)
    assert second.order == 2
    assert quotient_check(second.points, second.cells, second.torus_node).accepted
    np.testing.assert_allclose(
        cell_volumes(second.points, second.cells), cell_volumes(mesh.points, mesh.cells)
    )
    assert with_midside_nodes(second) is second


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("file_format", ["vtu", "vtk", "msh22", "med"])
def test_formats_of_meshio(
    tmp_path: Path, mesh: PeriodicMesh, file_format: str, order: int
) -> None:
    path = tmp_path / f"m.{file_format.removesuffix('22')}"
    export_mesh(mesh, path, file_format, order)
    found = meshio.read(path)
    (block,) = found.cells
    volume = straight_volumes(found.points, block.data)
    own = cell_volumes(mesh.points, mesh.cells)
    np.testing.assert_allclose(np.abs(volume), own, rtol=1e-9)
    if file_format in ("vtu", "vtk"):
        np.testing.assert_array_equal(found.cell_data["phase"][0], mesh.phase)
        np.testing.assert_array_equal(found.cell_data["grain"][0], mesh.grain)
    if file_format == "msh22":
        np.testing.assert_array_equal(found.cell_data["gmsh:physical"][0] - 1, mesh.phase)
        assert list(found.field_data) == ["soft phase", "hard"]
        again = read_mesh(path)
        assert again.phase_names == mesh.phase_names
        assert again.order == order
        np.testing.assert_allclose(again.lattice, mesh.lattice, rtol=1e-12)
    if file_format == "med":
        np.testing.assert_array_equal(-found.cell_data["cell_tags"][0] - 1, mesh.phase)


def test_gmsh_with_its_record(tmp_path: Path, mesh: PeriodicMesh) -> None:
    export_mesh(mesh, tmp_path / "m.msh", "msh", order=2)
    found = read_written_mesh(tmp_path / "m.msh")
    assert found.order == 2
    np.testing.assert_array_equal(np.sort(found.grain), np.sort(mesh.grain))
    assert found.phase_names == mesh.phase_names


def test_midside_nodes_can_be_left_out(tmp_path: Path, mesh: PeriodicMesh) -> None:
    export_mesh(with_midside_nodes(mesh), tmp_path / "m.vtu", "vtu", order=1)
    found = meshio.read(tmp_path / "m.vtu")
    assert found.cells[0].type == "tetra"
    assert len(found.points) == len(mesh.points)


def test_unknown_formats_are_refused(tmp_path: Path, mesh: PeriodicMesh) -> None:
    assert "xdmf" not in MESH_FORMATS
    with pytest.raises(ValueError, match="unknown mesh format xdmf"):
        export_mesh(mesh, tmp_path / "m.xdmf", "xdmf")
