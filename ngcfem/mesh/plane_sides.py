"""Sides between the grains of a plane cell: short ones merged, each divided once for both."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from ngcfem.mesh.pairing import components_of_pairs
from ngcfem.microstructure.plane_tessellation import PlaneDiagram
from ngcfem.quantities import FloatArray, IntArray

_SAME = 1e-9
_REACH = 1.5


@dataclass(frozen=True, eq=False)
class _Cluster:
    """Corners that become one: their numbers, and their places as seen from the first of them."""

    members: IntArray
    places: FloatArray


def grain_rings(
    diagram: PlaneDiagram, edges_nm: FloatArray, merge_nm: float, size_nm: float
) -> list[FloatArray]:
    """Divide the outlines of the Laguerre cells so that neighbours share their nodes.

    Parameters
    ----------
    diagram : PlaneDiagram
        The tessellation.
    edges_nm : ndarray, shape (2,)
        Edges of the cell.
    merge_nm : float
        Length up to which sides collapse.
    size_nm : float
        Length of the pieces asked for.

    Returns
    -------
    list of ndarray, shape (k, 2)
        Nodes of each outline in nm, counter-clockwise.

    Notes
    -----
    The sides lie inside the network and are no physical interface, so that short ones may collapse
    into a point. A side is divided as seen from one of its grains and displaced by the period for
    the other: the outlines match modulo the lattice by construction.
    """
    start = _merged_corners(diagram, edges_nm, merge_nm)
    following = _next_in_grain(diagram)
    end = start[following]
    length = np.linalg.norm(end - start, axis=1)
    shortest = 1e-6 * float(edges_nm.max())
    divisions = np.maximum(1, np.ceil(length / size_nm - 0.25)).astype(int)
    keys = list(
        zip(
            diagram.grain.tolist(),
            diagram.neighbour.tolist(),
            map(tuple, diagram.shift.tolist()),
            strict=True,
        )
    )
    row_of = {key: row for row, key in enumerate(keys)}
    rings: list[list[FloatArray]] = [[] for _ in range(diagram.number_of_grains)]
    for row, (here, there, shift) in enumerate(keys):
        if length[row] < shortest:
            continue
        twin = (there, here, (-shift[0], -shift[1]))
        if twin < (here, there, shift) and twin in row_of:
            other = row_of[twin]
            nodes = _divided(start[other], end[other], divisions[other])[::-1]
            nodes = nodes + np.array(shift) * edges_nm
        else:
            nodes = _divided(start[row], end[row], divisions[row])
        rings[here].append(nodes[:-1])
    return [np.concatenate(ring) for ring in rings]


def _divided(start: FloatArray, end: FloatArray, divisions: int) -> FloatArray:
    share = np.linspace(0.0, 1.0, divisions + 1)[:, None]
    return (1.0 - share) * start + share * end


def _next_in_grain(diagram: PlaneDiagram) -> IntArray:
    following = np.arange(1, len(diagram.grain) + 1)
    last = np.flatnonzero(np.diff(diagram.grain, append=-1))
    first = np.concatenate([[0], last[:-1] + 1])
    following[last] = first
    return following


def _merged_corners(diagram: PlaneDiagram, edges_nm: FloatArray, merge_nm: float) -> FloatArray:
    """Place of the first corner of every side after short sides have collapsed."""
    corners = diagram.start
    wrapped = corners % edges_nm
    wrapped[wrapped >= edges_nm] = 0.0
    near = KDTree(wrapped, boxsize=edges_nm).query_pairs(
        _SAME * float(edges_nm.max()), output_type="ndarray"
    )
    count, label = components_of_pairs(near, len(corners))
    following = _next_in_grain(diagram)
    step = corners[following] - corners
    length = np.linalg.norm(step, axis=1)
    clusters = {n: _Cluster(np.array([n]), np.zeros((1, 2))) for n in range(count)}
    cluster_of = np.arange(count)
    for row in np.argsort(length, kind="stable").tolist():
        if length[row] > merge_nm:
            break
        here, there = int(label[row]), int(label[following[row]])
        if cluster_of[here] != cluster_of[there]:
            _join(clusters, cluster_of, here, there, step[row], merge_nm)
    moves = np.zeros((count, 2))
    for cluster in clusters.values():
        moves[cluster.members] = cluster.places.mean(axis=0) - cluster.places
    moved = corners + moves[label]
    return _at_one_place(moved, label, cluster_of, edges_nm)


def _join(
    clusters: dict[int, _Cluster],
    cluster_of: IntArray,
    here: int,
    there: int,
    step: FloatArray,
    merge_nm: float,
) -> None:
    first, second = clusters[int(cluster_of[here])], clusters[int(cluster_of[there])]
    from_first = first.places[np.flatnonzero(first.members == here)[0]] + step
    to_second = second.places[np.flatnonzero(second.members == there)[0]]
    places = np.concatenate([first.places, second.places + from_first - to_second])
    # a chain of short sides must not pull a whole grain together
    if np.linalg.norm(np.ptp(places, axis=0)) > _REACH * merge_nm:
        return
    name, gone = int(cluster_of[here]), int(cluster_of[there])
    clusters[name] = _Cluster(np.concatenate([first.members, second.members]), places)
    del clusters[gone]
    cluster_of[second.members] = name


def _at_one_place(
    moved: FloatArray, label: IntArray, cluster_of: IntArray, edges_nm: FloatArray
) -> FloatArray:
    """Take round-off out: images of one corner lie exactly a period apart."""
    _, first, cluster = np.unique(cluster_of[label], return_index=True, return_inverse=True)
    base = moved[first][cluster.ravel()]
    return base + np.round((moved - base) / edges_nm) * edges_nm


def without_short_sides(corners: FloatArray, merge_nm: float) -> FloatArray:
    """Collapse the short sides of a polygon and give it its area back.

    Parameters
    ----------
    corners : ndarray, shape (k, 2)
        Corners in nm, counter-clockwise.
    merge_nm : float
        Length up to which a side collapses into its middle; three corners always stay.

    Returns
    -------
    ndarray, shape (m, 2)
        Corners of the polygon of the same area about the same centre.
    """
    area, centre = _area_and_centre(corners)
    ring = corners
    while len(ring) > 3:
        lengths = np.linalg.norm(np.roll(ring, -1, axis=0) - ring, axis=1)
        shortest = int(np.argmin(lengths))
        if lengths[shortest] > merge_nm:
            break
        after = (shortest + 1) % len(ring)
        ring = ring.copy()
        ring[shortest] = 0.5 * (ring[shortest] + ring[after])
        ring = np.delete(ring, after, axis=0)
    new_area, new_centre = _area_and_centre(ring)
    return centre + np.sqrt(area / new_area) * (ring - new_centre)


def _area_and_centre(corners: FloatArray) -> tuple[float, FloatArray]:
    after = np.roll(corners, -1, axis=0)
    origin = corners.mean(axis=0)
    a, b = corners - origin, after - origin
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    area = 0.5 * float(cross.sum())
    return area, origin + ((a + b) * cross[:, None]).sum(axis=0) / (6.0 * area)


def rectangle_ring(edges_nm: FloatArray, divisions: Iterable[int]) -> FloatArray:
    """Divide the outline of a rectangle so that opposite edges match.

    Parameters
    ----------
    edges_nm : ndarray, shape (2,)
        Edges of the rectangle, which starts at the origin.
    divisions : iterable of int
        Pieces along x and along y.

    Returns
    -------
    ndarray, shape (k, 2)
        Nodes in nm, counter-clockwise from the origin.
    """
    across, up = (
        np.linspace(0.0, edge, n + 1) for edge, n in zip(edges_nm, divisions, strict=True)
    )
    width, height = float(edges_nm[0]), float(edges_nm[1])
    bottom = np.stack([across[:-1], np.zeros(len(across) - 1)], axis=1)
    right = np.stack([np.full(len(up) - 1, width), up[:-1]], axis=1)
    top = np.stack([across[:0:-1], np.full(len(across) - 1, height)], axis=1)
    left = np.stack([np.zeros(len(up) - 1), up[:0:-1]], axis=1)
    return np.concatenate([bottom, right, top, left])
