"""Surfaces of crystals: balls and ellipsoids with caps and flats, against closed forms."""

import numpy as np
import pytest

from ngcfem.mesh.crystal_surface import crystal_surface, with_exact_volumes
from ngcfem.mesh.sphere_surface import enclosed_volume
from ngcfem.microstructure.cell import Cap, Flat, Inclusion

CENTRE = (1.0, 2.0, 3.0)
NORMAL = (0.6, 0.0, 0.8)
CAP = Cap((-0.6, 0.0, -0.8), 70.0, 0.8)
TURN = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
ELONGATED = tuple(map(tuple, (TURN * np.array([1.6, 1.6**-0.5, 1.6**-0.5])) @ TURN.T))


def is_closed(triangles: np.ndarray) -> bool:
    edges = np.concatenate([triangles[:, [k, (k + 1) % 3]] for k in range(3)]).tolist()
    directed = {(i, j) for i, j in edges}
    return len(directed) == len(edges) and all((j, i) in directed for i, j in directed)


def segment_volume(radius: float, height: float) -> float:
    """Volume of a ball below a plane at a distance from its centre, by integrating discs."""
    z = np.linspace(-radius, height, 200_001)
    return float(np.trapezoid(np.pi * (radius**2 - z**2), z))


@pytest.mark.parametrize("size", [1.05, 0.5])
@pytest.mark.parametrize("distance", [None, 0.5, 0.85])
@pytest.mark.parametrize("cap", [None, CAP])
@pytest.mark.parametrize("stretch", [None, ELONGATED])
def test_volumes_and_planes(stretch, cap, distance, size):
    radius = 1.5
    matrix = np.eye(3) if stretch is None else np.array(stretch)
    reach = radius * np.linalg.norm(matrix @ NORMAL)
    flat = None if distance is None else Flat(NORMAL, distance * reach)
    inclusion = Inclusion(CENTRE, radius, 0, cap, stretch, flat)
    surface = crystal_surface(inclusion, size)
    points = surface.points - np.array(CENTRE)
    crystal = np.concatenate([surface.bare, surface.under_cap, surface.disc])
    assert is_closed(crystal)
    # a stretch of determinant 1 keeps volumes, and takes the plane to one at the same share
    volume = 4 / 3 * np.pi * radius**3
    if distance is not None:
        volume = segment_volume(radius, distance * radius)
    assert enclosed_volume(points, crystal) == pytest.approx(volume, rel=1e-8)
    if cap is not None:
        shell = np.concatenate([surface.over_cap, surface.under_cap[:, ::-1]])
        assert is_closed(shell)
        cone = 2 / 3 * np.pi * (1 - np.cos(np.radians(cap.half_angle_deg)))
        expected = cone * ((radius + cap.thickness_nm) ** 3 - radius**3)
        assert enclosed_volume(points, shell) == pytest.approx(expected, rel=1e-12)
        outside = np.concatenate([surface.bare, surface.over_cap, surface.disc])
        assert is_closed(outside)
    if flat is not None:
        assert len(surface.disc_rim) >= 4
        height = points[np.unique(surface.disc)] @ np.array(NORMAL)
        np.testing.assert_allclose(height, flat.distance_nm, atol=1e-12)
        # areas across a normal m of the ball stretch by |S^-1 m|
        corners = points[surface.disc]
        a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        area = 0.5 * np.linalg.norm(np.cross(a, b), axis=1).sum()
        circle = np.pi * radius**2 * (1 - distance**2)
        assert area == pytest.approx(circle * radius / reach, rel=1e-12)
        free = np.setdiff1d(np.unique(crystal), np.unique(surface.disc))
        assert (points[free] @ np.array(NORMAL)).max() < flat.distance_nm
    # the other nodes lie close to the ellipsoid, outside it because the polyhedron has its volume
    free = np.setdiff1d(np.unique(crystal), np.unique(surface.disc))
    ball = np.linalg.norm(points[free] @ np.linalg.inv(matrix), axis=1) / radius
    assert 1.0 < ball.mean() < 1.12


def test_rim_of_a_cap_lies_on_its_cone():
    inclusion = Inclusion(CENTRE, 1.5, 0, CAP)
    surface = crystal_surface(inclusion, 0.84)
    points = surface.points - np.array(CENTRE)
    rim = np.intersect1d(np.unique(surface.under_cap), np.unique(surface.bare))
    cosine = points[rim] @ np.array(CAP.axis) / np.linalg.norm(points[rim], axis=1)
    np.testing.assert_allclose(np.degrees(np.arccos(cosine)), 70.0, atol=1e-6)


def test_disc_goes_where_the_face_has_it():
    inclusion = Inclusion(CENTRE, 1.5, 0, None, None, Flat(NORMAL, 1.0))
    surface = crystal_surface(inclusion, 0.6)
    nodes = np.unique(surface.disc)
    moved = surface.points[nodes] + 0.02 * np.array(NORMAL)
    again = with_exact_volumes(inclusion, surface, moved)
    np.testing.assert_allclose(again.points[nodes], moved, atol=1e-13)
    crystal = np.concatenate([again.bare, again.disc])
    volume = enclosed_volume(again.points - np.array(CENTRE), crystal)
    assert volume == pytest.approx(inclusion.volume_nm3, rel=1e-12)


def test_spins_differ_and_repeat():
    inclusion = Inclusion(CENTRE, 1.5)
    first, again, other = (crystal_surface(inclusion, 0.9, spin) for spin in (0, 0, 5))
    np.testing.assert_array_equal(first.points, again.points)
    assert np.abs(first.points - other.points).max() > 0.05


def test_plane_beyond_the_crystal_is_an_error():
    with pytest.raises(RuntimeError, match="does not meet"):
        crystal_surface(Inclusion(CENTRE, 1.5, 0, None, None, Flat(NORMAL, 1.6)), 0.8)
