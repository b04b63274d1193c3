"""An effective stiffness as text."""

from collections.abc import Mapping
from typing import Any


def stiffness_table(document: Mapping[str, Any]) -> str:
    """Write a stiffness for a reader.

    Parameters
    ----------
    document : mapping
        Content of stiffness.json.

    Returns
    -------
    str
        Matrix and moduli; of an ensemble with their scatter.
    """
    lines = _matrix_lines(document)
    if document["kind"] == "ensemble":
        lines += [
            "",
            f"{'':44}{'mean':>12}{'st. dev.':>12}{'95 % interval of the mean':>30}{'n':>4}",
        ]
        for key, entry in document["scalars"].items():
            interval = "-"
            if entry["lo95"] is not None:
                interval = f"{entry['lo95']:.6g} to {entry['hi95']:.6g}"
            spread = entry["standard_deviation"]
            lines.append(
                f"{_label(key):44}{entry['mean']:>12.6g}"
                f"{'-' if spread is None else f'{spread:.3g}':>12}{interval:>30}{entry['n']:>4}"
            )
        return "\n".join(lines)
    state = document["state"]
    lines.insert(
        0,
        "undeformed state"
        if state["kind"] == "undeformed"
        else f"elastic answer of the state at increment {state['position']:g}",
    )
    for group in ("moduli", "engineering_constants"):
        lines.append("")
        lines += [f"{key:44}{value:>12.6g}" for key, value in document.get(group, {}).items()]
    if "bounds" in document:
        lines += ["", *_bound_lines(document)]
    return "\n".join(lines)


def _label(key: str) -> str:
    group, _, name = key.partition("/")
    return f"volume fraction of {name}" if group == "phase_fractions" else name or key


def _matrix_lines(document: Mapping[str, Any]) -> list[str]:
    matrix = document["stiffness_gpa"]
    if matrix is None:
        return ["no realization has a stiffness"]
    names = ["11", "22", "33", "23", "13", "12"] if len(matrix) == 6 else ["11", "22", "33", "12"]
    mean = "mean " if document["kind"] == "ensemble" else ""
    lines = [f"{mean}stiffness [GPa], stress by rows over engineering strain by columns"]
    lines.append("      " + "".join(f"{name:>10}" for name in names))
    for name, row in zip(names, matrix, strict=True):
        lines.append(f"  {name:4}" + "".join(f"{value:10.3f}" for value in row))
    return lines


def _bound_lines(document: Mapping[str, Any]) -> list[str]:
    bounds, within = document["bounds"], document["within_bounds"]
    lines = [
        f"{'bounds [GPa]':20}{'Reuss':>10}{'HS lower':>10}{'cell':>10}{'HS upper':>10}{'Voigt':>10}"
    ]
    for name in ("bulk", "shear"):
        values = [
            bounds[f"reuss_{name}_modulus_gpa"],
            bounds[f"hashin_shtrikman_lower_{name}_modulus_gpa"],
            document["moduli"][f"{name}_modulus_gpa"],
            bounds[f"hashin_shtrikman_upper_{name}_modulus_gpa"],
            bounds[f"voigt_{name}_modulus_gpa"],
        ]
        lines.append(f"{name + ' modulus':20}" + "".join(f"{value:10.3f}" for value in values))
    if not within["voigt_and_reuss"]:
        lines.append("outside the bounds of Voigt and Reuss: the computation is wrong")
    lines += [
        f"{name} modulus outside Hashin-Shtrikman: one cell may be, by its anisotropy"
        for name in ("bulk", "shear")
        if not within[f"hashin_shtrikman_{name}"]
    ]
    return lines
