"""Reading the parameters of an analysis from a TOML file, and giving them one by one."""

import dataclasses
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ngcfem.errors import Finding, InputError


def read_parameters[T](path: Path, kind: type[T]) -> T:
    """Read parameters from a TOML file; what it does not name keeps its default.

    Parameters
    ----------
    path : Path
        TOML file with a key for each parameter and a table for each group of them.
    kind : type
        Dataclass of the parameters, whose fields are numbers, texts, truth values or dataclasses.

    Returns
    -------
    object
        One of that kind.

    Raises
    ------
    InputError
        With every finding: unknown keys, wrong types, values out of bounds.
    """

    def refuse(found: str, remedy: str) -> InputError:
        return InputError([Finding(str(path), "file", found, "a TOML file of parameters", remedy)])

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise refuse(error.strerror or "not readable", "check the path") from error
    except UnicodeDecodeError as error:
        raise refuse("not UTF-8 text", "save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise refuse(str(error), "correct the TOML there") from error
    try:
        # Strict checks of JSON text accept what TOML can say, and only that.
        text = json.dumps(document, default=str)
        return TypeAdapter(kind).validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        raise InputError([_finding(path, dict(entry), kind) for entry in error.errors()]) from error


def _finding(path: Path, entry: dict[str, Any], kind: type) -> Finding:
    key = ".".join(str(part) for part in entry["loc"]) or "file"
    found = repr(entry["input"])
    if entry["type"] == "unexpected_keyword_argument":
        known = ", ".join(name for name, _ in _names(kind))
        return Finding(str(path), key, found, known, "remove the key or correct its name")
    return Finding(str(path), key, found, str(entry["msg"]), "correct the value")


def _names(kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for entry in dataclasses.fields(kind):
        if isinstance(entry.type, type) and dataclasses.is_dataclass(entry.type):
            yield from _names(entry.type, f"{prefix}{entry.name}.")
        else:
            yield f"{prefix}{entry.name}", entry.type


def parameter_values(parameters: Any) -> dict[str, Any]:
    """Give parameters one by one.

    Parameters
    ----------
    parameters : object
        A dataclass, with dataclasses in it or not.

    Returns
    -------
    dict of str to object
        By dotted name.
    """
    values: dict[str, Any] = {}
    for entry in dataclasses.fields(parameters):
        value = getattr(parameters, entry.name)
        if dataclasses.is_dataclass(value):
            inner = parameter_values(value)
            values.update({f"{entry.name}.{name}": number for name, number in inner.items()})
        else:
            values[entry.name] = value
    return values


def with_parameter[T](parameters: T, name: str, value: Any) -> T:
    """Change one parameter.

    Parameters
    ----------
    parameters : object
        A dataclass, with dataclasses in it or not.
    name : str
        Dotted name.
    value : object
        Its new value.

    Returns
    -------
    object
        A copy with that parameter.
    """
    head, _, rest = name.partition(".")
    inner = with_parameter(getattr(parameters, head), rest, value) if rest else value
    return dataclasses.replace(parameters, **{head: inner})  # pyright: ignore[reportArgumentType]
