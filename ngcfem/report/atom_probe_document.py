"""The report of an atom probe specimen: one HTML file that needs nothing else."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.atomprobe.composition_field import CompositionField
from ngcfem.atomprobe.field_analyses import FieldAnalyses
from ngcfem.atomprobe.statistics_sections import StatisticsFile
from ngcfem.report.atom_probe_sections import (
    ReportSection,
    clustering_section,
    composition_section,
    map_section,
    parameter_section,
    profile_section,
    proximity_section,
    statistics_section,
)
from ngcfem.report.atom_probe_surfaces import DrawnSurface, bodies_of, drawn_isosurfaces
from ngcfem.report.interactive_view import interactive_view
from ngcfem.report.page import (
    Content,
    Markup,
    box,
    bullets,
    chip,
    document,
    element,
    facts,
    joined,
    number,
    picture,
    table,
)
from ngcfem.report.pictures import draw_surface_pictures
from ngcfem.results.atomic import write_text_atomically


def atom_probe_document(
    path: Path,
    title: str,
    summary: Mapping[str, Any],
    composition: CompositionField,
    analyses: FieldAnalyses,
    *,
    spectrum: bytes | None = None,
    statistics: StatisticsFile | None = None,
    regions: Sequence[DrawnSurface] = (),
    sections: Sequence[ReportSection] = (),
    parameters: Mapping[str, Any] | None = None,
) -> Path:
    """Write the report of an atom probe specimen.

    Parameters
    ----------
    path : Path
        HTML file to write; its pictures go to ``figures`` beside it.
    title : str
        Title of the page.
    summary : mapping
        What ranging found: content of summary.json of `ngcfem.workflow.atom_probe.apt_stage`.
    composition : CompositionField
        The field.
    analyses : FieldAnalyses
        What `ngcfem.atomprobe.field_analyses.analyse_field` found in it.
    spectrum : bytes or None
        PNG of the mass spectrum.
    statistics : StatisticsFile or None
        Numbers of the regions; listed with their intervals.
    regions : sequence of DrawnSurface
        Surfaces of regions (crystals, network, grains), drawn in place of the isosurfaces.
    sections : sequence of ReportSection
        Further sections, which come after the slices: crystals, network, grains, deformed state.
    parameters : mapping of str to dataclass or mapping
        Parameters of further parts by their name; those of the field and its analyses are listed
        in any case.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    ResourceError
        If the disk is full.

    Notes
    -----
    Figures are embedded, and so is the view in three dimensions, as a page inside the page.
    Pictures are left out, with the reason, where the machine cannot render.
    """
    outline = drawn_isosurfaces(composition, () if regions else analyses.isosurfaces)
    surfaces = (*regions, *outline)
    listed: dict[str, Any] = {"analyses": analyses.settings, **(parameters or {})}
    made: list[ReportSection] = [
        _surface_section(path.parent / "figures", title, surfaces, analyses, bool(regions)),
        map_section(analyses),
        *sections,
    ]
    if statistics is not None:
        made.append(statistics_section(statistics))
    made += [
        profile_section(analyses),
        proximity_section(analyses),
        clustering_section(analyses),
        composition_section(summary, spectrum),
        parameter_section(listed, composition),
        _provenance_section(summary),
    ]
    content = {entry.anchor: (entry.heading, entry.markup()) for entry in made}
    head = _head(title, summary, composition, analyses)
    write_text_atomically(path, document(title, content, head))
    return path


def _head(
    title: str,
    summary: Mapping[str, Any],
    composition: CompositionField,
    analyses: FieldAnalyses,
) -> Markup:
    data = summary.get("data", {})
    name = analyses.settings.element
    size = ""
    if "lowest_nm" in data:
        extent = np.subtract(data["highest_nm"], data["lowest_nm"])
        size = f" in {' x '.join(f'{value:.1f}' for value in extent)} nm"
    inside = composition.inside
    effective = composition.effective_atoms()[inside]
    tiles = [
        (f"{data.get('n_ions', 0):,}".replace(",", " "), "ions"),
        (f"{100.0 * float(summary.get('ranged_fraction') or 0.0):.1f} %", "in ranges"),
        (f"{100.0 * analyses.bulk_fraction:.2f} at%", f"{name} in the whole"),
        (f"{composition.volume_nm3:,.0f}".replace(",", " "), "volume [nm³]"),
        (f"{composition.kernel_sigma_nm:g} nm", "delocalization, standard deviation"),
    ]
    if len(effective):
        share = analyses.bulk_fraction
        error = 100.0 * np.sqrt(share * (1.0 - share) / float(np.median(effective)))
        tiles.append((f"{error:.2f} at%", f"usual error of {name} in a voxel"))
    parts: list[Content] = [
        element("h1", title),
        element("p", f"{data.get('file', 'data set')}{size}.", "lead"),
        element(
            "div",
            [
                element("div", [element("b", value), element("span", label)], "tile")
                for value, label in tiles
            ],
            "tiles",
        ),
    ]
    if analyses.remarks:
        parts.append(box("Left out.", bullets(analyses.remarks), "warning"))
    return joined(parts)


def _surface_section(
    figures: Path,
    title: str,
    surfaces: Sequence[DrawnSurface],
    analyses: FieldAnalyses,
    of_regions: bool,
) -> ReportSection:
    blocks: list[Markup | str] = []
    if surfaces:
        blocks.append(_view(title, surfaces))
        blocks.append(element("p", [chip(surface.colour, surface.name) for surface in surfaces]))
    pictures = draw_surface_pictures(surfaces, figures)
    captions = {"surfaces": "All together."} | {
        f"surface_{k}": surface.name for k, surface in enumerate(surfaces)
    }
    shown = [
        picture(pictures.files[name].read_bytes(), caption, caption)
        for name, caption in captions.items()
        if name in pictures.files
    ]
    if shown:
        columns = f"display:grid;grid-template-columns:repeat({min(len(shown), 3)},1fr);gap:1rem"
        blocks.append(Markup(f'<div style="{columns}">{joined(shown).text}</div>'))
    if pictures.obstacle:
        blocks.append(box("Pictures are missing.", pictures.obstacle, "warning"))
    rows = []
    for surface, small in zip(analyses.isosurfaces, analyses.n_small_parts, strict=True):
        volume = surface.volume_nm3
        rows.append(
            (
                surface.name,
                len(surface.part_areas_nm2()),
                small,
                f"{surface.area_nm2:.1f}",
                None if volume is None else f"{volume:.1f}",
            )
        )
    head = ("isosurface", "parts", "small parts left out", "area [nm²]", "volume inside [nm³]")
    blocks.append(table(head, rows, (1, 2, 3, 4)))
    note = (
        "Isosurfaces are closed at the rim of the specimen. Delocalization makes small convex "
        "particles smaller than they are: sizes are not to be read off them."
    )
    if of_regions:
        note = f"Drawn are the regions; the table is of isosurfaces of the field. {note}"
    blocks.append(element("p", note, "soft"))
    return ReportSection("surfaces", "Regions" if of_regions else "Isosurfaces", blocks)


def _view(title: str, surfaces: Sequence[DrawnSurface]) -> Markup:
    """The interactive view as a page inside the page."""
    points = np.concatenate([surface.vertices_nm for surface in surfaces])
    page = interactive_view(
        title,
        "surfaces of the specimen",
        bodies_of(surfaces),
        [surface.name for surface in surfaces],
        np.diag(np.ptp(points, axis=0)),
        edges=False,
        colours=[surface.colour for surface in surfaces],
        opacities=[surface.opacity for surface in surfaces],
        box_name="box",
    )
    inside = html.escape(page)
    return Markup(
        f'<iframe title="{html.escape(title)}" srcdoc="{inside}" loading="lazy" '
        'style="width:100%;height:620px;border:1px solid #e2e6eb;border-radius:8px"></iframe>'
    )


def _provenance_section(summary: Mapping[str, Any]) -> ReportSection:
    record = summary.get("provenance", {})
    inputs = record.get("inputs", {})
    rows = [
        (role, entry.get("file"), entry.get("bytes"), element("code", str(entry.get("sha256", ""))))
        for role, entry in inputs.items()
        if isinstance(entry, Mapping)
    ]
    rest = {
        key: value if isinstance(value, str | int | float) else _listed(value)
        for key, value in record.items()
        if key != "inputs" and value
    }
    return ReportSection(
        "provenance",
        "Files and provenance",
        (table(("role", "file", "bytes", "SHA-256"), rows, (2,)), facts(rest)),
    )


def _listed(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_listed(entry)}" for key, entry in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(str(entry) for entry in value)
    return number(value) if isinstance(value, float) else str(value)
