"""Cost of a law per integration point: stress, tangent and new state, one core.

Run with ``python benchmarks/constitutive.py``, or with the names of some laws behind it. Prints the
median CPU time of several repetitions and its least; both count the processor time of this process
alone, but a busy machine lengthens them through the shared caches.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from collections.abc import Mapping

import numpy as np

from ngcfem.constitutive.batch import BatchedLaw, BatchResult
from ngcfem.quantities import FloatArray, Kinematics

POINTS = 40_960
REPETITIONS = 7
ELASTIC_STEP, PLASTIC_STEP = 1e-3, 5e-2
CRYSTAL_STEP = 1e-2
"""Larger steps a crystal may not solve: the program cuts them."""
J2: Mapping[str, float] = {
    "youngs_modulus_gpa": 140.0,
    "poisson_ratio": 0.33,
    "yield_strength_gpa": 2.7,
    "softening_gpa": 0.2,
    "softening_strain": 0.05,
    "hardening_modulus_gpa": 5.0,
}
CONE: Mapping[str, float] = {**J2, "friction_coefficient": 0.05, "dilatancy": 0.02}
RATE: Mapping[str, float] = {**CONE, "rate_sensitivity": 0.02}
ELASTIC: Mapping[str, float] = {"youngs_modulus_gpa": 140.0, "poisson_ratio": 0.33}
COULOMB: Mapping[str, float] = {
    **ELASTIC,
    "cohesion_gpa": 1.28,
    "cohesion_softening_gpa": 0.1,
    "softening_slip": 0.1,
    "cohesion_hardening_gpa": 1.2,
    "friction_coefficient": 0.05,
    "dilatancy": 0.04,
    "rate_sensitivity": 0.02,
}
FREE_VOLUME: Mapping[str, float] = {
    **ELASTIC,
    "reference_stress_gpa": 0.28,
    "reference_rate_per_s": 1e3,
    "initial_free_volume": 0.05,
}
TEMPERATURE: Mapping[str, float] = {
    **ELASTIC,
    "reference_stress_gpa": 0.28,
    "reference_rate_per_s": 1e3,
    "initial_effective_temperature": 0.05,
    "steady_effective_temperature": 0.066,
    "effective_heat_capacity": 1.0,
}
RELAXATION: Mapping[str, float] = {
    **FREE_VOLUME,
    "creation_per_shear_strain": 0.02,
    "relaxation_rate_per_s": 1e-3,
}
CUBIC: Mapping[str, float] = {"c11_gpa": 230.0, "c12_gpa": 135.0, "c44_gpa": 117.0}
CRYSTAL: Mapping[str, float | str] = {
    **CUBIC,
    "slip_systems": "110+112",
    "rate_sensitivity": 0.02,
    "initial_slip_resistance_gpa": 1.6,
    "saturation_slip_resistance_gpa": 2.15,
    "slip_hardening_modulus_gpa": 0.75,
}
CASES: tuple[tuple[str, str, Mapping[str, float | str]], ...] = (
    ("elastic", "elastic", ELASTIC),
    ("j2", "j2", J2),
    ("drucker-prager", "drucker-prager", CONE),
    ("drucker-prager, m = 0.02", "drucker-prager", RATE),
    ("mohr-coulomb, m = 0.02", "mohr-coulomb", COULOMB),
    ("mohr-coulomb, m = 0.005", "mohr-coulomb", {**COULOMB, "rate_sensitivity": 0.005}),
    ("free-volume", "free-volume", FREE_VOLUME),
    ("effective-temperature", "effective-temperature", TEMPERATURE),
    ("free-volume-relaxation", "free-volume-relaxation", RELAXATION),
    ("cubic-elastic", "cubic-elastic", CUBIC),
    ("crystal-plasticity, 24, m = 0.02", "crystal-plasticity", CRYSTAL),
)


def deformation_gradients(size: float) -> FloatArray:
    """Random deformation gradients (POINTS, 9) of a given size of strain."""
    rng = np.random.default_rng(0)
    return np.eye(3).reshape(9) + size * rng.normal(size=(POINTS, 9))


def virgin_state(law: BatchedLaw) -> FloatArray:
    """Virgin points, crystals in random orientations."""
    if not law.needs_orientation:
        return law.initial_state(POINTS)
    quaternion = np.random.default_rng(1).normal(size=(POINTS, 4))
    return law.initial_state(POINTS, quaternion / np.linalg.norm(quaternion, axis=1)[:, None])


def microseconds(
    law: BatchedLaw, parameters: FloatArray, F: FloatArray, tangent: bool
) -> tuple[float, float]:
    """Median and least CPU time per point, which counts every thread."""
    state = virgin_state(law)
    out: BatchResult = law.update(F, state, parameters, 1.0, tangent=tangent)
    failed = int(np.count_nonzero(out.status))
    if failed:
        print(f"{failed} of {POINTS} points were not solved", flush=True)
    spent = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        law.update(F, state, parameters, 1.0, tangent=tangent, out=out)
        spent.append(1e6 * (time.process_time() - start) / POINTS)
    return float(np.median(spent)), min(spent)


def main() -> None:
    """Print a table."""
    kinematics: Kinematics
    wanted = sys.argv[1:]
    heads = f"{'with tangent':>20} {'stress only':>20}"
    print(f"{'law':32} {'kinematics':10} {'regime':8} {heads}   (us a point: median, least)")
    for label, name, values in CASES:
        if wanted and name not in wanted:
            continue
        for kinematics in ("finite", "small"):
            law = BatchedLaw(name, kinematics)
            parameters = law.parameter_vector(values)
            step = CRYSTAL_STEP if law.needs_orientation else PLASTIC_STEP
            for regime, size in (("elastic", ELASTIC_STEP), ("plastic", step)):
                F = deformation_gradients(size)
                both = microseconds(law, parameters, F, True)
                stress = microseconds(law, parameters, F, False)
                print(
                    f"{label:32} {kinematics:10} {regime:8} {both[0]:11.2f} {both[1]:8.2f} "
                    f"{stress[0]:11.2f} {stress[1]:8.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
