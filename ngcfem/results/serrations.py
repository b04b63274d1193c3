"""Serrations of a curve: load drops, their sizes and the exponent of their distribution."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ngcfem.quantities import FloatArray

FEWEST_DROPS = 100
"""Drops below which an exponent means little."""

_QUADRATURE_POINTS = 800


@dataclass(frozen=True, eq=False)
class Serrations:
    """Drops of the stress along a curve.

    Parameters
    ----------
    size_gpa : ndarray, shape (n,)
        Stress from the peak to the following valley.
    strain : ndarray, shape (n,)
        Magnitude of the strain at the peak.
    drops_per_strain : float
        Number over the range of strain.
    fall_at_end_gpa : float
        Fall from the last peak that no rise has ended; not a serration. 0 if the curve ends
        otherwise.
    """

    size_gpa: FloatArray
    strain: FloatArray
    drops_per_strain: float
    fall_at_end_gpa: float = 0.0


@dataclass(frozen=True)
class DropDistribution:
    """Power law with exponential cut-off fitted to drop sizes.

    Parameters
    ----------
    exponent : float
        tau in p(S) ~ S^-tau exp(-S / cut-off).
    exponent_error : float
        Standard error.
    cutoff_gpa : float
        Cut-off; inf for the pure power law.
    smallest_gpa : float
        Sizes below were left out.
    count : int
        Sizes used.
    """

    exponent: float
    exponent_error: float
    cutoff_gpa: float
    smallest_gpa: float
    count: int

    @property
    def trustworthy(self) -> bool:
        """Whether there are drops enough to speak of an exponent."""
        return self.count >= FEWEST_DROPS


def find_serrations(
    strain: FloatArray, stress_gpa: FloatArray, smallest_drop_gpa: float = 0.0
) -> Serrations:
    """Find the drops of a curve.

    Parameters
    ----------
    strain, stress_gpa : ndarray, shape (n,)
        The curve in the order of loading, of one sign each; compression or tension.
    smallest_drop_gpa : float
        Drops that are not larger are noise: they end no rise.

    Returns
    -------
    Serrations
        The drops in their order.

    Raises
    ------
    ValueError
        If the arrays do not fit or are shorter than three.

    Notes
    -----
    From the start, the highest stress since the last drop is a peak once the stress has fallen by
    more than the smallest drop; the lowest stress after it is the valley once the stress has risen
    by more than that. A serration is a drop that a reloading ends: it is the slip avalanche between
    two rises whose sizes the statistics are about. A fall that lasts to the end is softening, or
    an avalanche cut off by the end of the test; either way its size is not known, and it does not
    count.

    References
    ----------
    Antonaglia et al. (2014), Sci. Rep. 4, 4382, doi 10.1038/srep04382: statistics of stress drops
    in metallic glasses.
    """
    if strain.shape != stress_gpa.shape or strain.ndim != 1 or len(strain) < 3:
        raise ValueError(
            f"strain {strain.shape} and stress {stress_gpa.shape} must be one-dimensional, equally "
            "long and have three points at least"
        )
    level, position = np.abs(stress_gpa), np.abs(strain)
    sizes, places = [], []
    peak = valley = 0
    falling = False
    for k in range(1, len(level)):
        if falling:
            if level[k] < level[valley]:
                valley = k
            elif level[k] > level[valley] + smallest_drop_gpa:
                sizes.append(level[peak] - level[valley])
                places.append(position[peak])
                falling, peak = False, k
        elif level[k] >= level[peak]:
            peak = k
        elif level[k] < level[peak] - smallest_drop_gpa:
            falling, valley = True, k
    span = float(np.ptp(position))
    return Serrations(
        np.array(sizes),
        np.array(places),
        len(sizes) / span if span > 0.0 else 0.0,
        float(level[peak] - level[valley]) if falling else 0.0,
    )


def complementary_distribution(size_gpa: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share of the drops that are at least as large, over the size in units of the mean.

    Parameters
    ----------
    size_gpa : ndarray, shape (n,)
        Drops.

    Returns
    -------
    normalized_size : ndarray, shape (n,)
        Rising sizes over their mean.
    share : ndarray, shape (n,)
        From 1 to 1/n.
    """
    ordered = np.sort(size_gpa)
    n = len(ordered)
    return ordered / ordered.mean(), 1.0 - np.arange(n) / n


def fit_power_law(size_gpa: FloatArray, smallest_gpa: float) -> DropDistribution:
    """Exponent of a pure power law by maximum likelihood.

    Parameters
    ----------
    size_gpa : ndarray, shape (n,)
        Drops.
    smallest_gpa : float
        Lower end of the power law, positive.

    Returns
    -------
    DropDistribution
        Exponent with an infinite cut-off.

    Raises
    ------
    ValueError
        If fewer than two drops are above the lower end.

    Notes
    -----
    tau = 1 + n / sum ln(S / S_min), standard error (tau - 1) / sqrt(n).

    References
    ----------
    Clauset, Shalizi and Newman (2009), SIAM Rev. 51, 661-703, doi 10.1137/070710111, eq. 3.1.
    """
    sizes = _kept(size_gpa, smallest_gpa)
    excess = len(sizes) / float(np.log(sizes / smallest_gpa).sum())
    error = excess / math.sqrt(len(sizes))
    return DropDistribution(1.0 + excess, error, math.inf, smallest_gpa, len(sizes))


def fit_power_law_with_cutoff(size_gpa: FloatArray, smallest_gpa: float) -> DropDistribution:
    """Exponent and exponential cut-off by maximum likelihood.

    Parameters
    ----------
    size_gpa : ndarray, shape (n,)
        Drops.
    smallest_gpa : float
        Lower end of the power law, positive.

    Returns
    -------
    DropDistribution
        Exponent, its standard error and the cut-off.

    Raises
    ------
    ValueError
        If fewer than two drops are above the lower end.

    Notes
    -----
    p(S) = S^-tau exp(-S/C) / Z for S >= S_min. Z is an integral over ln S by the trapezoidal rule
    (800 points to 50 cut-offs). The log likelihood is concave in (tau, 1/C); the standard error
    is that of tau with C fitted too, from the covariance of ln S and S under the fit.

    Mean-field theory of avalanches has tau = 3/2 at a given stress, 2 over the whole curve.

    References
    ----------
    Clauset, Shalizi and Newman (2009), SIAM Rev. 51, 661-703, doi 10.1137/070710111, table 2.1.
    Dahmen, Ben-Zion and Uhl (2009), Phys. Rev. Lett. 102, 175501,
    doi 10.1103/PhysRevLett.102.175501, for the exponents.
    """
    sizes = _kept(size_gpa, smallest_gpa) / smallest_gpa
    largest, mean, mean_log = float(sizes.max()), float(sizes.mean()), float(np.log(sizes).mean())

    def weights(exponent: float, rate: float) -> tuple[FloatArray, FloatArray]:
        """Sizes and p(S) dS, not normalized; a rate of 0 needs an exponent above 1."""
        reach = min(50.0 / rate, 1e12 * largest) if rate > 0.0 else 1e12 * largest
        logarithm = np.linspace(0.0, math.log1p(reach), _QUADRATURE_POINTS)
        size = np.exp(logarithm)
        share = np.exp((1.0 - exponent) * logarithm - rate * (size - 1.0))
        share[[0, -1]] *= 0.5
        return size, share * (logarithm[1] - logarithm[0])

    def negative(values: FloatArray) -> float:
        exponent, rate = float(values[0]), math.exp(float(values[1]))
        _, share = weights(exponent, rate)
        return exponent * mean_log + rate * (mean - 1.0) + math.log(float(share.sum()))

    lowest, highest = math.log(1e-6 / largest), math.log(100.0)
    fits = [
        minimize(
            negative,
            np.array([start, math.log(1.0 / (factor * largest))]),
            bounds=[(-2.0, 6.0), (lowest, highest)],
            method="L-BFGS-B",
            options={"ftol": 1e-14, "gtol": 1e-9},
        )
        for start in (1.2, 2.0)
        for factor in (0.1, 1.0)
    ]
    best = min(fits, key=lambda fit: float(fit.fun))
    exponent, rate = float(best.x[0]), math.exp(float(best.x[1]))
    size, share = weights(exponent, rate)
    share = share / share.sum()
    statistics = np.stack([np.log(size), size])
    centred = statistics - (statistics @ share)[:, None]
    information = len(sizes) * (centred * share) @ centred.T
    error = math.sqrt(float(np.linalg.inv(information)[0, 0]))
    return DropDistribution(exponent, error, smallest_gpa / rate, smallest_gpa, len(sizes))


def _kept(size_gpa: FloatArray, smallest_gpa: float) -> FloatArray:
    kept = size_gpa[size_gpa >= smallest_gpa]
    if smallest_gpa <= 0.0 or np.count_nonzero(kept > smallest_gpa) < 2:
        raise ValueError(
            f"{len(kept)} of {len(size_gpa)} drops are above the lower end {smallest_gpa} GPa; two "
            "at least are needed, and the end must be positive"
        )
    return kept
