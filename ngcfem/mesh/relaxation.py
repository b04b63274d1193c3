"""Guarded motion of nodes that improves the worst tetrahedra of a periodic mesh."""

import numpy as np

from ngcfem.quantities import BoolArray, FloatArray, IntArray

_GOOD_DIHEDRAL_DEG = 20.0
_GOOD_LARGEST_DEG = 40.0
_GOOD_GAMMA = 0.3
_SWEEPS = 8
_TOWARDS_NEIGHBOURS = (0.7, 0.35, 0.15)
_RANDOM_TRIES = 12
_TINY = 1e-300
_PAIRS = np.array([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]).T


def tetrahedron_scores(corners: FloatArray) -> FloatArray:
    """Score of straight tetrahedra: 1 or more is good, 0 flat, negative inverted.

    Parameters
    ----------
    corners : ndarray, shape (m, 4, 3)
        Positions of the vertices.

    Returns
    -------
    ndarray, shape (m,)
        The smallest of: smallest dihedral angle over 20 degrees, 180 degrees minus the largest one
        over 40 degrees, gamma over 0.3.
    """
    # written out by component: the sets are small, and the generic routines spend their time on
    # arranging axes
    x = np.ascontiguousarray(corners.transpose(1, 2, 0))
    ax, ay, az = x[1] - x[0]
    bx, by, bz = x[2] - x[0]
    cx, cy, cz = x[3] - x[0]
    normals = np.empty((4, 3, len(corners)))
    normals[1] = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    normals[2] = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    normals[3] = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    normals[0] = -(normals[1] + normals[2] + normals[3])
    volume = ax * normals[1, 0] + ay * normals[1, 1] + az * normals[1, 2]
    area = np.sqrt((normals**2).sum(axis=1)) + _TINY
    unit = normals / area[:, None]
    cosines = -(unit[_PAIRS[0]] * unit[_PAIRS[1]]).sum(axis=1)
    smallest = np.degrees(np.arccos(np.clip(cosines.max(axis=0), -1.0, 1.0)))
    largest = np.degrees(np.arccos(np.clip(cosines.min(axis=0), -1.0, 1.0)))
    length = np.sqrt(((x[_PAIRS[0]] - x[_PAIRS[1]]) ** 2).sum(axis=1))
    u, v, w = length[0] * length[5], length[1] * length[4], length[2] * length[3]
    product = (u + v + w) * (u + v - w) * (u - v + w) * (v + w - u)
    circumradius = np.sqrt(np.maximum(product, 0.0)) + _TINY
    gamma = 12.0 * volume**2 / (area.sum(axis=0) * circumradius)
    score = np.minimum(smallest / _GOOD_DIHEDRAL_DEG, (180.0 - largest) / _GOOD_LARGEST_DEG)
    return np.where(volume > 0.0, np.minimum(score, gamma / _GOOD_GAMMA), -1.0)


def relax_nodes(
    points: FloatArray, cells: IntArray, torus_node: IntArray, fixed: BoolArray
) -> FloatArray:
    """Move free nodes of poor tetrahedra, all images of a node together.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Node positions in nm.
    cells : ndarray of int, shape (m, 4)
        Node numbers.
    torus_node : ndarray of int, shape (n,)
        Representative of each node modulo the lattice.
    fixed : ndarray of bool, shape (n,)
        Nodes that must stay: those on physical interfaces.

    Returns
    -------
    ndarray, shape (n, 3)
        New positions; no tetrahedron got worse than the worst one around each moved node was.

    Notes
    -----
    1. Sweep over the free nodes of tetrahedra with a score under 1, in the order of numbers.
    2. Each is tried at steps towards the mean of its neighbours and at random places (fixed seed)
       in a shrinking ball; the place with the best worst score around the node is taken if it beats
       the present one.
    3. Stop after ``_SWEEPS`` sweeps, or when a sweep moves nothing.
    """
    generator = np.random.default_rng(0)
    torus_cells = torus_node[cells]
    corners = points[cells].copy()
    order = np.argsort(torus_cells.ravel(), kind="stable")
    start = np.searchsorted(torus_cells.ravel()[order], np.arange(len(points) + 1))
    locked = np.zeros(len(points), dtype=bool)
    np.logical_or.at(locked, torus_node, fixed)
    motion = np.zeros_like(points)
    shrinking = np.geomspace(1.0, 0.05, _RANDOM_TRIES)[:, None]
    scores = tetrahedron_scores(corners)
    for sweep in range(_SWEEPS):
        poor = np.unique(torus_cells[scores < 1.0])
        moved = 0
        for node in poor[~locked[poor]].tolist():
            around = order[start[node] : start[node + 1]]
            cell, corner = around // 4, around % 4
            present = scores[cell].min()
            if present >= 1.0:
                continue
            rows = np.arange(len(cell))
            star = corners[cell]
            here = star[rows, corner]
            to_neighbours = (star.sum(axis=1) - 4.0 * here).sum(axis=0) / (3.0 * len(cell))
            reach = 0.25 * np.linalg.norm(star - here[:, None], axis=2).max() * 0.7**sweep
            steps = np.concatenate(
                [
                    np.outer(_TOWARDS_NEIGHBOURS, to_neighbours),
                    reach * shrinking * generator.normal(size=(_RANDOM_TRIES, 3)),
                ]
            )
            tries = np.repeat(star[None], len(steps), axis=0)
            tries[:, rows, corner] += steps[:, None]
            tried = tetrahedron_scores(tries.reshape(-1, 4, 3)).reshape(len(steps), -1)
            worst = tried.min(axis=1)
            best = int(np.argmax(worst))
            if worst[best] > present + 1e-6:
                corners[cell, corner] += steps[best]
                motion[node] += steps[best]
                scores[cell] = tried[best]
                moved += 1
        if moved == 0:
            break
    return points + motion[torus_node]
