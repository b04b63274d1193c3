"""Sections of the report on what came out: comparison, phases, health, cost, provenance."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ngcfem.experiment.compare import FeatureComparison, Verdict
from ngcfem.report.colours import phase_colours
from ngcfem.report.page import (
    Content,
    Level,
    Markup,
    badge,
    box,
    bullets,
    chip,
    element,
    facts,
    joined,
    number,
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
_HILL_MANDEL_LIMIT = 1e-5
_PRESSURE_NOISE_LIMIT = 0.1
_VISCOUS_SHARE_LIMIT = 0.02
_CUBE_STRAIN_LIMIT = 0.3
_FILES = {
    "case.toml": "the case as it was given",
    "case.resolved.toml": "the case with every default and its provenance",
    "curve.csv": "the curve: one row a step, all components of F and P, tension positive",
    "summary.json": "results, health and cost, and their course over strain",
    "comparison.json": "the comparison with the pillar data",
    "cell.json": "the geometry of the cell",
    "mesh.msh": "the mesh (Gmsh)",
    "mesh.json": "record and quality of the mesh",
    "fields/fields.pvd": "fields for ParaView",
    "figures": "the figures and pictures of this page",
    "log.jsonl": "everything that happened, one line each",
    "provenance.json": "versions, machine, inputs and seeds",
    "status.json": "state of the run",
    "checkpoints": "where a stopped run goes on from",
}


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


def phase_section(record: RunRecord, figure: Markup | None) -> Markup:
    """What each phase did.

    Parameters
    ----------
    record : RunRecord
        The run.
    figure : Markup or None
        The figure.

    Returns
    -------
    Markup
        The section.
    """
    phases = record.summary.get("phases", {})
    if not phases:
        return element("p", "No averages by phase were recorded.")
    colours = phase_colours(list(phases))
    rows = [
        (
            chip(colours[name], name.replace("_", "-")),
            f"{100.0 * entry['volume_fraction']:.2f} %",
            _fixed(entry.get("mean_axial_cauchy_stress_gpa"), 3),
            _fixed(entry.get("mises_of_mean_cauchy_stress_gpa"), 3),
            _fixed(entry.get("mean_equivalent_plastic_strain"), 3),
            _fixed(entry.get("std_equivalent_plastic_strain"), 3),
        )
        for name, entry in phases.items()
    ]
    head = (
        "phase",
        "share",
        "mean axial Cauchy stress [GPa]",
        "Mises of mean stress [GPa]",
        "mean plastic strain",
        "its spread (1 sigma)",
    )
    parts: list[Content] = [figure] if figure is not None else []
    parts += [element("h3", "At the end of the run"), table(head, rows, numeric=range(1, 6))]
    return joined(parts)


def health_section(record: RunRecord, figure: Markup | None) -> Markup:
    """Whether the numbers are sound.

    Parameters
    ----------
    record : RunRecord
        The run.
    figure : Markup or None
        The figure.

    Returns
    -------
    Markup
        The section.
    """
    summary = record.summary
    if not summary:
        return element("p", "The run left no record of its health.")
    parts: list[Content] = []
    if summary.get("mesh_dependent"):
        parts.append(
            box(
                "These results depend on the mesh.",
                "A phase softens and its law has no internal length: once strain gathers in bands, "
                "their width is that of an element, and the curve falls the more the finer the "
                "mesh. The case says so knowingly (mesh_dependent = true). Do not quote strains in "
                "bands or the softening part of the curve without a study of the mesh size.",
                "bad",
            )
        )
    rows = [row for row in _health_rows(summary) if row[1] is not None]
    parts.append(table(("check", "value", "", "what it means"), rows, numeric=(1,)))
    if figure is not None:
        parts.append(figure)
    return joined(parts)


def cost_section(record: RunRecord) -> Markup:
    """Time, memory and iterations.

    Parameters
    ----------
    record : RunRecord
        The run.

    Returns
    -------
    Markup
        The section.
    """
    summary = record.summary
    newton, linear = summary.get("newton_iterations"), summary.get("linear_iterations")
    accepted = summary.get("increments_accepted")
    entries: dict[str, Content] = {
        "steps accepted": accepted,
        "increments asked for and reached": summary.get("increments_requested_reached"),
        "Newton iterations": f"{newton} ({newton / accepted:.1f} a step)"
        if newton is not None and accepted
        else None,
        "Krylov iterations": f"{linear} ({linear / newton:.1f} a Newton iteration)"
        if linear is not None and newton
        else None,
        "cut-backs": summary.get("cutbacks"),
        "wall time": _seconds(summary.get("wall_s")),
        "CPU time, all processes": _seconds(summary.get("cpu_s")),
        "largest memory, all processes": _with_unit(summary.get("peak_memory_gib"), "GiB"),
    }
    parts: list[Content] = [facts(entries)]
    timers = summary.get("timers_s")
    if isinstance(timers, Mapping) and timers:
        total = sum(float(seconds) for seconds in timers.values()) or 1.0
        rows = [
            (
                str(name).replace("_", " "),
                _seconds(seconds),
                f"{100.0 * float(seconds) / total:.0f} %",
                _bar(float(seconds) / total),
            )
            for name, seconds in sorted(timers.items(), key=lambda entry: -float(entry[1]))
        ]
        parts += [
            element("h3", "Where the CPU time went"),
            table(("part", "CPU time", "share", ""), rows, numeric=(1, 2)),
        ]
    return joined(parts)


def provenance_section(record: RunRecord) -> Markup:
    """Files, versions, machine, inputs and seeds.

    Parameters
    ----------
    record : RunRecord
        The run.

    Returns
    -------
    Markup
        The section.
    """
    parts: list[Content] = []
    if record.missing:
        parts.append(box("Missing", bullets(record.missing), "warning"))
    files = [
        (element("code", name), meaning)
        for name, meaning in _FILES.items()
        if (record.path / name).exists()
    ]
    parts += [element("h3", "Files of the run directory"), table(("file", "content"), files)]
    provenance = record.provenance
    if not provenance:
        return joined(parts)
    host = provenance.get("host", {})
    source = provenance.get("source") or {}
    commit = source.get("commit")
    if commit and source.get("modified"):
        commit = f"{commit} with local changes"
    entries: dict[str, Content] = {
        "made": provenance.get("created"),
        "command": _command(provenance.get("command", [])),
        "commit of ngcfem": commit,
        "case hash": record.status.get("case_hash") or record.summary.get("case_hash"),
        "seeds": _listed(provenance.get("seeds")),
        "machine": ", ".join(
            str(host[key]) for key in ("name", "processor", "system") if host.get(key)
        )
        or None,
        "cores, memory": f"{host.get('usable_cores')} of {host.get('cores')} cores, "
        f"{host.get('memory_gib')} GiB"
        if host
        else None,
        "versions": _listed(provenance.get("versions")),
    }
    parts += [element("h3", "Provenance"), facts(entries)]
    inputs = provenance.get("inputs")
    if isinstance(inputs, Mapping) and inputs:
        rows = [
            (str(role).replace("_", " "), entry.get("file"), element("code", entry.get("sha256")))
            for role, entry in inputs.items()
        ]
        parts.append(table(("input", "file", "SHA-256"), rows))
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
            _fixed(entry.get("true_stress_gpa"), 3),
            _fixed(entry.get("volume_conserving_true_stress_gpa"), 3),
            _fixed(entry.get("engineering_stress_gpa"), 3),
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


def _health_rows(
    summary: Mapping[str, Any],
) -> list[tuple[Content, Content, Content, Content]]:
    tolerance = summary.get("residual_tolerance")
    residual = summary.get("relative_residual_maximum")
    first = summary.get("first_true_strain_with_negative_vertex_jacobian")
    inverted = summary.get("elements_with_negative_vertex_jacobian_maximum")
    rows: list[tuple[Content, Content, Content, Content]] = [
        (
            "largest residual of nodal forces",
            residual,
            _judge(residual, tolerance),
            f"relative; the tolerance is {number(float(tolerance))}"
            if tolerance is not None
            else "relative",
        ),
        (
            "largest Hill-Mandel error",
            summary.get("hill_mandel_error_maximum"),
            _judge(summary.get("hill_mandel_error_maximum"), _HILL_MANDEL_LIMIT),
            "work of the cell against work of the means, relative: does the homogenization hold?",
        ),
        (
            "smallest det F at integration points",
            summary.get("minimum_jacobian_points"),
            _judge_positive(summary.get("minimum_jacobian_points"), "bad"),
            "local volume ratio; plastic flow without dilatancy keeps it near 1",
        ),
        (
            "smallest det F at vertices",
            summary.get("minimum_jacobian_vertices"),
            _judge_positive(summary.get("minimum_jacobian_vertices"), "warning"),
            "integration points alone would hide elements that fold at a corner"
            if first is None
            else f"below 0 from a true strain of {float(first):.3f} on, in up to {inverted} of the "
            "elements: do not read local fields there; averages hardly notice so few",
        ),
        (
            "pressure noise at the end",
            summary.get("pressure_noise_final"),
            _judge(summary.get("pressure_noise_final"), _PRESSURE_NOISE_LIMIT),
            "spread of the pressure inside elements over the axial stress; where it is large, "
            "quote no local pressures (mean stresses are then 1 to 2 % high)",
        ),
        (
            "largest viscous share of the stress",
            summary.get("viscous_stress_share_maximum"),
            _judge(summary.get("viscous_stress_share_maximum"), _VISCOUS_SHARE_LIMIT),
            "what a viscous regularization, if any, adds to the stress",
        ),
        (
            "cut-backs",
            summary.get("cutbacks"),
            None,
            "steps that had to be repeated with a smaller size",
        ),
    ]
    if summary.get("modulus_resolved") is not None:
        rows.append(
            (
                "initial slope [GPa]",
                summary.get("modulus_gpa"),
                badge("good", "good")
                if summary["modulus_resolved"]
                else badge("too coarse", "warning"),
                "confirmed by the second step"
                if summary["modulus_resolved"]
                else "the first steps jump across yield: neither modulus nor offset yield can be "
                "read from this curve",
            )
        )
    return rows


def _judge(value: Any, limit: Any) -> Content:
    if value is None or limit is None:
        return None
    # A residual that meets its tolerance exactly may read a rounding error above it.
    good = abs(float(value)) <= float(limit) * (1.0 + 1e-9)
    return badge("good" if good else "high", "good" if good else "warning")


def _judge_positive(value: Any, otherwise: Level) -> Content:
    if value is None:
        return None
    good = float(value) > 0.0
    return badge("good" if good else "negative", "good" if good else otherwise)


def _fixed(value: Any, digits: int) -> Content:
    return None if value is None else f"{float(value):.{digits}f}"


def _seconds(value: Any) -> Content:
    if value is None:
        return None
    seconds = float(value)
    if seconds < 120.0:
        return f"{seconds:.1f} s"
    if seconds < 7200.0:
        return f"{seconds / 60.0:.1f} min"
    return f"{seconds / 3600.0:.2f} h"


def _with_unit(value: Any, unit: str) -> Content:
    return None if value is None else f"{float(value):.2f} {unit}"


def _bar(share: float) -> Markup:
    width = 100.0 * min(max(share, 0.0), 1.0)
    return Markup(
        '<div style="background:#e2e6eb;height:.7em;min-width:8em;border-radius:3px">'
        f'<div style="background:#1b4f8a;height:100%;width:{width:.1f}%;border-radius:3px">'
        "</div></div>"
    )


def _listed(entries: Any) -> Content:
    if not isinstance(entries, Mapping) or not entries:
        return None
    return ", ".join(f"{key} {value}" for key, value in entries.items())


def _command(words: Sequence[Any]) -> Content:
    if not words:
        return None
    # The program by its name: where it was installed is of no use to a reader.
    return " ".join([Path(str(words[0])).name, *(str(word) for word in words[1:])])
