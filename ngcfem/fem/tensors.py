"""Row-major 3x3 tensors at many points."""

import numpy as np

from ngcfem.quantities import FloatArray


def determinants(tensor: FloatArray) -> FloatArray:
    """Determinants.

    Parameters
    ----------
    tensor : ndarray, shape (n, 9)
        Row-major tensors.

    Returns
    -------
    ndarray, shape (n,)
        Determinants.
    """
    a, b, c, d, e, f, g, h, i = tensor.T
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def transposed_inverses(tensor: FloatArray) -> FloatArray:
    """Transposes of the inverses, by cofactors.

    Parameters
    ----------
    tensor : ndarray, shape (n, 9)
        Row-major tensors.

    Returns
    -------
    ndarray, shape (n, 9)
        Row-major; not finite for a singular tensor.
    """
    a, b, c, d, e, f, g, h, i = tensor.T
    cofactors = np.stack(
        [
            e * i - f * h,
            f * g - d * i,
            d * h - e * g,
            c * h - b * i,
            a * i - c * g,
            b * g - a * h,
            b * f - c * e,
            c * d - a * f,
            a * e - b * d,
        ],
        axis=1,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            cofactors / (a * cofactors[:, 0] + b * cofactors[:, 1] + c * cofactors[:, 2])[:, None]
        )


def trace(tensor: FloatArray) -> FloatArray:
    """Traces.

    Parameters
    ----------
    tensor : ndarray, shape (n, 9)
        Row-major tensors.

    Returns
    -------
    ndarray, shape (n,)
        Traces.
    """
    return tensor[:, 0] + tensor[:, 4] + tensor[:, 8]


def cauchy_stress(
    deformation_gradient: FloatArray, first_piola_kirchhoff_stress: FloatArray
) -> FloatArray:
    """Cauchy stress P F^T / det F.

    Parameters
    ----------
    deformation_gradient : ndarray, shape (n, 9)
        F, row-major.
    first_piola_kirchhoff_stress : ndarray, shape (n, 9)
        Nominal stress P in GPa, row-major.

    Returns
    -------
    ndarray, shape (n, 9)
        Cauchy stress in GPa, row-major.
    """
    F = deformation_gradient.reshape(-1, 3, 3)
    P = first_piola_kirchhoff_stress.reshape(-1, 3, 3)
    kirchhoff = np.matmul(P, F.transpose(0, 2, 1))
    return kirchhoff.reshape(-1, 9) / determinants(deformation_gradient)[:, None]


def mises_stress(stress: FloatArray) -> FloatArray:
    """Von Mises equivalent of a symmetric stress.

    Parameters
    ----------
    stress : ndarray, shape (n, 9)
        Symmetric stress, row-major.

    Returns
    -------
    ndarray, shape (n,)
        sqrt(3/2 s:s) in the unit of the stress.
    """
    deviator = stress - trace(stress)[:, None] / 3.0 * np.eye(3).ravel()
    return np.sqrt(1.5 * np.einsum("nk,nk->n", deviator, deviator))
