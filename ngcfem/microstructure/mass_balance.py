"""Balance of the metals over the regions of a cell."""

from collections.abc import Mapping

from ngcfem.microstructure.statistics import CompositeStatistics

_METALS = ("Fe", "Sc")


def metal_percent(composition_at_percent: Mapping[str, float], element: str) -> float:
    """Share of an element among the metals Fe and Sc.

    Parameters
    ----------
    composition_at_percent : mapping of str to float
        Atomic percent by element, hydrogen included.
    element : {"Fe", "Sc"}
        The element.

    Returns
    -------
    float
        Atomic percent of the metals.
    """
    metals = sum(composition_at_percent[metal] for metal in _METALS)
    return 100.0 * composition_at_percent[element] / metals


def scandium_contributions_at_percent(
    statistics: CompositeStatistics, fractions: Mapping[str, float]
) -> dict[str, float]:
    """Scandium that each region holds, over all metal atoms of the cell.

    Parameters
    ----------
    statistics : CompositeStatistics
        Compositions and atomic volumes.
    fractions : mapping of str to float
        Volume fractions by phase.

    Returns
    -------
    dict of str to float
        Atomic percent of all Fe and Sc, by phase; they add up to the Sc content of the cell.

    Notes
    -----
    A region of volume fraction f and composition x_e holds f x_e / Omega atoms of element e in the
    unit volume, with Omega = sum_e x_e Omega_e its mean atomic volume (additive volumes). Hydrogen
    takes its volume but is not counted, as the nominal composition is that of the metals.
    """
    atoms: dict[str, dict[str, float]] = {}
    for name, fraction in fractions.items():
        composition = statistics.compositions_at_percent[name]
        total = sum(composition.values())
        volume = (
            sum(
                share * statistics.atomic_volumes_nm3[element]
                for element, share in composition.items()
            )
            / total
        )
        atoms[name] = {metal: fraction * composition[metal] / total / volume for metal in _METALS}
    metals = sum(sum(region.values()) for region in atoms.values())
    return {name: 100.0 * region["Sc"] / metals for name, region in atoms.items()}


def scandium_balance_at_percent(
    statistics: CompositeStatistics, fractions: Mapping[str, float]
) -> float:
    """Scandium content of all regions together.

    Parameters
    ----------
    statistics : CompositeStatistics
        Compositions and atomic volumes.
    fractions : mapping of str to float
        Volume fractions by phase.

    Returns
    -------
    float
        Atomic percent of Sc among Fe and Sc.
    """
    return sum(scandium_contributions_at_percent(statistics, fractions).values())
