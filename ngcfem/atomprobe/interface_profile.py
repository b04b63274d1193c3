"""The composition across an interface: a layer of constant excess, blurred by a Gaussian."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import erf

from ngcfem.quantities import FloatArray

_ROOT_TWO = np.sqrt(2.0)


@dataclass(frozen=True)
class LayerProfile:
    """A layer between two half-spaces of the same composition.

    Parameters
    ----------
    matrix : float
        Atomic fraction away from the layer.
    excess : float
        Atomic fraction in the layer before blurring, less that of the matrix.
    thickness_nm : float
        Thickness of the layer.
    sigma_nm : float
        Standard deviation of the blur along the normal.
    """

    matrix: float
    excess: float
    thickness_nm: float
    sigma_nm: float

    @property
    def gibbs_excess_nm(self) -> float:
        """Excess over the matrix integrated across the layer, atomic fraction times nm."""
        return self.excess * self.thickness_nm

    def fraction(
        self, distance_nm: FloatArray, variance_nm2: FloatArray | float = 0.0
    ) -> FloatArray:
        """Evaluate the profile.

        Parameters
        ----------
        distance_nm : ndarray
            Signed distances from the middle of the layer.
        variance_nm2 : ndarray or float
            Variance of the distances themselves, added to that of the blur.

        Returns
        -------
        ndarray
            Atomic fractions.
        """
        scale = _ROOT_TWO * np.sqrt(self.sigma_nm**2 + variance_nm2)
        half = 0.5 * self.thickness_nm
        upper, lower = erf((distance_nm + half) / scale), erf((distance_nm - half) / scale)
        return self.matrix + 0.5 * self.excess * (upper - lower)

    def slope(self, distance_nm: FloatArray) -> FloatArray:
        """Differentiate the profile.

        Parameters
        ----------
        distance_nm : ndarray
            Signed distances from the middle of the layer.

        Returns
        -------
        ndarray
            Change of the atomic fraction per nm.
        """
        half, sigma = 0.5 * self.thickness_nm, self.sigma_nm
        height = self.excess / (np.sqrt(2.0 * np.pi) * sigma)
        upper = np.exp(-0.5 * ((distance_nm + half) / sigma) ** 2)
        lower = np.exp(-0.5 * ((distance_nm - half) / sigma) ** 2)
        return height * (upper - lower)

    def evidence_per_nm(self) -> float:
        """Integrate the Kullback-Leibler divergence from the matrix across the layer.

        Returns
        -------
        float
            In nm: times atoms per volume and area, the mean logarithm of the likelihood ratio of
            the layer to the matrix.
        """
        reach = 0.5 * self.thickness_nm + 5.0 * self.sigma_nm
        distance = np.linspace(-reach, reach, 401)
        own = self.fraction(distance)
        gain = own * np.log(own / self.matrix)
        gain += (1.0 - own) * np.log((1.0 - own) / (1.0 - self.matrix))
        return float(np.trapezoid(gain, distance))


@dataclass(frozen=True, eq=False)
class DistanceHistogram:
    """Atoms counted over their distance from the middle of a layer.

    Parameters
    ----------
    distance_nm : ndarray, shape (b,)
        Centres of the bins.
    part : ndarray, shape (b,)
        Atoms of the element.
    atoms : ndarray, shape (b,)
        All atoms.
    variance_nm2 : ndarray, shape (b,)
        Variance of the distances of each bin.
    """

    distance_nm: FloatArray
    part: FloatArray
    atoms: FloatArray
    variance_nm2: FloatArray


def distance_histogram(
    distance_nm: FloatArray,
    part: FloatArray,
    atoms: FloatArray,
    reach_nm: float,
    bin_nm: float = 0.1,
) -> DistanceHistogram:
    """Count atoms over their distance from a layer.

    Parameters
    ----------
    distance_nm : ndarray, shape (n,)
        Signed distances; both sides are taken together.
    part, atoms : ndarray, shape (n,)
        Atoms of the element and all atoms of each ion.
    reach_nm : float
        Largest distance.
    bin_nm : float
        Width of a bin.

    Returns
    -------
    DistanceHistogram
        With no variance.
    """
    number = round(reach_nm / bin_nm)
    place = np.minimum((np.abs(distance_nm) / bin_nm).astype(np.int64), number)
    counted = [np.bincount(place, weight, number + 1)[:number] for weight in (part, atoms)]
    return DistanceHistogram(
        bin_nm * (np.arange(number, dtype=np.float64) + 0.5),
        counted[0],
        counted[1],
        np.zeros(number),
    )


def fit_layer(histogram: DistanceHistogram, start: LayerProfile) -> LayerProfile:
    """Fit a layer to counts by weighted least squares.

    Parameters
    ----------
    histogram : DistanceHistogram
        The counts.
    start : LayerProfile
        Where to start.

    Returns
    -------
    LayerProfile
        Within thicknesses of 0.2 to 4 nm and blurs of 0.05 to 1.5 nm; the start itself where there
        are no counts.
    """
    from scipy.optimize import least_squares

    held = histogram.atoms > 0.0
    if np.count_nonzero(held) < 5:
        return start
    distance, variance = histogram.distance_nm[held], histogram.variance_nm2[held]
    atoms = histogram.atoms[held]
    fraction = histogram.part[held] / atoms
    spread = np.clip(fraction, 1e-3, 1.0)
    error = np.sqrt(spread * (1.0 - spread) / atoms)

    def misfit(values: FloatArray) -> FloatArray:
        own = LayerProfile(*(float(value) for value in values))
        return (own.fraction(distance, variance) - fraction) / error

    low, high = [1e-4, 1e-4, 0.2, 0.05], [0.9, 0.9, 4.0, 1.5]
    first = [start.matrix, start.excess, start.thickness_nm, start.sigma_nm]
    found = least_squares(
        misfit,
        np.clip(first, low, high),
        bounds=(low, high),
        x_scale=[0.05, 0.05, 0.5, 0.2],
    )
    return LayerProfile(*(float(value) for value in found.x))


def fit_amplitude(histogram: DistanceHistogram, shape: LayerProfile) -> tuple[float, float]:
    """Fit matrix and excess of a layer of known thickness and blur by weighted least squares.

    Parameters
    ----------
    histogram : DistanceHistogram
        The counts.
    shape : LayerProfile
        Gives thickness and blur.

    Returns
    -------
    tuple of float
        Atomic fractions; the excess may be negative. Both 0 where there are no counts.
    """
    held = histogram.atoms > 0.0
    atoms, part = histogram.atoms[held], histogram.part[held]
    if len(atoms) < 3:
        return 0.0, 0.0
    unit = replace(shape, matrix=0.0, excess=1.0)
    form = unit.fraction(histogram.distance_nm[held], histogram.variance_nm2[held])
    weight = np.sqrt(atoms)
    columns = np.column_stack([weight, weight * form])
    matrix, excess = np.linalg.lstsq(columns, weight * part / atoms, rcond=None)[0]
    return float(matrix), float(excess)


def with_amplitude(shape: LayerProfile, histogram: DistanceHistogram) -> LayerProfile:
    """Take matrix and excess of a layer from counts, thickness and blur as they are.

    Parameters
    ----------
    shape : LayerProfile
        The layer; kept as it is where nothing was counted.
    histogram : DistanceHistogram
        The counts.

    Returns
    -------
    LayerProfile
        With fractions between 0 and 1, and an excess of at least a hundredth of the matrix.
    """
    if not histogram.part.any():
        return shape
    matrix, excess = fit_amplitude(histogram, shape)
    matrix = min(max(matrix, 1e-4), 0.9)
    return replace(shape, matrix=matrix, excess=min(max(excess, 0.01 * matrix), 0.95 - matrix))
