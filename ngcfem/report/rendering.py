"""The process that draws pictures: reads a request from its input, writes PNG files.

Run as ``python -m ngcfem.report.rendering``. It is a process of its own because VTK may take its
process down on a machine without OpenGL.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_WIDTH_PX = 1200
_PERCENTILE = 99.0
_TOWARDS_CAMERA = np.array([1.0, 0.72, 0.62]) / np.linalg.norm([1.0, 0.72, 0.62])
_UP = np.array([0.0, 0.0, 1.0])
_PLASTIC_STRAIN = "equivalent_plastic_strain [-]"
_MISES_STRESS = "mises_stress [GPa]"
# Shares of the height of a picture that are kept free: above, and below for the scale of colours.
_TOP_SHARE, _BOTTOM_SHARE = 0.03, 0.18


def main() -> int:
    """Draw what the request on standard input asks for.

    Returns
    -------
    int
        0 if all pictures that the snapshot has fields for are there.
    """
    request = json.load(sys.stdin)
    import pyvista

    pyvista.OFF_SCREEN = True
    grid = pyvista.read(request["snapshot"])
    directory = Path(request["directory"])
    body = _half(pyvista, grid)
    moved = body.copy()
    if "displacement [nm]" in body.point_data:
        moved.points = np.asarray(body.points) + np.asarray(body.point_data["displacement [nm]"])
    surfaces = [_surface(shape) for shape in (body, moved)]
    frame = _Frame.around(surfaces)
    names = ["rve_undeformed"]
    if "displacement [nm]" in body.point_data:
        names.append("rve_deformed")
    for name, surface in zip(names, surfaces, strict=False):
        _draw_phases(pyvista, surface, request["colours"], frame, directory / f"{name}.png")
        sys.stdout.write(f"drawn {name}\n")
    for name, field, title, colour_map in (
        ("rve_plastic_strain", _PLASTIC_STRAIN, "equivalent plastic strain [-]", "inferno"),
        ("rve_mises_stress", _MISES_STRESS, "Mises stress [GPa]", "viridis"),
    ):
        if field in moved.cell_data:
            largest = float(np.percentile(np.asarray(moved.cell_data[field]), _PERCENTILE))
            plotter = _draw_field(
                pyvista, surfaces[1], field, title, colour_map, max(largest, 1e-12), frame
            )
            frame.shoot(plotter, surfaces[1], directory / f"{name}.png")
            sys.stdout.write(f"drawn {name}\n")
    return 0


@dataclass(frozen=True)
class _Frame:
    """Scale and size that all pictures share, so that the eye can compare them."""

    width_nm: float
    height_nm: float

    @classmethod
    def around(cls, surfaces: Sequence[Any]) -> "_Frame":
        """Take the smallest frame that holds each of the bodies about its centre."""
        right = np.cross(_UP, _TOWARDS_CAMERA)
        right /= np.linalg.norm(right)
        above = np.cross(_TOWARDS_CAMERA, right)
        half = np.zeros(2)
        for surface in surfaces:
            offsets = np.asarray(surface.points) - np.asarray(surface.center)
            for n, axis in enumerate((right, above)):
                half[n] = max(half[n], float(np.abs(offsets @ axis).max()))
        return cls(2.06 * half[0], 2.0 * half[1] / (1.0 - _TOP_SHARE - _BOTTOM_SHARE))

    @property
    def size_px(self) -> list[int]:
        """Width and height of the picture."""
        return [_WIDTH_PX, round(_WIDTH_PX * self.height_nm / self.width_nm)]

    def shoot(self, plotter: Any, surface: Any, path: Path) -> None:
        """Point the camera at a body and write the picture."""
        plotter.set_background("white")
        plotter.enable_parallel_projection()
        # The body sits above the middle by half of what is kept free below more than above.
        centre = np.asarray(surface.center)
        right = np.cross(_UP, _TOWARDS_CAMERA)
        above = np.cross(_TOWARDS_CAMERA, right / np.linalg.norm(right))
        aim = centre - 0.5 * (_BOTTOM_SHARE - _TOP_SHARE) * self.height_nm * above
        plotter.camera.focal_point = tuple(aim)
        plotter.camera.position = tuple(aim + 10.0 * self.width_nm * _TOWARDS_CAMERA)
        plotter.camera.up = tuple(_UP)
        plotter.camera.parallel_scale = 0.5 * self.height_nm
        plotter.reset_camera_clipping_range()
        plotter.add_axes(color="black", line_width=3, viewport=(0.0, 0.0, 0.16, 0.16))
        plotter.enable_anti_aliasing("ssaa")
        plotter.screenshot(str(path))
        plotter.close()


def _half(pyvista: Any, grid: Any) -> Any:
    """Cut the half that faces the camera away, along a plane that holds the z axis.

    The plane cuts the elements of the undeformed body; moved with the displacement it is the
    material section, no longer flat. The elements are taken by their vertices into a grid of its
    own: VTK 9.7 ends with a segmentation fault when it clips quadratic elements or a grid derived
    from them.
    """
    corners = np.concatenate([cells[:, :4] for cells in grid.cells_dict.values()])
    used, rows = np.unique(corners, return_inverse=True)
    linear = pyvista.UnstructuredGrid(
        {pyvista.CellType.TETRA: rows.reshape(-1, 4)}, np.asarray(grid.points)[used]
    )
    for name in grid.cell_data:
        linear.cell_data[name] = np.asarray(grid.cell_data[name])
    for name in grid.point_data:
        linear.point_data[name] = np.asarray(grid.point_data[name])[used]
    normal = (_TOWARDS_CAMERA[0], _TOWARDS_CAMERA[1], 0.0)
    return linear.clip(normal=normal, origin=linear.center)


def _surface(shape: Any) -> Any:
    """Surface triangles of a half, with the cell data of the elements they belong to."""
    return shape.extract_surface(algorithm="dataset_surface")


def _draw_phases(
    pyvista: Any, surface: Any, colours: Sequence[str], frame: _Frame, path: Path
) -> None:
    phase = np.asarray(surface.cell_data["phase"]).astype(int)
    palette = np.array([pyvista.Color(colour).int_rgb for colour in colours], dtype=np.uint8)
    surface.cell_data["colour"] = palette[phase]
    plotter = pyvista.Plotter(off_screen=True, window_size=frame.size_px)
    plotter.add_mesh(
        surface,
        scalars="colour",
        rgb=True,
        show_edges=True,
        edge_color="#30363d",
        line_width=0.6,
        ambient=0.5,
        diffuse=0.55,
    )
    frame.shoot(plotter, surface, path)


def _draw_field(
    pyvista: Any,
    surface: Any,
    field: str,
    title: str,
    colour_map: str,
    largest: float,
    frame: _Frame,
) -> Any:
    plotter = pyvista.Plotter(off_screen=True, window_size=frame.size_px)
    plotter.add_mesh(
        surface,
        scalars=field,
        cmap=colour_map,
        clim=[0.0, largest],
        show_edges=True,
        edge_color="#30363d",
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
