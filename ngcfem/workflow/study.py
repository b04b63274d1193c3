"""A study: its cases run one after another, finished runs taken as they are, one page of all."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.case.schema import Case
from ngcfem.case.study import Study, StudyCase
from ngcfem.errors import (
    Finding,
    InputError,
    NotConvergedError,
    RefusedError,
    raise_together,
)
from ngcfem.quantities import FloatArray
from ngcfem.results.atomic import read_json, write_bytes_atomically, write_json_atomically
from ngcfem.results.fields import read_last_fields
from ngcfem.results.history import read_curve
from ngcfem.results.localization import Localization, measure_localization
from ngcfem.results.run import RunDirectory, default_run_directory
from ngcfem.workflow.members import Member, run_member
from ngcfem.workflow.run import world
from ngcfem.workflow.watching import Watcher

STUDY_FILE = "study.json"
STUDY_VERSION = 1


def study_directory(study: Study, directory: Path | None = None) -> Path:
    """Name the directory of figure, table and report of a study.

    Parameters
    ----------
    study : Study
        The study.
    directory : Path or None
        Directory that the user gave.

    Returns
    -------
    Path
        That directory, or ``runs/<study>-<first 8 digits of its hash>``.
    """
    return directory or default_run_directory(study.path, study.study_hash)


def member_directory(entry: StudyCase, directory: Path | None = None) -> Path:
    """Name the run directory of one case of a study.

    Parameters
    ----------
    entry : StudyCase
        The case.
    directory : Path or None
        Directory that the user gave for the study.

    Returns
    -------
    Path
        Where ``ngcfem run`` puts the case too, so that runs are shared; below the directory of the
        study if the user gave one.
    """
    own = default_run_directory(entry.case.path, entry.case.case_hash)
    return own if directory is None else directory / "runs" / own.name


def _case_of(entry: StudyCase) -> Case:
    return entry.case


def run_study(
    study: Study,
    directory: Path | None = None,
    watcher: Watcher | None = None,
    comm: Any = None,
) -> Path:
    """Run what is left to run of a study, then write its results; collective.

    Parameters
    ----------
    study : Study
        A valid study, on every rank.
    directory : Path or None
        Where to write; by default ``runs/<study>-<hash>`` below the working directory.
    watcher : Watcher or None
        Who is told of the progress.
    comm : mpi4py.MPI.Comm or None
        Communicator; by default all processes.

    Returns
    -------
    Path
        The directory of the study, with study.json, figures and report.html.

    Raises
    ------
    InputError
        If the directory holds another study, or a run directory is in the way.
    NotConvergedError, RefusedError
        If a case failed, after all were tried and the results of the others were written.
    InterruptedRunError
        If a run was asked to stop; the same command goes on.

    Notes
    -----
    A run directory is named after the hash of its case. One that has finished is taken as it is,
    one that was stopped goes on from its last checkpoint.
    """
    comm = world() if comm is None else comm
    watcher = watcher or Watcher()
    path = study_directory(study, directory)
    error: Exception | None = None
    if comm.rank == 0:
        try:
            _claim(study, path)
        except Exception as failure:
            error = failure
    raise_together(comm, error)
    failed: dict[str, NotConvergedError | RefusedError] = {}
    for number, entry in enumerate(study.cases, start=1):
        member = member_directory(entry, directory)
        heading = f"{entry.name} ({number} of {len(study.cases)}): {member}"
        finished = comm.bcast(_is_finished(member) if comm.rank == 0 else None, root=0)
        if comm.rank == 0:
            watcher.message(f"{heading}, finished before" if finished else heading)
        if finished:
            continue
        run = Member(entry.name, heading, member, partial(_case_of, entry))
        failure = run_member(run, "case", watcher, comm)
        if failure is not None:
            failed[entry.name] = failure
    if comm.rank == 0:
        try:
            write_study_results(study, path, directory)
        except Exception as failure:
            error = failure
    raise_together(comm, error)
    if failed:
        kind = type(next(iter(failed.values())))
        raise kind(
            f"{len(failed)} of {len(study.cases)} cases failed ({', '.join(failed)}); the results "
            f"of all that there is are in {path}"
        )
    return path


def _claim(study: Study, path: Path) -> None:
    """Make the directory of a study, or see that it is this study's."""
    known = read_json(path / STUDY_FILE)
    occupied = path.is_dir() and any(path.iterdir()) and not known
    if occupied or (known and known.get("study_hash") != study.study_hash):
        raise InputError(
            [
                Finding(
                    str(path),
                    "--out",
                    "files of something else" if occupied else "another study, or other cases",
                    "a directory that does not exist, is empty, or is of this very study",
                    "give another --out",
                )
            ]
        )
    path.mkdir(parents=True, exist_ok=True)
    write_json_atomically(
        path / STUDY_FILE, {**known, **_header(study), "cases": known.get("cases", [])}
    )


def _header(study: Study) -> dict[str, Any]:
    return {
        "schema_version": STUDY_VERSION,
        "title": study.title,
        "study": str(study.path),
        "study_hash": study.study_hash,
        "same": list(study.document.same),
    }


def _is_finished(member: Path) -> bool:
    return read_json(member / "status.json").get("state") == "finished"


def write_study_results(study: Study, path: Path, directory: Path | None = None) -> Path:
    """Write study.json, the figure and the report from what the runs of a study hold.

    Parameters
    ----------
    study : Study
        The study.
    path : Path
        Its directory.
    directory : Path or None
        Directory that the user gave for the study.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    ResourceError
        If the disk is full.
    """
    from ngcfem.report.study_document import StudyMember, write_study_report
    from ngcfem.report.study_figure import draw_study

    members: list[StudyMember] = []
    entries: list[dict[str, Any]] = []
    for entry in study.cases:
        run = RunDirectory(member_directory(entry, directory))
        status, summary = run.status(), run.read_json("summary.json")
        curve = fields = localization = None
        if run.curve_file.exists():
            curve = read_curve(run.curve_file).curve()
            fields = read_last_fields(run.fields_directory)
            if curve.true_strain.size > 1:
                localization = _localization(entry, run, curve, fields, summary)
        members.append(
            StudyMember(
                name=entry.name,
                directory=run.path,
                state=str(status.get("state", "not started")),
                materials=tuple(
                    (phase.name, phase.law, tuple(sorted(phase.parameters.items())))
                    for phase in entry.case.phases
                ),
                axis=entry.case.load.axis,
                curve=curve,
                fields=fields,
                phase_names=tuple(run.read_json("mesh.json").get("phase_names", ())),
                localization=localization,
                lattice_nm=_lattice_nm(entry, run),
                summary=summary,
            )
        )
        entries.append(
            {
                "name": entry.name,
                "case": str(entry.case.path),
                "case_hash": entry.case.case_hash,
                "directory": str(run.path),
                "state": members[-1].state,
                "reason": status.get("reason", ""),
                **(localization.as_dict() if localization is not None else {}),
            }
        )
    write_json_atomically(path / STUDY_FILE, {**_header(study), "cases": entries})
    figures = path / "figures"
    figures.mkdir(exist_ok=True)
    drawing = draw_study(members)
    if drawing is not None:
        write_bytes_atomically(figures / "study.png", drawing)
    return write_study_report(path, study.title, study.document.same, members, drawing)


def _localization(
    entry: StudyCase, run: RunDirectory, curve: Any, fields: Any, summary: dict[str, Any]
) -> Localization:
    recorded = (summary.get("localization") or {}).get("ellipticity") or {}
    return measure_localization(
        curve,
        fields,
        entry.case.load.axis,
        _lattice_nm(entry, run),
        recorded.get("first_loss"),
    )


def _lattice_nm(entry: StudyCase, run: RunDirectory) -> FloatArray | None:
    """Periods of a cell with periodic boundary conditions."""
    lattice = run.read_json("mesh.json").get("lattice_nm")
    if entry.case.load.boundary != "periodic" or lattice is None:
        return None
    return np.array(lattice, dtype=float)
