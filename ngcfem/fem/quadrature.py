"""Displacement element: gradients at the integration points and at the vertices, element forces."""

from typing import Any

import basix
import basix.ufl
import numpy as np

from ngcfem.fem.periodic import RepresentativeVolume
from ngcfem.quantities import FloatArray, Int32Array

QUADRATURE_DEGREE = 2
REFERENCE_VERTICES = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


class QuadraticTetrahedra:
    """Ten-node displacement tetrahedra with the four-point rule on this rank's owned cells.

    Parameters
    ----------
    volume : RepresentativeVolume
        The mesh; straight (4-node) or curved (10-node) geometry.
    dofs : ndarray of int32, shape (m, 10)
        Displacement nodes of each owned cell.

    Attributes
    ----------
    weights : ndarray, shape (m, 4)
        Quadrature weight times volume ratio, in nm^3.
    number_of_points : int
        Number of integration points per cell.

    Notes
    -----
    With reference gradients N_{a,r} and K = (dX/dr)^{-1}, the displacement gradient is
    u_a N_{a,r} K_{rJ}. For straight cells K is constant in the cell and stored once.
    """

    def __init__(self, volume: RepresentativeVolume, dofs: Int32Array) -> None:
        self.dofs: Int32Array = dofs
        element = basix.create_element(
            basix.ElementFamily.P, basix.CellType.tetrahedron, 2, basix.LagrangeVariant.gll_warped
        )
        points, weights = basix.make_quadrature(basix.CellType.tetrahedron, QUADRATURE_DEGREE)
        self.number_of_points: int = len(weights)
        self.reference_points: FloatArray = points
        self._gradients: FloatArray = reference_gradients(element, points)
        self._vertex_gradients: FloatArray = reference_gradients(element, REFERENCE_VERTICES)
        geometry = basix.create_element(
            basix.ElementFamily.P,
            basix.CellType.tetrahedron,
            volume.source.order,
            basix.LagrangeVariant.gll_warped,
        )
        coordinates = volume.source.points[volume.node]
        straight = volume.source.order == 1
        self._inverse, determinant = inverse_jacobians(
            coordinates, reference_gradients(geometry, points[:1] if straight else points)
        )
        if straight:
            self._vertex_inverse = self._inverse
        else:
            self._vertex_inverse, _ = inverse_jacobians(
                coordinates, reference_gradients(geometry, REFERENCE_VERTICES)
            )
        self.weights: FloatArray = np.ascontiguousarray(
            np.broadcast_to(weights[None, :] * determinant, (len(coordinates), len(weights)))
        )

    @property
    def number_of_cells(self) -> int:
        """Number of owned cells."""
        return len(self.dofs)

    def gradient(self, displacement: FloatArray) -> FloatArray:
        """Displacement gradient at the integration points.

        Parameters
        ----------
        displacement : ndarray, shape (n, 3)
            Values at the local displacement nodes, in nm.

        Returns
        -------
        ndarray, shape (m, 4, 3, 3)
            du_i/dX_J.
        """
        return cell_gradients(displacement[self.dofs], self._gradients, self._inverse)

    def vertex_gradient(self, displacement: FloatArray) -> FloatArray:
        """Displacement gradient at the four vertices of each cell.

        Parameters
        ----------
        displacement : ndarray, shape (n, 3)
            Values at the local displacement nodes, in nm.

        Returns
        -------
        ndarray, shape (m, 4, 3, 3)
            du_i/dX_J.
        """
        return cell_gradients(displacement[self.dofs], self._vertex_gradients, self._vertex_inverse)

    def element_forces(self, stress: FloatArray) -> FloatArray:
        """Forces int P_iJ dN_a/dX_J dV of each owned cell.

        Parameters
        ----------
        stress : ndarray, shape (m, 4, 3, 3)
            Nominal stress in GPa at the integration points.

        Returns
        -------
        ndarray, shape (m, 10, 3)
            Forces in nN.
        """
        weighted = stress * self.weights[:, :, None, None]
        pulled_back = np.matmul(weighted, np.swapaxes(self._inverse, 2, 3))
        count = len(weighted)
        # (m, i, q r) times (q r, a): one matrix product over all cells
        by_component = np.ascontiguousarray(pulled_back.transpose(0, 2, 1, 3)).reshape(
            count * 3, -1
        )
        table = self._gradients.transpose(0, 2, 1).reshape(-1, self._gradients.shape[1])
        return (by_component @ table).reshape(count, 3, -1).transpose(0, 2, 1)


def reference_gradients(element: Any, points: FloatArray) -> FloatArray:
    """Gradients of the basis functions on the reference cell.

    Parameters
    ----------
    element : basix.finite_element.FiniteElement
        Scalar element with nodal basis.
    points : ndarray, shape (q, 3)
        Reference points.

    Returns
    -------
    ndarray, shape (q, a, 3)
        dN_a/dr at each point.
    """
    table = element.tabulate(1, points)[1:, :, :, 0]
    return np.ascontiguousarray(np.moveaxis(table, 0, 2))


def inverse_jacobians(
    coordinates: FloatArray, gradients: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Inverse and determinant of dX/dr at the given points of each cell.

    Parameters
    ----------
    coordinates : ndarray, shape (m, a, 3)
        Geometry nodes of each cell in nm.
    gradients : ndarray, shape (q, a, 3)
        Reference gradients of the geometry basis.

    Returns
    -------
    inverse : ndarray, shape (m, q, 3, 3)
        dr/dX in 1/nm.
    determinant : ndarray, shape (m, q)
        Determinant of dX/dr in nm^3.
    """
    jacobian = np.einsum("mai,qar->mqir", coordinates, gradients, optimize=True)
    return np.linalg.inv(jacobian), np.linalg.det(jacobian)


def cell_gradients(values: FloatArray, gradients: FloatArray, inverse: FloatArray) -> FloatArray:
    """Gradient of a vector field from its nodal values in each cell.

    Parameters
    ----------
    values : ndarray, shape (m, a, 3)
        Nodal values of each cell.
    gradients : ndarray, shape (q, a, 3)
        Reference gradients.
    inverse : ndarray, shape (m, q, 3, 3) or (m, 1, 3, 3)
        dr/dX.

    Returns
    -------
    ndarray, shape (m, q, 3, 3)
        Gradient, component first, direction second.
    """
    count, nodes, _ = values.shape
    points = gradients.shape[0]
    table = gradients.transpose(1, 0, 2).reshape(nodes, -1)
    by_component = np.ascontiguousarray(values.transpose(0, 2, 1)).reshape(count * 3, nodes)
    reference = (by_component @ table).reshape(count, 3, points, 3).transpose(0, 2, 1, 3)
    return np.matmul(reference, inverse)


def scatter_add(element_values: FloatArray, dofs: Int32Array, target: FloatArray) -> None:
    """Add cell values to nodal values, in the order of the cells.

    Parameters
    ----------
    element_values : ndarray, shape (m, a, 3)
        Values by cell and local node.
    dofs : ndarray of int32, shape (m, a)
        Node of each value.
    target : ndarray, shape (n, 3)
        Changed in place.
    """
    flat = dofs.ravel()
    for component in range(3):
        target[:, component] += np.bincount(
            flat, weights=element_values[:, :, component].ravel(), minlength=len(target)
        )[: len(target)]
