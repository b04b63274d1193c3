"""Scalar equations inside a law: a bracketed Newton iteration with an exact derivative."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ngcfem.constitutive.law import CONVERGED, LOCAL_ITERATION_FAILED, Scalar
from ngcfem.constitutive.xla import jax, jnp, lax

MAXIMUM_ITERATIONS = 60
FREE_STEPS = 8


class LocalSolution(NamedTuple):
    """Root of a local equation.

    Parameters
    ----------
    root : Array
        The root, differentiable with respect to the arguments of the equation.
    status : Array of int
        `CONVERGED` or `LOCAL_ITERATION_FAILED`.
    """

    root: Scalar
    status: Scalar


class _Iterate(NamedTuple):
    lower: Scalar
    upper: Scalar
    root: Scalar
    size: Scalar
    done: Scalar
    iterations: Scalar


def solve_decreasing(
    residual: Callable[[Scalar, Any], Scalar],
    lower: Scalar,
    upper: Scalar,
    guess: Scalar,
    arguments: Any,
    active: Scalar,
    tolerance: Scalar,
) -> LocalSolution:
    """Find the root of a scalar function that falls from positive to negative in a bracket.

    Parameters
    ----------
    residual : callable
        ``residual(x, arguments)``, positive at `lower` and negative at `upper`.
    lower, upper, guess : Array
        Bracket and first guess.
    arguments : pytree of Array
        Everything the residual depends on besides x and that depends on the strain, the state or
        the parameters: derivatives are taken with respect to these only.
    active : Array of bool
        Where False nothing is solved and the root is 0.
    tolerance : Array
        Residual at which the iteration stops.

    Returns
    -------
    LocalSolution
        Root and status.

    Notes
    -----
    1. Newton steps; one that leaves the bracket, or meets a slope that is not negative, is replaced
       by a bisection, and so is one after a step that did not halve the residual, once a few free
       steps are over: without that, Newton's method can go to and fro across a turn of the curve.
       The bracket shrinks at every step, so the iteration cannot run away.
    2. The iteration sees its arguments without derivatives. One more Newton step with the slope
       frozen at the root and the arguments live follows: its value is the root and its first
       derivative is that of the implicit function theorem, -(dr/dx)^-1 dr/da.
    """
    frozen = jax.tree.map(lax.stop_gradient, arguments)
    stop = lax.stop_gradient(tolerance)

    def value_and_slope(x: Scalar) -> tuple[Scalar, Scalar]:
        return jax.jvp(lambda y: residual(y, frozen), (x,), (jnp.ones_like(x),))

    def unfinished(iterate: _Iterate) -> Scalar:
        return jnp.logical_and(
            iterate.iterations < MAXIMUM_ITERATIONS, jnp.logical_not(iterate.done)
        )

    def improve(iterate: _Iterate) -> _Iterate:
        value, slope = value_and_slope(iterate.root)
        lower = jnp.where(value > 0.0, iterate.root, iterate.lower)
        upper = jnp.where(value > 0.0, iterate.upper, iterate.root)
        newton = iterate.root - value / jnp.where(slope < 0.0, slope, -1.0)
        size = jnp.abs(value)
        halved = (size < 0.5 * iterate.size) | (iterate.iterations < FREE_STEPS)
        inside = (newton > lower) & (newton < upper) & (slope < 0.0) & halved
        done = size <= stop
        following = jnp.where(inside, newton, 0.5 * (lower + upper))
        root = jnp.where(done, iterate.root, following)
        return _Iterate(lower, upper, root, size, done, iterate.iterations + 1)

    zero = jnp.zeros_like(lax.stop_gradient(guess))
    start = _Iterate(
        lower=lax.stop_gradient(lower) + zero,
        upper=lax.stop_gradient(upper) + zero,
        root=lax.stop_gradient(guess) + zero,
        size=zero + jnp.inf,
        done=jnp.logical_not(active),
        iterations=jnp.zeros_like(zero, dtype=jnp.int32),
    )
    end = lax.while_loop(unfinished, improve, start)
    root = lax.stop_gradient(end.root)
    slope = lax.stop_gradient(value_and_slope(root)[1])
    polished = root - residual(root, arguments) / jnp.where(slope < 0.0, slope, -1.0)
    status = jnp.where(end.done, CONVERGED, LOCAL_ITERATION_FAILED).astype(jnp.int32)
    return LocalSolution(jnp.where(active, polished, 0.0), status)
