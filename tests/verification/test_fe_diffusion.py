"""Diffusion of free volume: the field equation, a band in shear, and what it leaves as it is.

References: the decay of an eigenmode of the discrete Laplacian, assembled here once more; the free
volume of a layer in shear by a finite volume method of lines with an adaptive integrator.
"""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import eigh

from ngcfem.constitutive.material import Material

LENGTH_NM = 60.0
MODULUS_RATIO = 100.0
REFERENCE_STRESS = 0.3
POISSON = 1.0 / 3.0
INITIAL = 0.06
INITIAL_TIGHT = 0.05
RATE = 1e-6
ALPHA = 0.15
JUMPS = 3.0
WEAK_NM = 6.0
WEAKNESS = 0.8
DIFFUSION = "diffusion_coefficient_nm2_per_s"
GLASS = {
    "youngs_modulus_gpa": 2.0 * MODULUS_RATIO * REFERENCE_STRESS * (1.0 + POISSON),
    "poisson_ratio": POISSON,
    "reference_stress_gpa": REFERENCE_STRESS,
    "reference_rate_per_s": 1.0,
    "initial_free_volume": INITIAL,
    "geometry_factor": ALPHA,
    "diffusion_jumps": JUMPS,
}
FROZEN = {**GLASS, "reference_rate_per_s": 1e-30}
GRID = np.linspace(0.0, 10.0, 5)


def half(centres):
    return centres[:, 0] > 5.0


def vertex_places(problem):
    """Places of the vertices of every cell in the order of the field, shape (cells, 3, 2)."""
    geometry = problem.volume.mesh.geometry
    return geometry.x[geometry.dofmaps[0][:, :3]][:, :, :2]


def put_free_volume(problem, change):
    """Begin with a change of free volume given at the vertices, shape (cells, 3)."""
    field = problem._nonlocal.from_vertices(change)
    problem._field, problem._previous_field = field, field.copy()
    values = problem._nonlocal.at_points(field)
    points = problem._points
    for states in (points._states, points._trials):
        for block, state in zip(points.blocks, states, strict=True):
            column = block.law.state_names.index(block.law.nonlocal_variable)
            state[:, column] = values[block.rows]


def discrete_laplacian(mesh):
    """Dense mass and stiffness of linear triangles on the torus, and the vertex of each node."""
    nodes = np.unique(mesh.torus_node)
    number = np.searchsorted(nodes, mesh.torus_node)
    mass, stiffness = np.zeros((len(nodes), len(nodes))), np.zeros((len(nodes), len(nodes)))
    for cell in mesh.cells[:, :3]:
        corners = mesh.points[cell]
        edges = np.column_stack([corners[1] - corners[0], corners[2] - corners[0]])
        area = 0.5 * abs(np.linalg.det(edges))
        gradients = np.array([[-1.0, -1.0], [1.0, 0.0], [0.0, 1.0]]) @ np.linalg.inv(edges)
        rows = np.ix_(number[cell], number[cell])
        mass[rows] += area / 12.0 * (np.ones((3, 3)) + np.eye(3))
        stiffness[rows] += area * gradients @ gradients.T
    return mass, stiffness, number


def longest_mode(problem, mesh):
    """Eigenmode of the longest wave along x, by vertex of the cells, and its eigenvalue."""
    mass, stiffness, number = discrete_laplacian(mesh)
    values, modes = eigh(stiffness, mass)
    # A strip is far longer than wide: after the constant come the sine and cosine along x.
    mode = modes[:, 1] / np.abs(modes[:, 1]).max()
    by_place = {
        tuple(np.round(place, 6)): mode[row] for place, row in zip(mesh.points, number, strict=True)
    }
    places = vertex_places(problem)
    flat = [by_place[tuple(np.round(place, 6))] for place in places.reshape(-1, 2)]
    return np.array(flat).reshape(places.shape[:2]), values[1]


def total_change(problem):
    nonlocal_field = problem._nonlocal
    values = nonlocal_field.at_points(problem._field)[nonlocal_field.points]
    return float(nonlocal_field._weights.ravel() @ values)


def test_a_wave_without_flow_decays_by_the_factor_of_the_implicit_step(
    plane_mesh, build_problem, build_path
):
    coefficient, steps, duration = 0.04, 5, 400.0
    mesh = plane_mesh(np.linspace(0.0, LENGTH_NM, 31), 2.0 * np.arange(4))
    material = Material("grain", "free-volume", {**FROZEN, DIFFUSION: coefficient})
    problem = build_problem(mesh, {"grain": material}, "small")
    wave, eigenvalue = longest_mode(problem, mesh)
    # 30 elements a wave: the discrete eigenvalue is within their error of k^2.
    assert eigenvalue == pytest.approx((2.0 * math.pi / LENGTH_NM) ** 2, rel=0.01)
    put_free_volume(problem, 0.01 * wave + 0.002)
    before = total_change(problem)
    for row in problem.march(build_path((np.eye(3), steps, duration))):
        step = duration / steps
        factor = (1.0 + coefficient * step * eigenvalue) ** -row.increment
        expected = 0.01 * wave * factor + 0.002
        found = problem._nonlocal.at_vertices(problem._field)
        np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-9)
        assert total_change(problem) == pytest.approx(before, rel=1e-9)
        assert row.cutbacks == 0
    # And the implicit steps are near the decay of the continuum.
    assert factor == pytest.approx(
        math.exp(-coefficient * duration * (2.0 * math.pi / LENGTH_NM) ** 2), rel=0.05
    )
    assert factor < 0.9


def layer_in_shear(coefficient, strains, number=240):
    """Shear stress over tau_0 and free volume (number, strains) of a periodic layer."""
    size = LENGTH_NM / number
    places = (np.arange(number) + 0.5) * size
    weak = np.where(np.abs(places - 0.5 * LENGTH_NM) < 0.5 * WEAK_NM, WEAKNESS, 1.0)
    eshelby = 4.0 / 3.0 * MODULUS_RATIO / weak  # (2/3) G (1 + nu) / (1 - nu) at nu = 1/3

    def right_hand_side(_, y):
        s, xi = y[0] / weak, y[1:]
        rare = np.exp(-1.0 / xi)
        flow = 2.0 * rare * np.sinh(s)
        made = rare * ((np.cosh(s) - 1.0) / (eshelby * xi) - 1.0 / JUMPS) / ALPHA
        spread = coefficient * (np.roll(xi, 1) - 2.0 * xi + np.roll(xi, -1)) / size**2
        stress = MODULUS_RATIO * (1.0 - flow.mean() / RATE)
        return np.concatenate([[stress], (made + spread) / RATE])

    solution = solve_ivp(
        right_hand_side,
        (0.0, strains[-1]),
        np.concatenate([[0.0], np.full(number, INITIAL)]),
        method="BDF",
        rtol=1e-8,
        atol=1e-11,
        t_eval=strains,
    )
    assert solution.success
    return solution.y[0], solution.y[1:]


def layer_problem(coefficient, plane_mesh, build_problem, columns=60, **options):
    size = LENGTH_NM / columns

    def weak(centres):
        return np.abs(centres[:, 0] - 0.5 * LENGTH_NM) < 0.5 * WEAK_NM

    mesh = plane_mesh(
        np.linspace(0.0, LENGTH_NM, columns + 1), size * np.arange(4), weak, ("strip", "weak")
    )
    materials = {
        name: Material(
            name,
            "free-volume",
            {**GLASS, "reference_stress_gpa": REFERENCE_STRESS * factor, DIFFUSION: coefficient},
        )
        for name, factor in (("strip", 1.0), ("weak", WEAKNESS))
    }
    return build_problem(mesh, materials, "small", residual_tolerance=1e-8, **options)


def sheared(angle):
    return [[1.0, 0.0, 0.0], [angle, 1.0, 0.0], [0.0, 0.0, 1.0]]


def shear_layer(coefficient, steps, plane_mesh, build_problem, build_path):
    """Stress over tau_0 at every requested strain, and the last free volume by place."""
    problem = layer_problem(coefficient, plane_mesh, build_problem)
    segments, last = [], 0.0
    for strain, number in steps:
        segments.append((sheared(strain), number, (strain - last) / RATE))
        last = strain
    found = {}
    for row in problem.march(build_path(*segments, axis="y")):
        found[round(float(row.deformation_gradient[1, 0]), 9)] = (
            row.first_piola_kirchhoff_stress[1, 0] / REFERENCE_STRESS
        )
        difference, _ = problem.nonlocal_balance()
        # The residual tolerance, of the free volume of the 180 nm^2 of the strip.
        assert abs(difference) <= 1e-8 * INITIAL * 180.0
    places = vertex_places(problem)[:, :, 0].ravel()
    values = INITIAL + problem._nonlocal.at_vertices(problem._field).ravel()
    return found, places, values


def test_a_layer_in_shear_against_the_method_of_lines(plane_mesh, build_problem, build_path):
    strains = np.array([0.03, 0.04, 0.045, 0.05, 0.06])
    coefficient = 1e-3
    expected, profile = layer_in_shear(coefficient, strains)
    undiffused, sharp = layer_in_shear(0.0, strains)
    # What diffusion does here is far above the tolerance.
    assert np.abs(undiffused / expected - 1.0).max() > 0.1
    assert np.ptp(sharp[:, -1]) > 1.25 * np.ptp(profile[:, -1])
    runs = []
    for finer in (1, 2):
        steps = [(0.03, 6 * finer), (0.06, 30 * finer)]
        found, places, values = shear_layer(
            coefficient, steps, plane_mesh, build_problem, build_path
        )
        runs.append((np.array([found[strain] for strain in strains]), values))
    # Richardson's rule for a method of first order; its remainder is about a quarter of 2 %, what
    # a second extrapolation would move.
    np.testing.assert_allclose(2.0 * runs[1][0] - runs[0][0], expected, rtol=5e-3)
    free_volume = 2.0 * runs[1][1] - runs[0][1]
    centres = (np.arange(240) + 0.5) * LENGTH_NM / 240
    reference = np.interp(places, centres, profile[:, -1], period=LENGTH_NM)
    assert np.abs(free_volume - reference).max() < 0.02 * np.ptp(profile[:, -1])


LOADED = [[1.02, 0.06, 0.0], [0.02, np.nan, 0.0], [0.0, 0.0, 1.0]]
LAWS = {
    "free-volume": {**GLASS, "initial_free_volume": INITIAL_TIGHT},
    "effective-temperature": {
        **{k: v for k, v in GLASS.items() if k in list(GLASS)[:4]},
        "initial_effective_temperature": 0.05,
        "steady_effective_temperature": 0.066,
        "effective_heat_capacity": 1.0,
    },
    "free-volume-relaxation": {
        **{k: v for k, v in GLASS.items() if k in list(GLASS)[:5]},
        "creation_per_shear_strain": 0.1,
        "relaxation_rate_per_s": 1e-9,
        "pressure_annihilation_per_gpa_s": 1e-10,
    },
}


def composite_problem(mesh, build_problem, law="free-volume", kinematics="finite", **options):
    """Two glasses of different strength and diffusion that open as their free volume grows."""
    own = {**LAWS[law], "dilatation_per_free_volume": 0.3}
    materials = {
        "soft": Material("soft", law, {**own, DIFFUSION: 1e-4}),
        "hard": Material("hard", law, {**own, "reference_stress_gpa": 0.4, DIFFUSION: 4e-5}),
    }
    return build_problem(mesh, materials, kinematics, **options)


@pytest.mark.parametrize("kinematics", ["small", "finite"])
@pytest.mark.parametrize("law", list(LAWS))
def test_newton_is_quadratic(law, kinematics, plane_mesh, build_problem, build_path):
    mesh = plane_mesh(GRID, GRID, half, ("soft", "hard"), shake_nm=0.3)
    problem = composite_problem(
        mesh, build_problem, law, kinematics, linear_tolerance=1e-10, predictor="affine"
    )
    residuals = []
    evaluate = problem._newton._evaluate

    def recorded(*arguments):
        state = evaluate(*arguments)
        residuals.append(max(state.force_residual, state.field_residual))
        return state

    problem._newton._evaluate = recorded
    rows = []
    for row in problem.march(build_path((LOADED, 12, 0.08 / RATE), axis="y")):
        rows.append(row)
        steps, residuals[:] = list(residuals), []
    falling = [value for value in steps if value > 1e-12]
    orders = [math.log(b) / math.log(a) for a, b in itertools.pairwise(falling) if a < 1e-3]
    # An exact tangent doubles the number of correct digits; a wrong term would leave it linear.
    assert max(orders, default=0.0) > 1.6 or steps[-1] < 1e-11 < steps[-2] ** 1.6
    assert max(row.hill_mandel_error for row in rows) < 1e-8
    assert rows[-1].phases["soft"].mean_equivalent_plastic_strain > 0.002


@pytest.mark.parametrize("law", list(LAWS))
def test_even_flow_is_that_of_the_plain_law(law, plane_mesh, build_problem, build_path):
    mesh = plane_mesh(GRID, GRID, shake_nm=0.3)
    rows = []
    for diffusion in ({}, {DIFFUSION: 1e-4}):
        values = {**LAWS[law], "dilatation_per_free_volume": 0.3, **diffusion}
        problem = build_problem(mesh, {"grain": Material("grain", law, values)})
        assert (problem.number_of_field_dofs > 0) is bool(diffusion)
        rows.append(list(problem.march(build_path((LOADED, 8, 0.08 / RATE), axis="y"))))
    assert rows[0][-1].phases["grain"].mean_equivalent_plastic_strain > 0.002
    for local, spread in zip(*rows, strict=True):
        np.testing.assert_allclose(
            spread.first_piola_kirchhoff_stress,
            local.first_piola_kirchhoff_stress,
            rtol=0.0,
            atol=1e-8,
        )


def test_a_coefficient_of_zero_is_the_plain_law(plane_mesh, build_problem, build_path):
    mesh = plane_mesh(GRID, GRID, half, ("soft", "hard"), shake_nm=0.3)
    stresses = []
    for diffusion in ({}, {DIFFUSION: 0.0}):
        materials = {
            name: Material(
                name,
                "free-volume",
                {**LAWS["free-volume"], "reference_stress_gpa": stress, **diffusion},
            )
            for name, stress in (("soft", 0.3), ("hard", 0.4))
        }
        problem = build_problem(mesh, materials)
        assert problem.number_of_field_dofs == 0
        *_, last = problem.march(build_path((LOADED, 4, 0.04 / RATE), axis="y"))
        stresses.append(last.first_piola_kirchhoff_stress)
    np.testing.assert_array_equal(*stresses)


def test_a_restored_problem_goes_on_as_if_nothing_had_been(plane_mesh, build_problem, build_path):
    mesh = plane_mesh(GRID, GRID, half, ("soft", "hard"), shake_nm=0.3)
    path = build_path((LOADED, 8, 0.08 / RATE), axis="y")
    whole = composite_problem(mesh, build_problem)
    rows, saved = [], None
    for row in whole.march(path):
        rows.append(row)
        if row.increment == 5 and row.requested:
            saved = whole.checkpoint()
    assert np.ptp(whole._field) > 1e-4
    again = composite_problem(mesh, build_problem)
    again.restore(*saved)
    *_, last = again.march(path)
    np.testing.assert_allclose(
        last.first_piola_kirchhoff_stress,
        rows[-1].first_piola_kirchhoff_stress,
        rtol=0.0,
        atol=1e-9,
    )
    np.testing.assert_allclose(again._field, whole._field, rtol=0.0, atol=1e-10)


@pytest.mark.parametrize("own", ["shared", "per-phase"])
def test_what_one_phase_loses_the_other_gets(own, plane_mesh, build_problem, build_path):
    mesh = plane_mesh(GRID, GRID, half, ("soft", "hard"))
    problem = composite_problem(mesh, build_problem, nonlocal_field=own)
    for _ in problem.march(build_path((LOADED, 8, 0.08 / RATE), axis="y")):
        difference, total = problem.nonlocal_balance()
        assert abs(difference) <= 1e-9 * max(abs(total), 1e-3)
    nonlocal_field = problem._nonlocal
    source = problem._coupling[nonlocal_field.points, 0]
    left = nonlocal_field.at_points(problem._field)[nonlocal_field.points] - source
    weights = nonlocal_field._weights.ravel()
    phases = np.zeros(len(weights), dtype=int)
    for number, block in enumerate(problem._points.blocks):
        phases[block.rows] = number
    # What came in by diffusion in the last step, as a share of what there is.
    arrived = np.array([weights[phases == k] @ left[phases == k] for k in (0, 1)])
    arrived /= weights @ np.abs(source)
    if own == "per-phase":
        assert np.abs(arrived).max() < 1e-8
    else:
        assert arrived[0] < -1e-3
        assert arrived.sum() == pytest.approx(0.0, abs=1e-8)


def test_in_turn_gives_the_same(plane_mesh, build_problem, build_path):
    mesh = plane_mesh(GRID, GRID, half, ("soft", "hard"))
    stresses = []
    for way in ("monolithic", "staggered"):
        problem = composite_problem(
            mesh, build_problem, nonlocal_solution=way, residual_tolerance=1e-9
        )
        *_, last = problem.march(build_path((LOADED, 8, 0.08 / RATE), axis="y"))
        stresses.append(last.first_piola_kirchhoff_stress)
    np.testing.assert_allclose(*stresses, rtol=0.0, atol=1e-7)


@pytest.mark.parametrize("diffusion", [0.0, 1e-3])
@pytest.mark.parametrize("steps", [24, 48])
def test_loss_of_ellipticity_is_growth_by_e_in_a_step(
    steps, diffusion, plane_mesh, build_problem, build_path
):
    """Even simple shear: at a fixed stress a band grows at the rate d(dxi/dt)/dxi."""
    mesh = plane_mesh(GRID, GRID, shake_nm=0.3)
    material = Material("grain", "free-volume", {**LAWS["free-volume"], DIFFUSION: diffusion})
    problem = build_problem(mesh, {"grain": material}, "small")
    monitor = problem.ellipticity_monitor()
    assert monitor.growth_phases == monitor.phases == ("grain",)
    eshelby = 4.0 / 3.0 * MODULUS_RATIO
    path = build_path((sheared(0.12), steps, 0.12 / RATE), axis="y")
    growth, lost = [], []
    for row in problem.march(path):
        if not row.increment:
            continue
        found = problem.look_for_loss_of_ellipticity(monitor, np.array([0.0, 1.0, 0.0]))
        s = row.first_piola_kirchhoff_stress[1, 0] / REFERENCE_STRESS
        xi = INITIAL_TIGHT + float(problem._points._states[0][0, -1])
        made = (math.cosh(s) - 1.0) / (eshelby * xi)
        # d/dxi of exp(-1/xi) [(cosh s - 1) / (S xi) - 1/n_D] / alpha
        rate = math.exp(-1.0 / xi) / ALPHA * ((made - 1.0 / JUMPS) / xi**2 - made / xi)
        growth.append(rate * 0.12 / RATE / steps)
        lost.append(found.lost)
    growth = np.array(growth)
    # No step is so near the limit that the search over directions could decide it.
    assert np.abs(growth - 1.0).min() > 1e-3
    # Finer steps do not see it: the drop of the stress takes longer than one of them.
    assert bool((growth > 1.0).any()) is (steps == 24)
    assert not (growth > 1.0).all()
    np.testing.assert_array_equal(lost, growth > 1.0)
