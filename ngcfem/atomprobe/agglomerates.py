"""Groups of crystals that touch."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ngcfem.atomprobe.crystal_refit import even_directions
from ngcfem.atomprobe.crystal_results import CrystalsFound
from ngcfem.atomprobe.statistics_sections import Quantity
from ngcfem.quantities import IntArray

_SURFACE_POINTS = 400
_DRAWS = 2000
_SEED = 11


def agglomerates(found: CrystalsFound, contact_nm: float) -> IntArray:
    """Find the groups of crystals that touch.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.
    contact_nm : float
        Crystals whose surfaces are nearer touch.

    Returns
    -------
    ndarray of int, shape (k,)
        Number of the group of each crystal, counted from 0.

    Notes
    -----
    The distance of two ellipsoids is the least distance of 400 points on one from the other: too
    large by less than 0.05 nm at radii of 3 nm.
    """
    number = len(found)
    directions = even_directions(_SURFACE_POINTS)
    reach = found.semi_axes_nm[:, 0]
    first, second = [], []
    for one in range(number):
        apart = np.linalg.norm(found.centre_nm - found.centre_nm[one], axis=1)
        near = np.flatnonzero(apart < reach + reach[one] + contact_nm)
        turn = found.rotation[one]
        surface = found.centre_nm[one] + (directions * found.semi_axes_nm[one]) @ turn.T
        for other in near[near > one].tolist():
            if float(found.distance_nm(other, surface).min()) < contact_nm:
                first.append(one)
                second.append(other)
    links = coo_array((np.ones(len(first)), (first, second)), shape=(number, number))
    return connected_components(links, directed=False)[1].astype(np.int64)


def agglomerate_size(found: CrystalsFound, contact_nm: float) -> Quantity | None:
    """Mean number of crystals of a group.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.
    contact_nm : float
        Crystals whose surfaces are nearer touch.

    Returns
    -------
    Quantity or None
        For the key ``crystals.agglomerate_size``; None if there are no crystals.

    Notes
    -----
    Groups that hold a crystal with its centre inside the specimen count. A group that the surface
    of the specimen cuts is counted with what was found of it, so that the mean is too small where
    groups are not small beside the specimen. The interval is that of a bootstrap over the groups.
    """
    if not len(found):
        return None
    group = agglomerates(found, contact_nm)
    inside = np.unique(group[found.centre_inside])
    sizes = np.bincount(group)[inside]
    if not len(sizes):
        return None
    draws = np.random.default_rng(_SEED).integers(0, len(sizes), (_DRAWS, len(sizes)))
    low, high = np.quantile(sizes[draws].mean(axis=1), [0.025, 0.975])
    mean = float(sizes.mean())
    return Quantity(
        value=mean,
        lo95=min(mean, float(low)),
        hi95=max(mean, float(high)),
        n=len(sizes),
        unit="1",
        method=f"groups of crystals nearer than {contact_nm:g} nm; bootstrap over the groups",
        provenance="measured",
    )
