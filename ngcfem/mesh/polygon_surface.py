"""Triangulated polyhedra: polygons meshed one by one so that they fit along their edges."""

from collections.abc import Sequence
from dataclasses import dataclass

import gmsh
import numpy as np
from scipy.spatial import KDTree

from ngcfem.mesh.pairing import components_of_pairs
from ngcfem.mesh.sphere_surface import enclosed_volume
from ngcfem.microstructure.grain_shape import grain_corners, grain_volume
from ngcfem.microstructure.tessellation import LaguerreCell
from ngcfem.quantities import FloatArray, IntArray

_SAME_POINT_NM = 1e-7
_EXACT_NM = 1e-6
_ON_FACE_NM = 1e-5


@dataclass(frozen=True, eq=False)
class MeshedPolygon:
    """Triangulation of one polygon.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Nodes in nm; those of the edges depend on the two ends of the edge alone.
    triangles : ndarray of int, shape (m, 3)
        Vertex numbers; normals as those of the polygon.
    """

    points: FloatArray
    triangles: IntArray


@dataclass(frozen=True, eq=False)
class MeshedDisc:
    """Plane on which a crystal touches the network, triangulated.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Nodes in nm.
    triangles : ndarray of int, shape (m, 3)
        Vertex numbers; normals out of the grain.
    rim : ndarray of int, shape (k,)
        Nodes around the disc in order.
    """

    points: FloatArray
    triangles: IntArray
    rim: IntArray


def merged_points(
    points: FloatArray, tolerance_nm: float, edges_nm: FloatArray | None = None
) -> tuple[IntArray, FloatArray]:
    """Merge points closer than a tolerance, in space or modulo a box.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Points in nm.
    tolerance_nm : float
        Distance up to which points become one; chains of close points become one too.
    edges_nm : ndarray, shape (3,), optional
        Edges of the periodic box.

    Returns
    -------
    label : ndarray of int, shape (n,)
        Merged point of each point.
    merged : ndarray, shape (k, 3)
        Mean positions (next to one of the images).
    """
    if edges_nm is None:
        tree = KDTree(points)
    else:
        wrapped = points % edges_nm
        wrapped[wrapped >= edges_nm] = 0.0
        tree = KDTree(wrapped, boxsize=edges_nm)
    pairs = tree.query_pairs(tolerance_nm, output_type="ndarray")
    count, label = components_of_pairs(pairs, len(points))
    _, first = np.unique(label, return_index=True)
    away = points - points[first[label]]
    if edges_nm is not None:
        away -= edges_nm * np.round(away / edges_nm)
    total = np.zeros((count, 3))
    np.add.at(total, label, away)
    return label, points[first] + total / np.bincount(label)[:, None]


def merged_until_apart(
    points: FloatArray, tolerance_nm: float, edges_nm: FloatArray | None = None
) -> tuple[IntArray, FloatArray]:
    """Merge points, and the merged points again, until all are further apart than a tolerance.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Points in nm.
    tolerance_nm : float
        Distance up to which points become one.
    edges_nm : ndarray, shape (3,), optional
        Edges of the periodic box.

    Returns
    -------
    label : ndarray of int, shape (n,)
        Merged point of each point.
    merged : ndarray, shape (k, 3)
        Positions.
    """
    label, merged = merged_points(points, min(_EXACT_NM, tolerance_nm), edges_nm)
    while True:
        again, fewer = merged_points(merged, tolerance_nm, edges_nm)
        if len(fewer) == len(merged):
            return label, merged
        label, merged = again[label], fewer


def clean_ring(labels: IntArray, corners: FloatArray) -> tuple[IntArray, FloatArray] | None:
    """Drop repeated neighbours from a ring of merged corners.

    Parameters
    ----------
    labels : ndarray of int, shape (k,)
        Merged point of each corner.
    corners : ndarray, shape (k, 3)
        Positions in nm.

    Returns
    -------
    tuple of two ndarrays, or None
        Labels and corners that are left; None if they are no polygon.
    """
    keep = labels != np.roll(labels, 1)
    labels, corners = labels[keep], corners[keep]
    if len(labels) < 3 or len(np.unique(labels)) != len(labels):
        return None
    return labels, corners


def mesh_polygon(
    corners: FloatArray,
    size_nm: float,
    holes: Sequence[FloatArray] = (),
    plane: tuple[FloatArray, float] | None = None,
) -> MeshedPolygon:
    """Triangulate a polygon that may be slightly warped, in the current Gmsh session.

    Parameters
    ----------
    corners : ndarray, shape (k, 3)
        Corners in order.
    size_nm : float
        Edge length asked for.
    holes : sequence of ndarray, shape (j, 3)
        Rings of nodes in the plane that stay where they are; what they enclose is left out.
    plane : tuple of ndarray and float, optional
        Unit normal and offset of the plane to mesh in; the mean plane of the corners by default.

    Returns
    -------
    MeshedPolygon
        Nodes on the edges are evenly spaced, so that polygons with a common edge fit.

    Raises
    ------
    RuntimeError
        If Gmsh makes no triangles.

    Notes
    -----
    1. The polygon is meshed in its plane, every edge in ceil(length / size) parts.
    2. Edge nodes are put onto the true edges; inner nodes follow by the mean displacement of the
       nodes on edges and holes weighted with the inverse cube of the distance.
    """
    following = np.roll(corners, -1, axis=0)
    if plane is None:
        centre = corners.mean(axis=0)
        normal = np.cross(corners - centre, following - centre).sum(axis=0)
        normal /= np.linalg.norm(normal)
        offset = float(centre @ normal)
    else:
        normal, offset = plane
    flat = corners - (corners @ normal - offset)[:, None] * normal
    lengths = np.linalg.norm(following - corners, axis=1)
    parts = np.maximum(1, np.ceil(lengths / size_nm - 1e-6).astype(int))

    gmsh.clear()
    geo = gmsh.model.geo
    ends, lines, loop = _ring_in_gmsh(flat, size_nm)
    inner = [_ring_in_gmsh(hole, _mean_edge(hole)) for hole in holes]
    geo.addPlaneSurface([loop, *(ring[2] for ring in inner)])
    geo.synchronize()
    for line, number in zip(lines, parts.tolist(), strict=True):
        gmsh.model.mesh.setTransfiniteCurve(line, number + 1)
    for _, hole_lines, _ in inner:
        for line in hole_lines:
            gmsh.model.mesh.setTransfiniteCurve(line, 2)
    gmsh.model.mesh.generate(2)

    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    row = {int(tag): k for k, tag in enumerate(tags)}
    planar = np.asarray(coordinates, dtype=float).reshape(-1, 3)
    points = planar.copy()
    fixed = []
    for k, (end, line) in enumerate(zip(ends, lines, strict=True)):
        corner = row[int(gmsh.model.mesh.getNodes(0, end)[0][0])]
        points[corner] = corners[k]
        fixed.append(corner)
        along_edge, where, _ = gmsh.model.mesh.getNodes(1, line)
        step = flat[(k + 1) % len(flat)] - flat[k]
        along = (np.asarray(where).reshape(-1, 3) - flat[k]) @ step / (step @ step)
        for tag, fraction in zip(along_edge, np.round(along * parts[k]) / parts[k], strict=True):
            points[row[int(tag)]] = _on_edge(corners[k], following[k], float(fraction))
            fixed.append(row[int(tag)])
    for (hole_ends, _, _), hole in zip(inner, holes, strict=True):
        for end, place in zip(hole_ends, hole, strict=True):
            corner = row[int(gmsh.model.mesh.getNodes(0, end)[0][0])]
            points[corner] = place
            fixed.append(corner)
    free = np.setdiff1d(np.arange(len(points)), fixed)
    if len(free):
        distance = np.linalg.norm(planar[free][:, None] - planar[fixed][None], axis=2)
        weight = distance**-3.0
        shift = weight @ (points[fixed] - planar[fixed]) / weight.sum(axis=1)[:, None]
        points[free] = planar[free] + shift
    _, nodes = gmsh.model.mesh.getElementsByType(2)
    triangles = np.array([row[int(tag)] for tag in nodes], dtype=np.int64).reshape(-1, 3)
    if len(triangles) == 0:
        raise RuntimeError("Gmsh left a face of a grain empty")
    a, b, c = (points[triangles[:, k]] for k in range(3))
    if np.cross(b - a, c - a).sum(axis=0) @ normal < 0.0:
        triangles = triangles[:, ::-1]
    return MeshedPolygon(points, triangles)


def _mean_edge(ring: FloatArray) -> float:
    return float(np.linalg.norm(np.roll(ring, -1, axis=0) - ring, axis=1).mean())


def _ring_in_gmsh(ring: FloatArray, size_nm: float) -> tuple[list[int], list[int], int]:
    geo = gmsh.model.geo
    ends = [geo.addPoint(*corner, size_nm) for corner in ring.tolist()]
    lines = [geo.addLine(ends[k], ends[(k + 1) % len(ends)]) for k in range(len(ends))]
    return ends, lines, geo.addCurveLoop(lines)


def _on_edge(start: FloatArray, end: FloatArray, fraction: float) -> FloatArray:
    # the same bits from either end
    if tuple(end.tolist()) < tuple(start.tolist()):
        start, end, fraction = end, start, 1.0 - fraction
    return start + fraction * (end - start)


def joined(parts: list[MeshedPolygon]) -> tuple[FloatArray, IntArray]:
    """Join polygons into one surface by merging nodes at the same place.

    Parameters
    ----------
    parts : list of MeshedPolygon
        The polygons.

    Returns
    -------
    points : ndarray, shape (n, 3)
        Nodes in nm.
    triangles : ndarray of int, shape (m, 3)
        Vertex numbers.
    """
    points = np.concatenate([part.points for part in parts])
    first = np.concatenate([[0], np.cumsum([len(part.points) for part in parts])[:-1]])
    triangles = np.concatenate(
        [part.triangles + start for part, start in zip(parts, first.tolist(), strict=True)]
    )
    label, merged = merged_points(points, _SAME_POINT_NM)
    return merged, label[triangles]


def grain_surface(
    cell: LaguerreCell,
    inset_nm: float,
    merge_nm: float,
    size_nm: float,
    discs: Sequence[MeshedDisc] = (),
) -> tuple[FloatArray, IntArray, list[IntArray]]:
    """Triangulate the surface of a grain: its Laguerre cell with the faces moved inwards.

    Parameters
    ----------
    cell : LaguerreCell
        The grain with half of the network.
    inset_nm : float
        Half the thickness of the network.
    merge_nm : float
        Corners closer than this become one.
    size_nm : float
        Edge length asked for.
    discs : sequence of MeshedDisc
        Where crystals touch the network.

    Returns
    -------
    points : ndarray, shape (n, 3)
        Nodes in nm.
    triangles : ndarray of int, shape (m, 3)
        The surface without the discs; closed together with them, normals outwards. It encloses
        exactly the volume before merging.
    disc_nodes : list of ndarray of int
        For each disc the rows of ``points`` that its points have become.

    Raises
    ------
    RuntimeError
        If a disc lies on no face of the grain, or reaches beyond it.
    """
    corners = grain_corners(cell, inset_nm)
    volume = grain_volume(cell, inset_nm)
    _, exact = merged_points(corners, _EXACT_NM)
    label, merged = merged_until_apart(exact, max(merge_nm, _EXACT_NM))
    normals, offsets = cell.half_spaces(inset_nm)
    facet = [_facet_of(disc, normals, offsets) for disc in discs]
    parts = []
    for number, (normal, offset) in enumerate(zip(normals, offsets.tolist(), strict=True)):
        on = np.flatnonzero(np.abs(exact @ normal - offset) < 1e-5)
        here = [disc for disc, owner in zip(discs, facet, strict=True) if owner == number]
        ring = None
        if len(on) >= 3:
            around = exact[on] - exact[on].mean(axis=0)
            first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
            angle = np.arctan2(around @ np.cross(normal, first), around @ first)
            on = on[np.argsort(angle, kind="stable")]
            ring = clean_ring(label[on], merged[label[on]])
        if ring is not None:
            holes = [disc.points[disc.rim] for disc in here]
            plane = (normal, offset) if here else None
            if not all(_encloses(ring[1], normal, hole) for hole in holes):
                raise RuntimeError("a crystal that touches the network reaches beyond the face")
            parts.append(mesh_polygon(ring[1], size_nm, holes, plane))
        elif here:
            raise RuntimeError("a crystal touches a face of the grain that was merged away")
    plain = sum(len(part.triangles) for part in parts)
    points, triangles = joined(
        parts + [MeshedPolygon(disc.points, disc.triangles) for disc in discs]
    )
    tree = KDTree(points)
    disc_rows = [np.asarray(tree.query(disc.points)[1], dtype=np.int64) for disc in discs]
    centre = points.mean(axis=0)
    grown = (volume / enclosed_volume(points - centre, triangles)) ** (1.0 / 3.0)
    return centre + grown * (points - centre), triangles[:plain], disc_rows


def _facet_of(disc: MeshedDisc, normals: FloatArray, offsets: FloatArray) -> int:
    height = np.abs(disc.points @ normals.T - offsets).max(axis=0)
    number = int(np.argmin(height))
    if height[number] > _ON_FACE_NM:
        raise RuntimeError(
            f"a crystal is cut by a plane {height[number]:.3g} nm from the faces of its grain"
        )
    return number


def _encloses(ring: FloatArray, normal: FloatArray, inside: FloatArray) -> bool:
    """Whether points lie within a convex polygon, counter-clockwise about the normal."""
    step = np.roll(ring, -1, axis=0) - ring
    inwards = np.cross(normal, step)
    inwards /= np.linalg.norm(inwards, axis=1)[:, None]
    return bool(np.all(inside @ inwards.T > np.einsum("ij,ij->i", ring, inwards)))
