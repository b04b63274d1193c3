"""Basins, facets and grain sizes on shapes whose measures are known in closed form."""

import numpy as np
import pytest
from scipy.special import erf

from ngcfem.atomprobe.boundary_surfaces import BoundarySurfaces, one_piece_facets, refine_boundaries
from ngcfem.atomprobe.composition_field import VoxelGrid, composition_field
from ngcfem.atomprobe.directions import even_directions
from ngcfem.atomprobe.facets import BoundaryFaces, facets_of
from ngcfem.atomprobe.grain_merging import Contacts, merge_basins
from ngcfem.atomprobe.grain_sizes import (
    directional_intercepts_nm,
    intercept_anisotropy,
    measure_grain_sizes,
)
from ngcfem.atomprobe.grains import GrainLabels, find_grains
from ngcfem.atomprobe.interface_profile import LayerProfile
from ngcfem.atomprobe.sheet_filter import sheet_composition

DENSITY = 40.0


def tilted_planes(spacing: float, box: tuple[float, float, float], normal: np.ndarray):
    """Distance to the nearest of parallel planes, and the number of the slab, of points."""

    def at(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        along = (points - 0.5 * np.array(box)) @ normal / spacing + 0.5
        return np.abs(along - np.round(along)) * spacing, np.floor(along).astype(int)

    return at


def layered_ions(ions_of, box, distance, seed=5, sc=(0.08, 0.22), blur=0.2):
    generator = np.random.default_rng(seed)
    x = generator.uniform(0.0, 1.0, (int(np.prod(box) * DENSITY), 3)) * np.array(box)
    rich = np.where(distance(x) < 0.5, sc[1], sc[0])
    species = (generator.random(len(x)) < rich).astype(int)
    x = x + generator.normal(0.0, blur, x.shape)
    keep = np.all((x > 0.0) & (x < np.array(box)), axis=1)
    return ions_of(x[keep], species[keep])


def test_plate_average_of_a_sheet_is_that_of_its_profile(ions_of):
    box = (14.0, 14.0, 14.0)
    ions = layered_ions(ions_of, box, lambda x: np.abs(x[:, 2] - 7.0))
    field = composition_field(ions, 0.4, 0.0)
    sheet = sheet_composition(field, "Sc", 0.5, 1.3, 31, field.inside)
    centres = field.grid.centres_nm(np.arange(sheet.size)).reshape(*sheet.shape, 3)
    middle = np.abs(centres - 7.0)
    on = (middle[..., 2] < 0.2) & (middle[..., 0] < 4.0) & (middle[..., 1] < 4.0)
    # Across: plate, blur and voxels. No plate lies just along the sheet: the nearest normals are
    # up to 13 degrees off, which widens the plate by 1.3 nm times the sine of that.
    width = np.sqrt(0.5**2 + 0.2**2 + 0.4**2 / 12.0 + np.array([0.0, (1.3 * 0.22) ** 2]))
    high, low = 0.08 + 0.14 * erf(0.5 / (np.sqrt(2.0) * width))
    assert low - 0.01 < sheet[on].mean() < high + 0.01


def test_plates_of_a_uniform_specimen_hold_its_composition_up_to_noise(ions_of):
    box = (10.0, 10.0, 10.0)
    ions = layered_ions(ions_of, box, lambda x: np.full(len(x), 9.0), sc=(0.2, 0.2))
    field = composition_field(ions, 0.5, 0.0)
    sheet = sheet_composition(field, "Sc", 0.5, 1.3, 7, field.inside)
    # The largest of 7 plates, each of DENSITY * 44.5 * 0.5 * 1.3^2 atoms.
    error = np.sqrt(0.16 / (DENSITY * 44.5 * 0.5 * 1.3**2))
    assert 0.2 < sheet[field.inside].mean() < 0.2 + 2.0 * error


def test_basins_merge_where_nothing_speaks_for_a_boundary():
    pair = np.array([[1, 2], [2, 3], [3, 4], [4, 5], [1, 3]])
    evidence = np.array([-3.0, 40.0, 2.0, -0.5, 9.0])
    area = np.array([20.0, 20.0, 20.0, 1.0, 5.0])
    volume = np.array([0.0, 100.0, 100.0, 100.0, 100.0, 5.0])
    label = merge_basins(Contacts(pair, evidence, area), volume, 1.0, 14.0, 4.0)
    # 1 and 2 have no layer between them, 3 and 4 too little; 5 is too small to stand alone.
    np.testing.assert_array_equal(label, [0, 1, 1, 2, 2, 2])
    kept = merge_basins(Contacts(pair, evidence, area), volume, 0.0, 0.0, 4.0)
    np.testing.assert_array_equal(kept, [0, 1, 1, 2, 3, 4])


def test_facet_of_a_tilted_plane_has_its_normal_and_area():
    normal = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
    grid = VoxelGrid((0.0, 0.0, 0.0), 0.4, (30, 30, 30))
    centres = grid.centres_nm(np.arange(27000))
    labels = (1 + ((centres - 6.0) @ normal > 0.3)).reshape(grid.shape)
    facets = facets_of(BoundaryFaces.of(labels, grid), grid)
    assert len(facets) == 1
    assert facets.mean_normal()[0] @ normal == pytest.approx(1.0, abs=2e-3)
    where = np.array([6.0, 6.0, 6.0]) + np.outer([-1.0, 0.3, 1.5], normal)
    distance, _ = facets.distance_nm(np.zeros(3, dtype=int), where)
    # A tenth of a voxel.
    np.testing.assert_allclose(distance, [-1.3, 0.0, 1.2], atol=0.04)
    generator = np.random.default_rng(2)
    points = generator.uniform(0.0, 12.0, (400_000, 3))
    near = np.abs((points - 6.0) @ normal - 0.3) < 0.1
    assert facets.area_nm2[0] == pytest.approx(near.mean() * 12.0**3 / 0.2, rel=0.04)


def test_boundary_in_two_places_makes_two_facets():
    labels = np.full((12, 6, 6), 2)
    labels[:3], labels[9:] = 1, 1
    grid = VoxelGrid((0.0, 0.0, 0.0), 0.5, labels.shape)
    faces = BoundaryFaces.of(labels, grid)
    assert len(faces.pair) == 1
    pieces = one_piece_facets(faces, grid.voxel_nm)
    np.testing.assert_array_equal(pieces.pair, [[1, 2], [1, 2]])
    np.testing.assert_array_equal(np.bincount(pieces.facet), [36, 36])


def test_uniform_specimen_is_one_grain(ions_of):
    box = (14.0, 14.0, 14.0)
    ions = layered_ions(ions_of, box, lambda x: np.full(len(x), 9.0), sc=(0.1, 0.1))
    assert find_grains(ions, composition_field(ions, 0.4, 0.6)).number == 1


def test_specimen_without_the_element_is_one_grain(ions_of):
    generator = np.random.default_rng(1)
    ions = ions_of(generator.uniform(0.0, 6.0, (9000, 3)), np.zeros(9000, dtype=int))
    assert find_grains(ions, composition_field(ions, 0.5, 0.6)).number == 1


def test_intercepts_of_a_box_lattice_follow_its_faces():
    # Faces per volume of boxes 2 x 4 x 8: 1/2, 1/4, 1/8 along the axes.
    area, normal = np.array([0.5, 0.25, 0.125]), np.eye(3)
    lengths = directional_intercepts_nm(area, normal, 1.0, np.eye(3))
    np.testing.assert_allclose(lengths, [2.0, 4.0, 8.0])
    across = np.array([[np.cos(t), np.sin(t), 0.0] for t in np.linspace(0.0, np.pi, 1800)])
    known = 8.0 / np.mean(1.0 / (np.abs(across) @ [0.5, 0.25, 0.0]))
    # The longest of 1000 directions lies up to 2 degrees off the axis.
    assert intercept_anisotropy(area, normal) == pytest.approx(known, rel=0.12)
    assert intercept_anisotropy(np.ones(400), even_directions(400, half=True)) == pytest.approx(
        1.0, abs=0.02
    )


@pytest.fixture(scope="module")
def cubes(ions_of) -> BoundarySurfaces:
    """Cubes of 6 nm with interfaces of 1 nm, 27 of them: the middle one is whole."""
    box = (18.0, 18.0, 18.0)

    def distance(x: np.ndarray) -> np.ndarray:
        # The faces at 0 and 18 nm are the surface, where no interface is.
        along = np.clip(x, 1.0, 17.0) / 6.0
        return np.abs(along - np.clip(np.round(along), 1, 2)).min(axis=1) * 6.0

    ions = layered_ions(ions_of, box, distance)
    grid = composition_field(ions, 0.5, 0.0).grid
    place = np.clip((grid.centres_nm(np.arange(np.prod(grid.shape))) // 6.0).astype(int), 0, 2)
    labels = (1 + place @ np.array([1, 3, 9])).astype(np.int32).reshape(grid.shape)
    blank = np.zeros(grid.shape, dtype=np.float32)
    layer = LayerProfile(0.08, 0.14, 1.0, 0.45)
    grains = GrainLabels(grid, labels, blank, np.zeros(grid.shape, int), layer)
    return refine_boundaries(ions, grains)


def test_cubes_have_their_area_and_intercepts(cubes):
    # Two planes of 18 nm square along each axis.
    assert cubes.volume_nm3 == pytest.approx(18.0**3, rel=1e-6)
    assert cubes.area_density_per_nm == pytest.approx(6.0 / 18.0, rel=0.03)
    lengths = directional_intercepts_nm(cubes.area_nm2, cubes.normal, cubes.volume_nm3, np.eye(3))
    # Facets of 36 nm^2 fitted each for itself are tilted by some degrees at random, which adds
    # crossings along the axes of a cube but not over all directions.
    np.testing.assert_allclose(lengths, 9.0, rtol=0.09)


def test_whole_cube_has_its_diameter_and_sphericity(cubes):
    sizes = measure_grain_sizes(cubes)
    assert np.flatnonzero(sizes.whole).tolist() == [13]
    assert sizes.diameter_nm[13] == pytest.approx(np.cbrt(6.0 / np.pi * 216.0), rel=0.02)
    # The term e^3 of the shell is left out, 2 percent for this cube; noise of 2000 points besides.
    assert sizes.sphericity[13] == pytest.approx(np.cbrt(np.pi / 6.0), rel=0.06)
    # A cube of 6 nm, give or take a voxel of 0.5 nm, fits at (18 - 6)^3 of 18^3 places.
    assert (18.0 / 12.5) ** 3 < sizes.weight[13] < (18.0 / 11.0) ** 3
