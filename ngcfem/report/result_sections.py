"""Sections of the report on what came out: phases, health, cost, provenance."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    fixed,
    joined,
    number,
    table,
)
from ngcfem.report.run_record import RunRecord

_HILL_MANDEL_LIMIT = 1e-5
_PRESSURE_NOISE_LIMIT = 0.1
_VISCOUS_SHARE_LIMIT = 0.02
_FEW_ELEMENTS = 1e-3
_FILES = {
    "case.toml": "the case as it was given",
    "case.resolved.toml": "the case with every default and its provenance",
    "curve.csv": "the curve: one row a step, all components of F and P, tension positive",
    "summary.json": "results, health and cost, and their course over strain",
    "comparison.json": "the comparison with the pillar data",
    "cell.json": "the geometry of the cell",
    "descriptors.json": "what the cell was asked to be, and is",
    "mesh.msh": "the mesh (Gmsh)",
    "mesh.json": "record and quality of the mesh",
    "fields/fields.pvd": "fields for ParaView",
    "figures": "the figures and pictures of this page",
    "plastic_strain.npz": "plastic strain of the elements at the end, deformed, for the bands",
    "log.jsonl": "everything that happened, one line each",
    "provenance.json": "versions, machine, inputs and seeds",
    "status.json": "state of the run",
    "checkpoints": "where a stopped run goes on from",
}


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
            fixed(entry.get("mean_axial_cauchy_stress_gpa"), 3),
            fixed(entry.get("mises_of_mean_cauchy_stress_gpa"), 3),
            fixed(entry.get("mean_equivalent_plastic_strain"), 3),
            fixed(entry.get("std_equivalent_plastic_strain"), 3),
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
    coarse = [
        entry["text"] for entry in summary.get("internal_lengths", []) if not entry["resolved"]
    ]
    if coarse:
        parts.append(
            box(
                "The mesh is coarse for the internal length.",
                bullets(f"{text[:1].upper()}{text[1:]}." for text in coarse),
                "warning",
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
    estimate = summary.get("estimate")
    if isinstance(estimate, Mapping):
        entries["estimated beforehand"] = (
            f"{_seconds(estimate['cpu_s'])} of CPU time, {estimate['memory_gib']:.2f} GiB"
        )
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
            else f"below 0 from a true strain of {float(first):.3f} on, in up to "
            f"{_count(inverted, summary.get('n_cells'))}: do not read local fields there"
            + (
                ""
                if _is_few(inverted, summary.get("n_cells"))
                else "; averages from there on are doubtful as well"
            ),
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


def _count(inverted: Any, cells: Any) -> str:
    if not cells:
        return f"{inverted} elements"
    return f"{inverted} of {cells} elements ({100.0 * float(inverted) / float(cells):.2g} %)"


def _is_few(inverted: Any, cells: Any) -> bool:
    return bool(cells) and float(inverted) <= _FEW_ELEMENTS * float(cells)


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
