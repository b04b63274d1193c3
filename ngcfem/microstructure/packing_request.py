"""What is to be packed into the grains, and the shapes it has there."""

from dataclasses import dataclass

import numpy as np

from ngcfem.microstructure.crystal_balls import BallCover, crystal_balls
from ngcfem.microstructure.packing_room import FLAT_GROWTH
from ngcfem.quantities import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class PackingRequest:
    """What is to be put into the grains.

    Parameters
    ----------
    radii_nm : ndarray, shape (k,)
        Radii of the crystals; of an ellipsoid or of a crystal cut flat, that of the sphere of its
        volume.
    capped : ndarray of bool, shape (k,)
        Which of them carry a cap.
    cap_thickness_nm : float
        Radial thickness of a cap.
    cap_half_angle_deg : float
        Polar angle of the rim of a cap.
    inset_nm : float
        Distance of the surface of a grain from the faces of its Laguerre cell: half the thickness
        of the network.
    gap_nm : float
        Smallest distance between two crystals (or caps), and from the surface of the grain.
    stretches : ndarray, shape (k, 3, 3), optional
        Symmetric matrix of determinant 1 of each ellipsoid; spheres if not given.
    cap_axes : ndarray, shape (k, 3), optional
        Unit axis of the cap of each ellipsoid before its stretch. The packing turns the caps of
        spheres itself.
    contact_share : float, optional
        Share of the crystals, by number, that the network cuts flat; if not given, no more than
        are needed to make room.
    flat_margin_nm : float, optional
        Smallest distance of the rim of a flat from the edges of its wall; ``gap_nm`` if not given.
    nearest_neighbour_nm : float, optional
        Mean distance of a centre from the nearest one that the crystals are moved towards.
    period_nm : ndarray, shape (3,), optional
        Edges of the cell, across which neighbours count; needed with the above.
    """

    radii_nm: FloatArray
    capped: BoolArray
    cap_thickness_nm: float
    cap_half_angle_deg: float
    inset_nm: float
    gap_nm: float
    stretches: FloatArray | None = None
    cap_axes: FloatArray | None = None
    contact_share: float | None = None
    flat_margin_nm: float | None = None
    nearest_neighbour_nm: float | None = None
    period_nm: FloatArray | None = None

    @property
    def margin_nm(self) -> float:
        """Smallest distance of the rim of a flat from the edges of its wall."""
        return self.gap_nm if self.flat_margin_nm is None else self.flat_margin_nm

    @property
    def number_of_flats(self) -> int:
        """How many crystals the network is asked to cut; 0 where it is not said."""
        share = 0.0 if self.contact_share is None else self.contact_share
        return round(share * len(self.radii_nm))

    @property
    def volume_nm3(self) -> float:
        """Volume of all crystals in nm^3."""
        return float((4.0 / 3.0 * np.pi * self.radii_nm**3).sum())

    def stretch(self, crystal: int) -> FloatArray | None:
        """Matrix of one crystal.

        Parameters
        ----------
        crystal : int
            Its number.

        Returns
        -------
        ndarray, shape (3, 3), or None
            None for a sphere.
        """
        return None if self.stretches is None else self.stretches[crystal]


@dataclass(frozen=True, eq=False)
class CrystalShapes:
    """Every crystal of a request as balls, whole and cut flat.

    Parameters
    ----------
    request : PackingRequest
        The request.
    covers : tuple of pair of BallCover
        Of each crystal: whole, and grown as it is where the network cuts it.
    loads_nm3 : ndarray, shape (k,)
        Volume that each takes up, its cap and half of the gap around it included.
    """

    request: PackingRequest
    covers: tuple[tuple[BallCover, BallCover], ...]
    loads_nm3: FloatArray

    def radius_nm(self, crystal: int, flat: bool) -> float:
        """Radius of the ball that a crystal is made of.

        Parameters
        ----------
        crystal : int
            Its number.
        flat : bool
            Whether the network cuts it.

        Returns
        -------
        float
            Radius; larger for a crystal that is cut, so that its volume is the same.
        """
        return float(self.request.radii_nm[crystal]) * (FLAT_GROWTH if flat else 1.0)


def crystal_shapes(request: PackingRequest) -> CrystalShapes:
    """Make balls of the crystals of a request.

    Parameters
    ----------
    request : PackingRequest
        The request.

    Returns
    -------
    CrystalShapes
        Their shapes.
    """
    covers = []
    for crystal, radius in enumerate(request.radii_nm.tolist()):
        capped = bool(request.capped[crystal])
        cap = (request.cap_thickness_nm, request.cap_half_angle_deg) if capped else None
        axis = None if request.cap_axes is None else request.cap_axes[crystal]
        whole, cut = (
            crystal_balls(factor * radius, request.stretch(crystal), cap, axis)
            for factor in (1.0, FLAT_GROWTH)
        )
        covers.append((whole, cut))
    share = 0.5 * (1.0 - np.cos(np.radians(request.cap_half_angle_deg)))
    grown = (request.radii_nm + 0.5 * request.gap_nm) ** 3
    with_cap = (request.radii_nm + request.cap_thickness_nm + 0.5 * request.gap_nm) ** 3
    loads = grown + np.where(request.capped, share * (with_cap - grown), 0.0)
    return CrystalShapes(request, tuple(covers), 4.0 / 3.0 * np.pi * loads)
