"""Comparison of curves with features and measured curves."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ngcfem.experiment.compare import compare_with_pillar
from ngcfem.experiment.pillar import Feature, PillarData, Systematic
from ngcfem.experiment.pillar_file import read_pillar_data
from ngcfem.results.curve import StressStrainCurve
from ngcfem.results.measures import StrainMeasure, StressMeasure

SHIPPED = Path(__file__).parents[3] / "cases" / "data" / "fe90sc10_pillar.toml"
TRUE = (StrainMeasure.TRUE, StressMeasure.VOLUME_CONSERVING_TRUE)


def hardening_curve(hardening, end=0.8, modulus=137.0, strength=2.5):
    """Bilinear volume-conserving true stress, with the corner among the points."""
    strain = np.unique(np.append(np.linspace(0.0, end, 801), strength / modulus))
    stress = np.minimum(modulus * strain, strength + hardening * (strain - strength / modulus))
    return StressStrainCurve.from_measurement(-strain, -stress, *TRUE)


def data_with(*features, curve=None):
    return PillarData("pillar", "pillar.toml", -1, *TRUE, features=features, curve=curve)


def make_feature(kind, value, bound="none", uncertainty=0.1, **entries):
    return Feature("f", kind, value, uncertainty, bound, "paper", "text", **entries)


def only(curve, feature, **options):
    (entry,) = compare_with_pillar(curve, data_with(feature), **options).features
    return entry


def test_yield_has_the_closed_form_and_its_z():
    hardening, modulus, strength = 5.0, 137.0, 2.5
    corner = strength / modulus
    strain = (strength - hardening * corner + modulus * 0.002) / (modulus - hardening)
    expected = modulus * (strain - 0.002)
    entry = only(hardening_curve(hardening), make_feature("offset-yield", 2.4, uncertainty=0.05))
    assert entry.model == pytest.approx(expected, rel=1e-10)
    assert entry.z == pytest.approx((expected - 2.4) / 0.05, rel=1e-9)
    assert entry.verdict == "differs"
    entry = only(hardening_curve(hardening), make_feature("offset-yield", 2.5, uncertainty=0.05))
    assert entry.verdict == "agrees"


def test_lower_bound_is_one_sided():
    feature = make_feature("stress-beyond-strain", 6.0, "lower", 0.3, strain=0.5)
    strong = only(hardening_curve(9.0), feature)
    assert (strong.verdict, strong.z) == ("bound met", 0.0)
    weak = only(hardening_curve(0.0), feature)
    assert weak.verdict == "bound missed"
    assert weak.z == pytest.approx((2.5 - 6.0) / 0.3, rel=1e-6)
    assert "never reached" in weak.remark
    short = only(hardening_curve(9.0, end=0.4), feature)
    assert (short.verdict, short.model, short.z) == ("not reached", None, None)


def test_stress_beyond_a_strain_is_the_lowest_and_says_where_it_is_reached():
    feature = make_feature("stress-beyond-strain", 6.0, "lower", 0.3, strain=0.5)
    entry = only(hardening_curve(5.0), feature)
    corner = 2.5 / 137.0
    assert entry.model == pytest.approx(2.5 + 5.0 * (0.5 - corner), rel=1e-6)
    assert f"6 GPa is reached at {corner + 3.5 / 5.0:.3f}" in entry.remark


def test_systematic_effect_is_told_and_not_mixed_into_z():
    systematic = Systematic(5.0, 40.0, "taper")
    feature = make_feature(
        "stress-beyond-strain", 6.0, "lower", 0.3, strain=0.5, systematic=systematic
    )
    within = only(hardening_curve(5.0), feature)
    assert within.verdict == "bound missed"
    assert "4.29 to 5.71 GPa" in within.remark
    assert "lies within that" in within.remark
    assert within.z == only(hardening_curve(5.0), replace(feature, systematic=None)).z
    assert "do not close the gap" in only(hardening_curve(1.0), feature).remark


def test_strain_reached_met_to_rounding_and_not_blamed_on_a_short_run():
    feature = make_feature("strain-reached", 0.8, "lower", 0.02)
    curve = StressStrainCurve.from_measurement(
        np.log(np.exp(-np.linspace(0.0, 0.8, 5))), -np.linspace(0.0, 1.0, 5), *TRUE
    )
    assert only(curve, feature).verdict == "bound met"
    short = only(hardening_curve(5.0, end=0.6), feature)
    assert (short.verdict, short.z) == ("bound not yet tested", None)
    assert short.model == pytest.approx(0.6)


def test_ratio_needs_the_other_material():
    feature = make_feature("strength-ratio", 2.0, uncertainty=0.2, other_material="Sc75Fe25")
    curve = hardening_curve(0.0)
    entry = only(curve, feature)
    assert (entry.verdict, entry.model) == ("not evaluated", None)
    assert "asks for 1.25 GPa" in entry.remark
    entry = only(curve, feature, other_strengths_gpa={"Sc75Fe25": 1.24})
    assert entry.model == pytest.approx(2.5 / 1.24, rel=1e-9)
    assert entry.verdict == "agrees"


def test_model_is_converted_to_the_measure_of_the_data(compression):
    curve = StressStrainCurve.from_increments(
        compression, "z", "finite", StrainMeasure.ENGINEERING, StressMeasure.ENGINEERING
    )
    kirchhoff = (2.5 + 0.4) / (1.0 + 1.0 / 130.0)
    for measure, expected in (
        (StressMeasure.VOLUME_CONSERVING_TRUE, kirchhoff),
        (StressMeasure.ENGINEERING, kirchhoff * np.exp(0.4)),
    ):
        feature = make_feature("stress-at-strain", expected, strain=0.4)
        data = replace(data_with(feature), stress_measure=measure)
        (entry,) = compare_with_pillar(curve, data).features
        assert entry.model == pytest.approx(expected, rel=1e-12)


def test_tension_is_not_held_against_compression(build_increments):
    curve = StressStrainCurve.from_increments(build_increments([0.01, 0.1, 0.2]), "z", "finite")
    entry = only(curve, make_feature("offset-yield", 2.5))
    assert entry.verdict == "not evaluated"
    assert "loaded in tension" in entry.remark


def test_yield_across_a_first_step_beyond_it_is_not_made_up(build_increments):
    curve = StressStrainCurve.from_increments(build_increments([-0.04, -0.1, -0.3]), "z", "finite")
    entry = only(curve, make_feature("offset-yield", 2.5))
    assert (entry.verdict, entry.model) == ("not evaluated", None)
    assert "small steps" in entry.remark
    elastic = StressStrainCurve.from_increments(build_increments([-0.005, -0.01]), "z", "finite")
    assert only(elastic, make_feature("offset-yield", 2.5)).verdict == "not reached"


def test_metric_finds_the_shift_and_the_rest():
    model = hardening_curve(5.0)
    measured = StressStrainCurve.from_measurement(
        np.append(0.0, model.strain[1:] - 0.008),
        np.append(0.0, model.stress_gpa[1:] - 0.05),
        *TRUE,
    )
    metric = compare_with_pillar(model, data_with(curve=measured)).metric
    assert metric is not None
    # sigma_model(strain + a) fits sigma_measured(strain): measured 0.008 later and 0.05 GPa higher,
    # which along a slope of 5 GPa is another 0.01 of strain. The shifts tried include this one, and
    # the corner of the curve lies below the range, so that only rounding is left.
    assert metric.strain_shift == pytest.approx(0.002, abs=1e-9)
    assert metric.rmse_gpa < 1e-9
    assert metric.strain_range == pytest.approx((0.03, 0.6))
    model_slope, measured_slope = metric.slopes_gpa["0.3 to 0.6"]
    assert model_slope == pytest.approx(5.0, rel=1e-6)
    assert measured_slope == pytest.approx(5.0, rel=1e-3)


def test_metric_does_not_shift_farther_than_allowed():
    model = hardening_curve(0.0)
    measured = StressStrainCurve.from_measurement(model.strain, 1.2 * model.stress_gpa, *TRUE)
    metric = compare_with_pillar(model, data_with(curve=measured)).metric
    assert metric is not None
    assert metric.rmse_gpa == pytest.approx(0.5, rel=1e-6)
    assert metric.relative_rmse == pytest.approx(0.5 / 3.0, rel=1e-6)
    assert abs(metric.strain_shift) <= 0.02 + 1e-12


def test_metric_is_left_out_where_nothing_overlaps():
    model = hardening_curve(1.0, end=0.03)
    assert compare_with_pillar(model, data_with(curve=hardening_curve(1.0))).metric is None


def test_table_and_json_of_the_shipped_data(compression):
    curve = StressStrainCurve.from_increments(compression, "z", "finite")
    comparison = compare_with_pillar(
        curve, read_pillar_data(SHIPPED), realized_fractions={"grain": 0.52, "interface": 0.39}
    )
    table = comparison.table()
    assert "yield stress" in table
    assert "2.5 GPa" in table
    assert ">= 6 GPa" in table
    assert "agrees" in table
    assert "bound missed" in table
    assert "grain 52.0 %" in table
    assert "true stress (volume-conserving)" in table
    assert max(len(line.split("  ")[0]) for line in table.splitlines()[:2]) < 60
    content = json.loads(json.dumps(comparison.as_dict(), allow_nan=False))
    assert [entry["verdict"] for entry in content["features"]] == [
        "agrees",
        "bound missed",
        "bound met",
        "not evaluated",
        "not evaluated",
    ]
    assert content["features"][0]["model"] == pytest.approx(2.5, abs=0.02)
