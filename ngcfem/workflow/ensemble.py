"""An ensemble: the realizations of a case run one after another, and their results as one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ngcfem.case.realizations import realization_case, realization_seed
from ngcfem.case.schema import Case, load_case
from ngcfem.errors import RefusedError
from ngcfem.results.run import RunDirectory, default_run_directory
from ngcfem.workflow.ensemble_results import write_ensemble_results
from ngcfem.workflow.members import Member, open_whole, run_members
from ngcfem.workflow.run import world
from ngcfem.workflow.watching import Watcher

REALIZATIONS = "realizations"


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
    watcher = watcher or Watcher()
    path = directory or default_run_directory(case.path, case.case_hash)
    ensemble, again = open_whole(case, path, resume, path / REALIZATIONS, comm)
    members = [
        Member(
            name=f"{index:03d}",
            heading=_heading(case, index),
            directory=realization_directory(path, index),
            case=partial(realization_case, case, index),
        )
        for index in range(case.n_realizations)
    ]

    def write_results() -> None:
        write_ensemble_results(path, case.output.figures)

    run_members(ensemble, members, again, write_results, "realization", watcher, comm)
    return path


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


def _heading(case: Case, index: int) -> str:
    assert case.seed is not None
    seed = realization_seed(case.seed, index)
    return f"realization {index:03d} ({index + 1} of {case.n_realizations}), seed {seed}"
