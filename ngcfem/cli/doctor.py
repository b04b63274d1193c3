"""Examination of the machine: does it have what ngcfem needs, and what to do if not."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ngcfem.cli.launch import find_mpiexec
from ngcfem.errors import InstallationError

Verdict = Literal["ok", "warn", "fail"]

_PACKAGES: tuple[str, ...] = (
    "dolfinx-solver-real",
    "gmsh",
    "h5py",
    "jax",
    "jaxlib",
    "matplotlib",
    "meshio",
    "numpy",
    "pydantic",
    "pyvista",
    "rich",
    "scipy",
    "typer",
)
_CLASHING_PACKAGES: tuple[str, ...] = ("petsc", "petsc4py", "fenics-dolfinx", "slepc4py")
_PATIENCE_S = 120
_SHARED_MEMORY_MB = 64
_MEMORY_GB = 4.0
_DISK_GB = 2.0

_MPI_PROGRAM = (
    "from mpi4py import MPI; import dolfinx; import petsc4py.PETSc as p; "
    "comm = MPI.COMM_WORLD; size = comm.allreduce(1); "
    "print(size, ' '.join(MPI.Get_library_version().splitlines()[0].split()), "
    "'DOLFINx', dolfinx.__version__, "
    "'PETSc', '.'.join(map(str, p.Sys.getVersion()))) if comm.rank == 0 else None"
)
_RENDER_PROGRAM = (
    "import sys, pyvista; "
    "plotter = pyvista.Plotter(off_screen=True, window_size=(64, 64)); "
    "plotter.add_mesh(pyvista.Sphere(), color='red'); "
    "image = plotter.screenshot(return_img=True); "
    "sys.exit(0 if image.std() > 1 else 3)"
)
_C_PROGRAM = "#include <Python.h>\nint ngcfem_probe(void) { return PY_MAJOR_VERSION; }\n"


@dataclass(frozen=True)
class Diagnosis:
    """Result of one examination.

    Parameters
    ----------
    subject : str
        What was examined.
    verdict : {"ok", "warn", "fail"}
        Whether ngcfem can work with it.
    found : str
        What was found.
    remedy : str
        What to do about it; empty if nothing.
    """

    subject: str
    verdict: Verdict
    found: str
    remedy: str = ""


def examine(directory: Path) -> Iterator[Diagnosis]:
    """Examine the machine.

    Parameters
    ----------
    directory : Path
        Directory where runs would be written.

    Yields
    ------
    Diagnosis
        One for each examination, in the order in which failures explain one another.
    """
    yield _python()
    yield from _packages()
    yield _mpi()
    yield _gmsh()
    yield _compiler()
    yield _rendering()
    yield _shared_memory()
    yield from _caches()
    yield _cores_and_memory()
    yield _disk(directory)


def _python() -> Diagnosis:
    version = ".".join(map(str, sys.version_info[:3]))
    found = f"{version} at {sys.executable}"
    return Diagnosis("Python", "ok", found)


def _packages() -> Iterator[Diagnosis]:
    versions: list[str] = []
    missing: list[str] = []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Diagnosis("packages", "fail", "missing: " + ", ".join(missing), "run make setup")
    else:
        yield Diagnosis("packages", "ok", ", ".join(versions))
    clashing = [name for name in _CLASHING_PACKAGES if _is_installed(name)]
    if clashing:
        yield Diagnosis(
            "solver packages",
            "fail",
            "beside dolfinx-solver-real: " + ", ".join(clashing),
            "uninstall them: the solver package brings its own",
        )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _run(command: list[str]) -> subprocess.CompletedProcess[str] | str:
    """Run a probe on its own, because a missing system library may crash the process."""
    environment = os.environ.copy()
    if not environment.get("VTK_DEFAULT_OPENGL_WINDOW"):
        environment["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkEGLRenderWindow"
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_PATIENCE_S} s"
    except OSError as error:
        return str(error)


def _probe(
    subject: str,
    command: list[str],
    on_success: Callable[[str], str],
    verdict_on_failure: Verdict,
    remedy: str,
) -> Diagnosis:
    finished = _run(command)
    if isinstance(finished, str):
        return Diagnosis(subject, verdict_on_failure, finished, remedy)
    if finished.returncode == 0:
        return Diagnosis(subject, "ok", on_success(finished.stdout.strip()))
    lines = [line for line in finished.stderr.splitlines() if line.strip()]
    found = lines[-1].strip() if lines else f"ended with code {finished.returncode}"
    return Diagnosis(subject, verdict_on_failure, found, remedy)


def _mpi() -> Diagnosis:
    try:
        mpiexec = find_mpiexec()
    except InstallationError as error:
        return Diagnosis("MPI on two processes", "warn", str(error), "run make setup")
    diagnosis = _probe(
        "MPI on two processes",
        [str(mpiexec), "-n", "2", sys.executable, "-c", _MPI_PROGRAM],
        lambda output: output,
        "fail",
        "run make setup; use the mpiexec beside this Python, not that of another MPI",
    )
    # A library may print a line of its own before that of the program.
    seen = [line for line in diagnosis.found.splitlines() if line.startswith("2 ")]
    if diagnosis.verdict == "ok" and not seen:
        return Diagnosis(
            diagnosis.subject,
            "fail",
            f"{mpiexec} starts processes that do not see one another",
            "use the mpiexec that comes with the Python environment",
        )
    return Diagnosis(
        diagnosis.subject,
        diagnosis.verdict,
        seen[0].removeprefix("2 ") if seen else diagnosis.found,
        diagnosis.remedy,
    )


def _gmsh() -> Diagnosis:
    return _probe(
        "Gmsh",
        [sys.executable, "-c", "import gmsh; gmsh.initialize(); print(gmsh.__version__)"],
        lambda output: output.splitlines()[-1] if output else "",
        "fail",
        "install the system libraries of containers/apt.txt (libGLU, libXft, libXcursor, "
        "libXinerama)",
    )


def _compiler() -> Diagnosis:
    subject = "C compiler"
    remedy = "install gcc, libc6-dev and the header files of Python (python3-dev)"
    compiler = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if compiler is None:
        return Diagnosis(subject, "fail", "none of cc, gcc, clang", remedy)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text(_C_PROGRAM)
        return _probe(
            subject,
            [
                compiler,
                "-shared",
                "-fPIC",
                f"-I{sysconfig.get_paths()['include']}",
                str(source),
                "-o",
                str(Path(folder, "probe.so")),
            ],
            lambda _: f"{shutil.which(compiler)} compiles against the headers of Python",
            "fail",
            remedy,
        )


def _rendering() -> Diagnosis:
    return _probe(
        "off-screen rendering",
        [sys.executable, "-c", _RENDER_PROGRAM],
        lambda _: "works",
        "warn",
        "install libgl1 and libegl1; without them the report has no pictures of the cell",
    )


def _shared_memory() -> Diagnosis:
    place = Path("/dev/shm")
    if not place.is_dir():
        return Diagnosis("shared memory", "warn", f"no {place}", "MPI may be slower or fail")
    size = shutil.disk_usage(place).total / 2**20
    found = f"{size:.0f} MB at {place}"
    if size < _SHARED_MEMORY_MB:
        return Diagnosis(
            "shared memory", "warn", found, "start the container with --shm-size=1g for many ranks"
        )
    return Diagnosis("shared memory", "ok", found)


def _caches() -> Iterator[Diagnosis]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    for name in ("ngcfem", "fenics"):
        place = cache / name
        try:
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            yield Diagnosis(
                f"cache {place}",
                "fail",
                error.strerror or str(error),
                "set XDG_CACHE_HOME to a directory that can be written",
            )
        else:
            yield Diagnosis(f"cache {place}", "ok", "can be written")


def _cores_and_memory() -> Diagnosis:
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    limit = _memory_limit_gb()
    usable = min(memory, limit) if limit else memory
    found = f"{cores} cores, {usable:.1f} GB of memory"
    if usable < _MEMORY_GB:
        return Diagnosis(
            "cores and memory", "warn", found, f"{_MEMORY_GB:g} GB or more for 1 000 000 unknowns"
        )
    return Diagnosis("cores and memory", "ok", found)


def _memory_limit_gb() -> float | None:
    """Memory that a container allows, where there is such a limit."""
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return None
    return int(text) / 2**30 if text.isdigit() else None


def _disk(directory: Path) -> Diagnosis:
    free = shutil.disk_usage(directory).free / 2**30
    found = f"{free:.1f} GB free at {directory}"
    if free < _DISK_GB:
        return Diagnosis("disk", "warn", found, "free some space, or run elsewhere with --out")
    return Diagnosis("disk", "ok", found)
