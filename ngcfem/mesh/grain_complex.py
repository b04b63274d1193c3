"""All surfaces of one grain, with the network around it and the crystals in it, as triangles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ngcfem.mesh.crystal_surface import CrystalSurface, crystal_surface, with_exact_volumes
from ngcfem.mesh.element_sizes import ElementSizes
from ngcfem.mesh.polygon_surface import MeshedDisc, grain_surface
from ngcfem.microstructure.cell import Inclusion
from ngcfem.microstructure.tessellation import LaguerreCell
from ngcfem.quantities import GRAIN, INTERFACE, NANOCRYSTAL, SC_RICH, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class GrainRequest:
    """One grain to be filled.

    Parameters
    ----------
    number : int
        Number of the grain.
    phase_names : tuple of str
        Phases of the cell.
    grain : LaguerreCell
        The grain with half of the network.
    inset_nm : float
        Half the thickness of the network.
    merge_nm : float
        Length up to which edges of the polyhedron collapse.
    inclusions : tuple of Inclusion
        Crystals in the grain.
    sizes : ElementSizes
        Edge lengths asked for.
    outer_points : ndarray, shape (n, 3)
        Nodes of the outer surface, in the middle of the network.
    outer_triangles : ndarray of int, shape (m, 3)
        The outer surface, normals outwards.
    """

    number: int
    phase_names: tuple[str, ...]
    grain: LaguerreCell
    inset_nm: float
    merge_nm: float
    inclusions: tuple[Inclusion, ...]
    sizes: ElementSizes
    outer_points: FloatArray
    outer_triangles: IntArray


@dataclass(frozen=True, eq=False)
class GrainComplex:
    """Closed surfaces that share nodes, and the volumes between them.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Nodes in nm; those of the outer surface come first.
    surfaces : tuple of ndarray of int, shape (m, 3)
        Triangles.
    volumes : tuple of (str, tuple of tuple of int)
        Phase of each volume and its shells, each a set of surfaces: the outer one, then holes.
    """

    points: FloatArray
    surfaces: tuple[IntArray, ...]
    volumes: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]


def is_closed(triangles: IntArray) -> bool:
    """Whether every edge of an oriented surface is met by its reverse, and once.

    Parameters
    ----------
    triangles : ndarray of int, shape (m, 3)
        Vertex numbers.

    Returns
    -------
    bool
        True for a closed surface.
    """
    start, end = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    number = int(triangles.max()) + 1
    forward = np.sort(start * number + end)
    return bool(
        np.all(forward[1:] != forward[:-1])
        and np.array_equal(forward, np.sort(end * number + start))
    )


def grain_complex(
    request: GrainRequest, size_factor: float, merge_factor: float, spin: int
) -> GrainComplex:
    """Triangulate all surfaces of a grain, in the current Gmsh session.

    Parameters
    ----------
    request : GrainRequest
        The grain.
    size_factor : float
        Factor on the edge lengths of the inner surfaces.
    merge_factor : float
        Factor on the length up to which edges of the grain collapse.
    spin : int
        Seed of the turns of the crystal surfaces.

    Returns
    -------
    GrainComplex
        Surfaces and volumes.

    Raises
    ------
    RuntimeError
        If the surfaces cannot be made.

    Notes
    -----
    A crystal that touches the network lies on a face of the grain with a disc: the disc bounds
    crystal and network, and the face is triangulated around it with the same nodes.
    """
    sizes = request.sizes.scaled(size_factor)
    crystals = [
        crystal_surface(inclusion, sizes.crystal_surface_nm, spin)
        for inclusion in request.inclusions
    ]
    flats = [number for number, crystal in enumerate(crystals) if len(crystal.disc)]
    points, facets, disc_rows = grain_surface(
        request.grain,
        request.inset_nm,
        merge_factor * request.merge_nm,
        sizes.interface_nm,
        [_disc(crystals[number]) for number in flats],
    )
    first = len(request.outer_points)
    nodes = [request.outer_points, points]
    count = first + len(points)
    placed: list[tuple[CrystalSurface, IntArray]] = []
    for number, (inclusion, crystal) in enumerate(zip(request.inclusions, crystals, strict=True)):
        row = np.full(len(crystal.points), -1, dtype=np.int64)
        moved = crystal
        if number in flats:
            rows = disc_rows[flats.index(number)]
            moved = with_exact_volumes(inclusion, crystal, points[rows])
            row[np.unique(crystal.disc)] = first + rows
        own = row < 0
        row[own] = count + np.arange(own.sum())
        count += int(own.sum())
        nodes.append(moved.points[own])
        placed.append((moved, row))
    surfaces, volumes = _volumes(
        request.outer_triangles, facets + first, placed, request.inclusions
    )
    if not is_closed(np.concatenate([facets + first, *_discs(placed)])):
        raise RuntimeError("the surface of the grain does not close after short edges were merged")
    return GrainComplex(np.concatenate(nodes), tuple(surfaces), tuple(volumes))


def _disc(crystal: CrystalSurface) -> MeshedDisc:
    nodes = np.unique(crystal.disc)
    return MeshedDisc(
        crystal.points[nodes],
        np.searchsorted(nodes, crystal.disc),
        np.searchsorted(nodes, crystal.disc_rim),
    )


def _discs(placed: Sequence[tuple[CrystalSurface, IntArray]]) -> list[IntArray]:
    return [row[crystal.disc] for crystal, row in placed]


def _volumes(
    outer: IntArray,
    facets: IntArray,
    placed: Sequence[tuple[CrystalSurface, IntArray]],
    inclusions: Sequence[Inclusion],
) -> tuple[list[IntArray], list[tuple[str, tuple[tuple[int, ...], ...]]]]:
    """Number the surfaces, and say which of them bound which volume."""
    surfaces = [outer, facets]
    volumes: list[tuple[str, tuple[tuple[int, ...], ...]]] = []
    grain_shell, network_shell = [1], [1]
    holes: list[tuple[int, ...]] = []
    for (crystal, row), inclusion in zip(placed, inclusions, strict=True):
        shell, towards_grain = [], []
        for part in (crystal.bare, crystal.under_cap, crystal.disc):
            if len(part):
                shell.append(len(surfaces))
                surfaces.append(row[part])
        bare, disc = shell[0], shell[-1]
        towards_grain = [bare]
        if inclusion.cap is not None:
            towards_grain.append(len(surfaces))
            volumes.append((SC_RICH, ((shell[1], len(surfaces)),)))
            surfaces.append(row[crystal.over_cap])
        volumes.append((NANOCRYSTAL, (tuple(shell),)))
        if inclusion.flat is not None:
            grain_shell += towards_grain
            network_shell.append(disc)
        else:
            holes.append(tuple(towards_grain))
    volumes.append((GRAIN, (tuple(grain_shell), *holes)))
    volumes.append((INTERFACE, ((0,), tuple(network_shell))))
    return surfaces, volumes
