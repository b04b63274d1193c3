"""The summary of a run."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ngcfem.results.summary import build_summary


def test_curve_numbers_equal_the_closed_form(compression):
    summary = build_summary(compression, "z", "finite")
    json.dumps(summary, allow_nan=False)
    stresses = summary["loading_stress_at_true_strain"]["0.4"]
    kirchhoff = (2.5 + 0.4) / (1.0 + 1.0 / 130.0)
    # The step 0.4 is one of the run, so that nothing is interpolated.
    assert stresses["volume_conserving_true_stress_gpa"] == pytest.approx(kirchhoff, rel=1e-12)
    assert stresses["engineering_stress_gpa"] == pytest.approx(kirchhoff * np.exp(0.4), rel=1e-12)
    volume_ratio = np.exp(-0.34 * kirchhoff / 130.0)
    assert stresses["true_stress_gpa"] == pytest.approx(kirchhoff / volume_ratio, rel=1e-12)
    assert summary["loading_direction"] == "compression"
    assert summary["true_strain_reached"] == pytest.approx(0.8, rel=1e-12)
    # Cauchy over true strain starts with the slope E / J, J = 1 - 0.34 * 0.005.
    assert summary["modulus_gpa"] == pytest.approx(130.0 * np.exp(0.34 * 0.005), rel=1e-12)
    assert summary["modulus_resolved"] is True
    assert 2.5 < summary["offset_yield_gpa"] < 2.54


def test_health_and_cost_are_totals_and_extremes(compression):
    summary = build_summary(compression, "z", "finite")
    n = len(compression) - 1
    assert summary["increments_accepted"] == n
    assert summary["newton_iterations"] == 3 * n
    assert summary["linear_iterations"] == 40 * n
    assert summary["cutbacks"] == 1
    assert summary["wall_s"] == 1.5 * n
    assert summary["hill_mandel_error_maximum"] == pytest.approx(2e-10 * n)
    assert summary["pressure_noise_final"] == pytest.approx(0.02 * n)
    # The vertices first turn at step 10: 1 - 0.11 * 10 < 0.
    strain = np.log(compression[10].deformation_gradient[2, 2])
    assert summary["first_true_strain_with_negative_vertex_jacobian"] == pytest.approx(strain)
    assert summary["elements_with_negative_vertex_jacobian_maximum"] == n - 9
    assert summary["minimum_jacobian_points"] == pytest.approx(1.0 - 0.01 * n)


def test_phases_at_the_end_and_on_the_way(compression):
    summary = build_summary(compression, "z", "finite")
    grain = summary["phases"]["grain"]
    axial = compression[-1].phases["grain"].mean_cauchy_stress[2, 2]
    assert grain["mean_axial_cauchy_stress_gpa"] == axial
    assert grain["mises_of_mean_cauchy_stress_gpa"] == pytest.approx(-axial, rel=1e-12)
    assert grain["volume_fraction"] == 0.7
    course = summary["course"]
    assert len(course["true_strain"]) == len(compression)
    assert course["phases"]["interface"]["mean_equivalent_plastic_strain"][-1] == pytest.approx(
        summary["phases"]["interface"]["mean_equivalent_plastic_strain"]
    )


def test_run_that_never_started_has_a_summary(build_increments):
    summary = build_summary(build_increments([]), "x", "finite", {"exit_reason": "local failure"})
    json.dumps(summary, allow_nan=False)
    assert summary["true_strain_reached"] == 0.0
    assert summary["modulus_gpa"] is None
    assert summary["offset_yield_gpa"] is None
    assert summary["loading_direction"] == "none"
    assert summary["exit_reason"] == "local failure"
    assert summary["loading_stress_at_true_strain"]["0.1"]["true_stress_gpa"] is None
    with pytest.raises(ValueError, match="undeformed state"):
        build_summary([], "z", "finite")


def test_numbers_that_are_not_finite_become_null(compression):
    steps = [replace(step, pressure_noise=float("nan")) for step in compression]
    summary = build_summary(steps, "z", "finite", {"cpu_s": np.float64(3.5)})
    assert summary["pressure_noise_maximum"] is None
    assert summary["course"]["pressure_noise"][3] is None
    assert summary["cpu_s"] == 3.5
    json.dumps(summary, allow_nan=False)
