"""Guarded motion of nodes on a torus, with the nodes of an interface kept on it."""

from dataclasses import dataclass, replace

import numpy as np

from ngcfem.mesh.quality import tetrahedron_volumes
from ngcfem.mesh.regions import Regions
from ngcfem.mesh.relaxation import tetrahedron_scores
from ngcfem.mesh.torus_lattice import nearest_image
from ngcfem.quantities import BoolArray, FloatArray, IntArray

_ENOUGH = 0.8
_URGENT = 0.45
_SWEEPS = 6
_TRIES = 12
_LONGEST_JUNCTION_MOVE = 0.15
"""Of the spacing: how far a node where three regions meet may leave its place."""


@dataclass(frozen=True, eq=False)
class TorusMesh:
    """Tetrahedra whose nodes are identified modulo the lattice.

    Parameters
    ----------
    lattice : ndarray, shape (3, 3)
        Period vectors as rows in nm.
    points : ndarray, shape (n, 3)
        Nodes in nm.
    cells : ndarray of int, shape (m, 4)
        Node numbers.
    region : ndarray of int, shape (m,)
        Region of each tetrahedron.
    middles : ndarray, shape (m, 3)
        A point near each tetrahedron that tells which images of its nodes are meant.
    spacing_nm : float
        Spacing of the lattice that it was made from.
    """

    lattice: FloatArray
    points: FloatArray
    cells: IntArray
    region: IntArray
    middles: FloatArray
    spacing_nm: float

    def corners(self) -> FloatArray:
        """Positions of the nodes of every tetrahedron, whole.

        Returns
        -------
        ndarray, shape (m, 4, 3)
            In nm.
        """
        middles = np.repeat(self.middles, 4, axis=0)
        step = nearest_image(self.points[self.cells.ravel()] - middles, self.lattice)
        return (middles + step).reshape(-1, 4, 3)

    def volumes(self) -> FloatArray:
        """Signed volumes of the tetrahedra in nm^3.

        Returns
        -------
        ndarray, shape (m,)
            Volumes.
        """
        return tetrahedron_volumes(self.corners())


def relax_torus_mesh(mesh: TorusMesh, regions: Regions) -> TorusMesh:
    """Move nodes of poor tetrahedra, those of an interface along it.

    Parameters
    ----------
    mesh : TorusMesh
        Tetrahedra of positive volume.
    regions : Regions
        What the interfaces are level sets of.

    Returns
    -------
    TorusMesh
        With the same or a better score of the worst tetrahedron around every node.

    Notes
    -----
    1. Nodes of tetrahedra that score below ``_ENOUGH`` are taken in sets without common
       tetrahedra, so that each set moves at once.
    2. A node tries steps towards its neighbours and random ones of shrinking length (fixed seed)
       and takes the one that raises the lowest score around it the most.
    3. A node between two regions is brought back to where their levels are equal after every step.
       A node where three meet stays, except in a tetrahedron below ``_URGENT``, where it may
       leave its place by ``_LONGEST_JUNCTION_MOVE`` of the spacing.
    """
    first, second, junction = _neighbouring_regions(mesh)
    surface = (second >= 0) & ~junction
    generator = np.random.default_rng(0)
    order = np.argsort(mesh.cells.ravel(), kind="stable")
    start = np.searchsorted(mesh.cells.ravel()[order], np.arange(len(mesh.points) + 1))
    corners = mesh.corners()
    home = mesh.points
    points = mesh.points.copy()
    scores = tetrahedron_scores(corners)
    for sweep in range(_SWEEPS):
        poor = np.zeros(len(points), dtype=bool)
        poor[mesh.cells[scores < _ENOUGH]] = True
        urgent = np.zeros(len(points), dtype=bool)
        urgent[mesh.cells[scores < _URGENT]] = True
        waiting = poor & (~junction | urgent)
        moved = 0
        while waiting.any():
            nodes = _independent(mesh.cells, waiting, generator)
            waiting[nodes] = False
            counts = start[nodes + 1] - start[nodes]
            begin = np.concatenate([[0], np.cumsum(counts)])
            place = order[np.repeat(start[nodes] - begin[:-1], counts) + np.arange(begin[-1])]
            cell, corner = place // 4, place % 4
            owner = np.repeat(np.arange(len(nodes)), counts)
            worst = np.minimum.reduceat(scores[cell], begin[:-1])
            star = corners[cell]
            rows = np.arange(len(cell))
            here = star[rows, corner]
            pull = star.sum(axis=1) - 4.0 * here
            centre = np.add.reduceat(pull, begin[:-1], axis=0) / (3.0 * counts)[:, None]
            reach = np.maximum.reduceat(
                np.linalg.norm(star - here[:, None], axis=2).max(axis=1), begin[:-1]
            )
            best_step = np.zeros((len(nodes), 3))
            best_scores = scores[cell]
            normal = np.zeros((len(nodes), 3))
            held = np.flatnonzero(surface[nodes])
            normal[held] = _normals(
                regions, first[nodes[held]], second[nodes[held]], points[nodes[held]]
            )
            for attempt in range(_TRIES):
                if attempt < 3:
                    step = (0.7, 0.35, 0.15)[attempt] * centre
                else:
                    length = 0.25 * 0.7 ** (sweep + 0.5 * (attempt - 3)) * reach
                    step = length[:, None] * generator.normal(size=(len(nodes), 3))
                    step += best_step
                step -= normal * np.einsum("ni,ni->n", normal, step)[:, None]
                step = _kept_on_surface(
                    regions, mesh, nodes, held, (first, second), points, step, normal
                )
                away = points[nodes] + step - home[nodes]
                tied = junction[nodes] & (
                    np.linalg.norm(away, axis=1) > _LONGEST_JUNCTION_MOVE * mesh.spacing_nm
                )
                step[tied] = 0.0
                tried = star.copy()
                tried[rows, corner] = here + step[owner]
                score = tetrahedron_scores(tried)
                lowest = np.minimum.reduceat(score, begin[:-1])
                better = lowest > worst + 1e-6
                worst = np.where(better, lowest, worst)
                best_step[better] = step[better]
                best_scores = np.where(better[owner], score, best_scores)
            points[nodes] += best_step
            corners[cell, corner] += best_step[owner]
            scores[cell] = best_scores
            moved += int((best_step != 0.0).any(axis=1).sum())
        if moved == 0:
            break
    return replace(mesh, points=points)


def _neighbouring_regions(mesh: TorusMesh) -> tuple[IntArray, IntArray, BoolArray]:
    """The two regions around each node (-1 if only one), and where there are more."""
    number = len(mesh.points)
    node = mesh.cells.ravel()
    region = np.repeat(mesh.region, 4)
    lowest = np.full(number, np.iinfo(np.int64).max)
    highest = np.full(number, -1, dtype=np.int64)
    np.minimum.at(lowest, node, region)
    np.maximum.at(highest, node, region)
    more = np.zeros(number, dtype=bool)
    np.logical_or.at(more, node, (region != lowest[node]) & (region != highest[node]))
    return lowest, np.where(highest > lowest, highest, -1), more


def _independent(cells: IntArray, waiting: BoolArray, generator: np.random.Generator) -> IntArray:
    """Some of the waiting nodes, no two of which have a tetrahedron in common."""
    rank = np.full(len(waiting), -1, dtype=np.int64)
    rank[waiting] = generator.permutation(int(waiting.sum()))
    of_cell = rank[cells]
    highest = of_cell.max(axis=1)
    beaten = np.zeros(len(waiting), dtype=bool)
    beaten[cells[of_cell < highest[:, None]]] = True
    return np.flatnonzero(waiting & ~beaten)


def _difference(
    regions: Regions, first: IntArray, second: IntArray, points: FloatArray
) -> FloatArray:
    return regions.levels(first, points) - regions.levels(second, points)


def _normals(regions: Regions, first: IntArray, second: IntArray, points: FloatArray) -> FloatArray:
    step = 1e-4
    slope = np.stack(
        [
            _difference(regions, first, second, points + offset)
            - _difference(regions, first, second, points - offset)
            for offset in step * np.eye(3)
        ],
        axis=1,
    )
    return slope / np.maximum(np.linalg.norm(slope, axis=1), 1e-300)[:, None]


def _kept_on_surface(
    regions: Regions,
    mesh: TorusMesh,
    nodes: IntArray,
    held: IntArray,
    sides: tuple[IntArray, IntArray],
    points: FloatArray,
    step: FloatArray,
    normal: FloatArray,
) -> FloatArray:
    """Steps of surface nodes corrected along the normal so that both levels stay equal."""
    if len(held) == 0:
        return step
    who = nodes[held]
    first, second = sides[0][who], sides[1][who]
    target = points[who] + step[held]
    probe = 0.02 * mesh.spacing_nm
    across = probe * normal[held]
    value = _difference(regions, first, second, target)
    slope = (_difference(regions, first, second, target + across) - value) / probe
    sound = np.abs(slope) > 1e-9
    back = np.where(sound, -value / np.where(sound, slope, 1.0), 0.0)
    back = np.clip(back, -0.2 * mesh.spacing_nm, 0.2 * mesh.spacing_nm)
    corrected = step.copy()
    corrected[held] += back[:, None] * normal[held]
    return corrected
