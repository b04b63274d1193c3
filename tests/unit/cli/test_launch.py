"""Starting a verb again on several processes."""

import os
import sys
from pathlib import Path

import pytest

from ngcfem.cli import launch
from ngcfem.errors import InputError, InstallationError


@pytest.fixture
def no_launcher(monkeypatch):
    for name in (*launch._RANK_VARIABLES, *launch._SIZE_VARIABLES, "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def replaced(monkeypatch):
    """Catch what would replace this process."""
    calls = []
    monkeypatch.setattr(os, "execv", lambda path, arguments: calls.append((path, arguments)))
    return calls


def test_the_launcher_of_this_environment_is_used(no_launcher, replaced, monkeypatch, tmp_path):
    mpiexec = tmp_path / "mpiexec"
    mpiexec.write_text("#!/bin/sh\n")
    mpiexec.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    launch.relaunch(3, ["run", "x.toml"])
    ((path, arguments),) = replaced
    assert path == str(mpiexec)
    assert arguments == [
        str(mpiexec),
        "-n",
        "3",
        str(tmp_path / "python"),
        "-m",
        "ngcfem.cli",
        "run",
        "x.toml",
    ]


def test_launcher_from_the_path(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    elsewhere = tmp_path / "bin" / "mpiexec"
    elsewhere.parent.mkdir()
    elsewhere.write_text("#!/bin/sh\n")
    elsewhere.chmod(0o755)
    monkeypatch.setenv("PATH", str(elsewhere.parent))
    assert launch.find_mpiexec() == Path(elsewhere)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallationError, match="mpiexec"):
        launch.find_mpiexec()


def test_no_processes_inside_processes(no_launcher, replaced, monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "4")
    with pytest.raises(InputError, match="4 processes"):
        launch.relaunch(2, ["run", "x.toml"])
    assert replaced == []
    # A batch system may start a single process in the same way.
    monkeypatch.setenv("PMI_SIZE", "1")
    launch.relaunch(2, ["run", "x.toml"])
    assert len(replaced) == 1


def test_rank_without_loading_mpi(no_launcher, monkeypatch):
    monkeypatch.setattr(launch, "world", lambda: None)
    assert launch.rank() == 0
    monkeypatch.setenv("SLURM_PROCID", "4")
    assert launch.rank() == 4
    monkeypatch.setenv("PMI_RANK", "2")
    assert launch.rank() == 2


def test_threads_are_limited_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    launch.prepare_environment()
    assert os.environ["OMP_NUM_THREADS"] == "4"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_petsc_leaves_signals_alone(monkeypatch):
    monkeypatch.setenv("PETSC_OPTIONS", "-log_view")
    launch.prepare_environment()
    launch.prepare_environment()
    assert os.environ["PETSC_OPTIONS"] == "-no_signal_handler -log_view"
