"""A sweep repeats an analysis with one parameter changed at a time."""

from dataclasses import dataclass, field

import pytest

from ngcfem.atomprobe.parameter_sweep import sweep_parameters, sweepable


@dataclass(frozen=True)
class _Inner:
    rounds: int = 1
    name: str = "Sc"
    thorough: bool = True


@dataclass(frozen=True)
class _Outer:
    width_nm: float = 2.0
    offset_nm: float = 0.0
    inner: _Inner = field(default_factory=_Inner)


def _area(parameters: _Outer) -> dict[str, float]:
    if parameters.inner.rounds < 1:
        raise ValueError("no rounds")
    return {"area_nm2": parameters.width_nm**2 * parameters.inner.rounds}


def test_only_numbers_other_than_zero_are_swept():
    assert sweepable(_Outer()) == ("width_nm", "inner.rounds")


def test_each_parameter_changes_alone():
    seen: list[tuple[int, int]] = []
    found = sweep_parameters(_Outer(), _area, watch=lambda *now: seen.append(now))
    assert [(row.parameter, row.value) for row in found] == [
        ("width_nm", 1.5),
        ("width_nm", 2.5),
        ("inner.rounds", 0),
        ("inner.rounds", 2),
    ]
    assert [row.numbers.get("area_nm2") for row in found] == pytest.approx([2.25, 6.25, None, 8.0])
    assert found[2].failure == "no rounds"
    assert not found[0].failure
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_names_and_factors_can_be_chosen():
    found = sweep_parameters(_Outer(), _area, ["width_nm"], [0.5, 2.0])
    assert [row.numbers["area_nm2"] for row in found] == [1.0, 16.0]
    assert {row.default for row in found} == {2.0}
