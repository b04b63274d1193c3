"""Progress of a run: a bar on a terminal, one line per increment otherwise."""

import math
import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ngcfem.quantities import AXIS_INDEX
from ngcfem.results.increment import Increment


def axial_measures(increment: Increment, axis: str, kinematics: str) -> tuple[float, float]:
    """True strain and true stress along an axis.

    Parameters
    ----------
    increment : Increment
        An accepted step.
    axis : {"x", "y", "z"}
        The axis.
    kinematics : {"finite", "small"}
        With finite kinematics the true stress is the Cauchy stress P F^T / det F.

    Returns
    -------
    tuple of float
        True strain ln F_aa and true stress in GPa.
    """
    a = AXIS_INDEX[axis]
    F, P = increment.deformation_gradient, increment.first_piola_kirchhoff_stress
    stretch = float(F[a, a])
    true_strain = math.log(stretch) if stretch > 0.0 else math.nan
    if kinematics == "small":
        return true_strain, float(P[a, a])
    # The rule of Sarrus: importing a linear algebra package for this would slow the start.
    determinant = (
        F[0, 0] * (F[1, 1] * F[2, 2] - F[1, 2] * F[2, 1])
        - F[0, 1] * (F[1, 0] * F[2, 2] - F[1, 2] * F[2, 0])
        + F[0, 2] * (F[1, 0] * F[2, 1] - F[1, 1] * F[2, 0])
    )
    return true_strain, float(P[a] @ F[a] / determinant)


class ProgressReport:
    """Shows each accepted step of a run; to be used as a context manager and called by the run.

    Parameters
    ----------
    axis : {"x", "y", "z"}
        Axis that strain and stress refer to.
    kinematics : {"finite", "small"}
        Kinematics of the run.
    console : rich.console.Console, optional
        Where to write; the standard output by default.
    """

    def __init__(self, axis: str, kinematics: str, console: Console | None = None) -> None:
        self._axis = axis
        self._kinematics = kinematics
        self._console = console or Console(file=sys.stdout, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Start the bar where there is a terminal."""
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("increment {task.completed:.3g}/{task.total:.0f}"),
                BarColumn(),
                TextColumn("{task.fields[state]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, increment: Increment, position: float, total: int) -> None:
        """Show one accepted step.

        Parameters
        ----------
        increment : Increment
            The step.
        position : float
            Where it ends on the load path, in increments asked for.
        total : int
            Number of increments asked for.
        """
        true_strain, true_stress = axial_measures(increment, self._axis, self._kinematics)
        state = (
            f"true strain {true_strain:+.4f}  true stress {true_stress:+.4f} GPa  "
            f"Newton {increment.newton_iterations}  Krylov {increment.linear_iterations}  "
            f"cut-backs {increment.cutbacks}"
        )
        if self._bar is None:
            self._console.print(
                f"increment {position:.6g}/{total}  {state}  {increment.wall_s:.1f} s",
                soft_wrap=True,
            )
            return
        if self._task is None:
            self._task = self._bar.add_task("run", total=total, state=state)
        self._bar.update(self._task, completed=position, total=total, state=state)
