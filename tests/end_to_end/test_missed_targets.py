"""A cell that misses a target: refused with its numbers, unless the case allows it."""

import json
import tomllib
from pathlib import Path

import pytest

from ngcfem.case.schema import case_from_mapping
from ngcfem.errors import RefusedError
from ngcfem.report import stage_report
from ngcfem.report.pictures import Pictures
from ngcfem.workflow.stages import generate_cell_stage

CASES = Path(__file__).parents[2] / "cases"


def nanoglass(allow: bool):
    """The shipped nanoglass in four grains, with a network that is asked to take less volume."""
    document = tomllib.loads((CASES / "nanoglass.toml").read_text())
    statistics = json.loads((CASES / document["statistics"].pop("file")).read_text())
    for key in ("schema_version", "title", "notes"):
        statistics.pop(key, None)
    statistics["volume_fractions"]["interface"] = {
        "value": 0.245,
        "unit": "1",
        "provenance": "assumed",
    }
    document["statistics"] = statistics
    document["microstructure"] |= {"n_grains": 4, "allow_missed_targets": allow}
    return case_from_mapping(document, CASES / "x.toml")


@pytest.fixture(autouse=True)
def no_camera(monkeypatch):
    """Leave the pictures out: they have tests of their own."""
    monkeypatch.setattr(stage_report, "draw_cell_pictures", lambda *_: Pictures({}, ""))


def test_a_missed_target_is_refused_and_everything_is_there_to_see_why(tmp_path):
    with pytest.raises(
        RefusedError, match=r"interface volume fraction: 0\.2\d+.*instead of 0\.245"
    ):
        generate_cell_stage(nanoglass(allow=False), tmp_path)
    entries = json.loads((tmp_path / "descriptors.json").read_text())["descriptors"]
    missed = [entry["name"] for entry in entries if not entry["accepted"]]
    assert missed == ["interface volume fraction"]
    assert "Targets are missed" in (tmp_path / "report.html").read_text()


def test_an_allowed_miss_is_reported(tmp_path):
    told = generate_cell_stage(nanoglass(allow=True), tmp_path)
    line = next(line for line in told.splitlines() if "interface volume fraction" in line)
    assert line.endswith("MISSED")
    assert "Targets are missed" in (tmp_path / "report.html").read_text()
