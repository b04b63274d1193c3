"""Two-point correlations, lineal paths and chord lengths of the phases of a sampled cell."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.spatial import SphericalVoronoi

from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.voxels import VoxelCell, sample_cell
from ngcfem.quantities import BoolArray, FloatArray, Int32Array, IntArray

LARGEST_VOXELS_PER_EDGE = 128
_RANDOM_LINES = 16000
_LINE_LENGTH_IN_RANGES = 3


@dataclass(frozen=True, eq=False)
class CorrelationFunctions:
    """How the phases of one cell are distributed in space, over distance.

    Parameters
    ----------
    phase_names : tuple of str
        Names of the p phases.
    distance_nm : ndarray, shape (k,)
        Mean distance of each radial bin of ``two_point``, ascending from 0.
    two_point : ndarray, shape (p, p, k)
        S_ij(r): chance that a point lies in phase i and one at distance r from it in phase j.
    path_nm : ndarray, shape (l,)
        Lengths of the segments of the lineal paths, ascending from 0.
    lineal_path : ndarray, shape (p, l)
        L_i(r): chance that a segment of length r lies in phase i, over random directions.
    lineal_path_along : ndarray, shape (d, p, l)
        The same along each period vector.
    specific_surface : ndarray, shape (p, p)
        Area of the boundary between phases i and j over the volume of the cell, in nm^-1 (in the
        plane, length over area); on the diagonal, that of the whole boundary of phase i.
    """

    phase_names: tuple[str, ...]
    distance_nm: FloatArray
    two_point: FloatArray
    path_nm: FloatArray
    lineal_path: FloatArray
    lineal_path_along: FloatArray
    specific_surface: FloatArray


@dataclass(frozen=True, eq=False)
class CorrelationBand:
    """Mean and scatter of a correlation function over several cells.

    Parameters
    ----------
    distance_nm : ndarray, shape (k,)
        Distances that all cells reach.
    mean : ndarray, shape (k,)
        Mean over the cells.
    standard_deviation : ndarray, shape (k,)
        Of one cell about the mean (n - 1 in the denominator).
    number : int
        Number of cells.
    """

    distance_nm: FloatArray
    mean: FloatArray
    standard_deviation: FloatArray
    number: int


def cell_correlations(
    cell: PeriodicCell, spacing_nm: float | None = None, seed: int = 0
) -> CorrelationFunctions:
    """Sample a cell and compute its correlation functions.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    spacing_nm : float, optional
        Distance of the voxels; by default a fifth of the thickness of the network, or 1/64 of the
        mean edge without one, but no more than ``LARGEST_VOXELS_PER_EDGE`` along the mean edge.
    seed : int
        Seed of the directions of the random lines.

    Returns
    -------
    CorrelationFunctions
        The functions.
    """
    edge = cell.volume_nm3 ** (1.0 / cell.dimension)
    fine = 0.2 * cell.interface_thickness_nm or edge / 64.0
    spacing = max(fine, edge / LARGEST_VOXELS_PER_EDGE) if spacing_nm is None else spacing_nm
    return correlation_functions(sample_cell(cell, spacing), seed)


def correlation_functions(voxels: VoxelCell, seed: int = 0) -> CorrelationFunctions:
    """Compute the correlation functions of a sampled cell.

    Parameters
    ----------
    voxels : VoxelCell
        The cell.
    seed : int
        Seed of the directions of the random lines.

    Returns
    -------
    CorrelationFunctions
        The functions, up to half of the smallest width of the cell.

    Notes
    -----
    S_ij at the vectors between voxels is the correlation of the indicators on the torus, from their
    discrete Fourier transforms. It is averaged over the vectors of equal length within one step.
    Paths run over lines of voxels: a chord of length l holds l / h points on average, whatever its
    place, so that the counts are free of bias at multiples of the step h.

    The surfaces come from the slope at distance 0, over the 26 directions between neighbouring
    voxels. At a fifth of the thickness of the network they lie within 1 % of the closed forms of
    crystals and grains; a flat face normal to a period vector alone reads 7 % low, as so few
    directions sample its cosine coarsely.

    References
    ----------
    Torquato (2002), Random Heterogeneous Materials, chapters 2 and 12,
    doi 10.1007/978-1-4757-6355-3.
    Lu, Torquato (1992), Phys. Rev. A 45, 922, doi 10.1103/PhysRevA.45.922.
    """
    number = len(voxels.phase_names)
    distance = _torus_distances(voxels)
    step = float(np.linalg.norm(voxels.steps, axis=1).max())
    reach = 0.5 * float(_widths(voxels.lattice).min())
    bins = np.floor(distance / step + 0.5).astype(np.int64)
    used = bins.ravel() <= int(reach / step - 0.5)
    rows = bins.ravel()[used]
    size = int(rows.max()) + 1
    counts = np.bincount(rows, minlength=size)
    transforms = [fft.rfftn((voxels.phase == phase).astype(np.float64)) for phase in range(number)]
    two_point = np.empty((number, number, size))
    surface = np.empty((number, number))
    surface_of = _SurfaceRule(voxels)
    for i in range(number):
        for j in range(i + 1):
            spectrum = np.conj(transforms[i]) * transforms[j]
            product = fft.irfftn(spectrum, s=voxels.phase.shape, overwrite_x=True)
            product /= voxels.phase.size
            sums = np.bincount(rows, weights=product.ravel()[used], minlength=size)
            two_point[i, j] = two_point[j, i] = sums / counts
            surface[i, j] = surface[j, i] = surface_of(product)
    radii = np.bincount(rows, weights=distance.ravel()[used], minlength=size) / counts
    path_step = float(np.linalg.norm(voxels.steps, axis=1).min())
    lengths: FloatArray = path_step * np.arange(int(reach / path_step) + 1, dtype=np.float64)
    along = np.stack([_path_along(voxels, axis, lengths) for axis in range(len(voxels.lattice))])
    return CorrelationFunctions(
        voxels.phase_names,
        radii,
        two_point,
        lengths,
        _path_at_random(voxels, lengths, np.random.default_rng(seed)),
        along,
        surface,
    )


def chord_lengths(voxels: VoxelCell, phase: str) -> FloatArray:
    """Lengths of the chords that lines along the period vectors cut out of a phase.

    Parameters
    ----------
    voxels : VoxelCell
        The cell.
    phase : str
        Name of the phase.

    Returns
    -------
    ndarray, shape (m,)
        Lengths in nm in multiples of the steps, in no order. Lines that lie in the phase all the
        way round have no ends and are left out.
    """
    wanted = voxels.phase_names.index(phase)
    found = []
    for axis in range(voxels.phase.ndim):
        lines = np.moveaxis(voxels.phase, axis, -1).reshape(-1, voxels.phase.shape[axis])
        phases, lengths = _closed_runs(lines)
        found.append(lengths[phases == wanted] * np.linalg.norm(voxels.steps[axis]))
    return np.concatenate(found)


def correlation_band(
    distances_nm: Sequence[FloatArray], values: Sequence[FloatArray]
) -> CorrelationBand:
    """Mean and scatter of one function over several cells.

    Parameters
    ----------
    distances_nm : sequence of ndarray, shape (k_i,)
        Distances of each cell, ascending from 0.
    values : sequence of ndarray, shape (k_i,)
        Values of the function there.

    Returns
    -------
    CorrelationBand
        At the distances of the first cell that all cells reach; the others are interpolated.

    Raises
    ------
    ValueError
        If there is no cell.
    """
    if not distances_nm:
        raise ValueError("a band needs at least one cell")
    reach = min(float(distance[-1]) for distance in distances_nm)
    common = distances_nm[0][distances_nm[0] <= reach]
    curves = np.stack([np.interp(common, x, y) for x, y in zip(distances_nm, values, strict=True)])
    many = len(curves) > 1
    return CorrelationBand(
        common,
        curves.mean(axis=0),
        curves.std(axis=0, ddof=1) if many else np.full(len(common), np.nan),
        len(curves),
    )


def _widths(lattice: FloatArray) -> FloatArray:
    """Distances between opposite faces of the cell."""
    return 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)


def _torus_distances(voxels: VoxelCell) -> FloatArray:
    """Length of the shortest vector to each voxel from the first, over its images."""
    lattice, shape = voxels.lattice, voxels.phase.shape
    fractions = [np.arange(n) / n for n in shape]
    grid = np.stack(np.meshgrid(*(f - np.round(f) for f in fractions), indexing="ij"), axis=-1)
    vectors = grid @ lattice
    best = np.linalg.norm(vectors, axis=-1)
    if not np.allclose(lattice, np.diag(np.diag(lattice))):
        for shift in itertools.product((-1, 0, 1), repeat=len(shape)):
            best = np.minimum(best, np.linalg.norm(vectors + np.array(shift) @ lattice, axis=-1))
    return best


def _direction_shares(directions: FloatArray) -> FloatArray:
    """Share of the sphere (in the plane, of the circle) that is nearest to each unit vector."""
    if directions.shape[1] == 3:
        return SphericalVoronoi(directions).calculate_areas() / (4.0 * np.pi)
    angle = np.arctan2(directions[:, 1], directions[:, 0])
    order = np.argsort(angle)
    gaps = np.diff(np.append(angle[order], angle[order[0]] + 2.0 * np.pi))
    shares = np.empty(len(angle))
    shares[order] = (gaps + np.roll(gaps, 1)) / (4.0 * np.pi)
    return shares


class _SurfaceRule:
    """Area over volume from the slope of a correlation at distance 0.

    S_ii'(0) = -s_i / 4 and S_ij'(0) = s_ij / 4 (in the plane, over pi instead of 4), as means over
    all directions. The mean is taken over the 26 (8) directions to the neighbours of a voxel, each
    with the angle that is nearest to it; the slope of each from one and two steps, so that a
    curvature of the function cancels.
    """

    def __init__(self, voxels: VoxelCell) -> None:
        dimension = len(voxels.lattice)
        neighbours = itertools.product((-1, 0, 1), repeat=dimension)
        steps = np.array([step for step in neighbours if any(step)])
        vectors = steps @ voxels.steps
        lengths = np.linalg.norm(vectors, axis=1)
        shares = _direction_shares(vectors / lengths[:, None])
        self._factor = 4.0 if dimension == 3 else np.pi
        self._index = [tuple((k * steps % voxels.phase.shape).T) for k in (1, 2)]
        self._weights = [shares / (k * lengths) for k in (1, 2)]

    def __call__(self, product: FloatArray) -> float:
        """Give the specific surface of a correlation on the grid of the torus, in nm^-1."""
        origin = product.flat[0]
        first, second = (
            float(np.abs(product[index] - origin) @ weights)
            for index, weights in zip(self._index, self._weights, strict=True)
        )
        return float(self._factor * (2.0 * first - second))


def _closed_runs(lines: Int32Array) -> tuple[Int32Array, IntArray]:
    """Phases and lengths, in voxels, of the runs of equal phase on closed lines."""
    size = lines.shape[1]
    row, start = np.nonzero(lines != np.roll(lines, 1, axis=1))
    if row.size == 0:
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
    following = np.roll(start, -1)
    last = np.append(row[1:] != row[:-1], True)
    first = np.flatnonzero(np.append(True, last[:-1]))
    following[last] = start[first] + size
    return lines[row, start], following - start


def _open_runs(lines: Int32Array) -> tuple[Int32Array, IntArray]:
    """Phases and lengths, in points, of the runs of equal phase on lines with two ends."""
    size = lines.shape[1]
    changes: BoolArray = np.ones(lines.shape, dtype=bool)
    changes[:, 1:] = lines[:, 1:] != lines[:, :-1]
    row, start = np.nonzero(changes)
    following = np.append(start[1:], size)
    following[np.append(row[1:] != row[:-1], True)] = size
    return lines[row, start], following - start


def _segments(lengths: IntArray, size: int) -> FloatArray:
    """Number of segments of k + 1 points in runs of given lengths, for k from 0 to size - 1."""
    counts = np.bincount(np.minimum(lengths, size), minlength=size + 1).astype(float)
    at_least = np.cumsum(counts[::-1])[::-1]  # runs of k points and more
    # sum of max(m - k, 0) over the runs = sum of the runs longer than k, k + 1, ...
    return np.cumsum(at_least[1:][::-1])[::-1]


def _path_along(voxels: VoxelCell, axis: int, lengths_nm: FloatArray) -> FloatArray:
    lines = np.moveaxis(voxels.phase, axis, -1).reshape(-1, voxels.phase.shape[axis])
    size = lines.shape[1]
    step = float(np.linalg.norm(voxels.steps[axis]))
    phases, runs = _closed_runs(lines)
    whole = lines[np.all(lines == lines[:, :1], axis=1), 0]
    paths = np.empty((len(voxels.phase_names), len(lengths_nm)))
    for phase in range(len(paths)):
        found = _segments(runs[phases == phase], size) + size * np.count_nonzero(whole == phase)
        # Between multiples of the step the path of a set of chords is linear or nearly so.
        paths[phase] = np.interp(lengths_nm, step * np.arange(size), found / lines.size)
    return paths


def _path_at_random(
    voxels: VoxelCell, lengths_nm: FloatArray, generator: np.random.Generator
) -> FloatArray:
    """Lineal path over lines in random directions, whose points take the phase of their voxel."""
    step = float(lengths_nm[1]) if len(lengths_nm) > 1 else 1.0
    size = _LINE_LENGTH_IN_RANGES * len(lengths_nm)
    shape = np.array(voxels.phase.shape)
    inverse = np.linalg.inv(voxels.lattice)
    paths = np.zeros((len(voxels.phase_names), len(lengths_nm)))
    chunks = 8
    for _ in range(chunks):
        number = _RANDOM_LINES // chunks
        direction = generator.normal(size=(number, len(shape)))
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        start = generator.random((number, len(shape)))
        along = step * np.arange(size)
        fractional = start[:, None] + along[:, None] * (direction @ inverse)[:, None]
        index = np.floor((fractional - np.floor(fractional)) * shape).astype(np.int64)
        index = np.minimum(index, shape - 1)
        lines = voxels.phase[tuple(np.moveaxis(index, -1, 0))]
        phases, runs = _open_runs(lines)
        places = number * (size - np.arange(len(lengths_nm)))
        for phase in range(len(paths)):
            found = _segments(runs[phases == phase], size)[: len(lengths_nm)]
            paths[phase] += found / places / chunks
    return paths
