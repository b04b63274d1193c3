"""How large a cell must be: effective stiffness of several realizations by the number of grains.

    python benchmarks/rve_size.py                # what is missing of the study, then the table
    python benchmarks/rve_size.py --write-docs   # the table and the figure of docs/ as well
    python benchmarks/rve_size.py --quick        # two small cells, to see whether it runs

Each cell is made from the shipped statistics with the elastic constants of parameter set A. Its
stiffness.json lies below the directory of the study (--out, by default runs/verify-rve/size) as
soon as it is known, so that the study can be stopped at any time and started again. The study of
the docs takes about an hour on one core and 5 GiB of memory for its largest cells; under
``mpiexec -n 2 python benchmarks/rve_size.py`` it is shared by two.

Beside the scatter between cells there is the error of the mesh: the cells of 8 grains are solved
on a second, finer mesh as well, and the difference is taken cell by cell.
"""

import argparse
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before anything numerical is imported: the ranks are the parallelism.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from mpi4py import MPI

import numpy as np
from matplotlib.ticker import FormatStrFormatter, NullLocator

from ngcfem.case.schema import Case, case_from_mapping
from ngcfem.errors import RefusedError
from ngcfem.report.figures import new_figure, png, styled
from ngcfem.results.atomic import read_json, write_bytes_atomically, write_text_atomically
from ngcfem.results.ensemble import Statistic
from ngcfem.workflow.stiffness import stiffness_of_case
from ngcfem.workflow.watching import Watcher

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "cases" / "fe90sc10_set_a.toml"
PAGE = ROOT / "docs" / "rve_size.md"
FIGURE = ROOT / "docs" / "images" / "rve_size.png"
BEGIN, END = "<!-- written by benchmarks/rve_size.py: begin -->", "<!-- end -->"


@dataclass(frozen=True)
class Study:
    """Cells of one number of grains on meshes of one size."""

    n_grains: int
    n_realizations: int
    size_nm: float

    @property
    def name(self) -> str:
        """Name of its directory."""
        return f"grains_{self.n_grains:03d}_size_{self.size_nm:g}"


STUDIES = (Study(8, 10, 2.0), Study(8, 3, 1.2), Study(27, 10, 2.0), Study(64, 3, 2.0))
QUICK = (Study(2, 2, 3.0), Study(4, 2, 3.0))
QUANTITIES = (
    ("bulk_modulus_gpa", "K [GPa]"),
    ("shear_modulus_gpa", "G [GPa]"),
    ("youngs_modulus_gpa", "E [GPa]"),
    ("universal_anisotropy", "anisotropy A^U"),
)


def case_of(study: Study) -> Case:
    """Take the shipped case with the cell of a study."""
    document = tomllib.loads(CASE.read_text())
    document["microstructure"] |= {
        "n_grains": study.n_grains,
        "n_realizations": study.n_realizations,
    }
    document["mesh"]["size_nm"] = study.size_nm
    return case_from_mapping(document, CASE)


def compute(study: Study, directory: Path) -> None:
    """Take every stiffness of a study that is not there yet."""

    def say(text: str) -> None:
        print(f"{study.name}: {text}", flush=True)

    try:
        stiffness_of_case(case_of(study), directory / study.name, Watcher(message=say))
    except RefusedError as refusal:
        # The others are there: the table says how many.
        if MPI.COMM_WORLD.rank == 0:
            say(str(refusal))


def results_of(study: Study, directory: Path) -> dict[int, dict[str, Any]]:
    """Read the stiffnesses of a study by realization."""
    place = directory / study.name / "realizations"
    found = {
        index: read_json(place / f"{index:03d}" / "stiffness.json")
        for index in range(study.n_realizations)
    }
    return {index: document for index, document in found.items() if document}


def table(studies: tuple[Study, ...], directory: Path) -> str:
    """Write mean and scatter of the moduli, a row a study."""
    head = ["grains", "element size [nm]", "cells", "tetrahedra", "unknowns", "CPU s a cell"]
    head += [f"{label}: mean ± standard deviation" for _, label in QUANTITIES]
    head.append("network [vol%]")
    rows = []
    for study in studies:
        found = list(results_of(study, directory).values())
        if not found:
            continue
        row = [
            str(study.n_grains),
            f"{study.size_nm:g}",
            f"{len(found)} of {study.n_realizations}",
        ]
        row += [f"{np.mean([entry[key] for entry in found]):.0f}" for key in ("n_cells", "n_dofs")]
        row.append(f"{np.mean([entry['cpu_s'] for entry in found]):.0f}")
        for key, _ in QUANTITIES:
            sample = Statistic.of([entry["moduli"][key] for entry in found])
            spread = sample.standard_deviation
            mean = f"{sample.mean:.3f}" if sample.mean > 1.0 else f"{sample.mean:.2e}"
            row.append(mean if spread is None else f"{mean} ± {spread:.1e}")
        shares = [100.0 * entry["phase_fractions"]["interface"] for entry in found]
        row.append(f"{np.mean(shares):.2f}")
        rows.append(row)
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, ["---:" for _ in head], *rows]]
    return "\n".join(lines)


def mesh_errors(studies: tuple[Study, ...], directory: Path) -> list[str]:
    """Compare the same cells on two meshes."""
    lines = []
    for fine in studies:
        for coarse in studies:
            if coarse.n_grains != fine.n_grains or coarse.size_nm <= fine.size_nm:
                continue
            first, second = results_of(coarse, directory), results_of(fine, directory)
            common = sorted(first.keys() & second.keys())
            for key, label in QUANTITIES[:2]:
                values = [first[n]["moduli"][key] / second[n]["moduli"][key] - 1.0 for n in common]
                if values:
                    lines.append(
                        f"{label.split()[0]} at {coarse.size_nm:g} nm over that at "
                        f"{fine.size_nm:g} nm, same {len(values)} cells of {fine.n_grains} grains: "
                        f"{100.0 * np.mean(values):+.4f} %, and between "
                        f"{100.0 * min(values):+.4f} % and {100.0 * max(values):+.4f} %."
                    )
    return lines


def remarks(studies: tuple[Study, ...], directory: Path) -> list[str]:
    """Bounds, and how the scatter falls."""
    lines = mesh_errors(studies, directory)
    documents = [entry for study in studies for entry in results_of(study, directory).values()]
    inside = [entry for entry in documents if entry["within_bounds"]["voigt_and_reuss"]]
    lines.append(f"Within the bounds of Voigt and Reuss: {len(inside)} of {len(documents)} cells.")
    for name in ("bulk", "shear"):
        inside = [e for e in documents if e["within_bounds"][f"hashin_shtrikman_{name}"]]
        lines.append(
            f"{name.capitalize()} modulus within Hashin-Shtrikman: "
            f"{len(inside)} of {len(documents)}."
        )
    return lines


def draw(studies: tuple[Study, ...], directory: Path) -> bytes:
    """Draw moduli, their scatter and the anisotropy over the number of grains."""
    coarse = max(study.size_nm for study in studies)
    with styled():
        figure = new_figure(9.6, 6.4)
        ((bulk, shear), (scatter, anisotropy)) = figure.subplots(2, 2)
        for axes, (key, label) in (
            (bulk, QUANTITIES[0]),
            (shear, QUANTITIES[1]),
            (anisotropy, QUANTITIES[3]),
        ):
            for study in studies:
                found = results_of(study, directory).values()
                values = [entry["moduli"][key] for entry in found]
                if not values:
                    continue
                fine = study.size_nm != coarse
                place = study.n_grains * (1.12 if fine else 1.0)
                colour = "#b3261e" if fine else "#1b4f8a"
                axes.plot([place] * len(values), values, "o", color=colour, alpha=0.35, ms=4.0)
                sample = Statistic.of(values)
                # The interval of two cells would hide everything else.
                if sample.hi95 is not None and sample.n > 2:
                    axes.errorbar(
                        place * 1.05,
                        sample.mean,
                        yerr=sample.hi95 - sample.mean,
                        color=colour,
                        marker="s",
                        ms=5.0,
                        capsize=4.0,
                        label=f"size {study.size_nm:g} nm" if study.n_grains == 8 else None,
                    )
            axes.set_ylabel(label)
        bulk.set_title("points: cells; squares: mean, 95 % interval", loc="left")
        if bulk.get_legend_handles_labels()[1]:
            bulk.legend(loc="best")
        for (key, label), colour, marker in (
            (QUANTITIES[0], "#1b4f8a", "o"),
            (QUANTITIES[1], "#b3261e", "s"),
        ):
            points = []
            for study in studies:
                values = [e["moduli"][key] for e in results_of(study, directory).values()]
                if study.size_nm == coarse and len(values) > 1:
                    spread = np.std(values, ddof=1) / np.mean(values)
                    points.append((study.n_grains, 100.0 * spread))
            if points:
                grains, spreads = np.array(points).T
                scatter.plot(grains, spreads, marker, color=colour, label=label.split()[0])
                line = np.array([0.8 * grains.min(), 1.25 * grains.max()])
                scatter.plot(
                    line,
                    spreads[0] * np.sqrt(grains[0] / line),
                    color=colour,
                    linewidth=0.9,
                    linestyle="--",
                    label=f"{label.split()[0]}: one over the root of the volume",
                )
        scatter.set_yscale("log")
        for which in (scatter.yaxis.set_major_formatter, scatter.yaxis.set_minor_formatter):
            which(FormatStrFormatter("%.2g"))
        scatter.set_ylabel("standard deviation over mean [%]")
        scatter.legend(loc="best")
        anisotropy.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        for axes in (bulk, shear, scatter, anisotropy):
            axes.set_xscale("log")
            numbers = sorted({study.n_grains for study in studies})
            axes.set_xticks(numbers, [str(number) for number in numbers])
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xlim(0.8 * numbers[0], 1.4 * numbers[-1])
            axes.set_xlabel("grains in the cell")
        return png(figure)


def main() -> None:
    """Compute what is missing; rank 0 then writes what is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/verify-rve/size"))
    parser.add_argument("--quick", action="store_true", help="two small cells instead")
    parser.add_argument("--write-docs", action="store_true", help="table and figure of docs/")
    parser.add_argument("--only-table", action="store_true", help="compute nothing")
    options = parser.parse_args()
    studies = QUICK if options.quick else STUDIES
    if not options.only_table:
        for study in studies:
            compute(study, options.out)
    if MPI.COMM_WORLD.rank != 0:
        return
    text = table(studies, options.out)
    lines = remarks(studies, options.out)
    print("\n".join([text, "", *lines]))
    options.out.mkdir(parents=True, exist_ok=True)
    figure = draw(studies, options.out)
    write_bytes_atomically(options.out / "rve_size.png", figure)
    if options.write_docs:
        page = PAGE.read_text()
        head, _, rest = page.partition(BEGIN)
        _, _, tail = rest.partition(END)
        listed = "\n".join(f"- {line}" for line in lines)
        shown = "![Moduli, scatter and anisotropy by the number of grains](images/rve_size.png)"
        written = "\n\n".join([text, listed, shown])
        write_text_atomically(PAGE, f"{head}{BEGIN}\n{written}\n{END}{tail}")
        write_bytes_atomically(FIGURE, figure)


if __name__ == "__main__":
    main()
