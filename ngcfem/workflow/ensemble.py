"""An ensemble: the realizations of a case run one after another, and their results as one."""

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ngcfem.case.realizations import realization_case, realization_seed
from ngcfem.case.schema import Case, load_case
from ngcfem.errors import (
    InterruptedRunError,
    NgcfemError,
    NotConvergedError,
    RefusedError,
    raise_together,
)
from ngcfem.results.atomic import read_json
from ngcfem.results.run import RunDirectory, RunState, default_run_directory
from ngcfem.workflow.ensemble_results import write_ensemble_results
from ngcfem.workflow.run import run_case, world, write_provenance
from ngcfem.workflow.watching import Watcher

REALIZATIONS = "realizations"
_FAILURES = (NotConvergedError.exit_code, RefusedError.exit_code)


def realization_directory(directory: Path, index: int) -> Path:
    """Name the directory of one realization.

    Parameters
    ----------
    directory : Path
        Directory of the ensemble.
    index : int
        Number of the realization, from 0.

    Returns
    -------
    Path
        ``realizations/000`` and so on.
    """
    return directory / REALIZATIONS / f"{index:03d}"


def run_ensemble(
    case: Case,
    directory: Path | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
    comm: Any = None,
) -> Path:
    """Run the realizations of a case one after another, then write their results; collective.

    Parameters
    ----------
    case : Case
        A valid case with more than one realization, on every rank.
    directory : Path or None
        Run directory; by default ``runs/<case>-<hash>`` below the working directory.
    resume : bool
        Whether an unfinished ensemble of the same case in that directory goes on.
    watcher : Watcher or None
        Who is told of the progress.
    comm : mpi4py.MPI.Comm or None
        Communicator; by default all processes.

    Returns
    -------
    Path
        The run directory.

    Raises
    ------
    InputError
        If the directory is in the way.
    NotConvergedError
        If a load path could not be followed to its end, after all realizations were tried.
    RefusedError
        If a cell or mesh was refused and all others came to their end.
    InterruptedRunError
        If the run was asked to stop; it can be resumed.

    Notes
    -----
    1. Each realization is a complete run directory below ``realizations/``, with checkpoints of
       its own.
    2. One that does not converge, or whose cell or mesh is refused, is recorded, and the others go
       on; any other error ends the ensemble.
    3. Results: see `ngcfem.workflow.ensemble_results`.
    """
    comm = world() if comm is None else comm
    path = directory or default_run_directory(case.path, case.case_hash)
    ensemble: RunDirectory | None = None
    error: Exception | None = None
    again = False
    if comm.rank == 0:
        try:
            if resume and (path / "status.json").exists():
                ensemble = RunDirectory.resume(path, case.case_hash)
                again = _came_to_its_end(ensemble)
            else:
                ensemble = RunDirectory.create(
                    path, case.text, case.resolved_toml(), case.case_hash
                )
                write_provenance(case, ensemble, comm.size)
                ensemble.realizations_directory.mkdir()
        except Exception as failure:
            error = failure
    raise_together(comm, error)
    return _run(case, path, ensemble, bool(comm.bcast(again, root=0)), watcher or Watcher(), comm)


def resume_ensemble(directory: Path, watcher: Watcher | None = None, comm: Any = None) -> Path:
    """Go on with an ensemble that was stopped; collective.

    Parameters
    ----------
    directory : Path
        Run directory. Its own copy of the case is used.
    watcher : Watcher or None
        Who is told of the progress.
    comm : mpi4py.MPI.Comm or None
        Communicator; by default all processes.

    Returns
    -------
    Path
        The run directory.

    Raises
    ------
    InputError
        If there is no ensemble that could go on.
    NotConvergedError, RefusedError, InterruptedRunError
        As for `run_ensemble`.

    Notes
    -----
    Realizations that have finished are left alone. Those that have failed are tried again only if
    the ensemble had come to its end, so that an interruption costs no second failure.
    """
    case = load_case(RunDirectory.open(directory).resolved_case_file)
    return run_ensemble(case, directory, True, watcher, comm)


def make_realizations(
    case: Case, directory: Path, make: Callable[[Case, Path], str], watcher: Watcher
) -> str:
    """Make something of each realization of a case, in a directory of its own.

    Parameters
    ----------
    case : Case
        A valid case; without an ensemble the thing is made once, in the directory itself.
    directory : Path
        Where to write.
    make : callable
        Takes the case of one realization and its directory, and says what it made.
    watcher : Watcher
        Who is told what was made of each realization.

    Returns
    -------
    str
        What was made, in words.

    Raises
    ------
    RefusedError
        If a realization was refused, after all were tried.
    """
    if case.n_realizations == 1:
        return make(case, directory)
    refused: dict[str, str] = {}
    for index in range(case.n_realizations):
        watcher.message(_heading(case, index))
        place = realization_directory(directory, index)
        try:
            watcher.message(make(realization_case(case, index), place))
        except RefusedError as failure:
            refused[place.name] = str(failure)
            watcher.message(f"this realization failed: {failure}")
    if refused:
        raise RefusedError(
            f"{len(refused)} of {case.n_realizations} realizations were refused "
            f"({', '.join(refused)}); the others are in {directory}"
        )
    return f"{case.n_realizations} realizations written to {directory}"


def _came_to_its_end(ensemble: RunDirectory) -> bool:
    return ensemble.status().get("state") in ("not_converged", "failed")


def _run(
    case: Case,
    path: Path,
    ensemble: RunDirectory | None,
    again: bool,
    watcher: Watcher,
    comm: Any,
) -> Path:
    """Run what is left to do; the directory is closed in every case."""
    try:
        if ensemble is not None:
            ensemble.set_state("running")
        for index in range(case.n_realizations):
            member = realization_directory(path, index)
            if comm.bcast(_is_settled(member, again) if comm.rank == 0 else None, root=0):
                continue
            if comm.rank == 0:
                watcher.message(_heading(case, index))
            _run_member(realization_case(case, index), member, watcher, comm)
        failure = _conclude(case, path, ensemble, comm)
    except (InterruptedRunError, KeyboardInterrupt) as stop:
        if isinstance(stop, InterruptedRunError):
            _conclude(case, path, ensemble, comm)
        _close(ensemble, "interrupted", stop)
        raise
    except BaseException as failure:
        _close(ensemble, "failed", failure)
        raise
    if failure is not None:
        state: RunState = "not_converged" if isinstance(failure, NotConvergedError) else "failed"
        _close(ensemble, state, failure)
        raise failure
    _close(ensemble, "finished", None)
    return path


def _heading(case: Case, index: int) -> str:
    assert case.seed is not None
    seed = realization_seed(case.seed, index)
    return f"realization {index:03d} ({index + 1} of {case.n_realizations}), seed {seed}"


def _is_settled(member: Path, again: bool) -> bool:
    """Whether a realization is not to be run (again)."""
    status = read_json(member / "status.json")
    if status.get("state") == "finished":
        return True
    return not again and status.get("exit_code") in _FAILURES


def _run_member(case: Case, directory: Path, watcher: Watcher, comm: Any) -> None:
    """Run one realization; its failure to converge or to be made is recorded by its directory."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    try:
        run_case(
            case,
            directory,
            resume=True,
            watcher=watcher,
            comm=comm,
            spent_before_s=usage.ru_utime + usage.ru_stime,
        )
    except (NotConvergedError, RefusedError) as failure:
        if comm.rank == 0:
            watcher.message(f"this realization failed: {failure}")
    finally:
        free_objects_of_petsc(comm)


def free_objects_of_petsc(comm: Any) -> None:
    """Give back the matrices of a realization that is over; collective.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        Communicator.

    Notes
    -----
    On several ranks PETSc only collects what Python has dropped, because it must be destroyed by
    all ranks together; without this the memory of every realization would stay.
    """
    import gc
    import sys

    gc.collect()
    petsc = sys.modules.get("petsc4py.PETSc")
    if petsc is not None:
        petsc.garbage_cleanup(comm)


def _conclude(
    case: Case, path: Path, ensemble: RunDirectory | None, comm: Any
) -> NotConvergedError | RefusedError | None:
    """Write the results on rank 0; give what is to be said of failed realizations."""
    error: Exception | None = None
    verdict: NotConvergedError | RefusedError | None = None
    if ensemble is not None:
        try:
            write_ensemble_results(path, case.output.figures)
            verdict = _verdict(path, case.n_realizations)
        except Exception as failure:
            error = failure
    raise_together(comm, error)
    shared: NotConvergedError | RefusedError | None = comm.bcast(verdict, root=0)
    return shared


def _verdict(path: Path, number: int) -> NotConvergedError | RefusedError | None:
    failed: dict[int, list[str]] = {code: [] for code in _FAILURES}
    for index in range(number):
        status = read_json(realization_directory(path, index) / "status.json")
        if status.get("exit_code") in failed:
            failed[status["exit_code"]].append(f"{index:03d}")
    not_converged, refused = failed[_FAILURES[0]], failed[_FAILURES[1]]
    said = []
    if not_converged:
        said.append(f"not converged: {', '.join(not_converged)}")
    if refused:
        said.append(f"cell or mesh refused: {', '.join(refused)}")
    if not said:
        return None
    kind: Callable[[str], NotConvergedError | RefusedError]
    kind = NotConvergedError if not_converged else RefusedError
    return kind(
        f"{len(not_converged) + len(refused)} of {number} realizations failed ({'; '.join(said)}); "
        f"the results of the others are in {path}"
    )


def _close(ensemble: RunDirectory | None, state: RunState, failure: BaseException | None) -> None:
    """Record the final state and give the lock back."""
    if ensemble is None:
        return
    try:
        entries: dict[str, Any] = {}
        if failure is not None:
            code = failure.exit_code if isinstance(failure, NgcfemError) else 1
            if isinstance(failure, KeyboardInterrupt):
                code = InterruptedRunError.exit_code
            entries = {"reason": str(failure) or "interrupted", "exit_code": code}
        ensemble.set_state(state, **entries)
        ensemble.log.write(state, **entries)
    finally:
        ensemble.release()
