"""The plastic strain of every cell at its place, gathered on one rank."""

from dataclasses import dataclass

import numpy as np

from ngcfem.fem.periodic import RepresentativeVolume
from ngcfem.fem.restart import gather_cells
from ngcfem.fem.snapshot import FieldSnapshot
from ngcfem.quantities import FloatArray


@dataclass(frozen=True, eq=False)
class PlasticField:
    """Equivalent plastic strain by cell in the deformed configuration.

    Parameters
    ----------
    positions_nm : ndarray, shape (cells, d)
        Centres of the cells.
    strain : ndarray, shape (cells,)
        Mean equivalent plastic strain of each cell.
    volume : ndarray, shape (cells,)
        Volume of each cell in nm^3 (area in the plane).
    lattice_nm : ndarray, shape (d, d), or None
        Periods as rows; None for a body that is not periodic.
    """

    positions_nm: FloatArray
    strain: FloatArray
    volume: FloatArray
    lattice_nm: FloatArray | None


def gather_plastic_field(
    volume: RepresentativeVolume,
    snapshot: FieldSnapshot,
    deformation_gradient: FloatArray,
    periodic: bool,
) -> PlasticField | None:
    """Gather the plastic strain of a configuration; collective.

    Parameters
    ----------
    volume : RepresentativeVolume
        The mesh.
    snapshot : FieldSnapshot
        Fields of this rank.
    deformation_gradient : ndarray, shape (3, 3)
        Macroscopic F, which carries the periods.
    periodic : bool
        Whether the fields are periodic.

    Returns
    -------
    PlasticField or None
        In the order of the cells of the mesh, whatever the number of ranks, on rank 0; None on the
        others.
    """
    dimension = volume.simplex.dimension
    displaced = snapshot.points + snapshot.point_data["displacement [nm]"]
    corners = displaced[snapshot.cells[:, : dimension + 1], :dimension]
    edges = corners[:, 1:] - corners[:, :1]
    size = np.abs(np.linalg.det(edges)) / (2.0 if dimension == 2 else 6.0)
    gathered = gather_cells(
        volume,
        {
            "positions": corners.mean(axis=1),
            "strain": snapshot.cell_data["equivalent_plastic_strain [-]"].astype(np.float64),
            "volume": size,
        },
    )
    if gathered is None:
        return None
    lattice = None
    if periodic:
        F = deformation_gradient[:dimension, :dimension]
        lattice = np.asarray(volume.source.lattice) @ F.T
    return PlasticField(gathered["positions"], gathered["strain"], gathered["volume"], lattice)
