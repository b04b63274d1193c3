"""From a law in the frame of a lattice to stress, tangent and state of many points."""

import numpy as np

from ngcfem.constitutive.kinematics import Kernel, PointUpdate, sealed
from ngcfem.constitutive.lattice_law import (
    ROOT_TWO,
    LatticeLaw,
    LatticeUpdate,
    Matrix,
    exponential,
    flat_of,
    mandel_of,
    product,
    rows_of,
    tensor_of,
    transposed,
)
from ngcfem.constitutive.law import INVERTED, NOT_FINITE, Scalar, Step
from ngcfem.constitutive.xla import jax, jnp, lax
from ngcfem.quantities import FloatArray

ORIENTATION_NAMES = tuple(f"lattice_orientation_{part}" for part in "wxyz")
"""State variables that hold the orientation, a unit quaternion; they never change."""

# Columns of the orthonormal basis of symmetric tensors, each a 3x3 tensor as nine numbers.
_BASIS = np.zeros((9, 6))
for _k, (_i, _j) in enumerate(((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))):
    _BASIS[3 * _i + _j, _k] = _BASIS[3 * _j + _i, _k] = 1.0 if _i == _j else 1.0 / ROOT_TWO
_UNIT = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])[:, None]
_MANDEL_FACTOR = np.array([1.0, 1.0, 1.0, ROOT_TWO, ROOT_TWO, ROOT_TWO])[:, None]
_UPRIGHT = np.array([[1.0, 0.0, 0.0, 0.0]])
_EYE = np.eye(3).reshape(1, 9)


def plastic_names(law: LatticeLaw, kinematics: str) -> tuple[str, ...]:
    """Names of the state variables that describe the plastic deformation.

    Parameters
    ----------
    law : LatticeLaw
        The law.
    kinematics : {"finite", "small"}
        Kinematics.

    Returns
    -------
    tuple of str
        Nine components of F_p^-1 row by row, or six of the plastic strain, both in the lattice
        frame; none for a law without plastic strain.
    """
    if not law.has_plastic_strain:
        return ()
    if kinematics == "finite":
        pairs = [f"{i}{j}" for i in "123" for j in "123"]
        return tuple(f"inverse_plastic_deformation_gradient_{ij}" for ij in pairs)
    pairs = ["11", "22", "33", "12", "23", "13"]
    return tuple(f"lattice_plastic_strain_{ij}" for ij in pairs)


def virgin_state(law: LatticeLaw, kinematics: str, orientation: FloatArray) -> FloatArray:
    """State of undeformed crystals.

    Parameters
    ----------
    law : LatticeLaw
        The law.
    kinematics : {"finite", "small"}
        Kinematics.
    orientation : ndarray, shape (n, 4)
        Unit quaternions (w, x, y, z) of the rotation that takes lattice to specimen coordinates.

    Returns
    -------
    ndarray, shape (n, number of state variables)
        Orientation, F_p^-1 = I or zero plastic strain, zero internal variables.
    """
    plastic = len(plastic_names(law, kinematics))
    state = np.zeros((len(orientation), 4 + plastic + len(law.internal_variables)))
    state[:, :4] = orientation
    if plastic == 9:
        state[:, 4:13] = np.eye(3).ravel()
    return state


def deformed_lattice(
    law: LatticeLaw, kinematics: str, deformation_gradient: FloatArray, state: FloatArray
) -> FloatArray:
    """Rotation of lattices as deformed.

    Parameters
    ----------
    law : LatticeLaw
        The law.
    kinematics : {"finite", "small"}
        Kinematics.
    deformation_gradient : ndarray, shape (n, 9)
        F, row-major.
    state : ndarray, shape (n, number of state variables)
        The state that goes with it.

    Returns
    -------
    ndarray, shape (n, 3, 3)
        Rotation of the polar decomposition of F_e = F Q F_p^-1; Q in small strain.
    """
    rows = np.array(rotation_of(jnp.asarray(state[:, :4].T)))
    rotation = np.moveaxis(rows, 2, 0)
    if kinematics == "small":
        return rotation
    elastic = deformation_gradient.reshape(-1, 3, 3) @ rotation
    if law.has_plastic_strain:
        elastic = elastic @ state[:, 4:13].reshape(-1, 3, 3)
    left, _, right = np.linalg.svd(elastic)
    return left @ right


def rotation_of(quaternion: Scalar) -> Matrix:
    """Rotation matrices of unit quaternions.

    Parameters
    ----------
    quaternion : Array, shape (4, n)
        w, x, y, z.

    Returns
    -------
    list of list of Array, shape (n,)
        Rows of Q with x_specimen = Q x_lattice.
    """
    w, x, y, z = (quaternion[k] for k in range(4))
    return [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]


def lattice_kernel(law: LatticeLaw, finite: bool, with_tangent: bool) -> Kernel:
    """Make the kernel of a law that depends on the directions of a lattice.

    Parameters
    ----------
    law : LatticeLaw
        The law.
    finite : bool
        Finite or small strain.
    with_tangent : bool
        Whether the kernel computes the consistent tangent.

    Returns
    -------
    callable
        ``kernel(F (n, 9), state (n, ns), parameter vector, dt, viscosity) -> PointUpdate``. The
        state is the orientation (four numbers), F_p^-1 (nine) or the plastic strain (six), and the
        internal variables.

    Notes
    -----
    1. With Q from lattice to specimen coordinates, F Q = F_e F_p: F_p is I at the start, and the
       rotation of the lattice is part of F_e. With A = Q F_p,n^-1 the trial elastic strain is
       E = (A^T F^T F A - I) / 2; small strain: A = Q, E = Q^T sym(F - I) Q - e^p.
    2. The law gives the stress S and the flow L. With X = exp(-L): F_p^-1 = F_p,n^-1 X and
       P = F A (X S X^T) A^T; small strain: P = Q S Q^T, e^p grows by sym(L).
    3. B = d(X S X^T)/dE by forward differentiation, six directions. dE = sym((F A)^T dF A), hence
       dP = dF A (X S X^T) A^T + F A (B : dE) A^T, the first term in finite strain only.
    4. det F <= 0 is looked for explicitly: F^T F cannot see it. A point whose status is not 0
       returns NaN for stress and tangent and its state unchanged.

    References
    ----------
    Kalidindi, Bronkhorst and Anand (1992), J. Mech. Phys. Solids 40, 537-569,
    doi 10.1016/0022-5096(92)80003-9.
    """
    plastic = len(plastic_names(law, "finite" if finite else "small"))

    def kernel(
        deformation_gradient: jax.Array,
        state: jax.Array,
        parameter_vector: jax.Array,
        time_increment_s: Scalar,
        viscosity_gpa_s: Scalar,
        field: jax.Array | None = None,
        field_constants: jax.Array | None = None,
    ) -> PointUpdate:
        parameters = law.unpack(parameter_vector)
        step = Step(time_increment_s, viscosity_gpa_s)
        readable = jnp.all(jnp.isfinite(deformation_gradient), axis=1)
        readable = readable & jnp.all(jnp.isfinite(state), axis=1)
        inverted = jnp.zeros_like(readable)
        if finite:
            inverted = _determinant(rows_of(deformation_gradient.T)) <= 0.0
        usable = readable & jnp.logical_not(inverted)
        virgin = virgin_state(law, "finite" if finite else "small", _UPRIGHT)
        safe = jnp.where(usable[:, None], state, virgin).T
        gradient = rows_of(jnp.where(usable[:, None], deformation_gradient, _EYE).T)
        rotation = rotation_of(safe[:4])
        internal = safe[4 + plastic :]
        if finite:
            inverse = rows_of(safe[4:13]) if plastic else None
            reference = rotation if inverse is None else product(rotation, inverse)
            current = product(gradient, reference)
            square = product(transposed(current), current)
            trial = 0.5 * (mandel_of(square) - _UNIT)
        else:
            inverse = None
            reference = current = rotation
            shifted = [[gradient[i][j] - float(i == j) for j in range(3)] for i in range(3)]
            trial = mandel_of(product(transposed(rotation), product(shifted, rotation)))
            if plastic:
                trial = trial - _MANDEL_FACTOR * safe[4:10]
        trial, reference, current = lax.optimization_barrier((trial, reference, current))

        def pulled(strain: Scalar) -> tuple[Scalar, tuple[Scalar, LatticeUpdate, Scalar]]:
            result = law.update(strain, internal, parameters, step, finite)
            stress, back = result.stress, result.flow
            if finite and plastic:
                rows = exponential(rows_of(-result.flow))
                tensor = product(rows, product(tensor_of(result.stress), transposed(rows)))
                stress, back = mandel_of(tensor), flat_of(rows)
            return stress, (stress, result, back)

        number = len(state)
        slopes = jnp.zeros((6, 6, number))
        if with_tangent:
            _, linear, (stress, result, back) = jax.linearize(pulled, trial, has_aux=True)
            seeds = jnp.broadcast_to(jnp.eye(6)[:, :, None], (6, 6, number))
            slopes = jax.vmap(linear, out_axes=1)(seeds)
        else:
            stress, result, back = pulled(trial)[1]
        stress, result, back, slopes = lax.optimization_barrier((stress, result, back, slopes))
        second = product(reference, product(tensor_of(stress), transposed(reference)))
        nominal = flat_of(product(gradient, second) if finite else second)
        parts = [safe[:4]]
        if inverse is not None:
            parts.append(flat_of(product(inverse, rows_of(back))))
        elif plastic:
            grown = mandel_of(rows_of(result.flow)) / _MANDEL_FACTOR
            parts.append(safe[4:10] + grown)
        new_state = jnp.concatenate([*parts, result.internal_variables]).T
        tangent = jnp.zeros((number, 0))
        if with_tangent:
            tangent = _turned(slopes, current, reference, second if finite else None)
        status = jnp.where(readable, jnp.where(inverted, INVERTED, result.status), NOT_FINITE)
        return sealed(PointUpdate(nominal.T, tangent, new_state, status), state)

    return kernel


def _determinant(f: Matrix) -> Scalar:
    return (
        f[0][0] * (f[1][1] * f[2][2] - f[1][2] * f[2][1])
        - f[0][1] * (f[1][0] * f[2][2] - f[1][2] * f[2][0])
        + f[0][2] * (f[1][0] * f[2][1] - f[1][1] * f[2][0])
    )


def _turned(slopes: Scalar, current: Matrix, reference: Matrix, second: Matrix | None) -> Scalar:
    """Tangent (n, 81) from the slopes in the lattice frame, and the term of the stress."""
    current_array = flat_of(current).T.reshape(-1, 3, 1, 3, 1)
    reference_array = flat_of(reference).T.reshape(-1, 1, 3, 1, 3)
    dyads = (current_array * reference_array).reshape(-1, 9, 9)
    basis = dyads @ _BASIS
    tangent = basis @ jnp.moveaxis(slopes, 2, 0) @ jnp.swapaxes(basis, 1, 2)
    if second is not None:
        stress = flat_of(second).T.reshape(-1, 1, 3, 1, 3)
        tangent = tangent + (jnp.eye(3)[:, None, :, None] * stress).reshape(-1, 9, 9)
    return tangent.reshape(-1, 81)
