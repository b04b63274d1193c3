"""Examination of the machine, with machines that lack something."""

import importlib.metadata
import shutil
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from ngcfem.cli import doctor
from ngcfem.cli.main import app


def examine_by_subject(directory):
    return {diagnosis.subject: diagnosis for diagnosis in doctor.examine(directory)}


@pytest.fixture
def quick(monkeypatch):
    """Answer every probe at once; the answers can be changed by what the command contains."""
    answers = {}

    def run(command):
        for word, answer in answers.items():
            if any(word in part for part in command):
                return answer
        return subprocess.CompletedProcess(command, 0, "2 fine\n", "")

    monkeypatch.setattr(doctor, "_run", run)
    return answers


def test_the_whole_examination_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    diagnoses = examine_by_subject(tmp_path)
    failed = [str(d) for d in diagnoses.values() if d.verdict == "fail"]
    assert failed == []
    assert "DOLFINx" in diagnoses["MPI on two processes"].found
    assert all(d.remedy for d in diagnoses.values() if d.verdict != "ok")


def test_a_sound_machine_exits_with_zero(quick):
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert "ok    Gmsh: 2 fine" in result.stdout


def test_missing_system_library(quick, tmp_path):
    quick["import gmsh"] = subprocess.CompletedProcess(
        [], 1, "", "Traceback\nOSError: libGLU.so.1: cannot open shared object file\n"
    )
    diagnosis = examine_by_subject(tmp_path)["Gmsh"]
    assert diagnosis.verdict == "fail"
    assert diagnosis.found.startswith("OSError: libGLU.so.1")
    assert "apt.txt" in diagnosis.remedy
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "fail  Gmsh" in result.stdout


def test_crashing_renderer_is_a_warning(quick, tmp_path):
    quick["pyvista"] = subprocess.CompletedProcess([], -11, "", "")
    diagnosis = examine_by_subject(tmp_path)["off-screen rendering"]
    assert diagnosis.verdict == "warn"
    assert "-11" in diagnosis.found


def test_processes_that_do_not_see_one_another(quick, tmp_path):
    quick["mpi4py"] = subprocess.CompletedProcess([], 0, "1 MPICH\n1 MPICH\n", "")
    diagnosis = examine_by_subject(tmp_path)["MPI on two processes"]
    assert diagnosis.verdict == "fail"
    assert "do not see" in diagnosis.found


def test_probe_that_never_answers(monkeypatch):
    monkeypatch.setattr(doctor, "_PATIENCE_S", 0.2)
    assert "no answer" in str(doctor._run([sys.executable, "-c", "import time; time.sleep(60)"]))


def test_no_compiler(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    diagnosis = examine_by_subject(tmp_path)["C compiler"]
    assert diagnosis.verdict == "fail"
    assert "gcc" in diagnosis.remedy


def test_missing_and_clashing_packages(quick, tmp_path, monkeypatch):
    def version(name):
        if name == "jax":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    diagnoses = examine_by_subject(tmp_path)
    assert diagnoses["packages"].found == "missing: jax"
    assert "petsc4py" in diagnoses["solver packages"].found


def test_cache_that_cannot_be_written(quick, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    diagnoses = [d for s, d in examine_by_subject(tmp_path).items() if s.startswith("cache")]
    assert [d.verdict for d in diagnoses] == ["fail", "fail"]
    assert all("XDG_CACHE_HOME" in d.remedy for d in diagnoses)


def test_small_machine(quick, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_memory_limit_gb", lambda: 1.0)
    monkeypatch.setattr(doctor, "_SHARED_MEMORY_MB", 1e12)
    monkeypatch.setattr(doctor, "_DISK_GB", 1e12)
    diagnoses = examine_by_subject(tmp_path)
    for subject in ("cores and memory", "shared memory", "disk"):
        assert diagnoses[subject].verdict == "warn"
        assert diagnoses[subject].remedy
