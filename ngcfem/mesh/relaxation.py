"""Guarded motion of nodes that improves the worst tetrahedra of a periodic mesh."""

import numpy as np

from ngcfem.mesh.quality import tetrahedron_shapes
from ngcfem.quantities import BoolArray, FloatArray, IntArray

_GOOD_DIHEDRAL_DEG = 20.0
_GOOD_LARGEST_DEG = 40.0
_GOOD_GAMMA = 0.3
_SWEEPS = 8
_TOWARDS_NEIGHBOURS = (0.7, 0.35, 0.15)
_RANDOM_TRIES = 12


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
    shapes = tetrahedron_shapes(corners)
    score = np.minimum(
        shapes.minimum_dihedral_angle_deg / _GOOD_DIHEDRAL_DEG,
        (180.0 - shapes.maximum_dihedral_angle_deg) / _GOOD_LARGEST_DEG,
    )
    return np.where(shapes.volume > 0.0, np.minimum(score, shapes.gamma / _GOOD_GAMMA), -1.0)


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
                    reach
                    * np.geomspace(1.0, 0.05, _RANDOM_TRIES)[:, None]
                    * generator.normal(size=(_RANDOM_TRIES, 3)),
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
