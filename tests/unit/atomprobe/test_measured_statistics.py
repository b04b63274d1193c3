"""The statistics file of a specimen: what is derived, what is left out, and what it says of it."""

import numpy as np
import pytest

from ngcfem.atomprobe.ions import Ion
from ngcfem.atomprobe.measured_statistics import DataSource, measured_statistics
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.ranging import RangeTable, composition_of
from ngcfem.atomprobe.statistics_sections import Quantity
from ngcfem.errors import InputError


def _source(**changes) -> DataSource:
    known = {
        "title": "specimen",
        "files_sha256": {"x.pos": "0" * 64},
        "n_ions": 1000,
        "ranged_fraction": 0.99,
        "volume_nm3": 900.0,
    }
    return DataSource(**{**known, **changes})


def _composition(counts: dict[str, int]):
    ranges = [
        MassRange(10.0 * at + 1.0, 10.0 * at + 2.0, Ion.of({name: 1}))
        for at, name in enumerate(counts)
    ]
    return composition_of(RangeTable.of(ranges), list(counts.values()))


BULK = _composition({"Fe": 900, "Sc": 100})


def _measured(value: float, unit: str, half_width: float = 0.0) -> Quantity:
    ends = {"lo95": value - half_width, "hi95": value + half_width} if half_width else {}
    return Quantity(value=value, unit=unit, provenance="measured", **ends)


def test_the_size_of_grains_follows_from_their_intercept():
    """Grains of lognormal diameters and sphericity 0.88: 4 V / S gives their mean back."""
    generator = np.random.default_rng(2)
    spread = np.sqrt(np.log(1.0 + 0.25**2))
    diameter = 10.0 * np.exp(generator.normal(-0.5 * spread**2, spread, 400_000))
    volume = np.pi / 6.0 * diameter**3
    surface = np.pi * diameter**2 / 0.88
    intercept = float(4.0 * volume.sum() / surface.sum())
    found = measured_statistics(
        _source(), BULK, {"grains.lineal_intercept": _measured(intercept, "nm", 0.5)}
    )
    assert found.grains is not None
    size = found.grains.equivalent_diameter
    # 400 000 grains leave 0.1 % of scatter in the third moment.
    assert size.value == pytest.approx(10.0, rel=3e-3)
    assert size.lo95 == pytest.approx(size.value * (intercept - 0.5) / intercept)
    assert size.provenance == "assumed"
    assert found.grains.diameter_variation.provenance == "assumed"


def test_measured_grains_are_taken_as_they_are():
    found = measured_statistics(
        _source(),
        BULK,
        {
            "grains.lineal_intercept": _measured(6.0, "nm"),
            "grains.equivalent_diameter": _measured(11.0, "nm"),
            "grains.diameter_variation": _measured(0.3, "1"),
        },
    )
    assert found.grains is not None
    assert found.grains.equivalent_diameter.value == 11.0
    assert found.grains.equivalent_diameter.provenance == "measured"


def test_an_incomplete_section_is_left_out_and_named():
    found = measured_statistics(
        _source(), BULK, {"interface.area_density": _measured(0.3, "nm^-1")}
    )
    assert found.interface is None
    assert any("interface" in note and "thickness" in note for note in found.notes)


def test_grains_get_what_the_other_regions_leave():
    fractions = {
        "volume_fractions.nanocrystal": _measured(0.08, "1", 0.03),
        "volume_fractions.sc_rich": _measured(0.02, "1"),
        "volume_fractions.interface": _measured(0.25, "1", 0.04),
        "volume_fractions.grain": _measured(0.5, "1"),
    }
    found = measured_statistics(_source(), BULK, fractions)
    assert found.volume_fractions is not None
    grain = found.volume_fractions.grain
    assert grain is not None
    assert grain.value == pytest.approx(0.65)
    assert grain.hi95 is not None
    assert grain.hi95 - grain.value == pytest.approx(0.05)


def test_other_elements_are_left_out_of_compositions_and_named():
    found = measured_statistics(
        _source(),
        _composition({"Fe": 800, "Sc": 100, "O": 100}),
        {
            "composition.grain.Fe": _measured(80.0, "at%", 1.0),
            "composition.grain.Sc": _measured(10.0, "at%", 1.0),
            "composition.grain.O": _measured(10.0, "at%", 1.0),
        },
    )
    assert found.composition.bulk.Sc.value == pytest.approx(100.0 / 9.0)
    assert found.composition.grain is not None
    assert found.composition.grain.Sc.value == pytest.approx(100.0 / 9.0)
    assert found.composition.grain.Sc.hi95 == pytest.approx(110.0 / 9.0)
    assert any("O 10.00 at%" in note for note in found.notes)


def test_synthetic_data_make_synthetic_numbers():
    found = measured_statistics(
        _source(provenance="synthetic", efficiency=0.5, true_strain=-0.3),
        BULK,
        {"crystals.diameter_mean": _measured(4.0, "nm")},
    )
    assert found.crystals is not None
    assert found.crystals.diameter_mean is not None
    assert found.crystals.diameter_mean.provenance == "synthetic"
    assert found.atomic_volumes.Fe.provenance == "literature"
    assert found.source is not None
    assert found.source.efficiency is not None
    assert found.source.efficiency.provenance == "assumed"
    assert found.state is not None
    assert found.state.true_strain.value == -0.3


def test_contradictions_are_refused():
    fractions = {
        "crystals.diameter_mean": _measured(4.0, "nm"),
        "crystals.diameter_variation": _measured(0.2, "1"),
        "crystals.number_density": _measured(0.02, "nm^-3"),
        "volume_fractions.nanocrystal": _measured(0.05, "1"),
    }
    with pytest.raises(InputError, match="number_density"):
        measured_statistics(_source(), BULK, fractions)
