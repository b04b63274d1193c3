"""A DOLFINx mesh whose topology is periodic, so that every function space on it is periodic.

The identified vertices are handed to DOLFINx as the vertices of the mesh: it partitions and ghosts
the quotient (the torus) itself. The geometry is then replaced by the unwrapped nodes, cell by cell.
No constraint ever appears in a matrix.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

import basix.ufl
import dolfinx
import dolfinx.mesh
import numpy as np
import ufl

from ngcfem.errors import raise_together
from ngcfem.fem.simplex import Simplex, simplex_of
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.quantities import Int32Array, IntArray

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm


@dataclass(frozen=True, eq=False)
class RepresentativeVolume:
    """One rank's part of a periodic (or plain) mesh in DOLFINx.

    Parameters
    ----------
    mesh : dolfinx.mesh.Mesh
        Mesh with periodic topology and unwrapped geometry.
    source : PeriodicMesh
        The whole mesh as data, on every rank.
    original_cell : ndarray of int, shape (m,)
        Row of each owned cell in ``source.cells``.
    phase : ndarray of int32, shape (m,)
        Index into ``source.phase_names`` of each owned cell.
    grain : ndarray of int32, shape (m,)
        Grain of each owned cell.
    node : ndarray of int, shape (m, 4) or (m, 10), in the plane (m, 3) or (m, 6)
        Row in ``source.points`` of the geometry nodes of each owned cell, DOLFINx order.
    """

    mesh: Any
    source: PeriodicMesh
    original_cell: IntArray
    phase: Int32Array
    grain: Int32Array
    node: IntArray

    @property
    def comm(self) -> "Intracomm":
        """Communicator of the mesh."""
        return self.mesh.comm

    @property
    def simplex(self) -> Simplex:
        """Shape of the cells."""
        return simplex_of(self.source.dimension)

    @property
    def number_of_owned_cells(self) -> int:
        """Number of cells this rank owns."""
        return len(self.original_cell)

    def cell_tags(self, kind: str) -> Any:
        """Build DOLFINx tags of the owned and ghost cells.

        Parameters
        ----------
        kind : {"phase", "grain"}
            What the tag says.

        Returns
        -------
        dolfinx.mesh.MeshTags
            Tags of the cells; a phase tag is the index into ``source.phase_names``.

        Raises
        ------
        ValueError
            For another kind.
        """
        if kind not in ("phase", "grain"):
            raise ValueError(f"cell tags exist by 'phase' and 'grain', not by {kind!r}")
        original = np.asarray(self.mesh.topology.original_cell_index)
        values = getattr(self.source, kind)[original]
        return dolfinx.mesh.meshtags(
            self.mesh,
            self.source.dimension,
            np.arange(len(original), dtype=np.int32),
            values.astype(np.int32),
        )


def build_representative_volume(
    comm: "Intracomm", source: PeriodicMesh, periodic_topology: bool = True
) -> RepresentativeVolume:
    """Distribute a mesh over the ranks, with its periodic topology where asked for.

    Collective.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        Communicator.
    source : PeriodicMesh
        The same mesh on every rank.
    periodic_topology : bool
        Whether identified nodes become one vertex; False keeps the outer boundary.

    Returns
    -------
    RepresentativeVolume
        This rank's part.

    Raises
    ------
    RuntimeError
        If DOLFINx orders its cells otherwise than this function relies on.

    Notes
    -----
    1. ``create_mesh`` gets the torus vertices of the cells and builds the quotient topology.
    2. The nodes of the local cells, in local cell order, become the geometry through
       ``dolfinx.mesh.create_geometry``: the variant that derives the node map from the topology
       would merge the periodic images again.
    3. A node is owned by the lowest rank that owns one of its cells.
    """
    simplex = simplex_of(source.dimension)
    dimension, corners = simplex.dimension, simplex.number_of_vertices
    cells = source.cells
    if source.order == 2:
        cells = cells[:, simplex.dolfinx_from_gmsh]
    linear = basix.ufl.element("Lagrange", simplex.name, 1, shape=(dimension,))
    root = comm.rank == 0
    vertices = source.cells[:, :corners] if root else np.empty((0, corners), np.int64)
    quotient = source.torus_node[vertices] if periodic_topology else vertices
    partitioner = None
    if comm.size > 1:
        partitioner = dolfinx.mesh.create_cell_partitioner(dolfinx.mesh.GhostMode.none, 2)
    topology_mesh = dolfinx.mesh.create_mesh(
        comm,
        np.ascontiguousarray(quotient, dtype=np.int64),
        ufl.Mesh(linear),
        source.points if root else source.points[:0],
        partitioner,
    )
    topology = topology_mesh.topology
    original = np.asarray(topology.original_cell_index).astype(np.int64)
    cell_map = topology.index_map(dimension)
    error = None
    if len(original) != cell_map.size_local + cell_map.num_ghosts:
        error = RuntimeError("DOLFINx did not keep the original index of every local cell")
    raise_together(comm, error)

    local_cells = cells[original]
    nodes, first, inverse = np.unique(local_cells, return_index=True, return_inverse=True)
    owner = np.full(len(source.points), comm.size, np.int32)
    owner[cells[original[: cell_map.size_local]]] = comm.rank
    comm.Allreduce(MPI.IN_PLACE, owner, MPI.MIN)
    order = np.lexsort((first, owner[nodes] != comm.rank))
    nodes = nodes[order]
    position = np.empty(len(order), np.int32)
    position[order] = np.arange(len(order), dtype=np.int32)
    owned = int((owner[nodes] == comm.rank).sum())
    offset = comm.exscan(owned) or 0
    global_index = np.full(len(source.points), -1, np.int64)
    global_index[nodes[:owned]] = offset + np.arange(owned)
    comm.Allreduce(MPI.IN_PLACE, global_index, MPI.MAX)
    index_map = dolfinx.common.IndexMap(
        comm, owned, global_index[nodes[owned:]], owner[nodes[owned:]], 1201
    )
    if source.order == 1:
        coordinate_element = topology_mesh.geometry.cmaps[0]
        domain = ufl.Mesh(linear)
    else:
        coordinate_element = dolfinx.fem.coordinate_element(
            dolfinx.cpp.mesh.to_type(simplex.name), 2
        )
        domain = ufl.Mesh(basix.ufl.element("Lagrange", simplex.name, 2, shape=(dimension,)))
    geometry = dolfinx.mesh.create_geometry(
        index_map,
        position[inverse].reshape(local_cells.shape).astype(np.int32),
        coordinate_element,
        np.ascontiguousarray(source.points[nodes]),
        nodes,
    )
    mesh = dolfinx.mesh.Mesh(
        dolfinx.cpp.mesh.Mesh_float64(comm, topology._cpp_object, geometry._cpp_object), domain
    )
    owned_cells = original[: cell_map.size_local]
    return RepresentativeVolume(
        mesh=mesh,
        source=source,
        original_cell=owned_cells,
        phase=source.phase[owned_cells],
        grain=source.grain[owned_cells],
        node=cells[owned_cells],
    )
