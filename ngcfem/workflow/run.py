"""The run of a case: mesh, march, record, summarize, compare, report."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ngcfem.case.build import (
    build_imperfection,
    build_load_path,
    build_materials,
    build_platens,
    build_solver_options,
)
from ngcfem.case.crystals import build_crystals
from ngcfem.case.schema import Case, load_case
from ngcfem.constitutive.law_files import law_file
from ngcfem.errors import InterruptedRunError, NgcfemError, NotConvergedError, raise_together
from ngcfem.results.checkpoint import Checkpoint, CheckpointStore
from ngcfem.results.provenance import collect_provenance
from ngcfem.results.run import RunDirectory, RunState, default_run_directory
from ngcfem.workflow.length_resolution import LengthResolution, length_resolutions
from ngcfem.workflow.preparation import PreparedMesh, read_cell, share_mesh, write_cell_and_mesh
from ngcfem.workflow.problem_size import check_memory, estimate_cost, size_of_mesh
from ngcfem.workflow.recording import Recorder
from ngcfem.workflow.stop_request import StopRequest
from ngcfem.workflow.watching import Watcher


def run_case(
    case: Case,
    directory: Path | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
    comm: Any = None,
    spent_before_s: float = 0.0,
) -> Path:
    """Run one cell of a case from its statistics or mesh to its curve and report; collective.

    Parameters
    ----------
    case : Case
        A valid case, on every rank; of an ensemble its first realization is run.
    directory : Path or None
        Run directory; by default ``runs/<case>-<hash>`` below the working directory.
    resume : bool
        Whether an unfinished run of the same case in that directory goes on.
    watcher : Watcher or None
        Who is told of the progress.
    comm : mpi4py.MPI.Comm or None
        Communicator; by default all processes.
    spent_before_s : float
        CPU seconds that this process has spent on other things, which are not this run's.

    Returns
    -------
    Path
        The run directory.

    Raises
    ------
    InputError
        If the directory is in the way, or the mesh is not what the case says.
    RefusedError
        If cell or mesh do not meet what is asked of them.
    NotConvergedError
        If the load path could not be followed to its end; the results up to there are complete.
    InterruptedRunError
        If the run was asked to stop; it can be resumed.
    ResourceError
        If the machine does not have the memory that is needed.
    """
    comm = world() if comm is None else comm
    watcher = watcher or Watcher()
    here = processes_on_this_machine(comm)
    path = directory or default_run_directory(case.path, case.case_hash)
    run: RunDirectory | None = None
    error: Exception | None = None
    prepared: PreparedMesh | None = None
    checkpoint: Checkpoint | None = None
    if comm.rank == 0:
        try:
            if resume and (path / "status.json").exists():
                run = RunDirectory.resume(path, case.case_hash)
                prepared, checkpoint = _reopen(case, run, watcher)
            else:
                run = RunDirectory.create(path, case.text, case.resolved_toml(), case.case_hash)
                prepared = _begin(case, run, comm.size, watcher)
            _tell_size(case, prepared, run, comm.size, here, watcher)
        except Exception as failure:
            error = failure
            if run is not None:
                _close(run, "failed", failure)
                run = None
    prepared = share_mesh(comm, prepared, error)
    return _march(case, path, run, prepared, checkpoint, watcher, comm, spent_before_s)


def resume_run(directory: Path, watcher: Watcher | None = None, comm: Any = None) -> Path:
    """Go on with a run that was stopped, from its newest checkpoint; collective.

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
        If there is no run that could go on.
    NotConvergedError, InterruptedRunError
        As for `run_case`.
    """
    comm = world() if comm is None else comm
    watcher = watcher or Watcher()
    here = processes_on_this_machine(comm)
    run: RunDirectory | None = None
    error: Exception | None = None
    prepared: PreparedMesh | None = None
    checkpoint: Checkpoint | None = None
    case: Case | None = None
    if comm.rank == 0:
        try:
            run = RunDirectory.resume(directory)
            case = load_case(run.resolved_case_file)
            prepared, checkpoint = _reopen(case, run, watcher)
            _tell_size(case, prepared, run, comm.size, here, watcher)
        except Exception as failure:
            error = failure
            if run is not None:
                run.release()
                run = None
    prepared = share_mesh(comm, prepared, error)
    shared: Case = comm.bcast(case, root=0)
    return _march(shared, directory, run, prepared, checkpoint, watcher, comm, 0.0)


def world() -> Any:
    """Communicator of all processes.

    Returns
    -------
    mpi4py.MPI.Comm
        COMM_WORLD; asking for it starts MPI.
    """
    from mpi4py import MPI

    return MPI.COMM_WORLD


def processes_on_this_machine(comm: Any) -> int:
    """Count the ranks that share the memory of this one; collective.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        Communicator.

    Returns
    -------
    int
        Number of ranks.
    """
    from mpi4py import MPI

    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    size = int(node.size)
    node.Free()
    return size


def _tell_size(
    case: Case, prepared: PreparedMesh, run: RunDirectory, ranks: int, here: int, watcher: Watcher
) -> None:
    """Say what the run will need, and refuse what the machine cannot hold."""
    estimate = estimate_cost(case, size_of_mesh(prepared.mesh, case), ranks)
    watcher.message(estimate.text)
    run.log.write("estimate", **asdict(estimate))
    warning = check_memory(estimate, here)
    if warning:
        watcher.message(warning)
    for length in _length_resolutions(case, prepared):
        if not length.resolved:
            watcher.message(f"warning: {length.text}")


def _length_resolutions(case: Case, prepared: PreparedMesh) -> list[LengthResolution]:
    duration_s = build_load_path(case).duration_s
    return length_resolutions(prepared.mesh, build_materials(case), duration_s)


def write_provenance(case: Case, run: RunDirectory, ranks: int) -> None:
    """Write what a run depends on beside its case.

    Parameters
    ----------
    case : Case
        The case.
    run : RunDirectory
        Where provenance.json goes.
    ranks : int
        Number of processes.
    """
    files = {
        "case": case.path,
        "statistics": case.statistics_path,
        "mesh": case.mesh_path,
        "voxels": case.voxels_path,
        "pillar_data": case.compare_path,
    }
    files |= {f"law of {phase.name}": law_file(phase.law) for phase in case.phases}
    inputs = {role: path for role, path in files.items() if path is not None}
    seeds = {} if case.seed is None else {"microstructure": case.seed}
    run.write_json("provenance.json", collect_provenance(None, inputs, seeds, ranks))


def _begin(case: Case, run: RunDirectory, ranks: int, watcher: Watcher) -> PreparedMesh:
    """Write provenance, cell and mesh of a new run."""
    write_provenance(case, run, ranks)
    started = time.perf_counter()
    prepared = write_cell_and_mesh(case, run, watcher)
    run.log.write("mesh", cells=len(prepared.mesh.cells), wall_s=time.perf_counter() - started)
    return prepared


def _reopen(
    case: Case, run: RunDirectory, watcher: Watcher
) -> tuple[PreparedMesh, Checkpoint | None]:
    """Read mesh and newest checkpoint of an earlier run, or begin it anew if it has none."""
    from ngcfem.case.build import build_cell
    from ngcfem.mesh.reading import read_written_mesh
    from ngcfem.workflow.preparation import quality_against_cell

    if not (run.mesh_file.exists() and run.mesh_quality_file.exists()):
        return write_cell_and_mesh(case, run, watcher), None
    mesh = read_written_mesh(run.mesh_file)
    quality = quality_against_cell(mesh, build_cell(case))
    return PreparedMesh(mesh, quality, read_cell(run)), CheckpointStore(
        run.checkpoints_directory
    ).load_newest()


def _march(
    case: Case,
    path: Path,
    run: RunDirectory | None,
    prepared: PreparedMesh,
    checkpoint: Checkpoint | None,
    watcher: Watcher,
    comm: Any,
    spent_before_s: float,
) -> Path:
    """Solve and record; the directory is closed in every case."""
    try:
        with StopRequest() as stop:
            _solve(case, run, prepared, checkpoint, watcher, comm, stop, spent_before_s)
    except NotConvergedError as failure:
        _conclude(case, path, run, comm)
        _close(run, "not_converged", failure)
        raise
    except InterruptedRunError as failure:
        _close(run, "interrupted", failure)
        raise
    except BaseException as failure:
        _close(run, "failed", failure)
        raise
    _conclude(case, path, run, comm)
    _close(run, "finished", None)
    return path


def _solve(
    case: Case,
    run: RunDirectory | None,
    prepared: PreparedMesh,
    checkpoint: Checkpoint | None,
    watcher: Watcher,
    comm: Any,
    stop: StopRequest,
    spent_before_s: float,
) -> None:
    # PETSc would take SIGTERM for itself and end the run before its state is saved.
    options = os.environ.get("PETSC_OPTIONS", "")
    if "-no_signal_handler" not in options:
        os.environ["PETSC_OPTIONS"] = f"{options} -no_signal_handler".strip()
    from ngcfem.fem.periodic import build_representative_volume
    from ngcfem.fem.problem import PeriodicProblem

    if run is not None:
        run.set_state("running")
    load_path = build_load_path(case)
    volume = build_representative_volume(
        comm, prepared.mesh, periodic_topology=case.load.boundary == "periodic"
    )
    materials = build_materials(case)
    crystals = build_crystals(case, prepared.mesh, prepared.cell)
    if run is not None and crystals is not None:
        run.write_json("crystals.json", {"crystals": list(crystals.entries)})
    problem = PeriodicProblem(
        volume,
        materials,
        case.load.kinematics,
        case.load.boundary,
        build_solver_options(case),
        build_platens(case),
        orientation=None if crystals is None else crystals.orientation,
        imperfection=build_imperfection(case),
    )
    checkpoint = comm.bcast(checkpoint, root=0)
    keep_rows, earlier_cpu_s, localization = 0, 0.0, None
    if checkpoint is not None:
        problem.restore(checkpoint.arrays, checkpoint.metadata["problem"])
        keep_rows = int(checkpoint.metadata["rows"])
        earlier_cpu_s = float(checkpoint.metadata["cpu_s"])
        localization = checkpoint.metadata.get("localization")
    recorder = Recorder(
        case,
        run,
        problem,
        keep_rows,
        _constants(case, prepared, problem, comm.size),
        earlier_cpu_s,
        spent_before_s,
        localization,
    )
    total = load_path.increments
    try:
        for increment in problem.march(load_path):
            last = increment.requested and increment.increment == total
            recorder.record(increment, last)
            if comm.rank == 0:
                watcher.step(increment, problem.position, total)
            if not last and stop.agreed(comm):
                if increment.increment > 0:
                    recorder.checkpoint()
                recorder.finish("asked to stop", InterruptedRunError.exit_code)
                raise InterruptedRunError(
                    "asked to stop: the state is saved, go on with `ngcfem resume`"
                )
    except NotConvergedError as failure:
        recorder.finish(str(failure), NotConvergedError.exit_code)
        raise
    recorder.finish("end of the load path", 0)


def _constants(case: Case, prepared: PreparedMesh, problem: Any, ranks: int) -> dict[str, Any]:
    """Entries of the summary that are known before the march."""
    options = problem.options
    estimate = estimate_cost(case, size_of_mesh(prepared.mesh, case), ranks)
    # Collective, so outside what rank 0 does alone.
    strength = problem.strength_statistics()
    return {
        **({"strength_factor": strength} if strength else {}),
        "estimate": {"cpu_s": estimate.cpu_s, "memory_gib": estimate.memory_gib},
        "title": case.title,
        "case_hash": case.case_hash,
        "seed": case.seed,
        "boundary": case.load.boundary,
        "mesh_dependent": any(each.mesh_dependent for each in build_materials(case).values()),
        "internal_lengths": [
            {**asdict(length), "resolved": length.resolved, "text": length.text}
            for length in _length_resolutions(case, prepared)
        ],
        "nonlocal_field": options.nonlocal_field,
        "n_dofs": problem.number_of_dofs,
        "n_field_dofs": problem.number_of_field_dofs,
        "n_cells": len(prepared.mesh.cells),
        "geometry_order": prepared.mesh.order,
        "ranks": ranks,
        "realized_fractions": dict(prepared.quality.phase_fractions),
        "mesh_quality": asdict(prepared.quality),
        "element": options.element,
        "residual_tolerance": options.residual_tolerance,
        "linear_tolerance": options.linear_tolerance,
        "viscosity_gpa_s": options.viscosity_gpa_s,
        "increments_asked_for": build_load_path(case).increments,
    }


def _conclude(case: Case, path: Path, run: RunDirectory | None, comm: Any) -> None:
    """Compare and report on rank 0 while the others wait."""
    from ngcfem.workflow.evaluation import compare_stage, report_stage

    error: Exception | None = None
    if run is not None:
        try:
            if case.compare_path is not None:
                compare_stage(path, case.compare_path, path)
            if case.output.figures:
                report_stage(path)
        except Exception as failure:
            error = failure
    raise_together(comm, error)


def _close(run: RunDirectory | None, state: RunState, failure: BaseException | None) -> None:
    """Record the final state and give the lock back."""
    if run is None:
        return
    try:
        entries = {}
        if failure is not None:
            code = failure.exit_code if isinstance(failure, NgcfemError) else 1
            entries = {"reason": str(failure), "exit_code": code}
        run.set_state(state, **entries)
        run.log.write(state, **entries)
    finally:
        run.release()
