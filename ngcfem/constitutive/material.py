"""A phase with its law and the values of its parameters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ngcfem.constitutive.nonlocal_parameters import (
    CHARACTERISTIC_LENGTH,
    DIFFUSION_COEFFICIENT,
    has_internal_length,
)
from ngcfem.constitutive.parameters import (
    DECOUPLED_VOLUME,
    check_parameters,
    mesh_dependent,
    resolve_parameters,
    softens,
)
from ngcfem.constitutive.strength import shear_and_bulk_modulus
from ngcfem.errors import Finding, InputError


@dataclass(frozen=True)
class Material:
    """One phase: which law it follows, with which parameters.

    Parameters
    ----------
    phase : str
        Name of the phase, as in the mesh.
    law : str
        Name of the law, a key of `ngcfem.constitutive.parameters.LAW_PARAMETERS`, or
        ``file.py:ClassName`` for a law from a file.
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
        """Internal length of the nonlocal field; 0 without one, or with diffusion."""
        return self.resolved.get(CHARACTERISTIC_LENGTH, 0.0)

    @property
    def has_decoupled_volume(self) -> bool:
        """Whether the pressure is K tr(strain), whatever flows, and nothing else depends on it."""
        return self.law in DECOUPLED_VOLUME

    @property
    def diffusion_coefficient_nm2_per_s(self) -> float:
        """Diffusion of the structural variable; 0 without."""
        return self.resolved.get(DIFFUSION_COEFFICIENT, 0.0)

    @property
    def has_nonlocal_field(self) -> bool:
        """Whether an internal length or diffusion gives the phase a nonlocal field."""
        return has_internal_length(self.resolved)

    @property
    def isotropic_moduli_gpa(self) -> tuple[float, float]:
        """Shear and bulk modulus; NaN for a law without isotropic elastic constants."""
        resolved = self.resolved
        if "youngs_modulus_gpa" not in resolved:
            return math.nan, math.nan
        return shear_and_bulk_modulus(resolved)
