"""The few lines that `validate` prints."""

from ngcfem.case.summary import remarks_on, summary_of


def test_summary_shows_direction_and_increments(load):
    assert "uniaxial compression along z to true strain -0.1 in 40 increments" in summary_of(load())
    tension = load(
        ("-0.1", "[0.1, 0.05]"), ("[load]\n", '[load]\naxis = "x"\nincrements = [4, 2]\n')
    )
    assert "uniaxial tension along x to true strain 0.1 -> 0.05 in 6 increments" in summary_of(
        tension
    )


def test_remarks(load):
    assert remarks_on(load()) == []
    small = load(("[load]\n", '[load]\nkinematics = "small"\n'))
    assert ["small kinematics" in remark for remark in remarks_on(small)] == [True]
    softening = load(
        (
            "yield_strength_gpa = 2.5",
            "yield_strength_gpa = 2.5, softening_gpa = 0.2, softening_strain = 0.05",
        ),
        ("[load]\n", "[solver]\nmesh_dependent = true\n[load]\n"),
    )
    assert ["internal length (grain)" in remark for remark in remarks_on(softening)] == [True]
