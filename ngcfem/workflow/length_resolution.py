"""Whether the elements of a phase resolve its internal length."""

import math
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
        Internal length; of a phase with diffusion sqrt(D t) with the time t of the whole load.
    mean_element_size_nm : float
        Edge of the regular triangle or tetrahedron of the mean element of the phase.
    diffuses : bool
        Whether the length is that of diffusion.
    """

    phase: str
    characteristic_length_nm: float
    mean_element_size_nm: float
    diffuses: bool = False

    @property
    def resolved(self) -> bool:
        """Whether the elements are not larger than half the length."""
        limit = LARGEST_SIZE_OVER_LENGTH * self.characteristic_length_nm
        return self.mean_element_size_nm <= limit * (1.0 + 1e-9)

    @property
    def text(self) -> str:
        """What is to be said of a length that is not resolved."""
        if self.diffuses:
            return (
                f"the elements of {self.phase} are {self.mean_element_size_nm:.2f} nm large, more "
                f"than half of the {self.characteristic_length_nm:.3g} nm over which its "
                "structural variable diffuses in the time of the whole load: diffusion is too slow "
                "here to give a band a width"
            )
        return (
            f"the elements of {self.phase} are {self.mean_element_size_nm:.2f} nm large, more than "
            f"half its internal length of {self.characteristic_length_nm:g} nm: its bands are as "
            "wide as the mesh lets them be"
        )


def length_resolutions(
    mesh: PeriodicMesh, materials: Mapping[str, Material], duration_s: float
) -> list[LengthResolution]:
    """Hold the elements of each phase against its internal length.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    materials : mapping of str to Material
        Material of every phase.
    duration_s : float
        Time of the whole load, in which diffusion acts.

    Returns
    -------
    list of LengthResolution
        One for each phase that softens with an internal length, or with diffusion, and has
        elements.

    Notes
    -----
    sqrt(D t) with the time of the whole load is the most that diffusion can spread softening over.
    Elements that do not resolve it are certainly too large; those that do may still be, because a
    band forms in a part of that time.
    """
    corners = mesh.points[mesh.cells[:, : mesh.dimension + 1]]
    edges = corners[:, 1:] - corners[:, :1]
    volume = np.abs(np.linalg.det(edges)) / (2.0 if mesh.dimension == 2 else 6.0)
    found = []
    for number, name in enumerate(mesh.phase_names):
        own = volume[mesh.phase == number]
        material = materials[name]
        if len(own) and material.has_nonlocal_field and material.softens:
            size = mean_element_size_nm(own, mesh.dimension)
            reach = math.sqrt(material.diffusion_coefficient_nm2_per_s * duration_s)
            length = material.characteristic_length_nm or reach
            found.append(LengthResolution(name, length, size, diffuses=reach > 0.0))
    return found
