"""Several processes at once: order of the results, errors, and endless loops."""

import math
import os
import time

import pytest

from ngcfem.mesh.isolated_process import IsolatedProcess
from ngcfem.mesh.worker_pool import WorkerPool, available_cores


def square_root(process: IsolatedProcess, item: float) -> float:
    result: float = process.call(math.sqrt, item)
    return result


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_items(workers):
    seen: list[int] = []
    with WorkerPool(workers) as pool:
        results = pool.run(square_root, [9.0, 4.0, 1.0, 16.0], seen.append)
        assert results == [3.0, 2.0, 1.0, 4.0]
        assert seen == [1, 2, 3, 4]
        assert pool.run(square_root, [25.0]) == [5.0]
        assert pool.cpu_seconds() > 0.0


def test_first_failure_in_the_order_of_the_items_is_raised():
    def failing(process: IsolatedProcess, item: int) -> int:
        process.call(time.sleep, 0.05 * (3 - item))
        if item > 0:
            raise ValueError(f"item {item}")
        return item

    with WorkerPool(3) as pool:
        with pytest.raises(ValueError, match="item 1"):
            pool.run(failing, [0, 1, 2])
        assert pool.run(square_root, [25.0]) == [5.0]


def test_endless_call_is_ended():
    with IsolatedProcess() as process:
        with pytest.raises(RuntimeError, match="SIGKILL"):
            process.call(time.sleep, 600.0, limit_s=0.5)
        assert process.call(math.hypot, 3.0, 4.0, limit_s=60.0) == 5.0


def test_stopped_process_starts_no_other_one():
    with IsolatedProcess() as process:
        process.call(os.getpid)
        process.kill()
        with pytest.raises(RuntimeError, match="stopped"):
            process.call(os.getpid)


def test_there_is_a_core():
    assert available_cores() >= 1
