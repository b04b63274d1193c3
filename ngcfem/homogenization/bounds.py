"""Bounds of the overall stiffness and strength from volume fractions alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ngcfem.constitutive.material import Material
from ngcfem.constitutive.strength import shear_and_bulk_modulus, strength_after
from ngcfem.errors import Finding, InputError

_STRENGTH_SAMPLES = 4001


@dataclass(frozen=True)
class ElasticBounds:
    """Bounds of the overall bulk and shear modulus of an isotropic mixture.

    Parameters
    ----------
    voigt_bulk_modulus_gpa, voigt_shear_modulus_gpa : float
        Uniform strain, upper.
    reuss_bulk_modulus_gpa, reuss_shear_modulus_gpa : float
        Uniform stress, lower.
    hashin_shtrikman_lower_bulk_modulus_gpa, hashin_shtrikman_upper_bulk_modulus_gpa : float
        Best bounds of K from fractions and isotropy.
    hashin_shtrikman_lower_shear_modulus_gpa, hashin_shtrikman_upper_shear_modulus_gpa : float
        Bounds of G from fractions and isotropy.
    """

    voigt_bulk_modulus_gpa: float
    voigt_shear_modulus_gpa: float
    reuss_bulk_modulus_gpa: float
    reuss_shear_modulus_gpa: float
    hashin_shtrikman_lower_bulk_modulus_gpa: float
    hashin_shtrikman_upper_bulk_modulus_gpa: float
    hashin_shtrikman_lower_shear_modulus_gpa: float
    hashin_shtrikman_upper_shear_modulus_gpa: float


def elastic_bounds(
    materials: Sequence[Material], volume_fractions: Sequence[float]
) -> ElasticBounds:
    """Voigt, Reuss and Hashin-Shtrikman bounds of a mixture of isotropic phases.

    Parameters
    ----------
    materials : sequence of Material
        Phases with ``youngs_modulus_gpa`` and ``poisson_ratio``.
    volume_fractions : sequence of float
        Shares of the volume, adding up to 1.

    Returns
    -------
    ElasticBounds
        All bounds in GPa.

    Raises
    ------
    InputError
        If the fractions are negative or do not add up to 1.

    Notes
    -----
    K(z) = [sum f / (K + 4/3 z)]^-1 - 4/3 z with z the smallest (largest) shear modulus;
    G(z) = [sum f / (G + z)]^-1 - z with z = G (9 K + 8 G) / (6 (K + 2 G)) of the smallest (largest)
    moduli. Where the stiffest phase in K is not the stiffest in G the extreme moduli of different
    phases are combined.

    References
    ----------
    Hashin and Shtrikman (1963), J. Mech. Phys. Solids 11, 127-140,
    doi 10.1016/0022-5096(63)90060-7. Walpole (1966), J. Mech. Phys. Solids 14, 151-162,
    doi 10.1016/0022-5096(66)90035-4, for phases that are not well ordered.
    """
    fractions = _checked_fractions(volume_fractions, len(materials))
    moduli = np.array([shear_and_bulk_modulus(material.resolved) for material in materials])
    shear, bulk = moduli[:, 0], moduli[:, 1]

    def bulk_bound(g: float) -> float:
        return float(1.0 / np.sum(fractions / (bulk + 4.0 / 3.0 * g)) - 4.0 / 3.0 * g)

    def shear_bound(k: float, g: float) -> float:
        z = g * (9.0 * k + 8.0 * g) / (6.0 * (k + 2.0 * g))
        return float(1.0 / np.sum(fractions / (shear + z)) - z)

    return ElasticBounds(
        voigt_bulk_modulus_gpa=float(fractions @ bulk),
        voigt_shear_modulus_gpa=float(fractions @ shear),
        reuss_bulk_modulus_gpa=float(1.0 / np.sum(fractions / bulk)),
        reuss_shear_modulus_gpa=float(1.0 / np.sum(fractions / shear)),
        hashin_shtrikman_lower_bulk_modulus_gpa=bulk_bound(shear.min()),
        hashin_shtrikman_upper_bulk_modulus_gpa=bulk_bound(shear.max()),
        hashin_shtrikman_lower_shear_modulus_gpa=shear_bound(bulk.min(), shear.min()),
        hashin_shtrikman_upper_shear_modulus_gpa=shear_bound(bulk.max(), shear.max()),
    )


def taylor_strength_bound(
    materials: Sequence[Material],
    volume_fractions: Sequence[float],
    largest_equivalent_plastic_strain: float,
) -> float:
    """Upper bound of the Mises stress that a mixture of von Mises phases can carry.

    Parameters
    ----------
    materials : sequence of Material
        Phases with law ``j2``.
    volume_fractions : sequence of float
        Shares of the volume, adding up to 1: of the undeformed volume for a bound of the Kirchhoff
        stress.
    largest_equivalent_plastic_strain : float
        Largest local kappa that is reached; only hardening phases depend on it.

    Returns
    -------
    float
        sum f_i max_kappa sigma_y,i(kappa) in GPa. Viscous overstress comes on top.

    Raises
    ------
    InputError
        If a phase does not follow ``j2`` (a pressure-sensitive or elastic phase has no bound), or
        the fractions are negative or do not add up to 1.

    Notes
    -----
    The Mises stress q is convex and homogeneous, so q(<s>) <= <q(s)>, and no point exceeds its
    yield strength: q(<s>) <= sum f_i max Y_i for any arrangement, flow rule or bonding. For Cauchy
    stress multiply by 1 / J (about 1 per cent). The maximum over kappa is taken over 4001 equal
    steps of [0, largest].

    References
    ----------
    Hill (1967), J. Mech. Phys. Solids 15, 79-95, doi 10.1016/0022-5096(67)90018-X;
    Taylor (1938), J. Inst. Met. 62, 307-324.
    """
    fractions = _checked_fractions(volume_fractions, len(materials))
    findings = [
        Finding(f"material {material.phase}", "law", material.law, "j2", "use law j2")
        for material in materials
        if material.law != "j2"
    ]
    if findings:
        raise InputError(findings)
    samples = np.linspace(0.0, largest_equivalent_plastic_strain, _STRENGTH_SAMPLES)
    strengths = [
        max(strength_after(material.resolved, float(kappa)) for kappa in samples)
        for material in materials
    ]
    return float(fractions @ np.array(strengths))


def _checked_fractions(volume_fractions: Sequence[float], count: int) -> np.ndarray:
    fractions = np.asarray(volume_fractions, dtype=float)
    fits = fractions.shape == (count,) and bool(np.all(fractions >= 0.0))
    if not (fits and abs(fractions.sum() - 1.0) <= 1e-9):
        raise InputError(
            [
                Finding(
                    "bounds",
                    "volume_fractions",
                    str(list(fractions)),
                    f"{count} numbers >= 0 that add up to 1",
                    "correct the volume fractions",
                )
            ]
        )
    return fractions
