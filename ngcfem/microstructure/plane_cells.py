"""Cells of two dimensions in plane strain, of the same kinds as the three-dimensional ones.

A plane cell is a material of its own, not a section of a three-dimensional cell. The numbers of the
statistics are taken for the plane as they stand: the equivalent diameter of a grain is that of the
disc of its area, the diameters of the crystals are those of discs, and a volume fraction is an area
fraction. A section through grains and crystals of these diameters would show smaller circles, and
its network a smaller share (it scales with 2 / diameter instead of 3 / diameter); discs are
cylinders in space, not spheres. What carries over from a plane cell is the mechanism, not the
number.
"""

from collections.abc import Sequence

import numpy as np

from ngcfem.microstructure.cell import (
    INCLUSION,
    MATRIX,
    Inclusion,
    Layer,
    PeriodicCell,
    box_lattice,
)
from ngcfem.microstructure.composite_cells import CRYSTAL_GAP_NM, MINIMUM_GRAINS, grain_diameters
from ngcfem.microstructure.crystal_population import capped_crystals, stratified_radii
from ngcfem.microstructure.plane_packing import PlanePackingRequest, pack_discs
from ngcfem.microstructure.plane_tessellation import (
    PlaneTessellation,
    plane_diagram,
    tessellate_plane,
)
from ngcfem.microstructure.simple_cells import MINIMUM_SPHERE_GAP
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.quantities import (
    AXIS_INDEX,
    COMPOSITE_PHASES,
    GRAIN,
    INTERFACE,
    NANOCRYSTAL,
    FloatArray,
)

ROUNDING_OF_NUMBER = 0.35
"""Times 1 / k: largest relative miss of the mean diameter when an area is met by k whole discs.

From k to k + 1 the choice changes at the area of sqrt(k (k + 1)) discs: there one disc is 19 % too
large and two are 16 % too small, and more discs miss by less.
"""

_MANY = 500


def _plane_aspect(cell_aspect: Sequence[float]) -> FloatArray:
    aspect = np.asarray(cell_aspect, dtype=float)
    if aspect.shape not in ((2,), (3,)) or not np.all(np.isfinite(aspect)) or aspect.min() <= 0.0:
        raise ValueError(f"cell_aspect must be two positive numbers, not {cell_aspect}")
    return aspect[:2]


def _tessellation(
    statistics: CompositeStatistics,
    n_grains: int,
    cell_aspect: Sequence[float],
    generator: np.random.Generator,
) -> PlaneTessellation:
    if n_grains < MINIMUM_GRAINS:
        raise ValueError(f"n_grains must be at least {MINIMUM_GRAINS}, not {n_grains}")
    diameters = generator.permutation(grain_diameters(statistics, n_grains))
    return tessellate_plane(diameters, _plane_aspect(cell_aspect), generator)


def _cell_without_grains(
    kind: str, lattice: FloatArray, phase_names: tuple[str, ...], **content: object
) -> PeriodicCell:
    return PeriodicCell(
        kind=kind,
        lattice=lattice,
        phase_names=phase_names,
        sites=np.zeros((0, 2)),
        weights=np.zeros(0),
        rotation=np.eye(2),
        **content,  # type: ignore[arg-type]
    )


def plane_nanoglass_cell(
    statistics: CompositeStatistics,
    seed: int,
    n_grains: int = 8,
    cell_aspect: Sequence[float] = (1.0, 1.0),
) -> PeriodicCell:
    """Make a plane cell of glassy grains and the network between them.

    Parameters
    ----------
    statistics : CompositeStatistics
        Grain size and network thickness.
    seed : int
        Seed of the positions.
    n_grains : int
        Number of grains.
    cell_aspect : sequence of float
        Proportions of the two edges of the cell; a third number is not used.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``nanoglass`` and dimension 2.

    Raises
    ------
    RefusedError
        If the grain areas are not met.
    """
    generator = np.random.default_rng(seed)
    tessellation = _tessellation(statistics, n_grains, cell_aspect, generator)
    return _grains_and_network("nanoglass", statistics, tessellation, (INTERFACE, GRAIN), (), seed)


def plane_nanocomposite_cell(
    statistics: CompositeStatistics,
    seed: int,
    n_grains: int = 8,
    cell_aspect: Sequence[float] = (1.0, 1.0),
    crystal_gap_nm: float = CRYSTAL_GAP_NM,
) -> PeriodicCell:
    """Make a plane cell of grains, network, discs and Sc-rich caps on some of the discs.

    Parameters
    ----------
    statistics : CompositeStatistics
        Sizes, fractions and caps; what it says of shape, contact and neighbours of the crystals is
        not used in the plane.
    seed : int
        Seed of positions and orientations.
    n_grains : int
        Number of grains.
    cell_aspect : sequence of float
        Proportions of the two edges of the cell; a third number is not used.
    crystal_gap_nm : float
        Smallest distance between discs or caps, and from them to the network.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``nanocomposite`` and dimension 2.

    Raises
    ------
    RefusedError
        If the grain areas are not met, or the discs do not fit.
    """
    generator = np.random.default_rng(seed)
    tessellation = _tessellation(statistics, n_grains, cell_aspect, generator)
    radii = disc_radii(statistics, float(tessellation.edges_nm.prod()))
    request = PlanePackingRequest(
        radii_nm=radii,
        capped=capped_crystals(len(radii), statistics.capped_share, generator),
        cap_thickness_nm=statistics.cap_thickness_nm,
        cap_half_angle_deg=statistics.cap_half_angle_deg,
        inset_nm=0.5 * statistics.interface_thickness_nm,
        gap_nm=crystal_gap_nm,
    )
    diagram = plane_diagram(tessellation.sites, tessellation.weights, tessellation.edges_nm)
    inclusions = pack_discs(diagram.grains, request, generator)
    present = {INTERFACE, GRAIN} | ({NANOCRYSTAL} if inclusions else set())
    names = tuple(name for name in COMPOSITE_PHASES if name in present)
    if any(inclusion.cap is not None for inclusion in inclusions):
        names = COMPOSITE_PHASES
    return _grains_and_network("nanocomposite", statistics, tessellation, names, inclusions, seed)


def _grains_and_network(
    kind: str,
    statistics: CompositeStatistics,
    tessellation: PlaneTessellation,
    phase_names: tuple[str, ...],
    inclusions: tuple[Inclusion, ...],
    seed: int,
) -> PeriodicCell:
    return PeriodicCell(
        kind=kind,
        lattice=np.diag(tessellation.edges_nm),
        phase_names=phase_names,
        sites=tessellation.sites,
        weights=tessellation.weights,
        interface_thickness_nm=statistics.interface_thickness_nm,
        inclusions=inclusions,
        seed=seed,
        rotation=np.eye(2),
    )


def plane_glass_cell(
    statistics: CompositeStatistics,
    n_grains: int = 8,
    cell_aspect: Sequence[float] = (1.0, 1.0),
) -> PeriodicCell:
    """Make a plane cell of monolithic glass of the area a composite of ``n_grains`` grains has.

    Parameters
    ----------
    statistics : CompositeStatistics
        Grain size, for the area alone.
    n_grains : int
        Number of grains of the composite it is held against.
    cell_aspect : sequence of float
        Proportions of the two edges of the cell; a third number is not used.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``glass``: a rectangle of the phase ``grain``.
    """
    aspect = _plane_aspect(cell_aspect)
    area = float((np.pi / 4.0 * grain_diameters(statistics, n_grains) ** 2).sum())
    edges = aspect * np.sqrt(area / aspect.prod())
    return _cell_without_grains("glass", np.diag(edges), (GRAIN,))


def plane_homogeneous_cell(phase: str, cell_nm: float | Sequence[float] = 10.0) -> PeriodicCell:
    """Make a rectangle of one phase.

    Parameters
    ----------
    phase : str
        Name of the phase.
    cell_nm : float or sequence of float
        Edge of a square, or the two edges, in nm.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``homogeneous`` and dimension 2.
    """
    return _cell_without_grains("homogeneous", box_lattice(cell_nm, 2), (phase,))


def plane_laminate_cell(
    normal: str, layers: Sequence[Layer], cell_nm: float | Sequence[float] = 10.0
) -> PeriodicCell:
    """Make a rectangle of straight layers.

    Parameters
    ----------
    normal : {"x", "y"}
        Axis normal to the layers.
    layers : sequence of Layer
        Layers from the origin along the normal; the same phase may occur several times.
    cell_nm : float or sequence of float
        Edge of a square, or the two edges, in nm.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``laminate`` and dimension 2.

    Raises
    ------
    ValueError
        If the normal is out of the plane, there is no layer, a fraction is not positive, or the
        fractions do not add up to 1.
    """
    if AXIS_INDEX[normal] > 1:
        raise ValueError("the normal of a plane laminate is x or y: z is out of the plane")
    fractions = np.array([layer.fraction for layer in layers], dtype=float)
    if len(fractions) == 0 or np.any(fractions <= 0.0):
        raise ValueError("a laminate needs layers of positive fraction")
    if abs(fractions.sum() - 1.0) > 1e-9:
        raise ValueError(f"the fractions of the layers add up to {fractions.sum():.12g}, not 1")
    names = tuple(dict.fromkeys(layer.phase for layer in layers))
    return _cell_without_grains(
        "laminate",
        box_lattice(cell_nm, 2),
        names,
        layers=tuple(layers),
        layer_axis=AXIS_INDEX[normal],
    )


def disc_cell(fraction: float, cell_nm: float | Sequence[float] = 10.0) -> PeriodicCell:
    """Make a rectangle of ``matrix`` with one disc of ``inclusion`` in its middle.

    Parameters
    ----------
    fraction : float
        Share of the disc in the area of the cell.
    cell_nm : float or sequence of float
        Edge of a square, or the two edges, in nm.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``sphere`` and dimension 2.

    Raises
    ------
    ValueError
        If the disc would come closer to its own image than ``MINIMUM_SPHERE_GAP`` allows.
    """
    lattice = box_lattice(cell_nm, 2)
    edges = np.diag(lattice)
    largest = largest_disc_fraction(edges)
    if not 0.0 < fraction <= largest:
        raise ValueError(
            f"a disc of fraction {fraction} does not fit into the cell: "
            f"above 0 and at most {largest:.4f}"
        )
    radius = float(np.sqrt(fraction * edges.prod() / np.pi))
    centre = 0.5 * edges
    disc = Inclusion((float(centre[0]), float(centre[1])), radius)
    return _cell_without_grains("sphere", lattice, (MATRIX, INCLUSION), inclusions=(disc,))


def largest_disc_fraction(edges_nm: FloatArray) -> float:
    """Largest share that a disc in the middle of a rectangle may have.

    Parameters
    ----------
    edges_nm : ndarray, shape (2,)
        Edges of the rectangle.

    Returns
    -------
    float
        Share of the area at which the disc comes as close to its image as is allowed.
    """
    radius = 0.5 * (1.0 - MINIMUM_SPHERE_GAP) * float(edges_nm.min())
    return float(np.pi * radius**2 / edges_nm.prod())


def disc_radii(statistics: CompositeStatistics, area_nm2: float) -> FloatArray:
    """Radii of the discs of a plane cell, ascending.

    Parameters
    ----------
    statistics : CompositeStatistics
        Fraction (here of the area), and mean and spread or samples of the diameter.
    area_nm2 : float
        Area of the cell.

    Returns
    -------
    ndarray, shape (k,)
        Radii in nm, of exactly the area fraction and the spread asked for.

    Notes
    -----
    The number is the one whose mean diameter comes closest; all are then scaled alike to the area
    fraction, which moves the mean by less than 1 / (4 k).
    """
    target = statistics.crystal_fraction * area_nm2
    if target == 0.0:
        return np.zeros(0)
    many = stratified_radii(statistics, _MANY)
    guess = max(1, round(target / float(np.pi * (many**2).mean())))
    choices = []
    for number in range(max(1, guess - 3), guess + 4):
        radii = stratified_radii(statistics, number)
        area = float((np.pi * radii**2).sum())
        choices.append((abs(np.log(target / area)), number, radii * np.sqrt(target / area)))
    return min(choices, key=lambda choice: choice[:2])[2]
