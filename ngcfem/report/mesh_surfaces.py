"""Surfaces of the bodies of a mesh, phase by phase and grain by grain."""

import numpy as np

from ngcfem.mesh.periodic_mesh import TETRAHEDRON_FACETS, TRIANGLE_EDGES, PeriodicMesh
from ngcfem.quantities import BoolArray, FloatArray, IntArray
from ngcfem.report.bodies import Body

PLANE_THICKNESS_NM = 1.0


def mesh_bodies(mesh: PeriodicMesh) -> tuple[Body, ...]:
    """Take the surfaces of all bodies out of a mesh.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh. One of the plane gets its thickness of 1 nm.

    Returns
    -------
    tuple of Body
        One for each phase in each grain; midside nodes are left out.
    """
    corners = mesh.cells[:, : mesh.dimension + 1]
    table = np.array(TETRAHEDRON_FACETS if mesh.dimension == 3 else TRIANGLE_EDGES)
    facets = corners[:, table].reshape(-1, table.shape[1])
    cell = np.repeat(np.arange(len(corners)), len(table))
    beyond = _cell_beyond(facets, cell)
    inside = beyond >= 0
    same_phase = inside & (mesh.phase[beyond] == mesh.phase[cell])
    same_body = same_phase & (mesh.grain[beyond] == mesh.grain[cell])
    bodies = []
    keys = np.stack([mesh.phase, mesh.grain], axis=1)
    for phase, grain in np.unique(keys, axis=0).tolist():
        own = (mesh.phase == phase) & (mesh.grain == grain)
        rows = own[cell] & ~same_body
        if mesh.dimension == 3:
            nodes, triangles = np.unique(facets[rows], return_inverse=True)
            shape = mesh.points[nodes], triangles.reshape(-1, 3), ~same_phase[rows]
        else:
            shape = _prism(mesh.points, corners[own], facets[rows], ~same_phase[rows])
        bodies.append(Body(phase, grain, *shape))
    return tuple(bodies)


def _cell_beyond(facets: IntArray, cell: IntArray) -> IntArray:
    """Cell on the other side of each facet, -1 where there is none."""
    keys = np.sort(facets, axis=1)
    order = np.lexsort(keys.T[::-1])
    ordered = keys[order]
    twin = np.all(ordered[1:] == ordered[:-1], axis=1)
    first = np.flatnonzero(twin)
    beyond = np.full(len(facets), -1, dtype=np.int64)
    beyond[order[first]] = cell[order[first + 1]]
    beyond[order[first + 1]] = cell[order[first]]
    return beyond


def _prism(
    points: FloatArray, triangles: IntArray, sides: IntArray, outer: BoolArray
) -> tuple[FloatArray, IntArray, BoolArray]:
    nodes, rows = np.unique(triangles, return_inverse=True)
    below = rows.reshape(-1, 3)
    number = len(nodes)
    left, right = np.searchsorted(nodes, sides).T
    flat = np.column_stack([points[nodes], np.zeros(number)])
    raised = flat + np.array([0.0, 0.0, PLANE_THICKNESS_NM])
    walls = [
        np.column_stack([left, right, right + number]),
        np.column_stack([left, right + number, left + number]),
    ]
    faces = [below[:, ::-1], below + number, *walls]
    shown = np.ones(2 * len(below), dtype=bool)
    return np.concatenate([flat, raised]), np.concatenate(faces), np.r_[shown, outer, outer]
