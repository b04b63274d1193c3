"""Dense packing of crystals into grains: dealing, filling, and exchange between the grains."""

import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.microstructure.grain_filling import (
    GrainFilling,
    add_crystal,
    empty_filling,
    fill_grain,
    improve_filling,
)
from ngcfem.microstructure.packing_request import CrystalShapes
from ngcfem.microstructure.packing_room import FLAT_DISTANCE, FLAT_GROWTH, Room
from ngcfem.quantities import FloatArray, IntArray

_LOADS = (0.8, 0.6)
_FEW = 3
_WALL_LOSS = (1.4, 0.7)
_CHANCE = 0.05
_FULL = 0.8
_ROUNDS = 3
_REFUSALS = (2, 1)
_HOPELESS = 0.25


def pack_densely(
    rooms: list[Room], shapes: CrystalShapes, generator: np.random.Generator
) -> tuple[list[GrainFilling], list[int]]:
    """Place crystals in the grains, cut flat by the network where that makes room.

    Parameters
    ----------
    rooms : list of Room
        The grains.
    shapes : CrystalShapes
        The crystals.
    generator : numpy.random.Generator
        Source of chance.

    Returns
    -------
    fillings : list of GrainFilling
        What each grain holds, without overlaps.
    left_over : list of int
        Crystals for which no place was found.

    Raises
    ------
    RefusedError
        If a crystal is larger than any grain.

    Notes
    -----
    1. From the largest on, every crystal is dealt to the grain that it leaves emptiest for its
       capacity, the cube of the edge V^(1/3) less the loss at the walls; what would fill 0.8 of
       it, more than any grain was found to take, waits for the end.
    2. Every grain is filled on its own; one that cannot hold what it was dealt gives up one of its
       two smallest crystals until it can.
    3. Crystals given up are tried in the emptiest grains. A grain that refused a load is not
       offered as much again in the same round, and nothing more after it refused twice, so that
       the cost of a grain does not grow with their number. In the second of three rounds grains
       are filled anew. If more than a quarter of all is given up, it ends there.
    """
    quotas = _quotas(rooms, shapes, generator)
    members, left_over = _dealt(rooms, shapes, generator)
    fillings: list[GrainFilling] = []
    for room, inside, quota in zip(rooms, members, quotas, strict=True):
        filling, given_up = _filled(room, inside, shapes, quota, generator)
        fillings.append(filling)
        left_over += given_up
    capacities = _capacities(rooms, shapes, flats=True)
    for round_number in range(_ROUNDS):
        lost = float(shapes.loads_nm3[left_over].sum())
        if not left_over or lost > _HOPELESS * shapes.loads_nm3.sum():
            break
        waiting = sorted(left_over, key=lambda crystal: -shapes.loads_nm3[crystal])
        left_over = []
        limits = np.full(len(rooms), np.inf)
        refusals = np.zeros(len(rooms), dtype=int)
        for crystal in waiting:
            if not _placed(
                crystal, rooms, fillings, shapes, capacities, limits, refusals, quotas, generator,
                anew=round_number % 2 == 1,
            ):  # fmt: skip
                left_over.append(crystal)
    return fillings, left_over


def room_capacities(volumes_nm3: FloatArray, mean_radius_nm: float, flats: bool) -> FloatArray:
    """Estimate the volume of grains that counts for crystals.

    Parameters
    ----------
    volumes_nm3 : ndarray, shape (n,)
        Volumes of the grains without the network.
    mean_radius_nm : float
        Mean radius of the crystals.
    flats : bool
        Whether the network may cut them.

    Returns
    -------
    ndarray, shape (n,)
        Cube of the edge V^(1/3) less what is lost at the walls, in nm^3.

    Notes
    -----
    The loss, 1.4 radii or 0.7 with flats, is fitted to the most crystals (3 nm, spread 0.2, gap
    0.3 nm, no caps) that single grains of 7 to 15 nm took: with it their loads, half of the gap
    around them included, were 0.90 to 0.94 or 0.71 to 0.77 of the capacity in all of these.
    """
    loss = _WALL_LOSS[flats] * mean_radius_nm
    return np.maximum(volumes_nm3 ** (1.0 / 3.0) - loss, 1e-3) ** 3


def _capacities(rooms: list[Room], shapes: CrystalShapes, flats: bool) -> FloatArray:
    radii = shapes.request.radii_nm
    mean = float(radii.mean()) if len(radii) else 0.0
    return room_capacities(np.array([room.volume_nm3 for room in rooms]), mean, flats)


def _quotas(
    rooms: list[Room], shapes: CrystalShapes, generator: np.random.Generator
) -> list[int | None]:
    """Share a number of flats out over the grains by what their walls can hold."""
    request = shapes.request
    if request.contact_share is None:
        return [None] * len(rooms)
    radius = float(np.median(request.radii_nm)) * FLAT_GROWTH if len(request.radii_nm) else 0.0
    holding = np.array([(room.flat_radius_nm > radius).sum() for room in rooms], dtype=float)
    weight = np.minimum(holding, _capacities(rooms, shapes, flats=True) / (2.0 * radius) ** 3)
    total = request.number_of_flats
    shares = total * weight / weight.sum() if weight.sum() > 0.0 else np.zeros(len(rooms))
    quotas = np.floor(shares).astype(int)
    order = np.argsort(quotas - shares + 1e-6 * generator.random(len(rooms)), kind="stable")
    quotas[order[: total - int(quotas.sum())]] += 1
    return quotas.tolist()


def _fits(room: Room, crystal: int, shapes: CrystalShapes) -> bool:
    request = shapes.request
    radius = shapes.radius_nm(crystal, flat=False)
    cap = 0.5 * request.cap_thickness_nm if request.capped[crystal] else 0.0
    stretch = request.stretch(crystal)
    shortest = 1.0 if stretch is None else float(np.linalg.eigvalsh(stretch)[0])
    whole = shortest * (radius + cap) + request.gap_nm < room.inner_radius_nm
    cut = request.contact_share is None or request.contact_share > 0.0
    cut &= bool((room.flat_radius_nm > FLAT_GROWTH * radius).any())
    return whole or (cut and (1.0 + FLAT_DISTANCE) * radius < 2.0 * room.inner_radius_nm)


def _dealt(
    rooms: list[Room], shapes: CrystalShapes, generator: np.random.Generator
) -> tuple[list[list[int]], list[int]]:
    members: list[list[int]] = [[] for _ in rooms]
    left_over: list[int] = []
    capacities = _capacities(rooms, shapes, flats=True)
    held = np.zeros(len(rooms))
    for crystal in np.argsort(-shapes.loads_nm3, kind="stable").tolist():
        possible = np.array([_fits(room, crystal, shapes) for room in rooms])
        if not possible.any():
            diameter = 2.0 * shapes.radius_nm(crystal, flat=False)
            raise RefusedError(
                f"a crystal of {diameter:.3g} nm fits into no grain: the largest sphere in one is "
                f"{2.0 * max(room.inner_radius_nm for room in rooms):.3g} nm wide. Use smaller "
                "crystals or a smaller spread of their size, larger grains or a thinner network."
            )
        # a little chance, so that seeds differ in more than the tessellation
        density = (held + shapes.loads_nm3[crystal]) / capacities
        density *= np.exp(_CHANCE * generator.normal(size=len(rooms)))
        grain = int(np.argmin(np.where(possible, density, np.inf)))
        if held[grain] + shapes.loads_nm3[crystal] > _FULL * capacities[grain] and members[grain]:
            left_over.append(crystal)
            continue
        members[grain].append(crystal)
        held[grain] += shapes.loads_nm3[crystal]
    return members, left_over


def _flats(quota: int | None, crystals: int) -> tuple[int, int]:
    return (0, crystals) if quota is None else (min(quota, crystals), min(quota, crystals))


def _filled(
    room: Room,
    crystals: list[int],
    shapes: CrystalShapes,
    quota: int | None,
    generator: np.random.Generator,
) -> tuple[GrainFilling, list[int]]:
    if not crystals:
        return empty_filling(), []
    load = float(shapes.loads_nm3[crystals].sum())
    choices = [_flats(quota, len(crystals))]
    if quota is None:
        # no more flats than it takes
        whole, cut = (float(_capacities([room], shapes, flats)[0]) for flats in (False, True))
        if load < _LOADS[1] * cut:
            choices.insert(0, (0, len(crystals) // _FEW))
        if load < _LOADS[0] * whole:
            choices.insert(0, (0, 0))
    filling = empty_filling()
    for flats in choices:
        filling = fill_grain(room, crystals, shapes, flats, generator)
        if filling.fits:
            break
    given_up: list[int] = []
    while not filling.fits:
        order = np.argsort(shapes.loads_nm3[list(filling.crystals)], kind="stable")
        row = int(order[generator.integers(min(2, len(order)))])
        given_up.append(filling.crystals[row])
        filling = _without(filling, row)
        flats = _flats(quota, len(filling.crystals))
        filling = improve_filling(room, filling, shapes, flats, generator, moves=6)
    return filling, given_up


def _without(filling: GrainFilling, row: int) -> GrainFilling:
    kept = np.arange(len(filling.crystals)) != row
    return GrainFilling(
        tuple(crystal for crystal, keep in zip(filling.crystals, kept, strict=True) if keep),
        filling.centres_nm[kept],
        filling.quaternions[kept],
        filling.walls[kept],
        np.inf,
    )


def _placed(
    crystal: int,
    rooms: list[Room],
    fillings: list[GrainFilling],
    shapes: CrystalShapes,
    capacities: FloatArray,
    limits: FloatArray,
    refusals: IntArray,
    quotas: list[int | None],
    generator: np.random.Generator,
    *,
    anew: bool,
) -> bool:
    """Try to place one crystal in the grains that have most room left."""
    loads = shapes.loads_nm3
    held = np.array([loads[list(filling.crystals)].sum() for filling in fillings])
    held += loads[crystal]
    order = np.argsort(held / capacities, kind="stable").tolist()
    for grain in order:
        tired = refusals[grain] >= _REFUSALS[anew] or held[grain] >= limits[grain]
        if tired or not _fits(rooms[grain], crystal, shapes):
            continue
        before = fillings[grain]
        flats = _flats(quotas[grain], len(before.crystals) + 1)
        if anew:
            crystals = [*before.crystals, crystal]
            found = fill_grain(rooms[grain], crystals, shapes, flats, generator)
        else:
            found = add_crystal(rooms[grain], before, crystal, shapes, flats, generator)
        if found.fits:
            fillings[grain] = found
            return True
        limits[grain] = min(limits[grain], held[grain])
        refusals[grain] += 1
    return False
