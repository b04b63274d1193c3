"""Load paths in plane strain: energy, objectivity, rates, restart, fields, two processes."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

from mpi4py import MPI

import numpy as np
import pytest

from ngcfem.fem.periodic import build_representative_volume
from ngcfem.fem.problem import PeriodicProblem
from ngcfem.fem.solver_options import SolverOptions
from ngcfem.loading.path import uniaxial_stress
from ngcfem.loading.platens import Platens

FREE = np.nan
GRID = np.linspace(0.0, 10.0, 6)

AXIAL = [[FREE, 0.0, 0.0], [FREE, 0.94, 0.0], [0.0, 0.0, 1.0]]
MILD = [[FREE, 0.0, 0.0], [FREE, 0.985, 0.0], [0.0, 0.0, 1.0]]
UNLOADED = [[FREE, 0.0, 0.0], [FREE, 0.948, 0.0], [0.0, 0.0, 1.0]]
SHEARED = [[0.99, 0.03, 0.0], [FREE, FREE, 0.0], [0.0, 0.0, 1.0]]
PULLED = [[0.0, 0.0, 0.0], [-0.2, 0.6, 0.0], [0.0, 0.0, 0.0]]


def inside(centre):
    """Four squares in the middle."""
    return (np.abs(centre - 5.0).max(axis=1) < 2.0).astype(int)


@pytest.fixture
def disc_mesh(plane_mesh):
    """A block of inclusion in a matrix, nodes shaken, 50 triangles of curved sides."""
    grid = np.array([0.0, 1.5, 3.0, 5.0, 7.0, 8.5, 10.0])
    return plane_mesh(
        grid, grid, inside, ("matrix", "inclusion"), seed=7, shake_nm=0.2, curve_nm=0.1
    )


@pytest.mark.parametrize("kinematics", ["finite", "small"])
@pytest.mark.parametrize("boundary", ["periodic", "uniform-displacement"])
def test_hill_mandel(kinematics, boundary, disc_mesh, composite, build_problem, build_path):
    path = build_path(
        (AXIAL, 8, 60.0),
        (UNLOADED, 1, 10.0),
        # a hundred times faster: the rate-sensitive matrix carries more
        (AXIAL, 2, 0.2),
        (SHEARED, 3, 40.0, PULLED),
        axis="y",
    )
    problem = build_problem(disc_mesh, composite, kinematics, boundary)
    rows = list(problem.march(path))
    listed = [row for row in rows if row.requested]
    assert len(listed) == 15
    assert max(row.hill_mandel_error for row in rows) < 1e-8
    assert max(row.relative_residual for row in rows) <= 1e-11
    _, metadata = problem.checkpoint()
    assert metadata["use_gmres"], "the unsymmetric tangent was not noticed"
    mean = [
        sum(
            phase.volume_fraction * phase.mean_equivalent_plastic_strain
            for phase in row.phases.values()
        )
        for row in listed
    ]
    assert mean[8] > 0.02
    assert mean[9] - mean[8] < 1e-3
    last = rows[-1]
    scale = np.linalg.norm(last.first_piola_kirchhoff_stress)
    np.testing.assert_allclose(last.deformation_gradient[0], [0.99, 0.03, 0.0], atol=1e-14)
    np.testing.assert_array_equal(last.deformation_gradient[2], [0.0, 0.0, 1.0])
    np.testing.assert_allclose(
        last.first_piola_kirchhoff_stress[1, :2], PULLED[1][:2], rtol=0.0, atol=1e-10 * scale
    )
    out_of_plane = last.first_piola_kirchhoff_stress[[0, 1, 2, 2], [2, 2, 0, 1]]
    np.testing.assert_allclose(out_of_plane, 0.0, atol=1e-12)
    assert abs(last.first_piola_kirchhoff_stress[2, 2]) > 0.1


def test_uniform_displacement_is_stiffer(disc_mesh, composite, build_problem, build_path):
    path = build_path((AXIAL, 8, 60.0), axis="y")
    stress = {
        boundary: [
            row.first_piola_kirchhoff_stress[1, 1]
            for row in build_problem(disc_mesh, composite, "finite", boundary).march(path)
        ]
        for boundary in ("periodic", "uniform-displacement")
    }
    ratio = np.array(stress["uniform-displacement"][1:]) / np.array(stress["periodic"][1:])
    assert ratio.min() > 1.0
    assert ratio.max() < 1.1


def test_a_faster_step_carries_more(disc_mesh, composite, build_problem, build_path):
    """The time of the step reaches the law: rate to the power m = 0.02 in the matrix."""
    ends = {}
    for factor in (1.0, 10.0):
        problem = build_problem(disc_mesh, composite)
        rows = list(problem.march(build_path((AXIAL, 8, 60.0 / factor), axis="y")))
        ends[factor] = rows[-1].phases["matrix"].mean_cauchy_stress[1, 1]
    assert ends[10.0] / ends[1.0] == pytest.approx(10.0**0.02, rel=0.01)


@pytest.mark.parametrize("boundary", ["periodic", "uniform-displacement"])
def test_objectivity(boundary, disc_mesh, composite, build_problem, build_path, stresses):
    """A rotation in the plane that grows along the path turns the stress and does nothing else."""
    deformations = [
        np.array([[1.004, 0.008, 0.0], [0.0, 0.995, 0.0], [0.0, 0.0, 1.0]]),
        np.array([[1.01, 0.016, 0.0], [0.0, 0.99, 0.0], [0.0, 0.0, 1.0]]),
        np.array([[1.012, 0.03, 0.0], [0.01, 0.985, 0.0], [0.0, 0.0, 1.0]]),
        np.array([[1.0, 0.02, 0.0], [0.01, 0.99, 0.0], [0.0, 0.0, 1.0]]),
    ]
    rotations = []
    for angle in (0.15, 0.3, 0.45, 0.6):
        c, s = np.cos(angle), np.sin(angle)
        rotations.append(np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]))
    turned_path = [Q @ F for Q, F in zip(rotations, deformations, strict=True)]
    curves = []
    for listed in (deformations, turned_path):
        problem = build_problem(disc_mesh, composite, "finite", boundary)
        rows = list(problem.march(build_path(*((F, 1, 10.0) for F in listed), axis="y")))
        assert sum(row.cutbacks for row in rows) == 0, "a cut step follows another path"
        curves.append(stresses(rows)[1:])
    assert rows[-1].phases["matrix"].mean_equivalent_plastic_strain > 0.01
    expected = np.array([Q @ P for Q, P in zip(rotations, curves[0], strict=True)])
    np.testing.assert_allclose(curves[1], expected, rtol=0.0, atol=1e-9 * np.abs(expected).max())


def test_a_path_out_of_the_plane_is_refused(disc_mesh, composite, build_problem, build_path):
    problem = build_problem(disc_mesh, composite)
    for gradient in (np.diag([1.0, 1.0, 0.9]), np.diag([1.0, FREE, FREE])):
        with pytest.raises(ValueError, match="F33 = 1"):
            next(problem.march(build_path((gradient, 1), axis="y")))


def curve_of(rows):
    return np.array(
        [[*row.deformation_gradient.ravel(), *row.first_piola_kirchhoff_stress.ravel()]
         for row in rows]
    )  # fmt: skip


def test_a_restored_problem_goes_on_as_if_nothing_had_been(
    disc_mesh, composite, build_problem, build_path
):
    path = build_path((AXIAL, 8, 60.0), (UNLOADED, 1, 10.0), (SHEARED, 4, 9.0, PULLED), axis="y")
    marching = build_problem(disc_mesh, composite)
    rows, saved = [], {}
    for row in marching.march(path):
        rows.append(row)
        saved[row.increment] = marching.checkpoint()
    for number in (5, 9):
        arrays, metadata = saved[number]
        restored = build_problem(disc_mesh, composite)
        # What goes through a file goes through JSON.
        restored.restore(arrays, json.loads(json.dumps(metadata)))
        following = list(restored.march(path))
        assert [row.increment for row in following] == list(range(number + 1, 14))
        np.testing.assert_allclose(
            curve_of(following), curve_of(rows)[number + 1 :], rtol=0.0, atol=1e-11
        )


def test_fields_are_those_of_the_plane(disc_mesh, composite, build_problem, build_path):
    """Quadratic triangles at z = 0, whose tangents at the vertices give det F there."""
    problem = build_problem(disc_mesh, composite)
    for row in problem.march(build_path((AXIAL, 3, 60.0), axis="y")):
        last = row
    snapshot = problem.snapshot()
    assert snapshot.cells.shape == (len(disc_mesh.cells), 6)
    assert snapshot.points.shape[1] == 3
    assert np.abs(snapshot.points[:, 2]).max() == 0.0
    displacement = snapshot.point_data["displacement [nm]"]
    assert np.abs(displacement[:, 2]).max() == 0.0
    # the curved sides: points of the output are nodes of the mesh
    distance = np.linalg.norm(snapshot.points[:, None, :2] - disc_mesh.points[None], axis=2)
    assert distance.min(axis=1).max() == 0.0
    reference = snapshot.points[snapshot.cells][:, :, :2]
    current = reference + displacement[snapshot.cells][:, :, :2]
    smallest = np.full(len(snapshot.cells), np.inf)
    for vertex, others, middle in ((0, (1, 2), (3, 5)), (1, (2, 0), (4, 3)), (2, (0, 1), (5, 4))):
        before, after = (
            np.linalg.det(
                4.0 * nodes[:, list(middle)] - 3.0 * nodes[:, [vertex]] - nodes[:, list(others)]
            )
            for nodes in (reference, current)
        )
        smallest = np.minimum(smallest, after / before)
    np.testing.assert_allclose(
        snapshot.cell_data["minimum_vertex_jacobian [-]"], smallest, atol=1e-10
    )
    assert last.minimum_jacobian_vertices == pytest.approx(smallest.min(), abs=1e-10)
    assert set(snapshot.cell_data["phase"]) == {0, 1}
    # The mean of the Cauchy stress over the current area is P F^T / det F.
    F, P = last.deformation_gradient, last.first_piola_kirchhoff_stress
    cauchy = P @ F.T / np.linalg.det(F)
    mean = sum(phase.volume_fraction * phase.mean_cauchy_stress for phase in last.phases.values())
    # weighted by undeformed fractions, hence equal only to the change of volume of the phases
    np.testing.assert_allclose(mean, cauchy, atol=2e-2 * np.abs(cauchy).max())


PROGRAM = """
import importlib.util
import pickle
import sys
from pathlib import Path

from mpi4py import MPI

specification = importlib.util.spec_from_file_location("paths", sys.argv[1])
paths = importlib.util.module_from_spec(specification)
specification.loader.exec_module(paths)
directory = Path(sys.argv[2])
input = pickle.loads((directory / "input.pickle").read_bytes())
results = paths.results_on(MPI.COMM_WORLD, *input)
if MPI.COMM_WORLD.rank == 0:
    (directory / "output.pickle").write_bytes(pickle.dumps(results))
"""


def results_on(comm, materials, runs):
    """Curve, vertex Jacobians, stresses by cell and number of cells of each run; collective."""
    results = {}
    for name, (mesh, boundary, platens, path, state) in runs.items():
        volume = build_representative_volume(comm, mesh, boundary == "periodic")
        options = SolverOptions(residual_tolerance=1e-11)
        problem = PeriodicProblem(volume, materials, "finite", boundary, options, platens)
        if state is not None:
            problem.restore(*state)
        rows = list(problem.march(path))
        cells = comm.allreduce(len(problem.snapshot().cells))
        gathered = problem.checkpoint()
        jacobian = np.array([row.minimum_jacobian_vertices for row in rows])
        stress = gathered[0]["point_stress_gpa"] if gathered else None
        results[name] = (curve_of(rows), jacobian, stress, cells)
    return results


def test_two_processes_equal_one(
    plane_mesh, disc_mesh, composite, build_problem, build_path, tmp_path
):
    """Periodic, linear displacements, platens, and on from a state that one process saved."""
    path = build_path((MILD, 2, 60.0), (SHEARED, 4, 9.0, PULLED), axis="y")
    squeeze = uniaxial_stress("y", -0.02, 1e-3, 2, dimension=2)
    problem = build_problem(disc_mesh, composite)
    for row in problem.march(path):
        if row.increment == 2 and row.requested:
            arrays, metadata = problem.checkpoint()
            break
    flat = plane_mesh(GRID, GRID, inside, ("matrix", "inclusion"), seed=7)
    runs = {
        "periodic": (disc_mesh, "periodic", None, path, None),
        "uniform-displacement": (disc_mesh, "uniform-displacement", None, path, None),
        "smooth": (flat, "platens", Platens("y", "smooth"), squeeze, None),
        "rough": (flat, "platens", Platens("y", "rough"), squeeze, None),
        "restored": (disc_mesh, "periodic", None, path, (arrays, metadata)),
    }
    (tmp_path / "input.pickle").write_bytes(pickle.dumps((composite, runs)))
    (tmp_path / "program.py").write_text(PROGRAM)
    finished = subprocess.run(
        [
            str(Path(sys.executable).with_name("mpiexec")),
            *("-n", "2", sys.executable),
            *(str(tmp_path / "program.py"), __file__, str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    one = results_on(MPI.COMM_SELF, composite, runs)
    two = pickle.loads((tmp_path / "output.pickle").read_bytes())
    assert one.keys() == two.keys()
    for name in one:
        assert one[name][3] == two[name][3] == len(runs[name][0].cells)
        for first, second, tolerance in zip(one[name], two[name], (1e-9, 1e-9, 1e-7), strict=False):
            # residual tolerance 1e-11 times the conditioning of the cell; single points: more
            np.testing.assert_allclose(first, second, rtol=0.0, atol=tolerance, err_msg=name)
    after = one["periodic"][0][-len(one["restored"][0]) :]
    np.testing.assert_allclose(one["restored"][0], after, rtol=0.0, atol=1e-9)
