"""A case on two meshes: run, held against each other, and reported."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.case.resolutions import (
    REFINEMENT,
    RESOLUTIONS,
    Resolution,
    check_objectivity,
    resolution_case,
)
from ngcfem.case.schema import Case, load_case
from ngcfem.errors import raise_together
from ngcfem.quantities import AXIS_INDEX
from ngcfem.results.bands import detect_bands
from ngcfem.results.field_reading import read_element_field, snapshot_steps
from ngcfem.results.increment import Increment
from ngcfem.results.objectivity import (
    LARGEST_CURVE_DIFFERENCE,
    LARGEST_WIDTH_DIFFERENCE,
    band_width_nm,
    compare_steps,
    energy_at,
    mean_element_size_nm,
)
from ngcfem.results.run import RunDirectory, default_run_directory
from ngcfem.workflow.members import Member, open_whole, run_members
from ngcfem.workflow.problem_size import check_memory, estimate_cost, expected_size
from ngcfem.workflow.run import processes_on_this_machine, world
from ngcfem.workflow.watching import Watcher

OBJECTIVITY_VERSION = 1
PLASTIC_STRAIN = "equivalent_plastic_strain [-]"


def run_objectivity(
    case: Case,
    directory: Path | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
    comm: Any = None,
) -> Path:
    """Run a case with its element sizes and with half of them; collective.

    Parameters
    ----------
    case : Case
        A valid case with a generated mesh and one realization, on every rank.
    directory : Path or None
        Directory of the study; by default ``runs/<case>-<hash>-objectivity``.
    resume : bool
        Whether an unfinished study of the same case in that directory goes on.
    watcher : Watcher or None
        Who is told of the progress.
    comm : mpi4py.MPI.Comm or None
        Communicator; by default all processes.

    Returns
    -------
    Path
        The directory of the study, with objectivity.json and report.html.

    Raises
    ------
    InputError
        If the case has no second mesh, or the directory is in the way.
    ResourceError
        If the machine has not the memory for the fine mesh.
    NotConvergedError, RefusedError, InterruptedRunError
        As `ngcfem.workflow.members.run_members` says.
    """
    check_objectivity(case)
    comm = world() if comm is None else comm
    watcher = watcher or Watcher()
    path = directory
    if path is None:
        path = default_run_directory(case.path, case.case_hash)
        path = path.with_name(f"{path.name}-objectivity")
    _check_fine_mesh(case, watcher, comm)
    study, again = open_whole(case, path, resume, RunDirectory(path).resolutions_directory, comm)
    members = [
        Member(
            name=resolution,
            heading=_heading(case, resolution),
            directory=_member_directory(path, resolution),
            case=partial(resolution_case, case, resolution),
        )
        for resolution in RESOLUTIONS
    ]
    write_results = partial(write_objectivity_results, path, case.output.figures)
    run_members(study, members, again, write_results, "mesh", watcher, comm)
    return path


def resume_objectivity(directory: Path, watcher: Watcher | None = None, comm: Any = None) -> Path:
    """Go on with an objectivity study that was stopped; collective.

    Parameters
    ----------
    directory : Path
        Its directory, whose own copy of the case is used.
    watcher : Watcher or None
        Who is told of the progress.
    comm : mpi4py.MPI.Comm or None
        Communicator; by default all processes.

    Returns
    -------
    Path
        The directory.

    Raises
    ------
    InputError
        If there is no study that could go on.
    NotConvergedError, RefusedError, InterruptedRunError
        As for `run_objectivity`.
    """
    case = load_case(RunDirectory.open(directory).resolved_case_file)
    return run_objectivity(case, directory, True, watcher, comm)


def write_objectivity_results(directory: Path, with_report: bool = True) -> Path:
    """Write objectivity.json and the report of a study from what its two runs have left.

    Parameters
    ----------
    directory : Path
        Directory of the study; its runs may be in any state.
    with_report : bool
        Whether the report is written too.

    Returns
    -------
    Path
        Where the report is, or would be.

    Raises
    ------
    InputError
        If there is no study.
    ResourceError
        If the disk is full.

    Notes
    -----
    Curve and energy are compared at the last step that both runs share, bands in the last snapshot
    that both have.
    """
    study = RunDirectory.open(directory)
    case = load_case(study.resolved_case_file)
    runs = {name: RunDirectory(_member_directory(directory, name)) for name in RESOLUTIONS}
    steps = {name: run.increments() for name, run in runs.items()}
    comparison = compare_steps(steps["coarse"], steps["fine"])
    common = set.intersection(*(set(snapshot_steps(run.fields_directory)) for run in runs.values()))
    snapshot = max(common, default=None)
    axial = AXIS_INDEX[case.load.axis] if case.load.boundary == "platens" else None
    entries: dict[str, dict[str, Any]] = {}
    for name, run in runs.items():
        entries[name] = _run_entries(run, steps[name])
        if comparison is not None:
            energy = energy_at(steps[name], comparison.time_s, axial)
            assert energy is not None
            entries[name] |= {
                "work_gpa": energy.work_gpa,
                "elastic_energy_gpa": energy.elastic_gpa,
                "dissipated_energy_gpa": energy.dissipated_gpa,
            }
        if snapshot is not None:
            entries[name] |= _band_entries(run, snapshot, AXIS_INDEX[case.load.axis])
    document = {
        "schema_version": OBJECTIVITY_VERSION,
        "kind": "objectivity",
        "title": case.title,
        "case_hash": case.case_hash,
        "seed": case.seed,
        "axis": case.load.axis,
        "kinematics": case.load.kinematics,
        "refinement": REFINEMENT,
        "softening_has_length": not any(
            run.read_json("summary.json").get("mesh_dependent") for run in runs.values()
        ),
        "resolutions": entries,
        "snapshot": snapshot,
        "comparison": None
        if comparison is None
        else {
            "steps": comparison.steps,
            "time_s": comparison.time_s,
            "largest_curve_difference": comparison.largest_difference,
            "time_of_largest_s": comparison.time_of_largest_s,
            "root_mean_square_curve_difference": comparison.root_mean_square,
            "final_curve_difference": comparison.final_difference,
            **_differences(entries["coarse"], entries["fine"]),
        },
    }
    document["verdict"] = _verdict(document)
    study.write_json("objectivity.json", document)
    if with_report:
        from ngcfem.report.objectivity_document import build_objectivity_report

        build_objectivity_report(directory)
    return study.report_file


def _member_directory(directory: Path, resolution: Resolution) -> Path:
    return RunDirectory(directory).resolutions_directory / resolution


def _heading(case: Case, resolution: Resolution) -> str:
    size = resolution_case(case, resolution).mesh.size_nm
    return f"{resolution} mesh ({1 + RESOLUTIONS.index(resolution)} of 2), size_nm = {size:g}"


def _check_fine_mesh(case: Case, watcher: Watcher, comm: Any) -> None:
    """Say what the fine mesh will need before the coarse one is run; collective."""
    error: Exception | None = None
    here = processes_on_this_machine(comm)
    if comm.rank == 0:
        try:
            fine = resolution_case(case, "fine")
            size = expected_size(fine)
            if size is not None:
                estimate = estimate_cost(fine, size, comm.size)
                watcher.message(f"fine mesh, a guess: {estimate.text}")
                check_memory(estimate, here)
        except Exception as failure:
            error = failure
    raise_together(comm, error)


def _run_entries(run: RunDirectory, steps: list[Increment]) -> dict[str, Any]:
    summary = run.read_json("summary.json")
    entries = {
        "directory": str(Path(run.path.parent.name) / run.path.name),
        "state": run.status().get("state", "not started"),
        "reason": run.status().get("reason", ""),
        "steps": len(steps[1:]),
    }
    names = ("n_cells", "n_dofs", "true_strain_reached", "cpu_s", "localization_index_final")
    return entries | {name: summary.get(name) for name in names}


def _band_entries(run: RunDirectory, snapshot: int, axis: int) -> dict[str, Any]:
    """Element size and bands of a snapshot, on the undeformed cell."""
    field = read_element_field(run.fields_directory, snapshot, PLASTIC_STRAIN)
    mesh = run.read_json("mesh.json")
    lattice = np.array(mesh["lattice_nm"])[: field.dimension, : field.dimension]
    load = np.eye(3)[axis][: field.dimension]
    report = detect_bands(
        field.centre_nm,
        field.values,
        field.volume,
        load if np.any(load) else np.eye(field.dimension)[0],
        lattice_nm=lattice if mesh.get("periodic", False) else None,
    )
    return {
        "mean_element_size_nm": mean_element_size_nm(field.volume, field.dimension),
        "localization_index": report.localization_index,
        "number_of_bands": report.number,
        "band_width_nm": band_width_nm(report),
        "band_angle_deg": report.bands[0].angle_deg if report.bands else None,
        "volume_share_above": report.volume_share_above,
    }


def _differences(coarse: dict[str, Any], fine: dict[str, Any]) -> dict[str, float | None]:
    """Fine less coarse, over fine."""

    def relative(name: str) -> float | None:
        first, second = coarse.get(name), fine.get(name)
        if first is None or second is None or not np.isfinite(first) or not second:
            return None
        return (second - first) / abs(second)

    return {
        "dissipated_energy_difference": relative("dissipated_energy_gpa"),
        "band_width_difference": relative("band_width_nm"),
        "localization_index_difference": relative("localization_index"),
    }


def _verdict(document: dict[str, Any]) -> dict[str, bool | None]:
    """What agrees between the meshes; None where there is nothing to compare."""
    comparison = document["comparison"]
    if comparison is None:
        return {"curve": None, "dissipation": None, "band_width": None}
    energy = comparison["dissipated_energy_difference"]
    width = comparison["band_width_difference"]
    return {
        "curve": comparison["largest_curve_difference"] <= LARGEST_CURVE_DIFFERENCE,
        "dissipation": None if energy is None else abs(energy) <= LARGEST_CURVE_DIFFERENCE,
        "band_width": None if width is None else abs(width) <= LARGEST_WIDTH_DIFFERENCE,
    }
