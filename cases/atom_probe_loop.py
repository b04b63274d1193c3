"""The closed loop: statistics, cell, synthetic atom probe data, measured statistics, cell, curve.

    python cases/atom_probe_loop.py [DIRECTORY]

A cell is made from the shipped statistics, but with a network of 22 at% Sc and crystals of 4.5 nm,
and evaporated; the data set is analysed as if it were a real one; from what was measured a second
cell is made, meshed and run. ``drift.md`` shows what the first cell had, what was measured, and
what the second cell has: the difference between the two cells should lie within the interval of
the measurement. Both cells have the same seed, so that what differs is due to the measurement.
"""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np

from ngcfem.atomprobe.statistics import quantities_of, read_statistics
from ngcfem.atomprobe.statistics_comparison import quantity_in_words
from ngcfem.atomprobe.statistics_sections import StatisticsFile
from ngcfem.case.build import build_statistics
from ngcfem.case.schema import Case, case_from_mapping
from ngcfem.microstructure.cell import cell_from_json
from ngcfem.results.atomic import write_json_atomically, write_text_atomically
from ngcfem.results.history import read_curve
from ngcfem.workflow.apt_synthetic import SyntheticRequest, apt_synthetic_stage
from ngcfem.workflow.specimen_analysis import SpecimenRequest, analyse_specimen
from ngcfem.workflow.specimen_truth import specimen_truth
from ngcfem.workflow.stages import generate_cell_stage, run_stage
from ngcfem.workflow.synthetic_specimen import RegionAtoms

CASE = Path(__file__).resolve().parent / "demo.toml"
SHIPPED = CASE.parent / "data" / "fe90sc10_statistics.json"
DIRECTORY = Path("runs/atom_probe_loop")
DRIFTING = ("composition.", "volume_fractions.", "grains.", "interface.", "crystals.", "sc_rich.")


def main(
    directory: Path = DIRECTORY,
    n_grains: int = 16,
    size_nm: float = 34.0,
    mesh_nm: float = 2.5,
    true_strain: float = -0.04,
    increments: int = 8,
) -> float:
    """Go once around, and give the largest stress of the second cell in GPa.

    Parameters
    ----------
    directory : Path
        Where everything is written.
    n_grains : int
        Number of grains of either cell.
    size_nm : float
        Edge of the specimen: a few grains must lie in it as wholes.
    mesh_nm : float
        Size of the elements of the second cell.
    true_strain : float
        Strain of the run, negative in compression.
    increments : int
        Steps of the run.

    Returns
    -------
    float
        Largest axial stress in magnitude.
    """
    directory.mkdir(parents=True, exist_ok=True)
    document = tomllib.loads(CASE.read_text(encoding="utf-8"))
    document["statistics"] = {"file": str(write_asked_statistics(directory))}
    document["microstructure"]["n_grains"] = n_grains
    document["mesh"]["size_nm"] = mesh_nm
    document["load"] |= {"true_strain": true_strain, "increments": increments}
    document.pop("compare")
    first = case_from_mapping(document, CASE)
    print(apt_synthetic_stage(first, directory / "specimen", SyntheticRequest((size_nm,))))

    data = directory / "specimen" / "specimen.apt"
    ranges = data.with_suffix(".rrng")
    request = SpecimenRequest(synthetic=True, efficiency=0.52)
    print(analyse_specimen(data, ranges, directory / "measured", request))
    measured = (directory / "measured" / "statistics.json").resolve()
    document["statistics"] = {"file": str(measured)}
    second = case_from_mapping(document, CASE)
    print(generate_cell_stage(second, directory / "second_cell"))
    table = drift_table(directory, second, read_statistics(measured))
    write_text_atomically(directory / "drift.md", table)
    print(table)

    history = read_curve(run_stage(second, directory / "run") / "curve.csv")
    return float(np.abs(history.first_piola_kirchhoff_stress[:, 2, 2]).max())


def write_asked_statistics(directory: Path) -> Path:
    """Write the shipped statistics with a network and crystals that are seen at once."""
    document = json.loads(SHIPPED.read_text(encoding="utf-8"))
    composition = document["composition"]
    for element, value in (("Fe", 76.0), ("Sc", 22.0)):
        composition["interface"][element]["value"] = value
    for element, value in (("Fe", 87.8), ("Sc", 12.2)):
        composition["bulk"][element] |= {"value": value, "provenance": "assumed"}
    document["crystals"]["diameter_mean"]["value"] = 4.5
    path = (directory / "asked_statistics.json").resolve()
    write_json_atomically(path, document)
    return path


def drift_table(directory: Path, second: Case, measured: StatisticsFile) -> str:
    """Put the numbers of both cells and the measurement between them side by side."""
    statistics = build_statistics(second)
    assert statistics is not None
    cell = cell_from_json((directory / "second_cell" / "cell.json").read_text(encoding="utf-8"))
    regions = RegionAtoms(statistics.compositions_at_percent, statistics.atomic_volumes_nm3)
    edges = np.diag(cell.lattice).copy()
    after = quantities_of(specimen_truth(cell, regions, edges, 1.0).statistics)
    before = quantities_of(read_statistics(directory / "specimen" / "truth_statistics.json"))
    lines = [
        "| number | unit | first cell | measured (95 % interval) | second cell | drift | within |",
        "| :--- | :--- | ---: | ---: | ---: | ---: | :--- |",
    ]
    for key, found in quantities_of(measured).items():
        if not key.startswith(DRIFTING) or key not in before or key not in after:
            continue
        drift = after[key].value - before[key].value
        within = ""
        if found.lo95 is not None and found.hi95 is not None:
            inside = found.lo95 - found.value <= -drift <= found.hi95 - found.value
            within = "yes" if inside else "no"
        lines.append(
            f"| `{key}` | {found.unit} | {before[key].value:.4g} | {quantity_in_words(found)} | "
            f"{after[key].value:.4g} | {drift:+.3g} | {within} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY)
