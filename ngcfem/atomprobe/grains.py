"""Grains: basins of the composition between the sheets of the network."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ngcfem.atomprobe.composition_field import CompositionField, VoxelGrid
from ngcfem.atomprobe.facet_fit import fit_facets, ions_beside
from ngcfem.atomprobe.facets import BoundaryFaces, facets_of
from ngcfem.atomprobe.grain_merging import Contacts, merge_basins
from ngcfem.atomprobe.interface_profile import LayerProfile, distance_histogram, with_amplitude
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.atomprobe.sheet_filter import sheet_composition
from ngcfem.quantities import BoolArray, FloatArray, Int32Array

_SEED = 20200903


@dataclass(frozen=True)
class GrainParameters:
    """How grains are told apart.

    Parameters
    ----------
    element : str
        Element in which the network is rich.
    sheet_sigma_nm : float
        Standard deviation across the plates over which the composition is averaged.
    sheet_extent_nm : float
        The same along the plates.
    n_directions : int
        Number of directions of the plates.
    marker_sigma_nm : float
        Width of the Gaussian after which each minimum of the composition starts a basin.
    expected_thickness_nm : float
        Thickness of the layer that boundaries are tested for.
    expected_sigma_nm : float
        Standard deviation of its blur, that from the place of the boundary included.
    reach_nm : float
        Ions up to this distance from a boundary tell whether it carries a layer.
    merge_share : float
        Two basins are made one where the evidence for a layer is less than this share of what the
        usual layer gives.
    least_contact_nm2 : float
        Basins that touch over a smaller area are not made one for it.
    smallest_diameter_nm : float
        Basins of a smaller equivalent diameter are given to a neighbour.
    n_rounds : int
        Most rounds of fitting and merging.
    """

    element: str = "Sc"
    sheet_sigma_nm: float = 0.5
    sheet_extent_nm: float = 1.3
    n_directions: int = 31
    marker_sigma_nm: float = 0.7
    expected_thickness_nm: float = 1.0
    expected_sigma_nm: float = 0.45
    reach_nm: float = 1.6
    merge_share: float = 0.3
    least_contact_nm2: float = 5.0
    smallest_diameter_nm: float = 3.0
    n_rounds: int = 6


@dataclass(frozen=True, eq=False)
class GrainLabels:
    """The grain of each voxel.

    Parameters
    ----------
    grid : VoxelGrid
        The voxels.
    labels : ndarray, shape (nx, ny, nz)
        Grain from 1 on; 0 outside the specimen.
    sheet_fraction : ndarray, shape (nx, ny, nz)
        Composition averaged over plates; see `sheet_filter.sheet_composition`.
    excluded : ndarray, shape (nx, ny, nz)
        0, or what does not belong to the network: 1 crystal, 2 Sc-rich island.
    profile : LayerProfile
        Composition across the network as the facets saw it.
    """

    grid: VoxelGrid
    labels: Int32Array
    sheet_fraction: npt.NDArray[np.float32]
    excluded: npt.NDArray[np.integer]
    profile: LayerProfile

    @property
    def number(self) -> int:
        """Number of grains."""
        return int(self.labels.max(initial=0))

    @property
    def usable(self) -> BoolArray:
        """Voxels of the specimen outside crystals and islands."""
        return (self.labels > 0) & (self.excluded == 0)


def find_grains(
    ions: RangedIons,
    field: CompositionField,
    parameters: GrainParameters | None = None,
    excluded: npt.NDArray[np.integer] | None = None,
) -> GrainLabels:
    """Divide a specimen into grains along Sc-rich sheets.

    Parameters
    ----------
    ions : RangedIons
        The specimen.
    field : CompositionField
        Its composition.
    parameters : GrainParameters or None
        Defaults if None.
    excluded : ndarray, shape (nx, ny, nz), or None
        Voxels that do not belong to the network: 1 crystal, 2 Sc-rich island, 0 all others.

    Returns
    -------
    GrainLabels
        A grain for each voxel of the specimen, those of the network and of the crystals included.

    Notes
    -----
    A watershed of the composition averaged over plates cuts the specimen into too many basins. A
    smooth surface is then fitted to the raw ions at each boundary, and two basins are made one
    where the ions there speak against the layer that the other boundaries carry: the logarithm of
    the likelihood ratio of this layer to none is compared with its expectation for the layer, the
    Kullback-Leibler divergence times the number of atoms. This is repeated with the layer fitted
    anew until nothing changes.
    """
    from skimage.segmentation import watershed

    parameters = parameters or GrainParameters()
    inside = field.inside
    excluded = np.zeros(field.grid.shape, np.int8) if excluded is None else excluded
    usable = inside & (excluded == 0)
    sheet = sheet_composition(
        field,
        parameters.element,
        parameters.sheet_sigma_nm,
        parameters.sheet_extent_nm,
        parameters.n_directions,
        usable,
    )
    steps = parameters.marker_sigma_nm / field.grid.voxel_nm
    smooth = ndimage.gaussian_filter(sheet, steps, mode="nearest")
    around = 2 * max(1, round(steps)) + 1
    lowest = ndimage.minimum_filter(smooth, around, mode="nearest") == smooth
    markers, _ = ndimage.label(lowest & inside, np.ones((3, 3, 3)))
    labels = np.asarray(watershed(sheet, markers, mask=inside), dtype=np.int32)
    matrix = _mode(field.fraction(parameters.element)[usable])
    rim = float(np.quantile(sheet[usable], 0.9))
    profile = LayerProfile(
        matrix,
        max(rim - matrix, 0.1 * matrix),
        parameters.expected_thickness_nm,
        parameters.expected_sigma_nm,
    )
    for _ in range(parameters.n_rounds):
        order, profile = _merge_round(ions, field, labels, usable, profile, parameters)
        if int(order.max(initial=0)) == len(order) - 1:
            break
        labels = order[labels]
    return GrainLabels(field.grid, labels, sheet, excluded, profile)


def _merge_round(
    ions: RangedIons,
    field: CompositionField,
    labels: Int32Array,
    usable: BoolArray,
    profile: LayerProfile,
    parameters: GrainParameters,
) -> tuple[Int32Array, LayerProfile]:
    """Fit the boundaries and the layer, and merge: the new label of each old one, and the layer."""
    faces = BoundaryFaces.of(labels, field.grid)
    if len(faces.pair) == 0:
        return np.arange(int(labels.max(initial=0)) + 1, dtype=np.int32), profile
    beside = ions_beside(ions, parameters.element, faces, field.grid, usable, parameters.reach_nm)
    start = facets_of(faces, field.grid)
    density = float(field.counts.sum(axis=0)[usable].mean()) / field.grid.voxel_volume_nm3
    # The layer is fitted to ions that did not place the facets: those that did overstate it.
    first = np.random.default_rng(_SEED).random(len(beside.facet)) < 0.5
    placed = fit_facets(start, beside, profile, weight=first.astype(np.float64))
    least = parameters.merge_share * density * profile.evidence_per_nm()
    chosen = ~first & (2.0 * placed.evidence > least * placed.area_nm2)[beside.facet]
    distance, _ = placed.distance_nm(beside.facet[chosen], beside.position_nm[chosen])
    profile = with_amplitude(
        profile,
        distance_histogram(
            distance, beside.part[chosen], beside.atoms[chosen], parameters.reach_nm
        ),
    )
    facets = fit_facets(start, beside, profile)
    order = merge_basins(
        Contacts(facets.pair, facets.evidence, facets.area_nm2),
        np.bincount(labels.ravel()).astype(np.float64) * field.grid.voxel_volume_nm3,
        parameters.merge_share * density * profile.evidence_per_nm(),
        np.pi / 6.0 * parameters.smallest_diameter_nm**3,
        parameters.least_contact_nm2,
    )
    return order, profile


def _mode(values: FloatArray) -> float:
    height, edges = np.histogram(values, 200, (0.0, float(np.quantile(values, 0.99))))
    smooth = ndimage.gaussian_filter1d(height.astype(np.float64), 4.0)
    place = int(np.argmax(smooth))
    return float(0.5 * (edges[place] + edges[place + 1]))
