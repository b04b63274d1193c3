"""Deformation of a specimen: where the atoms of the undeformed material have gone."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ngcfem.quantities import FloatArray


class Deformation(Protocol):
    """A deformation of the endless material."""

    @property
    def gradient(self) -> FloatArray:
        """Mean deformation gradient, shape (3, 3)."""
        ...

    @property
    def fluctuation_nm(self) -> float:
        """Largest distance in nm of an atom from where the mean gradient alone would take it."""
        ...

    def moved(self, points: FloatArray) -> FloatArray:
        """Take points to where they have gone.

        Parameters
        ----------
        points : ndarray, shape (n, 3)
            Positions in nm before the deformation.

        Returns
        -------
        ndarray, shape (n, 3)
            Positions after it.
        """
        ...


@dataclass(frozen=True, eq=False)
class HomogeneousDeformation:
    """The same deformation gradient everywhere.

    Parameters
    ----------
    gradient : ndarray, shape (3, 3)
        Deformation gradient, of positive determinant.
    """

    gradient: FloatArray

    @property
    def fluctuation_nm(self) -> float:
        """No atom departs from the mean."""
        return 0.0

    def moved(self, points: FloatArray) -> FloatArray:
        """Take points to where they have gone.

        Parameters
        ----------
        points : ndarray, shape (n, 3)
            Positions in nm before the deformation.

        Returns
        -------
        ndarray, shape (n, 3)
            Positions after it.
        """
        return points @ self.gradient.T


def undeformed() -> HomogeneousDeformation:
    """Leave everything where it is.

    Returns
    -------
    HomogeneousDeformation
        The identity.
    """
    return HomogeneousDeformation(np.eye(3))


def largest_true_strain(gradient: FloatArray) -> float:
    """Principal true strain of the largest magnitude.

    Parameters
    ----------
    gradient : ndarray, shape (3, 3)
        Deformation gradient.

    Returns
    -------
    float
        Logarithm of the principal stretch that differs most from 1; negative in compression.
    """
    strains = np.log(np.linalg.svd(gradient, compute_uv=False))
    return float(strains[np.abs(strains).argmax()])
