"""Elements held against an internal length, and against the reach of diffusion."""

import math

import pytest

from ngcfem.constitutive.material import Material
from ngcfem.mesh.generation import generate_mesh
from ngcfem.microstructure.simple_cells import homogeneous_cell
from ngcfem.workflow.length_resolution import length_resolutions

GLASS = {
    "youngs_modulus_gpa": 100.0,
    "poisson_ratio": 0.3,
    "reference_stress_gpa": 0.3,
    "reference_rate_per_s": 1.0,
    "initial_free_volume": 0.05,
}


@pytest.fixture(scope="module")
def mesh():
    return generate_mesh(homogeneous_cell("grain"), 3.4, use_cache=False)


@pytest.mark.parametrize(("duration_s", "resolved"), [(50.0, False), (5000.0, True)])
def test_reach_of_diffusion(mesh, duration_s, resolved):
    values = {**GLASS, "diffusion_coefficient_nm2_per_s": 0.1}
    materials = {"grain": Material("grain", "free-volume", values)}
    (found,) = length_resolutions(mesh, materials, duration_s)
    assert found.characteristic_length_nm == pytest.approx(math.sqrt(0.1 * duration_s))
    assert found.resolved is resolved
    assert "diffuses" in found.text


def test_without_diffusion_there_is_nothing_to_resolve(mesh):
    materials = {"grain": Material("grain", "free-volume", GLASS)}
    assert length_resolutions(mesh, materials, 100.0) == []
