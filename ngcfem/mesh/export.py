"""Meshes in the formats of other programs."""

from pathlib import Path

import numpy as np

from ngcfem.mesh.abaqus_file import write_abaqus
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.promotion import with_midside_nodes
from ngcfem.mesh.writing import write_mesh

MESH_FORMATS = {
    "inp": "Abaqus input with element sets and periodic pairs",
    "vtu": "VTK XML",
    "vtk": "VTK legacy",
    "msh": "Gmsh 4.1 binary, with its record as JSON",
    "msh22": "Gmsh 2.2 text",
    "med": "MED of Salome and code_aster",
}
_MESHIO_FORMATS = {"vtu": "vtu", "vtk": "vtk", "msh22": "gmsh22", "med": "med"}
_CELL_TYPES = {4: "tetra", 10: "tetra10", 3: "triangle", 6: "triangle6"}
# meshio orders the nodes of tetrahedra as VTK does
_FROM_GMSH = {10: [0, 1, 2, 3, 4, 5, 6, 7, 9, 8]}


def export_mesh(
    mesh: PeriodicMesh,
    path: Path,
    file_format: str,
    order: int | None = None,
    equations: bool = False,
) -> None:
    """Write a mesh for another program.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    path : Path
        File to write.
    file_format : str
        One of ``MESH_FORMATS``.
    order : {1, 2}, optional
        2 puts a node in the middle of every edge; 1 leaves midside nodes out. As it is by default.
    equations : bool
        Abaqus: whether to write the periodicity as equations.

    Raises
    ------
    ValueError
        If the format is unknown.

    Notes
    -----
    Phases and grains go along as sets (Abaqus), physical groups (Gmsh), families (MED) or cell data
    ``phase`` and ``grain`` (VTK). Lengths are in nm.
    """
    if file_format not in MESH_FORMATS:
        raise ValueError(f"unknown mesh format {file_format}")
    if order == 2:
        mesh = with_midside_nodes(mesh)
    elif order == 1 and mesh.order == 2:
        mesh = _without_midside_nodes(mesh)
    if file_format == "inp":
        write_abaqus(mesh, path, equations)
    elif file_format == "msh":
        write_mesh(mesh, path, origin={"kind": "exported"})
    else:
        _write_with_meshio(mesh, path, file_format)


def _without_midside_nodes(mesh: PeriodicMesh) -> PeriodicMesh:
    corners = mesh.cells[:, : mesh.dimension + 1]
    used, cells = np.unique(corners, return_inverse=True)
    new = np.full(len(mesh.points), -1, dtype=np.int64)
    new[used] = np.arange(len(used))
    return PeriodicMesh(
        points=mesh.points[used],
        cells=cells.reshape(corners.shape),
        torus_node=new[mesh.torus_node[used]],
        lattice=mesh.lattice,
        periodic=mesh.periodic,
        phase=mesh.phase,
        phase_names=mesh.phase_names,
        grain=mesh.grain,
    )


def _write_with_meshio(mesh: PeriodicMesh, path: Path, file_format: str) -> None:
    import meshio

    width = mesh.cells.shape[1]
    cells = mesh.cells[:, _FROM_GMSH.get(width, list(range(width)))]
    points = np.pad(mesh.points, ((0, 0), (0, 3 - mesh.dimension)))
    data = {"phase": [mesh.phase], "grain": [mesh.grain]}
    names = dict(enumerate(mesh.phase_names, 1))
    field_data = {}
    if file_format == "msh22":
        body = np.unique(np.stack([mesh.phase, mesh.grain]), axis=1, return_inverse=True)[1]
        data = {
            "gmsh:physical": [mesh.phase + np.int32(1)],
            "gmsh:geometrical": [body.ravel().astype(np.int32) + np.int32(1)],
        }
        field_data = {name: np.array([n, mesh.dimension]) for n, name in names.items()}
    if file_format == "med":
        data = {"cell_tags": [-(mesh.phase + np.int32(1))]}
    converted = meshio.Mesh(
        points, [(_CELL_TYPES[width], cells)], cell_data=data, field_data=field_data
    )
    if file_format == "med":
        # the writer of MED looks for the names here
        converted.cell_tags = {-n: [name] for n, name in names.items()}  # pyright: ignore[reportAttributeAccessIssue]
    options = {"binary": False} if file_format == "msh22" else {}
    meshio.write(path, converted, file_format=_MESHIO_FORMATS[file_format], **options)
