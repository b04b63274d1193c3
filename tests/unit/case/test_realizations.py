"""Ensembles: one seed tree, each realization a case of its own."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from ngcfem.case.realizations import realization_case, realization_seed
from ngcfem.case.schema import Case, case_from_mapping, load_case
from ngcfem.errors import InputError

CASES = Path(__file__).resolve().parents[3] / "cases"
SEED = 20200903


def demo(n_realizations: int | None, **microstructure: object) -> Case:
    path = CASES / "demo.toml"
    document = tomllib.loads(path.read_text())
    document["microstructure"] |= microstructure
    if n_realizations is not None:
        document["microstructure"]["n_realizations"] = n_realizations
    return case_from_mapping(document, path)


def test_the_first_realization_is_the_case_without_an_ensemble():
    single = demo(None)
    assert single.n_realizations == 1
    assert realization_case(demo(5), 0).case_hash == single.case_hash
    assert realization_seed(SEED, 0) == SEED


def test_a_realization_does_not_depend_on_the_size_of_the_ensemble():
    for index in range(3):
        small, large = (realization_case(demo(n), index) for n in (3, 7))
        assert small.seed == large.seed == realization_seed(SEED, index)
        assert small.case_hash == large.case_hash


def test_seeds_are_those_of_numpys_tree():
    children = np.random.SeedSequence(SEED).spawn(6)
    for index in range(1, 6):
        word = int(children[index].generate_state(1, np.uint64)[0])
        assert realization_seed(SEED, index) == word // 2
    assert len({realization_seed(SEED, index) for index in range(1000)}) == 1000
    # a case file and TOML hold no larger whole number
    assert max(realization_seed(SEED, index) for index in range(1000)) < 2**63


def test_the_text_of_a_realization_is_the_realization(tmp_path):
    case = realization_case(demo(4), 2)
    path = tmp_path / "case.toml"
    path.write_text(case.text)
    again = load_case(path)
    assert again.case_hash == case.case_hash
    assert again.n_realizations == 1
    assert again.seed == case.seed
    assert "realization 2 of 4" in again.title


def test_the_number_of_realizations_changes_the_hash():
    assert len({demo(n).case_hash for n in (1, 2, 3)}) == 3


def test_only_realizations_of_the_ensemble_exist():
    with pytest.raises(ValueError, match="realization 4 of 4"):
        realization_case(demo(4), 4)
    with pytest.raises(ValueError, match="no realizations"):
        realization_case(load_case(CASES / "laminate.toml"), 0)


def test_a_glass_has_no_ensemble():
    path = CASES / "monolithic_glass.toml"
    document = tomllib.loads(path.read_text())
    document["microstructure"]["n_realizations"] = 3
    with pytest.raises(InputError, match="n_realizations") as caught:
        case_from_mapping(document, path)
    assert len(caught.value.findings) == 1


@pytest.mark.parametrize("number", [0, -1, 1001, 2.5, True])
def test_impossible_numbers_of_realizations_are_refused(number):
    with pytest.raises(InputError, match="n_realizations"):
        demo(number)
