"""Neighbour distances and the frequency test on random and clustered specimens."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom, kstest

from ngcfem.atomprobe.frequency_test import frequency_test
from ngcfem.atomprobe.ion_reading import open_ions
from ngcfem.atomprobe.ions import Ion
from ngcfem.atomprobe.neighbour_distances import (
    neighbour_distances,
    random_solution_density,
    random_solution_share,
)
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.ranged_ions import read_ranged_ions
from ngcfem.atomprobe.ranging import RangeTable

COPPER = Path(__file__).parents[2] / "data" / "atom_probe" / "clustered_copper" / "Example1.pos"
DENSITY = 30.0


def random_ions(specimens, seed, size=12.0, share=0.05):
    return specimens.made_specimen((size,) * 3, DENSITY, lambda x: np.full(len(x), share), seed)


def clustered(specimens, seed, contrast):
    """Balls of 1 nm radius in which Sc is enriched; 10 % of the volume."""
    centres = np.random.default_rng(seed).uniform(0.0, 12.0, (42, 3))

    def share(x):
        near = np.min([np.linalg.norm(x - c, axis=1) for c in centres], axis=0) < 1.0
        return np.where(near, contrast * 0.05, 0.05)

    return specimens.made_specimen((12.0, 12.0, 12.0), DENSITY, share, seed)


def test_distances_against_all_pairs(specimens):
    ions = random_ions(specimens, 1, size=6.0)
    found = neighbour_distances(ions, "Sc", 216.0, n_orders=3, n_labellings=2)
    points = ions.position_nm[ions.atoms_of("Sc") > 0].astype(float)
    pairs = np.linalg.norm(points[:, None] - points, axis=2)
    nearest = np.sort(pairs, axis=1)[:, 1:4]
    np.testing.assert_allclose(found.mean_nm, nearest.mean(axis=0))
    for order in range(3):
        counts = np.histogram(nearest[:, order], found.edges_nm)[0]
        np.testing.assert_allclose(found.density[order] * 0.05 * len(points), counts, atol=1e-9)
    assert found.n_ions == found.n_taken == len(points)
    assert found.density_per_nm3 == pytest.approx(len(points) / 216.0)


@pytest.mark.parametrize("order", [1, 3])
def test_an_endless_random_solution_follows_the_closed_form(order):
    # Periodic box: no edges. Poisson points; the distribution function holds it all.
    generator = np.random.default_rng(order)
    from scipy.spatial import cKDTree

    points = generator.uniform(0.0, 12.0, (3000, 3))
    distance = cKDTree(points, boxsize=12.0).query(points, k=order + 1)[0][:, order]
    density = 3000 / 12.0**3
    # Distances of neighbours are not independent: every tenth, and a level of one in a thousand.
    test = kstest(distance[::10], lambda r: random_solution_share(r, density, order))
    assert test.pvalue > 1e-3
    r = np.linspace(0.0, 6.0, 20_001)
    p = random_solution_density(r, density, order)
    np.testing.assert_allclose(
        np.cumsum(p) * (r[1] - r[0]), random_solution_share(r, density, order), atol=2e-3
    )


def test_random_labels_are_not_called_clustered(specimens):
    p_values = np.array(
        [
            neighbour_distances(
                random_ions(specimens, seed, size=7.0), "Sc", 343.0, 2, 19, seed=seed
            ).p_value
            for seed in range(40)
        ]
    )
    # Two of 40 expected at 5 %; more than six have a probability of less than 0.5 %.
    assert np.all((p_values <= 0.05).sum(axis=0) <= 6)


def test_clusters_bring_neighbours_nearer(specimens):
    found = neighbour_distances(clustered(specimens, 1, 6.0), "Sc", 12.0**3, 5, 49)
    # Balls of the share c take w of the Sc atoms. Away from their surfaces the mean distance goes
    # as c^(-1/3), and so does that of random labels with the mean share.
    inside = 1.0 - np.exp(-42 * 4.0 / 3.0 * np.pi / 12.0**3)
    mean = 0.30 * inside + 0.05 * (1.0 - inside)
    w = 0.30 * inside / mean
    local = w * (0.30 / mean) ** (-1 / 3) + (1.0 - w) * (0.05 / mean) ** (-1 / 3)
    assert found.ratio[0] == pytest.approx(local, abs=0.03)
    assert np.all(found.ratio < 0.97)
    assert np.all(found.p_value == 1 / 50)
    sampled = neighbour_distances(
        clustered(specimens, 1, 6.0), "Sc", 12.0**3, 5, 19, largest_sample=500
    )
    assert sampled.n_taken == 500
    np.testing.assert_allclose(sampled.mean_nm, found.mean_nm, rtol=0.06)


def test_frequency_test_of_random_labels_keeps_its_level(specimens):
    tests = [
        frequency_test(random_ions(specimens, seed, 11.0), "Sc", 50, 19, seed) for seed in range(60)
    ]
    # At 5 % three of 60 are expected; more than eight have a probability of less than 0.5 %.
    assert sum(test.p_value <= 0.05 for test in tests) <= 8
    assert sum(test.random_p_value <= 0.05 for test in tests) <= 8
    # The mean of chi-square is its degrees of freedom, with a variance of twice that.
    freedom = np.array([test.degrees_of_freedom for test in tests])
    excess = sum(test.chi_square for test in tests) - freedom.sum()
    assert abs(excess) < 3.0 * np.sqrt(2.0 * freedom.sum())


def test_frequency_test_counts_blocks(specimens):
    ions = random_ions(specimens, 2)
    test = frequency_test(ions, "Sc", 80, 5)
    assert test.observed.sum() == test.n_blocks
    assert (test.observed @ np.arange(81)) == pytest.approx(test.share * 80 * test.n_blocks)
    np.testing.assert_allclose(
        test.expected, test.n_blocks * binom.pmf(np.arange(81), 80, test.share), rtol=1e-9
    )
    # Nearly all ions lie in a block: less than one block is lost of each of the columns.
    assert test.n_blocks * 80 > 0.85 * len(ions)
    lumped_observed, lumped_expected = pooled(test.observed, test.expected)
    chi_square = ((lumped_observed - lumped_expected) ** 2 / lumped_expected).sum()
    assert test.chi_square == pytest.approx(chi_square)
    assert test.degrees_of_freedom == len(lumped_expected) - 2
    expected = np.sqrt(chi_square / (test.n_blocks + chi_square))
    assert test.pearson_coefficient == pytest.approx(expected)


def pooled(observed, expected):
    """Join classes from either end until each holds five expected blocks."""
    first, last = list(observed), list(expected)
    while last[0] < 5.0:
        last[0:2], first[0:2] = [last[0] + last[1]], [first[0] + first[1]]
    while last[-1] < 5.0:
        last[-2:], first[-2:] = [last[-2] + last[-1]], [first[-2] + first[-1]]
    return np.array(first, dtype=float), np.array(last)


def test_frequency_test_sees_clusters_and_their_strength(specimens):
    weak, strong = (
        frequency_test(clustered(specimens, 3, contrast), "Sc", 60, 49) for contrast in (3.0, 8.0)
    )
    assert weak.random_p_value == strong.random_p_value == 1 / 50
    assert strong.p_value < weak.p_value < 1e-3
    assert strong.pearson_coefficient > weak.pearson_coefficient
    assert weak.pearson_coefficient > weak.random_pearson_coefficient


def test_too_few_ions_are_refused(specimens):
    ions = random_ions(specimens, 1, size=3.0)
    with pytest.raises(ValueError, match="fewer than ten blocks"):
        frequency_test(ions, "Sc", 500)
    with pytest.raises(ValueError, match="fewer than three classes"):
        frequency_test(ions, "H", 20)
    with pytest.raises(ValueError, match="too few"):
        neighbour_distances(ions, "H", 27.0)


def test_the_clusters_of_the_copper_example_are_seen():
    # Simulated by its authors: 63 Da marks atoms of clusters, 65 Da atoms of the solid solution.
    table = RangeTable.of(
        [MassRange(62.5, 63.5, Ion.of({"Cu": 1})), MassRange(64.5, 65.5, Ion.of({"Ni": 1}))]
    )
    ions = read_ranged_ions(open_ions(COPPER), table)
    assert len(ions) == 35_643
    test = frequency_test(ions, "Cu", 50, 19)
    near = neighbour_distances(ions, "Cu", float(np.prod(np.ptp(ions.position_nm, axis=0))), 5, 19)
    assert test.random_p_value == 1 / 20
    assert test.pearson_coefficient > 0.8
    assert np.all(near.ratio < 0.9)
