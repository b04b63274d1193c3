from dataclasses import replace

import numpy as np

from ngcfem.mesh.crystal_bodies import crystal_bodies, inclusion_bodies
from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.microstructure.simple_cells import homogeneous_cell


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


def two_discs(first, second, radius=0.8):
    """A cell of 6 by 4 with two crystals."""
    return PeriodicCell(
        kind="sphere",
        lattice=np.diag([6.0, 4.0]),
        phase_names=("glass", "crystal"),
        sites=np.zeros((0, 2)),
        weights=np.zeros(0),
        inclusions=(Inclusion(first, radius), Inclusion(second, radius)),
        rotation=np.eye(2),
    )


def test_inclusions_keep_the_number_they_have_in_the_cell():
    mesh = chequered(lambda i, j: (i, j) in {(4, 0), (1, 2)})
    for places in (((4.5, 0.5), (1.5, 2.5)), ((1.5, 2.5), (4.5, 0.5))):
        # By place the second of the first pair would come first. Images make no difference.
        first, second = places
        cell = two_discs(first, (second[0] - 6.0, second[1] + 8.0))
        bodies = inclusion_bodies(mesh, "crystal", cell)
        np.testing.assert_allclose(bodies.centre_nm, places)
        assert bodies.volume_nm3.tolist() == [1.0, 1.0]


def test_crystals_that_touch_in_the_mesh_stay_two():
    mesh = chequered(lambda i, j: j == 1 and i in (1, 2, 3, 4))
    bodies = inclusion_bodies(mesh, "crystal", two_discs((2.0, 1.5), (4.0, 1.5)))
    assert bodies.volume_nm3.tolist() == [2.0, 2.0]
    # A small neighbour takes what is nearer to its surface, not to its centre.
    cell = two_discs((2.0, 1.5), (4.0, 1.5))
    large = replace(cell.inclusions[0], radius_nm=2.4)
    bodies = inclusion_bodies(
        mesh, "crystal", replace(cell, inclusions=(large, cell.inclusions[1]))
    )
    assert bodies.volume_nm3.tolist() == [2.5, 1.5]


def test_an_inclusion_that_the_mesh_does_not_show_has_no_volume():
    mesh = chequered(lambda i, j: (i, j) == (4, 0))
    bodies = inclusion_bodies(mesh, "crystal", two_discs((1.5, 2.5), (4.5, 0.5)))
    assert bodies.volume_nm3.tolist() == [0.0, 1.0]
    assert set(bodies.number) == {1}


def test_a_stretched_crystal_has_what_is_inside_it():
    mesh = generate_mesh(homogeneous_cell("crystal", 16.0), 1.6, use_cache=False)
    long = Inclusion(
        (3.0, 8.0, 8.0),
        2.0,
        stretch=((2.0, 0.0, 0.0), (0.0, 2.0**-0.5, 0.0), (0.0, 0.0, 2.0**-0.5)),
    )
    # Half axes 4, 1.4 and 1.4 nm: at its tip it is 0.5 nm from the ball.
    ball = Inclusion((8.5, 8.0, 8.0), 1.0)
    cell = PeriodicCell(
        kind="sphere",
        lattice=mesh.lattice,
        phase_names=("glass", "crystal"),
        sites=np.zeros((0, 3)),
        weights=np.zeros(0),
        inclusions=(ball, long),
    )
    bodies = inclusion_bodies(mesh, "crystal", cell)
    arms = mesh.points[mesh.cells[bodies.cells, :4]].mean(axis=1) - [3.0, 8.0, 8.0]
    inside = np.linalg.norm(arms / [4.0, 2.0**0.5, 2.0**0.5], axis=1) < 1.0
    nearer_to_the_ball = np.abs(arms[:, 0]) > np.linalg.norm(arms - [5.5, 0.0, 0.0], axis=1)
    assert (inside & nearer_to_the_ball).any()
    assert (bodies.number[inside] == 1).all()
    in_ball = np.linalg.norm(arms - [5.5, 0.0, 0.0], axis=1) < 1.0
    assert in_ball.any()
    assert (bodies.number[in_ball] == 0).all()
