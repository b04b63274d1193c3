"""The verb apt-compare: two statistics files side by side, as of two states of one material."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ngcfem.atomprobe.crystal_profile import CRYSTAL_PROFILE_NAME, read_profile
from ngcfem.atomprobe.statistics import read_statistics
from ngcfem.atomprobe.statistics_comparison import (
    ComparedQuantity,
    compare_statistics,
    quantity_in_words,
)
from ngcfem.atomprobe.statistics_sections import Quantity, StatisticsFile
from ngcfem.errors import Finding, InputError
from ngcfem.results.atomic import write_bytes_atomically, write_text_atomically

TABLE_NAME = "comparison.csv"
FIGURE_NAME = "comparison.png"
PROFILE_FIGURE_NAME = "crystal_profile.png"
STATISTICS_NAME = "statistics.json"


def apt_compare_stage(first: Path, second: Path, directory: Path | None = None) -> str:
    """Compare two statistics files number by number.

    Parameters
    ----------
    first, second : Path
        Statistics files, or directories that hold one as statistics.json; of a deformed material,
        the undeformed one first.
    directory : Path or None
        Where to write table and figures; nothing is written if not given.

    Returns
    -------
    str
        The table in words.

    Raises
    ------
    InputError
        With every finding in either file.

    Notes
    -----
    If both are directories with a profile of composition around the crystals, as `ngcfem apt`
    writes it, a figure of both profiles is made as well.
    """
    both = first.is_dir() and second.is_dir()
    profiles = [path / CRYSTAL_PROFILE_NAME for path in (first, second)] if both else []
    first, second = (path / STATISTICS_NAME if path.is_dir() else path for path in (first, second))
    findings: list[Finding] = []
    read: list[StatisticsFile] = []
    for path in (first, second):
        try:
            read.append(read_statistics(path))
        except InputError as error:
            findings += error.findings
    if directory is not None and directory.exists() and not directory.is_dir():
        allowed, remedy = "a directory, or a name that is free", "choose another name"
        findings.append(Finding(str(directory), "--out", "a file", allowed, remedy))
    if findings:
        raise InputError(findings)
    rows = compare_statistics(*read)
    text = _in_words(rows, read, (first, second))
    if directory is None:
        return text
    from ngcfem.report.statistics_comparison_figure import (
        draw_profile_comparison,
        draw_statistics_comparison,
    )

    directory.mkdir(parents=True, exist_ok=True)
    names = _names(read, (first, second))
    write_text_atomically(directory / TABLE_NAME, _table(rows))
    write_bytes_atomically(directory / FIGURE_NAME, draw_statistics_comparison(rows, *names))
    written = [TABLE_NAME, FIGURE_NAME]
    if profiles and all(path.is_file() for path in profiles):
        tables = dict(zip(names, map(read_profile, profiles), strict=True))
        write_bytes_atomically(
            directory / PROFILE_FIGURE_NAME, draw_profile_comparison(tables, "Sc")
        )
        written.append(PROFILE_FIGURE_NAME)
    return f"{text}\n\nwritten to {directory}: {', '.join(written)}"


def _names(statistics: Sequence[StatisticsFile], paths: Sequence[Path]) -> list[str]:
    """Names by which the two are told apart: their strains if these differ, else their files."""
    strains = [0.0 if one.state is None else one.state.true_strain.value for one in statistics]
    if strains[0] != strains[1]:
        return [f"true strain {strain:.3g}" if strain else "undeformed" for strain in strains]
    if paths[0].name != paths[1].name:
        return [path.name for path in paths]
    return [f"{path.parent.name}/{path.name}" for path in paths]


def _in_words(
    rows: Sequence[ComparedQuantity],
    statistics: Sequence[StatisticsFile],
    paths: Sequence[Path],
) -> str:
    names = _names(statistics, paths)
    lines = [
        f"{name}: {path} ({one.title})"
        for name, path, one in zip(names, paths, statistics, strict=True)
    ]
    lines += ["", f"{'':42}{'unit':>12}  {names[0]:32}{names[1]:32}{'change':>9}"]
    for row in rows:
        change = row.relative_difference
        shown = "" if change != change else f"{100.0 * change:+.1f} %"
        mark = " *" if row.significant else ""
        lines.append(
            f"{row.key:42}{row.unit:>12}  {quantity_in_words(row.first):32}"
            f"{quantity_in_words(row.second):32}{shown:>9}{mark}"
        )
    lines.append("(in brackets 95 % intervals; * differs by more than these explain)")
    return "\n".join(line.rstrip() for line in lines)


def _table(rows: Sequence[ComparedQuantity]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    ends = ("value", "lo95", "hi95", "provenance")
    header = [f"{side}_{end}" for side in ("first", "second") for end in ends]
    writer.writerow(["key", "unit", *header, "difference", "relative_difference", "significant"])
    for row in rows:
        writer.writerow(
            [
                row.key,
                row.unit,
                *_cells(row.first),
                *_cells(row.second),
                "" if row.difference != row.difference else f"{row.difference:.8g}",
                ""
                if row.relative_difference != row.relative_difference
                else f"{row.relative_difference:.6g}",
                "" if row.significant is None else row.significant,
            ]
        )
    return stream.getvalue()


def _cells(quantity: Quantity | None) -> tuple[str, str, str, str]:
    if quantity is None:
        return "", "", "", ""
    ends = ("" if end is None else f"{end:.8g}" for end in (quantity.lo95, quantity.hi95))
    low, high = ends
    return f"{quantity.value:.8g}", low, high, quantity.provenance
