"""Checks of the section [imperfection]: sizes, phases, and strengths that a law still bears."""

import math
from collections.abc import Generator, Iterator, Sequence

from ngcfem.case.findings import shown
from ngcfem.case.materials import CasePhase
from ngcfem.case.sections import (
    HomogeneousSection,
    ImperfectionSection,
    LaminateSection,
    Microstructure,
    SphereSection,
)
from ngcfem.case.values import NumberValue
from ngcfem.constitutive.parameters import check_parameters, strength_parameters
from ngcfem.errors import Finding

LARGEST_STRENGTH_FACTOR = 10.0
LARGEST_STANDARD_DEVIATION = 0.5
_EXTREME_DEVIATIONS = 4.0


def check_imperfection(
    section: ImperfectionSection,
    file: str,
    micro: Microstructure | None,
    materials: Sequence[CasePhase | None],
    seed: int | None,
) -> Iterator[Finding]:
    """Check an imperfection.

    Parameters
    ----------
    section : ImperfectionSection
        The section.
    file : str
        Name of the case file, for the messages.
    micro : section or None
        The section [microstructure], if it is sound.
    materials : sequence of CasePhase or None
        The phases with sound parameters.
    seed : int or None
        Seed of the case.

    Yields
    ------
    Finding
        Each thing that is wrong.
    """
    if not section.region and section.scatter is None:
        yield Finding(
            file,
            "imperfection",
            "neither a region nor a scatter",
            "one [[imperfection.region]] at least, or [imperfection.scatter]",
            "add one of the two, or delete the section",
        )
    sound = yield from _check_numbers(section, file, micro, seed)
    yield from _check_phases(section, file, materials)
    if sound:
        yield from _check_strengths(section, file, materials)


def _check_numbers(
    section: ImperfectionSection, file: str, micro: Microstructure | None, seed: int | None
) -> Generator[Finding, None, bool]:
    """Check number by number; returns whether all are sound."""
    wrong: list[Finding] = []

    def check(key: str, value: NumberValue, largest: float, example: str) -> None:
        if not 0.0 < value.value <= largest:
            upper = f" and at most {largest:g}" if math.isfinite(largest) else ""
            wrong.append(
                Finding(file, key, shown(value.value), f"more than 0{upper}", f"write {example}")
            )

    for index, region in enumerate(section.region):
        key = f"imperfection.region[{index}]"
        largest = _largest_radius_nm(micro)
        check(f"{key}.radius_nm", region.radius_nm, largest, "a radius in nm, such as 2.0")
        check(
            f"{key}.strength_factor",
            region.strength_factor,
            LARGEST_STRENGTH_FACTOR,
            "a factor: 0.9 is 10 % weaker",
        )
        if micro is not None and len(region.centre) != micro.dimension:
            wrong.append(
                Finding(
                    file,
                    f"{key}.centre",
                    f"{len(region.centre)} numbers",
                    f"{micro.dimension} numbers with dimension = {micro.dimension}",
                    "write a fraction of the cell for every direction",
                )
            )
    scatter = section.scatter
    if scatter is not None:
        key = "imperfection.scatter"
        check(
            f"{key}.standard_deviation",
            scatter.standard_deviation,
            LARGEST_STANDARD_DEVIATION,
            "a fraction: 0.02 is 2 %",
        )
        check(
            f"{key}.correlation_length_nm",
            scatter.correlation_length_nm,
            math.inf,
            "a length in nm, such as 3.0",
        )
        if scatter.seed is None and seed is None:
            wrong.append(
                Finding(
                    file,
                    f"{key}.seed",
                    "nothing, and the case has no seed either",
                    "a whole number",
                    "add seed = 1 here or at the top of the file; the same seed gives the same "
                    "field",
                )
            )
    yield from wrong
    return not wrong


def _largest_radius_nm(micro: Microstructure | None) -> float:
    """Half the shortest edge, where the case says it."""
    if not isinstance(micro, HomogeneousSection | LaminateSection | SphereSection):
        return math.inf
    cell = micro.cell_nm
    return 0.5 * (min(cell) if isinstance(cell, tuple) else cell)


def _check_phases(
    section: ImperfectionSection, file: str, materials: Sequence[CasePhase | None]
) -> Iterator[Finding]:
    if not materials or None in materials:
        return
    known = {phase.name: phase for phase in materials if phase is not None}
    strong = [name for name, phase in known.items() if strength_parameters(phase.law)]
    for index, name in enumerate(section.phases or ()):
        if name not in strong:
            law = f' with the law "{known[name].law}"' if name in known else ""
            yield Finding(
                file,
                f"imperfection.phases[{index}]",
                f'"{name}"{law}',
                "phases of the case whose law has a strength: " + (", ".join(strong) or "none"),
                "correct the name, or leave it out",
            )
    if section.phases is None and not strong:
        yield Finding(
            file,
            "imperfection",
            "no phase with a strength",
            "a phase whose law has a strength",
            "delete the section, or give a phase another law",
        )


def _check_strengths(
    section: ImperfectionSection, file: str, materials: Sequence[CasePhase | None]
) -> Iterator[Finding]:
    """Check that every phase has sound parameters at its extreme strengths."""
    least, largest = 1.0, 1.0
    for region in section.region:
        least *= min(1.0, region.strength_factor.value)
        largest *= max(1.0, region.strength_factor.value)
    if section.scatter is not None:
        span = math.exp(_EXTREME_DEVIATIONS * section.scatter.standard_deviation.value)
        least, largest = least / span, largest * span
    for phase in materials:
        if phase is None or (section.phases is not None and phase.name not in section.phases):
            continue
        names = strength_parameters(phase.law)
        for factor in (least, largest):
            scaled = {
                name: float(value) * factor if name in names else value
                for name, value in phase.parameters.items()
            }
            for name, found, allowed, _ in check_parameters(phase.law, scaled):
                yield Finding(
                    file,
                    "imperfection",
                    f'{name} = {found} of phase "{phase.name}" at a strength factor of '
                    f"{factor:.3g}",
                    allowed,
                    "keep the factors closer to 1, or leave the phase out of imperfection.phases",
                )
