"""Ions of a mass spectrum: their elements, their isotopologues and their charge state."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np

from ngcfem.atomprobe.isotopes import atomic_number, natural_isotopes
from ngcfem.quantities import FloatArray

ELECTRON_MASS_DA = 5.48579909e-4
"""Mass of the electron (CODATA 2018), missing in each charge."""

MAXIMUM_CHARGE = 5
"""Highest charge state looked for; field evaporation rarely goes beyond 4."""

MAXIMUM_ATOMS = 60
"""Most atoms in one ion; more is taken for a slip of the file."""

# Order in which non-metals stand in a formula (IUPAC Red Book 1970, rule 2.16); metals come first.
_NON_METALS = (
    "B",
    "Si",
    "C",
    "Sb",
    "As",
    "P",
    "N",
    "H",
    "Te",
    "Se",
    "S",
    "I",
    "Br",
    "Cl",
    "O",
    "F",
)

_FORMULA = re.compile(r"(?:[A-Z][a-z]?\d*)+")
_FORMULA_PART = re.compile(r"([A-Z][a-z]?)(\d*)")


@dataclass(frozen=True)
class Ion:
    """What a range stands for: atoms, or a label where no atoms are known.

    Parameters
    ----------
    elements : tuple of (str, int)
        Symbols with their number of atoms, in the order of the formula; see `of`.
    label : str
        Name of an ion that holds something else than elements ("unknown"); empty otherwise.
    """

    elements: tuple[tuple[str, int], ...]
    label: str = ""

    @classmethod
    def of(cls, elements: Mapping[str, int], label: str = "") -> Self:
        """Make an ion from its atoms.

        Parameters
        ----------
        elements : mapping of str to int
            Number of atoms by symbol.
        label : str
            Name of what is not made of elements.

        Returns
        -------
        Ion
            With metals first by falling atomic number, then non-metals in the order of a formula,
            so that equal ions compare equal.
        """

        def place(item: tuple[str, int]) -> tuple[int, int]:
            if item[0] in _NON_METALS:
                return 1, _NON_METALS.index(item[0])
            return 0, -atomic_number(item[0])

        present = [(element, count) for element, count in elements.items() if count > 0]
        return cls(tuple(sorted(present, key=place)), label)

    @property
    def name(self) -> str:
        """The formula, followed by the label if there is one."""
        formula = "".join(
            f"{element}{count if count > 1 else ''}" for element, count in self.elements
        )
        return " ".join(part for part in (formula, self.label) if part)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return sum(count for _, count in self.elements)


def parse_formula(text: str) -> dict[str, int] | None:
    """Read a formula such as ``Cr2O``.

    Parameters
    ----------
    text : str
        Symbols, each followed by its number if that is not 1.

    Returns
    -------
    dict of str to int or None
        Number of atoms by symbol; None if the text is no formula of elements with natural isotopes.
    """
    if not _FORMULA.fullmatch(text) or len(text) > 64:
        return None
    atoms: Counter[str] = Counter()
    for element, count in _FORMULA_PART.findall(text):
        if element not in natural_isotopes() or len(count) > 3:
            return None
        atoms[element] += int(count) if count else 1
    if min(atoms.values()) < 1 or sum(atoms.values()) > MAXIMUM_ATOMS:
        return None
    return dict(atoms)


@dataclass(frozen=True, eq=False)
class Isotopologues:
    """The isotopic variants of an ion, those of one nucleon number taken together.

    Parameters
    ----------
    mass_da : ndarray, shape (k,)
        Mean mass of the neutral molecule, ascending.
    abundance : ndarray, shape (k,)
        Share of each; the sum is 1 but for what lies under the floor.
    """

    mass_da: FloatArray
    abundance: FloatArray

    def mass_to_charge_da(self, charge: int) -> FloatArray:
        """Mass-to-charge state ratio of each.

        Parameters
        ----------
        charge : int
            Charge state.

        Returns
        -------
        ndarray, shape (k,)
            In Da; the missing electrons are taken off.
        """
        return self.mass_da / charge - ELECTRON_MASS_DA


@cache
def isotopologues(ion: Ion, floor: float = 1e-6) -> Isotopologues:
    """Find masses and abundances of all isotopic variants of an ion.

    Parameters
    ----------
    ion : Ion
        With elements.
    floor : float
        Abundance below which a variant is left out.

    Returns
    -------
    Isotopologues
        Empty for an ion without elements.

    Notes
    -----
    The distribution over the number of nucleons is the convolution of those of the atoms. Variants
    of equal nucleon number differ by some mDa, less than an atom probe resolves: they are taken
    together with their mean mass, whose first moment is convolved along.
    """
    abundance, moment, lowest = np.ones(1), np.zeros(1), 0
    for element, count in ion.elements:
        isotopes = natural_isotopes()[element]
        first = isotopes[0].nucleons
        share = np.zeros(isotopes[-1].nucleons - first + 1)
        mass = np.zeros_like(share)
        for isotope in isotopes:
            share[isotope.nucleons - first] = isotope.abundance
            mass[isotope.nucleons - first] = isotope.abundance * isotope.mass_da
        for _ in range(count):
            moment = np.convolve(moment, share) + np.convolve(abundance, mass)
            abundance = np.convolve(abundance, share)
            lowest += first
    kept = abundance > floor
    if not ion.elements:
        kept[:] = False
    return Isotopologues(moment[kept] / abundance[kept], abundance[kept])


def infer_charge(ion: Ion, low_da: float, high_da: float, tolerance_da: float = 0.03) -> int | None:
    """Infer the charge state of an ion from the range it was found in.

    Parameters
    ----------
    ion : Ion
        The ion.
    low_da, high_da : float
        Range of the mass-to-charge state ratio in Da.
    tolerance_da : float
        How far outside a range an isotopologue may lie: spectra are calibrated to some 0.01 Da.

    Returns
    -------
    int or None
        The charge state at which the largest share of isotopologues lies in the range; None if none
        does up to `MAXIMUM_CHARGE`.
    """
    variants = isotopologues(ion)
    best, best_share = None, 0.0
    for charge in range(1, MAXIMUM_CHARGE + 1):
        ratio = variants.mass_to_charge_da(charge)
        inside = (ratio >= low_da - tolerance_da) & (ratio <= high_da + tolerance_da)
        share = float(variants.abundance[inside].sum())
        if share > best_share:
            best, best_share = charge, share
    return best
