"""Layouts of the binary formats .pos, .epos and .ato."""

from pathlib import Path

from ngcfem.atomprobe.ion_data import (
    DETECTOR,
    IONS_PER_PULSE,
    MASS_TO_CHARGE,
    POSITION,
    PULSE_VOLTAGE,
    PULSES_SINCE_EVENT,
    TIME_OF_FLIGHT,
    VOLTAGE,
    IonBlock,
    IonColumn,
    IonLayout,
)
from ngcfem.errors import Finding, InputError

POS_RECORD_BYTES = 16
EPOS_RECORD_BYTES = 44
_NM_IN_ANGSTROM = 0.1
_ATO_HEADER_BYTES = {3: 8, 5: 5000}
_ATO_RECORD_BYTES = {3: 56, 5: 40}


def pos_layout(path: Path) -> IonLayout:
    """Give the layout of a .pos file.

    Parameters
    ----------
    path : Path
        Records of four big-endian floats: x, y, z in nm, mass-to-charge state ratio in Da.

    Returns
    -------
    IonLayout
        One block.

    Raises
    ------
    InputError
        If the size is not that of a whole number of records.
    """
    columns = (IonColumn(POSITION, ">f4", 3), IonColumn(MASS_TO_CHARGE, ">f4", 1, 12))
    return _records(path, 0, POS_RECORD_BYTES, columns)


def epos_layout(path: Path) -> IonLayout:
    """Give the layout of an .epos file.

    Parameters
    ----------
    path : Path
        Records of nine big-endian floats (x, y, z, mass-to-charge state ratio, time of flight in
        ns, standing voltage and pulse voltage in V, detector x and y in mm) and two big-endian
        unsigned integers: pulses since the last event, and ions of this pulse, which is 0 for
        all but the first ion of a multiple event.

    Returns
    -------
    IonLayout
        One block.

    Raises
    ------
    InputError
        If the size is not that of a whole number of records.
    """
    columns = (
        IonColumn(POSITION, ">f4", 3),
        IonColumn(MASS_TO_CHARGE, ">f4", 1, 12),
        IonColumn(TIME_OF_FLIGHT, ">f4", 1, 16),
        IonColumn(VOLTAGE, ">f4", 1, 20),
        IonColumn(PULSE_VOLTAGE, ">f4", 1, 24),
        IonColumn(DETECTOR, ">f4", 2, 28),
        IonColumn(PULSES_SINCE_EVENT, ">u4", 1, 36),
        IonColumn(IONS_PER_PULSE, ">u4", 1, 40),
    )
    return _records(path, 0, EPOS_RECORD_BYTES, columns)


def ato_layout(path: Path) -> IonLayout:
    """Give the layout of an .ato file of version 3 or 5.

    Parameters
    ----------
    path : Path
        Little-endian; the second integer of the file is its version.

    Returns
    -------
    IonLayout
        Positions and mass-to-charge state ratios, with a warning.

    Raises
    ------
    InputError
        If the version is another, or the size does not fit it.

    Notes
    -----
    After its public descriptions, which contradict one another, and not tried on a file of an
    instrument. Version 3: 8 bytes, then records of 14 floats, of which the first four are x, y, z
    in angstrom and the mass-to-charge state ratio. Version 5: 5000 bytes, then records of 40 bytes
    that begin with x and y as 16-bit integers in 0.01 nm, z as a float in angstrom and the
    mass-to-charge state ratio as a float.
    """
    with open(path, "rb") as stream:
        head = stream.read(8)
    version = int.from_bytes(head[4:], "little") if len(head) == 8 else 0
    if version not in _ATO_HEADER_BYTES:
        found = f"version {version}" if len(head) == 8 else f"a file of {len(head)} bytes"
        remedy = "convert the file to .epos or .apt"
        raise InputError([Finding(str(path), "byte 4", found, "version 3 or 5", remedy)])
    if version == 3:
        columns = (
            IonColumn(POSITION, "<f4", 3, 0, _NM_IN_ANGSTROM),
            IonColumn(MASS_TO_CHARGE, "<f4", 1, 12),
        )
    else:
        columns = (
            IonColumn(POSITION, "<i2", 2, 0, 0.01),
            IonColumn(POSITION, "<f4", 1, 4, _NM_IN_ANGSTROM, 2),
            IonColumn(MASS_TO_CHARGE, "<f4", 1, 8),
        )
    layout = _records(path, _ATO_HEADER_BYTES[version], _ATO_RECORD_BYTES[version], columns)
    warning = Finding(
        str(path),
        "file",
        f"an .ato file of version {version}",
        "a format this reader was tried on",
        "read after its description only: hold extents and spectrum against another program",
    )
    return IonLayout(layout.n_ions, layout.blocks, (warning,))


def _records(
    path: Path, header_bytes: int, record_bytes: int, columns: tuple[IonColumn, ...]
) -> IonLayout:
    size = path.stat().st_size
    n_ions, rest = divmod(max(size - header_bytes, 0), record_bytes)
    if rest or not n_ions:
        found = f"{size} bytes"
        if n_ions:
            found += f": {n_ions} ions and {rest} bytes left over"
        before = f"{header_bytes} bytes and " if header_bytes else ""
        allowed = f"{before}a whole number of records of {record_bytes} bytes, one at least"
        remedy = "the file is cut off or of another format: copy or export it again"
        key = f"byte {header_bytes + n_ions * record_bytes}"
        raise InputError([Finding(str(path), key, found, allowed, remedy)])
    return IonLayout(n_ions, (IonBlock(header_bytes, record_bytes, columns),))
