"""A crystal in glass: quadratic convergence, and the same result on two ranks."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

CASE = """
schema_version = 1
seed = 4
[microstructure]
kind = "laminate"
normal = "x"
layers = [{ phase = "a", fraction = 0.4 }, { phase = "b", fraction = 0.6 }]
cell_nm = 9.0
[mesh]
size_nm = 4.5
[[phase]]
name = "a"
law = "crystal-plasticity"
parameters = PARAMETERS
orientation = "random"
[[phase]]
name = "b"
law = "crystal-plasticity"
parameters = PARAMETERS
orientation = [20.0, 50.0, 10.0]
[load]
kind = "uniaxial-stress"
true_strain = -0.03
increments = 3
axis = "y"
[solver]
residual_tolerance = "tight"
[output]
figures = false
fields_every = 3
checkpoint_every_increments = 1
"""
PARAMETERS = (
    "{ c11_gpa = 230.0, c12_gpa = 135.0, c44_gpa = 117.0, initial_slip_resistance_gpa = 1.6, "
    "saturation_slip_resistance_gpa = 2.2, slip_hardening_modulus_gpa = 1.0, "
    'slip_systems = "110+112" }'
)

pytestmark = pytest.mark.slow


def run(directory, ranks):
    case = directory / "crystals.toml"
    case.write_text(CASE.replace("PARAMETERS", PARAMETERS))
    out = directory / f"run{ranks}"
    command = [sys.executable, "-m", "ngcfem", "run", str(case), "--out", str(out)]
    if ranks > 1:
        command += ["--np", str(ranks)]
    subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ))
    return out


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    return run(tmp_path_factory.mktemp("crystal"), 1)


def curve(out):
    lines = [row for row in (out / "curve.csv").read_text().splitlines() if row[:1] != "#"]
    names = lines[0].split(",")
    table = np.array([[float(x) for x in row.split(",")] for row in lines[1:]])
    return {name: table[:, k] for k, name in enumerate(names)}


def test_every_layer_is_one_crystal_with_its_own_lattice(serial):
    entries = json.loads((serial / "crystals.json").read_text())["crystals"]
    assert [(e["phase"], e["crystal"]) for e in entries] == [("a", 0), ("b", 0)]
    np.testing.assert_allclose(entries[1]["orientation_euler_deg"], [20.0, 50.0, 10.0], atol=1e-9)
    volumes = [e["volume_nm3"] for e in entries]
    np.testing.assert_allclose(volumes, [0.4 * 729.0, 0.6 * 729.0], rtol=1e-9)


def test_newton_converges_in_few_iterations_to_a_tight_tolerance(serial):
    """To 1e-11 in at most six iterations a step, with plastic flow and no cut-back."""
    steps = curve(serial)
    newton = next(values for name, values in steps.items() if name.startswith("newton"))
    cutbacks = next(values for name, values in steps.items() if name.startswith("cutbacks"))
    assert newton[1:].max() <= 6
    assert cutbacks.max() == 0


def test_two_ranks_give_the_same_curve(serial):
    parallel = curve(run(serial.parent, 2))
    for name, values in curve(serial).items():
        if "stress" in name or "gradient" in name:
            np.testing.assert_allclose(parallel[name], values, rtol=0, atol=1e-9)
