import numpy as np

from ngcfem.mesh.crystal_bodies import crystal_bodies
from ngcfem.mesh.periodic_mesh import PeriodicMesh


def chequered(inside, columns=6, rows=4):
    """A periodic plane of squares, two triangles each; ``inside(i, j)`` is crystal."""
    points = np.array([(i, j) for j in range(rows + 1) for i in range(columns + 1)], dtype=float)
    torus = np.array(
        [(j % rows) * (columns + 1) + i % columns for j in range(rows + 1)
         for i in range(columns + 1)]
    )  # fmt: skip
    cells, phase, grain = [], [], []
    for j in range(rows):
        for i in range(columns):
            a = j * (columns + 1) + i
            b, c, d = a + 1, a + columns + 1, a + columns + 2
            cells += [(a, b, d), (a, d, c)]
            phase += 2 * [int(inside(i, j))]
            grain += 2 * [i]
    return PeriodicMesh(
        points,
        np.array(cells),
        torus,
        np.diag([float(columns), float(rows)]),
        True,
        np.array(phase, dtype=np.int32),
        ("glass", "crystal"),
        np.array(grain, dtype=np.int32),
    )


def test_a_crystal_on_the_corner_of_the_cell_is_one():
    mesh = chequered(lambda i, j: i in (0, 5) and j in (0, 3))
    bodies = crystal_bodies(mesh, "crystal")
    assert bodies.volume_nm3.tolist() == [4.0]
    assert set(bodies.number) == {0}
    # Centroid at the corner, modulo the cell.
    shift = bodies.centre_nm[0] / [6.0, 4.0]
    np.testing.assert_allclose(shift - np.round(shift), 0.0, atol=1e-12)


def test_what_touches_in_a_vertex_only_is_two():
    mesh = chequered(lambda i, j: (i, j) in {(1, 1), (2, 2)})
    assert len(crystal_bodies(mesh, "crystal").volume_nm3) == 2


def test_numbers_follow_the_place():
    places = {(4, 0): 2, (1, 2): 1, (1, 0): 0}
    mesh = chequered(lambda i, j: (i, j) in places)
    bodies = crystal_bodies(mesh, "crystal")
    np.testing.assert_allclose(bodies.centre_nm, [[1.5, 0.5], [1.5, 2.5], [4.5, 0.5]])
    for cell, number in zip(bodies.cells, bodies.number, strict=True):
        corner = mesh.points[mesh.cells[cell]].min(axis=0).astype(int)
        assert places[tuple(corner)] == number


def test_grains_part_what_is_connected():
    mesh = chequered(lambda i, j: i in (1, 2, 3))
    assert len(crystal_bodies(mesh, "crystal").volume_nm3) == 1
    assert crystal_bodies(mesh, "crystal", by_grain=True).volume_nm3.tolist() == [4.0, 4.0, 4.0]
