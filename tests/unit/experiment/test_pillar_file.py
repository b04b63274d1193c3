"""Pillar files and digitized curves: conversions, signs, findings."""

from pathlib import Path

import numpy as np
import pytest

from ngcfem.errors import InputError
from ngcfem.experiment.pillar_file import read_pillar_data
from ngcfem.results.measures import StrainMeasure, StressMeasure

SHIPPED = Path(__file__).parents[3] / "cases" / "data" / "fe90sc10_pillar.toml"

HEAD = """
schema_version = 1
title = "pillar"
loading = "compression"
strain_measure = "true"
stress_measure = "volume-conserving true"
"""
GEOMETRY = """
[specimen]
diameter_nm = 1000.0
height_nm = 2500.0
"""


def curve_section(measure, positive="compression"):
    return f"""
[curve]
file = "curve.csv"
measure = "{measure}"
positive = "{positive}"
provenance = "paper"
reference = "figure 3"
"""


def feature(**entries):
    entries = {
        "name": '"late stress"',
        "kind": '"stress-at-strain"',
        "strain": "0.6",
        "value": "6.0",
        "unit": '"GPa"',
        "standard_uncertainty": "0.3",
        "provenance": '"paper"',
        "reference": '"text"',
        **entries,
    }
    lines = [f"{key} = {value}" for key, value in entries.items() if value is not None]
    return "\n[[feature]]\n" + "\n".join(lines) + "\n"


def read(tmp_path, text, csv=None):
    (tmp_path / "pillar.toml").write_text(text)
    if csv is not None:
        (tmp_path / "curve.csv").write_text(csv)
    return read_pillar_data(tmp_path / "pillar.toml")


def table(header, *columns):
    rows = [",".join(repr(float(x)) for x in row) for row in zip(*columns, strict=True)]
    return "\n".join([header, *rows]) + "\n"


def test_shipped_file_states_what_the_paper_states():
    data = read_pillar_data(SHIPPED)
    features = {entry.kind: entry for entry in data.features}
    assert data.direction == -1
    assert (data.strain_measure, data.stress_measure) == (
        StrainMeasure.TRUE,
        StressMeasure.VOLUME_CONSERVING_TRUE,
    )
    assert features["offset-yield"].value == 2.5
    assert features["offset-yield"].standard_uncertainty == 0.15
    late = features["stress-beyond-strain"]
    assert (late.value, late.strain, late.bound) == (6.0, 0.5, "lower")
    assert late.systematic is not None
    assert late.systematic.intrinsic_range(6.0) == pytest.approx((6.0 / 1.4, 6.0 / 1.05))
    assert (features["strain-reached"].value, features["strain-reached"].bound) == (0.8, "lower")
    ratios = {e.other_material: e for e in data.features if e.kind == "strength-ratio"}
    assert ratios["Sc75Fe25 nanoglass"].value == 2.0
    assert ratios["pure iron"].value == 2.75
    # Rectangular distribution of half width 0.25.
    assert ratios["pure iron"].standard_uncertainty == pytest.approx(0.25 / np.sqrt(3.0))
    assert all("smll.202004400" in entry.reference for entry in data.features)
    assert {entry.provenance for entry in data.features} == {"paper"}
    assert len(data.reference_materials) == 3
    assert data.curve is None


def test_force_and_displacement_become_true_stress(tmp_path):
    # 7.8 mN on 1 um at a true strain of 0.5: 9.93 GPa engineering, 6.02 GPa true.
    shortening = 2500.0 * (1.0 - np.exp(-np.array([0.0, 0.25, 0.5])))
    csv = table("displacement_nm,force_mN", shortening, [0.0, 4.0, 7.8])
    data = read(tmp_path, HEAD + GEOMETRY + curve_section("force-displacement"), csv)
    assert data.curve is not None
    area = np.pi * 1000.0**2 / 4.0
    np.testing.assert_allclose(data.curve.strain, [0.0, -0.25, -0.5], atol=1e-14)
    np.testing.assert_allclose(
        data.curve.stress_gpa,
        [0.0, -4.0e6 / area * np.exp(-0.25), -7.8e6 / area * np.exp(-0.5)],
        rtol=1e-13,
    )
    assert data.curve.stress_gpa[-1] == pytest.approx(-6.02, abs=0.01)


def test_units_of_force_and_displacement(tmp_path):
    text = HEAD + GEOMETRY + curve_section("force-displacement")
    columns = np.array([0.0, 500.0, 1000.0]), np.array([0.0, 2.0, 3.0])
    first = read(tmp_path, text, table("displacement_nm,force_mN", *columns)).curve
    second = read(
        tmp_path, text, table("force_uN,displacement_um", columns[1] * 1e3, columns[0] * 1e-3)
    ).curve
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first.stress_gpa, second.stress_gpa, rtol=1e-14)
    np.testing.assert_allclose(first.strain, second.strain, rtol=1e-14)


@pytest.mark.parametrize(("positive", "sign"), [("compression", 1.0), ("tension", -1.0)])
def test_engineering_and_true_files_of_one_test_agree(tmp_path, positive, sign):
    strain = np.array([0.0, 0.1, 0.3, 0.6])
    stress = np.array([0.0, 2.5, 3.0, 3.3])
    engineering = read(
        tmp_path,
        HEAD + curve_section("engineering", positive),
        table(
            "engineering_strain,engineering_stress_gpa",
            sign * (1.0 - np.exp(-strain)),
            sign * stress,
        ),
    ).curve
    true = read(
        tmp_path,
        HEAD + curve_section("true", positive),
        table("true_strain,true_stress_gpa", sign * strain, sign * stress * np.exp(-strain)),
    ).curve
    assert engineering is not None
    assert true is not None
    np.testing.assert_allclose(engineering.strain, -strain, atol=1e-14)
    np.testing.assert_allclose(engineering.stress_gpa, -stress * np.exp(-strain), rtol=1e-13)
    np.testing.assert_allclose(true.stress_gpa, engineering.stress_gpa, rtol=1e-13)


@pytest.mark.parametrize("measure", ["engineering", "true"])
def test_wrong_sign_of_the_conversion_is_found_between_columns(tmp_path, measure):
    strain = np.linspace(0.0, 0.6, 7)
    engineering = np.linspace(0.0, 3.3, 7)
    header = "true_strain,engineering_strain,engineering_stress_gpa,true_stress_gpa"
    columns = strain, 1.0 - np.exp(-strain), engineering
    text = HEAD + curve_section(measure)
    with pytest.raises(InputError, match="wrong sign") as caught:
        read(tmp_path, text, table(header, *columns, engineering * np.exp(strain)))
    assert "e^+|strain|" in str(caught.value)
    data = read(tmp_path, text, table(header, *columns, engineering * np.exp(-strain)))
    assert data.curve is not None
    assert data.curve.stress_gpa[-1] == pytest.approx(-3.3 * np.exp(-0.6), rel=1e-12)
    with pytest.raises(InputError, match="check what the columns hold"):
        read(tmp_path, text, table(header, *columns, engineering))


@pytest.mark.parametrize(
    ("kind", "bound", "strain"),
    [("stress-at-strain", "none", 0.6), ("stress-beyond-strain", "lower", 0.5)],
)
def test_curve_that_fits_its_feature_only_with_the_wrong_sign(tmp_path, kind, bound, strain):
    # 3.3 GPa engineering at 0.6 (3.64 at 0.5) would be 6 GPa only as engineering x e^+0.6.
    strains = np.array([0.0, 0.3, 0.5, 0.6, 0.7])
    engineering = np.array([0.0, 3.2, 3.64, 3.3, 3.2])
    csv = table("engineering_strain,engineering_stress_gpa", 1.0 - np.exp(-strains), engineering)
    text = (
        HEAD
        + feature(kind=f'"{kind}"', bound=f'"{bound}"', strain=repr(strain))
        + curve_section("engineering")
    )
    with pytest.raises(InputError, match=r"only .* with the opposite sign"):
        read(tmp_path, text, csv)
    # The engineering stress that does belong to 6 GPa, 9.9 at 0.5 and 10.9 at 0.6, passes.
    right = table(
        "engineering_strain,engineering_stress_gpa",
        1.0 - np.exp(-strains),
        np.array([0.0, 5.0, 6.1, 6.0, 6.2]) * np.exp(strains),
    )
    assert read(tmp_path, text, right).curve is not None
    # So does a curve that contradicts the feature with either sign: that is for the comparison.
    low = table("engineering_strain,engineering_stress_gpa", 1.0 - np.exp(-strains), strains)
    assert read(tmp_path, text, low).curve is not None


@pytest.mark.parametrize(
    ("measure", "csv", "message"),
    [
        ("true", "true_strain,true_stress_gpa\n0,0\n-0.1,-2\n-0.2,-3\n", "positive values"),
        ("true", "true_strain,true_stress_gpa\n0,0\n0.1,-2\n0.2,-3\n", "column true_stress_gpa"),
        ("true", "true_strain,true_stress_gpa\n0,0\n10,2\n60,3\n", "percent"),
        (
            "engineering",
            "engineering_strain,engineering_stress_gpa\n0,0\n0.5,2\n1.2,3\n",
            "is it a true strain",
        ),
        ("true", "strain,stress\n0,0\n0.1,2\n0.2,3\n", "one column named true_strain"),
        ("true", "true_strain,true_stress_gpa\n0,0\n0.1,2\n", "3 or more"),
        ("true", "true_strain;true_stress_gpa\n0;0\n0,1;2\n0.2;3\n", "finite numbers"),
        ("true", "true_strain,true_stress_gpa\n0,0\n0.1,nan\n0.2,3\n", "line 3"),
        ("force-displacement", "displacement_nm,force_mN\n0,0\n1,1\n2,2\n", "specimen.height_nm"),
    ],
)
def test_wrong_curves_are_told(tmp_path, measure, csv, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, HEAD + curve_section(measure), csv)


def test_missing_curve_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"curve\.csv"):
        read(tmp_path, HEAD + curve_section("true"))


def test_all_findings_of_a_file_at_once(tmp_path):
    text = (
        HEAD.replace('"volume-conserving true"', '"cauchy"').replace("title", "titel")
        + feature(provenance='"hearsay"')
        + feature(value="-1.0", standard_uncertainty=None, interval="[3.0, 2.0]")
        + feature(kind='"hardness"')
        + feature(unit='"MPa"', surplus="1")
        + feature(value="2.0", standard_uncertainty=None)
    )
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    keys = [finding.key for finding in caught.value.findings]
    assert caught.value.exit_code == 2
    for key in (
        "title",
        "titel",
        "stress_measure",
        "feature[1].provenance",
        "feature[2].value",
        "feature[3].kind",
        "feature[4].unit",
        "feature[4].surplus",
        "feature[5]",
    ):
        assert key in keys
    by_key = {finding.key: finding for finding in caught.value.findings}
    assert by_key["title"].remedy == "add title"
    assert "offset-yield" in by_key["feature[3].kind"].allowed
    assert "standard_uncertainty or interval" in by_key["feature[5]"].allowed
    assert "hearsay" in by_key["feature[1].provenance"].found


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"standard_uncertainty": None, "interval": "[7.0, 8.0]"}, "outside its interval"),
        ({"standard_uncertainty": None, "interval": "[8.0, 7.0]"}, "must rise"),
        ({"interval": "[5.0, 7.0]"}, "either standard_uncertainty or interval"),
        ({"value": None}, "value is missing"),
        ({"standard_uncertainty": "inf"}, "finite"),
        (
            {"systematic": '{ low_percent = 5.0, high_percent = 1.0, note = "x" }'},
            "below low_percent",
        ),
    ],
)
def test_contradictions_inside_a_feature(tmp_path, entries, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, HEAD + feature(**entries))


def test_text_that_is_not_toml_is_told(tmp_path):
    with pytest.raises(InputError, match="not TOML"):
        read(tmp_path, "title = \n")
    with pytest.raises(InputError, match="No such file"):
        read_pillar_data(tmp_path / "absent.toml")
