"""Several processes that call Gmsh at the same time, each with tasks of its own."""

import os
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import TracebackType
from typing import Self

from ngcfem.mesh.isolated_process import IsolatedProcess


def available_cores() -> int:
    """Count the cores that this process may use.

    Returns
    -------
    int
        At least 1.
    """
    return max(1, len(os.sched_getaffinity(0)))


class WorkerPool:
    """Processes that wait for tasks; to be used as a context manager.

    Parameters
    ----------
    workers : int, optional
        Number of processes, by default one a core. They start with their first task.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._processes = [IsolatedProcess() for _ in range(workers or available_cores())]

    def __enter__(self) -> Self:
        """Use the pool in a ``with`` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes."""
        for process in self._processes:
            process.close()

    def run[Task, Result](
        self,
        task: Callable[[IsolatedProcess, Task], Result],
        items: Sequence[Task],
        finished: Callable[[int], None] | None = None,
    ) -> list[Result]:
        """Run a task for every item, as many at a time as there are processes.

        Parameters
        ----------
        task : callable
            Takes a process and an item; what it does must depend on the item alone.
        items : sequence
            The items.
        finished : callable, optional
            Called in this thread with the number of finished items.

        Returns
        -------
        list
            Results in the order of the items, whatever the number of processes.

        Raises
        ------
        Exception
            The exception of the first item, in their order, that raised one.
        """
        workers = self._processes[: max(1, len(items))]
        idle: queue.SimpleQueue[IsolatedProcess] = queue.SimpleQueue()
        for process in workers:
            idle.put(process)

        def run(item: Task) -> Result:
            process = idle.get()
            try:
                return task(process, item)
            finally:
                idle.put(process)

        executor = ThreadPoolExecutor(len(workers))
        futures = [executor.submit(run, item) for item in items]
        try:
            for number, future in enumerate(as_completed(futures)):
                if future.exception() is not None:
                    # every item before this one has been started, and is waited for
                    executor.shutdown(wait=True, cancel_futures=True)
                    break
                if finished is not None:
                    finished(number + 1)
            return [future.result() for future in futures]
        except Exception:
            raise
        except BaseException:
            for process in workers:
                process.kill()
            raise
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def cpu_seconds(self) -> float:
        """CPU time that the processes have spent.

        Returns
        -------
        float
            Seconds; those of processes that crashed are lost.
        """
        return sum(process.call(time.process_time) for process in self._processes)
