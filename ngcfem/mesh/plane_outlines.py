"""Outlines of a plane grain, its discs and their caps, divided as finely as the gaps ask for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ngcfem.mesh.element_sizes import GROWTH, ElementSizes
from ngcfem.microstructure.cell import Inclusion
from ngcfem.quantities import FloatArray

PIECES_OF_CIRCLE = 12
"""Fewest pieces of a full circle."""

GAP_FACTOR = 1.8
"""Longest piece over the width of the gap beside it: triangles across keep 29 degrees or more."""

_SAMPLES_PER_SIZE = 4


@dataclass(frozen=True, eq=False)
class DiscOutline:
    """The divided outline of a disc, and of its cap if it has one.

    Parameters
    ----------
    bare : ndarray, shape (k, 2)
        Nodes of the arc without a cap from rim to rim, counter-clockwise; of a disc without cap
        the whole circle, its first node not repeated.
    under_cap : ndarray, shape (m, 2), or None
        Nodes of the arc under the cap from rim to rim, counter-clockwise.
    over_cap : ndarray, shape (n, 2), or None
        Nodes from the first rim out and over the cap to the second one.
    """

    bare: FloatArray
    under_cap: FloatArray | None = None
    over_cap: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class GrainOutline:
    """The divided outlines inside one grain.

    Parameters
    ----------
    ring : ndarray, shape (k, 2)
        Nodes of the outline of the grain, counter-clockwise; no rows where there is none.
    discs : tuple of DiscOutline
        Discs in the order given.
    """

    ring: FloatArray
    discs: tuple[DiscOutline, ...]


@dataclass(frozen=True, eq=False)
class _Curve:
    """A line or an arc: places along it, the length of a piece asked for, and whose it is."""

    body: int
    places: FloatArray
    length_nm: float
    size_nm: float
    fewest: int


def grain_outline(
    corners: FloatArray, inclusions: Sequence[Inclusion], sizes: ElementSizes
) -> GrainOutline:
    """Divide the outlines inside one grain.

    Parameters
    ----------
    corners : ndarray, shape (k, 2)
        Corners of the grain in nm, counter-clockwise; no rows for discs in a rectangle.
    inclusions : sequence of Inclusion
        Its discs.
    sizes : ElementSizes
        Lengths asked for on the outline of the grain and on discs and caps.

    Returns
    -------
    GrainOutline
        Polygons of exactly the areas of grain, discs and caps.

    Notes
    -----
    1. On every outline the length asked for is cut down to ``GAP_FACTOR`` times the distance to the
       nearest other one, and to the thickness of a cap on both of its sides.
    2. It grows by ``GROWTH`` times the distance, so that neighbouring pieces differ little.
    3. Each line or arc is divided into pieces of equal share of the integral of 1 / length.
    4. A disc becomes a polygon on a slightly larger circle of radius r' with r'^2 sum(sin a) / 2 =
       pi r^2 over the angles a of its pieces; the outer radius of a cap follows in the same way.
    """
    finest = min(sizes.interface_nm, sizes.crystal_surface_nm)
    curves: list[_Curve] = []
    for k in range(len(corners)):
        a, b = corners[k], corners[(k + 1) % len(corners)]
        length = float(np.linalg.norm(b - a))
        share = _shares(length, finest)[:, None]
        curves.append(_Curve(0, (1.0 - share) * a + share * b, length, sizes.interface_nm, 1))
    for number, inclusion in enumerate(inclusions, start=1):
        curves += _disc_curves(number, inclusion, sizes.crystal_surface_nm, finest)
    parts = iter(_divisions(curves))
    sides = [next(parts) for _ in corners]
    ring = [
        (1.0 - t[:-1, None]) * corners[k] + t[:-1, None] * corners[(k + 1) % len(corners)]
        for k, t in enumerate(sides)
    ]
    discs = []
    for inclusion in inclusions:
        shares = [next(parts) for _ in range(1 if inclusion.cap is None else 4)]
        discs.append(_disc_outline(inclusion, shares))
    return GrainOutline(np.concatenate(ring) if ring else np.zeros((0, 2)), tuple(discs))


def _shares(length_nm: float, size_nm: float) -> FloatArray:
    pieces = max(4, int(np.ceil(_SAMPLES_PER_SIZE * length_nm / size_nm)))
    return np.linspace(0.0, 1.0, pieces + 1)


def _on_circle(
    inclusion: Inclusion, radius_nm: float, angles: FloatArray, *, around: float = 0.0
) -> FloatArray:
    turned = angles + around
    unit = np.stack([np.cos(turned), np.sin(turned)], axis=1)
    return np.array(inclusion.centre_nm) + radius_nm * unit


def _rim(inclusion: Inclusion) -> tuple[float, float]:
    """Direction of the cap and its half-angle, in radians."""
    assert inclusion.cap is not None
    x, y = inclusion.cap.axis
    return float(np.arctan2(y, x)), float(np.radians(inclusion.cap.half_angle_deg))


def _fewest(angle: float) -> int:
    return max(1, int(np.ceil(PIECES_OF_CIRCLE * angle / (2.0 * np.pi) - 1e-9)))


def _disc_curves(body: int, inclusion: Inclusion, size_nm: float, finest_nm: float) -> list[_Curve]:
    radius = inclusion.radius_nm
    if inclusion.cap is None:
        length = 2.0 * np.pi * radius
        places = _on_circle(inclusion, radius, 2.0 * np.pi * _shares(length, finest_nm))
        return [_Curve(body, places, length, size_nm, PIECES_OF_CIRCLE)]
    pole, half = _rim(inclusion)
    thickness = inclusion.cap.thickness_nm
    outer = radius + thickness
    thin = min(size_nm, GAP_FACTOR * thickness)
    bare = 2.0 * (np.pi - half)
    curves = []
    for reach, begin, angle, size in (
        (radius, half, bare, size_nm),
        (radius, -half, 2.0 * half, thin),
        (outer, -half, 2.0 * half, thin),
    ):
        length = reach * angle
        angles = begin + angle * _shares(length, finest_nm)
        places = _on_circle(inclusion, reach, angles, around=pole)
        curves.append(_Curve(body, places, length, size, _fewest(angle)))
    radii = radius + thickness * _shares(thickness, finest_nm)
    side = np.concatenate([_on_circle(inclusion, r, np.array([-half]), around=pole) for r in radii])
    # both sides of the rim are divided alike
    curves.append(_Curve(body, side, thickness, thin, 1))
    return curves


def _divisions(curves: Sequence[_Curve]) -> list[FloatArray]:
    """Shares of the length at which each curve is divided, 0 and 1 included."""
    if not curves:
        return []
    places = np.concatenate([curve.places for curve in curves])
    counts = [len(curve.places) for curve in curves]
    body = np.repeat([curve.body for curve in curves], counts)
    size = np.repeat([curve.size_nm for curve in curves], counts)
    square = (places**2).sum(axis=1)
    distance = np.sqrt(np.maximum(square[:, None] + square[None] - 2.0 * places @ places.T, 0.0))
    gap = np.where(body[:, None] == body[None], np.inf, distance).min(axis=1)
    size = np.minimum(size, GAP_FACTOR * gap)
    size = (size[None] + GROWTH * distance).min(axis=1)
    divisions, first = [], 0
    for curve, count in zip(curves, counts, strict=True):
        density = 1.0 / size[first : first + count]
        first += count
        step = 0.5 * (density[1:] + density[:-1]) * curve.length_nm / (count - 1)
        total = np.concatenate([[0.0], np.cumsum(step)])
        pieces = max(curve.fewest, int(np.ceil(total[-1] - 0.1)))
        wanted = np.linspace(0.0, total[-1], pieces + 1)
        divisions.append(np.interp(wanted, total, np.linspace(0.0, 1.0, count)))
    return divisions


def _disc_outline(inclusion: Inclusion, shares: list[FloatArray]) -> DiscOutline:
    if inclusion.cap is None:
        angles = 2.0 * np.pi * shares[0]
        radius = _enlarged(inclusion.radius_nm, np.diff(angles))
        return DiscOutline(_on_circle(inclusion, radius, angles[:-1]))
    pole, half = _rim(inclusion)
    bare = half + 2.0 * (np.pi - half) * shares[0]
    under = half * (2.0 * shares[1] - 1.0)
    over = half * (2.0 * shares[2] - 1.0)
    inner = _enlarged(inclusion.radius_nm, np.concatenate([np.diff(bare), np.diff(under)]))
    # sector of the outer polygon = area of the cap + sector of the inner polygon under it
    sector = inclusion.cap_volume_nm3 + 0.5 * inner**2 * float(np.sin(np.diff(under)).sum())
    outer = float(np.sqrt(2.0 * sector / np.sin(np.diff(over)).sum()))
    rise = inner + (outer - inner) * shares[3]
    up = [_on_circle(inclusion, r, np.array([-half]), around=pole) for r in rise[:-1]]
    down = [_on_circle(inclusion, r, np.array([half]), around=pole) for r in rise[-2::-1]]
    rim_to_rim = _on_circle(inclusion, inner, under, around=pole)
    bare_nodes = _on_circle(inclusion, inner, bare, around=pole)
    # the rims are the same nodes on all three
    bare_nodes[0], bare_nodes[-1] = rim_to_rim[-1], rim_to_rim[0]
    over_nodes = np.concatenate([*up, _on_circle(inclusion, outer, over, around=pole), *down])
    over_nodes[0], over_nodes[-1] = rim_to_rim[0], rim_to_rim[-1]
    return DiscOutline(bare_nodes, rim_to_rim, over_nodes)


def _enlarged(radius_nm: float, angles: FloatArray) -> float:
    """Radius of the circle on which the polygon of these angles has the area of the disc."""
    return float(radius_nm * np.sqrt(2.0 * np.pi / np.sin(angles).sum()))
