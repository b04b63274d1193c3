"""Softening that follows a nonlocal field instead of the local variable alone.

The field chi solves chi - div(l^2 grad chi) = kappa with kappa the local variable of the law; see
`ngcfem.fem.regularization`. Where the strain is homogeneous chi = kappa and both forms are the
local law.
"""

from ngcfem.constitutive.law import Nonlocality, Scalar
from ngcfem.constitutive.xla import jnp


def softening_variable(local: Scalar, nonlocality: Nonlocality | None) -> Scalar:
    """Variable that the softening term of a law follows.

    Parameters
    ----------
    local : Array
        Local variable kappa at the end of the step.
    nonlocality : Nonlocality or None
        Field and constants; None for the local law.

    Returns
    -------
    Array
        kappa itself, or kappa_hat = max(0, m chi + (1 - m) kappa).

    Notes
    -----
    With m > 1 the law hardens in kappa at a fixed field and softens through the field, which gives
    a band a width; m = 1 would let it collapse. Because kappa_hat enters only the softening term,
    the strength stays between its first and its fully softened value. kappa_hat may fall again
    while a band narrows; to keep its largest value would undo the regularization. Its kink at zero
    is taken with the derivative zero. In the micromorphic form softening stays local.

    References
    ----------
    Bazant and Jirasek (2002), J. Eng. Mech. 128, 1119-1149,
    doi 10.1061/(ASCE)0733-9399(2002)128:11(1119): over-nonlocal averaging.
    Peerlings et al. (1996), Int. J. Numer. Methods Eng. 39, 3391-3403,
    doi 10.1002/(SICI)1097-0207(19961015)39:19<3391::AID-NME7>3.0.CO;2-D: the field equation.
    """
    if nonlocality is None:
        return local
    weight = nonlocality.overnonlocal_weight
    mixed = weight * nonlocality.field + (1.0 - weight) * local
    bounded = jnp.where(mixed > 0.0, mixed, 0.0)
    return jnp.where(nonlocality.micromorphic_modulus_gpa > 0.0, local, bounded)


def micromorphic_strength(local: Scalar, nonlocality: Nonlocality | None) -> Scalar | float:
    """Strength that the difference between local and nonlocal variable adds.

    Parameters
    ----------
    local : Array
        Local variable kappa at the end of the step.
    nonlocality : Nonlocality or None
        Field and constants; None for the local law.

    Returns
    -------
    Array or float
        H_chi (kappa - chi) in GPa.

    Notes
    -----
    It follows from the energy 1/2 H_chi [(kappa - chi)^2 + l^2 |grad chi|^2], whose second
    derivatives are symmetric. For linear softening by the modulus H < 0 and H_chi = m |H| it equals
    the over-nonlocal form. It is not bounded and stiffens contrasts of plastic strain that have
    nothing to do with softening: for verification.

    References
    ----------
    Forest (2009), J. Eng. Mech. 135, 117-131, doi 10.1061/(ASCE)0733-9399(2009)135:3(117).
    """
    if nonlocality is None:
        return 0.0
    return nonlocality.micromorphic_modulus_gpa * (local - nonlocality.field)
