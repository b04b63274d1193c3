"""What the nodal averages of volume change and pressure add to the tangent."""

from mpi4py import MPI

import numpy as np
from petsc4py import PETSc

from ngcfem.fem.assembly import TANGENT_CHUNK, FluctuationSpace
from ngcfem.fem.coordinate_matrix import coordinate_matrix, repeated_columns, repeated_rows
from ngcfem.fem.nodal_average import NodalAverage
from ngcfem.fem.quadrature import moments_of_forces
from ngcfem.quantities import FloatArray, IntArray

SYMMETRY_TOLERANCE = 1e-8


class NodalTangent:
    """The part of the tangent that reaches beyond a cell, applied without a matrix of its own.

    Parameters
    ----------
    space : FluctuationSpace
        Displacement space.
    average : NodalAverage
        The nodes.
    nodal_bulk_gpa : ndarray, shape (owned nodes,)
        Stiffness of the pressure against the averaged logarithm of the volume, at the nodes where
        that is all there is to it; zero elsewhere.
    rows : ndarray of int, shape (r,)
        Integration points at which the law sees the average; cell by cell.

    Attributes
    ----------
    averages_in_laws : bool
        Whether there are such points on any rank.

    Notes
    -----
    At every point, with f = d ln J/dF, theta the average of ln J, s the pressure that is handed to
    the nodes and S the operator "average, and interpolate back",

        dP = A dF + a dtheta + f S ds,   dtheta = S (f : dF),   ds = b : dF + k dtheta.

    A is in the assembled matrix. With G, H and E the integrals of N_node f : grad, b : grad and
    a : grad, Q those of N k N, M the lumped weights and B the given nodal stiffness, the rest is

        G^T [B M^-1 G + M^-1 (H + Q M^-1 G)] + E^T M^-1 G.

    E = H if the law has a symmetric tangent. Macroscopic components are further columns of G, H
    and E. G has one row for 7 rows of the assembled matrix: a product costs a fifth more.
    """

    def __init__(
        self,
        space: FluctuationSpace,
        average: NodalAverage,
        nodal_bulk_gpa: FloatArray,
        rows: IntArray,
    ) -> None:
        self._space = space
        self._average = average
        self._bulk = nodal_bulk_gpa
        self._rows = rows
        per_cell = space.element.number_of_points
        self._cells = rows[::per_cell] // per_cell
        self.averages_in_laws: bool = bool(space.comm.allreduce(len(rows), op=MPI.MAX))
        every = np.arange(space.volume.number_of_owned_cells)
        self._volume_rate = self._matrix_by_displacement(every)
        self._volume_direction = np.zeros((0, 9))
        self._volume_border = np.zeros((average.owned, 9))
        self._node_input = self._volume_rate.createVecLeft()
        self._node_output = self._volume_rate.createVecLeft()
        self._symmetric = True
        if self.averages_in_laws:
            self._pressure_rate = self._matrix_by_displacement(self._cells)
            self._stress_rate: PETSc.Mat | None = None
            numbers = average.global_numbers[average.cell_nodes[self._cells]]
            sizes = (average.owned, average.global_size)
            self._pressure_stiffness = coordinate_matrix(
                space.comm,
                (sizes, sizes),
                repeated_rows(numbers, numbers),
                repeated_columns(numbers, numbers),
            )
            self._local = (np.zeros((0, 9)), np.zeros((0, 9)), np.zeros(0))
            self._pressure_border = np.zeros((average.owned, 9))
            self._stress_border = np.zeros((average.owned, 9))

    def _matrix_by_displacement(self, cells: IntArray) -> PETSc.Mat:
        space, average = self._space, self._average
        d = space.dimension
        nodes = space.space.dofmap.index_map
        local = np.arange(nodes.size_local + nodes.num_ghosts, dtype=np.int32)
        number = np.asarray(nodes.local_to_global(local), dtype=np.int64)
        dofs = space.dofs[cells]
        columns = (number[dofs][:, :, None] * d + np.arange(d)).reshape(len(cells), -1)
        # Negative numbers are left out: held components take no part.
        columns = np.where(space.held[dofs].reshape(len(cells), -1), -1, columns)
        rows = average.global_numbers[average.cell_nodes[cells]]
        return coordinate_matrix(
            space.comm,
            (
                (average.owned, average.global_size),
                (space.owned_nodes * d, space.global_nodes * d),
            ),
            repeated_rows(rows, columns),
            repeated_columns(rows, columns),
        )

    def linearize(
        self,
        volume_direction: FloatArray,
        stress_by_average: FloatArray,
        pressure_direction: FloatArray,
        pressure_by_average: FloatArray,
    ) -> None:
        """Take over the derivatives at the points; collective.

        Parameters
        ----------
        volume_direction : ndarray, shape (points, 9)
            f = d ln J/dF; kept, not copied.
        stress_by_average, pressure_direction : ndarray, shape (r, 9)
            a and b in GPa.
        pressure_by_average : ndarray, shape (r,)
            k in GPa.
        """
        self._volume_direction = volume_direction
        if not self.averages_in_laws:
            return
        self._local = (stress_by_average, pressure_direction, pressure_by_average)
        difference = np.abs(stress_by_average - pressure_direction).max(initial=0.0)
        largest = np.abs(pressure_direction).max(initial=0.0)
        worst = np.array([difference, largest])
        self._space.comm.Allreduce(MPI.IN_PLACE, worst, op=MPI.MAX)
        self._symmetric = bool(worst[0] <= SYMMETRY_TOLERANCE * worst[1])

    def assemble(self) -> None:
        """Refill the matrices from the derivatives; collective."""
        every = np.arange(self._space.volume.number_of_owned_cells)
        self._refill(self._volume_rate, every, self._volume_direction)
        self._volume_border = self._border(self._volume_direction)
        if not self.averages_in_laws:
            return
        stress, pressure, stiffness = self._local
        self._refill(self._pressure_rate, self._cells, pressure)
        self._pressure_border = self._border(pressure, self._rows)
        self._stress_border = self._pressure_border
        if not self._symmetric:
            if self._stress_rate is None:
                self._stress_rate = self._matrix_by_displacement(self._cells)
            self._refill(self._stress_rate, self._cells, stress)
            self._stress_border = self._border(stress, self._rows)
        weights = self._space.element.weights[self._cells]
        shape = self._average.shape
        local = weights * stiffness.reshape(weights.shape)
        element = np.einsum("mq,qa,qb->mab", local, shape, shape, optimize=True)
        self._pressure_stiffness.setValuesCOO(element.ravel())

    def _refill(self, matrix: PETSc.Mat, cells: IntArray, tensors: FloatArray) -> None:
        element, shape = self._space.element, self._average.shape
        d, per_cell = self._space.dimension, element.number_of_points
        values = np.empty((len(cells), shape.shape[1], self._space.dofs.shape[1] * d))
        for start in range(0, len(cells), TANGENT_CHUNK):
            part = slice(start, start + TANGENT_CHUNK)
            moments = moments_of_forces(
                element.shape_gradients(cells[part]),
                element.weights[cells[part]],
                tensors[start * per_cell : (start + TANGENT_CHUNK) * per_cell],
                shape,
            )
            values[part] = moments.transpose(0, 2, 1)
        matrix.setValuesCOO(values.ravel())

    def _border(self, tensors: FloatArray, rows: IntArray | None = None) -> FloatArray:
        """Integrals of N_node T_iJ, shape (owned nodes, 9)."""
        border = np.empty((self._average.owned, 9))
        whole = np.zeros(self._space.number_of_points)
        for component in range(9):
            whole[slice(None) if rows is None else rows] = tensors[:, component]
            border[:, component] = self._average.sums(whole)
        return border

    def add_product(self, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """Add the product of this part of the tangent with a displacement; collective.

        Parameters
        ----------
        x : petsc4py.PETSc.Vec
            Displacement.
        y : petsc4py.PETSc.Vec
            Forces, added to.
        """
        self.average_volume_change(x, self._node_input)
        pressure = self._bulk * self._node_input.array_r
        if self.averages_in_laws:
            self._pressure_rate.mult(x, self._node_output)
            self._pressure_stiffness.multAdd(self._node_input, self._node_output, self._node_output)
            pressure += self._node_output.array_r / self._average.volumes_nm3
            self._stress_matrix.multTransposeAdd(self._node_input, y, y)
        self._node_input.array[:] = pressure
        self.add_forces_of_pressure(self._node_input, y)

    def average_volume_change(self, x: PETSc.Vec, nodal: PETSc.Vec) -> None:
        """Average the volume change of a displacement at the nodes; collective.

        Parameters
        ----------
        x : petsc4py.PETSc.Vec
            Displacement.
        nodal : petsc4py.PETSc.Vec
            Receives M^-1 G x.
        """
        self._volume_rate.mult(x, nodal)
        nodal.array[:] /= self._average.volumes_nm3

    def add_forces_of_pressure(self, pressure: PETSc.Vec, y: PETSc.Vec) -> None:
        """Add the forces of a nodal pressure; collective.

        Parameters
        ----------
        pressure : petsc4py.PETSc.Vec
            At the nodes.
        y : petsc4py.PETSc.Vec
            Forces G^T p, added to.
        """
        self._volume_rate.multTransposeAdd(pressure, y, y)

    def averaged_border(self, component: int) -> FloatArray:
        """Averaged volume change per macroscopic component.

        Parameters
        ----------
        component : int
            3 i + J.

        Returns
        -------
        ndarray, shape (owned nodes,)
            At the nodes.
        """
        return self._volume_border[:, component] / self._average.volumes_nm3

    @property
    def _stress_matrix(self) -> PETSc.Mat:
        if self._symmetric or self._stress_rate is None:
            return self._pressure_rate
        return self._stress_rate

    def add_border(self, border: FloatArray, components: IntArray, transposed: bool) -> None:
        """Add the coupling with macroscopic components; collective.

        Parameters
        ----------
        border : ndarray, shape (owned displacement nodes * d, c)
            Added to.
        components : ndarray of int, shape (c,)
            Components 3 i + J.
        transposed : bool
            False for df/dF, True for V0 dP/du.
        """
        forces = self._space.matrix.createVecRight()
        for column, component in enumerate(components):
            averaged, pressure = self._response(int(component), transposed)
            forces.array[:] = border[:, column]
            self._node_input.array[:] = pressure
            self.add_forces_of_pressure(self._node_input, forces)
            if self.averages_in_laws:
                self._node_input.array[:] = averaged
                matrix = self._pressure_rate if transposed else self._stress_matrix
                matrix.multTransposeAdd(self._node_input, forces, forces)
            border[:, column] = forces.array_r
        forces.destroy()

    def _response(self, component: int, transposed: bool) -> tuple[FloatArray, FloatArray]:
        """Averaged volume change and pressure at the nodes, per macroscopic component."""
        volumes = self._average.volumes_nm3
        averaged = self.averaged_border(component)
        pressure = self._bulk * averaged
        if self.averages_in_laws:
            own = self._stress_border if transposed else self._pressure_border
            self._node_input.array[:] = averaged
            self._pressure_stiffness.mult(self._node_input, self._node_output)
            pressure += (own[:, component] + self._node_output.array_r) / volumes
        return averaged, pressure

    def integrated_moduli(self) -> FloatArray:
        """Derivative of V0 times the macroscopic stress by macroscopic F; collective.

        Returns
        -------
        ndarray, shape (9, 9)
            Moduli in GPa times the volume in nm^3.
        """
        total = np.zeros((9, 9))
        for component in range(9):
            averaged, pressure = self._response(component, transposed=False)
            total[:, component] = self._volume_border.T @ pressure
            if self.averages_in_laws:
                total[:, component] += self._stress_border.T @ averaged
        return self._space.comm.allreduce(total, op=MPI.SUM)
