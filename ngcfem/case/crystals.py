"""The crystals of a case: which bodies they are, and how their lattices lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ngcfem.case.schema import Case
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.orientation import (
    crystal_orientations,
    euler_angles_deg,
    rotation_matrices,
)
from ngcfem.quantities import FloatArray

if TYPE_CHECKING:
    from ngcfem.mesh.periodic_mesh import PeriodicMesh


@dataclass(frozen=True, eq=False)
class Crystals:
    """The crystals of a mesh and how their lattices lie.

    Parameters
    ----------
    orientation : ndarray, shape (cells, 4)
        Unit quaternion (w, x, y, z) of each cell from lattice to specimen coordinates; the identity
        where there is no lattice.
    entries : tuple of dict
        Each crystal: phase, number, centre (nm), volume (nm^3), quaternion and Euler angles (Bunge,
        degrees), as plain JSON.
    """

    orientation: FloatArray
    entries: tuple[dict[str, Any], ...]


def orient_crystals(case: Case, cell: PeriodicCell) -> PeriodicCell:
    """Give the crystals of a cell the lattices that a case asks for.

    Parameters
    ----------
    case : Case
        A valid case.
    cell : PeriodicCell
        Its geometry.

    Returns
    -------
    PeriodicCell
        With an orientation for every inclusion, or the cell as it is if their phase has no lattice.
    """
    number = len(cell.inclusions)
    for phase in case.phases:
        asked = phase.orientation
        if asked is not None and phase.name == cell.crystal_phase and not phase.by_grain:
            drawn = crystal_orientations(asked, number, phase.name, case.seed)
            return cell.with_orientations(drawn)
    return cell


def build_crystals(
    case: Case, mesh: PeriodicMesh, cell: PeriodicCell | None = None
) -> Crystals | None:
    """Find the crystals of a mesh and orient them as its cell or else the case says.

    Parameters
    ----------
    case : Case
        A valid case.
    mesh : PeriodicMesh
        Its mesh.
    cell : PeriodicCell or None
        The geometry that was meshed, as written with the mesh; None where there is none.

    Returns
    -------
    Crystals or None
        The same on every rank; None if no phase has a lattice.

    Notes
    -----
    Crystals that are inclusions of a cell have their number and their lattice from it, so that
    every mesh of the cell has the same crystals. Others are the connected bodies of the mesh (or
    its grains), numbered by their places.
    """
    phases = [phase for phase in case.phases if phase.orientation is not None]
    if not phases:
        return None
    from ngcfem.mesh.crystal_bodies import crystal_bodies, inclusion_bodies

    orientation = np.tile([1.0, 0.0, 0.0, 0.0], (len(mesh.cells), 1))
    entries = []
    for phase in phases:
        if phase.orientation is None:
            continue
        drawn = _lattices_of(cell, phase.name)
        if cell is not None and drawn is not None:
            bodies = inclusion_bodies(mesh, phase.name, cell)
        else:
            bodies = crystal_bodies(mesh, phase.name, phase.by_grain)
            number = len(bodies.volume_nm3)
            drawn = crystal_orientations(phase.orientation, number, phase.name, case.seed)
        orientation[bodies.cells] = drawn[bodies.number]
        angles = euler_angles_deg(rotation_matrices(drawn))
        entries += [
            {
                "phase": phase.name,
                "crystal": k,
                "centre_nm": bodies.centre_nm[k].tolist(),
                "volume_nm3": float(bodies.volume_nm3[k]),
                "orientation_quaternion": drawn[k].tolist(),
                "orientation_euler_deg": angles[k].tolist(),
            }
            for k in np.flatnonzero(bodies.volume_nm3 > 0.0).tolist()
        ]
    return Crystals(orientation, tuple(entries))


def _lattices_of(cell: PeriodicCell | None, phase: str) -> FloatArray | None:
    """Orientations of the inclusions of a cell, if they are of this phase and have them."""
    if cell is None or cell.crystal_phase != phase:
        return None
    rows = [inclusion.orientation for inclusion in cell.inclusions]
    return None if any(row is None for row in rows) else np.array(rows, dtype=float)


def build_point_orientation(case: Case, phase: str) -> FloatArray | None:
    """Orient the one crystal of a material point.

    Parameters
    ----------
    case : Case
        A valid case.
    phase : str
        Name of a phase of it.

    Returns
    -------
    ndarray, shape (4,), or None
        Unit quaternion from lattice to specimen coordinates: that of the first crystal of the
        phase; None without a lattice.
    """
    for each in case.phases:
        if each.name == phase and each.orientation is not None:
            return crystal_orientations(each.orientation, 1, phase, case.seed)[0]
    return None
