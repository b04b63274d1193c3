"""The crystals of a cell before they have a place: sizes, shapes, directions and caps."""

import numpy as np

from ngcfem.microstructure.rotation import random_rotation
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.microstructure.tessellation import stratified_lognormal
from ngcfem.quantities import BoolArray, FloatArray

_ANGLES = 4000
_MANY = 4000


def crystal_radii(statistics: CompositeStatistics, volume_nm3: float) -> FloatArray:
    """Radii of the crystals of a cell, ascending.

    Parameters
    ----------
    statistics : CompositeStatistics
        Fraction, and mean and spread or samples of the diameter.
    volume_nm3 : float
        Volume of the cell.

    Returns
    -------
    ndarray, shape (k,)
        Radii in nm, of exactly the volume fraction and the spread asked for.

    Notes
    -----
    The number is the one whose mean diameter comes closest; all are then scaled alike to the volume
    fraction, which moves the mean by less than 1 / (6 k).
    """
    target = statistics.crystal_fraction * volume_nm3
    if target == 0.0:
        return np.zeros(0)
    guess = max(1, round(target / _mean_volume_nm3(statistics)))
    choices = []
    for number in range(max(1, guess - 3), guess + 4):
        radii = stratified_radii(statistics, number)
        volume = float((4.0 / 3.0 * np.pi * radii**3).sum())
        choices.append((abs(np.log(target / volume)), number, radii * (target / volume) ** (1 / 3)))
    return min(choices, key=lambda choice: choice[:2])[2]


def _mean_volume_nm3(statistics: CompositeStatistics) -> float:
    if statistics.crystal_diameter_samples_nm:
        return float((4.0 / 3.0 * np.pi * stratified_radii(statistics, _MANY) ** 3).mean())
    radius, spread = 0.5 * statistics.crystal_diameter_nm, statistics.crystal_diameter_variation
    return 4.0 / 3.0 * np.pi * radius**3 * (1.0 + spread**2) ** 3


def stratified_radii(statistics: CompositeStatistics, number: int) -> FloatArray:
    """Give a number of radii the distribution of the statistics.

    Parameters
    ----------
    statistics : CompositeStatistics
        Mean and spread, or samples, of the diameter.
    number : int
        How many.

    Returns
    -------
    ndarray, shape (number,)
        Ascending radii in nm; as many as there are samples are the samples themselves.
    """
    if statistics.crystal_diameter_samples_nm:
        samples, shares = statistics.crystal_diameter_samples_nm, (np.arange(number) + 0.5) / number
        return 0.5 * np.quantile(np.array(samples), shares, method="hazen")
    radius, spread = 0.5 * statistics.crystal_diameter_nm, statistics.crystal_diameter_variation
    return stratified_lognormal(number, radius, spread)


def capped_crystals(number: int, share: float, generator: np.random.Generator) -> BoolArray:
    """Choose the crystals that carry a cap, evenly over the sizes.

    Parameters
    ----------
    number : int
        Number of crystals, in ascending order of their size.
    share : float
        Share that carries one.
    generator : numpy.random.Generator
        Source of where the count begins.

    Returns
    -------
    ndarray of bool, shape (number,)
        Which of them do; as this goes by size, the volume of all caps hardly depends on the seed.
    """
    start = generator.random()
    steps = np.floor(np.arange(number + 1) * share + start)
    return np.diff(steps) > 0.5


def crystal_stretches(
    statistics: CompositeStatistics, number: int, generator: np.random.Generator
) -> FloatArray | None:
    """Make the matrices that turn the balls into ellipsoids of revolution.

    Parameters
    ----------
    statistics : CompositeStatistics
        Aspect ratio, shape and directions.
    number : int
        Number of crystals.
    generator : numpy.random.Generator
        Source of which crystal has which ratio and direction.

    Returns
    -------
    ndarray, shape (number, 3, 3), or None
        Symmetric matrices of determinant 1; None where all crystals are spheres.

    Notes
    -----
    The ratios q are 1 plus the mid-quantiles of a lognormal distribution and have exactly the mean
    and spread asked for. A needle has the half-axes q^(2/3), q^(-1/3), q^(-1/3) over the radius, a
    disc q^(1/3), q^(1/3), q^(-2/3).
    """
    mean, variation = statistics.crystal_aspect_ratio, statistics.crystal_aspect_ratio_variation
    if number == 0 or mean <= 1.0:
        return None
    excess = stratified_lognormal(number, mean - 1.0, variation * mean / (mean - 1.0))
    ratios = generator.permutation(1.0 + excess)
    axes = generator.permutation(_directions(statistics, number, generator))
    main, other = ratios ** (2.0 / 3.0), ratios ** (-1.0 / 3.0)
    if statistics.crystal_shape == "oblate":
        main, other = ratios ** (-2.0 / 3.0), ratios ** (1.0 / 3.0)
    along = axes[:, :, None] * axes[:, None, :]
    return main[:, None, None] * along + other[:, None, None] * (np.eye(3) - along)


def _directions(
    statistics: CompositeStatistics, number: int, generator: np.random.Generator
) -> FloatArray:
    """Directions at the mid-quantiles of their distribution, turned by chance as a whole."""
    shares = (np.arange(number) + 0.5) / number
    # the golden angle spreads the azimuths evenly over any part of the sphere
    azimuth = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(number) + 2.0 * np.pi * generator.random()
    if statistics.crystal_axis is None:
        cosine = shares  # of a half-sphere: an axis has no sign
        turned = random_rotation(generator)
    else:
        spread = np.radians(statistics.crystal_axis_spread_deg)
        cosine = np.cos(_fibre_angles(shares, float(spread)))
        turned = _frame(np.array(statistics.crystal_axis))
    sine = np.sqrt(np.maximum(0.0, 1.0 - cosine**2))
    local = np.column_stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine])
    return local @ turned.T


def _fibre_angles(shares: FloatArray, spread: float) -> FloatArray:
    """Quantiles of the density sin(a) exp(-a^2 / 2 s^2) between 0 and a right angle."""
    if spread == 0.0:
        return np.zeros(len(shares))
    angles = np.linspace(0.0, 0.5 * np.pi, _ANGLES + 1)
    middle = 0.5 * (angles[1:] + angles[:-1])
    density = np.sin(middle) * np.exp(-0.5 * (middle / spread) ** 2)
    below = np.concatenate([[0.0], np.cumsum(density)])
    return np.asarray(np.interp(shares, below / below[-1], angles), dtype=float)


def _frame(axis: FloatArray) -> FloatArray:
    """Rotation matrix whose third column is a unit vector."""
    first = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    first /= np.linalg.norm(first)
    return np.asarray(np.column_stack([first, np.cross(axis, first), axis]), dtype=float)
