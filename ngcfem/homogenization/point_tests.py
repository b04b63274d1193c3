"""Standard tests of a law at one point: tension, compression, shear, unloading, rate jumps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ngcfem.constitutive.material import Material
from ngcfem.errors import NotConvergedError
from ngcfem.homogenization.point import drive_point
from ngcfem.loading.path import LoadPath, LoadSegment, uniaxial_stress
from ngcfem.quantities import AXIS_INDEX, Axis, FloatArray, Kinematics
from ngcfem.results.history import History
from ngcfem.results.increment import Increment

TENSION = "tension"
COMPRESSION = "compression"
SIMPLE_SHEAR = "simple-shear"
UNLOADING = "unloading"
RATE_JUMPS = "rate-jumps"
POINT_TESTS: tuple[str, ...] = (TENSION, COMPRESSION, SIMPLE_SHEAR, UNLOADING, RATE_JUMPS)
"""The tests in their order."""

RATE_FACTORS: tuple[float, ...] = (1.0, 10.0, 1.0, 0.1)
"""Rates of the four equal parts of the test with rate jumps, over the rate of the other tests."""

_AXIS: Axis = "z"
_TURN = 0.4


@dataclass(frozen=True, eq=False)
class PointTestResult:
    """One test of one law.

    Parameters
    ----------
    name : str
        One of `POINT_TESTS`.
    history : History
        States of the point, the undeformed one first.
    equivalent_plastic_strain : tuple of float
        Kappa of each state.
    largest_strain : float
        Magnitude of the true strain that the test was to reach; of shear, over sqrt(3).
    rate_per_s : float
        Magnitude of the true strain rate, where it does not jump; of shear, over sqrt(3).
    failure : str
        Why the test stopped before its end; empty if it did not.
    """

    name: str
    history: History
    equivalent_plastic_strain: tuple[float, ...]
    largest_strain: float
    rate_per_s: float
    failure: str


def run_point_tests(
    material: Material,
    kinematics: Kinematics = "finite",
    largest_strain: float = 0.2,
    rate_per_s: float = 1e-3,
    increments: int = 240,
    viscosity_gpa_s: float = 0.0,
    orientation: FloatArray | None = None,
) -> tuple[PointTestResult, ...]:
    """Put a law through the standard tests.

    Parameters
    ----------
    material : Material
        Law and parameters.
    kinematics : {"finite", "small"}
        Kinematics.
    largest_strain : float
        Magnitude of the true strain that tension and compression end at; shear ends at sqrt(3)
        times it, where a Mises law has flowed as much.
    rate_per_s : float
        Magnitude of the true strain rate; the shear rate is sqrt(3) times it.
    increments : int
        Steps of each test.
    viscosity_gpa_s : float
        Uniaxial overstress in GPa per equivalent plastic strain rate.
    orientation : ndarray, shape (4,), or None
        Unit quaternion from lattice to specimen coordinates, for laws of crystals; None puts the
        lattice on the axes.

    Returns
    -------
    tuple of PointTestResult
        In the order of `POINT_TESTS`. A test that a law cannot follow to its end (tension beyond
        the strength of a cone, say) has the states up to there and its reason.

    Notes
    -----
    1. Uniaxial stress along z, tension and compression.
    2. F = I + gamma e1 (x) e2: F12 is the shear, and P12 is the Cauchy shear stress.
    3. Compression to 0.4 of the largest strain, back by stress over initial slope (to about zero
       stress), and on to the end, all at the same rate.
    4. Compression in four equal parts at 1, 10, 1 and 0.1 times the rate.

    An internal length does nothing in a homogeneous state, so the local law answers.
    """

    def run(name: str, path: LoadPath) -> PointTestResult:
        rows: list[Increment] = []
        failure = ""
        try:
            # extend keeps the states that came before an error
            rows.extend(
                drive_point(
                    material,
                    path,
                    kinematics,
                    viscosity_gpa_s=viscosity_gpa_s,
                    orientation=orientation,
                )
            )
        except NotConvergedError as error:
            failure = str(error)
        return PointTestResult(
            name,
            History.from_increments(rows, _AXIS, kinematics),
            tuple(row.phases[material.phase].mean_equivalent_plastic_strain for row in rows),
            largest_strain,
            rate_per_s,
            failure,
        )

    def uniaxial(*strains: float) -> LoadPath:
        travel = np.abs(np.diff([0.0, *strains]))
        counts = [max(1, round(increments * part / largest_strain)) for part in travel]
        return uniaxial_stress(_AXIS, strains, rate_per_s, counts)

    compression = run(COMPRESSION, uniaxial(-largest_strain))
    turn = _TURN * largest_strain
    back = turn - _unloading_strain(compression.history, turn)
    return (
        run(TENSION, uniaxial(largest_strain)),
        compression,
        run(SIMPLE_SHEAR, _simple_shear(largest_strain, rate_per_s, increments)),
        run(UNLOADING, uniaxial(-turn, -back, -largest_strain)),
        run(RATE_JUMPS, _rate_jumps(largest_strain, rate_per_s, increments)),
    )


def _unloading_strain(history: History, turn: float) -> float:
    """Strain of an elastic unloading from a strain, at most that strain itself."""
    curve = history.curve()
    strain, stress = curve.loading_strain, curve.loading_stress_gpa
    if len(strain) < 2 or stress[1] <= 0.0:
        return 0.5 * turn
    slope = float(stress[1] / strain[1])
    return min(float(np.interp(turn, strain, stress)) / slope, turn)


def _simple_shear(largest_strain: float, rate_per_s: float, increments: int) -> LoadPath:
    target = np.eye(3)
    target[0, 1] = math.sqrt(3.0) * largest_strain
    return LoadPath(
        [LoadSegment(target, np.zeros((3, 3)), largest_strain / rate_per_s, increments)], _AXIS
    )


def _rate_jumps(largest_strain: float, rate_per_s: float, increments: int) -> LoadPath:
    """Compression in equal parts, each at its own rate."""
    parts = len(RATE_FACTORS)
    ends = [-largest_strain * (part + 1) / parts for part in range(parts)]
    segments: Sequence[LoadSegment] = uniaxial_stress(
        _AXIS, ends, rate_per_s, max(1, increments // parts)
    ).segments
    return LoadPath(
        [
            LoadSegment(
                segment.deformation_gradient,
                segment.first_piola_kirchhoff_stress_gpa,
                segment.duration_s / factor,
                segment.increments,
                AXIS_INDEX[_AXIS],
            )
            for segment, factor in zip(segments, RATE_FACTORS, strict=True)
        ],
        _AXIS,
    )
