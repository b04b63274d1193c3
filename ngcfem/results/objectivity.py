"""How much of a result the mesh decides: a run on two meshes, held against each other."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ngcfem.quantities import FloatArray
from ngcfem.results.bands import BandReport
from ngcfem.results.increment import Increment

LARGEST_CURVE_DIFFERENCE = 0.02
"""Difference of curve or dissipation that counts as none; a fine mesh cannot be had for less."""
LARGEST_WIDTH_DIFFERENCE = 0.1
"""The same for the width of a band, which whole elements above a threshold decide."""
_SAME_TIME = 1e-9


@dataclass(frozen=True, eq=False)
class CurveComparison:
    """Two runs of one load path, at the times that both have reached exactly.

    Parameters
    ----------
    steps : int
        Number of accepted steps that both share, the undeformed state not counted.
    time_s : float
        The last of them.
    largest_difference : float
        Largest norm of the difference of the macroscopic nominal stresses, over the largest norm
        of the stress on the fine mesh.
    time_of_largest_s : float
        Where it is.
    root_mean_square : float
        Root mean square of the same.
    final_difference : float
        The same at the end, signed as the norm of the fine less that of the coarse stress.
    """

    steps: int
    time_s: float
    largest_difference: float
    time_of_largest_s: float
    root_mean_square: float
    final_difference: float


@dataclass(frozen=True, eq=False)
class Energy:
    """Where the work on a cell has gone, per undeformed volume; GPa = nN nm / nm^3.

    Parameters
    ----------
    work_gpa : float
        Work of the macroscopic stress.
    elastic_gpa : float
        Mean elastic energy; NaN if a law has no isotropic elastic constants.
    dissipated_gpa : float
        The difference.
    """

    work_gpa: float
    elastic_gpa: float
    dissipated_gpa: float


def compare_steps(coarse: Sequence[Increment], fine: Sequence[Increment]) -> CurveComparison | None:
    """Hold the curve of a run on a coarse mesh against that on a fine one.

    Parameters
    ----------
    coarse, fine : sequence of Increment
        Accepted steps of the same load path, the undeformed state first.

    Returns
    -------
    CurveComparison or None
        None if they share no step.

    Notes
    -----
    Only steps that end at the same time are compared: between steps the curve is not known, and
    interpolation over a peak would be taken for an effect of the mesh. All components of the stress
    count, so that shear and platens are compared as well as uniaxial stress.
    """
    pairs = _shared_steps(coarse, fine)
    if not pairs:
        return None
    time = np.array([steps[0].time_s for steps in pairs])
    first, second = (
        np.array([steps[side].first_piola_kirchhoff_stress for steps in pairs]) for side in (0, 1)
    )
    scale = max(float(np.linalg.norm(second, axis=(1, 2)).max()), 1e-300)
    difference = np.linalg.norm(second - first, axis=(1, 2)) / scale
    largest = int(np.argmax(difference))
    norms = [float(np.linalg.norm(side[-1])) for side in (first, second)]
    return CurveComparison(
        steps=len(pairs),
        time_s=float(time[-1]),
        largest_difference=float(difference[largest]),
        time_of_largest_s=float(time[largest]),
        root_mean_square=float(np.sqrt(np.mean(difference**2))),
        final_difference=(norms[1] - norms[0]) / scale,
    )


def _shared_steps(
    coarse: Sequence[Increment], fine: Sequence[Increment]
) -> list[tuple[Increment, Increment]]:
    scale = max((step.time_s for step in (*coarse, *fine)), default=0.0)
    times = np.array([step.time_s for step in fine])
    pairs = []
    for step in coarse[1:]:
        nearest = int(np.argmin(np.abs(times - step.time_s))) if len(times) else 0
        if nearest > 0 and abs(times[nearest] - step.time_s) <= _SAME_TIME * scale:
            pairs.append((step, fine[nearest]))
    return pairs


def energy_at(
    increments: Sequence[Increment], time_s: float, axial: int | None = None
) -> Energy | None:
    """Work, elastic energy and dissipation up to a step.

    Parameters
    ----------
    increments : sequence of Increment
        Accepted steps, the undeformed state first.
    time_s : float
        Time of the step.
    axial : int or None
        The only component along which loads work: the axis of platens, whose faces hold or slip
        without work. None: all components work.

    Returns
    -------
    Energy or None
        None if no step ends there.

    Notes
    -----
    The work is the sum of the mean stress of each step times its change of F, second order in the
    step. Dissipation includes that of a viscosity; the energy of the micromorphic form is not part
    of the elastic energy and so counts as dissipated.
    """
    scale = max((step.time_s for step in increments), default=0.0)
    work = 0.0
    for before, after in itertools.pairwise(increments):
        stress = 0.5 * (before.first_piola_kirchhoff_stress + after.first_piola_kirchhoff_stress)
        product = stress * (after.deformation_gradient - before.deformation_gradient)
        work += float(product.sum() if axial is None else product[axial, axial])
        if abs(after.time_s - time_s) <= _SAME_TIME * scale:
            elastic = after.elastic_energy_gpa
            return Energy(work, elastic, work - elastic)
    return None


def band_width_nm(report: BandReport) -> float | None:
    """Width of the band with the largest volume.

    Parameters
    ----------
    report : BandReport
        The bands of a field.

    Returns
    -------
    float or None
        None without a band.
    """
    return report.bands[0].width_nm if report.bands else None


def mean_element_size_nm(volume: FloatArray, dimension: int) -> float:
    """Edge of the regular triangle or tetrahedron of the mean element, by number.

    Parameters
    ----------
    volume : ndarray, shape (m,)
        Areas or volumes of the elements.
    dimension : int
        2 or 3.

    Returns
    -------
    float
        Edge in nm.
    """
    unit = 3.0**0.5 / 4.0 if dimension == 2 else 2.0**0.5 / 12.0
    return float((np.mean(volume) / unit) ** (1.0 / dimension))
