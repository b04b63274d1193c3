"""Facets moved to where the raw ions beside them show a layer."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ngcfem.atomprobe.composition_field import VoxelGrid
from ngcfem.atomprobe.facets import (
    LEAST_FACES_CURVED,
    N_TERMS,
    BoundaryFaces,
    Facets,
    normal_equations,
)
from ngcfem.atomprobe.interface_profile import LayerProfile
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.quantities import BoolArray, FloatArray, IntArray

_LONGEST_STEP_NM = 0.3


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
        Surfaces to start from, as they are fitted so far.
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
    number = facets.area_nm2 * (LEAST_FACES_CURVED / 10.0)
    precision = np.zeros((count, N_TERMS))
    precision[:, :3] = 1.0 / 0.5**2
    precision[:, 3:] = np.where(number < LEAST_FACES_CURVED, 1e4, 1.0 / 0.3**2)[:, None]
    centre = facets.start_nm.copy()
    centre[:, 3:] = 0.0
    height = facets.height_nm.copy()
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
        right, matrix = normal_equations(
            ions.facet,
            terms,
            -slope * (part - atoms * fraction) / spread,
            slope**2 * atoms / spread,
            count,
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
