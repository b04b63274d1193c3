"""Phases of points straight from the geometry, against the volumes computed another way."""

import numpy as np
import pytest

from ngcfem.microstructure.cell import Layer, PeriodicCell
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.generation import generate_cell
from ngcfem.microstructure.sections import phase_at, section
from ngcfem.microstructure.statistics import CompositeStatistics

STATISTICS = CompositeStatistics(
    grain_diameter_nm=10.0,
    grain_diameter_variation=0.25,
    interface_thickness_nm=1.0,
    crystal_diameter_nm=3.0,
    crystal_diameter_variation=0.2,
    crystal_fraction=0.08,
    capped_share=0.5,
    cap_thickness_nm=0.8,
    cap_half_angle_deg=70.0,
)
CELLS: dict[str, PeriodicCell] = {
    "nanocomposite": generate_cell("nanocomposite", STATISTICS, seed=3),
    "nanoglass": generate_cell("nanoglass", STATISTICS, seed=4),
    "glass": generate_cell("glass", STATISTICS),
    "sphere": generate_cell("sphere", fraction=0.2),
    "laminate": generate_cell("laminate", normal="y", layers=[Layer("a", 0.35), Layer("b", 0.65)]),
    "homogeneous": generate_cell("homogeneous", phase="grain"),
}
POINTS = 40_000


@pytest.mark.parametrize("kind", CELLS)
def test_shares_of_random_points_are_the_volume_fractions(kind: str) -> None:
    cell = CELLS[kind]
    fractions = geometric_fractions(cell)
    points = np.random.default_rng(7).random((POINTS, 3)) @ cell.lattice
    shares = np.bincount(phase_at(cell, points), minlength=len(cell.phase_names)) / POINTS
    for name, share in zip(cell.phase_names, shares, strict=True):
        # five standard deviations of a binomial share
        assert share == pytest.approx(
            fractions[name], abs=5.0 * np.sqrt(0.25 / POINTS) * 2.0 * np.sqrt(fractions[name])
        )


@pytest.mark.parametrize("kind", ["nanocomposite", "sphere"])
def test_phase_is_periodic(kind: str) -> None:
    cell = CELLS[kind]
    points = np.random.default_rng(8).random((500, 3)) @ cell.lattice
    shifts = np.random.default_rng(9).integers(-2, 3, (500, 3)) @ cell.lattice
    assert np.array_equal(phase_at(cell, points), phase_at(cell, points + shifts))


def test_section_of_a_laminate_has_its_layers_in_order() -> None:
    phases, size = section(CELLS["laminate"], axis=0, resolution=100)
    assert size == (10.0, 10.0)
    # normal to x: the first axis of the picture runs along z, the second along y
    assert (phases == phases[0]).all()
    assert (phases[0] == np.repeat([0, 1], [35, 65])).all()
