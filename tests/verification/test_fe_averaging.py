"""Energy averaging (Hill-Mandel) and objectivity of the homogenized response."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

FREE = np.nan

AXIAL = [[FREE, 0.0, 0.0], [FREE, FREE, 0.0], [FREE, FREE, 0.94]]
UNLOADED = [[FREE, 0.0, 0.0], [FREE, FREE, 0.0], [FREE, FREE, 0.948]]
SHEARED = [[FREE, 0.03, 0.0], [0.0, 0.97, 0.01], [FREE, FREE, FREE]]
PULLED = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.1, -0.2, 0.6]]


@pytest.mark.parametrize("kinematics", ["finite", "small"])
@pytest.mark.parametrize("boundary", ["periodic", "uniform-displacement"])
def test_hill_mandel(kinematics, boundary, sphere_mesh, composite, build_problem, build_path):
    path = build_path(
        (AXIAL, 6, 60.0),
        (UNLOADED, 2, 20.0),
        # a hundred times faster: the rate-sensitive matrix carries more
        (AXIAL, 2, 0.2),
        # shear and a transverse displacement prescribed, a stress on the third plane
        (SHEARED, 4, 40.0, PULLED),
    )
    problem = build_problem(sphere_mesh, composite, kinematics, boundary)
    rows = list(problem.march(path))
    assert len(rows) == 15
    assert max(row.hill_mandel_error for row in rows) < 1e-8
    assert max(row.relative_residual for row in rows) <= 1e-11
    _, metadata = problem.checkpoint()
    assert metadata["use_gmres"], "the unsymmetric tangent was not noticed"
    # Both phases flow and the unloading is elastic, so the identity was not tested on elasticity.
    mean = [
        sum(
            phase.volume_fraction * phase.mean_equivalent_plastic_strain
            for phase in row.phases.values()
        )
        for row in rows
    ]
    assert mean[6] > 0.02
    assert mean[8] - mean[6] < 1e-3
    assert rows[-1].phases["inclusion"].mean_equivalent_plastic_strain > 1e-4
    # The prescribed components are hit.
    last = rows[-1]
    np.testing.assert_allclose(
        last.deformation_gradient[[0, 1, 1, 1], [1, 0, 1, 2]], [0.03, 0.0, 0.97, 0.01], atol=1e-14
    )
    scale = np.linalg.norm(last.first_piola_kirchhoff_stress)
    np.testing.assert_allclose(
        last.first_piola_kirchhoff_stress[2], PULLED[2], rtol=0.0, atol=1e-10 * scale
    )
    assert abs(last.first_piola_kirchhoff_stress[0, 0]) < 1e-10 * scale


def test_a_faster_step_carries_more(sphere_mesh, composite, build_problem, build_path):
    """The time of the step reaches the law: rate to the power m = 0.02 in the matrix."""
    ends = {}
    for factor in (1.0, 10.0):
        problem = build_problem(sphere_mesh, composite, "finite", "periodic")
        rows = list(problem.march(build_path((AXIAL, 6, 60.0 / factor))))
        ends[factor] = rows[-1].phases["matrix"].mean_cauchy_stress[2, 2]
    assert ends[10.0] / ends[1.0] == pytest.approx(10.0**0.02, rel=0.01)


DEFORMATIONS = [
    np.array([[1.01, 0.02, 0.0], [0.0, 0.99, 0.01], [0.01, 0.0, 0.98]]),
    np.array([[1.02, 0.04, 0.01], [0.02, 1.0, 0.03], [0.01, -0.02, 0.95]]),
    np.array([[1.0, 0.05, 0.03], [0.0, 1.03, 0.03], [-0.02, -0.02, 0.95]]),
    np.array([[0.99, 0.02, 0.03], [0.0, 1.02, -0.01], [-0.02, 0.0, 0.97]]),
]


@pytest.mark.parametrize("boundary", ["periodic", "uniform-displacement"])
def test_objectivity(boundary, sphere_mesh, composite, build_problem, build_path, stresses):
    """A rotation that grows along the path turns the stress and does nothing else."""
    rotations = [
        Rotation.from_rotvec(0.15 * number * np.array([0.3, -0.5, 0.8])).as_matrix()
        for number in range(1, 5)
    ]
    plain = build_problem(sphere_mesh, composite, "finite", boundary)
    turned = build_problem(sphere_mesh, composite, "finite", boundary)
    expected = stresses(list(plain.march(build_path(*((F, 1, 10.0) for F in DEFORMATIONS)))))[1:]
    rows = list(
        turned.march(
            build_path(*((Q @ F, 1, 10.0) for Q, F in zip(rotations, DEFORMATIONS, strict=True)))
        )
    )
    assert sum(row.cutbacks for row in rows) == 0, "a cut step follows another path"
    assert rows[-1].phases["matrix"].mean_equivalent_plastic_strain > 0.03
    rotated = np.array([Q @ P for Q, P in zip(rotations, expected, strict=True)])
    np.testing.assert_allclose(
        stresses(rows)[1:], rotated, rtol=0.0, atol=1e-9 * np.abs(expected).max()
    )


def test_rotation_after_plastic_loading(
    sphere_mesh, composite, build_problem, build_path, stresses
):
    """A rotation after loading turns the stress as if the cell were held for the same time."""
    load = [(F, 1, 10.0) for F in DEFORMATIONS[:2]]
    rotations = [
        Rotation.from_rotvec(angle * np.array([0.6, 0.0, 0.8])).as_matrix()
        for angle in (0.2, 0.4, 0.6)
    ]
    held = build_problem(sphere_mesh, composite, "finite", "periodic")
    expected = stresses(
        list(held.march(build_path(*load, *((DEFORMATIONS[1], 1, 10.0) for _ in rotations))))
    )
    turned = build_problem(sphere_mesh, composite, "finite", "periodic")
    rows = list(
        turned.march(build_path(*load, *((Q @ DEFORMATIONS[1], 1, 10.0) for Q in rotations)))
    )
    assert sum(row.cutbacks for row in rows) == 0
    rotated = np.array([Q @ P for Q, P in zip(rotations, expected[3:], strict=True)])
    np.testing.assert_allclose(
        stresses(rows)[3:], rotated, rtol=0.0, atol=1e-9 * np.abs(expected).max()
    )
