"""Bands painted into point clouds: width, angle, number and spacing come back."""

import math

import numpy as np
import pytest

from ngcfem.results.bands import detect_bands, localization_index

DOWN = np.array([0.0, 1.0])


def cloud(size, count, seed=0):
    """Points of a jittered grid and their volumes."""
    rng = np.random.default_rng(seed)
    counts = [max(2, round(s * (count / np.prod(size)) ** (1.0 / len(size)))) for s in size]
    axes = [(np.arange(c) + 0.5) * s / c for c, s in zip(counts, size, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(size))
    spacing = np.array(size) / counts
    return grid + 0.3 * spacing * rng.uniform(-1, 1, grid.shape), np.full(
        len(grid), np.prod(size) / len(grid)
    )


def normal_at(angle_deg):
    """Normal in the plane of a band that makes an angle with the y axis."""
    angle = math.radians(angle_deg)
    return np.array([math.cos(angle), math.sin(angle)])


def inside(points, normal, centre, width):
    return np.abs((points - centre) @ normal) < 0.5 * width


@pytest.mark.parametrize("angle", [36.0, 42.0, 45.0, 51.5])
@pytest.mark.parametrize("width", [8.0, 12.0])
def test_one_band(angle, width):
    points, volume = cloud((100.0, 200.0), 20_000)
    centre = np.array([50.0, 100.0])
    band = inside(points, normal_at(angle), centre, width)
    strain = np.where(band, 0.8, 0.02)
    report = detect_bands(points, strain, volume, DOWN)
    assert report.number == 1
    (found,) = report.bands
    # The points are 1 nm apart: the edge is that rough, its mean much less.
    assert abs(found.width_nm - width) < 0.3
    assert abs(found.angle_deg - angle) < 0.3
    np.testing.assert_allclose(found.centre_nm, centre, atol=1.0)
    assert abs(found.volume_share - band.mean()) < 1e-12
    assert abs(found.mean_strain - 0.8) < 1e-12
    # From wall to wall, less what the slanted ends take.
    assert abs(found.extent_nm - 100.0 / math.sin(math.radians(angle))) < 12.0
    assert report.spacing_nm is None
    assert abs(report.volume_share_above - band.mean()) < 1e-12
    share = 0.8 * band.sum() / strain.sum()
    assert abs(report.strain_share_above - share) < 1e-12


def test_crossing_bands_are_told_apart():
    points, volume = cloud((100.0, 200.0), 20_000)
    centre = np.array([50.0, 100.0])
    hot = inside(points, normal_at(43.0), centre, 8.0)
    hot |= inside(points, normal_at(-43.0), np.array([50.0, 110.0]), 8.0)
    report = detect_bands(points, np.where(hot, 0.7, 0.03), volume, DOWN)
    assert report.number == 2
    for band in report.bands:
        assert abs(band.angle_deg - 43.0) < 1.5
        assert abs(band.width_nm - 8.0) < 1.5
    first, second = (np.array(band.normal) for band in report.bands)
    assert abs(first @ second) < 0.2
    assert report.spacing_nm is None


def test_parallel_bands_have_a_spacing():
    points, volume = cloud((100.0, 300.0), 30_000)
    normal = normal_at(44.0)
    hot = np.zeros(len(points), dtype=bool)
    for shift in (-60.0, 0.0, 60.0):
        hot |= inside(points, normal, np.array([50.0, 150.0]) + shift * normal, 7.0)
    report = detect_bands(points, np.where(hot, 0.5, 0.02), volume, DOWN)
    assert report.number == 3
    # The outer bands end at walls unevenly, which moves their centres along, not across, them.
    assert abs(report.spacing_nm - 60.0) < 0.5


def test_a_band_through_periodic_faces_is_one():
    """Slope 1 in a square cell: the band leaves at the top and comes in again at the bottom."""
    points, volume = cloud((80.0, 80.0), 16_000)
    normal = normal_at(45.0)
    distance = (points - [10.0, 60.0]) @ normal
    period = 80.0 / math.sqrt(2.0)
    hot = np.abs(distance - period * np.round(distance / period)) < 4.0
    cut = detect_bands(points, np.where(hot, 0.6, 0.01), volume, DOWN)
    whole = detect_bands(
        points, np.where(hot, 0.6, 0.01), volume, DOWN, lattice_nm=80.0 * np.eye(2)
    )
    assert cut.number > 1
    assert whole.number == 1
    assert abs(whole.bands[0].width_nm - 8.0) < 0.3
    assert abs(whole.bands[0].angle_deg - 45.0) < 0.3


def test_band_in_space():
    points, volume = cloud((60.0, 60.0, 90.0), 60_000)
    normal = np.array([math.cos(0.7) * 0.6, math.cos(0.7) * 0.8, math.sin(0.7)])
    hot = inside(points, normal, np.array([30.0, 30.0, 45.0]), 9.0)
    report = detect_bands(points, np.where(hot, 0.9, 0.05), volume, np.array([0.0, 0.0, 2.0]))
    assert report.number == 1
    assert abs(report.bands[0].width_nm - 9.0) < 0.5
    assert abs(report.bands[0].angle_deg - math.degrees(0.7)) < 0.5
    assert abs(abs(np.array(report.bands[0].normal) @ normal) - 1.0) < 1e-3


def test_crossing_bands_in_space():
    points, volume = cloud((60.0, 60.0, 90.0), 60_000)
    hot = np.zeros(len(points), dtype=bool)
    for sign in (1.0, -1.0):
        normal = np.array([math.cos(0.75), 0.0, sign * math.sin(0.75)])
        hot |= inside(points, normal, np.array([30.0, 30.0, 45.0]), 8.0)
    report = detect_bands(points, np.where(hot, 0.9, 0.05), volume, np.array([0.0, 0.0, 1.0]))
    assert report.number == 2
    for band in report.bands:
        assert abs(band.angle_deg - math.degrees(0.75)) < 2.5
        assert abs(band.width_nm - 8.0) < 2.0


@pytest.mark.parametrize("contrast", [3.0, 5.0])
@pytest.mark.parametrize("share", [0.3, 0.4])
@pytest.mark.parametrize(("dimension", "length", "count"), [(2, 20.0, 900), (3, 12.0, 4096)])
def test_a_wide_band_in_a_small_cell(dimension, length, count, share, contrast):
    """Its strain is below twice the mean: f + (1 - f) / contrast of it is at least a half."""
    assert share + (1.0 - share) / contrast >= 0.5 - 0.1 * (share < 0.4)
    points, volume = cloud((length,) * dimension, count)
    lattice = length * np.eye(dimension)
    axis = np.eye(dimension)[-1]
    for slope, angle in ((0.0, 90.0), (1.0, 45.0)):
        along = (slope * points[:, 0] + points[:, -1]) / length
        band = (along - 0.33) % 1.0 < share
        report = detect_bands(
            points, np.where(band, contrast, 1.0), volume, axis, lattice_nm=lattice
        )
        assert report.number == 1
        (found,) = report.bands
        width = share * length / math.hypot(1.0, slope)
        # Within the distance of the points.
        assert abs(found.width_nm - width) < (length**dimension / count) ** (1.0 / dimension)
        assert abs(found.angle_deg - angle) < 3.0
        assert abs(found.volume_share - band.mean()) < 1e-9


def test_scatter_gradients_and_what_fills_most_have_no_two_levels():
    points, volume = cloud((20.0, 20.0), 900)
    rng = np.random.default_rng(2)
    lattice = 20.0 * np.eye(2)
    for strain in (
        np.exp(0.5 * rng.normal(size=len(points))),
        np.maximum(0.2 + 0.05 * rng.normal(size=len(points)), 0.0),
        points[:, 1],
        np.where(points[:, 1] < 12.0, 3.0, 1.0),
        1.0 + 0.3 * (points[:, 1] > 12.0),
    ):
        report = detect_bands(points, strain, volume, DOWN, lattice_nm=lattice)
        assert not report.two_levels
        assert report.number == 0


def test_two_levels_leave_what_is_above_twice_the_mean():
    points, volume = cloud((20.0, 20.0), 900)
    strain = np.where(points[:, 1] < 8.0, 3.0, 1.0)
    report = detect_bands(points, strain, volume, DOWN)
    assert report.two_levels
    assert 1.0 < report.threshold_strain < 3.0
    assert (report.volume_share_above, report.strain_share_above) == (0.0, 0.0)
    narrow = detect_bands(points, np.where(points[:, 1] < 4.0, 3.0, 0.1), volume, DOWN)
    assert narrow.number == 1
    assert not narrow.two_levels
    assert narrow.threshold_strain == pytest.approx(2.0 * (0.2 * 3.0 + 0.8 * 0.1), rel=0.02)


def test_what_is_no_layer_is_no_band():
    """A disc of high strain, scattered points, a uniform field and an undeformed one."""
    points, volume = cloud((100.0, 100.0), 10_000)
    rng = np.random.default_rng(1)
    disc = np.linalg.norm(points - 50.0, axis=1) < 15.0
    assert detect_bands(points, np.where(disc, 1.0, 0.02), volume, DOWN).number == 0
    scattered = rng.random(len(points)) < 0.02
    assert detect_bands(points, np.where(scattered, 1.0, 0.02), volume, DOWN).number == 0
    for level in (0.3, 0.0):
        report = detect_bands(points, np.full(len(points), level), volume, DOWN)
        assert (report.number, report.localization_index) == (0, 0.0)
        assert report.volume_share_above == 0.0


def test_localization_index_is_weighted_by_volume():
    assert localization_index(np.array([0.0, 2.0]), np.array([1.0, 1.0])) == 1.0
    # Mean 0.5, variance 0.75 * 0.25 + 0.25 * 2.25 = 0.75.
    found = localization_index(np.array([0.0, 2.0]), np.array([3.0, 1.0]))
    assert abs(found - math.sqrt(0.75) / 0.5) < 1e-15


def test_shapes_that_do_not_fit_are_refused():
    points, volume = cloud((10.0, 10.0), 100)
    with pytest.raises(ValueError, match="do not fit"):
        detect_bands(points, np.ones(3), volume, DOWN)
