"""Small meshes and problems on them, for the tests of the finite element solver."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.fem.periodic import build_representative_volume
from ngcfem.fem.problem import PeriodicProblem
from ngcfem.fem.solver_options import SolverOptions
from ngcfem.loading.path import LoadPath, LoadSegment
from ngcfem.loading.platens import Platens
from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.imperfection import Imperfection
from ngcfem.microstructure.simple_cells import homogeneous_cell, sphere_cell
from ngcfem.quantities import Boundary, Kinematics
from ngcfem.results.increment import Increment

BuildProblem = Callable[..., PeriodicProblem]
BuildPath = Callable[..., LoadPath]
BuildPlaneMesh = Callable[..., PeriodicMesh]

# The tolerance at which identities are tested, so that they hold to rounding times conditioning.
TIGHT = 1e-11

J2 = {
    "youngs_modulus_gpa": 204.0,
    "poisson_ratio": 0.29,
    "yield_strength_gpa": 4.0,
    "hardening_modulus_gpa": 1.0,
}
NON_ASSOCIATED = {
    "youngs_modulus_gpa": 100.0,
    "poisson_ratio": 0.33,
    "yield_strength_gpa": 1.5,
    "hardening_modulus_gpa": 0.5,
    "friction_coefficient": 0.12,
    "dilatancy": 0.02,
    "rate_sensitivity": 0.02,
}


@pytest.fixture(scope="session")
def cube_mesh() -> PeriodicMesh:
    """Homogeneous cube of three boxes a direction, the smallest mesh that can be periodic."""
    return generate_mesh(homogeneous_cell("grain"), 3.4, use_cache=False)


@pytest.fixture(scope="session")
def sphere_mesh() -> PeriodicMesh:
    """Sphere of a fifth of the volume, 487 tetrahedra."""
    return generate_mesh(sphere_cell(0.2), 4.0, use_cache=False)


@pytest.fixture(scope="session")
def plane_mesh() -> BuildPlaneMesh:
    """Builder of periodic triangles of a rectangle, its grid lines at given places.

    The diagonals of the grid are drawn at random, nodes and midside nodes move at random, periodic
    images alike.
    """

    def build(
        x: np.ndarray,
        y: np.ndarray,
        phase: Callable[[np.ndarray], np.ndarray] | None = None,
        names: tuple[str, ...] = ("grain",),
        seed: int = 1,
        shake_nm: float = 0.0,
        curve_nm: float | None = None,
    ) -> PeriodicMesh:
        random = np.random.default_rng(seed)
        nx, ny = len(x) - 1, len(y) - 1
        points = np.array([(a, b) for a in x for b in y])
        corner = np.array([[i * (ny + 1) + j for j in range(ny)] for i in range(nx)]).ravel()
        quad = corner[:, None] + np.array([0, ny + 1, ny + 2, 1])
        turned = random.random(len(quad)) < 0.5
        halves = [quad[~turned][:, [0, 1, 2]], quad[~turned][:, [0, 2, 3]]]
        halves += [quad[turned][:, [0, 1, 3]], quad[turned][:, [1, 2, 3]]]
        cells = np.vstack(halves)
        lattice = np.diag([x[-1] - x[0], y[-1] - y[0]])
        if curve_nm is not None:
            edges = np.sort(cells[:, [[0, 1], [1, 2], [2, 0]]], axis=2).reshape(-1, 2)
            pairs, row = np.unique(edges, axis=0, return_inverse=True)
            cells = np.hstack([cells, len(points) + row.reshape(-1, 3)])
            points = np.vstack([points, points[pairs].mean(axis=1)])
        places = np.round((points - points[0]) / np.diag(lattice) % 1.0, 9) % 1.0
        _, first, torus = np.unique(places, axis=0, return_index=True, return_inverse=True)
        moves = random.uniform(-shake_nm, shake_nm, points.shape)
        if curve_nm is not None:
            middle = cells[:, 3:].ravel()
            straight = points + moves[first[torus]]
            moves[middle] = 0.5 * (straight[edges].sum(axis=1)) - points[middle]
            moves[middle] += random.uniform(-curve_nm, curve_nm, (len(middle), 2))
        points = points + moves[first[torus]]
        number = np.zeros(len(cells)) if phase is None else phase(points[cells[:, :3]].mean(axis=1))
        return PeriodicMesh(
            points=points,
            cells=cells,
            torus_node=first[torus],
            lattice=lattice,
            periodic=True,
            phase=number.astype(np.int32),
            phase_names=names,
            grain=np.zeros(len(cells), np.int32),
        )

    return build


@pytest.fixture
def composite() -> dict[str, Material]:
    """Symmetric and unsymmetric law side by side: the solver has to take GMRES."""
    return {
        "inclusion": Material("inclusion", "j2", J2),
        "matrix": Material("matrix", "drucker-prager", NON_ASSOCIATED),
    }


@pytest.fixture
def build_problem() -> BuildProblem:
    """Builder of a fresh problem on one process, at the tight tolerance unless said otherwise."""
    from mpi4py import MPI

    def build(
        mesh: PeriodicMesh,
        materials: Mapping[str, Material],
        kinematics: Kinematics = "finite",
        boundary: Boundary = "periodic",
        platens: Platens | None = None,
        imperfection: Imperfection | None = None,
        **options: Any,
    ) -> PeriodicProblem:
        volume = build_representative_volume(
            MPI.COMM_SELF, mesh, periodic_topology=boundary == "periodic"
        )
        settings = {"residual_tolerance": TIGHT, **options}
        return PeriodicProblem(
            volume,
            materials,
            kinematics,
            boundary,
            SolverOptions(**settings),
            platens,
            imperfection=imperfection,
        )

    return build


@pytest.fixture
def build_path() -> BuildPath:
    """Builder of a path from segments (gradient with NaN where free, increments, time, stress)."""

    def build(*segments: tuple[Any, ...], axis: str = "z") -> LoadPath:
        listed = []
        for gradient, increments, *rest in segments:
            duration_s = rest[0] if rest else 1.0
            stress = rest[1] if len(rest) > 1 else np.zeros((3, 3))
            listed.append(
                LoadSegment(
                    np.array(gradient, dtype=float), np.array(stress), duration_s, increments
                )
            )
        return LoadPath(listed, axis=axis)

    return build


@pytest.fixture
def stresses() -> Callable[[list[Increment]], np.ndarray]:
    """Stack the nominal stresses of increments into one array, shape (n, 3, 3)."""
    return lambda increments: np.array([row.first_piola_kirchhoff_stress for row in increments])
