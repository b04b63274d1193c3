"""Whether the elements of a phase resolve its internal length."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ngcfem.constitutive.material import Material
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.results.objectivity import mean_element_size_nm

LARGEST_SIZE_OVER_LENGTH = 0.5
"""Elements of half the length put ten over the band of the default weight, 4.7 lengths wide."""


@dataclass(frozen=True)
class LengthResolution:
    """Internal length of a phase, and the elements it is seen through.

    Parameters
    ----------
    phase : str
        The phase.
    characteristic_length_nm : float
        Internal length.
    mean_element_size_nm : float
        Edge of the regular triangle or tetrahedron of the mean element of the phase.
    """

    phase: str
    characteristic_length_nm: float
    mean_element_size_nm: float

    @property
    def resolved(self) -> bool:
        """Whether the elements are not larger than half the length."""
        limit = LARGEST_SIZE_OVER_LENGTH * self.characteristic_length_nm
        return self.mean_element_size_nm <= limit * (1.0 + 1e-9)

    @property
    def text(self) -> str:
        """What is to be said of a length that is not resolved."""
        return (
            f"the elements of {self.phase} are {self.mean_element_size_nm:.2f} nm large, more than "
            f"half its internal length of {self.characteristic_length_nm:g} nm: its bands are as "
            "wide as the mesh lets them be"
        )


def length_resolutions(
    mesh: PeriodicMesh, materials: Mapping[str, Material]
) -> list[LengthResolution]:
    """Hold the elements of each phase against its internal length.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    materials : mapping of str to Material
        Material of every phase.

    Returns
    -------
    list of LengthResolution
        One for each phase that softens with an internal length and has elements.
    """
    corners = mesh.points[mesh.cells[:, : mesh.dimension + 1]]
    edges = corners[:, 1:] - corners[:, :1]
    volume = np.abs(np.linalg.det(edges)) / (2.0 if mesh.dimension == 2 else 6.0)
    found = []
    for number, name in enumerate(mesh.phase_names):
        own = volume[mesh.phase == number]
        material = materials[name]
        if len(own) and material.characteristic_length_nm > 0.0 and material.softens:
            size = mean_element_size_nm(own, mesh.dimension)
            found.append(LengthResolution(name, material.characteristic_length_nm, size))
    return found
