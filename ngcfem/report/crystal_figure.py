"""The crystals of a run: which direction of each lattice lies along the load, in colour."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ngcfem.microstructure.orientation import rotation_matrices
from ngcfem.quantities import AXIS_INDEX, FloatArray
from ngcfem.report.figures import new_figure, png, styled
from ngcfem.report.run_record import RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CORNERS = {"[001]": (0.0, 0.0, 1.0), "[011]": (0.0, 1.0, 1.0), "[111]": (1.0, 1.0, 1.0)}
_PIXELS = 260


def in_standard_triangle(directions: FloatArray) -> FloatArray:
    """The equivalent of each lattice direction between [001], [011] and [111].

    Parameters
    ----------
    directions : ndarray, shape (n, 3)
        Directions in the coordinates of a cubic lattice, not zero.

    Returns
    -------
    ndarray, shape (n, 3)
        Unit vectors with 0 <= x <= y <= z: the symmetry of the cube exchanges axes and signs.
    """
    rising = np.sort(np.abs(directions), axis=1)
    return rising / np.linalg.norm(rising, axis=1)[:, None]


def inverse_pole_colours(directions: FloatArray) -> FloatArray:
    """Colours of lattice directions: red at [001], green at [011], blue at [111].

    Parameters
    ----------
    directions : ndarray, shape (n, 3)
        Directions in the coordinates of a cubic lattice, not zero.

    Returns
    -------
    ndarray, shape (n, 3)
        Red, green and blue between 0 and 1, the largest 1.

    Notes
    -----
    The components of the direction in the basis of the three corners of the standard triangle, over
    the largest of them.

    References
    ----------
    Nolze and Hielscher (2016), J. Appl. Cryst. 49, 1786-1802, doi 10.1107/S1600576716012942:
    colour keys of inverse pole figures.
    """
    x, y, z = in_standard_triangle(directions).T
    shares = np.stack([z - y, np.sqrt(2.0) * (y - x), np.sqrt(3.0) * x], axis=1)
    return shares / shares.max(axis=1)[:, None]


def loaded_directions(quaternions: FloatArray, axis: int) -> FloatArray:
    """Direction of each lattice that lies along an axis of the specimen.

    Parameters
    ----------
    quaternions : ndarray, shape (n, 4)
        Unit quaternions from lattice to specimen coordinates.
    axis : int
        Axis of the specimen.

    Returns
    -------
    ndarray, shape (n, 3)
        Unit vectors in lattice coordinates.
    """
    return rotation_matrices(quaternions)[:, axis, :]


def crystal_figure(record: RunRecord) -> tuple[bytes, str, str] | None:
    """Draw the crystals of a run.

    Parameters
    ----------
    record : RunRecord
        The run.

    Returns
    -------
    tuple of bytes and two str, or None
        PNG, description and caption; None for a run without crystals.
    """
    file = record.path / "crystals.json"
    axis = record.case.get("load", {}).get("axis", record.summary.get("axis"))
    if axis not in AXIS_INDEX or not file.is_file():
        return None
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))["crystals"]
    except (ValueError, KeyError):
        return None
    if not entries:
        return None
    return (
        draw_crystals(entries, AXIS_INDEX[axis]),
        "Crystals in the colours of the lattice direction along the load",
        f"{len(entries)} crystals, coloured by the direction of the lattice that lies along the "
        "load before deformation. Left: where these directions are in the standard triangle of "
        "cubic lattices. Right: the crystals as balls of their volumes, seen from the side, the "
        "nearer ones in front.",
    )


def draw_crystals(entries: Sequence[Mapping[str, Any]], axis: int) -> bytes:
    """Draw crystals in the standard triangle and in space.

    Parameters
    ----------
    entries : sequence of mapping
        Crystals as in crystals.json.
    axis : int
        Axis of the load.

    Returns
    -------
    bytes
        PNG.
    """
    quaternions = np.array([entry["orientation_quaternion"] for entry in entries], dtype=float)
    directions = loaded_directions(quaternions, axis)
    colours = inverse_pole_colours(directions)
    with styled():
        figure = new_figure(9.0, 4.2)
        key, view = figure.subplots(1, 2)
        _draw_triangle(key, directions, colours)
        _draw_balls(view, entries, axis, colours)
        return png(figure)


def _projected(directions: FloatArray) -> FloatArray:
    """Stereographic projection of unit vectors from the standard triangle, [001] at the origin."""
    x, y, z = directions.T
    return np.stack([y / (1.0 + z), x / (1.0 + z)], axis=1)


def _draw_triangle(axes: Axes, directions: FloatArray, colours: FloatArray) -> None:
    ends = _projected(in_standard_triangle(np.array(list(_CORNERS.values()))))
    across = np.linspace(0.0, float(ends[:, 0].max()), _PIXELS)
    up = np.linspace(0.0, float(ends[:, 1].max()), _PIXELS)
    u, v = (grid.ravel() for grid in np.meshgrid(across, up))
    square = u**2 + v**2
    sphere = np.stack([2.0 * v, 2.0 * u, 1.0 - square], axis=1) / (1.0 + square)[:, None]
    inside = (sphere[:, 0] <= sphere[:, 1]) & (sphere[:, 1] <= sphere[:, 2])
    # Pale, so that the crystals stand out.
    image = np.ones((len(u), 4))
    image[:, :3] = 0.45 + 0.55 * inverse_pole_colours(sphere)
    image[:, 3] = inside
    axes.imshow(
        image.reshape(_PIXELS, _PIXELS, 4),
        origin="lower",
        extent=(0.0, float(across[-1]), 0.0, float(up[-1])),
    )
    places = _projected(in_standard_triangle(directions))
    axes.scatter(
        *places.T, s=36.0, c=colours, edgecolors="black", linewidths=0.8, clip_on=False, zorder=3
    )
    sides = (("right", "top"), ("left", "top"), ("left", "bottom"))
    for (name, _), end, (side, level) in zip(_CORNERS.items(), ends, sides, strict=True):
        axes.annotate(
            name,
            (float(end[0]), float(end[1])),
            xytext=(-6 if side == "right" else 6, -6 if level == "top" else 4),
            textcoords="offset points",
            ha=side,
            va=level,
        )
    axes.set_aspect("equal")
    axes.axis("off")


def _draw_balls(
    axes: Axes, entries: Sequence[Mapping[str, Any]], axis: int, colours: FloatArray
) -> None:
    from matplotlib.patches import Circle

    centres = np.array([entry["centre_nm"] for entry in entries], dtype=float)
    volume = np.array([entry["volume_nm3"] for entry in entries], dtype=float)
    dimension = centres.shape[1]
    across = (axis + 1) % dimension
    if dimension == 2:
        radius, depth = np.sqrt(volume / np.pi), np.zeros(len(volume))
    else:
        radius = np.cbrt(3.0 * volume / (4.0 * np.pi))
        depth = centres[:, ({0, 1, 2} - {axis, across}).pop()]
    # The third axis points away from the viewer.
    for level, k in enumerate(np.argsort(-depth).tolist()):
        place = (float(centres[k, across]), float(centres[k, axis]))
        axes.add_patch(
            Circle(
                place,
                float(radius[k]),
                facecolor=colours[k],
                edgecolor="black",
                linewidth=0.6,
                zorder=3 + 2 * level,
            )
        )
        axes.annotate(
            str(entries[k]["crystal"]),
            place,
            ha="center",
            va="center",
            fontsize=7.5,
            zorder=4 + 2 * level,
        )
    axes.set_aspect("equal")
    axes.autoscale_view()
    axes.set_xlabel("across [nm]")
    axes.set_ylabel("along the load [nm]")
