"""First guess of fluctuation and macroscopic deformation gradient at the end of a step."""

import numpy as np

from ngcfem.loading.path import MacroscopicState
from ngcfem.quantities import FloatArray, Kinematics


def secant_guess(
    target: MacroscopicState,
    ratio: float,
    fluctuations: tuple[FloatArray, FloatArray],
    deformation_gradients: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Go on in the direction of the last step.

    Parameters
    ----------
    target : MacroscopicState
        What is prescribed at the end of the step.
    ratio : float
        Length of the step over that of the last one.
    fluctuations : tuple of ndarray, shape (owned nodes, d)
        Fluctuation now and one step earlier, in nm.
    deformation_gradients : tuple of ndarray, shape (3, 3)
        Macroscopic F now and one step earlier.

    Returns
    -------
    fluctuation : ndarray, shape (owned nodes, d)
        Guess in nm.
    deformation_gradient : ndarray, shape (3, 3)
        Guess; prescribed components hold their values.
    """
    current, previous = deformation_gradients
    guess = current + ratio * (current - previous)
    guess[target.prescribed] = target.deformation_gradient[target.prescribed]
    return fluctuations[0] + ratio * (fluctuations[0] - fluctuations[1]), guess


def affine_guess(
    target: MacroscopicState,
    fluctuation: FloatArray,
    deformation_gradient: FloatArray,
    kinematics: Kinematics,
) -> tuple[FloatArray, FloatArray]:
    """Deform the present configuration as a whole.

    Parameters
    ----------
    target : MacroscopicState
        What is prescribed at the end of the step.
    fluctuation : ndarray, shape (owned nodes, d)
        Present fluctuation in nm.
    deformation_gradient : ndarray, shape (3, 3)
        Present macroscopic F.
    kinematics : {"finite", "small"}
        Whether the free diagonal components follow from the volume.

    Returns
    -------
    fluctuation : ndarray, shape (owned nodes, d)
        Guess in nm.
    deformation_gradient : ndarray, shape (3, 3)
        Guess; prescribed components hold their values.
    """
    guess = np.where(target.prescribed, target.deformation_gradient, deformation_gradient)
    free_diagonal = ~np.diag(target.prescribed)
    if free_diagonal.any() and kinematics == "finite":
        # Plastic flow keeps the volume: scale the free diagonal so that det F stays.
        ratio = np.linalg.det(deformation_gradient) / np.linalg.det(guess)
        for axis in np.flatnonzero(free_diagonal):
            guess[axis, axis] *= ratio ** (1.0 / free_diagonal.sum())
    relative = guess @ np.linalg.inv(deformation_gradient)
    d = fluctuation.shape[1]
    return fluctuation @ relative[:d, :d].T, guess
