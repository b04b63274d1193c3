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
ELEMENTS = 121
SHEAR_MODULUS = 50.0
POISSON = 0.3
ROOT3 = math.sqrt(3.0)
COMMON = {
    "youngs_modulus_gpa": 2.0 * SHEAR_MODULUS * (1.0 + POISSON),
    "poisson_ratio": POISSON,
    "characteristic_length_nm": INTERNAL_LENGTH_NM,
}
STRENGTH = 0.3
# The shear strength falls from 0.3 GPa by 5/3 GPa per plastic shear at first, in each of the laws.
MISES = {
    **COMMON,
    "yield_strength_gpa": STRENGTH * ROOT3,
    "softening_gpa": 0.25 * ROOT3,
    "softening_strain": 0.15 / ROOT3,
}
# Slip on the two systems of a pair adds up to the shear. The rate factor changes the strength by
# 0.0003 GPa over a factor of e in the rate, less than a hundredth of what softening takes: a strong
# material of the same rate sensitivity would have a wider band.
SLIP = {
    **COMMON,
    "cohesion_gpa": STRENGTH,
    "cohesion_softening_gpa": 0.25,
    "softening_slip": 0.15,
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
    """Distance of the places where the profile, which falls to zero with a slope, is zero.

    Each side is extrapolated from the two outermost columns above a twentieth of the peak: the
    column in which the band ends is in it in part only.
    """
    active = np.flatnonzero(kappa > 0.05 * kappa.max())
    ends = []
    for first, second in ((active[0], active[1]), (active[-1], active[-2])):
        slope = (kappa[second] - kappa[first]) / (position[second] - position[first])
        ends.append(position[first] - kappa[first] / slope)
    return ends[1] - ends[0]


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
        # The seed of the slip has to outweigh the rate: with 0.998 two bands come, elsewhere.
        for name, factor in (("strip", 1.0), ("weak", 0.998 if law != "mohr-coulomb" else 0.98))
    }
    problem = build_problem(mesh, materials, "small", residual_tolerance=1e-8)
    limit = STRENGTH / SHEAR_MODULUS
    path = build_path(
        (sheared(0.99 * limit), 1, 10.0), (sheared(limit + 0.007), 18, 100.0), axis="y"
    )
    *_, row = problem.march(path)
    position, kappa = profile_of(problem)
    stress = row.first_piola_kirchhoff_stress[1, 0]
    # It has softened, and most of the strip has hardly flowed.
    assert stress < 0.95 * STRENGTH
    assert np.count_nonzero(kappa > 0.05 * kappa.max()) < 0.6 * ELEMENTS
    assert width_of(position, kappa) == pytest.approx(closed_form(weight), rel=0.05)
