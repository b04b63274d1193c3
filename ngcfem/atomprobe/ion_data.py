"""Ions of an atom probe data set: what a file holds, and a stretch of it in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ngcfem.errors import Finding

Float32Array = npt.NDArray[np.float32]

POSITION = "position_nm"
MASS_TO_CHARGE = "mass_to_charge_da"
TIME_OF_FLIGHT = "time_of_flight_ns"
VOLTAGE = "voltage_v"
PULSE_VOLTAGE = "pulse_voltage_v"
DETECTOR = "detector_mm"
PULSES_SINCE_EVENT = "pulses_since_event"
IONS_PER_PULSE = "ions_per_pulse"

DEFAULT_CHUNK = 1 << 20
"""Ions read at a time: some tens of MB, whatever the size of the file."""


@dataclass(frozen=True, eq=False)
class IonChunk:
    """A stretch of consecutive ions.

    Parameters
    ----------
    first : int
        Number of its first ion, counted from 0.
    position_nm : ndarray, shape (n, 3)
        Reconstructed positions in nm.
    mass_to_charge_da : ndarray, shape (n,)
        Mass-to-charge state ratios in Da.
    columns : mapping of str to ndarray
        Further columns that were asked for, of shape (n,) or (n, k).
    """

    first: int
    position_nm: Float32Array
    mass_to_charge_da: Float32Array
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the ions."""
        return len(self.mass_to_charge_da)


@dataclass(frozen=True)
class IonColumn:
    """A column of a binary file.

    Parameters
    ----------
    name : str
        Name with unit.
    dtype : str
        Type of one number, with its byte order.
    components : int
        Numbers that stand one after the other.
    offset_bytes : int
        Place inside its record.
    scale : float
        Factor to the unit of the name.
    first_component : int
        Component of the column that the first of these numbers is.
    """

    name: str
    dtype: str
    components: int = 1
    offset_bytes: int = 0
    scale: float = 1.0
    first_component: int = 0


@dataclass(frozen=True)
class IonBlock:
    """Records of equal size, one for each ion, that stand one after the other in a file.

    Parameters
    ----------
    offset_bytes : int
        Place of the first record in the file.
    record_bytes : int
        Size of a record.
    columns : tuple of IonColumn
        What stands in a record.
    """

    offset_bytes: int
    record_bytes: int
    columns: tuple[IonColumn, ...]


@dataclass(frozen=True)
class IonLayout:
    """Where in a binary file the columns stand.

    Parameters
    ----------
    n_ions : int
        Number of ions; no more than the file has room for.
    blocks : tuple of IonBlock
        Together they hold positions and mass-to-charge state ratios.
    warnings : tuple of Finding
        What was odd but could be read.
    """

    n_ions: int
    blocks: tuple[IonBlock, ...]
    warnings: tuple[Finding, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, each once, in the order of the file."""
        names = (column.name for block in self.blocks for column in block.columns)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class IonMetadata:
    """What a data set is, once all of it has been read.

    Parameters
    ----------
    path : Path
        The file.
    file_format : str
        Its format.
    sha256 : str
        Hash of its bytes.
    n_ions : int
        Number of ions.
    columns : tuple of str
        Columns of the file.
    lowest_nm, highest_nm : tuple of float
        Corners of the box around all positions, in nm.
    lowest_mass_to_charge_da, highest_mass_to_charge_da : float
        Extent of the mass-to-charge state ratio in Da.
    """

    path: Path
    file_format: str
    sha256: str
    n_ions: int
    columns: tuple[str, ...]
    lowest_nm: tuple[float, float, float]
    highest_nm: tuple[float, float, float]
    lowest_mass_to_charge_da: float
    highest_mass_to_charge_da: float
