"""Supports that stop a specimen from sliding and turning, and no more."""

import numpy as np
import pytest

from ngcfem.fem.boundary import rigid_motion_pins
from ngcfem.loading.path import OUT_OF_PLANE, uniaxial_stress
from ngcfem.loading.platens import Platens

TOLERANCE = 1e-9


def face(axis, dimension):
    """Unstructured vertices of a square face normal to an axis, its corners among them."""
    random = np.random.default_rng(6)
    lateral = random.uniform(0.1, 3.9, (12, dimension - 1))
    corners = np.array(np.meshgrid(*[[0.0, 4.0]] * (dimension - 1))).reshape(dimension - 1, -1).T
    points = np.vstack([lateral, corners])
    return np.insert(points, axis, 0.0, axis=1)


@pytest.mark.parametrize(("axis", "dimension"), [(0, 3), (1, 3), (2, 3), (0, 2), (1, 2)])
def test_pins_stop_every_rigid_motion_that_platens_leave(axis, dimension):
    pins = rigid_motion_pins(face(axis, dimension), axis, TOLERANCE)
    lateral = [component for component in range(dimension) if component != axis]
    motions = [[float(held == component) for _, held in pins] for component in lateral]
    if dimension == 3:
        spin = np.zeros(3)
        spin[axis] = 1.0
        motions.append([np.cross(spin, place)[held] for place, held in pins])
    assert len(pins) == len(motions), "more supports than motions would carry forces"
    assert np.linalg.matrix_rank(np.array(motions)) == len(pins)
    # A uniform strain that is aligned with the axes meets the supports without a turn.
    first = pins[0][0]
    for place, held in pins:
        assert place[held] == first[held]


def test_pins_on_a_face_without_level_vertices():
    points = np.insert(np.random.default_rng(8).uniform(0.0, 1.0, (9, 2)), 2, 0.0, axis=1)
    pins = rigid_motion_pins(points, 2, TOLERANCE)
    (first, _), _, (second, held) = pins
    assert held == 1
    assert abs(second[0] - first[0]) > 0.5


def test_platens_take_the_axial_stretch_alone():
    path = uniaxial_stress("y", -0.3, 1e-3, 3)
    target = Platens("y").prescribe(path.at(2.0, np.eye(3), np.zeros((3, 3))))
    assert target.prescribed.all()
    assert target.time_s == pytest.approx(200.0)
    np.testing.assert_allclose(
        target.deformation_gradient, np.diag([1.0, np.exp(-0.2), 1.0]), rtol=1e-15
    )


def test_plane_strain_path():
    path = uniaxial_stress("x", [-0.1, -0.05], 1e-3, [2, 1], dimension=2)
    assert path.is_plane_strain
    assert not uniaxial_stress("x", -0.1, 1e-3, 2).is_plane_strain
    for segment in path.segments:
        free = np.argwhere(~segment.prescribed)
        np.testing.assert_array_equal(free, [[1, 0], [1, 1]])
        np.testing.assert_array_equal(
            segment.deformation_gradient[OUT_OF_PLANE], np.eye(3)[OUT_OF_PLANE]
        )
    with pytest.raises(ValueError, match="along x or y"):
        uniaxial_stress("z", -0.1, 1e-3, 2, dimension=2)
