"""Slip systems of body-centred cubic crystals: {110}<111> and {112}<111>."""

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np

from ngcfem.constitutive.crystal_parameters import SLIP_FAMILIES
from ngcfem.quantities import FloatArray

_DIRECTIONS = ((1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1))


@dataclass(frozen=True, eq=False)
class SlipSystems:
    """The 24 systems of bcc, those on {110} first.

    Parameters
    ----------
    direction, normal : ndarray, shape (24, 3)
        Slip direction and plane normal in the lattice frame, unit length.
    coplanar : ndarray of bool, shape (24, 24)
        Whether two systems share their plane.
    """

    direction: FloatArray
    normal: FloatArray
    coplanar: np.ndarray

    @property
    def schmid(self) -> FloatArray:
        """Dyads direction (x) normal, shape (24, 3, 3)."""
        return np.einsum("ai,aj->aij", self.direction, self.normal)


@cache
def bcc_slip_systems() -> SlipSystems:
    """List the systems by their indices.

    Returns
    -------
    SlipSystems
        Twelve systems on {110} and twelve on {112}. Planes go by their indices, first nonzero index
        positive; the directions of a plane are those <111> in it.
    """
    directions, normals = [], []
    for indices in ((0, 1, 1), (1, 1, 2)):
        planes = {
            tuple(sign * index for sign, index in zip(signs, permuted, strict=True))
            for permuted in itertools.permutations(indices)
            for signs in itertools.product((1, -1), repeat=3)
        }
        for plane in sorted(planes):
            if plane < tuple(-index for index in plane):
                continue
            for direction in _DIRECTIONS:
                if np.dot(plane, direction) == 0:
                    directions.append(direction)
                    normals.append(plane)
    plane_of = np.array(normals)
    coplanar = (plane_of[:, None, :] == plane_of[None, :, :]).all(axis=2)
    direction, normal = np.array(directions, dtype=float), plane_of.astype(float)
    return SlipSystems(
        direction / np.linalg.norm(direction, axis=1, keepdims=True),
        normal / np.linalg.norm(normal, axis=1, keepdims=True),
        coplanar,
    )


def active_systems(family: float) -> FloatArray:
    """Tell which systems of a family slip.

    Parameters
    ----------
    family : float
        Place in `SLIP_FAMILIES`.

    Returns
    -------
    ndarray, shape (24,)
        1 for a system that slips, else 0.
    """
    on_110 = np.arange(24) < 12
    name = SLIP_FAMILIES[int(family)]
    active = on_110 if name == "110" else ~on_110 if name == "112" else np.ones(24, bool)
    return active.astype(float)
