"""Abaqus input of a periodic mesh: sets by phase and grain, pairs of nodes, equations."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.quantities import IntArray

_ELEMENT_TYPES = {4: "C3D4", 10: "C3D10", 3: "CPE3", 6: "CPE6"}
# Abaqus numbers the last two edges of a tetrahedron the other way round than Gmsh
_FROM_GMSH = {10: [0, 1, 2, 3, 4, 5, 6, 7, 9, 8]}
_PER_LINE = 12


def periodic_pairs(mesh: PeriodicMesh) -> dict[tuple[int, ...], tuple[IntArray, IntArray]]:
    """Nodes that are images of one another, by the lattice vector between them.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.

    Returns
    -------
    dict of tuple of int to (ndarray, ndarray)
        For each shift in periods: the nodes that are displaced by it, and the nodes they are images
        of, in the same order. No node is displaced twice, and none that others refer to is
        displaced itself.
    """
    displaced = np.flatnonzero(mesh.torus_node != np.arange(len(mesh.points)))
    origin = mesh.torus_node[displaced]
    step = (mesh.points[displaced] - mesh.points[origin]) @ np.linalg.inv(mesh.lattice)
    shifts = np.round(step).astype(np.int64)
    pairs = {}
    for shift in np.unique(shifts, axis=0):
        rows = (shifts == shift).all(axis=1)
        pairs[tuple(int(k) for k in shift)] = (displaced[rows], origin[rows])
    return pairs


def write_abaqus(mesh: PeriodicMesh, path: Path, equations: bool = False) -> None:
    """Write a mesh as Abaqus input, to be included in a model.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh; lengths in nm.
    path : Path
        The ``.inp`` file.
    equations : bool
        Whether to write the periodicity as ``*EQUATION``, with one more node for each period
        vector.

    Notes
    -----
    1. Element sets: ``PHASE_<name>``, and ``GRAIN_<n>`` where there are grains.
    2. Node sets, in the order of the pairs: ``IMAGE_<shift>`` and ``SOURCE_<shift>``; a shift of
       (1, 0, -1) periods reads ``P1_0_M1``.
    3. Equations: u(image) - u(source) = sum over k of shift_k U_k, where U_k, the displacement of
       node ``PERIOD_<k>`` that belongs to no element, is the macroscopic displacement gradient
       times period vector k.
    """
    dimension = mesh.dimension
    with path.open("w", encoding="ascii", newline="\n") as stream:
        stream.write("*HEADING\nperiodic cell, lengths in nm\n")
        for number, row in enumerate(mesh.lattice.tolist(), 1):
            stream.write(f"** period {number}: {', '.join(repr(x) for x in row)}\n")
        stream.write("*NODE\n")
        lines = (
            f"{n}, " + ", ".join(repr(x) for x in place) + "\n"
            for n, place in enumerate(mesh.points.tolist(), 1)
        )
        stream.writelines(lines)
        width = mesh.cells.shape[1]
        stream.write(f"*ELEMENT, TYPE={_ELEMENT_TYPES[width]}\n")
        nodes = mesh.cells[:, _FROM_GMSH.get(width, list(range(width)))] + 1
        stream.writelines(
            f"{n}, " + ", ".join(map(str, row)) + "\n" for n, row in enumerate(nodes.tolist(), 1)
        )
        for index, name in enumerate(mesh.phase_names):
            members = np.flatnonzero(mesh.phase == index)
            stream.writelines(_set_lines("ELSET", f"PHASE_{_plain(name)}", members))
        for grain in np.unique(mesh.grain[mesh.grain >= 0]).tolist():
            members = np.flatnonzero(mesh.grain == grain)
            stream.writelines(_set_lines("ELSET", f"GRAIN_{grain}", members))
        pairs = periodic_pairs(mesh) if mesh.periodic else {}
        for shift, (images, sources) in pairs.items():
            name = "_".join(f"{'M' if k < 0 else 'P'}{abs(k)}" if k else "0" for k in shift)
            stream.writelines(_set_lines("NSET", f"IMAGE_{name}", images))
            stream.writelines(_set_lines("NSET", f"SOURCE_{name}", sources))
        if equations and pairs:
            first = len(mesh.points) + 1
            stream.write("*NODE\n")
            for k, row in enumerate(mesh.lattice.tolist()):
                stream.write(f"{first + k}, " + ", ".join(repr(x) for x in row) + "\n")
            for k in range(dimension):
                stream.write(f"*NSET, NSET=PERIOD_{k + 1}\n{first + k}\n")
            stream.writelines(_equation_lines(pairs, first, dimension))


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name).upper()


def _set_lines(keyword: str, name: str, members: IntArray) -> Iterator[str]:
    unsorted = ", UNSORTED" if keyword == "NSET" else ""
    yield f"*{keyword}, {keyword}={name}{unsorted}\n"
    numbers = (members + 1).tolist()
    for start in range(0, len(numbers), _PER_LINE):
        yield ", ".join(map(str, numbers[start : start + _PER_LINE])) + "\n"


def _equation_lines(
    pairs: dict[tuple[int, ...], tuple[IntArray, IntArray]], first: int, dimension: int
) -> Iterable[str]:
    for shift, (images, sources) in pairs.items():
        periods = [(first + k, -float(n)) for k, n in enumerate(shift) if n]
        for image, source in zip((images + 1).tolist(), (sources + 1).tolist(), strict=True):
            terms = [(image, 1.0), (source, -1.0), *periods]
            for component in range(1, dimension + 1):
                yield f"*EQUATION\n{len(terms)}\n"
                # at most four terms a line
                for start in range(0, len(terms), 4):
                    yield (
                        ", ".join(
                            f"{node}, {component}, {factor:g}"
                            for node, factor in terms[start : start + 4]
                        )
                        + "\n"
                    )
