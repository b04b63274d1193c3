"""A curve held against pillar data, feature by feature."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ngcfem.experiment.pillar import Feature, PillarData
from ngcfem.quantities import FloatArray
from ngcfem.results.curve import StressStrainCurve

Verdict = Literal[
    "agrees",
    "differs",
    "bound met",
    "bound missed",
    "bound not yet tested",
    "not reached",
    "not evaluated",
]
AGREEMENT_Z = 2.0
METRIC_RANGE: tuple[float, float] = (0.03, 0.6)
LARGEST_SHIFT = 0.02
_SHIFT_STEP = 1e-4
_METRIC_POINTS = 229


@dataclass(frozen=True)
class FeatureComparison:
    """One feature of the data and what the model says to it.

    Parameters
    ----------
    feature : Feature
        What was measured.
    model : float or None
        The model's value in the unit and measure of the feature; None if it has none.
    z : float or None
        (model - measured) / standard uncertainty of the measurement; one-sided for a bound, so 0
        where it is met.
    verdict : str
        Word for it.
    remark : str
        What the number alone does not say.
    """

    feature: Feature
    model: float | None
    z: float | None
    verdict: Verdict
    remark: str = ""


@dataclass(frozen=True)
class CurveMetric:
    """Distance of a curve from a measured one.

    Parameters
    ----------
    rmse_gpa : float
        Root mean square difference of the stress in GPa.
    relative_rmse : float
        The same over the mean measured stress.
    strain_shift : float
        Strain by which the model was shifted to align the two.
    strain_range : tuple of float
        Strains between which they were compared.
    slopes_gpa : mapping of str to tuple of float
        Linear slope of model and measurement in GPa over ranges of strain that both cover.
    """

    rmse_gpa: float
    relative_rmse: float
    strain_shift: float
    strain_range: tuple[float, float]
    slopes_gpa: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A model's curve beside pillar data.

    Parameters
    ----------
    curve : StressStrainCurve
        The model in the measures of the data.
    data : PillarData
        The data.
    features : tuple of FeatureComparison
        One for each feature of the data.
    metric : CurveMetric or None
        Distance from the measured curve, if the data hold one and both overlap.
    realized_fractions : mapping of str to float
        Volume fractions that the model was made with, if known: the stress level follows from them.
    """

    curve: StressStrainCurve
    data: PillarData
    features: tuple[FeatureComparison, ...]
    metric: CurveMetric | None
    realized_fractions: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Content of ``comparison.json``.

        Returns
        -------
        dict
            Plain JSON.
        """
        return {
            "data": {"title": self.data.title, "file": self.data.source},
            "strain_measure": self.curve.strain_measure.value,
            "stress_measure": self.curve.stress_measure.value,
            "realized_fractions": dict(self.realized_fractions),
            "uncertainty": "standard uncertainty of the measurement alone; that of the model is "
            "not in z",
            "features": [
                {
                    "name": entry.feature.name,
                    "kind": entry.feature.kind,
                    "unit": entry.feature.unit,
                    "bound": entry.feature.bound,
                    "model": entry.model,
                    "measured": entry.feature.value,
                    "standard_uncertainty": entry.feature.standard_uncertainty,
                    "z": entry.z,
                    "verdict": entry.verdict,
                    "remark": entry.remark,
                    "provenance": entry.feature.provenance,
                    "reference": entry.feature.reference,
                    "note": entry.feature.note,
                }
                for entry in self.features
            ],
            "curve_metric": None
            if self.metric is None
            else {
                "rmse_gpa": self.metric.rmse_gpa,
                "relative_rmse": self.metric.relative_rmse,
                "strain_shift": self.metric.strain_shift,
                "strain_range": list(self.metric.strain_range),
                "slopes_gpa": {
                    name: {"model": model, "measured": measured}
                    for name, (model, measured) in self.metric.slopes_gpa.items()
                },
            },
        }

    def table(self) -> str:
        """Write the comparison as plain text.

        Returns
        -------
        str
            A table of model, measured, uncertainty, z and verdict, with remarks below.
        """
        rows = [("feature", "model", "measured", "uncertainty", "z", "verdict")]
        for entry in self.features:
            unit = "" if entry.feature.unit == "-" else f" {entry.feature.unit}"
            sign = {"none": "", "lower": ">= ", "upper": "<= "}[entry.feature.bound]
            rows.append(
                (
                    entry.feature.name,
                    "-" if entry.model is None else f"{entry.model:.3f}{unit}",
                    f"{sign}{entry.feature.value:g}{unit}",
                    f"{entry.feature.standard_uncertainty:.2g}{unit}",
                    "-" if entry.z is None else f"{entry.z:+.1f}" if entry.z else "0",
                    entry.verdict,
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        remarks = [f"{entry.feature.name}: {entry.remark}" for entry in self.features]
        lines += ["", *(remark for remark in remarks if not remark.endswith(": "))]
        if self.metric is not None:
            low, high = self.metric.strain_range
            lines.append(
                f"measured curve: root mean square difference {self.metric.rmse_gpa:.3f} GPa "
                f"({100.0 * self.metric.relative_rmse:.1f} %) over strains {low:g} to {high:g}, "
                f"model shifted by {self.metric.strain_shift:+.4f}"
            )
        if self.realized_fractions:
            fractions = ", ".join(
                f"{name} {100.0 * share:.1f} %" for name, share in self.realized_fractions.items()
            )
            lines.append(f"volume fractions of the model: {fractions}")
        lines.append(
            f"measures: {self.curve.label}; z counts the uncertainty of the measurement alone"
        )
        return "\n".join(lines) + "\n"


def compare_with_pillar(
    curve: StressStrainCurve,
    data: PillarData,
    other_strengths_gpa: Mapping[str, float] | None = None,
    realized_fractions: Mapping[str, float] | None = None,
) -> Comparison:
    """Hold a model's curve against pillar data.

    Parameters
    ----------
    curve : StressStrainCurve
        The model, in any measures.
    data : PillarData
        The data.
    other_strengths_gpa : mapping of str to float or None
        Yield strengths in GPa that the model gives for other materials, by the names that the data
        use; without one a ratio to it is not evaluated.
    realized_fractions : mapping of str to float or None
        Volume fractions of the model, to be shown beside the result.

    Returns
    -------
    Comparison
        The curve is converted to the measures that the data declare.

    Notes
    -----
    z = (model - measured) / standard uncertainty; |z| <= 2 is called agreement. A lower bound is
    tested on one side: z = min(0, ...). A systematic effect of the test is not mixed into z: where
    a bound is missed, the remark says whether the effect could account for it.
    """
    converted = curve.measured_in(data.strain_measure, data.stress_measure)
    if converted.direction not in (0, data.direction):
        words = {-1: "compression", 1: "tension"}
        remark = (
            f"the model was loaded in {words[converted.direction]}, the test in "
            f"{words[data.direction]}"
        )
        entries = tuple(
            FeatureComparison(feature, None, None, "not evaluated", remark)
            for feature in data.features
        )
        return Comparison(converted, data, entries, None, dict(realized_fractions or {}))
    entries = tuple(
        _compare(feature, converted, other_strengths_gpa or {}) for feature in data.features
    )
    metric = None if data.curve is None else _metric(converted, data.curve)
    return Comparison(converted, data, entries, metric, dict(realized_fractions or {}))


def _compare(
    feature: Feature, curve: StressStrainCurve, other_strengths_gpa: Mapping[str, float]
) -> FeatureComparison:
    if feature.kind == "offset-yield":
        return _compare_yield(feature, curve)
    if feature.kind == "strength-ratio":
        return _compare_ratio(feature, curve, other_strengths_gpa)
    if feature.kind == "strain-reached":
        reached = curve.strain_reached
        entry = _judged(feature, reached)
        if entry.verdict == "bound missed":
            remark = "the run ends there; whether it could go on is not said by its curve"
            return FeatureComparison(feature, reached, None, "bound not yet tested", remark)
        return entry
    strain = float(feature.strain or 0.0)
    beyond = feature.kind == "stress-beyond-strain"
    model = curve.lowest_stress_beyond(strain) if beyond else curve.stress_at(strain)
    if model is None:
        remark = f"the curve ends at a strain of {curve.strain_reached:.3g}"
        return FeatureComparison(feature, None, None, "not reached", remark)
    remark = ""
    if beyond:
        remark = f"lowest stress from a strain of {strain:g} on"
        where = curve.strain_at_stress(feature.value)
        remark += (
            f"; {feature.value:g} GPa is never reached (largest: "
            f"{float(np.max(curve.loading_stress_gpa)):.2f} GPa)"
            if where is None
            else f"; {feature.value:g} GPa is reached at {where:.3f}"
        )
    return _judged(feature, model, remark)


def _compare_yield(feature: Feature, curve: StressStrainCurve) -> FeatureComparison:
    offset_yield = curve.offset_yield(feature.offset)
    if offset_yield is not None:
        return _judged(feature, offset_yield.stress_gpa)
    modulus = curve.initial_modulus()
    if modulus is not None and not modulus.resolved:
        return FeatureComparison(feature, None, None, "not evaluated", _unresolved(modulus.strain))
    remark = "the curve does not leave its elastic line by the offset"
    return FeatureComparison(feature, None, None, "not reached", remark)


def _unresolved(first_strain: float) -> str:
    return (
        f"the first steps (the first ends at a strain of {first_strain:.3g}) are too large to show "
        "the elastic line; begin with a segment of small steps, such as true_strain = [-0.03, -0.8]"
    )


def _compare_ratio(
    feature: Feature, curve: StressStrainCurve, other_strengths_gpa: Mapping[str, float]
) -> FeatureComparison:
    own = curve.offset_yield(feature.offset)
    if own is None:
        remark = "the curve shows no offset yield"
        return FeatureComparison(feature, None, None, "not evaluated", remark)
    other = other_strengths_gpa.get(feature.other_material)
    if other is None:
        remark = (
            f"{feature.other_material} was not computed; with this curve the ratio asks for "
            f"{own.stress_gpa / feature.value:.2f} GPa"
        )
        return FeatureComparison(feature, None, None, "not evaluated", remark)
    return _judged(feature, own.stress_gpa / other)


def _judged(feature: Feature, model: float, remark: str = "") -> FeatureComparison:
    z = (model - feature.value) / feature.standard_uncertainty
    if feature.bound == "none":
        return FeatureComparison(
            feature, model, z, "agrees" if abs(z) <= AGREEMENT_Z else "differs", remark
        )
    z = min(z, 0.0) if feature.bound == "lower" else max(z, 0.0)
    # A strain asked for as 0.8 comes back from its logarithm with a rounding error.
    if abs(z) < 1e-6:
        return FeatureComparison(feature, model, 0.0, "bound met", remark)
    if feature.systematic is not None and feature.bound == "lower":
        low, high = feature.systematic.intrinsic_range(feature.value)
        if model >= low:
            remark += (
                f"; a test that reads {feature.systematic.low_percent:g} to "
                f"{feature.systematic.high_percent:g} % high would make {low:.2f} to {high:.2f} "
                "GPa of the material read so: the model lies within that"
            )
        else:
            remark += (
                f"; even a test that reads {feature.systematic.high_percent:g} % high asks for "
                f"{low:.2f} GPa of the material: taper and friction do not close the gap"
            )
    verdict: Verdict = "bound met" if abs(z) <= AGREEMENT_Z else "bound missed"
    if verdict == "bound met":
        remark += "; within the uncertainty of the bound"
    return FeatureComparison(feature, model, z, verdict, remark.removeprefix("; "))


def _metric(model: StressStrainCurve, measured: StressStrainCurve) -> CurveMetric | None:
    """Root mean square difference after the best shift of the model along the strain."""
    measured = measured.measured_in(model.strain_measure, model.stress_measure)
    model_strain, model_stress = _envelope(model)
    strain, stress = _envelope(measured)
    if strain.size < 2 or model_strain.size < 2:
        return None
    low = max(METRIC_RANGE[0], strain[0])
    high = min(METRIC_RANGE[1], strain[-1], model_strain[-1] - LARGEST_SHIFT)
    if high <= low:
        return None
    grid = np.linspace(low, high, _METRIC_POINTS)
    target = np.interp(grid, strain, stress)
    shifts = np.arange(-LARGEST_SHIFT, LARGEST_SHIFT + _SHIFT_STEP / 2.0, _SHIFT_STEP)
    errors = [
        float(np.sqrt(np.mean((np.interp(grid + shift, model_strain, model_stress) - target) ** 2)))
        for shift in shifts
    ]
    best = int(np.argmin(errors))
    slopes = {
        f"{start:g} to {end:g}": (
            _slope(model_strain, model_stress, start, end),
            _slope(strain, stress, start, end),
        )
        for start, end in ((0.1, 0.3), (0.3, 0.6))
        if end <= min(strain[-1], model_strain[-1]) and start >= strain[0]
    }
    return CurveMetric(
        rmse_gpa=errors[best],
        relative_rmse=errors[best] / float(np.mean(target)),
        strain_shift=float(shifts[best]),
        strain_range=(float(low), float(high)),
        slopes_gpa=slopes,
    )


def _envelope(curve: StressStrainCurve) -> tuple[FloatArray, FloatArray]:
    """Points at which the strain goes beyond all earlier ones: what the first loading draws."""
    strain, stress = curve.loading_strain, curve.loading_stress_gpa
    before = np.concatenate([[-np.inf], np.maximum.accumulate(strain)[:-1]])
    return strain[strain > before], stress[strain > before]


def _slope(strain: FloatArray, stress: FloatArray, start: float, end: float) -> float:
    grid = np.linspace(start, end, 101)
    return float(np.polyfit(grid, np.interp(grid, strain, stress), 1)[0])
