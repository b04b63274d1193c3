"""Shape of a grain of the plane: its Laguerre cell moved in by half of the network."""

import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.microstructure.plane_tessellation import PlaneGrain
from ngcfem.quantities import FloatArray


def polygon_area(corners: FloatArray) -> float:
    """Area of a polygon.

    Parameters
    ----------
    corners : ndarray, shape (k, 2)
        Corners, counter-clockwise.

    Returns
    -------
    float
        Area, negative for corners in clockwise order.
    """
    x, y = (corners - corners.mean(axis=0)).T
    return float(0.5 * (x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def plane_grain_corners(grain: PlaneGrain, inset_nm: float) -> FloatArray:
    """Corners of the polygon that a grain is.

    Parameters
    ----------
    grain : PlaneGrain
        The grain with half of the network around it.
    inset_nm : float
        Half the thickness of the network.

    Returns
    -------
    ndarray, shape (k, 2)
        Corners in nm, counter-clockwise; the short sides of the Laguerre cell may be gone.

    Raises
    ------
    RefusedError
        If nothing is left of the grain.

    Notes
    -----
    The Laguerre cell is clipped by each of its sides moved inwards (Sutherland and Hodgman 1974,
    Commun. ACM 17, 32, doi 10.1145/360767.360802), which is exact for a convex polygon.
    """
    corners = grain.corners
    for normal, offset in zip(grain.normals, grain.offsets_nm - inset_nm, strict=True):
        beyond = corners @ normal - offset
        kept = []
        for k in range(len(corners)):
            after = (k + 1) % len(corners)
            if beyond[k] <= 0.0:
                kept.append(corners[k])
            if (beyond[k] < 0.0) != (beyond[after] < 0.0) and beyond[k] != beyond[after]:
                share = beyond[k] / (beyond[k] - beyond[after])
                if 0.0 < share < 1.0:
                    kept.append(corners[k] + share * (corners[after] - corners[k]))
        corners = np.array(kept).reshape(-1, 2)
        if len(corners) < 3:
            break
    if len(corners) < 3 or polygon_area(corners) <= 1e-9 * grain.area_nm2:
        raise RefusedError(
            f"a grain of {grain.area_nm2:.3g} nm^2 vanishes in a network {2.0 * inset_nm:g} nm "
            "thick. Use a thinner network, larger grains or a smaller spread."
        )
    return corners


def plane_grain_area(grain: PlaneGrain, inset_nm: float) -> float:
    """Area in nm^2 of a grain.

    Parameters
    ----------
    grain : PlaneGrain
        The grain with half of the network around it.
    inset_nm : float
        Half the thickness of the network.

    Returns
    -------
    float
        Area of the polygon.

    Raises
    ------
    RefusedError
        If nothing is left of the grain.
    """
    return polygon_area(plane_grain_corners(grain, inset_nm))
