"""Body-centred cubic lattice of tetrahedra on a torus."""

from dataclasses import dataclass

import numpy as np

from ngcfem.mesh.box_meshing import MINIMUM_DIVISIONS
from ngcfem.mesh.quality import tetrahedron_volumes
from ngcfem.quantities import BoolArray, FloatArray, IntArray

TETRAHEDRA_OF_BOX = 12


def nearest_image(step: FloatArray, lattice: FloatArray) -> FloatArray:
    """Shortest representative of displacements on a torus.

    Parameters
    ----------
    step : ndarray, shape (n, 3)
        Displacements in nm.
    lattice : ndarray, shape (3, 3)
        Period vectors as rows, about at right angles.

    Returns
    -------
    ndarray, shape (n, 3)
        Displacements of less than half a period.
    """
    return step - np.round(step @ np.linalg.inv(lattice)) @ lattice


@dataclass(frozen=True, eq=False)
class TorusLattice:
    """Tetrahedra that fill one period, with the vertices identified modulo the lattice.

    Parameters
    ----------
    lattice : ndarray, shape (3, 3)
        Period vectors as rows in nm.
    divisions : tuple of int
        Number of boxes along each period vector.
    points : ndarray, shape (n, 3)
        Vertices in nm, corners of the boxes first, then their centres.
    cells : ndarray of int, shape (m, 4)
        Vertices of each tetrahedron, ascending.
    turn : ndarray, shape (m,)
        1 where they are oriented positively in this order, else -1.
    middles : ndarray, shape (m, 3)
        Middle of each tetrahedron in nm, not wrapped: the tetrahedra around one another form the
        domain.
    number_of_corners : int
        How many vertices are corners of boxes.
    """

    lattice: FloatArray
    divisions: tuple[int, int, int]
    points: FloatArray
    cells: IntArray
    turn: FloatArray
    middles: FloatArray
    number_of_corners: int

    @property
    def spacing_nm(self) -> float:
        """Longest edge of a box."""
        steps = self.lattice / np.array(self.divisions)[:, None]
        return float(np.linalg.norm(steps, axis=1).max())

    def is_long(self, edges: IntArray) -> BoolArray:
        """Whether edges join two corners or two centres, which are a box apart.

        Parameters
        ----------
        edges : ndarray of int, shape (k, 2)
            Vertices of the edges.

        Returns
        -------
        ndarray of bool, shape (k,)
            False for the edges between a corner and a centre, half a diagonal long.
        """
        corner = edges < self.number_of_corners
        return corner[:, 0] == corner[:, 1]


def torus_lattice(lattice: FloatArray, spacing_nm: float) -> TorusLattice:
    """Fill one period with the tetrahedra of a body-centred cubic lattice.

    Parameters
    ----------
    lattice : ndarray, shape (3, 3)
        Period vectors as rows in nm.
    spacing_nm : float
        Edge asked for of the boxes; at least ``MINIMUM_DIVISIONS`` are put along every vector.

    Returns
    -------
    TorusLattice
        Twelve tetrahedra a box.

    Notes
    -----
    Around every face of a box that two centres share there are four tetrahedra: both centres and
    one edge of the face each.
    """
    lengths = np.linalg.norm(lattice, axis=1)
    counts = np.maximum(MINIMUM_DIVISIONS, np.round(lengths / spacing_nm).astype(np.int64))
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1)
    box = grid.reshape(-1, 3)
    number = len(box)

    def corner(where: IntArray) -> IntArray:
        i, j, k = (where % counts).T
        return (i * counts[1] + j) * counts[2] + k

    unit = np.eye(3, dtype=np.int64)
    cells, middles = [], []
    for axis in range(3):
        e, u, v = unit[axis], unit[(axis + 1) % 3], unit[(axis + 2) % 3]
        ring = [e, e + u, e + u + v, e + v]
        near, far = number + corner(box), number + corner(box + e)
        for k in range(4):
            first, second = ring[k], ring[(k + 1) % 4]
            cells.append(np.stack([near, far, corner(box + first), corner(box + second)], axis=1))
            middles.append(box + 0.25 * (1.0 + e + first + second))
    places = np.concatenate([box, box + 0.5]) / counts
    points = places @ lattice
    ordered = np.sort(np.concatenate(cells), axis=1)
    middle = np.concatenate(middles) / counts @ lattice
    around = np.repeat(middle, 4, axis=0)
    corners = nearest_image(points[ordered.ravel()] - around, lattice).reshape(-1, 4, 3)
    return TorusLattice(
        lattice=lattice,
        divisions=(int(counts[0]), int(counts[1]), int(counts[2])),
        points=points,
        cells=ordered,
        turn=np.sign(tetrahedron_volumes(corners)),
        middles=middle,
        number_of_corners=number,
    )
