"""Triangulated surface of a crystal: a ball or ellipsoid with a cap on it, or cut by a plane."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.sparse import coo_array, csr_array

from ngcfem.mesh.sphere_surface import enclosed_volume, geodesic_sphere
from ngcfem.microstructure.cell import Inclusion
from ngcfem.quantities import BoolArray, FloatArray, IntArray

_GOOD_ANGLE_DEG = 20.0
_ACCEPTED_ANGLE_DEG = 10.0
_SPINS = 40
_SMOOTHING_STEPS = 15
_CLEANING_STEPS = 12
_NOTHING = np.zeros((0, 3), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class CrystalSurface:
    """Surfaces of a crystal and the cap on it, as parts that share their nodes.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Nodes in nm.
    bare : ndarray of int, shape (b, 3)
        Triangles of the crystal towards its grain, normals out of the crystal.
    under_cap : ndarray of int, shape (a, 3)
        Triangles of the crystal under its cap, normals out of the crystal; no rows without a cap.
    over_cap : ndarray of int, shape (c, 3)
        Outer surface and rim of the cap.
    disc : ndarray of int, shape (d, 3)
        Triangles of the plane that cuts the crystal, normals out of it; no rows without a flat.
    disc_rim : ndarray of int, shape (k,)
        Nodes around the disc in order.
    """

    points: FloatArray
    bare: IntArray
    under_cap: IntArray
    over_cap: IntArray
    disc: IntArray
    disc_rim: IntArray


@dataclass(frozen=True, eq=False)
class _Circle:
    """Small circle on the unit sphere, with what it cuts off from the triangulation."""

    axis: FloatArray
    angle: float
    covered: BoolArray
    rim: IntArray


def crystal_surface(inclusion: Inclusion, size_nm: float, spin: int = 0) -> CrystalSurface:
    """Triangulate a crystal with its cap and its flat, if any.

    Parameters
    ----------
    inclusion : Inclusion
        The crystal.
    size_nm : float
        Edge length asked for.
    spin : int
        Seed of the turns that are tried.

    Returns
    -------
    CrystalSurface
        In its place; crystal and cap have their exact volumes.

    Raises
    ------
    RuntimeError
        If no acceptable triangulation is found.

    Notes
    -----
    1. Everything happens on the ball that the stretch makes the crystal from; the stretch, of
       determinant 1, is applied at the end.
    2. A geodesic sphere is turned at random and cut along the edges closest to the rims of cap and
       flat; the nodes of the cuts are moved onto the rims and the others smoothed on the sphere.
       A sphere without rims is turned only if a ``spin`` is given.
    3. Folded triangles or angles below ``_GOOD_ANGLE_DEG`` lead to another turn; the best of
       ``_SPINS`` is taken if its smallest angle exceeds ``_ACCEPTED_ANGLE_DEG``.
    4. The part of the sphere beyond the flat is laid down on the plane, polar angle to radius; the
       polygon of the rim gets the area of the circle that it stands for.
    5. The nodes off the plane are scaled until the polyhedron has the volume of the crystal. The
       outer surface of the cap is the part of the crystal under it, scaled from the centre so that
       the shell between has the volume of the cap.
    """
    stretch = inclusion.stretch_matrix
    rims = _rims(inclusion)
    radius = inclusion.radius_nm
    # a rim needs some edges of its own, and the longest stretch some more
    size = size_nm / float(np.sqrt(np.linalg.norm(stretch, 2)))
    size = min([size, *(radius * np.sin(angle) for _, angle in rims)])
    if len(rims) == 2:
        between = np.arccos(np.clip(rims[0][0] @ rims[1][0], -1.0, 1.0)) - rims[0][1] - rims[1][1]
        size = min(size, max(0.2, between) * radius)
    unit, triangles = geodesic_sphere(1.0, size / radius)
    unit = unit / np.linalg.norm(unit, axis=1)[:, None]
    generator = np.random.default_rng(spin)
    if not rims:
        nodes = unit if spin == 0 else unit @ _random_rotation(generator).T
        circles: list[_Circle] = []
    else:
        nodes, circles = _cut(unit, triangles, rims, stretch, generator, inclusion)
    flat = circles[-1] if inclusion.flat is not None else None
    cap = circles[0] if inclusion.cap is not None else None
    beyond = np.zeros(len(triangles), dtype=bool) if flat is None else flat.covered
    under = np.zeros(len(triangles), dtype=bool) if cap is None else cap.covered
    if flat is not None:
        nodes = _laid_down(nodes, triangles, flat)
    surface = CrystalSurface(
        points=radius * nodes @ stretch.T + np.array(inclusion.centre_nm),
        bare=triangles[~under & ~beyond],
        under_cap=triangles[under],
        over_cap=_NOTHING if cap is None else _cap_triangles(triangles[under], cap.rim, len(unit)),
        disc=triangles[beyond],
        disc_rim=np.zeros(0, dtype=np.int64) if flat is None else flat.rim[:, 0],
    )
    return with_exact_volumes(inclusion, surface)


def with_exact_volumes(
    inclusion: Inclusion, surface: CrystalSurface, disc_points: FloatArray | None = None
) -> CrystalSurface:
    """Scale the surface of a crystal until crystal and cap have their volumes.

    Parameters
    ----------
    inclusion : Inclusion
        The crystal.
    surface : CrystalSurface
        Its triangulation.
    disc_points : ndarray, shape (j, 3), optional
        Where the nodes of the disc are to lie, in ascending order of their numbers.

    Returns
    -------
    CrystalSurface
        The same triangles with other positions; the nodes of the disc stay where they are asked to
        lie.
    """
    centre = np.array(inclusion.centre_nm)
    sphere = np.concatenate([surface.bare, surface.under_cap, surface.disc])
    count = int(sphere.max()) + 1
    nodes = surface.points[:count] - centre
    held = np.unique(surface.disc)
    if len(held) == 0:
        nodes = nodes * (inclusion.volume_nm3 / enclosed_volume(nodes, sphere)) ** (1.0 / 3.0)
    else:
        if disc_points is not None:
            nodes[held] = disc_points - centre
        middle = nodes[surface.disc_rim].mean(axis=0)
        free = np.setdiff1d(np.arange(count), held)

        def scaled(factor: float) -> FloatArray:
            moved = nodes.copy()
            moved[free] = middle + factor * (nodes[free] - middle)
            return moved

        factor = brentq(
            lambda f: enclosed_volume(scaled(f), sphere) - inclusion.volume_nm3,
            0.5,
            2.0,
            xtol=1e-15,
            rtol=1e-15,
        )
        nodes = scaled(float(np.asarray(factor)))
    points = nodes
    if len(surface.under_cap):
        cone = enclosed_volume(nodes, surface.under_cap)
        growth = (1.0 + inclusion.cap_volume_nm3 / cone) ** (1.0 / 3.0)
        points = np.concatenate([nodes, growth * nodes[np.unique(surface.under_cap)]])
    return CrystalSurface(
        points + centre,
        surface.bare,
        surface.under_cap,
        surface.over_cap,
        surface.disc,
        surface.disc_rim,
    )


def _rims(inclusion: Inclusion) -> list[tuple[FloatArray, float]]:
    """Axis and polar angle in radians of the rims of cap and flat on the unit sphere."""
    rims = []
    if inclusion.cap is not None:
        rims.append((np.array(inclusion.cap.axis), float(np.radians(inclusion.cap.half_angle_deg))))
    if inclusion.flat is not None:
        normal = inclusion.stretch_matrix @ np.array(inclusion.flat.normal)
        slope = float(np.linalg.norm(normal))
        height = inclusion.flat.distance_nm / (slope * inclusion.radius_nm)
        if not height < 1.0:
            raise RuntimeError("the flat of a crystal does not meet it")
        rims.append((normal / slope, float(np.arccos(height))))
    return rims


def _cut(
    unit: FloatArray,
    triangles: IntArray,
    rims: list[tuple[FloatArray, float]],
    stretch: FloatArray,
    generator: np.random.Generator,
    inclusion: Inclusion,
) -> tuple[FloatArray, list[_Circle]]:
    """Turn and smooth a sphere so that edges run along all rims."""
    across = _triangle_neighbours(triangles)
    averaging = _averaging(triangles, len(unit))
    best_angle, best = -1.0, None
    for _ in range(_SPINS):
        nodes = unit @ _random_rotation(generator).T
        circles = [_circle(nodes, triangles, across, *rim) for rim in rims]
        found = [circle for circle in circles if circle is not None]
        rim_nodes = [circle.rim[:, 0] for circle in found]
        if len(found) < len(rims) or len(np.unique(np.concatenate(rim_nodes))) < sum(
            map(len, rim_nodes)
        ):
            continue
        nodes = _smoothed(nodes, averaging, found)
        angle = _smallest_angle(nodes, triangles, stretch)
        if angle > best_angle:
            best_angle, best = angle, (nodes, found)
        if angle > _GOOD_ANGLE_DEG:
            break
    if best is None or best_angle < _ACCEPTED_ANGLE_DEG:
        angles = " and ".join(f"{np.degrees(angle):.3g}" for _, angle in rims)
        raise RuntimeError(
            f"no good triangulation of a crystal of radius {inclusion.radius_nm:.3g} nm with rims "
            f"at {angles} degrees"
        )
    return best


def _random_rotation(generator: np.random.Generator) -> FloatArray:
    q, r = np.linalg.qr(generator.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0.0 else -q


def _triangle_neighbours(triangles: IntArray) -> IntArray:
    """Triangle across each edge (k, k + 1) of each triangle of a closed surface."""
    ends = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=2).reshape(-1, 2)
    order = np.lexsort(np.sort(ends, axis=1).T)
    twin = np.empty(len(ends), dtype=np.int64)
    twin[order[0::2]], twin[order[1::2]] = order[1::2], order[0::2]
    return (twin // 3).reshape(-1, 3)


def _averaging(triangles: IntArray, number: int) -> csr_array:
    rows, columns = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    weights = coo_array((np.ones(len(rows)), (rows, columns)), shape=(number, number)).tocsr()
    count = np.asarray(weights.sum(axis=1)).ravel()
    return csr_array(weights.multiply(1.0 / count[:, None]))


def _circle(
    nodes: FloatArray, triangles: IntArray, across: IntArray, axis: FloatArray, angle: float
) -> _Circle | None:
    """Triangles beyond a rim, and the directed edges of the rim in order; None if not one ring."""
    centre = nodes[triangles].mean(axis=1)
    covered = centre @ axis > np.cos(angle) * np.linalg.norm(centre, axis=1)
    for step in range(_CLEANING_STEPS):
        # a triangle that juts out of its side would be flattened onto the rim
        juts = (covered[across] != covered[:, None]).sum(axis=1) >= 2
        if not juts.any():
            break
        # one side at a time: neighbours that change places would do so for ever
        side = juts & (covered == (step % 2 == 0))
        covered = np.where(side, ~covered, covered)
    else:
        return None
    edge = covered[:, None] & ~covered[across]
    following = dict(
        zip(triangles[edge].tolist(), np.roll(triangles, -1, axis=1)[edge].tolist(), strict=True)
    )
    if len(following) < 3 or len(following) != int(edge.sum()):
        return None
    ring = [next(iter(following))]
    while (after := following.get(ring[-1], -1)) != ring[0]:
        if after < 0 or len(ring) > len(following):
            return None
        ring.append(after)
    if len(ring) != len(following):
        return None
    return _Circle(axis, angle, covered, np.column_stack([ring, np.roll(ring, -1)]))


def _smoothed(nodes: FloatArray, averaging: csr_array, circles: list[_Circle]) -> FloatArray:
    nodes = _onto_rims(nodes, circles)
    for _ in range(_SMOOTHING_STEPS):
        moved = 0.5 * nodes + 0.5 * (averaging @ nodes)
        for circle in circles:
            ring = nodes[circle.rim[:, 0]]
            middle = 0.5 * (np.roll(ring, 1, axis=0) + np.roll(ring, -1, axis=0))
            moved[circle.rim[:, 0]] = 0.5 * ring + 0.5 * middle
        moved /= np.linalg.norm(moved, axis=1)[:, None]
        nodes = _onto_rims(moved, circles)
    return nodes


def _onto_rims(nodes: FloatArray, circles: list[_Circle]) -> FloatArray:
    moved = nodes.copy()
    for circle in circles:
        ring = circle.rim[:, 0]
        sideways = moved[ring] - np.outer(moved[ring] @ circle.axis, circle.axis)
        sideways /= np.linalg.norm(sideways, axis=1)[:, None]
        moved[ring] = np.cos(circle.angle) * circle.axis + np.sin(circle.angle) * sideways
    return moved


def _laid_down(nodes: FloatArray, triangles: IntArray, circle: _Circle) -> FloatArray:
    """Nodes beyond a circle moved into its plane, polar angle to radius.

    The polygon of the rim gets the area of the circle.
    """
    inside = np.unique(triangles[circle.covered])
    height = nodes[inside] @ circle.axis
    sideways = nodes[inside] - np.outer(height, circle.axis)
    length = np.linalg.norm(sideways, axis=1)
    radius = np.sin(circle.angle) * np.arctan2(length, height) / circle.angle
    ring = nodes[circle.rim[:, 0]]
    double = np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0) @ circle.axis
    radius *= np.sqrt(2.0 * np.pi * np.sin(circle.angle) ** 2 / double)
    laid = nodes.copy()
    laid[inside] = np.cos(circle.angle) * circle.axis + sideways * (
        radius / np.maximum(length, 1e-300)
    ).reshape(-1, 1)
    return laid


def _cap_triangles(under: IntArray, rim: IntArray, number: int) -> IntArray:
    """Copy of the triangles under a cap, and the strip around it; new nodes in ascending order."""
    inner = np.unique(under)
    outer = np.full(number, -1, dtype=np.int64)
    outer[inner] = number + np.arange(len(inner))
    i, j = rim.T
    # every rim edge (i, j) runs as in its covered triangle; the strip looks away from the pole
    return np.concatenate(
        [outer[under], np.stack([i, outer[j], outer[i]], 1), np.stack([i, j, outer[j]], 1)]
    )


def _smallest_angle(nodes: FloatArray, triangles: IntArray, stretch: FloatArray) -> float:
    """Smallest angle of the stretched triangles in degrees; -1 if one is folded."""
    a, b, c = (nodes[triangles[:, k]] for k in range(3))
    if np.any(np.einsum("ij,ij->i", a, np.cross(b, c)) <= 0.0):
        return -1.0
    x = (nodes @ stretch.T)[triangles]
    square = ((np.roll(x, -1, axis=1) - np.roll(x, 1, axis=1)) ** 2).sum(axis=2)
    following, after = np.roll(square, -1, axis=1), np.roll(square, -2, axis=1)
    cosines = (following + after - square) / (2.0 * np.sqrt(following * after))
    return float(np.degrees(np.arccos(np.clip(cosines.max(), -1.0, 1.0))))
