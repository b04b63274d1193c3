"""The routes from a cell to a mesh, tried one after the other until one gives a good mesh."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ngcfem.errors import InputError, RefusedError
from ngcfem.mesh.box_meshing import RawMesh, mesh_box_cell
from ngcfem.mesh.isosurface_stuffing import stuff_cell
from ngcfem.mesh.meshing_options import MeshOptions
from ngcfem.mesh.meshing_record import GeneratedMesh, GrainRecord, MeshingRecord, MeshProgress
from ngcfem.mesh.pairing import TooCoarseError, check_quotient, identify_nodes
from ngcfem.mesh.periodic_mesh import PeriodicMesh, body_order
from ngcfem.mesh.plane_meshing import mesh_plane_cell
from ngcfem.mesh.plane_quality import PlaneMeshQuality, refuse_poor_plane_quality
from ngcfem.mesh.quality import measure_mesh, refuse_poor_quality
from ngcfem.mesh.relaxation import relax_nodes
from ngcfem.mesh.whole_cell import WholeCellOptions, mesh_whole_cells
from ngcfem.mesh.worker_pool import WorkerPool
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.quantities import FloatArray, IntArray

_VARIANTS = ((1.0, 1.0, 0), (0.6, 0.9, 100), (1.3, 0.8, 200))
"""Factors on merging length and edge lengths, and turns of the crystals, of whole-cell routes."""

_VOLUME_TOLERANCE = 1e-9


@dataclass(frozen=True)
class MeshingRoute:
    """One way to mesh a cell.

    Parameters
    ----------
    name : str
        What it is called in the record.
    make : callable
        Gives the tetrahedra and the records of the grains.
    """

    name: str
    make: Callable[[], tuple[RawMesh, tuple[GrainRecord, ...]]]


def mesh_by_routes(
    cell: PeriodicCell,
    size_nm: float,
    options: MeshOptions,
    pool: WorkerPool,
    progress: MeshProgress | None = None,
) -> GeneratedMesh:
    """Mesh a cell by the first route that gives a good mesh.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    size_nm : float
        Edge length asked for in nm.
    options : MeshOptions
        Local edge lengths and quality floor.
    pool : WorkerPool
        Processes that work at the same time; the mesh does not depend on their number.
    progress : callable, optional
        Told of the routes and of grains that are filled.

    Returns
    -------
    GeneratedMesh
        The mesh and the routes tried.

    Raises
    ------
    TooCoarseError
        If fewer than three or four elements cross the cell: no route mends that.
    RefusedError
        If no route gives a mesh above the floor, with the numbers of every route.

    Notes
    -----
    1. Boxes with layers or of one phase: a regular grid or an unstructured box, one route alone.
    2. Boxes with a sphere: an unstructured box, then isosurface stuffing.
    3. Plane cells: outlines filled grain by grain, and the same with finer outlines.
    4. Grains: whole Laguerre cells, whose grains are retried one by one; the same with other
       merging lengths, finer surfaces and turned crystals; then isosurface stuffing, which has no
       step that can fail but needs more tetrahedra.
    """
    given_up: list[str] = []
    for route in _routes(cell, size_nm, options, pool, progress):
        if progress is not None:
            text = route.name if not given_up else f"{route.name}, after {given_up[-1]}"
            progress(0, max(1, cell.number_of_grains), text)
        try:
            raw, grains = route.make()
            mesh = periodic_from_raw(raw, cell)
            _refuse_wrong_mesh(mesh, cell, options)
        except TooCoarseError:
            raise
        except InputError as error:
            # the mesher, not the user, made the nodes that do not pair
            given_up.append(f"{route.name}: not periodic: {error}")
        except RefusedError as error:
            given_up.append(f"{route.name}: {error}")
        else:
            retried = tuple(record for record in grains if record.attempts > 1)
            return GeneratedMesh(mesh, MeshingRecord(route.name, tuple(given_up), retried))
    raise RefusedError(
        f"generated {cell.kind}: no mesh above the quality floor:\n  "
        + "\n  ".join(given_up)
        + "\nChange size_nm or the seed."
    )


def _routes(
    cell: PeriodicCell,
    size_nm: float,
    options: MeshOptions,
    pool: WorkerPool,
    progress: MeshProgress | None,
) -> Iterator[MeshingRoute]:
    sizes = options.element_sizes(size_nm)
    if cell.dimension == 2:
        merge_nm = options.merge_fraction * cell.interface_thickness_nm
        for name, factor in (("plane", 1.0), ("plane, finer", 0.7)):
            finer = sizes.scaled(factor)
            yield MeshingRoute(
                name,
                lambda finer=finer: (
                    mesh_plane_cell(cell, finer, merge_nm, options.plane_pattern),
                    (),
                ),
            )
        return
    if cell.number_of_grains == 0:
        surface_nm = sizes.crystal_surface_nm
        yield MeshingRoute("box", lambda: (_relaxed_box(cell, size_nm, surface_nm), ()))
        if not cell.inclusions:
            return
    else:
        merge_nm = options.merge_fraction * cell.interface_thickness_nm
        for number, (merging, factor, spin) in enumerate(_VARIANTS):
            name = "whole cells" if number == 0 else f"whole cells, variant {number + 1}"
            varied = WholeCellOptions(sizes.scaled(factor), merging * merge_nm, spin)
            yield MeshingRoute(
                name, lambda varied=varied: mesh_whole_cells(cell, varied, pool, progress)
            )
    yield MeshingRoute("isosurface stuffing", lambda: (stuff_cell(cell, sizes.smallest_nm), ()))


def _relaxed_box(cell: PeriodicCell, size_nm: float, surface_nm: float) -> RawMesh:
    raw = mesh_box_cell(cell, size_nm, surface_nm)
    if cell.layers:
        return raw
    # the sphere keeps its nodes; those on the faces of the box move with their images
    points = relax_nodes(
        raw.points,
        raw.cells,
        identify_nodes(raw.points, raw.cells, cell.lattice),
        np.zeros(len(raw.points), dtype=bool),
        raw.phase.astype(np.int64),
    )
    return RawMesh(points, raw.cells, raw.phase, raw.grain)


def _refuse_wrong_mesh(mesh: PeriodicMesh, cell: PeriodicCell, options: MeshOptions) -> None:
    quality = measure_mesh(mesh, geometric_fractions(cell))
    if abs(quality.volume_nm3 / cell.volume_nm3 - 1.0) > _VOLUME_TOLERANCE:
        raise RefusedError(
            f"the cells of the mesh fill {quality.volume_nm3:.9g} nm^3 of a cell of "
            f"{cell.volume_nm3:.9g} nm^3"
        )
    if isinstance(quality, PlaneMeshQuality):
        refuse_poor_plane_quality(quality, options.plane_floor, f"generated {cell.kind}")
    else:
        refuse_poor_quality(quality, options.floor, f"generated {cell.kind}")


def periodic_from_raw(raw: RawMesh, cell: PeriodicCell) -> PeriodicMesh:
    """Turn, identify and check the tetrahedra that were made for a cell.

    Parameters
    ----------
    raw : RawMesh
        Nodes and tetrahedra in the frame of the cell.
    cell : PeriodicCell
        The geometry they belong to.

    Returns
    -------
    PeriodicMesh
        With every node exactly one period away from its representative, and turned by
        ``cell.rotation``.

    Raises
    ------
    InputError
        If the nodes do not pair.
    TooCoarseError
        If the mesh is too coarse for the periodic topology.
    """
    order = body_order(raw.phase, raw.grain)
    cells = raw.cells[order]
    points, lattice = raw.points, cell.lattice
    if not np.array_equal(cell.rotation, np.eye(len(cell.rotation))):
        points, lattice = points @ cell.rotation.T, lattice @ cell.rotation.T
    torus_node = identify_nodes(points, cells, lattice)
    points = snapped_to_images(points, torus_node, lattice)
    check_quotient(points, cells, torus_node, f"generated {cell.kind}")
    return PeriodicMesh(
        points=points,
        cells=cells,
        torus_node=torus_node,
        lattice=lattice,
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
