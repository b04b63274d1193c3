"""Phases and phase fractions of a plane cell, straight from the geometry."""

import itertools

import numpy as np
from scipy.spatial import KDTree

from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.plane_shape import plane_grain_area
from ngcfem.microstructure.plane_tessellation import plane_diagram
from ngcfem.microstructure.sections import inclusion_parts, layer_phases
from ngcfem.quantities import GRAIN, INTERFACE, NANOCRYSTAL, SC_RICH, FloatArray, Int32Array


def plane_phase_at(cell: PeriodicCell, points: FloatArray) -> Int32Array:
    """Phase of points of a plane cell.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of dimension 2.
    points : ndarray, shape (n, 2)
        Positions in nm in the frame of the cell, anywhere: they count modulo the lattice.

    Returns
    -------
    ndarray of int32, shape (n,)
        Index into ``cell.phase_names``.

    Notes
    -----
    The grain of a point has the site of the smallest power distance |x - s|^2 - w, which is the
    nearest one in space if the sites are lifted to sqrt(w_max - w) and the point to 0. The point
    belongs to the network where it is nearer to a side of that grain than half the thickness.
    """
    index = {name: number for number, name in enumerate(cell.phase_names)}
    edges = np.diag(cell.lattice)
    inside = points - np.floor(points / edges) * edges
    if cell.layers:
        return layer_phases(cell, inside / edges)
    phases = np.zeros(len(points), dtype=np.int32)
    if cell.number_of_grains:
        in_network = _depth(cell, inside) < 0.5 * cell.interface_thickness_nm
        phases[:] = np.where(in_network, index.get(INTERFACE, 0), index.get(GRAIN, 0))
    crystal = 1 if cell.kind == "sphere" else index.get(NANOCRYSTAL, 0)
    for inclusion in cell.inclusions:
        offset = inside - np.array(inclusion.centre_nm)
        offset -= np.round(offset / edges) * edges
        in_crystal, in_cap = inclusion_parts(inclusion, offset)
        phases[in_cap] = index.get(SC_RICH, 0)
        phases[in_crystal] = crystal
    return phases


def plane_section(
    cell: PeriodicCell, resolution: int = 900
) -> tuple[Int32Array, tuple[float, float]]:
    """Sample a plane cell on a grid over one period.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of dimension 2.
    resolution : int
        Points along the longer edge.

    Returns
    -------
    phases : ndarray of int32, shape (rows, columns)
        Phase index; rows run along y, columns along x.
    size_nm : tuple of float
        Edges of the cell along x and y.
    """
    width, height = np.diag(cell.lattice)
    step = max(width, height) / resolution
    columns, rows = max(1, round(width / step)), max(1, round(height / step))
    y, x = np.meshgrid(
        (np.arange(rows) + 0.5) * height / rows,
        (np.arange(columns) + 0.5) * width / columns,
        indexing="ij",
    )
    phases = plane_phase_at(cell, np.stack([x.ravel(), y.ravel()], axis=1))
    return phases.reshape(rows, columns), (float(width), float(height))


def _depth(cell: PeriodicCell, points: FloatArray) -> FloatArray:
    """Distance from the nearest side of the Laguerre cell that each point lies in."""
    edges = np.diag(cell.lattice)
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=2))) * edges
    number = cell.number_of_grains
    images = (cell.sites[None] + shifts[:, None]).reshape(-1, 2)
    height = np.tile(np.sqrt(cell.weights.max() - cell.weights), len(shifts))
    tree = KDTree(np.column_stack([images, height]))
    _, image = tree.query(np.column_stack([points, np.zeros(len(points))]))
    grain = image % number
    local = points - shifts[image // number]
    depth = np.empty(len(points))
    order = np.argsort(grain, kind="stable")
    bounds = np.searchsorted(grain[order], np.arange(number + 1))
    for n, body in enumerate(plane_diagram(cell.sites, cell.weights, edges).grains):
        rows = order[bounds[n] : bounds[n + 1]]
        if rows.size:
            depth[rows] = (body.offsets_nm - local[rows] @ body.normals.T).min(axis=1)
    return depth


def plane_fractions(cell: PeriodicCell) -> dict[str, float]:
    """Area fraction of each phase in the geometry of a plane cell with grains.

    Parameters
    ----------
    cell : PeriodicCell
        The cell, of dimension 2.

    Returns
    -------
    dict of str to float
        Fraction of the area by phase name, in the order of ``cell.phase_names``; they add up to 1.
    """
    diagram = plane_diagram(cell.sites, cell.weights, np.diag(cell.lattice))
    inset = 0.5 * cell.interface_thickness_nm
    inside = sum(plane_grain_area(grain, inset) for grain in diagram.grains)
    crystals = sum(inclusion.volume_nm3 for inclusion in cell.inclusions)
    caps = sum(inclusion.cap_volume_nm3 for inclusion in cell.inclusions)
    areas = {
        INTERFACE: cell.volume_nm3 - inside,
        GRAIN: inside - crystals - caps,
        SC_RICH: caps,
        NANOCRYSTAL: crystals,
    }
    return {name: float(areas[name] / cell.volume_nm3) for name in cell.phase_names}
