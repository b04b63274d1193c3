"""Checks of a case file that concern more than one key.

Every check is a generator of findings over the parts of the file that have the right shape, so that
one run reports everything that is wrong.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ngcfem.atomprobe.statistics import StatisticsFile
from ngcfem.case.composite import phases_of_composite
from ngcfem.case.feasibility_checks import check_feasibility
from ngcfem.case.files import locate, missing_file
from ngcfem.case.findings import shown
from ngcfem.case.imperfection_checks import check_imperfection
from ngcfem.case.load_checks import check_load, check_load_of_cell, true_strains
from ngcfem.case.materials import CasePhase
from ngcfem.case.mesh_header import physical_body_names
from ngcfem.case.petsc_options import check_petsc_options
from ngcfem.case.plane_checks import check_dimension
from ngcfem.case.sections import (
    CompareSection,
    CompositeSection,
    GlassSection,
    HomogeneousSection,
    ImperfectionSection,
    LaminateSection,
    Load,
    MeshSection,
    Microstructure,
    PhaseSection,
    SolverSection,
    SphereSection,
    StatisticsSection,
    UniaxialStressLoad,
    UserMeshSection,
    VoxelsSection,
)
from ngcfem.case.voxel_checks import check_voxels
from ngcfem.constitutive.free_volume_parameters import ACTIVATED_FLOW
from ngcfem.constitutive.nonlocal_parameters import CHARACTERISTIC_LENGTH, DIFFUSION_COEFFICIENT
from ngcfem.constitutive.parameters import mesh_dependent
from ngcfem.errors import Finding, InputError
from ngcfem.experiment.pillar_file import read_pillar_data
from ngcfem.microstructure.cell import INCLUSION, MATRIX
from ngcfem.microstructure.simple_cells import MINIMUM_SPHERE_GAP

STATISTICAL_KINDS: tuple[str, ...] = ("nanocomposite", "nanoglass", "glass")


@dataclass(frozen=True)
class CaseParts:
    """The parts of a case file that have the right shape; None where a part is missing or wrong.

    Parameters
    ----------
    file : str
        Name of the case file, for the messages.
    directory : Path
        Directory of the case file.
    seed : int or None
        Seed of the microstructure.
    phase_names : tuple of str or None
        Name of every phase in the order of the file; None where there is none.
    given : mapping of str to tuple of str
        Keys that stand in each section.
    phases : tuple of PhaseSection or None
        Phases in the order of the file.
    materials : tuple of CasePhase or None
        The same with sound parameters.
    composite : StatisticsFile or None
        Content of the statistics.
    statistics, microstructure, mesh, imperfection, load, solver, compare : section or None
        The sections.
    """

    file: str
    directory: Path
    seed: int | None
    phase_names: tuple[str | None, ...]
    given: Mapping[str, tuple[str, ...]]
    phases: tuple[PhaseSection | None, ...]
    materials: tuple[CasePhase | None, ...]
    composite: StatisticsFile | None
    statistics: StatisticsSection | None
    microstructure: Microstructure | None
    mesh: MeshSection | None
    imperfection: ImperfectionSection | None
    load: Load | None
    solver: SolverSection | None
    compare: CompareSection | None


def check_case(parts: CaseParts, softening: bool = True) -> Iterator[Finding]:
    """Check everything that concerns more than one key.

    Parameters
    ----------
    parts : CaseParts
        What has the right shape.
    softening : bool
        Whether softening must be acknowledged; a material point needs no word on the mesh.

    Yields
    ------
    Finding
        Each thing that is wrong.
    """
    yield from _check_microstructure(parts)
    yield from _check_statistics(parts)
    yield from _check_mesh(parts)
    yield from _check_phases(parts)
    if parts.imperfection is not None:
        yield from check_imperfection(
            parts.imperfection, parts.file, parts.microstructure, parts.materials, parts.seed
        )
    if parts.load is not None:
        yield from check_load(parts.load, parts.file)
        given = parts.given.get("load", ())
        yield from check_load_of_cell(parts.load, parts.file, parts.microstructure, given)
    if softening:
        yield from _check_softening(parts)
    yield from _check_orientations(parts)
    if parts.solver is not None:
        yield from check_petsc_options(parts.solver.petsc, parts.file)
    yield from _check_compare(parts)


def _check_compare(parts: CaseParts) -> Iterator[Finding]:
    if parts.compare is None:
        return
    missing = missing_file(
        parts.directory, parts.compare.data, "pillar data (TOML)", parts.file, "compare.data"
    )
    if missing:
        yield from missing
        return
    try:
        data = read_pillar_data(locate(parts.directory, parts.compare.data))
    except InputError as error:
        yield from error.findings
        return
    if isinstance(parts.load, UniaxialStressLoad):
        strain = true_strains(parts.load)[-1]
        if strain * data.direction < 0.0:
            measured = "compression" if data.direction < 0 else "tension"
            yield Finding(
                parts.file,
                "load.true_strain",
                shown(strain),
                f"the sign of {measured}, which the pillar data is of (compression is negative)",
                f"write {-strain:g}, or leave out [compare]",
            )


def _check_microstructure(parts: CaseParts) -> Iterator[Finding]:
    micro = parts.microstructure
    if micro is None:
        return
    seeded = parts.seed is not None or "seed" in parts.given[""]
    if micro.kind in STATISTICAL_KINDS and not seeded:
        yield Finding(
            parts.file,
            "seed",
            "nothing: the key is missing",
            f"a whole number for the random {micro.kind}",
            "add seed = 1 at the top of the file; the same seed gives the same cell",
        )
    if isinstance(micro, GlassSection) and micro.n_realizations > 1:
        yield Finding(
            parts.file,
            "microstructure.n_realizations",
            shown(micro.n_realizations),
            "1 for the kind glass: nothing in its cell is left to chance",
            "delete the line",
        )
    yield from check_dimension(micro, parts.mesh, parts.file, parts.given.get("microstructure", ()))
    if isinstance(micro, CompositeSection):
        yield from check_feasibility(
            micro, parts.statistics, parts.composite, parts.directory, parts.file
        )
    if isinstance(micro, SphereSection) and micro.dimension == 3:
        yield from _check_sphere(parts, micro)
    if isinstance(micro, LaminateSection):
        total = math.fsum(layer.fraction for layer in micro.layers)
        if abs(total - 1.0) > 1e-9:
            yield Finding(
                parts.file,
                "microstructure.layers",
                f"fractions that add up to {total:.10g}",
                "fractions that add up to 1",
                "correct the fractions of the layers",
            )


def _check_sphere(parts: CaseParts, micro: SphereSection) -> Iterator[Finding]:
    if isinstance(micro.cell_nm, tuple) and len(micro.cell_nm) != 3:
        return  # reported with what else does not fit the dimension
    cell = np.broadcast_to(np.asarray(micro.cell_nm, dtype=float), (3,))
    diameter = (1.0 - MINIMUM_SPHERE_GAP) * cell.min()
    largest = float(math.pi / 6.0 * diameter**3 / cell.prod())
    if micro.fraction >= largest:
        yield Finding(
            parts.file,
            "microstructure.fraction",
            shown(micro.fraction),
            f"less than {largest:.4g}: the sphere must keep clear of its own image",
            "choose a smaller fraction",
        )


def _check_statistics(parts: CaseParts) -> Iterator[Finding]:
    micro = parts.microstructure
    if micro is not None:
        needed = micro.kind in STATISTICAL_KINDS
        present = "statistics" in parts.given[""]
        if needed and not present:
            yield Finding(
                parts.file,
                "statistics",
                "nothing: the section is missing",
                f"[statistics] for the kind {micro.kind}",
                'add [statistics] with file = "data/fe90sc10_statistics.json" or another file',
            )
        elif present and not needed:
            yield Finding(
                parts.file,
                "statistics",
                f"a section that the kind {micro.kind} does not use",
                "[statistics] for the kinds " + ", ".join(STATISTICAL_KINDS),
                "delete the section",
            )


_LOCAL_SIZES = {
    "interface_size_nm": ("nanocomposite", "nanoglass"),
    "crystal_surface_size_nm": ("nanocomposite", "sphere"),
    "grain_interior_size_nm": ("nanocomposite", "nanoglass"),
}


def _check_mesh(parts: CaseParts) -> Iterator[Finding]:
    micro, mesh = parts.microstructure, parts.mesh
    if micro is None or mesh is None:
        return
    given = parts.given.get("mesh", ())
    if isinstance(micro, VoxelsSection):
        yield from check_voxels(micro, mesh, parts.file, parts.directory, given)
        return
    if isinstance(micro, UserMeshSection):
        if mesh.file is None:
            yield Finding(
                parts.file,
                "mesh.file",
                "nothing: the key is missing",
                "a Gmsh file (.msh) for the kind mesh",
                'add file = "my_mesh.msh" under [mesh]',
            )
        else:
            yield from missing_file(
                parts.directory, mesh.file, "a Gmsh file (.msh)", parts.file, "mesh.file"
            )
        if mesh.size_nm is not None:
            yield Finding(
                parts.file,
                "mesh.size_nm",
                shown(mesh.size_nm),
                "nothing: the elements of a user's mesh have their size",
                "delete the line",
            )
        if mesh.period_nm is not None and np.linalg.det(np.asarray(mesh.period_nm)) <= 0.0:
            yield Finding(
                parts.file,
                "mesh.period_nm",
                shown(mesh.period_nm),
                "three period vectors as rows, right-handed and not in one plane",
                "correct the vectors, or swap two of them",
            )
        return
    if mesh.size_nm is None:
        yield Finding(
            parts.file,
            "mesh.size_nm",
            "nothing: the key is missing",
            f"an element size in nm for the generated kind {micro.kind}",
            "add size_nm = 1.2 under [mesh], or another size",
        )
    if mesh.order == 2:
        yield Finding(
            parts.file,
            "mesh.order",
            "2",
            "1: generated meshes are straight-sided; the order of the displacement is that of "
            "[solver] element",
            'delete the line, or use a curved mesh of your own with kind = "mesh"',
        )
    for name, kinds in _LOCAL_SIZES.items():
        if name in given and micro.kind not in kinds:
            yield Finding(
                parts.file,
                f"mesh.{name}",
                f"a key that the kind {micro.kind} does not use",
                f"a local element size only for the kinds {', '.join(kinds)}",
                "delete the line",
            )
    for name in ("file", "length_unit_nm", "period_nm", "phases"):
        if name in given:
            yield Finding(
                parts.file,
                f"mesh.{name}",
                f"a key that the generated kind {micro.kind} does not use",
                'keys of a user\'s mesh only with [microstructure] kind = "mesh"',
                'delete the line, or set kind = "mesh"',
            )


def _expected_phases(parts: CaseParts) -> tuple[str, ...] | None:
    micro = parts.microstructure
    if micro is None:
        return None
    if isinstance(micro, LaminateSection):
        return tuple(dict.fromkeys(layer.phase for layer in micro.layers))
    if isinstance(micro, HomogeneousSection):
        return (micro.phase,)
    if isinstance(micro, UserMeshSection):
        if parts.mesh is None or parts.mesh.file is None:
            return None
        if parts.mesh.phases is not None:
            return tuple(parts.mesh.phases)
        return physical_body_names(locate(parts.directory, parts.mesh.file), micro.dimension)
    if isinstance(micro, VoxelsSection):
        return tuple(micro.phases)
    if isinstance(micro, SphereSection):
        return (MATRIX, INCLUSION)
    return phases_of_composite(micro.kind, parts.composite)


def _check_phases(parts: CaseParts) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, name in enumerate(parts.phase_names):
        if name is None:
            continue
        if name in first:
            yield Finding(
                parts.file,
                f"phase[{index}].name",
                f'"{name}", which is also the name of phase[{first[name]}]',
                "each phase once",
                "delete one of the two, or correct its name",
            )
        first.setdefault(name, index)
    expected = _expected_phases(parts)
    if expected is None or parts.microstructure is None:
        return
    kind = parts.microstructure.kind
    for name, index in first.items():
        if name not in expected:
            yield Finding(
                parts.file,
                f"phase[{index}].name",
                f'"{name}", which the cell does not have',
                f"the phases of this {kind}: " + ", ".join(expected),
                "correct the name, or delete this [[phase]]",
            )
    if None in parts.phase_names:
        return
    for name in expected:
        if name not in first:
            yield Finding(
                parts.file,
                "phase",
                f'no [[phase]] with name = "{name}"',
                f"a material for each phase of this {kind}: " + ", ".join(expected),
                f'add [[phase]] with name = "{name}", law and parameters',
            )


def _check_softening(parts: CaseParts) -> Iterator[Finding]:
    if parts.solver is None or parts.solver.mesh_dependent:
        return
    for index, material in enumerate(parts.materials):
        if material is not None and mesh_dependent(material.law, material.parameters):
            length, otherwise = CHARACTERISTIC_LENGTH, ", or set softening_gpa = 0.0"
            if material.law in ACTIVATED_FLOW:
                length, otherwise = DIFFUSION_COEFFICIENT, ""
            elif material.law == "mohr-coulomb":
                otherwise = ", or set cohesion_softening_gpa = 0.0"
            yield Finding(
                parts.file,
                f"phase[{index}].parameters",
                f'softening of phase "{material.name}" without an internal length, so that the '
                "result depends on the mesh",
                f"softening with {length}, or with [solver] mesh_dependent = true",
                f"give the phase {length}, or add mesh_dependent = true under "
                f"[solver] (the report will say so){otherwise}",
            )


def _check_orientations(parts: CaseParts) -> Iterator[Finding]:
    """Chance needs a seed."""
    if parts.seed is not None or "seed" in parts.given[""]:
        return
    for index, material in enumerate(parts.materials):
        if material is None or material.orientation is None:
            continue
        if not isinstance(material.orientation, tuple):
            yield Finding(
                parts.file,
                "seed",
                "nothing: the key is missing",
                f'a whole number for the random orientation of phase "{material.name}"',
                "add seed = 1 at the top of the file, or give Euler angles to "
                f"phase[{index}].orientation",
            )
