"""Width of a shear band in the strip against its closed form, for every law with a length.

w = 2 l sqrt(m - 1) [pi - arctan(1 / sqrt(m - 1))] for softening by a factor of a variable that is
m times the field plus 1 - m times the local one. Where the stress is even and nothing hardens, that
variable is even over the band whatever the softening has come to, so the width does not change.
"""

import math

import numpy as np
import pytest

from ngcfem.constitutive.material import Material

LENGTH_NM = 60.0
INTERNAL_LENGTH_NM = 2.1
ELEMENTS = 181
SHEAR_MODULUS = 50.0
POISSON = 0.3
ROOT3 = math.sqrt(3.0)
COMMON = {
    "youngs_modulus_gpa": 2.0 * SHEAR_MODULUS * (1.0 + POISSON),
    "poisson_ratio": POISSON,
    "characteristic_length_nm": INTERNAL_LENGTH_NM,
}
# The shear strength falls from 1.45 GPa by 5/3 GPa per plastic shear at first, in each of the laws.
MISES = {
    **COMMON,
    "yield_strength_gpa": 1.45 * ROOT3,
    "softening_gpa": 0.5 * ROOT3,
    "softening_strain": 0.3 / ROOT3,
}
# Slip on the two systems of a pair adds up to the shear; the rate factor changes by 0.1 % over a
# factor of e in the rate, a thirtieth of what softening takes in the path below.
SLIP = {
    **COMMON,
    "cohesion_gpa": 1.45,
    "cohesion_softening_gpa": 0.5,
    "softening_slip": 0.3,
    "friction_coefficient": 0.0,
    "rate_sensitivity": 1e-3,
}
LAWS = {
    "j2": (MISES, "yield_strength_gpa"),
    "drucker-prager": ({**MISES, "friction_coefficient": 0.0}, "yield_strength_gpa"),
    "mohr-coulomb": (SLIP, "cohesion_gpa"),
}

pytestmark = pytest.mark.slow


def closed_form(weight):
    root = math.sqrt(weight - 1.0)
    return 2.0 * INTERNAL_LENGTH_NM * root * (math.pi - math.atan(1.0 / root))


def sheared(angle):
    return [[1.0, 0.0, 0.0], [angle, 1.0, 0.0], [0.0, 0.0, 1.0]]


def profile_of(problem):
    """Middle and plastic strain of the columns of the strip."""
    fields = problem.snapshot()
    corners = fields.points[fields.cells[:, :3], 0]
    kappa = fields.cell_data["equivalent_plastic_strain [-]"]
    size = LENGTH_NM / ELEMENTS
    column = np.floor(corners.mean(axis=1) / size + 1e-9).astype(int)
    mean = np.bincount(column, kappa) / np.bincount(column)
    return (np.arange(len(mean)) + 0.5) * size, mean


def width_of(position, kappa):
    """Distance of the places where kappa = A [cos(k x) - cos(k w / 2)] is zero.

    The fit takes the middle of the band, above a quarter of the peak, which neither the seed nor
    the rounded edge of a rate-dependent band reaches much.
    """
    from scipy.optimize import curve_fit

    chosen = kappa > 0.25 * kappa.max()
    centre = np.average(position, weights=kappa)

    def shape(x, amplitude, number, half):
        return amplitude * (np.cos(number * (x - centre)) - np.cos(number * half))

    start = (0.5 * kappa.max(), 0.4, 0.6 * np.ptp(position[chosen]))
    (_, _, half), _ = curve_fit(shape, position[chosen], kappa[chosen], p0=start)
    return 2.0 * abs(half)


@pytest.mark.parametrize("weight", [1.5, 2.0, 4.0])
@pytest.mark.parametrize("law", list(LAWS))
def test_width_of_the_band(law, weight, plane_mesh, build_problem, build_path):
    parameters, strength = LAWS[law]
    size = LENGTH_NM / ELEMENTS

    def weak(centres):
        return np.abs(centres[:, 0] - 0.5 * LENGTH_NM) < 0.5 * size

    mesh = plane_mesh(
        np.linspace(0.0, LENGTH_NM, ELEMENTS + 1), size * np.arange(4), weak, ("strip", "weak")
    )
    materials = {
        name: Material(
            name,
            law,
            {**parameters, "overnonlocal_weight": weight, strength: factor * parameters[strength]},
        )
        for name, factor in (("strip", 1.0), ("weak", 0.998))
    }
    problem = build_problem(mesh, materials, "small", residual_tolerance=1e-8)
    path = build_path((sheared(0.0288), 1, 10.0), (sheared(0.036), 18, 100.0), axis="y")
    for row in problem.march(path):
        assert row.hill_mandel_error < 1e-8
    position, kappa = profile_of(problem)
    stress = row.first_piola_kirchhoff_stress[1, 0]
    print(law, weight, width_of(position, kappa), closed_form(weight), stress, kappa.max())
    # It has softened, and most of the strip has not flowed.
    assert stress < 1.42
    assert np.count_nonzero(kappa > 0.01 * kappa.max()) < 0.6 * ELEMENTS
    assert width_of(position, kappa) == pytest.approx(closed_form(weight), rel=0.05)
