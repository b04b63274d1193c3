"""Parameters of the phases: inline or from parameter files, each value with its provenance."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ngcfem.case.findings import findings_of, validate_part
from ngcfem.case.sections import MaterialFile, PhaseSection
from ngcfem.case.suggestions import suggest_key
from ngcfem.case.toml_text import decode_text, parse_toml, read_bytes
from ngcfem.case.values import Fibre, Value
from ngcfem.constitutive.law_files import (
    LawFileError,
    law_class_name,
    law_from_file,
    located_law,
    names_law_file,
)
from ngcfem.constitutive.parameters import (
    LATTICE_LAWS,
    LAW_PARAMETERS,
    check_parameters,
    law_parameters,
)
from ngcfem.errors import Finding, InputError
from ngcfem.microstructure.orientation import FibreOrientation, OrientationRequest

MATERIALS_FOLDER = "materials"
DEFAULT_REFERENCE = "default of the law"


@dataclass(frozen=True)
class CasePhase:
    """The material of one phase with the origin of every number.

    Parameters
    ----------
    name : str
        Name of the phase.
    law : str
        Name of the constitutive law; one of a user's own by the absolute path of its file.
    values : mapping of str to Value
        Every parameter of the law, defaults included, with unit in the name.
    references : tuple of str
        References of the parameter file; empty for inline parameters.
    source : Path or None
        The parameter file.
    orientation : "random", tuple of float, FibreOrientation or None
        Lattice of the crystals; None for a law without one.
    by_grain : bool
        Whether each grain number is a crystal.
    """

    name: str
    law: str
    values: Mapping[str, Value]
    references: tuple[str, ...] = ()
    source: Path | None = None
    orientation: OrientationRequest | None = None
    by_grain: bool = False

    @property
    def law_name(self) -> str:
        """Name of the law for a reader: without the file."""
        return law_class_name(self.law)

    @property
    def parameters(self) -> dict[str, float | str]:
        """The bare numbers, and words where a parameter takes one."""
        return {name: value.value for name, value in self.values.items()}


@dataclass(frozen=True)
class LoadedMaterial:
    """A parameter file by itself, without a case.

    Parameters
    ----------
    title : str
        What the material is.
    phase : CasePhase
        Law and parameters; the name of the phase is that of the file.
    """

    title: str
    phase: CasePhase


def load_material(path: Path) -> LoadedMaterial:
    """Read and check a parameter file by itself.

    Parameters
    ----------
    path : Path
        Parameter file (TOML).

    Returns
    -------
    LoadedMaterial
        Its title, law and parameters, defaults filled in.

    Raises
    ------
    InputError
        If it is no sound parameter file, with every finding.
    """
    material, findings = _read_material_file(path)
    if material is None:
        raise InputError(findings)
    law = located_law(material.law, path.parent)
    findings = _wrong_law(law, str(path), "law")
    if findings:
        raise InputError(findings)
    phase, findings = _checked_phase(
        path.stem,
        law,
        material.parameters,
        str(path),
        "parameters",
        material.references,
        path,
    )
    if phase is None:
        raise InputError(findings)
    return LoadedMaterial(material.title, phase)


def freeze(value: Any) -> Any:
    """Turn the lists of a parsed document into tuples.

    Parameters
    ----------
    value : object
        A parsed TOML value.

    Returns
    -------
    object
        The same with tuples, which the frozen models hold.
    """
    if isinstance(value, Mapping):
        return {key: freeze(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    return value


def find_parameter_file(name: str, directory: Path) -> Path | None:
    """Find a parameter file beside the case or in its folder of materials.

    Parameters
    ----------
    name : str
        Name as written in the case file.
    directory : Path
        Directory of the case file.

    Returns
    -------
    Path or None
        The first that exists.
    """
    for candidate in (directory / name, directory / MATERIALS_FOLDER / name):
        # Unlike Path.is_file, this takes a name that no file can have.
        if os.path.isfile(candidate):
            return candidate
    return None


def resolve_phase(
    section: PhaseSection, index: int, directory: Path, file: str
) -> tuple[CasePhase | None, list[Finding]]:
    """Collect and check the parameters of one phase.

    Parameters
    ----------
    section : PhaseSection
        The phase as written.
    index : int
        Its place in the list of phases, from 0.
    directory : Path
        Directory of the case file, where parameter files are looked up.
    file : str
        Name of the case file, for the messages.

    Returns
    -------
    tuple of CasePhase or None, and list of Finding
        The phase if its parameters are sound, and everything that is wrong with them.
    """
    law = located_law(section.law, directory)
    wrong = _wrong_law(law, file, f"phase[{index}].law")
    if wrong:
        return None, wrong
    key = f"phase[{index}].parameters"
    case_file = file
    values: Mapping[str, Any]
    references: tuple[str, ...] = ()
    source: Path | None = None
    if isinstance(section.parameters, str):
        source = find_parameter_file(section.parameters, directory)
        if source is None:
            return None, [
                Finding(
                    file,
                    key,
                    f'"{section.parameters}": no such file',
                    f"a parameter file in {directory} or in {directory / MATERIALS_FOLDER}",
                    "check the name, or write the parameters here as a table",
                )
            ]
        material, findings = _read_material_file(source)
        if material is None:
            return None, findings
        if located_law(material.law, source.parent) != law:
            return None, [
                Finding(
                    file,
                    f"phase[{index}].law",
                    f'"{section.law}", but {source} holds parameters of "{material.law}"',
                    f'"{material.law}" with this file',
                    "name the law of the file, or another file",
                )
            ]
        values, references = material.parameters, material.references
        file, key = str(source), "parameters"
    else:
        values = section.parameters
    phase, findings = _checked_phase(section.name, law, values, file, key, references, source)
    findings += _check_orientation(section, index, case_file)
    if phase is None or findings:
        return None, findings
    return replace(
        phase,
        orientation=_orientation_request(section),
        by_grain=section.crystals == "grains",
    ), []


def _wrong_law(law: str, file: str, key: str) -> list[Finding]:
    """What is wrong with a law that is named by its file."""
    if not names_law_file(law):
        return []
    try:
        law_from_file(law)
    except LawFileError as error:
        return [Finding(file, key, error.found, error.allowed, error.remedy)]
    return []


def _checked_phase(
    name: str,
    law: str,
    values: Mapping[str, Any],
    file: str,
    key: str,
    references: tuple[str, ...],
    source: Path | None,
) -> tuple[CasePhase | None, list[Finding]]:
    """The phase with its defaults, or what is wrong with its parameters."""
    findings = _check(law, {name: v.value for name, v in values.items()}, file, key)
    if findings:
        return None, findings
    defaults = {
        spec.name: Value.model_validate(
            {"value": spec.default, "provenance": "assumed", "reference": DEFAULT_REFERENCE}
        )
        for spec in law_parameters(law)
        if spec.default is not None and spec.name not in values
    }
    given = {
        name: Value(value=v.value, provenance=v.provenance, reference=v.reference)
        for name, v in values.items()
    }
    return CasePhase(name, law, given | defaults, references, source), []


def _orientation_request(section: PhaseSection) -> OrientationRequest | None:
    asked = section.orientation
    if isinstance(asked, Fibre):
        return FibreOrientation(asked.axis, asked.crystal_direction, asked.spread_deg)
    return asked


def _check_orientation(section: PhaseSection, index: int, file: str) -> list[Finding]:
    key = f"phase[{index}]."
    if section.law in LATTICE_LAWS:
        if section.orientation is not None:
            return []
        return [
            Finding(
                file,
                key + "orientation",
                "nothing: the key is missing",
                f'the lattice of the crystals for the law {section.law}: "random", Euler angles, '
                "or a fibre",
                'add orientation = "random" below the law, or orientation = [0.0, 0.0, 0.0]',
            )
        ]
    given = [
        name for name in ("orientation", "crystals") if getattr(section, name, None) is not None
    ]
    return [
        Finding(
            file,
            key + name,
            f"a key that the law {section.law} does not use",
            "a lattice only for the laws " + ", ".join(LATTICE_LAWS),
            "delete the line, or choose one of these laws",
        )
        for name in given
    ]


def check_parameter_names(
    law: object, names: Iterable[str], index: int, file: str
) -> list[Finding]:
    """Find the unknown names among parameters whose values are not sound yet.

    Parameters
    ----------
    law : object
        The law as written.
    names : iterable of str
        Names of the parameters as written.
    index : int
        Place of the phase in the list, from 0.
    file : str
        Name of the case file, for the messages.

    Returns
    -------
    list of Finding
        One for each name that the law (any law, if it is unknown itself) does not take.
    """
    if names_law_file(law):
        return []
    laws = [law] if isinstance(law, str) and law in LAW_PARAMETERS else list(LAW_PARAMETERS)
    known = {spec.name for one in laws for spec in LAW_PARAMETERS[one]}
    unknown = {name: 0.0 for name in names if name not in known}
    return [
        finding
        for finding in _check(laws[-1], unknown, file, f"phase[{index}].parameters")
        if finding.key.rpartition(".")[2] in unknown
    ]


def _check(law: str, values: Mapping[str, float | str], file: str, key: str) -> list[Finding]:
    known = [spec.name for spec in law_parameters(law)]
    findings = []
    for name, found, allowed, remedy in check_parameters(law, values):
        meant = ""
        if name not in known:
            found, meant = f"unknown key {name}", suggest_key(name, known)
        findings.append(Finding(file, f"{key}.{name}", found, allowed, meant or remedy))
    return findings


def _read_material_file(path: Path) -> tuple[MaterialFile | None, list[Finding]]:
    try:
        text = decode_text(read_bytes(path, "parameter file"), str(path))
        document = freeze(parse_toml(text, str(path)))
    except InputError as error:
        return None, list(error.findings)
    material, wrong = validate_part(TypeAdapter(MaterialFile), document)
    if wrong is not None:
        return None, findings_of(wrong, str(path), MaterialFile, document)
    return material, []
