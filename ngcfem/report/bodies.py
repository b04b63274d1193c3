"""Closed surfaces of the bodies of a cell or mesh: what pictures and the interactive view draw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ngcfem.quantities import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Body:
    """The part of one grain that is of one phase, by its surface.

    Parameters
    ----------
    phase : int
        Index of the phase.
    grain : int
        Number of the grain; -1 where there is none.
    points : ndarray, shape (n, 3)
        Corners of the triangles in nm.
    triangles : ndarray of int, shape (m, 3)
        The closed surface, normals outwards.
    outer : ndarray of bool, shape (m,)
        False where the body beyond is of the same phase, so that the triangle shows only when the
        grains are moved apart.
    """

    phase: int
    grain: int
    points: FloatArray
    triangles: IntArray
    outer: BoolArray


def surface_volume(body: Body) -> float:
    """Volume that the surface of a body encloses.

    Parameters
    ----------
    body : Body
        The body.

    Returns
    -------
    float
        Volume in nm^3.
    """
    corners = body.points[body.triangles]
    return float(np.linalg.det(corners).sum() / 6.0)


def grain_centres(bodies: Sequence[Body]) -> dict[int, FloatArray]:
    """Middle of the box around each grain.

    Parameters
    ----------
    bodies : sequence of Body
        The bodies.

    Returns
    -------
    dict of int to ndarray, shape (3,)
        By grain, in nm.
    """
    centres = {}
    for grain in sorted({body.grain for body in bodies}):
        points = np.concatenate([body.points for body in bodies if body.grain == grain])
        centres[grain] = 0.5 * (points.min(axis=0) + points.max(axis=0))
    return centres


def joined_body(parts: Sequence[Body]) -> Body:
    """Put surfaces of the same phase and grain into one body.

    Parameters
    ----------
    parts : sequence of Body
        At least one.

    Returns
    -------
    Body
        All triangles.
    """
    first = np.cumsum([0, *(len(part.points) for part in parts)])
    return Body(
        parts[0].phase,
        parts[0].grain,
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.triangles + n for part, n in zip(parts, first, strict=False)]),
        np.concatenate([part.outer for part in parts]),
    )


def turned_inside_out(body: Body, phase: int, grain: int) -> Body:
    """The same surface as the inner boundary of the body around it.

    Parameters
    ----------
    body : Body
        What lies inside.
    phase, grain : int
        Of the body around it.

    Returns
    -------
    Body
        With the normals the other way.
    """
    return Body(phase, grain, body.points, body.triangles[:, ::-1], body.outer)
