"""Layout of the format .apt: a header, then sections that each hold one column."""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ngcfem.atomprobe.ion_data import (
    DETECTOR,
    IONS_PER_PULSE,
    MASS_TO_CHARGE,
    POSITION,
    PULSES_SINCE_EVENT,
    TIME_OF_FLIGHT,
    VOLTAGE,
    IonBlock,
    IonColumn,
    IonLayout,
)
from ngcfem.errors import Finding, InputError

FILE_HEADER = struct.Struct("<4sii512sQQ")
"""Signature, size, version, name in UTF-16, time in 100 ns since 1601, number of ions."""

SECTION_HEADER = struct.Struct("<4sii64siIIIii32sQQ")
"""Signature, size, version, name, version of the section, relation to the ions, kind of record,
kind of number, bits, bytes of a record, unit, number of records, bytes."""

FILE_SIGNATURE = b"APT\0"
SECTION_SIGNATURE = b"SEC\0"
ONE_TO_ONE = 1
FIXED_SIZE = 1
NUMBER_KINDS = {1: "i", 2: "u", 3: "f"}
_NUMBER_BITS = {"i": (8, 16, 32, 64), "u": (8, 16, 32, 64), "f": (32, 64)}
_MOST_SECTIONS = 1000
_MOST_COMPONENTS = 64

SECTION_NAMES = {
    "Position": POSITION,
    "Mass": MASS_TO_CHARGE,
    "tof": TIME_OF_FLIGHT,
    "Epos ToF": TIME_OF_FLIGHT,
    "tofc": "corrected_time_of_flight_ns",
    "Voltage": VOLTAGE,
    "Detector Coordinates": DETECTOR,
    "Delta Pulse": PULSES_SINCE_EVENT,
    "Multiplicity": IONS_PER_PULSE,
}
"""Names of columns by those of sections; another section gives its own name to its column."""

_COMPONENTS = {POSITION: 3, MASS_TO_CHARGE: 1, DETECTOR: 2}
_KEY_FORMAT = "byte {}"


@dataclass(frozen=True)
class _Section:
    """Header of a section.

    Parameters
    ----------
    name, unit : str
        As in the file.
    relation, record_kind, number_kind, bits, record_bytes, n_records, n_bytes : int
        As in the file.
    data_offset_bytes : int
        Where its numbers begin.
    """

    name: str
    unit: str
    relation: int
    record_kind: int
    number_kind: int
    bits: int
    record_bytes: int
    n_records: int
    n_bytes: int
    data_offset_bytes: int

    @property
    def column_name(self) -> str:
        """Name of the column."""
        if self.name in SECTION_NAMES:
            return SECTION_NAMES[self.name]
        words = re.sub(r"\W+", "_", f"{self.name} {self.unit}").strip("_").lower()
        return words or "unnamed"

    @property
    def n_components(self) -> int:
        """Numbers of a record, 0 if they do not fill it."""
        number_bytes, rest = divmod(self.bits, 8)
        if rest or number_bytes <= 0 or self.record_bytes % number_bytes:
            return 0
        return self.record_bytes // number_bytes


def apt_layout(path: Path) -> IonLayout:
    """Give the layout of an .apt file.

    Parameters
    ----------
    path : Path
        File of AP Suite 6.

    Returns
    -------
    IonLayout
        One block for each section that holds one record of fixed size for each ion.

    Raises
    ------
    InputError
        If a header makes no sense, the file ends too early, or positions or mass-to-charge state
        ratios are missing.

    Notes
    -----
    Little-endian. A header of 540 bytes is followed by sections, each with a header of 148 bytes
    or more (its size stands in it; that of ``Position`` carries the bounding box) and its data.
    What a header claims is held against the size of the file before anything is read: no claim
    makes the reader allocate memory. Sections of other relations, such as lists of events, are
    skipped.
    """
    size = path.stat().st_size
    with open(path, "rb") as stream:
        offset, n_ions = _read_file_header(path, stream, size)
        sections: list[_Section] = []
        while offset < size:
            section = _read_section_header(path, stream, offset, size)
            sections.append(section)
            offset = section.data_offset_bytes + section.n_bytes
            if len(sections) > _MOST_SECTIONS:
                found = f"more than {_MOST_SECTIONS} sections"
                raise _refuse(path, offset, found, "fewer", "export the file again")
    return _layout_of(path, n_ions, sections)


def _refuse(path: Path, offset: int, found: str, allowed: str, remedy: str) -> InputError:
    return InputError([Finding(str(path), _KEY_FORMAT.format(offset), found, allowed, remedy)])


def _read_file_header(path: Path, stream: BinaryIO, size: int) -> tuple[int, int]:
    remedy = "is this an .apt file of AP Suite 6? Older ones are of another format"
    head = stream.read(FILE_HEADER.size)
    if len(head) < FILE_HEADER.size:
        allowed = f"a header of {FILE_HEADER.size} bytes"
        raise _refuse(path, 0, f"{len(head)} bytes in all", allowed, remedy)
    signature, header_bytes, version, _, _, n_ions = FILE_HEADER.unpack(head)
    if signature != FILE_SIGNATURE:
        raise _refuse(path, 0, repr(signature), repr(FILE_SIGNATURE), remedy)
    if not FILE_HEADER.size <= header_bytes <= size:
        allowed = f"a header of {FILE_HEADER.size} bytes or more, inside the file"
        raise _refuse(path, 4, f"{header_bytes} bytes, version {version}", allowed, remedy)
    if not 1 <= n_ions <= size // 16:
        allowed = f"1 to {size // 16} ions, for which {size} bytes have room"
        remedy = "the file is cut off or damaged: copy it again"
        raise _refuse(path, 532, f"{n_ions} ions announced", allowed, remedy)
    return header_bytes, n_ions


def _read_section_header(path: Path, stream: BinaryIO, offset: int, size: int) -> _Section:
    remedy = "the file is cut off or damaged: copy or export it again"
    stream.seek(offset)
    head = stream.read(SECTION_HEADER.size)
    if len(head) < SECTION_HEADER.size:
        allowed = f"a header of a section, {SECTION_HEADER.size} bytes"
        raise _refuse(path, offset, f"{len(head)} bytes up to the end", allowed, remedy)
    parts = SECTION_HEADER.unpack(head)
    signature, header_bytes = parts[:2]
    if signature != SECTION_SIGNATURE:
        raise _refuse(path, offset, repr(signature), repr(SECTION_SIGNATURE), remedy)
    if header_bytes < SECTION_HEADER.size or offset + header_bytes > size:
        found = f"a header of {header_bytes} bytes"
        allowed = f"{SECTION_HEADER.size} bytes or more, inside the file"
        raise _refuse(path, offset + 4, found, allowed, remedy)
    section = _Section(
        name=_text(parts[3]),
        unit=_text(parts[10]),
        relation=parts[5],
        record_kind=parts[6],
        number_kind=parts[7],
        bits=parts[8],
        record_bytes=parts[9],
        n_records=parts[11],
        n_bytes=parts[12],
        data_offset_bytes=offset + header_bytes,
    )
    room = size - section.data_offset_bytes
    if section.n_bytes > room:
        found = f"section {section.name!r} with {section.n_bytes} bytes of data"
        raise _refuse(path, offset + 140, found, f"{room} bytes up to the end", remedy)
    return section


def _text(raw: bytes) -> str:
    return raw.decode("utf-16-le", errors="replace").split("\0", 1)[0]


def _layout_of(path: Path, n_ions: int, sections: list[_Section]) -> IonLayout:
    blocks: dict[str, IonBlock] = {}
    errors: list[Finding] = []
    warnings: list[Finding] = []
    for section in sections:
        name = section.column_name
        key = _KEY_FORMAT.format(section.data_offset_bytes)
        needed = name in (POSITION, MASS_TO_CHARGE)
        fault = _fault_of(section, n_ions)
        if fault is None and name not in blocks:
            dtype = f"<{NUMBER_KINDS[section.number_kind]}{section.bits // 8}"
            column = IonColumn(name, dtype, section.n_components)
            blocks[name] = IonBlock(section.data_offset_bytes, section.record_bytes, (column,))
            continue
        found = f"section {section.name!r}: {fault or 'a second one of this name'}"
        allowed = f"one record of fixed size for each of the {n_ions} ions"
        if needed and fault is not None:
            remedy = "the file is damaged: copy or export it again"
            errors.append(Finding(str(path), key, found, allowed, remedy))
        else:
            warnings.append(Finding(str(path), key, found, allowed, "the section is not read"))
    for section_name in ("Position", "Mass"):
        if SECTION_NAMES[section_name] not in blocks and not errors:
            there = ", ".join(section.name for section in sections) or "none"
            allowed = f"a section {section_name!r}"
            remedy = "export the reconstruction with positions and mass"
            errors.append(Finding(str(path), "sections", there, allowed, remedy))
    if errors:
        raise InputError(errors)
    return IonLayout(n_ions, tuple(blocks.values()), tuple(warnings))


def _fault_of(section: _Section, n_ions: int) -> str | None:
    """Say what keeps a section from being a column."""
    if section.relation != ONE_TO_ONE or section.record_kind != FIXED_SIZE:
        return f"relation {section.relation}, records of kind {section.record_kind}"
    kind = NUMBER_KINDS.get(section.number_kind)
    if kind is None or section.bits not in _NUMBER_BITS[kind]:
        return f"numbers of kind {section.number_kind} with {section.bits} bits"
    wanted = _COMPONENTS.get(section.column_name)
    n_components = section.n_components
    if not 1 <= n_components <= _MOST_COMPONENTS or wanted not in (None, n_components):
        return f"records of {section.record_bytes} bytes"
    if section.n_records != n_ions or section.n_bytes != n_ions * section.record_bytes:
        return f"{section.n_records} records in {section.n_bytes} bytes"
    return None
