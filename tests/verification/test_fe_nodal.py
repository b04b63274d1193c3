"""The element "p2-nodal": its energy, its tangent, and what must not change against plain P2.

The oracle is the energy of the element, written out here with its own shape functions, loops and
averages:

    W = sum w [G dev E : dev E + K/2 (g (ln J)^2 + (1 - g) ln J S ln J)],  g = 0.1

for laws whose volume is decoupled (E the logarithmic strain), and for the others the law's own
energy at r F, ln r = (1 - sqrt(g)) (S ln J - ln J) / 3; here Saint Venant and Kirchhoff's, that of
``cubic-elastic`` with isotropic constants. In small strain E is the strain, ln J its trace, and
r F becomes F + ln r I.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from petsc4py import PETSc
from scipy.spatial.transform import Rotation

from ngcfem.constitutive.material import Material
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import LoadPath, LoadSegment, uniaxial_stress
from ngcfem.loading.platens import Platens
from ngcfem.mesh.generation import generate_mesh
from ngcfem.microstructure.cell import Layer
from ngcfem.microstructure.simple_cells import laminate_cell

FREE = np.nan
SHARE = 0.1
NODAL = {"element": "p2-nodal"}
ELASTIC = {"youngs_modulus_gpa": 130.0, "poisson_ratio": 0.33}
J2 = {**ELASTIC, "yield_strength_gpa": 2.0, "hardening_modulus_gpa": 1.0}
FRICTION = {
    **J2,
    "friction_coefficient": 0.12,
    "dilatancy": 0.04,
    "rate_sensitivity": 0.02,
}
MOHR_COULOMB = {
    **ELASTIC,
    "cohesion_gpa": 1.0,
    "cohesion_hardening_gpa": 1.0,
    "friction_coefficient": 0.1,
    "dilatancy": 0.05,
    "softening_slip": 0.1,
}
CUBIC = {"c11_gpa": 230.0, "c12_gpa": 135.0, "c44_gpa": 117.0}
CRYSTAL = {
    **CUBIC,
    "slip_systems": "110+112",
    "initial_slip_resistance_gpa": 1.0,
    "saturation_slip_resistance_gpa": 1.5,
    "slip_hardening_modulus_gpa": 1.0,
}
DIFFUSING = {
    **ELASTIC,
    "reference_stress_gpa": 0.25,
    "reference_rate_per_s": 1e-1,
    "initial_free_volume": 0.06,
    "diffusion_coefficient_nm2_per_s": 0.2,
}
LOADED = [[1.03, 0.02, -0.01], [0.015, 0.95, 0.03], [-0.02, 0.01, 1.01]]
REVERSED = [[1.00, -0.01, 0.0], [0.02, 0.99, 0.01], [0.0, 0.02, 0.98]]


def isotropic_cubic(modulus, ratio):
    """Constants of ``cubic-elastic`` that are those of an isotropic solid."""
    shear = modulus / (2.0 * (1.0 + ratio))
    lame = modulus * ratio / ((1.0 + ratio) * (1.0 - 2.0 * ratio))
    return {"c11_gpa": lame + 2.0 * shear, "c12_gpa": lame, "c44_gpa": shear}


def barycentric_p2(coordinates):
    """Quadratic shape functions on a simplex in its barycentric coordinates, vertices first."""
    ends = (
        [(2, 3), (1, 3), (1, 2), (0, 3), (0, 2), (0, 1)]
        if len(coordinates) == 4
        else [(1, 2), (0, 2), (0, 1)]
    )
    corner = [(i, i) for i in range(len(coordinates))]
    by_corner = np.zeros((len(corner) + len(ends), len(coordinates)))
    for i, _ in corner:
        by_corner[i, i] = 4.0 * coordinates[i] - 1.0
    for row, (i, j) in enumerate(ends, start=len(corner)):
        by_corner[row, i], by_corner[row, j] = 4.0 * coordinates[j], 4.0 * coordinates[i]
    return by_corner


def energy(problem, body, constants, in_law, fluctuation, macroscopic, finite=True):
    """Energy of a straight-sided periodic mesh in nN nm; body is one number for each cell.

    The only thing it takes from the solver is the table of its displacement nodes.
    """
    source = problem.volume.source
    d = source.dimension
    nodes = problem._space.dofs
    order = problem.volume.original_cell
    near, far = (0.5854101966249685, 0.1381966011250105) if d == 3 else (2.0 / 3.0, 1.0 / 6.0)
    points = []
    for cell, number in enumerate(order):
        corner = source.points[source.cells[number, : d + 1]]
        matrix = np.vstack([np.ones(d + 1), corner.T])
        slopes = np.linalg.inv(matrix)[:, 1:]
        volume = abs(np.linalg.det(matrix)) / (6.0 if d == 3 else 2.0)
        keys = [
            (int(source.torus_node[n]), int(body[number])) for n in source.cells[number, : d + 1]
        ]
        for q in range(d + 1):
            place = np.full(d + 1, far)
            place[q] = near
            gradient = np.zeros((3, 3))
            gradient[:d, :d] = fluctuation[nodes[cell]].T @ (barycentric_p2(place) @ slopes)
            F = macroscopic + gradient
            volume_change = np.log(np.linalg.det(F)) if finite else np.trace(F) - 3.0
            points.append((volume / (d + 1), place, keys, F, volume_change, body[number]))
    sums, weights = {}, {}
    for volume, place, keys, _, change, _ in points:
        for key, share in zip(keys, place, strict=True):
            sums[key] = sums.get(key, 0.0) + volume * share * change
            weights[key] = weights.get(key, 0.0) + volume * share
    total = 0.0
    for volume, place, keys, F, own, number in points:
        bulk, shear = constants[int(number)]
        averaged = sum(
            share * sums[key] / weights[key] for key, share in zip(keys, place, strict=True)
        )
        if in_law:
            ratio = (1.0 - SHARE**0.5) * (averaged - own) / 3.0
            seen = np.exp(ratio) * F if finite else F + ratio * np.eye(3)
            strain = (
                0.5 * (seen.T @ seen - np.eye(3)) if finite else 0.5 * (seen + seen.T) - np.eye(3)
            )
            square = np.trace(strain) ** 2
        else:
            strain = np.diag(0.5 * np.log(np.linalg.eigvalsh(F.T @ F)))
            if not finite:
                strain = 0.5 * (F + F.T) - np.eye(3)
            square = SHARE * own**2 + (1.0 - SHARE) * own * averaged
        deviator = strain - np.trace(strain) / 3.0 * np.eye(3)
        total += volume * (shear * (deviator**2).sum() + 0.5 * bulk * square)
    return total


@pytest.fixture
def touching(plane_mesh):
    """Squares of a plane: soft ones that touch each other at corners only, in a hard rest."""
    edge = np.linspace(0.0, 8.0, 5)

    def soft(centre):
        column, row = (centre // 2.0).astype(int).T
        return np.where(((column == 0) & (row == 0)) | ((column == 1) & (row == 1)), 0, 1)

    return plane_mesh(edge, edge, soft, ("soft", "hard"), shake_nm=0.3)


def bodies_of_touching(mesh):
    """By hand: the two soft squares are bodies of their own, the rest hangs together."""
    centre = mesh.points[mesh.cells[:, :3]].mean(axis=1)
    return np.where(mesh.phase == 1, 2, (centre[:, 0] > 2.0).astype(int))


@pytest.mark.parametrize("kinematics", ["finite", "small"])
@pytest.mark.parametrize("in_law", [False, True], ids=["own energy", "volume in the law"])
@pytest.mark.parametrize("cell", ["touching squares", "sphere"])
def test_forces_are_the_gradient_of_the_energy(
    cell, in_law, kinematics, touching, sphere_mesh, build_problem
):
    modulus = {"soft": (100.0, 0.45), "hard": (300.0, 0.2)}
    modulus |= {"matrix": modulus["soft"], "inclusion": modulus["hard"]}
    mesh = touching if cell == "touching squares" else sphere_mesh
    body = bodies_of_touching(mesh) if cell == "touching squares" else mesh.phase
    names = mesh.phase_names
    constants = {}
    for number in np.unique(body):
        E, nu = modulus[names[mesh.phase[body == number][0]]]
        constants[int(number)] = (E / (3.0 * (1.0 - 2.0 * nu)), E / (2.0 * (1.0 + nu)))
    materials = {
        name: Material(name, "cubic-elastic", isotropic_cubic(*modulus[name]))
        if in_law
        else Material(
            name,
            "elastic",
            dict(zip(ELASTIC, modulus[name], strict=True)),
        )
        for name in names
    }
    problem = build_problem(mesh, materials, kinematics, **NODAL)
    assert problem._nodal_pressure.average.number_of_bodies == len(constants)
    random = np.random.default_rng(7)
    d = mesh.dimension
    u = 0.02 * random.standard_normal((problem._space.owned_nodes, d))
    F = np.eye(3)
    F[:d, :d] += 0.03 * random.standard_normal((d, d))
    state = problem._evaluate(u, F, np.zeros(0))
    assert not state.failure
    volume = problem._cell_volume
    for _ in range(2):
        move = random.standard_normal(u.shape)
        turn = np.zeros((3, 3))
        turn[:d, :d] = random.standard_normal((d, d))
        step = 1e-5
        ends = [
            energy(
                problem,
                body,
                constants,
                in_law,
                u + sign * step * move,
                F + sign * step * turn,
                kinematics == "finite",
            )
            for sign in (1.0, -1.0)
        ]
        expected = (ends[0] - ends[1]) / (2.0 * step)
        found = np.sum(state.forces * move) + volume * np.sum(state.stress * turn)
        # The step leaves an error of its square, 1e-10, times third derivatives of some hundred;
        # rounding leaves 1e-16 of the energy over the step.
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("matrix", "dimension", "kinematics"),
    [
        (("j2", J2), 3, "finite"),
        (("drucker-prager", FRICTION), 3, "finite"),
        pytest.param(("drucker-prager", FRICTION), 2, "small", marks=pytest.mark.slow),
        pytest.param(("mohr-coulomb", MOHR_COULOMB), 2, "finite", marks=pytest.mark.slow),
        pytest.param(("crystal-plasticity", CRYSTAL), 2, "finite", marks=pytest.mark.slow),
        (("j2", J2), 2, "small"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else str(value),
)
def test_tangent_is_the_derivative(
    matrix, dimension, kinematics, plane_mesh, sphere_mesh, build_problem
):
    """Forces and macroscopic stress by displacement and macroscopic F, against differences."""
    edge = np.linspace(0.0, 9.0, 4)
    mesh = sphere_mesh
    if dimension == 2:
        mesh = plane_mesh(
            edge, edge, lambda x: x[:, 0] > 4.5, ("matrix", "inclusion"), shake_nm=0.3
        )
    materials = {
        "matrix": Material("matrix", *matrix),
        "inclusion": Material("inclusion", "j2", {**J2, "yield_strength_gpa": 3.0}),
    }
    problem = build_problem(mesh, materials, kinematics, residual_tolerance=1e-9, **NODAL)
    rows = list(problem.march(uniaxial_stress("y", -0.05, 1e-3, 2, dimension=dimension)))
    assert rows[-1].phases["matrix"].mean_equivalent_plastic_strain > 0.01
    space, d = problem._space, mesh.dimension
    random = np.random.default_rng(5)
    u = problem._fluctuation + 1e-3 * random.standard_normal(problem._fluctuation.shape)
    F = problem._deformation_gradient.copy()
    F[:d, :d] = F[:d, :d] @ (np.eye(d) + np.diag([0.006, -0.01, 0.004][:d]))
    problem._time_increment_s = 5.0
    every = np.arange(9) if d == 3 else np.array([0, 1, 3, 4])
    assert not problem._evaluate(u, F, np.zeros(0)).failure
    space.assemble_tangent()
    columns, rows = space.border(every, symmetric=False)
    macroscopic = space.integrated_moduli()[:, every]
    for _ in range(2):
        move = random.standard_normal(u.shape)
        turn = np.zeros(9)
        turn[every] = random.standard_normal(len(every))
        x, y = space.matrix.createVecRight(), space.matrix.createVecLeft()
        x.array[:] = move.ravel()
        space.multiply_tangent(x, y)
        forces = y.array + columns @ turn[every]
        stress = rows.T @ move.ravel() + macroscopic[every] @ turn[every]
        step = 1e-6
        ends = [
            problem._evaluate(
                u + sign * step * move, F + sign * step * turn.reshape(3, 3), np.zeros(0)
            )
            for sign in (1.0, -1.0)
        ]
        difference = (ends[0].forces - ends[1].forces).ravel() / (2.0 * step)
        # Rounding over the step, 1e-15 / 1e-6 times forces of some hundred a nanometre.
        assert np.abs(forces - difference).max() < 1e-6 * np.abs(forces).max()
        difference = (ends[0].stress - ends[1].stress).ravel()[every] / (2.0 * step)
        difference *= problem._cell_volume
        assert np.abs(stress - difference).max() < 1e-6 * np.abs(stress).max()


@pytest.mark.parametrize(
    ("law", "parameters", "kinematics", "boundary"),
    [
        ("j2", J2, "finite", "periodic"),
        ("drucker-prager", FRICTION, "finite", "uniform-displacement"),
        pytest.param("drucker-prager", FRICTION, "small", "periodic", marks=pytest.mark.slow),
    ],
)
def test_patch(law, parameters, kinematics, boundary, cube_mesh, build_problem, build_path):
    """A homogeneous cell is one material point, at every integration point."""
    moves = np.random.default_rng(3).uniform(-0.2, 0.2, cube_mesh.points.shape)
    mesh = replace(cube_mesh, points=cube_mesh.points + moves[cube_mesh.torus_node])
    material = Material("grain", law, parameters)
    problem = build_problem(mesh, {"grain": material}, kinematics, boundary, **NODAL)
    path = build_path((LOADED, 4, 40.0), (REVERSED, 3, 5.0))
    point = list(drive_point(material, path, kinematics))
    largest = max(np.abs(row.first_piola_kirchhoff_stress).max() for row in point)
    assert point[-1].phases["grain"].mean_equivalent_plastic_strain > 0.05
    for row, expected in zip(problem.march(path), point, strict=True):
        arrays, _ = problem.checkpoint()
        everywhere = arrays["point_stress_gpa"].reshape(-1, 3, 3)
        np.testing.assert_allclose(
            everywhere,
            np.broadcast_to(expected.first_piola_kirchhoff_stress, everywhere.shape),
            rtol=0.0,
            atol=1e-10 * largest,
        )
        assert row.pressure_noise < 1e-10


def test_smooth_platens_make_no_pressure(cube_mesh, build_problem):
    """Free surfaces: a homogeneous block stays in uniaxial stress."""
    material = Material("grain", "drucker-prager", FRICTION)
    path = uniaxial_stress("z", [-0.06, -0.05], 1e-3, [3, 1])
    problem = build_problem(
        cube_mesh, {"grain": material}, "finite", "platens", Platens("z", "smooth"), **NODAL
    )
    point = list(drive_point(material, path, "finite"))
    for row, expected in zip(problem.march(path), point, strict=True):
        np.testing.assert_allclose(
            row.first_piola_kirchhoff_stress,
            expected.first_piola_kirchhoff_stress,
            rtol=0.0,
            atol=1e-9 * np.abs(point[-1].first_piola_kirchhoff_stress).max(),
        )


def test_nothing_is_averaged_across_the_boundary_of_a_laminate(build_problem, stresses):
    """Layers are homogeneous with different pressures: the element is plain P2 there."""
    layers = [Layer("a", 0.4), Layer("b", 0.6)]
    mesh = generate_mesh(laminate_cell("x", layers), 5.0, use_cache=False)
    materials = {
        "a": Material("a", "j2", {**J2, "youngs_modulus_gpa": 204.0}),
        "b": Material("b", "drucker-prager", FRICTION),
    }
    path = uniaxial_stress("y", [-0.06, -0.055], 1e-3, [4, 1])
    ends = {}
    for element in ("p2", "p2-nodal"):
        problem = build_problem(mesh, materials, "finite", element=element)
        rows = list(problem.march(path))
        ends[element] = stresses(rows)
    pressure = [np.trace(rows[-2].phases[name].mean_cauchy_stress) / 3.0 for name in ("a", "b")]
    assert abs(pressure[0] - pressure[1]) > 0.02, "there is nothing that could be averaged"
    # Both meet the residual tolerance of 1e-11, times the conditioning of the cell.
    np.testing.assert_allclose(
        ends["p2-nodal"], ends["p2"], rtol=0.0, atol=1e-9 * np.abs(ends["p2"]).max()
    )


def test_with_nothing_averaged_it_is_plain_p2(sphere_mesh, composite, build_problem, stresses):
    """A local share of 1: both forms of the element, with all their terms, fall back to P2."""
    path = uniaxial_stress("z", -0.04, 1e-3, 2)
    ends = {}
    for element in ("p2", "p2-nodal"):
        problem = build_problem(sphere_mesh, composite, element=element, local_pressure_share=1.0)
        ends[element] = stresses(list(problem.march(path)))
    np.testing.assert_allclose(
        ends["p2-nodal"], ends["p2"], rtol=0.0, atol=1e-10 * np.abs(ends["p2"]).max()
    )


AXIAL = [[FREE, 0.0, 0.0], [FREE, FREE, 0.0], [FREE, FREE, 0.94]]
UNLOADED = [[FREE, 0.0, 0.0], [FREE, FREE, 0.0], [FREE, FREE, 0.948]]
SHEARED = [[FREE, 0.03, 0.0], [0.0, 0.97, 0.01], [FREE, FREE, FREE]]
PULLED = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.1, -0.2, 0.6]]


@pytest.mark.parametrize(
    ("kinematics", "boundary"),
    [
        ("finite", "periodic"),
        pytest.param("small", "uniform-displacement", marks=pytest.mark.slow),
        pytest.param("small", "periodic", marks=pytest.mark.slow),
        pytest.param("finite", "uniform-displacement", marks=pytest.mark.slow),
    ],
)
def test_hill_mandel(kinematics, boundary, sphere_mesh, composite, build_problem, build_path):
    """Loaded, unloaded, a hundred times faster, and under mixed control of shear and stress."""
    path = build_path(
        (AXIAL, 4, 60.0), (UNLOADED, 1, 20.0), (AXIAL, 1, 0.2), (SHEARED, 3, 40.0, PULLED)
    )
    problem = build_problem(sphere_mesh, composite, kinematics, boundary, **NODAL)
    rows = list(problem.march(path))
    assert len(rows) == 10
    assert max(row.hill_mandel_error for row in rows) < 1e-8
    flowed = [row.phases["matrix"].mean_equivalent_plastic_strain for row in rows]
    assert flowed[4] > 0.02
    assert flowed[5] - flowed[4] < 1e-3
    last = rows[-1].first_piola_kirchhoff_stress
    np.testing.assert_allclose(last[2], PULLED[2], rtol=0.0, atol=1e-10 * np.linalg.norm(last))


def test_objectivity(sphere_mesh, composite, build_problem, build_path, stresses):
    """A rotation that grows along the path turns the stress and does nothing else."""
    deformations = [
        np.eye(3) + t * (np.array(LOADED) - np.eye(3)) @ np.diag([1.5, 1.0, 1.2])
        for t in (0.3, 0.7, 1.0)
    ]
    rotations = [
        Rotation.from_rotvec(0.2 * number * np.array([0.3, -0.5, 0.8])).as_matrix()
        for number in range(1, 4)
    ]
    plain = build_problem(sphere_mesh, composite, "finite", **NODAL)
    turned = build_problem(sphere_mesh, composite, "finite", **NODAL)
    expected = stresses(list(plain.march(build_path(*((F, 1, 10.0) for F in deformations)))))[1:]
    pairs = list(zip(rotations, deformations, strict=True))
    rows = list(turned.march(build_path(*((Q @ F, 1, 10.0) for Q, F in pairs))))
    assert sum(row.cutbacks for row in rows) == 0, "a cut step follows another path"
    assert rows[-1].phases["matrix"].mean_equivalent_plastic_strain > 0.02
    rotated = np.array([Q @ P for Q, P in zip(rotations, expected, strict=True)])
    np.testing.assert_allclose(
        stresses(rows)[1:], rotated, rtol=0.0, atol=1e-9 * np.abs(expected).max()
    )


def test_a_restored_problem_goes_on(sphere_mesh, composite, build_problem, build_path, stresses):
    path = build_path((AXIAL, 3, 60.0), (SHEARED, 2, 40.0, PULLED))
    problem = build_problem(sphere_mesh, composite, **NODAL)
    saved, rows = None, []
    for row in problem.march(path):
        rows.append(row)
        if row.increment == 2:
            saved = problem.checkpoint()
    assert saved is not None
    arrays, metadata = saved
    restored = build_problem(sphere_mesh, composite, **NODAL)
    restored.restore(arrays, json.loads(json.dumps(metadata)))
    following = list(restored.march(path))
    # As for plain P2: sums over cells may round otherwise, times the conditioning of the cell.
    np.testing.assert_allclose(stresses(following), stresses(rows)[3:], rtol=0.0, atol=1e-11)


def test_effective_tangent_is_the_stiffness_of_the_next_step(sphere_mesh, build_problem):
    """Static condensation of the nodal part too: against the stress that small strains make."""
    materials = {
        "matrix": Material("matrix", "cubic-elastic", isotropic_cubic(100.0, 0.4)),
        "inclusion": Material(
            "inclusion", "elastic", {"youngs_modulus_gpa": 400.0, "poisson_ratio": 0.2}
        ),
    }
    stiffness = build_problem(sphere_mesh, materials, "small", **NODAL).effective_tangent()
    np.testing.assert_allclose(stiffness, stiffness.T, rtol=0.0, atol=1e-9 * stiffness.max())
    problem = build_problem(sphere_mesh, materials, "small", **NODAL)
    strain = np.array([[0.01, 0.003, 0.0], [0.003, -0.02, 0.001], [0.0, 0.001, 0.005]])
    path = LoadPath([LoadSegment(np.eye(3) + strain, np.zeros((3, 3)), 1.0, 1)], axis="z")
    row = list(problem.march(path))[-1]
    np.testing.assert_allclose(
        row.first_piola_kirchhoff_stress.ravel(),
        stiffness @ strain.ravel(),
        rtol=0.0,
        atol=1e-9 * np.abs(stiffness @ strain.ravel()).max(),
    )


def test_pressure_of_a_nearly_incompressible_composite(build_problem, sphere_mesh):
    """At nu = 0.499 the pressure of plain P2 alternates; that of the element hardly does."""
    noise = {}
    materials = {
        "matrix": Material(
            "matrix", "elastic", {"youngs_modulus_gpa": 100.0, "poisson_ratio": 0.499}
        ),
        "inclusion": Material("inclusion", "elastic", ELASTIC),
    }
    for element in ("p2", "p2-nodal"):
        problem = build_problem(
            sphere_mesh, materials, "small", element=element, residual_tolerance=1e-7
        )
        (_, row) = problem.march(uniaxial_stress("z", -0.01, 1e-3, 1))
        noise[element] = row.pressure_noise
    assert noise["p2"] > 0.15
    # What is left is mostly the gradient of the pressure in the cells of this coarse mesh.
    assert noise["p2-nodal"] < 0.5 * noise["p2"]


def softening(law):
    """Softening glass with an internal length."""
    if law == "free-volume":
        return Material("matrix", law, DIFFUSING)
    if law == "mohr-coulomb":
        return Material(
            "matrix",
            law,
            {
                **MOHR_COULOMB,
                "cohesion_hardening_gpa": 0.0,
                "cohesion_softening_gpa": 0.15,
                "characteristic_length_nm": 3.0,
            },
        )
    return Material(
        "matrix",
        law,
        {
            **J2,
            **({} if law == "j2" else {"friction_coefficient": 0.12, "dilatancy": 0.04}),
            "hardening_modulus_gpa": 0.0,
            "softening_gpa": 0.3,
            "softening_strain": 0.05,
            "characteristic_length_nm": 3.0,
        },
    )


@pytest.mark.parametrize(
    ("law", "dimension", "kinematics"),
    [
        pytest.param("j2", 3, "finite", marks=pytest.mark.slow),
        ("drucker-prager", 3, "finite"),
        pytest.param("drucker-prager", 2, "small", marks=pytest.mark.slow),
        pytest.param("mohr-coulomb", 2, "finite", marks=pytest.mark.slow),
        pytest.param("free-volume", 2, "finite", marks=pytest.mark.slow),
    ],
)
def test_tangent_with_a_nonlocal_field(
    law, dimension, kinematics, plane_mesh, sphere_mesh, build_problem
):
    """The whole coupled operator as the Krylov method sees it, against differences."""
    edge = np.linspace(0.0, 9.0, 4)
    mesh = sphere_mesh
    if dimension == 2:
        mesh = plane_mesh(
            edge, edge, lambda x: x[:, 0] > 4.5, ("matrix", "inclusion"), shake_nm=0.3
        )
    materials = {
        "matrix": softening(law),
        "inclusion": Material("inclusion", "drucker-prager", FRICTION),
    }
    problem = build_problem(mesh, materials, kinematics, residual_tolerance=1e-9, **NODAL)
    rows = list(problem.march(uniaxial_stress("y", -0.05, 1e-3, 2, dimension=dimension)))
    assert rows[-1].phases["matrix"].mean_equivalent_plastic_strain > 0.01
    assert sum(row.cutbacks for row in rows) == 0
    assert max(row.hill_mandel_error for row in rows) < 1e-7
    field, d = problem._nonlocal, mesh.dimension
    assert field is not None
    length, volume = problem._linear.length, problem._cell_volume
    random = np.random.default_rng(5)
    u = problem._fluctuation + 1e-3 * random.standard_normal(problem._fluctuation.shape)
    F = problem._deformation_gradient.copy()
    F[:d, :d] = F[:d, :d] @ (np.eye(d) + np.diag([0.006, -0.01, 0.004][:d]))
    chi = problem._field + 1e-3 * random.random(problem._field.shape)
    problem._time_increment_s = 5.0
    components = np.arange(9) if d == 3 else np.array([0, 1, 3, 4])
    state = problem._evaluate(u, F, chi)
    assert not state.failure
    problem._linearize(components, False, state.field_row_scale)
    system, scale = problem._linear._system, state.field_row_scale
    move, spread = random.standard_normal(u.shape), 0.1 * random.standard_normal(chi.shape)
    # No strain flows into unknowns that no cell of the field touches.
    spread[field._unused] = 0.0
    turn = np.zeros(9)
    turn[components] = random.standard_normal(len(components))
    given = np.concatenate([move.ravel(), length * spread, length * turn[components]])
    x, y = (PETSc.Vec().createSeq(len(given)) for _ in range(2))
    x.array[:] = given
    system.mult(None, x, y)
    found = np.split(y.array.copy(), [u.size, u.size + chi.size])
    step = 1e-6
    ends = [
        problem._evaluate(
            u + sign * step * move, F + sign * step * turn.reshape(3, 3), chi + sign * step * spread
        )
        for sign in (1.0, -1.0)
    ]
    expected = [
        (ends[0].forces - ends[1].forces).ravel() / (2.0 * step),
        scale * (ends[0].field_forces - ends[1].field_forces) / (2.0 * step),
        volume / length * (ends[0].stress - ends[1].stress).ravel()[components] / (2.0 * step),
    ]
    for block, difference in zip(found, expected, strict=True):
        assert np.abs(block - difference).max() < 1e-6 * np.abs(difference).max()
