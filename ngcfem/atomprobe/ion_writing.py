"""Writing atom probe data sets as .pos, .epos, .apt and tables of text."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ngcfem.atomprobe.apt_layout import (
    FILE_HEADER,
    FILE_SIGNATURE,
    FIXED_SIZE,
    ONE_TO_ONE,
    SECTION_HEADER,
    SECTION_NAMES,
    SECTION_SIGNATURE,
)
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
from ngcfem.atomprobe.ion_layouts import EPOS_RECORD_BYTES
from ngcfem.atomprobe.ion_table import TABLE_HEADINGS

_POSITION_HEADER_BYTES = SECTION_HEADER.size + 24
# Section, unit, kind of number, type and components of each column that .apt is written with.
_SECTIONS: dict[str, tuple[str, str, int, str, int]] = {
    TIME_OF_FLIGHT: ("tof", "ns", 3, "<f4", 1),
    VOLTAGE: ("Voltage", "V", 3, "<f4", 1),
    DETECTOR: ("Detector Coordinates", "mm", 3, "<f4", 2),
    PULSES_SINCE_EVENT: ("Delta Pulse", "", 2, "<u4", 1),
    IONS_PER_PULSE: ("Multiplicity", "", 1, "<i4", 1),
    MASS_TO_CHARGE: ("Mass", "Da", 3, "<f4", 1),
    POSITION: ("Position", "nm", 3, "<f4", 3),
}
_EPOS_FLOATS = (TIME_OF_FLIGHT, VOLTAGE, PULSE_VOLTAGE)
_EPOS_INTEGERS = (PULSES_SINCE_EVENT, IONS_PER_PULSE)


def write_pos(path: Path, chunks: Iterable[IonChunk]) -> int:
    """Write a .pos file.

    Parameters
    ----------
    path : Path
        File; replaced if it exists.
    chunks : iterable of IonChunk
        The ions.

    Returns
    -------
    int
        Number of ions.
    """
    number = 0
    with open(path, "wb") as stream:
        for chunk in chunks:
            records = np.empty((len(chunk), 4), ">f4")
            records[:, :3] = chunk.position_nm
            records[:, 3] = chunk.mass_to_charge_da
            stream.write(records.tobytes())
            number += len(chunk)
    return number


def write_epos(path: Path, chunks: Iterable[IonChunk]) -> int:
    """Write an .epos file.

    Parameters
    ----------
    path : Path
        File; replaced if it exists.
    chunks : iterable of IonChunk
        The ions; of times, voltages, detector and pulses, columns that are missing become zero,
        and one ion a pulse.

    Returns
    -------
    int
        Number of ions.
    """
    number = 0
    with open(path, "wb") as stream:
        for chunk in chunks:
            records = np.zeros(len(chunk), np.dtype([("floats", ">f4", 9), ("integers", ">u4", 2)]))
            assert records.dtype.itemsize == EPOS_RECORD_BYTES
            records["integers"] = 1
            records["floats"][:, :3] = chunk.position_nm
            records["floats"][:, 3] = chunk.mass_to_charge_da
            for place, name in enumerate(_EPOS_FLOATS, start=4):
                if name in chunk.columns:
                    records["floats"][:, place] = chunk.columns[name]
            if DETECTOR in chunk.columns:
                records["floats"][:, 7:] = chunk.columns[DETECTOR]
            for place, name in enumerate(_EPOS_INTEGERS):
                if name in chunk.columns:
                    records["integers"][:, place] = chunk.columns[name]
            stream.write(records.tobytes())
            number += len(chunk)
    return number


def write_table(path: Path, chunks: Iterable[IonChunk]) -> int:
    """Write a table of text with commas.

    Parameters
    ----------
    path : Path
        File; replaced if it exists.
    chunks : iterable of IonChunk
        The ions, all with the columns of the first.

    Returns
    -------
    int
        Number of ions. Numbers carry nine digits: read again, they are the same.
    """
    number = 0
    with open(path, "wb") as stream:
        for chunk in chunks:
            names = [POSITION, MASS_TO_CHARGE, *chunk.columns]
            if not number:
                headings = [title for name in names for title in TABLE_HEADINGS.get(name, (name,))]
                stream.write((",".join(headings) + "\n").encode())
            parts = [chunk.position_nm, chunk.mass_to_charge_da, *chunk.columns.values()]
            table = np.column_stack([np.asarray(part, dtype=np.float64) for part in parts])
            np.savetxt(stream, table, fmt="%.9g", delimiter=",")
            number += len(chunk)
    return number


def write_apt(path: Path, chunks: Iterable[IonChunk], n_ions: int) -> int:
    """Write an .apt file.

    Parameters
    ----------
    path : Path
        File; replaced if it exists.
    chunks : iterable of IonChunk
        The ions, all with the columns of the first. Columns without a section of their own in the
        format, such as the pulse voltage, are left out.
    n_ions : int
        Number of all ions, by which the sections are placed.

    Returns
    -------
    int
        Number of ions.

    Raises
    ------
    ValueError
        If the chunks hold another number of ions.
    """
    lowest, highest = np.full(3, np.inf), np.full(3, -np.inf)
    places: dict[str, int] = {}
    number = 0
    with open(path, "wb") as stream:
        for chunk in chunks:
            if not places:
                places = _write_headers(stream, chunk.columns, n_ions)
            columns = {
                POSITION: chunk.position_nm,
                MASS_TO_CHARGE: chunk.mass_to_charge_da,
                **chunk.columns,
            }
            for name, place in places.items():
                _, _, _, dtype, components = _SECTIONS[name]
                values = np.asarray(columns[name]).astype(dtype).reshape(len(chunk), components)
                stream.seek(place + number * values.dtype.itemsize * components)
                stream.write(values.tobytes())
            if len(chunk):
                lowest = np.minimum(lowest, chunk.position_nm.min(axis=0))
                highest = np.maximum(highest, chunk.position_nm.max(axis=0))
            number += len(chunk)
            if number > n_ions:
                break
        if number != n_ions or not number:
            raise ValueError(f"{number} ions where {n_ions} were announced")
        stream.seek(places[POSITION] - 24)
        stream.write(np.column_stack([lowest, highest]).astype("<f4").tobytes())
    return number


def _write_headers(
    stream: BinaryIO, columns: Mapping[str, npt.NDArray[Any]], n_ions: int
) -> dict[str, int]:
    """Write the headers of the file and of all sections, and say where their numbers begin."""
    # Name and time are left empty: equal data gives equal files.
    stream.write(FILE_HEADER.pack(FILE_SIGNATURE, FILE_HEADER.size, 2, _utf16("", 512), 0, n_ions))
    places: dict[str, int] = {}
    offset = FILE_HEADER.size
    for column, (section, unit, kind, dtype, components) in _SECTIONS.items():
        if column not in columns and column not in (POSITION, MASS_TO_CHARGE):
            continue
        assert SECTION_NAMES[section] == column
        header_bytes = SECTION_HEADER.size
        if column == POSITION:
            header_bytes = _POSITION_HEADER_BYTES
        record_bytes = np.dtype(dtype).itemsize * components
        bits = 8 * np.dtype(dtype).itemsize
        stream.seek(offset)
        stream.write(
            SECTION_HEADER.pack(
                SECTION_SIGNATURE,
                header_bytes,
                2,
                _utf16(section, 64),
                1,
                ONE_TO_ONE,
                FIXED_SIZE,
                kind,
                bits,
                record_bytes,
                _utf16(unit, 32),
                n_ions,
                n_ions * record_bytes,
            )
        )
        places[column] = offset + header_bytes
        offset += header_bytes + n_ions * record_bytes
    return places


def _utf16(text: str, n_bytes: int) -> bytes:
    """Text in UTF-16 that ends with a zero, cut to what fits."""
    return text[: n_bytes // 2 - 1].encode("utf-16-le", errors="replace")[: n_bytes - 2]
