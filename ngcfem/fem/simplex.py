"""The two cell shapes, and the orders in which DOLFINx numbers their midside nodes."""

from dataclasses import dataclass

import numpy as np

from ngcfem.quantities import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Simplex:
    """A cell shape: triangle or tetrahedron.

    Parameters
    ----------
    name : str
        Name in basix and DOLFINx.
    midside_edges : ndarray of int, shape (e, 2)
        Vertices at the ends of each edge, in the order of the midside nodes of DOLFINx.
    dolfinx_from_gmsh : ndarray of int
        ``cells[:, dolfinx_from_gmsh]`` turns Gmsh's order of a quadratic cell into DOLFINx's.
    """

    name: str
    midside_edges: IntArray
    dolfinx_from_gmsh: IntArray

    @property
    def dimension(self) -> int:
        """Space dimension, 2 or 3."""
        return 2 if self.name == "triangle" else 3

    @property
    def number_of_vertices(self) -> int:
        """Vertices of a cell."""
        return self.dimension + 1

    @property
    def reference_vertices(self) -> FloatArray:
        """Vertices of the reference cell, shape (vertices, dimension)."""
        return np.vstack([np.zeros(self.dimension), np.eye(self.dimension)])


TETRAHEDRON = Simplex(
    name="tetrahedron",
    midside_edges=np.array([[2, 3], [1, 3], [1, 2], [0, 3], [0, 2], [0, 1]]),
    dolfinx_from_gmsh=np.array([0, 1, 2, 3, 8, 9, 5, 7, 6, 4]),
)
TRIANGLE = Simplex(
    name="triangle",
    midside_edges=np.array([[1, 2], [0, 2], [0, 1]]),
    dolfinx_from_gmsh=np.array([0, 1, 2, 4, 5, 3]),
)


def simplex_of(dimension: int) -> Simplex:
    """Choose the cell shape of a space dimension.

    Parameters
    ----------
    dimension : int
        2 or 3.

    Returns
    -------
    Simplex
        Triangle or tetrahedron.
    """
    return {2: TRIANGLE, 3: TETRAHEDRON}[dimension]
