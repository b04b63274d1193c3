"""Which phase a point of a cell belongs to, straight from the geometry: sections without a mesh."""

import itertools

import numpy as np

from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.quantities import (
    GRAIN,
    INTERFACE,
    NANOCRYSTAL,
    SC_RICH,
    BoolArray,
    FloatArray,
    Int32Array,
)

CHUNK = 4096


def phase_at(cell: PeriodicCell, points: FloatArray) -> Int32Array:
    """Phase of points of a cell.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    points : ndarray, shape (n, 3), in the plane (n, 2)
        Positions in nm in the frame of the cell, anywhere: they count modulo the lattice.

    Returns
    -------
    ndarray of int32, shape (n,)
        Index into ``cell.phase_names``.

    Notes
    -----
    With power distances d_i = |x - s_i|^2 - w_i, a point of the Laguerre cell i lies
    (d_j - d_i) / (2 |s_j - s_i|) inside the facet towards j; it belongs to the network where this
    is less than half the thickness for any j. Crystals and their caps lie inside the grains.
    """
    if cell.dimension == 2:
        # that module builds on this one
        from ngcfem.microstructure.plane_sections import plane_phase_at

        return plane_phase_at(cell, points)
    parts = [_phase_at(cell, points[n : n + CHUNK]) for n in range(0, len(points), CHUNK)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)


def section(
    cell: PeriodicCell, axis: int, height: float = 0.5, resolution: int = 240
) -> tuple[Int32Array, tuple[float, float]]:
    """Plane section of a cell normal to one period vector.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    axis : int
        Index of the period vector that the section does not hold.
    height : float
        Where the section lies along that vector, from 0 to 1.
    resolution : int
        Points along each side.

    Returns
    -------
    phases : ndarray of int32, shape (resolution, resolution)
        Phase index; the first axis runs along the second of the two vectors held.
    size_nm : tuple of float
        Lengths of the two vectors held.
    """
    # that module builds on this one
    from ngcfem.microstructure.voxels import phases_of_points

    first, second = (axis + 1) % 3, (axis + 2) % 3
    centres = (np.arange(resolution) + 0.5) / resolution
    along_second, along_first = np.meshgrid(centres, centres, indexing="ij")
    fractional = np.zeros((resolution * resolution, 3))
    fractional[:, first] = along_first.ravel()
    fractional[:, second] = along_second.ravel()
    fractional[:, axis] = height
    phases = phases_of_points(cell, fractional @ cell.lattice).reshape(resolution, resolution)
    lengths = np.linalg.norm(cell.lattice, axis=1)
    return phases, (float(lengths[first]), float(lengths[second]))


def inclusion_parts(inclusion: Inclusion, offsets: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Tell which points lie in a crystal, and which in its cap.

    Parameters
    ----------
    inclusion : Inclusion
        The crystal.
    offsets : ndarray, shape (n, 3)
        Positions in nm from its centre, not wrapped.

    Returns
    -------
    crystal : ndarray of bool, shape (n,)
        Inside the crystal.
    cap : ndarray of bool, shape (n,)
        Inside the cap, which does not count the crystal.
    """
    kept = np.ones(len(offsets), dtype=bool)
    if inclusion.flat is not None:
        kept = offsets @ np.array(inclusion.flat.normal) < inclusion.flat.distance_nm
    if inclusion.stretch is not None:  # the matrix is symmetric
        offsets = offsets @ np.linalg.inv(inclusion.stretch_matrix)
    distance = np.linalg.norm(offsets, axis=1)
    crystal = kept & (distance < inclusion.radius_nm)
    cap = np.zeros(len(offsets), dtype=bool)
    if inclusion.cap is not None:
        cosine = offsets @ np.array(inclusion.cap.axis) / np.maximum(distance, 1e-300)
        cap = kept & ~crystal & (distance < inclusion.radius_nm + inclusion.cap.thickness_nm)
        cap &= cosine > np.cos(np.radians(inclusion.cap.half_angle_deg))
    return crystal, cap


def layer_phases(cell: PeriodicCell, fractional: FloatArray) -> Int32Array:
    """Phase of points of a laminate.

    Parameters
    ----------
    cell : PeriodicCell
        A cell with layers.
    fractional : ndarray, shape (n, d)
        Positions in periods, from 0 to 1.

    Returns
    -------
    ndarray of int32, shape (n,)
        Index into ``cell.phase_names``.
    """
    bounds = np.cumsum([layer.fraction for layer in cell.layers])
    layer = np.searchsorted(bounds, fractional[:, cell.layer_axis], side="right")
    numbers = np.array([cell.phase_names.index(layer.phase) for layer in cell.layers])
    return numbers[np.minimum(layer, len(numbers) - 1)].astype(np.int32)


def _phase_at(cell: PeriodicCell, points: FloatArray) -> Int32Array:
    index = {name: number for number, name in enumerate(cell.phase_names)}
    wrapped = points @ np.linalg.inv(cell.lattice)
    wrapped = wrapped - np.floor(wrapped)
    if cell.layers:
        return layer_phases(cell, wrapped)
    inside = wrapped @ cell.lattice
    phases = np.zeros(len(points), dtype=np.int32)
    crystal, cap = (1, 1) if cell.kind == "sphere" else (index.get(NANOCRYSTAL, 0), 0)
    cap = index.get(SC_RICH, cap)
    if cell.number_of_grains:
        in_network = _depth(cell, inside) < 0.5 * cell.interface_thickness_nm
        phases[:] = np.where(in_network, index.get(INTERFACE, 0), index.get(GRAIN, 0))
    for inclusion in cell.inclusions:
        offset = (inside - np.array(inclusion.centre_nm)) @ np.linalg.inv(cell.lattice)
        offset = (offset - np.round(offset)) @ cell.lattice
        in_crystal, in_cap = inclusion_parts(inclusion, offset)
        phases[in_cap] = cap
        phases[in_crystal] = crystal
    return phases


def _depth(cell: PeriodicCell, points: FloatArray) -> FloatArray:
    """Distance from the nearest facet of the Laguerre cell that each point lies in."""
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    sites = (cell.sites[:, None] + shifts @ cell.lattice).reshape(-1, 3)
    weights = np.repeat(cell.weights, len(shifts))
    power = (
        np.sum(points**2, axis=1)[:, None]
        - 2.0 * points @ sites.T
        + (np.sum(sites**2, axis=1) - weights)
    )
    nearest = np.argmin(power, axis=1)
    between = np.linalg.norm(sites[nearest][:, None, :] - sites[None], axis=2)
    own = power[np.arange(len(points)), nearest]
    depth = (power - own[:, None]) / (2.0 * np.where(between > 0.0, between, np.inf))
    depth[between <= 0.0] = np.inf
    return depth.min(axis=1)
