"""The run directory: states, lock, atomic files, log, provenance."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ngcfem.errors import DirectoryInUseError, InputError, ResourceError
from ngcfem.results import atomic
from ngcfem.results.atomic import plain, write_json_atomically, write_text_atomically
from ngcfem.results.lock import DirectoryLock, ProcessIdentity
from ngcfem.results.provenance import collect_provenance
from ngcfem.results.run import RunDirectory, default_run_directory, hash_of


def test_new_run_holds_its_case_and_is_locked(tmp_path):
    path = tmp_path / "runs" / "one"
    with RunDirectory.create(path, "a = 1\n", "a = 1\nb = 2\n") as run:
        assert run.case_file.read_text() == "a = 1\n"
        assert run.resolved_case_file.read_text() == "a = 1\nb = 2\n"
        assert run.status()["state"] == "created"
        assert (path / "lock").exists()
    assert not (path / "lock").exists()


def test_states_follow_one_another(tmp_path):
    with RunDirectory.create(tmp_path / "run", "", "") as run:
        with pytest.raises(ValueError, match="cannot go from 'created' to 'finished'"):
            run.set_state("finished")
        run.set_state("running", increment=0)
        run.set_state("running", increment=3)
        run.set_state("interrupted", exit_code=5, reason="SIGTERM")
        assert run.status()["increment"] == 3
    with RunDirectory.resume(tmp_path / "run") as run:
        run.set_state("running")
        run.set_state("finished", exit_code=0)
        with pytest.raises(ValueError, match="cannot go"):
            run.set_state("running")
    status = RunDirectory.open(tmp_path / "run").status()
    assert (status["state"], status["exit_code"]) == ("finished", 0)
    with pytest.raises(InputError, match="has finished"):
        RunDirectory.resume(tmp_path / "run")
    assert not (tmp_path / "run" / "lock").exists()


def test_existing_directory_is_refused_with_the_way_on(tmp_path):
    path = tmp_path / "run"
    RunDirectory.create(path, "", "same").release()
    with pytest.raises(InputError, match="go on with `ngcfem resume") as caught:
        RunDirectory.create(path, "", "same")
    assert caught.value.exit_code == 2
    with pytest.raises(InputError, match="--out") as caught:
        RunDirectory.create(path, "", "other")
    assert "resume" not in str(caught.value)
    with pytest.raises(InputError, match="run of another case"):
        RunDirectory.resume(path, case_hash=hash_of("other"))
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="1 files, no run"):
        RunDirectory.create(other, "", "")
    assert (other / "thesis.txt").read_text() == "precious"
    with pytest.raises(InputError, match="a file"):
        RunDirectory.create(other / "thesis.txt", "", "")
    with pytest.raises(InputError, match="no such directory"):
        RunDirectory.open(tmp_path / "absent")
    empty = tmp_path / "empty"
    empty.mkdir()
    RunDirectory.create(empty, "", "").release()


def test_living_process_keeps_others_out(tmp_path):
    path = tmp_path / "run"
    RunDirectory.create(path, "", "").release()
    code = (
        "import sys, pathlib\n"
        "from ngcfem.results.run import RunDirectory\n"
        "run = RunDirectory.resume(pathlib.Path(sys.argv[1]))\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(DirectoryInUseError, match=f"process {process.pid} writes here"):
            RunDirectory.resume(path)
        process.kill()
        process.wait()
    # Its lock is stale now: SIGKILL left it behind, and it is taken over.
    assert (path / "lock").exists()
    with RunDirectory.resume(path):
        assert f"pid={os.getpid()}" in (path / "lock").read_text()


def test_reused_process_number_does_not_keep_the_lock(tmp_path):
    own = ProcessIdentity.of(os.getpid())
    lock = DirectoryLock(tmp_path / "lock")
    (tmp_path / "lock").write_text(str(ProcessIdentity(own.pid, "12@earlier-boot", own.host)))
    lock.acquire()
    with pytest.raises(DirectoryInUseError):
        DirectoryLock(tmp_path / "lock").acquire()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_lock_of_another_machine_is_believed_and_garbage_is_not(tmp_path):
    (tmp_path / "lock").write_text(str(ProcessIdentity(1, "1@x", "another-host")))
    with pytest.raises(DirectoryInUseError, match="on another-host") as caught:
        DirectoryLock(tmp_path / "lock").acquire()
    assert caught.value.exit_code == 6
    (tmp_path / "lock").write_text("garbage")
    with DirectoryLock(tmp_path / "lock"):
        pass


def test_only_one_of_many_takes_a_stale_lock(tmp_path):
    (tmp_path / "lock").write_text("pid=4194303\nstarted=1@x\nhost=" + os.uname().nodename + "\n")
    code = (
        "import sys, time, pathlib\n"
        "from ngcfem.results.lock import DirectoryLock\n"
        "from ngcfem.errors import DirectoryInUseError\n"
        "start = float(sys.argv[2])\n"
        "time.sleep(max(0.0, start - time.time()))\n"
        "try:\n"
        "    DirectoryLock(pathlib.Path(sys.argv[1])).acquire()\n"
        "    print('mine', flush=True); time.sleep(2.0)\n"
        "except DirectoryInUseError:\n"
        "    print('theirs', flush=True)\n"
    )
    start = time.time() + 1.5
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "lock"), str(start)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = sorted(process.communicate()[0].strip() for process in processes)
    assert answers == ["mine", "theirs", "theirs", "theirs"]


def test_json_holds_numpy_paths_and_no_nan(tmp_path):
    value = {
        "array": np.eye(2),
        "integer": np.int64(3),
        "flag": np.bool_(True),
        "missing": float("nan"),
        "infinite": [np.inf, 1.0],
        "path": Path("a/b"),
        "tuple": (1, "x"),
    }
    write_json_atomically(tmp_path / "x.json", value)
    assert json.loads((tmp_path / "x.json").read_text()) == {
        "array": [[1.0, 0.0], [0.0, 1.0]],
        "integer": 3,
        "flag": True,
        "missing": None,
        "infinite": [None, 1.0],
        "path": "a/b",
        "tuple": [1, "x"],
    }
    with pytest.raises(TypeError, match="no JSON form"):
        plain(object())


def test_full_disk_is_told_and_leaves_the_old_file(tmp_path, monkeypatch):
    write_text_atomically(tmp_path / "x.txt", "old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(ResourceError, match="no disk space") as caught:
        write_text_atomically(tmp_path / "x.txt", "new")
    assert caught.value.exit_code == 7
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.txt"]
    assert (tmp_path / "x.txt").read_text() == "old"


def test_killed_writer_leaves_old_or_new(tmp_path):
    # A process that rewrites a file without pause is killed at arbitrary moments.
    code = (
        "import sys, pathlib, itertools\n"
        "from ngcfem.results.atomic import write_text_atomically\n"
        "for n in itertools.count():\n"
        "    write_text_atomically(pathlib.Path(sys.argv[1]), f'{n}\\n' * 20000)\n"
    )
    path = tmp_path / "x.txt"
    for attempt in range(4):
        with subprocess.Popen([sys.executable, "-c", code, str(path)]) as process:
            while not path.exists():
                time.sleep(0.01)
            time.sleep(0.1 + 0.013 * attempt)
            process.kill()
        lines = path.read_text().splitlines()
        assert len(lines) == 20000
        assert len(set(lines)) == 1


def test_log_survives_a_torn_line(tmp_path, compression):
    with RunDirectory.create(tmp_path / "run", "", "") as run:
        run.log.write("start", ranks=2)
        run.log.write_increment(compression[0])
        with open(run.log.path, "a") as stream:
            stream.write('{"event": "increm')
        run.log.write_increment(compression[1])
        events = [entry["event"] for entry in run.log.entries()]
        assert events == ["start", "increment", "increment"]
        again = run.increments()
    np.testing.assert_array_equal(
        again[1].deformation_gradient, compression[1].deformation_gradient
    )
    assert again[1].phases["grain"].mean_cauchy_stress.shape == (3, 3)
    assert again[1].pressure_noise == compression[1].pressure_noise
    assert again[1].requested is True


def test_log_forgets_steps_behind_a_checkpoint(tmp_path, compression):
    with RunDirectory.create(tmp_path / "run", "", "") as run:
        for step in compression[:6]:
            run.log.write_increment(step)
        run.log.write_resumption(kept_rows=4)
        for step in compression[4:8]:
            run.log.write_increment(step)
        assert [step.increment for step in run.increments()] == list(range(8))


def test_step_with_numbers_that_are_not_finite_reads_back(tmp_path, compression):
    from dataclasses import replace

    with RunDirectory.create(tmp_path / "run", "", "") as run:
        run.log.write_increment(replace(compression[0], pressure_noise=float("nan")))
        assert np.isnan(run.increments()[0].pressure_noise)


def test_default_name_and_hash(tmp_path):
    data = tmp_path / "data.json"
    data.write_text("1")
    first = hash_of("case", [data])
    data.write_text("2")
    assert hash_of("case", [data]) != first
    assert default_run_directory(Path("cases/set_a.toml"), first) == Path(f"runs/set_a-{first[:8]}")


def test_provenance_names_versions_inputs_and_seeds(tmp_path):
    data = tmp_path / "stats.json"
    data.write_text("{}")
    record = collect_provenance(["ngcfem", "run"], {"statistics": data}, {"cell": 7}, ranks=2)
    json.dumps(plain(record), allow_nan=False)
    assert record["versions"]["numpy"] == np.__version__
    assert record["inputs"]["statistics"]["sha256"] == (
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )
    assert record["seeds"] == {"cell": 7}
    assert record["ranks"] == 2
    assert record["host"]["cores"] >= 1


def test_importing_results_loads_no_solver_and_no_drawing():
    code = (
        "import sys\n"
        "import ngcfem.results.run, ngcfem.results.history, ngcfem.results.checkpoint\n"
        "import ngcfem.results.provenance\n"
        "print([m for m in ('jax','dolfinx','petsc4py','mpi4py','gmsh','vtk','vtkmodules',"
        "'pyvista','matplotlib','scipy') if m in sys.modules])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
