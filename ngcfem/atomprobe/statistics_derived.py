"""Numbers that follow from others of a statistics file."""

import numpy as np
from scipy.optimize import brentq

from ngcfem.atomprobe.statistics_sections import Crystals, ScRich, StatisticsFile


def diameter_moments_nm(crystals: Crystals) -> tuple[float, float, float] | None:
    """Take the first three moments of the equivalent diameter of the crystals.

    Parameters
    ----------
    crystals : Crystals
        The section of the file.

    Returns
    -------
    tuple of float, or None
        Means of the diameter, of its square and of its cube, in nm, nm^2 and nm^3; None if the
        file does not tell them.

    Notes
    -----
    Of the samples, where they are given; else of the lognormal distribution of mean m and variation
    c, whose moments are m, m^2 (1 + c^2) and m^3 (1 + c^2)^3.
    """
    if crystals.diameter_samples is not None:
        values = np.array(crystals.diameter_samples.values)
        return float(values.mean()), float((values**2).mean()), float((values**3).mean())
    if crystals.diameter_mean is None or crystals.diameter_variation is None:
        return None
    mean, square = crystals.diameter_mean.value, 1.0 + crystals.diameter_variation.value**2
    return mean, mean**2 * square, mean**3 * square**3


def crystal_fraction(statistics: StatisticsFile) -> float | None:
    """Give the volume fraction of the crystals.

    Parameters
    ----------
    statistics : StatisticsFile
        The file.

    Returns
    -------
    float or None
        The fraction that stands in the file, else crystals per volume times their mean volume; None
        if neither is known.
    """
    fractions = statistics.volume_fractions
    if fractions is not None and fractions.nanocrystal is not None:
        return fractions.nanocrystal.value
    return fraction_from_density(statistics)


def fraction_from_density(statistics: StatisticsFile) -> float | None:
    """Give the volume fraction of the crystals that their number and size amount to.

    Parameters
    ----------
    statistics : StatisticsFile
        The file.

    Returns
    -------
    float or None
        Crystals per volume times their mean volume; None if one of them is not known.
    """
    crystals = statistics.crystals
    moments = None if crystals is None else diameter_moments_nm(crystals)
    if crystals is None or crystals.number_density is None or moments is None:
        return None
    return crystals.number_density.value * np.pi / 6.0 * moments[2]


def cap_thickness_nm(sc_rich: ScRich, crystals: Crystals) -> float | None:
    """Give the thickness of the caps.

    Parameters
    ----------
    sc_rich : ScRich
        The section of the Sc-rich regions.
    crystals : Crystals
        The section of the crystals below them.

    Returns
    -------
    float or None
        The thickness that stands in the file, else the one that gives regions of the equivalent
        radius; None if neither can be told.

    Notes
    -----
    A cap of the thickness t and the solid angle w on a crystal of the radius r has the volume
    w / 3 ((r + t)^3 - r^3). Averaged over the crystals this is w / 3 (3 <r^2> t + 3 <r> t^2 + t^3),
    which is set equal to the volume of the sphere of the equivalent radius.
    """
    if sc_rich.thickness is not None:
        return sc_rich.thickness.value
    moments = diameter_moments_nm(crystals)
    if sc_rich.radius is None or moments is None:
        return None
    radius, square = moments[0] / 2.0, moments[1] / 4.0
    solid_angle = 2.0 * np.pi * (1.0 - np.cos(np.radians(sc_rich.contact_half_angle.value)))
    wanted = 4.0 * np.pi * sc_rich.radius.value**3 / solid_angle

    def excess(thickness: float) -> float:
        return 3.0 * square * thickness + 3.0 * radius * thickness**2 + thickness**3 - wanted

    return float(np.asarray(brentq(excess, 0.0, np.cbrt(wanted), xtol=1e-12)))
