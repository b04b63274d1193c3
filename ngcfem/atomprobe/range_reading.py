"""Reading a range file of any of the known formats."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ngcfem.atomprobe.env_file import parse_env
from ngcfem.atomprobe.range_model import MassRange, RangeFile, range_findings, range_warnings
from ngcfem.atomprobe.range_text import LineFindings, read_lines
from ngcfem.atomprobe.rng_file import parse_rng
from ngcfem.atomprobe.rrng_file import parse_rrng
from ngcfem.errors import Finding, InputError

_Parser = Callable[[Sequence[str], LineFindings], tuple[tuple[str, ...], list[MassRange]]]

_PARSERS: dict[str, _Parser] = {"rrng": parse_rrng, "rng": parse_rng, "env": parse_env}


def read_ranges(path: Path) -> RangeFile:
    """Read the ranges of a mass spectrum, and check them.

    Parameters
    ----------
    path : Path
        File whose name ends with .rrng, .rng or .env, in any case of letters.

    Returns
    -------
    RangeFile
        All ranges, with warnings about what is odd.

    Raises
    ------
    InputError
        With every finding: lines that cannot be read, unknown elements, empty, absurd and
        overlapping ranges, numbers of entries that do not agree.
    """
    file_format = path.suffix.lower().lstrip(".")
    if file_format not in _PARSERS:
        found = path.suffix or "no ending"
        remedy = "give the file the ending of its format"
        raise InputError([Finding(str(path), "name", found, ".rrng, .rng or .env", remedy)])
    lines = read_lines(path)
    findings = LineFindings(path)
    elements, ranges = _PARSERS[file_format](lines, findings)
    if not ranges and not findings.errors:
        findings.error("ranges", "none", "one range or more", "export the ranges again")
    errors = findings.errors + range_findings(path, ranges)
    if errors:
        raise InputError(errors)
    warnings = (*findings.warnings, *range_warnings(path, ranges))
    return RangeFile(path, file_format, elements, tuple(ranges), warnings)
