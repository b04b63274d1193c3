"""Sections of the report of an atom probe specimen, as plain blocks and from what was analysed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import numpy as np

from ngcfem.atomprobe.composition_field import CompositionField
from ngcfem.atomprobe.composition_profiles import CompositionProfile
from ngcfem.atomprobe.field_analyses import FieldAnalyses
from ngcfem.atomprobe.statistics import quantities_of
from ngcfem.atomprobe.statistics_sections import StatisticsFile
from ngcfem.report.atom_probe_figures import (
    draw_composition_maps,
    draw_composition_profiles,
    draw_frequency_test,
    draw_neighbour_distances,
)
from ngcfem.report.page import Content, Markup, bullets, element, facts, joined, number, picture
from ngcfem.report.page import table as table_markup


@dataclass(frozen=True)
class ReportFigure:
    """A figure with its caption.

    Parameters
    ----------
    png : bytes
        The picture.
    alternative : str
        What it shows, for those who do not see it.
    caption : str
        What to look at.
    """

    png: bytes
    alternative: str
    caption: str


@dataclass(frozen=True)
class ReportTable:
    """A table.

    Parameters
    ----------
    head : sequence of contents
        Heads of the columns.
    rows : sequence of sequences of contents
        The rows: text, numbers, None for a dash.
    numeric : sequence of int
        Columns that are set flush right.
    """

    head: Sequence[Content]
    rows: Sequence[Sequence[Content]]
    numeric: Sequence[int] = ()


ReportBlock = ReportFigure | ReportTable | Mapping[str, Content] | Markup | str


@dataclass(frozen=True)
class ReportSection:
    """A section of the report.

    Parameters
    ----------
    anchor : str
        Name of the section in the page.
    heading : str
        Its heading.
    blocks : sequence of blocks
        Text (a paragraph), figures, tables, mappings (facts by their name) or markup.
    """

    anchor: str
    heading: str
    blocks: Sequence[ReportBlock] = field(default_factory=tuple)

    def markup(self) -> Markup:
        """Write the blocks.

        Returns
        -------
        Markup
            HTML; all text is escaped.
        """
        return joined(_block(block) for block in self.blocks)


def _block(block: ReportBlock) -> Markup:
    if isinstance(block, Markup):
        return block
    if isinstance(block, str):
        return element("p", block)
    if isinstance(block, ReportFigure):
        return picture(block.png, block.alternative, block.caption)
    if isinstance(block, ReportTable):
        return table_markup(block.head, block.rows, block.numeric)
    return facts(block)


def composition_section(summary: Mapping[str, Any], spectrum: bytes | None) -> ReportSection:
    """Say what the data set is and what it is made of.

    Parameters
    ----------
    summary : mapping
        Content of summary.json as `ngcfem.workflow.atom_probe.apt_stage` writes it.
    spectrum : bytes or None
        PNG of the mass spectrum.

    Returns
    -------
    ReportSection
        The section.
    """
    composition = summary.get("composition", {})
    ordered = sorted(composition.items(), key=lambda item: -float(item[1]["atoms"]))
    rows = []
    for name, entry in ordered:
        share, error = entry["atomic_percent"], entry["atomic_percent_standard_error"]
        interval = None
        if share is not None and error is not None:
            low, high = max(share - 1.96 * error, 0.0), min(share + 1.96 * error, 100.0)
            interval = f"{low:.3f} to {high:.3f}"
        rows.append(
            (name, f"{entry['atoms']:.0f}", None if share is None else f"{share:.3f}", interval)
        )
    blocks: list[ReportBlock] = [
        ReportTable(("element", "atoms", "at%", "95 % interval of counting"), rows, (1, 2, 3))
    ]
    if spectrum is not None:
        caption = "Mass spectrum with its ranges; grey is what no range holds."
        blocks.append(ReportFigure(spectrum, "Mass spectrum", caption))
    warnings = summary.get("warnings", [])
    if warnings:
        blocks.append(Markup("<h3>Warnings</h3>"))
        blocks.append(bullets(f"{entry['where']}: {entry['found']}" for entry in warnings))
    return ReportSection("composition", "Composition of the whole", blocks)


def map_section(analyses: FieldAnalyses) -> ReportSection:
    """Show the slices.

    Parameters
    ----------
    analyses : FieldAnalyses
        The analyses.

    Returns
    -------
    ReportSection
        The section.
    """
    drawn = [entry for entry in analyses.maps if entry.atoms.size]
    if not drawn:
        return ReportSection("slices", "Slices", ("There are no slices.",))
    caption = (
        f"Raw ions of slices {drawn[0].thickness_nm:g} nm thick through the middle of the "
        f"specimen, in pixels of {drawn[0].pixel_nm:g} nm, delocalized in the plane by a Gaussian "
        f"of standard deviation {drawn[0].kernel_sigma_nm:g} nm. Above: atomic per cent of "
        f"{drawn[0].element}; below: its standard error from counting. A pattern fainter than "
        "the error is noise."
    )
    figure = ReportFigure(draw_composition_maps(drawn), "Composition maps of slices", caption)
    return ReportSection("slices", "Slices", (figure,))


def profile_section(analyses: FieldAnalyses) -> ReportSection:
    """Show the line profiles.

    Parameters
    ----------
    analyses : FieldAnalyses
        The analyses.

    Returns
    -------
    ReportSection
        The section.
    """
    if not analyses.lines:
        return ReportSection("profiles", "Line profiles", ("There are no profiles.",))
    settings = analyses.settings
    caption = (
        "Raw ions in cylinders of radius "
        f"{settings.profile_radius_nm:g} nm along x, y and z through the middle of the specimen. "
        "Bands are 95 % intervals of counting (Wilson); nothing is delocalized."
    )
    titles = {f"along {axis}": profile for axis, profile in analyses.lines.items()}
    drawing = draw_composition_profiles(titles, "distance [nm]")
    return ReportSection(
        "profiles", "Line profiles", (ReportFigure(drawing, "Composition along lines", caption),)
    )


def proximity_section(analyses: FieldAnalyses) -> ReportSection:
    """Show the proximity histograms with their numbers.

    Parameters
    ----------
    analyses : FieldAnalyses
        The analyses.

    Returns
    -------
    ReportSection
        The section.
    """
    anchor, heading = "proximity", "Proximity histograms"
    if not analyses.proximity:
        return ReportSection(anchor, heading, ("There is no surface to measure from.",))
    caption = (
        "Composition against the distance of raw ions to the triangles of the isosurface, positive "
        "inside what it encloses (left out: ions beside the edge of the surface at the rim of the "
        "specimen). Bands are 95 % intervals of counting. The surface itself follows the noise of "
        "the composition: within about one kernel width of zero the step looks steeper than it is."
    )
    drawing = draw_composition_profiles(analyses.proximity, "signed distance [nm]", mark_zero=True)
    blocks: list[ReportBlock] = [ReportFigure(drawing, "Proximity histograms", caption)]
    name = analyses.settings.element
    for title, profile in analyses.proximity.items():
        blocks.append(_profile_table(title, profile, name))
    return ReportSection(anchor, heading, blocks)


def _profile_table(title: str, profile: CompositionProfile, name: str) -> Markup:
    low, high = profile.interval(name)
    rows = [
        (
            f"{profile.edges_nm[k]:.2f} to {profile.edges_nm[k + 1]:.2f}",
            int(profile.total[k]),
            f"{100.0 * profile.fraction(name)[k]:.2f}",
            f"{100.0 * low[k]:.2f} to {100.0 * high[k]:.2f}",
        )
        for k in range(len(profile.centres_nm))
        if profile.total[k]
    ]
    head = ("distance [nm]", "atoms", f"{name} [at%]", "95 % interval")
    summary = element("summary", f"Numbers of {title}")
    return element("details", [summary, table_markup(head, rows, (0, 1, 2, 3))])


def clustering_section(analyses: FieldAnalyses) -> ReportSection:
    """Say whether the element is spread at random.

    Parameters
    ----------
    analyses : FieldAnalyses
        The analyses.

    Returns
    -------
    ReportSection
        The section.
    """
    blocks: list[ReportBlock] = []
    neighbours, test = analyses.neighbours, analyses.frequency
    if neighbours is not None:
        random = neighbours.random_mean_nm
        caption = (
            f"Distances between ions that hold {neighbours.element}: specimen (red), "
            f"{len(random)} labellings of the same places at random (grey), closed form of an "
            "endless random solution (dashed). The grey band includes the surface of the specimen "
            "and its uneven density, the dashed line does not."
        )
        blocks.append(
            ReportFigure(
                draw_neighbour_distances(neighbours), "Distances to nearest neighbours", caption
            )
        )
        low, high = np.quantile(random, [0.025, 0.975], axis=0)
        rows = [
            (
                order + 1,
                f"{neighbours.mean_nm[order]:.4f}",
                f"{low[order]:.4f} to {high[order]:.4f}",
                f"{neighbours.ratio[order]:.4f}",
                _probability(float(neighbours.p_value[order]), 1.0 / (1.0 + len(random))),
            )
            for order in range(len(neighbours.mean_nm))
        ]
        head = ("neighbour", "mean [nm]", "random labels, 95 % [nm]", "ratio", "p")
        blocks.append(ReportTable(head, rows, (0, 1, 2, 3, 4)))
    if test is not None:
        least = 1.0 / (1.0 + len(test.random_chi_square))
        caption = (
            f"Blocks of {test.ions_per_block} ions by their ions of {test.element}, against the "
            "binomial distribution of a random solution."
        )
        blocks.append(ReportFigure(draw_frequency_test(test), "Frequency test", caption))
        blocks.append(
            {
                "Pearson coefficient mu": f"{test.pearson_coefficient:.3f} (0 random, 1 apart; "
                f"random labels {test.random_pearson_coefficient:.3f})",
                "chi-square": f"{test.chi_square:.1f} at {test.degrees_of_freedom} degrees of "
                f"freedom, p {_probability(test.p_value, 0.0)}",
                "against random labels": f"p {_probability(test.random_p_value, least)} "
                f"({len(test.random_chi_square)} labellings)",
            }
        )
    if not blocks:
        blocks.append("Neither neighbour distances nor a frequency test could be made.")
    return ReportSection("clustering", "Random or not", blocks)


def _probability(value: float, least: float) -> str:
    """A probability of a test whose smallest possible one is known."""
    if value <= least:
        return f"at most {least:.2g}" if least > 0.0 else "below 1e-300"
    return f"{value:.2g}"


def statistics_section(statistics: StatisticsFile) -> ReportSection:
    """List every number of a statistics file.

    Parameters
    ----------
    statistics : StatisticsFile
        The file.

    Returns
    -------
    ReportSection
        The section.
    """
    rows = [
        (
            key,
            number(entry.value),
            None
            if entry.lo95 is None or entry.hi95 is None
            else f"{number(entry.lo95)} to {number(entry.hi95)}",
            "" if entry.unit == "1" else entry.unit,
            entry.n,
            entry.provenance,
            entry.method,
        )
        for key, entry in quantities_of(statistics).items()
    ]
    head = ("quantity", "value", "95 % interval", "unit", "n", "provenance", "method")
    return ReportSection("numbers", "Numbers", (ReportTable(head, rows, (1, 2, 4)),))


def parameter_section(
    parameters: Mapping[str, Any], composition: CompositionField
) -> ReportSection:
    """List every parameter of every part.

    Parameters
    ----------
    parameters : mapping of str to dataclass or mapping
        Parameters by the name of the part.
    composition : CompositionField
        The field.

    Returns
    -------
    ReportSection
        The section.
    """
    grid = composition.grid
    rows: list[Sequence[Content]] = [
        ("composition field", "voxel_nm", number(grid.voxel_nm)),
        ("composition field", "voxels", " x ".join(str(size) for size in grid.shape)),
        ("composition field", "kernel_sigma_nm", number(composition.kernel_sigma_nm)),
    ]
    for part, values in parameters.items():
        rows += [(part, name, value) for name, value in _entries(values)]
    head = ("part", "parameter", "value")
    return ReportSection("parameters", "Parameters", (ReportTable(head, rows),))


def _entries(values: Any, prefix: str = "") -> Iterator[tuple[str, Content]]:
    """Names and values of a dataclass or mapping, those inside by dotted names."""
    entries: Mapping[str, Any] = values if isinstance(values, Mapping) else vars(values)
    for name, value in entries.items():
        if isinstance(value, Mapping) or is_dataclass(value):
            yield from _entries(value, f"{prefix}{name}.")
        elif value is None or isinstance(value, bool | int | str):
            yield f"{prefix}{name}", value
        elif isinstance(value, float):
            yield f"{prefix}{name}", number(value)
        else:
            yield f"{prefix}{name}", str(value)
