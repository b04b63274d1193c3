"""Ranging of the verb apt: from a data set and its ranges to composition and mass spectrum."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.atomprobe.ion_reading import IonFile, open_ions
from ngcfem.atomprobe.range_diagnostics import suspicious_ranges
from ngcfem.atomprobe.range_model import RangeFile
from ngcfem.atomprobe.range_reading import read_ranges
from ngcfem.atomprobe.ranging import Composition, RangeTable, composition_of
from ngcfem.atomprobe.spectrum import (
    Background,
    RangedSpectrum,
    estimate_background,
    range_spectrum,
)
from ngcfem.errors import Finding, InputError
from ngcfem.quantities import FloatArray
from ngcfem.results.atomic import (
    write_bytes_atomically,
    write_json_atomically,
    write_text_atomically,
)
from ngcfem.results.provenance import collect_provenance

Watch = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class RangedDataSet:
    """A data set that was read and ranged.

    Parameters
    ----------
    ions : IonFile
        The data.
    ranged : RangedSpectrum
        Counts of the ranges, and the spectrum.
    background : Background
        Ions that arrive at all times.
    composition : Composition
        By element.
    warnings : tuple of Finding
        All that was odd.
    summary : dict
        All of it as plain values, with hashes and versions.
    text : str
        The same in words.
    """

    ions: IonFile
    ranged: RangedSpectrum
    background: Background
    composition: Composition
    warnings: tuple[Finding, ...]
    summary: dict[str, Any]
    text: str


def apt_stage(
    data: Path,
    ranges: Path,
    directory: Path,
    subtract_background: bool = False,
    watch: Watch | None = None,
) -> RangedDataSet:
    """Read and range an atom probe data set, and write what it is made of.

    Parameters
    ----------
    data : Path
        Data set: .pos, .epos, .apt, .ato or .csv.
    ranges : Path
        Ranges: .rrng, .rng or .env.
    directory : Path
        Where to write composition.csv, ions.csv, ranges.csv, mass_spectrum.png, warnings.txt and
        summary.json; made if missing.
    subtract_background : bool
        Whether the background is taken off the composition.
    watch : callable or None
        Called with the number of ions read and of all ions, the latter 0 where it is not known.

    Returns
    -------
    RangedDataSet
        What was found.

    Raises
    ------
    InputError
        With every finding of either file.

    Notes
    -----
    The errors are standard deviations from counting alone. With the background taken off, the
    variance of a corrected count is that of the count plus that of the level.
    """
    from ngcfem.report.mass_spectrum_figure import draw_mass_spectrum

    range_file, ions = _open_both(data, ranges, directory)
    table = RangeTable.of(range_file.ranges)
    ranged = range_spectrum(ions, table, watch)
    background = estimate_background(ranged)
    expected = background.expected(table.low_da, table.high_da)
    raw = ranged.counts.astype(np.float64)
    error = background.level_error * (np.sqrt(table.high_da) - np.sqrt(table.low_da))
    counts, variance = (raw - expected, raw + error**2) if subtract_background else (raw, raw)
    composition = composition_of(table, counts, variance)
    warnings = (
        *ions.warnings,
        *range_file.warnings,
        *suspicious_ranges(ranges, ranged, background),
    )
    directory.mkdir(parents=True, exist_ok=True)
    write_text_atomically(directory / "composition.csv", _composition_table(composition))
    write_text_atomically(directory / "ions.csv", _ion_table(ranged, counts, variance))
    write_text_atomically(
        directory / "ranges.csv", _range_table(ranged, expected, counts, variance)
    )
    write_bytes_atomically(directory / "mass_spectrum.png", draw_mass_spectrum(ranged, background))
    write_text_atomically(directory / "warnings.txt", _warning_text(warnings))
    summary = _summary(ranged, background, composition, warnings, subtract_background)
    summary["provenance"] = collect_provenance(inputs={"ranges": ranges})
    # The data may be of many GB: their hash was taken while they were read.
    summary["provenance"]["inputs"]["data"] = {
        "file": data.name,
        "sha256": ranged.metadata.sha256,
        "bytes": data.stat().st_size,
    }
    write_json_atomically(directory / "summary.json", summary)
    text = _in_words(ranged, background, composition, warnings, subtract_background)
    return RangedDataSet(ions, ranged, background, composition, warnings, summary, text)


def _open_both(data: Path, ranges: Path, directory: Path) -> tuple[RangeFile, IonFile]:
    """Open data and ranges; what is wrong with either is said at once."""
    findings: list[Finding] = []
    range_file: RangeFile | None = None
    ions: IonFile | None = None
    try:
        range_file = read_ranges(ranges)
    except InputError as error:
        findings += error.findings
    try:
        ions = open_ions(data)
    except InputError as error:
        findings += error.findings
    if directory.exists() and not directory.is_dir():
        allowed, remedy = "a directory, or a name that is free", "choose another name"
        findings.append(Finding(str(directory), "--out", "a file", allowed, remedy))
    if findings or range_file is None or ions is None:
        raise InputError(findings)
    return range_file, ions


def _table_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def _composition_table(composition: Composition) -> str:
    header = (
        "element",
        "atoms",
        "atoms_standard_error",
        "atomic_percent",
        "atomic_percent_standard_error",
    )
    return _table_text(header, (_composition_row(composition, at) for at in _order(composition)))


def _order(composition: Composition) -> list[int]:
    return np.argsort(-composition.atoms, kind="stable").tolist()


def _composition_row(composition: Composition, at: int) -> tuple[str, str, str, str, str]:
    return (
        composition.elements[at],
        f"{composition.atoms[at]:.8g}",
        f"{composition.atoms_error[at]:.4g}",
        f"{100.0 * composition.fraction[at]:.6g}",
        f"{100.0 * composition.fraction_error[at]:.3g}",
    )


def _ion_table(ranged: RangedSpectrum, counts: FloatArray, variance: FloatArray) -> str:
    groups: dict[tuple[str, int | None], list[int]] = {}
    for at, entry in enumerate(ranged.table.ranges):
        groups.setdefault((entry.ion.name, entry.charge), []).append(at)
    rows = [
        (
            name,
            "" if charge is None else charge,
            len(places),
            f"{counts[places].sum():.8g}",
            f"{np.sqrt(variance[places].sum()):.4g}",
        )
        for (name, charge), places in groups.items()
    ]
    return _table_text(("ion", "charge", "ranges", "ions", "ions_standard_error"), rows)


def _range_table(
    ranged: RangedSpectrum, expected: FloatArray, counts: FloatArray, variance: FloatArray
) -> str:
    header = (
        "low_da",
        "high_da",
        "ion",
        "charge",
        "ions_counted",
        "background_expected",
        "ions_taken",
        "ions_taken_standard_error",
    )
    rows = [
        (
            f"{entry.low_da:.4f}",
            f"{entry.high_da:.4f}",
            entry.ion.name,
            "" if entry.charge is None else entry.charge,
            int(ranged.counts[at]),
            f"{expected[at]:.4g}",
            f"{counts[at]:.8g}",
            f"{np.sqrt(variance[at]):.4g}",
        )
        for at, entry in enumerate(ranged.table.ranges)
    ]
    return _table_text(header, rows)


def _warning_text(warnings: Sequence[Finding]) -> str:
    if not warnings:
        return "no warnings\n"
    return "\n".join(str(warning) for warning in warnings) + "\n"


def _summary(
    ranged: RangedSpectrum,
    background: Background,
    composition: Composition,
    warnings: Sequence[Finding],
    subtracted: bool,
) -> dict[str, Any]:
    metadata = ranged.metadata
    return {
        "kind": "atom-probe-ranging",
        "data": {
            "file": metadata.path.name,
            "format": metadata.file_format,
            "sha256": metadata.sha256,
            "n_ions": metadata.n_ions,
            "columns": list(metadata.columns),
            "lowest_nm": list(metadata.lowest_nm),
            "highest_nm": list(metadata.highest_nm),
            "lowest_mass_to_charge_da": metadata.lowest_mass_to_charge_da,
            "highest_mass_to_charge_da": metadata.highest_mass_to_charge_da,
        },
        "n_ranges": len(ranged.table.ranges),
        "ranged_fraction": ranged.ranged_fraction,
        "background": {
            "model": "constant in time of flight: level / (2 sqrt(m)) ions per Da",
            "level_per_sqrt_da": background.level,
            "level_standard_error": background.level_error,
            "low_da": background.low_da,
            "high_da": background.high_da,
            "subtracted": subtracted,
        },
        "composition": {
            name: {
                "atoms": float(composition.atoms[at]),
                "atoms_standard_error": float(composition.atoms_error[at]),
                "atomic_percent": _number(100.0 * composition.fraction[at]),
                "atomic_percent_standard_error": _number(100.0 * composition.fraction_error[at]),
            }
            for at, name in enumerate(composition.elements)
        },
        "warnings": [
            {"where": entry.key, "found": entry.found, "allowed": entry.allowed}
            for entry in warnings
        ],
    }


def _number(value: float) -> float | None:
    """A number for JSON, which knows none that is not finite."""
    return float(value) if np.isfinite(value) else None


def _in_words(
    ranged: RangedSpectrum,
    background: Background,
    composition: Composition,
    warnings: Sequence[Finding],
    subtracted: bool,
) -> str:
    metadata = ranged.metadata
    size = " x ".join(
        f"{high - low:.1f}"
        for low, high in zip(metadata.lowest_nm, metadata.highest_nm, strict=True)
    )
    lines = [
        f"{metadata.path.name}: {metadata.n_ions} ions in {size} nm, "
        f"{100.0 * ranged.ranged_fraction:.2f} % in {len(ranged.table.ranges)} ranges",
        f"background: {background.level:.4g} +- {background.level_error:.2g} ions per sqrt(Da)"
        + (", taken off" if subtracted else ", not taken off"),
        "",
        f"{'element':10}{'atoms':>14}{'at.%':>12}{'+-':>10}",
    ]
    lines += [
        f"{composition.elements[at]:10}{composition.atoms[at]:14.0f}"
        f"{100.0 * composition.fraction[at]:12.4f}"
        f"{100.0 * composition.fraction_error[at]:10.4f}"
        for at in _order(composition)
    ]
    lines.append("(+- one standard deviation of counting)")
    if warnings:
        lines += ["", f"{len(warnings)} warnings, in full in warnings.txt:"]
        lines += [f"  {warning.key}: {warning.found}" for warning in warnings]
    return "\n".join(lines)
