"""Rate-dependent plasticity of bcc crystals: slip on {110}<111> and {112}<111>."""

from typing import NamedTuple

import numpy as np

from ngcfem.constitutive.crystal_parameters import SLIP_FAMILIES
from ngcfem.constitutive.cubic_elasticity import cubic_strain, cubic_stress
from ngcfem.constitutive.lattice_law import (
    LatticeLaw,
    LatticeUpdate,
    exponential,
    flat_of,
    mandel_of,
    product,
    right_stretch_square,
    rows_of,
    tensor_of,
    transposed,
)
from ngcfem.constitutive.law import CONVERGED, LOCAL_ITERATION_FAILED, Scalar, Step
from ngcfem.constitutive.plasticity import EQUIVALENT_PLASTIC_STRAIN
from ngcfem.constitutive.slip_systems import active_systems, bcc_slip_systems
from ngcfem.constitutive.xla import jax, jnp, lax

ACCUMULATED_SLIP = "accumulated_slip"
NUMBER_OF_SYSTEMS = 24

_SCHMID = bcc_slip_systems().schmid.reshape(NUMBER_OF_SYSTEMS, 9)
_SCHMID_SQUARE = np.einsum("ai,aj->ija", _SCHMID, _SCHMID).reshape(81, NUMBER_OF_SYSTEMS)
_UNIT = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])[:, None]
_COPLANAR = bcc_slip_systems().coplanar.astype(float)
_ACTIVE = np.stack([active_systems(family) for family in range(len(SLIP_FAMILIES))])
_STRESS_PLACE = slice(2, 8)
_GAIN_PLACE = slice(8, 8 + NUMBER_OF_SYSTEMS)
_ITERATIONS = 80
_SHORTER = 0.4
_TOLERANCE = 1e-12
_LEAST_SCALE = 1e-3
# No slip is more than this times the norm of the trial strain.
_LARGEST_SLIP = 3.0
# exp(80) is far above any slip rate, and its square is still finite.
_LARGEST_EXPONENT = 80.0
_TINY = 1e-30


class CrystalParameters(NamedTuple):
    """Parameters of the law ``crystal-plasticity``; see its parameter list for their meaning.

    Parameters
    ----------
    c11_gpa, c12_gpa, c44_gpa : Array
        Cubic elastic constants.
    slip_systems : Array
        Place in `ngcfem.constitutive.slip_systems.SLIP_FAMILIES`.
    reference_slip_rate_per_s, rate_sensitivity : Array
        Power law of the slip rate.
    initial_slip_resistance_gpa, saturation_slip_resistance_gpa : Array
        Slip resistance at the start, and where hardening ends.
    slip_hardening_modulus_gpa, hardening_exponent, latent_hardening_ratio : Array
        Hardening.
    hall_petch_coefficient_gpa_sqrt_nm, crystal_diameter_nm : Array
        Strength that comes from the size of the crystal.
    """

    c11_gpa: Scalar
    c12_gpa: Scalar
    c44_gpa: Scalar
    slip_systems: Scalar
    reference_slip_rate_per_s: Scalar
    rate_sensitivity: Scalar
    initial_slip_resistance_gpa: Scalar
    saturation_slip_resistance_gpa: Scalar
    slip_hardening_modulus_gpa: Scalar
    hardening_exponent: Scalar
    latent_hardening_ratio: Scalar
    hall_petch_coefficient_gpa_sqrt_nm: Scalar
    crystal_diameter_nm: Scalar


class _Local(NamedTuple):
    """What the local equations depend on besides the unknown stress."""

    trial_strain: Scalar
    resistance: Scalar
    reference_slip: Scalar
    parameters: CrystalParameters


class _Iterate(NamedTuple):
    stress: Scalar
    error: Scalar
    direction: Scalar
    length: Scalar
    iterations: Scalar
    done: Scalar


class CrystalPlasticity(LatticeLaw):
    """Crystal plasticity with a power law of the slip rate, saturating and latent hardening.

    Notes
    -----
    1. F = F_e F_p, slip rates gamma'_a = gamma'_0 |tau_a / g_a|^(1/m) sign(tau_a), and the plastic
       velocity gradient is the sum of gamma'_a s_a (x) n_a. The resolved stress is that of the
       Mandel stress, tau_a = (C_e S) : (s_a (x) n_a), conjugate to the slip, so that no slip ever
       takes energy out. S = C : E_e with cubic constants and the Green-Lagrange strain of F_e.
    2. g'_a = sum_b q_ab h_b |gamma'_b|, h_b = h_0 |1 - g_b/g_s|^a sign(1 - g_b/g_s); q_ab is 1 for
       systems on the same plane and the latent hardening ratio for others.
    3. Step: F_p = exp(sum of dgamma_a s_a (x) n_a) F_p,n with backward Euler for the slips and the
       resistances of the start of the step; plastic flow keeps the volume exactly. Unknowns are
       the six stresses, not the slips, which are nearly dependent for small m.
    4. Newton's method from the best of three stresses: that of the last step, the elastic one, and
       the elastic one scaled to where the slip rate is possible in the step. Stresses that would
       make a slip larger than the strain of the step are scaled back; a step that does not lower
       the residual is shortened. In small strain the equations are the gradient of a convex
       function.
    5. One more Newton step with the matrix frozen has the derivative of the implicit function
       theorem.
    6. Resistances grow after the stress: each system by the integral of its own h over its slip,
       which cannot pass the saturation however long the step. First order in the step, like the
       slips.

    The viscosity of the solver is not used: the law is viscous by itself. The stress is kept among
    the internal variables for the next first guess only.

    References
    ----------
    Asaro and Needleman (1985), Acta Metall. 33, 923-953, doi 10.1016/0001-6160(85)90188-9.
    Kalidindi, Bronkhorst and Anand (1992), J. Mech. Phys. Solids 40, 537-569,
    doi 10.1016/0022-5096(92)80003-9: stress as the unknown, hardening law.
    """

    name = "crystal-plasticity"
    internal_variables = (
        EQUIVALENT_PLASTIC_STRAIN,
        ACCUMULATED_SLIP,
        *(f"lattice_stress_{ij}_gpa" for ij in ("11", "22", "33", "12", "23", "13")),
        *(f"slip_resistance_gain_{k:02d}_gpa" for k in range(1, NUMBER_OF_SYSTEMS + 1)),
    )
    has_plastic_strain = True

    def unpack(self, parameter_vector: jax.Array) -> CrystalParameters:
        """Name the entries of a parameter vector; see `LatticeLaw.unpack`.

        Parameters
        ----------
        parameter_vector : Array, shape (13,)
            Values in the order of the fields of `CrystalParameters`.

        Returns
        -------
        CrystalParameters
            The same by name.
        """
        return CrystalParameters(*parameter_vector)

    def update(
        self,
        trial_strain: Scalar,
        internal_variables: Scalar,
        parameters: CrystalParameters,
        step: Step,
        finite: bool,
    ) -> LatticeUpdate:
        """Advance one point by one step; see `LatticeLaw.update`.

        Parameters
        ----------
        trial_strain : Array, shape (6, n)
            Trial elastic strain in the lattice frame.
        internal_variables : Array, shape (32, n)
            Equivalent plastic strain, accumulated slip, last stress, gains of resistance.
        parameters : CrystalParameters
            Constants.
        step : Step
            Time increment.
        finite : bool
            Kinematics.

        Returns
        -------
        LatticeUpdate
            Stress, flow, internal variables and status at the end of the step.
        """
        gain = internal_variables[_GAIN_PLACE]
        initial = parameters.initial_slip_resistance_gpa + (
            parameters.hall_petch_coefficient_gpa_sqrt_nm / jnp.sqrt(parameters.crystal_diameter_nm)
        )
        active = jnp.asarray(_ACTIVE)[parameters.slip_systems.astype(int)]
        reference = active * parameters.reference_slip_rate_per_s * step.time_increment_s
        local = _Local(trial_strain, initial + gain, reference[:, None], parameters)
        stress, status = _solve(local, internal_variables[_STRESS_PLACE], finite)
        slips = _slips(stress, local, finite)[0]
        flow = _flow(slips)
        hardening = _hardening(initial + gain, jnp.abs(slips), initial, parameters)
        equivalent = jnp.sqrt(2.0 / 3.0 * jnp.sum(mandel_of(rows_of(flow)) ** 2, axis=0))
        internal = jnp.concatenate(
            [
                internal_variables[:1] + equivalent,
                internal_variables[1:2] + jnp.sum(jnp.abs(slips), axis=0),
                stress,
                gain + hardening,
            ]
        )
        return LatticeUpdate(stress, flow, lax.stop_gradient(internal), status)


def _hardening(
    resistance: Scalar, slip: Scalar, initial: Scalar, parameters: CrystalParameters
) -> Scalar:
    """Gain of the resistances: each h integrated over the slip of its own system."""
    saturation = parameters.saturation_slip_resistance_gpa
    saturation = saturation + initial - parameters.initial_slip_resistance_gpa
    left = 1.0 - resistance / saturation
    size = jnp.abs(left)
    travelled = parameters.slip_hardening_modulus_gpa / saturation * slip
    exponent = parameters.hardening_exponent
    linear = jnp.abs(exponent - 1.0) < 1e-9
    other = jnp.where(linear, 2.0, exponent)
    safe = jnp.maximum(size, _TINY)
    power = jnp.maximum(safe ** (1.0 - other) + (other - 1.0) * travelled, 0.0)
    reached = jnp.where(power > 0.0, jnp.maximum(power, 1e-300) ** (1.0 / (1.0 - other)), 0.0)
    reached = jnp.where(linear, size * jnp.exp(-travelled), jnp.minimum(reached, size))
    own = saturation * jnp.sign(left) * (size - reached)
    ratio = parameters.latent_hardening_ratio
    return ratio * jnp.sum(own, axis=0) + (1.0 - ratio) * (_COPLANAR @ own)


def _mandel_stress(stress: Scalar, parameters: CrystalParameters, finite: bool) -> Scalar:
    """Stress (9, n) that the slip is driven by: C_e S."""
    tensor = tensor_of(stress)
    if finite:
        tensor = product(right_stretch_square(cubic_strain(stress, parameters)), tensor)
    return flat_of(tensor)


def _slips(stress: Scalar, local: _Local, finite: bool) -> tuple[Scalar, Scalar]:
    """Slips of the step (24, n), and ratios of resolved stress to resistance."""
    driving = _mandel_stress(stress, local.parameters, finite)
    ratio = (jnp.asarray(_SCHMID) @ driving) / local.resistance
    exponent = jnp.log(jnp.maximum(jnp.abs(ratio), _TINY)) / local.parameters.rate_sensitivity
    rate = jnp.exp(jnp.minimum(exponent, _LARGEST_EXPONENT))
    return local.reference_slip * jnp.sign(ratio) * rate, ratio


def _flow(slips: Scalar) -> Scalar:
    """Increment (9, n) of the plastic displacement gradient."""
    return jnp.asarray(_SCHMID.T) @ slips


def _elastic_strain(flow: Scalar, trial_strain: Scalar, finite: bool) -> Scalar:
    """Elastic strain that a flow leaves of the trial strain."""
    if not finite:
        return trial_strain - mandel_of(rows_of(flow))
    back = lax.optimization_barrier(exponential(rows_of(-flow)))
    square = product(transposed(back), product(right_stretch_square(trial_strain), back))
    return 0.5 * (mandel_of(square) - _UNIT)


def _residual(stress: Scalar, local: _Local, finite: bool) -> Scalar:
    """Elastic strain of the stress less that left by its slips."""
    flow = _flow(_slips(stress, local, finite)[0])
    return cubic_strain(stress, local.parameters) - _elastic_strain(
        flow, local.trial_strain, finite
    )


def _linearized(stress: Scalar, local: _Local, finite: bool) -> tuple[Scalar, Scalar]:
    """Residual (6, n) and its derivative (6, 6, n) by the stress, the second index.

    The derivative of the flow is the product of a symmetric matrix, the sum of
    (dgamma/dtau) P (x) P over the systems, and the derivative of the driving stress.
    """
    number = stress.shape[1]
    seeds = jnp.broadcast_to(jnp.eye(6)[:, :, None], (6, 6, number))
    slips, ratio = _slips(stress, local, finite)
    steep = jnp.abs(ratio) > _TINY
    slope = slips / (local.parameters.rate_sensitivity * jnp.where(steep, ratio, 1.0))
    slope = jnp.where(steep, slope, 0.0) / local.resistance
    driving = jax.vmap(
        lambda seed: jax.jvp(
            lambda s: _mandel_stress(s, local.parameters, finite), (stress,), (seed,)
        )[1]
    )(seeds)
    viscous = (_SCHMID_SQUARE @ slope).reshape(9, 9, number)
    viscous, driving = lax.optimization_barrier((viscous, driving))
    flow_slope = jnp.sum(viscous[None] * driving[:, None], axis=2)
    flow, flow_slope = lax.optimization_barrier((_flow(slips), flow_slope))
    left, linear = jax.linearize(lambda x: _elastic_strain(x, local.trial_strain, finite), flow)
    by_stress = jax.vmap(linear)(flow_slope)
    elastic = jax.vmap(lambda seed: cubic_strain(seed, local.parameters))(seeds)
    matrix = jnp.swapaxes(elastic - by_stress, 0, 1)
    residual = cubic_strain(stress, local.parameters) - left
    return lax.optimization_barrier((residual, matrix))


def _norm(vectors: Scalar) -> Scalar:
    return jnp.sqrt(jnp.sum(vectors**2, axis=0))


def _solve(live: _Local, last: Scalar, finite: bool) -> tuple[Scalar, Scalar]:
    """Stress of the step, differentiable with respect to the trial strain, and status."""
    local: _Local = jax.tree.map(lax.stop_gradient, live)
    size = _norm(local.trial_strain)
    tolerance = _TOLERANCE * jnp.maximum(size, _LEAST_SCALE)
    most = (_LARGEST_SLIP * size + _TINY) / jnp.max(local.reference_slip)
    bound = most**local.parameters.rate_sensitivity

    def confined(stress: Scalar) -> Scalar:
        driving = _mandel_stress(stress, local.parameters, finite)
        ratio = jnp.abs(jnp.asarray(_SCHMID) @ driving) / local.resistance
        largest = jnp.max(jnp.where(local.reference_slip > 0.0, ratio, 0.0), axis=0)
        return stress * jnp.minimum(1.0, bound / jnp.maximum(largest, _TINY))

    def improve(iterate: _Iterate) -> _Iterate:
        trial = confined(iterate.stress + iterate.length * iterate.direction)
        residual, matrix = _linearized(trial, local, finite)
        error = _norm(residual)
        better = jnp.isfinite(error) & (error < iterate.error) & jnp.logical_not(iterate.done)
        return _Iterate(
            stress=jnp.where(better, trial, iterate.stress),
            error=jnp.where(better, error, iterate.error),
            direction=jnp.where(better, -_eliminate(matrix, residual), iterate.direction),
            length=jnp.where(better, 1.0, _SHORTER * iterate.length),
            iterations=iterate.iterations + 1,
            done=iterate.done | (better & (error <= tolerance)),
        )

    elastic = cubic_stress(local.trial_strain, local.parameters)
    start, least = elastic, jnp.full_like(size, jnp.inf)
    for guess in (confined(last), elastic, confined(elastic)):
        error = _norm(_residual(guess, local, finite))
        better = error < least
        start, least = jnp.where(better, guess, start), jnp.where(better, error, least)
    first = _Iterate(
        start,
        jnp.full_like(size, jnp.inf),
        jnp.zeros_like(start),
        jnp.ones_like(size),
        jnp.asarray(0),
        size < 0.0,
    )
    end = lax.while_loop(
        lambda iterate: (iterate.iterations < _ITERATIONS) & jnp.logical_not(jnp.all(iterate.done)),
        improve,
        first,
    )
    root = lax.stop_gradient(end.stress)
    matrix = lax.stop_gradient(_linearized(root, local, finite)[1])
    polished = root - _eliminate(matrix, _residual(root, live, finite))
    status = jnp.where(end.done, CONVERGED, LOCAL_ITERATION_FAILED).astype(jnp.int32)
    return polished, status


def _eliminate(matrix: Scalar, right: Scalar) -> Scalar:
    """Solve six equations whose matrix is close to symmetric positive definite, unrolled."""
    a = [[matrix[i, j] for j in range(6)] for i in range(6)]
    r = [right[i] for i in range(6)]
    for i in range(6):
        pivot = 1.0 / a[i][i]
        for k in range(i + 1, 6):
            factor = a[k][i] * pivot
            for j in range(i + 1, 6):
                a[k][j] = a[k][j] - factor * a[i][j]
            r[k] = r[k] - factor * r[i]
    for i in reversed(range(6)):
        for j in range(i + 1, 6):
            r[i] = r[i] - a[i][j] * r[j]
        r[i] = r[i] / a[i][i]
    return jnp.stack(r)
