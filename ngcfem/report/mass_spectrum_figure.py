"""Figure of a mass spectrum with its ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ngcfem.atomprobe.ions import Ion
from ngcfem.atomprobe.range_diagnostics import ion_name
from ngcfem.atomprobe.spectrum import Background, RangedSpectrum
from ngcfem.quantities import FloatArray
from ngcfem.report.colours import SECONDARY, phase_colours
from ngcfem.report.figures import new_figure, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROWS = 3
_BINS_A_ROW = 1500
_LIGHTEST = 0.85
_UNRANGED = "#64748b"
_CLOSEST_LABELS = 0.013


def draw_mass_spectrum(ranged: RangedSpectrum, background: Background | None = None) -> bytes:
    """Draw a mass spectrum over three rows, filled with the colours of its ranges.

    Parameters
    ----------
    ranged : RangedSpectrum
        Spectrum with ranges.
    background : Background or None
        Drawn as a line if given.

    Returns
    -------
    bytes
        PNG. The counts stand on a logarithmic axis; what no range holds is grey. Each ion is named
        at its highest bin of a range; where names would cover one another, the highest is kept.
    """
    highest = _highest_da(ranged)
    colours = ion_colours(ranged)
    with styled():
        figure = new_figure(11.0, 8.4)
        rows = figure.subplots(_ROWS, 1)
        for number, axes in enumerate(rows):
            low, high = highest * number / _ROWS, highest * (number + 1) / _ROWS
            _draw_row(axes, ranged, background, colours, low, high)
        rows[-1].set_xlabel("mass-to-charge state ratio [Da]")
        metadata = ranged.metadata
        rows[0].set_title(
            f"{metadata.path.name}: {f'{metadata.n_ions:,}'.replace(',', ' ')} ions, "
            f"{100.0 * ranged.ranged_fraction:.1f} % in ranges",
            loc="left",
            color=SECONDARY,
        )
        names = {ion.name: colour for ion, colour in colours.items()}
        handles = [
            rows[0].plot([], [], marker="s", linestyle="none", color=colour)[0]
            for colour in (*names.values(), _UNRANGED)
        ]
        labels = [*names, "no range"]
        if background is not None and background.level > 0.0:
            handles += rows[0].plot([], [], color="black", linewidth=1.0, linestyle="--")
            labels.append("background, constant in time of flight")
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 10))
        return png(figure)


def ion_colours(ranged: RangedSpectrum) -> dict[Ion, str]:
    """Give each ion its colour.

    Parameters
    ----------
    ranged : RangedSpectrum
        Spectrum with ranges.

    Returns
    -------
    dict of Ion to str
        The colour of the range file, darker if it would vanish on white; another for an ion that
        has none there.
    """
    own = phase_colours([ion.name for ion in ranged.table.species])
    colours: dict[Ion, str] = {}
    for entry in ranged.table.ranges:
        colours.setdefault(entry.ion, _readable(entry.colour or own[entry.ion.name]))
    return colours


def _readable(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) / 255.0 for at in (1, 3, 5))
    lightness = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    if lightness <= _LIGHTEST:
        return colour
    factor = 0.75 * _LIGHTEST / lightness
    return "#" + "".join(f"{round(255 * factor * part):02x}" for part in (red, green, blue))


def _highest_da(ranged: RangedSpectrum) -> float:
    """End of the drawn spectrum: past the last range and nine tenths of the ions."""
    counts = ranged.spectrum.counts
    total = max(int(counts.sum()), 1)
    most = int(np.searchsorted(np.cumsum(counts), 0.9 * total)) * ranged.spectrum.bin_da
    last = float(ranged.table.high_da.max()) if len(ranged.table.ranges) else 0.0
    end = float(ranged.spectrum.edges_da[-1])
    return min(max(1.1 * last, most, 3.0), end)


def _draw_row(
    axes: Axes,
    ranged: RangedSpectrum,
    background: Background | None,
    colours: Mapping[Ion, str],
    low: float,
    high: float,
) -> None:
    spectrum = ranged.spectrum
    bins = spectrum.bins(low, high)
    group = max(1, (bins.stop - bins.start) // _BINS_A_ROW)
    stop = bins.start + (bins.stop - bins.start) // group * group
    counts = spectrum.counts[bins.start : stop].reshape(-1, group).sum(axis=1)
    edges = (bins.start + group * np.arange(len(counts) + 1)) * spectrum.bin_da
    floor = 0.5
    axes.stairs(np.maximum(counts, floor), edges, baseline=floor, fill=True, color=_UNRANGED)
    centres = 0.5 * (edges[1:] + edges[:-1])
    labels: list[tuple[float, float, str]] = []
    for entry in ranged.table.ranges:
        first, last = np.searchsorted(centres, [entry.low_da, entry.high_da])
        first, last = min(first, len(counts)), max(last, first + 1)
        if entry.high_da <= low or entry.low_da >= high or first >= len(counts):
            continue
        last = min(last, len(counts))
        part = np.maximum(counts[first:last], floor)
        axes.stairs(
            part, edges[first : last + 1], baseline=floor, fill=True, color=colours[entry.ion]
        )
        top = first + int(np.argmax(counts[first:last]))
        name = ion_name(entry.ion, entry.charge)
        # A range that a row cuts is named once, in the row that holds its middle.
        if low <= 0.5 * (entry.low_da + entry.high_da) < high:
            labels.append((float(max(counts[top], floor)), float(centres[top]), name))
    if background is not None and background.level > 0.0:
        expected: FloatArray = background.expected(edges[:-1], edges[1:])
        axes.plot(centres, expected, color="black", linewidth=1.0, linestyle="--")
    axes.set_yscale("log")
    top = max(float(counts.max(initial=1)), 10.0)
    axes.set_ylim(floor, 30.0 * top)
    axes.set_xlim(low, high)
    axes.set_ylabel(f"ions per {group * spectrum.bin_da:.2f} Da")
    _write_labels(axes, labels, low, high)


def _write_labels(
    axes: Axes, labels: list[tuple[float, float, str]], low: float, high: float
) -> None:
    placed: list[float] = []
    for count, centre, name in sorted(labels, reverse=True):
        if any(abs(centre - other) < _CLOSEST_LABELS * (high - low) for other in placed):
            continue
        placed.append(centre)
        axes.annotate(
            name,
            (centre, count),
            xytext=(0, 4),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=7.0,
        )
