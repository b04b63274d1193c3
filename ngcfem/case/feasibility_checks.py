"""Checks of a composite that no seed could make, and of the turn of its cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ngcfem.atomprobe.statistics import StatisticsFile
from ngcfem.case.files import locate
from ngcfem.case.findings import shown
from ngcfem.case.sections import CompositeSection, NanocompositeSection, StatisticsSection
from ngcfem.errors import Finding


def check_feasibility(
    micro: CompositeSection,
    section: StatisticsSection | None,
    composite: StatisticsFile | None,
    directory: Path,
    file: str,
) -> Iterator[Finding]:
    """Check that a cell of these statistics can be made at all.

    Parameters
    ----------
    micro : CompositeSection
        The section [microstructure].
    section : StatisticsSection or None
        The section [statistics], if it is sound.
    composite : StatisticsFile or None
        Content of the statistics, if it is sound.
    directory : Path
        Directory of the case file.
    file : str
        Name of the case file, for the messages.

    Yields
    ------
    Finding
        Each demand that cannot be met, with the nearest that can.
    """
    yield from _rotation(micro, file)
    if section is None or composite is None:
        return
    # scipy is needed from here on
    from ngcfem.microstructure.composite_cells import crystal_gap
    from ngcfem.microstructure.feasibility import infeasible_demands
    from ngcfem.microstructure.plane_feasibility import infeasible_plane_demands
    from ngcfem.microstructure.statistics import composite_statistics

    inline = section.file is None
    origin = file if section.file is None else str(locate(directory, section.file))
    gap = micro.crystal_gap_nm if isinstance(micro, NanocompositeSection) else None
    kind, statistics = str(getattr(micro, "kind", "")), composite_statistics(composite, origin)
    if micro.dimension == 2:
        findings = infeasible_plane_demands(
            kind, statistics, micro.n_grains, crystal_gap(statistics, gap), origin
        )
    else:
        findings = infeasible_demands(
            kind,
            statistics,
            micro.n_grains,
            gap,
            origin,
            targets=not micro.allow_missed_targets,
        )
    for finding in findings:
        yield replace(finding, key=f"statistics.{finding.key}") if inline else finding


def _rotation(micro: CompositeSection, file: str) -> Iterator[Finding]:
    rotation = micro.rotation_deg
    if isinstance(rotation, tuple) and micro.dimension == 2:
        yield Finding(
            file,
            "microstructure.rotation_deg",
            shown(rotation),
            "one angle in degrees with dimension = 2",
            "write one number",
        )
    if isinstance(rotation, float) and micro.dimension == 3:
        yield Finding(
            file,
            "microstructure.rotation_deg",
            shown(rotation),
            "three Euler angles in degrees with dimension = 3 (Bunge: phi1, Phi, phi2)",
            f"write rotation_deg = [{rotation:g}, 0.0, 0.0] for a turn about z",
        )
