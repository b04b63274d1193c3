"""The surfaces between the grains, refined on raw ions, with their area and direction."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ngcfem.atomprobe.boundary_distance import (
    BoundaryDistances,
    NearFacets,
    boundary_distances,
    near_facets,
)
from ngcfem.atomprobe.facet_fit import FacetIons, fit_facets, ions_beside
from ngcfem.atomprobe.facets import BoundaryFaces, Facets, facets_of
from ngcfem.atomprobe.grains import GrainLabels
from ngcfem.atomprobe.interface_profile import LayerProfile, distance_histogram, with_amplitude
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.quantities import FloatArray, Int32Array

_SHELL_NM = 0.25
_SEED = 20200904


@dataclass(frozen=True, eq=False)
class BoundarySurfaces:
    """Smooth surfaces between the grains.

    Parameters
    ----------
    grains : GrainLabels
        The grains, their voxels given anew by the surfaces.
    facets : Facets
        The surfaces.
    near : NearFacets
        The facets near each voxel.
    beside : FacetIons
        The ions to which the surfaces were fitted.
    profile : LayerProfile
        The layer they were fitted with.
    points_nm : ndarray, shape (q, 3)
        One point at random in each voxel of the specimen.
    at_points : BoundaryDistances
        Where these lie.
    area_nm2 : ndarray, shape (k,)
        Area of each facet inside the specimen.
    normal : ndarray, shape (k, 3)
        Its mean unit normal.
    """

    grains: GrainLabels
    facets: Facets
    near: NearFacets
    beside: FacetIons
    profile: LayerProfile
    points_nm: FloatArray
    at_points: BoundaryDistances
    area_nm2: FloatArray
    normal: FloatArray

    @property
    def volume_nm3(self) -> float:
        """Volume of the specimen."""
        return len(self.points_nm) * self.grains.grid.voxel_volume_nm3

    @property
    def area_density_per_nm(self) -> float:
        """Area between the grains over the volume of the specimen."""
        return float(self.area_nm2.sum()) / self.volume_nm3


def refine_boundaries(
    ions: RangedIons,
    grains: GrainLabels,
    element: str = "Sc",
    reach_nm: float = 1.8,
    least_facet_nm2: float = 4.0,
    n_rounds: int = 2,
) -> BoundarySurfaces:
    """Replace the stepped boundaries of voxels by smooth surfaces fitted to raw ions.

    Parameters
    ----------
    ions : RangedIons
        The specimen.
    grains : GrainLabels
        Its grains.
    element : str
        Element in which the network is rich.
    reach_nm : float
        Largest distance from the boundaries that is measured.
    least_facet_nm2 : float
        Smaller facets are taken to be where their neighbours put them.
    n_rounds : int
        Rounds of fitting the facets and giving the voxels anew to the grains.

    Returns
    -------
    BoundarySurfaces
        Fitted to all ions.

    Notes
    -----
    The area of a facet is that of the shell around it: the volume V(e) of the points nearer than e
    to it grows as 2 A e - c e^2, where the second term is the overlap at junctions and curvature,
    so that A = (4 V(e) - V(2 e)) / (4 e). Other than counting voxel faces, which overestimates the
    area of a random plane by one half, this has no bias, and it counts junctions once.
    """
    centres = grains.grid.centres_nm(np.arange(grains.labels.size))
    for _ in range(n_rounds):
        facets, near, _, _ = _fitted(ions, grains, element, reach_nm, least_facet_nm2)
        inside = np.flatnonzero(grains.labels.ravel() > 0)
        found = boundary_distances(centres[inside], grains.labels, facets, near)
        labels: Int32Array = grains.labels.copy()
        labels.ravel()[inside] = found.label.astype(np.int32)
        grains = replace(grains, labels=labels)
    facets, near, beside, profile = _fitted(ions, grains, element, reach_nm, least_facet_nm2)
    inside = np.flatnonzero(grains.labels.ravel() > 0)
    jitter = np.random.default_rng(_SEED).uniform(-0.5, 0.5, (len(inside), 3))
    points = centres[inside] + jitter * grains.grid.voxel_nm
    found = boundary_distances(points, grains.labels, facets, near)
    thin, thick = (
        np.bincount(
            found.facet[(found.facet >= 0) & (found.lead_nm < width)], minlength=len(facets)
        )
        for width in (_SHELL_NM, 2.0 * _SHELL_NM)
    )
    shells = (4.0 * thin - thick).astype(np.float64)
    area = shells * grains.grid.voxel_volume_nm3 / (4.0 * _SHELL_NM)
    return BoundarySurfaces(
        grains, facets, near, beside, profile, points, found, area, facets.mean_normal()
    )


def _fitted(
    ions: RangedIons,
    grains: GrainLabels,
    element: str,
    reach_nm: float,
    least_facet_nm2: float,
) -> tuple[Facets, NearFacets, FacetIons, LayerProfile]:
    faces = one_piece_facets(BoundaryFaces.of(grains.labels, grains.grid), grains.grid.voxel_nm)
    facets = facets_of(faces, grains.grid)
    beside = ions_beside(ions, element, faces, grains.grid, grains.usable, reach_nm)
    profile = grains.profile
    facets = fit_facets(facets, beside, profile, n_steps=5)
    # Once more with a sharper layer, as the facets are nearer to their place.
    distance, _ = facets.distance_nm(beside.facet, beside.position_nm)
    sharp = replace(profile, sigma_nm=0.7 * profile.sigma_nm)
    sharp = with_amplitude(sharp, distance_histogram(distance, beside.part, beside.atoms, reach_nm))
    facets = fit_facets(facets, beside, sharp, n_steps=3)
    near = near_facets(faces, facets, grains.grid, reach_nm, least_facet_nm2)
    return facets, near, beside, sharp


def one_piece_facets(faces: BoundaryFaces, voxel_nm: float) -> BoundaryFaces:
    """Divide the boundary of two grains that touch at several places.

    Parameters
    ----------
    faces : BoundaryFaces
        Voxel faces.
    voxel_nm : float
        Edge of a voxel.

    Returns
    -------
    BoundaryFaces
        The same faces, with a facet for each piece.
    """
    pairs = cKDTree(faces.centre_nm).query_pairs(1.05 * voxel_nm, output_type="ndarray")
    pairs = pairs[faces.facet[pairs[:, 0]] == faces.facet[pairs[:, 1]]]
    number = len(faces.facet)
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(number, number))
    _, piece = connected_components(links, directed=False)
    _, first = np.unique(piece, return_index=True)
    return replace(faces, pair=faces.pair[faces.facet[first]], facet=piece.astype(np.int64))
