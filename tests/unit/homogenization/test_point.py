import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.errors import NotConvergedError
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import LoadPath, LoadSegment, uniaxial_stress

ELASTIC = {"youngs_modulus_gpa": 130.0, "poisson_ratio": 0.33}
GLASS = Material(
    "grain", "j2", {**ELASTIC, "yield_strength_gpa": 2.5, "hardening_modulus_gpa": 1.0}
)


def segment(F, P=None, increments=1, duration_s=1.0):
    stress = np.zeros((3, 3)) if P is None else np.array(P, dtype=float)
    return LoadSegment(np.array(F, dtype=float), stress, duration_s, increments)


NAN = np.nan


def test_rows_hit_the_increments_asked_for():
    rows = list(drive_point(GLASS, uniaxial_stress("x", -0.2, 1e-3, 8), "finite"))
    assert [row.increment for row in rows if row.requested] == list(range(9))
    assert rows[0].time_s == 0.0
    np.testing.assert_array_equal(rows[0].deformation_gradient, np.eye(3))
    np.testing.assert_array_equal(rows[0].first_piola_kirchhoff_stress, np.zeros((3, 3)))
    for row in rows[1:]:
        assert abs(np.log(row.deformation_gradient[0, 0]) + 0.025 * row.increment) < 1e-14
        assert abs(row.time_s - 25.0 * row.increment) < 1e-9
        free = row.first_piola_kirchhoff_stress.copy()
        free[0, 0] = 0.0
        assert np.abs(free).max() < 1e-11
        assert row.relative_residual < 1e-11
        assert row.minimum_jacobian_points == np.linalg.det(row.deformation_gradient)
        P, F = row.first_piola_kirchhoff_stress, row.deformation_gradient
        np.testing.assert_allclose(
            row.phases["grain"].mean_cauchy_stress, P @ F.T / np.linalg.det(F), rtol=1e-14
        )


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("kinematics", ["finite", "small"])
def test_the_axis_does_not_matter(axis, kinematics):
    index = "xyz".index(axis)
    *_, last = drive_point(GLASS, uniaxial_stress(axis, -0.1, 1e-3, 4), kinematics)
    *_, reference = drive_point(GLASS, uniaxial_stress("z", -0.1, 1e-3, 4), kinematics)
    found = last.first_piola_kirchhoff_stress[index, index]
    assert abs(found - reference.first_piola_kirchhoff_stress[2, 2]) < 1e-11


def test_mixed_control_reaches_stress_and_deformation_together():
    """F11 and the nominal shear stress P12 prescribed at once, the lateral faces free."""
    path = LoadPath(
        [
            segment(
                [[1.02, NAN, 0.0], [0.0, NAN, 0.0], [0.0, 0.0, NAN]],
                [[0.0, 0.5, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
                increments=5,
            )
        ],
        axis="x",
    )
    rows = list(drive_point(GLASS, path, "finite"))
    for row in rows[1:]:
        P, F = row.first_piola_kirchhoff_stress, row.deformation_gradient
        assert abs(P[0, 1] - 0.1 * row.increment) < 1e-11
        assert max(abs(P[1, 1]), abs(P[2, 2])) < 1e-11
        assert abs(F[0, 0] - 1.0 - 0.004 * row.increment) < 1e-14
        # Balance of moments holds whatever is prescribed.
        np.testing.assert_allclose(P @ F.T, (P @ F.T).T, rtol=0, atol=1e-12)


def test_a_segment_starts_from_what_the_previous_one_reached():
    """Pull with free lateral faces, then hold the lateral faces where they are and unload."""
    pull = segment([[1.03, 0.0, 0.0], [NAN, NAN, 0.0], [NAN, NAN, NAN]], increments=3)
    hold = segment([[NAN, 0.0, 0.0], [NAN, 1.0, 0.0], [NAN, NAN, 1.0]], increments=4)
    rows = list(drive_point(GLASS, LoadPath([pull, hold], axis="x"), "finite"))
    reached = rows[3]
    start_P = reached.first_piola_kirchhoff_stress[0, 0]
    start_F = reached.deformation_gradient[1, 1]
    assert start_P > 2.0
    for k, row in enumerate(rows[4:], start=1):
        assert abs(row.first_piola_kirchhoff_stress[0, 0] - (1.0 - k / 4.0) * start_P) < 1e-11
        expected = (1.0 - k / 4.0) * start_F + k / 4.0
        assert abs(row.deformation_gradient[1, 1] - expected) < 1e-13


def test_stress_control_beyond_the_strength_ends_with_a_message():
    perfect = Material("grain", "j2", {**ELASTIC, "yield_strength_gpa": 2.5})
    free = [[NAN, 0.0, 0.0], [NAN, NAN, 0.0], [NAN, NAN, NAN]]
    path = LoadPath([segment(free, np.diag([3.0, 0.0, 0.0]), increments=3)], axis="x")
    rows = drive_point(perfect, path, "small")
    reached: list[float] = []

    def follow():
        for row in rows:
            reached.append(row.first_piola_kirchhoff_stress[0, 0])  # noqa: PERF401

    with pytest.raises(NotConvergedError, match="strength"):
        follow()
    last = reached[-1]
    # The last step that was made ends within 1/1024 increment (1e-3 GPa) below the strength.
    assert 2.5 - 2e-3 < last <= 2.5 + 1e-9


def test_a_step_that_fails_is_cut_and_the_increment_hit_all_the_same():
    """A true strain of 2 in one increment: too far for Newton's method from the start."""
    rows = list(drive_point(GLASS, uniaxial_stress("z", 2.0, 1e-3, 1), "finite"))
    assert sum(row.cutbacks for row in rows) > 0
    assert [row.requested for row in rows] == [True, *([False] * (len(rows) - 2)), True]
    assert {row.increment for row in rows[1:]} == {1}
    last = rows[-1]
    # Uniaxial stress is a radial path: the steps leave no trace in the closed form.
    expected = (2.5 + 2.0) / (1.0 + 1.0 / 130.0)
    stress = last.first_piola_kirchhoff_stress[2, 2] * last.deformation_gradient[2, 2]
    assert abs(stress - expected) < 1e-10
    assert abs(last.time_s - 2000.0) < 1e-9
