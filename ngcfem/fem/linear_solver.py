"""One Krylov solve per Newton iteration, whatever is prescribed of the macroscopic components.

The fluctuation u (nN, nm) and the free macroscopic components g form the bordered system

    [ K   C ] [u]   [r]
    [ B^T D ] [g] = [s]

with K the tangent matrix, C = df/dF, B = V0 dP/du, D = V0 dP/dF. The macroscopic unknowns are
scaled by the cell length, so that both rows are forces and both unknowns lengths.

A nonlocal field chi adds a third pair of rows and columns, scaled alike
(`ngcfem.fem.regularization`):

    [ K    C_f  C   ] [u]     [r]
    [ B_f  K_f  C_m ] [chi] = [t]
    [ B^T  B_m^T  D ] [g]     [s]
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

import numpy as np
from petsc4py import PETSc

from ngcfem.fem.assembly import FluctuationSpace, translation_modes
from ngcfem.fem.nodal_field import NodalFieldCoupling
from ngcfem.fem.regularization import NonlocalField
from ngcfem.quantities import FloatArray

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

MULTIGRID_OPTIONS: Mapping[str, str] = {
    "pc_type": "mg",
    "mg_levels_ksp_type": "chebyshev",
    "mg_levels_ksp_chebyshev_esteig_steps": "10",
    # Point-block Jacobi with nodes as blocks. Not "pbjacobi": PETSc 3.25 keeps the inverted blocks
    # of the first tangent with the matrix when it is refilled.
    "mg_levels_pc_type": "vpbjacobi",
    "mg_coarse_ksp_type": "preonly",
    "mg_coarse_pc_type": "gamg",
}
GMRES_RESTART = 120


@dataclass(frozen=True)
class LinearResult:
    """Outcome of one linear solve.

    Parameters
    ----------
    iterations : int
        Krylov iterations.
    converged : bool
        Whether the tolerance was met.
    indefinite : bool
        Whether the conjugate-gradient method met an indefinite operator or preconditioner.
    field_change : ndarray, shape (owned unknowns,)
        Change of the nonlocal field; empty without one.
    """

    iterations: int
    converged: bool
    indefinite: bool
    field_change: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False)
class FieldBlock:
    """The nonlocal field in the bordered system.

    Parameters
    ----------
    field : NonlocalField
        Holds the assembled matrices.
    columns, rows : ndarray, shape (owned unknowns, c)
        Couplings C_m and B_m with the macroscopic components, not yet scaled for these.
    nodal : NodalFieldCoupling or None
        Couplings with the displacement by way of an averaged volume.
    """

    field: NonlocalField
    columns: FloatArray
    rows: FloatArray
    nodal: NodalFieldCoupling | None = None


class BorderedSystem:
    """The bordered operator and its preconditioner as PETSc sees them on one rank.

    Parameters
    ----------
    space : FluctuationSpace
        Multiplies with the tangent K.
    multigrid : petsc4py.PETSc.PC
        Preconditioner of K, made from the assembled part of it.
    translations : petsc4py.PETSc.NullSpace or None
        Null space of K.
    columns, rows : ndarray, shape (owned nodes * d, c)
        Scaled couplings C and B.
    macroscopic : ndarray, shape (c, c)
        Scaled D.
    block : FieldBlock or None
        Nonlocal field, its couplings scaled.
    """

    def __init__(
        self,
        space: FluctuationSpace,
        multigrid: PETSc.PC,
        translations: PETSc.NullSpace | None,
        columns: FloatArray,
        rows: FloatArray,
        macroscopic: FloatArray,
        block: FieldBlock | None = None,
    ) -> None:
        self._space = space
        self._comm = space.comm
        self._multigrid = multigrid
        self._translations = translations
        self._columns = columns
        self._rows = rows
        self._macroscopic = macroscopic
        self._count = macroscopic.shape[0]
        self._inverse = positive_inverse(macroscopic)
        self._displacements = space.owned_nodes * space.dimension
        self._local = self._displacements
        self._block = block
        if block is not None:
            self._local += block.field.owned
            self._columns = np.vstack([columns, block.columns])
            self._rows = np.vstack([rows, block.rows])
            self._field_input = block.field.matrix.createVecRight()
            self._field_output = block.field.matrix.createVecRight()
        self.owner: int = space.comm.size - 1
        self.holds_macroscopic: bool = space.comm.rank == self.owner
        self._input = space.matrix.createVecRight()
        self._output = space.matrix.createVecRight()

    def macroscopic_part(self, values: FloatArray) -> FloatArray:
        """Macroscopic entries of a bordered vector, on every rank.

        Parameters
        ----------
        values : ndarray
            Local part of the vector.

        Returns
        -------
        ndarray, shape (c,)
            Macroscopic entries.
        """
        part = np.array(values[self._local :]) if self.holds_macroscopic else None
        return self._comm.bcast(part, root=self.owner)

    def mult(self, _operator: PETSc.Mat, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """Apply the bordered operator (called by PETSc).

        Parameters
        ----------
        _operator : petsc4py.PETSc.Mat
            The shell itself.
        x, y : petsc4py.PETSc.Vec
            Input and output.
        """
        values = x.array_r
        self._input.array[:] = values[: self._displacements]
        self._space.multiply_tangent(self._input, self._output)
        result = y.array
        if self._block is not None:
            field = self._block.field
            self._field_input.array[:] = values[self._displacements : self._local]
            field.force_by_field.multAdd(self._field_input, self._output, self._output)
            field.matrix.mult(self._field_input, self._field_output)
            field.field_by_displacement.multAdd(self._input, self._field_output, self._field_output)
            if self._block.nodal is not None:
                self._block.nodal.add_products(
                    self._input, self._field_input, self._output, self._field_output
                )
            result[self._displacements : self._local] = self._field_output.array_r
        result[: self._displacements] = self._output.array_r
        if self._count:
            g = self.macroscopic_part(values)
            result[: self._local] += self._columns @ g
            coupled = self._comm.allreduce(self._rows.T @ values[: self._local], op=MPI.SUM)
            if self.holds_macroscopic:
                result[self._local :] = coupled + self._macroscopic @ g

    def apply(self, _preconditioner: PETSc.PC, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """Apply blockdiag(multigrid, D^-1), or its block triangle with a field (called by PETSc).

        Parameters
        ----------
        _preconditioner : petsc4py.PETSc.PC
            The shell itself.
        x, y : petsc4py.PETSc.Vec
            Input and output.

        Notes
        -----
        With a field: u = M r, chi = M_f (t - B_f u), M and M_f the algebraic preconditioners of the
        two diagonal blocks. At a fixed field the tangent K has no softening in it.
        """
        values = x.array_r
        self._input.array[:] = values[: self._displacements]
        if self._translations is not None:
            self._translations.remove(self._input)
        self._multigrid.apply(self._input, self._output)
        if self._translations is not None:
            self._translations.remove(self._output)
        result = y.array
        result[: self._displacements] = self._output.array_r
        if self._block is not None:
            field = self._block.field
            field.field_by_displacement.mult(self._output, self._field_input)
            self._field_input.scale(-1.0)
            self._field_input.array[:] += values[self._displacements : self._local]
            field.preconditioner.apply(self._field_input, self._field_output)
            result[self._displacements : self._local] = self._field_output.array_r
        if self.holds_macroscopic and self._count:
            result[self._local :] = self._inverse @ values[self._local :]


class BorderedSolver:
    """Two-level p-multigrid (P2 to P1, algebraic multigrid below) and the Krylov method around it.

    Parameters
    ----------
    space : FluctuationSpace
        Holds the tangent matrix, refilled before each `update`.
    petsc_options : mapping of str to str
        Extra options of the preconditioner, without the leading dash.

    Attributes
    ----------
    use_gmres : bool
        Set once a tangent is unsymmetric or has shown itself indefinite; it stays set.
    cpu_seconds : float
        CPU time of the Krylov solves on this rank.
    multigrid : petsc4py.PETSc.PC
        Preconditioner of the tangent matrix.

    Notes
    -----
    The coarse operator is the Galerkin product with the interpolation from the vertices. The rigid
    translations are attached as null space on both levels, and the six rigid modes guide the
    aggregation of the coarse level (in plane strain two translations and one rotation).
    """

    def __init__(self, space: FluctuationSpace, petsc_options: Mapping[str, str]) -> None:
        self._space = space
        self._comm: Intracomm = space.comm
        self.use_gmres: bool = False
        self.cpu_seconds: float = 0.0
        self.length: float = space.volume.source.cell_length_nm
        self._vertices, self._interpolation = space.interpolation_from_vertices()
        self._coarse: PETSc.Mat | None = None
        self._translations: PETSc.NullSpace | None = None
        if space.has_translations:
            self._translations = PETSc.NullSpace().create(
                vectors=translation_modes(space.matrix, space.dimension), comm=self._comm
            )
            space.matrix.setNullSpace(self._translations)
        prefix = f"ngcfem_{id(self):x}_"
        options = PETSc.Options()
        # A run that ends before its first linear solve is no reason for PETSc to warn.
        options["options_left"] = "no"
        for key, value in {**MULTIGRID_OPTIONS, **petsc_options}.items():
            options[prefix + key] = value
        self.multigrid: PETSc.PC = PETSc.PC().create(self._comm)
        self.multigrid.setOptionsPrefix(prefix)
        self._system: BorderedSystem | None = None
        self._block: FieldBlock | None = None

    def update(
        self,
        columns: FloatArray,
        rows: FloatArray,
        macroscopic: FloatArray,
        block: FieldBlock | None = None,
    ) -> None:
        """Take over a new tangent; collective.

        Parameters
        ----------
        columns, rows : ndarray, shape (owned nodes * d, c)
            Couplings df/dF and V0 dP/du, unscaled.
        macroscopic : ndarray, shape (c, c)
            V0 dP/dF of the free components, unscaled.
        block : FieldBlock or None
            Nonlocal field; None to keep it as it is.
        """
        matrix = self._space.matrix
        if self._coarse is None:
            coarse = matrix.ptap(self._interpolation)
            coarse.setBlockSize(self._space.dimension)
            self._attach_coarse_modes(coarse)
            self._coarse = coarse
            self.multigrid.setOperators(matrix, matrix)
            self.multigrid.setType("mg")
            self.multigrid.setMGLevels(2)
            self.multigrid.setMGInterpolation(1, self._interpolation)
            self.multigrid.getMGCoarseSolve().setOperators(coarse, coarse)
            self.multigrid.setFromOptions()
        else:
            matrix.ptap(self._interpolation, self._coarse)
            self.multigrid.getMGCoarseSolve().setOperators(self._coarse, self._coarse)
            self.multigrid.setOperators(matrix, matrix)
        self.multigrid.setUp()
        scaled = None
        if block is not None:
            self.use_gmres = True
            scaled = replace(
                block, columns=block.columns / self.length, rows=block.rows / self.length
            )
        self._block = scaled
        self._system = BorderedSystem(
            self._space,
            self.multigrid,
            self._translations,
            columns / self.length,
            rows / self.length,
            macroscopic / self.length**2,
            scaled,
        )

    def _attach_coarse_modes(self, coarse: PETSc.Mat) -> None:
        dimension = self._space.dimension
        modes = translation_modes(coarse, dimension)
        if self._space.has_translations:
            coarse.setNullSpace(PETSc.NullSpace().create(vectors=modes, comm=self._comm))
        owned = self._vertices.dofmap.index_map.size_local
        position = self._vertices.tabulate_dof_coordinates()[:owned]
        count = max(self._comm.allreduce(owned), 1)
        position = position - self._comm.allreduce(position.sum(axis=0)) / count
        for p, q in ((0, 1), (1, 2), (2, 0))[: 2 * dimension - 3]:
            rotation = coarse.createVecRight()
            values = np.zeros((owned, dimension))
            values[:, p], values[:, q] = -position[:, q], position[:, p]
            rotation.array[:] = values.ravel()
            for mode in modes:
                rotation.axpy(-rotation.dot(mode), mode)
            if rotation.norm() > 1e-8 * self.length:
                rotation.normalize()
                modes.append(rotation)
        coarse.setNearNullSpace(PETSc.NullSpace().create(vectors=modes, comm=self._comm))

    def solve(
        self,
        forces: FloatArray,
        macroscopic_forces: FloatArray,
        relative_tolerance: float,
        maximum_iterations: int,
        field_forces: FloatArray | None = None,
    ) -> tuple[FloatArray, FloatArray, LinearResult]:
        """Solve the bordered system; collective.

        Parameters
        ----------
        forces : ndarray, shape (owned nodes, d)
            Right-hand side of the fluctuation in nN.
        macroscopic_forces : ndarray, shape (c,)
            Right-hand side of the free components: V0 times a stress, unscaled.
        relative_tolerance : float
            Reduction of the residual norm.
        maximum_iterations : int
            Limit of the Krylov iterations.
        field_forces : ndarray, shape (owned unknowns,), or None
            Right-hand side of the nonlocal field in nm^3, unscaled.

        Returns
        -------
        fluctuation : ndarray, shape (owned nodes, d)
            Change of the fluctuation in nm.
        components : ndarray, shape (c,)
            Change of the free macroscopic components.
        result : LinearResult
            Iterations, status and change of the nonlocal field.

        Notes
        -----
        Conjugate gradients with the unpreconditioned norm while the tangent is symmetric and
        definite; restarted GMRES with right preconditioning otherwise.
        """
        if self._system is None:
            raise RuntimeError("update() must come before solve()")
        started = time.process_time()
        right_side = forces.ravel()
        if self._block is not None:
            scaled = np.zeros(self._block.field.owned) if field_forces is None else field_forces
            right_side = np.concatenate([right_side, self._block.field.row_scale * scaled])
        arguments = (right_side, macroscopic_forces, relative_tolerance, maximum_iterations)
        result = self._krylov(*arguments)
        if result[2].indefinite and not self.use_gmres:
            self.use_gmres = True
            spent = result[2].iterations
            result = self._krylov(*arguments)
            total = LinearResult(
                spent + result[2].iterations, result[2].converged, result[2].indefinite
            )
            result = (result[0], result[1], total)
        self.cpu_seconds += time.process_time() - started
        return result

    def _krylov(
        self,
        forces: FloatArray,
        macroscopic_forces: FloatArray,
        relative_tolerance: float,
        maximum_iterations: int,
    ) -> tuple[FloatArray, FloatArray, LinearResult]:
        system: Any = self._system
        local = forces.size
        displacements = self._space.owned_nodes * self._space.dimension
        extent = self._space.global_nodes * self._space.dimension
        if self._block is not None:
            extent += self._block.field.global_size
        count = len(macroscopic_forces)
        extra = count if system.holds_macroscopic else 0
        sizes = (local + extra, extent + count)
        operator = PETSc.Mat().createPython((sizes, sizes), system, comm=self._comm)
        operator.setUp()
        right = operator.createVecLeft()
        right.array[:local] = forces
        if extra:
            right.array[local:] = macroscopic_forces / self.length
        norm = right.norm()
        solution = operator.createVecRight()
        krylov = PETSc.KSP().create(self._comm)
        krylov.setOperators(operator)
        null_space = None
        if self._space.has_translations:
            null_space = self._bordered_translations(operator, displacements)
            operator.setNullSpace(null_space)
            null_space.remove(right)
        preconditioner = krylov.getPC()
        preconditioner.setType(PETSc.PC.Type.PYTHON)
        preconditioner.setPythonContext(system)
        if self.use_gmres:
            krylov.setType(PETSc.KSP.Type.GMRES)
            krylov.setGMRESRestart(GMRES_RESTART)
            krylov.setPCSide(PETSc.PC.Side.RIGHT)
        else:
            krylov.setType(PETSc.KSP.Type.CG)
            krylov.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
        krylov.setTolerances(rtol=relative_tolerance, atol=1e-300, max_it=maximum_iterations)
        if norm > 0.0:
            krylov.solve(right, solution)
        reason = krylov.getConvergedReason() if norm > 0.0 else 1
        iterations = krylov.getIterationNumber() if norm > 0.0 else 0
        whole = np.array(solution.array_r[:local])
        fluctuation = whole[:displacements].reshape(-1, self._space.dimension)
        # The unknown of the system is the field times the cell length.
        change_of_field = whole[displacements:] / self.length
        # Held components are zero only to the tolerance of the solve, and no residual speaks of
        # them.
        fluctuation[self._space.held[: self._space.owned_nodes]] = 0.0
        components = system.macroscopic_part(solution.array_r) / self.length
        for thing in (krylov, operator, right, solution):
            thing.destroy()
        if null_space is not None:
            null_space.destroy()
        indefinite = reason in (
            PETSc.KSP.ConvergedReason.DIVERGED_INDEFINITE_PC,
            PETSc.KSP.ConvergedReason.DIVERGED_INDEFINITE_MAT,
        )
        outcome = LinearResult(iterations, reason > 0, indefinite, change_of_field)
        return fluctuation, components, outcome

    def _bordered_translations(self, operator: PETSc.Mat, local: int) -> PETSc.NullSpace:
        modes = []
        dimension = self._space.dimension
        for component in range(dimension):
            mode = operator.createVecRight()
            values = np.zeros((local // dimension, dimension))
            values[:, component] = self._space.global_nodes**-0.5
            mode.array[:local] = values.ravel()
            modes.append(mode)
        return PETSc.NullSpace().create(vectors=modes, comm=self._comm)


def positive_inverse(matrix: FloatArray) -> FloatArray:
    """Inverse of the positive-definite matrix with the absolute spectrum of a symmetric part.

    Parameters
    ----------
    matrix : ndarray, shape (c, c)
        Any square matrix.

    Returns
    -------
    ndarray, shape (c, c)
        Symmetric positive-definite matrix.
    """
    if matrix.shape[0] == 0:
        return matrix
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    floor = 1e-6 * max(float(np.abs(values).max()), 1e-300)
    return (vectors / np.maximum(np.abs(values), floor)) @ vectors.T
