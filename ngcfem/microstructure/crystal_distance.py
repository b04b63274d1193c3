"""Distances of points from a crystal and its cap, and points on their surface."""

import numpy as np

from ngcfem.atomprobe.directions import even_directions
from ngcfem.microstructure.cell import Inclusion
from ngcfem.quantities import FloatArray

_BISECTIONS = 60


def surface_points(body: Inclusion, number: int, with_cap: bool) -> FloatArray:
    """Points on the surface of a crystal and its cap.

    Parameters
    ----------
    body : Inclusion
        The crystal.
    number : int
        Number of points on the whole ellipsoid.
    with_cap : bool
        Whether the cap counts as part of the body.

    Returns
    -------
    ndarray, shape (k, 3)
        Offsets from the centre in nm. What a flat cuts off is projected onto the flat.
    """
    directions = even_directions(number)
    radius = np.full(len(directions), body.radius_nm)
    rims = np.zeros((0, 3))
    if with_cap and body.cap is not None:
        cosine = directions @ np.array(body.cap.axis)
        radius[cosine > np.cos(np.radians(body.cap.half_angle_deg))] += body.cap.thickness_nm
        rims = _rim(body, max(16, int(np.sqrt(number))))
    points = np.concatenate([radius[:, None] * directions, rims])
    if body.stretch is not None:
        points = points @ np.array(body.stretch, dtype=float)
    if body.flat is not None:
        normal = np.array(body.flat.normal)
        beyond = np.maximum(0.0, points @ normal - body.flat.distance_nm)
        points = points - beyond[:, None] * normal
    return points


def _rim(body: Inclusion, number: int) -> FloatArray:
    """Points on the side of a cap: where it ends on the ball."""
    assert body.cap is not None
    axis, angle = np.array(body.cap.axis), np.radians(body.cap.half_angle_deg)
    radii = body.radius_nm + body.cap.thickness_nm * np.linspace(0.0, 1.0, 5)
    first = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    first /= np.linalg.norm(first)
    turn = 2.0 * np.pi * np.arange(4 * number) / (4 * number)
    around = np.outer(np.cos(turn), first) + np.outer(np.sin(turn), np.cross(axis, first))
    ring = np.cos(angle) * axis + np.sin(angle) * around
    return (radii[:, None, None] * ring).reshape(-1, 3)


def distance_to_body(points: FloatArray, body: Inclusion, with_cap: bool) -> FloatArray:
    """Distance of points from a crystal and its cap.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Offsets from the centre of the crystal in nm.
    body : Inclusion
        The crystal.
    with_cap : bool
        Whether the cap counts as part of the body.

    Returns
    -------
    ndarray, shape (n,)
        Distances in nm; negative inside a sphere, at most 0 inside an ellipsoid or cap.

    Notes
    -----
    - From a sphere: |x| - r.
    - From an ellipsoid: the nearest point is a^2 y / (a^2 + t) in the frame of its axes a, with t
      from sum(a y / (a^2 + t))^2 = 1 by bisection.
    - From a cap on a sphere, in the half-plane of distance from and along its axis: the nearest
      point of a sector of a ring, on its outer arc or its side.
    - From a cap on an ellipsoid: a bound from below, the distance before the stretch times the
      smallest stretch.
    - What a flat cuts off is not taken away where the nearest point lies on the flat: crystals of
      other grains lie beyond the network there.
    """
    stretch = None if body.stretch is None else body.stretch_matrix
    if stretch is None:
        distance = np.linalg.norm(points, axis=1) - body.radius_nm
    else:
        distance = _ellipsoid_distance(points, stretch, body.radius_nm)
    if with_cap and body.cap is not None:
        mapped = points if stretch is None else points @ np.linalg.inv(stretch)
        scale = 1.0 if stretch is None else float(np.linalg.eigvalsh(stretch).min())
        distance = np.minimum(distance, scale * _cap_distance(mapped, body))
    return distance


def _ellipsoid_distance(points: FloatArray, stretch: FloatArray, radius: float) -> FloatArray:
    values, vectors = np.linalg.eigh(stretch)
    axes = radius * values
    local = np.abs(points @ vectors)
    inside = ((local / axes) ** 2).sum(axis=1) <= 1.0
    low = np.zeros(len(points))
    high = axes.max() * np.linalg.norm(local, axis=1)  # t <= a_max |y|, as sum(...) <= 1 there
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        excess = ((axes * local / (axes**2 + middle[:, None])) ** 2).sum(axis=1) > 1.0
        low, high = np.where(excess, middle, low), np.where(excess, high, middle)
    nearest = axes**2 * local / (axes**2 + high[:, None])
    distance = np.linalg.norm(local - nearest, axis=1)
    return np.where(inside, 0.0, distance)


def _cap_distance(points: FloatArray, body: Inclusion) -> FloatArray:
    assert body.cap is not None
    inner, outer = body.radius_nm, body.radius_nm + body.cap.thickness_nm
    half = np.radians(body.cap.half_angle_deg)
    along = points @ np.array(body.cap.axis)
    radius = np.linalg.norm(points, axis=1)
    across = np.sqrt(np.maximum(0.0, radius**2 - along**2))
    angle = np.arctan2(across, along)
    radial = np.maximum(np.maximum(radius - outer, inner - radius), 0.0)
    # The side: the segment from radius inner to outer at the half-angle.
    ray = along * np.cos(half) + across * np.sin(half)
    place = np.clip(ray, inner, outer)
    side = np.hypot(along - place * np.cos(half), across - place * np.sin(half))
    return np.where(angle <= half, radial, side)
