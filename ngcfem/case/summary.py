"""A case in a few lines, so that a wrong sign or a forgotten section catches the eye."""

import math
from collections.abc import Iterator

from ngcfem.case.checks import STATISTICAL_KINDS
from ngcfem.case.load_checks import true_strains
from ngcfem.case.schema import Case
from ngcfem.case.sections import CompositeSection, MixedLoad, VoxelsSection
from ngcfem.constitutive.nonlocal_parameters import CHARACTERISTIC_LENGTH
from ngcfem.constitutive.parameters import mesh_dependent, softens
from ngcfem.results.run import default_run_directory

SMALL_STRAIN_LIMIT = 0.05


def summary_of(case: Case) -> str:
    """Describe a case.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    str
        What is computed, line by line, and remarks on what is allowed but unusual.
    """
    return "\n".join([*_lines(case), *(f"note: {remark}" for remark in remarks_on(case))])


def _lines(case: Case) -> Iterator[str]:
    micro = case.microstructure
    grains = f" of {micro.n_grains} grains" if isinstance(micro, CompositeSection) else ""
    seed = f", seed {case.seed}" if micro.kind in STATISTICAL_KINDS else ""
    source = f"mesh {case.mesh.file}" if case.mesh.file else ""
    if case.mesh.size_nm is not None:
        source = f"elements of {case.mesh.size_nm:g} nm"
    if isinstance(micro, VoxelsSection):
        source = f"{micro.file}, {micro.surface}" + (f", {source}" if source else "")
    yield f"  {case.title}"
    yield f"  cell: {micro.kind}{grains}{seed}; {source}"
    yield "  phases: " + ", ".join(f"{phase.name} ({phase.law_name})" for phase in case.phases)
    boundary = case.load.boundary
    if boundary == "platens":
        boundary = f"{case.load.platens or 'smooth'} platens"
    yield f"  load: {_load(case)}; {boundary}, {case.load.kinematics} strain"
    yield f"  run directory: {default_run_directory(case.path, case.case_hash)}"


def _load(case: Case) -> str:
    load = case.load
    if isinstance(load, MixedLoad):
        increments = sum(segment.increments for segment in load.segment)
        return f"mixed, {len(load.segment)} segment(s), {increments} increments"
    strains = true_strains(load)
    counts = (
        load.increments if isinstance(load.increments, tuple) else (load.increments,) * len(strains)
    )
    way = "compression" if strains[-1] < 0.0 else "tension"
    path = " -> ".join(f"{strain:g}" for strain in strains)
    return f"uniaxial {way} along {load.axis} to true strain {path} in {sum(counts)} increments"


def remarks_on(case: Case) -> list[str]:
    """List what is allowed but deserves a look.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    list of str
        Remarks; empty for most cases.
    """
    remarks = []
    softening = [p.name for p in case.phases if mesh_dependent(p.law, p.parameters)]
    if softening and case.solver.mesh_dependent:
        remarks.append(
            f"softening without an internal length ({', '.join(softening)}): the results depend "
            "on the mesh"
        )
    remarks += list(_coarse_for_length(case))
    if case.load.kinematics == "small" and _largest_strain(case) > SMALL_STRAIN_LIMIT * (
        1.0 + 1e-9
    ):
        remarks.append(
            f'small kinematics beyond {SMALL_STRAIN_LIMIT:g} strain: consider kinematics = "finite"'
        )
    return remarks


def _coarse_for_length(case: Case) -> Iterator[str]:
    """Phases whose internal length the elements asked for are too large for."""
    size = case.mesh.size_nm
    if size is None:
        return
    lengths: dict[float, list[str]] = {}
    for phase in case.phases:
        length = float(phase.parameters.get(CHARACTERISTIC_LENGTH, 0.0))
        if length > 0.0 and size > 0.5 * length and softens(phase.law, phase.parameters):
            lengths.setdefault(length, []).append(phase.name)
    for length, names in lengths.items():
        yield (
            f"elements of {size:g} nm are larger than half the internal length of {length:g} nm "
            f"({', '.join(names)}): see what `ngcfem run --objectivity` says of it"
        )


def _largest_strain(case: Case) -> float:
    load = case.load
    if not isinstance(load, MixedLoad):
        strains = true_strains(load)
        return max(abs(math.expm1(strain)) for strain in strains)
    return max(
        abs(entry - (1.0 if i == j else 0.0))
        for segment in load.segment
        for i, row in enumerate(segment.deformation_gradient)
        for j, entry in enumerate(row)
        if entry != "free"
    )
