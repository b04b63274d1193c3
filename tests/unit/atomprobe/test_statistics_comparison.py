"""Statistics files side by side."""

import csv
import json
from pathlib import Path

import pytest

from ngcfem.atomprobe.statistics import read_statistics
from ngcfem.atomprobe.statistics_comparison import compare_statistics
from ngcfem.errors import InputError
from ngcfem.workflow.apt_compare import apt_compare_stage

SHIPPED = Path(__file__).resolve().parents[3] / "cases" / "data" / "fe90sc10_statistics.json"


def changed(path: Path, **entries: dict[str, object]) -> Path:
    """Write the shipped statistics with other numbers under dotted keys (two underscores)."""
    document = json.loads(SHIPPED.read_text())
    for key, entry in entries.items():
        section, name = key.split("__")
        document.setdefault(section, {})[name] = entry
    path.write_text(json.dumps(document))
    return path


def quantity(value: float, half: float | None, unit: str) -> dict[str, object]:
    entry: dict[str, object] = {"value": value, "unit": unit, "provenance": "measured"}
    return entry if half is None else {**entry, "lo95": value - half, "hi95": value + half}


def test_differences_are_weighed_against_both_intervals(tmp_path: Path) -> None:
    first = changed(
        tmp_path / "a.json",
        grains__equivalent_diameter=quantity(10.0, 0.3, "nm"),
        interface__thickness=quantity(1.0, 0.1, "nm"),
        crystals__contact_fraction=quantity(0.2, None, "1"),
    )
    second = changed(
        tmp_path / "b.json",
        grains__equivalent_diameter=quantity(10.5, 0.4, "nm"),
        interface__thickness=quantity(1.2, 0.1, "nm"),
        crystals__agglomerate_size=quantity(1.5, None, "1"),
    )
    rows = {row.key: row for row in compare_statistics(*map(read_statistics, (first, second)))}
    # the 95 % interval of the difference is sqrt(0.3^2 + 0.4^2) = 0.5, and 0.14 of the thickness
    assert rows["grains.equivalent_diameter"].significant is False
    assert rows["grains.equivalent_diameter"].first_holds_second is False
    assert rows["interface.thickness"].significant is True
    assert rows["interface.thickness"].relative_difference == pytest.approx(0.2)
    assert rows["crystals.diameter_mean"].significant is None
    assert rows["crystals.contact_fraction"].second is None
    assert rows["crystals.agglomerate_size"].first is None
    keys = list(rows)
    assert keys.index("crystals.agglomerate_size") < keys.index("sc_rich.share_of_crystals")
    assert not [key for key in keys if key.startswith("atomic_volumes")]

    text = apt_compare_stage(first, second, tmp_path / "out")
    assert "+20.0 % *" in text
    with open(tmp_path / "out" / "comparison.csv", newline="") as stream:
        table = {row["key"]: row for row in csv.DictReader(stream)}
    assert float(table["interface.thickness"]["difference"]) == pytest.approx(0.2)
    assert table["interface.thickness"]["significant"] == "True"
    assert table["crystals.contact_fraction"]["second_value"] == ""
    assert (tmp_path / "out" / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_both_files_are_checked(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    with pytest.raises(InputError) as caught:
        apt_compare_stage(bad, tmp_path / "missing.json")
    assert {finding.file for finding in caught.value.findings} == {
        str(bad),
        str(tmp_path / "missing.json"),
    }
