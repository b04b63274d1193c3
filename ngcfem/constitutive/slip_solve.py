"""Three coupled power-law slip equations inside a law, solved without ever running away."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ngcfem.constitutive.law import CONVERGED, LOCAL_ITERATION_FAILED, Scalar
from ngcfem.constitutive.xla import jax, jnp, lax

Triple = tuple[Scalar, Scalar, Scalar]
Balance = Callable[[Triple, Any, Scalar | float], tuple[Triple, Triple]]
"""``balance(slips, arguments, load)``: driving stress and resistance of each system."""

NEGLIGIBLE_SLIP = 1e-20
"""Slip of a step that no strain in double precision can show."""

_PLAIN_ITERATIONS = 16
_CONTINUATION_ITERATIONS = 400
_LEVEL_ITERATIONS = 10
_FIRST_LEVEL = 0.1
_LOCAL_TOLERANCE = 1e-12
_LEVEL_TOLERANCE = 1e-6
_TINY = 1e-300


class SlipLaw(NamedTuple):
    """Power law of the slip rate, and what is known about the solution beforehand.

    Parameters
    ----------
    reference_slip : Array
        Slip of the step at the reference rate.
    rate_sensitivity : Array
        Exponent m > 0 of the rate factor.
    stiffness : tuple of three Array
        Least amount in GPa by which a unit slip of each system lowers the driving stress of the
        first one, which is the most stressed.
    scale : Array
        Size of the stresses in GPa that the balance subtracts from each other.
    """

    reference_slip: Scalar
    rate_sensitivity: Scalar
    stiffness: Triple
    scale: Scalar


class SlipSolution(NamedTuple):
    """Slips of a step.

    Parameters
    ----------
    slips : tuple of three Array
        Slips, differentiable with respect to the arguments of the balance.
    status : Array of int
        `CONVERGED` or `LOCAL_ITERATION_FAILED`.
    """

    slips: Triple
    status: Scalar


class _Iterate(NamedTuple):
    """Slips x and z = ln(x / reference slip): neither is computed from the other twice."""

    z: Triple
    x: Triple


class _Limits(NamedTuple):
    """Bounds of an iterate; what the iterations share is computed once."""

    drive: Scalar
    ceiling: Triple
    floor: Scalar


class _Newton(NamedTuple):
    """The equations at one iterate, in z = ln(slip / reference slip), and the step they suggest."""

    error: Scalar
    step: Triple


def solve_slips(balance: Balance, arguments: Any, law: SlipLaw) -> SlipSolution:
    """Find the slips x_p >= 0 with driving stress = resistance (x_p / reference slip)^m.

    Parameters
    ----------
    balance : callable
        ``balance(slips, arguments, load)`` gives three driving stresses and three resistances in
        GPa; `load` in (0, 1] scales the loading of the step. The resistances are positive. The
        first system is driven at least as much as the others.
    arguments : pytree of Array
        Everything the balance depends on besides the slips: derivatives are taken with respect to
        these only.
    law : SlipLaw
        Power law and bounds.

    Returns
    -------
    SlipSolution
        Slips and status.

    Notes
    -----
    1. Unknowns z_p = ln(x_p / x_0), so that a factor exp(m z) with a small m neither overflows nor
       loses accuracy. A slip below 1e-20 whose system is not driven counts as 0.
    2. First guess: the return of the rate-independent law to its face or one of its two edges,
       linear in the slips, at the rate factor that the size of the step suggests. A system that it
       leaves alone slips as its stress says.
    3. Newton's method. Where a slip is to grow, the equation behaves like exp(k z) with an exponent
       k between m (stiff, nothing flows yet) and 1 (slip relaxes the stress); the step of z is
       dz / (1 + k dz / 2), close to ln(1 + k dz) / k; dz < 0 is safe. Slips that would turn the
       driving stress of the first system around are scaled back.
    4. Points that need more than 16 iterations are those that a step of some ten per cent takes
       beside the apex, where all three systems act and the equations are nearly dependent. They are
       solved again by continuation: the load of the step is applied in levels, each from the
       solution of the one before; a level that fails is shortened. This loop does not run where
       every point is done.
    5. One more Newton step with the matrix frozen at the root and the arguments live has the
       derivative of the implicit function theorem.

    References
    ----------
    Ortega and Rheinboldt (1970), Iterative Solution of Nonlinear Equations in Several Variables,
    Academic Press, doi 10.1016/C2013-0-11263-9, section 7.5: continuation.
    """
    frozen, fixed = jax.tree.map(lax.stop_gradient, (arguments, law))
    floor = jnp.log(NEGLIGIBLE_SLIP / fixed.reference_slip)
    zero = jnp.zeros_like(fixed.scale)
    drive, resistance = balance((zero, zero, zero), frozen, 1.0)
    ratio = drive[0] / jnp.maximum(resistance[0], _TINY)
    loosest = jnp.log(jnp.maximum(ratio, _TINY)) / fixed.rate_sensitivity
    active = (drive[0] > 0.0) & (loosest > floor)
    tolerance = _LOCAL_TOLERANCE * fixed.scale
    limits = _limits(drive[0], fixed, floor)
    start = _confined(_first_guess(balance, frozen, fixed), limits, fixed)

    def plain(
        carried: tuple[Scalar, _Iterate, Scalar],
    ) -> tuple[Scalar, _Iterate, Scalar]:
        count, iterate, _ = carried
        newton = _newton(balance, frozen, fixed, iterate, 1.0, floor)
        done = newton.error <= tolerance
        new = _confined(_moved(iterate.z, newton.step), limits, fixed)
        return count + 1, _select(done, iterate, new), done

    _, iterate, done = lax.while_loop(
        lambda carried: (carried[0] < _PLAIN_ITERATIONS) & jnp.logical_not(carried[2]),
        plain,
        (jnp.zeros_like(zero, dtype=jnp.int32), start, jnp.logical_not(active)),
    )
    slow, arrived = _by_continuation(balance, frozen, fixed, limits, done)
    iterate = _select(done, iterate, slow)
    slips = _implicit(balance, arguments, law, iterate, floor)
    status = jnp.where(done | arrived, CONVERGED, LOCAL_ITERATION_FAILED).astype(jnp.int32)
    return SlipSolution(_select(active, slips, (zero, zero, zero)), status)


def _select[T](condition: Scalar, yes: T, no: T) -> T:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _moved(z: Triple, step: Triple) -> Triple:
    return (z[0] + step[0], z[1] + step[1], z[2] + step[2])


def _linearized(
    balance: Balance, arguments: Any, slips: Triple, load: Scalar | float
) -> tuple[Triple, Triple, list[tuple[Triple, Triple]]]:
    """Driving stresses, resistances and their derivatives by each slip."""
    (drive, resistance), linear = jax.linearize(lambda x: balance(x, arguments, load), slips)
    one, zero = jnp.ones_like(slips[0]), jnp.zeros_like(slips[0])
    seeds = ((one, zero, zero), (zero, one, zero), (zero, zero, one))
    # The barrier keeps XLA from computing all this anew for each of its many uses.
    return lax.optimization_barrier((drive, resistance, [linear(seed) for seed in seeds]))


def _solve(matrix: list[list[Scalar]], right: Triple) -> Triple:
    """Solve three equations by the cofactors of the matrix."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    first, second, third = e * i - f * h, f * g - d * i, d * h - e * g
    determinant = a * first + b * second + c * third
    factor = 1.0 / jnp.where(determinant == 0.0, 1.0, determinant)
    p, q, r = right
    return (
        factor * (first * p + (c * h - b * i) * q + (b * f - c * e) * r),
        factor * (second * p + (a * i - c * g) * q + (c * d - a * f) * r),
        factor * (third * p + (b * g - a * h) * q + (a * e - b * d) * r),
    )


def _newton(
    balance: Balance,
    arguments: Any,
    law: SlipLaw,
    iterate: _Iterate,
    load: Scalar | float,
    floor: Scalar,
) -> _Newton:
    m = law.rate_sensitivity
    z, x = iterate
    drive, resistance, slopes = _linearized(balance, arguments, x, load)
    residual, matrix, exponents = [], [], []
    error = jnp.zeros_like(x[0])
    for p in range(3):
        rate_factor = jnp.exp(m * z[p])
        excess = drive[p] - resistance[p] * rate_factor
        asleep = (z[p] <= floor) & (excess <= 0.0)
        rate_slope = m * resistance[p] * rate_factor
        row = []
        for q in range(3):
            slope = (slopes[q][1][p] * rate_factor - slopes[q][0][p]) * x[q]
            if q == p:
                relaxation = jnp.maximum(slope, 0.0)
                exponents.append((relaxation + m * rate_slope) / (relaxation + rate_slope + _TINY))
                slope = slope + rate_slope
            row.append(jnp.where(asleep, float(p == q), slope))
        matrix.append(row)
        residual.append(jnp.where(asleep, 0.0, excess))
        error = jnp.maximum(error, jnp.abs(residual[p]))
    matrix, residual, exponents, error = lax.optimization_barrier(
        (matrix, residual, exponents, error)
    )
    newton = _solve(matrix, (residual[0], residual[1], residual[2]))
    step = tuple(
        dz / (1.0 + 0.5 * k * jnp.maximum(dz, 0.0)) for dz, k in zip(newton, exponents, strict=True)
    )
    return _Newton(error, (step[0], step[1], step[2]))


def _limits(drive: Scalar, law: SlipLaw, floor: Scalar) -> _Limits:
    drive = jnp.maximum(drive, _TINY)
    first, second, third = (jnp.log(drive / (k * law.reference_slip)) for k in law.stiffness)
    return _Limits(drive, (first, second, third), floor)


def _confined(z: Triple, limits: _Limits, law: SlipLaw) -> _Iterate:
    """Keep the first system's driving stress from turning around, and z above its floor."""
    single = [jnp.minimum(z[p], limits.ceiling[p]) for p in range(3)]
    x = [law.reference_slip * jnp.exp(component) for component in single]
    relaxed = sum(k * slip for k, slip in zip(law.stiffness, x, strict=True))
    excess = jnp.maximum(relaxed / limits.drive, 1.0)
    logarithm = jnp.log(excess)
    first, second, third = (
        jnp.maximum(component - logarithm, limits.floor) for component in single
    )
    u, v, w = (jnp.maximum(slip / excess, NEGLIGIBLE_SLIP) for slip in x)
    return _Iterate((first, second, third), (u, v, w))


def _first_guess(balance: Balance, arguments: Any, law: SlipLaw) -> Triple:
    """Return of the rate-independent law to the face of system 0, or its edge with 1 or 2."""
    zero = jnp.zeros_like(law.scale)
    drive, resistance, slopes = _linearized(balance, arguments, (zero, zero, zero), 1.0)
    m = law.rate_sensitivity
    drive_0 = jnp.maximum(drive[0], _TINY)
    largest = drive_0 / law.stiffness[0]
    resistance_0 = jnp.maximum(resistance[0], _TINY)
    rate_factor = jnp.minimum(
        jnp.exp(m * jnp.log(largest / law.reference_slip)), drive_0 / resistance_0
    )
    excess = [drive[p] - rate_factor * resistance[p] for p in range(3)]
    matrix = [[rate_factor * slopes[q][1][p] - slopes[q][0][p] for q in range(3)] for p in range(3)]
    face = jnp.maximum(excess[0] / matrix[0][0], 0.0)
    left = [excess[p] - matrix[p][0] * face for p in range(3)]

    def edge(p: int) -> tuple[Scalar, Scalar]:
        determinant = matrix[0][0] * matrix[p][p] - matrix[0][p] * matrix[p][0]
        return (
            (matrix[p][p] * excess[0] - matrix[0][p] * excess[p]) / determinant,
            (matrix[0][0] * excess[p] - matrix[p][0] * excess[0]) / determinant,
        )

    on_second = (left[2] > 0.0) & (left[2] >= left[1])
    on_first = (left[1] > 0.0) & jnp.logical_not(on_second)
    edge_1, edge_2 = edge(1), edge(2)
    slip_0 = jnp.where(on_second, edge_2[0], jnp.where(on_first, edge_1[0], face))
    slip_0 = jnp.maximum(slip_0, 1e-3 * face)
    slip_1 = jnp.maximum(jnp.where(on_first, edge_1[1], 0.0), 0.0)
    slip_2 = jnp.maximum(jnp.where(on_second, edge_2[1], 0.0), 0.0)
    end_drive, end_resistance = balance((slip_0, slip_1, slip_2), arguments, 1.0)

    def from_slip(slip: Scalar) -> Scalar:
        return jnp.log(jnp.maximum(slip, _TINY) / law.reference_slip)

    def from_stress(p: int) -> Scalar:
        ratio = jnp.maximum(end_drive[p], _TINY) / jnp.maximum(end_resistance[p], _TINY)
        return jnp.log(ratio) / m

    z_0 = jnp.where(face > 0.0, from_slip(slip_0), jnp.log(drive_0 / resistance_0) / m)
    z_1 = jnp.where(on_first, from_slip(slip_1), jnp.minimum(from_stress(1), z_0))
    z_2 = jnp.where(on_second, from_slip(slip_2), jnp.minimum(from_stress(2), z_0))
    # A face that is only just reached: what its stress says, or little less than the most.
    z_0 = jnp.maximum(z_0, jnp.minimum(from_stress(0), from_slip(largest) - 5.0))
    return (z_0, z_1, z_2)


class _Level(NamedTuple):
    """Where the continuation stands."""

    iterations: Scalar
    load: Scalar
    increment: Scalar
    reached: _Iterate
    iterate: _Iterate
    tries: Scalar
    done: Scalar


def _by_continuation(
    balance: Balance, arguments: Any, law: SlipLaw, limits: _Limits, done: Scalar
) -> tuple[_Iterate, Scalar]:
    """Solution by levels of load for the points that are not done, and whether it was reached."""

    def improve(level: _Level) -> _Level:
        newton = _newton(balance, arguments, law, level.iterate, level.load, limits.floor)
        confines = _limits(level.load * limits.drive, law, limits.floor)
        new = _confined(_moved(level.iterate.z, newton.step), confines, law)
        full = level.load >= 1.0
        tolerance = jnp.where(full, _LOCAL_TOLERANCE, _LEVEL_TOLERANCE) * law.scale
        met = newton.error <= tolerance
        failed = jnp.logical_not(met) & (level.tries >= _LEVEL_ITERATIONS)
        done = met & full
        base = jnp.where(met, level.load, level.load - level.increment)
        easy = level.tries < _LEVEL_ITERATIONS // 2 + 1
        longer = jnp.where(easy, 1.6 * level.increment, level.increment)
        increment = jnp.where(
            met, longer, jnp.where(failed, 0.35 * level.increment, level.increment)
        )
        increment = jnp.minimum(increment, 1.0 - base)
        moves = (met | failed) & jnp.logical_not(done)
        return _Level(
            iterations=level.iterations + 1,
            load=jnp.where(moves, base + increment, level.load),
            increment=jnp.where(done, level.increment, increment),
            reached=_select(met, level.iterate, level.reached),
            iterate=_select(met, level.iterate, _select(failed, level.reached, new)),
            tries=jnp.where(moves, 0, level.tries + 1),
            done=done,
        )

    lowest = jnp.broadcast_to(limits.floor, jnp.shape(limits.drive))
    least = jnp.full_like(limits.drive, NEGLIGIBLE_SLIP)
    rest = _Iterate((lowest, lowest, lowest), (least, least, least))
    first = jnp.full_like(limits.drive, _FIRST_LEVEL)
    counter = jnp.zeros_like(limits.drive, dtype=jnp.int32)
    end = lax.while_loop(
        lambda level: (level.iterations < _CONTINUATION_ITERATIONS) & jnp.logical_not(level.done),
        improve,
        _Level(counter, first, first, rest, rest, counter, done),
    )
    return end.iterate, end.done


def _implicit(
    balance: Balance, arguments: Any, law: SlipLaw, iterate: _Iterate, floor: Scalar
) -> Triple:
    """Slips at the root, with the derivative of the implicit function theorem."""
    frozen, fixed = jax.tree.map(lax.stop_gradient, (arguments, law))
    z, x = jax.tree.map(lax.stop_gradient, iterate)
    m = fixed.rate_sensitivity
    drive, resistance, slopes = _linearized(balance, frozen, x, 1.0)
    live_drive, live_resistance = balance(x, arguments, 1.0)
    residual, matrix, asleep = [], [], []
    for p in range(3):
        rate_factor = jnp.exp(m * z[p])
        sleeps = (z[p] <= floor) & (drive[p] - resistance[p] * rate_factor <= 0.0)
        row = [(slopes[q][1][p] * rate_factor - slopes[q][0][p]) * x[q] for q in range(3)]
        row[p] = row[p] + m * resistance[p] * rate_factor
        matrix.append([jnp.where(sleeps, float(p == q), row[q]) for q in range(3)])
        # At a given slip, the rate factor changes with the step's reference slip and exponent.
        live_factor = jnp.exp(law.rate_sensitivity * jnp.log(x[p] / law.reference_slip))
        excess = live_drive[p] - live_resistance[p] * live_factor
        residual.append(jnp.where(sleeps, 0.0, excess))
        asleep.append(sleeps)
    matrix = jax.tree.map(lax.stop_gradient, matrix)
    change = _solve(matrix, (residual[0], residual[1], residual[2]))
    first, second, third = (jnp.where(asleep[p], 0.0, x[p] * (1.0 + change[p])) for p in range(3))
    return (first, second, third)
