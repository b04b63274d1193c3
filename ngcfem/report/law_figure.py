"""The figure of a law: its curves in the standard tests at a point."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ngcfem.homogenization.point_tests import (
    COMPRESSION,
    RATE_FACTORS,
    RATE_JUMPS,
    SIMPLE_SHEAR,
    TENSION,
    UNLOADING,
    PointTestResult,
)
from ngcfem.quantities import FloatArray
from ngcfem.report.colours import MEASURED, MODEL, SECONDARY
from ngcfem.report.figures import new_figure, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_law(results: Sequence[PointTestResult], title: str) -> bytes:
    """Draw the standard tests of a law in four panels.

    Parameters
    ----------
    results : sequence of PointTestResult
        All tests of one law.
    title : str
        Name of the material and its law.

    Returns
    -------
    bytes
        PNG.
    """
    tests = {result.name: result for result in results}
    with styled():
        figure = new_figure(9.6, 7.2)
        figure.suptitle(title, fontsize=11.5)
        panels = figure.subplots(2, 2).ravel()
        axial = "true strain, magnitude [-]", "Cauchy stress, magnitude [GPa]"
        _draw(panels[0], tests[COMPRESSION], MODEL, "compression")
        _draw(panels[0], tests[TENSION], MEASURED, "tension")
        _finish(panels[0], "Uniaxial stress", *axial)
        panels[0].legend(loc="lower right")
        _draw(panels[1], tests[SIMPLE_SHEAR], MODEL, "shear stress")
        _draw_kirchhoff_measure(panels[1], tests[SIMPLE_SHEAR])
        _finish(panels[1], "Simple shear", "shear [-]", "Cauchy stress [GPa]")
        panels[1].legend(loc="lower right")
        _draw(panels[2], tests[UNLOADING], MODEL, "")
        _finish(panels[2], "Compression, unloaded and loaded again", *axial)
        _draw(panels[3], tests[RATE_JUMPS], MODEL, "")
        _name_rates(panels[3], tests[RATE_JUMPS])
        _finish(panels[3], "Compression with jumps of the rate", *axial)
        return png(figure)


def measured_curve(result: PointTestResult) -> tuple[FloatArray, FloatArray]:
    """Strain and stress of a test as its panel draws them.

    Parameters
    ----------
    result : PointTestResult
        The test.

    Returns
    -------
    tuple of ndarray
        Shear F12 and Cauchy shear stress, or magnitudes of true strain and axial Cauchy stress in
        the sense of the loading; stresses in GPa.
    """
    if result.name == SIMPLE_SHEAR:
        history = result.history
        return (
            history.deformation_gradient[:, 0, 1],
            history.first_piola_kirchhoff_stress[:, 0, 1],
        )
    curve = result.history.curve()
    return curve.loading_strain, curve.loading_stress_gpa


def _draw(axes: Axes, result: PointTestResult, colour: str, label: str) -> None:
    strain, stress = measured_curve(result)
    axes.plot(strain, stress, color=colour, label=label or None)
    if result.failure:
        axes.plot(strain[-1], stress[-1], marker="x", color=colour, markersize=8)
        axes.annotate(
            "no solution beyond",
            (float(strain[-1]), float(stress[-1])),
            xytext=(6, 6),
            textcoords="offset points",
            color=colour,
            fontsize=8.5,
        )


def _draw_kirchhoff_measure(axes: Axes, result: PointTestResult) -> None:
    """Mises stress over sqrt(3): equal to the shear stress until rotation makes them part."""
    history = result.history
    stress = history.first_piola_kirchhoff_stress
    if history.kinematics == "finite":
        stress = stress @ np.swapaxes(history.deformation_gradient, 1, 2)
        # simple shear keeps the volume: Kirchhoff and Cauchy stress are equal
    deviator = stress - np.trace(stress, axis1=1, axis2=2)[:, None, None] / 3.0 * np.eye(3)
    mises = np.sqrt(1.5 * np.einsum("nij,nij->n", deviator, deviator))
    axes.plot(
        measured_curve(result)[0],
        mises / math.sqrt(3.0),
        color=SECONDARY,
        linestyle="--",
        linewidth=1.2,
        label="Mises stress over sqrt(3)",
    )


def _name_rates(axes: Axes, result: PointTestResult) -> None:
    top = float(np.max(measured_curve(result)[1]))
    edges = np.linspace(0.0, result.largest_strain, len(RATE_FACTORS) + 1)
    for factor, (left, right) in zip(RATE_FACTORS, itertools.pairwise(edges), strict=True):
        axes.axvline(left, color="#d1d5db", linewidth=0.8)
        axes.text(
            0.5 * (left + right),
            0.06 * top,
            f"{factor * result.rate_per_s:.3g} / s",
            ha="center",
            color=SECONDARY,
            fontsize=8.5,
        )


def _finish(axes: Axes, title: str, abscissa: str, ordinate: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_xlabel(abscissa)
    axes.set_ylabel(ordinate)
    axes.set_xlim(left=0.0)
    lowest, highest = axes.get_ylim()
    axes.set_ylim(min(lowest, 0.0), highest + 0.05 * (highest - lowest))
