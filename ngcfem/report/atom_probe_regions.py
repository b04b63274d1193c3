"""Crystals and caps of an atom probe specimen in its report, and histograms of sizes."""

from collections.abc import Mapping, Sequence

import numpy as np

from ngcfem.atomprobe.crystal_results import CrystalsFound
from ngcfem.microstructure.cell import Cap, Inclusion, Rows
from ngcfem.quantities import NANOCRYSTAL, SC_RICH, FloatArray, IntArray
from ngcfem.report.atom_probe_sections import ReportBlock, ReportFigure, ReportSection, ReportTable
from ngcfem.report.atom_probe_surfaces import DrawnSurface
from ngcfem.report.cell_surfaces import cap_surface, crystal_surface
from ngcfem.report.colours import MODEL, SECONDARY, phase_colours
from ngcfem.report.figures import new_figure, png, styled
from ngcfem.report.page import Content

_SPHERE_POINTS, _RING_POINTS = 120, 24
_MOST_ROWS = 200


def crystal_surfaces(found: CrystalsFound) -> tuple[DrawnSurface, ...]:
    """Draw crystals as the ellipsoids that were fitted, with their caps.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.

    Returns
    -------
    tuple of DrawnSurface
        The crystals and, if there are any, the caps, in the colours of their phases; what the
        surface of the specimen cuts off is drawn with them.
    """
    bodies = [_inclusion(found, k) for k in range(len(found))]
    colours = phase_colours([NANOCRYSTAL, SC_RICH])
    crystals = [crystal_surface(body, _SPHERE_POINTS)[:2] for body in bodies]
    caps = [cap_surface(body, _RING_POINTS)[:2] for body in bodies if body.cap is not None]
    drawn = []
    if crystals:
        drawn.append(DrawnSurface("crystals", colours[NANOCRYSTAL], *_joined(crystals)))
    if caps:
        drawn.append(DrawnSurface("Sc-rich caps", colours[SC_RICH], *_joined(caps)))
    return tuple(drawn)


def _inclusion(found: CrystalsFound, number: int) -> Inclusion:
    turn, radius = found.rotation[number], float(found.radius_nm[number])
    stretch = turn @ np.diag(found.semi_axes_nm[number] / radius) @ turn.T
    x, y, z = found.centre_nm[number].tolist()
    rows: Rows = tuple(tuple(row) for row in (0.5 * (stretch + stretch.T)).tolist())
    cap = None
    if found.capped[number]:
        axis = tuple(found.cap_axis[number].tolist())
        angle, thickness = found.cap_half_angle_deg[number], found.cap_thickness_nm[number]
        cap = Cap(axis, float(angle), float(thickness))
    return Inclusion((x, y, z), radius, cap=cap, stretch=rows)


def _joined(
    surfaces: Sequence[tuple[FloatArray, IntArray]],
) -> tuple[FloatArray, IntArray]:
    first = np.cumsum([0, *(len(points) for points, _ in surfaces)])
    triangles = [part + start for (_, part), start in zip(surfaces, first, strict=False)]
    return np.concatenate([points for points, _ in surfaces]), np.concatenate(triangles)


def crystal_section(found: CrystalsFound) -> ReportSection:
    """List crystals one by one, with the histogram of their sizes.

    Parameters
    ----------
    found : CrystalsFound
        The crystals, the most certain first.

    Returns
    -------
    ReportSection
        The section.
    """
    heading = "Crystals"
    if not len(found):
        text = f"None of {found.n_candidates} candidates is a crystal."
        return ReportSection("crystals", heading, (text,))
    rows: list[Sequence[Content]] = []
    for k in range(min(len(found), _MOST_ROWS)):
        low, high = found.radius_interval_nm[k]
        notes = [
            text
            for text, flag in (
                ("cut by the rim", found.cut[k]),
                ("below resolution", found.below_resolution[k]),
                ("Sc-rich cap", found.capped[k]),
            )
            if flag
        ]
        rows.append(
            (
                k + 1,
                " ".join(f"{value:.1f}" for value in found.centre_nm[k]),
                f"{found.radius_nm[k]:.2f}",
                f"{low:.2f} to {high:.2f}",
                f"{found.aspect_ratio[k]:.2f}",
                f"{100.0 * found.crystal_content[k]:.2f}",
                f"{found.log_likelihood_gain[k]:.1f}",
                ", ".join(notes),
            )
        )
    head = (
        "crystal",
        "centre [nm]",
        "radius [nm]",
        "95 % interval",
        "aspect ratio",
        "Sc inside [at%]",
        "gain",
        "remarks",
    )
    caption = (
        "Radii of the spheres of the same volume, fitted to raw ions; grey: cut by the rim of the "
        f"specimen. Dashed: {found.parameters.resolved_radius_nm:g} nm, under which crystals are "
        "flagged as below resolution."
    )
    drawing = draw_size_histogram(
        {"whole": found.radius_nm[~found.cut], "cut by the rim": found.radius_nm[found.cut]},
        "radius [nm]",
        found.parameters.resolved_radius_nm,
    )
    blocks: list[ReportBlock] = [
        f"{len(found)} crystals of {found.n_candidates} candidates; the gain is that of the "
        f"log-likelihood of the raw ions around a crystal, at least {found.least_gain:.1f}.",
        ReportFigure(drawing, "Histogram of the radii of crystals", caption),
        ReportTable(head, rows, (0, 2, 3, 4, 5, 6)),
    ]
    if len(found) > _MOST_ROWS:
        blocks.append(f"The first {_MOST_ROWS} are listed.")
    return ReportSection("crystals", heading, blocks)


def draw_size_histogram(
    sizes: Mapping[str, FloatArray], name: str, mark: float | None = None
) -> bytes:
    """Draw a histogram of sizes, in groups that stand on one another.

    Parameters
    ----------
    sizes : mapping of str to ndarray
        Sizes by the name of their group, at most two groups.
    name : str
        What the sizes are, with unit.
    mark : float or None
        Size at which a dashed line stands.

    Returns
    -------
    bytes
        PNG.
    """
    filled = {key: values for key, values in sizes.items() if len(values)}
    everything = np.concatenate([np.empty(0), *filled.values()])
    with styled():
        figure = new_figure(7.0, 3.4)
        axes = figure.subplots()
        if len(everything):
            number = max(5, round(2.0 * np.sqrt(len(everything))))
            edges = np.histogram_bin_edges(everything, bins=number)
            colours = {key: (MODEL, SECONDARY)[k % 2] for k, key in enumerate(sizes)}
            axes.hist(
                list(filled.values()),
                bins=edges.tolist(),
                stacked=True,
                color=[colours[key] for key in filled],
                label=[f"{key} ({len(values)})" for key, values in filled.items()],
                alpha=0.75,
            )
        if mark is not None:
            axes.axvline(mark, color="black", linewidth=1.0, linestyle="--")
        if len(filled) > 1:
            axes.legend(loc="upper right")
        axes.set_xlabel(name)
        axes.set_ylabel("number")
        return png(figure)
