"""From a law in principal strains to stress, tangent and state of many points, finite or small."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ngcfem.constitutive.law import (
    CONVERGED,
    INVERTED,
    NOT_FINITE,
    Law,
    Nonlocality,
    Principal,
    PrincipalUpdate,
    Scalar,
    Step,
)
from ngcfem.constitutive.xla import jax, jnp, lax

SYMMETRIC_PAIRS: tuple[tuple[int, int], ...] = ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))
"""Order of the six components of a symmetric tensor: 11, 22, 33, 12, 23, 13."""

SYMMETRIC_INDEX: tuple[tuple[int, int, int], ...] = ((0, 3, 5), (3, 1, 4), (5, 4, 2))

_JACOBI_SWEEPS = 5
# Gap of logarithmic strains below which a divided difference is replaced by its limit: there the
# rounding error of the difference, 1e-16 / gap, and the error of the limit, gap^2 f''' / 12, are
# both near 1e-10 of the stiffness for yield strains of a few per cent.
_REPEATED_STRAIN_GAP = 1e-6


class FieldCoupling(NamedTuple):
    """What couples n points to the nonlocal field.

    Parameters
    ----------
    source : Array, shape (n,)
        kappa, what feeds the field.
    stress_by_field : Array, shape (n, 9)
        dP/dchi in GPa.
    source_by_gradient : Array, shape (n, 9)
        dkappa/dF.
    source_by_field : Array, shape (n,)
        dkappa/dchi.
    """

    source: jax.Array
    stress_by_field: jax.Array
    source_by_gradient: jax.Array
    source_by_field: jax.Array


class PointUpdate(NamedTuple):
    """What the kernel returns for n points.

    Parameters
    ----------
    first_piola_kirchhoff_stress : Array, shape (n, 9)
        Row-major, GPa.
    consistent_tangent : Array, shape (n, 81)
        dP_iJ/dF_kL at 27 i + 9 J + 3 k + L, GPa; shape (n, 0) if not asked for.
    state : Array, shape (n, number of state variables)
        State at the end of the step.
    status : Array of int, shape (n,)
        Status codes of `ngcfem.constitutive.law`.
    coupling : FieldCoupling or None
        None where there is no nonlocal field, or no tangent is asked for.
    """

    first_piola_kirchhoff_stress: jax.Array
    consistent_tangent: jax.Array
    state: jax.Array
    status: jax.Array
    coupling: FieldCoupling | None = None


Kernel = Callable[..., PointUpdate]
"""F (n, 9), state (n, ns), parameter vector (or n rows of them), time increment in s, viscosity in
GPa s, and with a nonlocal field its values (n,) and the pair of over-nonlocal weight and
micromorphic modulus."""

Matrix = Sequence[Sequence[Scalar]]
"""Three rows of three arrays of shape (n,)."""


def symmetric_eigen(tensor: Sequence[Scalar]) -> tuple[Principal, Matrix]:
    """Eigenvalues and eigenvectors of symmetric tensors, element by element.

    Parameters
    ----------
    tensor : sequence of six Array, shape (n,)
        Components 11, 22, 33, 12, 23, 13.

    Returns
    -------
    tuple of three Array, and list of list of Array
        Eigenvalues (not sorted), and V[i][a], component i of eigenvector a.

    Notes
    -----
    Cyclic Jacobi rotations with a fixed number of sweeps: no branches, orthonormal vectors for
    repeated eigenvalues, convergence to rounding in four to five sweeps.

    References
    ----------
    Golub and Van Loan (2013), Matrix Computations, 4th ed., section 8.5 (Jacobi methods).
    """
    one, zero = jnp.ones_like(tensor[0]), jnp.zeros_like(tensor[0])

    def sweep(
        _: int, carried: tuple[list[list[Scalar]], list[list[Scalar]]]
    ) -> tuple[list[list[Scalar]], list[list[Scalar]]]:
        a = [list(row) for row in carried[0]]
        vectors = [list(row) for row in carried[1]]
        for p, q, r in ((0, 1, 2), (1, 2, 0), (0, 2, 1)):
            gap = a[q][q] - a[p][p]
            size = jnp.abs(gap) + jnp.sqrt(gap * gap + 4.0 * a[p][q] * a[p][q])
            tangent = jnp.where(gap >= 0.0, 2.0, -2.0) * a[p][q] / (size + 1e-300)
            cosine = lax.rsqrt(1.0 + tangent * tangent)
            sine = tangent * cosine
            a[p][p], a[q][q] = a[p][p] - tangent * a[p][q], a[q][q] + tangent * a[p][q]
            a[p][q] = a[q][p] = jnp.zeros_like(gap)
            mixed_p = cosine * a[p][r] - sine * a[q][r]
            mixed_q = sine * a[p][r] + cosine * a[q][r]
            a[p][r] = a[r][p] = mixed_p
            a[q][r] = a[r][q] = mixed_q
            for row in vectors:
                row[p], row[q] = cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]
        return a, vectors

    matrix = [[tensor[SYMMETRIC_INDEX[i][j]] for j in range(3)] for i in range(3)]
    identity = [[one if i == j else zero for j in range(3)] for i in range(3)]
    values, vectors = lax.fori_loop(0, _JACOBI_SWEEPS, sweep, (matrix, identity))
    return (values[0][0], values[1][1], values[2][2]), vectors


def finite_strain_kernel(law: Law, with_tangent: bool) -> Kernel:
    """Make the kernel of a law for finite strain.

    Parameters
    ----------
    law : Law
        The law.
    with_tangent : bool
        Whether the kernel computes the consistent tangent.

    Returns
    -------
    callable
        ``kernel(F (n, 9), state (n, ns), parameter vector, dt, viscosity) -> PointUpdate``, with a
        nonlocal field two more arguments, see `Kernel`. The
        state is C_p^-1 (six components 11, 22, 33, 12, 23, 13) followed by the internal variables,
        or empty for a law without plastic strain.

    Notes
    -----
    1. Trial elastic left Cauchy-Green tensor b = F C_p^-1 F^T = V diag(x) V^T, e_a = 1/2 ln x_a.
    2. The law gives principal Kirchhoff stresses tau_a, elastic strains and D_ac = dtau_a/de_c
       (forward differentiation of the law, three directions).
    3. P = V diag(tau) W^T with W = F^-1 V; C_p^-1 = W diag(exp 2 e^el) W^T.
    4. With h = V^T dF F^-1 V the increment of P in the basis V, W is, for a != b,
       dP_aa = sum_c (D_ac - tau_a delta_ac) h_cc and
       dP_ab = m_ab x_b h_ab + (m_ab x_a - tau_a) h_ba, m_ab = (tau_a - tau_b) / (x_a - x_b);
       m x_b = t g / (exp(2 g) - 1) with g = e_a - e_b and t = (tau_a - tau_b) / g, whose limit for
       g -> 0 is (D_aa - D_ab + D_bb - D_ba) / 2. The gap g is relative by nature.
    5. With a nonlocal field chi and its source kappa: dP/dchi = V diag(dtau/dchi) W^T and
       dkappa/dF = V diag(dkappa/de) W^T, because de_a = h_aa.
    6. det F <= 0 is looked for explicitly: F C_p^-1 F^T cannot see it. A point whose status is not
       0 returns NaN for stress and tangent and its state unchanged.

    References
    ----------
    Simo (1992), Comput. Methods Appl. Mech. Eng. 99, 61-112, doi 10.1016/0045-7825(92)90123-2.
    Ogden (1984), Non-Linear Elastic Deformations, section 6.1: moduli on principal axes.
    """

    def kernel(
        deformation_gradient: jax.Array,
        state: jax.Array,
        parameter_vector: jax.Array,
        time_increment_s: Scalar,
        viscosity_gpa_s: Scalar,
        field: jax.Array | None = None,
        field_constants: jax.Array | None = None,
    ) -> PointUpdate:
        determinant = _determinant(deformation_gradient.T)
        inverted = determinant <= 0.0
        readable = jnp.isfinite(determinant) & jnp.all(jnp.isfinite(state), axis=1)
        usable = readable & jnp.logical_not(inverted)
        eye = jnp.eye(3).reshape(1, 9)
        safe = jnp.where(usable[:, None], deformation_gradient, eye)
        f = safe.T
        inverse = _inverse(f)
        if law.has_plastic_strain:
            plastic = [state[:, k] for k in range(6)]
            internal = tuple(state[:, k] for k in range(6, state.shape[1]))
        else:
            one, zero = jnp.ones_like(determinant), jnp.zeros_like(determinant)
            plastic = [one, one, one, zero, zero, zero]
            internal = ()
        stretch = _congruence(f, plastic)
        squares, vectors = symmetric_eigen(stretch)
        logarithms = jnp.log(jnp.maximum(jnp.stack(squares), 1e-300))
        strain = (0.5 * logarithms[0], 0.5 * logarithms[1], 0.5 * logarithms[2])
        strain, vectors = _computed_once((strain, vectors))
        nonlocality = None
        if field is not None and field_constants is not None:
            readable = readable & jnp.isfinite(field)
            nonlocality = Nonlocality(
                jnp.where(readable, field, 0.0), field_constants[0], field_constants[1]
            )
        step = Step(time_increment_s, viscosity_gpa_s, nonlocality)
        result, slopes, by_field = _evaluate(
            law, strain, internal, parameter_vector, step, with_tangent
        )
        columns = [[row[a] for row in vectors] for a in range(3)]
        pulled = _computed_once(
            [[_dot(inverse[3 * j : 3 * j + 3], v) for v in columns] for j in range(3)]
        )
        tau = result.kirchhoff_stress
        nominal = _weighted(vectors, tau, pulled)
        stress = jnp.stack([nominal[i][j] for i in range(3) for j in range(3)], axis=1)
        new_state = state
        if law.has_plastic_strain:
            squared = [jnp.exp(2.0 * e) for e in result.elastic_strain]
            inverse_cp = _weighted(pulled, squared, pulled)
            plastic = [inverse_cp[i][j] for i, j in SYMMETRIC_PAIRS]
            new_state = jnp.stack([*plastic, *result.internal_variables], axis=1)
        tangent = jnp.zeros((len(determinant), 0))
        if with_tangent:
            coefficients = _finite_coefficients(strain, tau, slopes)
            tangent = _turn_back(coefficients, vectors, pulled)
        status = jnp.where(readable, jnp.where(inverted, INVERTED, result.status), NOT_FINITE)
        coupling = _coupling(law, result, by_field, vectors, pulled)
        return sealed(PointUpdate(stress, tangent, new_state, status, coupling), state)

    return kernel


def small_strain_kernel(law: Law, with_tangent: bool) -> Kernel:
    """Make the kernel of a law for small strain.

    Parameters
    ----------
    law : Law
        The law; its logarithmic strains are read as small strains, its Kirchhoff stress as the
        stress.
    with_tangent : bool
        Whether the kernel computes the consistent tangent.

    Returns
    -------
    callable
        ``kernel(F (n, 9), state (n, ns), parameter vector, dt, viscosity) -> PointUpdate``, with a
        nonlocal field two more arguments, see `Kernel`. F - I
        is the displacement gradient; the state is the plastic strain tensor (six components 11, 22,
        33, 12, 23, 13, tensor shear) followed by the internal variables.

    Notes
    -----
    1. Trial elastic strain sym(F - I) - e^p = V diag(e) V^T.
    2. The law gives principal stresses, elastic strains and D_ac = dsigma_a/de_c.
    3. sigma = V diag(sigma_a) V^T; e^p = sym(F - I) - V diag(e^el) V^T.
    4. Tangent in the basis V: D_ac for the diagonal, t_ab/2 for the shear components.
    """

    def kernel(
        deformation_gradient: jax.Array,
        state: jax.Array,
        parameter_vector: jax.Array,
        time_increment_s: Scalar,
        viscosity_gpa_s: Scalar,
        field: jax.Array | None = None,
        field_constants: jax.Array | None = None,
    ) -> PointUpdate:
        readable = jnp.all(jnp.isfinite(deformation_gradient), axis=1) & jnp.all(
            jnp.isfinite(state), axis=1
        )
        eye = jnp.eye(3).reshape(1, 9)
        safe = jnp.where(readable[:, None], deformation_gradient, eye)
        gradient = (safe - eye).T
        total = [0.5 * (gradient[3 * i + j] + gradient[3 * j + i]) for i, j in SYMMETRIC_PAIRS]
        trial, internal = total, ()
        if law.has_plastic_strain:
            trial = [total[k] - state[:, k] for k in range(6)]
            internal = tuple(state[:, k] for k in range(6, state.shape[1]))
        strain, vectors = _computed_once(symmetric_eigen(trial))
        nonlocality = None
        if field is not None and field_constants is not None:
            readable = readable & jnp.isfinite(field)
            nonlocality = Nonlocality(
                jnp.where(readable, field, 0.0), field_constants[0], field_constants[1]
            )
        step = Step(time_increment_s, viscosity_gpa_s, nonlocality)
        result, slopes, by_field = _evaluate(
            law, strain, internal, parameter_vector, step, with_tangent
        )
        sigma = result.kirchhoff_stress
        tensor = _weighted(vectors, sigma, vectors)
        stress = jnp.stack([tensor[i][j] for i in range(3) for j in range(3)], axis=1)
        new_state = state
        if law.has_plastic_strain:
            elastic = _weighted(vectors, result.elastic_strain, vectors)
            plastic = [total[k] - elastic[i][j] for k, (i, j) in enumerate(SYMMETRIC_PAIRS)]
            new_state = jnp.stack([*plastic, *result.internal_variables], axis=1)
        tangent = jnp.zeros((len(readable), 0))
        if with_tangent:
            coefficients = _small_coefficients(strain, sigma, slopes)
            tangent = _turn_back(coefficients, vectors, vectors)
        status = jnp.where(readable, result.status, NOT_FINITE)
        coupling = _coupling(law, result, by_field, vectors, vectors)
        return sealed(PointUpdate(stress, tangent, new_state, status, coupling), state)

    return kernel


def _computed_once[T](values: T) -> T:
    """Keep XLA from computing a stage anew for each of its many consumers."""
    return lax.optimization_barrier(values)


def _determinant(f: jax.Array) -> jax.Array:
    return (
        f[0] * (f[4] * f[8] - f[5] * f[7])
        - f[1] * (f[3] * f[8] - f[5] * f[6])
        + f[2] * (f[3] * f[7] - f[4] * f[6])
    )


def _inverse(f: jax.Array) -> tuple[jax.Array, ...]:
    cofactors = (
        f[4] * f[8] - f[5] * f[7],
        f[2] * f[7] - f[1] * f[8],
        f[1] * f[5] - f[2] * f[4],
        f[5] * f[6] - f[3] * f[8],
        f[0] * f[8] - f[2] * f[6],
        f[2] * f[3] - f[0] * f[5],
        f[3] * f[7] - f[4] * f[6],
        f[1] * f[6] - f[0] * f[7],
        f[0] * f[4] - f[1] * f[3],
    )
    factor = 1.0 / (f[0] * cofactors[0] + f[1] * cofactors[3] + f[2] * cofactors[6])
    return tuple(factor * c for c in cofactors)


def _dot(left: Sequence[Scalar] | jax.Array, right: Sequence[Scalar] | jax.Array) -> Scalar:
    return left[0] * right[0] + left[1] * right[1] + left[2] * right[2]


def _congruence(f: jax.Array, s: Sequence[Scalar]) -> list[Scalar]:
    """Components of F S F^T."""
    rows = [[s[k] for k in SYMMETRIC_INDEX[j]] for j in range(3)]
    half = [[_dot(f[3 * i : 3 * i + 3], rows[j]) for j in range(3)] for i in range(3)]
    return [_dot(half[i], f[3 * j : 3 * j + 3]) for i, j in SYMMETRIC_PAIRS]


def _weighted(left: Matrix, weights: Sequence[Scalar], right: Matrix) -> list[list[Scalar]]:
    """Components of L diag(weights) R^T."""
    scaled = [[left[i][a] * weights[a] for a in range(3)] for i in range(3)]
    return [[_dot(scaled[i], right[j]) for j in range(3)] for i in range(3)]


class _FieldSlopes(NamedTuple):
    """Derivatives that involve the nonlocal field chi and the variable kappa that feeds it."""

    stress_by_field: Principal
    source_by_strain: Principal
    source_by_field: Scalar


def _evaluate(
    law: Law,
    strain: Principal,
    internal: tuple[Scalar, ...],
    parameter_vector: jax.Array,
    step: Step,
    with_tangent: bool,
) -> tuple[PrincipalUpdate, Matrix, _FieldSlopes | None]:
    """The law at every point, D[a][c] = dtau_a/de_c, and the slopes with a nonlocal field."""
    # One vector for all points, or a row for each.
    each = None if parameter_vector.ndim == 1 else 0

    def at_points(strain: Principal, field: Scalar | None) -> tuple[Any, PrincipalUpdate]:
        if field is None or step.nonlocality is None:
            result = jax.vmap(
                lambda e, iv, p: law.update(e, iv, law.unpack(p), step), in_axes=(0, 0, each)
            )(strain, internal, parameter_vector)
            return result.kirchhoff_stress, result
        nonlocality = step.nonlocality

        def with_field(
            e: Principal, iv: tuple[Scalar, ...], p: jax.Array, chi: Scalar
        ) -> PrincipalUpdate:
            own = step._replace(nonlocality=nonlocality._replace(field=chi))
            return law.update(e, iv, law.unpack(p), own)

        result = jax.vmap(with_field, in_axes=(0, 0, each, 0))(
            strain, internal, parameter_vector, field
        )
        return (*result.kirchhoff_stress, _source(law, result)), result

    field = None if step.nonlocality is None else step.nonlocality.field
    if not with_tangent:
        return _computed_once(at_points(strain, field)[1]), [], None
    one, zero = jnp.ones_like(strain[0]), jnp.zeros_like(strain[0])
    directions = ((one, zero, zero), (zero, one, zero), (zero, zero, one))
    if field is None:
        _, linear, result = jax.linearize(lambda e: at_points(e, None), strain, has_aux=True)
        columns = [linear(seed) for seed in directions]
    else:
        _, linear, result = jax.linearize(at_points, strain, field, has_aux=True)
        columns = [linear(seed, zero) for seed in directions]
    slopes = [[columns[c][a] for c in range(3)] for a in range(3)]
    if field is None:
        return *_computed_once((result, slopes)), None
    by_field = linear((zero, zero, zero), one)
    derivatives = _FieldSlopes(
        (by_field[0], by_field[1], by_field[2]),
        (columns[0][3], columns[1][3], columns[2][3]),
        by_field[3],
    )
    return _computed_once((result, slopes, derivatives))


def _source(law: Law, result: PrincipalUpdate) -> Scalar:
    """Variable of a law that feeds the nonlocal field."""
    assert law.nonlocal_variable is not None
    if result.field_source is not None:
        return result.field_source
    return result.internal_variables[law.internal_variables.index(law.nonlocal_variable)]


def _coupling(
    law: Law,
    result: PrincipalUpdate,
    slopes: _FieldSlopes | None,
    vectors: Matrix,
    pulled: Matrix,
) -> FieldCoupling | None:
    """Turn the slopes from the bases V (current) and W (reference): P = V tau W^T, de_a = h_aa."""
    if slopes is None:
        return None
    tensors = [
        _weighted(vectors, weights, pulled)
        for weights in (slopes.stress_by_field, slopes.source_by_strain)
    ]
    stress, source = (
        jnp.stack([tensor[i][j] for i in range(3) for j in range(3)], axis=1) for tensor in tensors
    )
    return FieldCoupling(_source(law, result), stress, source, slopes.source_by_field)


def _divided_difference(
    strain: Principal, stress: Principal, slopes: Matrix, a: int, b: int
) -> tuple[Scalar, Scalar]:
    """Gap e_a - e_b, and (tau_a - tau_b) / (e_a - e_b) or its limit."""
    gap = strain[a] - strain[b]
    repeated = jnp.abs(gap) < _REPEATED_STRAIN_GAP
    limit = 0.5 * (slopes[a][a] - slopes[a][b] + slopes[b][b] - slopes[b][a])
    quotient = (stress[a] - stress[b]) / jnp.where(repeated, 1.0, gap)
    return gap, jnp.where(repeated, limit, quotient)


Coefficients = dict[tuple[int, int, int, int], Scalar]
"""Nonzero components (a, b, c, d) of the tangent in the eigenbasis: dP_ab per dF_cd."""


def _finite_coefficients(strain: Principal, tau: Principal, slopes: Matrix) -> Coefficients:
    coefficients: Coefficients = {}
    for a in range(3):
        for c in range(3):
            coefficients[a, a, c, c] = slopes[a][c] - (tau[a] if a == c else 0.0)
    for a, b in ((0, 1), (1, 2), (0, 2)):
        gap, quotient = _divided_difference(strain, tau, slopes, a, b)
        distinct = jnp.abs(gap) > 0.0
        safe = jnp.where(distinct, gap, 1.0)
        toward_b = quotient * jnp.where(distinct, safe / jnp.expm1(2.0 * safe), 0.5)
        toward_a = toward_b + quotient * gap
        coefficients[a, b, a, b] = toward_b
        coefficients[b, a, b, a] = toward_a
        coefficients[a, b, b, a] = toward_a - tau[a]
        coefficients[b, a, a, b] = toward_b - tau[b]
    return coefficients


def _small_coefficients(strain: Principal, sigma: Principal, slopes: Matrix) -> Coefficients:
    coefficients: Coefficients = {}
    for a in range(3):
        for c in range(3):
            coefficients[a, a, c, c] = slopes[a][c]
    for a, b in ((0, 1), (1, 2), (0, 2)):
        half = 0.5 * _divided_difference(strain, sigma, slopes, a, b)[1]
        coefficients[a, b, a, b] = coefficients[b, a, b, a] = half
        coefficients[a, b, b, a] = coefficients[b, a, a, b] = half
    return coefficients


def _turn_back(coefficients: Coefficients, vectors: Matrix, pulled: Matrix) -> jax.Array:
    """Tangent (n, 81) from its components in the bases V (current) and W (reference)."""
    zero = jnp.zeros_like(vectors[0][0])
    indices = [(a, b) for a in range(3) for b in range(3)]
    middle = jnp.stack(
        [coefficients.get((a, b, c, d), zero) for a, b in indices for c, d in indices], axis=1
    ).reshape(-1, 9, 9)
    middle = _computed_once(middle)
    # Small stacks and a broadcast product: stacking the 81 products is three times slower.
    current = jnp.stack([vectors[i][a] for i, a in indices], axis=1).reshape(-1, 3, 1, 3, 1)
    reference = jnp.stack([pulled[j][b] for j, b in indices], axis=1).reshape(-1, 1, 3, 1, 3)
    basis = (current * reference).reshape(-1, 9, 9)
    return (basis @ middle @ jnp.swapaxes(basis, 1, 2)).reshape(-1, 81)


def sealed(points: PointUpdate, old_state: jax.Array) -> PointUpdate:
    """Mark points that failed: NaN stress and tangent, old state.

    Parameters
    ----------
    points : PointUpdate
        What a kernel found, with the status it knows of.
    old_state : Array, shape (n, number of state variables)
        State at the start of the step.

    Returns
    -------
    PointUpdate
        Sealed; a value that is not finite where all seemed well becomes a status.
    """
    stress, new_state, status = (
        points.first_piola_kirchhoff_stress,
        points.state,
        points.status,
    )
    finite = jnp.all(jnp.isfinite(stress), axis=1) & jnp.all(jnp.isfinite(new_state), axis=1)
    status = jnp.where((status == CONVERGED) & jnp.logical_not(finite), NOT_FINITE, status)
    good = (status == CONVERGED)[:, None]
    return PointUpdate(
        jnp.where(good, stress, jnp.nan),
        jnp.where(good, points.consistent_tangent, jnp.nan),
        jnp.where(good, new_state, old_state),
        status.astype(jnp.int32),
        points.coupling,
    )
