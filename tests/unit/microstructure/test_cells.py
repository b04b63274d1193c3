"""Cells of every kind: geometry, targets, mass balance, seeds, round trip."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ngcfem.atomprobe.statistics import read_statistics, statistics_from_mapping
from ngcfem.errors import InputError, RefusedError
from ngcfem.microstructure.cell import Cap, Inclusion, Layer, cell_from_json
from ngcfem.microstructure.composite_cells import CRYSTAL_GAP_NM
from ngcfem.microstructure.descriptors import describe_cell, refuse_descriptors
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.generation import generate_cell
from ngcfem.microstructure.mass_balance import scandium_balance_at_percent
from ngcfem.microstructure.statistics import CompositeStatistics, composite_statistics
from ngcfem.microstructure.tessellation import laguerre_cells

SHIPPED = Path(__file__).parents[3] / "cases" / "data" / "fe90sc10_statistics.json"
SEEDS = (0, 1, 20200903)


@pytest.fixture(scope="module")
def statistics() -> CompositeStatistics:
    """The shipped statistics."""
    return composite_statistics(read_statistics(SHIPPED), str(SHIPPED))


@pytest.fixture(scope="module")
def composites(statistics) -> dict[int, object]:
    """Composites of eight grains, by seed; immutable."""
    return {seed: generate_cell("nanocomposite", statistics, seed) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_composite_meets_its_targets_and_the_mass_balance(statistics, composites, seed):
    report = describe_cell(composites[seed], statistics)
    assert report.accepted
    refuse_descriptors(report)
    assert report.by_name("mean grain diameter").achieved == pytest.approx(10.0, rel=1e-3)
    assert report.by_name("crystal volume fraction").achieved == pytest.approx(0.08, rel=1e-10)
    assert report.by_name("mean crystal diameter").achieved == pytest.approx(3.0, rel=0.01)
    balance = report.by_name("Sc of all regions together")
    assert balance.target == 10.0
    assert abs(balance.achieved - 10.0) < 0.15
    fractions = report.phase_fractions
    assert tuple(fractions) == ("interface", "grain", "sc_rich", "nanocrystal")
    assert sum(fractions.values()) == pytest.approx(1.0, abs=1e-12)
    # a network of 1 nm around grains of 10 nm
    assert 0.25 < fractions["interface"] < 0.30
    assert 0.025 < fractions["sc_rich"] < 0.04


@pytest.mark.parametrize("seed", SEEDS)
def test_crystals_and_caps_keep_their_distance(composites, seed):
    cell = composites[seed]
    grains = laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice))
    generator = np.random.default_rng(0)
    surfaces = []
    for inclusion in cell.inclusions:
        directions = generator.normal(size=(600, 3))
        directions /= np.linalg.norm(directions, axis=1)[:, None]
        radius = np.full(600, inclusion.radius_nm)
        if inclusion.cap is not None:
            under = directions @ np.array(inclusion.cap.axis) > np.cos(
                np.radians(inclusion.cap.half_angle_deg)
            )
            radius[under] += inclusion.cap.thickness_nm
        surface = np.array(inclusion.centre_nm) + radius[:, None] * directions
        normals, offsets = grains[inclusion.grain].half_spaces(0.5 * cell.interface_thickness_nm)
        # the packing knows a cap as balls of half its thickness: its edge can reach a bit further
        assert (surface @ normals.T - offsets).max() < -0.6 * CRYSTAL_GAP_NM
        surfaces.append(surface)
    for i, first in enumerate(cell.inclusions):
        for j, second in enumerate(cell.inclusions[:i]):
            if first.grain == second.grain:
                apart = np.linalg.norm(surfaces[i][:, None] - surfaces[j][None], axis=2)
                assert apart.min() > 0.6 * CRYSTAL_GAP_NM


def test_half_of_the_crystals_carry_caps_of_every_size(composites):
    cell = composites[0]
    order = np.argsort([inclusion.radius_nm for inclusion in cell.inclusions])
    capped = np.array([cell.inclusions[k].cap is not None for k in order])
    assert abs(capped.mean() - 0.5) <= 0.5 / len(capped) + 1e-12
    assert np.all(capped[1:] != capped[:-1])


def test_same_seed_same_cell_other_seed_other_cell(statistics, composites):
    again = generate_cell("nanocomposite", statistics, 0)
    assert again.to_json() == composites[0].to_json()
    assert composites[1].to_json() != composites[0].to_json()


@pytest.mark.parametrize("kind", ["nanocomposite", "nanoglass", "glass", "laminate", "sphere"])
def test_json_round_trip(statistics, composites, kind):
    layers = (Layer("a", 0.3), Layer("b", 0.7))
    cell = (
        composites[0]
        if kind == "nanocomposite"
        else generate_cell(kind, statistics, 3, n_grains=4, fraction=0.1, normal="y", layers=layers)
    )
    back = cell_from_json(cell.to_json())
    assert back.to_json() == cell.to_json()
    np.testing.assert_array_equal(back.lattice, cell.lattice)
    np.testing.assert_array_equal(back.weights, cell.weights)
    assert geometric_fractions(back) == geometric_fractions(cell)
    with pytest.raises(ValueError, match="schema version 7"):
        cell_from_json(cell.to_json().replace('"schema_version": 2', '"schema_version": 7'))


def test_glass_has_the_volume_of_the_composite(statistics, composites):
    glass = generate_cell("glass", statistics, n_grains=8)
    assert glass.volume_nm3 == pytest.approx(composites[0].volume_nm3, rel=1e-12)
    assert glass.phase_names == ("grain",)
    assert geometric_fractions(glass) == {"grain": 1.0}


def test_elongated_nanoglass(statistics):
    cell = generate_cell("nanoglass", statistics, 2, n_grains=6, cell_aspect=(1.0, 1.0, 2.0))
    edges = np.diag(cell.lattice)
    assert edges[2] == pytest.approx(2.0 * edges[0])
    assert cell.phase_names == ("interface", "grain")
    report = describe_cell(cell, statistics)
    assert report.accepted
    assert cell.number_of_grains == 6


def test_composite_without_caps_or_crystals(statistics):
    bare = generate_cell("nanocomposite", replace(statistics, capped_share=0.0), 1, n_grains=4)
    assert bare.phase_names == ("interface", "grain", "nanocrystal")
    none = generate_cell("nanocomposite", replace(statistics, crystal_fraction=0.0), 1, n_grains=4)
    assert none.phase_names == ("interface", "grain")
    assert none.inclusions == ()
    assert (
        describe_cell(none, replace(statistics, crystal_fraction=0.0))
        .by_name("number of crystals")
        .achieved
        == 0.0
    )


def test_crystals_that_do_not_fit_are_refused(statistics):
    with pytest.raises(RefusedError, match="fits into no grain"):
        generate_cell(
            "nanocomposite",
            replace(statistics, crystal_diameter_nm=11.0, crystal_fraction=0.14),
            0,
        )
    with pytest.raises(RefusedError, match="do not all fit"):
        generate_cell("nanocomposite", replace(statistics, crystal_fraction=0.35), 0, n_grains=4)


def test_missed_targets_are_refused_unless_allowed(statistics, composites):
    rich = {**statistics.compositions_at_percent, "grain": {"Fe": 88.0, "Sc": 12.0}}
    wrong = replace(
        statistics, compositions_at_percent=rich, grain_diameter_nm=11.0, crystal_fraction=0.09
    )
    report = describe_cell(composites[0], wrong)
    with pytest.raises(RefusedError) as caught:
        refuse_descriptors(report)
    for name in ("mean grain diameter", "crystal volume fraction", "Sc of all regions"):
        assert name in str(caught.value)
    assert caught.value.exit_code == 4
    refuse_descriptors(report, allow=True)


def test_mass_balance_by_hand(statistics):
    # two regions of pure metals: half the volume each, atoms as the inverse of the atomic volumes
    pure = replace(
        statistics,
        compositions_at_percent={"a": {"Fe": 100.0, "Sc": 0.0}, "b": {"Fe": 0.0, "Sc": 100.0}},
    )
    expected = 100.0 * (1.0 / 0.02497) / (1.0 / 0.02497 + 1.0 / 0.01178)
    found = scandium_balance_at_percent(pure, {"a": 0.5, "b": 0.5})
    assert found == pytest.approx(expected, rel=1e-12)
    # hydrogen dilutes the volume only
    hydrided = replace(
        statistics, compositions_at_percent={"a": {"Fe": 45.0, "Sc": 45.0, "H": 10.0}}
    )
    assert scandium_balance_at_percent(hydrided, {"a": 1.0}) == pytest.approx(50.0, rel=1e-12)


def test_cap_volume_is_the_shell_of_a_cone():
    full = Inclusion((0.0, 0.0, 0.0), 1.5, 0, Cap((0.0, 0.0, 1.0), 180.0, 0.8))
    assert full.cap_volume_nm3 == pytest.approx(4.0 / 3.0 * np.pi * (2.3**3 - 1.5**3), rel=1e-12)
    half = Inclusion((0.0, 0.0, 0.0), 1.5, 0, Cap((0.0, 0.0, 1.0), 90.0, 0.8))
    assert half.cap_volume_nm3 == pytest.approx(0.5 * full.cap_volume_nm3, rel=1e-12)


def test_statistics_that_lack_what_the_geometry_needs():
    document = read_statistics(SHIPPED).model_dump(mode="json", exclude_none=True)
    del document["crystals"], document["interface"]
    with pytest.raises(InputError) as caught:
        composite_statistics(statistics_from_mapping(document, "s.json"), "s.json")
    assert {finding.key for finding in caught.value.findings} == {
        "interface.thickness",
        "crystals.diameter_mean",
        "crystals.diameter_variation",
    }


def test_records_keep_the_provenance(statistics):
    by_key = {record.key: record for record in statistics.records}
    assert by_key["grains.equivalent_diameter"].provenance == "assumed"
    assert "2004400" in by_key["composition.bulk.Sc"].reference
    assert by_key["atomic_volumes.H"].lo95 == 0.0022


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"kind": "sphere", "fraction": 0.6}, "does not fit"),
        ({"kind": "sphere", "fraction": 0.0}, "does not fit"),
        ({"kind": "sphere"}, "needs fraction"),
        ({"kind": "laminate", "normal": "x", "layers": (Layer("a", 0.5),)}, "add up"),
        ({"kind": "laminate", "normal": "x"}, "positive fraction"),
        ({"kind": "homogeneous", "phase": "a", "cell_nm": (1.0, 2.0)}, "cell_nm"),
        ({"kind": "homogeneous", "phase": "a", "cell_nm": -1.0}, "cell_nm"),
        ({"kind": "nanoglass", "seed": 1, "n_grains": 1}, "n_grains"),
        ({"kind": "nanoglass", "seed": 1, "cell_aspect": (1.0, 0.0, 1.0)}, "cell_aspect"),
        ({"kind": "nanoglass"}, "needs seed"),
        ({"kind": "foam"}, "unknown kind"),
    ],
)
def test_wrong_requests_are_named(statistics, options, word):
    with pytest.raises(ValueError, match=word):
        generate_cell(statistics=statistics, **options)
    if options["kind"] == "nanoglass":
        with pytest.raises(ValueError, match="needs statistics"):
            generate_cell("nanoglass", seed=1)


def test_fractions_of_simple_cells():
    sphere = generate_cell("sphere", fraction=0.3, cell_nm=(8.0, 9.0, 10.0))
    assert sphere.inclusions[0].volume_nm3 == pytest.approx(0.3 * 720.0, rel=1e-12)
    assert geometric_fractions(sphere) == pytest.approx({"matrix": 0.7, "inclusion": 0.3})
    layers = (Layer("a", 0.2), Layer("b", 0.5), Layer("a", 0.3))
    laminate = generate_cell("laminate", normal="z", layers=layers)
    assert geometric_fractions(laminate) == pytest.approx({"a": 0.5, "b": 0.5})
