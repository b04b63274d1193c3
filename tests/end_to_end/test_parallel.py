"""Several processes: the same curve and stiffness as one, and nobody left waiting on a failure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ngcfem.results.history import read_curve

TIMEOUT_S = 600

MATERIALS = {
    "j2": """
[[phase]]
name = "matrix"
law = "j2"
[phase.parameters]
youngs_modulus_gpa = 100.0
poisson_ratio = 0.33
yield_strength_gpa = 1.5
hardening_modulus_gpa = 0.5

[[phase]]
name = "inclusion"
law = "elastic"
parameters = { youngs_modulus_gpa = 204.0, poisson_ratio = 0.29 }
""",
    "drucker-prager": """
[[phase]]
name = "matrix"
law = "drucker-prager"
[phase.parameters]
youngs_modulus_gpa = 100.0
poisson_ratio = 0.33
yield_strength_gpa = 1.5
hardening_modulus_gpa = 0.5
friction_coefficient = 0.12
dilatancy = 0.02
rate_sensitivity = 0.02

[[phase]]
name = "inclusion"
law = "j2"
[phase.parameters]
youngs_modulus_gpa = 204.0
poisson_ratio = 0.29
yield_strength_gpa = 2.0
hardening_modulus_gpa = 1.0
""",
    "nonlocal": """
[[phase]]
name = "matrix"
law = "j2"
[phase.parameters]
youngs_modulus_gpa = 100.0
poisson_ratio = 0.33
yield_strength_gpa = 1.5
softening_gpa = 0.2
softening_strain = 0.05
characteristic_length_nm = 2.1

[[phase]]
name = "inclusion"
law = "drucker-prager"
[phase.parameters]
youngs_modulus_gpa = 204.0
poisson_ratio = 0.29
yield_strength_gpa = 2.0
hardening_modulus_gpa = 1.0
friction_coefficient = 0.12
characteristic_length_nm = 3.0

[imperfection]
[[imperfection.region]]
centre = [0.1, 0.5, 0.5]
radius_nm = 2.0
strength_factor = 0.9
[imperfection.scatter]
standard_deviation = 0.03
correlation_length_nm = 3.0
""",
}

MATERIALS["diffusion"] = """
[[phase]]
name = "matrix"
law = "free-volume"
[phase.parameters]
youngs_modulus_gpa = 100.0
poisson_ratio = 0.33
reference_stress_gpa = 0.2
reference_rate_per_s = 1e3
initial_free_volume = 0.05
dilatation_per_free_volume = 0.2
diffusion_coefficient_nm2_per_s = 0.2

[[phase]]
name = "inclusion"
law = "elastic"
parameters = { youngs_modulus_gpa = 204.0, poisson_ratio = 0.29 }
"""

CASE = """\
schema_version = 1
title = "Sphere"
seed = 1

[microstructure]
kind = "sphere"
fraction = 0.2

[mesh]
size_nm = 4.0
{materials}
[load]
boundary = "{boundary}"
kinematics = "{kinematics}"
kind = "uniaxial-stress"
true_strain = [-0.06, -0.05]
increments = [5, 1]

[solver]
element = "{element}"
residual_tolerance = "{tolerance}"

[output]
fields_every = 0
figures = false
"""

# law, boundary, kinematics, tolerance of the residual, element
RUNS = {
    "n": ("nonlocal", "periodic", "finite", "tight", "p2"),
    "f": ("diffusion", "periodic", "finite", "tight", "p2"),
    "a": ("j2", "periodic", "finite", "default", "p2"),
    "b": ("drucker-prager", "uniform-displacement", "finite", "default", "p2"),
    "m": ("nonlocal", "periodic", "finite", "tight", "p2-nodal"),
    "c": ("drucker-prager", "periodic", "finite", "tight", "p2"),
    "d": ("j2", "uniform-displacement", "small", "tight", "p2"),
}

# Runs each case by the command line's own entry, then writes the stiffness of a strained cell.
RUN_PROGRAM = """
import sys
from pathlib import Path

from ngcfem.cli.launch import prepare_environment

prepare_environment()

from mpi4py import MPI

import numpy as np

from ngcfem.case.build import build_materials
from ngcfem.case.schema import load_case
from ngcfem.cli.main import app
from ngcfem.fem.periodic import build_representative_volume
from ngcfem.fem.problem import PeriodicProblem
from ngcfem.loading.path import uniaxial_stress
from ngcfem.mesh.reading import read_written_mesh

directory, *cases = (Path(argument) for argument in sys.argv[1:])
for case in cases:
    code = app(["run", str(case), "--out", str(directory / case.stem)], standalone_mode=False)
    assert not code, code
for case in cases[-2:]:
    loaded = load_case(case)
    boundary = loaded.load.boundary
    mesh = read_written_mesh(directory / case.stem / "mesh.msh")
    volume = build_representative_volume(MPI.COMM_WORLD, mesh, boundary == "periodic")
    problem = PeriodicProblem(volume, build_materials(loaded), "finite", boundary)
    list(problem.march(uniaxial_stress("z", -0.01, 1e-3, 1)))
    tangent = problem.effective_tangent()
    if MPI.COMM_WORLD.rank == 0:
        np.save(directory / f"tangent_{boundary}.npy", tangent)
"""


def launch(ranks: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python on so many processes and wait; a hang becomes a failure."""
    launcher = [str(Path(sys.executable).with_name("mpiexec")), "-n", str(ranks)]
    finished = subprocess.run(
        [*(launcher if ranks > 1 else []), sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[int, Path]:
    """Directory of the runs on one and on two processes."""
    directory = tmp_path_factory.mktemp("parallel")
    (directory / "program.py").write_text(RUN_PROGRAM)
    cases = []
    for name, (law, boundary, kinematics, tolerance, element) in RUNS.items():
        cases.append(directory / f"{name}.toml")
        cases[-1].write_text(
            CASE.format(
                materials=MATERIALS[law],
                boundary=boundary,
                kinematics=kinematics,
                tolerance=tolerance,
                element=element,
            )
        )
    found = {}
    for ranks in (1, 2):
        found[ranks] = directory / f"np{ranks}"
        found[ranks].mkdir()
        launch(ranks, directory / "program.py", found[ranks], *cases)
    return found


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_give_the_curve_of_one(name, outcomes):
    tolerance = {"default": 1e-6, "tight": 1e-8}[RUNS[name][3]]
    summary = json.loads((outcomes[2] / name / "summary.json").read_text())
    assert summary["ranks"] == 2
    curves = {}
    for ranks, directory in outcomes.items():
        curve = read_curve(directory / name / "curve.csv")
        chosen = curve.requested
        assert list(curve.increment[chosen]) == list(range(7))
        curves[ranks] = (
            curve.first_piola_kirchhoff_stress[chosen],
            curve.deformation_gradient[chosen],
        )
    largest = np.abs(curves[1][0]).max()
    assert largest > 1.0
    np.testing.assert_allclose(curves[2][0], curves[1][0], rtol=0.0, atol=tolerance * largest)
    np.testing.assert_allclose(curves[2][1], curves[1][1], rtol=0.0, atol=tolerance)


@pytest.mark.parametrize("boundary", ["periodic", "uniform-displacement"])
def test_two_processes_give_the_stiffness_of_one(boundary, outcomes):
    one, two = (np.load(outcomes[ranks] / f"tangent_{boundary}.npy") for ranks in (1, 2))
    # 1e-12 is the tolerance of the linear solves; the strained state behind the tangent is the same
    # to the residual tolerance times the little that an elastic tangent changes with it.
    np.testing.assert_allclose(two, one, rtol=0.0, atol=1e-9 * np.abs(one).max())


# On rank 1 alone a law says "inverted", or breaks. Every rank writes what it met.
FAILURE_PROGRAM = """
import json
import sys
from dataclasses import replace
from pathlib import Path

from mpi4py import MPI

from ngcfem.constitutive.batch import BatchedLaw
from ngcfem.constitutive.material import Material
from ngcfem.errors import NotConvergedError, ResourceError, raise_together
from ngcfem.fem.periodic import build_representative_volume
from ngcfem.fem.problem import PeriodicProblem
from ngcfem.loading.path import uniaxial_stress
from ngcfem.mesh.generation import generate_mesh
from ngcfem.microstructure.simple_cells import homogeneous_cell

comm = MPI.COMM_WORLD
working = BatchedLaw.update
met = {}


def problem():
    mesh = comm.bcast(
        generate_mesh(homogeneous_cell("grain"), 3.4, use_cache=False) if comm.rank == 0 else None
    )
    material = Material("grain", "elastic", {"youngs_modulus_gpa": 130.0, "poisson_ratio": 0.3})
    return PeriodicProblem(build_representative_volume(comm, mesh), {"grain": material})


def march_with(update):
    BatchedLaw.update = update if comm.rank == 1 else working
    try:
        rows = [
            (row.increment, row.requested, row.cutbacks)
            for row in problem().march(uniaxial_stress("z", -0.03, 1e-3, 3))
        ]
    except Exception as error:
        rows = [type(error).__name__, str(error)]
    finally:
        BatchedLaw.update = working
    # Nobody goes on alone: this would wait for ever if another rank were still marching.
    comm.Barrier()
    return rows


def inverted(result):
    result.status[0] = 2
    return result


calls = {"number": 0}


def fails_for_a_while(self, *arguments, **more):
    calls["number"] += 1
    result = working(self, *arguments, **more)
    return inverted(result) if 3 <= calls["number"] < 15 else result


met["a while"] = march_with(fails_for_a_while)
met["always"] = march_with(lambda self, *a, **k: inverted(working(self, *a, **k)))


def breaks(self, *arguments, **more):
    raise ZeroDivisionError("broken on one rank")


met["broken"] = march_with(breaks)
try:
    raise_together(comm, ResourceError("no disk on rank 1") if comm.rank == 1 else None)
except ResourceError as error:
    met["together"] = str(error)
try:
    raise_together(comm, NotConvergedError(f"from rank {comm.rank}"))
except NotConvergedError as error:
    met["lowest"] = str(error)
raise_together(comm, None)
Path(sys.argv[1], f"{comm.rank}.json").write_text(json.dumps(met))
"""


def test_a_failure_on_one_process_is_met_by_all(tmp_path):
    (tmp_path / "program.py").write_text(FAILURE_PROGRAM)
    launch(2, tmp_path / "program.py", tmp_path)
    met = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert met[0] == met[1]
    rows = met[0]["a while"]
    assert sum(cutbacks for _, _, cutbacks in rows) >= 1
    assert [increment for increment, requested, _ in rows if requested] == [0, 1, 2, 3]
    kind, message = met[0]["always"]
    assert kind == "NotConvergedError"
    assert "inverted" in message
    assert met[0]["broken"] == ["ZeroDivisionError", "broken on one rank"]
    assert met[0]["together"] == "no disk on rank 1"
    assert met[0]["lowest"] == "from rank 0"
