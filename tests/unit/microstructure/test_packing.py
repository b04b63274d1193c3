"""Packing: exact sizes, true gaps, flats, ellipsoids, spacing, seeds, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from ngcfem.errors import RefusedError
from ngcfem.microstructure.cell import Inclusion, PeriodicCell, cell_from_json
from ngcfem.microstructure.composite_cells import nanocomposite_cell
from ngcfem.microstructure.crystal_balls import crystal_balls
from ngcfem.microstructure.crystal_population import crystal_radii, crystal_stretches
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.packing import CLEARANCE
from ngcfem.microstructure.sections import phase_at
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.microstructure.tessellation import laguerre_cells, stratified_lognormal

GAP_NM = 0.3
BASE = CompositeStatistics(
    grain_diameter_nm=10.0,
    grain_diameter_variation=0.25,
    interface_thickness_nm=1.0,
    crystal_diameter_nm=3.0,
    crystal_diameter_variation=0.2,
    crystal_fraction=0.25,
    capped_share=0.0,
    cap_thickness_nm=0.8,
    cap_half_angle_deg=70.0,
    crystal_gap_nm=GAP_NM,
)
DEMANDS = {
    "quarter": BASE,
    "needles": replace(
        BASE,
        crystal_fraction=0.12,
        crystal_aspect_ratio=1.6,
        crystal_aspect_ratio_variation=0.1,
        capped_share=0.3,
    ),
    "discs": replace(
        BASE,
        crystal_fraction=0.12,
        crystal_aspect_ratio=1.8,
        crystal_shape="oblate",
        crystal_axis=(0.0, 0.0, 1.0),
        crystal_axis_spread_deg=10.0,
    ),
    "touching": replace(BASE, crystal_fraction=0.15, capped_share=0.3, interface_contact_share=0.5),
}
SEED = 1003
N_GRAINS = 5


@pytest.fixture(scope="module")
def cells() -> dict[str, PeriodicCell]:
    """One cell for each demand; immutable."""
    return {name: nanocomposite_cell(demand, SEED, N_GRAINS) for name, demand in DEMANDS.items()}


@pytest.mark.parametrize("name", DEMANDS)
def test_every_crystal_has_exactly_the_volume_asked_for(cells, name):
    cell = cells[name]
    radii = crystal_radii(DEMANDS[name], cell.volume_nm3)
    found = np.sort([body.equivalent_radius_nm for body in cell.inclusions])
    np.testing.assert_allclose(found, radii, rtol=1e-10)
    expected = stratified_lognormal(len(radii), 1.0, 0.2)
    np.testing.assert_allclose(found / found.mean(), expected, rtol=1e-10)
    fraction = geometric_fractions(cell)["nanocrystal"]
    assert fraction == pytest.approx(DEMANDS[name].crystal_fraction, rel=1e-10)


@pytest.mark.parametrize("name", DEMANDS)
def test_random_points_find_the_fractions_of_the_closed_forms(cells, name):
    cell, points = cells[name], 60_000
    places = np.random.default_rng(3).random((points, 3)) @ cell.lattice
    shares = np.bincount(phase_at(cell, places), minlength=len(cell.phase_names)) / points
    for share, fraction in zip(shares, geometric_fractions(cell).values(), strict=True):
        # five standard deviations of a binomial share
        assert abs(share - fraction) < 5.0 * np.sqrt(fraction * (1.0 - fraction) / points)


def _implicit(body: Inclusion, offsets: np.ndarray) -> np.ndarray:
    """True inside the crystal or its cap, from the definition, without the program's functions."""
    stretch = np.eye(3) if body.stretch is None else np.array(body.stretch)
    mapped = np.linalg.solve(stretch, offsets.T).T
    radius = np.linalg.norm(mapped, axis=1)
    inside = radius < body.radius_nm
    if body.cap is not None:
        angle = np.degrees(np.arccos(np.clip(mapped @ np.array(body.cap.axis) / radius, -1, 1)))
        inside |= (radius < body.radius_nm + body.cap.thickness_nm) & (
            angle < body.cap.half_angle_deg
        )
    if body.flat is not None:
        inside &= offsets @ np.array(body.flat.normal) < body.flat.distance_nm
    return inside


def _boundary(body: Inclusion, number: int, generator: np.random.Generator) -> np.ndarray:
    """Points just inside the surface, along random rays, by bisection of the definition."""
    rays = generator.normal(size=(number, 3))
    rays /= np.linalg.norm(rays, axis=1)[:, None]
    low, high = np.full(number, 1e-3), np.full(number, 12.0)
    for _ in range(40):
        middle = 0.5 * (low + high)
        inside = _implicit(body, middle[:, None] * rays)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return low[:, None] * rays


@pytest.mark.parametrize("name", DEMANDS)
def test_no_point_of_a_surface_comes_near_another_crystal_or_a_wall(cells, name):
    cell = cells[name]
    grains = laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice))
    generator = np.random.default_rng(0)
    surfaces = [_boundary(body, 250, generator) for body in cell.inclusions]
    centres = np.array([body.centre_nm for body in cell.inclusions])
    balls = name == "quarter"
    least = (GAP_NM if balls else CLEARANCE * GAP_NM) - 2e-3  # the packing ends below 1e-3
    for number, body in enumerate(cell.inclusions):
        normals, offsets = grains[body.grain].half_spaces(0.5 * cell.interface_thickness_nm)
        depth = offsets - (centres[number] + surfaces[number]) @ normals.T
        assert depth.min() > -1e-9
        cut = np.zeros(len(offsets), dtype=bool)
        if body.flat is not None:
            cut = normals @ np.array(body.flat.normal) > 1.0 - 1e-9
            assert cut.sum() == 1
            plane = np.array(body.flat.normal) @ centres[number] + body.flat.distance_nm
            assert plane == pytest.approx(float(offsets[cut][0]), abs=1e-9)
        assert depth[:, ~cut].min() > least
        for other in range(number):
            apart = centres[number] - centres[other]
            if cell.inclusions[other].grain == body.grain and np.linalg.norm(apart) < 7.0:
                shifted = surfaces[number][:, None] + apart - surfaces[other][None]
                # points of random rays miss the nearest ones by a little, to the safe side
                assert np.linalg.norm(shifted, axis=2).min() > least


def test_flats_lie_inside_their_walls(cells):
    cell = cells["quarter"]
    grains = laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice))
    flats = [body for body in cell.inclusions if body.flat is not None]
    assert len(flats) > 5
    for body in flats:
        assert body.flat is not None
        normals, offsets = grains[body.grain].half_spaces(0.5)
        normal, distance = np.array(body.flat.normal), body.flat.distance_nm
        first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
        first /= np.linalg.norm(first)
        second = np.cross(normal, first)
        turn = np.linspace(0.0, 2.0 * np.pi, 90)
        rim = np.sqrt(body.radius_nm**2 - distance**2) + GAP_NM - 2e-3
        ring = rim * (np.outer(np.cos(turn), first) + np.outer(np.sin(turn), second))
        middle = np.array(body.centre_nm) + distance * normal
        others = normals @ normal < 1.0 - 1e-9
        assert ((middle + ring) @ normals[others].T - offsets[others]).max() < 0.0


def test_share_on_the_network_is_met(cells):
    touching = [body.flat is not None for body in cells["touching"].inclusions]
    assert sum(touching) == round(0.5 * len(touching))


def test_no_more_flats_than_it_takes():
    bare = nanocomposite_cell(replace(BASE, crystal_fraction=0.12), SEED, N_GRAINS)
    assert not any(body.flat for body in bare.inclusions)


def test_shapes_and_directions_are_those_asked_for(cells):
    for name, main in (("needles", -1), ("discs", 0)):
        stretches = np.array([body.stretch for body in cells[name].inclusions])
        np.testing.assert_allclose(np.linalg.det(stretches), 1.0, rtol=1e-10)
        np.testing.assert_allclose(stretches, stretches.transpose(0, 2, 1), atol=1e-15)
        values, vectors = np.linalg.eigh(stretches)
        ratios = values[:, -1] / values[:, 0]
        assert ratios.mean() == pytest.approx(DEMANDS[name].crystal_aspect_ratio, rel=1e-9)
        spread = DEMANDS[name].crystal_aspect_ratio_variation
        assert ratios.std() / ratios.mean() == pytest.approx(spread, abs=1e-9)
        axes = vectors[:, :, main]
        tensor = axes.T @ axes / len(axes)
        if name == "needles":
            # evenly spread directions: far closer than 1 / sqrt(k) of random ones
            assert np.abs(tensor - np.eye(3) / 3.0).max() < 0.05
        else:
            # mean of cos^2 under sin(a) exp(-a^2 / 2 s^2) with s = 10 degrees, by quadrature
            angle = np.linspace(0.0, 0.5 * np.pi, 20001)
            weight = np.sin(angle) * np.exp(-0.5 * (angle / np.radians(10.0)) ** 2)
            expected = (weight * np.cos(angle) ** 2).sum() / weight.sum()
            assert tensor[2, 2] == pytest.approx(expected, abs=5e-3)


def test_spheres_stay_spheres():
    assert crystal_stretches(BASE, 10, np.random.default_rng(0)) is None


@pytest.mark.parametrize("target", [3.4, 4.6])
def test_spacing_comes_to_its_target(target):
    demand = replace(BASE, crystal_fraction=0.1, nearest_neighbour_distance_nm=target)
    cell = nanocomposite_cell(demand, SEED, N_GRAINS)
    centres, edges = np.array([b.centre_nm for b in cell.inclusions]), np.diag(cell.lattice)
    apart = centres[:, None] - centres[None]
    apart -= edges * np.round(apart / edges)
    distance = np.linalg.norm(apart, axis=2)
    np.fill_diagonal(distance, np.inf)
    assert distance.min(axis=1).mean() == pytest.approx(target, rel=0.01)


def test_samples_are_taken_by_quantiles():
    samples = (2.0, 2.4, 3.0, 3.1, 4.5)
    demand = replace(BASE, crystal_diameter_samples_nm=samples, crystal_diameter_nm=3.0)
    radii = crystal_radii(demand, 20_000.0)
    shares = (np.arange(len(radii)) + 0.5) / len(radii)
    # sample k stands at the share (k + 1/2) / 5
    expected = np.interp(5.0 * shares - 0.5, np.arange(5), samples)
    # all scaled alike to the fraction
    factors = 2.0 * radii / expected
    np.testing.assert_allclose(factors, factors[0], rtol=1e-12)
    assert factors[0] == pytest.approx(1.0, abs=0.02)
    assert (4.0 / 3.0 * np.pi * radii**3).sum() == pytest.approx(0.25 * 20_000.0, rel=1e-12)


@pytest.mark.parametrize("name", ["quarter", "touching"])
def test_same_seed_same_cell_and_round_trip(cells, name):
    text = cells[name].to_json()
    assert nanocomposite_cell(DEMANDS[name], SEED, N_GRAINS).to_json() == text
    assert cell_from_json(text).to_json() == text
    assert cell_from_json(text).inclusions == cells[name].inclusions


@pytest.mark.slow
def test_caps_that_come_too_near_are_packed_anew_with_a_wider_gap():
    """A fifth of crystals, half of them capped: balls leave out the edges of the caps.

    Packed once, crystals of a grain keep 0.12 nm of the gap and cannot be parted there.
    """
    dense = CompositeStatistics(10.0, 0.25, 1.0, 3.0, 0.2, 0.2, 0.5, 0.8, 70.0)
    cell = nanocomposite_cell(dense, 1, n_grains=8, crystal_gap_nm=0.2)
    assert geometric_fractions(cell)["nanocrystal"] == pytest.approx(0.2, rel=1e-9)


def test_what_does_not_fit_is_refused_with_what_did():
    with pytest.raises(RefusedError, match="do not all fit") as caught:
        nanocomposite_cell(replace(BASE, crystal_fraction=0.36), SEED, N_GRAINS)
    words = str(caught.value)
    assert "take up 0.360 of the cell" in words
    reached = float(words.split("this seed reached ")[1].split(",")[0])
    assert 0.2 < reached < 0.36
    with pytest.raises(RefusedError, match="fits into no grain"):
        nanocomposite_cell(
            replace(BASE, crystal_diameter_nm=14.5, crystal_fraction=0.33), SEED, n_grains=8
        )


@pytest.mark.parametrize("half_angle", [30.0, 70.0, 120.0, 170.0])
@pytest.mark.parametrize("radius", [1.0, 2.2])
def test_balls_fill_a_cap_and_hardly_leave_it(radius, half_angle):
    thickness = 0.8
    cover = crystal_balls(radius, cap=(thickness, half_angle))
    generator = np.random.default_rng(1)
    cosine = generator.uniform(np.cos(np.radians(half_angle)), 1.0, 4000)
    azimuth = generator.uniform(0.0, 2.0 * np.pi, 4000)
    sine = np.sqrt(1.0 - cosine**2)
    outer = (radius + thickness) * np.column_stack(
        [sine * np.cos(azimuth), sine * np.sin(azimuth), cosine]
    )
    away = np.linalg.norm(outer[:, None] - cover.positions_nm[None], axis=2) - cover.radii_nm
    # twice the depth of 0.06 nm to which balls stand out, as widths are not exact on a sphere
    assert away.min(axis=1).max() < 0.2
    reach = np.linalg.norm(cover.positions_nm, axis=1) + cover.radii_nm
    assert reach.max() < radius + thickness + 0.061


@pytest.mark.parametrize("ratio", [1.3, 3.0])
@pytest.mark.parametrize("prolate", [True, False])
def test_balls_fill_an_ellipsoid_from_inside(ratio, prolate):
    values = np.array([ratio ** (-1 / 3)] * 2 + [ratio ** (2 / 3)])
    if not prolate:
        values = np.array([ratio ** (1 / 3)] * 2 + [ratio ** (-2 / 3)])
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    stretch = turn @ np.diag(values) @ turn.T
    cover = crystal_balls(1.5, stretch)
    rays = np.random.default_rng(3).normal(size=(3000, 3))
    rays /= np.linalg.norm(rays, axis=1)[:, None]
    away = np.linalg.norm(1.5 * rays @ stretch - cover.positions_nm[:, None], axis=2)
    away -= cover.radii_nm[:, None]
    assert away.min(axis=0).max() < 0.12
    on_balls = (cover.positions_nm[:, None] + cover.radii_nm[:, None, None] * rays[:300]).reshape(
        -1, 3
    )
    assert np.linalg.norm(on_balls @ np.linalg.inv(stretch), axis=1).max() < 1.5 * (1.0 + 1e-9)
