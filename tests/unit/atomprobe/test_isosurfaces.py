"""Isosurfaces of made composition fields against closed forms."""

import numpy as np
import pytest

from ngcfem.atomprobe.composition_field import CompositionField, VoxelGrid, composition_field
from ngcfem.atomprobe.isosurfaces import isosurface, specimen_outline

VOXEL = 0.25


def field_of(share, total=None, origin=(1.0, -2.0, 3.0)):
    """A field of one atom a voxel, of Sc and Fe."""
    total = np.ones_like(share) if total is None else total
    atoms = np.array([(1.0 - share) * total, share * total], dtype=np.float32)
    return CompositionField(
        VoxelGrid(origin, VOXEL, share.shape), ("Fe", "Sc"), atoms, atoms, kernel_sigma_nm=0.5
    )


def centres(shape):
    return VOXEL * (np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")) + 0.5)


def ball(radius, side_sign=1.0, middle=(5.0, 5.0, 5.0), shape=(40, 40, 40)):
    distance = np.sqrt(sum((x - m) ** 2 for x, m in zip(centres(shape), middle, strict=True)))
    return 0.10 + side_sign * 0.02 * (radius - distance)


@pytest.mark.parametrize(("side", "sign"), [("above", 1.0), ("below", -1.0)])
def test_a_ball_is_found_where_it_is(side, sign):
    radius = 3.0
    surface = isosurface(field_of(np.clip(ball(radius, sign), 0, 1)), "Sc", 0.10, side)
    # The field is linear in the distance: vertices lie on the sphere but for its curvature over a
    # voxel, h^2 / 8 r; area and volume of the polyhedron are smaller by some h^2 / r^2.
    from_middle = np.linalg.norm(surface.vertices_nm - (6.0, 3.0, 8.0), axis=1)
    np.testing.assert_allclose(from_middle, radius, atol=VOXEL**2 / (8.0 * radius) + 1e-4)
    assert surface.area_nm2 == pytest.approx(4.0 * np.pi * radius**2, rel=0.01)
    assert surface.volume_nm3 == pytest.approx(4.0 / 3.0 * np.pi * radius**3, rel=0.01)
    assert surface.name == f"Sc {'>' if side == 'above' else '<'} 10 at%"


def test_a_half_space_is_a_plane_if_open_and_a_box_if_closed():
    x = centres((20, 24, 28))[2]
    field = field_of(np.clip(0.10 + 0.03 * (x - 4.0), 0.0, 1.0))
    plane = isosurface(field, "Sc", 0.10, rim="open")
    np.testing.assert_allclose(plane.vertices_nm[:, 2], 3.0 + 4.0, atol=1e-5)
    # From the centres of the first voxels to those of the last.
    assert plane.area_nm2 == pytest.approx(19 * 23 * VOXEL**2)
    assert plane.volume_nm3 is None
    edge = plane.open_edge_triangles()
    rim = np.ptp(plane.vertices_nm, axis=0)[:2]
    touching = np.isclose(
        np.abs(plane.vertices_nm - plane.vertices_nm.mean(axis=0))[:, :2], 0.5 * rim
    ).any(axis=1)
    assert np.all(touching[plane.triangles[edge]].sum(axis=1) >= 2)
    assert not np.any(touching[plane.triangles[~edge]].all(axis=1))
    box = isosurface(field, "Sc", 0.10, rim="closed")
    # The rim lies within a voxel of that of the specimen, 5 x 6 x (7 - 4) nm.
    low, high = (5 - VOXEL) * (6 - VOXEL) * (3 - VOXEL / 2), (5 + VOXEL) * (6 + VOXEL) * 3.25
    assert low < box.volume_nm3 < high
    assert not box.open_edge_triangles().any()


def test_open_surfaces_stay_inside_the_specimen():
    shape = (30, 30, 30)
    x = centres(shape)
    from_axis = np.hypot(x[0] - 3.75, x[1] - 3.75)
    field = field_of(np.clip(0.1 + 0.03 * (x[2] - 3.6), 0, 1), np.where(from_axis < 3.0, 1.0, 0.0))
    disc = isosurface(field, "Sc", 0.1, rim="open")
    assert np.hypot(*(disc.vertices_nm[:, :2] - (4.75, 1.75)).T).max() < 3.0
    # Whole squares within a circle: at most a ring of one diagonal is missing.
    assert np.pi * (3.0 - 1.5 * VOXEL) ** 2 < disc.area_nm2 < np.pi * 3.0**2
    np.testing.assert_allclose(disc.vertices_nm[:, 2], 6.6, atol=1e-5)


def test_parts_are_told_apart_and_small_ones_left_out():
    both = np.maximum(ball(2.0, middle=(3.0, 5.0, 5.0)), ball(0.8, middle=(8.0, 5.0, 5.0)))
    surface = isosurface(field_of(np.clip(both, 0, 1)), "Sc", 0.10)
    areas = np.sort(surface.part_areas_nm2())
    np.testing.assert_allclose(areas, [4 * np.pi * 0.8**2, 4 * np.pi * 2.0**2], rtol=0.06)
    large = surface.without_small_parts(20.0)
    assert large.area_nm2 == pytest.approx(areas[1])
    assert large.vertices_nm[:, 0].max() < 1.0 + 5.1
    assert len(np.unique(large.triangles)) == len(large.vertices_nm)


@pytest.mark.parametrize("rim", ["open", "closed"])
def test_no_surface_where_the_composition_does_not_reach(rim):
    field = field_of(np.full((6, 6, 6), 0.1))
    surface = isosurface(field, "Sc", 0.2, rim=rim)
    assert len(surface.triangles) == 0
    assert surface.area_nm2 == 0.0
    assert len(surface.part_areas_nm2()) == 0
    assert surface.without_small_parts(1.0) is surface
    if rim == "open":
        assert len(isosurface(field, "Sc", 0.05, rim=rim).triangles) == 0
    else:  # all of the specimen
        volume = isosurface(field, "Sc", 0.05).volume_nm3
        assert (5 * VOXEL) ** 3 < volume < (7 * VOXEL) ** 3


def test_a_threshold_must_be_a_fraction():
    with pytest.raises(ValueError, match="no atomic fraction"):
        isosurface(field_of(np.full((4, 4, 4), 0.1)), "Sc", 14.0)


def test_the_outline_is_the_rim_of_the_specimen(specimens):
    ions = specimens.made_specimen((8.0, 9.0, 10.0), 40.0, lambda x: np.zeros(len(x)), 1)
    field = composition_field(ions, 0.5, 0.5)
    outline = specimen_outline(field)
    assert outline.name == "specimen"
    # The faces lie where the atoms end. Counting errors of 7 % ((4 pi)^1.5 s^3 rho = 220 atoms) on
    # a slope of 0.8 per nm roughen them by 0.08 nm; 36 nm^2 hold 12 patches of 4 pi s^2, so that
    # their mean is known to 0.024 nm: allowed are three of it.
    for axis, size in enumerate((8.0, 9.0, 10.0)):
        others = [k for k in range(3) if k != axis]
        far = np.abs(outline.vertices_nm[:, others] - 0.5 * np.array((8.0, 9.0, 10.0))[others])
        of_face = np.all(far < 3.0, axis=1)
        place = np.sort(outline.vertices_nm[of_face, axis])
        half = len(place) // 2
        assert place[:half].mean() == pytest.approx(0.0, abs=0.07)
        assert place[half:].mean() == pytest.approx(size, abs=0.07)
