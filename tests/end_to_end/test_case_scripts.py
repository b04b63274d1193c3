"""Every script under cases/ runs at a toy size and gives a number that can be checked."""

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import pytest

CASES = Path(__file__).resolve().parents[2] / "cases"


def load_script(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_every_script_has_a_test() -> None:
    assert {path.stem for path in CASES.glob("*.py")} == {
        "atom_probe_loop",
        "sphere_in_glass",
    }


def test_sphere_in_glass(capsys: pytest.CaptureFixture[str]) -> None:
    curve = load_script(CASES / "sphere_in_glass.py").main(size_nm=3.0, increments=8)
    assert "unknowns" in capsys.readouterr().out
    assert curve.strain[-1] == pytest.approx(-0.08, abs=1e-12)
    assert len(curve.strain) == 17
    # The glass alone would stand at (2.7 + 5 a) / (1 + 5 / E) in Kirchhoff stress, a = 0.1, and at
    # 0.65 % more in Cauchy stress (its volume shrinks); an iron sphere of 20 % adds some, but less
    # than the uniform-strain estimate in which the sphere stays elastic.
    glass = (2.7 + 5.0 * 0.1) / (1.0 + 5.0 / 140.0)
    largest = abs(curve.stress_gpa).max()
    assert 1.0065 * glass < largest < 0.8 * glass + 0.2 * 204.0 * math.log(1.1)


@pytest.mark.slow
def test_atom_probe_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strain = -0.004
    stress = load_script(CASES / "atom_probe_loop.py").main(
        tmp_path, n_grains=8, size_nm=26.0, mesh_nm=4.0, true_strain=strain, increments=1
    )
    assert "second cell" in capsys.readouterr().out
    rows = [line.split("|") for line in (tmp_path / "drift.md").read_text().splitlines()[2:]]
    drift = {row[1].strip(" `"): row for row in rows}
    # Elastic at 0.4 %: between the estimates of Reuss and Voigt for the fractions of the second
    # cell; 1 % for Poisson's ratios that differ and for the change of the area.
    moduli = {"nanocrystal": 204.0, "sc_rich": 115.0, "interface": 95.0, "grain": 140.0}
    shares = {name: float(drift[f"volume_fractions.{name}"][5]) for name in moduli}
    reuss = 1.0 / sum(shares[name] / moduli[name] for name in moduli)
    voigt = sum(shares[name] * moduli[name] for name in moduli)
    assert 0.99 * reuss < stress / abs(strain) < 1.01 * voigt
    intercept = drift["grains.lineal_intercept"]
    # what the second cell has against the first: within what is asked of a single measurement
    assert float(intercept[5]) == pytest.approx(float(intercept[3]), rel=0.12)
