"""What is exported to Abaqus input is solved by CalculiX with the stress that ngcfem finds."""

import hashlib
from pathlib import Path

from mpi4py import MPI

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.fem.periodic import build_representative_volume
from ngcfem.fem.problem import PeriodicProblem
from ngcfem.fem.solver_options import SolverOptions
from ngcfem.loading.path import LoadPath, LoadSegment
from ngcfem.mesh.export import export_mesh
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.voxel_meshing import mesh_voxel_volume
from ngcfem.microstructure.voxel_volume import VoxelVolume

# CalculiX 2.20 (Debian 2.20-1), linear elastic *STATIC step, on the file that this test exports at
# order 2 with its equations, by an input that includes it:
#   *SOLID SECTION of PHASE_SOFT (E 100 GPa, nu 0.3) and PHASE_HARD (E 210 GPa, nu 0.25);
#   *BOUNDARY: a node that no equation displaces held at 0; the nodes PERIOD_k at H a_k, a_k being
#   period vector k and H has the one entry 0.01;
#   *EL PRINT of S, four points an element.
# Volume averages of S in GPa; it prints seven digits.
INPUT_SHA256 = "fe1af048d7cc00e99678df5684a2f7284f1e2494197a791ca32c6982b3b08c8d"
STRESS_GPA = {
    (2, 2): [
        [0.6536492510069432, -0.001155657100364584, 0.000537611109000001],
        [-0.001155657100364584, 0.6617490131250008, -0.007830083704010437],
        [0.000537611109000001, -0.007830083704010437, 1.672344098263885],
    ],
    (0, 1): [
        [0.0017665623694194453, 0.5246465890972228, -0.007978706004180545],
        [0.5246465890972228, 0.002159543782017366, 0.00037266370711111144],
        [-0.007978706004180545, 0.00037266370711111144, -0.0011556570592559019],
    ],
}
MATERIALS = {
    "soft": Material("soft", "elastic", {"youngs_modulus_gpa": 100.0, "poisson_ratio": 0.3}),
    "hard": Material("hard", "elastic", {"youngs_modulus_gpa": 210.0, "poisson_ratio": 0.25}),
}


@pytest.fixture
def mesh() -> PeriodicMesh:
    """A patchwork of two phases in a box of 2.0 x 3.0 x 4.2 nm, without symmetry."""
    phase = (np.arange(120).reshape(4, 5, 6) * 7 % 11 < 4).astype(np.int32)
    volume = VoxelVolume(phase, 0 * phase - 1, ("soft", "hard"), np.array([0.5, 0.6, 0.7]))
    return mesh_voxel_volume(volume, surface="stair-stepped")


def test_the_file_is_the_one_that_was_solved(tmp_path: Path, mesh: PeriodicMesh) -> None:
    export_mesh(mesh, tmp_path / "mesh.inp", "inp", order=2, equations=True)
    content = (tmp_path / "mesh.inp").read_bytes()
    # if the layout of the file is changed on purpose, solve it anew and store hash and stresses
    assert hashlib.sha256(content).hexdigest() == INPUT_SHA256


@pytest.mark.parametrize("entry", list(STRESS_GPA))
def test_the_mean_stress_agrees(mesh: PeriodicMesh, entry: tuple[int, int]) -> None:
    gradient = np.eye(3)
    gradient[entry] += 0.01
    volume = build_representative_volume(MPI.COMM_SELF, mesh)
    options = SolverOptions(residual_tolerance=1e-11)
    problem = PeriodicProblem(volume, MATERIALS, "small", "periodic", options)
    *_, last = problem.march(LoadPath([LoadSegment(gradient, np.zeros((3, 3)), 1.0, 1)]))
    # the same elements, so that only the seven digits of the print are left
    np.testing.assert_allclose(
        last.first_piola_kirchhoff_stress, STRESS_GPA[entry], rtol=0.0, atol=2e-7
    )
