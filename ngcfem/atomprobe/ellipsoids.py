"""Ellipsoids by their logarithmic stretch, and distances from them."""

import numpy as np

from ngcfem.quantities import FloatArray

_HALF, _THIRD = 1.0 / np.sqrt(2.0), 1.0 / np.sqrt(6.0)
_SHAPE_BASIS = np.array(
    [
        [[-_THIRD, 0.0, 0.0], [0.0, -_THIRD, 0.0], [0.0, 0.0, 2.0 * _THIRD]],
        [[_HALF, 0.0, 0.0], [0.0, -_HALF, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, _HALF, 0.0], [_HALF, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, _HALF], [0.0, 0.0, 0.0], [_HALF, 0.0, 0.0]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, _HALF], [0.0, _HALF, 0.0]],
    ]
)


def shape_tensor(components: FloatArray) -> FloatArray:
    """Build the logarithmic stretch of an ellipsoid.

    Parameters
    ----------
    components : ndarray, shape (..., 5)
        Components in an orthonormal basis of the symmetric traceless tensors.

    Returns
    -------
    ndarray, shape (..., 3, 3)
        Its exponential is the matrix that makes the ellipsoid of a ball.
    """
    return np.einsum("...k,kij->...ij", components, _SHAPE_BASIS)


def semi_axes(radius_nm: float, components: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give the semi-axes of an ellipsoid.

    Parameters
    ----------
    radius_nm : float
        Radius of the sphere of its volume.
    components : ndarray, shape (5,)
        Components of the logarithmic stretch.

    Returns
    -------
    axes_nm : ndarray, shape (3,)
        Semi-axes, longest first.
    rotation : ndarray, shape (3, 3)
        Columns are their directions, right-handed.
    """
    values, vectors = np.linalg.eigh(shape_tensor(components))
    axes, turn = radius_nm * np.exp(values[::-1]), vectors[:, ::-1].copy()
    if np.linalg.det(turn) < 0.0:
        turn[:, 2] *= -1.0
    return axes, turn


def surface_distance_nm(
    position_nm: FloatArray, centre_nm: FloatArray, axes_nm: FloatArray, rotation: FloatArray
) -> FloatArray:
    """Give distances from the surface of an ellipsoid to first order.

    Parameters
    ----------
    position_nm : ndarray, shape (n, 3)
        Positions.
    centre_nm : ndarray, shape (3,)
        Its centre.
    axes_nm : ndarray, shape (3,)
        Its semi-axes.
    rotation : ndarray, shape (3, 3)
        Columns are their directions.

    Returns
    -------
    ndarray, shape (n,)
        Distance in nm, negative inside: (rho - 1) / |grad rho| with rho = 1 on the surface, which
        is exact for a sphere.
    """
    local = (position_nm - centre_nm) @ rotation
    level = np.sqrt(np.sum((local / axes_nm) ** 2, axis=1))
    slope = np.sqrt(np.sum((local / axes_nm**2) ** 2, axis=1)) / np.maximum(level, 1e-9)
    return (level - 1.0) / np.maximum(slope, 1e-9)


def ellipsoid_sphericity(semi_axes_nm: FloatArray) -> FloatArray:
    """Give the sphericity of ellipsoids.

    Parameters
    ----------
    semi_axes_nm : ndarray, shape (k, 3)
        Their semi-axes, in any unit.

    Returns
    -------
    ndarray, shape (k,)
        Surface of the sphere of the same volume over the surface.

    Notes
    -----
    The surface of the ellipsoid is that of Thomsen (2004), within 1.1 %: 4 pi (((ab)^p + (ac)^p +
    (bc)^p) / 3)^(1/p) with p = 1.6075.
    """
    power = 1.6075
    a, b, c = semi_axes_nm.T**power
    surface = ((a * b + a * c + b * c) / 3.0) ** (1.0 / power)
    return np.cbrt(semi_axes_nm.prod(axis=1)) ** 2 / surface
