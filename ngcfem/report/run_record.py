"""Everything a run directory holds, gathered for the report, and what is missing from it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ngcfem.errors import InputError
from ngcfem.experiment.compare import Comparison, compare_with_pillar
from ngcfem.experiment.pillar import PillarData
from ngcfem.experiment.pillar_file import read_pillar_data
from ngcfem.results.history import History, read_curve
from ngcfem.results.run import RunDirectory
from ngcfem.results.summary import build_summary


@dataclass(frozen=True, eq=False)
class RunRecord:
    """Content of a run directory.

    Parameters
    ----------
    path : Path
        The run directory.
    status, case, cell, descriptors, mesh, provenance, summary : mapping
        Content of the files of these names (the case is the resolved one); empty if missing.
    history : History or None
        Content of curve.csv.
    data : PillarData or None
        Pillar data that the case names, if they can be read.
    comparison : Comparison or None
        The curve held against them.
    missing : tuple of str
        What is not there, in words.
    """

    path: Path
    status: Mapping[str, Any]
    case: Mapping[str, Any]
    cell: Mapping[str, Any]
    descriptors: Mapping[str, Any]
    mesh: Mapping[str, Any]
    provenance: Mapping[str, Any]
    summary: Mapping[str, Any]
    history: History | None
    data: PillarData | None
    comparison: Comparison | None
    missing: tuple[str, ...]

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Names of the phases, in the order of the numbers in the field ``phase``."""
        names = self.mesh.get("phase_names")
        if names:
            return tuple(str(name) for name in names)
        return tuple(self.summary.get("phases", {}))

    @property
    def realized_fractions(self) -> dict[str, float]:
        """Volume fractions of the meshed cell by phase."""
        phases = self.summary.get("phases", {})
        if phases:
            return {name: float(entry["volume_fraction"]) for name, entry in phases.items()}
        quality = self.mesh.get("quality", {})
        return {name: float(x) for name, x in quality.get("phase_fractions", {}).items()}


def read_run(directory: Path) -> RunRecord:
    """Gather what a run directory holds.

    Parameters
    ----------
    directory : Path
        A run in any state.

    Returns
    -------
    RunRecord
        What could be read; a run that was killed gets its summary from the log.

    Raises
    ------
    InputError
        If there is no run.
    """
    run = RunDirectory.open(directory)
    missing: list[str] = []
    case = _read_case(run, missing)
    documents: dict[str, dict[str, Any]] = {}
    for name, words in (
        ("cell.json", "the description of the cell"),
        ("mesh.json", "the record of the mesh"),
        ("provenance.json", "versions, machine and inputs"),
    ):
        documents[name] = run.read_json(name)
        if not documents[name]:
            missing.append(f"{name}: {words}")
    history = _read_history(run, missing)
    summary = run.read_json("summary.json")
    if not summary:
        summary = _summary_from_log(run, history)
        missing.append(
            "summary.json: the run did not come to its end; its numbers here are taken from the log"
            if summary
            else "summary.json: results and health of the run"
        )
    data = _read_data(directory, case, missing)
    comparison = None
    if history is not None and data is not None and history.increment.size > 1:
        comparison = compare_with_pillar(
            history.curve(),
            data,
            realized_fractions={
                name: float(entry["volume_fraction"])
                for name, entry in summary.get("phases", {}).items()
            },
        )
    return RunRecord(
        path=directory,
        status=run.status(),
        case=case,
        cell=documents["cell.json"],
        descriptors=run.read_json("descriptors.json"),
        mesh=documents["mesh.json"],
        provenance=documents["provenance.json"],
        summary=summary,
        history=history,
        data=data,
        comparison=comparison,
        missing=tuple(missing),
    )


def _read_case(run: RunDirectory, missing: list[str]) -> dict[str, Any]:
    for file in (run.resolved_case_file, run.case_file):
        try:
            return tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            missing.append(f"{file.name}: the case")
    return {}


def _read_history(run: RunDirectory, missing: list[str]) -> History | None:
    try:
        return read_curve(run.curve_file)
    except InputError as error:
        missing.append(f"curve.csv: {error.findings[0].found}")
        return None


def _summary_from_log(run: RunDirectory, history: History | None) -> dict[str, Any]:
    increments = run.increments()
    if not increments or history is None:
        return {}
    return build_summary(increments, history.axis, history.kinematics)


def _read_data(directory: Path, case: Mapping[str, Any], missing: list[str]) -> PillarData | None:
    named = case.get("compare", {}).get("data")
    if not named:
        return None
    # The resolved case holds the full path; a run that has moved may carry the file along.
    for file in (Path(named), directory / Path(named).name):
        if file.is_file():
            try:
                return read_pillar_data(file)
            except InputError as error:
                missing.append(f"{file.name}: {error.findings[0].found}")
                return None
    missing.append(f"{Path(named).name}: the pillar data that the case names")
    return None
