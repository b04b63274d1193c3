"""Figure of an ensemble: mean curve, confidence band, single curves, pillar data."""

from collections.abc import Mapping, Sequence

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
    The band is evaluated in the measures that are drawn, from the members at the places of the
    mean.
    """
    strain_measure = StrainMeasure.TRUE if data is None else data.strain_measure
    stress_measure = StressMeasure.CAUCHY if data is None else data.stress_measure
    curve = ensemble.mean.curve(strain_measure, stress_measure)
    direction = curve.direction or 1
    band = _band(ensemble, stress_measure, curve)
    with styled():
        figure = new_figure(7.2, 4.6)
        axes = figure.subplots()
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
        return png(figure)


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
