"""Composition on a grid of voxels: atoms counted, delocalized, with the error of counting."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.quantities import BoolArray, FloatArray, IntArray

_INSIDE_SHARE = 0.5
_FULL_SHARE = 0.8
_BLOCK = 1 << 16
_IONS_AT_A_TIME = 1 << 22


@dataclass(frozen=True)
class VoxelGrid:
    """Cubic voxels that cover a specimen.

    Parameters
    ----------
    origin_nm : tuple of float
        Corner of the first voxel.
    voxel_nm : float
        Edge of a voxel.
    shape : tuple of int
        Number of voxels along x, y and z.
    """

    origin_nm: tuple[float, float, float]
    voxel_nm: float
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, position_nm: npt.NDArray[np.floating], voxel_nm: float) -> Self:
        """Cover positions with voxels.

        Parameters
        ----------
        position_nm : ndarray, shape (n, 3)
            At least one position.
        voxel_nm : float
            Edge of a voxel.

        Returns
        -------
        VoxelGrid
            The smallest grid that holds them, what is over shared by both sides.
        """
        lowest = np.min(position_nm, axis=0).astype(np.float64)
        extent = np.max(position_nm, axis=0).astype(np.float64) - lowest
        shape = np.maximum(np.ceil(extent / voxel_nm - 1e-9), 1.0).astype(int)
        origin = lowest - 0.5 * (shape * voxel_nm - extent)
        return cls(
            (float(origin[0]), float(origin[1]), float(origin[2])),
            voxel_nm,
            (int(shape[0]), int(shape[1]), int(shape[2])),
        )

    @property
    def voxel_volume_nm3(self) -> float:
        """Volume of a voxel."""
        return self.voxel_nm**3

    def coordinates(self, position_nm: npt.NDArray[np.floating]) -> FloatArray:
        """Express positions in voxels, counted from the centre of the first one.

        Parameters
        ----------
        position_nm : ndarray, shape (n, 3)
            Positions.

        Returns
        -------
        ndarray, shape (n, 3)
            What `scipy.ndimage.map_coordinates` takes, transposed.
        """
        origin = np.asarray(self.origin_nm, dtype=np.float64)
        return (np.asarray(position_nm, dtype=np.float64) - origin) / self.voxel_nm - 0.5

    def voxel_of(self, position_nm: npt.NDArray[np.floating]) -> IntArray:
        """Find the voxel of each position.

        Parameters
        ----------
        position_nm : ndarray, shape (n, 3)
            Positions; those outside the grid belong to the nearest voxel of its rim.

        Returns
        -------
        ndarray, shape (n,)
            Flat place in an array of `shape`.
        """
        flat = np.empty(len(position_nm), dtype=np.int64)
        # Blocks that stay in the cache, so that temporaries cost neither time nor memory.
        for first in range(0, len(flat), _BLOCK):
            part = flat[first : first + _BLOCK]
            part[...] = 0
            for axis, size in enumerate(self.shape):
                along = position_nm[first : first + _BLOCK, axis] - self.origin_nm[axis]
                along /= self.voxel_nm
                part *= size
                part += np.clip(along, 0, size - 1).astype(np.int64)
        return flat

    def centres_nm(self, flat: npt.NDArray[np.integer]) -> FloatArray:
        """Give the centres of voxels.

        Parameters
        ----------
        flat : ndarray, shape (k,)
            Flat places in an array of `shape`.

        Returns
        -------
        ndarray, shape (k, 3)
            Centres in nm.
        """
        places = np.stack(np.unravel_index(flat, self.shape), axis=-1)
        return np.asarray(self.origin_nm, dtype=np.float64) + (places + 0.5) * self.voxel_nm


@dataclass(frozen=True, eq=False)
class CompositionField:
    """Delocalized numbers of atoms on a grid.

    Parameters
    ----------
    grid : VoxelGrid
        The voxels.
    elements : tuple of str
        The elements.
    counts : ndarray, shape (e, nx, ny, nz)
        Atoms counted in each voxel.
    atoms : ndarray, shape (e, nx, ny, nz)
        Atoms after delocalization with a Gaussian.
    kernel_sigma_nm : float
        Its standard deviation; 0 for none.
    """

    grid: VoxelGrid
    elements: tuple[str, ...]
    counts: npt.NDArray[np.float32]
    atoms: npt.NDArray[np.float32]
    kernel_sigma_nm: float

    @property
    def total(self) -> npt.NDArray[np.float32]:
        """Delocalized atoms of all elements, shape (nx, ny, nz)."""
        return self.atoms.sum(axis=0)

    @property
    def smallest_total(self) -> float:
        """Delocalized atoms from which on a voxel is of the specimen; infinite if there are none.

        Half of what is usual away from the rim (`usual_total`).
        """
        usual = usual_total(self.total, self.counts.sum(axis=0))
        return _INSIDE_SHARE * usual if usual > 0.0 else np.inf

    @property
    def inside(self) -> BoolArray:
        """Voxels of the specimen, shape (nx, ny, nz): at least half the usual number of atoms."""
        return self.total >= self.smallest_total

    @property
    def volume_nm3(self) -> float:
        """Volume of the voxels of the specimen."""
        return float(np.count_nonzero(self.inside)) * self.grid.voxel_volume_nm3

    def fraction(self, element: str) -> FloatArray:
        """Share of one element.

        Parameters
        ----------
        element : str
            Symbol.

        Returns
        -------
        ndarray, shape (nx, ny, nz)
            Atomic fraction; not a number where no atoms are.
        """
        total = self.total.astype(np.float64)
        if element not in self.elements:
            return np.where(total > 0.0, 0.0, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(total > 0.0, self.atoms[self.elements.index(element)] / total, np.nan)

    def coarser(self, factor: int) -> Self:
        """Join voxels, for surfaces of fewer triangles.

        Parameters
        ----------
        factor : int
            Voxels joined along each axis; the grid is filled up with empty ones to a multiple.

        Returns
        -------
        CompositionField
            The same atoms in larger voxels.
        """

        def joined(atoms: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            spare = [(0, 0), *((0, -size % factor) for size in self.grid.shape)]
            filled = np.pad(atoms, spare)
            split = [part for size in filled.shape[1:] for part in (size // factor, factor)]
            return filled.reshape(len(atoms), *split).sum(axis=(2, 4, 6))

        counts = joined(self.counts)
        nx, ny, nz = counts.shape[1:]
        grid = VoxelGrid(self.grid.origin_nm, factor * self.grid.voxel_nm, (nx, ny, nz))
        return type(self)(grid, self.elements, counts, joined(self.atoms), self.kernel_sigma_nm)

    def effective_atoms(self) -> FloatArray:
        """Number of atoms that the composition of a voxel rests on.

        Returns
        -------
        ndarray, shape (nx, ny, nz)
            sum(w)^2 / sum(w^2) over the atoms with the weights w of the kernel.

        Notes
        -----
        For a kernel wide against the voxels this is the atomic density times
        (4 pi)^(3/2) sigma^3.
        """
        total = self.total.astype(np.float64)
        if self.kernel_sigma_nm == 0.0:
            return total
        # The square of a Gaussian of width s is one of width s / sqrt(2), up to its height.
        steps = self.kernel_sigma_nm / self.grid.voxel_nm
        line = gaussian_weights(steps)
        squared = self.counts.sum(axis=0).astype(np.float64)
        for axis in range(3):
            squared = ndimage.correlate1d(squared, line**2, axis=axis, mode="constant")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(squared > 0.0, total**2 / squared, 0.0)

    def fraction_error(self, element: str) -> FloatArray:
        """Standard deviation of `fraction` from counting.

        Parameters
        ----------
        element : str
            Symbol.

        Returns
        -------
        ndarray, shape (nx, ny, nz)
            Binomial, sqrt(c (1 - c) / n) with the effective number of atoms n.
        """
        share, number = self.fraction(element), self.effective_atoms()
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(share * (1.0 - share) / number)


def composition_field(
    ions: RangedIons, voxel_nm: float, kernel_sigma_nm: float, grid: VoxelGrid | None = None
) -> CompositionField:
    """Count atoms in voxels and delocalize them.

    Parameters
    ----------
    ions : RangedIons
        The ions; a molecular ion counts with each of its atoms at its position.
    voxel_nm : float
        Edge of a voxel in nm.
    kernel_sigma_nm : float
        Standard deviation of the Gaussian in nm; 0 for none.
    grid : VoxelGrid or None
        Voxels to use instead of those around the ions.

    Returns
    -------
    CompositionField
        Counts and delocalized numbers of all elements.

    Notes
    -----
    The Gaussian is cut off at four standard deviations and nothing is outside the grid, so that the
    ratio of two delocalized numbers is unbiased at the surface of a homogeneous specimen.

    References
    ----------
    Hellman, Vandenbroucke, Ruesing, Isheim, Seidman (2000), Microscopy and Microanalysis 6, 437,
    doi 10.1007/s100050010051 (delocalization).
    """
    grid = VoxelGrid.around(ions.position_nm, voxel_nm) if grid is None else grid
    counts = count_atoms(ions, grid)
    return CompositionField(
        grid,
        ions.elements,
        counts,
        delocalized(counts, kernel_sigma_nm / grid.voxel_nm),
        kernel_sigma_nm,
    )


def count_atoms(ions: RangedIons, grid: VoxelGrid) -> npt.NDArray[np.float32]:
    """Count the atoms of each element in each voxel.

    Parameters
    ----------
    ions : RangedIons
        The ions; a molecular ion counts with each of its atoms at its position.
    grid : VoxelGrid
        The voxels.

    Returns
    -------
    ndarray, shape (e, nx, ny, nz)
        Atoms, the elements in the order of `ions.elements`.

    Notes
    -----
    Ranges of the same atoms are counted together, and ions a stretch at a time, so that hundreds of
    ranges cost no more than their kinds of ions, and the temporaries no more than a field.
    """
    n_voxels = int(np.prod(grid.shape))
    counts = np.zeros((len(ions.elements), n_voxels), dtype=np.float32)
    if not len(ions) or not len(ions.elements):
        return counts.reshape(len(counts), *grid.shape)
    kinds, kind_of_range = np.unique(ions.table.atoms(), axis=0, return_inverse=True)
    kind_of_range = kind_of_range.reshape(-1)
    stretch = max(_IONS_AT_A_TIME, n_voxels)
    for first in range(0, len(ions), stretch):
        flat = grid.voxel_of(ions.position_nm[first : first + stretch])
        kind = kind_of_range[ions.label[first : first + stretch]]
        for number, atoms in enumerate(kinds):
            if not atoms.any():
                continue
            found = np.bincount(flat[kind == number], minlength=n_voxels)
            for element in np.flatnonzero(atoms):
                counts[element] += (atoms[element] * found).astype(np.float32)
    return counts.reshape(len(counts), *grid.shape)


def delocalized(counts: npt.NDArray[np.float32], steps: float) -> npt.NDArray[np.float32]:
    """Spread counts with a Gaussian.

    Parameters
    ----------
    counts : ndarray, shape (e, nx, ny, nz)
        Atoms counted, by element.
    steps : float
        Standard deviation in voxels; 0 for none.

    Returns
    -------
    ndarray, shape (e, nx, ny, nz)
        Delocalized atoms; what spreads beyond the grid is lost.
    """
    if steps == 0.0:
        return counts
    line = gaussian_weights(steps)
    smooth = np.empty_like(counts)
    for element, counted in enumerate(counts):
        part = counted
        for axis in range(3):
            part = ndimage.correlate1d(part, line, axis=axis, mode="constant")
        smooth[element] = part
    return smooth


def gaussian_weights(steps: float) -> FloatArray:
    """Weights of a Gaussian along one axis of a grid.

    Parameters
    ----------
    steps : float
        Standard deviation in voxels, above 0.

    Returns
    -------
    ndarray, shape (2 m + 1,)
        Weights of sum 1, out to four standard deviations.
    """
    reach = int(np.ceil(4.0 * steps))
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / steps) ** 2)
    return line / line.sum()


def usual_total(total: npt.NDArray[np.floating], counts: npt.NDArray[np.floating]) -> float:
    """Delocalized number of atoms of a voxel away from the rim of the specimen.

    Parameters
    ----------
    total : ndarray
        Delocalized atoms of all elements.
    counts : ndarray, same shape
        Atoms before delocalization.

    Returns
    -------
    float
        The number; 0 if there are no atoms.

    Notes
    -----
    The median over the voxels that hold an atom, and again over those of them above four fifths of
    it: voxels at the rim, and those around it that the Gaussian alone reaches, would lower it.
    """
    held = total[counts > 0.0]
    if not len(held):
        return 0.0
    return float(np.median(held[held >= _FULL_SHARE * np.median(held)]))
