"""One colour for each phase, the same in every figure, picture and table."""

from collections.abc import Sequence

from ngcfem.quantities import GRAIN, INTERFACE, NANOCRYSTAL, SC_RICH

MODEL = "#1b4f8a"
MEASURED = "#b3261e"
SECONDARY = "#6b7280"

_NAMED = {
    GRAIN: "#9db8d9",
    INTERFACE: "#f0a830",
    NANOCRYSTAL: "#a4243b",
    SC_RICH: "#3f8f5b",
    "matrix": "#9db8d9",
    "inclusion": "#a4243b",
}
# Tol's bright and muted schemes, told apart by most colour-blind readers.
_OTHERS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#882255", "#999933")


def phase_colours(names: Sequence[str]) -> dict[str, str]:
    """Colour of each phase.

    Parameters
    ----------
    names : sequence of str
        Names of the phases of one cell.

    Returns
    -------
    dict of str to str
        Hexadecimal colours; the phases of the composite always have theirs, others take the next
        free one in alphabetical order.
    """
    others = sorted(name for name in names if name not in _NAMED)
    free = {name: _OTHERS[number % len(_OTHERS)] for number, name in enumerate(others)}
    return {name: _NAMED.get(name, free.get(name, SECONDARY)) for name in names}
