"""Mixed control: free entries, components that change their kind, and how steps are chosen."""

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import uniaxial_stress

FREE = np.nan
J2 = {
    "youngs_modulus_gpa": 130.0,
    "poisson_ratio": 0.33,
    "yield_strength_gpa": 2.5,
    "hardening_modulus_gpa": 1.0,
}

# Free and held under stress, then prescribed from wherever it has come to, then freed again.
CHANGING = (
    (
        [[FREE, 0.0, 0.0], [FREE, FREE, 0.02], [0.0, FREE, 0.95]],
        4,
        40.0,
        [[-0.4, 0.0, 0.0], [0.3, 0.0, 0.0], [0.0, 0.2, 0.0]],
    ),
    ([[1.04, 0.03, 0.0], [0.0, FREE, 0.0], [0.0, 0.01, 0.93]], 4, 40.0),
    (
        [[FREE, FREE, 0.0], [0.01, 1.0, FREE], [FREE, 0.02, FREE]],
        4,
        4.0,
        [[0.0, 0.1, 0.0], [0.0, 0.0, -0.2], [0.05, 0.0, -1.0]],
    ),
)


@pytest.mark.parametrize("kinematics", ["finite", "small"])
@pytest.mark.parametrize("boundary", ["periodic", "uniform-displacement"])
def test_components_change_between_free_and_prescribed(
    kinematics, boundary, cube_mesh, build_problem, build_path
):
    material = Material("grain", "j2", J2)
    path = build_path(*CHANGING)
    point = list(drive_point(material, path, kinematics))
    problem = build_problem(cube_mesh, {"grain": material}, kinematics, boundary)
    rows = list(problem.march(path))
    assert len(rows) == len(point) == 13
    for name, tolerance in (("first_piola_kirchhoff_stress", 1e-8), ("deformation_gradient", 1e-9)):
        found = np.array([getattr(row, name) for row in rows])
        expected = np.array([getattr(row, name) for row in point])
        np.testing.assert_allclose(
            found, expected, rtol=0.0, atol=tolerance * np.abs(expected).max()
        )
    # what the segments ask for at their ends, in words of the case
    assert rows[4].first_piola_kirchhoff_stress[0, 0] == pytest.approx(-0.4, abs=1e-9)
    assert rows[8].deformation_gradient[0, 0] == pytest.approx(1.04, abs=1e-14)
    assert rows[8].first_piola_kirchhoff_stress[1, 1] == pytest.approx(0.0, abs=1e-9)
    assert rows[12].first_piola_kirchhoff_stress[2, 2] == pytest.approx(-1.0, abs=1e-9)
    assert rows[12].first_piola_kirchhoff_stress[1, 2] == pytest.approx(-0.2, abs=1e-9)
    np.testing.assert_allclose(
        [row.time_s for row in rows], [*range(0, 81, 10), 81, 82, 83, 84], atol=1e-9
    )


@pytest.mark.parametrize("boundary", ["periodic", "uniform-displacement"])
def test_mixed_control_of_a_composite(boundary, sphere_mesh, build_problem, build_path):
    """Elastic and linear: the free components follow from the effective stiffness alone."""
    materials = {
        "matrix": Material(
            "matrix", "elastic", {"youngs_modulus_gpa": 100.0, "poisson_ratio": 0.33}
        ),
        "inclusion": Material(
            "inclusion", "elastic", {"youngs_modulus_gpa": 400.0, "poisson_ratio": 0.2}
        ),
    }
    problem = build_problem(sphere_mesh, materials, "small", boundary)
    stiffness = problem.effective_tangent()
    rows = list(problem.march(build_path(*CHANGING)))
    start = np.zeros(9)
    start_stress = np.zeros(9)
    number = 0
    for gradient, increments, _, *stress in CHANGING:
        target = np.array(gradient).ravel() - np.eye(3).ravel()
        free = np.isnan(target)
        end_stress = np.array(stress[0] if stress else np.zeros((3, 3))).ravel()
        for step in range(1, increments + 1):
            fraction = step / increments
            number += 1
            strain = (1.0 - fraction) * start + fraction * np.where(free, 0.0, target)
            wanted = (1.0 - fraction) * start_stress + fraction * end_stress
            strain[free] = np.linalg.solve(
                stiffness[np.ix_(free, free)],
                wanted[free] - stiffness[np.ix_(free, ~free)] @ strain[~free],
            )
            found = (rows[number].deformation_gradient - np.eye(3)).ravel()
            # the linear solves of the stiffness, 1e-12, times the contrast
            np.testing.assert_allclose(found, strain, rtol=0.0, atol=1e-10)
            np.testing.assert_allclose(
                rows[number].first_piola_kirchhoff_stress.ravel(),
                stiffness @ strain,
                rtol=0.0,
                atol=1e-9 * np.abs(stiffness @ strain).max(),
            )
        start, start_stress = strain, stiffness @ strain
    assert number == len(rows) - 1


def test_uniform_displacement_is_stiffer_and_stronger(sphere_mesh, composite, build_problem):
    curves = {}
    for boundary in ("periodic", "uniform-displacement"):
        problem = build_problem(sphere_mesh, composite, "finite", boundary, residual_tolerance=1e-7)
        rows = list(problem.march(uniaxial_stress("x", -0.08, 1e-3, 8)))
        curves[boundary] = -np.array([row.first_piola_kirchhoff_stress[0, 0] for row in rows])
        # The balance of moments leaves one component of the Cauchy stress.
        kirchhoff = rows[-1].first_piola_kirchhoff_stress @ rows[-1].deformation_gradient.T
        kirchhoff[0, 0] = 0.0
        assert np.abs(kirchhoff).max() < 1e-6 * curves[boundary].max()
    assert np.all(curves["uniform-displacement"][1:] > curves["periodic"][1:])


@pytest.mark.parametrize("predictor", ["affine", "none"])
def test_first_guess_does_not_matter(predictor, sphere_mesh, composite, build_problem, stresses):
    path = uniaxial_stress("z", [-0.05, -0.045], 1e-3, [4, 2])
    ends = {}
    for name in ("secant", predictor):
        problem = build_problem(sphere_mesh, composite, "finite", "periodic", predictor=name)
        ends[name] = stresses(list(problem.march(path)))
    # the residual tolerance 1e-11 times the conditioning of the cell
    np.testing.assert_allclose(
        ends[predictor], ends["secant"], rtol=0.0, atol=1e-9 * np.abs(ends["secant"]).max()
    )
