"""Two statistics files side by side, number by number."""

from dataclasses import dataclass

import numpy as np

from ngcfem.atomprobe.statistics import quantities_of
from ngcfem.atomprobe.statistics_sections import Quantity, StatisticsFile

NOT_COMPARED = ("source.", "resolution.", "atomic_volumes.")
"""What describes the data set, not the material."""

_STANDARD_ERRORS = 3.92


@dataclass(frozen=True)
class ComparedQuantity:
    """One number of two statistics files.

    Parameters
    ----------
    key : str
        Dotted key.
    unit : str
        Unit.
    first, second : Quantity or None
        What either file says; None where it does not.
    """

    key: str
    unit: str
    first: Quantity | None
    second: Quantity | None

    @property
    def difference(self) -> float:
        """Second minus first; nan where one is missing."""
        if self.first is None or self.second is None:
            return np.nan
        return self.second.value - self.first.value

    @property
    def relative_difference(self) -> float:
        """Difference over the first; nan where one is missing or the first is 0."""
        if self.first is None or self.first.value == 0.0:
            return np.nan
        return self.difference / abs(self.first.value)

    @property
    def first_holds_second(self) -> bool | None:
        """Whether the interval of the first holds the second; None where there is none."""
        if self.first is None or self.second is None:
            return None
        if self.first.lo95 is None or self.first.hi95 is None:
            return None
        return self.first.lo95 <= self.second.value <= self.first.hi95

    @property
    def significant(self) -> bool | None:
        """Whether the two differ by more than chance explains; None where there are no intervals.

        Notes
        -----
        Two independent numbers with 95 % intervals of the widths w1 and w2 have, if normal, a
        difference of the standard deviation sqrt(w1^2 + w2^2) / 3.92; beyond 1.96 of these it is
        called significant. A number without an interval counts as exact.
        """
        widths = [
            0.0
            if entry is None or entry.lo95 is None or entry.hi95 is None
            else entry.hi95 - entry.lo95
            for entry in (self.first, self.second)
        ]
        if not any(widths) or np.isnan(self.difference):
            return None
        deviation = float(np.linalg.norm(widths)) / _STANDARD_ERRORS
        return bool(abs(self.difference) > 1.96 * deviation)


def compare_statistics(
    first: StatisticsFile, second: StatisticsFile
) -> tuple[ComparedQuantity, ...]:
    """Put two statistics files side by side.

    Parameters
    ----------
    first, second : StatisticsFile
        The files.

    Returns
    -------
    tuple of ComparedQuantity
        Every number of either file that describes the material, in the order of the schema.
    """
    ours, theirs = quantities_of(first), quantities_of(second)
    order = {key: place for place, key in enumerate(_schema_order(ours, theirs))}
    rows = []
    for key in sorted(order, key=order.__getitem__):
        if key.startswith(NOT_COMPARED):
            continue
        one, other = ours.get(key), theirs.get(key)
        known = one or other
        assert known is not None
        rows.append(ComparedQuantity(key, known.unit, one, other))
    return tuple(rows)


def _schema_order(ours: dict[str, Quantity], theirs: dict[str, Quantity]) -> list[str]:
    """Keys of both, those of the second alone behind the last key of their section."""
    keys = list(ours)
    for key in theirs:
        if key in ours:
            continue
        section = key.rpartition(".")[0]
        same = [n for n, other in enumerate(keys) if other.rpartition(".")[0] == section]
        keys.insert(same[-1] + 1 if same else len(keys), key)
    return keys


def quantity_in_words(quantity: Quantity | None) -> str:
    """Write a number with its interval.

    Parameters
    ----------
    quantity : Quantity or None
        The number.

    Returns
    -------
    str
        Value and ends of the interval; a dash if there is none.
    """
    if quantity is None:
        return "-"
    text = f"{quantity.value:.4g}"
    if quantity.lo95 is not None and quantity.hi95 is not None:
        text += f" ({quantity.lo95:.4g} to {quantity.hi95:.4g})"
    return text
