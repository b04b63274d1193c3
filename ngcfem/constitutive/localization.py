"""Loss of ellipticity at a point: acoustic tensor and the plane of its least determinant."""

import math
from dataclasses import dataclass

import numpy as np

from ngcfem.quantities import BoolArray, FloatArray

GRID_DIRECTIONS = 600
"""Directions of a half sphere, 7 degrees apart."""

_CANDIDATES = 3
_NEWTON_ITERATIONS = 12
_LARGEST_TURN = 0.1
# Numbers in one block: about 30 MB of acoustic tensors.
_BLOCK = 400_000


@dataclass(frozen=True, eq=False)
class LossOfEllipticity:
    """How close the tangents of n points are to a discontinuity of the strain rate.

    Parameters
    ----------
    determinant : ndarray, shape (n,)
        Least det A(N) over all unit normals N, over the scale (a modulus cubed); not positive where
        ellipticity is lost.
    normal : ndarray, shape (n, 3)
        Normal N of that plane in the undeformed configuration, unit length.
    polarization : ndarray, shape (n, 3)
        Direction g of the jump: the rate of F jumps by g N^T. Unit length.
    """

    determinant: FloatArray
    normal: FloatArray
    polarization: FloatArray

    @property
    def lost(self) -> BoolArray:
        """Whether ellipticity is lost, shape (n,)."""
        return self.determinant <= 0.0


def plane_angle_deg(normal: FloatArray, axis: FloatArray) -> float:
    """Angle between a plane and an axis.

    Parameters
    ----------
    normal, axis : ndarray, shape (3,) or (2,)
        Normal of the plane, and the axis; any length.

    Returns
    -------
    float
        Degrees, 0 (the axis lies in the plane) to 90.
    """
    cosine = abs(float(np.dot(normal, axis))) / float(np.linalg.norm(normal) * np.linalg.norm(axis))
    return math.degrees(math.asin(min(cosine, 1.0)))


def spatial_normal(normal: FloatArray, deformation_gradient: FloatArray) -> FloatArray:
    """Carry normals of planes to the deformed configuration.

    Parameters
    ----------
    normal : ndarray, shape (n, 3)
        Unit normals in the undeformed configuration.
    deformation_gradient : ndarray, shape (n, 9)
        F, row-major.

    Returns
    -------
    ndarray, shape (n, 3)
        F^-T N, unit length.
    """
    F = deformation_gradient.reshape(-1, 3, 3)
    carried = np.linalg.solve(np.swapaxes(F, 1, 2), normal[:, :, None])[:, :, 0]
    return carried / np.linalg.norm(carried, axis=1, keepdims=True)


def acoustic_tensor(tangent: FloatArray, normal: FloatArray) -> FloatArray:
    """Acoustic tensors of points, each with a normal of its own.

    Parameters
    ----------
    tangent : ndarray, shape (n, 81)
        dP_iJ/dF_kL at 27 i + 9 J + 3 k + L, GPa.
    normal : ndarray, shape (n, 3)
        Unit normals in the undeformed configuration.

    Returns
    -------
    ndarray, shape (n, 3, 3)
        A_ik = N_J (dP_iJ/dF_kL) N_L in GPa.
    """
    moduli = tangent.reshape(-1, 3, 3, 3, 3)
    return np.einsum("nijkl,nj,nl->nik", moduli, normal, normal)


def minimum_acoustic_determinant(
    tangent: FloatArray, scale_gpa3: float | FloatArray
) -> LossOfEllipticity:
    """Least determinant of the acoustic tensor over all directions.

    Parameters
    ----------
    tangent : ndarray, shape (n, 81)
        dP_iJ/dF_kL in GPa; finite.
    scale_gpa3 : float or ndarray, shape (n,)
        What the determinant is divided by, GPa^3: G^2 (K + 4 G / 3) of the elastic solid makes it 1
        before any flow.

    Returns
    -------
    LossOfEllipticity
        Least determinant, its normal and the direction of the jump.

    Notes
    -----
    1. det A(N) on 600 directions of a half sphere (it is even in N).
    2. From the 3 best, no two of them within 15 degrees: Newton's method on the sphere. With U
       tangential, A(N + t U) = A + t B + t^2 C and
       det = det A + t cof A : B + t^2 (cof A : C + cof B : A) + ..., exact derivatives; on the
       sphere the second-order term is less 3 det A, because det is of degree 6 in N. Steps are at
       most 0.1; where the curvature is not positive the step goes down the slope.
    3. Ellipticity that is lost in a range of directions narrower than the grid (7 degrees apart) is
       found all the same unless the determinant has there a minimum that no grid direction leads
       to.

    For a rate-dependent law the tangent is that of the time step: a rate sensitivity m stiffens it
    by about m times the strength over the slip of the step, so that with short steps ellipticity is
    not lost even though the flow is unstable. Where a bifurcation in the rate-independent sense is
    meant, take the tangent with m at the least the law allows, over a step of about a per cent.

    References
    ----------
    Rudnicki and Rice (1975), J. Mech. Phys. Solids 23, 371-394,
    doi 10.1016/0022-5096(75)90001-0. Rice (1976), The localization of plastic deformation, in
    Theoretical and Applied Mechanics, North-Holland, 207-220.
    """
    n = len(tangent)
    grid = half_sphere_directions()
    dyads = np.einsum("dj,dl->jld", grid, grid).reshape(9, -1)
    determinant, normal = np.empty(n), np.empty((n, 3))
    size = max(1, _BLOCK // (9 * len(grid)))
    for start in range(0, n, size):
        part = slice(start, start + size)
        moduli = tangent[part].reshape(-1, 3, 3, 3, 3)
        rows = moduli.transpose(0, 1, 3, 2, 4).reshape(-1, 9, 9)
        acoustic = np.moveaxis((rows @ dyads).reshape(len(rows), 3, 3, -1), 3, 1)
        determinant[part], normal[part] = _refined(moduli, grid, np.linalg.det(acoustic))
    at_normal = acoustic_tensor(tangent, normal)
    _, _, right = np.linalg.svd(at_normal)
    return LossOfEllipticity(determinant / scale_gpa3, normal, right[:, 2, :])


def half_sphere_directions(count: int = GRID_DIRECTIONS) -> FloatArray:
    """Directions spread evenly over a half sphere.

    Parameters
    ----------
    count : int
        How many.

    Returns
    -------
    ndarray, shape (count, 3)
        Unit vectors with a positive third component, on a spiral of equal areas.
    """
    height = (np.arange(count) + 0.5) / count
    turn = math.pi * (3.0 - math.sqrt(5.0)) * np.arange(count)
    radius = np.sqrt(1.0 - height**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)


def _cofactor(matrix: FloatArray) -> FloatArray:
    """Cofactor matrices: rows are cross products of rows."""
    rows = (matrix[..., 0, :], matrix[..., 1, :], matrix[..., 2, :])
    return np.stack(
        [np.cross(rows[1], rows[2]), np.cross(rows[2], rows[0]), np.cross(rows[0], rows[1])],
        axis=-2,
    )


def _refined(
    moduli: FloatArray, grid: FloatArray, values: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Best determinant and its direction, from the best directions of the grid."""
    points = np.arange(len(moduli))
    best, direction = np.full(len(moduli), np.inf), np.empty((len(moduli), 3))
    open_values = values.copy()
    for _ in range(_CANDIDATES):
        start = grid[np.argmin(open_values, axis=1)]
        near = np.abs(start @ grid.T) > math.cos(math.radians(15.0))
        open_values[near] = np.inf
        found, value = _newton_on_sphere(moduli, start)
        better = value < best
        best[points[better]], direction[points[better]] = value[better], found[better]
    return best, direction


def _newton_on_sphere(moduli: FloatArray, start: FloatArray) -> tuple[FloatArray, FloatArray]:
    normal = start.copy()
    value = np.linalg.det(_acoustic(moduli, normal, normal))
    radius = np.full(len(moduli), _LARGEST_TURN)
    for _ in range(_NEWTON_ITERATIONS):
        first, second = _tangents(normal)
        slope, curvature = _derivatives(moduli, normal, first, second)
        step = _step(slope, curvature, radius)
        moved = normal + step[:, :1] * first + step[:, 1:] * second
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        new = np.linalg.det(_acoustic(moduli, moved, moved))
        lower = new < value
        normal[lower], value[lower] = moved[lower], new[lower]
        radius[~lower] *= 0.25
    return normal, value


def _acoustic(moduli: FloatArray, left: FloatArray, right: FloatArray) -> FloatArray:
    return np.einsum("nijkl,nj,nl->nik", moduli, left, right)


def _tangents(normal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors normal to each other and to the given ones."""
    least = np.eye(3)[np.argmin(np.abs(normal), axis=1)]
    first = np.cross(normal, least)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return first, np.cross(normal, first)


def _derivatives(
    moduli: FloatArray, normal: FloatArray, first: FloatArray, second: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradient (n, 2) and Hessian (n, 2, 2) of the determinant on the sphere."""
    A = _acoustic(moduli, normal, normal)
    cofactor, determinant = _cofactor(A), np.linalg.det(A)
    linear = [_acoustic(moduli, normal, u) + _acoustic(moduli, u, normal) for u in (first, second)]
    slope = np.stack([np.einsum("nij,nij->n", cofactor, B) for B in linear], axis=1)

    def quadratic(B: FloatArray, C: FloatArray) -> FloatArray:
        return np.einsum("nij,nij->n", cofactor, C) + np.einsum("nij,nij->n", _cofactor(B), A)

    squares = [_acoustic(moduli, u, u) for u in (first, second)]
    mixed = _acoustic(moduli, first, second) + _acoustic(moduli, second, first)
    own = [quadratic(B, C) - 3.0 * determinant for B, C in zip(linear, squares, strict=True)]
    both = quadratic(linear[0] + linear[1], squares[0] + squares[1] + mixed) - 6.0 * determinant
    cross = both - own[0] - own[1]
    curvature = np.stack(
        [np.stack([2.0 * own[0], cross], axis=1), np.stack([cross, 2.0 * own[1]], axis=1)], axis=1
    )
    return slope, curvature


def _step(slope: FloatArray, curvature: FloatArray, radius: FloatArray) -> FloatArray:
    """Newton step with the curvature made positive, no longer than the radius."""
    values, vectors = np.linalg.eigh(curvature)
    size = np.maximum(np.abs(values), 1e-12 * np.abs(values).max(axis=1, keepdims=True) + 1e-300)
    along = np.einsum("nji,nj->ni", vectors, slope) / size
    step = -np.einsum("nij,nj->ni", vectors, along)
    length = np.linalg.norm(step, axis=1)
    return step * np.minimum(1.0, radius / np.maximum(length, 1e-300))[:, None]
