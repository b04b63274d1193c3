"""The one place where errors become messages and exit codes."""

import contextlib
import datetime
import errno
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from ngcfem.cli.launch import rank, world
from ngcfem.errors import (
    InputError,
    InterruptedRunError,
    NgcfemError,
    ResourceError,
)

_NO_RESOURCE = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG)
_PETSC_OUT_OF_MEMORY = 55
_PATIENCE_S = 20.0


def exit_code_of(error: BaseException) -> int:
    """Exit code that the command-line contract gives to an error.

    Parameters
    ----------
    error : BaseException
        What ended the command.

    Returns
    -------
    int
        1 internal or environment, 2 bad input, 3 not converged, 4 cell or mesh refused,
        5 interrupted and resumable, 6 directory in use, 7 no disk or memory.
    """
    if isinstance(error, NgcfemError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return InterruptedRunError.exit_code
    if _lacks_resource(error):
        return ResourceError.exit_code
    return 1


def _lacks_resource(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno in _NO_RESOURCE
    return getattr(error, "ierr", None) == _PETSC_OUT_OF_MEMORY


def message_of(error: BaseException) -> str:
    """Say what ended the command in words for the user.

    Parameters
    ----------
    error : BaseException
        What ended the command.

    Returns
    -------
    str
        Message for the standard error stream.
    """
    if isinstance(error, InputError):
        number = len(error.findings)
        heading = "1 thing is wrong" if number == 1 else f"{number} things are wrong"
        return f"{error}\n\n{heading} with the input."
    if isinstance(error, NgcfemError):
        return f"ngcfem: {error}"
    if isinstance(error, KeyboardInterrupt):
        return "ngcfem: interrupted"
    if isinstance(error, OSError) and _lacks_resource(error):
        where = f" ({error.filename})" if error.filename else ""
        return f"ngcfem: {error.strerror}{where}; free some space and resume"
    if _lacks_resource(error):
        return "ngcfem: out of memory; use a coarser mesh, fewer processes or a larger machine"
    if isinstance(error, PermissionError):
        return f"ngcfem: no permission: {error.filename}"
    return f"ngcfem: unexpected {type(error).__name__}: {error}\nThis is a bug in ngcfem."


def is_bug(error: BaseException) -> bool:
    """Whether an error was not foreseen.

    Parameters
    ----------
    error : BaseException
        What ended the command.

    Returns
    -------
    bool
        True where the traceback is of use.
    """
    foreseen = isinstance(error, NgcfemError | KeyboardInterrupt | PermissionError)
    return not (foreseen or _lacks_resource(error))


def report_failure(error: BaseException, debug: bool) -> int:
    """Print the message of an error on rank 0 and give its exit code.

    Parameters
    ----------
    error : BaseException
        What ended the command.
    debug : bool
        Whether the traceback is printed too.

    Returns
    -------
    int
        The exit code.

    Notes
    -----
    Under MPI the ranks wait for one another here. If they do not all arrive, one rank has failed
    alone; it then prints its own message and ends the others, so that nobody hangs.
    """
    if isinstance(error, BrokenPipeError):
        # The reader of the output has gone (`ngcfem show CASE | head`): nobody is left to tell,
        # and Python must not meet the closed pipe again when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_code_of(error)
    together = _ranks_are_together()
    if rank() == 0 or not together:
        print(message_of(error), file=sys.stderr)
        if debug:
            traceback.print_exception(error)
        elif is_bug(error):
            print(_where_traceback_went(error), file=sys.stderr)
        sys.stderr.flush()
    code = exit_code_of(error)
    comm = world()
    if comm is not None and not together:
        comm.Abort(code)
    return code


def _ranks_are_together() -> bool:
    comm = world()
    if comm is None or comm.size == 1:
        return True
    arrival = comm.Ibarrier()
    deadline = time.monotonic() + _PATIENCE_S
    while not arrival.Test():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _where_traceback_went(error: BaseException) -> str:
    """Write the traceback to the user's state directory, or give it if that cannot be written."""
    text = "".join(traceback.format_exception(error))
    home = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
    path = Path(home) / "ngcfem" / f"error-{stamp}-{os.getpid()}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{' '.join(sys.argv)}\n{text}")
    except OSError:
        return text
    return f"Please report it with the file {path} (--debug shows what is in it)."


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end the command like an interrupt from the keyboard.

    Yields
    ------
    None
        The handler is in place inside the context; a run puts its own in front of it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
