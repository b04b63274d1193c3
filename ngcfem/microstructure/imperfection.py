"""Imperfections: places in a cell where the strength differs from that of the phase."""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.quantities import FloatArray

LARGEST_NUMBER_OF_WAVES = 20_000
_CUT_OFF = 3.5
# Numbers in one block of phases of the waves: about 16 MB.
_BLOCK = 2_000_000


@dataclass(frozen=True)
class WeakRegion:
    """A ball, in the plane a disc, whose strength differs.

    Parameters
    ----------
    centre : tuple of float
        Place of the centre as fractions of the edges of the cell, as many as dimensions.
    radius_nm : float
        Radius.
    strength_factor : float
        What the strength is multiplied by inside; above 1 the region is strong.
    """

    centre: tuple[float, ...]
    radius_nm: float
    strength_factor: float


@dataclass(frozen=True)
class StrengthScatter:
    """A random field of strength.

    Parameters
    ----------
    standard_deviation : float
        Standard deviation of the logarithm of the strength factor; for a few per cent that of the
        factor itself.
    correlation_length_nm : float
        Distance over which the correlation of the logarithm falls to 1/e.
    seed : int
        Seed of the field.

    Notes
    -----
    factor = exp(s f - s^2/2) with a Gaussian field f of mean 0 and variance 1, so that the factor
    is positive and 1 on average. f is periodic with the cell and has the correlation
    exp(-(r/L)^2): a sum of all waves of the reciprocal lattice up to k L = 7, each with a random
    amplitude of variance proportional to exp(-(k L)^2 / 4). The mean over the cell itself is left
    out, so that two cells of one strength stay comparable. f is a function of the place alone: it
    does not depend on the mesh, nor on the number of processes.

    References
    ----------
    Shinozuka and Deodatis (1996), Appl. Mech. Rev. 49, 29-53, doi 10.1115/1.3101883: simulation of
    Gaussian fields by a series of waves.
    """

    standard_deviation: float
    correlation_length_nm: float
    seed: int

    def factors(self, fractions: FloatArray, lattice_nm: FloatArray) -> FloatArray:
        """Strength factors at points.

        Parameters
        ----------
        fractions : ndarray, shape (n, d)
            Places in units of the periods.
        lattice_nm : ndarray, shape (d, d)
            Period vectors as rows.

        Returns
        -------
        ndarray, shape (n,)
            Factors.

        Raises
        ------
        RefusedError
            If the correlation length is so short beside the cell that there are too many waves, or
            so long that there is none.
        """
        waves, variances = self._waves(lattice_nm)
        amplitudes = np.random.default_rng(self.seed).standard_normal((len(waves), 2))
        amplitudes *= np.sqrt(variances)[:, None]
        values = np.empty(len(fractions))
        size = max(1, _BLOCK // len(waves))
        for start in range(0, len(fractions), size):
            part = slice(start, start + size)
            angle = 2.0 * math.pi * fractions[part] @ waves.T
            values[part] = np.cos(angle) @ amplitudes[:, 0] + np.sin(angle) @ amplitudes[:, 1]
        s = self.standard_deviation
        return np.exp(s * values - 0.5 * s * s)

    def _waves(self, lattice_nm: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Integer wave vectors of a half space and their variances, which add up to 1."""
        length = self.correlation_length_nm
        reciprocal = 2.0 * math.pi * np.linalg.inv(lattice_nm)
        # The wave of the integers n has k with n_i = k . a_i / (2 pi), a_i the periods.
        periods = np.linalg.norm(lattice_nm, axis=1)
        largest = [math.ceil(_CUT_OFF / length * edge / math.pi) for edge in periods]
        number = math.prod(2 * n + 1 for n in largest) // 2
        if number > LARGEST_NUMBER_OF_WAVES:
            raise RefusedError(
                f"a random field with correlation_length_nm = {length:g} in a cell of "
                f"{' x '.join(f'{edge:.3g}' for edge in periods)} nm is a sum of {number} waves, "
                f"more than {LARGEST_NUMBER_OF_WAVES}: choose a longer correlation length"
            )
        integers = np.array(list(itertools.product(*(range(-n, n + 1) for n in largest))))
        # One of each pair n, -n: the first entry that is not zero is positive.
        first = np.take_along_axis(
            integers, np.argmax(integers != 0, axis=1)[:, None], axis=1
        ).ravel()
        integers = integers[first > 0]
        wave_numbers = np.linalg.norm(integers @ reciprocal.T, axis=1) * length
        kept = wave_numbers <= 2.0 * _CUT_OFF
        integers, wave_numbers = integers[kept], wave_numbers[kept]
        if not len(integers):
            raise RefusedError(
                f"a random field with correlation_length_nm = {length:g} is even in a cell of "
                f"{' x '.join(f'{edge:.3g}' for edge in periods)} nm: choose a shorter correlation "
                "length"
            )
        variances = np.exp(-0.25 * wave_numbers**2)
        return integers.astype(float), variances / variances.sum()


@dataclass(frozen=True)
class Imperfection:
    """Everything that makes the strength of a cell uneven within a phase.

    Parameters
    ----------
    regions : tuple of WeakRegion
        Balls or discs; where they overlap their factors multiply.
    scatter : StrengthScatter or None
        A random field on top.
    phases : tuple of str or None
        Phases it applies to; None for all that have a strength.
    """

    regions: tuple[WeakRegion, ...] = ()
    scatter: StrengthScatter | None = None
    phases: tuple[str, ...] | None = None

    def strength_factors(
        self, positions_nm: FloatArray, lattice_nm: FloatArray, periodic: bool
    ) -> FloatArray:
        """Strength factors at points, whatever their phase.

        Parameters
        ----------
        positions_nm : ndarray, shape (n, d)
            Undeformed places; the cell begins at the origin.
        lattice_nm : ndarray, shape (d, d)
            Period vectors as rows.
        periodic : bool
            Whether a region goes on behind the faces of the cell.

        Returns
        -------
        ndarray, shape (n,)
            Factors; 1 where nothing differs.

        Raises
        ------
        RefusedError
            If a region or the field does not fit the cell.
        """
        fractions = positions_nm @ np.linalg.inv(lattice_nm)
        factors = np.ones(len(positions_nm))
        for region in self.regions:
            inside = self._distance_nm(region, fractions, lattice_nm, periodic) <= region.radius_nm
            factors[inside] *= region.strength_factor
        if self.scatter is not None:
            factors *= self.scatter.factors(fractions, lattice_nm)
        return factors

    @staticmethod
    def _distance_nm(
        region: WeakRegion, fractions: FloatArray, lattice_nm: FloatArray, periodic: bool
    ) -> FloatArray:
        offset = fractions - np.asarray(region.centre, dtype=float)
        if not periodic:
            return np.linalg.norm(offset @ lattice_nm, axis=1)
        # Thickness of the cell between opposite faces: within half of it the image nearest in
        # fractions is the nearest.
        thickness = float((1.0 / np.linalg.norm(np.linalg.inv(lattice_nm), axis=0)).min())
        if region.radius_nm > 0.5 * thickness:
            raise RefusedError(
                f"an imperfection with radius_nm = {region.radius_nm:g} overlaps its own image in "
                f"a cell {thickness:.3g} nm across: choose at most half of that"
            )
        return np.linalg.norm((offset - np.round(offset)) @ lattice_nm, axis=1)
