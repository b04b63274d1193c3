"""Critical hardening and band angles: closed form, search over directions, and a printed table.

The table was computed for Poisson's ratio 0.33 with a scan of the acoustic tensor that is not part
of the program.
"""

import math

import numpy as np
import pytest

from ngcfem.constitutive.critical_band import coulomb_band_angles, critical_band, rudnicki_rice

NU = 0.33
COMPRESSION, TENSION, SHEAR = (1.0, 1.0, -2.0), (-1.0, -1.0, 2.0), (1.0, 0.0, -1.0)
AXIS = np.array([0.0, 0.0, 1.0])
# deviator along x, y, z; mu; beta; h_cr / G; angle of the plane to the load axis
TABLE = [
    (COMPRESSION, 0.0, 0.0, -0.22167, 48.25),
    (COMPRESSION, 0.05, 0.0, -0.23410, 47.52),
    (COMPRESSION, 0.10, 0.0, -0.24580, 46.78),
    (COMPRESSION, 0.10, 0.10, -0.27581, 45.31),
    (COMPRESSION, 0.20, 0.05, -0.28531, 44.58),
    (TENSION, 0.0, 0.0, -0.22167, 48.25),
    (TENSION, 0.05, 0.0, -0.20850, 48.99),
    (TENSION, 0.10, 0.0, -0.19460, 49.73),
    (TENSION, 0.10, 0.10, -0.17343, 51.23),
    (TENSION, 0.20, 0.05, -0.15733, 51.98),
    (SHEAR, 0.0, 0.0, 0.0, 45.00),
    (SHEAR, 0.05, 0.0, 0.00037, 44.36),
    (SHEAR, 0.10, 0.0, 0.00147, 43.73),
    (SHEAR, 0.10, 0.10, -0.00296, 42.46),
    (SHEAR, 0.20, 0.05, 0.00034, 41.82),
]


def hooke(G, nu):
    eye = np.eye(3)
    lame = 2.0 * G * nu / (1.0 - 2.0 * nu)
    identity = np.einsum("ik,jl->ijkl", eye, eye) + np.einsum("il,jk->ijkl", eye, eye)
    return lame * np.einsum("ij,kl->ijkl", eye, eye) + G * identity


def directions(deviator, mu, beta):
    s = np.diag(deviator)
    tau = math.sqrt(0.5 * np.tensordot(s, s))
    return s / (2.0 * tau) + beta / 3.0 * np.eye(3), s / (2.0 * tau) + mu / 3.0 * np.eye(3)


@pytest.mark.parametrize(("deviator", "mu", "beta", "modulus", "angle"), TABLE)
def test_closed_form_and_search_give_the_table(deviator, mu, beta, modulus, angle):
    G = 50.0
    closed = rudnicki_rice(G, NU, deviator, mu, beta)
    # The table is printed to five and two digits.
    assert abs(closed.hardening_modulus_gpa / G - modulus) < 6e-6
    assert abs(closed.plane_angle_deg(AXIS) - angle) < 6e-3
    flow, normal = directions(deviator, mu, beta)
    found = critical_band(hooke(G, NU).reshape(81), flow, normal)
    # The modulus is stationary in the direction: twelve digits of it, six of the angle.
    assert abs(found.hardening_modulus_gpa - closed.hardening_modulus_gpa) < 1e-10 * G
    assert abs(found.plane_angle_deg(AXIS) - closed.plane_angle_deg(AXIS)) < 1e-4


def test_search_agrees_with_a_brute_scan_for_a_general_state():
    """Six-parameter flow and yield directions that share no axes."""
    rng = np.random.default_rng(8)
    P, Q = (0.5 * (a + a.T) for a in rng.normal(size=(2, 3, 3)))
    Q = 0.3 * Q + P
    C = hooke(50.0, 0.3)
    flowing, loading = np.tensordot(C, P), np.tensordot(Q, C)
    best = -np.inf
    polar = np.linspace(0.0, math.pi, 361)
    for theta in polar:
        n = np.stack(
            [
                np.sin(theta) * np.cos(2.0 * polar),
                np.sin(theta) * np.sin(2.0 * polar),
                np.cos(theta) + 0.0 * polar,
            ],
            axis=1,
        )
        # A_e^-1 of an isotropic solid in closed form.
        G, lame = 50.0, 2.0 * 50.0 * 0.3 / 0.4
        p, q = n @ flowing, n @ loading
        along = np.einsum("ni,ni->n", p, n) * np.einsum("ni,ni->n", q, n)
        h = (np.einsum("ni,ni->n", p, q) - (lame + G) / (lame + 2.0 * G) * along) / G
        best = max(best, h.max() - np.tensordot(loading, P))
    found = critical_band(C.reshape(81), P, Q).hardening_modulus_gpa
    # The scan is half a degree coarse: (0.0044)^2 of a curvature of a few thousand GPa below.
    assert best <= found + 1e-9
    assert found - best < 0.05


@pytest.mark.parametrize(
    ("mu", "beta", "compression", "angles"),
    [
        (0.1, 0.0, True, (42.1, 43.6, 45.0)),
        (0.1, 0.0, False, (47.9, 46.4, 45.0)),
        (0.1, 0.1, True, (42.145, 42.145, 42.145)),
    ],
)
def test_coulomb_angles(mu, beta, compression, angles):
    found = coulomb_band_angles(mu, beta, compression)
    values = (found.coulomb_deg, found.arthur_deg, found.roscoe_deg)
    np.testing.assert_allclose(values, angles, rtol=0, atol=0.05)


def test_angles_of_any_axis():
    band = rudnicki_rice(50.0, NU, (0.0, -1.0, 1.0), 0.1, 0.1)
    along, across = np.array([0.0, 3.0, 0.0]), np.array([0.0, 0.0, -2.0])
    assert abs(band.plane_angle_deg(along) - 42.46) < 6e-3
    assert abs(band.plane_angle_deg(along) + band.plane_angle_deg(across) - 90.0) < 1e-12
