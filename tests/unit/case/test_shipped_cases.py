"""The shipped cases and parameter files: they load, and they say what they are said to say."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from ngcfem.case.build import build_statistics
from ngcfem.case.schema import load_case
from ngcfem.constitutive.parameters import check_parameters
from ngcfem.quantities import COMPOSITE_PHASES, PROVENANCES

CASES = Path(__file__).resolve().parents[3] / "cases"
CASE_FILES = sorted([*CASES.glob("*.toml"), *CASES.glob("four_microstructures/*.toml")])
MATERIAL_FILES = sorted((CASES / "materials").glob("*.toml"))
OTHER_LAWS = ("_mohr_coulomb", "_free_volume")
OTHER_GLASSES = ("sc75fe25_",)

# Young's modulus, Poisson's ratio, strength, softening and its strain, Voce hardening and its
# rate, hardening modulus (GPa): the starting parameters of the two hypotheses.
SET_A = {
    "grain": (140.0, 0.33, 2.7, 0.20, 0.05, 0.0, None, 5.0),
    "interface": (95.0, 0.34, 1.6, 0.10, 0.05, 0.0, None, 4.0),
    "nanocrystal": (204.0, 0.29, 4.5, 0.0, None, 1.5, 5.0, 4.0),
    "sc_rich": (115.0, 0.33, 2.0, 0.10, 0.05, 0.0, None, 4.5),
}
SET_B = {
    "grain": (140.0, 0.33, 2.9, 0.35, 0.05, 0.0, None, 0.0),
    "interface": (95.0, 0.34, 1.7, 0.20, 0.05, 0.0, None, 0.0),
    "nanocrystal": (204.0, 0.29, 4.5, 0.0, None, 2.0, 5.0, 1.5),
    "sc_rich": (115.0, 0.33, 2.2, 0.25, 0.05, 0.0, None, 0.0),
}
NAMES = (
    "youngs_modulus_gpa",
    "poisson_ratio",
    "yield_strength_gpa",
    "softening_gpa",
    "softening_strain",
    "voce_hardening_gpa",
    "voce_rate",
    "hardening_modulus_gpa",
)


def test_the_cases_of_the_main_job_are_there():
    names = {path.stem for path in CASE_FILES}
    assert names >= {
        "demo",
        "fe90sc10_set_a",
        "fe90sc10_set_b",
        "laminate",
        "monolithic_glass",
        "nanoglass",
        "sphere_r1",
        "user_mesh",
    }


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_case_loads(path):
    case = load_case(path)
    assert case.document.title


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_case_names_its_schema(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("#:schema ")
    assert (path.parent / first.removeprefix("#:schema ")).is_file()


@pytest.mark.parametrize(
    ("name", "values"), [("fe90sc10_set_a", SET_A), ("fe90sc10_set_b", SET_B), ("demo", SET_A)]
)
def test_parameters_of_the_sets(name, values):
    case = load_case(CASES / f"{name}.toml")
    assert sorted(phase.name for phase in case.phases) == sorted(COMPOSITE_PHASES)
    for phase in case.phases:
        given = [phase.parameters[key] for key in NAMES]
        for key, expected, found in zip(NAMES, values[phase.name], given, strict=True):
            if expected is not None:
                assert found == expected, (phase.name, key)


@pytest.mark.parametrize("name", ["fe90sc10_set_a", "fe90sc10_set_b", "demo"])
def test_composites_are_compressed_to_the_strain_of_the_pillars(name):
    case = load_case(CASES / f"{name}.toml")
    assert case.load.true_strain[-1] == -0.8
    # Fine enough before yield, near 0.02, for a modulus and a 0.2 % offset.
    assert 0.04 / case.load.increments[0] <= 0.005
    assert case.microstructure.n_grains == 8
    assert case.solver.grow is True
    # The glass of set B softens, over a length inside each phase; that of set A hardens as a whole.
    assert case.solver.mesh_dependent is False
    softening = name == "fe90sc10_set_b"
    assert case.solver.nonlocal_field == ("per-phase" if softening else "shared")
    lengths = {phase.name: phase.parameters["characteristic_length_nm"] for phase in case.phases}
    expected = {"grain": 2.1, "interface": 0.6, "sc_rich": 2.1, "nanocrystal": 0.0}
    assert lengths == (expected if softening else dict.fromkeys(expected, 0.0))
    # A layer softens by itself only if it is thicker than 2 ln 2 lengths.
    thickness = build_statistics(case).interface_thickness_nm
    assert lengths["interface"] < thickness / (2.0 * np.log(2.0))


@pytest.mark.parametrize("path", MATERIAL_FILES, ids=lambda path: path.stem)
def test_every_value_of_a_parameter_file_has_its_origin(path):
    material = tomllib.loads(path.read_text())
    assert material["references"]
    for name, value in material["parameters"].items():
        assert value["provenance"] in PROVENANCES, name
        assert value["reference"], name


def test_every_parameter_file_is_used():
    used = {
        Path(match).name
        for path in CASE_FILES
        for match in re.findall(r'^parameters = "(.*)"', path.read_text(), flags=re.MULTILINE)
    }
    # Alternatives for the phases of the sets, named after their law, wait to be chosen.
    offered = {
        path.name
        for path in MATERIAL_FILES
        if path.stem.endswith(OTHER_LAWS) or path.stem.startswith(OTHER_GLASSES)
    }
    assert used | offered == {path.name for path in MATERIAL_FILES}


@pytest.mark.parametrize("path", MATERIAL_FILES, ids=lambda path: path.stem)
def test_every_parameter_file_satisfies_its_law(path):
    material = tomllib.loads(path.read_text())
    values = {name: value["value"] for name, value in material["parameters"].items()}
    assert check_parameters(material["law"], values) == []


@pytest.mark.parametrize("phase", ["grain", "interface", "sc_rich"])
@pytest.mark.parametrize(("letter", "phases"), [("a", SET_A), ("b", SET_B)])
def test_coulomb_parameters_have_the_uniaxial_curve_of_the_set(letter, phases, phase):
    """Compressive strength 2 c cos(phi) / (1 - sin(phi)); accumulated slip is twice the strain."""
    path = CASES / "materials" / f"fe90sc10_{phase}_set_{letter}_mohr_coulomb.toml"
    parameters = tomllib.loads(path.read_text())["parameters"]
    values = {name: value["value"] for name, value in parameters.items()}
    E, nu, strength, softening, strain, _, _, hardening = phases[phase]
    phi = np.arctan(values["friction_coefficient"])
    ratio = 2.0 * np.cos(phi) / (1.0 - np.sin(phi))
    assert (values["youngs_modulus_gpa"], values["poisson_ratio"]) == (E, nu)
    found = [
        ratio * values["cohesion_gpa"],
        ratio * values["cohesion_softening_gpa"],
        values["softening_slip"] / 2.0,
        2.0 * ratio * values["cohesion_hardening_gpa"],
    ]
    # The files give four digits.
    np.testing.assert_allclose(found, [strength, softening, strain, hardening], rtol=5e-4)


def test_cross_code_case_is_the_problem_that_was_computed():
    case = load_case(CASES / "sphere_r1.toml")
    (segment,) = case.load.segment
    assert segment.deformation_gradient == (
        ("free", 0.0, 0.0),
        (0.0, "free", 0.0),
        (0.0, 0.0, 0.95),
    )
    assert segment.increments == 20
    assert case.load.kinematics == "small"
    matrix, inclusion = case.phases
    assert (matrix.name, inclusion.name) == ("matrix", "inclusion")
    np.testing.assert_array_equal(
        [matrix.parameters[name] for name in NAMES[:4]] + [matrix.parameters[NAMES[-1]]],
        [100.0, 0.33, 1.25, 0.0, 1.0],
    )
    assert inclusion.parameters == {"youngs_modulus_gpa": 204.0, "poisson_ratio": 0.29}
