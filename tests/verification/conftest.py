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
from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.simple_cells import homogeneous_cell, sphere_cell
from ngcfem.quantities import Boundary, Kinematics
from ngcfem.results.increment import Increment

BuildProblem = Callable[..., PeriodicProblem]
BuildPath = Callable[..., LoadPath]

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
        **options: Any,
    ) -> PeriodicProblem:
        volume = build_representative_volume(
            MPI.COMM_SELF, mesh, periodic_topology=boundary == "periodic"
        )
        settings = {"residual_tolerance": TIGHT, **options}
        return PeriodicProblem(volume, materials, kinematics, boundary, SolverOptions(**settings))

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
