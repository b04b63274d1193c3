"""The short plan of the sweep over seeds, and what counts as a failure in it."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sweep():
    """The benchmark as a module."""
    place = ROOT / "benchmarks" / "rve_sweep.py"
    specification = importlib.util.spec_from_file_location("rve_sweep", place)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["rve_sweep"] = module  # where its data classes look for their own types
    specification.loader.exec_module(module)
    yield module
    del sys.modules["rve_sweep"]


@pytest.fixture(scope="module")
def entries(sweep, tmp_path_factory):
    """What the short plan measured."""
    directory = tmp_path_factory.mktemp("sweep")
    (plan,) = sweep.PLANS["short"]
    with sweep.WorkerPool(1) as pool:
        found = sweep.run(plan, directory, pool)
        # a second time nothing is left to do
        assert sweep.run(plan, directory, pool) == found
    assert len(found) == len(plan.seeds)
    return found


def test_every_seed_of_the_short_sweep_meshes(sweep, entries):
    assert [sweep.failure(entry) for entry in entries] == [None] * len(entries)
    for entry in entries:
        assert entry["minimum_dihedral_angle_deg"] > 8.0
        assert entry["minimum_gamma"] > 0.1
        assert entry["largest_fraction_error"] < 0.01
        assert entry["periodic_mismatch"] < 1e-10
        assert entry["quotient_accepted"]


def test_elastic_solves_take_as_many_iterations_on_every_seed(entries):
    solves = [entry["solve"] for entry in entries if "solve" in entry]
    assert len(solves) == 2
    each = [solve["linear_iterations"] / solve["newton_iterations"] for solve in solves]
    assert max(each) / min(each) < 1.5
    assert all(solve["smallest_jacobian"] > 0.95 for solve in solves)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"refused_mesh": "no route"}, "no mesh: no route"),
        ({"refused_cell": "no room"}, "no cell: no room"),
        ({"quotient_accepted": False}, "topology"),
        ({"periodic_mismatch": 1e-9}, "off a period"),
        ({"largest_fraction_error": 0.011}, "volumes"),
        ({"solve": {"converged": False, "reason": "diverged"}}, "diverged"),
        ({"solve": {"converged": True, "smallest_jacobian": -0.1}}, "inverted"),
    ],
)
def test_what_counts_as_a_failure(sweep, entries, change, said):
    assert said in sweep.failure(entries[0] | change)
