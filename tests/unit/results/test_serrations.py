"""Drops of synthetic curves and exponents of synthetic drops."""

import math

import numpy as np
import pytest

from ngcfem.results.serrations import (
    complementary_distribution,
    find_serrations,
    fit_power_law,
    fit_power_law_with_cutoff,
)


def sawtooth(sizes, rise=0.05):
    """Curve with the given drops, each after a rise to a level that grows."""
    strain, stress = [0.0], [0.0]
    for number, size in enumerate(sizes):
        strain += [0.01 * (number + 1) - 0.004, 0.01 * (number + 1)]
        stress += [2.0 + rise * number, 2.0 + rise * number - size]
    # Reloaded, without which the last drop would not be over.
    strain.append(strain[-1] + 0.005)
    stress.append(stress[-1] + rise)
    return np.array(strain), np.array(stress)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_drops_of_a_sawtooth(sign):
    sizes = np.array([0.1, 0.03, 0.25, 0.01, 0.2])
    strain, stress = sawtooth(sizes)
    found = find_serrations(sign * strain, sign * stress)
    np.testing.assert_allclose(found.size_gpa, sizes, atol=1e-14)
    np.testing.assert_allclose(found.strain, 0.01 * np.arange(1, 6) - 0.004, atol=1e-14)
    assert abs(found.drops_per_strain - 5 / 0.055) < 1e-9


def test_noise_does_not_break_a_drop_or_make_one():
    """A drop in many samples with jitter below the threshold stays one drop."""
    rng = np.random.default_rng(3)
    strain, stress = sawtooth([0.3, 0.2])
    fine = np.linspace(0.0, 0.025, 2001)
    noisy = np.interp(fine, strain, stress) + 0.004 * rng.uniform(-1, 1, 2001)
    assert len(find_serrations(fine, noisy).size_gpa) > 100
    found = find_serrations(fine, noisy, smallest_drop_gpa=0.01)
    np.testing.assert_allclose(found.size_gpa, [0.3, 0.2], atol=0.01)


def test_a_rising_curve_has_none():
    found = find_serrations(np.linspace(0, 0.1, 50), np.linspace(0, 2, 50))
    assert len(found.size_gpa) == 0
    assert found.drops_per_strain == 0.0


def test_a_fall_that_lasts_to_the_end_is_no_serration():
    found = find_serrations(np.linspace(0, 0.3, 4), np.array([0.0, 2.0, 1.8, 1.7]))
    assert len(found.size_gpa) == 0
    assert found.drops_per_strain == 0.0
    assert abs(found.fall_at_end_gpa - 0.3) < 1e-14
    # A rise within the noise does not end it; one above it does.
    curve = np.array([0.0, 2.0, 1.8, 1.7, 1.72])
    strain = np.linspace(0, 0.4, 5)
    found = find_serrations(strain, curve, smallest_drop_gpa=0.03)
    assert len(found.size_gpa) == 0
    assert abs(found.fall_at_end_gpa - 0.3) < 1e-14
    found = find_serrations(strain, curve, smallest_drop_gpa=0.01)
    np.testing.assert_allclose(found.size_gpa, [0.3], atol=1e-14)
    assert found.fall_at_end_gpa == 0.0


def test_complementary_distribution():
    size, share = complementary_distribution(np.array([3.0, 1.0, 2.0]))
    np.testing.assert_allclose(size, [0.5, 1.0, 1.5])
    np.testing.assert_allclose(share, [1.0, 2.0 / 3.0, 1.0 / 3.0])


@pytest.mark.parametrize("exponent", [1.5, 2.0, 2.6])
def test_pure_power_law(exponent):
    """Sizes by inversion, S = S_min (1 - u)^(-1 / (tau - 1)), at the quantiles of u."""
    u = (np.arange(4000) + 0.5) / 4000
    sizes = 0.002 * (1.0 - u) ** (-1.0 / (exponent - 1.0))
    found = fit_power_law(np.append(sizes, [0.001, 0.0015]), 0.002)
    assert found.count == 4000
    assert found.trustworthy
    assert found.cutoff_gpa == math.inf
    # The mean of -ln(1 - u) at the midpoints is 1 - ln(2) / (2 n): far below the error.
    assert abs(found.exponent - exponent) < 1e-3
    assert abs(found.exponent_error - (exponent - 1.0) / math.sqrt(4000)) < 1e-4


@pytest.mark.parametrize(("exponent", "cutoff"), [(1.5, 0.1), (1.5, 0.5), (2.0, 0.2), (1.0, 0.05)])
def test_power_law_with_cutoff(exponent, cutoff):
    """Sizes drawn by rejection; the fit within three of its own errors, ten seeds."""
    smallest, n = 0.001, 2000
    off = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        kept = np.empty(0)
        while len(kept) < n:
            u = rng.random(50_000)
            if exponent > 1.0:
                drawn = smallest * (1.0 - u) ** (-1.0 / (exponent - 1.0))
                accepted = rng.random(50_000) < np.exp(-(drawn - smallest) / cutoff)
            else:
                # Uniform in ln S is p = 1 / S.
                drawn = smallest * (60.0 * cutoff / smallest) ** u
                accepted = rng.random(50_000) < np.exp(-(drawn - smallest) / cutoff)
            kept = np.append(kept, drawn[accepted])
        found = fit_power_law_with_cutoff(kept[:n], smallest)
        off.append((found.exponent - exponent) / found.exponent_error)
        assert abs(off[-1]) < 4.0
        assert abs(math.log(found.cutoff_gpa / cutoff)) < 1.0
    # Ten standard normal numbers: mean within 1.2 and scatter between 0.35 and 1.9 (99.9 %).
    assert abs(np.mean(off)) < 1.2
    assert 0.35 < np.std(off) < 1.9


def test_too_few_drops_are_refused_and_few_are_marked():
    with pytest.raises(ValueError, match="two at least"):
        fit_power_law(np.array([0.1, 0.2]), 0.15)
    assert not fit_power_law(np.array([0.1, 0.2, 0.3]), 0.05).trustworthy
    with pytest.raises(ValueError, match="one-dimensional"):
        find_serrations(np.zeros(3), np.zeros(4))
