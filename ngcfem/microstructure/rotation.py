"""Rotations: drawn by chance, or made of Euler angles."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ngcfem.quantities import FloatArray

RANDOM: Literal["random"] = "random"
_ROTATION_STREAM = 1


def cell_rotation(
    rotation_deg: Sequence[float] | Literal["random"] | None, seed: int | None
) -> FloatArray:
    """Make the rotation of a cell.

    Parameters
    ----------
    rotation_deg : sequence of float, "random" or None
        Three Euler angles in degrees, a rotation drawn from the seed, or none.
    seed : int or None
        Seed of the cell; what is drawn for its rotation leaves its geometry alone.

    Returns
    -------
    ndarray, shape (3, 3)
        Matrix R with x_lab = R x.

    Raises
    ------
    ValueError
        If the angles are not three finite numbers, or a random rotation has no seed.
    """
    if rotation_deg is None:
        return np.eye(3)
    if isinstance(rotation_deg, str):
        if rotation_deg != RANDOM or seed is None:
            raise ValueError("rotation_deg is three angles, or random with a seed")
        stream = np.random.SeedSequence(seed, spawn_key=(_ROTATION_STREAM,))
        return random_rotation(np.random.default_rng(stream))
    angles = np.asarray(rotation_deg, dtype=float)
    if angles.shape != (3,) or not np.all(np.isfinite(angles)):
        raise ValueError(f"rotation_deg must be three angles, not {rotation_deg}")
    return euler_rotation(angles)


def plane_angle_deg(rotation_deg: float | Literal["random"] | None, seed: int | None) -> float:
    """Decide on the turn of a plane cell.

    Parameters
    ----------
    rotation_deg : float, "random" or None
        An angle in degrees, one drawn from the seed, or none.
    seed : int or None
        Seed of the cell.

    Returns
    -------
    float
        Angle in degrees.

    Raises
    ------
    ValueError
        If a random angle has no seed.
    """
    if rotation_deg is None:
        return 0.0
    if not isinstance(rotation_deg, str):
        return rotation_deg
    if seed is None:
        raise ValueError("a random angle needs a seed")
    stream = np.random.SeedSequence(seed, spawn_key=(_ROTATION_STREAM,))
    return 360.0 * float(np.random.default_rng(stream).random())


def random_unit_vectors(number: int, generator: np.random.Generator) -> FloatArray:
    """Draw directions, all alike.

    Parameters
    ----------
    number : int
        How many.
    generator : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray, shape (number, 3)
        Unit vectors.
    """
    vectors = generator.normal(size=(number, 3))
    return vectors / np.linalg.norm(vectors, axis=1)[:, None]


def random_rotation(generator: np.random.Generator) -> FloatArray:
    """Draw a rotation, all alike.

    Parameters
    ----------
    generator : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray, shape (3, 3)
        Rotation matrix.

    References
    ----------
    Shoemake (1992), Graphics Gems III, pp. 124-132: a unit quaternion, evenly distributed.
    """
    w, x, y, z = (q := generator.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )


def euler_rotation(angles_deg: FloatArray) -> FloatArray:
    """Make a rotation of Euler angles in Bunge's convention.

    Parameters
    ----------
    angles_deg : ndarray, shape (3,)
        phi1, Phi and phi2 in degrees.

    Returns
    -------
    ndarray, shape (3, 3)
        Matrix R with x_lab = R x: a frame on the lab axes is turned about z by phi1, then about
        its own x by Phi, then about its own z by phi2, and carries the cell with it.

    References
    ----------
    Bunge (1982), Texture Analysis in Materials Science, Butterworths, sec. 2.1; R is the transpose
    of the matrix g there, which takes sample to crystal coordinates.
    """
    first, middle, last = np.radians(angles_deg)

    def about_z(angle: float) -> FloatArray:
        cosine, sine = np.cos(angle), np.sin(angle)
        return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])

    cosine, sine = np.cos(middle), np.sin(middle)
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    return about_z(first) @ about_x @ about_z(last)
