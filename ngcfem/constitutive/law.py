"""What the author of a law writes: one update in principal logarithmic strains."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from ngcfem.constitutive.xla import jax

Scalar = jax.Array
Principal = tuple[jax.Array, jax.Array, jax.Array]

CONVERGED = 0
LOCAL_ITERATION_FAILED = 1
INVERTED = 2
NOT_FINITE = 3


class Nonlocality(NamedTuple):
    """The nonlocal field at a point, and how the strength depends on it.

    Parameters
    ----------
    field : Array
        chi, the nonlocal partner of `Law.nonlocal_variable`; with diffusion that variable itself.
    overnonlocal_weight : Array
        m in kappa_hat = max(0, m chi + (1 - m) kappa).
    micromorphic_modulus_gpa : Array
        H_chi in GPa; above zero it replaces the over-nonlocal form.
    """

    field: Scalar
    overnonlocal_weight: Scalar
    micromorphic_modulus_gpa: Scalar


class Step(NamedTuple):
    """What a law may know of the step besides the strain.

    Parameters
    ----------
    time_increment_s : Array
        Length of the step, positive.
    viscosity_gpa_s : Array
        Viscous regularization: uniaxial overstress in GPa per equivalent plastic strain rate.
    nonlocality : Nonlocality or None
        The nonlocal field; None where there is none.
    """

    time_increment_s: Scalar
    viscosity_gpa_s: Scalar
    nonlocality: Nonlocality | None = None


class PrincipalUpdate(NamedTuple):
    """Result of a law at one point, in the eigenbasis of the trial strain.

    Parameters
    ----------
    kirchhoff_stress : tuple of three Array
        Principal Kirchhoff stresses in GPa; Cauchy stresses in small-strain kinematics.
    elastic_strain : tuple of three Array
        Principal elastic logarithmic strains at the end of the step.
    internal_variables : tuple of Array
        At the end of the step, in the order of `Law.internal_variables`.
    status : Array of int
        `CONVERGED` or `LOCAL_ITERATION_FAILED`.
    field_source : Array or None
        What feeds the nonlocal field; None: the internal variable `Law.nonlocal_variable`.
    """

    kirchhoff_stress: Principal
    elastic_strain: Principal
    internal_variables: tuple[Scalar, ...]
    status: Scalar
    field_source: Scalar | None = None


class Law(ABC):
    """An isotropic law, written for one point in principal logarithmic strains.

    A law states its name, the names of its internal variables and whether it has a plastic strain,
    and implements `unpack` and `update`. It holds no values: parameters and state are arguments.
    A law whose softening can follow a nonlocal field names the internal variable that feeds it.

    Notes
    -----
    An isotropic law leaves the directions of the trial elastic strain as they are: the elastic
    strain and the stress at the end of the step share its eigenvectors. Finite and small strain
    differ only in how the trial strain is formed and how the stress is turned back, which
    `ngcfem.constitutive.kinematics` does once for every law.

    References
    ----------
    Simo (1992), Comput. Methods Appl. Mech. Eng. 99, 61-112, doi 10.1016/0045-7825(92)90123-2:
    exponential return mapping in principal logarithmic strains.
    """

    name: ClassVar[str]
    internal_variables: ClassVar[tuple[str, ...]]
    has_plastic_strain: ClassVar[bool]
    nonlocal_variable: ClassVar[str | None] = None

    @abstractmethod
    def unpack(self, parameter_vector: jax.Array) -> Any:
        """Name the entries of a parameter vector.

        Parameters
        ----------
        parameter_vector : Array, shape (number of parameters,)
            Values in the order of `ngcfem.constitutive.parameters.LAW_PARAMETERS`, without those of
            the internal length.

        Returns
        -------
        NamedTuple
            The parameters by name.
        """

    @abstractmethod
    def update(
        self,
        trial_strain: Principal,
        internal_variables: tuple[Scalar, ...],
        parameters: Any,
        step: Step,
    ) -> PrincipalUpdate:
        """Advance one point by one step.

        Parameters
        ----------
        trial_strain : tuple of three Array
            Principal elastic logarithmic strains if nothing were to flow in this step, in no
            particular order.
        internal_variables : tuple of Array
            At the start of the step.
        parameters : NamedTuple
            As `unpack` returns them.
        step : Step
            Time increment, viscosity and nonlocal field.

        Returns
        -------
        PrincipalUpdate
            Stress, elastic strain, internal variables and status at the end of the step.

        Notes
        -----
        The function is differentiated in forward mode with respect to the trial strain and the
        nonlocal field; its
        derivative must be finite everywhere, also at zero strain and for repeated strains.
        """
