"""Mean curve and scatter of an ensemble against numbers worked out otherwise."""

import csv

import numpy as np
import pytest
import scipy.stats

from ngcfem.results.ensemble import (
    Statistic,
    ensemble_curve,
    scalar_statistics,
    t_quantile,
    write_ensemble_curve,
)
from ngcfem.results.history import History, read_curve, write_curve

# Two-sided 95 % quantiles as printed in tables of Student's distribution.
PRINTED = {2: 12.706, 3: 4.303, 5: 2.776, 10: 2.262, 30: 2.045}


def history(strains, stress_of, requested=None, increments=None) -> History:
    """Compression along z at a rate of 1e-3 per s, with a stress P33 that is given."""
    strains = np.asarray(strains, dtype=float)
    number = len(strains)
    gradient = np.tile(np.eye(3), (number, 1, 1))
    gradient[:, 2, 2] = np.exp(-strains)
    stress = np.zeros((number, 3, 3))
    stress[:, 2, 2] = [stress_of(strain) for strain in strains]
    return History(
        increment=np.arange(number) if increments is None else np.asarray(increments),
        requested=np.ones(number, bool) if requested is None else np.asarray(requested, bool),
        time_s=strains / 1e-3,
        deformation_gradient=gradient,
        first_piola_kirchhoff_stress=stress,
        axis="z",
        kinematics="finite",
    )


@pytest.mark.parametrize(("n", "printed"), PRINTED.items())
def test_quantiles_are_those_of_the_tables(n, printed):
    assert t_quantile(n) == pytest.approx(printed, abs=5e-4)


def test_a_statistic_by_hand():
    found = Statistic.of([1.0, 2.0, 6.0])
    assert found.mean == pytest.approx(3.0)
    # (4 + 1 + 9) / 2 = 7
    assert found.standard_deviation == pytest.approx(np.sqrt(7.0))
    assert found.hi95 == pytest.approx(3.0 + 4.303 * np.sqrt(7.0 / 3.0), abs=2e-3)
    assert found.lo95 == pytest.approx(3.0 - 4.303 * np.sqrt(7.0 / 3.0), abs=2e-3)
    assert (found.n, found.minimum, found.maximum) == (3, 1.0, 6.0)


def test_one_value_has_no_scatter():
    found = Statistic.of([4.0])
    assert found.mean == 4.0
    assert found.standard_deviation is None
    assert found.lo95 is None
    with pytest.raises(ValueError, match="at least one"):
        Statistic.of([])


def test_the_band_covers_the_true_mean_as_often_as_it_says():
    generator = np.random.default_rng(5)
    inside = 0
    trials = 2000
    for _ in range(trials):
        found = Statistic.of(generator.normal(10.0, 3.0, size=4))
        inside += bool(found.lo95 < 10.0 < found.hi95)
    # binomial with p = 0.95: 4 standard deviations are 0.0195
    assert abs(inside / trials - 0.95) < 0.0195


def test_the_mean_of_equal_steps_is_the_mean():
    strains = np.linspace(0.0, 0.1, 6)
    slopes = (100.0, 110.0, 150.0)
    curve = ensemble_curve([history(strains, lambda e, s=s: -s * e) for s in slopes])
    assert curve.n == 3
    np.testing.assert_allclose(
        curve.engineering_stress_gpa.mean, -120.0 * strains, rtol=1e-13, atol=0.0
    )
    spread = np.std(slopes, ddof=1) * strains
    np.testing.assert_allclose(
        curve.engineering_stress_gpa.standard_deviation, spread, rtol=1e-12, atol=1e-14
    )
    half = scipy.stats.t.interval(0.95, 2, scale=1.0)[1] * spread / np.sqrt(3.0)
    np.testing.assert_allclose(
        curve.engineering_stress_gpa.hi95 - curve.engineering_stress_gpa.mean,
        half,
        rtol=1e-9,
        atol=1e-13,
    )
    # Cauchy stress of uniaxial F = diag(1, 1, l): P33 / 1
    np.testing.assert_allclose(curve.true_stress_gpa.mean, -120.0 * strains, rtol=1e-12)


def test_members_with_steps_of_their_own_meet_at_equal_strains():
    """One took steps of two increments, one was cut back; the stress is linear in the strain."""
    wanted = np.linspace(0.0, 0.08, 9)
    large = history(wanted[::2], lambda e: -100.0 * e, increments=[0, 2, 4, 6, 8])
    cut = np.sort(np.concatenate([wanted, [0.013, 0.037]]))
    fine = history(
        cut,
        lambda e: -140.0 * e,
        requested=np.isin(cut, wanted),
        increments=np.ceil(cut / 0.01 - 1e-9).astype(int),
    )
    curve = ensemble_curve([large, fine])
    assert list(curve.mean.increment) == list(range(9))
    np.testing.assert_allclose(
        curve.mean.first_piola_kirchhoff_stress[:, 2, 2], -120.0 * wanted, rtol=1e-12, atol=1e-13
    )


def test_the_mean_ends_where_the_first_member_ends():
    long = history(np.linspace(0.0, 0.1, 11), lambda e: -100.0 * e)
    # stopped between two increments asked for
    short = history(
        [0.0, 0.01, 0.02, 0.025],
        lambda e: -100.0 * e,
        requested=[1, 1, 1, 0],
        increments=[0, 1, 2, 3],
    )
    assert list(ensemble_curve([long, short]).mean.increment) == [0, 1, 2]


def test_unloading_is_not_mixed_with_loading():
    """The strain comes back, the time does not."""
    strains = [0.0, 0.02, 0.04, 0.03, 0.02]
    gradient = np.tile(np.eye(3), (5, 1, 1))
    gradient[:, 2, 2] = np.exp(-np.array(strains))
    stress = np.zeros((5, 3, 3))
    stress[:, 2, 2] = [0.0, -2.0, -3.0, -1.5, 0.0]
    single = History(
        np.arange(5), np.ones(5, bool), 1.0 * np.arange(5), gradient, stress, "z", "finite"
    )
    found = ensemble_curve([single, single]).mean.first_piola_kirchhoff_stress
    np.testing.assert_array_equal(found, stress)


def test_members_of_different_kinds_are_not_averaged():
    one = history([0.0, 0.1], lambda e: -e)
    other = History(**{**vars(one), "kinematics": "small"})
    with pytest.raises(ValueError, match="one axis"):
        ensemble_curve([one, other])


def test_files_hold_what_was_averaged(tmp_path):
    strains = np.linspace(0.0, 0.1, 5)
    curve = ensemble_curve([history(strains, lambda e, s=s: -s * e) for s in (90.0, 110.0)])
    write_curve(tmp_path / "curve.csv", curve.mean)
    again = read_curve(tmp_path / "curve.csv")
    np.testing.assert_array_equal(
        again.first_piola_kirchhoff_stress, curve.mean.first_piola_kirchhoff_stress
    )
    write_ensemble_curve(tmp_path / "ensemble_curve.csv", curve)
    with (tmp_path / "ensemble_curve.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5
    assert float(rows[-1]["engineering_stress_mean_gpa"]) == pytest.approx(-10.0)
    # standard deviation 1.414, quantile 12.706, root of 2
    assert float(rows[-1]["engineering_stress_lo95_gpa"]) == pytest.approx(-10.0 - 12.706, abs=1e-3)
    single = ensemble_curve([history(strains, lambda e: -e)])
    write_ensemble_curve(tmp_path / "single.csv", single)
    with (tmp_path / "single.csv").open() as stream:
        assert next(csv.DictReader(stream))["true_stress_lo95_gpa"] == ""


def test_scalars_of_nested_summaries():
    documents = [
        {
            "schema_version": 1,
            "exit_code": 0,
            "title": "a",
            "modulus_gpa": 100.0,
            "offset_yield_gpa": None,
            "modulus_resolved": True,
            "phases": {"grain": {"volume_fraction": 0.7}},
            "course": {"true_strain": [0.0, 0.1]},
        },
        {"modulus_gpa": 104.0, "offset_yield_gpa": 2.5, "phases": {"grain": {"x": 1}}},
    ]
    found = scalar_statistics(documents)
    assert set(found) == {
        "modulus_gpa",
        "offset_yield_gpa",
        "phases/grain/volume_fraction",
        "phases/grain/x",
    }
    assert found["modulus_gpa"]["mean"] == 102.0
    assert found["modulus_gpa"]["n"] == 2
    assert found["offset_yield_gpa"]["n"] == 1
