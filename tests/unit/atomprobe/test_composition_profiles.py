"""Maps, line profiles and proximity histograms of made specimens against closed forms."""

import numpy as np
import pytest
from scipy.stats import binom

from ngcfem.atomprobe.binomial_intervals import wilson_interval
from ngcfem.atomprobe.composition_field import composition_field
from ngcfem.atomprobe.composition_maps import composition_map
from ngcfem.atomprobe.composition_profiles import line_profile, profile_over
from ngcfem.atomprobe.ions import Ion
from ngcfem.atomprobe.isosurfaces import isosurface
from ngcfem.atomprobe.proximity_histograms import (
    point_triangle_distance,
    proximity_histogram,
    surface_distance,
)
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.atomprobe.ranging import RangeTable, composition_of

DENSITY = 30.0


@pytest.mark.parametrize(("share", "number"), [(0.02, 50), (0.08, 200), (0.5, 30), (0.97, 80)])
def test_wilson_interval_covers_as_it_says(share, number):
    found = np.arange(number + 1)
    low, high = wilson_interval(found / number, number)
    # Exact coverage by the binomial distribution; that of a score interval swings about its level.
    covered = binom.pmf(found, number, share)[(low <= share) & (share <= high)].sum()
    assert 0.92 < covered < 0.98
    # Its ends are the shares that a score test at 5 % just refuses.
    for end in (low[5], high[5]):
        z = (5 / number - end) / np.sqrt(end * (1.0 - end) / number)
        assert abs(z) == pytest.approx(1.959964, abs=1e-5)


def test_wilson_interval_at_the_ends():
    low, high = wilson_interval([0.0, 1.0, 0.3], [20, 20, 0])
    # For no successes the upper end is z^2 / (n + z^2).
    assert (low[0], high[0]) == pytest.approx((0.0, 1.959964**2 / (20 + 1.959964**2)))
    assert (low[1], high[1]) == pytest.approx((1.0 - high[0], 1.0))
    assert (low[2], high[2]) == (0.0, 1.0)


def test_line_profile_counts_the_ions_of_a_cylinder(specimens):
    ions = specimens.made_specimen(
        (10.0, 10.0, 14.0), DENSITY, lambda x: np.where(x[:, 2] < 7.0, 0.05, 0.30), 1
    )
    start, end, radius = np.array([2.0, 3.0, 1.0]), np.array([8.0, 7.0, 13.0]), 1.5
    profile = line_profile(ions, start, end, radius, 0.5)
    length = np.linalg.norm(end - start)
    direction = (end - start) / length
    width = length / len(profile.centres_nm)
    offset = ions.position_nm.astype(float) - start
    along = offset @ direction
    inside = np.linalg.norm(np.cross(offset, direction), axis=1) <= radius
    inside &= (along >= 0.0) & (along < length)
    counts = np.histogram(along[inside], profile.edges_nm)[0]
    np.testing.assert_array_equal(profile.total, counts)
    assert width <= 0.5
    # Far from the step the composition is that of either side, within its interval.
    low, high = profile.interval("Sc", 0.9999)
    z = start[2] + profile.centres_nm * direction[2]
    truth = np.where(z < 7.0, 0.05, 0.30)
    # The cylinder is aslant: its rim crosses the step over a radius times the tangent.
    clear = np.abs(z - 7.0) > radius * np.sqrt(1.0 - direction[2] ** 2) + width
    assert np.all((low <= truth) & (truth <= high) | ~clear)
    assert np.count_nonzero(clear) > 12


def test_molecular_ions_widen_the_interval():
    table = RangeTable.of(
        [
            MassRange(1.0, 2.0, Ion.of({"Fe": 1})),
            MassRange(3.0, 4.0, Ion.of({"Sc": 2, "H": 1})),
        ]
    )
    label = np.repeat([0, 1], [400, 60]).astype(np.int16)
    ions = RangedIons(table, np.zeros((460, 3), np.float32), label)
    profile = profile_over(ions, np.full(460, 0.5), np.array([0.0, 1.0, 2.0]))
    assert profile.atoms_of("Sc").tolist() == [120, 0]
    assert profile.total.tolist() == [580, 0]
    assert profile.fraction("Sc")[0] == pytest.approx(120 / 580)
    error = composition_of(table, [400, 60]).fraction_error[2]
    low, high = profile.interval("Sc")
    assert (high[0] - low[0]) / (2 * 1.96) == pytest.approx(error, rel=0.02)
    assert (low[1], high[1]) == (0.0, 1.0)
    assert np.isnan(profile.fraction("Sc")[1])
    # An element that is not there: the interval of no success among 460 ions of 400 + 60 * 9.
    number = 580**2 / (400 + 60 * 9)
    assert profile.interval("Zr")[1][0] == pytest.approx(1.96**2 / (number + 1.96**2), rel=1e-3)


def test_a_map_shows_a_disc_and_its_error(specimens):
    inner, outer = 0.30, 0.05

    def share(x):
        return np.where(np.hypot(x[:, 0] - 6.0, x[:, 2] - 8.0) < 3.0, inner, outer)

    ions = specimens.made_specimen((12.0, 6.0, 16.0), DENSITY, share, 1)
    found = composition_map(ions, "Sc", "y", 3.0, 2.0, 0.25, 0.4)
    assert found.plane_axes == ("x", "z")
    u, v = (
        origin + 0.25 * (np.arange(size) + 0.5)
        for origin, size in zip(found.origin_nm, found.atoms.shape, strict=True)
    )
    away = np.hypot(u[:, None] - 6.0, v - 8.0) - 3.0
    assert found.inside.mean() > 0.98
    share_there = np.where(away < 0.0, inner, outer)
    # The stated error holds the share that was found; scatter is held against that of the truth.
    error = found.fraction_error * np.sqrt(
        share_there * (1.0 - share_there) / (found.fraction * (1.0 - found.fraction))
    )
    pull = (found.fraction - share_there) / error
    for region, truth in ((away < -1.6, inner), (away > 1.6, outer)):
        pixels = found.fraction[region & found.inside]
        number = np.count_nonzero(
            (np.abs(ions.position_nm[:, 1] - 3.0) <= 1.0)
            & (ions.atoms_of("Sc") >= 0)
        ) * region.mean()  # fmt: skip
        assert pixels.mean() == pytest.approx(truth, abs=4 * np.sqrt(truth / number))
    # Neighbouring pixels share atoms: 150 nm^2 over 4 pi s^2 are 75 independent ones, whose spread
    # is known to 1 / sqrt(2 n) = 8 %; allowed are three of them.
    spread = pull[(np.abs(away) > 1.6) & found.inside].std()
    assert spread == pytest.approx(1.0, abs=0.24)
    plain = composition_map(ions, "Sc", "y", 3.0, 2.0, 0.25, 0.0)
    in_slice = np.abs(ions.position_nm[:, 1] - 3.0) <= 1.0
    assert plain.atoms.sum() == np.count_nonzero(in_slice)
    assert plain.atoms_of_element.sum() == ions.atoms_of("Sc")[in_slice].sum()
    assert composition_map(ions, "Sc", "y", 40.0).fraction.shape == (0, 0)


def test_point_triangle_distance_against_a_search():
    generator = np.random.default_rng(1)
    points, corners = generator.normal(size=(60, 3)), generator.normal(size=(60, 3, 3))
    # All convex combinations on a grid: never nearer than the distance, and close to it.
    a, b = np.meshgrid(np.linspace(0, 1, 201), np.linspace(0, 1, 201))
    weights = np.stack([a, b, 1.0 - a - b], axis=-1)[a + b <= 1.0 + 1e-12]
    for point, triangle in zip(points, corners, strict=True):
        least = np.linalg.norm(weights @ triangle - point, axis=1).min()
        found = point_triangle_distance(point[None], triangle[None])[0]
        assert found <= least + 1e-12
        assert least - found < 0.02


def ball_specimen(specimens, radius, seed, size=14.0):
    return specimens.made_specimen(
        (size, size, size),
        DENSITY,
        lambda x: np.where(np.linalg.norm(x - 0.5 * size, axis=1) < radius, 0.02, 0.20),
        seed,
    )


def test_distance_from_a_ball(specimens):
    ions = ball_specimen(specimens, 4.0, 1)
    field = composition_field(ions, 0.5, 0.8)
    surface = isosurface(field, "Sc", 0.11, "below", "open").without_small_parts(50.0)
    generator = np.random.default_rng(2)
    points = generator.uniform(0.0, 14.0, (300, 3))
    distance, triangle = surface_distance(points, surface, 2.5)
    corners = surface.vertices_nm[surface.triangles]
    # Every triangle tried: the eight nearest centroids lose at most a small part of a voxel.
    for point, found, at in zip(points, distance, triangle, strict=True):
        every = point_triangle_distance(np.tile(point, (len(corners), 1)), corners)
        if np.isnan(found):
            assert every.min() > 2.5 - 0.05
        else:
            assert every.min() <= found + 1e-12 < every.min() + 0.05
            assert every[at] == pytest.approx(found)


def test_proximity_histogram_of_a_ball(specimens):
    radius = 4.0
    ions = ball_specimen(specimens, radius, 1)
    field = composition_field(ions, 0.5, 0.6)
    surface = isosurface(field, "Sc", 0.11, "below", "open").without_small_parts(50.0)
    found = proximity_histogram(ions, field, surface, 3.0, 0.25)
    assert found.edges_nm[[0, -1]].tolist() == [-3.0, 3.0]
    low, high = found.interval("Sc", 0.9999)
    # Beyond a kernel width of the step, either side has its composition.
    truth = np.where(found.centres_nm > 0.0, 0.02, 0.20)
    clear = np.abs(found.centres_nm) > 1.0
    assert np.all(((low <= truth) & (truth <= high))[clear])
    # Shells of a ball: 4 pi (r - d)^2 atoms per volume. The surface lies s^2 / r = 0.09 nm further
    # in than the ball, and is rough by noise: within 10 % beside Poisson scatter.
    shells = DENSITY * 4.0 * np.pi * (radius - 0.09 - found.centres_nm) ** 2 * 0.25
    assert np.all(np.abs(found.total - shells) < 0.10 * shells + 4.0 * np.sqrt(shells))
    assert found.n_left_out == 0


def test_ions_beside_the_edge_of_an_open_surface_are_left_out(specimens):
    ions = specimens.made_specimen(
        (8.0, 8.0, 8.0), DENSITY, lambda x: np.where(x[:, 2] < 4.0, 0.02, 0.50), 1
    )
    field = composition_field(ions, 0.5, 0.6)
    surface = isosurface(field, "Sc", 0.26, "above", "open").without_small_parts(20.0)
    found = proximity_histogram(ions, field, surface, 2.0, 0.25)
    assert found.n_left_out > 0
    # What is counted are those above and below whole triangles, two voxels off the sides.
    inner = np.count_nonzero(
        np.all(np.abs(ions.position_nm[:, :2] - 4.0) < 3.2, axis=1)
        & (np.abs(ions.position_nm[:, 2] - 4.0) < 2.0)
    )
    assert inner * 0.8 < found.total.sum() < 4.0 * DENSITY * 64.0
    assert found.fraction("Sc")[0] == pytest.approx(0.02, abs=0.02)
    assert found.fraction("Sc")[-1] == pytest.approx(0.50, abs=0.06)
    closed = isosurface(field, "Sc", 0.26, "above", "closed")
    with pytest.raises(ValueError, match="open at the rim"):
        proximity_histogram(ions, field, closed)
