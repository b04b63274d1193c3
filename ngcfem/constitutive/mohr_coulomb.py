"""Plasticity with corners: Mohr-Coulomb slip with dilatancy, softening and rate dependence."""

import math
from typing import NamedTuple

from ngcfem.constitutive.elasticity import bulk_modulus, shear_modulus, split
from ngcfem.constitutive.law import (
    Law,
    Nonlocality,
    Principal,
    PrincipalUpdate,
    Scalar,
    Step,
)
from ngcfem.constitutive.nonlocal_softening import softening_variable
from ngcfem.constitutive.plasticity import EQUIVALENT_PLASTIC_STRAIN
from ngcfem.constitutive.slip_solve import SlipLaw, Triple, solve_slips
from ngcfem.constitutive.xla import jax, jnp

ACCUMULATED_SLIP = "accumulated_slip"

# Share of the cohesion that tension on a slip plane leaves as resistance. It cuts the tip off the
# cone, where neither the resistance nor the direction of flow would be defined.
_LEAST_RESISTANCE = 0.05
# Mean stress in GPa that no solid carries: the cut-off of a law without friction.
_NO_CUT_OFF_GPA = 1e6


class MohrCoulombParameters(NamedTuple):
    """Parameters of ``mohr-coulomb``; see `ngcfem.constitutive.parameters.LAW_PARAMETERS`.

    Parameters
    ----------
    youngs_modulus_gpa, poisson_ratio : Array
        Isotropic elastic constants.
    cohesion_gpa, cohesion_softening_gpa, softening_slip, cohesion_hardening_gpa : Array
        Cohesion and how it changes with slip.
    friction_coefficient, dilatancy : Array
        mu = tan(friction angle) and initial beta.
    reference_rate_per_s, rate_sensitivity : Array
        Reference slip rate and exponent m.
    """

    youngs_modulus_gpa: Scalar
    poisson_ratio: Scalar
    cohesion_gpa: Scalar
    cohesion_softening_gpa: Scalar
    softening_slip: Scalar
    cohesion_hardening_gpa: Scalar
    friction_coefficient: Scalar
    dilatancy: Scalar
    reference_rate_per_s: Scalar
    rate_sensitivity: Scalar


class _Trial(NamedTuple):
    """What the slip equations of one point depend on."""

    strain: Principal
    slip: Scalar
    shear: Scalar
    bulk: Scalar
    damping: Scalar
    parameters: MohrCoulombParameters
    nonlocality: Nonlocality | None


class _Flow(NamedTuple):
    """State at the end of a step with given slips."""

    plastic_strain: Principal
    deviator: Principal
    mean_stress: Scalar
    cohesion: Scalar
    viscous: Scalar


def _angle(parameters: MohrCoulombParameters) -> tuple[Scalar, Scalar]:
    """Sine and cosine of the friction angle."""
    cosine = 1.0 / jnp.sqrt(1.0 + parameters.friction_coefficient**2)
    return parameters.friction_coefficient * cosine, cosine


def _flow(slips: Triple, trial: _Trial, load: Scalar | float) -> _Flow:
    parameters = trial.parameters
    sine, cosine = _angle(parameters)
    slip_13, slip_12, slip_23 = slips
    added = 2.0 * (slip_13 + slip_12 + slip_23)
    relative = added / parameters.softening_slip
    small = relative < 1e-5
    # (1 - exp(-u)) / u: mean over the step of the factor by which the dilatancy decays.
    lost = -jnp.expm1(-relative)
    mean_decay = jnp.where(small, 1.0 - 0.5 * relative, lost / jnp.where(small, 1.0, relative))
    decay = jnp.exp(-trial.slip / parameters.softening_slip)
    dilatancy = parameters.dilatancy * decay * mean_decay
    kept = decay * (1.0 - lost)
    if trial.nonlocality is not None:
        spread = softening_variable(trial.slip + added, trial.nonlocality)
        kept = jnp.exp(-spread / parameters.softening_slip)
    cohesion = (
        parameters.cohesion_gpa
        + parameters.cohesion_softening_gpa * (kept - 1.0)
        + parameters.cohesion_hardening_gpa * (trial.slip + added)
    )
    rise, fall = cosine + dilatancy * (1.0 + sine), cosine - dilatancy * (1.0 - sine)
    plastic = (
        rise * (slip_13 + slip_12),
        rise * slip_23 - fall * slip_12,
        -fall * (slip_13 + slip_23),
    )
    first, second, third = trial.strain
    volumetric, deviator = split(
        (load * first - plastic[0], load * second - plastic[1], load * third - plastic[2])
    )
    friction = parameters.friction_coefficient
    frictional = friction > 0.0
    cut_off = jnp.where(
        frictional,
        (1.0 - _LEAST_RESISTANCE) * cohesion / jnp.where(frictional, friction, 1.0),
        _NO_CUT_OFF_GPA,
    )
    return _Flow(
        plastic_strain=plastic,
        deviator=deviator,
        mean_stress=jnp.minimum(trial.bulk * volumetric, cut_off),
        cohesion=cohesion,
        viscous=trial.damping * (1.0 - sine) / cosine * (rise + 2.0 * fall) / 3.0,
    )


def _balance(slips: Triple, trial: _Trial, load: Scalar | float) -> tuple[Triple, Triple]:
    """Resolved shear less viscous overstress, and c + mu sigma_n, of the pairs 13, 12, 23."""
    flow = _flow(slips, trial, load)
    sine, cosine = _angle(trial.parameters)
    stress = [flow.mean_stress + 2.0 * trial.shear * e for e in flow.deviator]
    friction = 0.5 * trial.parameters.friction_coefficient
    least = _LEAST_RESISTANCE * flow.cohesion

    def drive(i: int, j: int, slip: Scalar) -> Scalar:
        difference = 2.0 * trial.shear * (flow.deviator[i] - flow.deviator[j])
        return 0.5 * cosine * difference - flow.viscous * slip

    def resistance(i: int, j: int) -> Scalar:
        tension = (1.0 + sine) * stress[i] + (1.0 - sine) * stress[j]
        return jnp.maximum(flow.cohesion - friction * tension, least)

    return (
        (drive(0, 2, slips[0]), drive(0, 1, slips[1]), drive(1, 2, slips[2])),
        (resistance(0, 2), resistance(0, 1), resistance(1, 2)),
    )


def _exchanged(swap: Scalar, first: Scalar, second: Scalar) -> tuple[Scalar, Scalar]:
    return jnp.where(swap, second, first), jnp.where(swap, first, second)


class _Order:
    """Three values in falling order, and how to bring others back to the order they came in."""

    def __init__(self, values: Principal) -> None:
        a, b, c = values
        self._swap_1 = a < b
        a, b = _exchanged(self._swap_1, a, b)
        self._swap_2 = b < c
        b, c = _exchanged(self._swap_2, b, c)
        self._swap_3 = a < b
        a, b = _exchanged(self._swap_3, a, b)
        self.falling: Principal = (a, b, c)

    def back(self, values: Principal) -> Principal:
        a, b, c = values
        a, b = _exchanged(self._swap_3, a, b)
        b, c = _exchanged(self._swap_2, b, c)
        a, b = _exchanged(self._swap_1, a, b)
        return (a, b, c)


class MohrCoulomb(Law):
    """Slip on the planes of greatest Coulomb stress, after Anand and Su, in Kirchhoff stress.

    Notes
    -----
    Principal stresses s_1 >= s_2 >= s_3, friction angle phi = arctan mu, xi = pi/4 + phi/2. Each
    pair (i, j) = (1, 3), (1, 2), (2, 3) has two conjugate slip systems at the angles +-xi, which
    slip at the same rate nu_ij, so that there is no plastic spin:

    - tau = cos(phi)/2 (s_i - s_j), sigma_n = -(sin^2(xi) s_i + cos^2(xi) s_j) (compression +);
    - nu = nu_0 [tau / (c + mu sigma_n)]^(1/m), zero for tau <= 0;
    - d^p_i += nu (cos phi + beta (1 + sin phi)), d^p_j -= nu (cos phi - beta (1 - sin phi)), with
      trace 2 beta nu: beta is the opening of a plane over its slip.

    N = sum over the six systems of the slip is the accumulated slip; in uniaxial compression it
    grows about twice as fast as the strain. Of Anand and Su's free volume eta, with
    d eta = beta dN, beta = beta_0 (1 - eta/eta_cv) and c = c_cv + b (eta_cv - eta), the solution in
    N is used: with the softening slip N_c = eta_cv / beta_0,

    - eta = eta_cv (1 - exp(-N/N_c)), beta = beta_0 exp(-N/N_c),
    - c = c_0 - (c_0 - c_cv) (1 - exp(-N/N_c)) + h N, where b eta_cv = c_0 - c_cv and the linear
      term is not in their law.

    1. Sort the trial strains; the order survives the step.
    2. Solve for the three slips of the step (`ngcfem.constitutive.slip_solve`), everything taken at
       the end of the step except beta, which is its mean over the step: the plastic volume change
       is eta exactly, for steps of any size.
    3. Viscous regularization takes from the resolved shear of each pair what makes the overstress
       in uniaxial compression the viscosity times dkappa/dt.
    4. Tension: c + mu sigma_n does not fall below 5 % of c, and the mean stress not rise above
       0.95 c / mu, the apex of the cone less the same share; beyond, the volume opens without
       resistance. Opening does not count as slip.

    With an internal length the cohesion softens with max(0, m chi + (1 - m) N), chi being the
    nonlocal partner of N; the dilatancy stays local.

    kappa, the equivalent plastic strain, accumulates sqrt(2/3) times the norm of the deviatoric
    plastic strain of the steps. Uniaxial strengths at nu = nu_0, beta not mattering:
    2 c cos(phi) / (1 -+ sin(phi)) in compression and tension.

    The plastic work is not negative where beta <= mu r^m, r = nu / nu_0: with beta <= mu, which the
    check of the parameters demands, everywhere but at rates so far below the reference that nothing
    flows ((beta/mu)^(1/m), 1e-5 for beta/mu = 0.8 and m = 0.02), and there too unless the pressure
    is many times c / mu.

    References
    ----------
    Anand and Su (2005), J. Mech. Phys. Solids 53, 1362-1396, doi 10.1016/j.jmps.2004.12.006: slip
    systems, rate law, dilatancy and cohesion.
    Su and Anand (2006), Acta Mater. 54, 179-189, doi 10.1016/j.actamat.2005.08.040: use for
    indentation of a Zr-based glass.
    de Souza Neto, Peric and Owen (2008), Computational Methods for Plasticity, Wiley,
    doi 10.1002/9780470694626, section 8.2: faces, edges and apex.
    """

    name = "mohr-coulomb"
    internal_variables = (EQUIVALENT_PLASTIC_STRAIN, ACCUMULATED_SLIP)
    has_plastic_strain = True
    nonlocal_variable = ACCUMULATED_SLIP

    def unpack(self, parameter_vector: jax.Array) -> MohrCoulombParameters:
        """Name the entries of a parameter vector; see `Law.unpack`.

        Parameters
        ----------
        parameter_vector : Array, shape (10,)
            Values in the order of the fields of `MohrCoulombParameters`.

        Returns
        -------
        MohrCoulombParameters
            The same by name.
        """
        return MohrCoulombParameters(*parameter_vector)

    def update(
        self,
        trial_strain: Principal,
        internal_variables: tuple[Scalar, ...],
        parameters: MohrCoulombParameters,
        step: Step,
    ) -> PrincipalUpdate:
        """Slip on three pairs of systems; see `Law.update` and the notes of the class.

        Parameters
        ----------
        trial_strain : tuple of three Array
            Principal trial elastic logarithmic strains.
        internal_variables : tuple of two Array
            Equivalent plastic strain and accumulated slip.
        parameters : MohrCoulombParameters
            Constants.
        step : Step
            Time increment and viscosity.

        Returns
        -------
        PrincipalUpdate
            State at the end of the step.
        """
        kappa, slip = internal_variables
        shear, bulk = shear_modulus(parameters), bulk_modulus(parameters)
        order = _Order(trial_strain)
        trial = _Trial(
            strain=order.falling,
            slip=slip,
            shear=shear,
            bulk=bulk,
            damping=step.viscosity_gpa_s / step.time_increment_s,
            parameters=parameters,
            nonlocality=step.nonlocality,
        )
        sine, cosine = _angle(parameters)
        difference = trial.strain[0] - trial.strain[2]
        volumetric = trial.strain[0] + trial.strain[1] + trial.strain[2]
        least_fall = cosine - parameters.dilatancy * (1.0 - sine)
        stiffness = shear * cosine
        solution = solve_slips(
            _balance,
            trial,
            SlipLaw(
                reference_slip=step.time_increment_s * parameters.reference_rate_per_s,
                rate_sensitivity=parameters.rate_sensitivity,
                stiffness=(
                    stiffness * (cosine + least_fall),
                    stiffness * cosine,
                    stiffness * least_fall,
                ),
                scale=shear * difference + 1e-3 * bulk * jnp.abs(volumetric),
            ),
        )
        flow = _flow(solution.slips, trial, 1.0)
        stress = _shifted(flow.mean_stress, 2.0 * shear, flow.deviator)
        elastic = _shifted(flow.mean_stress / (3.0 * bulk), 1.0, flow.deviator)
        added = solution.slips[0] + solution.slips[1] + solution.slips[2]
        return PrincipalUpdate(
            kirchhoff_stress=order.back(stress),
            elastic_strain=order.back(elastic),
            internal_variables=(
                kappa + _equivalent(split(flow.plastic_strain)[1]),
                slip + 2.0 * added,
            ),
            status=solution.status,
        )


def _shifted(mean: Scalar, factor: Scalar | float, deviator: Principal) -> Principal:
    first, second, third = (mean + factor * e for e in deviator)
    return (first, second, third)


def _equivalent(deviator: Principal) -> Scalar:
    square = deviator[0] ** 2 + deviator[1] ** 2 + deviator[2] ** 2
    visible = square > 0.0
    return jnp.where(visible, math.sqrt(2.0 / 3.0) * jnp.sqrt(jnp.where(visible, square, 1.0)), 0.0)
