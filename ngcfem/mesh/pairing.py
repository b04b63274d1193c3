"""Identification of nodes modulo a lattice, and the checks that the periodic topology is sound."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from ngcfem.errors import Finding, InputError, RefusedError
from ngcfem.mesh.periodic_mesh import (
    EDGES_OF_FACETS,
    TETRAHEDRON_EDGES,
    TETRAHEDRON_FACETS,
    TRIANGLE_EDGES,
)
from ngcfem.quantities import BoolArray, FloatArray, IntArray


class TooCoarseError(RefusedError):
    """An edge, facet or cell of a periodic mesh is not determined by its vertices."""


Table = tuple[tuple[int, ...], ...]

PAIRING_TOLERANCE = 1e-8
"""Largest distance between a node and the image of its partner, over the size of the cell."""


@dataclass(frozen=True)
class QuotientCheck:
    """What the periodic topology looks like when images of one entity are identified.

    The facets of triangles are their edges.

    Parameters
    ----------
    cells_with_repeated_vertex : int
        Cells of which two vertices are images of one another.
    duplicate_cells : int
        Cells that have all their vertices in common with another one.
    ambiguous_edges : int
        Pairs of identified vertices that are joined by edges of different direction.
    facets_not_shared_by_two : int
        Facets that do not belong to exactly two cells.
    mismatched_midside_nodes : int
        Identified edges whose midside nodes are not identified (10-node cells only).
    euler_characteristic : int
        Vertices - edges + facets - cells, in the plane vertices - edges + cells; 0 on a torus.
    """

    cells_with_repeated_vertex: int
    duplicate_cells: int
    ambiguous_edges: int
    facets_not_shared_by_two: int
    mismatched_midside_nodes: int
    euler_characteristic: int

    @property
    def too_coarse(self) -> bool:
        """Whether an entity of the quotient is not determined by its vertices."""
        return bool(self.cells_with_repeated_vertex or self.duplicate_cells or self.ambiguous_edges)

    @property
    def accepted(self) -> bool:
        """Whether nothing is wrong."""
        return not (
            self.too_coarse
            or self.facets_not_shared_by_two
            or self.mismatched_midside_nodes
            or self.euler_characteristic
        )


def row_numbers(rows: IntArray) -> IntArray:
    """Give every row a number such that equal rows, and no others, have the same one.

    Parameters
    ----------
    rows : ndarray of int, shape (n, k)
        Rows of numbers from 0 on.

    Returns
    -------
    ndarray of int, shape (n,)
        One number a row.

    Notes
    -----
    Sorting numbers is many times faster than sorting rows. Where the digits of a row do not fit
    into 64 bits, those read so far are numbered anew.
    """
    base = int(rows.max(initial=0)) + 1
    number, span = rows[:, 0].astype(np.int64), base
    for column in rows.T[1:]:
        if span * base >= 2**63:
            _, number = np.unique(number, return_inverse=True)
            span = int(number.max(initial=0)) + 1
        number, span = number * base + column, span * base
    return number


def boundary_nodes(cells: IntArray) -> IntArray:
    """Numbers of all nodes, midside nodes included, on facets that only one cell has.

    Parameters
    ----------
    cells : ndarray of int, shape (m, 4) or (m, 10), in the plane (m, 3) or (m, 6)
        Node numbers in Gmsh order.

    Returns
    -------
    ndarray of int, shape (k,)
        Sorted node numbers.
    """
    corners, _, facet_table, edges_of_facets = _simplex(cells)
    facets = np.concatenate([cells[:, list(facet)] for facet in facet_table])
    _, first, count = np.unique(
        row_numbers(np.sort(facets, axis=1)), return_index=True, return_counts=True
    )
    outer = first[count == 1]
    nodes = [facets[outer].ravel()]
    if cells.shape[1] > corners:
        midsides = np.concatenate(
            [cells[:, [corners + edge for edge in edges]] for edges in edges_of_facets]
        )
        nodes.append(midsides[outer].ravel())
    return np.unique(np.concatenate(nodes))


def _simplex(cells: IntArray) -> tuple[int, Table, Table, Table]:
    """Vertices of a cell, and its edges, its facets, and the edges of each facet."""
    if cells.shape[1] in (3, 6):
        return 3, TRIANGLE_EDGES, TRIANGLE_EDGES, ((0,), (1,), (2,))
    return 4, TETRAHEDRON_EDGES, TETRAHEDRON_FACETS, EDGES_OF_FACETS


def components_of_pairs(pairs: IntArray, number: int) -> tuple[int, IntArray]:
    """Collect items joined by pairs into classes.

    Parameters
    ----------
    pairs : ndarray of int, shape (k, 2)
        Joined items.
    number : int
        Number of items.

    Returns
    -------
    count : int
        Number of classes.
    label : ndarray of int, shape (number,)
        Class of each item.
    """
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(number, number))
    count, label = connected_components(graph, directed=False)
    return int(count), label.astype(np.int64)


def identify_nodes(
    points: FloatArray,
    cells: IntArray,
    lattice: FloatArray,
    tolerance: float = PAIRING_TOLERANCE,
    origin: str = "mesh",
) -> IntArray:
    """Identify the boundary nodes of a mesh that are images of one another modulo a lattice.

    Parameters
    ----------
    points : ndarray, shape (n, 3), in the plane (n, 2)
        Node positions in nm.
    cells : ndarray of int, shape (m, 4) or (m, 10), in the plane (m, 3) or (m, 6)
        Node numbers in Gmsh order.
    lattice : ndarray, shape (3, 3), in the plane (2, 2)
        Period vectors as rows, in nm.
    tolerance : float
        Largest mismatch in fractional coordinates.
    origin : str
        File the mesh came from, for the messages.

    Returns
    -------
    ndarray of int, shape (n,)
        Lowest node number of each node's images; its own where it has none.

    Raises
    ------
    InputError
        If a boundary node has no image among the boundary nodes; every face is named with the
        number of its nodes that lack one.

    Notes
    -----
    1. Positions are written in units of the period vectors and wrapped into [0, 1).
    2. Boundary nodes within the tolerance of one another on that torus form one class; no box, no
       face and no axis enters, so that whole-cell domains and skew lattices pair in the same way.
    3. Every class must hold two nodes or more.
    """
    fractional = points @ np.linalg.inv(lattice)
    nodes = boundary_nodes(cells)
    wrapped = fractional[nodes] - np.floor(fractional[nodes])
    wrapped[wrapped >= 1.0] = 0.0
    pairs = KDTree(wrapped, boxsize=1.0).query_pairs(tolerance, output_type="ndarray")
    count, label = components_of_pairs(pairs, len(nodes))
    alone = nodes[np.bincount(label, minlength=count)[label] == 1]
    if len(alone):
        raise InputError(_unpaired_findings(fractional, nodes, alone, points, origin))
    torus_node = np.arange(len(points), dtype=np.int64)
    lowest = np.full(count, len(points), dtype=np.int64)
    np.minimum.at(lowest, label, nodes)
    torus_node[nodes] = lowest[label]
    return torus_node


def _unpaired_findings(
    fractional: FloatArray, nodes: IntArray, alone: IntArray, points: FloatArray, origin: str
) -> Iterable[Finding]:
    low, high = fractional.min(axis=0), fractional.max(axis=0)
    allowed = (
        f"an image of every boundary node one period away, within {PAIRING_TOLERANCE:g} of the cell"
    )
    remedy = (
        "mesh opposite faces alike (Gmsh: setPeriodic) and write 16 digits; check period_nm and "
        "length_unit_nm; a mesh that is not periodic needs boundary = uniform-displacement"
    )
    near = 1e-6
    rest = np.ones(len(alone), dtype=bool)
    for axis, letter in enumerate("xyz"[: points.shape[1]]):
        for end, bound in (("low", low), ("high", high)):

            def on_face(which: IntArray, axis: int = axis, bound: FloatArray = bound) -> BoolArray:
                return np.abs(fractional[which, axis] - bound[axis]) < near

            missing = on_face(alone) & rest
            if missing.any():
                total = int(on_face(nodes).sum())
                yield Finding(
                    file=origin,
                    key=f"{end} {letter} face of the cell",
                    found=f"{int(missing.sum())} of {total} nodes without an image, "
                    f"the first at {_position(points[alone[missing][0]])} nm",
                    allowed=allowed,
                    remedy=remedy,
                )
                rest &= ~missing
    if rest.any():
        yield Finding(
            file=origin,
            key="boundary away from the faces of the bounding box",
            found=f"{int(rest.sum())} nodes without an image, the first at "
            f"{_position(points[alone[rest][0]])} nm",
            allowed=allowed,
            remedy="there is a hole, or bodies that touch without sharing nodes (fragment them, or "
            "remove duplicate nodes), or period_nm does not fit",
        )


def _position(point: FloatArray) -> str:
    return "(" + ", ".join(f"{x:.6g}" for x in point) + ")"


def quotient_check(points: FloatArray, cells: IntArray, torus_node: IntArray) -> QuotientCheck:
    """Count what keeps an entity of the periodic mesh from being its set of identified vertices.

    Parameters
    ----------
    points : ndarray, shape (n, 3), in the plane (n, 2)
        Node positions in nm.
    cells : ndarray of int, shape (m, 4) or (m, 10), in the plane (m, 3) or (m, 6)
        Node numbers in Gmsh order.
    torus_node : ndarray of int, shape (n,)
        Representative of each node modulo the lattice.

    Returns
    -------
    QuotientCheck
        The counts.
    """
    corners, edge_table, facet_table, _ = _simplex(cells)
    corner = torus_node[cells[:, :corners]]
    ordered = np.sort(corner, axis=1)
    repeated = int(np.any(ordered[:, 1:] == ordered[:, :-1], axis=1).sum())
    duplicates = len(ordered) - len(np.unique(row_numbers(ordered)))

    pairs = np.array(edge_table)
    start, end = cells[:, pairs[:, 0]].ravel(), cells[:, pairs[:, 1]].ravel()
    torus_start, torus_end = torus_node[start], torus_node[end]
    forward = torus_start < torus_end
    step = np.where(forward[:, None], points[end] - points[start], points[start] - points[end])
    key = np.stack([np.minimum(torus_start, torus_end), np.maximum(torus_start, torus_end)], axis=1)
    edges, edge = np.unique(row_numbers(key), return_inverse=True)
    first = np.full(len(edges), -1)
    first[edge[::-1]] = np.arange(len(edge))[::-1]
    # images of one edge differ by round-off, different edges by a period
    differs = np.abs(step - step[first[edge]]).max(axis=1) > 1e-5 * np.ptp(points, axis=0).max()
    ambiguous = len(np.unique(edge[differs]))

    mismatched = 0
    if cells.shape[1] > corners:
        middle = torus_node[cells[:, corners:]].ravel()
        mismatched = len(np.unique(edge[middle != middle[first[edge]]]))

    facets = np.sort(np.concatenate([corner[:, list(f)] for f in facet_table]), axis=1)
    unique_facets, count = np.unique(row_numbers(facets), return_counts=True)
    euler = len(np.unique(corner)) - len(edges)
    euler += len(cells) if corners == 3 else len(unique_facets) - len(cells)
    return QuotientCheck(
        cells_with_repeated_vertex=repeated,
        duplicate_cells=duplicates,
        ambiguous_edges=ambiguous,
        facets_not_shared_by_two=int((count != 2).sum()),
        mismatched_midside_nodes=mismatched,
        euler_characteristic=int(euler),
    )


def check_quotient(
    points: FloatArray, cells: IntArray, torus_node: IntArray, origin: str = "mesh"
) -> None:
    """Refuse a mesh whose periodic topology is not sound.

    Parameters
    ----------
    points : ndarray, shape (n, 3), in the plane (n, 2)
        Node positions in nm.
    cells : ndarray of int, shape (m, 4) or (m, 10), in the plane (m, 3) or (m, 6)
        Node numbers in Gmsh order.
    torus_node : ndarray of int, shape (n,)
        Representative of each node modulo the lattice.
    origin : str
        File the mesh came from, for the messages.

    Raises
    ------
    TooCoarseError
        If the mesh is too coarse: an edge, facet or cell of the periodic mesh is not determined by
        its vertices.
    InputError
        If a facet does not belong to exactly two cells, a curved edge does not match its image, or
        the Euler characteristic is not 0.
    """
    check = quotient_check(points, cells, torus_node)
    if check.accepted:
        return
    if check.too_coarse:
        raise TooCoarseError(
            f"{origin}: the mesh is too coarse to be periodic: "
            f"{check.cells_with_repeated_vertex} cells meet their own image, "
            f"{check.duplicate_cells} cells have the vertices of another one, "
            f"{check.ambiguous_edges} pairs of vertices are joined by two different edges. "
            "Refine until at least three, better four, elements cross the cell in every direction."
        )
    findings = []
    if check.facets_not_shared_by_two:
        findings.append(
            Finding(
                file=origin,
                key="facets",
                found=f"{check.facets_not_shared_by_two} facets that do not belong to two cells "
                "modulo the period",
                allowed="every facet shared by exactly two cells",
                remedy="mesh the faces of the cell with the same triangles as their images; "
                "remove duplicate or overlapping bodies",
            )
        )
    if check.mismatched_midside_nodes:
        findings.append(
            Finding(
                file=origin,
                key="midside nodes",
                found=f"{check.mismatched_midside_nodes} edges whose midside node is not the image "
                "of its partner's",
                allowed="curved edges that match modulo the period",
                remedy="set the periodicity before the order is raised to 2",
            )
        )
    if not findings:
        findings.append(
            Finding(
                file=origin,
                key="topology",
                found=f"Euler characteristic {check.euler_characteristic}",
                allowed="0, that of a torus",
                remedy="look for bodies that touch in single nodes or edges, and for tunnels",
            )
        )
    raise InputError(findings)
