"""Checks of the displacement element against the laws of the phases."""

from collections.abc import Iterator, Sequence

from ngcfem.case.materials import CasePhase
from ngcfem.constitutive.nonlocal_parameters import CHARACTERISTIC_LENGTH, has_internal_length
from ngcfem.constitutive.parameters import DECOUPLED_VOLUME
from ngcfem.errors import Finding


def check_element(
    element: str, materials: Sequence[CasePhase | None], file: str
) -> Iterator[Finding]:
    """Check that the element can follow every phase.

    Parameters
    ----------
    element : {"p2", "p2-nodal"}
        Displacement element.
    materials : sequence of CasePhase or None
        The phases with sound parameters.
    file : str
        Name of the case file, for the messages.

    Yields
    ------
    Finding
        One for every phase that the element cannot follow.

    Notes
    -----
    With "p2-nodal" the nonlocal variable of a law that sees the averaged volume would depend on the
    displacement of the cells around, which the coupled system of field and displacement does not
    hold.
    """
    if element != "p2-nodal":
        return
    for index, material in enumerate(materials):
        if material is None or material.law in DECOUPLED_VOLUME:
            continue
        if has_internal_length(material.parameters):
            laws = " and ".join(sorted(DECOUPLED_VOLUME))
            yield Finding(
                file,
                "solver.element",
                f'"p2-nodal" with {CHARACTERISTIC_LENGTH} in phase "{material.name}", whose law '
                f"{material.law} sees the averaged volume (phase[{index}])",
                f'"p2"; "p2-nodal" with an internal length in phases of the laws {laws} alone',
                f'write element = "p2", or take {CHARACTERISTIC_LENGTH} from the phase',
            )
