"""Macroscopic load paths: what is prescribed of the deformation gradient and the nominal stress.

A path is a list of segments; each segment is cut into the equal increments asked for. A position on
the path is a real number ``s`` that runs from 0 (undeformed) to the number of increments, so that a
cut-back is a shorter step in ``s`` and the integers are the states asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ngcfem.quantities import AXIS_INDEX, BoolArray, FloatArray

OUT_OF_PLANE: BoolArray = np.array(
    [[False, False, True], [False, False, True], [True, True, True]], dtype=bool
)
"""Components of F that plane strain in x-y prescribes: F33 = 1, the others 0."""


@dataclass(frozen=True, eq=False)
class MacroscopicState:
    """What the path prescribes at one position.

    Parameters
    ----------
    time_s : float
        Time since the start of the path.
    prescribed : ndarray of bool, shape (3, 3)
        True where the deformation gradient is prescribed, False where the nominal stress is.
    deformation_gradient : ndarray, shape (3, 3)
        Prescribed components; entries that are free hold 0.
    first_piola_kirchhoff_stress : ndarray, shape (3, 3)
        Nominal stress in GPa of the free components; 0 elsewhere.
    """

    time_s: float
    prescribed: BoolArray
    deformation_gradient: FloatArray
    first_piola_kirchhoff_stress: FloatArray


@dataclass(frozen=True, eq=False)
class LoadSegment:
    """One segment of a path, linear in F or in the logarithm of one axial stretch.

    Parameters
    ----------
    deformation_gradient : ndarray, shape (3, 3)
        Values at the end of the segment relative to the undeformed cell; NaN marks a free entry.
    first_piola_kirchhoff_stress_gpa : ndarray, shape (3, 3)
        Nominal stress at the end of the segment, used where the deformation gradient is free.
    duration_s : float
        Time the segment takes.
    increments : int
        Number of equal increments asked for.
    logarithmic_axis : int or None
        Axis whose diagonal component grows linearly in true strain instead of linearly in F.
    """

    deformation_gradient: FloatArray
    first_piola_kirchhoff_stress_gpa: FloatArray
    duration_s: float
    increments: int
    logarithmic_axis: int | None = None

    @property
    def prescribed(self) -> BoolArray:
        """Mask of the prescribed components of the deformation gradient."""
        return ~np.isnan(self.deformation_gradient)


class LoadPath:
    """A sequence of segments that starts at the undeformed, stress-free cell.

    Parameters
    ----------
    segments : sequence of LoadSegment
        At least one. A component that is free in one segment and prescribed in the next starts, in
        the next, from the value it has reached: ``at`` takes that value as an argument.
    axis : {"x", "y", "z"}
        Axis that ``true_strain`` and the other scalar measures refer to.

    Raises
    ------
    ValueError
        If there is no segment, or a segment frees both (i, j) and (j, i): the rotation of the cell
        would then be undetermined.
    """

    def __init__(self, segments: Sequence[LoadSegment], axis: str = "z") -> None:
        if not segments:
            raise ValueError("a load path needs at least one segment")
        for number, segment in enumerate(segments, start=1):
            free = ~segment.prescribed
            pairs = [(i, j) for i in range(3) for j in range(i) if free[i, j] and free[j, i]]
            if pairs:
                raise ValueError(
                    f"segment {number} frees both F{pairs[0][1] + 1}{pairs[0][0] + 1} and "
                    f"F{pairs[0][0] + 1}{pairs[0][1] + 1}: the rotation of the cell is undetermined"
                )
        self.segments: tuple[LoadSegment, ...] = tuple(segments)
        self.axis = axis
        self.starts: tuple[int, ...] = tuple(
            int(n) for n in np.cumsum([0, *(segment.increments for segment in segments)])
        )

    @property
    def duration_s(self) -> float:
        """Time of the whole path."""
        return float(sum(segment.duration_s for segment in self.segments))

    @property
    def increments(self) -> int:
        """Total number of increments asked for."""
        return self.starts[-1]

    @property
    def axis_index(self) -> int:
        """Index of the axis the scalar measures refer to."""
        return AXIS_INDEX[self.axis]

    @property
    def is_plane_strain(self) -> bool:
        """Whether every segment prescribes F33 = 1 and no shear along z."""
        identity = np.eye(3)
        return all(
            np.array_equal(segment.deformation_gradient[OUT_OF_PLANE], identity[OUT_OF_PLANE])
            for segment in self.segments
        )

    def segment_at(self, s: float) -> tuple[int, float]:
        """Number of the segment that ends at or after ``s``, and the fraction of it done at ``s``.

        Parameters
        ----------
        s : float
            Position, larger than 0 and at most ``increments``.

        Returns
        -------
        tuple of int and float
            Segment number from 0, fraction in (0, 1].
        """
        number = int(np.searchsorted(self.starts, s - 1e-12, side="right")) - 1
        number = min(max(number, 0), len(self.segments) - 1)
        fraction = (s - self.starts[number]) / self.segments[number].increments
        return number, min(max(fraction, 0.0), 1.0)

    def at(
        self,
        s: float,
        segment_start_deformation_gradient: FloatArray,
        segment_start_stress: FloatArray,
    ) -> MacroscopicState:
        """What the path prescribes at position ``s``.

        Parameters
        ----------
        s : float
            Position, larger than 0 and at most ``increments``.
        segment_start_deformation_gradient : ndarray, shape (3, 3)
            Deformation gradient reached at the start of the segment that ``s`` lies in.
        segment_start_stress : ndarray, shape (3, 3)
            Nominal stress in GPa reached there.

        Returns
        -------
        MacroscopicState
            Prescribed components at ``s``.
        """
        number, fraction = self.segment_at(s)
        segment = self.segments[number]
        prescribed = segment.prescribed
        start = segment_start_deformation_gradient
        target = np.where(prescribed, segment.deformation_gradient, start)
        deformation_gradient = (1.0 - fraction) * start + fraction * target
        if segment.logarithmic_axis is not None:
            a = segment.logarithmic_axis
            deformation_gradient[a, a] = np.exp(
                (1.0 - fraction) * np.log(start[a, a]) + fraction * np.log(target[a, a])
            )
        stress = (1.0 - fraction) * segment_start_stress + (
            fraction * segment.first_piola_kirchhoff_stress_gpa
        )
        time_s = sum(done.duration_s for done in self.segments[:number])
        return MacroscopicState(
            time_s=time_s + fraction * segment.duration_s,
            prescribed=prescribed,
            deformation_gradient=np.where(prescribed, deformation_gradient, 0.0),
            first_piola_kirchhoff_stress=np.where(prescribed, 0.0, stress),
        )


def uniaxial_stress(
    axis: str,
    true_strain: float | Sequence[float],
    rate_per_s: float,
    increments: int | Sequence[int],
    dimension: int = 3,
) -> LoadPath:
    """Build a uniaxial-stress path in equal steps of true strain.

    Parameters
    ----------
    axis : {"x", "y", "z"}
        Loading axis.
    true_strain : float or sequence of float
        Logarithmic strain ln F_aa at the end of the path, or at the end of each segment (loading,
        unloading, reloading).
    rate_per_s : float
        Magnitude of the true strain rate.
    increments : int or sequence of int
        Number of increments of each segment.
    dimension : int
        3, or 2 for plane strain in x-y.

    Returns
    -------
    LoadPath
        Path that prescribes F_aa and three off-diagonal zeros, and leaves the other five components
        stress-free. In plane strain F33 = 1 is kept, and the two other in-plane components are
        free.

    Raises
    ------
    ValueError
        If the axis is normal to the plane.

    Notes
    -----
    With a, b, c the cyclic axes, F_ab = F_ac = F_cb = 0 keeps planes normal to the axis normal to
    it and removes the rotation; the balance of moments then makes every Cauchy component but
    sigma_aa (in plane strain, and sigma_zz) vanish.
    """
    if dimension == 2 and axis == "z":
        raise ValueError("in plane strain the load is along x or y")
    strains = np.atleast_1d(np.asarray(true_strain, dtype=float))
    counts = np.broadcast_to(np.atleast_1d(np.asarray(increments, dtype=int)), strains.shape)
    a = AXIS_INDEX[axis]
    b, c = (a + 1) % 3, (a + 2) % 3
    segments = []
    previous = 0.0
    for strain, count in zip(strains, counts, strict=True):
        target = np.full((3, 3), np.nan)
        target[a, b] = target[a, c] = target[c, b] = 0.0
        target[a, a] = np.exp(strain)
        if dimension == 2:
            target[OUT_OF_PLANE] = np.eye(3)[OUT_OF_PLANE]
        segments.append(
            LoadSegment(
                deformation_gradient=target,
                first_piola_kirchhoff_stress_gpa=np.zeros((3, 3)),
                duration_s=abs(float(strain) - previous) / rate_per_s,
                increments=int(count),
                logarithmic_axis=a,
            )
        )
        previous = float(strain)
    return LoadPath(segments, axis=axis)
