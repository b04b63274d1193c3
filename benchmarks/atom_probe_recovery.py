"""How well an analysis gives back what a synthetic specimen is known to hold.

    python benchmarks/atom_probe_recovery.py                # what is missing, then the tables
    python benchmarks/atom_probe_recovery.py --write-docs   # the tables of docs/ as well
    python benchmarks/atom_probe_recovery.py --only NAME    # one specimen

Each specimen is a cell of its own seed, made from the shipped statistics with larger grains and
crystals, evaporated, analysed with the defaults, and compared with its truth. The result of each
lies below the directory of the study (--out, by default runs/atom_probe_recovery) as soon as it is
known, so that the study can be stopped at any time and started again.
"""

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from ngcfem.atomprobe.composition_field import composition_field
from ngcfem.atomprobe.crystal_matching import TrueCrystals, match_crystals
from ngcfem.atomprobe.crystal_quantities import crystal_quantities
from ngcfem.atomprobe.crystal_results import (
    CrystalParameters,
    CrystalsFound,
    crystal_regions,
)
from ngcfem.atomprobe.crystals import find_crystals
from ngcfem.atomprobe.evaporation import EvaporationParameters, mass_ranges
from ngcfem.atomprobe.grains import find_grains
from ngcfem.atomprobe.network import measure_network
from ngcfem.atomprobe.network_quantities import network_quantities
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.atomprobe.ranging import UNRANGED, RangeTable
from ngcfem.atomprobe.sc_rich import region_compositions, sc_rich_quantities
from ngcfem.atomprobe.statistics import quantities_of
from ngcfem.atomprobe.statistics_comparison import ComparedQuantity
from ngcfem.atomprobe.statistics_sections import Quantity
from ngcfem.case.build import build_statistics
from ngcfem.case.schema import load_case
from ngcfem.errors import RefusedError
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.composite_cells import nanocomposite_cell
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.quantities import INTERFACE, FloatArray
from ngcfem.results.atomic import read_json, write_json_atomically, write_text_atomically
from ngcfem.workflow.deformed_state import HomogeneousDeformation
from ngcfem.workflow.specimen_truth import SpecimenTruth, specimen_truth
from ngcfem.workflow.synthetic_specimen import ELEMENTS, RegionAtoms, evaporate_cell

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "cases" / "demo.toml"
PAGE = ROOT / "docs" / "atom_probe_recovery.md"
BEGIN, END = "<!-- written by benchmarks/atom_probe_recovery.py: begin -->", "<!-- end -->"
N_GRAINS = 16
MOST_SEEDS = 20


@dataclass(frozen=True)
class Specimen:
    """One specimen of the study.

    Parameters
    ----------
    group : str
        Specimens whose results are shown together.
    seed : int
        Seed of cell and atoms.
    efficiency : float
        Detection efficiency.
    interface_sc_at_percent : float
        Sc content of the network; that of the grains is 8.9 at%.
    diameter_nm : float
        Mean diameter of the crystals, which varies by 10 %.
    aspect_ratio : float
        Of discs; 1 for spheres.
    magnification : float
        Local magnification of the crystals; that of the Sc-rich regions is its reciprocal.
    height : float
        Height over that before a compression along z at constant volume.
    """

    group: str
    seed: int
    efficiency: float
    interface_sc_at_percent: float
    diameter_nm: float = 5.0
    aspect_ratio: float = 1.0
    magnification: float = 1.0
    height: float = 1.0

    @property
    def stretches(self) -> FloatArray:
        """Principal stretches, shape (3,)."""
        return np.array([self.height**-0.5, self.height**-0.5, self.height])

    @property
    def name(self) -> str:
        """Name of its result."""
        return (
            f"d{self.diameter_nm:g}_a{self.aspect_ratio:g}_sc{self.interface_sc_at_percent:g}"
            f"_e{self.efficiency:g}_m{self.magnification:g}_s{self.seed}"
        ) + ("" if self.height == 1.0 else f"_h{self.height:g}")


STRONG, WEAK = "r 2.5 nm, network of 22 at% Sc", "r 2.5 nm, network of 14 at% Sc"
DISCS = "discs of aspect 2, network of 22 at% Sc"
SQUASHED = "compressed to 63 % of the height, network of 22 at% Sc"
CONTRAST = "local magnification 1.05, network of 22 at% Sc"
FEW, SMALL = "efficiency 0.37, network of 22 at% Sc", "r 1.2 nm, network of 22 at% Sc"
GROUPS: Mapping[str, str] = {
    STRONG: "resolved specimens",
    WEAK: "resolved specimens with the weak contrast of the shipped statistics",
    DISCS: "resolved specimens, flat crystals",
    SQUASHED: "a deformed state, in which the spheres have become discs of aspect 2",
    CONTRAST: "reported: crystals appear larger across the axis than they are",
    FEW: "reported: few atoms",
    SMALL: "reported: below the resolution",
}
SPECIMENS = (
    *(Specimen(STRONG, 1 + n, (0.52, 0.8)[n % 2], 22.0) for n in range(6)),
    *(Specimen(WEAK, 11 + n, (0.52, 0.8)[n % 2], 14.0) for n in range(4)),
    *(Specimen(DISCS, 21 + n, (0.52, 0.8)[n % 2], 22.0, aspect_ratio=2.0) for n in range(2)),
    *(Specimen(SQUASHED, 25 + n, (0.52, 0.8)[n % 2], 22.0, height=0.63) for n in range(2)),
    *(Specimen(CONTRAST, 31 + n, 0.52, 22.0, magnification=1.05) for n in range(2)),
    *(Specimen(FEW, 41 + n, 0.37, 22.0) for n in range(2)),
    *(Specimen(SMALL, 51 + n, (0.52, 0.8)[n % 2], 22.0, diameter_nm=2.4) for n in range(2)),
)


@dataclass(frozen=True)
class Target:
    """What is asked of one number: key, how it is shown, and the bound of its error."""

    key: str
    title: str
    bound: float
    absolute: bool = False


TARGETS = (
    Target("crystals.diameter_mean", "crystal diameter [nm]", 0.10),
    Target("crystals.aspect_ratio", "crystal aspect ratio", 0.15),
    Target("volume_fractions.nanocrystal", "crystal fraction", 0.15),
    Target("grains.lineal_intercept", "lineal intercept [nm]", 0.12),
    Target("interface.thickness", "network thickness [nm]", 0.15),
    Target("interface.gibbs_excess_sc", "excess of Sc [at.frac nm]", 0.08),
    Target("composition.grain.Sc", "Sc of the grains [at%]", 0.2, absolute=True),
)
RECALL, PRECISION = 0.85, 0.9


def statistics_of(specimen: Specimen) -> CompositeStatistics:
    """Take the shipped statistics with the numbers of a specimen."""
    shipped = build_statistics(load_case(CASE))
    assert shipped is not None
    sc = specimen.interface_sc_at_percent
    compositions = {
        **shipped.compositions_at_percent,
        INTERFACE: {"Fe": 98.0 - sc, "Sc": sc, "H": 2.0},
    }
    return replace(
        shipped,
        grain_diameter_nm=12.0,
        crystal_diameter_nm=specimen.diameter_nm,
        crystal_diameter_variation=0.1,
        crystal_aspect_ratio=specimen.aspect_ratio,
        crystal_shape="oblate",
        compositions_at_percent=compositions,
    )


def cell_of(specimen: Specimen, statistics: CompositeStatistics) -> PeriodicCell:
    """Make the cell of a specimen, with further seeds where crystals do not fit."""
    for attempt in range(MOST_SEEDS):
        try:
            return nanocomposite_cell(statistics, specimen.seed + 1000 * attempt, N_GRAINS)
        except RefusedError:
            continue
    raise RefusedError(f"{specimen.name}: no cell in {MOST_SEEDS} attempts")


def run(specimen: Specimen) -> dict[str, Any]:
    """Evaporate a specimen, analyse it, and hold the result against the truth."""
    statistics = statistics_of(specimen)
    cell = cell_of(specimen, statistics)
    regions = RegionAtoms(statistics.compositions_at_percent, statistics.atomic_volumes_nm3)
    parameters = EvaporationParameters(
        efficiency=specimen.efficiency,
        crystal_magnification=specimen.magnification,
        sc_rich_magnification=1.0 / specimen.magnification,
    )
    size = specimen.stretches * np.diag(cell.lattice)
    deformation = HomogeneousDeformation(np.diag(specimen.stretches))
    evaporated = evaporate_cell(cell, regions, size, parameters, specimen.seed, deformation)
    truth = specimen_truth(cell, regions, size, specimen.efficiency, deformation)
    table = RangeTable.of(mass_ranges(ELEMENTS, parameters))
    label = table.label(evaporated.mass_to_charge_da)
    kept = label != UNRANGED
    ions = RangedIons(table, evaporated.position_nm[kept], label[kept], int((~kept).sum()))
    start = time.monotonic()
    crystals, found = analyse(ions)
    seconds = time.monotonic() - start
    match = match_crystals(crystals, _true_crystals(truth))
    known = quantities_of(truth.statistics)
    return {
        "specimen": asdict(specimen),
        "n_ions": len(evaporated),
        "seconds": seconds,
        "recall": match.recall,
        "precision": match.precision,
        "n_crystals": match.n_true,
        "radius_ratio": match.radius_ratio,
        "radius_covered": match.radius_covered,
        "aspect_ratio_ratio": match.aspect_ratio_ratio,
        "cap_found_rate": match.cap_found_rate,
        "cap_false_rate": match.cap_false_rate,
        "rows": [
            {
                "key": key,
                "unit": quantity.unit,
                "value": quantity.value,
                "lo95": quantity.lo95,
                "hi95": quantity.hi95,
                "truth": known[key].value,
                "covered": ComparedQuantity(
                    key, quantity.unit, quantity, known[key]
                ).first_holds_second,
            }
            for key, quantity in found.items()
            if key in known and not key.startswith("source.")
        ],
    }


def analyse(ions: RangedIons) -> tuple[CrystalsFound, dict[str, Quantity]]:
    """Analyse a specimen with the defaults: crystals, and all numbers found."""
    parameters = CrystalParameters()
    field = composition_field(ions, parameters.voxel_nm, parameters.kernel_sigma_nm)
    crystals = find_crystals(ions, field, parameters)
    found = crystal_quantities(crystals) | sc_rich_quantities(crystals)
    found |= region_compositions(ions, crystals)
    grains = find_grains(ions, field, excluded=crystal_regions(crystals, field.grid))
    return crystals, found | network_quantities(measure_network(ions, grains))


def _true_crystals(truth: SpecimenTruth) -> TrueCrystals:
    return TrueCrystals(
        np.array([crystal.centre_nm for crystal in truth.crystals]).reshape(-1, 3),
        np.array([crystal.semi_axes_nm for crystal in truth.crystals]).reshape(-1, 3),
        np.array([crystal.cap is not None for crystal in truth.crystals], dtype=bool),
    )


def tables(results: Sequence[Mapping[str, Any]]) -> str:
    """Write the tables of all groups."""
    parts = []
    for group, what in GROUPS.items():
        chosen = [result for result in results if result["specimen"]["group"] == group]
        if chosen:
            parts += [f"### {group[0].upper()}{group[1:]}", "", f"{_heading(chosen, what)}", ""]
            parts += [*_group_table(chosen), ""]
    parts += ["### All numbers of all specimens", "", *_coverage_table(results)]
    return "\n".join(parts)


def _heading(chosen: Sequence[Mapping[str, Any]], what: str) -> str:
    ions = [result["n_ions"] for result in chosen]
    crystals = sum(result["n_crystals"] for result in chosen)
    seconds = np.mean([result["seconds"] for result in chosen])
    efficiencies = sorted({result["specimen"]["efficiency"] for result in chosen})
    return (
        f"{what[0].upper()}{what[1:]}: {len(chosen)} specimens of {min(ions) / 1e6:.2f} to "
        f"{max(ions) / 1e6:.2f} million ions, efficiency "
        f"{' and '.join(f'{value:g}' for value in efficiencies)}, {crystals} crystals in all; "
        f"{seconds:.0f} s of analysis each."
    )


def _group_table(chosen: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "| number | truth | found | mean error | worst error | asked | specimens within | "
        "interval holds the truth |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, bound in (("recall", RECALL), ("precision", PRECISION)):
        values = np.array([result[name] for result in chosen], dtype=float)
        within = int(np.sum(values >= bound))
        lines.append(
            f"| {name} of crystals | 1 | {np.nanmean(values):.3f} | | {np.nanmin(values):.3f} | "
            f"at least {bound:g} | {within} of {len(values)} | |"
        )
    for target in TARGETS:
        rows = [row for result in chosen for row in result["rows"] if row["key"] == target.key]
        if rows:
            lines.append(_target_line(target, rows))
    ratios = np.concatenate([np.atleast_1d(result["radius_ratio"]) for result in chosen])
    covered = np.concatenate([np.atleast_1d(result["radius_covered"]) for result in chosen])
    if len(ratios):
        error = ratios.astype(float) - 1.0
        lines.append(
            f"| radius, crystal by crystal | | | {100 * error.mean():+.1f} % | "
            f"{100 * error[np.abs(error).argmax()]:+.1f} % | 10 % | "
            f"{int(np.sum(np.abs(error) <= 0.1))} of {len(error)} crystals | "
            f"{int(np.sum(covered))} of {len(covered)} |"
        )
    return lines


def _target_line(target: Target, rows: Sequence[Mapping[str, Any]]) -> str:
    value = np.array([row["value"] for row in rows])
    truth = np.array([row["truth"] for row in rows])
    error = value - truth if target.absolute else (value - truth) / truth
    worst = error[np.abs(error).argmax()]
    form = "{:+.2f} at%" if target.absolute else "{:+.1f} %"
    factor = 1.0 if target.absolute else 100.0
    asked = f"{target.bound:g} at%" if target.absolute else f"{100 * target.bound:.0f} %"
    known = [row["covered"] for row in rows if row["covered"] is not None]
    return (
        f"| {target.title} | {truth.mean():.4g} | {value.mean():.4g} | "
        f"{form.format(factor * error.mean())} | {form.format(factor * worst)} | {asked} | "
        f"{int(np.sum(np.abs(error) <= target.bound))} of {len(error)} | "
        f"{sum(known)} of {len(known)} |"
    )


def _coverage_table(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every key over the resolved specimens: mean error and coverage."""
    resolved = [
        result
        for result in results
        if result["specimen"]["group"] in (STRONG, WEAK, DISCS, SQUASHED)
    ]
    lines = [
        "Over the resolved specimens, spheres and discs.",
        "",
        "| key | unit | specimens | mean truth | mean found | mean error | interval holds truth |",
        "| :--- | :--- | ---: | ---: | ---: | ---: | ---: |",
    ]
    keys = dict.fromkeys(row["key"] for result in resolved for row in result["rows"])
    held = known = 0
    for key in keys:
        rows = [row for result in resolved for row in result["rows"] if row["key"] == key]
        value, truth = (np.array([row[name] for row in rows]) for name in ("value", "truth"))
        covered = [row["covered"] for row in rows if row["covered"] is not None]
        held, known = held + sum(covered), known + len(covered)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.mean((value - truth) / truth)
        shown = f"{100 * error:+.1f} %" if np.isfinite(error) else ""
        lines.append(
            f"| `{key}` | {rows[0]['unit']} | {len(rows)} | {truth.mean():.4g} | "
            f"{value.mean():.4g} | {shown} | {sum(covered)} of {len(covered)} |"
        )
    share = f", {100 * held / known:.0f} %" if known else ""
    return [*lines, "", f"All intervals together: {held} of {known} hold the truth{share}."]


def results_of(
    directory: Path, specimens: Sequence[Specimen], finished_only: bool = False
) -> Iterator[Mapping[str, Any]]:
    """Give the results, making those that are missing unless only finished ones are wanted."""
    for specimen in specimens:
        path = directory / f"{specimen.name}.json"
        if not path.is_file() and finished_only:
            continue
        if not path.is_file():
            print(f"{specimen.name} ...", flush=True)
            write_json_atomically(path, run(specimen))
        result = read_json(path)
        print(
            f"{specimen.name}: recall {result['recall']:.2f}, precision "
            f"{result['precision']:.2f}, {result['seconds']:.0f} s",
            flush=True,
        )
        yield result


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description="Recovery of synthetic specimens.")
    parser.add_argument("--out", type=Path, default=Path("runs/atom_probe_recovery"))
    parser.add_argument("--only", help="name of one specimen, or the beginning of some")
    parser.add_argument("--finished", action="store_true", help="show what is there, make nothing")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    specimens = [one for one in SPECIMENS if one.name.startswith(chosen.only or "")]
    text = tables(list(results_of(chosen.out, specimens, chosen.finished)))
    print(text)
    if chosen.write_docs:
        page = PAGE.read_text(encoding="utf-8")
        head, rest = page.split(BEGIN)
        tail = rest.split(END, 1)[1]
        write_text_atomically(PAGE, f"{head}{BEGIN}\n{text}\n{END}{tail}")


if __name__ == "__main__":
    main()
