"""Imperfections: regions by their definition, the random field against its own statistics."""

import numpy as np
import pytest

from ngcfem.errors import RefusedError
from ngcfem.microstructure.imperfection import Imperfection, StrengthScatter, WeakRegion

SKEW = np.array([[20.0, 0.0], [6.0, 16.0]])


def test_a_region_is_a_ball_and_overlaps_multiply():
    random = np.random.default_rng(3)
    lattice = np.diag([10.0, 12.0, 14.0])
    places = random.random((4000, 3)) @ lattice
    regions = (WeakRegion((0.5, 0.5, 0.5), 3.0, 0.9), WeakRegion((0.6, 0.5, 0.5), 2.0, 0.8))
    factors = Imperfection(regions).strength_factors(places, lattice, periodic=False)
    first = np.linalg.norm(places - [5.0, 6.0, 7.0], axis=1) <= 3.0
    second = np.linalg.norm(places - [6.0, 6.0, 7.0], axis=1) <= 2.0
    np.testing.assert_array_equal(factors, np.where(first, 0.9, 1.0) * np.where(second, 0.8, 1.0))
    assert 0 < (first & second).sum() < first.sum()


@pytest.mark.parametrize("periodic", [True, False])
def test_a_region_goes_on_behind_periodic_faces(periodic):
    """Against the distance to all images, in a cell that is no rectangle."""
    random = np.random.default_rng(4)
    places = (random.random((3000, 2)) * 1.4 - 0.2) @ SKEW
    region = WeakRegion((0.05, 0.9), 4.0, 0.7)
    factors = Imperfection((region,)).strength_factors(places, SKEW, periodic)
    shifts = [(i, j) for i in range(-3, 4) for j in range(-3, 4)] if periodic else [(0, 0)]
    images = (np.array(region.centre) + np.array(shifts)) @ SKEW
    distance = np.linalg.norm(places[:, None] - images, axis=2).min(axis=1)
    np.testing.assert_array_equal(factors == 0.7, distance <= 4.0)


def test_a_region_that_overlaps_its_image_is_refused():
    imperfection = Imperfection((WeakRegion((0.5, 0.5), 8.0, 0.9),))
    places = np.zeros((1, 2))
    # The faces of the skew cell are 16 and 320/17.09 = 18.7 nm apart.
    imperfection.strength_factors(places, SKEW, periodic=True)
    larger = Imperfection((WeakRegion((0.5, 0.5), 8.01, 0.9),))
    with pytest.raises(RefusedError, match="overlaps its own image in a cell 16 nm across"):
        larger.strength_factors(places, SKEW, periodic=True)
    larger.strength_factors(places, SKEW, periodic=False)


@pytest.mark.parametrize("lattice", [SKEW, np.diag([12.0, 15.0, 18.0])])
def test_the_random_field_has_the_correlation_asked_for(lattice):
    """Over many fields: variance 1 and correlation exp(-(r/L)^2) of the logarithm."""
    length, deviation, number = 2.5, 0.1, 600
    steps = np.array([0.0, 1.25, 2.5, 5.0])
    direction = np.array([0.6, 0.8, 0.0])[: len(lattice)]
    places = np.array([3.0, 4.0, 2.0])[: len(lattice)] + steps[:, None] * direction
    fractions = places @ np.linalg.inv(lattice)
    logarithms = np.array(
        [
            np.log(StrengthScatter(deviation, length, seed).factors(fractions, lattice))
            for seed in range(number)
        ]
    )
    field = logarithms / deviation + 0.5 * deviation
    # Sampling error of a mean of 600, 1/sqrt(600) = 0.04, three and a half times.
    assert abs(field.mean()) < 0.1
    correlation = field.T @ field[:, 0] / number
    # The mean over the cell is left out, which lowers the correlation by L^d pi^(d/2) / V.
    missing = (length * np.sqrt(np.pi)) ** len(lattice) / abs(np.linalg.det(lattice))
    expected = (np.exp(-((steps / length) ** 2)) - missing) / (1.0 - missing)
    np.testing.assert_allclose(correlation, expected, atol=0.14)


def test_the_random_field_is_periodic_and_one_on_average():
    places = np.random.default_rng(1).random((50, 2))
    scatter = StrengthScatter(0.05, 2.0, 7)
    factors = scatter.factors(places, SKEW)
    np.testing.assert_allclose(
        scatter.factors(places + np.array([1.0, -2.0]), SKEW), factors, rtol=1e-12
    )
    grid = np.stack(np.meshgrid(*2 * [np.arange(64) / 64], indexing="ij"), axis=-1).reshape(-1, 2)
    logarithm = np.log(scatter.factors(grid, SKEW))
    # Without the wave of infinite length the mean over the cell vanishes exactly.
    assert logarithm.mean() == pytest.approx(-0.5 * 0.05**2, abs=1e-12)
    assert scatter.factors(grid, SKEW).min() > 0.0
    assert not np.allclose(StrengthScatter(0.05, 2.0, 8).factors(places, SKEW), factors)


def test_a_field_too_fine_for_the_cell_is_refused():
    scatter = StrengthScatter(0.05, 0.5, 7)
    with pytest.raises(RefusedError, match="choose a longer correlation length"):
        scatter.factors(np.zeros((1, 3)), np.diag([100.0, 100.0, 100.0]))


def test_a_field_longer_than_the_cell_is_refused():
    scatter = StrengthScatter(0.05, 1000.0, 7)
    with pytest.raises(RefusedError, match="choose a shorter correlation length"):
        scatter.factors(np.zeros((1, 2)), SKEW)
