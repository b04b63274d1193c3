"""What an atom probe makes of atoms: detected shares, masses, blur and local magnification."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.stats import exponnorm, norm

from ngcfem.atomprobe.ion_data import (
    DETECTOR,
    IONS_PER_PULSE,
    PULSE_VOLTAGE,
    PULSES_SINCE_EVENT,
    TIME_OF_FLIGHT,
    VOLTAGE,
    Float32Array,
)
from ngcfem.atomprobe.ions import MAXIMUM_CHARGE, Ion, isotopologues
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.quantities import BoolArray, FloatArray, IntArray

DALTON_KG = 1.66053907e-27
ELEMENTARY_CHARGE_C = 1.602176634e-19
LEAST_RANGED_ABUNDANCE = 1e-3
"""Isotopes rarer than this get no range: deuterium would fall into the range of H2."""

BACKGROUND_DA = (0.5, 100.0)
"""Masses over charge between which ions that left out of time are registered."""

RANGE_CORE_SIGMAS = 4.0
RANGE_TAIL_LENGTHS = 5.0
ChargeShares = Annotated[
    tuple[Annotated[float, Field(ge=0.0)], ...], Field(min_length=1, max_length=MAXIMUM_CHARGE)
]
_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
_COLOURS = {"Fe": "#d62728", "Sc": "#1f77b4", "H": "#2ca02c"}
_REACH = 2.0


@dataclass(frozen=True)
class EvaporationParameters:
    """How a specimen is evaporated and detected; every number is assumed, none is fitted.

    Parameters
    ----------
    efficiency : float
        Share of the atoms that are detected: 0.37 to 0.52 with a reflectron, 0.8 at best.
    blur_lateral_nm : float
        Standard deviation of the positions across the axis of analysis (z), in nm.
    blur_depth_nm : float
        Standard deviation along it, in nm.
    crystal_magnification : float
        Lateral magnification inside the crystals: above 1 where the field of evaporation is higher
        than around them, so that they stand out of the surface.
    sc_rich_magnification : float
        The same of the Sc-rich regions; below 1 where that field is lower.
    mass_resolving_power : float
        m / dm of a peak at half its height, without its tail.
    tail_share : float
        Share of the ions in the tail on the heavy side of a peak.
    tail_length : float
        Mean excess of these over the mass of their peak, relative to it.
    background_share : float
        Share of the ions that left out of time: their masses are constant in the time of flight.
    h2_share : float
        Share of the hydrogen atoms that arrive in pairs, as H2+.
    fe_charge_shares, sc_charge_shares : tuple of float
        Shares of the charge states 1+, 2+, ... of iron and of scandium.
    """

    efficiency: Annotated[float, Field(ge=0.01, le=1.0)] = 0.52
    blur_lateral_nm: Annotated[float, Field(ge=0.0, le=10.0)] = 0.25
    blur_depth_nm: Annotated[float, Field(ge=0.0, le=10.0)] = 0.08
    crystal_magnification: Annotated[float, Field(ge=0.5, le=1.5)] = 1.05
    sc_rich_magnification: Annotated[float, Field(ge=0.5, le=1.5)] = 0.95
    mass_resolving_power: Annotated[float, Field(ge=300.0, le=1e5)] = 1000.0
    tail_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2
    tail_length: Annotated[float, Field(ge=0.0, le=0.01)] = 0.002
    background_share: Annotated[float, Field(ge=0.0, le=0.9)] = 0.01
    h2_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    fe_charge_shares: ChargeShares = (0.05, 0.95)
    sc_charge_shares: ChargeShares = (0.02, 0.90, 0.08)

    def __post_init__(self) -> None:
        """Refuse shares of which nothing is left.

        Raises
        ------
        ValueError
            If the shares of the charge states of an element are all zero.
        """
        if not sum(self.fe_charge_shares) > 0.0 or not sum(self.sc_charge_shares) > 0.0:
            raise ValueError("some charge state of Fe and of Sc must have a share above 0")

    def charge_shares(self, element: str) -> tuple[float, ...]:
        """Give the shares of the charge states of an element.

        Parameters
        ----------
        element : str
            Symbol.

        Returns
        -------
        tuple of float
            Of 1+, 2+, ...; the sum is 1. What is neither Fe nor Sc is singly charged.
        """
        given = {"Fe": self.fe_charge_shares, "Sc": self.sc_charge_shares}.get(element, (1.0,))
        return tuple(share / sum(given) for share in given)

    @property
    def peak_sigma(self) -> float:
        """Standard deviation of the core of a peak, relative to its mass."""
        return 1.0 / (_FWHM_PER_SIGMA * self.mass_resolving_power)

    @property
    def ranged_share(self) -> float:
        """Share of a peak that its range holds; the same for all peaks.

        Notes
        -----
        The core is normal, the tail its convolution with an exponential distribution.
        """
        sigma = self.peak_sigma
        low, high = -RANGE_CORE_SIGMAS * sigma, self.range_reach
        core = norm.cdf(high / sigma) - norm.cdf(low / sigma)
        tail = exponnorm(self.tail_length / sigma, scale=sigma)
        return float(
            (1.0 - self.tail_share) * core + self.tail_share * (tail.cdf(high) - tail.cdf(low))
        )

    @property
    def range_reach(self) -> float:
        """How far a range reaches beyond the mass of its peak, relative to it."""
        return RANGE_CORE_SIGMAS * self.peak_sigma + RANGE_TAIL_LENGTHS * self.tail_length


@dataclass(frozen=True)
class MassSource:
    """The peaks of one element, and how often an atom of it makes an ion.

    Parameters
    ----------
    element : str
        Symbol.
    parameters : EvaporationParameters
        Shares of charges and of H2.
    """

    element: str
    parameters: EvaporationParameters

    @cached_property
    def peaks(self) -> tuple[tuple[Ion, int, FloatArray, FloatArray], ...]:
        """Ion, charge, masses over charge in Da, and probabilities per atom of the element.

        Notes
        -----
        Two atoms of an ion H2+ make one ion: the probabilities of hydrogen add up to
        1 - h2_share / 2.
        """
        pairs = self.parameters.h2_share if self.element == "H" else 0.0
        found = []
        single = Ion.of({self.element: 1})
        for charge, share in enumerate(self.parameters.charge_shares(self.element), start=1):
            if share > 0.0:
                variants = isotopologues(single)
                weight = (1.0 - pairs) * share
                found.append(
                    (
                        single,
                        charge,
                        variants.mass_to_charge_da(charge),
                        weight * variants.abundance / variants.abundance.sum(),
                    )
                )
        if pairs > 0.0:
            ion = Ion.of({self.element: 2})
            variants = isotopologues(ion)
            weight = 0.5 * pairs * variants.abundance / variants.abundance.sum()
            found.append((ion, 1, variants.mass_to_charge_da(1), weight))
        return tuple(found)


def mass_ranges(
    elements: Sequence[str], parameters: EvaporationParameters
) -> tuple[MassRange, ...]:
    """Ranges that hold the same share of every peak.

    Parameters
    ----------
    elements : sequence of str
        Elements of the specimen.
    parameters : EvaporationParameters
        Width of the peaks and charge states.

    Returns
    -------
    tuple of MassRange
        In ascending order, one for each peak of an isotope that is not very rare; a range ends
        where the next one begins.

    Notes
    -----
    A range reaches from 4 standard deviations of the core below the mass of a peak to 4 of them
    and 5 lengths of the tail above it. As all widths are relative to the mass, every range that is
    not cut by the next one holds the same share of its peak, and no composition is biased.
    """
    entries = []
    for element in elements:
        for ion, _, masses, weights in MassSource(element, parameters).peaks:
            common = weights / weights.sum() > LEAST_RANGED_ABUNDANCE
            colour = _COLOURS.get(element)
            entries += [(float(mass), ion, colour) for mass in masses[common]]
    entries.sort(key=lambda entry: entry[0])
    lows = [mass * (1.0 - RANGE_CORE_SIGMAS * parameters.peak_sigma) for mass, _, _ in entries]
    highs = [mass * (1.0 + parameters.range_reach) for mass, _, _ in entries]
    ends = [min(high, low) for high, low in zip(highs, [*lows[1:], np.inf], strict=True)]
    return tuple(
        MassRange(low, high, ion, colour)
        for low, high, (_, ion, colour) in zip(lows, ends, entries, strict=True)
    )


def draw_masses(
    element: IntArray,
    elements: Sequence[str],
    parameters: EvaporationParameters,
    generator: np.random.Generator,
) -> tuple[Float32Array, BoolArray]:
    """Draw the mass-to-charge state ratio with which each atom is registered.

    Parameters
    ----------
    element : ndarray of int, shape (n,)
        Index into `elements` of each atom.
    elements : sequence of str
        Symbols.
    parameters : EvaporationParameters
        Charge states, peaks and background.
    generator : numpy.random.Generator
        Source of chance.

    Returns
    -------
    mass_to_charge_da : ndarray, shape (n,)
        In Da.
    is_ion : ndarray of bool, shape (n,)
        False for the second atoms of ions of two, which have no mass of their own.
    """
    mass = np.zeros(len(element))
    is_ion = np.ones(len(element), dtype=bool)
    for number, symbol in enumerate(elements):
        rows = np.flatnonzero(element == number)
        peaks = MassSource(symbol, parameters).peaks
        masses = np.concatenate([peak[2] for peak in peaks])
        bounds = np.cumsum(np.concatenate([peak[3] for peak in peaks]))
        place = np.searchsorted(bounds, generator.random(len(rows)), side="right")
        if bounds[-1] < 1.0 - 1e-9:
            is_ion[rows] = place < len(masses)
        mass[rows] = masses[np.minimum(place, len(masses) - 1)]
    spread = parameters.peak_sigma * generator.standard_normal(len(mass))
    in_tail = np.flatnonzero(generator.random(len(mass)) < parameters.tail_share)
    spread[in_tail] += parameters.tail_length * generator.standard_exponential(len(in_tail))
    mass *= 1.0 + spread
    off_time = np.flatnonzero(generator.random(len(mass)) < parameters.background_share)
    low, high = np.sqrt(BACKGROUND_DA)
    mass[off_time] = generator.uniform(low, high, len(off_time)) ** 2
    return mass.astype(np.float32), is_ion


@dataclass(frozen=True, eq=False)
class FieldContrast:
    """Bodies that evaporate at another field than what is around them.

    Parameters
    ----------
    centres_nm : ndarray, shape (k, 3)
        Centres in nm.
    radii_nm : ndarray, shape (k,)
        Radii of the spheres of their volumes in nm.
    magnifications : ndarray, shape (k,)
        Lateral magnification inside each.
    """

    centres_nm: FloatArray
    radii_nm: FloatArray
    magnifications: FloatArray


def magnified(points: FloatArray, contrast: FieldContrast) -> FloatArray:
    """Move atoms as the local magnification of bodies of another field of evaporation does.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Positions in nm, ascending in z; z is the axis of analysis.
    contrast : FieldContrast
        The bodies.

    Returns
    -------
    ndarray, shape (n, 3)
        New positions: only x and y change.

    Notes
    -----
    An atom at the lateral distance rho from the axis of a body of radius R and magnification m
    moves along rho by (m - 1) w(s) rho, where s is its distance from the centre over R; w is 1
    inside the body and (1 + cos(pi (s - 1))) / 2 from s = 1 to 2. Without overlap with other bodies
    the order of the atoms is kept for 0.5 < m < 1.5, and the density inside falls by m^2. The
    displacements of several bodies add up. This is the picture of [1]_ in its simplest form: the
    crossing of trajectories, which real precipitates show in the extreme, is left out.

    References
    ----------
    .. [1] Miller, M. K., Hetherington, M. G. (1991): Local magnification effects in the atom probe.
       Surface Science 246, 442-449, doi:10.1016/0039-6028(91)90449-3.
    """
    moved = points.copy()
    heights = points[:, 2]
    for centre, radius, magnification in zip(
        contrast.centres_nm, contrast.radii_nm, contrast.magnifications, strict=True
    ):
        if magnification == 1.0:
            continue
        reach = _REACH * radius
        first, last = np.searchsorted(heights, [centre[2] - reach, centre[2] + reach])
        offset = points[first:last] - centre
        near = np.flatnonzero((np.abs(offset[:, :2]) < reach).all(axis=1))
        offset = offset[near]
        share = np.linalg.norm(offset, axis=1) / radius
        weight = np.where(share <= 1.0, 1.0, 0.5 * (1.0 + np.cos(np.pi * (share - 1.0))))
        weight[share >= _REACH] = 0.0
        moved[first + near, :2] += (magnification - 1.0) * weight[:, None] * offset[:, :2]
    return moved


def blurred(
    points: FloatArray, parameters: EvaporationParameters, generator: np.random.Generator
) -> FloatArray:
    """Blur positions as trajectories and reconstruction do.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Positions in nm.
    parameters : EvaporationParameters
        Standard deviations across and along z.
    generator : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray, shape (n, 3)
        Positions with normal errors.
    """
    lateral, depth = parameters.blur_lateral_nm, parameters.blur_depth_nm
    return points + np.array([lateral, lateral, depth]) * generator.standard_normal(points.shape)


@dataclass(frozen=True)
class Instrument:
    """The instrument, as far as times of flight and places on the detector need it.

    Parameters
    ----------
    flight_path_mm : float
        Length of the flight.
    lowest_voltage_v, highest_voltage_v : float
        Voltage at the first and at the last layer of the specimen.
    pulse_share : float
        Pulse voltage over voltage.
    detector_radius_mm : float
        Radius of the detector, onto which the specimen is spread.
    """

    flight_path_mm: float = 100.0
    lowest_voltage_v: float = 4000.0
    highest_voltage_v: float = 6000.0
    pulse_share: float = 0.2
    detector_radius_mm: float = 38.0

    def columns(
        self, position_nm: Float32Array, mass_to_charge_da: Float32Array, extent_nm: FloatArray
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Columns of .epos beyond positions and masses.

        Parameters
        ----------
        position_nm : ndarray, shape (n, 3)
            Positions.
        mass_to_charge_da : ndarray, shape (n,)
            Masses over charge.
        extent_nm : ndarray, shape (2, 3)
            Corners of the specimen.

        Returns
        -------
        dict of str to ndarray
            Time of flight in ns, voltages, detector, pulses and ions per pulse.

        Notes
        -----
        An ion of m / q flies the length L in t = L sqrt(m / (2 q V)), V the sum of both voltages;
        V rises linearly with depth. Each ion has a pulse of its own.
        """
        low, high = extent_nm
        depth = np.clip((position_nm[:, 2] - low[2]) / (high[2] - low[2]), 0.0, 1.0)
        voltage = self.lowest_voltage_v + depth * (self.highest_voltage_v - self.lowest_voltage_v)
        energy = 2.0 * ELEMENTARY_CHARGE_C * voltage * (1.0 + self.pulse_share)
        time_s = 1e-3 * self.flight_path_mm * np.sqrt(mass_to_charge_da * DALTON_KG / energy)
        half = 0.5 * float(np.linalg.norm(high[:2] - low[:2]))
        lateral = (position_nm[:, :2] - 0.5 * (low + high)[:2]) / half
        ones = np.ones(len(position_nm), dtype=np.uint32)
        return {
            TIME_OF_FLIGHT: (1e9 * time_s).astype(np.float32),
            VOLTAGE: voltage.astype(np.float32),
            PULSE_VOLTAGE: (self.pulse_share * voltage).astype(np.float32),
            DETECTOR: (self.detector_radius_mm * lateral).astype(np.float32),
            PULSES_SINCE_EVENT: ones,
            IONS_PER_PULSE: ones,
        }
