"""Overlap of crystals with each other and with the walls of their grains, and its minimum."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from ngcfem.microstructure.crystal_balls import BallCover
from ngcfem.microstructure.packing_room import FLAT_DISTANCE, Room
from ngcfem.quantities import BoolArray, FloatArray, IntArray

_SKIN_NM = 0.5
_REBUILDS = 8
_FAR = 1e9

Bias = Callable[[FloatArray], tuple[float, FloatArray]]
"""Extra energy of the centres, shape (n, 3), and its gradient."""


@dataclass(frozen=True, eq=False)
class CrystalBodies:
    """Crystals as rigid bodies, the balls they are made of and the walls around them.

    Parameters
    ----------
    grain : ndarray of int, shape (n,)
        Grain of each crystal.
    balls : BallCover
        The balls of all crystals, one after the other.
    body : ndarray of int, shape (b,)
        Crystal of each ball.
    wall_normals : ndarray, shape (n, w, 3)
        Normals of the walls of the grain of each crystal, filled up with zeros.
    wall_offsets : ndarray, shape (n, w)
        Inside is where normal . x <= offset.
    turns : ndarray of bool, shape (n,)
        Which crystals may turn.
    flat : ndarray of int, shape (f,)
        Crystals that a wall cuts.
    flat_wall : ndarray of int, shape (f,)
        That wall.
    flat_distance_nm : ndarray, shape (f,)
        Distance of the wall from the centre.
    flat_shift : ndarray, shape (f, 3)
        Place of the centre of the flat from the centre of the crystal, over the distance.
    flat_width_nm : ndarray, shape (f, w)
        Half-width of the flat towards each other wall, in the plane of the flat.
    gap_nm : float
        Smallest distance between crystals, and from walls.
    margin_nm : float
        Smallest distance of the rim of a flat from the edges of its wall.
    """

    grain: IntArray
    balls: BallCover
    body: IntArray
    wall_normals: FloatArray
    wall_offsets: FloatArray
    turns: BoolArray
    flat: IntArray
    flat_wall: IntArray
    flat_distance_nm: FloatArray
    flat_shift: FloatArray
    flat_width_nm: FloatArray
    gap_nm: float
    margin_nm: float

    def scaled(self, factor: float) -> "CrystalBodies":
        """Shrink or grow all crystals about their centres.

        Parameters
        ----------
        factor : float
            Factor on their lengths.

        Returns
        -------
        CrystalBodies
            The same crystals of another size; gaps and margins stay.
        """
        balls = self.balls
        return replace(
            self,
            balls=BallCover(factor * balls.positions_nm, factor * balls.radii_nm, balls.of_cap),
            flat_distance_nm=factor * self.flat_distance_nm,
            flat_width_nm=factor * self.flat_width_nm,
        )


def crystal_bodies(
    covers: Sequence[BallCover],
    radii_nm: FloatArray,
    stretches: Sequence[FloatArray | None],
    rooms: Sequence[Room],
    walls: IntArray,
    gap_nm: float,
    margin_nm: float,
) -> CrystalBodies:
    """Assemble crystals and the walls of their grains.

    Parameters
    ----------
    covers : sequence of BallCover
        Balls of each crystal.
    radii_nm : ndarray, shape (n,)
        Radius of each crystal.
    stretches : sequence of ndarray or None
        Matrix of each ellipsoid.
    rooms : sequence of Room
        Room of each crystal; crystals of one grain share one object.
    walls : ndarray of int, shape (n,)
        Wall that cuts each crystal; -1 for none.
    gap_nm : float
        Smallest distance between crystals, and from walls.
    margin_nm : float
        Smallest distance of the rim of a flat from the edges of its wall.

    Returns
    -------
    CrystalBodies
        The assembly.

    Notes
    -----
    The plane n . x = d cuts the ellipsoid S B_r in an ellipse around d S^2 n / (n . S^2 n), whose
    half-width along a unit vector u of the plane is
    sqrt(1 - (d / |S n| r)^2) r sqrt(u . S^2 u - (u . S^2 n)^2 / (n . S^2 n)).
    """
    number = len(covers)
    numbers = {id(room): count for count, room in enumerate(rooms)}
    width = max(len(room.offsets) for room in rooms)
    normals, offsets = np.zeros((number, width, 3)), np.full((number, width), _FAR)
    for row, room in enumerate(rooms):
        normals[row, : len(room.offsets)] = room.normals
        offsets[row, : len(room.offsets)] = room.offsets
    flat = np.flatnonzero(walls >= 0)
    distance, shift = np.zeros(len(flat)), np.zeros((len(flat), 3))
    half_width = np.zeros((len(flat), width))
    for row, crystal in enumerate(flat.tolist()):
        normal = normals[crystal, walls[crystal]]
        stretch = stretches[crystal]
        square = np.eye(3) if stretch is None else stretch @ stretch
        slope = square @ normal
        steepness = float(normal @ slope)
        shift[row] = slope / steepness
        distance[row] = FLAT_DISTANCE * radii_nm[crystal] * np.sqrt(steepness)
        in_plane = normals[crystal] - np.outer(normals[crystal] @ normal, normal)
        length = np.linalg.norm(in_plane, axis=1)
        in_plane /= np.where(length > 0.0, length, 1.0)[:, None]
        squares = np.einsum("wi,ij,wj->w", in_plane, square, in_plane)
        squares -= (in_plane @ slope) ** 2 / steepness
        half_width[row] = radii_nm[crystal] * np.sqrt(
            (1.0 - FLAT_DISTANCE**2) * np.maximum(squares, 0.0)
        )
    return CrystalBodies(
        grain=np.array([numbers[id(room)] for room in rooms]),
        balls=BallCover(
            np.concatenate([cover.positions_nm for cover in covers]),
            np.concatenate([cover.radii_nm for cover in covers]),
            np.concatenate([cover.of_cap for cover in covers]),
        ),
        body=np.repeat(np.arange(number), [len(cover.radii_nm) for cover in covers]),
        wall_normals=normals,
        wall_offsets=offsets,
        turns=np.array([stretch is None for stretch in stretches]),
        flat=flat,
        flat_wall=walls[flat],
        flat_distance_nm=distance,
        flat_shift=shift,
        flat_width_nm=half_width,
        gap_nm=gap_nm,
        margin_nm=margin_nm,
    )


def _rotation_tensor() -> FloatArray:
    # N(q) = sum_ij q_i q_j B_ij is the rotation matrix of the quaternion q times |q|^2
    tensor = np.zeros((4, 4, 3, 3))
    tensor[0, 0] = np.eye(3)
    levi_civita = np.zeros((3, 3, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        levi_civita[i, j, k], levi_civita[i, k, j] = 1.0, -1.0
    for a in range(3):
        cross = -levi_civita[:, :, a]
        tensor[0, a + 1] = tensor[a + 1, 0] = cross
        for b in range(3):
            outer = np.zeros((3, 3))
            outer[a, b] += 1.0
            outer[b, a] += 1.0
            tensor[a + 1, b + 1] = outer - (np.eye(3) if a == b else 0.0)
    return tensor


ROTATION_TENSOR = _rotation_tensor()
"""Tensor that makes |q|^2 times the rotation matrix out of a quaternion q twice."""


def rotations(quaternions: FloatArray) -> FloatArray:
    """Rotation matrices of quaternions of any length.

    Parameters
    ----------
    quaternions : ndarray, shape (n, 4)
        Quaternions, the real part first; not zero.

    Returns
    -------
    ndarray, shape (n, 3, 3)
        Rotation matrices.
    """
    square = (quaternions**2).sum(axis=1)
    matrix = np.einsum("ki,kj,ijab->kab", quaternions, quaternions, ROTATION_TENSOR)
    return matrix / square[:, None, None]


def separate(
    bodies: CrystalBodies,
    centres: FloatArray,
    quaternions: FloatArray,
    iterations: int,
    bias: Bias | None = None,
    relaxed: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Push crystals apart and off their walls.

    Parameters
    ----------
    bodies : CrystalBodies
        The crystals.
    centres : ndarray, shape (n, 3)
        First centres in nm.
    quaternions : ndarray, shape (n, 4)
        First rotations; those of crystals that may not turn are not used.
    iterations : int
        Iterations of the minimizer between two searches for neighbours.
    bias : callable, optional
        Energy of the centres to be added.
    relaxed : ndarray, shape (n,), optional
        Length in nm by which every wall is moved outwards for the crystal itself, not for its cap.

    Returns
    -------
    centres : ndarray, shape (n, 3)
        Centres.
    quaternions : ndarray, shape (n, 4)
        Rotations.
    overlaps : ndarray, shape (n,)
        Sum of the squares of the overlaps of each crystal in nm^2, of those that remain.

    Notes
    -----
    The energy is the sum of the squares of the overlaps of balls of different crystals of one
    grain, of balls with walls, of the rims of flats with the edges of their walls, and of the
    distances of flats from their walls. It is minimized by L-BFGS over centres and quaternions.
    Pairs are searched again as soon as a crystal can have come near a new one.
    """
    number = len(centres)
    balls, body, grain = bodies.balls, bodies.body, bodies.grain
    reach = balls.radii_nm + bodies.gap_nm
    if relaxed is not None:
        reach = reach - np.where(balls.of_cap, 0.0, relaxed[body])
    own_walls = bodies.wall_normals[body]
    limits = bodies.wall_offsets[body] - reach[:, None]
    for crystal, wall in zip(bodies.flat.tolist(), bodies.flat_wall.tolist(), strict=True):
        limits[(body == crystal) & ~balls.of_cap, wall] = _FAR
    flat, rows = bodies.flat, np.arange(len(bodies.flat))
    normal = bodies.wall_normals[flat, bodies.flat_wall]
    height = bodies.wall_offsets[flat, bodies.flat_wall]
    others = bodies.wall_normals[flat]
    along = np.einsum("fwi,fi->fw", others, normal)
    across = np.sqrt(np.maximum(0.0, 1.0 - along**2))
    slope_of_foot = np.einsum("fwi,fi->fw", others, bodies.flat_shift)
    rim = bodies.wall_offsets[flat] - across * (bodies.flat_width_nm + bodies.margin_nm)
    rim[rows, bodies.flat_wall] = _FAR

    def placed(state: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        middle = state[: 3 * number].reshape(-1, 3)
        quaternion = state[3 * number :].reshape(-1, 4)
        matrix = rotations(quaternion)
        x = middle[body] + np.einsum("bij,bj->bi", matrix[body], balls.positions_nm)
        return middle, quaternion, matrix, x

    def pairs(x: FloatArray) -> tuple[IntArray, IntArray]:
        largest = 2.0 * float(balls.radii_nm.max()) + bodies.gap_nm + _SKIN_NM
        found = cKDTree(x).query_pairs(largest, output_type="ndarray")
        first, second = found[:, 0], found[:, 1]
        kept = (body[first] != body[second]) & (grain[body[first]] == grain[body[second]])
        first, second = first[kept], second[kept]
        apart = np.linalg.norm(x[first] - x[second], axis=1)
        near = apart < balls.radii_nm[first] + balls.radii_nm[second] + bodies.gap_nm + _SKIN_NM
        return first[near], second[near]

    def squares(
        state: FloatArray, first: IntArray, second: IntArray
    ) -> tuple[float, FloatArray, FloatArray]:
        middle, quaternion, matrix, x = placed(state)
        apart = x[first] - x[second]
        distance = np.sqrt((apart**2).sum(axis=1) + 1e-12)
        overlap = balls.radii_nm[first] + balls.radii_nm[second] + bodies.gap_nm - distance
        touching = np.flatnonzero(overlap > 0.0)
        first, second, overlap = first[touching], second[touching], overlap[touching]
        push = (-2.0 * overlap / distance[touching])[:, None] * apart[touching]
        wall = np.maximum(0.0, np.einsum("bwi,bi->bw", own_walls, x) - limits)
        force = 2.0 * np.einsum("bw,bwi->bi", wall, own_walls)
        for axis in range(3):
            force[:, axis] += np.bincount(first, push[:, axis], len(x))
            force[:, axis] -= np.bincount(second, push[:, axis], len(x))
        of_body = np.bincount(body, (wall**2).sum(axis=1), number)
        value = float(of_body.sum()) + float((overlap**2).sum())
        of_body += np.bincount(body[first], overlap**2, number)
        of_body += np.bincount(body[second], overlap**2, number)
        slope = np.zeros((number, 7))
        for axis in range(3):
            slope[:, axis] = np.bincount(body, force[:, axis], number)
        if len(flat):
            depth = height - (middle[flat] * normal).sum(axis=1)
            miss = depth - bodies.flat_distance_nm
            out = np.einsum("fwi,fi->fw", others, middle[flat]) + depth[:, None] * slope_of_foot
            out = np.maximum(0.0, out - rim)
            value += float((miss**2).sum()) + float((out**2).sum())
            of_body[flat] += miss**2 + (out**2).sum(axis=1)
            pull = 2.0 * np.einsum("fw,fwi->fi", out, others)
            pull -= 2.0 * (miss + (out * slope_of_foot).sum(axis=1))[:, None] * normal
            slope[flat, :3] += pull
        moment = np.zeros((number, 3, 3))
        for a in range(3):
            for b in range(3):
                moment[:, a, b] = np.bincount(body, force[:, a] * balls.positions_nm[:, b], number)
        length = (quaternion**2).sum(axis=1)
        turn = 2.0 * np.einsum("kj,ijab,kab->ki", quaternion, ROTATION_TENSOR, moment)
        radial = 2.0 * np.einsum("kab,kab->k", moment, matrix)
        slope[:, 3:] = (turn - radial[:, None] * quaternion) / length[:, None]
        slope[~bodies.turns, 3:] = 0.0
        if bias is not None:
            more, push_of_bias = bias(middle)
            value += more
            slope[:, :3] += push_of_bias
        return value, np.concatenate([slope[:, :3].ravel(), slope[:, 3:].ravel()]), of_body

    upright = np.where(bodies.turns[:, None], quaternions, np.array([1.0, 0.0, 0.0, 0.0]))
    state = np.concatenate([centres.ravel(), upright.ravel()])
    for _ in range(_REBUILDS):
        before = placed(state)[3]
        first, second = pairs(before)

        def energy(
            flat_state: FloatArray, first: IntArray = first, second: IntArray = second
        ) -> tuple[float, FloatArray]:
            return squares(flat_state, first, second)[:2]

        found = minimize(
            energy,
            state,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": iterations, "ftol": 1e-13, "gtol": 1e-8},
        )
        state = found.x
        # below this no pair that was left out can have met
        if 2.0 * np.linalg.norm(placed(state)[3] - before, axis=1).max() < _SKIN_NM:
            break
    middle, quaternion, _, x = placed(state)
    return middle, quaternion, squares(state, *pairs(x))[2]
