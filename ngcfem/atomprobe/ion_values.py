"""Checks of positions and mass-to-charge state ratios."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ngcfem.atomprobe.ion_data import MASS_TO_CHARGE, POSITION, IonChunk
from ngcfem.atomprobe.range_model import LARGEST_MASS_TO_CHARGE_DA
from ngcfem.errors import Finding

LARGEST_POSITION_NM = 1e6
"""A millimetre: no specimen reaches so far, and a wrong byte order leads beyond."""

_MOST_REPORTED = 5


def value_findings(
    path: Path, chunk: IonChunk, place: Callable[[int, int, str], str]
) -> list[Finding]:
    """Find numbers that cannot be positions or mass-to-charge state ratios.

    Parameters
    ----------
    path : Path
        File of the ions.
    chunk : IonChunk
        The ions.
    place : callable
        Gives the place in the file of the number of an ion, a component and a column.

    Returns
    -------
    list of Finding
        The first few, with the number of all in this stretch.
    """
    allowed = f"finite positions within {LARGEST_POSITION_NM:g} nm of the origin"
    findings = _column_findings(
        path,
        chunk.first,
        chunk.position_nm,
        POSITION,
        -LARGEST_POSITION_NM,
        LARGEST_POSITION_NM,
        allowed,
        place,
    )
    allowed = f"finite ratios from 0 to {LARGEST_MASS_TO_CHARGE_DA:g} Da"
    findings += _column_findings(
        path,
        chunk.first,
        chunk.mass_to_charge_da[:, None],
        MASS_TO_CHARGE,
        0.0,
        LARGEST_MASS_TO_CHARGE_DA,
        allowed,
        place,
    )
    return findings


def _column_findings(
    path: Path,
    first: int,
    values: npt.NDArray[Any],
    name: str,
    lowest: float,
    highest: float,
    allowed: str,
    place: Callable[[int, int, str], str],
) -> list[Finding]:
    # A NaN makes the extremes NaN, and the comparison false.
    if values.size == 0 or (values.min() >= lowest and values.max() <= highest):
        return []
    wrong = ~((values >= lowest) & (values <= highest))
    rows, components = np.nonzero(wrong)
    number = len(np.unique(rows))
    share = number / len(values)
    if share > 0.1:
        remedy = "most likely another format or byte order; is the ending of the name right?"
    else:
        remedy = "remove these ions in the program that wrote the file"
    findings = []
    for row, component in zip(
        rows[:_MOST_REPORTED].tolist(), components[:_MOST_REPORTED].tolist(), strict=True
    ):
        axis = f" {'xyz'[component]}" if values.shape[1] == 3 else ""
        found = f"{name}{axis} = {values[row, component]:g} of ion {first + row}"
        key = place(first + row, component, name)
        findings.append(Finding(str(path), key, found, allowed, remedy))
    if number > len(findings):
        found = f"{number} such ions among {len(values)} from ion {first} on"
        findings.append(Finding(str(path), name, found, allowed, remedy))
    return findings
