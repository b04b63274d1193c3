"""Figure of an ensemble: mean curve, confidence band, single curves, pillar data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ngcfem.experiment.pillar import PillarData
from ngcfem.report.colours import MEASURED, MODEL, SECONDARY
from ngcfem.report.figures import (
    draw_pillar_data,
    fractions_in_words,
    new_figure,
    png,
    styled,
)
from ngcfem.results.curve import StressStrainCurve
from ngcfem.results.ensemble import Band, EnsembleCurve
from ngcfem.results.measures import StrainMeasure, StressMeasure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_ensemble_curve(
    ensemble: EnsembleCurve,
    members: Sequence[StressStrainCurve],
    others: Sequence[StressStrainCurve] = (),
    data: PillarData | None = None,
    realized_fractions: Mapping[str, float] | None = None,
) -> bytes:
    """Draw the mean curve of an ensemble with its band, its members and the pillar data.

    Parameters
    ----------
    ensemble : EnsembleCurve
        The mean.
    members : sequence of StressStrainCurve
        What it is the mean of.
    others : sequence of StressStrainCurve
        Curves that are not part of it, because they end before the load path.
    data : PillarData or None
        Drawn beside the mean, in the measures of the data; without them true strain and Cauchy
        stress are drawn.
    realized_fractions : mapping of str to float or None
        Mean volume fractions, written above the figure.

    Returns
    -------
    bytes
        PNG.

    Notes
    -----
    The band is that of the ensemble, converted to the measure that is drawn. Below the curve
    stands what is too small to be seen in it: the difference of each member from the mean.
    """
    strain_measure = StrainMeasure.TRUE if data is None else data.strain_measure
    stress_measure = StressMeasure.CAUCHY if data is None else data.stress_measure
    curve = ensemble.mean.curve(strain_measure, stress_measure)
    direction = curve.direction or 1
    band = _band(ensemble, stress_measure, curve)
    with styled():
        figure = new_figure(7.2, 6.0)
        axes, difference = figure.subplots(2, 1, height_ratios=(3.2, 1.0))
        for number, (single, colour, label) in enumerate(
            [(member, "#9aa5b1", "realizations") for member in members]
            + [(other, MEASURED, "ended early, not in the mean") for other in others]
        ):
            drawn = single.measured_in(strain_measure, stress_measure)
            axes.plot(
                drawn.loading_strain,
                drawn.loading_stress_gpa,
                color=colour,
                linewidth=0.8,
                alpha=0.8,
                zorder=2,
                label=label if number in (0, len(members)) else None,
            )
        if ensemble.n > 1:
            axes.fill_between(
                curve.loading_strain,
                direction * band.lo95,
                direction * band.hi95,
                color=MODEL,
                alpha=0.25,
                linewidth=0.0,
                zorder=3,
                label="95 % confidence of the mean",
            )
        axes.plot(
            curve.loading_strain,
            curve.loading_stress_gpa,
            color=MODEL,
            zorder=4,
            label=f"mean of {ensemble.n}",
        )
        if data is not None and curve.direction in (0, data.direction):
            draw_pillar_data(axes, curve, data)
        loading = {-1: " in compression", 0: "", 1: " in tension"}[curve.direction]
        axes.set_xlabel(f"{curve.strain_measure.value} strain{loading} [-]")
        axes.set_ylabel(f"{curve.label.partition(' over ')[0]}{loading} [GPa]")
        axes.set_ylim(bottom=1.08 * min(float(np.min(curve.loading_stress_gpa)), 0.0))
        # Room above for the legend.
        axes.set_ylim(top=1.14 * axes.get_ylim()[1])
        axes.set_xlim(left=min(float(np.min(curve.loading_strain)), 0.0))
        if realized_fractions:
            axes.set_title(fractions_in_words(realized_fractions), loc="left", color=SECONDARY)
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, 1.0))
        _draw_differences(difference, curve, band, members)
        return png(figure)


def _draw_differences(
    axes: "Axes", curve: StressStrainCurve, band: Band, members: Sequence[StressStrainCurve]
) -> None:
    """Draw each member and the band relative to the mean, in per cent."""
    direction = curve.direction or 1
    mean = direction * curve.stress_gpa
    # Where the mean is a small share of what is reached, a quotient says nothing.
    shown = mean > 0.05 * np.max(mean, initial=0.0)
    strain, mean = curve.loading_strain[shown], mean[shown]
    for member in members:
        drawn = member.measured_in(curve.strain_measure, curve.stress_measure)
        if np.any(np.diff(drawn.loading_strain) <= 0.0) or mean.size == 0:
            continue
        stress = np.interp(strain, drawn.loading_strain, drawn.loading_stress_gpa)
        axes.plot(strain, 100.0 * (stress / mean - 1.0), color="#9aa5b1", linewidth=0.8)
    lower, upper = (100.0 * (direction * end[shown] / mean - 1.0) for end in (band.lo95, band.hi95))
    axes.fill_between(strain, lower, upper, color=MODEL, alpha=0.25, linewidth=0.0)
    axes.axhline(0.0, color=MODEL, linewidth=1.2)
    axes.set_xlabel(f"{curve.strain_measure.value} strain, magnitude [-]")
    axes.set_ylabel("over the mean [%]")
    axes.set_xlim(left=0.0)


def _band(ensemble: EnsembleCurve, measure: StressMeasure, curve: StressStrainCurve) -> Band:
    if measure is StressMeasure.CAUCHY or ensemble.mean.kinematics == "small":
        return ensemble.true_stress_gpa
    band = ensemble.engineering_stress_gpa
    if measure is StressMeasure.ENGINEERING:
        return band
    stretch = np.exp(curve.true_strain)
    return Band(
        band.mean * stretch,
        band.standard_deviation * stretch,
        band.lo95 * stretch,
        band.hi95 * stretch,
    )
