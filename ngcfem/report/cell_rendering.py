"""Three-dimensional pictures of the geometry of a cell, drawn in the process of rendering."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.microstructure.cell import Inclusion, PeriodicCell, cell_from_json
from ngcfem.microstructure.voxels import phases_of_points
from ngcfem.quantities import GRAIN, INTERFACE, NANOCRYSTAL, SC_RICH, FloatArray
from ngcfem.report.bodies import grain_centres
from ngcfem.report.cell_surfaces import (
    cap_surface,
    cell_bodies,
    convex_surface,
    crystal_surface,
)
from ngcfem.report.scene import (
    EDGE_COLOUR,
    TOWARDS_CAMERA,
    Frame,
    box_middle,
    palette,
    tell_drawn,
    triangle_mesh,
)

_FACE_POINTS = 300
_APART = 0.7
_BOTTOM_SHARE = 0.06


def draw_cell_pictures(pyvista: Any, request: Mapping[str, Any]) -> None:
    """Draw a cell cut open and, if it has grains, its grains apart.

    Parameters
    ----------
    pyvista : module
        The library.
    request : mapping
        ``cell`` as JSON text, ``colours`` by phase, and the ``directory`` of the pictures.
    """
    cell = cell_from_json(request["cell"])
    directory = Path(request["directory"])
    _cut_open(pyvista, cell, request["colours"], directory / "cell_cut_open.png")
    tell_drawn("cell_cut_open")
    if cell.number_of_grains:
        _grains_apart(pyvista, cell, request["colours"], directory / "cell_grains_apart.png")
        tell_drawn("cell_grains_apart")


def _cut_open(pyvista: Any, cell: PeriodicCell, colours: Sequence[str], path: Path) -> None:
    """The box of one period without the octant that faces the camera.

    The faces are coloured point by point with the phases of the geometry; crystals that the faces
    of the notch cut are drawn whole and stick out of them.
    """
    vectors = cell.lattice @ cell.rotation.T
    facing = vectors @ TOWARDS_CAMERA > 0.0
    numbers = palette(pyvista, colours)
    faces = []
    for axis in range(3):
        for notch in (False, True):
            points, quads, centres = _face(axis, notch, facing)
            surface = triangle_mesh(pyvista, points @ vectors, quads)
            # Half a step inside, so that a face of a layer shows the layer behind it.
            inwards = centres.copy()
            inwards[:, axis] -= 1e-6 * (1.0 if facing[axis] else -1.0)
            surface.cell_data["colour"] = numbers[phases_of_points(cell, inwards @ cell.lattice)]
            faces.append(surface)
    clouds = [np.asarray(face.points) for face in faces]
    frame = Frame.around([np.concatenate(clouds)], _BOTTOM_SHARE)
    plotter = pyvista.Plotter(off_screen=True, window_size=frame.size_px)
    for face in faces:
        plotter.add_mesh(face, scalars="colour", rgb=True, ambient=0.55, diffuse=0.5)
        outline = face.extract_feature_edges(
            boundary_edges=True, feature_edges=False, manifold_edges=False, non_manifold_edges=False
        )
        plotter.add_mesh(outline, color=EDGE_COLOUR, line_width=2.0)
    index = {name: number for number, name in enumerate(cell.phase_names)}
    for body in _sticking_out(cell, facing):
        crystal = index.get(NANOCRYSTAL, 1)
        _add_body(pyvista, plotter, crystal_surface(body)[:2], colours[crystal], cell.rotation)
        if body.cap is not None:
            cap = cap_surface(body)[:2]
            _add_body(pyvista, plotter, cap, colours[index[SC_RICH]], cell.rotation)
    frame.shoot(plotter, box_middle(np.concatenate(clouds)), path)


def _face(axis: int, notch: bool, facing: np.ndarray) -> tuple[FloatArray, np.ndarray, FloatArray]:
    """Corners, squares and their centres of one face, in fractions of the period vectors."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    ticks = np.arange(_FACE_POINTS + 1) / _FACE_POINTS
    points = np.zeros((_FACE_POINTS + 1, _FACE_POINTS + 1, 3))
    points[..., first], points[..., second] = np.meshgrid(ticks, ticks, indexing="ij")
    points[..., axis] = 0.5 if notch else float(facing[axis])
    points = points.reshape(-1, 3)
    row, column = np.meshgrid(np.arange(_FACE_POINTS), np.arange(_FACE_POINTS), indexing="ij")
    corner = (row * (_FACE_POINTS + 1) + column).ravel()
    quads = np.column_stack(
        [corner, corner + _FACE_POINTS + 1, corner + _FACE_POINTS + 2, corner + 1]
    )
    centres = points[quads].mean(axis=1)
    removed = np.all((centres[:, [first, second]] > 0.5) == facing[[first, second]], axis=1)
    kept = removed if notch else ~removed
    return points, quads[kept], centres[kept]


def _sticking_out(cell: PeriodicCell, facing: np.ndarray) -> list[Inclusion]:
    """Crystals, images included, that the faces of the notch cut."""
    inverse = np.linalg.inv(cell.lattice)
    widths = 1.0 / np.linalg.norm(inverse, axis=0)
    side = np.where(facing, 1.0, -1.0)
    found = []
    for body in cell.inclusions:
        whole = np.array(body.centre_nm) @ inverse
        whole -= np.floor(whole)
        reach = _reach(body) / widths
        for shift in itertools.product((-1, 0, 1), repeat=3):
            centre = whole + shift
            into = side * (centre - 0.5)  # positive on the side of the notch
            # Not across the faces of the box, where the crystal would stick out as well.
            in_box = np.all((centre > 0.0) & (centre < 1.0)) and np.all(into < 0.5 - reach)
            if in_box and np.all(into > -reach) and np.any(into < reach):
                place = centre @ cell.lattice
                found.append(
                    replace(body, centre_nm=(float(place[0]), float(place[1]), float(place[2])))
                )
    return found


def _reach(body: Inclusion) -> float:
    """Radius of a ball around the centre that holds a crystal and its cap."""
    radius = body.radius_nm + (body.cap.thickness_nm if body.cap is not None else 0.0)
    return radius * float(np.linalg.eigvalsh(body.stretch_matrix).max())


def _add_body(
    pyvista: Any,
    plotter: Any,
    shape: tuple[FloatArray, np.ndarray],
    colour: str,
    rotation: FloatArray,
) -> None:
    points, triangles = shape
    surface = triangle_mesh(pyvista, points @ rotation.T, triangles)
    plotter.add_mesh(
        surface, color=colour, smooth_shading=True, split_sharp_edges=True, ambient=0.4, diffuse=0.6
    )


def _grains_apart(pyvista: Any, cell: PeriodicCell, colours: Sequence[str], path: Path) -> None:
    """Whole grains moved apart, each cut through its middle; crystals that it meets stay whole."""
    bodies = cell_bodies(cell)
    centres = grain_centres(bodies)
    middle = np.mean(list(centres.values()), axis=0)
    index = {name: number for number, name in enumerate(cell.phase_names)}
    parts: list[tuple[Any, int, bool]] = []
    for body in bodies:
        if body.phase not in (index[INTERFACE], index[GRAIN]):
            continue
        points, triangles = body.points, body.triangles
        if body.phase == index[GRAIN]:
            # Without the holes of its crystals: those that the cut meets are drawn whole, and VTK
            # does not always fill a section with many holes.
            points, triangles, _ = convex_surface(points)
        half = _closed_half(pyvista, points, triangles, centres[body.grain])
        half.points = np.asarray(half.points) + _APART * (centres[body.grain] - middle)
        parts.append((half, body.phase, False))
    for crystal in cell.inclusions:
        centre = cell.rotation @ np.array(crystal.centre_nm)
        step = _APART * (centres[crystal.grain] - middle)
        if (centre - centres[crystal.grain]) @ TOWARDS_CAMERA > _reach(crystal):
            continue
        shapes = [(crystal_surface(crystal), index[NANOCRYSTAL])]
        if crystal.cap is not None:
            shapes.append((cap_surface(crystal), index[SC_RICH]))
        for (points, triangles, _), phase in shapes:
            surface = triangle_mesh(pyvista, points @ cell.rotation.T + step, triangles)
            parts.append((surface, phase, True))
    clouds = [np.asarray(part.points) for part, _, _ in parts]
    frame = Frame.around([np.concatenate(clouds)], _BOTTOM_SHARE)
    plotter = pyvista.Plotter(off_screen=True, window_size=frame.size_px)
    for part, phase, smooth in parts:
        plotter.add_mesh(
            part,
            color=colours[phase],
            smooth_shading=smooth,
            split_sharp_edges=smooth,
            ambient=0.45,
            diffuse=0.6,
        )
    frame.shoot(plotter, box_middle(np.concatenate(clouds)), path)


def _closed_half(
    pyvista: Any, points: FloatArray, triangles: np.ndarray, centre: FloatArray
) -> Any:
    """The part of a body behind the plane through a centre, its section filled."""
    surface = triangle_mesh(pyvista, points, triangles).clean()
    return surface.clip_closed_surface(normal=tuple(-TOWARDS_CAMERA), origin=tuple(centre))
