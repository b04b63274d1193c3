"""Laguerre tessellation: volumes, fit, spread of the sizes."""

import numpy as np
import pytest

from ngcfem.errors import RefusedError
from ngcfem.microstructure.grain_shape import grain_volume
from ngcfem.microstructure.tessellation import (
    fit_weights,
    laguerre_cells,
    stratified_lognormal,
    tessellate,
)


def test_cells_hold_the_points_that_are_nearest_in_power_distance():
    # independent definition, by sampling: |x - s|^2 - w smallest over all images
    generator = np.random.default_rng(5)
    edges = np.array([9.0, 11.0, 14.0])
    sites, weights = generator.random((10, 3)) * edges, generator.random(10) * 3.0
    cells = laguerre_cells(sites, weights, edges)
    samples = generator.random((400_000, 3)) * edges
    best = np.full(len(samples), np.inf)
    owner = np.zeros(len(samples), dtype=int)
    for number in range(10):
        away = samples - sites[number]
        away -= edges * np.round(away / edges)  # the nearest image: the box is wide enough here
        power = (away**2).sum(axis=1) - weights[number]
        closer = power < best
        owner[closer], best[closer] = number, power[closer]
    share = np.bincount(owner, minlength=10) / len(samples)
    volumes = np.array([cell.volume_nm3 for cell in cells]) / edges.prod()
    # four standard deviations of the sampled shares
    assert np.all(np.abs(share - volumes) < 4.0 * np.sqrt(volumes / len(samples)))
    assert volumes.sum() == pytest.approx(1.0, abs=1e-12)
    for cell, number in zip(cells, range(10), strict=True):
        inside = samples[owner == number][:200]
        away = inside - sites[number]
        inside = sites[number] + away - edges * np.round(away / edges)
        normals, offsets = cell.half_spaces()
        assert (inside @ normals.T - offsets).max() < 1e-9


def test_facets_come_in_pairs_with_equal_area():
    generator = np.random.default_rng(1)
    edges = np.array([10.0, 10.0, 10.0])
    cells = laguerre_cells(generator.random((9, 3)) * edges, np.zeros(9), edges)
    areas = {
        (i, f.neighbour, f.shift): f.area_nm2 for i, cell in enumerate(cells) for f in cell.facets
    }
    for (i, j, shift), area in areas.items():
        back = (-shift[0], -shift[1], -shift[2])
        assert areas[j, i, back] == pytest.approx(area, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("aspect", [(1.0, 1.0, 1.0), (1.0, 1.0, 2.5)])
def test_volumes_are_met(seed, aspect):
    generator = np.random.default_rng(seed)
    diameters = generator.permutation(stratified_lognormal(8, 10.0, 0.25))
    found = tessellate(diameters, np.array(aspect), generator)
    cells = laguerre_cells(found.sites, found.weights, found.edges_nm)
    volumes = np.array([cell.volume_nm3 for cell in cells])
    target = np.pi / 6.0 * diameters**3
    assert np.abs(volumes - target).max() < 1e-4 * target.mean()
    assert volumes.sum() == pytest.approx(found.edges_nm.prod(), rel=1e-12)
    assert found.edges_nm[2] / found.edges_nm[0] == pytest.approx(aspect[2])


@pytest.mark.parametrize(("number", "aspect"), [(2, (1.0, 1.0, 4.0)), (12, (1.0, 1.0, 1.0))])
def test_enough_images_are_kept(number, aspect):
    # few long cells and middling numbers: where a fixed margin of images would cut cells off
    generator = np.random.default_rng(1)
    found = tessellate(stratified_lognormal(number, 8.0, 0.25), np.array(aspect), generator)
    cells = laguerre_cells(found.sites, found.weights, found.edges_nm)
    assert sum(cell.volume_nm3 for cell in cells) == pytest.approx(found.edges_nm.prod(), rel=1e-12)


def test_impossible_volumes_are_refused():
    edges = np.array([10.0, 10.0, 10.0])
    sites = np.array([[1.0, 1.0, 1.0], [1.0 + 1e-9, 1.0, 1.0], [6.0, 6.0, 6.0]])
    with pytest.raises(RefusedError, match="grain volumes"):
        fit_weights(sites, np.zeros(3), edges, np.array([900.0, 50.0, 50.0]), maximum_iterations=3)


@pytest.mark.parametrize("number", [2, 3, 8, 25])
@pytest.mark.parametrize("variation", [0.0, 0.2, 0.4])
def test_few_sizes_have_the_mean_and_spread_asked_for(number, variation):
    sizes = stratified_lognormal(number, 3.0, variation)
    assert sizes.mean() == pytest.approx(3.0, rel=1e-12)
    assert sizes.std() / sizes.mean() == pytest.approx(variation, abs=1e-10)
    assert np.all(sizes > 0.0)
    assert np.all(np.diff(sizes) >= 0.0)


def test_shrunk_cube_has_the_volume_of_a_smaller_cube():
    # one site in a cube: the cell is the cube around it
    cells = laguerre_cells(np.array([[2.0, 3.0, 4.0]]), np.zeros(1), np.full(3, 10.0))
    assert cells[0].volume_nm3 == pytest.approx(1000.0, rel=1e-12)
    assert grain_volume(cells[0], 0.5) == pytest.approx(729.0, rel=1e-10)
    with pytest.raises(RefusedError, match="vanishes"):
        grain_volume(cells[0], 5.5)
