"""Phase fractions of the geometry of a cell, before it is meshed."""

import numpy as np

from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.grain_shape import grain_volume
from ngcfem.microstructure.plane_sections import plane_fractions
from ngcfem.microstructure.tessellation import laguerre_cells
from ngcfem.quantities import GRAIN, INTERFACE, NANOCRYSTAL, SC_RICH


def geometric_fractions(cell: PeriodicCell) -> dict[str, float]:
    """Volume fraction of each phase in the geometry of a cell.

    Parameters
    ----------
    cell : PeriodicCell
        The cell.

    Returns
    -------
    dict of str to float
        Fraction of the cell volume by phase name, in the order of ``cell.phase_names``; they add up
        to 1.
    """
    fractions = dict.fromkeys(cell.phase_names, 0.0)
    if cell.layers:
        for layer in cell.layers:
            fractions[layer.phase] += layer.fraction
        return fractions
    if cell.kind == "sphere":
        matrix, inclusion = cell.phase_names
        volumes = [sphere.volume_nm3 for sphere in cell.inclusions]
        fractions[inclusion] = float(np.sum(volumes) / cell.volume_nm3)
        fractions[matrix] = 1.0 - fractions[inclusion]
        return fractions
    if cell.number_of_grains == 0:
        fractions[cell.phase_names[0]] = 1.0
        return fractions
    if cell.dimension == 2:
        return plane_fractions(cell)
    grains = laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice))
    inset = 0.5 * cell.interface_thickness_nm
    inside = sum(grain_volume(grain, inset) for grain in grains)
    crystals = sum(inclusion.volume_nm3 for inclusion in cell.inclusions)
    caps = sum(inclusion.cap_volume_nm3 for inclusion in cell.inclusions)
    volumes = {
        INTERFACE: cell.volume_nm3 - inside,
        GRAIN: inside - crystals - caps,
        SC_RICH: caps,
        NANOCRYSTAL: crystals,
    }
    for name in fractions:
        fractions[name] = volumes[name] / cell.volume_nm3
    return fractions
