"""Plane strain: triangles with laws that stay three-dimensional, F33 = 1.

The closed forms: uniaxial stress in plane strain of J2 (elastic slope E / (1 - nu^2); the plastic
branch against an own radial return with the lateral stress iterated to zero) and the laminate of
test_fe_laminate, whose layers the plane represents exactly.
"""

import numpy as np
import pytest
from scipy.optimize import brentq

from ngcfem.constitutive.material import Material
from ngcfem.homogenization.point import drive_point
from ngcfem.homogenization.stiffness import effective_stiffness
from ngcfem.loading.path import uniaxial_stress
from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.cell import Layer
from ngcfem.microstructure.simple_cells import laminate_cell

J2 = {
    "youngs_modulus_gpa": 130.0,
    "poisson_ratio": 0.33,
    "yield_strength_gpa": 2.5,
    "hardening_modulus_gpa": 1.0,
}
DRUCKER_PRAGER = {
    **J2,
    "friction_coefficient": 0.12,
    "dilatancy": 0.03,
    "rate_sensitivity": 0.02,
}
LAWS = {"j2": J2, "drucker-prager": DRUCKER_PRAGER}

LOADED = [[1.03, 0.02, 0.0], [0.015, 0.95, 0.0], [0.0, 0.0, 1.0]]
REVERSED = [[1.00, -0.01, 0.0], [0.02, 0.99, 0.0], [0.0, 0.0, 1.0]]
GRID = np.linspace(0.0, 10.0, 6)


@pytest.mark.parametrize(
    ("curve_nm", "law", "kinematics", "boundary"),
    [
        (None, "j2", "finite", "periodic"),
        (None, "drucker-prager", "small", "periodic"),
        (None, "drucker-prager", "finite", "uniform-displacement"),
        (0.15, "drucker-prager", "finite", "periodic"),
        (0.15, "j2", "small", "periodic"),
        (0.15, "j2", "finite", "uniform-displacement"),
    ],
)
def test_patch(curve_nm, law, kinematics, boundary, plane_mesh, build_problem, build_path):
    mesh = plane_mesh(GRID, 1.3 * GRID, seed=3, shake_nm=0.5, curve_nm=curve_nm)
    assert mesh.order == (1 if curve_nm is None else 2)
    material = Material("grain", law, LAWS[law])
    problem = build_problem(mesh, {"grain": material}, kinematics, boundary)
    path = build_path((LOADED, 3, 50.0), (REVERSED, 2, 5.0), axis="y")
    point = list(drive_point(material, path, kinematics))
    largest = max(np.abs(row.first_piola_kirchhoff_stress).max() for row in point)
    assert point[-1].phases["grain"].mean_equivalent_plastic_strain > 0.03
    for row, expected in zip(problem.march(path), point, strict=True):
        assert row.cutbacks == 0
        arrays, _ = problem.checkpoint()
        everywhere = arrays["point_stress_gpa"].reshape(-1, 3, 3)
        np.testing.assert_allclose(
            everywhere,
            np.broadcast_to(expected.first_piola_kirchhoff_stress, everywhere.shape),
            rtol=0.0,
            atol=1e-10 * largest,
        )
        np.testing.assert_allclose(
            row.first_piola_kirchhoff_stress,
            expected.first_piola_kirchhoff_stress,
            rtol=0.0,
            atol=1e-10 * largest,
        )
        assert arrays["fluctuation_nm"].shape[1:] == (6, 2)
        assert np.abs(arrays["fluctuation_nm"]).max() < 1e-9
        assert row.minimum_jacobian_vertices == pytest.approx(
            np.linalg.det(row.deformation_gradient), abs=1e-10
        )


class PlaneStrainPoint:
    """J2 with linear hardening in uniaxial stress along x at F33 = 1, by an own radial return.

    The path is coaxial, so logarithmic strains add up and the elastic ones obey Hooke's law.
    """

    def __init__(self, constants):
        modulus, ratio = constants["youngs_modulus_gpa"], constants["poisson_ratio"]
        self.shear = modulus / (2.0 * (1.0 + ratio))
        self.bulk = modulus / (3.0 * (1.0 - 2.0 * ratio))
        self.strength = constants["yield_strength_gpa"]
        self.hardening = constants["hardening_modulus_gpa"]
        self.plastic = np.zeros(3)
        self.plastic_strain = 0.0

    def kirchhoff_stress(self, strain):
        """Principal Kirchhoff stresses, plastic strains and their equivalent at the end."""
        elastic = strain - self.plastic
        deviator = 2.0 * self.shear * (elastic - elastic.mean())
        mises = np.sqrt(1.5 * deviator @ deviator)
        excess = mises - self.strength - self.hardening * self.plastic_strain
        growth = max(0.0, excess / (3.0 * self.shear + self.hardening))
        direction = 1.5 * deviator / max(mises, 1e-300)
        stress = deviator - 2.0 * self.shear * growth * direction + self.bulk * elastic.sum()
        return stress, self.plastic + growth * direction, self.plastic_strain + growth

    def advance(self, axial):
        """Stretch to a logarithmic strain; the lateral one makes the lateral stress vanish."""

        def lateral_stress(lateral):
            return self.kirchhoff_stress(np.array([axial, lateral, 0.0]))[0][1]

        lateral = brentq(lateral_stress, -2.0 * abs(axial), 2.0 * abs(axial), xtol=1e-15)
        strain = np.array([axial, lateral, 0.0])
        stress, self.plastic, self.plastic_strain = self.kirchhoff_stress(strain)
        return strain, stress


@pytest.mark.parametrize("axis", ["x", "y"])
def test_uniaxial_stress_of_j2(axis, plane_mesh, build_problem):
    """Loaded, unloaded and loaded the other way: slope E / (1 - nu^2), then the own return."""
    path = uniaxial_stress(axis, [-0.4, -0.385, -0.2], 1e-3, [20, 3, 6], dimension=2)
    problem = build_problem(plane_mesh(GRID[:4], GRID[:4]), {"grain": Material("grain", "j2", J2)})
    rows = list(problem.march(path))[1:]
    point = PlaneStrainPoint(J2)
    a, b = ("x", "y").index(axis), ("y", "x").index(axis)
    strains = [-0.02 * n for n in range(1, 21)] + [-0.395, -0.39, -0.385]
    strains += [-0.385 + 0.185 * n / 6 for n in range(1, 7)]
    kirchhoff = []
    for row, axial in zip(rows, strains, strict=True):
        strain, stress = point.advance(axial)
        F = row.deformation_gradient
        kirchhoff.append(row.first_piola_kirchhoff_stress @ F.T)
        assert F[2, 2] == 1.0
        np.testing.assert_allclose(np.log(np.diag(F))[[a, b]], strain[:2], atol=1e-9)
        np.testing.assert_allclose(np.diag(kirchhoff[-1])[[a, b, 2]], stress, atol=1e-8)
        plastic = row.phases["grain"].mean_equivalent_plastic_strain
        assert plastic == pytest.approx(point.plastic_strain, abs=1e-9)
    slope = (kirchhoff[22] - kirchhoff[19])[a, a] / 0.015
    assert slope == pytest.approx(130.0 / (1.0 - 0.33**2), rel=1e-8)
    ratio = (kirchhoff[22] - kirchhoff[19])[2, 2] / (kirchhoff[22] - kirchhoff[19])[a, a]
    assert ratio == pytest.approx(0.33, rel=1e-8)


def test_flow_in_plane_strain_carries_more(plane_mesh, build_problem):
    """Perfect plasticity ends at tau = 2 sigma_0 / sqrt 3, with half of it out of the plane."""
    material = Material("grain", "j2", {**J2, "hardening_modulus_gpa": 0.0})
    problem = build_problem(plane_mesh(GRID[:4], GRID[:4]), {"grain": material})
    for row in problem.march(uniaxial_stress("x", -0.4, 1e-3, 20, dimension=2)):
        last = row
    kirchhoff = last.first_piola_kirchhoff_stress @ last.deformation_gradient.T
    # The elastic strains that the elastic-plastic transition leaves die out as exp(-3 G kappa).
    assert kirchhoff[0, 0] == pytest.approx(-2.0 / np.sqrt(3.0) * 2.5, rel=1e-6)
    assert kirchhoff[2, 2] == pytest.approx(0.5 * kirchhoff[0, 0], rel=1e-6)
    assert kirchhoff[1, 1] == pytest.approx(0.0, abs=1e-9)


LAMINATE = {
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
    for name, modulus, ratio, strength, hardening in (
        ("a", 204.0, 0.29, 4.0, 1.0),
        ("b", 100.0, 0.33, 1.5, 0.5),
    )
}
LAYERS = np.array([0.0, 2.0, 4.0, 6.0, 8.0, 10.0])
SHEAR_END = np.array([[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.fixture
def plane_laminate(plane_mesh):
    """Layers normal to x, 0.4 of phase a and 0.6 of phase b."""
    return plane_mesh(
        LAYERS, GRID[:4], lambda centre: (centre[:, 0] > 4.0).astype(int), ("a", "b"), seed=5
    )


@pytest.fixture(scope="module")
def solid_laminate():
    """The same in space."""
    layers = [Layer("a", 0.4), Layer("b", 0.6)]
    return generate_mesh(laminate_cell("x", layers), 5.0, use_cache=False)


def test_laminate_in_shear(plane_laminate, build_problem, build_path):
    """The table of the three-dimensional laminate at 200 steps, up to the hundredth."""
    problem = build_problem(plane_laminate, LAMINATE)
    half = 0.5 * (SHEAR_END + np.eye(3))
    rows = list(problem.march(build_path((half, 100, 100.0), axis="y")))
    shear = [rows[number].first_piola_kirchhoff_stress[1, 0] for number in (20, 100)]
    np.testing.assert_allclose(shear, [0.874541, 0.929651], atol=1e-6)
    assert max(row.phases["a"].mean_equivalent_plastic_strain for row in rows) == 0.0
    # uniform in the layer; the root of a difference of squares
    assert max(row.phases["b"].std_equivalent_plastic_strain for row in rows) < 1e-7
    assert max(row.hill_mandel_error for row in rows) < 1e-8


def test_laminate_in_compression(plane_laminate, build_problem, build_path):
    """F = diag(1 / stretch, stretch, 1): the table at 800 steps, up to the eightieth."""
    stretches = 1.0 - 0.3 * np.arange(1, 81) / 800.0
    path = build_path(*((np.diag([1.0 / s, s, 1.0]), 1, 1.0) for s in stretches), axis="y")
    last = list(build_problem(plane_laminate, LAMINATE).march(path))[-1]
    np.testing.assert_allclose(
        np.diag(last.first_piola_kirchhoff_stress), [1.234758, -1.676498, -0.114148], atol=1e-6
    )
    plastic = [last.phases[name].mean_equivalent_plastic_strain for name in ("a", "b")]
    np.testing.assert_allclose(plastic, [0.014820, 0.024109], atol=1e-6)


@pytest.mark.parametrize("kinematics", ["finite", "small"])
def test_laminate_equals_the_one_in_space(
    kinematics, plane_laminate, solid_laminate, build_problem, build_path
):
    """The fields are linear, so both meshes are exact and the curves are the same."""
    free = np.nan
    path = build_path(
        ([[free, 0.0, 0.0], [free, 0.97, 0.0], [0.0, 0.0, 1.0]], 3, 3.0),
        ([[free, 0.06, 0.0], [0.02, 0.96, 0.0], [0.0, 0.0, 1.0]], 3, 3.0),
        ([[free, 0.06, 0.0], [0.02, 0.968, 0.0], [0.0, 0.0, 1.0]], 1, 3.0),
        axis="y",
    )
    curves = []
    for mesh in (plane_laminate, solid_laminate):
        rows = list(build_problem(mesh, LAMINATE, kinematics).march(path))
        assert len(rows) == 8
        curves.append(
            [[row.first_piola_kirchhoff_stress, row.deformation_gradient] for row in rows]
        )
    # residual tolerance 1e-11 times the conditioning of the meshes
    np.testing.assert_allclose(curves[0], curves[1], rtol=0.0, atol=1e-8)
    assert abs(curves[0][-1][0][2, 2]) > 0.1, "the reaction out of the plane is not tested"


def test_stiffness_of_the_laminate(plane_laminate, solid_laminate, build_problem):
    """Equal to the block of the body in space, and 1 / <1 / C11> across the layers."""
    stiffness = [
        effective_stiffness(build_problem(mesh, LAMINATE))
        for mesh in (plane_laminate, solid_laminate)
    ]
    block = np.ix_([0, 1, 2, 5], [0, 1, 2, 5])
    np.testing.assert_allclose(stiffness[0].voigt, stiffness[1].voigt[block], atol=1e-8)
    np.testing.assert_allclose(
        stiffness[0].youngs_moduli_gpa, stiffness[1].youngs_moduli_gpa, atol=1e-8
    )
    assert stiffness[0].bulk_modulus_gpa == pytest.approx(stiffness[1].bulk_modulus_gpa, rel=1e-10)
    constrained = [
        E * (1.0 - nu) / ((1.0 + nu) * (1.0 - 2.0 * nu)) for E, nu in ((204.0, 0.29), (100.0, 0.33))
    ]
    across = 1.0 / (0.4 / constrained[0] + 0.6 / constrained[1])
    assert stiffness[0].voigt[0, 0] == pytest.approx(across, rel=1e-10)


def extruded(plane, height_nm, layers):
    """Tetrahedra of the prisms over a plane mesh; equal layers, diagonals from low to high node."""
    count = len(plane.points)
    level = np.linspace(0.0, height_nm, layers + 1)
    points = np.vstack([np.column_stack([plane.points, np.full(count, z)]) for z in level])
    torus = np.concatenate(
        [plane.torus_node + count * (layer % layers) for layer in range(layers + 1)]
    )
    order = np.argsort(plane.torus_node[plane.cells], axis=1)
    a, b, c = np.take_along_axis(plane.cells, order, axis=1).T
    upper = count
    prism = np.vstack(
        [
            np.column_stack([a, b, c, c + upper]),
            np.column_stack([a, b, b + upper, c + upper]),
            np.column_stack([a, a + upper, b + upper, c + upper]),
        ]
    )
    cells = np.vstack([prism + count * layer for layer in range(layers)])
    corner = points[cells]
    turned = np.linalg.det(corner[:, 1:] - corner[:, :1]) < 0.0
    cells[turned] = cells[turned][:, [1, 0, 2, 3]]
    return PeriodicMesh(
        points=points,
        cells=cells,
        torus_node=torus,
        lattice=np.diag([*np.diag(plane.lattice), height_nm]),
        periodic=True,
        phase=np.tile(plane.phase, 3 * layers).astype(np.int32),
        phase_names=plane.phase_names,
        grain=np.zeros(len(cells), np.int32),
    )


SQUARES = np.random.default_rng(4).permutation(np.arange(25) < 12).reshape(5, 5).astype(int)


def square_phase(centre):
    """Random phase of each of 5 x 5 squares of 2 nm."""
    i, j = np.floor(centre / 2.0).astype(int).T
    return SQUARES[i, j]


@pytest.fixture
def squares(plane_mesh):
    """Random squares of two phases on a coarse mesh, on one four times finer, and extruded."""
    coarse = plane_mesh(GRID, GRID, square_phase, ("a", "b"), seed=2)
    fine_grid = np.linspace(0.0, 10.0, 21)
    fine = plane_mesh(fine_grid, fine_grid, square_phase, ("a", "b"), seed=2)
    return {"coarse": coarse, "fine": fine, "solid": extruded(coarse, 6.0, 3)}


STRAINED = np.array([[1.004, 0.003, 0.0], [0.003, 0.995, 0.0], [0.0, 0.0, 1.0]])


def test_elastic_energy_of_a_body_in_space(squares, build_problem, build_path):
    """Prescribed strain: the space of the coarse plane lies in that of the body above it.

    Displacements that do not change along z are quadratic on the tetrahedra too, so the body's
    energy is the lower of the two, and it cannot fall below the exact one.
    """
    materials = {
        "a": Material("a", "elastic", {"youngs_modulus_gpa": 200.0, "poisson_ratio": 0.2}),
        "b": Material("b", "elastic", {"youngs_modulus_gpa": 40.0, "poisson_ratio": 0.4}),
    }
    energy = {}
    for name, mesh in squares.items():
        problem = build_problem(mesh, materials, "small")
        last = list(problem.march(build_path((STRAINED, 1), axis="y")))[-1]
        energy[name] = 0.5 * float(
            np.sum(last.first_piola_kirchhoff_stress * (STRAINED - np.eye(3)))
        )
    error = energy["coarse"] - energy["fine"]
    assert error > 0.0
    assert energy["fine"] - 0.5 * error < energy["solid"] <= energy["coarse"] * (1.0 + 1e-10)


def test_plastic_flow_of_a_body_in_space(squares, build_problem):
    """Finite strain: what the body can do beyond the plane beneath it is a part of the mesh error.

    Five squares a side cannot follow the flow (plane strain leaves it hardly any volume change), so
    refinement lowers the stress by a tenth; the body differs from its plane by a hundredth of that.
    """
    path = uniaxial_stress("y", -0.06, 1e-3, 4, dimension=2)
    stress = {}
    for name, mesh in squares.items():
        last = list(build_problem(mesh, LAMINATE, residual_tolerance=1e-7).march(path))[-1]
        stress[name] = np.diag(last.first_piola_kirchhoff_stress)
        assert last.phases["b"].mean_equivalent_plastic_strain > 0.03
    axial = {name: row[1] for name, row in stress.items()}
    error = abs(axial["coarse"] - axial["fine"])
    assert error > 0.1
    assert abs(axial["solid"] - axial["coarse"]) < 0.02 * error
    assert abs(stress["solid"][2] - stress["coarse"][2]) < 0.02 * error


def test_newton_is_quadratic(squares, build_problem):
    """Each iteration squares the residual, once the flow has settled where it is."""
    problem = build_problem(
        squares["coarse"], LAMINATE, residual_tolerance=1e-13, linear_tolerance=1e-9
    )
    residuals = []
    linear = problem._linear
    solve = linear.solve

    def recorded(forces, macroscopic_forces, _tolerance, *rest):
        residuals.append(float(np.linalg.norm(forces)))
        return solve(forces, macroscopic_forces, 1e-12, *rest)

    linear.solve = recorded
    path = uniaxial_stress("y", -0.03, 1e-3, 6, dimension=2)
    marching = problem.march(path)
    for _ in range(6):
        row = next(marching)
    residuals.clear()
    row = next(marching)
    assert row.cutbacks == 0
    orders = [
        np.log(third / second) / np.log(second / first)
        for first, second, third in zip(residuals, residuals[1:], residuals[2:], strict=False)
        if second < 1e-2 * residuals[0] and third > 1e-12
    ]
    assert orders, residuals
    assert max(orders) > 1.7, residuals
