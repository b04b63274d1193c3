"""Surfaces of an atom probe specimen for pictures and the view: isosurfaces, regions, outline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ngcfem.atomprobe.composition_field import CompositionField
from ngcfem.atomprobe.isosurfaces import Isosurface, isosurface, specimen_outline
from ngcfem.quantities import INTERFACE, NANOCRYSTAL, FloatArray, IntArray
from ngcfem.report.bodies import Body
from ngcfem.report.colours import phase_colours

OUTLINE_OPACITY = 0.12
_OUTLINE = "#94a3b8"
_MOST_TRIANGLES = 300_000


@dataclass(frozen=True, eq=False)
class DrawnSurface:
    """A surface with its name and colour.

    Parameters
    ----------
    name : str
        What it encloses.
    colour : str
        Hexadecimal ``#rrggbb``.
    vertices_nm : ndarray, shape (n, 3)
        Corners of the triangles.
    triangles : ndarray of int, shape (m, 3)
        Corners of each, counterclockwise seen from outside.
    opacity : float
        From 0, glass, to 1.
    """

    name: str
    colour: str
    vertices_nm: FloatArray
    triangles: IntArray
    opacity: float = 1.0

    @classmethod
    def of(cls, surface: Isosurface, colour: str, opacity: float = 1.0) -> Self:
        """Give an isosurface its colour.

        Parameters
        ----------
        surface : Isosurface
            The surface.
        colour : str
            Hexadecimal ``#rrggbb``.
        opacity : float
            From 0, glass, to 1.

        Returns
        -------
        DrawnSurface
            The surface.
        """
        return cls(surface.name, colour, surface.vertices_nm, surface.triangles, opacity)


def drawn_isosurfaces(
    field: CompositionField, surfaces: Sequence[Isosurface]
) -> tuple[DrawnSurface, ...]:
    """Colour isosurfaces, and put the outline of the specimen around them.

    Parameters
    ----------
    field : CompositionField
        The composition.
    surfaces : sequence of Isosurface
        Closed surfaces of the field.

    Returns
    -------
    tuple of DrawnSurface
        The surfaces that have triangles, the outline last. One of too many triangles for a page is
        found anew on voxels joined two by two along each axis.
    """
    named = phase_colours([INTERFACE, NANOCRYSTAL, *(surface.name for surface in surfaces)])
    side_colour = {"above": named[INTERFACE], "below": named[NANOCRYSTAL]}
    used: set[str] = set()
    drawn = []
    for surface in surfaces:
        if not len(surface.triangles):
            continue
        colour = side_colour[surface.side]
        if colour in used:
            colour = named[surface.name]
        used.add(colour)
        drawn.append(DrawnSurface.of(_light_enough(field, surface), colour))
    outline = specimen_outline(field)
    coarse = field
    while len(outline.triangles) > _MOST_TRIANGLES // 8 and min(coarse.grid.shape) > 16:
        coarse = coarse.coarser(2)
        outline = specimen_outline(coarse)
    if len(outline.triangles):
        drawn.append(DrawnSurface.of(outline, _OUTLINE, OUTLINE_OPACITY))
    return tuple(drawn)


def _light_enough(field: CompositionField, surface: Isosurface) -> Isosurface:
    # Larger voxels take some area off a part: half of the smallest tells parts from noise.
    smallest = 0.5 * float(surface.part_areas_nm2().min())
    found = surface
    while len(found.triangles) > _MOST_TRIANGLES and min(field.grid.shape) > 16:
        field = field.coarser(2)
        again = isosurface(field, surface.element, surface.threshold, surface.side)
        again = again.without_small_parts(smallest)
        if not len(again.triangles):
            break
        found = again
    return found


def bodies_of(surfaces: Sequence[DrawnSurface]) -> list[Body]:
    """Turn surfaces into what the interactive view takes.

    Parameters
    ----------
    surfaces : sequence of DrawnSurface
        The surfaces.

    Returns
    -------
    list of Body
        One each, its number as its phase, of no grain.
    """
    return [
        Body(
            number,
            -1,
            surface.vertices_nm,
            surface.triangles,
            np.ones(len(surface.triangles), dtype=bool),
        )
        for number, surface in enumerate(surfaces)
    ]
