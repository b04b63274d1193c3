"""How the numbers of an analysis move with its parameters, one at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ngcfem.atomprobe.parameter_file import parameter_values, with_parameter

SWEEP_FACTORS = (0.75, 1.25)
"""By what a parameter is multiplied unless said otherwise."""


@dataclass(frozen=True)
class SweptValue:
    """Numbers found with one parameter changed.

    Parameters
    ----------
    parameter : str
        Dotted name of the parameter.
    value : float
        What it was set to.
    default : float
        What it is otherwise.
    numbers : mapping of str to float
        What was found, by name; empty if the analysis failed.
    failure : str
        Why it failed; empty if it did not.
    """

    parameter: str
    value: float
    default: float
    numbers: Mapping[str, float]
    failure: str = ""


def sweepable(parameters: object) -> tuple[str, ...]:
    """Name the parameters that can be multiplied.

    Parameters
    ----------
    parameters : object
        A dataclass, with dataclasses in it or not.

    Returns
    -------
    tuple of str
        Dotted names of all numbers but 0.
    """
    return tuple(
        name
        for name, value in parameter_values(parameters).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and value != 0
    )


def sweep_parameters[T](
    parameters: T,
    measure: Callable[[T], Mapping[str, float]],
    names: Sequence[str] | None = None,
    factors: Sequence[float] = SWEEP_FACTORS,
    watch: Callable[[int, int], None] | None = None,
) -> list[SweptValue]:
    """Repeat an analysis with each parameter changed in turn.

    Parameters
    ----------
    parameters : object
        The parameters, a dataclass.
    measure : callable
        Makes the numbers, by name, from parameters.
    names : sequence of str or None
        Dotted names of those to change; all numbers by default.
    factors : sequence of float
        What each is multiplied by; whole numbers are rounded to the next other whole number.
    watch : callable or None
        Called with the number of analyses made and of all.

    Returns
    -------
    list of SweptValue
        One for each parameter and factor. An analysis that finds no answer (`ValueError`) is
        listed with its reason.
    """
    known = parameter_values(parameters)
    wanted = sweepable(parameters) if names is None else tuple(names)
    changes = [(name, factor) for name in wanted for factor in factors]
    found: list[SweptValue] = []
    for done, (name, factor) in enumerate(changes, start=1):
        default = known[name]
        value = default * factor
        if isinstance(default, int):
            value = round(value)
            if value == default:
                value += 1 if factor > 1.0 else -1
        numbers: Mapping[str, float] = {}
        failure = ""
        try:
            numbers = measure(with_parameter(parameters, name, value))
        except ValueError as error:
            failure = str(error)
        found.append(SweptValue(name, value, default, numbers, failure))
        if watch is not None:
            watch(done, len(changes))
    return found
