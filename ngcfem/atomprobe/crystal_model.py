"""Scandium content around one crystal: a model with a blurred ellipsoid, its cap and interfaces."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit, ndtr

from ngcfem.atomprobe.atomic_volumes import ATOMIC_VOLUMES_NM3
from ngcfem.atomprobe.ellipsoids import shape_tensor
from ngcfem.quantities import FloatArray, IntArray

MAXIMUM_SLABS = 2

CENTRE = slice(0, 3)
LOG_RADIUS = 3
SHAPE = slice(4, 9)
LOG_BLUR = 9
INSIDE = 10
OUTSIDE = 11
CAP_AXIS = slice(12, 15)
CAP_LOG_THICKNESS = 15
CAP_HALF_ANGLE = 16
CAP_CONTENT = 17
SLAB_NORMAL, SLAB_OFFSET, SLAB_LOG_THICKNESS, SLAB_CONTENT = 0, 3, 4, 5
SLAB_LENGTH = 6
SLAB_FIRST = 18
N_PARAMETERS = SLAB_FIRST + MAXIMUM_SLABS * SLAB_LENGTH

_LEAST, _MOST = 1e-5, 1.0 - 1e-5
_FAR = 8.0
_DIFFERENCE = 1e-5
_CAP_GEOMETRY = (12, 13, 14, CAP_LOG_THICKNESS, CAP_HALF_ANGLE)


@dataclass(frozen=True)
class Parts:
    """Which parts the model of one crystal has.

    Parameters
    ----------
    cap : bool
        Whether a Sc-rich cap sits on the crystal.
    n_slabs : int
        Number of flat pieces of interface nearby.
    crystal : bool
        Whether there is a crystal at all.
    """

    cap: bool = False
    n_slabs: int = 0
    crystal: bool = True


@dataclass(frozen=True, eq=False)
class Shares:
    """How much of the surroundings of each position is of which kind, each shape (n,).

    Parameters
    ----------
    crystal, cap : ndarray
        Shares of crystal and cap; the rest is outside.
    slabs : ndarray, shape (s, n)
        Shares of the interfaces in that rest.
    """

    crystal: FloatArray
    cap: FloatArray
    slabs: FloatArray


def slab_slice(slab: int) -> slice:
    """Find the parameters of one interface.

    Parameters
    ----------
    slab : int
        Which one.

    Returns
    -------
    slice
        Its place among the parameters.
    """
    return slice(SLAB_FIRST + slab * SLAB_LENGTH, SLAB_FIRST + (slab + 1) * SLAB_LENGTH)


def free_parameters(parts: Parts, ellipsoid: bool, blur: bool, inside: bool) -> IntArray:
    """List the parameters that a fit may change.

    Parameters
    ----------
    parts : Parts
        Parts of the model.
    ellipsoid : bool
        Whether the shape may differ from a sphere.
    blur : bool
        Whether the width of the blur is fitted.
    inside : bool
        Whether the Sc content of the crystal is fitted.

    Returns
    -------
    ndarray, shape (f,)
        Their places.
    """
    free = [OUTSIDE]
    if parts.crystal:
        free += [*range(3), LOG_RADIUS]
        free += [*range(4, 9)] if ellipsoid else []
        free += [LOG_BLUR] if blur else []
        free += [INSIDE] if inside else []
    if parts.crystal and parts.cap:
        free += [*range(12, SLAB_FIRST)]
    free += [*range(SLAB_FIRST, SLAB_FIRST + parts.n_slabs * SLAB_LENGTH)]
    return np.array(sorted(free), dtype=np.int64)


def _unit(vector: FloatArray) -> FloatArray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


@dataclass(frozen=True, eq=False)
class Levels:
    """The ellipsoid seen from each position.

    Parameters
    ----------
    ball : ndarray, shape (n, 3)
        Place after the ellipsoid is stretched back to a ball of radius 1.
    level : ndarray, shape (n,)
        Distance from its centre there.
    slope : ndarray, shape (n,)
        Length of the gradient of the level, per nm.
    shift : ndarray, shape (n,)
        How far blur moves the surface inwards, in nm.
    """

    ball: FloatArray
    level: FloatArray
    slope: FloatArray
    shift: FloatArray


def shares(position_nm: FloatArray, values: FloatArray, parts: Parts) -> Shares:
    """Tell what the surroundings of each position are made of.

    Parameters
    ----------
    position_nm : ndarray, shape (n, 3)
        Positions.
    values : ndarray, shape (p,)
        All parameters of the model.
    parts : Parts
        Which of its parts are there.

    Returns
    -------
    Shares
        Of crystal, cap and interfaces.

    Notes
    -----
    With the level rho of the ellipsoid, 1 on its surface, and the distance d = (rho - 1) /
    |grad rho|, a Gaussian blur s of a body with the principal curvatures k1 and k2 gives the share
    Phi(-(d + s^2 (k1 + k2) / 2) / s): to first order in s k, blur moves the level of one half
    inwards as diffusion by mean curvature does. A cap is what lies between the levels 1 and
    1 + t / R and within the half-angle of its axis, measured where the ellipsoid is stretched back
    to a ball of radius R; its rim is blurred along the surface.
    """
    slabs = np.zeros((parts.n_slabs, len(position_nm)))
    for slab in range(parts.n_slabs):
        slabs[slab] = _slab_share(position_nm, values, slab)
    none = np.zeros(len(position_nm))
    if not parts.crystal:
        return Shares(none, none, slabs)
    levels = levels_of(position_nm, values)
    crystal = _crystal_share(levels, values)
    cap = _cap_share(levels, values, crystal) if parts.cap else none
    return Shares(crystal, cap, slabs)


def _slab_share(position_nm: FloatArray, values: FloatArray, slab: int) -> FloatArray:
    own, blur = values[slab_slice(slab)], np.exp(values[LOG_BLUR])
    height = position_nm @ _unit(own[:3]) - own[SLAB_OFFSET]
    half = 0.5 * np.exp(own[SLAB_LOG_THICKNESS])
    return ndtr((height + half) / blur) - ndtr((height - half) / blur)


def levels_of(position_nm: FloatArray, values: FloatArray) -> Levels:
    """See the ellipsoid from some positions.

    Parameters
    ----------
    position_nm : ndarray, shape (n, 3)
        Positions.
    values : ndarray, shape (p,)
        All parameters of the model.

    Returns
    -------
    Levels
        Of each position.
    """
    radius = np.exp(values[LOG_RADIUS])
    half = 0.5 * np.exp(2.0 * values[LOG_BLUR])
    relative = position_nm - values[CENTRE]
    components = values[SHAPE]
    if not np.any(components):
        ball = relative / radius
        level = np.maximum(np.sqrt(np.einsum("ij,ij->i", ball, ball)), 1e-6)
        slope = np.full(len(level), 1.0 / radius)
        return Levels(ball, level, slope, np.full(len(level), 2.0 * half / radius))
    stretch, vectors = np.linalg.eigh(shape_tensor(components))
    axes = radius * np.exp(stretch)
    ball = (relative @ vectors) / axes
    level = np.maximum(np.sqrt(np.einsum("ij,ij->i", ball, ball)), 1e-6)
    gradient = ball / axes / level[:, None]
    slope = np.sqrt(np.einsum("ij,ij->i", gradient, gradient))
    bent = (gradient / slope[:, None]) ** 2 @ axes**-2.0
    return Levels(ball @ vectors.T, level, slope, half * (np.sum(axes**-2.0) - bent) / slope)


def _crystal_share(levels: Levels, values: FloatArray) -> FloatArray:
    blur = np.exp(values[LOG_BLUR])
    return ndtr(-((levels.level - 1.0) / levels.slope + levels.shift) / blur)


def _cap_share(levels: Levels, values: FloatArray, crystal: FloatArray) -> FloatArray:
    blur, level = np.exp(values[LOG_BLUR]), levels.level
    outer = 1.0 + np.exp(values[CAP_LOG_THICKNESS] - values[LOG_RADIUS])
    filled = ndtr(-((level - outer) / levels.slope + levels.shift / outer) / blur)
    angle = np.arccos(np.clip(levels.ball @ _unit(values[CAP_AXIS]) / level, -1.0, 1.0))
    rim = (values[CAP_HALF_ANGLE] - angle) * level / levels.slope / blur
    return np.maximum(filled - crystal, 0.0) * ndtr(np.clip(rim, -_FAR, _FAR))


def content(position_nm: FloatArray, values: FloatArray, parts: Parts) -> FloatArray:
    """Give the probability that an atom is scandium.

    Parameters
    ----------
    position_nm : ndarray, shape (n, 3)
        Positions.
    values : ndarray, shape (p,)
        All parameters of the model.
    parts : Parts
        Which of its parts are there.

    Returns
    -------
    ndarray, shape (n,)
        Between 0 and 1, both excluded.
    """
    return _mixed(shares(position_nm, values, parts), values, parts)


def _mixed(share: Shares, values: FloatArray, parts: Parts) -> FloatArray:
    """Sc content of a mixture by volume, in which rich parts hold fewer atoms."""
    matrix = float(expit(values[OUTSIDE]))
    number = _atoms_per_volume(matrix)
    atoms = np.full(len(share.crystal), number)
    scandium = np.full(len(share.crystal), number * matrix)
    for slab in range(parts.n_slabs):
        own = float(expit(values[slab_slice(slab)][SLAB_CONTENT]))
        number = _atoms_per_volume(own)
        atoms = atoms + share.slabs[slab] * (number - atoms)
        scandium = scandium + share.slabs[slab] * (number * own - scandium)
    inside = [(share.crystal, float(expit(values[INSIDE])))]
    if parts.cap:
        inside.append((share.cap, float(expit(values[CAP_CONTENT]))))
    rest = 1.0 - sum(part for part, _ in inside)
    atoms, scandium = rest * atoms, rest * scandium
    for part, own in inside:
        number = _atoms_per_volume(own)
        atoms = atoms + part * number
        scandium = scandium + part * number * own
    return np.clip(scandium / atoms, _LEAST, _MOST)


def _atoms_per_volume(content: float) -> float:
    """Atoms per volume of Fe with so much Sc, over that of Fe."""
    iron, scandium = ATOMIC_VOLUMES_NM3["Fe"], ATOMIC_VOLUMES_NM3["Sc"]
    return iron / (iron + content * (scandium - iron))


def content_slopes(
    position_nm: FloatArray, values: FloatArray, parts: Parts, free: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Give the probability that an atom is scandium, and its derivatives.

    Parameters
    ----------
    position_nm : ndarray, shape (n, 3)
        Positions.
    values : ndarray, shape (p,)
        All parameters of the model.
    parts : Parts
        Which of its parts are there.
    free : ndarray, shape (f,)
        Parameters to differentiate by.

    Returns
    -------
    probability : ndarray, shape (n,)
        As `content` gives it.
    slopes : ndarray, shape (f, n)
        Differences over a small step, in which only what a parameter moves is evaluated again.
    """
    share = shares(position_nm, values, parts)
    levels = levels_of(position_nm, values) if parts.cap and parts.crystal else None
    probability = _mixed(share, values, parts)
    slopes = np.empty((len(free), len(probability)))
    for row, parameter in enumerate(free):
        moved = values.copy()
        moved[parameter] += _DIFFERENCE
        if parameter >= SLAB_FIRST:
            slab, place = divmod(int(parameter) - SLAB_FIRST, SLAB_LENGTH)
            changed = share
            if place != SLAB_CONTENT:
                slabs = share.slabs.copy()
                slabs[slab] = _slab_share(position_nm, moved, slab)
                changed = Shares(share.crystal, share.cap, slabs)
        elif parameter in (INSIDE, OUTSIDE, CAP_CONTENT):
            changed = share
        elif parameter in _CAP_GEOMETRY and levels is not None:
            cap = _cap_share(levels, moved, share.crystal)
            changed = Shares(share.crystal, cap, share.slabs)
        elif parameter == LOG_BLUR:
            changed = shares(position_nm, moved, parts)
        else:
            body = shares(position_nm, moved, replace(parts, n_slabs=0))
            changed = Shares(body.crystal, body.cap, share.slabs)
        slopes[row] = (_mixed(changed, moved, parts) - probability) / _DIFFERENCE
    return probability, slopes


def starting_values(
    centre_nm: FloatArray, radius_nm: float, blur_nm: float, inside: float, outside: float
) -> FloatArray:
    """Set the parameters of a sphere in a matrix.

    Parameters
    ----------
    centre_nm : ndarray, shape (3,)
        Centre.
    radius_nm : float
        Radius.
    blur_nm : float
        Standard deviation of the blur.
    inside, outside : float
        Sc content of crystal and matrix, atomic fractions.

    Returns
    -------
    ndarray, shape (p,)
        All parameters; those of cap and interfaces are neutral.
    """
    values = np.zeros(N_PARAMETERS)
    values[CENTRE] = centre_nm
    values[LOG_RADIUS] = np.log(radius_nm)
    values[LOG_BLUR] = np.log(blur_nm)
    values[INSIDE] = logit(max(inside, _LEAST))
    values[OUTSIDE] = logit(outside)
    values[CAP_AXIS] = [0.0, 0.0, 1.0]
    values[CAP_LOG_THICKNESS] = np.log(0.8)
    values[CAP_HALF_ANGLE] = 1.0
    values[CAP_CONTENT] = logit(min(3.0 * outside, 0.6))
    for slab in range(MAXIMUM_SLABS):
        values[slab_slice(slab)] = [0.0, 0.0, 1.0, 0.0, 0.0, logit(min(2.5 * outside, 0.6))]
    return values
