"""Numbers of the crystals of a specimen for the statistics file, with their intervals."""

from collections.abc import Callable

import numpy as np
from scipy.spatial import KDTree

from ngcfem.atomprobe.binomial_intervals import wilson_interval
from ngcfem.atomprobe.crystal_detection import detection_chance, smallest_detectable_radius_nm
from ngcfem.atomprobe.crystal_refit import even_directions
from ngcfem.atomprobe.crystal_results import CrystalsFound
from ngcfem.atomprobe.crystal_shapes import shrunk_shapes
from ngcfem.atomprobe.ellipsoids import ellipsoid_sphericity, shape_tensor
from ngcfem.atomprobe.parameter_file import parameter_values
from ngcfem.atomprobe.specimen_edges import SpecimenEdges
from ngcfem.atomprobe.statistics_sections import Quantity
from ngcfem.atomprobe.weighted_estimates import (
    bootstrap,
    poisson_interval,
    variation,
    weighted_mean,
)
from ngcfem.quantities import BoolArray, FloatArray, IntArray

CONTACT_NM = 0.5
"""Crystals nearer than this touch: what two interatomic distances leave no glass between."""

_DIRECTIONS = 60
_DRAWS = 2000
_SEED = 7
_SHAPE_DRAWS = 100
_LEAST_CHANCE = 0.2
_SURFACE_POINTS = 400


def crystal_quantities(found: CrystalsFound, contact_nm: float = CONTACT_NM) -> dict[str, Quantity]:
    """Measure the crystals.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.
    contact_nm : float
        Crystals whose surfaces are nearer touch.

    Returns
    -------
    dict of str to Quantity
        By the dotted keys of the statistics file; what no crystal tells is left out.

    Notes
    -----
    Means of sizes and shapes are those of the crystals that lie whole in the specimen, each
    weighted by the inverse of the chance to do so and to be found. The number density counts the
    centres inside the specimen, each weighted by the inverse of the chance of a crystal of its size
    to be found. The volume fraction is that of the parts inside the specimen, cut crystals with it,
    weighted in the same way. Distances are those of the crystals that are nearer to their neighbour
    than to the surface of the specimen. Intervals of means are Student's with the effective number
    of crystals; those of density and volume fraction take the number of crystals as Poisson
    distributed: they are intervals for the material, wider than what is uncertain about this one
    specimen.

    References
    ----------
    Hanisch (1984), Mathematische Operationsforschung und Statistik, Series Statistics 15, 409,
    doi 10.1080/02331888408801788 (nearest neighbours).
    """
    quantity = QuantityWriter(found)
    result = {
        "resolution.kernel_sigma": quantity(
            "nm", found.parameters.kernel_sigma_nm, method="chosen"
        ),
        "resolution.smallest_detectable_radius": quantity(
            "nm", smallest_detectable_radius_nm(found), method="radius of which half are found"
        ),
    }
    chance = np.maximum(detection_chance(found, found.radius_nm), _LEAST_CHANCE)
    recall = 1.0 / np.where(np.isfinite(chance), chance, 1.0)
    result |= _amounts(found, recall, quantity)
    if not len(found):
        return result
    edges = SpecimenEdges.of(found.grid, found.inside)
    weight = whole_weights(found, edges) * recall
    if np.count_nonzero(weight) >= 1:
        result |= _sizes(found, weight, quantity)
    result |= _distances(found, edges, contact_nm, quantity)
    return result


def whole_weights(found: CrystalsFound, edges: SpecimenEdges) -> FloatArray:
    """Weigh the crystals that lie whole in the specimen.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.
    edges : SpecimenEdges
        Depths of the specimen.

    Returns
    -------
    ndarray, shape (k,)
        Inverse of the chance to be whole; 0 for those that are cut.

    Notes
    -----
    A crystal is as wide as its support function, averaged over all directions of the surface.
    """
    directions = even_directions(_DIRECTIONS)
    turned = np.einsum("kij,di->kdj", found.rotation, directions)
    width = np.linalg.norm(turned * found.semi_axes_nm[:, None], axis=2).mean(axis=1)
    share = edges.share_deeper(width)
    return np.where(found.cut | (share <= 0.0), 0.0, 1.0 / np.maximum(share, 1e-3))


class QuantityWriter:
    """Maker of quantities that all carry the parameters of the search.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.
    """

    def __init__(self, found: CrystalsFound) -> None:
        self.parameters: dict[str, float | str | bool] = {
            name: value if isinstance(value, bool | str) else float(value)
            for name, value in parameter_values(found.parameters).items()
        }

    def __call__(
        self,
        unit: str,
        value: float,
        interval: tuple[float, float] | None = None,
        n: int | None = None,
        method: str = "",
    ) -> Quantity:
        """Make a measured quantity.

        Parameters
        ----------
        unit : str
            Its unit.
        value : float
            Its value.
        interval : tuple of float, optional
            Ends of its 95 % interval.
        n : int, optional
            Number of observations.
        method : str
            How it was found.

        Returns
        -------
        Quantity
            With the parameters of the search; an infinite interval is left out.
        """
        known = interval is not None and bool(np.all(np.isfinite(interval)))
        low, high = interval if interval is not None and known else (None, None)
        return Quantity(
            value=float(value),
            lo95=None if low is None else min(float(low), float(value)),
            hi95=None if high is None else max(float(high), float(value)),
            n=n or None,
            unit=unit,
            method=method,
            parameters=self.parameters,
            provenance="measured",
        )


def _amounts(
    found: CrystalsFound, recall: FloatArray, quantity: Callable[..., Quantity]
) -> dict[str, Quantity]:
    volume = max(found.volume_nm3, 1e-9)
    centred = found.centre_inside if len(found) else np.zeros(0, dtype=bool)
    number = int(np.count_nonzero(centred))
    mean_weight = float(recall[centred].mean()) if number else 1.0
    low, high = poisson_interval(number)
    factor = mean_weight / volume
    if not number:
        return {}
    parts = found.volume_of_crystals_nm3 * found.inside_share * recall
    generator = np.random.default_rng(_SEED)
    spread = np.exp(
        3.0
        * (found.radius_error_nm / found.radius_nm)
        * generator.normal(size=(_DRAWS, len(parts)))
    )
    sums = (generator.poisson(1.0, size=spread.shape) * spread * parts).sum(axis=1)
    ends = np.quantile(sums, [0.025, 0.975]) / volume
    return {
        "crystals.number_density": quantity(
            "nm^-3",
            number * factor,
            (low * factor, high * factor),
            number,
            "centres in the specimen, weighted by the inverse chance of detection; Poisson",
        ),
        "volume_fractions.nanocrystal": quantity(
            "1",
            min(parts.sum() / volume, 1.0),
            (float(ends[0]), min(float(ends[1]), 1.0)),
            len(parts),
            "volumes of the fitted ellipsoids in the specimen, weighted by the inverse chance of "
            "detection; bootstrap over crystals",
        ),
    }


def _sizes(
    found: CrystalsFound, weight: FloatArray, quantity: Callable[..., Quantity]
) -> dict[str, Quantity]:
    whole = weight > 0.0
    w, number = weight[whole], int(np.count_nonzero(whole))
    diameter, error = 2.0 * found.radius_nm[whole], 2.0 * found.radius_error_nm[whole]
    mean, low, high = weighted_mean(diameter, w, error)
    method = "whole crystals, weighted by the inverse chance to be whole and to be found"
    result = {}
    if np.isfinite(low):
        result["crystals.diameter_mean"] = quantity(
            "nm", mean, (max(low, 0.0), high), number, method
        )
    if number >= 3:
        ends = bootstrap(
            lambda pick: np.array([variation(diameter[pick], w[pick], error[pick])]), number
        )
        result["crystals.diameter_variation"] = quantity(
            "1",
            variation(diameter, w, error),
            (float(ends[0][0]), min(float(ends[1][0]), 1.0)),
            number,
            method + ", freed of the errors of the fits; bootstrap",
        )
        ratio = found.aspect_ratio[whole]
        shrunk = method + ", shapes shrunk by their errors"
        shapes, covariance = found.raw_shape[whole], found.raw_shape_covariance[whole]

        def again(pick: IntArray) -> FloatArray:
            drawn, _ = shrunk_shapes(
                shapes[pick], covariance[pick], np.ones(len(pick), dtype=bool), False
            )
            stretches = np.linalg.eigvalsh(shape_tensor(drawn))
            ratios = np.exp(np.ptp(stretches, axis=1))
            mean = float(np.average(ratios, weights=w[pick]))
            round_ = float(np.average(ellipsoid_sphericity(np.exp(stretches)), weights=w[pick]))
            return np.array([mean, variation(ratios, w[pick], np.zeros(len(pick))), round_])

        mean = float(np.average(ratio, weights=w))
        ends = bootstrap(again, number, _SHAPE_DRAWS)
        result["crystals.aspect_ratio"] = quantity(
            "1", mean, (ends[0][0], ends[1][0]), number, shrunk + "; bootstrap"
        )
        result["crystals.aspect_ratio_variation"] = quantity(
            "1",
            variation(ratio, w, np.zeros(number)),
            (ends[0][1], ends[1][1]),
            number,
            shrunk + "; bootstrap",
        )
        mean = min(float(np.average(found.sphericity[whole], weights=w)), 1.0)
        result["crystals.sphericity"] = quantity(
            "1",
            mean,
            (min(ends[0][2], mean), 1.0 if mean > ends[1][2] else min(ends[1][2], 1.0)),
            number,
            shrunk + "; bootstrap",
        )
    return result


def surface_gaps_nm(found: CrystalsFound) -> FloatArray:
    """Give the distance of each crystal to the surface of the nearest other one.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.

    Returns
    -------
    ndarray, shape (k,)
        In nm, negative where they overlap; infinite if there is no other.
    """
    gaps = np.full(len(found), np.inf)
    shell = even_directions(_SURFACE_POINTS)
    for one in range(len(found)):
        surface = found.centre_nm[one] + (shell * found.semi_axes_nm[one]) @ found.rotation[one].T
        apart = np.linalg.norm(found.centre_nm - found.centre_nm[one], axis=1)
        bound = apart - found.semi_axes_nm[:, 0] - found.semi_axes_nm[one, 0]
        for other in np.argsort(bound).tolist():
            if other == one:
                continue
            if bound[other] > gaps[one]:
                break
            gaps[one] = min(gaps[one], float(found.distance_nm(other, surface).min()))
    return gaps


def _distances(
    found: CrystalsFound,
    edges: SpecimenEdges,
    contact_nm: float,
    quantity: Callable[..., Quantity],
) -> dict[str, Quantity]:
    if len(found) < 2:
        return {}
    depth = edges.depth_at_nm(found.centre_nm)
    apart = KDTree(found.centre_nm).query(found.centre_nm, k=2)[0][:, 1]
    gaps = surface_gaps_nm(found)
    centred = found.centre_inside
    result = {}
    cases = (
        ("crystals.nearest_neighbour_distance", apart, apart),
        ("crystals.surface_distance", gaps, np.maximum(gaps, 0.0) + found.radius_nm),
    )
    for key, values, reach in cases:
        seen: BoolArray = centred & (reach < depth)
        share = edges.share_deeper(reach)
        weight = np.where(seen & (share > 0.0), 1.0 / np.maximum(share, 1e-3), 0.0)
        number = int(np.count_nonzero(weight))
        if number >= 3:
            mean, low, high = weighted_mean(values, weight)
            method = "crystals nearer to their neighbour than to the surface, after Hanisch"
            low = low if key.endswith("surface_distance") else max(low, 0.0)
            result[key] = quantity("nm", mean, (low, high), number, method)
    # a neighbour beyond the surface is missed, so crystals near it are left out
    safe = centred & (depth > found.radius_nm + contact_nm)
    number = int(np.count_nonzero(safe))
    if number:
        share = float(np.mean(gaps[safe] < contact_nm))
        low, high = (float(end) for end in wilson_interval(share, number))
        result["crystals.contact_fraction"] = quantity(
            "1", share, (low, high), number, f"surfaces nearer than {contact_nm:g} nm; Wilson"
        )
    return result
