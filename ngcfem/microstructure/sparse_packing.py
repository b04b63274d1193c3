"""Packing of few spheres, some with a cap of the Sc-rich phase, into the grains."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog, minimize

from ngcfem.microstructure.crystal_overlap import ROTATION_TENSOR, rotations
from ngcfem.microstructure.packing_request import PackingRequest
from ngcfem.microstructure.tessellation import LaguerreCell
from ngcfem.quantities import FloatArray, IntArray

_STARTS = 6
_MOVES = 40
_DENSEST = 0.3
_OVERLAP_NM = 1e-3
_POLE = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class _Room:
    """The inside of one grain: half-spaces, largest inscribed sphere, and a volume to fill."""

    normals: FloatArray
    offsets: FloatArray
    centre: FloatArray
    inner_radius_nm: float
    capacity_nm3: float


@dataclass(frozen=True, eq=False)
class _Balls:
    """Crystals as rigid bodies of balls: one for the crystal, many small ones for its cap."""

    position: FloatArray
    radius: FloatArray
    body: IntArray


def _room(cell: LaguerreCell, inset_nm: float, gap_nm: float) -> _Room:
    normals, offsets = cell.half_spaces(inset_nm)
    found = linprog(
        [0.0, 0.0, 0.0, -1.0],
        A_ub=np.column_stack([normals, np.ones(len(normals))]),
        b_ub=offsets,
        bounds=[(None, None)] * 3 + [(0.0, None)],
    )
    if found.status != 0:
        return _Room(normals, offsets, cell.centroid, 0.0, 1e-9)
    edge = max(cell.volume_nm3 ** (1.0 / 3.0) - 2.0 * inset_nm - gap_nm, 1e-3)
    return _Room(normals, offsets, np.asarray(found.x[:3]), float(found.x[3]), edge**3)


def _cap_directions(half_angle_deg: float, spacing: float) -> FloatArray:
    half_angle = np.radians(half_angle_deg)
    rings = max(1, int(np.ceil(half_angle / spacing)))
    directions = [_POLE]
    for ring in range(1, rings + 1):
        polar = half_angle * ring / rings
        number = max(5, int(np.ceil(2.0 * np.pi * np.sin(polar) / spacing)))
        azimuth = 2.0 * np.pi * np.arange(number) / number
        directions += [
            np.array([np.sin(polar) * np.cos(a), np.sin(polar) * np.sin(a), np.cos(polar)])
            for a in azimuth
        ]
    return np.array(directions)


def _balls(members: list[int], request: PackingRequest) -> _Balls:
    position, radius, body = [], [], []
    for number, crystal in enumerate(members):
        crystal_radius = float(request.radii_nm[crystal])
        position.append(np.zeros((1, 3)))
        radius.append(np.full(1, crystal_radius))
        body.append(np.full(1, number))
        if request.capped[crystal]:
            half = 0.5 * request.cap_thickness_nm
            middle = crystal_radius + half
            directions = _cap_directions(request.cap_half_angle_deg, 1.8 * half / middle)
            position.append(middle * directions)
            radius.append(np.full(len(directions), half))
            body.append(np.full(len(directions), number))
    return _Balls(np.concatenate(position), np.concatenate(radius), np.concatenate(body))


Places = list[tuple[list[int], FloatArray, FloatArray]]
"""Of each grain: its crystals, their centres in nm and the axes of their caps."""


def pack_sparsely(
    cells: tuple[LaguerreCell, ...], request: PackingRequest, generator: np.random.Generator
) -> Places | None:
    """Place spheres inside the grains without contact, where there is room enough.

    Parameters
    ----------
    cells : tuple of LaguerreCell
        The grains.
    request : PackingRequest
        Radii, caps and gaps.
    generator : numpy.random.Generator
        Source of positions and cap directions.

    Returns
    -------
    list of tuple, or None
        Crystals, centres and cap axes of each grain; None if they do not all fit in this way.

    Notes
    -----
    1. From the largest on, every crystal is dealt to the grain that it leaves emptiest.
    2. In each grain the crystals, as rigid bodies of balls, are pushed apart and off the wall by
       minimizing the overlap energy over positions and rotations, from several random starts.
    3. A grain in which that fails hands one of its two smallest crystals to the emptiest other
       grain that has not failed with so much in it before.
    """
    rooms = [_room(cell, request.inset_nm, request.gap_nm) for cell in cells]
    outer = request.radii_nm + np.where(request.capped, 0.5 * request.cap_thickness_nm, 0.0)
    filling = 4.0 / 3.0 * np.pi * (outer + 0.5 * request.gap_nm) ** 3
    inner = np.array([room.inner_radius_nm for room in rooms])
    capacity = np.array([room.capacity_nm3 for room in rooms])
    largest = float((outer + request.gap_nm).max(initial=0.0))
    if filling.sum() > _DENSEST * capacity.sum() or largest > inner.max(initial=0.0):
        return None
    members = _dealt(rooms, outer + request.gap_nm, filling, generator)
    placed: dict[int, tuple[FloatArray, FloatArray]] = {}
    waiting = list(range(len(rooms)))
    limit = np.full(len(rooms), np.inf)
    moves = 0
    while waiting:
        grain = waiting.pop(0)
        found = np.zeros((0, 3)), np.zeros((0, 3))
        if members[grain]:
            balls = _balls(members[grain], request)
            found = _placed(rooms[grain], balls, request.gap_nm, generator)
        if found is not None:
            placed[grain] = found
            continue
        limit[grain] = min(limit[grain], filling[members[grain]].sum())
        order = np.argsort(filling[members[grain]], kind="stable")
        crystal = members[grain].pop(int(order[generator.integers(min(2, len(order)))]))
        held = np.array([filling[inside].sum() for inside in members]) + filling[crystal]
        possible = (held < limit) & (inner > outer[crystal] + request.gap_nm)
        possible[grain] = False
        moves += 1
        if moves > _MOVES or not possible.any():
            return None
        other = int(np.argmin(np.where(possible, held / capacity, np.inf)))
        members[other].append(crystal)
        waiting += [changed for changed in (grain, other) if changed not in waiting]
    return [(members[grain], *placed[grain]) for grain in range(len(rooms))]


def _dealt(
    rooms: list[_Room], needed: FloatArray, filling: FloatArray, generator: np.random.Generator
) -> list[list[int]]:
    members: list[list[int]] = [[] for _ in rooms]
    capacity = np.array([room.capacity_nm3 for room in rooms])
    inner = np.array([room.inner_radius_nm for room in rooms])
    held = np.zeros(len(rooms))
    for crystal in np.argsort(-filling, kind="stable").tolist():
        fits = inner > needed[crystal]
        # a little chance, so that seeds differ in more than the tessellation
        density = (held + filling[crystal]) / capacity
        density *= np.exp(0.1 * generator.normal(size=len(rooms)))
        grain = int(np.argmin(np.where(fits, density, np.inf)))
        members[grain].append(crystal)
        held[grain] += filling[crystal]
    return members


def _placed(
    room: _Room, balls: _Balls, gap_nm: float, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray] | None:
    bodies = int(balls.body[-1]) + 1
    contact = balls.radius[:, None] + balls.radius[None] + gap_nm
    contact[balls.body[:, None] == balls.body[None]] = 0.0
    reach = balls.radius + gap_nm

    def energy(flat: FloatArray) -> tuple[float, FloatArray]:
        centres = flat[: 3 * bodies].reshape(-1, 3)
        quaternions = flat[3 * bodies :].reshape(-1, 4)
        matrices = rotations(quaternions)
        x = centres[balls.body] + np.einsum("bij,bj->bi", matrices[balls.body], balls.position)
        apart = x[:, None] - x[None]
        distance = np.sqrt((apart**2).sum(axis=-1) + 1e-12)
        overlap = np.maximum(0.0, contact - distance)
        wall = np.maximum(0.0, x @ room.normals.T + reach[:, None] - room.offsets)
        force = -((2.0 * overlap / distance)[..., None] * apart).sum(axis=1)
        force += 2.0 * wall @ room.normals
        slope = np.zeros((bodies, 7))
        np.add.at(slope[:, :3], balls.body, force)
        moment = np.zeros((bodies, 3, 3))
        np.add.at(moment, balls.body, force[:, :, None] * balls.position[:, None, :])
        square = (quaternions**2).sum(axis=1)
        turn = 2.0 * np.einsum("kj,ijab,kab->ki", quaternions, ROTATION_TENSOR, moment)
        radial = 2.0 * np.einsum("kab,kab->k", moment, matrices)
        slope[:, 3:] = (turn - radial[:, None] * quaternions) / square[:, None]
        value = 0.5 * float((overlap**2).sum()) + float((wall**2).sum())
        return value, np.concatenate([slope[:, :3].ravel(), slope[:, 3:].ravel()])

    for _ in range(_STARTS):
        centres = room.centre + 0.5 * room.inner_radius_nm * generator.normal(size=(bodies, 3))
        start = np.concatenate([centres.ravel(), generator.normal(size=4 * bodies)])
        found = minimize(
            energy,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 300, "ftol": 1e-12, "gtol": 1e-8},
        )
        if found.fun < _OVERLAP_NM**2:
            quaternions = found.x[3 * bodies :].reshape(-1, 4)
            return found.x[: 3 * bodies].reshape(-1, 3), rotations(quaternions) @ _POLE
    return None
