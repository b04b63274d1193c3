"""What a box cut out of a periodic cell holds: images of its crystals, and lines through grains."""

import itertools
from dataclasses import dataclass

import numpy as np

from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.microstructure.tessellation import laguerre_cells
from ngcfem.quantities import FloatArray, IntArray

_LINES_AT_ONCE = 500


@dataclass(frozen=True, eq=False)
class InclusionImage:
    """One crystal of the endless material.

    Parameters
    ----------
    number : int
        Place of its original in ``cell.inclusions``.
    inclusion : Inclusion
        The original, whose own centre counts for nothing here.
    centre_nm : ndarray, shape (3,)
        Centre in nm in the frame of the laboratory.
    """

    number: int
    inclusion: Inclusion
    centre_nm: FloatArray


def inclusion_reach_nm(inclusion: Inclusion) -> float:
    """Radius of a ball around the centre that holds a crystal and its cap.

    Parameters
    ----------
    inclusion : Inclusion
        The crystal.

    Returns
    -------
    float
        In nm.
    """
    outer = inclusion.radius_nm + (inclusion.cap.thickness_nm if inclusion.cap else 0.0)
    return outer * float(np.linalg.eigvalsh(inclusion.stretch_matrix).max())


def inclusion_images(
    cell: PeriodicCell, low_nm: FloatArray, high_nm: FloatArray
) -> tuple[InclusionImage, ...]:
    """Find all crystals of which a box may hold a part.

    Parameters
    ----------
    cell : PeriodicCell
        A cell of dimension 3.
    low_nm, high_nm : ndarray, shape (3,)
        Corners of the box in the frame of the laboratory.

    Returns
    -------
    tuple of InclusionImage
        All images whose ball, cap included, meets the box.
    """
    lattice = cell.lattice @ cell.rotation.T
    found = []
    for number, inclusion in enumerate(cell.inclusions):
        reach = inclusion_reach_nm(inclusion)
        centre = cell.rotation @ np.array(inclusion.centre_nm)
        for shift in lattice_vectors(lattice, low_nm - reach - centre, high_nm + reach - centre):
            image = centre + shift
            nearest = np.clip(image, low_nm, high_nm)
            if np.linalg.norm(image - nearest) < reach:
                found.append(InclusionImage(number, inclusion, image))
    return tuple(found)


def lattice_vectors(lattice: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Find the lattice vectors that may lie in a box.

    Parameters
    ----------
    lattice : ndarray, shape (3, 3)
        Period vectors as rows in nm.
    low, high : ndarray, shape (3,)
        Corners of the box in nm.

    Returns
    -------
    ndarray, shape (k, 3)
        All that lie in it, and some around it.
    """
    corners = np.array(list(itertools.product(*zip(low, high, strict=True))))
    fractional = corners @ np.linalg.inv(lattice)
    first = np.floor(fractional.min(axis=0)).astype(int)
    last = np.ceil(fractional.max(axis=0)).astype(int)
    ranges = [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
    grid = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid @ lattice


def grain_crossings(cell: PeriodicCell, starts_nm: FloatArray, ends_nm: FloatArray) -> IntArray:
    """Count the boundaries between grains that straight lines cross, exactly.

    Parameters
    ----------
    cell : PeriodicCell
        A box-shaped cell with grains, of dimension 3.
    starts_nm, ends_nm : ndarray, shape (n, 3)
        Ends of the lines in nm in the frame of the laboratory, anywhere.

    Returns
    -------
    ndarray of int, shape (n,)
        Number of boundaries on each line.

    Notes
    -----
    Along x + t u the power distance |x + t u - s_i|^2 - w_i of site i is, but for a term that is
    the same for all sites, linear in t: the grains on the line are the lower envelope of straight
    lines, which is followed from one end to the other.
    """
    starts, ends = starts_nm @ cell.rotation, ends_nm @ cell.rotation
    grains = laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice))
    reach = max(
        float(np.linalg.norm(facet.polygon - site, axis=1).max())
        for grain, site in zip(grains, cell.sites, strict=True)
        for facet in grain.facets
    )
    both = np.concatenate([starts, ends])
    low, high = both.min(axis=0) - reach, both.max(axis=0) + reach
    images, weights = [], []
    for site, weight in zip(cell.sites, cell.weights, strict=True):
        places = site + lattice_vectors(cell.lattice, low - site, high - site)
        places = places[np.all((places >= low) & (places <= high), axis=1)]
        images.append(places)
        weights.append(np.full(len(places), weight))
    sites, weight = np.concatenate(images), np.concatenate(weights)
    parts = [
        _envelope_corners(
            starts[n : n + _LINES_AT_ONCE], ends[n : n + _LINES_AT_ONCE], sites, weight
        )
        for n in range(0, len(starts), _LINES_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _envelope_corners(
    starts: FloatArray, ends: FloatArray, sites: FloatArray, weights: FloatArray
) -> IntArray:
    along = ends - starts
    # height of each site over each line at its start, and half the rate at which it falls
    height = -2.0 * starts @ sites.T + ((sites**2).sum(axis=1) - weights)
    fall = along @ sites.T
    lines = np.arange(len(starts))
    current = height.argmin(axis=1)
    count = np.zeros(len(starts), dtype=np.int64)
    while lines.size:
        rate = fall[lines] - fall[lines, current[lines]][:, None]
        gap = height[lines] - height[lines, current[lines]][:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            place = np.where(rate > 0.0, 0.5 * gap / rate, np.inf)
        following = place.argmin(axis=1)
        crossed = place[np.arange(len(lines)), following] < 1.0
        lines = lines[crossed]
        current[lines] = following[crossed]
        count[lines] += 1
    return count


def random_lines(
    size_nm: FloatArray, number: int, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw isotropic uniform random lines through a box.

    Parameters
    ----------
    size_nm : ndarray, shape (3,)
        Edges of the box, one corner of which is the origin.
    number : int
        Lines that are drawn; those that miss the box are left out.
    generator : numpy.random.Generator
        Source of chance.

    Returns
    -------
    starts_nm : ndarray, shape (n, 3)
        Where the lines enter the box.
    ends_nm : ndarray, shape (n, 3)
        Where they leave it.

    Notes
    -----
    Directions are uniform on the sphere, and the feet of the lines uniform on the disc across them
    that holds the shadow of the box: then length and boundaries crossed, each summed over all
    lines, have the ratio of volume and area without bias.
    """
    direction = generator.standard_normal((number, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    first = np.cross(direction, np.eye(3)[np.abs(direction).argmin(axis=1)])
    first /= np.linalg.norm(first, axis=1)[:, None]
    second = np.cross(direction, first)
    radius = 0.5 * np.linalg.norm(size_nm) * np.sqrt(generator.random(number))
    angle = 2.0 * np.pi * generator.random(number)
    foot = 0.5 * size_nm + radius[:, None] * (
        np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second
    )
    with np.errstate(divide="ignore"):
        to_low, to_high = -foot / direction, (size_nm - foot) / direction
    enter = np.minimum(to_low, to_high).max(axis=1)
    leave = np.maximum(to_low, to_high).min(axis=1)
    hit = enter < leave
    foot, direction = foot[hit], direction[hit]
    return foot + enter[hit, None] * direction, foot + leave[hit, None] * direction
