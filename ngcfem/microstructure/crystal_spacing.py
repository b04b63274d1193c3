"""Crystals moved closer together or apart, until their mean spacing is the one asked for."""

from functools import partial

import numpy as np
from scipy.spatial import cKDTree

from ngcfem.microstructure.crystal_overlap import crystal_bodies, separate
from ngcfem.microstructure.grain_filling import GrainFilling
from ngcfem.microstructure.packing_request import CrystalShapes
from ngcfem.microstructure.packing_room import Room
from ngcfem.quantities import FloatArray

_ROUNDS = 8
_CLOSE = 0.005
_ITERATIONS = 60
_WEIGHT = 0.1
_OVERLAP_NM = 1e-3


def mean_nearest_distance_nm(centres_nm: FloatArray, period_nm: FloatArray) -> float:
    """Measure the mean distance of a centre from the nearest one.

    Parameters
    ----------
    centres_nm : ndarray, shape (n, 3)
        At least two centres, anywhere.
    period_nm : ndarray, shape (3,)
        Edges of the cell.

    Returns
    -------
    float
        Mean over the centres in nm, across the faces of the cell.
    """
    tree = cKDTree(centres_nm % period_nm, boxsize=period_nm)
    return float(tree.query(tree.data, k=2)[0][:, 1].mean())


def adjust_spacing(
    rooms: list[Room], fillings: list[GrainFilling], shapes: CrystalShapes
) -> list[GrainFilling]:
    """Move crystals so that their mean distance from the nearest one comes near the target.

    Parameters
    ----------
    rooms : list of Room
        The grains.
    fillings : list of GrainFilling
        What they hold, without overlaps.
    shapes : CrystalShapes
        The crystals; their request names the target.

    Returns
    -------
    list of GrainFilling
        The same crystals in the same grains, without overlaps, as near to the target as was
        reached.

    Notes
    -----
    To the overlap energy of all crystals w n (d - a)^2 is added, with d the mean distance over the
    n crystals and a the aim; then the overlaps alone are removed. The aim begins at the target and
    goes beyond it by what the last round fell short, as walls and gaps push back.
    """
    target, period = shapes.request.nearest_neighbour_nm, shapes.request.period_nm
    crystals = [crystal for filling in fillings for crystal in filling.crystals]
    if target is None or period is None or len(crystals) < 2:
        return fillings
    walls = np.concatenate([filling.walls for filling in fillings])
    bodies = crystal_bodies(
        [shapes.covers[c][wall >= 0] for c, wall in zip(crystals, walls.tolist(), strict=True)],
        np.array([shapes.radius_nm(c, wall >= 0) for c, wall in zip(crystals, walls, strict=True)]),
        [shapes.request.stretch(crystal) for crystal in crystals],
        [room for room, filling in zip(rooms, fillings, strict=True) for _ in filling.crystals],
        walls,
        shapes.request.gap_nm,
        shapes.request.margin_nm,
    )
    centres = np.concatenate([filling.centres_nm for filling in fillings])
    quaternions = np.concatenate([filling.quaternions for filling in fillings])
    best, aim = (centres, quaternions), target
    nearest = mean_nearest_distance_nm(centres, period)
    missed = abs(nearest - target)
    for _ in range(_ROUNDS):
        if missed < _CLOSE * target:
            break
        bias = partial(_spacing_energy, period=period, aim=aim)
        centres, quaternions, _ = separate(bodies, centres, quaternions, _ITERATIONS, bias)
        centres, quaternions, overlaps = separate(bodies, centres, quaternions, _ITERATIONS)
        nearest = mean_nearest_distance_nm(centres, period)
        if overlaps.sum() < _OVERLAP_NM**2 and abs(nearest - target) < missed:
            best, missed = (centres, quaternions), abs(nearest - target)
        aim += target - nearest
    return _split(fillings, *best)


def _spacing_energy(
    centres: FloatArray, period: FloatArray, aim: float
) -> tuple[float, FloatArray]:
    number = len(centres)
    wrapped = centres % period
    wrapped = np.where(wrapped >= period, 0.0, wrapped)  # rounding
    tree = cKDTree(wrapped, boxsize=period)
    distance, index = tree.query(wrapped, k=2)
    nearest, distance = index[:, 1], np.maximum(distance[:, 1], 1e-9)
    apart = wrapped - wrapped[nearest]
    apart -= period * np.round(apart / period)
    excess = float(distance.mean()) - aim
    pull = 2.0 * _WEIGHT * excess * apart / distance[:, None]
    slope = pull.copy()
    for axis in range(3):
        slope[:, axis] -= np.bincount(nearest, pull[:, axis], number)
    return _WEIGHT * number * excess**2, slope


def _split(
    fillings: list[GrainFilling], centres: FloatArray, quaternions: FloatArray
) -> list[GrainFilling]:
    ends = np.cumsum([len(filling.crystals) for filling in fillings])[:-1]
    return [
        GrainFilling(filling.crystals, middle, turn, filling.walls, filling.overlap_nm2)
        for filling, middle, turn in zip(
            fillings, np.split(centres, ends), np.split(quaternions, ends), strict=True
        )
    ]
