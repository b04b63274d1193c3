"""Range files .rrng: read, and written."""

import re
from collections.abc import Sequence
from pathlib import Path

from ngcfem.atomprobe.ions import MAXIMUM_ATOMS, Ion, parse_formula
from ngcfem.atomprobe.isotopes import natural_isotopes
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.range_text import LineFindings, number_of

_SECTION = re.compile(r"\s*\[\s*(\w+)\s*\]\s*")
_RANGE_KEY = re.compile(r"range(\d+)", re.IGNORECASE)
_ION_KEY = re.compile(r"ion(\d+)", re.IGNORECASE)
# A name may hold blanks; it ends where the next key begins.
_NAME = re.compile(r"\bName:\s*(.*?)\s*(?=\s\w+:|$)", re.IGNORECASE)
_COLOUR = re.compile(r"#?[0-9A-Fa-f]{6}")


def parse_rrng(
    lines: Sequence[str], findings: LineFindings
) -> tuple[tuple[str, ...], list[MassRange]]:
    """Read the lines of an .rrng file.

    Parameters
    ----------
    lines : sequence of str
        The file.
    findings : LineFindings
        Takes what is wrong.

    Returns
    -------
    elements : tuple of str
        Entries of the section ``[Ions]``.
    ranges : list of MassRange
        Entries of the section ``[Ranges]``, in the order of the file.

    Notes
    -----
    The file is of INI form: ``[Ions]`` with ``Number=`` and ``IonN=``, then ``[Ranges]`` with
    ``Number=`` and ``RangeN=low high Vol:v El:n ... Name:... Color:RRGGBB``. What follows the two
    numbers may come in any order and may be missing. Volumes are in nm^3.
    """
    section = ""
    ions: dict[str, str] = {}
    names: set[str] = set()
    ranges: list[MassRange] = []
    announced: dict[str, tuple[str, float | None]] = {}
    for number, line in enumerate(lines, start=1):
        key = f"line {number}"
        if not line.strip() or line.lstrip().startswith((";", "#")):
            continue
        heading = _SECTION.fullmatch(line)
        if heading:
            section = heading[1].lower()
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            findings.error(key, line, "a line of the form key=value", "complete or delete the line")
        elif name.lower() == "number":
            announced[section] = key, number_of(value)
        elif section == "ions" and _ION_KEY.fullmatch(name):
            ions[name.lower()] = value
        elif section == "ranges" and _RANGE_KEY.fullmatch(name):
            if name.lower() in names:
                found = f"{name} a second time"
                findings.warn(key, found, "each number once", "both are taken; renumber one")
            names.add(name.lower())
            entry = _parse_range(key, value, findings)
            if entry is not None:
                ranges.append(entry)
        else:
            where = f"[{section}]" if section else "before the first section"
            allowed = "IonN= in [Ions], RangeN= in [Ranges]"
            findings.warn(key, f"{name}= {where}", allowed, "nothing is read from this line")
    for part, count in (("ions", len(ions)), ("ranges", len(ranges))):
        key, number_there = announced.get(part, ("", float(count)))
        if number_there != count and not findings.errors:
            there = "no number" if number_there is None else f"{number_there:g}"
            found = f"Number={there} in [{part.capitalize()}], which holds {count}"
            findings.error(key, found, "the number of entries", "is the file cut off?")
    return tuple(ions.values()), ranges


def _parse_range(key: str, value: str, findings: LineFindings) -> MassRange | None:
    name = _NAME.search(value)
    label = name[1] if name else ""
    words = (value[: name.start()] + value[name.end() :] if name else value).split()
    ends = [number_of(word) for word in words[:2]]
    if len(ends) < 2 or ends[0] is None or ends[1] is None:
        allowed = "two numbers in Da, then Vol:, elements, Name: and Color:"
        findings.error(key, value, allowed, "correct the two ends of the range")
        return None
    elements: dict[str, int] = {}
    volume: float | None = None
    colour: str | None = None
    sound = True
    for word in words[2:]:
        what, colon, text = word.partition(":")
        lower = what.lower()
        if not colon:
            findings.error(key, word, "words of the form Key:value", "correct or delete the word")
            sound = False
        elif lower == "vol":
            volume = number_of(text)
            if volume is None:
                findings.warn(key, word, "Vol: with a number in nm^3", "its volume is left out")
        elif lower in ("color", "colour"):
            colour = f"#{text.lstrip('#').lower()}" if _COLOUR.fullmatch(text) else None
            if colour is None:
                findings.warn(key, word, "Color: with six hexadecimal digits", "it is left out")
        else:
            sound = _add_atoms(key, what, text, elements, findings) and sound
    if not sound:
        return None
    if not elements:
        elements = parse_formula(label) or {}
    return MassRange(
        ends[0],
        ends[1],
        Ion.of(elements, "" if elements else label or "unnamed"),
        colour,
        volume,
        key,
    )


def _add_atoms(
    key: str, element: str, text: str, elements: dict[str, int], findings: LineFindings
) -> bool:
    if element not in natural_isotopes():
        meant = element.capitalize()
        remedy = f"write {meant}" if meant in natural_isotopes() else "correct the symbol"
        found = f"{element}:{text}"
        findings.error(key, found, "the symbol of an element with natural isotopes", remedy)
        return False
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    if not 1 <= count <= MAXIMUM_ATOMS or element in elements:
        found = f"{element}:{text}" + (" a second time" if element in elements else "")
        allowed = f"each element once, with 1 to {MAXIMUM_ATOMS} atoms"
        findings.error(key, found, allowed, "correct the number of atoms")
        return False
    elements[element] = count
    return True


def format_rrng(ranges: Sequence[MassRange]) -> str:
    """Write ranges in the form of an .rrng file.

    Parameters
    ----------
    ranges : sequence of MassRange
        Ranges; the colour of one without is black, its volume 0.

    Returns
    -------
    str
        Lines that end with carriage return and line feed, as other programs write them.
    """
    elements = list(dict.fromkeys(name for entry in ranges for name, _ in entry.ion.elements))
    lines = ["[Ions]", f"Number={len(elements)}"]
    lines += [f"Ion{number}={name}" for number, name in enumerate(elements, start=1)]
    lines += ["[Ranges]", f"Number={len(ranges)}"]
    for number, entry in enumerate(ranges, start=1):
        words = [f"{entry.low_da:.4f} {entry.high_da:.4f}", f"Vol:{entry.volume_nm3 or 0.0:.5f}"]
        words += [f"{name}:{count}" for name, count in entry.ion.elements]
        if entry.ion.label:
            words.append(f"Name:{entry.ion.label}")
        words.append(f"Color:{(entry.colour or '#000000').lstrip('#').upper()}")
        lines.append(f"Range{number}={' '.join(words)}")
    return "\r\n".join([*lines, ""])


def write_rrng(path: Path, ranges: Sequence[MassRange]) -> None:
    """Write an .rrng file.

    Parameters
    ----------
    path : Path
        File; replaced if it exists.
    ranges : sequence of MassRange
        The ranges; ends are written to 0.0001 Da.
    """
    path.write_text(format_rrng(ranges), encoding="utf-8", newline="")
