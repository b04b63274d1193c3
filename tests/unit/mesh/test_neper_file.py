"""Meshes in the layout of Neper: one group per polyhedron, unquoted names, unit lengths."""

from pathlib import Path

import numpy as np
import pytest

from ngcfem.errors import InputError
from ngcfem.mesh.body_phases import MeshBody, chosen_phases, named_phases, physical_names
from ngcfem.mesh.reading import read_mesh
from ngcfem.mesh.voxel_meshing import mesh_stairs
from ngcfem.microstructure.voxel_volume import VoxelVolume


def neper_text(number_of_polyhedra: int = 4, named: bool = True) -> str:
    """A unit cube of 4 x 4 x 4 boxes in slabs, as Neper writes it.

    Layout after Neper's documentation, "Mesh File (.msh)": version 2.2 of Gmsh's format with the
    sections $MeshVersion and $Domain, three tags an element (elset, elset, partition 0), physical
    names behind the elements, without quotes and for all dimensions, and orientations.
    """
    slab = np.broadcast_to(np.arange(4)[:, None, None] % number_of_polyhedra, (4, 4, 4))
    raw = mesh_stairs(
        VoxelVolume(slab.astype(np.int32), slab.astype(np.int32), ("p",) * 4, np.full(3, 0.25))
    )
    lines = ["$MeshFormat", "2.2 0 8", "$EndMeshFormat", "$MeshVersion", "2.2.3", "$EndMeshVersion"]
    lines += ["$Domain", "cube", "$EndDomain", "$Nodes", str(len(raw.points))]
    lines += [
        f"{n} {x:.12f} {y:.12f} {z:.12f}" for n, (x, y, z) in enumerate(raw.points.tolist(), 1)
    ]
    lines += ["$EndNodes", "$Elements", str(len(raw.cells) + 1), "1 15 3 1 1 0 1"]
    lines += [
        f"{n} 4 3 {g + 1} {g + 1} 0 " + " ".join(str(v + 1) for v in nodes)
        for n, (nodes, g) in enumerate(zip(raw.cells.tolist(), raw.grain.tolist(), strict=True), 2)
    ]
    lines += ["$EndElements"]
    if named:
        lines += ["$PhysicalNames", str(number_of_polyhedra + 1), "0 1 ver1"]
        lines += [f"3 {n} poly{n}" for n in range(1, number_of_polyhedra + 1)]
        lines += ["$EndPhysicalNames"]
    lines += ["$ElsetOrientations", f"{number_of_polyhedra} rodrigues:active"]
    lines += [f"{n} 0.100000000000 0.0 -0.2" for n in range(1, number_of_polyhedra + 1)]
    lines += ["$EndElsetOrientations"]
    return "\n".join(lines) + "\n"


@pytest.fixture
def neper_file(tmp_path: Path) -> Path:
    path = tmp_path / "n4.msh"
    path.write_text(neper_text())
    return path


def test_polyhedra_become_grains_of_the_phases_that_patterns_name(neper_file: Path) -> None:
    mesh = read_mesh(
        neper_file, length_unit_nm=20.0, phases={"grain": ["poly[134]"], "interface": [2]}
    )
    assert mesh.phase_names == ("grain", "interface")
    assert mesh.periodic
    np.testing.assert_allclose(mesh.lattice, 20.0 * np.eye(3))
    corners = mesh.points[mesh.cells]
    volume = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 6.0
    assert volume[mesh.phase == 0].sum() == pytest.approx(6000.0)
    assert set(mesh.grain[mesh.phase == 0].tolist()) == {1, 3, 4}
    assert set(mesh.grain[mesh.phase == 1].tolist()) == {-1}


def test_names_without_quotes_are_phases_of_their_own_by_default(neper_file: Path) -> None:
    assert physical_names(neper_file)[3, 2] == "poly2"
    assert read_mesh(neper_file).phase_names == ("poly1", "poly2", "poly3", "poly4")


def test_groups_without_names_are_named_by_number(tmp_path: Path) -> None:
    path = tmp_path / "unnamed.msh"
    path.write_text(neper_text(named=False))
    with pytest.raises(InputError) as caught:
        read_mesh(path)
    assert "physical group 1 without a name" in str(caught.value)
    assert "[mesh] phases" in caught.value.findings[0].remedy
    mesh = read_mesh(path, phases={"grain": [1, 2], "interface": [3, 4]})
    assert mesh.phase_names == ("grain", "interface")


def test_everything_wrong_with_the_patterns_is_said_at_once(neper_file: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_mesh(
            neper_file, phases={"grain": ["poly1", "poly2"], "interface": ["poly2", "film*", 9]}
        )
    text = str(caught.value)
    assert '"film*": no group has such a name' in text
    assert '"9": no group has such a number' in text
    assert "no phase for 2 volumes: poly3 (96 cells), poly4 (96 cells)" in text
    assert "poly2 in grain and interface" in text
    assert len(caught.value.findings) == 4


def test_many_bodies_without_names_are_one_finding() -> None:
    bodies = [MeshBody(tag, ((tag, ""),), 7) for tag in range(1, 41)]
    phases, findings = named_phases(bodies, "m.msh", "volume")
    assert not phases
    assert len(findings) == 1
    assert "40 volumes: 1 (7 cells), 2 (7 cells)" in findings[0].found
    assert "and 28 more" in findings[0].found


def test_a_body_without_a_group_goes_by_its_tag() -> None:
    bodies = [MeshBody(5, (), 3), MeshBody(6, ((2, "film"),), 3)]
    phases, findings = chosen_phases(bodies, {"grain": [5], "interface": ["f*"]}, "m.msh", "volume")
    assert not findings
    assert phases == {5: "grain", 6: "interface"}
