"""The process that draws pictures: reads a request from its input, writes PNG files.

Run as ``python -m ngcfem.report.rendering``. It is a process of its own because VTK may take its
process down on a machine without OpenGL.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.quantities import FloatArray
from ngcfem.report.scene import EDGE_COLOUR, TOWARDS_CAMERA, Frame, box_middle, palette, tell_drawn

_PERCENTILE = 99.0
_APART = 0.7
_PLASTIC_STRAIN = "equivalent_plastic_strain [-]"
_MISES_STRESS = "mises_stress [GPa]"


def main() -> int:
    """Draw what the request on standard input asks for.

    Returns
    -------
    int
        0 if all pictures that there is something for are there.
    """
    request = json.load(sys.stdin)
    import pyvista

    pyvista.OFF_SCREEN = True
    if request["task"] == "cell":
        from ngcfem.report.cell_rendering import draw_cell_pictures

        draw_cell_pictures(pyvista, request)
        return 0
    if request["task"] == "surfaces":
        from ngcfem.report.isosurface_rendering import draw_surface_pictures

        draw_surface_pictures(pyvista, request)
        return 0
    _draw_run_pictures(pyvista, request)
    return 0


def _draw_run_pictures(pyvista: Any, request: Mapping[str, Any]) -> None:
    linear = _linear(pyvista, pyvista.read(request["snapshot"]))
    directory, colours = Path(request["directory"]), request["colours"]
    plane = pyvista.CellType.TRIANGLE in linear.cells_dict
    body = linear if plane else _half(linear)
    moved = body.copy()
    if "displacement [nm]" in body.point_data:
        moved.points = np.asarray(body.points) + np.asarray(body.point_data["displacement [nm]"])
    surfaces = [_surface(shape) for shape in (body, moved)]
    frame = Frame.around([np.asarray(surface.points) for surface in surfaces], plane=plane)
    names = ["rve_undeformed"]
    if "displacement [nm]" in body.point_data:
        names.append("rve_deformed")
    for name, surface in zip(names, surfaces, strict=False):
        _draw_phases(pyvista, surface, colours, frame, directory / f"{name}.png")
        tell_drawn(name)
    for name, field, title, colour_map in (
        ("rve_plastic_strain", _PLASTIC_STRAIN, "equivalent plastic strain [-]", "inferno"),
        ("rve_mises_stress", _MISES_STRESS, "Mises stress [GPa]", "viridis"),
    ):
        if field in moved.cell_data:
            largest = float(np.percentile(np.asarray(moved.cell_data[field]), _PERCENTILE))
            plotter = _draw_field(
                pyvista, surfaces[1], field, title, colour_map, max(largest, 1e-12), frame
            )
            frame.shoot(plotter, _middle(surfaces[1]), directory / f"{name}.png")
            tell_drawn(name)
    if request["task"] == "mesh" and len(np.unique(np.asarray(linear.cell_data["grain"]))) > 1:
        apart = _surface(_grains_apart(pyvista, linear, plane))
        wide = Frame.around([np.asarray(apart.points)], bottom_share=0.06, plane=plane)
        _draw_phases(pyvista, apart, colours, wide, directory / "mesh_grains_apart.png")
        tell_drawn("mesh_grains_apart")


def _linear(pyvista: Any, grid: Any) -> Any:
    """Take the elements by their vertices into a grid of its own.

    VTK 9.7 ends with a segmentation fault when it clips quadratic elements or a grid derived from
    them.
    """
    plane = {pyvista.CellType.TRIANGLE, pyvista.CellType.QUADRATIC_TRIANGLE} & set(grid.cells_dict)
    number, kind = (3, pyvista.CellType.TRIANGLE) if plane else (4, pyvista.CellType.TETRA)
    corners = np.concatenate([cells[:, :number] for cells in grid.cells_dict.values()])
    used, rows = np.unique(corners, return_inverse=True)
    linear = pyvista.UnstructuredGrid(
        {kind: rows.reshape(-1, number)}, np.asarray(grid.points)[used]
    )
    for name in grid.cell_data:
        linear.cell_data[name] = np.asarray(grid.cell_data[name])
    for name in grid.point_data:
        linear.point_data[name] = np.asarray(grid.point_data[name])[used]
    return linear


def _half(linear: Any) -> Any:
    """Cut the half that faces the camera away, along a plane that holds the z axis.

    The plane cuts the elements of the undeformed body; moved with the displacement it is the
    material section, no longer flat.
    """
    normal = (TOWARDS_CAMERA[0], TOWARDS_CAMERA[1], 0.0)
    return linear.clip(normal=normal, origin=linear.center)


def _grains_apart(pyvista: Any, linear: Any, plane: bool) -> Any:
    """Each grain with its share of the network, moved outwards; in space cut through its middle."""
    grains = np.asarray(linear.cell_data["grain"])
    points = np.asarray(linear.points)
    kind = pyvista.CellType.TRIANGLE if plane else pyvista.CellType.TETRA
    cells = linear.cells_dict[kind]
    middle = box_middle(points)
    halves = []
    for grain in np.unique(grains):
        rows = grains == grain
        used, local = np.unique(cells[rows], return_inverse=True)
        part = pyvista.UnstructuredGrid({kind: local.reshape(-1, cells.shape[1])}, points[used])
        part.cell_data["phase"] = np.asarray(linear.cell_data["phase"])[rows]
        centre = box_middle(points[used])
        half = part if plane else part.clip(normal=tuple(TOWARDS_CAMERA), origin=tuple(centre))
        half.points = np.asarray(half.points) + _APART * (centre - middle)
        halves.append(half)
    return pyvista.merge(halves, merge_points=False)


def _surface(shape: Any) -> Any:
    """Surface triangles of a half, with the cell data of the elements they belong to."""
    return shape.extract_surface(algorithm="dataset_surface")


def _middle(surface: Any) -> FloatArray:
    return box_middle(np.asarray(surface.points))


def _draw_phases(
    pyvista: Any, surface: Any, colours: Sequence[str], frame: Frame, path: Path
) -> None:
    phase = np.asarray(surface.cell_data["phase"]).astype(int)
    surface.cell_data["colour"] = palette(pyvista, colours)[phase]
    plotter = pyvista.Plotter(off_screen=True, window_size=frame.size_px)
    plotter.add_mesh(
        surface,
        scalars="colour",
        rgb=True,
        show_edges=True,
        edge_color=EDGE_COLOUR,
        line_width=0.6,
        ambient=0.5,
        diffuse=0.55,
    )
    frame.shoot(plotter, _middle(surface), path)


def _draw_field(
    pyvista: Any,
    surface: Any,
    field: str,
    title: str,
    colour_map: str,
    largest: float,
    frame: Frame,
) -> Any:
    plotter = pyvista.Plotter(off_screen=True, window_size=frame.size_px)
    plotter.add_mesh(
        surface,
        scalars=field,
        cmap=colour_map,
        clim=[0.0, largest],
        show_edges=True,
        edge_color=EDGE_COLOUR,
        line_width=0.4,
        ambient=0.6,
        diffuse=0.45,
        scalar_bar_args={
            # The empty line keeps the title off the labels.
            "title": f"{title}\n",
            "color": "black",
            "position_x": 0.24,
            "position_y": 0.01,
            "width": 0.62,
            "height": 0.15,
            "title_font_size": 30,
            "label_font_size": 26,
            "unconstrained_font_size": True,
            "n_labels": 5,
            "fmt": "%.2f",
        },
    )
    return plotter


if __name__ == "__main__":
    sys.exit(main())
