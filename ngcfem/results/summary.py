"""``summary.json``: results, health and cost of a run in one document."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ngcfem.quantities import AXIS_INDEX, Axis, FloatArray, Kinematics
from ngcfem.results.atomic import plain
from ngcfem.results.curve import YIELD_OFFSET, StressStrainCurve
from ngcfem.results.increment import Increment
from ngcfem.results.measures import StressMeasure

STRAINS_OF_INTEREST: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
SUMMARY_VERSION = 1


def build_summary(
    increments: Sequence[Increment],
    axis: Axis,
    kinematics: Kinematics,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Sum up a run.

    Parameters
    ----------
    increments : sequence of Increment
        Accepted steps, the undeformed state first; one or more.
    axis : {"x", "y", "z"}
        Axis of the load.
    kinematics : {"finite", "small"}
        Kinematics of the run.
    extra : mapping of str to object or None
        What only the solver and the mesh know; entries are added as they are and win over computed
        ones of the same name. The report looks for ``exit_reason``, ``exit_code``,
        ``mesh_dependent``, ``n_dofs``, ``n_cells``, ``ranks``, ``cpu_s``, ``wall_s``,
        ``peak_memory_gib``, ``timers_s`` (phase of the program to seconds), ``realized_fractions``,
        ``mesh_quality``, ``element`` and ``residual_tolerance``.

    Returns
    -------
    dict
        Plain JSON; a number that does not exist (yield of an elastic run) is None. Stresses and
        strains named "loading" count positive in the direction of the first loading; all others
        are tension positive.

    Raises
    ------
    ValueError
        If there is no increment.
    """
    if not increments:
        raise ValueError("a summary needs at least the undeformed state")
    curve = StressStrainCurve.from_increments(increments, axis, kinematics)
    summary = {
        "schema_version": SUMMARY_VERSION,
        "axis": axis,
        "kinematics": kinematics,
        **_curve_entries(curve),
        **_health_entries(increments, curve),
        **_cost_entries(increments),
        "phases": _final_phases(increments[-1], axis),
        "course": _course(increments, curve, axis),
    }
    return plain({**summary, **(extra or {})})


def _curve_entries(curve: StressStrainCurve) -> dict[str, Any]:
    modulus = curve.initial_modulus()
    offset_yield = curve.offset_yield()
    curves = {
        "true_stress_gpa": curve,
        "volume_conserving_true_stress_gpa": curve.measured_in(
            curve.strain_measure, StressMeasure.VOLUME_CONSERVING_TRUE
        ),
        "engineering_stress_gpa": curve.measured_in(
            curve.strain_measure, StressMeasure.ENGINEERING
        ),
    }
    return {
        "loading_direction": {-1: "compression", 0: "none", 1: "tension"}[curve.direction],
        "true_strain_reached": curve.strain_reached,
        "modulus_gpa": modulus.value_gpa if modulus else None,
        "modulus_resolved": modulus.resolved if modulus else None,
        "offset_yield_offset": YIELD_OFFSET,
        "offset_yield_gpa": offset_yield.stress_gpa if offset_yield else None,
        "offset_yield_true_strain": offset_yield.strain if offset_yield else None,
        "loading_stress_at_true_strain": {
            f"{strain:g}": {name: entry.stress_at(strain) for name, entry in curves.items()}
            for strain in STRAINS_OF_INTEREST
        },
    }


def _health_entries(increments: Sequence[Increment], curve: StressStrainCurve) -> dict[str, Any]:
    loaded = increments[1:]

    def largest(name: str) -> float | None:
        values = [abs(getattr(step, name)) for step in loaded]
        return float(np.nanmax(values)) if values and not np.all(np.isnan(values)) else None

    negative = next(
        (
            float(strain)
            for step, strain in zip(increments, curve.true_strain, strict=True)
            if step.minimum_jacobian_vertices < 0.0
        ),
        None,
    )
    last = increments[-1]
    return {
        "hill_mandel_error_maximum": largest("hill_mandel_error"),
        "relative_residual_maximum": largest("relative_residual"),
        "minimum_jacobian_points": min(step.minimum_jacobian_points for step in increments),
        "minimum_jacobian_vertices": min(step.minimum_jacobian_vertices for step in increments),
        "first_true_strain_with_negative_vertex_jacobian": negative,
        "elements_with_negative_vertex_jacobian_maximum": max(
            step.negative_vertex_jacobians for step in increments
        ),
        "pressure_noise_final": last.pressure_noise,
        "pressure_noise_maximum": largest("pressure_noise"),
        "viscous_stress_share_final": last.viscous_stress_share,
        "viscous_stress_share_maximum": largest("viscous_stress_share"),
        "localization_index_final": last.localization_index,
    }


def _cost_entries(increments: Sequence[Increment]) -> dict[str, Any]:
    return {
        "increments_accepted": len(increments) - 1,
        "increments_requested_reached": sum(step.requested for step in increments[1:]),
        "last_increment": increments[-1].increment,
        "newton_iterations": sum(step.newton_iterations for step in increments),
        "linear_iterations": sum(step.linear_iterations for step in increments),
        "cutbacks": sum(step.cutbacks for step in increments),
        "staggered_iterations": sum(step.staggered_iterations for step in increments),
        "wall_s": increments[-1].wall_s,
    }


def _final_phases(last: Increment, axis: Axis) -> dict[str, Any]:
    a = AXIS_INDEX[axis]
    return {
        name: {
            "volume_fraction": average.volume_fraction,
            "mean_cauchy_stress_gpa": average.mean_cauchy_stress,
            "mean_axial_cauchy_stress_gpa": average.mean_cauchy_stress[a, a],
            "mises_of_mean_cauchy_stress_gpa": _mises(average.mean_cauchy_stress),
            "mean_equivalent_plastic_strain": average.mean_equivalent_plastic_strain,
            "std_equivalent_plastic_strain": average.std_equivalent_plastic_strain,
        }
        for name, average in last.phases.items()
    }


def _course(
    increments: Sequence[Increment], curve: StressStrainCurve, axis: Axis
) -> dict[str, Any]:
    """Collect what the figures draw over strain, one entry per accepted step."""
    a = AXIS_INDEX[axis]
    scalars = (
        "time_s",
        "newton_iterations",
        "linear_iterations",
        "cutbacks",
        "wall_s",
        "relative_residual",
        "hill_mandel_error",
        "minimum_jacobian_points",
        "minimum_jacobian_vertices",
        "negative_vertex_jacobians",
        "pressure_noise",
        "viscous_stress_share",
        "localization_index",
    )
    return {
        "true_strain": curve.true_strain,
        **{name: [getattr(step, name) for step in increments] for name in scalars},
        "phases": {
            name: {
                "mean_axial_cauchy_stress_gpa": [
                    step.phases[name].mean_cauchy_stress[a, a] for step in increments
                ],
                "mean_equivalent_plastic_strain": [
                    step.phases[name].mean_equivalent_plastic_strain for step in increments
                ],
                "std_equivalent_plastic_strain": [
                    step.phases[name].std_equivalent_plastic_strain for step in increments
                ],
            }
            for name in increments[-1].phases
        },
    }


def _mises(stress: FloatArray) -> float:
    deviator = stress - np.trace(stress) / 3.0 * np.eye(3)
    return float(np.sqrt(1.5 * np.sum(deviator * deviator)))
