"""Triangles between given outlines, made by Gmsh."""

from dataclasses import dataclass
from itertools import pairwise

import gmsh
import numpy as np

from ngcfem.mesh.element_sizes import GROWTH
from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.mesh.plane_outlines import GrainOutline
from ngcfem.quantities import FloatArray, Int32Array, IntArray

NETWORK, INSIDE, CAP, DISC = range(4)
"""Regions of a filled grain: between the two outlines, inside, caps and discs."""

_OPTIONS = {
    "Mesh.MeshSizeExtendFromBoundary": 0,
    "Mesh.MeshSizeFromPoints": 0,
    "Mesh.Optimize": 0,
}


@dataclass(frozen=True, eq=False)
class FilledPlane:
    """Triangles of one grain with its half of the network.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Node positions in nm.
    cells : ndarray of int, shape (m, 3)
        Node numbers, counter-clockwise.
    region : ndarray of int32, shape (m,)
        ``NETWORK``, ``INSIDE``, ``CAP`` or ``DISC``.
    """

    points: FloatArray
    cells: IntArray
    region: Int32Array


class _Lines:
    """Fixed lines of the current Gmsh model, one for each piece of an outline."""

    def __init__(self) -> None:
        self.all: list[int] = []
        self._points: dict[tuple[float, float], int] = {}

    def chain(self, nodes: FloatArray, closed: bool) -> list[int]:
        """Join nodes by lines that stay as they are."""
        tags = [self._point(x, y) for x, y in nodes.tolist()]
        if closed:
            tags.append(tags[0])
        lines = [gmsh.model.geo.addLine(a, b) for a, b in pairwise(tags)]
        for line in lines:
            gmsh.model.geo.mesh.setTransfiniteCurve(line, 2)
        self.all += lines
        return lines

    def _point(self, x: float, y: float) -> int:
        if (x, y) not in self._points:
            self._points[x, y] = gmsh.model.geo.addPoint(x, y, 0.0)
        return self._points[x, y]


def fill_outlines(
    outer: FloatArray, outline: GrainOutline, interior_nm: float, algorithm: int
) -> FilledPlane:
    """Fill an outer ring, and what lies in it, with triangles.

    Parameters
    ----------
    outer : ndarray, shape (k, 2)
        Nodes of the outer ring in nm, counter-clockwise.
    outline : GrainOutline
        Outline of the grain inside it (may be missing) and of the discs.
    interior_nm : float
        Edge length asked for far from the outlines.
    algorithm : int
        Gmsh's number of the mesh algorithm.

    Returns
    -------
    FilledPlane
        Triangles whose nodes on the outlines are the ones given.

    Raises
    ------
    RuntimeError
        If Gmsh does not fill a region.

    Notes
    -----
    The edge length grows from that of the nearest piece of an outline to the one of the interior.
    """
    try:
        with gmsh_session("plane", {**_OPTIONS, "Mesh.Algorithm": algorithm}):
            return _filled(outer, outline, interior_nm)
    except RuntimeError:
        raise
    except Exception as error:  # Gmsh raises the bare class
        raise RuntimeError(str(error)) from error


def _filled(outer: FloatArray, outline: GrainOutline, interior_nm: float) -> FilledPlane:
    geo = gmsh.model.geo
    lines = _Lines()
    outer_loop = geo.addCurveLoop(lines.chain(outer, closed=True))
    holes, surfaces = [], []
    for disc in outline.discs:
        if disc.under_cap is None or disc.over_cap is None:
            loop = geo.addCurveLoop(lines.chain(disc.bare, closed=True))
            holes.append(loop)
            surfaces.append((geo.addPlaneSurface([loop]), DISC))
            continue
        bare = lines.chain(disc.bare, closed=False)
        under = lines.chain(disc.under_cap, closed=False)
        over = lines.chain(disc.over_cap, closed=False)
        back = [-line for line in reversed(under)]
        surfaces.append((geo.addPlaneSurface([geo.addCurveLoop(bare + under)]), DISC))
        surfaces.append((geo.addPlaneSurface([geo.addCurveLoop(over + back)]), CAP))
        holes.append(geo.addCurveLoop(bare + over))
    if len(outline.ring):
        ring = geo.addCurveLoop(lines.chain(outline.ring, closed=True))
        surfaces.append((geo.addPlaneSurface([outer_loop, ring]), NETWORK))
        surfaces.append((geo.addPlaneSurface([ring, *holes]), INSIDE))
    else:
        surfaces.append((geo.addPlaneSurface([outer_loop, *holes]), INSIDE))
    geo.synchronize()
    field = gmsh.model.mesh.field
    extend = field.add("Extend")
    field.setNumbers(extend, "CurvesList", lines.all)
    field.setNumbers(extend, "SurfacesList", [tag for tag, _ in surfaces])
    field.setNumber(extend, "SizeMax", interior_nm)
    field.setNumber(extend, "DistMax", max(interior_nm / GROWTH, 1e-6))
    field.setAsBackgroundMesh(extend)
    gmsh.model.mesh.generate(2)
    return _collected(surfaces)


def _collected(surfaces: list[tuple[int, int]]) -> FilledPlane:
    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    tags = np.asarray(tags, dtype=np.int64)
    points = np.asarray(coordinates, dtype=float).reshape(-1, 3)[:, :2]
    cells, region = [], []
    for surface, number in surfaces:
        _, nodes = gmsh.model.mesh.getElementsByType(2, surface)
        if len(nodes) == 0:
            raise RuntimeError("a region was not filled")
        cells.append(np.asarray(nodes, dtype=np.int64).reshape(-1, 3))
        region.append(np.full(len(cells[-1]), number, dtype=np.int32))
    by_tag = np.concatenate(cells)
    used = np.unique(by_tag)
    order = np.argsort(tags, kind="stable")
    rows = order[np.searchsorted(tags[order], used)]
    points, cells = points[rows], np.searchsorted(used, by_tag)
    a, b, c = (points[cells[:, k]] for k in range(3))
    turned = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] < 0.0
    cells[turned] = cells[turned][:, [0, 2, 1]]
    return FilledPlane(points, cells, np.concatenate(region))
