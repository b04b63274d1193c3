"""Volume that an atom takes, by element."""

from collections.abc import Sequence

import numpy as np

from ngcfem.quantities import FloatArray

ATOMIC_VOLUMES_NM3 = {"Fe": 0.01178, "Sc": 0.02497, "H": 0.0029}
"""Of bcc Fe and hcp Sc at 293 K (a = 0.28665 nm; a = 0.3309, c = 0.5268 nm), and of H in metals
(Fukai (2005), The Metal-Hydrogen System, 2nd ed.)."""

OTHER_ATOMIC_VOLUME_NM3 = 0.012
"""Taken for every other element."""


def atomic_volumes_nm3(elements: Sequence[str]) -> FloatArray:
    """Give the volume of an atom of each element.

    Parameters
    ----------
    elements : sequence of str
        Symbols.

    Returns
    -------
    ndarray, shape (e,)
        In nm^3.

    Notes
    -----
    Blur mixes volumes, not numbers of atoms: half a nanometre of a layer that holds more atoms per
    volume than its neighbours weighs more in the composition of what is mixed. The share of an
    element in the volume is what mixes linearly.
    """
    return np.array([ATOMIC_VOLUMES_NM3.get(name, OTHER_ATOMIC_VOLUME_NM3) for name in elements])
