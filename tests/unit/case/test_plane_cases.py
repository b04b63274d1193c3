"""Cases of dimension 2: what they build, and what does not fit the plane."""

import numpy as np
import pytest

from ngcfem.case.build import build_cell, build_mesh
from ngcfem.errors import InputError
from ngcfem.mesh.writing import write_mesh
from ngcfem.microstructure.fractions import geometric_fractions

PLANE = ('kind = "homogeneous"', 'kind = "homogeneous"\ndimension = 2')
ALONG_Y = ('kind = "uniaxial-stress"', 'kind = "uniaxial-stress"\naxis = "y"')
ONE_PHASE = 'kind = "homogeneous"\nphase = "grain"'
STATISTICS = """
[statistics.grains]
equivalent_diameter = { value = 10.0, unit = "nm", provenance = "assumed" }
diameter_variation = { value = 0.25, unit = "1", provenance = "assumed" }
[statistics.interface]
thickness = { value = %s, unit = "nm", provenance = "assumed" }
[statistics.crystals]
diameter_mean = { value = %s, unit = "nm", provenance = "assumed" }
diameter_variation = { value = 0.2, unit = "1", provenance = "assumed" }
[statistics.volume_fractions]
nanocrystal = { value = %s, unit = "1", provenance = "assumed" }
[statistics.sc_rich]
share_of_crystals = { value = 0.0, unit = "1", provenance = "assumed" }
thickness = { value = 0.8, unit = "nm", provenance = "assumed" }
contact_half_angle = { value = 70.0, unit = "deg", provenance = "assumed" }
[statistics.composition.bulk]
Fe = { value = 90.0, unit = "at%%", provenance = "assumed" }
Sc = { value = 10.0, unit = "at%%", provenance = "assumed" }
[statistics.atomic_volumes]
Fe = { value = 0.01178, unit = "nm^3", provenance = "assumed" }
Sc = { value = 0.02497, unit = "nm^3", provenance = "assumed" }
H = { value = 0.0029, unit = "nm^3", provenance = "assumed" }
"""
PHASE = """
[[phase]]
name = "%s"
law = "elastic"
parameters = { youngs_modulus_gpa = 140.0, poisson_ratio = 0.33 }
"""


def composite(load, thickness="1.0", diameter="3.0", fraction="0.1", keys=""):
    """A plane nanocomposite of six grains without caps."""
    cell = f'kind = "nanocomposite"\ndimension = 2\nn_grains = 6\n{keys}'
    phases = PHASE % "interface" + PHASE % "nanocrystal"
    return load(
        (ONE_PHASE, cell),
        ("schema_version = 1", "schema_version = 1\nseed = 3"),
        ("[load]", STATISTICS % (thickness, diameter, fraction) + phases + "\n[load]"),
        ALONG_Y,
    )


def test_rectangle_with_a_pattern(load):
    case = load(
        (ONE_PHASE, ONE_PHASE + "\ndimension = 2\ncell_nm = [6.0, 12.0]"),
        ("size_nm = 3.0", 'size_nm = 2.0\npattern = "diagonal"'),
        ALONG_Y,
    )
    cell = build_cell(case)
    assert cell is not None
    np.testing.assert_array_equal(cell.lattice, np.diag([6.0, 12.0]))
    mesh = build_mesh(case, cell)
    assert mesh.dimension == 2
    assert len(mesh.cells) == 2 * 3 * 6


def test_disc_and_layers(load):
    disc = load(
        (ONE_PHASE, 'kind = "sphere"\ndimension = 2\nfraction = 0.6\ncell_nm = 8.0'),
        ('name = "grain"', 'name = "matrix"'),
        ("[load]", PHASE % "inclusion" + "\n[load]"),
        ALONG_Y,
    )
    cell = build_cell(disc)
    assert cell is not None
    # 0.6 is more than a sphere could take of a cube
    assert geometric_fractions(cell)["inclusion"] == pytest.approx(0.6, rel=1e-12)
    layers = '[{ phase = "grain", fraction = 0.4 }, { phase = "other", fraction = 0.6 }]'
    laminate = load(
        (ONE_PHASE, f'kind = "laminate"\ndimension = 2\nnormal = "y"\nlayers = {layers}'),
        ("[load]", PHASE % "other" + "\n[load]"),
        ALONG_Y,
    )
    cell = build_cell(laminate)
    assert cell is not None
    assert cell.dimension == 2
    assert cell.layer_axis == 1


def test_composite_of_the_plane(load):
    case = composite(load, keys="cell_aspect = [1.0, 2.0]\nrotation_deg = 90.0\n")
    cell = build_cell(case)
    assert cell is not None
    assert cell.number_of_grains == 6
    assert cell.lattice[1, 1] == pytest.approx(2.0 * cell.lattice[0, 0], rel=1e-12)
    np.testing.assert_array_equal(cell.rotation, [[0.0, -1.0], [1.0, 0.0]])
    assert geometric_fractions(cell)["nanocrystal"] == pytest.approx(0.1, rel=1e-12)


def test_mesh_of_the_user(load, tmp_path):
    made = build_cell(load((ONE_PHASE, ONE_PHASE + "\ndimension = 2\ncell_nm = 6.0"), ALONG_Y))
    rectangle = load((ONE_PHASE, ONE_PHASE + "\ndimension = 2\ncell_nm = 6.0"), ALONG_Y)
    write_mesh(build_mesh(rectangle, made), tmp_path / "mine.msh")
    case = load(
        (ONE_PHASE, 'kind = "mesh"\ndimension = 2'),
        ("size_nm = 3.0", 'file = "mine.msh"\nperiod_nm = [[6.0, 0.0], [0.0, 6.0]]'),
        ALONG_Y,
    )
    mesh = build_mesh(case, build_cell(case))
    assert mesh.dimension == 2
    assert mesh.phase_names == ("grain",)
    with pytest.raises(InputError, match="steel"):
        load(
            (ONE_PHASE, 'kind = "mesh"\ndimension = 2'),
            ("size_nm = 3.0", 'file = "mine.msh"'),
            ('name = "grain"', 'name = "steel"'),
            ALONG_Y,
        )


@pytest.mark.parametrize(
    ("cell", "mesh", "key", "text"),
    [
        (
            ONE_PHASE + "\ndimension = 2\ncell_nm = [1.0, 2.0, 3.0]",
            "",
            "microstructure.cell_nm",
            "two numbers with dimension = 2",
        ),
        (ONE_PHASE + "\ncell_nm = [1.0, 2.0]", "", "microstructure.cell_nm", "three numbers"),
        (ONE_PHASE, 'pattern = "crossed"', "mesh.pattern", "only with dimension = 2"),
        (ONE_PHASE + "\ndimension = 4", "", "microstructure.dimension", "2"),
        (
            'kind = "laminate"\ndimension = 2\nnormal = "z"\n'
            'layers = [{ phase = "grain", fraction = 1.0 }]',
            'pattern = "unstructured"',
            "microstructure.normal",
            "out of the plane",
        ),
        (
            'kind = "sphere"\ndimension = 2\nfraction = 0.8',
            "",
            "microstructure.fraction",
            "less than 0.7543",
        ),
    ],
)
def test_what_does_not_fit_the_plane_is_named(load, cell, mesh, key, text):
    with pytest.raises(InputError) as caught:
        load((ONE_PHASE, cell), ("size_nm = 3.0", f"size_nm = 3.0\n{mesh}"), ALONG_Y)
    found = {finding.key: finding for finding in caught.value.findings}
    assert key in found
    assert text in found[key].allowed


@pytest.mark.parametrize(
    ("demand", "key", "text"),
    [
        ({"thickness": "7.0"}, "statistics.interface.thickness.value", "less than 6"),
        ({"diameter": "14.0"}, "statistics.crystals.diameter_mean.value", "at most 7.9"),
        (
            {"diameter": "14.0", "fraction": "0.32"},
            "statistics.crystals.diameter_mean.value",
            "room in the largest",
        ),
        (
            {"fraction": "0.7"},
            "statistics.volume_fractions.nanocrystal.value",
            "at the very most",
        ),
        (
            {"keys": "cell_aspect = [1.0, 9.0]\n"},
            "microstructure.cell_aspect",
            "a factor of 5",
        ),
        (
            {"keys": "cell_aspect = [1.0, 1.0, 1.0]\n"},
            "microstructure.cell_aspect",
            "two numbers",
        ),
    ],
)
def test_impossible_demands_are_found_before_anything_is_tried(load, demand, key, text):
    with pytest.raises(InputError) as caught:
        composite(load, **demand)
    found = {finding.key: finding for finding in caught.value.findings}
    assert key in found
    assert text in found[key].allowed
