"""Moduli and anisotropy against closed forms and against means over rotations."""

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.homogenization.bounds import elastic_bounds
from ngcfem.homogenization.stiffness import VOIGT_PAIRS, EffectiveStiffness
from ngcfem.homogenization.stiffness_measures import (
    IsotropicModuli,
    engineering_constants,
    isotropic_stiffness,
    place_in_bounds,
    reuss_average,
    spatial_stiffness,
    universal_anisotropy,
    voigt_average,
)

# Iron, in GPa (Simmons and Wang 1971).
C11, C12, C44 = 230.0, 135.0, 117.0


def cubic() -> np.ndarray:
    stiffness = np.full((6, 6), 0.0)
    stiffness[:3, :3] = C12
    stiffness[range(3), range(3)] = C11
    stiffness[range(3, 6), range(3, 6)] = C44
    return stiffness


def random_stiffness(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    factor = generator.normal(size=(6, 6))
    return isotropic_stiffness(IsotropicModuli(120.0, 50.0)) + 5.0 * factor @ factor.T


def tensor_of(voigt: np.ndarray) -> np.ndarray:
    tensor = np.empty((3, 3, 3, 3))
    for row, (i, j) in enumerate(VOIGT_PAIRS):
        for column, (k, m) in enumerate(VOIGT_PAIRS):
            for a, b in ((i, j), (j, i)):
                for c, d in ((k, m), (m, k)):
                    tensor[a, b, c, d] = voigt[row, column]
    return tensor


def mean_over_rotations(tensor: np.ndarray) -> np.ndarray:
    """Exact mean over all rotations: the product grid integrates polynomials of degree 4."""
    azimuths = 2.0 * np.pi * np.arange(6) / 6.0
    cosines, weights = np.polynomial.legendre.leggauss(4)
    mean = np.zeros((3, 3, 3, 3))
    for a in azimuths:
        for c in azimuths:
            for cosine, weight in zip(cosines, weights, strict=True):
                sine = np.sqrt(1.0 - cosine**2)
                first = np.array(
                    [[np.cos(a), -np.sin(a), 0.0], [np.sin(a), np.cos(a), 0.0], [0.0, 0.0, 1.0]]
                )
                tilt = np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
                last = np.array(
                    [[np.cos(c), -np.sin(c), 0.0], [np.sin(c), np.cos(c), 0.0], [0.0, 0.0, 1.0]]
                )
                R = first @ tilt @ last
                mean += weight * np.einsum("ia,jb,kc,ld,abcd->ijkl", R, R, R, R, tensor)
    return mean / (2.0 * 36.0)


def test_an_isotropic_stiffness_gives_its_moduli_back():
    moduli = IsotropicModuli(125.0, 47.0)
    stiffness = isotropic_stiffness(moduli)
    for found in (voigt_average(stiffness), reuss_average(stiffness)):
        assert found.bulk_modulus_gpa == pytest.approx(125.0, rel=1e-13)
        assert found.shear_modulus_gpa == pytest.approx(47.0, rel=1e-13)
    assert universal_anisotropy(stiffness) == pytest.approx(0.0, abs=1e-13)
    constants = engineering_constants(stiffness)
    assert constants["youngs_modulus_y_gpa"] == pytest.approx(moduli.youngs_modulus_gpa)
    assert constants["poisson_ratio_zx"] == pytest.approx(moduli.poisson_ratio)
    assert constants["shear_modulus_xz_gpa"] == pytest.approx(47.0)
    # E = 2 G (1 + nu) = 3 K (1 - 2 nu)
    assert moduli.youngs_modulus_gpa == pytest.approx(94.0 * (1.0 + moduli.poisson_ratio))
    assert moduli.youngs_modulus_gpa == pytest.approx(375.0 * (1.0 - 2.0 * moduli.poisson_ratio))


def test_a_cubic_crystal():
    stiffness = cubic()
    zener = 2.0 * C44 / (C11 - C12)
    upper, lower = voigt_average(stiffness), reuss_average(stiffness)
    assert upper.bulk_modulus_gpa == pytest.approx((C11 + 2.0 * C12) / 3.0)
    assert upper.shear_modulus_gpa == pytest.approx((C11 - C12 + 3.0 * C44) / 5.0)
    assert lower.bulk_modulus_gpa == pytest.approx((C11 + 2.0 * C12) / 3.0)
    assert lower.shear_modulus_gpa == pytest.approx(
        5.0 * (C11 - C12) * C44 / (4.0 * C44 + 3.0 * (C11 - C12))
    )
    assert universal_anisotropy(stiffness) == pytest.approx(
        1.2 * (np.sqrt(zener) - 1.0 / np.sqrt(zener)) ** 2
    )


def test_the_averages_are_means_over_all_orientations():
    stiffness = random_stiffness(3)
    mean = EffectiveStiffness(mean_over_rotations(tensor_of(stiffness)).reshape(9, 9)).voigt
    np.testing.assert_allclose(
        isotropic_stiffness(voigt_average(stiffness)), mean, rtol=0.0, atol=1e-11
    )


def test_engineering_constants_of_a_general_body():
    stiffness = random_stiffness(4)
    constants = engineering_constants(stiffness)
    strain = np.linalg.solve(stiffness, [0.0, 2.0, 0.0, 0.0, 0.0, 0.0])
    assert constants["youngs_modulus_y_gpa"] == pytest.approx(2.0 / strain[1])
    assert constants["poisson_ratio_yz"] == pytest.approx(-strain[2] / strain[1])
    strain = np.linalg.solve(stiffness, [0.0, 0.0, 0.0, 0.0, 0.0, 3.0])
    assert constants["shear_modulus_xy_gpa"] == pytest.approx(3.0 / strain[5])


def test_the_spatial_stiffness_of_a_hyperelastic_body():
    """Compressible neo-Hooke, P = mu (F - F^-T) + lambda ln J F^-T: both tangents are known."""
    mu, lam = 50.0, 80.0
    F = np.array([[1.1, 0.2, 0.0], [-0.05, 0.9, 0.1], [0.02, 0.0, 1.15]])
    J, inverse = np.linalg.det(F), np.linalg.inv(F)
    stress = mu * (F - inverse.T) + lam * np.log(J) * inverse.T
    unit = np.eye(3)
    tangent = (
        mu * np.einsum("ik,JL->iJkL", unit, unit)
        + (mu - lam * np.log(J)) * np.einsum("Li,Jk->iJkL", inverse, inverse)
        + lam * np.einsum("Ji,Lk->iJkL", inverse, inverse)
    )
    expected = (
        lam * np.einsum("ij,kl->ijkl", unit, unit)
        + (mu - lam * np.log(J))
        * (np.einsum("ik,jl->ijkl", unit, unit) + np.einsum("il,jk->ijkl", unit, unit))
    ) / J
    found = spatial_stiffness(tangent.reshape(9, 9), F, stress)
    np.testing.assert_allclose(found, expected.reshape(9, 9), rtol=0.0, atol=1e-12)


def test_places_in_the_bounds():
    materials = [
        Material(name, "elastic", {"youngs_modulus_gpa": modulus, "poisson_ratio": 0.3})
        for name, modulus in (("a", 100.0), ("b", 200.0))
    ]
    bounds = elastic_bounds(materials, [0.5, 0.5])
    middle = IsotropicModuli(
        0.5
        * (
            bounds.hashin_shtrikman_lower_bulk_modulus_gpa
            + bounds.hashin_shtrikman_upper_bulk_modulus_gpa
        ),
        0.5
        * (
            bounds.hashin_shtrikman_lower_shear_modulus_gpa
            + bounds.hashin_shtrikman_upper_shear_modulus_gpa
        ),
    )
    place = place_in_bounds(isotropic_stiffness(middle), bounds)
    assert place.voigt_and_reuss
    assert place.hashin_shtrikman_bulk
    assert place.hashin_shtrikman_shear
    upper = IsotropicModuli(bounds.voigt_bulk_modulus_gpa, bounds.voigt_shear_modulus_gpa)
    place = place_in_bounds(isotropic_stiffness(upper), bounds)
    assert place.voigt_and_reuss
    assert not place.hashin_shtrikman_bulk
    assert not place.hashin_shtrikman_shear
    # One shear modulus above Voigt, the mean within all bounds.
    stiff = isotropic_stiffness(middle)
    stiff[3, 3] = 1.01 * upper.shear_modulus_gpa
    stiff[4, 4] = stiff[5, 5] = middle.shear_modulus_gpa
    assert not place_in_bounds(stiff, bounds).voigt_and_reuss
