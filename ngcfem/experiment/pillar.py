"""What a pillar test says: features with uncertainty and provenance, and perhaps a curve."""

from dataclasses import dataclass
from typing import Literal

from ngcfem.quantities import Provenance
from ngcfem.results.curve import StressStrainCurve
from ngcfem.results.measures import StrainMeasure, StressMeasure

Bound = Literal["none", "lower", "upper"]
FeatureKind = Literal[
    "offset-yield", "stress-at-strain", "stress-beyond-strain", "strain-reached", "strength-ratio"
]


@dataclass(frozen=True)
class Systematic:
    """One-sided systematic effect of the test on the stress, not contained in the uncertainties.

    Parameters
    ----------
    low_percent, high_percent : float
        By how much the stress reads high, between these two.
    note : str
        Where it comes from.
    """

    low_percent: float
    high_percent: float
    note: str

    def intrinsic_range(self, stress_gpa: float) -> tuple[float, float]:
        """Range of the stress of the material itself that reads as a given stress.

        Parameters
        ----------
        stress_gpa : float
            Stress read from the test, in GPa.

        Returns
        -------
        tuple of float
            Smallest and largest intrinsic stress in GPa.
        """
        return (
            stress_gpa / (1.0 + self.high_percent / 100.0),
            stress_gpa / (1.0 + self.low_percent / 100.0),
        )


@dataclass(frozen=True)
class Feature:
    """One number that a test states.

    Parameters
    ----------
    name : str
        Name for tables.
    kind : str
        What of a curve it is held against: "offset-yield", "stress-at-strain" and
        "stress-beyond-strain" (in GPa), "strain-reached", or "strength-ratio" (yield strength of
        this material over that of another).
    value : float
        Magnitude of the stress in GPa, of the strain, or the ratio.
    standard_uncertainty : float
        One standard deviation, in the unit of the value.
    bound : {"none", "lower", "upper"}
        Whether the true value is the one stated, at least it, or at most it.
    provenance : str
        One of the provenances of ngcfem.
    reference : str
        Source.
    strain : float or None
        Magnitude of the strain for the two kinds of stress at a strain.
    offset : float
        Inelastic strain of the offset yield.
    other_material : str
        The other material of a ratio.
    systematic : Systematic or None
        Effect of the test that the uncertainty does not contain.
    note : str
        What a reader should know.
    """

    name: str
    kind: FeatureKind
    value: float
    standard_uncertainty: float
    bound: Bound
    provenance: Provenance
    reference: str
    strain: float | None = None
    offset: float = 0.002
    other_material: str = ""
    systematic: Systematic | None = None
    note: str = ""

    @property
    def unit(self) -> str:
        """Unit of the value and its uncertainty."""
        return "-" if self.kind in ("strain-reached", "strength-ratio") else "GPa"


@dataclass(frozen=True)
class ReferenceMaterial:
    """Another material that the test was compared with, told in words.

    Parameters
    ----------
    name : str
        The material.
    behaviour : str
        What it does in the same test.
    provenance : str
        One of the provenances of ngcfem.
    reference : str
        Source.
    """

    name: str
    behaviour: str
    provenance: Provenance
    reference: str


@dataclass(frozen=True, eq=False)
class PillarData:
    """All that is known of a pillar test.

    Parameters
    ----------
    title : str
        What was tested.
    source : str
        Name of the file that this was read from.
    direction : int
        -1 for compression, 1 for tension.
    strain_measure : StrainMeasure
        Measure of all strains of the features.
    stress_measure : StressMeasure
        Measure of all stresses of the features.
    features : tuple of Feature
        What a model is held against.
    reference_materials : tuple of ReferenceMaterial
        What the tested material was compared with.
    curve : StressStrainCurve or None
        Measured curve, tension positive, in the measures of the features.
    curve_reference : str
        Source of the curve.
    diameter_nm, height_nm : float or None
        Size of the pillar.
    """

    title: str
    source: str
    direction: int
    strain_measure: StrainMeasure
    stress_measure: StressMeasure
    features: tuple[Feature, ...]
    reference_materials: tuple[ReferenceMaterial, ...] = ()
    curve: StressStrainCurve | None = None
    curve_reference: str = ""
    diameter_nm: float | None = None
    height_nm: float | None = None
