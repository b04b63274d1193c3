"""The boundary-value problem of a representative volume and its march along a load path."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

import numpy as np

from ngcfem.constitutive.batch import law_named
from ngcfem.constitutive.material import Material
from ngcfem.errors import NotConvergedError, raise_together
from ngcfem.fem.assembly import FluctuationSpace
from ngcfem.fem.condensation import condense_tangent
from ngcfem.fem.ellipticity import EllipticityMonitor, EllipticityState
from ngcfem.fem.imperfect_points import strength_factors, strength_statistics
from ngcfem.fem.linear_solver import BorderedSolver, FieldBlock
from ngcfem.fem.material_points import MaterialPoints
from ngcfem.fem.monitors import Monitors
from ngcfem.fem.newton import EquilibriumState, NewtonOutcome, NewtonSolver
from ngcfem.fem.nodal_field import NodalFieldCoupling
from ngcfem.fem.nodal_pressure import NodalPressure
from ngcfem.fem.periodic import RepresentativeVolume
from ngcfem.fem.plastic_field import PlasticField, gather_plastic_field
from ngcfem.fem.predictor import affine_guess, secant_guess
from ngcfem.fem.regularization import COUPLING_COLUMNS, NonlocalField, field_groups
from ngcfem.fem.restart import gather_cells
from ngcfem.fem.snapshot import FieldSnapshot, take_snapshot
from ngcfem.fem.solver_options import SolverOptions
from ngcfem.fem.staggered import StaggeredSolver
from ngcfem.fem.stepping import MarchPosition, StepControl
from ngcfem.fem.tensors import determinants
from ngcfem.loading.path import LoadPath, MacroscopicState
from ngcfem.loading.platens import Platens
from ngcfem.microstructure.imperfection import Imperfection
from ngcfem.quantities import BoolArray, Boundary, FloatArray, IntArray, Kinematics
from ngcfem.results.increment import Increment

if TYPE_CHECKING:
    from collections.abc import Callable

IDENTITY = np.eye(3)
STATUS_TEXT = {
    1: "a local iteration of a law did not converge",
    2: "an integration point is inverted (det F <= 0)",
    3: "a law returned a value that is not finite",
}
VANISHING_TIME_S = 1e-12
"""Time in which no rate that a law describes does anything."""
STATUS_RAISED = 9
"""A law raised an exception on some rank; above every flag a law gives."""


class PeriodicProblem:
    """A representative volume under macroscopic load: the one object that changes during a run.

    Parameters
    ----------
    volume : RepresentativeVolume
        The mesh, with periodic topology for periodic boundaries.
    materials : mapping of str to Material
        Material of every phase of the mesh.
    kinematics : {"finite", "small"}
        Finite strain (multiplicative, Hencky) or small strain.
    boundary : {"periodic", "uniform-displacement", "platens"}
        Fluctuation at the boundary: periodic, zero, or held where platens touch.
    options : SolverOptions
        Tolerances and step control.
    platens : Platens or None
        The plates, for that boundary condition.
    orientation : ndarray, shape (cells of the whole mesh, 4), or None
        Unit quaternions from lattice to specimen coordinates, read for laws of crystals.
    imperfection : Imperfection or None
        Where the strength differs from that of the phase.

    Raises
    ------
    ValueError
        If a phase of the mesh has no material.
    RefusedError
        If the specimen has no flat face for a platen to touch, or the imperfection does not fit it.

    Notes
    -----
    A mesh of the plane is in plane strain: F33 = 1 and no shear out of the plane. Macroscopic F and
    P are 3x3 in either case; P33 is the reaction out of the plane.
    """

    def __init__(
        self,
        volume: RepresentativeVolume,
        materials: Mapping[str, Material],
        kinematics: Kinematics = "finite",
        boundary: Boundary = "periodic",
        options: SolverOptions | None = None,
        platens: Platens | None = None,
        *,
        orientation: FloatArray | None = None,
        imperfection: Imperfection | None = None,
    ) -> None:
        missing = [name for name in volume.source.phase_names if name not in materials]
        if missing:
            raise ValueError(f"phases without a material: {', '.join(missing)}")
        self.options = options or SolverOptions()
        self.kinematics: Kinematics = kinematics
        self.volume = volume
        self._materials = dict(materials)
        self._spent: dict[str, float] = dict.fromkeys(
            ("constitutive", "assembly", "preconditioner"), 0.0
        )
        self._comm = volume.comm
        self._platens = platens if boundary == "platens" else None
        self._periodic = boundary == "periodic"
        self._space = FluctuationSpace(volume, boundary, platens)
        self._strength_factor = strength_factors(imperfection, self._space)
        self._points = MaterialPoints(
            volume,
            self._space.element.number_of_points,
            materials,
            kinematics,
            orientation,
            self._strength_factor,
        )
        self._nodal_pressure: NodalPressure | None = None
        if self.options.element == "p2-nodal":
            self._nodal_pressure = NodalPressure(
                self._space, materials, kinematics, self.options.local_pressure_share
            )
        self._nonlocal = self._make_field(materials)
        self._nodal_field: NodalFieldCoupling | None = None
        if self._nodal_pressure is not None and self._nonlocal is not None:
            self._nodal_field = self._nodal_pressure.coupling_with(self._nonlocal)
        self._coupling = np.zeros(
            (self._space.number_of_points if self._nonlocal else 0, COUPLING_COLUMNS)
        )
        self._linear = BorderedSolver(self._space, self.options.petsc)
        self._cell_volume = float(
            self._space.integral(np.ones((self._space.number_of_points, 1)))[0]
        )
        self._newton = NewtonSolver(
            self.options, self._linear, self._evaluate, self._linearize, self._cell_volume
        )
        self._staggered = StaggeredSolver(
            self.options, self._newton, self._correct_field, self._comm
        )
        self._monitors = Monitors(
            volume,
            self._space,
            kinematics,
            np.array([materials[name].isotropic_moduli_gpa for name in volume.source.phase_names]),
        )
        self._time_increment_s = 1.0
        self._fluctuation = np.zeros((self._space.owned_nodes, self._space.dimension))
        self._previous_fluctuation = self._fluctuation.copy()
        self._field = np.zeros(self._nonlocal.owned if self._nonlocal else 0)
        self._previous_field = self._field.copy()
        self._deformation_gradient = IDENTITY.copy()
        self._stress = np.zeros((3, 3))
        self._point_deformation_gradient = np.tile(
            IDENTITY.ravel(), (self._space.number_of_points, 1)
        )
        self._point_stress = np.zeros((self._space.number_of_points, 9))
        self._march: MarchPosition | None = None

    def _make_field(self, materials: Mapping[str, Material]) -> NonlocalField | None:
        """Nonlocal field of the phases with an internal length; None if there is none."""
        names = self.volume.source.phase_names
        groups = field_groups(
            names,
            materials,
            {each.law: law_named(each.law).nonlocal_variable for each in materials.values()},
            self.options.nonlocal_field == "per-phase",
        )
        if (groups < 0).all():
            return None
        lengths = np.array([materials[name].characteristic_length_nm for name in names])
        diffusion = np.array([materials[name].diffusion_coefficient_nm2_per_s for name in names])
        return NonlocalField(self._space, groups, lengths, diffusion)

    @property
    def number_of_dofs(self) -> int:
        """Number of displacement unknowns over all ranks."""
        return self._space.dimension * self._space.global_nodes

    @property
    def number_of_field_dofs(self) -> int:
        """Number of unknowns of the nonlocal field over all ranks; 0 without one."""
        return self._nonlocal.global_size if self._nonlocal else 0

    def strength_statistics(self) -> dict[str, dict[str, float]]:
        """How the imperfection makes the strength of each phase differ; collective.

        Returns
        -------
        dict of str to dict
            By phase: mean, standard deviation, smallest and largest strength factor; empty without
            an imperfection.
        """
        if self._strength_factor is None:
            return {}
        return strength_statistics(self._strength_factor, self._space)

    @property
    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds this rank has spent, by phase of the computation."""
        return {**self._spent, "linear_solve": self._linear.cpu_seconds}

    @property
    def time_increment_s(self) -> float:
        """Time of the last step."""
        return self._time_increment_s

    @property
    def position(self) -> float:
        """Position on the load path; 0 before the first step."""
        return self._march.position if self._march else 0.0

    def march(self, path: LoadPath) -> Iterator[Increment]:
        """Follow a load path from where the problem stands.

        Collective.

        Parameters
        ----------
        path : LoadPath
            Path; a problem that has been restored goes on along the same path.

        Yields
        ------
        Increment
            The undeformed state first (unless the problem was restored), then one for each
            accepted step. When an increment is handed out its state is committed, so that
            `snapshot` and `checkpoint` speak of it.

        Raises
        ------
        NotConvergedError
            If a step fails below the smallest step allowed. Everything yielded so far stands.
        ValueError
            If the path does not fit the dimension or the platens.
        """
        self._check_path(path)
        clock = time.perf_counter()
        if self._march is None:
            self._march = MarchPosition(
                position=0.0,
                time_s=0.0,
                segment_start_deformation_gradient=IDENTITY.copy(),
                segment_start_stress=np.zeros((3, 3)),
                previous_deformation_gradient=IDENTITY.copy(),
                previous_step=0.0,
                control=StepControl(
                    size=1.0,
                    failures=0,
                    grow=self.options.grow,
                    maximum=self.options.maximum_growth,
                    minimum=self.options.minimum_increment_fraction,
                ),
                wall_s=0.0,
            )
            yield self._monitors.undeformed(self._points)
        wall_before = self._march.wall_s
        while self._march.position < path.increments - 1e-9:
            increment = self._advance(path, lambda: wall_before + time.perf_counter() - clock)
            yield increment

    def _check_path(self, path: LoadPath) -> None:
        if self._space.dimension == 2 and not path.is_plane_strain:
            raise ValueError("a mesh of the plane needs a path with F33 = 1 and no shear along z")
        if self._platens is not None and path.axis != self._platens.axis:
            raise ValueError(
                f"the path is along {path.axis}, the platens are normal to {self._platens.axis}"
            )

    def _advance(self, path: LoadPath, wall: "Callable[[], float]") -> Increment:
        """Make one accepted step, cutting back as often as needed."""
        newton_iterations = linear_iterations = staggered_iterations = cutbacks = 0
        while True:
            march = self._march
            assert march is not None
            number, _ = path.segment_at(march.position + 1e-6)
            at_start = abs(march.position - path.starts[number]) < 1e-9
            start_gradient = (
                self._deformation_gradient if at_start else march.segment_start_deformation_gradient
            )
            start_stress = self._stress if at_start else march.segment_start_stress
            end = march.control.end(march.position, path.starts[number + 1])
            target = path.at(end, start_gradient, start_stress)
            if self._platens is not None:
                target = self._platens.prescribe(target)
            self._time_increment_s = target.time_s - march.time_s
            step = end - march.position
            guess = self._first_guess(target, step, at_start)
            outcome = self._solve_step(
                *guess,
                ~target.prescribed,
                target.first_piola_kirchhoff_stress,
                self._first_guess_of_field(step, at_start),
            )
            newton_iterations += outcome.iterations
            linear_iterations += outcome.linear_iterations
            staggered_iterations += outcome.staggered_iterations
            if outcome.state is not None:
                break
            cutbacks += 1
            control = march.control.after_failure(step)
            if control.exhausted:
                raise NotConvergedError(
                    f"no equilibrium beyond position {march.position:.6g} of "
                    f"{path.increments} increments (F{path.axis}{path.axis} = "
                    f"{self._deformation_gradient[path.axis_index, path.axis_index]:.6f}): "
                    f"{outcome.reason}; the step was cut to {control.size:.2e} of an increment"
                )
            self._march = MarchPosition(
                march.position,
                march.time_s,
                start_gradient,
                start_stress,
                march.previous_deformation_gradient,
                0.0 if control.failures % 2 == 0 else march.previous_step,
                control,
                march.wall_s,
            )
        increment = self._monitors.increment(
            state=outcome.state,
            points=self._points,
            previous_gradient=self._point_deformation_gradient,
            previous_macroscopic=self._deformation_gradient,
            time_s=target.time_s,
            time_increment_s=self._time_increment_s,
            viscosity_gpa_s=self.options.viscosity_gpa_s,
            axis=path.axis_index,
            number=int(np.ceil(end - 1e-9)),
            requested=abs(end - round(end)) < 1e-9,
            counters=(newton_iterations, linear_iterations, cutbacks, staggered_iterations),
            relative_residual=outcome.residual,
            wall_s=wall(),
        )
        previous_deformation_gradient = self._deformation_gradient
        self._accept(outcome.state)
        self._march = MarchPosition(
            position=end,
            time_s=target.time_s,
            segment_start_deformation_gradient=start_gradient,
            segment_start_stress=start_stress,
            previous_deformation_gradient=previous_deformation_gradient,
            previous_step=step,
            control=march.control.after_success(outcome.iterations),
            wall_s=increment.wall_s,
        )
        return increment

    def _solve_step(
        self,
        fluctuation: FloatArray,
        macroscopic: FloatArray,
        free: BoolArray,
        stress: FloatArray,
        field: FloatArray,
    ) -> NewtonOutcome:
        """Newton's method on everything together, and in turn if that fails."""
        way = self.options.nonlocal_solution
        guess = (fluctuation, macroscopic, free, stress, field)
        if self._nonlocal is None or way != "staggered":
            outcome = self._newton.solve(*guess)
            if outcome.state is not None or self._nonlocal is None or way == "monolithic":
                return outcome
            in_turn = self._staggered.solve(*guess)
            return replace(
                in_turn,
                iterations=outcome.iterations + in_turn.iterations,
                linear_iterations=outcome.linear_iterations + in_turn.linear_iterations,
                reason=f"{outcome.reason}; in turn: {in_turn.reason}",
            )
        return self._staggered.solve(*guess)

    def _correct_field(self, state: EquilibriumState) -> FloatArray:
        """Newton step of the nonlocal field at the displacements of the last evaluation."""
        assert self._nonlocal is not None
        started = time.process_time()
        self._nonlocal.row_scale = state.field_row_scale
        change = self._nonlocal.newton_step(
            self._coupling[self._nonlocal.points], state.field_forces
        )
        self._spent["preconditioner"] += time.process_time() - started
        return change

    def _first_guess(
        self, target: MacroscopicState, step: float, new_segment: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Guess fluctuation and macroscopic F at the end of a step."""
        march = self._march
        assert march is not None
        current = self._deformation_gradient
        if self.options.predictor == "secant" and march.previous_step > 0.0 and not new_segment:
            return secant_guess(
                target,
                step / march.previous_step,
                (self._fluctuation, self._previous_fluctuation),
                (current, march.previous_deformation_gradient),
            )
        if self.options.predictor == "none" or new_segment:
            guess = np.where(target.prescribed, target.deformation_gradient, current)
            return self._fluctuation.copy(), guess
        return affine_guess(target, self._fluctuation, current, self.kinematics)

    def _first_guess_of_field(self, step: float, new_segment: bool) -> FloatArray:
        """Guess the nonlocal field at the end of a step: the secant, or its present value."""
        march = self._march
        assert march is not None
        secant = self.options.predictor == "secant" and march.previous_step > 0.0
        if not secant or new_segment:
            return self._field.copy()
        ratio = step / march.previous_step
        return self._field + ratio * (self._field - self._previous_field)

    def _evaluate(
        self, fluctuation: FloatArray, macroscopic: FloatArray, field: FloatArray
    ) -> EquilibriumState:
        """Update all points and sum the residual; collective."""
        started = time.process_time()
        space = self._space
        gradient = space.element.gradient(space.with_ghosts(fluctuation)).reshape(-1, 9)
        gradient += macroscopic.ravel()
        jacobian = determinants(gradient)
        stress = np.empty((space.number_of_points, 9))
        nonlocal_arguments = ()
        if self._nonlocal is not None:
            self._nonlocal.set_time_increment(self._time_increment_s)
            nonlocal_arguments = (self._nonlocal.at_points(field), self._coupling)
        averaged = None
        if self._nodal_pressure is not None:
            averaged = self._nodal_pressure.averaged_volume(gradient)
        error: Exception | None = None
        try:
            status, asymmetry = self._points.evaluate(
                gradient if averaged is None else averaged.deformation_gradient,
                self._time_increment_s,
                self.options.viscosity_gpa_s,
                stress,
                space.moduli,
                *nonlocal_arguments,
            )
        except Exception as raised:
            error, status, asymmetry = raised, STATUS_RAISED, 0.0
        smallest = float(jacobian.min(initial=np.inf)) if self.kinematics == "finite" else 1.0
        worst = np.array([status, -smallest, asymmetry])
        self._comm.Allreduce(MPI.IN_PLACE, worst, op=MPI.MAX)
        status, inverse_smallest, asymmetry = worst
        if status == STATUS_RAISED:
            raise_together(self._comm, error)
        failure = STATUS_TEXT.get(int(status), "")
        if not failure and -inverse_smallest <= 0.0:
            failure = STATUS_TEXT[2]
        self._spent["constitutive"] += time.process_time() - started
        started = time.process_time()
        if self._nodal_pressure is not None and averaged is not None and not failure:
            self._nodal_pressure.share(averaged, stress, space.moduli, self._coupling)
        if failure:
            forces = np.zeros((space.owned_nodes, space.dimension))
            force_residual, scale, mean = np.inf, 1.0, np.zeros((3, 3))
            field_forces, field_residual, row_scale = np.zeros_like(field), 0.0, 1.0
        else:
            forces, magnitudes = space.residual(stress)
            totals = self._comm.allreduce(
                np.array([np.sum(forces**2), np.sum(magnitudes**2)]), op=MPI.SUM
            )
            integrals = space.integral(np.column_stack([stress, np.linalg.norm(stress, axis=1)]))
            mean = integrals[:9].reshape(3, 3) / self._cell_volume
            modulus = float(np.abs(space.moduli[:1]).max(initial=0.0))
            floor = 1e-12 * self._comm.allreduce(modulus, op=MPI.MAX)
            scale = max(float(integrals[9]) / self._cell_volume, floor)
            face = self._cell_volume ** (1.0 - 1.0 / space.dimension)
            magnitude = max(float(np.sqrt(totals[1])), floor * face)
            force_residual = float(np.sqrt(totals[0]) / magnitude)
            field_forces, field_residual, row_scale = np.zeros_like(field), 0.0, 1.0
            if self._nonlocal is not None:
                field_forces, field_residual, field_magnitude = self._nonlocal.residual(
                    field, self._coupling[self._nonlocal.points, 0]
                )
                row_scale = magnitude / field_magnitude
        self._spent["assembly"] += time.process_time() - started
        return EquilibriumState(
            fluctuation=fluctuation,
            deformation_gradient=macroscopic,
            stress=mean,
            forces=forces,
            force_residual=force_residual,
            stress_scale=scale,
            point_deformation_gradient=gradient,
            point_stress=stress,
            minimum_jacobian=-float(inverse_smallest),
            asymmetry=float(asymmetry),
            failure=failure,
            nonlocal_field=field,
            field_forces=field_forces,
            field_residual=field_residual,
            field_row_scale=row_scale,
        )

    def _linearize(self, components: IntArray, symmetric: bool, row_scale: float | None) -> None:
        """Assemble the tangent of the last evaluation and set up its preconditioner."""
        started = time.process_time()
        self._space.assemble_tangent()
        columns, rows = self._space.border(components, symmetric)
        macroscopic = self._space.integrated_moduli()[np.ix_(components, components)]
        block = None
        if self._nonlocal is not None and row_scale is not None:
            coupling = self._coupling[self._nonlocal.points]
            self._nonlocal.row_scale = row_scale
            self._nonlocal.assemble(coupling)
            columns_of_field, rows_of_field = self._nonlocal.border(coupling, components)
            nodal = self._nodal_field_coupling(columns_of_field, rows_of_field, components)
            block = FieldBlock(self._nonlocal, columns_of_field, rows_of_field, nodal)
        middle = time.process_time()
        self._linear.update(columns, rows, macroscopic, block)
        self._spent["assembly"] += middle - started
        self._spent["preconditioner"] += time.process_time() - middle

    def _nodal_field_coupling(
        self, columns: FloatArray, rows: FloatArray, components: IntArray
    ) -> NodalFieldCoupling | None:
        """Linearize what couples field and averaged volume; adds to the border of the field."""
        if self._nodal_field is None or self._nodal_pressure is None:
            return None
        self._nodal_field.assemble(
            self._nodal_pressure.pressure_by_field, self._nodal_pressure.variable_by_average
        )
        self._nodal_field.add_border(columns, rows, components)
        return self._nodal_field

    def _accept(self, state: EquilibriumState) -> None:
        """Commit a converged configuration."""
        self._points.commit()
        self._previous_fluctuation = self._fluctuation
        self._fluctuation = state.fluctuation
        self._previous_field = self._field
        self._field = state.nonlocal_field
        self._deformation_gradient = state.deformation_gradient
        self._stress = state.stress
        self._point_deformation_gradient = state.point_deformation_gradient
        self._point_stress = state.point_stress

    def effective_tangent(self) -> FloatArray:
        """Effective tangent dP/dF of the committed state; collective.

        Returns
        -------
        ndarray, shape (9, 9)
            Moduli in GPa, component 3 i + J against 3 k + L. In the plane, shear along z has no
            answer (it would warp the plane), and its rows and columns are NaN.

        Raises
        ------
        NotConvergedError
            If a linear solve fails.
        ValueError
            If the specimen stands between platens: only a cell has a macroscopic tangent.

        Notes
        -----
        Static condensation (D - B^T K^{-1} C) / V0 of the tangent at the committed state, one
        linear solve a column. The tangent is that of a further step that vanishes in strain and in
        time. A law meets no yield in it, so this is the elastic answer of the state, that of the
        first unloading, also where the state is on the yield surface or flows with a viscosity; a
        nonlocal field stays as it is.
        """
        if self._platens is not None:
            raise ValueError("a specimen between platens has no effective tangent")
        time_increment_s, self._time_increment_s = self._time_increment_s, VANISHING_TIME_S
        self._evaluate(self._fluctuation, self._deformation_gradient, self._field)
        self._time_increment_s = time_increment_s
        return condense_tangent(self._space, self._linear) / self._cell_volume

    def snapshot(self) -> FieldSnapshot:
        """Fields of the committed state on this rank, on the mesh that is not wrapped.

        Returns
        -------
        FieldSnapshot
            Nodes, cells and fields for output.
        """
        return take_snapshot(
            self._space,
            self.kinematics,
            self._fluctuation,
            self._deformation_gradient,
            self._point_deformation_gradient,
            self._point_stress,
            self._points.equivalent_plastic_strain(),
            self._field_at_points(),
            self._points.lattice_orientation(self._point_deformation_gradient),
            self._strength_factor,
        )

    def plastic_field(self) -> PlasticField | None:
        """Plastic strain by cell of the committed state; collective.

        Returns
        -------
        PlasticField or None
            On rank 0; None elsewhere.
        """
        return gather_plastic_field(
            self.volume, self.snapshot(), self._deformation_gradient, self._periodic
        )

    def ellipticity_monitor(self) -> EllipticityMonitor:
        """Make what looks for the loss of ellipticity in this problem; collective.

        Returns
        -------
        EllipticityMonitor
            For `look_for_loss_of_ellipticity`.
        """
        return EllipticityMonitor(self.volume, self._points, self._materials, self.kinematics)

    def look_for_loss_of_ellipticity(
        self, monitor: EllipticityMonitor, axis: FloatArray
    ) -> EllipticityState | None:
        """Look at the step that was handed out last, before the next one is made; collective.

        Parameters
        ----------
        monitor : EllipticityMonitor
            From `ellipticity_monitor`.
        axis : ndarray, shape (3,)
            Direction of the load.

        Returns
        -------
        EllipticityState or None
            None if nothing has flowed in the step.
        """
        seen = self._point_deformation_gradient
        if self._nodal_pressure is not None:
            seen = self._nodal_pressure.averaged_volume(seen).deformation_gradient
        return monitor.look(
            seen,
            self._time_increment_s,
            axis,
            self._field_at_points(),
        )

    def _field_at_points(self) -> FloatArray | None:
        """Nonlocal field at the points, NaN outside its domain; None without one."""
        if self._nonlocal is None:
            return None
        values = np.full(self._space.number_of_points, np.nan)
        values[self._nonlocal.points] = self._nonlocal.at_points(self._field)[self._nonlocal.points]
        return values

    def nonlocal_balance(self) -> tuple[float, float]:
        """Integrals of chi - kappa and of kappa of the last converged step; collective.

        Returns
        -------
        tuple of float
            Integrals over the domain of the nonlocal field in nm^3; the first vanishes. Zeros
            without a field.
        """
        if self._nonlocal is None:
            return 0.0, 0.0
        source = self._coupling[self._nonlocal.points, 0]
        return self._nonlocal.integral_of_difference(self._field, source)

    def checkpoint(self) -> tuple[dict[str, FloatArray], dict[str, Any]] | None:
        """Gather the committed state; collective.

        Returns
        -------
        tuple of dict and dict, or None
            Arrays in the order of the original cells and their metadata on rank 0, None elsewhere.
            They do not depend on the number of ranks.
        """
        march = self._march
        cell_fields = {
            "fluctuation_nm": self._space.with_ghosts(self._fluctuation)[self._space.dofs],
            "previous_fluctuation_nm": self._space.with_ghosts(self._previous_fluctuation)[
                self._space.dofs
            ],
            "state": self._points.export_state().reshape(self._space.dofs.shape[0], -1),
            "point_stress_gpa": self._point_stress.reshape(self._space.dofs.shape[0], -1),
        }
        if self._nonlocal is not None:
            cell_fields["nonlocal_field"] = self._nonlocal.at_vertices(self._field)
            cell_fields["previous_nonlocal_field"] = self._nonlocal.at_vertices(
                self._previous_field
            )
        arrays = gather_cells(self.volume, cell_fields)
        if arrays is None or march is None:
            return None
        arrays |= {
            "deformation_gradient": self._deformation_gradient,
            "stress_gpa": self._stress,
            "segment_start_deformation_gradient": march.segment_start_deformation_gradient,
            "segment_start_stress_gpa": march.segment_start_stress,
            "previous_deformation_gradient": march.previous_deformation_gradient,
        }
        metadata = {
            "position": march.position,
            "time_s": march.time_s,
            "previous_step": march.previous_step,
            "control": asdict(march.control),
            "wall_s": march.wall_s,
            "use_gmres": self._linear.use_gmres,
        }
        return arrays, metadata

    def restore(self, arrays: Mapping[str, FloatArray], metadata: Mapping[str, Any]) -> None:
        """Take over a state that `checkpoint` gathered; collective.

        Parameters
        ----------
        arrays, metadata : mapping
            What `checkpoint` returned, on every rank.
        """
        space = self._space
        cells = self.volume.original_cell
        self._fluctuation = space.mean_over_cells(arrays["fluctuation_nm"][cells])
        self._previous_fluctuation = space.mean_over_cells(arrays["previous_fluctuation_nm"][cells])
        if self._nonlocal is not None:
            self._field = self._nonlocal.from_vertices(arrays["nonlocal_field"][cells])
            self._previous_field = self._nonlocal.from_vertices(
                arrays["previous_nonlocal_field"][cells]
            )
        self._points.import_state(
            arrays["state"][cells].reshape(space.number_of_points, self._points.state_columns)
        )
        self._point_stress = arrays["point_stress_gpa"][cells].reshape(-1, 9).copy()
        self._deformation_gradient = np.array(arrays["deformation_gradient"])
        self._stress = np.array(arrays["stress_gpa"])
        gradient = space.element.gradient(space.with_ghosts(self._fluctuation)).reshape(-1, 9)
        self._point_deformation_gradient = gradient + self._deformation_gradient.ravel()
        self._linear.use_gmres = bool(metadata["use_gmres"])
        self._march = MarchPosition(
            position=float(metadata["position"]),
            time_s=float(metadata["time_s"]),
            segment_start_deformation_gradient=arrays["segment_start_deformation_gradient"],
            segment_start_stress=arrays["segment_start_stress_gpa"],
            previous_deformation_gradient=arrays["previous_deformation_gradient"],
            previous_step=float(metadata["previous_step"]),
            control=StepControl(**metadata["control"]),
            wall_s=float(metadata["wall_s"]),
        )
