"""The one translator from a case to the objects that the program computes with.

Each function is pure and builds one object. Gmsh and what else is heavy is imported where it is
needed, so that a material point can be driven on a machine without a mesher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ngcfem.case.crystals import orient_crystals
from ngcfem.case.schema import Case
from ngcfem.case.sections import (
    CompositeSection,
    HomogeneousSection,
    LaminateSection,
    LoadSegmentSection,
    MixedLoad,
    NanocompositeSection,
    SphereSection,
    UserMeshSection,
    VoxelsSection,
)
from ngcfem.constitutive.material import Material
from ngcfem.errors import Finding, InputError
from ngcfem.experiment.pillar import PillarData
from ngcfem.experiment.pillar_file import read_pillar_data
from ngcfem.fem.solver_options import SolverOptions
from ngcfem.loading.path import LoadPath, LoadSegment, uniaxial_stress
from ngcfem.loading.platens import Platens
from ngcfem.microstructure.cell import Layer, PeriodicCell
from ngcfem.microstructure.imperfection import Imperfection, StrengthScatter, WeakRegion
from ngcfem.microstructure.simple_cells import homogeneous_cell, laminate_cell, sphere_cell
from ngcfem.microstructure.statistics import CompositeStatistics, composite_statistics
from ngcfem.quantities import FloatArray

if TYPE_CHECKING:
    from ngcfem.mesh.meshing_record import MeshProgress
    from ngcfem.mesh.periodic_mesh import PeriodicMesh


def build_load_path(case: Case) -> LoadPath:
    """Build the load path of a case.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    LoadPath
        Uniaxial stress in equal steps of true strain, or the segments of a mixed load. Platens take
        the axial stretch of it.
    """
    load = case.load
    if isinstance(load, MixedLoad):
        return LoadPath([_segment(segment) for segment in load.segment], axis=load.axis)
    return uniaxial_stress(
        load.axis,
        load.true_strain,
        load.rate_per_s,
        load.increments,
        dimension=case.microstructure.dimension,
    )


def build_platens(case: Case) -> Platens | None:
    """Build the platens of a case.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    Platens or None
        None for the other boundary conditions.
    """
    if case.load.boundary != "platens":
        return None
    return Platens(case.load.axis, case.load.platens or "smooth")


def build_imperfection(case: Case) -> Imperfection | None:
    """Build the imperfection of a case.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    Imperfection or None
        None without a section [imperfection].
    """
    section = case.imperfection
    if section is None:
        return None
    regions = tuple(
        WeakRegion(region.centre, region.radius_nm.value, region.strength_factor.value)
        for region in section.region
    )
    scatter = None
    if section.scatter is not None:
        seed = case.seed if section.scatter.seed is None else section.scatter.seed
        if seed is None:
            raise ValueError("a valid case with a random field has a seed")
        scatter = StrengthScatter(
            section.scatter.standard_deviation.value,
            section.scatter.correlation_length_nm.value,
            seed,
        )
    return Imperfection(regions, scatter, section.phases)


def _segment(segment: LoadSegmentSection) -> LoadSegment:
    gradient = _matrix(segment.deformation_gradient, free=np.nan)
    stress = segment.first_piola_kirchhoff_stress_gpa
    return LoadSegment(
        deformation_gradient=gradient,
        first_piola_kirchhoff_stress_gpa=(
            np.zeros((3, 3)) if stress is None else _matrix(stress, free=0.0)
        ),
        duration_s=segment.duration_s,
        increments=segment.increments,
    )


def _matrix(rows: tuple[tuple[float | str, ...], ...], free: float) -> FloatArray:
    return np.array(
        [[free if isinstance(entry, str) else entry for entry in row] for row in rows], dtype=float
    )


def build_materials(case: Case) -> dict[str, Material]:
    """Build the material of every phase.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    dict of str to Material
        By phase name, in the order of the case file.
    """
    return {
        phase.name: Material(phase=phase.name, law=phase.law, parameters=phase.parameters)
        for phase in case.phases
    }


def build_solver_options(case: Case) -> SolverOptions:
    """Build the options of the solver.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    SolverOptions
        One field for each key of [solver].
    """
    return SolverOptions(**case.solver.model_dump())


def build_pillar_data(case: Case) -> PillarData | None:
    """Read the experiment that the case is compared with.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    PillarData or None
        None without a section [compare].
    """
    return None if case.compare_path is None else read_pillar_data(case.compare_path)


def build_cell(case: Case) -> PeriodicCell | None:
    """Generate the cell of a case, with the lattices of its crystals.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    PeriodicCell or None
        None for a user's mesh, which is its own geometry. Its descriptors are not held against the
        statistics yet: whoever calls measures them once, keeps them, and then refuses.

    Raises
    ------
    RefusedError
        If chance gives no cell of these statistics.
    """
    cell = _build_geometry(case)
    return None if cell is None else orient_crystals(case, cell)


def _build_geometry(case: Case) -> PeriodicCell | None:
    micro = case.microstructure
    if micro.dimension == 2 and not isinstance(micro, UserMeshSection):
        return _build_plane_cell(case)
    match micro:
        case HomogeneousSection():
            return homogeneous_cell(micro.phase, micro.cell_nm)
        case LaminateSection():
            layers = [Layer(layer.phase, layer.fraction) for layer in micro.layers]
            return laminate_cell(micro.normal, layers, micro.cell_nm)
        case SphereSection():
            return sphere_cell(micro.fraction, micro.cell_nm)
        case UserMeshSection() | VoxelsSection():
            return None
    # The tessellation brings scipy, which the kinds above do without.
    from ngcfem.microstructure.generation import generate_cell

    statistics = build_statistics(case)
    return generate_cell(
        micro.kind,
        statistics,
        case.seed,
        n_grains=micro.n_grains,
        cell_aspect=micro.cell_aspect,
        crystal_gap_nm=_crystal_gap(micro),
        rotation_deg=_euler_angles(micro),
    )


def _crystal_gap(micro: CompositeSection) -> float | None:
    return micro.crystal_gap_nm if isinstance(micro, NanocompositeSection) else None


def _euler_angles(micro: CompositeSection) -> tuple[float, float, float] | Literal["random"] | None:
    rotation = micro.rotation_deg
    if isinstance(rotation, int | float):
        raise ValueError("a valid case of three dimensions has three angles")
    return rotation


def _build_plane_cell(case: Case) -> PeriodicCell:
    from ngcfem.microstructure.plane_generation import generate_plane_cell

    micro = case.microstructure
    match micro:
        case HomogeneousSection():
            return generate_plane_cell(micro.kind, phase=micro.phase, cell_nm=micro.cell_nm)
        case LaminateSection():
            layers = [Layer(layer.phase, layer.fraction) for layer in micro.layers]
            return generate_plane_cell(
                micro.kind, normal=micro.normal, layers=layers, cell_nm=micro.cell_nm
            )
        case SphereSection():
            return generate_plane_cell(micro.kind, fraction=micro.fraction, cell_nm=micro.cell_nm)
        case UserMeshSection() | VoxelsSection():
            raise ValueError("a user's mesh or volume is its own geometry")
    from ngcfem.microstructure.composite_cells import crystal_gap

    statistics = build_statistics(case)
    if statistics is None:
        raise ValueError("a valid case of this kind has statistics")
    return generate_plane_cell(
        micro.kind,
        statistics,
        case.seed,
        n_grains=micro.n_grains,
        cell_aspect=micro.cell_aspect,
        crystal_gap_nm=crystal_gap(statistics, _crystal_gap(micro)),
        rotation_deg=_plane_angle(micro, case.seed),
    )


def _plane_angle(micro: CompositeSection, seed: int | None) -> float:
    from ngcfem.microstructure.rotation import plane_angle_deg

    rotation = micro.rotation_deg
    if isinstance(rotation, tuple):
        raise ValueError("a valid case of two dimensions has one angle")
    return plane_angle_deg(rotation, seed)


def allows_missed_targets(case: Case) -> bool:
    """Tell whether a case accepts a cell that misses targets of its statistics.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    bool
        The key ``allow_missed_targets``; false for kinds without statistics.
    """
    micro = case.microstructure
    return isinstance(micro, CompositeSection) and micro.allow_missed_targets


def build_statistics(case: Case) -> CompositeStatistics | None:
    """Take the statistics of a case as plain numbers.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    CompositeStatistics or None
        None for the kinds without statistics.
    """
    if case.composite is None:
        return None
    return composite_statistics(case.composite, str(case.statistics_path or case.path))


def build_mesh(case: Case, cell: PeriodicCell | None) -> PeriodicMesh:
    """Generate the mesh of a cell, or read the user's.

    Parameters
    ----------
    case : Case
        A valid case.
    cell : PeriodicCell or None
        What `build_cell` gave for it.

    Returns
    -------
    PeriodicMesh
        The checked mesh, whose phases are exactly those of the case.

    Raises
    ------
    InputError
        If the user's mesh is not what the case says, or its phases are not those of the case.
    RefusedError
        If the mesh is too coarse to be periodic, or of too poor quality.
    """
    return build_recorded_mesh(case, cell)[0]


def build_recorded_mesh(
    case: Case, cell: PeriodicCell | None, progress: MeshProgress | None = None
) -> tuple[PeriodicMesh, dict[str, Any]]:
    """Generate the mesh of a cell, or read the user's, and say how it came about.

    Parameters
    ----------
    case : Case
        A valid case.
    cell : PeriodicCell or None
        What `build_cell` gave for it.
    progress : callable, optional
        Called with how much of a generated mesh is done, of how much, and what it is.

    Returns
    -------
    mesh : PeriodicMesh
        The checked mesh, whose phases are exactly those of the case.
    record : dict
        Plain JSON: route, routes given up and grains tried again; empty for a user's mesh.

    Raises
    ------
    InputError
        If the user's mesh is not what the case says, or its phases are not those of the case.
    RefusedError
        If the mesh is too coarse to be periodic, or of too poor quality.
    """
    record: dict[str, Any] = {}
    if isinstance(case.microstructure, VoxelsSection):
        from ngcfem.case.voxel_build import build_voxel_mesh

        mesh, record = build_voxel_mesh(case)
    elif cell is None:
        mesh = _read_user_mesh(case)
    else:
        from ngcfem.mesh.generation import generate_recorded_mesh
        from ngcfem.mesh.meshing_options import MeshOptions

        if case.mesh.size_nm is None:
            raise ValueError("a case with a generated cell has a mesh size")
        options = MeshOptions(
            interface_size_nm=case.mesh.interface_size_nm,
            crystal_surface_size_nm=case.mesh.crystal_surface_size_nm,
            grain_interior_size_nm=case.mesh.grain_interior_size_nm,
            plane_pattern=case.mesh.pattern or "crossed",
        )
        made = generate_recorded_mesh(cell, case.mesh.size_nm, options, progress=progress)
        mesh, record = made.mesh, made.record.to_document()
    check_phases_of_mesh(case, mesh)
    return mesh, record


def _read_user_mesh(case: Case) -> PeriodicMesh:
    from ngcfem.mesh.reading import read_mesh

    if case.mesh_path is None:
        raise ValueError("a case without a cell names a mesh file")
    period = case.mesh.period_nm
    mesh = read_mesh(
        case.mesh_path,
        length_unit_nm=case.mesh.length_unit_nm,
        period_nm=None if period is None else np.array(period, dtype=float),
        periodic=case.load.boundary == "periodic",
        phases=case.mesh.phases,
        dimension=case.microstructure.dimension,
    )
    if case.mesh.order is not None and case.mesh.order != mesh.order:
        raise InputError(
            [
                Finding(
                    str(case.path),
                    "mesh.order",
                    f"{case.mesh.order}, but the elements of {case.mesh.file} are of order "
                    f"{mesh.order}",
                    f"{mesh.order}: a user's mesh has its own order",
                    "correct or delete the line",
                )
            ]
        )
    return mesh


def check_phases_of_mesh(case: Case, mesh: PeriodicMesh) -> None:
    """Check that mesh and case have the same phases.

    Parameters
    ----------
    case : Case
        A valid case.
    mesh : PeriodicMesh
        Its mesh.

    Raises
    ------
    InputError
        For every phase of the mesh without a material, and every material without cells.
    """
    counts = np.bincount(mesh.phase, minlength=len(mesh.phase_names))
    meshed = [name for name, count in zip(mesh.phase_names, counts, strict=True) if count]
    given = [phase.name for phase in case.phases]
    allowed = "one [[phase]] for each phase of the mesh: " + ", ".join(meshed)
    findings = [
        Finding(
            str(case.path),
            "phase",
            f'no [[phase]] with name = "{name}"',
            allowed,
            f'add [[phase]] with name = "{name}", law and parameters',
        )
        for name in meshed
        if name not in given
    ]
    findings += [
        Finding(
            str(case.path),
            f"phase[{index}].name",
            f'"{name}", which no cell of the mesh belongs to',
            allowed,
            "correct the name, or delete this [[phase]]",
        )
        for index, name in enumerate(given)
        if name not in meshed
    ]
    if findings:
        raise InputError(findings)
