"""Labels, counts, compositions, background and suspicious ranges against known truth."""

from pathlib import Path

import numpy as np
import pytest

from ngcfem.atomprobe.ion_reading import open_ions
from ngcfem.atomprobe.ions import Ion
from ngcfem.atomprobe.range_diagnostics import isotope_patterns, suspicious_ranges
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.ranging import RangeTable, composition_of
from ngcfem.atomprobe.spectrum import estimate_background, range_spectrum

IRON, SCANDIUM = Ion.of({"Fe": 1}), Ion.of({"Sc": 1})

# Isotopes written out here, of CIAAW (Meija et al. 2016) and AME 2020, in Da and shares.
NICKEL = {57.9353: 0.6808, 59.9308: 0.2622, 60.9311: 0.0114, 61.9283: 0.0363, 63.9280: 0.0093}
IRON_2 = {26.9693: 0.0585, 27.9669: 0.9175, 28.4671: 0.0212, 28.9661: 0.0028}
SILICON_2 = {13.9879: 0.9225, 14.4877: 0.0467, 14.9863: 0.0307}


def table_of(*entries):
    return RangeTable.of(
        [MassRange(low, high, ion, key=f"line {n}") for n, (low, high, ion) in enumerate(entries)]
    )


def peak(generator, isotopes, number):
    """Ions of a pattern, with a width of 0.02 Da."""
    masses = generator.choice(list(isotopes), number, p=np.divide(*normalized(isotopes)))
    return masses + generator.normal(0.0, 0.02, number)


def normalized(isotopes):
    shares = np.array(list(isotopes.values()))
    return shares, shares.sum()


def spectrum_of(formats, directory, masses, table):
    mass = np.asarray(masses, dtype=np.float32)
    ions = {"position": np.zeros((len(mass), 3), np.float32), "mass": mass}
    path = directory / "specimen.pos"
    path.write_bytes(np.column_stack([ions["position"], mass]).astype(">f4").tobytes())
    return range_spectrum(open_ions(path), table, n_chunk=4096)


def test_labels_against_a_search_through_all_ranges():
    generator = np.random.default_rng(2)
    edges = np.sort(generator.uniform(0.0, 60.0, 40)).reshape(20, 2)
    entries = [(a, b, IRON if n % 2 else SCANDIUM) for n, (a, b) in enumerate(edges)]
    table = table_of(*generator.permutation(np.array(entries, dtype=object)).tolist())
    mass = np.r_[generator.uniform(-1.0, 70.0, 5000), edges.ravel()]
    inside = (mass[:, None] >= table.low_da) & (mass[:, None] <= table.high_da)
    expected = np.where(inside.any(axis=1), inside.argmax(axis=1), -1)
    np.testing.assert_array_equal(table.label(mass), expected)
    assert np.all(np.diff(table.low_da) > 0.0)


def test_a_shared_end_belongs_to_the_upper_range():
    table = table_of((13.0, 13.5, SCANDIUM), (13.5, 14.0, IRON))
    assert table.label(np.array([13.0, 13.5, 14.0, 14.1])).tolist() == [0, 1, 1, -1]


def test_molecules_are_parted_into_atoms():
    table = table_of(
        (1.0, 2.0, IRON), (3.0, 4.0, Ion.of({"Sc": 1, "H": 2})), (5.0, 6.0, Ion((), "unknown"))
    )
    found = composition_of(table, [100, 50, 7])
    assert found.elements == ("Fe", "H", "Sc")
    assert found.atoms.tolist() == [100, 100, 50]
    assert found.fraction.tolist() == [0.4, 0.4, 0.2]
    assert found.atoms_error.tolist() == pytest.approx([10.0, 2 * 50**0.5, 50**0.5])


def test_errors_of_single_atoms_are_binomial():
    table = table_of((1.0, 2.0, IRON), (3.0, 4.0, SCANDIUM))
    found = composition_of(table, [900, 100])
    assert found.fraction_error == pytest.approx([(0.9 * 0.1 / 1000) ** 0.5] * 2)


def test_errors_of_molecules_against_drawn_counts():
    table = table_of(
        (1.0, 2.0, IRON), (3.0, 4.0, Ion.of({"Fe": 1, "O": 1})), (5.0, 6.0, Ion.of({"O": 2}))
    )
    means = np.array([4000.0, 900.0, 300.0])
    drawn = np.random.default_rng(4).poisson(means, (20_000, 3))
    atoms = drawn @ np.array([[1, 0], [1, 1], [0, 2]])
    fractions = atoms / atoms.sum(axis=1, keepdims=True)
    # 20 000 draws give a standard deviation to 0.5 %; three times that.
    assert composition_of(table, means).fraction_error == pytest.approx(
        fractions.std(axis=0), rel=0.015
    )


def test_no_counts_give_no_composition():
    found = composition_of(table_of((1.0, 2.0, IRON)), [0])
    assert np.isnan(found.fraction).all()
    assert np.isnan(found.fraction_error).all()


def test_counts_and_metadata(formats, tmp_path):
    ions = formats.ions_at_random(5000)
    table = table_of((10.0, 20.0, IRON), (30.0, 31.0, SCANDIUM))
    path = formats.write(tmp_path, "epos", ions)
    seen = []
    ranged = range_spectrum(open_ions(path), table, lambda *a: seen.append(a), n_chunk=1024)
    mass = ions["mass"]
    assert ranged.counts.tolist() == [
        np.count_nonzero((mass >= 10.0) & (mass <= 20.0)),
        np.count_nonzero((mass >= 30.0) & (mass <= 31.0)),
    ]
    assert ranged.n_unranged + ranged.counts.sum() == 5000
    assert seen[-1] == (5000, 5000)
    assert ranged.metadata.lowest_nm == tuple(ions["position"].min(axis=0).tolist())
    assert ranged.metadata.highest_nm == tuple(ions["position"].max(axis=0).tolist())
    assert ranged.spectrum.counts.sum() + ranged.spectrum.n_beyond == 5000


def test_background_is_found_beside_peaks(formats, tmp_path):
    generator = np.random.default_rng(6)
    level = 3000.0
    highest = 150.0
    number = generator.poisson(level * np.sqrt(highest))
    masses = np.concatenate(
        [
            generator.uniform(0.0, np.sqrt(highest), number) ** 2,
            peak(generator, IRON_2, 60_000),
            peak(generator, SILICON_2, 8_000),  # without a range
        ]
    )
    table = table_of(*[(m - 0.15, m + 0.2, IRON) for m in IRON_2])
    ranged = spectrum_of(formats, tmp_path, masses, table)
    found = estimate_background(ranged)
    # Clipping at three standard deviations leaves out some of the highest blocks.
    assert abs(found.level - level) < 5.0 * found.level_error + 0.01 * level
    assert found.level_error == pytest.approx(np.sqrt(level / np.sqrt(highest)), rel=0.1)
    corrected = ranged.counts - found.expected(table.low_da, table.high_da)
    truth = 60_000 * np.array(list(IRON_2.values()))
    assert np.all(np.abs(corrected - truth) < 4.0 * np.sqrt(ranged.counts + 25.0))


def background_ions(generator, number, highest=120.0):
    return generator.uniform(0.0, np.sqrt(highest), number) ** 2


def test_nickel_called_chromium_oxide_is_named(formats, tmp_path):
    generator = np.random.default_rng(7)
    masses = np.concatenate([background_ions(generator, 20_000), peak(generator, NICKEL, 50_000)])
    oxide = Ion.of({"Cr": 2, "O": 1})
    table = table_of((57.8, 61.2, oxide))
    ranged = spectrum_of(formats, tmp_path, masses, table)
    background = estimate_background(ranged)
    findings = suspicious_ranges(Path("x.rrng"), ranged, background)
    (wrong,) = [finding for finding in findings if finding.key == "isotopes of Cr2O 2+"]
    assert "Ni 1+" in wrong.remedy
    unranged = [finding.found for finding in findings if finding.key == "spectrum"]
    assert any("61.9" in text for text in unranged)
    assert any("63.9" in text for text in unranged)


def test_right_ranges_raise_no_suspicion(formats, tmp_path):
    generator = np.random.default_rng(8)
    masses = np.concatenate(
        [
            background_ions(generator, 20_000),
            peak(generator, IRON_2, 80_000),
            peak(generator, NICKEL, 50_000),
        ]
    )
    table = table_of(
        *[(m - 0.15, m + 0.2, IRON) for m in IRON_2],
        *[(m - 0.2, m + 0.3, Ion.of({"Ni": 1})) for m in NICKEL],
    )
    ranged = spectrum_of(formats, tmp_path, masses, table)
    background = estimate_background(ranged)
    assert suspicious_ranges(Path("x.rrng"), ranged, background) == ()
    patterns = {pattern.name: pattern for pattern in isotope_patterns(ranged, background)}
    nickel = patterns["Ni 1+"]
    expected = np.array(list(NICKEL.values()))
    np.testing.assert_allclose(nickel.expected, expected / expected.sum(), atol=2e-4)
    assert np.all(np.abs(nickel.found - nickel.expected) < 4.0 * nickel.found_error)


def test_a_range_without_a_peak_is_named(formats, tmp_path):
    generator = np.random.default_rng(9)
    masses = np.concatenate([background_ions(generator, 40_000), peak(generator, IRON_2, 20_000)])
    table = table_of(*[(m - 0.15, m + 0.2, IRON) for m in IRON_2], (44.8, 45.2, SCANDIUM))
    ranged = spectrum_of(formats, tmp_path, masses, table)
    findings = suspicious_ranges(Path("x.rrng"), ranged, estimate_background(ranged))
    assert [finding.key for finding in findings] == ["line 4"]
    assert "Sc 1+" in findings[0].found
