import math

import numpy as np

from ngcfem.constitutive.local_solve import solve_decreasing
from ngcfem.constitutive.xla import jax, jnp


def solve(residual, arguments, upper, active=True):
    zero = jnp.zeros_like(upper)
    return solve_decreasing(
        residual, zero, upper, zero, arguments, jnp.asarray(active), jnp.asarray(1e-12)
    )


def test_root_and_derivative_of_a_closed_form():
    def root(a):
        return solve(lambda x, a: a - x - jnp.exp(x) + 1.0, a, a).root

    # x + e^x - 1 = a, dx/da = 1 / (1 + e^x).
    x = 0.3
    a = jnp.asarray(x + math.exp(x) - 1.0)
    assert abs(float(root(a)) - x) < 1e-15
    exact = 1.0 / (1.0 + math.exp(x))
    assert abs(float(jax.jacfwd(root)(a)) - exact) < 1e-14
    assert abs(float(jax.jacrev(root)(a)) - exact) < 1e-14


def test_bisection_saves_newton_from_flat_and_steep_residuals():
    def residual(x, shift):
        return -jnp.arctan(50.0 * (x - shift))

    shifts = jnp.linspace(0.01, 9.99, 40)
    found = jax.vmap(lambda s: solve(residual, s, jnp.asarray(10.0)))(shifts)
    assert np.all(np.asarray(found.status) == 0)
    np.testing.assert_allclose(found.root, shifts, rtol=0, atol=1e-12)


def test_inactive_points_are_left_alone():
    solution = solve(lambda x, a: a - x, jnp.asarray(1.0), jnp.asarray(2.0), active=False)
    assert float(solution.root) == 0.0
    assert int(solution.status) == 0


def test_a_residual_that_is_not_a_number_is_reported():
    solution = solve(lambda x, a: a - x + jnp.nan, jnp.asarray(1.0), jnp.asarray(2.0))
    assert int(solution.status) == 1
