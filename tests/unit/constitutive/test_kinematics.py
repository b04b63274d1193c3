import numpy as np
import pytest

from ngcfem.constitutive.kinematics import SYMMETRIC_PAIRS, symmetric_eigen


def rotations(n, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, 3, 3)))[0]


def decompose(tensors):
    components = [tensors[:, i, j] for i, j in SYMMETRIC_PAIRS]
    values, vectors = symmetric_eigen(components)
    V = np.array([[np.asarray(v) for v in row] for row in vectors])
    return np.stack([np.asarray(x) for x in values], axis=1), np.moveaxis(V, 2, 0)


@pytest.mark.parametrize(
    "spectrum",
    [
        [1.0, 2.0, 3.0],
        [1.0, 1.0, 1.0],
        [1.0, 1.0, 2.0],
        [1.0, 1.0 + 1e-15, 1.0 - 1e-9],
        [1.0, 1.0 + 1e-7, 5.0],
        [1e-8, 1.0, 1e8],
        [0.0, 0.0, 0.0],
        [-1.0, 0.0, 1.0],
    ],
)
def test_eigenvalues_and_vectors_of_any_spectrum(spectrum):
    Q = rotations(50)
    tensors = (Q * np.array(spectrum)) @ np.swapaxes(Q, 1, 2)
    values, V = decompose(tensors)
    size = max(np.abs(spectrum).max(), 1e-300)
    np.testing.assert_allclose(
        np.sort(values, axis=1) / size,
        np.sort(np.linalg.eigvalsh(tensors), axis=1) / size,
        rtol=0,
        atol=5e-15,
    )
    identity = np.broadcast_to(np.eye(3), V.shape)
    np.testing.assert_allclose(np.swapaxes(V, 1, 2) @ V, identity, rtol=0, atol=5e-15)
    rebuilt = (V * values[:, None, :]) @ np.swapaxes(V, 1, 2)
    np.testing.assert_allclose(rebuilt / size, tensors / size, rtol=0, atol=5e-15)


def test_a_diagonal_tensor_is_left_as_it_is():
    values, V = decompose(np.diag([3.0, 1.0, 2.0])[None])
    np.testing.assert_array_equal(values, [[3.0, 1.0, 2.0]])
    np.testing.assert_array_equal(V[0], np.eye(3))
