"""What a plane cell was asked to be and what it is."""

from collections.abc import Mapping

import numpy as np

from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.descriptor import Descriptor, Targets
from ngcfem.microstructure.mass_balance import metal_percent, scandium_balance_at_percent
from ngcfem.microstructure.plane_cells import ROUNDING_OF_NUMBER
from ngcfem.microstructure.plane_tessellation import plane_diagram
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.quantities import NANOCRYSTAL, FloatArray

_OF_A_BODY = "the statistic is that of a body, the cell is plane"
_NOT_IN_PLANE = "crystals of a plane cell are discs clear of the network"


def plane_measures(
    cell: PeriodicCell, statistics: CompositeStatistics, fractions: Mapping[str, float]
) -> list[Descriptor]:
    """Measure a plane cell against the statistics it was made from.

    Parameters
    ----------
    cell : PeriodicCell
        The cell, of dimension 2.
    statistics : CompositeStatistics
        What was asked for.
    fractions : mapping of str to float
        Area fraction of each phase.

    Returns
    -------
    list of Descriptor
        Measures of grains, network and crystals, and the balance of Sc.

    Notes
    -----
    Discs keep clear of the network, and the spacing of crystals is measured but not steered: what
    the statistics say of shape, contact and spacing does not bind a plane cell. Neither do the
    fraction of the network and the balance of Sc: the statistics are those of a body, and the areas
    of network and caps differ from its volumes.
    """
    descriptors: list[Descriptor] = []
    targets = Targets.of(statistics)
    if cell.number_of_grains:
        descriptors += plane_grain_measures(cell, statistics, fractions)
    if cell.kind == "nanocomposite":
        descriptors += plane_crystal_measures(cell, statistics, fractions)
        descriptors += [
            targets.steered(name, "1", key, achieved, binding=False, remark=_NOT_IN_PLANE)
            for name, key, achieved in (
                ("crystal aspect ratio", "crystals.aspect_ratio", 1.0),
                ("share of crystals at the network", "crystals.interface_contact_share", 0.0),
            )
            if key in targets
        ]
        known = statistics.compositions_at_percent
        if "bulk" in known and set(fractions) <= set(known):
            descriptors.append(
                Descriptor(
                    "Sc of all regions together",
                    "at% of the metals",
                    metal_percent(known["bulk"], "Sc"),
                    scandium_balance_at_percent(statistics, fractions),
                    None,
                    remark=_OF_A_BODY,
                )
            )
    return descriptors


def plane_grain_measures(
    cell: PeriodicCell, statistics: CompositeStatistics, fractions: Mapping[str, float]
) -> list[Descriptor]:
    """Measure grains and network of a plane cell.

    Parameters
    ----------
    cell : PeriodicCell
        The cell, of dimension 2.
    statistics : CompositeStatistics
        What was asked for.
    fractions : mapping of str to float
        Area fraction of each phase.

    Returns
    -------
    list of Descriptor
        Equivalent diameters (of the disc of equal area), roundness and neighbours of the grains,
        thickness and share of the network.

    Notes
    -----
    The tolerances are those of the tessellation: 1e-3 of the mean diameter, 2e-3 in its variation.
    Roundness is 4 pi area / perimeter^2 of a Laguerre cell: 1 of a disc, 0.907 of a regular
    hexagon. The line between the grains per area is given with the share that a network of the
    thickness asked for would have if its sides did not meet in corners.
    """
    diagram = plane_diagram(cell.sites, cell.weights, np.diag(cell.lattice))
    diameters = np.sqrt(4.0 * diagram.areas_nm2 / np.pi)
    perimeters = np.bincount(diagram.grain, weights=diagram.lengths_nm)
    roundness = 4.0 * np.pi * diagram.areas_nm2 / perimeters**2
    line = 0.5 * float(perimeters.sum()) / cell.volume_nm3
    thickness = cell.interface_thickness_nm
    mean = statistics.grain_diameter_nm
    return [
        Descriptor("mean grain diameter", "nm", mean, float(diameters.mean()), 1e-3 * mean),
        Descriptor(
            "variation of the grain diameter",
            "1",
            statistics.grain_diameter_variation if cell.number_of_grains > 1 else None,
            float(diameters.std() / diameters.mean()),
            2e-3,
        ),
        Descriptor("mean roundness of the grains", "1", None, float(roundness.mean()), None),
        Descriptor(
            "mean number of neighbours", "1", None, len(diagram.grain) / len(diameters), None
        ),
        Descriptor("network thickness", "nm", statistics.interface_thickness_nm, thickness, 1e-9),
        Targets.of(statistics).steered(
            "network area fraction",
            "1",
            "volume_fractions.interface",
            fractions["interface"],
            binding=False,
            remark=_OF_A_BODY,
        ),
        Descriptor("line between grains per area", "1/nm", None, line, None),
        Descriptor("network area over line", "nm", None, fractions["interface"] / line, None),
    ]


def plane_crystal_measures(
    cell: PeriodicCell, statistics: CompositeStatistics, fractions: Mapping[str, float]
) -> list[Descriptor]:
    """Measure the discs of a plane cell and their caps.

    Parameters
    ----------
    cell : PeriodicCell
        The cell, of dimension 2.
    statistics : CompositeStatistics
        What was asked for.
    fractions : mapping of str to float
        Area fraction of each phase.

    Returns
    -------
    list of Descriptor
        Area fraction, number, diameters, distances and caps.

    Notes
    -----
    The mean diameter is allowed to miss by what a whole number of discs costs
    (``ROUNDING_OF_NUMBER``), the share of caps by one cap.
    """
    radii = np.array([inclusion.radius_nm for inclusion in cell.inclusions])
    number = len(radii)
    descriptors = [
        Descriptor(
            "crystal area fraction",
            "1",
            statistics.crystal_fraction,
            fractions.get(NANOCRYSTAL, 0.0),
            0.01 * statistics.crystal_fraction,
        ),
        Descriptor("number of crystals", "1", None, float(number), None),
        Descriptor("number of crystals per area", "1/nm^2", None, number / cell.volume_nm3, None),
    ]
    if number == 0:
        return descriptors
    capped = [inclusion.cap for inclusion in cell.inclusions if inclusion.cap is not None]
    diameters = 2.0 * radii
    mean = statistics.crystal_diameter_nm
    descriptors += [
        Descriptor(
            "mean crystal diameter",
            "nm",
            mean,
            float(diameters.mean()),
            mean * max(0.02, ROUNDING_OF_NUMBER / number),
        ),
        Descriptor(
            "variation of the crystal diameter",
            "1",
            statistics.crystal_diameter_variation if number > 1 else None,
            float(diameters.std() / diameters.mean()),
            2e-3,
        ),
    ]
    centres = _centre_distances(cell)
    if number > 1:
        surfaces = centres - radii[:, None] - radii[None]
        descriptors += [
            Targets.of(statistics).steered(
                "mean distance to the nearest crystal, centres",
                "nm",
                "crystals.nearest_neighbour_distance",
                float(centres.min(axis=1).mean()),
                binding=False,
                remark=_OF_A_BODY,
            ),
            Descriptor(
                "mean distance to the nearest crystal, surfaces",
                "nm",
                None,
                float(surfaces.min(axis=1).mean()),
                None,
            ),
            Descriptor(
                "smallest distance between crystals", "nm", None, float(surfaces.min()), None
            ),
        ]
    descriptors.append(
        Descriptor(
            "share of crystals with a cap",
            "1",
            statistics.capped_share,
            len(capped) / number,
            1.0 / number,
        )
    )
    return descriptors


def _centre_distances(cell: PeriodicCell) -> FloatArray:
    edges = np.diag(cell.lattice)
    centres = np.array([inclusion.centre_nm for inclusion in cell.inclusions])
    apart = centres[:, None] - centres[None]
    apart -= np.round(apart / edges) * edges
    distance = np.linalg.norm(apart, axis=2)
    np.fill_diagonal(distance, edges.min())  # its own image
    return distance
