"""Crystal plasticity against an own solution in numpy, closed forms and the seven gates.

The oracle shares nothing with the program: systems from a table, tensors of fourth order in full,
scipy's matrix exponential and root finder with slips (not stresses) as unknowns.
"""

import itertools
import math

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import root

from ngcfem.constitutive.batch import BatchedLaw
from ngcfem.constitutive.material import Material
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import uniaxial_stress

CUBIC = {"c11_gpa": 230.0, "c12_gpa": 135.0, "c44_gpa": 117.0}
IRON = {
    **CUBIC,
    "slip_systems": "110+112",
    "rate_sensitivity": 0.05,
    "initial_slip_resistance_gpa": 1.6,
    "saturation_slip_resistance_gpa": 2.2,
    "slip_hardening_modulus_gpa": 3.0,
    "hardening_exponent": 1.5,
    "latent_hardening_ratio": 1.4,
}
POINTS = 32
CHUNK_SIZE = 64  # as in conftest.py, so that both share what is compiled
DT = 10.0

PLANES = {
    "110": [(0, 1, 1), (0, 1, -1), (1, 0, 1), (1, 0, -1), (1, 1, 0), (1, -1, 0)],
    "112": [
        (2, 1, 1), (-2, 1, 1), (2, -1, 1), (2, 1, -1),
        (1, 2, 1), (-1, 2, 1), (1, -2, 1), (1, 2, -1),
        (1, 1, 2), (-1, 1, 2), (1, -1, 2), (1, 1, -2),
    ],
}  # fmt: skip


def systems(family):
    """(plane, direction) of every system, unit vectors, from a table of planes."""
    planes = itertools.chain.from_iterable(PLANES[name] for name in family.split("+"))
    directions = ((1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1))
    return [
        (np.array(plane), np.array(direction) / math.sqrt(3.0))
        for plane, direction in itertools.product(planes, directions)
        if np.dot(plane, direction) == 0
    ]


def cubic_tensor(values):
    """C_ijkl = C12 d_ij d_kl + C44 (d_ik d_jl + d_il d_jk) + (C11 - C12 - 2 C44) on the cube."""
    eye = np.eye(3)
    cube = np.zeros((3, 3, 3, 3))
    cube[range(3), range(3), range(3), range(3)] = 1.0
    c11, c12, c44 = (values[f"c{k}_gpa"] for k in ("11", "12", "44"))
    return (
        c12 * np.einsum("ij,kl->ijkl", eye, eye)
        + c44 * (np.einsum("ik,jl->ijkl", eye, eye) + np.einsum("il,jk->ijkl", eye, eye))
        + (c11 - c12 - 2.0 * c44) * cube
    )


class Oracle:
    """One crystal point with the slips as unknowns; Kalidindi's model, Mandel stress."""

    def __init__(self, values, rotation, kinematics):
        self.values, self.kinematics = values, kinematics
        pairs = systems(values["slip_systems"])
        self.planes = [plane for plane, _ in pairs]
        self.dyads = np.array([np.outer(s, n / np.linalg.norm(n)) for n, s in pairs])
        self.stiffness = cubic_tensor(values)
        self.rotation = rotation
        self.plastic = np.eye(3) if kinematics == "finite" else np.zeros((3, 3))
        self.resistance = np.full(len(pairs), values["initial_slip_resistance_gpa"])

    def elastic(self, F, plastic):
        if self.kinematics == "small":
            strain = self.rotation.T @ (0.5 * (F + F.T) - np.eye(3)) @ self.rotation
            return None, strain - 0.5 * (plastic + plastic.T)
        elastic_F = F @ self.rotation @ np.linalg.inv(plastic)
        return elastic_F, 0.5 * (elastic_F.T @ elastic_F - np.eye(3))

    def moved(self, slips):
        flow = np.einsum("a,aij->ij", slips, self.dyads)
        return expm(flow) @ self.plastic if self.kinematics == "finite" else self.plastic + flow

    def resolved(self, F, slips):
        _, strain = self.elastic(F, self.moved(slips))
        stress = np.einsum("ijkl,kl->ij", self.stiffness, strain)
        mandel = stress
        if self.kinematics == "finite":
            mandel = (np.eye(3) + 2.0 * strain) @ stress
        return stress, np.einsum("ij,aij->a", mandel, self.dyads)

    def step(self, F, dt, guess):
        """March from a guess of the slips; nominal stress and slips."""
        m = self.values["rate_sensitivity"]
        reference = self.values.get("reference_slip_rate_per_s", 1e-3) * dt

        def residual(slips):
            tau = self.resolved(F, slips)[1]
            rate = np.sign(tau) * np.abs(tau / self.resistance) ** (1.0 / m)
            return slips - reference * rate

        found = root(residual, guess, method="hybr", tol=1e-14, options={"maxfev": 20000})
        slips = found.x
        assert np.abs(residual(slips)).max() < 1e-11
        stress, _ = self.resolved(F, slips)
        self.plastic = self.moved(slips)
        self.resistance = self.resistance + self.hardening(np.abs(slips))
        elastic_F, _ = self.elastic(F, self.plastic)
        if self.kinematics == "small":
            return self.rotation @ stress @ self.rotation.T, slips
        kirchhoff = elastic_F @ stress @ elastic_F.T
        return kirchhoff @ np.linalg.inv(F).T, slips

    def hardening(self, size):
        """Each h integrated over its own slip by many small steps of Heun's method."""
        h0 = self.values["slip_hardening_modulus_gpa"]
        end = self.values["saturation_slip_resistance_gpa"]
        exponent = self.values["hardening_exponent"]
        q = self.values["latent_hardening_ratio"]

        def slope(g):
            left = 1.0 - g / end
            return h0 * np.abs(left) ** exponent * np.sign(left)

        own, count = self.resistance.copy(), 2000
        for _ in range(count):
            first = slope(own)
            own = own + 0.5 * size / count * (first + slope(own + size / count * first))
        own = own - self.resistance
        matrix = np.array(
            [[1.0 if np.array_equal(a, b) else q for b in self.planes] for a in self.planes]
        )
        return matrix @ own


def quaternions(n, seed=0):
    q = np.random.default_rng(seed).normal(size=(n, 4))
    return q / np.linalg.norm(q, axis=1, keepdims=True)


def matrix_of(q):
    """Rotation of a quaternion by Rodrigues' formula."""
    angle = 2.0 * math.atan2(np.linalg.norm(q[1:]), q[0])
    axis = q[1:] / np.linalg.norm(q[1:])
    return expm(angle * np.cross(np.eye(3), axis))


def times(p, q):
    """Hamilton's product."""
    return np.array(
        [
            p[0] * q[0] - p[1:] @ q[1:],
            *(p[0] * q[1:] + q[0] * p[1:] + np.cross(p[1:], q[1:])),
        ]
    )


class Crystals:
    """The law at many points, padded to one size so that it is compiled once."""

    def __init__(self, kinematics, values=IRON, law="crystal-plasticity"):
        self.kinematics = kinematics
        self.law = BatchedLaw(law, kinematics, chunk_size=CHUNK_SIZE)
        self.vector = self.law.parameter_vector(values)

    def virgin(self, q):
        return self.law.initial_state(len(q), q)

    def update(self, F, state, dt=DT):
        flat = np.ascontiguousarray(np.reshape(F, (-1, 9)))
        return self.law.update(flat, state, self.vector, dt)

    def march(self, path, state, dt=DT):
        results = []
        for F in path:
            results.append(self.update(F, state, dt))
            assert np.all(results[-1].status == 0)
            state = results[-1].state
        return results

    def column(self, name):
        return self.law.state_names.index(name)

    def plastic(self, state):
        """F_p (finite) or the plastic strain (small) in the lattice frame."""
        if self.kinematics == "finite":
            return np.linalg.inv(state[:, 4:13].reshape(-1, 3, 3))
        return state[:, 4:10][:, [[0, 3, 5], [3, 1, 4], [5, 4, 2]]]


@pytest.fixture(params=["finite", "small"])
def crystals(request):
    return Crystals(request.param)


def wandering(steps, n, size, seed=0):
    increments = size * np.random.default_rng(seed).normal(size=(steps, n, 3, 3))
    return np.eye(3) + np.cumsum(increments, axis=0)


def stress_of(result):
    return result.first_piola_kirchhoff_stress.reshape(-1, 3, 3)


@pytest.mark.parametrize("family", ["110", "112", "110+112"])
def test_the_update_is_that_of_the_oracle(crystals, family):
    values = {**IRON, "slip_systems": family}
    crystals.vector = crystals.law.parameter_vector(values)
    n = 3
    q = quaternions(n, seed=5)
    path = wandering(3, n, 0.012, seed=4)
    results = crystals.march(path, crystals.virgin(q))
    flowing = 0.0
    for point in range(n):
        oracle = Oracle(values, matrix_of(q[point]), crystals.kinematics)
        state = crystals.virgin(q)[point]
        slip_before = 0.0
        for F, result in zip(path, results, strict=True):
            # The root finder needs a start near the solution: slips of the flow that was found,
            # spread evenly; which solution it finds does not depend on it.
            tau = oracle.resolved(F[point], np.zeros(len(oracle.dyads)))[1]
            guess = continuation(oracle, F[point], tau)
            stress, slips = oracle.step(F[point], DT, guess)
            found = stress_of(result)[point]
            np.testing.assert_allclose(found, stress, rtol=0, atol=1e-9 * np.abs(stress).max())
            state = result.state[point]
            slip = state[crystals.column("accumulated_slip")]
            assert abs(slip - slip_before - np.abs(slips).sum()) < 1e-9
            slip_before = slip
            gain = state[-24:]
            active = {"110": gain[:12], "112": gain[12:], "110+112": gain}[family]
            expected = np.sort(oracle.resistance) - values["initial_slip_resistance_gpa"]
            # Heun's method with 2000 steps leaves (1/2000)^2 of the gain.
            np.testing.assert_allclose(np.sort(active), expected, rtol=0, atol=1e-7)
            oracle.resistance = values["initial_slip_resistance_gpa"] + matched(
                gain, family, oracle
            )
        flowing += slip_before
    assert flowing > 0.1


def matched(gain, family, oracle):
    """Resistance gains of the program in the oracle's order of systems, by their dyads."""
    from ngcfem.constitutive.slip_systems import bcc_slip_systems

    dyads = bcc_slip_systems().schmid
    order = [
        int(np.argmin([min(np.abs(d - e).max(), np.abs(d + e).max()) for e in dyads]))
        for d in oracle.dyads
    ]
    assert len(set(order)) == len(order)
    return gain[order]


def continuation(oracle, F, tau):
    """Slips for rising exponents 1/m: each solution starts the next."""
    m_end = oracle.values["rate_sensitivity"]
    reference = oracle.values.get("reference_slip_rate_per_s", 1e-3) * DT
    slips = np.zeros(len(tau))
    for m in (1.0, 0.5, 0.3, 0.2, 0.14, 0.1, 0.07, m_end):

        def residual(x, m=m):
            drive = oracle.resolved(F, x)[1]
            rate = np.sign(drive) * np.abs(drive / oracle.resistance) ** (1.0 / m)
            return x - reference * rate

        slips = root(residual, slips, method="hybr", tol=1e-13, options={"maxfev": 20000}).x
    return slips


def test_small_steps_approach_the_differential_equation_with_first_order():
    """Many steps to one deformation: halving the step halves the difference to the limit."""
    crystals = Crystals("finite")
    q = quaternions(8, seed=2)
    end = np.diag([1.0 / math.sqrt(0.96), 1.0 / math.sqrt(0.96), 0.96])

    def stress(steps):
        fractions = np.linspace(0.0, 1.0, steps + 1)[1:]
        path = [np.tile(np.diag(np.diag(end) ** f), (8, 1, 1)) for f in fractions]
        return stress_of(crystals.march(path, crystals.virgin(q), dt=40.0 / steps)[-1])

    coarse, middle, fine = stress(10), stress(20), stress(40)
    ratio = np.linalg.norm(coarse - middle) / np.linalg.norm(middle - fine)
    assert 1.7 < ratio < 2.4
    assert np.abs(fine - middle).max() < 0.05


# The seven gates


def test_rotating_the_observer_rotates_the_stress_and_leaves_the_state(random_rotations):
    crystals = Crystals("finite")
    q = quaternions(POINTS)
    path = wandering(4, POINTS, 0.01)
    Q = random_rotations(4 * POINTS).reshape(4, POINTS, 3, 3)
    still = crystals.march(path, crystals.virgin(q))
    moving = crystals.march(Q @ path, crystals.virgin(q))
    for rotation, first, second in zip(Q, still, moving, strict=True):
        # Local solve to 1e-12 of the strain, times moduli of 300 GPa.
        np.testing.assert_allclose(
            stress_of(second), rotation @ stress_of(first), rtol=0, atol=1e-9
        )
        np.testing.assert_allclose(second.state, first.state, rtol=0, atol=1e-10)


def test_turning_specimen_and_lattice_together_turns_the_response(crystals):
    q = quaternions(POINTS)
    turn = quaternions(POINTS, seed=9)
    R = np.array([matrix_of(p) for p in turn])
    transposed = np.swapaxes(R, 1, 2)
    path = wandering(3, POINTS, 0.01)
    turned_q = np.array([times(p, o) for p, o in zip(turn, q, strict=True)])
    first = crystals.march(path, crystals.virgin(q))[-1]
    second = crystals.march(R @ path @ transposed, crystals.virgin(turned_q))[-1]
    expected = R @ stress_of(first) @ transposed
    np.testing.assert_allclose(stress_of(second), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(second.state[:, 4:], first.state[:, 4:], rtol=0, atol=1e-10)


def test_turning_the_specimen_alone_changes_the_response(crystals):
    """The negative of the gate above: the crystal is anisotropic."""
    q = quaternions(POINTS)
    R = matrix_of(quaternions(1, seed=9)[0])
    path = wandering(2, POINTS, 0.01)
    first = crystals.march(path, crystals.virgin(q))[-1]
    second = crystals.march(R @ path @ R.T, crystals.virgin(q))[-1]
    assert np.abs(stress_of(second) - R @ stress_of(first) @ R.T).max() > 0.1


def test_symmetry_operators_of_the_cube_leave_the_response(crystals):
    half = math.sqrt(0.5)
    operators = [
        (half, half, 0, 0), (half, 0, half, 0), (half, 0, 0, half), (0, 1, 0, 0), (0, 0, 1, 0),
        (0, half, half, 0), (0, half, 0, half), (0, 0, half, half), (0.5, 0.5, 0.5, 0.5),
        (0.5, -0.5, 0.5, 0.5), (0.5, 0.5, -0.5, 0.5), (0.5, 0.5, 0.5, -0.5),
    ]  # fmt: skip
    q = quaternions(1, seed=3)[0]
    all_q = np.array([q, *(times(q, np.array(o, dtype=float)) for o in operators)])
    path = np.repeat(wandering(3, 1, 0.012, seed=8), len(all_q), axis=1)
    result = crystals.march(path, crystals.virgin(all_q))[-1]
    stress = stress_of(result)
    assert np.abs(stress[0]).max() > 2.0
    np.testing.assert_allclose(stress, np.broadcast_to(stress[0], stress.shape), rtol=0, atol=1e-9)
    # An operator that is none of the cube's does change it.
    wrong = times(q, np.array([math.cos(0.3), math.sin(0.3), 0.0, 0.0]))[None]
    other = crystals.march(path[:, :1], crystals.virgin(wrong))[-1]
    assert np.abs(stress_of(other) - stress[0]).max() > 0.05


def test_zero_strain_gives_no_stress_and_no_change(crystals):
    start = crystals.virgin(quaternions(5))
    result = crystals.update(np.tile(np.eye(3), (5, 1, 1)), start)
    assert np.all(result.status == 0)
    # Q^T Q differs from I by rounding.
    assert np.abs(result.first_piola_kirchhoff_stress).max() < 1e-12
    np.testing.assert_allclose(result.state, start, rtol=0, atol=1e-12)


def test_elastic_steps_can_be_split(crystals):
    q = quaternions(POINTS)
    flowed = crystals.march(wandering(2, POINTS, 0.01), crystals.virgin(q))
    start = wandering(2, POINTS, 0.01)[-1]
    step = 1e-4 * np.random.default_rng(5).normal(size=start.shape)
    short = 1e-30  # no slip rate that a law of n = 20 has does anything in this time
    state = flowed[-1].state
    at_once = crystals.update(start + step, state, short)
    split = None
    for k in range(1, 6):
        split = crystals.update(start + k / 5.0 * step, state, short)
        state = split.state
    np.testing.assert_allclose(stress_of(split), stress_of(at_once), rtol=0, atol=1e-9)
    plastic = slice(4, 13 if crystals.kinematics == "finite" else 10)
    np.testing.assert_allclose(
        at_once.state[:, plastic], flowed[-1].state[:, plastic], rtol=0, atol=1e-13
    )


def test_slip_dissipates_and_keeps_the_volume(crystals):
    q = quaternions(POINTS)
    state = crystals.virgin(q)
    kappa = crystals.column("equivalent_plastic_strain")
    flowing = 0
    for F in wandering(5, POINTS, 0.01, seed=3):
        result = crystals.update(F, state)
        assert np.all(result.status == 0)
        before, after = crystals.plastic(state), crystals.plastic(result.state)
        S = lattice_stress(crystals, result.state)
        if crystals.kinematics == "finite":
            np.testing.assert_allclose(np.linalg.det(after), 1.0, rtol=0, atol=1e-12)
            flow = after @ np.linalg.inv(before)
            elastic_F = F @ np.array([matrix_of(p) for p in q]) @ np.linalg.inv(after)
            mandel = np.swapaxes(elastic_F, 1, 2) @ elastic_F @ S
            increment = np.array([log_near_one(matrix) for matrix in flow])
        else:
            np.testing.assert_allclose(np.trace(after, axis1=1, axis2=2), 0.0, atol=1e-14)
            increment, mandel = after - before, S
        work = np.einsum("nij,nij->n", mandel, increment)
        growth = result.state[:, kappa] - state[:, kappa]
        assert np.all(growth >= 0.0)
        assert np.all(work[growth > 1e-6] > 0.0)
        assert np.all(work >= -1e-12)
        flowing += int(np.sum(growth > 1e-3))
        state = result.state
    assert flowing > POINTS


def lattice_stress(crystals, state):
    first = crystals.column("lattice_stress_11_gpa")
    mandel = state[:, first : first + 6] / np.array([1, 1, 1, *(3 * [math.sqrt(2.0)])])
    return mandel[:, [[0, 3, 5], [3, 1, 4], [5, 4, 2]]]


def log_near_one(matrix):
    """Logarithm of a matrix near I by its series."""
    X = matrix - np.eye(3)
    assert np.linalg.norm(X) < 0.3
    return sum((-1) ** (k + 1) / k * np.linalg.matrix_power(X, k) for k in range(1, 40))


def test_the_same_update_gives_the_same_answer_and_leaves_its_input(crystals):
    F = wandering(1, POINTS, 0.02)[0]
    state = crystals.virgin(quaternions(POINTS))
    before = state.copy()
    first, second = crystals.update(F, state), crystals.update(F, state)
    np.testing.assert_array_equal(state, before)
    np.testing.assert_array_equal(first.state, second.state)
    np.testing.assert_array_equal(first.consistent_tangent, second.consistent_tangent)


@pytest.mark.parametrize("m", [0.02, 0.2])
def test_tangent_against_differences(crystals, m):
    crystals.vector = crystals.law.parameter_vector({**IRON, "rate_sensitivity": m})
    path = wandering(2, POINTS, 0.012, seed=7)
    state = crystals.march(path[:1], crystals.virgin(quaternions(POINTS)))[0].state
    F, h = path[1], 1e-5
    columns = []
    for k in range(9):
        direction = np.zeros(9)
        direction[k] = h
        shift = direction.reshape(3, 3)

        def stress(factor, shift=shift):
            return crystals.update(F + factor * shift, state).first_piola_kirchhoff_stress

        columns.append((8.0 * (stress(1) - stress(-1)) - (stress(2) - stress(-2))) / (12.0 * h))
    expected = np.stack(columns, axis=2).reshape(-1, 81)
    result = crystals.update(F, state)
    assert np.all(result.status == 0)
    error = np.abs(expected - result.consistent_tangent).max(1) / np.abs(expected).max(1)
    # Rounding 1e-16 * 300 GPa / 1e-5 is 1e-11 of the stiffness; the stencil's own error grows with
    # the fifth derivative of |tau|^(1/m).
    assert np.median(error) < 1e-9
    assert error.max() < 1e-6


def test_tangent_of_the_associated_law_is_symmetric_in_small_strain():
    crystals = Crystals("small")
    F = wandering(1, POINTS, 0.02)[0]
    result = crystals.update(F, crystals.virgin(quaternions(POINTS)))
    A = result.consistent_tangent.reshape(-1, 9, 9)
    assert np.abs(A - np.swapaxes(A, 1, 2)).max() < 1e-10 * np.abs(A).max()


# Closed forms


def test_youngs_modulus_by_direction():
    """1/E = S11 - 2 (S11 - S12 - S44/2)(l^2 m^2 + m^2 n^2 + n^2 l^2), through uniaxial stress."""
    c11, c12, c44 = CUBIC.values()
    s11 = (c11 + c12) / ((c11 - c12) * (c11 + 2.0 * c12))
    s12 = -c12 / ((c11 - c12) * (c11 + 2.0 * c12))
    material = Material("crystal", "cubic-elastic", CUBIC)
    # E[100] 130.1, E[110] 219.4, E[111] 284.4 GPa of constitutive tables for these constants
    cases = [((0, 0, 1), 130.1), ((1, 1, 0), 219.4), ((1, 1, 1), 284.4), ((1, 2, 5), None)]
    for direction, tabulated in cases:
        d = np.array(direction) / np.linalg.norm(direction)
        mixed = d[0] ** 2 * d[1] ** 2 + d[1] ** 2 * d[2] ** 2 + d[2] ** 2 * d[0] ** 2
        expected = 1.0 / (s11 - 2.0 * (s11 - s12 - 0.5 / c44) * mixed)
        *_, last = drive_point(
            material,
            uniaxial_stress("z", -1e-3, 1e-3, 1),
            "small",
            orientation=along_z(d),
        )
        strain = last.deformation_gradient[2, 2] - 1.0
        found = last.first_piola_kirchhoff_stress[2, 2] / strain
        assert abs(found / expected - 1.0) < 1e-9
        if tabulated is not None:
            assert abs(found / tabulated - 1.0) < 5e-4


def along_z(direction):
    """Quaternion of the shortest rotation that takes a lattice direction to z."""
    axis = np.cross(direction, [0.0, 0.0, 1.0])
    q = np.array([1.0 + direction[2], *axis])
    return q / np.linalg.norm(q)


def test_isotropic_constants_give_the_isotropic_law_in_small_strain():
    shear, bulk = 50.0, 130.0
    lame = bulk - 2.0 / 3.0 * shear
    values = {"c11_gpa": lame + 2.0 * shear, "c12_gpa": lame, "c44_gpa": shear}
    crystals = Crystals("small", values, "cubic-elastic")
    F = wandering(1, 8, 0.01)[0]
    found = stress_of(crystals.update(F, crystals.virgin(quaternions(8))))
    E = 9.0 * bulk * shear / (3.0 * bulk + shear)
    elastic = BatchedLaw("elastic", "small", chunk_size=CHUNK_SIZE)
    vector = elastic.parameter_vector(
        {"youngs_modulus_gpa": E, "poisson_ratio": E / (2.0 * shear) - 1.0}
    )
    expected = elastic.update(F.reshape(-1, 9), elastic.initial_state(8), vector, 1.0)
    np.testing.assert_allclose(found, stress_of(expected), rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("family", "direction", "factor"),
    [
        ("110", (0, 0, 1), 6.0**-0.5),
        ("110", (1, 1, 1), 2.0 / 54.0**0.5),
        ("110", (0, 1, 1), 6.0**-0.5),
        ("110+112", (0, 0, 1), 2.0**0.5 / 3.0),
        ("110+112", (1, 1, 1), 8.0**0.5 / 9.0),
        ("110+112", (0, 1, 1), 2.0**0.5 / 3.0),
    ],
)
def test_largest_schmid_factor(family, direction, factor):
    from ngcfem.constitutive.slip_systems import SLIP_FAMILIES, active_systems, bcc_slip_systems

    d = np.array(direction) / np.linalg.norm(direction)
    schmid = np.abs(np.einsum("i,aij,j->a", d, bcc_slip_systems().schmid, d))
    active = active_systems(SLIP_FAMILIES.index(family)) > 0.0
    assert abs(schmid[active].max() - factor) < 1e-12


def test_uniaxial_stress_of_single_crystals_meets_schmids_law_with_its_rate():
    """Perfectly plastic crystal: sigma from strain rate = sum of rates at equal Schmid factors.

    Along [001] with {110}: eight systems of the same Schmid factor M = 1/sqrt(6), so that the
    axial plastic strain rate is 8 M gamma'_0 (sigma M / g)^(1/m).
    """
    m, g, rate = 0.05, 1.6, 1e-3
    values = {**CUBIC, "slip_systems": "110", "rate_sensitivity": m,
              "initial_slip_resistance_gpa": g}  # fmt: skip
    factor = 1.0 / math.sqrt(6.0)
    youngs_modulus = 95.0 * 500.0 / 365.0  # along [001]: (C11 - C12)(C11 + 2 C12)/(C11 + C12)
    stresses, plastic_rates = [], []
    for strain_rate in (rate, 10.0 * rate):
        path = uniaxial_stress("z", -0.1, strain_rate, 20)
        *_, before, last = drive_point(
            Material("crystal", "crystal-plasticity", values),
            path,
            "small",
            orientation=np.array([1.0, 0.0, 0.0, 0.0]),
        )
        stresses.append(-last.first_piola_kirchhoff_stress[2, 2])
        # The rate of the small strain falls a little along a path in true strain, and so the
        # stress: the plastic rate of the last step is the whole less the elastic one.
        change = last.deformation_gradient - before.deformation_gradient
        unloading = last.first_piola_kirchhoff_stress - before.first_piola_kirchhoff_stress
        plastic = -(change - unloading / youngs_modulus)[2, 2]
        plastic_rate = plastic / (last.time_s - before.time_s)
        plastic_rates.append(plastic_rate)
        expected = g / factor * (plastic_rate / (8.0 * factor * 1e-3)) ** m
        assert abs(stresses[-1] / expected - 1.0) < 1e-8
    # Ten times the rate: the slope of the power law is m exactly.
    slope = math.log(stresses[1] / stresses[0]) / math.log(plastic_rates[1] / plastic_rates[0])
    assert abs(slope - m) < 1e-8


def test_unloading_is_elastic_and_reloading_comes_back():
    """At m = 0.02 a system that keeps 0.8 of its stress slips 0.8^50 = 1e-5 times as fast."""
    crystals = Crystals("small", {**IRON, "rate_sensitivity": 0.02})
    q = quaternions(POINTS, seed=8)
    direction = np.diag([0.5, 0.5, -1.0])
    loaded = [np.eye(3) + 0.004 * k * direction for k in range(1, 11)]
    path = [np.broadcast_to(F, (POINTS, 3, 3)) for F in loaded]
    before = crystals.march(path, crystals.virgin(q))[-1]
    slip = before.state[:, crystals.column("accumulated_slip")]
    assert slip.min() > 0.02
    # a third of the elastic strain: no crystal flows backwards
    back = 0.006 * direction
    after = crystals.update(path[-1] - back, before.state)
    # reloaded so fast that nothing relaxes on the way
    again = crystals.update(path[-1], after.state, 1e-4)
    elastic = np.array(
        [
            np.einsum("ai,bj,ck,dl,ijkl,cd->ab", *(4 * [matrix_of(row)]), cubic_tensor(IRON), back)
            for row in q
        ]
    )
    change = stress_of(before) - stress_of(after)
    scale = np.abs(elastic).max()
    np.testing.assert_allclose(change, elastic, rtol=0, atol=1e-4 * scale)
    np.testing.assert_allclose(stress_of(again), stress_of(before), rtol=0, atol=1e-4 * scale)
    moved = after.state[:, crystals.column("accumulated_slip")] - slip
    assert 0.0 <= moved.max() < 1e-6


def test_a_jump_of_the_rate_within_a_run_multiplies_the_stress():
    """Without hardening ten times the rate gives 10^m times the stress, and back again."""
    crystals = Crystals("small")
    m = 0.05
    values = {**CUBIC, "slip_systems": "110+112", "rate_sensitivity": m,
              "initial_slip_resistance_gpa": 1.6}  # fmt: skip
    crystals.vector = crystals.law.parameter_vector(values)
    q = quaternions(POINTS, seed=9)
    direction = np.diag([0.5, 0.5, -1.0])
    state = crystals.virgin(q)
    stresses = []
    for k, dt in enumerate([10.0] * 100 + [1.0] * 100 + [10.0] * 100, start=1):
        F = np.broadcast_to(np.eye(3) + 0.005 * k * direction, (POINTS, 3, 3))
        result = crystals.update(F, state, dt)
        assert np.all(result.status == 0)
        state = result.state
        stresses.append(stress_of(result)[:, 2, 2])
    slow, fast, again = stresses[99], stresses[199], stresses[299]
    # steady flow: with the strain rate the resolved stress of every system scales by 10^m
    # after half a strain the slowest of the crystals has settled to 2e-6
    np.testing.assert_allclose(fast / slow, 10.0**m, rtol=1e-5)
    np.testing.assert_allclose(again, slow, rtol=1e-5)


@pytest.mark.parametrize(
    ("family", "expected"),
    # 3.067: Taylor (1938) with Bishop and Hill (1951) for twelve systems {111}<110>, whose dual
    # {110}<111> has the same factor; 2.949 and 2.791 computed by linear programming.
    [("110", 3.067), ("112", 2.949), ("110+112", 2.791)],
)
def test_taylor_factor_of_a_random_polycrystal(family, expected):
    """Uniform uniaxial strain of 2000 orientations: work per strain over the slip resistance."""
    n, g, m = 2000, 0.1, 0.005
    values = {**CUBIC, "slip_systems": family, "rate_sensitivity": m,
              "initial_slip_resistance_gpa": g}  # fmt: skip
    crystals = Crystals("small", values)
    state = crystals.virgin(quaternions(n, seed=11))
    F = np.eye(3)
    result = None
    # Weak crystals, so that the elastic strain is nothing beside the plastic one.
    for k in range(1, 5):
        F = np.eye(3) + 0.005 * k * np.diag([-0.5, -0.5, 1.0])
        result = crystals.update(np.tile(F, (n, 1, 1)), state, dt=5.0)
        assert np.all(result.status == 0)
        state = result.state
    S = stress_of(result).mean(axis=0)
    taylor = (S[2, 2] - 0.5 * (S[0, 0] + S[1, 1])) / g
    # A slip rate of some 1e-3/s at the reference rate: the rate factor is within 0.5 % of 1; the
    # sample of 2000 has a standard error of 0.25 %.
    assert abs(taylor / expected - 1.0) < 0.01


def test_latent_hardening_splits_systems_by_plane():
    """One system slips: its plane gains h dgamma, every other plane q times that."""
    from ngcfem.constitutive.slip_systems import bcc_slip_systems

    values = {**IRON, "slip_systems": "110", "hardening_exponent": 1.0,
              "rate_sensitivity": 0.02}  # fmt: skip
    crystals = Crystals("small", values)
    schmid = bcc_slip_systems().schmid[0]
    # Strain of single slip, elastically pre-strained so that only this system is near yield.
    stiffness = cubic_tensor(CUBIC)
    stress = 1.6 * (schmid + schmid.T)
    strain = np.linalg.lstsq(stiffness.reshape(9, 9), stress.ravel(), rcond=None)[0].reshape(3, 3)
    state = crystals.virgin(np.array([[1.0, 0.0, 0.0, 0.0]]))
    for k in range(1, 11):
        F = np.eye(3) + 0.5 * (strain + strain.T) + 1e-4 * k * schmid
        result = crystals.update(F[None], state, dt=0.1)
        state = result.state
    gain = state[0, -24:]
    slip = state[0, crystals.column("accumulated_slip")]
    coplanar = bcc_slip_systems().coplanar[0]
    assert slip > 5e-4
    assert abs(gain[0] / ((2.2 - 1.6) * (1.0 - math.exp(-3.0 * slip / 2.2))) - 1.0) < 0.02
    np.testing.assert_allclose(gain[coplanar], gain[0], rtol=1e-12)
    np.testing.assert_allclose(gain[~coplanar], 1.4 * gain[0], rtol=2e-2)


# Robustness


def test_steps_of_three_per_cent_converge_at_small_rate_sensitivity():
    crystals = Crystals("finite", {**IRON, "rate_sensitivity": 0.02})
    rng = np.random.default_rng(1)
    for size in (1e-6, 1e-3, 1e-2, 0.02):
        for dt in (1e-6, 1.0, 1e6):
            F = np.eye(3) + size * rng.normal(size=(POINTS, 3, 3))
            result = crystals.update(F, crystals.virgin(quaternions(POINTS)), dt)
            assert np.all(result.status == 0)
            assert np.all(np.isfinite(result.consistent_tangent))


def test_what_cannot_be_solved_is_flagged_and_keeps_its_state(crystals):
    q = quaternions(4)
    state = crystals.virgin(q)
    F = np.tile(np.eye(3), (4, 1, 1))
    F[1, 0, 0] = -1.0
    F[2, 0, 0] = np.nan
    F[3] = np.eye(3) + 2.0 * np.random.default_rng(0).normal(size=(3, 3))
    result = crystals.update(F, state)
    assert result.status[0] == 0
    assert result.status[2] == 3
    if crystals.kinematics == "finite":
        assert result.status[1] == 2
    bad = result.status != 0
    assert np.all(np.isnan(result.first_piola_kirchhoff_stress[bad]))
    np.testing.assert_array_equal(result.state[bad], state[bad])
    good = ~bad
    assert np.all(np.isfinite(result.first_piola_kirchhoff_stress[good]))


def test_hall_petch_adds_to_the_resistance():
    k, d = 6.8, 25.0
    values = {**CUBIC, "initial_slip_resistance_gpa": 0.5, "slip_systems": "110"}
    plain = {**values, "initial_slip_resistance_gpa": 0.5 + k / math.sqrt(d)}
    sized = {**values, "hall_petch_coefficient_gpa_sqrt_nm": k, "crystal_diameter_nm": d}
    F = wandering(1, 8, 0.02)[0]
    crystals = Crystals("small", plain)
    expected = stress_of(crystals.update(F, crystals.virgin(quaternions(8))))
    crystals = Crystals("small", sized)
    found = stress_of(crystals.update(F, crystals.virgin(quaternions(8))))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
