"""Results of an ensemble, from what its realizations have written."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ngcfem.case.realizations import realization_seed
from ngcfem.case.schema import Case, load_case
from ngcfem.experiment.compare import Comparison, compare_with_pillar
from ngcfem.experiment.pillar_file import read_pillar_data
from ngcfem.results.ensemble import (
    Statistic,
    ensemble_curve,
    scalar_statistics,
    write_ensemble_curve,
)
from ngcfem.results.history import History, read_curve, write_curve
from ngcfem.results.run import RunDirectory
from ngcfem.workflow.evaluation import compare_stage

ENSEMBLE_SUMMARY_VERSION = 1


def write_ensemble_results(directory: Path, with_report: bool = True) -> Path:
    """Write curve.csv, ensemble_curve.csv, summary.json, comparison and report of an ensemble.

    Parameters
    ----------
    directory : Path
        Directory of the ensemble; its realizations may be in any state.
    with_report : bool
        Whether the report is written too.

    Returns
    -------
    Path
        Where the report is, or would be.

    Raises
    ------
    InputError
        If there is no run.
    ResourceError
        If the disk is full.

    Notes
    -----
    The mean is taken over the realizations that came to the end of the load path; if there are
    fewer than two, over all that have a curve, up to where the first of them ends. Realizations
    that stopped before the end would otherwise shorten the mean to their own length, or drop out
    of it on the way and leave a jump. The summary names the members, and the report says that a
    mean over those that came through may be biased.
    """
    ensemble = RunDirectory.open(directory)
    case = load_case(ensemble.resolved_case_file)
    entries, summaries, histories = _read_members(case, ensemble)
    finished = [index for index, entry in enumerate(entries) if entry["state"] == "finished"]
    started = [index for index, history in enumerate(histories) if history is not None]
    members = finished if len(finished) > 1 else started
    curves = [history for index in members if (history := histories[index]) is not None]
    if curves:
        curve = ensemble_curve(curves)
        write_curve(ensemble.curve_file, curve.mean)
        write_ensemble_curve(ensemble.path / "ensemble_curve.csv", curve)
    scalars = scalar_statistics([summaries[index] for index in members if summaries[index]])
    prefix = "realized_fractions/"
    fractions = {
        key.removeprefix(prefix): value["mean"]
        for key, value in scalars.items()
        if key.startswith(prefix)
    }
    ensemble.write_json(
        "summary.json",
        {
            "schema_version": ENSEMBLE_SUMMARY_VERSION,
            "kind": "ensemble",
            "title": case.title,
            "case_hash": case.case_hash,
            "seed": case.seed,
            "axis": case.load.axis,
            "kinematics": case.load.kinematics,
            "n_realizations": case.n_realizations,
            "n_finished": len(finished),
            "members_of_the_mean": members,
            "realized_fractions": fractions,
            "realizations": entries,
            "features": _feature_statistics(case, curves),
            "scalars": scalars,
        },
    )
    if curves and case.compare_path is not None and len(curves[0].increment) > 1:
        compare_stage(ensemble.path, case.compare_path, ensemble.path)
    if with_report:
        from ngcfem.report.ensemble_document import build_ensemble_report

        build_ensemble_report(directory)
    return ensemble.report_file


def _read_members(
    case: Case, ensemble: RunDirectory
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[History | None]]:
    entries: list[dict[str, Any]] = []
    summaries: list[dict[str, Any]] = []
    histories: list[History | None] = []
    for index in range(case.n_realizations):
        member = RunDirectory(ensemble.realizations_directory / f"{index:03d}")
        status = member.status()
        assert case.seed is not None
        entries.append(
            {
                "realization": index,
                "seed": realization_seed(case.seed, index),
                "directory": str(member.path.relative_to(ensemble.path)),
                "state": status.get("state", "not started"),
                "exit_code": status.get("exit_code"),
                "reason": status.get("reason", ""),
            }
        )
        summaries.append(member.read_json("summary.json"))
        histories.append(read_curve(member.curve_file) if member.curve_file.exists() else None)
    return entries, summaries, histories


def _feature_statistics(case: Case, curves: list[History]) -> dict[str, Any]:
    """Scatter of what each realization says to the features of the pillar data."""
    if case.compare_path is None:
        return {}
    data = read_pillar_data(case.compare_path)
    comparisons: list[Comparison] = [
        compare_with_pillar(curve.curve(), data) for curve in curves if len(curve.increment) > 1
    ]
    features: dict[str, Any] = {}
    for number, feature in enumerate(data.features):
        values = [comparison.features[number].model for comparison in comparisons]
        known = [value for value in values if value is not None]
        features[feature.name] = asdict(Statistic.of(known)) if known else None
    return features
