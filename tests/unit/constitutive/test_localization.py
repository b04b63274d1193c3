"""Least determinant of the acoustic tensor, on tangents of the laws and on tangents made here."""

import math

import numpy as np
import pytest

from ngcfem.constitutive.batch import BatchedLaw
from ngcfem.constitutive.critical_band import coulomb_band_angles, rudnicki_rice
from ngcfem.constitutive.localization import (
    acoustic_tensor,
    minimum_acoustic_determinant,
    plane_angle_deg,
    spatial_normal,
)

E, NU = 140.0, 0.33
G, K = E / (2.0 + 2.0 * NU), E / (3.0 - 6.0 * NU)
ELASTIC_SCALE = G**2 * (K + 4.0 * G / 3.0)
ELASTIC = {"youngs_modulus_gpa": E, "poisson_ratio": NU}


def brute_force(tangent, step_deg=1.0):
    """Least determinant on a grid of polar angles, one point."""
    moduli = tangent.reshape(3, 3, 3, 3)
    theta = np.radians(np.arange(0.0, 180.0, step_deg))
    T, P = np.meshgrid(theta, theta, indexing="ij")
    n = np.stack([np.sin(T) * np.cos(2 * P), np.sin(T) * np.sin(2 * P), np.cos(T)], -1)
    A = np.einsum("ijkl,abj,abl->abik", moduli, n, n)
    return np.linalg.det(A).min()


def tangents(law, parameters, F, times=1):
    points = BatchedLaw(law, "finite", chunk_size=64)
    vector, state = points.parameter_vector(parameters), points.initial_state(len(F))
    for k in range(1, times + 1):
        result = points.update(
            np.eye(3).reshape(9) * (1 - k / times) + k / times * F.reshape(-1, 9),
            state,
            vector,
            1.0,
        )
        state = result.state
    return result.consistent_tangent


def test_virgin_solid_is_one():
    F = np.eye(3)[None].repeat(3, axis=0)
    found = minimum_acoustic_determinant(tangents("elastic", ELASTIC, F), ELASTIC_SCALE)
    np.testing.assert_allclose(found.determinant, 1.0, rtol=1e-12)
    assert not found.lost.any()
    np.testing.assert_allclose(np.linalg.norm(found.normal, axis=1), 1.0, rtol=1e-14)


def test_acoustic_tensor_of_hookes_law():
    """(K + G/3) n n + G I."""
    F = np.eye(3)[None]
    n = np.array([[0.48, 0.6, 0.64]])
    found = acoustic_tensor(tangents("elastic", ELASTIC, F), n)[0]
    np.testing.assert_allclose(found, (K + G / 3.0) * np.outer(n, n) + G * np.eye(3), atol=1e-11)


def test_no_direction_is_lower():
    """Random plastic tangents, unsymmetric: the search is below a scan of 32 400 directions."""
    rng = np.random.default_rng(4)
    F = np.eye(3) + 0.05 * rng.normal(size=(40, 3, 3))
    parameters = {
        **ELASTIC,
        "yield_strength_gpa": 2.0,
        "friction_coefficient": 0.3,
        "dilatancy": 0.05,
        "softening_gpa": 0.5,
        "softening_strain": 0.1,
    }
    tangent = tangents("drucker-prager", parameters, F)
    found = minimum_acoustic_determinant(tangent, 1.0)
    at_normal = np.linalg.det(acoustic_tensor(tangent, found.normal))
    np.testing.assert_allclose(found.determinant, at_normal, rtol=1e-9, atol=1e-6)
    for k in range(len(F)):
        lowest = brute_force(tangent[k])
        # The scan is a degree coarse: what it misses is (0.017)^2 of the curvature, 1e-3 at most.
        assert found.determinant[k] <= lowest + 1e-9 * ELASTIC_SCALE
        assert found.determinant[k] > lowest - 1e-2 * ELASTIC_SCALE
    assert np.ptp(found.determinant) > 0.01 * ELASTIC_SCALE


def test_gradient_vanishes_at_the_normal():
    """Small turns of the normal raise the determinant."""
    rng = np.random.default_rng(5)
    F = np.eye(3) + 0.04 * rng.normal(size=(30, 3, 3))
    parameters = {**ELASTIC, "cohesion_gpa": 1.0, "friction_coefficient": 0.2}
    tangent = tangents("mohr-coulomb", parameters, F)
    found = minimum_acoustic_determinant(tangent, ELASTIC_SCALE)
    for _ in range(10):
        turned = found.normal + 1e-4 * rng.normal(size=found.normal.shape)
        turned /= np.linalg.norm(turned, axis=1, keepdims=True)
        value = np.linalg.det(acoustic_tensor(tangent, turned)) / ELASTIC_SCALE
        assert np.all(value >= found.determinant - 1e-12)


def hooke():
    eye = np.eye(3)
    identity = np.einsum("ik,jl->ijkl", eye, eye) + np.einsum("il,jk->ijkl", eye, eye)
    return (K - 2.0 * G / 3.0) * np.einsum("ij,kl->ijkl", eye, eye) + G * identity


@pytest.mark.parametrize("deviator", [(1.0, 1.0, -2.0), (-1.0, -1.0, 2.0), (1.0, 0.0, -1.0)])
@pytest.mark.parametrize(("mu", "beta"), [(0.0, 0.0), (0.2, 0.05)])
def test_ellipticity_is_lost_at_the_critical_hardening(deviator, mu, beta):
    """Tangents with a modulus a thousandth of G above and below that of Rudnicki and Rice."""
    closed = rudnicki_rice(G, NU, deviator, mu, beta)
    s = np.diag(deviator)
    unit = s / (2.0 * math.sqrt(0.5 * np.tensordot(s, s)))
    flow, normal = unit + beta / 3.0 * np.eye(3), unit + mu / 3.0 * np.eye(3)
    C = hooke()
    stiff, work = np.tensordot(C, flow), np.tensordot(np.tensordot(normal, C), flow)
    moduli = [
        C - np.multiply.outer(stiff, np.tensordot(normal, C)) / (h + work)
        for h in closed.hardening_modulus_gpa + np.array([1e-3, -1e-3]) * G
    ]
    found = minimum_acoustic_determinant(np.array(moduli).reshape(2, 81), ELASTIC_SCALE)
    assert found.lost.tolist() == [False, True]
    axis = np.array([0.0, 0.0, 1.0])
    for direction in found.normal:
        # At this distance the least determinant is not quite at the critical direction.
        assert abs(plane_angle_deg(direction, axis) - closed.plane_angle_deg(axis)) < 0.3


@pytest.mark.parametrize(("hardening", "lost"), [(1.0, False), (0.0, True)])
def test_softening_j2_in_plane_strain(hardening, lost):
    """Stress a thousandth of the modulus, so that the critical modulus is close to 0."""
    parameters = {
        **ELASTIC,
        "yield_strength_gpa": 0.1,
        "softening_gpa": 0.05 if lost else 0.0,
        "softening_strain": 0.05,
        "hardening_modulus_gpa": hardening,
    }
    F = np.diag([math.exp(0.03), math.exp(-0.03), 1.0])[None]
    tangent = tangents("j2", parameters, F, times=60)
    found = minimum_acoustic_determinant(tangent, ELASTIC_SCALE)
    assert bool(found.lost[0]) == lost
    normal = spatial_normal(found.normal, F.reshape(1, 9))[0]
    assert abs(plane_angle_deg(normal, np.array([0.0, 1.0, 0.0])) - 45.0) < 0.3
    # A shear band: the jump is along the plane, but for what elasticity lets open.
    assert abs(found.polarization[0] @ normal) < 0.05


def test_corner_flow_loses_ellipticity_where_smooth_flow_does_not():
    """Uniaxial compression with the softening of a metallic glass: Mohr-Coulomb against J2.

    The critical modulus of J2 is -0.22 G; at the edge of Mohr-Coulomb one pair of systems can take
    over the flow of the other without resistance, so that any softening will do, in a band near
    the middle one of the three classical angles. A rate sensitivity m adds a stiffness of about
    m c over the slip of the step, which is kept below the softening here.
    """
    strain, mu, beta = -0.06, 0.1, 0.02
    F = np.diag([math.exp(-0.49 * strain)] * 2 + [math.exp(strain)])[None]
    smooth = {**ELASTIC, "yield_strength_gpa": 2.5, "softening_gpa": 0.3, "softening_strain": 0.05}
    perfect = {
        **ELASTIC,
        "cohesion_gpa": 2.5 / 2.21,
        "softening_slip": 0.1,
        "friction_coefficient": mu,
        "dilatancy": beta,
        "rate_sensitivity": 0.001,
        "reference_rate_per_s": 0.5e-3,
    }
    softening = {**perfect, "cohesion_softening_gpa": 0.3 / 2.21}
    cases = (("j2", smooth), ("mohr-coulomb", perfect), ("mohr-coulomb", softening))
    tangent = [tangents(law, values, F, times=10)[0] for law, values in cases]
    found = minimum_acoustic_determinant(np.array(tangent), ELASTIC_SCALE)
    assert found.lost.tolist() == [False, False, True]
    assert 0.0 < found.determinant[1] < 1e-3 < found.determinant[0]
    normal = spatial_normal(found.normal[1:], np.repeat(F.reshape(1, 9), 2, axis=0))
    angles = [plane_angle_deg(n, np.array([0.0, 0.0, 1.0])) for n in normal]
    decayed = beta * math.exp(-2.0 * 0.05 / 0.1)
    assert abs(angles[0] - coulomb_band_angles(mu, decayed, True).arthur_deg) < 0.5
    assert angles[0] < angles[1] < 45.0
