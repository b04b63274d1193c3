import numpy as np

from ngcfem.mesh.connected_cells import connected_cells


def squares(columns, rows):
    """Two triangles for each square of a grid; cells 2 k and 2 k + 1 make square k."""
    corner = np.array([j * (columns + 1) + i for j in range(rows) for i in range(columns)])
    a, b, c, d = (corner + shift for shift in (0, 1, columns + 1, columns + 2))
    return np.stack([np.stack([a, b, d], 1), np.stack([a, d, c], 1)], 1).reshape(-1, 3)


def test_everything_that_shares_an_edge_is_one():
    assert set(connected_cells(squares(3, 2))) == {0}


def test_squares_that_share_a_corner_only_are_two():
    cells = squares(2, 2)[[0, 1, 6, 7]]
    number = connected_cells(cells)
    assert number[0] == number[1] != number[2] == number[3]


def test_kinds_are_never_connected():
    kind = np.repeat([5, 5, 7, 5], 2)
    number = connected_cells(squares(4, 1), kind)
    assert number.tolist() == np.repeat([number[0], number[0], number[4], number[6]], 2).tolist()
    assert len(set(number)) == 3, "the last square is cut off by the third"


def test_the_lattice_connects_by_representatives():
    cells = squares(4, 1)[[0, 1, 6, 7]]
    assert len(set(connected_cells(cells))) == 2
    # The right side of the grid is the left one, a period away.
    torus = np.where(np.arange(10) % 5 == 4, np.arange(10) - 4, np.arange(10))
    assert len(set(connected_cells(torus[cells]))) == 1
