"""One entry for all kinds of cells."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ngcfem.microstructure.cell import CELL_KINDS, Layer, PeriodicCell
from ngcfem.microstructure.composite_cells import glass_cell, nanocomposite_cell, nanoglass_cell
from ngcfem.microstructure.rotation import cell_rotation
from ngcfem.microstructure.simple_cells import homogeneous_cell, laminate_cell, sphere_cell
from ngcfem.microstructure.statistics import CompositeStatistics


def generate_cell(
    kind: str,
    statistics: CompositeStatistics | None = None,
    seed: int | None = None,
    *,
    n_grains: int = 8,
    cell_aspect: Sequence[float] = (1.0, 1.0, 1.0),
    cell_nm: float | Sequence[float] = 10.0,
    phase: str | None = None,
    fraction: float | None = None,
    normal: str | None = None,
    layers: Sequence[Layer] = (),
    crystal_gap_nm: float | None = None,
    rotation_deg: Sequence[float] | Literal["random"] | None = None,
) -> PeriodicCell:
    """Make a periodic cell of any kind.

    Parameters
    ----------
    kind : str
        One of ``CELL_KINDS``.
    statistics : CompositeStatistics, optional
        For ``nanocomposite``, ``nanoglass`` and ``glass``.
    seed : int, optional
        For ``nanocomposite`` and ``nanoglass``.
    n_grains : int
        Number of grains; for ``glass``, of the composite whose volume it takes.
    cell_aspect : sequence of float
        Proportions of the edges of a cell with statistics.
    cell_nm : float or sequence of float
        Edges of a cell without statistics, in nm.
    phase : str, optional
        Phase of ``homogeneous``.
    fraction : float, optional
        Share of the sphere of ``sphere``.
    normal : str, optional
        Axis normal to the layers of ``laminate``.
    layers : sequence of Layer
        Layers of ``laminate``.
    crystal_gap_nm : float, optional
        Smallest distance between the crystals or caps of ``nanocomposite``, and from them to the
        network; by default that of the statistics.
    rotation_deg : sequence of float or "random", optional
        Turn of a cell with statistics: Euler angles phi1, Phi, phi2 in degrees in Bunge's
        convention (z, x, z), or one drawn from the seed.

    Returns
    -------
    PeriodicCell
        The cell.

    Raises
    ------
    ValueError
        If the kind is unknown, or something it needs is missing or out of range.
    RefusedError
        If chance gives no cell that meets the statistics.
    """
    if kind not in CELL_KINDS:
        raise ValueError(f"unknown kind of cell {kind!r}: one of {', '.join(CELL_KINDS)}")
    if kind == "homogeneous":
        return homogeneous_cell(_given(phase, kind, "phase"), cell_nm)
    if kind == "laminate":
        return laminate_cell(_given(normal, kind, "normal"), layers, cell_nm)
    if kind == "sphere":
        return sphere_cell(_given(fraction, kind, "fraction"), cell_nm)
    statistics = _given(statistics, kind, "statistics")
    if kind == "glass":
        cell = glass_cell(statistics, n_grains, cell_aspect)
    elif kind == "nanoglass":
        cell = nanoglass_cell(statistics, _given(seed, kind, "seed"), n_grains, cell_aspect)
    else:
        seed = _given(seed, kind, "seed")
        cell = nanocomposite_cell(statistics, seed, n_grains, cell_aspect, crystal_gap_nm)
    return (
        cell if rotation_deg is None else replace(cell, rotation=cell_rotation(rotation_deg, seed))
    )


def _given[T](value: T | None, kind: str, name: str) -> T:
    if value is None:
        raise ValueError(f"a cell of the kind {kind} needs {name}")
    return value
