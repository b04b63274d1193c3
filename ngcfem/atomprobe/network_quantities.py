"""Numbers of grains and network for the statistics file, with their intervals."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from ngcfem.atomprobe.binomial_intervals import wilson_interval
from ngcfem.atomprobe.grain_sizes import (
    GrainSizes,
    intercept_anisotropy,
    measure_grain_sizes,
)
from ngcfem.atomprobe.network import NetworkFound
from ngcfem.atomprobe.statistics_sections import Quantity
from ngcfem.quantities import FloatArray

_SEED = 20200906
_DRAWS = 500
_LEAST_FACETS = 4
_MATERIAL = ("Fe", "Sc", "H")

type _Maker = Callable[[str, float, FloatArray | None, int, str], Quantity]


def network_quantities(
    found: NetworkFound, parameters: dict[str, float | str | bool] | None = None
) -> dict[str, Quantity]:
    """Measure network and grains.

    Parameters
    ----------
    found : NetworkFound
        The network.
    parameters : dict or None
        Parameters to log with each number; those of the network if None.

    Returns
    -------
    dict of str to Quantity
        By the dotted keys of the statistics file; those of the grains are left out where no whole
        grain lies in the specimen.

    Notes
    -----
    Intervals of the network are quantiles of facets drawn anew, from four facets on; of grains,
    Student's and that of the variance with the effective number of grains; of their composition,
    Wilson's.
    """
    logged = parameters
    if logged is None:
        logged = {
            name: value if isinstance(value, bool | str) else float(value)
            for name, value in vars(found.parameters).items()
        }

    def make(
        unit: str, value: float, draws: FloatArray | None, number: int, method: str
    ) -> Quantity:
        low = high = None
        drawn = draws is not None and len(draws) > 2
        # Facets drawn anew from a few are the same few: their spread says nothing.
        if drawn and number < _LEAST_FACETS:
            draws = None
        if draws is not None and len(draws) and np.all(np.isfinite(draws)):
            # Two values are the ends themselves.
            ends = draws if len(draws) == 2 else np.quantile(draws, [0.025, 0.975])
            low, high = min(float(ends[0]), value), max(float(ends[1]), value)
        return Quantity(
            value=value,
            lo95=low,
            hi95=high,
            n=max(number, 1),
            unit=unit,
            method=method,
            parameters=logged,
            provenance="measured",
        )

    result = _layer(found, make) | _amounts(found, make)
    sizes = measure_grain_sizes(found.surfaces)
    return result | _sizes(sizes, make) | _grain_composition(found, logged)


def _layer(found: NetworkFound, make: _Maker) -> dict[str, Quantity]:
    number = int(np.count_nonzero(found.atoms.sum(axis=(0, 1))))
    draws, fitted = found.draws, found.fitted
    cross = "layer blurred by a Gaussian, fitted to raw ions beside facets fitted to the other half"
    result = {
        "interface.thickness": make("nm", float(fitted[0]), draws[:, 0], number, cross),
    }
    for element, key in (("Sc", "gibbs_excess_sc"), ("H", "gibbs_excess_h")):
        if element in found.elements:
            place = 3 + 2 * found.elements.index(element)
            result[f"interface.{key}"] = make(
                "at.frac nm",
                float(fitted[0] * fitted[place]),
                draws[:, 0] * draws[:, place],
                number,
                cross + "; excess over the grains times thickness",
            )
    for element in _MATERIAL:
        if element in found.elements:
            place = 2 + 2 * found.elements.index(element)
            result[f"composition.interface.{element}"] = make(
                "at%",
                100.0 * float(np.clip(fitted[place] + fitted[place + 1], 0.0, 1.0)),
                100.0 * np.clip(draws[:, place] + draws[:, place + 1], 0.0, 1.0),
                number,
                cross + "; freed of the blur",
            )
    return result


def _amounts(found: NetworkFound, make: _Maker) -> dict[str, Quantity]:
    surfaces = found.surfaces
    area, normal = surfaces.area_nm2, surfaces.normal
    number = len(area)
    generator = np.random.default_rng(_SEED)
    picks = [generator.integers(0, number, number) for _ in range(_DRAWS)]
    density = area.sum() / surfaces.volume_nm3
    densities = np.array([area[pick].sum() for pick in picks]) / surfaces.volume_nm3
    with np.errstate(divide="ignore"):
        intercepts = 2.0 / densities
    anisotropy = intercept_anisotropy(area, normal)
    ratios = np.array([intercept_anisotropy(area[pick], normal[pick]) for pick in picks[:100]])
    points = surfaces.points_nm
    voxel = surfaces.grains.grid.voxel_of(points)
    free = surfaces.grains.excluded.ravel()[voxel] == 0
    depth = np.sort(surfaces.at_points.distance_nm[free])

    def share(thickness_nm: FloatArray | float) -> FloatArray:
        return np.searchsorted(depth, 0.5 * np.asarray(thickness_nm)) / len(points)

    network = float(share(float(found.fitted[0])))
    relative = densities[: len(found.draws)] / density
    networks = share(found.draws[:, 0])[: len(relative)] * relative
    outside = float(np.count_nonzero(~free)) / len(points)
    shell = "area of the shell around fitted facets; facets drawn anew"
    return {
        "interface.area_density": make("nm^-1", float(density), densities, number, shell),
        "grains.lineal_intercept": make(
            "nm", float(2.0 / density), intercepts, number, "2 V / A; " + shell
        ),
        "grains.anisotropy": make(
            "1",
            max(2.0 * anisotropy - float(np.median(ratios)), 1.0),
            np.maximum(2.0 * anisotropy - ratios, 1.0),
            number,
            "from areas and normals of facets; freed of its bias by facets drawn anew",
        ),
        "volume_fractions.interface": make(
            "1", network, networks, number, "points nearer to a boundary than half the thickness"
        ),
        "volume_fractions.grain": make(
            "1",
            1.0 - outside - network,
            1.0 - outside - networks,
            number,
            "what is neither network nor crystal nor Sc-rich",
        ),
    }


def _sizes(sizes: GrainSizes, make: _Maker) -> dict[str, Quantity]:
    whole = sizes.whole
    number = int(np.count_nonzero(whole))
    if number < 3:
        return {}
    diameter, weight = sizes.diameter_nm[whole], sizes.weight[whole]
    roundness = sizes.sphericity[whole]
    share = weight / weight.sum()
    effective = 1.0 / float(share @ share)
    freedom = max(effective - 1.0, 1.0)
    factor = float(stats.t.ppf(0.975, freedom))
    ratio = np.sqrt(freedom / stats.chi2.ppf([0.975, 0.025], freedom))
    method = "whole grains with their half of the network, weighted by the inverse chance to be so"

    def moments(values: FloatArray) -> tuple[float, float]:
        mean = float(share @ values)
        variance = float(share @ (values - mean) ** 2) * effective / freedom
        return mean, float(np.sqrt(variance))

    def mean(values: FloatArray) -> Quantity:
        middle, deviation = moments(values)
        half = factor * deviation / np.sqrt(effective)
        return make("", middle, np.array([max(middle - half, 0.0), middle + half]), number, method)

    middle, deviation = moments(diameter)
    variation = deviation / middle
    ends = np.array([variation * ratio[0], variation * ratio[1]])
    return {
        "grains.equivalent_diameter": mean(diameter).model_copy(update={"unit": "nm"}),
        "grains.diameter_variation": make(
            "1", variation, ends, number, method + "; interval of a normal distribution"
        ),
        "grains.sphericity": mean(roundness).model_copy(update={"unit": "1"}),
    }


def _grain_composition(
    found: NetworkFound, logged: dict[str, float | str | bool]
) -> dict[str, Quantity]:
    total, loose = float(found.grain_atoms.sum()), float(found.loose_atoms.sum())
    if total == 0.0:
        return {}
    result = {}
    for element in _MATERIAL:
        if element in found.elements:
            place = found.elements.index(element)
            share = float(found.grain_atoms[place]) / total
            shares = [share, float(found.loose_atoms[place]) / loose]
            ends = wilson_interval(shares, [total, loose])
            low, high = float(ends[0].min()), float(ends[1].max())
            result[f"composition.grain.{element}"] = Quantity(
                value=100.0 * share,
                lo95=100.0 * min(low, share),
                hi95=100.0 * max(high, share),
                n=int(total),
                unit="at%",
                method="raw ions with a margin from network, crystals, islands and surface; "
                "Wilson, with and without places rich in the element",
                parameters=logged,
                provenance="measured",
            )
    return result
