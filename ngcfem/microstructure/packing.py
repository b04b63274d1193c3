"""Packing of crystals, some with a cap of the Sc-rich phase, into the grains."""

from dataclasses import replace

import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.microstructure.cell import Cap, Flat, Inclusion
from ngcfem.microstructure.crystal_clearance import smallest_clearance_nm
from ngcfem.microstructure.crystal_spacing import adjust_spacing
from ngcfem.microstructure.dense_packing import pack_densely
from ngcfem.microstructure.grain_filling import (
    GrainFilling,
    cap_axes,
    fill_grain,
    improve_filling,
)
from ngcfem.microstructure.packing_request import (
    CrystalShapes,
    PackingRequest,
    crystal_shapes,
)
from ngcfem.microstructure.packing_room import FLAT_DISTANCE, Room, room_of
from ngcfem.microstructure.sparse_packing import pack_sparsely
from ngcfem.microstructure.tessellation import LaguerreCell
from ngcfem.quantities import FloatArray

CLEARANCE = 0.7
"""Share of the gap asked for that caps and ellipsoids truly keep; spheres keep all of it."""

_TIGHTENINGS = 6
_KEPT = 3
_MOVES = 6
_REPACKINGS = 2


def pack_crystals(
    cells: tuple[LaguerreCell, ...], request: PackingRequest, generator: np.random.Generator
) -> tuple[Inclusion, ...]:
    """Place all crystals inside the grains.

    Parameters
    ----------
    cells : tuple of LaguerreCell
        The grains.
    request : PackingRequest
        Sizes, shapes, caps and gaps.
    generator : numpy.random.Generator
        Source of positions and cap directions.

    Returns
    -------
    tuple of Inclusion
        Crystals ordered by grain, each of exactly the volume asked for.

    Raises
    ------
    RefusedError
        If they do not all fit; it tells how much was asked for and how much did.

    Notes
    -----
    Few spheres are placed one grain at a time from random starts (`sparse_packing`). More of them,
    ellipsoids, and crystals of which a share is to touch the network, go through `dense_packing`,
    which lets the network cut crystals flat. There the gaps are measured again on the surfaces
    themselves; a grain in which caps or ellipsoids keep less than ``CLEARANCE`` of the gap, as the
    balls they are packed by leave out their edges, is packed again with a larger gap. Where one
    grain cannot be, all are filled anew with a gap larger by what is missing, twice at most.
    """
    plain = request.stretches is None and request.contact_share is None
    if plain and request.nearest_neighbour_nm is None:
        places = pack_sparsely(cells, request, generator)
        if places is not None:
            return tuple(
                _sphere(grain, crystal, centre, axis, request)
                for grain, (crystals, centres, axes) in enumerate(places)
                for crystal, centre, axis in zip(crystals, centres, axes, strict=True)
            )
    return _packed_densely(cells, request, request.gap_nm, generator, _REPACKINGS)


def _packed_densely(
    cells: tuple[LaguerreCell, ...],
    request: PackingRequest,
    asked_gap_nm: float,
    generator: np.random.Generator,
    repackings: int,
) -> tuple[Inclusion, ...]:
    shapes = crystal_shapes(request)
    rooms = [room_of(cell, request.inset_nm, request.gap_nm, request.margin_nm) for cell in cells]
    fillings, left_over = pack_densely(rooms, shapes, generator)
    if left_over:
        volume = sum(cell.volume_nm3 for cell in cells)
        raise _too_many(request, asked_gap_nm, left_over, volume)
    fillings = adjust_spacing(rooms, fillings, shapes)
    try:
        return tuple(
            inclusion
            for grain, (room, filling) in enumerate(zip(rooms, fillings, strict=True))
            for inclusion in _cleared(grain, room, filling, shapes, generator, asked_gap_nm)
        )
    except _TooNearError as refusal:
        if not repackings:
            raise
        wider = replace(
            request, gap_nm=request.gap_nm + refusal.missing_nm, flat_margin_nm=request.margin_nm
        )
    return _packed_densely(cells, wider, asked_gap_nm, generator, repackings - 1)


class _TooNearError(RefusedError):
    """Crystals of a grain that cannot be parted there."""

    def __init__(self, message: str, missing_nm: float) -> None:
        super().__init__(message)
        self.missing_nm = missing_nm


def _too_many(
    request: PackingRequest, asked_gap_nm: float, left_over: list[int], volume_nm3: float
) -> RefusedError:
    lost = float((4.0 / 3.0 * np.pi * request.radii_nm[left_over] ** 3).sum())
    asked, reached = request.volume_nm3 / volume_nm3, (request.volume_nm3 - lost) / volume_nm3
    touching = "" if request.contact_share is None else ", the share on the network"
    return RefusedError(
        f"{len(request.radii_nm)} crystals that take up {asked:.3f} of the cell do not all fit: "
        f"this seed reached {reached:.3f}, without {len(left_over)} of them, at gaps of "
        f"{asked_gap_nm:g} nm and with caps on {request.capped.sum()}. Lower the crystal "
        f"fraction to that, the gap (crystal_gap_nm), the caps{touching} or the thickness of the "
        "network, or use larger or more grains, or another seed."
    )


def _cap(crystal: int, axis: FloatArray, request: PackingRequest) -> Cap | None:
    if not request.capped[crystal]:
        return None
    return Cap(
        axis=(float(axis[0]), float(axis[1]), float(axis[2])),
        half_angle_deg=request.cap_half_angle_deg,
        thickness_nm=request.cap_thickness_nm,
    )


def _sphere(
    grain: int, crystal: int, centre: FloatArray, axis: FloatArray, request: PackingRequest
) -> Inclusion:
    return Inclusion(
        centre_nm=(float(centre[0]), float(centre[1]), float(centre[2])),
        radius_nm=float(request.radii_nm[crystal]),
        grain=grain,
        cap=_cap(crystal, axis, request),
    )


def _inclusions(
    grain: int, room: Room, filling: GrainFilling, shapes: CrystalShapes
) -> list[Inclusion]:
    request, found = shapes.request, []
    axes = cap_axes(filling)
    for row, crystal in enumerate(filling.crystals):
        wall = int(filling.walls[row])
        centre, radius = filling.centres_nm[row], shapes.radius_nm(crystal, wall >= 0)
        stretch = request.stretch(crystal)
        axis = axes[row] if request.cap_axes is None else request.cap_axes[crystal]
        flat = None
        if wall >= 0:
            normal = room.normals[wall]
            slope = normal if stretch is None else stretch @ normal
            distance = FLAT_DISTANCE * radius * float(np.linalg.norm(slope))
            # exactly there, so that the volume is exact: it is less than the tolerance away
            centre = centre + (room.offsets[wall] - normal @ centre - distance) * normal
            flat = Flat((float(normal[0]), float(normal[1]), float(normal[2])), distance)
        body = _sphere(grain, crystal, centre, axis, request)
        rows = None
        if stretch is not None:
            rows = tuple(tuple(float(entry) for entry in line) for line in stretch)
        found.append(replace(body, radius_nm=radius, stretch=rows, flat=flat))
    return found


def _cleared(
    grain: int,
    room: Room,
    filling: GrainFilling,
    shapes: CrystalShapes,
    generator: np.random.Generator,
    gap_nm: float,
) -> list[Inclusion]:
    """Inclusions of a grain whose true gaps are large enough."""
    wanted = CLEARANCE * gap_nm
    tightened, flats = shapes, (filling.number_of_flats, filling.number_of_flats)
    found = _inclusions(grain, room, filling, shapes)
    clearance = first = smallest_clearance_nm(found, room.normals, room.offsets)
    for trial in range(_TIGHTENINGS):
        if clearance >= wanted:
            return found
        request = tightened.request
        # the first tries keep the arrangement, the others look for a new one
        if filling.fits:
            gap = request.gap_nm + wanted - clearance + 0.01
            request = replace(request, gap_nm=gap, flat_margin_nm=request.margin_nm)
            tightened = replace(tightened, request=request)
        if trial < _KEPT:
            filling = improve_filling(room, filling, tightened, flats, generator, _MOVES)
        else:
            crystals = list(filling.crystals)
            filling = fill_grain(room, crystals, tightened, flats, generator)
        if filling.fits:
            found = _inclusions(grain, room, filling, tightened)
            clearance = smallest_clearance_nm(found, room.normals, room.offsets)
    if clearance >= wanted:
        return found
    raise _TooNearError(
        f"the crystals of grain {grain} come within {first:.3g} nm of each other or of the "
        f"network, instead of {gap_nm:g} nm: there is no room to part them. Lower "
        "the crystal fraction, the caps or the gap (crystal_gap_nm), or use another seed.",
        max(wanted - first, 0.02),
    )
