"""An interactive view of a cell or mesh in one HTML file that needs nothing else."""

import base64
import html
import json
import zlib
from collections.abc import Sequence
from importlib import resources

import numpy as np

from ngcfem.quantities import FloatArray, IntArray
from ngcfem.report.bodies import Body, grain_centres
from ngcfem.report.colours import phase_colours

_LEVELS = 65535
LARGEST_INDEX = 1 << 24


def interactive_view(
    title: str,
    facts: str,
    bodies: Sequence[Body],
    phase_names: Sequence[str],
    lattice: FloatArray,
    *,
    edges: bool,
    colours: Sequence[str] = (),
    opacities: Sequence[float] = (),
    box_name: str = "period",
) -> str:
    """Write a page on which the bodies can be turned, cut, hidden and moved apart.

    Parameters
    ----------
    title : str
        Title of the page.
    facts : str
        One line below the title.
    bodies : sequence of Body
        Closed surfaces.
    phase_names : sequence of str
        Names of the phases by number.
    lattice : ndarray, shape (d, d)
        Period vectors as rows, in nm; drawn as a box, in the plane as a rectangle.
    edges : bool
        Whether the edges of the triangles are drawn at first.
    colours : sequence of str
        Hexadecimal colours by number of the phase; those of the names if empty.
    opacities : sequence of float
        Opacities at first, by number of the phase; 1 if empty.
    box_name : str
        What the box is called.

    Returns
    -------
    str
        HTML with the program and the surfaces inside; nothing is loaded from elsewhere.

    Raises
    ------
    ValueError
        If there are no bodies, or more points than the format can number.

    Notes
    -----
    Positions are rounded to 1/65535 of the extent. Every body keeps its own corners, in the order
    of their first use; a corner of a triangle is stored as its distance from the next unused one,
    so that most are small. Both are written as planes of bytes, compressed by zlib and encoded in
    base 64.
    """
    if not bodies:
        raise ValueError("there is nothing to show")
    points = np.concatenate([body.points for body in bodies])
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 1e-9)
    centres = grain_centres(bodies)
    entries, positions, codes = [], [], []
    first = 0
    for body in bodies:
        order = np.argsort(~body.outer, kind="stable")
        used, triangles = _in_order_of_use(body.triangles[order])
        positions.append(body.points[used])
        codes.append(_distances_from_next(triangles))
        centre = centres[body.grain] if body.grain >= 0 else 0.5 * (low + high)
        outer = int(np.count_nonzero(body.outer))
        entries.append(
            {
                "phase": body.phase,
                "grain": body.grain,
                "first": first,
                "outer": outer,
                "inner": len(order) - outer,
                "centre": np.round(centre, 4).tolist(),
            }
        )
        first += len(order)
    placed = np.concatenate(positions)
    if len(placed) >= LARGEST_INDEX:
        raise ValueError(f"{len(placed)} points are more than an interactive view can hold")
    levels = np.round((placed - low) / extent * _LEVELS).astype(np.int64)
    steps = np.diff(levels, axis=0, prepend=0) % (_LEVELS + 1)
    blocks = [_byte_planes(steps[:, axis], 2) for axis in range(3)]
    blocks.append(_byte_planes(np.concatenate(codes), 3))
    box, corner = _period_box(lattice, 0.5 * (low + high))
    colours = colours or [phase_colours(phase_names)[name] for name in phase_names]
    opacities = opacities or [1.0] * len(phase_names)
    header = {
        "points": len(placed),
        "triangles": first,
        "origin": low.tolist(),
        "extent": extent.tolist(),
        "lattice": box.tolist(),
        "corner": corner.tolist(),
        "flat": len(lattice) == 2,
        "edges": edges,
        "phases": [
            {"name": name.replace("_", "-"), "colour": colour, "opacity": opacity}
            for name, colour, opacity in zip(phase_names, colours, opacities, strict=True)
        ],
        "bodies": entries,
    }
    page = resources.files("ngcfem.report").joinpath("viewer.html").read_text(encoding="utf-8")
    content = base64.b64encode(zlib.compress(b"".join(blocks), 9)).decode("ascii")
    for mark, text in (
        ("@TITLE@", html.escape(title)),
        ("@FACTS@", html.escape(facts)),
        ("@BOX@", html.escape(box_name)),
        # JSON inside a script: a "<" could end it
        ("@HEADER@", json.dumps(header, separators=(",", ":")).replace("<", "\\u003c")),
        ("@CONTENT@", content),
    ):
        page = page.replace(mark, text)
    return page


def _in_order_of_use(triangles: IntArray) -> tuple[IntArray, IntArray]:
    """Old numbers of the corners in the order of their first use, and the triangles in new ones."""
    corners = triangles.ravel()
    used, place, rows = np.unique(corners, return_index=True, return_inverse=True)
    order = np.argsort(place)
    number = np.empty(len(used), dtype=np.int64)
    number[order] = np.arange(len(used))
    return used[order], number[rows].reshape(-1, 3)


def _distances_from_next(triangles: IntArray) -> IntArray:
    """Distance of each corner from the number that comes next, 0 where it is used first."""
    corners = triangles.ravel()
    largest = np.maximum.accumulate(np.r_[-1, corners[:-1]]) if corners.size else corners
    return largest + 1 - corners


def _byte_planes(values: IntArray, number: int) -> bytes:
    return b"".join((values >> (8 * k) & 255).astype(np.uint8).tobytes() for k in range(number))


def _period_box(lattice: FloatArray, middle: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Three edges of the period and its corner, around the middle of the bodies."""
    box = np.zeros((3, 3))
    box[: len(lattice), : len(lattice)] = lattice
    return box, middle - 0.5 * box.sum(axis=0)
