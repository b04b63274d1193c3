"""Field snapshots as VTU, PVTU and PVD files: the only module that knows a field format."""

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.quantities import FloatArray, IntArray
from ngcfem.results.atomic import write_file_atomically, write_text_atomically

VTK_FROM_GMSH: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7, 9, 8)
"""Quadratic tetrahedron: ``cells[:, VTK_FROM_GMSH]`` turns Gmsh's node order into VTK's."""
VTK_FROM_DOLFINX: tuple[int, ...] = (0, 1, 2, 3, 9, 6, 8, 7, 5, 4)
"""Quadratic tetrahedron: ``cells[:, VTK_FROM_DOLFINX]`` turns DOLFINx's node order into VTK's."""

VTK_TRIANGLE_FROM_DOLFINX: tuple[int, ...] = (0, 1, 2, 5, 3, 4)
"""Quadratic triangle: turns DOLFINx's node order into VTK's, which is that of Gmsh."""

COLLECTION_NAME = "fields.pvd"
_VTK_CELL_TYPES = {3: 5, 6: 22, 4: 10, 10: 24}
"""Type of a cell by its number of nodes: linear and quadratic triangle and tetrahedron."""


def write_fields(
    directory: Path,
    step: int,
    time: float,
    points: FloatArray,
    cells: IntArray,
    point_data: Mapping[str, np.ndarray],
    cell_data: Mapping[str, np.ndarray],
    rank: int = 0,
    size: int = 1,
    names: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Write the part of a snapshot that one rank owns; with one rank, the collection as well.

    Not collective. With several ranks call it on each of them, wait for all, and then call
    ``index_fields`` on rank 0.

    Parameters
    ----------
    directory : Path
        The ``fields`` directory of a run; made if missing.
    step : int
        Number of the snapshot, part of the file name.
    time : float
        Time of the snapshot in s.
    points : ndarray, shape (n, 3)
        Undeformed positions in nm, not wrapped: every cell geometrically whole.
    cells : ndarray of int, shape (m, 4) or (m, 10), in the plane (m, 3) or (m, 6)
        Rows of ``points`` in the order of VTK's linear or quadratic tetrahedron: the vertices, then
        the middles of the edges 01, 12, 02, 03, 13, 23. ``VTK_FROM_GMSH`` and ``VTK_FROM_DOLFINX``
        turn the orders of those into it. Triangles: the vertices, then the edges 01, 12, 20.
    point_data : mapping of str to ndarray, shape (n, ...)
        Fields at the points: scalars, (n, 3) vectors or (n, 3, 3) tensors. A name carries its unit,
        ``displacement [nm]``.
    cell_data : mapping of str to ndarray, shape (m, ...)
        Fields per cell, such as ``cauchy_stress [GPa]``, ``equivalent_plastic_strain [-]``,
        ``phase`` and ``grain``.
    rank, size : int
        This rank and the number of ranks.
    names : mapping of str to sequence of str or None
        Lists of names kept in the file, such as ``{"phase_names": ["grain", "interface"]}`` for the
        numbers in ``phase``.

    Returns
    -------
    Path
        The VTU file of this rank.

    Raises
    ------
    ValueError
        If an array does not fit the points or cells.
    ResourceError
        If the disk is full.

    Notes
    -----
    Binary VTU with zlib compression; floating-point fields in double precision. Each file is
    written whole or not at all. Rows of tensors become the nine components xx, xy, xz, yx, ...
    """
    _check(points, cells, point_data, cell_data)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _piece_name(step, rank, size)
    write_file_atomically(
        path,
        lambda temporary: _write_piece(
            temporary, points, cells, point_data, cell_data, names or {}
        ),
    )
    if size == 1:
        index_fields(directory, step, time, size)
    return path


def index_fields(directory: Path, step: int, time: float, size: int) -> Path:
    """Enter a snapshot into the collection once all ranks have written their parts.

    Parameters
    ----------
    directory : Path
        The ``fields`` directory of a run.
    step : int
        Number of the snapshot.
    time : float
        Time of the snapshot in s.
    size : int
        Number of ranks that wrote it.

    Returns
    -------
    Path
        The collection ``fields.pvd``, to be opened in ParaView.

    Raises
    ------
    FileNotFoundError
        If a rank's part is missing.
    ResourceError
        If the disk is full.

    Notes
    -----
    Snapshots behind ``step`` leave the collection: after a resume from an earlier checkpoint they
    belong to a course of the run that is void.
    """
    pieces = [directory / _piece_name(step, rank, size) for rank in range(size)]
    for piece in pieces:
        if not piece.exists():
            raise FileNotFoundError(f"part of the snapshot is missing: {piece}")
    entry = pieces[0].name
    if size > 1:
        entry = f"fields_{step:06d}.pvtu"
        write_text_atomically(directory / entry, _parallel_index(pieces))
    collection = directory / COLLECTION_NAME
    kept = {
        number: (instant, file)
        for number, instant, file in read_collection(collection)
        if number < step
    }
    kept[step] = (time, entry)
    root = ElementTree.Element("VTKFile", type="Collection", version="1.0")
    listing = ElementTree.SubElement(root, "Collection")
    for number, (instant, file) in sorted(kept.items()):
        ElementTree.SubElement(
            listing, "DataSet", timestep=repr(float(instant)), name=str(number), part="0", file=file
        )
    write_text_atomically(collection, _xml(root))
    return collection


def read_collection(collection: Path) -> list[tuple[int, float, str]]:
    """List the snapshots of a collection.

    Parameters
    ----------
    collection : Path
        A ``fields.pvd``.

    Returns
    -------
    list of tuple
        Number, time in s and file name of each snapshot, in order; empty if there is no collection.
    """
    if not collection.exists():
        return []
    return sorted(
        (
            int(entry.get("name") or 0),
            float(entry.get("timestep") or 0.0),
            str(entry.get("file")),
        )
        for entry in ElementTree.parse(collection).iter("DataSet")
    )


def _piece_name(step: int, rank: int, size: int) -> str:
    return f"fields_{step:06d}.vtu" if size == 1 else f"fields_{step:06d}_{rank:04d}.vtu"


def _check(
    points: FloatArray,
    cells: IntArray,
    point_data: Mapping[str, np.ndarray],
    cell_data: Mapping[str, np.ndarray],
) -> None:
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"points have the shape {points.shape}, not (n, 3)")
    if cells.ndim != 2 or cells.shape[1] not in _VTK_CELL_TYPES:
        raise ValueError(
            f"cells have the shape {cells.shape}, not (m, 4) or (m, 10), nor (m, 3) or (m, 6)"
        )
    if cells.size and not (int(cells.min()) >= 0 and int(cells.max()) < len(points)):
        raise ValueError("cells name points that do not exist")
    for place, data, rows in (("point", point_data, len(points)), ("cell", cell_data, len(cells))):
        for name, values in data.items():
            if values.shape[:1] != (rows,) or values.shape[1:] not in ((), (3,), (3, 3)):
                raise ValueError(
                    f"{place} field {name!r} has the shape {values.shape}, not ({rows},), "
                    f"({rows}, 3) or ({rows}, 3, 3)"
                )


def _write_piece(
    path: Path,
    points: FloatArray,
    cells: IntArray,
    point_data: Mapping[str, np.ndarray],
    cell_data: Mapping[str, np.ndarray],
    names: Mapping[str, Sequence[str]],
) -> None:
    # The plain data model and XML modules of VTK: unlike `import vtk` they need no OpenGL library.
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints, vtkStringArray
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkUnstructuredGrid
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    grid = vtkUnstructuredGrid()
    # VTK borrows the memory of the arrays: they must live until the file is written.
    borrowed: list[np.ndarray] = []

    def borrow(values: np.ndarray, kind: Any) -> np.ndarray:
        borrowed.append(np.ascontiguousarray(values, dtype=kind))
        return borrowed[-1]

    vtk_points = vtkPoints()
    vtk_points.SetData(numpy_to_vtk(borrow(points, np.float64)))
    grid.SetPoints(vtk_points)
    width = cells.shape[1]
    offsets = np.arange(0, width * len(cells) + 1, width)
    connectivity = vtkCellArray()
    connectivity.SetData(
        numpy_to_vtkIdTypeArray(borrow(offsets, np.int64)),
        numpy_to_vtkIdTypeArray(borrow(cells.reshape(-1), np.int64)),
    )
    grid.SetCells(_VTK_CELL_TYPES[width], connectivity)
    for attributes, data in ((grid.GetPointData(), point_data), (grid.GetCellData(), cell_data)):
        for name, values in data.items():
            kind = np.float64 if values.dtype.kind == "f" else np.int32
            flat = values.reshape(len(values), int(np.prod(values.shape[1:], dtype=int)))
            array = numpy_to_vtk(borrow(flat if values.ndim > 1 else values, kind))
            array.SetName(name)
            attributes.AddArray(array)
    for name, words in names.items():
        strings = vtkStringArray()
        strings.SetName(name)
        for word in words:
            strings.InsertNextValue(word)
        grid.GetFieldData().AddArray(strings)
    writer = vtkXMLUnstructuredGridWriter()
    writer.SetFileName(os.fspath(path))
    writer.SetInputData(grid)
    writer.SetDataModeToAppended()
    # Base64 keeps the file well-formed XML at the price of a third of its size before compression.
    writer.EncodeAppendedDataOn()
    writer.SetCompressorTypeToZLib()
    if not writer.Write():
        raise OSError(f"VTK could not write {path}")


def _parallel_index(pieces: Sequence[Path]) -> str:
    """Build a PVTU from the declarations that stand in the head of the first piece."""
    root = ElementTree.Element(
        "VTKFile", type="PUnstructuredGrid", version="1.0", byte_order="LittleEndian"
    )
    grid = ElementTree.SubElement(root, "PUnstructuredGrid", GhostLevel="0")
    for _, element in ElementTree.iterparse(pieces[0], events=("end",)):
        if element.tag in ("PointData", "CellData", "Points"):
            section = ElementTree.SubElement(grid, f"P{element.tag}")
            for array in element.iter("DataArray"):
                declared = {
                    key: value
                    for key in ("type", "Name", "NumberOfComponents")
                    if (value := array.get(key)) is not None
                }
                ElementTree.SubElement(section, "PDataArray", declared)
        if element.tag == "UnstructuredGrid":
            break
    for piece in pieces:
        ElementTree.SubElement(grid, "Piece", Source=piece.name)
    return _xml(root)


def _xml(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return '<?xml version="1.0"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


@dataclass(frozen=True, eq=False)
class FieldFile:
    """A snapshot read back, all pieces joined.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Undeformed positions of the corners in nm; a plane lies at z = 0.
    cells : ndarray of int, shape (m, 4) or (m, 3)
        Corners of the tetrahedra or triangles.
    point_data, cell_data : mapping of str to ndarray
        Fields under the names they were written with; tensors have shape (m, 3, 3).
    """

    points: FloatArray
    cells: IntArray
    point_data: Mapping[str, np.ndarray]
    cell_data: Mapping[str, np.ndarray]

    @property
    def dimension(self) -> int:
        """Space dimension."""
        return self.cells.shape[1] - 1

    @property
    def centres_nm(self) -> FloatArray:
        """Centroids of the cells, shape (m, d)."""
        return self.points[self.cells, : self.dimension].mean(axis=1)

    @property
    def volumes(self) -> FloatArray:
        """Volumes of the undeformed cells in nm^3, in the plane areas in nm^2, shape (m,)."""
        corners = self.points[self.cells, : self.dimension]
        factor = 2.0 if self.dimension == 2 else 6.0
        return np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / factor


def read_last_fields(directory: Path) -> FieldFile | None:
    """Read the last snapshot of a run.

    Parameters
    ----------
    directory : Path
        The ``fields`` directory of the run.

    Returns
    -------
    FieldFile or None
        None without a snapshot.

    Notes
    -----
    Middles of edges are dropped, as are points that no corner uses.
    """
    listed = read_collection(directory / COLLECTION_NAME)
    if not listed:
        return None
    entry = directory / listed[-1][2]
    pieces = [entry]
    if entry.suffix == ".pvtu":
        names = [piece.get("Source") for piece in ElementTree.parse(entry).iter("Piece")]
        pieces = [directory / str(name) for name in names]
    parts = [_read_piece(piece) for piece in pieces]
    starts = np.cumsum([0, *(len(part.points) for part in parts[:-1])]).tolist()
    return FieldFile(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.cells + start for part, start in zip(parts, starts, strict=True)]),
        {
            name: np.concatenate([part.point_data[name] for part in parts])
            for name in parts[0].point_data
        },
        {
            name: np.concatenate([part.cell_data[name] for part in parts])
            for name in parts[0].cell_data
        },
    )


def _read_piece(path: Path) -> FieldFile:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(os.fspath(path))
    reader.Update()
    grid = reader.GetOutput()
    plane = grid.GetCellType(0) in (5, 22)
    nodes = vtk_to_numpy(grid.GetCells().GetConnectivityArray()).astype(np.int64)
    corners = nodes.reshape(grid.GetNumberOfCells(), -1)[:, : 3 if plane else 4]
    used, cells = np.unique(corners, return_inverse=True)

    def arrays(attributes: Any, rows: np.ndarray | None) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for number in range(attributes.GetNumberOfArrays()):
            array = attributes.GetArray(number)
            values = vtk_to_numpy(array)
            values = values if rows is None else values[rows]
            tensor = array.GetNumberOfComponents() == 9
            found[array.GetName()] = values.reshape(-1, 3, 3) if tensor else values.copy()
        return found

    return FieldFile(
        np.array(vtk_to_numpy(grid.GetPoints().GetData())[used], dtype=np.float64),
        cells.reshape(corners.shape),
        arrays(grid.GetPointData(), used),
        arrays(grid.GetCellData(), None),
    )
