"""What every law does with points and parameters that it cannot serve: a flag."""

import math

import numpy as np
import pytest

from ngcfem.constitutive.batch import LAWS
from ngcfem.constitutive.parameters import LAW_PARAMETERS, check_parameters

INVERTED, NOT_FINITE = 2, 3


def test_the_harness_has_every_law(all_materials):
    assert {material.law for material in all_materials.values()} == set(LAWS)


def assert_flagged_or_finite(result, state):
    """A status of 0 promises finite numbers; any other one an unchanged state."""
    bad = result.status != 0
    np.testing.assert_array_equal(result.state[bad], state[bad])
    for values in (result.first_piola_kirchhoff_stress, result.consistent_tangent):
        assert np.all(np.isnan(values[bad]))
        assert np.all(np.isfinite(values[~bad]))
    assert np.all(np.isfinite(result.state[~bad]))


def test_inverted_and_infinite_points_are_flagged(all_points):
    F = np.tile(np.eye(3), (8, 1, 1))
    F[1, 0, 0] = -1.0
    F[2, 1, 1] = 0.0
    F[3, 1, 1] = np.nan
    F[4, 0, 0] = np.inf
    F[5] *= 1e200
    F[6] *= 1e-200
    state = all_points.law.initial_state(8)
    if state.shape[1]:
        state[7, -1] = np.nan
    result = all_points.update(F, state)
    # in small strain det F says nothing, and a strain of -2 is only large
    if all_points.kinematics == "finite":
        assert list(result.status[1:3]) == [INVERTED, INVERTED]
    assert list(result.status[3:5]) == [NOT_FINITE, NOT_FINITE]
    assert result.status[0] == 0
    assert (result.status[7] != 0) == bool(state.shape[1])
    assert_flagged_or_finite(result, state)


@pytest.mark.parametrize("time_increment_s", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("size", [0.1, 0.6])
def test_violent_steps_give_a_number_or_a_flag(all_points, size, time_increment_s, random_path):
    """Steps far beyond what a run would take, three in a row from where the last one ended."""
    state = all_points.law.initial_state(200)
    served = 0
    for F in random_path(3, 200, size, seed=7):
        result = all_points.update(F, state, time_increment_s=time_increment_s)
        assert_flagged_or_finite(result, state)
        served += int((result.status == 0).sum())
        state = result.state
    # most of the smaller ones must be served, else the flag would hide a law that never works
    assert size > 0.5 or served > 300


@pytest.mark.parametrize("law", sorted(LAW_PARAMETERS))
def test_values_out_of_range_are_findings(law, all_materials):
    sound = next(each.parameters for each in all_materials.values() if each.law == law)
    assert check_parameters(law, sound) == []
    for spec in LAW_PARAMETERS[law]:
        wrong = [math.nan, math.inf]
        if spec.minimum is not None:
            wrong.append(spec.minimum if spec.exclusive_minimum else spec.minimum - 1.0)
        if spec.maximum is not None:
            wrong.append(spec.maximum if spec.exclusive_maximum else spec.maximum + 1.0)
        for value in wrong:
            names = [name for name, *_ in check_parameters(law, {**sound, spec.name: value})]
            assert spec.name in names, (spec.name, value)
