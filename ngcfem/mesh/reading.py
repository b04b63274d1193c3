"""Reading of mesh files: a user's, which knows nothing of ngcfem, or one that ngcfem wrote."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from ngcfem.errors import Finding, InputError
from ngcfem.mesh.gmsh_file import TetrahedraOfFile, read_tetrahedra
from ngcfem.mesh.pairing import check_quotient, identify_nodes
from ngcfem.mesh.periodic_mesh import TETRAHEDRON_EDGES, PeriodicMesh, body_order
from ngcfem.mesh.quality import cell_volumes, node_jacobians, tetrahedron_volumes
from ngcfem.quantities import FloatArray, Int32Array, IntArray

MESH_RECORD_VERSION = 1
_MIRRORED = {4: [1, 0, 2, 3], 10: [1, 0, 2, 3, 4, 6, 5, 9, 8, 7]}
_FLAT = 1e-10


def read_mesh(
    path: str | Path,
    length_unit_nm: float = 1.0,
    period_nm: FloatArray | None = None,
    periodic: bool = True,
) -> PeriodicMesh:
    """Read a user's Gmsh file.

    Parameters
    ----------
    path : str or Path
        File of format 2.2 or 4.1, ASCII or binary, of 4-node or 10-node tetrahedra.
    length_unit_nm : float
        Length in nm of one unit of the file.
    period_nm : ndarray, shape (3, 3), optional
        Period vectors as rows in nm; the bounding box by default.
    periodic : bool
        Whether boundary nodes are to be paired; False for uniform-displacement boundaries.

    Returns
    -------
    PeriodicMesh
        Phases are the names of the physical groups of the volumes. Where a phase has several
        volumes, the grain number is the tag of the volume; elsewhere it is -1.

    Raises
    ------
    InputError
        With every finding: missing names, other elements than tetrahedra, loose or duplicate nodes,
        flat or folded cells, boundary nodes that do not pair.
    RefusedError
        If the mesh is too coarse for the periodic topology.

    Notes
    -----
    Cells of the wrong orientation are turned. Pairs of nodes are found by position alone.
    """
    path = Path(path)
    found = read_tetrahedra(path)
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
        lattice = np.array(record["lattice_nm"], dtype=float).reshape(3, 3)
        periodic = bool(record["periodic"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            [Finding(str(record_path), "record", str(error), allowed, remedy)]
        ) from error
    found = read_tetrahedra(path)
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
    found: TetrahedraOfFile,
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
    inverted = tetrahedron_volumes(points[cells[:, :4]]) < 0.0
    turned = cells.copy()
    turned[inverted] = turned[inverted][:, _MIRRORED[cells.shape[1]]]
    return turned


def _defects(
    points: FloatArray, cells: IntArray, loose_nodes: int, origin: str
) -> Iterator[Finding]:
    if loose_nodes:
        yield Finding(
            file=origin,
            key="nodes",
            found=f"{loose_nodes} nodes that belong to no tetrahedron",
            allowed="nodes of tetrahedra (and of construction points and lines)",
            remedy="mesh every volume; remove what is left over with Gmsh: Mesh.SaveAll = 0 and "
            "named volumes, or meshio's remove_orphaned_nodes",
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
    edges = np.array(TETRAHEDRON_EDGES)
    length = np.linalg.norm(points[cells[:, edges[:, 1]]] - points[cells[:, edges[:, 0]]], axis=2)
    flat = tetrahedron_volumes(points[cells[:, :4]]) <= _FLAT * length.max(axis=1) ** 3
    if flat.any():
        yield Finding(
            file=origin,
            key="cells",
            found=f"{int(flat.sum())} tetrahedra of no volume",
            allowed="tetrahedra with four vertices that are not in one plane",
            remedy="optimize the mesh in Gmsh (Mesh.Optimize, Netgen) or mesh again",
        )
    elif cells.shape[1] == 10:
        folded = int((node_jacobians(points, cells) <= 0.0).any(axis=1).sum())
        if folded:
            yield Finding(
                file=origin,
                key="cells",
                found=f"{folded} curved tetrahedra that are folded at a node",
                allowed="a positive Jacobian at every node",
                remedy="Gmsh: Mesh.HighOrderOptimize = 2, or a finer mesh at the curved surface",
            )


def _check_filling(points: FloatArray, cells: IntArray, lattice: FloatArray, origin: str) -> None:
    filled = float(cell_volumes(points, cells).sum())
    period = float(abs(np.linalg.det(lattice)))
    if abs(filled / period - 1.0) > 1e-6:
        raise InputError(
            [
                Finding(
                    file=origin,
                    key="period_nm",
                    found=f"bodies of {filled:.9g} nm^3 in a period of {period:.9g} nm^3",
                    allowed="bodies that fill one period exactly once",
                    remedy="check period_nm and length_unit_nm; fill holes with a phase of their "
                    "own; remove bodies that overlap",
                )
            ]
        )
