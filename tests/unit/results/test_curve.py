"""Curves: measures, signs, conversions, modulus, yield."""

import numpy as np
import pytest

from ngcfem.results.curve import StressStrainCurve
from ngcfem.results.measures import StrainMeasure, StressMeasure, axial_measures

E, H, SIGMA_0 = 130.0, 1.0, 2.5


def kirchhoff(strain):
    return np.minimum(E * strain, (SIGMA_0 + H * strain) / (1.0 + H / E))


@pytest.mark.parametrize("stretch", [0.9, 0.7, 0.5, 0.45])
def test_published_table_of_uniaxial_hencky_plasticity(build_increments, stretch):
    # tau, sigma and P of the closed form to the seven digits that are tabulated.
    expected = {
        0.9: (2.585472, 2.603014, 2.872747),
        0.7: (2.834868, 2.855965, 4.049812),
        0.5: (3.168772, 3.195143, 6.337544),
        0.45: (3.273328, 3.301471, 7.274063),
    }[stretch]
    steps = build_increments([np.log(stretch)])
    found = [
        -StressStrainCurve.from_increments(
            steps, "z", "finite", StrainMeasure.TRUE, measure
        ).stress_gpa[-1]
        for measure in (
            StressMeasure.VOLUME_CONSERVING_TRUE,
            StressMeasure.CAUCHY,
            StressMeasure.ENGINEERING,
        )
    ]
    np.testing.assert_allclose(found, expected, atol=6e-7)


def test_pillar_true_stress_is_kirchhoff_and_not_cauchy(compression):
    curve = StressStrainCurve.from_increments(compression, "z", "finite")
    pillar = curve.measured_in(StrainMeasure.TRUE, StressMeasure.VOLUME_CONSERVING_TRUE)
    np.testing.assert_allclose(
        -pillar.stress_gpa, kirchhoff(-pillar.true_strain), rtol=1e-13, atol=1e-15
    )
    share = pillar.stress_gpa[-1] / curve.stress_gpa[-1]
    # In compression J < 1, so that the force over the larger volume-conserving area is lower.
    assert 0.989 < share < 0.993


def test_wrong_sign_trap():
    # 3.3 GPa engineering at a true strain of -0.6 is 1.81 GPa, not 6.
    curve = StressStrainCurve.from_measurement(
        np.array([0.0, -0.6]),
        np.array([0.0, -3.3]),
        StrainMeasure.TRUE,
        StressMeasure.ENGINEERING,
    ).measured_in(StrainMeasure.TRUE, StressMeasure.VOLUME_CONSERVING_TRUE)
    assert curve.stress_gpa[-1] == pytest.approx(-3.3 * np.exp(-0.6), rel=1e-14)
    assert curve.stress_gpa[-1] == pytest.approx(-1.811, abs=5e-4)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("strain_measure", list(StrainMeasure))
@pytest.mark.parametrize(
    "stress_measure", [StressMeasure.ENGINEERING, StressMeasure.VOLUME_CONSERVING_TRUE]
)
def test_measurement_comes_back_unchanged(sign, strain_measure, stress_measure):
    strain = sign * np.linspace(0.0, 0.7, 8)
    stress = sign * np.linspace(0.0, 3.0, 8)
    curve = StressStrainCurve.from_measurement(strain, stress, strain_measure, stress_measure)
    np.testing.assert_allclose(curve.strain, strain, atol=1e-14)
    np.testing.assert_allclose(curve.stress_gpa, stress, atol=1e-14)
    # Force times length: engineering stress and the volume-conserving true stress differ by the
    # stretch, whatever the measures the data came in.
    stretch = np.exp(curve.true_strain)
    true, engineering = (
        curve.measured_in(StrainMeasure.ENGINEERING, measure)
        for measure in (StressMeasure.VOLUME_CONSERVING_TRUE, StressMeasure.ENGINEERING)
    )
    np.testing.assert_allclose(true.stress_gpa, engineering.stress_gpa * stretch, atol=1e-14)
    np.testing.assert_allclose(engineering.strain, stretch - 1.0, atol=1e-14)


def test_cauchy_of_a_measurement_is_refused():
    with pytest.raises(ValueError, match="Cauchy"):
        StressStrainCurve.from_measurement(
            np.zeros(2), np.zeros(2), StrainMeasure.TRUE, StressMeasure.CAUCHY
        )
    curve = StressStrainCurve.from_measurement(
        np.zeros(2), np.zeros(2), StrainMeasure.TRUE, StressMeasure.ENGINEERING
    )
    with pytest.raises(ValueError, match="change of volume"):
        curve.measured_in(StrainMeasure.TRUE, StressMeasure.CAUCHY)


def test_engineering_compression_of_the_whole_length_is_refused():
    with pytest.raises(ValueError, match="no length"):
        StressStrainCurve.from_measurement(
            np.array([0.0, -1.0]),
            np.array([0.0, -1.0]),
            StrainMeasure.ENGINEERING,
            StressMeasure.ENGINEERING,
        )


def test_small_kinematics_has_one_stress(build_increments):
    steps = build_increments([-0.01, -0.1])
    stresses = [
        StressStrainCurve.from_increments(
            steps, "z", "small", StrainMeasure.TRUE, measure
        ).stress_gpa
        for measure in StressMeasure
    ]
    np.testing.assert_array_equal(stresses[0], stresses[1])
    np.testing.assert_array_equal(stresses[0], stresses[2])


def test_modulus_and_offset_yield_equal_the_bilinear_closed_form(compression):
    curve = StressStrainCurve.from_increments(
        compression, "z", "finite", StrainMeasure.TRUE, StressMeasure.VOLUME_CONSERVING_TRUE
    )
    modulus = curve.initial_modulus()
    assert modulus is not None
    assert modulus.resolved
    assert modulus.value_gpa == pytest.approx(E, rel=1e-12)
    slope = H / (1.0 + H / E)
    strain = (SIGMA_0 / (1.0 + H / E) + E * 0.002) / (E - slope)
    offset_yield = curve.offset_yield()
    assert offset_yield is not None
    # The row before lies behind the kink as well, so that linear interpolation is exact.
    assert offset_yield.strain == pytest.approx(strain, rel=1e-12)
    assert offset_yield.stress_gpa == pytest.approx(E * (strain - 0.002), rel=1e-12)


def test_tension_gives_the_same_yield_as_compression(build_increments):
    strains = np.linspace(0.005, 0.05, 10)
    down, up = (
        StressStrainCurve.from_increments(
            build_increments(list(sign * strains)),
            "z",
            "finite",
            stress_measure=StressMeasure.VOLUME_CONSERVING_TRUE,
        )
        for sign in (-1.0, 1.0)
    )
    assert (down.direction, up.direction) == (-1, 1)
    first, second = down.offset_yield(), up.offset_yield()
    assert first is not None
    assert second is not None
    assert first.stress_gpa == pytest.approx(second.stress_gpa, rel=1e-12)


def test_first_step_beyond_yield_is_not_called_a_modulus(build_increments):
    curve = StressStrainCurve.from_increments(build_increments([-0.04, -0.08]), "z", "finite")
    modulus = curve.initial_modulus()
    assert modulus is not None
    assert not modulus.resolved
    assert modulus.value_gpa < 0.6 * E
    # The chord from 0 would cross the offset line far below the yield strength of 2.5 GPa.
    assert curve.offset_yield() is None
    assert curve.offset_yield(modulus_gpa=E) is None


def test_known_modulus_helps_where_only_the_first_step_is_elastic(build_increments):
    strains = [-0.015, -0.025, -0.035]
    curve = StressStrainCurve.from_increments(
        build_increments(strains),
        "z",
        "finite",
        stress_measure=StressMeasure.VOLUME_CONSERVING_TRUE,
    )
    assert curve.offset_yield() is None
    found = curve.offset_yield(modulus_gpa=E)
    assert found is not None
    # Along the chord from (0.015, tau) to (0.025, tau) of the closed form.
    low, high = kirchhoff(0.015), kirchhoff(0.025)
    slope = (high - low) / 0.01
    strain = (low - slope * 0.015 + E * 0.002) / (E - slope)
    assert found.strain == pytest.approx(strain, rel=1e-10)


def test_elastic_curve_has_no_yield(build_increments):
    curve = StressStrainCurve.from_increments(build_increments([-0.005, -0.01]), "z", "finite")
    assert curve.offset_yield() is None
    assert StressStrainCurve(np.zeros(1), np.zeros(1), np.zeros(1)).initial_modulus() is None
    assert StressStrainCurve(np.zeros(1), np.zeros(1), np.zeros(1)).stress_at(0.1) is None


def test_stress_at_first_passage_of_a_curve_that_unloads(build_increments):
    curve = StressStrainCurve(
        true_strain=-np.array([0.0, 0.1, 0.2, 0.15, 0.3]),
        engineering_stress_gpa=-np.array([0.0, 2.0, 3.0, 1.0, 4.0]),
        stress_measure=StressMeasure.ENGINEERING,
    )
    assert curve.stress_at(0.175) == pytest.approx(2.75)
    assert curve.stress_at(0.2) == pytest.approx(3.0)
    assert curve.stress_at(0.3) == pytest.approx(4.0)
    assert curve.stress_at(0.31) is None
    assert curve.strain_at_stress(2.5) == pytest.approx(0.15)
    assert curve.strain_at_stress(5.0) is None
    assert curve.strain_reached == pytest.approx(0.3)


def test_lowest_stress_beyond_sees_a_drop():
    curve = StressStrainCurve(
        true_strain=-np.array([0.0, 0.4, 0.6, 0.7, 0.8]),
        engineering_stress_gpa=-np.array([0.0, 6.0, 7.0, 5.5, 8.0]),
        stress_measure=StressMeasure.ENGINEERING,
    )
    assert curve.lowest_stress_beyond(0.5) == pytest.approx(5.5)
    assert curve.lowest_stress_beyond(0.75) == pytest.approx(6.75)
    assert curve.lowest_stress_beyond(0.9) is None


def test_cauchy_stress_along_a_sheared_axis():
    # sigma = J^-1 P F^T for a state with shear, against the full tensor product.
    generator = np.random.default_rng(3)
    f = np.eye(3) + 0.2 * generator.standard_normal((3, 3))
    p = generator.standard_normal((3, 3))
    sigma = p @ f.T / np.linalg.det(f)
    for a, axis in enumerate("xyz"):
        true_strain, engineering, cauchy = axial_measures(f[None], p[None], axis, "finite")
        assert cauchy[0] == pytest.approx(sigma[a, a], rel=1e-12)
        assert engineering[0] == p[a, a]
        assert true_strain[0] == np.log(f[a, a])
