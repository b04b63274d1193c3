"""Size and cost of a problem, told before it is solved."""

import itertools
import math
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ngcfem.case.schema import Case, case_from_mapping, load_case
from ngcfem.errors import ResourceError
from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.reading import read_written_mesh
from ngcfem.microstructure.simple_cells import homogeneous_cell, sphere_cell
from ngcfem.workflow import problem_size
from ngcfem.workflow.problem_size import (
    ProblemSize,
    check_memory,
    estimate_cost,
    expected_size,
    memory_of_machine,
    size_lines,
    size_of_mesh,
)

ROOT = Path(__file__).resolve().parents[3]
CASES = ROOT / "cases"


def case_with(name: str, **microstructure: object) -> Case:
    path = CASES / f"{name}.toml"
    document = tomllib.loads(path.read_text())
    document["microstructure"] |= microstructure
    return case_from_mapping(document, path)


@pytest.mark.parametrize(
    ("cell", "size_nm"), [(homogeneous_cell("grain"), 3.4), (sphere_cell(0.2), 4.0)]
)
def test_unknowns_are_counted_as_one_would_by_hand(cell, size_nm):
    mesh = generate_mesh(cell, size_nm, use_cache=False)
    nodes: set[object] = set()
    for tetrahedron in mesh.cells:
        corners = [int(mesh.torus_node[node]) for node in tetrahedron[:4]]
        nodes.update(corners)
        nodes.update(frozenset(pair) for pair in itertools.combinations(corners, 2))
    size = size_of_mesh(mesh)
    assert size == ProblemSize(len(mesh.cells), 3 * len(nodes), 3)
    # On a torus edges and vertices differ by the number of tetrahedra (Euler).
    vertices = len({int(node) for node in mesh.torus_node[mesh.cells[:, :4]].ravel()})
    assert size.unknowns == 3 * (2 * vertices + len(mesh.cells))


def test_unknowns_are_those_of_the_solver():
    from mpi4py import MPI

    from ngcfem.constitutive.material import Material
    from ngcfem.fem.periodic import build_representative_volume
    from ngcfem.fem.problem import PeriodicProblem

    mesh = generate_mesh(sphere_cell(0.2), 4.0, use_cache=False)
    elastic = {"youngs_modulus_gpa": 100.0, "poisson_ratio": 0.3}
    materials = {name: Material(name, "elastic", elastic) for name in mesh.phase_names}
    problem = PeriodicProblem(build_representative_volume(MPI.COMM_SELF, mesh), materials)
    assert size_of_mesh(mesh).unknowns == problem.number_of_dofs


# Tetrahedra and triangles of meshes that were made, by case, dimension and element size in nm.
MADE = [
    ("fe90sc10_set_a", 3, 8, 2.5, 18701),
    ("fe90sc10_set_a", 3, 8, 1.5, 29742),
    ("fe90sc10_set_a", 3, 8, 1.1, 46473),
    ("nanoglass", 3, 8, 4.0, 5694),
    ("nanoglass", 3, 8, 1.0, 48849),
    ("monolithic_glass", 3, 8, 2.0, 3670),
    ("nanoglass", 2, 16, 2.5, 4284),
    ("nanoglass", 2, 16, 0.8, 5868),
    ("fe90sc10_set_a", 2, 16, 1.5, 5244),
]


@pytest.mark.parametrize(("name", "dimension", "n_grains", "size_nm", "cells"), MADE)
def test_the_guess_is_near_meshes_that_were_made(name, dimension, n_grains, size_nm, cells):
    """It is a guess of the cost before anything is made: a quarter more or less does no harm."""
    path = CASES / f"{name}.toml"
    document = tomllib.loads(path.read_text())
    document["microstructure"] |= {"dimension": dimension, "n_grains": n_grains}
    document["mesh"]["size_nm"] = size_nm
    if dimension == 2:
        document["load"]["axis"] = "y"
    guess = expected_size(case_from_mapping(document, path))
    assert guess is not None
    assert guess.cells == pytest.approx(cells, rel=0.25)
    assert guess.dimension == dimension


def test_the_guess_of_the_unknowns_fits_a_shipped_mesh():
    found = size_of_mesh(read_written_mesh(ROOT / "meshes" / "composite_coarse.msh"))
    guess = expected_size(load_case(CASES / "demo.toml"))
    assert guess is not None
    assert guess.unknowns / guess.cells == pytest.approx(found.unknowns / found.cells, rel=0.05)


def test_the_guess_grows_with_the_cell():
    small, large = (expected_size(case_with("demo", n_grains=n)) for n in (8, 64))
    assert small is not None
    assert large is not None
    # Eight times the volume, and the distribution of sizes is sampled a little wider.
    assert large.cells / small.cells == pytest.approx(8.0, rel=0.05)


def test_a_users_mesh_tells_its_size_itself():
    assert expected_size(load_case(CASES / "user_mesh.toml")) is None
    assert size_lines(load_case(CASES / "user_mesh.toml")) == []


def test_lines_speak_of_the_ensemble():
    assert len(size_lines(case_with("demo"))) == 1
    lines = size_lines(case_with("demo", n_realizations=10))
    assert "10 realizations" in lines[1]


def test_cost_is_linear_in_the_unknowns():
    case = load_case(CASES / "demo.toml")
    one, two = (estimate_cost(case, ProblemSize(n // 4, n)) for n in (100_000, 200_000))
    assert two.cpu_s_per_increment == pytest.approx(2.0 * one.cpu_s_per_increment)
    # 27 increments after the start
    start = problem_size.START_OF_A_PROCESS_S
    assert one.cpu_s - start == pytest.approx(27.0 * one.cpu_s_per_increment)
    base = problem_size.MEMORY_OF_A_PROCESS_GIB
    assert two.memory_gib - base == pytest.approx(2.0 * (one.memory_gib - base))
    four = estimate_cost(case, ProblemSize(25_000, 100_000), ranks=4)
    assert four.memory_gib - one.memory_gib == pytest.approx(3.0 * base)
    assert "4 processes" in four.text


def test_no_output_takes_little_disk():
    case = load_case(CASES / "demo.toml")
    quiet = case.output.model_copy(
        update={
            "fields_every": 0,
            "checkpoint_every_increments": 0,
            "checkpoint_every_minutes": 0.0,
        }
    )
    silent = replace(case, document=case.document.model_copy(update={"output": quiet}))
    size = ProblemSize(100_000, 400_000)
    assert estimate_cost(silent, size).disk_gib < 0.1 * estimate_cost(case, size).disk_gib


def test_memory_of_this_machine():
    available, total = memory_of_machine()
    assert 0.0 < available <= total
    assert not math.isnan(total)


def test_what_cannot_fit_is_refused_and_what_may_is_warned_of(monkeypatch):
    case = load_case(CASES / "demo.toml")
    estimate = estimate_cost(case, ProblemSize(250_000, 1_000_000), ranks=2)
    needed = estimate.memory_gib

    def machine(available: float, total: float) -> None:
        monkeypatch.setattr(problem_size, "memory_of_machine", lambda: (available, total))

    machine(2.0 * needed, 4.0 * needed)
    assert check_memory(estimate, 2) == ""
    machine(0.5 * needed, 4.0 * needed)
    assert "warning" in check_memory(estimate, 2)
    # The estimate may be too high: what is just over the limit is tried.
    machine(0.5 * needed, 0.9 * needed)
    assert "warning" in check_memory(estimate, 2)
    machine(0.5 * needed, 0.7 * needed)
    with pytest.raises(ResourceError, match="1 000 000 unknowns") as caught:
        check_memory(estimate, 2)
    assert caught.value.exit_code == 7
    # Half of the processes run on another machine.
    assert "warning" not in check_memory(estimate, 1)


def test_numbers_are_told_so_that_they_can_be_read():
    case = load_case(CASES / "demo.toml")
    text = estimate_cost(case, ProblemSize(28_542, 115_000)).text
    assert "28 542 tetrahedra, 115 000 unknowns" in text
    assert "min in all" in text
    plane = estimate_cost(case, ProblemSize(1_000, 4_000, 2)).text
    assert "triangles" in plane
    assert np.all([word not in text for word in ("e+", "nan")])
