"""Meshes of labelled volumes: volumes, topology, quality, thin and touching features."""

import numpy as np
import pytest

from ngcfem.errors import RefusedError
from ngcfem.mesh.pairing import quotient_check
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.quality import tetrahedron_shapes
from ngcfem.mesh.voxel_meshing import mesh_voxel_volume
from ngcfem.mesh.voxel_regions import voxel_regions
from ngcfem.mesh.voxel_sampling import sample_mesh
from ngcfem.microstructure.voxel_volume import VoxelVolume


def centres(shape: tuple[int, int, int], spacing: float) -> np.ndarray:
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return (grid + 0.5) * spacing


def sphere(number: int = 20, spacing: float = 0.5, centre: float = 0.0) -> VoxelVolume:
    """A sphere of 2.9 nm around a corner of a cube of 10 nm: it crosses all faces."""
    edge = number * spacing
    away = centres((number,) * 3, spacing) - centre
    away -= edge * np.round(away / edge)
    phase = (np.linalg.norm(away, axis=-1) < 2.9).astype(np.int32)
    return VoxelVolume(phase, 0 * phase - 1, ("matrix", "inclusion"), np.full(3, spacing))


def voronoi(number: int = 18, grains: int = 6) -> VoxelVolume:
    """Grains of two phases in contact: lines where three meet and points where four do."""
    generator = np.random.default_rng(4)
    sites = generator.random((grains, 3))
    away = centres((number,) * 3, 1.0 / number)[..., None, :] - sites
    away -= np.round(away)
    grain = np.argmin((away**2).sum(axis=-1), axis=-1).astype(np.int32)
    return VoxelVolume(grain % 2, grain, ("a", "b"), np.full(3, 0.5))


def assert_sound(mesh: PeriodicMesh, volume: VoxelVolume, rtol: float = 0.01) -> None:
    assert mesh.periodic
    assert quotient_check(mesh.points, mesh.cells, mesh.torus_node).accepted
    corners = mesh.points[mesh.cells]
    cell = np.linalg.det(corners[:, 1:] - corners[:, :1]) / 6.0
    assert cell.min() > 0.0
    assert cell.sum() == pytest.approx(volume.volume_nm3, rel=1e-12)
    for index, name in enumerate(mesh.phase_names):
        share = cell[mesh.phase == index].sum() / volume.volume_nm3
        assert share == pytest.approx(np.mean(volume.phase == index), rel=rtol), name


@pytest.mark.parametrize("size", [0.8, 1.2, 2.0])
def test_a_smooth_sphere_has_the_volume_of_its_voxels(size: float) -> None:
    volume = sphere()
    mesh = mesh_voxel_volume(volume, size)
    assert_sound(mesh, volume)
    shapes = tetrahedron_shapes(mesh.points[mesh.cells])
    assert shapes.minimum_dihedral_angle_deg.min() > 8.0
    assert shapes.gamma.min() > 0.1
    # smooth: no node of the surface is further from a sphere than the steps of the voxels
    surface = np.intersect1d(
        mesh.cells[mesh.phase == 0].ravel(), mesh.cells[mesh.phase == 1].ravel()
    )
    away = mesh.points[surface] - 10.0 * np.round(mesh.points[surface] / 10.0)
    assert np.std(np.linalg.norm(away, axis=1)) < 0.25 * 0.5


def test_the_level_is_the_distance_from_a_flat_interface() -> None:
    phase = np.zeros((16, 4, 4), dtype=np.int32)
    phase[4:12] = 1
    regions = voxel_regions(VoxelVolume(phase, 0 * phase, ("a", "b"), np.full(3, 0.5)), 1.0)
    x = np.linspace(1.8, 2.2, 9)
    points = np.stack([x, np.full(9, 0.7), np.full(9, 1.1)], axis=1)
    inside, outside = (regions.levels(np.full(9, k), points) for k in (1, 0))
    # the centres of the voxels sample the Gaussian, and the levels are linear between them
    np.testing.assert_allclose(inside - outside, x - 2.0, atol=0.02)
    shifted = points + regions.lattice.sum(axis=0) * [3, -2, 1]
    np.testing.assert_allclose(regions.levels(np.ones(9, dtype=int), shifted), inside, atol=1e-12)


def test_grains_in_contact_keep_their_volumes() -> None:
    volume = voronoi()
    mesh = mesh_voxel_volume(volume, 0.9)
    assert_sound(mesh, volume)
    corners = mesh.points[mesh.cells]
    cell = np.linalg.det(corners[:, 1:] - corners[:, :1]) / 6.0
    for grain in range(6):
        # each grain has one phase; only the phases are held to 1 %
        share = cell[mesh.grain == grain].sum() / volume.volume_nm3
        assert share == pytest.approx(np.mean(volume.grain == grain), rel=0.05)


def test_stairs_are_the_voxels() -> None:
    volume = sphere(16, 0.5)
    mesh = mesh_voxel_volume(volume, surface="stair-stepped")
    assert_sound(mesh, volume, rtol=1e-12)
    assert len(mesh.cells) == 6 * 16**3
    assert tetrahedron_shapes(mesh.points[mesh.cells]).minimum_dihedral_angle_deg.min() > 44.9
    np.testing.assert_array_equal(sample_mesh(mesh, 0.5).phase, volume.phase)


def test_blocks_of_voxels_can_be_merged_first() -> None:
    pattern = (np.arange(64).reshape(4, 4, 4) // 3 % 2).astype(np.int32)
    fine = np.repeat(np.repeat(np.repeat(pattern, 2, axis=0), 2, axis=1), 2, axis=2)
    volume = VoxelVolume(fine, 0 * fine - 1, ("a", "b"), np.full(3, 0.5))
    mesh = mesh_voxel_volume(volume, surface="stair-stepped", coarsening=2)
    assert len(mesh.cells) == 6 * 4**3
    assert_sound(mesh, volume, rtol=1e-12)


def test_a_mesh_is_sampled_where_it_is() -> None:
    volume = sphere(20, 0.5, centre=3.0)
    mesh = mesh_voxel_volume(volume, 0.7)
    found = sample_mesh(mesh, 0.25)
    np.testing.assert_allclose(found.spacing_nm, 0.25)
    away = centres((40, 40, 40), 0.25) - 3.0
    away -= 10.0 * np.round(away / 10.0)
    distance = np.linalg.norm(away, axis=-1)
    # within a voxel of the surface the smoothed and the true sphere may differ
    assert (found.phase[distance < 2.4] == 1).all()
    assert (found.phase[distance > 3.4] == 0).all()


def test_noise_is_refused_with_a_way_out() -> None:
    phase = np.random.default_rng(0).integers(0, 3, (6, 6, 6)).astype(np.int32)
    volume = VoxelVolume(phase, 0 * phase - 1, ("a", "b", "c"), np.ones(3))
    with pytest.raises(RefusedError, match=r"misses the volume .* surface = \"stair-stepped\""):
        mesh_voxel_volume(volume, 1.0)
    assert_sound(mesh_voxel_volume(volume, surface="stair-stepped"), volume, rtol=1e-12)
    with pytest.raises(RefusedError, match="2 x 2 x 2 voxels are too few to be periodic"):
        mesh_voxel_volume(volume, surface="stair-stepped", coarsening=3)
