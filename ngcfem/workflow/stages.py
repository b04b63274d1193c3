"""The verbs of the command line as calls: each reads the artefact of the one before."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ngcfem.case.build import (
    allows_missed_targets,
    build_cell,
    build_statistics,
)
from ngcfem.case.schema import Case, load_case
from ngcfem.errors import Finding, InputError
from ngcfem.results.atomic import (
    write_bytes_atomically,
    write_json_atomically,
    write_text_atomically,
)
from ngcfem.results.run import RunDirectory, default_run_directory
from ngcfem.workflow.ensemble import make_realizations, resume_ensemble, run_ensemble
from ngcfem.workflow.evaluation import compare_stage, report_stage
from ngcfem.workflow.material_point import (
    material_tests_stage,
    phase_tests_stage,
    point_stage,
)
from ngcfem.workflow.problem_size import estimate_cost, size_of_mesh
from ngcfem.workflow.run import resume_run, run_case
from ngcfem.workflow.watching import Watcher

if TYPE_CHECKING:
    from ngcfem.report.cell_ensemble_page import MeasuredCell

__all__ = [
    "compare_stage",
    "generate_cell_stage",
    "generate_cells_stage",
    "generate_mesh_stage",
    "generate_meshes_stage",
    "material_tests_stage",
    "phase_tests_stage",
    "point_stage",
    "report_stage",
    "resume_stage",
    "run_stage",
    "stiffness_stage",
]


def run_stage(
    case: Case,
    directory: Path | None = None,
    resume: bool = False,
    watcher: Watcher | None = None,
    objectivity: bool = False,
) -> Path:
    """Run a case, or all its realizations, to curve and report; collective.

    Parameters
    ----------
    case : Case
        A valid case, on every rank.
    directory : Path or None
        Run directory; by default ``runs/<case>-<hash>`` below the working directory.
    resume : bool
        Whether an unfinished run of the same case in that directory goes on.
    watcher : Watcher or None
        Who is told of the progress.
    objectivity : bool
        Whether the case is run on two meshes instead, and the difference stated.

    Returns
    -------
    Path
        The run directory.

    Raises
    ------
    NgcfemError
        As `run_case`, `run_ensemble` and `run_objectivity` say.
    """
    if objectivity:
        from ngcfem.workflow.objectivity import run_objectivity

        return run_objectivity(case, directory, resume, watcher)
    run = run_case if case.n_realizations == 1 else run_ensemble
    return run(case, directory, resume, watcher)


def generate_cells_stage(
    case: Case, directory: Path | None = None, watcher: Watcher | None = None
) -> str:
    """Generate the cell of a case, or those of all its realizations.

    Parameters
    ----------
    case : Case
        A valid case.
    directory : Path or None
        Where to write; by default ``runs/<case>-<hash>-cell``. The cells of an ensemble go to
        ``realizations/000`` and so on below it.
    watcher : Watcher or None
        Who is told of each realization as soon as it is there.

    Returns
    -------
    str
        What was made, in words.

    Raises
    ------
    InputError
        As `generate_cell_stage` says.
    RefusedError
        As `generate_cell_stage` says; of an ensemble, after all were tried.
    """
    path = directory or _stage_directory(case, "cell")
    if case.n_realizations == 1:
        return generate_cell_stage(case, path)
    measured: list[MeasuredCell] = []

    def make(single: Case, place: Path) -> str:
        told, cell = _make_cell(single, place)
        measured.append(cell)
        return told

    watcher = watcher or Watcher()
    try:
        return make_realizations(case, path, make, watcher)
    finally:
        # a realization that was refused leaves the others to be looked at
        if len(measured) > 1:
            from ngcfem.report.cell_ensemble_page import write_cell_ensemble_page

            page = write_cell_ensemble_page(path, f"Cells of {case.name}", measured)
            watcher.message(f"look at all of them together: {page}")


def generate_meshes_stage(
    case: Case, directory: Path | None = None, watcher: Watcher | None = None
) -> str:
    """Generate the mesh of a case, or those of all its realizations.

    Parameters
    ----------
    case : Case
        A valid case.
    directory : Path or None
        Where to write; by default ``runs/<case>-<hash>-mesh``. The meshes of an ensemble go to
        ``realizations/000`` and so on below it.
    watcher : Watcher or None
        Who is told of the progress.

    Returns
    -------
    str
        What was made, in words.

    Raises
    ------
    InputError
        As `generate_mesh_stage` says.
    RefusedError
        As `generate_mesh_stage` says; of an ensemble, after all were tried.
    """
    watcher = watcher or Watcher()

    def make(single: Case, place: Path) -> str:
        return generate_mesh_stage(single, place, watcher)

    path = directory or _stage_directory(case, "mesh")
    return make_realizations(case, path, make, watcher)


def resume_stage(directory: Path, watcher: Watcher | None = None) -> Path:
    """Go on with a run, an ensemble or an objectivity study that was stopped; collective.

    Parameters
    ----------
    directory : Path
        Run directory.
    watcher : Watcher or None
        Who is told of the progress.

    Returns
    -------
    Path
        The run directory.

    Raises
    ------
    NgcfemError
        As `resume_run`, `resume_ensemble` and `resume_objectivity` say.
    """
    run = RunDirectory.open(directory)
    if run.is_objectivity_study:
        from ngcfem.workflow.objectivity import resume_objectivity

        return resume_objectivity(directory, watcher)
    return (resume_ensemble if run.is_ensemble else resume_run)(directory, watcher)


def stiffness_stage(target: Path, out: Path | None = None, watcher: Watcher | None = None) -> str:
    """Take the effective stiffness of a case or of a run; collective.

    Parameters
    ----------
    target : Path
        Case file, or run directory.
    out : Path or None
        Directory for that of a case; that of a run is written into its directory.
    watcher : Watcher or None
        Who is told of the progress.

    Returns
    -------
    str
        Table of the stiffness.

    Raises
    ------
    NgcfemError
        As `stiffness_of_case` and `stiffness_of_run` say.
    """
    from ngcfem.workflow.stiffness import stiffness_of_case, stiffness_of_run
    from ngcfem.workflow.stiffness_table import stiffness_table

    if target.is_dir():
        return stiffness_table(stiffness_of_run(target, watcher))
    return stiffness_table(stiffness_of_case(load_case(target), out, watcher))


def generate_cell_stage(case: Case, directory: Path | None = None) -> str:
    """Generate the cell of a case and write it with its descriptors, pictures and a page.

    Parameters
    ----------
    case : Case
        A valid case.
    directory : Path or None
        Where to write; by default ``runs/<case>-<hash>-cell``.

    Returns
    -------
    str
        What was made, in words.

    Raises
    ------
    InputError
        If the case reads a user's mesh, which is its own geometry.
    RefusedError
        If the cell does not meet its statistics.
    """
    return _make_cell(case, directory or _stage_directory(case, "cell"))[0]


def _make_cell(case: Case, path: Path) -> "tuple[str, MeasuredCell]":
    from ngcfem.microstructure.correlations import cell_correlations
    from ngcfem.microstructure.descriptors import describe_cell, refuse_descriptors
    from ngcfem.report.cell_ensemble_page import MeasuredCell
    from ngcfem.report.stage_report import write_cell_report
    from ngcfem.workflow.preparation import correlation_entries, descriptor_entries

    cell = build_cell(case)
    if cell is None:
        raise InputError(
            [
                Finding(
                    str(case.path),
                    "microstructure.kind",
                    f'"{case.microstructure.kind}": the geometry is that of a file',
                    "a kind that is generated",
                    "look at the mesh with `ngcfem mesh`",
                )
            ]
        )
    path.mkdir(parents=True, exist_ok=True)
    statistics = build_statistics(case)
    report = describe_cell(cell, statistics)
    functions = cell_correlations(cell)
    write_text_atomically(path / "cell.json", cell.to_json())
    write_json_atomically(path / "descriptors.json", descriptor_entries(report, statistics))
    write_json_atomically(path / "correlations.json", correlation_entries(functions))
    shown = write_cell_report(path, f"Cell of {case.name}", cell, report, statistics, functions)
    lines = [f"{case.microstructure.kind}: {cell.volume_nm3:.6g} nm^3, written to {path}"]
    lines += [
        f"  {name}: {100.0 * share:.2f} vol%" for name, share in report.phase_fractions.items()
    ]
    lines.append(report.table())
    lines += [f"  {line}" for line in shown.told]
    refuse_descriptors(report, allow=allows_missed_targets(case))
    return "\n".join(lines), MeasuredCell(path.name, report, functions)


def generate_mesh_stage(
    case: Case, directory: Path | None = None, watcher: Watcher | None = None
) -> str:
    """Generate or read the mesh of a case, check it, write it and draw it.

    Parameters
    ----------
    case : Case
        A valid case.
    directory : Path or None
        Where to write; by default ``runs/<case>-<hash>-mesh``.
    watcher : Watcher or None
        Who is told of the progress.

    Returns
    -------
    str
        Size and quality of the mesh, in words.

    Raises
    ------
    InputError
        If a user's mesh is not what the case says.
    RefusedError
        If cell or mesh do not meet what is asked of them.
    """
    from ngcfem.case.voxel_build import seam_lines
    from ngcfem.mesh.quality import smallest_angle
    from ngcfem.report.stage_report import write_mesh_report
    from ngcfem.results.fields import VTK_FROM_GMSH, write_fields
    from ngcfem.workflow.preparation import write_cell_and_mesh

    path = directory or _stage_directory(case, "mesh")
    path.mkdir(parents=True, exist_ok=True)
    prepared = write_cell_and_mesh(case, RunDirectory(path), watcher)
    quality = prepared.quality
    mesh = prepared.mesh
    write_fields(
        path / "fields",
        step=0,
        time=0.0,
        points=np.pad(mesh.points, ((0, 0), (0, 3 - mesh.dimension))),
        # Gmsh and VTK order the nodes of a quadratic triangle alike
        cells=mesh.cells[:, VTK_FROM_GMSH] if mesh.cells.shape[1] == 10 else mesh.cells,
        point_data={},
        cell_data={"phase": mesh.phase, "grain": mesh.grain},
        names={"phase": mesh.phase_names},
    )
    shown = write_mesh_report(path, f"Mesh of {case.name}", mesh, asdict(quality), path / "fields")
    lines = [
        f"written to {path}",
        f"  {estimate_cost(case, size_of_mesh(mesh, case)).text}",
        f"  quality gamma: minimum {quality.minimum_gamma:.3f}, mean {quality.mean_gamma:.3f}",
        f"  {smallest_angle(quality)}",
        f"  periodic mismatch: {quality.periodic_mismatch_nm:.1e} nm",
    ]
    lines += [
        f"  {name}: {100.0 * share:.2f} vol%" for name, share in quality.phase_fractions.items()
    ]
    lines += seam_lines(RunDirectory(path).read_json("mesh.json")["origin"])
    if mesh.dimension == 2:
        from ngcfem.report.plane_pictures import draw_plane_mesh

        write_bytes_atomically(path / "mesh.png", draw_plane_mesh(mesh))
        lines.append(f"  picture: {path / 'mesh.png'}")
    lines += [f"  {line}" for line in shown.told]
    return "\n".join(lines)


def _stage_directory(case: Case, suffix: str) -> Path:
    run = default_run_directory(case.path, case.case_hash)
    return run.with_name(f"{run.name}-{suffix}")
