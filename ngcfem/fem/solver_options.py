"""How a problem is solved: tolerances, step control and linear solver, as one frozen record."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SolverOptions:
    """Options of the nonlinear and the linear solver.

    Parameters
    ----------
    element : {"p2", "p2-nodal"}
        Displacement element: quadratic, or quadratic with a pressure that is averaged at the
        vertices of each body (`ngcfem.fem.nodal_pressure`).
    local_pressure_share : float
        Share of the bulk stiffness that "p2-nodal" leaves with the integration point, over 0; with
        1 it is plain "p2".
    residual_tolerance : float
        Relative norm of the nodal residual forces at which an increment has converged; the
        macroscopic stress components that are prescribed must meet it too.
    maximum_newton_iterations : int
        Iterations after which an increment is cut.
    linear_tolerance : float
        Loosest relative tolerance of the Krylov solve (inexact Newton tightens it as the residual
        falls).
    maximum_linear_iterations : int
        Krylov iterations after which a linear solve has failed.
    minimum_increment_fraction : float
        Smallest step, as a fraction of an increment asked for, before the run gives up.
    grow : bool
        Whether steps may become larger than the increments asked for.
    maximum_growth : int
        Largest number of increments asked for that one step may span, with ``grow``.
    predictor : {"secant", "affine", "none"}
        First guess of an increment.
    line_search_steps : int
        Halvings of a Newton step before it is taken as failed.
    viscosity_gpa_s : float
        Viscous regularization: overstress per equivalent plastic strain rate.
    nonlocal_field : {"shared", "per-phase"}
        Whether the nonlocal field of softening crosses phase boundaries, or each phase has its own.
    nonlocal_solution : {"monolithic-then-staggered", "monolithic", "staggered"}
        Whether displacement and nonlocal field are solved for together, in turn, or together and,
        before a step is cut, in turn.
    mesh_dependent : bool
        The user's word that softening without an internal length is wanted.
    petsc : mapping of str to str
        Extra PETSc options of the multigrid preconditioner.
    """

    element: str = "p2"
    local_pressure_share: float = 0.1
    residual_tolerance: float = 1e-7
    maximum_newton_iterations: int = 16
    linear_tolerance: float = 1e-3
    maximum_linear_iterations: int = 500
    minimum_increment_fraction: float = 1.0 / 1024.0
    grow: bool = False
    maximum_growth: int = 8
    predictor: str = "secant"
    line_search_steps: int = 6
    viscosity_gpa_s: float = 0.0
    nonlocal_field: str = "shared"
    nonlocal_solution: str = "monolithic-then-staggered"
    mesh_dependent: bool = False
    petsc: Mapping[str, str] = field(default_factory=dict)
