"""The section of the report that holds the curve against the pillar data."""

from ngcfem.experiment.compare import FeatureComparison, Verdict
from ngcfem.report.page import (
    Content,
    Level,
    Markup,
    badge,
    bullets,
    element,
    fixed,
    joined,
    table,
)
from ngcfem.report.run_record import RunRecord

_VERDICT_LEVELS: dict[Verdict, Level] = {
    "agrees": "good",
    "bound met": "good",
    "differs": "bad",
    "bound missed": "bad",
    "bound not yet tested": "warning",
    "not reached": "warning",
    "not evaluated": "neutral",
}
_SMOOTH_LAWS = ("j2", "drucker-prager")
_CUBE_STRAIN_LIMIT = 0.3


def comparison_section(record: RunRecord, curve_figure: Markup | None) -> Markup:
    """Curve, table of features and what they say.

    Parameters
    ----------
    record : RunRecord
        The run.
    curve_figure : Markup or None
        The figure.

    Returns
    -------
    Markup
        The section.
    """
    parts: list[Content] = [curve_figure] if curve_figure is not None else []
    if record.history is None:
        parts.append(element("p", "The run has no curve yet."))
        return joined(parts)
    comparison = record.comparison
    if comparison is None:
        parts.append(element("p", "The case names no measured data that could be read here."))
    else:
        parts.append(element("h3", f"Against: {comparison.data.title}"))
        rows = [_feature_row(entry) for entry in comparison.features]
        head = ("feature", "model", "measured", "uncertainty (1 sigma)", "z", "verdict")
        parts.append(table(head, rows, numeric=(1, 2, 3, 4)))
        parts.append(
            element(
                "p",
                f"Both are given as {comparison.curve.label}. z is the distance in standard "
                "uncertainties of the measurement alone; a bound is tested on its own side only.",
                "soft",
            )
        )
        metric = comparison.metric
        if metric is not None:
            low, high = metric.strain_range
            parts.append(
                element(
                    "p",
                    f"Against the digitized curve over strains {low:g} to {high:g}: root mean "
                    f"square difference {metric.rmse_gpa:.3f} GPa "
                    f"({100.0 * metric.relative_rmse:.1f} %), with the model shifted by "
                    f"{metric.strain_shift:+.4f}.",
                )
            )
        references = comparison.data.reference_materials
        if references:
            parts.append(element("h3", "What the test was compared with"))
            rows = [(entry.name, entry.behaviour) for entry in references]
            parts.append(table(("material", "in the same test"), rows))
    parts += [element("h3", "How far this can be trusted"), bullets(_honest_words(record))]
    parts += [element("h3", "Stress on the way"), _stress_table(record)]
    return joined(parts)


def _feature_row(entry: FeatureComparison) -> tuple[Content, ...]:
    feature = entry.feature
    unit = "" if feature.unit == "-" else f" {feature.unit}"
    sign = {
        "none": "",
        "lower": "\N{GREATER-THAN OR EQUAL TO} ",
        "upper": "\N{LESS-THAN OR EQUAL TO} ",
    }[feature.bound]
    notes = [note for note in (entry.remark, feature.note) if note]
    name: list[Content] = [feature.name]
    name += [part for note in notes for part in (Markup("<br>"), element("small", note))]
    return (
        element("span", name),
        None if entry.model is None else f"{entry.model:.3f}{unit}",
        f"{sign}{feature.value:g}{unit}",
        f"{feature.standard_uncertainty:.2g}{unit}",
        None if entry.z is None else f"{entry.z:+.1f}" if entry.z else "0",
        badge(entry.verdict, _VERDICT_LEVELS[entry.verdict]),
    )


def _honest_words(record: RunRecord) -> list[Content]:
    """Say what the model leaves out, as far as this run is concerned."""
    case = record.case
    laws = {str(phase.get("law")) for phase in case.get("phase", [])}
    words: list[Content] = []
    comparison = record.comparison
    if comparison is not None:
        missed = [entry for entry in comparison.features if entry.verdict == "bound missed"]
        words += [
            f"{entry.feature.name.capitalize()}: {entry.remark}."
            for entry in missed
            if entry.remark
        ]
        if any(entry.feature.systematic is not None for entry in comparison.features):
            words.append(
                "The model is the material without the pillar: taper, friction at the ends, the "
                "give of the base and the machine are not in it, and they raise the measured "
                "stress at large strain."
            )
    if record.realized_fractions:
        words.append(
            "The stress level follows from the shares of the phases, which the paper does not "
            "state: compare curves only together with the shares above the figure."
            if case.get("microstructure", {}).get("kind") == "nanocomposite"
            else "The stress level follows from the shares of the phases above the figure."
        )
    words.append(
        "This is one realization of the cell: how far another seed, or a larger cell, would change "
        "the curve is not known from it."
    )
    if laws & set(_SMOOTH_LAWS):
        words.append(
            "Laws with a smooth yield surface hardly localize in uniaxial compression: uniform "
            "flow in this run is no evidence that the material does not shear off."
        )
    reached = record.summary.get("true_strain_reached") or 0.0
    if case.get("load", {}).get("boundary") == "periodic" and reached > _CUBE_STRAIN_LIMIT:
        words.append(
            "A periodic cell admits only shear bands that fit its periods; beyond a strain of "
            f"{_CUBE_STRAIN_LIMIT:g} it may harden for that reason alone."
        )
    return words


def _stress_table(record: RunRecord) -> Markup:
    at = record.summary.get("loading_stress_at_true_strain", {})
    rows = [
        (
            f"{float(strain):g}",
            fixed(entry.get("true_stress_gpa"), 3),
            fixed(entry.get("volume_conserving_true_stress_gpa"), 3),
            fixed(entry.get("engineering_stress_gpa"), 3),
        )
        for strain, entry in at.items()
        if any(value is not None for value in entry.values())
    ]
    if not rows:
        return element("p", "The run reached none of the strains that are listed here.")
    head = (
        "true strain, magnitude",
        "true (Cauchy) stress [GPa]",
        "true stress, volume-conserving [GPa]",
        "engineering stress [GPa]",
    )
    note = element(
        "p",
        "Volume-conserving true stress is what a pillar test calls true: engineering stress times "
        "exp(true strain), which is exp(-|strain|) in compression. The Cauchy stress uses the "
        "area that the model computes.",
        "soft",
    )
    return joined([table(head, rows, numeric=range(4)), note])
