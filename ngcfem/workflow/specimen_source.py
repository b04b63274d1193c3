"""What a synthetic specimen is cut from: the cell of a case, or of a run and its deformation."""

from dataclasses import dataclass
from pathlib import Path

from ngcfem.case.build import build_cell, build_statistics
from ngcfem.case.schema import Case, load_case
from ngcfem.errors import Finding, InputError
from ngcfem.microstructure.cell import PeriodicCell, cell_from_json
from ngcfem.results.field_reading import snapshot_steps
from ngcfem.results.run import RunDirectory
from ngcfem.workflow.deformed_state import Deformation, run_deformation
from ngcfem.workflow.synthetic_specimen import ELEMENTS, RegionAtoms


@dataclass(frozen=True, eq=False)
class SpecimenSource:
    """Endless material of which a specimen is a part.

    Parameters
    ----------
    case : Case
        The case.
    cell : PeriodicCell
        Its cell.
    regions : RegionAtoms
        What the regions are made of.
    deformation : Deformation or None
        Deformation at a snapshot of a run; None for the cell of a case.
    step : int or None
        Number of that snapshot.
    """

    case: Case
    cell: PeriodicCell
    regions: RegionAtoms
    deformation: Deformation | None = None
    step: int | None = None


def case_source(case: Case) -> SpecimenSource:
    """Make the cell of a case.

    Parameters
    ----------
    case : Case
        A valid case of three dimensions with statistics.

    Returns
    -------
    SpecimenSource
        The material, undeformed.

    Raises
    ------
    InputError
        If there is no atom probe data of such a case.
    RefusedError
        If chance gives no cell of the statistics.
    """
    findings = _case_findings(case)
    if findings:
        raise InputError(findings)
    cell = build_cell(case)
    assert cell is not None
    return SpecimenSource(case, cell, _regions(case, cell))


def run_source(directory: Path, step: int | None) -> SpecimenSource:
    """Take cell and deformation from a run.

    Parameters
    ----------
    directory : Path
        Run directory.
    step : int or None
        Number of a snapshot of its fields; the last one if not given.

    Returns
    -------
    SpecimenSource
        The material, deformed.

    Raises
    ------
    InputError
        If there is no atom probe data of such a case, or the run has no such snapshot.
    """
    run = RunDirectory.open(directory)
    case = load_case(run.resolved_case_file)
    findings = _case_findings(case)
    steps = snapshot_steps(run.fields_directory) if run.fields_directory.is_dir() else []
    wanted = steps[-1] if step is None and steps else step
    if wanted not in steps:
        found = "nothing" if step is None else str(step)
        allowed = f"a snapshot of the run: {', '.join(map(str, steps)) or 'it has none'}"
        remedy = "choose another one; fields_every of [output] says which are written"
        findings.append(Finding(str(directory), "--step", found, allowed, remedy))
    if not run.cell_file.is_file():
        allowed, remedy = "the cell of the run", "give a directory that `ngcfem run` made"
        findings.append(Finding(str(run.cell_file), "file", "nothing", allowed, remedy))
    if findings:
        raise InputError(findings)
    assert wanted is not None
    cell = cell_from_json(run.cell_file.read_text(encoding="utf-8"))
    lattice = cell.lattice @ cell.rotation.T
    deformation = run_deformation(run.fields_directory, wanted, lattice)
    return SpecimenSource(case, cell, _regions(case, cell), deformation, wanted)


def _case_findings(case: Case) -> list[Finding]:
    kind = case.microstructure.kind
    remedy = "take a case such as cases/fe90sc10_set_a.toml"
    findings = []
    if case.composite is None:
        allowed = "a kind that is made from statistics: they hold the compositions of the regions"
        findings.append(
            Finding(str(case.path), "microstructure.kind", f'"{kind}"', allowed, remedy)
        )
    elif case.microstructure.dimension == 2:
        allowed = "dimension = 3: an atom probe sees a volume"
        findings.append(Finding(str(case.path), "microstructure.dimension", "2", allowed, remedy))
    return findings


def _regions(case: Case, cell: PeriodicCell) -> RegionAtoms:
    """Compositions of the regions; refuses statistics that lack one of the cell."""
    statistics = build_statistics(case)
    assert statistics is not None
    regions = RegionAtoms(statistics.compositions_at_percent, statistics.atomic_volumes_nm3)
    origin = str(case.statistics_path or case.path)
    findings = []
    for name in cell.phase_names:
        composition = regions.compositions_at_percent.get(name)
        if composition is None:
            allowed = "a composition: the cell has this region"
            key = f"composition.{name}"
            findings.append(Finding(origin, key, "nothing", allowed, "add it"))
            continue
        odd = [element for element in composition if element not in ELEMENTS]
        findings += [
            Finding(origin, f"composition.{name}", element, ", ".join(ELEMENTS), "leave it out")
            for element in odd
        ]
    if findings:
        raise InputError(findings)
    return regions
