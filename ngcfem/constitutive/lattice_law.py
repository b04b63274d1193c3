"""What the author of a law for crystals writes: one update in the frame of the lattice.

Components come first and the points last: an array of shape (6, n) holds n symmetric tensors.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from ngcfem.constitutive.law import Scalar, Step
from ngcfem.constitutive.xla import jax, jnp, lax

ROOT_TWO = 2.0**0.5
Matrix = list[list[Scalar]]
"""Three rows of three arrays of shape (n,)."""


class LatticeUpdate(NamedTuple):
    """Result of a lattice law at n points.

    Parameters
    ----------
    stress : Array, shape (6, n)
        Second Piola-Kirchhoff stress on the intermediate configuration at the end of the step, in
        the lattice frame, Mandel components, GPa; the stress in small-strain kinematics.
    flow : Array, shape (9, n)
        L with F_p = exp(L) F_p,n in the lattice frame, traceless; the increment of the plastic
        displacement gradient in small-strain kinematics.
    internal_variables : Array, shape (k, n)
        At the end of the step, in the order of `LatticeLaw.internal_variables`.
    status : Array of int, shape (n,)
        `CONVERGED` or `LOCAL_ITERATION_FAILED`.
    """

    stress: Scalar
    flow: Scalar
    internal_variables: Scalar
    status: Scalar


class LatticeLaw(ABC):
    """A law that depends on the directions of a lattice, written for n points.

    Like `ngcfem.constitutive.law.Law` it states its name, its internal variables and whether it has
    a plastic strain, and holds no values. It sees the trial elastic strain in the frame of the
    lattice and never the orientation: `ngcfem.constitutive.lattice_kinematics` turns strain and
    stress.

    Notes
    -----
    Symmetric tensors are Mandel vectors: 11, 22, 33, sqrt(2) 12, sqrt(2) 23, sqrt(2) 13, an
    orthonormal basis, so that a 6x6 matrix is a tensor of fourth order.
    """

    name: ClassVar[str]
    internal_variables: ClassVar[tuple[str, ...]]
    has_plastic_strain: ClassVar[bool]
    nonlocal_variable: ClassVar[str | None] = None

    @abstractmethod
    def unpack(self, parameter_vector: jax.Array) -> Any:
        """Name the entries of a parameter vector.

        Parameters
        ----------
        parameter_vector : Array, shape (number of parameters,)
            Values in the order of `ngcfem.constitutive.parameters.LAW_PARAMETERS`.

        Returns
        -------
        NamedTuple
            The parameters by name.
        """

    @abstractmethod
    def update(
        self,
        trial_strain: Scalar,
        internal_variables: Scalar,
        parameters: Any,
        step: Step,
        finite: bool,
    ) -> LatticeUpdate:
        """Advance n points by one step.

        Parameters
        ----------
        trial_strain : Array, shape (6, n)
            Green-Lagrange elastic strain, if nothing were to flow in this step, in the lattice
            frame, Mandel components; the small elastic strain in small-strain kinematics.
        internal_variables : Array, shape (k, n)
            At the start of the step.
        parameters : NamedTuple
            As `unpack` returns them.
        step : Step
            Time increment.
        finite : bool
            Kinematics.

        Returns
        -------
        LatticeUpdate
            Stress, flow, internal variables and status at the end of the step.

        Notes
        -----
        Stress and flow are differentiated in forward mode with respect to the trial strain; the
        internal variables are not.
        """


def tensor_of(mandel: Scalar) -> Matrix:
    """Symmetric tensors of Mandel vectors.

    Parameters
    ----------
    mandel : Array, shape (6, n)
        Mandel components.

    Returns
    -------
    list of list of Array, shape (n,)
        Rows of the tensors.
    """
    xy, yz, xz = (mandel[k] / ROOT_TWO for k in (3, 4, 5))
    return [[mandel[0], xy, xz], [xy, mandel[1], yz], [xz, yz, mandel[2]]]


def mandel_of(tensor: Matrix) -> Scalar:
    """Mandel vectors of the symmetric part of tensors.

    Parameters
    ----------
    tensor : list of list of Array, shape (n,)
        Rows of the tensors.

    Returns
    -------
    Array, shape (6, n)
        Mandel components.
    """
    shear = [(tensor[i][j] + tensor[j][i]) / ROOT_TWO for i, j in ((0, 1), (1, 2), (0, 2))]
    return jnp.stack([tensor[0][0], tensor[1][1], tensor[2][2], *shear])


def rows_of(flat: Scalar) -> Matrix:
    """Rows of 3x3 matrices.

    Parameters
    ----------
    flat : Array, shape (9, n)
        Components row by row.

    Returns
    -------
    list of list of Array, shape (n,)
        The rows.
    """
    return [[flat[3 * i + j] for j in range(3)] for i in range(3)]


def flat_of(rows: Matrix) -> Scalar:
    """Components of 3x3 matrices, row by row: the inverse of `rows_of`.

    Parameters
    ----------
    rows : list of list of Array, shape (n,)
        The rows.

    Returns
    -------
    Array, shape (9, n)
        The components.
    """
    return jnp.stack([entry for row in rows for entry in row])


def transposed(matrix: Matrix) -> Matrix:
    """Transpose of 3x3 matrices.

    Parameters
    ----------
    matrix : list of list of Array
        Rows.

    Returns
    -------
    list of list of Array
        Columns.
    """
    return [[matrix[j][i] for j in range(3)] for i in range(3)]


def product(left: Matrix, right: Matrix) -> Matrix:
    """Product of 3x3 matrices, point by point.

    Parameters
    ----------
    left, right : list of list of Array, shape (n,)
        Rows of the factors.

    Returns
    -------
    list of list of Array, shape (n,)
        Rows of the product.
    """
    return [
        [
            left[i][0] * right[0][j] + left[i][1] * right[1][j] + left[i][2] * right[2][j]
            for j in range(3)
        ]
        for i in range(3)
    ]


def right_stretch_square(strain: Scalar) -> Matrix:
    """Tensor C = I + 2 E of a Green-Lagrange strain.

    Parameters
    ----------
    strain : Array, shape (6, n)
        E, Mandel components.

    Returns
    -------
    list of list of Array, shape (n,)
        Rows of C.
    """
    tensor = tensor_of(strain)
    return [[2.0 * tensor[i][j] + (1.0 if i == j else 0.0) for j in range(3)] for i in range(3)]


def exponential(x: Matrix) -> Matrix:
    """Exponential of traceless 3x3 matrices.

    Parameters
    ----------
    x : list of list of Array, shape (n,)
        Rows of X, with trace 0 and a norm below about 1.

    Returns
    -------
    list of list of Array, shape (n,)
        Rows of exp(X), with determinant 1.

    Notes
    -----
    By Cayley and Hamilton X^3 = t X + d I with t = tr(X^2) / 2 and d = det X, so that every power
    is a_k I + b_k X + c_k X^2 with a_(k+1) = d c_k, b_(k+1) = a_k + t c_k, c_(k+1) = b_k. The
    series is summed to order 14; 1 / 15! is 8e-13, 0.5^15 / 15! is 2e-17.

    References
    ----------
    Moler and Van Loan (2003), SIAM Review 45, 3-49, doi 10.1137/S00361445024180, section 4.
    """
    # The barriers keep XLA from computing all this anew for each of its many uses.
    square = lax.optimization_barrier(product(x, x))
    half_trace = 0.5 * (square[0][0] + square[1][1] + square[2][2])
    determinant = (
        x[0][0] * (x[1][1] * x[2][2] - x[1][2] * x[2][1])
        - x[0][1] * (x[1][0] * x[2][2] - x[1][2] * x[2][0])
        + x[0][2] * (x[1][0] * x[2][1] - x[1][1] * x[2][0])
    )
    one, zero = jnp.ones_like(half_trace), jnp.zeros_like(half_trace)
    power, total, factor = (one, zero, zero), (one, zero, zero), 1.0
    for order in range(1, 15):
        power = (determinant * power[2], power[0] + half_trace * power[2], power[1])
        factor /= order
        total = tuple(sum_ + factor * part for sum_, part in zip(total, power, strict=True))
    total = lax.optimization_barrier(total)
    return [
        [
            total[1] * x[i][j] + total[2] * square[i][j] + (total[0] if i == j else 0.0)
            for j in range(3)
        ]
        for i in range(3)
    ]
