import math

import numpy as np
import pytest

from ngcfem.microstructure.orientation import (
    FibreOrientation,
    crystal_orientations,
    euler_angles_deg,
    quaternion_of,
    rotation_matrices,
)
from ngcfem.microstructure.rotation import euler_rotation


def test_quaternions_and_euler_angles_go_there_and_back():
    rng = np.random.default_rng(0)
    angles = rng.uniform([0, 1, 0], [360, 179, 360], size=(50, 3))
    rotations = np.array([euler_rotation(a) for a in angles])
    quaternions = np.array([quaternion_of(R) for R in rotations])
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(rotation_matrices(quaternions), rotations, rtol=0, atol=1e-13)
    np.testing.assert_allclose(euler_angles_deg(rotations), angles, rtol=0, atol=1e-9)


def test_a_quarter_turn_about_z_is_what_it_should_be():
    R = euler_rotation(np.array([90.0, 0.0, 0.0]))
    np.testing.assert_allclose(R @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-15)
    half = math.sqrt(0.5)
    np.testing.assert_allclose(quaternion_of(R), [half, 0.0, 0.0, half], atol=1e-15)
    np.testing.assert_allclose(euler_angles_deg(R[None]), [[90.0, 0.0, 0.0]], atol=1e-9)


def test_chance_is_by_seed_phase_and_crystal():
    first = crystal_orientations("random", 5, "nanocrystal", 7)
    np.testing.assert_array_equal(crystal_orientations("random", 9, "nanocrystal", 7)[:5], first)
    assert np.abs(crystal_orientations("random", 5, "nanocrystal", 8) - first).max() > 0.1
    assert np.abs(crystal_orientations("random", 5, "grain", 7) - first).max() > 0.1
    assert crystal_orientations("random", 0, "grain", 7).shape == (0, 4)
    with pytest.raises(ValueError, match="seed"):
        crystal_orientations("random", 1, "grain", None)


def test_random_orientations_prefer_no_direction():
    R = rotation_matrices(crystal_orientations("random", 3000, "p", 1))
    # The image of each lattice axis is even on the sphere: zero mean, second moment 1/3.
    assert np.abs(R.mean(axis=0)).max() < 4.0 / math.sqrt(3.0 * 3000)
    assert np.abs((R**2).mean(axis=0) - 1.0 / 3.0).max() < 4.0 * 0.3 / math.sqrt(3000)


def test_a_fibre_puts_the_crystal_direction_along_its_axis():
    axis, direction = np.array([1.0, 2.0, 2.0]) / 3.0, np.array([1.0, 1.0, 0.0]) / math.sqrt(2.0)
    sharp = FibreOrientation((1.0, 2.0, 2.0), (1.0, 1.0, 0.0))
    R = rotation_matrices(crystal_orientations(sharp, 40, "p", 3))
    np.testing.assert_allclose(R @ direction, np.tile(axis, (40, 1)), atol=1e-13)
    # The turn about the axis is free: another direction goes all around.
    other = (R @ np.array([0.0, 0.0, 1.0])).mean(axis=0)
    assert np.linalg.norm(other) < 0.5
    spread = FibreOrientation((1.0, 2.0, 2.0), (1.0, 1.0, 0.0), 4.0)
    R = rotation_matrices(crystal_orientations(spread, 2000, "p", 3))
    tilt = np.degrees(np.arccos(np.clip((R @ direction) @ axis, -1.0, 1.0)))
    # Two normal components of 4 degrees each: root mean square 4 sqrt(2).
    assert abs(math.sqrt((tilt**2).mean()) - 4.0 * math.sqrt(2.0)) < 0.2
