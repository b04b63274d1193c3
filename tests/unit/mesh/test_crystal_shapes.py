"""Meshes of grains with crystals put by hand: flats at the network, ellipsoids, closed forms."""

import dataclasses

import numpy as np
import pytest

from ngcfem.errors import RefusedError
from ngcfem.mesh.element_sizes import ElementSizes
from ngcfem.mesh.generation import generate_recorded_mesh
from ngcfem.mesh.pairing import quotient_check
from ngcfem.mesh.quality import mesh_quality, tetrahedron_volumes
from ngcfem.mesh.whole_cell import WholeCellOptions, mesh_whole_cells
from ngcfem.mesh.worker_pool import WorkerPool
from ngcfem.microstructure.cell import Cap, Flat, Inclusion, PeriodicCell
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.sections import phase_at

PHASES = ("interface", "grain", "sc_rich", "nanocrystal")
EDGE_NM, THICKNESS_NM = 8.0, 1.0


@pytest.fixture(scope="module")
def pool():
    """One process for all tests."""
    with WorkerPool(1) as processes:
        yield processes


def cubes(inclusions: tuple[Inclusion, ...] = ()) -> PeriodicCell:
    """Two by two by two cubic grains; sites off the corners, so that they lie inside the box."""
    number = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(-1, 3)
    names = PHASES if any(i.cap for i in inclusions) else PHASES[:2] + PHASES[3:]
    return PeriodicCell(
        kind="nanocomposite" if inclusions else "nanoglass",
        lattice=2.0 * EDGE_NM * np.eye(3),
        phase_names=names if inclusions else PHASES[:2],
        sites=EDGE_NM * (number + 0.5),
        weights=np.zeros(8),
        interface_thickness_nm=THICKNESS_NM,
        inclusions=inclusions,
    )


def mesh_of(cell, size_nm, pool):
    made = generate_recorded_mesh(cell, size_nm, use_cache=False, workers=pool)
    assert made.record.route == "whole cells"
    mesh = made.mesh
    quality = mesh_quality(mesh, geometric_fractions(cell))
    assert quality.minimum_dihedral_angle_deg > 10.0
    assert quality.minimum_gamma > 0.15
    assert max(map(abs, quality.phase_fraction_errors.values())) < 1e-9
    assert quotient_check(mesh.points, mesh.cells, mesh.torus_node).accepted
    return mesh


def surface_between(mesh, first: str, second: str) -> np.ndarray:
    """Corners of the facets between two phases, shape (n, 3, 3)."""
    facets: dict[tuple[int, ...], list[int]] = {}
    for cell, phase in zip(mesh.torus_node[mesh.cells].tolist(), mesh.phase.tolist(), strict=True):
        for left_out in range(4):
            key = tuple(sorted(cell[:left_out] + cell[left_out + 1 :]))
            facets.setdefault(key, []).append(phase)
    wanted = {mesh.phase_names.index(first), mesh.phase_names.index(second)}
    keys = [key for key, phases in facets.items() if set(phases) == wanted]
    corners = mesh.points[np.array(keys)]
    apart = corners - corners[:, :1]
    apart -= np.round(apart @ np.linalg.inv(mesh.lattice)) @ mesh.lattice
    return corners[:, :1] + apart


def area(corners: np.ndarray) -> float:
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return float(0.5 * np.linalg.norm(np.cross(a, b), axis=1).sum())


def test_shrunk_cubes_against_closed_forms(pool):
    mesh = mesh_of(cubes(), 2.5, pool)
    side = EDGE_NM - THICKNESS_NM
    volumes = tetrahedron_volumes(mesh.points[mesh.cells])
    by_grain = np.bincount(mesh.grain[mesh.phase == 1], weights=volumes[mesh.phase == 1])
    np.testing.assert_allclose(by_grain, side**3, rtol=1e-10)
    assert volumes[mesh.phase == 0].sum() == pytest.approx(8 * (EDGE_NM**3 - side**3), rel=1e-10)
    # ridges give way by at most 0.1 nm, and only where a tetrahedron gains by it
    assert area(surface_between(mesh, "interface", "grain")) == pytest.approx(
        8 * 6 * side**2, rel=2e-3
    )


def test_crystals_cut_flat_touch_the_network_with_their_disc(pool):
    radius, distance = 1.8, 1.1
    wall = EDGE_NM - 0.5 * THICKNESS_NM
    flat = Flat((1.0, 0.0, 0.0), distance)
    cap = Cap((-1.0, 0.0, 0.0), 60.0, 0.7)
    inclusions = (
        Inclusion((wall - distance, 4.3, 3.6), radius, 0, None, None, flat),
        Inclusion((wall - distance, 12.2, 4.1), radius, 2, cap, None, flat),
    )
    cell = cubes(inclusions)
    mesh = mesh_of(cell, 2.0, pool)
    disc = surface_between(mesh, "interface", "nanocrystal")
    # the discs lie in the wall, but for what the grain is scaled by to keep its volume
    np.testing.assert_allclose(disc[:, :, 0], wall, atol=0.02)
    # the rims have the area of their circles; sliding along them changes it in second order
    assert area(disc) == pytest.approx(2 * np.pi * (radius**2 - distance**2), rel=0.02)
    bare = surface_between(mesh, "grain", "nanocrystal")
    assert bare[:, :, 0].max() < wall + 0.02


@pytest.mark.parametrize("capped", [False, True])
def test_ellipsoids_lie_where_the_geometry_has_them(pool, capped):
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    stretch = tuple(map(tuple, (turn * np.array([1.5, 1.5**-0.5, 1.5**-0.5])) @ turn.T))
    cap = Cap((0.0, 0.6, 0.8), 70.0, 0.8) if capped else None
    flat = Inclusion((0.0, 0.0, 0.0), 1.5, 1, None, stretch)
    reach = 1.5 * float(np.linalg.norm(np.array(stretch)[2]))
    wall = 2.0 * EDGE_NM - 0.5 * THICKNESS_NM
    centre = (4.0, 4.2, wall - 0.7 * reach)
    inclusions = (
        Inclusion((4.0, 4.2, 3.8), 1.6, 0, cap, stretch),
        dataclasses.replace(flat, centre_nm=centre, flat=Flat((0.0, 0.0, 1.0), 0.7 * reach)),
    )
    cell = cubes(inclusions)
    mesh = mesh_of(cell, 1.8, pool)
    # phases of the geometry at the centroids, by distances and not by surfaces: what differs is
    # a layer as thin as the sag of the triangles, r (1 - cos(edge / 2 r)) = 0.12 nm or less
    x = mesh.points[mesh.cells]
    volumes = tetrahedron_volumes(x)
    here = phase_at(cell, x.mean(axis=1))
    for name in ("nanocrystal", "sc_rich") if capped else ("nanocrystal",):
        index = mesh.phase_names.index(name)
        differs = (here == index) != (mesh.phase == index)
        assert volumes[differs].sum() < 0.12 * volumes[mesh.phase == index].sum()
    network = mesh.phase_names.index("interface")
    differs = (here == network) != (mesh.phase == network)
    assert volumes[differs].sum() < 0.02 * volumes[mesh.phase == network].sum()


def test_crystal_on_no_face_of_its_grain_is_an_error(pool):
    flat = Flat((1.0, 0.0, 0.0), 1.1)
    cell = cubes((Inclusion((6.1, 4.0, 4.0), 1.8, 0, None, None, flat),))
    options = WholeCellOptions(ElementSizes(2.5, 1.75), merge_nm=0.3)
    with pytest.raises(RefusedError, match=r"grain 0 .* cut by a plane 0.3 nm from the faces"):
        mesh_whole_cells(cell, options, pool)
