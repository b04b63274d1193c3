"""The standard tests of a law against closed forms of J2 plasticity."""

import math

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.homogenization.point_tests import (
    COMPRESSION,
    POINT_TESTS,
    RATE_JUMPS,
    SIMPLE_SHEAR,
    TENSION,
    UNLOADING,
    run_point_tests,
)

E, NU, STRENGTH, RATE = 130.0, 0.33, 2.5, 1e-3
PERFECT = {"youngs_modulus_gpa": E, "poisson_ratio": NU, "yield_strength_gpa": STRENGTH}


@pytest.fixture(scope="module")
def tests():
    material = Material("glass", "j2", PERFECT)
    results = run_point_tests(material, "finite", 0.1, RATE, 40, viscosity_gpa_s=20.0)
    return {result.name: result for result in results}


def axial_kirchhoff(result):
    F, P = result.history.deformation_gradient, result.history.first_piola_kirchhoff_stress
    return P[:, 2, 2] * F[:, 2, 2]


def test_all_tests_reach_their_end(tests):
    assert tuple(tests) == POINT_TESTS
    for result in tests.values():
        assert result.failure == ""
        assert len(result.equivalent_plastic_strain) == len(result.history.time_s)


def test_tension_and_compression_flow_at_strength_plus_overstress(tests):
    for name, sign in ((TENSION, 1.0), (COMPRESSION, -1.0)):
        assert abs(sign * axial_kirchhoff(tests[name])[-1] - STRENGTH - 20.0 * RATE) < 1e-9
        assert abs(tests[name].history.time_s[-1] - 0.1 / RATE) < 1e-9


def test_shear_has_the_closed_plateau(tests):
    """tau12 = tau / cosh(tau / G); constitutive.md table, item 4, in the limit of small steps."""
    result = tests[SIMPLE_SHEAR]
    assert abs(result.history.deformation_gradient[-1, 0, 1] - math.sqrt(3.0) * 0.1) < 1e-14
    tau, shear = (STRENGTH + 20.0 * RATE) / math.sqrt(3.0), E / (2.0 * (1.0 + NU))
    found = result.history.first_piola_kirchhoff_stress[-1, 0, 1]
    # the steps of 0.004 leave an error of first order, of the square of tau / G at most
    assert abs(found / (tau / math.cosh(tau / shear)) - 1.0) < 1e-3


def test_unloading_reaches_zero_stress_and_comes_back_to_the_curve(tests):
    stress = -axial_kirchhoff(tests[UNLOADING])
    strain = -np.log(tests[UNLOADING].history.deformation_gradient[:, 2, 2])
    turn = int(np.flatnonzero(np.diff(strain) < 0.0)[0])
    back = int(np.flatnonzero(np.diff(strain) < 0.0)[-1]) + 1
    assert abs(strain[turn] - 0.04) < 1e-12
    # the slope taken is that of the Cauchy stress, 1 % off the modulus of the Kirchhoff stress
    assert abs(stress[back]) < 0.02 * stress[turn]
    assert abs((stress[turn] - stress[back]) / (strain[turn] - strain[back]) - E) < 1e-6 * E
    plastic = tests[UNLOADING].equivalent_plastic_strain
    assert plastic[back] == plastic[turn]
    assert abs(stress[-1] - STRENGTH - 20.0 * RATE) < 1e-9


def test_each_rate_has_its_overstress(tests):
    result = tests[RATE_JUMPS]
    stress = np.abs(axial_kirchhoff(result))
    strain = -np.log(result.history.deformation_gradient[:, 2, 2])
    for end, factor in ((0.05, 10.0), (0.075, 1.0), (0.1, 0.1)):
        row = int(np.argmin(np.abs(strain - end)))
        # the overstress relaxes by (eta / dt) / (E + eta / dt) a step, ten steps a part
        left = (20.0 * factor / 2.5 / (E + 20.0 * factor / 2.5)) ** 10
        assert abs(stress[row] - STRENGTH - 20.0 * factor * RATE) < 1e-9 + left


def test_a_test_without_an_end_keeps_what_it_has():
    """Free volume that flow creates without end: beyond xi = 1 the law has no state."""
    values = {
        "youngs_modulus_gpa": E,
        "poisson_ratio": NU,
        "reference_stress_gpa": 0.25,
        "reference_rate_per_s": 1e-4,
        "initial_free_volume": 0.3,
        "creation_per_shear_strain": 10.0,
    }
    material = Material("glass", "free-volume-relaxation", values)
    results = run_point_tests(material, "finite", 0.4, RATE, 8)
    assert all("no solution beyond" in result.failure for result in results)
    for result in results:
        assert len(result.history.time_s) > 1
        assert np.isfinite(result.history.first_piola_kirchhoff_stress).all()
