"""What a run of a softening material says of localization: on one rank, on two, or not at all."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CASE = """
schema_version = 1
title = "Weak disc in a glass that hardens, then softens"

[microstructure]
kind = "sphere"
dimension = 2
fraction = 0.06
cell_nm = [12.0, 12.0]

[mesh]
size_nm = 2.0

[[phase]]
name = "matrix"
law = "j2"

[phase.parameters]
youngs_modulus_gpa = 140.0
poisson_ratio = 0.33
yield_strength_gpa = 2.0
voce_hardening_gpa = 1.0
voce_rate = 100.0
softening_gpa = 0.6
softening_strain = 0.05

[[phase]]
name = "inclusion"
law = "j2"
parameters = { youngs_modulus_gpa = 140.0, poisson_ratio = 0.33, yield_strength_gpa = 1.0 }

[load]
kind = "uniaxial-stress"
axis = "y"
true_strain = -0.08
increments = 16

[solver]
mesh_dependent = true

[output]
fields_every = 0
"""


def run(directory: Path, name: str, ranks: int = 1, change: tuple[str, str] = ("", "")) -> Path:
    case = directory / f"{name}.toml"
    case.write_text(CASE.replace(*change) if change[0] else CASE)
    command = [sys.executable, "-m", "ngcfem", "run", str(case), "--out", str(directory / name)]
    finished = subprocess.run(
        [*command, "--np", str(ranks)], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return directory / name


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("localization"), "serial")


def localization(directory: Path):
    return json.loads((directory / "summary.json").read_text())["localization"]


def test_ellipticity_is_lost_where_the_strength_of_the_matrix_has_its_peak(serial):
    """In plane strain the critical modulus is near 0, so bands become possible at the peak."""
    found = localization(serial)["ellipticity"]
    assert found["phases"] == ["matrix"]
    first = found["first_loss"]
    assert first["phase"] == "matrix"
    assert abs(first["angle_deg"] - 45.0) < 3.0
    # slope Q b exp(-b k) - D/k_c exp(-k/k_c) = 100 exp(-100 k) - 12 exp(-20 k): 0 at k = 0.0265
    peak = np.log(100.0 / 12.0) / 80.0
    summary = json.loads((serial / "summary.json").read_text())
    course = summary["course"]["phases"]["matrix"]
    mean = course["mean_equivalent_plastic_strain"][first["increment"]]
    spread = course["std_equivalent_plastic_strain"][first["increment"]]
    # the points that flow most are ahead of the mean by two or three deviations
    assert mean < peak < mean + 5.0 * spread + 0.005
    assert 0.0 < first["lost_share"] < 1.0
    assert found["at_end"]["lost_share"] > first["lost_share"]
    log = [json.loads(line) for line in (serial / "log.jsonl").read_text().splitlines()]
    (event,) = [entry for entry in log if entry["event"] == "ellipticity_lost"]
    assert event["true_strain"] == first["true_strain"]


def test_bands_serrations_and_their_picture_are_in_summary_and_report(serial):
    found = localization(serial)
    assert found["bands"]["number"] == len(found["bands"]["bands"])
    # The curve softens to its end, which is no serration.
    assert found["serrations"]["number"] == 0
    assert found["serrations"]["fall_at_end_gpa"] > 0.0
    assert (serial / "figures" / "bands.png").stat().st_size > 5_000
    page = (serial / "report.html").read_text()
    for heading in ("First loss of ellipticity", "Bands at the end", "Serrations of the curve"):
        assert heading in page
    share = json.loads((serial / "summary.json").read_text())["timers_s"]
    assert share["localization"] > 0.0


@pytest.mark.slow
def test_two_ranks_say_the_same(serial, tmp_path):
    one, two = localization(serial), localization(run(tmp_path, "parallel", 2))
    first, second = one["ellipticity"]["first_loss"], two["ellipticity"]["first_loss"]
    assert first["increment"] == second["increment"]
    assert first["sampled"] == second["sampled"]
    assert first["lost_share"] == second["lost_share"]
    # the solver's tolerance of 1e-7 is what the two runs may differ by
    assert abs(first["angle_deg"] - second["angle_deg"]) < 1e-3
    assert abs(first["determinant"] - second["determinant"]) < 1e-5
    assert one["bands"]["number"] == two["bands"]["number"]
    for name in ("threshold_strain", "volume_share_above", "localization_index"):
        assert abs(one["bands"][name] - two["bands"][name]) < 1e-5


@pytest.mark.slow
def test_the_key_turns_it_off(tmp_path):
    directory = run(
        tmp_path, "off", change=("fields_every = 0", "fields_every = 0\nlocalization = false")
    )
    assert localization(directory) is None
    assert not (directory / "plastic_strain.npz").exists()
    assert "First loss of ellipticity" not in (directory / "report.html").read_text()
