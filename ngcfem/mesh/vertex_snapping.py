"""First half of isosurface stuffing: lattice vertices near an interface are moved onto it."""

from dataclasses import dataclass

import numpy as np

from ngcfem.mesh.quality import tetrahedron_volumes
from ngcfem.mesh.regions import Regions
from ngcfem.mesh.torus_lattice import TETRAHEDRA_OF_BOX, TorusLattice, nearest_image
from ngcfem.quantities import BoolArray, FloatArray, IntArray

LONG_EDGE_SHARE = 0.24999
SHORT_EDGE_SHARE = 0.41189
"""Cuts that lie closer to a vertex than this share of the edge draw the vertex onto them."""

SET_SIZE = 4
NOBODY = -1
_ROUNDS = 60
_LEAST_VOLUME = 0.12
_ROOT_STEPS = 12


@dataclass(frozen=True, eq=False)
class SnappedLattice:
    """A lattice whose vertices keep clear of every interface that they do not lie on.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Vertices in nm.
    sets : ndarray of int, shape (n, SET_SIZE)
        Regions that each vertex belongs to, filled up with -1: one inside, several on an interface.
    edges : ndarray of int, shape (k, 2)
        Edges that are cut: their vertices have no region in common.
    cuts : ndarray, shape (k, 3)
        Where they are cut, next to their first vertex.
    pinched : int
        Cut edges that leap over a third region, thinner there than the lattice resolves.
    """

    points: FloatArray
    sets: IntArray
    edges: IntArray
    cuts: FloatArray
    pinched: int


def set_levels(regions: Regions, sets: IntArray, points: FloatArray) -> FloatArray:
    """Highest level among the regions of each set.

    Parameters
    ----------
    regions : Regions
        The regions.
    sets : ndarray of int, shape (n, k)
        Numbers of regions, filled up with -1.
    points : ndarray, shape (n, 3)
        Positions in nm.

    Returns
    -------
    ndarray, shape (n,)
        Levels.
    """
    best = np.full(len(points), -np.inf)
    for column in sets.T:
        there = np.flatnonzero(column != NOBODY)
        best[there] = np.maximum(best[there], regions.levels(column[there], points[there]))
    return best


def in_common(first: IntArray, second: IntArray) -> BoolArray:
    """Whether pairs of sets have a region in common.

    Parameters
    ----------
    first, second : ndarray of int, shape (n, k)
        Numbers of regions, filled up with -1.

    Returns
    -------
    ndarray of bool, shape (n,)
        True where they have.
    """
    same = (first[:, :, None] == second[:, None, :]) & (first != NOBODY)[:, :, None]
    return same.any(axis=(1, 2))


def crossing(
    regions: Regions, here: IntArray, there: IntArray, start: FloatArray, step: FloatArray
) -> FloatArray:
    """Share of each edge after which one set of regions gives way to another.

    Parameters
    ----------
    regions : Regions
        The regions.
    here, there : ndarray of int, shape (n, k)
        Sets at the start and at the end.
    start, step : ndarray, shape (n, 3)
        First vertex and vector of each edge in nm.

    Returns
    -------
    ndarray, shape (n,)
        From 0 to 1; the end that belongs to the other side already where there is no change.

    Notes
    -----
    The difference of the two levels is bracketed by the ends; secant steps with the Illinois
    weight, which are exact at once for flat interfaces.
    """

    def difference(rows: IntArray, share: FloatArray) -> FloatArray:
        where = start[rows] + share[:, None] * step[rows]
        return set_levels(regions, here[rows], where) - set_levels(regions, there[rows], where)

    every = np.arange(len(start))
    low, high = np.zeros(len(start)), np.ones(len(start))
    value_low, value_high = difference(every, low), difference(every, high)
    share = np.where(value_low <= 0.0, 0.0, 1.0)
    rows = np.flatnonzero((value_low > 0.0) & (value_high < 0.0))
    side = np.zeros(len(start), dtype=np.int64)
    for _ in range(_ROOT_STEPS):
        if len(rows) == 0:
            break
        spread = value_low[rows] - value_high[rows]
        middle = low[rows] + (high[rows] - low[rows]) * value_low[rows] / spread
        value = difference(rows, middle)
        share[rows] = middle
        inside = value > 0.0
        to_low, to_high = rows[inside], rows[~inside]
        low[to_low], value_low[to_low] = middle[inside], value[inside]
        value_high[to_low[side[to_low] == 1]] *= 0.5
        side[to_low] = 1
        high[to_high], value_high[to_high] = middle[~inside], value[~inside]
        value_low[to_high[side[to_high] == -1]] *= 0.5
        side[to_high] = -1
        done = (np.abs(value) < 1e-10) | (high[rows] - low[rows] < 1e-6)
        rows = rows[~done]
    return share


@dataclass(frozen=True, eq=False)
class _CutEdges:
    """Cut edges: where each side's own regions end, and the region that may lie between."""

    edges: IntArray
    step: FloatArray
    first_exit: FloatArray
    second_exit: FloatArray
    between: IntArray


def _cut_edges(
    regions: Regions, points: FloatArray, sets: IntArray, edges: IntArray, lattice: FloatArray
) -> _CutEdges:
    cut = edges[~in_common(sets[edges[:, 0]], sets[edges[:, 1]])]
    here, there = sets[cut[:, 0]], sets[cut[:, 1]]
    start = points[cut[:, 0]]
    step = nearest_image(points[cut[:, 1]] - start, lattice)
    share = crossing(regions, here, there, start, step)
    middle = start + share[:, None] * step
    between = regions.regions_at(middle)
    between[((here == between[:, None]) | (there == between[:, None])).any(axis=1)] = NOBODY
    first, second = share.copy(), share.copy()
    rows = np.flatnonzero(between != NOBODY)
    third = np.full((len(rows), SET_SIZE), NOBODY, dtype=np.int64)
    third[:, 0] = between[rows]
    to_middle = share[rows, None] * step[rows]
    first[rows] *= crossing(regions, here[rows], third, start[rows], to_middle)
    rest = crossing(regions, third, there[rows], middle[rows], step[rows] - to_middle)
    second[rows] += (1.0 - share[rows]) * rest
    return _CutEdges(cut, step, first, second, between)


def snap_vertices(
    regions: Regions, lattice: TorusLattice, edges: IntArray, share: float = 1.0
) -> SnappedLattice:
    """Move vertices that a cut comes too close to onto the interface.

    Parameters
    ----------
    regions : Regions
        The regions.
    lattice : TorusLattice
        The tetrahedra.
    edges : ndarray of int, shape (k, 2)
        Edges of the lattice.
    share : float
        Scale of ``LONG_EDGE_SHARE`` and ``SHORT_EDGE_SHARE``.

    Returns
    -------
    SnappedLattice
        Every cut that is left keeps its distance from both vertices.

    Notes
    -----
    1. A vertex belongs to the region it lies in. An edge is cut where its vertices have no region
       in common.
    2. A vertex with a cut closer than its share of the edge moves to the nearest such cut and
       belongs to the regions of both sides from then on. In every round the vertices move that are
       closer to their cut than their neighbours are to theirs.
    3. A vertex moves once. If another cut comes too close afterwards, near the line where three
       regions meet, that region is added to its set: the line is moved to the vertex.
       The same is done to a vertex whose move would flatten a tetrahedron.
    4. An edge that leaps over a third region has two cuts. If neither is close to a vertex, a
       region that must stay connected is added to the set of the closer vertex; any other is
       pinched off there, which is counted.

    References
    ----------
    Labelle, Shewchuk (2007), ACM Trans. Graph. 26, 57, doi 10.1145/1276377.1276448: the shares.
    """
    points = lattice.points.copy()
    sets = np.full((len(points), SET_SIZE), NOBODY, dtype=np.int64)
    sets[:, 0] = regions.regions_at(points)
    moved = np.zeros(len(points), dtype=bool)
    reach = share * np.where(lattice.is_long(edges), LONG_EDGE_SHARE, SHORT_EDGE_SHARE)
    key = edges[:, 0] * len(points) + edges[:, 1]

    boxes = lattice.divisions[0] * lattice.divisions[1] * lattice.divisions[2]
    box_nm3 = float(abs(np.linalg.det(lattice.lattice))) / boxes
    least_volume = _LEAST_VOLUME * box_nm3 / TETRAHEDRA_OF_BOX
    candidates = edges[~in_common(sets[edges[:, 0]], sets[edges[:, 1]])]
    cut = _cut_edges(regions, points, sets, candidates, lattice.lattice)
    for round_number in range(_ROUNDS):
        limit = reach[np.searchsorted(key, cut.edges[:, 0] * len(points) + cut.edges[:, 1])]
        length = np.linalg.norm(cut.step, axis=1)
        vertex = cut.edges.T.ravel()
        share_left = np.concatenate([cut.first_exit, 1.0 - cut.second_exit])
        row = np.tile(np.arange(len(cut.edges)), 2)
        settled = moved[vertex]
        full = settled & (sets[vertex, -1] != NOBODY)
        close = np.flatnonzero((share_left < np.tile(limit, 2)) & ~full)
        if len(close) == 0 or round_number == _ROUNDS - 1:
            forced = np.flatnonzero(_must_stay(regions, cut.between))
            if len(forced) == 0:
                break
            at_first = cut.first_exit[forced] < 1.0 - cut.second_exit[forced]
            nearer = np.where(at_first, cut.edges[forced, 0], cut.edges[forced, 1])
            changed = _joined(sets, nearer, cut.between[forced])
            if len(changed) == 0:
                break
        else:
            other = cut.edges[:, ::-1].T.ravel()
            region = _other_side(regions, points, sets, other, cut, row, close)
            joining = settled[close]
            if joining.any():
                changed = _joined(sets, vertex[close[joining]], region[joining])
            else:
                chosen = _closest_of_neighbours(
                    vertex[close], share_left[close] * length[row[close]], cut.edges, len(points)
                )
                pick = close[chosen]
                edge = row[pick]
                along = np.where(
                    pick < len(cut.edges), cut.first_exit[edge], cut.second_exit[edge] - 1.0
                )
                changed = vertex[pick]
                before = points[changed]
                points[changed] += along[:, None] * cut.step[edge]
                _joined(sets, changed, region[chosen])
                moved[changed] = True
                spoiled = _spoiled(lattice, points, changed, least_volume)
                back = np.isin(changed, spoiled)
                points[changed[back]] = before[back]
        touched = np.zeros(len(points), dtype=bool)
        touched[changed] = True
        cut = _updated(regions, points, sets, edges, cut, touched, lattice.lattice)
    shares = 0.5 * (cut.first_exit + cut.second_exit)
    limit = reach[np.searchsorted(key, cut.edges[:, 0] * len(points) + cut.edges[:, 1])]
    shares = np.clip(shares, np.minimum(limit, 0.45), 1.0 - np.minimum(limit, 0.45))
    return SnappedLattice(
        points=points,
        sets=sets,
        edges=cut.edges,
        cuts=points[cut.edges[:, 0]] + shares[:, None] * cut.step,
        pinched=int((cut.between != NOBODY).sum()),
    )


def _must_stay(regions: Regions, between: IntArray) -> BoolArray:
    return (between != NOBODY) & regions.connected[np.maximum(between, 0)]


def _joined(sets: IntArray, vertices: IntArray, region: IntArray) -> IntArray:
    """Add one region to the set of each vertex, in place; the vertices whose set has changed."""
    once, row = np.unique(vertices, return_index=True)
    region = region[row]
    size = (sets[once] != NOBODY).sum(axis=1)
    new = (size < SET_SIZE) & ~(sets[once] == region[:, None]).any(axis=1)
    sets[once[new], size[new]] = region[new]
    return once[new]


def _spoiled(
    lattice: TorusLattice, points: FloatArray, moved: IntArray, least_volume: float
) -> IntArray:
    """Vertices of those just moved that flatten a tetrahedron."""
    just = np.zeros(len(points), dtype=bool)
    just[moved] = True
    rows = np.flatnonzero(just[lattice.cells].any(axis=1))
    cells = lattice.cells[rows]
    middle = np.repeat(lattice.middles[rows], 4, axis=0)
    corners = middle + nearest_image(points[cells.ravel()] - middle, lattice.lattice)
    volume = lattice.turn[rows] * tetrahedron_volumes(corners.reshape(-1, 4, 3))
    flat = cells[volume < least_volume].ravel()
    return np.unique(flat[just[flat]])


def _other_side(
    regions: Regions,
    points: FloatArray,
    sets: IntArray,
    other: IntArray,
    cut: _CutEdges,
    row: IntArray,
    close: IntArray,
) -> IntArray:
    """Region beyond the cut that is close to a vertex."""
    region = cut.between[row[close]].copy()
    plain = np.flatnonzero(region == NOBODY)
    far = sets[other[close[plain]]]
    region[plain] = far[:, 0]
    several = plain[far[:, 1] != NOBODY]
    if len(several):
        far = sets[other[close[several]]]
        edge = row[close[several]]
        where = points[cut.edges[edge, 0]] + cut.first_exit[edge, None] * cut.step[edge]
        levels = np.full(far.shape, -np.inf)
        for k in range(far.shape[1]):
            there = np.flatnonzero(far[:, k] != NOBODY)
            levels[there, k] = regions.levels(far[there, k], where[there])
        region[several] = far[np.arange(len(far)), np.argmax(levels, axis=1)]
    return region


def _closest_of_neighbours(
    vertex: IntArray, distance: FloatArray, edges: IntArray, number: int
) -> IntArray:
    """Rows of the vertices that are closer to their cut than all neighbours are to theirs."""
    order = np.lexsort((vertex, distance))
    rank = np.full(number, np.iinfo(np.int64).max)
    first = order[np.unique(vertex[order], return_index=True)[1]]
    rank[vertex[first]] = np.argsort(np.argsort(distance[first], kind="stable"), kind="stable")
    best = rank.copy()
    np.minimum.at(best, edges[:, 0], rank[edges[:, 1]])
    np.minimum.at(best, edges[:, 1], rank[edges[:, 0]])
    return first[rank[vertex[first]] == best[vertex[first]]]


def _updated(
    regions: Regions,
    points: FloatArray,
    sets: IntArray,
    edges: IntArray,
    cut: _CutEdges,
    touched: BoolArray,
    lattice: FloatArray,
) -> _CutEdges:
    keep = ~touched[cut.edges].any(axis=1)
    fresh = _cut_edges(regions, points, sets, edges[touched[edges].any(axis=1)], lattice)
    merged = np.concatenate([cut.edges[keep], fresh.edges])
    order = np.lexsort((merged[:, 1], merged[:, 0]))
    return _CutEdges(
        edges=merged[order],
        step=np.concatenate([cut.step[keep], fresh.step])[order],
        first_exit=np.concatenate([cut.first_exit[keep], fresh.first_exit])[order],
        second_exit=np.concatenate([cut.second_exit[keep], fresh.second_exit])[order],
        between=np.concatenate([cut.between[keep], fresh.between])[order],
    )
