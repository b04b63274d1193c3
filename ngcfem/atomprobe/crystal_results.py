"""What is known of the crystals of a specimen once they are found, and which places are theirs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit

from ngcfem.atomprobe.composition_field import VoxelGrid
from ngcfem.atomprobe.crystal_fit import Fit
from ngcfem.atomprobe.crystal_model import (
    CAP_AXIS,
    CAP_CONTENT,
    CAP_HALF_ANGLE,
    CAP_LOG_THICKNESS,
    CENTRE,
    INSIDE,
    LOG_RADIUS,
    OUTSIDE,
    SHAPE,
)
from ngcfem.atomprobe.ellipsoids import ellipsoid_sphericity, semi_axes, surface_distance_nm
from ngcfem.quantities import BoolArray, FloatArray, IntArray

CRYSTAL, SC_RICH_CAP = 1, 2


@dataclass(frozen=True)
class CrystalParameters:
    """What the search for crystals depends on.

    Parameters
    ----------
    voxel_nm : float
        Edge of the voxels of the field the candidates are found in.
    kernel_sigma_nm : float
        Standard deviation of its delocalization.
    least_significance : float
        Depletion in the middle of a candidate over its counting error, at least.
    least_depletion : float
        Depletion in the middle of a candidate over the content of the matrix, at least.
    saddle_depth : float
        Two minima are one candidate unless the saddle between them is higher by this share of the
        content of the matrix.
    log_likelihood_margin : float
        A crystal must raise the log-likelihood of the raw ions around it by the logarithm of the
        number of independent places of the specimen, and by this.
    cap_gain, slab_gain : float
        Gains of the log-likelihood that justify a cap and an interface beside a crystal.
    largest_inside_share : float
        Sc content of a crystal over that of the matrix, at most.
    least_inside_volume : float
        Share of the volume of a crystal inside the specimen, at least.
    fit_reach_nm : float
        Ions as far from the surface of a crystal take part in its fit.
    blur_nm : float
        Standard deviation of the blur of the reconstruction to start from.
    largest_blur_nm : float
        The same, at most, after it was fitted to all crystals.
    crystal_content, cap_content, slab_content : float
        Sc contents of crystals, caps and interfaces to start from, atomic fractions.
    resolved_radius_nm : float
        Crystals with smaller radii are flagged as below resolution.
    """

    voxel_nm: float = 0.4
    kernel_sigma_nm: float = 0.6
    least_significance: float = 3.0
    least_depletion: float = 0.4
    saddle_depth: float = 0.1
    log_likelihood_margin: float = 6.0
    cap_gain: float = 15.0
    slab_gain: float = 10.0
    largest_inside_share: float = 0.5
    least_inside_volume: float = 0.12
    fit_reach_nm: float = 2.0
    blur_nm: float = 0.25
    largest_blur_nm: float = 0.5
    crystal_content: float = 0.003
    cap_content: float = 0.30
    slab_content: float = 0.20
    resolved_radius_nm: float = 1.5


@dataclass(frozen=True, eq=False)
class CrystalsFound:
    """Crystals of a specimen, the most certain first.

    Parameters
    ----------
    centre_nm : ndarray, shape (k, 3)
        Centres.
    radius_nm, radius_error_nm : ndarray, shape (k,)
        Radius of the sphere of the same volume, and its standard error.
    semi_axes_nm : ndarray, shape (k, 3)
        Semi-axes, longest first.
    rotation : ndarray, shape (k, 3, 3)
        Columns are their directions.
    aspect_ratio_error : ndarray, shape (k,)
        Standard error of the longest over the shortest axis.
    raw_shape : ndarray, shape (k, 5)
        Logarithmic stretches before they were shrunk.
    raw_shape_covariance : ndarray, shape (k, 5, 5)
        Their covariances.
    crystal_content, matrix_content : ndarray, shape (k,)
        Sc content inside, and of the matrix nearby, atomic fractions.
    log_likelihood_gain : ndarray, shape (k,)
        By how much the crystal raises the log-likelihood of the ions around it.
    inside_share : ndarray, shape (k,)
        Share of its volume that lies in the specimen.
    cut : ndarray of bool, shape (k,)
        Whether the surface of the specimen cuts it.
    below_resolution : ndarray of bool, shape (k,)
        Whether its radius is under the resolution.
    capped : ndarray of bool, shape (k,)
        Whether it carries a Sc-rich cap.
    cap_axis : ndarray, shape (k, 3)
        Unit vector from its centre to the pole of the cap, before the stretch; nan without one.
    cap_thickness_nm, cap_thickness_error_nm : ndarray, shape (k,)
        Thickness of the cap and its standard error; nan without one.
    cap_half_angle_deg, cap_half_angle_error_deg : ndarray, shape (k,)
        Polar angle of its rim and its standard error; nan without one.
    cap_content : ndarray, shape (k,)
        Its Sc content, atomic fraction; nan without one.
    blur_nm : float
        Standard deviation of the blur that suits all crystals.
    matrix : float
        Sc content of the matrix by the mode of the field, atomic fraction.
    volume_nm3 : float
        Volume of the specimen.
    least_gain : float
        Gain of the log-likelihood that was asked for.
    n_candidates : int
        Number of candidates that were tried.
    parameters : CrystalParameters
        What the search was made with.
    grid : VoxelGrid
        Voxels of the field.
    inside : ndarray of bool, shape (nx, ny, nz)
        Which of them belong to the specimen.
    atoms_per_nm3 : float
        Detected atoms per volume.
    fits : tuple of Fit
        The fitted models.
    """

    centre_nm: FloatArray
    radius_nm: FloatArray
    radius_error_nm: FloatArray
    semi_axes_nm: FloatArray
    rotation: FloatArray
    aspect_ratio_error: FloatArray
    raw_shape: FloatArray
    raw_shape_covariance: FloatArray
    crystal_content: FloatArray
    matrix_content: FloatArray
    log_likelihood_gain: FloatArray
    inside_share: FloatArray
    cut: BoolArray
    below_resolution: BoolArray
    capped: BoolArray
    cap_axis: FloatArray
    cap_thickness_nm: FloatArray
    cap_thickness_error_nm: FloatArray
    cap_half_angle_deg: FloatArray
    cap_half_angle_error_deg: FloatArray
    cap_content: FloatArray
    blur_nm: float
    matrix: float
    volume_nm3: float
    least_gain: float
    n_candidates: int
    parameters: CrystalParameters
    grid: VoxelGrid
    inside: BoolArray
    atoms_per_nm3: float
    fits: tuple[Fit, ...] = field(repr=False)

    def __len__(self) -> int:
        """Count the crystals."""
        return len(self.radius_nm)

    @property
    def radius_interval_nm(self) -> FloatArray:
        """Ends of the 95 % intervals of the radii, shape (k, 2); normal in their logarithm."""
        spread = np.exp(1.96 * self.radius_error_nm / self.radius_nm)
        return np.column_stack([self.radius_nm / spread, self.radius_nm * spread])

    @property
    def volume_of_crystals_nm3(self) -> FloatArray:
        """Volumes of the whole crystals, shape (k,)."""
        return 4.0 / 3.0 * np.pi * self.radius_nm**3

    @property
    def aspect_ratio(self) -> FloatArray:
        """Longest over shortest axis, shape (k,)."""
        return self.semi_axes_nm[:, 0] / self.semi_axes_nm[:, 2]

    @property
    def sphericity(self) -> FloatArray:
        """Surface of the sphere of the same volume over the surface, shape (k,)."""
        return ellipsoid_sphericity(self.semi_axes_nm)

    @property
    def centre_inside(self) -> BoolArray:
        """Whether the centre of each crystal lies in the specimen, shape (k,)."""
        return inside_specimen(self.grid, self.inside, self.centre_nm)

    def distance_nm(self, crystal: int, position_nm: FloatArray) -> FloatArray:
        """Give distances from the surface of a crystal.

        Parameters
        ----------
        crystal : int
            Which one.
        position_nm : ndarray, shape (n, 3)
            Of where.

        Returns
        -------
        ndarray, shape (n,)
            In nm, negative inside, to first order.
        """
        return surface_distance_nm(
            position_nm, self.centre_nm[crystal], self.semi_axes_nm[crystal], self.rotation[crystal]
        )


def inside_specimen(grid: VoxelGrid, inside: BoolArray, position_nm: FloatArray) -> BoolArray:
    """Tell which positions lie in the specimen.

    Parameters
    ----------
    grid : VoxelGrid
        The voxels.
    inside : ndarray of bool, shape (nx, ny, nz)
        Which of them belong to the specimen.
    position_nm : ndarray, shape (n, 3)
        The positions.

    Returns
    -------
    ndarray of bool, shape (n,)
        False outside the grid.
    """
    place = np.floor((position_nm - np.asarray(grid.origin_nm)) / grid.voxel_nm).astype(np.int64)
    within = np.all((place >= 0) & (place < np.asarray(grid.shape)), axis=1)
    result = np.zeros(len(position_nm), dtype=bool)
    result[within] = inside[tuple(place[within].T)]
    return result


def found_from_fits(fits: Sequence[Fit], **known: Any) -> CrystalsFound:
    """Read the measures of crystals off their fits.

    Parameters
    ----------
    fits : sequence of Fit
        The fitted models.
    **known : Any
        The fields of `CrystalsFound` that do not follow from the fits.

    Returns
    -------
    CrystalsFound
        The crystals in the order of the fits.
    """
    number = len(fits)
    radius = np.array([np.exp(fit.values[LOG_RADIUS]) for fit in fits])
    bodies = [semi_axes(size, fit.values[SHAPE]) for size, fit in zip(radius, fits, strict=True)]
    caps = np.full((number, 8), np.nan)
    for row, fit in enumerate(fits):
        if fit.parts.cap:
            axis = fit.values[CAP_AXIS]
            thickness = np.exp(fit.values[CAP_LOG_THICKNESS])
            caps[row, :3] = axis / np.linalg.norm(axis)
            caps[row, 3] = thickness
            caps[row, 4] = thickness * np.sqrt(fit.variance(CAP_LOG_THICKNESS))
            caps[row, 5] = np.degrees(np.clip(fit.values[CAP_HALF_ANGLE], 0.0, np.pi))
            caps[row, 6] = np.degrees(np.sqrt(fit.variance(CAP_HALF_ANGLE)))
            caps[row, 7] = expit(fit.values[CAP_CONTENT])
    return CrystalsFound(
        centre_nm=np.array([fit.values[CENTRE] for fit in fits]).reshape(-1, 3),
        radius_nm=radius,
        radius_error_nm=np.array([np.sqrt(fit.variance(LOG_RADIUS)) for fit in fits]) * radius,
        semi_axes_nm=np.array([axes for axes, _ in bodies]).reshape(-1, 3),
        rotation=np.array([turn for _, turn in bodies]).reshape(-1, 3, 3),
        crystal_content=np.array([expit(fit.values[INSIDE]) for fit in fits]),
        matrix_content=np.array([expit(fit.values[OUTSIDE]) for fit in fits]),
        below_resolution=radius < known["parameters"].resolved_radius_nm,
        capped=np.array([fit.parts.cap for fit in fits], dtype=bool),
        cap_axis=caps[:, :3],
        cap_thickness_nm=caps[:, 3],
        cap_thickness_error_nm=caps[:, 4],
        cap_half_angle_deg=caps[:, 5],
        cap_half_angle_error_deg=caps[:, 6],
        cap_content=caps[:, 7],
        fits=tuple(fits),
        **known,
    )


def crystal_regions(found: CrystalsFound, grid: VoxelGrid) -> IntArray:
    """Mark the voxels of crystals and caps.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.
    grid : VoxelGrid
        The voxels.

    Returns
    -------
    ndarray, shape (nx, ny, nz)
        0 for neither, 1 where the centre of a voxel lies in a crystal, 2 in a Sc-rich cap.
    """
    flat = np.zeros(int(np.prod(grid.shape)), dtype=np.int64)
    origin = np.asarray(grid.origin_nm)
    shape = np.asarray(grid.shape)
    for cap in (True, False):  # crystals last: a cap does not reach into another crystal
        for number in range(len(found)):
            if cap and not found.capped[number]:
                continue
            reach = float(found.semi_axes_nm[number, 0])
            if cap:
                reach *= 1.0 + float(found.cap_thickness_nm[number] / found.radius_nm[number])
            lowest = np.floor((found.centre_nm[number] - reach - origin) / grid.voxel_nm)
            highest = np.ceil((found.centre_nm[number] + reach - origin) / grid.voxel_nm)
            low = np.clip(lowest, 0, shape).astype(np.int64)
            high = np.clip(highest, 0, shape).astype(np.int64)
            if np.any(high <= low):
                continue
            box = np.meshgrid(
                *[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"
            )
            places = np.ravel_multi_index([axis.ravel() for axis in box], grid.shape)
            region = region_of(found, number, grid.centres_nm(places))
            flat[places[region == (SC_RICH_CAP if cap else CRYSTAL)]] = (
                SC_RICH_CAP if cap else CRYSTAL
            )
    return flat.reshape(grid.shape)


def region_of(found: CrystalsFound, crystal: int, position_nm: FloatArray) -> IntArray:
    """Tell which positions lie in a crystal or its cap.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.
    crystal : int
        Which one.
    position_nm : ndarray, shape (n, 3)
        The positions.

    Returns
    -------
    ndarray, shape (n,)
        0 for neither, 1 in the crystal, 2 in its Sc-rich cap.
    """
    turn, axes = found.rotation[crystal], found.semi_axes_nm[crystal]
    radius = found.radius_nm[crystal]
    ball = ((position_nm - found.centre_nm[crystal]) @ turn * (radius / axes)) @ turn.T
    distance = np.linalg.norm(ball, axis=1)
    result = np.where(distance < radius, CRYSTAL, 0)
    if found.capped[crystal]:
        cosine = ball @ found.cap_axis[crystal] / np.maximum(distance, 1e-9)
        limit = np.cos(np.radians(found.cap_half_angle_deg[crystal]))
        over = (distance >= radius) & (distance < radius + found.cap_thickness_nm[crystal])
        result[over & (cosine > limit)] = SC_RICH_CAP
    return result
