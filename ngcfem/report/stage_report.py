"""What is looked at after a cell or a mesh was made: figures, pictures, interactive view, page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.correlations import CorrelationFunctions, cell_correlations
from ngcfem.microstructure.descriptors import DescriptorReport
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.report.cell_figures import draw_correlations, draw_sizes, draw_targets
from ngcfem.report.cell_picture import draw_cell
from ngcfem.report.cell_surfaces import cell_bodies
from ngcfem.report.colours import phase_colours
from ngcfem.report.interactive_view import interactive_view
from ngcfem.report.mesh_figures import draw_mesh_quality, worst_elements
from ngcfem.report.mesh_surfaces import mesh_bodies
from ngcfem.report.page import (
    Content,
    Markup,
    badge,
    box,
    chip,
    document,
    element,
    facts,
    joined,
    picture,
    table,
)
from ngcfem.report.pictures import Pictures, draw_cell_pictures, draw_mesh_pictures
from ngcfem.results.atomic import write_bytes_atomically, write_text_atomically

FIGURES = "figures"
VIEW_NAME = "interactive.html"
PAGE_NAME = "report.html"
_CELL_VIEWS = ("cell_cut_open", "cell_grains_apart")
_MESH_VIEWS = ("rve_undeformed", "mesh_grains_apart")

_CAPTIONS: dict[str, str] = {
    "sections": "Sections through the middle, by phase.",
    "cell_cut_open": "One period without the corner that faces you, coloured by phase; crystals "
    "and caps that the faces of the notch cut are drawn whole.",
    "cell_grains_apart": "Whole grains with their share of the network, moved apart and cut "
    "through the middle; crystals and caps that the cuts meet are drawn whole.",
    "sizes": "Sizes of grains and crystals against the distributions asked for.",
    "targets": "How far each measure lies from its target, in units of its tolerance; beyond the "
    "band it is missed.",
    "correlations": "Chance that two points at distance r lie in the same phase, and that a "
    "segment of length r lies in one phase.",
    "rve_undeformed": "The mesh by phase, in space with the half facing you cut away; lines are "
    "the edges of the elements.",
    "mesh_grains_apart": "The elements of each grain with its share of the network, moved apart; "
    "in space, cut through the middle.",
    "quality": "Shape and size of the elements by phase, and where the worst of them lie.",
}


@dataclass(frozen=True)
class StageReport:
    """What was written.

    Parameters
    ----------
    page : Path
        The page that shows everything.
    files : tuple of Path
        Figures and pictures.
    view : Path or None
        The interactive view; none of a plane cell.
    obstacle : str
        Why pictures are missing; empty if none is.
    """

    page: Path
    files: tuple[Path, ...]
    view: Path | None
    obstacle: str

    @property
    def told(self) -> list[str]:
        """Where to look, in words, a line each."""
        lines = [f"look at {self.page}"]
        if self.view is not None:
            lines.append(f"turn and cut it in {self.view}")
        if self.obstacle:
            lines.append(f"pictures are missing: {self.obstacle}")
        return lines


def write_cell_report(
    directory: Path,
    title: str,
    cell: PeriodicCell,
    report: DescriptorReport,
    statistics: CompositeStatistics | None = None,
    functions: CorrelationFunctions | None = None,
) -> StageReport:
    """Draw a cell and write the page that shows it.

    Parameters
    ----------
    directory : Path
        Directory of the stage; figures go below ``figures``.
    title : str
        Title of the page.
    cell : PeriodicCell
        The cell.
    report : DescriptorReport
        Its measures.
    statistics : CompositeStatistics, optional
        What it was made from.
    functions : CorrelationFunctions, optional
        Its correlation functions; computed if they are not given.

    Returns
    -------
    StageReport
        What was written; pictures are missing, with the reason, where the machine cannot render.
    """
    colours = phase_colours(cell.phase_names)
    files = _Files(directory / FIGURES)
    files.keep("sections", draw_cell(cell))
    pictures = Pictures({}, "")
    if cell.dimension == 3:
        pictures = draw_cell_pictures(cell, files.directory)
        files.take(pictures)
        if statistics is not None and cell.number_of_grains:
            files.keep("sizes", draw_sizes(cell, statistics))
        facts_of_view = f"{cell.volume_nm3:.4g} nm^3" + (
            f", {cell.number_of_grains} grains, {len(cell.inclusions)} crystals"
            if cell.number_of_grains
            else ""
        )
        files.view(
            interactive_view(
                title,
                facts_of_view,
                cell_bodies(cell),
                cell.phase_names,
                cell.lattice @ cell.rotation.T,
                edges=False,
            )
        )
    targets = draw_targets(report)
    if targets is not None:
        files.keep("targets", targets)
    if len(cell.phase_names) > 1:
        files.keep("correlations", draw_correlations([functions or cell_correlations(cell)]))
    rows = [
        (
            entry.name,
            entry.target,
            entry.achieved,
            entry.tolerance,
            "" if entry.unit == "1" else entry.unit,
            _verdict(entry.target, entry.met, entry.binding),
            entry.remark,
        )
        for entry in report.descriptors
    ]
    shares = element(
        "p",
        [
            chip(colours[name], f"{name.replace('_', '-')} {100.0 * share:.2f} %")
            for name, share in report.phase_fractions.items()
        ],
    )
    lead: list[Content] = [element("h1", title), shares, files.link()]
    if report.missed:
        missed = ", ".join(entry.name for entry in report.missed)
        lead.append(box("Targets are missed.", missed, "bad"))
    head = ("measure", "target", "achieved", "tolerance", "unit", "", "remark")
    sections = {
        "pictures": (
            "Pictures",
            joined(
                [
                    files.shown(("sections",)),
                    element("div", files.shown(_CELL_VIEWS, pictures.obstacle), "row"),
                ]
            ),
        ),
        "measures": (
            "Asked for and made",
            joined([files.shown(("targets", "sizes")), table(head, rows, numeric=(1, 2, 3))]),
        ),
        "correlations": ("Distribution of the phases in space", files.shown(("correlations",))),
    }
    return files.finish(directory / PAGE_NAME, title, sections, joined(lead), pictures.obstacle)


def write_mesh_report(
    directory: Path,
    title: str,
    mesh: PeriodicMesh,
    quality: Mapping[str, object],
    fields: Path,
) -> StageReport:
    """Draw a mesh and write the page that shows it.

    Parameters
    ----------
    directory : Path
        Directory of the stage; figures go below ``figures``.
    title : str
        Title of the page.
    mesh : PeriodicMesh
        The mesh.
    quality : mapping
        Its figures of merit by name.
    fields : Path
        Directory with a snapshot of the undeformed mesh.

    Returns
    -------
    StageReport
        What was written; pictures are missing, with the reason, where the machine cannot render.
    """
    colours = phase_colours(mesh.phase_names)
    files = _Files(directory / FIGURES)
    pictures = draw_mesh_pictures(fields, files.directory, mesh.phase_names)
    files.take(pictures)
    files.keep("quality", draw_mesh_quality(mesh))
    kind = "tetrahedra" if mesh.dimension == 3 else "triangles"
    size = f"{len(mesh.cells):,} {kind}, {len(mesh.points):,} nodes"
    files.view(
        interactive_view(title, size, mesh_bodies(mesh), mesh.phase_names, mesh.lattice, edges=True)
    )
    chips = [chip(colours[name], name.replace("_", "-")) for name in mesh.phase_names]
    lead = [element("h1", title), element("p", size, "lead"), element("p", chips), files.link()]
    rows = [
        (
            worst.number,
            worst.phase.replace("_", "-"),
            worst.grain,
            ", ".join(f"{x:.2f}" for x in worst.centre_nm),
            worst.minimum_angle_deg,
            worst.gamma,
        )
        for worst in worst_elements(mesh)
    ]
    head = ("element", "phase", "grain", "centre [nm]", "smallest angle [degrees]", "gamma")
    entries = {name.replace("_", " "): _plain(value) for name, value in quality.items()}
    sections = {
        "pictures": (
            "Pictures",
            element("div", files.shown(_MESH_VIEWS, pictures.obstacle), "row"),
        ),
        "quality": ("Quality", joined([files.shown(("quality",)), facts(entries)])),
        "worst": ("The worst elements", table(head, rows, numeric=(0, 2, 4, 5))),
    }
    return files.finish(directory / PAGE_NAME, title, sections, joined(lead), pictures.obstacle)


def _plain(value: object) -> Content:
    if isinstance(value, Mapping):
        return ", ".join(f"{str(k).replace('_', '-')} {v:.4g}" for k, v in value.items())
    return value if isinstance(value, int | float | str) else str(value)


def _verdict(target: float | None, met: bool, binding: bool) -> Content:
    if target is None:
        return ""
    if met:
        return badge("met", "good")
    return badge("missed", "bad") if binding else badge("does not bind")


class _Files:
    """Figures of one page: writes them, and remembers what there is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._paths: dict[str, Path] = {}
        self._view: Path | None = None

    def keep(self, name: str, png: bytes) -> None:
        self._paths[name] = self.directory / f"{name}.png"
        write_bytes_atomically(self._paths[name], png)

    def take(self, pictures: Pictures) -> None:
        self._paths |= dict(pictures.files)

    def view(self, page: str) -> None:
        self._view = self.directory / VIEW_NAME
        write_text_atomically(self._view, page)

    def link(self) -> Markup:
        if self._view is None:
            return Markup("")
        address = f"{FIGURES}/{VIEW_NAME}"
        return Markup(f'<p><a href="{address}">Turn, cut and take apart the body itself</a></p>')

    def shown(self, names: Sequence[str], obstacle: str = "") -> Markup:
        parts: list[Content] = [
            picture(self._paths[name].read_bytes(), _CAPTIONS[name], _CAPTIONS[name])
            for name in names
            if name in self._paths
        ]
        if obstacle:
            parts.append(box("Pictures are missing.", obstacle, "warning"))
        return joined(parts)

    def finish(
        self,
        page: Path,
        title: str,
        sections: Mapping[str, tuple[str, Markup]],
        lead: Markup,
        obstacle: str,
    ) -> StageReport:
        filled = {anchor: part for anchor, part in sections.items() if part[1].text}
        write_text_atomically(page, document(title, filled, lead))
        return StageReport(page, tuple(self._paths.values()), self._view, obstacle)
