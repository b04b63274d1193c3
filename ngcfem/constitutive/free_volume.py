"""Thermally activated flow of metallic glass with one structural variable, and how that evolves."""

import math
from abc import abstractmethod
from typing import Any, NamedTuple

from ngcfem.constitutive.elasticity import (
    bulk_modulus,
    combine,
    mises_stress,
    shear_modulus,
    split,
)
from ngcfem.constitutive.law import (
    LOCAL_ITERATION_FAILED,
    Law,
    Principal,
    PrincipalUpdate,
    Scalar,
    Step,
)
from ngcfem.constitutive.local_solve import solve_decreasing
from ngcfem.constitutive.plasticity import EQUIVALENT_PLASTIC_STRAIN
from ngcfem.constitutive.xla import jax, jnp

FREE_VOLUME_CHANGE = "free_volume_change"
EFFECTIVE_TEMPERATURE_CHANGE = "effective_temperature_change"

# Relative to the terms of the balance, which grow with the trial stress and carry its rounding;
# the last Newton step takes the residual down to that rounding.
_TOLERANCE = 1e-10
# Beyond a free volume of alpha v* an atom the picture of rare jumps means nothing.
_SMALLEST_INVERSE = 1.0
_SMALL_ARGUMENT = 1e-2
# A field that falls below this share of its initial value has gone astray: the step is cut.
_LEAST_SHARE = 1e-3


class FreeVolumeParameters(NamedTuple):
    """Parameters of ``free-volume``; see `ngcfem.constitutive.parameters.LAW_PARAMETERS`.

    Parameters
    ----------
    youngs_modulus_gpa, poisson_ratio : Array
        Isotropic elastic constants.
    reference_stress_gpa : Array
        tau_0 = 2 k T / Omega.
    reference_rate_per_s : Array
        R = f exp(-dG / k T).
    initial_free_volume : Array
        xi_0 = v_f / (alpha v*).
    dilatation_per_free_volume : Array
        Plastic volume strain per change of xi.
    geometry_factor, activation_ratio, diffusion_jumps : Array
        alpha, v* / Omega and n_D.
    """

    youngs_modulus_gpa: Scalar
    poisson_ratio: Scalar
    reference_stress_gpa: Scalar
    reference_rate_per_s: Scalar
    initial_free_volume: Scalar
    dilatation_per_free_volume: Scalar
    geometry_factor: Scalar
    activation_ratio: Scalar
    diffusion_jumps: Scalar

    @property
    def initial_value(self) -> Scalar:
        """Structural variable of the virgin material."""
        return self.initial_free_volume


class EffectiveTemperatureParameters(NamedTuple):
    """Parameters of ``effective-temperature``; see `LAW_PARAMETERS`.

    Parameters
    ----------
    youngs_modulus_gpa, poisson_ratio : Array
        Isotropic elastic constants.
    reference_stress_gpa, reference_rate_per_s : Array
        tau_0 and R of the flow rule.
    initial_effective_temperature : Array
        chi_0, in units of the energy of a shear transformation zone over k.
    dilatation_per_free_volume : Array
        Plastic volume strain per change of chi.
    steady_effective_temperature : Array
        chi that persistent flow leads to.
    effective_heat_capacity : Array
        Work s dgamma, in units of tau_0, over which chi relaxes by a factor e.
    """

    youngs_modulus_gpa: Scalar
    poisson_ratio: Scalar
    reference_stress_gpa: Scalar
    reference_rate_per_s: Scalar
    initial_effective_temperature: Scalar
    dilatation_per_free_volume: Scalar
    steady_effective_temperature: Scalar
    effective_heat_capacity: Scalar

    @property
    def initial_value(self) -> Scalar:
        """Structural variable of the virgin material."""
        return self.initial_effective_temperature


class FreeVolumeRelaxationParameters(NamedTuple):
    """Parameters of ``free-volume-relaxation``; see `LAW_PARAMETERS`.

    Parameters
    ----------
    youngs_modulus_gpa, poisson_ratio : Array
        Isotropic elastic constants.
    reference_stress_gpa, reference_rate_per_s, initial_free_volume : Array
        tau_0, R and xi_0 of the flow rule.
    dilatation_per_free_volume : Array
        Plastic volume strain per change of xi.
    creation_per_shear_strain : Array
        zeta.
    relaxation_rate_per_s, relaxed_free_volume : Array
        k_r and xi_T.
    pressure_annihilation_per_gpa_s : Array
        k_p.
    """

    youngs_modulus_gpa: Scalar
    poisson_ratio: Scalar
    reference_stress_gpa: Scalar
    reference_rate_per_s: Scalar
    initial_free_volume: Scalar
    dilatation_per_free_volume: Scalar
    creation_per_shear_strain: Scalar
    relaxation_rate_per_s: Scalar
    relaxed_free_volume: Scalar
    pressure_annihilation_per_gpa_s: Scalar

    @property
    def initial_value(self) -> Scalar:
        """Structural variable of the virgin material."""
        return self.initial_free_volume


class Activation(NamedTuple):
    """One step of activated flow, as the balance of the structural variable sees it.

    Parameters
    ----------
    stress : Array
        s = tau_bar / tau_0 at the end of the step.
    shear_increment : Array
        Equivalent plastic shear strain of the step.
    inverse : Array
        1 / xi at the end of the step.
    attempts : Array
        R dt.
    time_increment_s : Array
        dt.
    pressure_gpa : Array
        Mean Kirchhoff stress, tension positive, at the end of the step.
    """

    stress: Scalar
    shear_increment: Scalar
    inverse: Scalar
    attempts: Scalar
    time_increment_s: Scalar
    pressure_gpa: Scalar


class _Trial(NamedTuple):
    """What the local equation depends on besides its unknown.

    ``given`` is the structural variable where it is a field; None where its balance is local.
    """

    stress: Scalar
    volumetric: Scalar
    start: Scalar
    given: Scalar | None
    shear: Scalar
    bulk: Scalar
    stiffening: Scalar
    attempts: Scalar
    time_increment_s: Scalar
    parameters: Any


class ActivatedFlow(Law):
    """Flow by thermally activated rearrangements whose number depends on one variable xi.

    The kernel of the three laws below, which differ in the balance of xi alone.

    Notes
    -----
    With tau_bar = q / sqrt(3), s = tau_bar / tau_0 and d^p = dkappa/dt 3/2 dev(tau)/q,
    dkappa = dgamma / sqrt(3):

    - flow dgamma/dt = 2 R exp(-1/xi) sinh(s);
    - balance dxi/dt = (what a law says);
    - dilatation tr d^p = c dxi/dt, which changes the elastic volume strain and so the pressure.

    A viscosity adds eta dkappa/dt to q. Backward Euler, one unknown t. With the trial stress s_tr,
    G^ = G / tau_0, a = 1 + eta / (3 G dt), and the logistic function S(t) = 1 / (1 + exp(-t)):

    1. The share of the trial deviator that flows is S(t) / a; what drives the flow is
       s = s_tr S(-t). No stress overflows, and neither end of the range loses digits.
    2. The flow rule gives 1/xi = z(t) = ln(2 R dt G^ a) - t + ln(sinh(s) / s), which falls with t.
    3. The balance gives xi = xi_n + production: solve z (xi_n + production) - 1 = 0 between the t
       of a free volume far below xi_n and the t of xi = 1, above which the local iteration counts
       as failed and the step is cut.

    With diffusion dxi/dt = D lap xi + (what a law says), and the change chi = xi - xi_0 is a field.
    The finite element solver solves chi - D dt lap chi = chi_n + production (backward Euler). Step
    3 is z xi = 1 at the given xi; the state keeps chi, and the law tells the field's source
    chi_n + production. Dilatation follows the whole change of xi: free volume that arrives brings
    its volume along. Because chi is the change, phases of different xi_0 begin in equilibrium.

    The free volume is not bounded by its initial value: at rest it relaxes, at a rate that is
    minute for a well-relaxed glass. The law has no elastic range and no rate-independent limit.

    References
    ----------
    Spaepen (1977), Acta Metall. 25, 407-415, doi 10.1016/0001-6160(77)90232-2.
    Steif, Spaepen and Hutchinson (1982), Acta Metall. 30, 447-455,
    doi 10.1016/0001-6160(82)90225-5.
    Huang, Suo, Prevost and Nix (2002), J. Mech. Phys. Solids 50, 1011-1027,
    doi 10.1016/S0022-5096(01)00115-6.
    Gao (2006), Modelling Simul. Mater. Sci. Eng. 14, 1329-1345, doi 10.1088/0965-0393/14/8/004.
    """

    has_plastic_strain = True

    @abstractmethod
    def production(self, step: Activation, parameters: Any) -> Scalar:
        """Change of the structural variable in a step.

        Parameters
        ----------
        step : Activation
            Stress, flow and variable of the step.
        parameters : NamedTuple
            Constants of the law.

        Returns
        -------
        Array
            xi - xi_n.
        """

    @abstractmethod
    def smallest_value(self, start: Scalar, attempts: Scalar, parameters: Any) -> Scalar:
        """A value that the structural variable cannot fall below in a step without flow.

        Parameters
        ----------
        start : Array
            xi at the start of the step.
        attempts : Array
            R dt.
        parameters : NamedTuple
            Constants of the law.

        Returns
        -------
        Array
            Positive lower bound: at it the balance asks for more.
        """

    def update(
        self,
        trial_strain: Principal,
        internal_variables: tuple[Scalar, ...],
        parameters: Any,
        step: Step,
    ) -> PrincipalUpdate:
        """Solve flow and balance together; see `Law.update` and the notes of the class.

        Parameters
        ----------
        trial_strain : tuple of three Array
            Principal trial elastic logarithmic strains.
        internal_variables : tuple of two Array
            Equivalent plastic strain, and the change of the structural variable since the start.
        parameters : NamedTuple
            Constants.
        step : Step
            Time increment, viscosity, and the change of the structural variable where it is a
            field.

        Returns
        -------
        PrincipalUpdate
            State at the end of the step.
        """
        kappa, change = internal_variables
        shear, bulk = shear_modulus(parameters), bulk_modulus(parameters)
        volumetric, deviator = split(trial_strain)
        trial_mises = mises_stress(deviator, shear)
        given, sound = _given_value(parameters, step)
        trial = _Trial(
            stress=trial_mises / (math.sqrt(3.0) * parameters.reference_stress_gpa),
            volumetric=volumetric,
            start=parameters.initial_value + change,
            given=given,
            shear=shear,
            bulk=bulk,
            stiffening=1.0 + step.viscosity_gpa_s / (3.0 * shear * step.time_increment_s),
            attempts=parameters.reference_rate_per_s * step.time_increment_s,
            time_increment_s=step.time_increment_s,
            parameters=parameters,
        )
        zero = jnp.zeros_like(trial_mises)
        free = _logarithmic_mobility(trial)
        least = given
        if least is None:
            least = self.smallest_value(trial.start, trial.attempts, parameters)
        highest = free if given is None else free - 1.0 / given
        solution = solve_decreasing(
            self._balance,
            lower=free - 1.0 / least,
            upper=highest + trial.stress + 1.0,
            guess=_first_guess(trial, free),
            arguments=trial,
            active=zero == 0.0,
            tolerance=_TOLERANCE * (1.0 + trial.stress),
        )
        flowing, resting = jax.nn.sigmoid(solution.root), jax.nn.sigmoid(-solution.root)
        share = flowing / trial.stiffening
        kept = resting + flowing * (1.0 - 1.0 / trial.stiffening)
        produced = self.production(_activation(solution.root, trial), parameters)
        added = produced if given is None else given - trial.start
        elastic_volume = volumetric - parameters.dilatation_per_free_volume * added
        return PrincipalUpdate(
            kirchhoff_stress=combine(bulk * elastic_volume, 2.0 * shear * kept, deviator),
            elastic_strain=combine(elastic_volume / 3.0, kept, deviator),
            internal_variables=(kappa + share * trial_mises / (3.0 * shear), change + added),
            status=jnp.where(sound, solution.status, LOCAL_ITERATION_FAILED),
            field_source=None if given is None else change + produced,
        )

    def _balance(self, unknown: Scalar, trial: _Trial) -> Scalar:
        step = _activation(unknown, trial)
        if trial.given is not None:
            return step.inverse * trial.given - 1.0
        return step.inverse * (trial.start + self.production(step, trial.parameters)) - 1.0


def _given_value(parameters: Any, step: Step) -> tuple[Scalar | None, Scalar | bool]:
    """Structural variable where it is a field, and whether the flow rule has a meaning there."""
    if step.nonlocality is None:
        return None, True
    value = parameters.initial_value + step.nonlocality.field
    least = _LEAST_SHARE * parameters.initial_value
    sound = (value > least) & (value * _SMALLEST_INVERSE < 1.0)
    return jnp.where(sound, value, parameters.initial_value), sound


def _activation(unknown: Scalar, trial: _Trial) -> Activation:
    """What the flow rule says of the step for a value of the unknown."""
    inverse = _inverse(unknown, trial)
    modulus = trial.shear / trial.parameters.reference_stress_gpa
    dilatation = trial.parameters.dilatation_per_free_volume * (1.0 / inverse - trial.start)
    flowing = jax.nn.sigmoid(unknown) / trial.stiffening
    return Activation(
        stress=trial.stress * jax.nn.sigmoid(-unknown),
        shear_increment=trial.stress * flowing / modulus,
        inverse=inverse,
        attempts=trial.attempts,
        time_increment_s=trial.time_increment_s,
        pressure_gpa=trial.bulk * (trial.volumetric - dilatation),
    )


def _logarithmic_mobility(trial: _Trial) -> Scalar:
    modulus = trial.shear / trial.parameters.reference_stress_gpa
    return jnp.log(2.0 * trial.attempts * modulus * trial.stiffening)


def _inverse(unknown: Scalar, trial: _Trial) -> Scalar:
    """1 / xi as the flow rule has it."""
    stress = trial.stress * jax.nn.sigmoid(-unknown)
    value = _logarithmic_mobility(trial) - unknown + _logarithmic_sinh_ratio(stress)
    return jnp.maximum(value, _SMALLEST_INVERSE)


def _first_guess(trial: _Trial, free: Scalar) -> Scalar:
    """Unknown for the xi of the start, to one fixed-point iteration."""
    unstressed = free - 1.0 / (trial.start if trial.given is None else trial.given)
    stress = trial.stress * jax.nn.sigmoid(-unstressed)
    return unstressed + _logarithmic_sinh_ratio(stress)


def _logarithmic_sinh_ratio(x: Scalar) -> Scalar:
    """ln(sinh(x) / x) for x >= 0, without overflow and with a derivative at 0."""
    small = x < _SMALL_ARGUMENT
    large = jnp.where(small, 1.0, x)
    series = x * x / 6.0 - x**4 / 180.0 + x**6 / 2835.0
    return jnp.where(small, series, large + jnp.log(-jnp.expm1(-2.0 * large) / (2.0 * large)))


class FreeVolume(ActivatedFlow):
    """Free-volume law: dilatation creates what diffusion annihilates.

    Notes
    -----
    alpha dxi/dt = R exp(-1/xi) [(cosh s - 1) / (b S^ xi) - 1 / n_D], b = v* / Omega,
    S^ = E / (3 (1 - nu)) / tau_0. With the plastic shear dgamma = 2 R dt exp(-1/xi) sinh s the
    first term is dgamma tanh(s/2) / (2 alpha b S^ xi), which cannot overflow. In a steady state
    xi = 1 / ln(2 R sinh(s) / rate) and cosh s - 1 = xi b S^ / n_D.

    References
    ----------
    Huang, Suo, Prevost and Nix (2002), J. Mech. Phys. Solids 50, 1011-1027, eqs. (1) to (4).
    """

    name = "free-volume"
    internal_variables = (EQUIVALENT_PLASTIC_STRAIN, FREE_VOLUME_CHANGE)
    nonlocal_variable = FREE_VOLUME_CHANGE

    def unpack(self, parameter_vector: jax.Array) -> FreeVolumeParameters:
        """Name the entries of a parameter vector; see `Law.unpack`.

        Parameters
        ----------
        parameter_vector : Array, shape (9,)
            Values in the order of the fields of `FreeVolumeParameters`.

        Returns
        -------
        FreeVolumeParameters
            The same by name.
        """
        return FreeVolumeParameters(*parameter_vector)

    def production(self, step: Activation, parameters: FreeVolumeParameters) -> Scalar:
        """Creation under stress less annihilation by jumps; see `ActivatedFlow.production`.

        Parameters
        ----------
        step : Activation
            Stress, flow and variable of the step.
        parameters : FreeVolumeParameters
            Constants.

        Returns
        -------
        Array
            xi - xi_n.
        """
        eshelby = parameters.youngs_modulus_gpa / (3.0 * (1.0 - parameters.poisson_ratio))
        resistance = parameters.activation_ratio * eshelby / parameters.reference_stress_gpa
        created = 0.5 * step.shear_increment * jnp.tanh(0.5 * step.stress)
        created = created * step.inverse / resistance
        annihilated = step.attempts * jnp.exp(-step.inverse) / parameters.diffusion_jumps
        return (created - annihilated) / parameters.geometry_factor

    def smallest_value(
        self, start: Scalar, attempts: Scalar, parameters: FreeVolumeParameters
    ) -> Scalar:
        """Free volume at which annihilation takes less than a quarter of what there was.

        Parameters
        ----------
        start : Array
            xi at the start of the step.
        attempts : Array
            R dt.
        parameters : FreeVolumeParameters
            Constants.

        Returns
        -------
        Array
            Lower bound of xi.
        """
        jumps = parameters.geometry_factor * parameters.diffusion_jumps
        return 1.0 / jnp.maximum(4.0 / start, jnp.log(4.0 * attempts / (jumps * start)))


class EffectiveTemperature(ActivatedFlow):
    """Shear transformation zones: work drives the effective temperature to its steady value.

    Notes
    -----
    dchi/dt = (dgamma/dt s / c_0) (chi_ss - chi), with chi in the place of xi in the flow rule.

    References
    ----------
    Falk and Langer (1998), Phys. Rev. E 57, 7192-7205, doi 10.1103/PhysRevE.57.7192.
    Bouchbinder, Langer and Procaccia (2007), Phys. Rev. E 75, 036107,
    doi 10.1103/PhysRevE.75.036107: athermal balance of the effective temperature. The form here is
    the simplest of that family.
    """

    name = "effective-temperature"
    internal_variables = (EQUIVALENT_PLASTIC_STRAIN, EFFECTIVE_TEMPERATURE_CHANGE)
    nonlocal_variable = EFFECTIVE_TEMPERATURE_CHANGE

    def unpack(self, parameter_vector: jax.Array) -> EffectiveTemperatureParameters:
        """Name the entries of a parameter vector; see `Law.unpack`.

        Parameters
        ----------
        parameter_vector : Array, shape (8,)
            Values in the order of the fields of `EffectiveTemperatureParameters`.

        Returns
        -------
        EffectiveTemperatureParameters
            The same by name.
        """
        return EffectiveTemperatureParameters(*parameter_vector)

    def production(self, step: Activation, parameters: EffectiveTemperatureParameters) -> Scalar:
        """Approach to the steady value by plastic work; see `ActivatedFlow.production`.

        Parameters
        ----------
        step : Activation
            Stress, flow and variable of the step.
        parameters : EffectiveTemperatureParameters
            Constants.

        Returns
        -------
        Array
            chi - chi_n.
        """
        work = step.shear_increment * step.stress / parameters.effective_heat_capacity
        return work * (parameters.steady_effective_temperature - 1.0 / step.inverse)

    def smallest_value(
        self, start: Scalar, attempts: Scalar, parameters: EffectiveTemperatureParameters
    ) -> Scalar:
        """Half of the smaller of the start and the steady value, between which chi stays.

        Parameters
        ----------
        start : Array
            chi at the start of the step.
        attempts : Array
            R dt.
        parameters : EffectiveTemperatureParameters
            Constants.

        Returns
        -------
        Array
            Lower bound of chi.
        """
        return 0.5 * jnp.minimum(start, parameters.steady_effective_temperature)


class FreeVolumeRelaxation(ActivatedFlow):
    """Free volume created by shear, and lost by pressure and by relaxation to a reference value.

    Notes
    -----
    dxi/dt = zeta dgamma/dt + k_p p - k_r (xi - xi_T), p the mean stress (tension positive): the
    balance of Thamburaja's law, on the activated flow rule instead of its power law of the
    cohesion. With k_p = k_r = 0 and zeta = tanh(s/2) / (2 alpha b S^ xi) it is the free-volume law
    without annihilation.

    References
    ----------
    Thamburaja (2011), J. Mech. Phys. Solids 59, 1552-1575, doi 10.1016/j.jmps.2011.04.018: the
    terms of the balance. Thamburaja and Ekambaram (2007), J. Mech. Phys. Solids 55, 1236-1273,
    doi 10.1016/j.jmps.2006.11.008.
    """

    name = "free-volume-relaxation"
    internal_variables = (EQUIVALENT_PLASTIC_STRAIN, FREE_VOLUME_CHANGE)
    nonlocal_variable = FREE_VOLUME_CHANGE

    def unpack(self, parameter_vector: jax.Array) -> FreeVolumeRelaxationParameters:
        """Name the entries of a parameter vector; see `Law.unpack`.

        Parameters
        ----------
        parameter_vector : Array, shape (10,)
            Values in the order of the fields of `FreeVolumeRelaxationParameters`.

        Returns
        -------
        FreeVolumeRelaxationParameters
            The same by name.
        """
        return FreeVolumeRelaxationParameters(*parameter_vector)

    def production(self, step: Activation, parameters: FreeVolumeRelaxationParameters) -> Scalar:
        """Creation by shear, loss by pressure and relaxation; see `ActivatedFlow.production`.

        Parameters
        ----------
        step : Activation
            Stress, flow and variable of the step.
        parameters : FreeVolumeRelaxationParameters
            Constants.

        Returns
        -------
        Array
            xi - xi_n.
        """
        relaxed = 1.0 / step.inverse - parameters.relaxed_free_volume
        lost = parameters.relaxation_rate_per_s * relaxed
        lost = lost - parameters.pressure_annihilation_per_gpa_s * step.pressure_gpa
        return (
            parameters.creation_per_shear_strain * step.shear_increment
            - step.time_increment_s * lost
        )

    def smallest_value(
        self, start: Scalar, attempts: Scalar, parameters: FreeVolumeRelaxationParameters
    ) -> Scalar:
        """A hundredth of the smaller of the start and the relaxed value.

        Parameters
        ----------
        start : Array
            xi at the start of the step.
        attempts : Array
            R dt.
        parameters : FreeVolumeRelaxationParameters
            Constants.

        Returns
        -------
        Array
            Lower bound of xi; a pressure that presses more out fails the step.
        """
        return 0.01 * jnp.minimum(start, parameters.relaxed_free_volume)
