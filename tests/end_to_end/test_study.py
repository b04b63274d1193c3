"""``ngcfem study``: runs what is left, reuses what is there, and shows all on one page."""

import json
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from ngcfem.cli.main import app
from ngcfem.results.fields import read_last_fields
from ngcfem.results.history import read_curve

CASE = """\
schema_version = 1
[microstructure]
kind = "homogeneous"
dimension = 2
phase = "grain"
cell_nm = [8.0, 12.0]
[mesh]
size_nm = 2.0
[[phase]]
name = "grain"
law = "j2"
parameters = {{ youngs_modulus_gpa = 140.0, poisson_ratio = 0.33, yield_strength_gpa = {strength} }}
[[imperfection.region]]
centre = [0.5, 0.5]
radius_nm = 2.5
strength_factor = 0.5
[load]
kind = "uniaxial-stress"
axis = "y"
true_strain = -0.03
increments = 4
[output]
figures = false
"""
STUDY = """\
schema_version = 1
title = "Two strengths"
same = ["microstructure", "mesh", "imperfection", "load"]
[[case]]
name = "strong glass"
file = "strong.toml"
[[case]]
name = "weak glass"
file = "weak.toml"
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "strong.toml").write_text(CASE.format(strength=2.5))
    (tmp_path / "weak.toml").write_text(CASE.format(strength=1.25))
    (tmp_path / "study.toml").write_text(STUDY)

    def call(*arguments):
        return CliRunner().invoke(app, [*arguments])

    return call


def test_a_study_runs_reuses_and_reports(run, tmp_path):
    strong = run("run", "strong.toml")
    assert strong.exit_code == 0, strong.stderr
    before = time.process_time()
    first = run("study", "study.toml")
    spent = time.process_time() - before
    assert first.exit_code == 0, first.stderr
    # The run of the case itself is taken as it is.
    assert "strong glass (1 of 2)" in first.stdout
    assert first.stdout.count("finished before") == 1
    (directory,) = (tmp_path / "runs").glob("study-*")
    document = json.loads((directory / "study.json").read_text())
    assert [entry["state"] for entry in document["cases"]] == ["finished", "finished"]
    for entry in document["cases"]:
        curve = read_curve(tmp_path / entry["directory"] / "curve.csv").curve()
        assert entry["peak_stress_gpa"] == pytest.approx(curve.loading_stress_gpa.max())
        assert entry["final_strain"] == pytest.approx(0.03)
    # Each case counts its own time, not that of what the process did before.
    weak = json.loads((tmp_path / document["cases"][1]["directory"] / "summary.json").read_text())
    assert 0.0 < weak["cpu_s"] <= spent
    # Half the strength of a law that does not harden: half the stress, but for the elastic part.
    peaks = [entry["peak_stress_gpa"] for entry in document["cases"]]
    assert peaks[1] == pytest.approx(0.5 * peaks[0], rel=0.1)
    page = (directory / "report.html").read_text()
    for words in ("Two strengths", "strong glass", "weak glass", "data:image/png", "not recorded"):
        assert words in page
    again = run("study", "study.toml")
    assert again.stdout.count("finished before") == 2
    assert "increment" not in again.stdout


def test_a_directory_of_something_else_is_refused(run, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "thesis.txt").write_text("mine")
    result = run("study", "study.toml", "--out", "here")
    assert result.exit_code == 2
    assert "another --out" in result.stderr
    assert (tmp_path / "here" / "thesis.txt").read_text() == "mine"
    (tmp_path / "study.toml").write_text(STUDY.replace('"load"', '"load", "solver"'))
    (tmp_path / "weak.toml").write_text(
        CASE.format(strength=1.0).replace("[output]", "[solver]\nviscosity_gpa_s = 1.0\n[output]")
    )
    result = run("study", "study.toml")
    assert result.exit_code == 2
    assert "solver.viscosity_gpa_s = 1" in result.stderr


def test_fields_read_back_are_those_of_the_mesh(run, tmp_path):
    assert run("run", "strong.toml", "--out", "r").exit_code == 0
    fields = read_last_fields(tmp_path / "r" / "fields")
    assert fields is not None
    assert fields.dimension == 2
    assert fields.volumes.sum() == pytest.approx(96.0)
    np.testing.assert_allclose(fields.volumes @ fields.centres_nm / 96.0, [4.0, 6.0], atol=1e-6)
    assert fields.point_data["displacement [nm]"].shape == (len(fields.points), 3)
    assert fields.cell_data["cauchy_stress [GPa]"].shape == (len(fields.cells), 3, 3)
    weak = fields.cell_data["strength_factor [-]"] < 0.6
    assert np.linalg.norm(fields.centres_nm[weak] - [4.0, 6.0], axis=1).max() < 2.6
