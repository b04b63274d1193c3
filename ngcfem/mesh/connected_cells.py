"""Which cells hang together through facets."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ngcfem.quantities import IntArray


def connected_cells(vertices: IntArray, kind: IntArray | None = None) -> IntArray:
    """Number of the connected part that each cell belongs to.

    Parameters
    ----------
    vertices : ndarray of int, shape (m, d + 1)
        Vertices of each cell; representatives modulo the lattice to connect across the periods.
    kind : ndarray of int, shape (m,), or None
        Cells of different kinds are never connected; None for cells of one kind.

    Returns
    -------
    ndarray of int, shape (m,)
        Numbers from 0. Cells that share less than a facet are not connected by it.
    """
    size, corners = vertices.shape
    facets = np.concatenate(
        [np.sort(np.delete(vertices, k, axis=1), axis=1) for k in range(corners)]
    )
    owner = np.tile(np.arange(size), corners)
    if kind is not None:
        facets = np.column_stack([facets, kind[owner]])
    _, facet = np.unique(facets, axis=0, return_inverse=True)
    order = np.argsort(facet.ravel(), kind="stable")
    same = np.flatnonzero(np.diff(facet.ravel()[order]) == 0)
    left, right = owner[order[same]], owner[order[same + 1]]
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(size, size))
    return connected_components(graph, directed=False)[1].astype(np.int64)
