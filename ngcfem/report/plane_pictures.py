"""Pictures of plane cells and plane meshes, by phase."""

from typing import Any

import numpy as np

from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.plane_sections import plane_section
from ngcfem.report.colours import phase_colours
from ngcfem.report.figures import new_figure, png, styled

_EDGE_COLOUR = "#30363d"
_WIDTH_IN = 6.4
_LEGEND_IN = 0.8


def draw_plane_cell(cell: PeriodicCell) -> bytes:
    """Draw one period of a plane cell as its geometry has it, by phase.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of dimension 2.

    Returns
    -------
    bytes
        PNG; a turned cell is drawn turned.
    """
    phases, (width, height) = plane_section(cell)
    rows, columns = phases.shape
    y, x = np.meshgrid(
        np.linspace(0.0, height, rows + 1), np.linspace(0.0, width, columns + 1), indexing="ij"
    )
    corners = np.stack([x, y], axis=-1) @ cell.rotation.T
    with styled():
        figure, axes = _panel(float(np.ptp(corners[..., 1]) / np.ptp(corners[..., 0])))
        axes.pcolormesh(
            corners[..., 0],
            corners[..., 1],
            phases,
            cmap=_colour_map(cell.phase_names),
            vmin=-0.5,
            vmax=len(cell.phase_names) - 0.5,
            rasterized=True,
        )
        return _finished(figure, axes, cell.phase_names)


def draw_plane_mesh(mesh: PeriodicMesh) -> bytes:
    """Draw the triangles of a plane mesh by phase.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh, of dimension 2; curved edges are drawn straight.

    Returns
    -------
    bytes
        PNG; lines get thinner as triangles get smaller.
    """
    x, y = mesh.points.T
    spread = np.ptp(mesh.points, axis=0)
    with styled():
        figure, axes = _panel(float(spread[1] / spread[0]))
        axes.tripcolor(
            x,
            y,
            mesh.cells[:, :3],
            facecolors=mesh.phase.astype(float),
            cmap=_colour_map(mesh.phase_names),
            vmin=-0.5,
            vmax=len(mesh.phase_names) - 0.5,
            edgecolors=_EDGE_COLOUR,
            linewidth=min(0.4, 15.0 / np.sqrt(len(mesh.cells)) * 0.5),
        )
        return _finished(figure, axes, mesh.phase_names)


def _panel(height_over_width: float) -> tuple[Any, Any]:
    height = _WIDTH_IN * min(max(height_over_width, 0.2), 2.5) + _LEGEND_IN
    figure = new_figure(_WIDTH_IN, height)
    return figure, figure.subplots()


def _colour_map(names: tuple[str, ...]) -> Any:
    from matplotlib.colors import ListedColormap

    colours = phase_colours(names)
    return ListedColormap([colours[name] for name in names])


def _finished(figure: Any, axes: Any, names: tuple[str, ...]) -> bytes:
    colours = phase_colours(names)
    axes.set_aspect("equal")
    axes.set_xlabel("x [nm]")
    axes.set_ylabel("y [nm]")
    axes.grid(visible=False)
    handles = [
        axes.plot([], [], marker="s", linestyle="none", color=colours[name])[0] for name in names
    ]
    labels = [name.replace("_", "-") for name in names]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return png(figure)
