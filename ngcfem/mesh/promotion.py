"""Straight-sided meshes with nodes in the middle of the edges, for codes that want them."""

from dataclasses import replace

import numpy as np

from ngcfem.mesh.periodic_mesh import TETRAHEDRON_EDGES, TRIANGLE_EDGES, PeriodicMesh


def with_midside_nodes(mesh: PeriodicMesh) -> PeriodicMesh:
    """Raise the order of a mesh to 2 without bending it.

    Parameters
    ----------
    mesh : PeriodicMesh
        Mesh of order 1; one of order 2 is returned as it is.

    Returns
    -------
    PeriodicMesh
        The same cells with a node in the middle of every edge, in the order of Gmsh; the new nodes
        are identified modulo the lattice as their edges are.
    """
    if mesh.order == 2:
        return mesh
    pairs = np.array(TETRAHEDRON_EDGES if mesh.dimension == 3 else TRIANGLE_EDGES)
    ends = np.sort(mesh.cells[:, pairs], axis=2).reshape(-1, 2)
    edges, middle = np.unique(ends, axis=0, return_inverse=True)
    first = len(mesh.points)
    number = first + np.arange(len(edges))
    representative = number.copy()
    if mesh.periodic:
        # in a sound periodic mesh two identified vertices are joined by one edge only
        torus = np.sort(mesh.torus_node[edges], axis=1)
        _, lowest, own = np.unique(torus, axis=0, return_index=True, return_inverse=True)
        representative = first + lowest[own.ravel()]
    return replace(
        mesh,
        points=np.concatenate([mesh.points, mesh.points[edges].mean(axis=1)]),
        cells=np.concatenate(
            [mesh.cells, (first + middle.ravel()).reshape(len(mesh.cells), -1)], axis=1
        ),
        torus_node=np.concatenate([mesh.torus_node, representative]),
    )
