"""Demands on a plane cell that no seed could meet, found before anything is tried."""

from collections.abc import Iterator

import numpy as np

from ngcfem.errors import Finding
from ngcfem.microstructure.composite_cells import grain_diameters
from ngcfem.microstructure.plane_cells import ROUNDING_OF_NUMBER, disc_radii
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.quantities import FloatArray

_DENSEST_DISCS = float(np.pi / np.sqrt(12.0))
_UNEQUAL = 1.05


def infeasible_plane_demands(
    kind: str,
    statistics: CompositeStatistics,
    n_grains: int,
    crystal_gap_nm: float,
    file: str,
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
    crystal_gap_nm : float
        Smallest distance between discs, and from them to the network.
    file : str
        File that holds the statistics, for the messages.

    Returns
    -------
    list of Finding
        Each demand that cannot be met, with the nearest that can.

    Notes
    -----
    - No convex grain of the area pi D^2 / 4 holds a larger disc than that of the diameter D, and
      moved in by t / 2 it keeps at most pi (D - t)^2 / 4 (Brunn-Minkowski).
    - Less than one disc of the mean diameter in the area fraction misses that diameter by more
      than the descriptors allow.
    - Discs grown by half of the gap lie in the grain moved in by the other half and fill at most
      pi / sqrt(12) = 0.907 of it if they are equal; 5 % more is allowed for unequal ones. Caps
      count with their area alone. What passes may still be too much: only a try tells.
    """
    if kind == "glass":
        return []
    diameters = grain_diameters(statistics, n_grains)
    thickness = statistics.interface_thickness_nm
    smallest = float(diameters.min())
    if thickness >= smallest:
        return [
            Finding(
                file,
                "interface.thickness.value",
                f"{thickness:g} nm, which leaves nothing of the smallest of {n_grains} grains, "
                f"{smallest:.3g} nm wide",
                f"less than {smallest:.3g} nm",
                "use a thinner network, larger grains or a smaller spread of their size",
            )
        ]
    area = float((np.pi / 4.0 * diameters**2).sum())
    radii = disc_radii(statistics, area) if kind == "nanocomposite" else np.zeros(0)
    if len(radii) == 0:
        return []
    sizes = list(_sizes(statistics, diameters, radii, crystal_gap_nm, file))
    return sizes or list(_fraction(statistics, diameters, radii, crystal_gap_nm, file))


def _size_key(statistics: CompositeStatistics) -> str:
    if statistics.crystal_diameter_samples_nm:
        return "crystals.diameter_samples.values"
    return "crystals.diameter_mean.value"


def _sizes(
    statistics: CompositeStatistics,
    diameters_nm: FloatArray,
    radii_nm: FloatArray,
    gap_nm: float,
    file: str,
) -> Iterator[Finding]:
    number, asked = len(radii_nm), statistics.crystal_diameter_nm
    if abs(2.0 * float(radii_nm.mean()) - asked) > max(0.02, ROUNDING_OF_NUMBER / number) * asked:
        area = float((np.pi / 4.0 * diameters_nm**2).sum())
        yield Finding(
            file,
            _size_key(statistics),
            f"{asked:.4g} nm, but an area fraction of {statistics.crystal_fraction:.3g} of the "
            f"{area:.4g} nm^2 of {len(diameters_nm)} grains holds less than one such disc",
            f"at most {2.0 * np.sqrt(statistics.crystal_fraction * area / np.pi):.3g} nm, or an "
            f"area fraction of at least {np.pi / 4.0 * asked**2 / area:.3g}",
            "use more grains (n_grains), smaller crystals or a larger fraction",
        )
        return
    most = float(diameters_nm.max()) - statistics.interface_thickness_nm - 2.0 * gap_nm
    largest = 2.0 * float(radii_nm.max())
    if largest >= most:
        yield Finding(
            file,
            _size_key(statistics),
            f"{statistics.crystal_diameter_nm:.4g} nm: the largest of the {len(radii_nm)} discs of "
            f"this cell is {largest:.3g} nm wide",
            f"discs of less than {max(most, 0.0):.3g} nm, the room in the largest grain",
            "use smaller crystals or a smaller spread of their size, more or larger grains, or a "
            "thinner network",
        )


def _fraction(
    statistics: CompositeStatistics,
    diameters_nm: FloatArray,
    radii_nm: FloatArray,
    gap_nm: float,
    file: str,
) -> Iterator[Finding]:
    inner = np.maximum(diameters_nm - statistics.interface_thickness_nm - gap_nm, 0.0)
    room = min(1.0, _UNEQUAL * _DENSEST_DISCS) * float((np.pi / 4.0 * inner**2).sum())
    rim = np.radians(statistics.cap_half_angle_deg) * statistics.capped_share
    caps = rim * ((radii_nm + statistics.cap_thickness_nm) ** 2 - radii_nm**2)
    load = float((np.pi * (radii_nm + 0.5 * gap_nm) ** 2 + caps).sum())
    if load > room:
        given = any(record.key == "volume_fractions.nanocrystal" for record in statistics.records)
        most = statistics.crystal_fraction * room / load
        yield Finding(
            file,
            "volume_fractions.nanocrystal.value" if given else "crystals.number_density.value",
            f"discs that take up {statistics.crystal_fraction:.3g} of the area of the cell",
            f"{most:.2g} at the very most, with gaps of {gap_nm:g} nm and caps on "
            f"{statistics.capped_share:g} of the discs",
            "lower the crystal fraction, the gap (crystal_gap_nm), the caps or the thickness of "
            "the network, or use larger grains",
        )
