"""Elasticity of cubic crystals."""

from typing import NamedTuple, Protocol

from ngcfem.constitutive.lattice_law import LatticeLaw, LatticeUpdate
from ngcfem.constitutive.law import CONVERGED, Scalar, Step
from ngcfem.constitutive.xla import jax, jnp


class CubicParameters(NamedTuple):
    """Parameters of the law ``cubic-elastic``.

    Parameters
    ----------
    c11_gpa, c12_gpa, c44_gpa : Array
        Elastic constants on the cube axes.
    """

    c11_gpa: Scalar
    c12_gpa: Scalar
    c44_gpa: Scalar


class HasCubicConstants(Protocol):
    """Parameters that include the cubic elastic constants."""

    @property
    def c11_gpa(self) -> Scalar:
        """Stiffness along a cube axis in GPa."""
        ...

    @property
    def c12_gpa(self) -> Scalar:
        """Coupling of two cube axes in GPa."""
        ...

    @property
    def c44_gpa(self) -> Scalar:
        """Shear stiffness of the cube faces in GPa."""
        ...


def cubic_stress(strain: Scalar, parameters: HasCubicConstants) -> Scalar:
    """Stress of an elastic strain in the lattice frame.

    Parameters
    ----------
    strain : Array, shape (6, n)
        Mandel components.
    parameters : HasCubicConstants
        Elastic constants.

    Returns
    -------
    Array, shape (6, n)
        Mandel components in GPa.
    """
    normal, shear = strain[:3], strain[3:]
    difference = parameters.c11_gpa - parameters.c12_gpa
    mean = parameters.c12_gpa * jnp.sum(normal, axis=0)
    return jnp.concatenate([difference * normal + mean, 2.0 * parameters.c44_gpa * shear])


def cubic_strain(stress: Scalar, parameters: HasCubicConstants) -> Scalar:
    """Elastic strain of a stress in the lattice frame: the inverse of `cubic_stress`.

    Parameters
    ----------
    stress : Array, shape (6, n)
        Mandel components in GPa.
    parameters : HasCubicConstants
        Elastic constants.

    Returns
    -------
    Array, shape (6, n)
        Mandel components.
    """
    normal, shear = stress[:3], stress[3:]
    difference = parameters.c11_gpa - parameters.c12_gpa
    bulk = parameters.c11_gpa + 2.0 * parameters.c12_gpa
    mean = parameters.c12_gpa / bulk * jnp.sum(normal, axis=0)
    return jnp.concatenate([(normal - mean) / difference, shear / (2.0 * parameters.c44_gpa)])


class CubicElastic(LatticeLaw):
    """Second Piola-Kirchhoff stress linear in the Green-Lagrange strain, with cubic constants.

    Notes
    -----
    Energy per undeformed volume psi = E : C : E / 2. The law is for elastic strains of some per
    cent: compressed to a stretch of 0.58 it has no stiffness left. There is no state but the
    orientation of the lattice.

    References
    ----------
    Nye (1957), Physical Properties of Crystals, Oxford University Press, chapter VIII.
    """

    name = "cubic-elastic"
    internal_variables = ()
    has_plastic_strain = False

    def unpack(self, parameter_vector: jax.Array) -> CubicParameters:
        """Name the entries of a parameter vector; see `LatticeLaw.unpack`.

        Parameters
        ----------
        parameter_vector : Array, shape (3,)
            The three constants.

        Returns
        -------
        CubicParameters
            The same by name.
        """
        return CubicParameters(*parameter_vector)

    def update(
        self,
        trial_strain: Scalar,
        internal_variables: Scalar,
        parameters: CubicParameters,
        step: Step,
        finite: bool,
    ) -> LatticeUpdate:
        """Stress of an elastic strain; see `LatticeLaw.update`.

        Parameters
        ----------
        trial_strain : Array, shape (6, n)
            Elastic strain in the lattice frame.
        internal_variables : Array, shape (0, n)
            Empty.
        parameters : CubicParameters
            Elastic constants.
        step : Step
            Not used.
        finite : bool
            Not used: the kernel chooses the strain.

        Returns
        -------
        LatticeUpdate
            Stress; nothing flows.
        """
        stress = cubic_stress(trial_strain, parameters)
        number = trial_strain.shape[1]
        status = jnp.full(number, CONVERGED, dtype=jnp.int32)
        return LatticeUpdate(stress, jnp.zeros((9, number)), internal_variables, status)
