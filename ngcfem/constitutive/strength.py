"""Elastic moduli and strength of one set of parameters, as plain numbers.

The same functions as in `ngcfem.constitutive.elasticity` and `ngcfem.constitutive.hardening`, for
checks and bounds that must not need a numerical library.
"""

import math
from collections.abc import Mapping


def shear_and_bulk_modulus(values: Mapping[str, float]) -> tuple[float, float]:
    """Shear and bulk modulus of the isotropic elastic constants.

    Parameters
    ----------
    values : mapping of str to float
        Holds ``youngs_modulus_gpa`` and ``poisson_ratio``.

    Returns
    -------
    tuple of float
        G and K in GPa.
    """
    youngs_modulus, poisson_ratio = values["youngs_modulus_gpa"], values["poisson_ratio"]
    return (
        youngs_modulus / (2.0 * (1.0 + poisson_ratio)),
        youngs_modulus / (3.0 * (1.0 - 2.0 * poisson_ratio)),
    )


def minimum_hardening_slope(values: Mapping[str, float]) -> float:
    """Smallest slope of the yield strength over all equivalent plastic strains.

    Parameters
    ----------
    values : mapping of str to float
        Resolved parameters with the hardening function.

    Returns
    -------
    float
        Minimum over kappa >= 0 of d sigma_y / d kappa in GPa; negative where the law softens.

    Notes
    -----
    The slope is -(D/k) exp(-kappa/k) + Q b exp(-b kappa) + H. It has at most one interior
    stationary point, kappa = ln(Q b^2 k^2 / D) / (b - 1/k); the minimum is there, at 0 or at
    infinity.
    """
    softening_rate = 1.0 / values["softening_strain"]
    softening_slope = values["softening_gpa"] * softening_rate
    voce_rate = values["voce_rate"]
    voce_slope = values["voce_hardening_gpa"] * voce_rate

    def slope(kappa: float) -> float:
        return voce_slope * math.exp(-voce_rate * kappa) - softening_slope * math.exp(
            -softening_rate * kappa
        )

    candidates = [slope(0.0), 0.0]
    if softening_slope > 0.0 and voce_slope > 0.0 and voce_rate != softening_rate:
        ratio = voce_slope * voce_rate / (softening_slope * softening_rate)
        kappa = math.log(ratio) / (voce_rate - softening_rate)
        if kappa > 0.0:
            candidates.append(slope(kappa))
    return min(candidates) + values["hardening_modulus_gpa"]


def strength_after(values: Mapping[str, float], equivalent_plastic_strain: float) -> float:
    """Uniaxial compressive strength after a plastic strain.

    Parameters
    ----------
    values : mapping of str to float
        Resolved parameters with the hardening function.
    equivalent_plastic_strain : float
        kappa >= 0.

    Returns
    -------
    float
        sigma_y(kappa) in GPa, Kirchhoff stress.
    """
    kappa = equivalent_plastic_strain
    return (
        values["yield_strength_gpa"]
        + values["softening_gpa"] * math.expm1(-kappa / values["softening_strain"])
        - values["voce_hardening_gpa"] * math.expm1(-values["voce_rate"] * kappa)
        + values["hardening_modulus_gpa"] * kappa
    )
