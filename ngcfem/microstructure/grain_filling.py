"""Filling of one grain with crystals, as densely as it takes."""

from dataclasses import dataclass

import numpy as np

from ngcfem.microstructure.crystal_overlap import (
    CrystalBodies,
    crystal_bodies,
    rotations,
    separate,
)
from ngcfem.microstructure.packing_request import CrystalShapes
from ngcfem.microstructure.packing_room import FLAT_DISTANCE, Room
from ngcfem.quantities import BoolArray, FloatArray, IntArray

_OVERLAP_NM = 1e-3
_GROWTH = (0.75, 0.9)
_ITERATIONS = 80
_PLACES = 150
_WORSE = 1.1
_HOPELESS_NM2 = 0.1
_CAPPED = 0.2
_POLE = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class GrainFilling:
    """Crystals in their places in one grain.

    Parameters
    ----------
    crystals : tuple of int
        Numbers of the crystals in the request.
    centres_nm : ndarray, shape (n, 3)
        Their centres.
    quaternions : ndarray, shape (n, 4)
        Their rotations.
    walls : ndarray of int, shape (n,)
        Wall of the grain that cuts each; -1 for none.
    overlap_nm2 : float
        Sum of the squares of what overlaps.
    """

    crystals: tuple[int, ...]
    centres_nm: FloatArray
    quaternions: FloatArray
    walls: IntArray
    overlap_nm2: float

    @property
    def fits(self) -> bool:
        """Whether nothing overlaps."""
        return self.overlap_nm2 < _OVERLAP_NM**2

    @property
    def number_of_flats(self) -> int:
        """How many of the crystals are cut."""
        return int((self.walls >= 0).sum())


def empty_filling() -> GrainFilling:
    """Give the filling of a grain without crystals.

    Returns
    -------
    GrainFilling
        Nothing.
    """
    return GrainFilling((), np.zeros((0, 3)), np.zeros((0, 4)), np.zeros(0, dtype=int), 0.0)


def fill_grain(
    room: Room,
    crystals: list[int],
    shapes: CrystalShapes,
    flats: tuple[int, int],
    generator: np.random.Generator,
    starts: int = 2,
    moves: int = 12,
) -> GrainFilling:
    """Place crystals in one grain.

    Parameters
    ----------
    room : Room
        The grain.
    crystals : list of int
        Numbers of the crystals.
    shapes : CrystalShapes
        Their shapes.
    flats : tuple of int
        How many of them the network must cut at least, and may cut at most.
    generator : numpy.random.Generator
        Source of chance.
    starts : int
        Random arrangements to begin with.
    moves : int
        Crystals that are put elsewhere after each start.

    Returns
    -------
    GrainFilling
        The best that was found; ask it whether it fits.

    Notes
    -----
    1. Shrunk crystals in random places are pushed apart with walls that give way where crystals
       may be cut; those that come to lie nearest to a wall that can hold them are cut by it.
    2. They grow to their size in steps.
    3. As long as something overlaps, a crystal drawn by its overlap is put into the emptiest place
       of the grain, cut by the wall there or not, and all are pushed apart again; a move that makes
       things worse by more than a tenth is taken back. Where far too much overlaps none is made.
    """
    best = None
    for _ in range(starts):
        centres = _random_places(room, len(crystals), generator)
        quaternions = generator.normal(size=(len(crystals), 4))
        walls = np.full(len(crystals), -1)
        if flats[1] > 0:
            bodies = _bodies(room, crystals, shapes, walls).scaled(_GROWTH[0])
            request = shapes.request
            give = np.array([shapes.radius_nm(crystal, flat=False) for crystal in crystals])
            give = (1.0 - FLAT_DISTANCE) * give + request.gap_nm
            centres, quaternions, _ = separate(
                bodies, centres, quaternions, _ITERATIONS, relaxed=give
            )
            walls = _cut_walls(room, crystals, shapes, centres, flats)
            quaternions = _turned_caps(room, crystals, shapes, walls, quaternions, generator)
        for factor in _GROWTH:
            bodies = _bodies(room, crystals, shapes, walls).scaled(factor)
            centres, quaternions, _ = separate(bodies, centres, quaternions, _ITERATIONS)
        start = GrainFilling(tuple(crystals), centres, quaternions, walls, np.inf)
        found = improve_filling(room, start, shapes, flats, generator, moves)
        if best is None or found.overlap_nm2 < best.overlap_nm2:
            best = found
        if best.fits:
            break
    return empty_filling() if best is None else best


def add_crystal(
    room: Room,
    filling: GrainFilling,
    crystal: int,
    shapes: CrystalShapes,
    flats: tuple[int, int],
    generator: np.random.Generator,
    moves: int = 6,
) -> GrainFilling:
    """Put one more crystal into a grain.

    Parameters
    ----------
    room : Room
        The grain.
    filling : GrainFilling
        What it holds.
    crystal : int
        Number of the crystal.
    shapes : CrystalShapes
        Shapes of all crystals.
    flats : tuple of int
        How many crystals the network must cut at least, and may cut at most.
    generator : numpy.random.Generator
        Source of chance.
    moves : int
        Crystals that are put elsewhere to make room.

    Returns
    -------
    GrainFilling
        The best that was found; ask it whether it fits.
    """
    more = GrainFilling(
        (*filling.crystals, crystal),
        np.concatenate([filling.centres_nm, room.centre[None]]),
        np.concatenate([filling.quaternions, generator.normal(size=(1, 4))]),
        np.append(filling.walls, -1),
        np.inf,
    )
    placed = _moved(room, more, len(filling.crystals), shapes, flats, generator)
    return improve_filling(room, placed, shapes, flats, generator, moves)


def improve_filling(
    room: Room,
    filling: GrainFilling,
    shapes: CrystalShapes,
    flats: tuple[int, int],
    generator: np.random.Generator,
    moves: int,
) -> GrainFilling:
    """Remove the overlaps of a filling, by moving crystals elsewhere where pushing is not enough.

    Parameters
    ----------
    room : Room
        The grain.
    filling : GrainFilling
        Where to begin.
    shapes : CrystalShapes
        Shapes of all crystals.
    flats : tuple of int
        How many crystals the network must cut at least, and may cut at most.
    generator : numpy.random.Generator
        Source of chance.
    moves : int
        Moves at most.

    Returns
    -------
    GrainFilling
        The best that was found.
    """
    here, overlaps = _separated(room, filling, shapes)
    best = here
    for _ in range(moves):
        if best.fits or best.overlap_nm2 > _HOPELESS_NM2 * len(here.crystals):
            break
        share = overlaps + 1e-12
        chosen = int(generator.choice(len(share), p=share / share.sum()))
        tried = _moved(room, here, chosen, shapes, flats, generator)
        tried, tried_overlaps = _separated(room, tried, shapes)
        if tried.overlap_nm2 < _WORSE * here.overlap_nm2:
            here, overlaps = tried, tried_overlaps
        if here.overlap_nm2 < best.overlap_nm2:
            best = here
    return best


def _bodies(
    room: Room, crystals: list[int] | tuple[int, ...], shapes: CrystalShapes, walls: IntArray
) -> CrystalBodies:
    request, cut = shapes.request, (walls >= 0).tolist()
    return crystal_bodies(
        [shapes.covers[crystal][flat] for crystal, flat in zip(crystals, cut, strict=True)],
        np.array(
            [shapes.radius_nm(crystal, flat) for crystal, flat in zip(crystals, cut, strict=True)]
        ),
        [request.stretch(crystal) for crystal in crystals],
        [room] * len(crystals),
        walls,
        request.gap_nm,
        request.margin_nm,
    )


def _separated(
    room: Room, filling: GrainFilling, shapes: CrystalShapes
) -> tuple[GrainFilling, FloatArray]:
    if not filling.crystals:
        return empty_filling(), np.zeros(0)
    bodies = _bodies(room, filling.crystals, shapes, filling.walls)
    centres, quaternions, overlaps = separate(
        bodies, filling.centres_nm, filling.quaternions, _ITERATIONS
    )
    return (
        GrainFilling(filling.crystals, centres, quaternions, filling.walls, float(overlaps.sum())),
        overlaps,
    )


def _random_places(room: Room, number: int, generator: np.random.Generator) -> FloatArray:
    """Points of a room, evenly by volume."""
    low, high = room.lowest, room.highest
    places = np.zeros((0, 3))
    while len(places) < number:
        tried = generator.uniform(low, high, (4 * number + 20, 3))
        inside = (tried @ room.normals.T - room.offsets).max(axis=1) < 0.0
        places = np.concatenate([places, tried[inside]])
    return places[:number]


def _holding_walls(room: Room, crystal: int, shapes: CrystalShapes) -> BoolArray:
    """Walls that can cut a crystal flat."""
    radius = shapes.radius_nm(crystal, flat=True)
    stretch = shapes.request.stretch(crystal)
    largest = 1.0 if stretch is None else float(np.linalg.eigvalsh(stretch)[-1])
    return room.flat_radius_nm > radius * largest


def _cut_walls(
    room: Room,
    crystals: list[int],
    shapes: CrystalShapes,
    centres: FloatArray,
    flats: tuple[int, int],
) -> IntArray:
    """Choose the crystals that are cut: those nearest to a wall that can hold them."""
    request = shapes.request
    walls = np.full(len(crystals), -1)
    nearest = np.full(len(crystals), np.inf)
    for row, crystal in enumerate(crystals):
        holding = _holding_walls(room, crystal, shapes)
        if not holding.any():
            continue
        distance = np.where(holding, room.offsets - room.normals @ centres[row], np.inf)
        radius = shapes.radius_nm(crystal, flat=False)
        walls[row] = int(np.argmin(distance))
        nearest[row] = distance[walls[row]] - radius
        # half-way between cut and clear of the wall
        nearest[row] -= 0.5 * (request.gap_nm - (1.0 - FLAT_DISTANCE) * radius)
        if request.capped[crystal]:  # its cap can only face inwards
            nearest[row] += _CAPPED * radius
    order = np.argsort(nearest, kind="stable")
    wanted = min(max(flats[0], int((nearest < 0.0).sum())), flats[1])
    kept = order[:wanted]
    cut = np.full(len(crystals), -1)
    cut[kept] = walls[kept]
    return cut


def _turned_caps(
    room: Room,
    crystals: list[int] | tuple[int, ...],
    shapes: CrystalShapes,
    walls: IntArray,
    quaternions: FloatArray,
    generator: np.random.Generator,
) -> FloatArray:
    """Turn the caps of crystals that are cut to the other side."""
    turned = quaternions.copy()
    for row, crystal in enumerate(crystals):
        if walls[row] >= 0 and shapes.request.capped[crystal]:
            axis = -room.normals[walls[row]] + 0.4 * generator.normal(size=3)
            turned[row] = _quaternion_to(axis / np.linalg.norm(axis))
    return turned


def _quaternion_to(axis: FloatArray) -> FloatArray:
    """Quaternion of a rotation that takes the z axis to a unit vector."""
    half = np.array([1.0 + axis[2], -axis[1], axis[0], 0.0])
    return half if half @ half > 1e-12 else np.array([0.0, 1.0, 0.0, 0.0])


def _moved(
    room: Room,
    filling: GrainFilling,
    chosen: int,
    shapes: CrystalShapes,
    flats: tuple[int, int],
    generator: np.random.Generator,
) -> GrainFilling:
    """Put one crystal of a filling into the emptiest place, cut by the wall there or not."""
    request, crystal = shapes.request, filling.crystals[chosen]
    others = np.arange(len(filling.crystals)) != chosen
    numbers = np.array(filling.crystals)[others]
    outer = request.radii_nm[numbers]
    outer = outer + np.where(request.capped[numbers], 0.5 * request.cap_thickness_nm, 0.0)
    cut = int((filling.walls[others] >= 0).sum())
    radius = shapes.radius_nm(crystal, flat=False)
    places = _random_places(room, _PLACES, generator)
    depth = room.offsets - places @ room.normals.T
    # the room that a crystal has at each place: whole, and cut by the nearest wall that can
    whole = depth.min(axis=1)
    wall = np.full(_PLACES, -1)
    if cut < flats[1]:
        holding = _holding_walls(room, crystal, shapes)
        if holding.any():
            best = np.argmin(np.where(holding, depth, np.inf), axis=1)
            nearest = depth[np.arange(_PLACES), best]
            rest = depth.copy()
            rest[np.arange(_PLACES), best] = np.inf
            near = nearest < 0.5 * (radius + request.gap_nm + FLAT_DISTANCE * radius)
            whole = np.where(near, rest.min(axis=1), whole)
            wall[near] = best[near]
    if cut < flats[0] and (wall >= 0).any():
        whole = np.where(wall >= 0, whole, -np.inf)
    clear = whole
    if others.any():
        apart = np.linalg.norm(places[:, None] - filling.centres_nm[others][None], axis=2)
        clear = np.minimum(whole, (apart - outer).min(axis=1))
    place = int(np.argmax(clear))
    centres, walls = filling.centres_nm.copy(), filling.walls.copy()
    quaternions = filling.quaternions.copy()
    centres[chosen], walls[chosen] = places[place], wall[place]
    quaternions[chosen] = generator.normal(size=4)
    one = _turned_caps(
        room,
        filling.crystals[chosen : chosen + 1],
        shapes,
        walls[chosen : chosen + 1],
        quaternions[chosen : chosen + 1],
        generator,
    )
    quaternions[chosen] = one[0]
    return GrainFilling(filling.crystals, centres, quaternions, walls, np.inf)


def cap_axes(filling: GrainFilling) -> FloatArray:
    """Axes of the caps of a filling.

    Parameters
    ----------
    filling : GrainFilling
        The filling.

    Returns
    -------
    ndarray, shape (n, 3)
        Unit vectors, also for crystals without a cap.
    """
    return rotations(filling.quaternions) @ _POLE
