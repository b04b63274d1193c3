"""Cell and mesh of a case: made once on rank 0, written, and handed to every rank."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ngcfem.case.build import (
    allows_missed_targets,
    build_cell,
    build_recorded_mesh,
    build_statistics,
)
from ngcfem.case.schema import Case
from ngcfem.errors import raise_together
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.plane_quality import PlaneMeshQuality
from ngcfem.mesh.quality import MeshQuality, measure_mesh
from ngcfem.mesh.reading import read_written_mesh
from ngcfem.mesh.writing import write_mesh
from ngcfem.microstructure.cell import PeriodicCell, cell_from_json
from ngcfem.microstructure.correlations import CorrelationFunctions
from ngcfem.microstructure.descriptors import (
    DescriptorReport,
    describe_cell,
    refuse_descriptors,
)
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.quantities import FloatArray
from ngcfem.results.run import RunDirectory
from ngcfem.workflow.watching import Watcher


@dataclass(frozen=True, eq=False)
class PreparedMesh:
    """The mesh of a run and how good it is.

    Parameters
    ----------
    mesh : PeriodicMesh
        As read back from the run directory, so that a resumed run has the same order of cells.
    quality : MeshQuality or PlaneMeshQuality
        Measured quality, by the dimension of the mesh.
    cell : PeriodicCell or None
        The geometry that was meshed; None for a user's mesh or volume.
    """

    mesh: PeriodicMesh
    quality: MeshQuality | PlaneMeshQuality
    cell: PeriodicCell | None = None


def write_cell_and_mesh(
    case: Case, run: RunDirectory, watcher: Watcher | None = None
) -> PreparedMesh:
    """Make the cell and the mesh of a case and write both, with the descriptors of the cell.

    Parameters
    ----------
    case : Case
        A valid case.
    run : RunDirectory
        Where cell.json, descriptors.json, mesh.msh and mesh.json go.
    watcher : Watcher or None
        Who is told of the progress.

    Returns
    -------
    PreparedMesh
        The mesh as read back.

    Raises
    ------
    InputError
        If a user's mesh is not what the case says.
    RefusedError
        If cell or mesh do not meet what is asked of them.
    """
    cell = build_cell(case)
    if cell is not None:
        statistics = build_statistics(case)
        report = describe_cell(cell, statistics)
        run.write_text("cell.json", cell.to_json())
        run.write_json("descriptors.json", descriptor_entries(report, statistics))
        refuse_descriptors(report, allow=allows_missed_targets(case))
    mesh, record = build_recorded_mesh(case, cell, watcher.meshing if watcher else None)
    quality = quality_against_cell(mesh, cell, record.get("voxel_fractions"))
    write_mesh(mesh, run.mesh_file, quality, origin={**mesh_origin(case), **record})
    return PreparedMesh(read_written_mesh(run.mesh_file), quality, cell)


def read_cell(run: RunDirectory) -> PeriodicCell | None:
    """Read the cell that a run was made with.

    Parameters
    ----------
    run : RunDirectory
        A run directory.

    Returns
    -------
    PeriodicCell or None
        None where there is no cell.json: a user's mesh or volume.
    """
    if not run.cell_file.is_file():
        return None
    return cell_from_json(run.cell_file.read_text(encoding="utf-8"))


def descriptor_entries(
    report: DescriptorReport, statistics: CompositeStatistics | None
) -> dict[str, Any]:
    """Descriptors of a cell as plain JSON: target, achieved, tolerance and whether it is met.

    Parameters
    ----------
    report : DescriptorReport
        Measures of the cell.
    statistics : CompositeStatistics or None
        What the cell was made from; its numbers go along with their provenance.

    Returns
    -------
    dict
        Entries of descriptors.json.
    """
    return {
        **asdict(report),
        "descriptors": [
            {**asdict(entry), "accepted": entry.accepted} for entry in report.descriptors
        ],
        "statistics": [asdict(entry) for entry in statistics.records] if statistics else [],
    }


def correlation_entries(functions: CorrelationFunctions) -> dict[str, Any]:
    """Correlation functions of a cell as plain JSON.

    Parameters
    ----------
    functions : CorrelationFunctions
        Of one cell.

    Returns
    -------
    dict
        Entries of correlations.json, by the names of the functions and then of the phases.
    """
    names = functions.phase_names

    def by_phase(rows: FloatArray) -> dict[str, Any]:
        return {name: row.tolist() for name, row in zip(names, rows, strict=True)}

    return {
        "distance_nm": functions.distance_nm.tolist(),
        "two_point": {
            name: by_phase(row) for name, row in zip(names, functions.two_point, strict=True)
        },
        "path_nm": functions.path_nm.tolist(),
        "lineal_path": by_phase(functions.lineal_path),
        "lineal_path_along_periods": [by_phase(rows) for rows in functions.lineal_path_along],
        "specific_surface_per_nm": {
            name: by_phase(row) for name, row in zip(names, functions.specific_surface, strict=True)
        },
    }


def quality_against_cell(
    mesh: PeriodicMesh,
    cell: PeriodicCell | None,
    fractions: Mapping[str, float] | None = None,
) -> MeshQuality | PlaneMeshQuality:
    """Measure a mesh, against the geometry where there is one.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    cell : PeriodicCell or None
        The geometry; None for a user's mesh.
    fractions : mapping of str to float, optional
        Phase fractions to hold it against where there is no cell: those of a labelled volume.

    Returns
    -------
    MeshQuality or PlaneMeshQuality
        With the error of the phase volumes if there is a geometry.
    """
    return measure_mesh(mesh, fractions if cell is None else geometric_fractions(cell))


def mesh_origin(case: Case) -> dict[str, Any]:
    """Say what made the mesh of a case.

    Parameters
    ----------
    case : Case
        The case.

    Returns
    -------
    dict
        Plain JSON for mesh.json.
    """
    if case.mesh_path is not None:
        return {"kind": "user", "file": case.mesh_path.name}
    return {
        "kind": case.microstructure.kind,
        "seed": case.seed,
        "size_nm": case.mesh.size_nm,
    }


def share_mesh(comm: Any, prepared: PreparedMesh | None, error: Exception | None) -> PreparedMesh:
    """Hand the mesh of rank 0 to every rank, or its error; collective.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        Communicator.
    prepared : PreparedMesh or None
        The mesh on rank 0.
    error : Exception or None
        What went wrong on this rank.

    Returns
    -------
    PreparedMesh
        The same on every rank.

    Raises
    ------
    Exception
        The error, on every rank.
    """
    raise_together(comm, error)
    shared: PreparedMesh = comm.bcast(prepared, root=0)
    return shared
