"""The page of several cells made from the same statistics: measures and correlations together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ngcfem.microstructure.correlations import CorrelationFunctions, correlation_band
from ngcfem.microstructure.descriptors import DescriptorReport
from ngcfem.report.cell_figures import draw_correlations
from ngcfem.report.page import Content, document, element, joined, picture, table
from ngcfem.report.stage_report import FIGURES, PAGE_NAME
from ngcfem.results.atomic import write_bytes_atomically, write_text_atomically

_CAPTION = (
    "Mean over the realizations with twice the standard deviation of one of them: chance that two "
    "points at distance r lie in the same phase, and that a segment of length r lies in one phase."
)


@dataclass(frozen=True, eq=False)
class MeasuredCell:
    """What is known of one realization.

    Parameters
    ----------
    name : str
        Its name.
    report : DescriptorReport
        Its measures.
    functions : CorrelationFunctions
        Its correlation functions.
    """

    name: str
    report: DescriptorReport
    functions: CorrelationFunctions


def write_cell_ensemble_page(directory: Path, title: str, cells: Sequence[MeasuredCell]) -> Path:
    """Write the page of an ensemble of cells.

    Parameters
    ----------
    directory : Path
        Directory of the ensemble; the figure goes below ``figures``.
    title : str
        Title of the page.
    cells : sequence of MeasuredCell
        The realizations, at least two.

    Returns
    -------
    Path
        The page.
    """
    image = draw_correlations([cell.functions for cell in cells], mean=True)
    (directory / FIGURES).mkdir(parents=True, exist_ok=True)
    write_bytes_atomically(directory / FIGURES / "correlations.png", image)
    phases = cells[0].functions.phase_names
    rows = [
        (cell.name, *(100.0 * deviation for deviation in row))
        for cell, row in zip(
            cells, correlation_deviations([c.functions for c in cells]), strict=True
        )
    ]
    head = ("realization", *(f"{name.replace('_', '-')} [%]" for name in phases))
    explanation = (
        "Root mean square over r of the distance of the two-point correlation from the mean of "
        "the realizations, in per cent of the phase fraction."
    )
    sections = {
        "measures": ("Asked for and made", _measures(cells)),
        "correlations": (
            "Distribution of the phases in space",
            joined(
                [
                    picture(image, _CAPTION, _CAPTION),
                    element("p", explanation),
                    table(head, rows, numeric=tuple(range(1, len(head)))),
                ]
            ),
        ),
        "realizations": (
            "Realizations",
            element(
                "p",
                f"Pictures and measures of each are in realizations/*/{PAGE_NAME}: "
                + ", ".join(cell.name for cell in cells),
            ),
        ),
    }
    lead = joined([element("h1", title), element("p", f"{len(cells)} realizations", "lead")])
    page = directory / PAGE_NAME
    write_text_atomically(page, document(title, sections, lead))
    return page


def correlation_deviations(
    cells: Sequence[CorrelationFunctions],
) -> list[list[float]]:
    """Measure how far the two-point correlation of each cell lies from the mean of all.

    Parameters
    ----------
    cells : sequence of CorrelationFunctions
        Cells of the same phases.

    Returns
    -------
    list of list of float
        For each cell and phase i, the root mean square over r of S_ii - <S_ii>, over <S_ii>(0).
    """
    found = np.zeros((len(cells), len(cells[0].phase_names)))
    for phase in range(found.shape[1]):
        distances = [cell.distance_nm for cell in cells]
        curves = [cell.two_point[phase, phase] for cell in cells]
        band = correlation_band(distances, curves)
        for row, (distance, curve) in enumerate(zip(distances, curves, strict=True)):
            difference = np.interp(band.distance_nm, distance, curve) - band.mean
            found[row, phase] = np.sqrt(np.mean(difference**2)) / band.mean[0]
    return found.tolist()


def _measures(cells: Sequence[MeasuredCell]) -> Content:
    rows = []
    for entry in cells[0].report.descriptors:
        alike = [
            other for cell in cells for other in cell.report.descriptors if other.name == entry.name
        ]
        values = np.array([other.achieved for other in alike], dtype=float)
        binding = [other for other in alike if other.target is not None and other.binding]
        met = f"{sum(other.met for other in binding)} of {len(binding)}" if binding else ""
        rows.append(
            (
                entry.name,
                entry.target,
                float(values.mean()),
                float(values.std(ddof=1)) if len(values) > 1 else None,
                float(values.min()),
                float(values.max()),
                entry.tolerance,
                "" if entry.unit == "1" else entry.unit,
                met,
            )
        )
    head = (
        "measure", "target", "mean", "standard deviation", "smallest", "largest", "tolerance",
        "unit", "met",
    )  # fmt: skip
    return table(head, rows, numeric=(1, 2, 3, 4, 5, 6))
