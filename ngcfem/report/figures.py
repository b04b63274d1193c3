"""Figures of a run: curve with pillar data, phases, health."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ngcfem.experiment.pillar import Feature, PillarData
from ngcfem.report.colours import MEASURED, MODEL, SECONDARY, phase_colours
from ngcfem.results.curve import StressStrainCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RESOLUTION_DPI = 150
_STYLE: dict[Any, Any] = {
    "font.size": 10.0,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.8,
}


def draw_curve(
    curve: StressStrainCurve,
    data: PillarData | None = None,
    realized_fractions: Mapping[str, float] | None = None,
) -> bytes:
    """Draw a stress-strain curve with the pillar data beside it.

    Parameters
    ----------
    curve : StressStrainCurve
        The model in the measures of the data; compression is drawn as magnitude.
    data : PillarData or None
        Features, and the measured curve if there is one.
    realized_fractions : mapping of str to float or None
        Volume fractions of the model, written above the figure: the stress level follows from them.

    Returns
    -------
    bytes
        PNG.
    """
    with styled():
        figure = new_figure(7.2, 4.6)
        axes = figure.subplots()
        draws_data = data is not None and curve.direction in (0, data.direction)
        axes.plot(
            curve.loading_strain,
            curve.loading_stress_gpa,
            color=MODEL,
            marker="o",
            markersize=2.6,
            label="model",
            zorder=4,
        )
        if data is not None and draws_data:
            draw_pillar_data(axes, curve, data)
        offset_yield = curve.offset_yield()
        if offset_yield is not None:
            axes.plot(
                offset_yield.strain,
                offset_yield.stress_gpa,
                marker="D",
                markersize=6.5,
                linestyle="none",
                markerfacecolor="white",
                markeredgecolor=MODEL,
                markeredgewidth=1.6,
                zorder=6,
                label=f"model, 0.2 % offset: {offset_yield.stress_gpa:.2f} GPa",
            )
        loading = {-1: " in compression", 0: "", 1: " in tension"}[curve.direction]
        axes.set_xlabel(f"{curve.strain_measure.value} strain{loading} [-]")
        stress = curve.label.partition(" over ")[0]
        axes.set_ylabel(f"{stress}{loading} [GPa]")
        lowest = min(float(np.min(curve.loading_stress_gpa)), 0.0)
        axes.set_ylim(bottom=1.08 * lowest)
        # Room above for the legend.
        axes.set_ylim(top=1.14 * axes.get_ylim()[1])
        axes.set_xlim(left=min(float(np.min(curve.loading_strain)), 0.0))
        if realized_fractions:
            axes.set_title(fractions_in_words(realized_fractions), loc="left", color=SECONDARY)
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, 1.0))
        return png(figure)


def draw_phases(course: Mapping[str, Any]) -> bytes:
    """Draw mean plastic strain and mean axial stress of each phase over strain.

    Parameters
    ----------
    course : mapping
        The entry ``course`` of summary.json.

    Returns
    -------
    bytes
        PNG.
    """
    strain, direction = _magnitude(course["true_strain"])
    colours = phase_colours(list(course["phases"]))
    with styled():
        figure = new_figure(9.6, 3.9)
        left, right = figure.subplots(1, 2)
        for name, values in course["phases"].items():
            mean = _numbers(values["mean_equivalent_plastic_strain"])
            left.plot(strain, mean, color=colours[name], label=name.replace("_", "-"))
            stress = direction * _numbers(values["mean_axial_cauchy_stress_gpa"])
            right.plot(strain, stress, color=colours[name])
        left.plot(strain, strain, color=SECONDARY, linewidth=1.0, linestyle=":", label="applied")
        left.set_ylabel("mean equivalent plastic strain [-]")
        right.set_ylabel("mean axial Cauchy stress [GPa]")
        for axes in (left, right):
            axes.set_xlabel("true strain, magnitude [-]")
            axes.set_xlim(left=0.0)
        left.set_ylim(bottom=0.0)
        left.set_title("who flows", loc="left")
        right.set_title("who carries the load", loc="left")
        left.legend(loc="upper left")
        return png(figure)


def draw_health(course: Mapping[str, Any]) -> bytes:
    """Draw volume ratios, pressure noise, iterations and errors over strain.

    Parameters
    ----------
    course : mapping
        The entry ``course`` of summary.json.

    Returns
    -------
    bytes
        PNG.
    """
    strain, _ = _magnitude(course["true_strain"])
    with styled():
        figure = new_figure(9.6, 6.4)
        ((volume, noise), (effort, error)) = figure.subplots(2, 2)
        volume.plot(
            strain,
            _numbers(course["minimum_jacobian_points"]),
            color=MODEL,
            label="integration points",
        )
        volume.plot(
            strain,
            _numbers(course["minimum_jacobian_vertices"]),
            color=MEASURED,
            label="vertices of elements",
        )
        volume.axhline(0.0, color="black", linewidth=0.8)
        volume.set_ylabel("smallest det F [-]")
        volume.set_title("are elements still valid? (above 0)", loc="left")
        volume.legend(loc="best")
        noise.plot(strain, _numbers(course["pressure_noise"]), color=MODEL, label="pressure noise")
        noise.plot(
            strain,
            _numbers(course["viscous_stress_share"]),
            color=SECONDARY,
            linestyle="--",
            label="viscous share of the stress",
        )
        noise.set_ylim(bottom=0.0)
        noise.set_ylabel("over the axial stress [-]")
        noise.set_title("is the stress clean?", loc="left")
        noise.legend(loc="best")
        newton = _numbers(course["newton_iterations"])[1:]
        linear = _numbers(course["linear_iterations"])[1:]
        effort.plot(strain[1:], newton, color=MODEL, drawstyle="steps-mid", label="Newton a step")
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(newton > 0, linear / newton, np.nan)
        effort.plot(strain[1:], ratio, color=SECONDARY, linestyle="--", label="Krylov a Newton")
        cut = _numbers(course["cutbacks"])[1:] > 0
        if np.any(cut):
            effort.plot(
                strain[1:][cut],
                newton[cut],
                color=MEASURED,
                marker="v",
                linestyle="none",
                label="cut-back",
            )
        effort.set_ylim(bottom=0.0)
        effort.set_ylabel("iterations [-]")
        effort.set_title("how hard was it?", loc="left")
        effort.legend(loc="best")
        for name, label, colour in (
            ("relative_residual", "residual forces", MODEL),
            ("hill_mandel_error", "Hill-Mandel", MEASURED),
        ):
            values = np.abs(_numbers(course[name])[1:])
            # Exact zeros have no place on a logarithmic axis.
            error.plot(
                strain[1:], np.where(values > 0.0, values, np.nan), color=colour, label=label
            )
        error.set_yscale("log")
        error.set_ylabel("relative error [-]")
        error.set_title("does it balance?", loc="left")
        error.legend(loc="best")
        for axes in (volume, noise, effort, error):
            axes.set_xlabel("true strain, magnitude [-]")
            axes.set_xlim(left=0.0)
        return png(figure)


def draw_pillar_data(axes: Axes, curve: StressStrainCurve, data: PillarData) -> None:
    """Draw the measured curve and features into a figure of a model's curve.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where the curve of the model stands.
    curve : StressStrainCurve
        The model in the measures of the data.
    data : PillarData
        What was measured.
    """
    if data.curve is not None:
        measured = data.curve.measured_in(curve.strain_measure, curve.stress_measure)
        axes.plot(
            measured.loading_strain,
            measured.loading_stress_gpa,
            color=MEASURED,
            linewidth=1.2,
            label="pillar, digitized",
            zorder=3,
        )
    largest_strain = max(
        [curve.strain_reached]
        + [f.value for f in data.features if f.kind == "strain-reached"]
        + [float(f.strain) for f in data.features if f.strain is not None]
    )
    for feature in data.features:
        if feature.kind == "offset-yield":
            modulus = curve.initial_modulus()
            slope = modulus.value_gpa if modulus and modulus.value_gpa > 0.0 else np.inf
            _draw_point(axes, feature.offset + feature.value / slope, feature)
        elif feature.kind == "stress-at-strain" and feature.strain is not None:
            _draw_point(axes, feature.strain, feature)
        elif feature.kind == "stress-beyond-strain" and feature.strain is not None:
            _draw_level(axes, feature.strain, largest_strain, feature)
        elif feature.kind == "strain-reached":
            axes.axvline(feature.value, color=MEASURED, linewidth=1.2, linestyle=":", zorder=2)
            axes.annotate(
                f"{feature.value:g} reached,\ntest stopped" if feature.bound == "lower" else "end",
                (feature.value, 0.03),
                xycoords=("data", "axes fraction"),
                xytext=(-4, 0),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize=8.5,
                color=MEASURED,
            )
    axes.set_xlim(right=1.05 * largest_strain)


def _draw_point(axes: Axes, strain: float, feature: Feature) -> None:
    axes.errorbar(
        strain,
        feature.value,
        yerr=2.0 * feature.standard_uncertainty,
        color=MEASURED,
        marker="s",
        markersize=5.5,
        capsize=3.5,
        linestyle="none",
        zorder=5,
        label=f"pillar, {feature.name}: {feature.value:g} GPa",
    )


def _draw_level(axes: Axes, start: float, end: float, feature: Feature) -> None:
    """Draw a stress from a strain on: a line, its two-sigma band, arrows for a bound."""
    sign = {"none": "", "lower": "above ", "upper": "below "}[feature.bound]
    axes.hlines(
        feature.value,
        start,
        end,
        color=MEASURED,
        linewidth=2.0,
        zorder=5,
        label=f"pillar, {feature.name}: {sign}{feature.value:g} GPa",
    )
    width = 2.0 * feature.standard_uncertainty
    axes.fill_between(
        [start, end],
        feature.value - width,
        feature.value + width,
        color=MEASURED,
        alpha=0.18,
        linewidth=0.0,
        zorder=1,
    )
    if feature.bound != "none":
        length = 22 if feature.bound == "lower" else -22
        for strain in np.linspace(start, end, 5)[1:-1]:
            axes.annotate(
                "",
                (float(strain), feature.value),
                xytext=(0, length),
                textcoords="offset points",
                arrowprops={"arrowstyle": "<-", "color": MEASURED, "linewidth": 1.3},
                zorder=5,
            )
    if feature.systematic is not None:
        low, high = feature.systematic.intrinsic_range(feature.value)
        axes.fill_between(
            [start, end],
            low,
            high,
            facecolor="none",
            edgecolor=MEASURED,
            alpha=0.35,
            hatch="///",
            linewidth=0.0,
            zorder=1,
            label=f"the same, if the test reads {feature.systematic.low_percent:g} to "
            f"{feature.systematic.high_percent:g} % high",
        )


def fractions_in_words(fractions: Mapping[str, float]) -> str:
    """Write volume fractions as the title of a figure.

    Parameters
    ----------
    fractions : mapping of str to float
        By phase name.

    Returns
    -------
    str
        In per cent.
    """
    parts = [f"{name.replace('_', '-')} {100.0 * x:.1f} %" for name, x in fractions.items()]
    return "volume fractions: " + ", ".join(parts)


def _magnitude(true_strain: Sequence[float]) -> tuple[np.ndarray, float]:
    strain = _numbers(true_strain)
    strained = strain[np.abs(strain) > 0.0]
    direction = float(np.sign(strained[0])) if strained.size else 1.0
    return direction * strain, direction


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def styled() -> Any:
    """Style of every figure, as a context.

    Returns
    -------
    context manager
        Of matplotlib.
    """
    from matplotlib import rc_context

    return rc_context(_STYLE)


def new_figure(width_inch: float, height_inch: float) -> Figure:
    """Make a figure that needs no display.

    Parameters
    ----------
    width_inch, height_inch : float
        Size.

    Returns
    -------
    matplotlib.figure.Figure
        With constrained layout.
    """
    # Figure without pyplot: no global state, no display, always the Agg canvas.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inch, height_inch), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """Turn a figure into bytes that depend on its content alone.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.

    Returns
    -------
    bytes
        PNG.
    """
    stream = io.BytesIO()
    # No creation date or version: the same run gives the same bytes.
    figure.savefig(stream, format="png", dpi=_RESOLUTION_DPI, metadata={"Software": None})
    return stream.getvalue()
