"""Ranging: which ion each mass-to-charge state ratio stands for, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ngcfem.atomprobe.ions import Ion
from ngcfem.atomprobe.range_model import MassRange, unite
from ngcfem.quantities import FloatArray, IntArray

UNRANGED = -1
"""Label of an ion that lies in no range."""


@dataclass(frozen=True, eq=False)
class RangeTable:
    """Ranges in ascending order, ready to label ions.

    Parameters
    ----------
    ranges : tuple of MassRange
        Ascending and without overlap; a label is a place in it.
    low_da, high_da : ndarray, shape (r,)
        Ends in Da.
    """

    ranges: tuple[MassRange, ...]
    low_da: FloatArray
    high_da: FloatArray

    @classmethod
    def of(cls, ranges: Sequence[MassRange]) -> "RangeTable":
        """Order ranges and make one of those of the same ion that overlap.

        Parameters
        ----------
        ranges : sequence of MassRange
            Ranges; none of different ions overlap.

        Returns
        -------
        RangeTable
            The table.
        """
        united = unite(ranges)
        low = np.array([entry.low_da for entry in united], dtype=np.float64)
        high = np.array([entry.high_da for entry in united], dtype=np.float64)
        return cls(united, low, high)

    def label(self, mass_to_charge_da: npt.NDArray[np.floating]) -> npt.NDArray[np.int16]:
        """Find the range of each ion.

        Parameters
        ----------
        mass_to_charge_da : ndarray, shape (n,)
            Mass-to-charge state ratios in Da.

        Returns
        -------
        ndarray, shape (n,)
            Places in `ranges`, or `UNRANGED`.

        Notes
        -----
        Both ends belong to a range; where two ranges touch, the value belongs to the upper one.
        """
        label = np.searchsorted(self.low_da, mass_to_charge_da, side="right") - 1
        inside = mass_to_charge_da <= self.high_da[np.maximum(label, 0)]
        inside &= label >= 0
        return np.where(inside, label, UNRANGED).astype(np.int16)

    @property
    def species(self) -> tuple[Ion, ...]:
        """The ions of the ranges, each once, in the order in which the spectrum meets them."""
        return tuple(dict.fromkeys(entry.ion for entry in self.ranges))

    @property
    def elements(self) -> tuple[str, ...]:
        """The elements of all ions, in alphabetical order."""
        return tuple(sorted({name for entry in self.ranges for name, _ in entry.ion.elements}))

    def atoms(self) -> IntArray:
        """Count the atoms of one ion of each range.

        Returns
        -------
        ndarray, shape (r, e)
            Number of atoms by range and element, the elements in the order of `elements`.
        """
        place = {name: at for at, name in enumerate(self.elements)}
        counts = np.zeros((len(self.ranges), len(place)), dtype=np.int64)
        for row, entry in enumerate(self.ranges):
            for name, count in entry.ion.elements:
                counts[row, place[name]] = count
        return counts


@dataclass(frozen=True, eq=False)
class Composition:
    """Composition by element, with the molecular ions parted into their atoms.

    Parameters
    ----------
    elements : tuple of str
        The elements.
    atoms : ndarray, shape (e,)
        Number of atoms; not whole if a background was taken off.
    atoms_error : ndarray, shape (e,)
        Its standard deviation from counting.
    fraction : ndarray, shape (e,)
        Share of the atoms; not a number if there are none.
    fraction_error : ndarray, shape (e,)
        Its standard deviation from counting.
    """

    elements: tuple[str, ...]
    atoms: FloatArray
    atoms_error: FloatArray
    fraction: FloatArray
    fraction_error: FloatArray


def composition_of(
    table: RangeTable, counts: npt.ArrayLike, variance: npt.ArrayLike | None = None
) -> Composition:
    """Take the composition from the counts of the ranges.

    Parameters
    ----------
    table : RangeTable
        The ranges.
    counts : array_like, shape (r,)
        Ions in each range.
    variance : array_like, shape (r,), or None
        Variance of the counts; by default the counts themselves, as of Poisson numbers.

    Returns
    -------
    Composition
        By element, in the order of `table.elements`.

    Notes
    -----
    With n_re atoms of element e in an ion of range r, n_r in all, and N_r ions of variance v_r,
    A_e = sum_r n_re N_r, c_e = A_e / A, and by linear propagation

        var c_e = sum_r v_r (n_re - c_e n_r)^2 / A^2 ,

    which for ions of one atom and v_r = N_r is c_e (1 - c_e) / A, the binomial variance. It covers
    counting alone, neither the choice of the ranges nor losses of the instrument.
    """
    counts = np.asarray(counts, dtype=np.float64)
    variance = counts if variance is None else np.asarray(variance, dtype=np.float64)
    per_ion = table.atoms().astype(np.float64)
    atoms = counts @ per_ion
    total = float(atoms.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = atoms / total if total > 0.0 else np.full(len(atoms), np.nan)
        departure = per_ion - fraction * per_ion.sum(axis=1, keepdims=True)
        fraction_error = np.sqrt(variance @ departure**2) / total if total > 0.0 else fraction
    atoms_error = np.sqrt(variance @ per_ion**2)
    return Composition(table.elements, atoms, atoms_error, fraction, fraction_error)
