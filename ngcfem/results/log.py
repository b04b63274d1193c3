"""``log.jsonl``: one JSON object a line for everything that happens in a run."""

import json
import os
from collections.abc import Iterator
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.results.atomic import plain
from ngcfem.results.increment import Increment, PhaseAverage

_ARRAYS = ("deformation_gradient", "first_piola_kirchhoff_stress")


class LogFile:
    """Appends whole lines to a log and reads them back.

    Parameters
    ----------
    path : Path
        The file; it is made with the first line.

    Notes
    -----
    A line is one ``write`` in append mode, so that lines never mix. A kill can tear the last line
    only: the reader passes over it, and the next line starts on a new one. Lines are not
    synchronized one by one; ``curve.csv`` and the checkpoints carry what must survive a power
    failure.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, event: str, **values: Any) -> None:
        """Append one event.

        Parameters
        ----------
        event : str
            What happened.
        **values : object
            Anything JSON or numpy can hold.
        """
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        line = json.dumps(plain({**entry, **values}), ensure_ascii=False) + "\n"
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = "\n" + line
            os.write(descriptor, line.encode("utf-8"))
        finally:
            os.close(descriptor)

    def write_increment(self, step: Increment) -> None:
        """Append an accepted step with all its numbers.

        Parameters
        ----------
        step : Increment
            The step.
        """
        self.write("increment", **increment_record(step))

    def write_resumption(self, kept_rows: int) -> None:
        """Note that the run goes on from a checkpoint, and that later steps are void.

        Parameters
        ----------
        kept_rows : int
            Accepted steps that the checkpoint has seen, the undeformed state included.
        """
        self.write("resumed", kept_rows=kept_rows)

    def entries(self) -> Iterator[dict[str, Any]]:
        """Read all whole lines.

        Yields
        ------
        dict
            One event.
        """
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry

    def increments(self) -> list[Increment]:
        """Read the accepted steps, without those that a later resume has made void.

        Returns
        -------
        list of Increment
            Steps in order, the undeformed state first.
        """
        steps: list[Increment] = []
        for entry in self.entries():
            if entry.get("event") == "increment":
                steps.append(increment_from_record(entry))
            elif entry.get("event") == "resumed":
                del steps[int(entry["kept_rows"]) :]
        return steps


def increment_record(step: Increment) -> dict[str, Any]:
    """All numbers of an accepted step in plain lists and dicts.

    Parameters
    ----------
    step : Increment
        The step.

    Returns
    -------
    dict
        Entries named like the attributes of ``Increment``.
    """
    record = {entry.name: getattr(step, entry.name) for entry in fields(Increment)}
    record["phases"] = {
        name: {entry.name: getattr(average, entry.name) for entry in fields(PhaseAverage)}
        for name, average in step.phases.items()
    }
    return plain(record)


def increment_from_record(record: dict[str, Any]) -> Increment:
    """Read an accepted step back.

    Parameters
    ----------
    record : dict
        What ``increment_record`` gave; entries that are no attributes are passed over.

    Returns
    -------
    Increment
        The step; null stands for a number that was not finite and becomes NaN.
    """
    values: dict[str, Any] = {}
    for entry in fields(Increment):
        if entry.name not in record and entry.default is not MISSING:
            continue  # the log of an earlier version
        value = record[entry.name]
        if entry.name in _ARRAYS:
            value = np.array(value, dtype=float)
        elif entry.name != "phases":
            value = _number(value)
        values[entry.name] = value
    values["phases"] = {
        name: PhaseAverage(
            volume_fraction=_number(average["volume_fraction"]),
            mean_cauchy_stress=np.array(average["mean_cauchy_stress"], dtype=float),
            mean_equivalent_plastic_strain=_number(average["mean_equivalent_plastic_strain"]),
            std_equivalent_plastic_strain=_number(average["std_equivalent_plastic_strain"]),
        )
        for name, average in record["phases"].items()
    }
    return Increment(**values)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
