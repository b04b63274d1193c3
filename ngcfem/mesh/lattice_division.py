"""Second half of isosurface stuffing: tetrahedra with cut edges are divided."""

from dataclasses import dataclass

import numpy as np

from ngcfem.mesh.quality import tetrahedron_volumes
from ngcfem.mesh.regions import Regions
from ngcfem.mesh.surface_relaxation import TorusMesh
from ngcfem.mesh.tetrahedron_cutting import (
    CENTRE,
    EDGES,
    FACES,
    PATTERNS,
    cut_of,
    needs_centre,
    pieces,
)
from ngcfem.mesh.torus_lattice import TorusLattice, nearest_image
from ngcfem.mesh.vertex_snapping import NOBODY, SnappedLattice, set_levels
from ngcfem.quantities import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class _LocalNodes:
    """Node numbers and unwrapped positions of the 15 local nodes of every cut tetrahedron."""

    number: IntArray
    position: FloatArray


def divide_lattice(regions: Regions, lattice: TorusLattice, snapped: SnappedLattice) -> TorusMesh:
    """Divide the tetrahedra of a lattice whose edges are still cut.

    Parameters
    ----------
    regions : Regions
        The regions.
    lattice : TorusLattice
        The lattice.
    snapped : SnappedLattice
        Its vertices after snapping, and the cuts that are left.

    Returns
    -------
    TorusMesh
        Tetrahedra, each in one region, positively oriented.

    Notes
    -----
    1. The six edges of a tetrahedron, cut or not, name the template.
    2. Where all three edges of a face are cut, three regions meet in it: the node is put where
       their levels are equal, within the middle of the face.
    3. The region of a piece is the one that its vertices have in common; where they have several,
       as when all four lie on one interface, the one that is highest at the middle of the piece.
    """
    cells, count = lattice.cells, len(snapped.points)
    key = snapped.edges[:, 0] * count + snapped.edges[:, 1]
    where = np.stack(
        [np.searchsorted(key, cells[:, i] * count + cells[:, j]) for i, j in EDGES], axis=1
    )
    cut = np.zeros(where.shape, dtype=bool)
    for e, (i, j) in enumerate(EDGES):
        found = np.minimum(where[:, e], max(len(key) - 1, 0))
        cut[:, e] = key[found] == cells[:, i] * count + cells[:, j] if len(key) else False
    pattern = cut @ (1 << np.arange(len(EDGES)))
    local, points = _local_nodes(regions, lattice, snapped, where, pattern)
    nodes, parent, piece = [], [], []
    for number in range(PATTERNS):
        rows = np.flatnonzero(pattern == number)
        if len(rows) == 0:
            continue
        divisions = [(rows, pieces(number))]
        if pieces(number, True) != pieces(number):
            other = _other_diagonal(local, rows, number)
            divisions = [(rows[~other], pieces(number)), (rows[other], pieces(number, True))]
        for some, templates in divisions:
            for template in templates:
                nodes.append(local.number[some][:, template])
                parent.append(some)
                piece.append(np.broadcast_to(np.array(template), (len(some), 4)))
    rows = np.concatenate(parent)
    which = np.concatenate(piece)
    divided = np.concatenate(nodes)
    corners = local.position[rows[:, None], which]
    region = _regions_of_pieces(regions, snapped.sets[cells[rows]], which, corners.mean(axis=1))
    turned = tetrahedron_volumes(corners) < 0.0
    divided[turned] = divided[turned][:, [1, 0, 2, 3]]
    used, cells_of_used = np.unique(divided, return_inverse=True)
    return TorusMesh(
        lattice=lattice.lattice,
        points=points[used],
        cells=cells_of_used.reshape(-1, 4),
        region=region,
        middles=lattice.middles[rows],
        spacing_nm=lattice.spacing_nm,
    )


def _local_nodes(
    regions: Regions,
    lattice: TorusLattice,
    snapped: SnappedLattice,
    where: IntArray,
    pattern: IntArray,
) -> tuple[_LocalNodes, FloatArray]:
    cells, count = lattice.cells, len(snapped.points)
    number = np.zeros((len(cells), CENTRE + 1), dtype=np.int64)
    position = np.zeros((len(cells), CENTRE + 1, 3))
    number[:, :4] = cells
    middles = lattice.middles

    def around(points: FloatArray, rows: IntArray) -> FloatArray:
        return middles[rows] + nearest_image(points - middles[rows], lattice.lattice)

    every = np.arange(len(cells))
    for k in range(4):
        position[:, k] = around(snapped.points[cells[:, k]], every)
    for e in range(len(EDGES)):
        rows = np.flatnonzero((pattern >> e) & 1)
        number[rows, 4 + e] = count + where[rows, e]
        position[rows, 4 + e] = around(snapped.cuts[where[rows, e]], rows)
    first = count + len(snapped.edges)
    points = [snapped.points, snapped.cuts]

    open_rows, open_face = [], []
    for f, (i, j, k) in enumerate(FACES):
        bits = sum(1 << (cut_of(a, b) - 4) for a, b in ((i, j), (j, k), (i, k)))
        rows = np.flatnonzero((pattern & bits) == bits)
        open_rows.append(rows)
        open_face.append(np.full(len(rows), f))
    rows, face = np.concatenate(open_rows), np.concatenate(open_face)
    if len(rows):
        corners = np.array(FACES)[face]
        faces, index, back = np.unique(
            cells[rows[:, None], corners], axis=0, return_index=True, return_inverse=True
        )
        back = back.ravel()
        junction = _junctions(
            regions, snapped.sets[faces], position[rows[index][:, None], corners[index]]
        )
        number[rows, 10 + face] = first + back
        position[rows, 10 + face] = around(junction[back], rows)
        first += len(junction)
        points.append(junction)

    central = np.flatnonzero(np.array([needs_centre(p) for p in range(PATTERNS)])[pattern])
    open_faces = number[central, 10:CENTRE] > 0
    middle = position[central, :4].mean(axis=1)
    onto = (position[central, 10:CENTRE] * open_faces[:, :, None]).sum(axis=1)
    counted = open_faces.sum(axis=1)
    has = counted > 0
    middle[has] = 0.5 * middle[has] + 0.5 * onto[has] / counted[has, None]
    number[central, CENTRE] = first + np.arange(len(central))
    position[central, CENTRE] = middle
    points.append(middle)
    return _LocalNodes(number, position), np.concatenate(points)


def _junctions(regions: Regions, sets: IntArray, corners: FloatArray) -> FloatArray:
    """Where three sets of regions meet in each face; near its middle at any rate."""
    share = np.full((len(corners), 3), 1.0 / 3.0)
    step = 1e-3

    def levels(where: FloatArray) -> FloatArray:
        x = np.einsum("nk,nki->ni", where, corners)
        return np.stack([set_levels(regions, sets[:, k], x) for k in range(3)], axis=1)

    for _ in range(3):
        value = levels(share)
        slopes = []
        for k in (1, 2):
            tilted = share.copy()
            tilted[:, k] += step
            tilted[:, 0] -= step
            slopes.append((levels(tilted) - value) / step)
        gap = np.stack([value[:, 0] - value[:, 1], value[:, 0] - value[:, 2]], axis=1)
        jacobian = np.stack(
            [np.stack([s[:, 0] - s[:, 1], s[:, 0] - s[:, 2]], axis=1) for s in slopes], axis=2
        )
        determinant = np.linalg.det(jacobian)
        sound = np.abs(determinant) > 1e-9
        jacobian[~sound] = np.eye(2)
        move = -np.linalg.solve(jacobian, gap[:, :, None])[:, :, 0]
        move = np.where(sound[:, None], np.clip(move, -0.3, 0.3), 0.0)
        share[:, 1:] += move
        share[:, 0] -= move.sum(axis=1)
        share = np.clip(share, 0.2, None)
        share /= share.sum(axis=1)[:, None]
    return np.einsum("nk,nki->ni", share, corners)


def _other_diagonal(local: _LocalNodes, rows: IntArray, pattern: int) -> BoolArray:
    """Whether the quadrilateral of four cuts is better divided the other way."""

    def diagonal(templates: tuple[tuple[int, ...], ...]) -> FloatArray:
        third, fourth = templates[2][1:], templates[3][1:]
        a, b = sorted(set(third) & set(fourth))
        return np.linalg.norm(local.position[rows, a] - local.position[rows, b], axis=1)

    return diagonal(pieces(pattern, True)) < diagonal(pieces(pattern))


def _regions_of_pieces(
    regions: Regions, sets: IntArray, which: IntArray, middle: FloatArray
) -> IntArray:
    """Region of each piece: the one that its vertices share, the highest at its middle if several.

    ``sets`` are those of the four vertices of the whole tetrahedron; ``which`` are local nodes.
    """
    size = sets.shape[2]
    own: list[IntArray] = [np.full((len(sets), 2 * size), NOBODY) for _ in range(15)]
    for k in range(4):
        own[k] = np.concatenate([sets[:, k], np.full((len(sets), size), NOBODY)], axis=1)
    for e, (i, j) in enumerate(EDGES):
        own[4 + e] = np.concatenate([sets[:, i], sets[:, j]], axis=1)
    candidate = np.zeros((len(sets), size), dtype=np.int64)
    for k in range(4):
        rows = np.flatnonzero(which[:, 0] == k)
        candidate[rows] = sets[rows, k]
    agreed = candidate.copy()
    for position in range(1, 4):
        for node in range(10):
            rows = np.flatnonzero(which[:, position] == node)
            if len(rows) == 0:
                continue
            held = (agreed[rows][:, :, None] == own[node][rows][:, None, :]).any(axis=2)
            agreed[rows] = np.where(held, agreed[rows], NOBODY)
    nothing = ~(agreed != NOBODY).any(axis=1)
    agreed[nothing] = candidate[nothing]
    best = np.full(len(sets), -np.inf)
    several = (agreed != NOBODY).sum(axis=1) > 1
    region = agreed.max(axis=1)
    for column in agreed.T:
        rows = np.flatnonzero(several & (column != NOBODY))
        level = regions.levels(column[rows], middle[rows])
        better = level > best[rows]
        region[rows[better]] = column[rows[better]]
        best[rows[better]] = level[better]
    return region
