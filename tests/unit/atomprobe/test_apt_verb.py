"""The verb apt, from files to tables and figure."""

import csv
import hashlib
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from ngcfem.cli.main import app

RANGES = (
    "[Ions]\nNumber=3\nIon1=Fe\nIon2=Sc\nIon3=H\n[Ranges]\nNumber=3\n"
    "Range1=27.8 28.1 Vol:0.01177 Fe:1 Color:FF00FF\n"
    "Range2=22.3 22.6 Vol:0.02 Sc:1 Color:FFFFFF\n"
    "Range3=22.9 23.1 Vol:0.02 Sc:1 H:1\n"
)
N_IRON, N_SCANDIUM, N_HYDRIDE, N_OTHER = 9000, 900, 100, 2000


@pytest.fixture
def specimen(tmp_path, formats):
    generator = np.random.default_rng(11)
    number = N_IRON + N_SCANDIUM + N_HYDRIDE + N_OTHER
    ions = formats.ions_at_random(number)
    masses = np.repeat([27.967, 22.478, 22.981, 60.0], [N_IRON, N_SCANDIUM, N_HYDRIDE, N_OTHER])
    ions["mass"] = (masses + generator.uniform(-0.02, 0.02, number)).astype(np.float32)
    (tmp_path / "specimen.rrng").write_text(RANGES)
    return formats.write(tmp_path, "epos", ions)


def invoke(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_tables_figure_and_hashes(specimen, tmp_path):
    out = tmp_path / "ranged"
    code, text, errors = invoke(
        "apt", specimen, tmp_path / "specimen.rrng", "-o", out, "--ranging-only"
    )
    assert (code, errors) == (0, "")
    atoms = {"Fe": N_IRON, "Sc": N_SCANDIUM + N_HYDRIDE, "H": N_HYDRIDE}
    total = sum(atoms.values())
    with open(out / "composition.csv", newline="") as stream:
        rows = {row["element"]: row for row in csv.DictReader(stream)}
    assert list(rows) == ["Fe", "Sc", "H"]
    for element, count in atoms.items():
        assert float(rows[element]["atoms"]) == count
        percent = 100.0 * count / total
        assert float(rows[element]["atomic_percent"]) == pytest.approx(percent, rel=1e-5)
    iron = N_IRON / total
    # One range of iron, one of Sc, one of ScH with two atoms.
    variance = N_IRON * (1 - iron) ** 2 + N_SCANDIUM * iron**2 + N_HYDRIDE * (2 * iron) ** 2
    error = 100.0 * variance**0.5 / total
    assert float(rows["Fe"]["atomic_percent_standard_error"]) == pytest.approx(error, rel=5e-3)
    with open(out / "ions.csv", newline="") as stream:
        found = {(row["ion"], row["charge"]): row["ions"] for row in csv.DictReader(stream)}
    assert found == {("Fe", "2"): "9000", ("Sc", "2"): "900", ("ScH", "2"): "100"}
    summary = json.loads((out / "summary.json").read_text())
    digest = hashlib.sha256(specimen.read_bytes()).hexdigest()
    assert summary["data"]["sha256"] == digest
    assert summary["provenance"]["inputs"]["ranges"]["file"] == "specimen.rrng"
    assert summary["ranged_fraction"] == pytest.approx(10_000 / 12_000)
    assert (out / "mass_spectrum.png").read_bytes().startswith(b"\x89PNG")
    warnings = (out / "warnings.txt").read_text()
    assert "a peak of 2000 ions at " in warnings
    assert "warnings" in text


def test_background_is_taken_off_when_asked(specimen, tmp_path):
    out = tmp_path / "ranged"
    ranges = tmp_path / "specimen.rrng"
    code, text, _ = invoke("apt", specimen, ranges, "-o", out, "--background", "--ranging-only")
    assert code == 0
    assert "taken off" in text
    background = json.loads((out / "summary.json").read_text())["background"]
    assert background["subtracted"] is True
    with open(out / "ranges.csv", newline="") as stream:
        for row in csv.DictReader(stream):
            low, high = float(row["low_da"]) ** 0.5, float(row["high_da"]) ** 0.5
            expected = background["level_per_sqrt_da"] * (high - low)
            taken = float(row["ions_counted"]) - expected
            assert float(row["ions_taken"]) == pytest.approx(taken, rel=1e-6)


def test_what_is_wrong_with_both_files_is_said_at_once(tmp_path):
    (tmp_path / "x.pos").write_bytes(b"12345")
    (tmp_path / "x.rrng").write_text(RANGES.replace("Fe:1", "Xx:1"))
    (tmp_path / "out").write_text("")
    code, _, errors = invoke("apt", tmp_path / "x.pos", tmp_path / "x.rrng", "-o", tmp_path / "out")
    assert code == 2
    assert "Xx:1" in errors
    assert "5 bytes" in errors
    assert "--out" in errors
    assert "Traceback" not in errors
