"""Plasticity with a smooth yield surface: von Mises and Drucker-Prager."""

import math
from typing import NamedTuple

from ngcfem.constitutive.elasticity import (
    bulk_modulus,
    combine,
    mises_stress,
    shear_modulus,
    split,
)
from ngcfem.constitutive.hardening import yield_strength
from ngcfem.constitutive.law import (
    Law,
    Nonlocality,
    Principal,
    PrincipalUpdate,
    Scalar,
    Step,
)
from ngcfem.constitutive.local_solve import LocalSolution, solve_decreasing
from ngcfem.constitutive.xla import jax, jnp, lax

EQUIVALENT_PLASTIC_STRAIN = "equivalent_plastic_strain"

# Relative sizes: a trial stress this little outside the yield surface is on it, and a local
# residual this small is left to the last Newton step.
_ON_YIELD_SURFACE = 1e-12
_LOCAL_TOLERANCE = 1e-12


class J2Parameters(NamedTuple):
    """Parameters of the law ``j2``; see `ngcfem.constitutive.parameters.LAW_PARAMETERS`.

    Parameters
    ----------
    youngs_modulus_gpa, poisson_ratio : Array
        Isotropic elastic constants.
    yield_strength_gpa, softening_gpa, softening_strain, voce_hardening_gpa, voce_rate, \
hardening_modulus_gpa : Array
        Hardening and softening function.
    """

    youngs_modulus_gpa: Scalar
    poisson_ratio: Scalar
    yield_strength_gpa: Scalar
    softening_gpa: Scalar
    softening_strain: Scalar
    voce_hardening_gpa: Scalar
    voce_rate: Scalar
    hardening_modulus_gpa: Scalar


class DruckerPragerParameters(NamedTuple):
    """Parameters of ``drucker-prager``; see `ngcfem.constitutive.parameters.LAW_PARAMETERS`.

    Parameters
    ----------
    youngs_modulus_gpa, poisson_ratio : Array
        Isotropic elastic constants.
    yield_strength_gpa, softening_gpa, softening_strain, voce_hardening_gpa, voce_rate, \
hardening_modulus_gpa : Array
        Hardening and softening function of the uniaxial compressive strength.
    friction_coefficient, dilatancy : Array
        mu and beta.
    reference_rate_per_s, rate_sensitivity : Array
        Reference rate and exponent m of the rate factor.
    """

    youngs_modulus_gpa: Scalar
    poisson_ratio: Scalar
    yield_strength_gpa: Scalar
    softening_gpa: Scalar
    softening_strain: Scalar
    voce_hardening_gpa: Scalar
    voce_rate: Scalar
    hardening_modulus_gpa: Scalar
    friction_coefficient: Scalar
    dilatancy: Scalar
    reference_rate_per_s: Scalar
    rate_sensitivity: Scalar


class J2(Law):
    """Von Mises plasticity in Kirchhoff stress, with hardening, softening and viscosity.

    Notes
    -----
    Yield function f = q(tau) - sigma_y(kappa) - eta dkappa/dt, flow d^p = dkappa/dt 3/2 dev(tau)/q.

    1. Elastic trial: q_tr = 2 G sqrt(3/2) |dev e_tr|.
    2. If q_tr <= sigma_y(kappa_n): elastic.
    3. Otherwise solve q_tr - (3 G + eta/dt) x - sigma_y(kappa_n + x) = 0 for x in (0, q_tr / 3G).
    4. dev e = (1 - 3 G x / q_tr) dev e_tr; tau = K tr e I + 2 G dev e.

    The equation has one root as long as 3 G + d sigma_y/d kappa > 0, which the check of the
    parameters demands.

    References
    ----------
    Simo (1992), Comput. Methods Appl. Mech. Eng. 99, 61-112, doi 10.1016/0045-7825(92)90123-2.
    Perzyna (1966), Adv. Appl. Mech. 9, 243-377, doi 10.1016/S0065-2156(08)70009-7, for the
    viscosity (exponent 1).
    """

    name = "j2"
    internal_variables = (EQUIVALENT_PLASTIC_STRAIN,)
    has_plastic_strain = True
    nonlocal_variable = EQUIVALENT_PLASTIC_STRAIN

    def unpack(self, parameter_vector: jax.Array) -> J2Parameters:
        """Name the entries of a parameter vector; see `Law.unpack`.

        Parameters
        ----------
        parameter_vector : Array, shape (8,)
            Values in the order of the fields of `J2Parameters`.

        Returns
        -------
        J2Parameters
            The same by name.
        """
        return J2Parameters(*parameter_vector)

    def update(
        self,
        trial_strain: Principal,
        internal_variables: tuple[Scalar, ...],
        parameters: J2Parameters,
        step: Step,
    ) -> PrincipalUpdate:
        """Radial return; see `Law.update` and the notes of the class.

        Parameters
        ----------
        trial_strain : tuple of three Array
            Principal trial elastic logarithmic strains.
        internal_variables : tuple of one Array
            Equivalent plastic strain.
        parameters : J2Parameters
            Constants.
        step : Step
            Time increment and viscosity.

        Returns
        -------
        PrincipalUpdate
            State at the end of the step.
        """
        (kappa,) = internal_variables
        shear, bulk = shear_modulus(parameters), bulk_modulus(parameters)
        volumetric, deviator = split(trial_strain)
        trial_mises = mises_stress(deviator, shear)
        strength = yield_strength(kappa, parameters, step.nonlocality)
        flows = trial_mises > strength * (1.0 + _ON_YIELD_SURFACE)
        damping = step.viscosity_gpa_s / step.time_increment_s

        def residual(
            x: Scalar,
            arguments: tuple[Scalar, Scalar, Scalar, Scalar, J2Parameters, Nonlocality | None],
        ) -> Scalar:
            mises, start, stiffness, damping, constants, nonlocality = arguments
            strength = yield_strength(start + x, constants, nonlocality)
            return mises - (stiffness + damping) * x - strength

        solution = solve_decreasing(
            residual,
            lower=jnp.zeros_like(trial_mises),
            upper=trial_mises / (3.0 * shear),
            guess=jnp.zeros_like(trial_mises),
            arguments=(trial_mises, kappa, 3.0 * shear, damping, parameters, step.nonlocality),
            active=flows,
            tolerance=_LOCAL_TOLERANCE * trial_mises,
        )
        flow = solution.root
        kept = 1.0 - 3.0 * shear * flow / jnp.where(flows, trial_mises, 1.0)
        return PrincipalUpdate(
            kirchhoff_stress=combine(bulk * volumetric, 2.0 * shear * kept, deviator),
            elastic_strain=combine(volumetric / 3.0, kept, deviator),
            internal_variables=(kappa + flow,),
            status=solution.status,
        )


class _Cone(NamedTuple):
    """Trial stress and moduli of one Drucker-Prager return, as the local equation needs them."""

    mises: Scalar
    pressure: Scalar
    kappa: Scalar
    shear: Scalar
    bulk: Scalar
    damping: Scalar
    reference_strain: Scalar
    sensitivity: Scalar
    parameters: DruckerPragerParameters
    nonlocality: Nonlocality | None


def _deviatoric_flow(flow: Scalar, cone: _Cone) -> Scalar:
    return jnp.minimum(flow, cone.mises / (3.0 * cone.shear))


def _volumetric_flow(flow: Scalar, cone: _Cone) -> Scalar:
    deviatoric = _deviatoric_flow(flow, cone)
    return math.sqrt(3.0) * cone.parameters.dilatancy * deviatoric + (flow - deviatoric)


def _compression_factor(parameters: DruckerPragerParameters) -> Scalar:
    return 1.0 / math.sqrt(3.0) - parameters.friction_coefficient / 3.0


def _cone_residual(flow: Scalar, rate_factor: Scalar, cone: _Cone) -> Scalar:
    """tau_bar + mu p - k(kappa) r^m - viscous overstress after a flow, in GPa."""
    deviatoric = _deviatoric_flow(flow, cone)
    effective_shear = (cone.mises - 3.0 * cone.shear * deviatoric) / math.sqrt(3.0)
    pressure = cone.pressure - cone.bulk * _volumetric_flow(flow, cone)
    strength = yield_strength(cone.kappa + deviatoric, cone.parameters, cone.nonlocality)
    strength *= rate_factor
    resistance = _compression_factor(cone.parameters) * (strength + cone.damping * flow)
    return effective_shear + cone.parameters.friction_coefficient * pressure - resistance


class DruckerPrager(Law):
    """Pressure-sensitive, dilatant plasticity in Kirchhoff stress, with a power-law rate factor.

    Notes
    -----
    With tau_bar = q / sqrt(3), p = tr(tau) / 3 (tension positive):

    - yield f = tau_bar + mu p - c [sigma_y(kappa) r^m + eta dkappa/dt], c = 1/sqrt(3) - mu/3, so
      that uniaxial compression at the reference rate (r = 1) yields at sigma_y;
    - flow d^p = dgamma/dt (dev(tau) / (2 tau_bar) + beta/3 I), from the potential tau_bar + beta p;
    - kappa is the equivalent deviatoric plastic strain, dkappa = dgamma / sqrt(3), and
      r = (dkappa/dt) / reference rate. With m = 0 the factor is exactly 1 (rate independent); with
      m > 0 there is no elastic range, but the flow below the strength is as small as r.

    Dilatancy in finite strain: the flow changes the volume of the intermediate configuration,
    ln J_p = sqrt(3) beta kappa, kept in det(C_p^-1) = J_p^-2; the elastic ln J_e carries p.

    1. Trial q_tr, p_tr. One unknown, the flow x: its deviatoric part x_d = min(x, q_tr / 3G) and
       the volumetric plastic strain v = sqrt(3) beta x_d + (x - x_d).
    2. R(x) = (q_tr - 3 G x_d)/sqrt(3) + mu (p_tr - K v)
       - c [sigma_y(kappa_n + x_d) y + eta x/dt], y = r^m. On the cone x_d = x. Beyond its apex the
       shear stress is gone and the excess x - x_d opens the volume, so that the apex acts as a
       tension cut-off, for beta = 0 as well; kappa does not grow with it, the rate does.
    3. m = 0: y = 1, solve for x in (0, q_tr/3G + <p_tr>/K).
    4. m > 0: solve for z = ln r, x = dt r_0 exp(z), y = exp(m z). R falls and is concave in z
       (softening aside), so Newton's method from an upper bound approaches the root from one side;
       neither a small m nor a rate many decades from the reference costs accuracy.

    The plastic work is not negative as long as 0 <= beta <= mu, which the check of the parameters
    demands.

    References
    ----------
    Drucker and Prager (1952), Q. Appl. Math. 10, 157-165, doi 10.1090/qam/48291: the cone.
    Rudnicki and Rice (1975), J. Mech. Phys. Solids 23, 371-394,
    doi 10.1016/0022-5096(75)90001-0, section 2: tau_bar + mu p and the dilatancy factor beta.
    de Souza Neto, Peric and Owen (2008), Computational Methods for Plasticity, Wiley,
    doi 10.1002/9780470694626, section 8.3: return to cone and apex.
    Anand and Su (2005), J. Mech. Phys. Solids 53, 1362-1396, doi 10.1016/j.jmps.2004.12.006: the
    power-law rate factor on the cohesion of a metallic glass (there it multiplies the friction
    term too).
    """

    name = "drucker-prager"
    internal_variables = (EQUIVALENT_PLASTIC_STRAIN,)
    has_plastic_strain = True
    nonlocal_variable = EQUIVALENT_PLASTIC_STRAIN

    def unpack(self, parameter_vector: jax.Array) -> DruckerPragerParameters:
        """Name the entries of a parameter vector; see `Law.unpack`.

        Parameters
        ----------
        parameter_vector : Array, shape (12,)
            Values in the order of the fields of `DruckerPragerParameters`.

        Returns
        -------
        DruckerPragerParameters
            The same by name.
        """
        return DruckerPragerParameters(*parameter_vector)

    def update(
        self,
        trial_strain: Principal,
        internal_variables: tuple[Scalar, ...],
        parameters: DruckerPragerParameters,
        step: Step,
    ) -> PrincipalUpdate:
        """Return to the cone or its apex; see `Law.update` and the notes of the class.

        Parameters
        ----------
        trial_strain : tuple of three Array
            Principal trial elastic logarithmic strains.
        internal_variables : tuple of one Array
            Equivalent plastic strain.
        parameters : DruckerPragerParameters
            Constants.
        step : Step
            Time increment and viscosity.

        Returns
        -------
        PrincipalUpdate
            State at the end of the step.
        """
        (kappa,) = internal_variables
        shear, bulk = shear_modulus(parameters), bulk_modulus(parameters)
        volumetric, deviator = split(trial_strain)
        trial_mises = mises_stress(deviator, shear)
        rate_dependent = parameters.rate_sensitivity > 0.0
        cone = _Cone(
            mises=trial_mises,
            pressure=bulk * volumetric,
            kappa=kappa,
            shear=shear,
            bulk=bulk,
            damping=step.viscosity_gpa_s / step.time_increment_s,
            reference_strain=step.time_increment_s * parameters.reference_rate_per_s,
            sensitivity=jnp.where(rate_dependent, parameters.rate_sensitivity, 1.0),
            parameters=parameters,
            nonlocality=step.nonlocality,
        )
        # The choice is the same at every point: only one of the two is evaluated.
        solution = lax.cond(rate_dependent, _rate_dependent_flow, _rate_independent_flow, cone)
        flow = solution.root
        deviatoric = _deviatoric_flow(flow, cone)
        flows = flow > 0.0
        safe_mises = jnp.where(flows & (trial_mises > 0.0), trial_mises, 1.0)
        kept = jnp.maximum(1.0 - 3.0 * shear * deviatoric / safe_mises, 0.0)
        elastic_volume = volumetric - _volumetric_flow(flow, cone)
        return PrincipalUpdate(
            kirchhoff_stress=combine(bulk * elastic_volume, 2.0 * shear * kept, deviator),
            elastic_strain=combine(elastic_volume / 3.0, kept, deviator),
            internal_variables=(kappa + deviatoric,),
            status=solution.status,
        )


def _largest_flow(cone: _Cone) -> Scalar:
    """Flow at which neither shear stress nor tension is left: an upper bound of the root."""
    return cone.mises / (3.0 * cone.shear) + jnp.maximum(cone.pressure, 0.0) / cone.bulk


def _stress_scale(cone: _Cone) -> Scalar:
    friction = cone.parameters.friction_coefficient
    strength = _compression_factor(cone.parameters) * cone.parameters.yield_strength_gpa
    return cone.mises / math.sqrt(3.0) + friction * jnp.abs(cone.pressure) + strength


def _rate_independent_flow(cone: _Cone) -> LocalSolution:
    def residual(flow: Scalar, cone: _Cone) -> Scalar:
        return _cone_residual(flow, jnp.ones_like(flow), cone)

    zero = jnp.zeros_like(cone.mises)
    scale = _stress_scale(cone)
    return solve_decreasing(
        residual,
        lower=zero,
        upper=_largest_flow(cone),
        guess=zero,
        arguments=cone,
        active=residual(zero, cone) > _ON_YIELD_SURFACE * scale,
        tolerance=_LOCAL_TOLERANCE * scale,
    )


def _rate_dependent_flow(cone: _Cone) -> LocalSolution:
    """Root in z = ln r, between bounds that follow from the largest and smallest resistance."""

    def residual(logarithmic_rate: Scalar, cone: _Cone) -> Scalar:
        flow = cone.reference_strain * jnp.exp(logarithmic_rate)
        return _cone_residual(flow, jnp.exp(cone.sensitivity * logarithmic_rate), cone)

    zero = jnp.zeros_like(cone.mises)
    scale = _stress_scale(cone)
    constants = cone.parameters
    trial = _cone_residual(zero, zero, cone)
    active = trial > _ON_YIELD_SURFACE * scale
    stress = jnp.where(active, trial, 1.0)
    most = jnp.where(active, _largest_flow(cone), 1.0)
    factor = _compression_factor(constants)
    weakest = factor * (constants.yield_strength_gpa - constants.softening_gpa)
    strongest = factor * (
        constants.yield_strength_gpa
        + constants.voce_hardening_gpa
        + constants.hardening_modulus_gpa * (cone.kappa + most)
    )
    friction = constants.friction_coefficient
    stiffest = (
        math.sqrt(3.0) * cone.shear
        + friction * cone.bulk * (1.0 + math.sqrt(3.0) * constants.dilatancy)
        + factor * cone.damping
    )
    upper = jnp.minimum(
        jnp.log(stress / weakest) / cone.sensitivity, jnp.log(most / cone.reference_strain)
    )
    lower = jnp.minimum(
        jnp.log(0.5 * stress / strongest) / cone.sensitivity,
        jnp.log(0.5 * stress / (stiffest * cone.reference_strain)),
    )
    solution = solve_decreasing(
        residual,
        lower=lower,
        upper=upper + 1e-12 * jnp.abs(upper),
        guess=upper,
        arguments=cone,
        active=active,
        tolerance=_LOCAL_TOLERANCE * scale,
    )
    flow = jnp.where(active, cone.reference_strain * jnp.exp(solution.root), 0.0)
    return LocalSolution(flow, solution.status)
