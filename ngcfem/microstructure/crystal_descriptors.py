"""Descriptors of crystals and Sc-rich regions."""

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr
from scipy.stats import kstwo

from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.crystal_measures import (
    CrystalMeasures,
    equivalent_diameters_nm,
    measure_crystals,
)
from ngcfem.microstructure.descriptor import Descriptor, Targets
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.quantities import NANOCRYSTAL, FloatArray

_SIGNIFICANCE = 0.05
_AXIS_NAMES = "xyz"
_ANGLES = 4000


def crystal_descriptors(
    cell: PeriodicCell,
    statistics: CompositeStatistics,
    targets: Targets,
    fractions: Mapping[str, float],
) -> list[Descriptor]:
    """Measure the crystals of a cell and the Sc-rich regions on them.

    Parameters
    ----------
    cell : PeriodicCell
        A composite of dimension 3.
    statistics : CompositeStatistics
        What it was made from.
    targets : Targets
        The same by key.
    fractions : mapping of str to float
        Volume fractions of the geometry.

    Returns
    -------
    list of Descriptor
        Amounts, sizes, shapes, places and contacts.
    """
    number = len(cell.inclusions)
    descriptors = [
        Descriptor(
            "crystal volume fraction",
            "1",
            statistics.crystal_fraction,
            fractions.get(NANOCRYSTAL, 0.0),
            0.01 * statistics.crystal_fraction,
        ),
        Descriptor("number of crystals", "1", None, float(number), None),
    ]
    if number == 0:
        return descriptors
    measures = measure_crystals(cell)
    return [
        *descriptors,
        _number_density(cell, targets),
        *_sizes(cell, statistics),
        *_shapes(measures, statistics),
        *_directions(measures, statistics),
        *_places(measures, statistics, targets, number),
        *_caps(cell, statistics, targets, measures),
    ]


def _number_density(cell: PeriodicCell, targets: Targets) -> Descriptor:
    twice = "volume_fractions.nanocrystal" in targets
    return targets.steered(
        "crystals per volume",
        "nm^-3",
        "crystals.number_density",
        len(cell.inclusions) / cell.volume_nm3,
        floor=1.0 / cell.volume_nm3,
        binding=not twice,
        remark="the volume fraction rules" if twice else "",
    )


def _sizes(cell: PeriodicCell, statistics: CompositeStatistics) -> list[Descriptor]:
    diameters = equivalent_diameters_nm(cell)
    number = len(diameters)
    mean, spread = statistics.crystal_diameter_nm, statistics.crystal_diameter_variation
    found = [
        Descriptor(
            "mean crystal diameter",
            "nm",
            mean,
            float(diameters.mean()),
            mean * max(0.02, 0.5 / number),
        ),
        Descriptor(
            "variation of the crystal diameter",
            "1",
            spread if number > 1 else None,
            float(diameters.std() / diameters.mean()),
            # a few quantiles of samples do not have the spread of all
            spread / np.sqrt(number) if statistics.crystal_diameter_samples_nm else 2e-3,
        ),
    ]
    samples = statistics.crystal_diameter_samples_nm
    if number > 1 and (samples or spread > 0.0):
        found.append(
            Descriptor(
                "Kolmogorov-Smirnov distance of the crystal diameters",
                "1",
                0.0,
                sample_distance(diameters, np.array(samples))
                if samples
                else lognormal_distance(diameters, mean, spread),
                float(kstwo.ppf(1.0 - _SIGNIFICANCE, number)),
                remark=f"from the {'samples' if samples else 'lognormal distribution'} asked for; "
                "the tolerance is what 95 % of random samples of this size stay below",
            )
        )
    return found


def lognormal_distance(values: FloatArray, mean: float, variation: float) -> float:
    """Kolmogorov-Smirnov distance of a sample from a lognormal distribution.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The sample.
    mean : float
        Arithmetic mean of the distribution.
    variation : float
        Its standard deviation over its mean; not 0.

    Returns
    -------
    float
        Largest difference of the two distribution functions.

    References
    ----------
    Massey (1951), J. Am. Stat. Assoc. 46, 68, doi 10.1080/01621459.1951.10500769.
    """
    width = np.sqrt(np.log1p(variation**2))
    ordered = np.sort(values)
    chance = ndtr((np.log(ordered / mean) + 0.5 * width**2) / width)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(max(np.max(steps[1:] - chance), np.max(chance - steps[:-1])))


def sample_distance(values: FloatArray, samples: FloatArray) -> float:
    """Kolmogorov-Smirnov distance of a sample from the distribution of others.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The sample.
    samples : ndarray, shape (k,)
        The others.

    Returns
    -------
    float
        Largest difference of the two distribution functions.
    """
    places = np.concatenate([values, samples])
    ours = np.searchsorted(np.sort(values), places, side="right") / len(values)
    theirs = np.searchsorted(np.sort(samples), places, side="right") / len(samples)
    return float(np.abs(ours - theirs).max())


def _shapes(measures: CrystalMeasures, statistics: CompositeStatistics) -> list[Descriptor]:
    ratios = measures.aspect_ratios
    wanted = statistics.crystal_aspect_ratio
    found = [
        Descriptor(
            "mean aspect ratio of the crystals", "1", wanted, float(ratios.mean()), 1e-6 * wanted
        )
    ]
    if wanted > 1.0 and len(ratios) > 1:
        found.append(
            Descriptor(
                "variation of the aspect ratio",
                "1",
                statistics.crystal_aspect_ratio_variation,
                float(ratios.std() / ratios.mean()),
                2e-3,
            )
        )
    return found


def _directions(measures: CrystalMeasures, statistics: CompositeStatistics) -> list[Descriptor]:
    """Orientation tensor, and how well the main axes follow the fibre if there is one.

    The tolerances are four standard deviations of as many random directions: those of the cell are
    spread more evenly.
    """
    number = int(np.count_nonzero(~np.isnan(measures.axes[:, 0])))
    if number == 0:
        return []
    tensor = measures.orientation_tensor
    fibre = statistics.crystal_axis
    # variances of p_x^2 and of p_x p_y over the sphere
    diagonal, mixed = 4.0 * np.sqrt(4.0 / 45.0 / number), 4.0 * np.sqrt(1.0 / 15.0 / number)
    found = [
        Descriptor(
            f"orientation tensor of the crystals, {_AXIS_NAMES[j]}{_AXIS_NAMES[i]}",
            "1",
            (1.0 / 3.0 if i == j else 0.0) if fibre is None else None,
            float(tensor[i, j]),
            (diagonal if i == j else mixed) if fibre is None else None,
        )
        for i, j in ((0, 0), (1, 1), (2, 2), (1, 0), (2, 0), (2, 1))
    ]
    if fibre is not None:
        mean, deviation = fibre_moments(statistics.crystal_axis_spread_deg)
        axis = np.array(fibre)
        found.append(
            Descriptor(
                "mean squared cosine to the axis of the fibre",
                "1",
                mean,
                float(axis @ tensor @ axis),
                4.0 * deviation / np.sqrt(number) + 1e-6,
            )
        )
    return found


def fibre_moments(spread_deg: float) -> tuple[float, float]:
    """Mean and standard deviation of the squared cosine of a fibre distribution.

    Parameters
    ----------
    spread_deg : float
        Width s of the fibre: the angle a has the density sin(a) exp(-a^2 / 2 s^2).

    Returns
    -------
    mean : float
        Of cos^2 a; 1 for no width.
    standard_deviation : float
        Of cos^2 a; 0 for no width.
    """
    if spread_deg == 0.0:
        return 1.0, 0.0
    angle = 0.5 * np.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES
    density = np.sin(angle) * np.exp(-0.5 * (angle / np.radians(spread_deg)) ** 2)
    density /= density.sum()
    square = np.cos(angle) ** 2
    mean = float(density @ square)
    return mean, float(np.sqrt(max(0.0, density @ square**2 - mean**2)))


def _places(
    measures: CrystalMeasures, statistics: CompositeStatistics, targets: Targets, number: int
) -> list[Descriptor]:
    gap = statistics.crystal_gap_nm
    asked = "" if gap is None else f"at least {gap:g} nm asked for; the packing holds it"
    return [
        targets.steered(
            "distance to the nearest crystal, centres",
            "nm",
            "crystals.nearest_neighbour_distance",
            float(measures.centre_distances_nm.mean()),
        ),
        targets.steered(
            "distance to the nearest crystal, surfaces",
            "nm",
            "crystals.surface_distance",
            float(measures.surface_distances_nm.mean()),
            binding=False,
            remark="follows from number, sizes and centres",
        ),
        Descriptor(
            "smallest gap between crystals or caps",
            "nm",
            None,
            measures.smallest_gap_nm,
            None,
            remark=asked,
        ),
        Descriptor("smallest gap to the network", "nm", None, measures.smallest_wall_gap_nm, None),
        targets.steered(
            "share of crystals that touch another",
            "1",
            "crystals.contact_fraction",
            0.0,
            binding=False,
            remark="crystals are kept apart so that the mesh resolves what lies between",
        ),
        targets.steered(
            "share of crystals on the network",
            "1",
            "crystals.interface_contact_share",
            measures.interface_contact_share,
            floor=1.0 / number,
        ),
        Descriptor(
            "share of the crystal surface on the network", "1", None, measures.network_share, None
        ),
    ]


def _caps(
    cell: PeriodicCell,
    statistics: CompositeStatistics,
    targets: Targets,
    measures: CrystalMeasures,
) -> list[Descriptor]:
    number = len(cell.inclusions)
    capped = [body for body in cell.inclusions if body.cap is not None]
    found = [
        Descriptor(
            "share of crystals with a cap",
            "1",
            statistics.capped_share,
            len(capped) / number,
            1.0 / number,
        )
    ]
    caps = [body.cap for body in capped if body.cap is not None]
    if not caps:
        return found
    thickness = np.array([cap.thickness_nm for cap in caps])
    angle = np.array([cap.half_angle_deg for cap in caps])
    volume = np.array([body.cap_volume_nm3 for body in capped])
    radius = np.cbrt(0.75 * volume / np.pi)
    return [
        *found,
        Descriptor(
            "mean thickness of the caps",
            "nm",
            statistics.cap_thickness_nm,
            float(thickness.mean()),
            1e-9,
        ),
        Descriptor(
            "mean half-angle of the caps",
            "deg",
            statistics.cap_half_angle_deg,
            float(angle.mean()),
            1e-9,
        ),
        targets.steered(
            "mean radius of the Sc-rich regions",
            "nm",
            "sc_rich.radius",
            float(radius.mean()),
            remark="that of the sphere of their volume",
        ),
        Descriptor(
            "share of the crystal surface under caps", "1", None, measures.covered_share, None
        ),
    ]
