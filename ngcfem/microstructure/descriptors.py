"""What a cell was asked to be and what it is."""

from collections.abc import Mapping
from dataclasses import dataclass

from ngcfem.errors import RefusedError
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.crystal_descriptors import crystal_descriptors
from ngcfem.microstructure.descriptor import Descriptor, Targets
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.grain_descriptors import grain_descriptors
from ngcfem.microstructure.mass_balance import (
    metal_percent,
    scandium_contributions_at_percent,
)
from ngcfem.microstructure.plane_descriptors import plane_measures
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.quantities import GRAIN, INTERFACE, SC_RICH

MASS_BALANCE_TOLERANCE_AT_PERCENT = 0.5


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
        """Whether every target that binds is met."""
        return all(descriptor.accepted for descriptor in self.descriptors)

    @property
    def missed(self) -> tuple[Descriptor, ...]:
        """The descriptors for which the cell is refused."""
        return tuple(descriptor for descriptor in self.descriptors if not descriptor.accepted)

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

    def table(self) -> str:
        """Write the measures as a table of plain text.

        Returns
        -------
        str
            One line each: name, achieved value, unit, target with tolerance, and what became of it.
        """
        rows = [("", "achieved", "", "target", "")]
        rows += [descriptor.row() for descriptor in self.descriptors]
        widths = [max(len(row[k]) for row in rows) for k in range(5)]
        return "\n".join(
            "  "
            + "  ".join(
                (
                    name.ljust(widths[0]),
                    value.rjust(widths[1]),
                    unit.ljust(widths[2]),
                    target.ljust(widths[3]),
                    verdict,
                )
            ).rstrip()
            for name, value, unit, target, verdict in rows
        )


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
    What is imposed on the cell is held to what the construction can do: 1e-3 of a grain volume in
    the tessellation, one crystal more or less in the mean crystal diameter and in shares by number.
    What follows from it, or is only steered, is held to the 95 % interval of the statistic, and to
    10 % of it where that is wider or no interval is given: with few grains such a measure scatters
    by several per cent from one cell to the next. Where two statistics say the same thing twice
    (number density beside the fraction of the crystals), the second is reported and does not bind;
    neither does what the geometry cannot be asked for. Each descriptor says so in its remark.
    """
    fractions = geometric_fractions(cell)
    descriptors = [Descriptor("cell volume", "nm^3", None, cell.volume_nm3, None)]
    if statistics is not None and cell.dimension == 2:
        descriptors += plane_measures(cell, statistics, fractions)
    elif statistics is not None:
        targets = Targets.of(statistics)
        if cell.number_of_grains:
            descriptors += grain_descriptors(cell, statistics, targets, fractions)
        if cell.kind == "nanocomposite":
            descriptors += crystal_descriptors(cell, statistics, targets, fractions)
        if cell.kind in ("nanocomposite", "nanoglass"):
            descriptors += _fraction_descriptors(cell, targets, fractions)
        if cell.kind == "nanocomposite":
            descriptors += _mass_balance(statistics, fractions)
    return DescriptorReport(cell.kind, tuple(descriptors), fractions)


def _fraction_descriptors(
    cell: PeriodicCell, targets: Targets, fractions: Mapping[str, float]
) -> list[Descriptor]:
    """Fractions that follow from thicknesses, sizes and shares."""
    found = [
        targets.steered(
            "interface volume fraction",
            "1",
            "volume_fractions.interface",
            fractions[INTERFACE],
            remark="follows from thickness and grain size",
        )
    ]
    if cell.kind == "nanocomposite":
        found.append(
            targets.steered(
                "Sc-rich volume fraction",
                "1",
                "volume_fractions.sc_rich",
                fractions.get(SC_RICH, 0.0),
                remark="follows from share, thickness and half-angle of the caps",
            )
        )
        found.append(
            targets.steered(
                "grain volume fraction",
                "1",
                "volume_fractions.grain",
                fractions[GRAIN],
                binding=False,
                remark="what the other regions leave",
            )
        )
    return found


def _mass_balance(
    statistics: CompositeStatistics, fractions: Mapping[str, float]
) -> list[Descriptor]:
    known = statistics.compositions_at_percent
    if "bulk" not in known or not set(fractions) <= set(known):
        return []
    parts = scandium_contributions_at_percent(statistics, fractions)
    unit = "at% of the metals"
    return [
        *(
            Descriptor(f"Sc held by {name.replace('_', '-')}", unit, None, share, None)
            for name, share in parts.items()
        ),
        Descriptor(
            "Sc of all regions together",
            unit,
            metal_percent(known["bulk"], "Sc"),
            sum(parts.values()),
            MASS_BALANCE_TOLERANCE_AT_PERCENT,
        ),
    ]


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
        Names every target that is missed, with the numbers.
    """
    if allow or report.accepted:
        return
    missed = "\n".join(
        f"  {d.name}: {d.achieved:.5g} {d.unit} instead of {d.target:.5g} +- {d.tolerance:.2g}"
        for d in report.missed
    )
    raise RefusedError(
        f"the {report.kind} cell misses {len(report.missed)} of its targets:\n{missed}\n"
        "Use more grains or another seed, or correct the statistics; allow_missed_targets = true "
        "under [microstructure] accepts the cell as it is."
    )
