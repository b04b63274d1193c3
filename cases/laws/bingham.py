"""A law of one's own: a Bingham solid, which flows above its yield strength with a viscosity."""

from collections.abc import Mapping

from ngcfem.constitutive.elasticity import (
    bulk_modulus,
    combine,
    mises_stress,
    shear_modulus,
    split,
)
from ngcfem.constitutive.law import CONVERGED, PrincipalUpdate
from ngcfem.constitutive.own_law import OwnLaw
from ngcfem.constitutive.parameter_specification import ParameterSpec
from ngcfem.constitutive.parameters import ELASTIC
from ngcfem.constitutive.xla import jnp

BINGHAM = "Bingham (1922), Fluidity and Plasticity, McGraw-Hill; Hohenemser and Prager (1932)"


class Bingham(OwnLaw):
    """Mises stress q above the strength Y flows at the rate dkappa/dt = (q - Y) / eta."""

    name = "bingham"
    internal_variables = ("equivalent_plastic_strain",)
    has_plastic_strain = True
    parameters = (
        *ELASTIC,
        ParameterSpec("strength_gpa", "GPa", "Y", None, 0.0, 1e3, reference=BINGHAM),
        ParameterSpec("flow_viscosity_gpa_s", "GPa s", "eta", 0.0, 0.0, None, reference=BINGHAM),
    )

    def softens(self, values: Mapping[str, float]) -> bool:
        """Never: the strength does not change."""
        return False

    def update(self, trial_strain, internal_variables, parameters, step):
        """Backward Euler: q_tr - 3 G dk = Y + eta dk / dt is linear in the plastic strain dk."""
        (kappa,) = internal_variables
        shear, bulk = shear_modulus(parameters), bulk_modulus(parameters)
        volume, deviator = split(trial_strain)
        trial = mises_stress(deviator, shear)
        viscosity = parameters.flow_viscosity_gpa_s + step.viscosity_gpa_s
        excess = jnp.maximum(trial - parameters.strength_gpa, 0.0)
        flow = excess / (3.0 * shear + viscosity / step.time_increment_s)
        # a point without any stress does not flow: divide by 1 there
        kept = 1.0 - 3.0 * shear * flow / jnp.where(flow > 0.0, trial, 1.0)
        return PrincipalUpdate(
            kirchhoff_stress=combine(bulk * volume, 2.0 * shear * kept, deviator),
            elastic_strain=combine(volume / 3.0, kept, deviator),
            internal_variables=(kappa + flow,),
            status=jnp.full((), CONVERGED, dtype=jnp.int32),
        )
