"""The background comes off compositions as it came on."""

from pathlib import Path

import numpy as np
import pytest

from ngcfem.atomprobe.composition_background import background_shares, without_background
from ngcfem.atomprobe.ion_data import IonChunk
from ngcfem.atomprobe.ion_reading import open_ions
from ngcfem.atomprobe.ion_writing import write_pos
from ngcfem.atomprobe.ions import Ion
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.ranging import RangeTable
from ngcfem.atomprobe.spectrum import estimate_background, range_spectrum
from ngcfem.atomprobe.statistics_sections import Quantity

N_IRON, N_SCANDIUM, N_BACKGROUND = 90_000, 10_000, 60_000


def _specimen(path: Path):
    """Known ions, and background of equal density over the time of flight from 0.5 to 100 Da."""
    generator = np.random.default_rng(5)
    flight = generator.uniform(0.5**0.5, 10.0, N_BACKGROUND)
    masses = np.concatenate([np.full(N_IRON, 27.97), np.full(N_SCANDIUM, 22.48), flight**2])
    positions = generator.uniform(0.0, 20.0, (len(masses), 3))
    write_pos(path, [IonChunk(0, positions.astype(np.float32), masses.astype(np.float32))])
    table = RangeTable.of(
        [MassRange(27.5, 28.5, Ion.of({"Fe": 1})), MassRange(22.0, 23.0, Ion.of({"Sc": 1}))]
    )
    return range_spectrum(open_ions(path), table)


def _percent(value: float, half_width: float = 1.0) -> Quantity:
    return Quantity(
        value=value,
        lo95=value - half_width,
        hi95=value + half_width,
        unit="at%",
        provenance="measured",
    )


def test_what_was_put_in_comes_out(tmp_path):
    ranged = _specimen(tmp_path / "x.pos")
    shares = background_shares(ranged, estimate_background(ranged))
    ranges = ranged.table.ranges
    counted = dict(zip([entry.ion.name for entry in ranges], ranged.counts, strict=True))
    iron, scandium = counted["Fe"], counted["Sc"]
    total = iron + scandium
    measured = {
        "composition.grain.Sc": _percent(100.0 * scandium / total),
        "composition.grain.Fe": _percent(100.0 * iron / total),
        "grains.lineal_intercept": Quantity(value=6.0, unit="nm", provenance="measured"),
    }
    freed = without_background(measured, shares)
    # Some 640 background ions in each range: 0.6 at% of Sc too much before, of some 0.02 after.
    truth = 100.0 * N_SCANDIUM / (N_IRON + N_SCANDIUM)
    assert measured["composition.grain.Sc"].value > truth + 0.4
    assert freed["composition.grain.Sc"].value == pytest.approx(truth, abs=0.06)
    assert sum(freed[f"composition.grain.{name}"].value for name in ("Fe", "Sc")) == pytest.approx(
        100.0
    )
    width = freed["composition.grain.Sc"].hi95 - freed["composition.grain.Sc"].lo95
    assert width == pytest.approx(2.0 / (1.0 - sum(shares.values())))
    assert freed["grains.lineal_intercept"] == measured["grains.lineal_intercept"]
    assert "background" in freed["composition.grain.Fe"].method


def test_contents_stay_between_none_and_all():
    freed = without_background({"composition.nanocrystal.Sc": _percent(1.0)}, {"Sc": 0.02})
    assert freed["composition.nanocrystal.Sc"].value == 0.0
    assert freed["composition.nanocrystal.Sc"].lo95 == 0.0
    assert without_background({"a": _percent(1.0)}, {}) == {"a": _percent(1.0)}
