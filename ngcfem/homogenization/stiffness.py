"""Effective stiffness of a representative volume in the notations of the field."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ngcfem.quantities import FloatArray

if TYPE_CHECKING:
    from ngcfem.fem.problem import PeriodicProblem

VOIGT_PAIRS: tuple[tuple[int, int], ...] = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
PLANE_VOIGT_PAIRS: tuple[tuple[int, int], ...] = ((0, 0), (1, 1), (2, 2), (0, 1))


@dataclass(frozen=True, eq=False)
class EffectiveStiffness:
    """Effective tangent of a state, and what is read from it.

    Parameters
    ----------
    tangent : ndarray, shape (9, 9)
        dP_iJ/dF_kL in GPa, component 3 i + J against 3 k + L. Of a cell of the plane, rows and
        columns of shear along z are NaN.
    dimension : int
        3, or 2 for a cell of the plane, which is a body that does not change along z.
    """

    tangent: FloatArray
    dimension: int = 3

    @property
    def voigt(self) -> FloatArray:
        """Stiffness in GPa between stress (11, 22, 33, 23, 13, 12) and engineering strain.

        A cell of the plane gives the block of 11, 22, 33 and 12. The minor symmetries are taken by
        averaging; they hold exactly in the stress-free state.
        """
        pairs = VOIGT_PAIRS if self.dimension == 3 else PLANE_VOIGT_PAIRS
        stiffness = np.empty((len(pairs), len(pairs)))
        tangent = self.tangent.reshape(3, 3, 3, 3)
        for row, (i, j) in enumerate(pairs):
            for column, (k, m) in enumerate(pairs):
                stiffness[row, column] = 0.25 * (
                    tangent[i, j, k, m]
                    + tangent[j, i, k, m]
                    + tangent[i, j, m, k]
                    + tangent[j, i, m, k]
                )
        return stiffness

    @property
    def bulk_modulus_gpa(self) -> float:
        """Voigt average of the bulk modulus: a ninth of the sum of the normal block."""
        return float(self.voigt[:3, :3].sum()) / 9.0

    @property
    def youngs_moduli_gpa(self) -> tuple[float, float, float]:
        """Young's moduli along x, y and z; a cell of the plane is not coupled to 13 and 23."""
        compliance = np.linalg.inv(self.voigt)
        return (
            1.0 / float(compliance[0, 0]),
            1.0 / float(compliance[1, 1]),
            1.0 / float(compliance[2, 2]),
        )


def effective_stiffness(problem: "PeriodicProblem") -> EffectiveStiffness:
    """Effective stiffness of the state a problem stands at; collective.

    Parameters
    ----------
    problem : PeriodicProblem
        At any committed state.

    Returns
    -------
    EffectiveStiffness
        The same on every rank.

    Raises
    ------
    NotConvergedError
        If a linear solve fails.
    ValueError
        If the specimen stands between platens.
    """
    return EffectiveStiffness(problem.effective_tangent(), problem.volume.source.dimension)
