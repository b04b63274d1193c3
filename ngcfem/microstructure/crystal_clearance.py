"""How far the crystals of one grain truly are from each other and from its walls."""

from collections.abc import Sequence

import numpy as np

from ngcfem.microstructure.cell import Inclusion
from ngcfem.microstructure.crystal_distance import distance_to_body, surface_points
from ngcfem.quantities import FloatArray

_SAMPLES = 500


def smallest_clearance_nm(
    bodies: Sequence[Inclusion], normals: FloatArray, offsets: FloatArray
) -> float:
    """Measure the smallest distance between crystals or caps of a grain, and from its walls.

    Parameters
    ----------
    bodies : sequence of Inclusion
        The crystals.
    normals : ndarray, shape (w, 3)
        Unit normals of the walls, outwards.
    offsets : ndarray, shape (w,)
        Inside is where normal . x <= offset, in nm.

    Returns
    -------
    float
        Distance in nm, negative where something overlaps; infinite for an empty grain. The wall
        that cuts a crystal flat is left out for it.

    Notes
    -----
    Points on the surface of each body are held against the walls and against the distance function
    of every body near it, both ways. The packing measures with balls instead, so that this does not
    depend on how well they fill a cap or an ellipsoid.
    """
    smallest = np.inf
    points = [surface_points(body, _SAMPLES, with_cap=True) for body in bodies]
    centres = [np.array(body.centre_nm) for body in bodies]
    for number, body in enumerate(bodies):
        walls = offsets - (centres[number] + points[number]) @ normals.T
        if body.flat is not None:
            walls = walls[:, normals @ np.array(body.flat.normal) < 1.0 - 1e-9]
        smallest = min(smallest, float(walls.min()))
        reach = float(np.linalg.norm(points[number], axis=1).max())
        for other in range(number):
            apart = centres[number] - centres[other]
            there = float(np.linalg.norm(points[other], axis=1).max())
            if np.linalg.norm(apart) - reach - there > smallest:
                continue
            smallest = min(
                smallest,
                float(distance_to_body(points[number] + apart, bodies[other], True).min()),
                float(distance_to_body(points[other] - apart, body, True).min()),
            )
    return smallest
