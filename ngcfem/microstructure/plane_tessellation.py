"""Periodic Laguerre tessellation of a rectangle into grains of prescribed areas."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve
from scipy.spatial import ConvexHull, QhullError

from ngcfem.errors import RefusedError
from ngcfem.quantities import FloatArray, IntArray

AREA_TOLERANCE = 1e-6
"""Largest error of a grain area over the mean grain area."""

LLOYD_STEPS = 6
STARTS = 10
_REACHES = (0.6, 1.0, 2.0, 4.0)
_FILLED = 1e-9


@dataclass(frozen=True, eq=False)
class PlaneGrain:
    """One grain of the plane, with half of the network around it: a convex polygon.

    Parameters
    ----------
    neighbours : ndarray of int, shape (k,)
        Grain beyond each side, sides counter-clockwise.
    shifts : ndarray of int, shape (k, 2)
        Periods by which that neighbour is displaced from its site.
    normals : ndarray, shape (k, 2)
        Unit normal of each side, outwards.
    offsets_nm : ndarray, shape (k,)
        The grain lies where normal . x <= offset.
    corners : ndarray, shape (k, 2)
        First corner of each side in nm; the last one is the first corner of the next side.
    area_nm2 : float
        Area.
    centroid : ndarray, shape (2,)
        Centre of area in nm, not wrapped.
    """

    neighbours: IntArray
    shifts: IntArray
    normals: FloatArray
    offsets_nm: FloatArray
    corners: FloatArray
    area_nm2: float
    centroid: FloatArray


@dataclass(frozen=True, eq=False)
class PlaneDiagram:
    """The sides of all grains, sorted by grain and then counter-clockwise.

    Parameters
    ----------
    number_of_grains : int
        Number of sites.
    grain, neighbour : ndarray of int, shape (m,)
        The two grains of each side; each side occurs once from either of them.
    shift : ndarray of int, shape (m, 2)
        Periods by which the neighbour is displaced from its site.
    normal : ndarray, shape (m, 2)
        Unit normal out of the grain.
    offset_nm : ndarray, shape (m,)
        The grain lies where normal . x <= offset.
    distance_nm : ndarray, shape (m,)
        Distance of the two sites.
    start, end : ndarray, shape (m, 2)
        Ends of the side in nm.
    """

    number_of_grains: int
    grain: IntArray
    neighbour: IntArray
    shift: IntArray
    normal: FloatArray
    offset_nm: FloatArray
    distance_nm: FloatArray
    start: FloatArray
    end: FloatArray

    @cached_property
    def lengths_nm(self) -> FloatArray:
        """Length of each side in nm, shape (m,)."""
        return np.linalg.norm(self.end - self.start, axis=1)

    @cached_property
    def areas_nm2(self) -> FloatArray:
        """Area of each grain in nm^2, shape (n,); 0 where the site is hidden by others."""
        return np.bincount(self.grain, weights=0.5 * self._cross, minlength=self.number_of_grains)

    @cached_property
    def centroids(self) -> FloatArray:
        """Centre of area of each grain in nm, shape (n, 2); nan where there is no area."""
        moment = np.stack(
            [
                np.bincount(self.grain, weights=weights, minlength=self.number_of_grains)
                for weights in ((self.start + self.end) * self._cross[:, None] / 6.0).T
            ],
            axis=1,
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            return moment / self.areas_nm2[:, None]

    @property
    def _cross(self) -> FloatArray:
        return self.start[:, 0] * self.end[:, 1] - self.start[:, 1] * self.end[:, 0]

    @cached_property
    def grains(self) -> tuple[PlaneGrain, ...]:
        """The grains one by one."""
        first = np.searchsorted(self.grain, np.arange(self.number_of_grains + 1))
        return tuple(
            PlaneGrain(
                neighbours=self.neighbour[rows],
                shifts=self.shift[rows],
                normals=self.normal[rows],
                offsets_nm=self.offset_nm[rows],
                corners=self.start[rows],
                area_nm2=float(self.areas_nm2[n]),
                centroid=self.centroids[n],
            )
            for n in range(self.number_of_grains)
            for rows in (slice(first[n], first[n + 1]),)
        )


@dataclass(frozen=True, eq=False)
class PlaneTessellation:
    """Sites and weights that give grains of the areas asked for.

    Parameters
    ----------
    edges_nm : ndarray, shape (2,)
        Edges of the rectangle.
    sites : ndarray, shape (n, 2)
        Sites in nm, inside the rectangle.
    weights : ndarray, shape (n,)
        Laguerre weights in nm^2.
    target_areas_nm2 : ndarray, shape (n,)
        Areas asked for.
    """

    edges_nm: FloatArray
    sites: FloatArray
    weights: FloatArray
    target_areas_nm2: FloatArray


def plane_diagram(sites: FloatArray, weights: FloatArray, edges_nm: FloatArray) -> PlaneDiagram:
    """Compute the periodic Laguerre (power) diagram of weighted sites in a rectangle.

    Parameters
    ----------
    sites : ndarray, shape (n, 2)
        Sites in nm, inside the rectangle.
    weights : ndarray, shape (n,)
        Weights in nm^2.
    edges_nm : ndarray, shape (2,)
        Edges of the rectangle.

    Returns
    -------
    PlaneDiagram
        Sides of all grains.

    Raises
    ------
    RefusedError
        If the grains do not add up to the rectangle: few sites in a very elongated one.

    Notes
    -----
    1. The sites and their images are lifted to |x|^2 - w; the lower convex hull of the lifted
       points is the regular triangulation, and every triangle gives one corner of the diagram.
    2. The side of two sites joins the corners of the two triangles that hold both.
    3. Images are taken from a margin of 0.6 of the rectangle around it; if the grains do not add up
       to the rectangle, from 1, 2, then 4 rectangles.

    References
    ----------
    Aurenhammer (1987), SIAM J. Comput. 16, 78, doi 10.1137/0216006.
    """
    area = float(edges_nm.prod())
    for reach in _REACHES:
        try:
            diagram = _diagram_from_images(sites, weights, edges_nm, reach)
        except QhullError:  # too few images to span the plane
            continue
        if abs(diagram.areas_nm2.sum() / area - 1.0) < _FILLED:
            return diagram
    raise RefusedError(
        "the grains do not fill the cell. Use more grains, or a cell_aspect closer to 1."
    )


def _diagram_from_images(
    sites: FloatArray, weights: FloatArray, edges_nm: FloatArray, reach: float
) -> PlaneDiagram:
    number = len(sites)
    steps = np.arange(-int(np.ceil(reach)), int(np.ceil(reach)) + 1)
    shifts = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    images = (sites[None] + shifts[:, None] * edges_nm).reshape(-1, 2)
    site = np.tile(np.arange(number), len(shifts))
    shift = np.repeat(shifts, number, axis=0)
    near = np.all((images > -reach * edges_nm) & (images < (1.0 + reach) * edges_nm), axis=1)
    images, site, shift = images[near], site[near], shift[near]

    middle = 0.5 * edges_nm
    centred = images - middle
    hull = ConvexHull(np.column_stack([centred, (centred**2).sum(axis=1) - weights[site]]))
    lower = hull.equations[:, 2] < -1e-12
    triangles = hull.simplices[lower].astype(np.int64)
    equations = hull.equations[lower]
    vertices = -equations[:, :2] / (2.0 * equations[:, 2:3]) + middle

    here = triangles[:, [0, 1, 2, 1, 2, 0]].ravel()
    there = triangles[:, [1, 2, 0, 0, 1, 2]].ravel()
    row = np.repeat(np.arange(len(triangles)), 6)
    base = np.all(shift == 0, axis=1)
    keep = base[here]
    here, there, row = here[keep], there[keep], row[keep]
    order = np.lexsort((there, here))
    here, there, row = here[order], there[order], row[order]
    # a side that only one triangle has ends outside the images that were kept
    paired = np.flatnonzero((here[1:] == here[:-1]) & (there[1:] == there[:-1]))
    here, there = here[paired], there[paired]
    first, second = vertices[row[paired]], vertices[row[paired + 1]]

    apart = images[there] - images[here]
    distance = np.linalg.norm(apart, axis=1)
    normal = apart / distance[:, None]
    power = (images**2).sum(axis=1) - weights[site]
    offset = (power[there] - power[here]) / (2.0 * distance)
    tangent = np.stack([-normal[:, 1], normal[:, 0]], axis=1)
    forward = ((second - first) * tangent).sum(axis=1) > 0.0
    start = np.where(forward[:, None], first, second)
    end = np.where(forward[:, None], second, first)
    long = np.linalg.norm(end - start, axis=1) > 1e-12 * edges_nm.max()
    around = np.arctan2(normal[:, 1], normal[:, 0])
    order = np.lexsort((around, site[here]))
    order = order[long[order]]
    return PlaneDiagram(
        number_of_grains=number,
        grain=site[here][order],
        neighbour=site[there][order],
        shift=shift[there][order],
        normal=normal[order],
        offset_nm=offset[order],
        distance_nm=distance[order],
        start=start[order],
        end=end[order],
    )


def fit_plane_weights(
    sites: FloatArray,
    weights: FloatArray,
    edges_nm: FloatArray,
    target_areas_nm2: FloatArray,
    tolerance: float = AREA_TOLERANCE,
    maximum_iterations: int = 60,
) -> tuple[FloatArray, PlaneDiagram]:
    """Find weights whose Laguerre cells have given areas.

    Parameters
    ----------
    sites : ndarray, shape (n, 2)
        Sites in nm, inside the rectangle.
    weights : ndarray, shape (n,)
        First guess in nm^2; no grain may be empty.
    edges_nm : ndarray, shape (2,)
        Edges of the rectangle.
    target_areas_nm2 : ndarray, shape (n,)
        Areas asked for; they add up to the rectangle.
    tolerance : float
        Largest error over the mean area.
    maximum_iterations : int
        Newton steps before it gives up.

    Returns
    -------
    weights : ndarray, shape (n,)
        The weights.
    diagram : PlaneDiagram
        Their diagram.

    Raises
    ------
    RefusedError
        If the areas are not met.

    Notes
    -----
    Damped Newton on the concave dual of semi-discrete optimal transport: dA_i/dw_j = -l_ij / (2
    d_ij) with l_ij the length of the common side and d_ij the distance of the sites. A step is
    halved until no grain is emptied and the error falls.

    References
    ----------
    Kitagawa, Merigot, Thibert (2019), J. Eur. Math. Soc. 21, 2603, doi 10.4171/JEMS/889, Alg. 1.
    """
    diagram = plane_diagram(sites, weights, edges_nm)
    smallest = 0.25 * min(float(target_areas_nm2.min()), float(diagram.areas_nm2.min()))
    for _ in range(maximum_iterations):
        error = target_areas_nm2 - diagram.areas_nm2
        if np.abs(error).max() < tolerance * target_areas_nm2.mean():
            return weights, diagram
        if len(sites) == 1 or smallest <= 0.0:
            break
        step = _newton_step(diagram, error)
        fraction = 1.0
        while fraction > 1e-4:
            tried = plane_diagram(sites, weights + fraction * step, edges_nm)
            better = np.linalg.norm(target_areas_nm2 - tried.areas_nm2) < (
                1.0 - 0.45 * fraction
            ) * np.linalg.norm(error)
            if tried.areas_nm2.min() > smallest and better:
                break
            fraction *= 0.5
        else:
            break
        weights, diagram = weights + fraction * step, tried
    raise RefusedError(
        "the grain areas asked for were not met: largest error "
        f"{np.abs(target_areas_nm2 - diagram.areas_nm2).max() / target_areas_nm2.mean():.2e} of "
        "the mean area. Use another seed or a smaller spread of the grain size."
    )


def _newton_step(diagram: PlaneDiagram, error: FloatArray) -> FloatArray:
    other = diagram.grain != diagram.neighbour
    i, j = diagram.grain[other], diagram.neighbour[other]
    slope = (diagram.lengths_nm / (2.0 * diagram.distance_nm))[other]
    number = diagram.number_of_grains
    hessian = coo_array(
        (np.concatenate([-slope, slope]), (np.concatenate([i, i]), np.concatenate([j, i]))),
        shape=(number, number),
    ).tocsc()
    step = np.zeros(number)
    step[1:] = np.asarray(spsolve(hessian[1:, 1:], error[1:]))
    return step


def tessellate_plane(
    diameters_nm: FloatArray, cell_aspect: FloatArray, generator: np.random.Generator
) -> PlaneTessellation:
    """Fill a rectangle with grains of given equivalent diameters.

    Parameters
    ----------
    diameters_nm : ndarray, shape (n,)
        Diameters of the discs of equal area.
    cell_aspect : ndarray, shape (2,)
        Proportions of the edges of the rectangle.
    generator : numpy.random.Generator
        Source of the first positions.

    Returns
    -------
    PlaneTessellation
        Sites and weights.

    Raises
    ------
    RefusedError
        If the areas are not met.

    Notes
    -----
    1. Random sites are pushed apart as soft discs of the grain sizes.
    2. Weights are fitted to the areas, and the sites moved to the centroids of their grains
       (Lloyd), ``LLOYD_STEPS`` times: the grains become roundish.
    3. If a move empties a grain, the weights start again from the squared radii.
    4. Positions from which the areas are not met give way to others, ``STARTS`` times.
    """
    areas = np.pi / 4.0 * diameters_nm**2
    aspect = cell_aspect / np.sqrt(np.prod(cell_aspect))
    edges = aspect * np.sqrt(areas.sum())
    for start in range(STARTS):
        try:
            return _tessellated(0.5 * diameters_nm, areas, edges, generator)
        except RefusedError:
            if start == STARTS - 1:
                raise
    raise AssertionError("the last start returns or raises")


def _tessellated(
    radii: FloatArray, areas: FloatArray, edges: FloatArray, generator: np.random.Generator
) -> PlaneTessellation:
    sites = _pushed_apart(generator.random((len(radii), 2)) * edges, radii, edges)
    start = radii**2 - (radii**2).mean()
    weights = start
    for step in range(LLOYD_STEPS + 1):
        if plane_diagram(sites, weights, edges).areas_nm2.min() <= 0.0:
            weights = start
        last = step == LLOYD_STEPS
        tolerance = AREA_TOLERANCE if last else 1e-2
        weights, diagram = fit_plane_weights(sites, weights, edges, areas, tolerance)
        if not last:
            sites = diagram.centroids % edges
    return PlaneTessellation(edges, sites, weights - weights.mean(), areas)


def _pushed_apart(sites: FloatArray, radii: FloatArray, edges: FloatArray) -> FloatArray:
    contact = radii[:, None] + radii[None]

    def energy(flat: FloatArray) -> tuple[float, FloatArray]:
        x = flat.reshape(-1, 2)
        apart = x[:, None] - x[None]
        apart -= edges * np.round(apart / edges)
        distance = np.sqrt((apart**2).sum(axis=-1) + 1e-12)
        overlap = np.maximum(0.0, contact - distance)
        np.fill_diagonal(overlap, 0.0)
        slope = -(2.0 * overlap / distance)[..., None] * apart
        return 0.5 * float((overlap**2).sum()), slope.sum(axis=1).ravel()

    found = minimize(energy, sites.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return found.x.reshape(-1, 2) % edges
