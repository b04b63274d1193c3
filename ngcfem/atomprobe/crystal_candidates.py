"""Where crystals may be: places in the composition field that hold too little scandium."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ngcfem.atomprobe.composition_field import CompositionField
from ngcfem.quantities import BoolArray, FloatArray

_BINS = 200
_SOLUTE = "Sc"


@dataclass(frozen=True, eq=False)
class Candidates:
    """Places that may be crystals.

    Parameters
    ----------
    centre_nm : ndarray, shape (k, 3)
        Centres of gravity of what is depleted.
    radius_nm : ndarray, shape (k,)
        Radii of the spheres of the volume that is depleted by more than half; too small, because
        the kernel fills the crystals from outside.
    significance : ndarray, shape (k,)
        Depletion in the middle over its standard deviation from counting.
    """

    centre_nm: FloatArray
    radius_nm: FloatArray
    significance: FloatArray

    def __len__(self) -> int:
        """Count the candidates."""
        return len(self.radius_nm)


def matrix_content(field: CompositionField) -> float:
    """Find the scandium content of the matrix.

    Parameters
    ----------
    field : CompositionField
        The delocalized field.

    Returns
    -------
    float
        Atomic fraction: the mode of the histogram over the voxels of the specimen, smoothed with
        the error of counting.

    Raises
    ------
    ValueError
        If the specimen holds no scandium.
    """
    inside = field.inside
    values = field.fraction(_SOLUTE)[inside]
    if not len(values) or not np.any(values > 0.0):
        raise ValueError("the specimen holds no Sc")
    top = float(np.quantile(values, 0.999))
    counts, edges = np.histogram(values, bins=_BINS, range=(0.0, top))
    error = float(np.median(field.fraction_error(_SOLUTE)[inside]))
    width = max(0.5 * error / (edges[1] - edges[0]), 1.0)
    smooth = ndimage.gaussian_filter1d(counts.astype(np.float64), width, mode="constant")
    # the pile of voxels without any scandium is no matrix
    middle = 0.5 * (edges[1:] + edges[:-1])
    smooth[middle < 0.25 * float(np.mean(values))] = 0.0
    return float(middle[int(np.argmax(smooth))])


def depletion_significance(field: CompositionField, matrix: float) -> FloatArray:
    """Compare the depletion of each voxel with the error of counting.

    Parameters
    ----------
    field : CompositionField
        The delocalized field.
    matrix : float
        Sc content of the matrix, atomic fraction.

    Returns
    -------
    ndarray, shape (nx, ny, nz)
        (c0 - c) / sqrt(c0 (1 - c0) / n) with the effective number of atoms n; 0 outside.
    """
    share, number = field.fraction(_SOLUTE), field.effective_atoms()
    with np.errstate(invalid="ignore"):
        values = (matrix - share) * np.sqrt(number / (matrix * (1.0 - matrix)))
    return np.where(field.inside, np.nan_to_num(values), 0.0)


def find_candidates(
    field: CompositionField,
    matrix: float,
    least_significance: float,
    least_depletion: float,
    saddle_depth: float,
) -> Candidates:
    """Find what is depleted of scandium.

    Parameters
    ----------
    field : CompositionField
        The delocalized field.
    matrix : float
        Sc content of the matrix, atomic fraction.
    least_significance : float
        Depletion in the middle over its standard deviation, at least.
    least_depletion : float
        Depletion in the middle over the content of the matrix, at least.
    saddle_depth : float
        Two minima are one unless the saddle between them is less depleted by this share of the
        content of the matrix.

    Returns
    -------
    Candidates
        The most significant ones first.

    Notes
    -----
    Minima are those of the h-minima transform of the field; a watershed gives each of them its
    voxels, of which those that are depleted by more than half of its depth count for its size.

    References
    ----------
    Soille (2003), Morphological Image Analysis, 2nd ed., section 6.3.4,
    doi 10.1007/978-3-662-05088-0 (h-minima).
    """
    from skimage.morphology import reconstruction
    from skimage.segmentation import watershed

    significance = depletion_significance(field, matrix)
    depth = np.where(field.inside, 1.0 - np.nan_to_num(field.fraction(_SOLUTE)) / matrix, -1.0)
    depth = np.clip(depth, -1.0, 1.0)
    # what a peak stands above its saddles, cut off at the depth asked for
    with warnings.catch_warnings():
        # scikit-image 0.26 sets the shape of an array, which numpy 2.5 wants to be done otherwise
        warnings.simplefilter("ignore", DeprecationWarning)
        rise = depth - reconstruction(depth - saddle_depth, depth)
    peaks: BoolArray = (rise > saddle_depth * (1.0 - 1e-6)) & (depth > least_depletion)
    peaks &= significance > least_significance
    structure = np.ones((3, 3, 3), dtype=bool)
    markers, number = ndimage.label(peaks, structure)
    if number == 0:
        return Candidates(np.empty((0, 3)), np.empty(0), np.empty(0))
    wide: BoolArray = depth > 0.25
    basins = watershed(-depth, markers, mask=wide | peaks)
    numbers = np.arange(1, number + 1)
    highest = np.asarray(ndimage.maximum(depth, basins, numbers))
    most = np.asarray(ndimage.maximum(significance, basins, numbers))
    level = np.concatenate([[np.inf], 0.5 * highest])
    core = (basins > 0) & (depth >= level[basins])
    flat = np.flatnonzero(core)
    owner, weight = basins.ravel()[flat] - 1, depth.ravel()[flat]
    place = field.grid.centres_nm(flat)
    total = np.bincount(owner, weight, minlength=number)
    sums = [np.bincount(owner, weight * place[:, axis], minlength=number) for axis in range(3)]
    volume = np.bincount(owner, minlength=number) * field.grid.voxel_volume_nm3
    centre = np.stack(sums, axis=1) / total[:, None]
    radius = np.cbrt(3.0 * volume / (4.0 * np.pi))
    order = np.argsort(-most)
    return Candidates(centre[order], radius[order], most[order])
