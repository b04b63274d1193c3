"""How the nonlocal field of softening and the averaged volume know of each other."""

from typing import TYPE_CHECKING

import numpy as np

from ngcfem.fem.assembly import FluctuationSpace
from ngcfem.fem.coordinate_matrix import coordinate_matrix, repeated_columns, repeated_rows
from ngcfem.fem.nodal_average import NodalAverage
from ngcfem.fem.nodal_tangent import NodalTangent
from ngcfem.fem.regularization import NonlocalField
from ngcfem.quantities import FloatArray, IntArray

if TYPE_CHECKING:
    from petsc4py import PETSc


class NodalFieldCoupling:
    """The couplings of field and displacement that reach beyond a cell.

    Parameters
    ----------
    space : FluctuationSpace
        Displacement space.
    average : NodalAverage
        Averages of the volume change.
    tangent : NodalTangent
        Nodal part of the tangent.
    field : NonlocalField
        The nonlocal field chi.
    rows : ndarray of int
        Integration points at which the law sees the average.

    Notes
    -----
    With theta the average of ln J, s the pressure handed to the nodes and kappa the variable that
    feeds the field, the laws give ds/dchi and dkappa/dtheta at the points. With the integrals
    P of N_node (ds/dchi) N_field and R of N_node (dkappa/dtheta) N_field, and with G and the lumped
    weights M of `NodalTangent`, the forces change by G^T M^-1 P dchi and the residual of the field
    by -R^T M^-1 G du. What stays within a cell is in the matrices of the field.
    """

    def __init__(
        self,
        space: FluctuationSpace,
        average: NodalAverage,
        tangent: NodalTangent,
        field: NonlocalField,
        rows: IntArray,
    ) -> None:
        self._average = average
        self._tangent = tangent
        self._field = field
        self._length = space.volume.source.cell_length_nm
        per_cell = space.element.number_of_points
        self._cells, in_field, _ = np.intersect1d(
            field.cells, rows[::per_cell] // per_cell, assume_unique=True, return_indices=True
        )
        self._points = (self._cells[:, None] * per_cell + np.arange(per_cell)).ravel()
        self._weights = space.element.weights[self._cells]
        nodes = average.global_numbers[average.cell_nodes[self._cells]]
        unknowns = field.cell_unknowns[in_field]
        sizes = ((average.owned, average.global_size), (field.owned, field.global_size))
        coordinates = (repeated_rows(nodes, unknowns), repeated_columns(nodes, unknowns))
        self._pressure = coordinate_matrix(space.comm, sizes, *coordinates)
        self._variable = coordinate_matrix(space.comm, sizes, *coordinates)
        self._nodal = self._pressure.createVecLeft()
        self._of_field = self._pressure.createVecRight()

    def assemble(self, pressure_by_field: FloatArray, variable_by_average: FloatArray) -> None:
        """Refill the matrices; collective.

        Parameters
        ----------
        pressure_by_field : ndarray, shape (points,)
            ds/dchi in GPa.
        variable_by_average : ndarray, shape (points,)
            dkappa/dtheta.

        Notes
        -----
        Scaled like the matrices of the field (`NonlocalField.assemble`).
        """
        shape = self._average.shape
        for matrix, values, factor in (
            (self._pressure, pressure_by_field, 1.0 / self._length),
            (self._variable, variable_by_average, -self._field.row_scale),
        ):
            local = factor * self._weights * values[self._points].reshape(self._weights.shape)
            element = np.einsum("mq,qa,qb->mab", local, shape, shape, optimize=True)
            matrix.setValuesCOO(element.ravel())

    def add_products(
        self,
        displacement: "PETSc.Vec",
        field: "PETSc.Vec",
        forces: "PETSc.Vec",
        residual: "PETSc.Vec",
    ) -> None:
        """Add the products with a displacement and a scaled field; collective.

        Parameters
        ----------
        displacement, field : petsc4py.PETSc.Vec
            What is multiplied.
        forces, residual : petsc4py.PETSc.Vec
            Forces and scaled residual of the field, added to.
        """
        self._tangent.average_volume_change(displacement, self._nodal)
        self._variable.multTransposeAdd(self._nodal, residual, residual)
        self._pressure.mult(field, self._nodal)
        self._nodal.array[:] /= self._average.volumes_nm3
        self._tangent.add_forces_of_pressure(self._nodal, forces)

    def add_border(self, columns: FloatArray, rows: FloatArray, components: IntArray) -> None:
        """Add the couplings of the field with macroscopic components; collective.

        Parameters
        ----------
        columns, rows : ndarray, shape (owned unknowns, c)
            As `NonlocalField.border` gives them; added to.
        components : ndarray of int, shape (c,)
            Components 3 i + J.
        """
        for number, component in enumerate(components):
            self._nodal.array[:] = self._tangent.averaged_border(int(component))
            for matrix, target in ((self._variable, columns), (self._pressure, rows)):
                matrix.multTranspose(self._nodal, self._of_field)
                target[:, number] += self._of_field.array_r
