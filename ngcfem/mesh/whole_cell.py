"""Meshes of nanoglass cells: the union of whole Laguerre cells, each filled on its own."""

from dataclasses import dataclass

import gmsh
import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.mesh.box_meshing import RawMesh, collect_tetrahedra
from ngcfem.mesh.capped_sphere import capped_sphere
from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.mesh.isolated_process import IsolatedProcess
from ngcfem.mesh.pairing import identify_nodes
from ngcfem.mesh.polygon_surface import (
    MeshedPolygon,
    clean_ring,
    grain_surface,
    joined,
    merged_points,
    mesh_polygon,
)
from ngcfem.mesh.quality import tetrahedron_shapes
from ngcfem.mesh.relaxation import relax_nodes
from ngcfem.mesh.sphere_surface import geodesic_sphere
from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.microstructure.tessellation import LaguerreCell, laguerre_cells
from ngcfem.quantities import (
    GRAIN,
    INTERFACE,
    NANOCRYSTAL,
    SC_RICH,
    BoolArray,
    FloatArray,
    IntArray,
)

_ALGORITHMS = (1, 10)
_OPTIMIZERS = ("Netgen", "")
_SIZE_FACTORS = (1.0, 0.93, 0.86, 0.8)
_CONTENT_DIHEDRAL_DEG = 9.0
_CONTENT_GAMMA = 0.12


@dataclass(frozen=True, eq=False)
class _Surface:
    points: FloatArray
    triangles: tuple[IntArray, ...]


@dataclass(frozen=True, eq=False)
class _Request:
    """One grain to be filled, with the Gmsh options that hold for it."""

    phase_names: tuple[str, ...]
    number: int
    grain: LaguerreCell
    inset_nm: float
    inside: list[Inclusion]
    options: dict[str, float]


@dataclass(frozen=True, eq=False)
class _FilledGrain:
    mesh: RawMesh
    on_interface: BoolArray


def mesh_whole_cells(
    cell: PeriodicCell, size_nm: float, surface_size_nm: float, merge_nm: float
) -> RawMesh:
    """Mesh a cell of the kind ``nanocomposite`` or ``nanoglass``.

    Parameters
    ----------
    cell : PeriodicCell
        Grains, network and crystals.
    size_nm : float
        Edge length asked for.
    surface_size_nm : float
        Edge length asked for on crystals and caps.
    merge_nm : float
        Length up to which edges of the polyhedra collapse; at most a third of the thickness of the
        network is sensible.

    Returns
    -------
    RawMesh
        Tetrahedra of the union of the whole Laguerre cells.

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
       inside. A cell that fails, or comes out badly, is tried again with other algorithms, without
       the Netgen optimizer and with finer inner surfaces; the best try is kept.
    4. Grains, crystals and caps are scaled to their exact volumes.
    5. Nodes that lie on no physical interface are moved where that improves the worst tetrahedron.
    """
    edges = np.diag(cell.lattice)
    grains = laguerre_cells(cell.sites, cell.weights, edges)
    options = {
        "Mesh.MeshSizeMax": 1.6 * size_nm,
        "Mesh.MeshSizeMin": 0.2 * size_nm,
    }
    filled = []
    with IsolatedProcess() as process, gmsh_session("whole cells", options):
        outer = _outer_surfaces(grains, edges, merge_nm, size_nm)
        for number, grain in enumerate(grains):
            inside = [i for i in cell.inclusions if i.grain == number]
            request = _Request(
                cell.phase_names, number, grain, 0.5 * cell.interface_thickness_nm, inside, options
            )
            filled.append(
                _fill(process, request, outer[number], size_nm, surface_size_nm, merge_nm)
            )
    return _assembled(cell, filled)


def _outer_surfaces(
    grains: tuple[LaguerreCell, ...], edges: FloatArray, merge_nm: float, size_nm: float
) -> list[_Surface]:
    polygons = [facet.polygon for grain in grains for facet in grain.facets]
    corners = np.concatenate(polygons)
    label, merged = merged_points(corners, max(merge_nm, 1e-6), edges)
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
    surfaces = []
    for number, own in enumerate(parts):
        points, triangles = joined(own)
        if not _closed(triangles):
            raise RefusedError(
                f"grain {number}: the faces do not close after short edges were merged. "
                "Use another seed."
            )
        surfaces.append(_Surface(points, (triangles,)))
    return surfaces


def _closed(triangles: IntArray) -> bool:
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    directed = set(map(tuple, edges.tolist()))
    return len(directed) == len(edges) and all((j, i) in directed for i, j in directed)


def _fill(
    process: IsolatedProcess,
    request: _Request,
    outer: _Surface,
    size_nm: float,
    surface_size_nm: float,
    merge_nm: float,
) -> _FilledGrain:
    best: _FilledGrain | None = None
    best_score, reasons = -1.0, []
    for factor in _SIZE_FACTORS:
        try:
            surfaces = _inner_surfaces(
                request, factor * size_nm, factor * surface_size_nm, merge_nm
            )
        except RuntimeError as error:
            reasons.append(str(error))
            continue
        for algorithm in _ALGORITHMS:
            tried = _tried(process, request, [outer, *surfaces], algorithm, reasons)
            if tried is None:
                continue
            shapes = tetrahedron_shapes(tried.mesh.points[tried.mesh.cells])
            if np.any(shapes.volume <= 0.0):
                reasons.append("inverted tetrahedra")
                continue
            score = min(
                float(shapes.minimum_dihedral_angle_deg.min()) / _CONTENT_DIHEDRAL_DEG,
                float(shapes.gamma.min()) / _CONTENT_GAMMA,
            )
            if score > best_score:
                best, best_score = tried, score
            if best_score >= 1.0:
                break
        if best_score >= 1.0:
            break
    if best is None:
        raise RefusedError(
            f"grain {request.number} could not be meshed with elements of {size_nm:g} nm: "
            f"{'; '.join(dict.fromkeys(reasons))}. Use a smaller size_nm or another seed."
        )
    return best


def _tried(
    process: IsolatedProcess,
    request: _Request,
    surfaces: list[_Surface],
    algorithm: int,
    reasons: list[str],
) -> _FilledGrain | None:
    """Fill a grain in the other process; without the optimizer where that fails."""
    for optimizer in _OPTIMIZERS:
        try:
            filled: _FilledGrain = process.call(
                _filled_once, request, surfaces, algorithm, optimizer
            )
        except RuntimeError as error:
            reasons.append(str(error))
        else:
            return filled
    return None


def _inner_surfaces(
    request: _Request, size_nm: float, surface_size_nm: float, merge_nm: float
) -> list[_Surface]:
    points, triangles = grain_surface(request.grain, request.inset_nm, merge_nm, size_nm)
    if not _closed(triangles):
        raise RuntimeError("the surface of the grain does not close after short edges were merged")
    surfaces = [_Surface(points, (triangles,))]
    for inclusion in request.inside:
        if inclusion.cap is None:
            nodes, sphere = geodesic_sphere(inclusion.radius_nm, surface_size_nm)
            surfaces.append(_Surface(nodes + np.array(inclusion.centre_nm), (sphere,)))
        else:
            capped = capped_sphere(inclusion, surface_size_nm)
            surfaces.append(
                _Surface(capped.points, (capped.under_cap, capped.bare, capped.over_cap))
            )
    return surfaces


def _filled_once(
    request: _Request, surfaces: list[_Surface], algorithm: int, optimizer: str
) -> _FilledGrain:
    with gmsh_session("one cell", request.options):
        return _filled_in_session(request, surfaces, algorithm, optimizer)


def _filled_in_session(
    request: _Request, surfaces: list[_Surface], algorithm: int, optimizer: str
) -> _FilledGrain:
    gmsh.option.setNumber("Mesh.Algorithm3D", algorithm)
    tags, first = [], 1
    for surface in surfaces:
        own = []
        for k, triangles in enumerate(surface.triangles):
            tag = gmsh.model.addDiscreteEntity(2)
            if k == 0:
                nodes = first + np.arange(len(surface.points))
                gmsh.model.mesh.addNodes(2, tag, nodes.tolist(), surface.points.ravel().tolist())
            gmsh.model.mesh.addElementsByType(tag, 2, [], (triangles + first).ravel().tolist())
            own.append(tag)
        tags.append(own)
        first += len(surface.points)
    geo = gmsh.model.geo
    phase = {name: index for index, name in enumerate(request.phase_names)}
    mid_loop, grain_loop = geo.addSurfaceLoop(tags[0]), geo.addSurfaceLoop(tags[1])
    volumes, holes = [], []
    for inclusion, own in zip(request.inside, tags[2:], strict=True):
        if inclusion.cap is None:
            loop = geo.addSurfaceLoop(own)
            volumes.append((geo.addVolume([loop]), phase[NANOCRYSTAL]))
            holes.append(loop)
        else:
            under, bare, over = own
            crystal = geo.addVolume([geo.addSurfaceLoop([under, bare])])
            cap = geo.addVolume([geo.addSurfaceLoop([under, over])])
            volumes += [(crystal, phase[NANOCRYSTAL]), (cap, phase[SC_RICH])]
            holes.append(geo.addSurfaceLoop([bare, over]))
    volumes.append((geo.addVolume([grain_loop, *holes]), phase[GRAIN]))
    volumes.append((geo.addVolume([mid_loop, grain_loop]), phase[INTERFACE]))
    geo.synchronize()
    gmsh.model.mesh.generate(3)
    gmsh.model.mesh.optimize(optimizer)
    mesh = collect_tetrahedra(volumes)
    grains = np.full(len(mesh.cells), request.number, dtype=np.int32)
    return _FilledGrain(
        RawMesh(mesh.points, mesh.cells, mesh.phase, grains), _nodes_between_phases(mesh)
    )


def _nodes_between_phases(mesh: RawMesh) -> BoolArray:
    lowest = np.full(len(mesh.points), np.iinfo(np.int32).max, dtype=np.int32)
    highest = np.full(len(mesh.points), -1, dtype=np.int32)
    for corner in range(4):
        np.minimum.at(lowest, mesh.cells[:, corner], mesh.phase)
        np.maximum.at(highest, mesh.cells[:, corner], mesh.phase)
    return lowest != highest


def _assembled(cell: PeriodicCell, filled: list[_FilledGrain]) -> RawMesh:
    points = np.concatenate([grain.mesh.points for grain in filled])
    counts = [len(grain.mesh.points) for grain in filled]
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    cells = np.concatenate(
        [grain.mesh.cells + start for grain, start in zip(filled, first.tolist(), strict=True)]
    )
    label, merged = merged_points(points, 1e-6)
    cells = label[cells]
    fixed = np.zeros(len(merged), dtype=bool)
    np.logical_or.at(fixed, label, np.concatenate([grain.on_interface for grain in filled]))
    torus_node = identify_nodes(merged, cells, cell.lattice)
    relaxed = relax_nodes(merged, cells, torus_node, fixed)
    return RawMesh(
        points=relaxed,
        cells=cells,
        phase=np.concatenate([grain.mesh.phase for grain in filled]),
        grain=np.concatenate([grain.mesh.grain for grain in filled]),
    )
