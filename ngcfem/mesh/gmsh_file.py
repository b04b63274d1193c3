"""What a Gmsh file holds, taken over without judging it as a periodic mesh."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gmsh
import numpy as np

from ngcfem.errors import Finding, InputError
from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.quantities import FloatArray, IntArray

SUPPORTED_VERSIONS = ("2.2", "4.1")
_TETRAHEDRON_TYPES = {4: 4, 11: 10}


@dataclass(frozen=True, eq=False)
class TetrahedraOfFile:
    """Tetrahedra of a Gmsh file in the order of its volumes.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Positions of the nodes that tetrahedra use, in the unit of the file.
    cells : ndarray of int, shape (m, 4) or (m, 10)
        Node numbers in Gmsh order, oriented as in the file.
    volume : ndarray of int, shape (m,)
        Tag of the elementary volume of each cell.
    phase_of_volume : mapping of int to str
        Name of the physical group of each volume, ordered by the number of the group.
    loose_nodes : int
        Nodes that no tetrahedron uses, apart from those of points and lines of a geometry.
    """

    points: FloatArray
    cells: IntArray
    volume: IntArray
    phase_of_volume: dict[int, str]
    loose_nodes: int


def read_tetrahedra(path: Path) -> TetrahedraOfFile:
    """Read the tetrahedra of a Gmsh file.

    Parameters
    ----------
    path : Path
        File of format 2.2 or 4.1, ASCII or binary.

    Returns
    -------
    TetrahedraOfFile
        As the file has it; only volumes need physical groups.

    Raises
    ------
    InputError
        If the file is missing or broken, holds other than tetrahedra, or a volume has no name.
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
        findings = [*_element_findings(path), *_name_findings(path)]
        if findings:
            raise InputError(findings)
        return _take_tetrahedra()


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


def _element_findings(path: Path) -> Iterator[Finding]:
    types = [int(t) for t in gmsh.model.mesh.getElementTypes(3)]
    allowed = "volumes of 4-node, or all of 10-node, tetrahedra"
    if not types:
        yield Finding(
            file=str(path),
            key="elements",
            found="no volume elements",
            allowed=allowed,
            remedy="mesh in three dimensions; with physical groups on surfaces only, Gmsh saves no "
            "volumes: name the volumes too",
        )
    elif len(types) > 1 or types[0] not in _TETRAHEDRON_TYPES:
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
            remedy="mesh with tetrahedra only (no recombination, no extruded layers of prisms), "
            "all of one order",
        )


def _filled_volumes() -> list[int]:
    return [
        tag
        for dimension, tag in gmsh.model.getEntities(3)
        if len(gmsh.model.mesh.getElements(dimension, tag)[0])
    ]


def _name_findings(path: Path) -> Iterator[Finding]:
    for tag in _filled_volumes():
        groups = [int(g) for g in gmsh.model.getPhysicalGroupsForEntity(3, tag)]
        names = [gmsh.model.getPhysicalName(3, group) for group in groups]
        if len(groups) == 1 and names[0]:
            continue
        if not groups:
            found = "no physical group"
        elif len(groups) > 1:
            found = f"{len(groups)} physical groups: {', '.join(sorted(names))}"
        else:
            found = f"physical group {groups[0]} without a name"
        yield Finding(
            file=str(path),
            key=f"volume {tag}",
            found=found,
            allowed="exactly one named physical group: the phase",
            remedy='in Gmsh: Physical Volume("grain") = {...}, and save with format 2.2 or 4.1',
        )


def _take_tetrahedra() -> TetrahedraOfFile:
    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    tags = np.asarray(tags, dtype=np.int64)
    points = np.asarray(coordinates, dtype=float).reshape(-1, 3)
    element_type = int(gmsh.model.mesh.getElementTypes(3)[0])
    width = _TETRAHEDRON_TYPES[element_type]
    cells, volume = [], []
    group_of_volume = {}
    for tag in _filled_volumes():
        _, nodes = gmsh.model.mesh.getElementsByType(element_type, tag)
        cells.append(np.asarray(nodes, dtype=np.int64).reshape(-1, width))
        volume.append(np.full(len(cells[-1]), tag, dtype=np.int64))
        group_of_volume[tag] = int(gmsh.model.getPhysicalGroupsForEntity(3, tag)[0])
    by_tag = np.concatenate(cells)
    used = np.unique(by_tag)
    order = np.argsort(tags, kind="stable")
    rows = order[np.searchsorted(tags[order], used)]
    return TetrahedraOfFile(
        points=points[rows],
        cells=np.searchsorted(used, by_tag),
        volume=np.concatenate(volume),
        phase_of_volume={
            tag: gmsh.model.getPhysicalName(3, group)
            for tag, group in sorted(group_of_volume.items(), key=lambda item: (item[1], item[0]))
        },
        loose_nodes=_count_loose_nodes(tags, used),
    )


def _count_loose_nodes(tags: IntArray, used: IntArray) -> int:
    # nodes of points and lines of a geometry (the centre of an arc) are left in many files
    construction = [
        np.asarray(nodes, dtype=np.int64)
        for dimension in (0, 1)
        for nodes in gmsh.model.mesh.getElements(dimension)[2]
    ]
    harmless = np.concatenate([used, *construction])
    surface = [np.asarray(nodes, dtype=np.int64) for nodes in gmsh.model.mesh.getElements(2)[2]]
    loose = np.setdiff1d(tags, harmless)
    on_surface = np.setdiff1d(np.concatenate([*surface, loose[:0]]), used)
    return len(np.union1d(loose, on_surface))
