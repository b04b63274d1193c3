"""Cells without statistics: one phase, layers, or one sphere in a box."""

from collections.abc import Sequence

import numpy as np

from ngcfem.microstructure.cell import (
    INCLUSION,
    MATRIX,
    Inclusion,
    Layer,
    PeriodicCell,
    box_lattice,
)
from ngcfem.quantities import AXIS_INDEX

MINIMUM_SPHERE_GAP = 0.02
"""Smallest gap between a sphere and its periodic image, over the edge of the cell."""


def homogeneous_cell(phase: str, cell_nm: float | Sequence[float] = 10.0) -> PeriodicCell:
    """Make a box of one phase.

    Parameters
    ----------
    phase : str
        Name of the phase.
    cell_nm : float or sequence of float
        Edge of a cube, or the three edges, in nm.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``homogeneous``.
    """
    return PeriodicCell(
        kind="homogeneous",
        lattice=box_lattice(cell_nm),
        phase_names=(phase,),
        sites=np.zeros((0, 3)),
        weights=np.zeros(0),
    )


def laminate_cell(
    normal: str, layers: Sequence[Layer], cell_nm: float | Sequence[float] = 10.0
) -> PeriodicCell:
    """Make a box of flat layers.

    Parameters
    ----------
    normal : {"x", "y", "z"}
        Axis normal to the layers.
    layers : sequence of Layer
        Layers from the origin along the normal; the same phase may occur several times.
    cell_nm : float or sequence of float
        Edge of a cube, or the three edges, in nm.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``laminate``.

    Raises
    ------
    ValueError
        If there is no layer, a fraction is not positive, or the fractions do not add up to 1.
    """
    fractions = np.array([layer.fraction for layer in layers], dtype=float)
    if len(fractions) == 0 or np.any(fractions <= 0.0):
        raise ValueError("a laminate needs layers of positive fraction")
    if abs(fractions.sum() - 1.0) > 1e-9:
        raise ValueError(f"the fractions of the layers add up to {fractions.sum():.12g}, not 1")
    return PeriodicCell(
        kind="laminate",
        lattice=box_lattice(cell_nm),
        phase_names=tuple(dict.fromkeys(layer.phase for layer in layers)),
        sites=np.zeros((0, 3)),
        weights=np.zeros(0),
        layers=tuple(layers),
        layer_axis=AXIS_INDEX[normal],
    )


def sphere_cell(fraction: float, cell_nm: float | Sequence[float] = 10.0) -> PeriodicCell:
    """Make a box of ``matrix`` with one sphere of ``inclusion`` in its middle.

    Parameters
    ----------
    fraction : float
        Share of the sphere in the cell volume.
    cell_nm : float or sequence of float
        Edge of a cube, or the three edges, in nm.

    Returns
    -------
    PeriodicCell
        Cell of the kind ``sphere``.

    Raises
    ------
    ValueError
        If the sphere would come closer to its own image than ``MINIMUM_SPHERE_GAP`` allows.
    """
    lattice = box_lattice(cell_nm)
    edges = np.diag(lattice)
    largest = 0.5 * (1.0 - MINIMUM_SPHERE_GAP) * edges.min()
    largest_fraction = 4.0 / 3.0 * np.pi * largest**3 / edges.prod()
    if not 0.0 < fraction <= largest_fraction:
        raise ValueError(
            f"a sphere of fraction {fraction} does not fit into the cell: "
            f"above 0 and at most {largest_fraction:.4f}"
        )
    radius = (fraction * edges.prod() * 3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)
    centre = 0.5 * edges
    return PeriodicCell(
        kind="sphere",
        lattice=lattice,
        phase_names=(MATRIX, INCLUSION),
        sites=np.zeros((0, 3)),
        weights=np.zeros(0),
        inclusions=(
            Inclusion((float(centre[0]), float(centre[1]), float(centre[2])), float(radius)),
        ),
    )
