"""Facets between grains: smooth surfaces fitted to the raw ions beside them."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ngcfem.atomprobe.composition_field import VoxelGrid
from ngcfem.atomprobe.interface_profile import LayerProfile
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.quantities import BoolArray, FloatArray, IntArray

N_TERMS = 6
"""Terms of the height of a facet: 1, u, v and the three of second order."""

_LONGEST_STEP_NM = 0.3
_LEAST_FACES_CURVED = 60


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
class FacetIons:
    """Ions beside the facets, in the order of the facets.

    Parameters
    ----------
    facet : ndarray, shape (n,)
        Nearest facet of each ion, ascending.
    position_nm : ndarray, shape (n, 3)
        Positions.
    part : ndarray, shape (n,)
        Atoms of the element in each ion.
    atoms : ndarray, shape (n,)
        Atoms of each ion.
    index : ndarray, shape (n,)
        Place of each ion among all.
    """

    facet: IntArray
    position_nm: npt.NDArray[np.float32]
    part: FloatArray
    atoms: FloatArray
    index: IntArray


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
        local = np.einsum("nij,nj->ni", self.frame[facet], position_nm - self.origin_nm[facet])
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
        Least squares over the centres of the faces, held back by the prior of `fit_facets`.

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
    terms, along = start.terms(faces.facet, faces.centre_nm)
    right, matrix = _normal_equations(faces.facet, terms, along, np.ones(len(along)), count)
    matrix += np.eye(N_TERMS) * _stiffness(number)
    height = np.linalg.solve(matrix, right[:, :, None])[:, :, 0]
    return replace(start, start_nm=height, height_nm=height)


def ions_beside(
    ions: RangedIons,
    element: str,
    faces: BoundaryFaces,
    grid: VoxelGrid,
    usable: BoolArray,
    reach_nm: float,
) -> FacetIons:
    """Give each ion near a boundary to its nearest facet.

    Parameters
    ----------
    ions : RangedIons
        All ions.
    element : str
        Element whose atoms are counted.
    faces : BoundaryFaces
        The boundaries.
    grid : VoxelGrid
        The voxels.
    usable : ndarray of bool, shape (nx, ny, nz)
        Voxels whose ions count.
    reach_nm : float
        Largest distance from the nearest face.

    Returns
    -------
    FacetIons
        Assigned voxel by voxel.
    """
    flat = np.flatnonzero(usable)
    _, nearest = cKDTree(faces.centre_nm).query(
        grid.centres_nm(flat), distance_upper_bound=reach_nm, workers=1
    )
    facet_of_voxel = np.full(usable.size, -1, dtype=np.int64)
    found = nearest < len(faces.facet)
    facet_of_voxel[flat[found]] = faces.facet[nearest[found]]
    facet = facet_of_voxel[grid.voxel_of(ions.position_nm)]
    index = np.flatnonzero(facet >= 0)
    index = index[np.argsort(facet[index], kind="stable")]
    near = ions.subset(index)
    return FacetIons(
        facet[index],
        near.position_nm,
        near.atoms_of(element).astype(np.float64),
        near.atoms().astype(np.float64),
        index,
    )


def fit_facets(
    facets: Facets,
    ions: FacetIons,
    profile: LayerProfile,
    weight: FloatArray | None = None,
    n_steps: int = 6,
) -> Facets:
    """Move facets to where the raw ions make the layer likeliest.

    Parameters
    ----------
    facets : Facets
        Surfaces to start from.
    ions : FacetIons
        Ions beside them.
    profile : LayerProfile
        Composition across the layer, the same for all facets.
    weight : ndarray, shape (n,), or None
        Weight of each ion: 0 leaves it out; all count if None.
    n_steps : int
        Steps of Fisher's scoring.

    Returns
    -------
    Facets
        Fitted heights, with covariance and evidence.

    Notes
    -----
    Each ion is a draw of the element with the probability that the profile gives at its distance.
    Newton's method with the expected information (Fisher's scoring); the coefficients are held to
    those of the voxel faces by a normal prior of 0.5 nm for offset and tilt, and to zero by one of
    0.3 nm for curvature, at the rim.
    """
    count = len(facets)
    own_weight = np.ones(len(ions.facet)) if weight is None else weight
    terms, along = facets.terms(ions.facet, ions.position_nm)
    number = facets.area_nm2 * (_LEAST_FACES_CURVED / 10.0)
    precision = np.zeros((count, N_TERMS))
    precision[:, :3] = 1.0 / 0.5**2
    precision[:, 3:] = np.where(number < _LEAST_FACES_CURVED, 1e4, 1.0 / 0.3**2)[:, None]
    centre = facets.start_nm.copy()
    centre[:, 3:] = 0.0
    height = facets.start_nm.copy()
    matrix = np.zeros((count, N_TERMS, N_TERMS))
    atoms, part = ions.atoms * own_weight, ions.part * own_weight
    fraction = np.empty(0)
    for step in range(n_steps + 1):
        distance = along - np.einsum("ni,ni->n", terms, height[ions.facet])
        fraction = profile.fraction(distance)
        if step == n_steps:
            break
        slope = profile.slope(distance)
        spread = fraction * (1.0 - fraction)
        right, matrix = _normal_equations(
            ions.facet,
            terms,
            -slope * (part - atoms * fraction) / spread,
            slope**2 * atoms / spread,
            count,
            weighted=True,
        )
        matrix += precision[:, :, None] * np.eye(N_TERMS)
        right -= precision * (height - centre)
        change = np.linalg.solve(matrix, right[:, :, None])[:, :, 0]
        largest = np.abs(change).max(axis=1, initial=0.0)
        height = height + change * np.minimum(1.0, _LONGEST_STEP_NM / (largest + 1e-12))[:, None]
    gain = part * np.log(fraction / profile.matrix)
    gain += (atoms - part) * np.log((1.0 - fraction) / (1.0 - profile.matrix))
    return replace(
        facets,
        height_nm=height,
        covariance_nm2=np.linalg.inv(matrix),
        evidence=np.bincount(ions.facet, gain, count),
    )


def _stiffness(number: FloatArray) -> FloatArray:
    """Diagonal that keeps the fit to few voxel faces flat, shape (k, 1, 6)."""
    curved = np.where(number < _LEAST_FACES_CURVED, 1e6, 2.0)
    diagonal = np.zeros((len(number), 1, N_TERMS))
    diagonal[:, 0, :3] = 1e-6
    diagonal[:, 0, 1:3] += 1.0
    diagonal[:, 0, 3:] = curved[:, None]
    return diagonal


def _normal_equations(
    facet: IntArray,
    terms: FloatArray,
    value: FloatArray,
    weight: FloatArray,
    count: int,
    weighted: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Sum terms times value, and the outer products of the terms times weight, over each facet."""
    right = np.empty((count, N_TERMS))
    matrix = np.empty((count, N_TERMS, N_TERMS))
    for i in range(N_TERMS):
        pull = terms[:, i] * (value if weighted else value * weight)
        right[:, i] = np.bincount(facet, pull, count)
        for j in range(i + 1):
            held = np.bincount(facet, weight * terms[:, i] * terms[:, j], count)
            matrix[:, i, j] = matrix[:, j, i] = held
    return right, matrix
