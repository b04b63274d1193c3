"""Statistics of a case: read from the file that it names, or taken from its own section."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ngcfem.atomprobe.statistics import (
    STATISTICS_SCHEMA_VERSION,
    StatisticsFile,
    read_statistics,
    statistics_from_mapping,
)
from ngcfem.case.files import locate, missing_file
from ngcfem.case.sections import StatisticsSection
from ngcfem.errors import Finding, InputError
from ngcfem.microstructure.statistics import composite_statistics
from ngcfem.quantities import COMPOSITE_PHASES, GRAIN, INTERFACE, NANOCRYSTAL


def read_case_statistics(
    section: StatisticsSection, directory: Path, file: str
) -> tuple[StatisticsFile | None, list[Finding]]:
    """Read and check the statistics of a case.

    Parameters
    ----------
    section : StatisticsSection
        The section [statistics].
    directory : Path
        Directory of the case file.
    file : str
        Name of the case file, for the messages.

    Returns
    -------
    tuple of StatisticsFile or None, and list of Finding
        The statistics if they are sound, and everything that is wrong with them.
    """
    inline = section.inline
    if section.file is None and not inline:
        return None, [
            Finding(
                file,
                "statistics.file",
                "nothing: the key is missing",
                "a statistics file (JSON), or its content inline",
                'add file = "data/fe90sc10_statistics.json" under [statistics]',
            )
        ]
    if section.file is None:
        document = {"schema_version": STATISTICS_SCHEMA_VERSION, "title": "inline", **inline}
        return _checked(lambda: statistics_from_mapping(document, file), file, "statistics.")
    if inline:
        return None, [
            Finding(
                file,
                "statistics",
                "a file, and beside it " + ", ".join(inline),
                "file alone, or the content of a statistics file alone",
                "delete the line file = ..., or the others",
            )
        ]
    missing = missing_file(
        directory, section.file, "a statistics file (JSON)", file, "statistics.file"
    )
    if missing:
        return None, missing
    path = locate(directory, section.file)
    return _checked(lambda: read_statistics(path), str(path), "")


def _checked(
    read: Callable[[], StatisticsFile], origin: str, prefix: str
) -> tuple[StatisticsFile | None, list[Finding]]:
    try:
        statistics = read()
        composite_statistics(statistics, origin)
    except InputError as error:
        return None, [replace(f, key=prefix + f.key) for f in error.findings]
    return statistics, []


def phases_of_composite(kind: str, statistics: StatisticsFile | None) -> tuple[str, ...]:
    """Phases that a cell made from statistics has.

    Parameters
    ----------
    kind : {"nanocomposite", "nanoglass", "glass"}
        Kind of the cell.
    statistics : StatisticsFile or None
        Its statistics; without them a nanocomposite is taken to have all four phases.

    Returns
    -------
    tuple of str
        Names of the phases.
    """
    if kind == "glass":
        return (GRAIN,)
    if kind == "nanoglass":
        return (INTERFACE, GRAIN)
    numbers = None if statistics is None else composite_statistics(statistics, "statistics")
    if numbers is not None and numbers.crystal_fraction == 0.0:
        return (INTERFACE, GRAIN)
    if numbers is not None and numbers.capped_share == 0.0:
        return (INTERFACE, GRAIN, NANOCRYSTAL)
    return COMPOSITE_PHASES
