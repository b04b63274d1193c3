"""Part of the report on the imperfection: what was asked for, and what the cell got."""

from collections.abc import Mapping, Sequence
from typing import Any

from ngcfem.report.page import Content, Markup, element, fixed, joined, table
from ngcfem.report.run_record import RunRecord


def imperfection_part(record: RunRecord) -> Markup:
    """Describe the imperfection of a run.

    Parameters
    ----------
    record : RunRecord
        A run whose case has a section [imperfection].

    Returns
    -------
    Markup
        Its numbers with their provenance, and the strength factors by phase.
    """
    section: Mapping[str, Any] = record.case["imperfection"]
    rows: list[Sequence[Content]] = []
    for region in section.get("region", ()):
        place = ", ".join(f"{fraction:g}" for fraction in region["centre"])
        rows.append(
            (
                f"region at ({place}) of the cell",
                joined(
                    [
                        _number("radius", region["radius_nm"], " nm"),
                        _number("strength times", region["strength_factor"]),
                    ]
                ),
            )
        )
    scatter = section.get("scatter")
    if scatter:
        seed = scatter.get("seed")
        rows.append(
            (
                "random field, " + ("seed of the case" if seed is None else f"seed {seed}"),
                joined(
                    [
                        _number("standard deviation", scatter["standard_deviation"]),
                        _number("correlation length", scatter["correlation_length_nm"], " nm"),
                    ]
                ),
            )
        )
    names = section.get("phases")
    rows.append(("phases", ", ".join(names) if names else "all that have a strength"))
    parts: list[Content] = [table(("imperfection", "numbers and where they come from"), rows)]
    realized: Mapping[str, Mapping[str, float]] = record.summary.get("strength_factor") or {}
    if realized:
        entries = ("mean", "standard_deviation", "minimum", "maximum")
        parts.append(
            table(
                ("strength factor of", "mean", "standard deviation", "smallest", "largest"),
                [
                    (
                        name.replace("_", "-"),
                        *(fixed(values.get(entry), 4) for entry in entries),
                    )
                    for name, values in realized.items()
                ],
                numeric=range(1, 5),
            )
        )
    return joined(parts)


def _number(label: str, value: Any, unit: str = "") -> Markup:
    if not isinstance(value, Mapping):
        return element("div", f"{label} {value:g}{unit}")
    origin = str(value.get("provenance", "assumed"))
    if value.get("reference"):
        origin += f": {value['reference']}"
    return element("div", [f"{label} {value['value']:g}{unit} ", element("small", f"({origin})")])
