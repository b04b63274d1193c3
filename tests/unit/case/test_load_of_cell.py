"""Load and boundary must fit the cell: platens need faces, a cell of the plane stays in it."""

import pytest

from ngcfem.case.build import build_load_path, build_platens
from ngcfem.case.load_checks import check_load_of_cell
from ngcfem.case.sections import (
    HomogeneousSection,
    LoadSegmentSection,
    MixedLoad,
    NanoglassSection,
    UniaxialStressLoad,
)
from ngcfem.errors import InputError
from ngcfem.loading.platens import Platens

# Of a section, only kind and dimension matter to the load.
PLANE = HomogeneousSection.model_construct(kind="homogeneous", phase="grain", dimension=2)
SPACE = HomogeneousSection.model_construct(kind="homogeneous", phase="grain", dimension=3)
GRAINS = NanoglassSection.model_construct(kind="nanoglass", dimension=3)
PLATENS = ("[load]", '[load]\nboundary = "platens"')


def mixed(gradient, **more):
    rows = tuple(tuple(row) for row in gradient)
    segment = LoadSegmentSection(deformation_gradient=rows, duration_s=1.0, increments=2)
    return MixedLoad(kind="mixed", segment=(segment,), **more)


def keys(load, cell, given=()):
    return [finding.key for finding in check_load_of_cell(load, "case.toml", cell, given)]


def test_platens_of_a_case(load):
    assert build_platens(load()) is None
    assert build_platens(load(PLATENS)) == Platens("z", "smooth")
    rough = load(("[load]", '[load]\nboundary = "platens"\nplatens = "rough"\naxis = "x"'))
    assert build_platens(rough) == Platens("x", "rough")
    # A material point under the same case is in uniaxial stress: the path leaves the rest free.
    assert (~build_load_path(rough).segments[0].prescribed).sum() == 5


def test_platens_without_their_boundary(load):
    with pytest.raises(InputError) as error:
        load(("[load]", '[load]\nplatens = "rough"'))
    (finding,) = error.value.findings
    assert finding.key == "load.platens"
    assert 'set boundary = "platens"' in finding.remedy


def test_platens_need_flat_faces_and_an_axial_load():
    straight = UniaxialStressLoad(kind="uniaxial-stress", true_strain=-0.1, boundary="platens")
    assert keys(straight, SPACE) == []
    assert keys(straight, GRAINS) == ["load.boundary"]
    bent = mixed([[1, 0, 0], [0, 1, 0], [0, 0, 0.9]], boundary="platens")
    assert keys(bent, GRAINS) == ["load.kind", "load.boundary"]


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_axis_in_the_plane(axis):
    straight = UniaxialStressLoad(kind="uniaxial-stress", true_strain=-0.1, axis=axis)
    assert keys(straight, SPACE) == []
    assert keys(straight, PLANE) == (["load.axis"] if axis == "z" else [])


def test_default_axis_is_named():
    straight = UniaxialStressLoad(kind="uniaxial-stress", true_strain=-0.1)
    found = [
        next(check_load_of_cell(straight, "case.toml", PLANE, given)).found
        for given in ((), ("axis",))
    ]
    assert found == ['nothing, and the default is "z"', '"z"']


def test_free_entries_in_the_plane_only():
    free = "free"
    sound = mixed([[free, 0.1, 0], [0, 0.9, 0], [0, 0, 1]], axis="y")
    assert keys(sound, PLANE) == []
    wrong = mixed([[free, 0.1, 0.1], [0, 0.9, 0], [0, free, free]], axis="y")
    assert keys(wrong, SPACE) == []
    findings = list(check_load_of_cell(wrong, "case.toml", PLANE, ()))
    assert {finding.key for finding in findings} == {"load.segment[0].deformation_gradient"}
    assert [finding.remedy for finding in findings] == [
        "set F13 = 0.0",
        "set F32 = 0.0",
        "set F33 = 1.0",
    ]
    assert findings[2].found == 'F33 = "free"'
