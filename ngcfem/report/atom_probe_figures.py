"""Figures of composition fields: maps, profiles, neighbour distances, block frequencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ngcfem.atomprobe.composition_maps import CompositionMap
from ngcfem.atomprobe.composition_profiles import CompositionProfile
from ngcfem.atomprobe.frequency_test import FrequencyTest
from ngcfem.atomprobe.neighbour_distances import NeighbourDistances, random_solution_density
from ngcfem.report.colours import MEASURED, MODEL, SECONDARY, phase_colours
from ngcfem.report.figures import new_figure, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_PANEL_INCH = 3.4
_HIGHEST_QUANTILE = 0.998
_MAJORITY = 0.5
_FULL_SHARE = 0.1


def draw_composition_maps(maps: Sequence[CompositionMap]) -> bytes:
    """Draw slices by atomic per cent, and below them the error of counting.

    Parameters
    ----------
    maps : sequence of CompositionMap
        At least one, of one element; those without pixels stay empty.

    Returns
    -------
    bytes
        PNG; one scale of colours for all slices, white outside the specimen.
    """
    shares = [100.0 * entry.fraction for entry in maps]
    errors = [100.0 * entry.fraction_error for entry in maps]
    tallest = max([_aspect(entry) for entry in maps])
    height = 0.83 * _PANEL_INCH * min(max(tallest, 0.6), 2.4) + 0.8
    with styled():
        figure = new_figure(_PANEL_INCH * len(maps) + 0.9, 2.0 * height)
        panels = figure.subplots(2, len(maps), squeeze=False)
        element = maps[0].element
        for row, values, name, colours in (
            (0, shares, f"{element} [at%]", "viridis"),
            (1, errors, f"standard error of {element} [at%]", "magma"),
        ):
            known = np.concatenate([value[np.isfinite(value)] for value in values])
            top = float(np.quantile(known, _HIGHEST_QUANTILE)) if len(known) else 1.0
            shown = None
            for axes, entry, value in zip(panels[row], maps, values, strict=True):
                shown = _draw_map(axes, entry, value, colours, max(top, 1e-9)) or shown
            if shown is not None:
                figure.colorbar(shown, ax=list(panels[row]), label=name, shrink=0.75)
        return png(figure)


def _aspect(entry: CompositionMap) -> float:
    return entry.atoms.shape[1] / max(entry.atoms.shape[0], 1) if entry.atoms.size else 1.0


def _draw_map(
    axes: Axes, entry: CompositionMap, value: np.ndarray, colours: str, top: float
) -> AxesImage | None:
    first, second = entry.plane_axes
    axes.set_xlabel(f"{first} [nm]")
    axes.set_ylabel(f"{second} [nm]")
    axes.set_title(f"{entry.axis} = {entry.centre_nm:.1f} nm, {entry.thickness_nm:g} nm thick")
    axes.grid(visible=False)
    if not entry.atoms.size:
        return None
    (left, bottom), (columns, rows) = entry.origin_nm, entry.atoms.shape
    right, upper = left + columns * entry.pixel_nm, bottom + rows * entry.pixel_nm
    return axes.imshow(
        value.T,
        origin="lower",
        extent=(left, right, bottom, upper),
        cmap=colours,
        vmin=0.0,
        vmax=top,
        interpolation="nearest",
        aspect="equal",
    )


def draw_composition_profiles(
    profiles: Mapping[str, CompositionProfile], distance_name: str, mark_zero: bool = False
) -> bytes:
    """Draw profiles with the 95 % intervals of counting.

    Parameters
    ----------
    profiles : mapping of str to CompositionProfile
        At least one, by its title.
    distance_name : str
        What the distance is, with unit.
    mark_zero : bool
        Whether a line stands at zero.

    Returns
    -------
    bytes
        PNG: above the elements of at most half of the atoms, below the others.
    """
    with styled():
        figure = new_figure((4.9 if len(profiles) < 3 else 3.7) * len(profiles), 5.4)
        panels = figure.subplots(
            2, len(profiles), squeeze=False, sharex="col", height_ratios=(2.0, 1.0)
        )
        for (title, profile), (above, below) in zip(profiles.items(), panels.T, strict=True):
            totals = {name: int(profile.atoms_of(name).sum()) for name in profile.elements}
            everything = max(sum(totals.values()), 1)
            colours = phase_colours([name for name, number in totals.items() if number])
            for name, colour in colours.items():
                axes = below if totals[name] > _MAJORITY * everything else above
                _draw_profile(axes, profile, name, colour)
            for axes in (above, below):
                axes.set_ylabel("at%")
                if mark_zero:
                    axes.axvline(0.0, color=SECONDARY, linewidth=1.0, linestyle="--")
                if axes.get_legend_handles_labels()[0]:
                    axes.legend(loc="best")
            above.set_ylim(0.0, _top_of(above, profile))
            above.set_title(title, loc="left")
            below.set_xlabel(distance_name)
        return png(figure)


def _top_of(axes: Axes, profile: CompositionProfile) -> float | None:
    """End of the axis: above the intervals of bins that hold a tenth of the usual atoms."""
    names = axes.get_legend_handles_labels()[1]
    total = profile.total
    full = total >= _FULL_SHARE * np.median(total[total > 0]) if total.any() else total > 0
    highest = [float(profile.interval(name)[1][full].max()) for name in names if full.any()]
    return 105.0 * max(highest) if highest else None


def _draw_profile(axes: Axes, profile: CompositionProfile, element: str, colour: str) -> None:
    low, high = profile.interval(element)
    share = profile.fraction(element)
    known = np.isfinite(share)
    x = profile.centres_nm
    axes.fill_between(
        x,
        np.where(known, 100.0 * low, np.nan),
        np.where(known, 100.0 * high, np.nan),
        step="mid",
        color=colour,
        alpha=0.25,
        linewidth=0.0,
    )
    axes.step(x, 100.0 * share, where="mid", color=colour, label=element, linewidth=1.4)


def draw_neighbour_distances(found: NeighbourDistances) -> bytes:
    """Draw the distances to the first and the last neighbour looked at, against random labels.

    Parameters
    ----------
    found : NeighbourDistances
        The distances.

    Returns
    -------
    bytes
        PNG.
    """
    orders = sorted({1, len(found.mean_nm)})
    centres = 0.5 * (found.edges_nm[1:] + found.edges_nm[:-1])
    with styled():
        figure = new_figure(5.0 * len(orders), 3.8)
        panels = figure.subplots(1, len(orders), squeeze=False)[0]
        for axes, order in zip(panels, orders, strict=True):
            random = found.random_density[:, order - 1]
            low, high = np.quantile(random, [0.025, 0.975], axis=0)
            axes.fill_between(
                centres,
                low,
                high,
                color=SECONDARY,
                alpha=0.45,
                linewidth=0.0,
                label="random labels, 95 %",
            )
            expected = random_solution_density(centres, found.density_per_nm3, order)
            axes.plot(
                centres, expected, "--", color="black", linewidth=1.0, label="endless solution"
            )
            axes.step(
                centres, found.density[order - 1], where="mid", color=MEASURED, label="specimen"
            )
            ordinal = {1: "first", 2: "second", 3: "third"}.get(order, f"{order}th")
            axes.set_title(f"{ordinal} nearest neighbour of {found.element}", loc="left")
            axes.set_xlabel("distance [nm]")
            axes.set_ylabel("density [1/nm]")
            axes.set_xlim(0.0, found.edges_nm[-1])
            axes.set_ylim(bottom=0.0)
            axes.legend(loc="upper right")
        return png(figure)


def draw_frequency_test(test: FrequencyTest) -> bytes:
    """Draw how many blocks hold how many ions of an element.

    Parameters
    ----------
    test : FrequencyTest
        The blocks.

    Returns
    -------
    bytes
        PNG.
    """
    filled = np.flatnonzero((test.observed > 0) | (test.expected > 0.5))
    last = int(filled[-1]) if len(filled) else 1
    number = np.arange(last + 1)
    with styled():
        figure = new_figure(7.0, 3.8)
        axes = figure.subplots()
        axes.bar(number, test.observed[: last + 1], color=MODEL, alpha=0.6, label="specimen")
        axes.plot(
            number,
            test.expected[: last + 1],
            color=MEASURED,
            marker="o",
            markersize=3.0,
            linewidth=1.2,
            label="random solution (binomial)",
        )
        axes.set_xlabel(f"{test.element} ions in a block of {test.ions_per_block}")
        axes.set_ylabel("blocks")
        axes.set_title(
            f"{test.n_blocks} blocks, mu = {test.pearson_coefficient:.2f} "
            f"(random labels: {test.random_pearson_coefficient:.2f})",
            loc="left",
            color=SECONDARY,
        )
        axes.legend(loc="upper right")
        return png(figure)
