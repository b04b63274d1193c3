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
