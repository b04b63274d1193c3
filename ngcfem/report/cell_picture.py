"""Preview of a cell before it is meshed: three plane sections by phase."""

import numpy as np

from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.sections import section
from ngcfem.report.colours import phase_colours
from ngcfem.report.figures import new_figure, png, styled
from ngcfem.report.plane_pictures import draw_plane_cell

AXIS_NAMES = "xyz"


def draw_cell(cell: PeriodicCell) -> bytes:
    """Draw the three sections through the middle of a cell, or a plane cell itself, by phase.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.

    Returns
    -------
    bytes
        PNG.
    """
    if cell.dimension == 2:
        return draw_plane_cell(cell)
    colours = phase_colours(cell.phase_names)
    palette = np.array(
        [[int(colours[name][n : n + 2], 16) for n in (1, 3, 5)] for name in cell.phase_names],
        dtype=np.uint8,
    )
    turned = not np.array_equal(cell.rotation, np.eye(3))
    names_of_axes = ("period 1", "period 2", "period 3") if turned else AXIS_NAMES
    with styled():
        figure = new_figure(10.2, 3.9)
        panels = figure.subplots(1, 3)
        for axis, axes in enumerate(panels):
            phases, (width, height) = section(cell, axis)
            axes.imshow(
                palette[phases], origin="lower", extent=(0.0, width, 0.0, height), aspect="equal"
            )
            axes.set_xlabel(f"{names_of_axes[(axis + 1) % 3]} [nm]")
            axes.set_ylabel(f"{names_of_axes[(axis + 2) % 3]} [nm]")
            axes.set_title(f"half way along {names_of_axes[axis]}")
            axes.grid(visible=False)
        handles = [
            panels[0].plot([], [], marker="s", linestyle="none", color=colours[name])[0]
            for name in cell.phase_names
        ]
        names = [name.replace("_", "-") for name in cell.phase_names]
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        return png(figure)
