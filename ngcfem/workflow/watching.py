"""What long work tells whoever watches it."""

from collections.abc import Callable
from dataclasses import dataclass

from ngcfem.results.increment import Increment


def _pass_over(*_: object) -> None:
    """Tell nobody.

    Parameters
    ----------
    *_ : object
        What could have been told.
    """


@dataclass(frozen=True)
class Watcher:
    """Functions that are called on rank 0 as long work goes on; by default they do nothing.

    Parameters
    ----------
    step : callable
        Called for every accepted step with the increment, the position on the load path and the
        number of increments asked for.
    message : callable
        Called with a text that is worth a line of its own.
    meshing : callable
        Called while a mesh is made, with the work done, the work in all and what is being done.
    """

    step: Callable[[Increment, float, int], None] = _pass_over
    message: Callable[[str], None] = _pass_over
    meshing: Callable[[int, int, str], None] = _pass_over


@dataclass(frozen=True)
class AnalysisWatch:
    """Who is told how far an analysis has come.

    Parameters
    ----------
    ions : callable or None
        Of the number of ions read and of all, the latter 0 where it is not known.
    stage : callable or None
        Of what is being done, the number of its parts done and of all.
    """

    ions: Callable[[int, int], None] | None = None
    stage: Callable[[str, int, int], None] | None = None

    def say(self, what: str, done: int = 0, total: int = 1) -> None:
        """Tell what is being done.

        Parameters
        ----------
        what : str
            Name of the work.
        done, total : int
            Its parts.
        """
        if self.stage is not None:
            self.stage(what, done, total)
