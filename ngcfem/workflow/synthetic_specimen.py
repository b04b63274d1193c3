"""Evaporation of a cell: atoms of known truth, as an atom probe would have registered them."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ngcfem.atomprobe.evaporation import (
    EvaporationParameters,
    FieldContrast,
    Instrument,
    blurred,
    draw_masses,
    magnified,
)
from ngcfem.atomprobe.ion_data import DEFAULT_CHUNK, Float32Array, IonChunk
from ngcfem.microstructure.box_measures import InclusionImage, inclusion_images
from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.microstructure.rotation import random_rotation
from ngcfem.microstructure.sections import inclusion_parts
from ngcfem.microstructure.voxels import phases_of_points
from ngcfem.quantities import (
    GRAIN,
    INTERFACE,
    NANOCRYSTAL,
    SC_RICH,
    BoolArray,
    FloatArray,
    IntArray,
)
from ngcfem.workflow.deformed_state import Deformation, undeformed

_ATOMS_AT_ONCE = 1 << 19
ELEMENTS = ("Fe", "Sc", "H")


@dataclass(frozen=True)
class RegionAtoms:
    """What the regions of a specimen are made of.

    Parameters
    ----------
    compositions_at_percent : mapping of str to mapping of str to float
        Atomic percent of each element, by phase.
    atomic_volumes_nm3 : mapping of str to float
        Volume of an atom of each element.
    """

    compositions_at_percent: Mapping[str, Mapping[str, float]]
    atomic_volumes_nm3: Mapping[str, float]

    def shares(self, phase: str) -> FloatArray:
        """Atomic fractions of a phase.

        Parameters
        ----------
        phase : str
            Its name.

        Returns
        -------
        ndarray, shape (3,)
            Of ``ELEMENTS``; the sum is 1.
        """
        composition = self.compositions_at_percent[phase]
        values = np.array([composition.get(element, 0.0) for element in ELEMENTS])
        return values / values.sum()

    def atoms_per_nm3(self, phase: str) -> float:
        """Atoms per volume of a phase, its atomic volumes taken as additive.

        Parameters
        ----------
        phase : str
            Its name.

        Returns
        -------
        float
            In nm^-3.
        """
        volumes = [self.atomic_volumes_nm3.get(element, 0.0) for element in ELEMENTS]
        return float(1.0 / (self.shares(phase) @ np.array(volumes)))


@dataclass(frozen=True, eq=False)
class SyntheticSpecimen:
    """Registered ions, and what they were.

    Parameters
    ----------
    size_nm : ndarray, shape (3,)
        Edges of the box that was filled, one corner of which is the origin.
    position_nm : ndarray, shape (n, 3)
        Reconstructed positions in nm, in the order of evaporation.
    mass_to_charge_da : ndarray, shape (n,)
        Masses over charge in Da.
    atoms : ndarray of int, shape (p, 3)
        Detected atoms by phase of the cell and element, before the masses were drawn.
    """

    size_nm: FloatArray
    position_nm: Float32Array
    mass_to_charge_da: Float32Array
    atoms: IntArray

    def __len__(self) -> int:
        """Count the ions."""
        return len(self.mass_to_charge_da)

    def chunks(self, with_columns: bool, n_chunk: int = DEFAULT_CHUNK) -> Iterator[IonChunk]:
        """Give the ions in stretches.

        Parameters
        ----------
        with_columns : bool
            Whether times of flight, voltages and places on the detector go along.
        n_chunk : int
            Ions in a stretch.

        Yields
        ------
        IonChunk
            The next ones.
        """
        extent = np.stack([np.zeros(3), self.size_nm])
        for first in range(0, len(self), n_chunk):
            position = self.position_nm[first : first + n_chunk]
            mass = self.mass_to_charge_da[first : first + n_chunk]
            columns = Instrument().columns(position, mass, extent) if with_columns else {}
            yield IonChunk(first, position, mass, columns)


def evaporate_cell(
    cell: PeriodicCell,
    regions: RegionAtoms,
    size_nm: FloatArray,
    parameters: EvaporationParameters,
    seed: int,
    deformation: Deformation | None = None,
    crystalline: bool = False,
    watch: Callable[[int, int], None] | None = None,
) -> SyntheticSpecimen:
    """Fill a box of the endless material with atoms and evaporate it.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of dimension 3; it is repeated as often as the box needs.
    regions : RegionAtoms
        Composition and atomic volumes.
    size_nm : ndarray, shape (3,)
        Edges of the box, in the deformed state; one corner is the origin of the cell.
    parameters : EvaporationParameters
        Detection, masses and errors of the positions.
    seed : int
        Seed of everything that chance decides.
    deformation : Deformation, optional
        Deformation of the material; none if not given.
    crystalline : bool
        Whether the atoms of the crystals sit on a bcc lattice; else they are as random as those of
        the glass.
    watch : callable, optional
        Called with the share of the box that is done, in percent, and 100.

    Returns
    -------
    SyntheticSpecimen
        The ions.

    Notes
    -----
    1. Atoms that will be detected are placed at random at the density of their region times the
       efficiency, which thins the atoms of a Poisson process into another one.
    2. They move with the deformation, and what leaves the box is dropped.
    3. Each gets an element by the composition of its region.
    4. Local magnification and blur move the atoms; masses are drawn.

    The work is done in slabs of about half a million atoms along z.
    """
    generator = np.random.default_rng(seed)
    deformation = deformation or undeformed()
    low, high = reference_box(size_nm, deformation)
    densities = np.array([regions.atoms_per_nm3(name) for name in cell.phase_names])
    bounds = np.cumsum([regions.shares(name) for name in cell.phase_names], axis=1)
    densest = float(densities.max())
    images = inclusion_images(cell, low, high)
    contrast = field_contrast(cell, images, parameters, deformation)
    expected = densest * parameters.efficiency * float(np.prod(high - low))
    heights = np.linspace(low[2], high[2], max(1, round(expected / _ATOMS_AT_ONCE)) + 1)
    counted = np.zeros((len(cell.phase_names), len(ELEMENTS)), dtype=np.int64)
    crystal = cell.phase_names.index(NANOCRYSTAL) if NANOCRYSTAL in cell.phase_names else -1
    orders, positions, masses = [], [], []

    def evaporate(points: FloatArray, phase: IntArray) -> None:
        points = deformation.moved(points)
        inside = np.all((points >= 0.0) & (points < size_nm), axis=1)
        points, phase = points[inside], phase[inside]
        order = np.argsort(points[:, 2], kind="stable")
        points, phase = points[order], phase[order]
        element = (generator.random(len(points))[:, None] >= bounds[phase]).sum(axis=1)
        element = np.minimum(element, len(ELEMENTS) - 1)
        pairs = np.bincount(len(ELEMENTS) * phase + element, minlength=counted.size)
        counted[:] += pairs.reshape(counted.shape)
        mass, is_ion = draw_masses(element, ELEMENTS, parameters, generator)
        orders.append(points[is_ion, 2])
        moved = blurred(magnified(points, contrast), parameters, generator)
        positions.append(moved[is_ion].astype(np.float32))
        masses.append(mass[is_ion])

    for number, (bottom, top) in enumerate(itertools.pairwise(heights)):
        base, edges = np.array([*low[:2], bottom]), np.array([*(high - low)[:2], top - bottom])
        count = generator.poisson(densest * parameters.efficiency * float(np.prod(edges)))
        points = base + edges * generator.random((count, 3))
        phase = phases_of_points(cell, points @ cell.rotation).astype(np.int64)
        kept = generator.random(count) * densest < densities[phase]
        if crystalline:
            kept &= phase != crystal
        evaporate(points[kept], phase[kept])
        if watch is not None:
            watch(round(100.0 * (number + 1) / (len(heights) - 1)), 100)
    if crystalline:
        for image in images:
            sites = crystal_sites(cell, image, densities[crystal], generator)
            sites = sites[generator.random(len(sites)) < parameters.efficiency]
            evaporate(sites, np.full(len(sites), crystal))
    order = np.argsort(np.concatenate(orders), kind="stable")
    return SyntheticSpecimen(
        size_nm, np.concatenate(positions)[order], np.concatenate(masses)[order], counted
    )


def reference_box(size_nm: FloatArray, deformation: Deformation) -> tuple[FloatArray, FloatArray]:
    """Find the box of the undeformed material from which all that a box holds has come.

    Parameters
    ----------
    size_nm : ndarray, shape (3,)
        Edges of the box in the deformed state, one corner of which is the origin.
    deformation : Deformation
        The deformation.

    Returns
    -------
    low_nm : ndarray, shape (3,)
        Lower corner.
    high_nm : ndarray, shape (3,)
        Upper corner.
    """
    corners = np.stack(np.meshgrid(*[(0.0, edge) for edge in size_nm]), axis=-1).reshape(-1, 3)
    inverse = np.linalg.inv(deformation.gradient)
    before = corners @ inverse.T
    margin = deformation.fluctuation_nm * float(np.linalg.norm(inverse, 2))
    return before.min(axis=0) - margin, before.max(axis=0) + margin


def cap_place(inclusion: Inclusion) -> tuple[FloatArray, float]:
    """Centre of volume of a cap, and the radius of the sphere of its volume.

    Parameters
    ----------
    inclusion : Inclusion
        A crystal with a cap.

    Returns
    -------
    offset_nm : ndarray, shape (3,)
        From the centre of the crystal, in the frame of the cell.
    radius_nm : float
        In nm.

    Notes
    -----
    The mean of r cos(theta) over a shell from r to R within the polar angle a is
    3 (R^4 - r^4) (1 + cos a) / (8 (R^3 - r^3)).
    """
    cap = inclusion.cap
    assert cap is not None
    inner, outer = inclusion.radius_nm, inclusion.radius_nm + cap.thickness_nm
    height = 3.0 * (outer**4 - inner**4) * (1.0 + np.cos(np.radians(cap.half_angle_deg)))
    height /= 8.0 * (outer**3 - inner**3)
    offset = inclusion.stretch_matrix @ (height * np.array(cap.axis))
    return offset, float(np.cbrt(3.0 * inclusion.cap_volume_nm3 / (4.0 * np.pi)))


def field_contrast(
    cell: PeriodicCell,
    images: tuple[InclusionImage, ...],
    parameters: EvaporationParameters,
    deformation: Deformation,
) -> FieldContrast:
    """Collect the bodies that evaporate at another field.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    images : tuple of InclusionImage
        Its crystals near the specimen.
    parameters : EvaporationParameters
        Magnifications.
    deformation : Deformation
        What moved the crystals.

    Returns
    -------
    FieldContrast
        Crystals and caps as spheres of their volumes, where they are now.
    """
    centres, radii, magnifications = [], [], []
    for image in images:
        centres.append(image.centre_nm)
        radii.append(image.inclusion.equivalent_radius_nm)
        magnifications.append(parameters.crystal_magnification)
        if image.inclusion.cap is not None:
            offset, radius = cap_place(image.inclusion)
            centres.append(image.centre_nm + cell.rotation @ offset)
            radii.append(radius)
            magnifications.append(parameters.sc_rich_magnification)
    factor = float(np.cbrt(np.linalg.det(deformation.gradient)))
    places = np.array(centres).reshape(-1, 3)
    if len(places):
        places = deformation.moved(places)
    return FieldContrast(places, factor * np.array(radii), np.array(magnifications))


def crystal_sites(
    cell: PeriodicCell,
    image: InclusionImage,
    atoms_per_nm3: float,
    generator: np.random.Generator,
) -> FloatArray:
    """Sites of a bcc lattice of random orientation and origin inside a crystal.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    image : InclusionImage
        The crystal.
    atoms_per_nm3 : float
        Sites per volume: 2 / a^3.
    generator : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray, shape (n, 3)
        Positions in nm in the frame of the laboratory, undeformed.
    """
    inclusion = image.inclusion
    constant = (2.0 / atoms_per_nm3) ** (1.0 / 3.0)
    reach = inclusion.radius_nm * float(np.linalg.eigvalsh(inclusion.stretch_matrix).max())
    steps = np.arange(-int(reach / constant) - 2, int(reach / constant) + 3)
    corners = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    sites = constant * (np.concatenate([corners, corners + 0.5]) + generator.random(3))
    offsets = sites @ random_rotation(generator).T
    inside: BoolArray = inclusion_parts(inclusion, offsets)[0]
    return image.centre_nm + offsets[inside] @ cell.rotation.T


def realized_compositions(cell: PeriodicCell, atoms: IntArray) -> dict[str, Any]:
    """Compositions that chance has given a specimen.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    atoms : ndarray of int, shape (p, 3)
        Detected atoms by phase and element.

    Returns
    -------
    dict
        By phase: detected atoms, and atomic percent of each element.
    """
    order = [name for name in (NANOCRYSTAL, SC_RICH, INTERFACE, GRAIN) if name in cell.phase_names]
    rows = {name: atoms[cell.phase_names.index(name)] for name in order}
    rows["bulk"] = atoms.sum(axis=0)
    return {
        name: {
            "atoms": int(row.sum()),
            "at_percent": {
                element: 100.0 * float(count) / max(1, int(row.sum()))
                for element, count in zip(ELEMENTS, row, strict=True)
            },
        }
        for name, row in rows.items()
    }
