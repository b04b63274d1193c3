"""Reading atom probe data sets of any size, a stretch at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ngcfem.atomprobe.apt_layout import apt_layout
from ngcfem.atomprobe.ion_data import (
    DEFAULT_CHUNK,
    MASS_TO_CHARGE,
    POSITION,
    IonBlock,
    IonChunk,
    IonLayout,
)
from ngcfem.atomprobe.ion_layouts import ato_layout, epos_layout, pos_layout
from ngcfem.atomprobe.ion_table import table_chunks, table_columns
from ngcfem.atomprobe.ion_values import value_findings
from ngcfem.errors import Finding, InputError

_LAYOUTS: dict[str, Callable[[Path], IonLayout]] = {
    "pos": pos_layout,
    "epos": epos_layout,
    "apt": apt_layout,
    "ato": ato_layout,
}
_TABLES = ("csv", "tsv", "txt")


@dataclass(frozen=True)
class IonFile:
    """A data set that can be read.

    Parameters
    ----------
    path : Path
        The file.
    file_format : {"pos", "epos", "apt", "ato", "csv"}
        Its format.
    column_names : tuple of str
        What it holds of each ion.
    layout : IonLayout or None
        Where that stands in a binary file; None for a table of text.
    """

    path: Path
    file_format: str
    column_names: tuple[str, ...]
    layout: IonLayout | None

    @property
    def n_ions(self) -> int | None:
        """Number of ions; None for a table of text, whose lines are counted while they are read."""
        return None if self.layout is None else self.layout.n_ions

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What was odd but can be read."""
        return () if self.layout is None else self.layout.warnings

    def chunks(
        self, columns: Sequence[str] = (), n_chunk: int = DEFAULT_CHUNK
    ) -> Iterator[IonChunk]:
        """Read all ions, a stretch at a time.

        Parameters
        ----------
        columns : sequence of str
            Columns wanted beside positions and mass-to-charge state ratios.
        n_chunk : int
            Ions in a stretch; for a table of text about so many.

        Yields
        ------
        IonChunk
            Consecutive ions. Positions and mass-to-charge state ratios have been checked.

        Raises
        ------
        InputError
            If a column is not in the file, or values are not finite or absurd, each with its place;
            of a table with those of all lines.
        OSError
            If the file cannot be read.
        """
        unknown = [name for name in columns if name not in self.column_names]
        if unknown:
            found = ", ".join(unknown)
            allowed = ", ".join(self.column_names)
            remedy = "ask for columns that the file holds"
            raise InputError([Finding(str(self.path), "columns", found, allowed, remedy)])
        columns = [name for name in columns if name not in (POSITION, MASS_TO_CHARGE)]
        if self.layout is None:
            yield from table_chunks(self.path, columns, n_chunk)
        else:
            yield from _layout_chunks(self.path, self.layout, columns, n_chunk)


def open_ions(path: Path) -> IonFile:
    """Find out what an atom probe file holds.

    Parameters
    ----------
    path : Path
        File whose name ends with .pos, .epos, .apt, .ato, or .csv (.tsv, .txt).

    Returns
    -------
    IonFile
        Only headers have been read.

    Raises
    ------
    InputError
        If the file is missing, of another format, or its size or headers make no sense.
    """
    file_format = path.suffix.lower().lstrip(".")
    if file_format not in (*_LAYOUTS, *_TABLES):
        found, remedy = path.suffix or "no ending", "give the file the ending of its format"
        allowed = ".pos, .epos, .apt, .ato, .csv"
        raise InputError([Finding(str(path), "name", found, allowed, remedy)])
    try:
        size = path.stat().st_size
        if not path.is_file() or not size:
            found = "an empty file" if path.is_file() else "no file"
            raise InputError([Finding(str(path), "file", found, "a data set", "check the path")])
        if file_format in _TABLES:
            return IonFile(path, "csv", table_columns(path), None)
        layout = _LAYOUTS[file_format](path)
    except OSError as error:
        found = str(error.strerror)
        finding = Finding(str(path), "file", found, "a file that can be read", "check the path")
        raise InputError([finding]) from error
    return IonFile(path, file_format, layout.column_names, layout)


def _layout_chunks(
    path: Path, layout: IonLayout, columns: Sequence[str], n_chunk: int
) -> Iterator[IonChunk]:
    wanted = (POSITION, MASS_TO_CHARGE, *columns)
    with open(path, "rb", buffering=0) as stream:
        for first in range(0, layout.n_ions, n_chunk):
            number = min(n_chunk, layout.n_ions - first)
            found: dict[str, npt.NDArray[Any]] = {}
            for block in layout.blocks:
                if any(column.name in wanted for column in block.columns):
                    _read_block(path, stream, block, first, number, wanted, found)
            chunk = IonChunk(
                first,
                found.pop(POSITION),
                found.pop(MASS_TO_CHARGE),
                {name: found[name] for name in columns},
            )
            findings = value_findings(
                path, chunk, lambda row, at, name: _place(layout, row, at, name)
            )
            if findings:
                raise InputError(findings)
            yield chunk


def _read_block(
    path: Path,
    stream: BinaryIO,
    block: IonBlock,
    first: int,
    number: int,
    wanted: Sequence[str],
    found: dict[str, npt.NDArray[Any]],
) -> None:
    """Read records of a block and part them into columns.

    Plain reads, no memory map: a file that shrinks meanwhile gives a message, not a bus error.
    """
    offset = block.offset_bytes + first * block.record_bytes
    raw = bytearray(number * block.record_bytes)
    stream.seek(offset)
    view, filled = memoryview(raw), 0
    while filled < len(raw):
        got = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not got:
            key = f"byte {offset + filled}"
            remedy = "another program is writing it: wait until it has finished"
            allowed = "the bytes that its size announced"
            raise InputError([Finding(str(path), key, "the end of the file", allowed, remedy)])
        filled += got
    for column in block.columns:
        if column.name not in wanted:
            continue
        dtype = np.dtype(column.dtype)
        values = np.ndarray(
            (number, column.components),
            dtype,
            raw,
            column.offset_bytes,
            (block.record_bytes, dtype.itemsize),
        )
        _place_column(found, column.name, values, column.first_component, column.scale)


def _place_column(
    found: dict[str, npt.NDArray[Any]],
    name: str,
    values: npt.NDArray[Any],
    first_component: int,
    scale: float,
) -> None:
    n_components = 3 if name == POSITION else int(values.shape[1])
    if name in (POSITION, MASS_TO_CHARGE):
        target_type = np.dtype(np.float32)
    else:
        target_type = values.dtype.newbyteorder("=")
    if name not in found:
        shape = (len(values), n_components) if n_components > 1 else (len(values),)
        found[name] = np.empty(shape, target_type)
    target = found[name].reshape(len(values), -1)
    part = target[:, first_component : first_component + values.shape[1]]
    if scale == 1.0:
        with np.errstate(over="ignore", invalid="ignore"):
            part[...] = values
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(values, scale, out=part, casting="unsafe")


def _place(layout: IonLayout, row: int, component: int, name: str) -> str:
    """Byte at which a number stands."""
    for block in layout.blocks:
        for column in block.columns:
            inside = component - column.first_component
            if column.name == name and 0 <= inside < column.components:
                offset = block.offset_bytes + row * block.record_bytes + column.offset_bytes
                return f"byte {offset + inside * np.dtype(column.dtype).itemsize}"
    return "file"
