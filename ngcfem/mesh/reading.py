"""Reading of mesh files: a user's, which knows nothing of ngcfem, or one that ngcfem wrote."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from ngcfem.errors import Finding, InputError
from ngcfem.mesh.gmsh_file import CellsOfFile, read_cells
from ngcfem.mesh.pairing import check_quotient, identify_nodes
from ngcfem.mesh.periodic_mesh import (
    TETRAHEDRON_EDGES,
    TRIANGLE_EDGES,
    PeriodicMesh,
    body_order,
)
from ngcfem.mesh.plane_quality import triangle_areas, triangle_node_jacobians
from ngcfem.mesh.quality import cell_volumes, node_jacobians, tetrahedron_volumes
from ngcfem.quantities import FloatArray, Int32Array, IntArray

MESH_RECORD_VERSION = 1
_MIRRORED = {
    3: [0, 2, 1],
    4: [1, 0, 2, 3],
    6: [0, 2, 1, 5, 4, 3],
    10: [1, 0, 2, 3, 4, 6, 5, 9, 8, 7],
}
_FLAT = 1e-10


def read_mesh(
    path: str | Path,
    length_unit_nm: float = 1.0,
    period_nm: FloatArray | None = None,
    periodic: bool = True,
    dimension: int = 3,
    phases: Mapping[str, Sequence[int | str]] | None = None,
) -> PeriodicMesh:
    """Read a user's Gmsh file.

    Parameters
    ----------
    path : str or Path
        File of format 2.2 or 4.1, ASCII or binary, of 4-node or 10-node tetrahedra, in the plane of
        3-node or 6-node triangles.
    length_unit_nm : float
        Length in nm of one unit of the file.
    period_nm : ndarray, shape (3, 3), in the plane (2, 2), optional
        Period vectors as rows in nm; the bounding box by default.
    periodic : bool
        Whether boundary nodes are to be paired; False for uniform-displacement boundaries.
    dimension : int
        3, or 2 for a plane mesh.
    phases : mapping of str to sequence of int or str, optional
        Patterns for the names, or numbers, of the groups of each phase, such as
        ``{"grain": ["poly*"]}`` for the files of Neper; by default every name is a phase.

    Returns
    -------
    PeriodicMesh
        Phases are the names of the physical groups of the volumes (in the plane, surfaces). Where
        a phase has several volumes, the grain number is the tag of the volume; elsewhere it is -1.

    Raises
    ------
    InputError
        With every finding: missing names, other elements, loose or duplicate nodes, flat or folded
        cells, boundary nodes that do not pair.
    RefusedError
        If the mesh is too coarse for the periodic topology.

    Notes
    -----
    Cells of the wrong orientation are turned. Pairs of nodes are found by position alone.
    """
    path = Path(path)
    found = read_cells(path, dimension, phases)
    volumes, counts = np.unique(found.volume, return_counts=True)
    names = tuple(dict.fromkeys(found.phase_of_volume.values()))
    volumes_of_name = dict.fromkeys(names, 0)
    for volume in volumes.tolist():
        volumes_of_name[found.phase_of_volume[volume]] += 1
    phase_of_volume = [names.index(found.phase_of_volume[v]) for v in volumes.tolist()]
    grain_of_volume = [
        v if volumes_of_name[found.phase_of_volume[v]] > 1 else -1 for v in volumes.tolist()
    ]
    row = np.repeat(np.arange(len(volumes)), counts)
    order = np.argsort(found.volume, kind="stable")
    which = np.empty(len(row), dtype=np.int64)
    which[order] = row
    lattice = None if period_nm is None else np.array(period_nm, dtype=float)
    return _checked_mesh(
        found,
        path,
        length_unit_nm=length_unit_nm,
        lattice=lattice,
        periodic=periodic,
        phase=np.array(phase_of_volume, dtype=np.int32)[which],
        phase_names=names,
        grain=np.array(grain_of_volume, dtype=np.int32)[which],
    )


def read_written_mesh(path: str | Path) -> PeriodicMesh:
    """Read a mesh that ``write_mesh`` wrote, with the record beside it.

    Parameters
    ----------
    path : str or Path
        The ``.msh`` file; the record has the same name with ``.json``.

    Returns
    -------
    PeriodicMesh
        The mesh that was written: lattice, phases and grain numbers come from the record.

    Raises
    ------
    InputError
        If the record is missing or does not fit the mesh file.
    """
    path = Path(path)
    record_path = path.with_suffix(".json")
    allowed = "the record that write_mesh put beside the mesh"
    remedy = "write the mesh again, or read it as a user's mesh with period_nm"
    try:
        record = json.loads(record_path.read_text(encoding="utf-8"))
        version = record["mesh_record_version"]
        if version != MESH_RECORD_VERSION:
            raise ValueError(f"mesh_record_version {version}, not {MESH_RECORD_VERSION}")
        names = tuple(str(name) for name in record["phase_names"])
        bodies = {
            int(b["tag"]): (names.index(b["phase"]), int(b["grain"])) for b in record["bodies"]
        }
        lattice = np.array(record["lattice_nm"], dtype=float)
        if lattice.shape not in ((3, 3), (2, 2)):
            raise ValueError(f"lattice_nm of shape {lattice.shape}")
        periodic = bool(record["periodic"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            [Finding(str(record_path), "record", str(error), allowed, remedy)]
        ) from error
    found = read_cells(path, len(lattice))
    volumes = [int(v) for v in np.unique(found.volume)]
    if set(volumes) != set(bodies):
        raise InputError(
            [
                Finding(
                    str(record_path),
                    "bodies",
                    f"{len(bodies)} bodies in the record, {len(volumes)} in {path.name}",
                    allowed,
                    remedy,
                )
            ]
        )
    which = np.searchsorted(volumes, found.volume)
    return _checked_mesh(
        found,
        path,
        length_unit_nm=1.0,
        lattice=lattice,
        periodic=periodic,
        phase=np.array([bodies[v][0] for v in volumes], dtype=np.int32)[which],
        phase_names=names,
        grain=np.array([bodies[v][1] for v in volumes], dtype=np.int32)[which],
    )


def _checked_mesh(
    found: CellsOfFile,
    path: Path,
    *,
    length_unit_nm: float,
    lattice: FloatArray | None,
    periodic: bool,
    phase: Int32Array,
    phase_names: tuple[str, ...],
    grain: Int32Array,
) -> PeriodicMesh:
    origin = str(path)
    points = found.points * length_unit_nm
    order = body_order(phase, grain)
    cells = _oriented(points, found.cells[order])
    findings = list(_defects(points, cells, found.loose_nodes, origin))
    if findings:
        raise InputError(findings)
    if lattice is None:
        lattice = np.diag(np.ptp(points, axis=0))
    torus_node = np.arange(len(points), dtype=np.int64)
    if periodic:
        torus_node = identify_nodes(points, cells, lattice, origin=origin)
        _check_filling(points, cells, lattice, origin)
        check_quotient(points, cells, torus_node, origin)
    return PeriodicMesh(
        points=points,
        cells=cells,
        torus_node=torus_node,
        lattice=lattice,
        periodic=periodic,
        phase=phase[order],
        phase_names=phase_names,
        grain=grain[order],
    )


def _oriented(points: FloatArray, cells: IntArray) -> IntArray:
    inverted = _straight_sizes(points, cells) < 0.0
    turned = cells.copy()
    turned[inverted] = turned[inverted][:, _MIRRORED[cells.shape[1]]]
    return turned


def _straight_sizes(points: FloatArray, cells: IntArray) -> FloatArray:
    """Signed volumes, in the plane areas, of the cells with straight edges."""
    if points.shape[1] == 2:
        return triangle_areas(points, cells[:, :3])
    return tetrahedron_volumes(points[cells[:, :4]])


def _defects(
    points: FloatArray, cells: IntArray, loose_nodes: int, origin: str
) -> Iterator[Finding]:
    plane = points.shape[1] == 2
    one, many = ("triangle", "triangles") if plane else ("tetrahedron", "tetrahedra")
    if loose_nodes:
        yield Finding(
            file=origin,
            key="nodes",
            found=f"{loose_nodes} nodes that belong to no {one}",
            allowed=f"nodes of {many} (and of construction points and lines)",
            remedy="mesh every body; remove what is left over with Gmsh: Mesh.SaveAll = 0 and "
            "named bodies, or meshio's remove_orphaned_nodes",
        )
    pairs = KDTree(points).query_pairs(1e-9 * np.ptp(points, axis=0).max(), output_type="ndarray")
    if len(pairs):
        where = ", ".join(f"{x:.6g}" for x in points[pairs[0, 0]])
        yield Finding(
            file=origin,
            key="nodes",
            found=f"{len(pairs)} pairs of nodes at the same place, the first at ({where}) nm",
            allowed="one node at one place: bodies share the nodes of their common surface",
            remedy="fragment the bodies before meshing (Coherence; BooleanFragments), or remove "
            "duplicate nodes in Gmsh",
        )
    edges = np.array(TRIANGLE_EDGES if plane else TETRAHEDRON_EDGES)
    length = np.linalg.norm(points[cells[:, edges[:, 1]]] - points[cells[:, edges[:, 0]]], axis=2)
    flat = _straight_sizes(points, cells) <= _FLAT * length.max(axis=1) ** points.shape[1]
    if flat.any():
        yield Finding(
            file=origin,
            key="cells",
            found=f"{int(flat.sum())} {many} of no {'area' if plane else 'volume'}",
            allowed=f"{many} with vertices that are not "
            + ("on one line" if plane else "in one plane"),
            remedy="optimize the mesh in Gmsh (Mesh.Optimize, Netgen) or mesh again",
        )
    elif cells.shape[1] in (6, 10):
        jacobians = triangle_node_jacobians if plane else node_jacobians
        folded = int((jacobians(points, cells) <= 0.0).any(axis=1).sum())
        if folded:
            yield Finding(
                file=origin,
                key="cells",
                found=f"{folded} curved {many} that are folded at a node",
                allowed="a positive Jacobian at every node",
                remedy="Gmsh: Mesh.HighOrderOptimize = 2, or a finer mesh at the curved surface",
            )


def _check_filling(points: FloatArray, cells: IntArray, lattice: FloatArray, origin: str) -> None:
    plane = points.shape[1] == 2
    sizes = triangle_areas(points, cells) if plane else cell_volumes(points, cells)
    filled, unit = float(sizes.sum()), "nm^2" if plane else "nm^3"
    period = float(abs(np.linalg.det(lattice)))
    if abs(filled / period - 1.0) > 1e-6:
        raise InputError(
            [
                Finding(
                    file=origin,
                    key="period_nm",
                    found=f"bodies of {filled:.9g} {unit} in a period of {period:.9g} {unit}",
                    allowed="bodies that fill one period exactly once",
                    remedy="check period_nm and length_unit_nm; fill holes with a phase of their "
                    "own; remove bodies that overlap",
                )
            ]
        )
