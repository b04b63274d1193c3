"""Plane cells: areas against closed forms, gaps of the true outlines, phases by sampling."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import KDTree

from ngcfem.errors import RefusedError
from ngcfem.microstructure.cell import Inclusion, Layer, PeriodicCell, box_lattice, cell_from_json
from ngcfem.microstructure.descriptors import describe_cell
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.plane_cells import disc_radii
from ngcfem.microstructure.plane_generation import generate_plane_cell, plane_rotation
from ngcfem.microstructure.plane_sections import plane_section
from ngcfem.microstructure.plane_shape import plane_grain_area, polygon_area
from ngcfem.microstructure.plane_tessellation import (
    fit_plane_weights,
    plane_diagram,
    tessellate_plane,
)
from ngcfem.microstructure.sections import phase_at
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.microstructure.tessellation import stratified_lognormal

STATISTICS = CompositeStatistics(
    grain_diameter_nm=10.0,
    grain_diameter_variation=0.25,
    interface_thickness_nm=1.0,
    crystal_diameter_nm=3.0,
    crystal_diameter_variation=0.2,
    crystal_fraction=0.25,
    capped_share=0.5,
    cap_thickness_nm=0.8,
    cap_half_angle_deg=70.0,
)
GAP_NM = 0.45
LAYERS = (Layer("a", 0.35), Layer("b", 0.65))
CELLS: dict[str, PeriodicCell] = {
    "nanocomposite": generate_plane_cell("nanocomposite", STATISTICS, 3, n_grains=9),
    "two grains": generate_plane_cell(
        "nanocomposite", STATISTICS, 5, n_grains=2, cell_aspect=(1.0, 3.0)
    ),
    "nanoglass": generate_plane_cell("nanoglass", STATISTICS, 4, n_grains=12),
    "glass": generate_plane_cell("glass", STATISTICS),
    "sphere": generate_plane_cell("sphere", fraction=0.3, cell_nm=(8.0, 12.0)),
    "laminate": generate_plane_cell("laminate", normal="y", layers=LAYERS, cell_nm=(4.0, 9.0)),
    "homogeneous": generate_plane_cell("homogeneous", phase="steel", cell_nm=(5.0, 10.0)),
}


def hexagons(spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Two sites in a rectangle, whose Laguerre cells are regular hexagons."""
    edges = np.array([spacing, spacing * np.sqrt(3.0)])
    return np.array([[0.2, 0.1], [0.2 + 0.5 * spacing, 0.1 + 0.5 * edges[1]]]), edges


def test_equal_grains_are_hexagons_and_shrink_as_such():
    sites, edges = hexagons(8.0)
    grains = plane_diagram(sites, np.zeros(2), edges).grains
    for grain in grains:
        assert len(grain.neighbours) == 6
        assert grain.area_nm2 == pytest.approx(8.0**2 * np.sqrt(3.0) / 2.0, rel=1e-12)
        # a regular hexagon of apothem r has the area 2 sqrt(3) r^2
        apothem = 0.5 * (8.0 - 1.5)
        expected = 2.0 * np.sqrt(3.0) * apothem**2
        assert plane_grain_area(grain, 0.75) == pytest.approx(expected, rel=1e-12)
    cell = PeriodicCell(
        kind="nanoglass",
        lattice=np.diag(edges),
        phase_names=("interface", "grain"),
        sites=sites,
        weights=np.zeros(2),
        interface_thickness_nm=1.5,
        rotation=np.eye(2),
    )
    fractions = geometric_fractions(cell)
    assert fractions["interface"] == pytest.approx(1.0 - (1.0 - 1.5 / 8.0) ** 2, rel=1e-12)


def test_small_sides_vanish_from_a_shrunk_grain():
    # one site in a rectangle a x b: the grain is the rectangle, shrunk (a - t)(b - t)
    grain = plane_diagram(np.array([[1.0, 2.0]]), np.zeros(1), np.array([6.0, 9.0])).grains[0]
    assert plane_grain_area(grain, 0.5) == pytest.approx(5.0 * 8.0, rel=1e-12)
    with pytest.raises(RefusedError, match=r"vanishes in a network 6\.2 nm"):
        plane_grain_area(grain, 3.1)


def test_grains_hold_the_points_that_are_nearest_in_power_distance():
    generator = np.random.default_rng(5)
    edges = np.array([9.0, 11.0])
    sites, weights = generator.random((10, 2)) * edges, generator.random(10) * 3.0
    diagram = plane_diagram(sites, weights, edges)
    samples = generator.random((200_000, 2)) * edges
    power = np.empty((10, len(samples)))
    for number in range(10):
        away = samples - sites[number]
        away -= edges * np.round(away / edges)
        power[number] = (away**2).sum(axis=1) - weights[number]
    share = np.bincount(power.argmin(axis=0), minlength=10) / len(samples)
    areas = diagram.areas_nm2 / edges.prod()
    # four standard deviations of the sampled shares
    assert np.all(np.abs(share - areas) < 4.0 * np.sqrt(areas / len(samples)) + 1e-12)
    for number, grain in enumerate(diagram.grains):
        # the sides go round, and corners and moments are those of the polygon
        assert polygon_area(grain.corners) == pytest.approx(grain.area_nm2, rel=1e-12)
        inside = samples[power.argmin(axis=0) == number]
        away = inside - sites[number]
        inside = sites[number] + away - edges * np.round(away / edges)
        assert (inside @ grain.normals.T - grain.offsets_nm).max() < 1e-9
        assert grain.centroid == pytest.approx(inside.mean(axis=0), abs=0.1)


@pytest.mark.parametrize("aspect", [(1.0, 1.0), (1.0, 3.0), (5.0, 1.0)])
@pytest.mark.parametrize("number", [2, 5, 16, 64])
def test_areas_are_met(number, aspect):
    for seed in range(4):
        generator = np.random.default_rng(seed)
        diameters = generator.permutation(stratified_lognormal(number, 10.0, 0.25))
        found = tessellate_plane(diameters, np.array(aspect), generator)
        diagram = plane_diagram(found.sites, found.weights, found.edges_nm)
        target = np.pi / 4.0 * diameters**2
        assert np.abs(diagram.areas_nm2 - target).max() < 1e-6 * target.mean()
        assert diagram.areas_nm2.sum() == pytest.approx(found.edges_nm.prod(), rel=1e-11)
        assert found.edges_nm[1] / found.edges_nm[0] == pytest.approx(aspect[1] / aspect[0])
        # Euler: three grains meet in a corner, so a grain has six neighbours on average; a side
        # between more than three may be too short to count
        assert len(diagram.grain) / number == pytest.approx(6.0, abs=0.5)


def test_impossible_areas_are_refused():
    sites = np.array([[1.0, 1.0], [1.0 + 1e-9, 1.0], [6.0, 6.0]])
    with pytest.raises(RefusedError, match="grain areas"):
        fit_plane_weights(
            sites,
            np.zeros(3),
            np.array([10.0, 10.0]),
            np.array([90.0, 5.0, 5.0]),
            maximum_iterations=3,
        )


@pytest.mark.parametrize("name", CELLS)
def test_shares_of_random_points_are_the_area_fractions(name):
    cell, number = CELLS[name], 60_000
    fractions = geometric_fractions(cell)
    assert sum(fractions.values()) == pytest.approx(1.0, abs=1e-12)
    points = np.random.default_rng(7).random((number, 2)) @ cell.lattice
    shares = np.bincount(phase_at(cell, points), minlength=len(cell.phase_names)) / number
    for phase, share in zip(cell.phase_names, shares, strict=True):
        spread = np.sqrt(fractions[phase] * (1.0 - fractions[phase]) / number)
        assert abs(share - fractions[phase]) <= 5.0 * spread


@pytest.mark.parametrize("name", ["nanocomposite", "two grains", "sphere", "laminate"])
def test_phase_is_periodic(name):
    cell = CELLS[name]
    points = np.random.default_rng(8).random((500, 2)) @ cell.lattice
    shifts = np.random.default_rng(9).integers(-2, 3, (500, 2)) @ cell.lattice
    np.testing.assert_array_equal(phase_at(cell, points), phase_at(cell, points + shifts))


def outline(inclusion: Inclusion) -> np.ndarray:
    """Points on the outline of a disc with its cap, about 0.02 nm apart."""
    angles = np.linspace(0.0, 2.0 * np.pi, 500, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    parts = [inclusion.radius_nm * circle]
    if inclusion.cap is not None:
        within = circle @ np.array(inclusion.cap.axis) >= np.cos(
            np.radians(inclusion.cap.half_angle_deg)
        )
        parts.append((inclusion.radius_nm + inclusion.cap.thickness_nm) * circle[within])
    return np.array(inclusion.centre_nm) + np.concatenate(parts)


@pytest.mark.parametrize("seed", range(6))
def test_a_quarter_of_discs_fits_with_its_gaps(seed):
    cell = generate_plane_cell("nanocomposite", STATISTICS, seed, n_grains=8)
    assert geometric_fractions(cell)["nanocrystal"] == pytest.approx(0.25, rel=1e-12)
    # points on the caps are 0.25 nm apart when they are packed: two of them may pass each other in
    # between, sqrt(0.45^2 - 0.125^2) = 0.432
    allowed = 0.43
    edges = np.diag(cell.lattice)
    outlines = [outline(inclusion) for inclusion in cell.inclusions]
    trees = [KDTree(points % edges, boxsize=edges) for points in outlines]
    for first in range(len(outlines)):
        for second in range(first):
            distance, _ = trees[first].query(outlines[second] % edges)
            assert distance.min() > allowed
    grains = plane_diagram(cell.sites, cell.weights, edges).grains
    for points, inclusion in zip(outlines, cell.inclusions, strict=True):
        grain = grains[inclusion.grain]
        inside = grain.offsets_nm - 0.5 - points @ grain.normals.T
        assert inside.min() > allowed


def test_discs_have_the_sizes_asked_for():
    for area in (60.0, 300.0, 3000.0):
        radii = disc_radii(STATISTICS, area)
        assert np.pi * (radii**2).sum() == pytest.approx(0.25 * area, rel=1e-12)
        if len(radii) > 1:
            assert radii.std() / radii.mean() == pytest.approx(0.2, abs=1e-9)
        assert 2.0 * radii.mean() == pytest.approx(3.0, rel=0.5 / len(radii))
    samples = replace(STATISTICS, crystal_diameter_samples_nm=(2.0, 2.0, 4.0, 4.0))
    radii = disc_radii(samples, 5000.0)
    # half of the samples are 2 and half are 4; between them the quantiles run linearly
    assert radii.max() / radii.min() == pytest.approx(2.0, rel=1e-12)


def test_areas_of_discs_and_caps():
    cell = CELLS["nanocomposite"]
    capped = next(i for i in cell.inclusions if i.cap is not None)
    assert capped.volume_nm3 == pytest.approx(np.pi * capped.radius_nm**2, rel=1e-14)
    outer = capped.radius_nm + 0.8
    ring = np.pi * (outer**2 - capped.radius_nm**2)
    assert capped.cap_volume_nm3 == pytest.approx(140.0 / 360.0 * ring, rel=1e-12)
    with pytest.raises(RefusedError, match=r"do not fit into the grains with gaps of 0\.45 nm"):
        generate_plane_cell("nanocomposite", replace(STATISTICS, crystal_fraction=0.6), 1)
    with pytest.raises(RefusedError, match="fits into no grain"):
        generate_plane_cell("nanocomposite", replace(STATISTICS, crystal_diameter_nm=14.0), 1)


@pytest.mark.parametrize("name", CELLS)
def test_json_round_trip(name):
    cell = replace(CELLS[name], rotation=plane_rotation(20.0))
    back = cell_from_json(cell.to_json())
    assert back.to_json() == cell.to_json()
    assert back.dimension == 2
    assert geometric_fractions(back) == geometric_fractions(cell)


def test_seeds_make_cells_and_make_them_again():
    made = [generate_plane_cell("nanocomposite", STATISTICS, seed).to_json() for seed in (1, 2, 1)]
    assert made[0] == made[2]
    assert made[0] != made[1]


def test_descriptors_meet_the_statistics():
    moderate = replace(STATISTICS, crystal_fraction=0.1)
    cell = generate_plane_cell("nanocomposite", moderate, 2, n_grains=16)
    report = describe_cell(cell, moderate)
    assert report.accepted
    assert report.by_name("mean grain diameter").achieved == pytest.approx(10.0, rel=1e-5)
    assert report.by_name("mean number of neighbours").achieved == pytest.approx(6.0, abs=0.3)
    # nearest centres by brute force over all images
    centres = np.array([i.centre_nm for i in cell.inclusions])
    shifts = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) @ cell.lattice
    images = (centres[:, None] + shifts).reshape(-1, 2)
    distance = np.linalg.norm(centres[:, None] - images[None], axis=2)
    distance[distance < 1e-9] = np.inf
    name = "mean distance to the nearest crystal, centres"
    assert report.by_name(name).achieved == pytest.approx(distance.min(axis=1).mean(), rel=1e-9)


def test_wrong_demands_are_named():
    with pytest.raises(ValueError, match="z is out of the plane"):
        generate_plane_cell("laminate", normal="z", layers=LAYERS)
    with pytest.raises(ValueError, match="add up to"):
        generate_plane_cell("laminate", normal="x", layers=[Layer("a", 0.5)])
    with pytest.raises(ValueError, match="cell_aspect"):
        generate_plane_cell("nanoglass", STATISTICS, 1, cell_aspect=(1.0,))
    with pytest.raises(ValueError, match="disc of fraction"):
        generate_plane_cell("sphere", fraction=0.76)
    with pytest.raises(ValueError, match="one or two positive lengths"):
        box_lattice((1.0, 2.0, 3.0), 2)
    with pytest.raises(ValueError, match="needs statistics"):
        generate_plane_cell("nanoglass")
    with pytest.raises(ValueError, match="unknown kind"):
        generate_plane_cell("foam")


def test_rotations_by_quarters_are_exact():
    np.testing.assert_array_equal(plane_rotation(90.0), [[0.0, -1.0], [1.0, 0.0]])
    np.testing.assert_array_equal(plane_rotation(-180.0), -np.eye(2))
    turned = plane_rotation(30.0) @ np.array([1.0, 0.0])
    np.testing.assert_allclose(turned, [np.sqrt(0.75), 0.5], rtol=1e-15)


def test_section_lies_as_the_cell_does():
    phases, size = plane_section(CELLS["laminate"], resolution=90)
    assert size == (4.0, 9.0)
    assert phases.shape == (90, 40)
    # the first layer lies at the bottom: rows run along y
    assert (phases == phases[:, :1]).all()
    assert (phases[:, 0] == (np.arange(90) + 0.5 > 0.35 * 90)).all()
