"""Displacements of a run, evaluated at any point of its mesh."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.quantities import BoolArray, FloatArray, IntArray
from ngcfem.results.fields import COLLECTION_NAME, read_collection

_NAME = "displacement [nm]"
_CORNERS: Mapping[int, int] = {4: 4, 10: 4}


class DisplacementField:
    """The displacements of one snapshot.

    Parameters
    ----------
    directory : Path
        The ``fields`` directory of a run.
    step : int
        Number of the snapshot.

    Raises
    ------
    KeyError
        If there is no such snapshot, it has no displacements, or it is one of the plane.
    """

    def __init__(self, directory: Path, step: int) -> None:
        import pyvista

        files = {n: file for n, _, file in read_collection(directory / COLLECTION_NAME)}
        path = directory / files[step]
        self._grid: Any = pyvista.read(os.fspath(path))
        if _NAME not in self._grid.point_data:
            raise KeyError(f"{path} has no {_NAME}")
        for name in list(self._grid.array_names):
            if name != _NAME:
                self._grid.field_data.pop(name, None)
                self._grid.point_data.pop(name, None)
                self._grid.cell_data.pop(name, None)
        cells = np.asarray(self._grid.cell_connectivity).reshape(self._grid.n_cells, -1)
        if cells.shape[1] not in _CORNERS:
            raise KeyError(f"{path} holds no tetrahedra")
        self._cells: IntArray = cells[:, : _CORNERS[cells.shape[1]]].astype(np.int64)

    @property
    def mean_gradient(self) -> FloatArray:
        """Mean deformation gradient, shape (3, 3).

        Notes
        -----
        Of the displacements interpolated linearly between the corners of the elements: as these are
        periodic but for the mean, the divergence theorem makes the mean exact.
        """
        corners = np.asarray(self._grid.points, dtype=float)[self._cells]
        moves = np.asarray(self._grid.point_data[_NAME], dtype=float)[self._cells]
        edges = corners[:, 1:] - corners[:, :1]
        volumes = np.abs(np.linalg.det(edges))
        # rows of edges: edges @ gradient^T = differences of the displacements
        gradients = np.linalg.solve(edges, moves[:, 1:] - moves[:, :1])
        mean = np.einsum("e,eij->ji", volumes, gradients) / volumes.sum()
        return np.eye(3) + mean

    def at(self, points: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Evaluate the displacement.

        Parameters
        ----------
        points : ndarray, shape (n, 3)
            Undeformed positions in nm.

        Returns
        -------
        displacement_nm : ndarray, shape (n, 3)
            Interpolated with the shape functions of the elements; of no meaning where there is no
            element.
        found : ndarray of bool, shape (n,)
            Whether an element holds the point.
        """
        import pyvista

        sampled: Any = pyvista.PolyData(points).sample(self._grid)
        found = np.asarray(sampled.point_data["vtkValidPointMask"], dtype=bool)
        return np.asarray(sampled.point_data[_NAME], dtype=float), found

    def nearest(self, points: FloatArray) -> IntArray:
        """Find the nodes nearest to points.

        Parameters
        ----------
        points : ndarray, shape (n, 3)
            Undeformed positions in nm.

        Returns
        -------
        ndarray of int, shape (n,)
            Rows of `nodes_nm` and `displacements_nm`.
        """
        from scipy.spatial import KDTree

        return np.asarray(KDTree(self.nodes_nm).query(points)[1], dtype=np.int64)

    @property
    def nodes_nm(self) -> FloatArray:
        """Undeformed positions of the nodes, shape (n, 3)."""
        return np.asarray(self._grid.points, dtype=float)

    @property
    def displacements_nm(self) -> FloatArray:
        """Displacements of the nodes, shape (n, 3)."""
        return np.asarray(self._grid.point_data[_NAME], dtype=float)
