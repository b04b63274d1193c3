"""The resolved case: every default filled in, every number with its provenance, as TOML text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ngcfem.atomprobe.statistics import StatisticsFile, quantities_of
from ngcfem.case.files import locate
from ngcfem.case.materials import DEFAULT_REFERENCE, CasePhase
from ngcfem.case.sections import CaseDocument, Section, UserMeshSection
from ngcfem.case.toml_text import toml_key, toml_value
from ngcfem.case.values import is_number
from ngcfem.microstructure.orientation import FibreOrientation

_ASSUMED = "assumed"
_LISTS_OF_TABLES = {"": ("phase",), "load": ("segment",), "imperfection": ("region",)}
_NO_QUANTITIES = ("schema_version", "seed", "dimension", "n_realizations")
_DEFAULT = "default"


def resolved_document(document: CaseDocument, phases: Sequence[CasePhase]) -> dict[str, Any]:
    """Fill in the defaults and the parameters of every phase.

    Parameters
    ----------
    document : CaseDocument
        The case as written.
    phases : sequence of CasePhase
        Its materials.

    Returns
    -------
    dict
        Sections, keys and values in the order of the case format; each parameter is a table of
        value, provenance and reference. Keys that the kind of microstructure does not know are left
        out.
    """
    resolved = document.model_dump(exclude_none=True)
    for section in ("microstructure", "load"):
        resolved[section] = {"kind": resolved[section]["kind"]} | resolved[section]
    if not isinstance(document.microstructure, UserMeshSection):
        del resolved["mesh"]["length_unit_nm"]
        resolved["mesh"]["order"] = 1
    if "imperfection" in resolved:
        resolved["imperfection"] = _without_empty_references(resolved["imperfection"])
    resolved["phase"] = [
        {
            "name": phase.name,
            "law": phase.law,
            **orientation_entries(phase),
            "parameters": {
                name: value.model_dump()
                if value.reference
                else value.model_dump(exclude={"reference"})
                for name, value in phase.values.items()
            },
        }
        for phase in phases
    ]
    return resolved


def orientation_entries(phase: CasePhase) -> dict[str, Any]:
    """Keys of a phase that say how its crystals lie.

    Parameters
    ----------
    phase : CasePhase
        The phase.

    Returns
    -------
    dict
        Orientation and what is one crystal, as written in a case file; empty without a lattice.
    """
    asked = phase.orientation
    if asked is None:
        return {}
    entry: Any = asked
    if isinstance(asked, FibreOrientation):
        entry = asdict(asked)
    return {"orientation": entry, "crystals": "grains" if phase.by_grain else "connected"}


def resolved_text(
    document: CaseDocument,
    phases: Sequence[CasePhase],
    statistics: StatisticsFile | None,
    directory: Path,
    case_hash: str,
) -> str:
    """Write the resolved case as TOML.

    Parameters
    ----------
    document : CaseDocument
        The case as written.
    phases : sequence of CasePhase
        Its materials.
    statistics : StatisticsFile or None
        Content of its statistics.
    directory : Path
        Directory that the paths of the case are relative to.
    case_hash : str
        Hash of the case, for the heading.

    Returns
    -------
    str
        TOML text; a comment behind each number says where it comes from.
    """
    resolved = resolved_document(document, phases)
    for section, key in (
        ("statistics", "file"),
        ("microstructure", "file"),
        ("mesh", "file"),
        ("compare", "data"),
    ):
        if key in resolved.get(section, {}):
            resolved[section][key] = str(locate(directory, resolved[section][key]))
    lines = [
        f"# Resolved case, hash {case_hash}",
        "# Every number says where it comes from: its provenance, or default.",
        *_table_lines("", resolved, document, phases),
    ]
    if statistics is not None and document.statistics is not None and document.statistics.file:
        place = lines.index("[statistics]") + 1
        lines[place:place] = _statistics_lines(statistics)
    return "\n".join(lines) + "\n"


def _without_empty_references(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _without_empty_references(item)
            for key, item in value.items()
            if not (key == "reference" and not item)
        }
    if isinstance(value, list | tuple):
        return [_without_empty_references(item) for item in value]
    return value


def _statistics_lines(statistics: StatisticsFile) -> list[str]:
    return [
        f"# {key} = {quantity.value!r} {quantity.unit}".removesuffix(" 1")
        + f"  # {quantity.provenance}: {quantity.reference or quantity.method}".rstrip(": ")
        for key, quantity in quantities_of(statistics).items()
    ]


def _table_lines(
    heading: str, table: Mapping[str, Any], section: Section | None, phases: Sequence[CasePhase]
) -> Iterator[str]:
    given = section.model_fields_set if section is not None else set(table)
    inner: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, Mapping) and "provenance" in value:
            yield f"{toml_key(key)} = {toml_value(value)}"
        elif isinstance(value, Mapping) or key in _LISTS_OF_TABLES.get(heading, ()):
            inner.append((key, value))
        else:
            # labels of phases are names, whatever they look like
            labels = heading.endswith(".phases")
            yield _line(key, value, key in given, quantity=not labels)
    for key, value in inner:
        path = f"{heading}.{key}" if heading else key
        part = getattr(section, key, None)
        if path == "phase":
            for phase in phases:
                yield from _phase_lines(phase)
        elif key in ("segment", "region"):
            for item, written in zip(value, part or (), strict=True):
                yield from ("", f"[[{path}]]")
                yield from _table_lines(path, item, written, phases)
        elif value or key in given:
            yield from ("", f"[{path}]")
            yield from _table_lines(
                path, value, part if isinstance(part, Section) else None, phases
            )


def _line(key: str, value: Any, given: bool, quantity: bool = True) -> str:
    text = f"{toml_key(key)} = {toml_value(value)}"
    if quantity and _holds_number(value) and key not in _NO_QUANTITIES:
        return f"{text}  # {_ASSUMED if given else _DEFAULT}"
    return text if given else f"{text}  # {_DEFAULT}"


def _holds_number(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_number(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_number(item) for item in value)
    return is_number(value)


def _phase_lines(phase: CasePhase) -> Iterator[str]:
    yield from ("", "[[phase]]")
    if phase.source is not None:
        yield f"# parameters of {phase.source}"
    for reference in phase.references:
        yield f"# {reference}"
    yield f"name = {toml_value(phase.name)}"
    yield f"law = {toml_value(phase.law)}"
    for key, value in orientation_entries(phase).items():
        yield f"{key} = {toml_value(value)}" + (f"  # {_ASSUMED}" if _holds_number(value) else "")
    yield ""
    yield "[phase.parameters]"
    for name, value in phase.values.items():
        table: dict[str, Any] = {"value": value.value, "provenance": value.provenance}
        if value.reference:
            table["reference"] = value.reference
        note = f"  # {_DEFAULT}" if value.reference == DEFAULT_REFERENCE else ""
        yield f"{toml_key(name)} = {toml_value(table)}{note}"
