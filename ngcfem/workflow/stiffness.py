"""Effective stiffness of a case, of a run at its last saved state, or of their realizations."""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ngcfem.case.build import build_materials, build_solver_options
from ngcfem.case.crystals import build_crystals
from ngcfem.case.realizations import realization_case
from ngcfem.case.schema import Case, load_case
from ngcfem.errors import Finding, InputError, RefusedError, raise_together
from ngcfem.results.atomic import read_json, write_json_atomically
from ngcfem.results.checkpoint import Checkpoint, CheckpointStore
from ngcfem.results.run import RunDirectory, default_run_directory
from ngcfem.workflow.ensemble import realization_directory
from ngcfem.workflow.members import free_objects_of_petsc
from ngcfem.workflow.preparation import (
    PreparedMesh,
    quality_against_cell,
    read_cell,
    share_mesh,
    write_cell_and_mesh,
)
from ngcfem.workflow.run import world
from ngcfem.workflow.stiffness_document import cell_document, ensemble_document
from ngcfem.workflow.watching import Watcher

if TYPE_CHECKING:
    from ngcfem.fem.problem import PeriodicProblem

STIFFNESS_FILE = "stiffness.json"


@dataclass(frozen=True)
class StiffnessTask:
    """Where a stiffness is taken and kept.

    Parameters
    ----------
    case : Case
        The case, one realization.
    directory : Path
        Where stiffness.json goes, and cell and mesh if they have to be made.
    run : Path or None
        Run directory whose mesh and newest checkpoint are used; None for the undeformed case.
    realization : int or None
        Number of the realization in an ensemble.
    """

    case: Case
    directory: Path
    run: Path | None = None
    realization: int | None = None


def stiffness_of_case(
    case: Case,
    directory: Path | None = None,
    watcher: Watcher | None = None,
    comm: Any = None,
) -> dict[str, Any]:
    """Effective stiffness of the undeformed cell of a case, or of its realizations; collective.

    Parameters
    ----------
    case : Case
        A valid case, on every rank.
    directory : Path or None
        Where to write; by default ``runs/<case>-<hash>-stiffness``.
    watcher : Watcher or None
        Who is told of the progress.
    comm : mpi4py.MPI.Comm or None
        Communicator; by default all processes.

    Returns
    -------
    dict
        Content of stiffness.json.

    Raises
    ------
    InputError
        If the specimen stands between platens, or a user's mesh is not what the case says.
    RefusedError
        If cell or mesh do not meet what is asked of them; of an ensemble, after all were tried.
    NotConvergedError
        If a linear solve fails.

    Notes
    -----
    A realization whose stiffness.json is there, of the same case, is not computed again.
    """
    base = default_run_directory(case.path, case.case_hash)
    path = directory or base.with_name(f"{base.name}-stiffness")
    if case.n_realizations == 1:
        return _stiffness(StiffnessTask(case, path), watcher or Watcher(), comm)
    tasks = [
        StiffnessTask(realization_case(case, n), realization_directory(path, n), realization=n)
        for n in range(case.n_realizations)
    ]
    return _ensemble_stiffness(case, path, tasks, watcher or Watcher(), comm)


def stiffness_of_run(
    directory: Path, watcher: Watcher | None = None, comm: Any = None
) -> dict[str, Any]:
    """Effective stiffness of a run, or of an ensemble, at the last saved state; collective.

    Parameters
    ----------
    directory : Path
        Run directory; stiffness.json is written into it.
    watcher : Watcher or None
        Who is told of the progress.
    comm : mpi4py.MPI.Comm or None
        Communicator; by default all processes.

    Returns
    -------
    dict
        Content of stiffness.json.

    Raises
    ------
    InputError
        If there is no run with a mesh.
    NotConvergedError
        If a linear solve fails.

    Notes
    -----
    The state is that of the newest checkpoint; without one, the undeformed state of the mesh.
    """
    run = RunDirectory.open(directory)
    case = load_case(run.resolved_case_file)
    if not run.is_ensemble:
        return _stiffness(StiffnessTask(case, directory, directory), watcher or Watcher(), comm)
    tasks = []
    for number in range(case.n_realizations):
        member = realization_directory(directory, number)
        if RunDirectory(member).mesh_quality_file.exists():
            tasks.append(StiffnessTask(realization_case(case, number), member, member, number))
    if not tasks:
        raise _no_mesh(directory)
    return _ensemble_stiffness(case, directory, tasks, watcher or Watcher(), comm)


def _no_mesh(directory: Path) -> InputError:
    return InputError(
        [
            Finding(
                str(directory),
                "mesh.msh",
                "no mesh",
                "a run that has come as far as its mesh",
                "resume the run, or give the case instead of the directory",
            )
        ]
    )


def _ensemble_stiffness(
    case: Case, path: Path, tasks: list[StiffnessTask], watcher: Watcher, comm: Any
) -> dict[str, Any]:
    comm = world() if comm is None else comm
    found: dict[int, dict[str, Any]] = {}
    failures: dict[int, str] = {}
    for task in tasks:
        assert task.realization is not None
        if comm.rank == 0:
            watcher.message(f"realization {task.realization:03d}, seed {task.case.seed}")
        try:
            found[task.realization] = _stiffness(task, watcher, comm)
        except RefusedError as failure:
            failures[task.realization] = str(failure)
            if comm.rank == 0:
                watcher.message(f"this realization failed: {failure}")
        finally:
            free_objects_of_petsc(comm)
    document = ensemble_document(case, found, failures)
    error: Exception | None = None
    if comm.rank == 0:
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_json_atomically(path / STIFFNESS_FILE, document)
        except Exception as failure:
            error = failure
    raise_together(comm, error)
    if failures:
        raise RefusedError(
            f"{len(failures)} of {len(tasks)} realizations were refused: "
            + "; ".join(f"{index:03d}: {reason}" for index, reason in failures.items())
            + f"; the others are in {path}"
        )
    return document


def _stiffness(task: StiffnessTask, watcher: Watcher, comm: Any) -> dict[str, Any]:
    """Take one stiffness, unless it is there already."""
    comm = world() if comm is None else comm
    case = task.case
    _refuse_platens(case)
    started = time.perf_counter(), _cpu_s()
    prepared: PreparedMesh | None = None
    checkpoint: Checkpoint | None = None
    stored: dict[str, Any] | None = None
    error: Exception | None = None
    if comm.rank == 0:
        try:
            if task.run is None:
                stored = _stored(task)
                if stored is None:
                    task.directory.mkdir(parents=True, exist_ok=True)
                    prepared = write_cell_and_mesh(case, RunDirectory(task.directory), watcher)
            else:
                prepared, checkpoint = _reopen(task.run)
        except Exception as failure:
            error = failure
    raise_together(comm, error)
    stored = comm.bcast(stored, root=0)
    if stored is not None:
        if comm.rank == 0:
            watcher.message(f"taken from {task.directory / STIFFNESS_FILE}")
        return stored
    prepared = share_mesh(comm, prepared, None)
    checkpoint = comm.bcast(checkpoint, root=0)
    problem = _problem(case, prepared, checkpoint, comm)
    tangent = problem.effective_tangent()
    cost = {
        "n_dofs": problem.number_of_dofs,
        "ranks": comm.size,
        "wall_s": time.perf_counter() - started[0],
        "cpu_s": sum(comm.allgather(_cpu_s() - started[1])),
    }
    document = cell_document(case, prepared, checkpoint, tangent, cost)
    if comm.rank == 0:
        try:
            write_json_atomically(task.directory / STIFFNESS_FILE, document)
        except Exception as failure:
            error = failure
    raise_together(comm, error)
    return document


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _refuse_platens(case: Case) -> None:
    if case.load.boundary in ("periodic", "uniform-displacement"):
        return
    raise InputError(
        [
            Finding(
                str(case.path),
                "load.boundary",
                f'"{case.load.boundary}"',
                '"periodic" or "uniform-displacement": only a cell has an effective stiffness',
                "take the stiffness of a case with one of these",
            )
        ]
    )


def _stored(task: StiffnessTask) -> dict[str, Any] | None:
    document = read_json(task.directory / STIFFNESS_FILE)
    return document if document.get("case_hash") == task.case.case_hash else None


def _reopen(directory: Path) -> tuple[PreparedMesh, Checkpoint | None]:
    from ngcfem.mesh.reading import read_written_mesh

    run = RunDirectory.open(directory)
    if not (run.mesh_file.exists() and run.mesh_quality_file.exists()):
        raise _no_mesh(directory)
    mesh = read_written_mesh(run.mesh_file)
    checkpoint = CheckpointStore(run.checkpoints_directory).load_newest()
    return PreparedMesh(mesh, quality_against_cell(mesh, None), read_cell(run)), checkpoint


def _problem(
    case: Case, prepared: PreparedMesh, checkpoint: Checkpoint | None, comm: Any
) -> "PeriodicProblem":
    # PETSc would take SIGTERM for itself.
    options = os.environ.get("PETSC_OPTIONS", "")
    if "-no_signal_handler" not in options:
        os.environ["PETSC_OPTIONS"] = f"{options} -no_signal_handler".strip()
    from ngcfem.fem.periodic import build_representative_volume
    from ngcfem.fem.problem import PeriodicProblem

    volume = build_representative_volume(
        comm, prepared.mesh, periodic_topology=case.load.boundary == "periodic"
    )
    crystals = build_crystals(case, prepared.mesh, prepared.cell)
    problem = PeriodicProblem(
        volume,
        build_materials(case),
        case.load.kinematics,
        case.load.boundary,
        build_solver_options(case),
        orientation=None if crystals is None else crystals.orientation,
    )
    if checkpoint is not None:
        problem.restore(checkpoint.arrays, checkpoint.metadata["problem"])
    return problem
