"""Other people's microstructures in, meshes for other programs out, through the command line."""

import json
from pathlib import Path

import meshio
import numpy as np
import pytest
from typer.testing import CliRunner

from ngcfem.case.schema import load_case
from ngcfem.case.voxel_build import build_voxel_mesh, seam_lines
from ngcfem.cli.main import app

CASE = """
schema_version = 1
[microstructure]
kind = "voxels"
file = "volume.npy"
spacing_nm = 1.0
phases = {{ matrix = [0], inclusion = ["1-2"] }}
{more}
[[phase]]
name = "matrix"
law = "elastic"
parameters = {{ youngs_modulus_gpa = 100.0, poisson_ratio = 0.3 }}
[[phase]]
name = "inclusion"
law = "elastic"
parameters = {{ youngs_modulus_gpa = 200.0, poisson_ratio = 0.3 }}
[load]
kind = "uniaxial-stress"
axis = "x"
true_strain = 0.01
increments = 1
[output]
fields_every = 0
figures = false
"""
STAIRS = 'surface = "stair-stepped"'


@pytest.fixture
def volume(tmp_path: Path) -> np.ndarray:
    """Slabs normal to x: matrix in 4 of 6 layers, inclusions 1 and 2 in one each."""
    labels = np.zeros((6, 4, 4), dtype=np.uint8)
    labels[1], labels[2] = 1, 2
    np.save(tmp_path / "volume.npy", labels)
    return labels


def write_case(tmp_path: Path, more: str = STAIRS) -> Path:
    path = tmp_path / "case.toml"
    path.write_text(CASE.format(more=more), encoding="utf-8")
    return path


def call(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, result.output


def test_a_run_on_voxels_has_the_modulus_of_its_layers(tmp_path: Path, volume: np.ndarray) -> None:
    del volume
    code, output = call("run", write_case(tmp_path), "--out", tmp_path / "out")
    assert code == 0, output
    curve = np.genfromtxt(tmp_path / "out" / "curve.csv", delimiter=",", names=True)
    stress, strain = curve["true_stress_gpa"][-1], curve["true_strain"][-1]
    # in series with lateral strains tied: between Reuss and Voigt, 4 of 6 layers of 100 GPa
    assert 1.0 / (2.0 / 300.0 + 1.0 / 600.0) < stress / strain < 2.0 / 3.0 * 100.0 + 200.0 / 3.0
    record = json.loads((tmp_path / "out" / "mesh.json").read_text())
    assert record["origin"]["voxel_fractions"]["matrix"] == pytest.approx(2.0 / 3.0)
    assert record["origin"]["differing_neighbours"]["x"]["across_the_period"] == 0.0
    errors = record["quality"]["phase_fraction_errors"]
    assert errors == pytest.approx({"matrix": 0.0, "inclusion": 0.0}, abs=1e-12)
    assert {body["grain"] for body in record["bodies"]} == {-1, 1, 2}
    code, output = call("validate", tmp_path / "out" / "case.resolved.toml")
    assert code == 0, output


def test_everything_wrong_with_a_voxel_case_is_told(tmp_path: Path) -> None:
    more = 'dimension = 2\ncoarsening = 2\n[mesh]\norder = 2\nfile = "x.msh"'
    code, output = call("validate", write_case(tmp_path, more))
    assert code == 2
    for told in (
        '"volume.npy": no such file',
        "3 for the kind voxels",
        'a factor only with surface = "stair-stepped"',
        "an element size in nm for smooth meshes of voxels",
        "1: generated meshes are straight-sided",
        "a key that the kind voxels does not use",
    ):
        assert told in output, told


@pytest.mark.parametrize(
    ("phases", "told"),
    [
        ("{ matrix = [0.5] }", "a list of numbers or ranges"),
        ('{ matrix = ["a-b"] }', "a list of numbers or ranges"),
        ("{}", "a table with a list of numbers or ranges"),
        ("{ matrix = [] }", "that is not empty"),
    ],
)
def test_malformed_tables_of_labels(
    tmp_path: Path, volume: np.ndarray, phases: str, told: str
) -> None:
    del volume
    path = write_case(tmp_path)
    line = 'phases = { matrix = [0], inclusion = ["1-2"] }'
    path.write_text(path.read_text().replace(line, f"phases = {phases}"))
    code, output = call("validate", path)
    assert code == 2
    assert told in output


def test_a_volume_that_does_not_repeat_is_told(tmp_path: Path, volume: np.ndarray) -> None:
    volume[3:] = 1
    np.save(tmp_path / "volume.npy", volume)
    # without the pictures of `ngcfem mesh`, which prints these lines
    _, record = build_voxel_mesh(load_case(write_case(tmp_path)))
    (line,) = seam_lines(record)
    # 100 % across the period against 3 of 5 layers inside
    assert "along x the volume does not repeat: 100 % of the voxels" in line
    assert "60 % inside; mirrored = true" in line
    mesh, record = build_voxel_mesh(load_case(write_case(tmp_path, STAIRS + "\nmirrored = true")))
    assert seam_lines(record) == []
    assert len(mesh.cells) == 6 * 8 * volume.size
    code, output = call("generate", write_case(tmp_path), "--out", tmp_path / "cell")
    assert code == 2
    assert '"voxels": the geometry is that of a file' in output


def test_labels_are_held_against_the_volume(tmp_path: Path, volume: np.ndarray) -> None:
    volume[0, 0, 0] = 9
    np.save(tmp_path / "volume.npy", volume)
    code, output = call("mesh", write_case(tmp_path), "--out", tmp_path / "mesh")
    assert code == 2
    assert "labels without a phase: 9" in output
    code, output = call(
        "mesh", write_case(tmp_path, STAIRS + "\ncoarsening = 4"), "--out", tmp_path / "mesh"
    )
    assert code == 2


def test_a_volume_that_cannot_be_merged_says_by_what_it_can(
    tmp_path: Path, volume: np.ndarray
) -> None:
    np.save(tmp_path / "volume.npy", np.tile(volume, (1, 3, 3)))
    case = write_case(tmp_path, STAIRS + "\ncoarsening = 5")
    code, output = call("mesh", case, "--out", tmp_path / "mesh")
    assert code == 2
    assert "5, for 6 x 12 x 12 voxels" in output
    assert "write coarsening = 2" in output


def test_export_of_a_case_to_abaqus_and_to_voxels(tmp_path: Path, volume: np.ndarray) -> None:
    case = write_case(tmp_path)
    code, output = call("export", case, "-f", "inp", "--order", 2, "-o", tmp_path / "m.inp")
    assert code == 0, output
    found = meshio.read(tmp_path / "m.inp")
    assert found.cells[0].type == "tetra10"
    assert len(found.cell_sets["PHASE_INCLUSION"][0]) == 6 * 32
    code, output = call("export", case, "--spacing", 1, "-o", tmp_path / "m.vti")
    assert code == 0, output
    code, output = call("export", case, "-o", tmp_path / "m.vti", "--spacing", 1)
    assert code == 2
    assert "nothing is overwritten silently" in output
    assert volume.size == 96


def test_export_tells_what_does_not_fit(tmp_path: Path) -> None:
    code, output = call("export", tmp_path / "none", "--format", "vtu")
    assert code == 2
    assert "no such file or directory" in output
    code, output = call("export", tmp_path, "--format", "xdmf")
    assert code == 2
    assert "use vtu" in output
    code, output = call("export", tmp_path, "--format", "npy", "--order", 2, "--equations")
    assert code == 2
    for told in ("--spacing", "--order", "--equations"):
        assert f"export: {told}" in output
    code, output = call("export", tmp_path)
    assert code == 2
    assert "neither --format nor an ending of --out" in output
