"""Composition averaged over thin plates of all directions, which brings out sheets."""

import numpy as np
import numpy.typing as npt
from scipy import fft

from ngcfem.atomprobe.composition_field import CompositionField
from ngcfem.atomprobe.directions import even_directions
from ngcfem.quantities import BoolArray

_REACH = 3.0
_LEAST_SHARE = 0.02


def sheet_composition(
    field: CompositionField,
    element: str,
    thickness_sigma_nm: float,
    extent_sigma_nm: float,
    n_directions: int,
    usable: BoolArray,
) -> npt.NDArray[np.float32]:
    """Take the largest composition of all plates centred on each voxel.

    Parameters
    ----------
    field : CompositionField
        The specimen; its counts are used, not its delocalized atoms.
    element : str
        Element whose sheets are sought.
    thickness_sigma_nm : float
        Standard deviation of the Gaussian across the plate in nm.
    extent_sigma_nm : float
        The same along the plate.
    n_directions : int
        Number of normals, spread evenly over half the sphere.
    usable : ndarray of bool, shape (nx, ny, nz)
        Voxels whose atoms count; crystals and Sc-rich islands are left out.

    Returns
    -------
    ndarray, shape (nx, ny, nz)
        Atomic fraction; that of all usable atoms where a plate holds next to none.

    Notes
    -----
    A plate rests on a / s times as many atoms as a ball of the same thickness s and extent a
    squared, so that a sheet stands out of the noise of counting where a round kernel of the same
    resolution drowns it. The composition is the ratio of two convolutions, of the element and of
    all atoms, both with what is unusable left out: that fills gaps from their surroundings and
    needs no correction at the surface.

    References
    ----------
    Freeman, Adelson (1991), IEEE Trans. Pattern Anal. Mach. Intell. 13, 891, doi 10.1109/34.93808
    (oriented filters).
    """
    counts = field.counts * usable
    part = counts[field.elements.index(element)].astype(np.float64)
    total = counts.sum(axis=0, dtype=np.float64)
    step = field.grid.voxel_nm
    pad = int(np.ceil(_REACH * extent_sigma_nm / step))
    shape = tuple(fft.next_fast_len(size + pad, real=True) for size in part.shape)
    waves = np.meshgrid(
        *(2.0 * np.pi * fft.fftfreq(size, step) for size in shape[:2]),
        2.0 * np.pi * fft.rfftfreq(shape[2], step),
        indexing="ij",
        sparse=True,
    )
    along = np.exp(-0.5 * extent_sigma_nm**2 * sum(wave**2 for wave in waves))
    part_waves, total_waves = fft.rfftn(part, shape) * along, fft.rfftn(total, shape) * along
    narrowing = 0.5 * (extent_sigma_nm**2 - thickness_sigma_nm**2)
    mean = float(part.sum() / total.sum())
    least = _LEAST_SHARE * float(np.median(total[total > 0.0]))
    highest = np.zeros(part.shape, dtype=np.float32)
    crop = tuple(slice(size) for size in part.shape)
    for normal in even_directions(n_directions, half=True):
        turned = np.exp(
            narrowing * sum(wave * n for wave, n in zip(waves, normal, strict=True)) ** 2
        )
        weight = fft.irfftn(total_waves * turned, shape)[crop]
        amount = fft.irfftn(part_waves * turned, shape)[crop]
        share = np.where(weight > least, amount / np.maximum(weight, least), mean)
        np.maximum(highest, share, out=highest, casting="same_kind")
    return highest
