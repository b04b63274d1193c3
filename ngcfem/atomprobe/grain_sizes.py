"""Sizes and shapes of grains: equivalent diameters, lineal intercepts, sphericity, anisotropy."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ngcfem.atomprobe.boundary_surfaces import BoundarySurfaces
from ngcfem.atomprobe.directions import even_directions
from ngcfem.quantities import BoolArray, FloatArray

_DIRECTIONS = 1000
_SHELL_NM = 0.5


@dataclass(frozen=True, eq=False)
class GrainSizes:
    """The grains of a specimen, each with its half of the network.

    Parameters
    ----------
    volume_nm3 : ndarray, shape (n,)
        Volume of each grain inside the specimen.
    whole : ndarray of bool, shape (n,)
        Grains that do not touch the surface of the specimen.
    weight : ndarray, shape (n,)
        Inverse of the chance that a grain of this size lies whole in the specimen; 0 for those
        that do not.
    surface_nm2 : ndarray, shape (n,)
        Surface of each grain.
    """

    volume_nm3: FloatArray
    whole: BoolArray
    weight: FloatArray
    surface_nm2: FloatArray

    @property
    def diameter_nm(self) -> FloatArray:
        """Diameter of the sphere of the same volume, shape (n,)."""
        return np.cbrt(6.0 / np.pi * self.volume_nm3)

    @property
    def sphericity(self) -> FloatArray:
        """Surface of that sphere over that of the grain, at most 1, shape (n,)."""
        sphere = np.pi * self.diameter_nm**2
        return np.minimum(sphere / np.maximum(self.surface_nm2, 1e-9), 1.0)


def measure_grain_sizes(surfaces: BoundarySurfaces) -> GrainSizes:
    """Measure the grains between the surfaces.

    Parameters
    ----------
    surfaces : BoundarySurfaces
        The surfaces.

    Returns
    -------
    GrainSizes
        By label, from 1 on.

    Notes
    -----
    A specimen holds fewer large grains whole than small ones. Each whole grain is therefore
    weighted by the inverse of the share of all places of its bounding box at which the box lies
    inside the specimen (Miles-Lantuejoul correction). The surface is that of the inner shell of the
    grain: the volume V(e) of its points less than e deep grows as S e - c e^2, so that
    S = (4 V(e) - V(2 e)) / (2 e).

    References
    ----------
    Lantuejoul (1980), Mikroskopie 37, suppl., 53; Miles (1974), in: Stochastic Geometry, Wiley,
    228 (weighting by the chance to be whole).
    """
    grid = surfaces.grains.grid
    labels = surfaces.grains.labels
    number = int(labels.max(initial=0))
    found = surfaces.at_points
    voxel = grid.voxel_volume_nm3
    volume = voxel * np.bincount(found.label, minlength=number + 1)[1:].astype(np.float64)
    depth = np.where(found.facet >= 0, found.distance_nm, np.inf)
    thin, thick = (
        np.bincount(found.label[depth < width], minlength=number + 1)[1:]
        for width in (_SHELL_NM, 2.0 * _SHELL_NM)
    )
    surface = np.asarray((4.0 * thin - thick) / (2.0 * _SHELL_NM) * voxel, dtype=np.float64)
    inside = labels > 0
    rim = inside & ~ndimage.binary_erosion(inside)
    whole = volume > 0.0
    whole[np.unique(labels[rim]) - 1] = False
    weight = np.zeros(number)
    total = np.count_nonzero(inside)
    boxes = ndimage.find_objects(labels)
    for place in np.flatnonzero(whole).tolist():
        box = boxes[place]
        size = tuple(part.stop - part.start for part in box)
        fits = ndimage.minimum_filter(inside, size, mode="constant", cval=False)
        weight[place] = total / max(np.count_nonzero(fits), 1)
    return GrainSizes(volume, whole, weight, surface)


def directional_intercepts_nm(
    area_nm2: FloatArray, normal: FloatArray, volume_nm3: float, directions: FloatArray
) -> FloatArray:
    """Give the mean lineal intercept along directions.

    Parameters
    ----------
    area_nm2 : ndarray, shape (k,)
        Areas of the facets.
    normal : ndarray, shape (k, 3)
        Their unit normals.
    volume_nm3 : float
        Volume that holds them.
    directions : ndarray, shape (d, 3)
        Unit vectors.

    Returns
    -------
    ndarray, shape (d,)
        In nm; infinite along directions in which no facet is crossed.

    Notes
    -----
    A line along u crosses sum_f A_f |n_f . u| / V facets in the unit length. This is total line
    length over number of crossings, for which ends of lines at the surface of the specimen do not
    matter.
    """
    crossings = np.abs(directions @ normal.T) @ area_nm2
    with np.errstate(divide="ignore"):
        return volume_nm3 / crossings


def intercept_anisotropy(area_nm2: FloatArray, normal: FloatArray) -> float:
    """Give the longest mean intercept of all directions over the mean of those across it.

    Parameters
    ----------
    area_nm2 : ndarray, shape (k,)
        Areas of the facets.
    normal : ndarray, shape (k, 3)
        Their unit normals.

    Returns
    -------
    float
        At least about 1.
    """
    directions = even_directions(_DIRECTIONS, half=True)
    lengths = directional_intercepts_nm(area_nm2, normal, 1.0, directions)
    longest = directions[np.argmax(lengths)]
    first = np.cross(longest, np.eye(3)[np.argmin(np.abs(longest))])
    first /= np.linalg.norm(first)
    angle = np.linspace(0.0, np.pi, 90, endpoint=False)
    across = np.outer(np.cos(angle), first) + np.outer(np.sin(angle), np.cross(longest, first))
    beside = directional_intercepts_nm(area_nm2, normal, 1.0, across)
    return float(lengths.max() / beside.mean())
