"""The interface network: thickness, excess, area and composition, and the grains between it."""

from dataclasses import dataclass

import numpy as np

from ngcfem.atomprobe.boundary_distance import BoundaryDistances, boundary_distances
from ngcfem.atomprobe.boundary_surfaces import BoundarySurfaces, refine_boundaries
from ngcfem.atomprobe.facets import fit_facets
from ngcfem.atomprobe.grains import GrainLabels
from ngcfem.atomprobe.interface_profile import (
    DistanceHistogram,
    LayerProfile,
    fit_amplitude,
    fit_layer,
)
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.quantities import BoolArray, FloatArray

_SEED = 20200905
_N_VARIANCES = 4


@dataclass(frozen=True)
class NetworkParameters:
    """How the network is measured.

    Parameters
    ----------
    element : str
        Element in which it is rich.
    reach_nm : float
        Largest distance from the boundaries in the profile.
    bin_nm : float
        Width of a bin of the profile.
    least_facet_nm2 : float
        Smaller facets are taken to be where their neighbours put them.
    n_rounds : int
        Rounds of fitting the facets and giving the voxels anew to the grains.
    grain_margin_nm : float
        Ions farther than this from the surface of the network make the composition of the grains.
    n_draws : int
        Draws of the bootstrap.
    """

    element: str = "Sc"
    reach_nm: float = 2.2
    bin_nm: float = 0.1
    least_facet_nm2: float = 4.0
    n_rounds: int = 2
    grain_margin_nm: float = 1.0
    n_draws: int = 200


@dataclass(frozen=True, eq=False)
class NetworkFound:
    """The network of a specimen.

    Parameters
    ----------
    parameters : NetworkParameters
        How it was measured.
    elements : tuple of str
        The elements.
    surfaces : BoundarySurfaces
        The surfaces between the grains.
    distance_nm : ndarray, shape (b,)
        Centres of the bins of the profile.
    atoms : ndarray, shape (e, b, k)
        Atoms of each element, over the distance from the boundary, beside each facet.
    variance_nm2 : ndarray, shape (k,)
        Variance of the distances from each facet.
    profile : LayerProfile
        Profile of the element in which the network is rich.
    draws : ndarray, shape (d, 2 + 2 e)
        Thickness, blur, and matrix and excess of each element, fitted to facets drawn anew.
    fitted : ndarray, shape (2 + 2 e,)
        The same of all facets.
    grain_atoms : ndarray, shape (e,)
        Atoms in the grains, with the margin from everything else.
    at_ions : BoundaryDistances
        Where each ion lies.
    usable : ndarray of bool, shape (n,)
        Ions outside crystals and islands.
    """

    parameters: NetworkParameters
    elements: tuple[str, ...]
    surfaces: BoundarySurfaces
    distance_nm: FloatArray
    atoms: FloatArray
    variance_nm2: FloatArray
    profile: LayerProfile
    draws: FloatArray
    fitted: FloatArray
    grain_atoms: FloatArray
    at_ions: BoundaryDistances
    usable: BoolArray


def measure_network(
    ions: RangedIons, grains: GrainLabels, parameters: NetworkParameters | None = None
) -> NetworkFound:
    """Measure the network between grains on raw ions.

    Parameters
    ----------
    ions : RangedIons
        The specimen.
    grains : GrainLabels
        Its grains.
    parameters : NetworkParameters or None
        Defaults if None.

    Returns
    -------
    NetworkFound
        The profile across the network, with all it follows from.

    Notes
    -----
    A surface that is fitted to ions and then serves to count the same ions finds them too near to
    it. Each half of the ions is therefore counted against surfaces fitted to the other half, and
    what is uncertain in these goes into the blur of the layer, by the covariance of each facet.
    The fit of a layer of constant excess with this blur then gives a thickness free of both blur
    and misplacement; the excess of the other elements is fitted to the same layer. Facets are drawn
    anew for the intervals.
    """
    parameters = parameters or NetworkParameters()
    surfaces = refine_boundaries(
        ions,
        grains,
        parameters.element,
        parameters.reach_nm,
        parameters.least_facet_nm2,
        parameters.n_rounds,
    )
    grains = surfaces.grains
    facets, beside = surfaces.facets, surfaces.beside
    halves = np.random.default_rng(_SEED).random(len(ions)) < 0.5
    placed = [
        fit_facets(facets, beside, surfaces.profile, weight=own.astype(np.float64))
        for own in (halves[beside.index], ~halves[beside.index])
    ]
    at_ions = boundary_distances(ions.position_nm, grains.labels, facets, surfaces.near)
    usable = grains.usable.ravel()[grains.grid.voxel_of(ions.position_nm)]
    near = np.flatnonzero(usable & (at_ions.facet >= 0) & (at_ions.distance_nm >= 0.0))
    own = at_ions.facet[near]
    distance, variance = np.empty(len(near)), np.empty(len(near))
    for other, chosen in zip(placed, (~halves[near], halves[near]), strict=True):
        away, spread = other.distance_nm(own[chosen], ions.position_nm[near[chosen]])
        distance[chosen], variance[chosen] = np.abs(away), spread
    number = round(parameters.reach_nm / parameters.bin_nm)
    place = np.minimum((distance / parameters.bin_nm).astype(np.int64), number)
    per_range = ions.table.atoms()
    count = len(facets)
    atoms = np.stack(
        [
            np.bincount(
                own * (number + 1) + place,
                per_range[ions.label[near], element],
                count * (number + 1),
            ).reshape(count, number + 1)[:, :number].T
            for element in range(len(ions.elements))
        ]
    )
    beside_each = np.maximum(np.bincount(own, minlength=count), 1)
    facet_variance = np.bincount(own, variance, count) / beside_each
    found_distance = (np.arange(number) + 0.5) * parameters.bin_nm
    rich = ions.elements.index(parameters.element)
    order = np.argsort(np.argsort(facet_variance))
    group = order * _N_VARIANCES // max(count, 1)
    groups = (group[:, None] == np.arange(_N_VARIANCES)).astype(np.float64)

    def fit(weights: FloatArray, start: LayerProfile) -> FloatArray:
        held = groups * weights[:, None]
        counted = np.einsum("ebk,kg->ebg", atoms, held)
        amount = np.maximum((groups * (weights * beside_each)[:, None]).sum(axis=0), 1.0)
        spread = (groups * (weights * beside_each * facet_variance)[:, None]).sum(axis=0) / amount
        total = counted.sum(axis=0)

        def histogram(element: int) -> DistanceHistogram:
            return DistanceHistogram(
                np.repeat(found_distance, _N_VARIANCES),
                counted[element].ravel(),
                total.ravel(),
                np.tile(spread, number),
            )

        layer = fit_layer(histogram(rich), start)
        result = [layer.thickness_nm, layer.sigma_nm]
        for element in range(len(ions.elements)):
            result += fit_amplitude(histogram(element), layer)
        return np.array(result)

    fitted = fit(np.ones(count), surfaces.profile)
    profile = LayerProfile(fitted[2 + 2 * rich], fitted[3 + 2 * rich], fitted[0], fitted[1])
    generator = np.random.default_rng(_SEED)
    draws = np.array(
        [
            fit(np.bincount(generator.integers(0, count, count), minlength=count) * 1.0, profile)
            for _ in range(parameters.n_draws)
        ]
    )
    deep = usable & (
        at_ions.distance_nm > 0.5 * profile.thickness_nm + parameters.grain_margin_nm
    )
    grain_atoms = per_range[ions.label[deep]].sum(axis=0).astype(np.float64)
    return NetworkFound(
        parameters,
        ions.elements,
        surfaces,
        found_distance,
        atoms,
        facet_variance,
        profile,
        draws,
        fitted,
        grain_atoms,
        at_ions,
        usable,
    )
