"""The statistics of a composite as plain numbers, each with the record of where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    compositions_at_percent: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    atomic_volumes_nm3: Mapping[str, float] = field(default_factory=dict)
    records: tuple[StatisticRecord, ...] = ()
