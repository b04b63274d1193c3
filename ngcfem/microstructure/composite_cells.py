"""Cells made from the statistics of a composite: nanocomposite, nanoglass and glass."""

from collections.abc import Sequence

import numpy as np

from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.crystal_population import (
    capped_crystals,
    crystal_radii,
    crystal_stretches,
)
from ngcfem.microstructure.packing import pack_crystals
from ngcfem.microstructure.packing_request import PackingRequest
from ngcfem.microstructure.rotation import random_unit_vectors
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
    crystal_gap_nm: float | None = None,
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
    crystal_gap_nm : float, optional
        Smallest distance between crystals or caps, and from them to the network; that of the
        statistics if not given, and ``CRYSTAL_GAP_NM`` if they have none.

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
    capped = capped_crystals(len(radii), statistics.capped_share, generator)
    stretches = crystal_stretches(statistics, len(radii), generator)
    request = PackingRequest(
        radii_nm=radii,
        capped=capped,
        cap_thickness_nm=statistics.cap_thickness_nm,
        cap_half_angle_deg=statistics.cap_half_angle_deg,
        inset_nm=0.5 * statistics.interface_thickness_nm,
        gap_nm=crystal_gap(statistics, crystal_gap_nm),
        stretches=stretches,
        cap_axes=None if stretches is None else random_unit_vectors(len(radii), generator),
        contact_share=statistics.interface_contact_share,
        nearest_neighbour_nm=statistics.nearest_neighbour_distance_nm,
        period_nm=tessellation.edges_nm,
    )
    grains = laguerre_cells(tessellation.sites, tessellation.weights, tessellation.edges_nm)
    inclusions = pack_crystals(grains, request, generator)
    with_caps = any(inclusion.cap is not None for inclusion in inclusions)
    present = {INTERFACE, GRAIN} | ({NANOCRYSTAL} if inclusions else set())
    names = (
        COMPOSITE_PHASES
        if with_caps
        else tuple(name for name in COMPOSITE_PHASES if name in present)
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


def crystal_gap(statistics: CompositeStatistics, crystal_gap_nm: float | None = None) -> float:
    """Decide on the smallest distance between crystals.

    Parameters
    ----------
    statistics : CompositeStatistics
        May tell one.
    crystal_gap_nm : float, optional
        The user's word, which rules.

    Returns
    -------
    float
        Distance in nm.
    """
    if crystal_gap_nm is not None:
        return crystal_gap_nm
    return CRYSTAL_GAP_NM if statistics.crystal_gap_nm is None else statistics.crystal_gap_nm


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
