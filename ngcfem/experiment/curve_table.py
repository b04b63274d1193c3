"""Digitized curves: CSV tables of force, engineering or true values, with their signs checked."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ngcfem.errors import Finding, InputError
from ngcfem.quantities import FloatArray
from ngcfem.results.measures import StrainMeasure, StressMeasure

Measure = Literal["force-displacement", "engineering", "true"]

# 1 nN on 1 nm^2 is 1 GPa.
_FORCE_UNITS = {"force_nN": 1.0, "force_uN": 1e3, "force_mN": 1e6}
_DISPLACEMENT_UNITS = {"displacement_nm": 1.0, "displacement_um": 1e3}
_STRAIN_COLUMN = {"engineering": "engineering_strain", "true": "true_strain"}
_STRESS_COLUMN = {"engineering": "engineering_stress_gpa", "true": "true_stress_gpa"}
_LARGEST_TRUE_STRAIN = 3.0


@dataclass(frozen=True, eq=False)
class MeasuredTable:
    """A measured curve, tension positive.

    Parameters
    ----------
    path : Path
        File it was read from.
    strain : ndarray, shape (n,)
        Axial strain.
    stress_gpa : ndarray, shape (n,)
        Axial stress in GPa.
    strain_measure : StrainMeasure
        Measure of the strain.
    stress_measure : StressMeasure
        Measure of the stress.
    """

    path: Path
    strain: FloatArray
    stress_gpa: FloatArray
    strain_measure: StrainMeasure
    stress_measure: StressMeasure


def read_measured_table(
    path: Path,
    measure: Measure,
    compressive: bool,
    tension_positive: bool,
    diameter_nm: float | None = None,
    height_nm: float | None = None,
) -> MeasuredTable:
    """Read a digitized curve and check that it is what it is declared to be.

    Parameters
    ----------
    path : Path
        CSV file whose first line names the columns: ``displacement_nm`` (or ``_um``) and
        ``force_mN`` (or ``_uN``, ``_nN``); ``engineering_strain`` and ``engineering_stress_gpa``;
        or ``true_strain`` and ``true_stress_gpa``. Both of the last pairs may be there: they are
        then held against each other. Lines that start with # are comments.
    measure : {"force-displacement", "engineering", "true"}
        Columns to take.
    compressive : bool
        Whether the test is a compression.
    tension_positive : bool
        Whether tension is positive in the file.
    diameter_nm, height_nm : float or None
        Initial geometry, for force-displacement.

    Returns
    -------
    MeasuredTable
        The curve in the measures of its columns, tension positive.

    Raises
    ------
    InputError
        With all findings: missing columns, entries that are no numbers, too few rows, signs that
        contradict the declared ones, strains in percent, or true stresses converted with the wrong
        sign.

    Notes
    -----
    Engineering stress = force / (pi d^2 / 4), engineering strain = displacement / height. The
    measured displacement is taken as it is: the give of the base, the punch and the machine is not
    subtracted.
    """
    columns = _read_columns(path)
    wanted = _wanted_columns(path, measure, columns)
    strain, stress = columns[wanted[0]], columns[wanted[1]]
    if measure == "force-displacement":
        area_nm2 = np.pi * float(diameter_nm or np.nan) ** 2 / 4.0
        strain = strain * _DISPLACEMENT_UNITS[wanted[0]] / float(height_nm or np.nan)
        stress = stress * _FORCE_UNITS[wanted[1]] / area_nm2
    engineering = measure != "true"
    findings = _sign_findings(path, strain, stress, wanted, compressive, tension_positive)
    findings += _size_findings(path, strain, wanted[0], engineering, compressive)
    if measure != "force-displacement":
        findings += _conversion_findings(path, columns, compressive)
    if findings:
        raise InputError(findings)
    sign = 1.0 if tension_positive else -1.0
    return MeasuredTable(
        path=path,
        strain=sign * strain,
        stress_gpa=sign * stress,
        strain_measure=StrainMeasure.ENGINEERING if engineering else StrainMeasure.TRUE,
        stress_measure=StressMeasure.ENGINEERING
        if engineering
        else StressMeasure.VOLUME_CONSERVING_TRUE,
    )


def _read_columns(path: Path) -> dict[str, FloatArray]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else "not a text file"
        remedy = "check the path; it is relative to the pillar file"
        raise InputError(
            [Finding(str(path), "file", str(found), "a CSV file with one header line", remedy)]
        ) from error
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    rows = list(csv.reader(io.StringIO("\n".join(line for _, line in lines))))
    header = [name.strip() for name in rows[0]] if rows else []
    findings: list[Finding] = []
    values: list[list[float]] = []
    for (number, line), row in zip(lines[1:], rows[1:], strict=True):
        try:
            numbers = [float(entry) for entry in row]
        except ValueError:
            numbers = []
        if len(numbers) != len(header) or not np.all(np.isfinite(numbers)):
            allowed = f"{len(header)} finite numbers, separated by commas"
            remedy = "use a decimal point and one comma between columns"
            findings.append(Finding(str(path), f"line {number}", line[:80], allowed, remedy))
            continue
        values.append(numbers)
    if len(values) < 3 and not findings:
        remedy = "digitize more points"
        findings.append(Finding(str(path), "rows", str(len(values)), "3 or more", remedy))
    if findings:
        raise InputError(findings)
    table = np.array(values)
    return {name: table[:, column] for column, name in enumerate(header)}


def _wanted_columns(
    path: Path, measure: Measure, columns: dict[str, FloatArray]
) -> tuple[str, str]:
    choices = (
        (tuple(_DISPLACEMENT_UNITS), tuple(_FORCE_UNITS))
        if measure == "force-displacement"
        else ((_STRAIN_COLUMN[measure],), (_STRESS_COLUMN[measure],))
    )
    findings: list[Finding] = []
    wanted: list[str] = []
    for names in choices:
        present = [name for name in names if name in columns]
        if len(present) == 1:
            wanted.append(present[0])
            continue
        findings.append(
            Finding(
                file=str(path),
                key="header",
                found=", ".join(columns) or "nothing",
                allowed=f"one column named {' or '.join(names)} for a {measure} curve",
                remedy="name the columns in the first line, or declare another measure",
            )
        )
    if findings:
        raise InputError(findings)
    return wanted[0], wanted[1]


def _sign_findings(
    path: Path,
    strain: FloatArray,
    stress: FloatArray,
    names: tuple[str, str],
    compressive: bool,
    tension_positive: bool,
) -> list[Finding]:
    """Hold the sign of both columns, where they are largest, against the declared one."""
    expected = -1.0 if compressive and tension_positive else 1.0
    if not compressive and not tension_positive:
        expected = -1.0
    findings = []
    for name, values in zip(names, (strain, stress), strict=True):
        largest = float(values[np.argmax(np.abs(values))])
        if largest * expected > 0.0:
            continue
        loading = "compression" if compressive else "tension"
        positive = "tension" if tension_positive else "compression"
        findings.append(
            Finding(
                file=str(path),
                key=f"column {name}",
                found=f"{largest:g} where its magnitude is largest",
                allowed=f"{'positive' if expected > 0 else 'negative'} values: the test is a "
                f'{loading} and positive = "{positive}"',
                remedy="correct `positive` in [curve], or the sign of the column",
            )
        )
    return findings


def _size_findings(
    path: Path, strain: FloatArray, name: str, engineering: bool, compressive: bool
) -> list[Finding]:
    largest = float(np.max(np.abs(strain)))
    limit = 1.0 if engineering and compressive else _LARGEST_TRUE_STRAIN
    if largest < limit:
        return []
    if largest > 5.0:
        remedy = "strains are plain numbers, not percent: divide by 100"
    elif engineering:
        remedy = "an engineering compression stays below 1: is it a true strain, or the height off?"
    else:
        remedy = "check the column"
    return [
        Finding(
            file=str(path),
            key=f"column {name}",
            found=f"a strain of {largest:g}",
            allowed=f"magnitudes below {limit:g}",
            remedy=remedy,
        )
    ]


def _conversion_findings(
    path: Path, columns: dict[str, FloatArray], compressive: bool
) -> list[Finding]:
    """Hold true against engineering stresses where a file has both."""
    engineering, true = columns.get("engineering_stress_gpa"), columns.get("true_stress_gpa")
    if engineering is None or true is None:
        return []
    if "true_strain" in columns:
        strain = np.abs(columns["true_strain"])
    elif "engineering_strain" in columns:
        length_change = np.abs(columns["engineering_strain"])
        strain = np.abs(np.log1p(-length_change if compressive else length_change))
    else:
        return []
    sign = -1.0 if compressive else 1.0
    strained = (strain > 0.02) & (np.abs(engineering) > 0.0)
    if not np.any(strained):
        return []
    exponent = np.log(np.abs(true[strained] / engineering[strained])) / strain[strained]
    found = float(np.median(exponent))
    # Digitization moves each stress by some percent; half a unit of the exponent is far outside.
    if abs(found - sign) < 0.5:
        return []
    right = "engineering stress x e^-|strain|" if compressive else "engineering stress x e^|strain|"
    if abs(found + sign) < 0.5:
        what = f"true stress = engineering stress x e^{'+' if compressive else '-'}|strain|"
        remedy = "the conversion has the wrong sign: correct it, or leave the true column out"
    else:
        what = f"true stress = engineering stress x e^({found:.2g} |strain|)"
        remedy = "check what the columns hold, or leave one pair out"
    return [Finding(str(path), "column true_stress_gpa", what, right, remedy)]
