import math

import pytest

from ngcfem.constitutive.parameters import (
    LAW_PARAMETERS,
    check_parameters,
    resolve_parameters,
    softens,
)
from ngcfem.constitutive.strength import (
    minimum_hardening_slope,
    shear_and_bulk_modulus,
    strength_after,
)

ELASTIC = {"youngs_modulus_gpa": 140.0, "poisson_ratio": 0.33}
J2 = {**ELASTIC, "yield_strength_gpa": 2.7}
CONE = {**J2, "friction_coefficient": 0.05}
COULOMB = {**ELASTIC, "cohesion_gpa": 1.2, "friction_coefficient": 0.05}
ACTIVATED = {**ELASTIC, "reference_stress_gpa": 0.28, "reference_rate_per_s": 1e3}
CUBIC = {"c11_gpa": 230.0, "c12_gpa": 135.0, "c44_gpa": 117.0}
SOUND = {
    "elastic": ELASTIC,
    "j2": J2,
    "drucker-prager": CONE,
    "mohr-coulomb": COULOMB,
    "free-volume": {**ACTIVATED, "initial_free_volume": 0.05},
    "effective-temperature": {
        **ACTIVATED,
        "initial_effective_temperature": 0.05,
        "steady_effective_temperature": 0.07,
        "effective_heat_capacity": 1.0,
    },
    "free-volume-relaxation": {
        **ACTIVATED,
        "initial_free_volume": 0.05,
        "creation_per_shear_strain": 0.1,
    },
    "cubic-elastic": CUBIC,
    "crystal-plasticity": {**CUBIC, "slip_systems": "112", "initial_slip_resistance_gpa": 1.6},
}


def only_finding(law, values):
    findings = check_parameters(law, values)
    assert len(findings) == 1, findings
    assert all(isinstance(part, str) and part for part in findings[0])
    return findings[0]


@pytest.mark.parametrize("law", sorted(LAW_PARAMETERS))
def test_sound_parameters_have_no_findings_and_resolve_in_order(law):
    assert check_parameters(law, SOUND[law]) == []
    resolved = resolve_parameters(law, SOUND[law])
    assert list(resolved) == [spec.name for spec in LAW_PARAMETERS[law]]
    assert check_parameters(law, resolved) == []


def test_every_specification_is_complete():
    for specs in LAW_PARAMETERS.values():
        assert len({spec.name for spec in specs}) == len(specs)
        for spec in specs:
            assert spec.description
            assert spec.name.endswith("_gpa") == (spec.unit == "GPa")
            assert spec.name.endswith("_per_s") == spec.unit.endswith("/s")
            assert spec.default is None or spec.accepts(spec.default)


def test_all_findings_come_at_once():
    values = {"youngs_modulus_gpa": -1.0, "poisson_ratio": 0.5, "yeild_strength_gpa": 2.0}
    names = [finding[0] for finding in check_parameters("j2", values)]
    assert names == [
        "youngs_modulus_gpa",
        "poisson_ratio",
        "yeild_strength_gpa",
        "yield_strength_gpa",
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -3.0, 140e3, True, "140"])
def test_values_outside_the_range_are_refused(value):
    assert only_finding("elastic", {**ELASTIC, "youngs_modulus_gpa": value})[0] == (
        "youngs_modulus_gpa"
    )


def test_unknown_law():
    name, found, allowed, _ = only_finding("mohr", {})
    assert (name, found) == ("law", "'mohr'")
    assert "drucker-prager" in allowed


@pytest.mark.parametrize(
    ("law", "changes", "name", "words"),
    [
        ("elastic", {"characteristic_length_nm": 2.0}, "characteristic_length_nm", "j2"),
        ("j2", {"overnonlocal_weight": 3.0}, "overnonlocal_weight", "characteristic_length_nm"),
        ("j2", {"micromorphic_modulus_gpa": 9.0}, "micromorphic_modulus_gpa", "length"),
        (
            "drucker-prager",
            {
                "characteristic_length_nm": 2.0,
                "micromorphic_modulus_gpa": 9.0,
                "rate_sensitivity": 0.02,
            },
            "micromorphic_modulus_gpa",
            "rate_sensitivity",
        ),
        ("j2", {"c11_gpa": 230.0}, "c11_gpa", "isotropic"),
        ("j2", {"softening_gpa": 0.2}, "softening_strain", "softening_gpa"),
        ("j2", {"voce_hardening_gpa": 0.2}, "voce_rate", "voce_hardening_gpa"),
        ("j2", {"softening_gpa": 2.7, "softening_strain": 0.5}, "softening_gpa", "yield"),
        ("j2", {"softening_gpa": 2.0, "softening_strain": 0.01}, "softening_strain", "shear"),
        ("drucker-prager", {"dilatancy": 0.06}, "dilatancy", "energy"),
        ("drucker-prager", {"rate_sensitivity": 1e-6}, "rate_sensitivity", "0.0001"),
        ("drucker-prager", {"friction_coefficient": 1.8}, "friction_coefficient", "1.73205"),
        ("mohr-coulomb", {"cohesion_softening_gpa": 0.1}, "softening_slip", "softening"),
        ("mohr-coulomb", {"dilatancy": 0.01}, "softening_slip", "dilatancy"),
        ("mohr-coulomb", {"rate_sensitivity": 0.0}, "rate_sensitivity", "0.001"),
        (
            "mohr-coulomb",
            {"dilatancy": 0.06, "softening_slip": 0.1},
            "dilatancy",
            "energy",
        ),
        (
            "mohr-coulomb",
            {"cohesion_softening_gpa": 1.2, "softening_slip": 1.0},
            "cohesion_softening_gpa",
            "cohesion_gpa = 1.2",
        ),
        (
            "mohr-coulomb",
            {"cohesion_softening_gpa": 1.1, "softening_slip": 0.01},
            "softening_slip",
            "snap-back",
        ),
    ],
)
def test_conditions_between_parameters(law, changes, name, words):
    finding = only_finding(law, {**SOUND[law], **changes})
    assert finding[0] == name
    assert words in " ".join(finding)


def test_snap_back_is_refused_exactly_where_it_begins():
    """A slope of -3 G is the limit; Voce hardening that offsets the softening lifts it."""
    shear, _ = shear_and_bulk_modulus(ELASTIC)
    steepest = {**J2, "softening_gpa": 1.0, "softening_strain": 1.0 / (3.0 * shear)}
    gentle = {**steepest, "softening_strain": 1.0001 / (3.0 * shear)}
    assert check_parameters("j2", {**steepest, "softening_strain": 0.9999 / (3.0 * shear)})
    assert check_parameters("j2", gentle) == []
    offset = {"voce_hardening_gpa": 1.0, "voce_rate": 3.0 * shear}
    assert check_parameters("j2", {**steepest, **offset}) == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"softening_gpa": 0.3, "softening_strain": 0.05},
        {"voce_hardening_gpa": 0.4, "voce_rate": 5.0},
        {
            "softening_gpa": 0.3,
            "softening_strain": 0.1,
            "voce_hardening_gpa": 0.4,
            "voce_rate": 40.0,
            "hardening_modulus_gpa": 0.7,
        },
        {
            "softening_gpa": 0.3,
            "softening_strain": 0.05,
            "voce_hardening_gpa": 0.5,
            "voce_rate": 3.0,
        },
    ],
)
def test_smallest_slope_is_that_of_the_sampled_strength(changes):
    values = resolve_parameters("j2", {**J2, **changes})
    h = 1e-5
    sampled = min(
        (strength_after(values, k + h) - strength_after(values, max(k - h, 0.0))) / (h + min(h, k))
        for k in [0.0, *(1e-4 * 1.01**i for i in range(1200))]
    )
    # First-order difference at 0: an error of h / 2 times a curvature of up to 120 GPa.
    assert abs(minimum_hardening_slope(values) - sampled) < 1e-3


def test_snap_back_of_the_cohesion_begins_at_three_eighths_of_the_shear_modulus():
    shear, _ = shear_and_bulk_modulus(ELASTIC)
    steepest = 0.375 * shear / (1.0 + 0.05**2)
    soft = {**COULOMB, "cohesion_softening_gpa": 1.0}
    assert check_parameters("mohr-coulomb", {**soft, "softening_slip": 0.9999 / steepest})
    assert check_parameters("mohr-coulomb", {**soft, "softening_slip": 1.0001 / steepest}) == []


def test_softening_of_the_cohesion_is_seen():
    soft = {**COULOMB, "cohesion_softening_gpa": 0.1, "softening_slip": 0.1}
    assert not softens("mohr-coulomb", COULOMB)
    assert softens("mohr-coulomb", soft)
    assert softens("mohr-coulomb", {**soft, "cohesion_hardening_gpa": 0.99})
    assert not softens("mohr-coulomb", {**soft, "cohesion_hardening_gpa": 1.01})


def test_softening_is_seen():
    assert not softens("elastic", ELASTIC)
    assert not softens("j2", J2)
    assert softens("j2", {**J2, "softening_gpa": 0.2, "softening_strain": 0.05})
    # 0.2/0.05 = 4 GPa of softening slope under 5 GPa of hardening: never falls.
    assert not softens(
        "j2",
        {**J2, "softening_gpa": 0.2, "softening_strain": 0.05, "hardening_modulus_gpa": 5.0},
    )


def test_missing_required_parameter_cannot_be_resolved():
    with pytest.raises(KeyError, match="yield_strength_gpa"):
        resolve_parameters("j2", ELASTIC)
