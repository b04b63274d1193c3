"""Figures of a mesh: how good its elements are, and where the worst of them lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.plane_quality import PlaneQualityFloor, triangle_shapes
from ngcfem.mesh.quality import QualityFloor, tetrahedron_shapes
from ngcfem.quantities import FloatArray
from ngcfem.report.colours import MEASURED, phase_colours
from ngcfem.report.figures import new_figure, png, styled

_WORST = 12


@dataclass(frozen=True)
class WorstElement:
    """One of the worst elements of a mesh.

    Parameters
    ----------
    number : int
        Row of the element.
    phase : str
        Phase.
    grain : int
        Grain.
    centre_nm : tuple of float
        Centre.
    gamma : float
        3 r_in / r_circ, of a triangle 2 r_in / r_circ.
    minimum_angle_deg : float
        Smallest dihedral angle; of a triangle, smallest angle.
    """

    number: int
    phase: str
    grain: int
    centre_nm: tuple[float, ...]
    gamma: float
    minimum_angle_deg: float


@dataclass(frozen=True, eq=False)
class _Shapes:
    """Measures of tetrahedra or triangles, with their names and floors."""

    gamma: FloatArray
    angle: FloatArray
    size: FloatArray
    gamma_name: str
    angle_name: str
    size_name: str
    angle_floor: float
    gamma_floor: float | None

    @classmethod
    def of(cls, mesh: PeriodicMesh) -> "_Shapes":
        corners = mesh.points[mesh.cells[:, : mesh.dimension + 1]]
        if mesh.dimension == 2:
            plane = triangle_shapes(corners)
            return cls(
                plane.gamma,
                plane.minimum_angle_deg,
                np.sqrt(4.0 / np.sqrt(3.0) * np.abs(plane.area)),
                "gamma = 2 r_in / r_circ [-]",
                "smallest angle [degrees]",
                "edge of the regular triangle of equal area [nm]",
                PlaneQualityFloor().minimum_angle_deg,
                None,
            )
        shapes = tetrahedron_shapes(corners)
        floor = QualityFloor()
        return cls(
            shapes.gamma,
            shapes.minimum_dihedral_angle_deg,
            np.cbrt(6.0 * np.sqrt(2.0) * np.abs(shapes.volume)),
            "gamma = 3 r_in / r_circ [-]",
            "smallest dihedral angle [degrees]",
            "edge of the regular tetrahedron of equal volume [nm]",
            floor.minimum_dihedral_angle_deg,
            floor.minimum_gamma,
        )


def worst_elements(mesh: PeriodicMesh, number: int = _WORST) -> tuple[WorstElement, ...]:
    """Find the elements with the smallest angles.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    number : int
        How many.

    Returns
    -------
    tuple of WorstElement
        The worst first.
    """
    shapes = _Shapes.of(mesh)
    corners = mesh.points[mesh.cells[:, : mesh.dimension + 1]]
    found = [
        WorstElement(
            row,
            mesh.phase_names[mesh.phase[row]],
            int(mesh.grain[row]),
            tuple(corners[row].mean(axis=0).tolist()),
            float(shapes.gamma[row]),
            float(shapes.angle[row]),
        )
        for row in np.argsort(shapes.angle, kind="stable")[:number].tolist()
    ]
    return tuple(found)


def draw_mesh_quality(mesh: PeriodicMesh) -> bytes:
    """Draw the distribution of quality and size by phase, and where the worst elements lie.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.

    Returns
    -------
    bytes
        PNG; lines show below what a mesh is refused.
    """
    shapes = _Shapes.of(mesh)
    colours = phase_colours(mesh.phase_names)
    by_phase = [mesh.phase == phase for phase in range(len(mesh.phase_names))]
    with styled():
        figure = new_figure(10.2, 7.2)
        ((gamma, angle), (size, place)) = figure.subplots(2, 2)
        for axes, values, name in (
            (gamma, shapes.gamma, shapes.gamma_name),
            (angle, shapes.angle, shapes.angle_name),
            (size, shapes.size, shapes.size_name),
        ):
            _draw_histogram(axes, values, by_phase, colours, name)
        if shapes.gamma_floor is not None:
            gamma.axvline(shapes.gamma_floor, color=MEASURED, linewidth=1.4)
        angle.axvline(
            shapes.angle_floor, color=MEASURED, linewidth=1.4, label="floor: refused below"
        )
        for axes in (gamma, angle, size):
            axes.set_yscale("log")
            axes.set_ylim(bottom=0.7)
            axes.set_ylabel("elements")
            # Room above for the legend.
            axes.set_ylim(top=3.0 * axes.get_ylim()[1])
        for axes in (gamma, angle):
            axes.set_xlim(left=0.0)
        angle.legend(loc="upper right")
        _draw_worst(place, mesh, worst_elements(mesh), colours)
        handles = [
            gamma.plot([], [], marker="s", linestyle="none", color=colours[name])[0]
            for name in mesh.phase_names
        ]
        names = [name.replace("_", "-") for name in mesh.phase_names]
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        return png(figure)


def _draw_histogram(
    axes: Any,
    values: FloatArray,
    by_phase: Sequence[Any],
    colours: Mapping[str, str],
    label: str,
) -> None:
    edges = np.linspace(values.min(), values.max(), 61)
    for rows, colour in zip(by_phase, colours.values(), strict=True):
        counts, _ = np.histogram(values[rows], edges)
        axes.stairs(counts, edges, color=colour, linewidth=1.3)
        axes.stairs(counts, edges, color=colour, fill=True, alpha=0.15)
    axes.set_xlabel(label)


def _draw_worst(
    axes: Any, mesh: PeriodicMesh, worst: Sequence[WorstElement], colours: Mapping[str, str]
) -> None:
    points = mesh.points[np.unique(mesh.cells[:, : mesh.dimension + 1])]
    step = max(1, len(points) // 8000)
    up = mesh.dimension - 1  # z in space, y in the plane
    axes.plot(points[::step, 0], points[::step, up], ".", markersize=1.2, color="#d1d5db", zorder=1)
    for element in worst:
        axes.plot(
            [element.centre_nm[0]],
            [element.centre_nm[up]],
            "o",
            markersize=6,
            color=colours[element.phase],
            markeredgecolor="black",
            markeredgewidth=0.8,
            zorder=2,
        )
    axes.set_aspect("equal")
    axes.grid(visible=False)
    axes.set_xlabel("x [nm]")
    axes.set_ylabel(f"{'xyz'[up]} [nm]")
    first = worst[0]
    axes.set_title(
        f"{len(worst)} smallest angles, from {first.minimum_angle_deg:.1f} degrees",
        loc="left",
    )
