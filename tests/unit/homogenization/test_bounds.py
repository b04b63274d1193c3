import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.errors import InputError
from ngcfem.homogenization.bounds import elastic_bounds, taylor_strength_bound

MATRIX = Material("matrix", "elastic", {"youngs_modulus_gpa": 1.0, "poisson_ratio": 0.3})
STIFF = Material("inclusion", "elastic", {"youngs_modulus_gpa": 10.0, "poisson_ratio": 0.2})


@pytest.mark.parametrize(
    ("fraction", "lower_k", "lower_g", "upper_k", "upper_g"),
    [
        (0.1, 0.946926, 0.457148, 1.116913, 0.600994),
        (0.2, 1.081457, 0.543993, 1.426837, 0.838973),
        (0.3, 1.243301, 0.649850, 1.766953, 1.101959),
        (0.4, 1.441718, 0.781731, 2.141901, 1.394110),
    ],
)
def test_hashin_shtrikman_table(fraction, lower_k, lower_g, upper_k, upper_g):
    bounds = elastic_bounds([MATRIX, STIFF], [1.0 - fraction, fraction])
    found = (
        bounds.hashin_shtrikman_lower_bulk_modulus_gpa,
        bounds.hashin_shtrikman_lower_shear_modulus_gpa,
        bounds.hashin_shtrikman_upper_bulk_modulus_gpa,
        bounds.hashin_shtrikman_upper_shear_modulus_gpa,
    )
    # The table is printed with six decimals.
    np.testing.assert_allclose(found, (lower_k, lower_g, upper_k, upper_g), rtol=0, atol=6e-7)


def test_iron_in_glass():
    glass = Material("grain", "elastic", {"youngs_modulus_gpa": 130.0, "poisson_ratio": 0.33})
    iron = Material("crystal", "elastic", {"youngs_modulus_gpa": 204.0, "poisson_ratio": 0.29})
    bounds = elastic_bounds([glass, iron], [0.8, 0.2])
    assert abs(bounds.hashin_shtrikman_lower_bulk_modulus_gpa - 133.479) < 6e-4
    assert abs(bounds.hashin_shtrikman_lower_shear_modulus_gpa - 53.7777) < 6e-5
    assert abs(bounds.hashin_shtrikman_upper_bulk_modulus_gpa - 133.612) < 6e-4
    assert abs(bounds.hashin_shtrikman_upper_shear_modulus_gpa - 53.995) < 6e-4


def test_bounds_are_ordered_and_meet_for_one_phase():
    third = Material("third", "elastic", {"youngs_modulus_gpa": 3.0, "poisson_ratio": 0.45})
    bounds = elastic_bounds([MATRIX, STIFF, third], [0.5, 0.2, 0.3])
    for name in ("bulk", "shear"):
        ordered = [
            getattr(bounds, f"{kind}_{name}_modulus_gpa")
            for kind in ("reuss", "hashin_shtrikman_lower", "hashin_shtrikman_upper", "voigt")
        ]
        assert ordered == sorted(ordered)
        assert ordered[0] < ordered[1] < ordered[2] < ordered[3]
    single = elastic_bounds([STIFF], [1.0])
    np.testing.assert_allclose(
        [single.reuss_bulk_modulus_gpa, single.hashin_shtrikman_upper_bulk_modulus_gpa],
        10.0 / (3.0 * 0.6),
        rtol=1e-14,
    )


def phase(name, strength, **more):
    elastic = {"youngs_modulus_gpa": 140.0, "poisson_ratio": 0.33}
    return Material(name, "j2", {**elastic, "yield_strength_gpa": strength, **more})


def test_taylor_bound_of_the_dossier():
    """Iron of 8 GPa at 12 % in glass of 2.5 GPa cannot carry more than 3.16 GPa."""
    phases = [phase("crystal", 8.0), phase("grain", 2.5)]
    assert abs(taylor_strength_bound(phases, [0.12, 0.88], 1.0) - 3.16) < 1e-12
    # Strength that carries 6 GPa: 31.7 GPa at 12 %, or 64 % of iron.
    strong = [phase("crystal", 31.7), phase("grain", 2.5)]
    assert abs(taylor_strength_bound(strong, [0.12, 0.88], 1.0) - 6.0) < 5e-3
    assert abs(taylor_strength_bound(phases, [0.64, 0.36], 1.0) - 6.02) < 1e-12


def test_taylor_bound_takes_the_largest_strength_on_the_way():
    softening = phase("grain", 2.9, softening_gpa=0.35, softening_strain=0.05)
    hardening = phase("crystal", 4.5, voce_hardening_gpa=1.5, voce_rate=5.0)
    bound = taylor_strength_bound([softening, hardening], [0.5, 0.5], 0.4)
    assert abs(bound - 0.5 * (2.9 + 4.5 + 1.5 * (1.0 - np.exp(-2.0)))) < 1e-12


@pytest.mark.parametrize("fractions", [[0.5, 0.4], [1.2, -0.2], [1.0], [np.nan, 1.0]])
def test_fractions_must_fill_the_volume(fractions):
    with pytest.raises(InputError, match="volume_fractions"):
        elastic_bounds([MATRIX, STIFF], fractions)


def test_no_taylor_bound_without_von_mises():
    with pytest.raises(InputError, match="j2"):
        taylor_strength_bound([MATRIX, phase("grain", 2.5)], [0.5, 0.5], 1.0)
