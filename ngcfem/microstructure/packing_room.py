"""The inside of one grain as a room for crystals: walls, places and what its facets can hold."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

from ngcfem.microstructure.grain_shape import grain_corners
from ngcfem.microstructure.tessellation import LaguerreCell
from ngcfem.quantities import FloatArray

FLAT_DISTANCE = 0.6
"""Distance of a flat from the centre of its crystal over the radius.

The glass beside the rim is a wedge of acos(0.6) = 53 degrees, and the flat takes 10 % of the volume
of the ball.
"""

_LOST = (1.0 - FLAT_DISTANCE) ** 2 * (2.0 + FLAT_DISTANCE) / 4.0
FLAT_GROWTH = float((1.0 - _LOST) ** (-1.0 / 3.0))
"""Factor on the radius of a crystal that gives back the volume a flat takes."""

_RIM = float(np.sqrt(1.0 - FLAT_DISTANCE**2))


@dataclass(frozen=True, eq=False)
class Room:
    """The inside of one grain.

    Parameters
    ----------
    normals : ndarray, shape (w, 3)
        Unit normals of the walls, outwards.
    offsets : ndarray, shape (w,)
        Inside is where normal . x <= offset, in nm.
    centre : ndarray, shape (3,)
        Centre of the largest inscribed sphere.
    inner_radius_nm : float
        Its radius; not positive where nothing is left of the grain.
    volume_nm3 : float
        Volume.
    flat_radius_nm : ndarray, shape (w,)
        Radius of the largest sphere that can be cut flat by each wall, with its rim and itself at
        the distances asked for from all others; 0 where none can.
    lowest, highest : ndarray, shape (3,)
        Corners of the box around it.
    """

    normals: FloatArray
    offsets: FloatArray
    centre: FloatArray
    inner_radius_nm: float
    volume_nm3: float
    flat_radius_nm: FloatArray
    lowest: FloatArray
    highest: FloatArray


def room_of(cell: LaguerreCell, inset_nm: float, gap_nm: float, margin_nm: float) -> Room:
    """Measure the inside of a grain.

    Parameters
    ----------
    cell : LaguerreCell
        The grain with half of the network around it.
    inset_nm : float
        Half the thickness of the network.
    gap_nm : float
        Smallest distance of a crystal from a wall that does not cut it.
    margin_nm : float
        Smallest distance of the rim of a flat from the edges of its wall.

    Returns
    -------
    Room
        The room.

    Notes
    -----
    Largest inscribed spheres are linear programmes. For a sphere of radius r cut by wall k at the
    distance a r from its centre, with the foot p of the centre on the wall and the angle of wall j
    against it by n_k . n_j = cos, sin: n_j . p - a r cos + r + gap <= o_j for the sphere, and
    n_j . p + sin (r sqrt(1 - a^2) + margin) <= o_j for its rim.
    """
    normals, offsets = cell.half_spaces(inset_nm)
    number = len(normals)
    found = linprog(
        [0.0, 0.0, 0.0, -1.0],
        A_ub=np.column_stack([normals, np.ones(number)]),
        b_ub=offsets,
        bounds=[(None, None)] * 4,
    )
    centre, inner = np.asarray(found.x[:3]), float(found.x[3])
    flats = np.zeros(number)
    if inner <= 0.0:
        return Room(normals, offsets, centre, inner, 0.0, flats, centre, centre)
    for wall in range(number):
        others = np.arange(number) != wall
        cosine = normals[others] @ normals[wall]
        sine = np.sqrt(np.maximum(0.0, 1.0 - cosine**2))
        sphere = np.column_stack([normals[others], 1.0 - FLAT_DISTANCE * cosine])
        rim = np.column_stack([normals[others], _RIM * sine])
        best = linprog(
            [0.0, 0.0, 0.0, -1.0],
            A_ub=np.concatenate([sphere, rim]),
            b_ub=np.concatenate([offsets[others] - gap_nm, offsets[others] - margin_nm * sine]),
            A_eq=np.array([[*normals[wall], 0.0]]),
            b_eq=offsets[wall : wall + 1],
            bounds=[(None, None)] * 3 + [(0.0, None)],
        )
        if best.status == 0:
            flats[wall] = float(best.x[3])
    corners = grain_corners(cell, inset_nm)
    volume = float(ConvexHull(corners).volume)
    low, high = corners.min(axis=0), corners.max(axis=0)
    return Room(normals, offsets, centre, inner, volume, flats, low, high)
