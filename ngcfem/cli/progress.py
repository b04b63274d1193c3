"""Progress of long work: a bar on a terminal, one line per increment otherwise."""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
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
from rich.table import Column

from ngcfem.quantities import AXIS_INDEX
from ngcfem.results.increment import Increment
from ngcfem.workflow.watching import AnalysisWatch, Watcher

_WIDTH_FOR_ALL = 130
"""Columns of a terminal that hold everything known of a step beside the bar."""


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


@contextlib.contextmanager
def count_progress(
    what: str, console: Console | None = None
) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar for work that is counted, where there is a terminal.

    Parameters
    ----------
    what : str
        What is counted.
    console : rich.console.Console, optional
        Where to write; the standard output by default.

    Yields
    ------
    callable or None
        To be called with the work done and the work in all, which is 0 where it is not known; None
        where there is no terminal.
    """
    console = console or Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.completed:,.0f} " + what), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=None)

        def watch(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        yield watch


@contextlib.contextmanager
def analysis_progress(console: Console | None = None) -> Iterator[AnalysisWatch]:
    """Show how far the analysis of a specimen has come.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to write; the standard output by default.

    Yields
    ------
    AnalysisWatch
        Drives a bar on a terminal, and prints a line for each stage otherwise.
    """
    console = console or Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        said: list[str] = []

        def line(what: str, done: int, total: int) -> None:
            if what not in said:
                said.append(what)
                console.print(what, markup=False)

        yield AnalysisWatch(stage=line)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("ranging", total=None, state="")

        def ions(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None, state=f"{done:,} ions")

        def stage(what: str, done: int, total: int) -> None:
            state = f"{done}/{total}" if total > 1 else ""
            bar.update(
                task,
                description=what,
                completed=done,
                total=total if total > 1 else None,
                state=state,
            )

        yield AnalysisWatch(ions, stage)


class ProgressReport:
    """Shows the mesh growing and each accepted step; to be used as a context manager.

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
        self._tasks: dict[str, TaskID] = {}
        self._meshed = 0

    def __enter__(self) -> Self:
        """Start the bar where there is a terminal."""
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn(
                    "{task.description} {task.completed:.3g}/{task.total:.0f}",
                    table_column=Column(no_wrap=True, min_width=16),
                ),
                BarColumn(bar_width=None if self._console.width < _WIDTH_FOR_ALL else 40),
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

    @property
    def watcher(self) -> Watcher:
        """The same as functions that long work calls."""
        return Watcher(step=self.step, message=self.message, meshing=self.meshing)

    def message(self, text: str) -> None:
        """Print a text; the bar, if there is one, stays below it.

        Parameters
        ----------
        text : str
            One or more lines.
        """
        self._console.print(text, soft_wrap=True, markup=False)

    def meshing(self, done: int, total: int, what: str) -> None:
        """Show how far a mesh has come.

        Parameters
        ----------
        done, total : int
            Work done and work in all, in pieces.
        what : str
            What is being done.
        """
        if done == 0:
            # A way of meshing begins, and says why the one before was given up.
            self.message(f"mesh: {what}")
            self._meshed = 0
        if self._bar is not None:
            self._show("mesh", done, total, what)
            return
        # Without a terminal a line for every tenth of the work.
        tenth = 10 * done // max(total, 1)
        if tenth > self._meshed:
            self._meshed = tenth
            self.message(f"mesh {done}/{total}  {what}")

    def _show(self, name: str, done: float, total: float, state: str) -> None:
        assert self._bar is not None
        for other, task in self._tasks.items():
            self._bar.update(task, visible=other == name)
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total, state=state)
        elif done == 0:
            # Another realization begins: so does its clock.
            self._bar.reset(self._tasks[name])
        self._bar.update(self._tasks[name], completed=done, total=total, state=state)

    def step(self, increment: Increment, position: float, total: int) -> None:
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
        if self._console.width < _WIDTH_FOR_ALL:
            state = (
                f"strain {true_strain:+.4f}  stress {true_stress:+.3f} GPa  "
                f"Newton {increment.newton_iterations}"
            )
        self._show("increment", position, total, state)
