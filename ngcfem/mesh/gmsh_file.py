"""What a Gmsh file holds, taken over without judging it as a periodic mesh."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gmsh
import numpy as np

from ngcfem.errors import Finding, InputError
from ngcfem.mesh.body_phases import MeshBody, chosen_phases, named_phases, physical_names
from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.quantities import FloatArray, IntArray

SUPPORTED_VERSIONS = ("2.2", "4.1")
_PLANE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class _Simplices:
    """What the cells of a dimension are called, and how many nodes Gmsh's types of them have."""

    name: str
    body: str
    nodes_of_type: dict[int, int]


_SIMPLICES = {
    2: _Simplices("triangles", "surface", {2: 3, 9: 6}),
    3: _Simplices("tetrahedra", "volume", {4: 4, 11: 10}),
}


@dataclass(frozen=True, eq=False)
class CellsOfFile:
    """Tetrahedra, or triangles of a plane, of a Gmsh file in the order of its bodies.

    Parameters
    ----------
    points : ndarray, shape (n, 3), in the plane (n, 2)
        Positions of the nodes that cells use, in the unit of the file.
    cells : ndarray of int, shape (m, 4) or (m, 10), in the plane (m, 3) or (m, 6)
        Node numbers in Gmsh order, oriented as in the file.
    volume : ndarray of int, shape (m,)
        Tag of the elementary volume (in the plane, surface) of each cell.
    phase_of_volume : mapping of int to str
        Phase of each volume, ordered by the number of its group or as the phases were given.
    loose_nodes : int
        Nodes that no cell uses, apart from those of points and lines of a geometry.
    """

    points: FloatArray
    cells: IntArray
    volume: IntArray
    phase_of_volume: dict[int, str]
    loose_nodes: int


def read_cells(
    path: Path,
    dimension: int = 3,
    phases: Mapping[str, Sequence[int | str]] | None = None,
) -> CellsOfFile:
    """Read the tetrahedra of a Gmsh file, or the triangles of a plane one.

    Parameters
    ----------
    path : Path
        File of format 2.2 or 4.1, ASCII or binary.
    dimension : int
        3, or 2 for triangles in a plane z = const.
    phases : mapping of str to sequence of int or str, optional
        Patterns for the names, or numbers, of the groups of each phase; by default every name is a
        phase.

    Returns
    -------
    CellsOfFile
        As the file has it; only volumes (in the plane, surfaces) need physical groups.

    Raises
    ------
    InputError
        If the file is missing or broken, holds other than such cells, or a body has no name.
    """
    _check_header(path)
    with gmsh_session("file"):
        try:
            gmsh.merge(str(path))
        except Exception as error:  # Gmsh raises the bare class
            raise InputError(
                [
                    Finding(
                        file=str(path),
                        key="file",
                        found=f"Gmsh cannot read it: {error}",
                        allowed="a complete Gmsh mesh file",
                        remedy="open it in Gmsh and export it again",
                    )
                ]
            ) from error
        bodies, what = _bodies(path, dimension), _SIMPLICES[dimension].body
        if phases is None:
            phase_of_body, wrong = named_phases(bodies, str(path), what)
        else:
            phase_of_body, wrong = chosen_phases(bodies, phases, str(path), what)
        findings = [*_element_findings(path, dimension), *wrong]
        if findings:
            raise InputError(findings)
        return _take_cells(path, dimension, phase_of_body)


def _check_header(path: Path) -> None:
    def refuse(found: str, remedy: str) -> InputError:
        return InputError(
            [
                Finding(
                    file=str(path),
                    key="file",
                    found=found,
                    allowed="a Gmsh mesh file of format 2.2 or 4.1",
                    remedy=remedy,
                )
            ]
        )

    try:
        with path.open("rb") as stream:
            start = stream.read(4096)
    except OSError as error:
        raise refuse(error.strerror or "not readable", "check the path of the mesh") from error
    marker = start.find(b"$MeshFormat")
    words = start[marker:].split(None, 2)[1:2] if marker >= 0 else []
    if not words:
        raise refuse(
            "no $MeshFormat line", "export as .msh from Gmsh (meshio converts other formats)"
        )
    version = words[0].decode("ascii", "replace")
    if version not in SUPPORTED_VERSIONS:
        raise refuse(f"format {version}", "gmsh old.msh -save -format msh41 -o new.msh")


def _element_findings(path: Path, dimension: int) -> Iterator[Finding]:
    kind = _SIMPLICES[dimension]
    types = [int(t) for t in gmsh.model.mesh.getElementTypes(dimension)]
    few, many = kind.nodes_of_type.values()
    allowed = f"{kind.body}s of {few}-node, or all of {many}-node, {kind.name}"
    if dimension == 2 and len(gmsh.model.mesh.getElementTypes(3)):
        yield Finding(
            file=str(path),
            key="elements",
            found="volume elements",
            allowed="a plane mesh of triangles alone, as the dimension is 2",
            remedy="set dimension = 3 under [microstructure], or give a plane mesh",
        )
    elif dimension == 2 and not types:
        yield Finding(
            file=str(path),
            key="elements",
            found="no surface elements",
            allowed=allowed,
            remedy="mesh in two dimensions and name the surfaces by physical groups",
        )
    elif not types:
        yield Finding(
            file=str(path),
            key="elements",
            found="no volume elements",
            allowed=allowed,
            remedy="mesh in three dimensions; with physical groups on surfaces only, Gmsh saves no "
            "volumes: name the volumes too",
        )
    elif len(types) > 1 or types[0] not in kind.nodes_of_type:
        names = []
        for element_type in types:
            tags, _ = gmsh.model.mesh.getElementsByType(element_type)
            name = gmsh.model.mesh.getElementProperties(element_type)[0]
            names.append(f"{len(tags)} x {name}")
        yield Finding(
            file=str(path),
            key="elements",
            found=", ".join(names),
            allowed=allowed,
            remedy=f"mesh with {kind.name} only (no recombination, no extruded layers of prisms), "
            "all of one order",
        )


def _filled_bodies(dimension: int) -> list[int]:
    return [
        tag
        for _, tag in gmsh.model.getEntities(dimension)
        if len(gmsh.model.mesh.getElements(dimension, tag)[0])
    ]


def _bodies(path: Path, dimension: int) -> list[MeshBody]:
    """Bodies that hold cells, ordered by the number of their first group."""
    names = physical_names(path)
    bodies = []
    for tag in _filled_bodies(dimension):
        groups = []
        for number in gmsh.model.getPhysicalGroupsForEntity(dimension, tag):
            name = gmsh.model.getPhysicalName(dimension, number)
            groups.append((int(number), name or names.get((dimension, int(number)), "")))
        _, elements, _ = gmsh.model.mesh.getElements(dimension, tag)
        bodies.append(MeshBody(tag, tuple(groups), sum(len(some) for some in elements)))
    return sorted(bodies, key=lambda body: (body.number, body.tag))


def _take_cells(path: Path, dimension: int, phase_of_body: dict[int, str]) -> CellsOfFile:
    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    tags = np.asarray(tags, dtype=np.int64)
    points = np.asarray(coordinates, dtype=float).reshape(-1, 3)
    element_type = int(gmsh.model.mesh.getElementTypes(dimension)[0])
    width = _SIMPLICES[dimension].nodes_of_type[element_type]
    cells, volume = [], []
    for tag in _filled_bodies(dimension):
        _, nodes = gmsh.model.mesh.getElementsByType(element_type, tag)
        cells.append(np.asarray(nodes, dtype=np.int64).reshape(-1, width))
        volume.append(np.full(len(cells[-1]), tag, dtype=np.int64))
    by_tag = np.concatenate(cells)
    used = np.unique(by_tag)
    order = np.argsort(tags, kind="stable")
    rows = order[np.searchsorted(tags[order], used)]
    return CellsOfFile(
        points=points[rows] if dimension == 3 else _in_plane(points[rows], path),
        cells=np.searchsorted(used, by_tag),
        volume=np.concatenate(volume),
        phase_of_volume=phase_of_body,
        loose_nodes=_count_loose_nodes(tags, used, dimension),
    )


def _in_plane(points: FloatArray, path: Path) -> FloatArray:
    height = float(np.ptp(points[:, 2]))
    if height > _PLANE_TOLERANCE * float(np.ptp(points, axis=0).max()):
        raise InputError(
            [
                Finding(
                    file=str(path),
                    key="nodes",
                    found=f"z from {points[:, 2].min():g} to {points[:, 2].max():g}",
                    allowed="all nodes in one plane z = const, as the dimension is 2",
                    remedy="turn the mesh into the plane x-y",
                )
            ]
        )
    return np.ascontiguousarray(points[:, :2])


def _count_loose_nodes(tags: IntArray, used: IntArray, dimension: int) -> int:
    # nodes of points and lines of a geometry (the centre of an arc) are left in many files
    construction = [
        np.asarray(nodes, dtype=np.int64)
        for dimension in (0, 1)
        for nodes in gmsh.model.mesh.getElements(dimension)[2]
    ]
    harmless = np.concatenate([used, *construction])
    loose = np.setdiff1d(tags, harmless)
    if dimension == 2:
        return len(loose)
    surface = [np.asarray(nodes, dtype=np.int64) for nodes in gmsh.model.mesh.getElements(2)[2]]
    on_surface = np.setdiff1d(np.concatenate([*surface, loose[:0]]), used)
    return len(np.union1d(loose, on_surface))
