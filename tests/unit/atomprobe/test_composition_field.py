"""Composition fields against closed forms and against counting ion by ion."""

import numpy as np
import pytest
from scipy.special import erf

from ngcfem.atomprobe.composition_field import VoxelGrid, composition_field
from ngcfem.atomprobe.ion_reading import open_ions
from ngcfem.atomprobe.ions import Ion
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.ranged_ions import RangedIons, read_ranged_ions
from ngcfem.atomprobe.ranging import RangeTable

DENSITY = 30.0


def test_counts_against_a_loop_over_ions():
    generator = np.random.default_rng(4)
    species = [{"Fe": 1}, {"Sc": 1, "H": 2}, {"H": 1}, {"Fe": 1}, {}]
    table = RangeTable.of(
        [
            MassRange(10.0 * n, 10.0 * n + 5.0, Ion.of(atoms, "" if atoms else "unknown"))
            for n, atoms in enumerate(species)
        ]
    )
    position = generator.uniform(-3.0, 4.0, (500, 3)).astype(np.float32)
    label = generator.integers(0, 5, 500).astype(np.int16)
    ions = RangedIons(table, position, label)
    grid = VoxelGrid((-3.5, -3.0, -2.0), 0.7, (11, 10, 8))
    field = composition_field(ions, 0.7, 0.0, grid)
    expected = np.zeros((3, *grid.shape))
    for place, at in zip(position, label, strict=True):
        voxel = tuple(
            min(max(int((place[k] - grid.origin_nm[k]) // 0.7), 0), grid.shape[k] - 1)
            for k in range(3)
        )
        for name, number in species[at].items():
            expected[("Fe", "H", "Sc").index(name), *voxel] += number
    assert field.elements == ("Fe", "H", "Sc")
    np.testing.assert_array_equal(field.counts, expected)
    np.testing.assert_array_equal(field.atoms, expected)


def test_stretches_of_any_length_give_the_same_ions(formats, tmp_path):
    made = formats.ions_at_random(1000)
    table = RangeTable.of(
        [MassRange(1.0, 30.0, Ion.of({"Fe": 1})), MassRange(40.0, 60.0, Ion.of({"Sc": 1}))]
    )
    mass = made["mass"]
    ranged = ((mass >= 1.0) & (mass <= 30.0)) | ((mass >= 40.0) & (mass <= 60.0))
    for ending in ("pos", "csv"):
        path = formats.write(tmp_path, ending, made)
        for n_chunk in (37, 5000):
            ions = read_ranged_ions(open_ions(path), table, n_chunk=n_chunk)
            np.testing.assert_array_equal(ions.position_nm, made["position"][ranged])
            np.testing.assert_array_equal(ions.label, (mass > 35.0)[ranged])
            assert ions.n_unranged == np.count_nonzero(~ranged)


def test_the_grid_holds_all_ions_and_finds_their_voxels():
    generator = np.random.default_rng(5)
    position = generator.normal(0.0, 5.0, (2000, 3))
    grid = VoxelGrid.around(position, 0.8)
    flat = grid.voxel_of(position)
    assert np.abs(grid.centres_nm(flat) - position).max() <= 0.4 + 1e-9
    spare = np.array(grid.shape) * 0.8 - (position.max(axis=0) - position.min(axis=0))
    assert np.all((spare >= 0.0) & (spare < 0.8))


def test_homogeneous_specimen_scatters_as_its_error_says(specimens):
    share, sigma, values, stated = 0.08, 0.6, [], []
    grid = VoxelGrid((0.0, 0.0, 0.0), 0.4, (20, 20, 20))
    for seed in range(30):
        ions = specimens.made_specimen(
            (8.0, 8.0, 8.0), DENSITY, lambda x: np.full(len(x), share), seed
        )
        field = composition_field(ions, 0.4, sigma, grid)
        # Voxels eight kernel widths apart share no atoms; those at the rim are among them.
        values.append(field.fraction("Sc")[::12, ::12, ::12].ravel())
        stated.append(field.fraction_error("Sc")[::12, ::12, ::12].ravel())
    found, error = np.array(values), np.array(stated)
    number = found.size
    assert abs(found.mean() - share) < 4.0 * found.std() / np.sqrt(number)
    # Scatter of 240 values: its relative standard error is 1 / sqrt(2 n) = 4.6 %, allowed are 3.
    pull = (found - share) / np.sqrt(error**2 * share * (1.0 - share) / (found * (1.0 - found)))
    assert pull.std() == pytest.approx(1.0, abs=3.0 / np.sqrt(2.0 * number))


def test_effective_atoms_of_a_wide_kernel(specimens):
    sigma = 0.8
    ions = specimens.made_specimen((12.0, 12.0, 12.0), DENSITY, lambda x: np.zeros(len(x)), 1)
    field = composition_field(ions, 0.25, sigma)
    middle = field.effective_atoms()[18:30, 18:30, 18:30]
    # About 700 atoms: a counting error of 4 % in each voxel, less in the mean.
    closed = DENSITY * (4.0 * np.pi) ** 1.5 * sigma**3
    assert middle.mean() == pytest.approx(closed, rel=0.03)


def test_a_step_becomes_an_error_function(specimens):
    sigma, low, high = 0.7, 0.05, 0.30
    ions = specimens.made_specimen(
        (20.0, 20.0, 12.0), DENSITY, lambda x: np.where(x[:, 2] < 6.0, low, high), 2
    )
    field = composition_field(ions, 0.25, sigma)
    inner = field.atoms[:, 16:-16, 16:-16, :]
    share = inner[field.elements.index("Sc")].sum(axis=(0, 1)) / inner.sum(axis=(0, 1, 2))
    z = field.grid.centres_nm(np.arange(field.grid.shape[2]))[:, 2]
    expected = 0.5 * (low + high) + 0.5 * (high - low) * erf((z - 6.0) / (np.sqrt(2.0) * sigma))
    # Some 3000 atoms stand behind each layer after delocalization: four standard deviations.
    np.testing.assert_allclose(share, expected, atol=4.0 * np.sqrt(0.2 / 3000.0 / 4.0))
    # The ratio of two delocalized numbers does not fall at the surface.
    assert share[0] == pytest.approx(low, abs=0.01)


def test_inside_is_the_specimen_and_not_the_box_around_it():
    generator = np.random.default_rng(3)
    points = generator.uniform(-6.0, 6.0, (50_000, 3))
    points = points[np.linalg.norm(points, axis=1) < 6.0].astype(np.float32)
    table = RangeTable.of([MassRange(1.0, 2.0, Ion.of({"Fe": 1}))])
    ions = RangedIons(table, points, np.zeros(len(points), np.int16))
    field = composition_field(ions, 0.5, 0.6)
    # The half-way surface of a blurred ball lies s^2 / r = 0.06 nm inwards, 3 % of the volume.
    radius = 6.0 - 0.6**2 / 6.0
    assert field.volume_nm3 == pytest.approx(4.0 / 3.0 * np.pi * radius**3, rel=0.03)
    assert np.isnan(field.fraction("Sc")[0, 0, 0]) or field.fraction("Sc")[0, 0, 0] == 0.0


def test_no_ions_of_an_element_are_a_share_of_zero(specimens):
    ions = specimens.made_specimen((3.0, 3.0, 3.0), DENSITY, lambda x: np.zeros(len(x)), 1)
    field = composition_field(ions, 1.0, 0.5)
    assert field.fraction("Sc").max() == 0.0
    assert field.fraction("Zr").max() == 0.0
    assert field.fraction("Fe").min() == 1.0
