"""Voxels of a cell against the phases of points and the volumes of the geometry."""

from dataclasses import replace

import numpy as np
import pytest

from ngcfem.microstructure.cell import Cap, Flat, Inclusion, Layer, PeriodicCell
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.generation import generate_cell
from ngcfem.microstructure.sections import phase_at
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.microstructure.tessellation import laguerre_cells
from ngcfem.microstructure.voxels import VoxelCell, phases_of_points, sample_cell

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


def _stretched_and_cut(cell: PeriodicCell) -> PeriodicCell:
    """Give the first crystal a stretch and the second a flat; where they lie does not matter."""
    stretch = np.diag([1.4, 1.0 / 1.4, 1.0])
    rows = tuple(tuple(float(x) for x in row) for row in stretch)
    first, second, *others = cell.inclusions
    first = replace(first, stretch=rows, cap=Cap((0.6, 0.0, 0.8), 70.0, 0.8))
    second = replace(second, flat=Flat((0.0, 0.6, 0.8), 0.5), cap=None)
    return replace(cell, inclusions=(first, second, *others))


COMPOSITE = generate_cell("nanocomposite", STATISTICS, seed=3)
CELLS: dict[str, PeriodicCell] = {
    "nanocomposite": COMPOSITE,
    "stretched and cut": _stretched_and_cut(COMPOSITE),
    "elongated": generate_cell(
        "nanoglass", STATISTICS, seed=4, n_grains=4, cell_aspect=(1.0, 2.0, 1.0)
    ),
    "sphere": generate_cell("sphere", fraction=0.2),
    "laminate": generate_cell("laminate", normal="y", layers=[Layer("a", 0.35), Layer("b", 0.65)]),
}


def _centres(voxels: VoxelCell) -> np.ndarray:
    axes = [(np.arange(n) + 0.5) / n for n in voxels.phase.shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ voxels.lattice


@pytest.mark.parametrize("kind", CELLS)
def test_every_voxel_has_the_phase_of_its_centre(kind: str) -> None:
    cell = CELLS[kind]
    voxels = sample_cell(cell, 0.5)
    # phase_at compares every site and every crystal; the voxels are found by trees and boxes
    assert np.array_equal(voxels.phase.ravel(), phase_at(cell, _centres(voxels)))


@pytest.mark.parametrize("kind", CELLS)
def test_many_points_have_the_phases_of_single_ones(kind: str) -> None:
    cell = CELLS[kind]
    points = 40.0 * np.random.default_rng(1).normal(size=(20_000, 3))
    assert np.array_equal(phases_of_points(cell, points), phase_at(cell, points))


def test_grains_of_the_voxels_are_the_laguerre_cells() -> None:
    voxels = sample_cell(COMPOSITE, 0.3)
    grains = laguerre_cells(COMPOSITE.sites, COMPOSITE.weights, np.diag(COMPOSITE.lattice))
    shares = np.bincount(voxels.grain.ravel(), minlength=8) / voxels.grain.size
    volumes = np.array([grain.volume_nm3 for grain in grains]) / COMPOSITE.volume_nm3
    # four standard deviations of as many random points; a grid does better
    assert shares == pytest.approx(volumes, abs=4.0 * np.sqrt(0.25 / voxels.grain.size))
    assert shares.sum() == 1.0


def test_shares_of_the_voxels_are_the_fractions_of_the_geometry() -> None:
    voxels = sample_cell(CELLS["stretched and cut"], 0.2)
    shares, fractions = voxels.phase_fractions, geometric_fractions(CELLS["stretched and cut"])
    for name, share in shares.items():
        # three standard deviations of as many random points; a grid does better
        assert share == pytest.approx(fractions[name], abs=1.9e-3), name


def test_any_lattice() -> None:
    lattice = np.array([[8.0, 0.0, 0.0], [2.5, 7.0, 0.0], [-1.0, 2.0, 9.0]])
    generator = np.random.default_rng(2)
    sites = generator.random((6, 3)) @ lattice
    cell = PeriodicCell(
        "nanocomposite",
        lattice,
        ("interface", "grain", "nanocrystal"),
        sites,
        generator.random(6),
        interface_thickness_nm=0.6,
        inclusions=(Inclusion(tuple(sites[0].tolist()), 1.2, 0),),
    )
    voxels = sample_cell(cell, 0.4)
    assert np.array_equal(voxels.phase.ravel(), phase_at(cell, _centres(voxels)))
    sphere = 4.0 / 3.0 * np.pi * 1.2**3 / cell.volume_nm3
    assert voxels.phase_fractions["nanocrystal"] == pytest.approx(sphere, rel=0.05)
    assert np.linalg.norm(voxels.steps, axis=1).max() <= 0.4


def test_spacing_must_be_positive() -> None:
    with pytest.raises(ValueError, match="spacing"):
        sample_cell(COMPOSITE, 0.0)
