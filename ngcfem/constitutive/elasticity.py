"""Isotropic elasticity in logarithmic strains."""

from typing import NamedTuple, Protocol

from ngcfem.constitutive.law import CONVERGED, Law, Principal, PrincipalUpdate, Scalar, Step
from ngcfem.constitutive.xla import jax, jnp


class ElasticParameters(NamedTuple):
    """Parameters of the law ``elastic``.

    Parameters
    ----------
    youngs_modulus_gpa, poisson_ratio : Array
        Isotropic elastic constants.
    """

    youngs_modulus_gpa: Scalar
    poisson_ratio: Scalar


class HasElasticConstants(Protocol):
    """Parameters that include the isotropic elastic constants."""

    @property
    def youngs_modulus_gpa(self) -> Scalar:
        """Young's modulus in GPa."""
        ...

    @property
    def poisson_ratio(self) -> Scalar:
        """Poisson's ratio."""
        ...


def shear_modulus(parameters: HasElasticConstants) -> Scalar:
    """Shear modulus G in GPa.

    Parameters
    ----------
    parameters : HasElasticConstants
        Young's modulus and Poisson's ratio.

    Returns
    -------
    Array
        G = E / (2 (1 + nu)).
    """
    return parameters.youngs_modulus_gpa / (2.0 * (1.0 + parameters.poisson_ratio))


def bulk_modulus(parameters: HasElasticConstants) -> Scalar:
    """Bulk modulus K in GPa.

    Parameters
    ----------
    parameters : HasElasticConstants
        Young's modulus and Poisson's ratio.

    Returns
    -------
    Array
        K = E / (3 (1 - 2 nu)).
    """
    return parameters.youngs_modulus_gpa / (3.0 * (1.0 - 2.0 * parameters.poisson_ratio))


def split(strain: Principal) -> tuple[Scalar, Principal]:
    """Volumetric and deviatoric part of a principal strain.

    Parameters
    ----------
    strain : tuple of three Array
        Principal strains.

    Returns
    -------
    tuple of Array and tuple of three Array
        Trace, and deviator.
    """
    volumetric = strain[0] + strain[1] + strain[2]
    mean = volumetric / 3.0
    return volumetric, (strain[0] - mean, strain[1] - mean, strain[2] - mean)


def combine(mean: Scalar, factor: Scalar, deviator: Principal) -> Principal:
    """Principal values from a mean and a scaled deviator.

    Parameters
    ----------
    mean : Array
        Mean value.
    factor : Array
        Factor on the deviator.
    deviator : tuple of three Array
        Deviator.

    Returns
    -------
    tuple of three Array
        mean + factor * deviator.
    """
    return (
        mean + factor * deviator[0],
        mean + factor * deviator[1],
        mean + factor * deviator[2],
    )


def mises_stress(deviator: Principal, shear: Scalar) -> Scalar:
    """Mises stress of an elastic strain deviator, with a finite derivative at zero.

    Parameters
    ----------
    deviator : tuple of three Array
        Principal deviatoric elastic strain.
    shear : Array
        Shear modulus in GPa.

    Returns
    -------
    Array
        q = 2 G sqrt(3/2 e:e) in GPa; exactly 0, with derivative 0, where the norm of the strain is
        below 1e-14 (far below any yield strain).
    """
    square = deviator[0] ** 2 + deviator[1] ** 2 + deviator[2] ** 2
    visible = square > 1e-28
    norm = jnp.sqrt(jnp.where(visible, square, 1.0))
    return jnp.where(visible, 2.0 * shear * jnp.sqrt(1.5) * norm, 0.0)


class IsotropicElastic(Law):
    """Hencky's law: Kirchhoff stress linear in the logarithmic strain.

    Notes
    -----
    Energy per undeformed volume psi = K/2 (ln J)^2 + G dev(e):dev(e) with e = 1/2 ln b; the
    Kirchhoff stress is tau = K ln J I + 2 G dev(e). There is no state.

    References
    ----------
    Hencky (1928), Z. Tech. Phys. 9, 215. Anand (1979), J. Appl. Mech. 46, 78-82,
    doi 10.1115/1.3424532.
    """

    name = "elastic"
    internal_variables = ()
    has_plastic_strain = False

    def unpack(self, parameter_vector: jax.Array) -> ElasticParameters:
        """Name the entries of a parameter vector; see `Law.unpack`.

        Parameters
        ----------
        parameter_vector : Array, shape (2,)
            Young's modulus and Poisson's ratio.

        Returns
        -------
        ElasticParameters
            The same by name.
        """
        return ElasticParameters(*parameter_vector)

    def update(
        self,
        trial_strain: Principal,
        internal_variables: tuple[Scalar, ...],
        parameters: ElasticParameters,
        step: Step,
    ) -> PrincipalUpdate:
        """Stress of an elastic strain; see `Law.update`.

        Parameters
        ----------
        trial_strain : tuple of three Array
            Principal logarithmic strains.
        internal_variables : tuple
            Empty.
        parameters : ElasticParameters
            Elastic constants.
        step : Step
            Not used.

        Returns
        -------
        PrincipalUpdate
            Stress; the elastic strain is the trial strain.
        """
        volumetric, deviator = split(trial_strain)
        stress = combine(
            bulk_modulus(parameters) * volumetric, 2.0 * shear_modulus(parameters), deviator
        )
        status = jnp.full(jnp.shape(volumetric), CONVERGED, dtype=jnp.int32)
        return PrincipalUpdate(stress, trial_strain, (), status)
