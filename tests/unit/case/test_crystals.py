"""Lattices belong to the crystals of a cell, whatever the mesh of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from ngcfem.case.build import build_cell, build_mesh
from ngcfem.case.crystals import build_crystals
from ngcfem.case.schema import load_case
from ngcfem.mesh.generation import mesh_key
from ngcfem.mesh.meshing_options import MeshOptions
from ngcfem.microstructure.cell import cell_from_json
from ngcfem.microstructure.orientation import crystal_orientations

STATISTICS = Path(__file__).parents[3] / "cases" / "data" / "fe90sc10_statistics.json"
CASE = """\
schema_version = 1
seed = 5

[microstructure]
kind = "nanocomposite"
dimension = 2
n_grains = 6
rotation_deg = 20.0

[statistics]
file = "{statistics}"

[mesh]
size_nm = {size}

[[phase]]
name = "grain"
law = "elastic"
parameters = {{ youngs_modulus_gpa = 140.0, poisson_ratio = 0.33 }}
[[phase]]
name = "interface"
law = "elastic"
parameters = {{ youngs_modulus_gpa = 95.0, poisson_ratio = 0.34 }}
[[phase]]
name = "sc_rich"
law = "elastic"
parameters = {{ youngs_modulus_gpa = 115.0, poisson_ratio = 0.33 }}
[[phase]]
name = "nanocrystal"
law = "cubic-elastic"
parameters = {{ c11_gpa = 230.0, c12_gpa = 135.0, c44_gpa = 117.0 }}
orientation = "random"

[load]
kind = "uniaxial-stress"
true_strain = -0.01
increments = 1
axis = "y"
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    directory = tmp_path_factory.mktemp("crystals")
    found = []
    for size in (1.4, 0.9):
        path = directory / f"case_{size}.toml"
        path.write_text(CASE.format(size=size, statistics=STATISTICS))
        found.append(load_case(path))
    return found


def test_every_mesh_of_a_cell_has_the_same_crystals(cases):
    entries = []
    for case in cases:
        cell = build_cell(case)
        assert cell is not None
        assert len(cell.inclusions) >= 5
        crystals = build_crystals(case, build_mesh(case, cell), cell)
        assert crystals is not None
        entries.append(crystals.entries)
        drawn = crystal_orientations("random", len(cell.inclusions), "nanocrystal", case.seed)
        for entry in crystals.entries:
            inclusion = cell.inclusions[entry["crystal"]]
            np.testing.assert_array_equal(entry["orientation_quaternion"], drawn[entry["crystal"]])
            np.testing.assert_array_equal(inclusion.orientation, drawn[entry["crystal"]])
            # The body with this lattice is where the cell has the crystal, turned with the cell.
            arm = np.array(entry["centre_nm"]) - cell.rotation @ np.array(inclusion.centre_nm)
            lattice = cell.lattice @ cell.rotation.T
            arm -= np.round(arm @ np.linalg.inv(lattice)) @ lattice
            assert np.linalg.norm(arm) < 0.2 * inclusion.radius_nm
    coarse, fine = ([entry["crystal"] for entry in row] for row in entries)
    assert coarse == fine == list(range(len(coarse)))


def test_lattices_are_saved_with_the_cell_and_read_back(cases):
    cell = build_cell(cases[0])
    assert cell is not None
    document = json.loads(cell.to_json())
    assert len(document["inclusions"][0]["orientation"]) == 4
    back = cell_from_json(cell.to_json())
    assert back.inclusions == cell.inclusions
    # Other lattices in the file: they count, not what the seed would draw.
    other = back.with_orientations(
        np.roll(np.array([i.orientation for i in cell.inclusions]), 1, 0)
    )
    mesh = build_mesh(cases[0], cell)
    found = build_crystals(cases[0], mesh, other)
    assert found is not None
    assert found.entries[1]["orientation_quaternion"] == list(cell.inclusions[0].orientation)


def test_lattices_make_no_other_mesh_and_no_other_file_without_them(cases):
    cell = build_cell(cases[0])
    assert cell is not None
    plain = cell.with_orientations(None)
    assert "orientation" not in plain.to_json()
    assert mesh_key(cell, 1.0, MeshOptions()) == mesh_key(plain, 1.0, MeshOptions())


def test_without_the_cell_crystals_are_the_bodies_of_the_mesh(cases):
    cell = build_cell(cases[0])
    assert cell is not None
    found = build_crystals(cases[0], build_mesh(cases[0], cell))
    assert found is not None
    assert len(found.entries) == len(cell.inclusions)
    # By place, where the cell has them in the order of its grains.
    places = [tuple(entry["centre_nm"]) for entry in found.entries]
    assert places == sorted(
        places,
        key=lambda place: tuple(
            np.round(place @ np.linalg.inv(build_mesh(cases[0], cell).lattice), 6)
        ),
    )
