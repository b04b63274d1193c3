"""A phase with its law and the values of its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass

from ngcfem.constitutive.nonlocal_parameters import CHARACTERISTIC_LENGTH
from ngcfem.constitutive.parameters import (
    check_parameters,
    mesh_dependent,
    resolve_parameters,
    softens,
)
from ngcfem.errors import Finding, InputError


@dataclass(frozen=True)
class Material:
    """One phase: which law it follows, with which parameters.

    Parameters
    ----------
    phase : str
        Name of the phase, as in the mesh.
    law : str
        Name of the law, a key of `ngcfem.constitutive.parameters.LAW_PARAMETERS`.
    parameters : mapping of str to float or str
        Parameters as given; those left out take their default.

    Raises
    ------
    InputError
        If the law does not exist or its parameters are wrong, with every finding.
    """

    phase: str
    law: str
    parameters: Mapping[str, float | str]

    def __post_init__(self) -> None:
        """Refuse wrong parameters at once, with everything that is wrong."""
        findings = check_parameters(self.law, self.parameters)
        if findings:
            raise InputError(
                Finding(f"material {self.phase}", name, found, allowed, remedy)
                for name, found, allowed, remedy in findings
            )

    @property
    def resolved(self) -> dict[str, float]:
        """Every parameter of the law, defaults filled in."""
        return resolve_parameters(self.law, self.parameters)

    @property
    def softens(self) -> bool:
        """Whether the strength falls anywhere with plastic strain."""
        return softens(self.law, self.parameters)

    @property
    def mesh_dependent(self) -> bool:
        """Whether the mesh decides the width of a band: softening without an internal length."""
        return mesh_dependent(self.law, self.parameters)

    @property
    def characteristic_length_nm(self) -> float:
        """Internal length of the nonlocal field; 0 without one."""
        return self.resolved.get(CHARACTERISTIC_LENGTH, 0.0)
