"""Lines and crystals in boxes cut out of a cell, against brute force and closed forms."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from ngcfem.case.build import build_cell, build_statistics
from ngcfem.case.schema import load_case
from ngcfem.microstructure.box_measures import (
    grain_crossings,
    inclusion_images,
    lattice_vectors,
    random_lines,
)
from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.microstructure.grain_measures import measure_grains
from ngcfem.workflow.deformed_state import HomogeneousDeformation
from ngcfem.workflow.specimen_truth import specimen_truth
from ngcfem.workflow.synthetic_specimen import RegionAtoms

CASES = Path(__file__).resolve().parents[3] / "cases"


@pytest.fixture(scope="module")
def cell() -> PeriodicCell:
    built = build_cell(load_case(CASES / "demo.toml"))
    assert built is not None
    return built


def test_crossings_are_those_of_points_along_the_line(cell: PeriodicCell) -> None:
    generator = np.random.default_rng(1)
    starts, ends = generator.uniform(-10.0, 30.0, (2, 20, 3))
    shifts = np.array(list(itertools.product(range(-3, 4), repeat=3))) @ cell.lattice
    sites = (cell.sites[:, None] + shifts).reshape(-1, 3)
    weights = np.repeat(cell.weights, len(shifts))
    places = np.linspace(0.0, 1.0, 4001)[:, None]
    for start, end, count in zip(starts, ends, grain_crossings(cell, starts, ends), strict=True):
        points = start + places * (end - start)
        power = -2.0 * points @ sites.T + (sites**2).sum(axis=1) - weights
        owner = power.argmin(axis=1)
        # a grain met over less than a step of 0.01 nm is missed by the points
        assert 0 <= count - np.sum(owner[1:] != owner[:-1]) <= 1


def test_lines_in_the_whole_cell_give_the_area_of_its_faces(cell: PeriodicCell) -> None:
    size = np.diag(cell.lattice).copy()
    starts, ends = random_lines(size, 20_000, np.random.default_rng(2))
    length = np.linalg.norm(ends - starts, axis=1)
    crossings = grain_crossings(cell, starts, ends)
    ratio = crossings.sum() / length.sum()
    scatter = np.std(crossings - ratio * length) * np.sqrt(len(length)) / length.sum()
    expected = 0.5 * measure_grains(cell).area_density_per_nm
    assert ratio == pytest.approx(expected, abs=4.0 * scatter)


def test_random_lines_have_the_mean_chord_of_the_box() -> None:
    size = np.array([4.0, 6.0, 9.0])
    starts, ends = random_lines(size, 100_000, np.random.default_rng(3))
    chords = np.linalg.norm(ends - starts, axis=1)
    # Cauchy: 4 V / S
    chord = 4.0 * size.prod() / (2.0 * (4.0 * 6.0 + 6.0 * 9.0 + 9.0 * 4.0))
    assert chords.mean() == pytest.approx(chord, abs=4.0 * chords.std() / np.sqrt(len(chords)))
    assert np.all((starts > -1e-9) & (starts < size + 1e-9))


def test_images_are_those_that_reach_the_box() -> None:
    cell = PeriodicCell(
        "nanocomposite",
        np.diag([5.0, 6.0, 7.0]),
        ("grain", "nanocrystal"),
        np.zeros((0, 3)),
        np.zeros(0),
        inclusions=(Inclusion((1.0, 1.0, 1.0), 1.5),),
    )
    found = inclusion_images(cell, np.zeros(3), np.array([10.0, 6.0, 7.0]))
    centres = {tuple(image.centre_nm) for image in found}
    near_corner = {(1.0, 1.0, 1.0), (6.0, 1.0, 1.0), (11.0, 1.0, 1.0)}
    expected = {
        (x, y + dy, z + dz)
        for x, y, z in near_corner
        for dy in (0.0, 6.0)
        for dz in (0.0, 7.0)
        if max(0.0, x - 10.0) ** 2 + max(0.0, y + dy - 6.0) ** 2 + max(0.0, z + dz - 7.0) ** 2
        < 1.5**2
    }
    assert centres == expected
    vectors = lattice_vectors(np.diag([5.0, 6.0, 7.0]), np.full(3, -0.5), np.full(3, 7.5))
    inside = vectors[np.all((vectors >= -0.5) & (vectors <= 7.5), axis=1)]
    assert len(inside) == 8


def test_a_deformation_carries_the_truth_along(cell: PeriodicCell) -> None:
    statistics = build_statistics(load_case(CASES / "demo.toml"))
    assert statistics is not None
    regions = RegionAtoms(statistics.compositions_at_percent, statistics.atomic_volumes_nm3)
    edges = np.diag(cell.lattice)
    plain = specimen_truth(cell, regions, edges.copy(), 0.5).statistics
    swollen = specimen_truth(
        cell, regions, 1.1 * edges, 0.5, HomogeneousDeformation(1.1 * np.eye(3))
    ).statistics
    stretches = np.array([1.25, 1.25, 0.64])
    flat = specimen_truth(
        cell, regions, stretches * edges, 0.5, HomogeneousDeformation(np.diag(stretches))
    ).statistics
    assert plain.grains is not None
    assert swollen.grains is not None
    assert flat.grains is not None
    assert plain.interface is not None
    assert swollen.interface is not None
    assert flat.interface is not None
    assert plain.crystals is not None
    assert plain.crystals.diameter_mean is not None
    assert swollen.crystals is not None
    assert swollen.crystals.diameter_mean is not None
    assert flat.crystals is not None
    assert flat.crystals.aspect_ratio is not None
    assert swollen.crystals.diameter_mean.value == pytest.approx(
        1.1 * plain.crystals.diameter_mean.value
    )
    for name in ("equivalent_diameter", "lineal_intercept"):
        larger, value = getattr(swollen.grains, name).value, getattr(plain.grains, name).value
        assert larger == pytest.approx(1.1 * value, rel=1e-9)
    assert swollen.interface.thickness.value == pytest.approx(1.1)
    assert flat.crystals.aspect_ratio.value == pytest.approx(1.25 / 0.64)
    # at constant volume the network keeps its own, thickness times area; area by lines: 0.5 %
    assert flat.interface.area_density is not None
    assert plain.interface.area_density is not None
    assert flat.interface.thickness.value * flat.interface.area_density.value == pytest.approx(
        plain.interface.thickness.value * plain.interface.area_density.value, rel=0.01
    )
