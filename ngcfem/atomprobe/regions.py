"""The four regions of a specimen, found and measured one after the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ngcfem.atomprobe.composition_field import CompositionField, composition_field
from ngcfem.atomprobe.crystal_quantities import crystal_quantities
from ngcfem.atomprobe.crystals import (
    CrystalParameters,
    CrystalsFound,
    crystal_regions,
    find_crystals,
)
from ngcfem.atomprobe.grains import GrainParameters, find_grains
from ngcfem.atomprobe.network import NetworkFound, NetworkParameters, measure_network
from ngcfem.atomprobe.network_quantities import network_quantities
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.atomprobe.sc_rich import region_compositions, sc_rich_quantities
from ngcfem.atomprobe.statistics_sections import Quantity

REGION_ELEMENTS = ("Fe", "Sc")
"""Elements without which there are no regions to be found."""


@dataclass(frozen=True)
class RegionParameters:
    """What finding the regions depends on.

    Parameters
    ----------
    crystals : CrystalParameters
        Of regions I and II, and of the field in which all are found.
    grains : GrainParameters
        Of region IV.
    network : NetworkParameters
        Of region III.
    """

    crystals: CrystalParameters = field(default_factory=CrystalParameters)
    grains: GrainParameters = field(default_factory=GrainParameters)
    network: NetworkParameters = field(default_factory=NetworkParameters)


@dataclass(frozen=True, eq=False)
class RegionsFound:
    """The regions of a specimen.

    Parameters
    ----------
    parameters : RegionParameters
        What they were found with.
    composition : CompositionField
        The field in which they were found.
    crystals : CrystalsFound
        Regions I and II.
    network : NetworkFound or None
        Regions III and IV; None where no network was found.
    quantities : mapping of str to Quantity
        All numbers, by the dotted keys of the statistics file.
    failure : str
        Why no network was found; empty if one was.
    """

    parameters: RegionParameters
    composition: CompositionField
    crystals: CrystalsFound
    network: NetworkFound | None
    quantities: Mapping[str, Quantity]
    failure: str = ""


def measure_regions(
    ions: RangedIons,
    parameters: RegionParameters | None = None,
    watch: Callable[[str, int, int], None] | None = None,
) -> RegionsFound:
    """Find and measure the four regions of a specimen.

    Parameters
    ----------
    ions : RangedIons
        The ranged ions, with iron and scandium among them.
    parameters : RegionParameters or None
        What the search depends on; the defaults if not given.
    watch : callable or None
        Called with the name of what is looked for, the number of its parts done and of all.

    Returns
    -------
    RegionsFound
        Regions and their numbers.

    Raises
    ------
    ValueError
        If the specimen holds no scandium.

    Notes
    -----
    1. The composition is laid on voxels and delocalized.
    2. Crystals and their Sc-rich caps are found in it and fitted to the raw ions.
    3. Grains are found in what is left, and the network between them is measured on the raw ions.
    """
    chosen = parameters or RegionParameters()

    def say(name: str, done: int = 0, total: int = 1) -> None:
        if watch is not None:
            watch(name, done, total)

    say("composition")
    searched = chosen.crystals
    composition = composition_field(ions, searched.voxel_nm, searched.kernel_sigma_nm)
    say("crystals")
    crystals = find_crystals(
        ions, composition, searched, lambda done, total: say("crystals", done, total)
    )
    quantities = {
        **crystal_quantities(crystals),
        **sc_rich_quantities(crystals),
        **region_compositions(ions, crystals),
    }
    say("network")
    network, failure = None, ""
    try:
        grains = find_grains(
            ions, composition, chosen.grains, crystal_regions(crystals, composition.grid)
        )
        network = measure_network(ions, grains, chosen.network)
        quantities |= network_quantities(network)
    except ValueError as error:
        failure = str(error)
    say("network", 1, 1)
    return RegionsFound(chosen, composition, crystals, network, quantities, failure)
