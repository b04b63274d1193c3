"""Schema of the statistics file: what is known of a composite, every number with its provenance."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ngcfem.atomprobe.statistics_contradictions import contradictions
from ngcfem.atomprobe.statistics_sections import Quantity, StatisticsFile
from ngcfem.errors import Finding, InputError

STATISTICS_SCHEMA_VERSION = 1

_AT_PERCENT = ("at%", 0.0, 100.0)
_SHARE = ("1", 0.0, 1.0)
_LENGTH = ("nm", 0.0, None)
_ALLOWED: dict[str, tuple[str, float | None, float | None]] = {
    "composition": _AT_PERCENT,
    "volume_fractions": _SHARE,
    "atomic_volumes": ("nm^3", 0.0, None),
    "grains.equivalent_diameter": _LENGTH,
    "grains.diameter_variation": _SHARE,
    "grains.lineal_intercept": _LENGTH,
    "grains.sphericity": _SHARE,
    "grains.anisotropy": ("1", 0.0, None),
    "interface.thickness": _LENGTH,
    "interface.area_density": ("nm^-1", 0.0, None),
    "interface.gibbs_excess_sc": ("at.frac nm", None, None),
    "interface.gibbs_excess_h": ("at.frac nm", None, None),
    "crystals.diameter_mean": _LENGTH,
    "crystals.diameter_variation": _SHARE,
    "crystals.number_density": ("nm^-3", 0.0, None),
    "crystals.aspect_ratio": ("1", 1.0, None),
    "crystals.aspect_ratio_variation": _SHARE,
    "crystals.orientation.spread": ("deg", 0.0, 90.0),
    "crystals.minimum_gap": _LENGTH,
    "crystals.interface_contact_share": _SHARE,
    "crystals.sphericity": _SHARE,
    "crystals.nearest_neighbour_distance": _LENGTH,
    "crystals.surface_distance": ("nm", None, None),
    "crystals.contact_fraction": _SHARE,
    "crystals.agglomerate_size": ("1", 1.0, None),
    "sc_rich.share_of_crystals": _SHARE,
    "sc_rich.thickness": _LENGTH,
    "sc_rich.contact_half_angle": ("deg", 0.0, 180.0),
    "sc_rich.radius": _LENGTH,
    "sc_rich.offset": ("nm", None, None),
    "source.n_ions": ("1", 0.0, None),
    "source.ranged_fraction": _SHARE,
    "source.volume": ("nm^3", 0.0, None),
    "source.efficiency": _SHARE,
    "resolution": _LENGTH,
    "state.true_strain": ("1", None, None),
}
_MAY_BE_ZERO = ("composition", "volume_fractions", "grains.diameter_variation")
_MAY_BE_ZERO += ("crystals.diameter_variation", "crystals.contact_fraction", "grains.anisotropy")
_MAY_BE_ZERO += ("sc_rich.share_of_crystals", "crystals.aspect_ratio_variation")
_MAY_BE_ZERO += ("crystals.orientation.spread", "crystals.interface_contact_share")


def quantities_of(statistics: StatisticsFile) -> dict[str, Quantity]:
    """Every number of a statistics file.

    Parameters
    ----------
    statistics : StatisticsFile
        The file.

    Returns
    -------
    dict of str to Quantity
        By dotted key, in the order of the schema.
    """
    return dict(_walk(statistics, ""))


def _walk(section: BaseModel, prefix: str) -> Iterator[tuple[str, Quantity]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        key = f"{prefix}{name}"
        if isinstance(value, Quantity):
            yield key, value
        elif isinstance(value, BaseModel):
            yield from _walk(value, f"{key}.")


def read_statistics(path: str | Path) -> StatisticsFile:
    """Read and check a statistics file.

    Parameters
    ----------
    path : str or Path
        JSON file.

    Returns
    -------
    StatisticsFile
        The checked content.

    Raises
    ------
    InputError
        With every finding: missing and unknown keys, wrong types, units and ranges, sums that do
        not close.
    """
    path = Path(path)
    duplicates: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        names = [name for name, _ in pairs]
        duplicates.extend(name for name in found if names.count(name) > 1)
        return found

    def refuse(found: str, allowed: str, remedy: str) -> InputError:
        return InputError([Finding(str(path), "file", found, allowed, remedy)])

    allowed = "a JSON object of the statistics schema"
    try:
        document = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)
    except OSError as error:
        raise refuse(error.strerror or "not readable", allowed, "check the path") from error
    except UnicodeDecodeError as error:
        raise refuse("not UTF-8 text", allowed, "save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        found = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise refuse(found, allowed, "correct the JSON there") from error
    if not isinstance(document, dict):
        raise refuse(type(document).__name__, allowed, "start the file with {")
    repeated = [
        Finding(str(path), name, "given twice", "each key once", "remove one of the two")
        for name in duplicates
    ]
    try:
        statistics = statistics_from_mapping(document, str(path))
    except InputError as error:
        raise InputError([*repeated, *error.findings]) from error
    if repeated:
        raise InputError(repeated)
    return statistics


def statistics_from_mapping(document: Mapping[str, Any], origin: str) -> StatisticsFile:
    """Check statistics that were read from JSON or TOML.

    Parameters
    ----------
    document : mapping
        Nested plain values.
    origin : str
        File they come from, for the messages.

    Returns
    -------
    StatisticsFile
        The checked content.

    Raises
    ------
    InputError
        With every finding.
    """
    try:
        # strict validation of JSON text accepts what JSON can say, and only that
        statistics = StatisticsFile.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise InputError([_finding(origin, dict(entry)) for entry in error.errors()]) from error
    findings = [*_inconsistencies(statistics, origin), *contradictions(statistics, origin)]
    if findings:
        raise InputError(findings)
    return statistics


def _finding(file: str, entry: Mapping[str, Any]) -> Finding:
    kind = entry["type"]
    found = "nothing" if kind == "missing" else repr(entry["input"])
    if len(found) > 120:
        found = found[:117] + "..."
    remedy = {
        "missing": "add the key",
        "extra_forbidden": "remove the key or correct its name",
    }.get(kind, "correct the value")
    allowed = "no such key in the schema" if kind == "extra_forbidden" else str(entry["msg"])
    return Finding(
        file=file,
        key=".".join(str(part) for part in entry["loc"]) or "file",
        found=found,
        allowed=allowed,
        remedy=remedy,
    )


def _inconsistencies(statistics: StatisticsFile, file: str) -> Iterator[Finding]:
    for key, quantity in quantities_of(statistics).items():
        rule = _ALLOWED.get(key) or _ALLOWED[key.split(".")[0]]
        unit, low, high = rule
        if quantity.unit != unit:
            yield Finding(
                file, f"{key}.unit", repr(quantity.unit), repr(unit), "convert value and interval"
            )
        open_end = low == 0.0 and not key.startswith(_MAY_BE_ZERO)
        too_low = low is not None and (quantity.value < low or (open_end and quantity.value == low))
        if too_low or (high is not None and quantity.value > high):
            bounds = [] if low is None else [f"{'above' if open_end else 'at least'} {low:g}"]
            bounds += [] if high is None else [f"at most {high:g}"]
            yield Finding(
                file, f"{key}.value", f"{quantity.value:g}", ", ".join(bounds), "correct the value"
            )


def write_statistics(statistics: StatisticsFile, path: str | Path) -> None:
    """Write a statistics file.

    Parameters
    ----------
    statistics : StatisticsFile
        The content.
    path : str or Path
        JSON file to write.
    """
    text = statistics.model_dump_json(indent=2, exclude_none=True, exclude_defaults=True)
    Path(path).write_text(text + "\n", encoding="utf-8")
