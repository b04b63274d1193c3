"""One measure of a cell with its target, and how targets come out of the statistics."""

from collections.abc import Mapping
from dataclasses import dataclass

from ngcfem.microstructure.statistics import CompositeStatistics, StatisticRecord

RELATIVE_TOLERANCE = 0.1
"""Share of a target within which a measure that is not imposed is accepted."""


@dataclass(frozen=True)
class Descriptor:
    """One measure of a cell.

    Parameters
    ----------
    name : str
        What is measured.
    unit : str
        Its unit.
    target : float or None
        What was asked for; None where it follows from the others.
    achieved : float
        What the cell has.
    tolerance : float or None
        Largest difference allowed; None where nothing was asked for.
    binding : bool
        Whether a miss refuses the cell.
    remark : str
        Where the number comes from, or why it does not bind.
    """

    name: str
    unit: str
    target: float | None
    achieved: float
    tolerance: float | None
    binding: bool = True
    remark: str = ""

    @property
    def met(self) -> bool:
        """Whether the target, if there is one, is met."""
        if self.target is None or self.tolerance is None:
            return True
        return abs(self.achieved - self.target) <= self.tolerance

    @property
    def accepted(self) -> bool:
        """Whether the target is met or does not bind."""
        return self.met or not self.binding

    def row(self) -> tuple[str, str, str, str, str]:
        """Write the measure for a table.

        Returns
        -------
        tuple of str
            Name, achieved value, unit, target with tolerance, and verdict.
        """
        unit = "" if self.unit == "1" else self.unit
        value = f"{self.achieved:.5g}"
        if self.target is None or self.tolerance is None:
            return self.name, value, unit, "", ""
        target = f"{self.target:.5g} +- {self.tolerance:.2g}"
        verdict = "met" if self.met else ("MISSED" if self.binding else "differs, does not bind")
        return self.name, value, unit, target, verdict


@dataclass(frozen=True)
class Targets:
    """The numbers of a statistics file by their keys.

    Parameters
    ----------
    records : mapping of str to StatisticRecord
        By dotted key.
    """

    records: Mapping[str, StatisticRecord]

    @classmethod
    def of(cls, statistics: CompositeStatistics) -> "Targets":
        """Take the records of statistics.

        Parameters
        ----------
        statistics : CompositeStatistics
            The statistics.

        Returns
        -------
        Targets
            Their records by key; empty if the statistics were not read from a file.
        """
        return cls({record.key: record for record in statistics.records})

    def __contains__(self, key: str) -> bool:
        """Tell whether the statistics hold a key."""
        return key in self.records

    def steered(
        self,
        name: str,
        unit: str,
        key: str,
        achieved: float,
        *,
        floor: float = 0.0,
        binding: bool = True,
        remark: str = "",
    ) -> Descriptor:
        """Hold a measure that is not imposed against its statistic, if there is one.

        Parameters
        ----------
        name, unit : str
            What is measured.
        key : str
            Key of the statistic.
        achieved : float
            What the cell has.
        floor : float
            Smallest tolerance, where the number of bodies in a cell allows no finer one.
        binding : bool
            Whether a miss refuses the cell.
        remark : str
            For the reader.

        Returns
        -------
        Descriptor
            With the farther end of the 95 % interval, ``RELATIVE_TOLERANCE`` of the target or the
            floor as tolerance, whichever is widest; without target where the statistics have none.
        """
        record = self.records.get(key)
        if record is None:
            return Descriptor(name, unit, None, achieved, None, binding, remark)
        tolerance = max(RELATIVE_TOLERANCE * abs(record.value), floor)
        if record.lo95 is not None and record.hi95 is not None:
            tolerance = max(tolerance, record.hi95 - record.value, record.value - record.lo95)
        return Descriptor(name, unit, record.value, achieved, tolerance, binding, remark)
