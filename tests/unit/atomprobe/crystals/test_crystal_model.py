"""The model of a crystal against random points, its fit against known truth."""

import numpy as np
import pytest
from scipy import stats

from ngcfem.atomprobe.composition_field import VoxelGrid
from ngcfem.atomprobe.crystal_detection import blurred_ball
from ngcfem.atomprobe.crystal_fit import Surroundings, fit_model
from ngcfem.atomprobe.crystal_model import (
    CAP_AXIS,
    CAP_CONTENT,
    CAP_HALF_ANGLE,
    CAP_LOG_THICKNESS,
    CENTRE,
    LOG_RADIUS,
    SHAPE,
    Parts,
    content,
    content_slopes,
    free_parameters,
    shares,
    slab_slice,
    starting_values,
)
from ngcfem.atomprobe.crystal_orientation import fibre
from ngcfem.atomprobe.crystal_shapes import population_variance, shrunk_shapes
from ngcfem.atomprobe.ellipsoids import semi_axes, shape_tensor, surface_distance_nm
from ngcfem.atomprobe.specimen_edges import SpecimenEdges
from ngcfem.atomprobe.weighted_estimates import poisson_interval, variation, weighted_mean

BLUR = 0.2
DISC = np.array([-0.35, 0.1, 0.05, 0.2, -0.1])


def everything() -> tuple[np.ndarray, Parts]:
    values = starting_values(np.array([0.1, -0.2, 0.3]), 1.9, BLUR, 0.003, 0.08)
    values[SHAPE] = DISC
    values[CAP_AXIS] = [0.6, 0.0, 0.8]
    values[CAP_LOG_THICKNESS] = np.log(0.8)
    values[CAP_HALF_ANGLE] = np.radians(70.0)
    values[slab_slice(0)] = [0.0, 1.0, 0.0, 3.0, 0.0, -1.2]
    return values, Parts(cap=True, n_slabs=1)


def blurred(position, inside, number=20_000):
    """Share of a body around each place, by random points."""
    draws = np.random.default_rng(1).normal(size=(number, 3)) * BLUR
    return np.array([inside(place + draws).mean() for place in position])


def test_a_blurred_ball_has_the_closed_form():
    distance = np.array([0.05, 0.8, 1.4, 1.5, 1.6, 2.2])
    place = np.column_stack([distance, np.zeros((6, 2))])
    expected = blurred(place, lambda x: np.linalg.norm(x, axis=1) < 1.5)
    # 4 standard errors of 20000 points
    assert np.all(np.abs(blurred_ball(distance, 1.5, BLUR) - expected) < 4.0 * 0.5 / 20_000**0.5)


def test_shares_of_crystal_and_cap_are_those_of_random_points():
    values, parts = everything()
    generator = np.random.default_rng(2)
    position = generator.normal(size=(150, 3)) * 1.6
    axes, turn = semi_axes(1.9, DISC)

    def ball(x):
        return ((x - values[CENTRE]) @ turn * (1.9 / axes)) @ turn.T

    def in_crystal(x):
        return np.linalg.norm(ball(x), axis=1) < 1.9

    def in_cap(x):
        back = ball(x)
        distance = np.linalg.norm(back, axis=1)
        cosine = back @ np.array([0.6, 0.0, 0.8]) / distance
        return (distance >= 1.9) & (distance < 2.7) & (cosine > np.cos(np.radians(70.0)))

    share = shares(position, values, parts)
    # what the first order in blur times curvature, 0.2 / 1.0 at the rim of the disc, leaves out
    assert np.max(np.abs(share.crystal - blurred(position, in_crystal))) < 0.06
    assert np.mean(np.abs(share.crystal - blurred(position, in_crystal))) < 0.006
    assert np.mean(np.abs(share.cap - blurred(position, in_cap))) < 0.012
    height = position[:, 1] - 3.0
    slab = stats.norm.cdf((height + 0.5) / BLUR) - stats.norm.cdf((height - 0.5) / BLUR)
    assert share.slabs[0] == pytest.approx(slab, abs=1e-12)


def test_derivatives_are_those_of_central_differences():
    values, parts = everything()
    position = np.random.default_rng(3).normal(size=(200, 3)) * 2.0
    free = free_parameters(parts, True, True, True)
    probability, slopes = content_slopes(position, values, parts, free)
    assert probability == pytest.approx(content(position, values, parts), abs=1e-15)
    for row, parameter in enumerate(free):
        up, down = values.copy(), values.copy()
        up[parameter] += 1e-4
        down[parameter] -= 1e-4
        expected = (content(position, up, parts) - content(position, down, parts)) / 2e-4
        assert slopes[row] == pytest.approx(expected, abs=2e-4), parameter


def test_fitted_radii_scatter_as_their_errors_say():
    generator = np.random.default_rng(4)
    scores = []
    for _ in range(30):
        position = generator.uniform(-3.5, 3.5, ((42 * 343), 3))
        inside = np.linalg.norm(position - [0.1, 0.0, -0.1], axis=1) < 1.8
        scandium = (generator.random(len(position)) < np.where(inside, 0.003, 0.08)).astype(float)
        position += generator.normal(size=position.shape) * BLUR
        ions = Surroundings(position, scandium, np.ones(len(position)))
        start = starting_values(np.zeros(3), 1.5, BLUR, 0.003, 0.08)
        parts = Parts()
        fit = fit_model(ions, start, parts, free_parameters(parts, False, False, False))
        assert fit.converged
        error = np.sqrt(fit.variance(LOG_RADIUS))
        scores.append((fit.values[LOG_RADIUS] - np.log(1.8)) / error)
    # 30 draws: the mean to 1 / sqrt(30), the spread to 1 / sqrt(60), at 3 standard errors
    assert abs(np.mean(scores)) < 3.0 / np.sqrt(30.0)
    assert 1.0 - 3.0 / np.sqrt(60.0) < np.std(scores) < 1.0 + 3.0 / np.sqrt(60.0)


def test_a_fitted_cap_is_the_one_that_was_drawn():
    values, _ = everything()
    values[slab_slice(0)] = 0.0
    values[CAP_CONTENT] = np.log(0.3 / 0.7)
    parts = Parts(cap=True)
    generator = np.random.default_rng(8)
    position = generator.uniform(-4.0, 4.0, ((42 * 512), 3))
    probability = content(position, values, parts)
    scandium = (generator.random(len(position)) < probability).astype(float)
    start = starting_values(np.zeros(3), 1.7, BLUR, 0.003, 0.08)
    start[CAP_AXIS] = [0.3, 0.3, 0.9]
    free = free_parameters(parts, True, False, False)
    fit = fit_model(Surroundings(position, scandium, np.ones(len(position))), start, parts, free)
    for parameter in (LOG_RADIUS, CAP_LOG_THICKNESS, CAP_HALF_ANGLE, CAP_CONTENT):
        error = np.sqrt(fit.variance(parameter))
        assert abs(fit.values[parameter] - values[parameter]) < 4.0 * error, parameter


def test_distances_from_a_sphere_are_exact_and_axes_multiply_to_the_volume():
    position = np.random.default_rng(5).normal(size=(50, 3)) * 3.0
    distance = surface_distance_nm(position, np.ones(3), np.full(3, 2.0), np.eye(3))
    assert distance == pytest.approx(np.linalg.norm(position - 1.0, axis=1) - 2.0)
    axes, turn = semi_axes(2.0, DISC)
    assert np.prod(axes) == pytest.approx(8.0)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    rebuilt = turn @ np.diag(np.log(axes / 2.0)) @ turn.T
    assert rebuilt == pytest.approx(shape_tensor(DISC), abs=1e-12)


def test_noise_is_taken_out_of_shapes():
    generator = np.random.default_rng(6)
    number, error = 60, 0.08
    covariance = np.tile(error**2 * np.eye(5), (number, 1, 1))
    noise = error * generator.normal(size=(number, 5))
    trusted = np.ones(number, dtype=bool)
    shapes, _ = shrunk_shapes(noise, covariance, trusted)
    assert not shapes.any()
    true = 0.2 * generator.normal(size=(number, 5))
    # 300 components: the variance is known to sqrt(2 / 300) of 0.2^2 + 0.08^2
    found = population_variance(true + noise, covariance)
    assert found == pytest.approx(0.04, abs=3.0 * np.sqrt(2.0 / 300.0) * 0.0464)
    shapes, spread = shrunk_shapes(true + noise, covariance, trusted)
    assert np.mean((shapes - true) ** 2) < np.mean(noise**2)
    assert np.all(spread > 0.0)


def test_axes_that_prefer_a_direction_are_told_from_random_ones():
    generator = np.random.default_rng(7)
    free = generator.normal(size=(200, 3))
    free /= np.linalg.norm(free, axis=1)[:, None]
    assert fibre(free) is None
    angle = np.radians(10.0) * np.sqrt(2.0 * generator.exponential(size=200))
    azimuth = generator.uniform(0.0, 2.0 * np.pi, 200)
    bound = np.column_stack(
        [np.sin(angle) * np.cos(azimuth), np.sin(angle) * np.sin(azimuth), np.cos(angle)]
    )
    result = fibre(bound * np.where(generator.random(200) < 0.5, 1.0, -1.0)[:, None])
    assert result is not None
    assert abs(result[0][2]) > 0.99
    # the width of a Rayleigh distribution from 200 draws: 3 times 1 / sqrt(800)
    assert result[1] == pytest.approx(10.0, rel=3.0 / np.sqrt(800.0) + 0.02)


def test_depths_of_a_box():
    inside = np.zeros((60, 50, 40), dtype=bool)
    inside[5:55, 5:45, 5:35] = True
    edges = SpecimenEdges.of(VoxelGrid((0.0, 0.0, 0.0), 0.2, inside.shape), inside)
    depth = np.array([0.0, 1.0, 2.0])
    expected = np.prod(1.0 - 2.0 * depth[:, None] / np.array([10.0, 8.0, 6.0]), axis=1)
    assert edges.share_deeper(depth) == pytest.approx(expected, abs=0.05)
    assert edges.share_deeper(np.array([3.1]))[0] == 0.0
    place = np.array([[6.0, 5.0, 2.0], [-3.0, 0.0, 0.0]])
    assert edges.depth_at_nm(place) == pytest.approx([1.0, 0.0], abs=0.11)


def test_intervals_of_weighted_means_and_counts():
    values = np.random.default_rng(9).normal(3.0, 1.0, 12)
    mean, low, high = weighted_mean(values, np.full(12, 2.5))
    expected = stats.ttest_1samp(values, 0.0).confidence_interval()
    assert (mean, low, high) == pytest.approx((values.mean(), expected.low, expected.high))
    weights = np.r_[np.ones(6), np.zeros(6)]
    assert weighted_mean(values, weights) == pytest.approx(weighted_mean(values[:6], np.ones(6)))
    assert variation(values, np.ones(12), np.zeros(12)) == pytest.approx(
        values.std(ddof=1) / values.mean()
    )
    assert variation(values, np.ones(12), np.full(12, 5.0)) == 0.0
    # -ln(0.025) and the ends that the tables of Garwood give for 10
    assert poisson_interval(0) == pytest.approx((0.0, 3.6889), abs=1e-4)
    assert poisson_interval(10) == pytest.approx((4.7954, 18.3904), abs=1e-4)
