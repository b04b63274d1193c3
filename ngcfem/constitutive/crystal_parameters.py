"""Parameters of crystals: cubic elasticity, slip and hardening, and what they must satisfy."""

from collections.abc import Mapping

from ngcfem.constitutive.parameter_specification import ParameterFinding, ParameterSpec

_NYE = "Nye (1957), Physical Properties of Crystals, Oxford University Press, chapter VIII"
_KALIDINDI = (
    "Kalidindi, Bronkhorst and Anand (1992), J. Mech. Phys. Solids 40, 537, "
    "doi 10.1016/0022-5096(92)80003-9"
)
_HALL_PETCH = (
    "Hall (1951), Proc. Phys. Soc. B 64, 747, doi 10.1088/0370-1301/64/9/303; "
    "Petch (1953), J. Iron Steel Inst. 174, 25"
)

SLIP_FAMILIES: tuple[str, ...] = ("110", "112", "110+112")
"""Which planes slip; a law reads the place in this list."""
SMALLEST_HALL_PETCH_DIAMETER_NM = 15.0
"""Below it the law of Hall and Petch has no base: see `crystal_conditions`."""
NO_DIAMETER_NM = 1e9
"""Default of the size, a metre: nothing follows it."""


def _positive(
    name: str,
    unit: str,
    description: str,
    default: float | None,
    maximum: float | None,
    reference: str,
    is_strength: bool = False,
) -> ParameterSpec:
    return ParameterSpec(
        name,
        unit,
        description,
        default,
        0.0,
        maximum,
        exclusive_minimum=True,
        reference=reference,
        is_strength=is_strength,
    )


CUBIC: tuple[ParameterSpec, ...] = (
    _positive("c11_gpa", "GPa", "stiffness along a cube axis", None, 10_000.0, _NYE),
    ParameterSpec(
        "c12_gpa",
        "GPa",
        "coupling of two cube axes",
        None,
        -10_000.0,
        10_000.0,
        reference=_NYE,
    ),
    _positive("c44_gpa", "GPa", "shear stiffness of the cube faces", None, 10_000.0, _NYE),
)

CRYSTAL: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "slip_systems",
        "",
        "planes on which <111> slips: 12, 12 or 24 systems",
        "110",
        None,
        None,
        choices=SLIP_FAMILIES,
    ),
    _positive(
        "reference_slip_rate_per_s",
        "1/s",
        "slip rate at which the resolved stress is the slip resistance",
        1e-3,
        None,
        _KALIDINDI,
    ),
    ParameterSpec(
        "rate_sensitivity",
        "",
        "exponent m of the slip rate, (stress / resistance)^(1/m)",
        0.02,
        0.005,
        1.0,
        reference=_KALIDINDI,
    ),
    _positive(
        "initial_slip_resistance_gpa",
        "GPa",
        "slip resistance before any slip, without the part of the crystal's size",
        None,
        100.0,
        _KALIDINDI,
        is_strength=True,
    ),
    _positive(
        "saturation_slip_resistance_gpa",
        "GPa",
        "slip resistance that hardening leads to, without the part of the crystal's size",
        1e3,
        None,
        _KALIDINDI,
        is_strength=True,
    ),
    ParameterSpec(
        "slip_hardening_modulus_gpa",
        "GPa",
        "h0, growth of the resistance per slip at the start",
        0.0,
        0.0,
        1_000.0,
        reference=_KALIDINDI,
        is_strength=True,
    ),
    ParameterSpec(
        "hardening_exponent",
        "",
        "a in h = h0 (1 - g/g_s)^a",
        1.0,
        0.1,
        10.0,
        reference=_KALIDINDI,
    ),
    ParameterSpec(
        "latent_hardening_ratio",
        "",
        "q, hardening of systems on other planes over that of the same plane",
        1.4,
        0.0,
        5.0,
        reference=_KALIDINDI,
    ),
    ParameterSpec(
        "hall_petch_coefficient_gpa_sqrt_nm",
        "GPa nm^(1/2)",
        "k in g = g0 + k / sqrt(crystal_diameter_nm), for the slip resistance",
        0.0,
        0.0,
        1_000.0,
        reference=_HALL_PETCH,
        is_strength=True,
    ),
    _positive(
        "crystal_diameter_nm",
        "nm",
        "size that the strength follows",
        NO_DIAMETER_NM,
        None,
        _HALL_PETCH,
    ),
)


def crystal_conditions(
    resolved: Mapping[str, float], given: Mapping[str, float | str]
) -> list[ParameterFinding]:
    """What a set of parameters of a crystal must satisfy together.

    Parameters
    ----------
    resolved : mapping of str to float
        Every parameter.
    given : mapping of str to float or str
        Those that were given.

    Returns
    -------
    list of tuple of str
        (name, found, allowed, remedy) of each problem.

    Notes
    -----
    An elastic crystal is stable where c44 > 0, c11 > |c12| and c11 + 2 c12 > 0 (Born). The law of
    Hall and Petch rests on dislocations that pile up at a boundary. In iron, sigma = 0.1 GPa +
    0.6 MPa m^1/2 d^-1/2 (18.97 GPa nm^1/2, over the Taylor factor for the slip resistance) fits
    grains down to some 20 nm; extrapolated to 5 nm it says 8.6 GPa, more than nanocrystalline iron
    (3 to 3.3 GPa from its hardness) and near its ideal strength, while no two dislocations fit
    into such a crystal: 15 nm is the smallest size taken.
    """
    findings: list[ParameterFinding] = []
    c11, c12 = resolved["c11_gpa"], resolved["c12_gpa"]
    if abs(c12) >= c11 or c11 + 2.0 * c12 <= 0.0:
        findings.append(
            (
                "c12_gpa",
                f"{c12:g}",
                f"between {-c11 / 2.0:g} and {c11:g} (c11_gpa > |c12_gpa|, c11 + 2 c12 > 0)",
                "correct the constants: such a crystal would not be stable",
            )
        )
    if "slip_systems" not in resolved:
        return findings
    initial = resolved["initial_slip_resistance_gpa"]
    hardens = resolved["slip_hardening_modulus_gpa"] > 0.0
    if hardens and "saturation_slip_resistance_gpa" not in given:
        findings.append(
            (
                "saturation_slip_resistance_gpa",
                "nothing",
                f"a number of at least initial_slip_resistance_gpa = {initial:g}",
                "add it: it goes with slip_hardening_modulus_gpa",
            )
        )
    if resolved["saturation_slip_resistance_gpa"] < initial:
        findings.append(
            (
                "saturation_slip_resistance_gpa",
                f"{resolved['saturation_slip_resistance_gpa']:g}",
                f"at least initial_slip_resistance_gpa = {initial:g}",
                "raise it: the law hardens, it does not soften",
            )
        )
    if resolved["hall_petch_coefficient_gpa_sqrt_nm"] > 0.0:
        diameter = resolved["crystal_diameter_nm"]
        smallest = SMALLEST_HALL_PETCH_DIAMETER_NM
        if "crystal_diameter_nm" not in given or diameter < smallest:
            found = f"{diameter:g}" if "crystal_diameter_nm" in given else "nothing"
            findings.append(
                (
                    "crystal_diameter_nm",
                    found,
                    f"at least {smallest:g} with hall_petch_coefficient_gpa_sqrt_nm",
                    "give the strength of a smaller crystal as initial_slip_resistance_gpa: below "
                    f"{smallest:g} nm no dislocations pile up, and the law of Hall and Petch "
                    "overstates the strength",
                )
            )
    elif resolved["crystal_diameter_nm"] != NO_DIAMETER_NM:
        findings.append(
            (
                "crystal_diameter_nm",
                f"{resolved['crystal_diameter_nm']:g}",
                "a size only with hall_petch_coefficient_gpa_sqrt_nm",
                "add the coefficient, or leave the size out",
            )
        )
    return findings
