"""The verbs and their help."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ngcfem.cli.main import app

CASES = Path(__file__).resolve().parents[3] / "cases"
VERBS = [
    "validate",
    "show",
    "generate",
    "mesh",
    "run",
    "study",
    "resume",
    "point",
    "compare",
    "stiffness",
    "report",
    "export",
    "apt",
    "apt-synthetic",
    "apt-compare",
    "doctor",
]


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_help_lists_the_verbs_in_the_order_of_the_work():
    code, text, _ = invoke("--help")
    assert code == 0
    commands = text[text.index("Commands:") :].splitlines()[1:]
    assert [line.split()[0] for line in commands if line.strip()] == VERBS
    assert "..." not in text[text.index("Commands:") :]
    assert "Exit codes" in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_an_example(verb):
    code, text, _ = invoke(verb, "--help")
    assert code == 0
    assert f"ngcfem {verb}" in text[text.index("Example") :]


def test_version():
    assert invoke("--version") == (0, f"ngcfem {version('ngcfem')}\n", "")


@pytest.mark.parametrize(
    "arguments", [["unknown"], ["validate"], ["run", "x.toml", "--np", "0"], ["show", "--colour"]]
)
def test_wrong_command_lines_are_bad_input(arguments):
    code, _, messages = invoke(*arguments)
    assert code == 2
    assert "Traceback" not in messages


def test_validate_says_what_would_be_computed():
    code, text, _ = invoke("validate", str(CASES / "laminate.toml"))
    assert code == 0
    assert "laminate.toml: valid" in text
    assert "hard (j2), soft (j2)" in text


def test_what_show_prints_is_a_case(tmp_path):
    code, text, _ = invoke("show", str(CASES / "laminate.toml"))
    assert code == 0
    assert tomllib.loads(text)["load"]["kind"] == "mixed"
    path = tmp_path / "shown.toml"
    path.write_text(text)
    assert invoke("validate", str(path))[0] == 0


def test_resume_and_report_need_a_run(tmp_path):
    for verb in ("resume", "report"):
        code, _, messages = invoke(verb, str(tmp_path / "none"))
        assert code == 2, messages
        assert "no such directory" in messages


def test_point_needs_a_phase_of_the_case(tmp_path):
    code, _, messages = invoke("point", str(CASES / "laminate.toml"), "--phase", "iron")
    assert code == 2
    assert "hard, soft" in messages


def test_number_of_processes_is_passed_on(monkeypatch, tmp_path):
    calls = []

    def record(processes, arguments):
        calls.append((processes, arguments))
        raise SystemExit(0)

    monkeypatch.setattr("ngcfem.cli.main.relaunch", record)
    case = str(CASES / "laminate.toml")
    invoke("run", case, "--np", "2", "--out", str(tmp_path / "out"), "--resume")
    assert calls == [(2, ["run", case, "--out", str(tmp_path / "out"), "--resume"])]


def test_help_loads_neither_models_nor_numerics():
    program = (
        "import sys\n"
        "from ngcfem.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "print('loaded', *sorted(loaded & {'pydantic', 'numpy', 'rich', 'jax', 'gmsh'}))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert finished.stdout.splitlines()[-1] == "loaded"


def test_point_takes_a_case_with_a_phase_or_a_parameter_file(tmp_path):
    case = str(CASES / "laminate.toml")
    material = str(CASES / "materials" / "fe90sc10_grain_set_a.toml")
    for arguments, expected in (
        ((), "neither"),
        ((case, "--material", material), "both a case and --material"),
        ((case,), "--phase"),
        (("--material", material, "--phase", "grain"), "a parameter file holds one law"),
        (("--material", material, "--strain", "-0.1"), "a true strain > 0"),
        (("--material", str(tmp_path / "none.toml")), "none.toml"),
    ):
        code, _, messages = invoke("point", *arguments, "--out", str(tmp_path / "out"))
        assert code == 2, messages
        assert expected in messages


def test_point_draws_the_law_of_a_parameter_file(tmp_path):
    material = str(CASES / "materials" / "fe90sc10_grain_set_a.toml")
    code, _, messages = invoke(
        "point", "--material", material, "--out", str(tmp_path / "tests"), "--strain", "0.02"
    )
    assert code == 0, messages
    names = {path.name for path in (tmp_path / "tests").iterdir()}
    assert names == {
        "compression.csv",
        "law.png",
        "rate-jumps.csv",
        "simple-shear.csv",
        "tension.csv",
        "unloading.csv",
    }
    head, *rows = (tmp_path / "tests" / "compression.csv").read_text().splitlines()
    assert head.startswith("time_s,strain,stress_gpa,equivalent_plastic_strain,F11,")
    time_s, strain, stress, plastic, *_ = map(float, rows[-1].split(","))
    assert (round(time_s, 9), round(strain, 12)) == (20.0, 0.02)
    # 2.7 GPa is a strain of 0.0193: a little of the last one is plastic
    assert 0.0 < plastic < 0.001
    assert abs(stress - 2.72) < 0.03
