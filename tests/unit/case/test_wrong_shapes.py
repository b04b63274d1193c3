"""Whatever stands in a case file, the answer is a list of findings and never an exception."""

import contextlib
import copy
import datetime
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ngcfem.case.schema import case_from_mapping
from ngcfem.errors import InputError

CASES = Path(__file__).resolve().parents[3] / "cases"
JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "free",
    "x" * 300,
    [],
    [[]],
    [1, "free", [2.0]],
    {},
    {"value": 1.0},
    {"value": "1.0", "provenance": 3},
    {"kind": "mesh"},
    [{"name": "grain"}],
    datetime.date(2020, 9, 3),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a nested document, the document itself left out."""
    found = [path] if path else []
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        found += places(item, (*path, key))
    return found


def changed(document: dict[str, Any], place: tuple[Any, ...], junk: Any) -> dict[str, Any]:
    """Put junk in one place; None takes the place away."""
    document = copy.deepcopy(document)
    parent: Any = document
    for key in place[:-1]:
        parent = parent[key]
    if junk is None:
        del parent[place[-1]]
    else:
        parent[place[-1]] = junk
    return document


@pytest.mark.parametrize("name", ["laminate", "sphere_r1", "user_mesh"])
def test_junk_in_every_place(name):
    path = CASES / f"{name}.toml"
    document = tomllib.loads(path.read_text())
    for place in places(document):
        for junk in JUNK:
            try:
                case = case_from_mapping(changed(document, place, junk), path)
            except InputError as error:
                for finding in error.findings:
                    assert finding.key
                    assert finding.found
                    assert finding.allowed
                    assert finding.remedy
            else:
                assert case.resolved_toml()


def test_junk_in_many_places_at_once():
    path = CASES / "user_mesh.toml"
    document = tomllib.loads(path.read_text())
    dice = random.Random(20200903)
    for _ in range(300):
        wrong = document
        for _ in range(dice.randint(2, 6)):
            remaining = places(wrong)
            if remaining:
                wrong = changed(wrong, dice.choice(remaining), dice.choice(JUNK))
        with contextlib.suppress(InputError):
            assert case_from_mapping(wrong, path).resolved_toml()
