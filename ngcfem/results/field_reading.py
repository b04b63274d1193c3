"""Field snapshots of a run read back: places, volumes and values of the elements."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ngcfem.quantities import FloatArray
from ngcfem.results.fields import COLLECTION_NAME, read_collection


@dataclass(frozen=True, eq=False)
class ElementField:
    """One scalar of every element of a snapshot.

    Parameters
    ----------
    step : int
        Number of the snapshot: the increment asked for.
    time_s : float
        Time on the load path.
    dimension : int
        2 for triangles, 3 for tetrahedra.
    centre_nm : ndarray, shape (m, dimension)
        Centroid of the corners in the undeformed cell.
    volume : ndarray, shape (m,)
        Undeformed area in nm^2 or volume in nm^3, edges taken as straight.
    values : ndarray, shape (m,)
        The scalar.
    """

    step: int
    time_s: float
    dimension: int
    centre_nm: FloatArray
    volume: FloatArray
    values: FloatArray


def snapshot_steps(directory: Path) -> list[int]:
    """List the snapshots that a run has written.

    Parameters
    ----------
    directory : Path
        The ``fields`` directory of a run.

    Returns
    -------
    list of int
        Increments asked for, in order.
    """
    return [step for step, _, _ in read_collection(directory / COLLECTION_NAME)]


def read_element_field(directory: Path, step: int, name: str) -> ElementField:
    """Read one scalar of the elements of a snapshot.

    Parameters
    ----------
    directory : Path
        The ``fields`` directory of a run.
    step : int
        One of `snapshot_steps`.
    name : str
        Name of a scalar cell field.

    Returns
    -------
    ElementField
        The pieces of all ranks behind one another.

    Raises
    ------
    KeyError
        If there is no such snapshot or no such field.
    """
    found = {n: (time, file) for n, time, file in read_collection(directory / COLLECTION_NAME)}
    time, file = found[step]
    pieces = [_read_piece(piece, name) for piece in _pieces(directory / file)]
    dimension = 2 if pieces[0][0].shape[1] == 3 else 3
    corners = np.concatenate([piece[0] for piece in pieces])[:, :, :dimension]
    edges = corners[:, 1:] - corners[:, :1]
    return ElementField(
        step=step,
        time_s=time,
        dimension=dimension,
        centre_nm=corners.mean(axis=1),
        volume=np.abs(np.linalg.det(edges)) / (2.0 if dimension == 2 else 6.0),
        values=np.concatenate([piece[1] for piece in pieces]),
    )


def _pieces(path: Path) -> list[Path]:
    if path.suffix != ".pvtu":
        return [path]
    pieces = ElementTree.parse(path).iter("Piece")
    return [path.parent / str(piece.get("Source")) for piece in pieces]


def _read_piece(path: Path, name: str) -> tuple[FloatArray, FloatArray]:
    """Corners (m, corners, 3) and values (m,) of one file."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

    reader: Any = vtkXMLUnstructuredGridReader()
    reader.SetFileName(os.fspath(path))
    reader.Update()
    grid = reader.GetOutput()
    array = grid.GetCellData().GetArray(name)
    if array is None:
        raise KeyError(f"{path} has no cell field {name!r}")
    cells = vtk_to_numpy(grid.GetCells().GetConnectivityArray())
    cells = cells.reshape(grid.GetNumberOfCells(), -1)
    corners = {3: 3, 6: 3, 4: 4, 10: 4}[cells.shape[1]]
    points = np.array(vtk_to_numpy(grid.GetPoints().GetData()), dtype=float)
    return points[cells[:, :corners]], np.array(vtk_to_numpy(array), dtype=float)
