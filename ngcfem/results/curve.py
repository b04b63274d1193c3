"""Stress-strain curves whose strain and stress measures are part of the type."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ngcfem.quantities import Axis, FloatArray, Kinematics
from ngcfem.results.increment import Increment
from ngcfem.results.measures import StrainMeasure, StressMeasure, axial_measures

YIELD_OFFSET = 0.002
_SLOPE_AGREEMENT = 0.05


@dataclass(frozen=True)
class InitialModulus:
    """Slope of a curve at its start.

    Parameters
    ----------
    value_gpa : float
        Secant slope of the first step in GPa.
    strain : float
        Magnitude of the strain at the end of that step.
    resolved : bool
        Whether the second step has the same slope within 5 %: if not, the first step may already
        contain plastic flow and the value is a lower bound.
    """

    value_gpa: float
    strain: float
    resolved: bool


@dataclass(frozen=True)
class OffsetYield:
    """Point at which the inelastic strain has grown to an offset.

    Parameters
    ----------
    stress_gpa : float
        Magnitude of the stress in GPa.
    strain : float
        Magnitude of the strain.
    offset : float
        Inelastic strain at that point.
    """

    stress_gpa: float
    strain: float
    offset: float


@dataclass(frozen=True, eq=False)
class StressStrainCurve:
    """Axial stress over axial strain, tension positive, in declared measures.

    Parameters
    ----------
    true_strain : ndarray, shape (n,)
        Logarithmic strain ln F_aa along the axis.
    engineering_stress_gpa : ndarray, shape (n,)
        Nominal stress P_aa in GPa.
    cauchy_stress_gpa : ndarray, shape (n,), or None
        Cauchy stress sigma_aa in GPa; None where the change of volume is not known, as in a test.
    strain_measure : StrainMeasure
        Measure that ``strain`` returns.
    stress_measure : StressMeasure
        Measure that ``stress_gpa`` returns.
    axis : {"x", "y", "z"}
        Loading axis.
    kinematics : {"finite", "small"}
        With small kinematics the three stress measures are one and the same number.

    Raises
    ------
    ValueError
        If the lengths differ, or the Cauchy stress is asked for and not known.

    Notes
    -----
    "True stress" has two meanings that differ by the elastic change of volume J (up to about 1 %
    here). The Cauchy stress divides the force by the current area of the deformed cell. A pillar
    test knows no area but the initial one and takes the volume as conserved, so its "true stress"
    is ``engineering stress x exp(true strain)``, that is ``x exp(-|strain|)`` in compression; along
    a uniaxial path this equals the Kirchhoff stress J sigma_aa.
    """

    true_strain: FloatArray
    engineering_stress_gpa: FloatArray
    cauchy_stress_gpa: FloatArray | None = None
    strain_measure: StrainMeasure = StrainMeasure.TRUE
    stress_measure: StressMeasure = StressMeasure.CAUCHY
    axis: Axis = "z"
    kinematics: Kinematics = "finite"

    def __post_init__(self) -> None:
        """Check the shapes and that the measure asked for can be given."""
        columns = [self.true_strain, self.engineering_stress_gpa]
        if self.cauchy_stress_gpa is not None:
            columns.append(self.cauchy_stress_gpa)
        elif self.stress_measure is StressMeasure.CAUCHY:
            raise ValueError(
                "the Cauchy stress of this curve is not known, because its change of volume is "
                "not: ask for the volume-conserving true or the engineering stress"
            )
        if any(column.ndim != 1 or column.shape != columns[0].shape for column in columns):
            raise ValueError("strain and stress must be one-dimensional and of the same length")

    @classmethod
    def from_increments(
        cls,
        increments: Sequence[Increment],
        axis: Axis,
        kinematics: Kinematics,
        strain_measure: StrainMeasure = StrainMeasure.TRUE,
        stress_measure: StressMeasure = StressMeasure.CAUCHY,
    ) -> Self:
        """Take the curve of a run along one axis.

        Parameters
        ----------
        increments : sequence of Increment
            Accepted steps, the undeformed state first.
        axis : {"x", "y", "z"}
            Loading axis.
        kinematics : {"finite", "small"}
            Kinematics of the run.
        strain_measure : StrainMeasure
            Measure of the strain.
        stress_measure : StressMeasure
            Measure of the stress.

        Returns
        -------
        StressStrainCurve
            One point per step.
        """
        shape = (len(increments), 3, 3)
        true_strain, engineering_stress, cauchy_stress = axial_measures(
            np.array([step.deformation_gradient for step in increments]).reshape(shape),
            np.array([step.first_piola_kirchhoff_stress for step in increments]).reshape(shape),
            axis,
            kinematics,
        )
        return cls(
            true_strain,
            engineering_stress,
            cauchy_stress,
            strain_measure,
            stress_measure,
            axis,
            kinematics,
        )

    @classmethod
    def from_measurement(
        cls,
        strain: FloatArray,
        stress_gpa: FloatArray,
        strain_measure: StrainMeasure,
        stress_measure: StressMeasure,
        axis: Axis = "z",
    ) -> Self:
        """Take a measured curve, tension positive, in the measures it was published in.

        Parameters
        ----------
        strain : ndarray, shape (n,)
            Axial strain, negative in compression.
        stress_gpa : ndarray, shape (n,)
            Axial stress in GPa, negative in compression.
        strain_measure : StrainMeasure
            Measure of ``strain``.
        stress_measure : StressMeasure
            Measure of ``stress_gpa``; not Cauchy, which no pillar test gives.
        axis : {"x", "y", "z"}
            Axis of the model that the test axis stands for.

        Returns
        -------
        StressStrainCurve
            The curve, able to convert between engineering and volume-conserving true measures.

        Raises
        ------
        ValueError
            If the stress measure is Cauchy, or an engineering strain is -1 or less.
        """
        strain = np.asarray(strain, dtype=float)
        stress_gpa = np.asarray(stress_gpa, dtype=float)
        if stress_measure is StressMeasure.CAUCHY:
            raise ValueError(
                "a test does not give the Cauchy stress (the current area is not measured): "
                "declare volume-conserving true or engineering stress"
            )
        if strain_measure is StrainMeasure.ENGINEERING:
            if np.any(strain <= -1.0):
                raise ValueError("an engineering strain of -1 or less leaves no length")
            strain = np.log1p(strain)
        if stress_measure is StressMeasure.VOLUME_CONSERVING_TRUE:
            stress_gpa = stress_gpa * np.exp(-strain)
        return cls(strain, stress_gpa, None, strain_measure, stress_measure, axis)

    @property
    def strain(self) -> FloatArray:
        """Strain in the measure of the curve, shape (n,)."""
        if self.strain_measure is StrainMeasure.TRUE:
            return self.true_strain
        return np.expm1(self.true_strain)

    @property
    def stress_gpa(self) -> FloatArray:
        """Stress in GPa in the measure of the curve, shape (n,)."""
        if self.stress_measure is StressMeasure.CAUCHY and self.cauchy_stress_gpa is not None:
            return self.cauchy_stress_gpa
        if self.stress_measure is StressMeasure.ENGINEERING or self.kinematics == "small":
            return self.engineering_stress_gpa
        return self.engineering_stress_gpa * np.exp(self.true_strain)

    def measured_in(
        self, strain_measure: StrainMeasure, stress_measure: StressMeasure
    ) -> "StressStrainCurve":
        """Give the same curve in other measures.

        Parameters
        ----------
        strain_measure : StrainMeasure
            Measure of the strain.
        stress_measure : StressMeasure
            Measure of the stress.

        Returns
        -------
        StressStrainCurve
            The converted curve.

        Raises
        ------
        ValueError
            If the Cauchy stress is asked for and not known.
        """
        return replace(self, strain_measure=strain_measure, stress_measure=stress_measure)

    @property
    def direction(self) -> int:
        """Sign of the first strain that is not zero: -1 compression, 1 tension, 0 neither."""
        strained = self.true_strain[np.abs(self.true_strain) > 0.0]
        return 0 if strained.size == 0 else int(np.sign(strained[0]))

    @property
    def loading_strain(self) -> FloatArray:
        """Strain counted positive in the direction of the first loading, shape (n,)."""
        return self.direction * self.strain

    @property
    def loading_stress_gpa(self) -> FloatArray:
        """Stress in GPa counted positive in the direction of the first loading, shape (n,)."""
        return self.direction * self.stress_gpa

    @property
    def strain_reached(self) -> float:
        """Largest strain in the direction of the first loading; 0 for an unloaded curve."""
        return float(np.max(self.loading_strain, initial=0.0))

    @property
    def label(self) -> str:
        """Names of the measures, for a table or an axis."""
        stress = {
            StressMeasure.CAUCHY: "true (Cauchy) stress",
            StressMeasure.VOLUME_CONSERVING_TRUE: "true stress (volume-conserving)",
            StressMeasure.ENGINEERING: "engineering stress",
        }[self.stress_measure]
        return f"{stress} over {self.strain_measure.value} strain"

    def initial_modulus(self) -> InitialModulus | None:
        """Slope of the first step, and whether the second confirms it.

        Returns
        -------
        InitialModulus or None
            None if the curve has no loaded point.

        Notes
        -----
        A run carries no noise, so the first secant is the best estimate of the initial slope. It is
        the modulus only while the step is elastic; the second step's slope, if equal within 5 %,
        shows that it was.
        """
        strain, stress = self.loading_strain, self.loading_stress_gpa
        loaded = np.flatnonzero(strain > 0.0)
        if loaded.size == 0 or loaded[0] == 0:
            return None
        first = int(loaded[0])
        step = strain[first] - strain[first - 1]
        slope = (stress[first] - stress[first - 1]) / step
        resolved = False
        if first + 1 < strain.size and strain[first + 1] > strain[first]:
            second_slope = (stress[first + 1] - stress[first]) / (strain[first + 1] - strain[first])
            resolved = bool(abs(second_slope - slope) <= _SLOPE_AGREEMENT * abs(slope))
        return InitialModulus(float(slope), float(strain[first]), resolved)

    def offset_yield(
        self, offset: float = YIELD_OFFSET, modulus_gpa: float | None = None
    ) -> OffsetYield | None:
        """Find where the curve first meets the elastic line shifted by the offset.

        Parameters
        ----------
        offset : float
            Inelastic strain that defines yield.
        modulus_gpa : float or None
            Slope of the line in GPa, if it is known better than the curve shows it.

        Returns
        -------
        OffsetYield or None
            None if the curve ends before, or its first steps are too large to show the elastic
            line: a chord across the yield point would give any number.

        Notes
        -----
        Without a modulus the first two steps must agree in slope (``InitialModulus.resolved``);
        with one, the first step must have its slope within 5 %.
        """
        modulus = self.initial_modulus()
        if modulus is None or modulus.value_gpa <= 0.0:
            return None
        if modulus_gpa is None:
            if not modulus.resolved:
                return None
            modulus_gpa = modulus.value_gpa
        elif abs(modulus.value_gpa - modulus_gpa) > _SLOPE_AGREEMENT * modulus_gpa:
            return None
        strain, stress = self.loading_strain, self.loading_stress_gpa
        excess = stress - modulus_gpa * (strain - offset)
        below = np.flatnonzero((excess <= 0.0) & (strain > offset))
        if below.size == 0 or below[0] == 0:
            return None
        end = int(below[0])
        share = excess[end - 1] / (excess[end - 1] - excess[end])
        return OffsetYield(
            stress_gpa=float(stress[end - 1] + share * (stress[end] - stress[end - 1])),
            strain=float(strain[end - 1] + share * (strain[end] - strain[end - 1])),
            offset=offset,
        )

    def stress_at(self, strain: float) -> float | None:
        """Magnitude of the stress where the strain is first reached.

        Parameters
        ----------
        strain : float
            Strain in the measure of the curve, positive in the direction of the first loading.

        Returns
        -------
        float or None
            Stress in GPa, positive in the direction of loading, linear between points; None if the
            curve ends before. A strain that is missed by less than 1e-9 counts as reached.
        """
        loading_strain, stress = self.loading_strain, self.loading_stress_gpa
        reached = np.flatnonzero(loading_strain >= strain - 1e-9)
        if reached.size == 0 or self.direction == 0:
            return None
        end = int(reached[0])
        if end == 0:
            return float(stress[0])
        width = loading_strain[end] - loading_strain[end - 1]
        share = min((strain - loading_strain[end - 1]) / width, 1.0)
        return float(stress[end - 1] + share * (stress[end] - stress[end - 1]))

    def lowest_stress_beyond(self, strain: float) -> float | None:
        """Smallest magnitude of the stress at and beyond a strain, while loading goes on.

        Parameters
        ----------
        strain : float
            Strain in the measure of the curve, positive in the direction of the first loading.

        Returns
        -------
        float or None
            Stress in GPa; None if the curve ends before the strain.
        """
        start = self.stress_at(strain)
        if start is None:
            return None
        last = int(np.argmax(self.loading_strain))
        beyond = self.loading_strain[: last + 1] >= strain
        return float(np.min(self.loading_stress_gpa[: last + 1][beyond], initial=start))

    def strain_at_stress(self, stress_gpa: float) -> float | None:
        """Strain at which the magnitude of the stress first reaches a value.

        Parameters
        ----------
        stress_gpa : float
            Stress in GPa, positive in the direction of the first loading.

        Returns
        -------
        float or None
            Strain, linear between points; None if the stress is never reached.
        """
        strain, stress = self.loading_strain, self.loading_stress_gpa
        reached = np.flatnonzero(stress >= stress_gpa)
        if reached.size == 0 or self.direction == 0:
            return None
        end = int(reached[0])
        if end == 0:
            return float(strain[0])
        share = (stress_gpa - stress[end - 1]) / (stress[end] - stress[end - 1])
        return float(strain[end - 1] + share * (strain[end] - strain[end - 1]))
