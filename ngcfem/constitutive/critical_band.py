"""First bifurcation into a band: critical hardening and band angles of rate-independent laws."""

import math
from dataclasses import dataclass

import numpy as np

from ngcfem.constitutive.localization import (
    half_sphere_directions,
    minimum_acoustic_determinant,
    plane_angle_deg,
)
from ngcfem.quantities import FloatArray


@dataclass(frozen=True)
class CriticalBand:
    """First bifurcation of homogeneous flow into a band.

    Parameters
    ----------
    hardening_modulus_gpa : float
        Critical plastic modulus h = d(tau_bar) / d(gamma^p), tau_bar = sqrt(s:s / 2); a band is
        possible below it. h is a third of the modulus d(sigma_y) / d(kappa).
    normal : tuple of three float
        Unit normal of the band.
    """

    hardening_modulus_gpa: float
    normal: tuple[float, float, float]

    def plane_angle_deg(self, axis: FloatArray) -> float:
        """Angle between the plane of the band and an axis.

        Parameters
        ----------
        axis : ndarray, shape (3,)
            Direction of the load.

        Returns
        -------
        float
            Degrees, 0 to 90.
        """
        return plane_angle_deg(np.array(self.normal), axis)


@dataclass(frozen=True)
class CoulombAngles:
    """Angles between band and load axis in degrees, from friction and dilatancy alone.

    Parameters
    ----------
    coulomb_deg : float
        Planes of greatest Coulomb stress, 45 -+ phi/2.
    arthur_deg : float
        45 -+ (phi + psi) / 4.
    roscoe_deg : float
        Lines without extension, 45 -+ psi/2.
    """

    coulomb_deg: float
    arthur_deg: float
    roscoe_deg: float


def rudnicki_rice(
    shear_modulus_gpa: float,
    poisson_ratio: float,
    stress_deviator: tuple[float, float, float],
    friction_coefficient: float,
    dilatancy: float,
) -> CriticalBand:
    """Critical hardening and band of a smooth pressure-sensitive law, in closed form.

    Parameters
    ----------
    shear_modulus_gpa, poisson_ratio : float
        Isotropic elastic constants.
    stress_deviator : tuple of three float
        Deviatoric stresses along x, y, z, the principal axes; any unit, not all zero.
    friction_coefficient, dilatancy : float
        mu and beta of the yield function tau_bar + mu p and the potential tau_bar + beta p.

    Returns
    -------
    CriticalBand
        Modulus in GPa and normal; of the two symmetric normals the one with positive components.

    Notes
    -----
    With N the intermediate of the deviatoric stresses over tau_bar, nu Poisson's ratio:
    h_cr/G = (1 + nu) (beta - mu)^2 / (9 (1 - nu)) - (1 + nu)/2 [N + (beta + mu)/3]^2 and
    tan^2(theta) = (zeta - N_min) / (N_max - zeta), zeta = (1 + nu)(beta + mu)/3 - N (1 - nu), theta
    the angle between the normal and the axis of least stress. Small strain, small stress over
    modulus; valid where N_min <= zeta <= N_max, as it is for metals: outside, the normal is that
    axis itself.

    References
    ----------
    Rudnicki and Rice (1975), J. Mech. Phys. Solids 23, 371-394,
    doi 10.1016/0022-5096(75)90001-0. Perrin and Leblond (1993), J. Appl. Mech. 60, 842-846, for
    what happens outside that range.
    """
    s = np.asarray(stress_deviator, dtype=float)
    s = s - s.mean()
    ratios = s / math.sqrt(0.5 * float(s @ s))
    low, middle, high = np.argsort(ratios)
    N, nu, mu, beta = ratios[middle], poisson_ratio, friction_coefficient, dilatancy
    modulus = shear_modulus_gpa * (
        (1.0 + nu) * (beta - mu) ** 2 / (9.0 * (1.0 - nu))
        - 0.5 * (1.0 + nu) * (N + (beta + mu) / 3.0) ** 2
    )
    zeta = (1.0 + nu) * (beta + mu) / 3.0 - N * (1.0 - nu)
    zeta = min(max(zeta, ratios[low]), ratios[high])
    angle = math.atan2(math.sqrt(zeta - ratios[low]), math.sqrt(ratios[high] - zeta))
    normal = np.zeros(3)
    normal[low], normal[high] = math.cos(angle), math.sin(angle)
    return CriticalBand(float(modulus), (float(normal[0]), float(normal[1]), float(normal[2])))


def critical_band(
    elastic_tangent: FloatArray, flow: FloatArray, yield_normal: FloatArray
) -> CriticalBand:
    """Critical hardening and band of any smooth law, by search over directions.

    Parameters
    ----------
    elastic_tangent : ndarray, shape (81,)
        C, order of `acoustic_tensor`, GPa; add geometric terms for finite stress.
    flow, yield_normal : ndarray, shape (3, 3)
        P and Q of the tangent C - (C:P) (Q:C) / (h + Q:C:P).

    Returns
    -------
    CriticalBand
        Largest h at which some direction loses ellipticity, and that direction.

    Notes
    -----
    det A(n) = 0 for h(n) = (n.C:P) . A_e(n)^-1 . (Q:C.n) - Q:C:P with the elastic acoustic tensor
    A_e. From the best of the grid: the direction of least determinant at the present h gives a
    larger h, until it does not grow.

    References
    ----------
    Rice (1976), The localization of plastic deformation, in Theoretical and Applied Mechanics,
    North-Holland, 207-220.
    """
    C = np.asarray(elastic_tangent, dtype=float).reshape(3, 3, 3, 3)
    flowing, loading = np.einsum("ijkl,kl->ij", C, flow), np.einsum("ij,ijkl->kl", yield_normal, C)
    work = float(np.einsum("ij,ij->", loading, flow))

    def modulus(normals: FloatArray) -> FloatArray:
        A = np.einsum("ijkl,nj,nl->nik", C, normals, normals)
        left = normals @ loading.T
        right = (normals @ flowing.T)[:, :, None]
        return np.einsum("ni,ni->n", left, np.linalg.solve(A, right)[:, :, 0]) - work

    grid = half_sphere_directions()
    values = modulus(grid)
    normal, best = grid[np.argmax(values)], float(values.max())
    while True:
        tangent = C - np.multiply.outer(flowing, loading) / (best + work)
        found = minimum_acoustic_determinant(tangent.reshape(1, 81), 1.0).normal
        value = float(modulus(found)[0])
        if value <= best + 1e-14 * (abs(best) + work):
            break
        normal, best = found[0], value
    return CriticalBand(best, (float(normal[0]), float(normal[1]), float(normal[2])))


def coulomb_band_angles(
    friction_coefficient: float, dilatancy: float, in_compression: bool
) -> CoulombAngles:
    """Band angles of the law ``mohr-coulomb`` that do not need elastic constants.

    Parameters
    ----------
    friction_coefficient, dilatancy : float
        mu = tan(phi), and beta, the opening of a slip plane over its slip.
    in_compression : bool
        Uniaxial compression, or tension.

    Returns
    -------
    CoulombAngles
        Angles between band and load axis.

    Notes
    -----
    The dilatancy angle psi of the flow of a pair, sin(psi) = beta / (cos(phi) + beta sin(phi)),
    equals phi for beta = mu.

    References
    ----------
    Vardoulakis (1980), Int. J. Numer. Anal. Methods Geomech. 4, 103-119,
    doi 10.1002/nag.1610040202: the three angles and bifurcation at the middle one.
    """
    phi = math.atan(friction_coefficient)
    psi = math.asin(dilatancy / (math.cos(phi) + dilatancy * math.sin(phi)))
    sign = -1.0 if in_compression else 1.0
    coulomb, arthur, roscoe = (
        45.0 + sign * math.degrees(angle) for angle in (0.5 * phi, 0.25 * (phi + psi), 0.5 * psi)
    )
    return CoulombAngles(coulomb, arthur, roscoe)
