"""Field files: what ParaView and pyvista read back."""

import subprocess
import sys

import numpy as np
import pytest
import pyvista

from ngcfem.results.fields import (
    VTK_FROM_DOLFINX,
    VTK_FROM_GMSH,
    VTK_TRIANGLE_FROM_DOLFINX,
    index_fields,
    read_collection,
    write_fields,
)

# The six tetrahedra of a cube that share its diagonal 0-7; corner number = x + 2 y + 4 z.
CUBE = np.array([[x, y, z] for z in (0.0, 1.0) for y in (0.0, 1.0) for x in (0.0, 1.0)])
KUHN = np.array(
    [[0, 1, 3, 7], [0, 3, 2, 7], [0, 2, 6, 7], [0, 6, 4, 7], [0, 4, 5, 7], [0, 5, 1, 7]]
)
EDGES = {
    "vtk": [(0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3)],
    "gmsh": [(0, 1), (1, 2), (0, 2), (0, 3), (2, 3), (1, 3)],
    "dolfinx": [(2, 3), (1, 3), (1, 2), (0, 3), (0, 2), (0, 1)],
}


def quadratic(edges):
    """Ten-node cells of the cube whose mid-nodes follow a list of edges."""
    points, cells = list(CUBE), []
    for tetrahedron in KUHN:
        middles = []
        for i, j in edges:
            points.append((CUBE[tetrahedron[i]] + CUBE[tetrahedron[j]]) / 2.0)
            middles.append(len(points) - 1)
        cells.append([*tetrahedron, *middles])
    return np.array(points), np.array(cells)


def fields_of(points, cells):
    point_data = {"displacement [nm]": points * [0.1, 0.2, 0.3]}
    cell_data = {
        "cauchy_stress [GPa]": np.arange(9.0 * len(cells)).reshape(-1, 3, 3),
        "equivalent_plastic_strain [-]": np.linspace(0.0, 1.0, len(cells)),
        "phase": np.arange(len(cells), dtype=np.int32) % 2,
        "grain": np.arange(len(cells), dtype=np.int64),
    }
    return point_data, cell_data


def test_linear_cells_read_back(tmp_path):
    point_data, cell_data = fields_of(CUBE, KUHN)
    path = write_fields(
        tmp_path,
        3,
        0.25,
        CUBE,
        KUHN,
        point_data,
        cell_data,
        names={"phase_names": ["grain", "sc_rich"]},
    )
    grid = pyvista.read(path)
    volumes = grid.compute_cell_sizes(length=False, area=False)["Volume"]
    np.testing.assert_allclose(volumes, 1.0 / 6.0, rtol=1e-14)
    np.testing.assert_array_equal(grid["displacement [nm]"], point_data["displacement [nm]"])
    np.testing.assert_array_equal(
        grid["cauchy_stress [GPa]"], cell_data["cauchy_stress [GPa]"].reshape(-1, 9)
    )
    np.testing.assert_array_equal(grid["phase"], cell_data["phase"])
    np.testing.assert_array_equal(grid["grain"], cell_data["grain"])
    assert list(grid.field_data["phase_names"]) == ["grain", "sc_rich"]


@pytest.mark.parametrize(
    ("origin", "order"),
    [("vtk", range(10)), ("gmsh", VTK_FROM_GMSH), ("dolfinx", VTK_FROM_DOLFINX)],
)
def test_quadratic_cells_are_whole_and_positive(tmp_path, origin, order):
    points, cells = quadratic(EDGES[origin])
    cells = cells[:, list(order)]
    path = write_fields(tmp_path, 0, 0.0, points, cells, {}, {})
    grid = pyvista.read(path)
    assert set(grid.celltypes) == {24}
    # VTK's own shape functions map each cell affinely onto a sixth of the cube.
    for number in range(grid.n_cells):
        vtk_cell = grid.GetCell(number)
        for local in ([0.25, 0.25, 0.25], [0.0, 0.0, 0.0], [0.1, 0.7, 0.2], [0.0, 0.5, 0.5]):
            derivatives = [0.0] * 30
            vtk_cell.InterpolateDerivs(local, derivatives)
            jacobian = np.reshape(derivatives, (3, 10)) @ grid.points[cells[number]]
            assert np.linalg.det(jacobian) == pytest.approx(1.0, rel=1e-12)
    for cell in cells:
        for column, (i, j) in enumerate(EDGES["vtk"], start=4):
            np.testing.assert_array_equal(
                points[cell[column]], (points[cell[i]] + points[cell[j]]) / 2.0
            )


def test_quadratic_triangles_bulge_where_their_midside_nodes_are(tmp_path):
    # A quarter annulus in polar order: the midside nodes of the arcs lie on circles of radius 1, 2.
    radius, angle = np.meshgrid([1.0, 1.5, 2.0], np.linspace(0.0, 0.5 * np.pi, 3), indexing="ij")
    x, y = (radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel()
    points = np.column_stack([x, y, np.zeros(9)])
    # DOLFINx: vertices, then the edges opposite vertex 0, 1, 2
    cells = np.array([[0, 6, 8, 7, 4, 3], [0, 8, 2, 5, 1, 4]])
    path = write_fields(
        tmp_path, 0, 0.0, points, cells[:, VTK_TRIANGLE_FROM_DOLFINX], {}, {"phase": np.zeros(2)}
    )
    grid = pyvista.read(path)
    assert set(grid.celltypes) == {22}
    area = 0.0
    for number in range(grid.n_cells):
        vtk_cell = grid.GetCell(number)
        nodes = grid.points[cells[number, list(VTK_TRIANGLE_FROM_DOLFINX)]][:, :2]
        # three-point rule, exact for the quadratic Jacobian of a six-node triangle
        for local in ([1 / 6, 1 / 6, 0.0], [2 / 3, 1 / 6, 0.0], [1 / 6, 2 / 3, 0.0]):
            derivatives = [0.0] * 12
            vtk_cell.InterpolateDerivs(local, derivatives)
            area += np.linalg.det(np.reshape(derivatives, (2, 6)) @ nodes) / 6.0
    # Each arc is the parabola through three points of its circle, of 2/3 of chord times height
    # beyond the chord; the straight sides add the triangles of the chords.
    chord, height = np.sqrt(2.0), 1.0 - np.sqrt(0.5)
    segment = 2.0 / 3.0 * chord * height
    expected = (0.5 * 4.0 + 4.0 * segment) - (0.5 + segment)
    assert area == pytest.approx(expected, rel=1e-12)


def test_parts_of_several_ranks_make_one_snapshot(tmp_path):
    point_data, cell_data = fields_of(CUBE, KUHN)
    parts = [slice(0, 4), slice(4, 6), slice(6, 6)]
    for rank, part in enumerate(parts):
        write_fields(
            tmp_path,
            7,
            1.5,
            CUBE,
            KUHN[part],
            point_data,
            {name: values[part] for name, values in cell_data.items()},
            rank,
            len(parts),
        )
        assert not (tmp_path / "fields.pvd").exists()
    collection = index_fields(tmp_path, 7, 1.5, len(parts))
    reader = pyvista.get_reader(collection)
    assert reader.time_values == [1.5]
    grid = reader.read()[0]
    assert grid.n_cells == 6
    assert grid.volume == pytest.approx(1.0, rel=1e-13)
    np.testing.assert_array_equal(grid["grain"], cell_data["grain"])
    assert grid["cauchy_stress [GPa]"].shape == (6, 9)


def test_missing_part_is_not_indexed(tmp_path):
    write_fields(tmp_path, 1, 0.0, CUBE, KUHN, {}, {}, rank=0, size=2)
    with pytest.raises(FileNotFoundError, match="part of the snapshot"):
        index_fields(tmp_path, 1, 0.0, 2)
    assert not (tmp_path / "fields.pvd").exists()


def test_collection_orders_times_and_forgets_what_a_resume_undid(tmp_path):
    for step in (0, 5, 10):
        write_fields(tmp_path, step, step / 10.0, CUBE, KUHN, {}, {})
    write_fields(tmp_path, 5, 0.5, CUBE, KUHN, {}, {})
    assert read_collection(tmp_path / "fields.pvd") == [
        (0, 0.0, "fields_000000.vtu"),
        (5, 0.5, "fields_000005.vtu"),
    ]
    write_fields(tmp_path, 10, 1.0, CUBE, KUHN, {}, {})
    assert pyvista.get_reader(tmp_path / "fields.pvd").time_values == [0.0, 0.5, 1.0]
    assert read_collection(tmp_path / "absent.pvd") == []


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not \\(n, 3\\)"):
        write_fields(tmp_path, 0, 0.0, CUBE[:, :2], KUHN, {}, {})
    with pytest.raises(ValueError, match="not \\(m, 4\\)"):
        write_fields(tmp_path, 0, 0.0, CUBE, KUHN[:, :2], {}, {})
    with pytest.raises(ValueError, match="do not exist"):
        write_fields(tmp_path, 0, 0.0, CUBE, KUHN + 1, {}, {})
    with pytest.raises(ValueError, match="point field 'u'"):
        write_fields(tmp_path, 0, 0.0, CUBE, KUHN, {"u": np.zeros((6, 3))}, {})
    with pytest.raises(ValueError, match="cell field 'p'"):
        write_fields(tmp_path, 0, 0.0, CUBE, KUHN, {}, {"p": np.zeros((6, 4))})
    assert list(tmp_path.iterdir()) == []


def test_writing_needs_no_rendering_library(tmp_path):
    # Without an OpenGL library `import vtk` crashes, and compute nodes may have none.
    code = (
        "import sys, pathlib, numpy as np\n"
        "from ngcfem.results.fields import write_fields\n"
        "write_fields(pathlib.Path(sys.argv[1]), 0, 0.0, np.eye(4, 3), "
        "np.array([[3, 0, 1, 2]]), {}, {})\n"
        "print([m for m in sys.modules if 'Rendering' in m or m in ('vtk', 'pyvista')])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
