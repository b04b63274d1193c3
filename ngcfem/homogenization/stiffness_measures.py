"""What is read from an effective stiffness: moduli, anisotropy, and where it lies in its bounds."""

from dataclasses import dataclass

import numpy as np

from ngcfem.homogenization.bounds import ElasticBounds
from ngcfem.homogenization.stiffness import VOIGT_PAIRS
from ngcfem.quantities import FloatArray

_AXES = "xyz"
_ROUNDING = 1e-9


@dataclass(frozen=True)
class IsotropicModuli:
    """Moduli of an isotropic body.

    Parameters
    ----------
    bulk_modulus_gpa, shear_modulus_gpa : float
        K and G.
    """

    bulk_modulus_gpa: float
    shear_modulus_gpa: float

    @property
    def youngs_modulus_gpa(self) -> float:
        """E = 9 K G / (3 K + G)."""
        k, g = self.bulk_modulus_gpa, self.shear_modulus_gpa
        return 9.0 * k * g / (3.0 * k + g)

    @property
    def poisson_ratio(self) -> float:
        """(3 K - 2 G) / (6 K + 2 G)."""
        k, g = self.bulk_modulus_gpa, self.shear_modulus_gpa
        return (3.0 * k - 2.0 * g) / (6.0 * k + 2.0 * g)


def spatial_stiffness(
    tangent: FloatArray, deformation_gradient: FloatArray, stress: FloatArray
) -> FloatArray:
    """Stiffness seen by an observer in the deformed state.

    Parameters
    ----------
    tangent : ndarray, shape (9, 9)
        dP_iJ/dF_kL in GPa.
    deformation_gradient : ndarray, shape (3, 3)
        F of the state.
    stress : ndarray, shape (3, 3)
        First Piola-Kirchhoff stress P of the state in GPa.

    Returns
    -------
    ndarray, shape (9, 9)
        c_ijkl in GPa, component 3 i + j against 3 k + l.

    Notes
    -----
    c_ijkl = F_jJ F_lL (dP_iJ/dF_kL) / J - delta_ik sigma_jl, the moduli between the Truesdell rate
    of the Cauchy stress and the rate of deformation. They have the minor symmetries whatever the
    stress, while dP/dF has them only where the stress vanishes; for F = 1 and P = 0 both are the
    same.

    References
    ----------
    Simo and Hughes (1998), Computational Inelasticity, Springer, doi 10.1007/b98904, section 7.1.
    """
    F = np.asarray(deformation_gradient, dtype=float)
    determinant = float(np.linalg.det(F))
    cauchy = stress @ F.T / determinant
    moduli = np.einsum("jJ,lL,iJkL->ijkl", F, F, tangent.reshape(3, 3, 3, 3)) / determinant
    moduli -= np.einsum("ik,jl->ijkl", np.eye(3), cauchy)
    return moduli.reshape(9, 9)


def symmetric_stiffness(voigt: FloatArray) -> FloatArray:
    """Write a stiffness as a matrix whose eigenvalues do not depend on the frame.

    Parameters
    ----------
    voigt : ndarray, shape (6, 6)
        Between stress (11, 22, 33, 23, 13, 12) and engineering strain.

    Returns
    -------
    ndarray, shape (6, 6)
        Symmetric part in the notation of Mandel: shear rows and columns times sqrt(2).
    """
    weight = np.array([1.0, 1.0, 1.0, np.sqrt(2.0), np.sqrt(2.0), np.sqrt(2.0)])
    return 0.5 * (voigt + voigt.T) * np.outer(weight, weight)


def voigt_average(voigt: FloatArray) -> IsotropicModuli:
    """Isotropic body that is nearest to a stiffness.

    Parameters
    ----------
    voigt : ndarray, shape (6, 6)
        Stiffness in GPa.

    Returns
    -------
    IsotropicModuli
        Mean of the stiffness over all orientations, which is also the isotropic tensor at the
        smallest Frobenius distance.

    References
    ----------
    Hill (1952), Proc. Phys. Soc. A 65, 349-354, doi 10.1088/0370-1298/65/5/307.
    """
    normal, shear = voigt[:3, :3], voigt[3:, 3:]
    trace = float(np.trace(normal))
    off = float(normal.sum()) - trace
    return IsotropicModuli(
        (trace + off) / 9.0, (trace - off / 2.0 + 3.0 * float(np.trace(shear))) / 15.0
    )


def reuss_average(voigt: FloatArray) -> IsotropicModuli:
    """Isotropic body of the mean compliance.

    Parameters
    ----------
    voigt : ndarray, shape (6, 6)
        Stiffness in GPa.

    Returns
    -------
    IsotropicModuli
        From the mean of the compliance over all orientations.

    References
    ----------
    Hill (1952), Proc. Phys. Soc. A 65, 349-354, doi 10.1088/0370-1298/65/5/307.
    """
    compliance = np.linalg.inv(voigt)
    normal, shear = compliance[:3, :3], compliance[3:, 3:]
    trace = float(np.trace(normal))
    off = float(normal.sum()) - trace
    return IsotropicModuli(
        1.0 / (trace + off), 15.0 / (4.0 * trace - 2.0 * off + 3.0 * float(np.trace(shear)))
    )


def universal_anisotropy(voigt: FloatArray) -> float:
    """Universal anisotropy index: 0 for an isotropic body, positive otherwise.

    Parameters
    ----------
    voigt : ndarray, shape (6, 6)
        Stiffness in GPa.

    Returns
    -------
    float
        5 G_V / G_R + K_V / K_R - 6.

    References
    ----------
    Ranganathan and Ostoja-Starzewski (2008), Phys. Rev. Lett. 101, 055504,
    doi 10.1103/PhysRevLett.101.055504.
    """
    upper, lower = voigt_average(voigt), reuss_average(voigt)
    return (
        5.0 * upper.shear_modulus_gpa / lower.shear_modulus_gpa
        + upper.bulk_modulus_gpa / lower.bulk_modulus_gpa
        - 6.0
    )


def engineering_constants(voigt: FloatArray) -> dict[str, float]:
    """Young's moduli, shear moduli and Poisson ratios along the axes.

    Parameters
    ----------
    voigt : ndarray, shape (6, 6)
        Stiffness in GPa.

    Returns
    -------
    dict of str to float
        ``youngs_modulus_x_gpa`` ..., ``shear_modulus_yz_gpa`` ..., and ``poisson_ratio_xy`` for
        the contraction along y under stress along x.
    """
    compliance = np.linalg.inv(voigt)
    constants = {f"youngs_modulus_{_AXES[a]}_gpa": 1.0 / float(compliance[a, a]) for a in range(3)}
    for row, (i, j) in enumerate(VOIGT_PAIRS[3:], start=3):
        constants[f"shear_modulus_{_AXES[i]}{_AXES[j]}_gpa"] = 1.0 / float(compliance[row, row])
    for i in range(3):
        for j in range(3):
            if i != j:
                ratio = -float(compliance[j, i] / compliance[i, i])
                constants[f"poisson_ratio_{_AXES[i]}{_AXES[j]}"] = ratio
    return constants


def isotropic_stiffness(moduli: IsotropicModuli) -> FloatArray:
    """Stiffness of an isotropic body.

    Parameters
    ----------
    moduli : IsotropicModuli
        K and G.

    Returns
    -------
    ndarray, shape (6, 6)
        Between stress (11, 22, 33, 23, 13, 12) and engineering strain, in GPa.
    """
    k, g = moduli.bulk_modulus_gpa, moduli.shear_modulus_gpa
    stiffness = np.diag([2.0 * g] * 3 + [g] * 3)
    stiffness[:3, :3] += k - 2.0 / 3.0 * g
    return stiffness


@dataclass(frozen=True)
class PlaceInBounds:
    """Whether an effective stiffness lies where theory says that it must.

    Parameters
    ----------
    voigt_and_reuss : bool
        For every strain the energy lies between those of uniform strain and uniform stress: holds
        for any arrangement, so that a violation is an error of the computation.
    hashin_shtrikman_bulk, hashin_shtrikman_shear : bool
        The isotropic moduli lie within the bounds of an isotropic mixture, which one finite cell
        may leave by its anisotropy.
    """

    voigt_and_reuss: bool
    hashin_shtrikman_bulk: bool
    hashin_shtrikman_shear: bool


def place_in_bounds(voigt: FloatArray, bounds: ElasticBounds) -> PlaceInBounds:
    """Hold an effective stiffness against the bounds of its phases.

    Parameters
    ----------
    voigt : ndarray, shape (6, 6)
        Stiffness in GPa.
    bounds : ElasticBounds
        Of the phases with the fractions of the mesh.

    Returns
    -------
    PlaceInBounds
        Where it lies; a difference of 1e-9 of the largest modulus is rounding.
    """
    moduli = voigt_average(voigt)
    upper = IsotropicModuli(bounds.voigt_bulk_modulus_gpa, bounds.voigt_shear_modulus_gpa)
    lower = IsotropicModuli(bounds.reuss_bulk_modulus_gpa, bounds.reuss_shear_modulus_gpa)
    matrix = symmetric_stiffness(voigt)
    tolerance = _ROUNDING * float(np.abs(matrix).max())
    below = np.linalg.eigvalsh(symmetric_stiffness(isotropic_stiffness(upper)) - matrix)
    above = np.linalg.eigvalsh(matrix - symmetric_stiffness(isotropic_stiffness(lower)))

    def inside(low: float, value: float, high: float) -> bool:
        return low - tolerance <= value <= high + tolerance

    return PlaceInBounds(
        voigt_and_reuss=bool(below.min() >= -tolerance and above.min() >= -tolerance),
        hashin_shtrikman_bulk=inside(
            bounds.hashin_shtrikman_lower_bulk_modulus_gpa,
            moduli.bulk_modulus_gpa,
            bounds.hashin_shtrikman_upper_bulk_modulus_gpa,
        ),
        hashin_shtrikman_shear=inside(
            bounds.hashin_shtrikman_lower_shear_modulus_gpa,
            moduli.shear_modulus_gpa,
            bounds.hashin_shtrikman_upper_shear_modulus_gpa,
        ),
    )
