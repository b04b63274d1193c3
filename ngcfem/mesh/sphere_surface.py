"""Triangulated spheres whose polyhedral volume is that of the sphere."""

import numpy as np

from ngcfem.quantities import FloatArray, IntArray

_GOLDEN = 0.5 * (1.0 + 5.0**0.5)
_ICOSAHEDRON_VERTICES = np.array(
    [
        (-1.0, _GOLDEN, 0.0),
        (1.0, _GOLDEN, 0.0),
        (-1.0, -_GOLDEN, 0.0),
        (1.0, -_GOLDEN, 0.0),
        (0.0, -1.0, _GOLDEN),
        (0.0, 1.0, _GOLDEN),
        (0.0, -1.0, -_GOLDEN),
        (0.0, 1.0, -_GOLDEN),
        (_GOLDEN, 0.0, -1.0),
        (_GOLDEN, 0.0, 1.0),
        (-_GOLDEN, 0.0, -1.0),
        (-_GOLDEN, 0.0, 1.0),
    ]
) / np.sqrt(1.0 + _GOLDEN**2)


def _icosahedron_triangles() -> IntArray:
    edge = np.linalg.norm(_ICOSAHEDRON_VERTICES[0] - _ICOSAHEDRON_VERTICES[1])
    distance = np.linalg.norm(_ICOSAHEDRON_VERTICES[:, None] - _ICOSAHEDRON_VERTICES[None], axis=2)
    near = np.isclose(distance, edge)
    triangles = [
        (i, j, k)
        for i in range(12)
        for j in range(i + 1, 12)
        for k in range(j + 1, 12)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    return oriented_outwards(_ICOSAHEDRON_VERTICES, np.array(triangles, dtype=np.int64))


def oriented_outwards(points: FloatArray, triangles: IntArray) -> IntArray:
    """Turn the triangles of a surface around the origin so that their normals point outwards.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Vertices.
    triangles : ndarray of int, shape (m, 3)
        Vertex numbers.

    Returns
    -------
    ndarray of int, shape (m, 3)
        Vertex numbers in the new order.
    """
    a, b, c = (points[triangles[:, k]] for k in range(3))
    inwards = np.einsum("ij,ij->i", a, np.cross(b, c)) < 0.0
    turned = triangles.copy()
    turned[inwards] = turned[inwards][:, ::-1]
    return turned


def enclosed_volume(points: FloatArray, triangles: IntArray) -> float:
    """Volume that a closed, outward oriented triangulated surface encloses.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Vertices.
    triangles : ndarray of int, shape (m, 3)
        Vertex numbers, normal outwards.

    Returns
    -------
    float
        Volume in the cube of the unit of the points.
    """
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def geodesic_sphere(radius_nm: float, size_nm: float) -> tuple[FloatArray, IntArray]:
    """Triangulate a sphere around the origin by a geodesic subdivision of the icosahedron.

    Parameters
    ----------
    radius_nm : float
        Radius in nm.
    size_nm : float
        Edge length asked for in nm.

    Returns
    -------
    points : ndarray, shape (n, 3)
        Vertices in nm.
    triangles : ndarray of int, shape (m, 3)
        Vertex numbers, normals outwards.

    Notes
    -----
    1. Every edge of the icosahedron is cut into max(2, round(1.05 radius / size)) parts and the
       nodes are projected onto the sphere.
    2. The points are scaled so that the **polyhedron** has the volume of the sphere: straight-sided
       tetrahedra then fill it exactly.
    """
    parts = max(2, round(1.05 * radius_nm / size_nm))
    base = _ICOSAHEDRON_VERTICES
    points: list[FloatArray] = []
    number: dict[tuple[tuple[int, int], ...], int] = {}

    def vertex(corners: tuple[int, int, int], weights: tuple[int, int, int]) -> int:
        # integer barycentric weights name a vertex without any rounding
        key = tuple(sorted((c, w) for c, w in zip(corners, weights, strict=True) if w))
        if key not in number:
            position = np.sum([w * base[c] for c, w in key], axis=0)
            number[key] = len(points)
            points.append(position / np.linalg.norm(position))
        return number[key]

    triangles = []
    for a, b, c in _icosahedron_triangles().tolist():
        corners = (a, b, c)
        for i in range(parts):
            for j in range(parts - i):
                k = parts - i - j
                right, up = (k - 1, i + 1, j), (k - 1, i, j + 1)
                triangles.append(
                    (vertex(corners, (k, i, j)), vertex(corners, right), vertex(corners, up))
                )
                if k > 1:
                    far = (k - 2, i + 1, j + 1)
                    triangles.append(
                        (vertex(corners, right), vertex(corners, far), vertex(corners, up))
                    )
    unit = np.array(points)
    surface = np.array(triangles, dtype=np.int64)
    return scaled_to_volume(unit, surface, 4.0 / 3.0 * np.pi * radius_nm**3), surface


def scaled_to_volume(points: FloatArray, triangles: IntArray, volume_nm3: float) -> FloatArray:
    """Scale a closed surface about the origin so that it encloses a given volume.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Vertices in nm.
    triangles : ndarray of int, shape (m, 3)
        Vertex numbers, normals outwards.
    volume_nm3 : float
        Volume asked for.

    Returns
    -------
    ndarray, shape (n, 3)
        Scaled vertices.
    """
    return points * (volume_nm3 / enclosed_volume(points, triangles)) ** (1.0 / 3.0)
