"""What is made of a run that is there: its comparison with an experiment, and its report."""

from pathlib import Path
from typing import TYPE_CHECKING

from ngcfem.experiment.compare import Comparison, compare_with_pillar
from ngcfem.experiment.pillar_file import read_pillar_data
from ngcfem.results.atomic import write_bytes_atomically, write_json_atomically
from ngcfem.results.history import read_curve
from ngcfem.results.run import RunDirectory

if TYPE_CHECKING:
    from ngcfem.results.curve import StressStrainCurve


def compare_stage(target: Path, data: Path, out: Path | None = None) -> str:
    """Hold a curve against pillar data, feature by feature.

    Parameters
    ----------
    target : Path
        Run directory, or a curve.csv.
    data : Path
        Pillar data (TOML).
    out : Path or None
        Directory of comparison.json and comparison.png; by default that of the curve.

    Returns
    -------
    str
        Table of features.

    Raises
    ------
    InputError
        If a file is missing or not what it should be.
    """
    from ngcfem.report.figures import draw_curve

    file = target / "curve.csv" if target.is_dir() else target
    directory = out or file.parent
    curve: StressStrainCurve = read_curve(file).curve()
    fractions: dict[str, float] = {}
    summary = target / "summary.json"
    if target.is_dir() and summary.exists():
        fractions = RunDirectory(target).read_json("summary.json").get("realized_fractions") or {}
    comparison: Comparison = compare_with_pillar(
        curve, read_pillar_data(data), realized_fractions=fractions
    )
    directory.mkdir(parents=True, exist_ok=True)
    write_json_atomically(directory / "comparison.json", comparison.as_dict())
    write_bytes_atomically(
        directory / "comparison.png",
        draw_curve(comparison.curve, comparison.data, realized_fractions=fractions),
    )
    return comparison.table()


def report_stage(directory: Path) -> str:
    """Write the report of a run; of several runs that belong together, all their results anew.

    Parameters
    ----------
    directory : Path
        Run directory, finished or cut short.

    Returns
    -------
    str
        Where the report is.

    Raises
    ------
    InputError
        If there is no run.
    """
    run = RunDirectory.open(directory)
    if run.is_ensemble:
        # Imported here: the results of an ensemble hold its comparison.
        from ngcfem.workflow.ensemble_results import write_ensemble_results

        return f"report: {write_ensemble_results(directory)}"
    if run.is_objectivity_study:
        from ngcfem.workflow.objectivity import write_objectivity_results

        return f"report: {write_objectivity_results(directory)}"
    from ngcfem.report.document import build_report

    return f"report: {build_report(directory)}"
