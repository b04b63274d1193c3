"""Range files .rng: a table of ranges by species, with an optional table of molecules."""

from collections.abc import Sequence
from dataclasses import replace

from ngcfem.atomprobe.ions import MAXIMUM_ATOMS, Ion, parse_formula
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.range_text import LineFindings, colour_of, number_of

_LARGEST_COUNT = 100_000


class _Table:
    """One table of the file: species with colours, then a row of counts for each range."""

    def __init__(self) -> None:
        self.species: list[str] = []
        self.colours: list[str | None] = []
        self.rows: list[tuple[str, float, float, list[int]]] = []


def parse_rng(
    lines: Sequence[str], findings: LineFindings
) -> tuple[tuple[str, ...], list[MassRange]]:
    """Read the lines of an .rng file.

    Parameters
    ----------
    lines : sequence of str
        The file.
    findings : LineFindings
        Takes what is wrong.

    Returns
    -------
    elements : tuple of str
        The species: elements, formulas, or labels such as "unknown".
    ranges : list of MassRange
        In the order of the file; the colour is that of the molecule, else of the first species.

    Notes
    -----
    ``n_species n_ranges``; for each species its name and a line ``symbol red green blue``; a line
    of dashes with the symbols; for each range ``. low high n1 n2 ...``. A second part of the same
    form after ``--- polyatomic extension`` names and colours molecules whose ranges stand in the
    first.
    A species that is no formula of elements is kept as a label, with a warning.
    """
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    numbered = [(number, line) for number, line in numbered if line]
    split = next(
        (at for at, (_, line) in enumerate(numbered) if "polyatomic" in line.lower()), len(numbered)
    )
    main = _parse_table(numbered[:split], findings)
    ranges = []
    atoms = [parse_formula(name) for name in main.species]
    for key, low, high, counts in main.rows:
        entry = _range_of(key, low, high, counts, main, atoms, findings)
        if entry is not None:
            ranges.append(entry)
    if split + 1 < len(numbered):
        molecules = _parse_table(numbered[split + 1 :], findings)
        ranges = _with_molecules(ranges, molecules, findings)
    return tuple(main.species), ranges


def _parse_table(lines: Sequence[tuple[int, str]], findings: LineFindings) -> _Table:
    table = _Table()
    if not lines:
        remedy = "export the ranges again"
        findings.error("file", "no lines", "the number of species and of ranges", remedy)
        return table
    number, first = lines[0]
    numbers = [number_of(word) for word in first.split()]
    if len(numbers) != 2 or not all(
        value is not None and value.is_integer() and 0 <= value <= _LARGEST_COUNT
        for value in numbers
    ):
        allowed = "the number of species and the number of ranges"
        findings.error(f"line {number}", first, allowed, "is this an .rng file?")
        return table
    n_species, n_ranges = (int(value or 0) for value in numbers)
    dashes = next((at for at, (_, line) in enumerate(lines) if line.startswith("--")), len(lines))
    described = lines[1:dashes]
    if dashes == len(lines) or len(described) != 2 * n_species:
        found = f"{len(described)} lines before the line of dashes"
        allowed = f"two for each of the {n_species} species"
        findings.error(f"line {number}", found, allowed, "is the file cut off?")
        return table
    for at, line in described[1::2]:
        words = line.split()
        colour = [number_of(word) for word in words[1:4]]
        table.species.append(words[0])
        parts = [value for value in colour if value is not None]
        found = colour_of(*parts) if len(parts) == 3 else None
        table.colours.append(found)
        if found is None:
            allowed = "a symbol, then red, green and blue from 0 to 1"
            findings.warn(f"line {at}", line, allowed, "its colour is left out")
    for at, line in lines[dashes + 1 :]:
        _parse_row(f"line {at}", line, table, findings)
    if len(table.rows) != n_ranges and not findings.errors:
        found = f"{n_ranges} ranges announced, {len(table.rows)} there"
        findings.error(f"line {number}", found, "equal numbers", "is the file cut off?")
    return table


def _parse_row(key: str, line: str, table: _Table, findings: LineFindings) -> None:
    words = line.split()
    numbers = [number_of(word) for word in words[1:]]
    values = [value for value in numbers if value is not None]
    allowed = f". low high, then {len(table.species)} numbers of atoms"
    if words[0] != "." or len(values) != len(numbers) or len(values) != 2 + len(table.species):
        findings.error(key, line, allowed, "correct or delete the line")
        return
    counts = values[2:]
    if not all(count.is_integer() and 0 <= count <= MAXIMUM_ATOMS for count in counts):
        allowed = f"whole numbers of atoms from 0 to {MAXIMUM_ATOMS}"
        findings.error(key, line, allowed, "correct the numbers")
        return
    table.rows.append((key, values[0], values[1], [int(count) for count in counts]))


def _range_of(
    key: str,
    low: float,
    high: float,
    counts: Sequence[int],
    table: _Table,
    atoms: Sequence[dict[str, int] | None],
    findings: LineFindings,
) -> MassRange | None:
    elements: dict[str, int] = {}
    labels, colour = [], None
    for name, parts, count, shade in zip(table.species, atoms, counts, table.colours, strict=True):
        if not count:
            continue
        colour = colour or shade
        if parts is None:
            labels.append(name)
        for element, in_species in (parts or {}).items():
            elements[element] = elements.get(element, 0) + count * in_species
    if sum(elements.values()) > MAXIMUM_ATOMS:
        allowed = f"at most {MAXIMUM_ATOMS} atoms in an ion"
        findings.error(key, f"{sum(elements.values())} atoms", allowed, "correct the numbers")
        return None
    label = " ".join(labels) or ("" if elements else "unnamed")
    return MassRange(low, high, Ion.of(elements, label), colour, None, key)


def _with_molecules(
    ranges: list[MassRange], molecules: _Table, findings: LineFindings
) -> list[MassRange]:
    """Give ranges the colours of their molecules, and add molecules that stand only there."""
    places = {(entry.low_da, entry.high_da): at for at, entry in enumerate(ranges)}
    atoms = [parse_formula(name) for name in molecules.species]
    coloured = list(ranges)
    for key, low, high, counts in molecules.rows:
        entry = _range_of(key, low, high, counts, molecules, atoms, findings)
        at = places.get((low, high))
        if entry is None:
            continue
        if at is None:
            allowed = "ranges that stand in the first part of the file, too"
            found = f"{entry.ion.name} from {low:g} to {high:g} Da only here"
            findings.warn(key, found, allowed, "it is taken from here")
            coloured.append(entry)
            continue
        coloured[at] = replace(ranges[at], colour=entry.colour or ranges[at].colour)
        if entry.ion.elements and entry.ion != ranges[at].ion:
            found = f"{entry.ion.name}, but {ranges[at].ion.name} in the first part"
            findings.error(key, found, "the same atoms in both parts", "correct one of the two")
    return coloured
