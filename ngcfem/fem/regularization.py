"""The nonlocal field that gives softening an internal length: dofs, residual and matrices.

The field chi solves, on the undeformed configuration,

    chi - div(l^2 grad chi) = kappa,

with l inside the divergence, so that the integral of chi equals that of kappa phase by phase, and
no flux through free surfaces and out of the phases that have a field. Diffusion of a structural
variable takes the place of l^2 by D dt in each step (backward Euler), with kappa = chi at the start
of the step + what the law produces in it.
"""

from collections.abc import Mapping
from typing import Any

from mpi4py import MPI

import basix
import dolfinx
import dolfinx.fem
import numpy as np
from petsc4py import PETSc

from ngcfem.constitutive.material import Material
from ngcfem.fem.assembly import FluctuationSpace
from ngcfem.fem.coordinate_matrix import coordinate_matrix, repeated_columns, repeated_rows
from ngcfem.fem.quadrature import moments_of_forces, reference_gradients
from ngcfem.quantities import FloatArray, IntArray

SMALLEST_FIELD = 1e-3
"""Plastic strain below which the residual of the field is measured against this strain."""
COUPLING_COLUMNS = 20
FIELD_TOLERANCE = 1e-4
"""Reduction of the residual in a Newton step of the field alone; the next step takes the rest."""
FIELD_ITERATIONS = 200
FIELD_OPTIONS: Mapping[str, str] = {"pc_type": "gamg"}


def field_groups(
    phase_names: tuple[str, ...],
    materials: Mapping[str, Material],
    sources: Mapping[str, str | None],
    per_phase: bool,
) -> IntArray:
    """Say which phases share a field.

    Parameters
    ----------
    phase_names : tuple of str
        Phases of the mesh.
    materials : mapping of str to Material
        Their materials.
    sources : mapping of str to str or None
        Variable that feeds the field, by law.
    per_phase : bool
        Whether every phase has a field of its own.

    Returns
    -------
    ndarray of int, shape (phases,)
        Number of the field of each phase; -1 for a phase without internal length and diffusion.

    Notes
    -----
    Phases whose laws feed different variables into the field (plastic strain, slip) never share
    one.
    """
    groups = np.full(len(phase_names), -1, dtype=np.int64)
    numbers: dict[str, int] = {}
    for index, name in enumerate(phase_names):
        material = materials[name]
        if material.has_nonlocal_field:
            key = name if per_phase else str(sources[material.law])
            groups[index] = numbers.setdefault(key, len(numbers))
    return groups


class NonlocalField:
    """Linear nonlocal field on the phases that have an internal length, and what is assembled.

    Parameters
    ----------
    space : FluctuationSpace
        The displacement space on the same mesh.
    groups : ndarray of int, shape (phases,)
        Number of the field of each phase, -1 without; see `field_groups`.
    lengths_nm : ndarray, shape (phases,)
        Internal length of each phase.
    diffusion_nm2_per_s : ndarray, shape (phases,), or None
        Diffusion coefficient of each phase; None: no phase diffuses.

    Attributes
    ----------
    owned : int
        Unknowns of this rank.
    global_size : int
        Unknowns of all ranks.
    points : ndarray of int, shape (active points,)
        Integration points in the field's domain.
    cells : ndarray of int, shape (active cells,)
        Owned cells in the field's domain.
    cell_unknowns : ndarray of int, shape (active cells, d + 1)
        Number, over all ranks, of the unknown at each vertex of these cells.

    Notes
    -----
    Linear shape functions at the vertices: the strain of a quadratic displacement is linear, and a
    linear field keeps the undershoot beside a band small as long as the elements are smaller than
    l. The element integrals use the points of the displacement element, so that the sum of the
    field's residual is the integral of chi - kappa.

    Each vertex carries one unknown for every field (phase boundaries carry several, between which
    nothing flows). Unknowns without an element of their field are fixed at zero. Periodicity comes
    with the topology of the mesh.

    The unknowns are scaled by the cell length and the equations by `row_scale`, so that the system
    that the Krylov method sees has forces and lengths throughout.

    References
    ----------
    Peerlings et al. (1996), Int. J. Numer. Methods Eng. 39, 3391-3403,
    doi 10.1002/(SICI)1097-0207(19961015)39:19<3391::AID-NME7>3.0.CO;2-D.
    """

    def __init__(
        self,
        space: FluctuationSpace,
        groups: IntArray,
        lengths_nm: FloatArray,
        diffusion_nm2_per_s: FloatArray | None = None,
    ) -> None:
        self._space = space
        self._comm = space.comm
        volume = space.volume
        simplex = volume.simplex
        self._count = int(groups.max()) + 1
        vertices = dolfinx.fem.functionspace(volume.mesh, ("Lagrange", 1))
        index_map = vertices.dofmap.index_map
        self.owned: int = index_map.size_local * self._count
        self.global_size: int = index_map.size_global * self._count
        self._local = (index_map.size_local + index_map.num_ghosts) * self._count
        self._work = dolfinx.la.vector(index_map, self._count)

        self.cells: IntArray = np.flatnonzero(groups[volume.phase] >= 0)
        group = groups[volume.phase[self.cells]]
        self._dofs = (
            vertices.dofmap.list[self.cells].astype(np.int64) * self._count + group[:, None]
        )
        element = space.element
        per_cell = element.number_of_points
        self.points: IntArray = (self.cells[:, None] * per_cell + np.arange(per_cell)).ravel()
        self._weights = element.weights[self.cells]
        self._square_length = lengths_nm[volume.phase[self.cells]] ** 2
        self._diffusion: FloatArray | None = None
        if diffusion_nm2_per_s is not None and (diffusion_nm2_per_s > 0.0).any():
            self._diffusion = diffusion_nm2_per_s[volume.phase[self.cells]]
        self._time_increment_s = 0.0
        linear = basix.create_element(basix.ElementFamily.P, basix.CellType[simplex.name], 1)
        points = element.reference_points
        self._shape = linear.tabulate(0, points)[0, :, :, 0]
        inverse = element.inverse_jacobian[self.cells]
        # (m, q, a, d): gradients of the linear shape functions
        self._gradients = np.matmul(reference_gradients(linear, points)[None], inverse)
        self._displacement_gradients = element.shape_gradients(self.cells)

        used = self._summed(np.ones(self._dofs.shape))
        self._unused = np.flatnonzero(used == 0.0)
        volumes = self._summed(np.einsum("mq,qa->ma", self._weights, self._shape))
        self._floor = SMALLEST_FIELD * self._norm(volumes)
        self._gradient_products = np.einsum(
            "mq,mqad,mqbd->mab",
            self._weights,
            self._gradients,
            self._gradients,
            optimize=True,
        )
        self._stiffness = self._square_length[:, None, None] * self._gradient_products
        self.row_scale: float = 1.0
        self._create_matrices(index_map)

    def _create_matrices(self, index_map: Any) -> None:
        space = self._space
        d = space.dimension
        local = np.arange(index_map.size_local + index_map.num_ghosts, dtype=np.int32)
        vertex = np.asarray(index_map.local_to_global(local), dtype=np.int64)
        number = (vertex[:, None] * self._count + np.arange(self._count)).ravel()
        field = number[self._dofs]
        self.cell_unknowns: IntArray = field
        nodes = space.space.dofmap.index_map
        local = np.arange(nodes.size_local + nodes.num_ghosts, dtype=np.int32)
        node = np.asarray(nodes.local_to_global(local), dtype=np.int64)
        held = space.held[space.dofs[self.cells]].reshape(len(self.cells), -1)
        displacement = node[space.dofs[self.cells]][:, :, None] * d + np.arange(d)
        # Negative numbers are left out: held components take no part in the coupling.
        displacement = np.where(held, -1, displacement.reshape(len(self.cells), -1))
        rows = (space.owned_nodes * d, space.global_nodes * d)
        columns = (self.owned, self.global_size)
        fixed = number[self._unused]
        self.matrix = coordinate_matrix(
            self._comm,
            (columns, columns),
            np.concatenate([repeated_rows(field, field), fixed]),
            np.concatenate([repeated_columns(field, field), fixed]),
        )
        self.force_by_field = coordinate_matrix(
            self._comm,
            (rows, columns),
            repeated_rows(displacement, field),
            repeated_columns(displacement, field),
        )
        self.field_by_displacement = coordinate_matrix(
            self._comm,
            (columns, rows),
            repeated_rows(field, displacement),
            repeated_columns(field, displacement),
        )
        prefix = f"ngcfem_field_{id(self):x}_"
        options = PETSc.Options()
        for key, value in FIELD_OPTIONS.items():
            options[prefix + key] = value
        self.preconditioner: PETSc.PC = PETSc.PC().create(self._comm)
        self.preconditioner.setOptionsPrefix(prefix)
        self.preconditioner.setOperators(self.matrix, self.matrix)
        self.preconditioner.setFromOptions()

    def set_time_increment(self, time_increment_s: float) -> None:
        """Say how long the step is, which a field that diffuses depends on.

        Parameters
        ----------
        time_increment_s : float
            Length of the step.
        """
        if self._diffusion is None or time_increment_s == self._time_increment_s:
            return
        self._time_increment_s = time_increment_s
        spread = self._square_length + time_increment_s * self._diffusion
        self._stiffness = spread[:, None, None] * self._gradient_products

    def _summed(self, cell_values: FloatArray) -> FloatArray:
        """Sum cell values (active cells, a) into the owned unknowns, over the ranks too."""
        self._work.array[:] = np.bincount(
            self._dofs.ravel(), weights=cell_values.ravel(), minlength=self._local
        )
        self._work.scatter_reverse(dolfinx.la.InsertMode.add)
        return self._work.array[: self.owned].copy()

    def _norm(self, owned: FloatArray) -> float:
        return float(np.sqrt(self._comm.allreduce(float(owned @ owned), op=MPI.SUM)))

    def at_vertices(self, owned: FloatArray) -> FloatArray:
        """Values of the field at the vertices of every owned cell; collective.

        Parameters
        ----------
        owned : ndarray, shape (owned unknowns,)
            Field.

        Returns
        -------
        ndarray, shape (m, d + 1)
            Zero in cells without a field.
        """
        self._work.array[: self.owned] = owned
        self._work.scatter_forward()
        values = np.zeros((self._space.volume.number_of_owned_cells, self._dofs.shape[1]))
        values[self.cells] = self._work.array[self._dofs]
        return values

    def from_vertices(self, cell_values: FloatArray) -> FloatArray:
        """Collect a field from what `at_vertices` gave; collective.

        Parameters
        ----------
        cell_values : ndarray, shape (m, d + 1)
            Values at the vertices of the owned cells.

        Returns
        -------
        ndarray, shape (owned unknowns,)
            Field.
        """
        count = self._summed(np.ones(self._dofs.shape))
        return self._summed(cell_values[self.cells]) / np.maximum(count, 1.0)

    def at_points(self, owned: FloatArray) -> FloatArray:
        """Values of the field at all integration points; collective.

        Parameters
        ----------
        owned : ndarray, shape (owned unknowns,)
            Field.

        Returns
        -------
        ndarray, shape (points,)
            Zero in cells without a field.
        """
        return (self.at_vertices(owned) @ self._shape.T).ravel()

    def residual(self, owned: FloatArray, source: FloatArray) -> tuple[FloatArray, float, float]:
        """Residual of the field equation; collective.

        Parameters
        ----------
        owned : ndarray, shape (owned unknowns,)
            Field.
        source : ndarray, shape (active points,)
            Variable kappa at the points `points`.

        Returns
        -------
        residual : ndarray, shape (owned unknowns,)
            Integrals of l^2 grad chi . grad N + (chi - kappa) N in nm^3.
        relative : float
            Norm over the norm of the summed magnitudes.
        magnitude : float
            Norm of the summed magnitudes in nm^3, floored.
        """
        values = self.at_vertices(owned)[self.cells]
        difference = self._weights * (values @ self._shape.T - source.reshape(self._weights.shape))
        flux = np.einsum("mab,mb->ma", self._stiffness, values)
        mass = difference @ self._shape
        forces = self._summed(flux + mass)
        # kappa itself, not its difference to chi: the measure must not vanish at the solution.
        gross = self._weights * np.abs(source).reshape(self._weights.shape)
        magnitude = self._norm(self._summed(np.abs(flux) + gross @ self._shape)) + self._floor
        return forces, self._norm(forces) / magnitude, magnitude

    def assemble(self, coupling: FloatArray) -> None:
        """Refill the matrices; collective.

        Parameters
        ----------
        coupling : ndarray, shape (active points, 20)
            Columns of `ngcfem.constitutive.batch.NonlocalCoupling` at the points `points`.

        Notes
        -----
        Rows of the field are multiplied by `row_scale`, its columns divided by the cell length.
        """
        q = self._weights.shape[1]
        shaped = coupling.reshape(-1, q, COUPLING_COLUMNS)
        length, scale = self._space.volume.source.cell_length_nm, self.row_scale
        self._assemble_field(shaped)
        forces = self._displacement_forces(shaped[:, :, 2:11])
        self.force_by_field.setValuesCOO(forces.ravel() / length)
        sources = self._displacement_forces(shaped[:, :, 11:])
        self.field_by_displacement.setValuesCOO(-scale * sources.transpose(0, 2, 1).ravel())

    def _assemble_field(self, shaped: FloatArray) -> None:
        """Refill the matrix of the field alone and set up its preconditioner."""
        length, scale = self._space.volume.source.cell_length_nm, self.row_scale
        # As in `residual`: (1 - dkappa/dchi) N_a N_b + l^2 grad N_a . grad N_b
        local = self._weights * (1.0 - shaped[:, :, 1])
        element = self._stiffness + np.einsum(
            "mq,qa,qb->mab", local, self._shape, self._shape, optimize=True
        )
        factor = scale / length
        self.matrix.setValuesCOO(
            np.concatenate([factor * element.ravel(), np.full(len(self._unused), factor)])
        )
        self.preconditioner.setOperators(self.matrix, self.matrix)
        self.preconditioner.setUp()

    def newton_step(self, coupling: FloatArray, forces: FloatArray) -> FloatArray:
        """Newton step of the field equation at fixed displacements; collective.

        Parameters
        ----------
        coupling : ndarray, shape (active points, 20)
            As for `assemble`.
        forces : ndarray, shape (owned unknowns,)
            Residual of the field equation in nm^3.

        Returns
        -------
        ndarray, shape (owned unknowns,)
            Change of the field.

        Notes
        -----
        The matrix is symmetric, and positive definite where dkappa/dchi < 1: where softening is
        less steep than the elastic unloading at a fixed strain. Preconditioned conjugate gradients.
        """
        self._assemble_field(coupling.reshape(-1, self._weights.shape[1], COUPLING_COLUMNS))
        right, change = self.matrix.createVecLeft(), self.matrix.createVecRight()
        right.array[:] = -self.row_scale * forces
        krylov = PETSc.KSP().create(self._comm)
        krylov.setOperators(self.matrix, self.matrix)
        krylov.setType(PETSc.KSP.Type.CG)
        krylov.setPC(self.preconditioner)
        krylov.setTolerances(rtol=FIELD_TOLERANCE, atol=1e-300, max_it=FIELD_ITERATIONS)
        krylov.solve(right, change)
        step = change.array_r / self._space.volume.source.cell_length_nm
        for thing in (krylov, right, change):
            thing.destroy()
        return step

    def _displacement_forces(self, tensors: FloatArray) -> FloatArray:
        return moments_of_forces(self._displacement_gradients, self._weights, tensors, self._shape)

    def border(self, coupling: FloatArray, components: IntArray) -> tuple[FloatArray, FloatArray]:
        """Coupling of the field with the free macroscopic components; collective.

        Parameters
        ----------
        coupling : ndarray, shape (active points, 20)
            As for `assemble`.
        components : ndarray of int, shape (c,)
            Free components, 3 i + J.

        Returns
        -------
        columns : ndarray, shape (owned unknowns, c)
            Scaled derivative of the residual by the macroscopic component.
        rows : ndarray, shape (owned unknowns, c)
            Derivative of V0 times the macroscopic stress by the scaled field.
        """
        columns = np.empty((self.owned, len(components)))
        rows = np.empty((self.owned, len(components)))
        length = self._space.volume.source.cell_length_nm
        for column, component in enumerate(components):
            for target, start, factor in (
                (columns, 11, -self.row_scale),
                (rows, 2, 1.0 / length),
            ):
                values = coupling[:, start + component].reshape(self._weights.shape)
                target[:, column] = factor * self._summed((self._weights * values) @ self._shape)
        return columns, rows

    def integral_of_difference(self, owned: FloatArray, source: FloatArray) -> tuple[float, float]:
        """Integrals of chi - kappa and of kappa over the field's domain; collective.

        Parameters
        ----------
        owned : ndarray, shape (owned unknowns,)
            Field.
        source : ndarray, shape (active points,)
            kappa at the points `points`.

        Returns
        -------
        tuple of float
            Both integrals in nm^3. The first vanishes at a solution.
        """
        field = self.at_points(owned)[self.points]
        weights = self._weights.ravel()
        local = np.array([weights @ (field - source), weights @ source])
        total = self._comm.allreduce(local, op=MPI.SUM)
        return float(total[0]), float(total[1])
