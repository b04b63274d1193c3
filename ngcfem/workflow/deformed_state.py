"""Deformation of a specimen: where the atoms of the undeformed material have gone."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy.ndimage import map_coordinates

from ngcfem.quantities import FloatArray
from ngcfem.results.displacement_field import DisplacementField

GRID_SPACING_NM = 0.4
"""Spacing of the grid that the displacements of a run are carried over to: finer than any mesh."""


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


@dataclass(frozen=True, eq=False)
class PeriodicDeformation:
    """A mean deformation gradient, and periodic departures from it.

    Parameters
    ----------
    gradient : ndarray, shape (3, 3)
        Mean deformation gradient.
    lattice : ndarray, shape (3, 3)
        Period vectors before the deformation as rows, in nm.
    departures_nm : ndarray, shape (n1, n2, n3, 3)
        Displacement beyond that of the mean, at the points (i / n1, j / n2, k / n3) of the period.
    """

    gradient: FloatArray
    lattice: FloatArray
    departures_nm: FloatArray

    @property
    def fluctuation_nm(self) -> float:
        """Largest departure from the mean."""
        return float(np.linalg.norm(self.departures_nm, axis=-1).max())

    def moved(self, points: FloatArray) -> FloatArray:
        """Take points to where they have gone.

        Parameters
        ----------
        points : ndarray, shape (n, 3)
            Positions in nm before the deformation, in any period.

        Returns
        -------
        ndarray, shape (n, 3)
            Positions after it, the departures interpolated linearly between the points of the grid.
        """
        fractional = points @ np.linalg.inv(self.lattice)
        places = (fractional * self.departures_nm.shape[:3]).T
        departures = [
            map_coordinates(self.departures_nm[..., axis], places, order=1, mode="grid-wrap")
            for axis in range(3)
        ]
        return points @ self.gradient.T + np.column_stack(departures)


def run_deformation(
    fields: Path, step: int, lattice: FloatArray, spacing_nm: float = GRID_SPACING_NM
) -> PeriodicDeformation:
    """Take the deformation of a periodic cell from a snapshot of its run.

    Parameters
    ----------
    fields : Path
        The ``fields`` directory of the run.
    step : int
        Number of the snapshot.
    lattice : ndarray, shape (3, 3)
        Period vectors of the mesh as rows, in nm, in the frame of the mesh.
    spacing_nm : float
        Largest distance between points of the grid.

    Returns
    -------
    PeriodicDeformation
        The deformation.

    Raises
    ------
    KeyError
        As `DisplacementField` says.

    Notes
    -----
    The mesh need not fill the box of the period: grains stick out of it as wholes. A point that no
    element holds is therefore looked for one period further, in each direction; what is found
    nowhere, on a curved face, takes the value of the nearest node.
    """
    field = DisplacementField(fields, step)
    gradient = field.mean_gradient
    shape = np.ceil(np.linalg.norm(lattice, axis=1) / spacing_nm).astype(int)
    grid = np.meshgrid(*[np.arange(n) / n for n in shape], indexing="ij")
    points = np.stack(grid, axis=-1).reshape(-1, 3) @ lattice
    departures = np.zeros_like(points)
    missing = np.arange(len(points))
    shifts = sorted(itertools.product((0, 1, -1), repeat=3), key=lambda shift: np.abs(shift).sum())
    for shift in shifts:
        if not missing.size:
            break
        there = points[missing] + np.array(shift) @ lattice
        moved, found = field.at(there)
        departures[missing[found]] = (moved - there @ (gradient - np.eye(3)).T)[found]
        missing = missing[~found]
    if missing.size:
        nodes = field.nodes_nm
        own = field.displacements_nm - nodes @ (gradient - np.eye(3)).T
        departures[missing] = own[field.nearest(points[missing])]
    return PeriodicDeformation(gradient, lattice, departures.reshape(*shape, 3))


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
