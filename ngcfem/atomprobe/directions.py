"""Directions spread evenly over the sphere."""

import numpy as np

from ngcfem.quantities import FloatArray


def even_directions(number: int, half: bool = False) -> FloatArray:
    """Spread directions evenly over the sphere.

    Parameters
    ----------
    number : int
        How many.
    half : bool
        Whether over the half with z >= 0 alone.

    Returns
    -------
    ndarray, shape (number, 3)
        Unit vectors on the spherical Fibonacci lattice.

    References
    ----------
    Gonzalez (2010), Math. Geosci. 42, 49, doi 10.1007/s11004-009-9257-x.
    """
    index = np.arange(number) + 0.5
    height = 1.0 - (1.0 if half else 2.0) * index / number
    angle = np.pi * (1.0 + np.sqrt(5.0)) * index
    radius = np.sqrt(1.0 - height**2)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height])
