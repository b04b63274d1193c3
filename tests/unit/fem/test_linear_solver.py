"""The preconditioner belongs to the tangent of the moment, not to the first one."""

from collections.abc import Callable

from mpi4py import MPI

import numpy as np
import pytest

from ngcfem.fem.assembly import FluctuationSpace
from ngcfem.fem.linear_solver import BorderedSolver, positive_inverse
from ngcfem.fem.periodic import build_representative_volume
from ngcfem.mesh.generation import generate_mesh
from ngcfem.microstructure.simple_cells import sphere_cell
from ngcfem.quantities import FloatArray

IDENTITY = np.eye(3)


def isotropic(bulk: float, shear: float) -> FloatArray:
    spherical = np.einsum("ij,kl->ijkl", IDENTITY, IDENTITY)
    symmetric = 0.5 * (
        np.einsum("ik,jl->ijkl", IDENTITY, IDENTITY) + np.einsum("il,jk->ijkl", IDENTITY, IDENTITY)
    )
    return (bulk * spherical + 2.0 * shear * (symmetric - spherical / 3.0)).ravel()


ELASTIC = isotropic(137.0, 52.6)
PLASTIC = isotropic(137.0, 0.8)  # nearly incompressible, as under plastic flow


@pytest.fixture(scope="module")
def space() -> FluctuationSpace:
    volume = build_representative_volume(MPI.COMM_WORLD, generate_mesh(sphere_cell(0.2, 10.0), 2.5))
    return FluctuationSpace(volume, boundary="periodic")


@pytest.fixture
def set_tangent(space: FluctuationSpace) -> Callable[[BorderedSolver, FloatArray], None]:
    def set_it(solver: BorderedSolver, moduli: FloatArray) -> None:
        inclusion = np.repeat(space.volume.phase == 1, space.element.number_of_points)
        space.moduli[:] = np.where(inclusion[:, None], ELASTIC, moduli)
        space.assemble_tangent()
        nothing = np.zeros((3 * space.owned_nodes, 0))
        solver.update(nothing, nothing, np.zeros((0, 0)))

    return set_it


def test_smoother_follows_the_tangent(
    space: FluctuationSpace, set_tangent: Callable[[BorderedSolver, FloatArray], None]
) -> None:
    solver = BorderedSolver(space, {})
    for moduli in (ELASTIC, PLASTIC):
        set_tangent(solver, moduli)
    smoother = solver.multigrid.getMGSmoother(1).getPC()
    vector, result = space.matrix.createVecRight(), space.matrix.createVecRight()
    vector.array[:] = np.random.default_rng(1).normal(size=len(vector.array))
    smoother.apply(vector, result)
    blocks = np.array(
        [
            space.matrix.getValues(range(3 * n, 3 * n + 3), range(3 * n, 3 * n + 3))
            for n in range(space.owned_nodes)
        ]
    )
    expected = np.linalg.solve(blocks, vector.array.reshape(-1, 3, 1)).ravel()
    assert result.array == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_refilled_solver_is_as_good_as_a_new_one(
    space: FluctuationSpace, set_tangent: Callable[[BorderedSolver, FloatArray], None]
) -> None:
    forces = np.random.default_rng(2).normal(size=(space.owned_nodes, 3))
    iterations = []
    for history in ((PLASTIC,), (ELASTIC, PLASTIC)):
        solver = BorderedSolver(space, {})
        for moduli in history:
            set_tangent(solver, moduli)
        _, _, result = solver.solve(forces, np.zeros(0), 1e-8, 500)
        assert result.converged
        iterations.append(result.iterations)
    assert abs(iterations[1] - iterations[0]) <= 2  # the noise of the eigenvalue estimates


def test_positive_inverse_takes_the_absolute_spectrum() -> None:
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))[0]
    matrix = (rotation * np.array([5.0, -2.0, 1.0, 0.5])) @ rotation.T
    inverse = positive_inverse(matrix)
    assert np.linalg.eigvalsh(inverse) == pytest.approx([0.2, 0.5, 1.0, 2.0])
    assert positive_inverse(np.zeros((0, 0))).shape == (0, 0)
