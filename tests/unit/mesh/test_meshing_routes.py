"""Routes to a mesh: what happens when one fails, what is recorded, sizes and turned cells."""

import dataclasses
import json

import numpy as np
import pytest

from ngcfem.errors import RefusedError
from ngcfem.mesh import meshing_routes
from ngcfem.mesh.generation import MeshOptions, generate_mesh, generate_recorded_mesh
from ngcfem.mesh.isolated_process import IsolatedProcess
from ngcfem.mesh.meshing_record import record_from_document
from ngcfem.mesh.pairing import TooCoarseError, quotient_check
from ngcfem.mesh.quality import QualityFloor, mesh_quality, periodic_mismatch
from ngcfem.mesh.worker_pool import WorkerPool
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.simple_cells import sphere_cell

SIZE_NM = 3.0


@pytest.fixture
def two_grains() -> PeriodicCell:
    """Two grains of 10 nm on a body-centred lattice, elongated along z; no chance in it."""
    return PeriodicCell(
        kind="nanoglass",
        lattice=np.diag([9.0, 10.0, 11.0]),
        phase_names=("interface", "grain"),
        sites=np.array([[2.0, 2.0, 2.0], [6.5, 7.0, 7.5]]),
        weights=np.array([0.0, 1.0]),
        interface_thickness_nm=1.0,
    )


@pytest.fixture(scope="module")
def pool():
    """One process for all tests: starting it takes longer than meshing two grains."""
    with WorkerPool(1) as processes:
        yield processes


def failing(times: int):
    """Whole-cell mesher that gives up some times before it does its work."""
    left = [times]
    real = meshing_routes.mesh_whole_cells

    def mesh(*arguments):
        if left[0]:
            left[0] -= 1
            raise RefusedError(f"on purpose, {left[0]} to come")
        return real(*arguments)

    return mesh


def check(mesh, cell) -> None:
    quality = mesh_quality(mesh, geometric_fractions(cell))
    assert quality.minimum_dihedral_angle_deg >= 8.0
    assert quality.minimum_gamma >= 0.1
    assert quality.minimum_cell_volume_nm3 > 0.0
    assert max(map(abs, quality.phase_fraction_errors.values())) < 0.01
    assert quotient_check(mesh.points, mesh.cells, mesh.torus_node).accepted
    assert periodic_mismatch(mesh) < 1e-10 * np.abs(mesh.lattice).max()


def test_straight_way_is_recorded(two_grains, pool):
    made = generate_recorded_mesh(two_grains, SIZE_NM, use_cache=False, workers=pool)
    assert (made.record.route, made.record.given_up) == ("whole cells", ())
    check(made.mesh, two_grains)


def test_second_route_after_the_first(two_grains, pool, monkeypatch):
    monkeypatch.setattr(meshing_routes, "mesh_whole_cells", failing(1))
    calls: list[tuple[int, int, str]] = []
    made = generate_recorded_mesh(
        two_grains, SIZE_NM, progress=lambda *what: calls.append(what), workers=pool
    )
    assert made.record.route == "whole cells, variant 2"
    assert made.record.given_up == ("whole cells: on purpose, 0 to come",)
    check(made.mesh, two_grains)
    starts = [text for done, _, text in calls if done == 0]
    assert starts[0] == "whole cells"
    assert "variant 2" in starts[1]
    assert "on purpose" in starts[1]
    assert calls[-1] == (2, 2, "grains filled")
    # the cache knows it too
    stored = generate_recorded_mesh(two_grains, SIZE_NM, workers=pool)
    assert stored.mesh.sha256 == made.mesh.sha256
    assert stored.record == made.record
    document = json.loads(json.dumps(made.record.to_document()))
    assert record_from_document(document) == made.record


def test_stuffing_after_all_others(two_grains, pool, monkeypatch):
    monkeypatch.setattr(meshing_routes, "mesh_whole_cells", failing(99))
    made = generate_recorded_mesh(two_grains, SIZE_NM, use_cache=False, workers=pool)
    assert made.record.route == "isosurface stuffing"
    assert len(made.record.given_up) == 3
    check(made.mesh, two_grains)


def test_refusal_names_every_route(two_grains, pool):
    floor = QualityFloor(minimum_dihedral_angle_deg=60.0)
    with pytest.raises(RefusedError) as error:
        generate_mesh(two_grains, SIZE_NM, MeshOptions(floor=floor), use_cache=False, workers=pool)
    text = str(error.value)
    for route in ("whole cells:", "variant 2:", "variant 3:", "isosurface stuffing:"):
        assert route in text
    assert text.count("60 asked for") == 4


def test_coarse_mesh_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(meshing_routes, "stuff_cell", lambda *_: pytest.fail("went on"))
    with pytest.raises(TooCoarseError, match="too coarse"):
        generate_mesh(sphere_cell(0.01), 50.0, use_cache=False)


def test_crash_of_the_mesher_costs_an_attempt(two_grains, pool, monkeypatch):
    real = IsolatedProcess.call

    def call(self, function, *arguments, limit_s=None):
        request, attempt = arguments
        if request.number == 1 and (attempt.algorithm, attempt.optimizer) == (1, "Netgen"):
            raise RuntimeError("the process of Gmsh ended (signal SIGSEGV)")
        return real(self, function, *arguments, limit_s=limit_s)

    monkeypatch.setattr(IsolatedProcess, "call", call)
    made = generate_recorded_mesh(two_grains, SIZE_NM, use_cache=False, workers=pool)
    assert made.record.route == "whole cells"
    (retried,) = made.record.retried_grains
    assert (retried.grain, retried.attempts) == (1, 2)
    assert retried.reasons == ("the process of Gmsh ended (signal SIGSEGV)",)
    check(made.mesh, two_grains)


def test_number_of_workers_does_not_matter(two_grains):
    one, two = (
        generate_mesh(two_grains, SIZE_NM, use_cache=False, workers=count) for count in (1, 2)
    )
    assert one.sha256 == two.sha256


def test_turned_cell(two_grains, pool):
    angle = 0.7
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0, 0, 1.0]]
    )
    turn = turn[[1, 2, 0]]
    turned_cell = dataclasses.replace(two_grains, rotation=turn)
    plain = generate_mesh(two_grains, SIZE_NM, use_cache=False, workers=pool)
    turned = generate_mesh(turned_cell, SIZE_NM, use_cache=False, workers=pool)
    check(turned, turned_cell)
    np.testing.assert_array_equal(turned.cells, plain.cells)
    np.testing.assert_allclose(turned.points, plain.points @ turn.T, atol=1e-12)
    np.testing.assert_allclose(turned.lattice, two_grains.lattice @ turn.T, atol=1e-12)


def mean_edge(mesh, chosen) -> float:
    x = mesh.points[mesh.cells[chosen]]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    return float(np.mean([np.linalg.norm(x[:, i] - x[:, j], axis=1).mean() for i, j in pairs]))


def test_local_sizes(two_grains, pool):
    plain = generate_mesh(two_grains, 2.0, use_cache=False, workers=pool)
    options = MeshOptions(interface_size_nm=1.2, grain_interior_size_nm=2.4)
    graded = generate_mesh(two_grains, 2.0, options, use_cache=False, workers=pool)
    check(graded, two_grains)
    assert mean_edge(graded, graded.phase == 0) < 0.8 * mean_edge(plain, plain.phase == 0)
    # within the grain, the tetrahedra without a node on its surface are the larger ones
    assert mean_edge(graded, inner(graded)) > 1.25 * mean_edge(
        graded, (graded.phase == 1) & ~inner(graded)
    )
    finer = MeshOptions(grain_interior_size_nm=0.8)
    fine = generate_mesh(two_grains, 2.0, finer, use_cache=False, workers=pool)
    check(fine, two_grains)
    assert mean_edge(fine, inner(fine)) < 0.75 * mean_edge(plain, inner(plain))
    network = [int((mesh.phase == 0).sum()) for mesh in (fine, plain)]
    assert network[0] == pytest.approx(network[1], rel=0.15)


def inner(mesh) -> np.ndarray:
    """Tetrahedra of the grains without a node on their surfaces."""
    surface = np.intersect1d(*(np.unique(mesh.cells[mesh.phase == k]) for k in (0, 1)))
    chosen = (mesh.phase == 1) & ~np.isin(mesh.cells, surface).any(axis=1)
    assert chosen.sum() > 20
    return chosen
