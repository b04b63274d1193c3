"""Specimens between platens: free lateral faces, the axial displacement of two faces prescribed.

The closed forms: a homogeneous block between smooth platens is in uniaxial stress, as one material
point; a rough block lies between that and uniaxial strain, and tends to it when it is flat.
"""

import json
from dataclasses import replace

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.errors import RefusedError
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import uniaxial_stress
from ngcfem.loading.platens import Platens
from ngcfem.mesh.generation import generate_mesh
from ngcfem.microstructure.simple_cells import homogeneous_cell

J2 = Material(
    "grain",
    "j2",
    {
        "youngs_modulus_gpa": 130.0,
        "poisson_ratio": 0.33,
        "yield_strength_gpa": 2.5,
        "hardening_modulus_gpa": 1.0,
    },
)
ELASTIC = Material("grain", "elastic", {"youngs_modulus_gpa": 130.0, "poisson_ratio": 0.33})
UNIAXIAL_GPA = 130.0 / (1.0 - 0.33**2)
CONFINED_GPA = 130.0 * (1.0 - 0.33) / ((1.0 + 0.33) * (1.0 - 2.0 * 0.33))


@pytest.fixture(scope="module")
def block():
    """Box of 10 x 8 x 14 nm, 3 to 5 tetrahedra a side."""
    return generate_mesh(homogeneous_cell("grain", (10.0, 8.0, 14.0)), 3.4, use_cache=False)


@pytest.fixture
def sheet(plane_mesh):
    """Rectangles of width and height with so many squares of two triangles across."""

    def build(width_nm, height_nm, across, up, phase=None, names=("grain",)):
        return plane_mesh(
            np.linspace(0.0, width_nm, across + 1),
            np.linspace(0.0, height_nm, up + 1),
            phase,
            names,
            seed=9,
        )

    return build


@pytest.mark.parametrize("kinematics", ["finite", "small"])
@pytest.mark.parametrize("axis", ["x", "y", "z", "plane x", "plane y"])
def test_smooth_block_is_in_uniaxial_stress(kinematics, axis, block, sheet, build_problem):
    dimension = 2 if axis.startswith("plane") else 3
    mesh = sheet(10.0, 14.0, 4, 5) if dimension == 2 else block
    a = axis[-1]
    # loaded, unloaded, loaded again
    path = uniaxial_stress(a, [-0.06, -0.05, -0.1], 1e-3, [3, 1, 2], dimension=dimension)
    # Tighter than usual: single points carry the residuals of earlier steps on, and plastic flow
    # after reloading amplifies them by some thousands.
    problem = build_problem(
        mesh, {"grain": J2}, kinematics, "platens", Platens(a, "smooth"), residual_tolerance=1e-13
    )
    point = list(drive_point(J2, path, kinematics))
    largest = max(np.abs(row.first_piola_kirchhoff_stress).max() for row in point)
    assert point[-1].phases["grain"].mean_equivalent_plastic_strain > 0.05
    for row, expected in zip(problem.march(path), point, strict=True):
        np.testing.assert_allclose(
            row.deformation_gradient, expected.deformation_gradient, rtol=0.0, atol=1e-9
        )
        np.testing.assert_allclose(
            row.first_piola_kirchhoff_stress,
            expected.first_piola_kirchhoff_stress,
            rtol=0.0,
            atol=1e-9 * largest,
        )
        arrays, _ = problem.checkpoint()
        everywhere = arrays["point_stress_gpa"].reshape(-1, 3, 3)
        np.testing.assert_allclose(
            everywhere,
            np.broadcast_to(expected.first_piola_kirchhoff_stress, everywhere.shape),
            rtol=0.0,
            atol=1e-9 * largest,
        )
        assert row.hill_mandel_error < 1e-9


def test_rough_block_barrels_and_is_stiffer(sheet, build_problem):
    mesh = sheet(10.0, 10.0, 8, 8)
    path = uniaxial_stress("y", -0.1, 1e-3, 10, dimension=2)
    stress = {}
    for contact in ("smooth", "rough"):
        problem = build_problem(
            mesh, {"grain": J2}, "finite", "platens", Platens("y", contact), residual_tolerance=1e-9
        )
        rows = list(problem.march(path))
        stress[contact] = np.array([row.first_piola_kirchhoff_stress[1, 1] for row in rows[1:]])
        assert max(row.hill_mandel_error for row in rows) < 1e-8
    assert np.all(stress["rough"] < stress["smooth"]), "compression is negative"
    snapshot = problem.snapshot()
    x, y = snapshot.points[:, 0], snapshot.points[:, 1]
    u = snapshot.point_data["displacement [nm]"]
    ends = (y < 1e-9) | (y > 10.0 - 1e-9)
    assert np.abs(u[ends, 0]).max() == 0.0
    np.testing.assert_allclose(u[y > 10.0 - 1e-9, 1], 10.0 * (np.exp(-0.1) - 1.0), rtol=1e-12)
    right = x > 10.0 - 1e-9
    bulge = u[right, 0][np.argsort(y[right])]
    middle = bulge[len(bulge) // 2]
    assert middle > 1.2 * bulge.mean()
    assert np.argmax(bulge) in range(len(bulge) // 3, len(bulge) - len(bulge) // 3)
    # symmetric up to the mesh: the volume that leaves is the same on both sides
    left = u[x < 1e-9, 0]
    assert -left.mean() == pytest.approx(bulge.mean(), rel=0.05)


def test_rough_block_converges(sheet, build_problem):
    """The corner where a rough platen ends is singular: the error falls, but slowly."""
    moduli = []
    for number in (4, 8, 16, 32):
        problem = build_problem(
            sheet(10.0, 10.0, number, number),
            {"grain": ELASTIC},
            "small",
            "platens",
            Platens("y", "rough"),
        )
        last = list(problem.march(uniaxial_stress("y", 1e-3, 1e-3, 1, dimension=2)))[-1]
        moduli.append(last.first_piola_kirchhoff_stress[1, 1] / np.expm1(1e-3))
    changes = -np.diff(moduli)
    assert np.all(changes > 0.0), "an energy method comes from above"
    assert np.all(changes[1:] < 0.6 * changes[:-1])
    assert UNIAXIAL_GPA < moduli[-1] < CONFINED_GPA
    assert changes[-1] < 1e-3 * moduli[-1]


@pytest.mark.parametrize(("width_nm", "across"), [(400.0, 80), (2.0, 4)])
def test_flat_and_slender_rough_blocks(width_nm, across, sheet, build_problem):
    """Flat: uniaxial strain but for the ends. Slender: uniaxial stress but for the ends."""
    height_nm, up = (10.0, 4) if width_nm > 10.0 else (100.0, 100)
    problem = build_problem(
        sheet(width_nm, height_nm, across, up),
        {"grain": ELASTIC},
        "small",
        "platens",
        Platens("y", "rough"),
        residual_tolerance=1e-8,
    )
    last = list(problem.march(uniaxial_stress("y", 1e-3, 1e-3, 1, dimension=2)))[-1]
    modulus = last.first_piola_kirchhoff_stress[1, 1] / np.expm1(1e-3)
    expected = CONFINED_GPA if width_nm > 10.0 else UNIAXIAL_GPA
    # The ends of the flat block (about a height each of 40) carry less, those of the slender one
    # (about a width each of 50) deform less: one or two percent of the difference of the moduli.
    assert modulus == pytest.approx(expected, abs=0.03 * (CONFINED_GPA - UNIAXIAL_GPA))


def platen_force(problem, mesh, axis, level):
    """Sum of the element forces at the vertices and midside nodes on one platen, in nN."""
    space = problem._space
    arrays, _ = problem.checkpoint()
    stress = arrays["point_stress_gpa"][problem.volume.original_cell]
    forces = space.element.element_forces(
        stress.reshape(len(space.dofs), space.element.number_of_points, 3, 3)
    )
    position = space.space.tabulate_dof_coordinates()[space.dofs]
    touching = np.abs(position[:, :, axis] - level) < 1e-9
    return forces[touching].sum(axis=0)


@pytest.mark.parametrize("contact", ["smooth", "rough"])
@pytest.mark.parametrize("dimension", [2, 3])
def test_mean_stress_is_the_reaction(contact, dimension, sheet, block, build_problem):
    """Engineering stress: reaction over undeformed area, in a body that does not strain evenly."""
    soft = Material("soft", "elastic", {"youngs_modulus_gpa": 20.0, "poisson_ratio": 0.45})
    materials = {"grain": J2, "soft": soft}
    if dimension == 2:
        mesh = sheet(10.0, 14.0, 4, 5)
    else:
        mesh = block
    centre = mesh.points[mesh.cells].mean(axis=1)
    mesh = replace(
        mesh,
        phase=(centre[:, 0] + 0.4 * centre[:, -1] > 8.0).astype(np.int32),
        phase_names=("grain", "soft"),
    )
    axis = dimension - 1
    name = "xyz"[axis]
    height_nm = mesh.lattice[axis, axis]
    problem = build_problem(
        mesh, materials, "finite", "platens", Platens(name, contact), residual_tolerance=1e-10
    )
    last = list(problem.march(uniaxial_stress(name, -0.04, 1e-3, 4, dimension=dimension)))[-1]
    upper = platen_force(problem, mesh, axis, height_nm)
    lower = platen_force(problem, mesh, axis, 0.0)
    area = mesh.cell_volume_nm3 / height_nm
    P = last.first_piola_kirchhoff_stress
    assert P[axis, axis] == pytest.approx(upper[axis] / area, rel=1e-8)
    np.testing.assert_allclose(upper, -lower, atol=1e-7 * abs(upper[axis]))
    if contact == "smooth":
        lateral = [component for component in range(dimension) if component != axis]
        np.testing.assert_allclose(upper[lateral], 0.0, atol=1e-7 * abs(upper[axis]))
    # The average of F has the prescribed stretch; the lateral entries are the specimen's own.
    F = last.deformation_gradient
    assert F[axis, axis] == pytest.approx(np.exp(-0.04), rel=1e-12)
    assert F[0, 0] > 1.0
    if dimension == 2:
        np.testing.assert_array_equal(F[2], [0.0, 0.0, 1.0])
    assert last.hill_mandel_error < 1e-8


def test_what_does_not_fit_is_refused(sheet, block, build_problem):
    path = uniaxial_stress("z", -0.01, 1e-3, 1)
    problem = build_problem(block, {"grain": J2}, "finite", "platens", Platens("x"))
    with pytest.raises(ValueError, match="along z, the platens are normal to x"):
        next(problem.march(path))
    with pytest.raises(ValueError, match="no effective tangent"):
        problem.effective_tangent()
    flat = sheet(10.0, 10.0, 4, 4)
    points = flat.points.copy()
    points[:, 1] += 0.1 * np.abs(points[:, 0] - 5.0)
    with pytest.raises(RefusedError, match="no element has a face in the plane y = 0 nm"):
        build_problem(
            replace(flat, points=points), {"grain": J2}, "finite", "platens", Platens("y")
        )


@pytest.mark.parametrize("contact", ["smooth", "rough"])
def test_a_restored_specimen_goes_on_as_if_nothing_had_been(contact, sheet, build_problem):
    mesh = sheet(10.0, 12.0, 4, 5)
    path = uniaxial_stress("y", [-0.04, -0.035, -0.06], 1e-3, [3, 1, 2], dimension=2)

    def fresh():
        return build_problem(mesh, {"grain": J2}, "finite", "platens", Platens("y", contact))

    marching = fresh()
    rows, saved = [], {}
    for row in marching.march(path):
        rows.append(row)
        saved[row.increment] = marching.checkpoint()
    for number in (2, 4):
        arrays, metadata = saved[number]
        restored = fresh()
        # What goes through a file goes through JSON.
        restored.restore(arrays, json.loads(json.dumps(metadata)))
        following = list(restored.march(path))
        assert [row.increment for row in following] == list(range(number + 1, 7))
        for row, expected in zip(following, rows[number + 1 :], strict=True):
            np.testing.assert_allclose(
                [row.deformation_gradient, row.first_piola_kirchhoff_stress],
                [expected.deformation_gradient, expected.first_piola_kirchhoff_stress],
                rtol=0.0,
                atol=1e-11,
            )
