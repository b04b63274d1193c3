"""Rank-1 laminate at finite strain: the finite element cell against tables and an own solution.

Layers normal to x: 0.4 of phase a (E 204, nu 0.29, sigma_0 4, H 1), 0.6 of phase b (E 100, nu 0.33,
sigma_0 1.5, H 0.5), both J2 with linear hardening in Kirchhoff stress. The fields are uniform in
each layer, F_a = F + 0.6 g (x) e1 and F_b = F - 0.4 g (x) e1 with the tractions P e1 equal, and one
element across a layer represents that exactly.
"""

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.mesh.generation import generate_mesh
from ngcfem.microstructure.cell import Layer
from ngcfem.microstructure.simple_cells import laminate_cell

FRACTION = {"a": 0.4, "b": 0.6}
CONSTANTS = {"a": (204.0, 0.29, 4.0, 1.0), "b": (100.0, 0.33, 1.5, 0.5)}
MATERIALS = {
    name: Material(
        name,
        "j2",
        {
            "youngs_modulus_gpa": modulus,
            "poisson_ratio": ratio,
            "yield_strength_gpa": strength,
            "hardening_modulus_gpa": hardening,
        },
    )
    for name, (modulus, ratio, strength, hardening) in CONSTANTS.items()
}
SHEAR_END = np.array([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])


def compressed(stretch):
    """F = diag(1 / stretch, stretch, 1)."""
    return np.diag([1.0 / stretch, stretch, 1.0])


@pytest.fixture(scope="module")
def laminate_mesh():
    layers = [Layer(name, fraction) for name, fraction in FRACTION.items()]
    return generate_mesh(laminate_cell("x", layers), 5.0, use_cache=False)


@pytest.fixture
def march(laminate_mesh, build_problem):
    def run(path):
        problem = build_problem(laminate_mesh, MATERIALS, "finite", "periodic")
        rows = list(problem.march(path))
        assert len(rows) == path.increments + 1, "a cut-back changes the step count"
        return rows

    return run


class MisesPoint:
    """One point of finite-strain J2: radial return of the elastic left Cauchy-Green tensor."""

    def __init__(self, modulus, ratio, strength, hardening):
        self.shear = modulus / (2.0 * (1.0 + ratio))
        self.bulk = modulus / (3.0 * (1.0 - 2.0 * ratio))
        self.strength, self.hardening = strength, hardening
        self.deformation_gradient = np.eye(3)
        self.elastic = np.eye(3)
        self.plastic_strain = 0.0

    def trial(self, deformation_gradient):
        """Nominal stress, elastic left Cauchy-Green tensor and plastic strain at the end."""
        relative = deformation_gradient @ np.linalg.inv(self.deformation_gradient)
        squares, axes = np.linalg.eigh(relative @ self.elastic @ relative.T)
        strain = 0.5 * np.log(squares)
        deviator = strain - strain.mean()
        mises = 2.0 * self.shear * np.sqrt(1.5 * deviator @ deviator)
        excess = mises - self.strength - self.hardening * self.plastic_strain
        growth = max(0.0, excess / (3.0 * self.shear + self.hardening))
        if growth > 0.0:
            deviator = deviator * (1.0 - 3.0 * self.shear * growth / mises)
        principal = self.bulk * strain.sum() + 2.0 * self.shear * deviator
        kirchhoff = (axes * principal) @ axes.T
        elastic = (axes * np.exp(2.0 * (deviator + strain.mean()))) @ axes.T
        stress = kirchhoff @ np.linalg.inv(deformation_gradient).T
        return stress, elastic, self.plastic_strain + growth

    def accept(self, deformation_gradient):
        _, self.elastic, self.plastic_strain = self.trial(deformation_gradient)
        self.deformation_gradient = deformation_gradient


def laminate_solution(gradients):
    """Nominal stress and plastic strains along a path: Newton's method on the jump g."""
    points = {name: MisesPoint(*constants) for name, constants in CONSTANTS.items()}
    normal = np.array([1.0, 0.0, 0.0])
    jump = np.zeros(3)
    rows = []
    for macroscopic in gradients:

        def layers(g, macroscopic=macroscopic):
            return {
                "a": macroscopic + FRACTION["b"] * np.outer(g, normal),
                "b": macroscopic - FRACTION["a"] * np.outer(g, normal),
            }

        def traction_jump(g, layers=layers):
            F = layers(g)
            return (points["a"].trial(F["a"])[0] - points["b"].trial(F["b"])[0]) @ normal

        for _ in range(40):
            residual = traction_jump(jump)
            if np.abs(residual).max() < 1e-11:
                break
            step = 1e-7
            slope = np.array(
                [
                    (traction_jump(jump + step * e) - traction_jump(jump - step * e)) / (2 * step)
                    for e in np.eye(3)
                ]
            ).T
            move = -np.linalg.solve(slope, residual)
            # A step across the yield surface may overshoot: halve it until it gets better.
            while np.abs(traction_jump(jump + move)).max() > np.abs(residual).max():
                move = 0.5 * move
            jump = jump + move
        else:
            raise AssertionError("the oracle did not converge")
        F = layers(jump)
        stress = sum(FRACTION[name] * points[name].trial(F[name])[0] for name in points)
        for name, point in points.items():
            point.accept(F[name])
        rows.append((stress, points["a"].plastic_strain, points["b"].plastic_strain))
    return rows


def plastic_strains(row):
    return [row.phases[name].mean_equivalent_plastic_strain for name in ("a", "b")]


def test_own_solution_meets_the_table():
    """The oracle itself, at the step counts for which the table gives numbers."""
    shearing = [np.eye(3) + t * (SHEAR_END - np.eye(3)) for t in np.arange(1, 201) / 200]
    rows = laminate_solution(shearing)
    shear = [rows[number - 1][0][1, 0] for number in (20, 100, 200)]
    np.testing.assert_allclose(shear, [0.874541, 0.929651, 0.998580], atol=1e-6)
    rows = laminate_solution([compressed(1.0 - 0.3 * t) for t in np.arange(1, 801) / 800])
    stress = np.array([np.diag(rows[number - 1][0]) for number in (80, 400, 800)])
    expected = [
        [1.234758, -1.676498, -0.114148],
        [1.140315, -1.980054, -0.170267],
        [0.996932, -2.544002, -0.177837],
    ]
    np.testing.assert_allclose(stress, expected, atol=1e-6)
    plastic = np.array([rows[number - 1][1:] for number in (80, 400, 800)])
    expected = [[0.014820, 0.024109], [0.166332, 0.176140], [0.389416, 0.399453]]
    np.testing.assert_allclose(plastic, expected, atol=1e-6)


def test_shear(march, build_path):
    rows = march(build_path((SHEAR_END, 200, 200.0)))
    shear = [rows[number].first_piola_kirchhoff_stress[1, 0] for number in (20, 100, 200)]
    # table at 200 steps; its last digit, where 5e-4 would do
    np.testing.assert_allclose(shear, [0.874541, 0.929651, 0.998580], atol=1e-6)
    assert max(row.phases["a"].mean_equivalent_plastic_strain for row in rows) == 0.0
    # The layers are uniform, so the spread within a phase vanishes; it is the root of a difference
    # of squares, and so 1e-8 by rounding.
    assert max(row.phases["b"].std_equivalent_plastic_strain for row in rows) < 1e-7
    assert max(row.hill_mandel_error for row in rows) < 1e-8


def test_compression(march, build_path):
    stretches = 1.0 - 0.3 * np.arange(1, 201) / 200.0
    gradients = [compressed(stretch) for stretch in stretches]
    expected = laminate_solution(gradients)
    rows = march(build_path(*((gradient, 1, 1.0) for gradient in gradients)))[1:]
    stress = np.array([row.first_piola_kirchhoff_stress for row in rows])
    oracle = np.array([row[0] for row in expected])
    # Both solve the same discrete equations: 1e-8 of the largest stress is the residual tolerance
    # times the conditioning of the cell.
    np.testing.assert_allclose(stress, oracle, rtol=0.0, atol=1e-8 * np.abs(oracle).max())
    plastic = np.array([plastic_strains(row) for row in rows])
    np.testing.assert_allclose(plastic, [row[1:] for row in expected], rtol=0.0, atol=1e-8)
    # table: P33 at stretch 0.97 with 200 steps
    assert stress[19, 2, 2] == pytest.approx(-0.11306, abs=1e-5)


@pytest.mark.slow
def test_shear_in_800_steps(march, build_path):
    rows = march(build_path((SHEAR_END, 800, 800.0)))
    marks = (80, 400, 800)
    shear = [rows[number].first_piola_kirchhoff_stress[1, 0] for number in marks]
    np.testing.assert_allclose(shear, [0.874566, 0.929693, 0.998631], atol=5e-4)
    plastic = np.array([plastic_strains(rows[number]) for number in marks])
    np.testing.assert_allclose(plastic[:, 1], [0.030414, 0.221685, 0.460761], atol=5e-4)
    assert plastic[:, 0].max() == 0.0


@pytest.mark.slow
def test_compression_in_800_steps(march, build_path):
    gradients = [compressed(1.0 - 0.3 * t) for t in np.arange(1, 801) / 800.0]
    rows = march(build_path(*((gradient, 1, 1.0) for gradient in gradients)))
    marks = (80, 400, 800)
    stress = np.array([np.diag(rows[number].first_piola_kirchhoff_stress) for number in marks])
    expected = [
        [1.234758, -1.676498, -0.114148],
        [1.140315, -1.980054, -0.170267],
        [0.996932, -2.544002, -0.177837],
    ]
    np.testing.assert_allclose(stress, expected, atol=5e-4)
    plastic = np.array([plastic_strains(rows[number]) for number in marks])
    expected = [[0.014820, 0.024109], [0.166332, 0.176140], [0.389416, 0.399453]]
    np.testing.assert_allclose(plastic, expected, atol=5e-4)
