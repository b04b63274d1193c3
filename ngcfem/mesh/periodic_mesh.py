"""The mesh as data: nodes, tetrahedra, phases, grains and the periodic identification of nodes."""

from dataclasses import dataclass

import numpy as np

from ngcfem.quantities import FloatArray, Int32Array, IntArray


@dataclass(frozen=True, eq=False)
class PeriodicMesh:
    """A tetrahedral mesh of a periodic cell, or of a plain body.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Node positions in nm, not wrapped: every cell is geometrically whole.
    cells : ndarray of int, shape (m, 4) or (m, 10)
        Node numbers in Gmsh order; positively oriented.
    torus_node : ndarray of int, shape (n,)
        Representative node of each node modulo the lattice; ``arange(n)`` for a mesh that is not
        periodic.
    lattice : ndarray, shape (3, 3)
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
    def order(self) -> int:
        """Polynomial order of the geometry, 1 (4 nodes) or 2 (10 nodes)."""
        return 1 if self.cells.shape[1] == 4 else 2

    @property
    def cell_volume_nm3(self) -> float:
        """Volume of the periodic cell in nm^3."""
        return float(abs(np.linalg.det(self.lattice)))
