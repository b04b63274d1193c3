"""Sparse matrices that take the entries of their element matrices as they come."""

from mpi4py import MPI

import numpy as np
from petsc4py import PETSc

from ngcfem.quantities import IntArray


def coordinate_matrix(
    comm: MPI.Comm,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    rows: IntArray,
    columns: IntArray,
) -> PETSc.Mat:
    """Create a matrix that takes its values by ``setValuesCOO`` in the order of the coordinates.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        Communicator; the call is collective.
    sizes : tuple
        Local and global number of rows, local and global number of columns.
    rows, columns : ndarray of int, shape (entries,)
        Global coordinates of the entries of this rank. Entries at the same place are summed, those
        with a negative coordinate are left out.

    Returns
    -------
    petsc4py.PETSc.Mat
        Matrix without values.
    """
    matrix = PETSc.Mat().create(comm)
    matrix.setSizes(sizes)
    matrix.setType(PETSc.Mat.Type.AIJ)
    matrix.setPreallocationCOO(
        rows.astype(PETSc.IntType),
        columns.astype(PETSc.IntType),
    )
    return matrix


def repeated_rows(rows: IntArray, columns: IntArray) -> IntArray:
    """Row of every entry of element matrices, each stored row by row.

    Parameters
    ----------
    rows : ndarray of int, shape (m, r)
        Rows of each element matrix.
    columns : ndarray of int, shape (m, c)
        Its columns.

    Returns
    -------
    ndarray of int, shape (m * r * c,)
        Rows.
    """
    return rows.repeat(columns.shape[1], axis=1).ravel()


def repeated_columns(rows: IntArray, columns: IntArray) -> IntArray:
    """Column of every entry of element matrices, each stored row by row.

    Parameters
    ----------
    rows : ndarray of int, shape (m, r)
        Rows of each element matrix.
    columns : ndarray of int, shape (m, c)
        Its columns.

    Returns
    -------
    ndarray of int, shape (m * r * c,)
        Columns.
    """
    return np.tile(columns, (1, rows.shape[1])).ravel()
