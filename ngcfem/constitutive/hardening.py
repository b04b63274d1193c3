"""How the yield strength changes with plastic strain."""

from typing import Protocol

from ngcfem.constitutive.law import Nonlocality, Scalar
from ngcfem.constitutive.nonlocal_softening import micromorphic_strength, softening_variable
from ngcfem.constitutive.xla import jnp


class HasHardening(Protocol):
    """Parameters that include the hardening and softening function."""

    @property
    def yield_strength_gpa(self) -> Scalar:
        """Strength before any plastic strain, GPa."""
        ...

    @property
    def softening_gpa(self) -> Scalar:
        """Strength lost in the end by softening, GPa."""
        ...

    @property
    def softening_strain(self) -> Scalar:
        """Plastic strain over which softening decays by 1/e."""
        ...

    @property
    def voce_hardening_gpa(self) -> Scalar:
        """Strength gained in the end by saturating hardening, GPa."""
        ...

    @property
    def voce_rate(self) -> Scalar:
        """Rate of the saturating hardening."""
        ...

    @property
    def hardening_modulus_gpa(self) -> Scalar:
        """Linear hardening, GPa."""
        ...


def yield_strength(
    equivalent_plastic_strain: Scalar,
    parameters: HasHardening,
    nonlocality: Nonlocality | None = None,
) -> Scalar:
    """Uniaxial compressive strength after a plastic strain.

    Parameters
    ----------
    equivalent_plastic_strain : Array
        kappa, accumulated.
    parameters : HasHardening
        The constants of the function.
    nonlocality : Nonlocality or None
        The nonlocal field; None for local softening.

    Returns
    -------
    Array
        sigma_y in GPa (Kirchhoff stress).

    Notes
    -----
    sigma_y(kappa) = sigma_0 - D (1 - exp(-kappa/k)) + Q (1 - exp(-b kappa)) + H kappa: softening by
    D over the strain k, saturating hardening by Q at the rate b, linear hardening H. With a
    nonlocal field the softening term takes kappa_hat for kappa, or H_chi (kappa - chi) is added;
    see `ngcfem.constitutive.nonlocal_softening`.

    References
    ----------
    Voce (1955), Metallurgia 51, 219-226, for the saturating term.
    """
    kappa = equivalent_plastic_strain
    softened = softening_variable(kappa, nonlocality)
    return (
        parameters.yield_strength_gpa
        + parameters.softening_gpa * jnp.expm1(-softened / parameters.softening_strain)
        - parameters.voce_hardening_gpa * jnp.expm1(-parameters.voce_rate * kappa)
        + parameters.hardening_modulus_gpa * kappa
        + micromorphic_strength(kappa, nonlocality)
    )
