"""The displacement elements against each other at large strain.

    python benchmarks/element_study.py               # what is missing of the table
    python benchmarks/element_study.py --only sphere # problems whose name contains a word
    python benchmarks/element_study.py --write-docs  # and put the table into docs/element.md

Each problem is compressed to a true strain of 0.8 in a process of its own, eight increments to
0.04 and nineteen to the end. One line of JSON for each goes to ``runs/element-study``; a problem
that has one is passed over, so a study that was stopped goes on where it stood. CPU seconds depend
on the machine and on what else runs on it; all else does not.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import math
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DIRECTORY = ROOT / "runs" / "element-study"
DOCUMENT = ROOT / "docs" / "element.md"
START, END = "<!-- element_study: start -->", "<!-- element_study: end -->"
MATERIALS = ROOT / "cases" / "materials"

TRUE_STRAIN = (-0.04, -0.8)
INCREMENTS = (8, 19)
FRACTION = 4.0 / 3.0 * math.pi * 0.3**3
ELEMENTS = ("p2", "p2-nodal")


@dataclass(frozen=True)
class Problem:
    """A cell with the laws of its phases, solved with one element.

    Parameters
    ----------
    name : str
        Cell, parameter set and law of the glass.
    element : str
        Displacement element.
    size_nm : float
        Element size of the sphere cell; 0 for the shipped composite.
    glass : str
        Law of the glass.
    parameter_set : {"a", "b"}
        Shipped parameters.
    crystal : str
        Law of the crystals.
    share : float
        Share of the bulk stiffness that is not averaged.
    """

    name: str
    element: str
    size_nm: float
    glass: str = "j2"
    parameter_set: str = "b"
    crystal: str = "j2"
    share: float = 0.1

    @property
    def element_in_words(self) -> str:
        """Element, with its share where that is not the default."""
        return self.element if self.share == 0.1 else f"{self.element}, share {self.share:g}"

    @property
    def key(self) -> str:
        """Name of the file of the result."""
        return f"{self.name}, {self.size_nm:g} nm, {self.element_in_words}".replace(" ", "_")


def problems() -> list[Problem]:
    """List all problems in the order in which they are solved, cheap ones first."""
    listed = [
        Problem("sphere, set B, j2", element, size_nm)
        for size_nm in (1.3, 0.9)
        for element in ELEMENTS
    ]
    listed += [
        Problem("sphere, set B, j2", "p2-nodal", size_nm, share=share)
        for size_nm in (1.3, 0.9)
        for share in (0.2, 0.4)
    ]
    for element in ELEMENTS:
        listed += [
            Problem("sphere, set A, j2", element, 1.3, parameter_set="a"),
            Problem("sphere, set B, drucker-prager", element, 1.3, "drucker-prager"),
            Problem("sphere, set B, mohr-coulomb", element, 1.3, "mohr-coulomb"),
            Problem(
                "sphere, set B, j2, crystal of slip", element, 1.3, crystal="crystal-plasticity"
            ),
        ]
    for element in ELEMENTS:
        listed.append(Problem("composite of 8 grains, set B, j2", element, 0.0))
    for element in ELEMENTS:
        listed.append(Problem("sphere, set B, j2", element, 0.65))
    for element in ELEMENTS:
        listed.append(Problem("composite of 8 grains, set A, j2", element, 0.0, parameter_set="a"))
    for element in ELEMENTS:
        listed.append(
            Problem("composite of 8 grains, set B, mohr-coulomb", element, 0.0, "mohr-coulomb")
        )
    return listed


def material_of(problem: Problem, phase: str, region: str) -> Any:
    """Material of a phase, from the shipped files, without the internal length."""
    from ngcfem.case.materials import load_material
    from ngcfem.constitutive.material import Material

    law = problem.crystal if region == "nanocrystal" else problem.glass
    name = f"fe90sc10_{region}_set_{problem.parameter_set}"
    if law == "mohr-coulomb":
        name += "_mohr_coulomb"
    if law == "crystal-plasticity":
        name = f"fe90sc10_{region}_crystal_plasticity"
    read = load_material(MATERIALS / f"{name}.toml").phase
    parameters = dict(read.parameters)
    if law == "drucker-prager":
        # Equal yield in uniaxial compression; rate independent.
        parameters |= {"friction_coefficient": 0.1, "dilatancy": 0.0}
    # Local softening, as in the studies this is compared with: the element alone is in question.
    for name in ("characteristic_length_nm", "overnonlocal_weight", "micromorphic_modulus_gpa"):
        parameters.pop(name, None)
    return Material(phase, law, parameters)


def measure(problem: Problem) -> dict[str, Any]:
    """Solve one problem in this process, as far as it goes."""
    from mpi4py import MPI

    import numpy as np

    from ngcfem.errors import NotConvergedError
    from ngcfem.fem.periodic import build_representative_volume
    from ngcfem.fem.problem import PeriodicProblem
    from ngcfem.fem.solver_options import SolverOptions
    from ngcfem.loading.path import uniaxial_stress
    from ngcfem.mesh.generation import generate_mesh
    from ngcfem.mesh.reading import read_written_mesh
    from ngcfem.microstructure.simple_cells import sphere_cell

    if problem.size_nm > 0.0:
        mesh = generate_mesh(sphere_cell(FRACTION), problem.size_nm, use_cache=False)
        regions = {"matrix": "grain", "inclusion": "nanocrystal"}
    else:
        mesh = read_written_mesh(ROOT / "meshes" / "composite_coarse.msh")
        regions = {name: name for name in mesh.phase_names}
    materials = {name: material_of(problem, name, regions[name]) for name in mesh.phase_names}
    volume = build_representative_volume(MPI.COMM_SELF, mesh)
    options = SolverOptions(
        element=problem.element, local_pressure_share=problem.share, residual_tolerance=1e-6
    )
    solved = PeriodicProblem(volume, materials, options=options)
    started, first_negative, end = time.process_time(), None, None
    newton = linear = cutbacks = steps = 0
    curve, reason = [], ""
    try:
        for row in solved.march(uniaxial_stress("z", TRUE_STRAIN, 1e-3, INCREMENTS)):
            end = row
            newton += row.newton_iterations
            linear += row.linear_iterations
            cutbacks += row.cutbacks
            steps += 1
            F = row.deformation_gradient
            kirchhoff = row.first_piola_kirchhoff_stress @ F.T
            sigma = -float(kirchhoff[2, 2] / np.linalg.det(F))
            strain = -math.log(F[2, 2])
            if row.negative_vertex_jacobians and first_negative is None:
                first_negative = strain
            curve.append([strain, sigma, row.pressure_noise, row.minimum_jacobian_vertices])
            if row.increment == 1:
                # The first step compiles the laws and the element kernel.
                started = time.process_time()
    except NotConvergedError as error:
        reason = str(error)
    assert end is not None
    crystal = next(name for name, region in regions.items() if region == "nanocrystal")
    return {
        "cells": len(mesh.cells),
        "unknowns": solved.number_of_dofs,
        "strain": curve[-1][0],
        "cauchy_stress_gpa": curve[-1][1],
        "strain_of_phases": {
            name: phase.mean_equivalent_plastic_strain for name, phase in end.phases.items()
        },
        "crystal": crystal,
        "pressure_noise": end.pressure_noise,
        "minimum_jacobian_points": end.minimum_jacobian_points,
        "minimum_jacobian_vertices": end.minimum_jacobian_vertices,
        "cells_with_negative_vertices": end.negative_vertex_jacobians,
        "first_strain_with_negative_vertices": first_negative,
        "hill_mandel_error": end.hill_mandel_error,
        "steps": steps - 1,
        "newton_iterations": newton,
        "linear_iterations": linear,
        "cutbacks": cutbacks,
        "cpu_s": time.process_time() - started,
        "cpu_s_by_phase": solved.cpu_seconds,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2.0**20,
        "reason": reason,
        "curve": curve,
    }


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the table in Markdown."""
    lines = [
        "| problem | element | unknowns | strain | stress, GPa | kappa of the crystals | "
        "pressure noise | min J points / vertices | cells with J < 0 at a vertex (from strain) | "
        "Newton / step | Krylov / Newton | cut-backs | CPU s | GiB |",
        "|---" * 14 + "|",
    ]
    for problem in problems():
        row = results.get(problem.key)
        if row is None:
            continue
        first = row["first_strain_with_negative_vertices"]
        negative = str(row["cells_with_negative_vertices"])
        negative += "" if first is None else f" ({first:.2f})"
        lines.append(
            f"| {problem.name} | {problem.element_in_words} | {row['unknowns']} | "
            f"{row['strain']:.2f} | "
            f"{row['cauchy_stress_gpa']:.3f} | {row['strain_of_phases'][row['crystal']]:.3f} | "
            f"{row['pressure_noise']:.3f} | {row['minimum_jacobian_points']:.2f} / "
            f"{row['minimum_jacobian_vertices']:.2f} | {negative} | "
            f"{row['newton_iterations'] / max(row['steps'], 1):.1f} | "
            f"{row['linear_iterations'] / max(row['newton_iterations'], 1):.0f} | "
            f"{row['cutbacks']} | {row['cpu_s']:.0f} | {row['peak_gib']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def stored() -> dict[str, dict[str, Any]]:
    """Read the results that there are."""
    return {path.stem: json.loads(path.read_text()) for path in DIRECTORY.glob("*.json")}


def write_document(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the table between its marks in the document."""
    text = DOCUMENT.read_text()
    before, rest = text.split(START)
    after = rest.split(END)[1]
    DOCUMENT.write_text(f"{before}{START}\n{provenance()}\n{table(results)}{END}{after}")


def provenance() -> str:
    """Commit, date and machine of the results."""
    commit = subprocess.run(
        ["git", "describe", "--always"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    date = time.strftime("%Y-%m-%d", time.gmtime())
    machine = f"{platform.machine()}, {os.cpu_count()} processors"
    return f"Made by `python benchmarks/element_study.py`, commit {commit}, {date}, {machine}.\n"


def main() -> None:
    """Solve what is missing, each problem in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", help="problems whose name contains this")
    parser.add_argument("--write-docs", action="store_true", help="put the table into the document")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    by_key = {problem.key: problem for problem in problems()}
    if arguments.one:
        print(json.dumps(measure(by_key[arguments.one])))
        return
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for key in by_key:
        target = DIRECTORY / f"{key}.json"
        if arguments.only not in key.replace("_", " ") or target.exists():
            continue
        finished = subprocess.run(
            [sys.executable, __file__, "--one", key], capture_output=True, text=True, check=False
        )
        if finished.returncode:
            print(f"{key}: {finished.stderr}", file=sys.stderr)
            continue
        partial = target.with_suffix(".part")
        partial.write_text(finished.stdout.splitlines()[-1])
        partial.replace(target)
        print(f"{key}: done", flush=True)
    results = stored()
    print(table(results))
    if arguments.write_docs:
        write_document(results)


if __name__ == "__main__":
    main()
