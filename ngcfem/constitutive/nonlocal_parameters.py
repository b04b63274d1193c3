"""Parameters of the internal length that spreads softening, and when they are needed."""

from collections.abc import Mapping

from ngcfem.constitutive.parameter_specification import ParameterFinding, ParameterSpec

CHARACTERISTIC_LENGTH = "characteristic_length_nm"
OVERNONLOCAL_WEIGHT = "overnonlocal_weight"
MICROMORPHIC_MODULUS = "micromorphic_modulus_gpa"
DIFFUSION_COEFFICIENT = "diffusion_coefficient_nm2_per_s"

_PEERLINGS = (
    "Peerlings et al. (1996), Int. J. Numer. Methods Eng. 39, 3391, "
    "doi 10.1002/(SICI)1097-0207(19961015)39:19<3391::AID-NME7>3.0.CO;2-D"
)
_HUANG = "Huang et al. (2002), J. Mech. Phys. Solids 50, 1011, doi 10.1016/S0022-5096(01)00115-6"
_FOREST = "Forest (2009), J. Eng. Mech. 135, 117, doi 10.1061/(ASCE)0733-9399(2009)135:3(117)"
_BAZANT_JIRASEK = (
    "Bazant and Jirasek (2002), J. Eng. Mech. 128, 1119, "
    "doi 10.1061/(ASCE)0733-9399(2002)128:11(1119)"
)

OVERNONLOCAL: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        CHARACTERISTIC_LENGTH,
        "nm",
        "internal length l of the nonlocal field; 0: none, the softening is local",
        0.0,
        0.0,
        None,
        reference=_PEERLINGS,
    ),
    ParameterSpec(
        OVERNONLOCAL_WEIGHT,
        "",
        "weight m of the nonlocal field in the softening; 1 - m is that of the local variable",
        2.0,
        1.0,
        20.0,
        exclusive_minimum=True,
        reference=_BAZANT_JIRASEK,
    ),
)
"""Parameters of the bounded over-nonlocal softening."""

MICROMORPHIC: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        MICROMORPHIC_MODULUS,
        "GPa",
        "H_chi: strength per difference of local and nonlocal variable, which replaces the "
        "over-nonlocal form; 0: the over-nonlocal form",
        0.0,
        0.0,
        10_000.0,
        reference=_FOREST,
    ),
)
"""Parameter of the symmetric form, for verification."""

DIFFUSION: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        DIFFUSION_COEFFICIENT,
        "nm^2/s",
        "D in dxi/dt = D lap xi + (what the law says); 0: none, the softening is local",
        0.0,
        0.0,
        None,
        reference=_HUANG,
    ),
)
"""Parameter of the diffusion of a structural variable."""

NONLOCAL_NAMES: tuple[str, ...] = tuple(
    spec.name for spec in (*OVERNONLOCAL, *MICROMORPHIC, *DIFFUSION)
)


def has_internal_length(values: Mapping[str, float | str]) -> bool:
    """Whether parameters give the law a nonlocal field, and softening a length with it.

    Parameters
    ----------
    values : mapping of str to float
        Valid parameters, resolved or as given.

    Returns
    -------
    bool
        True for a characteristic length or a diffusion coefficient above zero.

    Notes
    -----
    Diffusion has no length of its own: over a time t it spreads the variable over sqrt(D t).
    """
    return any(
        float(values.get(key, 0.0)) > 0.0 for key in (CHARACTERISTIC_LENGTH, DIFFUSION_COEFFICIENT)
    )


def nonlocal_conditions(resolved: Mapping[str, float]) -> list[ParameterFinding]:
    """What is wrong with the nonlocal parameters that are sound one by one.

    Parameters
    ----------
    resolved : mapping of str to float
        Every parameter of the law; a default value counts as not given.

    Returns
    -------
    list of tuple of str
        (name, found, allowed, remedy) of each problem.

    Notes
    -----
    The micromorphic term is not bounded: where the field is far above the local variable it takes
    away all strength. The solution of the rate factor needs a bound, therefore the two exclude each
    other.
    """
    defaults = {spec.name: spec.default for spec in (*OVERNONLOCAL, *MICROMORPHIC)}
    given = {
        name: resolved[name]
        for name in (OVERNONLOCAL_WEIGHT, MICROMORPHIC_MODULUS)
        if name in resolved and resolved[name] != defaults[name]
    }
    findings: list[ParameterFinding] = []
    if resolved[CHARACTERISTIC_LENGTH] <= 0.0:
        findings += [
            (
                name,
                f"{value:g} without {CHARACTERISTIC_LENGTH}",
                f"{name} together with {CHARACTERISTIC_LENGTH} > 0",
                f"add {CHARACTERISTIC_LENGTH}, or remove {name}",
            )
            for name, value in given.items()
        ]
    micromorphic = resolved.get(MICROMORPHIC_MODULUS, 0.0) > 0.0
    if micromorphic and OVERNONLOCAL_WEIGHT in given:
        findings.append(
            (
                OVERNONLOCAL_WEIGHT,
                f"{given[OVERNONLOCAL_WEIGHT]:g} beside {MICROMORPHIC_MODULUS}",
                "one of the two",
                f"remove one: {MICROMORPHIC_MODULUS} replaces the over-nonlocal form",
            )
        )
    if micromorphic and resolved.get("rate_sensitivity", 0.0) > 0.0:
        findings.append(
            (
                MICROMORPHIC_MODULUS,
                f"{resolved[MICROMORPHIC_MODULUS]:g} with rate_sensitivity = "
                f"{resolved['rate_sensitivity']:g}",
                f"{MICROMORPHIC_MODULUS} with rate_sensitivity = 0",
                f"use {OVERNONLOCAL_WEIGHT} for a rate-dependent law",
            )
        )
    return findings
