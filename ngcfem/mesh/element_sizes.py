"""Edge lengths asked for in the parts of a cell, and how they change between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ngcfem.microstructure.cell import Inclusion
from ngcfem.microstructure.tessellation import LaguerreCell
from ngcfem.quantities import FloatArray

GROWTH = 0.4
"""Change of the edge length over the distance from a surface."""


@dataclass(frozen=True)
class ElementSizes:
    """Edge lengths asked for.

    Parameters
    ----------
    interface_nm : float
        On both sides of the network, in nm.
    crystal_surface_nm : float
        On crystals and caps, in nm.
    grain_interior_nm : float or None
        Inside the grains, in nm; None lets the lengths on the surfaces run inwards.
    """

    interface_nm: float
    crystal_surface_nm: float
    grain_interior_nm: float | None = None

    def scaled(self, factor: float) -> "ElementSizes":
        """Multiply all lengths.

        Parameters
        ----------
        factor : float
            The factor.

        Returns
        -------
        ElementSizes
            The products.
        """
        interior = self.grain_interior_nm
        return ElementSizes(
            factor * self.interface_nm,
            factor * self.crystal_surface_nm,
            None if interior is None else factor * interior,
        )

    @property
    def largest_nm(self) -> float:
        """The largest of the lengths."""
        return max(self.interface_nm, self.crystal_surface_nm, self.grain_interior_nm or 0.0)

    @property
    def smallest_nm(self) -> float:
        """The smallest of the lengths."""
        interior = self.grain_interior_nm or self.interface_nm
        return min(self.interface_nm, self.crystal_surface_nm, interior)


@dataclass(frozen=True, eq=False)
class SizeField:
    """Edge length at a point of a grain: graded between its surfaces and its interior.

    Parameters
    ----------
    sizes : ElementSizes
        The lengths asked for, with one for the interior.
    normals : ndarray, shape (k, 3)
        Unit normals of the faces of the grain.
    offsets : ndarray, shape (k,)
        The grain lies where normal . x <= offset.
    centres : ndarray, shape (n, 3)
        Centres of the crystals in nm.
    radii : ndarray, shape (n,)
        Their radii in nm, caps included.
    """

    sizes: ElementSizes
    normals: FloatArray
    offsets: FloatArray
    centres: FloatArray
    radii: FloatArray

    def at(self, point: Sequence[float]) -> float:
        """Edge length at a point.

        Parameters
        ----------
        point : sequence of float
            Position in nm.

        Returns
        -------
        float
            Edge length in nm.

        Notes
        -----
        The lengths on the surfaces change with ``GROWTH`` times the distance towards the length of
        the interior, from below or from above. Where one is below it the smallest holds, elsewhere
        the largest.
        """
        x = np.asarray(point)
        interior = self.sizes.grain_interior_nm or self.sizes.interface_nm
        wall = max(0.0, float((self.offsets - self.normals @ x).min()))
        lengths = [_towards(self.sizes.interface_nm, interior, wall)]
        if len(self.radii):
            away = float((np.linalg.norm(self.centres - x, axis=1) - self.radii).min())
            lengths.append(_towards(self.sizes.crystal_surface_nm, interior, max(0.0, away)))
        return min(lengths) if min(lengths) < interior else max(lengths)


def _towards(start: float, end: float, distance: float) -> float:
    step = min(GROWTH * distance, abs(end - start))
    return start + step if end > start else start - step


def grain_size_field(
    sizes: ElementSizes, grain: LaguerreCell, inset_nm: float, inclusions: Sequence[Inclusion]
) -> SizeField | None:
    """Size field of one grain.

    Parameters
    ----------
    sizes : ElementSizes
        The lengths asked for.
    grain : LaguerreCell
        The grain with half of the network.
    inset_nm : float
        Half the thickness of the network.
    inclusions : sequence of Inclusion
        Crystals in the grain.

    Returns
    -------
    SizeField or None
        None where no length is asked for in the interior.
    """
    if sizes.grain_interior_nm is None:
        return None
    normals, offsets = grain.half_spaces(inset_nm)
    reach = [
        i.radius_nm * float(np.linalg.norm(i.stretch_matrix, 2))
        + (0.0 if i.cap is None else i.cap.thickness_nm)
        for i in inclusions
    ]
    centres = np.array([i.centre_nm for i in inclusions], dtype=float).reshape(-1, 3)
    return SizeField(sizes, normals, offsets, centres, np.array(reach))
