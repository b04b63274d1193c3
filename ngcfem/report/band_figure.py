"""The picture of the bands of a run: plastic strain of the cells, and the bands found in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ngcfem.quantities import FloatArray
from ngcfem.report.colours import MEASURED
from ngcfem.report.figures import new_figure, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = 6
_PIXELS = 300
# A place farther from every centre than this many cell sizes lies outside the body.
_REACH = 1.5


def draw_bands(
    positions_nm: FloatArray,
    strain: FloatArray,
    volume: FloatArray,
    bands: Sequence[Mapping[str, Any]],
    axis: int,
) -> bytes:
    """Draw the plastic strain in the deformed cell with the largest bands.

    Parameters
    ----------
    positions_nm : ndarray, shape (n, d)
        Centres of the cells, d = 2 or 3.
    strain, volume : ndarray, shape (n,)
        Equivalent plastic strain and volume of each.
    bands : sequence of mapping
        Bands as the summary lists them.
    axis : int
        Axis of the load.

    Returns
    -------
    bytes
        PNG. Every place shows the cell with the nearest centre; in space, in a slice through the
        middle that holds the load axis and the normal of the largest band.
    """
    across, up = _frame(positions_nm.shape[1], bands, axis)
    size = float(volume.mean()) ** (1.0 / positions_nm.shape[1])
    image, extent = _slice(positions_nm, strain, across, up, size)
    width, height = extent[1] - extent[0], extent[3] - extent[2]
    with styled():
        figure = new_figure(min(9.6, 2.6 + 4.4 * width / height), 5.2)
        axes = figure.subplots()
        top = float(np.quantile(strain, 0.99)) or 1.0
        drawn = axes.imshow(
            image,
            origin="lower",
            extent=extent,
            cmap="viridis",
            vmin=0.0,
            vmax=top,
            interpolation="nearest",
        )
        for band in bands[:_SHOWN]:
            _draw_band(axes, band, across, up)
        axes.set_xlim(extent[0], extent[1])
        axes.set_ylim(extent[2], extent[3])
        axes.set_aspect("equal")
        axes.grid(visible=False)
        axes.set_xlabel("across [nm]")
        axes.set_ylabel("along the load [nm]")
        figure.colorbar(drawn, ax=axes, label="equivalent plastic strain [-]", shrink=0.9)
        return png(figure)


def _frame(
    dimension: int, bands: Sequence[Mapping[str, Any]], axis: int
) -> tuple[FloatArray, FloatArray]:
    """Unit vectors across and along the load; across holds the normal of the largest band."""
    up = np.eye(dimension)[axis]
    across = np.array(bands[0]["normal"]) if bands else np.eye(dimension)[(axis + 1) % dimension]
    across = across - float(across @ up) * up
    if float(np.linalg.norm(across)) < 1e-3:
        across = np.eye(dimension)[(axis + 1) % dimension]
    return across / np.linalg.norm(across), up


def _slice(
    positions: FloatArray, strain: FloatArray, across: FloatArray, up: FloatArray, size: float
) -> tuple[FloatArray, tuple[float, float, float, float]]:
    """Strain of the nearest cell on a grid of the slice (NaN outside the body), and its extent."""
    from scipy.spatial import KDTree

    middle = 0.5 * (positions.min(axis=0) + positions.max(axis=0))
    x, y = positions @ across, positions @ up
    left, right, bottom, top = (
        float(x.min()) - 0.5 * size,
        float(x.max()) + 0.5 * size,
        float(y.min()) - 0.5 * size,
        float(y.max()) + 0.5 * size,
    )
    step = (top - bottom) / _PIXELS
    across_places = np.arange(left + 0.5 * step, right, step)
    up_places = np.arange(bottom + 0.5 * step, top, step)
    # across and up are unit vectors at a right angle; the rest of the middle stays as it is
    base = middle - (middle @ across) * across - (middle @ up) * up
    grid = (
        base
        + across_places[None, :, None] * across[None, None, :]
        + up_places[:, None, None] * up[None, None, :]
    )
    distance, nearest = KDTree(positions).query(grid.reshape(-1, positions.shape[1]))
    values = np.where(distance <= _REACH * size, strain[nearest], np.nan)
    return values.reshape(grid.shape[:2]), (left, right, bottom, top)


def _draw_band(axes: Axes, band: Mapping[str, Any], across: FloatArray, up: FloatArray) -> None:
    """Both faces of a band as lines, and its angle."""
    normal = np.array([np.array(band["normal"]) @ across, np.array(band["normal"]) @ up])
    length = float(np.linalg.norm(normal))
    if length < 0.3:
        return
    normal /= length
    along = np.array([-normal[1], normal[0]])
    centre = np.array([np.array(band["centre_nm"]) @ across, np.array(band["centre_nm"]) @ up])
    # the slice meets a layer that leans out of it in a wider strip
    half, reach = 0.5 * band["width_nm"] / length, 0.5 * band["extent_nm"]
    for side in (-1.0, 1.0):
        ends = [centre + side * half * normal + end * reach * along for end in (-1.0, 1.0)]
        axes.plot(*np.transpose(ends), color=MEASURED, linewidth=1.2)
    turn = math.degrees(math.atan2(along[1], along[0]))
    axes.text(
        float(centre[0]),
        float(centre[1]),
        f"{band['width_nm']:.2g} nm, {band['angle_deg']:.0f} deg",
        color=MEASURED,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
        fontsize=8.5,
        ha="center",
        va="center",
        rotation=(turn + 90.0) % 180.0 - 90.0,
    )
