"""The verb apt on a specimen of known truth: files, statistics, report, and what it refuses."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from ngcfem.atomprobe.ion_data import IonChunk
from ngcfem.atomprobe.ion_writing import write_pos
from ngcfem.atomprobe.statistics import quantities_of, read_statistics
from ngcfem.cli.main import app

RANGES = (
    "[Ions]\nNumber=3\nIon1=Fe\nIon2=Sc\nIon3=H\n[Ranges]\nNumber=3\n"
    "Range1=27.8 28.1 Vol:0.01177 Fe:1 Color:FF00FF\n"
    "Range2=22.3 22.6 Vol:0.02 Sc:1 Color:FFFFFF\n"
    "Range3=0.95 1.05 Vol:0.003 H:1 Color:00FF00\n"
)
MASSES = {"Fe": 27.967, "Sc": 22.478, "H": 1.007}
EDGE_NM, RADIUS_NM = 14.0, 2.3
CENTRES_NM = np.array([[3.5, 7.0, 5.0], [10.5, 6.0, 9.0]])


def invoke(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def specimen(tmp_path_factory):
    """Two crystals in two grains with a flat layer of 1 nm and 22 at% Sc between them."""
    directory = tmp_path_factory.mktemp("specimen")
    generator = np.random.default_rng(31)
    position = generator.uniform(0.0, EDGE_NM, (140_000, 3))
    scandium, hydrogen = np.full(len(position), 0.08), np.zeros(len(position))
    layer = np.abs(position[:, 0] - EDGE_NM / 2.0) < 0.5
    scandium[layer], hydrogen[layer] = 0.22, 0.02
    for centre in CENTRES_NM:
        scandium[np.linalg.norm(position - centre, axis=1) < RADIUS_NM] = 0.0
    # An atom of Sc takes 2.12 times the volume of one of Fe: rich regions hold fewer.
    room = 1.0 + scandium * (0.02497 / 0.01178 - 1.0)
    present = generator.random(len(position)) < 1.0 / room
    position, scandium, hydrogen = position[present], scandium[present], hydrogen[present]
    draw = generator.random(len(position))
    mass = np.where(draw < scandium, MASSES["Sc"], MASSES["Fe"])
    mass = np.where((draw >= scandium) & (draw < scandium + hydrogen), MASSES["H"], mass)
    position += generator.normal(size=position.shape) * [0.25, 0.25, 0.08]
    write_pos(
        directory / "specimen.pos",
        [IonChunk(0, position.astype(np.float32), mass.astype(np.float32))],
    )
    (directory / "specimen.rrng").write_text(RANGES)
    return directory


@pytest.fixture(scope="module")
def analysed(specimen):
    code, text, errors = invoke(
        *("apt", specimen / "specimen.pos", specimen / "specimen.rrng"),
        *("-o", specimen / "found.json", "--synthetic", "--title", "two crystals"),
    )
    assert (code, errors) == (0, "")
    return specimen, text


def test_the_statistics_file_holds_the_truth(analysed):
    directory, text = analysed
    statistics = read_statistics(directory / "found.json")
    found = quantities_of(statistics)
    assert statistics.title == "two crystals"
    assert {quantity.provenance for key, quantity in found.items() if "bulk" in key} == {
        "synthetic"
    }
    # The targets of the recovery study: 10 % of the diameter, 8 % of the excess, 0.2 at%.
    assert found["crystals.diameter_mean"].value == pytest.approx(2.0 * RADIUS_NM, rel=0.10)
    assert found["interface.gibbs_excess_sc"].value == pytest.approx(0.14, rel=0.08)
    assert found["composition.grain.Sc"].value == pytest.approx(8.0, abs=0.2)
    assert sum(
        quantity.value for key, quantity in found.items() if key.startswith("volume_fractions.")
    ) == pytest.approx(1.0)
    assert statistics.source is not None
    assert set(statistics.source.files_sha256) == {"specimen.pos", "specimen.rrng"}
    # No grain lies whole in the box: their size is by the intercept, and says so.
    assert found["grains.equivalent_diameter"].provenance == "assumed"
    assert "2 crystals, 2 grains" in text


def test_tables_and_report_lie_beside_it(analysed):
    directory, text = analysed
    with open(directory / "found" / "crystals.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    places = np.array([[float(row[f"{axis}_nm"]) for axis in "xyz"] for row in rows])
    apart = np.linalg.norm(places[:, None] - CENTRES_NM[None], axis=2)
    assert np.sort(apart.min(axis=0)).max() < 0.15
    page = (directory / "found" / "report.html").read_text()
    for heading in ("Crystals", "Network and grains", "Files and provenance"):
        assert heading in page
    parameters = json.loads((directory / "found" / "parameters.json").read_text())
    assert parameters["regions.crystals.kernel_sigma_nm"] == 0.6
    assert str(directory / "found" / "report.html") in text


@pytest.mark.slow
def test_a_sweep_of_one_parameter(analysed):
    directory, _ = analysed
    out = directory / "swept"
    code, _, errors = invoke(
        *("apt", directory / "specimen.pos", directory / "specimen.rrng", "-o", out),
        *("--sweep-of", "network.grain_margin_nm"),
    )
    assert (code, errors) == (0, "")
    with open(out / "sweep.csv", newline="") as stream:
        rows = {row["number"]: row for row in csv.DictReader(stream)}
    diameter = rows["crystals.diameter_mean"]
    values = [float(diameter[name]) for name in diameter if name != "number"]
    assert len(values) == 3
    assert len(set(values)) == 1
    grain = rows["composition.grain.Sc"]
    assert len({grain[name] for name in grain if name != "number"}) > 1


def test_without_scandium_there_are_no_regions(specimen, tmp_path):
    ranges = tmp_path / "iron.rrng"
    ranges.write_text(RANGES.replace("Sc:1", "Ni:1").replace("Ion2=Sc", "Ion2=Ni"))
    code, text, errors = invoke("apt", specimen / "specimen.pos", ranges, "-o", tmp_path / "out")
    assert (code, errors) == (0, "")
    assert "no regions" in text
    assert not (tmp_path / "out" / "statistics.json").exists()
    assert "Ni" in (tmp_path / "out" / "report.html").read_text()


def test_wrong_parameters_are_named_at_once(specimen, tmp_path):
    parameters = tmp_path / "parameters.toml"
    parameters.write_text('[regions.crystals]\nvoxel_nm = "small"\nkernel = 3\n')
    code, _, errors = invoke(
        *("apt", specimen / "specimen.pos", specimen / "specimen.rrng", "-o", tmp_path / "out"),
        *("--parameters", parameters),
    )
    assert code == 2
    assert "regions.crystals.voxel_nm" in errors
    assert "regions.crystals.kernel" in errors
    assert "Traceback" not in errors
    code, _, errors = invoke(
        *("apt", specimen / "specimen.pos", specimen / "specimen.rrng", "-o", tmp_path / "out"),
        *("--sweep-of", "crystals.kernel"),
    )
    assert code == 2
    assert "crystals.kernel_sigma_nm" in errors


def test_an_extent_that_no_memory_holds_is_refused(tmp_path):
    positions = np.array([[0.0, 0.0, 0.0], [9e4, 9e4, 9e4]], dtype=np.float32)
    write_pos(tmp_path / "x.pos", [IonChunk(0, positions, np.full(2, 27.967, np.float32))])
    (tmp_path / "x.rrng").write_text(RANGES)
    code, _, errors = invoke("apt", tmp_path / "x.pos", tmp_path / "x.rrng", "-o", tmp_path / "out")
    assert code == 2
    assert "--ranging-only" in errors
