"""Colours of lattice directions, and the figure of the crystals."""

import itertools

import numpy as np
import pytest

from ngcfem.microstructure.orientation import quaternion_of
from ngcfem.microstructure.rotation import euler_rotation
from ngcfem.report.crystal_figure import (
    draw_crystals,
    in_standard_triangle,
    inverse_pole_colours,
    loaded_directions,
)


@pytest.mark.parametrize(
    ("direction", "colour"),
    [((0, 0, 1), (1, 0, 0)), ((0, 1, 1), (0, 1, 0)), ((1, 1, 1), (0, 0, 1))],
)
def test_corners_of_the_triangle_are_pure_in_all_their_images(direction, colour):
    images = {
        tuple(sign * part for sign, part in zip(signs, order, strict=True))
        for order in itertools.permutations(direction)
        for signs in itertools.product((-1, 1), repeat=3)
    }
    found = inverse_pole_colours(np.array(sorted(images), dtype=float))
    np.testing.assert_allclose(found, np.tile(colour, (len(images), 1)), atol=1e-12)


def test_every_direction_has_one_place_and_its_own_colour():
    directions = np.random.default_rng(1).normal(size=(500, 3))
    x, y, z = in_standard_triangle(directions).T
    assert (x >= 0.0).all()
    assert (x <= y).all()
    assert (y <= z).all()
    colours = inverse_pole_colours(directions)
    assert (colours >= 0.0).all()
    np.testing.assert_allclose(colours.max(axis=1), 1.0)
    # The corners weighted by the colour are along the direction again.
    corners = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 1]]) / np.sqrt([[1.0], [2.0], [3.0]])
    back = colours @ corners
    back /= np.linalg.norm(back, axis=1)[:, None]
    np.testing.assert_allclose(back, np.stack([x, y, z], axis=1), atol=1e-12)


def test_the_loaded_direction_is_that_which_the_rotation_brings_to_the_axis():
    rotation = euler_rotation(np.array([30.0, 50.0, 20.0]))
    found = loaded_directions(quaternion_of(rotation)[None], 2)[0]
    np.testing.assert_allclose(rotation @ found, [0.0, 0.0, 1.0], atol=1e-12)


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_figure_is_a_picture(dimension):
    entries = [
        {
            "crystal": k,
            "centre_nm": [3.0 * k] * dimension,
            "volume_nm3": 4.0,
            "orientation_quaternion": [1.0, 0.0, 0.0, 0.0],
        }
        for k in range(2)
    ]
    assert draw_crystals(entries, 1).startswith(b"\x89PNG")
