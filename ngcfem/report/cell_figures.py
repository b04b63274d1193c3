"""Figures of a cell: sizes against their distributions, targets, correlation functions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr

from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.correlations import CorrelationFunctions, correlation_band
from ngcfem.microstructure.crystal_measures import equivalent_diameters_nm
from ngcfem.microstructure.descriptors import DescriptorReport
from ngcfem.microstructure.grain_measures import measure_grains
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.quantities import FloatArray
from ngcfem.report.colours import MEASURED, MODEL, SECONDARY, phase_colours
from ngcfem.report.figures import new_figure, png, styled

_WIDEST = 3.0


def draw_sizes(cell: PeriodicCell, statistics: CompositeStatistics) -> bytes:
    """Draw the sizes of grains and crystals against the distributions asked for.

    Parameters
    ----------
    cell : PeriodicCell
        A cell with grains, of dimension 3.
    statistics : CompositeStatistics
        What it was made from.

    Returns
    -------
    bytes
        PNG: histograms above, distribution functions below.
    """
    sets = [
        (
            "grains",
            measure_grains(cell).diameters_nm,
            statistics.grain_diameter_nm,
            statistics.grain_diameter_variation,
        )
    ]
    if cell.inclusions:
        sets.append(
            (
                "crystals",
                equivalent_diameters_nm(cell),
                statistics.crystal_diameter_nm,
                statistics.crystal_diameter_variation,
            )
        )
    with styled():
        figure = new_figure(4.8 * len(sets), 6.0)
        panels = figure.subplots(2, len(sets), squeeze=False)
        for (name, diameters, mean, variation), (above, below) in zip(sets, panels.T, strict=True):
            _draw_density(above, name, diameters, mean, variation)
            _draw_distribution(below, diameters, mean, variation)
        return png(figure)


def _draw_density(
    axes: Any, name: str, diameters: FloatArray, mean: float, variation: float
) -> None:
    number = max(4, round(np.sqrt(2.0 * len(diameters))))
    axes.hist(diameters, bins=number, density=True, color=MODEL, alpha=0.45, label="cell")
    if variation > 0.0:
        width = np.sqrt(np.log1p(variation**2))
        x = np.linspace(mean * np.exp(-3.5 * width), mean * np.exp(3.0 * width), 300)
        exponent = (np.log(x / mean) + 0.5 * width**2) / width
        density = np.exp(-0.5 * exponent**2) / (x * width * np.sqrt(2.0 * np.pi))
        axes.plot(x, density, color=MEASURED, label="asked for")
    axes.set_title(f"{len(diameters)} {name}", loc="left")
    axes.set_ylabel("density [1/nm]")
    axes.legend(loc="upper right")


def _draw_distribution(axes: Any, diameters: FloatArray, mean: float, variation: float) -> None:
    ordered = np.sort(diameters)
    share = np.arange(len(ordered) + 1) / len(ordered)
    axes.step(np.append(ordered[0], ordered), share, where="post", color=MODEL)
    if variation > 0.0:
        width = np.sqrt(np.log1p(variation**2))
        x = np.linspace(0.9 * ordered[0], 1.1 * ordered[-1], 300)
        chance = ndtr((np.log(x / mean) + 0.5 * width**2) / width)
        axes.plot(x, chance, color=MEASURED, linewidth=1.2)
    axes.set_xlabel("equivalent diameter [nm]")
    axes.set_ylabel("share below [-]")
    axes.set_ylim(0.0, 1.0)


def draw_targets(report: DescriptorReport) -> bytes | None:
    """Draw how far each measure lies from its target, in units of its tolerance.

    Parameters
    ----------
    report : DescriptorReport
        The measures.

    Returns
    -------
    bytes or None
        PNG; None if nothing has a target.
    """
    entries = [
        entry
        for entry in report.descriptors
        if entry.target is not None and entry.tolerance is not None
    ]
    if not entries:
        return None
    with styled():
        figure = new_figure(8.6, 1.1 + 0.32 * len(entries))
        axes = figure.subplots()
        axes.axvspan(-1.0, 1.0, color="#1d7a46", alpha=0.10, linewidth=0.0)
        axes.axvline(0.0, color=SECONDARY, linewidth=1.0)
        for row, entry in enumerate(entries):
            assert entry.target is not None
            assert entry.tolerance is not None
            deviation = (entry.achieved - entry.target) / entry.tolerance
            shown = float(np.clip(deviation, -_WIDEST, _WIDEST))
            colour = MODEL if entry.met else (MEASURED if entry.binding else SECONDARY)
            marker = "o" if abs(deviation) <= _WIDEST else (">" if deviation > 0.0 else "<")
            axes.plot([0.0, shown], [row, row], color=colour, linewidth=1.4)
            axes.plot([shown], [row], color=colour, marker=marker, markersize=6)
            unit = "" if entry.unit == "1" else f" {entry.unit}"
            axes.annotate(
                f"{entry.achieved:.4g} for {entry.target:.4g}{unit}",
                (1.02, row),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8.5,
                color=colour if not entry.met else "black",
            )
        axes.set_yticks(range(len(entries)), [entry.name for entry in entries])
        axes.set_ylim(len(entries) - 0.4, -0.6)
        axes.set_xlim(-_WIDEST - 0.2, _WIDEST + 0.2)
        axes.set_xlabel("difference from the target, in tolerances")
        axes.grid(axis="y", visible=False)
        return png(figure)


def draw_correlations(cells: Sequence[CorrelationFunctions], mean: bool = False) -> bytes:
    """Draw two-point correlations and lineal paths of the phases.

    Parameters
    ----------
    cells : sequence of CorrelationFunctions
        The cell, and then any other realizations: from two cells on, the band is the mean of all
        with twice the standard deviation of one.
    mean : bool
        Whether the line is the mean of the cells, not the first of them.

    Returns
    -------
    bytes
        PNG.
    """
    first = cells[0]
    colours = phase_colours(first.phase_names)
    with styled():
        figure = new_figure(10.2, 4.3)
        left, right = figure.subplots(1, 2)
        for name in first.phase_names:
            alike = [other for other in cells if name in other.phase_names]
            rows = [other.phase_names.index(name) for other in alike]
            colour, label = colours[name], name.replace("_", "-")
            shares = [other.two_point[n, n, 0] for n, other in zip(rows, alike, strict=True)]
            fraction = np.mean(shares) if mean else shares[0]
            left.axhline(fraction**2, color=colour, linewidth=0.8, linestyle=":")
            for axes, x, curves in (
                (
                    left,
                    [other.distance_nm for other in alike],
                    [other.two_point[n, n] for n, other in zip(rows, alike, strict=True)],
                ),
                (
                    right,
                    [other.path_nm for other in alike],
                    [other.lineal_path[n] for n, other in zip(rows, alike, strict=True)],
                ),
            ):
                band = correlation_band(x, curves)
                if mean:
                    axes.plot(band.distance_nm, band.mean, color=colour, label=label)
                else:
                    axes.plot(x[0], curves[0], color=colour, label=label)
                if len(alike) > 1:
                    spread = 2.0 * band.standard_deviation
                    axes.fill_between(
                        band.distance_nm,
                        band.mean - spread,
                        band.mean + spread,
                        color=colour,
                        alpha=0.2,
                        linewidth=0.0,
                    )
        left.set_title("two-point correlation; dotted: square of the fraction", loc="left")
        left.set_ylabel("$S_{ii}(r)$ [-]")
        left.set_xlabel("distance r [nm]")
        left.set_ylim(bottom=0.0)
        right.set_title("lineal path, random directions", loc="left")
        right.set_ylabel("$L_i(r)$ [-]")
        right.set_xlabel("length r [nm]")
        right.set_yscale("log")
        right.set_ylim(1e-4, 1.0)
        for axes in (left, right):
            axes.set_xlim(left=0.0)
        left.legend(loc="upper right")
        return png(figure)
