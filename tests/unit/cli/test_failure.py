"""Errors become messages and exit codes in one place."""

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ngcfem.case.schema
from ngcfem.cli.failure import exit_code_of, message_of, termination_as_interrupt
from ngcfem.cli.launch import find_mpiexec
from ngcfem.cli.main import app
from ngcfem.errors import (
    DirectoryInUseError,
    Finding,
    InputError,
    InstallationError,
    InterruptedRunError,
    NotConvergedError,
    RefusedError,
    ResourceError,
)


class PetscError(RuntimeError):
    """As petsc4py raises it: with a number in ``ierr``."""

    ierr = 55


CODES = [
    (RuntimeError("x"), 1),
    (InstallationError("x"), 1),
    (PermissionError(errno.EACCES, "denied", "f"), 1),
    (InputError([Finding("f", "k", "a", "b", "c")]), 2),
    (NotConvergedError("x"), 3),
    (RefusedError("x"), 4),
    (InterruptedRunError("x"), 5),
    (KeyboardInterrupt(), 5),
    (DirectoryInUseError("x"), 6),
    (ResourceError("x"), 7),
    (MemoryError(), 7),
    (OSError(errno.ENOSPC, "No space left on device", "f"), 7),
    (PetscError("out of memory"), 7),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda item: type(item).__name__)
def test_exit_code(error, code):
    assert exit_code_of(error) == code
    assert message_of(error)


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda item: type(item).__name__)
def test_exit_code_of_the_command(error, code, monkeypatch, tmp_path):
    def fail(path):
        raise error

    monkeypatch.setattr(ngcfem.case.schema, "load_case", fail)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["validate", "x.toml"])
    assert result.exit_code == code
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    logs = list(tmp_path.glob("ngcfem/error-*.log"))
    assert len(logs) == (1 if isinstance(error, RuntimeError) and code == 1 else 0)
    if logs:
        assert "This is a bug" in result.stderr
        assert str(logs[0]) in result.stderr
        assert "Traceback" in logs[0].read_text()


def test_debug_shows_the_traceback(monkeypatch):
    def fail(path):
        raise RuntimeError("deep inside")

    monkeypatch.setattr(ngcfem.case.schema, "load_case", fail)
    result = CliRunner().invoke(app, ["--debug", "validate", "x.toml"])
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


def test_traceback_is_shown_where_it_cannot_be_stored(monkeypatch, tmp_path):
    def fail(path):
        raise RuntimeError("deep inside")

    (tmp_path / "file").write_text("")
    monkeypatch.setattr(ngcfem.case.schema, "load_case", fail)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    result = CliRunner().invoke(app, ["validate", "x.toml"])
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


def test_termination_is_an_interrupt():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), termination_as_interrupt():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_only_rank_zero_speaks(monkeypatch, tmp_path):
    # An earlier test of the session may have initialized MPI, whose rank would count.
    monkeypatch.setattr("ngcfem.cli.launch.world", lambda: None)
    monkeypatch.setenv("PMI_RANK", "1")
    result = CliRunner().invoke(app, ["validate", str(tmp_path / "none.toml")])
    assert result.exit_code == 2
    assert result.output == ""


ONE_RANK_FAILS = """
import sys
from pathlib import Path
from mpi4py import MPI
from ngcfem.cli import failure
from ngcfem.errors import RefusedError
failure._PATIENCE_S = 0.5
if sys.argv[1] == "together" or MPI.COMM_WORLD.rank == 1:
    sys.exit(failure.report_failure(RefusedError("too coarse"), False))
MPI.COMM_WORLD.recv(source=1)
"""


@pytest.mark.parametrize("how", ["alone", "together"])
def test_no_rank_is_left_waiting(how):
    finished = subprocess.run(
        [str(find_mpiexec()), "-n", "2", sys.executable, "-c", ONE_RANK_FAILS, how],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 4
    assert finished.stderr.count("ngcfem: too coarse") == 1


def test_a_reader_that_goes_away_is_no_bug():
    case = Path(__file__).resolve().parents[3] / "cases" / "laminate.toml"
    program = (
        "import subprocess, sys\n"
        "show = subprocess.Popen([sys.executable, '-m', 'ngcfem.cli', 'show', sys.argv[1]],"
        " stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
        "show.stdout.close()\n"
        "print(show.stderr.read().decode(), show.wait())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(case)], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["1"]
