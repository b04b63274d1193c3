"""Range files of real measurements, held against counts made without the readers."""

import re
from pathlib import Path

import numpy as np
import pytest

from ngcfem.atomprobe.ions import ELECTRON_MASS_DA, Ion, infer_charge, isotopologues, parse_formula
from ngcfem.atomprobe.isotopes import natural_isotopes
from ngcfem.atomprobe.range_model import MassRange, range_findings
from ngcfem.atomprobe.range_reading import read_ranges
from ngcfem.atomprobe.rrng_file import write_rrng

DATA = Path(__file__).resolve().parents[2] / "data" / "atom_probe"
FILES = sorted(p for p in DATA.iterdir() if p.suffix.lower() in (".rrng", ".rng", ".env"))

# Abridged standard atomic weights (Prohaska et al. 2022, doi:10.1515/pac-2019-0603).
ATOMIC_WEIGHTS = {
    "H": (1.0080, 0.0002),
    "C": (12.011, 0.002),
    "O": (15.999, 0.001),
    "Al": (26.982, 0.001),
    "Si": (28.085, 0.001),
    "Sc": (44.956, 0.001),
    "Ti": (47.867, 0.001),
    "Cr": (51.996, 0.001),
    "Fe": (55.845, 0.002),
    "Ni": (58.693, 0.001),
    "Cu": (63.546, 0.003),
    "Zr": (91.224, 0.002),
    "Mo": (95.95, 0.01),
    "W": (183.84, 0.01),
}


def ranges_by_hand(path: Path) -> list[tuple[float, float, dict[str, int]]]:
    """Ends and species of all ranges, by regular expressions on the whole text."""
    text = path.read_text(encoding="latin-1")
    number = r"(\d+(?:[.,]\d+)?)"
    if path.suffix.lower() == ".rrng":
        lines = re.findall(rf"(?mi)^range\d+={number} {number} (.*?)\r?$", text)
        return [
            (
                float(low.replace(",", ".")),
                float(high.replace(",", ".")),
                {name: int(n) for name, n in re.findall(r"\b([A-Z][a-z]?):(\d+)(?= |$)", rest)},
            )
            for low, high, rest in lines
        ]
    if path.suffix.lower() == ".rng":
        head = re.split(r"(?i)-+ *polyatomic", text)[0]
        # The species stand before the colours, not in the line of dashes, which may abridge them.
        names = re.findall(r"(?m)^(\w+) +[\d.]+ +[\d.]+ +[\d.]+ *\r?$", head)
        rows = re.findall(rf"(?m)^\. +{number} +{number}((?: +\d+)+) *\r?$", head)
        return [
            (
                float(low),
                float(high),
                {n: int(c) for n, c in zip(names, counts.split(), strict=True) if int(c)},
            )
            for low, high, counts in rows
        ]
    rows = re.findall(rf"(?m)^(\w+)\s+{number}\s+{number}\s+{number}\s+{number}\s*$", text)
    return [(float(low), float(high), {name: 1}) for name, low, high, _, _ in rows]


def test_all_files_are_here():
    assert len(FILES) == 16


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_number_ends_and_atoms_of_all_ranges(path):
    expected = ranges_by_hand(path)
    found = read_ranges(path)
    assert len(found.ranges) == len(expected) > 0
    for entry, (low, high, species) in zip(found.ranges, expected, strict=True):
        assert (entry.low_da, entry.high_da) == (low, high)
        atoms: dict[str, int] = {}
        for name, count in species.items():
            parts = re.findall(r"([A-Z][a-z]?)(\d*)", name)
            known = "".join(a + b for a, b in parts) == name and all(
                a in natural_isotopes() for a, _ in parts
            )
            if not known:
                assert name in entry.ion.label
            for element, number in parts if known else []:
                atoms[element] = atoms.get(element, 0) + count * int(number or 1)
        assert dict(entry.ion.elements) == atoms


def test_totals_that_were_counted_by_eye():
    totals = {path.name: (len((f := read_ranges(path)).ranges), len(f.elements)) for path in FILES}
    assert totals["range_file_RNG.RNG"] == (18, 9)
    assert totals["VAlN_film_plan-view_700C.rrng"] == (1440, 6)
    assert totals["ErMnO.env"] == (26, 12)
    assert totals["all02.rng"] == (1, 1)
    assert totals["Mo_range.rrng"] == (46, 8)


def test_repeated_ranges_are_united():
    found = read_ranges(DATA / "VAlN_film_plan-view_700C.rrng")
    covered = sorted({(entry.low_da, entry.high_da) for entry in found.ranges})
    merged: list[list[float]] = []
    for low, high in covered:
        if merged and low < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    assert [[entry.low_da, entry.high_da] for entry in found.united] == merged
    assert any("1440" in warning.found for warning in found.warnings)


def test_molecules_and_charge_states_of_the_iron_scandium_file():
    found = read_ranges(DATA / "range_file_RNG.RNG")
    states = {(entry.ion.name, entry.low_da): entry.charge for entry in found.ranges}
    assert states["Sc", 22.3654] == 2
    assert states["Sc", 14.93] == 3
    assert states["Fe", 27.8537] == 2
    assert states["Fe", 17.972] == 3  # 53.94/3 = 17.98
    assert states["ScH", 22.921] == 2  # (44.96 + 1.01)/2 = 22.98
    assert states["C2", 23.968] == 1
    assert states["unknown", 27.41] is None
    colours = {entry.ion.name: entry.colour for entry in found.ranges}
    assert colours["ScH"] == "#ff0000"  # of the polyatomic extension


def test_volumes_of_the_formats_are_in_cubic_nanometres():
    oxygen = next(e for e in read_ranges(DATA / "ErMnO.env").ranges if e.ion.name == "O")
    assert oxygen.volume_nm3 == pytest.approx(0.020)
    molybdenum = read_ranges(DATA / "Mo_range.rrng").ranges[0]
    assert (molybdenum.volume_nm3, molybdenum.colour) == (0.01558, "#ff0033")


@pytest.mark.parametrize("name", ["Mo_range.rrng", "range_file_RNG.RNG", "ErMnO.env"])
def test_written_ranges_are_read_again(name, tmp_path):
    before = read_ranges(DATA / name).ranges
    write_rrng(tmp_path / "again.rrng", before)
    after = read_ranges(tmp_path / "again.rrng").ranges
    for old, new in zip(before, after, strict=True):
        assert (new.low_da, new.high_da, new.ion) == (old.low_da, old.high_da, old.ion)
        assert new.colour == (old.colour or "#000000")
        assert new.volume_nm3 == pytest.approx(old.volume_nm3 or 0.0, abs=5e-6)


def test_isotopes_give_the_standard_atomic_weights():
    for element, isotopes in natural_isotopes().items():
        # The table carries six digits of each abundance.
        assert sum(i.abundance for i in isotopes) == pytest.approx(1.0, abs=3e-6), element
        assert all(abs(i.mass_da - i.nucleons) < 0.1 for i in isotopes)
    for element, (weight, uncertainty) in ATOMIC_WEIGHTS.items():
        found = sum(i.abundance * i.mass_da for i in natural_isotopes()[element])
        assert found == pytest.approx(weight, abs=uncertainty), element


def test_isotopologues_against_all_combinations():
    chromium, oxygen = natural_isotopes()["Cr"], natural_isotopes()["O"]
    share: dict[int, float] = {}
    moment: dict[int, float] = {}
    for a in chromium:
        for b in chromium:
            for c in oxygen:
                n = a.nucleons + b.nucleons + c.nucleons
                p = a.abundance * b.abundance * c.abundance
                share[n] = share.get(n, 0.0) + p
                moment[n] = moment.get(n, 0.0) + p * (a.mass_da + b.mass_da + c.mass_da)
    kept = sorted(n for n in share if share[n] > 1e-6)
    found = isotopologues(Ion.of({"Cr": 2, "O": 1}))
    np.testing.assert_allclose(found.abundance, [share[n] for n in kept], rtol=1e-12)
    np.testing.assert_allclose(found.mass_da, [moment[n] / share[n] for n in kept], rtol=1e-12)
    ratio = found.mass_to_charge_da(2)
    np.testing.assert_allclose(2 * (ratio + ELECTRON_MASS_DA), found.mass_da, rtol=1e-14)


def test_charge_states():
    iron = Ion.of({"Fe": 1})
    assert infer_charge(iron, 55.8, 56.1) == 1
    assert infer_charge(iron, 27.85, 28.1) == 2
    assert infer_charge(iron, 18.6, 18.7) == 3
    assert infer_charge(iron, 40.0, 41.0) is None
    assert infer_charge(Ion((), "unknown"), 0.0, 400.0) is None


def test_formulas():
    assert parse_formula("Cr2O") == {"Cr": 2, "O": 1}
    assert parse_formula("CO") == {"C": 1, "O": 1}
    assert parse_formula("Co") == {"Co": 1}
    assert parse_formula("HOH") == {"H": 2, "O": 1}
    for text in ("Hyd", "X23", "", "2O", "C0", "C999", "Fe2O3!", "fe"):
        assert parse_formula(text) is None
    assert Ion.of({"O": 1, "H": 2}).name == "H2O"
    assert Ion.of({"O": 2, "Cr": 1}) == Ion.of({"Cr": 1, "O": 2})


def test_overlaps_against_all_pairs():
    generator = np.random.default_rng(5)
    ions = [Ion.of({name: 1}) for name in ("Fe", "Sc", "O")]
    for _ in range(40):
        low = generator.uniform(0.0, 40.0, 12)
        high = low + generator.exponential(2.0, 12) + 1e-3
        picked = generator.integers(0, 3, 12)
        ranges = [
            MassRange(float(a), float(b), ions[k], key=f"line {i}")
            for i, (a, b, k) in enumerate(zip(low, high, picked, strict=True))
        ]
        order = np.argsort(low)
        expected = {
            f"line {j}"
            for place, j in enumerate(order)
            if any(picked[i] != picked[j] and high[i] > low[j] for i in order[:place])
        }
        assert {finding.key for finding in range_findings(Path("x"), ranges)} == expected
