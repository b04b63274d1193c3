"""Shear bands in a field: where strain gathers in plane layers, how wide, how steep, how many."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import KDTree

from ngcfem.quantities import BoolArray, FloatArray, IntArray

_PLANE_DIRECTIONS = 180
_SPACE_DIRECTIONS = 2000
_REFINEMENTS = 8
# A layer whose thickness is less than this share of its least extent is a band.
_LARGEST_THICKNESS_RATIO = 0.45
# And it fills at least this share of its box; crossing or branching bands leave theirs empty.
_LEAST_FILLING = 0.5
# Share of the variance between two levels of strain: 1 for two levels, 0.81 for a sine wave, 0.75
# for an even gradient, 0.64 for normal scatter. Below it there are no two levels.
_LEAST_SEPARATION = 0.8
_FAMILY_ANGLE_DEG = 10.0
_FEWEST_POINTS = 6


@dataclass(frozen=True)
class ShearBand:
    """One plane layer of high strain.

    Parameters
    ----------
    normal : tuple of float
        Unit normal, two or three components.
    centre_nm : tuple of float
        Centroid.
    width_nm : float
        Thickness of the uniform layer with the same second moment.
    extent_nm : float
        Length of the band along its plane, likewise; in space the shorter of the two.
    angle_deg : float
        Angle between the plane and the load axis.
    volume_share : float
        Share of the volume of the field.
    mean_strain : float
        Volume mean of the strain in the band.
    """

    normal: tuple[float, ...]
    centre_nm: tuple[float, ...]
    width_nm: float
    extent_nm: float
    angle_deg: float
    volume_share: float
    mean_strain: float


@dataclass(frozen=True)
class BandReport:
    """The bands of a field.

    Parameters
    ----------
    bands : tuple of ShearBand
        By falling volume.
    threshold_strain : float
        Strain above which a point counts as band.
    volume_share_above : float
        Share of the volume above the given multiple of the mean, in bands or not.
    strain_share_above : float
        Share of the total strain that is there.
    spacing_nm : float or None
        Mean distance of neighbouring parallel bands (within 10 degrees); None if no two are.
    localization_index : float
        Standard deviation over mean of the strain.
    two_levels : bool
        Whether the threshold is what parts two levels of strain, below the multiple of the mean.
    """

    bands: tuple[ShearBand, ...]
    threshold_strain: float
    volume_share_above: float
    strain_share_above: float
    spacing_nm: float | None
    localization_index: float
    two_levels: bool = False

    @property
    def number(self) -> int:
        """How many bands there are."""
        return len(self.bands)


def localization_index(strain: FloatArray, volume: FloatArray) -> float:
    """Scatter of a strain over its mean, weighted by volume.

    Parameters
    ----------
    strain : ndarray, shape (n,)
        Equivalent plastic strain.
    volume : ndarray, shape (n,)
        Volumes, any unit.

    Returns
    -------
    float
        Standard deviation over mean; 0 where nothing has flowed.
    """
    mean = float(np.average(strain, weights=volume))
    if mean <= 0.0:
        return 0.0
    return math.sqrt(float(np.average((strain - mean) ** 2, weights=volume))) / mean


def detect_bands(
    positions_nm: FloatArray,
    strain: FloatArray,
    volume: FloatArray,
    axis: FloatArray,
    threshold_ratio: float = 2.0,
    link_nm: float | None = None,
    lattice_nm: FloatArray | None = None,
    smallest_share: float = 0.005,
) -> BandReport:
    """Find the shear bands of a field given at points.

    Parameters
    ----------
    positions_nm : ndarray, shape (n, d)
        Points (integration points or cell centres), d = 2 or 3.
    strain : ndarray, shape (n,)
        Equivalent plastic strain.
    volume : ndarray, shape (n,)
        Volume of each point.
    axis : ndarray, shape (d,)
        Direction of the load.
    threshold_ratio : float
        A point counts where its strain exceeds this multiple of the mean; see the notes for wide
        bands.
    link_nm : float or None
        Largest distance of neighbours; None takes 2.5 (V/n)^(1/d).
    lattice_nm : ndarray, shape (d, d), or None
        Rows are the periods of the cell, which must contain the points; None: nothing is periodic.
    smallest_share : float
        Least share of the volume that counts as a band.

    Returns
    -------
    BandReport
        The bands and the numbers that do not depend on a fit.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    1. Points above the threshold are linked to their neighbours (through periodic faces too, and
       then moved by periods so that a cluster is in one piece).
    2. A cluster that is flat by its second moments, and fills half of the box of these moments, is
       a band. Its normal comes from a regression of
       the height over the plane on the place in it, its thickness is sqrt(12) times the deviation
       that is left, exact for a uniform layer.
    3. Other clusters hold bands that cross: the direction and place at which a layer of two link
       lengths collects most volume starts a layer, which is fitted to the points within its own
       thickness until it does not change, then taken out; and so on while what is left is flat and
       large enough.
    4. A band that takes the share f of a small cell has the strain 1/f of the mean at most, less
       what flows beside it, and a wide one stays below the multiple of the mean. If nothing was
       found, the strain is parted at the threshold of least variance within the two parts. If the
       variance between them is 0.8 of the whole, their means differ by the multiple and the upper
       part has at most half of the volume, there are two levels of strain, and steps 1 to 3 are
       taken with that threshold.

    References
    ----------
    Otsu (1979), IEEE Trans. Syst. Man Cybern. 9, 62-66, doi 10.1109/TSMC.1979.4310076: step 4.
    """
    positions, weights = np.asarray(positions_nm, dtype=float), np.asarray(volume, dtype=float)
    n, d = positions.shape
    if d not in (2, 3) or strain.shape != (n,) or weights.shape != (n,) or len(axis) != d:
        raise ValueError(
            f"positions {positions.shape}, strain {strain.shape}, volume {weights.shape} and axis "
            f"{np.shape(axis)} do not fit together"
        )
    total = float(weights.sum())
    mean = float(np.average(strain, weights=weights))
    threshold = threshold_ratio * mean
    above = strain > threshold if mean > 0.0 else np.zeros(n, dtype=bool)
    link = 2.5 * (total / n) ** (1.0 / d) if link_nm is None else link_nm

    def bands_above(points: IntArray) -> list[ShearBand]:
        found: list[ShearBand] = []
        for members, places in _clusters(positions[points], link, lattice_nm):
            rows = points[members]
            for chosen in _layers(places, weights[rows], link, smallest_share * total):
                own = rows[chosen]
                found.append(
                    _describe(places[chosen], strain[own], weights[own], np.asarray(axis), total)
                )
        return sorted(found, key=lambda band: -band.volume_share)

    found = bands_above(np.flatnonzero(above))
    level = None if found else _level_between(strain, weights, threshold_ratio)
    if level is not None and level < threshold:
        found = bands_above(np.flatnonzero(strain > level))
    strained = float(weights @ strain)
    return BandReport(
        bands=tuple(found),
        threshold_strain=level if level is not None and found else threshold,
        volume_share_above=float(weights[above].sum()) / total,
        strain_share_above=float(weights[above] @ strain[above]) / strained
        if strained > 0
        else 0.0,
        spacing_nm=_spacing(found),
        localization_index=localization_index(strain, weights),
        two_levels=level is not None and bool(found),
    )


def _level_between(strain: FloatArray, weights: FloatArray, contrast: float) -> float | None:
    """Strain that parts two levels (Otsu's threshold); None if there are no two levels."""
    order = np.argsort(strain, kind="stable")
    value, share = strain[order], weights[order] / weights.sum()
    below = np.cumsum(share)[:-1]
    content = np.cumsum(share * value)
    mean = float(content[-1])
    variance = float(share @ (value - mean) ** 2)
    # Equal values belong to one side.
    possible = (value[1:] > value[:-1]) & (below > 0.0) & (below < 1.0)
    if variance <= 0.0 or not possible.any():
        return None
    between = np.zeros(len(below))
    between[possible] = (mean * below - content[:-1])[possible] ** 2 / (
        below[possible] * (1.0 - below[possible])
    )
    last = int(np.argmax(between))
    low = float(content[last] / below[last])
    high = float((mean - content[last]) / (1.0 - below[last]))
    rare = below[last] >= 0.5
    if between[last] < _LEAST_SEPARATION * variance or high < contrast * low or not rare:
        return None
    return 0.5 * float(value[last] + value[last + 1])


def _clusters(
    points: FloatArray, link: float, lattice: FloatArray | None
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Members of each cluster and their places, moved by periods into one piece."""
    n, d = points.shape
    if n == 0:
        return
    tree = KDTree(points)
    start, end, shifts = [], [], []
    reach = (-1, 0, 1) if lattice is not None else (0,)
    for shift in itertools.product(reach, repeat=d):
        move = np.array(shift) @ lattice if lattice is not None else np.zeros(d)
        pairs = tree.sparse_distance_matrix(KDTree(points + move), link, output_type="ndarray")
        start.append(pairs["i"])
        end.append(pairs["j"])
        shifts.append(np.broadcast_to(move, (len(pairs), d)))
    i, j, move = np.concatenate(start), np.concatenate(end), np.concatenate(shifts)
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(n, n)).tocsr()
    keys = i.astype(np.int64) * n + j
    order = np.argsort(keys, kind="stable")
    _, labels = connected_components(graph, directed=False)
    offset = np.zeros((n, d))
    for label in np.flatnonzero(np.bincount(labels) >= _FEWEST_POINTS):
        members = np.flatnonzero(labels == label)
        visited, parent = breadth_first_order(graph, members[0], directed=False)
        steps = visited[1:]
        edge = order[np.searchsorted(keys[order], parent[steps].astype(np.int64) * n + steps)]
        for node, moved in zip(steps, move[edge], strict=True):
            offset[node] = offset[parent[node]] + moved
        yield members, points[members] + offset[members]


def _moments(points: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Centroid, deviations along the principal axes (rising), and the axes as columns."""
    centre = np.average(points, axis=0, weights=weights)
    arms = points - centre
    moments = (arms * weights[:, None]).T @ arms / weights.sum()
    values, axes = np.linalg.eigh(moments)
    return centre, np.sqrt(np.maximum(values, 0.0)), axes


def _midplane(points: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Centroid, normal, and deviations along it and along the plane.

    The slanted ends of a layer turn its principal axes. The regression of the height over the
    plane on the places in it, ends left out, is free of that.
    """
    centre, deviations, axes = _moments(points, weights)
    for _ in range(3):
        places = (points - centre) @ axes
        along = np.linalg.norm(places[:, 1:] / deviations[1:], axis=1)
        middle = along < 1.2
        if middle.sum() < _FEWEST_POINTS:
            break
        root = np.sqrt(weights[middle])
        terms = np.column_stack([np.ones(int(middle.sum())), places[middle, 1:]])
        fit = np.linalg.lstsq(terms * root[:, None], places[middle, 0] * root, rcond=None)[0]
        normal = axes @ np.concatenate([[1.0], -fit[1:]])
        axes = np.linalg.qr(np.column_stack([normal, axes[:, 1:]]))[0]
        rest = places[middle, 0] - terms @ fit
        cosine = 1.0 / math.sqrt(1.0 + float(fit[1:] @ fit[1:]))
        deviations = deviations.copy()
        deviations[0] = cosine * math.sqrt(float(np.average(rest**2, weights=weights[middle])))
    return centre, axes[:, 0], deviations


def _is_flat(points: FloatArray, weights: FloatArray) -> bool:
    if len(points) < _FEWEST_POINTS:
        return False
    deviations = _moments(points, weights)[1]
    box = float(np.prod(math.sqrt(12.0) * deviations))
    filled = float(weights.sum()) >= _LEAST_FILLING * box
    return filled and bool(deviations[0] <= _LARGEST_THICKNESS_RATIO * deviations[1])


def _layers(
    points: FloatArray, weights: FloatArray, link: float, smallest: float
) -> Iterator[BoolArray]:
    """Flat layers of one cluster, largest first."""
    if weights.sum() < smallest:
        return
    if _is_flat(points, weights):
        yield np.ones(len(points), dtype=bool)
        return
    left = np.ones(len(points), dtype=bool)
    while weights[left].sum() >= smallest:
        chosen = _fitted_layer(points, np.where(left, weights, 0.0), link)
        if weights[chosen].sum() < smallest or not _is_flat(points[chosen], weights[chosen]):
            return
        left &= ~chosen
        yield chosen


def _fitted_layer(points: FloatArray, weights: FloatArray, link: float) -> BoolArray:
    """Points (of positive weight) of the layer that collects most volume."""
    best, normal, place = -1.0, points[0], 0.0
    for direction in _directions(points.shape[1]):
        along = points @ direction
        bins = np.floor((along - along.min()) / link).astype(int)
        content = np.bincount(bins, weights=weights)
        pairs = content[:-1] + content[1:] if len(content) > 1 else content
        first = int(np.argmax(pairs))
        if pairs[first] > best:
            best, normal = float(pairs[first]), direction
            place = float(along.min()) + (first + 1.0) * link
    half = link
    chosen = (np.abs(points @ normal - place) <= half) & (weights > 0.0)
    for _ in range(_REFINEMENTS):
        if chosen.sum() < _FEWEST_POINTS:
            break
        centre, deviations, axes = _moments(points[chosen], weights[chosen])
        normal = axes[:, 0]
        # A little more than the layer as it is, so that it can grow to where the points end.
        half = math.sqrt(3.0) * float(deviations[0]) + 0.5 * link
        grown = (np.abs((points - centre) @ normal) <= half) & (weights > 0.0)
        if np.array_equal(grown, chosen):
            break
        chosen = grown
    return chosen


def _directions(dimension: int) -> FloatArray:
    """Normals that cover the half circle or half sphere."""
    if dimension == 2:
        angle = math.pi * np.arange(_PLANE_DIRECTIONS) / _PLANE_DIRECTIONS
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    height = (np.arange(_SPACE_DIRECTIONS) + 0.5) / _SPACE_DIRECTIONS
    turn = math.pi * (3.0 - math.sqrt(5.0)) * np.arange(_SPACE_DIRECTIONS)
    radius = np.sqrt(1.0 - height**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)


def _describe(
    points: FloatArray, strain: FloatArray, weights: FloatArray, axis: FloatArray, total: float
) -> ShearBand:
    centre, normal, deviations = _midplane(points, weights)
    normal = normal * (1.0 if normal[np.argmax(np.abs(normal))] > 0.0 else -1.0)
    cosine = min(abs(float(normal @ axis)) / float(np.linalg.norm(axis)), 1.0)
    return ShearBand(
        normal=tuple(float(x) for x in normal),
        centre_nm=tuple(float(x) for x in centre),
        width_nm=math.sqrt(12.0) * float(deviations[0]),
        extent_nm=math.sqrt(12.0) * float(deviations[1]),
        angle_deg=math.degrees(math.asin(cosine)),
        volume_share=float(weights.sum()) / total,
        mean_strain=float(np.average(strain, weights=weights)),
    )


def _spacing(bands: list[ShearBand]) -> float | None:
    """Mean distance of neighbours within the families of parallel bands."""
    distances: list[float] = []
    left = list(bands)
    while left:
        normal = np.array(left[0].normal)
        family = [
            band
            for band in left
            if abs(normal @ np.array(band.normal)) >= math.cos(math.radians(_FAMILY_ANGLE_DEG))
        ]
        left = [band for band in left if band not in family]
        places = sorted(float(np.array(band.centre_nm) @ normal) for band in family)
        distances += [b - a for a, b in itertools.pairwise(places)]
    return float(np.mean(distances)) if distances else None
