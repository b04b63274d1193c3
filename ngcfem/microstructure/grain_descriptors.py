"""Descriptors of grains and network."""

from collections.abc import Mapping

from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.descriptor import Descriptor, Targets
from ngcfem.microstructure.grain_measures import measure_grains
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.quantities import INTERFACE


def grain_descriptors(
    cell: PeriodicCell,
    statistics: CompositeStatistics,
    targets: Targets,
    fractions: Mapping[str, float],
) -> list[Descriptor]:
    """Measure the grains and the network of a cell.

    Parameters
    ----------
    cell : PeriodicCell
        A cell with grains, of dimension 3.
    statistics : CompositeStatistics
        What it was made from.
    targets : Targets
        The same by key.
    fractions : mapping of str to float
        Volume fractions of the geometry.

    Returns
    -------
    list of Descriptor
        Sizes, roundness, intercepts, thickness and area.

    Notes
    -----
    The thickness is imposed; the volume of the network over the area between the grains is given
    beside it (smaller, as the faces share edges). Intercepts and area are those of the faces before
    they are thickened: mean intercept = 2 V / A over all directions.
    """
    grains = measure_grains(cell)
    diameters = grains.diameters_nm
    network = fractions[INTERFACE] * cell.volume_nm3
    area = grains.area_density_per_nm * cell.volume_nm3
    follows = "follows from sizes and shapes of the grains"
    return [
        Descriptor(
            "mean grain diameter",
            "nm",
            statistics.grain_diameter_nm,
            float(diameters.mean()),
            1e-3 * statistics.grain_diameter_nm,
        ),
        Descriptor(
            "variation of the grain diameter",
            "1",
            statistics.grain_diameter_variation if cell.number_of_grains > 1 else None,
            float(diameters.std() / diameters.mean()),
            2e-3,
        ),
        targets.steered(
            "lineal intercept of the grains",
            "nm",
            "grains.lineal_intercept",
            grains.mean_intercept_nm,
            remark=follows,
        ),
        targets.steered(
            "sphericity of the grains",
            "1",
            "grains.sphericity",
            grains.mean_sphericity,
            remark=follows,
        ),
        targets.steered(
            "anisotropy of the grains",
            "1",
            "grains.anisotropy",
            grains.anisotropy,
            binding=False,
            remark="reported only: the grains are made roundish",
        ),
        Descriptor(
            "network thickness",
            "nm",
            statistics.interface_thickness_nm,
            cell.interface_thickness_nm,
            1e-9,
        ),
        Descriptor("network volume over area", "nm", None, network / area, None),
        targets.steered(
            "area between the grains per volume",
            "nm^-1",
            "interface.area_density",
            grains.area_density_per_nm,
            remark=follows,
        ),
    ]
