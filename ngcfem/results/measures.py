"""How axial strains and stresses are defined, and their values in a macroscopic state."""

from enum import StrEnum

import numpy as np

from ngcfem.quantities import AXIS_INDEX, Axis, FloatArray, Kinematics


class StrainMeasure(StrEnum):
    """How an axial strain is defined."""

    TRUE = "true"
    """Logarithmic strain, ln F_aa."""
    ENGINEERING = "engineering"
    """Change of length over initial length, F_aa - 1."""


class StressMeasure(StrEnum):
    """How an axial stress is defined."""

    CAUCHY = "cauchy"
    """Force over the current area as the model deforms it: the true stress proper."""
    VOLUME_CONSERVING_TRUE = "volume-conserving true"
    """Engineering stress times exp(true strain): what a pillar test calls true stress."""
    ENGINEERING = "engineering"
    """Force over the initial area, P_aa."""


def axial_measures(
    deformation_gradient: FloatArray,
    first_piola_kirchhoff_stress: FloatArray,
    axis: Axis,
    kinematics: Kinematics,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Axial strain and stresses of a series of macroscopic states.

    Parameters
    ----------
    deformation_gradient : ndarray, shape (n, 3, 3)
        Macroscopic F; with small kinematics, I plus the displacement gradient.
    first_piola_kirchhoff_stress : ndarray, shape (n, 3, 3)
        Macroscopic P in GPa; with small kinematics, the stress.
    axis : {"x", "y", "z"}
        Axis a.
    kinematics : {"finite", "small"}
        Kinematics of the run.

    Returns
    -------
    true_strain : ndarray, shape (n,)
        ln F_aa.
    engineering_stress_gpa : ndarray, shape (n,)
        P_aa.
    cauchy_stress_gpa : ndarray, shape (n,)
        (P F^T)_aa / det F; P_aa with small kinematics.
    """
    a = AXIS_INDEX[axis]
    true_strain = np.log(deformation_gradient[:, a, a])
    engineering_stress = first_piola_kirchhoff_stress[:, a, a].copy()
    if kinematics == "small":
        return true_strain, engineering_stress, engineering_stress.copy()
    work = np.einsum("nk,nk->n", first_piola_kirchhoff_stress[:, a], deformation_gradient[:, a])
    return true_strain, engineering_stress, work / np.linalg.det(deformation_gradient)
