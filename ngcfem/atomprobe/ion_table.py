"""Data sets as tables of text: one line an ion, columns named in the first line."""

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ngcfem.atomprobe.ion_data import (
    DETECTOR,
    IONS_PER_PULSE,
    MASS_TO_CHARGE,
    POSITION,
    PULSE_VOLTAGE,
    PULSES_SINCE_EVENT,
    TIME_OF_FLIGHT,
    VOLTAGE,
    IonChunk,
)
from ngcfem.atomprobe.ion_values import value_findings
from ngcfem.errors import Finding, InputError

_AXES = ("x_nm", "y_nm", "z_nm")
_DETECTOR_AXES = ("detector_x_mm", "detector_y_mm")
TABLE_HEADINGS: dict[str, tuple[str, ...]] = {
    POSITION: _AXES,
    MASS_TO_CHARGE: (MASS_TO_CHARGE,),
    TIME_OF_FLIGHT: (TIME_OF_FLIGHT,),
    VOLTAGE: (VOLTAGE,),
    PULSE_VOLTAGE: (PULSE_VOLTAGE,),
    DETECTOR: _DETECTOR_AXES,
    PULSES_SINCE_EVENT: (PULSES_SINCE_EVENT,),
    IONS_PER_PULSE: (IONS_PER_PULSE,),
}
"""Headings of the columns of a table."""

_OTHER_NAMES = {
    "x": "x_nm",
    "y": "y_nm",
    "z": "z_nm",
    "da": MASS_TO_CHARGE,
    "m_n": MASS_TO_CHARGE,
    "m_q": MASS_TO_CHARGE,
    "m_z": MASS_TO_CHARGE,
    "m_n_da": MASS_TO_CHARGE,
    "m_q_da": MASS_TO_CHARGE,
    "m_z_da": MASS_TO_CHARGE,
    "mass": MASS_TO_CHARGE,
    "mass_da": MASS_TO_CHARGE,
    "mass_to_charge": MASS_TO_CHARGE,
}
_LONGEST_LINE = 4096
_BYTES_A_LINE = 40
_LARGEST_BLOCK = 1 << 23
_MOST_FINDINGS = 50
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"


def table_columns(path: Path) -> tuple[str, ...]:
    """Give the columns of a table.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tuple of str
        Columns known to ngcfem, first positions and mass-to-charge state ratios.

    Raises
    ------
    InputError
        If the first line does not name the needed columns.
    """
    with open(path, "rb") as stream:
        return tuple(_Header.read(path, stream).places)


class _Header:
    """First line of a table.

    Parameters
    ----------
    delimiter : str
        What parts the columns.
    n_columns : int
        Their number.
    places : dict of str to tuple of int
        Where each known column stands.
    line : int
        Number of the line, counted from 1.
    """

    def __init__(
        self, delimiter: str, n_columns: int, places: dict[str, tuple[int, ...]], line: int
    ) -> None:
        self.delimiter = delimiter
        self.n_columns = n_columns
        self.places = places
        self.line = line

    @classmethod
    def read(cls, path: Path, stream: BinaryIO) -> "_Header":
        """Read up to the first line that is neither empty nor a comment."""
        allowed = "a first line with x_nm, y_nm, z_nm and mass_to_charge_da"
        number = 0
        while True:
            raw = stream.readline(_LONGEST_LINE)
            number += 1
            if not raw:
                remedy = "name the columns in the first line"
                raise InputError([Finding(str(path), "file", "no line", allowed, remedy)])
            if raw.startswith(_BYTE_ORDER_MARKS) or b"\0" in raw:
                remedy = "save the file as plain text in UTF-8"
                found = "UTF-16 or binary data"
                raise InputError([Finding(str(path), f"line {number}", found, allowed, remedy)])
            line = raw.removeprefix(_UTF8_MARK).decode("latin-1").strip()
            if line and not line.startswith("#"):
                break
        delimiter = next((sign for sign in "\t;," if sign in line), " ")
        parts = line.split() if delimiter == " " else line.split(delimiter)
        names = [re.sub(r"\W+", "_", part.strip().lower()).strip("_") for part in parts]
        names = [_OTHER_NAMES.get(name, name) for name in names]
        missing = [name for name in (*_AXES, MASS_TO_CHARGE) if names.count(name) != 1]
        if missing:
            remedy = f"name {', '.join(missing)} once each in the first line"
            raise InputError([Finding(str(path), f"line {number}", line[:80], allowed, remedy)])
        places = {
            column: tuple(names.index(heading) for heading in headings)
            for column, headings in TABLE_HEADINGS.items()
            if all(names.count(heading) == 1 for heading in headings)
        }
        return cls(delimiter, len(names), places, number)


def table_chunks(path: Path, columns: Sequence[str], n_chunk: int) -> Iterator[IonChunk]:
    """Read the ions of a table, a stretch at a time.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str
        Columns wanted beside positions and mass-to-charge state ratios.
    n_chunk : int
        About how many ions to read at a time.

    Yields
    ------
    IonChunk
        Consecutive ions.

    Raises
    ------
    InputError
        With all lines that are wrong, up to fifty; after the first, no more ions are given.
    """
    findings: list[Finding] = []
    n_wrong = first = 0
    with open(path, "rb") as stream:
        header = _Header.read(path, stream)
        number = header.line + 1
        n_bytes = min(max(n_chunk * _BYTES_A_LINE, _LONGEST_LINE), _LARGEST_BLOCK)
        for block in _blocks(path, stream, n_bytes, number):
            lines, table, wrong = _parse_block(path, block, number, header)
            number += block.count(b"\n")
            if table is not None and not wrong:
                chunk = _chunk_of(first, table, columns, header)
                wrong = value_findings(path, chunk, partial(_line_of, lines, first))
                first += len(table)
                if not wrong and not n_wrong and len(table):
                    yield chunk
            n_wrong += len(wrong)
            findings += wrong[: _MOST_FINDINGS - len(findings)]
    if n_wrong > len(findings):
        found = f"{n_wrong} findings, of which these are the first"
        findings.append(Finding(str(path), "lines", found, "none", "correct the columns"))
    if not first and not findings:
        remedy = "export the ions again"
        findings.append(Finding(str(path), "lines", "no ions", "one line an ion", remedy))
    if findings:
        raise InputError(findings)


def _line_of(lines: Callable[[int], str], first: int, row: int, _at: int, _name: str) -> str:
    return lines(row - first)


def _blocks(path: Path, stream: BinaryIO, n_bytes: int, first_line: int) -> Iterator[bytes]:
    """Whole lines, so many that they have about the given size."""
    rest, number = b"", first_line
    while True:
        raw = stream.read(n_bytes)
        if not raw:
            break
        cut = raw.rfind(b"\n") + 1
        if not cut and len(rest) + len(raw) > n_bytes:
            found = f"a line of more than {n_bytes} bytes"
            remedy = "is this a table of text?"
            raise InputError(
                [Finding(str(path), f"line {number}", found, "one line an ion", remedy)]
            )
        block, rest = (rest + raw[:cut], raw[cut:]) if cut else (b"", rest + raw)
        if block:
            yield block
            number += block.count(b"\n")
    if rest:
        yield rest


def _parse_block(
    path: Path, block: bytes, number: int, header: _Header
) -> tuple[Callable[[int], str], npt.NDArray[Any] | None, list[Finding]]:
    """Parse whole lines; the first result tells the line of a row."""
    text = block.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    delimiter = None if header.delimiter == " " else header.delimiter

    def place(row: int) -> str:
        at = [n for n, line in enumerate(text.split("\n")) if line.partition("#")[0].strip()]
        return f"line {number + at[row]}"

    if not any(line.partition("#")[0].strip() for line in text.split("\n")):
        return place, None, []
    try:
        table = np.loadtxt(io.StringIO(text), delimiter=delimiter, ndmin=2, dtype=np.float64)
    except ValueError as error:
        table, reason = None, str(error)
    else:
        reason = f"{table.shape[1]} columns"
    if table is not None and table.shape[1] == header.n_columns:
        return place, table, []
    findings = _line_findings(path, text, number, header)
    if not findings:
        allowed = f"rows of {header.n_columns} numbers"
        remedy = "correct the lines from here on"
        findings = [Finding(str(path), f"line {number}", reason, allowed, remedy)]
    return place, None, findings


def _line_findings(path: Path, text: str, number: int, header: _Header) -> list[Finding]:
    """Find each line of a block that is no row of numbers."""
    allowed = f"{header.n_columns} numbers with decimal points"
    if header.delimiter != " ":
        allowed += f", parted by {header.delimiter!r}"
    findings = []
    for at, line in enumerate(text.split("\n")):
        row = line.partition("#")[0].strip()
        if not row:
            continue
        words = row.split(None if header.delimiter == " " else header.delimiter)
        if len(words) == header.n_columns and all(map(_is_number, words)):
            continue
        remedy = "correct or delete the line; is the file cut off?"
        commas = header.delimiter == "," and len(words) == 2 * header.n_columns
        if commas or any("," in word and _is_number(word.replace(",", ".")) for word in words):
            remedy = "these are decimal commas: export with decimal points"
        findings.append(Finding(str(path), f"line {number + at}", row[:80], allowed, remedy))
    return findings


def _is_number(word: str) -> bool:
    try:
        return not math.isnan(float(word)) or word.strip().lower().lstrip("+-") == "nan"
    except ValueError:
        return False


def _chunk_of(
    first: int, table: npt.NDArray[Any], columns: Sequence[str], header: _Header
) -> IonChunk:
    with np.errstate(over="ignore"):
        found = {
            name: table[:, list(header.places[name])].astype(np.float32)
            for name in (POSITION, MASS_TO_CHARGE, *columns)
        }
    extra = {
        name: found[name][:, 0] if found[name].shape[1] == 1 else found[name] for name in columns
    }
    return IonChunk(first, found[POSITION], found[MASS_TO_CHARGE][:, 0], extra)
