"""Measures of the grains of a cell: sizes, area between them, intercepts and roundness."""

from dataclasses import dataclass

import numpy as np

from ngcfem.atomprobe.directions import even_directions
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.tessellation import laguerre_cells
from ngcfem.quantities import FloatArray, IntArray

_DIRECTIONS = 2000


@dataclass(frozen=True, eq=False)
class GrainMeasures:
    """Volumes and faces of the grains, each with its half of the network.

    Parameters
    ----------
    volumes_nm3 : ndarray, shape (n,)
        Volume of each grain.
    face_grain : ndarray of int, shape (m,)
        Grain of each face; every face occurs once from either side.
    face_area_nm2 : ndarray, shape (m,)
        Area of each face.
    face_normal : ndarray, shape (m, 3)
        Unit normal out of the grain.
    """

    volumes_nm3: FloatArray
    face_grain: IntArray
    face_area_nm2: FloatArray
    face_normal: FloatArray

    @property
    def diameters_nm(self) -> FloatArray:
        """Diameter of the sphere of the volume of each grain, shape (n,)."""
        return np.cbrt(6.0 * self.volumes_nm3 / np.pi)

    @property
    def area_density_per_nm(self) -> float:
        """Area between the grains over the volume of the cell, in nm^-1."""
        return float(0.5 * self.face_area_nm2.sum() / self.volumes_nm3.sum())

    @property
    def mean_sphericity(self) -> float:
        """Mean over the grains of the surface of the sphere of equal volume over the surface."""
        surfaces = np.bincount(
            self.face_grain, weights=self.face_area_nm2, minlength=len(self.volumes_nm3)
        )
        return float((np.pi * self.diameters_nm**2 / surfaces).mean())

    @property
    def mean_intercept_nm(self) -> float:
        """Mean lineal intercept in nm over all directions and grains.

        Notes
        -----
        A line crosses faces of area A_f and normal n_f sum_f A_f |n_f . u| / V times in the unit
        length; the mean of |n . u| over directions is 1/2.
        """
        return 2.0 / self.area_density_per_nm

    def intercepts_nm(self, directions: FloatArray) -> FloatArray:
        """Mean lineal intercept along given directions.

        Parameters
        ----------
        directions : ndarray, shape (k, 3)
            Unit vectors.

        Returns
        -------
        ndarray, shape (k,)
            Intercepts in nm.
        """
        crossings = 0.5 * np.abs(directions @ self.face_normal.T) @ self.face_area_nm2
        return self.volumes_nm3.sum() / crossings

    @property
    def anisotropy(self) -> float:
        """Longest mean intercept of all directions over the mean of those across it."""
        directions = even_directions(_DIRECTIONS)
        lengths = self.intercepts_nm(directions)
        longest = directions[np.argmax(lengths)]
        return float(lengths.max() / self.intercepts_nm(directions_across(longest)).mean())


def directions_across(direction: FloatArray) -> FloatArray:
    """Directions perpendicular to one, spread evenly over half a turn.

    Parameters
    ----------
    direction : ndarray, shape (3,)
        Unit vector.

    Returns
    -------
    ndarray, shape (180, 3)
        Unit vectors.
    """
    first = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
    first /= np.linalg.norm(first)
    angle = np.linspace(0.0, np.pi, 180, endpoint=False)
    return np.outer(np.cos(angle), first) + np.outer(np.sin(angle), np.cross(direction, first))


def measure_grains(cell: PeriodicCell) -> GrainMeasures:
    """Measure the grains of a cell.

    Parameters
    ----------
    cell : PeriodicCell
        A cell with grains, of dimension 3.

    Returns
    -------
    GrainMeasures
        In the frame of the cell.
    """
    edges = np.diag(cell.lattice)
    grains = laguerre_cells(cell.sites, cell.weights, edges)
    faces = [(n, facet) for n, grain in enumerate(grains) for facet in grain.facets]
    return GrainMeasures(
        np.array([grain.volume_nm3 for grain in grains]),
        np.array([n for n, _ in faces]),
        np.array([facet.area_nm2 for _, facet in faces]),
        np.array([facet.normal for _, facet in faces]),
    )
