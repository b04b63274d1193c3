"""The macroscopic history of a run, and the file ``curve.csv`` that holds it."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np

from ngcfem.errors import Finding, InputError
from ngcfem.quantities import AXIS_INDEX, Axis, BoolArray, FloatArray, IntArray, Kinematics
from ngcfem.results.atomic import write_text_atomically
from ngcfem.results.curve import StressStrainCurve
from ngcfem.results.increment import Increment
from ngcfem.results.measures import StrainMeasure, StressMeasure, axial_measures

_SCALARS = (
    "increment",
    "time_s",
    "true_strain",
    "true_stress_gpa",
    "engineering_strain",
    "engineering_stress_gpa",
)
_F_COLUMNS = tuple(f"F{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3))
_P_COLUMNS = tuple(f"P{i}{j}_gpa" for i in (1, 2, 3) for j in (1, 2, 3))
_EFFORT = ("newton_iterations", "linear_iterations", "cutbacks", "wall_s")
CURVE_COLUMNS: tuple[str, ...] = (*_SCALARS, *_F_COLUMNS, *_P_COLUMNS, *_EFFORT, "requested")
"""Columns of curve.csv; a material-point drive leaves the four columns of effort out."""
_REQUIRED = tuple(name for name in CURVE_COLUMNS if name not in _EFFORT)


@dataclass(frozen=True, eq=False)
class Effort:
    """What the accepted steps of a run cost.

    Parameters
    ----------
    newton_iterations, linear_iterations, cutbacks : ndarray of int, shape (n,)
        Spent since the previous accepted step.
    wall_s : ndarray, shape (n,)
        Wall time since the start of the run, cumulative over resumes.
    """

    newton_iterations: IntArray
    linear_iterations: IntArray
    cutbacks: IntArray
    wall_s: FloatArray


@dataclass(frozen=True, eq=False)
class History:
    """Macroscopic states of a run, the undeformed one first.

    Parameters
    ----------
    increment : ndarray of int, shape (n,)
        Index in the list asked for.
    requested : ndarray of bool, shape (n,)
        Whether the step ends exactly at an increment asked for.
    time_s : ndarray, shape (n,)
        Time on the load path.
    deformation_gradient, first_piola_kirchhoff_stress : ndarray, shape (n, 3, 3)
        Macroscopic F and P (GPa).
    axis : {"x", "y", "z"}
        Axis of the scalar measures.
    kinematics : {"finite", "small"}
        Kinematics of the run.
    effort : Effort or None
        Iterations and wall time; None for a drive without them.
    """

    increment: IntArray
    requested: BoolArray
    time_s: FloatArray
    deformation_gradient: FloatArray
    first_piola_kirchhoff_stress: FloatArray
    axis: Axis
    kinematics: Kinematics
    effort: Effort | None = None

    @classmethod
    def from_increments(
        cls, increments: Sequence[Increment], axis: Axis, kinematics: Kinematics
    ) -> Self:
        """Take the macroscopic part of the accepted steps of a run.

        Parameters
        ----------
        increments : sequence of Increment
            Accepted steps, the undeformed state first.
        axis : {"x", "y", "z"}
            Axis of the scalar measures.
        kinematics : {"finite", "small"}
            Kinematics of the run.

        Returns
        -------
        History
            One row per step.
        """

        def column(name: str, kind: type) -> np.ndarray:
            return np.array([getattr(step, name) for step in increments], dtype=kind)

        shape = (len(increments), 3, 3)
        return cls(
            increment=column("increment", np.int64),
            requested=column("requested", np.bool_),
            time_s=column("time_s", np.float64),
            deformation_gradient=column("deformation_gradient", np.float64).reshape(shape),
            first_piola_kirchhoff_stress=column("first_piola_kirchhoff_stress", np.float64).reshape(
                shape
            ),
            axis=axis,
            kinematics=kinematics,
            effort=Effort(
                newton_iterations=column("newton_iterations", np.int64),
                linear_iterations=column("linear_iterations", np.int64),
                cutbacks=column("cutbacks", np.int64),
                wall_s=column("wall_s", np.float64),
            ),
        )

    def curve(
        self,
        strain_measure: StrainMeasure = StrainMeasure.TRUE,
        stress_measure: StressMeasure = StressMeasure.CAUCHY,
    ) -> StressStrainCurve:
        """Axial stress-strain curve of the history.

        Parameters
        ----------
        strain_measure : StrainMeasure
            Measure of the strain.
        stress_measure : StressMeasure
            Measure of the stress.

        Returns
        -------
        StressStrainCurve
            One point per row.
        """
        return StressStrainCurve(
            *axial_measures(
                self.deformation_gradient,
                self.first_piola_kirchhoff_stress,
                self.axis,
                self.kinematics,
            ),
            strain_measure=strain_measure,
            stress_measure=stress_measure,
            axis=self.axis,
            kinematics=self.kinematics,
        )

    def at_requested(self) -> Self:
        """Keep the rows at the increments asked for, which every number of ranks shares.

        Returns
        -------
        History
            The rows with ``requested``; their counters cover their own last step only.
        """
        kept = self.requested
        effort = self.effort
        if effort is not None:
            effort = Effort(*(getattr(effort, entry.name)[kept] for entry in fields(Effort)))
        return type(self)(
            self.increment[kept],
            self.requested[kept],
            self.time_s[kept],
            self.deformation_gradient[kept],
            self.first_piola_kirchhoff_stress[kept],
            self.axis,
            self.kinematics,
            effort,
        )


def write_curve(path: Path, history: History) -> None:
    """Write ``curve.csv`` whole or not at all.

    Parameters
    ----------
    path : Path
        File to write.
    history : History
        What it shall hold; without effort the four columns of iterations and wall time are left
        out.

    Raises
    ------
    ResourceError
        If the disk is full.
    """
    columns = CURVE_COLUMNS if history.effort is not None else _REQUIRED
    write_text_atomically(path, _text(columns, _lines(history)))


class CurveWriter:
    """Keeps ``curve.csv`` complete and readable while a run goes on.

    Parameters
    ----------
    path : Path
        The file.
    axis : {"x", "y", "z"}
        Axis of the scalar measures.
    kinematics : {"finite", "small"}
        Kinematics of the run.
    keep_rows : int
        Rows of an existing file that stay, the undeformed state included: the number of accepted
        steps that a checkpoint has seen, plus one. 0 starts a new file.

    Raises
    ------
    InputError
        If fewer rows than ``keep_rows`` are there, or the file is not a curve of ngcfem.

    Notes
    -----
    Each row rewrites the whole file beside the old one and renames it. A reader therefore never
    meets half a row, whatever kills the run, and rows behind a checkpoint vanish in the same stroke
    in which the first row after it appears. Lines are kept as text, so that a row costs one write
    of some 500 bytes per earlier row: below a millisecond at 1000 rows, and kept rows stay
    identical to the last digit.
    """

    def __init__(self, path: Path, axis: Axis, kinematics: Kinematics, keep_rows: int = 0) -> None:
        self.path = path
        self.axis: Axis = axis
        self.kinematics: Kinematics = kinematics
        self._rows: list[str] = []
        if keep_rows:
            read_curve(path)
            rows = path.read_text(encoding="utf-8").splitlines()[1:]
            if len(rows) < keep_rows:
                raise InputError(
                    [
                        Finding(
                            file=str(path),
                            key="rows",
                            found=f"{len(rows)} rows",
                            allowed=f"at least the {keep_rows} rows that the checkpoint has seen",
                            remedy="restore the file, or start the run anew in another directory",
                        )
                    ]
                )
            self._rows = rows[:keep_rows]

    @property
    def number_of_rows(self) -> int:
        """Rows written so far, the undeformed state included."""
        return len(self._rows)

    def append(self, step: Increment) -> None:
        """Add the row of an accepted step and bring the file to disk.

        Parameters
        ----------
        step : Increment
            The accepted step.

        Raises
        ------
        ResourceError
            If the disk is full; the file then still holds the rows before.
        """
        history = History.from_increments([step], self.axis, self.kinematics)
        rows = [*self._rows, *_lines(history)]
        write_text_atomically(self.path, _text(CURVE_COLUMNS, rows))
        self._rows = rows


def read_curve(path: Path) -> History:
    """Read a ``curve.csv``.

    Parameters
    ----------
    path : Path
        File written by ngcfem, or by hand with the same columns.

    Returns
    -------
    History
        Its rows. The axis is the one whose F_aa and P_aa the scalar columns repeat; the kinematics
        are small if the true stress is the engineering stress throughout.

    Raises
    ------
    InputError
        If it cannot be read, columns are missing, entries are not numbers, or the scalar columns
        contradict F and P: with all findings at once.
    """
    table = _read_table(path)
    rows = table["increment"].size
    deformation_gradient = np.stack([table[name] for name in _F_COLUMNS], axis=1)
    stress = np.stack([table[name] for name in _P_COLUMNS], axis=1)
    deformation_gradient = deformation_gradient.reshape(rows, 3, 3)
    stress = stress.reshape(rows, 3, 3)
    axis, kinematics = _recognize(path, table, deformation_gradient, stress)
    effort = None
    if all(name in table for name in _EFFORT):
        effort = Effort(
            newton_iterations=table["newton_iterations"].astype(np.int64),
            linear_iterations=table["linear_iterations"].astype(np.int64),
            cutbacks=table["cutbacks"].astype(np.int64),
            wall_s=table["wall_s"],
        )
    return History(
        increment=table["increment"].astype(np.int64),
        requested=table["requested"] != 0.0,
        time_s=table["time_s"],
        deformation_gradient=deformation_gradient,
        first_piola_kirchhoff_stress=stress,
        axis=axis,
        kinematics=kinematics,
        effort=effort,
    )


def _text(columns: Iterable[str], lines: Iterable[str]) -> str:
    return "\n".join([",".join(columns), *lines]) + "\n"


def _lines(history: History) -> list[str]:
    """Rows as text; ``repr`` of a float is the shortest text that reads back to the same number."""
    true_strain, engineering_stress, cauchy_stress = axial_measures(
        history.deformation_gradient,
        history.first_piola_kirchhoff_stress,
        history.axis,
        history.kinematics,
    )
    lines = []
    for n in range(history.increment.size):
        numbers: list[float] = [
            float(history.time_s[n]),
            float(true_strain[n]),
            float(cauchy_stress[n]),
            float(np.expm1(true_strain[n])),
            float(engineering_stress[n]),
            *history.deformation_gradient[n].ravel().tolist(),
            *history.first_piola_kirchhoff_stress[n].ravel().tolist(),
        ]
        entries = [str(int(history.increment[n])), *(repr(number) for number in numbers)]
        if history.effort is not None:
            effort = history.effort
            entries += [
                str(int(effort.newton_iterations[n])),
                str(int(effort.linear_iterations[n])),
                str(int(effort.cutbacks[n])),
                repr(float(effort.wall_s[n])),
            ]
        lines.append(",".join([*entries, "1" if history.requested[n] else "0"]))
    return lines


def _read_table(path: Path) -> dict[str, FloatArray]:
    remedy = "give the path of a curve.csv that ngcfem wrote, or of a run directory"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        allowed = "a CSV file with the columns of curve.csv"
        raise InputError([Finding(str(path), "file", str(reason), allowed, remedy)]) from error
    rows = list(csv.reader(io.StringIO(text)))
    header = [name.strip() for name in rows[0]] if rows else []
    findings = [
        Finding(str(path), f"column {name}", "missing", ",".join(CURVE_COLUMNS), remedy)
        for name in _REQUIRED
        if name not in header
    ]
    if not findings and len(rows) < 2:
        findings.append(Finding(str(path), "rows", "none", "at least the undeformed state", remedy))
    values: list[list[float]] = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            values.append([float(entry) for entry in row])
            if len(row) != len(header):
                raise ValueError
            if not np.all(np.isfinite(values[-1])):
                raise ValueError
        except ValueError:
            found = ",".join(row)[:120]
            allowed = f"{len(header)} finite numbers"
            findings.append(Finding(str(path), f"line {number}", found, allowed, remedy))
    if findings:
        raise InputError(findings)
    table = np.array(values)
    return {name: table[:, column] for column, name in enumerate(header)}


def _recognize(
    path: Path, table: dict[str, FloatArray], deformation_gradient: FloatArray, stress: FloatArray
) -> tuple[Axis, Kinematics]:
    """Find the axis and kinematics that the scalar columns were made with."""
    axes: tuple[Axis, ...] = ("z", "y", "x")
    for axis in axes:
        a = AXIS_INDEX[axis]
        if np.any(deformation_gradient[:, a, a] <= 0.0):
            continue
        for kinematics in ("finite", "small"):
            true_strain, engineering_stress, cauchy_stress = axial_measures(
                deformation_gradient, stress, axis, kinematics
            )
            expected = {
                "true_strain": true_strain,
                "engineering_strain": np.expm1(true_strain),
                "true_stress_gpa": cauchy_stress,
                "engineering_stress_gpa": engineering_stress,
            }
            # 1e-8 leaves room for a file that was rewritten with fewer digits.
            if all(
                np.allclose(table[name], column, rtol=1e-8, atol=1e-9)
                for name, column in expected.items()
            ):
                return axis, kinematics
    raise InputError(
        [
            Finding(
                file=str(path),
                key="true_strain, true_stress_gpa, engineering_strain, engineering_stress_gpa",
                found="values that follow from F and P along none of the axes x, y, z",
                allowed="ln F_aa, (P F^T)_aa / det F (small kinematics: P_aa), F_aa - 1 and P_aa",
                remedy="do not edit the scalar columns; let ngcfem write the file again",
            )
        ]
    )
