"""Where a result comes from: versions, machine, command, inputs and seeds."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ngcfem.results.run import now

PACKAGES: tuple[str, ...] = (
    "ngcfem",
    "numpy",
    "scipy",
    "jax",
    "jaxlib",
    "dolfinx-solver-real",
    "fenics-dolfinx",
    "petsc4py",
    "mpi4py",
    "mpich",
    "gmsh",
    "pydantic",
    "vtk",
    "pyvista",
    "matplotlib",
)


def collect_provenance(
    command: Sequence[str] | None = None,
    inputs: Mapping[str, Path] | None = None,
    seeds: Mapping[str, int] | None = None,
    ranks: int = 1,
) -> dict[str, Any]:
    """Record what a result depends on.

    Parameters
    ----------
    command : sequence of str or None
        The command line; by default that of this process.
    inputs : mapping of str to Path or None
        Input files by the role they play.
    seeds : mapping of str to int or None
        Seeds by what they seed.
    ranks : int
        Number of MPI ranks.

    Returns
    -------
    dict
        Entries for ``provenance.json``. Versions are read from the installed packages without
        importing them; the commit is that of the checkout ngcfem runs from, if it is one.
    """
    return {
        "created": now(),
        "command": list(sys.argv if command is None else command),
        "versions": {
            "python": platform.python_version(),
            **{name: version for name in PACKAGES if (version := _version(name)) is not None},
        },
        "host": {
            "name": platform.node(),
            "system": f"{platform.system()} {platform.release()}",
            "machine": platform.machine(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "usable_cores": _usable_cores(),
            "memory_gib": _memory_gib(),
        },
        "ranks": ranks,
        "threads": {
            name: os.environ[name]
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "XLA_FLAGS")
            if name in os.environ
        },
        "source": _source(Path(__file__).resolve().parents[2]),
        "inputs": {
            role: {"file": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}
            for role, path in (inputs or {}).items()
        },
        "seeds": dict(seeds or {}),
    }


def sha256_of(path: Path) -> str:
    """Hash a file.

    Parameters
    ----------
    path : Path
        File.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _usable_cores() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 2)
    except (ValueError, OSError):
        return None


def _source(directory: Path) -> dict[str, Any] | None:
    """Commit of a checkout; None for an installed package."""
    if not (directory / ".git").exists():
        return None

    def git(*arguments: str) -> str | None:
        try:
            run = subprocess.run(
                ["git", "-C", str(directory), *arguments],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return run.stdout.strip()

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    changes = git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "modified": None if changes is None else bool(changes)}
