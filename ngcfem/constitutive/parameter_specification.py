"""What one parameter of a law is: name, unit, range, default, source."""

import math
from dataclasses import dataclass

ParameterFinding = tuple[str, str, str, str]
"""Name of the parameter, what was found, what is allowed, what to do."""


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter of a law.

    Parameters
    ----------
    name : str
        Key in a case file, with its unit where it has one.
    unit : str
        Unit; empty for a pure number.
    description : str
        What it means, in one phrase.
    default : float, str or None
        Value if left out; None makes it required.
    minimum, maximum : float or None
        Range.
    exclusive_minimum, exclusive_maximum : bool
        Whether the end of the range itself is refused.
    reference : str
        Where the meaning of the parameter is defined.
    choices : tuple of str
        The words allowed, for a parameter that is no number; a law reads the place of the word.
    is_strength : bool
        Whether the parameter is one of those that make the strength of the law: all of them times
        s make the strength s times as large at every plastic strain. An imperfection scales them.
    """

    name: str
    unit: str
    description: str
    default: float | str | None
    minimum: float | None
    maximum: float | None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    reference: str = ""
    choices: tuple[str, ...] = ()
    is_strength: bool = False

    @property
    def allowed(self) -> str:
        """The range in words, for a message."""
        if self.choices:
            return "one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        parts = []
        if self.minimum is not None:
            parts.append(f"{'>' if self.exclusive_minimum else '>='} {self.minimum:g}")
        if self.maximum is not None:
            parts.append(f"{'<' if self.exclusive_maximum else '<='} {self.maximum:g}")
        return " and ".join(["a finite number", *parts])

    def accepts(self, value: float | str) -> bool:
        """Whether a value lies in the range, or is one of the words or its place.

        Parameters
        ----------
        value : float or str
            Value to look at.

        Returns
        -------
        bool
            False for a value outside the range and for one that is not finite.
        """
        if isinstance(value, str):
            return value in self.choices
        if not math.isfinite(value):
            return False
        if self.choices:
            return value in range(len(self.choices))
        if self.minimum is not None and (
            value <= self.minimum if self.exclusive_minimum else value < self.minimum
        ):
            return False
        return not (
            self.maximum is not None
            and (value >= self.maximum if self.exclusive_maximum else value > self.maximum)
        )

    def number(self, value: float | str) -> float:
        """Number that a law reads.

        Parameters
        ----------
        value : float or str
            A value that is accepted.

        Returns
        -------
        float
            The value, or the place of the word.
        """
        return float(self.choices.index(value)) if isinstance(value, str) else float(value)
