"""Natural isotopes of the elements: masses and abundances."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

_TABLE = "natural_isotopes.csv"


@dataclass(frozen=True)
class Isotope:
    """One natural isotope.

    Parameters
    ----------
    element : str
        Symbol.
    atomic_number : int
        Number of protons.
    nucleons : int
        Number of protons and neutrons.
    mass_da : float
        Mass of the neutral atom in Da.
    abundance : float
        Share of the atoms of the element.
    """

    element: str
    atomic_number: int
    nucleons: int
    mass_da: float
    abundance: float


@cache
def natural_isotopes() -> dict[str, tuple[Isotope, ...]]:
    """Give all natural isotopes.

    Returns
    -------
    dict of str to tuple of Isotope
        By symbol of the element, in the order of the periodic table. Elements without a natural
        composition (Tc, Pm, Po to Ac, the transuranic ones) are not in it.

    Notes
    -----
    Masses from [1]_, abundances from [2]_ in their version of 2021. Laboratory and natural samples
    scatter around the abundances, in general by less than what a count in an atom probe resolves;
    H, Li, B and Pb scatter more.

    References
    ----------
    .. [1] Wang, M. et al. (2021): The AME 2020 atomic mass evaluation (II). Chinese Physics C 45,
       030003, doi:10.1088/1674-1137/abddaf.
    .. [2] Meija, J. et al. (2016): Isotopic compositions of the elements 2013. Pure and Applied
       Chemistry 88, 293-306, doi:10.1515/pac-2015-0503.
    """
    text = resources.files("ngcfem.atomprobe").joinpath(_TABLE).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found: dict[str, list[Isotope]] = {}
    for row in csv.DictReader(lines):
        isotope = Isotope(
            element=row["element"],
            atomic_number=int(row["atomic_number"]),
            nucleons=int(row["nucleons"]),
            mass_da=float(row["mass_da"]),
            abundance=float(row["abundance"]),
        )
        found.setdefault(isotope.element, []).append(isotope)
    return {element: tuple(isotopes) for element, isotopes in found.items()}


def atomic_number(element: str) -> int:
    """Give the number of protons of an element.

    Parameters
    ----------
    element : str
        Symbol of an element with natural isotopes.

    Returns
    -------
    int
        Atomic number.
    """
    return natural_isotopes()[element][0].atomic_number
