"""Synthetic specimens against what their cell, their density and their deformation imply."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree

from ngcfem.atomprobe.evaporation import EvaporationParameters
from ngcfem.atomprobe.ion_reading import open_ions
from ngcfem.atomprobe.range_reading import read_ranges
from ngcfem.atomprobe.statistics import read_statistics
from ngcfem.case.schema import load_case
from ngcfem.errors import InputError
from ngcfem.microstructure.box_measures import inclusion_images
from ngcfem.microstructure.cell import Cap, Inclusion, PeriodicCell
from ngcfem.microstructure.sections import inclusion_parts
from ngcfem.quantities import GRAIN, NANOCRYSTAL, SC_RICH
from ngcfem.workflow.apt_synthetic import SyntheticRequest, apt_synthetic_stage
from ngcfem.workflow.deformed_state import HomogeneousDeformation, largest_true_strain
from ngcfem.workflow.specimen_crystals import crystals_of_box
from ngcfem.workflow.synthetic_specimen import (
    RegionAtoms,
    SyntheticSpecimen,
    cap_place,
    crystal_sites,
    evaporate_cell,
)

CASES = Path(__file__).resolve().parents[3] / "cases"
VOLUMES = {"Fe": 0.01178, "Sc": 0.02497, "H": 0.0029}
# iron crystals in scandium: the element tells where an atom comes from
PURE = RegionAtoms(
    {NANOCRYSTAL: {"Fe": 100.0, "Sc": 0.0}, GRAIN: {"Fe": 0.0, "Sc": 100.0}}, VOLUMES
)
QUIET = EvaporationParameters(
    efficiency=0.5,
    background_share=0.0,
    tail_share=0.0,
    crystal_magnification=1.0,
    sc_rich_magnification=1.0,
)
RADIUS = 3.0
SQUASHED = np.array([[1.2, 0.1, 0.0], [0.0, 1.1, 0.2], [0.0, 0.0, 0.7]])


def cell_of(*inclusions: Inclusion, edge: float = 10.0) -> PeriodicCell:
    return PeriodicCell(
        kind="nanocomposite",
        lattice=edge * np.eye(3),
        phase_names=(GRAIN, NANOCRYSTAL),
        sites=np.zeros((0, 3)),
        weights=np.zeros(0),
        inclusions=inclusions,
    )


ONE = cell_of(Inclusion(centre_nm=(5.0, 5.0, 5.0), radius_nm=RADIUS))


def iron(specimen: SyntheticSpecimen) -> np.ndarray:
    """Positions of iron: 2+ lies between 26 and 30 Da, 1+ beyond 50 Da; scandium nowhere there."""
    mass = specimen.mass_to_charge_da
    return specimen.position_nm[((mass > 26.0) & (mass < 30.0)) | (mass > 50.0)].astype(float)


def test_density_and_composition_are_those_of_the_region() -> None:
    regions = RegionAtoms({GRAIN: {"Fe": 90.0, "Sc": 8.0, "H": 2.0}}, VOLUMES)
    size = np.array([8.0, 10.0, 12.0])
    cell = PeriodicCell("glass", 10.0 * np.eye(3), (GRAIN,), np.zeros((0, 3)), np.zeros(0))
    atoms = evaporate_cell(cell, regions, size, QUIET, seed=1).atoms[0]
    density = 1.0 / (0.90 * 0.01178 + 0.08 * 0.02497 + 0.02 * 0.0029)
    expected = 0.5 * density * size.prod() * np.array([0.90, 0.08, 0.02])
    assert np.all(np.abs(atoms - expected) < 4.0 * np.sqrt(expected))


@pytest.mark.parametrize("magnification", [1.0, 1.2])
def test_a_crystal_has_its_size_blur_and_magnification(magnification: float) -> None:
    parameters = EvaporationParameters(
        **{**vars(QUIET), "crystal_magnification": magnification, "blur_lateral_nm": 0.4}
    )
    specimen = evaporate_cell(ONE, PURE, np.full(3, 10.0), parameters, seed=2)
    atoms = iron(specimen)
    expected = 0.5 * 4.0 / 3.0 * np.pi * RADIUS**3 / 0.01178
    assert len(atoms) == pytest.approx(expected, abs=4.0 * np.sqrt(expected))
    # a ball has the variance r^2 / 5 along each axis
    variance = RADIUS**2 / 5.0 * np.array([magnification**2, magnification**2, 1.0])
    variance += np.array([0.4, 0.4, 0.08]) ** 2
    assert atoms.mean(axis=0) == pytest.approx([5.0] * 3, abs=4.0 * np.sqrt(2.0 / len(atoms)))
    assert atoms.var(axis=0) == pytest.approx(variance, rel=4.0 * np.sqrt(1.5 / len(atoms)))


def test_a_deformed_crystal_is_the_image_of_the_ball() -> None:
    deformation = HomogeneousDeformation(SQUASHED)
    size = np.array([12.0, 14.0, 9.0])
    specimen = evaporate_cell(ONE, PURE, size, QUIET, 3, deformation)
    crystals, _ = crystals_of_box(ONE, size, deformation)
    crystal = max(crystals, key=lambda entry: entry.whole)
    atoms = iron(specimen)
    near = atoms[np.linalg.norm(atoms - crystal.centre_nm, axis=1) < 1.2 * crystal.semi_axes_nm[0]]
    assert crystal.centre_nm == pytest.approx(SQUASHED @ [5.0, 5.0, 5.0])
    assert crystal.semi_axes_nm == pytest.approx(
        RADIUS * np.linalg.svd(SQUASHED, compute_uv=False), rel=1e-9
    )
    blur = np.diag([0.25, 0.25, 0.08]) ** 2
    expected = SQUASHED @ SQUASHED.T * RADIUS**2 / 5.0 + blur
    assert np.cov(near.T) == pytest.approx(expected, abs=4.0 * 2.5 * np.sqrt(2.0 / len(near)))
    expected_atoms = 0.5 * 4.0 / 3.0 * np.pi * RADIUS**3 / 0.01178
    assert len(near) == pytest.approx(expected_atoms, abs=4.0 * np.sqrt(expected_atoms))
    assert crystal.equivalent_radius_nm == pytest.approx(
        RADIUS * np.cbrt(np.linalg.det(SQUASHED)), rel=1e-9
    )
    assert largest_true_strain(np.diag([1.1, 1.1, 0.6])) == pytest.approx(np.log(0.6))


def test_a_larger_box_repeats_the_cell() -> None:
    crystals, distances = crystals_of_box(ONE, np.full(3, 20.0), HomogeneousDeformation(np.eye(3)))
    assert len(crystals) == 8
    assert all(crystal.whole and crystal.centre_inside for crystal in crystals)
    assert distances["nearest_centre_nm"] == pytest.approx(np.full(8, 10.0))
    # points on both surfaces are 0.22 nm apart: at a gap of 4 nm this adds up to 0.01 nm
    assert distances["nearest_surface_nm"] == pytest.approx(np.full(8, 4.0), abs=0.02)
    assert distances["agglomerate_sizes"].tolist() == [1.0] * 8


def test_crystals_that_touch_are_one_agglomerate() -> None:
    pair = cell_of(
        Inclusion(centre_nm=(3.0, 5.0, 5.0), radius_nm=1.5),
        Inclusion(centre_nm=(6.2, 5.0, 5.0), radius_nm=1.5),
        Inclusion(centre_nm=(5.0, 9.0, 9.5), radius_nm=1.0),
        edge=12.0,
    )
    _, distances = crystals_of_box(pair, np.full(3, 12.0), HomogeneousDeformation(np.eye(3)))
    assert sorted(distances["agglomerate_sizes"]) == [1.0, 2.0]
    assert distances["nearest_surface_nm"][:2] == pytest.approx([0.2, 0.2], abs=0.05)


def test_the_lattice_of_a_crystal_is_body_centred_cubic() -> None:
    image = inclusion_images(ONE, np.zeros(3), np.full(3, 10.0))[0]
    density = 1.0 / 0.01178
    sites = crystal_sites(ONE, image, density, np.random.default_rng(4))
    constant = np.cbrt(2.0 * 0.01178)
    distance, _ = KDTree(sites).query(sites, k=15)
    inner = np.linalg.norm(sites - 5.0, axis=1) < RADIUS - 1.1 * constant
    # 8 neighbours along the body diagonal, 6 along the edge
    assert distance[inner, 1:9] == pytest.approx(0.5 * np.sqrt(3.0) * constant)
    assert distance[inner, 9:15] == pytest.approx(constant)
    # sites on the surface: their number departs from the mean by less than a layer of one
    expected = density * 4.0 / 3.0 * np.pi * RADIUS**3
    assert len(sites) == pytest.approx(expected, rel=0.02)
    specimen = evaporate_cell(ONE, PURE, np.full(3, 10.0), QUIET, 3, crystalline=True)
    assert specimen.atoms[1, 0] == pytest.approx(0.5 * expected, abs=5.0 * np.sqrt(0.25 * expected))


def test_seeds_reproduce() -> None:
    first, again, other = (
        evaporate_cell(ONE, PURE, np.full(3, 6.0), QUIET, seed) for seed in (7, 7, 8)
    )
    assert np.array_equal(first.position_nm, again.position_nm)
    assert np.array_equal(first.mass_to_charge_da, again.mass_to_charge_da)
    assert not np.array_equal(first.position_nm[:10], other.position_nm[:10])


def test_place_and_volume_of_a_cap() -> None:
    body = Inclusion(centre_nm=(0.0, 0.0, 0.0), radius_nm=1.5, cap=Cap((0.0, 0.6, 0.8), 70.0, 0.8))
    points = np.random.default_rng(0).uniform(-2.4, 2.4, (400_000, 3))
    inside = points[inclusion_parts(body, points)[1]]
    offset, radius = cap_place(body)
    assert offset == pytest.approx(inside.mean(axis=0), abs=4.0 * 1.2 / np.sqrt(len(inside)))
    share = 4.0 / 3.0 * np.pi * radius**3 / 4.8**3
    assert share == pytest.approx(len(inside) / len(points), abs=4.0 * np.sqrt(share / 4e5))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("specimen")
    request = SyntheticRequest(formats=("pos", "epos", "apt"), seed=3)
    apt_synthetic_stage(load_case(CASES / "demo.toml"), directory, request)
    return directory


def test_all_formats_hold_the_same_ions(written: Path) -> None:
    read = [open_ions(written / f"specimen.{name}") for name in ("pos", "epos", "apt")]
    first, *others = [list(ions.chunks()) for ions in read]
    assert sum(map(len, first)) > 150_000
    for chunks in others:
        for chunk, reference in zip(chunks, first, strict=True):
            assert np.array_equal(chunk.position_nm, reference.position_nm)
            assert np.array_equal(chunk.mass_to_charge_da, reference.mass_to_charge_da)
    assert not read_ranges(written / "specimen.rrng").warnings


def test_truth_of_the_whole_cell_is_what_the_cell_was_made_for(written: Path) -> None:
    truth = json.loads((written / "truth.json").read_text())
    statistics = read_statistics(written / "truth_statistics.json")
    assert statistics.grains is not None
    assert statistics.crystals is not None
    assert statistics.crystals.diameter_mean is not None
    assert statistics.volume_fractions is not None
    assert statistics.volume_fractions.nanocrystal is not None
    assert statistics.sc_rich is not None
    # the cell is accepted within 5 % of its statistics
    assert statistics.grains.equivalent_diameter.value == pytest.approx(10.0, rel=1e-3)
    assert statistics.crystals.diameter_mean.value == pytest.approx(3.0, rel=0.05)
    assert statistics.volume_fractions.nanocrystal.value == pytest.approx(0.08, rel=0.05)
    assert len(truth["grains"]) == 8
    # volume of the balls with their centre inside, over that of the cell
    volume = statistics.source.volume.value if statistics.source else 0.0
    balls = sum(
        4.0 / 3.0 * np.pi * crystal["equivalent_radius_nm"] ** 3
        for crystal in truth["crystals"]
        if crystal["centre_inside"]
    )
    assert statistics.volume_fractions.nanocrystal.value == pytest.approx(balls / volume, rel=2e-3)
    assert truth["realized"]["bulk"]["atoms"] == truth["n_atoms_detected"]
    assert truth["parameters"]["efficiency"] == {"value": 0.52, "provenance": "assumed"}


def test_every_wrong_option_is_named(tmp_path: Path) -> None:
    parameters = tmp_path / "evaporation.toml"
    parameters.write_text("blur = 1.0\nefficiency = 3.0\n")
    request = SyntheticRequest(
        size_nm=(3.0, 4.0),
        efficiency=2.0,
        parameters=parameters,
        formats=("ato",),
        seed=-1,
        deformation=(1.0, 1.0, -1.0),
    )
    with pytest.raises(InputError) as caught:
        apt_synthetic_stage(load_case(CASES / "demo.toml"), tmp_path / "out", request)
    keys = {finding.key for finding in caught.value.findings}
    options = {"--size", "--efficiency", "--format", "--seed", "--deformation"}
    assert keys == {"blur", "efficiency", *options}
    assert not (tmp_path / "out").exists()


def test_only_volumes_with_statistics_are_evaporated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"microstructure\.kind"):
        apt_synthetic_stage(load_case(CASES / "laminate.toml"), tmp_path, SyntheticRequest())


def test_caps_are_regions_of_their_own() -> None:
    body = Inclusion((5.0, 5.0, 5.0), 2.0, cap=Cap((0.0, 0.0, 1.0), 90.0, 1.0))
    cell = PeriodicCell(
        "nanocomposite",
        10.0 * np.eye(3),
        (GRAIN, SC_RICH, NANOCRYSTAL),
        np.zeros((0, 3)),
        np.zeros(0),
        inclusions=(body,),
    )
    regions = RegionAtoms(
        {GRAIN: {"Sc": 100.0}, SC_RICH: {"Fe": 70.0, "Sc": 30.0}, NANOCRYSTAL: {"Fe": 100.0}},
        VOLUMES,
    )
    specimen = evaporate_cell(cell, regions, np.full(3, 10.0), QUIET, 5)
    # half a shell from 2 to 3 nm
    volume = 2.0 / 3.0 * np.pi * (27.0 - 8.0)
    expected = 0.5 * volume / (0.7 * 0.01178 + 0.3 * 0.02497)
    assert specimen.atoms[1].sum() == pytest.approx(expected, abs=4.0 * np.sqrt(expected))
