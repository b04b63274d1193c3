"""The interface network: thickness, excess, area and composition, and the grains between it."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ngcfem.atomprobe.atomic_volumes import atomic_volumes_nm3
from ngcfem.atomprobe.boundary_distance import BoundaryDistances, boundary_distances
from ngcfem.atomprobe.boundary_surfaces import BoundarySurfaces, refine_boundaries
from ngcfem.atomprobe.facet_fit import fit_facets
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
_FAR_NM = 100.0


@dataclass(frozen=True)
class NetworkParameters:
    """How the network is measured.

    Parameters
    ----------
    element : str
        Element in which it is rich.
    reach_nm : float
        Largest distance from the boundaries that is measured.
    profile_reach_nm : float
        Largest distance in the fit of the layer; beyond, the grains count.
    bin_nm : float
        Width of a bin of the profile.
    expected_thickness_nm, thickness_spread_nm : float
        Thickness of the network expected beforehand, and the standard deviation of this: where
        contrast and counts are low, box and blur cannot be told apart without.
    least_facet_nm2 : float
        Smaller facets are taken to be where their neighbours put them.
    n_rounds : int
        Rounds of fitting the facets and giving the voxels anew to the grains.
    grain_margin_nm : float
        Ions farther than this from the network, from crystals and islands and from the surface of
        the specimen make the composition of the grains.
    sheet_share : float
        Nor do those count where the composition averaged over plates exceeds that of the grains by
        more than this share of what it does in the network: boundaries that were not found.
    sheet_noise : float
        Nor where it does so by this many standard deviations of its noise.
    n_draws : int
        Draws of the bootstrap.
    """

    element: str = "Sc"
    reach_nm: float = 1.8
    profile_reach_nm: float = 1.2
    bin_nm: float = 0.1
    expected_thickness_nm: float = 1.0
    thickness_spread_nm: float = 0.3
    least_facet_nm2: float = 4.0
    n_rounds: int = 2
    grain_margin_nm: float = 1.0
    sheet_share: float = 0.75
    sheet_noise: float = 3.5
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
    loose_atoms : ndarray, shape (e,)
        The same, where the composition averaged over plates is high too.
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
    loose_atoms: FloatArray
    at_ions: BoundaryDistances
    usable: BoolArray


def measure_network(
    ions: RangedIons, grains: GrainLabels, parameters: NetworkParameters | None = None
) -> NetworkFound | None:
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
    NetworkFound or None
        The profile across the network, with all it follows from; None where there is no boundary
        between grains, or no ion of the element.

    Notes
    -----
    A surface that is fitted to ions and then serves to count the same ions finds them too near to
    it. Each half of the ions is therefore counted against surfaces fitted to the other half, and
    what is uncertain in these goes into the blur of the layer, by the covariance of each facet.
    The fit of a layer of constant excess with this blur then gives a thickness free of both blur
    and misplacement; the excess of the other elements is fitted to the same layer. Fitted are the
    shares of the elements in the volume, which blur mixes linearly; see `atomic_volumes`. Facets
    are drawn anew for the intervals, each time with a matrix between the two masks of the grains:
    the one may hold boundaries that were not found, the other leaves out what is rich by chance.
    """
    parameters = parameters or NetworkParameters()
    if grains.number < 2 or parameters.element not in ions.elements:
        return None
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
        fit_facets(facets, beside, surfaces.profile, weight=own.astype(np.float64), n_steps=4)
        for own in (halves[beside.index], ~halves[beside.index])
    ]
    at_ions = boundary_distances(ions.position_nm, grains.labels, facets, surfaces.near)
    voxel = grains.grid.voxel_of(ions.position_nm)
    usable = grains.usable.ravel()[voxel]
    # Near the surface of the specimen there are boundaries of which too little is left to be found.
    buried = (
        _depth_nm(grains.labels > 0, grains.grid.voxel_nm) > parameters.grain_margin_nm
    ).ravel()
    usable &= buried[voxel]
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
            )
            .reshape(count, number + 1)[:, :number]
            .T
            for element in range(len(ions.elements))
        ]
    )
    beside_each = np.maximum(np.bincount(own, minlength=count), 1)
    facet_variance = np.bincount(own, variance, count) / beside_each
    inner = round(parameters.profile_reach_nm / parameters.bin_nm)
    found_distance = parameters.bin_nm * (np.arange(number, dtype=np.float64) + 0.5)
    rich = ions.elements.index(parameters.element)
    order = np.argsort(np.argsort(facet_variance))
    group = order * _N_VARIANCES // max(count, 1)
    groups = (group[:, None] == np.arange(_N_VARIANCES)).astype(np.float64)

    # Relative to the rich element, so that its counts keep their statistics.
    volume = atomic_volumes_nm3(ions.elements)
    volume /= volume[rich]

    def fit(
        weights: FloatArray, start: LayerProfile, far: FloatArray, expected_nm: float
    ) -> FloatArray:
        held = groups * weights[:, None]
        counted = np.einsum("ebk,kg,e->ebg", atoms, held, volume)
        far = far * volume
        amount = np.maximum((groups * (weights * beside_each)[:, None]).sum(axis=0), 1.0)
        spread = (groups * (weights * beside_each * facet_variance)[:, None]).sum(axis=0) / amount
        total = counted.sum(axis=0)

        def histogram(element: int) -> DistanceHistogram:
            # The grains are one bin more, beyond all influence of the layer.
            return DistanceHistogram(
                np.append(np.repeat(found_distance[:inner], _N_VARIANCES), _FAR_NM),
                np.append(counted[element, :inner].ravel(), far[element]),
                np.append(total[:inner].ravel(), far.sum()),
                np.append(np.tile(spread, inner), 0.0),
            )

        layer = fit_layer(histogram(rich), start, expected_nm, parameters.thickness_spread_nm)
        mixed = np.array(
            [fit_amplitude(histogram(element), layer) for element in range(len(ions.elements))]
        )
        grain, network = (_atomic(part, volume) for part in (mixed[:, 0], mixed.sum(axis=1)))
        contents = np.column_stack([grain, network - grain]).ravel()
        return np.concatenate([[layer.thickness_nm, layer.sigma_nm], contents])

    clear = _depth_nm(grains.excluded == 0, grains.grid.voxel_nm) > parameters.grain_margin_nm
    away_nm = 0.5 * surfaces.profile.thickness_nm + parameters.grain_margin_nm
    deep = usable & clear.ravel()[voxel] & (at_ions.distance_nm > away_nm)
    sheet = grains.sheet_fraction.ravel()[voxel]
    on = usable & (np.abs(at_ions.distance_nm) < 0.25 * surfaces.profile.thickness_nm)
    loose_atoms = per_range[ions.label[deep]].sum(axis=0).astype(np.float64)
    if deep.any() and on.any():
        low, high = float(np.median(sheet[deep])), float(np.median(sheet[on]))
        noise = 1.4826 * float(np.median(np.abs(sheet[deep] - low)))
        limit = min(parameters.sheet_share * (high - low), parameters.sheet_noise * noise)
        deep &= sheet < low + limit
    grain_atoms = per_range[ions.label[deep]].sum(axis=0).astype(np.float64)
    expected_nm = parameters.expected_thickness_nm
    fitted = fit(np.ones(count), surfaces.profile, grain_atoms, expected_nm)
    profile = LayerProfile(fitted[2 + 2 * rich], fitted[3 + 2 * rich], fitted[0], fitted[1])
    generator = np.random.default_rng(_SEED)
    draws = np.empty((parameters.n_draws, len(fitted)))
    for draw in draws:
        weights = np.bincount(generator.integers(0, count, count), minlength=count)
        between = generator.random()
        far = between * loose_atoms + (1.0 - between) * grain_atoms
        expected_nm = parameters.expected_thickness_nm
        expected_nm += parameters.thickness_spread_nm * generator.normal()
        draw[:] = fit(weights.astype(np.float64), profile, far, expected_nm)
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
        loose_atoms,
        at_ions,
        usable,
    )


def _atomic(volume_share: FloatArray, volume: FloatArray) -> FloatArray:
    """Atomic fractions of elements by their shares in the volume."""
    number = np.maximum(volume_share, 0.0) / volume
    return number / max(float(number.sum()), 1e-12)


def _depth_nm(inside: BoolArray, voxel_nm: float) -> FloatArray:
    """Distance of each voxel inside from the nearest face of one that is not, or of the grid."""
    steps = np.asarray(ndimage.distance_transform_edt(np.pad(inside, 1)), dtype=np.float64)
    return np.maximum(steps[1:-1, 1:-1, 1:-1] - 0.5, 0.0) * voxel_nm
