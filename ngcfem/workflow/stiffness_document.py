"""``stiffness.json``: everything that follows from an effective tangent."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ngcfem.case.build import build_materials
from ngcfem.case.realizations import realization_seed
from ngcfem.case.schema import Case
from ngcfem.homogenization.bounds import elastic_bounds
from ngcfem.homogenization.stiffness import EffectiveStiffness
from ngcfem.homogenization.stiffness_measures import (
    engineering_constants,
    place_in_bounds,
    reuss_average,
    spatial_stiffness,
    universal_anisotropy,
    voigt_average,
)
from ngcfem.quantities import FloatArray
from ngcfem.results.atomic import plain
from ngcfem.results.checkpoint import Checkpoint
from ngcfem.results.ensemble import scalar_statistics
from ngcfem.workflow.preparation import PreparedMesh

STIFFNESS_VERSION = 1


def cell_document(
    case: Case,
    prepared: PreparedMesh,
    checkpoint: Checkpoint | None,
    tangent: FloatArray,
    cost: Mapping[str, Any],
) -> dict[str, Any]:
    """Say everything that follows from the tangent of one cell.

    Parameters
    ----------
    case : Case
        The case.
    prepared : PreparedMesh
        Its mesh.
    checkpoint : Checkpoint or None
        The state; None for the undeformed one.
    tangent : ndarray, shape (9, 9)
        dP/dF in GPa.
    cost : mapping of str to object
        Entries on size and time.

    Returns
    -------
    dict
        Content of stiffness.json as plain JSON.

    Notes
    -----
    In a deformed state ``stiffness_gpa`` is that of `spatial_stiffness`; ``tangent_gpa`` is dP/dF
    in any state. Bounds are given for the undeformed state alone, where the phases are what their
    elastic constants say.
    """
    gradient, stress, state = np.eye(3), np.zeros((3, 3)), {"kind": "undeformed", "position": 0.0}
    if checkpoint is not None:
        gradient = np.array(checkpoint.arrays["deformation_gradient"])
        stress = np.array(checkpoint.arrays["stress_gpa"])
        state = {
            "kind": "checkpoint",
            "position": float(checkpoint.metadata["problem"]["position"]),
        }
    finite = case.load.kinematics == "finite"
    dimension = prepared.mesh.dimension
    # In the plane, shear along z has no answer; it does not enter the components that are read.
    known = np.nan_to_num(tangent)
    moduli = spatial_stiffness(known, gradient, stress) if finite else known
    effective = EffectiveStiffness(moduli, dimension)
    fractions = dict(prepared.quality.phase_fractions)
    return plain(
        {
            "schema_version": STIFFNESS_VERSION,
            "kind": "cell",
            "title": case.title,
            "case_hash": case.case_hash,
            "seed": case.seed,
            "dimension": dimension,
            "boundary": case.load.boundary,
            "kinematics": case.load.kinematics,
            "state": {
                **state,
                "deformation_gradient": gradient,
                "first_piola_kirchhoff_stress_gpa": stress,
            },
            "tangent_gpa": tangent,
            "components": ["11", "22", "33", "23", "13", "12"]
            if dimension == 3
            else ["11", "22", "33", "12"],
            "stiffness_gpa": effective.voigt,
            **_measures(effective),
            **(_bounds(case, effective, fractions) if checkpoint is None else {}),
            "phase_fractions": fractions,
            "n_cells": len(prepared.mesh.cells),
            **cost,
        }
    )


def _measures(effective: EffectiveStiffness) -> dict[str, Any]:
    """Moduli, anisotropy and engineering constants, as far as the dimension has them."""
    voigt = effective.voigt
    if effective.dimension == 2:
        c11, c12, c22 = voigt[0, 0], voigt[0, 1], voigt[1, 1]
        return {
            "moduli": {
                "plane_strain_bulk_modulus_gpa": 0.25 * (c11 + 2.0 * c12 + c22),
                "plane_shear_modulus_gpa": 0.125 * (c11 - 2.0 * c12 + c22 + 4.0 * voigt[3, 3]),
            }
        }
    upper, lower = voigt_average(voigt), reuss_average(voigt)
    return {
        "moduli": {
            "bulk_modulus_gpa": upper.bulk_modulus_gpa,
            "shear_modulus_gpa": upper.shear_modulus_gpa,
            "youngs_modulus_gpa": upper.youngs_modulus_gpa,
            "poisson_ratio": upper.poisson_ratio,
            "universal_anisotropy": universal_anisotropy(voigt),
            "bulk_modulus_of_mean_compliance_gpa": lower.bulk_modulus_gpa,
            "shear_modulus_of_mean_compliance_gpa": lower.shear_modulus_gpa,
        },
        "engineering_constants": engineering_constants(voigt),
    }


def _bounds(
    case: Case, effective: EffectiveStiffness, fractions: Mapping[str, float]
) -> dict[str, Any]:
    materials = build_materials(case)
    isotropic = all("youngs_modulus_gpa" in material.resolved for material in materials.values())
    if effective.dimension == 2 or not isotropic or not set(fractions) <= set(materials):
        return {}
    shares = np.array(list(fractions.values()))
    bounds = elastic_bounds([materials[name] for name in fractions], list(shares / shares.sum()))
    return {
        "bounds": asdict(bounds),
        "within_bounds": asdict(place_in_bounds(effective.voigt, bounds)),
    }


def ensemble_document(
    case: Case, found: Mapping[int, Mapping[str, Any]], failures: Mapping[int, str]
) -> dict[str, Any]:
    """Put the stiffnesses of the realizations together.

    Parameters
    ----------
    case : Case
        The case of the ensemble.
    found : mapping of int to mapping
        Content of stiffness.json by realization.
    failures : mapping of int to str
        What was refused, and why.

    Returns
    -------
    dict
        Mean and standard deviation of the stiffness matrix, and of every scalar.
    """
    matrices = np.array([entry["stiffness_gpa"] for entry in found.values()], dtype=float)
    several = len(matrices) > 1
    assert case.seed is not None
    return plain(
        {
            "schema_version": STIFFNESS_VERSION,
            "kind": "ensemble",
            "title": case.title,
            "case_hash": case.case_hash,
            "n_realizations": case.n_realizations,
            "realizations": [
                {
                    "realization": index,
                    "seed": realization_seed(case.seed, index),
                    "found": index in found,
                    "state": found[index]["state"] if index in found else None,
                    "reason": failures.get(index, ""),
                }
                for index in sorted({*found, *failures})
            ],
            "stiffness_gpa": matrices.mean(axis=0) if len(matrices) else None,
            "stiffness_standard_deviation_gpa": matrices.std(axis=0, ddof=1) if several else None,
            "scalars": scalar_statistics([_scalars(entry) for entry in found.values()]),
        }
    )


def _scalars(document: Mapping[str, Any]) -> dict[str, Any]:
    names = ("moduli", "engineering_constants", "phase_fractions", "n_dofs", "cpu_s")
    return {name: document[name] for name in names if document.get(name) is not None}
