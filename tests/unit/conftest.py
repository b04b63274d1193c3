"""Synthetic runs with closed-form curves, for the layers that work on results."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from ngcfem.results.increment import Increment, PhaseAverage

YOUNGS_MODULUS_GPA = 130.0
POISSON_RATIO = 0.33
YIELD_STRENGTH_GPA = 2.5
HARDENING_MODULUS_GPA = 1.0

BuildIncrements = Callable[[Sequence[float]], list[Increment]]


def kirchhoff_stress_gpa(strain_magnitude: float) -> float:
    """Kirchhoff stress of Hencky J2 with linear hardening in uniaxial stress, as a magnitude."""
    elastic = YOUNGS_MODULUS_GPA * strain_magnitude
    plastic = (YIELD_STRENGTH_GPA + HARDENING_MODULUS_GPA * strain_magnitude) / (
        1.0 + HARDENING_MODULUS_GPA / YOUNGS_MODULUS_GPA
    )
    return min(elastic, plastic)


def uniaxial_increment(number: int, true_strain: float) -> Increment:
    """One step of uniaxial stress along z with all health numbers set to something recognizable."""
    stretch = np.exp(true_strain)
    kirchhoff = np.sign(true_strain) * kirchhoff_stress_gpa(abs(true_strain))
    volume_ratio = np.exp((1.0 - 2.0 * POISSON_RATIO) * kirchhoff / YOUNGS_MODULUS_GPA)
    lateral = np.sqrt(volume_ratio / stretch)
    cauchy = np.zeros((3, 3))
    cauchy[2, 2] = kirchhoff / volume_ratio
    nominal = np.zeros((3, 3))
    nominal[2, 2] = kirchhoff / stretch
    plastic_strain = abs(true_strain) - abs(kirchhoff) / YOUNGS_MODULUS_GPA
    return Increment(
        increment=number,
        requested=True,
        time_s=abs(true_strain) / 1e-3,
        deformation_gradient=np.diag([lateral, lateral, stretch]),
        first_piola_kirchhoff_stress=nominal,
        newton_iterations=0 if number == 0 else 3,
        linear_iterations=0 if number == 0 else 40,
        cutbacks=1 if number == 5 else 0,
        wall_s=1.5 * number,
        relative_residual=1e-9 * number,
        hill_mandel_error=2e-10 * number,
        minimum_jacobian_points=1.0 - 0.01 * number,
        minimum_jacobian_vertices=1.0 - 0.11 * number,
        negative_vertex_jacobians=max(0, number - 9),
        pressure_noise=0.02 * number,
        viscous_stress_share=0.001 * number,
        localization_index=0.1 * number,
        phases={
            "grain": PhaseAverage(0.7, 1.1 * cauchy, plastic_strain, 0.1 * plastic_strain),
            "interface": PhaseAverage(0.3, 0.7 * cauchy, 1.2 * plastic_strain, 0.0),
        },
    )


@pytest.fixture
def build_increments() -> BuildIncrements:
    """Builder of a run from the true strains of its steps; the undeformed state is added."""

    def build(true_strains: Sequence[float]) -> list[Increment]:
        strains = [0.0, *true_strains]
        return [uniaxial_increment(number, strain) for number, strain in enumerate(strains)]

    return build


@pytest.fixture
def compression(build_increments: BuildIncrements) -> list[Increment]:
    """Compression to a true strain of -0.8 in steps that resolve the elastic part."""
    strains = np.concatenate([np.linspace(0.005, 0.03, 6), np.linspace(0.05, 0.8, 16)])
    return build_increments(list(-strains))
