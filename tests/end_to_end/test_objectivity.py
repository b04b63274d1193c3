"""A case on two meshes: what the study states, with and without an internal length."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ngcfem.cli.main import app

# A strip under shear with a weaker layer of 3 nm in its middle.
CASE = """\
schema_version = 1
title = "Sheared strip"

[microstructure]
kind = "laminate"
dimension = 2
normal = "x"
cell_nm = [24.0, 12.0]
layers = [
    {{ phase = "strip", fraction = 0.4375 }},
    {{ phase = "weak", fraction = 0.125 }},
    {{ phase = "strip", fraction = 0.4375 }},
]

[mesh]
size_nm = 1.5
pattern = "diagonal"

[[phase]]
name = "strip"
law = "j2"
[phase.parameters]
{parameters}
yield_strength_gpa = 2.5

[[phase]]
name = "weak"
law = "j2"
[phase.parameters]
{parameters}
yield_strength_gpa = 2.4875

[load]
kind = "mixed"
kinematics = "small"
axis = "y"
[[load.segment]]
deformation_gradient = [[1.0, 0.0, 0.0], [0.0288, 1.0, 0.0], [0.0, 0.0, 1.0]]
duration_s = 1.0
increments = 2
[[load.segment]]
deformation_gradient = [[1.0, 0.0, 0.0], [0.045, 1.0, 0.0], [0.0, 0.0, 1.0]]
duration_s = 1.0
increments = 6

[solver]
{solver}

[output]
fields_every = 0
figures = false
"""
LENGTH_NM = 1.05
ELASTIC = """\
youngs_modulus_gpa = 130.0
poisson_ratio = 0.3
softening_gpa = 0.3
softening_strain = 0.1"""


def write_case(path: Path, length_nm: float) -> Path:
    parameters = ELASTIC
    solver = "mesh_dependent = true"
    if length_nm > 0.0:
        parameters += f"\ncharacteristic_length_nm = {length_nm}"
        solver = ""
    path.write_text(CASE.format(parameters=parameters, solver=solver))
    return path


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_length_makes_two_meshes_agree(tmp_path):
    case = write_case(tmp_path / "strip.toml", LENGTH_NM)
    study = tmp_path / "study"
    output = invoke("run", case, "--objectivity", "--out", study)
    assert "coarse mesh (1 of 2), size_nm = 1.5" in output
    assert "fine mesh (2 of 2), size_nm = 0.75" in output
    document = json.loads((study / "objectivity.json").read_text())
    coarse, fine = (document["resolutions"][name] for name in ("coarse", "fine"))
    assert fine["n_cells"] == 4 * coarse["n_cells"]
    assert fine["mean_element_size_nm"] == pytest.approx(0.5 * coarse["mean_element_size_nm"])
    # Elements of 1.4 lengths are too coarse for the width, not for the curve.
    assert document["verdict"]["curve"] is True
    assert document["verdict"]["dissipation"] is True
    assert "the elements of strip are" in output
    # One band along y. Its strain follows cos(x / l) + cos(pi / 4) over 1.5 pi lengths (weight 2),
    # of which the part above twice the mean is found.
    profile = np.cos(np.linspace(0.0, 0.75 * np.pi, 2001)) + math.sqrt(0.5)
    mean = profile.mean() * 1.5 * np.pi * LENGTH_NM / 24.0
    expected = (profile > 2.0 * mean).mean() * 1.5 * np.pi * LENGTH_NM
    assert fine["number_of_bands"] == 1
    assert abs(fine["band_width_nm"] - expected) < fine["mean_element_size_nm"]
    assert fine["band_angle_deg"] == pytest.approx(0.0, abs=1.0)
    # What is compared is what curve.csv holds: the work of the shear by the trapezoidal rule.
    curves = [
        np.genfromtxt(study / entry["directory"] / "curve.csv", delimiter=",", names=True)
        for entry in (coarse, fine)
    ]
    stress = [curve["P21_gpa"] for curve in curves]
    work = [np.trapezoid(s, curve["F21"]) for s, curve in zip(stress, curves, strict=True)]
    assert work[1] == pytest.approx(fine["work_gpa"], rel=1e-6)
    # Uniform shear stress: the elastic energy is that of the stress over the shear modulus 50 GPa.
    elastic = stress[1][-1] ** 2 / 100.0
    assert fine["elastic_energy_gpa"] == pytest.approx(elastic, rel=2e-3)
    assert fine["dissipated_energy_gpa"] == pytest.approx(work[1] - elastic, rel=2e-3)
    largest = np.abs(stress[1] - stress[0]).max() / np.abs(stress[1]).max()
    found = document["comparison"]["largest_curve_difference"]
    assert found == pytest.approx(largest, rel=0.05, abs=2e-5)
    # The results can be written anew, here with the report that the case leaves out.
    before = (study / "objectivity.json").read_text()
    assert "report: " in invoke("report", study)
    assert (study / "objectivity.json").read_text() == before
    assert "differs" in (study / "report.html").read_text()
    assert (study / "figures" / "objectivity.png").stat().st_size > 1000


DISC = """\
schema_version = 1
[microstructure]
kind = "sphere"
dimension = 2
fraction = 0.03
cell_nm = 20.0
[mesh]
size_nm = 2.0
[[phase]]
name = "matrix"
law = "j2"
parameters = {{ {parameters}, yield_strength_gpa = 2.5, softening_gpa = 0.5 }}
[[phase]]
name = "inclusion"
law = "j2"
parameters = {{ {parameters}, yield_strength_gpa = 2.25, softening_gpa = 0.45 }}
[load]
kind = "uniaxial-stress"
axis = "y"
true_strain = [-0.018, -0.05]
increments = [1, 8]
[solver]
mesh_dependent = true
[output]
figures = false
"""


def test_without_a_length_the_bands_are_as_wide_as_the_elements(tmp_path):
    """Bands from a weak disc in plane strain, at 45 degrees."""
    case = tmp_path / "disc.toml"
    parameters = "youngs_modulus_gpa = 130.0, poisson_ratio = 0.3, softening_strain = 0.1"
    case.write_text(DISC.format(parameters=parameters))
    invoke("run", case, "--objectivity", "--out", tmp_path / "study")
    document = json.loads((tmp_path / "study" / "objectivity.json").read_text())
    coarse, fine = (document["resolutions"][name] for name in ("coarse", "fine"))
    assert not document["softening_has_length"]
    assert document["verdict"]["band_width"] is False
    assert fine["band_width_nm"] < 0.8 * coarse["band_width_nm"]
    assert fine["band_angle_deg"] == pytest.approx(45.0, abs=5.0)
    # Narrower bands soften faster.
    assert document["comparison"]["final_curve_difference"] < -0.005


def test_a_study_that_was_stopped_goes_on(tmp_path):
    case = write_case(tmp_path / "strip.toml", LENGTH_NM)
    whole, part = tmp_path / "whole", tmp_path / "part"
    invoke("run", case, "--objectivity", "--out", whole)
    invoke("run", case, "--objectivity", "--out", part)
    # As a kill during the second run leaves it.
    fine = part / "resolutions" / "fine"
    for directory in (part, fine):
        status = json.loads((directory / "status.json").read_text())
        (directory / "status.json").write_text(json.dumps({**status, "state": "running"}))
    coarse = (part / "resolutions" / "coarse" / "log.jsonl").read_text()
    invoke("resume", part)
    assert (part / "resolutions" / "coarse" / "log.jsonl").read_text() == coarse
    first, second = (
        json.loads((path / "objectivity.json").read_text())["comparison"] for path in (whole, part)
    )
    assert first == pytest.approx(second, rel=1e-9)


def test_what_has_no_second_mesh_is_refused(tmp_path):
    statistics = Path(__file__).resolve().parents[2] / "cases" / "data"
    text = (statistics.parent / "demo.toml").read_text()
    text = text.replace("n_grains = 8", "n_grains = 8\nn_realizations = 3")
    text = text.replace("data/", f"{statistics}/").replace(
        'parameters = "', f'parameters = "{statistics.parent}/materials/'
    )
    case = tmp_path / "ensemble.toml"
    case.write_text(text)
    arguments = ["run", str(case), "--objectivity", "--realization", "1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "--realization" in result.output
    assert "n_realizations" in result.output
    assert not (tmp_path / "runs").exists()
