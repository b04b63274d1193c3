"""The statistics of a composite as plain numbers, each with the record of where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ngcfem.atomprobe.statistics import StatisticsFile, quantities_of
from ngcfem.atomprobe.statistics_sections import Composition
from ngcfem.errors import Finding, InputError

_NEEDED = {
    "grain_diameter_nm": "grains.equivalent_diameter",
    "grain_diameter_variation": "grains.diameter_variation",
    "interface_thickness_nm": "interface.thickness",
    "crystal_diameter_nm": "crystals.diameter_mean",
    "crystal_diameter_variation": "crystals.diameter_variation",
    "crystal_fraction": "volume_fractions.nanocrystal",
    "capped_share": "sc_rich.share_of_crystals",
    "cap_thickness_nm": "sc_rich.thickness",
    "cap_half_angle_deg": "sc_rich.contact_half_angle",
}


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
    missing = [
        Finding(
            origin,
            key,
            "nothing",
            "a quantity: the geometry of the composite needs it",
            "add the key (provenance = assumed, if nothing better is known)",
        )
        for key in _NEEDED.values()
        if key not in quantities
    ]
    if missing:
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
    return CompositeStatistics(
        **{name: quantities[key].value for name, key in _NEEDED.items()},
        compositions_at_percent=compositions,
        atomic_volumes_nm3=volumes,
        records=tuple(
            StatisticRecord(
                key, q.value, q.unit, q.lo95, q.hi95, q.provenance, q.reference or q.method
            )
            for key, q in quantities.items()
        ),
    )
