"""Phase fractions of the geometry of a cell, before it is meshed."""

import numpy as np

from ngcfem.microstructure.cell import PeriodicCell


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
    fractions[cell.phase_names[0]] = 1.0
    return fractions
