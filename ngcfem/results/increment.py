"""What one accepted step of a run hands to the outside."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ngcfem.quantities import FloatArray


@dataclass(frozen=True, eq=False)
class PhaseAverage:
    """Averages over the undeformed volume of one phase.

    Parameters
    ----------
    volume_fraction : float
        Share of the undeformed volume.
    mean_cauchy_stress : ndarray, shape (3, 3)
        Mean Cauchy stress in GPa, averaged over the current volume of the phase.
    mean_equivalent_plastic_strain : float
        Mean of kappa; 0 for a law without plasticity.
    std_equivalent_plastic_strain : float
        Standard deviation of kappa over the phase.
    """

    volume_fraction: float
    mean_cauchy_stress: FloatArray
    mean_equivalent_plastic_strain: float
    std_equivalent_plastic_strain: float


@dataclass(frozen=True, eq=False)
class Increment:
    """One accepted step.

    Parameters
    ----------
    increment : int
        Index, in the list asked for, of the increment this step belongs to; 0 is the undeformed
        state.
    requested : bool
        Whether the step ends exactly at that increment.
    time_s : float
        Time on the load path.
    deformation_gradient, first_piola_kirchhoff_stress : ndarray, shape (3, 3)
        Macroscopic F and P (GPa). Small kinematics: I + displacement gradient, and the stress.
    newton_iterations, linear_iterations, cutbacks : int
        Spent since the previous accepted step.
    wall_s : float
        Wall time since the start of the run, cumulative over resumes.
    relative_residual : float
        Norm of the nodal residual forces over the norm of the assembled magnitudes of the element
        forces.
    hill_mandel_error : float
        Difference between the averaged and the macroscopic work of the step, relative to the
        product of the norms of stress and step.
    minimum_jacobian_points, minimum_jacobian_vertices : float
        Smallest det F over the integration points, and over the vertices of the elements.
    negative_vertex_jacobians : int
        Number of elements with det F < 0 at a vertex.
    pressure_noise : float
        Volume-weighted root mean square of the in-element standard deviation of the pressure over
        the magnitude of the macroscopic axial stress.
    viscous_stress_share : float
        Mean overstress of the viscous regularization over the macroscopic axial stress magnitude.
    localization_index : float
        Standard deviation of the equivalent plastic strain over its mean, all phases.
    phases : mapping of str to PhaseAverage
        Averages by phase name.
    elastic_energy_gpa : float
        Elastic energy over the undeformed volume (GPa = nN nm / nm^3); NaN if a law has no
        isotropic elastic constants.
    staggered_iterations : int
        Alternations between displacement and nonlocal field spent where Newton's method on both
        together failed.
    """

    increment: int
    requested: bool
    time_s: float
    deformation_gradient: FloatArray
    first_piola_kirchhoff_stress: FloatArray
    newton_iterations: int
    linear_iterations: int
    cutbacks: int
    wall_s: float
    relative_residual: float
    hill_mandel_error: float
    minimum_jacobian_points: float
    minimum_jacobian_vertices: float
    negative_vertex_jacobians: int
    pressure_noise: float
    viscous_stress_share: float
    localization_index: float
    phases: Mapping[str, PhaseAverage]
    elastic_energy_gpa: float = math.nan
    staggered_iterations: int = 0
