"""Packing of discs, some with a cap of the Sc-rich phase, into the grains of a plane cell."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog, minimize

from ngcfem.errors import RefusedError
from ngcfem.microstructure.cell import Cap, Inclusion
from ngcfem.microstructure.plane_shape import plane_grain_corners, polygon_area
from ngcfem.microstructure.plane_tessellation import PlaneGrain
from ngcfem.quantities import BoolArray, FloatArray, IntArray

_STARTS = 12
_MOVES_PER_GRAIN = 6
_DENSEST = 0.9
_OVERLAP_NM = 1e-3
_CAP_SPACING = 0.25


@dataclass(frozen=True, eq=False)
class PlanePackingRequest:
    """What is to be put into the grains of a plane cell.

    Parameters
    ----------
    radii_nm : ndarray, shape (k,)
        Radii of the discs.
    capped : ndarray of bool, shape (k,)
        Which of them carry a cap.
    cap_thickness_nm : float
        Radial thickness of a cap.
    cap_half_angle_deg : float
        Polar angle of the rim of a cap.
    inset_nm : float
        Distance of the outline of a grain from the sides of its Laguerre cell: half the thickness
        of the network.
    gap_nm : float
        Smallest distance between two discs (or caps), and from the outline of the grain.
    """

    radii_nm: FloatArray
    capped: BoolArray
    cap_thickness_nm: float
    cap_half_angle_deg: float
    inset_nm: float
    gap_nm: float


@dataclass(frozen=True, eq=False)
class _Room:
    """The inside of one grain: half-planes, largest inscribed disc, and an area to fill."""

    normals: FloatArray
    offsets: FloatArray
    centre: FloatArray
    inner_radius_nm: float
    capacity_nm2: float


@dataclass(frozen=True, eq=False)
class _Discs:
    """Crystals as rigid bodies of discs: one for the crystal, many for its cap, down to points."""

    position: FloatArray
    radius: FloatArray
    body: IntArray


def _room(grain: PlaneGrain, inset_nm: float) -> _Room:
    normals, offsets = grain.normals, grain.offsets_nm - inset_nm
    found = linprog(
        [0.0, 0.0, -1.0],
        A_ub=np.column_stack([normals, np.ones(len(normals))]),
        b_ub=offsets,
        bounds=[(None, None)] * 2 + [(0.0, None)],
    )
    if found.status != 0:
        return _Room(normals, offsets, grain.centroid, 0.0, 1e-9)
    area = polygon_area(plane_grain_corners(grain, inset_nm))
    return _Room(normals, offsets, np.asarray(found.x[:2]), float(found.x[2]), area)


def _discs(members: list[int], request: PlanePackingRequest) -> _Discs:
    position, radius, body = [], [], []
    for number, crystal in enumerate(members):
        own = float(request.radii_nm[crystal])
        parts = [(np.zeros((1, 2)), own)]
        if request.capped[crystal]:
            half = 0.5 * request.cap_thickness_nm
            rim = np.radians(request.cap_half_angle_deg)
            outer = own + request.cap_thickness_nm
            # discs that fill the cap, then its outline as points: corners are part of it
            inner_angle = max(0.0, rim - half / (own + half))
            parts.append((_arc(own + half, inner_angle, half), half))
            parts.append((_arc(outer, rim, _CAP_SPACING), 0.0))
        for points, size in parts:
            position.append(points)
            radius.append(np.full(len(points), size))
            body.append(np.full(len(points), number))
    return _Discs(np.concatenate(position), np.concatenate(radius), np.concatenate(body))


def _arc(radius_nm: float, half_angle: float, spacing_nm: float) -> FloatArray:
    number = 1 + 2 * int(np.ceil(half_angle * radius_nm / spacing_nm))
    angle = np.linspace(-half_angle, half_angle, number)
    return radius_nm * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def pack_discs(
    grains: tuple[PlaneGrain, ...], request: PlanePackingRequest, generator: np.random.Generator
) -> tuple[Inclusion, ...]:
    """Place all discs inside the grains without contact.

    Parameters
    ----------
    grains : tuple of PlaneGrain
        The grains.
    request : PlanePackingRequest
        Radii, caps and gaps.
    generator : numpy.random.Generator
        Source of positions and cap directions.

    Returns
    -------
    tuple of Inclusion
        Discs ordered by grain.

    Raises
    ------
    RefusedError
        If they do not all fit.

    Notes
    -----
    1. From the largest on, every disc is dealt to the grain that it leaves emptiest.
    2. In each grain the discs, as rigid bodies with their caps, are pushed apart and off the wall
       by minimizing the overlap energy over positions and angles, from several random starts.
    3. A grain in which that fails hands one of its discs to the emptiest other grain that has not
       failed with so much in it before.
    """
    rooms = [_room(grain, request.inset_nm) for grain in grains]
    outer = request.radii_nm + np.where(request.capped, 0.5 * request.cap_thickness_nm, 0.0)
    filling = np.pi * (outer + 0.5 * request.gap_nm) ** 2
    inner = np.array([room.inner_radius_nm for room in rooms])
    capacity = np.array([room.capacity_nm2 for room in rooms])
    if filling.sum() > _DENSEST * capacity.sum():
        raise _too_many(request, 0.0)
    needed = outer + request.gap_nm
    members = _dealt(rooms, needed, filling, generator)
    placed: dict[int, tuple[FloatArray, FloatArray]] = {}
    waiting = list(range(len(rooms)))
    limit = np.full(len(rooms), np.inf)
    moves = 0
    while waiting:
        grain = waiting.pop(0)
        found = np.zeros((0, 2)), np.zeros((0, 2))
        if members[grain]:
            found = _placed(
                rooms[grain], _discs(members[grain], request), request.gap_nm, generator
            )
        if found is not None:
            placed[grain] = found
            continue
        placed.pop(grain, None)
        limit[grain] = min(limit[grain], filling[members[grain]].sum())
        order = np.argsort(filling[members[grain]], kind="stable")
        crystal = members[grain].pop(int(order[generator.integers(min(2, len(order)))]))
        held = np.array([filling[inside].sum() for inside in members]) + filling[crystal]
        possible = (held < limit) & (inner > needed[crystal])
        possible[grain] = False
        moves += 1
        if moves > _MOVES_PER_GRAIN * len(rooms) + 20 or not possible.any():
            done = sum(
                np.pi * request.radii_nm[n] ** 2 for inside in placed for n in members[inside]
            )
            raise _too_many(request, float(done))
        other = int(np.argmin(np.where(possible, held / capacity, np.inf)))
        members[other].append(crystal)
        waiting += [changed for changed in (grain, other) if changed not in waiting]
    return tuple(
        _inclusion(grain, crystal, centre, axis, request)
        for grain in range(len(rooms))
        for crystal, centre, axis in zip(members[grain], *placed[grain], strict=True)
    )


def _too_many(request: PlanePackingRequest, placed_nm2: float) -> RefusedError:
    area = float((np.pi * request.radii_nm**2).sum())
    reached = f"; {placed_nm2:.4g} nm^2 of them were placed" if placed_nm2 > 0.0 else ""
    return RefusedError(
        f"{len(request.radii_nm)} discs of {area:.4g} nm^2 in all do not fit into the grains "
        f"with gaps of {request.gap_nm:g} nm{reached}. Lower the crystal fraction or the cap "
        "thickness, or use larger grains or another seed."
    )


def _inclusion(
    grain: int, crystal: int, centre: FloatArray, axis: FloatArray, request: PlanePackingRequest
) -> Inclusion:
    cap = None
    if request.capped[crystal]:
        cap = Cap(
            axis=(float(axis[0]), float(axis[1])),
            half_angle_deg=request.cap_half_angle_deg,
            thickness_nm=request.cap_thickness_nm,
        )
    return Inclusion(
        centre_nm=(float(centre[0]), float(centre[1])),
        radius_nm=float(request.radii_nm[crystal]),
        grain=grain,
        cap=cap,
    )


def _dealt(
    rooms: list[_Room], needed: FloatArray, filling: FloatArray, generator: np.random.Generator
) -> list[list[int]]:
    members: list[list[int]] = [[] for _ in rooms]
    capacity = np.array([room.capacity_nm2 for room in rooms])
    inner = np.array([room.inner_radius_nm for room in rooms])
    held = np.zeros(len(rooms))
    for crystal in np.argsort(-filling, kind="stable").tolist():
        fits = inner > needed[crystal]
        if not fits.any():
            raise RefusedError(
                f"a disc that needs a room of {2.0 * needed[crystal]:.3g} nm fits into no grain. "
                "Use smaller crystals, larger grains or a thinner network."
            )
        # a little chance, so that seeds differ in more than the tessellation
        density = (held + filling[crystal]) / capacity
        density *= np.exp(0.1 * generator.normal(size=len(rooms)))
        grain = int(np.argmin(np.where(fits, density, np.inf)))
        members[grain].append(crystal)
        held[grain] += filling[crystal]
    return members


def _placed(
    room: _Room, discs: _Discs, gap_nm: float, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray] | None:
    bodies = int(discs.body[-1]) + 1
    contact = discs.radius[:, None] + discs.radius[None] + gap_nm
    contact[discs.body[:, None] == discs.body[None]] = 0.0
    reach = discs.radius + gap_nm

    def energy(flat: FloatArray) -> tuple[float, FloatArray]:
        centres = flat[: 2 * bodies].reshape(-1, 2)
        cosine, sine = (
            np.cos(flat[2 * bodies :])[discs.body],
            np.sin(flat[2 * bodies :])[discs.body],
        )
        px, py = discs.position.T
        arm = np.stack([cosine * px - sine * py, sine * px + cosine * py], axis=1)
        x = centres[discs.body] + arm
        apart = x[:, None] - x[None]
        distance = np.sqrt((apart**2).sum(axis=-1) + 1e-12)
        overlap = np.maximum(0.0, contact - distance)
        wall = np.maximum(0.0, x @ room.normals.T + reach[:, None] - room.offsets)
        force = -((2.0 * overlap / distance)[..., None] * apart).sum(axis=1)
        force += 2.0 * wall @ room.normals
        slope = np.zeros((bodies, 2))
        np.add.at(slope, discs.body, force)
        turn = np.bincount(
            discs.body, weights=force[:, 1] * arm[:, 0] - force[:, 0] * arm[:, 1], minlength=bodies
        )
        value = 0.5 * float((overlap**2).sum()) + float((wall**2).sum())
        return value, np.concatenate([slope.ravel(), turn])

    for _ in range(_STARTS):
        centres = room.centre + 0.5 * room.inner_radius_nm * generator.normal(size=(bodies, 2))
        angles = 2.0 * np.pi * generator.random(bodies)
        found = minimize(
            energy,
            np.concatenate([centres.ravel(), angles]),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 300, "ftol": 1e-12, "gtol": 1e-8},
        )
        if found.fun < _OVERLAP_NM**2:
            angles = found.x[2 * bodies :]
            axes = np.stack([np.cos(angles), np.sin(angles)], axis=1)
            return found.x[: 2 * bodies].reshape(-1, 2), axes
    return None
