"""Correlation functions against closed forms, sums that must hold and counting by hand."""

import itertools

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from ngcfem.microstructure.cell import Layer
from ngcfem.microstructure.correlations import (
    CorrelationFunctions,
    chord_lengths,
    correlation_band,
    correlation_functions,
)
from ngcfem.microstructure.generation import generate_cell
from ngcfem.microstructure.grain_shape import grain_corners
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.microstructure.tessellation import laguerre_cells
from ngcfem.microstructure.voxels import VoxelCell, sample_cell

FRACTION, EDGE = 0.2, 10.0
STEP = EDGE / 96.0
RADIUS = (3.0 * FRACTION * EDGE**3 / (4.0 * np.pi)) ** (1.0 / 3.0)
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


def lens_share(distance: np.ndarray) -> np.ndarray:
    """Volume that two equal spheres share over the volume of one, by the distance of centres."""
    ratio = distance / RADIUS
    return np.where(ratio < 2.0, 1.0 - 0.75 * ratio + ratio**3 / 16.0, 0.0)


@pytest.fixture(scope="module")
def sphere_voxels() -> VoxelCell:
    """A sphere in the middle of a cube."""
    return sample_cell(generate_cell("sphere", fraction=FRACTION, cell_nm=EDGE), STEP)


@pytest.fixture(scope="module")
def sphere(sphere_voxels) -> CorrelationFunctions:
    """Its correlation functions."""
    return correlation_functions(sphere_voxels)


def test_two_point_correlation_of_a_sphere(sphere):
    # Up to the gap between the sphere and its images only the sphere itself contributes. The step
    # of the voxels moves the surface by a hundredth of the radius at most, at random.
    near = sphere.distance_nm < EDGE - 2.0 * RADIUS
    assert near.sum() > 20
    found, distance = sphere.two_point[:, :, near], sphere.distance_nm[near]
    expected = FRACTION * lens_share(distance)
    assert found[1, 1] == pytest.approx(expected, abs=2e-3 * FRACTION)
    assert found[0, 1] == pytest.approx(FRACTION - expected, abs=2e-3 * FRACTION)
    assert found[0, 0] == pytest.approx(1.0 - 2.0 * FRACTION + expected, abs=2e-3 * FRACTION)
    assert found[1, 1, 0] > 0.99 * FRACTION  # the bound would pass a function of zeros otherwise


def test_two_point_correlation_with_images(sphere):
    # Beyond the gap: mean over directions of the lenses with all images of the sphere.
    generator = np.random.default_rng(4)
    directions = generator.normal(size=(20_000, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    images = EDGE * np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    for row in (30, 38, 46):
        vectors = sphere.distance_nm[row] * directions
        apart = np.linalg.norm(vectors[:, None] - images, axis=2)
        lenses = lens_share(apart).sum(axis=1)
        # four standard errors of the oracle, and the radial bin of one step
        tolerance = 4.0 * FRACTION * lenses.std() / np.sqrt(len(lenses)) + 2e-3 * FRACTION
        assert sphere.two_point[1, 1, row] == pytest.approx(FRACTION * lenses.mean(), abs=tolerance)


def test_lineal_path_of_a_sphere(sphere):
    expected = FRACTION * lens_share(sphere.path_nm)  # a convex body: the same closed form
    assert sphere.lineal_path_along[:, 1] == pytest.approx(
        np.broadcast_to(expected, (3, len(expected))), abs=2e-3 * FRACTION
    )
    # 16 000 lines of three ranges each, of which one in some ten meets the sphere: 1 % of the share
    assert sphere.lineal_path[1] == pytest.approx(expected, abs=1e-2 * FRACTION)


def test_surface_of_a_sphere_from_the_slope_at_zero(sphere):
    surface = 4.0 * np.pi * RADIUS**2 / EDGE**3
    assert sphere.specific_surface == pytest.approx(np.full((2, 2), surface), rel=1e-2)


def test_chords_of_a_sphere(sphere_voxels):
    chords = chord_lengths(sphere_voxels, "inclusion")
    # p(l) = l / (2 R^2); chords shorter than a step are met by chance only
    assert chords.max() <= 2.0 * RADIUS + STEP
    assert chords.mean() == pytest.approx(4.0 * RADIUS / 3.0, rel=0.01)
    assert (chords**2).mean() == pytest.approx(2.0 * RADIUS**2, rel=0.01)


def test_laminate_along_and_across():
    layers = [Layer("a", 0.25), Layer("b", 0.75)]
    voxels = sample_cell(generate_cell("laminate", normal="y", layers=layers), EDGE / 80.0)
    functions = correlation_functions(voxels)
    length = functions.path_nm
    across = np.maximum(0.0, 2.5 - length) / EDGE
    np.testing.assert_allclose(functions.lineal_path_along[1, 0], across, atol=1e-12)
    for axis in (0, 2):  # lines that never leave the layer
        np.testing.assert_allclose(functions.lineal_path_along[axis, 0], 0.25, atol=1e-12)
    assert set(chord_lengths(voxels, "a").tolist()) == {2.5}
    # S_aa(r) = mean over directions of (2.5 - r |cos|) / 10 as long as r < 2.5: 0.25 - r / 20
    near = (functions.distance_nm > 0.8) & (functions.distance_nm < 2.5)
    expected = 0.25 - functions.distance_nm[near] / 20.0
    # few directions in a shell of voxels: the cosine is sampled coarsely
    assert functions.two_point[0, 0, near] == pytest.approx(expected, abs=4e-3)
    assert functions.specific_surface[0, 1] == pytest.approx(0.2, rel=0.08)


@pytest.fixture(scope="module")
def composite():
    """A composite with its correlation functions."""
    cell = generate_cell("nanocomposite", STATISTICS, seed=3)
    return cell, correlation_functions(sample_cell(cell, 0.2))


def test_rows_add_up_and_start_at_the_fractions(composite):
    cell, functions = composite
    shares = np.array(list(sample_cell(cell, 0.2).phase_fractions.values()))
    np.testing.assert_allclose(
        functions.two_point.sum(axis=1), shares[:, None] + 0 * functions.distance_nm, atol=1e-10
    )
    np.testing.assert_allclose(functions.two_point[:, :, 0], np.diag(shares), atol=1e-10)
    np.testing.assert_allclose(
        functions.lineal_path_along[:, :, 0].T, shares[:, None] + np.zeros((4, 3)), atol=1e-10
    )
    assert np.all(np.diff(functions.lineal_path_along, axis=2) <= 1e-12)


def test_surfaces_of_a_composite_are_those_of_its_bodies(composite):
    cell, functions = composite
    crystals = sum(4.0 * np.pi * body.radius_nm**2 for body in cell.inclusions) / cell.volume_nm3
    covered = (
        sum(
            2.0 * np.pi * body.radius_nm**2 * (1.0 - np.cos(np.radians(70.0)))
            for body in cell.inclusions
            if body.cap is not None
        )
        / cell.volume_nm3
    )
    grains = laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice))
    network = sum(ConvexHull(grain_corners(grain, 0.5)).area for grain in grains) / cell.volume_nm3
    assert functions.phase_names == ("interface", "grain", "sc_rich", "nanocrystal")
    surface = functions.specific_surface
    assert surface[0, 0] == pytest.approx(network, rel=0.01)
    assert surface[3, 3] == pytest.approx(crystals, rel=0.01)
    assert surface[2, 3] == pytest.approx(covered, rel=0.02)
    # no crystal and no cap touches the network
    assert abs(surface[0, 2]) < 1e-3
    assert abs(surface[0, 3]) < 1e-3


def test_small_grid_against_counting_by_hand():
    generator = np.random.default_rng(0)
    phase = generator.integers(0, 2, (5, 6, 7)).astype(np.int32)
    lattice = np.diag([5.0, 6.0, 7.0])
    voxels = VoxelCell(lattice, ("a", "b"), phase, np.full(phase.shape, -1, dtype=np.int32))
    functions = correlation_functions(voxels)
    ring = [s for s in itertools.product((-1, 0, 1), repeat=3) if sum(map(abs, s)) in (1, 2)]
    for first, second in ((0, 0), (0, 1), (1, 1)):
        counted = [
            np.mean((phase == first) & (np.roll(phase, shift, (0, 1, 2)) == second))
            for shift in ring
        ]
        # lengths 1 and sqrt(2) fall into the same bin, 0.5 to 1.5 steps
        assert functions.two_point[first, second, 1] == pytest.approx(np.mean(counted), abs=1e-12)
    for axis in range(3):
        for steps in range(3):
            rolled = [np.roll(phase, k, axis) == 1 for k in range(steps + 1)]
            expected = np.mean(np.logical_and.reduce(rolled))
            assert functions.lineal_path_along[axis, 1, steps] == pytest.approx(expected)


def test_band_of_several_cells():
    x, y = np.linspace(0.0, 2.0, 5), np.linspace(0.0, 1.5, 4)
    band = correlation_band([x, y], [1.0 + x, 3.0 - y])
    assert band.distance_nm[-1] == 1.5
    np.testing.assert_allclose(band.mean, 2.0)
    np.testing.assert_allclose(
        band.standard_deviation, np.abs(2.0 - 2.0 * band.distance_nm) / np.sqrt(2.0)
    )
    assert np.isnan(correlation_band([x], [x]).standard_deviation).all()
    with pytest.raises(ValueError, match="at least one"):
        correlation_band([], [])
