"""The mesh as data: nodes, cells, phases, grains and the periodic identification of nodes.

Cells are tetrahedra, or triangles of the plane x-y in plane strain.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from ngcfem.quantities import FloatArray, Int32Array, IntArray

TETRAHEDRON_EDGES = ((0, 1), (1, 2), (0, 2), (0, 3), (2, 3), (1, 3))
"""Vertices of each edge, in the order of the midside nodes 4 to 9 of Gmsh."""

TETRAHEDRON_FACETS = ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1))
"""Vertices of the facet opposite each vertex, normal outwards."""

TRIANGLE_EDGES = ((0, 1), (1, 2), (2, 0))
"""Vertices of each edge of a triangle, in the order of the midside nodes 3 to 5 of Gmsh."""

EDGES_OF_FACETS = ((1, 4, 5), (3, 4, 2), (0, 5, 3), (2, 1, 0))
"""Edges of each facet, numbered as ``TETRAHEDRON_EDGES``."""


def body_order(phase: Int32Array, grain: Int32Array) -> IntArray:
    """Order of cells by phase, then grain, then as they were.

    Parameters
    ----------
    phase, grain : ndarray of int32, shape (m,)
        Phase index and grain number of each cell.

    Returns
    -------
    ndarray of int, shape (m,)
        Rows in the order that files and generated meshes share.
    """
    return np.lexsort((grain, phase))


@dataclass(frozen=True, eq=False)
class PeriodicMesh:
    """A mesh of a periodic cell, or of a plain body, in d = 2 or 3 dimensions.

    Parameters
    ----------
    points : ndarray, shape (n, d)
        Node positions in nm, not wrapped: every cell is geometrically whole.
    cells : ndarray of int, shape (m, 4) or (m, 10), in the plane (m, 3) or (m, 6)
        Node numbers in Gmsh order; positively oriented.
    torus_node : ndarray of int, shape (n,)
        Representative node of each node modulo the lattice; ``arange(n)`` for a mesh that is not
        periodic.
    lattice : ndarray, shape (d, d)
        Period vectors as rows, in nm.
    periodic : bool
        Whether every boundary facet has its partner modulo the lattice.
    phase : ndarray of int32, shape (m,)
        Index into ``phase_names``.
    phase_names : tuple of str
        Names of the phases.
    grain : ndarray of int32, shape (m,)
        Number of the grain (or body) a cell belongs to, from 0; -1 where there is none.
    """

    points: FloatArray
    cells: IntArray
    torus_node: IntArray
    lattice: FloatArray
    periodic: bool
    phase: Int32Array
    phase_names: tuple[str, ...]
    grain: Int32Array

    @property
    def dimension(self) -> int:
        """Space dimension: 3, or 2 for plane strain."""
        return self.points.shape[1]

    @property
    def order(self) -> int:
        """Polynomial order of the geometry: 1 (vertices only) or 2 (with midside nodes)."""
        return 1 if self.cells.shape[1] == self.dimension + 1 else 2

    @property
    def cell_volume_nm3(self) -> float:
        """Volume of the periodic cell in nm^3; in the plane its area times a thickness of 1 nm."""
        return float(abs(np.linalg.det(self.lattice)))

    @property
    def cell_length_nm(self) -> float:
        """Edge in nm of the cube (in the plane, the square) that is as large as the cell."""
        return self.cell_volume_nm3 ** (1.0 / self.dimension)

    @property
    def sha256(self) -> str:
        """Hash over all that the mesh holds; equal meshes have equal hashes."""
        digest = hashlib.sha256()
        for array, kind in (
            (self.points, "<f8"),
            (self.cells, "<i8"),
            (self.torus_node, "<i8"),
            (self.lattice, "<f8"),
            (self.phase, "<i4"),
            (self.grain, "<i4"),
        ):
            plain = np.ascontiguousarray(array, dtype=kind)
            digest.update(repr(plain.shape).encode())
            digest.update(plain.tobytes())
        digest.update(repr((self.periodic, self.phase_names)).encode())
        return digest.hexdigest()
