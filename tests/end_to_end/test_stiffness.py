"""The verb stiffness: a cell, a deformed state, an ensemble, and what cannot have one."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ngcfem.cli.main import app

CASES = Path(__file__).resolve().parents[2] / "cases"
LAMINATE = """\
schema_version = 1

[microstructure]
kind = "laminate"
normal = "x"
layers = [{ phase = "hard", fraction = 0.4 }, { phase = "soft", fraction = 0.6 }]

[mesh]
size_nm = 4.0

[[phase]]
name = "hard"
law = "j2"
parameters = { youngs_modulus_gpa = 204.0, poisson_ratio = 0.29, yield_strength_gpa = 4.0 }

[[phase]]
name = "soft"
law = "j2"
parameters = { youngs_modulus_gpa = 100.0, poisson_ratio = 0.33, yield_strength_gpa = 1.5 }

[load]
kind = "uniaxial-stress"
true_strain = -0.05
increments = 4

[output]
fields_every = 0
checkpoint_every_increments = 3
figures = false
"""
SHARES = {"hard": 0.4, "soft": 0.6}
ELASTIC = {"hard": (204.0, 0.29), "soft": (100.0, 0.33)}


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def laminate_stiffness() -> np.ndarray:
    """Closed form of layers normal to x, in the order 11, 22, 33, 23, 13, 12.

    Stress on the layers and strain in their plane are uniform (Backus 1962).
    """
    lame = {
        n: (E * v / ((1 + v) * (1 - 2 * v)), E / (2 * (1 + v))) for n, (E, v) in ELASTIC.items()
    }

    def mean(value) -> float:
        return sum(SHARES[name] * value(*lame[name]) for name in SHARES)

    normal = 1.0 / mean(lambda a, g: 1.0 / (a + 2.0 * g))
    ratio = mean(lambda a, g: a / (a + 2.0 * g))
    c12 = ratio * normal
    c22 = mean(lambda a, g: 4.0 * g * (a + g) / (a + 2.0 * g)) + ratio**2 * normal
    c23 = mean(lambda a, g: 2.0 * a * g / (a + 2.0 * g)) + ratio**2 * normal
    across, along = 1.0 / mean(lambda a, g: 1.0 / g), mean(lambda a, g: g)
    stiffness = np.zeros((6, 6))
    stiffness[:3, :3] = [[normal, c12, c12], [c12, c22, c23], [c12, c23, c22]]
    stiffness[range(3, 6), range(3, 6)] = [along, across, across]
    return stiffness


@pytest.fixture(scope="module")
def laminate(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("laminate")
    (directory / "laminate.toml").write_text(LAMINATE)
    code, said = run("run", directory / "laminate.toml", "--out", directory / "run")
    assert code == 0, said
    return directory


def test_a_laminate_has_its_closed_form(laminate):
    out = laminate / "stiffness"
    code, said = run("stiffness", laminate / "laminate.toml", "--out", out)
    assert code == 0, said
    document = read(out / "stiffness.json")
    expected = laminate_stiffness()
    # The solution is linear in each layer; 1e-9 is the tolerance of the linear solves.
    np.testing.assert_allclose(
        document["stiffness_gpa"], expected, rtol=0.0, atol=1e-9 * expected.max()
    )
    compliance = np.linalg.inv(expected)
    constants = document["engineering_constants"]
    assert constants["youngs_modulus_x_gpa"] == pytest.approx(1.0 / compliance[0, 0], rel=1e-8)
    assert constants["shear_modulus_yz_gpa"] == pytest.approx(expected[3, 3], rel=1e-8)
    assert document["within_bounds"]["voigt_and_reuss"]
    assert document["state"]["kind"] == "undeformed"
    assert f"{expected[0, 0]:10.3f}" in said


def test_what_is_there_is_not_computed_again(laminate):
    out = laminate / "stiffness"
    before = (out / "stiffness.json").stat().st_mtime_ns
    code, _ = run("stiffness", laminate / "laminate.toml", "--out", out)
    assert code == 0
    assert (out / "stiffness.json").stat().st_mtime_ns == before


def test_a_run_answers_elastically_at_its_end(laminate):
    """Laws of Hencky: the elastic answer changes by strains of the order of yield, not more."""
    run_directory = laminate / "run"
    code, said = run("stiffness", run_directory)
    assert code == 0, said
    document = read(run_directory / "stiffness.json")
    assert document["state"]["position"] == 4.0
    assert document["state"]["deformation_gradient"][2][2] == pytest.approx(np.exp(-0.05))
    found, expected = np.array(document["stiffness_gpa"]), laminate_stiffness()
    # Plastic flow would bring the shear moduli down to a few per cent.
    assert np.abs(found - expected).max() < 0.06 * expected.max()
    assert np.abs(found - expected).max() > 1e-3 * expected.max()
    moduli = np.array(document["tangent_gpa"])
    np.testing.assert_allclose(moduli, moduli.T, rtol=0.0, atol=1e-7 * expected.max())
    assert "bounds" not in document


def test_a_run_without_a_checkpoint_gives_the_undeformed_cell(laminate, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(laminate / "run", copy)
    shutil.rmtree(copy / "checkpoints")
    code, said = run("stiffness", copy)
    assert code == 0, said
    expected = laminate_stiffness()
    np.testing.assert_allclose(
        read(copy / "stiffness.json")["stiffness_gpa"],
        expected,
        rtol=0.0,
        atol=1e-9 * expected.max(),
    )
    (copy / "mesh.msh").unlink()
    code, said = run("stiffness", copy)
    assert code == 2
    assert "no mesh" in said


def test_small_kinematics_have_the_same_stiffness(tmp_path):
    case = tmp_path / "small.toml"
    case.write_text(LAMINATE.replace("[load]", '[load]\nkinematics = "small"'))
    code, said = run("stiffness", case, "--out", tmp_path / "out")
    assert code == 0, said
    expected = laminate_stiffness()
    np.testing.assert_allclose(
        read(tmp_path / "out" / "stiffness.json")["stiffness_gpa"],
        expected,
        rtol=0.0,
        atol=1e-9 * expected.max(),
    )


def test_an_ensemble_has_mean_and_scatter(tmp_path):
    text = (CASES / "nanoglass.toml").read_text()
    text = text.replace('"data/', f'"{CASES}/data/')
    for line in text.splitlines():
        if line.startswith("seed"):
            # The cells of test_ensemble.py, whose meshes may be in the cache.
            text = text.replace(line, "seed = 7")
        if line.startswith("n_grains"):
            text = text.replace(line, "n_grains = 2\nn_realizations = 2")
        if line.startswith("size_nm"):
            text = text.replace(line, "size_nm = 4.0")
    text = text.replace('parameters = "', f'parameters = "{CASES}/materials/')
    case = tmp_path / "nanoglass.toml"
    case.write_text(text)
    out = tmp_path / "out"
    code, said = run("stiffness", case, "--out", out)
    assert code == 0, said
    document = read(out / "stiffness.json")
    members = [read(out / "realizations" / f"{n:03d}" / "stiffness.json") for n in range(2)]
    bulk = [member["moduli"]["bulk_modulus_gpa"] for member in members]
    assert len(set(bulk)) == 2
    found = document["scalars"]["moduli/bulk_modulus_gpa"]
    assert found["mean"] == pytest.approx(np.mean(bulk), rel=1e-13)
    assert found["standard_deviation"] == pytest.approx(np.std(bulk, ddof=1), rel=1e-6)
    matrices = np.array([member["stiffness_gpa"] for member in members])
    np.testing.assert_allclose(document["stiffness_gpa"], matrices.mean(axis=0), rtol=1e-12)
    # Killed between two realizations: what is there stays, what is missing is made.
    stamp = (out / "realizations" / "000" / "stiffness.json").stat().st_mtime_ns
    shutil.rmtree(out / "realizations" / "001")
    (out / "stiffness.json").unlink()
    code, said = run("stiffness", case, "--out", out)
    assert code == 0, said
    assert (out / "realizations" / "000" / "stiffness.json").stat().st_mtime_ns == stamp
    assert read(out / "stiffness.json")["scalars"]["moduli/bulk_modulus_gpa"]["n"] == 2


def test_a_specimen_between_platens_has_none(tmp_path):
    case = tmp_path / "platens.toml"
    text = LAMINATE.replace(
        '[microstructure]\nkind = "laminate"\nnormal = "x"\n'
        'layers = [{ phase = "hard", fraction = 0.4 }, { phase = "soft", fraction = 0.6 }]',
        '[microstructure]\nkind = "homogeneous"\nphase = "hard"',
    ).replace("[load]", '[load]\nboundary = "platens"')
    head, _, tail = text.partition('[[phase]]\nname = "soft"')
    case.write_text(head + tail[tail.index("[load]") :])
    code, said = run("stiffness", case, "--out", tmp_path / "out")
    assert code == 2, said
    assert "load.boundary" in said
