"""Means, spreads and counts with weights, and their 95 % intervals."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from ngcfem.quantities import FloatArray, IntArray

_SEED = 7


def weighted_mean(
    values: FloatArray, weights: FloatArray, errors: FloatArray | None = None
) -> tuple[float, float, float]:
    """Give a weighted mean and its 95 % interval.

    Parameters
    ----------
    values, weights : ndarray, shape (n,)
        Values, and weights that are not negative and not all 0.
    errors : ndarray, shape (n,), optional
        Standard errors of the values, which a single value or a few alike do not show.

    Returns
    -------
    tuple of float
        The mean and the ends of the interval, infinite for a single value without an error.

    Notes
    -----
    Student's interval with the effective number of values n = sum(w)^2 / sum(w^2), of the spread of
    the values or their errors, whichever is larger.
    """
    share = weights / weights.sum()
    mean = float(share @ values)
    number = 1.0 / float(share @ share)
    variance = 0.0 if number <= 1.0 + 1e-9 else float(share @ (values - mean) ** 2)
    variance *= number / max(number - 1.0, 1e-9)
    own = 0.0 if errors is None else float(share @ errors**2)
    if number < 2.0 and own == 0.0:
        return mean, -np.inf, np.inf
    factor = float(stats.t.ppf(0.975, max(number - 1.0, 1.0)))
    half = factor * np.sqrt(max(variance, own) / number)
    return mean, mean - half, mean + half


def poisson_interval(number: int) -> tuple[float, float]:
    """Give the exact 95 % interval of the mean of a Poisson distributed number.

    Parameters
    ----------
    number : int
        What was counted.

    Returns
    -------
    tuple of float
        Ends of the interval.

    References
    ----------
    Garwood (1936), Biometrika 28, 437, doi 10.1093/biomet/28.3-4.437.
    """
    low = 0.0 if number == 0 else 0.5 * float(stats.chi2.ppf(0.025, 2 * number))
    return low, 0.5 * float(stats.chi2.ppf(0.975, 2 * number + 2))


def variation(values: FloatArray, weights: FloatArray, errors: FloatArray) -> float:
    """Give the coefficient of variation of weighted values, freed of their errors.

    Parameters
    ----------
    values, weights, errors : ndarray, shape (n,)
        Values, weights that are not negative and not all 0, and standard errors.

    Returns
    -------
    float
        Standard deviation over the mean, without what the errors add; at least 0.
    """
    share = weights / weights.sum()
    mean = float(share @ values)
    number = 1.0 / float(share @ share)
    variance = float(share @ (values - mean) ** 2) * number / max(number - 1.0, 1e-9)
    return float(np.sqrt(max(variance - float(share @ errors**2), 0.0)) / mean)


def bootstrap(
    measure: Callable[[IntArray], FloatArray], number: int, draws: int = 500
) -> tuple[FloatArray, FloatArray]:
    """Give the 95 % intervals of measures by drawing observations again.

    Parameters
    ----------
    measure : callable
        Takes the places of the observations that were drawn, shape (number,), and gives measures
        of shape (m,).
    number : int
        Number of observations.
    draws : int
        How often they are drawn, with a fixed seed.

    Returns
    -------
    tuple of ndarray, shape (m,)
        Lower and upper quantiles of the draws.
    """
    generator = np.random.default_rng(_SEED)
    values = [measure(generator.integers(0, number, number)) for _ in range(draws)]
    low, high = np.quantile(values, [0.025, 0.975], axis=0)
    return np.atleast_1d(low), np.atleast_1d(high)
