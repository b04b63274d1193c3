"""Demands that no seed can meet: each named with the nearest that can, and none for sound ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ngcfem.atomprobe.statistics import read_statistics
from ngcfem.errors import RefusedError
from ngcfem.microstructure.composite_cells import nanocomposite_cell, nanoglass_cell
from ngcfem.microstructure.feasibility import infeasible_demands
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.statistics import (
    CompositeStatistics,
    StatisticRecord,
    composite_statistics,
)

SHIPPED = Path(__file__).parents[3] / "cases" / "data" / "fe90sc10_statistics.json"


@pytest.fixture(scope="module")
def shipped() -> CompositeStatistics:
    """The shipped statistics."""
    return composite_statistics(read_statistics(SHIPPED), str(SHIPPED))


def findings_of(statistics: CompositeStatistics, **options) -> dict[str, str]:
    kind = options.pop("kind", "nanocomposite")
    found = infeasible_demands(
        kind, statistics, options.pop("n_grains", 8), options.pop("gap", None), "s.json", **options
    )
    assert all(finding.remedy and finding.file == "s.json" for finding in found)
    return {finding.key: f"{finding.found}; {finding.allowed}" for finding in found}


@pytest.mark.parametrize("kind", ["nanocomposite", "nanoglass", "glass"])
@pytest.mark.parametrize("n_grains", [2, 8, 125])
def test_the_shipped_statistics_are_feasible(shipped, kind, n_grains):
    assert findings_of(shipped, kind=kind, n_grains=n_grains) == {}


def test_a_quarter_of_bare_crystals_is_not_refused_beforehand(shipped):
    bare = replace(shipped, crystal_fraction=0.25, capped_share=0.0)
    assert findings_of(bare, targets=False, gap=0.3) == {}
    assert findings_of(bare, targets=False, gap=0.45) == {}


def test_seventy_percent_of_crystals(shipped):
    found = findings_of(replace(shipped, crystal_fraction=0.7), targets=False)
    words = found["volume_fractions.nanocrystal.value"]
    assert "0.7 of the cell" in words
    nearest = float(words.split("about ")[1].split()[0])
    assert 0.1 < nearest < 0.3
    # a density in the place of the fraction is named by its own key
    records = tuple(r for r in shipped.records if r.key != "volume_fractions.nanocrystal")
    by_density = replace(shipped, crystal_fraction=0.7, records=records)
    assert "crystals.number_density.value" in findings_of(by_density, targets=False)


def test_a_network_thicker_than_the_grains(shipped):
    words = findings_of(replace(shipped, interface_thickness_nm=11.0))
    assert list(words) == ["interface.thickness.value"]
    most = float(words["interface.thickness.value"].split("less than ")[1].split()[0])
    # what is named as the nearest is let through, and left to the seed
    assert findings_of(
        replace(shipped, interface_thickness_nm=0.99 * most), targets=False
    ).keys() <= {
        "volume_fractions.nanocrystal.value",
        "crystals.diameter_mean.value",
    }
    thick = nanoglass_cell(replace(shipped, interface_thickness_nm=1.1 * most), 1)
    with pytest.raises(RefusedError, match="vanishes"):
        geometric_fractions(thick)


def test_the_network_of_real_cells_lies_in_the_range_that_is_allowed(shipped):
    for seed, thickness in ((1, 0.6), (2, 1.0), (3, 1.6)):
        statistics = replace(shipped, interface_thickness_nm=thickness)
        fraction = geometric_fractions(nanoglass_cell(statistics, seed))["interface"]
        for shift, refused in ((1.0, False), (0.7, True), (1.4, True)):
            record = StatisticRecord(
                "volume_fractions.interface", shift * fraction, "1", None, None, "assumed", ""
            )
            stated = replace(statistics, records=(*statistics.records, record))
            found = findings_of(stated, kind="nanoglass")
            assert ("volume_fractions.interface.value" in found) == refused


def test_crystals_larger_than_any_grain(shipped):
    found = findings_of(replace(shipped, crystal_diameter_nm=17.4, crystal_fraction=0.55))
    assert "crystals.diameter_mean.value" in found
    assert "the room in the largest grain" in found["crystals.diameter_mean.value"]


def test_less_than_one_crystal(shipped):
    found = findings_of(replace(shipped, crystal_diameter_nm=13.0), n_grains=2)
    words = found["crystals.diameter_mean.value"]
    assert "less than one such crystal" in words
    most = float(words.split("at most ")[1].split()[0])
    volume = 2.0 * np.pi / 6.0 * 1000.0  # two grains of 10 nm, more or less
    assert most == pytest.approx((0.08 * volume * 6.0 / np.pi) ** (1 / 3), rel=0.1)


def test_a_balance_that_cannot_close(shipped):
    bulk = {"bulk": {"Fe": 80.0, "Sc": 20.0}}
    wrong = replace(shipped, compositions_at_percent={**shipped.compositions_at_percent, **bulk})
    words = findings_of(wrong)["composition.bulk.Sc.value"]
    nearest = float(words.split("; ")[1].split()[0])
    assert findings_of(wrong, targets=False) == {}
    closed = {"bulk": {"Fe": 100.0 - nearest + 0.01, "Sc": nearest - 0.01}}
    right = replace(shipped, compositions_at_percent={**shipped.compositions_at_percent, **closed})
    assert findings_of(right) == {}


@pytest.mark.parametrize(("target", "refused"), [(2.5, True), (4.0, False), (7.0, True)])
def test_spacings_out_of_reach(shipped, target, refused):
    found = findings_of(replace(shipped, nearest_neighbour_distance_nm=target))
    assert ("crystals.nearest_neighbour_distance.value" in found) == refused


def test_points_of_a_dense_lattice_reach_the_bound_on_spacing(shipped):
    # fcc: four points in a cube of edge a are a / sqrt(2) apart
    edge = 8.0
    bound = (6.0 * np.pi / np.sqrt(18.0) * edge**3 / (np.pi * 4)) ** (1 / 3)
    assert bound == pytest.approx(edge / np.sqrt(2.0), rel=1e-12)


def test_more_contacts_than_the_grains_have_room_for(shipped):
    small = replace(
        shipped,
        crystal_diameter_nm=1.2,
        crystal_fraction=0.25,
        capped_share=0.0,
        interface_contact_share=1.0,
    )
    words = findings_of(small, targets=False, gap=0.3)["crystals.interface_contact_share.value"]
    most = float(words.split("at most ")[1].split(",")[0])
    assert 0.0 < most < 1.0
    fewer = replace(small, interface_contact_share=0.9 * most)
    assert "crystals.interface_contact_share.value" not in findings_of(
        fewer, targets=False, gap=0.3
    )


def test_what_is_refused_beforehand_is_not_reached_by_trying(shipped):
    # the fraction just beyond the one refused: the packing of a seed must not reach it either
    bare = replace(shipped, capped_share=0.0, crystal_fraction=0.5)
    words = findings_of(bare, targets=False, gap=0.3)["volume_fractions.nanocrystal.value"]
    nearest = float(words.split("about ")[1].split()[0])
    beyond = replace(bare, crystal_fraction=1.26 * nearest)
    with pytest.raises(RefusedError, match="do not all fit") as caught:
        nanocomposite_cell(beyond, 5, n_grains=4, crystal_gap_nm=0.3)
    reached = float(str(caught.value).split("this seed reached ")[1].split(",")[0])
    assert 0.6 * nearest < reached < 1.25 * nearest
