"""How a tetrahedron is divided once some of its edges are cut by interfaces."""

from functools import cache
from itertools import combinations

EDGES: tuple[tuple[int, int], ...] = tuple(combinations(range(4), 2))
"""Vertices of each edge of a tetrahedron; the cut of edge e is local node 4 + e."""

FACES: tuple[tuple[int, int, int], ...] = ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2))
"""Vertices of the face opposite each vertex; the junction in face f is local node 10 + f."""

CENTRE = 14
"""Local node inside a tetrahedron that no template divides."""

PATTERNS = 2 ** len(EDGES)
Nodes = tuple[int, ...]

_EDGE = {pair: number for number, pair in enumerate(EDGES)}


def cut_of(i: int, j: int) -> int:
    """Local node of the cut between two vertices.

    Parameters
    ----------
    i, j : int
        Vertices from 0 to 3.

    Returns
    -------
    int
        Local node from 4 to 9.
    """
    return 4 + _EDGE[min(i, j), max(i, j)]


def is_cut(pattern: int, i: int, j: int) -> bool:
    """Whether an edge is cut.

    Parameters
    ----------
    pattern : int
        Bit e is set where edge e is cut.
    i, j : int
        Vertices from 0 to 3.

    Returns
    -------
    bool
        State of the edge.
    """
    return bool(pattern >> (cut_of(i, j) - 4) & 1)


@cache
def face_triangles(pattern: int, face: int) -> tuple[Nodes, ...]:
    """Triangles that a face is divided into.

    Parameters
    ----------
    pattern : int
        Bit e is set where edge e is cut.
    face : int
        Face opposite that vertex.

    Returns
    -------
    tuple of tuple of int
        Local nodes of each triangle.

    Notes
    -----
    They depend on the cut edges of the face and on the order of its vertices alone, so that both
    tetrahedra of a face agree where their vertices are sorted alike: a quadrilateral is divided
    from the lower of its two vertices.
    """
    i, j, k = FACES[face]
    cuts = [pair for pair in ((i, j), (j, k), (i, k)) if is_cut(pattern, *pair)]
    if not cuts:
        return ((i, j, k),)
    if len(cuts) == 1:
        (u, v), c = cuts[0], cut_of(*cuts[0])
        w = i + j + k - u - v
        return ((u, c, w), (c, v, w))
    if len(cuts) == 2:
        (apex,) = set(cuts[0]) & set(cuts[1])
        v, w = sorted({i, j, k} - {apex})
        c, d = cut_of(apex, v), cut_of(apex, w)
        return ((apex, c, d), (v, w, d), (v, d, c))
    junction = 10 + face
    return tuple(
        triangle
        for u, v in cuts
        for triangle in ((u, cut_of(u, v), junction), (cut_of(u, v), v, junction))
    )


def needs_centre(pattern: int) -> bool:
    """Whether a tetrahedron is divided from a node inside it.

    Parameters
    ----------
    pattern : int
        Bit e is set where edge e is cut.

    Returns
    -------
    bool
        True where three regions or more meet in it.
    """
    return any(CENTRE in piece for piece in pieces(pattern))


@cache
def pieces(pattern: int, other_diagonal: bool = False) -> tuple[Nodes, ...]:
    """Tetrahedra that a tetrahedron is divided into, orientation aside.

    Parameters
    ----------
    pattern : int
        Bit e is set where edge e is cut.
    other_diagonal : bool
        Where four cuts form a quadrilateral inside: whether it is divided the other way.

    Returns
    -------
    tuple of tuple of int
        Local nodes; the first is always a vertex.

    Notes
    -----
    Two regions: the stencils of Labelle and Shewchuk. Everything else, three or four regions that
    meet inside, is the cone of the divided faces over a node in the middle, as in the generalized
    stencil of lattice cleaving.

    References
    ----------
    Labelle, Shewchuk (2007), ACM Trans. Graph. 26, 57, doi 10.1145/1276377.1276448, Fig. 3.
    Bronson, Levine, Whitaker (2014), IEEE Trans. Vis. Comput. Graph. 20, 223,
    doi 10.1109/TVCG.2013.115.
    """
    cuts = [pair for pair in EDGES if is_cut(pattern, *pair)]
    if not cuts:
        return ((0, 1, 2, 3),)
    common = set(cuts[0]).intersection(*cuts[1:])
    if len(cuts) == 1:
        (a, b), c = cuts[0], cut_of(*cuts[0])
        y, z = sorted({0, 1, 2, 3} - {a, b})
        return ((a, c, y, z), (b, c, y, z))
    if len(cuts) == 2 and len(common) == 1:
        (apex,) = common
        (z,) = {0, 1, 2, 3} - set(cuts[0]) - set(cuts[1])
        v, w = sorted({0, 1, 2, 3} - {apex, z})
        c, d = cut_of(apex, v), cut_of(apex, w)
        return ((apex, c, d, z), (v, w, d, z), (v, c, d, z))
    if len(cuts) == 2:
        (a, b), (y, z) = cuts
        c, d = cut_of(a, b), cut_of(y, z)
        return ((a, y, c, d), (a, z, c, d), (b, y, c, d), (b, z, c, d))
    if len(cuts) == 3 and len(common) == 1:
        (apex,) = common
        u, v, w = sorted({0, 1, 2, 3} - {apex})
        c, d, e = (cut_of(apex, x) for x in (u, v, w))
        return ((apex, c, d, e), (u, c, d, e), (u, v, d, e), (u, v, w, e))
    if len(cuts) == 4:
        (p, q), (r, s) = sorted(set(EDGES) - set(cuts))
        if not {p, q} & {r, s}:
            return _two_against_two(p, q, r, s, other_diagonal)
    return tuple(
        (*sorted(triangle), CENTRE)
        for face in range(4)
        for triangle in face_triangles(pattern, face)
    )


def _two_against_two(p: int, q: int, r: int, s: int, other: bool) -> tuple[Nodes, ...]:
    pr, ps, qr, qs = (cut_of(x, y) for x in (p, q) for y in (r, s))
    halves = ((pr, ps, qr), (ps, qr, qs)) if other else ((pr, ps, qs), (pr, qr, qs))
    return (
        (p, q, qr, qs),
        (r, s, ps, qs),
        *((p, *half) for half in halves),
        *((r, *half) for half in halves),
    )
