"""Reading of pillar files: TOML text in, ``PillarData`` out, all errors at once."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ngcfem.errors import Finding, InputError
from ngcfem.experiment.curve_table import MeasuredTable, read_measured_table
from ngcfem.experiment.pillar import Feature, PillarData, ReferenceMaterial, Systematic
from ngcfem.quantities import Provenance
from ngcfem.results.curve import StressStrainCurve
from ngcfem.results.measures import StrainMeasure, StressMeasure

_Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
_Text = Annotated[str, Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Systematic(_Table):
    low_percent: _NotNegative
    high_percent: _NotNegative
    note: _Text

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high_percent < self.low_percent:
            raise ValueError("high_percent is below low_percent")
        return self


class _Quantity(_Table):
    """What every feature has: a value with one statement of its uncertainty."""

    name: _Text
    value: _Positive | None = None
    standard_uncertainty: _Positive | None = None
    interval: Annotated[list[_Positive], Field(min_length=2, max_length=2)] | None = None
    bound: Literal["none", "lower", "upper"] = "none"
    provenance: Provenance
    reference: _Text
    note: str = ""

    @model_validator(mode="after")
    def _one_uncertainty(self) -> Self:
        if (self.standard_uncertainty is None) == (self.interval is None):
            raise ValueError("give either standard_uncertainty or interval = [low, high]")
        if self.interval is None and self.value is None:
            raise ValueError("value is missing")
        if self.interval is not None:
            low, high = self.interval
            if low >= high:
                raise ValueError("interval = [low, high] must rise")
            if self.value is not None and not low <= self.value <= high:
                raise ValueError("value lies outside its interval")
        return self

    def numbers(self) -> tuple[float, float]:
        """Value and standard uncertainty; an interval is a rectangular distribution."""
        if self.interval is not None:
            low, high = self.interval
            value = (low + high) / 2.0 if self.value is None else self.value
            return value, (high - low) / (2.0 * np.sqrt(3.0))
        return float(self.value or 0.0), float(self.standard_uncertainty or 0.0)


class _OffsetYield(_Quantity):
    kind: Literal["offset-yield"]
    unit: Literal["GPa"]
    offset: Annotated[float, Field(gt=0.0, lt=0.1)] = 0.002
    systematic: _Systematic | None = None


class _StressAtStrain(_Quantity):
    kind: Literal["stress-at-strain", "stress-beyond-strain"]
    unit: Literal["GPa"]
    strain: Annotated[float, Field(gt=0.0, lt=3.0)]
    systematic: _Systematic | None = None


class _StrainReached(_Quantity):
    kind: Literal["strain-reached"]
    unit: Literal["-"]


class _StrengthRatio(_Quantity):
    kind: Literal["strength-ratio"]
    unit: Literal["-"]
    other_material: _Text


_AnyFeature = Annotated[
    _OffsetYield | _StressAtStrain | _StrainReached | _StrengthRatio, Field(discriminator="kind")
]


class _ReferenceMaterial(_Table):
    name: _Text
    behaviour: _Text
    provenance: Provenance
    reference: _Text


class _Specimen(_Table):
    diameter_nm: _Positive | None = None
    height_nm: _Positive | None = None


class _Curve(_Table):
    file: _Text
    measure: Literal["force-displacement", "engineering", "true"]
    positive: Literal["compression", "tension"]
    provenance: Provenance
    reference: _Text


class _PillarFile(_Table):
    schema_version: Literal[1]
    title: _Text
    loading: Literal["compression", "tension"]
    strain_measure: Literal["true", "engineering"]
    stress_measure: Literal["volume-conserving true", "engineering"]
    specimen: _Specimen = _Specimen()
    feature: list[_AnyFeature] = Field(default_factory=list)
    reference_material: list[_ReferenceMaterial] = Field(default_factory=list)
    curve: _Curve | None = None


def read_pillar_data(path: Path) -> PillarData:
    """Read a pillar file and the digitized curve it names.

    Parameters
    ----------
    path : Path
        TOML file; the path of a curve in it is relative to it.

    Returns
    -------
    PillarData
        Features, references and, if there is one, the curve in the measures that the file declares
        for its features.

    Raises
    ------
    InputError
        With all findings of the file, or of the curve.

    Notes
    -----
    Values are magnitudes in the direction of loading. ``interval = [low, high]`` is taken as a
    rectangular distribution: standard uncertainty = half width / sqrt(3). Conversions of the curve
    are made here: force-displacement with the geometry to engineering, engineering to true by
    conservation of volume, in compression ``true stress = engineering stress x exp(-|strain|)``.
    A curve whose features only fit if that sign is turned is refused.
    """
    file = _parse(path)
    curve = _curve(path, file, file.curve) if file.curve is not None else None
    return PillarData(
        title=file.title,
        source=path.name,
        direction=-1 if file.loading == "compression" else 1,
        strain_measure=StrainMeasure(file.strain_measure),
        stress_measure=StressMeasure(file.stress_measure),
        features=tuple(_feature(entry) for entry in file.feature),
        reference_materials=tuple(
            ReferenceMaterial(entry.name, entry.behaviour, entry.provenance, entry.reference)
            for entry in file.reference_material
        ),
        curve=curve,
        curve_reference=file.curve.reference if file.curve is not None else "",
        diameter_nm=file.specimen.diameter_nm,
        height_nm=file.specimen.height_nm,
    )


def _feature(entry: _AnyFeature) -> Feature:
    value, standard_uncertainty = entry.numbers()
    systematic = getattr(entry, "systematic", None)
    return Feature(
        name=entry.name,
        kind=entry.kind,
        value=value,
        standard_uncertainty=standard_uncertainty,
        bound=entry.bound,
        provenance=entry.provenance,
        reference=entry.reference,
        strain=getattr(entry, "strain", None),
        offset=getattr(entry, "offset", 0.002),
        other_material=getattr(entry, "other_material", ""),
        systematic=Systematic(systematic.low_percent, systematic.high_percent, systematic.note)
        if systematic is not None
        else None,
        note=entry.note,
    )


def _parse(path: Path) -> _PillarFile:
    allowed = "a TOML file of pillar data"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else f"not TOML: {error}"
        remedy = "see the pillar files in cases/data for the format"
        raise InputError([Finding(str(path), "file", str(found), allowed, remedy)]) from error
    try:
        return _PillarFile.model_validate(document)
    except ValidationError as error:
        raise InputError([_finding(path, entry) for entry in error.errors()]) from error


def _finding(path: Path, entry: Any) -> Finding:
    """Turn a finding of pydantic into one of ngcfem."""
    parts: list[str] = []
    kinds = {"offset-yield", "stress-at-strain", "stress-beyond-strain", "strain-reached"}
    for part in entry["loc"]:
        if isinstance(part, int):
            parts[-1] += f"[{part + 1}]"
        elif part not in kinds | {"strength-ratio"}:
            parts.append(str(part))
    key = ".".join(parts) or "file"
    context = entry.get("ctx", {})
    found = repr(entry["input"])
    allowed = str(entry["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    remedy = "correct the value"
    if entry["type"] == "missing":
        found, allowed, remedy = "nothing", "a value: this key is required", f"add {parts[-1]}"
    elif entry["type"] == "extra_forbidden":
        found, allowed = f"{parts[-1]} = {found}", "no such key here"
        remedy = "remove it, or check its spelling and the table it stands in"
    elif entry["type"] in ("union_tag_invalid", "union_tag_not_found"):
        key += ".kind"
        found = repr(context.get("tag", "nothing"))
        allowed = "offset-yield, stress-at-strain, stress-beyond-strain, strain-reached, "
        allowed += "strength-ratio"
        remedy = "say what kind of feature it is"
    elif entry["type"] == "value_error":
        found = (
            f"the table {entry['input'].get('name', key)!r}"
            if isinstance(entry["input"], dict)
            else found
        )
    return Finding(str(path), key, found[:160], allowed, remedy)


def _curve(path: Path, file: _PillarFile, declared: _Curve) -> StressStrainCurve:
    """Read the curve and convert it to the measures of the features."""
    geometry = file.specimen
    if declared.measure == "force-displacement" and (
        geometry.diameter_nm is None or geometry.height_nm is None
    ):
        missing = [name for name in ("diameter_nm", "height_nm") if getattr(geometry, name) is None]
        raise InputError(
            [
                Finding(
                    file=str(path),
                    key=f"specimen.{name}",
                    found="nothing",
                    allowed="a length in nm: a force-displacement curve needs the geometry",
                    remedy=f"add {name} to [specimen], or give an engineering or true curve",
                )
                for name in missing
            ]
        )
    table = read_measured_table(
        path.parent / declared.file,
        declared.measure,
        compressive=file.loading == "compression",
        tension_positive=declared.positive == "tension",
        diameter_nm=geometry.diameter_nm,
        height_nm=geometry.height_nm,
    )
    curve = StressStrainCurve.from_measurement(
        table.strain, table.stress_gpa, table.strain_measure, table.stress_measure
    ).measured_in(StrainMeasure(file.strain_measure), StressMeasure(file.stress_measure))
    _check_against_features(path, file, curve, table)
    return curve


def _check_against_features(
    path: Path, file: _PillarFile, curve: StressStrainCurve, table: MeasuredTable
) -> None:
    """Refuse a curve that fits its stated stresses only with the sign of the conversion turned."""
    if curve.stress_measure is not StressMeasure.VOLUME_CONSERVING_TRUE:
        return
    findings = []
    for number, entry in enumerate(file.feature, start=1):
        right = curve.stress_at(entry.strain) if isinstance(entry, _StressAtStrain) else None
        if right is None or not isinstance(entry, _StressAtStrain):
            continue
        value, uncertainty = entry.numbers()
        true_strain = entry.strain
        if curve.strain_measure is StrainMeasure.ENGINEERING:
            true_strain = abs(float(np.log1p(curve.direction * entry.strain)))
        wrong = right * np.exp(-2.0 * curve.direction * true_strain)
        margin = max(0.1 * value, 3.0 * uncertainty)
        if _fits(right, value, margin, entry.bound) or not _fits(wrong, value, margin, entry.bound):
            continue
        sign = "-" if curve.direction < 0 else "+"
        findings.append(
            Finding(
                file=str(path),
                key=f"feature[{number}].value",
                found=f"{value:g} GPa at a strain of {entry.strain:g}, where {table.path.name} "
                f"gives {right:.3g} GPa",
                allowed=f"true stress = engineering stress x e^{sign}|strain|; the two fit only "
                f"({wrong:.3g} GPa) with the opposite sign",
                remedy="check the sign of the conversion in the source, and which measure the "
                "curve is in",
            )
        )
    if findings:
        raise InputError(findings)


def _fits(stress: float, value: float, margin: float, bound: str) -> bool:
    too_low = stress < value - margin and bound != "upper"
    too_high = stress > value + margin and bound != "lower"
    return not (too_low or too_high)
