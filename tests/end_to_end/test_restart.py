"""Going on from a saved state: in one process, on more processes, after SIGTERM and SIGKILL."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpi4py import MPI

import numpy as np
import pytest
from typer.testing import CliRunner

from ngcfem.cli.main import app
from ngcfem.constitutive.material import Material
from ngcfem.fem.periodic import build_representative_volume
from ngcfem.fem.problem import PeriodicProblem
from ngcfem.fem.solver_options import SolverOptions
from ngcfem.loading.path import LoadPath, LoadSegment
from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.writing import write_mesh
from ngcfem.microstructure.simple_cells import sphere_cell
from ngcfem.results.history import History, read_curve

TIMEOUT_S = 600
FREE = np.nan
TIGHT = SolverOptions(residual_tolerance=1e-11)

MATERIALS = {
    "matrix": Material(
        "matrix",
        "drucker-prager",
        {
            "youngs_modulus_gpa": 100.0,
            "poisson_ratio": 0.33,
            "yield_strength_gpa": 1.5,
            "hardening_modulus_gpa": 0.5,
            "friction_coefficient": 0.12,
            "rate_sensitivity": 0.02,
        },
    ),
    "inclusion": Material(
        "inclusion",
        "j2",
        {"youngs_modulus_gpa": 204.0, "poisson_ratio": 0.29, "yield_strength_gpa": 2.0},
    ),
}


def load_path() -> LoadPath:
    """Three segments: compressed, sheared from where that has come to, unloaded by stress."""
    segments = [
        ([[FREE, 0.0, 0.0], [FREE, FREE, 0.0], [FREE, FREE, 0.96]], 3, 30.0),
        ([[1.03, 0.03, 0.0], [0.0, FREE, 0.0], [0.0, 0.01, 0.95]], 3, 30.0),
        ([[FREE, 0.03, 0.0], [0.0, FREE, 0.0], [0.0, 0.01, FREE]], 2, 2.0),
    ]
    return LoadPath(
        [
            LoadSegment(np.array(gradient), np.zeros((3, 3)), duration_s, increments)
            for gradient, increments, duration_s in segments
        ]
    )


@pytest.fixture(scope="module")
def mesh() -> PeriodicMesh:
    return generate_mesh(sphere_cell(0.2), 4.0, use_cache=False)


def fresh_problem(mesh: PeriodicMesh, boundary: Any) -> PeriodicProblem:
    volume = build_representative_volume(MPI.COMM_SELF, mesh, boundary == "periodic")
    return PeriodicProblem(volume, MATERIALS, "finite", boundary, TIGHT)


def curve_of(rows: Sequence[Any]) -> np.ndarray:
    return np.array(
        [
            [
                row.time_s,
                *row.deformation_gradient.ravel(),
                *row.first_piola_kirchhoff_stress.ravel(),
            ]
            for row in rows
        ]
    )


@pytest.mark.parametrize("boundary", ["periodic", "uniform-displacement"])
def test_a_restored_problem_goes_on_as_if_nothing_had_been(boundary, mesh):
    path = load_path()
    marching = fresh_problem(mesh, boundary)
    rows, saved = [], {}
    for row in marching.march(path):
        rows.append(row)
        saved[row.increment] = marching.checkpoint()
    expected = curve_of(rows)
    # Within the first segment, at the end of it, and before the last increment.
    for number in (2, 3, 7):
        arrays, metadata = saved[number]
        restored = fresh_problem(mesh, boundary)
        # What goes through a file goes through JSON.
        restored.restore(arrays, json.loads(json.dumps(metadata)))
        assert restored.position == number
        again, metadata_again = restored.checkpoint()
        assert metadata_again == metadata
        for name, array in arrays.items():
            # nodal values are means over cells, which round
            np.testing.assert_allclose(again[name], array, rtol=0.0, atol=1e-14, err_msg=name)
        following = list(restored.march(path))
        assert [row.increment for row in following] == list(range(number + 1, 9))
        # Sums over cells may round otherwise; the conditioning of the cell is a few hundred.
        np.testing.assert_allclose(
            curve_of(following), expected[number + 1 :], rtol=0.0, atol=1e-11
        )


CONTINUE_PROGRAM = """
import importlib.util
import json
import sys
from pathlib import Path

from mpi4py import MPI

import numpy as np

from ngcfem.fem.periodic import build_representative_volume
from ngcfem.fem.problem import PeriodicProblem
from ngcfem.mesh.reading import read_written_mesh

specification = importlib.util.spec_from_file_location("restart", sys.argv[1])
restart = importlib.util.module_from_spec(specification)
specification.loader.exec_module(restart)
directory = Path(sys.argv[2])
volume = build_representative_volume(
    MPI.COMM_WORLD, read_written_mesh(directory / "mesh.msh")
)
problem = PeriodicProblem(volume, restart.MATERIALS, "finite", "periodic", restart.TIGHT)
metadata = json.loads((directory / "state.json").read_text())
problem.restore(dict(np.load(directory / "state.npz")), metadata)
rows = list(problem.march(restart.load_path()))
again = problem.checkpoint()
if MPI.COMM_WORLD.rank == 0:
    np.savez(directory / "end.npz", curve=restart.curve_of(rows), **again[0])
"""


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def test_one_process_saves_and_two_go_on(mesh, tmp_path):
    from ngcfem.mesh.quality import mesh_quality
    from ngcfem.mesh.reading import read_written_mesh

    write_mesh(mesh, tmp_path / "mesh.msh", mesh_quality(mesh), origin={"kind": "test"})
    path = load_path()
    problem = fresh_problem(read_written_mesh(tmp_path / "mesh.msh"), "periodic")
    rows = []
    for row in problem.march(path):
        rows.append(row)
        if row.increment == 4:
            arrays, metadata = problem.checkpoint()
            np.savez(tmp_path / "state.npz", **arrays)
            (tmp_path / "state.json").write_text(json.dumps(metadata))
    (tmp_path / "program.py").write_text(CONTINUE_PROGRAM)
    finished = subprocess.run(
        [
            str(Path(sys.executable).with_name("mpiexec")),
            *("-n", "2"),
            sys.executable,
            *(str(tmp_path / "program.py"), __file__, str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env=environment(),
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    end = np.load(tmp_path / "end.npz")
    expected = curve_of(rows)[5:]
    largest = np.abs(expected[:, 10:]).max()
    np.testing.assert_allclose(end["curve"], expected, rtol=0.0, atol=1e-8 * largest)
    # The state gathered from two processes is in the order of the cells again.
    arrays, _ = problem.checkpoint()
    for name, tolerance in (("state", 1e-8), ("point_stress_gpa", 1e-6)):
        np.testing.assert_allclose(end[name], arrays[name], rtol=0.0, atol=tolerance)


CASE = """\
schema_version = 1
title = "Sphere, loaded and unloaded"
seed = 1

[microstructure]
kind = "sphere"
fraction = 0.2

[mesh]
size_nm = 4.0

[[phase]]
name = "matrix"
law = "j2"
[phase.parameters]
youngs_modulus_gpa = 140.0
poisson_ratio = 0.33
yield_strength_gpa = 2.7
{softening}

[[phase]]
name = "inclusion"
law = "j2"
[phase.parameters]
youngs_modulus_gpa = 140.0
poisson_ratio = 0.33
yield_strength_gpa = 2.43
{softening}

[load]
kind = "uniaxial-stress"
true_strain = {true_strain}
increments = {increments}

[solver]
{solver}

[output]
fields_every = 0
checkpoint_every_increments = 1
figures = false
"""
HARDENING = CASE.format(
    softening="hardening_modulus_gpa = 1.0",
    true_strain="[-0.1, -0.09]",
    increments="[10, 2]",
    solver='residual_tolerance = "tight"',
)
BRITTLE = CASE.format(
    softening="softening_gpa = 2.0\nsoftening_strain = 0.05",
    true_strain="-0.1",
    increments="10",
    solver="mesh_dependent = true\nminimum_increment_fraction = 0.3",
)


def ngcfem(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ngcfem.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        said, _ = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    return process.returncode, said


def wait_for_rows(process: subprocess.Popen[str], curve: Path, rows: int) -> None:
    """Wait until a run that is still going on has written so many rows."""
    give_up = time.monotonic() + TIMEOUT_S
    while not curve.exists() or curve.read_text().count("\n") < rows + 1:
        assert process.poll() is None, end_of(process)[1]
        assert time.monotonic() < give_up, "the run does not come on"
        time.sleep(0.01)
    assert process.poll() is None, "the run was over before it could be stopped"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> tuple[Path, History]:
    """Case file and curve of the run that nothing happens to."""
    directory = tmp_path_factory.mktemp("uninterrupted")
    case = directory / "case.toml"
    case.write_text(HARDENING)
    finished = CliRunner().invoke(app, ["run", str(case), "--out", str(directory / "run")])
    assert finished.exit_code == 0, finished.output
    return case, read_curve(directory / "run" / "curve.csv")


def assert_same_curve(directory: Path, expected: History, tolerance: float) -> None:
    found = read_curve(directory / "curve.csv")
    assert list(found.increment[found.requested]) == list(range(13))
    largest = np.abs(expected.first_piola_kirchhoff_stress).max()
    for name, scale in (("first_piola_kirchhoff_stress", largest), ("deformation_gradient", 1.0)):
        np.testing.assert_allclose(
            getattr(found, name)[found.requested],
            getattr(expected, name)[expected.requested],
            rtol=0.0,
            atol=tolerance * scale,
        )
    wall_s = found.effort.wall_s
    assert np.all(np.diff(wall_s) > 0.0), "the wall time goes on over a resume"
    status = json.loads((directory / "status.json").read_text())
    assert status["state"] == "finished"
    assert json.loads((directory / "summary.json").read_text())["exit_code"] == 0


def test_stopped_on_two_processes_and_resumed_on_one(uninterrupted, tmp_path):
    case, expected = uninterrupted
    directory = tmp_path / "run"
    process = ngcfem("run", case, "--out", directory, "--np", "2")
    wait_for_rows(process, directory / "curve.csv", 3)
    process.send_signal(signal.SIGTERM)
    code, said = end_of(process)
    assert code == 5, said
    assert "resume" in said
    rows = read_curve(directory / "curve.csv")
    assert 3 <= len(rows.increment) < 13
    # What was reached is complete and readable, and says how it ended.
    assert json.loads((directory / "status.json").read_text())["state"] == "interrupted"
    assert json.loads((directory / "summary.json").read_text())["exit_code"] == 5
    code, said = end_of(ngcfem("resume", directory))
    assert code == 0, said
    # two processes before, one after: both at the tight tolerance
    assert_same_curve(directory, expected, 1e-8)


def test_killed_with_its_newest_checkpoint_damaged_and_resumed(uninterrupted, tmp_path):
    case, expected = uninterrupted
    directory = tmp_path / "run"
    process = ngcfem("run", case, "--out", directory)
    wait_for_rows(process, directory / "curve.csv", 5)
    process.kill()
    code, said = end_of(process)
    assert code == -signal.SIGKILL, said
    manifests = {}
    for slot in ("a", "b"):
        manifest = directory / "checkpoints" / slot / "manifest.json"
        if manifest.exists():
            manifests[json.loads(manifest.read_text())["sequence"]] = slot
    assert manifests
    kept = len(manifests) == 2
    newest = directory / "checkpoints" / manifests[max(manifests)] / "state.npz"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.write_bytes(content)
    code, said = end_of(ngcfem("resume", directory))
    assert code == 0, said
    # the same on one process: nothing but the order of sums may differ
    assert_same_curve(directory, expected, 1e-10)
    log = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    resumed = [entry for entry in log if entry.get("event") == "resumed"]
    assert bool(resumed) == kept


def test_finished_run_is_not_resumed(uninterrupted):
    case, _ = uninterrupted
    refused = CliRunner().invoke(app, ["resume", str(case.parent / "run")])
    assert refused.exit_code == 2
    assert "nothing is left to do" in refused.output


def test_a_run_that_cannot_go_on_keeps_its_results(tmp_path):
    case = tmp_path / "brittle.toml"
    case.write_text(BRITTLE)
    directory = tmp_path / "run"
    ended = CliRunner().invoke(app, ["run", str(case), "--out", str(directory)])
    assert ended.exit_code == 3, ended.output
    assert "no equilibrium beyond position 2 of 10" in ended.output
    curve = read_curve(directory / "curve.csv")
    assert list(curve.increment) == [0, 1, 2]
    np.testing.assert_allclose(
        np.log(curve.deformation_gradient[:, 2, 2]), [0.0, -0.01, -0.02], atol=1e-12
    )
    summary = json.loads((directory / "summary.json").read_text())
    assert summary["exit_code"] == 3
    assert "no equilibrium" in summary["exit_reason"]
    assert summary["mesh_dependent"] is True
    status = json.loads((directory / "status.json").read_text())
    assert status["state"] == "not_converged"
    assert status["exit_code"] == 3
