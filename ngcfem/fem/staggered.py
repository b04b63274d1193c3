"""Displacement and nonlocal field in turn, where Newton's method on both together fails."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mpi4py import MPI

import numpy as np

from ngcfem.fem.newton import EquilibriumState, NewtonOutcome, NewtonSolver, residual_measure
from ngcfem.fem.solver_options import SolverOptions
from ngcfem.quantities import BoolArray, FloatArray

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

MAXIMUM_ALTERNATIONS = 60
HISTORY = 8
"""Earlier alternations that the next field is extrapolated from."""
STAGNATION_ALTERNATIONS = 20
RESTART = 5
"""Alternations without a smaller residual after which the extrapolation starts anew."""
_INNER_SHARE = 0.1
"""Tolerance of the equilibrium at a fixed field, over that of the whole."""
_SINGULAR = 1e-12


class StaggeredSolver:
    """Alternate between equilibrium at a fixed field and the field at fixed displacements.

    Parameters
    ----------
    options : SolverOptions
        Tolerances.
    newton : NewtonSolver
        Solves for the displacement at a fixed field.
    correct_field : callable
        ``correct_field(state) -> change``: one Newton step of the field equation at the
        displacements of the last evaluated state; collective.
    comm : mpi4py.MPI.Comm
        Communicator.

    Notes
    -----
    1. Equilibrium at the present field chi, ten times as sharp as asked for: what is left of it
       would be taken for a property of the map below. At a fixed field the over-nonlocal law
       hardens, so that this problem has one solution.
    2. If the residuals of both equations meet the tolerance, done: it is the criterion of the
       monolithic iteration.
    3. The change f of the field at fixed displacements, and Anderson's extrapolation of the map
       chi -> chi + f from up to eight earlier alternations.

    Without step 3 the alternation need not converge: for a strip in shear a mode of wave number k
    grows by m / (m - 1) / (1 + k^2 l^2) in each turn, more than one for all modes longer than those
    of the band.

    References
    ----------
    Anderson (1965), J. ACM 12, 547-560, doi 10.1145/321296.321305.
    Walker and Ni (2011), SIAM J. Numer. Anal. 49, 1715-1735, doi 10.1137/10078356X.
    """

    def __init__(
        self,
        options: SolverOptions,
        newton: NewtonSolver,
        correct_field: Callable[[EquilibriumState], FloatArray],
        comm: "Intracomm",
    ) -> None:
        self._options = options
        self._newton = newton
        self._correct_field = correct_field
        self._comm = comm

    def solve(
        self,
        fluctuation: FloatArray,
        deformation_gradient: FloatArray,
        free: BoolArray,
        target_stress: FloatArray,
        nonlocal_field: FloatArray,
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
        nonlocal_field : ndarray, shape (owned unknowns,)
            First guess of the nonlocal field.

        Returns
        -------
        NewtonOutcome
            Converged state or the reason why there is none; iterations of all alternations.
        """
        tolerance = self._options.residual_tolerance
        fields: list[FloatArray] = []
        changes: list[FloatArray] = []
        residuals: list[float] = []
        iterations = linear_iterations = 0
        reason = f"no convergence in {MAXIMUM_ALTERNATIONS} alternations"
        for alternation in range(1, MAXIMUM_ALTERNATIONS + 1):
            inner = self._newton.solve(
                fluctuation,
                deformation_gradient,
                free,
                target_stress,
                nonlocal_field,
                held_field_tolerance=_INNER_SHARE * tolerance,
            )
            iterations += inner.iterations
            linear_iterations += inner.linear_iterations
            state = inner.state
            if state is None:
                residuals.append(np.inf)
                reason = f"alternation {alternation}: {inner.reason}"
                break
            residual, _ = residual_measure(state, free, target_stress)
            residuals.append(residual)
            if residual <= tolerance:
                return NewtonOutcome(
                    state, "converged", iterations, linear_iterations, residual, alternation
                )
            if alternation > STAGNATION_ALTERNATIONS and min(
                residuals[-STAGNATION_ALTERNATIONS // 2 :]
            ) > 0.5 * min(residuals[: -STAGNATION_ALTERNATIONS // 2]):
                reason = f"the alternation stagnates at {min(residuals):.1e}"
                break
            fluctuation, deformation_gradient = state.fluctuation, state.deformation_gradient
            if len(residuals) > RESTART and residual > min(residuals[:-RESTART]):
                # Points begin or cease to flow, and what the earlier turns say no longer holds.
                fields, changes = fields[-1:], changes[-1:]
            fields = [*fields[-HISTORY:], state.nonlocal_field]
            changes = [*changes[-HISTORY:], self._correct_field(state)]
            nonlocal_field = self._extrapolated(fields, changes)
        return NewtonOutcome(
            None,
            f"{reason} of displacement and nonlocal field",
            iterations,
            linear_iterations,
            residuals[-1],
            len(residuals),
        )

    def _extrapolated(self, fields: list[FloatArray], changes: list[FloatArray]) -> FloatArray:
        """Anderson's next field from the last fields and what the map changed in each."""
        if len(fields) == 1:
            return fields[-1] + changes[-1]
        of_fields = np.diff(np.array(fields), axis=0)
        of_changes = np.diff(np.array(changes), axis=0)
        local = np.column_stack([of_changes @ of_changes.T, of_changes @ changes[-1]])
        products = self._comm.allreduce(local, op=MPI.SUM)
        # Late changes are orders of magnitude smaller than early ones, and matter most.
        scale = 1.0 / np.sqrt(np.maximum(np.diag(products), 1e-300))
        values, vectors = np.linalg.eigh(products[:, :-1] * scale * scale[:, None])
        kept = values > _SINGULAR * max(float(values[-1]), 1e-300)
        right = vectors[:, kept].T @ (scale * products[:, -1])
        weights = scale * (vectors[:, kept] @ (right / values[kept]))
        return fields[-1] + changes[-1] - weights @ (of_fields + of_changes)
