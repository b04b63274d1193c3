"""Which parameters each law takes, in which range, and what a set of values must satisfy.

Free of any numerical library, so that a case file can be validated on any machine.
"""

import math
from collections.abc import Mapping

from ngcfem.constitutive.crystal_parameters import CRYSTAL, CUBIC, crystal_conditions
from ngcfem.constitutive.free_volume_parameters import ACTIVATED_FLOW
from ngcfem.constitutive.law_files import LawFileError, law_from_file, names_law_file
from ngcfem.constitutive.mohr_coulomb_parameters import (
    MOHR_COULOMB,
    mohr_coulomb_conditions,
    mohr_coulomb_softens,
)
from ngcfem.constitutive.nonlocal_parameters import (
    CHARACTERISTIC_LENGTH,
    MICROMORPHIC,
    NONLOCAL_NAMES,
    OVERNONLOCAL,
    has_internal_length,
    nonlocal_conditions,
)
from ngcfem.constitutive.parameter_specification import ParameterFinding, ParameterSpec
from ngcfem.constitutive.strength import minimum_hardening_slope, shear_and_bulk_modulus

_HENCKY = "Hencky (1928), Z. Tech. Phys. 9, 215"
_DRUCKER_PRAGER = "Drucker and Prager (1952), Q. Appl. Math. 10, 157, doi 10.1090/qam/48291"
_VOCE = "Voce (1955), Metallurgia 51, 219"

# 10 000 GPa is far above any solid: the bound is there to catch a value given in MPa or Pa.
ELASTIC: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "youngs_modulus_gpa",
        "GPa",
        "Young's modulus",
        None,
        0.0,
        10_000.0,
        exclusive_minimum=True,
        reference=_HENCKY,
    ),
    ParameterSpec(
        "poisson_ratio",
        "",
        "Poisson's ratio",
        None,
        -1.0,
        0.5,
        exclusive_minimum=True,
        exclusive_maximum=True,
        reference=_HENCKY,
    ),
)
"""Isotropic elastic constants, which every law here begins with."""

_HARDENING: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "yield_strength_gpa",
        "GPa",
        "uniaxial compressive strength (Kirchhoff stress) before any plastic strain",
        None,
        0.0,
        1_000.0,
        exclusive_minimum=True,
        is_strength=True,
    ),
    ParameterSpec(
        "softening_gpa",
        "GPa",
        "strength lost in the end by softening",
        0.0,
        0.0,
        None,
        is_strength=True,
    ),
    ParameterSpec(
        "softening_strain",
        "",
        "equivalent plastic strain over which softening decays by 1/e",
        1.0,
        0.0,
        None,
        exclusive_minimum=True,
    ),
    ParameterSpec(
        "voce_hardening_gpa",
        "GPa",
        "strength gained in the end by saturating hardening",
        0.0,
        0.0,
        None,
        reference=_VOCE,
        is_strength=True,
    ),
    ParameterSpec(
        "voce_rate",
        "",
        "rate of the saturating hardening per equivalent plastic strain",
        1.0,
        0.0,
        None,
        exclusive_minimum=True,
        reference=_VOCE,
    ),
    ParameterSpec(
        "hardening_modulus_gpa",
        "GPa",
        "linear hardening per equivalent plastic strain",
        0.0,
        0.0,
        10_000.0,
        is_strength=True,
    ),
)

_PRESSURE: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "friction_coefficient",
        "",
        "mu in tau_bar + mu p - k, p the mean stress (tension positive)",
        None,
        0.0,
        math.sqrt(3.0),
        exclusive_maximum=True,
        reference=_DRUCKER_PRAGER,
    ),
    ParameterSpec(
        "dilatancy",
        "",
        "beta in the potential tau_bar + beta p",
        0.0,
        0.0,
        math.sqrt(3.0),
        exclusive_maximum=True,
        reference=_DRUCKER_PRAGER,
    ),
    ParameterSpec(
        "reference_rate_per_s",
        "1/s",
        "equivalent plastic strain rate at which the strength is the yield strength",
        1e-3,
        0.0,
        None,
        exclusive_minimum=True,
    ),
    ParameterSpec(
        "rate_sensitivity",
        "",
        "exponent m of the rate factor (rate / reference rate)^m; 0 is rate independent",
        0.0,
        0.0,
        1.0,
    ),
)

LAW_PARAMETERS: Mapping[str, tuple[ParameterSpec, ...]] = {
    "elastic": ELASTIC,
    "j2": (*ELASTIC, *_HARDENING, *OVERNONLOCAL, *MICROMORPHIC),
    "drucker-prager": (*ELASTIC, *_HARDENING, *_PRESSURE, *OVERNONLOCAL, *MICROMORPHIC),
    "mohr-coulomb": (*ELASTIC, *MOHR_COULOMB, *OVERNONLOCAL),
    **{law: (*ELASTIC, *own) for law, own in ACTIVATED_FLOW.items()},
    "cubic-elastic": CUBIC,
    "crystal-plasticity": (*CUBIC, *CRYSTAL),
}


def law_parameters(law: str) -> tuple[ParameterSpec, ...]:
    """Parameters of a law, built in or from a file.

    Parameters
    ----------
    law : str
        Key of `LAW_PARAMETERS`, or ``file.py:ClassName``.

    Returns
    -------
    tuple of ParameterSpec
        In the order in which the law reads them.

    Raises
    ------
    KeyError
        If there is no such law.
    LawFileError
        If the file has no sound law.
    """
    return law_from_file(law).parameters if names_law_file(law) else LAW_PARAMETERS[law]


SMALLEST_RATE_SENSITIVITY = 1e-4
"""Below it (and above 0) the plastic strain of a step is lost in rounding: (1 + eps)^(1/m)."""

LATTICE_LAWS = ("cubic-elastic", "crystal-plasticity")
"""Laws that need the orientation of a lattice."""

_CUBIC = tuple(spec.name for spec in CUBIC)


def resolve_parameters(law: str, values: Mapping[str, float | str]) -> dict[str, float]:
    """Fill in the defaults.

    Parameters
    ----------
    law : str
        Key of `LAW_PARAMETERS`, or ``file.py:ClassName``.
    values : mapping of str to float or str
        Values given; they must have passed `check_parameters`.

    Returns
    -------
    dict of str to float
        Every parameter of the law, in the order of `LAW_PARAMETERS`; of a word its place.

    Raises
    ------
    KeyError
        If a required parameter is missing.
    """
    resolved: dict[str, float] = {}
    for spec in law_parameters(law):
        value = values.get(spec.name, spec.default)
        if value is None:
            raise KeyError(f"{law}: {spec.name} is required")
        resolved[spec.name] = spec.number(value)
    return resolved


def strength_parameters(law: str) -> tuple[str, ...]:
    """Parameters that make the strength of a law.

    Parameters
    ----------
    law : str
        Key of `LAW_PARAMETERS`.

    Returns
    -------
    tuple of str
        Their names; empty for a law without strength.
    """
    return tuple(spec.name for spec in law_parameters(law) if spec.is_strength)


DECOUPLED_VOLUME: frozenset[str] = frozenset({"elastic", "j2"})
"""Laws whose pressure is K tr(strain), whatever flows, while nothing else depends on it."""


def softens(law: str, values: Mapping[str, float | str]) -> bool:
    """Whether the strength falls anywhere with plastic strain.

    Parameters
    ----------
    law : str
        Key of `LAW_PARAMETERS`, or ``file.py:ClassName``.
    values : mapping of str to float
        Valid parameters.

    Returns
    -------
    bool
        True also where an internal length gives a band its width; see `mesh_dependent`.
    """
    if names_law_file(law):
        return bool(law_from_file(law).softens(resolve_parameters(law, values)))
    names = {spec.name for spec in LAW_PARAMETERS[law]}
    if "reference_stress_gpa" in names:
        return True  # what flows makes its own flow easier
    if "cohesion_softening_gpa" in names:
        return mohr_coulomb_softens(resolve_parameters(law, values))
    if "softening_gpa" not in names:
        return False
    return minimum_hardening_slope(resolve_parameters(law, values)) < 0.0


def mesh_dependent(law: str, values: Mapping[str, float | str]) -> bool:
    """Whether the mesh decides the width of a band.

    Parameters
    ----------
    law : str
        Key of `LAW_PARAMETERS`, or ``file.py:ClassName``.
    values : mapping of str to float
        Valid parameters.

    Returns
    -------
    bool
        True for softening without an internal length.
    """
    return softens(law, values) and not has_internal_length(values)


def check_parameters(law: str, values: Mapping[str, float | str]) -> list[ParameterFinding]:
    """Everything that is wrong with the parameters of a law.

    Parameters
    ----------
    law : str
        Name of the law.
    values : mapping of str to float
        Parameters as given, without defaults.

    Returns
    -------
    list of tuple of str
        (name, found, allowed, remedy) of each problem; empty if all is well.
    """
    try:
        specs = {spec.name: spec for spec in law_parameters(law)}
    except KeyError:
        laws = ", ".join(sorted(LAW_PARAMETERS))
        return [("law", repr(law), f"one of {laws}", "choose a law that exists")]
    except LawFileError as error:
        return [("law", error.found, error.allowed, error.remedy)]
    findings: list[ParameterFinding] = []
    for name, value in values.items():
        if name not in specs:
            findings.append(_unknown(law, name, value, specs))
        elif specs[name].choices:
            if not specs[name].accepts(value):
                allowed = specs[name].allowed
                findings.append((name, repr(value), allowed, "write one of these words"))
        elif isinstance(value, bool) or not isinstance(value, int | float):
            findings.append((name, repr(value), specs[name].allowed, "give a number"))
        elif not specs[name].accepts(value):
            unit = f" in {specs[name].unit}" if specs[name].unit else ""
            findings.append((name, f"{value:g}", specs[name].allowed, f"correct the value{unit}"))
    for name, spec in specs.items():
        if name not in values and spec.default is None:
            findings.append((name, "nothing", spec.allowed, f"add {name}: {spec.description}"))
    if not findings:
        findings += _cross_conditions(law, values)
    return findings


def _unknown(
    law: str, name: str, value: object, specs: Mapping[str, ParameterSpec]
) -> ParameterFinding:
    found, allowed = repr(value), ", ".join(specs)
    if name in NONLOCAL_NAMES:
        laws = [law for law, specs in LAW_PARAMETERS.items() if name in {s.name for s in specs}]
        return (
            name,
            found,
            f"a law that takes it: {', '.join(laws)}",
            "leave it out; a softening law without an internal length or diffusion needs "
            "[solver] mesh_dependent = true",
        )
    if name in _CUBIC:
        return (
            name,
            found,
            "youngs_modulus_gpa and poisson_ratio",
            "give isotropic constants, or choose the law cubic-elastic or crystal-plasticity; the "
            "other laws are isotropic: they work with principal strains, which have no lattice "
            "direction",
        )
    if name == "orientation":
        return (
            name,
            found,
            allowed,
            'write orientation = "random" under [[phase]], beside name and law',
        )
    return (name, found, allowed, f"remove it or correct the spelling; law {law} does not take it")


def _cross_conditions(law: str, values: Mapping[str, float | str]) -> list[ParameterFinding]:
    resolved = resolve_parameters(law, values)
    if "c11_gpa" in resolved:
        return crystal_conditions(resolved, values)
    findings = nonlocal_conditions(resolved) if CHARACTERISTIC_LENGTH in resolved else []
    if names_law_file(law):
        return findings + law_from_file(law).conditions(resolved)
    if "cohesion_gpa" in resolved:
        return findings + mohr_coulomb_conditions(resolved, values)
    if "softening_gpa" in resolved:
        findings += _hardening_conditions(resolved, values)
    if "friction_coefficient" in resolved:
        findings += _pressure_conditions(resolved)
    if findings or "softening_gpa" not in resolved:
        return findings
    shear_modulus, bulk_modulus = shear_and_bulk_modulus(resolved)
    slope = minimum_hardening_slope(resolved)
    stiffness = 3.0 * shear_modulus
    if "friction_coefficient" in resolved:
        friction = resolved["friction_coefficient"]
        stiffness += 3.0 * bulk_modulus * friction * resolved["dilatancy"]
        slope *= 1.0 - friction / math.sqrt(3.0)
        # The rate factor scales the slope; a factor of 2 is 2^(1/m) times the reference rate.
        slope *= 2.0 if resolved["rate_sensitivity"] > 0.0 and slope < 0.0 else 1.0
    if stiffness + slope <= 0.0:
        findings.append(
            (
                "softening_strain",
                f"{resolved['softening_strain']:g} with softening_gpa = "
                f"{resolved['softening_gpa']:g} (steepest slope {slope:.4g} GPa)",
                f"a steepest slope above {-stiffness:.4g} GPa (three times the shear modulus)",
                "make softening_strain larger or softening_gpa smaller; steeper than that, a "
                "point has no unique stress (snap-back)",
            )
        )
    return findings


def _hardening_conditions(
    resolved: Mapping[str, float], given: Mapping[str, float | str]
) -> list[ParameterFinding]:
    findings: list[ParameterFinding] = []
    for amount, scale in (
        ("softening_gpa", "softening_strain"),
        ("voce_hardening_gpa", "voce_rate"),
    ):
        if resolved[amount] > 0.0 and scale not in given:
            findings.append(
                (scale, "nothing", "a number > 0", f"add {scale}: it goes with {amount}")
            )
    if resolved["softening_gpa"] >= resolved["yield_strength_gpa"]:
        findings.append(
            (
                "softening_gpa",
                f"{resolved['softening_gpa']:g}",
                f"less than yield_strength_gpa = {resolved['yield_strength_gpa']:g}",
                "lower softening_gpa: some strength must be left",
            )
        )
    return findings


def _pressure_conditions(resolved: Mapping[str, float]) -> list[ParameterFinding]:
    findings: list[ParameterFinding] = []
    friction, dilatancy = resolved["friction_coefficient"], resolved["dilatancy"]
    if dilatancy > friction:
        findings.append(
            (
                "dilatancy",
                f"{dilatancy:g}",
                f"at most friction_coefficient = {friction:g}",
                "lower dilatancy: above the friction coefficient, flow under pressure would "
                "create energy",
            )
        )
    rate_sensitivity = resolved["rate_sensitivity"]
    if 0.0 < rate_sensitivity < SMALLEST_RATE_SENSITIVITY:
        findings.append(
            (
                "rate_sensitivity",
                f"{rate_sensitivity:g}",
                f"0 or at least {SMALLEST_RATE_SENSITIVITY:g}",
                "use 0 for a rate-independent law",
            )
        )
    return findings
