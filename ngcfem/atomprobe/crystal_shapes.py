"""Shapes of crystals, freed of what the counting error adds to them."""

import numpy as np
from scipy.optimize import minimize_scalar

from ngcfem.atomprobe.ellipsoids import semi_axes
from ngcfem.quantities import BoolArray, FloatArray

_DRAWS = 200
_LEAST_LOG, _MOST_LOG = np.log(1e-6), np.log(1.0)
_SEED = 20
_LEAST_GAIN = 4.0


def population_variance(components: FloatArray, covariance: FloatArray) -> float:
    """Find how much the shapes of crystals differ from spheres beyond their errors.

    Parameters
    ----------
    components : ndarray, shape (k, 5)
        Logarithmic stretches of the crystals.
    covariance : ndarray, shape (k, 5, 5)
        Their covariances.

    Returns
    -------
    float
        Variance of each component over the crystals, by maximum likelihood; 0 unless this raises
        twice the log-likelihood by 4 over spheres.

    Notes
    -----
    The components are normal with the variance of the population and that of the fit. Noise makes
    the fitted axes of a sphere differ, so that the mean of the fitted aspect ratios is too large.
    """
    if len(components) == 0:
        return 0.0

    def cost(log_variance: float) -> float:
        total = covariance + np.exp(log_variance) * np.eye(5)
        solved = np.linalg.solve(total, components[:, :, None])[:, :, 0]
        quadratic = np.sum(components * solved, axis=1)
        return float(np.sum(quadratic + np.linalg.slogdet(total)[1]))

    grid = np.linspace(_LEAST_LOG, _MOST_LOG, 30)
    costs = [cost(value) for value in grid]
    at = int(np.argmin(costs))
    if costs[0] - costs[at] < _LEAST_GAIN:
        return 0.0
    bounds = (grid[at - 1], grid[min(at + 1, len(grid) - 1)])
    found = minimize_scalar(cost, bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def shrunk_shapes(
    components: FloatArray, covariance: FloatArray, trusted: BoolArray, errors_too: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Draw the shapes of crystals to the sphere by as much as their errors ask for.

    Parameters
    ----------
    components : ndarray, shape (k, 5)
        Logarithmic stretches of the crystals.
    covariance : ndarray, shape (k, 5, 5)
        Their covariances.
    trusted : ndarray of bool, shape (k,)
        Crystals that the variance of the population is taken from.
    errors_too : bool
        Whether the errors of the aspect ratios are wanted.

    Returns
    -------
    components : ndarray, shape (k, 5)
        Their most probable values given all crystals.
    aspect_ratio_error : ndarray, shape (k,)
        Standard deviation of the aspect ratio that remains.

    Notes
    -----
    With the variance v of the population and the covariance C of a crystal, the posterior is normal
    with the mean v (v + C)^-1 e and the covariance v (v + C)^-1 C.

    References
    ----------
    Efron, Morris (1975), Journal of the American Statistical Association 70, 311,
    doi 10.1080/01621459.1975.10479864 (empirical Bayes estimation).
    """
    if len(components) == 0:
        return components, np.empty(0)
    basis = trusted if trusted.any() else np.ones(len(components), dtype=bool)
    variance = population_variance(components[basis], covariance[basis])
    total = covariance + variance * np.eye(5)
    gain = variance * np.linalg.inv(total)
    mean = np.einsum("kij,kj->ki", gain, components)
    generator = np.random.default_rng(_SEED)
    errors = np.zeros(len(components))
    if variance > 0.0 and errors_too:
        for row in range(len(components)):
            spread = gain[row] @ covariance[row]
            values, vectors = np.linalg.eigh(0.5 * (spread + spread.T))
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            draws = mean[row] + generator.normal(size=(_DRAWS, 5)) @ root.T
            ratios = [float(axes[0] / axes[2]) for axes, _ in (semi_axes(1.0, e) for e in draws)]
            errors[row] = float(np.std(ratios))
    return mean, errors
