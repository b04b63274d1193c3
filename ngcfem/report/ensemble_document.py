"""The report of an ensemble: mean curve with its band, scatter, and every realization."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ngcfem.errors import InputError
from ngcfem.report.ensemble_figure import draw_ensemble_curve
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
    number,
    picture,
    table,
)
from ngcfem.report.run_record import RunRecord, read_run
from ngcfem.report.setup_sections import describe_problem, method_section, problem_section
from ngcfem.results.atomic import write_bytes_atomically, write_text_atomically
from ngcfem.results.curve import StressStrainCurve
from ngcfem.results.ensemble import EnsembleCurve, ensemble_curve
from ngcfem.results.run import RunDirectory

_LEVELS: dict[str, Level] = {"finished": "good", "not_converged": "bad", "failed": "bad"}
_SCALARS: tuple[tuple[str, str], ...] = (
    ("modulus_gpa", "initial modulus [GPa]"),
    ("offset_yield_gpa", "yield, 0.2 % offset, Cauchy [GPa]"),
    ("true_strain_reached", "true strain reached"),
    ("hill_mandel_error_maximum", "largest Hill-Mandel error"),
    ("localization_index_final", "localization index at the end"),
    ("n_dofs", "unknowns"),
    ("cpu_s", "CPU time [s]"),
)
_STRESS = "loading_stress_at_true_strain/"


@dataclass(frozen=True, eq=False)
class EnsembleRecord:
    """Content of the directory of an ensemble.

    Parameters
    ----------
    path : Path
        The directory.
    status, summary : mapping
        Content of the files of these names.
    members : mapping of int to RunRecord
        The realizations that have been started, by their number.
    """

    path: Path
    status: Mapping[str, Any]
    summary: Mapping[str, Any]
    members: Mapping[int, RunRecord]

    @property
    def averaged(self) -> tuple[RunRecord, ...]:
        """The realizations that the mean is made of."""
        chosen = self.summary.get("members_of_the_mean", [])
        return tuple(self.members[index] for index in chosen if index in self.members)


def read_ensemble(directory: Path) -> EnsembleRecord:
    """Gather what the directory of an ensemble holds.

    Parameters
    ----------
    directory : Path
        An ensemble whose summary has been written.

    Returns
    -------
    EnsembleRecord
        With a record of each realization that has been started.

    Raises
    ------
    InputError
        If there is no run.
    """
    run = RunDirectory.open(directory)
    summary = run.read_json("summary.json")
    members: dict[int, RunRecord] = {}
    for entry in summary.get("realizations", []):
        try:
            members[int(entry["realization"])] = read_run(directory / entry["directory"])
        except InputError:
            continue
    return EnsembleRecord(directory, run.status(), summary, members)


def build_ensemble_report(directory: Path) -> Path:
    """Write ``report.html`` and its figure from what an ensemble has left.

    Parameters
    ----------
    directory : Path
        An ensemble whose summary has been written, in any state.

    Returns
    -------
    Path
        The report; it links to those of the realizations.

    Raises
    ------
    InputError
        If there is no run.
    ResourceError
        If the disk is full.
    """
    record = read_ensemble(directory)
    figures = directory / "figures"
    figures.mkdir(exist_ok=True)
    title = str(record.summary.get("title") or directory.name)
    sections = {
        "curve": ("Mean curve and comparison", _curve_section(record, figures)),
        "scatter": ("Scatter between the cells", _scatter_section(record)),
        "realizations": ("Realizations", _realization_section(record)),
    }
    first = next(iter(record.members.values()), None)
    if first is not None:
        sections |= {
            "problem": (
                "What was computed, as in the first realization",
                problem_section(first),
            ),
            "method": ("With what", method_section(first)),
        }
    report = directory / "report.html"
    write_text_atomically(report, document(title, sections, _head(record, title, first)))
    return report


def _curve_section(record: EnsembleRecord, figures: Path) -> Markup:
    members = record.averaged
    histories = [member.history for member in members if member.history is not None]
    if not histories or max(len(history.increment) for history in histories) < 2:
        return element("p", "No realization has a curve yet.")
    mean = ensemble_curve(histories)
    data = next((member.data for member in members if member.data is not None), None)
    others = [
        _curve_of(other)
        for index, other in record.members.items()
        if index not in record.summary["members_of_the_mean"]
    ]
    drawing = draw_ensemble_curve(
        mean,
        [history.curve() for history in histories],
        [curve for curve in others if curve is not None],
        data,
        record.summary.get("realized_fractions"),
    )
    write_bytes_atomically(figures / "ensemble_curve.png", drawing)
    caption = (
        f"Mean of {mean.n} realizations (blue) with the 95 % confidence band of the mean (shaded) "
        "and the single realizations (thin grey); below, their difference from the mean."
    )
    parts: list[Content] = [
        picture(drawing, "Mean stress-strain curve of the ensemble with its band", caption)
    ]
    if members[0].comparison is not None:
        parts += [
            element("h3", f"Against: {members[0].comparison.data.title}"),
            _feature_table(record),
        ]
    parts += [element("h3", "How far this can be trusted"), bullets(_honest_words(record, mean))]
    return joined(parts)


def _curve_of(record: RunRecord) -> StressStrainCurve | None:
    history = record.history
    return None if history is None or len(history.increment) < 2 else history.curve()


def _feature_table(record: EnsembleRecord) -> Markup:
    comparison = record.averaged[0].comparison
    assert comparison is not None
    statistics = record.summary.get("features", {})
    rows: list[Sequence[Content]] = []
    for entry in comparison.features:
        feature = entry.feature
        found = statistics.get(feature.name) or {}
        sign = {"none": "", "lower": "\N{GREATER-THAN OR EQUAL TO} ", "upper": "< "}[feature.bound]
        rows.append(
            (
                feature.name,
                fixed(found.get("mean"), 3),
                fixed(found.get("standard_deviation"), 3),
                _interval(found, 3),
                found.get("n"),
                f"{sign}{feature.value:g}",
                f"{feature.standard_uncertainty:.2g}",
                "" if feature.unit == "-" else feature.unit,
            )
        )
    head = (
        "feature",
        "model, mean",
        "standard deviation",
        "95 % interval of the mean",
        "n",
        "measured",
        "uncertainty (1 sigma)",
        "unit",
    )
    return table(head, rows, numeric=range(1, 7))


def _interval(statistic: Mapping[str, Any], digits: int) -> Content:
    if statistic.get("lo95") is None:
        return None
    return f"{statistic['lo95']:.{digits}f} to {statistic['hi95']:.{digits}f}"


def _honest_words(record: EnsembleRecord, mean: EnsembleCurve) -> list[Content]:
    words: list[Content] = []
    number_of_all = record.summary["n_realizations"]
    if mean.n < number_of_all:
        words.append(
            f"The mean is over {mean.n} of {number_of_all} realizations. If the others failed "
            "because of what happened in them, the mean leans towards the cells that deform easily."
        )
    words += [
        "The band says how well the mean of cells of this size is known; it does not say what a "
        "larger cell would give. The standard deviation is that of one cell.",
        "The mean is taken at equal places on the load path, between accepted steps linearly in "
        "the time, which along uniaxial stress is linear in the true strain.",
    ]
    if mean.n < 2:
        words.append("One realization has no scatter: there is no band.")
    elif mean.n < 5:
        words.append(
            f"Student's distribution makes the band of {mean.n} realizations wide, and it takes "
            "the scatter for normal."
        )
    return words


def _scatter_section(record: EnsembleRecord) -> Markup:
    scalars: Mapping[str, Mapping[str, Any]] = record.summary.get("scalars", {})
    named = [(label, scalars[key]) for key, label in _SCALARS if key in scalars]
    for key, entry in scalars.items():
        if key.startswith(_STRESS) and key.endswith("/true_stress_gpa"):
            strain = key.removeprefix(_STRESS).partition("/")[0]
            named.append((f"true (Cauchy) stress at strain {strain} [GPa]", entry))
        if key.startswith("realized_fractions/"):
            phase = key.removeprefix("realized_fractions/").replace("_", "-")
            named.append((f"volume fraction of {phase}", entry))
    rows = [
        (
            label,
            entry["mean"],
            entry["standard_deviation"],
            None
            if entry["lo95"] is None
            else f"{number(entry['lo95'])} to {number(entry['hi95'])}",
            entry["minimum"],
            entry["maximum"],
            entry["n"],
        )
        for label, entry in named
    ]
    if not rows:
        return element("p", "No realization has a summary yet.")
    head = (
        "quantity",
        "mean",
        "standard deviation",
        "95 % interval of the mean",
        "smallest",
        "largest",
        "n",
    )
    note = element("p", "All other numbers are in summary.json, under scalars.", "soft")
    return joined([table(head, rows, numeric=range(1, 7)), note])


def _realization_section(record: EnsembleRecord) -> Markup:
    rows: list[Sequence[Content]] = []
    for entry in record.summary.get("realizations", []):
        index = int(entry["realization"])
        member = record.members.get(index)
        summary = member.summary if member is not None else {}
        name = f"{index:03d}"
        report = record.path / entry["directory"] / "report.html"
        state = str(entry["state"])
        at = summary.get("loading_stress_at_true_strain", {})
        rows.append(
            (
                link(f"{entry['directory']}/report.html", name) if report.exists() else name,
                str(entry["seed"]),
                badge(state.replace("_", " "), _LEVELS.get(state, "warning")),
                fixed(summary.get("true_strain_reached"), 3),
                fixed(summary.get("offset_yield_gpa"), 3),
                fixed(at.get("0.1", {}).get("true_stress_gpa"), 3),
                summary.get("n_dofs"),
                None if summary.get("cpu_s") is None else f"{summary['cpu_s']:.0f}",
                entry.get("reason") if state != "finished" else "",
            )
        )
    head = (
        "realization",
        "seed",
        "state",
        "true strain reached",
        "yield [GPa]",
        "stress at 0.1 [GPa]",
        "unknowns",
        "CPU time [s]",
        "",
    )
    return table(head, rows, numeric=(3, 4, 5, 6, 7))


def _head(record: EnsembleRecord, title: str, first: RunRecord | None) -> Markup:
    summary = record.summary
    finished, wanted = summary.get("n_finished", 0), summary.get("n_realizations", 0)
    level: Level = "good" if finished == wanted else "warning"
    words = f" {wanted} realizations of this"
    if first is not None:
        words += f": {describe_problem(first)}"
    parts: list[Content] = [
        element("h1", title),
        element("p", [badge(f"{finished} of {wanted} finished", level), words], "lead"),
    ]
    failed = [
        f"{entry['realization']:03d}"
        for entry in summary.get("realizations", [])
        if entry.get("exit_code") in (3, 4)
    ]
    if failed:
        parts.append(
            box(
                "Some realizations failed.",
                f"{', '.join(failed)}: see the table of realizations.",
                "bad",
            )
        )
    if any(member.summary.get("mesh_dependent") for member in record.members.values()):
        parts.append(
            box(
                "These results depend on the mesh.",
                "A phase softens without an internal length; see the reports of the realizations.",
                "bad",
            )
        )
    return joined(parts)
