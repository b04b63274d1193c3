"""What a run writes: curve, log, checkpoints and fields as it marches, the summary at its end."""

import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ngcfem.case.schema import Case
from ngcfem.errors import raise_together
from ngcfem.results.checkpoint import CheckpointStore
from ngcfem.results.fields import index_fields, write_fields
from ngcfem.results.history import CurveWriter
from ngcfem.results.increment import Increment
from ngcfem.results.run import RunDirectory
from ngcfem.results.summary import build_summary
from ngcfem.workflow.localization_record import LocalizationRecord

if TYPE_CHECKING:
    from ngcfem.fem.problem import PeriodicProblem


class Recorder:
    """Writes the run directory from all ranks; rank 0 holds it.

    Parameters
    ----------
    case : Case
        The case.
    run : RunDirectory or None
        The locked directory on rank 0, None elsewhere.
    problem : PeriodicProblem
        What is marched.
    keep_rows : int
        Rows of the curve that a resumed run keeps; 0 for a new run.
    constants : mapping of str to object
        Entries of the summary that do not change during the run.
    earlier_cpu_s : float
        CPU seconds, summed over the ranks, that the run has cost before it was resumed.
    spent_before_s : float
        CPU seconds that this process had spent before the run began, on earlier realizations.
    earlier_localization : mapping or None
        Entry ``localization`` of the checkpoint that the run goes on from.

    Notes
    -----
    Every method is collective. An error of rank 0 (a full disk) is raised on all ranks.
    """

    def __init__(
        self,
        case: Case,
        run: RunDirectory | None,
        problem: "PeriodicProblem",
        keep_rows: int,
        constants: Mapping[str, Any],
        earlier_cpu_s: float = 0.0,
        spent_before_s: float = 0.0,
        earlier_localization: Mapping[str, Any] | None = None,
    ) -> None:
        self._case = case
        self._run = run
        self._problem = problem
        self._comm = problem.volume.comm
        self._constants = dict(constants)
        self._earlier_cpu_s = earlier_cpu_s
        self._spent_before_s = spent_before_s
        self._checkpointed_at = time.monotonic()
        self._checkpointed_increment = 0
        self._last_field_block = -1
        self._output_cpu_s = 0.0
        self._localization = LocalizationRecord(case, run, problem, earlier_localization)
        self._curve: CurveWriter | None = None
        self._store: CheckpointStore | None = None
        error: Exception | None = None
        if run is not None:
            try:
                self._curve = CurveWriter(
                    run.curve_file, case.load.axis, case.load.kinematics, keep_rows
                )
                self._store = CheckpointStore(run.checkpoints_directory)
                if keep_rows:
                    run.log.write_resumption(keep_rows)
            except Exception as failure:
                error = failure
        raise_together(self._comm, error)
        if keep_rows:
            self._last_field_block = self._field_block(int(problem.position + 1e-9))
            self._checkpointed_increment = int(problem.position + 1e-9)

    def _field_block(self, increment: int) -> int:
        every = self._case.output.fields_every
        return increment // every if every else -1

    def record(self, increment: Increment, last: bool) -> None:
        """Write an accepted step.

        Parameters
        ----------
        increment : Increment
            The step, already committed in the problem.
        last : bool
            Whether it ends the load path.
        """
        # before anything that may evaluate the laws again
        self._localization.record(increment, last)
        started = time.process_time()
        error: Exception | None = None
        if self._run is not None and self._curve is not None:
            try:
                self._curve.append(increment)
                self._run.log.write_increment(increment)
            except Exception as failure:
                error = failure
        raise_together(self._comm, error)
        block = self._field_block(increment.increment if increment.requested else -1)
        if self._case.output.fields_every and (
            last or (increment.requested and block > self._last_field_block)
        ):
            self.write_fields(increment)
            self._last_field_block = max(block, self._last_field_block)
        if increment.increment > 0 and self._checkpoint_due(increment, last):
            self.checkpoint()
            self._checkpointed_increment = increment.increment
        self._output_cpu_s += time.process_time() - started

    def _checkpoint_due(self, increment: Increment, last: bool) -> bool:
        output = self._case.output
        if last:
            # The end is kept too, so that its stiffness can be taken.
            return output.checkpoint_every_increments > 0 or output.checkpoint_every_minutes > 0.0
        by_count = (
            output.checkpoint_every_increments > 0
            and increment.increment - self._checkpointed_increment
            >= output.checkpoint_every_increments
        )
        elapsed = time.monotonic() - self._checkpointed_at
        by_time = (
            output.checkpoint_every_minutes > 0.0
            and elapsed >= 60.0 * output.checkpoint_every_minutes
        )
        return any(self._comm.allgather(by_count or by_time))

    def checkpoint(self) -> None:
        """Save the committed state."""
        state = self._problem.checkpoint()
        cpu = self._cpu_s()
        error: Exception | None = None
        if self._store is not None and self._curve is not None and state is not None:
            arrays, metadata = state
            try:
                self._store.save(
                    arrays,
                    {
                        "problem": metadata,
                        "rows": self._curve.number_of_rows,
                        "cpu_s": cpu,
                        "localization": self._localization.checkpoint_entry,
                    },
                )
            except Exception as failure:
                error = failure
        raise_together(self._comm, error)
        self._checkpointed_at = time.monotonic()

    def write_fields(self, increment: Increment) -> None:
        """Write the fields of the committed state, one piece a rank.

        Parameters
        ----------
        increment : Increment
            The step the fields belong to.
        """
        snapshot = self._problem.snapshot()
        directory = self._comm.bcast(
            str(self._run.fields_directory) if self._run is not None else None, root=0
        )
        error: Exception | None = None
        size = self._comm.size
        try:
            write_fields(
                Path(directory),
                increment.increment,
                increment.time_s,
                snapshot.points,
                snapshot.cells,
                snapshot.point_data,
                snapshot.cell_data,
                rank=self._comm.rank,
                size=size,
                names={"phase": self._problem.volume.source.phase_names},
            )
        except Exception as failure:
            error = failure
        raise_together(self._comm, error)
        if self._run is not None and size > 1:
            try:
                index_fields(Path(directory), increment.increment, increment.time_s, size)
            except Exception as failure:
                error = failure
        raise_together(self._comm, error)

    def _cpu_s(self) -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return self._earlier_cpu_s + sum(
            self._comm.allgather(float(usage.ru_utime + usage.ru_stime) - self._spent_before_s)
        )

    def finish(self, exit_reason: str, exit_code: int) -> None:
        """Write the summary of everything recorded so far.

        Parameters
        ----------
        exit_reason : str
            Why the run ended.
        exit_code : int
            Exit code of the command-line contract.
        """
        increments: list[Increment] = []
        error: Exception | None = None
        if self._run is not None:
            try:
                increments = self._run.increments()
            except Exception as failure:
                error = failure
        raise_together(self._comm, error)
        localization = self._localization.summary(increments)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu = self._cpu_s()
        memory = sum(self._comm.allgather(usage.ru_maxrss / 2.0**20))
        phases = {
            **self._problem.cpu_seconds,
            "output": self._output_cpu_s,
            "localization": self._localization.cpu_s,
        }
        timers: dict[str, float] = {
            name: sum(self._comm.allgather(seconds)) for name, seconds in phases.items()
        }
        timers["rest"] = cpu - self._earlier_cpu_s - sum(timers.values())
        if self._run is not None:
            try:
                if increments:
                    extra = {
                        **self._constants,
                        "exit_reason": exit_reason,
                        "exit_code": exit_code,
                        "cpu_s": cpu,
                        "wall_s": increments[-1].wall_s,
                        "peak_memory_gib": memory,
                        "timers_s": timers,
                        "localization": localization,
                    }
                    self._run.write_json(
                        "summary.json",
                        build_summary(
                            increments, self._case.load.axis, self._case.load.kinematics, extra
                        ),
                    )
            except Exception as failure:
                error = failure
        raise_together(self._comm, error)
