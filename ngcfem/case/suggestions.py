"""What a user probably meant: keys, units and words that are close to what was written."""

import difflib
from collections.abc import Sequence

from ngcfem.case.values import is_number

_PLANNED: dict[str, str] = {
    "crystal": "crystal plasticity is not in this version",
}

_SYNONYMS: dict[str, str] = {
    "e": "youngs_modulus_gpa",
    "youngs": "youngs_modulus_gpa",
    "elastic_modulus": "youngs_modulus_gpa",
    "nu": "poisson_ratio",
    "poissons_ratio": "poisson_ratio",
    "yield_stress": "yield_strength_gpa",
    "sigma_y": "yield_strength_gpa",
    "strain": "true_strain",
    "engineering_strain": "true_strain",
    "strain_rate": "rate_per_s",
    "steps": "increments",
    "direction": "axis",
    "f": "deformation_gradient",
    "p": "first_piola_kirchhoff_stress_gpa",
    "mesh_size": "size_nm",
    "element_size": "size_nm",
    "cell_size": "cell_nm",
    "material": "phase",
    "materials": "phase",
    "loading": "load",
    "tolerance": "residual_tolerance",
}

_UNITS: dict[str, str] = {
    "pa": "1 GPa = 1e9 Pa",
    "kpa": "1 GPa = 1e6 kPa",
    "mpa": "1 GPa = 1000 MPa",
    "gpa": "the unit is GPa",
    "m": "1 m = 1e9 nm",
    "mm": "1 mm = 1e6 nm",
    "um": "1 um = 1000 nm",
    "nm": "the unit is nm",
    "angstrom": "1 nm = 10 angstrom",
    "s": "the unit is s",
    "min": "1 min = 60 s",
    "percent": "write a fraction: 80 percent is 0.8",
}


def suggest_key(name: str, known: Sequence[str]) -> str:
    """Find the known key that an unknown one was probably meant to be.

    Parameters
    ----------
    name : str
        The unknown key.
    known : sequence of str
        Keys that are allowed there.

    Returns
    -------
    str
        "did you mean ...?" with a word on the unit where it differs; empty if nothing is close.
    """
    lowered = name.lower().replace("-", "_").replace(" ", "_").replace("'", "")
    synonym = _SYNONYMS.get(lowered)
    if synonym in known:
        return f"did you mean {synonym}?"
    stem, unit = _split_unit(lowered)
    for candidate in known:
        candidate_stem, candidate_unit = _split_unit(candidate)
        if stem == candidate_stem or _SYNONYMS.get(stem) == candidate:
            note = _UNITS.get(unit or candidate_unit, "")
            return f"did you mean {candidate}?" + (f" ({note})" if note else "")
    close = difflib.get_close_matches(lowered, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else ""


def _split_unit(name: str) -> tuple[str, str]:
    stem, _, last = name.rpartition("_")
    return (stem, last) if stem and last in _UNITS else (name, "")


def suggest_word(given: object, words: Sequence[str]) -> str:
    """Say what to write in place of a word that is not one of the choices.

    Parameters
    ----------
    given : object
        What stands in the file.
    words : sequence of str
        The choices.

    Returns
    -------
    str
        A remedy.
    """
    if isinstance(given, str):
        if given in _PLANNED:
            return f"{_PLANNED[given]}; choose one of these"
        close = difflib.get_close_matches(given.lower().replace("_", "-"), words, n=1, cutoff=0.5)
        if close:
            return f'did you mean "{close[0]}"?'
    elif is_number(given) and not any(word.isdigit() for word in words):
        return "put the word in double quotes"
    return "write one of these" if len(words) > 1 else f"write {words[0]}"
