"""Loss of ellipticity in plane strain: bands whose normal and jump lie in the plane."""

import math

import numpy as np

from ngcfem.constitutive.localization import LossOfEllipticity
from ngcfem.quantities import FloatArray

_DIRECTIONS = 360


def minimum_plane_determinant(
    tangent: FloatArray, scale_gpa2: float | FloatArray
) -> LossOfEllipticity:
    """Least determinant of the in-plane acoustic tensor over the directions of the plane x-y.

    Parameters
    ----------
    tangent : ndarray, shape (n, 81)
        dP_iJ/dF_kL at 27 i + 9 J + 3 k + L, GPa; finite.
    scale_gpa2 : float or ndarray, shape (n,)
        What the determinant is divided by, GPa^2: G (K + 4 G / 3) of the elastic solid makes it 1
        before any flow.

    Returns
    -------
    LossOfEllipticity
        Least determinant, its normal and the direction of the jump; their third components are 0.

    Notes
    -----
    In plane strain a band can only be normal to the plane, with a jump in it. det A of the 2 x 2
    tensor is a trigonometric polynomial of degree 4 in the angle: it is known from its values at
    360 angles, half a degree apart, and the parabola through the least of them and its neighbours
    gives the minimum between them. What is returned is the determinant itself, at that angle.
    """
    moduli = tangent.reshape(-1, 3, 3, 3, 3)[:, :2, :2, :2, :2]
    angles = math.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    grid = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    acoustic = np.einsum("nijkl,dj,dl->ndik", moduli, grid, grid)
    values = np.linalg.det(acoustic)
    rows = np.arange(len(values))
    best = values.argmin(axis=1)
    before, here, after = (values[rows, (best + shift) % _DIRECTIONS] for shift in (-1, 0, 1))
    curvature = before - 2.0 * here + after
    shift = np.where(curvature > 0.0, 0.5 * (before - after) / np.maximum(curvature, 1e-300), 0.0)
    angle = (best + np.clip(shift, -1.0, 1.0)) * math.pi / _DIRECTIONS
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    at_normal = np.einsum("nijkl,nj,nl->nik", moduli, normal, normal)
    _, _, right = np.linalg.svd(at_normal)
    pad = ((0, 0), (0, 1))
    return LossOfEllipticity(
        np.linalg.det(at_normal) / scale_gpa2, np.pad(normal, pad), np.pad(right[:, 1, :], pad)
    )
