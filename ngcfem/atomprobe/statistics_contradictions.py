"""Numbers of a statistics file that contradict each other."""

from collections.abc import Iterator

from ngcfem.atomprobe.statistics_derived import fraction_from_density
from ngcfem.atomprobe.statistics_sections import (
    Composition,
    Crystals,
    Quantity,
    StatisticsFile,
    VolumeFractions,
)
from ngcfem.errors import Finding

_COMPOSITION_CLOSURE_AT_PERCENT = 0.5
_FRACTION_CLOSURE = 0.02
_FRACTION_AND_DENSITY = 0.2


def contradictions(statistics: StatisticsFile, file: str) -> Iterator[Finding]:
    """Find what cannot be true together.

    Parameters
    ----------
    statistics : StatisticsFile
        A file whose numbers are sound one by one.
    file : str
        Its name, for the messages.

    Yields
    ------
    Finding
        Each contradiction.
    """
    yield from _compositions(statistics, file)
    yield from _fractions(statistics, file)
    if statistics.crystals is not None:
        yield from _sizes(statistics.crystals, file)
        yield from _shapes(statistics.crystals, file)
        yield from _density(statistics, file)


def _compositions(statistics: StatisticsFile, file: str) -> Iterator[Finding]:
    for region in Composition.model_fields:
        composition = getattr(statistics.composition, region)
        if composition is None:
            continue
        total = sum(composition.at_percent().values())
        if abs(total - 100.0) > _COMPOSITION_CLOSURE_AT_PERCENT:
            yield Finding(
                file,
                f"composition.{region}",
                f"elements that add up to {total:g} at%",
                f"100 within {_COMPOSITION_CLOSURE_AT_PERCENT:g} at%",
                "correct the composition",
            )
        if composition.H is not None and statistics.atomic_volumes.H is None:
            yield Finding(
                file,
                "atomic_volumes.H",
                "nothing",
                f"an atomic volume, as composition.{region} holds H",
                "add the key",
            )


def _fractions(statistics: StatisticsFile, file: str) -> Iterator[Finding]:
    if statistics.volume_fractions is not None:
        given = [
            fraction.value
            for fraction in (
                getattr(statistics.volume_fractions, name) for name in VolumeFractions.model_fields
            )
            if fraction is not None
        ]
        complete = len(given) == len(VolumeFractions.model_fields)
        total = sum(given)
        if total > 1.0 + _FRACTION_CLOSURE or (complete and total < 1.0 - _FRACTION_CLOSURE):
            yield Finding(
                file,
                "volume_fractions",
                f"fractions that add up to {total:g}",
                f"1 within {_FRACTION_CLOSURE:g} (less where some are not given)",
                "correct the fractions",
            )


def _sizes(crystals: Crystals, file: str) -> Iterator[Finding]:
    samples = crystals.diameter_samples
    if samples is None:
        return
    key = "crystals.diameter_samples"
    given = [name for name in ("diameter_mean", "diameter_variation") if getattr(crystals, name)]
    if given:
        yield Finding(
            file,
            key,
            "samples, and beside them " + " and ".join(given),
            "the samples, or mean and variation of a lognormal distribution",
            "delete the samples or the others",
        )
    if samples.unit != "nm":
        yield Finding(file, f"{key}.unit", repr(samples.unit), "'nm'", "convert the values")
    wrong = [value for value in samples.values if value <= 0.0]
    if wrong:
        yield Finding(
            file,
            f"{key}.values",
            f"{len(wrong)} of them not positive, as {wrong[0]:g}",
            "above 0",
            "correct the values",
        )


def _shapes(crystals: Crystals, file: str) -> Iterator[Finding]:
    if crystals.aspect_ratio is None:
        for name in ("aspect_ratio_variation", "shape", "orientation"):
            if getattr(crystals, name) is not None:
                yield Finding(
                    file,
                    f"crystals.{name}",
                    "a word on ellipsoids, but no aspect_ratio",
                    "it beside crystals.aspect_ratio; without that, crystals are spheres",
                    "add crystals.aspect_ratio, or delete the key",
                )
    orientation = crystals.orientation
    if orientation is None:
        return
    fibre = orientation.kind == "fibre"
    if fibre and (orientation.axis is None or not any(orientation.axis)):
        yield Finding(
            file,
            "crystals.orientation.axis",
            "nothing" if orientation.axis is None else "a vector of no length",
            "three numbers, not all 0: the axis of the fibre",
            "add axis = [0, 0, 1] or another axis",
        )
    if not fibre:
        for name in ("axis", "spread"):
            if getattr(orientation, name) is not None:
                yield Finding(
                    file,
                    f"crystals.orientation.{name}",
                    "a key that random directions do not use",
                    'it only with kind = "fibre"',
                    'delete the key, or set kind = "fibre"',
                )


def _density(statistics: StatisticsFile, file: str) -> Iterator[Finding]:
    crystals, fractions = statistics.crystals, statistics.volume_fractions
    if crystals is None or crystals.number_density is None:
        return
    if fractions is None or fractions.nanocrystal is None:
        return
    implied, density, fraction = (
        fraction_from_density(statistics),
        crystals.number_density,
        fractions.nanocrystal,
    )
    if implied is None or density.value <= 0.0:
        return
    low, high = _interval(fraction)
    implied_low, implied_high = (end * implied / density.value for end in _interval(density))
    apart = implied_low > high or implied_high < low
    if apart and abs(implied - fraction.value) > _FRACTION_AND_DENSITY * fraction.value:
        nearest = density.value * fraction.value / implied
        yield Finding(
            file,
            "crystals.number_density",
            f"{density.value:g} nm^-3, which with the size of the crystals is a volume fraction of "
            f"{implied:.3g}, but volume_fractions.nanocrystal is {fraction.value:g}",
            f"a fraction that agrees within the intervals or {_FRACTION_AND_DENSITY:.0%}: "
            f"{nearest:.4g} nm^-3 is the density of that fraction",
            "correct one of them, or delete one: the other then rules",
        )


def _interval(quantity: Quantity) -> tuple[float, float]:
    low = quantity.value if quantity.lo95 is None else quantity.lo95
    high = quantity.value if quantity.hi95 is None else quantity.hi95
    return low, high
