"""Distance from the nearest boundary between grains, junctions counted once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ngcfem.atomprobe.composition_field import VoxelGrid
from ngcfem.atomprobe.facets import BoundaryFaces, Facets
from ngcfem.quantities import FloatArray, IntArray

_CHUNK = 150_000


@dataclass(frozen=True, eq=False)
class NearFacets:
    """The facets near each voxel.

    Parameters
    ----------
    grid : VoxelGrid
        The voxels.
    start : ndarray, shape (v + 1,)
        Where the facets of each voxel start.
    facet : ndarray, shape (p,)
        Facets, voxel by voxel.
    reach_nm : float
        A facet is near a voxel up to this distance from its faces.
    """

    grid: VoxelGrid
    start: IntArray
    facet: IntArray
    reach_nm: float


@dataclass(frozen=True, eq=False)
class BoundaryDistances:
    """Where points lie against the boundaries.

    Parameters
    ----------
    label : ndarray, shape (n,)
        Grain.
    facet : ndarray, shape (n,)
        Nearest facet; -1 beyond the reach.
    distance_nm : ndarray, shape (n,)
        Distance from it, the reach at most; negative where the facets contradict each other and
        leave the point in no grain.
    lead_nm : ndarray, shape (n,)
        Half of what the point lies deeper in its grain than in the next one, the reach at most:
        zero just where the label changes.
    """

    label: IntArray
    facet: IntArray
    distance_nm: FloatArray
    lead_nm: FloatArray


def near_facets(
    faces: BoundaryFaces,
    facets: Facets,
    grid: VoxelGrid,
    reach_nm: float,
    least_area_nm2: float,
) -> NearFacets:
    """Collect the facets near each voxel.

    Parameters
    ----------
    faces : BoundaryFaces
        Voxel faces of the facets.
    facets : Facets
        Their surfaces.
    grid : VoxelGrid
        The voxels.
    reach_nm : float
        Largest distance from the faces of a facet.
    least_area_nm2 : float
        Smaller facets are left out: their direction is not known, and what lies there is told by
        their neighbours.

    Returns
    -------
    NearFacets
        By voxel.
    """
    order = np.argsort(faces.facet, kind="stable")
    bounds = np.searchsorted(faces.facet[order], np.arange(len(facets) + 1))
    pad = int(np.ceil(reach_nm / grid.voxel_nm)) + 1
    shape = np.array(grid.shape)
    voxels, owners = [], []
    for number in np.flatnonzero(facets.area_nm2 >= least_area_nm2):
        own = faces.centre_nm[order[bounds[number] : bounds[number + 1]]]
        place = np.clip(np.round(grid.coordinates(own)).astype(np.int64), 0, shape - 1)
        low = np.maximum(place.min(axis=0) - pad, 0)
        high = np.minimum(place.max(axis=0) + pad + 1, shape)
        away = np.ones(high - low, dtype=bool)
        away[tuple((place - low).T)] = False
        near = np.argwhere(ndimage.distance_transform_edt(away) * grid.voxel_nm <= reach_nm) + low
        voxels.append(np.ravel_multi_index(tuple(near.T), grid.shape))
        owners.append(np.full(len(near), number))
    n_voxels = int(np.prod(grid.shape))
    voxel = np.concatenate(voxels) if voxels else np.empty(0, np.int64)
    owner = np.concatenate(owners) if owners else np.empty(0, np.int64)
    start = np.concatenate([[0], np.cumsum(np.bincount(voxel, minlength=n_voxels))])
    return NearFacets(grid, start, owner[np.argsort(voxel, kind="stable")], reach_nm)


def boundary_distances(
    position_nm: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    facets: Facets,
    near: NearFacets,
) -> BoundaryDistances:
    """Find grain and nearest facet of each point.

    Parameters
    ----------
    position_nm : ndarray, shape (n, 3)
        Points.
    labels : ndarray, shape (nx, ny, nz)
        Grain of each voxel, taken where no facet is near.
    facets : Facets
        The surfaces.
    near : NearFacets
        Which of them are near which voxel.

    Returns
    -------
    BoundaryDistances
        Of each point.

    Notes
    -----
    Of the grains that meet near a point, it lies in the one whose facets leave it farthest inside:
    the depth in a grain is the least of the signed distances from its facets, and the grain of the
    largest depth wins. This makes one surface of facets that were fitted each for itself, and
    gives every point near a junction to one facet only.
    """
    number = len(position_nm)
    voxel = near.grid.voxel_of(position_nm)
    label = labels.ravel()[voxel].astype(np.int64)
    facet = np.full(number, -1, dtype=np.int64)
    depth = np.full(number, near.reach_nm)
    lead = np.full(number, near.reach_nm)
    count = near.start[voxel + 1] - near.start[voxel]
    touched = np.flatnonzero((count > 0) & (label > 0))
    for first in range(0, len(touched), _CHUNK):
        own = touched[first : first + _CHUNK]
        many = count[own]
        point = np.repeat(np.arange(len(own)), many)
        offset = np.arange(len(point)) - np.repeat(np.cumsum(many) - many, many)
        which = near.facet[near.start[voxel[own]][point] + offset]
        signed, _ = facets.distance_nm(which, position_nm[own][point])
        two = np.concatenate([point, point])
        grain = np.concatenate([facets.pair[which, 0], facets.pair[which, 1]])
        inside = np.concatenate([-signed, signed])
        both = np.concatenate([which, which])
        # The least distance of each grain comes first, then the deepest grain of each point.
        order = np.lexsort((inside, grain, two))
        two, grain, inside, both = two[order], grain[order], inside[order], both[order]
        leads = np.ones(len(two), dtype=bool)
        leads[1:] = (two[1:] != two[:-1]) | (grain[1:] != grain[:-1])
        two, grain, inside, both = two[leads], grain[leads], inside[leads], both[leads]
        order = np.lexsort((-inside, two))
        two, grain, inside, both = two[order], grain[order], inside[order], both[order]
        place = np.flatnonzero(np.concatenate([[True], two[1:] != two[:-1]]))
        target = own[two[place]]
        label[target] = grain[place]
        facet[target] = both[place]
        depth[target] = np.minimum(inside[place], near.reach_nm)
        # A point with a facet near has two grains at least.
        lead[target] = np.minimum(0.5 * (inside[place] - inside[place + 1]), near.reach_nm)
    facet[depth >= near.reach_nm] = -1
    return BoundaryDistances(label, facet, depth, lead)
