"""Maximum-likelihood fit of the model of one crystal to the raw ions around it."""

from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from ngcfem.atomprobe.crystal_model import (
    CAP_AXIS,
    CAP_CONTENT,
    CAP_HALF_ANGLE,
    CAP_LOG_THICKNESS,
    CENTRE,
    INSIDE,
    LOG_BLUR,
    LOG_RADIUS,
    MAXIMUM_SLABS,
    N_PARAMETERS,
    OUTSIDE,
    SHAPE,
    SLAB_LOG_THICKNESS,
    Parts,
    content,
    content_slopes,
    slab_slice,
)
from ngcfem.quantities import FloatArray, IntArray

_MAXIMUM_STEPS = 40
_CONVERGED = 5e-3


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The raw ions around one crystal.

    Parameters
    ----------
    position_nm : ndarray, shape (n, 3)
        Where they are.
    scandium, atoms : ndarray, shape (n,)
        Atoms of scandium, and of all elements, in each.
    """

    position_nm: FloatArray
    scandium: FloatArray
    atoms: FloatArray


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model.

    Parameters
    ----------
    values : ndarray, shape (p,)
        All parameters.
    parts : Parts
        Parts of the model.
    log_likelihood : float
        Its logarithm, without that of the prior.
    free : ndarray, shape (f,)
        The parameters that were fitted.
    covariance : ndarray, shape (f, f)
        Inverse of the Fisher information.
    converged : bool
        Whether the last step was small.
    anchor : ndarray, shape (p,)
        Values that the priors of blur and contents are centred at.
    """

    values: FloatArray
    parts: Parts
    log_likelihood: float
    free: IntArray
    covariance: FloatArray
    converged: bool
    anchor: FloatArray

    def variance(self, parameter: int) -> float:
        """Give the variance of one parameter.

        Parameters
        ----------
        parameter : int
            Its place among all.

        Returns
        -------
        float
            0 if it was not fitted.
        """
        at = np.flatnonzero(self.free == parameter)
        return float(self.covariance[at[0], at[0]]) if len(at) else 0.0


def log_likelihood(ions: Surroundings, probability: FloatArray) -> float:
    """Give the logarithm of the binomial likelihood.

    Parameters
    ----------
    ions : Surroundings
        The ions.
    probability : ndarray, shape (n,)
        Probability that an atom is scandium.

    Returns
    -------
    float
        Without the constant binomial coefficients.
    """
    rest = ions.atoms - ions.scandium
    return float(np.sum(xlogy(ions.scandium, probability) + xlogy(rest, 1.0 - probability)))


def _prior(values: FloatArray, anchor: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Centres and precisions of weak Gaussian priors, which keep the fit where it has no data."""
    centre, precision = values.copy(), np.zeros(N_PARAMETERS)
    for parameter in (LOG_BLUR, INSIDE, OUTSIDE):
        centre[parameter] = anchor[parameter]
    centre[SHAPE] = 0.0
    precision[SHAPE] = 1.0 / 0.6**2
    precision[LOG_BLUR] = 1.0 / 0.4**2
    precision[INSIDE] = 1.0 / 0.7**2
    precision[OUTSIDE] = 1.0 / 0.1**2
    precision[LOG_RADIUS] = 1.0 / 1.0**2
    precision[CENTRE] = 1.0 / 1.0**2
    precision[CAP_AXIS] = 1.0
    centre[CAP_LOG_THICKNESS], precision[CAP_LOG_THICKNESS] = np.log(0.8), 1.0 / 0.7**2
    centre[CAP_HALF_ANGLE], precision[CAP_HALF_ANGLE] = 1.2, 1.0 / 0.8**2
    precision[CAP_CONTENT] = 1.0 / 1.0**2
    for slab in range(MAXIMUM_SLABS):
        place = slab_slice(slab)
        precision[place] = [1.0, 1.0, 1.0, 1.0, 1.0 / 0.6**2, 1.0]
        centre[place.start + SLAB_LOG_THICKNESS] = 0.0
    return centre, precision


def fit_model(
    ions: Surroundings,
    start: FloatArray,
    parts: Parts,
    free: IntArray,
    maximum_steps: int = _MAXIMUM_STEPS,
    anchor: FloatArray | None = None,
) -> Fit:
    """Fit some parameters of the model.

    Parameters
    ----------
    ions : Surroundings
        The ions.
    start : ndarray, shape (p,)
        Where to start.
    parts : Parts
        Parts of the model.
    free : ndarray, shape (f,)
        Which parameters to fit.
    maximum_steps : int
        Steps at most.
    anchor : ndarray, shape (p,), optional
        Values that the priors of blur and contents are centred at; the start if not given.

    Returns
    -------
    Fit
        The fitted model.

    Notes
    -----
    Fisher scoring of the binomial likelihood with the step control of Levenberg and Marquardt. Weak
    Gaussian priors keep apart what the ions do not tell, like the direction of a cap that covers
    everything; that of the Sc content of the matrix keeps a pocket of matrix between interfaces
    from being taken for a crystal in a matrix as rich as these.

    References
    ----------
    McCullagh, Nelder (1989), Generalized Linear Models, 2nd ed., section 2.5,
    doi 10.1201/9780203753736 (Fisher scoring).
    """
    anchor = start if anchor is None else anchor
    centre, precision = _prior(start, anchor)
    values = start.copy()
    penalty = precision[free]

    def objective(trial: FloatArray) -> float:
        probability = content(ions.position_nm, trial, parts)
        deviation = trial[free] - centre[free]
        return log_likelihood(ions, probability) - 0.5 * float(penalty @ deviation**2)

    current = objective(values)
    damping, converged = 1e-3, False
    fisher = np.eye(len(free))
    for _ in range(maximum_steps):
        probability, slope = content_slopes(ions.position_nm, values, parts, free)
        weight = ions.atoms / (probability * (1.0 - probability))
        residual = (ions.scandium - ions.atoms * probability) / (probability * (1.0 - probability))
        fisher = (slope * weight) @ slope.T + np.diag(penalty)
        score = slope @ residual - penalty * (values[free] - centre[free])
        while True:
            step = np.linalg.solve(fisher + damping * np.diag(np.diag(fisher) + 1e-9), score)
            step = np.clip(step, -0.5, 0.5)
            trial = values.copy()
            trial[free] += step
            gained = objective(trial)
            if gained > current or damping > 1e6:
                break
            damping = max(10.0 * damping, 1e-3)
        if gained <= current:
            converged = True
            break
        gain = gained - current
        values, current = trial, gained
        damping *= 0.1
        if gain < _CONVERGED:
            converged = True
            break
    covariance = np.linalg.inv(fisher + 1e-9 * np.eye(len(free)))
    likelihood = log_likelihood(ions, content(ions.position_nm, values, parts))
    return Fit(values, parts, likelihood, free, covariance, converged, anchor)
