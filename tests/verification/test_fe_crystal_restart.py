"""A crystal in glass: going on from a checkpoint, and its elastic stiffness."""

import json

from mpi4py import MPI

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.fem.periodic import build_representative_volume
from ngcfem.fem.problem import PeriodicProblem
from ngcfem.fem.solver_options import SolverOptions
from ngcfem.loading.path import uniaxial_stress

CUBIC = {"c11_gpa": 230.0, "c12_gpa": 135.0, "c44_gpa": 117.0}
IRON = CUBIC | {
    "initial_slip_resistance_gpa": 1.0,
    "saturation_slip_resistance_gpa": 1.5,
    "slip_hardening_modulus_gpa": 2.0,
    "slip_systems": "110+112",
}
GLASS = {"youngs_modulus_gpa": 140.0, "poisson_ratio": 0.33, "yield_strength_gpa": 2.5}
# A turn of 40 degrees about (1, 2, 3).
AXIS = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
TURN = np.array([np.cos(np.radians(20.0)), *(np.sin(np.radians(20.0)) * AXIS)])


@pytest.fixture
def build(sphere_mesh):
    volume = build_representative_volume(MPI.COMM_SELF, sphere_mesh)

    def problem(inclusion, matrix=None):
        return PeriodicProblem(
            volume,
            {"matrix": matrix or Material("matrix", "j2", GLASS), "inclusion": inclusion},
            "finite",
            options=SolverOptions(residual_tolerance=1e-11),
            orientation=np.tile(TURN, (len(sphere_mesh.cells), 1)),
        )

    return problem


def test_a_restored_crystal_goes_on_as_if_nothing_had_been(build):
    iron = Material("inclusion", "crystal-plasticity", IRON)
    path = uniaxial_stress("z", (-0.03, -0.026, -0.035), 1e-3, (3, 1, 2))
    marching = build(iron)
    rows, saved = [], {}
    for row in marching.march(path):
        rows.append(row)
        saved[row.increment] = marching.checkpoint()
    lattice = "lattice_euler_angles [deg]"
    for number in (2, 4):
        arrays, metadata = saved[number]
        restored = build(iron)
        # What goes through a file goes through JSON.
        restored.restore(arrays, json.loads(json.dumps(metadata)))
        following = list(restored.march(path))
        assert [row.increment for row in following] == list(range(number + 1, 7))
        for row, other in zip(following, rows[number + 1 :], strict=True):
            np.testing.assert_allclose(
                row.first_piola_kirchhoff_stress,
                other.first_piola_kirchhoff_stress,
                rtol=0.0,
                atol=1e-10,
            )
        angles, others = (p.snapshot().cell_data[lattice] for p in (restored, marching))
        crystal = np.isfinite(others).all(axis=1)
        assert crystal.any()
        np.testing.assert_allclose(angles[crystal], others[crystal], rtol=0.0, atol=1e-7)


def test_the_stiffness_of_one_crystal_is_its_cubic_tensor_turned(build):
    """With the same crystal everywhere the effective tensor is that of the crystal."""
    iron = {name: Material(name, "cubic-elastic", CUBIC) for name in ("matrix", "inclusion")}
    found = build(iron["inclusion"], iron["matrix"]).effective_tangent().reshape(3, 3, 3, 3)
    w, x, y, z = TURN
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    eye, cube = np.eye(3), np.zeros((3, 3, 3, 3))
    cube[range(3), range(3), range(3), range(3)] = 1.0
    c11, c12, c44 = (CUBIC[f"c{k}_gpa"] for k in ("11", "12", "44"))
    tensor = (
        c12 * np.einsum("ij,kl->ijkl", eye, eye)
        + c44 * (np.einsum("ik,jl->ijkl", eye, eye) + np.einsum("il,jk->ijkl", eye, eye))
        + (c11 - c12 - 2.0 * c44) * cube
    )
    turned = np.einsum("ai,bj,ck,dl,ijkl->abcd", *(4 * [rotation]), tensor)
    np.testing.assert_allclose(found, turned, rtol=0.0, atol=1e-8 * c11)
