"""The strength of a mixture of perfectly plastic phases lies between the weakest and the mean."""

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.homogenization.bounds import taylor_strength_bound
from ngcfem.loading.path import uniaxial_stress
from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.quality import mesh_quality
from ngcfem.microstructure.simple_cells import sphere_cell


def perfectly_plastic(phase, modulus, ratio, strength):
    return Material(
        phase,
        "j2",
        {"youngs_modulus_gpa": modulus, "poisson_ratio": ratio, "yield_strength_gpa": strength},
    )


def mises(stress):
    deviator = stress - np.trace(stress) / 3.0 * np.eye(3)
    return np.sqrt(1.5 * np.sum(deviator**2))


@pytest.fixture(scope="module")
def dilute_mesh():
    return generate_mesh(sphere_cell(0.12), 4.0, use_cache=False)


@pytest.mark.parametrize(
    ("strength", "boundary"),
    [
        (8.0, "periodic"),
        (8.0, "uniform-displacement"),
        (3.0, "periodic"),
    ],
)
def test_strength_of_perfectly_plastic_phases(strength, boundary, dilute_mesh, build_problem):
    materials = {
        "matrix": perfectly_plastic("matrix", 140.0, 0.33, 2.5),
        "inclusion": perfectly_plastic("inclusion", 204.0, 0.29, strength),
    }
    fractions = mesh_quality(dilute_mesh).phase_fractions
    bound = taylor_strength_bound(
        [materials[name] for name in fractions], list(fractions.values()), 1.0
    )
    assert bound == pytest.approx(
        fractions["matrix"] * 2.5 + fractions["inclusion"] * strength, rel=1e-12
    )
    if strength == 8.0:
        assert bound < 3.17
    problem = build_problem(dilute_mesh, materials, "small", boundary, residual_tolerance=1e-7)
    rows = list(problem.march(uniaxial_stress("z", -0.08, 1e-3, 16)))
    q = np.array([mises(row.first_piola_kirchhoff_stress) for row in rows])
    # The residual tolerance bounds how far the mean stress may be off.
    assert q.max() <= bound * (1.0 + 1e-6)
    matrix = np.array([row.phases["matrix"].mean_equivalent_plastic_strain for row in rows])
    flowing = matrix > 0.02
    assert flowing.sum() >= 8
    assert q[flowing].min() >= 2.5
    inclusion = rows[-1].phases["inclusion"].mean_equivalent_plastic_strain
    if strength == 3.0:
        # Both phases flow, and the curve ends on a limit load just below the bound.
        assert inclusion > 0.03
        assert q[-1] == pytest.approx(q[-5], rel=1e-3)
        assert q[-1] > 0.99 * bound
    elif boundary == "uniform-displacement":
        # Held to linear displacements all round, the cell comes near the uniform strain that the
        # bound assumes, and the crystal begins to flow.
        assert inclusion > 1e-3
        assert q[-1] > 0.95 * bound
    else:
        assert inclusion < 1e-3
        assert q[-1] < 0.9 * bound
