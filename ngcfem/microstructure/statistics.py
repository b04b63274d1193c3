"""The statistics of a composite as plain numbers, each with the record of where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ngcfem.atomprobe.statistics import StatisticsFile, quantities_of
from ngcfem.atomprobe.statistics_derived import (
    cap_thickness_nm,
    crystal_fraction,
    diameter_moments_nm,
)
from ngcfem.atomprobe.statistics_sections import Composition, Quantity, Samples
from ngcfem.errors import Finding, InputError

_NEEDED: dict[str, str | None] = {
    "grains.equivalent_diameter": None,
    "grains.diameter_variation": None,
    "interface.thickness": None,
    "crystals.diameter_mean": "crystals.diameter_samples",
    "crystals.diameter_variation": "crystals.diameter_samples",
    "volume_fractions.nanocrystal": "crystals.number_density",
    "sc_rich.share_of_crystals": None,
    "sc_rich.thickness": "sc_rich.radius",
    "sc_rich.contact_half_angle": None,
}
"""What the geometry needs, and what may stand in its place."""


@dataclass(frozen=True)
class StatisticRecord:
    """Where one number of the statistics comes from.

    Parameters
    ----------
    key : str
        Dotted key in the statistics file.
    value : float
        Value.
    unit : str
        Unit.
    lo95, hi95 : float or None
        95 % interval.
    provenance : str
        measured, paper, literature, assumed, calibrated or synthetic.
    reference : str
        Source in words.
    """

    key: str
    value: float
    unit: str
    lo95: float | None
    hi95: float | None
    provenance: str
    reference: str


@dataclass(frozen=True)
class CompositeStatistics:
    """What the geometry of a composite is made from.

    Parameters
    ----------
    grain_diameter_nm : float
        Mean diameter of the sphere of the volume of a grain, its half of the network included.
    grain_diameter_variation : float
        Standard deviation of that diameter over its mean.
    interface_thickness_nm : float
        Thickness of the network between the grains.
    crystal_diameter_nm : float
        Mean diameter of the crystals.
    crystal_diameter_variation : float
        Standard deviation over the mean.
    crystal_fraction : float
        Volume of the crystals over the volume of the cell (not of the grains).
    capped_share : float
        Share of the crystals, by number, that carry a Sc-rich cap.
    cap_thickness_nm : float
        Radial thickness of a cap.
    cap_half_angle_deg : float
        Polar angle of the rim of a cap, seen from the centre of the crystal.
    crystal_diameter_samples_nm : tuple of float
        Diameters whose distribution the crystals have; empty for a lognormal distribution.
    crystal_aspect_ratio : float
        Mean ratio of the longest to the shortest axis of the crystals; 1 for spheres.
    crystal_aspect_ratio_variation : float
        Standard deviation of that ratio over its mean.
    crystal_shape : {"prolate", "oblate"}
        Needles or discs.
    crystal_axis : tuple of float, or None
        Unit vector around which the main axes of the crystals lie, in the frame of the cell; None
        for random directions.
    crystal_axis_spread_deg : float
        Width of the fibre around it.
    crystal_gap_nm : float or None
        Smallest distance between crystals or caps, and from the network, if the file tells.
    interface_contact_share : float or None
        Share of the crystals, by number, that touch the network; None for no target.
    nearest_neighbour_distance_nm : float or None
        Mean distance to the nearest centre; None for no target.
    compositions_at_percent : mapping of str to mapping of str to float
        Atomic percent of each element, by phase name and for ``bulk``.
    atomic_volumes_nm3 : mapping of str to float
        Volume of an atom of each element.
    records : tuple of StatisticRecord
        Unit, interval and provenance of every number of the file.
    """

    grain_diameter_nm: float
    grain_diameter_variation: float
    interface_thickness_nm: float
    crystal_diameter_nm: float
    crystal_diameter_variation: float
    crystal_fraction: float
    capped_share: float
    cap_thickness_nm: float
    cap_half_angle_deg: float
    crystal_diameter_samples_nm: tuple[float, ...] = ()
    crystal_aspect_ratio: float = 1.0
    crystal_aspect_ratio_variation: float = 0.0
    crystal_shape: str = "prolate"
    crystal_axis: tuple[float, float, float] | None = None
    crystal_axis_spread_deg: float = 0.0
    crystal_gap_nm: float | None = None
    interface_contact_share: float | None = None
    nearest_neighbour_distance_nm: float | None = None
    compositions_at_percent: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    atomic_volumes_nm3: Mapping[str, float] = field(default_factory=dict)
    records: tuple[StatisticRecord, ...] = ()


def composite_statistics(statistics: StatisticsFile, origin: str) -> CompositeStatistics:
    """Take what the geometry needs out of a statistics file.

    Parameters
    ----------
    statistics : StatisticsFile
        The checked file.
    origin : str
        Its name, for the messages.

    Returns
    -------
    CompositeStatistics
        Plain numbers, with the record of every number of the file.

    Raises
    ------
    InputError
        Names every section or key that the geometry needs and the file has not.
    """
    quantities = quantities_of(statistics)
    samples = None if statistics.crystals is None else statistics.crystals.diameter_samples
    given = [*quantities, *(["crystals.diameter_samples"] if samples else [])]
    missing = [
        Finding(
            origin,
            key,
            "nothing",
            "a quantity: the geometry of the composite needs it",
            "add the key (provenance = assumed, if nothing better is known)"
            + (f", or {other}" if other else ""),
        )
        for key, other in _NEEDED.items()
        if key not in quantities and (other is None or other not in given)
    ]
    crystals, sc_rich = statistics.crystals, statistics.sc_rich
    if missing or crystals is None or sc_rich is None:
        raise InputError(missing)
    compositions = {
        region: getattr(statistics.composition, region).at_percent()
        for region in Composition.model_fields
        if getattr(statistics.composition, region) is not None
    }
    volumes = {
        key.removeprefix("atomic_volumes."): quantity.value
        for key, quantity in quantities.items()
        if key.startswith("atomic_volumes.")
    }
    moments = diameter_moments_nm(crystals)
    fraction, thickness = crystal_fraction(statistics), cap_thickness_nm(sc_rich, crystals)
    assert moments is not None
    assert fraction is not None
    assert thickness is not None
    diameters = () if samples is None else tuple(samples.values)
    orientation = crystals.orientation
    axis = None if orientation is None else orientation.axis
    spread = None if orientation is None else orientation.spread
    variation = crystals.diameter_variation
    return CompositeStatistics(
        grain_diameter_nm=quantities["grains.equivalent_diameter"].value,
        grain_diameter_variation=quantities["grains.diameter_variation"].value,
        interface_thickness_nm=quantities["interface.thickness"].value,
        crystal_diameter_nm=moments[0],
        crystal_diameter_variation=(
            float(np.std(diameters) / moments[0]) if variation is None else variation.value
        ),
        crystal_fraction=fraction,
        capped_share=sc_rich.share_of_crystals.value,
        cap_thickness_nm=thickness,
        cap_half_angle_deg=sc_rich.contact_half_angle.value,
        crystal_diameter_samples_nm=diameters,
        crystal_aspect_ratio=_value(crystals.aspect_ratio, 1.0),
        crystal_aspect_ratio_variation=_value(crystals.aspect_ratio_variation, 0.0),
        crystal_shape=crystals.shape or "prolate",
        crystal_axis=None if axis is None else _unit(axis),
        crystal_axis_spread_deg=_value(spread, 0.0),
        crystal_gap_nm=_value(crystals.minimum_gap, None),
        interface_contact_share=_value(crystals.interface_contact_share, None),
        nearest_neighbour_distance_nm=_value(crystals.nearest_neighbour_distance, None),
        compositions_at_percent=compositions,
        atomic_volumes_nm3=volumes,
        records=(
            *(
                StatisticRecord(
                    key, q.value, q.unit, q.lo95, q.hi95, q.provenance, q.reference or q.method
                )
                for key, q in quantities.items()
            ),
            *_sample_records(samples),
        ),
    )


def _value[T](quantity: Quantity | None, missing: T) -> float | T:
    return missing if quantity is None else quantity.value


def _unit(axis: tuple[float, float, float]) -> tuple[float, float, float]:
    x, y, z = (np.array(axis) / np.linalg.norm(axis)).tolist()
    return x, y, z


def _sample_records(samples: Samples | None) -> tuple[StatisticRecord, ...]:
    """Mean of the samples, under their key."""
    if samples is None:
        return ()
    source = samples.reference or samples.method or f"mean of {len(samples.values)} samples"
    mean = float(np.mean(samples.values))
    return (
        StatisticRecord(
            "crystals.diameter_samples", mean, samples.unit, None, None, samples.provenance, source
        ),
    )
