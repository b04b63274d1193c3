"""Section of the report on localization: loss of ellipticity, bands, serrations."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ngcfem.quantities import AXIS_INDEX
from ngcfem.report.band_figure import draw_bands
from ngcfem.report.page import (
    Content,
    Markup,
    element,
    facts,
    fixed,
    joined,
    number,
    table,
)
from ngcfem.report.run_record import RunRecord

_LISTED = 8


def band_figure(record: RunRecord) -> tuple[bytes, str, str] | None:
    """Draw the bands of a run.

    Parameters
    ----------
    record : RunRecord
        The run.

    Returns
    -------
    tuple of bytes and two str, or None
        PNG, description and caption; None where the run left no field.
    """
    found = record.summary.get("localization")
    file = record.path / "plastic_strain.npz"
    if not isinstance(found, Mapping) or not file.is_file():
        return None
    with np.load(file) as field:
        png = draw_bands(
            field["positions_nm"].astype(float),
            field["strain"].astype(float),
            field["volume"].astype(float),
            found["bands"]["bands"],
            AXIS_INDEX[record.summary["axis"]],
        )
    none = "" if found["bands"]["bands"] else " No band was found."
    return (
        png,
        "Plastic strain in the deformed cell with the bands found in it",
        "Equivalent plastic strain of the elements at the end, deformed; in space, a slice through "
        "the middle. Lines: faces of the largest bands. 1 % of the elements lie beyond the end of "
        f"the scale.{none}",
    )


def localization_section(record: RunRecord, figure: Markup | None) -> Markup | None:
    """Whether, where and how the cell localized.

    Parameters
    ----------
    record : RunRecord
        The run.
    figure : Markup or None
        The picture of the bands.

    Returns
    -------
    Markup or None
        The section; None if the run did not look for localization.
    """
    found = record.summary.get("localization")
    if not isinstance(found, Mapping):
        return None
    parts: list[Content] = [_ellipticity(found["ellipticity"]), _bands(found["bands"])]
    if figure is not None:
        parts.append(figure)
    parts.append(_serrations(found.get("serrations")))
    return joined(parts)


def _ellipticity(entry: Mapping[str, Any]) -> Markup:
    heading = element("h3", "First loss of ellipticity")
    if not entry["phases"]:
        return joined([heading, element("p", "No phase that softens was looked at.")])
    first, last = entry["first_loss"], entry["at_end"]
    growth = _growth(entry, first)
    if first is None:
        text = (
            "Ellipticity was lost nowhere among the points looked at, in "
            + ", ".join(name.replace("_", "-") for name in entry["phases"])
            + "."
        )
        return joined([heading, element("p", text), *growth])
    rows: dict[str, Content] = {
        "true strain": f"{first['true_strain']:+.4f} (increment {first['increment']})",
        "phase of the least determinant": str(first["phase"]).replace("_", "-"),
        "share of the points looked at": f"{100.0 * first['lost_share']:.1f} % of "
        f"{first['sampled']}",
        "share at the end": None if last is None else f"{100.0 * last['lost_share']:.1f} %",
        "angle between band plane and load": f"{first['angle_deg']:.1f} degrees (median)",
        "normal, deformed": ", ".join(number(float(each)) for each in first["normal"]),
    }
    note = element(
        "p",
        "From there on a band can form at a point whatever happens around it. Looked at without "
        "viscosity and with the least rate sensitivity of the law, for bands wide against the "
        "internal length.",
        "soft",
    )
    return joined([heading, facts(rows), note, *growth])


def _growth(entry: Mapping[str, Any], first: Mapping[str, Any] | None) -> list[Markup]:
    """What a loss means in laws that flow at any stress."""
    names = [name.replace("_", "-") for name in entry.get("growth_phases", ())]
    if not names:
        return []
    time = ""
    if first is not None and "time_increment_s" in first:
        time = f" of {number(float(first['time_increment_s']))} s"
    return [
        element(
            "p",
            f"In {', '.join(names)} flow has no rate-independent limit. There, lost means that a "
            f"disturbance in the form of a band grows more than e-fold in the time{time} of one "
            "increment: it depends on the increments asked for.",
            "soft",
        )
    ]


def _bands(entry: Mapping[str, Any]) -> Markup:
    heading = element("h3", "Bands at the end")
    spacing = entry["spacing_nm"]
    rows: dict[str, Content] = {
        "bands": str(entry["number"]),
        "spacing of parallel ones": None if spacing is None else f"{float(spacing):.3g} nm",
        "counted from a strain of": f"{fixed(entry['threshold_strain'], 4)}"
        + (", between two levels of strain" if entry.get("two_levels") else ", twice the mean"),
        "volume above twice the mean strain": f"{100.0 * entry['volume_share_above']:.1f} %",
        "share of the plastic strain there": f"{100.0 * entry['strain_share_above']:.1f} %",
        "scatter over mean of the strain": f"{float(entry['localization_index']):.3f}",
    }
    parts: list[Content] = [heading, facts(rows)]
    if entry["bands"]:
        head = ("band", "width [nm]", "angle to load [deg]", "share of volume", "mean strain")
        lines = [
            (
                str(place),
                fixed(band["width_nm"], 2),
                fixed(band["angle_deg"], 1),
                f"{100.0 * band['volume_share']:.1f} %",
                fixed(band["mean_strain"], 3),
            )
            for place, band in enumerate(entry["bands"][:_LISTED], start=1)
        ]
        parts.append(table(head, lines, numeric=range(1, 5)))
    return joined(parts)


def _serrations(entry: Mapping[str, Any] | None) -> Markup:
    heading = element("h3", "Serrations of the curve")
    if entry is None:
        return joined([heading, element("p", "The curve is too short.")])
    rows: dict[str, Content] = {
        "drops above " + f"{1e3 * entry['smallest_drop_gpa']:.2g} MPa": str(entry["number"]),
        "drops per unit of strain": fixed(entry["drops_per_strain"], 1),
        "mean drop [GPa]": fixed(entry["mean_drop_gpa"], 4),
        "largest drop [GPa]": fixed(entry["largest_drop_gpa"], 4),
        "fall that lasts to the end [GPa]": fixed(entry.get("fall_at_end_gpa"), 4),
        "exponent of the sizes": "too few drops for one (100 are needed)"
        if entry["exponent"] is None
        else f"{entry['exponent']['exponent']:.2f} +- {entry['exponent']['exponent_error']:.2f}",
    }
    return joined([heading, facts(rows)])
