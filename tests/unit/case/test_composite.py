"""Statistics of a case: from a file, inline, and what is wrong with them."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ngcfem.case.build import build_cell, build_statistics
from ngcfem.case.schema import Case, case_from_mapping, load_case
from ngcfem.errors import InputError
from ngcfem.microstructure.composite_cells import MINIMUM_GRAINS

CASES = Path(__file__).resolve().parents[3] / "cases"
CONTENT: dict[str, Any] = json.loads((CASES / "data" / "fe90sc10_statistics.json").read_text())


@pytest.fixture
def inline(tmp_path: Path) -> Callable[..., Case]:
    """Return a loader of a shipped case whose statistics stand in the case itself."""

    def load_inline(name: str = "nanoglass", **changes: Any) -> Case:
        document = tomllib.loads((CASES / f"{name}.toml").read_text())
        content = {key: value for key, value in CONTENT.items() if key != "schema_version"}
        document["statistics"] = {**content, **changes}
        document.pop("compare", None)
        for number, phase in enumerate(document["phase"]):
            if isinstance(phase["parameters"], str):
                file = CASES / "materials" / phase["parameters"]
                document["phase"][number]["parameters"] = str(file)
        return case_from_mapping(document, tmp_path / "inline.toml")

    return load_inline


def findings(load: Callable[[], Case]) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        load()
    return {finding.key: finding.remedy for finding in caught.value.findings}


def changed(section: str, key: str, **change: Any) -> dict[str, Any]:
    return {section: {**CONTENT[section], key: {**CONTENT[section][key], **change}}}


def test_file_and_inline_give_the_same_numbers(inline):
    from_file = build_statistics(load_case(CASES / "nanoglass.toml"))
    assert build_statistics(inline()) == from_file
    assert from_file is not None
    assert from_file.grain_diameter_nm == 10.0


def test_inline_statistics_are_resolved_and_hashed(inline, tmp_path):
    case = inline()
    path = tmp_path / "resolved.toml"
    path.write_text(case.resolved_toml())
    again = load_case(path)
    assert again.case_hash == case.case_hash
    assert build_statistics(again) == build_statistics(case)
    assert inline(**changed("interface", "thickness", value=1.1)).case_hash != case.case_hash


def test_show_lists_the_numbers_of_the_file():
    text = load_case(CASES / "nanoglass.toml").resolved_toml()
    assert "# grains.equivalent_diameter = 10.0 nm  # assumed" in text
    assert "# grains.diameter_variation = 0.25  # assumed" in text
    assert "# composition.bulk.Sc = 10.0 at%  # paper: Katnagallu" in text


def test_wrong_inline_statistics_name_the_key_of_the_case(inline):
    found = findings(lambda: inline(**changed("interface", "thickness", unit="angstrom")))
    assert list(found) == ["statistics.interface.thickness.unit"]
    found = findings(lambda: inline(grain_size=10.0))
    assert "statistics.grain_size" in found
    found = findings(lambda: inline(file="x.json"))
    assert list(found) == ["statistics"]


def test_wrong_statistics_file_is_named(tmp_path):
    document = tomllib.loads((CASES / "nanoglass.toml").read_text())
    document["statistics"]["file"] = str(tmp_path / "statistics.json")
    content = {**CONTENT, **changed("grains", "equivalent_diameter", value=-10.0)}
    (tmp_path / "statistics.json").write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        case_from_mapping(document, tmp_path / "case.toml")
    (finding,) = caught.value.findings
    assert finding.file.endswith("statistics.json")
    assert finding.key == "grains.equivalent_diameter.value"
    document["statistics"] = {}
    assert "statistics.file" in findings(lambda: case_from_mapping(document, tmp_path / "c.toml"))


def test_phases_follow_from_the_statistics(inline):
    no_caps = changed("sc_rich", "share_of_crystals", value=0.0)
    assert "phase[3].name" in findings(lambda: inline("demo", **no_caps))
    no_crystals = changed("volume_fractions", "nanocrystal", value=0.0)
    assert {"phase[2].name", "phase[3].name"} <= set(
        findings(lambda: inline("demo", **no_crystals))
    )
    assert len(inline("demo").phases) == 4


@pytest.mark.parametrize("name", ["demo", "nanoglass", "monolithic_glass"])
def test_cells_of_the_shipped_cases(name):
    case = load_case(CASES / f"{name}.toml")
    cell = build_cell(case)
    assert cell is not None
    assert cell.kind == case.microstructure.kind
    assert set(cell.phase_names) == {phase.name for phase in case.phases}
    # Eight grains of 10 nm mean diameter and a spread of 0.25, by the moments of a lognormal.
    mean_cube = 10.0**3 * (1.0 + 0.25**2) ** 3
    assert cell.volume_nm3 == pytest.approx(8 * 0.5236 * mean_cube, rel=0.05)


def test_fewest_grains_are_those_of_the_generator():
    document = tomllib.loads((CASES / "nanoglass.toml").read_text())
    for number in (MINIMUM_GRAINS, MINIMUM_GRAINS - 1):
        document["microstructure"]["n_grains"] = number
        if number == MINIMUM_GRAINS:
            case_from_mapping(document, CASES / "x.toml")
            continue
        with pytest.raises(InputError, match="n_grains"):
            case_from_mapping(document, CASES / "x.toml")
