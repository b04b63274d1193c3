"""Parameters of the Mohr-Coulomb law, and what a set of them must satisfy.

Free of any numerical library, like `ngcfem.constitutive.parameters`.
"""

from collections.abc import Mapping

from ngcfem.constitutive.parameter_specification import ParameterFinding, ParameterSpec
from ngcfem.constitutive.strength import shear_and_bulk_modulus

_ANAND_SU = "Anand and Su (2005), J. Mech. Phys. Solids 53, 1362, doi 10.1016/j.jmps.2004.12.006"

MOHR_COULOMB: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "cohesion_gpa",
        "GPa",
        "resistance to slip without normal stress, at the reference rate, before any slip",
        None,
        0.0,
        1_000.0,
        exclusive_minimum=True,
        reference=_ANAND_SU,
        is_strength=True,
    ),
    ParameterSpec(
        "cohesion_softening_gpa",
        "GPa",
        "cohesion lost in the end by softening",
        0.0,
        0.0,
        None,
        reference=_ANAND_SU,
        is_strength=True,
    ),
    ParameterSpec(
        "softening_slip",
        "",
        "accumulated slip over which softening and dilatancy decay by 1/e (in uniaxial "
        "compression slip is about twice the strain); eta_cv / beta_0 of Anand and Su",
        1.0,
        0.0,
        None,
        exclusive_minimum=True,
        reference=_ANAND_SU,
    ),
    ParameterSpec(
        "cohesion_hardening_gpa",
        "GPa",
        "linear growth of the cohesion per accumulated slip",
        0.0,
        0.0,
        10_000.0,
        is_strength=True,
    ),
    ParameterSpec(
        "friction_coefficient",
        "",
        "mu = tan(friction angle) in cohesion + mu sigma_n, sigma_n the pressure on the slip plane",
        None,
        0.0,
        1.0,
        reference=_ANAND_SU,
    ),
    ParameterSpec(
        "dilatancy",
        "",
        "beta, opening of a slip plane over its slip, before any slip",
        0.0,
        0.0,
        1.0,
        reference=_ANAND_SU,
    ),
    ParameterSpec(
        "reference_rate_per_s",
        "1/s",
        "slip rate of one system (about half the strain rate in uniaxial compression) at which the "
        "resistance is cohesion + mu sigma_n",
        1e-3,
        0.0,
        None,
        exclusive_minimum=True,
        reference=_ANAND_SU,
    ),
    ParameterSpec(
        "rate_sensitivity",
        "",
        "exponent m of the rate factor (rate / reference rate)^m; 0.005 is nearly rate independent",
        0.02,
        1e-3,
        0.2,
        reference=_ANAND_SU,
    ),
)


def _steepest_softening(values: Mapping[str, float]) -> float:
    """Largest loss of cohesion per accumulated slip in GPa, at the start; negative if it grows."""
    softening = values["cohesion_softening_gpa"] / values["softening_slip"]
    return softening - values["cohesion_hardening_gpa"]


def mohr_coulomb_softens(values: Mapping[str, float]) -> bool:
    """Whether the cohesion falls anywhere with slip.

    Parameters
    ----------
    values : mapping of str to float
        Resolved parameters.

    Returns
    -------
    bool
        True if it falls at the start, where softening is steepest.
    """
    return _steepest_softening(values) > 0.0


def mohr_coulomb_conditions(
    resolved: Mapping[str, float], given: Mapping[str, float | str]
) -> list[ParameterFinding]:
    """What is wrong with parameters that are sound one by one.

    Parameters
    ----------
    resolved : mapping of str to float
        Every parameter of the law.
    given : mapping of str to float
        The parameters that the user gave.

    Returns
    -------
    list of tuple of str
        (name, found, allowed, remedy) of each problem.

    Notes
    -----
    A point has a unique stress if its shear resistance falls slower than flow relaxes the resolved
    shear. That is slowest where two pairs share the flow evenly (uniaxial compression or tension):
    3 G cos^2(phi) per slip x of a system while N grows by 4 x. The rate factor scales softening;
    a factor of 2 is 2^(1/m) times the reference rate.
    """
    findings: list[ParameterFinding] = []
    scale = "softening_slip"
    for amount in ("cohesion_softening_gpa", "dilatancy"):
        if resolved[amount] > 0.0 and scale not in given and not findings:
            findings.append(
                (scale, "nothing", "a number > 0", f"add {scale}: it goes with {amount}")
            )
    if resolved["cohesion_softening_gpa"] >= resolved["cohesion_gpa"]:
        findings.append(
            (
                "cohesion_softening_gpa",
                f"{resolved['cohesion_softening_gpa']:g}",
                f"less than cohesion_gpa = {resolved['cohesion_gpa']:g}",
                "lower cohesion_softening_gpa: some cohesion must be left",
            )
        )
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
    if findings:
        return findings
    shear_modulus, _ = shear_and_bulk_modulus(resolved)
    largest = 0.375 * shear_modulus / (1.0 + friction**2)
    steepest = _steepest_softening(resolved)
    if steepest >= largest:
        findings.append(
            (
                scale,
                f"{resolved[scale]:g} with cohesion_softening_gpa = "
                f"{resolved['cohesion_softening_gpa']:g} (steepest slope -{steepest:.4g} GPa)",
                f"a steepest slope above -{largest:.4g} GPa (3/8 of the shear modulus)",
                "make softening_slip larger or cohesion_softening_gpa smaller; steeper than that, "
                "a point has no unique stress (snap-back)",
            )
        )
    return findings
