"""An elastic sphere in an elastoplastic cube, against CalculiX and fedoo on the same meshes."""

from pathlib import Path

from mpi4py import MPI

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.fem.periodic import build_representative_volume
from ngcfem.fem.problem import PeriodicProblem
from ngcfem.fem.solver_options import SolverOptions
from ngcfem.loading.path import LoadPath, LoadSegment
from ngcfem.mesh.reading import read_mesh

DATA = Path(__file__).with_name("data")
MATERIALS = {
    "matrix": Material(
        "matrix",
        "j2",
        {
            "youngs_modulus_gpa": 100.0,
            "poisson_ratio": 0.33,
            "yield_strength_gpa": 1.25,
            "hardening_modulus_gpa": 1.0,
        },
    ),
    "inclusion": Material(
        "inclusion", "elastic", {"youngs_modulus_gpa": 204.0, "poisson_ratio": 0.29}
    ),
}
FREE = np.nan
PATH = LoadPath(
    [
        LoadSegment(
            np.array([[FREE, 0.0, 0.0], [0.0, FREE, 0.0], [0.0, 0.0, 0.95]]),
            np.zeros((3, 3)),
            duration_s=1.0,
            increments=20,
        )
    ]
)


def curve(mesh_file, kinematics, residual_tolerance):
    """Rows of H11, H22, H33, P11, P22, P33, one for each increment."""
    volume = build_representative_volume(MPI.COMM_SELF, read_mesh(mesh_file))
    options = SolverOptions(residual_tolerance=residual_tolerance)
    problem = PeriodicProblem(volume, MATERIALS, kinematics, "periodic", options)
    rows = [row for row in problem.march(PATH) if row.requested][1:]
    return np.array(
        [
            [
                *(np.diag(row.deformation_gradient) - 1.0),
                *np.diag(row.first_piola_kirchhoff_stress),
            ]
            for row in rows
        ]
    )


def reference(name):
    return np.genfromtxt(DATA / f"{name}.csv", delimiter=",", skip_header=1)[:, 1:7]


def assert_close(found, expected, tolerance):
    found = found[: len(expected)]
    assert len(found) == len(expected)
    # H33 is prescribed and P11, P22 vanish.
    for column in (0, 1, 5):
        np.testing.assert_allclose(found[:, column], expected[:, column], rtol=tolerance)
    np.testing.assert_allclose(found[:, 2], expected[:, 2], rtol=1e-9)
    assert np.abs(found[:, 3:5]).max() < 1e-6 * np.abs(expected[:, 5]).max()


@pytest.fixture
def meshes(request):
    return request.config.rootpath / "meshes"


@pytest.mark.parametrize("mesh", ["sphere_straight", "sphere_curved_coarse"])
def test_small_strain(mesh, meshes):
    # 1e-8: below it the residual changes P33 by less than the last digit of the reference
    found = curve(meshes / f"{mesh}.msh", "small", 1e-8)
    expected = reference(f"{mesh}_calculix220_small")
    assert len(expected) == 20
    assert_close(found, expected, 1e-5)


@pytest.mark.slow
def test_small_strain_on_a_finer_mesh(meshes):
    found = curve(meshes / "sphere_curved_medium.msh", "small", 1e-8)
    expected = reference("sphere_curved_medium_fedoo110_small")
    assert len(expected) == 20
    assert_close(found, expected, 1e-5)
    assert_close(found, reference("sphere_curved_medium_calculix220_small_partial"), 1e-5)


@pytest.mark.parametrize("mesh", ["sphere_straight", "sphere_curved_coarse"])
def test_finite_strain(mesh, meshes):
    found = curve(meshes / f"{mesh}.msh", "finite", 1e-7)
    expected = reference(f"{mesh}_calculix220_nlgeom")
    assert len(expected) == 20
    # another elastic law than Hencky's: a class of models, not one number
    assert_close(found, expected, 0.01)
    small = reference(f"{mesh}_calculix220_small")
    assert np.abs(found[-1, 5] / small[-1, 5] - 1.0) > 0.03, "no finite strain in it"
