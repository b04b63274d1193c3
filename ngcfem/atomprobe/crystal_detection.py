"""The chance that a crystal of some size is found at all."""

import numpy as np
from scipy.special import gammainc, ndtr

from ngcfem.atomprobe.crystal_results import CrystalsFound
from ngcfem.quantities import FloatArray

_SHELLS = 400
_REACH_NM = 1.5
_SMALLEST_NM, _LARGEST_NM = 0.3, 6.0


def blurred_ball(distance_nm: FloatArray, radius_nm: float, blur_nm: float) -> FloatArray:
    """Give the share of a ball in the surroundings of a place after a Gaussian blur.

    Parameters
    ----------
    distance_nm : ndarray, shape (n,)
        Distance of the place from the centre, positive.
    radius_nm : float
        Radius of the ball.
    blur_nm : float
        Standard deviation of the blur along each axis.

    Returns
    -------
    ndarray, shape (n,)
        Between 0 and 1.

    Notes
    -----
    With a = r - R and b = r + R: Phi(b / s) - Phi(a / s) - s / (r sqrt(2 pi)) (exp(-a^2 / 2 s^2) -
    exp(-b^2 / 2 s^2)).
    """
    near = (distance_nm - radius_nm) / blur_nm
    far = (distance_nm + radius_nm) / blur_nm
    edge = np.exp(-0.5 * near**2) - np.exp(-0.5 * far**2)
    return ndtr(far) - ndtr(near) - blur_nm / (distance_nm * np.sqrt(2.0 * np.pi)) * edge


def detection_chance(found: CrystalsFound, radius_nm: FloatArray) -> FloatArray:
    """Estimate the share of crystals of some sizes that the search finds.

    Parameters
    ----------
    found : CrystalsFound
        What was found, with the blur, the density and the limits of the search.
    radius_nm : ndarray, shape (n,)
        Radii.

    Returns
    -------
    ndarray, shape (n,)
        The smaller one of the chances to be a candidate and to raise the likelihood enough.

    Notes
    -----
    Both the depletion in the middle of a candidate and the gain of the log-likelihood are taken as
    normal. The first has the mean (c0 - c1) F, where F is the share of a Gaussian of kernel and
    blur together inside the ball; the second the mean and the variance of the log-likelihood ratio
    of the atoms around a lone, whole ball. That the search looks for the best place is left out, so
    the chance is rather too small.
    """
    chosen, matrix = found.parameters, found.matrix
    content = float(np.median(found.crystal_content)) if len(found) else chosen.crystal_content
    content = min(content, 0.9 * matrix)
    wide = np.hypot(chosen.kernel_sigma_nm, found.blur_nm)
    atoms = found.atoms_per_nm3 * (4.0 * np.pi) ** 1.5 * chosen.kernel_sigma_nm**3
    result = np.empty(len(radius_nm))
    for row, radius in enumerate(radius_nm):
        inside = float(gammainc(1.5, 0.5 * (radius / wide) ** 2))
        middle = matrix - (matrix - content) * inside
        depletion = 1.0 - middle / matrix
        unit = np.sqrt(matrix * (1.0 - matrix) / atoms) / matrix
        least = max(chosen.least_significance * unit, chosen.least_depletion)
        error = np.sqrt(middle * (1.0 - middle) / atoms) / matrix
        candidate = ndtr((depletion - least) / error)
        edges = np.linspace(0.0, radius + _REACH_NM, _SHELLS + 1)
        place = 0.5 * (edges[1:] + edges[:-1])
        number = found.atoms_per_nm3 * 4.0 / 3.0 * np.pi * np.diff(edges**3)
        share = matrix - (matrix - content) * blurred_ball(place, float(radius), found.blur_nm)
        share = np.clip(share, 1e-6, 1.0 - 1e-6)
        one, none = np.log(share / matrix), np.log((1.0 - share) / (1.0 - matrix))
        gain = float(np.sum(number * (share * one + (1.0 - share) * none)))
        variance = float(np.sum(number * share * (1.0 - share) * (one - none) ** 2))
        enough = ndtr((gain - found.least_gain) / np.sqrt(max(variance, 1e-12)))
        result[row] = min(candidate, enough)
    return result


def smallest_detectable_radius_nm(found: CrystalsFound, chance: float = 0.5) -> float:
    """Find the radius of which some share of the crystals is found.

    Parameters
    ----------
    found : CrystalsFound
        What was found.
    chance : float
        That share.

    Returns
    -------
    float
        Radius in nm.
    """
    radii = np.linspace(_SMALLEST_NM, _LARGEST_NM, 286)
    chances = np.maximum.accumulate(detection_chance(found, radii))
    return float(np.interp(chance, chances, radii))
