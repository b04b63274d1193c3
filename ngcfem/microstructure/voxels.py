"""Phases and grains of a cell on a periodic grid of points, straight from the geometry."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.microstructure.sections import inclusion_parts, phase_at
from ngcfem.microstructure.tessellation import LaguerreCell, laguerre_cells
from ngcfem.quantities import (
    GRAIN,
    INTERFACE,
    NANOCRYSTAL,
    SC_RICH,
    FloatArray,
    Int32Array,
    IntArray,
)

_SLAB_POINTS = 1 << 17


@dataclass(frozen=True, eq=False)
class VoxelCell:
    """A periodic cell sampled at the centres of equal voxels.

    Parameters
    ----------
    lattice : ndarray, shape (d, d)
        Period vectors as rows, in nm, in the frame of the cell; d is 3, or 2 in the plane.
    phase_names : tuple of str
        Names of the phases.
    phase : ndarray of int32, shape (n1, ..., nd)
        Index into ``phase_names``; axis k runs along period vector k.
    grain : ndarray of int32, shape (n1, ..., nd)
        Number of the grain, its half of the network included; -1 where there are no grains.
    """

    lattice: FloatArray
    phase_names: tuple[str, ...]
    phase: Int32Array
    grain: Int32Array

    @property
    def steps(self) -> FloatArray:
        """Vectors between neighbouring voxels as rows, in nm, shape (d, d)."""
        return self.lattice / np.array(self.phase.shape)[:, None]

    @property
    def phase_fractions(self) -> dict[str, float]:
        """Share of the voxels of each phase."""
        counts = np.bincount(self.phase.ravel(), minlength=len(self.phase_names))
        shares = counts / self.phase.size
        return {name: float(x) for name, x in zip(self.phase_names, shares, strict=True)}


def sample_cell(cell: PeriodicCell, spacing_nm: float) -> VoxelCell:
    """Sample a cell on a periodic grid.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, on any lattice.
    spacing_nm : float
        Largest distance between neighbouring voxels along each period vector.

    Returns
    -------
    VoxelCell
        Phases and grains at the centres of the voxels.

    Raises
    ------
    ValueError
        If the spacing is not positive.

    Notes
    -----
    1. A voxel belongs to the grain of the site with the smallest power distance |x - s|^2 - w: the
       nearest neighbour in one more dimension, where the sites have the coordinate
       sqrt(w_max - w) and the voxels 0.
    2. It is network where a facet of that grain is nearer than half the thickness.
    3. Crystals and caps are painted into the boxes that hold them.

    The cost is linear in the number of voxels, and memory beyond the result stays at one slab of
    them. In the plane, and on a lattice that is not a box, the network is found by
    :func:`phase_at`, which compares every site.
    """
    if not spacing_nm > 0.0:
        raise ValueError(f"spacing_nm must be positive, not {spacing_nm}")
    lengths = np.linalg.norm(cell.lattice, axis=1)
    shape = tuple(max(1, int(np.ceil(length / spacing_nm - 1e-9))) for length in lengths)
    phase = np.zeros(shape, dtype=np.int32)
    grain = np.full(shape, -1, dtype=np.int32)
    owners = _Owners(cell) if cell.number_of_grains else None
    rows = max(1, _SLAB_POINTS // int(np.prod(shape[1:])))
    others = [np.arange(n) for n in shape[1:]]
    for start in range(0, shape[0], rows):
        index = np.arange(start, min(shape[0], start + rows))
        points = _centres([index, *others], shape) @ cell.lattice
        block = (len(index), *shape[1:])
        if owners is None:
            phase[index] = phase_at(cell, points).reshape(block)
        else:
            grains, phases = owners.grain_and_phase(points)
            grain[index], phase[index] = grains.reshape(block), phases.reshape(block)
    if owners is not None:
        for inclusion in cell.inclusions:
            _paint(cell, inclusion, phase)
    return VoxelCell(cell.lattice, cell.phase_names, phase, grain)


def phases_of_points(cell: PeriodicCell, points: FloatArray) -> Int32Array:
    """Phase of many points, as :func:`phase_at` gives it, at a cost that grows with their number.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    points : ndarray, shape (n, d)
        Positions in nm in the frame of the cell, anywhere: they count modulo the lattice.

    Returns
    -------
    ndarray of int32, shape (n,)
        Index into ``cell.phase_names``.

    Notes
    -----
    Grains and network as in :func:`sample_cell`; of the crystals, only the points in the ball
    around each are looked at. Where there are no grains, in the plane and on a lattice that is not
    a box, this is :func:`phase_at`.
    """
    box = cell.dimension == 3 and np.allclose(cell.lattice, np.diag(np.diag(cell.lattice)))
    if not box or not cell.number_of_grains:
        return phase_at(cell, points)
    edges = np.diag(cell.lattice)
    wrapped = points - edges * np.floor(points / edges)
    wrapped[wrapped >= edges] = 0.0  # what the division has rounded up
    owners = _Owners(cell)
    slabs = range(0, len(points), _SLAB_POINTS)
    phase = np.concatenate(
        [owners.grain_and_phase(wrapped[n : n + _SLAB_POINTS])[1] for n in slabs]
    )
    if not cell.inclusions:
        return phase
    index = {name: number for number, name in enumerate(cell.phase_names)}
    tree = KDTree(wrapped, boxsize=edges)
    for inclusion in cell.inclusions:
        centre = np.array(inclusion.centre_nm)
        near = np.array(tree.query_ball_point(centre % edges, _reach(inclusion)), dtype=np.int64)
        offset = wrapped[near] - centre
        crystal, cap = inclusion_parts(inclusion, offset - edges * np.round(offset / edges))
        if cap.any():
            phase[near[cap]] = index[SC_RICH]
        if crystal.any():
            phase[near[crystal]] = index[NANOCRYSTAL]
    return phase


def _reach(inclusion: Inclusion) -> float:
    """Radius of the ball around a crystal and its cap."""
    radius = inclusion.radius_nm
    if inclusion.cap is not None:
        radius += inclusion.cap.thickness_nm
    if inclusion.stretch is not None:
        radius *= float(np.linalg.eigvalsh(inclusion.stretch_matrix).max())
    return radius


def _centres(ranges: Sequence[IntArray], shape: Sequence[int]) -> FloatArray:
    grid = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(shape))
    return (grid + 0.5) / np.array(shape)


class _Owners:
    """Finds the grain of points in the first period, and whether they are in the network."""

    def __init__(self, cell: PeriodicCell) -> None:
        self._cell = cell
        shifts = np.array(list(itertools.product((-1, 0, 1), repeat=cell.dimension)))
        self._shift = np.tile(shifts @ cell.lattice, (cell.number_of_grains, 1))
        self._grain = np.repeat(np.arange(cell.number_of_grains), len(shifts))
        height = np.sqrt(cell.weights.max() - cell.weights)
        images = cell.sites[self._grain] + self._shift
        self._tree = KDTree(np.column_stack([images, height[self._grain]]))
        box = cell.dimension == 3 and np.allclose(cell.lattice, np.diag(np.diag(cell.lattice)))
        self._grains: tuple[LaguerreCell, ...] | None = (
            laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice)) if box else None
        )
        index = {name: number for number, name in enumerate(cell.phase_names)}
        self._network, self._glass = index.get(INTERFACE, 0), index.get(GRAIN, 0)

    def grain_and_phase(self, points: FloatArray) -> tuple[Int32Array, Int32Array]:
        """Give grain and phase of points, crystals and caps left out."""
        _, image = self._tree.query(np.column_stack([points, np.zeros(len(points))]))
        grain = self._grain[image].astype(np.int32)
        if self._grains is None:
            return grain, phase_at(self._cell, points)
        local = points - self._shift[image]
        phase = np.empty(len(points), dtype=np.int32)
        order = np.argsort(grain, kind="stable")
        bounds = np.searchsorted(grain[order], np.arange(len(self._grains) + 1))
        for number, body in enumerate(self._grains):
            rows = order[bounds[number] : bounds[number + 1]]
            if rows.size:
                normals, offsets = body.half_spaces(0.5 * self._cell.interface_thickness_nm)
                inside = np.all(local[rows] @ normals.T <= offsets, axis=1)
                phase[rows] = np.where(inside, self._glass, self._network)
        return grain, phase


def _paint(cell: PeriodicCell, inclusion: Inclusion, phase: Int32Array) -> None:
    """Write the phases of a crystal and its cap into the voxels that they hold."""
    shape = phase.shape
    inverse = np.linalg.inv(cell.lattice)
    middle = np.array(inclusion.centre_nm) @ inverse
    # How far a ball of that radius reaches along each fractional coordinate.
    extent = _reach(inclusion) * np.linalg.norm(inverse, axis=0)
    ranges = [
        np.arange(int(np.floor((m - e) * n)) - 1, int(np.ceil((m + e) * n)) + 1)
        for m, e, n in zip(middle, extent, shape, strict=True)
    ]
    offsets = (_centres(ranges, shape) - middle) @ cell.lattice
    crystal, cap = inclusion_parts(inclusion, offsets)
    index = {name: number for number, name in enumerate(cell.phase_names)}
    grid = np.meshgrid(*(r % n for r, n in zip(ranges, shape, strict=True)), indexing="ij")
    wrapped = tuple(axis.ravel() for axis in grid)
    for mask, name in ((cap, SC_RICH), (crystal, NANOCRYSTAL)):
        if mask.any():
            phase[tuple(axis[mask] for axis in wrapped)] = index[name]
