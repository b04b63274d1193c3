"""Finite strain turns into small strain, to first order in the strain."""

import numpy as np
import pytest

from ngcfem.constitutive.material import Material

# Per unit strain, so that the same share of the path is plastic at every level.
YIELD_PER_STRAIN = 60.0


def materials(level: float) -> dict[str, Material]:
    return {
        "matrix": Material(
            "matrix",
            "drucker-prager",
            {
                "youngs_modulus_gpa": 100.0,
                "poisson_ratio": 0.33,
                "yield_strength_gpa": YIELD_PER_STRAIN * level,
                "hardening_modulus_gpa": 3.0,
                "friction_coefficient": 0.1,
                "dilatancy": 0.05,
            },
        ),
        "inclusion": Material(
            "inclusion",
            "j2",
            {
                "youngs_modulus_gpa": 204.0,
                "poisson_ratio": 0.29,
                "yield_strength_gpa": 1.6 * YIELD_PER_STRAIN * level,
                "hardening_modulus_gpa": 5.0,
            },
        ),
    }


@pytest.mark.parametrize("boundary", ["periodic", "uniform-displacement"])
def test_difference_falls_linearly(boundary, sphere_mesh, build_problem, build_path):
    direction = np.array([[np.nan, 0.3, 0.0], [0.2, np.nan, -0.1], [0.1, 0.0, -1.0]])
    differences = []
    levels = (4e-3, 2e-3, 1e-3)
    for level in levels:
        ends = {}
        for kinematics in ("finite", "small"):
            problem = build_problem(sphere_mesh, materials(level), kinematics, boundary)
            rows = list(problem.march(build_path((np.eye(3) + level * direction, 4))))
            ends[kinematics] = rows[-1]
        small = ends["small"].first_piola_kirchhoff_stress
        # All of the cell flows, and the stress is not that of elasticity.
        plastic = {
            name: phase.mean_equivalent_plastic_strain
            for name, phase in ends["small"].phases.items()
        }
        assert plastic["matrix"] > 0.2 * level
        assert plastic["inclusion"] > 0.0
        difference = np.abs(ends["finite"].first_piola_kirchhoff_stress - small).max()
        differences.append(difference / np.abs(small).max())
        # The nominal stress differs from Cauchy stress by the displacement gradient itself.
        assert differences[-1] < 4.0 * level
    # Halving the strain halves the relative difference; the next order leaves some per cent of it.
    ratios = np.array(differences[:-1]) / np.array(differences[1:])
    np.testing.assert_allclose(ratios, 2.0, rtol=0.03)
    assert abs(ratios[1] - 2.0) < abs(ratios[0] - 2.0) + 1e-3


def test_small_strain_knows_no_rotation_of_stress(sphere_mesh, build_problem, build_path):
    """Small strain is linear geometry: a skew displacement gradient makes no stress."""
    elastic = {
        "matrix": Material(
            "matrix", "elastic", {"youngs_modulus_gpa": 100.0, "poisson_ratio": 0.33}
        ),
        "inclusion": Material(
            "inclusion", "elastic", {"youngs_modulus_gpa": 204.0, "poisson_ratio": 0.29}
        ),
    }
    spin = np.array([[0.0, 0.5, -0.2], [-0.5, 0.0, 0.3], [0.2, -0.3, 0.0]])
    problem = build_problem(sphere_mesh, elastic, "small", "periodic")
    row = list(problem.march(build_path((np.eye(3) + spin, 1))))[-1]
    # rounding of the moduli times the entries of the spin
    assert np.abs(row.first_piola_kirchhoff_stress).max() < 1e-12 * 204.0
