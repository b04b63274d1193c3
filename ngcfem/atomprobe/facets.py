"""Facets between grains: smooth surfaces laid through the faces of voxels."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from ngcfem.atomprobe.composition_field import VoxelGrid
from ngcfem.quantities import FloatArray, IntArray

N_TERMS = 6
"""Terms of the height of a facet: 1, u, v and the three of second order."""

LEAST_FACES_CURVED = 60
"""Voxel faces below which a facet is taken to be flat."""


@dataclass(frozen=True, eq=False)
class BoundaryFaces:
    """Voxel faces between different grains.

    Parameters
    ----------
    pair : ndarray, shape (k, 2)
        The grains that touch, the lower label first.
    facet : ndarray, shape (m,)
        Place in `pair` of each face.
    centre_nm : ndarray, shape (m, 3)
        Centre of each face.
    axis : ndarray, shape (m,)
        Its normal: 0, 1 or 2.
    sign : ndarray, shape (m,)
        1 where the normal from the lower label to the higher points along the axis, else -1.
    """

    pair: IntArray
    facet: IntArray
    centre_nm: FloatArray
    axis: IntArray
    sign: FloatArray

    @classmethod
    def of(cls, labels: npt.NDArray[np.integer], grid: VoxelGrid) -> Self:
        """Collect the faces.

        Parameters
        ----------
        labels : ndarray, shape (nx, ny, nz)
            Grain of each voxel; 0 outside.
        grid : VoxelGrid
            The voxels.

        Returns
        -------
        BoundaryFaces
            Those between two grains; those towards the outside are left out.
        """
        number = int(labels.max(initial=0)) + 1
        keys, centres, axes, signs = [], [], [], []
        for axis in range(3):
            low = [slice(None)] * 3
            high = [slice(None)] * 3
            low[axis], high[axis] = slice(None, -1), slice(1, None)
            first, second = labels[tuple(low)], labels[tuple(high)]
            place = np.argwhere((first != second) & (first > 0) & (second > 0))
            a = first[tuple(place.T)].astype(np.int64)
            b = second[tuple(place.T)].astype(np.int64)
            keys.append(np.minimum(a, b) * number + np.maximum(a, b))
            centre = place + 0.5
            centre[:, axis] += 0.5
            centres.append(np.asarray(grid.origin_nm) + centre * grid.voxel_nm)
            axes.append(np.full(len(a), axis))
            signs.append(np.where(a < b, 1.0, -1.0))
        found, facet = np.unique(np.concatenate(keys), return_inverse=True)
        return cls(
            np.column_stack([found // number, found % number]),
            facet,
            np.concatenate(centres),
            np.concatenate(axes),
            np.concatenate(signs),
        )


@dataclass(frozen=True, eq=False)
class Facets:
    """Smooth surfaces between grains, each a height over a plane.

    Parameters
    ----------
    pair : ndarray, shape (k, 2)
        The grains; the normal points from the first to the second.
    origin_nm : ndarray, shape (k, 3)
        Centre of each facet.
    frame : ndarray, shape (k, 3, 3)
        Rows u, v, normal.
    extent_nm : ndarray, shape (k, 2)
        Half lengths along u and v.
    start_nm, height_nm : ndarray, shape (k, 6)
        Coefficients of the height over 1, u, v, u^2 - 1/3, u v, v^2 - 1/3, with u and v over the
        half lengths: of the voxel faces, and fitted.
    covariance_nm2 : ndarray, shape (k, 6, 6)
        Of the fitted coefficients, from counting.
    area_nm2 : ndarray, shape (k,)
        Area, from the voxel faces projected on the plane.
    evidence : ndarray, shape (k,)
        Logarithm of the likelihood of the ions with the layer over that without.
    """

    pair: IntArray
    origin_nm: FloatArray
    frame: FloatArray
    extent_nm: FloatArray
    start_nm: FloatArray
    height_nm: FloatArray
    covariance_nm2: FloatArray
    area_nm2: FloatArray
    evidence: FloatArray

    def __len__(self) -> int:
        """Count the facets."""
        return len(self.pair)

    def mean_normal(self) -> FloatArray:
        """Give the normals in the middle of the facets.

        Returns
        -------
        ndarray, shape (k, 3)
            Unit vectors from the first grain to the second.
        """
        slope = self.height_nm[:, 1:3] / self.extent_nm
        normal = self.frame[:, 2] - np.einsum("ki,kij->kj", slope, self.frame[:, :2])
        return normal / np.linalg.norm(normal, axis=1, keepdims=True)

    def terms(
        self, facet: IntArray, position_nm: npt.NDArray[np.floating]
    ) -> tuple[FloatArray, FloatArray]:
        """Express positions in the frame of their facets.

        Parameters
        ----------
        facet : ndarray, shape (n,)
            A facet for each position.
        position_nm : ndarray, shape (n, 3)
            Positions.

        Returns
        -------
        ndarray, shape (n, 6)
            Terms of the height.
        ndarray, shape (n,)
            Coordinate along the normal in nm.
        """
        away = position_nm - self.origin_nm[facet]
        frame = self.frame.reshape(-1, 9)[facet]
        local = np.empty((len(facet), 3))
        for i in range(3):
            row = frame[:, 3 * i : 3 * i + 3]
            local[:, i] = row[:, 0] * away[:, 0] + row[:, 1] * away[:, 1] + row[:, 2] * away[:, 2]
        # Beyond the rim the surface goes on as it is there, not as its polynomial.
        u, v = np.clip(local[:, :2] / self.extent_nm[facet], -1.5, 1.5).T
        third = 1.0 / 3.0
        terms = np.column_stack([np.ones(len(u)), u, v, u * u - third, u * v, v * v - third])
        return terms, local[:, 2]

    def distance_nm(
        self,
        facet: IntArray,
        position_nm: npt.NDArray[np.floating],
        height_nm: FloatArray | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Measure signed distances from facets.

        Parameters
        ----------
        facet : ndarray, shape (n,)
            A facet for each position.
        position_nm : ndarray, shape (n, 3)
            Positions.
        height_nm : ndarray, shape (k, 6), or None
            Coefficients to use instead of the fitted ones.

        Returns
        -------
        ndarray, shape (n,)
            Distance in nm, positive on the side of the second grain.
        ndarray, shape (n,)
            Its variance in nm^2.

        Notes
        -----
        The distance along the normal of the plane times the cosine of the tilt of the surface:
        exact for a plane.
        """
        height = self.height_nm if height_nm is None else height_nm
        terms, along = self.terms(facet, position_nm)
        own = height[facet]
        extent = self.extent_nm[facet]
        u, v = terms[:, 1], terms[:, 2]
        slope_u = (own[:, 1] + 2.0 * own[:, 3] * u + own[:, 4] * v) / extent[:, 0]
        slope_v = (own[:, 2] + 2.0 * own[:, 5] * v + own[:, 4] * u) / extent[:, 1]
        cosine = 1.0 / np.sqrt(1.0 + slope_u**2 + slope_v**2)
        variance = np.einsum("ni,nij,nj->n", terms, self.covariance_nm2[facet], terms)
        return (along - np.einsum("ni,ni->n", terms, own)) * cosine, variance


def facets_of(faces: BoundaryFaces, grid: VoxelGrid) -> Facets:
    """Lay smooth surfaces through voxel faces.

    Parameters
    ----------
    faces : BoundaryFaces
        The faces.
    grid : VoxelGrid
        The voxels.

    Returns
    -------
    Facets
        Least squares over the centres of the faces, held back like `facet_fit.fit_facets`.

    Notes
    -----
    The normal is the sum of the normals of the faces, which is the vector area of the surface
    whatever its steps.
    """
    count = len(faces.pair)
    number = np.bincount(faces.facet, minlength=count).astype(np.float64)
    vector = np.zeros((count, 3))
    np.add.at(vector, (faces.facet, faces.axis), faces.sign)
    length = np.linalg.norm(vector, axis=1)
    origin = np.column_stack(
        [np.bincount(faces.facet, faces.centre_nm[:, i], count) / number for i in range(3)]
    )
    away = faces.centre_nm - origin[faces.facet]
    spread = np.zeros((count, 3, 3))
    for i in range(3):
        for j in range(3):
            spread[:, i, j] = np.bincount(faces.facet, away[:, i] * away[:, j], count) / number
    least_spread = np.linalg.eigh(spread)[1][:, :, 0]
    vague = length < 0.3 * number
    normal = np.where(vague[:, None], least_spread, vector / np.maximum(length, 1.0)[:, None])
    # The normal is made the direction of the lowest eigenvalue.
    outer = normal[:, :, None] * normal[:, None, :]
    across = np.eye(3) - outer
    flat, axes = np.linalg.eigh(across @ spread @ across - 1e3 * outer)
    frame = np.stack([axes[:, :, 2], axes[:, :, 1], normal], axis=1)
    extent = np.sqrt(3.0 * np.maximum(flat[:, :0:-1], 0.0)) + 0.5 * grid.voxel_nm
    none = np.zeros((count, N_TERMS))
    weight = np.zeros((count, N_TERMS, N_TERMS))
    start = Facets(
        faces.pair,
        origin,
        frame,
        extent,
        none,
        none,
        weight,
        np.maximum(length, 0.3 * number) * grid.voxel_nm**2,
        np.zeros(count),
    )
    order = np.argsort(faces.facet, kind="stable")
    terms, along = start.terms(faces.facet[order], faces.centre_nm[order])
    right, matrix = normal_equations(faces.facet[order], terms, along, np.ones(len(along)), count)
    matrix += np.eye(N_TERMS) * _stiffness(number)
    height = np.linalg.solve(matrix, right[:, :, None])[:, :, 0]
    return replace(start, start_nm=height, height_nm=height)


def _stiffness(number: FloatArray) -> FloatArray:
    """Diagonal that keeps the fit to few voxel faces flat, shape (k, 1, 6)."""
    curved = np.where(number < LEAST_FACES_CURVED, 1e6, 2.0)
    diagonal = np.zeros((len(number), 1, N_TERMS))
    diagonal[:, 0, :3] = 1e-6
    diagonal[:, 0, 1:3] += 1.0
    diagonal[:, 0, 3:] = curved[:, None]
    return diagonal


def normal_equations(
    facet: IntArray, terms: FloatArray, value: FloatArray, weight: FloatArray, count: int
) -> tuple[FloatArray, FloatArray]:
    """Sum the terms of least squares over each facet.

    Parameters
    ----------
    facet : ndarray, shape (n,)
        Facets in ascending order.
    terms : ndarray, shape (n, 6)
        Terms of the height.
    value : ndarray, shape (n,)
        What the terms are multiplied with on the right.
    weight : ndarray, shape (n,)
        What their outer products are multiplied with.
    count : int
        Number of facets.

    Returns
    -------
    ndarray, shape (k, 6)
        Right sides.
    ndarray, shape (k, 6, 6)
        Matrices.
    """
    right = np.zeros((count, N_TERMS))
    matrix = np.zeros((count, N_TERMS, N_TERMS))
    if len(facet) == 0:
        return right, matrix
    start = np.flatnonzero(np.concatenate([[True], facet[1:] != facet[:-1]]))
    held = facet[start]
    columns = np.ascontiguousarray(terms.T)
    for i in range(N_TERMS):
        right[held, i] = np.add.reduceat(columns[i] * value, start)
        pull = columns[i] * weight
        for j in range(i + 1):
            matrix[held, i, j] = matrix[held, j, i] = np.add.reduceat(pull * columns[j], start)
    return right, matrix
