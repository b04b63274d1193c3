"""Processes: which rank this one is, and how a verb is started again on several."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ngcfem.errors import Finding, InputError, InstallationError

_RANK_VARIABLES = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
_PETSC_NO_SIGNALS = "-no_signal_handler"
_SIZE_VARIABLES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")


def started_processes() -> int:
    """Count the processes that an MPI launcher started together with this one.

    Returns
    -------
    int
        1 without a launcher.
    """
    sizes = [os.environ.get(name, "") for name in _SIZE_VARIABLES]
    return max((int(size) for size in sizes if size.isdigit()), default=1)


def world() -> Any | None:
    """Communicator of all processes, if MPI is in use.

    Returns
    -------
    mpi4py.MPI.Comm or None
        None as long as nothing has initialized MPI: asking must not load it.
    """
    module = sys.modules.get("mpi4py.MPI")
    if module is None or not module.Is_initialized() or module.Is_finalized():
        return None
    return module.COMM_WORLD


def rank() -> int:
    """Rank of this process.

    Returns
    -------
    int
        From MPI where it is in use, else from the variables of the launcher, else 0.
    """
    comm = world()
    if comm is not None:
        return int(comm.rank)
    for name in (*_RANK_VARIABLES, "SLURM_PROCID"):
        value = os.environ.get(name, "")
        if value.isdigit():
            return int(value)
    return 0


def prepare_environment() -> None:
    """Set what the numerical libraries read from the environment when they are loaded.

    Notes
    -----
    One thread a process, unless the user has said otherwise: the processes share the cores already.
    PETSc must leave the signals alone: its own handler would end a run on SIGTERM before its state
    is saved.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    options = os.environ.get("PETSC_OPTIONS", "")
    if _PETSC_NO_SIGNALS not in options.split():
        os.environ["PETSC_OPTIONS"] = f"{_PETSC_NO_SIGNALS} {options}".strip()


def find_mpiexec() -> Path:
    """Find the launcher that belongs to this Python.

    Returns
    -------
    Path
        The launcher beside the interpreter, else the first on the path.

    Raises
    ------
    InstallationError
        If there is none.
    """
    beside = Path(sys.executable).with_name("mpiexec")
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which("mpiexec")
    if found is None:
        raise InstallationError(
            "mpiexec was not found beside Python or on the path; run make setup, or leave out --np"
        )
    return Path(found)


def relaunch(processes: int, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by the same command line under ``mpiexec``.

    Parameters
    ----------
    processes : int
        Number of processes.
    arguments : sequence of str
        The verb and its arguments, without the option for the number of processes.

    Raises
    ------
    InputError
        If a launcher has started several processes already.
    InstallationError
        If there is no launcher.

    Notes
    -----
    The process is replaced, so that signals reach the launcher, which passes them on to the ranks,
    and its exit code is that of the ranks.
    """
    if started_processes() > 1:
        raise InputError(
            [
                Finding(
                    "command line",
                    "--np",
                    f"{processes}, but {started_processes()} processes have been started already",
                    "one of --np and mpiexec",
                    "leave out --np",
                )
            ]
        )
    prepare_environment()
    if sys.stdout.isatty():
        # The ranks write into a pipe; these make rich draw for the terminal behind it.
        os.environ.update(
            TTY_COMPATIBLE="1",
            TTY_INTERACTIVE="1",
            COLUMNS=str(shutil.get_terminal_size().columns),
        )
    mpiexec = str(find_mpiexec())
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(
        mpiexec,
        [mpiexec, "-n", str(processes), sys.executable, "-m", "ngcfem.cli", *arguments],
    )
