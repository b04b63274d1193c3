"""Confidence intervals of shares that were counted."""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ngcfem.quantities import FloatArray


def wilson_interval(
    share: npt.ArrayLike, number: npt.ArrayLike, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Give the score interval of a binomial share.

    Parameters
    ----------
    share : array_like
        Shares that were found.
    number : array_like
        Number of trials behind each; need not be whole, as an effective number is not.
    level : float
        Coverage.

    Returns
    -------
    low : ndarray
        Lower ends of the intervals; 0 where there were no trials.
    high : ndarray
        Upper ends; 1 where there were no trials.

    Notes
    -----
    The shares p that a score test does not refuse, (c - p)^2 <= z^2 p (1 - p) / n. Unlike the
    interval c +- z sqrt(c (1 - c) / n) it keeps its coverage where c n is small, and has a width
    where c is 0.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22, 209,
    doi 10.1080/01621459.1927.10502953.
    """
    share, number = np.broadcast_arrays(
        np.asarray(share, dtype=np.float64), np.asarray(number, dtype=np.float64)
    )
    z = float(ndtri(0.5 + 0.5 * level))
    known = number > 0.0
    n = np.where(known, number, 1.0)
    c = np.where(known, share, 0.5)
    middle = (c + z**2 / (2.0 * n)) / (1.0 + z**2 / n)
    half = z / (1.0 + z**2 / n) * np.sqrt(c * (1.0 - c) / n + z**2 / (4.0 * n**2))
    low = np.where(known, np.clip(middle - half, 0.0, c), 0.0)
    high = np.where(known, np.clip(middle + half, c, 1.0), 1.0)
    return low, high
