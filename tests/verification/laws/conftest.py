"""Laws to verify, and one object that evaluates a law at many points."""

from collections.abc import Callable

import numpy as np
import pytest

from ngcfem.constitutive.batch import BatchedLaw, BatchResult
from ngcfem.constitutive.material import Material
from ngcfem.quantities import FloatArray, Kinematics

ELASTIC = {"youngs_modulus_gpa": 130.0, "poisson_ratio": 0.33}
HARDENING = {
    **ELASTIC,
    "yield_strength_gpa": 2.5,
    "softening_gpa": 0.3,
    "softening_strain": 0.05,
    "voce_hardening_gpa": 0.4,
    "voce_rate": 7.0,
    "hardening_modulus_gpa": 1.0,
}
PRESSURE = {**HARDENING, "friction_coefficient": 0.2, "dilatancy": 0.1}
RATE = {**PRESSURE, "rate_sensitivity": 0.02, "reference_rate_per_s": 1e-3}
ACTIVATED = {**ELASTIC, "reference_stress_gpa": 0.25, "reference_rate_per_s": 1e-4}
FREE_VOLUME = {**ACTIVATED, "initial_free_volume": 0.05}
TEMPERATURE = {
    **ACTIVATED,
    "initial_effective_temperature": 0.05,
    "steady_effective_temperature": 0.07,
    "effective_heat_capacity": 1.0,
}
RELAXATION = {
    **FREE_VOLUME,
    "creation_per_shear_strain": 0.05,
    "relaxation_rate_per_s": 1e-4,
    "pressure_annihilation_per_gpa_s": 1e-9,
}
COULOMB = {
    **ELASTIC,
    "cohesion_gpa": 1.2,
    "cohesion_softening_gpa": 0.15,
    "softening_slip": 0.1,
    "cohesion_hardening_gpa": 0.3,
    "friction_coefficient": 0.2,
    "dilatancy": 0.1,
}

CUBIC = {"c11_gpa": 230.0, "c12_gpa": 135.0, "c44_gpa": 117.0}
CRYSTAL = {
    **CUBIC,
    "slip_systems": "110+112",
    "rate_sensitivity": 0.02,
    "initial_slip_resistance_gpa": 1.6,
    "saturation_slip_resistance_gpa": 2.2,
    "slip_hardening_modulus_gpa": 3.0,
}

MATERIALS = {
    "elastic": Material("grain", "elastic", ELASTIC),
    "j2": Material("grain", "j2", HARDENING),
    "drucker-prager": Material("grain", "drucker-prager", PRESSURE),
    "drucker-prager-rate": Material("grain", "drucker-prager", RATE),
    "mohr-coulomb": Material("grain", "mohr-coulomb", COULOMB),
    "free-volume": Material("grain", "free-volume", FREE_VOLUME),
    "effective-temperature": Material("grain", "effective-temperature", TEMPERATURE),
    "free-volume-relaxation": Material("grain", "free-volume-relaxation", RELAXATION),
}

# The gates below are those of isotropic laws; test_crystal_plasticity.py has those of crystals.
LATTICE_MATERIALS = {
    "cubic-elastic": Material("grain", "cubic-elastic", CUBIC),
    "crystal-plasticity": Material("grain", "crystal-plasticity", CRYSTAL),
}

# One chunk size for every test: each (law, kinematics) pair is compiled once.
CHUNK_SIZE = 64
TIME_INCREMENT_S = 10.0


class Points:
    """A material at many points; remembers nothing."""

    def __init__(self, material: Material, kinematics: Kinematics) -> None:
        self.material = material
        self.kinematics = kinematics
        self.law = BatchedLaw(material.law, kinematics, chunk_size=CHUNK_SIZE)
        self.parameters = self.law.parameter_vector(material.parameters)

    def update(
        self,
        F: FloatArray,
        state: FloatArray | None = None,
        time_increment_s: float = TIME_INCREMENT_S,
        viscosity_gpa_s: float = 0.0,
    ) -> BatchResult:
        """Advance points given as (n, 3, 3); virgin state unless one is given."""
        flat = np.ascontiguousarray(np.reshape(F, (-1, 9)))
        start = self.law.initial_state(len(flat)) if state is None else state
        return self.law.update(flat, start, self.parameters, time_increment_s, viscosity_gpa_s)

    def stress(self, *arguments, **options) -> FloatArray:
        """Nominal stress (n, 3, 3) of an update."""
        result = self.update(*arguments, **options)
        return result.first_piola_kirchhoff_stress.reshape(-1, 3, 3)

    def kirchhoff_stress(self, F: FloatArray, result: BatchResult) -> FloatArray:
        """Kirchhoff stress (n, 3, 3); small kinematics: the stress."""
        P = result.first_piola_kirchhoff_stress.reshape(-1, 3, 3)
        return P if self.kinematics == "small" else P @ np.swapaxes(F, 1, 2)


@pytest.fixture
def make_points() -> Callable[[Material, Kinematics], Points]:
    return Points


@pytest.fixture(scope="session")
def all_materials() -> dict[str, Material]:
    """Sound parameters of every law."""
    return MATERIALS | LATTICE_MATERIALS


@pytest.fixture(params=["finite", "small"])
def kinematics(request: pytest.FixtureRequest) -> Kinematics:
    return request.param


@pytest.fixture(params=sorted(MATERIALS | LATTICE_MATERIALS))
def all_points(request: pytest.FixtureRequest, kinematics: Kinematics) -> Points:
    """Every law in both kinematics, crystals with the lattice on the axes."""
    return Points((MATERIALS | LATTICE_MATERIALS)[request.param], kinematics)


@pytest.fixture(params=sorted(MATERIALS))
def points(request: pytest.FixtureRequest, kinematics: Kinematics) -> Points:
    """Every isotropic law in both kinematics."""
    return Points(MATERIALS[request.param], kinematics)


@pytest.fixture(params=["j2", "drucker-prager"])
def rate_independent(request: pytest.FixtureRequest, kinematics: Kinematics) -> Points:
    """Every rate-independent plastic law in both kinematics."""
    return Points(MATERIALS[request.param], kinematics)


@pytest.fixture
def random_path() -> Callable[..., FloatArray]:
    """Deformation gradients (steps, n, 3, 3) that wander away from I, with large rotations."""

    def make(steps: int, n: int, size: float, seed: int = 0) -> FloatArray:
        rng = np.random.default_rng(seed)
        increments = size * rng.normal(size=(steps, n, 3, 3))
        return np.eye(3) + np.cumsum(increments, axis=0)

    return make


@pytest.fixture
def random_rotations() -> Callable[..., FloatArray]:
    """Proper rotations (n, 3, 3)."""

    def make(n: int, seed: int = 1) -> FloatArray:
        rng = np.random.default_rng(seed)
        Q, R = np.linalg.qr(rng.normal(size=(n, 3, 3)))
        Q *= np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None, :]
        Q[:, :, 0] *= np.sign(np.linalg.det(Q))[:, None]
        return Q

    return make
