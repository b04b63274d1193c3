"""Laws of a user's own: the example of the documentation, and files that are not sound."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from ngcfem.case.materials import load_material
from ngcfem.case.schema import load_case
from ngcfem.constitutive.batch import BatchedLaw
from ngcfem.constitutive.law_files import LawFileError, law_from_file
from ngcfem.constitutive.material import Material
from ngcfem.errors import InputError
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import uniaxial_stress

CASES = Path(__file__).resolve().parents[3] / "cases"
BINGHAM = f"{CASES / 'laws' / 'bingham.py'}:Bingham"
VALUES = {
    "youngs_modulus_gpa": 140.0,
    "poisson_ratio": 0.33,
    "strength_gpa": 2.5,
    "flow_viscosity_gpa_s": 50.0,
}


@pytest.mark.parametrize("rate", [1e-4, 1e-2])
def test_the_example_flows_at_strength_plus_viscosity_times_rate(rate):
    """In steady flow under uniaxial stress tau = Y + eta rate: the plastic rate is the whole."""
    material = Material("grain", BINGHAM, VALUES)
    *_, last = drive_point(material, uniaxial_stress("z", -0.2, rate, 100), "finite")
    F, P = last.deformation_gradient, last.first_piola_kirchhoff_stress
    # the transient of the faster rate has fallen by (eta / dt) / (E + eta / dt) = 0.64 a step
    assert abs(P[2, 2] * F[2, 2] + 2.5 + 50.0 * rate) < 1e-9


def test_the_example_has_an_exact_tangent():
    law = BatchedLaw(BINGHAM, "finite", chunk_size=16)
    vector = law.parameter_vector(VALUES)
    F = np.eye(3).ravel() + 0.05 * np.random.default_rng(0).normal(size=(16, 9))
    state = law.initial_state(16)
    result = law.update(F, state, vector, 10.0)
    assert np.all(result.status == 0)
    assert np.all(result.state[:, -1] > 0.0)
    step = 1e-5
    columns = []
    for k in range(9):
        stress = []
        for factor in (1, -1, 2, -2):
            moved = F.copy()
            moved[:, k] += factor * step
            stress.append(
                law.update(moved, state, vector, 10.0, tangent=False).first_piola_kirchhoff_stress
            )
        columns.append((8.0 * (stress[0] - stress[1]) - (stress[2] - stress[3])) / (12.0 * step))
    expected = np.stack(columns, axis=2).reshape(-1, 81)
    # fourth-order differences of stresses with an error of 1e-14: 1e-9 GPa over moduli of 100
    assert np.abs(expected - result.consistent_tangent).max() < 1e-7 * np.abs(expected).max()


def test_a_case_finds_its_law_beside_it_and_hashes_the_code(tmp_path):
    text = (CASES / "own_law.toml").read_text()
    code = (CASES / "laws" / "bingham.py").read_text()
    hashes = []
    for name, content in (("one", code), ("two", code), ("other", code + "\n# changed\n")):
        (tmp_path / name / "laws").mkdir(parents=True)
        (tmp_path / name / "laws" / "bingham.py").write_text(content)
        (tmp_path / name / "case.toml").write_text(text)
        case = load_case(tmp_path / name / "case.toml")
        hashes.append(case.case_hash)
        assert case.phases[0].law_name == "Bingham"
    assert hashes[0] == hashes[1] != hashes[2]
    resolved = tmp_path / "resolved.toml"
    resolved.write_text(case.resolved_toml())
    assert load_case(resolved).case_hash == hashes[2]


def test_a_parameter_file_names_a_law_relative_to_itself(tmp_path):
    (tmp_path / "bingham.py").write_text((CASES / "laws" / "bingham.py").read_text())
    values = "\n".join(
        f'{name} = {{ value = {value}, provenance = "assumed", reference = "test" }}'
        for name, value in VALUES.items()
    )
    path = tmp_path / "glass.toml"
    head = 'schema_version = 1\ntitle = "glass"\nreferences = ["test"]\n'
    path.write_text(f'{head}law = "bingham.py:Bingham"\n[parameters]\n{values}\n')
    loaded = load_material(path)
    assert loaded.phase.law == f"{tmp_path.resolve() / 'bingham.py'}:Bingham"
    assert loaded.phase.parameters == VALUES


WRONG = {
    "no file": ("", "none.py:Bingham", "no such file"),
    "no class": ("x = 1\n", "law.py:Bingham", "no law Bingham"),
    "not a law": ("class Bingham:\n    pass\n", "law.py:Bingham", "no law Bingham"),
    "no colon": ("x = 1\n", "law.py", "law"),
    "syntax": ("class Bingham(:\n", "law.py:Bingham", "SyntaxError"),
    "name error": ("x = undefined\n", "law.py:Bingham", "NameError"),
    "abstract": (
        "from ngcfem.constitutive.own_law import OwnLaw\nclass Bingham(OwnLaw):\n    pass\n",
        "law.py:Bingham",
        "abstract",
    ),
}


@pytest.mark.parametrize("kind", sorted(WRONG))
def test_a_law_that_cannot_be_used_is_a_finding(kind, tmp_path):
    content, law, expected = WRONG[kind]
    if content:
        (tmp_path / "law.py").write_text(content)
    case = tmp_path / "case.toml"
    case.write_text((CASES / "own_law.toml").read_text().replace("laws/bingham.py:Bingham", law))
    with pytest.raises(InputError) as raised:
        load_case(case)
    (finding,) = raised.value.findings
    assert finding.key == "phase[0].law"
    assert expected in finding.found + finding.allowed


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kappa + flow,)", "kappa + flow, kappa)", "internal_variables that is not 1"),
        ("excess = jnp", "excess = jpn", "NameError"),
        ("parameters.strength_gpa,", "parameters.strength,", "strength"),
        ("None, 0.0, 1e3, reference", "-1.0, 0.0, 1e3, reference", "default -1 of strength_gpa"),
        ('    name = "bingham"\n', "", "does not state name"),
    ],
)
def test_mistakes_in_the_class_are_found_before_the_run(old, new, expected, tmp_path):
    code = (CASES / "laws" / "bingham.py").read_text()
    assert old in code
    path = tmp_path / "bingham.py"
    path.write_text(code.replace(old, new))
    with pytest.raises(LawFileError) as raised:
        law_from_file(f"{path}:Bingham")
    assert expected in raised.value.found
    again = pickle.loads(pickle.dumps(raised.value))
    assert again.found == raised.value.found


def test_wrong_parameters_of_an_own_law_are_findings(tmp_path):
    (tmp_path / "laws").mkdir()
    (tmp_path / "laws" / "bingham.py").write_text((CASES / "laws" / "bingham.py").read_text())
    text = (CASES / "own_law.toml").read_text()
    case = tmp_path / "case.toml"
    case.write_text(text.replace("strength_gpa = 2.5", "strength = 2.5"))
    with pytest.raises(InputError) as raised:
        load_case(case)
    keys = {finding.key for finding in raised.value.findings}
    assert keys == {"phase[0].parameters.strength", "phase[0].parameters.strength_gpa"}
