"""The report of an objectivity study: one case on two meshes, side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.report.colours import MODEL, SECONDARY
from ngcfem.report.figures import new_figure, png, styled
from ngcfem.report.page import (
    Content,
    Level,
    Markup,
    badge,
    box,
    bullets,
    document,
    element,
    fixed,
    joined,
    link,
    picture,
    table,
)
from ngcfem.results.atomic import write_bytes_atomically, write_text_atomically
from ngcfem.results.increment import Increment
from ngcfem.results.objectivity import LARGEST_CURVE_DIFFERENCE, LARGEST_WIDTH_DIFFERENCE
from ngcfem.results.run import RunDirectory

_NAMES = ("coarse", "fine")
_COLOURS = {"coarse": SECONDARY, "fine": MODEL}


def build_objectivity_report(directory: Path) -> Path:
    """Write ``report.html`` and its figure from objectivity.json and the two runs.

    Parameters
    ----------
    directory : Path
        A study whose objectivity.json has been written.

    Returns
    -------
    Path
        The report; it links to those of the two runs.

    Raises
    ------
    InputError
        If there is no study.
    ResourceError
        If the disk is full.
    """
    study = RunDirectory.open(directory)
    record = study.read_json("objectivity.json")
    sections = {
        "objectivity": ("What the mesh decides", _comparison_section(record)),
        "curve": ("Both curves", _curve_section(directory, record)),
        "meaning": ("How to read this", _meaning_section(record)),
    }
    report = directory / "report.html"
    write_text_atomically(report, document(str(record["title"]), sections, _head(record)))
    return report


def _head(record: Mapping[str, Any]) -> Markup:
    verdict: Mapping[str, bool | None] = record["verdict"]
    known = [value for value in verdict.values() if value is not None]
    level: Level = "neutral" if not known else ("good" if all(known) else "bad")
    words = "nothing to compare yet"
    if known:
        words = "the two meshes agree" if all(known) else "the two meshes disagree"
    parts: list[Content] = [
        element("h1", str(record["title"])),
        element("p", [badge(words, level), " The same cell, load and materials on two meshes."]),
    ]
    for name in _NAMES:
        entry = record["resolutions"][name]
        if entry["state"] not in ("finished", "running", "not started"):
            reason = f"{entry['state'].replace('_', ' ')}: {entry['reason']}"
            parts.append(box(f"The {name} mesh did not come to its end.", reason, "bad"))
    if not record["softening_has_length"]:
        parts.append(
            box(
                "A phase softens without an internal length.",
                "Its bands are as wide as the elements: two meshes are bound to disagree.",
                "bad",
            )
        )
    return joined(parts)


def _comparison_section(record: Mapping[str, Any]) -> Markup:
    coarse, fine = (record["resolutions"][name] for name in _NAMES)
    compared = record["comparison"] or {}
    verdict = record["verdict"]

    def row(label: str, key: str, digits: int, difference: Content = "") -> Sequence[Content]:
        values = [_value(entry.get(key), digits) for entry in (coarse, fine)]
        return (label, *values, difference)

    rows: list[Sequence[Content]] = [
        (
            "run",
            *(_link(record["resolutions"][name]["directory"], name) for name in _NAMES),
            "",
        ),
        row("mean element size [nm]", "mean_element_size_nm", 3),
        row("elements", "n_cells", 0),
        row("unknowns", "n_dofs", 0),
        row("true strain reached", "true_strain_reached", 4),
        (
            "largest difference of the curve",
            "",
            "",
            _difference(compared.get("largest_curve_difference"), verdict["curve"]),
        ),
        (
            "root mean square difference of the curve",
            "",
            "",
            _difference(compared.get("root_mean_square_curve_difference"), None),
        ),
        row(
            "dissipated energy [GPa = nN nm/nm\N{SUPERSCRIPT THREE}]",
            "dissipated_energy_gpa",
            5,
            _difference(compared.get("dissipated_energy_difference"), verdict["dissipation"]),
        ),
        row(
            "width of the largest band [nm]",
            "band_width_nm",
            2,
            _difference(compared.get("band_width_difference"), verdict["band_width"]),
        ),
        row("bands found", "number_of_bands", 0),
        row("angle of the largest band to the axis [deg]", "band_angle_deg", 1),
        row(
            "localization index",
            "localization_index",
            3,
            _difference(compared.get("localization_index_difference"), None),
        ),
        row("CPU time [s]", "cpu_s", 0),
    ]
    head = ("", "coarse (h)", "fine (h/2)", "fine less coarse")
    return table(head, rows, numeric=(1, 2, 3))


def _value(value: Any, digits: int) -> Content:
    return None if value is None else fixed(float(value), digits)


def _link(directory: str, name: str) -> Content:
    return link(f"{directory}/report.html", name)


def _difference(value: float | None, agrees: bool | None) -> Content:
    if value is None:
        return None
    text = f"{100.0 * value:+.2f} %"
    if agrees is None:
        return text
    return joined(
        [text, badge("agrees" if agrees else "differs", "good" if agrees else "bad")], " "
    )


def _curve_section(directory: Path, record: Mapping[str, Any]) -> Markup:
    steps = {
        name: RunDirectory(directory / record["resolutions"][name]["directory"]).increments()
        for name in _NAMES
    }
    if min(len(found) for found in steps.values()) < 2:
        return element("p", "Not both runs have a curve yet.")
    drawing, label = draw_two_curves(steps["coarse"], steps["fine"])
    figures = directory / "figures"
    figures.mkdir(exist_ok=True)
    write_bytes_atomically(figures / "objectivity.png", drawing)
    caption = (
        f"{label} on both meshes; every dot is a step. Below, the difference of the nominal stress "
        "(norm over all components) at the steps that both share."
    )
    return picture(drawing, "Curves on the coarse and the fine mesh", caption)


def draw_two_curves(coarse: Sequence[Increment], fine: Sequence[Increment]) -> tuple[bytes, str]:
    """Draw the curves of two runs of one load path, and their difference.

    Parameters
    ----------
    coarse, fine : sequence of Increment
        Accepted steps, the undeformed state first; two or more.

    Returns
    -------
    png : bytes
        The figure.
    label : str
        What is drawn over what: the component of the nominal stress that works most.
    """
    peak = np.abs([step.first_piola_kirchhoff_stress for step in fine]).max(axis=0)
    peak = peak * np.abs([step.deformation_gradient - np.eye(3) for step in fine]).max(axis=0)
    i, j = np.unravel_index(int(np.argmax(peak)), (3, 3))
    name = f"{'xyz'[int(i)]}{'xyz'[int(j)]}"
    with styled():
        figure = new_figure(7.2, 5.6)
        axes, below = figure.subplots(2, 1, height_ratios=(3.0, 1.0), sharex=True)
        places: dict[float, tuple[float, Any]] = {}
        for label, steps in (("coarse", coarse), ("fine", fine)):
            x = [step.deformation_gradient[i, j] - float(i == j) for step in steps]
            y = [step.first_piola_kirchhoff_stress[i, j] for step in steps]
            axes.plot(x, y, marker=".", color=_COLOURS[label], label=f"{label} mesh")
            if label == "coarse":
                places = {
                    step.time_s: (place, step.first_piola_kirchhoff_stress)
                    for step, place in zip(steps, x, strict=True)
                }
        scale = max(float(np.linalg.norm(s.first_piola_kirchhoff_stress)) for s in fine)
        shared = [
            (places[s.time_s][0], s.first_piola_kirchhoff_stress - places[s.time_s][1])
            for s in fine
            if s.time_s in places
        ]
        below.plot(
            [place for place, _ in shared],
            [100.0 * float(np.linalg.norm(difference)) / scale for _, difference in shared],
            marker=".",
            color=MODEL,
        )
        limit = 100.0 * LARGEST_CURVE_DIFFERENCE
        below.axhline(limit, color=SECONDARY, linewidth=0.8, linestyle="--")
        axes.set_ylabel(f"nominal stress P_{name} [GPa]")
        below.set_ylabel("difference [%]")
        below.set_ylim(bottom=0.0)
        below.set_xlabel(f"F_{name}" + (" - 1 [-]" if i == j else " [-]"))
        axes.legend()
        return png(figure), f"Nominal stress P_{name} over F_{name}"


def _meaning_section(record: Mapping[str, Any]) -> Markup:
    compared = record["comparison"]
    words: list[Content] = [
        f"Curve and dissipation agree if they differ by {100.0 * LARGEST_CURVE_DIFFERENCE:g} % at "
        f"most, the width of a band, which whole elements decide, if by "
        f"{100.0 * LARGEST_WIDTH_DIFFERENCE:g} %.",
        "The dissipated energy is the work on the cell less the elastic energy of the stress in it "
        "(both per undeformed volume), at the last step that both runs share.",
        "A band is where the equivalent plastic strain is more than twice its mean; its width is "
        "that of the uniform layer with the same second moment, on the undeformed cell. In a "
        "composite the network of interfaces may be what is found.",
        "Two meshes that agree do not show that the result has converged: another halving may "
        "change it as much again if the error falls slowly.",
    ]
    if compared is not None:
        words.insert(
            0,
            f"Compared at {compared['steps']} steps, the last at {compared['time_s']:.6g} s of the "
            "load path.",
        )
    return bullets(words)
