"""Several processes that call Gmsh at the same time, each with tasks of its own."""

import os
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from ngcfem.mesh.isolated_process import IsolatedProcess


def available_cores() -> int:
    """Count the cores that this process may use.

    Returns
    -------
    int
        At least 1.
    """
    return max(1, len(os.sched_getaffinity(0)))


def run_tasks[Task, Result](
    task: Callable[[IsolatedProcess, Task], Result],
    items: Sequence[Task],
    workers: int,
    finished: Callable[[int], None] | None = None,
) -> list[Result]:
    """Run a task for every item, several at a time, each with a process of its own.

    Parameters
    ----------
    task : callable
        Takes a process and an item; what it does must depend on the item alone.
    items : sequence
        The items.
    workers : int
        Number of processes.
    finished : callable, optional
        Called in this thread with the number of finished items.

    Returns
    -------
    list
        Results in the order of the items, whatever the number of workers.

    Raises
    ------
    Exception
        The exception of the first item, in their order, that raised one.
    """
    workers = max(1, min(workers, len(items)))
    processes = [IsolatedProcess() for _ in range(workers)]
    idle: queue.SimpleQueue[IsolatedProcess] = queue.SimpleQueue()
    for process in processes:
        idle.put(process)

    def run(item: Task) -> Result:
        process = idle.get()
        try:
            return task(process, item)
        finally:
            idle.put(process)

    executor = ThreadPoolExecutor(workers)
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
        for process in processes:
            process.kill()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        for process in processes:
            process.close()
