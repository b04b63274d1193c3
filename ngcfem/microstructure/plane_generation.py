"""One entry for all kinds of plane cells."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ngcfem.microstructure.cell import CELL_KINDS, Layer, PeriodicCell
from ngcfem.microstructure.composite_cells import CRYSTAL_GAP_NM
from ngcfem.microstructure.plane_cells import (
    disc_cell,
    plane_glass_cell,
    plane_homogeneous_cell,
    plane_laminate_cell,
    plane_nanocomposite_cell,
    plane_nanoglass_cell,
)
from ngcfem.microstructure.statistics import CompositeStatistics


def generate_plane_cell(
    kind: str,
    statistics: CompositeStatistics | None = None,
    seed: int | None = None,
    *,
    n_grains: int = 8,
    cell_aspect: Sequence[float] = (1.0, 1.0),
    cell_nm: float | Sequence[float] = 10.0,
    phase: str | None = None,
    fraction: float | None = None,
    normal: str | None = None,
    layers: Sequence[Layer] = (),
    crystal_gap_nm: float = CRYSTAL_GAP_NM,
    rotation_deg: float = 0.0,
) -> PeriodicCell:
    """Make a plane cell of any kind.

    Parameters
    ----------
    kind : str
        One of ``CELL_KINDS``; ``sphere`` is a disc.
    statistics : CompositeStatistics, optional
        For ``nanocomposite``, ``nanoglass`` and ``glass``.
    seed : int, optional
        For ``nanocomposite`` and ``nanoglass``.
    n_grains : int
        Number of grains; for ``glass``, of the composite whose area it takes.
    cell_aspect : sequence of float
        Proportions of the edges of a cell with statistics.
    cell_nm : float or sequence of float
        Edges of a cell without statistics, in nm.
    phase : str, optional
        Phase of ``homogeneous``.
    fraction : float, optional
        Share of the disc of ``sphere``.
    normal : str, optional
        Axis normal to the layers of ``laminate``.
    layers : sequence of Layer
        Layers of ``laminate``.
    crystal_gap_nm : float
        Smallest distance between discs or caps, and from them to the network.
    rotation_deg : float
        Angle by which the finished cell is turned, counter-clockwise from x to y.

    Returns
    -------
    PeriodicCell
        The cell, of dimension 2.

    Raises
    ------
    ValueError
        If the kind is unknown, or something it needs is missing or out of range.
    RefusedError
        If chance gives no cell that meets the statistics.
    """
    if kind not in CELL_KINDS:
        raise ValueError(f"unknown kind of cell {kind!r}: one of {', '.join(CELL_KINDS)}")

    def given[T](value: T | None, name: str) -> T:
        if value is None:
            raise ValueError(f"a cell of the kind {kind} needs {name}")
        return value

    match kind:
        case "homogeneous":
            cell = plane_homogeneous_cell(given(phase, "phase"), cell_nm)
        case "laminate":
            cell = plane_laminate_cell(given(normal, "normal"), layers, cell_nm)
        case "sphere":
            cell = disc_cell(given(fraction, "fraction"), cell_nm)
        case "glass":
            cell = plane_glass_cell(given(statistics, "statistics"), n_grains, cell_aspect)
        case "nanoglass":
            cell = plane_nanoglass_cell(
                given(statistics, "statistics"), given(seed, "seed"), n_grains, cell_aspect
            )
        case _:
            cell = plane_nanocomposite_cell(
                given(statistics, "statistics"),
                given(seed, "seed"),
                n_grains,
                cell_aspect,
                crystal_gap_nm,
            )
    return replace(cell, rotation=plane_rotation(rotation_deg))


def plane_rotation(angle_deg: float) -> np.ndarray:
    """Rotation of the plane.

    Parameters
    ----------
    angle_deg : float
        Angle in degrees, counter-clockwise from x to y.

    Returns
    -------
    ndarray, shape (2, 2)
        The matrix, exact for multiples of 90 degrees.
    """
    quarters, rest = divmod(angle_deg, 90.0)
    cosine, sine = np.cos(np.radians(rest)), np.sin(np.radians(rest))
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    turn = np.linalg.matrix_power(quarter, int(quarters) % 4)
    return turn @ np.array([[cosine, -sine], [sine, cosine]])
