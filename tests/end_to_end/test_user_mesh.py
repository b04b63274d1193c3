"""A user's own mesh with TOML alone, through the command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ngcfem.cli.main import app
from ngcfem.results.history import read_curve

MESHES = Path(__file__).resolve().parents[2] / "meshes"
CASE = """
schema_version = 1
[microstructure]
kind = "mesh"
[mesh]
file = "mine.msh"
[[phase]]
name = "matrix"
law = "{law}"
[phase.parameters]
youngs_modulus_gpa = 100.0
poisson_ratio = 0.33
yield_strength_gpa = 1.25
hardening_modulus_gpa = 1.0
{more}
[[phase]]
name = "inclusion"
law = "elastic"
parameters = {{ youngs_modulus_gpa = 204.0, poisson_ratio = 0.29 }}
[load]
boundary = "{boundary}"
kinematics = "{kinematics}"
kind = "uniaxial-stress"
axis = "x"
true_strain = [-0.03, -0.025]
increments = [3, 1]
[output]
fields_every = 3
figures = false
"""


def run(tmp_path: Path, mesh: str, **choices: str) -> tuple[Path, np.ndarray]:
    shutil.copy(MESHES / mesh, tmp_path / "mine.msh")
    case = tmp_path / "case.toml"
    case.write_text(CASE.format(**{"law": "j2", "more": "", **choices}), encoding="utf-8")
    directory = tmp_path / "out"
    result = CliRunner().invoke(app, ["run", str(case), "--out", str(directory)])
    assert result.exit_code == 0, result.output
    return directory, read_curve(directory / "curve.csv").curve().stress_gpa


@pytest.mark.parametrize("kinematics", ["small", "finite"])
@pytest.mark.parametrize("mesh", ["sphere_straight.msh", "sphere_curved_coarse.msh"])
def test_periodic_is_softer_than_uniform_displacement(
    tmp_path: Path, mesh: str, kinematics: str
) -> None:
    (tmp_path / "periodic").mkdir()
    (tmp_path / "uniform").mkdir()
    directory, periodic = run(
        tmp_path / "periodic", mesh, boundary="periodic", kinematics=kinematics
    )
    _, uniform = run(
        tmp_path / "uniform", mesh, boundary="uniform-displacement", kinematics=kinematics
    )
    # Linear displacements on the boundary are one choice among the periodic ones: stiffer.
    loading = slice(1, 4)
    assert (np.abs(uniform[loading]) > 1.001 * np.abs(periodic[loading])).all()
    # The matrix alone yields at 1.25; the elastic sphere raises it, both move together.
    assert 1.25 < abs(periodic[3]) < abs(uniform[3]) < 1.8
    # Unloading by 0.5 % follows the elastic modulus, which lies between those of the phases.
    modulus = abs(periodic[3] - periodic[4]) / 0.005
    assert 100.0 < modulus < 130.0
    summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    assert summary["exit_code"] == 0
    assert sum(summary["realized_fractions"].values()) == pytest.approx(1.0, abs=1e-12)


def test_fields_are_on_the_true_mesh(tmp_path: Path) -> None:
    pyvista = pytest.importorskip("pyvista")
    directory, _ = run(
        tmp_path,
        "sphere_curved_coarse.msh",
        boundary="periodic",
        kinematics="finite",
        law="drucker-prager",
        more="friction_coefficient = 0.1\ndilatancy = 0.02",
    )
    collection = pyvista.get_reader(directory / "fields" / "fields.pvd")
    collection.set_active_time_value(collection.time_values[-1])
    grid = collection.read()[0]
    assert grid.n_cells == 1487
    volumes = grid.compute_cell_sizes(length=False, area=False)["Volume"]
    assert (volumes > 0.0).all()
    assert volumes.sum() == pytest.approx(1.0, rel=1e-3)  # VTK measures the straight tetrahedra
    displacement = grid["displacement [nm]"]
    points = np.asarray(grid.points)
    low, high = points[:, 0] < 1e-9, points[:, 0] > 1.0 - 1e-9
    # A periodic fluctuation leaves the mean distance of opposite faces at the macroscopic stretch.
    distance = displacement[high, 0].mean() - displacement[low, 0].mean()
    assert distance == pytest.approx(np.exp(-0.025) - 1.0, abs=2e-3)
