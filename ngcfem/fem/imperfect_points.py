"""The imperfection of a cell at the integration points of one rank."""

from mpi4py import MPI

import numpy as np

from ngcfem.errors import raise_together
from ngcfem.fem.assembly import FluctuationSpace
from ngcfem.microstructure.imperfection import Imperfection
from ngcfem.quantities import FloatArray

_BOX_TOLERANCE = 1e-6


def strength_factors(
    imperfection: Imperfection | None, space: FluctuationSpace
) -> FloatArray | None:
    """Factors of the strength at the integration points; collective.

    Parameters
    ----------
    imperfection : Imperfection or None
        What differs.
    space : FluctuationSpace
        Mesh and displacement space.

    Returns
    -------
    ndarray, shape (points,), or None
        1 where nothing differs and in phases that the imperfection leaves alone; None without an
        imperfection.

    Raises
    ------
    RefusedError
        If the imperfection does not fit the cell; on all ranks.

    Notes
    -----
    A factor follows from the undeformed place of a point alone, so that it is the same for any
    number of ranks and any mesh. A body that fills the box of its periods begins at its smallest
    coordinates; a cell of whole grains, whose surface is no box, at the origin. Regions go on
    behind the faces with periodic boundary conditions only.
    """
    if imperfection is None:
        return None
    source = space.volume.source
    lattice = source.lattice
    box = np.abs(lattice).sum(axis=0)
    is_box = np.abs(np.ptp(source.points, axis=0) - box).max() < _BOX_TOLERANCE * box.max()
    origin = source.points.min(axis=0) if is_box else np.zeros(source.dimension)
    positions = space.element.positions_nm.reshape(-1, source.dimension) - origin
    factors, error = np.ones(len(positions)), None
    try:
        factors = imperfection.strength_factors(positions, lattice, space.has_translations)
    except Exception as failure:
        error = failure
    raise_together(space.comm, error)
    if imperfection.phases is not None:
        names = source.phase_names
        touched = np.array([name in imperfection.phases for name in names])
        points = np.repeat(space.volume.phase, space.element.number_of_points)
        factors[~touched[points]] = 1.0
    return factors


def strength_statistics(
    factors: FloatArray, space: FluctuationSpace
) -> dict[str, dict[str, float]]:
    """Volume statistics of the factors by phase; collective.

    Parameters
    ----------
    factors : ndarray, shape (points,)
        From `strength_factors`.
    space : FluctuationSpace
        Mesh and displacement space.

    Returns
    -------
    dict of str to dict
        ``mean``, ``standard_deviation``, ``minimum`` and ``maximum`` of every phase.
    """
    weights = space.element.weights.ravel()
    phase = np.repeat(space.volume.phase, space.element.number_of_points)
    statistics: dict[str, dict[str, float]] = {}
    for number, name in enumerate(space.volume.source.phase_names):
        mine = phase == number
        sums = np.array([weights[mine].sum(), weights[mine] @ factors[mine]])
        space.comm.Allreduce(MPI.IN_PLACE, sums, op=MPI.SUM)
        mean = float(sums[1] / sums[0]) if sums[0] > 0.0 else 1.0
        square = space.comm.allreduce(
            float(weights[mine] @ (factors[mine] - mean) ** 2), op=MPI.SUM
        )
        statistics[name] = {
            "mean": mean,
            "standard_deviation": float(np.sqrt(square / sums[0])) if sums[0] > 0.0 else 0.0,
            "minimum": space.comm.allreduce(float(factors[mine].min(initial=np.inf)), op=MPI.MIN),
            "maximum": space.comm.allreduce(float(factors[mine].max(initial=-np.inf)), op=MPI.MAX),
        }
    return statistics
