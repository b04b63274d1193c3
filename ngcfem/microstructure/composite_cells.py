"""Cells made from the statistics of a composite: nanocomposite, nanoglass and glass."""

from collections.abc import Sequence

import numpy as np

from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.packing import pack_crystals
from ngcfem.microstructure.packing_request import PackingRequest
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.microstructure.tessellation import (
    Tessellation,
    laguerre_cells,
    stratified_lognormal,
    tessellate,
)
from ngcfem.quantities import (
    COMPOSITE_PHASES,
    GRAIN,
    INTERFACE,
    NANOCRYSTAL,
    BoolArray,
    FloatArray,
)

CRYSTAL_GAP_NM = 0.45
"""Smallest distance between crystals or caps, and from them to the network."""

MINIMUM_GRAINS = 2


def grain_diameters(statistics: CompositeStatistics, n_grains: int) -> FloatArray:
    """Equivalent diameters of the grains of a cell, ascending.

    Parameters
    ----------
    statistics : CompositeStatistics
        Mean and spread.
    n_grains : int
        Number of grains.

    Returns
    -------
    ndarray, shape (n_grains,)
        Diameters in nm with exactly the mean and spread asked for.
    """
    return stratified_lognormal(
        n_grains, statistics.grain_diameter_nm, statistics.grain_diameter_variation
    )


def _tessellation(
    statistics: CompositeStatistics,
    n_grains: int,
    cell_aspect: Sequence[float],
    generator: np.random.Generator,
) -> Tessellation:
    if n_grains < MINIMUM_GRAINS:
        raise ValueError(f"n_grains must be at least {MINIMUM_GRAINS}, not {n_grains}")
    diameters = generator.permutation(grain_diameters(statistics, n_grains))
    return tessellate(diameters, _aspect(cell_aspect), generator)


def _aspect(cell_aspect: Sequence[float]) -> FloatArray:
    aspect = np.asarray(cell_aspect, dtype=float)
    if aspect.shape != (3,) or not np.all(np.isfinite(aspect)) or np.any(aspect <= 0.0):
        raise ValueError(f"cell_aspect must be three positive numbers, not {cell_aspect}")
    return aspect


def nanoglass_cell(
    statistics: CompositeStatistics,
    seed: int,
    n_grains: int = 8,
    cell_aspect: Sequence[float] = (1.0, 1.0, 1.0),
) -> PeriodicCell:
    """Make a cell of glassy grains and the network between them.

    Parameters
    ----------
    statistics : CompositeStatistics
        Grain size and network thickness.
    seed : int
        Seed of the positions.
    n_grains : int
        Number of grains.
    cell_aspect : sequence of float
        Proportions of the edges of the cell.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``nanoglass``.

    Raises
    ------
    RefusedError
        If the grain volumes are not met.
    """
    generator = np.random.default_rng(seed)
    tessellation = _tessellation(statistics, n_grains, cell_aspect, generator)
    return PeriodicCell(
        kind="nanoglass",
        lattice=np.diag(tessellation.edges_nm),
        phase_names=(INTERFACE, GRAIN),
        sites=tessellation.sites,
        weights=tessellation.weights,
        interface_thickness_nm=statistics.interface_thickness_nm,
        seed=seed,
    )


def nanocomposite_cell(
    statistics: CompositeStatistics,
    seed: int,
    n_grains: int = 8,
    cell_aspect: Sequence[float] = (1.0, 1.0, 1.0),
    crystal_gap_nm: float = CRYSTAL_GAP_NM,
) -> PeriodicCell:
    """Make a cell of grains, network, crystals and Sc-rich caps on some of the crystals.

    Parameters
    ----------
    statistics : CompositeStatistics
        All of it.
    seed : int
        Seed of positions and orientations.
    n_grains : int
        Number of grains.
    cell_aspect : sequence of float
        Proportions of the edges of the cell.
    crystal_gap_nm : float
        Smallest distance between crystals or caps, and from them to the network.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``nanocomposite``.

    Raises
    ------
    RefusedError
        If the grain volumes are not met, or the crystals do not fit.
    """
    generator = np.random.default_rng(seed)
    tessellation = _tessellation(statistics, n_grains, cell_aspect, generator)
    volume = float(tessellation.edges_nm.prod())
    radii = crystal_radii(statistics, volume)
    request = PackingRequest(
        radii_nm=radii,
        capped=_capped(len(radii), statistics.capped_share, generator),
        cap_thickness_nm=statistics.cap_thickness_nm,
        cap_half_angle_deg=statistics.cap_half_angle_deg,
        inset_nm=0.5 * statistics.interface_thickness_nm,
        gap_nm=crystal_gap_nm,
    )
    grains = laguerre_cells(tessellation.sites, tessellation.weights, tessellation.edges_nm)
    inclusions = pack_crystals(grains, request, generator)
    capped = any(inclusion.cap is not None for inclusion in inclusions)
    present = {INTERFACE, GRAIN} | ({NANOCRYSTAL} if inclusions else set())
    names = (
        COMPOSITE_PHASES if capped else tuple(name for name in COMPOSITE_PHASES if name in present)
    )
    return PeriodicCell(
        kind="nanocomposite",
        lattice=np.diag(tessellation.edges_nm),
        phase_names=names,
        sites=tessellation.sites,
        weights=tessellation.weights,
        interface_thickness_nm=statistics.interface_thickness_nm,
        inclusions=inclusions,
        seed=seed,
    )


def glass_cell(
    statistics: CompositeStatistics,
    n_grains: int = 8,
    cell_aspect: Sequence[float] = (1.0, 1.0, 1.0),
) -> PeriodicCell:
    """Make a cell of monolithic glass of the volume a composite of ``n_grains`` grains has.

    Parameters
    ----------
    statistics : CompositeStatistics
        Grain size, for the volume alone.
    n_grains : int
        Number of grains of the composite it is held against.
    cell_aspect : sequence of float
        Proportions of the edges of the cell.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``glass``: a box of the phase ``grain``.
    """
    aspect = _aspect(cell_aspect)
    volume = float((np.pi / 6.0 * grain_diameters(statistics, n_grains) ** 3).sum())
    edges = aspect * (volume / aspect.prod()) ** (1.0 / 3.0)
    return PeriodicCell(
        kind="glass",
        lattice=np.diag(edges),
        phase_names=(GRAIN,),
        sites=np.zeros((0, 3)),
        weights=np.zeros(0),
    )


def crystal_radii(statistics: CompositeStatistics, volume_nm3: float) -> FloatArray:
    """Radii of the crystals of a cell, ascending.

    Parameters
    ----------
    statistics : CompositeStatistics
        Fraction, mean diameter and spread.
    volume_nm3 : float
        Volume of the cell.

    Returns
    -------
    ndarray, shape (k,)
        Radii in nm, of exactly the volume fraction and the spread asked for.

    Notes
    -----
    The number is the one whose mean diameter comes closest; all are then scaled alike to the volume
    fraction, which moves the mean by less than 1 / (6 k).
    """
    target = statistics.crystal_fraction * volume_nm3
    if target == 0.0:
        return np.zeros(0)
    radius, spread = 0.5 * statistics.crystal_diameter_nm, statistics.crystal_diameter_variation
    mean_volume = 4.0 / 3.0 * np.pi * radius**3 * (1.0 + spread**2) ** 3
    guess = max(1, round(target / mean_volume))
    choices = []
    for number in range(max(1, guess - 3), guess + 4):
        radii = stratified_lognormal(number, radius, spread)
        volume = float((4.0 / 3.0 * np.pi * radii**3).sum())
        choices.append((abs(np.log(target / volume)), number, radii * (target / volume) ** (1 / 3)))
    return min(choices, key=lambda choice: choice[:2])[2]


def _capped(number: int, share: float, generator: np.random.Generator) -> BoolArray:
    # evenly over the sizes, so that the volume of the caps does not depend on the seed much
    start = generator.random()
    steps = np.floor(np.arange(number + 1) * share + start)
    return np.diff(steps) > 0.5
