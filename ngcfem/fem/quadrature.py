"""Displacement element: gradients at the integration points and at the vertices, element forces."""

from typing import Any

import basix
import basix.ufl
import numpy as np

from ngcfem.fem.periodic import RepresentativeVolume
from ngcfem.quantities import FloatArray, Int32Array, IntArray

QUADRATURE_DEGREE = 2


class QuadraticElements:
    """Quadratic displacement on this rank's owned cells, with d + 1 integration points each.

    Parameters
    ----------
    volume : RepresentativeVolume
        The mesh; straight-sided or curved (quadratic) geometry, in d = 2 or 3 dimensions.
    dofs : ndarray of int32, shape (m, a)
        Displacement nodes of each owned cell; ten of a tetrahedron, six of a triangle.

    Attributes
    ----------
    weights : ndarray, shape (m, q)
        Quadrature weight times volume ratio, in nm^3; the plane is 1 nm thick.
    number_of_points : int
        Number q of integration points per cell: four in a tetrahedron, three in a triangle.
    number_of_vertices : int
        Vertices of a cell.
    positions_nm : ndarray, shape (m, q, d)
        Undeformed places of the integration points.

    Notes
    -----
    With reference gradients N_{a,r} and K = (dX/dr)^{-1}, the displacement gradient is
    u_a N_{a,r} K_{rJ}. For straight cells K is constant in the cell and stored once.

    Gradients and stresses always have three rows and columns, because the laws are
    three-dimensional: in plane strain the third row and column of a displacement gradient are zero,
    and the out-of-plane stress does no work on the displacement.
    """

    def __init__(self, volume: RepresentativeVolume, dofs: Int32Array) -> None:
        self.dofs: Int32Array = dofs
        simplex = volume.simplex
        self._dimension = simplex.dimension
        self.number_of_vertices: int = simplex.number_of_vertices
        shape = basix.CellType[simplex.name]
        element = basix.create_element(
            basix.ElementFamily.P, shape, 2, basix.LagrangeVariant.gll_warped
        )
        points, weights = basix.make_quadrature(shape, QUADRATURE_DEGREE)
        self.number_of_points: int = len(weights)
        self.reference_points: FloatArray = points
        self._gradients: FloatArray = reference_gradients(element, points)
        self._vertex_gradients: FloatArray = reference_gradients(
            element, simplex.reference_vertices
        )
        geometry = basix.create_element(
            basix.ElementFamily.P, shape, volume.source.order, basix.LagrangeVariant.gll_warped
        )
        coordinates = volume.source.points[volume.node]
        shapes = geometry.tabulate(0, points)[0, :, :, 0]
        self.positions_nm: FloatArray = np.einsum("qa,mad->mqd", shapes, coordinates)
        straight = volume.source.order == 1
        self._inverse, determinant = inverse_jacobians(
            coordinates, reference_gradients(geometry, points[:1] if straight else points)
        )
        if straight:
            self._vertex_inverse = self._inverse
        else:
            self._vertex_inverse, _ = inverse_jacobians(
                coordinates, reference_gradients(geometry, simplex.reference_vertices)
            )
        self.weights: FloatArray = np.ascontiguousarray(
            np.broadcast_to(weights[None, :] * determinant, (len(coordinates), len(weights)))
        )

    @property
    def number_of_cells(self) -> int:
        """Number of owned cells."""
        return len(self.dofs)

    @property
    def inverse_jacobian(self) -> FloatArray:
        """Inverse dr/dX in 1/nm, shape (m, q, d, d), or (m, 1, d, d) for straight cells."""
        return self._inverse

    def shape_gradients(self, cells: IntArray) -> FloatArray:
        """Gradients dN_a/dX_J of the displacement shape functions in some cells.

        Parameters
        ----------
        cells : ndarray of int, shape (c,)
            Owned cells.

        Returns
        -------
        ndarray, shape (c, q, a, d)
            Gradients in 1/nm.
        """
        return np.matmul(self._gradients[None], self._inverse[cells])

    def gradient(self, displacement: FloatArray) -> FloatArray:
        """Displacement gradient at the integration points.

        Parameters
        ----------
        displacement : ndarray, shape (n, d)
            Values at the local displacement nodes, in nm.

        Returns
        -------
        ndarray, shape (m, q, 3, 3)
            du_i/dX_J.
        """
        return spatial(cell_gradients(displacement[self.dofs], self._gradients, self._inverse))

    def vertex_gradient(self, displacement: FloatArray) -> FloatArray:
        """Displacement gradient at the vertices of each cell.

        Parameters
        ----------
        displacement : ndarray, shape (n, d)
            Values at the local displacement nodes, in nm.

        Returns
        -------
        ndarray, shape (m, vertices, 3, 3)
            du_i/dX_J.
        """
        return spatial(
            cell_gradients(displacement[self.dofs], self._vertex_gradients, self._vertex_inverse)
        )

    def element_forces(self, stress: FloatArray) -> FloatArray:
        """Forces int P_iJ dN_a/dX_J dV of each owned cell.

        Parameters
        ----------
        stress : ndarray, shape (m, q, 3, 3)
            Nominal stress in GPa at the integration points.

        Returns
        -------
        ndarray, shape (m, a, d)
            Forces in nN.
        """
        d = self._dimension
        weighted = stress[:, :, :d, :d] * self.weights[:, :, None, None]
        pulled_back = np.matmul(weighted, np.swapaxes(self._inverse, 2, 3))
        count = len(weighted)
        # (m, i, q r) times (q r, a): one matrix product over all cells
        by_component = np.ascontiguousarray(pulled_back.transpose(0, 2, 1, 3)).reshape(
            count * d, -1
        )
        table = self._gradients.transpose(0, 2, 1).reshape(-1, self._gradients.shape[1])
        return (by_component @ table).reshape(count, d, -1).transpose(0, 2, 1)


def spatial(gradient: FloatArray) -> FloatArray:
    """Extend gradients of the plane by a third row and column of zeros.

    Parameters
    ----------
    gradient : ndarray, shape (m, q, d, d)
        Gradients in d = 2 or 3 dimensions.

    Returns
    -------
    ndarray, shape (m, q, 3, 3)
        The same; the array itself if d = 3.
    """
    d = gradient.shape[-1]
    if d == 3:
        return gradient
    extended = np.zeros((*gradient.shape[:-2], 3, 3))
    extended[..., :d, :d] = gradient
    return extended


def reference_gradients(element: Any, points: FloatArray) -> FloatArray:
    """Gradients of the basis functions on the reference cell.

    Parameters
    ----------
    element : basix.finite_element.FiniteElement
        Scalar element with nodal basis.
    points : ndarray, shape (q, d)
        Reference points.

    Returns
    -------
    ndarray, shape (q, a, d)
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
    coordinates : ndarray, shape (m, a, d)
        Geometry nodes of each cell in nm.
    gradients : ndarray, shape (q, a, d)
        Reference gradients of the geometry basis.

    Returns
    -------
    inverse : ndarray, shape (m, q, d, d)
        dr/dX in 1/nm.
    determinant : ndarray, shape (m, q)
        Determinant of dX/dr in nm^d.
    """
    jacobian = np.einsum("mai,qar->mqir", coordinates, gradients, optimize=True)
    return np.linalg.inv(jacobian), np.linalg.det(jacobian)


def cell_gradients(values: FloatArray, gradients: FloatArray, inverse: FloatArray) -> FloatArray:
    """Gradient of a vector field from its nodal values in each cell.

    Parameters
    ----------
    values : ndarray, shape (m, a, d)
        Nodal values of each cell.
    gradients : ndarray, shape (q, a, d)
        Reference gradients.
    inverse : ndarray, shape (m, q, d, d) or (m, 1, d, d)
        dr/dX.

    Returns
    -------
    ndarray, shape (m, q, d, d)
        Gradient, component first, direction second.
    """
    count, nodes, d = values.shape
    points = gradients.shape[0]
    table = gradients.transpose(1, 0, 2).reshape(nodes, -1)
    by_component = np.ascontiguousarray(values.transpose(0, 2, 1)).reshape(count * d, nodes)
    reference = (by_component @ table).reshape(count, d, points, d).transpose(0, 2, 1, 3)
    return np.matmul(reference, inverse)


def scatter_add(element_values: FloatArray, dofs: Int32Array, target: FloatArray) -> None:
    """Add cell values to nodal values, in the order of the cells.

    Parameters
    ----------
    element_values : ndarray, shape (m, a, d)
        Values by cell and local node.
    dofs : ndarray of int32, shape (m, a)
        Node of each value.
    target : ndarray, shape (n, d)
        Changed in place.
    """
    flat = dofs.ravel()
    for component in range(target.shape[1]):
        target[:, component] += np.bincount(
            flat, weights=element_values[:, :, component].ravel(), minlength=len(target)
        )[: len(target)]


def moments_of_forces(
    gradients: FloatArray, weights: FloatArray, tensors: FloatArray, shape: FloatArray
) -> FloatArray:
    """Element forces of a tensor field, weighted by each of the linear shape functions.

    Parameters
    ----------
    gradients : ndarray, shape (m, q, a, d)
        Gradients of the displacement shape functions in 1/nm.
    weights : ndarray, shape (m, q)
        Volume of each integration point in nm^3.
    tensors : ndarray, shape (m, q, 9)
        Tensors T at the integration points, row-major.
    shape : ndarray, shape (q, v)
        Linear shape functions of the vertices at the integration points.

    Returns
    -------
    ndarray, shape (m, a * d, v)
        Integrals of T_iJ dN_a/dX_J N_v.
    """
    m, q, _, d = gradients.shape
    weighted = tensors.reshape(m, q, 3, 3)[:, :, :d, :d] * weights[:, :, None, None]
    by_node = np.matmul(gradients, weighted.transpose(0, 1, 3, 2))
    return (by_node.reshape(m, q, -1).transpose(0, 2, 1)) @ shape
