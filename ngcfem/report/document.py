"""The report of a run: one HTML file that needs nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ngcfem.report.colours import phase_colours
from ngcfem.report.comparison_section import comparison_section
from ngcfem.report.crystal_figure import crystal_figure
from ngcfem.report.figures import draw_curve, draw_health, draw_phases
from ngcfem.report.localization_section import band_figure, localization_section
from ngcfem.report.page import (
    Content,
    Level,
    Markup,
    badge,
    box,
    chip,
    document,
    element,
    joined,
    picture,
)
from ngcfem.report.pictures import Pictures, draw_pictures
from ngcfem.report.result_sections import (
    cost_section,
    health_section,
    phase_section,
    provenance_section,
)
from ngcfem.report.run_record import RunRecord, read_run
from ngcfem.report.setup_sections import (
    describe_problem,
    mesh_section,
    method_section,
    problem_section,
)
from ngcfem.results.atomic import write_bytes_atomically, write_text_atomically
from ngcfem.results.measures import StressMeasure

_STATES: dict[str, tuple[str, Level]] = {
    "created": ("not started", "warning"),
    "running": ("under way, or killed", "warning"),
    "finished": ("finished", "good"),
    "not_converged": ("stopped before its end: not converged", "bad"),
    "interrupted": ("interrupted, can be resumed", "warning"),
    "failed": ("failed", "bad"),
}
_STATE_OF_EXIT_CODE = {0: "finished", 3: "not_converged", 5: "interrupted"}


def build_report(run_directory: Path) -> Path:
    """Write ``report.html`` and ``figures/`` of a run from what its directory holds.

    Parameters
    ----------
    run_directory : Path
        A run in any state; what is missing is named in the report.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    InputError
        If there is no run.
    ResourceError
        If the disk is full.

    Notes
    -----
    Figures are embedded, so that the file can be sent on its own. Pictures are left out, with the
    reason, where the machine cannot render.
    """
    record = read_run(run_directory)
    figures = run_directory / "figures"
    figures.mkdir(exist_ok=True)
    drawn = {
        name: _keep(figures / f"{name}.png", png) for name, png in _draw_figures(record).items()
    }
    pictures = _draw_pictures(record, figures)
    title = str(record.case.get("title") or run_directory.name)
    sections = {
        "curve": ("Curve and comparison", comparison_section(record, drawn.get("curve"))),
        "problem": ("What was computed", problem_section(record)),
        "pictures": ("Pictures of the cell", _picture_section(record, pictures)),
        "phases": ("What each phase did", phase_section(record, drawn.get("phases"))),
        "method": ("With what", method_section(record)),
        "mesh": ("How good the mesh was", mesh_section(record)),
        "health": ("Health of the solution", health_section(record, drawn.get("health"))),
        "cost": ("Cost", cost_section(record)),
        "provenance": ("Files and provenance", provenance_section(record)),
    }
    localization = localization_section(record, drawn.get("bands"))
    if localization is not None:
        places = list(sections)
        after = places.index("phases") + 1
        sections = {
            **{name: sections[name] for name in places[:after]},
            "localization": ("Localization", localization),
            **{name: sections[name] for name in places[after:]},
        }
    if "crystals" in drawn:
        sections["problem"] = (
            sections["problem"][0],
            joined([problem_section(record), drawn["crystals"]]),
        )
    report = run_directory / "report.html"
    write_text_atomically(report, document(title, sections, _head(record, title)))
    return report


def _keep(path: Path, figure: tuple[bytes, str, str]) -> Markup:
    png, alternative, caption = figure
    write_bytes_atomically(path, png)
    return picture(png, alternative, caption)


def _draw_figures(record: RunRecord) -> dict[str, tuple[bytes, str, str]]:
    """PNG, description and caption of every figure that the run has the numbers for."""
    figures: dict[str, tuple[bytes, str, str]] = {}
    history = record.history
    if history is not None and history.increment.size > 1:
        if record.comparison is not None:
            curve = record.comparison.curve
        else:
            curve = history.curve(stress_measure=StressMeasure.CAUCHY)
        figures["curve"] = (
            draw_curve(curve, record.data, record.realized_fractions),
            "Stress over strain of the model, with the pillar data",
            f"Homogenized curve of the cell (blue): {curve.label}, magnitudes in the direction of "
            "loading; every dot is a step. Red: what the pillar test states, with two standard "
            "uncertainties."
            if record.data is not None
            else f"Homogenized curve of the cell: {curve.label}; every dot is a step.",
        )
    for name, draw in (("bands", band_figure), ("crystals", crystal_figure)):
        figure = draw(record)
        if figure is not None:
            figures[name] = figure
    course = record.summary.get("course", {})
    if len(course.get("true_strain", [])) > 1:
        if course.get("phases"):
            figures["phases"] = (
                draw_phases(course),
                "Mean plastic strain and axial stress of each phase over strain",
                "Averages over each phase. A phase below the dotted line deforms less than the "
                "cell as a whole. Stress is positive in the direction of loading.",
            )
        figures["health"] = (
            draw_health(course),
            "Volume ratios, pressure noise, iterations and errors over strain",
            "Health of the solution over strain: element validity, noise, effort and balance.",
        )
    return figures


def _draw_pictures(record: RunRecord, figures: Path) -> Pictures:
    if not record.phase_names:
        return Pictures({}, "the names of the phases are not known")
    return draw_pictures(record.path / "fields", figures, record.phase_names)


def _picture_section(record: RunRecord, pictures: Pictures) -> Markup:
    parts: list[Content] = []
    if pictures.files:
        colours = phase_colours(record.phase_names)
        parts.append(
            element(
                "p",
                [chip(colours[name], name.replace("_", "-")) for name in record.phase_names],
            )
        )
        captions = {
            "rve_undeformed": "Undeformed, coloured by phase; the half facing you is cut away, "
            "and the lines are the edges of the elements.",
            "rve_deformed": "The same elements after the last snapshot, at the same scale.",
            "rve_plastic_strain": "Equivalent plastic strain there; 1 % of the elements lie beyond "
            "the end of the scale.",
            "rve_mises_stress": "Mises stress there, mean of each element; 1 % of the elements lie "
            "beyond the end of the scale.",
        }
        shown = [
            picture(pictures.files[name].read_bytes(), caption, caption)
            for name, caption in captions.items()
            if name in pictures.files
        ]
        parts.append(element("div", shown, "row"))
    if pictures.obstacle:
        parts.append(box("Pictures are missing.", pictures.obstacle, "warning"))
    return joined(parts)


def _head(record: RunRecord, title: str) -> Markup:
    """Title, state, one sentence and the numbers that are asked for first."""
    summary = record.summary
    state = str(record.status.get("state", "created"))
    # The report of a run is written just before its state is set.
    if state == "running" and summary.get("exit_code") in _STATE_OF_EXIT_CODE:
        state = _STATE_OF_EXIT_CODE[summary["exit_code"]]
    words, level = _STATES.get(state, (state, "neutral"))
    parts: list[Content] = [
        element("h1", title),
        element("p", [badge(words, level), f" {describe_problem(record)}"], "lead"),
    ]
    reason = record.status.get("reason") or summary.get("exit_reason")
    if state not in ("finished", "created") and reason:
        parts.append(box("Why it ended.", str(reason), level))
    if summary.get("mesh_dependent"):
        parts.append(
            box(
                "These results depend on the mesh.",
                "A phase softens without an internal length; see Health.",
                "bad",
            )
        )
    parts.append(element("div", _tiles(summary), "tiles"))
    return joined(parts)


def _tiles(summary: Mapping[str, Any]) -> list[Content]:
    tiles: list[Content] = []

    def tile(value: Any, form: str, label: str) -> None:
        if value is not None:
            tiles.append(
                element("div", [element("b", form.format(value)), element("span", label)], "tile")
            )

    tile(summary.get("true_strain_reached"), "{:.3g}", "true strain reached")
    tile(summary.get("offset_yield_gpa"), "{:.2f} GPa", "yield, 0.2 % offset (Cauchy)")
    at = summary.get("loading_stress_at_true_strain", {})
    for strain in ("0.2", "0.6", "0.8"):
        stress = at.get(strain, {}).get("true_stress_gpa")
        tile(stress, "{:.2f} GPa", f"true (Cauchy) stress at strain {strain}")
    tile(summary.get("n_dofs"), "{:,}", "unknowns")
    tile(summary.get("cpu_s"), "{:.0f} s", "CPU time")
    return tiles
