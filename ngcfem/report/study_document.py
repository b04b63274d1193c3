"""The report of a study: one figure, one table, and what the cases share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ngcfem.report.page import (
    Content,
    Level,
    Markup,
    badge,
    bullets,
    document,
    element,
    fixed,
    joined,
    link,
    picture,
    table,
)
from ngcfem.report.study_figure import StudyMember
from ngcfem.results.atomic import write_text_atomically

__all__ = ["StudyMember", "write_study_report"]

_LEVELS: dict[str, Level] = {"finished": "good", "not_converged": "bad", "failed": "bad"}
_MOST_BANDS = 6


def write_study_report(
    directory: Path,
    title: str,
    same: Sequence[str],
    members: Sequence[StudyMember],
    drawing: bytes | None,
) -> Path:
    """Write report.html of a study.

    Parameters
    ----------
    directory : Path
        Directory of the study.
    title : str
        Title of the study.
    same : sequence of str
        Sections that are the same in all cases.
    members : sequence of StudyMember
        The cases.
    drawing : bytes or None
        PNG of curves and maps.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    ResourceError
        If the disk is full.
    """
    finished = sum(member.state == "finished" for member in members)
    level: Level = "good" if finished == len(members) else "warning"
    shared = f" The cases share {_listed(same)}." if same else ""
    head = joined(
        [
            element("h1", title),
            element("p", [badge(f"{finished} of {len(members)} finished", level), shared], "lead"),
        ]
    )
    caption = (
        "Above: true (Cauchy) stress over true strain. Below: accumulated plastic strain at the "
        "end of each run on the undeformed cell, one scale of colours for all; thin lines are "
        "boundaries between different materials, dashed lines the bands that were found, with "
        "angle and width of the largest."
    )
    shown: list[Content] = (
        [element("p", "No case has a curve yet.")]
        if drawing is None
        else [picture(drawing, "Curves of the study and maps of plastic strain", caption)]
    )
    sections = {
        "figure": ("Curves and bands", joined(shown)),
        "table": ("Numbers", joined([_number_table(members), bullets(_how_to_read())])),
        "bands": ("Bands", _band_table(members)),
        "materials": ("Materials", _material_table(members)),
    }
    report = directory / "report.html"
    write_text_atomically(report, document(title, sections, head))
    return report


def _listed(names: Sequence[str]) -> str:
    words = [f"[{name}]" for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _number_table(members: Sequence[StudyMember]) -> Markup:
    rows: list[Sequence[Content]] = []
    for member in members:
        found = member.localization
        report = member.directory / "report.html"
        state = badge(member.state.replace("_", " "), _LEVELS.get(member.state, "warning"))
        name: Content = member.name
        if report.exists():
            name = link(report.absolute().as_uri(), member.name)
        if found is None:
            rows.append((name, state, *[None] * 8))
            continue
        bands = found.bands
        first = bands.bands[0] if bands is not None and bands.bands else None
        rows.append(
            (
                name,
                state,
                f"{found.peak_stress_gpa:.3f} at {found.strain_at_peak:.3f}",
                f"{found.final_stress_gpa:.3f} at {found.final_strain:.3f}",
                f"{100.0 * found.stress_drop:.1f}",
                fixed(found.localization_index, 2),
                None if bands is None else f"{100.0 * bands.strain_share_above:.0f}",
                None if bands is None else str(bands.number),
                None if first is None else f"{first.angle_deg:.1f} / {first.width_nm:.1f}",
                _loss(found.first_loss_of_ellipticity, member),
            )
        )
    head = (
        "case",
        "state",
        "peak stress [GPa] at strain",
        "stress at the end [GPa] at strain",
        "drop [%]",
        "localization index",
        "strain above twice the mean [%]",
        "bands",
        "largest band: angle [deg] / width [nm]",
        "first loss of ellipticity",
    )
    return table(head, rows, numeric=range(2, 9))


def _loss(entry: Mapping[str, Any] | None, member: StudyMember) -> Content:
    if entry is None:
        recorded = member.summary.get("localization")
        return "none" if recorded else "not recorded"
    strain = abs(float(entry["true_strain"]))
    share = 100.0 * float(entry["lost_share"])
    return (
        f"strain {strain:.4f}, {entry['phase']}, {share:.2g} % of the points looked at, "
        f"{float(entry['angle_deg']):.0f}\N{DEGREE SIGN}"
    )


def _how_to_read() -> list[Content]:
    return [
        "Localization index: standard deviation over mean of the accumulated plastic strain. It is "
        "0 for even flow; a layer that carries everything in a share f of the volume gives the "
        "square root of (1 - f)/f. Materials of unequal strength raise it without any band.",
        "Bands are plane layers in which the plastic strain exceeds twice its mean; angle to the "
        "load axis and width are those of the undeformed layer.",
        "A periodic cell admits only bands that meet their own image: in a square one those at 45 "
        "degrees and a few others. It has no free surface for a band to step out of.",
        "The width of a band is set by characteristic_length_nm, which is assumed, not measured.",
    ]


def _band_table(members: Sequence[StudyMember]) -> Markup:
    rows: list[Sequence[Content]] = []
    for member in members:
        bands = None if member.localization is None else member.localization.bands
        if bands is None or not bands.bands:
            rows.append((member.name, "none", *[None] * 4))
            continue
        rows += [
            (
                member.name,
                f"{band.angle_deg:.1f}",
                f"{band.width_nm:.1f}",
                f"{band.extent_nm:.1f}",
                f"{100.0 * band.volume_share:.1f}",
                f"{band.mean_strain:.3f}",
            )
            for band in bands.bands[:_MOST_BANDS]
        ]
    head = (
        "case",
        "angle to the load axis [deg]",
        "width [nm]",
        "extent [nm]",
        "share of the volume [%]",
        "mean plastic strain",
    )
    return table(head, rows, numeric=range(1, 6))


def _material_table(members: Sequence[StudyMember]) -> Markup:
    names = list(dict.fromkeys(name for member in members for name, _, _ in member.materials))
    kinds: dict[Any, str] = {}
    rows: list[Sequence[Content]] = []
    for member in members:
        cells: dict[str, str] = {}
        for name, law, parameters in member.materials:
            label = kinds.setdefault((law, parameters), f"{chr(65 + len(kinds))} ({law})")
            cells[name] = label
        rows.append((member.name, *(cells.get(name) for name in names)))
    note = "Equal letters: the same law with the same parameters."
    head = ("case", *(name.replace("_", "-") for name in names))
    return joined([table(head, rows), element("p", note, "soft")])
