"""Region I: crystals found in the scandium field and fitted again to the raw ions."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import KDTree
from scipy.special import expit

from ngcfem.atomprobe.composition_field import CompositionField, VoxelGrid
from ngcfem.atomprobe.crystal_candidates import Candidates, find_candidates, matrix_content
from ngcfem.atomprobe.crystal_fit import Fit, Surroundings
from ngcfem.atomprobe.crystal_model import (
    CENTRE,
    INSIDE,
    LOG_BLUR,
    LOG_RADIUS,
    OUTSIDE,
    SHAPE,
)
from ngcfem.atomprobe.crystal_refit import (
    RawIons,
    even_directions,
    fit_ellipsoid,
    fit_matrix,
    fit_sphere,
    fit_surroundings,
    fit_with_shape,
    gain_over_matrix,
)
from ngcfem.atomprobe.crystal_results import (
    CRYSTAL,
    SC_RICH_CAP,
    CrystalParameters,
    CrystalsFound,
    crystal_regions,
    found_from_fits,
    inside_specimen,
    region_of,
)
from ngcfem.atomprobe.crystal_shapes import shrunk_shapes
from ngcfem.atomprobe.ellipsoids import semi_axes, surface_distance_nm
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.quantities import BoolArray, FloatArray

__all__ = [
    "CRYSTAL",
    "SC_RICH_CAP",
    "CrystalParameters",
    "CrystalsFound",
    "crystal_regions",
    "find_crystals",
    "raw_ions",
    "region_of",
]

_SOLUTE = "Sc"
_QUICK_REACH_NM = 1.2
_NEIGHBOUR_REACH_NM = 1.3
_SURFACE_POINTS = 200
_SHAPE_COST = 5.0


def find_crystals(
    ions: RangedIons,
    composition: CompositionField,
    parameters: CrystalParameters | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> CrystalsFound:
    """Find the crystals of a specimen.

    Parameters
    ----------
    ions : RangedIons
        The ranged ions.
    composition : CompositionField
        Their field, with the voxels and the kernel of the parameters.
    parameters : CrystalParameters or None
        What the search depends on; the defaults if not given.
    watch : callable or None
        Called with the number of fits made and of all.

    Returns
    -------
    CrystalsFound
        The crystals.

    Raises
    ------
    ValueError
        If the specimen holds no scandium.

    Notes
    -----
    Candidates are depleted places of the delocalized field. A sphere is fitted to the raw ions
    around each, by maximum likelihood; those that do not raise the likelihood enough are dropped.
    Caps and flat interfaces are added where the ions show them, so that neither moves the surface
    of the crystal. One blur is then set for all, and ellipsoids are fitted. The likelihood is that
    of an ion being scandium given where it is: the specimen's surface and density do not enter,
    and a crystal that is cut is fitted with what is there of it.
    """
    chosen = parameters or CrystalParameters()
    matrix = matrix_content(composition)
    candidates = find_candidates(
        composition,
        matrix,
        chosen.least_significance,
        chosen.least_depletion,
        chosen.saddle_depth,
    )
    places = composition.volume_nm3 / ((4.0 * np.pi) ** 1.5 * composition.kernel_sigma_nm**3)
    least_gain = float(np.log(max(places, 1.0))) + chosen.log_likelihood_margin
    raw = raw_ions(ions)
    spheres = _quick_spheres(raw, candidates, matrix, least_gain, chosen)
    total = 2 * len(spheres)
    fits: list[tuple[Surroundings, Fit]] = []
    for number, sphere in enumerate(spheres):
        near = _surroundings(raw, spheres, number, chosen.fit_reach_nm)
        start = fit_sphere(
            near, *_sphere_of(sphere), chosen.blur_nm, chosen.crystal_content, matrix
        )
        fits.append(
            (
                near,
                fit_surroundings(
                    near,
                    start,
                    chosen.cap_gain,
                    chosen.slab_gain,
                    chosen.cap_content,
                    chosen.slab_content,
                ),
            )
        )
        if watch is not None:
            watch(number + 1, total)
    blur, content = _pooled([fit for _, fit in fits], chosen)
    refined: list[tuple[Surroundings, Fit]] = []
    for number, (near, fit) in enumerate(fits):
        values = fit.values.copy()
        values[LOG_BLUR], values[INSIDE] = np.log(blur), content
        anchored = replace(fit, values=values, anchor=fit.anchor.copy())
        anchored.anchor[[LOG_BLUR, INSIDE]] = np.log(blur), content
        refined.append((near, fit_ellipsoid(near, anchored)))
        if watch is not None:
            watch(len(fits) + number + 1, total)
    inside = composition.inside
    kept = _accepted(refined, composition, inside, least_gain, chosen)
    components = np.array([one.fit.values[SHAPE] for one in kept]).reshape(-1, 5)
    covariance = np.array([_block(one.fit, SHAPE) for one in kept]).reshape(-1, 5, 5)
    shapes, aspect_error = shrunk_shapes(
        components,
        covariance,
        ~np.array([one.cut for one in kept], dtype=bool),
    )
    # the second look may drop some or change their order
    raw_shapes = {
        id(one.ions): entry
        for one, entry in zip(
            kept, zip(aspect_error, components, covariance, strict=True), strict=True
        )
    }
    kept = _accepted(
        [
            (one.ions, fit_with_shape(one.ions, one.fit, shape))
            for one, shape in zip(kept, shapes, strict=True)
        ],
        composition,
        inside,
        # of noise, five more parameters make more
        least_gain + (_SHAPE_COST if shapes.any() else 0.0),
        chosen,
    )
    return found_from_fits(
        [one.fit for one in kept],
        log_likelihood_gain=np.array([one.gain for one in kept]),
        inside_share=np.array([one.share for one in kept]),
        cut=np.array([one.cut for one in kept], dtype=bool),
        aspect_ratio_error=np.array([raw_shapes[id(one.ions)][0] for one in kept]),
        raw_shape=np.array([raw_shapes[id(one.ions)][1] for one in kept]).reshape(-1, 5),
        raw_shape_covariance=np.array([raw_shapes[id(one.ions)][2] for one in kept]).reshape(
            -1, 5, 5
        ),
        blur_nm=blur,
        matrix=matrix,
        volume_nm3=composition.volume_nm3,
        least_gain=least_gain,
        n_candidates=len(candidates),
        parameters=chosen,
        grid=composition.grid,
        inside=inside,
        atoms_per_nm3=float(composition.counts[:, inside].sum())
        / max(composition.volume_nm3, composition.grid.voxel_volume_nm3),
    )


def raw_ions(ions: RangedIons) -> RawIons:
    """Prepare ranged ions for the look-up by place.

    Parameters
    ----------
    ions : RangedIons
        The ranged ions.

    Returns
    -------
    RawIons
        Those that hold atoms.
    """
    atoms = ions.atoms()
    held = atoms > 0
    position = ions.position_nm[held].astype(np.float64)
    scandium = ions.atoms_of(_SOLUTE)[held].astype(np.float64)
    return RawIons(position, scandium, atoms[held].astype(np.float64), KDTree(position))


def _sphere_of(fit: Fit) -> tuple[FloatArray, float]:
    return fit.values[CENTRE], float(np.exp(fit.values[LOG_RADIUS]))


def _quick_spheres(
    raw: RawIons,
    candidates: Candidates,
    matrix: float,
    least_gain: float,
    parameters: CrystalParameters,
) -> list[Fit]:
    """Spheres fitted to the candidates, without those in doubt and those in another one."""
    found: list[tuple[float, Fit]] = []
    for centre, radius in zip(candidates.centre_nm, candidates.radius_nm, strict=True):
        ions, _ = raw.around(centre, 1.2 * radius + _QUICK_REACH_NM)
        if not len(ions.atoms):
            continue
        blur, content = parameters.blur_nm, parameters.crystal_content
        fit = fit_sphere(ions, centre, max(radius, 0.8), blur, content, matrix)
        gain = fit.log_likelihood - fit_matrix(ions)
        if gain >= 0.5 * least_gain:
            found.append((gain, fit))
    kept: list[Fit] = []
    for _, fit in sorted(found, key=lambda entry: -entry[0]):
        centre, radius = _sphere_of(fit)
        if all(
            np.linalg.norm(centre - _sphere_of(other)[0]) > 0.9 * _sphere_of(other)[1]
            for other in kept
        ):
            kept.append(fit)
    return kept


def _surroundings(raw: RawIons, spheres: list[Fit], number: int, reach_nm: float) -> Surroundings:
    """The ions around one sphere, without those that are nearer to another one."""
    centre, radius = _sphere_of(spheres[number])
    _, chosen = raw.around(centre, radius + reach_nm)
    position = raw.position_nm[chosen]
    own = np.linalg.norm(position - centre, axis=1) - radius
    keep = np.ones(len(chosen), dtype=bool)
    for other, sphere in enumerate(spheres):
        middle, size = _sphere_of(sphere)
        apart = float(np.linalg.norm(middle - centre)) - radius - size
        if other == number or apart > reach_nm + _NEIGHBOUR_REACH_NM:
            continue
        distance = np.linalg.norm(position - middle, axis=1) - size
        keep &= ~((distance < own) & (distance < _NEIGHBOUR_REACH_NM))
    return raw.take(chosen[keep])


def _pooled(fits: list[Fit], parameters: CrystalParameters) -> tuple[float, float]:
    """Blur in nm and logit of the Sc content that suit all crystals, by their information."""
    start = (np.log(parameters.blur_nm), np.log(parameters.crystal_content))
    if not fits:
        return parameters.blur_nm, float(start[1])
    result = []
    for parameter in (LOG_BLUR, INSIDE):
        value = np.array([fit.values[parameter] for fit in fits])
        weight = 1.0 / np.maximum([fit.variance(parameter) for fit in fits], 1e-6)
        order = np.argsort(value)
        half = np.searchsorted(np.cumsum(weight[order]), 0.5 * weight.sum())
        result.append(float(value[order][min(int(half), len(value) - 1)]))
    # wider than that is no blur of a surface but a shallow depression of the noise
    return min(float(np.exp(result[0])), parameters.largest_blur_nm), result[1]


@dataclass(frozen=True, eq=False)
class _Accepted:
    """A fit that is believed, the ions it was made with, and how it lies in the specimen."""

    ions: Surroundings
    fit: Fit
    gain: float
    share: float
    cut: bool


def _accepted(
    fits: list[tuple[Surroundings, Fit]],
    composition: CompositionField,
    inside: BoolArray,
    least_gain: float,
    parameters: CrystalParameters,
) -> list[_Accepted]:
    """The fits that are crystals, the most certain first."""
    rated = [(gain_over_matrix(ions, fit), ions, fit) for ions, fit in fits]
    kept: list[_Accepted] = []
    for gain, ions, fit in sorted(rated, key=lambda entry: -entry[0]):
        share, whole = _inside_share(fit, composition.grid, inside)
        most = parameters.largest_inside_share * expit(fit.anchor[OUTSIDE])
        if gain < least_gain or expit(fit.values[INSIDE]) > most:
            continue
        if share < parameters.least_inside_volume or any(_holds(one.fit, fit) for one in kept):
            continue
        kept.append(_Accepted(ions, fit, gain, share, not whole))
    return kept


def _block(fit: Fit, place: slice) -> FloatArray:
    at = np.flatnonzero((fit.free >= place.start) & (fit.free < place.stop))
    return fit.covariance[np.ix_(at, at)]


def _holds(body: Fit, other: Fit) -> bool:
    """Whether the centre of one crystal lies inside another."""
    centre, radius = _sphere_of(body)
    axes, turn = semi_axes(radius, body.values[SHAPE])
    return bool(surface_distance_nm(other.values[CENTRE][None], centre, axes, turn)[0] < 0.0)


def _inside_share(fit: Fit, grid: VoxelGrid, inside: BoolArray) -> tuple[float, bool]:
    """Share of the volume in the specimen, and whether all of the surface is."""
    centre, radius = _sphere_of(fit)
    axes, turn = semi_axes(radius, fit.values[SHAPE])
    shell = even_directions(_SURFACE_POINTS)
    surface = centre + (shell * axes) @ turn.T
    # radii at the mid-quantiles of the volume, in an order that mixes them over the directions
    level = np.cbrt((np.arange(_SURFACE_POINTS) * 0.6180339887498949) % 1.0)
    filling = centre + (shell * level[:, None] * axes) @ turn.T
    whole = bool(inside_specimen(grid, inside, surface).all())
    return (1.0 if whole else float(inside_specimen(grid, inside, filling).mean())), whole
