"""Periodic Laguerre tessellation of a box into grains of prescribed volumes."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve
from scipy.spatial import ConvexHull, QhullError
from scipy.special import ndtri

from ngcfem.errors import RefusedError
from ngcfem.quantities import FloatArray

VOLUME_TOLERANCE = 1e-4
"""Largest error of a grain volume over the mean grain volume."""

LLOYD_STEPS = 6
_REACHES = (0.6, 1.0, 2.0)
_FILLED = 1e-9


@dataclass(frozen=True, eq=False)
class LaguerreFacet:
    """The common face of a grain and one of its neighbours.

    Parameters
    ----------
    neighbour : int
        Number of the neighbour.
    shift : tuple of int
        Periods by which the neighbour is displaced from its site.
    normal : ndarray, shape (3,)
        Unit normal, out of the grain.
    offset_nm : float
        The grain lies where normal . x <= offset.
    distance_nm : float
        Distance between the two sites.
    polygon : ndarray, shape (k, 3)
        Corners in nm, counter-clockwise seen from outside.
    area_nm2 : float
        Area.
    """

    neighbour: int
    shift: tuple[int, int, int]
    normal: FloatArray
    offset_nm: float
    distance_nm: float
    polygon: FloatArray
    area_nm2: float


@dataclass(frozen=True, eq=False)
class LaguerreCell:
    """One grain, with half of the network around it.

    Parameters
    ----------
    facets : tuple of LaguerreFacet
        Faces.
    volume_nm3 : float
        Volume.
    centroid : ndarray, shape (3,)
        Centre of volume in nm, not wrapped.
    """

    facets: tuple[LaguerreFacet, ...]
    volume_nm3: float
    centroid: FloatArray

    def half_spaces(self, inset_nm: float = 0.0) -> tuple[FloatArray, FloatArray]:
        """Give the half-spaces whose intersection is the cell.

        Parameters
        ----------
        inset_nm : float
            Distance by which the faces are moved inwards.

        Returns
        -------
        normals : ndarray, shape (k, 3)
            Unit normals, outwards.
        offsets : ndarray, shape (k,)
            Inside is where normal . x <= offset.
        """
        normals = np.array([facet.normal for facet in self.facets])
        offsets = np.array([facet.offset_nm for facet in self.facets])
        return normals, offsets - inset_nm


@dataclass(frozen=True, eq=False)
class Tessellation:
    """Sites and weights that give grains of the volumes asked for.

    Parameters
    ----------
    edges_nm : ndarray, shape (3,)
        Edges of the box.
    sites : ndarray, shape (n, 3)
        Sites in nm, inside the box.
    weights : ndarray, shape (n,)
        Laguerre weights in nm^2.
    target_volumes_nm3 : ndarray, shape (n,)
        Volumes asked for.
    """

    edges_nm: FloatArray
    sites: FloatArray
    weights: FloatArray
    target_volumes_nm3: FloatArray


def laguerre_cells(
    sites: FloatArray, weights: FloatArray, edges_nm: FloatArray
) -> tuple[LaguerreCell, ...]:
    """Compute the periodic Laguerre (power) diagram of weighted sites in a box.

    Parameters
    ----------
    sites : ndarray, shape (n, 3)
        Sites in nm, inside the box.
    weights : ndarray, shape (n,)
        Weights in nm^2.
    edges_nm : ndarray, shape (3,)
        Edges of the box.

    Returns
    -------
    tuple of LaguerreCell
        One per site; a cell without facets and volume where the site is hidden by others.

    Raises
    ------
    RefusedError
        If the cells do not add up to the box: few sites in a very elongated one.

    Notes
    -----
    1. The sites and their images are lifted to |x|^2 - w; the lower convex hull of the lifted
       points is the regular triangulation, and every hull simplex gives one vertex of the diagram.
    2. The facet of two sites is the polygon of the vertices of the simplices that hold both.
    3. Images are taken from a margin of 0.6 of the box around it; if the cells do not add up to the
       box, from 1, then 2 boxes.

    References
    ----------
    Aurenhammer (1987), SIAM J. Comput. 16, 78, doi 10.1137/0216006.
    """
    box = float(edges_nm.prod())
    for reach in _REACHES:
        try:
            cells = _cells_from_images(sites, weights, edges_nm, reach)
        except QhullError:  # too few images to span space
            continue
        if abs(sum(cell.volume_nm3 for cell in cells) / box - 1.0) < _FILLED:
            return cells
    raise RefusedError(
        "the grains do not fill the cell. Use more grains, or a cell_aspect closer to 1."
    )


def _cells_from_images(
    sites: FloatArray, weights: FloatArray, edges_nm: FloatArray, reach: float
) -> tuple[LaguerreCell, ...]:
    number = len(sites)
    steps = np.arange(-int(np.ceil(reach)), int(np.ceil(reach)) + 1)
    shifts = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    images = (sites[None] + shifts[:, None] * edges_nm).reshape(-1, 3)
    site = np.tile(np.arange(number), len(shifts))
    shift = np.repeat(shifts, number, axis=0)
    near = np.all((images > -reach * edges_nm) & (images < (1.0 + reach) * edges_nm), axis=1)
    images, site, shift = images[near], site[near], shift[near]

    middle = 0.5 * edges_nm
    centred = images - middle
    lifted = np.column_stack([centred, (centred**2).sum(axis=1) - weights[site]])
    hull = ConvexHull(lifted)
    lower = hull.equations[:, 3] < -1e-12
    simplices = hull.simplices[lower]
    equations = hull.equations[lower]
    vertices = -equations[:, :3] / (2.0 * equations[:, 3:4]) + middle

    in_base = np.all(shift == 0, axis=1)
    around = defaultdict(list)
    for row in np.flatnonzero(in_base[simplices].any(axis=1)).tolist():
        simplex = simplices[row].tolist()
        for a in simplex:
            if in_base[a]:
                for b in simplex:
                    if b != a:
                        around[a, b].append(row)
    facets: list[list[LaguerreFacet]] = [[] for _ in range(number)]
    for (a, b), rows in sorted(around.items()):
        facet = _facet(
            images[a],
            images[b],
            float(weights[site[a]]),
            float(weights[site[b]]),
            vertices[rows],
        )
        if facet is not None:
            normal, offset, distance, polygon, area = facet
            i, j, k = shift[b].tolist()
            facets[site[a]].append(
                LaguerreFacet(int(site[b]), (i, j, k), normal, offset, distance, polygon, area)
            )
    return tuple(_cell(sites[i], facets[i]) for i in range(number))


def _cross(first: FloatArray, second: FloatArray) -> FloatArray:
    # numpy's own spends most of its time on the general case
    a, b, c = first[..., 0], first[..., 1], first[..., 2]
    d, e, f = second[..., 0], second[..., 1], second[..., 2]
    product = np.empty(np.broadcast_shapes(first.shape, second.shape))
    product[..., 0] = b * f - c * e
    product[..., 1] = c * d - a * f
    product[..., 2] = a * e - b * d
    return product


def _facet(
    here: FloatArray, there: FloatArray, weight: float, other: float, corners: FloatArray
) -> tuple[FloatArray, float, float, FloatArray, float] | None:
    if len(corners) < 3:
        return None
    normal = there - here
    distance = float(np.linalg.norm(normal))
    normal = normal / distance
    offset = float((there @ there - here @ here - other + weight) / (2.0 * distance))
    centre = corners.mean(axis=0)
    first = _cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    second = _cross(normal, first)
    angle = np.arctan2((corners - centre) @ second, (corners - centre) @ first)
    polygon = corners[np.argsort(angle, kind="stable")]
    spokes = polygon - polygon[0]
    area = float(0.5 * _cross(spokes[1:-1], spokes[2:]).sum(axis=0) @ normal)
    return normal, offset, distance, polygon, area


def _cell(site: FloatArray, facets: list[LaguerreFacet]) -> LaguerreCell:
    volume, moment = 0.0, np.zeros(3)
    for facet in facets:
        height = facet.offset_nm - site @ facet.normal
        p = facet.polygon
        double = _cross(p[1:-1] - p[0], p[2:] - p[0]) @ facet.normal
        centre = (p[0] + p[1:-1] + p[2:]) / 3.0
        pyramid = height * double / 6.0
        volume += float(pyramid.sum())
        moment += pyramid @ (site + 0.75 * (centre - site))
    return LaguerreCell(tuple(facets), volume, moment / volume if volume > 0.0 else site.copy())


def _volumes(cells: tuple[LaguerreCell, ...]) -> FloatArray:
    return np.array([cell.volume_nm3 for cell in cells])


def fit_weights(
    sites: FloatArray,
    weights: FloatArray,
    edges_nm: FloatArray,
    target_volumes_nm3: FloatArray,
    tolerance: float = VOLUME_TOLERANCE,
    maximum_iterations: int = 60,
) -> tuple[FloatArray, tuple[LaguerreCell, ...]]:
    """Find weights whose Laguerre cells have given volumes.

    Parameters
    ----------
    sites : ndarray, shape (n, 3)
        Sites in nm, inside the box.
    weights : ndarray, shape (n,)
        First guess in nm^2; no cell may be empty.
    edges_nm : ndarray, shape (3,)
        Edges of the box.
    target_volumes_nm3 : ndarray, shape (n,)
        Volumes asked for; they add up to the box.
    tolerance : float
        Largest error over the mean volume.
    maximum_iterations : int
        Newton steps before it gives up.

    Returns
    -------
    weights : ndarray, shape (n,)
        The weights.
    cells : tuple of LaguerreCell
        Their diagram.

    Raises
    ------
    RefusedError
        If the volumes are not met.

    Notes
    -----
    Damped Newton on the concave dual of semi-discrete optimal transport: dV_i/dw_j = -A_ij / (2
    d_ij) with A_ij the common area and d_ij the distance of the sites. A step is halved until no
    cell is emptied and the error falls.

    References
    ----------
    Kitagawa, Merigot, Thibert (2019), J. Eur. Math. Soc. 21, 2603, doi 10.4171/JEMS/889, Alg. 1.
    """
    number = len(sites)
    cells = laguerre_cells(sites, weights, edges_nm)
    volumes = _volumes(cells)
    smallest = 0.25 * min(float(target_volumes_nm3.min()), float(volumes.min()))
    for _ in range(maximum_iterations):
        error = target_volumes_nm3 - volumes
        if np.abs(error).max() < tolerance * target_volumes_nm3.mean():
            return weights, cells
        if number == 1 or smallest <= 0.0:
            break
        step = _newton_step(cells, error)
        fraction = 1.0
        while fraction > 1e-4:
            tried = laguerre_cells(sites, weights + fraction * step, edges_nm)
            tried_volumes = _volumes(tried)
            better = np.linalg.norm(target_volumes_nm3 - tried_volumes) < (
                1.0 - 0.45 * fraction
            ) * np.linalg.norm(error)
            if tried_volumes.min() > smallest and better:
                break
            fraction *= 0.5
        else:
            break
        weights, cells, volumes = weights + fraction * step, tried, tried_volumes
    raise RefusedError(
        "the grain volumes asked for were not met: largest error "
        f"{np.abs(target_volumes_nm3 - volumes).max() / target_volumes_nm3.mean():.2e} of the mean "
        "volume. Use another seed or a smaller spread of the grain size."
    )


def _newton_step(cells: tuple[LaguerreCell, ...], error: FloatArray) -> FloatArray:
    number = len(cells)
    rows, columns, values = [], [], []
    for i, cell in enumerate(cells):
        for facet in cell.facets:
            if facet.neighbour != i:
                slope = facet.area_nm2 / (2.0 * facet.distance_nm)
                rows += [i, i]
                columns += [facet.neighbour, i]
                values += [-slope, slope]
    hessian = coo_array((values, (rows, columns)), shape=(number, number)).tocsc()
    step = np.zeros(number)
    step[1:] = np.asarray(spsolve(hessian[1:, 1:], error[1:]))
    return step


def stratified_lognormal(number: int, mean: float, coefficient_of_variation: float) -> FloatArray:
    """Quantiles of a lognormal distribution, of exactly the mean and spread asked for.

    Parameters
    ----------
    number : int
        How many; at least 2 for a spread.
    mean : float
        Arithmetic mean.
    coefficient_of_variation : float
        Standard deviation (of the population) over the mean.

    Returns
    -------
    ndarray, shape (number,)
        Ascending values.

    Notes
    -----
    exp(s z_k) at the mid-quantiles z_k; s is solved for so that a few values already have the
    spread asked for.
    """
    if number < 2 or coefficient_of_variation == 0.0:
        return np.full(number, mean)
    quantiles = np.asarray(ndtri((np.arange(number) + 0.5) / number))

    def excess(spread: float) -> float:
        values = np.exp(spread * quantiles)
        return float(values.std() / values.mean() - coefficient_of_variation)

    spread = float(np.asarray(brentq(excess, 0.0, 20.0 * coefficient_of_variation, xtol=1e-14)))
    values = np.exp(spread * quantiles)
    return mean * values / values.mean()


def tessellate(
    diameters_nm: FloatArray, cell_aspect: FloatArray, generator: np.random.Generator
) -> Tessellation:
    """Fill a box with grains of given equivalent diameters.

    Parameters
    ----------
    diameters_nm : ndarray, shape (n,)
        Diameters of the spheres of equal volume.
    cell_aspect : ndarray, shape (3,)
        Proportions of the edges of the box.
    generator : numpy.random.Generator
        Source of the first positions.

    Returns
    -------
    Tessellation
        Sites and weights.

    Raises
    ------
    RefusedError
        If the volumes are not met.

    Notes
    -----
    1. Random sites are pushed apart as soft spheres of the grain sizes.
    2. Weights are fitted to the volumes, and the sites moved to the centroids of their cells
       (Lloyd), ``LLOYD_STEPS`` times: the grains become roundish.
    3. If a move empties a cell, the weights start again from the squared radii.
    """
    volumes = np.pi / 6.0 * diameters_nm**3
    aspect = cell_aspect / np.prod(cell_aspect) ** (1.0 / 3.0)
    edges = aspect * volumes.sum() ** (1.0 / 3.0)
    radii = 0.5 * diameters_nm
    sites = _pushed_apart(generator.random((len(radii), 3)) * edges, radii, edges)
    start = radii**2 - (radii**2).mean()
    weights = start
    for step in range(LLOYD_STEPS + 1):
        if any(cell.volume_nm3 <= 0.0 for cell in laguerre_cells(sites, weights, edges)):
            weights = start
        last = step == LLOYD_STEPS
        tolerance = VOLUME_TOLERANCE if last else 1e-2
        weights, cells = fit_weights(sites, weights, edges, volumes, tolerance)
        if not last:
            sites = np.array([cell.centroid for cell in cells]) % edges
    return Tessellation(edges, sites, weights - weights.mean(), volumes)


def _pushed_apart(sites: FloatArray, radii: FloatArray, edges: FloatArray) -> FloatArray:
    contact = radii[:, None] + radii[None]

    def energy(flat: FloatArray) -> tuple[float, FloatArray]:
        x = flat.reshape(-1, 3)
        apart = x[:, None] - x[None]
        apart -= edges * np.round(apart / edges)
        distance = np.sqrt((apart**2).sum(axis=-1) + 1e-12)
        overlap = np.maximum(0.0, contact - distance)
        np.fill_diagonal(overlap, 0.0)
        slope = -(2.0 * overlap / distance)[..., None] * apart
        return 0.5 * float((overlap**2).sum()), slope.sum(axis=1).ravel()

    found = minimize(energy, sites.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return found.x.reshape(-1, 3) % edges
