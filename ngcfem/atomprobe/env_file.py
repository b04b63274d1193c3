"""Range files .env: the environment file of the atom probe group in Rouen."""

from collections.abc import Sequence

from ngcfem.atomprobe.ions import Ion, parse_formula
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.range_text import LineFindings, colour_of, number_of

_NM3_IN_CUBIC_ANGSTROM = 1e-3


def parse_env(
    lines: Sequence[str], findings: LineFindings
) -> tuple[tuple[str, ...], list[MassRange]]:
    """Read the lines of an .env file.

    Parameters
    ----------
    lines : sequence of str
        The file.
    findings : LineFindings
        Takes what is wrong.

    Returns
    -------
    elements : tuple of str
        The species: elements, formulas, or labels.
    ranges : list of MassRange
        In the order of the file.

    Notes
    -----
    Lines with # are titles. Under "Alloy definition" stand the numbers of species and ranges, then
    ``name red green blue`` for each species, then, under a title with the word "ranges",
    ``name low high volume increment`` for each range, the volume in cubic angstrom. The ranges end
    at "Atom probe definition", where the instrument begins; it is not read. A species that is no
    formula of elements is kept as a label, with a warning.
    """
    part = ""
    announced: tuple[str, list[float]] | None = None
    colours: dict[str, str | None] = {}
    ranges: list[MassRange] = []
    for number, text in enumerate(lines, start=1):
        key, line = f"line {number}", text.strip()
        if line.startswith("#"):
            part = _part_of(line.lower(), part)
        elif line and part == "numbers":
            values = [number_of(word) for word in line.split()]
            announced = key, [value for value in values if value is not None]
        elif line and part == "species":
            words = line.split()
            shades = [value for word in words[1:4] if (value := number_of(word)) is not None]
            colours[words[0]] = colour_of(*shades) if len(shades) == 3 else None
        elif line and part == "ranges":
            entry = _parse_range(key, line, colours, findings)
            if entry is not None:
                ranges.append(entry)
    if not part:
        allowed = 'a title "# Alloy definition"'
        findings.error("file", "no such title", allowed, "is this an .env file of ranges?")
    elif announced is not None and not findings.errors:
        key, numbers = announced
        if numbers != [len(colours), len(ranges)]:
            found = f"{len(colours)} species and {len(ranges)} ranges"
            allowed = " and ".join(f"{value:g}" for value in numbers) + ", as announced"
            findings.error(key, found, allowed, "is the file cut off?")
    return tuple(colours), ranges


def _part_of(title: str, part: str) -> str:
    if "atom probe definition" in title:
        return "instrument"
    if part == "instrument":
        return part
    if "mass ranges" in title:
        return "numbers" if "number of" in title else "ranges"
    if "list of element" in title:
        return "species"
    return part or ("alloy" if "alloy definition" in title else "")


def _parse_range(
    key: str, line: str, colours: dict[str, str | None], findings: LineFindings
) -> MassRange | None:
    words = line.split()
    numbers = [number_of(word) for word in words[1:]]
    values = [value for value in numbers if value is not None]
    if len(values) != len(numbers) or len(values) < 2:
        allowed = "name low high volume increment"
        findings.error(key, line, allowed, "correct or delete the line")
        return None
    name = words[0]
    if name not in colours:
        findings.error(key, name, "a species of the list above", "add it there, with its colour")
        return None
    elements = parse_formula(name)
    ion = Ion.of(elements) if elements else Ion((), name)
    volume = values[2] * _NM3_IN_CUBIC_ANGSTROM if len(values) > 2 else None
    return MassRange(values[0], values[1], ion, colours[name], volume, key)
