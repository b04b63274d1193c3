"""How large a problem is and what it will cost, told before the work is done.

The constants were measured with ``benchmarks/solve_cost.py`` (see there how to measure them anew)
on one core of a 2-core virtual machine, DOLFINx 0.11, PETSc 3.25, with the shipped composite of
four J2 phases: 75 579, 119 706 and 186 741 unknowns took 0.69, 0.90 and 1.17 GiB and, on the busy
machine, 28, 27 and 27 microseconds of CPU time an unknown and Newton iteration (23 on an idle one).
A nonlocal field on nearly all of 18 701 elements (softening set B, 75 579 unknowns) took 0.15 GiB
more and no more time: it makes the system better conditioned than softening without it.
Memory follows from the size of the problem and carries over to other machines; seconds do not:
processors differ by a factor of two either way, and a busy machine is slower than an idle one.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ngcfem.case.build import build_load_path, build_statistics
from ngcfem.case.schema import Case
from ngcfem.case.sections import (
    CompositeSection,
    GlassSection,
    HomogeneousSection,
    LaminateSection,
    NanocompositeSection,
    SphereSection,
)
from ngcfem.constitutive.nonlocal_parameters import has_internal_length
from ngcfem.errors import ResourceError
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.composite_cells import grain_diameters
from ngcfem.microstructure.statistics import CompositeStatistics

GIB = 2.0**30
MEMORY_OF_A_PROCESS_GIB = 0.37
"""Interpreter, libraries and compiled laws."""
MEMORY_OF_AN_UNKNOWN_B = 4600.0
"""Tangent with its coarse levels, element matrices, moduli and states of the material points."""
MEMORY_OF_A_FIELD_CELL_B = 8500.0
"""Couplings with a nonlocal field and their matrices, per element in its domain."""
MEMORY_OF_A_NODAL_CELL_B = 6000.0
"""Averages of the element "p2-nodal" and their matrix, per element; 4.8 to 6.4 kB were seen."""
CPU_OF_AN_UNKNOWN_S = 25e-6
"""CPU time of one Newton iteration per unknown."""
START_OF_A_PROCESS_S = 6.0
"""CPU time of imports and of compiling laws and the element kernel."""
NEWTON_ITERATIONS = 3.0
"""Newton iterations of a step; 2.2 to 3.4 were seen with J2."""
FIELDS_OF_A_CELL_B = 250.0
"""Size of one snapshot of the fields on disk, per element."""
STATE_OF_A_CELL_B = 1000.0
"""Size of a checkpoint on disk, per element; two are kept."""
MESH_OF_A_CELL_B = 50.0
"""Size of the mesh on disk, per element."""
MEMORY_MARGIN = 1.25
"""An estimate may be wrong by so much: more than that over what the machine has cannot fit."""


@dataclass(frozen=True)
class ProblemSize:
    """Number of elements and unknowns.

    Parameters
    ----------
    cells : int
        Tetrahedra, or triangles in the plane.
    unknowns : int
        Components of the quadratic displacement.
    dimension : int
        2 or 3.
    field_cells : int
        Elements in the domain of a nonlocal field.
    """

    cells: int
    unknowns: int
    dimension: int = 3
    field_cells: int = 0


@dataclass(frozen=True)
class CostEstimate:
    """What a run is expected to need.

    Parameters
    ----------
    size : ProblemSize
        What is solved.
    ranks : int
        Number of processes.
    memory_gib : float
        Peak memory of all processes together.
    cpu_s_per_increment : float
        CPU seconds of one increment, summed over the processes.
    cpu_s : float
        CPU seconds of the whole load path, if no step is cut and none grows.
    disk_gib : float
        Mesh, checkpoints and snapshots.
    """

    size: ProblemSize
    ranks: int
    memory_gib: float
    cpu_s_per_increment: float
    cpu_s: float
    disk_gib: float

    @property
    def text(self) -> str:
        """The estimate in a line."""
        element = "triangles" if self.size.dimension == 2 else "tetrahedra"
        return (
            f"{_count(self.size.cells)} {element}, {_count(self.size.unknowns)} unknowns"
            + (" and a nonlocal field" if self.size.field_cells else "")
            + ": about "
            f"{self.memory_gib:.2g} GiB of memory, {_duration(self.cpu_s_per_increment)} of CPU "
            f"time an increment, {_duration(self.cpu_s)} in all"
            + (f" (over {self.ranks} processes)" if self.ranks > 1 else "")
            + f", {_bytes(self.disk_gib)} of disk"
        )


def size_of_mesh(mesh: PeriodicMesh, case: Case | None = None) -> ProblemSize:
    """Count the unknowns of a mesh before anything is assembled.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    case : Case or None
        Says which phases have a nonlocal field; None: no phase.

    Returns
    -------
    ProblemSize
        One unknown a direction for each torus vertex and each edge between torus vertices.
    """
    corners = mesh.dimension + 1
    vertices = mesh.torus_node[mesh.cells[:, :corners]]
    first, second = np.triu_indices(corners, 1)
    pairs = np.sort(np.stack([vertices[:, first], vertices[:, second]], axis=2), axis=2)
    keys = pairs[:, :, 0].astype(np.int64) * len(mesh.points) + pairs[:, :, 1]
    nodes = len(np.unique(vertices)) + len(np.unique(keys))
    spread = set(_phases_with_field(case)) if case is not None else set()
    in_field = np.array([name in spread for name in mesh.phase_names])[mesh.phase]
    return ProblemSize(
        len(mesh.cells), mesh.dimension * nodes, mesh.dimension, int(np.count_nonzero(in_field))
    )


def _phases_with_field(case: Case) -> list[str]:
    return [phase.name for phase in case.phases if has_internal_length(phase.parameters)]


def estimate_cost(case: Case, size: ProblemSize, ranks: int = 1) -> CostEstimate:
    """Estimate what a run needs.

    Parameters
    ----------
    case : Case
        The case, of which one realization counts.
    size : ProblemSize
        Its size.
    ranks : int
        Number of processes.

    Returns
    -------
    CostEstimate
        Memory within about 20 %; seconds as the module says.

    Notes
    -----
    Memory is that of the processes plus so many bytes an unknown, CPU time so many microseconds an
    unknown and Newton iteration: multigrid keeps the number of Krylov iterations bounded, so that
    both are linear. A nonlocal field and the element "p2-nodal" add so many bytes an element. In
    the plane an unknown has fewer neighbours; the constants of space are taken.
    """
    increments = build_load_path(case).increments
    memory = ranks * MEMORY_OF_A_PROCESS_GIB + MEMORY_OF_AN_UNKNOWN_B * size.unknowns / GIB
    memory += MEMORY_OF_A_FIELD_CELL_B * size.field_cells / GIB
    if case.solver.element == "p2-nodal":
        memory += MEMORY_OF_A_NODAL_CELL_B * size.cells / GIB
    step = NEWTON_ITERATIONS * CPU_OF_AN_UNKNOWN_S * size.unknowns
    output = case.output
    snapshots = math.ceil(increments / output.fields_every) if output.fields_every else 0
    keeps_state = output.checkpoint_every_increments > 0 or output.checkpoint_every_minutes > 0.0
    per_cell = MESH_OF_A_CELL_B + FIELDS_OF_A_CELL_B * snapshots
    per_cell += 2.0 * STATE_OF_A_CELL_B if keeps_state else 0.0
    return CostEstimate(
        size=size,
        ranks=ranks,
        memory_gib=memory,
        cpu_s_per_increment=step,
        cpu_s=ranks * START_OF_A_PROCESS_S + step * increments,
        disk_gib=per_cell * size.cells / GIB,
    )


def expected_size(case: Case) -> ProblemSize | None:
    """Guess the size of the problem from the case alone, without cell or mesh.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    ProblemSize or None
        None where only the mesh itself can tell.

    Notes
    -----
    A fit to the meshes of the shipped statistics at 1 to 4 nm, good within about 25 per cent. In
    space: 6 V / h^3 for the volume, 6.4 S / (h t) for the network, S the surface of the grains and
    t its thickness, because a network thinner than the elements keeps their number up; and 320 for
    each crystal. In the plane: 0.65 A / h^2, for the triangles grow away from the network, 7.3 L /
    t or L / h, whichever is more, and 50 for each crystal.
    """
    size_nm, micro = case.mesh.size_nm, case.microstructure
    if size_nm is None:
        return None
    dimension = int(micro.dimension)
    if isinstance(micro, CompositeSection):
        statistics = build_statistics(case)
        assert statistics is not None
        cells = _cells_of_composite(micro, statistics, size_nm, dimension)
    elif isinstance(micro, HomogeneousSection | LaminateSection | SphereSection):
        edges = np.broadcast_to(np.asarray(micro.cell_nm, dtype=float), (dimension,))
        cells = _CELLS_OF_A_CUBE[dimension] * float(edges.prod()) / size_nm**dimension
    else:
        return None
    return ProblemSize(
        round(cells),
        round(_UNKNOWNS_OF_A_CELL[dimension] * cells),
        dimension,
        round(cells) if _phases_with_field(case) else 0,
    )


def size_lines(case: Case) -> list[str]:
    """Say what a case will need, as far as it can be told without cell and mesh.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    list of str
        Lines; empty where only the mesh can tell.
    """
    size = expected_size(case)
    if size is None:
        return []
    estimate = estimate_cost(case, size)
    lines = [f"size, a guess: {estimate.text}"]
    if case.n_realizations > 1:
        number = case.n_realizations
        lines.append(
            f"  {number} realizations: {_duration(number * estimate.cpu_s)} of CPU time, "
            f"{_bytes(number * estimate.disk_gib)} of disk"
        )
    return lines


_CELLS_OF_A_CUBE = {3: 6.0, 2: 2.3}
_CELLS_OF_A_GRAIN_CUBE = {3: 6.0, 2: 0.65}
_CELLS_OF_NETWORK = {3: 6.4, 2: 7.3}
_CELLS_OF_A_CRYSTAL = {3: 320.0, 2: 50.0}
_UNKNOWNS_OF_A_CELL = {3: 4.03, 2: 4.0}


def _cells_of_composite(
    micro: CompositeSection, statistics: CompositeStatistics, size_nm: float, dimension: int
) -> float:
    diameters = grain_diameters(statistics, micro.n_grains)
    ball = math.pi / (6.0 if dimension == 3 else 4.0)
    volume = float((ball * diameters**dimension).sum())
    if isinstance(micro, GlassSection):
        return _CELLS_OF_A_CUBE[dimension] * volume / size_nm**dimension
    cells = _CELLS_OF_A_GRAIN_CUBE[dimension] * volume / size_nm**dimension
    # Laguerre cells have about 1.1 times the surface of balls of their volume.
    surface = 1.1 * 2.0 * dimension * float((ball * diameters ** (dimension - 1)).sum())
    thickness = statistics.interface_thickness_nm
    if dimension == 3:
        cells += _CELLS_OF_NETWORK[3] * surface / (size_nm * min(thickness, size_nm))
    else:
        cells += _CELLS_OF_NETWORK[2] * surface / min(thickness, size_nm)
    if isinstance(micro, NanocompositeSection) and statistics.crystal_diameter_nm > 0.0:
        radius, spread = 0.5 * statistics.crystal_diameter_nm, statistics.crystal_diameter_variation
        # Mean volume of a lognormal distribution of diameters.
        mean_volume = ball * (2.0 * radius) ** dimension
        mean_volume *= (1.0 + spread**2) ** (3 if dimension == 3 else 1)
        number = statistics.crystal_fraction * volume / mean_volume
        cells += _CELLS_OF_A_CRYSTAL[dimension] * number
    return cells


def memory_of_machine() -> tuple[float, float]:
    """Memory that could be had now, and memory that there is.

    Returns
    -------
    tuple of float
        Available and total in GiB, the latter with swap; the limit of a container counts for both.
        Infinite where the system does not say.
    """
    entries: dict[str, float] = {}
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            name, _, value = line.partition(":")
            entries[name] = float(value.split()[0]) * 1024.0 / GIB
    except (OSError, ValueError, IndexError):
        return math.inf, math.inf
    total = entries.get("MemTotal", math.inf) + entries.get("SwapTotal", 0.0)
    available = entries.get("MemAvailable", total)
    limit, used = _limit_of_container()
    return min(available, max(limit - used, 0.0)), min(total, limit)


def _limit_of_container() -> tuple[float, float]:
    group = Path("/sys/fs/cgroup")
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            text = (group / limit).read_text().strip()
            spent = float((group / used).read_text()) / GIB
        except (OSError, ValueError):
            continue
        return (float(text) / GIB if text.isdigit() else math.inf), spent
    return math.inf, 0.0


def check_memory(estimate: CostEstimate, processes_here: int) -> str:
    """Compare the memory that a run needs with what this machine has.

    Parameters
    ----------
    estimate : CostEstimate
        What is expected.
    processes_here : int
        How many of its processes run on this machine.

    Returns
    -------
    str
        A warning if more is needed than is free just now; empty if all is well.

    Raises
    ------
    ResourceError
        If the machine does not have what is needed, even if the estimate is too high by its margin.

    Notes
    -----
    What is free changes from one minute to the next, and the kernel gives caches back; to refuse
    for that would refuse what would have worked. What is more than all there is, by a margin above
    the error of the estimate, can only end in the killing of the process, possibly hours later.
    """
    needed = estimate.memory_gib * processes_here / estimate.ranks
    available, total = memory_of_machine()
    advice = "larger mesh.size_nm, fewer grains, or more machines"
    if needed > MEMORY_MARGIN * total:
        raise ResourceError(
            f"about {needed:.1f} GiB of memory are needed for {_count(estimate.size.unknowns)} "
            f"unknowns, and this machine has {total:.1f} GiB: {advice}"
        )
    if needed > available:
        return (
            f"warning: about {needed:.1f} GiB of memory are needed and {available:.1f} GiB are "
            f"free: close other programs, or take {advice}"
        )
    return ""


def _count(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _duration(seconds: float) -> str:
    if seconds < 120.0:
        return f"{seconds:.2g} s" if seconds < 10.0 else f"{seconds:.0f} s"
    if seconds < 7200.0:
        return f"{seconds / 60.0:.0f} min"
    return f"{seconds / 3600.0:.1f} h" if seconds < 3.6e5 else f"{seconds / 86400.0:.0f} days"


def _bytes(gib: float) -> str:
    return f"{gib:.1f} GiB" if gib >= 1.0 else f"{1024.0 * gib:.0f} MiB"
