"""Parameters of the evaporation from a TOML file."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ngcfem.atomprobe.evaporation import EvaporationParameters
from ngcfem.atomprobe.ions import MAXIMUM_CHARGE
from ngcfem.errors import Finding, InputError

_BOUNDS: dict[str, tuple[float, float]] = {
    "efficiency": (0.01, 1.0),
    "blur_lateral_nm": (0.0, 10.0),
    "blur_depth_nm": (0.0, 10.0),
    "crystal_magnification": (0.5, 1.5),
    "sc_rich_magnification": (0.5, 1.5),
    "mass_resolving_power": (100.0, 1e5),
    "tail_share": (0.0, 1.0),
    "tail_length": (0.0, 0.01),
    "background_share": (0.0, 0.9),
    "background_low_da": (0.0, 300.0),
    "background_high_da": (1.0, 300.0),
    "h2_share": (0.0, 1.0),
}
"""What each number may be; beyond these a peak would reach into the next or atoms change order."""

_CHARGE_SHARES = "charge_shares"


def read_evaporation_parameters(path: Path) -> EvaporationParameters:
    """Read the parameters of an evaporation.

    Parameters
    ----------
    path : Path
        TOML file with any of the fields of `EvaporationParameters`; the others keep their defaults.

    Returns
    -------
    EvaporationParameters
        The parameters.

    Raises
    ------
    InputError
        With everything that is wrong.
    """
    allowed = "a TOML file"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        found = error.strerror or "not readable"
        raise InputError([Finding(str(path), "file", found, allowed, "check the path")]) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        remedy = "correct the file there"
        raise InputError([Finding(str(path), "file", str(error), allowed, remedy)]) from error
    return evaporation_parameters(document, str(path))


def evaporation_parameters(document: Mapping[str, Any], origin: str) -> EvaporationParameters:
    """Check parameters of an evaporation.

    Parameters
    ----------
    document : mapping
        Any of the fields of `EvaporationParameters`.
    origin : str
        Where they come from, for the messages.

    Returns
    -------
    EvaporationParameters
        The parameters, with defaults for what is not given.

    Raises
    ------
    InputError
        With everything that is wrong.
    """
    findings = list(_findings(document, origin))
    if findings:
        raise InputError(findings)
    values = dict(document)
    if _CHARGE_SHARES in values:
        given = {name: tuple(map(float, row)) for name, row in values[_CHARGE_SHARES].items()}
        values[_CHARGE_SHARES] = {**EvaporationParameters().charge_shares, **given}
    return EvaporationParameters(**values)


def _findings(document: Mapping[str, Any], origin: str) -> Iterator[Finding]:
    names = [entry.name for entry in fields(EvaporationParameters)]
    for key, value in document.items():
        if key not in names:
            yield Finding(origin, key, repr(value), ", ".join(names), "correct or delete the key")
        elif key == _CHARGE_SHARES:
            yield from _charge_findings(value, origin)
        elif not _is_number(value) or not _BOUNDS[key][0] <= value <= _BOUNDS[key][1]:
            low, high = _BOUNDS[key]
            allowed = f"a number from {low:g} to {high:g}"
            yield Finding(origin, key, repr(value), allowed, "correct the value")
    low, high = (
        document.get(name, getattr(EvaporationParameters, name))
        for name in ("background_low_da", "background_high_da")
    )
    if _is_number(low) and _is_number(high) and not low < high:
        allowed = "background_low_da < background_high_da"
        yield Finding(origin, "background_low_da", f"{low:g}", allowed, "correct one of the two")


def _charge_findings(value: Any, origin: str) -> Iterator[Finding]:
    elements = EvaporationParameters().charge_shares
    allowed = (
        f"for {', '.join(elements)} the shares of 1+, 2+, ... up to {MAXIMUM_CHARGE}+, not negative "
        "and not all zero"
    )
    if not isinstance(value, Mapping):
        yield Finding(origin, _CHARGE_SHARES, repr(value), allowed, "write a table")
        return
    for name, row in value.items():
        sound = isinstance(row, list) and 0 < len(row) <= MAXIMUM_CHARGE
        sound = (
            sound and all(_is_number(share) and share >= 0.0 for share in row) and sum(row) > 0.0
        )
        if name not in elements or not sound:
            key = f"{_CHARGE_SHARES}.{name}"
            yield Finding(origin, key, repr(row), allowed, "correct the list")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parameter_record(parameters: EvaporationParameters) -> dict[str, Any]:
    """Say what each parameter was, for the record beside a specimen.

    Parameters
    ----------
    parameters : EvaporationParameters
        The parameters.

    Returns
    -------
    dict
        Value and provenance by name: all of them are assumed.
    """
    return {
        name: {"value": value, "provenance": "assumed"}
        for name, value in asdict(parameters).items()
    }
