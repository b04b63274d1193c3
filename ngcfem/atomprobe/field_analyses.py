"""All analyses of a composition field with one set of parameters."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ngcfem.atomprobe.composition_field import CompositionField
from ngcfem.atomprobe.composition_maps import CompositionMap, composition_map
from ngcfem.atomprobe.composition_profiles import CompositionProfile, line_profile
from ngcfem.atomprobe.frequency_test import FrequencyTest, frequency_test
from ngcfem.atomprobe.isosurfaces import Isosurface, Side, isosurface
from ngcfem.atomprobe.neighbour_distances import NeighbourDistances, neighbour_distances
from ngcfem.atomprobe.proximity_histograms import proximity_histogram
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.quantities import AXIS_INDEX, Axis

_RICH_SHARE, _POOR_SHARE = 1.4, 0.5


@dataclass(frozen=True)
class FieldAnalysisSettings:
    """Parameters of the analyses of a composition field.

    Parameters
    ----------
    element : str
        Element of interest.
    rich_threshold : float or None
        Atomic fraction above which an isosurface encloses; 1.4 times that of the whole if None.
    poor_threshold : float or None
        Atomic fraction below which an isosurface encloses; half that of the whole if None.
    smallest_part_nm2 : float
        Area below which connected parts of an isosurface are left out as noise.
    slice_thickness_nm : float
        Thickness of the slices of composition maps.
    slice_pixel_nm : float
        Edge of their pixels.
    slice_sigma_nm : float
        Standard deviation of their delocalization in the plane.
    profile_radius_nm : float
        Radius of the cylinder of a line profile.
    profile_bin_nm : float
        Length of its bins.
    proximity_reach_nm : float
        Largest distance of proximity histograms.
    proximity_bin_nm : float
        Width of their bins.
    proximity_sample : int
        Ions that they look at, at most.
    neighbour_orders : int
        Nearest neighbours looked at.
    neighbour_labellings : int
        Random labellings that they are held against.
    neighbour_sample : int
        Ions from which their distances are taken, at most.
    ions_per_block : int
        Ions in a block of the frequency test.
    block_labellings : int
        Random labellings that it is held against.
    seed : int
        Seed of labellings and samples.
    """

    element: str = "Sc"
    rich_threshold: float | None = None
    poor_threshold: float | None = None
    smallest_part_nm2: float = 5.0
    slice_thickness_nm: float = 1.0
    slice_pixel_nm: float = 0.25
    slice_sigma_nm: float = 0.5
    profile_radius_nm: float = 2.0
    profile_bin_nm: float = 0.5
    proximity_reach_nm: float = 3.0
    proximity_bin_nm: float = 0.2
    proximity_sample: int = 500_000
    neighbour_orders: int = 5
    neighbour_labellings: int = 49
    neighbour_sample: int = 20_000
    ions_per_block: int = 100
    block_labellings: int = 99
    seed: int = 0


@dataclass(frozen=True, eq=False)
class FieldAnalyses:
    """What the analyses of a composition field found.

    Parameters
    ----------
    settings : FieldAnalysisSettings
        Their parameters; thresholds that were None are filled in.
    bulk_fraction : float
        Atomic fraction of the element in the whole.
    isosurfaces : tuple of Isosurface
        Closed at the rim of the specimen; above and below the thresholds.
    n_small_parts : tuple of int
        Parts of each that were left out as noise.
    maps : tuple of CompositionMap
        Slices through the middle of the specimen, normal to x, y and z.
    lines : dict of str to CompositionProfile
        Profiles along lines through the middle of the specimen, by axis.
    proximity : dict of str to CompositionProfile
        Proximity histograms by the name of their isosurface.
    neighbours : NeighbourDistances or None
        Distances between atoms of the element.
    frequency : FrequencyTest or None
        Blocks of ions.
    remarks : tuple of str
        What was left out, and why.
    """

    settings: FieldAnalysisSettings
    bulk_fraction: float
    isosurfaces: tuple[Isosurface, ...]
    n_small_parts: tuple[int, ...]
    maps: tuple[CompositionMap, ...]
    lines: dict[str, CompositionProfile]
    proximity: dict[str, CompositionProfile]
    neighbours: NeighbourDistances | None
    frequency: FrequencyTest | None
    remarks: tuple[str, ...]


def analyse_field(
    ions: RangedIons,
    field: CompositionField,
    settings: FieldAnalysisSettings,
    watch: Callable[[str], None] | None = None,
) -> FieldAnalyses:
    """Run all analyses of a composition field.

    Parameters
    ----------
    ions : RangedIons
        The ions.
    field : CompositionField
        Their composition.
    settings : FieldAnalysisSettings
        The parameters.
    watch : callable or None
        Called with the name of each analysis before it starts.

    Returns
    -------
    FieldAnalyses
        What was found; what could not be done is named in its remarks.
    """

    def tell(name: str) -> None:
        if watch is not None:
            watch(name)

    element = settings.element
    atoms = float(ions.atoms().sum())
    bulk = float(ions.atoms_of(element).sum()) / atoms if atoms else 0.0
    settings = _with_thresholds(settings, bulk)
    remarks: list[str] = []
    tell("isosurfaces")
    surfaces, left_out, proximity = [], [], {}
    for threshold, side in _thresholds(settings):
        whole = isosurface(field, element, threshold, side)
        large = whole.without_small_parts(settings.smallest_part_nm2)
        surfaces.append(large)
        left_out.append(len(whole.part_areas_nm2()) - len(large.part_areas_nm2()))
        tell(f"proximity histogram of {large.name}")
        opened = isosurface(field, element, threshold, side, "open").without_small_parts(
            settings.smallest_part_nm2
        )
        if not len(opened.triangles):
            remarks.append(f"no proximity histogram of {large.name}: there is no such surface")
            continue
        proximity[large.name] = proximity_histogram(
            ions,
            field,
            opened,
            settings.proximity_reach_nm,
            settings.proximity_bin_nm,
            settings.proximity_sample,
            settings.seed,
        )
    tell("slices and profiles")
    maps, lines = _sections(ions, field, settings)
    neighbours = frequency = None
    try:
        tell("nearest neighbours")
        neighbours = neighbour_distances(
            ions,
            element,
            field.volume_nm3,
            settings.neighbour_orders,
            settings.neighbour_labellings,
            largest_sample=settings.neighbour_sample,
            seed=settings.seed,
        )
    except ValueError as error:
        remarks.append(f"no nearest neighbours: {error}")
    try:
        tell("frequency test")
        frequency = frequency_test(
            ions, element, settings.ions_per_block, settings.block_labellings, settings.seed
        )
    except ValueError as error:
        remarks.append(f"no frequency test: {error}")
    return FieldAnalyses(
        settings,
        bulk,
        tuple(surfaces),
        tuple(left_out),
        maps,
        lines,
        proximity,
        neighbours,
        frequency,
        tuple(remarks),
    )


def _with_thresholds(settings: FieldAnalysisSettings, bulk: float) -> FieldAnalysisSettings:
    rich, poor = settings.rich_threshold, settings.poor_threshold
    return replace(
        settings,
        rich_threshold=min(_RICH_SHARE * bulk, 0.5 + 0.5 * bulk) if rich is None else rich,
        poor_threshold=_POOR_SHARE * bulk if poor is None else poor,
    )


def _thresholds(settings: FieldAnalysisSettings) -> list[tuple[float, Side]]:
    """Thresholds that are fractions; an element that is absent, or alone, has none."""
    wanted: list[tuple[float | None, Side]] = [
        (settings.rich_threshold, "above"),
        (settings.poor_threshold, "below"),
    ]
    return [
        (threshold, side)
        for threshold, side in wanted
        if threshold is not None and 0.0 < threshold < 1.0
    ]


def _sections(
    ions: RangedIons, field: CompositionField, settings: FieldAnalysisSettings
) -> tuple[tuple[CompositionMap, ...], dict[str, CompositionProfile]]:
    """Slices and lines through the middle of the specimen."""
    if not len(ions):
        return (), {}
    low = ions.position_nm.min(axis=0).astype(np.float64)
    high = ions.position_nm.max(axis=0).astype(np.float64)
    middle = field.grid.centres_nm(np.flatnonzero(field.inside)).mean(axis=0)
    maps, lines = [], {}
    axes: tuple[Axis, ...] = ("x", "y", "z")
    for axis in axes:
        normal = AXIS_INDEX[axis]
        maps.append(
            composition_map(
                ions,
                settings.element,
                axis,
                float(middle[normal]),
                settings.slice_thickness_nm,
                settings.slice_pixel_nm,
                settings.slice_sigma_nm,
            )
        )
        start, end = middle.copy(), middle.copy()
        start[normal], end[normal] = low[normal], high[normal]
        if high[normal] > low[normal]:
            lines[axis] = line_profile(
                ions,
                start.tolist(),
                end.tolist(),
                settings.profile_radius_nm,
                settings.profile_bin_nm,
            )
    return tuple(maps), lines
