"""Ranges of a mass spectrum, and what is checked of them whatever file they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ngcfem.atomprobe.ions import Ion, infer_charge
from ngcfem.errors import Finding

LARGEST_MASS_TO_CHARGE_DA = 10_000.0
"""No instrument records beyond; a larger number is a slip or a wrong byte order."""


@dataclass(frozen=True)
class MassRange:
    """An interval of the mass-to-charge state ratio that stands for one ion.

    Parameters
    ----------
    low_da, high_da : float
        Ends in Da, both of which belong to it.
    ion : Ion
        What is counted there.
    colour : str or None
        Hexadecimal ``#rrggbb``.
    volume_nm3 : float or None
        Volume that the file gives to one ion, in nm^3.
    key : str
        Where in its file the range stands.
    """

    low_da: float
    high_da: float
    ion: Ion
    colour: str | None = None
    volume_nm3: float | None = None
    key: str = ""

    @property
    def charge(self) -> int | None:
        """Charge state, inferred from the masses of the isotopes; None if no isotope fits."""
        return infer_charge(self.ion, self.low_da, self.high_da)


@dataclass(frozen=True)
class RangeFile:
    """Content of a range file.

    Parameters
    ----------
    path : Path
        The file.
    file_format : {"rrng", "rng", "env"}
        Its format.
    elements : tuple of str
        What the file lists as its elements (or, in .rng and .env, species), in its order.
    ranges : tuple of MassRange
        All ranges in the order of the file, also those that are repeated.
    warnings : tuple of Finding
        What was odd but could be read.
    """

    path: Path
    file_format: str
    elements: tuple[str, ...]
    ranges: tuple[MassRange, ...]
    warnings: tuple[Finding, ...]

    @property
    def united(self) -> tuple[MassRange, ...]:
        """The ranges in ascending order, overlapping ones of the same ion made one."""
        return unite(self.ranges)


def unite(ranges: Sequence[MassRange]) -> tuple[MassRange, ...]:
    """Order ranges, and make one of those of the same ion that overlap.

    Parameters
    ----------
    ranges : sequence of MassRange
        Ranges; none of different ions overlap.

    Returns
    -------
    tuple of MassRange
        Ascending. Ranges that touch at one value stay apart.
    """
    found: list[MassRange] = []
    for entry in sorted(ranges, key=lambda item: (item.low_da, item.high_da)):
        last = found[-1] if found else None
        if last is None or entry.low_da >= last.high_da or entry.ion != last.ion:
            found.append(entry)
            continue
        found[-1] = MassRange(
            last.low_da,
            max(last.high_da, entry.high_da),
            last.ion,
            last.colour,
            last.volume_nm3,
            last.key,
        )
    return tuple(found)


def range_findings(path: Path, ranges: Sequence[MassRange]) -> list[Finding]:
    """Find everything that makes ranges unusable.

    Parameters
    ----------
    path : Path
        File they come from.
    ranges : sequence of MassRange
        The ranges.

    Returns
    -------
    list of Finding
        Empty and absurd ranges, and ranges of different ions that overlap; each range is reported
        once for its overlap.

    Notes
    -----
    In ascending order of their lower ends, a range overlaps one of another ion exactly if its lower
    end lies below the highest upper end so far of any other ion. Two candidates suffice: the
    highest of all, and the highest among other ions than that one's.
    """
    findings = []
    usable = []
    for entry in ranges:
        what = f"{entry.low_da:g} to {entry.high_da:g} Da ({entry.ion.name})"
        if not entry.low_da < entry.high_da:
            remedy = "correct the ends of the range, or delete it"
            findings.append(
                Finding(str(path), entry.key, f"an empty range, {what}", "low < high", remedy)
            )
        elif entry.low_da < 0.0 or entry.high_da > LARGEST_MASS_TO_CHARGE_DA:
            allowed = f"ranges between 0 and {LARGEST_MASS_TO_CHARGE_DA:g} Da"
            findings.append(Finding(str(path), entry.key, what, allowed, "correct the range"))
        else:
            usable.append(entry)
    highest: MassRange | None = None
    other: MassRange | None = None
    for entry in sorted(usable, key=lambda item: (item.low_da, item.high_da)):
        rival = other if highest is not None and highest.ion == entry.ion else highest
        if rival is not None and rival.high_da > entry.low_da:
            findings.append(
                Finding(
                    str(path),
                    entry.key,
                    f"{entry.ion.name} from {entry.low_da:g} to {entry.high_da:g} Da overlaps "
                    f"{rival.ion.name} up to {rival.high_da:g} Da ({rival.key})",
                    "ranges of different ions do not overlap",
                    "cut one of the two where the peaks part",
                )
            )
        if highest is None or entry.high_da > highest.high_da:
            if highest is not None and highest.ion != entry.ion:
                other = highest
            highest = entry
        elif entry.ion != highest.ion and (other is None or entry.high_da > other.high_da):
            other = entry
    return findings


def range_warnings(path: Path, ranges: Sequence[MassRange]) -> list[Finding]:
    """Find what is odd about ranges but harmless to counting.

    Parameters
    ----------
    path : Path
        File they come from.
    ranges : sequence of MassRange
        Ranges without findings.

    Returns
    -------
    list of Finding
        Ranges of the same ion that repeat or overlap, ranges without elements, and ranges in which
        no isotope of their ion lies.
    """
    findings = []
    united = unite(ranges)
    if len(united) < len(ranges):
        found = (
            f"{len(ranges)} ranges, of which {len(ranges) - len(united)} repeat or overlap others"
        )
        allowed = "ranges of one ion that do not overlap"
        remedy = f"nothing need be done: counted as the {len(united)} ranges that they cover"
        findings.append(Finding(str(path), "ranges", found, allowed, remedy))
    for entry in united:
        what = f"{entry.ion.name} from {entry.low_da:g} to {entry.high_da:g} Da"
        if not entry.ion.elements:
            remedy = "its ions count as ranged, but to no element; name the elements if known"
            findings.append(Finding(str(path), entry.key, what, "an ion of elements", remedy))
        elif entry.charge is None:
            findings.append(
                Finding(
                    str(path),
                    entry.key,
                    what,
                    "a range that holds an isotope of its ion at a charge of 1 to 5",
                    "check the ion of this range",
                )
            )
    return findings
