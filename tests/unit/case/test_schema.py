"""Loading, resolving and hashing of cases."""

import dataclasses
import pickle
import re
import tomllib
from pathlib import Path

import pytest

from ngcfem.case.schema import case_from_mapping, load_case
from ngcfem.case.sections import SolverSection
from ngcfem.errors import InputError
from ngcfem.fem.solver_options import SolverOptions

INLINE = "{ youngs_modulus_gpa = 140.0, poisson_ratio = 0.33, yield_strength_gpa = 2.5 }"
MATERIAL = """\
schema_version = 1
title = "a glass"
law = "j2"
references = ["a book"]
[parameters]
youngs_modulus_gpa = { value = 140.0, provenance = "paper", reference = "table 1" }
poisson_ratio = { value = 0.33, provenance = "literature" }
yield_strength_gpa = { value = 2.5, provenance = "assumed" }
"""


def write_material(folder: Path, text: str = MATERIAL) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "glass.toml").write_text(text)


def test_defaults_and_parameters(load):
    case = load()
    assert case.name == "case"
    assert case.title == "One phase"
    assert case.microstructure.cell_nm == 10.0
    assert (case.load.boundary, case.load.kinematics, case.load.axis) == ("periodic", "finite", "z")
    assert case.load.rate_per_s == 1e-3
    assert case.solver.residual_tolerance == 1e-7
    (phase,) = case.phases
    assert phase.parameters["hardening_modulus_gpa"] == 0.0
    assert phase.values["poisson_ratio"].provenance == "assumed"


def test_case_is_frozen(load):
    case = load()
    with pytest.raises(dataclasses.FrozenInstanceError):
        case.text = ""
    with pytest.raises(ValueError, match="frozen"):
        case.document.title = ""


def test_case_travels_between_processes(load):
    case = load()
    assert pickle.loads(pickle.dumps(case)).case_hash == case.case_hash


def test_resolved_text_is_the_same_case_anywhere(load, tmp_path):
    write_material(tmp_path / "materials")
    case = load((INLINE, '"glass.toml"'))
    resolved = tmp_path / "elsewhere" / "case.resolved.toml"
    resolved.parent.mkdir()
    resolved.write_text(case.resolved_toml())
    again = load_case(resolved)
    assert again.case_hash == case.case_hash
    assert again.document.load == case.document.load
    assert again.phases[0].values == case.phases[0].values


def test_resolved_text_says_where_numbers_come_from(load, tmp_path):
    write_material(tmp_path / "materials")
    lines = load((INLINE, '"glass.toml"')).resolved_toml().splitlines()
    assert "size_nm = 3.0  # assumed" in lines
    assert "rate_per_s = 0.001  # default" in lines
    assert (
        'youngs_modulus_gpa = { value = 140.0, provenance = "paper", reference = "table 1" }'
        in lines
    )
    assert "# a book" in lines
    bare = [line for line in lines if re.fullmatch(r"\w+ = [-+.e\d]+", line)]
    assert bare == ["schema_version = 1"]


def test_every_key_of_a_mixed_load_is_resolved(load):
    case = load(
        ('kind = "uniaxial-stress"\ntrue_strain = -0.1\n', 'kind = "mixed"\n'),
        (
            '[load]\nkind = "mixed"\n',
            '[load]\nkind = "mixed"\n[[load.segment]]\nduration_s = 2.0\nincrements = 3\n'
            'deformation_gradient = [["free", 0, 0], [0, "free", 0], [0, 0, 0.9]]\n'
            "[[load.segment]]\nduration_s = 1.0\nincrements = 2\n"
            "deformation_gradient = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\n",
        ),
    )
    resolved = tomllib.loads(case.resolved_toml())
    assert [segment["increments"] for segment in resolved["load"]["segment"]] == [3, 2]
    assert resolved["load"]["segment"][0]["deformation_gradient"][0] == ["free", 0, 0]


@pytest.mark.parametrize(
    "change",
    [
        ("One phase", "Another title"),
        ("size_nm = 3.0", "size_nm = 3"),
        ("poisson_ratio = 0.33", 'poisson_ratio = { value = 0.33, provenance = "paper" }'),
        ("[mesh]\n", "[mesh]\norder = 1\n"),
        ("true_strain = -0.1", "true_strain = -0.1\nincrements = 40"),
    ],
)
def test_what_does_not_change_the_hash(load, change):
    assert load(change).case_hash == load().case_hash


@pytest.mark.parametrize(
    "change",
    [
        ("size_nm = 3.0", "size_nm = 3.5"),
        ("poisson_ratio = 0.33", "poisson_ratio = 0.3300000001"),
        ("true_strain = -0.1", "true_strain = -0.1\nincrements = 41"),
        ('law = "j2"', 'law = "j2" # a comment\n'),
    ],
)
def test_what_changes_the_hash(load, change):
    changes = load(change).case_hash != load().case_hash
    assert changes != ("comment" in change[1])


def test_the_content_of_files_is_part_of_the_hash(load, tmp_path):
    change = (
        '[microstructure]\nkind = "homogeneous"\nphase = "grain"\n\n[mesh]\nsize_nm = 3.0',
        '[microstructure]\nkind = "mesh"\n\n[mesh]\nfile = "x.msh"',
    )
    (tmp_path / "x.msh").write_text("one")
    first = load(change)
    assert str(tmp_path / "x.msh") in first.input_hashes
    (tmp_path / "x.msh").write_text("two")
    assert load(change).case_hash != first.case_hash


def test_parameter_file_beside_the_case_comes_first(load, tmp_path):
    write_material(tmp_path / "materials")
    write_material(tmp_path, MATERIAL.replace("140.0", "150.0"))
    case = load((INLINE, '"glass.toml"'))
    assert case.phases[0].parameters["youngs_modulus_gpa"] == 150.0
    assert case.phases[0].source == tmp_path / "glass.toml"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('law = "j2"', 'law = "elastic"', "phase[0].law"),
        ("references = [", "reference = [", "references"),
        ("value = 2.5", "value = -2.5", "parameters.yield_strength_gpa"),
        ("[parameters]", "[parameters", "line 5, column 12"),
    ],
)
def test_bad_parameter_files(load, tmp_path, old, new, key):
    write_material(tmp_path / "materials", MATERIAL.replace(old, new))
    with pytest.raises(InputError) as caught:
        load((INLINE, '"glass.toml"'))
    assert key in [finding.key for finding in caught.value.findings]


def test_softening_needs_a_word_except_at_a_point(text, tmp_path):
    path = tmp_path / "case.toml"
    softening = "yield_strength_gpa = 2.5, softening_gpa = 0.2, softening_strain = 0.05"
    path.write_text(text.replace("yield_strength_gpa = 2.5", softening))
    with pytest.raises(InputError, match="mesh_dependent"):
        load_case(path)
    assert load_case(path, for_point=True).solver.mesh_dependent is False
    path.write_text(path.read_text() + "[solver]\nmesh_dependent = true\n")
    assert load_case(path).solver.mesh_dependent is True


def test_softening_with_a_length_needs_no_word(load):
    changed = (
        "yield_strength_gpa = 2.5, softening_gpa = 0.2, softening_strain = 0.05, "
        "characteristic_length_nm = 2.1"
    )
    case = load(
        ("yield_strength_gpa = 2.5", changed),
        ("[load]", '[solver]\nnonlocal_field = "per-phase"\n[load]'),
    )
    assert case.solver.mesh_dependent is False
    assert case.solver.nonlocal_field == "per-phase"


def test_diffusion_counts_as_a_length(text, tmp_path):
    path = tmp_path / "case.toml"
    law = (
        'law = "free-volume"',
        "reference_stress_gpa = 0.3, reference_rate_per_s = 1e3, initial_free_volume = 0.05",
    )
    changed = text.replace('law = "j2"', law[0]).replace("yield_strength_gpa = 2.5", law[1])
    assert changed.count(law[0]) == changed.count(law[1]) == 1
    path.write_text(changed)
    with pytest.raises(InputError, match="give the phase diffusion_coefficient_nm2_per_s"):
        load_case(path)
    path.write_text(changed.replace(law[1], law[1] + ", diffusion_coefficient_nm2_per_s = 1e-3"))
    assert load_case(path).solver.mesh_dependent is False
    path.write_text(changed.replace(law[1], law[1] + ", diffusion_coefficient_nm2_per_s = 0.0"))
    with pytest.raises(InputError, match="mesh_dependent"):
        load_case(path)


def test_softening_outweighed_by_hardening_needs_no_word(load):
    load(
        (
            "yield_strength_gpa = 2.5",
            "yield_strength_gpa = 2.5, softening_gpa = 0.2, softening_strain = 0.05, "
            "hardening_modulus_gpa = 4.1",
        )
    )


def test_tight_tolerance(load):
    case = load(("[load]", '[solver]\nresidual_tolerance = "tight"\n[load]'))
    assert case.solver.residual_tolerance == 1e-11


def test_a_case_may_come_from_a_script(text, tmp_path):
    mapping = tomllib.loads(text)
    case = case_from_mapping(mapping, tmp_path / "script.toml")
    assert case.name == "script"
    mapping["load"]["true_strain"] = [-0.1, -0.05, -0.2]
    case = case_from_mapping(mapping, tmp_path / "script.toml")
    assert case.load.true_strain == (-0.1, -0.05, -0.2)


def test_byte_order_mark_is_no_error(text, tmp_path):
    path = tmp_path / "case.toml"
    path.write_text(text, encoding="utf-8-sig")
    assert load_case(path).title == "One phase"


def test_solver_section_has_the_fields_and_defaults_of_the_options():
    defaults = dataclasses.asdict(SolverOptions())
    assert SolverSection().model_dump() == defaults


def test_tension_against_compression_data_is_refused(load, tmp_path):
    data = Path(__file__).resolve().parents[3] / "cases" / "data" / "fe90sc10_pillar.toml"
    (tmp_path / "pillar.toml").write_text(data.read_text())
    compare = ("[load]", '[compare]\ndata = "pillar.toml"\n[load]')
    load(compare)
    with pytest.raises(InputError, match="compression"):
        load(compare, ("-0.1", "0.1"))
    (tmp_path / "pillar.toml").write_text("schema_version = 1\n")
    with pytest.raises(InputError, match=r"pillar\.toml"):
        load(compare)


IMPERFECTION = """
[[imperfection.region]]
centre = [0.5, 0.5, 0.5]
radius_nm = 2.0
strength_factor = {factor}
[load]"""


def test_imperfection_counts_for_the_hash_but_its_provenance_does_not(load):
    plain = load(("[load]", IMPERFECTION.format(factor="0.9")))
    sourced = load(
        (
            "[load]",
            IMPERFECTION.format(
                factor='{ value = 0.9, provenance = "literature", reference = "somebody" }'
            ),
        )
    )
    other = load(("[load]", IMPERFECTION.format(factor="0.8")))
    assert plain.case_hash == sourced.case_hash
    assert len({plain.case_hash, other.case_hash, load().case_hash}) == 3
    again = load_case(_written(sourced))
    assert again.case_hash == sourced.case_hash
    assert again.imperfection == sourced.imperfection


def _written(case):
    path = case.path.with_name("again.toml")
    path.write_text(case.resolved_toml())
    return path
