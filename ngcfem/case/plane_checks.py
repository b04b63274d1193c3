"""Checks that the keys of a case fit its space dimension."""

from collections.abc import Iterator, Sequence

import numpy as np

from ngcfem.case.findings import shown
from ngcfem.case.sections import (
    CompositeSection,
    HomogeneousSection,
    LaminateSection,
    MeshSection,
    Microstructure,
    SphereSection,
)
from ngcfem.errors import Finding
from ngcfem.microstructure.simple_cells import MINIMUM_SPHERE_GAP

LARGEST_PLANE_ELONGATION = 5.0
NUMBERS = {2: "two", 3: "three"}


def check_dimension(
    micro: Microstructure, mesh: MeshSection | None, file: str, given: Sequence[str]
) -> Iterator[Finding]:
    """Check that lists have as many numbers as the cell has dimensions, and what is plane only.

    Parameters
    ----------
    micro : section
        The section [microstructure].
    mesh : MeshSection or None
        The section [mesh], if it is sound.
    file : str
        Name of the case file, for the messages.
    given : sequence of str
        Keys that stand in [microstructure].

    Yields
    ------
    Finding
        Each thing that is wrong.
    """
    dimension = micro.dimension
    lists: dict[str, object] = {}
    if isinstance(micro, CompositeSection) and "cell_aspect" in given:
        lists["cell_aspect"] = micro.cell_aspect
    if isinstance(micro, HomogeneousSection | LaminateSection | SphereSection):
        lists["cell_nm"] = micro.cell_nm
    for key, value in lists.items():
        if isinstance(value, tuple) and len(value) != dimension:
            yield Finding(
                file,
                f"microstructure.{key}",
                f"{NUMBERS[len(value)]} numbers",
                f"{NUMBERS[dimension]} numbers with dimension = {dimension}",
                f"write {NUMBERS[dimension]} numbers, or set dimension = {len(value)}",
            )
    if mesh is not None and mesh.period_nm is not None and len(mesh.period_nm) != dimension:
        yield Finding(
            file,
            "mesh.period_nm",
            f"{NUMBERS[len(mesh.period_nm)]} vectors",
            f"{NUMBERS[dimension]} period vectors with dimension = {dimension}",
            f"write {NUMBERS[dimension]} rows of {NUMBERS[dimension]} numbers",
        )
    if dimension == 2:
        yield from _check_plane(micro, file)
    if mesh is not None and mesh.pattern is not None:
        yield from _check_pattern(micro, mesh.pattern, file)


def _check_plane(micro: Microstructure, file: str) -> Iterator[Finding]:
    if isinstance(micro, LaminateSection) and micro.normal == "z":
        yield Finding(
            file,
            "microstructure.normal",
            '"z"',
            '"x" or "y": z is out of the plane with dimension = 2',
            'write normal = "x" or normal = "y"',
        )
    if isinstance(micro, CompositeSection):
        aspect = micro.cell_aspect[:2]
        if max(aspect) / min(aspect) > LARGEST_PLANE_ELONGATION:
            yield Finding(
                file,
                "microstructure.cell_aspect",
                shown(micro.cell_aspect),
                f"edges that differ by a factor of {LARGEST_PLANE_ELONGATION:g} at most: more "
                "elongated plane cells have not been meshed",
                "choose a less elongated cell",
            )
    if isinstance(micro, SphereSection):
        number = len(micro.cell_nm) if isinstance(micro.cell_nm, tuple) else 2
        if number != 2:
            return
        edges = np.broadcast_to(np.asarray(micro.cell_nm, dtype=float), (2,))
        diameter = (1.0 - MINIMUM_SPHERE_GAP) * float(edges.min())
        largest = float(np.pi / 4.0 * diameter**2 / edges.prod())
        if micro.fraction >= largest:
            yield Finding(
                file,
                "microstructure.fraction",
                shown(micro.fraction),
                f"less than {largest:.4g}: the disc must keep clear of its own image",
                "choose a smaller fraction",
            )


def _check_pattern(micro: Microstructure, pattern: str, file: str) -> Iterator[Finding]:
    boxes = ("homogeneous", "glass", "laminate")
    if micro.dimension != 2 or micro.kind not in boxes:
        yield Finding(
            file,
            "mesh.pattern",
            f'"{pattern}" for the kind {micro.kind} and dimension = {micro.dimension}',
            "the key only with dimension = 2 and the kinds " + ", ".join(boxes),
            "delete the line",
        )
    elif micro.kind == "laminate" and pattern == "unstructured":
        yield Finding(
            file,
            "mesh.pattern",
            '"unstructured" for the kind laminate',
            '"crossed" or "diagonal": layers are meshed by a grid',
            'write pattern = "crossed"',
        )
