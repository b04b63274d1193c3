"""Guarded motion of nodes that improves the worst tetrahedra of a periodic mesh."""

from dataclasses import dataclass

import numpy as np

from ngcfem.mesh.periodic_mesh import TETRAHEDRON_FACETS
from ngcfem.quantities import BoolArray, FloatArray, IntArray

_GOOD_DIHEDRAL_DEG = 20.0
_GOOD_LARGEST_DEG = 40.0
_GOOD_GAMMA = 0.3
_SWEEPS = 8
_TOWARDS_NEIGHBOURS = (0.7, 0.35, 0.15)
_RANDOM_TRIES = 12
_CHUNK = 200_000
_FLAT = 1e-16
_TINY = 1e-300
_PAIRS = np.array([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]).T
_OPPOSITE = np.array(TETRAHEDRON_FACETS)


@dataclass(frozen=True)
class Leash:
    """How far nodes between two bodies may leave their places.

    Parameters
    ----------
    normal_nm : float
        Distance off the surface that the node lay on, in nm: across the planes of all triangles of
        the surface around it, so that a node on a ridge stays on the ridge and a corner stays put.
    along_nm : float
        Distance along the surface in nm.
    """

    normal_nm: float
    along_nm: float


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
    points: FloatArray,
    cells: IntArray,
    torus_node: IntArray,
    fixed: BoolArray,
    body: IntArray | None = None,
    leash: Leash | None = None,
) -> FloatArray:
    """Move nodes of poor tetrahedra, all images of a node together.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Node positions in nm.
    cells : ndarray of int, shape (m, 4)
        Node numbers.
    torus_node : ndarray of int, shape (n,)
        Representative of each node modulo the lattice.
    fixed : ndarray of bool, shape (n,)
        Nodes that must stay.
    body : ndarray of int, shape (m,), optional
        Body of each tetrahedron, from 0. The volume of every body is kept.
    leash : Leash, optional
        How far the nodes between two bodies may move; they stay without it.

    Returns
    -------
    ndarray, shape (n, 3)
        New positions; no tetrahedron got worse than the worst one around each moved node was.

    Notes
    -----
    1. Each sweep takes the nodes of tetrahedra with a score under 1, in sets without neighbours
       (largest of random priorities first, fixed seed), so that a set moves at once.
    2. Each is tried at steps towards the mean of its neighbours and at random places in a
       shrinking ball; the place with the best worst score around the node is taken if it beats the
       present one.
    3. The volume of a body is linear in the position of one node. A node between bodies is only
       tried along the directions in which none of their volumes changes: along a smooth surface, or
       along the line in which three bodies meet. So the phase fractions stay as they were.
    4. Such a node stays where d . Q d <= 1 with d its displacement and Q = sum(a n n) / sum(a) /
       normal^2 + 1 / along^2 over the triangles of area a and normal n around it at the start, the
       error quadric of surface simplification.
    5. Stop after ``_SWEEPS`` sweeps, or when a sweep moves nothing.

    References
    ----------
    Garland, Heckbert (1997), Proc. SIGGRAPH 97, 209, doi 10.1145/258734.258849 (the quadric).
    """
    state = _State(points, cells, torus_node, fixed, body, leash)
    generator = np.random.default_rng(0)
    for sweep in range(_SWEEPS):
        waiting = np.zeros(len(points), dtype=bool)
        waiting[state.torus_cells[state.scores < 1.0]] = True
        waiting &= ~state.locked
        near = state.torus_cells[waiting[state.torus_cells].any(axis=1)]
        priority = np.where(waiting, generator.permutation(len(points)) + 1, 0)
        moved = 0
        while waiting.any():
            ranks = priority[near]
            chosen = waiting.copy()
            chosen[near[ranks < ranks.max(axis=1, keepdims=True)]] = False
            nodes = np.flatnonzero(chosen)
            moved += state.improve(nodes, 0.7**sweep, generator)
            waiting[nodes] = False
            priority[nodes] = 0
            near = near[(priority[near] > 0).any(axis=1)]
        if moved == 0:
            break
    return points + state.motion[torus_node]


class _State:
    """Positions, scores and neighbourhoods while nodes move."""

    def __init__(
        self,
        points: FloatArray,
        cells: IntArray,
        torus_node: IntArray,
        fixed: BoolArray,
        body: IntArray | None,
        leash: Leash | None,
    ) -> None:
        number = len(points)
        self.torus_cells = torus_node[cells]
        self.corners = points[cells].copy()
        self.body = np.zeros(len(cells), dtype=np.int64) if body is None else body
        self.order = np.argsort(self.torus_cells.ravel(), kind="stable")
        self.start = np.searchsorted(self.torus_cells.ravel()[self.order], np.arange(number + 1))
        self.locked = np.zeros(number, dtype=bool)
        self.locked[torus_node[fixed]] = True
        self.motion = np.zeros((number, 3))
        self.scores = tetrahedron_scores(self.corners)
        self.quadric = np.zeros((number, 3, 3))
        between = self._between_bodies(number)
        if leash is None:
            self.locked |= between
        else:
            self._measure(between, leash)

    def _between_bodies(self, number: int) -> BoolArray:
        lowest = np.full(number, self.body.max(), dtype=np.int64)
        highest = np.zeros(number, dtype=np.int64)
        for corner in range(4):
            np.minimum.at(lowest, self.torus_cells[:, corner], self.body)
            np.maximum.at(highest, self.torus_cells[:, corner], self.body)
        return lowest < highest

    def _measure(self, between: BoolArray, leash: Leash) -> None:
        """Error quadrics of the surfaces between bodies, from the facets of one body at a time."""
        inside = between[self.torus_cells]
        candidates = np.flatnonzero(inside.sum(axis=1) >= 3)
        facets = np.concatenate([self.torus_cells[candidates][:, f] for f in _OPPOSITE])
        corners = np.concatenate([self.corners[candidates][:, f] for f in _OPPOSITE])
        owner = np.tile(self.body[candidates], 4)
        low = facets.min(axis=1)
        high = facets.max(axis=1)
        order = np.lexsort((high, facets.sum(axis=1) - low - high, low))
        same = np.all(np.sort(facets[order][1:]) == np.sort(facets[order][:-1]), axis=1)
        differ = owner[order][1:] != owner[order][:-1]
        surface = order[1:][same & differ]
        x = corners[surface]
        normal = np.cross(x[:, 1] - x[:, 0], x[:, 2] - x[:, 0])
        area = np.linalg.norm(normal, axis=1)
        outer = normal[:, :, None] * normal[:, None, :] / (area + _TINY)[:, None, None]
        total = np.zeros(len(between))
        for corner in range(3):
            np.add.at(self.quadric, facets[surface, corner], outer)
            np.add.at(total, facets[surface, corner], area)
        self.quadric /= (total + _TINY)[:, None, None] * leash.normal_nm**2
        self.quadric[between] += np.eye(3) / leash.along_nm**2

    def improve(self, nodes: IntArray, reach: float, generator: np.random.Generator) -> int:
        """Move those of a set of nodes without common tetrahedra that gain by it."""
        counts = self.start[nodes + 1] - self.start[nodes]
        present = np.minimum.reduceat(
            self.scores[self._entries(nodes, counts) // 4], np.cumsum(counts) - counts
        )
        nodes, counts = nodes[present < 1.0], counts[present < 1.0]
        size = max(1, _CHUNK // (len(_TOWARDS_NEIGHBOURS) + _RANDOM_TRIES) // 24)
        return sum(
            self._improve(nodes[k : k + size], counts[k : k + size], reach, generator)
            for k in range(0, len(nodes), size)
        )

    def _entries(self, nodes: IntArray, counts: IntArray) -> IntArray:
        first = np.cumsum(counts) - counts
        return self.order[np.repeat(self.start[nodes] - first, counts) + np.arange(counts.sum())]

    def _improve(
        self, nodes: IntArray, counts: IntArray, reach: float, generator: np.random.Generator
    ) -> int:
        entries = self._entries(nodes, counts)
        cell, corner = entries // 4, entries % 4
        first = np.cumsum(counts) - counts
        owner = np.repeat(np.arange(len(nodes)), counts)
        rows = np.arange(len(cell))
        present = np.minimum.reduceat(self.scores[cell], first)
        star = self.corners[cell]
        here = star[rows, corner]
        apart = star.sum(axis=1) - 4.0 * here
        towards = np.add.reduceat(apart, first) / (3.0 * counts)[:, None]
        radius = np.maximum.reduceat(
            np.linalg.norm(star - here[:, None], axis=2).max(axis=1), first
        )
        shrinking = 0.25 * reach * np.geomspace(1.0, 0.05, _RANDOM_TRIES)
        steps = np.concatenate(
            [
                np.array(_TOWARDS_NEIGHBOURS)[None, :, None] * towards[:, None],
                (radius[:, None] * shrinking)[:, :, None]
                * generator.normal(size=(len(nodes), _RANDOM_TRIES, 3)),
            ],
            axis=1,
        )
        steps = np.einsum("kij,ksj->ksi", self._free_directions(star, cell, corner, owner), steps)
        total = self.motion[nodes][:, None] + steps
        allowed = np.einsum("ksi,kij,ksj->ks", total, self.quadric[nodes], total) <= 1.0
        tries = np.repeat(star[:, None], steps.shape[1], axis=1)
        tries[rows, :, corner] += steps[owner]
        tried = tetrahedron_scores(tries.reshape(-1, 4, 3)).reshape(len(cell), -1)
        worst = np.where(allowed, np.minimum.reduceat(tried, first), -2.0)
        best = np.argmax(worst, axis=1)
        pick = np.arange(len(nodes))
        gains = worst[pick, best] > present + 1e-6
        step = np.where(gains[:, None], steps[pick, best], 0.0)
        self.motion[nodes] += step
        self.corners[cell, corner] += step[owner]
        better = gains[owner]
        self.scores[cell[better]] = tried[rows, best[owner]][better]
        return int(gains.sum())

    def _free_directions(
        self, star: FloatArray, cell: IntArray, corner: IntArray, owner: IntArray
    ) -> FloatArray:
        """Projectors onto the motions of nodes that change the volume of no body."""
        rows = np.arange(len(cell))[:, None]
        opposite = star[rows, _OPPOSITE[corner]]
        slope = np.cross(opposite[:, 1] - opposite[:, 0], opposite[:, 2] - opposite[:, 0])
        body = self.body[cell]
        number = int(body.max()) + 1
        count = int(owner[-1]) + 1
        gradient = np.stack(
            [
                np.bincount(owner * number + body, weights=slope[:, k], minlength=count * number)
                for k in range(3)
            ],
            axis=1,
        ).reshape(count, number, 3)
        scale = np.bincount(owner, weights=np.linalg.norm(slope, axis=1), minlength=count)
        gradient /= scale[:, None, None]
        size, directions = np.linalg.eigh(np.einsum("kbi,kbj->kij", gradient, gradient))
        free = np.where(size[:, None, :] < _FLAT, directions, 0.0)
        return np.einsum("kia,kja->kij", free, free)
