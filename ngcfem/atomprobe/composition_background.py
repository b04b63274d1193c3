"""Taking the background of the spectrum off the compositions of regions."""

from collections.abc import Mapping

import numpy as np

from ngcfem.atomprobe.spectrum import Background, RangedSpectrum
from ngcfem.atomprobe.statistics_sections import Quantity

_COMPOSITION = "composition."


def background_shares(ranged: RangedSpectrum, background: Background) -> dict[str, float]:
    """Give the part of all ranged atoms that is background, by element.

    Parameters
    ----------
    ranged : RangedSpectrum
        Counts of the ranges.
    background : Background
        Its level.

    Returns
    -------
    dict of str to float
        Background atoms counted as an element over all ranged atoms.
    """
    table = ranged.table
    expected = background.expected(table.low_da, table.high_da)
    per_ion = table.atoms().astype(np.float64)
    total = float((ranged.counts @ per_ion).sum())
    if total <= 0.0:
        return dict.fromkeys(table.elements, 0.0)
    shares = np.minimum(expected, ranged.counts) @ per_ion / total
    return dict(zip(table.elements, shares.tolist(), strict=True))


def without_background(
    quantities: Mapping[str, Quantity], shares: Mapping[str, float]
) -> dict[str, Quantity]:
    """Take the background off compositions.

    Parameters
    ----------
    quantities : mapping of str to Quantity
        By dotted keys; those of ``composition`` are changed, in at%.
    shares : mapping of str to float
        What `background_shares` gives.

    Returns
    -------
    dict of str to Quantity
        All quantities.

    Notes
    -----
    Background ions are taken to be as frequent among the ions of a region as among all: with the
    share b_e of element e and b of all, c_e = (c_e' - b_e) / (1 - b). It matters where an element
    is rare: one ion in a thousand is a tenth of an at% in a crystal without that element.
    """
    rest = 1.0 - sum(shares.values())
    if rest <= 0.0 or rest == 1.0:
        return dict(quantities)
    result = dict(quantities)
    for key, quantity in quantities.items():
        if not key.startswith(_COMPOSITION):
            continue
        share = shares.get(key.rsplit(".", 1)[1], 0.0)

        def freed(percent: float | None, share: float = share) -> float | None:
            if percent is None:
                return None
            return float(np.clip((percent - 100.0 * share) / rest, 0.0, 100.0))

        result[key] = quantity.model_copy(
            update={
                "value": freed(quantity.value),
                "lo95": freed(quantity.lo95),
                "hi95": freed(quantity.hi95),
                "method": f"{quantity.method}; background taken off",
                "parameters": {**quantity.parameters, "background_share": share},
            }
        )
    return result
