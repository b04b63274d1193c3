"""What is watched at every accepted step: averages by phase and the health of the solution."""

from typing import TYPE_CHECKING

from mpi4py import MPI

import numpy as np

from ngcfem.fem.assembly import FluctuationSpace
from ngcfem.fem.material_points import MaterialPoints
from ngcfem.fem.periodic import RepresentativeVolume
from ngcfem.fem.tensors import cauchy_stress, determinants, trace
from ngcfem.quantities import FloatArray, Kinematics
from ngcfem.results.increment import Increment, PhaseAverage

if TYPE_CHECKING:
    from ngcfem.fem.newton import EquilibriumState

IDENTITY = np.eye(3)


class Monitors:
    """Averages and health measures of one problem.

    Parameters
    ----------
    volume : RepresentativeVolume
        The mesh.
    space : FluctuationSpace
        Gives weights and gradients.
    kinematics : {"finite", "small"}
        Says whether nominal and Cauchy stress differ.
    elastic_moduli_gpa : ndarray, shape (phases, 2), or None
        Shear and bulk modulus of each phase, NaN where a law has none; None: no elastic energy.
    """

    def __init__(
        self,
        volume: RepresentativeVolume,
        space: FluctuationSpace,
        kinematics: Kinematics,
        elastic_moduli_gpa: FloatArray | None = None,
    ) -> None:
        self._volume = volume
        self._space = space
        self._kinematics = kinematics
        self._comm = volume.comm
        self._weights = space.element.weights.ravel()
        self._phase = np.repeat(volume.phase, space.element.number_of_points)
        self._phase_volume = self._by_phase(np.ones((len(self._weights), 1)))[:, 0]
        self._total_volume = float(self._phase_volume.sum())
        self._elastic_moduli = (
            np.full((len(self._phase_volume), 2), np.nan)
            if elastic_moduli_gpa is None
            else elastic_moduli_gpa
        )

    def _by_phase(self, values: FloatArray) -> FloatArray:
        """Integrate point values over each phase; collective."""
        names = self._volume.source.phase_names
        total = np.zeros((len(names), values.shape[1]))
        for index in range(len(names)):
            mask = self._phase == index
            total[index] = self._weights[mask] @ values[mask]
        return self._comm.allreduce(total, op=MPI.SUM)

    def undeformed(self, points: MaterialPoints) -> Increment:
        """Row 0 of the curve: the undeformed, stress-free state; collective.

        Parameters
        ----------
        points : MaterialPoints
            Laws and initial state.

        Returns
        -------
        Increment
            With zero stress and zero counters.
        """
        return Increment(
            increment=0,
            requested=True,
            time_s=0.0,
            deformation_gradient=IDENTITY.copy(),
            first_piola_kirchhoff_stress=np.zeros((3, 3)),
            newton_iterations=0,
            linear_iterations=0,
            cutbacks=0,
            wall_s=0.0,
            relative_residual=0.0,
            hill_mandel_error=0.0,
            minimum_jacobian_points=1.0,
            minimum_jacobian_vertices=1.0,
            negative_vertex_jacobians=0,
            pressure_noise=0.0,
            viscous_stress_share=0.0,
            localization_index=0.0,
            phases=self._phase_averages(
                np.zeros((len(self._weights), 9)),
                np.ones(len(self._weights)),
                points.equivalent_plastic_strain(),
            ),
            elastic_energy_gpa=0.0,
        )

    def increment(
        self,
        *,
        state: "EquilibriumState",
        points: MaterialPoints,
        previous_gradient: FloatArray,
        previous_macroscopic: FloatArray,
        time_s: float,
        time_increment_s: float,
        viscosity_gpa_s: float,
        axis: int,
        number: int,
        requested: bool,
        counters: tuple[int, int, int, int],
        relative_residual: float,
        wall_s: float,
    ) -> Increment:
        """Measure a converged step before it is committed; collective.

        Parameters
        ----------
        state : EquilibriumState
            Converged configuration.
        points : MaterialPoints
            Laws, with the step's trial state.
        previous_gradient : ndarray, shape (points, 9)
            F at the points before the step.
        previous_macroscopic : ndarray, shape (3, 3)
            Macroscopic F before the step.
        time_s, time_increment_s : float
            Time at the end of the step, and its length.
        viscosity_gpa_s : float
            Viscous regularization.
        axis : int
            Axis of the scalar stress that shares refer to.
        number : int
            Listed increment the step belongs to.
        requested : bool
            Whether the step ends on it.
        counters : tuple of int
            Newton iterations, Krylov iterations, cut-backs, staggered iterations.
        relative_residual : float
            Residual at convergence.
        wall_s : float
            Wall time of the run so far.

        Returns
        -------
        Increment
            The step as the outside sees it.

        Notes
        -----
        The elastic energy of Hencky's law is that of the Kirchhoff stress, (tr tau)^2 / (18 K) +
        dev tau : dev tau / (4 G).

        F of a specimen with free surfaces is the volume average. Platens work on the axial stretch
        alone, which the prescribed F holds, so the averaged work is compared with that.
        """
        gradient, stress = state.point_deformation_gradient, state.point_stress
        jacobian = determinants(gradient)
        finite = self._kinematics == "finite"
        current = jacobian if finite else np.ones_like(jacobian)
        cauchy = cauchy_stress(gradient, stress) if finite else stress
        plastic = points.equivalent_plastic_strain(trial=True)
        growth = plastic - points.equivalent_plastic_strain()
        work = np.einsum("nk,nk->n", stress, gradient - previous_gradient)
        integrals = self._space.integral(
            np.column_stack([work, current, plastic, plastic**2, growth, current[:, None] * cauchy])
        )
        integrals /= self._total_volume
        macroscopic = state.deformation_gradient.copy()
        if self._space.has_free_surface:
            lateral = self._space.integral(gradient - macroscopic.ravel()) / self._total_volume
            macroscopic += lateral.reshape(3, 3)
        macroscopic_step = state.deformation_gradient - previous_macroscopic
        macroscopic_work = float(np.sum(state.stress * macroscopic_step))
        scale = state.stress_scale * max(float(np.linalg.norm(macroscopic_step)), 1e-300)
        axial = max(abs(float(integrals[5 + 4 * axis] / integrals[1])), 1e-12)
        mean, square = float(integrals[2]), float(integrals[3])
        spread = float(np.sqrt(max(square - mean**2, 0.0)))
        vertices = self._vertex_jacobians(state)
        smallest, negative = self._smallest_and_negative(vertices)
        return Increment(
            increment=number,
            requested=requested,
            time_s=time_s,
            deformation_gradient=macroscopic,
            first_piola_kirchhoff_stress=state.stress.copy(),
            newton_iterations=counters[0],
            linear_iterations=counters[1],
            cutbacks=counters[2],
            wall_s=wall_s,
            relative_residual=relative_residual,
            hill_mandel_error=abs(float(integrals[0]) - macroscopic_work) / scale,
            minimum_jacobian_points=self._comm.allreduce(
                float(jacobian.min(initial=np.inf)), op=MPI.MIN
            ),
            minimum_jacobian_vertices=smallest,
            negative_vertex_jacobians=negative,
            pressure_noise=self._pressure_noise(cauchy) / axial,
            viscous_stress_share=viscosity_gpa_s * float(integrals[4]) / time_increment_s / axial,
            localization_index=spread / mean if mean > 1e-12 else 0.0,
            phases=self._phase_averages(cauchy, current, plastic),
            elastic_energy_gpa=self._elastic_energy(current[:, None] * cauchy),
            staggered_iterations=counters[3],
        )

    def _elastic_energy(self, kirchhoff: FloatArray) -> float:
        """Mean elastic energy of the stress, shape (points, 9), of isotropic phases."""
        shear, bulk = self._elastic_moduli[self._phase].T
        volumetric = trace(kirchhoff)
        square = np.einsum("nk,nk->n", kirchhoff, kirchhoff) - volumetric**2 / 3.0
        energy = volumetric**2 / (18.0 * bulk) + square / (4.0 * shear)
        return float(self._space.integral(energy[:, None])[0]) / self._total_volume

    def _vertex_jacobians(self, state: "EquilibriumState") -> FloatArray:
        """Det F at the vertices of the owned cells, shape (m, vertices)."""
        space = self._space
        gradient = space.element.vertex_gradient(space.with_ghosts(state.fluctuation))
        gradient = gradient + state.deformation_gradient
        return determinants(gradient.reshape(-1, 9)).reshape(gradient.shape[:2])

    def _smallest_and_negative(self, vertices: FloatArray) -> tuple[float, int]:
        smallest = self._comm.allreduce(float(vertices.min(initial=np.inf)), op=MPI.MIN)
        negative = self._comm.allreduce(int((vertices.min(axis=1) < 0.0).sum()), op=MPI.SUM)
        return smallest, negative

    def _pressure_noise(self, cauchy: FloatArray) -> float:
        """Root mean square, over the volume, of the in-cell standard deviation of the pressure."""
        weights = self._space.element.weights
        pressure = trace(cauchy).reshape(weights.shape) / 3.0
        cell = weights.sum(axis=1)
        mean = (weights * pressure).sum(axis=1) / cell
        variance = float((weights * (pressure - mean[:, None]) ** 2).sum())
        total = self._comm.allreduce(variance, op=MPI.SUM)
        return float(np.sqrt(total / self._total_volume))

    def _phase_averages(
        self, cauchy: FloatArray, current: FloatArray, plastic: FloatArray
    ) -> dict[str, PhaseAverage]:
        integrals = self._by_phase(
            np.column_stack([current[:, None] * cauchy, current, plastic, plastic**2])
        )
        averages = {}
        for index, name in enumerate(self._volume.source.phase_names):
            volume = self._phase_volume[index]
            mean, square = integrals[index, 10] / volume, integrals[index, 11] / volume
            averages[name] = PhaseAverage(
                volume_fraction=float(volume / self._total_volume),
                mean_cauchy_stress=(integrals[index, :9] / integrals[index, 9]).reshape(3, 3),
                mean_equivalent_plastic_strain=float(mean),
                std_equivalent_plastic_strain=float(np.sqrt(max(square - mean**2, 0.0))),
            )
        return averages
