"""Demands of the statistics that no cell can meet, known before one is tried."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ngcfem.errors import Finding
from ngcfem.microstructure.composite_cells import crystal_gap, grain_diameters
from ngcfem.microstructure.crystal_population import crystal_radii
from ngcfem.microstructure.dense_packing import room_capacities
from ngcfem.microstructure.descriptors import MASS_BALANCE_TOLERANCE_AT_PERCENT
from ngcfem.microstructure.mass_balance import (
    metal_percent,
    scandium_contributions_at_percent,
)
from ngcfem.microstructure.packing_room import FLAT_DISTANCE, FLAT_GROWTH
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.quantities import (
    COMPOSITE_PHASES,
    GRAIN,
    INTERFACE,
    NANOCRYSTAL,
    SC_RICH,
    FloatArray,
)

_INNER_SPHERE = 0.9
_SHRINKAGE = (1.0, 1.16, 1.45)
_FILLED = (0.94, 0.77)
_BEYOND_DOUBT = 1.25
_SURFACE = 1.2
_DENSEST_DISCS = float(np.pi / np.sqrt(12.0))
_DENSEST_SPHERES = float(np.pi / np.sqrt(18.0))


@dataclass(frozen=True, eq=False)
class _Demand:
    """The statistics with what follows from them for a cell of so many grains."""

    statistics: CompositeStatistics
    gap_nm: float
    diameters_nm: FloatArray
    radii_nm: FloatArray

    @property
    def volume_nm3(self) -> float:
        return float((np.pi / 6.0 * self.diameters_nm**3).sum())

    def grain_volumes_nm3(self, shrinkage: float) -> FloatArray:
        inner = self.diameters_nm - shrinkage * self.statistics.interface_thickness_nm
        return np.pi / 6.0 * np.maximum(inner, 0.0) ** 3

    def network_fraction(self, shrinkage: float) -> float:
        return 1.0 - float(self.grain_volumes_nm3(shrinkage).sum()) / self.volume_nm3

    @property
    def cap_fraction(self) -> float:
        statistics = self.statistics
        outer = self.radii_nm + statistics.cap_thickness_nm
        share = 0.5 * (1.0 - np.cos(np.radians(statistics.cap_half_angle_deg)))
        volume = 4.0 / 3.0 * np.pi * share * (outer**3 - self.radii_nm**3).sum()
        return statistics.capped_share * float(volume) / self.volume_nm3


def infeasible_demands(
    kind: str,
    statistics: CompositeStatistics,
    n_grains: int,
    crystal_gap_nm: float | None,
    file: str,
    *,
    targets: bool = True,
) -> list[Finding]:
    """Find demands that cannot be met by any seed.

    Parameters
    ----------
    kind : {"nanocomposite", "nanoglass", "glass"}
        Kind of the cell.
    statistics : CompositeStatistics
        What it is to be made from.
    n_grains : int
        Number of its grains.
    crystal_gap_nm : float or None
        Smallest distance between crystals, where the case tells one.
    file : str
        File that holds the statistics, for the messages.
    targets : bool
        Whether targets that a cell may miss on the user's word count as well: network fraction,
        spacing and mass balance.

    Returns
    -------
    list of Finding
        Each demand that cannot be met, with the nearest that can.

    Notes
    -----
    - Network: the largest sphere in a grain is at most 0.9 of the sphere of its volume, as equal
      spheres fill no more than 0.74 = 0.905^3 of space, so a network of 0.9 of the smallest grain
      leaves nothing of it.
    - Crystals: the largest sphere in the largest grain without its network bounds their size.
    - Fraction: the volume of crystals, caps and half of the gap around them over the capacity of
      the grains (`dense_packing.room_capacities`). Single grains took 0.77 of it, or 0.94 of the
      smaller one without flats; what exceeds that by a quarter is refused here, and what lies
      between is tried.
    - Network fraction and mass balance: a grain of the diameter D loses the shell of a sphere at
      least, (1 - t / D)^3 (Brunn-Minkowski); grains of tessellations were found to keep between
      that and (1 - 1.4 t / D)^3, with 1.16 on average. The balance is held against the whole range.
    - Spacing: spheres around the centres as wide as the distance to the nearest one do not overlap,
      so its mean is at most (6 * 0.7405 / (pi n))^(1/3) for n per volume; and no centre is nearer
      to another one than its radius, the smallest radius and the gap.
    - Contacts: the flats with their margins must find room on the surface of the grains, 1.2 of
      that of the spheres of their volume, of which equal discs cover 0.907 at most.
    """
    if kind == "glass":
        return []
    diameters = grain_diameters(statistics, n_grains)
    volume = float((np.pi / 6.0 * diameters**3).sum())
    radii = crystal_radii(statistics, volume) if kind == "nanocomposite" else np.zeros(0)
    demand = _Demand(statistics, crystal_gap(statistics, crystal_gap_nm), diameters, radii)
    findings = list(_thickness(demand, file))
    if findings:  # the others would only repeat it
        return findings
    if targets:
        findings += _network(demand, file)
    if len(radii):
        sizes = list(_sizes(demand, file))
        findings += sizes or [*_fraction(demand, file), *_contacts(demand, file)]
        findings += _spacing(demand, file) if targets else []
    if kind == "nanocomposite" and targets:
        findings += _balance(demand, file)
    return findings


def _thickness(demand: _Demand, file: str) -> Iterator[Finding]:
    thickness = demand.statistics.interface_thickness_nm
    smallest = float(demand.diameters_nm.min())
    most = _INNER_SPHERE * smallest
    if thickness >= most:
        yield Finding(
            file,
            "interface.thickness.value",
            f"{thickness:g} nm, which leaves nothing of the smallest of "
            f"{len(demand.diameters_nm)} grains, {smallest:.3g} nm wide",
            f"less than {most:.3g} nm (0.9 of that grain)",
            "use a thinner network, larger grains or a smaller spread of their size",
        )


def _network(demand: _Demand, file: str) -> Iterator[Finding]:
    thickness = demand.statistics.interface_thickness_nm
    target = _record(demand.statistics, "volume_fractions.interface")
    if target is None:
        return
    low, high = demand.network_fraction(_SHRINKAGE[0]), demand.network_fraction(_SHRINKAGE[2])
    if not (low <= target[2] and target[1] <= high):
        likely = _thickness_of(demand, target[0])
        yield Finding(
            file,
            "volume_fractions.interface.value",
            f"{target[0]:g}, but {thickness:g} nm around these grains take up "
            f"{low:.3f} to {high:.3f} of the cell",
            f"a fraction in that range; it follows from {likely:.3g} nm, for one",
            "correct the fraction, the thickness or the grain size, or delete the fraction",
        )


def _record(statistics: CompositeStatistics, key: str) -> tuple[float, float, float] | None:
    """Value and interval of a number of the file."""
    for record in statistics.records:
        if record.key == key:
            low = record.value if record.lo95 is None else record.lo95
            high = record.value if record.hi95 is None else record.hi95
            return record.value, low, high
    return None


def _thickness_of(demand: _Demand, fraction: float) -> float:
    """Thickness whose network takes up a fraction of the cell, on average."""
    tried = np.linspace(0.0, float(demand.diameters_nm.max()), 2001)
    inner = np.maximum(demand.diameters_nm - _SHRINKAGE[1] * tried[:, None], 0.0)
    fractions = 1.0 - (inner**3).sum(axis=1) / (demand.diameters_nm**3).sum()
    return float(np.interp(fraction, fractions, tried))


def _slenderness(statistics: CompositeStatistics) -> float:
    """Shortest half-axis of a crystal over the radius of the sphere of its volume."""
    ratio = statistics.crystal_aspect_ratio
    return ratio ** (-1.0 / 3.0) if statistics.crystal_shape == "prolate" else ratio ** (-2.0 / 3.0)


def _size_key(statistics: CompositeStatistics) -> str:
    if statistics.crystal_diameter_samples_nm:
        return "crystals.diameter_samples.values"
    return "crystals.diameter_mean.value"


def _sizes(demand: _Demand, file: str) -> Iterator[Finding]:
    statistics = demand.statistics
    number, mean = len(demand.radii_nm), 2.0 * float(demand.radii_nm.mean())
    asked = statistics.crystal_diameter_nm
    if abs(mean - asked) > max(0.02, 0.25 / number) * asked:
        crystal = np.pi / 6.0 * asked**3
        most = (statistics.crystal_fraction * demand.volume_nm3 * 6.0 / np.pi) ** (1.0 / 3.0)
        yield Finding(
            file,
            _size_key(statistics),
            f"{asked:.4g} nm, but a volume fraction of {statistics.crystal_fraction:.3g} of the "
            f"{demand.volume_nm3:.4g} nm^3 of {len(demand.diameters_nm)} grains holds less than "
            "one such crystal",
            f"at most {most:.3g} nm, or a volume fraction of at least "
            f"{crystal / demand.volume_nm3:.3g}",
            "use more grains (n_grains), smaller crystals or a larger fraction",
        )
        return
    room = 0.5 * float(demand.diameters_nm.max() - statistics.interface_thickness_nm)
    largest, slender = float(demand.radii_nm.max()), _slenderness(statistics)
    whole = (room - demand.gap_nm) / slender
    cut = 2.0 * room / ((1.0 + FLAT_DISTANCE) * FLAT_GROWTH * slender)
    most = whole if statistics.interface_contact_share == 0.0 else max(whole, cut)
    if largest >= most:
        yield Finding(
            file,
            _size_key(statistics),
            f"{statistics.crystal_diameter_nm:.4g} nm: the largest of the {len(demand.radii_nm)} "
            f"crystals of this cell is {2.0 * largest:.3g} nm wide",
            f"crystals of less than {max(2.0 * most, 0.0):.3g} nm, the room in the largest grain "
            f"({2.0 * room:.3g} nm)",
            "use smaller crystals or a smaller spread of their size, larger grains or a thinner "
            "network",
        )


def _fraction(demand: _Demand, file: str) -> Iterator[Finding]:
    statistics, radii = demand.statistics, demand.radii_nm
    flats = statistics.interface_contact_share != 0.0
    volumes = demand.grain_volumes_nm3(_SHRINKAGE[1])
    capacity = float(room_capacities(volumes, float(radii.mean()), flats).sum())
    half = 0.5 * demand.gap_nm
    share = 0.5 * (1.0 - np.cos(np.radians(statistics.cap_half_angle_deg)))
    share *= statistics.capped_share
    with_cap = (radii + statistics.cap_thickness_nm + half) ** 3
    loads = (1.0 - share) * (radii + half) ** 3 + share * with_cap
    load = 4.0 / 3.0 * np.pi * float(loads.sum())
    most = statistics.crystal_fraction * _FILLED[flats] * capacity / load
    if statistics.crystal_fraction <= _BEYOND_DOUBT * most:
        return
    given = _record(statistics, "volume_fractions.nanocrystal") is not None
    network = demand.network_fraction(_SHRINKAGE[1])
    yield Finding(
        file,
        "volume_fractions.nanocrystal.value" if given else "crystals.number_density.value",
        f"crystals that take up {statistics.crystal_fraction:.3g} of the cell, "
        f"{statistics.crystal_fraction / (1.0 - network):.3g} of its grains",
        f"about {most:.2g} of the cell at most, with gaps of {demand.gap_nm:g} nm, caps on "
        f"{statistics.capped_share:g} of the crystals and a network of {network:.2g} of the cell",
        "lower the crystal fraction, the gap (crystal_gap_nm), the caps or the thickness of the "
        "network, or use larger grains or smaller crystals",
    )


def _contacts(demand: _Demand, file: str) -> Iterator[Finding]:
    statistics, share = demand.statistics, demand.statistics.interface_contact_share
    if not share:
        return
    inner = np.maximum(demand.diameters_nm - statistics.interface_thickness_nm, 0.0)
    surface = _DENSEST_DISCS * _SURFACE * np.pi * float((inner**2).sum())
    rim = np.sqrt(1.0 - FLAT_DISTANCE**2) * FLAT_GROWTH * demand.radii_nm
    flats = np.sort(np.pi * (rim + demand.gap_nm) ** 2)
    held = int(np.searchsorted(np.cumsum(flats), surface))
    if round(share * len(flats)) > held:
        yield Finding(
            file,
            "crystals.interface_contact_share.value",
            f"{share:g}: {round(share * len(flats))} crystals of this cell are to touch the "
            "network",
            f"at most {held / len(flats):.2g}, for which the surface of the grains "
            f"({surface:.3g} nm^2) has room",
            "lower the share or the crystal fraction, or use smaller grains or larger crystals",
        )


def _spacing(demand: _Demand, file: str) -> Iterator[Finding]:
    target = demand.statistics.nearest_neighbour_distance_nm
    number = len(demand.radii_nm)
    if target is None or number < 2:
        return
    most = (6.0 * _DENSEST_SPHERES * demand.volume_nm3 / (np.pi * number)) ** (1.0 / 3.0)
    radii = _slenderness(demand.statistics) * demand.radii_nm
    least = float(radii.mean() + radii.min()) + demand.gap_nm
    if not least <= target <= most:
        yield Finding(
            file,
            "crystals.nearest_neighbour_distance.value",
            f"{target:g} nm for {number} crystals in {demand.volume_nm3:.4g} nm^3, of "
            f"{2.0 * float(demand.radii_nm.mean()):.3g} nm",
            f"between {least:.3g} nm, where crystals keep their gap of {demand.gap_nm:g} nm, and "
            f"{most:.3g} nm, the densest packing of points",
            "correct the distance, the number or the size of the crystals, or delete the distance",
        )


def _balance(demand: _Demand, file: str) -> Iterator[Finding]:
    statistics = demand.statistics
    known = statistics.compositions_at_percent
    present = [INTERFACE, GRAIN]
    if len(demand.radii_nm):
        present = [*COMPOSITE_PHASES] if demand.cap_fraction > 0.0 else [*present, NANOCRYSTAL]
    if "bulk" not in known or not set(present) <= set(known):
        return
    reached = []
    for shrinkage in _SHRINKAGE:
        network = demand.network_fraction(shrinkage)
        crystals, caps = statistics.crystal_fraction, demand.cap_fraction
        if network + crystals + caps >= 1.0:
            continue
        fractions = {
            INTERFACE: network,
            GRAIN: 1.0 - network - crystals - caps,
            SC_RICH: caps,
            NANOCRYSTAL: crystals,
        }
        parts = scandium_contributions_at_percent(
            statistics, {name: fractions[name] for name in present}
        )
        reached.append(sum(parts.values()))
    if not reached:
        return
    bulk, low, high = metal_percent(known["bulk"], "Sc"), min(reached), max(reached)
    tolerance = MASS_BALANCE_TOLERANCE_AT_PERCENT
    if low - tolerance <= bulk <= high + tolerance:
        return
    nearest = low - tolerance if bulk < low else high + tolerance
    regions = ", ".join(
        f"{name.replace('_', '-')} {metal_percent(known[name], 'Sc'):.3g}" for name in present
    )
    yield Finding(
        file,
        "composition.bulk.Sc.value",
        f"{bulk:.4g} at% Sc among the metals, but the regions together hold {low:.4g} to "
        f"{high:.4g} at% ({regions}), whatever the seed",
        f"{nearest:.4g} at% or nearer to that range, within {tolerance:g} at%",
        "correct the composition of the whole or of a region (composition.grain follows from the "
        "balance), or the fractions of the regions",
    )
