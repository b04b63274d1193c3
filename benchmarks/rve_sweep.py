"""Sweep over seeds: whether every cell meshes, how well, and at what cost.

Run with ``make verify-rve``, or ``python benchmarks/rve_sweep.py --help``. One line of JSON for
each seed goes to ``runs/verify-rve``; seeds that have one are passed over, so a sweep that was
stopped goes on where it stood. ``--write-docs`` puts the table into ``docs/meshing.md``.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import resource
import statistics as averages
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.atomprobe.statistics import read_statistics
from ngcfem.errors import RefusedError
from ngcfem.mesh.generation import GENERATOR_VERSION, generate_recorded_mesh
from ngcfem.mesh.pairing import quotient_check
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.quality import mesh_quality
from ngcfem.mesh.worker_pool import WorkerPool
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.generation import generate_cell
from ngcfem.microstructure.statistics import CompositeStatistics, composite_statistics

ROOT = Path(__file__).resolve().parents[1]
STATISTICS = ROOT / "cases" / "data" / "fe90sc10_statistics.json"
DIRECTORY = ROOT / "runs" / "verify-rve"
DOCUMENT = ROOT / "docs" / "meshing.md"
START, END = "<!-- rve_sweep: start -->", "<!-- rve_sweep: end -->"

# Set A of the shipped parameters; what is solved here is elastic.
ELASTIC = {
    "grain": (140.0, 0.33),
    "interface": (95.0, 0.34),
    "nanocrystal": (204.0, 0.29),
    "sc_rich": (115.0, 0.33),
}
STRAIN = -0.01


@dataclass(frozen=True)
class Sweep:
    """Seeds of one number of grains and one element size, and how many of them are solved on."""

    n_grains: int
    size_nm: float
    seeds: range
    solved: int = 0

    @property
    def file_name(self) -> str:
        """Name of the file with one line for each seed."""
        return f"sweep_{self.n_grains}_grains_{self.size_nm:g}_nm.jsonl"


PLANS: dict[str, tuple[Sweep, ...]] = {
    "full": (
        Sweep(8, 1.5, range(1, 201), solved=20),
        Sweep(8, 1.2, range(1, 21)),
        Sweep(27, 1.5, range(1, 51)),
        Sweep(125, 1.5, range(1, 11)),
    ),
    "first": (
        Sweep(8, 1.5, range(1, 51), solved=20),
        Sweep(27, 1.5, range(1, 11)),
        Sweep(125, 1.5, range(1, 4)),
    ),
    "short": (Sweep(8, 2.5, range(1, 4), solved=2),),
}


def measured(
    sweep: Sweep, seed: int, composite: CompositeStatistics, pool: WorkerPool
) -> dict[str, Any]:
    """Cell and mesh of one seed, measured; the mesh is checked anew, not taken at its word."""
    entry: dict[str, Any] = {"seed": seed, "generator_version": GENERATOR_VERSION}
    start = time.process_time()
    try:
        cell = generate_cell("nanocomposite", composite, seed, n_grains=sweep.n_grains)
    except RefusedError as error:
        return entry | {"refused_cell": str(error), "cell_cpu_s": time.process_time() - start}
    entry |= {"crystals": len(cell.inclusions), "cell_cpu_s": time.process_time() - start}
    start, clock = time.process_time() + pool.cpu_seconds(), time.perf_counter()
    try:
        made = generate_recorded_mesh(cell, sweep.size_nm, use_cache=False, workers=pool)
    except RefusedError as error:
        return entry | {"refused_mesh": str(error)}
    mesh = made.mesh
    entry |= {
        "mesh_cpu_s": time.process_time() + pool.cpu_seconds() - start,
        "mesh_wall_s": time.perf_counter() - clock,
        "route": made.record.route,
        "given_up": list(made.record.given_up),
        "retried_grains": [
            [grain.grain, grain.attempts, *grain.reasons] for grain in made.record.retried_grains
        ],
    }
    quality = mesh_quality(mesh, geometric_fractions(cell))
    entry |= {
        "tetrahedra": quality.number_of_cells,
        "nodes": quality.number_of_torus_nodes,
        "minimum_dihedral_angle_deg": quality.minimum_dihedral_angle_deg,
        "maximum_dihedral_angle_deg": quality.maximum_dihedral_angle_deg,
        "minimum_gamma": quality.minimum_gamma,
        "mean_gamma": quality.mean_gamma,
        "largest_fraction_error": max(map(abs, quality.phase_fraction_errors.values())),
        "volume_error": abs(quality.volume_nm3 / cell.volume_nm3 - 1.0),
        "periodic_mismatch": quality.periodic_mismatch_nm / float(np.abs(mesh.lattice).max()),
        "quotient_accepted": quotient_check(mesh.points, mesh.cells, mesh.torus_node).accepted,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    if seed - sweep.seeds.start < sweep.solved:
        entry["solve"] = solved(mesh)
    return entry


def solved(mesh: PeriodicMesh) -> dict[str, Any]:
    """Elastic uniaxial compression of 1 % in finite kinematics, periodic."""
    from mpi4py import MPI

    from ngcfem.constitutive.material import Material
    from ngcfem.errors import NotConvergedError
    from ngcfem.fem.periodic import build_representative_volume
    from ngcfem.fem.problem import PeriodicProblem
    from ngcfem.loading.path import LoadPath, LoadSegment

    materials = {
        name: Material(
            phase=name,
            law="elastic",
            parameters={"youngs_modulus_gpa": modulus, "poisson_ratio": ratio},
        )
        for name, (modulus, ratio) in ELASTIC.items()
    }
    gradient = np.diag([1.0, 1.0, 1.0 + STRAIN])
    segment = LoadSegment(gradient, np.zeros((3, 3)), duration_s=1.0, increments=1)
    start = time.process_time()
    volume = build_representative_volume(MPI.COMM_SELF, mesh)
    problem = PeriodicProblem(volume, materials)
    try:
        last = list(problem.march(LoadPath([segment], axis="z")))[-1]
    except NotConvergedError as error:
        return {"converged": False, "reason": str(error)}
    return {
        "converged": last.cutbacks == 0,
        "unknowns": problem.number_of_dofs,
        "newton_iterations": last.newton_iterations,
        "linear_iterations": last.linear_iterations,
        "smallest_jacobian": min(last.minimum_jacobian_points, last.minimum_jacobian_vertices),
        "stress_gpa": float(last.first_piola_kirchhoff_stress[2, 2]),
        "cpu_s": time.process_time() - start,
    }


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Entries of the present generator; a line cut short by a kill is left out."""
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if entry.get("generator_version") == GENERATOR_VERSION:
            entries.append(entry)
    return entries


def failure(entry: dict[str, Any]) -> str | None:
    """What is wrong with a mesh, if anything."""
    if "refused_cell" in entry:
        return f"no cell: {entry['refused_cell']}"
    if "refused_mesh" in entry:
        return f"no mesh: {entry['refused_mesh']}"
    if not entry["quotient_accepted"]:
        return "the periodic topology is not sound"
    if entry["periodic_mismatch"] > 1e-10:
        return f"images {entry['periodic_mismatch']:.1e} of the cell off a period"
    if entry["largest_fraction_error"] > 0.01 or entry["volume_error"] > 1e-9:
        return "volumes are not those of the geometry"
    solve = entry.get("solve")
    if solve and not (solve["converged"] and solve["smallest_jacobian"] > 0.0):
        return f"the elastic problem was not solved: {solve.get('reason', 'inverted or cut back')}"
    return None


def run(sweep: Sweep, directory: Path, pool: WorkerPool) -> list[dict[str, Any]]:
    """Measure the seeds of a sweep that have no line yet."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / sweep.file_name
    composite = composite_statistics(read_statistics(STATISTICS), str(STATISTICS))
    done = {entry["seed"] for entry in read_lines(path)}
    for seed in sweep.seeds:
        if seed in done:
            continue
        entry = measured(sweep, seed, composite, pool)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
        wrong = failure(entry)
        text = wrong or (
            f"{entry['route']}, {entry['tetrahedra']} tetrahedra, worst dihedral angle "
            f"{entry['minimum_dihedral_angle_deg']:.1f}, gamma {entry['minimum_gamma']:.2f}, "
            f"{entry['mesh_cpu_s']:.1f} CPU s"
        )
        print(f"{sweep.n_grains} grains, {sweep.size_nm:g} nm, seed {seed}: {text}", flush=True)
    wanted = set(sweep.seeds)
    return sorted(
        (entry for entry in read_lines(path) if entry["seed"] in wanted),
        key=lambda entry: entry["seed"],
    )


def row(sweep: Sweep, entries: Sequence[dict[str, Any]]) -> str:
    """One row of the table."""
    meshed = [entry for entry in entries if "tetrahedra" in entry]
    failed = sum(failure(entry) is not None for entry in entries)
    variants = sum(entry["route"].startswith("whole cells, ") for entry in meshed)
    stuffed = sum(entry["route"] == "isosurface stuffing" for entry in meshed)
    retried = sum(len(entry["retried_grains"]) for entry in meshed)

    def values(key: str) -> list[float]:
        return [entry[key] for entry in meshed]

    cost = [1e3 * entry["mesh_cpu_s"] / entry["tetrahedra"] for entry in meshed]
    angles, gammas = values("minimum_dihedral_angle_deg"), values("minimum_gamma")
    cells = [
        f"{sweep.n_grains}",
        f"{sweep.size_nm:g}",
        f"{len(entries)}",
        f"{failed}",
        f"{retried} / {variants} / {stuffed}",
        f"{averages.median(values('tetrahedra')) / 1e3:.1f}",
        f"{averages.median(values('nodes')) / 1e3:.1f}",
        f"{min(angles):.1f} / {averages.median(angles):.1f}",
        f"{min(gammas):.2f} / {averages.median(gammas):.2f} / "
        f"{averages.median(values('mean_gamma')):.2f}",
        f"{max(values('largest_fraction_error')):.0e}",
        f"{max(values('periodic_mismatch')):.0e}",
        f"{averages.median(values('cell_cpu_s')):.1f}",
        f"{averages.median(values('mesh_cpu_s')):.1f}",
        f"{averages.median(cost):.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| grains | size, nm | seeds | failures | retried grains / variants / stuffed | tets, 1000 "
    "| nodes, 1000 | dihedral angle, worst / median of the worst, deg "
    "| gamma, worst / median of the worst / mean | fraction error | periodic mismatch "
    "| cell, CPU s | mesh, CPU s | CPU s per 1000 tets |"
)


def solve_text(entries: Sequence[dict[str, Any]]) -> list[str]:
    """Sentence on the elastic solves."""
    solves = [entry["solve"] for entry in entries if "solve" in entry]
    if not solves:
        return []
    good = [solve for solve in solves if solve["converged"]]
    each = [solve["linear_iterations"] / solve["newton_iterations"] for solve in good]
    return [
        f"Elastic solves ({-100 * STRAIN:g} % uniaxial compression, finite kinematics): "
        f"{len(good)} of {len(solves)} converged in "
        f"{min(s['newton_iterations'] for s in good)} to "
        f"{max(s['newton_iterations'] for s in good)} Newton iterations of {min(each):.1f} to "
        f"{max(each):.1f} Krylov iterations (ratio {max(each) / min(each):.2f}); smallest det F at "
        f"points and vertices of elements {min(s['smallest_jacobian'] for s in good):.4f}."
    ]


def table(results: Sequence[tuple[Sweep, list[dict[str, Any]]]]) -> str:
    """Make the table with what is said below it."""
    lines = [HEAD, "|" + " --- |" * HEAD.count(" | ") + " --- |"]
    lines += [row(sweep, entries) for sweep, entries in results if entries]
    for sweep, entries in results:
        if sweep.solved and entries:
            lines += ["", *solve_text(entries)]
    return "\n".join(lines)


def write_document(text: str, path: Path) -> None:
    """Put the table between its markers."""
    document = path.read_text(encoding="utf-8")
    before, rest = document.split(START, 1)
    _, after = rest.split(END, 1)
    path.write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> int:
    """Run a plan; 1 if any seed failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--plan", choices=PLANS, default="full")
    parser.add_argument("--directory", type=Path, default=DIRECTORY)
    parser.add_argument("--write-docs", action="store_true", help="write the table")
    arguments = parser.parse_args()
    with WorkerPool() as pool:
        results = [
            (sweep, run(sweep, arguments.directory, pool)) for sweep in PLANS[arguments.plan]
        ]
    text = table(results)
    print(text)
    if arguments.write_docs:
        write_document(text, DOCUMENT)
    wrong = [
        f"{sweep.n_grains} grains, seed {entry['seed']}: {reason}"
        for sweep, entries in results
        for entry in entries
        if (reason := failure(entry)) is not None
    ]
    print("\n".join(wrong) if wrong else "no failures")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
