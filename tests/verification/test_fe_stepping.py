"""Steps: cut-backs, growth, giving up; and the health numbers that go with every step."""

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.errors import NotConvergedError
from ngcfem.loading.path import uniaxial_stress


def j2(phase, modulus, ratio, strength, **more):
    return Material(
        phase,
        "j2",
        {
            "youngs_modulus_gpa": modulus,
            "poisson_ratio": ratio,
            "yield_strength_gpa": strength,
            **more,
        },
    )


# Softening at 40 GPa in a nearly homogeneous cell: the load drops at the peak, and a step across
# the drop must be cut.
SOFTENING = {"softening_gpa": 2.0, "softening_strain": 0.05}
BRITTLE = {
    "matrix": j2("matrix", 140.0, 0.33, 2.7, **SOFTENING),
    "inclusion": j2("inclusion", 140.0, 0.33, 2.43, **SOFTENING),
}
DUCTILE = {
    "matrix": j2("matrix", 140.0, 0.33, 2.7, hardening_modulus_gpa=5.0),
    "inclusion": j2("inclusion", 204.0, 0.29, 4.5, hardening_modulus_gpa=4.0),
}


def test_a_failing_step_is_cut_and_the_list_is_met_again(sphere_mesh, build_problem):
    problem = build_problem(sphere_mesh, BRITTLE, "finite", "periodic", residual_tolerance=1e-7)
    path = uniaxial_stress("z", -0.03, 1e-3, 3)
    rows = list(problem.march(path))
    assert sum(row.cutbacks for row in rows) > 0
    requested = [row for row in rows if row.requested]
    assert [row.increment for row in requested] == [0, 1, 2, 3]
    np.testing.assert_allclose(
        [np.log(row.deformation_gradient[2, 2]) for row in requested],
        [0.0, -0.01, -0.02, -0.03],
        atol=1e-12,
    )
    np.testing.assert_allclose([row.time_s for row in requested], [0, 10, 20, 30], atol=1e-9)
    between = [row for row in rows if not row.requested]
    assert between, "a cut step leaves rows between the listed increments"
    times = np.array([row.time_s for row in rows])
    assert np.all(np.diff(times) > 0.0)
    for row in rows[1:]:
        # the step lies within the listed increment that it names
        assert 10.0 * (row.increment - 1) < row.time_s <= 10.0 * row.increment + 1e-9
        assert row.relative_residual <= 1e-7
        scale = np.abs(row.first_piola_kirchhoff_stress[2, 2])
        assert np.abs(np.diag(row.first_piola_kirchhoff_stress)[:2]).max() < 1e-6 * scale


def test_giving_up_keeps_what_was_reached(sphere_mesh, build_problem):
    problem = build_problem(
        sphere_mesh,
        BRITTLE,
        "finite",
        "periodic",
        residual_tolerance=1e-7,
        minimum_increment_fraction=0.3,
    )
    rows = []
    marching = problem.march(uniaxial_stress("z", -0.1, 1e-3, 10))
    with pytest.raises(NotConvergedError, match=r"no equilibrium beyond position 2 of 10"):
        rows.extend(marching)
    assert [row.increment for row in rows] == [0, 1, 2]
    # The problem stands at the last accepted step.
    assert problem.position == 2.0
    arrays, metadata = problem.checkpoint()
    assert metadata["position"] == 2.0
    np.testing.assert_array_equal(arrays["stress_gpa"], rows[-1].first_piola_kirchhoff_stress)
    np.testing.assert_array_equal(arrays["deformation_gradient"], rows[-1].deformation_gradient)


def test_a_huge_increment_is_survived(sphere_mesh, build_problem):
    """One increment to a true strain of -0.6, against twelve."""
    ends = []
    for increments in (1, 12):
        problem = build_problem(sphere_mesh, DUCTILE, "finite", "periodic", residual_tolerance=1e-7)
        rows = list(problem.march(uniaxial_stress("z", -0.6, 1e-3, increments)))
        assert rows[-1].requested
        ends.append(rows[-1].first_piola_kirchhoff_stress[2, 2])
    # The local update is exact for a fixed direction of flow, which turns only a little.
    assert ends[0] == pytest.approx(ends[1], rel=0.01)


def test_grown_steps_end_on_listed_increments(sphere_mesh, build_problem):
    path = uniaxial_stress("z", [-0.3, -0.28, -0.35], 1e-3, [30, 3, 7])
    problem = build_problem(
        sphere_mesh, DUCTILE, "finite", "periodic", residual_tolerance=1e-7, grow=True
    )
    rows = list(problem.march(path))
    numbers = [row.increment for row in rows]
    assert all(row.requested for row in rows)
    assert len(rows) < 20
    assert max(np.diff(numbers)) == 8
    # No step crosses the end of a segment.
    assert {30, 33, 40} <= set(numbers)
    assert numbers[-1] == 40
    strain = dict(
        zip(numbers, [np.log(row.deformation_gradient[2, 2]) for row in rows], strict=True)
    )
    assert strain[30] == pytest.approx(-0.3, abs=1e-12)
    assert strain[33] == pytest.approx(-0.28, abs=1e-12)
    assert strain[40] == pytest.approx(-0.35, abs=1e-12)
    for row in rows:
        if row.increment <= 30:
            assert np.log(row.deformation_gradient[2, 2]) == pytest.approx(-0.01 * row.increment)


def test_growth_is_limited(cube_mesh, build_problem):
    materials = {"grain": j2("grain", 130.0, 0.33, 2.5, hardening_modulus_gpa=1.0)}
    problem = build_problem(cube_mesh, materials, "finite", "periodic", grow=True, maximum_growth=3)
    numbers = [row.increment for row in problem.march(uniaxial_stress("z", -0.3, 1e-3, 20))]
    assert max(np.diff(numbers)) == 3
    assert numbers[-1] == 20


def vertex_jacobians(snapshot):
    """Det F at the vertices from the tangents of the edges, which a P2 field knows at its ends."""
    midside = {
        (0, 1): 4, (1, 2): 5, (0, 2): 6, (0, 3): 7, (1, 3): 8, (2, 3): 9,
    }  # fmt: skip
    reference = snapshot.points[snapshot.cells]
    current = reference + snapshot.point_data["displacement [nm]"][snapshot.cells]
    values = np.empty((len(snapshot.cells), 4))
    for a in range(4):
        others = [b for b in range(4) if b != a]
        middle = [midside[min(a, b), max(a, b)] for b in others]
        before, after = (
            4.0 * positions[:, middle] - 3.0 * positions[:, [a]] - positions[:, others]
            for positions in (reference, current)
        )
        values[:, a] = np.linalg.det(after) / np.linalg.det(before)
    return values


def test_jacobian_is_watched_at_the_vertices_too(sphere_mesh, build_problem):
    """Flow around a hard sphere: the vertices see what the integration points miss."""
    materials = {
        "matrix": j2("matrix", 140.0, 0.33, 2.0),
        "inclusion": j2("inclusion", 204.0, 0.29, 6.0),
    }
    problem = build_problem(
        sphere_mesh, materials, "finite", "periodic", residual_tolerance=1e-7, grow=True
    )
    for row in problem.march(uniaxial_stress("z", -0.4, 1e-3, 20)):
        last = row
    snapshot = problem.snapshot()
    expected = vertex_jacobians(snapshot)
    assert last.minimum_jacobian_vertices == pytest.approx(expected.min(), abs=1e-10)
    np.testing.assert_allclose(
        snapshot.cell_data["minimum_vertex_jacobian [-]"], expected.min(axis=1), atol=1e-10
    )
    assert last.negative_vertex_jacobians == (expected.min(axis=1) < 0.0).sum()
    assert last.minimum_jacobian_vertices < last.minimum_jacobian_points - 0.02
    # J is linear elastic at the points (flow keeps the volume), so it stays near 1 there.
    assert last.minimum_jacobian_points > 0.5
    assert last.pressure_noise > 0.05


@pytest.mark.parametrize("kinematics", ["small", "finite"])
def test_viscous_share(kinematics, cube_mesh, build_problem):
    """Perfect plasticity at constant rate: q = sigma_0 + eta rate, share eta rate / sigma."""
    strength, viscosity, rate = 2.5, 8.0, 0.02
    materials = {"grain": j2("grain", 130.0, 0.33, strength)}
    problem = build_problem(cube_mesh, materials, kinematics, "periodic", viscosity_gpa_s=viscosity)
    rows = list(problem.march(uniaxial_stress("z", -0.4, rate, 8)))
    last, before = rows[-1], rows[-2]
    step_s = last.time_s - before.time_s
    # Small strain reads F - I as the strain, so the rate is that of F.
    strain = [
        row.deformation_gradient[2, 2] - 1.0
        if kinematics == "small"
        else np.log(row.deformation_gradient[2, 2])
        for row in (before, last)
    ]
    flow = [row.phases["grain"].mean_equivalent_plastic_strain for row in (before, last)]
    speed = (flow[1] - flow[0]) / step_s
    overstress = viscosity * speed
    # Kirchhoff stress is sigma_0 plus the overstress, and the strain is elastic plus plastic.
    stress = last.first_piola_kirchhoff_stress[2, 2] * (
        1.0 if kinematics == "small" else last.deformation_gradient[2, 2]
    )
    assert -stress == pytest.approx(strength + overstress, rel=1e-9)
    assert -strain[1] == pytest.approx(-stress / 130.0 + flow[1], abs=1e-9)
    jacobian = 1.0 if kinematics == "small" else np.linalg.det(last.deformation_gradient)
    assert last.viscous_stress_share == pytest.approx(
        overstress * jacobian / (strength + overstress), rel=1e-9
    )
    if kinematics == "finite":
        # The strain rate is constant, so the flow has reached it.
        assert last.viscous_stress_share == pytest.approx(
            viscosity * rate * jacobian / (strength + viscosity * rate), rel=1e-6
        )
