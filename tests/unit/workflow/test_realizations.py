"""What is made for each realization of a case."""

import tomllib
from pathlib import Path

import pytest

from ngcfem.case.realizations import realization_seed
from ngcfem.case.schema import Case, case_from_mapping
from ngcfem.errors import InputError, RefusedError
from ngcfem.workflow.ensemble import make_realizations
from ngcfem.workflow.watching import Watcher

CASES = Path(__file__).resolve().parents[3] / "cases"


def demo(n_realizations: int) -> Case:
    path = CASES / "demo.toml"
    document = tomllib.loads(path.read_text())
    document["microstructure"]["n_realizations"] = n_realizations
    return case_from_mapping(document, path)


def test_without_an_ensemble_it_is_made_in_the_directory_itself():
    made: list[tuple[int | None, Path]] = []

    def make(case: Case, place: Path) -> str:
        made.append((case.seed, place))
        return "one"

    assert make_realizations(demo(1), Path("cell"), make, Watcher()) == "one"
    assert made == [(20200903, Path("cell"))]


def test_each_realization_has_its_seed_and_its_directory():
    made: list[tuple[int | None, Path]] = []
    said: list[str] = []

    def make(case: Case, place: Path) -> str:
        made.append((case.seed, place))
        return f"cell of {case.seed}"

    text = make_realizations(demo(3), Path("cells"), make, Watcher(message=said.append))
    assert "3 realizations" in text
    assert made == [
        (realization_seed(20200903, n), Path("cells/realizations") / f"{n:03d}") for n in range(3)
    ]
    assert "cell of 20200903" in said


def test_a_refused_realization_does_not_stop_the_others():
    made: list[str] = []

    def make(case: Case, place: Path) -> str:
        made.append(place.name)
        if place.name == "001":
            raise RefusedError("the crystals do not fit")
        return "good"

    said: list[str] = []
    with pytest.raises(RefusedError, match=r"1 of 3 realizations were refused \(001\)"):
        make_realizations(demo(3), Path("cells"), make, Watcher(message=said.append))
    assert made == ["000", "001", "002"]
    assert any("the crystals do not fit" in text for text in said)


def test_bad_input_stops_at_once():
    made: list[str] = []

    def make(case: Case, place: Path) -> str:
        made.append(place.name)
        raise InputError([])

    with pytest.raises(InputError):
        make_realizations(demo(3), Path("cells"), make, Watcher())
    assert made == ["000"]
