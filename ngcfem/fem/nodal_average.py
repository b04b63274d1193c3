"""Averages at the vertices of each connected body, with lumped weights."""

from mpi4py import MPI

import basix
import dolfinx
import numpy as np

from ngcfem.fem.assembly import FluctuationSpace
from ngcfem.mesh.connected_cells import connected_cells
from ngcfem.quantities import FloatArray, IntArray


class NodalAverage:
    """Averages of point values over the cells of one body around each of its vertices.

    Parameters
    ----------
    space : FluctuationSpace
        Displacement space of the mesh.

    Attributes
    ----------
    owned : int
        Nodes of this rank; a node is a vertex as one body sees it.
    global_size : int
        Nodes of all ranks.
    number_of_bodies : int
        Connected bodies of the whole mesh.
    volumes_nm3 : ndarray, shape (owned,)
        Lumped weights: integrals of the linear shape functions over the body.
    shape : ndarray, shape (q, d + 1)
        Linear shape functions at the integration points of a cell.
    cell_nodes : ndarray of int, shape (m, d + 1)
        Local number of the node at each vertex of the owned cells.
    global_numbers : ndarray of int, shape (local nodes,)
        Number of each local node, ghosts included, over all ranks.

    Notes
    -----
    A body is what hangs together through facets within one phase and one grain, across the periods
    of a periodic problem. A vertex on the boundary between bodies carries one node for each of
    them, so that nothing is averaged across the boundary, nor between bodies that share no more
    than a vertex or an edge.

    With linear shape functions N_a and point weights w, the average of values v at node a is
    sum(w N_a v) / sum(w N_a). It keeps a constant, and is its own adjoint: the integral of
    u times the interpolated averages of v is that of v times those of u.
    """

    def __init__(self, space: FluctuationSpace) -> None:
        volume = space.volume
        source = volume.source
        self._comm = space.comm
        corners = volume.simplex.number_of_vertices
        vertices = source.cells[:, :corners].astype(np.int64)
        if space.has_translations:
            vertices = source.torus_node[vertices].astype(np.int64)
        kinds = source.phase.astype(np.int64) * (int(source.grain.max(initial=0)) + 2)
        body = connected_cells(vertices, kinds + source.grain)
        self.number_of_bodies: int = int(body.max(initial=-1)) + 1
        self._number(vertices * self.number_of_bodies + body[:, None], volume.original_cell)

        self._weights = space.element.weights
        linear = basix.create_element(basix.ElementFamily.P, basix.CellType[volume.simplex.name], 1)
        self.shape: FloatArray = linear.tabulate(0, space.element.reference_points)[0, :, :, 0]
        self.volumes_nm3: FloatArray = self.sums(np.ones(self._weights.size))

    def _number(self, keys: IntArray, own_cells: IntArray) -> None:
        """Number the nodes, one for each key; every rank holds the keys of the whole mesh."""
        comm = self._comm
        unique, inverse = np.unique(keys, return_inverse=True)
        cell_keys = inverse.reshape(keys.shape)[own_cells]
        owner = np.full(len(unique), comm.size, np.int32)
        owner[cell_keys] = comm.rank
        comm.Allreduce(MPI.IN_PLACE, owner, MPI.MIN)
        local = np.unique(cell_keys)
        local = local[np.argsort(owner[local] != comm.rank, kind="stable")]
        self.owned: int = int((owner[local] == comm.rank).sum())
        offset = comm.exscan(self.owned) or 0
        number = np.full(len(unique), -1, np.int64)
        number[local[: self.owned]] = offset + np.arange(self.owned)
        comm.Allreduce(MPI.IN_PLACE, number, MPI.MAX)
        position = np.empty(len(unique), np.int64)
        position[local] = np.arange(len(local))
        self.global_size: int = len(unique)
        self.cell_nodes: IntArray = position[cell_keys]
        self.global_numbers: IntArray = number[local]
        index_map = dolfinx.common.IndexMap(
            comm, self.owned, number[local[self.owned :]], owner[local[self.owned :]], 1202
        )
        self._work = dolfinx.la.vector(index_map, 1)

    def sums(self, values: FloatArray) -> FloatArray:
        """Integrate point values with each linear shape function; collective.

        Parameters
        ----------
        values : ndarray, shape (points,)
            Values at the integration points of the owned cells.

        Returns
        -------
        ndarray, shape (owned,)
            Sum of w N_a v, over all ranks, times nm^3.
        """
        by_cell = (self._weights * values.reshape(self._weights.shape)) @ self.shape
        self._work.array[:] = np.bincount(
            self.cell_nodes.ravel(),
            weights=by_cell.ravel(),
            minlength=len(self.global_numbers),
        )
        self._work.scatter_reverse(dolfinx.la.InsertMode.add)
        return self._work.array[: self.owned].copy()

    def at_points(self, nodal: FloatArray) -> FloatArray:
        """Interpolate nodal values to the integration points; collective.

        Parameters
        ----------
        nodal : ndarray, shape (owned,)
            Values.

        Returns
        -------
        ndarray, shape (points,)
            Values at the integration points of the owned cells.
        """
        self._work.array[: self.owned] = nodal
        self._work.scatter_forward()
        return (self._work.array[self.cell_nodes] @ self.shape.T).ravel()

    def averaged(self, values: FloatArray) -> FloatArray:
        """Average at the nodes and interpolate back; collective.

        Parameters
        ----------
        values : ndarray, shape (points,)
            Values at the integration points.

        Returns
        -------
        ndarray, shape (points,)
            Smoothed values.
        """
        return self.at_points(self.sums(values) / self.volumes_nm3)
