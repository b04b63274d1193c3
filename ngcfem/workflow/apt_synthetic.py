"""The verb apt-synthetic: from a case to the data set that an atom probe would have written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.atomprobe.evaporation import EvaporationParameters, mass_ranges
from ngcfem.atomprobe.ion_writing import write_apt, write_epos, write_pos
from ngcfem.atomprobe.parameter_file import parameter_values, read_parameters
from ngcfem.atomprobe.rrng_file import write_rrng
from ngcfem.atomprobe.statistics import write_statistics
from ngcfem.case.schema import Case
from ngcfem.errors import Finding, InputError
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.quantities import FloatArray
from ngcfem.results.atomic import write_json_atomically, write_text_atomically
from ngcfem.results.provenance import collect_provenance
from ngcfem.workflow.deformed_state import Deformation, HomogeneousDeformation
from ngcfem.workflow.specimen_source import case_source, run_source
from ngcfem.workflow.specimen_truth import specimen_truth
from ngcfem.workflow.synthetic_specimen import (
    ELEMENTS,
    SyntheticSpecimen,
    evaporate_cell,
    realized_compositions,
)

FORMATS = ("pos", "epos", "apt")
SPECIMEN_NAME = "specimen"
MOST_ATOMS = 200_000_000
"""Larger specimens would not fit into the memory of a laptop."""

_LARGEST_STRETCH = 10.0


@dataclass(frozen=True)
class SyntheticRequest:
    """What a user asks of a synthetic specimen, as it stands on the command line.

    Parameters
    ----------
    size_nm : tuple of float, optional
        Edges of the box, one for a cube or three; those of the cell if not given.
    efficiency : float, optional
        Detection efficiency, which rules over that of the parameter file.
    parameters : Path, optional
        TOML file of the evaporation.
    formats : tuple of str
        Of pos, epos and apt.
    seed : int
        Seed of the atoms; that of the cell stands in the case.
    crystalline : bool
        Whether the atoms of the crystals sit on a lattice.
    deformation : tuple of float, optional
        Deformation gradient: its diagonal, or nine numbers by rows.
    step : int, optional
        Snapshot of a run whose deformation is taken; the last one if not given.
    """

    size_nm: tuple[float, ...] = ()
    efficiency: float | None = None
    parameters: Path | None = None
    formats: tuple[str, ...] = ("apt",)
    seed: int = 0
    crystalline: bool = False
    deformation: tuple[float, ...] = ()
    step: int | None = None


def apt_synthetic_stage(
    target: Case | Path,
    directory: Path,
    request: SyntheticRequest,
    watch: Callable[[int, int], None] | None = None,
) -> str:
    """Evaporate the cell of a case or a deformed one of a run; write data, ranges and truth.

    Parameters
    ----------
    target : Case or Path
        A valid case of three dimensions with statistics, or the directory of a run of one.
    directory : Path
        Where to write; made if missing.
    request : SyntheticRequest
        Options.
    watch : callable, optional
        Called with the share that is done in percent, and 100.

    Returns
    -------
    str
        What was made, in words.

    Raises
    ------
    InputError
        With everything that is wrong with case and options.
    RefusedError
        If chance gives no cell of the statistics.

    Notes
    -----
    Written are ``specimen.apt`` (or .pos, .epos), ``specimen.rrng``, ``cell.json``, ``truth.json``
    and ``truth_statistics.json``, a statistics file that ``generate`` reads.
    """
    parameters, asked = checked_request(request)
    findings = []
    if directory.exists() and not directory.is_dir():
        allowed, remedy = "a directory, or a name that is free", "choose another name"
        findings.append(Finding(str(directory), "--out", "a file", allowed, remedy))
    if asked is not None and isinstance(target, Path):
        allowed = "it with a case only: the deformation of a run is that of its fields"
        findings.append(_option("--deformation", request.deformation, allowed))
    if request.step is not None and not isinstance(target, Path):
        findings.append(_option("--step", (request.step,), "it with a run directory only"))
    if findings:
        raise InputError(findings)
    source = run_source(target, request.step) if isinstance(target, Path) else case_source(target)
    case, cell, regions = source.case, source.cell, source.regions
    deformation = asked or source.deformation
    size = _size(request, cell, deformation)
    expected = regions.atoms_per_nm3(cell.phase_names[-1]) * float(np.prod(size))
    if expected * parameters.efficiency > MOST_ATOMS:
        found = f"{size} nm: about {expected * parameters.efficiency:.2g} ions"
        allowed = f"up to {MOST_ATOMS:.0e} ions"
        finding = Finding("command line", "--size", found, allowed, "take a smaller box")
        raise InputError([finding])
    specimen = evaporate_cell(
        cell, regions, size, parameters, request.seed, deformation, request.crystalline, watch
    )
    title = f"Truth of a synthetic specimen of {case.name}"
    truth = specimen_truth(cell, regions, size, parameters.efficiency, deformation, title)
    directory.mkdir(parents=True, exist_ok=True)
    files = write_specimen(directory, specimen, parameters, request.formats)
    write_text_atomically(directory / "cell.json", cell.to_json())
    write_statistics(truth.statistics, directory / "truth_statistics.json")
    record: dict[str, Any] = {
        "kind": "synthetic-atom-probe",
        "n_ions": len(specimen),
        "n_atoms_detected": int(specimen.atoms.sum()),
        "size_nm": size,
        "seed": request.seed,
        "step_of_run": source.step,
        "crystalline": request.crystalline,
        "parameters": {
            name: {"value": value, "provenance": "assumed"}
            for name, value in parameter_values(parameters).items()
        },
        "ranged_share_of_a_peak": parameters.ranged_share,
        "realized": realized_compositions(cell, specimen.atoms),
        **truth.entries(),
        "provenance": collect_provenance(
            inputs={"case": case.path}, seeds={"cell": case.seed or 0, "atoms": request.seed}
        ),
    }
    write_json_atomically(directory / "truth.json", record)
    return _in_words(specimen, files, record, directory)


def checked_request(
    request: SyntheticRequest,
) -> tuple[EvaporationParameters, HomogeneousDeformation | None]:
    """Turn the options into parameters and deformation.

    Parameters
    ----------
    request : SyntheticRequest
        Options.

    Returns
    -------
    parameters : EvaporationParameters
        With the efficiency of the options, if there is one.
    deformation : HomogeneousDeformation or None
        None if none is asked for.

    Raises
    ------
    InputError
        With everything that is wrong.
    """
    findings: list[Finding] = []
    parameters = EvaporationParameters()
    try:
        if request.parameters is not None:
            parameters = read_parameters(request.parameters, EvaporationParameters)
    except InputError as error:
        findings += error.findings
    if request.efficiency is not None:
        if 0.01 <= request.efficiency <= 1.0:
            parameters = replace(parameters, efficiency=request.efficiency)
        else:
            findings.append(_option("--efficiency", (request.efficiency,), "from 0.01 to 1"))
    sizes = np.array(request.size_nm, dtype=float)
    if len(sizes) not in (0, 1, 3) or not np.all(np.isfinite(sizes) & (sizes >= 1.0)):
        allowed = "one or three lengths in nm, 1 or more, as 30 or 30,30,60"
        findings.append(_option("--size", request.size_nm, allowed))
    unknown = [name for name in request.formats if name not in FORMATS]
    if unknown or not request.formats:
        findings.append(_option("--format", unknown, f"any of {', '.join(FORMATS)}"))
    if request.seed < 0:
        findings.append(_option("--seed", (request.seed,), "0 or more"))
    deformation = None
    if request.deformation:
        gradient = _gradient(request.deformation)
        if gradient is None:
            allowed = (
                "three stretches, or nine numbers by rows, of a deformation gradient with positive "
                f"determinant and stretches from {1 / _LARGEST_STRETCH:g} to {_LARGEST_STRETCH:g}"
            )
            findings.append(_option("--deformation", request.deformation, allowed))
        else:
            deformation = HomogeneousDeformation(gradient)
    if findings:
        raise InputError(findings)
    return parameters, deformation


def _option(name: str, found: Iterable[object], allowed: str) -> Finding:
    text = ", ".join(map(str, found)) or "nothing"
    return Finding("command line", name, text, allowed, "correct the option")


def _gradient(values: Sequence[float]) -> FloatArray | None:
    array = np.array(values, dtype=float)
    if len(array) not in (3, 9) or not np.all(np.isfinite(array)):
        return None
    gradient = np.diag(array) if len(array) == 3 else array.reshape(3, 3)
    stretches = np.linalg.svd(gradient, compute_uv=False)
    if np.linalg.det(gradient) <= 0.0:
        return None
    if stretches.max() > _LARGEST_STRETCH or stretches.min() < 1.0 / _LARGEST_STRETCH:
        return None
    return gradient


def _size(
    request: SyntheticRequest, cell: PeriodicCell, deformation: Deformation | None
) -> FloatArray:
    """Edges of the box: those asked for, or of the box around the cell."""
    if request.size_nm:
        return np.broadcast_to(np.array(request.size_nm, dtype=float), (3,)).copy()
    edges = np.diag(cell.lattice).copy()
    if deformation is not None:
        edges *= np.abs(np.diag(deformation.gradient))
    return edges


def write_specimen(
    directory: Path,
    specimen: SyntheticSpecimen,
    parameters: EvaporationParameters,
    formats: Sequence[str],
) -> list[Path]:
    """Write the ions and the ranges of a specimen.

    Parameters
    ----------
    directory : Path
        Where to write.
    specimen : SyntheticSpecimen
        The ions.
    parameters : EvaporationParameters
        From which the ranges follow.
    formats : sequence of str
        Of pos, epos and apt.

    Returns
    -------
    list of Path
        The data sets.
    """
    files = [directory / f"{SPECIMEN_NAME}.{name}" for name in formats]
    for path, name in zip(files, formats, strict=True):
        if name == "pos":
            write_pos(path, specimen.chunks(with_columns=False))
        elif name == "epos":
            write_epos(path, specimen.chunks(with_columns=True))
        else:
            write_apt(path, specimen.chunks(with_columns=True), len(specimen))
    elements = [
        name for name, count in zip(ELEMENTS, specimen.atoms.sum(axis=0), strict=True) if count
    ]
    write_rrng(directory / f"{SPECIMEN_NAME}.rrng", mass_ranges(elements, parameters))
    return files


def _in_words(
    specimen: SyntheticSpecimen, files: Sequence[Path], record: dict[str, Any], directory: Path
) -> str:
    size = " x ".join(f"{edge:.1f}" for edge in specimen.size_nm)
    crystals = record["crystals"]
    whole = sum(crystal["whole"] for crystal in crystals)
    inside = sum(crystal["centre_inside"] for crystal in crystals)
    lines = [
        f"{len(specimen)} ions in {size} nm",
        f"crystals: {inside} with their centre inside, {whole} whole, {len(crystals)} in all; "
        f"grains: {len(record['grains'])} with their centre inside",
    ]
    lines += [
        f"  {name:12}{entry['atoms']:10d} atoms  "
        + "  ".join(f"{element} {share:.2f}" for element, share in entry["at_percent"].items())
        + " at%"
        for name, entry in record["realized"].items()
    ]
    names = ", ".join(path.name for path in files)
    lines.append(f"written to {directory}: {names}, {SPECIMEN_NAME}.rrng, truth.json")
    return "\n".join(lines)
