"""Memory and CPU time of the solver by the number of unknowns: the constants of problem_size.py.

    python benchmarks/solve_cost.py                          # the sizes that the constants rest on
    python benchmarks/solve_cost.py cases/demo.toml 2.5 1.5  # a case at element sizes of your own

Each size runs in a process of its own, so that its peak memory is its own. A case is followed for
four increments to 4 % true strain, which passes yield, and the CPU time is divided by the number
of Newton iterations. CPU seconds depend on the machine, on the width of its memory, and on what
else runs on it; the ratio of two sizes hardly does.
"""

import json
import resource
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "cases" / "fe90sc10_set_a.toml"
SIZES_NM = (2.5, 1.5, 1.1)
INCREMENTS = 4
TRUE_STRAIN = -0.04


def measure(case_file: Path, size_nm: float) -> dict[str, float]:
    """Follow a case for a few increments in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    from mpi4py import MPI

    from ngcfem.case.build import build_cell, build_materials, build_mesh, build_solver_options
    from ngcfem.case.schema import case_from_mapping
    from ngcfem.fem.periodic import build_representative_volume
    from ngcfem.fem.problem import PeriodicProblem
    from ngcfem.loading.path import uniaxial_stress
    from ngcfem.workflow.problem_size import size_of_mesh

    document = tomllib.loads(case_file.read_text())
    document["mesh"]["size_nm"] = size_nm
    case = case_from_mapping(document, case_file.absolute())
    meshing = time.process_time()
    mesh = build_mesh(case, build_cell(case))
    meshing = time.process_time() - meshing
    size = size_of_mesh(mesh)
    imports_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2.0**20
    problem = PeriodicProblem(
        build_representative_volume(MPI.COMM_SELF, mesh),
        build_materials(case),
        options=build_solver_options(case),
    )
    started = time.process_time()
    iterations = linear = 0
    for increment in problem.march(uniaxial_stress("z", TRUE_STRAIN, 1e-3, INCREMENTS)):
        iterations += increment.newton_iterations
        linear += increment.linear_iterations
        if increment.increment == 1:
            # The first step compiles the laws and the element kernel.
            started, iterations, linear = time.process_time(), 0, 0
    cpu = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "size_nm": size_nm,
        "cells": size.cells,
        "n_dofs": size.unknowns,
        "cells_per_volume": size.cells * size_nm**3 / mesh.cell_volume_nm3,
        "newton_iterations": iterations,
        "linear_iterations": linear,
        "cpu_s_per_newton_iteration": cpu / iterations,
        "cpu_us_per_unknown_and_iteration": 1e6 * cpu / iterations / size.unknowns,
        "peak_gib": peak.ru_maxrss / 2.0**20,
        "gib_before_solving": imports_gib,
        "start_gib": before.ru_maxrss / 2.0**20,
        "cpu_s_in_all": peak.ru_utime + peak.ru_stime,
    }


def main() -> None:
    """Measure each size in a process of its own and fit memory and time."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(Path(sys.argv[2]), float(sys.argv[3]))))
        return
    case = Path(sys.argv[1]) if len(sys.argv) > 1 else CASE
    sizes = [float(word) for word in sys.argv[2:]] or list(SIZES_NM)
    found = []
    for size_nm in sizes:
        finished = subprocess.run(
            [sys.executable, __file__, "--one", str(case), str(size_nm)],
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(finished.stdout.splitlines()[-1]))
        print(json.dumps(found[-1]), flush=True)
    if len(found) > 1:
        first, last = found[0], found[-1]
        more = last["n_dofs"] - first["n_dofs"]
        slope = (last["peak_gib"] - first["peak_gib"]) / more
        print(f"memory: {first['peak_gib'] - slope * first['n_dofs']:.3f} GiB a process")
        print(f"        {slope * 2.0**30:.0f} bytes an unknown")


if __name__ == "__main__":
    main()
