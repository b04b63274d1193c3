"""Parameters of the laws of thermally activated flow."""

from collections.abc import Mapping

from ngcfem.constitutive.nonlocal_parameters import DIFFUSION
from ngcfem.constitutive.parameter_specification import ParameterSpec

_SPAEPEN = "Spaepen (1977), Acta Metall. 25, 407, doi 10.1016/0001-6160(77)90232-2"
_HUANG = "Huang et al. (2002), J. Mech. Phys. Solids 50, 1011, doi 10.1016/S0022-5096(01)00115-6"
_LANGER = "Falk and Langer (1998), Phys. Rev. E 57, 7192, doi 10.1103/PhysRevE.57.7192"
_THAMBURAJA = "Thamburaja (2011), J. Mech. Phys. Solids 59, 1552, doi 10.1016/j.jmps.2011.04.018"


def _positive(
    name: str,
    unit: str,
    description: str,
    default: float | None = None,
    maximum: float | None = None,
    reference: str = "",
) -> ParameterSpec:
    return ParameterSpec(
        name, unit, description, default, 0.0, maximum, exclusive_minimum=True, reference=reference
    )


_FLOW: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "reference_stress_gpa",
        "GPa",
        "tau_0 = 2 k T / Omega",
        None,
        0.0,
        1_000.0,
        exclusive_minimum=True,
        reference=_SPAEPEN,
        is_strength=True,
    ),
    _positive(
        "reference_rate_per_s", "1/s", "R = f exp(-dG / k T) in 2 R exp(-1/xi) sinh(tau / tau_0)"
    ),
)
_INITIAL_FREE_VOLUME = _positive(
    "initial_free_volume", "", "xi_0 = v_f / (alpha v*)", None, 0.5, _SPAEPEN
)
_DILATATION_PER_FREE_VOLUME = ParameterSpec(
    "dilatation_per_free_volume",
    "",
    "plastic volume strain per change of xi (or chi)",
    0.0,
    0.0,
    10.0,
)

ACTIVATED_FLOW: Mapping[str, tuple[ParameterSpec, ...]] = {
    "free-volume": (
        *_FLOW,
        _INITIAL_FREE_VOLUME,
        _DILATATION_PER_FREE_VOLUME,
        _positive("geometry_factor", "", "alpha, of order 0.05 to 1", 0.15, 10.0, _SPAEPEN),
        _positive("activation_ratio", "", "v* / Omega", 1.0, 100.0, _HUANG),
        _positive("diffusion_jumps", "", "n_D, jumps that annihilate v*", 3.0, None, _SPAEPEN),
        *DIFFUSION,
    ),
    "effective-temperature": (
        *_FLOW,
        _positive("initial_effective_temperature", "", "chi_0", None, 0.5, _LANGER),
        _DILATATION_PER_FREE_VOLUME,
        _positive("steady_effective_temperature", "", "chi of persistent flow", None, 0.5, _LANGER),
        _positive(
            "effective_heat_capacity",
            "",
            "plastic work in units of tau_0 over which chi relaxes by a factor e",
            None,
            None,
            _LANGER,
        ),
        *DIFFUSION,
    ),
    "free-volume-relaxation": (
        *_FLOW,
        _INITIAL_FREE_VOLUME,
        _DILATATION_PER_FREE_VOLUME,
        ParameterSpec(
            "creation_per_shear_strain",
            "",
            "zeta: free volume created per plastic shear strain",
            None,
            0.0,
            None,
            reference=_THAMBURAJA,
        ),
        ParameterSpec(
            "relaxation_rate_per_s",
            "1/s",
            "k_r: rate of the relaxation to relaxed_free_volume",
            0.0,
            0.0,
            None,
            reference=_THAMBURAJA,
        ),
        _positive("relaxed_free_volume", "", "xi_T", 0.05, 0.5, _THAMBURAJA),
        ParameterSpec(
            "pressure_annihilation_per_gpa_s",
            "1/(GPa s)",
            "k_p: free volume pressed out per mean pressure and time",
            0.0,
            0.0,
            None,
            reference=_THAMBURAJA,
        ),
        *DIFFUSION,
    ),
}
"""Parameters of each law beside its elastic constants."""
