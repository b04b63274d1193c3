"""Isosurfaces of composition: triangles between more and less than a given atomic fraction."""

import warnings
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ngcfem.atomprobe.composition_field import CompositionField, delocalized, usual_total
from ngcfem.quantities import BoolArray, FloatArray, IntArray

Side = Literal["above", "below"]
Rim = Literal["closed", "open"]


@dataclass(frozen=True, eq=False)
class Isosurface:
    """Surface of the part of a specimen whose composition lies on one side of a threshold.

    Parameters
    ----------
    element : str
        Element whose fraction it is; empty for the outline of a specimen.
    threshold : float
        Atomic fraction on the surface; of an outline the share of the usual number of atoms.
    side : {"above", "below"}
        What it encloses: the part that is richer, or poorer, in the element.
    rim : {"closed", "open"}
        Whether it is closed where it meets the rim of the specimen.
    vertices_nm : ndarray, shape (n, 3)
        Corners of the triangles.
    triangles : ndarray of int, shape (m, 3)
        Corners of each, counterclockwise seen from outside of what the surface encloses.
    """

    element: str
    threshold: float
    side: Side
    rim: Rim
    vertices_nm: FloatArray
    triangles: IntArray

    @property
    def name(self) -> str:
        """Such as ``Sc > 14 at%``."""
        if not self.element:
            return "specimen"
        sign = ">" if self.side == "above" else "<"
        return f"{self.element} {sign} {100.0 * self.threshold:.3g} at%"

    @property
    def triangle_areas_nm2(self) -> FloatArray:
        """Area of each triangle, shape (m,)."""
        a, b, c = np.moveaxis(self.vertices_nm[self.triangles], 1, 0)
        return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)

    @property
    def area_nm2(self) -> float:
        """Area, of a closed surface with what closes it."""
        return float(self.triangle_areas_nm2.sum())

    @property
    def volume_nm3(self) -> float | None:
        """Enclosed volume; None for an open surface."""
        if self.rim == "open":
            return None
        return float(np.linalg.det(self.vertices_nm[self.triangles]).sum() / 6.0)

    def part_of_triangle(self) -> IntArray:
        """Tell the connected parts of the surface apart.

        Returns
        -------
        ndarray of int, shape (m,)
            Number of the part that each triangle belongs to, counted from 0.
        """
        if not len(self.triangles):
            return np.empty(0, dtype=np.int64)
        first = self.triangles[:, [0, 1]].ravel()
        second = self.triangles[:, [1, 2]].ravel()
        size = len(self.vertices_nm)
        links = coo_matrix((np.ones(len(first), dtype=np.int8), (first, second)), (size, size))
        _, part = connected_components(links, directed=False)
        return np.unique(part[self.triangles[:, 0]], return_inverse=True)[1].astype(np.int64)

    def part_areas_nm2(self) -> FloatArray:
        """Area of each connected part.

        Returns
        -------
        ndarray, shape (p,)
            In the order of `part_of_triangle`.
        """
        return np.bincount(self.part_of_triangle(), weights=self.triangle_areas_nm2)

    def without_small_parts(self, smallest_area_nm2: float) -> Self:
        """Leave out parts that are small, as noise makes them.

        Parameters
        ----------
        smallest_area_nm2 : float
            Parts below are left out.

        Returns
        -------
        Isosurface
            The others.
        """
        if not len(self.triangles):
            return self
        kept = self.part_areas_nm2()[self.part_of_triangle()] >= smallest_area_nm2
        triangles = self.triangles[kept]
        used, rows = np.unique(triangles, return_inverse=True)
        return replace(
            self, vertices_nm=self.vertices_nm[used], triangles=rows.reshape(-1, 3).astype(np.int64)
        )

    def open_edge_triangles(self) -> BoolArray:
        """Find the triangles at the edge of an open surface.

        Returns
        -------
        ndarray of bool, shape (m,)
            True where an edge belongs to no other triangle.
        """
        edges = np.sort(self.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        key = edges[:, 0] * (len(self.vertices_nm) + 1) + edges[:, 1]
        _, place, number = np.unique(key, return_inverse=True, return_counts=True)
        return (number[place].reshape(-1, 3) == 1).any(axis=1)


def isosurface(
    field: CompositionField,
    element: str,
    threshold: float,
    side: Side = "above",
    rim: Rim = "closed",
) -> Isosurface:
    """Find where the atomic fraction of an element takes a given value.

    Parameters
    ----------
    field : CompositionField
        The composition.
    element : str
        Symbol.
    threshold : float
        Atomic fraction, above 0 and below 1.
    side : {"above", "below"}
        What the surface encloses.
    rim : {"closed", "open"}
        Closed: what reaches the rim of the specimen is closed there, so that volumes can be taken;
        open: triangles lie only where all eight voxels around them are of the specimen, so that
        areas and distances hold no made-up surface.

    Returns
    -------
    Isosurface
        Without triangles where the composition does not take the value.

    Raises
    ------
    ValueError
        If the threshold is no fraction.

    Notes
    -----
    Marching cubes of Lewiner on the centres of the voxels, with the composition linear along the
    edges between them. The rim of a closed surface lies within one voxel of that of the specimen.

    The composition is that after delocalization: at the threshold half way, a Gaussian of standard
    deviation s takes about s^2 / r off the radius r of a sphere much larger than s, and more off a
    smaller one. Volumes of small particles from isosurfaces are therefore too small.

    References
    ----------
    Lewiner, Lopes, Vieira, Tavares (2003), Journal of Graphics Tools 8, 1,
    doi 10.1080/10867651.2003.10487582.
    """
    if not 0.0 < threshold < 1.0:
        raise ValueError(f"a threshold of {threshold:g} is no atomic fraction between 0 and 1")
    inside = field.inside
    excess = field.fraction(element) - threshold
    if side == "below":
        excess = -excess
    # What counts as outside mirrors the usual value inside, so that a rim lies about half way.
    usual = excess[inside & (excess > 0.0)]
    empty = Isosurface(
        element, threshold, side, rim, np.empty((0, 3)), np.empty((0, 3), dtype=np.int64)
    )
    if not len(usual):
        return empty
    excess = np.where(inside, excess, -float(np.median(usual)))
    mask = None
    if rim == "closed":
        excess = np.pad(excess, 1, constant_values=-float(np.median(usual)))
    else:
        mask = _whole_cubes(inside)
        if not mask.any():
            return empty
    return _triangulated(field, excess, mask, empty)


def specimen_outline(field: CompositionField) -> Isosurface:
    """Find the rim of the specimen.

    Parameters
    ----------
    field : CompositionField
        The composition.

    Returns
    -------
    Isosurface
        Closed, where the number of atoms is half the usual one.
    """
    counts = field.counts.sum(axis=0, keepdims=True)
    empty = Isosurface(
        "", 0.5, "above", "closed", np.empty((0, 3)), np.empty((0, 3), dtype=np.int64)
    )
    if not counts.any():
        return empty
    # The specimen may fill the grid: its rim is sharp only if atoms can spread beyond.
    steps = max(field.kernel_sigma_nm / field.grid.voxel_nm, 1.0)
    margin = int(np.ceil(2.0 * steps))
    spread = delocalized(np.pad(counts, [(0, 0), *[(margin, margin)] * 3]), steps)[0]
    usual = usual_total(spread[margin:-margin, margin:-margin, margin:-margin], counts[0])
    excess = spread.astype(np.float64) - 0.5 * usual
    surface = _triangulated(field, excess, None, empty)
    shift = (margin - 1) * field.grid.voxel_nm
    return replace(surface, vertices_nm=surface.vertices_nm - shift)


def _triangulated(
    field: CompositionField, excess: FloatArray, mask: BoolArray | None, empty: Isosurface
) -> Isosurface:
    vertices, triangles = zero_surface(excess, mask)
    # Voxel centres stand at half steps; a closed surface was found on a grid of one voxel more.
    shift = 0.5 if mask is not None else -0.5
    grid = field.grid
    points = np.asarray(grid.origin_nm, dtype=np.float64) + (vertices + shift) * grid.voxel_nm
    return replace(empty, vertices_nm=points, triangles=triangles)


def zero_surface(
    values: npt.NDArray[np.floating], mask: BoolArray | None = None
) -> tuple[FloatArray, IntArray]:
    """Triangulate the surface on which values on a grid change their sign.

    Parameters
    ----------
    values : ndarray, shape (nx, ny, nz)
        Values, positive inside.
    mask : ndarray of bool, shape (nx, ny, nz), or None
        Cubes looked at, each by its corner of the largest indices; all if None.

    Returns
    -------
    vertices : ndarray, shape (n, 3)
        Corners in steps of the grid, from its first point; of length 0 if there is no surface.
    triangles : ndarray of int, shape (m, 3)
        Counterclockwise seen from outside.

    References
    ----------
    Lewiner, Lopes, Vieira, Tavares (2003), Journal of Graphics Tools 8, 1,
    doi 10.1080/10867651.2003.10487582.
    """
    from skimage.measure import marching_cubes

    nothing = np.empty((0, 3)), np.empty((0, 3), dtype=np.int64)
    if min(values.shape) < 2 or values.min() >= 0.0 or values.max() <= 0.0:
        return nothing
    with warnings.catch_warnings():
        # scikit-image 0.26 sets the shape of arrays, which NumPy 2.5 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            vertices, triangles, _, _ = marching_cubes(
                values, 0.0, gradient_direction="ascent", allow_degenerate=False, mask=mask
            )
        except RuntimeError:  # its way to say that no triangle lies in the mask
            return nothing
    return vertices.astype(np.float64), triangles.astype(np.int64)


def _whole_cubes(inside: BoolArray) -> BoolArray:
    """Mask of the cubes whose eight corners are all inside, as scikit-image reads it.

    It looks at the corner of a cube that has the largest indices.
    """
    return ndimage.binary_erosion(inside, np.ones((2, 2, 2), dtype=bool), origin=0)
