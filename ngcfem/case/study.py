"""A study: a file that names cases to be run and shown side by side."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, TypeAdapter

from ngcfem.case.files import locate
from ngcfem.case.findings import findings_of, shown, validate_part
from ngcfem.case.materials import freeze
from ngcfem.case.schema import Case, load_case
from ngcfem.case.toml_text import decode_text, parse_toml, read_bytes
from ngcfem.case.values import Section
from ngcfem.errors import Finding, InputError

SharedSection = Literal["microstructure", "mesh", "imperfection", "load", "solver"]
LARGEST_STUDY = 6
"""Cases of one study: as many as stand side by side in one figure."""


class StudyCaseSection(Section):
    """One case of a study."""

    name: str = Field(min_length=1, description="Name in figure and table.")
    file: str = Field(min_length=1, description="Case file, relative to the study file.")


class StudyDocument(Section):
    """A study file as text."""

    schema_version: Literal[1] = Field(description="Version of the format; 1.")
    title: str = Field(default="", description="What the study is, for the report.")
    same: tuple[SharedSection, ...] = Field(
        default=(), description="Sections that must be the same in all cases."
    )
    case: tuple[StudyCaseSection, ...] = Field(
        min_length=2,
        max_length=LARGEST_STUDY,
        description="The cases, each under its own [[case]].",
    )


@dataclass(frozen=True)
class StudyCase:
    """One case of a study with its name.

    Parameters
    ----------
    name : str
        Name in figure and table.
    case : Case
        The checked case.
    """

    name: str
    case: Case


@dataclass(frozen=True)
class Study:
    """A valid study.

    Parameters
    ----------
    path : Path
        Absolute path of the study file.
    document : StudyDocument
        Its content.
    cases : tuple of StudyCase
        The cases in their order.
    """

    path: Path
    document: StudyDocument
    cases: tuple[StudyCase, ...]

    @property
    def title(self) -> str:
        """Title; the name of the file if there is none."""
        return self.document.title or self.path.stem

    @property
    def study_hash(self) -> str:
        """SHA-256 of the names and the hashes of the cases."""
        text = "\n".join(f"{entry.name}\t{entry.case.case_hash}" for entry in self.cases)
        return hashlib.sha256(text.encode()).hexdigest()


def load_study(path: Path) -> Study:
    """Read and check a study file and all its cases.

    Parameters
    ----------
    path : Path
        The study file.

    Returns
    -------
    Study
        The checked study.

    Raises
    ------
    InputError
        With everything that is wrong with the file and with the cases it names.
    """
    file = str(path)
    document = freeze(parse_toml(decode_text(read_bytes(path, "study file"), file), file))
    study, error = validate_part(TypeAdapter(StudyDocument), document)
    if error is not None:
        raise InputError(findings_of(error, file, StudyDocument, document))
    findings = list(_check_names(study, file))
    cases: list[StudyCase] = []
    for index, entry in enumerate(study.case):
        place = locate(path.absolute().parent, entry.file)
        if not place.is_file():
            findings.append(
                Finding(
                    file,
                    f"case[{index}].file",
                    f'"{entry.file}": no such file',
                    "a case file (TOML), relative to the study file",
                    "check the name",
                )
            )
            continue
        try:
            cases.append(StudyCase(entry.name, load_case(place)))
        except InputError as wrong:
            findings += wrong.findings
    if len(cases) == len(study.case):
        findings += _check_cases(study, cases, file)
    if findings:
        raise InputError(findings)
    return Study(path.absolute(), study, tuple(cases))


def _check_names(study: StudyDocument, file: str) -> Iterator[Finding]:
    names = [entry.name for entry in study.case]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Finding(
                file,
                f"case[{index}].name",
                f'"{name}", which is also the name of case[{names.index(name)}]',
                "each name once",
                "choose another name",
            )


def _check_cases(study: StudyDocument, cases: Sequence[StudyCase], file: str) -> Iterator[Finding]:
    first = cases[0].case
    hashes = [entry.case.case_hash for entry in cases]
    for index, entry in enumerate(cases):
        key = f"case[{index}].file"
        if entry.case.n_realizations > 1:
            yield Finding(
                file,
                key,
                f"microstructure.n_realizations = {entry.case.n_realizations} in "
                f'"{study.case[index].file}"',
                "a case of one cell: a study shows one curve a case",
                "delete n_realizations there",
            )
        if hashes[index] in hashes[:index]:
            same = hashes.index(hashes[index])
            yield Finding(
                file,
                key,
                f"the same problem as case[{same}]",
                "cases that differ in more than title and provenance",
                "delete one of the two, or correct it",
            )
        for section in study.same:
            for name, (mine, other) in _differences(
                section, entry.case.document, first.document
            ).items():
                yield Finding(
                    file,
                    key,
                    f'{name} = {mine} in "{study.case[index].file}", but {other} in '
                    f'"{study.case[0].file}"',
                    f"the same [{section}] in all cases, as the study says",
                    f'make the two equal, or take "{section}" out of same',
                )


def _differences(section: str, mine: Any, other: Any) -> dict[str, tuple[str, str]]:
    """Keys of a section in which two cases differ, with both values."""
    tables = [_flat(_plain(getattr(document, section)), section) for document in (mine, other)]
    words = [{key: shown(value) for key, value in table.items()} for table in tables]
    return {
        key: (words[0].get(key, "nothing"), words[1].get(key, "nothing"))
        for key in dict.fromkeys([*words[0], *words[1]])
        if words[0].get(key) != words[1].get(key)
    }


def _plain(section: Section | None) -> Mapping[str, Any]:
    return {} if section is None else section.model_dump(exclude_none=True)


def _flat(value: Any, path: str) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {
            name: leaf
            for key, item in value.items()
            for name, leaf in _flat(item, f"{path}.{key}").items()
        }
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        return {
            name: leaf
            for index, item in enumerate(value)
            for name, leaf in _flat(item, f"{path}[{index}]").items()
        }
    return {path: value}


SHARED_SECTIONS: tuple[str, ...] = get_args(SharedSection)
"""Sections that a study can ask to be the same."""
