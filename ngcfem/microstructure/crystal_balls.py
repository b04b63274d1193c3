"""Crystals and their caps as rigid bodies of balls, by which packing measures distances."""

from dataclasses import dataclass

import numpy as np

from ngcfem.quantities import BoolArray, FloatArray

_FULL_SHELL_DEG = 150.0
_RIM_BALL = 0.3
_DEPTH = 0.15
_DEPTH_NM = 0.12
_STEP_DEG = 0.5
_POLE = np.array([0.0, 0.0, 1.0])
_MEDIAL_STEPS = 1.5
_SPHERE = 1e-9


@dataclass(frozen=True, eq=False)
class BallCover:
    """Balls that fill one crystal and its cap, placed around the centre of the crystal.

    Parameters
    ----------
    positions_nm : ndarray, shape (b, 3)
        Centres of the balls.
    radii_nm : ndarray, shape (b,)
        Their radii.
    of_cap : ndarray of bool, shape (b,)
        Which of them stand for the cap against the wall that cuts the crystal flat: those at its
        rim, and a point at its pole. The others reach into the crystal.
    """

    positions_nm: FloatArray
    radii_nm: FloatArray
    of_cap: BoolArray


def crystal_balls(
    radius_nm: float,
    stretch: FloatArray | None = None,
    cap: tuple[float, float] | None = None,
    cap_axis: FloatArray | None = None,
) -> BallCover:
    """Fill a crystal and its cap with balls.

    Parameters
    ----------
    radius_nm : float
        Radius of the sphere of its volume.
    stretch : ndarray, shape (3, 3), optional
        Symmetric matrix that makes the ellipsoid, with two equal eigenvalues.
    cap : tuple of float, optional
        Thickness in nm and half-angle in degrees of the cap.
    cap_axis : ndarray, shape (3,), optional
        Axis of the cap before the stretch; the z axis if not given.

    Returns
    -------
    BallCover
        The balls.

    Notes
    -----
    An ellipsoid of revolution is the union of the balls around its medial axis: on the segment or
    disc within sqrt(a^2 - b^2) times sqrt(a^2 - b^2) / a of the centre, the ball at distance s has
    the radius b sqrt(1 - s^2 / (a^2 - b^2)). A cap on an ellipsoid is the image of the balls of the
    cap of the ball, each with the largest stretch as its factor.
    """
    matrix = np.eye(3) if stretch is None else stretch
    values, vectors = np.linalg.eigh(matrix)
    if values[2] - values[0] < _SPHERE:
        positions, radii = np.zeros((1, 3)), np.full(1, radius_nm)
    else:
        positions, radii = _medial_balls(radius_nm * values, vectors)
    of_cap = np.zeros(len(radii), dtype=bool)
    if cap is not None:
        more, thick, more_of_cap = cap_balls(radius_nm, *cap)
        if cap_axis is not None:
            more = more @ _turn_of_pole(cap_axis).T
        positions = np.concatenate([positions, more @ matrix])
        radii = np.concatenate([radii, values[2] * thick])
        of_cap = np.concatenate([of_cap, more_of_cap])
    return BallCover(positions, radii, of_cap)


def _medial_balls(axes: FloatArray, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    number = int(np.ceil(_MEDIAL_STEPS * axes[2] / axes[0])) + 1
    steps = np.arange(-number, number + 1) / number
    if abs(axes[1] - axes[0]) < abs(axes[2] - axes[1]):  # prolate: along the longest axis
        short, long = axes[0], axes[2]
        places = steps[:, None] * vectors[:, 2]
    else:  # oblate: in the plane of the two long ones
        short, long = axes[0], axes[2]
        rings = [np.zeros((1, 2))]
        for ring in range(1, number + 1):
            angle = 2.0 * np.pi * np.arange(5 * ring) / (5 * ring)
            circle = np.column_stack([np.cos(angle), np.sin(angle)])
            rings.append(ring / number * circle)
        places = np.concatenate(rings) @ vectors[:, 1:].T
    focal = long**2 - short**2
    # denser towards the ends, where the radius falls fastest
    share = np.linalg.norm(places, axis=1)
    factor = np.sin(0.5 * np.pi * share) / np.where(share > 0.0, share, 1.0)
    reach = focal / long
    distance = reach * np.sin(0.5 * np.pi * share)
    radii = short * np.sqrt(1.0 - distance**2 / focal)
    return reach * factor[:, None] * places, radii


def cap_balls(
    radius_nm: float, thickness_nm: float, half_angle_deg: float
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Fill a cap around the z axis with balls.

    Parameters
    ----------
    radius_nm : float
        Radius of the crystal below it.
    thickness_nm : float
        Radial thickness of the cap.
    half_angle_deg : float
        Polar angle of its rim.

    Returns
    -------
    positions_nm : ndarray, shape (b, 3)
        Centres from the centre of the crystal.
    radii_nm : ndarray, shape (b,)
        Radii; 0 for a point at the pole.
    of_cap : ndarray of bool, shape (b,)
        Which of them are at the rim or the pole.

    Notes
    -----
    Every ball touches the outer surface of the cap, of radius R = r + t, from inside and is as
    large as crystal and cap together can hold: seen under the angle d from the rim, its centre lies
    at s = (R^2 - r^2) / (2 (R - r cos d)), where it reaches the inner edge of the rim, or at
    s = R / (1 + sin d), where it touches the cone of the rim. A ball of radius q covers the surface
    as far as sqrt(2 e / (1 / q - 1 / R)) around where it touches it, up to a depth e; rings of them
    follow each other from the pole at this distance, the last one in the edge of the rim. All balls
    are then grown by e / 2, so that the surface stands out of them by about as much as they stand
    out of it. A cap beyond 150 degrees counts as a whole shell.
    """
    outer = radius_nm + thickness_nm
    if half_angle_deg > _FULL_SHELL_DEG:
        return np.zeros((1, 3)), np.full(1, outer), np.ones(1, dtype=bool)
    half_angle = np.radians(half_angle_deg)
    depth = min(_DEPTH * thickness_nm, _DEPTH_NM)

    def ball(polar: float) -> float:
        below = half_angle - polar
        distance = (outer**2 - radius_nm**2) / (2.0 * (outer - radius_nm * np.cos(below)))
        if distance * np.cos(below) > radius_nm:
            distance = outer / (1.0 + np.sin(below))
        return outer - distance

    def width(radius: float) -> float:
        return float(np.sqrt(2.0 * depth / (1.0 / radius - 1.0 / outer)))

    rim_ball = _RIM_BALL * thickness_nm
    rim = max(half_angle - float(np.arcsin(rim_ball / (outer - rim_ball))), 0.0)
    rings = [(0.0, ball(0.0))]
    covered = width(ball(0.0)) / outer
    step = np.radians(_STEP_DEG)
    while covered < rim:
        polar = covered
        while polar < rim and polar - width(ball(polar)) / outer < covered:
            polar += step
        if polar >= rim:
            break
        rings.append((polar, ball(polar)))
        covered = polar + width(ball(polar)) / outer
    rings.append((rim, rim_ball))
    positions, radii = [], []
    for polar, radius in rings:
        around = 2.0 * np.pi * outer * np.sin(polar)
        count = max(1, int(np.ceil(around / (2.0 * width(radius)))))
        azimuth = 2.0 * np.pi * np.arange(count) / count
        ring = np.column_stack(
            [
                np.sin(polar) * np.cos(azimuth),
                np.sin(polar) * np.sin(azimuth),
                np.full(count, np.cos(polar)),
            ]
        )
        positions.append((outer - radius) * ring)
        radii.append(np.full(count, radius + 0.5 * depth))
    of_cap = np.repeat([False] * (len(rings) - 1) + [True, True], [*map(len, radii), 1])
    positions.append(outer * _POLE[None])
    radii.append(np.zeros(1))
    return np.concatenate(positions), np.concatenate(radii), of_cap


def _turn_of_pole(axis: FloatArray) -> FloatArray:
    """Rotation that takes the z axis to a unit vector."""
    if axis[2] < -1.0 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    cross = np.array([[0.0, 0.0, axis[0]], [0.0, 0.0, axis[1]], [-axis[0], -axis[1], 0.0]])
    return np.eye(3) + cross + cross @ cross / (1.0 + axis[2])
