"""Mass spectra: reading and ranging a whole data set once, and its background."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ngcfem.atomprobe.ion_data import DEFAULT_CHUNK, IonMetadata
from ngcfem.atomprobe.ion_reading import IonFile
from ngcfem.atomprobe.ranging import RangeTable
from ngcfem.quantities import BoolArray, FloatArray, IntArray

BIN_DA = 0.01
_LARGEST_DA = 400.0
_CLIP_SIGMA = 3.0
_ROUNDS = 50


@dataclass(frozen=True, eq=False)
class MassSpectrum:
    """Counts over the mass-to-charge state ratio.

    Parameters
    ----------
    counts : ndarray, shape (b,)
        Ions in bins of equal width from 0 on.
    bin_da : float
        Width of a bin in Da.
    n_beyond : int
        Ions beyond the last bin.
    """

    counts: IntArray
    bin_da: float
    n_beyond: int

    @property
    def edges_da(self) -> FloatArray:
        """Ends of the bins in Da, one more than bins."""
        return self.bin_da * np.arange(len(self.counts) + 1, dtype=np.float64)

    @property
    def centres_da(self) -> FloatArray:
        """Middles of the bins in Da."""
        return self.bin_da * (np.arange(len(self.counts), dtype=np.float64) + 0.5)

    def bins(self, low_da: float, high_da: float) -> slice:
        """Find the bins whose middle lies in an interval.

        Parameters
        ----------
        low_da, high_da : float
            Ends in Da.

        Returns
        -------
        slice
            Of `counts`.
        """
        first = int(np.ceil(max(low_da, 0.0) / self.bin_da - 0.5))
        last = int(np.floor(max(high_da, 0.0) / self.bin_da - 0.5)) + 1
        return slice(min(first, len(self.counts)), min(max(last, first), len(self.counts)))


@dataclass(frozen=True, eq=False)
class RangedSpectrum:
    """A data set read and ranged once.

    Parameters
    ----------
    metadata : IonMetadata
        What was read.
    table : RangeTable
        The ranges.
    counts : ndarray, shape (r,)
        Ions in each range.
    n_unranged : int
        Ions in none.
    spectrum : MassSpectrum
        All ions.
    """

    metadata: IonMetadata
    table: RangeTable
    counts: IntArray
    n_unranged: int
    spectrum: MassSpectrum

    @property
    def ranged_fraction(self) -> float:
        """Share of the ions that lie in a range."""
        return 1.0 - self.n_unranged / self.metadata.n_ions

    def unranged_bins(self) -> BoolArray:
        """Find the bins of the spectrum that no range touches.

        Returns
        -------
        ndarray, shape (b,)
            True where no range is.
        """
        edges = self.spectrum.edges_da
        free = np.ones(len(self.spectrum.counts), dtype=np.bool_)
        for low, high in zip(self.table.low_da, self.table.high_da, strict=True):
            first = max(int(np.searchsorted(edges, low, side="right")) - 1, 0)
            free[first : int(np.searchsorted(edges, high, side="left"))] = False
        return free


def range_spectrum(
    ions: IonFile,
    table: RangeTable,
    watch: Callable[[int, int], None] | None = None,
    n_chunk: int = DEFAULT_CHUNK,
) -> RangedSpectrum:
    """Read a data set once: count ranges, take the spectrum, extents and hash.

    Parameters
    ----------
    ions : IonFile
        The data set.
    table : RangeTable
        The ranges.
    watch : callable or None
        Called after each stretch with the number of ions read and of all ions, the latter 0 where
        it is not known.
    n_chunk : int
        Ions read at a time.

    Returns
    -------
    RangedSpectrum
        Counts, spectrum and metadata.

    Raises
    ------
    InputError
        If the data set holds values that make no sense.
    """
    n_bins = round(_LARGEST_DA / BIN_DA)
    spectrum = np.zeros(n_bins + 1, dtype=np.int64)
    counts = np.zeros(len(table.ranges) + 1, dtype=np.int64)
    lowest, highest = np.full(4, np.inf), np.full(4, -np.inf)
    number = 0
    for chunk in ions.chunks(n_chunk=n_chunk):
        ratio = chunk.mass_to_charge_da
        counts += np.bincount(table.label(ratio) + 1, minlength=len(counts))
        places = np.minimum(ratio * np.float32(1.0 / BIN_DA), n_bins).astype(np.int32)
        spectrum += np.bincount(places, minlength=n_bins + 1)
        for axis in range(3):
            along = chunk.position_nm[:, axis]
            lowest[axis] = min(lowest[axis], float(along.min()))
            highest[axis] = max(highest[axis], float(along.max()))
        lowest[3] = min(lowest[3], float(ratio.min()))
        highest[3] = max(highest[3], float(ratio.max()))
        number += len(chunk)
        if watch is not None:
            watch(number, ions.n_ions or 0)
    with open(ions.path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    metadata = IonMetadata(
        path=ions.path,
        file_format=ions.file_format,
        sha256=digest,
        n_ions=number,
        columns=ions.column_names,
        lowest_nm=(float(lowest[0]), float(lowest[1]), float(lowest[2])),
        highest_nm=(float(highest[0]), float(highest[1]), float(highest[2])),
        lowest_mass_to_charge_da=float(lowest[3]),
        highest_mass_to_charge_da=float(highest[3]),
    )
    return RangedSpectrum(
        metadata,
        table,
        counts[1:],
        int(counts[0]),
        MassSpectrum(spectrum[:-1], BIN_DA, int(spectrum[-1])),
    )


@dataclass(frozen=True)
class Background:
    """Background that is constant in the time of flight.

    Parameters
    ----------
    level : float
        Ions per sqrt(Da): the density over the mass-to-charge state ratio m is
        level / (2 sqrt(m)) per Da.
    level_error : float
        Its standard deviation from counting.
    low_da, high_da : float
        Part of the spectrum that it was taken from, in Da.
    """

    level: float
    level_error: float
    low_da: float
    high_da: float

    def expected(self, low_da: FloatArray, high_da: FloatArray) -> FloatArray:
        """Give the number of background ions in intervals.

        Parameters
        ----------
        low_da, high_da : ndarray
            Ends in Da.

        Returns
        -------
        ndarray
            level (sqrt(high) - sqrt(low)).
        """
        return self.level * (np.sqrt(high_da) - np.sqrt(low_da))


def estimate_background(ranged: RangedSpectrum, lowest_da: float = 0.5) -> Background:
    """Estimate the background from the parts of the spectrum that no range touches.

    Parameters
    ----------
    ranged : RangedSpectrum
        Spectrum with ranges.
    lowest_da : float
        Where to begin, in Da: the first part holds no flight times of ions.

    Returns
    -------
    Background
        Level 0 where no free part is left.

    Notes
    -----
    Ions that are not correlated with a pulse arrive with the same density at all times of flight t.
    With m proportional to t^2 their density over m falls as 1/sqrt(m), and over sqrt(m) it is
    constant: the level is the ratio of counts to widths in sqrt(m) of bins outside all ranges.
    Free bins that hold peaks without ranges, or tails of peaks, lie above the level: blocks of bins
    whose count is more than three standard deviations of a Poisson number above what the level
    gives are left out, and the level is taken again, until the blocks stay the same. What remains
    of tails raises the level; it is an upper estimate where peaks stand closely.
    """
    spectrum = ranged.spectrum
    free = ranged.unranged_bins()
    highest_da = min(ranged.metadata.highest_mass_to_charge_da, spectrum.edges_da[-1])
    centres = spectrum.centres_da
    free &= (centres > lowest_da) & (centres < highest_da)
    widths = np.diff(np.sqrt(spectrum.edges_da))
    # Blocks of 0.1 Da: single bins of a thin spectrum would hardly hold an ion.
    block = np.arange(len(centres)) // round(0.1 / spectrum.bin_da)
    counts = np.bincount(block[free], weights=spectrum.counts[free], minlength=block[-1] + 1)
    width = np.bincount(block[free], weights=widths[free], minlength=block[-1] + 1)
    kept = width > 0.0
    if not kept.any():
        return Background(0.0, 0.0, lowest_da, float(highest_da))
    # The median of the blocks is a start that peaks do not move.
    level = max(float(np.median(counts[kept] / width[kept])), 1.0 / float(width[kept].sum()))
    for _ in range(_ROUNDS):
        expected = level * width
        still = (width > 0.0) & (counts <= expected + _CLIP_SIGMA * np.sqrt(expected + 1.0))
        level_now = float(counts[still].sum() / width[still].sum()) if still.any() else level
        if np.array_equal(still, kept) and level_now == level:
            break
        kept, level = still, level_now
    total = float(width[kept].sum()) if kept.any() else 1.0
    error = float(np.sqrt(max(level * total, 1.0)) / total)
    return Background(level, error, lowest_da, float(highest_da))
