"""Surfaces of the bodies of a cell, straight from the geometry: polyhedra, ellipsoids, caps."""

import itertools

import numpy as np
from scipy.spatial import ConvexHull

from ngcfem.atomprobe.directions import even_directions
from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.microstructure.grain_shape import grain_corners
from ngcfem.microstructure.tessellation import LaguerreCell, laguerre_cells
from ngcfem.quantities import (
    GRAIN,
    INTERFACE,
    NANOCRYSTAL,
    SC_RICH,
    BoolArray,
    FloatArray,
    IntArray,
)
from ngcfem.report.bodies import Body, joined_body, turned_inside_out

_SPHERE_POINTS = 642
_FEWEST_SPHERE_POINTS = 92
_POINTS_OF_ALL_SPHERES = 40_000
_RING_POINTS = 48


def cell_bodies(cell: PeriodicCell) -> tuple[Body, ...]:
    """Build the surfaces of all bodies of a cell.

    Parameters
    ----------
    cell : PeriodicCell
        A cell of dimension 3 on a box, of any kind. Grains are whole: they stick out of the box.

    Returns
    -------
    tuple of Body
        One for each phase in each grain, turned into the laboratory frame.
    """
    if cell.number_of_grains:
        bodies = _composite(cell)
    elif cell.layers:
        bodies = _layers(cell)
    else:
        bodies = _box_with_sphere(cell)
    return tuple(
        Body(b.phase, b.grain, b.points @ cell.rotation.T, b.triangles, b.outer) for b in bodies
    )


def _composite(cell: PeriodicCell) -> list[Body]:
    index = {name: number for number, name in enumerate(cell.phase_names)}
    # Many crystals are drawn smaller: with fewer points each, so that the view stays light.
    share = _POINTS_OF_ALL_SPHERES // max(1, len(cell.inclusions))
    detail = min(_SPHERE_POINTS, max(_FEWEST_SPHERE_POINTS, share))
    grains = laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice))
    bodies = []
    for number, grain in enumerate(grains):
        network, glass = index[INTERFACE], index[GRAIN]
        corners = grain_corners(grain, 0.5 * cell.interface_thickness_nm)
        inner = Body(glass, number, *convex_surface(corners))
        outside = Body(network, number, *_polyhedron(grain))
        held = [body for body in cell.inclusions if body.grain == number]
        crystals = [
            Body(index[NANOCRYSTAL], number, *crystal_surface(body, detail)) for body in held
        ]
        caps = [
            Body(index[SC_RICH], number, *cap_surface(body, round(2.0 * np.sqrt(detail))))
            for body in held
            if body.cap is not None
        ]
        holes = [turned_inside_out(body, glass, number) for body in (*crystals, *caps)]
        bodies.append(joined_body([outside, turned_inside_out(inner, network, number)]))
        bodies.append(joined_body([inner, *holes]))
        bodies += [joined_body(parts) for parts in (crystals, caps) if parts]
    return bodies


def _layers(cell: PeriodicCell) -> list[Body]:
    index = {name: number for number, name in enumerate(cell.phase_names)}
    bounds = np.cumsum([0.0, *(layer.fraction for layer in cell.layers)])
    bodies = []
    for layer, low, high in zip(cell.layers, bounds[:-1], bounds[1:], strict=True):
        lower, upper = np.zeros(3), np.ones(3)
        lower[cell.layer_axis], upper[cell.layer_axis] = low, high
        bodies.append(
            Body(index[layer.phase], -1, *convex_surface(_box(lower, upper) @ cell.lattice))
        )
    return bodies


def _box_with_sphere(cell: PeriodicCell) -> list[Body]:
    box = Body(0, -1, *convex_surface(_box(np.zeros(3), np.ones(3)) @ cell.lattice))
    spheres = [Body(1, -1, *crystal_surface(body)) for body in cell.inclusions]
    holes = [turned_inside_out(body, 0, -1) for body in spheres]
    return [joined_body([box, *holes]), *([joined_body(spheres)] if spheres else [])]


def _box(lower: FloatArray, upper: FloatArray) -> FloatArray:
    return np.array(list(itertools.product(*zip(lower, upper, strict=True))))


def _oriented(points: FloatArray, triangles: IntArray) -> IntArray:
    """Turn the triangles of a convex surface so that their normals point outwards."""
    corners = points[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inwards = np.einsum("ij,ij->i", normals, corners[:, 0] - points.mean(axis=0)) < 0.0
    turned = triangles.copy()
    turned[inwards] = turned[inwards][:, ::-1]
    return turned


def convex_surface(points: FloatArray) -> tuple[FloatArray, IntArray, BoolArray]:
    """Triangulate the surface of the convex hull of points.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Points in nm.

    Returns
    -------
    points : ndarray, shape (k, 3)
        Corners in nm.
    triangles : ndarray of int, shape (m, 3)
        Normals outwards.
    outer : ndarray of bool, shape (m,)
        All true.
    """
    hull = ConvexHull(points)
    used, rows = np.unique(hull.simplices, return_inverse=True)
    triangles = _oriented(points[used], rows.reshape(-1, 3))
    return points[used], triangles, np.ones(len(triangles), dtype=bool)


def _polyhedron(grain: LaguerreCell) -> tuple[FloatArray, IntArray, BoolArray]:
    """Faces of a Laguerre cell as fans; those towards a grain of the same period are inner ones."""
    points: list[FloatArray] = []
    triangles: list[tuple[int, int, int]] = []
    outer: list[bool] = []
    first = 0
    for facet in grain.facets:
        number = len(facet.polygon)
        points.append(facet.polygon)
        triangles += [(first, first + k, first + k + 1) for k in range(1, number - 1)]
        outer += [any(facet.shift)] * (number - 2)
        first += number
    return np.concatenate(points), np.array(triangles), np.array(outer)


def crystal_surface(
    body: Inclusion, detail: int = _SPHERE_POINTS
) -> tuple[FloatArray, IntArray, BoolArray]:
    """Triangulate the surface of a crystal.

    Parameters
    ----------
    body : Inclusion
        The crystal.
    detail : int
        Number of corners.

    Returns
    -------
    points : ndarray, shape (n, 3)
        Corners in nm.
    triangles : ndarray of int, shape (m, 3)
        Normals outwards.
    outer : ndarray of bool, shape (m,)
        All true.
    """
    directions = even_directions(detail)
    triangles = _oriented(directions, ConvexHull(directions).simplices.astype(np.int64))
    offsets = body.radius_nm * directions @ body.stretch_matrix
    if body.flat is not None:
        # Seen from the centre, every point beyond the flat moves back onto it.
        height = np.maximum(offsets @ np.array(body.flat.normal), 1e-12)
        offsets = offsets * np.minimum(1.0, body.flat.distance_nm / height)[:, None]
    return np.array(body.centre_nm) + offsets, triangles, np.ones(len(triangles), dtype=bool)


def cap_surface(
    body: Inclusion, detail: int = _RING_POINTS
) -> tuple[FloatArray, IntArray, BoolArray]:
    """Triangulate the surface of a cap: outside, side and inside.

    Parameters
    ----------
    body : Inclusion
        A crystal with a cap.
    detail : int
        Number of points around the axis.

    Returns
    -------
    points : ndarray, shape (n, 3)
        Corners in nm.
    triangles : ndarray of int, shape (m, 3)
        Normals outwards.
    outer : ndarray of bool, shape (m,)
        All true.

    Raises
    ------
    ValueError
        If the crystal has no cap.
    """
    cap = body.cap
    if cap is None:
        raise ValueError("the crystal has no cap")
    half = np.radians(cap.half_angle_deg)
    rings = max(3, round(detail * half / (2.0 * np.pi)) + 1)
    polar = np.linspace(0.0, half, rings)
    # The profile, from the pole outside over the rim to the pole inside, turned about the axis.
    radius = np.r_[
        np.full(rings, body.radius_nm + cap.thickness_nm), np.full(rings, body.radius_nm)
    ]
    profile = np.r_[polar, polar[::-1]]
    axis = np.array(cap.axis)
    first = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    first /= np.linalg.norm(first)
    turn = 2.0 * np.pi * np.arange(detail) / detail
    around = np.outer(np.cos(turn), first) + np.outer(np.sin(turn), np.cross(axis, first))
    offsets = radius[:, None, None] * (
        np.cos(profile)[:, None, None] * axis + np.sin(profile)[:, None, None] * around
    )
    points = np.array(body.centre_nm) + offsets.reshape(-1, 3) @ body.stretch_matrix
    triangles = _turned_profile(len(profile), detail)
    return points, triangles, np.ones(len(triangles), dtype=bool)


def _turned_profile(rings: int, points: int) -> IntArray:
    """Triangles between rings of points; those without area, at the poles, are left out."""
    found = []
    for ring, k in itertools.product(range(rings - 1), range(points)):
        a, b = ring * points + k, ring * points + (k + 1) % points
        if ring != rings - 2:
            found.append((a, a + points, b + points))
        if ring != 0:
            found.append((a, b + points, b))
    return np.array(found)
