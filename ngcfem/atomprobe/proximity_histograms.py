"""Proximity histograms: composition against the signed distance to an isosurface."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from ngcfem.atomprobe.composition_field import CompositionField
from ngcfem.atomprobe.composition_profiles import CompositionProfile, profile_over
from ngcfem.atomprobe.isosurfaces import Isosurface
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.quantities import FloatArray, IntArray

_NEIGHBOURS = 8
_IONS_AT_A_TIME = 1 << 18


def proximity_histogram(
    ions: RangedIons,
    field: CompositionField,
    surface: Isosurface,
    reach_nm: float = 4.0,
    bin_nm: float = 0.2,
    largest_sample: int = 500_000,
    seed: int = 0,
) -> CompositionProfile:
    """Take the composition against the distance from an isosurface.

    Parameters
    ----------
    ions : RangedIons
        The ions.
    field : CompositionField
        What the isosurface was found in; its sign tells the two sides apart.
    surface : Isosurface
        Open at the rim of the specimen: what closes a surface is no interface.
    reach_nm : float
        Largest distance; made a whole number of bins.
    bin_nm : float
        Width of a bin.
    largest_sample : int
        Ions looked at, at most; drawn at random from more.
    seed : int
        Seed of the drawing.

    Returns
    -------
    CompositionProfile
        Over the signed distance, positive inside what the surface encloses. Ions whose nearest
        triangle is one at the edge of the open surface are left out: the surface may go on beyond
        the specimen, nearer to them.

    Raises
    ------
    ValueError
        If the surface is closed at the rim, or reach or bin are not positive.

    Notes
    -----
    Distances are those of raw ions to the triangles (`surface_distance`), not of voxels: they are
    not blurred by the grid. Near the surface the profile is nevertheless not free of it, since the
    surface follows the noise of the delocalized field: atoms of the element pull it to themselves,
    which steepens the profile over about one kernel width.

    References
    ----------
    Hellman, Vandenbroucke, Ruesing, Isheim, Seidman (2000), Microscopy and Microanalysis 6, 437,
    doi 10.1007/s100050010051.
    """
    if surface.rim != "open":
        raise ValueError("a proximity histogram needs a surface that is open at the rim")
    if not (reach_nm > 0.0 and bin_nm > 0.0):
        raise ValueError("reach and bin of a proximity histogram must be positive")
    if len(ions) > largest_sample:
        generator = np.random.default_rng(seed)
        ions = ions.subset(np.sort(generator.choice(len(ions), largest_sample, replace=False)))
    n_bins = int(np.ceil(reach_nm / bin_nm - 1e-9))
    reach = n_bins * bin_nm
    edges = np.linspace(-reach, reach, 2 * n_bins + 1)
    distance, triangle = surface_distance(ions.position_nm, surface, reach)
    n_left_out = 0
    if len(surface.triangles):
        at_edge = surface.open_edge_triangles()[triangle] & np.isfinite(distance)
        distance[at_edge] = np.nan
        n_left_out = int(np.count_nonzero(at_edge))
    found = np.flatnonzero(np.isfinite(distance))
    signed = distance[found] * _sides(ions.position_nm[found], field, surface)
    return profile_over(ions.subset(found), signed, edges, n_left_out)


def surface_distance(
    position_nm: npt.NDArray[np.floating], surface: Isosurface, reach_nm: float
) -> tuple[FloatArray, IntArray]:
    """Find the distance of points from a triangulated surface.

    Parameters
    ----------
    position_nm : ndarray, shape (n, 3)
        The points.
    surface : Isosurface
        The surface.
    reach_nm : float
        Points farther off get no distance.

    Returns
    -------
    distance_nm : ndarray, shape (n,)
        Distance without sign; not a number beyond the reach.
    triangle : ndarray of int, shape (n,)
        The nearest triangle; 0 beyond the reach.

    Notes
    -----
    Exact for the eight triangles with the nearest centroids, of which the least is taken. Triangles
    of marching cubes are at most 1.5 voxels long and of like density, so that these hold the
    nearest one or one that is farther by a small part of a voxel.
    """
    distance = np.full(len(position_nm), np.nan)
    triangle = np.zeros(len(position_nm), dtype=np.int64)
    if not len(surface.triangles):
        return distance, triangle
    corners = surface.vertices_nm[surface.triangles]
    centroids = corners.mean(axis=1)
    largest = float(np.linalg.norm(corners - centroids[:, None], axis=2).max())
    tree = cKDTree(centroids)
    number = min(_NEIGHBOURS, len(centroids))
    low, high = (
        centroids.min(axis=0) - reach_nm - largest,
        centroids.max(axis=0) + reach_nm + largest,
    )
    for first in range(0, len(position_nm), _IONS_AT_A_TIME):
        points = position_nm[first : first + _IONS_AT_A_TIME].astype(np.float64)
        near = np.flatnonzero(np.all((points >= low) & (points <= high), axis=1))
        offset, candidate = tree.query(
            points[near], k=number, distance_upper_bound=reach_nm + largest
        )
        offset, candidate = offset.reshape(len(near), -1), candidate.reshape(len(near), -1)
        reached = np.isfinite(offset[:, 0])
        near, candidate = near[reached], candidate[reached]
        # The last few of a point may be missing: its first stands in for them.
        candidate = np.where(candidate == len(centroids), candidate[:, :1], candidate)
        best = np.full(len(near), np.inf)
        which = np.zeros(len(near), dtype=np.int64)
        for column in candidate.T:
            trial = point_triangle_distance(points[near], corners[column])
            better = trial < best
            best[better], which[better] = trial[better], column[better]
        kept = best <= reach_nm
        distance[first + near[kept]] = best[kept]
        triangle[first + near[kept]] = which[kept]
    return distance, triangle


def point_triangle_distance(points: FloatArray, corners: FloatArray) -> FloatArray:
    """Find the distance of each point from its triangle.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        The points.
    corners : ndarray, shape (n, 3, 3)
        Corners of the triangle of each, of positive area.

    Returns
    -------
    ndarray, shape (n,)
        Distances.

    Notes
    -----
    The foot of the perpendicular, where its barycentric coordinates are not negative; else the
    nearest point of the three edges.
    """
    a, b, c = np.moveaxis(corners, 1, 0)
    normal = np.cross(b - a, c - a)
    square = np.einsum("ij,ij->i", normal, normal)
    height = np.einsum("ij,ij->i", points - a, normal)
    inside = np.ones(len(points), dtype=bool)
    nearest = np.full(len(points), np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        edge, offset = end - start, points - start
        inside &= np.einsum("ij,ij->i", np.cross(edge, offset), normal) >= 0.0
        length = np.einsum("ij,ij->i", edge, edge)
        along = np.einsum("ij,ij->i", offset, edge) / np.where(length > 0.0, length, 1.0)
        rest = offset - np.clip(along, 0.0, 1.0)[:, None] * edge
        nearest = np.minimum(nearest, np.einsum("ij,ij->i", rest, rest))
    flat = inside & (square > 0.0)
    perpendicular = height**2 / np.where(square > 0.0, square, 1.0)
    return np.sqrt(np.where(flat, perpendicular, nearest))


def _sides(
    position_nm: npt.NDArray[np.floating], field: CompositionField, surface: Isosurface
) -> FloatArray:
    """1 inside what the surface encloses and -1 outside, by the composition between voxels.

    Voxels beyond the specimen take the composition of the nearest one inside.
    """
    inside = field.inside
    share = field.fraction(surface.element)
    if not inside.all():
        nearest = ndimage.distance_transform_edt(
            ~inside, return_distances=False, return_indices=True
        )
        share = share[tuple(nearest)]
    places = field.grid.coordinates(position_nm).T
    value = ndimage.map_coordinates(share, places, order=1, mode="nearest")
    above = value >= surface.threshold
    return np.where(above == (surface.side == "above"), 1.0, -1.0)
