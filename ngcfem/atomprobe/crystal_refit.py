"""From a candidate to a crystal: sphere, cap, interfaces and ellipsoid fitted one after another."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import KDTree
from scipy.special import logit

from ngcfem.atomprobe.crystal_fit import Fit, Surroundings, fit_model, log_likelihood
from ngcfem.atomprobe.crystal_model import (
    CAP_AXIS,
    CAP_CONTENT,
    CAP_HALF_ANGLE,
    CENTRE,
    MAXIMUM_SLABS,
    OUTSIDE,
    SHAPE,
    Parts,
    content,
    free_parameters,
    levels_of,
    shares,
    slab_slice,
    starting_values,
)
from ngcfem.quantities import FloatArray, IntArray

_DIRECTIONS = 96
_CAP_START = np.radians(55.0)
_CAP_DEPTH_NM = 0.9
_BIN_NM = 0.5
_TRIAL_STEPS = 6
_WORTH_TRYING = 4.0
_SHAPE_STEPS = 10
_SHAPE_GAIN = 10.0


@dataclass(frozen=True, eq=False)
class RawIons:
    """All atoms of a specimen, ready to be looked up by place.

    Parameters
    ----------
    position_nm : ndarray, shape (n, 3)
        Where they are.
    scandium, atoms : ndarray, shape (n,)
        Atoms of scandium, and of all elements, in each ion.
    tree : KDTree
        Of the positions.
    """

    position_nm: FloatArray
    scandium: FloatArray
    atoms: FloatArray
    tree: KDTree

    def around(self, centre_nm: FloatArray, reach_nm: float) -> tuple[Surroundings, IntArray]:
        """Take the ions within some distance.

        Parameters
        ----------
        centre_nm : ndarray, shape (3,)
            Of where.
        reach_nm : float
            The distance.

        Returns
        -------
        ions : Surroundings
            The ions.
        chosen : ndarray, shape (k,)
            Their places among all.
        """
        chosen = np.array(self.tree.query_ball_point(centre_nm, reach_nm), dtype=np.int64)
        return self.take(chosen), chosen

    def take(self, chosen: IntArray) -> Surroundings:
        """Take some ions.

        Parameters
        ----------
        chosen : ndarray, shape (k,)
            Their places.

        Returns
        -------
        Surroundings
            The ions.
        """
        return Surroundings(
            self.position_nm[chosen].reshape(-1, 3), self.scandium[chosen], self.atoms[chosen]
        )


def even_directions(number: int) -> FloatArray:
    """Spread directions evenly over the sphere.

    Parameters
    ----------
    number : int
        How many.

    Returns
    -------
    ndarray, shape (number, 3)
        Unit vectors on a spiral of the golden angle.
    """
    height = 1.0 - (2.0 * np.arange(number) + 1.0) / number
    azimuth = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(number)
    ring = np.sqrt(1.0 - height**2)
    return np.column_stack([ring * np.cos(azimuth), ring * np.sin(azimuth), height])


def fit_matrix(ions: Surroundings) -> float:
    """Give the log-likelihood of ions that are all matrix.

    Parameters
    ----------
    ions : Surroundings
        The ions.

    Returns
    -------
    float
        With the content that suits them best.
    """
    total = float(ions.atoms.sum())
    share = float(np.clip(ions.scandium.sum() / max(total, 1.0), 1e-6, 1.0 - 1e-6))
    return log_likelihood(ions, np.full(len(ions.atoms), share))


def fit_sphere(
    ions: Surroundings,
    centre_nm: FloatArray,
    radius_nm: float,
    blur_nm: float,
    inside: float,
    outside: float,
) -> Fit:
    """Fit a sphere of given content and blur.

    Parameters
    ----------
    ions : Surroundings
        The ions.
    centre_nm : ndarray, shape (3,)
        Centre to start from.
    radius_nm : float
        Radius to start from.
    blur_nm : float
        Standard deviation of the blur, kept.
    inside, outside : float
        Sc content of crystal (kept) and matrix (start), atomic fractions.

    Returns
    -------
    Fit
        The fitted sphere.
    """
    start = starting_values(centre_nm, radius_nm, blur_nm, inside, outside)
    parts = Parts()
    return fit_model(ions, start, parts, free_parameters(parts, False, False, False))


def gain_over_matrix(ions: Surroundings, fit: Fit) -> float:
    """Compare a crystal with the same surroundings without it.

    Parameters
    ----------
    ions : Surroundings
        The ions.
    fit : Fit
        The fitted model.

    Returns
    -------
    float
        Gain of the log-likelihood by the crystal and its cap, the matrix and the interfaces fitted
        again without them.
    """
    parts = replace(fit.parts, crystal=False, cap=False)
    free = free_parameters(parts, False, False, False)
    without = fit_model(ions, fit.values, parts, free, _TRIAL_STEPS, fit.anchor)
    return fit.log_likelihood - without.log_likelihood


def _with_cap(ions: Surroundings, fit: Fit, cap_content: float) -> FloatArray | None:
    """Values with a cap where the Sc content exceeds the model most, None where it nowhere does."""
    probability = content(ions.position_nm, fit.values, fit.parts)
    levels = levels_of(ions.position_nm, fit.values)
    above = (levels.level - 1.0) / levels.slope
    shell = (above > 0.0) & (above < _CAP_DEPTH_NM)
    if not shell.any():
        return None
    excess = (ions.scandium - ions.atoms * probability)[shell]
    variance = (ions.atoms * probability * (1.0 - probability))[shell]
    axes = even_directions(_DIRECTIONS)
    seen = levels.ball[shell] / levels.level[shell][:, None] @ axes.T > np.cos(_CAP_START)
    score = excess @ seen / np.sqrt(np.maximum(variance @ seen, 1e-9))
    if float(score.max()) < _WORTH_TRYING:
        return None
    values = fit.values.copy()
    values[CAP_AXIS] = axes[int(np.argmax(score))]
    values[CAP_HALF_ANGLE] = _CAP_START
    values[CAP_CONTENT] = logit(cap_content)
    return values


def _with_slab(ions: Surroundings, fit: Fit, slab_content: float) -> FloatArray | None:
    """Values with one more interface, where the Sc content exceeds the model most."""
    slab = fit.parts.n_slabs
    outside = shares(ions.position_nm, fit.values, fit.parts)
    probability = content(ions.position_nm, fit.values, fit.parts)
    free = outside.crystal + outside.cap < 0.5
    if not free.any():
        return None
    excess = (ions.scandium - ions.atoms * probability)[free]
    variance = (ions.atoms * probability * (1.0 - probability))[free]
    centre = fit.values[CENTRE]
    relative = ions.position_nm[free] - centre
    best, values = _WORTH_TRYING, None
    normals = even_directions(_DIRECTIONS)[: _DIRECTIONS // 2]
    reach = float(np.linalg.norm(relative, axis=1).max())
    number = max(int(np.ceil(2.0 * reach / _BIN_NM)), 2)
    for normal in normals:
        place = np.clip(((relative @ normal + reach) / _BIN_NM).astype(np.int64), 0, number - 1)
        more = np.bincount(place, excess, minlength=number)
        error = np.bincount(place, variance, minlength=number)
        score = (more[1:] + more[:-1]) / np.sqrt(np.maximum(error[1:] + error[:-1], 1e-9))
        at = int(np.argmax(score))
        if score[at] > best:
            best = float(score[at])
            values = fit.values.copy()
            offset = float(normal @ centre) + (at + 1) * _BIN_NM - reach
            values[slab_slice(slab)] = [*normal, offset, 0.0, logit(slab_content)]
    return values


def fit_surroundings(
    ions: Surroundings,
    fit: Fit,
    cap_gain: float,
    slab_gain: float,
    cap_content: float,
    slab_content: float,
) -> Fit:
    """Add a cap and interfaces to a sphere as long as each makes the fit much better.

    Parameters
    ----------
    ions : Surroundings
        The ions.
    fit : Fit
        A fitted sphere.
    cap_gain, slab_gain : float
        Gains of the log-likelihood that justify a cap and a further interface.
    cap_content, slab_content : float
        Sc content of caps and interfaces to start from, atomic fractions.

    Returns
    -------
    Fit
        Sphere, matrix and parts.

    Notes
    -----
    The shape is an ellipsoid from the start where that alone gains much: the cap of a disc does not
    follow a sphere. At each step a cap and a further interface are both tried where the ions hold
    more scandium than the model, and the better one is kept: an interface that passes near a
    crystal looks like a cap to begin with, but a plane explains the ions beyond it too.
    """
    free = free_parameters(fit.parts, False, True, True)
    fit = fit_model(ions, fit.values, fit.parts, free, anchor=fit.anchor)
    free = free_parameters(fit.parts, True, True, True)
    other = fit_model(ions, fit.values, fit.parts, free, _SHAPE_STEPS, fit.anchor)
    ellipsoid = other.log_likelihood - fit.log_likelihood > _SHAPE_GAIN
    if ellipsoid:
        fit = other
    while True:
        trials = []
        if not fit.parts.cap:
            values = _with_cap(ions, fit, cap_content)
            if values is not None:
                trials.append((replace(fit.parts, cap=True), values))
        if fit.parts.n_slabs < MAXIMUM_SLABS:
            values = _with_slab(ions, fit, slab_content)
            if values is not None:
                trials.append((replace(fit.parts, n_slabs=fit.parts.n_slabs + 1), values))
        best, most = fit, 0.0
        for parts, values in trials:
            new = free_parameters(parts, False, False, False)
            old = free_parameters(fit.parts, False, False, False)
            own = np.append(np.setdiff1d(new, old), OUTSIDE)
            trial = fit_model(ions, values, parts, own, _TRIAL_STEPS, fit.anchor)
            gain = trial.log_likelihood - fit.log_likelihood
            enough = cap_gain if parts.cap and not fit.parts.cap else slab_gain
            if gain > max(most, enough):
                best, most = trial, gain
        if best is fit:
            return fit
        free = free_parameters(best.parts, ellipsoid, True, True)
        fit = fit_model(ions, best.values, best.parts, free, _TRIAL_STEPS, fit.anchor)


def fit_ellipsoid(ions: Surroundings, fit: Fit) -> Fit:
    """Fit everything but the blur at once, with an ellipsoid for the sphere.

    Parameters
    ----------
    ions : Surroundings
        The ions.
    fit : Fit
        What to start from.

    Returns
    -------
    Fit
        The fitted ellipsoid.
    """
    free = free_parameters(fit.parts, True, False, True)
    return fit_model(ions, fit.values, fit.parts, free, anchor=fit.anchor)


def fit_with_shape(ions: Surroundings, fit: Fit, components: FloatArray) -> Fit:
    """Fit everything but the blur and the shape, which is given.

    Parameters
    ----------
    ions : Surroundings
        The ions.
    fit : Fit
        What to start from.
    components : ndarray, shape (5,)
        Logarithmic stretch.

    Returns
    -------
    Fit
        The final fit.

    Notes
    -----
    A shape that follows the noise encloses too much: the volumes of the ellipsoids fitted to
    spheres of 2 nm are too large by 5 %.
    """
    values = fit.values.copy()
    values[SHAPE] = components
    free = free_parameters(fit.parts, False, False, True)
    return fit_model(ions, values, fit.parts, free, anchor=fit.anchor)
