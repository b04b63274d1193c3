"""Ensembles on the command line: results, failures, resuming, one process and two."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ngcfem.case.realizations import realization_seed
from ngcfem.cli.main import app
from ngcfem.results.history import read_curve

CASES = Path(__file__).resolve().parents[2] / "cases"
TIMEOUT_S = 600
SEED = 7
CASE = """\
schema_version = 1
title = "Small ensemble"
seed = {seed}

[statistics]
file = "{cases}/data/fe90sc10_statistics.json"

[microstructure]
kind = "nanoglass"
n_grains = 2
{ensemble}

[mesh]
size_nm = 4.0

[[phase]]
name = "grain"
law = "j2"
[phase.parameters]
youngs_modulus_gpa = 140.0
poisson_ratio = 0.33
yield_strength_gpa = 2.7

[[phase]]
name = "interface"
law = "j2"
[phase.parameters]
youngs_modulus_gpa = 100.0
poisson_ratio = 0.33
yield_strength_gpa = 1.8

[load]
kind = "uniaxial-stress"
true_strain = -0.06
increments = 3

[solver]
{solver}

[output]
fields_every = 0
checkpoint_every_increments = 1
figures = {figures}
"""


def write_case(
    path: Path,
    realizations: int = 2,
    seed: int = SEED,
    solver: str = "",
    figures: str = "false",
) -> Path:
    path.write_text(
        CASE.format(
            cases=CASES,
            seed=seed,
            ensemble=f"n_realizations = {realizations}" if realizations > 1 else "",
            solver=solver,
            figures=figures,
        )
    )
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("ensemble")
    case = write_case(directory / "case.toml", figures="true")
    code, said = run("run", case, "--out", directory / "run")
    assert code == 0, said
    assert "realization 001 (2 of 2)" in said
    return directory / "run"


def test_the_mean_is_that_of_the_realizations(ensemble):
    members = [read_curve(ensemble / "realizations" / f"{n:03d}" / "curve.csv") for n in (0, 1)]
    mean = read_curve(ensemble / "curve.csv")
    assert list(mean.increment) == [0, 1, 2, 3]
    stresses = np.array([m.first_piola_kirchhoff_stress for m in members])
    assert np.abs(stresses[0] - stresses[1]).max() > 1e-6, "two cells differ"
    np.testing.assert_allclose(
        mean.first_piola_kirchhoff_stress, stresses.mean(axis=0), rtol=0.0, atol=1e-12
    )
    with (ensemble / "ensemble_curve.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    last = stresses[:, -1, 2, 2]
    # t(0.975, 1) = 12.706, divided by the root of 2 and times |a - b| / root of 2
    half = 12.7062 * abs(last[0] - last[1]) / 2.0
    assert float(rows[-1]["engineering_stress_hi95_gpa"]) == pytest.approx(
        last.mean() + half, abs=1e-6
    )


def test_summary_and_report_speak_of_all(ensemble):
    summary = read(ensemble / "summary.json")
    assert summary["n_finished"] == summary["n_realizations"] == 2
    assert [entry["seed"] for entry in summary["realizations"]] == [
        SEED,
        realization_seed(SEED, 1),
    ]
    members = [read(ensemble / "realizations" / f"{n:03d}" / "summary.json") for n in (0, 1)]
    moduli = [member["modulus_gpa"] for member in members]
    found = summary["scalars"]["modulus_gpa"]
    assert found["mean"] == pytest.approx(np.mean(moduli), rel=1e-14)
    assert found["standard_deviation"] == pytest.approx(np.std(moduli, ddof=1), rel=1e-9)
    # Each realization counts its own time, not that of those before it.
    costs = [member["cpu_s"] for member in members]
    assert costs[1] < costs[0] + costs[1] - 0.1
    report = (ensemble / "report.html").read_text()
    assert 'href="realizations/001/report.html"' in report
    assert "Mean of 2 realizations" in report
    assert (ensemble / "realizations" / "001" / "report.html").exists()


def test_a_realization_can_be_made_alone(ensemble, tmp_path):
    """The first is the case without an ensemble; another is the case with the seed it states."""
    for index, seed in ((0, SEED), (1, realization_seed(SEED, 1))):
        case = write_case(tmp_path / f"alone_{index}.toml", realizations=1, seed=seed)
        out = tmp_path / f"run_{index}"
        code, said = run("run", case, "--out", out)
        assert code == 0, said
        alone = read_curve(out / "curve.csv")
        member = read_curve(ensemble / "realizations" / f"{index:03d}" / "curve.csv")
        np.testing.assert_allclose(
            member.first_piola_kirchhoff_stress,
            alone.first_piola_kirchhoff_stress,
            rtol=0.0,
            atol=1e-10,
        )


def test_a_finished_ensemble_is_not_run_again(ensemble):
    code, said = run("resume", ensemble)
    assert code == 2
    assert "nothing is left to do" in said


def test_the_report_can_be_written_anew(ensemble):
    (ensemble / "report.html").unlink()
    (ensemble / "curve.csv").unlink()
    code, said = run("report", ensemble)
    assert code == 0, said
    assert (ensemble / "report.html").exists()
    assert len(read_curve(ensemble / "curve.csv").increment) == 4


def test_realizations_that_fail_are_recorded_and_the_others_go_on(tmp_path):
    """One Newton iteration and no cut-back: no cell gets through."""
    case = write_case(
        tmp_path / "case.toml",
        solver="minimum_increment_fraction = 1.0\nmaximum_newton_iterations = 1",
    )
    out = tmp_path / "run"
    code, said = run("run", case, "--out", out)
    assert code == 3, said
    assert "2 of 2 realizations failed (not converged: 000, 001)" in said
    status = read(out / "status.json")
    assert (status["state"], status["exit_code"]) == ("not_converged", 3)
    for index in (0, 1):
        member = read(out / "realizations" / f"{index:03d}" / "status.json")
        assert member["state"] == "not_converged"
    summary = read(out / "summary.json")
    assert summary["n_finished"] == 0
    assert all("no equilibrium" in entry["reason"] for entry in summary["realizations"])


def test_one_failure_does_not_hide_the_others(ensemble, tmp_path):
    """A refused realization beside a finished one: the mean is that of the finished ones."""
    out = tmp_path / "run"
    shutil.copytree(ensemble, out)
    case = out / "case.resolved.toml"
    member = out / "realizations" / "001"
    status = read(member / "status.json") | {
        "state": "failed",
        "exit_code": 4,
        "reason": "the crystals do not fit",
    }
    (member / "status.json").write_text(json.dumps(status))
    (member / "curve.csv").unlink()
    (member / "summary.json").unlink()
    shutil.rmtree(member / "checkpoints")
    (out / "status.json").write_text(
        json.dumps(read(out / "status.json") | {"state": "interrupted", "exit_code": 5})
    )
    # Going on after an interruption leaves the failed realization alone and says how it ended.
    code, said = run("resume", out)
    assert code == 4, said
    assert "cell or mesh refused: 001" in said
    assert "increment" not in said
    summary = read(out / "summary.json")
    assert summary["members_of_the_mean"] == [0]
    assert summary["scalars"]["modulus_gpa"]["n"] == 1
    assert "the crystals do not fit" in (out / "report.html").read_text()
    # Once the ensemble has come to its end, the failed one is tried again.
    code, said = run("run", case, "--out", out, "--resume")
    assert code == 0, said
    assert read(out / "summary.json")["n_finished"] == 2


def ngcfem(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ngcfem.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        said, _ = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    return process.returncode, said


def test_stopped_in_the_second_realization_on_two_processes_and_resumed(ensemble, tmp_path):
    out = tmp_path / "run"
    process = ngcfem("run", ensemble / "case.resolved.toml", "--out", out, "--np", "2")
    curve = out / "realizations" / "001" / "curve.csv"
    give_up = time.monotonic() + TIMEOUT_S
    while not curve.exists():
        assert process.poll() is None, end_of(process)[1]
        assert time.monotonic() < give_up
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    code, said = end_of(process)
    assert code == 5, said
    assert read(out / "status.json")["state"] == "interrupted"
    assert read(out / "realizations" / "000" / "status.json")["state"] == "finished"
    finished = (out / "realizations" / "000" / "curve.csv").stat().st_mtime_ns
    code, said = end_of(ngcfem("resume", out))
    assert code == 0, said
    assert (out / "realizations" / "000" / "curve.csv").stat().st_mtime_ns == finished
    expected, found = (read_curve(path / "curve.csv") for path in (ensemble, out))
    # the residual tolerance is 1e-7 of forces of a few GPa
    np.testing.assert_allclose(
        found.first_piola_kirchhoff_stress,
        expected.first_piola_kirchhoff_stress,
        rtol=0.0,
        atol=1e-5,
    )
