"""Orientations of crystals: drawn by chance, spread about a fibre, or made of Euler angles."""

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ngcfem.microstructure.rotation import (
    euler_rotation,
    random_rotation,
    random_unit_vectors,
)
from ngcfem.quantities import FloatArray

_ORIENTATION_STREAM = 2
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class FibreOrientation:
    """A fibre texture: a direction of the lattice along an axis of the specimen.

    Parameters
    ----------
    axis : tuple of float
        Axis of the specimen, any length.
    crystal_direction : tuple of float
        Direction of the lattice that lies along it, any length.
    spread_deg : float
        Standard deviation of the tilt from the axis, in each of two directions normal to it.
    """

    axis: Triple
    crystal_direction: Triple
    spread_deg: float = 0.0


OrientationRequest = Literal["random"] | Triple | FibreOrientation
"""By chance, one orientation by Bunge's Euler angles in degrees, or a fibre texture."""


def crystal_orientations(
    request: OrientationRequest, number: int, phase: str, seed: int | None
) -> FloatArray:
    """Orientations of the crystals of a phase.

    Parameters
    ----------
    request : "random", tuple of float, or FibreOrientation
        What is asked for.
    number : int
        Number of crystals.
    phase : str
        Name of the phase; phases draw from streams of their own.
    seed : int or None
        Seed of the case.

    Returns
    -------
    ndarray, shape (number, 4)
        Unit quaternions (w, x, y, z), w >= 0, of the rotation that takes lattice to specimen
        coordinates.

    Raises
    ------
    ValueError
        If chance is asked for without a seed.

    Notes
    -----
    Every crystal has a stream of its own, so that a crystal more leaves the others as they are.
    """
    if isinstance(request, tuple):
        return np.tile(quaternion_of(euler_rotation(np.array(request))), (number, 1))
    if seed is None:
        raise ValueError("orientations drawn by chance need a seed")
    rotations = []
    for crystal in range(number):
        key = (_ORIENTATION_STREAM, zlib.crc32(phase.encode()), crystal)
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
        if isinstance(request, FibreOrientation):
            rotations.append(_drawn_from_fibre(request, generator))
        else:
            rotations.append(random_rotation(generator))
    return np.array([quaternion_of(rotation) for rotation in rotations]).reshape(-1, 4)


def _drawn_from_fibre(fibre: FibreOrientation, generator: np.random.Generator) -> FloatArray:
    """Crystal direction along the tilted axis, any turn about it."""
    axis = np.array(fibre.axis) / np.linalg.norm(fibre.axis)
    normal = random_unit_vectors(1, generator)[0]
    normal -= (normal @ axis) * axis
    normal /= np.linalg.norm(normal)
    other = np.cross(axis, normal)
    tilt = np.radians(fibre.spread_deg) * generator.normal(size=2)
    tilted = axis + np.tan(tilt[0]) * normal + np.tan(tilt[1]) * other
    tilted /= np.linalg.norm(tilted)
    turn = 2.0 * np.pi * generator.random()
    return _frame(tilted, turn) @ _frame(np.array(fibre.crystal_direction, dtype=float), 0.0).T


def _frame(direction: FloatArray, turn: float) -> FloatArray:
    """Right-handed frame (columns) whose third axis is a direction, turned about it."""
    third = direction / np.linalg.norm(direction)
    least = np.eye(3)[np.argmin(np.abs(third))]
    first = np.cross(least, third)
    first /= np.linalg.norm(first)
    second = np.cross(third, first)
    cosine, sine = np.cos(turn), np.sin(turn)
    return np.stack([cosine * first + sine * second, cosine * second - sine * first, third], axis=1)


def quaternion_of(rotation: FloatArray) -> FloatArray:
    """Unit quaternion of a rotation matrix.

    Parameters
    ----------
    rotation : ndarray, shape (3, 3)
        Rotation matrix.

    Returns
    -------
    ndarray, shape (4,)
        w, x, y, z with w >= 0.

    Notes
    -----
    The eigenvector of the largest eigenvalue of a symmetric 4x4 matrix: no case distinctions.

    References
    ----------
    Bar-Itzhack (2000), J. Guid. Control Dyn. 23, 1085-1087, doi 10.2514/2.4654.
    """
    R = rotation
    lower = np.zeros((4, 4))
    lower[1:, 0] = R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]
    symmetric = R + R.T - np.trace(R) * np.eye(3)
    matrix = lower + lower.T
    matrix[0, 0] = np.trace(R)
    matrix[1:, 1:] = symmetric
    _, vectors = np.linalg.eigh(matrix)
    quaternion = vectors[:, -1]
    return quaternion if quaternion[0] >= 0.0 else -quaternion


def rotation_matrices(quaternion: FloatArray) -> FloatArray:
    """Rotation matrices of unit quaternions.

    Parameters
    ----------
    quaternion : ndarray, shape (n, 4)
        w, x, y, z.

    Returns
    -------
    ndarray, shape (n, 3, 3)
        Matrices.
    """
    w, vector = quaternion[:, 0], quaternion[:, 1:]
    cross = np.cross(vector[:, None, :], np.eye(3)[None])
    outer = np.einsum("ni,nj->nij", vector, vector)
    square = (w**2 - np.einsum("ni,ni->n", vector, vector))[:, None, None]
    return square * np.eye(3) + 2.0 * outer + 2.0 * w[:, None, None] * np.swapaxes(cross, 1, 2)


def euler_angles_deg(rotation: FloatArray) -> FloatArray:
    """Bunge's Euler angles of rotations.

    Parameters
    ----------
    rotation : ndarray, shape (n, 3, 3)
        Rotations from lattice to specimen coordinates.

    Returns
    -------
    ndarray, shape (n, 3)
        phi1, Phi, phi2 in degrees: 0 to 360, 0 to 180, 0 to 360. Where Phi is 0 or 180 only the sum
        (the difference) of the others matters, and phi2 is 0.

    References
    ----------
    Bunge (1982), Texture Analysis in Materials Science, Butterworths, section 2.1.
    """
    R = rotation
    sine = np.hypot(R[:, 0, 2], R[:, 1, 2])
    middle = np.arctan2(sine, R[:, 2, 2])
    upright = sine < 1e-9
    first = np.where(
        upright,
        np.arctan2(R[:, 1, 0], R[:, 0, 0]),
        np.arctan2(R[:, 0, 2], -R[:, 1, 2]),
    )
    last = np.where(upright, 0.0, np.arctan2(R[:, 2, 0], R[:, 2, 1]))
    degrees = np.degrees(np.stack([first, middle, last], axis=1))
    degrees[:, [0, 2]] %= 360.0
    return degrees
