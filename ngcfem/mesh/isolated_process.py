"""A process beside this one that calls Gmsh, so that a crash of Gmsh is a failed try and no more.

Gmsh's optimizer can end its process with a segmentation fault on a surface that it cannot handle.
The process is started with ``python -m ngcfem.mesh.isolated_process`` and answers one request after
the other over its standard streams; it is started again after a crash. It is no fork, because the
caller may hold MPI and the threads of JAX, and it does not import the caller's main module.
"""

import importlib
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, BinaryIO, Self

_LENGTH = struct.Struct("<Q")


class IsolatedProcess:
    """Calls functions of ngcfem in another process.

    Notes
    -----
    Function, arguments and result travel as pickles; the function must be found by the name of its
    module. An exception of the function is raised here as `RuntimeError` with its text.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: int | None = None
        self._stopped = False

    def __enter__(self) -> Self:
        """Use the process in a ``with`` block; it starts with the first call."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self.close()

    def call(
        self, function: Callable[..., Any], *arguments: Any, limit_s: float | None = None
    ) -> Any:
        """Call a function in the other process.

        Parameters
        ----------
        function : callable
            Function at the top level of a module.
        *arguments : object
            What it takes.
        limit_s : float, optional
            Time after which the process is killed: the mesher can run in circles.

        Returns
        -------
        object
            What it returns.

        Raises
        ------
        RuntimeError
            If the function raises, or its process ends.
        """
        if self._stopped:
            raise RuntimeError("the process of Gmsh was stopped")
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        alarm = None
        if limit_s is not None:
            alarm = threading.Timer(limit_s, process.kill)
            alarm.daemon = True
            alarm.start()
        try:
            _send(process.stdin, (function.__module__, function.__qualname__, arguments))
            answer = _receive(process.stdout)
        except BrokenPipeError:
            answer = None
        finally:
            if alarm is not None:
                alarm.cancel()
        if answer is None:
            code = process.wait()
            said = self._last_message()
            self._end()
            ending = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            raise RuntimeError(f"the process of Gmsh ended ({ending}){said}")
        succeeded, result = answer
        if not succeeded:
            raise RuntimeError(result)
        return result

    def close(self) -> None:
        """Let the process end when it has answered."""
        self._end()

    def kill(self) -> None:
        """End the process at once, whatever it does, and start no other one."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()

    def _start(self) -> "subprocess.Popen[bytes]":
        # The variables of an MPI launcher stay behind: the process is no rank.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PMI", "PMIX", "MPI", "HYDRA", "OMPI"))
        }
        # Gmsh writes past its own log; a pipe that nobody reads would fill up
        self._messages = os.memfd_create("gmsh")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ngcfem.mesh.isolated_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            env=environment,
        )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        process.wait()
        if self._messages is not None:
            os.close(self._messages)
            self._messages = None

    def _last_message(self) -> str:
        if self._messages is None:
            return ""
        size = os.fstat(self._messages).st_size
        lines = os.pread(self._messages, size, 0).decode(errors="replace").strip().splitlines()
        return f": {lines[-1].strip()}" if lines else ""


def _send(stream: BinaryIO | Any, message: Any) -> None:
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def _receive(stream: BinaryIO | Any) -> Any | None:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    content = stream.read(length)
    return pickle.loads(content) if len(content) == length else None


def serve() -> None:
    """Answer requests on standard input until it closes.

    Notes
    -----
    What Gmsh prints must not reach the stream of the answers: standard output is moved away first.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while (request := _receive(sys.stdin.buffer)) is not None:
        module, name, arguments = request
        try:
            function = getattr(importlib.import_module(module), name)
            answer = (True, function(*arguments))
        except Exception as error:
            answer = (False, str(error) or type(error).__name__)
        _send(answers, answer)


if __name__ == "__main__":
    serve()
