"""Statistics that no cell can have: every verb says which number, and the nearest that can be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ngcfem.cli.main import app

CASES = Path(__file__).resolve().parents[2] / "cases"
STATISTICS = CASES / "data" / "fe90sc10_statistics.json"
Change = Callable[[dict[str, Any]], None]


def too_many_crystals(statistics: dict[str, Any]) -> None:
    statistics["volume_fractions"]["nanocrystal"] |= {"value": 0.7, "lo95": None, "hi95": None}


def network_thicker_than_a_grain(statistics: dict[str, Any]) -> None:
    statistics["interface"]["thickness"] |= {"value": 14.0, "lo95": None, "hi95": None}


def balance_that_cannot_close(statistics: dict[str, Any]) -> None:
    statistics["composition"]["bulk"]["Sc"] |= {"value": 60.0}
    statistics["composition"]["bulk"]["Fe"] |= {"value": 40.0}


def network_of_another_share(statistics: dict[str, Any]) -> None:
    """A share that grains of this size may have, but that those of the seed miss by a tenth."""
    entry = statistics["interface"]["thickness"]
    statistics["volume_fractions"]["interface"] = {
        **entry,
        "value": 0.335,
        "unit": "1",
        "lo95": None,
        "hi95": None,
    }


def write_case(directory: Path, name: str, change: Change) -> Path:
    statistics = json.loads(STATISTICS.read_text())
    change(statistics)
    file = directory / "statistics.json"
    file.write_text(json.dumps(statistics))
    text = (CASES / f"{name}.toml").read_text()
    text = text.replace('"data/fe90sc10_statistics.json"', f'"{file}"')
    text = text.replace('"data/', f'"{CASES}/data/')
    text = text.replace('parameters = "', f'parameters = "{CASES}/materials/')
    path = directory / f"{name}.toml"
    path.write_text(text.replace("n_grains = 8", "n_grains = 2"))
    return path


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        (too_many_crystals, "volume_fractions.nanocrystal", "0.7"),
        (network_thicker_than_a_grain, "interface.thickness", "14 nm"),
        (balance_that_cannot_close, "composition.bulk.Sc", "60 at%"),
    ],
)
@pytest.mark.parametrize("verb", ["validate", "generate", "mesh", "run", "stiffness"])
def test_demands_known_to_be_impossible_are_bad_input(verb, change, key, said, tmp_path):
    case = write_case(tmp_path, "demo", change)
    out = tmp_path / "out"
    code, text = run(verb, case, *(() if verb == "validate" else ("--out", out)))
    assert code == 2, text
    assert key in text
    assert said in text
    assert "Traceback" not in text
    assert not out.exists(), "nothing is left behind"


@pytest.mark.parametrize("verb", ["generate", "mesh", "run"])
def test_what_is_missed_after_trying_is_refused(verb, tmp_path):
    case = write_case(tmp_path, "nanoglass", network_of_another_share)
    assert run("validate", case)[0] == 0
    code, text = run(verb, case, "--out", tmp_path / "out")
    assert code == 4, text
    assert "0.335" in text
    assert "Traceback" not in text
