"""A crash in the process beside this one is an error here, and the next call works."""

import math
import os

import pytest

from ngcfem.mesh.isolated_process import IsolatedProcess


def test_results_errors_and_crashes() -> None:
    with IsolatedProcess() as process:
        other = process.call(os.getpid)
        assert other != os.getpid()
        assert process.call(math.hypot, 3.0, 4.0) == 5.0
        with pytest.raises(RuntimeError, match=r"math domain|nonnegative"):
            process.call(math.sqrt, -1.0)
        assert process.call(os.getpid) == other
        with pytest.raises(RuntimeError, match="SIGABRT"):
            process.call(os.abort)
        assert process.call(os.getpid) not in (other, os.getpid())


def test_output_of_the_callee_does_not_disturb_the_answers() -> None:
    with IsolatedProcess() as process:
        assert process.call(os.write, 1, b"noise on the standard output\n") == 29
        assert process.call(math.hypot, 5.0, 12.0) == 13.0
