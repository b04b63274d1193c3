"""Grains without their share of the network: Laguerre cells with the faces moved inwards."""

import numpy as np
from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError

from ngcfem.errors import RefusedError
from ngcfem.microstructure.tessellation import LaguerreCell
from ngcfem.quantities import FloatArray


def grain_corners(cell: LaguerreCell, inset_nm: float) -> FloatArray:
    """Corners of a grain.

    Parameters
    ----------
    cell : LaguerreCell
        The grain with half of the network around it.
    inset_nm : float
        Half the thickness of the network.

    Returns
    -------
    ndarray, shape (k, 3)
        Corners in nm; one may occur several times.

    Raises
    ------
    RefusedError
        If nothing is left of the grain.
    """
    normals, offsets = cell.half_spaces(inset_nm)
    try:
        half_spaces = np.column_stack([normals, -offsets])
        return HalfspaceIntersection(half_spaces, cell.centroid).intersections
    except QhullError as error:
        raise RefusedError(
            f"a grain of {cell.volume_nm3:.3g} nm^3 vanishes in a network {2.0 * inset_nm:g} nm "
            "thick. Use a thinner network, larger grains or a smaller spread."
        ) from error


def grain_volume(cell: LaguerreCell, inset_nm: float) -> float:
    """Volume in nm^3 of a grain.

    Parameters
    ----------
    cell : LaguerreCell
        The grain with half of the network around it.
    inset_nm : float
        Half the thickness of the network.

    Returns
    -------
    float
        Volume of the polyhedron.

    Raises
    ------
    RefusedError
        If nothing is left of the grain.
    """
    return float(ConvexHull(grain_corners(cell, inset_nm)).volume)
