"""Phase names from the head of a Gmsh file."""

from pathlib import Path

import pytest

from ngcfem.case.mesh_header import physical_body_names

MESHES = Path(__file__).resolve().parents[3] / "meshes"


@pytest.mark.parametrize("name", ["sphere_straight.msh", "sphere_curved_coarse.msh"])
def test_names_of_the_shipped_meshes(name):
    names = physical_body_names(MESHES / name)
    assert names is not None
    assert sorted(names) == ["inclusion", "matrix"]


def test_names_in_a_binary_file(tmp_path):
    path = tmp_path / "x.msh"
    path.write_bytes(
        b"$MeshFormat\n4.1 1 8\n\x01\x00\x00\x00\n$EndMeshFormat\n$PhysicalNames\r\n3\r\n"
        b'2 1 "top side"\r\n3 2 "grain"\r\n3 7 "Fe crystal"\r\n$EndPhysicalNames\n\xff\xfe$Nodes'
    )
    assert physical_body_names(path) == ("grain", "Fe crystal")


def test_no_names(tmp_path):
    path = tmp_path / "x.msh"
    assert physical_body_names(path) is None
    path.write_text("$MeshFormat\n2.2 0 8\n$EndMeshFormat\n")
    assert physical_body_names(path) is None
