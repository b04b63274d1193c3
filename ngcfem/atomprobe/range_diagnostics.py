"""Suspicious ranges: isotopes in wrong ratios, ranges without a peak, peaks without a range."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ngcfem.atomprobe.ions import Ion, isotopologues
from ngcfem.atomprobe.isotopes import natural_isotopes
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.spectrum import Background, MassSpectrum, RangedSpectrum
from ngcfem.errors import Finding
from ngcfem.quantities import FloatArray

# A share is off if it departs by more than four standard deviations of counting, and by more than
# what the tails of neighbouring peaks and the spread of natural samples commonly shift.
_SIGMA = 4.0
_SMALLEST_SHIFT = 0.03
_RELATIVE_SHIFT = 0.25
_TOLERANCE_DA = 0.03
_SUGGESTED_DISTANCE = 0.15
_PEAK_SIGMA = 3.0
_UNRANGED_SIGMA = 6.0
_SMALLEST_PEAK = 1e-4
_MOST_PEAKS = 10
_BLOCK_DA = 0.05
_SMALLEST_SHARE = 0.02
# What the vacuum of an instrument leaves in any spectrum.
_RESIDUAL_GAS = (
    {"H": 1},
    {"H": 2},
    {"H": 3},
    {"O": 1, "H": 1},
    {"O": 1, "H": 2},
    {"N": 2},
    {"O": 2},
)


@dataclass(frozen=True, eq=False)
class IsotopePattern:
    """Isotopologues of one ion at one charge state, expected and counted in its ranges.

    Parameters
    ----------
    ion : Ion
        The ion.
    charge : int
        Charge state.
    ratio_da : ndarray, shape (k,)
        Mass-to-charge state ratios of the isotopologues that lie in ranges of the ion.
    expected : ndarray, shape (k,)
        Their natural shares; the sum is 1.
    found : ndarray, shape (k,)
        Shares of the counts; the sum is 1.
    found_error : ndarray, shape (k,)
        Standard deviation from counting.
    """

    ion: Ion
    charge: int
    ratio_da: FloatArray
    expected: FloatArray
    found: FloatArray
    found_error: FloatArray

    @property
    def name(self) -> str:
        """Formula with charge."""
        return ion_name(self.ion, self.charge)

    @property
    def wrong(self) -> tuple[int, ...]:
        """Isotopologues whose share is off, the worst first."""
        shift = np.abs(self.found - self.expected)
        floor = np.maximum(_SMALLEST_SHIFT, _RELATIVE_SHIFT * self.expected)
        off = np.flatnonzero((shift > floor) & (shift > _SIGMA * self.found_error))
        return tuple(off[np.argsort(-shift[off], kind="stable")].tolist())


def ion_name(ion: Ion, charge: int | None) -> str:
    """Write an ion with its charge state.

    Parameters
    ----------
    ion : Ion
        The ion.
    charge : int or None
        Charge state, if it is known.

    Returns
    -------
    str
        Such as ``Fe 2+``.
    """
    return ion.name if charge is None else f"{ion.name} {charge}+"


def isotope_patterns(ranged: RangedSpectrum, background: Background) -> tuple[IsotopePattern, ...]:
    """Count the isotopologues of each ion and charge state in its ranges.

    Parameters
    ----------
    ranged : RangedSpectrum
        Spectrum with ranges.
    background : Background
        Taken off the counts.

    Returns
    -------
    tuple of IsotopePattern
        Of all ions of which two isotopologues or more lie in ranges and are counted.

    Notes
    -----
    A range that holds several isotopologues is parted midway between them.
    """
    groups: dict[tuple[Ion, int], list[MassRange]] = {}
    for entry in ranged.table.ranges:
        if entry.charge is not None:
            groups.setdefault((entry.ion, entry.charge), []).append(entry)
    patterns = []
    for (ion, charge), entries in groups.items():
        variants = isotopologues(ion)
        ratios = variants.mass_to_charge_da(charge)
        kept, counts, variances = [], [], []
        for entry in entries:
            inside = np.flatnonzero(
                (ratios >= entry.low_da - _TOLERANCE_DA) & (ratios <= entry.high_da + _TOLERANCE_DA)
            )
            cuts = [
                entry.low_da,
                *(0.5 * (ratios[inside][1:] + ratios[inside][:-1])),
                entry.high_da,
            ]
            for place, low, high in zip(inside.tolist(), cuts[:-1], cuts[1:], strict=True):
                count, expected = _count(ranged.spectrum, background, low, high)
                kept.append(place)
                counts.append(count - expected)
                variances.append(count + expected)
        total = sum(counts)
        if len(kept) < 2 or total <= _PEAK_SIGMA * np.sqrt(sum(variances)):
            continue
        order = np.argsort(kept, kind="stable")
        share = variants.abundance[kept][order]
        found = np.array(counts)[order] / total
        # Linear propagation of c_k = N_k / sum N.
        variance = np.array(variances)[order] * (1.0 - 2.0 * found) + found**2 * sum(variances)
        patterns.append(
            IsotopePattern(
                ion,
                charge,
                ratios[kept][order],
                share / share.sum(),
                found,
                np.sqrt(np.maximum(variance, 0.0)) / total,
            )
        )
    return tuple(patterns)


def _count(
    spectrum: MassSpectrum, background: Background, low: float, high: float
) -> tuple[float, float]:
    bins = spectrum.bins(low, high)
    if bins.stop <= bins.start:
        return 0.0, 0.0
    ends = np.array([bins.start, bins.stop]) * spectrum.bin_da
    expected = float(background.expected(ends[:1], ends[1:])[0])
    return float(spectrum.counts[bins].sum()), expected


def suspicious_ranges(
    path: Path, ranged: RangedSpectrum, background: Background
) -> tuple[Finding, ...]:
    """Find what the spectrum says against its ranges.

    Parameters
    ----------
    path : Path
        Range file.
    ranged : RangedSpectrum
        Spectrum with ranges.
    background : Background
        Background of the spectrum.

    Returns
    -------
    tuple of Finding
        Isotopes in wrong ratios, with an ion that fits better if there is one; ranges that hold no
        peak; peaks that no range holds.
    """
    return (
        *_pattern_findings(path, ranged, background),
        *_empty_findings(path, ranged, background),
        *_unranged_findings(path, ranged, background),
    )


def _pattern_findings(
    path: Path, ranged: RangedSpectrum, background: Background
) -> Iterable[Finding]:
    for pattern in isotope_patterns(ranged, background):
        wrong = pattern.wrong
        if not wrong:
            continue
        parts = [
            f"{pattern.ratio_da[at]:.2f} Da {100.0 * pattern.found[at]:.1f} +- "
            f"{100.0 * pattern.found_error[at]:.1f} %"
            for at in wrong[:3]
        ]
        natural = [
            f"{pattern.ratio_da[at]:.2f} Da {100.0 * pattern.expected[at]:.1f} %"
            for at in wrong[:3]
        ]
        better = _better_ion(pattern, ranged, background)
        remedy = "another ion lies in these ranges, or a range is too narrow or too wide"
        if better is not None:
            remedy = f"the isotopes of {better} fit what is found: check the ion of these ranges"
        yield Finding(
            str(path),
            f"isotopes of {pattern.name}",
            "; ".join(parts),
            "; ".join(natural) + ", the natural shares",
            remedy,
        )


def _better_ion(
    pattern: IsotopePattern, ranged: RangedSpectrum, background: Background
) -> str | None:
    """Look for an ion whose isotopes explain the counts of the suspicious ranges."""
    entries = [
        entry
        for entry in ranged.table.ranges
        if entry.ion == pattern.ion and entry.charge == pattern.charge
    ]
    elements = ranged.table.elements
    candidates = [Ion.of({name: 1}) for name in natural_isotopes()]
    candidates += [
        Ion.of({first: 1, second: 1}) if first != second else Ion.of({first: 2})
        for at, first in enumerate(elements)
        for second in (*elements[at:], "H")
    ]
    own = _distance(pattern.ion, pattern.charge, entries, ranged, background)
    best, best_distance = None, min(_SUGGESTED_DISTANCE, 0.5 * own)
    for ion in dict.fromkeys(candidates):
        for charge in (1, 2, 3):
            if (ion, charge) == (pattern.ion, pattern.charge):
                continue
            distance = _distance(ion, charge, entries, ranged, background)
            if distance < best_distance:
                best, best_distance = ion_name(ion, charge), distance
    return best


def _distance(
    ion: Ion,
    charge: int,
    entries: list[MassRange],
    ranged: RangedSpectrum,
    background: Background,
) -> float:
    """Half the sum of differences between the shares counted and those of an ion.

    Counts that no isotopologue explains, and isotopologues without a range, add to it.
    """
    variants = isotopologues(ion)
    ratios = variants.mass_to_charge_da(charge)
    if not any(np.any((ratios > e.low_da) & (ratios < e.high_da)) for e in entries):
        return 1.0
    total = explained = 0.0
    found = np.zeros(len(ratios))
    for entry in entries:
        count, expected = _count(ranged.spectrum, background, entry.low_da, entry.high_da)
        total += count - expected
        for at in np.flatnonzero((ratios > entry.low_da) & (ratios < entry.high_da)).tolist():
            low = max(ratios[at] - 0.25 / charge, entry.low_da)
            high = min(ratios[at] + 0.45 / charge, entry.high_da)
            count, expected = _count(ranged.spectrum, background, low, high)
            found[at] = max(count - expected, 0.0)
            explained += found[at]
    if total <= 0.0:
        return 1.0
    rest = max(total - explained, 0.0)
    return 0.5 * float(np.abs(found / total - variants.abundance).sum() + rest / total)


def _empty_findings(
    path: Path, ranged: RangedSpectrum, background: Background
) -> Iterable[Finding]:
    spectrum = ranged.spectrum
    free = ranged.unranged_bins()
    root = np.sqrt(spectrum.edges_da)
    widths = np.diff(root)
    for entry, count in zip(ranged.table.ranges, ranged.counts.tolist(), strict=True):
        reach = max(entry.high_da - entry.low_da, 0.3)
        window = spectrum.bins(entry.low_da - reach, entry.high_da + reach)
        beside = np.flatnonzero(free[window]) + window.start
        own = float(np.sqrt(entry.high_da) - np.sqrt(entry.low_da))
        side = float(widths[beside].sum())
        if side > 0.3 * own:
            # The median over pieces: a peak beside the range does not move it.
            pieces = np.array_split(beside, max(1, round(len(beside) * spectrum.bin_da / 0.1)))
            density = [spectrum.counts[piece].sum() / widths[piece].sum() for piece in pieces]
            expected = own * float(np.median(density))
            variance = expected * own / side
        else:
            expected = background.level * own
            variance = 0.0
        excess = count - expected
        if excess > _PEAK_SIGMA * np.sqrt(max(expected + variance, 1.0)):
            continue
        yield Finding(
            str(path),
            entry.key,
            f"{ion_name(entry.ion, entry.charge)} from {entry.low_da:g} to {entry.high_da:g} Da: "
            f"{count} ions, {expected:.0f} by what lies beside the range",
            f"more than {_PEAK_SIGMA:g} standard deviations of counting above it",
            "no peak can be seen here: delete the range, or read its counts as background",
        )


def _unranged_findings(path: Path, ranged: RangedSpectrum, background: Background) -> list[Finding]:
    spectrum = ranged.spectrum
    per_block = round(_BLOCK_DA / spectrum.bin_da)
    n_blocks = len(spectrum.counts) // per_block
    shape = (n_blocks, per_block)
    counts = spectrum.counts[: n_blocks * per_block].reshape(shape).sum(axis=1).astype(float)
    free = ranged.unranged_bins()[: n_blocks * per_block].reshape(shape).all(axis=1)
    edges = _BLOCK_DA * np.arange(n_blocks + 1, dtype=np.float64)
    level = background.expected(edges[:-1], edges[1:])
    baseline = _local_baseline(counts, free, level)
    excess = counts - baseline
    high = free & (excess > _UNRANGED_SIGMA * np.sqrt(baseline + 1.0))
    starts = np.flatnonzero(high & ~np.r_[False, high[:-1]])
    stops = np.flatnonzero(high & ~np.r_[high[1:], False]) + 1
    found: list[tuple[float, float]] = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        top = start + int(np.argmax(counts[start:stop]))
        # A slope that rises towards a range is the tail of its peak.
        before = free[top - 1] if top else False
        after = free[top + 1] if top + 1 < n_blocks else False
        number = float(excess[start:stop].sum())
        if before and after and number >= _SMALLEST_PEAK * ranged.metadata.n_ions:
            found.append((number, _top_of(spectrum, top * per_block, per_block)))
    found.sort(reverse=True)
    findings = []
    for number, ratio in found[:_MOST_PEAKS]:
        candidates = _candidates(ratio, ranged.table.elements)
        remedy = "give the peak a range, or leave it out knowingly"
        if candidates:
            remedy += f"; near it lie {', '.join(candidates)}"
        what = f"a peak of {number:.0f} ions at {ratio:.2f} Da without a range"
        findings.append(Finding(str(path), "spectrum", what, "peaks inside ranges", remedy))
    return findings


def _local_baseline(counts: FloatArray, free: np.ndarray, level: FloatArray) -> FloatArray:
    """Median of the free blocks within 1.5 Da, and no less than the background."""
    reach = round(1.5 / _BLOCK_DA)
    padded = np.pad(np.where(free, counts, np.nan), reach, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    ordered = np.sort(windows, axis=1)  # what is not a number comes last
    number = np.count_nonzero(~np.isnan(windows), axis=1)
    median = ordered[np.arange(len(counts)), np.maximum(number - 1, 0) // 2]
    return np.maximum(np.nan_to_num(median), level)


def _top_of(spectrum: MassSpectrum, first: int, number: int) -> float:
    return float(
        spectrum.centres_da[first + int(np.argmax(spectrum.counts[first : first + number]))]
    )


def _candidates(ratio: float, elements: tuple[str, ...]) -> list[str]:
    """Name ions of one or two atoms near a ratio, those of the elements at hand first."""
    others = [name for name in natural_isotopes() if name not in elements]
    ions = [Ion.of({name: 1}) for name in elements]
    ions += [Ion.of({name: 1, "H": 1}) for name in elements if name != "H"]
    ions += [
        Ion.of({first: 1, second: 1}) if first != second else Ion.of({first: 2})
        for at, first in enumerate(elements)
        for second in elements[at:]
    ]
    ions += [Ion.of(atoms) for atoms in _RESIDUAL_GAS]
    ions += [Ion.of({name: 1}) for name in others]
    found = []
    for ion in dict.fromkeys(ions):
        variants = isotopologues(ion)
        for charge in (1, 2, 3):
            near = np.abs(variants.mass_to_charge_da(charge) - ratio) < 0.06
            if variants.abundance[near].sum() > _SMALLEST_SHARE:
                found.append(ion_name(ion, charge))
    return found[:3]
