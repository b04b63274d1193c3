"""Composition around crystals, counted on ions at known distances."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from ngcfem.atomprobe.crystal_profile import crystal_profile, profile_text, read_profile
from ngcfem.atomprobe.crystal_results import CrystalsFound
from ngcfem.atomprobe.ellipsoids import surface_distance_nm
from ngcfem.atomprobe.evaporation import EvaporationParameters, mass_ranges
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.atomprobe.ranging import RangeTable
from ngcfem.errors import InputError
from ngcfem.report.statistics_comparison_figure import draw_profile_comparison

CENTRES = np.array([[0.0, 0.0, 0.0], [6.0, 0.0, 0.0]])


class TwoBalls(SimpleNamespace):
    """Two crystals of radius 2 nm, their surfaces 2 nm apart."""

    def __len__(self) -> int:
        return 2

    def distance_nm(self, crystal: int, position_nm: np.ndarray) -> np.ndarray:
        return surface_distance_nm(position_nm, CENTRES[crystal], np.full(3, 2.0), np.eye(3))


def test_ions_count_at_their_distance_from_the_nearest(tmp_path: Path) -> None:
    table = RangeTable.of(mass_ranges(("Fe", "Sc"), EvaporationParameters()))
    names = [entry.ion.name for entry in table.ranges]
    generator = np.random.default_rng(2)
    position = generator.uniform([-6.0, -6.0, -6.0], [12.0, 6.0, 6.0], (40_000, 3))
    label = np.where(
        generator.random(len(position)) < 0.1, names.index("Sc"), names.index("Fe")
    ).astype(np.int16)
    ions = RangedIons(table, position.astype(np.float32), label)
    found = cast(CrystalsFound, TwoBalls(centre_nm=CENTRES, semi_axes_nm=np.full((2, 3), 2.0)))
    profile = crystal_profile(ions, found, reach_nm=3.0, bin_nm=0.5)
    exact = np.linalg.norm(ions.position_nm[:, None] - CENTRES, axis=2).min(axis=1) - 2.0
    edges = np.linspace(-3.0, 3.0, 13)
    for element in ("Fe", "Sc"):
        own = ions.atoms_of(element) > 0
        expected = np.histogram(exact[own], edges)[0]
        # in single precision an ion or two may fall on the other side of an edge
        assert np.abs(profile.atoms_of(element) - expected).max() <= 2

    path = tmp_path / "crystal_profile.csv"
    path.write_text(profile_text(profile))
    read = read_profile(path)
    assert read.edges_nm == pytest.approx(edges)
    share, low, high = read.fraction("Sc")
    known = np.isfinite(share)
    assert share[known] == pytest.approx(profile.fraction("Sc")[known])
    assert np.all((low[known] <= share[known]) & (share[known] <= high[known]))
    assert draw_profile_comparison({"a": read, "b": read}, "Sc").startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "low_nm,high_nm,atoms_Fe\n0,1,x\n"])
def test_other_tables_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "crystal_profile.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"crystal_profile\.csv"):
        read_profile(path)
