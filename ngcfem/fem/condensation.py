"""Macroscopic tangent of a cell: the fluctuation condensed out of the bordered system."""

from mpi4py import MPI

import numpy as np

from ngcfem.errors import NotConvergedError
from ngcfem.fem.assembly import FluctuationSpace
from ngcfem.fem.linear_solver import BorderedSolver
from ngcfem.quantities import FloatArray

PLANE_COMPONENTS = np.array([0, 1, 3, 4, 8])
"""Components 3 i + J that a cell of the plane answers to: those in the plane, and F33."""
RELATIVE_TOLERANCE = 1e-12
MAXIMUM_ITERATIONS = 2000


def condense_tangent(space: FluctuationSpace, linear: BorderedSolver) -> FloatArray:
    """Condense the tangent moduli of the cells into those of the whole; collective.

    Parameters
    ----------
    space : FluctuationSpace
        Holds the tangent moduli of a configuration.
    linear : BorderedSolver
        Linear solver of that space.

    Returns
    -------
    ndarray, shape (9, 9)
        dP/dF in GPa times the volume in nm^3, component 3 i + J against 3 k + L; NaN for shear
        along z of a cell of the plane.

    Raises
    ------
    NotConvergedError
        If a linear solve fails.

    Notes
    -----
    D - B^T K^{-1} C, one linear solve a column.
    """
    components = np.arange(9) if space.dimension == 3 else PLANE_COMPONENTS
    space.assemble_tangent()
    columns, rows = space.border(components, symmetric=False)
    condensed = space.integrated_moduli()[np.ix_(components, components)]
    linear.update(columns[:, :0], rows[:, :0], np.zeros((0, 0)))
    for column in range(len(components)):
        response, _, result = linear.solve(
            columns[:, column].reshape(-1, space.dimension),
            np.zeros(0),
            RELATIVE_TOLERANCE,
            MAXIMUM_ITERATIONS,
        )
        if not result.converged:
            raise NotConvergedError("a linear solve of the effective tangent failed")
        condensed[:, column] -= space.comm.allreduce(rows.T @ response.ravel(), op=MPI.SUM)
    tangent = np.full((9, 9), np.nan)
    tangent[np.ix_(components, components)] = condensed
    return tangent
