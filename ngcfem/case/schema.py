"""The case: a case file read, checked and resolved."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, create_model

from ngcfem.atomprobe.statistics import StatisticsFile
from ngcfem.case.checks import CaseParts, check_case
from ngcfem.case.composite import read_case_statistics
from ngcfem.case.files import locate
from ngcfem.case.findings import findings_of, validate_part, without_unknown_keys
from ngcfem.case.materials import CasePhase, check_parameter_names, freeze, resolve_phase
from ngcfem.case.resolved import resolved_document, resolved_text
from ngcfem.case.sections import (
    CaseDocument,
    CompareSection,
    CompositeSection,
    ImperfectionSection,
    Load,
    MeshSection,
    Microstructure,
    OutputSection,
    PhaseSection,
    SolverSection,
    StatisticsSection,
    VoxelsSection,
)
from ngcfem.case.suggestions import suggest_key
from ngcfem.case.toml_text import decode_text, parse_toml, read_bytes
from ngcfem.case.values import Section
from ngcfem.constitutive.law_files import law_class_name, law_file
from ngcfem.errors import Finding, InputError


@dataclass(frozen=True)
class Case:
    """A valid case with everything it refers to located.

    Parameters
    ----------
    path : Path
        Absolute path of the case file.
    text : str
        Its text as written.
    document : CaseDocument
        Its sections with their defaults.
    phases : tuple of CasePhase
        Materials in the order of the file, parameter files read.
    composite : StatisticsFile or None
        Content of the statistics; None for the kinds without.
    input_hashes : mapping of str to str
        SHA-256, at the time of reading, of every file the case refers to, by absolute path.
    """

    path: Path
    text: str
    document: CaseDocument
    phases: tuple[CasePhase, ...]
    composite: StatisticsFile | None
    input_hashes: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name of the case: that of its file without the ending."""
        return self.path.name.removesuffix(".toml").removesuffix(".resolved")

    @property
    def title(self) -> str:
        """Title; the name if there is none."""
        return self.document.title or self.name

    @property
    def seed(self) -> int | None:
        """Seed of the random microstructure."""
        return self.document.seed

    @property
    def statistics(self) -> StatisticsSection | None:
        """Section [statistics]."""
        return self.document.statistics

    @property
    def microstructure(self) -> Microstructure:
        """Section [microstructure]."""
        return self.document.microstructure

    @property
    def mesh(self) -> MeshSection:
        """Section [mesh]."""
        return self.document.mesh

    @property
    def n_realizations(self) -> int:
        """Number of cells that the case asks for; more than one make an ensemble."""
        micro = self.microstructure
        return micro.n_realizations if isinstance(micro, CompositeSection) else 1

    @property
    def imperfection(self) -> ImperfectionSection | None:
        """Section [imperfection]."""
        return self.document.imperfection

    @property
    def load(self) -> Load:
        """Section [load]."""
        return self.document.load

    @property
    def solver(self) -> SolverSection:
        """Section [solver]."""
        return self.document.solver

    @property
    def output(self) -> OutputSection:
        """Section [output]."""
        return self.document.output

    @property
    def compare(self) -> CompareSection | None:
        """Section [compare]."""
        return self.document.compare

    @property
    def directory(self) -> Path:
        """Directory of the case file, which the paths in it are relative to."""
        return self.path.parent

    @property
    def statistics_path(self) -> Path | None:
        """Absolute path of the statistics file; None for inline statistics."""
        file = None if self.statistics is None else self.statistics.file
        return None if file is None else locate(self.directory, file)

    @property
    def mesh_path(self) -> Path | None:
        """Absolute path of the user's mesh."""
        return None if self.mesh.file is None else locate(self.directory, self.mesh.file)

    @property
    def voxels_path(self) -> Path | None:
        """Absolute path of the labelled volume."""
        micro = self.microstructure
        return locate(self.directory, micro.file) if isinstance(micro, VoxelsSection) else None

    @property
    def compare_path(self) -> Path | None:
        """Absolute path of the pillar data."""
        return None if self.compare is None else locate(self.directory, self.compare.data)

    @cached_property
    def case_hash(self) -> str:
        """Hash of everything that decides the results.

        Notes
        -----
        SHA-256 of the resolved document as canonical JSON, with the content of files in place of
        their names, and without the title and the provenance of the numbers. The resolved text of a
        case therefore has the hash of the case.
        """
        document = resolved_document(self.document, self.phases)
        document.pop("title", None)
        for phase in document["phase"]:
            phase["parameters"] = {
                name: value["value"] for name, value in phase["parameters"].items()
            }
            code = law_file(phase["law"])
            if code is not None:
                content = self.input_hashes[str(code)]
                phase["law"] = f"{content}:{law_class_name(phase['law'])}"
        if "imperfection" in document:
            document["imperfection"] = _bare(document["imperfection"])
        for section, key, path in (
            ("statistics", "file", self.statistics_path),
            ("mesh", "file", self.mesh_path),
            ("microstructure", "file", self.voxels_path),
            ("compare", "data", self.compare_path),
        ):
            if path is not None:
                document[section][key] = self.input_hashes[str(path)]
        canonical = json.dumps(_same_numbers(document), sort_keys=True, allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def resolved_toml(self) -> str:
        """Write the case with its defaults and with the provenance of every number.

        Returns
        -------
        str
            A case file in its own right: parameters inline, paths absolute. It gives the same case
            wherever it lies on this machine.
        """
        return resolved_text(
            self.document, self.phases, self.composite, self.directory, self.case_hash
        )


def _bare(value: Any) -> Any:
    """Take the numbers alone of values with provenance."""
    if isinstance(value, Mapping):
        if "provenance" in value:
            return value["value"]
        return {key: _bare(item) for key, item in value.items()}
    return [_bare(item) for item in value] if isinstance(value, list | tuple) else value


def _same_numbers(value: Any) -> Any:
    """Write 1 and 1.0 alike, so that the spelling of a number does not change a hash."""
    if isinstance(value, Mapping):
        return {key: _same_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_same_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def load_case(path: str | Path, *, for_point: bool = False) -> Case:
    """Read and check a case file.

    Parameters
    ----------
    path : str or Path
        The case file.
    for_point : bool
        Whether the case is to be driven at a material point, where softening needs no word on the
        mesh.

    Returns
    -------
    Case
        The checked case.

    Raises
    ------
    InputError
        With everything that is wrong with the file and with the files it refers to.
    """
    text = decode_text(read_bytes(Path(path), "case file"), str(path))
    return case_from_mapping(
        parse_toml(text, str(path)), Path(path).absolute(), text, str(path), for_point=for_point
    )


def case_from_mapping(
    mapping: Mapping[str, Any],
    path: Path,
    text: str = "",
    file: str | None = None,
    *,
    for_point: bool = False,
) -> Case:
    """Check a case given as nested mappings, as TOML parses to.

    Parameters
    ----------
    mapping : mapping
        The document.
    path : Path
        Absolute path of the file, or of a file that it could be: paths in the case are relative to
        its directory, and the case is named after it.
    text : str
        Its text, kept for the record.
    file : str, optional
        Name of the file in the messages; `path` by default.
    for_point : bool
        Whether softening needs no word on the mesh.

    Returns
    -------
    Case
        The checked case.

    Raises
    ------
    InputError
        With everything that is wrong.
    """
    document = freeze(mapping)
    parts, findings = _read_parts(document, path.parent, file or str(path))
    findings += check_case(parts, softening=not for_point)
    if findings:
        raise InputError(findings)
    phases = tuple(cast("CasePhase", material) for material in parts.materials)
    return Case(
        path=path,
        text=text,
        document=CaseDocument.model_validate(document),
        phases=phases,
        composite=parts.composite,
        input_hashes=_hashes_of_inputs(parts, phases),
    )


def _hashes_of_inputs(parts: CaseParts, phases: tuple[CasePhase, ...]) -> dict[str, str]:
    named = [
        parts.statistics.file if parts.statistics else None,
        parts.mesh.file if parts.mesh else None,
        parts.compare.data if parts.compare else None,
        parts.microstructure.file if isinstance(parts.microstructure, VoxelsSection) else None,
    ]
    paths = [locate(parts.directory, name) for name in named if name is not None]
    paths += [phase.source for phase in phases if phase.source is not None]
    paths += [code for phase in phases if (code := law_file(phase.law)) is not None]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _read_parts(
    document: Mapping[str, Any], directory: Path, file: str
) -> tuple[CaseParts, list[Finding]]:
    """Validate section by section, so that one wrong section does not hide the others."""
    parts: dict[str, Any] = {}
    known = list(CaseDocument.model_fields)
    findings = [
        Finding(
            file,
            key,
            f"unknown section or key {key}",
            ", ".join(known),
            suggest_key(key, known) or "delete it, or use one of these",
        )
        for key in document
        if key not in known
    ]
    for name in known:
        if name == "phase":
            continue
        value = {name: document[name]} if name in document else {}
        part, error = validate_part(_ADAPTERS[name], value)
        if error is not None:
            findings += findings_of(error, file, CaseDocument, value)
            # A misspelt key must not hide what else is wrong with its section.
            part, _ = validate_part(_ADAPTERS[name], without_unknown_keys(value, error))
        parts[name] = None if part is None else getattr(part, name)
    composite = None
    if parts["statistics"] is not None:
        composite, wrong = read_case_statistics(parts["statistics"], directory, file)
        findings += wrong
    phases, materials, names = _read_phases(document, directory, file, findings)
    given = {
        name: tuple(section) for name, section in document.items() if isinstance(section, Mapping)
    }
    return (
        CaseParts(
            file=file,
            directory=directory,
            phase_names=names,
            given={**given, "": tuple(document)},
            phases=phases,
            materials=materials,
            composite=composite,
            **{
                name: parts[name]
                for name in (
                    "seed",
                    "statistics",
                    "microstructure",
                    "mesh",
                    "imperfection",
                    "load",
                    "solver",
                    "compare",
                )
            },
        ),
        findings,
    )


def _single_field_model(name: str) -> type[Section]:
    field = CaseDocument.model_fields[name]
    fields: dict[str, Any] = {name: (field.annotation, field)}
    return create_model(f"Only{name.title()}", __base__=Section, **fields)


_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(_single_field_model(name)) for name in CaseDocument.model_fields
}
_PHASE_ADAPTER: TypeAdapter[PhaseSection] = TypeAdapter(PhaseSection)


def _read_phases(
    document: Mapping[str, Any], directory: Path, file: str, findings: list[Finding]
) -> tuple[tuple[PhaseSection | None, ...], tuple[CasePhase | None, ...], tuple[str | None, ...]]:
    """Validate phase by phase, and append to the findings."""
    written = document.get("phase")
    if not isinstance(written, tuple) or not written:
        value = {"phase": written} if "phase" in document else {}
        _, error = validate_part(_ADAPTERS["phase"], value)
        if error is not None:
            findings += findings_of(error, file, CaseDocument, value)
        return (), (), (None,)
    phases: list[PhaseSection | None] = []
    materials: list[CasePhase | None] = []
    names: list[str | None] = []
    for index, item in enumerate(written):
        phase, error = validate_part(_PHASE_ADAPTER, item)
        material = None
        if error is not None:
            findings += findings_of(error, file, PhaseSection, item, ("phase", index))
            if isinstance(item, Mapping) and isinstance(item.get("parameters"), Mapping):
                findings += check_parameter_names(item.get("law"), item["parameters"], index, file)
        else:
            material, wrong = resolve_phase(phase, index, directory, file)
            findings += wrong
        name = item.get("name") if isinstance(item, Mapping) else None
        phases.append(phase)
        materials.append(material)
        names.append(name if isinstance(name, str) and name else None)
    return tuple(phases), tuple(materials), tuple(names)
