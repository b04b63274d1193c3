"""Periodic meshes of box-shaped cells: one phase, layers, one sphere."""

from dataclasses import dataclass
from itertools import pairwise

import gmsh
import numpy as np

from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.mesh.sphere_surface import geodesic_sphere
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.quantities import FloatArray, Int32Array, IntArray

MINIMUM_DIVISIONS = 3
"""Fewest elements across a periodic cell for which the identified topology is sound."""

UNSTRUCTURED_DIVISIONS = 5.0
"""Elements across the cell from which on a homogeneous box is meshed without structure."""


@dataclass(frozen=True, eq=False)
class RawMesh:
    """Nodes and tetrahedra as Gmsh made them, before the nodes are identified.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Node positions in nm.
    cells : ndarray of int, shape (m, 4)
        Node numbers.
    phase : ndarray of int32, shape (m,)
        Index into the phase names of the cell.
    grain : ndarray of int32, shape (m,)
        Grain number, -1 where there is none.
    """

    points: FloatArray
    cells: IntArray
    phase: Int32Array
    grain: Int32Array


def collect_tetrahedra(volumes: list[tuple[int, int]]) -> RawMesh:
    """Take the tetrahedra of given volumes out of the current Gmsh model.

    Parameters
    ----------
    volumes : list of (int, int)
        Entity tag and phase index.

    Returns
    -------
    RawMesh
        Only the nodes that are used, in the order of their tags.

    Raises
    ------
    RuntimeError
        If a volume holds no tetrahedra.
    """
    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    points = np.asarray(coordinates, dtype=float).reshape(-1, 3)
    cells, phase = [], []
    for volume, index in volumes:
        _, nodes = gmsh.model.mesh.getElementsByType(4, volume)
        if len(nodes) == 0:
            raise RuntimeError(f"volume {volume} was not filled")
        cells.append(np.asarray(nodes, dtype=np.int64).reshape(-1, 4))
        phase.append(np.full(len(cells[-1]), index, dtype=np.int32))
    by_tag = np.concatenate(cells)
    used = np.unique(by_tag)
    tags = np.asarray(tags, dtype=np.int64)
    order = np.argsort(tags, kind="stable")
    rows = order[np.searchsorted(tags[order], used)]
    number = np.concatenate(phase)
    return RawMesh(
        points=points[rows],
        cells=np.searchsorted(used, by_tag),
        phase=number,
        grain=np.full(len(number), -1, dtype=np.int32),
    )


_CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))


def mesh_layers(cell: PeriodicCell, size_nm: float) -> RawMesh:
    """Mesh a homogeneous or laminated box with a regular grid of boxes, six tetrahedra each.

    Parameters
    ----------
    cell : PeriodicCell
        Cell of the kind ``homogeneous`` or ``laminate``.
    size_nm : float
        Edge length asked for; at least three divisions are made across the cell in every direction.

    Returns
    -------
    RawMesh
        Tetrahedra with the phase of each layer.

    Notes
    -----
    Gmsh cuts every box of a transfinite volume in the same way, so opposite faces match.
    """
    edges = np.diag(cell.lattice)
    if cell.layers:
        axis = cell.layer_axis
        fractions = np.array([layer.fraction for layer in cell.layers])
        phases = [cell.phase_names.index(layer.phase) for layer in cell.layers]
    else:
        axis, fractions, phases = 2, np.ones(1), [0]
    u, v = (axis + 1) % 3, (axis + 2) % 3
    heights = np.concatenate([[0.0], np.cumsum(fractions)]) * edges[axis]
    heights[-1] = edges[axis]
    along = np.maximum(1, np.round(np.diff(heights) / size_nm).astype(int))
    while along.sum() < MINIMUM_DIVISIONS:
        along[np.argmax(np.diff(heights) / along)] += 1
    across = [max(MINIMUM_DIVISIONS, round(edges[k] / size_nm)) for k in (u, v)]

    geo = gmsh.model.geo
    with gmsh_session("layers", {"Mesh.Optimize": 0}):
        rings, horizontal = [], []
        for height in heights:
            ring = []
            for i, j in _CORNERS:
                position = np.zeros(3)
                position[axis], position[u], position[v] = height, i * edges[u], j * edges[v]
                ring.append(geo.addPoint(*position))
            lines = [geo.addLine(ring[k], ring[(k + 1) % 4]) for k in range(4)]
            for k, line in enumerate(lines):
                geo.mesh.setTransfiniteCurve(line, across[k % 2] + 1)
            surface = geo.addPlaneSurface([geo.addCurveLoop(lines)])
            geo.mesh.setTransfiniteSurface(surface, "Left", ring)
            rings.append((ring, lines))
            horizontal.append(surface)
        volumes = []
        for number, ((low, low_lines), (high, high_lines)) in enumerate(pairwise(rings)):
            posts = [geo.addLine(low[k], high[k]) for k in range(4)]
            for post in posts:
                geo.mesh.setTransfiniteCurve(post, int(along[number]) + 1)
            sides = []
            for k in range(4):
                n = (k + 1) % 4
                loop = geo.addCurveLoop([low_lines[k], posts[n], -high_lines[k], -posts[k]])
                sides.append(geo.addPlaneSurface([loop]))
                geo.mesh.setTransfiniteSurface(
                    sides[-1], "Left", [low[k], low[n], high[n], high[k]]
                )
            shell = geo.addSurfaceLoop([horizontal[number], horizontal[number + 1], *sides])
            volume = geo.addVolume([shell])
            geo.mesh.setTransfiniteVolume(volume, [*low, *high])
            volumes.append((volume, phases[number]))
        geo.synchronize()
        gmsh.model.mesh.generate(3)
        return collect_tetrahedra(volumes)


def mesh_box(cell: PeriodicCell, size_nm: float, surface_size_nm: float) -> RawMesh:
    """Mesh a box, with a sphere in it or empty, without structure.

    Parameters
    ----------
    cell : PeriodicCell
        Cell of the kind ``sphere`` or ``homogeneous``.
    size_nm : float
        Edge length asked for on the faces of the box.
    surface_size_nm : float
        Edge length asked for on the sphere.

    Returns
    -------
    RawMesh
        Tetrahedra; the sphere has its exact volume.

    Notes
    -----
    1. Each face of the box is meshed as the translated copy of the opposite one.
    2. The sphere is a fixed triangulation (``geodesic_sphere``); the size grows from it to the
       faces.
    3. Gmsh fills the two volumes by constrained Delaunay and moves interior nodes only.
    """
    edges = np.diag(cell.lattice)
    geo = gmsh.model.geo
    with gmsh_session("box", {"Mesh.MeshSizeMax": 1.5 * size_nm}):
        grid = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
        point = {g: geo.addPoint(*(np.array(g) * edges), size_nm) for g in grid}
        line = {
            (a, b): geo.addLine(point[a], point[b])
            for a in grid
            for b in grid
            if a < b and sum(x != y for x, y in zip(a, b, strict=True)) == 1
        }
        faces: dict[tuple[int, int], int] = {}
        for axis in range(3):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            for end in (0, 1):
                ring = []
                for i, j in _CORNERS:
                    corner = [0, 0, 0]
                    corner[axis], corner[u], corner[v] = end, i, j
                    ring.append((corner[0], corner[1], corner[2]))
                loop = [
                    line[a, b] if (a, b) in line else -line[b, a]
                    for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)
                ]
                faces[axis, end] = geo.addPlaneSurface([geo.addCurveLoop(loop)])
        geo.synchronize()
        for axis in range(3):
            affine = np.eye(4)
            affine[axis, 3] = edges[axis]
            gmsh.model.mesh.setPeriodic(
                2, [faces[axis, 1]], [faces[axis, 0]], affine.ravel().tolist()
            )
        box = geo.addSurfaceLoop(list(faces.values()))
        if cell.inclusions:
            sphere = cell.inclusions[0]
            nodes, triangles = geodesic_sphere(sphere.radius_nm, surface_size_nm)
            surface = gmsh.model.addDiscreteEntity(2)
            first = 10**6
            gmsh.model.mesh.addNodes(
                2,
                surface,
                (first + np.arange(len(nodes))).tolist(),
                (nodes + np.array(sphere.centre_nm)).ravel().tolist(),
            )
            gmsh.model.mesh.addElementsByType(surface, 2, [], (triangles + first).ravel().tolist())
            shell = geo.addSurfaceLoop([surface])
            volumes = [(geo.addVolume([box, shell]), 0), (geo.addVolume([shell]), 1)]
        else:
            volumes = [(geo.addVolume([box]), 0)]
        geo.synchronize()
        gmsh.model.mesh.generate(3)
        gmsh.model.mesh.optimize("Netgen")
        return collect_tetrahedra(volumes)


def mesh_box_cell(cell: PeriodicCell, size_nm: float, surface_size_nm: float) -> RawMesh:
    """Mesh a box-shaped cell in the way its kind asks for.

    Parameters
    ----------
    cell : PeriodicCell
        Cell of the kind ``homogeneous``, ``glass``, ``laminate`` or ``sphere``.
    size_nm : float
        Edge length asked for.
    surface_size_nm : float
        Edge length asked for on a sphere.

    Returns
    -------
    RawMesh
        Tetrahedra.

    Notes
    -----
    A homogeneous box that is fewer than ``UNSTRUCTURED_DIVISIONS`` elements wide in some direction
    gets the regular grid, which is sound down to three divisions.
    """
    coarse = np.diag(cell.lattice).min() < UNSTRUCTURED_DIVISIONS * size_nm
    if cell.layers or (not cell.inclusions and coarse):
        return mesh_layers(cell, size_nm)
    return mesh_box(cell, size_nm, surface_size_nm)
