"""Newton iteration of one step: bordered linear solves, inexact tolerance, line search."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ngcfem.fem.linear_solver import BorderedSolver
from ngcfem.fem.solver_options import SolverOptions
from ngcfem.quantities import BoolArray, FloatArray, IntArray

STAGNATION_ITERATIONS = 6


@dataclass(frozen=True, eq=False)
class EquilibriumState:
    """Everything known of a trial configuration.

    Parameters
    ----------
    fluctuation : ndarray, shape (owned nodes, d)
        Displacement fluctuation in nm.
    deformation_gradient : ndarray, shape (3, 3)
        Macroscopic F.
    stress : ndarray, shape (3, 3)
        Macroscopic nominal stress in GPa.
    forces : ndarray, shape (owned nodes, d)
        Residual forces in nN.
    force_residual : float
        Norm of the forces over the norm of the summed element-force magnitudes.
    stress_scale : float
        Volume average of the norm of the nominal stress in GPa, floored.
    point_deformation_gradient : ndarray, shape (points, 9)
        F at the integration points.
    point_stress : ndarray, shape (points, 9)
        Nominal stress in GPa at the integration points.
    minimum_jacobian : float
        Smallest det F over the integration points of all ranks.
    asymmetry : float
        Relative asymmetry of the tangent moduli.
    failure : str
        Why the configuration cannot be used; empty if it can.
    nonlocal_field : ndarray, shape (owned unknowns,)
        Nonlocal field; empty without one.
    field_forces : ndarray, shape (owned unknowns,)
        Residual of the field equation in nm^3.
    field_residual : float
        Norm of the latter over that of the summed magnitudes.
    field_row_scale : float
        Force in nN per nm^3 that makes both residuals count alike in a linear solve.
    """

    fluctuation: FloatArray
    deformation_gradient: FloatArray
    stress: FloatArray
    forces: FloatArray
    force_residual: float
    stress_scale: float
    point_deformation_gradient: FloatArray
    point_stress: FloatArray
    minimum_jacobian: float
    asymmetry: float
    failure: str = ""
    nonlocal_field: FloatArray = field(default_factory=lambda: np.zeros(0))
    field_forces: FloatArray = field(default_factory=lambda: np.zeros(0))
    field_residual: float = 0.0
    field_row_scale: float = 1.0


@dataclass(frozen=True, eq=False)
class NewtonOutcome:
    """How a Newton iteration ended.

    Parameters
    ----------
    state : EquilibriumState or None
        Converged configuration; None if there is none.
    reason : str
        "converged", or why not.
    iterations, linear_iterations : int
        Newton iterations (linear solves) and Krylov iterations spent.
    residual : float
        Last relative residual.
    staggered_iterations : int
        Alternations between displacement and nonlocal field among them.
    """

    state: EquilibriumState | None
    reason: str
    iterations: int
    linear_iterations: int
    residual: float
    staggered_iterations: int = 0


def residual_measure(
    state: EquilibriumState,
    free: BoolArray,
    target_stress: FloatArray,
    with_field: bool = True,
) -> tuple[float, FloatArray]:
    """Relative residual of a configuration, and the macroscopic part of it.

    Parameters
    ----------
    state : EquilibriumState
        Configuration.
    free : ndarray of bool, shape (3, 3)
        Components whose stress is prescribed.
    target_stress : ndarray, shape (3, 3)
        Prescribed nominal stress in GPa.
    with_field : bool
        Whether the residual of the nonlocal field counts.

    Returns
    -------
    residual : float
        Largest of the relative residuals of the nodes, of the nonlocal field and of the macroscopic
        stress.
    stress_residual : ndarray, shape (c,)
        Macroscopic stress minus its target, in GPa.
    """
    stress_residual = (state.stress - target_stress)[free]
    macroscopic = float(np.abs(stress_residual).max(initial=0.0)) / state.stress_scale
    field_residual = state.field_residual if with_field else 0.0
    return max(state.force_residual, field_residual, macroscopic), stress_residual


class NewtonSolver:
    """Newton's method on fluctuation and free macroscopic components.

    Parameters
    ----------
    options : SolverOptions
        Tolerances and limits.
    linear : BorderedSolver
        Linear solver.
    evaluate : callable
        ``evaluate(fluctuation, deformation_gradient, field) -> EquilibriumState``; collective.
    linearize : callable
        ``linearize(free components, symmetric, row scale of the field)`` assembles the tangent of
        the last evaluated configuration and hands it to the linear solver, without the field if
        its row scale is None; collective.
    cell_volume_nm3 : float
        Volume the macroscopic stress refers to.

    Notes
    -----
    The linear tolerance follows the residual: with r the relative residual and t the tolerance
    asked for, max(0.3 t / r, r / 10) within the bounds of the options; tighter would solve the
    linear model better than it describes the problem. A step is halved while it inverts a point,
    breaks a law, or doubles the residual.
    """

    def __init__(
        self,
        options: SolverOptions,
        linear: BorderedSolver,
        evaluate: Callable[[FloatArray, FloatArray, FloatArray], EquilibriumState],
        linearize: Callable[[IntArray, bool, float | None], None],
        cell_volume_nm3: float,
    ) -> None:
        self._options = options
        self._linear = linear
        self._evaluate = evaluate
        self._linearize = linearize
        self._volume = cell_volume_nm3

    def solve(
        self,
        fluctuation: FloatArray,
        deformation_gradient: FloatArray,
        free: BoolArray,
        target_stress: FloatArray,
        nonlocal_field: FloatArray | None = None,
        held_field_tolerance: float | None = None,
    ) -> NewtonOutcome:
        """Find equilibrium from a first guess; collective.

        Parameters
        ----------
        fluctuation : ndarray, shape (owned nodes, d)
            First guess in nm.
        deformation_gradient : ndarray, shape (3, 3)
            First guess; the prescribed components already hold their values.
        free : ndarray of bool, shape (3, 3)
            Free components.
        target_stress : ndarray, shape (3, 3)
            Nominal stress in GPa of the free components.
        nonlocal_field : ndarray, shape (owned unknowns,), or None
            First guess of the nonlocal field.
        held_field_tolerance : float or None
            Given: the field stays as it is, and the other residuals have to meet this tolerance.

        Returns
        -------
        NewtonOutcome
            Converged state or the reason why there is none.
        """
        options = self._options
        with_field = held_field_tolerance is None
        tolerance = options.residual_tolerance if with_field else held_field_tolerance
        start = np.zeros(0) if nonlocal_field is None else nonlocal_field
        state = self._evaluate(fluctuation, deformation_gradient, start)
        if state.failure:
            return NewtonOutcome(None, f"first guess: {state.failure}", 0, 0, np.inf)
        components = np.flatnonzero(free.ravel())
        history: list[float] = []
        linear_iterations = 0
        for iteration in range(options.maximum_newton_iterations + 1):
            residual, stress_residual = residual_measure(state, free, target_stress, with_field)
            history.append(residual)
            if residual <= tolerance:
                return NewtonOutcome(state, "converged", iteration, linear_iterations, residual)
            if iteration == options.maximum_newton_iterations:
                break
            if (
                iteration >= STAGNATION_ITERATIONS
                and residual > 0.3 * history[iteration - 4]
                and residual > 1e3 * tolerance
            ):
                return NewtonOutcome(
                    None,
                    f"the residual stagnates at {residual:.1e}",
                    iteration,
                    linear_iterations,
                    residual,
                )
            symmetric = state.asymmetry < 1e-8
            if not symmetric:
                self._linear.use_gmres = True
            self._linearize(components, symmetric, state.field_row_scale if with_field else None)
            step, component_step, result = self._linear.solve(
                -state.forces,
                -self._volume * stress_residual,
                linear_tolerance(residual, tolerance, options.linear_tolerance),
                options.maximum_linear_iterations,
                -state.field_forces,
            )
            linear_iterations += result.iterations
            if not result.converged:
                return NewtonOutcome(
                    None,
                    f"the linear solver failed after {result.iterations} iterations",
                    iteration + 1,
                    linear_iterations,
                    residual,
                )
            field_step = result.field_change if with_field else np.zeros_like(start)
            accepted = self._line_search(
                state, (step, component_step, field_step), free, target_stress, residual, with_field
            )
            if accepted is None:
                return NewtonOutcome(
                    None,
                    "every shortened Newton step inverts a point or breaks a law",
                    iteration + 1,
                    linear_iterations,
                    residual,
                )
            state = accepted
        return NewtonOutcome(
            None,
            f"no convergence in {options.maximum_newton_iterations} iterations, "
            f"residual {history[-1]:.1e}",
            options.maximum_newton_iterations,
            linear_iterations,
            history[-1],
        )

    def _line_search(
        self,
        state: EquilibriumState,
        steps: tuple[FloatArray, FloatArray, FloatArray],
        free: BoolArray,
        target_stress: FloatArray,
        residual: float,
        with_field: bool,
    ) -> EquilibriumState | None:
        best: tuple[float, EquilibriumState, float] | None = None
        length = 1.0
        tried = length
        for _ in range(self._options.line_search_steps + 1):
            trial = self._stepped(state, steps, free, length)
            tried = length
            if not trial.failure:
                measure, _ = residual_measure(trial, free, target_stress, with_field)
                if best is None or measure < best[0]:
                    best = (measure, trial, length)
                if measure < 2.0 * residual or measure <= self._options.residual_tolerance:
                    break
            length *= 0.5
        if best is None:
            return None
        if best[2] != tried:
            # The moduli of the space belong to the last evaluation: take the best one again.
            return self._stepped(state, steps, free, best[2])
        return best[1]

    def _stepped(
        self,
        state: EquilibriumState,
        steps: tuple[FloatArray, FloatArray, FloatArray],
        free: BoolArray,
        length: float,
    ) -> EquilibriumState:
        step, component_step, field_step = steps
        deformation_gradient = state.deformation_gradient.copy()
        deformation_gradient[free] += length * component_step
        return self._evaluate(
            state.fluctuation + length * step,
            deformation_gradient,
            state.nonlocal_field + length * field_step,
        )


def linear_tolerance(residual: float, target: float, loosest: float) -> float:
    """Relative tolerance of the next linear solve.

    Parameters
    ----------
    residual : float
        Relative nonlinear residual.
    target : float
        Tolerance of the nonlinear residual.
    loosest : float
        Upper bound.

    Returns
    -------
    float
        Tolerance between 1e-10 and ``loosest``.
    """
    return float(np.clip(max(0.3 * target / residual, 0.1 * residual), 1e-10, loosest))
