"""Figure of a study: the curves in one panel, and below it the plastic strain of each case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ngcfem.quantities import AXIS_INDEX, Axis, FloatArray, IntArray
from ngcfem.report.figures import new_figure, png, styled
from ngcfem.results.bands import ShearBand
from ngcfem.results.curve import StressStrainCurve
from ngcfem.results.fields import FieldFile
from ngcfem.results.localization import PLASTIC_STRAIN, Localization

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#4477aa", "#cc3311", "#228833", "#aa3377", "#ee7733", "#009988")
_MAP_COLOURS = "magma_r"
_MOST_BANDS = 4
_CUT_SHARE = 0.995
_WIDTH_IN, _CURVES_IN = 9.6, 3.9
# Room for the scale of colours beside the maps, for the words above and below, and the most a map
# may take.
_SCALE_IN, _WORDS_IN, _TALLEST_IN = 1.4, 1.2, 6.0


@dataclass(frozen=True, eq=False)
class StudyMember:
    """What is shown of one case of a study.

    Parameters
    ----------
    name : str
        Name of the case in the study.
    directory : Path
        Its run directory.
    state : str
        State of the run.
    materials : tuple
        Name, law and parameters of every phase; phases that agree in the last two are one material.
    axis : {"x", "y", "z"}
        Axis of the load.
    curve : StressStrainCurve or None
        Cauchy stress over true strain.
    fields : FieldFile or None
        Last snapshot.
    phase_names : tuple of str
        Names of the phases by their number in the snapshot.
    localization : Localization or None
        Its numbers.
    lattice_nm : ndarray, shape (d, d), or None
        Periods as rows; None for a specimen that is not periodic.
    summary : mapping
        Content of summary.json.
    """

    name: str
    directory: Path
    state: str
    materials: tuple[tuple[str, str, tuple[tuple[str, float | str], ...]], ...]
    axis: Axis
    curve: StressStrainCurve | None
    fields: FieldFile | None
    phase_names: tuple[str, ...]
    localization: Localization | None
    lattice_nm: FloatArray | None
    summary: Mapping[str, Any]


def draw_study(members: Sequence[StudyMember]) -> bytes | None:
    """Draw curves and maps of a study.

    Parameters
    ----------
    members : sequence of StudyMember
        The cases in their order.

    Returns
    -------
    bytes or None
        PNG; None if no case has a curve.

    Notes
    -----
    All maps share one scale of colours, which ends where 99.5 % of the volume of the cases lies
    below. Maps show the undeformed configuration, with the boundaries between different materials,
    and the middle of each band as a line along its extent. A cell in space is shown by a section
    through its middle that holds the axis of the load.
    """
    drawn = [member for member in members if member.curve is not None]
    if not drawn:
        return None
    mapped = [member for member in drawn if member.fields is not None]
    with styled():
        from matplotlib.colors import Normalize

        sections = [_section(member) for member in mapped]
        heights = (_CURVES_IN, _map_height_in(sections)) if mapped else (_CURVES_IN,)
        figure = new_figure(_WIDTH_IN, sum(heights))
        rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
        _draw_curves(figure.add_subplot(rows[0]), members)
        if mapped:
            scale = Normalize(0.0, _upper_end(mapped))
            panels = rows[1].subgridspec(1, len(mapped))
            axes = [figure.add_subplot(panels[0, n]) for n in range(len(mapped))]
            for panel, member, section in zip(axes, mapped, sections, strict=True):
                _draw_map(panel, member, section, scale)
            from matplotlib.cm import ScalarMappable

            bar = figure.colorbar(
                ScalarMappable(scale, _MAP_COLOURS), ax=axes, shrink=0.8, pad=0.01, extend="max"
            )
            bar.set_label("accumulated plastic strain [-]")
        return png(figure)


def _map_height_in(sections: Sequence["_Section"]) -> float:
    """Height of the row of maps."""
    extents = [np.ptp(section.points, axis=0) for section in sections]
    slimness = max(float(extent[1] / extent[0]) for extent in extents)
    return min((_WIDTH_IN - _SCALE_IN) / len(sections) * slimness, _TALLEST_IN) + _WORDS_IN


def _draw_curves(axes: "Axes", members: Sequence[StudyMember]) -> None:
    for number, member in enumerate(members):
        if member.curve is None:
            continue
        axes.plot(
            member.curve.loading_strain,
            member.curve.loading_stress_gpa,
            color=_COLOURS[number % len(_COLOURS)],
            label=member.name if member.state == "finished" else f"{member.name} ({member.state})",
        )
    curve = next(member.curve for member in members if member.curve is not None)
    loading = {-1: " in compression", 0: "", 1: " in tension"}[curve.direction]
    axes.set_xlabel(f"true strain{loading} [-]")
    axes.set_ylabel(f"true (Cauchy) stress{loading} [GPa]")
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)
    axes.legend(loc="lower right")


def _upper_end(members: Sequence[StudyMember]) -> float:
    """Plastic strain below which 99.5 % of the volume of all cases lies, rounded up."""
    values = np.concatenate([_strain(member) for member in members])
    weights = np.concatenate(
        [_fields(member).volumes / _fields(member).volumes.sum() for member in members]
    )
    order = np.argsort(values)
    below = np.cumsum(weights[order]) / weights.sum()
    end = float(values[order][np.searchsorted(below, _CUT_SHARE)])
    if end <= 0.0:
        return 1.0
    step = 10.0 ** np.floor(np.log10(end)) / 2.0
    return float(np.ceil(end / step) * step)


def _fields(member: StudyMember) -> FieldFile:
    assert member.fields is not None
    return member.fields


def _strain(member: StudyMember) -> FloatArray:
    return np.asarray(_fields(member).cell_data[PLASTIC_STRAIN], dtype=float)


@dataclass(frozen=True, eq=False)
class _Section:
    """A plane picture: triangles with a cell of the snapshot each, and the names of its axes."""

    points: FloatArray
    triangles: IntArray
    cell: IntArray
    axes: tuple[str, str]


def _section(member: StudyMember) -> _Section:
    fields = _fields(member)
    if fields.dimension == 2:
        return _Section(
            fields.points[:, :2], fields.cells, np.arange(len(fields.cells)), ("x", "y")
        )
    load = AXIS_INDEX[member.axis]
    normal = (load + 1) % 3
    across = (load + 2) % 3
    level = float(np.median(fields.centres_nm[:, normal]))
    points, triangles, cell = _cut(fields.points, fields.cells, normal, level)
    return _Section(points[:, [across, load]], triangles, cell, ("xyz"[across], "xyz"[load]))


def _cut(
    points: FloatArray, cells: IntArray, normal: int, level: float
) -> tuple[FloatArray, IntArray, IntArray]:
    """Cut tetrahedra by a plane: corners, triangles and the tetrahedron of each."""
    height = points[:, normal] - level
    # No corner lies in the plane itself, so that every cut is a triangle or a quadrangle.
    height = np.where(height == 0.0, 1e-9, height)
    above = height[cells] > 0.0
    number = above.sum(axis=1)
    corners: list[FloatArray] = []
    owners: list[int] = []
    for cell in np.flatnonzero((number > 0) & (number < 4)):
        nodes = cells[cell]
        upper, lower = nodes[above[cell]], nodes[~above[cell]]
        pairs = [(a, b) for a in upper for b in lower]
        if len(pairs) == 4:
            pairs = [pairs[0], pairs[1], pairs[3], pairs[2]]
        ends = np.array(
            [
                points[a] + (points[b] - points[a]) * height[a] / (height[a] - height[b])
                for a, b in pairs
            ]
        )
        for last in range(2, len(ends)):
            corners.append(ends[[0, last - 1, last]])
            owners.append(int(cell))
    stacked = np.concatenate(corners)
    return stacked, np.arange(len(stacked)).reshape(-1, 3), np.array(owners)


def _draw_map(axes: "Axes", member: StudyMember, section: _Section, scale: Any) -> None:
    from matplotlib.collections import LineCollection

    lines = _material_boundaries(member, section)
    periods, images = _images(member, section)
    for image in images:
        axes.tripcolor(
            section.points[:, 0] + image[0],
            section.points[:, 1] + image[1],
            section.triangles,
            facecolors=_strain(member)[section.cell],
            cmap=_MAP_COLOURS,
            norm=scale,
            rasterized=True,
        )
        if len(lines):
            axes.add_collection(
                LineCollection(list(lines + image), colors="#30363d", linewidths=0.5, alpha=0.6)
            )
    localization = member.localization
    words = [member.name]
    if localization is not None and localization.bands is not None:
        if _fields(member).dimension == 2:
            for band in localization.bands.bands[:_MOST_BANDS]:
                for image in images:
                    _draw_band(axes, band, image)
        words += _in_words(localization)
    axes.set_title("\n".join(words), fontsize=7.5, loc="left")
    axes.set_aspect("equal")
    if periods is not None:
        axes.set_xlim(0.0, periods[0])
        axes.set_ylim(0.0, periods[1])
    axes.set_xlabel(f"{section.axes[0]} [nm]")
    axes.set_ylabel(f"{section.axes[1]} [nm]")
    axes.grid(visible=False)


def _in_words(localization: Localization) -> list[str]:
    bands = localization.bands
    assert bands is not None
    index = f"localization index {bands.localization_index:.2f}"
    if not bands.bands:
        return [index, "no single band"]
    first = bands.bands[0]
    count = f"{bands.number} bands" if bands.number > 1 else "1 band"
    return [index, f"{count}: {first.angle_deg:.0f}\N{DEGREE SIGN}, {first.width_nm:.1f} nm"]


def _images(
    member: StudyMember, section: _Section
) -> tuple[FloatArray | None, Sequence[FloatArray]]:
    """Edges of the rectangle that one period fills, and moves that fill it with the cell."""
    lattice = member.lattice_nm
    if lattice is None or np.abs(lattice - np.diag(np.diag(lattice))).max() > 0.0:
        return None, [np.zeros(2)]
    periods = np.array([np.diag(lattice)["xyz".index(name)] for name in section.axes])
    low, high = section.points.min(axis=0), section.points.max(axis=0)
    moves = [np.array([i, j]) * periods for i in (-1, 0, 1) for j in (-1, 0, 1)]
    inside = [m for m in moves if np.all(low + m < periods) and np.all(high + m > 0.0)]
    return periods, inside


def _draw_band(axes: "Axes", band: ShearBand, image: FloatArray) -> None:
    along = np.array([-band.normal[1], band.normal[0]])
    centre = np.array(band.centre_nm) + image
    ends = centre + 0.5 * band.extent_nm * np.array([[-1.0], [1.0]]) * along
    axes.plot(ends[:, 0], ends[:, 1], color="#0077bb", linewidth=1.0, linestyle=(0, (4, 3)))


def _material_boundaries(member: StudyMember, section: _Section) -> FloatArray:
    """Edges between triangles of different materials, shape (n, 2, 2)."""
    if _fields(member).dimension != 2:
        return np.zeros((0, 2, 2))
    kinds: dict[Any, int] = {}
    number = {
        name: kinds.setdefault((law, parameters), len(kinds))
        for name, law, parameters in member.materials
    }
    by_phase = np.array([number.get(name, -1) for name in member.phase_names])
    material = by_phase[np.asarray(_fields(member).cell_data["phase"], dtype=int)[section.cell]]
    edges = np.sort(section.triangles[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
    owner = np.repeat(material, 3)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    edges, owner = edges[order], owner[order]
    shared = np.flatnonzero((edges[1:] == edges[:-1]).all(axis=1))
    different = shared[owner[shared] != owner[shared + 1]]
    return section.points[edges[different]]
