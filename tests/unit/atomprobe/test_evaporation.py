"""What evaporation makes of atoms, against closed forms."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kstest

from ngcfem.atomprobe.evaporation import (
    BACKGROUND_DA,
    EvaporationParameters,
    FieldContrast,
    Instrument,
    blurred,
    draw_masses,
    magnified,
    mass_ranges,
)
from ngcfem.atomprobe.ion_data import TIME_OF_FLIGHT, VOLTAGE
from ngcfem.atomprobe.range_model import range_findings, range_warnings
from ngcfem.atomprobe.ranging import RangeTable

ELEMENTS = ("Fe", "Sc", "H")
# Meija et al. (2016), in the order of the nucleon numbers 54, 56, 57, 58
IRON = np.array([0.05845, 0.91754, 0.02119, 0.00282])


def drawn(element: str, number: int, **parameters: float) -> tuple[np.ndarray, np.ndarray]:
    atoms = np.full(number, ELEMENTS.index(element))
    chosen = replace(EvaporationParameters(), **parameters)  # pyright: ignore[reportArgumentType]
    return draw_masses(atoms, ELEMENTS, chosen, np.random.default_rng(5))


def test_isotopes_and_charges_have_their_shares() -> None:
    number = 400_000
    mass, is_ion = drawn("Fe", number, background_share=0.0, tail_share=0.0)
    assert is_ion.all()
    peaks = np.array([53.9396, 55.9349, 56.9354, 57.9333])  # Wang et al. (2021)
    for charge, share in ((1, 0.05), (2, 0.95)):
        found = np.array([np.sum(np.abs(mass - m / charge) < 0.2 / charge) for m in peaks])
        expected = share * IRON * number
        assert np.abs(found - expected).max() < 4.0 * np.sqrt(expected.max())
        assert np.all(np.abs(found - expected) < 4.5 * np.sqrt(expected))


def test_a_peak_has_the_width_of_its_resolving_power() -> None:
    mass, _ = drawn("Sc", 400_000, background_share=0.0, tail_share=0.0, mass_resolving_power=500.0)
    peak = 44.955907 / 2.0 - 5.48579909e-4
    core = mass[np.abs(mass - peak) < 0.5] - peak
    # of a normal distribution 0.7610 lies within the width at half height: erf(sqrt(ln 2))
    share = np.mean(np.abs(core) < 0.5 * peak / 500.0)
    assert share == pytest.approx(0.7610, abs=4.0 * np.sqrt(0.761 * 0.239 / len(core)))


def test_ranges_hold_the_same_share_of_each_element() -> None:
    parameters = EvaporationParameters(background_share=0.0)
    ranges = mass_ranges(ELEMENTS, parameters)
    assert not range_findings(Path("specimen.rrng"), ranges)
    assert not range_warnings(Path("specimen.rrng"), ranges)
    table = RangeTable.of(ranges)
    for element in ("Fe", "Sc"):
        mass, _ = drawn(element, 300_000, background_share=0.0)
        label = table.label(mass)
        named = np.array([entry.ion.name for entry in table.ranges])
        share = np.mean((label >= 0) & (named[label] == element))
        error = np.sqrt(parameters.ranged_share * (1.0 - parameters.ranged_share) / len(mass))
        # isotopes rarer than the limit have no range: none of these elements has one
        assert share == pytest.approx(parameters.ranged_share, abs=4.0 * error)


def test_hydrogen_in_pairs_keeps_its_atoms() -> None:
    number = 300_000
    mass, is_ion = drawn("H", number, background_share=0.0, tail_share=0.0, h2_share=0.4)
    table = RangeTable.of(mass_ranges(ELEMENTS, EvaporationParameters()))
    label = table.label(mass[is_ion])
    atoms = table.atoms()[:, table.elements.index("H")][label].sum()
    assert is_ion.sum() == pytest.approx(0.8 * number, rel=0.01)
    # the variance of one atom's count is 0.6 1 + 0.2 4 - 1 = 0.4; deuterium (0.0115 %) is lost
    assert atoms == pytest.approx(number, abs=4.0 * np.sqrt(0.4 * number) + 2.0 * 1.15e-4 * number)


def test_background_is_constant_in_time_of_flight() -> None:
    mass, _ = drawn("Fe", 200_000, background_share=0.3)
    low = mass[mass < 25.0]  # below all peaks of iron
    start, width = np.sqrt(BACKGROUND_DA[0]), 5.0 - np.sqrt(BACKGROUND_DA[0])
    assert kstest(np.sqrt(low), "uniform", args=(start, width)).pvalue > 1e-3
    share = width / (np.sqrt(BACKGROUND_DA[1]) - start)
    expected = 200_000 * 0.3 * share
    assert len(low) == pytest.approx(expected, abs=4.0 * np.sqrt(expected))


def test_blur_is_anisotropic() -> None:
    parameters = EvaporationParameters(blur_lateral_nm=0.3, blur_depth_nm=0.1)
    moved = blurred(np.zeros((100_000, 3)), parameters, np.random.default_rng(1))
    error = 4.0 / np.sqrt(2.0 * len(moved))
    assert moved.std(axis=0) == pytest.approx([0.3, 0.3, 0.1], rel=error)


@pytest.mark.parametrize("magnification", [0.6, 1.4])
def test_magnification_acts_inside_and_fades_outside(magnification: float) -> None:
    generator = np.random.default_rng(3)
    points = generator.uniform(-6.0, 6.0, (20_000, 3))
    points = points[points[:, 2].argsort()]
    centre, radius = np.array([0.5, -0.5, 1.0]), 2.0
    contrast = FieldContrast(centre[None], np.array([radius]), np.array([magnification]))
    moved = magnified(points, contrast)
    offset, after = points - centre, moved - centre
    distance = np.linalg.norm(offset, axis=1)
    assert np.array_equal(moved[:, 2], points[:, 2])
    inside, outside = distance <= radius, distance >= 2.0 * radius
    assert after[inside, :2] == pytest.approx(magnification * offset[inside, :2], abs=1e-12)
    assert np.array_equal(moved[outside], points[outside])
    # along a radius of the middle plane the order of the atoms is kept
    line = np.column_stack([np.linspace(0.0, 6.0, 601), np.zeros(601), np.zeros(601)])
    at_origin = FieldContrast(np.zeros((1, 3)), np.array([radius]), np.array([magnification]))
    assert np.all(np.diff(magnified(line, at_origin)[:, 0]) > 0.0)


def test_ions_fly_as_their_energy_says() -> None:
    position = np.array([[0.0, 0.0, 0.0], [5.0, 5.0, 20.0]], dtype=np.float32)
    mass = np.array([27.9669, 27.9669], dtype=np.float32)
    extent = np.array([[0.0, 0.0, 0.0], [10.0, 10.0, 20.0]])
    columns = Instrument().columns(position, mass, extent)
    assert columns[VOLTAGE] == pytest.approx([4000.0, 6000.0])
    # speed of a particle of 27.9669 Da per charge after 1.2 V: sqrt(2 * 1.2 V / (m/q))
    per_charge = 27.9669 * 1.66053907e-27 / 1.602176634e-19
    speed = np.sqrt(2.0 * 1.2 * np.array([4000.0, 6000.0]) / per_charge)
    assert columns[TIME_OF_FLIGHT] == pytest.approx(0.1 / speed * 1e9, rel=1e-5)


def test_some_charge_state_must_be_left() -> None:
    with pytest.raises(ValueError, match="charge state"):
        EvaporationParameters(fe_charge_shares=(0.0,))
