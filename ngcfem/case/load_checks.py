"""Checks of the load path: strains that lead somewhere, free entries, no inversion on the way."""

from collections.abc import Iterator, Sequence

import numpy as np

from ngcfem.case.findings import shown
from ngcfem.case.sections import (
    Load,
    LoadSegmentSection,
    Microstructure,
    MixedLoad,
    UniaxialStressLoad,
)
from ngcfem.errors import Finding
from ngcfem.loading.path import OUT_OF_PLANE

LARGEST_TRUE_STRAIN = 3.0
KINDS_OF_WHOLE_GRAINS: tuple[str, ...] = ("nanocomposite", "nanoglass")


def check_load(load: Load, file: str) -> Iterator[Finding]:
    """Check a load path.

    Parameters
    ----------
    load : UniaxialStressLoad or MixedLoad
        The section [load].
    file : str
        Name of the case file, for the messages.

    Yields
    ------
    Finding
        Each thing that is wrong.
    """
    if isinstance(load, MixedLoad):
        for index, segment in enumerate(load.segment):
            yield from _check_segment(file, index, segment)
        if load.kinematics == "finite":
            yield from _check_inversion(file, load.segment)
    else:
        yield from _check_uniaxial(file, load)


def check_load_of_cell(
    load: Load, file: str, microstructure: Microstructure | None, given: Sequence[str]
) -> Iterator[Finding]:
    """Check that a load path and its boundary fit the cell.

    Parameters
    ----------
    load : UniaxialStressLoad or MixedLoad
        The section [load].
    file : str
        Name of the case file, for the messages.
    microstructure : section or None
        The section [microstructure], if it is sound.
    given : sequence of str
        Keys that stand in [load].

    Yields
    ------
    Finding
        Each thing that is wrong.
    """
    if microstructure is not None and microstructure.dimension == 2:
        yield from _check_plane_strain(file, load, given)
    if load.boundary == "platens":
        if isinstance(load, MixedLoad):
            yield Finding(
                file,
                "load.kind",
                '"mixed" with boundary = "platens"',
                '"uniaxial-stress": platens prescribe the axial stretch alone',
                'set kind = "uniaxial-stress", or another boundary',
            )
        if microstructure is not None and microstructure.kind in KINDS_OF_WHOLE_GRAINS:
            yield Finding(
                file,
                "load.boundary",
                f'"platens" for the kind {microstructure.kind}',
                '"periodic" or "uniform-displacement": a cell of whole grains has no flat faces '
                "that platens could touch",
                'choose another boundary, or a box: a user\'s mesh with kind = "mesh"',
            )
    elif load.platens is not None:
        yield Finding(
            file,
            "load.platens",
            f'"{load.platens}" with boundary = "{load.boundary}"',
            'the key only with boundary = "platens"',
            'delete the line, or set boundary = "platens"',
        )


def _check_plane_strain(file: str, load: Load, given: Sequence[str]) -> Iterator[Finding]:
    if load.axis == "z":
        yield Finding(
            file,
            "load.axis",
            '"z"' if "axis" in given else 'nothing, and the default is "z"',
            '"x" or "y": a cell with dimension = 2 is in plane strain, F33 = 1',
            'write axis = "y" under [load]',
        )
    if isinstance(load, MixedLoad):
        for index, segment in enumerate(load.segment):
            for i, j in np.argwhere(OUT_OF_PLANE):
                entry = segment.deformation_gradient[i][j]
                expected = 1.0 if i == j else 0.0
                if entry != expected:
                    yield Finding(
                        file,
                        f"load.segment[{index}].deformation_gradient",
                        f"F{i + 1}{j + 1} = {shown(entry)}",
                        f"{expected:g} in plane strain (dimension = 2); P{i + 1}{j + 1} follows",
                        f"set F{i + 1}{j + 1} = {expected}",
                    )


def true_strains(load: UniaxialStressLoad) -> tuple[float, ...]:
    """True strain at the end of each segment.

    Parameters
    ----------
    load : UniaxialStressLoad
        The section [load].

    Returns
    -------
    tuple of float
        At least one.
    """
    return load.true_strain if isinstance(load.true_strain, tuple) else (load.true_strain,)


def _check_uniaxial(file: str, load: UniaxialStressLoad) -> Iterator[Finding]:
    strains = true_strains(load)
    previous = 0.0
    for strain in strains:
        if abs(strain) > LARGEST_TRUE_STRAIN:
            yield Finding(
                file,
                "load.true_strain",
                shown(strain),
                f"a true strain ln(l/l0) between {-LARGEST_TRUE_STRAIN:g} and "
                f"{LARGEST_TRUE_STRAIN:g}, compression negative",
                f"write a fraction: {strain:g} percent is {strain / 100.0:g}",
            )
        elif strain == previous:
            yield Finding(
                file,
                "load.true_strain",
                f"{shown(strain)}, where the load already is",
                "a strain other than the one before it (the load starts at 0)",
                "write the strain to go to; compression is negative: -0.8",
            )
        previous = strain
    if isinstance(load.increments, tuple) and len(load.increments) != len(strains):
        yield Finding(
            file,
            "load.increments",
            f"{len(load.increments)} numbers for {len(strains)} value(s) of true_strain",
            "one number for all, or one for each value of true_strain",
            "make the two lists equally long",
        )


def _check_segment(file: str, index: int, segment: LoadSegmentSection) -> Iterator[Finding]:
    key = f"load.segment[{index}]"
    gradient = segment.deformation_gradient
    for i in range(3):
        for j in range(i):
            if gradient[i][j] == "free" and gradient[j][i] == "free":
                yield Finding(
                    file,
                    f"{key}.deformation_gradient",
                    f'"free" at both F{j + 1}{i + 1} and F{i + 1}{j + 1}',
                    '"free" at one of two mirrored entries at most: with both free the rotation '
                    "of the cell is undetermined",
                    f"set F{i + 1}{j + 1} = 0.0",
                )
    stress = segment.first_piola_kirchhoff_stress_gpa
    for i, j in np.ndindex(3, 3):
        free = gradient[i][j] == "free"
        entry = stress[i][j] if stress is not None else 0.0
        if free and entry == "free":
            yield Finding(
                file,
                f"{key}.first_piola_kirchhoff_stress_gpa",
                f'"free" at P{i + 1}{j + 1}, where F{i + 1}{j + 1} is free too',
                "a number where the deformation gradient is free",
                f"prescribe P{i + 1}{j + 1} or F{i + 1}{j + 1}",
            )
        elif not free and entry not in ("free", 0.0):
            yield Finding(
                file,
                f"{key}.first_piola_kirchhoff_stress_gpa",
                f"P{i + 1}{j + 1} = {entry} beside F{i + 1}{j + 1} = {gradient[i][j]}",
                "one of the two prescribed, the other free",
                f'set F{i + 1}{j + 1} = "free", or P{i + 1}{j + 1} = 0.0',
            )


def _check_inversion(file: str, segments: Sequence[LoadSegmentSection]) -> Iterator[Finding]:
    """Follow the determinant of F where the path prescribes all of it."""
    start: np.ndarray | None = np.eye(3)
    for index, segment in enumerate(segments):
        key = f"load.segment[{index}].deformation_gradient"
        target = np.array(
            [[np.nan if e == "free" else e for e in row] for row in segment.deformation_gradient],
            dtype=float,
        )
        for i in range(3):
            alone = all(target[i, j] == 0.0 for j in range(3) if j != i)
            if alone and target[i, i] <= 0.0:
                yield Finding(
                    file,
                    key,
                    f"F{i + 1}{i + 1} = {target[i, i]:g}",
                    "a positive stretch (1 is undeformed; 0.95 is 5 % shorter)",
                    "write 1 plus the engineering strain",
                )
        whole = not np.isnan(target).any()
        if whole and start is not None:
            steps = np.linspace(0.0, 1.0, segment.increments + 1)[1:]
            path = start + steps[:, None, None] * (target - start)
            inverted = np.flatnonzero(np.linalg.det(path) <= 0.0)
            if inverted.size and not (np.diag(target) <= 0.0).any():
                yield Finding(
                    file,
                    key,
                    f"det F <= 0 at increment {inverted[0] + 1} of the segment",
                    "det F > 0 all along the segment",
                    "correct the entries, or go there in several segments",
                )
        start = target if whole else None
