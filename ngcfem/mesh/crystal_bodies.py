"""Which cells belong to one crystal: connected parts of a phase, also across the periods."""

from dataclasses import dataclass

import numpy as np

from ngcfem.mesh.connected_cells import connected_cells
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.quantities import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class CrystalBodies:
    """The crystals of one phase.

    Parameters
    ----------
    cells : ndarray of int, shape (m,)
        Cells of the phase.
    number : ndarray of int, shape (m,)
        Crystal of each of them, from 0.
    centre_nm : ndarray, shape (crystals, d)
        Centroid modulo the lattice, inside the cell.
    volume_nm3 : ndarray, shape (crystals,)
        Volume; in the plane the area times a thickness of 1 nm.
    """

    cells: IntArray
    number: IntArray
    centre_nm: FloatArray
    volume_nm3: FloatArray


def crystal_bodies(mesh: PeriodicMesh, phase: str, by_grain: bool = False) -> CrystalBodies:
    """Find the crystals of a phase.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    phase : str
        Name of the phase.
    by_grain : bool
        Whether every grain number is a crystal, as in a polycrystal; by default a crystal is what
        is connected through facets, whatever its grain numbers are.

    Returns
    -------
    CrystalBodies
        Numbered by the place of their centroids: along the first period, then the second, then the
        third, so that a finer mesh of the same cell gives the same numbers (unless a centroid
        crosses the face of the cell or two of them lie at one coordinate). With grain numbers,
        in their order.

    Notes
    -----
    Facets are identified by the representatives of their vertices modulo the lattice. The centroid
    is that of the angles 2 pi (fractional coordinate) on the circle, weighted by volume, which the
    seam of the cell does not touch.
    """
    corners = mesh.dimension + 1
    cells = np.flatnonzero(mesh.phase == mesh.phase_names.index(phase))
    vertices = mesh.cells[cells, :corners]
    if by_grain:
        _, label = np.unique(mesh.grain[cells], return_inverse=True)
    else:
        label = connected_cells(mesh.torus_node[vertices])
    place, total = _measured(mesh, cells, label, int(label.max(initial=-1)) + 1)
    order = np.arange(len(total))
    if not by_grain:
        keys = np.round(place, 6)
        order = np.lexsort([keys[:, k] for k in reversed(range(mesh.dimension))])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return CrystalBodies(cells, rank[label], place[order] @ mesh.lattice, total[order])


def _measured(
    mesh: PeriodicMesh, cells: IntArray, label: IntArray, count: int
) -> tuple[FloatArray, FloatArray]:
    """Fractional centroid (count, d) and volume (count,) of labelled bodies."""
    points = mesh.points[mesh.cells[cells, : mesh.dimension + 1]]
    volume = np.abs(np.linalg.det(points[:, 1:] - points[:, :1]))
    volume /= 2.0 if mesh.dimension == 2 else 6.0
    total = np.bincount(label, volume, count)
    fraction = points.mean(axis=1) @ np.linalg.inv(mesh.lattice)
    angle = 2.0 * np.pi * fraction.T
    cosine = np.stack([np.bincount(label, volume * np.cos(row), count) for row in angle], axis=1)
    sine = np.stack([np.bincount(label, volume * np.sin(row), count) for row in angle], axis=1)
    # What spans the cell has no centroid along that direction; its angle would be rounding.
    weak = np.hypot(cosine, sine) < 1e-6 * total[:, None]
    place = np.where(weak, 0.0, np.arctan2(sine, cosine) / (2.0 * np.pi) % 1.0)
    return place, total


def inclusion_bodies(mesh: PeriodicMesh, phase: str, cell: PeriodicCell) -> CrystalBodies:
    """Find the crystals of a phase whose crystals are the inclusions of a cell.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh of the cell.
    phase : str
        Phase of the inclusions.
    cell : PeriodicCell
        The geometry.

    Returns
    -------
    CrystalBodies
        Numbered as the inclusions are in the cell, whatever the mesh. An inclusion that the mesh
        does not show has no cells and no volume.

    Notes
    -----
    A cell of the mesh belongs to the inclusion whose surface it is in or nearest to: to the least
    |S^-1 (x - c)| / r of its centroid x, with stretch S, centre c (nearest image) and radius r.
    Crystals that touch in the mesh stay two.
    """
    cells = np.flatnonzero(mesh.phase == mesh.phase_names.index(phase))
    vertices = mesh.cells[cells, : mesh.dimension + 1]
    centroid = mesh.points[vertices].mean(axis=1)
    inverse = np.linalg.inv(mesh.lattice)
    nearest, number = np.full(len(cells), np.inf), np.zeros(len(cells), dtype=np.int64)
    for index, inclusion in enumerate(cell.inclusions):
        arms = centroid - cell.rotation @ np.array(inclusion.centre_nm)
        arms -= np.round(arms @ inverse) @ mesh.lattice
        arms = arms @ cell.rotation
        if inclusion.stretch is not None:
            arms = arms @ np.linalg.inv(inclusion.stretch_matrix).T
        distance = np.linalg.norm(arms, axis=1) / inclusion.radius_nm
        number[distance < nearest] = index
        nearest = np.minimum(distance, nearest)
    place, volume = _measured(mesh, cells, number, len(cell.inclusions))
    return CrystalBodies(cells, number, place @ mesh.lattice, volume)
