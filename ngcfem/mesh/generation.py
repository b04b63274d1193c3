"""From a periodic cell to a checked periodic mesh, with a cache keyed by content."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

import gmsh
import numpy as np

from ngcfem.errors import InputError, RefusedError
from ngcfem.mesh import cache
from ngcfem.mesh.box_meshing import RawMesh, mesh_box_cell
from ngcfem.mesh.element_sizes import ElementSizes
from ngcfem.mesh.pairing import check_quotient, identify_nodes
from ngcfem.mesh.periodic_mesh import PeriodicMesh, body_order
from ngcfem.mesh.quality import QualityFloor, mesh_quality, refuse_poor_quality
from ngcfem.mesh.whole_cell import WholeCellOptions, mesh_whole_cells
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.quantities import FloatArray, IntArray

GENERATOR_VERSION = 2
"""Raised whenever the same cell and options give another mesh, so that the cache forgets."""


@dataclass(frozen=True)
class MeshOptions:
    """How a cell is meshed, apart from the edge length.

    Parameters
    ----------
    surface_size_factor : float
        Edge length on spheres over the edge length elsewhere.
    merge_fraction : float
        Edges of the grain polyhedra shorter than this share of the network thickness are merged.
    floor : QualityFloor
        Below what the mesh is refused.
    """

    surface_size_factor: float = 0.7
    merge_fraction: float = 1.0 / 3.0
    floor: QualityFloor = field(default_factory=QualityFloor)


def mesh_key(cell: PeriodicCell, size_nm: float, options: MeshOptions) -> str:
    """Content hash that names a generated mesh in the cache.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    size_nm : float
        Edge length asked for in nm.
    options : MeshOptions
        The other options.

    Returns
    -------
    str
        Hexadecimal SHA-256 over the cell, the options and the versions of Gmsh and the generator.
    """
    document = {
        "cell": cell.to_json(),
        "size_nm": float(size_nm),
        "options": asdict(options),
        "gmsh": gmsh.GMSH_API_VERSION,
        "generator": GENERATOR_VERSION,
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def generate_mesh(
    cell: PeriodicCell,
    size_nm: float,
    options: MeshOptions | None = None,
    use_cache: bool = True,
) -> PeriodicMesh:
    """Mesh a periodic cell with straight-sided tetrahedra.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of any kind.
    size_nm : float
        Edge length asked for in nm.
    options : MeshOptions, optional
        Grading and quality floor.
    use_cache : bool
        Whether a mesh of the same content may be taken from the cache and is put there.

    Returns
    -------
    PeriodicMesh
        Checked: positive volumes that add up to the cell, phase fractions of the geometry, sound
        periodic topology, quality above the floor.

    Raises
    ------
    RefusedError
        If the mesh is too coarse to be periodic, or below the quality floor, or Gmsh fails.
    ValueError
        If ``size_nm`` is not positive.

    Notes
    -----
    The same cell, options, Gmsh version and platform give the same mesh, bit for bit.
    """
    options = options or MeshOptions()
    if not size_nm > 0.0:
        raise ValueError(f"size_nm must be positive, not {size_nm}")
    key = mesh_key(cell, size_nm, options)
    stored = cache.load(key) if use_cache else None
    if stored is not None:
        return stored
    origin = f"generated {cell.kind}"
    try:
        raw = _raw_mesh(cell, size_nm, options)
        mesh = periodic_from_raw(raw, cell)
    except InputError as error:
        # Gmsh, not the user, made the nodes that do not pair
        raise RefusedError(f"{origin}: the generated mesh is not periodic: {error}") from error
    quality = mesh_quality(mesh, geometric_fractions(cell))
    if abs(quality.volume_nm3 / cell.volume_nm3 - 1.0) > 1e-9:
        raise RefusedError(
            f"{origin}: the tetrahedra fill {quality.volume_nm3:.9g} nm^3 of a cell of "
            f"{cell.volume_nm3:.9g} nm^3"
        )
    refuse_poor_quality(quality, options.floor, origin)
    if use_cache:
        cache.store(key, mesh)
    return mesh


def _raw_mesh(cell: PeriodicCell, size_nm: float, options: MeshOptions) -> RawMesh:
    surface_size = options.surface_size_factor * size_nm
    if cell.number_of_grains == 0:
        return mesh_box_cell(cell, size_nm, surface_size)
    merge = options.merge_fraction * cell.interface_thickness_nm
    sizes = ElementSizes(size_nm, surface_size)
    return mesh_whole_cells(cell, WholeCellOptions(sizes, merge, workers=1))[0]


def periodic_from_raw(raw: RawMesh, cell: PeriodicCell) -> PeriodicMesh:
    """Orient, identify and check the tetrahedra that Gmsh made for a cell.

    Parameters
    ----------
    raw : RawMesh
        Nodes and tetrahedra.
    cell : PeriodicCell
        The geometry they belong to.

    Returns
    -------
    PeriodicMesh
        With every node exactly one period away from its representative.

    Raises
    ------
    InputError
        If the nodes do not pair.
    RefusedError
        If the mesh is too coarse for the periodic topology.
    """
    order = body_order(raw.phase, raw.grain)
    cells = raw.cells[order]
    torus_node = identify_nodes(raw.points, cells, cell.lattice)
    points = snapped_to_images(raw.points, torus_node, cell.lattice)
    check_quotient(points, cells, torus_node)
    return PeriodicMesh(
        points=points,
        cells=cells,
        torus_node=torus_node,
        lattice=cell.lattice,
        periodic=True,
        phase=raw.phase[order],
        phase_names=cell.phase_names,
        grain=raw.grain[order],
    )


def snapped_to_images(points: FloatArray, torus_node: IntArray, lattice: FloatArray) -> FloatArray:
    """Positions moved by round-off so that images are exactly a period apart.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Node positions.
    torus_node : ndarray of int, shape (n,)
        Representative of each node.
    lattice : ndarray, shape (3, 3)
        Period vectors as rows.

    Returns
    -------
    ndarray, shape (n, 3)
        Representative position plus the nearest lattice vector.
    """
    base = points[torus_node]
    shift = np.round((points - base) @ np.linalg.inv(lattice))
    return base + shift @ lattice
