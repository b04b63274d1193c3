"""Measures of the crystals of a cell: shapes, orientations, neighbours, gaps and contacts."""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from ngcfem.atomprobe.directions import even_directions
from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.microstructure.crystal_distance import distance_to_body, surface_points
from ngcfem.microstructure.tessellation import laguerre_cells
from ngcfem.quantities import FloatArray

_SAMPLES = 1500


@dataclass(frozen=True, eq=False)
class CrystalMeasures:
    """Measures of the crystals, one entry each where there are shapes.

    Parameters
    ----------
    diameters_nm : ndarray, shape (k,)
        Diameter of the sphere of the volume of each crystal, without what a
        flat cuts off.
    aspect_ratios : ndarray, shape (k,)
        Longest over shortest axis.
    axes : ndarray, shape (k, 3)
        Unit vector along the axis that differs most from the other two, in the frame of the cell;
        nan for spheres.
    centre_distances_nm : ndarray, shape (k,)
        Distance to the nearest other centre, over all images.
    surface_distances_nm : ndarray, shape (k,)
        Distance to the nearest other crystal, caps not counted.
    smallest_gap_nm : float
        Smallest distance between crystals or caps of different crystals.
    smallest_wall_gap_nm : float
        Smallest distance of a crystal or cap from the network; crystals with a flat are left out
        on the side of the flat.
    interface_contact_share : float
        Share of the crystals, by number, that touch the network with a flat.
    covered_share : float
        Share of the surface of all crystals that lies under a Sc-rich region.
    network_share : float
        Share of that surface that lies on the network.
    """

    diameters_nm: FloatArray
    aspect_ratios: FloatArray
    axes: FloatArray
    centre_distances_nm: FloatArray
    surface_distances_nm: FloatArray
    smallest_gap_nm: float
    smallest_wall_gap_nm: float
    interface_contact_share: float
    covered_share: float
    network_share: float

    @property
    def orientation_tensor(self) -> FloatArray:
        """Mean of p p^T over the axes p, shape (3, 3): 1/3 on the diagonal if random."""
        known = self.axes[~np.isnan(self.axes[:, 0])]
        return np.einsum("ki,kj->ij", known, known) / max(1, len(known))


def measure_crystals(cell: PeriodicCell) -> CrystalMeasures:
    """Measure the crystals of a cell.

    Parameters
    ----------
    cell : PeriodicCell
        A cell with grains and crystals, of dimension 3.

    Returns
    -------
    CrystalMeasures
        In the frame of the cell.

    Notes
    -----
    Distances from a sphere without cap are exact. Of two other bodies, each is represented by
    points on its surface, whose distances to the other one are exact: the smallest is too large by
    less than the square of the spacing of the points over the radius, well under 0.01 nm.
    """
    bodies = cell.inclusions
    matrices = [body.stretch_matrix for body in bodies]
    values = np.array([np.linalg.eigvalsh(matrix) for matrix in matrices])
    centres = _Centres(cell)
    bare, capped = _Gaps(centres, caps=False), _Gaps(centres, caps=True)
    covered, walled, surface = _surface_shares(bodies)
    return CrystalMeasures(
        diameters_nm=equivalent_diameters_nm(cell),
        aspect_ratios=values[:, -1] / values[:, 0],
        axes=np.array([_main_axis(matrix) for matrix in matrices]),
        centre_distances_nm=centres.nearest_nm(),
        surface_distances_nm=np.array([bare.nearest_nm(n) for n in range(len(bodies))]),
        smallest_gap_nm=min(capped.nearest_nm(n) for n in range(len(bodies))),
        smallest_wall_gap_nm=_wall_gap(cell),
        interface_contact_share=sum(body.flat is not None for body in bodies) / len(bodies),
        covered_share=covered / surface,
        network_share=walled / surface,
    )


def equivalent_diameters_nm(cell: PeriodicCell) -> FloatArray:
    """Diameters of the spheres of the volumes of the crystals.

    Parameters
    ----------
    cell : PeriodicCell
        The cell.

    Returns
    -------
    ndarray, shape (k,)
        In nm, without what flats cut off.
    """
    return np.array([2.0 * body.equivalent_radius_nm for body in cell.inclusions])


def _main_axis(stretch: FloatArray) -> FloatArray:
    """Axis of a needle, or the normal of a disc."""
    values, vectors = np.linalg.eigh(stretch)
    if values[-1] < (1.0 + 1e-9) * values[0]:
        return np.full(len(values), np.nan)
    if values[2] / values[1] >= values[1] / values[0]:
        return vectors[:, -1]
    return vectors[:, 0]


class _Centres:
    """Centres of all crystals in the cell and in the cells around it."""

    def __init__(self, cell: PeriodicCell) -> None:
        self.bodies = cell.inclusions
        fractional = np.array([body.centre_nm for body in self.bodies]) @ np.linalg.inv(
            cell.lattice
        )
        self.centres = (fractional - np.floor(fractional)) @ cell.lattice
        shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
        self.images = (self.centres[:, None] + shifts @ cell.lattice).reshape(-1, 3)
        self.owner = np.repeat(np.arange(len(self.bodies)), len(shifts))

    def nearest_nm(self) -> FloatArray:
        """Distance of each centre from the nearest other one, images of itself included."""
        distance, _ = KDTree(self.images).query(self.centres, k=2)
        return np.asarray(distance)[:, 1]


class _Gaps:
    """Distances between the surfaces of crystals, with or without their caps."""

    def __init__(self, centres: _Centres, caps: bool) -> None:
        self._centres, self._caps = centres, caps
        self._reach = np.array([_reach(body, caps) for body in centres.bodies])

    def nearest_nm(self, number: int) -> float:
        """Distance of a crystal from the nearest other one."""
        body, centre = self._centres.bodies[number], self._centres.centres[number]
        owner = self._centres.owner
        apart = np.linalg.norm(self._centres.images - centre, axis=1)
        bound = apart - self._reach[number] - self._reach[owner]
        bound[apart < 1e-9] = np.inf
        best = np.inf
        for image in np.argsort(bound):
            # The bound is the distance itself where both are balls.
            if bound[image] >= best:
                break
            other = self._centres.bodies[owner[image]]
            best = min(best, self._apart(body, other, self._centres.images[image] - centre))
        return best

    def _apart(self, body: Inclusion, other: Inclusion, offset: FloatArray) -> float:
        """Distance of two bodies, the centre of the other one at an offset."""
        caps = self._caps
        if _is_ball(other, caps):
            return float(distance_to_body(offset[None], body, caps)[0]) - other.radius_nm
        if _is_ball(body, caps):
            return float(distance_to_body(-offset[None], other, caps)[0]) - body.radius_nm
        here, there = surface_points(body, _SAMPLES, caps), surface_points(other, _SAMPLES, caps)
        return min(
            float(distance_to_body(here - offset, other, caps).min()),
            float(distance_to_body(there + offset, body, caps).min()),
        )


def _reach(body: Inclusion, caps: bool) -> float:
    """Radius of a ball around the centre that holds the crystal, and its cap if wanted."""
    radius = body.radius_nm
    if caps and body.cap is not None:
        radius += body.cap.thickness_nm
    return radius * float(np.linalg.eigvalsh(body.stretch_matrix).max())


def _is_ball(body: Inclusion, caps: bool) -> bool:
    return body.stretch is None and body.flat is None and not (caps and body.cap is not None)


def _wall_gap(cell: PeriodicCell) -> float:
    """Smallest distance between a crystal or cap and the faces of its grain, flats left out."""
    grains = laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice))
    smallest = np.inf
    for body in cell.inclusions:
        normals, offsets = grains[body.grain].half_spaces(0.5 * cell.interface_thickness_nm)
        gaps = offsets - normals @ np.array(body.centre_nm) - _support(body, normals)
        if body.flat is not None:
            gaps = gaps[normals @ np.array(body.flat.normal) < 1.0 - 1e-6]
        smallest = min(smallest, float(gaps.min()))
    return smallest


def _support(body: Inclusion, normals: FloatArray) -> FloatArray:
    """How far a crystal and its cap reach from the centre along each normal.

    A map S turns the support function h(n) of a body into h(S n). That of a cap of outer radius R
    and half-angle a is R where the normal is within a of its axis, else R cos(b - a) with b the
    angle from the axis.
    """
    mapped = normals @ body.stretch_matrix
    lengths = np.linalg.norm(mapped, axis=1)
    reach = body.radius_nm * lengths
    if body.cap is None:
        return reach
    outer = body.radius_nm + body.cap.thickness_nm
    angle = np.arccos(np.clip(mapped @ np.array(body.cap.axis) / lengths, -1.0, 1.0))
    beyond = np.maximum(0.0, angle - np.radians(body.cap.half_angle_deg))
    cap = np.where(beyond < 0.5 * np.pi, outer * np.cos(beyond), 0.0) * lengths
    return np.maximum(reach, cap)


def _surface_shares(bodies: tuple[Inclusion, ...]) -> tuple[float, float, float]:
    """Surface of all crystals under caps, on the network, and in all; in nm^2."""
    covered = walled = total = 0.0
    directions = even_directions(_SAMPLES)
    for body in bodies:
        stretch = body.stretch_matrix
        element = 4.0 * np.pi * body.radius_nm**2 / _SAMPLES
        # A map of determinant 1 turns the area element of normal n into that times |S^-1 n|.
        areas = element * np.linalg.norm(directions @ np.linalg.inv(stretch), axis=1)
        kept = np.ones(len(directions), dtype=bool)
        if body.flat is not None:
            heights = body.radius_nm * directions @ stretch @ np.array(body.flat.normal)
            kept = heights < body.flat.distance_nm
            # The section of the ellipsoid by the plane: pi (r^2 - p^2) in the ball, mapped.
            slope = float(np.linalg.norm(stretch @ np.array(body.flat.normal)))
            disc = np.pi * max(0.0, body.radius_nm**2 - (body.flat.distance_nm / slope) ** 2)
            walled += disc / slope
            total += disc / slope
        total += float(areas[kept].sum())
        if body.cap is not None:
            under = directions @ np.array(body.cap.axis) > np.cos(
                np.radians(body.cap.half_angle_deg)
            )
            covered += float(areas[kept & under].sum())
    return covered, walled, total
