"""One law along a load path at one material point, without a mesh."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ngcfem.constitutive.batch import BatchedLaw, BatchResult
from ngcfem.constitutive.material import Material
from ngcfem.errors import NotConvergedError
from ngcfem.loading.path import LoadPath, MacroscopicState
from ngcfem.quantities import BoolArray, FloatArray, Kinematics
from ngcfem.results.increment import Increment, PhaseAverage

_MAXIMUM_ITERATIONS = 25
_LINE_SEARCH_STEPS = 8
_SMALLEST_STEP = 1.0 / 1024.0
# Rounding error of a stress that is a difference of terms of the size of the stiffness.
_ROUNDING = 64.0 * float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class _PointState:
    """Where the point stands after an accepted step."""

    position: float
    time_s: float
    deformation_gradient: FloatArray
    first_piola_kirchhoff_stress: FloatArray
    law_state: FloatArray


@dataclass(frozen=True, eq=False)
class _Attempt:
    """Outcome of one step: the new state, or None if it failed."""

    state: _PointState | None
    iterations: int
    relative_residual: float


class _Point:
    """The law and the numbers that a step needs."""

    def __init__(
        self,
        material: Material,
        kinematics: Kinematics,
        residual_tolerance: float,
        viscosity_gpa_s: float,
    ) -> None:
        self.law = BatchedLaw(material.law, kinematics, chunk_size=1)
        self.parameters = self.law.parameter_vector(material.parameters)
        self.residual_tolerance = residual_tolerance
        self.viscosity_gpa_s = viscosity_gpa_s

    def update(
        self, deformation_gradient: FloatArray, start: _PointState, dt: float
    ) -> BatchResult:
        return self.law.update(
            deformation_gradient.reshape(1, 9),
            start.law_state,
            self.parameters,
            dt,
            self.viscosity_gpa_s,
        )

    def step(
        self,
        start: _PointState,
        position: float,
        target: MacroscopicState,
        guess: FloatArray,
    ) -> _Attempt:
        """Newton iteration on the free components with a line search."""
        free = ~target.prescribed
        gradient = np.where(free, guess, target.deformation_gradient)
        dt = target.time_s - start.time_s
        result = self.update(gradient, start, dt)
        iterations = 0
        while True:
            stress = result.first_piola_kirchhoff_stress.reshape(3, 3)
            if result.status[0] != 0:
                return _Attempt(None, iterations, np.inf)
            size = float(np.abs(stress).max())
            residual = (stress - target.first_piola_kirchhoff_stress)[free]
            error = float(np.abs(residual).max(initial=0.0))
            assert result.consistent_tangent is not None
            floor = _ROUNDING * float(np.abs(result.consistent_tangent).max())
            if error <= self.residual_tolerance * size + floor:
                end = _PointState(position, target.time_s, gradient, stress, result.state)
                return _Attempt(end, iterations, error / size if size > 0.0 else 0.0)
            if iterations == _MAXIMUM_ITERATIONS:
                return _Attempt(None, iterations, np.inf)
            iterations += 1
            direction = _newton_direction(result.consistent_tangent, residual, free)
            if direction is None:
                return _Attempt(None, iterations, np.inf)
            found = self._search(start, target, gradient, direction, dt, error)
            if found is None:
                return _Attempt(None, iterations, np.inf)
            gradient, result = found

    def _search(
        self,
        start: _PointState,
        target: MacroscopicState,
        gradient: FloatArray,
        direction: FloatArray,
        dt: float,
        error: float,
    ) -> tuple[FloatArray, BatchResult] | None:
        """The longest of 1, 1/2, 1/4, ... of the step that lowers the residual."""
        free = ~target.prescribed
        for halvings in range(_LINE_SEARCH_STEPS):
            trial = gradient + 0.5**halvings * direction
            result = self.update(trial, start, dt)
            if result.status[0] != 0:
                continue
            stress = result.first_piola_kirchhoff_stress.reshape(3, 3)
            new = np.abs((stress - target.first_piola_kirchhoff_stress)[free]).max()
            if new < error:
                return trial, result
        return None


def _newton_direction(
    tangent: FloatArray, residual: FloatArray, free: BoolArray
) -> FloatArray | None:
    rows = np.flatnonzero(free.ravel())
    direction = np.zeros(9)
    try:
        direction[rows] = -np.linalg.solve(tangent.reshape(9, 9)[np.ix_(rows, rows)], residual)
    except np.linalg.LinAlgError:
        return None
    return direction.reshape(3, 3)


def drive_point(
    material: Material,
    path: LoadPath,
    kinematics: Kinematics,
    residual_tolerance: float = 1e-12,
    viscosity_gpa_s: float = 0.0,
    orientation: FloatArray | None = None,
) -> Iterator[Increment]:
    """Drive one law at one point along a load path.

    Parameters
    ----------
    material : Material
        Law and parameters.
    path : LoadPath
        What is prescribed: components of F, and nominal stresses of the others.
    kinematics : {"finite", "small"}
        Finite strain, or small strain with F - I as the displacement gradient.
    residual_tolerance : float
        Error of the prescribed nominal stresses over the largest stress component; a rounding
        allowance of 64 machine epsilons of the stiffness comes on top.
    viscosity_gpa_s : float
        Uniaxial overstress in GPa per equivalent plastic strain rate.
    orientation : ndarray, shape (4,), or None
        Unit quaternion from lattice to specimen coordinates, for laws of crystals.

    Yields
    ------
    Increment
        The undeformed state, then one row per accepted step; the increments asked for are hit
        exactly. The fields that describe a mesh are zero.

    Raises
    ------
    NotConvergedError
        If a step cannot be made although it was cut to 1/1024 of an increment.

    Notes
    -----
    Newton's method on the free components of F with the consistent tangent and a halving line
    search, started from the linear continuation of the last step. A step that fails is halved;
    after a success the step doubles, up to the next increment asked for. A segment starts from the
    F and P that the previous one has reached, as in the finite element solver.
    """
    began = time.perf_counter()
    point = _Point(material, kinematics, residual_tolerance, viscosity_gpa_s)
    initial = point.law.initial_state(1, None if orientation is None else orientation[None])
    state = _PointState(0.0, 0.0, np.eye(3), np.zeros((3, 3)), initial)
    yield _row(point, material, path, state, state, _Attempt(state, 0, 0.0), 0, began)
    segment_start, previous = state, state
    size, iterations, cutbacks = 1.0, 0, 0
    while state.position < path.increments:
        following = math.floor(state.position) + 1.0
        position = min(state.position + size, following)
        number, _ = path.segment_at(position)
        target = path.at(
            position,
            segment_start.deformation_gradient,
            segment_start.first_piola_kirchhoff_stress,
        )
        guess = state.deformation_gradient.copy()
        travelled = state.position - previous.position
        if travelled > 0.0 and previous.position >= path.starts[number]:
            ratio = (position - state.position) / travelled
            guess += ratio * (state.deformation_gradient - previous.deformation_gradient)
        attempt = point.step(state, position, target, guess)
        iterations += attempt.iterations
        if attempt.state is None:
            cutbacks += 1
            size = 0.5 * (position - state.position)
            if size < _SMALLEST_STEP:
                raise NotConvergedError(
                    f"material point, phase {material.phase}, law {material.law}: no solution "
                    f"beyond increment {state.position:.6g} of {path.increments}; a prescribed "
                    "stress may exceed the strength"
                )
            continue
        previous, state = state, attempt.state
        size = min(1.0, 2.0 * (state.position - previous.position))
        if state.position == path.starts[number + 1]:
            segment_start = state
        yield _row(
            point,
            material,
            path,
            previous,
            state,
            _Attempt(state, iterations, attempt.relative_residual),
            cutbacks,
            began,
        )
        iterations, cutbacks = 0, 0


def _row(
    point: _Point,
    material: Material,
    path: LoadPath,
    previous: _PointState,
    state: _PointState,
    attempt: _Attempt,
    cutbacks: int,
    began: float,
) -> Increment:
    gradient, stress = state.deformation_gradient, state.first_piola_kirchhoff_stress
    jacobian = float(np.linalg.det(gradient))
    cauchy = stress @ gradient.T / jacobian if point.law.kinematics == "finite" else stress
    column = point.law.plastic_strain_index
    kappa, overstress = 0.0, 0.0
    if column is not None:
        kappa = float(state.law_state[0, column])
        elapsed = state.time_s - previous.time_s
        if elapsed > 0.0:
            flow = kappa - float(previous.law_state[0, column])
            overstress = point.viscosity_gpa_s * flow / elapsed
    axial = abs(float(cauchy[path.axis_index, path.axis_index]))
    return Increment(
        increment=math.ceil(state.position),
        requested=state.position.is_integer(),
        time_s=state.time_s,
        deformation_gradient=gradient,
        first_piola_kirchhoff_stress=stress,
        newton_iterations=attempt.iterations,
        linear_iterations=0,
        cutbacks=cutbacks,
        wall_s=time.perf_counter() - began,
        relative_residual=attempt.relative_residual,
        hill_mandel_error=0.0,
        minimum_jacobian_points=jacobian,
        minimum_jacobian_vertices=jacobian,
        negative_vertex_jacobians=int(jacobian < 0.0),
        pressure_noise=0.0,
        viscous_stress_share=overstress / axial if axial > 0.0 else 0.0,
        localization_index=0.0,
        phases={
            material.phase: PhaseAverage(
                volume_fraction=1.0,
                mean_cauchy_stress=cauchy,
                mean_equivalent_plastic_strain=kappa,
                std_equivalent_plastic_strain=0.0,
            )
        },
    )
