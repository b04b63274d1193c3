"""State by original cell, which does not depend on the number of ranks."""

from collections.abc import Mapping

import numpy as np

from ngcfem.fem.periodic import RepresentativeVolume
from ngcfem.quantities import FloatArray


def gather_cells(
    volume: RepresentativeVolume, fields: Mapping[str, FloatArray]
) -> dict[str, FloatArray] | None:
    """Gather fields of the owned cells into the order of the original cells; collective.

    Parameters
    ----------
    volume : RepresentativeVolume
        Says which original cell each owned cell is.
    fields : mapping of str to ndarray, shape (m, ...)
        Values by owned cell.

    Returns
    -------
    dict of str to ndarray, shape (cells, ...), or None
        Values by original cell on rank 0; None on the others.
    """
    parts = volume.comm.gather((volume.original_cell, dict(fields)), root=0)
    if parts is None:
        return None
    gathered = {}
    for name, example in fields.items():
        whole = np.zeros((len(volume.source.cells), *example.shape[1:]))
        for cells, part in parts:
            whole[cells] = part[name]
        gathered[name] = whole
    return gathered
