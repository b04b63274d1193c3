"""Types of the values in a case file: numbers with provenance, component matrices, lists."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeGuard

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ngcfem.constitutive.crystal_parameters import SLIP_FAMILIES
from ngcfem.quantities import Provenance


def refuse(allowed: str, remedy: str) -> PydanticCustomError:
    """Build the error of a value that cannot stand where it stands.

    Parameters
    ----------
    allowed : str
        What may stand there.
    remedy : str
        What the user can do about it.

    Returns
    -------
    PydanticCustomError
        To be raised inside a validator.
    """
    # Texts go in as context, not as the template, so that braces in them are left alone.
    return PydanticCustomError(
        "refused", "{allowed}; {remedy}", {"allowed": allowed, "remedy": remedy}
    )


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a TOML value is a number (true and false are none).

    Parameters
    ----------
    value : object
        A parsed TOML value.

    Returns
    -------
    bool
        True for integers and floating-point numbers.
    """
    return isinstance(value, int | float) and not isinstance(value, bool)


class Section(BaseModel):
    """Base of every table of a case file: strict, frozen, no unknown keys, finite numbers only."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


Positive = Annotated[float, Field(gt=0.0)]
LARGEST_COUNT = 1_000_000
Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
CountOrNone = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]


SlipFamily = Literal["110", "112", "110+112"]


class Value(Section):
    """A number with its origin."""

    value: float | SlipFamily = Field(
        description="The number, in the unit of the key; the words of slip_systems."
    )
    provenance: Provenance = Field(
        default="assumed", description="Where the number comes from: paper, literature, assumed..."
    )
    reference: str = Field(default="", description="Source or reasoning behind the number.")


class NumberValue(Section):
    """A number with its origin, where no word can stand."""

    value: float = Field(description="The number, in the unit of the key.")
    provenance: Provenance = Field(
        default="assumed", description="Where the number comes from: paper, literature, assumed..."
    )
    reference: str = Field(default="", description="Source or reasoning behind the number.")


class SourcedValue(Value):
    """A number of a parameter file, where the origin must be said."""

    provenance: Provenance = Field(description="Where the number comes from.")


def _plain_number_to_value(value: object, words: Sequence[str] = ()) -> object:
    if is_number(value) or value in words:
        return {"value": value}
    if isinstance(value, Mapping):
        return value
    choices = " | ".join(f'"{word}"' for word in words)
    raise refuse(
        'a number, or { value = 1.0, provenance = "paper", reference = "..." }'
        + (f"; for slip_systems {choices}" if words else ""),
        "write the number without quotes and without its unit"
        + (", or one of these words" if words else ""),
    )


def _number_or_numbers(value: object) -> object:
    if is_number(value):
        return value
    if isinstance(value, tuple) and value and all(is_number(item) for item in value):
        return value
    raise refuse("a number, or a list of numbers", "write 1.5 or [1.5, 0.5]; no quotes, no units")


def _count_or_counts(value: object) -> object:
    items = value if isinstance(value, tuple) else (value,)
    if items and all(
        is_number(n) and isinstance(n, int) and 1 <= n <= LARGEST_COUNT for n in items
    ):
        return value
    raise refuse(
        f"a whole number of at least 1 and at most {LARGEST_COUNT}, or a list of them",
        "write 40, or [40, 20, 40] by segment",
    )


def _number_or_edges(value: object) -> object:
    items = value if isinstance(value, tuple) else (value,) * 3
    if len(items) in (2, 3) and all(is_number(item) and item > 0 for item in items):
        return value
    raise refuse(
        "a positive number, or three of them (two with dimension = 2)",
        "write 10.0 for a cube or square, [10.0, 10.0, 20.0] or [10.0, 20.0]",
    )


def _period_vectors(value: object) -> object:
    rows = value if isinstance(value, tuple) else ()
    if len(rows) == 2 and all(
        isinstance(row, tuple) and len(row) == 2 and all(map(is_number, row)) for row in rows
    ):
        return value
    return _three_by_three(value, False)


def _three_by_three(value: object, with_free: bool) -> object:
    entry = 'a number or "free"' if with_free else "a number"
    if (
        not isinstance(value, tuple)
        or len(value) != 3
        or any(not isinstance(row, tuple) or len(row) != 3 for row in value)
    ):
        raise refuse(
            f"three rows of three entries, each {entry}",
            "write [[F11, F12, F13], [F21, F22, F23], [F31, F32, F33]]",
        )
    for i, row in enumerate(value):
        for j, item in enumerate(row):
            if not (is_number(item) or (with_free and item == "free")):
                raise refuse(
                    f"{entry} in row {i + 1}, column {j + 1}",
                    f"correct the entry {item!r} of row {i + 1}, column {j + 1}",
                )
    return value


def _centre(value: object) -> object:
    items = value if isinstance(value, tuple) else ()
    if len(items) in (2, 3) and all(is_number(item) and 0.0 <= item <= 1.0 for item in items):
        return value
    raise refuse(
        "two or three numbers between 0 and 1, as many as dimensions",
        "write centre = [0.5, 0.5, 0.5] for the middle of the cell, [0.5, 0.5] in the plane",
    )


Numbers = Annotated[float | tuple[float, ...], BeforeValidator(_number_or_numbers)]
Counts = Annotated[int | tuple[int, ...], BeforeValidator(_count_or_counts)]
Pair = tuple[float, float]
CellSize = Annotated[float | Pair | tuple[float, float, float], BeforeValidator(_number_or_edges)]

Triple = tuple[float, float, float]
Centre = Annotated[Pair | Triple, BeforeValidator(_centre)]
PeriodVectors = Annotated[
    tuple[Pair, Pair] | tuple[Triple, Triple, Triple], BeforeValidator(_period_vectors)
]
Entry = float | Literal["free"]
Row = tuple[Entry, Entry, Entry]
PartialMatrix = Annotated[
    tuple[Row, Row, Row], BeforeValidator(lambda value: _three_by_three(value, True))
]

ParameterValue = Annotated[
    Value, BeforeValidator(lambda value: _plain_number_to_value(value, SLIP_FAMILIES))
]
NumberWithOrigin = Annotated[NumberValue, BeforeValidator(_plain_number_to_value)]


def _listed_by_phase(value: object, ranges: bool) -> object:
    what = 'numbers or ranges such as "5-40"' if ranges else "names, patterns or numbers"
    remedy = 'write phases = { grain = [1, "5-40"], nanocrystal = [2] }'
    if not ranges:
        remedy = 'write phases = { grain = ["poly*"], interface = ["network"] }'
    if not isinstance(value, Mapping) or not value:
        raise refuse(f"a table with a list of {what} for each phase", remedy)
    lists: dict[str, tuple[object, ...]] = {}
    for name, entries in value.items():
        items = entries if isinstance(entries, tuple) else (entries,)
        for item in items:
            sound = isinstance(item, int) and not isinstance(item, bool)
            if isinstance(item, str):
                sound = bool(_RANGE.fullmatch(item)) if ranges else bool(item)
            if not sound:
                raise refuse(f"a list of {what} for {name}", remedy)
        if not items:
            raise refuse(f"a list of {what} for {name} that is not empty", remedy)
        lists[name] = items
    return lists


_RANGE = re.compile(r"\s*\d+\s*(-\s*\d+\s*)?")
LabelsByPhase = Annotated[
    dict[str, tuple[int | str, ...]],
    BeforeValidator(lambda value: _listed_by_phase(value, True)),
]
GroupsByPhase = Annotated[
    dict[str, tuple[int | str, ...]],
    BeforeValidator(lambda value: _listed_by_phase(value, False)),
]


def _rotation(value: object) -> object:
    if value == "random" or is_number(value):
        return value
    if isinstance(value, list | tuple) and len(value) == 3 and all(is_number(v) for v in value):
        return tuple(float(v) for v in value)
    raise refuse(
        "three Euler angles in degrees (Bunge: phi1, Phi, phi2), one angle in the plane, or "
        '"random"',
        "write rotation_deg = [0.0, 45.0, 0.0], or leave the key out",
    )


def _orientation(value: object) -> object:
    if value == "random":
        return value
    if _is_triple(value):
        return tuple(float(v) for v in value)
    if isinstance(value, Mapping) and {"axis", "crystal_direction"} <= set(value):
        spread = value.get("spread_deg", 0.0)
        sound = set(value) <= {"axis", "crystal_direction", "spread_deg"}
        sound = sound and is_number(spread) and 0.0 <= spread <= 30.0
        for key in ("axis", "crystal_direction"):
            sound = sound and _is_triple(value[key]) and any(value[key])
        if sound:
            return {
                key: tuple(float(v) for v in entry) if isinstance(entry, tuple) else float(entry)
                for key, entry in value.items()
            }
    raise refuse(
        '"random", three Euler angles in degrees (Bunge: phi1, Phi, phi2), or a fibre '
        "{ axis = [0.0, 0.0, 1.0], crystal_direction = [1.0, 1.0, 0.0], spread_deg = 5.0 } with a "
        "spread of 0 to 30",
        'write orientation = "random", or one of the others',
    )


def _is_triple(value: object) -> TypeGuard[tuple[float, float, float]]:
    return isinstance(value, list | tuple) and len(value) == 3 and all(map(is_number, value))


class Fibre(Section):
    """Fibre texture of the crystals of a phase."""

    axis: Triple = Field(description="Axis of the specimen, any length.")
    crystal_direction: Triple = Field(description="Direction of the lattice along it.")
    spread_deg: float = Field(
        default=0.0,
        ge=0.0,
        le=30.0,
        description="Standard deviation of the tilt, in each of two directions, in degrees.",
    )


Orientation = Annotated[
    Literal["random"] | Triple | Fibre,
    BeforeValidator(_orientation),
]

Rotation = Annotated[
    float | tuple[float, float, float] | Literal["random"], BeforeValidator(_rotation)
]
