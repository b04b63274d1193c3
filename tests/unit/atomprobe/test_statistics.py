"""The statistics file: the shipped one, and what is said about wrong ones."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ngcfem.atomprobe.statistics import (
    quantities_of,
    read_statistics,
    statistics_from_mapping,
    write_statistics,
)
from ngcfem.errors import InputError
from ngcfem.quantities import PROVENANCES

SHIPPED = Path(__file__).parents[3] / "cases" / "data" / "fe90sc10_statistics.json"


@pytest.fixture
def document() -> dict[str, Any]:
    """Content of the shipped file, to be spoilt."""
    return json.loads(SHIPPED.read_text())


def findings_of(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        statistics_from_mapping(document, "stats.json")
    assert all(f.file == "stats.json" and f.remedy for f in caught.value.findings)
    return {f.key: f"found {f.found}, allowed {f.allowed}" for f in caught.value.findings}


def test_shipped_file_states_what_is_assumed():
    statistics = read_statistics(SHIPPED)
    quantities = quantities_of(statistics)
    assert quantities["grains.equivalent_diameter"].value == 10.0
    assert quantities["grains.diameter_variation"].value == 0.25
    assert quantities["interface.thickness"].value == 1.0
    assert quantities["crystals.diameter_mean"].value == 3.0
    assert quantities["volume_fractions.nanocrystal"].value == 0.08
    assert quantities["sc_rich.share_of_crystals"].value == 0.5
    for key, quantity in quantities.items():
        assert quantity.provenance in PROVENANCES
        if key.startswith(("grains", "interface.", "crystals", "sc_rich", "volume_fractions")):
            assert quantity.provenance == "assumed", key
        if key.startswith("composition.bulk"):
            assert quantity.provenance == "paper"
        if key.startswith("atomic_volumes"):
            assert quantity.provenance == "literature"


def test_written_file_reads_back_equal(tmp_path):
    statistics = read_statistics(SHIPPED)
    write_statistics(statistics, tmp_path / "again.json")
    assert read_statistics(tmp_path / "again.json") == statistics


def test_all_findings_of_the_schema_come_at_once(document):
    document["grains"]["equivalent_diameter"]["value"] = "10"
    document["grian"] = {}
    del document["atomic_volumes"]["Sc"]
    document["composition"]["bulk"]["Sc"]["provenance"] = "guess"
    document["interface"]["thickness"]["value"] = float("nan")
    document["crystals"]["diameter_mean"]["n"] = 2.5
    document["sc_rich"]["thickness"]["lo95"] = 0.5
    document["schema_version"] = 2
    findings = findings_of(document)
    assert set(findings) == {
        "grains.equivalent_diameter.value",
        "grian",
        "atomic_volumes.Sc",
        "composition.bulk.Sc.provenance",
        "interface.thickness.value",
        "crystals.diameter_mean.n",
        "sc_rich.thickness",
        "schema_version",
    }
    assert "'10'" in findings["grains.equivalent_diameter.value"]
    assert "finite" in findings["interface.thickness.value"]
    assert "no such key" in findings["grian"]


def test_all_inconsistencies_come_at_once(document):
    document["grains"]["equivalent_diameter"]["unit"] = "A"
    document["composition"]["bulk"]["Sc"]["value"] = 30.0
    document["crystals"]["diameter_mean"]["value"] = 0.0
    document["volume_fractions"]["nanocrystal"]["value"] = 1.5
    del document["atomic_volumes"]["H"]
    assert set(findings_of(document)) == {
        "grains.equivalent_diameter.unit",
        "composition.bulk",
        "crystals.diameter_mean.value",
        "volume_fractions.nanocrystal.value",
        "volume_fractions",
        "atomic_volumes.H",
    }


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"lo95": 11.0, "hi95": 12.0}, "between lo95 and hi95"),
        ({"hi95": 12.0}, "both lo95 and hi95"),
        ({"provenance": "paper"}, "needs a reference"),
        ({"provenance": "literature", "reference": ""}, "needs a reference"),
    ],
)
def test_quantity_must_be_consistent(document, changes, word):
    document["grains"]["equivalent_diameter"].update(changes)
    assert word in findings_of(document)["grains.equivalent_diameter"]


def test_zero_is_allowed_where_it_means_none(document):
    for section, key in (
        ("volume_fractions", "nanocrystal"),
        ("sc_rich", "share_of_crystals"),
        ("grains", "diameter_variation"),
    ):
        document[section][key]["value"] = 0.0
    statistics_from_mapping(document, "stats.json")


def test_four_fractions_must_fill_the_volume(document):
    share = copy.deepcopy(document["volume_fractions"]["nanocrystal"])
    for name, value in (("interface", 0.3), ("grain", 0.5), ("sc_rich", 0.04)):
        document["volume_fractions"][name] = {**share, "value": value}
    assert "0.92" in findings_of(document)["volume_fractions"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (None, "No such file"),
        (b"", "line 1"),
        (b'{\n  "title": }', "line 2, column 12"),
        (b"[1, 2]", "list"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"title": "a", "title": "b"}', "given twice"),
    ],
)
def test_broken_files(tmp_path, text, word):
    path = tmp_path / "stats.json"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(InputError) as caught:
        read_statistics(path)
    assert word in str(caught.value)
    assert str(path) in str(caught.value)
