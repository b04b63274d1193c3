"""Measures of cells against closed forms, brute force and hand-made geometry."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.stats import ks_2samp, kstest, lognorm

from ngcfem.atomprobe.statistics import read_statistics, statistics_from_mapping
from ngcfem.errors import RefusedError
from ngcfem.microstructure.cell import Cap, Flat, Inclusion, PeriodicCell
from ngcfem.microstructure.crystal_descriptors import (
    fibre_moments,
    lognormal_distance,
    sample_distance,
)
from ngcfem.microstructure.crystal_distance import distance_to_body, surface_points
from ngcfem.microstructure.crystal_measures import measure_crystals
from ngcfem.microstructure.descriptors import describe_cell, refuse_descriptors
from ngcfem.microstructure.generation import generate_cell
from ngcfem.microstructure.grain_measures import measure_grains
from ngcfem.microstructure.mass_balance import scandium_contributions_at_percent
from ngcfem.microstructure.sections import inclusion_parts
from ngcfem.microstructure.statistics import composite_statistics

SHIPPED = Path(__file__).parents[3] / "cases" / "data" / "fe90sc10_statistics.json"
PHASES = ("interface", "grain", "sc_rich", "nanocrystal")
NEEDLE = ((1.5, 0.0, 0.0), (0.0, 1.5**-0.5, 0.0), (0.0, 0.0, 1.5**-0.5))


def cube_grains(*bodies: Inclusion, edge: float = 10.0) -> PeriodicCell:
    """One cubic grain around the middle, with a network of 1 nm: every number is known."""
    return PeriodicCell(
        "nanocomposite",
        np.diag([edge, edge, edge]),
        PHASES,
        np.full((1, 3), 0.5 * edge),
        np.zeros(1),
        interface_thickness_nm=1.0,
        inclusions=bodies,
    )


def given(**sections):
    """Statistics of the shipped file with more sections or keys, as the geometry sees them."""
    document = read_statistics(SHIPPED).model_dump(mode="json", exclude_none=True)
    for name, entries in sections.items():
        document.setdefault(name, {}).update(entries)
    return composite_statistics(statistics_from_mapping(document, "s.json"), "s.json")


def quantity(value: float, unit: str, **others):
    """One number of a statistics file."""
    return {"value": value, "unit": unit, "provenance": "assumed", **others}


@pytest.fixture(scope="module")
def composite():
    """A composite of the shipped statistics."""
    return generate_cell("nanocomposite", given(), 3)


def test_cubic_grains_have_the_measures_of_a_cube():
    grains = measure_grains(cube_grains())
    assert grains.area_density_per_nm == pytest.approx(0.3, rel=1e-12)  # 3 faces of 100 nm^2
    assert grains.mean_intercept_nm == pytest.approx(20.0 / 3.0, rel=1e-12)
    assert grains.mean_sphericity == pytest.approx((np.pi / 6.0) ** (1.0 / 3.0), rel=1e-12)
    assert grains.diameters_nm == pytest.approx(10.0 * (6.0 / np.pi) ** (1.0 / 3.0), rel=1e-12)
    axes = grains.intercepts_nm(np.eye(3))
    assert axes == pytest.approx(10.0, rel=1e-12)
    diagonal = np.full((1, 3), 3.0**-0.5)
    assert grains.intercepts_nm(diagonal) == pytest.approx(10.0 / 3.0**0.5, rel=1e-12)


def test_anisotropy_of_elongated_boxes():
    # bricks a x b x c: along z the intercept is c; across it V / (A_x |cos| + A_y |sin|)
    cell = PeriodicCell(
        "nanoglass", np.diag([5.0, 5.0, 20.0]), PHASES[:2], np.array([[2.0, 2.0, 2.0]]), np.zeros(1)
    )
    angle = np.linspace(0.0, np.pi, 100_000, endpoint=False)
    across = np.mean(5.0 / (np.abs(np.cos(angle)) + np.abs(np.sin(angle))))
    # the longest direction is sought among 2000 directions: some degrees off the axis
    assert measure_grains(cell).anisotropy == pytest.approx(20.0 / across, rel=0.15)


def test_intercepts_are_those_of_lines_through_the_cell(composite):
    # independent: walk along random lines by voxels of a fine grid of grain numbers
    from ngcfem.microstructure.voxels import sample_cell

    voxels = sample_cell(composite, 0.25)
    crossings = [np.mean(voxels.grain != np.roll(voxels.grain, 1, axis)) for axis in range(3)]
    steps = np.linalg.norm(voxels.steps, axis=1)
    measured = steps / np.array(crossings)
    assert measure_grains(composite).intercepts_nm(np.eye(3)) == pytest.approx(measured, rel=0.02)


def test_distance_from_an_ellipsoid_against_minimization():
    body = Inclusion((0.0, 0.0, 0.0), 1.2, stretch=NEEDLE)
    generator = np.random.default_rng(3)
    points = 4.0 * generator.normal(size=(40, 3))
    _, inside_cap = inclusion_parts(body, points)
    assert not inside_cap.any()
    dense = surface_points(body, 400_000, with_cap=False)
    brute = np.array([np.linalg.norm(dense - point, axis=1).min() for point in points])
    outside = np.linalg.norm(points @ np.linalg.inv(np.array(NEEDLE)), axis=1) > 1.2
    found = distance_to_body(points, body, with_cap=False)
    # points 0.007 nm apart: brute force is too large by less than 2e-4 nm at these distances
    assert found[outside] == pytest.approx(brute[outside], abs=5e-4)
    assert np.all(found[~outside] == 0.0)


def test_distance_from_a_cap_against_brute_force():
    body = Inclusion((0.0, 0.0, 0.0), 1.5, cap=Cap((0.0, 0.6, 0.8), 70.0, 0.8))
    generator = np.random.default_rng(5)
    points = 3.0 * generator.normal(size=(60, 3))
    crystal, cap = inclusion_parts(body, points)
    fill = generator.uniform(-2.3, 2.3, (600_000, 3))
    held = np.logical_or(*inclusion_parts(body, fill))
    brute = np.array([np.linalg.norm(fill[held] - point, axis=1).min() for point in points])
    found = distance_to_body(points, body, with_cap=True)
    outside = ~(crystal | cap)
    # random points fill the body some 0.06 nm apart
    assert found[outside] == pytest.approx(brute[outside], abs=0.15)
    assert np.all(found[outside] <= brute[outside] + 1e-12)
    assert np.all(found[~outside] <= 1e-12)


def test_neighbours_of_spheres_in_a_row():
    # 4 nm apart along x, and across the faces 10 - 4 = 6 nm
    measures = measure_crystals(
        cube_grains(Inclusion((3.0, 5.0, 5.0), 1.0, 0), Inclusion((7.0, 5.0, 5.0), 1.5, 0))
    )
    assert measures.centre_distances_nm == pytest.approx([4.0, 4.0], abs=1e-12)
    assert measures.surface_distances_nm == pytest.approx([1.5, 1.5], abs=1e-12)
    assert measures.smallest_gap_nm == pytest.approx(1.5, abs=1e-12)
    assert measures.smallest_wall_gap_nm == pytest.approx(1.0, abs=1e-12)  # 9.5 - 7 - 1.5
    assert measures.diameters_nm == pytest.approx([2.0, 3.0])
    assert measures.covered_share == measures.network_share == 0.0


def test_caps_and_images_count_for_gaps_but_not_for_surfaces():
    # the cap of the first points at the second, 1 nm before it; itself has an image at 10 nm
    capped = Inclusion((3.0, 5.0, 5.0), 1.0, 0, cap=Cap((1.0, 0.0, 0.0), 90.0, 0.5))
    measures = measure_crystals(cube_grains(capped, Inclusion((7.0, 5.0, 5.0), 1.5, 0)))
    assert measures.surface_distances_nm == pytest.approx([1.5, 1.5], abs=1e-12)
    assert measures.smallest_gap_nm == pytest.approx(1.0, abs=1e-12)
    assert measures.covered_share == pytest.approx(0.5 / (1.0 + 1.5**2), rel=0.01)
    alone = measure_crystals(cube_grains(Inclusion((5.0, 5.0, 5.0), 3.0, 0)))
    assert alone.centre_distances_nm == pytest.approx([10.0])
    assert alone.surface_distances_nm == pytest.approx([4.0])


def test_ellipsoids_and_flats():
    needle = Inclusion((3.0, 5.0, 5.0), 1.0, 0, stretch=NEEDLE)  # reaches 1.5 nm along x
    # cut by the upper face of the grain at z = 9.5
    cut = Inclusion((7.0, 5.0, 8.7), 1.0, 0, flat=Flat((0.0, 0.0, 1.0), 0.8))
    measures = measure_crystals(cube_grains(needle, cut))
    assert measures.aspect_ratios == pytest.approx([1.5**1.5, 1.0])
    assert np.abs(measures.axes[0]) == pytest.approx([1.0, 0.0, 0.0])
    assert np.isnan(measures.axes[1]).all()
    np.testing.assert_allclose(measures.orientation_tensor, np.diag([1.0, 0.0, 0.0]), atol=1e-12)
    assert measures.interface_contact_share == 0.5
    # the needle ends 1.5 nm from its centre: 3.0 - 1.5 - 0.5 from the face at x = 0.5; the cut
    # crystal is 9.5 - 7 - 1 from the face beside it, and on its own face at z = 9.5
    assert measures.smallest_wall_gap_nm == pytest.approx(1.0, abs=1e-12)
    # ball with a segment of height 0.2 cut off: disc of radius^2 1 - 0.64, rest 4 pi - 2 pi 0.2
    disc, rest = np.pi * 0.36, 4.0 * np.pi - 2.0 * np.pi * 0.2
    # area of the prolate spheroid, closed form
    long, short = 1.5, 1.5**-0.5
    e = np.sqrt(1.0 - (short / long) ** 2)
    spheroid = 2.0 * np.pi * short**2 * (1.0 + long / (short * e) * np.arcsin(e))
    assert measures.network_share == pytest.approx(disc / (disc + rest + spheroid), rel=2e-3)
    volume = 4.0 / 3.0 * np.pi - np.pi * 0.2**2 * (3.0 - 0.2) / 3.0
    assert measures.diameters_nm[1] == pytest.approx(np.cbrt(6.0 * volume / np.pi), rel=1e-12)


def test_gap_between_needles_side_by_side_and_end_to_end():
    side = 1.5**-0.5
    beside = measure_crystals(
        cube_grains(
            Inclusion((5.0, 3.5, 5.0), 1.0, 0, stretch=NEEDLE),
            Inclusion((5.0, 6.5, 5.0), 1.0, 0, stretch=NEEDLE),
        )
    )
    assert beside.smallest_gap_nm == pytest.approx(3.0 - 2.0 * side, abs=0.01)
    ends = measure_crystals(
        cube_grains(
            Inclusion((3.0, 5.0, 5.0), 1.0, 0, stretch=NEEDLE),
            Inclusion((7.0, 5.0, 5.0), 1.0, 0, stretch=NEEDLE),
        )
    )
    assert ends.smallest_gap_nm == pytest.approx(1.0, abs=0.01)


def test_gaps_of_a_generated_composite_against_dense_points(composite):
    measures = measure_crystals(composite)
    clouds = [
        np.array(body.centre_nm) + surface_points(body, 4000, with_cap=True)
        for body in composite.inclusions
    ]
    smallest = np.inf
    edges = np.diag(composite.lattice)
    for i, first in enumerate(clouds):
        for j, second in enumerate(clouds[:i]):
            apart = np.array(composite.inclusions[i].centre_nm) - composite.inclusions[j].centre_nm
            shift = edges * np.round(apart / edges)
            if np.linalg.norm(apart - shift) > 6.5:
                continue
            smallest = min(smallest, float(KDTree(first).query(second + shift)[0].min()))
    # a distance between clouds of points 0.1 nm apart is too large, by hundredths
    assert measures.smallest_gap_nm <= smallest
    assert measures.smallest_gap_nm == pytest.approx(smallest, abs=0.03)


def test_kolmogorov_smirnov_distance_is_that_of_scipy():
    values = np.random.default_rng(2).lognormal(1.0, 0.3, 40)
    width = np.sqrt(np.log1p(0.25**2))
    reference = lognorm(s=width, scale=3.0 / np.sqrt(1.0 + 0.25**2))
    assert reference.mean() == pytest.approx(3.0)
    assert lognormal_distance(values, 3.0, 0.25) == pytest.approx(
        kstest(values, reference.cdf).statistic, rel=1e-12
    )


def test_distance_of_two_samples_is_that_of_scipy():
    generator = np.random.default_rng(6)
    values, samples = generator.random(31), generator.random(17) ** 1.3
    assert sample_distance(values, samples) == pytest.approx(
        ks_2samp(values, samples).statistic, rel=1e-12
    )


def test_fibre_moments_of_narrow_and_wide_fibres():
    assert fibre_moments(0.0) == (1.0, 0.0)
    # narrow: a^2 is exponential with mean 2 s^2
    spread = np.radians(1.0)
    mean, deviation = fibre_moments(1.0)
    assert 1.0 - mean == pytest.approx(2.0 * spread**2, rel=2e-3)
    assert deviation == pytest.approx(2.0 * spread**2, rel=2e-3)
    # wide: random directions
    mean, deviation = fibre_moments(1e6)
    assert mean == pytest.approx(1.0 / 3.0, abs=1e-6)
    assert deviation == pytest.approx(np.sqrt(4.0 / 45.0), abs=1e-6)


def test_directions_of_needles_bind():
    def needle(n: int, along: tuple[float, float, float]) -> Inclusion:
        rows = 1.5**-0.5 * np.eye(3) + (1.5 - 1.5**-0.5) * np.outer(along, along)
        place = (2.0 + 3.0 * (n % 3), 2.0 + 3.0 * (n // 3 % 3), 2.0 + 3.0 * (n // 9))
        stretch = tuple(tuple(float(x) for x in row) for row in rows)
        return Inclusion(place, 0.7, 0, stretch=stretch)

    statistics = replace(given(), crystal_aspect_ratio=1.5**1.5, crystal_axis=(0.0, 0.0, 1.0))
    along = cube_grains(*(needle(n, (0.0, 0.0, 1.0)) for n in range(27)))
    across = cube_grains(*(needle(n, (1.0, 0.0, 0.0)) for n in range(27)))
    name = "mean squared cosine to the axis of the fibre"
    assert describe_cell(along, statistics).by_name(name).met
    assert describe_cell(across, statistics).by_name(name).achieved == pytest.approx(0.0, abs=1e-12)
    assert name in {entry.name for entry in describe_cell(across, statistics).missed}
    random = describe_cell(along, replace(statistics, crystal_axis=None))
    missed = {entry.name for entry in random.missed}
    assert {f"orientation tensor of the crystals, {k}{k}" for k in "xyz"} <= missed
    assert random.by_name("mean aspect ratio of the crystals").met


def test_diameters_of_another_distribution_are_refused(composite):
    # two sizes with the same mean and variation as the lognormal distribution
    radii = np.where(np.arange(len(composite.inclusions)) % 2, 1.2, 1.8)
    bodies = tuple(
        replace(body, radius_nm=float(radius))
        for body, radius in zip(composite.inclusions, radii, strict=True)
    )
    report = describe_cell(replace(composite, inclusions=bodies), given())
    entry = report.by_name("Kolmogorov-Smirnov distance of the crystal diameters")
    assert not entry.accepted
    original = describe_cell(composite, given())
    assert original.by_name(entry.name).achieved < 0.25 * entry.tolerance


def test_consequences_are_held_against_their_statistics(composite):
    # 10 % where there is no interval: the network takes 27 % of this cell, its area is 0.304 / nm
    close = given(
        volume_fractions={"interface": quantity(0.29, "1")},
        interface={"area_density": quantity(0.30, "nm^-1")},
        grains={"lineal_intercept": quantity(6.2, "nm")},
    )
    report = describe_cell(composite, close)
    assert report.accepted
    assert report.by_name("interface volume fraction").tolerance == pytest.approx(0.029)
    far = given(
        volume_fractions={"interface": quantity(0.10, "1")},
        interface={"area_density": quantity(0.15, "nm^-1")},
    )
    report = describe_cell(composite, far)
    assert [entry.name for entry in report.missed] == [
        "area between the grains per volume",
        "interface volume fraction",
    ]
    with pytest.raises(RefusedError, match=r"misses 2 of its targets") as caught:
        refuse_descriptors(report)
    assert "0.27" in str(caught.value)
    assert "instead of 0.1 +- 0.01" in str(caught.value)
    assert "allow_missed_targets" in str(caught.value)
    refuse_descriptors(report, allow=True)


def test_a_wide_interval_is_the_tolerance(composite):
    wide = given(volume_fractions={"interface": quantity(0.20, "1", lo95=0.15, hi95=0.29)})
    entry = describe_cell(composite, wide).by_name("interface volume fraction")
    assert entry.tolerance == pytest.approx(0.09)
    assert entry.accepted


def test_what_does_not_bind_is_reported_and_refuses_nothing(composite):
    twice = given(
        crystals={
            "number_density": quantity(0.0058, "nm^-3"),
            "surface_distance": quantity(5.0, "nm"),
        }
    )
    report = describe_cell(composite, twice)
    for name in ("crystals per volume", "distance to the nearest crystal, surfaces"):
        entry = report.by_name(name)
        assert not entry.met
        assert entry.accepted
        assert entry.remark
    assert report.accepted
    assert "differs, does not bind" in report.table()


def test_neighbour_distance_binds(composite):
    near = given(crystals={"nearest_neighbour_distance": quantity(3.8, "nm")})
    assert describe_cell(composite, near).accepted
    far = given(crystals={"nearest_neighbour_distance": quantity(6.0, "nm")})
    assert not describe_cell(composite, far).accepted


def test_contributions_of_sc_add_up(composite):
    statistics = given()
    report = describe_cell(composite, statistics)
    parts = [entry for entry in report.descriptors if entry.name.startswith("Sc held by")]
    assert len(parts) == 4
    total = report.by_name("Sc of all regions together").achieved
    assert sum(entry.achieved for entry in parts) == pytest.approx(total, rel=1e-12)
    # two regions alike but for their size hold Sc in the ratio of their volumes
    pure = replace(
        statistics,
        compositions_at_percent={name: {"Fe": 90.0, "Sc": 10.0} for name in ("a", "b")},
    )
    shares = scandium_contributions_at_percent(pure, {"a": 0.3, "b": 0.7})
    assert shares == pytest.approx({"a": 3.0, "b": 7.0}, rel=1e-12)
