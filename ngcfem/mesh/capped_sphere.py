"""Triangulated sphere with a conforming cap of even thickness on it."""

from dataclasses import dataclass

import numpy as np

from ngcfem.mesh.sphere_surface import enclosed_volume, geodesic_sphere, scaled_to_volume
from ngcfem.microstructure.cell import Inclusion
from ngcfem.quantities import BoolArray, FloatArray, IntArray

_GOOD_ANGLE_DEG = 20.0
_ACCEPTED_ANGLE_DEG = 10.0
_SPINS = 40
_SMOOTHING_STEPS = 15


@dataclass(frozen=True, eq=False)
class CappedSphere:
    """Surfaces of a crystal and the cap on it, as parts that share their nodes.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Nodes in nm.
    under_cap : ndarray of int, shape (a, 3)
        Triangles of the sphere under the cap, normals out of the sphere.
    bare : ndarray of int, shape (b, 3)
        The other triangles of the sphere, normals out of the sphere; empty caps have no rim.
    over_cap : ndarray of int, shape (c, 3)
        Outer surface and rim of the cap.
    """

    points: FloatArray
    under_cap: IntArray
    bare: IntArray
    over_cap: IntArray


def capped_sphere(inclusion: Inclusion, size_nm: float) -> CappedSphere:
    """Triangulate a crystal with its cap.

    Parameters
    ----------
    inclusion : Inclusion
        Crystal with a cap.
    size_nm : float
        Edge length asked for.

    Returns
    -------
    CappedSphere
        Around the centre of the inclusion; sphere and cap have their exact volumes.

    Raises
    ------
    RuntimeError
        If no acceptable triangulation is found.

    Notes
    -----
    1. A geodesic sphere is turned at random (from a fixed seed) and cut along the edges closest to
       the rim; the nodes of the cut are moved onto the rim and the others smoothed on the sphere.
    2. Folded triangles or angles below ``_GOOD_ANGLE_DEG`` lead to another turn; the best of
       ``_SPINS`` is taken if its smallest angle exceeds ``_ACCEPTED_ANGLE_DEG``.
    3. The sphere is scaled to its volume; the outer surface of the cap is the part of the sphere
       under it, scaled from the centre so that the shell between has the volume of the cap.
    """
    cap = inclusion.cap
    if cap is None:
        raise ValueError("the inclusion has no cap")
    unit, triangles = geodesic_sphere(1.0, size_nm / inclusion.radius_nm)
    unit = unit / np.linalg.norm(unit, axis=1)[:, None]
    neighbours = _neighbours(triangles, len(unit))
    half_angle = np.radians(cap.half_angle_deg)
    generator = np.random.default_rng(0)
    best_angle, best = -1.0, None
    for _ in range(_SPINS):
        nodes = unit @ _random_rotation(generator).T
        split = _split(nodes, triangles, half_angle)
        if split is None:
            continue
        covered, rim = split
        nodes = _smoothed(nodes, neighbours, rim, half_angle)
        angle = _smallest_angle(nodes, triangles)
        if angle > best_angle:
            best_angle, best = angle, (nodes, covered, rim)
        if angle > _GOOD_ANGLE_DEG:
            break
    if best is None or best_angle < _ACCEPTED_ANGLE_DEG:
        raise RuntimeError(
            f"no good triangulation of a cap of {cap.half_angle_deg:g} degrees on a sphere of "
            f"radius {inclusion.radius_nm:.3g} nm with edges of {size_nm:.3g} nm"
        )
    nodes, covered, rim = best
    nodes = scaled_to_volume(nodes, triangles, inclusion.volume_nm3)
    cone = enclosed_volume(nodes, triangles[covered])
    growth = (1.0 + inclusion.cap_volume_nm3 / cone) ** (1.0 / 3.0)
    return _assembled(nodes, triangles, covered, rim, growth, inclusion)


def _assembled(
    nodes: FloatArray,
    triangles: IntArray,
    covered: BoolArray,
    rim: IntArray,
    growth: float,
    inclusion: Inclusion,
) -> CappedSphere:
    axis = np.array(inclusion.cap.axis if inclusion.cap else (0.0, 0.0, 1.0))
    under = np.unique(triangles[covered])
    outer = np.full(len(nodes), -1, dtype=np.int64)
    outer[under] = len(nodes) + np.arange(len(under))
    # every rim edge (i, j) runs as in its covered triangle; the strip looks away from the pole
    strip = [
        triangle
        for i, j in rim.tolist()
        for triangle in ((i, outer[j], outer[i]), (i, j, outer[j]))
    ]
    points = np.concatenate([nodes, growth * nodes[under]]) @ _onto_axis(axis).T
    return CappedSphere(
        points=points + np.array(inclusion.centre_nm),
        under_cap=triangles[covered],
        bare=triangles[~covered],
        over_cap=np.concatenate([outer[triangles[covered]], np.array(strip, dtype=np.int64)]),
    )


def _random_rotation(generator: np.random.Generator) -> FloatArray:
    q, r = np.linalg.qr(generator.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0.0 else -q


def _onto_axis(axis: FloatArray) -> FloatArray:
    """Rotation that takes the z axis onto a unit vector."""
    helper = np.eye(3)[np.argmin(np.abs(axis))]
    first = np.cross(helper, axis)
    first /= np.linalg.norm(first)
    return np.column_stack([first, np.cross(axis, first), axis])


def _neighbours(triangles: IntArray, number: int) -> list[IntArray]:
    sets: list[set[int]] = [set() for _ in range(number)]
    for a, b, c in triangles.tolist():
        sets[a] |= {b, c}
        sets[b] |= {a, c}
        sets[c] |= {a, b}
    return [np.array(sorted(s), dtype=np.int64) for s in sets]


def _split(
    nodes: FloatArray, triangles: IntArray, half_angle: float
) -> tuple[BoolArray, IntArray] | None:
    """Triangles under the cap, and the directed edges of its rim; None if it is no single ring."""
    centre = nodes[triangles].mean(axis=1)
    covered = centre[:, 2] > np.cos(half_angle) * np.linalg.norm(centre, axis=1)
    owner = {
        (t[k], t[(k + 1) % 3]): row for row, t in enumerate(triangles.tolist()) for k in range(3)
    }
    for _ in range(6):
        foreign = np.zeros(len(triangles), dtype=int)
        for (i, j), row in owner.items():
            foreign[row] += covered[row] != covered[owner[j, i]]
        # a triangle that juts out of its side would be flattened onto the rim
        juts = foreign >= 2
        if not juts.any():
            break
        covered = np.where(juts, ~covered, covered)
    else:
        return None
    rim = np.array(
        [edge for edge, row in owner.items() if covered[row] and not covered[owner[edge[::-1]]]],
        dtype=np.int64,
    )
    following = dict(rim.tolist())
    if len(rim) < 3 or len(following) != len(rim):
        return None
    start = here = int(rim[0, 0])
    for length in range(1, len(rim) + 1):
        here = following.get(here, -1)
        if here == start:
            return (covered, rim) if length == len(rim) else None
    return None


def _smoothed(
    nodes: FloatArray, neighbours: list[IntArray], rim: IntArray, half_angle: float
) -> FloatArray:
    on_rim = set(rim[:, 0].tolist())
    along: dict[int, list[int]] = {node: [] for node in on_rim}
    for i, j in rim.tolist():
        along[i].append(j)
        along[j].append(i)
    nodes = _onto_rim(nodes, rim[:, 0], half_angle)
    for _ in range(_SMOOTHING_STEPS):
        moved = np.array(
            [
                0.5 * nodes[k] + 0.5 * nodes[along[k] if k in on_rim else near].mean(axis=0)
                for k, near in enumerate(neighbours)
            ]
        )
        moved /= np.linalg.norm(moved, axis=1)[:, None]
        nodes = _onto_rim(moved, rim[:, 0], half_angle)
    return nodes


def _onto_rim(nodes: FloatArray, rim: IntArray, half_angle: float) -> FloatArray:
    moved = nodes.copy()
    sideways = moved[rim, :2] / np.linalg.norm(moved[rim, :2], axis=1)[:, None]
    moved[rim, :2] = np.sin(half_angle) * sideways
    moved[rim, 2] = np.cos(half_angle)
    return moved


def _smallest_angle(nodes: FloatArray, triangles: IntArray) -> float:
    """Smallest angle of the triangles in degrees; -1 if one is folded."""
    a, b, c = (nodes[triangles[:, k]] for k in range(3))
    if np.any(np.einsum("ij,ij->i", a, np.cross(b, c)) <= 0.0):
        return -1.0
    sides = np.stack([np.linalg.norm(c - b, axis=1), np.linalg.norm(a - c, axis=1)])
    sides = np.vstack([sides, np.linalg.norm(b - a, axis=1)])
    opposite = sides**2
    cosines = [
        (opposite[(k + 1) % 3] + opposite[(k + 2) % 3] - opposite[k])
        / (2.0 * sides[(k + 1) % 3] * sides[(k + 2) % 3])
        for k in range(3)
    ]
    return float(np.degrees(np.arccos(np.clip(np.max(cosines), -1.0, 1.0))))
