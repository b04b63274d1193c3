"""The network of parallel sheets and of Laguerre grains against what the specimens were made of."""

import numpy as np
import pytest

from ngcfem.atomprobe.composition_field import composition_field
from ngcfem.atomprobe.grains import find_grains
from ngcfem.atomprobe.network import measure_network
from ngcfem.atomprobe.network_quantities import network_quantities

NORMAL = np.array([0.48, 0.36, 0.8])


@pytest.fixture(scope="module")
def sheets(ions_of):
    """Tilted sheets 6 nm apart, 1.2 nm thick, with 22 at% Sc and 2 at% H in 8 at% Sc."""
    generator = np.random.default_rng(8)
    box = np.array([14.0, 14.0, 20.0])
    x = generator.uniform(-1.0, 1.0, (int(np.prod(box + 2.0) * 60.0), 3)) * (0.5 * box + 1.0)
    along = x @ NORMAL / 6.0 + 0.5
    distance = np.abs(along - np.round(along)) * 6.0
    draw = generator.random(len(x))
    inside = distance < 0.6
    sc = np.where(inside, 0.22, 0.08)
    species = np.where(draw < sc, 1, np.where(draw < sc + 0.02 * inside, 2, 0))
    x += generator.normal(size=x.shape) * [0.25, 0.25, 0.08]
    keep = np.all(np.abs(x) < 0.5 * box, axis=1)
    ions = ions_of(x[keep], species[keep])
    grains = find_grains(ions, composition_field(ions, 0.4, 0.6))
    found = measure_network(ions, grains)
    assert found is not None
    return found, box


def test_sheets_part_the_specimen_into_slabs(sheets):
    found, box = sheets
    corners = np.array(np.meshgrid(*([[-0.5, 0.5]] * 3))).reshape(3, -1).T * box
    crossed = np.round(corners @ NORMAL / 6.0 + 0.5)
    # A slab more than the planes between the corners, less slivers at two corners.
    planes = crossed.max() - crossed.min()
    assert planes - 2 <= found.surfaces.grains.number <= planes + 1
    points = found.surfaces.points_nm
    along = points @ NORMAL / 6.0 + 0.5
    near = found.surfaces.at_points.facet >= 0
    near &= np.abs(along - np.round(along)) * 6.0 < 1.0
    error = (
        found.surfaces.at_points.distance_nm[near] - (np.abs(along - np.round(along)) * 6.0)[near]
    )
    # A fifth of a voxel; the corners of the specimen hold too few ions to place what is cut off.
    assert np.median(np.abs(error)) < 0.08


def test_sheets_have_their_thickness_excess_and_compositions(sheets):
    found, _ = sheets
    numbers = network_quantities(found)
    for key, known, error in (
        ("interface.thickness", 1.2, 0.05),
        ("interface.gibbs_excess_sc", 1.2 * 0.14, 0.04),
        ("interface.gibbs_excess_h", 1.2 * 0.02, 0.08),
        ("composition.interface.Sc", 22.0, 0.05),
        ("composition.grain.Sc", 8.0, 0.02),
    ):
        assert numbers[key].value == pytest.approx(known, rel=error), key


def test_sheets_have_their_intercepts(sheets):
    found, box = sheets
    numbers = network_quantities(found)
    generator = np.random.default_rng(3)
    points = generator.uniform(-0.5, 0.5, (400_000, 3)) * box
    along = points @ NORMAL / 6.0 + 0.5
    density = np.mean(np.abs(along - np.round(along)) * 6.0 < 0.1) / 0.2
    # Slivers at corners of the specimen are lost: 4 percent of the area.
    assert numbers["interface.area_density"].value == pytest.approx(density, rel=0.06)
    assert numbers["grains.lineal_intercept"].value == pytest.approx(2.0 / density, rel=0.06)
    thin = numbers["interface.thickness"].value * numbers["interface.area_density"].value
    assert numbers["volume_fractions.interface"].value == pytest.approx(thin, rel=0.03)


def test_every_interval_holds_its_value(sheets):
    numbers = network_quantities(sheets[0])
    for key in ("interface.thickness", "interface.gibbs_excess_sc", "composition.grain.Sc"):
        quantity = numbers[key]
        assert quantity.lo95 is not None
        assert quantity.hi95 is not None
        assert quantity.lo95 < quantity.value < quantity.hi95


def test_specimen_without_network_has_no_numbers(ions_of):
    generator = np.random.default_rng(1)
    ions = ions_of(generator.uniform(0.0, 9.0, (30000, 3)), generator.integers(0, 2, 30000))
    grains = find_grains(ions, composition_field(ions, 0.5, 0.6))
    assert measure_network(ions, grains) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 101},
        pytest.param(
            {"seed": 201, "interface_sc": 0.14, "matrix_sc": 0.089, "efficiency": 0.8},
            marks=pytest.mark.xfail(
                strict=True,
                raises=AssertionError,
                reason="not met: boundaries are invented, lineal intercept -14 %",
            ),
        ),
    ],
)
def test_laguerre_grains_are_recovered(specimen_of, changes):
    specimen = specimen_of(box=(28.0, 28.0, 30.0), n_crystals=8, **changes)
    field = composition_field(specimen.ions, 0.4, 0.6)
    centres = field.grid.centres_nm(np.arange(np.prod(field.grid.shape)))
    excluded = specimen.parts(centres, 0.3).reshape(field.grid.shape)
    found = measure_network(specimen.ions, find_grains(specimen.ions, field, excluded=excluded))
    assert found is not None
    numbers = network_quantities(found)
    for key, name, error in (
        ("grains.lineal_intercept", "lineal_intercept", 0.12),
        ("interface.thickness", "thickness", 0.15),
        ("interface.gibbs_excess_sc", "gibbs_excess_sc", 0.08),
    ):
        assert numbers[key].value == pytest.approx(specimen.truth[name], rel=error), key
    assert numbers["composition.grain.Sc"].value == pytest.approx(
        specimen.truth["grain_sc"], abs=0.2
    )
