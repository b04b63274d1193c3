"""Two-dimensional composition maps of slices through a specimen."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ngcfem.atomprobe.composition_field import gaussian_weights, usual_total
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.quantities import AXIS_INDEX, Axis, BoolArray, FloatArray

_INSIDE_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class CompositionMap:
    """Atoms of a slice on a grid of square pixels.

    Parameters
    ----------
    element : str
        Element of interest.
    axis : {"x", "y", "z"}
        Normal of the slice.
    centre_nm : float
        Where its middle plane lies along the axis.
    thickness_nm : float
        Its thickness.
    pixel_nm : float
        Edge of a pixel.
    kernel_sigma_nm : float
        Standard deviation of the Gaussian in the plane; 0 for none.
    origin_nm : tuple of float
        Corner of the first pixel along the two other axes, in the order of the alphabet.
    atoms_of_element : ndarray, shape (nu, nv)
        Delocalized atoms of the element.
    atoms : ndarray, shape (nu, nv)
        Delocalized atoms of all elements.
    effective_atoms : ndarray, shape (nu, nv)
        Number of atoms that the composition of a pixel rests on, (sum w)^2 / sum w^2.
    inside : ndarray of bool, shape (nu, nv)
        Pixels of the specimen: at least half the usual number of atoms.
    """

    element: str
    axis: Axis
    centre_nm: float
    thickness_nm: float
    pixel_nm: float
    kernel_sigma_nm: float
    origin_nm: tuple[float, float]
    atoms_of_element: FloatArray
    atoms: FloatArray
    effective_atoms: FloatArray
    inside: BoolArray

    @property
    def plane_axes(self) -> tuple[Axis, Axis]:
        """The two axes in the plane."""
        first, second = (name for name in AXIS_INDEX if name != self.axis)
        return first, second  # type: ignore[return-value]

    @property
    def fraction(self) -> FloatArray:
        """Atomic fraction, shape (nu, nv); not a number outside the specimen."""
        share = np.full(self.atoms.shape, np.nan)
        return np.divide(self.atoms_of_element, self.atoms, out=share, where=self.inside)

    @property
    def fraction_error(self) -> FloatArray:
        """Standard deviation of `fraction` from counting, shape (nu, nv)."""
        share = self.fraction
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(share * (1.0 - share) / self.effective_atoms)


def composition_map(
    ions: RangedIons,
    element: str,
    axis: Axis,
    centre_nm: float,
    thickness_nm: float = 1.0,
    pixel_nm: float = 0.25,
    kernel_sigma_nm: float = 0.5,
) -> CompositionMap:
    """Map the composition of a slice.

    Parameters
    ----------
    ions : RangedIons
        The ions.
    element : str
        Element of interest.
    axis : {"x", "y", "z"}
        Normal of the slice.
    centre_nm : float
        Where its middle plane lies along the axis.
    thickness_nm : float
        Its thickness; raw ions within half of it of the middle plane count alike.
    pixel_nm : float
        Edge of a pixel.
    kernel_sigma_nm : float
        Standard deviation of the Gaussian in the plane; 0 for none.

    Returns
    -------
    CompositionMap
        The map; of no pixels if no ions lie in the slice.

    Raises
    ------
    ValueError
        If thickness or pixel are not positive.
    """
    if not (thickness_nm > 0.0 and pixel_nm > 0.0 and kernel_sigma_nm >= 0.0):
        raise ValueError("thickness and pixel of a map must be positive")
    normal = AXIS_INDEX[axis]
    across = [k for k in range(3) if k != normal]
    chosen = np.flatnonzero(np.abs(ions.position_nm[:, normal] - centre_nm) <= 0.5 * thickness_nm)
    part = ions.subset(chosen)
    if not len(part):
        nothing = np.empty((0, 0))
        return CompositionMap(
            element, axis, centre_nm, thickness_nm, pixel_nm, kernel_sigma_nm, (0.0, 0.0),
            nothing, nothing, nothing, nothing > 0.0,
        )  # fmt: skip
    place = part.position_nm[:, across].astype(np.float64)
    origin = place.min(axis=0)
    shape = np.maximum(np.ceil((place.max(axis=0) - origin) / pixel_nm - 1e-9), 1.0).astype(int)
    rows, columns = np.minimum(((place - origin) / pixel_nm).astype(int), shape - 1).T
    flat = rows * shape[1] + columns
    total, own = (
        np.bincount(flat, weights=weight, minlength=shape.prod()).reshape(shape)
        for weight in (part.atoms(), part.atoms_of(element))
    )
    counted = effective = total
    if kernel_sigma_nm > 0.0:
        line = gaussian_weights(kernel_sigma_nm / pixel_nm)
        squared = _filtered(total, line**2)
        total, own = _filtered(total, line), _filtered(own, line)
        effective = np.divide(total**2, squared, out=np.zeros_like(total), where=squared > 0.0)
    return CompositionMap(
        element,
        axis,
        centre_nm,
        thickness_nm,
        pixel_nm,
        kernel_sigma_nm,
        (float(origin[0]), float(origin[1])),
        own,
        total,
        effective,
        total >= _INSIDE_SHARE * usual_total(total, counted),
    )


def _filtered(counts: FloatArray, line: FloatArray) -> FloatArray:
    for axis in range(2):
        counts = ndimage.correlate1d(counts, line, axis=axis, mode="constant")
    return counts
