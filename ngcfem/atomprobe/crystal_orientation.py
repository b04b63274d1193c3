"""Directions of crystals that are no spheres."""

import numpy as np
from scipy import stats

from ngcfem.atomprobe.crystal_results import CrystalsFound
from ngcfem.quantities import FloatArray

_RANDOM_LEVEL = 0.01


def main_axes(found: CrystalsFound) -> tuple[FloatArray, str]:
    """Give the axis of each crystal that differs most from the other two.

    Parameters
    ----------
    found : CrystalsFound
        The crystals, at least one.

    Returns
    -------
    axes : ndarray, shape (k, 3)
        Unit vectors: long axes of needles, normals of discs.
    shape : str
        Whichever most of the crystals are: prolate or oblate.
    """
    logs = np.log(found.semi_axes_nm)
    prolate = logs[:, 0] - logs[:, 1] > logs[:, 1] - logs[:, 2]
    shape = "prolate" if np.count_nonzero(prolate) * 2 > len(prolate) else "oblate"
    return found.rotation[:, :, 0 if shape == "prolate" else 2], shape


def fibre(axes: FloatArray) -> tuple[FloatArray, float] | None:
    """Tell whether axes prefer a direction.

    Parameters
    ----------
    axes : ndarray, shape (k, 3)
        Unit vectors without a sign.

    Returns
    -------
    tuple of ndarray and float, or None
        Axis of the fibre and its width s in degrees, sqrt(<a^2> / 2) of the angles a from it; None
        if the axes may be random.

    Notes
    -----
    The test of Bingham at the level of 1 %: 15 n / 2 (tr T^2 - 1/3) of the orientation tensor T has
    the chi-squared distribution with 5 degrees of freedom where all directions are alike.

    References
    ----------
    Mardia, Jupp (2000), Directional Statistics, section 10.7.1, doi 10.1002/9780470316979.
    """
    tensor = np.einsum("ki,kj->ij", axes, axes) / len(axes)
    statistic = 7.5 * len(axes) * (float(np.sum(tensor**2)) - 1.0 / 3.0)
    if float(stats.chi2.sf(statistic, 5)) > _RANDOM_LEVEL:
        return None
    axis = np.linalg.eigh(tensor)[1][:, 2]
    angle = np.degrees(np.arccos(np.clip(np.abs(axes @ axis), 0.0, 1.0)))
    return axis, float(np.sqrt(np.mean(angle**2) / 2.0))
