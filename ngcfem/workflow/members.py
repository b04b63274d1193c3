"""Runs that belong together: each in a directory of its own, one after another."""

import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ngcfem.case.schema import Case
from ngcfem.errors import (
    InterruptedRunError,
    NgcfemError,
    NotConvergedError,
    RefusedError,
    raise_together,
)
from ngcfem.results.atomic import read_json
from ngcfem.results.run import RunDirectory, RunState
from ngcfem.workflow.run import run_case, write_provenance
from ngcfem.workflow.watching import Watcher

_FAILURES = (NotConvergedError.exit_code, RefusedError.exit_code)


@dataclass(frozen=True)
class Member:
    """One of several runs.

    Parameters
    ----------
    name : str
        Short name, for the list of those that failed.
    heading : str
        What is told when it begins.
    directory : Path
        Its run directory.
    case : callable
        Gives its case; called only if it is run.
    """

    name: str
    heading: str
    directory: Path
    case: Callable[[], Case]


def open_whole(
    case: Case, path: Path, resume: bool, members: Path, comm: Any
) -> tuple[RunDirectory | None, bool]:
    """Make or reopen the directory above the members; collective.

    Parameters
    ----------
    case : Case
        The case that all belong to.
    path : Path
        The directory.
    resume : bool
        Whether unfinished work on the same case in that directory goes on.
    members : Path
        Directory of the members, below it.
    comm : mpi4py.MPI.Comm
        Communicator.

    Returns
    -------
    whole : RunDirectory or None
        Locked on rank 0, None elsewhere.
    again : bool
        Whether members that failed are to be tried again: they are only if all had been tried, so
        that an interruption costs no second failure.

    Raises
    ------
    InputError
        If the directory is in the way.
    """
    whole: RunDirectory | None = None
    error: Exception | None = None
    again = False
    if comm.rank == 0:
        try:
            if resume and (path / "status.json").exists():
                whole = RunDirectory.resume(path, case.case_hash)
                again = whole.status().get("state") in ("not_converged", "failed")
            else:
                whole = RunDirectory.create(path, case.text, case.resolved_toml(), case.case_hash)
                write_provenance(case, whole, comm.size)
                members.mkdir()
        except Exception as failure:
            error = failure
    raise_together(comm, error)
    return whole, bool(comm.bcast(again, root=0))


def run_members(
    whole: RunDirectory | None,
    members: Sequence[Member],
    again: bool,
    write_results: Callable[[], object],
    kind: str,
    watcher: Watcher,
    comm: Any,
) -> None:
    """Run what is left to do, then write the results; the directory is closed in every case.

    Collective.

    Parameters
    ----------
    whole : RunDirectory or None
        From `open_whole`.
    members : sequence of Member
        The runs.
    again : bool
        Whether those that failed are tried again.
    write_results : callable
        Writes the results of all from what they have left; called on rank 0.
    kind : str
        What a member is called.
    watcher : Watcher
        Who is told of the progress.
    comm : mpi4py.MPI.Comm
        Communicator.

    Raises
    ------
    NotConvergedError
        If a load path could not be followed to its end, after all members were tried.
    RefusedError
        If a cell or mesh was refused and all others came to their end.
    InterruptedRunError
        If the run was asked to stop; it can be resumed.

    Notes
    -----
    A member that does not converge, or whose cell or mesh is refused, is recorded, and the others
    go on; any other error ends the whole.
    """
    try:
        if whole is not None:
            whole.set_state("running")
        for member in members:
            settled = _is_settled(member.directory, again) if comm.rank == 0 else None
            if comm.bcast(settled, root=0):
                continue
            if comm.rank == 0:
                watcher.message(member.heading)
            run_member(member, kind, watcher, comm)
        failure = _conclude(whole, members, write_results, kind, comm)
    except (InterruptedRunError, KeyboardInterrupt) as stop:
        if isinstance(stop, InterruptedRunError):
            _conclude(whole, members, write_results, kind, comm)
        _close(whole, "interrupted", stop)
        raise
    except BaseException as failure:
        _close(whole, "failed", failure)
        raise
    if failure is not None:
        state: RunState = "not_converged" if isinstance(failure, NotConvergedError) else "failed"
        _close(whole, state, failure)
        raise failure
    _close(whole, "finished", None)


def _is_settled(directory: Path, again: bool) -> bool:
    """Whether a member is not to be run (again)."""
    status = read_json(directory / "status.json")
    if status.get("state") == "finished":
        return True
    return not again and status.get("exit_code") in _FAILURES


def run_member(
    member: Member, kind: str, watcher: Watcher, comm: Any
) -> NotConvergedError | RefusedError | None:
    """Run one member; its failure to converge or to be made is recorded by its directory.

    Collective.

    Parameters
    ----------
    member : Member
        The run.
    kind : str
        What a member is called.
    watcher : Watcher
        Who is told of the progress and of a failure.
    comm : mpi4py.MPI.Comm
        Communicator.

    Returns
    -------
    NotConvergedError, RefusedError or None
        The failure, if there was one.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    try:
        run_case(
            member.case(),
            member.directory,
            resume=True,
            watcher=watcher,
            comm=comm,
            spent_before_s=usage.ru_utime + usage.ru_stime,
        )
    except (NotConvergedError, RefusedError) as failure:
        if comm.rank == 0:
            watcher.message(f"this {kind} failed: {failure}")
        return failure
    finally:
        free_objects_of_petsc(comm)
    return None


def free_objects_of_petsc(comm: Any) -> None:
    """Give back the matrices of a run that is over; collective.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        Communicator.

    Notes
    -----
    On several ranks PETSc only collects what Python has dropped, because it must be destroyed by
    all ranks together; without this the memory of every run would stay.
    """
    import gc
    import sys

    gc.collect()
    petsc = sys.modules.get("petsc4py.PETSc")
    if petsc is not None:
        petsc.garbage_cleanup(comm)


def _conclude(
    whole: RunDirectory | None,
    members: Sequence[Member],
    write_results: Callable[[], object],
    kind: str,
    comm: Any,
) -> NotConvergedError | RefusedError | None:
    """Write the results on rank 0; give what is to be said of failed members."""
    error: Exception | None = None
    verdict: NotConvergedError | RefusedError | None = None
    if whole is not None:
        try:
            write_results()
            verdict = _verdict(whole.path, members, kind)
        except Exception as failure:
            error = failure
    raise_together(comm, error)
    shared: NotConvergedError | RefusedError | None = comm.bcast(verdict, root=0)
    return shared


def _verdict(
    path: Path, members: Sequence[Member], kind: str
) -> NotConvergedError | RefusedError | None:
    failed: dict[int, list[str]] = {code: [] for code in _FAILURES}
    for member in members:
        status = read_json(member.directory / "status.json")
        if status.get("exit_code") in failed:
            failed[status["exit_code"]].append(member.name)
    not_converged, refused = failed[_FAILURES[0]], failed[_FAILURES[1]]
    said = []
    if not_converged:
        said.append(f"not converged: {', '.join(not_converged)}")
    if refused:
        said.append(f"cell or mesh refused: {', '.join(refused)}")
    if not said:
        return None
    error: Callable[[str], NotConvergedError | RefusedError]
    error = NotConvergedError if not_converged else RefusedError
    return error(
        f"{len(not_converged) + len(refused)} of {len(members)} {kind}s failed "
        f"({'; '.join(said)}); the results of the others are in {path}"
    )


def _close(whole: RunDirectory | None, state: RunState, failure: BaseException | None) -> None:
    """Record the final state and give the lock back."""
    if whole is None:
        return
    try:
        entries: dict[str, Any] = {}
        if failure is not None:
            code = failure.exit_code if isinstance(failure, NgcfemError) else 1
            if isinstance(failure, KeyboardInterrupt):
                code = InterruptedRunError.exit_code
            entries = {"reason": str(failure) or "interrupted", "exit_code": code}
        whole.set_state(state, **entries)
        whole.log.write(state, **entries)
    finally:
        whole.release()
