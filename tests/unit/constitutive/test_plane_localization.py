"""Loss of ellipticity in plane strain against Rudnicki and Rice's closed form."""

import numpy as np
import pytest

from ngcfem.constitutive.localization import minimum_acoustic_determinant, plane_angle_deg
from ngcfem.constitutive.plane_localization import minimum_plane_determinant

G, NU = 50.0, 0.33
K = 2.0 * G * (1.0 + NU) / (3.0 * (1.0 - 2.0 * NU))


def tangent(friction, dilatancy, modulus):
    """C - (C:P) (Q:C) / (h + Q:C:P) for s = (1, -1, 0), compression along y; small stress."""
    eye = np.eye(3)
    C = (
        (K - 2.0 * G / 3.0) * np.einsum("ij,kl->ijkl", eye, eye)
        + G * np.einsum("ik,jl->ijkl", eye, eye)
        + G * np.einsum("il,jk->ijkl", eye, eye)
    )
    s = np.diag([1.0, -1.0, 0.0])
    Q = s / 2.0 + friction / 3.0 * eye
    P = s / 2.0 + dilatancy / 3.0 * eye
    flow, normal = np.einsum("ijkl,kl->ij", C, P), np.einsum("ij,ijkl->kl", Q, C)
    L = C - np.einsum("ij,kl->ijkl", flow, normal) / (modulus + np.sum(normal * P))
    return L.reshape(1, 81)


# constitutive.md 1f, pure shear: friction, dilatancy, h_cr / G, angle of the plane to the load
TABLE = [
    (0.0, 0.0, 0.0, 45.00),
    (0.05, 0.0, 0.00037, 44.36),
    (0.10, 0.0, 0.00147, 43.73),
    (0.10, 0.10, -0.00296, 42.46),
    (0.20, 0.05, 0.00034, 41.82),
]


@pytest.mark.parametrize("row", TABLE)
def test_the_sign_changes_at_the_critical_modulus_and_the_band_has_its_angle(row):
    friction, dilatancy, critical, angle = row
    scale = G * (K + 4.0 * G / 3.0)
    # the table gives h_cr to 1e-5 G
    above = minimum_plane_determinant(tangent(friction, dilatancy, (critical + 3e-5) * G), scale)
    below = minimum_plane_determinant(tangent(friction, dilatancy, (critical - 3e-5) * G), scale)
    assert above.determinant[0] > 0.0 > below.determinant[0]
    assert below.normal[0, 2] == 0.0
    found = plane_angle_deg(below.normal[0], np.array([0.0, 1.0, 0.0]))
    assert abs(found - angle) < 0.05


def test_it_is_the_search_over_all_directions_where_that_stays_in_the_plane():
    scale = G * (K + 4.0 * G / 3.0)
    plane = minimum_plane_determinant(tangent(0.1, 0.0, -0.2 * G), scale)
    space = minimum_acoustic_determinant(tangent(0.1, 0.0, -0.2 * G), G * scale)
    assert abs(space.normal[0, 2]) < 1e-3
    # the third factor of the determinant is the shear modulus out of the plane, G
    np.testing.assert_allclose(plane.determinant, space.determinant, rtol=1e-4)


def test_an_elastic_solid_has_the_determinant_one():
    elastic = tangent(0.0, 0.0, 1e12)
    assert (
        abs(minimum_plane_determinant(elastic, G * (K + 4.0 * G / 3.0)).determinant[0] - 1) < 1e-9
    )
