"""One-dimensional composition profiles: atoms counted in bins of a distance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ngcfem.atomprobe.binomial_intervals import wilson_interval
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.atomprobe.ranging import RangeTable
from ngcfem.quantities import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class CompositionProfile:
    """Ions of each range in bins of a distance.

    Parameters
    ----------
    table : RangeTable
        The ranges.
    edges_nm : ndarray, shape (k + 1,)
        Edges of the bins.
    ion_counts : ndarray of int, shape (r, k)
        Ions by range and bin.
    n_left_out : int
        Ions in reach that were not counted, because they have no distance.
    """

    table: RangeTable
    edges_nm: FloatArray
    ion_counts: IntArray
    n_left_out: int = 0

    @property
    def elements(self) -> tuple[str, ...]:
        """The elements of all ranges."""
        return self.table.elements

    @property
    def centres_nm(self) -> FloatArray:
        """Middles of the bins, shape (k,)."""
        return 0.5 * (self.edges_nm[1:] + self.edges_nm[:-1])

    @property
    def total(self) -> IntArray:
        """Atoms of all elements in each bin, shape (k,)."""
        return self.table.atoms().sum(axis=1) @ self.ion_counts

    def atoms_of(self, element: str) -> IntArray:
        """Count the atoms of one element.

        Parameters
        ----------
        element : str
            Symbol.

        Returns
        -------
        ndarray, shape (k,)
            Atoms in each bin.
        """
        if element not in self.elements:
            return np.zeros(self.ion_counts.shape[1], dtype=np.int64)
        return self.table.atoms()[:, self.elements.index(element)] @ self.ion_counts

    def fraction(self, element: str) -> FloatArray:
        """Share of one element.

        Parameters
        ----------
        element : str
            Symbol.

        Returns
        -------
        ndarray, shape (k,)
            Atomic fraction; not a number in empty bins.
        """
        total = self.total.astype(np.float64)
        share = np.full(len(total), np.nan)
        return np.divide(self.atoms_of(element), total, out=share, where=total > 0.0)

    def interval(self, element: str, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Give the confidence interval of `fraction` from counting.

        Parameters
        ----------
        element : str
            Symbol.
        level : float
            Coverage.

        Returns
        -------
        low : ndarray, shape (k,)
            Lower ends; 0 in empty bins.
        high : ndarray, shape (k,)
            Upper ends; 1 in empty bins.

        Notes
        -----
        Wilson's score interval with the number of independent atoms n. The atoms of a molecular ion
        come together: with n_e of the element and n_a in all in an ion, A atoms in all and the
        share c, linear propagation of Poisson counts gives the variance
        v = sum over ions of (n_e - c n_a)^2 / A^2, and n = c (1 - c) / v. Without molecular ions
        n = A.
        """
        per_range = self.table.atoms()
        number_of_atoms = per_range.sum(axis=1)
        own = np.zeros_like(number_of_atoms)
        if element in self.elements:
            own = per_range[:, self.elements.index(element)]
        share, total = self.fraction(element), self.total.astype(np.float64)
        known = np.where(total > 0.0, share, 0.0)
        squares = number_of_atoms**2 @ self.ion_counts
        departure = (
            own**2 @ self.ion_counts
            - 2.0 * known * ((own * number_of_atoms) @ self.ion_counts)
            + known**2 * squares
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            # Where all atoms are alike the departure is 0: the ions of the bin remain.
            number = np.where(
                departure > 0.0, known * (1.0 - known) * total**2 / departure, total**2 / squares
            )
        return wilson_interval(share, np.where(total > 0.0, number, 0.0), level)


def profile_over(
    ions: RangedIons, distance_nm: FloatArray, edges_nm: FloatArray, n_left_out: int = 0
) -> CompositionProfile:
    """Count ions in bins of a distance.

    Parameters
    ----------
    ions : RangedIons
        The ions.
    distance_nm : ndarray, shape (n,)
        Distance of each; those not a number and those beyond the edges are not counted.
    edges_nm : ndarray, shape (k + 1,)
        Edges of bins of equal width.
    n_left_out : int
        Ions in reach that have no distance.

    Returns
    -------
    CompositionProfile
        The counts.
    """
    n_bins, n_ranges = len(edges_nm) - 1, len(ions.table.ranges)
    width = (edges_nm[-1] - edges_nm[0]) / n_bins
    with np.errstate(invalid="ignore"):
        inside = (distance_nm >= edges_nm[0]) & (distance_nm < edges_nm[-1])
    place = ((distance_nm[inside] - edges_nm[0]) / width).astype(np.int64)
    flat = ions.label[inside].astype(np.int64) * n_bins + np.minimum(place, n_bins - 1)
    counts = np.bincount(flat, minlength=n_ranges * n_bins).reshape(n_ranges, n_bins)
    return CompositionProfile(ions.table, np.asarray(edges_nm, np.float64), counts, n_left_out)


def line_profile(
    ions: RangedIons,
    start_nm: Sequence[float],
    end_nm: Sequence[float],
    radius_nm: float = 2.0,
    bin_nm: float = 0.25,
) -> CompositionProfile:
    """Take the composition along a line, from the raw ions of a cylinder around it.

    Parameters
    ----------
    ions : RangedIons
        The ions.
    start_nm, end_nm : sequence of float, length 3
        Ends of the line.
    radius_nm : float
        Radius of the cylinder.
    bin_nm : float
        Length of a bin; shortened so that a whole number of them makes the line.

    Returns
    -------
    CompositionProfile
        Over the distance from the start.

    Raises
    ------
    ValueError
        If the line has no length, or radius or bin are not positive.

    Notes
    -----
    There is no delocalization; a step is as sharp as the data.
    """
    start, end = np.asarray(start_nm, dtype=np.float64), np.asarray(end_nm, dtype=np.float64)
    length = float(np.linalg.norm(end - start))
    if not (length > 0.0 and radius_nm > 0.0 and bin_nm > 0.0):
        raise ValueError("length, radius and bin of a profile must be positive")
    direction = (end - start) / length
    low = np.minimum(start, end) - radius_nm
    high = np.maximum(start, end) + radius_nm
    near = np.flatnonzero(
        np.logical_and.reduce(
            [
                (ions.position_nm[:, k] >= low[k]) & (ions.position_nm[:, k] <= high[k])
                for k in range(3)
            ]
        )
    )
    offset = ions.position_nm[near].astype(np.float64) - start
    along = offset @ direction
    across = np.linalg.norm(offset - along[:, None] * direction, axis=1)
    chosen = across <= radius_nm
    n_bins = max(1, int(np.ceil(length / bin_nm - 1e-9)))
    edges = np.linspace(0.0, length, n_bins + 1)
    return profile_over(ions.subset(near[chosen]), along[chosen], edges)
