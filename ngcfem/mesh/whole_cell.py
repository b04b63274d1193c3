"""Meshes of nanoglass cells: the union of whole Laguerre cells, each filled on its own."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.mesh.box_meshing import RawMesh
from ngcfem.mesh.element_sizes import ElementSizes
from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.mesh.grain_complex import GrainRequest, is_closed
from ngcfem.mesh.grain_filling import FilledGrain, FillingAttempt, fill_grain, surface_leash
from ngcfem.mesh.isolated_process import IsolatedProcess
from ngcfem.mesh.meshing_record import GrainRecord, MeshProgress
from ngcfem.mesh.pairing import identify_nodes
from ngcfem.mesh.polygon_surface import (
    MeshedPolygon,
    clean_ring,
    joined,
    merged_points,
    merged_until_apart,
    mesh_polygon,
)
from ngcfem.mesh.relaxation import relax_nodes
from ngcfem.mesh.worker_pool import WorkerPool
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.tessellation import LaguerreCell, laguerre_cells
from ngcfem.quantities import FloatArray, IntArray

_ALGORITHMS = (1, 10)
_OPTIMIZERS = ("Netgen", "")
_FACTORS = ((1.0, 1.0), (0.93, 0.6), (0.86, 1.2), (0.8, 0.3))
"""Factors on edge lengths and merging length of the inner surfaces, turn by turn."""

_CONTENT_DIHEDRAL_DEG = 12.0
_CONTENT_GAMMA = 0.15
_CONTENT_SLENDERNESS = 3.0
"""Edge length over half the thickness of the network up to which the two above are asked for."""
_LIMIT_S = 900.0


@dataclass(frozen=True)
class WholeCellOptions:
    """How the whole Laguerre cells are meshed.

    Parameters
    ----------
    sizes : ElementSizes
        Edge lengths asked for.
    merge_nm : float
        Length up to which edges of the polyhedra collapse; at most a third of the thickness of the
        network is sensible.
    spin : int
        Seed of the turns of the crystal surfaces.
    """

    sizes: ElementSizes
    merge_nm: float
    spin: int = 0


def mesh_whole_cells(
    cell: PeriodicCell,
    options: WholeCellOptions,
    pool: WorkerPool,
    progress: MeshProgress | None = None,
) -> tuple[RawMesh, tuple[GrainRecord, ...]]:
    """Mesh a cell of the kind ``nanocomposite`` or ``nanoglass``.

    Parameters
    ----------
    cell : PeriodicCell
        Grains, network and crystals.
    options : WholeCellOptions
        Edge lengths and the like.
    pool : WorkerPool
        Processes that fill grains at the same time; the mesh does not depend on their number.
    progress : callable, optional
        Called with the number of grains filled, their total and a text.

    Returns
    -------
    mesh : RawMesh
        Tetrahedra of the union of the whole Laguerre cells.
    records : tuple of GrainRecord
        What every grain took.

    Raises
    ------
    RefusedError
        If a grain could not be filled in any of the ways tried.

    Notes
    -----
    1. The domain is the union of whole Laguerre cells; nothing is cut by a box.
    2. Every face between two cells is meshed once and used, displaced, from both sides, so the mesh
       conforms modulo the lattice by construction. These faces lie inside the network and are no
       physical interface: their short edges are merged, without which the worst dihedral angle
       would be hundredths of a degree.
    3. Every cell is filled on its own, in a process beside this one that a crash of Gmsh may take:
       outer faces, the grain moved in by half the thickness of the network, crystals and caps
       inside, all scaled to their exact volumes. A cell that fails, or comes out badly, is tried
       again with other algorithms, without the Netgen optimizer, with inner surfaces of other
       edge lengths and with turned crystals; the best try is kept.
    4. Nodes are moved where that improves the worst tetrahedron, without a change of the volumes of
       the phases.
    """
    edges = np.diag(cell.lattice)
    grains = laguerre_cells(cell.sites, cell.weights, edges)
    with gmsh_session("faces between grains", _size_limits(options.sizes)):
        outer = _outer_surfaces(grains, edges, options.merge_nm, options.sizes.interface_nm)
    inside: list[list[int]] = [[] for _ in grains]
    for number, inclusion in enumerate(cell.inclusions):
        inside[inclusion.grain].append(number)
    requests = [
        GrainRequest(
            number,
            cell.phase_names,
            grain,
            0.5 * cell.interface_thickness_nm,
            options.merge_nm,
            tuple(cell.inclusions[k] for k in inside[number]),
            options.sizes,
            outer.points[outer.nodes[number]],
            outer.triangles[number],
        )
        for number, grain in enumerate(grains)
    ]

    def fill(process: IsolatedProcess, request: GrainRequest) -> tuple[FilledGrain, GrainRecord]:
        return _filled(process, request, options.spin)

    def finished(number: int) -> None:
        if progress is not None:
            progress(number, len(requests), "grains filled")

    filled = pool.run(fill, requests, finished)
    mesh = _assembled(cell, [grain for grain, _ in filled], outer, options)
    return mesh, tuple(record for _, record in filled)


def _size_limits(sizes: ElementSizes) -> dict[str, float]:
    return {
        "Mesh.MeshSizeMax": 1.6 * sizes.largest_nm,
        "Mesh.MeshSizeMin": 0.2 * sizes.smallest_nm,
    }


@dataclass(frozen=True, eq=False)
class _OuterSurfaces:
    """Faces between the grains: nodes of all, and of each grain its nodes and triangles."""

    points: FloatArray
    nodes: list[IntArray]
    triangles: list[IntArray]


def _outer_surfaces(
    grains: tuple[LaguerreCell, ...], edges: FloatArray, merge_nm: float, size_nm: float
) -> _OuterSurfaces:
    polygons = [facet.polygon for grain in grains for facet in grain.facets]
    corners = np.concatenate(polygons)
    label, merged = merged_until_apart(corners, max(merge_nm, 1e-6), edges)
    away = merged[label] - corners
    moved = corners + away - edges * np.round(away / edges)
    # in a cell of few grains a face can hold two images of one corner: tell them apart
    image = np.round((moved - merged[label]) / edges).astype(np.int64)
    _, corner = np.unique(np.column_stack([label, image]), axis=0, return_inverse=True)
    start = 0
    rings: dict[tuple[int, int, tuple[int, int, int]], tuple[IntArray, FloatArray] | None] = {}
    for number, grain in enumerate(grains):
        for facet in grain.facets:
            rows = slice(start, start + len(facet.polygon))
            rings[number, facet.neighbour, facet.shift] = clean_ring(corner[rows], moved[rows])
            start += len(facet.polygon)
    parts: list[list[MeshedPolygon]] = [[] for _ in grains]
    for (here, there, shift), ring in rings.items():
        back = (-shift[0], -shift[1], -shift[2])
        twin = (there, here, back)
        if ring is None or ((here, there, shift) > twin and twin in rings):
            continue
        part = mesh_polygon(ring[1], size_nm)
        parts[here].append(part)
        displaced = part.points - np.array(shift) * edges
        parts[there].append(MeshedPolygon(displaced, part.triangles[:, ::-1]))
    surfaces = [joined(own) for own in parts]
    for number, (_, triangles) in enumerate(surfaces):
        if not is_closed(triangles):
            raise RefusedError(
                f"grain {number}: the faces do not close after short edges were merged"
            )
    points = np.concatenate([own for own, _ in surfaces])
    label, shared = merged_points(points, 1e-6)
    first = np.cumsum([0, *(len(own) for own, _ in surfaces)])
    return _OuterSurfaces(
        shared,
        [label[start:end] for start, end in pairwise(first.tolist())],
        [triangles for _, triangles in surfaces],
    )


def _filled(
    process: IsolatedProcess, request: GrainRequest, spin: int
) -> tuple[FilledGrain, GrainRecord]:
    # the elements of a network that is thin against their edges are flat, whatever is done
    slenderness = max(1.0, request.sizes.interface_nm / request.inset_nm / _CONTENT_SLENDERNESS)
    content_dihedral_deg = _CONTENT_DIHEDRAL_DEG / slenderness
    content_gamma = _CONTENT_GAMMA / slenderness
    best: FilledGrain | None = None
    best_score, reasons, attempts = -1.0, [], 0
    for turn, (factor, merging) in enumerate(_FACTORS):
        for algorithm in _ALGORITHMS:
            for optimizer in _OPTIMIZERS:
                attempts += 1
                attempt = FillingAttempt(factor, merging, algorithm, optimizer, spin + turn)
                try:
                    tried: FilledGrain = process.call(
                        fill_grain, request, attempt, limit_s=_LIMIT_S
                    )
                except RuntimeError as error:
                    reasons.append(str(error))
                    continue
                score = min(
                    tried.minimum_dihedral_angle_deg / content_dihedral_deg,
                    tried.minimum_gamma / content_gamma,
                )
                if score > best_score:
                    best, best_score = tried, score
                if score < 1.0:
                    reasons.append(
                        f"worst dihedral angle {tried.minimum_dihedral_angle_deg:.1f} degrees, "
                        f"gamma {tried.minimum_gamma:.2f}"
                    )
                break
            if best_score >= 1.0:
                break
        if best_score >= 1.0:
            break
    if best is None or best_score <= 0.0:
        raise RefusedError(
            f"grain {request.number} could not be filled with elements of "
            f"{request.sizes.interface_nm:g} nm: {'; '.join(dict.fromkeys(reasons))}"
        )
    record = GrainRecord(
        request.number,
        attempts,
        best.minimum_dihedral_angle_deg,
        best.minimum_gamma,
        tuple(dict.fromkeys(reasons)),
    )
    return best, record


def _assembled(
    cell: PeriodicCell,
    filled: list[FilledGrain],
    outer: _OuterSurfaces,
    options: WholeCellOptions,
) -> RawMesh:
    points, cells = [outer.points], []
    first = len(outer.points)
    for grain, nodes in zip(filled, outer.nodes, strict=True):
        own = grain.mesh.points[len(nodes) :]
        number = np.concatenate([nodes, first + np.arange(len(own))])
        points.append(own)
        cells.append(number[grain.mesh.cells])
        first += len(own)
    mesh = RawMesh(
        points=np.concatenate(points),
        cells=np.concatenate(cells),
        phase=np.concatenate([grain.mesh.phase for grain in filled]),
        grain=np.concatenate([grain.mesh.grain for grain in filled]),
    )
    torus_node = identify_nodes(mesh.points, mesh.cells, cell.lattice)
    relaxed = relax_nodes(
        mesh.points,
        mesh.cells,
        torus_node,
        np.zeros(len(mesh.points), dtype=bool),
        mesh.phase.astype(np.int64),
        surface_leash(options.merge_nm, options.sizes),
    )
    return RawMesh(relaxed, mesh.cells, mesh.phase, mesh.grain)
