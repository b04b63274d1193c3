"""Figure of two statistics files side by side."""

from collections.abc import Mapping, Sequence

import numpy as np

from ngcfem.atomprobe.crystal_profile import ProfileTable
from ngcfem.atomprobe.statistics_comparison import ComparedQuantity
from ngcfem.atomprobe.statistics_sections import Quantity
from ngcfem.report.colours import MEASURED, MODEL, SECONDARY
from ngcfem.report.figures import new_figure, png, styled

_ROW_INCH = 0.27
_OFFSET = 0.17


def draw_statistics_comparison(
    rows: Sequence[ComparedQuantity], first_name: str, second_name: str
) -> bytes:
    """Draw the numbers of two statistics files relative to the first.

    Parameters
    ----------
    rows : sequence of ComparedQuantity
        The numbers; those that either file lacks, or whose first is 0, are left out.
    first_name, second_name : str
        Names of the files.

    Returns
    -------
    bytes
        PNG: ratios to the first value with their 95 % intervals, on a logarithmic axis.
    """
    shown = [
        row
        for row in rows
        if row.first is not None
        and row.second is not None
        and row.first.value > 0.0
        and row.second.value > 0.0
    ]
    with styled():
        figure = new_figure(7.6, 1.2 + _ROW_INCH * max(4, len(shown)))
        axes = figure.subplots()
        axes.axvline(1.0, color=SECONDARY, linewidth=1.0)
        for number, row in enumerate(shown):
            assert row.first is not None
            assert row.second is not None
            for entry, colour, side, label in (
                (row.first, MEASURED, -_OFFSET, first_name),
                (row.second, MODEL, _OFFSET, second_name),
            ):
                value, low, high = (part / row.first.value for part in _interval(entry))
                axes.errorbar(
                    value,
                    number + side,
                    xerr=[[value - low], [high - value]],
                    fmt="o",
                    markersize=4.0,
                    linewidth=1.4,
                    color=colour,
                    label=label if number == 0 else None,
                )
        axes.set_xscale("log")
        ticks = np.array([0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0])
        low, high = axes.get_xlim()
        kept = ticks[(ticks >= low) & (ticks <= high)]
        axes.set_xticks(kept, [f"{tick:g}" for tick in kept])
        axes.minorticks_off()
        axes.set_yticks(range(len(shown)), [row.key for row in shown])
        axes.set_ylim(len(shown) - 0.3, -0.7)
        axes.set_xlabel(f"ratio to {first_name}")
        if shown:
            axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
        return png(figure)


def draw_profile_comparison(profiles: Mapping[str, ProfileTable], element: str) -> bytes:
    """Draw the profiles of several states into one figure.

    Parameters
    ----------
    profiles : mapping of str to ProfileTable
        Profiles by the name of their state.
    element : str
        Element whose share is drawn.

    Returns
    -------
    bytes
        PNG: share over the distance from the surface of the crystals, with the 95 % intervals of
        counting.
    """
    with styled():
        figure = new_figure(6.4, 4.2)
        axes = figure.subplots()
        axes.axvline(0.0, color=SECONDARY, linewidth=1.0, linestyle="--")
        for (name, profile), colour in zip(profiles.items(), (MEASURED, MODEL), strict=True):
            share, low, high = profile.fraction(element)
            x = profile.centres_nm
            axes.fill_between(x, 100.0 * low, 100.0 * high, color=colour, alpha=0.2, linewidth=0.0)
            axes.plot(x, 100.0 * share, color=colour, label=name)
        axes.set_xlabel("distance from the surface of the nearest crystal [nm], inside negative")
        axes.set_ylabel(f"{element} [at%]")
        axes.set_ylim(bottom=0.0)
        axes.legend()
        return png(figure)


def _interval(quantity: Quantity) -> tuple[float, float, float]:
    """Value and ends, the lower one above 0 so that a logarithmic axis can show it."""
    low = quantity.value if quantity.lo95 is None else quantity.lo95
    high = quantity.value if quantity.hi95 is None else quantity.hi95
    return quantity.value, max(low, 1e-3 * quantity.value), high
