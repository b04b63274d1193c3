"""Level functions of a labelled volume: every feature as a smoothed indicator."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.ndimage import gaussian_filter

from ngcfem.microstructure.voxel_volume import VoxelVolume
from ngcfem.quantities import INTERFACE, BoolArray, FloatArray, Int32Array, IntArray

_REACH = 4.0
"""Of the standard deviation: how far beyond a feature its indicator is kept."""

_LARGEST_GROWTH = 0.45
_STAIR_FACTOR = 1.5
_CORNERS = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])


@dataclass(frozen=True, eq=False)
class VoxelRegions:
    """The features of a volume as regions, see :class:`ngcfem.mesh.regions.Regions`.

    Parameters
    ----------
    volume : VoxelVolume
        The volume.
    number : ndarray of int, shape (n1, n2, n3)
        Feature of each voxel.
    phase, grain : ndarray of int32, shape (k,)
        Phase and grain of each feature.
    target_volumes_nm3 : ndarray, shape (k,)
        Volume of the voxels of each feature.
    growth_areas : ndarray, shape (k,)
        Estimated surface of each feature in nm^2.
    growth_nm : ndarray, shape (k,)
        What is added to the level of each feature.
    half_width_nm : float
        Level deep inside a feature.
    indicators : ndarray of float32, shape (l,)
        Smoothed indicators of all features, one box after the other.
    first : ndarray of int, shape (k,)
        Where the box of each feature starts in ``indicators``.
    origin, shape : ndarray of int, shape (k, 3)
        First voxel and number of voxels of each box.

    Notes
    -----
    The indicator of a feature, 1 in its voxels and 0 elsewhere, is smoothed by a Gaussian and
    interpolated linearly between the centres of the voxels. Scaled by sqrt(pi / 2) of the standard
    deviation, the difference of two features is the distance from a flat interface between them, to
    first order.
    """

    volume: VoxelVolume
    number: IntArray
    phase: Int32Array
    grain: Int32Array
    target_volumes_nm3: FloatArray
    growth_areas: FloatArray
    growth_nm: FloatArray
    half_width_nm: float
    indicators: np.ndarray
    first: IntArray
    origin: IntArray
    shape: IntArray

    @property
    def lattice(self) -> FloatArray:
        """Period vectors as rows in nm."""
        return self.volume.lattice

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Names of the phases."""
        return self.volume.phase_names

    @property
    def connected(self) -> BoolArray:
        """Features that must not be pinched off: those of the phase ``interface``."""
        names = np.array(self.phase_names)
        return (names == INTERFACE)[self.phase]

    def grown(self, growth: FloatArray) -> Self:
        """Move the surfaces of the features.

        Parameters
        ----------
        growth : ndarray, shape (k,)
            What is added to the level of each feature, counted from the voxels.

        Returns
        -------
        VoxelRegions
            The same features with moved surfaces.
        """
        limit = _LARGEST_GROWTH * self.half_width_nm
        return replace(self, growth_nm=np.clip(growth, -limit, limit))

    def regions_at(self, points: FloatArray) -> IntArray:
        """Feature of each point: the highest level among the voxels around it.

        Parameters
        ----------
        points : ndarray, shape (m, 3)
            Positions in nm, counted modulo the lattice.

        Returns
        -------
        ndarray of int, shape (m,)
            Numbers of features.
        """
        base, _ = self._voxel_below(points)
        count = np.array(self.number.shape)
        around = (base[:, None] + _CORNERS) % count
        candidates = self.number[around[..., 0], around[..., 1], around[..., 2]]
        region = candidates[:, 0].copy()
        rows = np.flatnonzero((candidates != region[:, None]).any(axis=1))
        best = self.levels(region[rows], points[rows])
        for column in candidates[rows].T[1:]:
            level = self.levels(column, points[rows])
            better = level > best
            region[rows[better]] = column[better]
            best = np.maximum(best, level)
        return region

    def levels(self, regions: IntArray, points: FloatArray) -> FloatArray:
        """Level of one feature at each point.

        Parameters
        ----------
        regions : ndarray of int, shape (m,)
            Number of the feature that is asked for at each point.
        points : ndarray, shape (m, 3)
            Positions in nm, counted modulo the lattice.

        Returns
        -------
        ndarray, shape (m,)
            Levels in nm.
        """
        base, rest = self._voxel_below(points)
        count = np.array(self.number.shape)
        local = (base - self.origin[regions]) % count
        shape = self.shape[regions]
        value = np.zeros(len(points))
        inside = np.flatnonzero((local < shape - 1).all(axis=1))
        local, shape, rest = local[inside], shape[inside], rest[inside]
        start = self.first[regions[inside]]
        for corner in _CORNERS:
            i, j, k = (local + corner).T
            weight = np.where(corner, rest, 1.0 - rest).prod(axis=1)
            value[inside] += (
                weight * self.indicators[start + (i * shape[:, 1] + j) * shape[:, 2] + k]
            )
        return self.half_width_nm * value + self.growth_nm[regions]

    def grains_at(self, regions: IntArray, points: FloatArray) -> Int32Array:
        """Grain number of cells of a feature.

        Parameters
        ----------
        regions : ndarray of int, shape (m,)
            Number of the feature of each cell.
        points : ndarray, shape (m, 3)
            Not used.

        Returns
        -------
        ndarray of int32, shape (m,)
            Grain numbers, -1 where there is none.
        """
        return self.grain[regions]

    def _voxel_below(self, points: FloatArray) -> tuple[IntArray, FloatArray]:
        """Voxel whose centre lies below each point in every direction, and the rest of the way."""
        count = np.array(self.number.shape)
        place = points / self.volume.spacing_nm - 0.5
        base = np.floor(place).astype(np.int64)
        return base % count, place - base


def voxel_regions(volume: VoxelVolume, smoothing_voxels: float) -> VoxelRegions:
    """Divide a volume into its features with level functions.

    Parameters
    ----------
    volume : VoxelVolume
        The volume.
    smoothing_voxels : float
        Standard deviation of the Gaussian in voxels.

    Returns
    -------
    VoxelRegions
        One region for every pair of phase and grain.
    """
    number, phase, grain = volume.features
    count = len(phase)
    counts = np.bincount(number.ravel(), minlength=count).astype(float)
    spacing = volume.spacing_nm
    areas = np.zeros(count)
    for axis in range(3):
        face = float(np.prod(spacing) / spacing[axis])
        other = np.roll(number, -1, axis=axis)
        edge = number != other
        for side in (number, other):
            areas += face / _STAIR_FACTOR * np.bincount(side[edge], minlength=count)
    pad = int(np.ceil(_REACH * smoothing_voxels)) + 1
    origin = np.zeros((count, 3), dtype=np.int64)
    length = np.zeros((count, 3), dtype=np.int64)
    for axis, n in enumerate(number.shape):
        present = np.zeros((count, n), dtype=bool)
        index = np.broadcast_to(
            np.arange(n).reshape([-1 if k == axis else 1 for k in range(3)]), number.shape
        )
        present[number.ravel(), index.ravel()] = True
        for feature in range(count):
            origin[feature, axis], length[feature, axis] = _interval(present[feature], pad)
    boxes = [
        _smoothed_box(number, feature, origin[feature], length[feature], smoothing_voxels)
        for feature in range(count)
    ]
    sizes = np.array([box.size for box in boxes])
    return VoxelRegions(
        volume=volume,
        number=number,
        phase=phase,
        grain=grain,
        target_volumes_nm3=counts * float(np.prod(spacing)),
        # both sides of an interface are grown, each for its own missing volume
        growth_areas=2.0 * areas,
        growth_nm=np.zeros(count),
        half_width_nm=float(
            np.sqrt(0.5 * np.pi) * smoothing_voxels * np.prod(spacing) ** (1.0 / 3.0)
        ),
        indicators=np.concatenate([box.ravel() for box in boxes]),
        first=np.concatenate([[0], np.cumsum(sizes)[:-1]]),
        origin=origin,
        shape=np.array([box.shape for box in boxes]),
    )


def _interval(present: BoolArray, pad: int) -> tuple[int, int]:
    """Shortest periodic interval that holds a feature, padded; the whole axis if that is longer."""
    n = len(present)
    where = np.flatnonzero(present)
    gap = np.diff(np.concatenate([where, [where[0] + n]]))
    widest = int(np.argmax(gap))
    start = int(where[(widest + 1) % len(where)])
    length = n - int(gap[widest]) + 1
    if length + 2 * pad >= n:
        return 0, n
    return (start - pad) % n, length + 2 * pad


def _smoothed_box(
    number: IntArray, feature: int, origin: IntArray, length: IntArray, smoothing_voxels: float
) -> np.ndarray:
    rows = [
        (start + np.arange(size)) % n
        for start, size, n in zip(origin.tolist(), length.tolist(), number.shape, strict=True)
    ]
    indicator = (number[np.ix_(*rows)] == feature).astype(np.float32)
    whole = [size == n for size, n in zip(length.tolist(), number.shape, strict=True)]
    modes = ["wrap" if w else "constant" for w in whole]
    if smoothing_voxels > 0.0:
        indicator = gaussian_filter(indicator, smoothing_voxels, mode=modes, truncate=_REACH)
    # a box that goes all the way round ends with the voxel it starts with
    return np.pad(indicator, [(0, int(w)) for w in whole], mode="wrap")
