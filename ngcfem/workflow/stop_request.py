"""SIGTERM and the keyboard as a request that a run honours at the end of the current increment."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class StopRequest:
    """Catches termination signals while a run marches; a second signal interrupts at once.

    Notes
    -----
    A signal may reach only one rank: `agreed` is collective, so that all ranks stop at the same
    increment. Outside the main thread signals cannot be caught and none is.
    """

    def __init__(self) -> None:
        self._requested = False
        self._previous: dict[int, Callable[..., Any] | int | None] = {}

    def __enter__(self) -> Self:
        """Take over SIGTERM and SIGINT."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True

    def agreed(self, comm: Any) -> bool:
        """Whether any rank has been asked to stop; collective.

        Parameters
        ----------
        comm : mpi4py.MPI.Comm
            Communicator.

        Returns
        -------
        bool
            The same on every rank.
        """
        return any(comm.allgather(self._requested))
