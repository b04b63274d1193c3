"""What a cell was asked to be and what it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.microstructure.tessellation import laguerre_cells
from ngcfem.quantities import NANOCRYSTAL

MASS_BALANCE_TOLERANCE_AT_PERCENT = 0.5


@dataclass(frozen=True)
class Descriptor:
    """One measure of a cell.

    Parameters
    ----------
    name : str
        What is measured.
    unit : str
        Its unit.
    target : float or None
        What was asked for; None where it follows from the others.
    achieved : float
        What the cell has.
    tolerance : float or None
        Largest difference allowed; None where nothing was asked for.
    """

    name: str
    unit: str
    target: float | None
    achieved: float
    tolerance: float | None

    @property
    def accepted(self) -> bool:
        """Whether the target, if there is one, is met."""
        if self.target is None or self.tolerance is None:
            return True
        return abs(self.achieved - self.target) <= self.tolerance


@dataclass(frozen=True)
class DescriptorReport:
    """All measures of a cell.

    Parameters
    ----------
    kind : str
        Kind of the cell.
    descriptors : tuple of Descriptor
        The measures.
    phase_fractions : mapping of str to float
        Volume fractions of the geometry.
    """

    kind: str
    descriptors: tuple[Descriptor, ...]
    phase_fractions: Mapping[str, float]

    @property
    def accepted(self) -> bool:
        """Whether every target is met."""
        return all(descriptor.accepted for descriptor in self.descriptors)

    def by_name(self, name: str) -> Descriptor:
        """Look a measure up.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        Descriptor
            The measure.
        """
        return next(descriptor for descriptor in self.descriptors if descriptor.name == name)


def describe_cell(
    cell: PeriodicCell, statistics: CompositeStatistics | None = None
) -> DescriptorReport:
    """Measure a cell against the statistics it was made from.

    Parameters
    ----------
    cell : PeriodicCell
        The cell.
    statistics : CompositeStatistics, optional
        Targets, for the kinds that have them.

    Returns
    -------
    DescriptorReport
        Target, achieved value and tolerance of every measure.

    Notes
    -----
    The tolerances allow for what a cell of finite size cannot do: 1e-3 of a grain volume in the
    tessellation, and in the mean crystal diameter one crystal more or less. The network thickness
    is imposed; its volume over the area between the grains is given beside it (smaller, as the
    faces share edges).
    """
    fractions = geometric_fractions(cell)
    descriptors = [Descriptor("cell volume", "nm^3", None, cell.volume_nm3, None)]
    if cell.number_of_grains and statistics is not None:
        descriptors += _grain_descriptors(cell, statistics, fractions)
    if cell.kind == "nanocomposite" and statistics is not None:
        descriptors += _crystal_descriptors(cell, statistics, fractions)
        descriptors += _mass_balance(statistics, fractions)
    return DescriptorReport(cell.kind, tuple(descriptors), fractions)


def _grain_descriptors(
    cell: PeriodicCell, statistics: CompositeStatistics, fractions: Mapping[str, float]
) -> list[Descriptor]:
    grains = laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice))
    diameters = np.array([(6.0 * grain.volume_nm3 / np.pi) ** (1.0 / 3.0) for grain in grains])
    area = 0.5 * sum(facet.area_nm2 for grain in grains for facet in grain.facets)
    mean, spread = float(diameters.mean()), float(diameters.std() / diameters.mean())
    network = fractions["interface"] * cell.volume_nm3
    return [
        Descriptor(
            "mean grain diameter",
            "nm",
            statistics.grain_diameter_nm,
            mean,
            1e-3 * statistics.grain_diameter_nm,
        ),
        Descriptor(
            "variation of the grain diameter",
            "1",
            statistics.grain_diameter_variation if cell.number_of_grains > 1 else None,
            spread,
            2e-3,
        ),
        Descriptor(
            "network thickness",
            "nm",
            statistics.interface_thickness_nm,
            cell.interface_thickness_nm,
            1e-9,
        ),
        Descriptor("network volume over area", "nm", None, network / area, None),
    ]


def _crystal_descriptors(
    cell: PeriodicCell, statistics: CompositeStatistics, fractions: Mapping[str, float]
) -> list[Descriptor]:
    diameters = np.array([2.0 * inclusion.radius_nm for inclusion in cell.inclusions])
    number = len(diameters)
    descriptors = [
        Descriptor(
            "crystal volume fraction",
            "1",
            statistics.crystal_fraction,
            fractions.get(NANOCRYSTAL, 0.0),
            0.01 * statistics.crystal_fraction,
        ),
        Descriptor("number of crystals", "1", None, float(number), None),
    ]
    if number == 0:
        return descriptors
    capped = sum(inclusion.cap is not None for inclusion in cell.inclusions)
    return [
        *descriptors,
        Descriptor(
            "mean crystal diameter",
            "nm",
            statistics.crystal_diameter_nm,
            float(diameters.mean()),
            statistics.crystal_diameter_nm * max(0.02, 0.5 / number),
        ),
        Descriptor(
            "variation of the crystal diameter",
            "1",
            statistics.crystal_diameter_variation if number > 1 else None,
            float(diameters.std() / diameters.mean()),
            2e-3,
        ),
        Descriptor(
            "share of crystals with a cap",
            "1",
            statistics.capped_share,
            capped / number,
            1.0 / number,
        ),
    ]


def _mass_balance(
    statistics: CompositeStatistics, fractions: Mapping[str, float]
) -> list[Descriptor]:
    known = statistics.compositions_at_percent
    if "bulk" not in known or not set(fractions) <= set(known):
        return []
    return [
        Descriptor(
            "Sc of all regions together",
            "at% of the metals",
            metal_percent(known["bulk"], "Sc"),
            scandium_balance_at_percent(statistics, fractions),
            MASS_BALANCE_TOLERANCE_AT_PERCENT,
        )
    ]


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
    metals = composition_at_percent["Fe"] + composition_at_percent["Sc"]
    return 100.0 * composition_at_percent[element] / metals


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

    Notes
    -----
    A region of volume fraction f and composition x_e holds f x_e / Omega atoms of element e in the
    unit volume, with Omega = sum_e x_e Omega_e its mean atomic volume (additive volumes). Hydrogen
    takes its volume but is not counted, as the nominal composition is that of the metals.
    """
    atoms = {"Fe": 0.0, "Sc": 0.0}
    for name, fraction in fractions.items():
        composition = statistics.compositions_at_percent[name]
        volume = sum(
            share * statistics.atomic_volumes_nm3[element] for element, share in composition.items()
        ) / sum(composition.values())
        for element in atoms:
            atoms[element] += fraction * composition[element] / sum(composition.values()) / volume
    return 100.0 * atoms["Sc"] / (atoms["Fe"] + atoms["Sc"])


def refuse_descriptors(report: DescriptorReport, allow: bool = False) -> None:
    """Refuse a cell that misses a target.

    Parameters
    ----------
    report : DescriptorReport
        The measures.
    allow : bool
        Whether a miss is accepted on the user's word.

    Raises
    ------
    RefusedError
        Names every target that is missed.
    """
    missed = [
        f"{d.name}: {d.achieved:.5g} {d.unit} instead of {d.target:.5g} +- {d.tolerance:.2g}"
        for d in report.descriptors
        if not d.accepted
    ]
    if missed and not allow:
        raise RefusedError(
            f"the {report.kind} cell misses its targets: " + "; ".join(missed) + ". "
            "Use more grains or another seed, or correct the statistics."
        )
