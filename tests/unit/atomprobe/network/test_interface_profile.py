"""The blurred layer against numerical convolution, and its fits against counts of known layers."""

import numpy as np
import pytest

from ngcfem.atomprobe.interface_profile import (
    DistanceHistogram,
    LayerProfile,
    distance_histogram,
    fit_amplitude,
    fit_layer,
    with_amplitude,
)

LAYER = LayerProfile(matrix=0.08, excess=0.14, thickness_nm=1.1, sigma_nm=0.3)


def counts_of(layer: LayerProfile, atoms: float, seed: int) -> DistanceHistogram:
    distance = 0.05 + 0.1 * np.arange(18)
    part = np.random.default_rng(seed).binomial(int(atoms), layer.fraction(distance))
    return DistanceHistogram(distance, part.astype(float), np.full(18, float(atoms)), np.zeros(18))


@pytest.mark.parametrize("variance", [0.0, 0.04])
def test_layer_is_a_box_convolved_with_a_gaussian(variance):
    fine = np.linspace(-6.0, 6.0, 24001)
    box = LAYER.matrix + LAYER.excess * (np.abs(fine) < 0.5 * LAYER.thickness_nm)
    width = np.sqrt(LAYER.sigma_nm**2 + variance)
    for place in (0.0, 0.4, -0.7, 1.5):
        kernel = np.exp(-0.5 * ((fine - place) / width) ** 2)
        convolved = float((box * kernel).sum() / kernel.sum())
        # The edges of the box fall between two of the points 0.0005 nm apart.
        assert LAYER.fraction(np.array([place]), variance)[0] == pytest.approx(convolved, abs=2e-4)


def test_slope_is_the_derivative():
    place, step = np.linspace(-1.5, 1.5, 31), 1e-5
    secant = (LAYER.fraction(place + step) - LAYER.fraction(place - step)) / (2.0 * step)
    np.testing.assert_allclose(LAYER.slope(place), secant, atol=1e-8)


def test_evidence_is_the_mean_log_likelihood_ratio():
    generator = np.random.default_rng(1)
    place = generator.uniform(-2.0, 2.0, 2_000_000)
    own = LAYER.fraction(place)
    rich = generator.random(len(place)) < own
    gain = np.where(rich, np.log(own / LAYER.matrix), np.log((1 - own) / (1 - LAYER.matrix)))
    # 4 nm of profile; the mean of 2 million draws is known to about 0.7 percent.
    assert LAYER.evidence_per_nm() == pytest.approx(4.0 * gain.mean(), rel=0.025)


def test_fit_finds_the_layer_within_its_counting_error():
    found = [fit_layer(counts_of(LAYER, 50_000, seed), LAYER) for seed in range(40)]
    for name, known in (("thickness_nm", 1.1), ("sigma_nm", 0.3), ("matrix", 0.08)):
        values = np.array([getattr(layer, name) for layer in found])
        assert abs(values.mean() - known) < 4.0 * values.std() / np.sqrt(len(values)) + 1e-4
        assert values.std() < 0.1 * known
    excess = np.array([layer.gibbs_excess_nm for layer in found])
    assert excess.mean() == pytest.approx(0.154, rel=0.01)


def test_expected_thickness_counts_only_where_the_data_are_silent():
    rich, poor = counts_of(LAYER, 500_000, 3), counts_of(LAYER, 20, 3)
    assert fit_layer(rich, LAYER, 2.0, 0.3).thickness_nm == pytest.approx(1.1, abs=0.06)
    assert fit_layer(poor, LAYER, 2.0, 0.05).thickness_nm == pytest.approx(2.0, abs=0.1)


def test_amplitude_is_exact_without_noise_and_may_be_negative():
    distance = 0.05 + 0.1 * np.arange(12)
    poor = LayerProfile(0.3, -0.1, 1.1, 0.3)
    atoms = np.full(12, 1e5)
    histogram = DistanceHistogram(distance, atoms * poor.fraction(distance), atoms, np.zeros(12))
    assert fit_amplitude(histogram, LAYER) == pytest.approx((0.3, -0.1))
    assert with_amplitude(LAYER, histogram).excess == pytest.approx(0.003)


def test_histogram_folds_both_sides_and_drops_what_is_far():
    found = distance_histogram(
        np.array([-0.05, 0.05, 0.15, -5.0]), np.array([1.0, 0.0, 2.0, 7.0]), np.ones(4), 0.3
    )
    np.testing.assert_array_equal(found.part, [1.0, 2.0, 0.0])
    np.testing.assert_array_equal(found.atoms, [2.0, 1.0, 0.0])
    np.testing.assert_allclose(found.distance_nm, [0.05, 0.15, 0.25])
