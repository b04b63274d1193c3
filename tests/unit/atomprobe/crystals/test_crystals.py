"""Crystals and caps of known truth are found and fitted; the whole chain on one specimen."""

import numpy as np
import pytest

from ngcfem.atomprobe.composition_field import VoxelGrid, composition_field
from ngcfem.atomprobe.crystal_matching import TrueCrystals, match_crystals
from ngcfem.atomprobe.crystal_quantities import crystal_quantities, surface_gaps_nm, whole_weights
from ngcfem.atomprobe.crystals import CrystalParameters, crystal_regions, find_crystals
from ngcfem.atomprobe.sc_rich import (
    cap_offset_nm,
    cap_volume_nm3,
    free_islands,
    region_compositions,
    sc_rich_quantities,
)
from ngcfem.atomprobe.specimen_edges import SpecimenEdges

LENGTHS = (
    "crystals.diameter_mean",
    "crystals.nearest_neighbour_distance",
    "crystals.surface_distance",
    "sc_rich.thickness",
    "sc_rich.radius",
    "sc_rich.offset",
    "resolution.kernel_sigma",
    "resolution.smallest_detectable_radius",
)


def field_of(ions, parameters: CrystalParameters):
    return composition_field(ions, parameters.voxel_nm, parameters.kernel_sigma_nm)


@pytest.fixture(scope="module")
def recovered(specimen_of):
    specimen = specimen_of(1, box=(20.0, 20.0, 20.0), variation=0.1, n_planes=2, capped_share=0.8)
    chosen = CrystalParameters()
    found = find_crystals(specimen.ions, field_of(specimen.ions, chosen), chosen)
    truth = TrueCrystals(specimen.centre_nm, specimen.semi_axes_nm, specimen.capped)
    return specimen, found, truth, match_crystals(found, truth)


def test_crystals_are_found_and_nothing_else(recovered):
    _, _, _, match = recovered
    assert match.n_true >= 8
    assert match.recall >= 0.85
    assert match.precision >= 0.9
    assert match.cap_found_rate == 1.0
    assert match.cap_false_rate == 0.0


def test_radii_lie_within_their_errors(recovered):
    _, found, truth, match = recovered
    errors = found.radius_error_nm[match.found] / found.radius_nm[match.found]
    assert np.all(errors < 0.08)
    # 4 standard errors, once in 16000; half a percent more for the first order in blur over radius
    assert np.all(np.abs(np.log(match.radius_ratio)) < 4.0 * errors + 0.005)
    standard = float(np.sqrt(np.sum(errors**2))) / len(errors)
    assert abs(match.radius_bias) < 0.02 + 2.0 * standard
    assert np.all(np.abs(truth.aspect_ratio - 1.0) < 1e-9)
    assert found.aspect_ratio[match.found].mean() < 1.15


def test_caps_have_the_size_they_were_made_with(recovered):
    specimen, found, _, match = recovered
    both = found.capped[match.found] & specimen.capped[match.true]
    chosen = match.found[both]
    assert len(chosen) >= 2
    for measured, error, true in (
        (found.cap_thickness_nm, found.cap_thickness_error_nm, 0.8),
        (found.cap_half_angle_deg, found.cap_half_angle_error_deg, 70.0),
    ):
        assert np.all(np.abs(measured[chosen] - true) < 4.0 * error[chosen])
    cosine = np.einsum("ki,ki->k", found.cap_axis[chosen], specimen.cap_axis[match.true[both]])
    assert np.all(cosine > np.cos(np.radians(15.0)))


def test_a_missing_truth_lowers_the_precision_and_a_missing_crystal_the_recall(recovered):
    _, found, truth, match = recovered
    gone = match.true[0]
    keep = np.arange(len(truth.radius_nm)) != gone
    less = TrueCrystals(truth.centre_nm[keep], truth.semi_axes_nm[keep], truth.capped[keep])
    worse = match_crystals(found, less)
    assert worse.n_found_true == match.n_found_true - 1
    far = TrueCrystals(
        np.vstack([truth.centre_nm, [[1.0, 1.0, 1.0]]]),
        np.vstack([truth.semi_axes_nm, [[1e-3, 1e-3, 1e-3]]]),
        np.append(truth.capped, False),
    )
    assert match_crystals(found, far).n_true == match.n_true + 1
    assert match_crystals(found, far).n_true_found == match.n_true_found
    assert match_crystals(found, far, 0.5).n_true == match.n_true


def test_marked_voxels_hold_the_volumes_of_the_bodies(recovered):
    _, found, _, _ = recovered
    grid = VoxelGrid((-5.0, -5.0, -5.0), 0.2, (150, 150, 150))
    region = crystal_regions(found, grid)
    volume = np.count_nonzero(region == 1) * grid.voxel_volume_nm3
    assert volume == pytest.approx(found.volume_of_crystals_nm3.sum(), rel=0.01)
    caps = np.count_nonzero(region == 2) * grid.voxel_volume_nm3
    assert caps == pytest.approx(np.nansum(cap_volume_nm3(found)), rel=0.03)
    # the middle of the marked voxels of one cap
    lone = int(np.flatnonzero(found.capped & ~found.cut)[0])
    marked = np.flatnonzero(region.ravel() == 2)
    place = grid.centres_nm(marked)
    reach = found.radius_nm[lone] + found.cap_thickness_nm[lone] + 0.1
    near = np.linalg.norm(place - found.centre_nm[lone], axis=1) < reach
    middle = place[near].mean(axis=0) - found.centre_nm[lone]
    assert np.linalg.norm(middle) == pytest.approx(cap_offset_nm(found)[lone], rel=0.03)


def test_quantities_have_the_units_of_the_statistics_file_and_hold_the_truth(recovered):
    specimen, found, _, _ = recovered
    quantities = crystal_quantities(found) | sc_rich_quantities(found)
    units = {"crystals.number_density": "nm^-3", "sc_rich.contact_half_angle": "deg"}
    units |= dict.fromkeys(LENGTHS, "nm")
    for key, quantity in quantities.items():
        assert quantity.unit == units.get(key, "1"), key
        assert "kernel_sigma_nm" in quantity.parameters
    true = {
        "volume_fractions.nanocrystal": specimen.share(1),
        "crystals.diameter_mean": 4.0,
        "sc_rich.thickness": 0.8,
        "sc_rich.contact_half_angle": 70.0,
    }
    for key, value in true.items():
        quantity = quantities[key]
        assert quantity.lo95 is not None
        assert quantity.hi95 is not None
        # 4 standard errors where the interval has 2
        half = max(quantity.hi95 - quantity.value, quantity.value - quantity.lo95)
        assert abs(quantity.value - value) < 2.0 * half + 0.02 * value, key
    assert quantities["crystals.aspect_ratio"].value < 1.15


def test_compositions_of_crystals_and_caps(recovered):
    specimen, found, _, _ = recovered
    quantities = region_compositions(specimen.ions, found)
    for key, true in (
        ("composition.nanocrystal.Sc", 0.3),
        ("composition.nanocrystal.Fe", 99.7),
        ("composition.sc_rich.Sc", 30.0),
        ("composition.sc_rich.Fe", 70.0),
    ):
        quantity = quantities[key]
        assert quantity.lo95 is not None
        assert quantity.hi95 is not None
        assert abs(quantity.value - true) < 2.0 * max(
            quantity.hi95 - quantity.value, quantity.value - quantity.lo95
        )


def test_distances_are_those_between_the_surfaces(recovered):
    _, found, _, _ = recovered
    apart = np.linalg.norm(found.centre_nm[:, None] - found.centre_nm[None], axis=2)
    gaps = apart - found.radius_nm[:, None] - found.radius_nm[None]
    np.fill_diagonal(gaps, np.inf)
    # nearly spheres: the axes differ by a few percent of 2 nm on either side
    slack = 2.0 * float(np.max(found.semi_axes_nm[:, 0] - found.semi_axes_nm[:, 2])) + 0.1
    assert np.all(np.abs(surface_gaps_nm(found) - gaps.min(axis=1)) < slack)


def test_weights_are_those_of_a_ball_in_a_box(recovered):
    specimen, found, _, _ = recovered
    weight = whole_weights(found, SpecimenEdges.of(found.grid, found.inside))
    whole = ~found.cut
    expected = np.prod(1.0 - 2.0 * found.radius_nm[:, None] / specimen.box_nm, axis=1)
    # depths are known to half a voxel of 0.4 nm on either side of 20 nm
    assert weight[whole] == pytest.approx(1.0 / expected[whole], rel=0.12)
    assert np.all(weight[found.cut] == 0.0)


def homogeneous(scandium: float, box: float = 14.0):
    from ngcfem.atomprobe.ions import Ion
    from ngcfem.atomprobe.range_model import MassRange
    from ngcfem.atomprobe.ranged_ions import RangedIons
    from ngcfem.atomprobe.ranging import RangeTable

    table = RangeTable.of(
        [MassRange(27.8, 28.2, Ion.of({"Fe": 1})), MassRange(22.3, 22.6, Ion.of({"Sc": 1}))]
    )
    generator = np.random.default_rng(5)
    number = int(42 * box**3)
    position = generator.uniform(0.0, box, (number, 3)).astype(np.float32)
    label = np.where(generator.random(number) < scandium, 0, 1)
    return RangedIons(table, position, label)


def test_a_specimen_without_crystals_holds_none():
    ions = homogeneous(0.08, 12.0)
    careless = CrystalParameters(least_significance=2.0, least_depletion=0.25)
    field = field_of(ions, careless)
    found = find_crystals(ions, field, careless)
    assert found.n_candidates > 5
    assert len(found) == 0
    # the mode of some 180 independent voxels of spread 0.0135: that times 180^(-1/3), doubled
    assert found.matrix == pytest.approx(0.08, abs=0.005)
    assert "crystals.diameter_mean" not in crystal_quantities(found)
    assert sc_rich_quantities(found) == {}
    assert region_compositions(ions, found) == {}
    assert not crystal_regions(found, found.grid).any()
    assert len(free_islands(found, field)) == 0


def test_a_lone_sc_rich_ball_is_an_island():
    ions = homogeneous(0.08)
    generator = np.random.default_rng(6)
    centre = np.array([7.0, 6.0, 8.0])
    near = np.linalg.norm(ions.position_nm - centre, axis=1) < 1.2
    label = ions.label.copy()
    label[near] = np.where(generator.random(int(near.sum())) < 0.35, 0, 1)
    rich = type(ions)(ions.table, ions.position_nm, label)
    field = field_of(rich, CrystalParameters())
    islands = free_islands(find_crystals(rich, field), field)
    assert len(islands) == 1
    assert np.linalg.norm(islands.centre_nm[0] - centre) < 0.4


def test_a_specimen_without_scandium_is_refused():
    ions = homogeneous(0.0, 6.0)
    with pytest.raises(ValueError, match="no Sc"):
        find_crystals(ions, field_of(ions, CrystalParameters()))
