"""A mesh as voxels: phase and grain at the centres of a regular grid."""

import numpy as np

from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.voxel_volume import VoxelVolume
from ngcfem.quantities import FloatArray

_CHUNK = 20_000
_EDGE = -1e-9


def sample_mesh(mesh: PeriodicMesh, spacing_nm: float) -> VoxelVolume:
    """Sample a mesh of tetrahedra on a grid that fills one period.

    Parameters
    ----------
    mesh : PeriodicMesh
        Straight-sided or curved; curved edges are taken as straight. Its lattice is a box.
    spacing_nm : float
        Largest edge of a voxel; every period is divided evenly.

    Returns
    -------
    VoxelVolume
        From the origin; what protrudes from the box comes in again on the other side.

    Raises
    ------
    ValueError
        If the lattice is no box along the axes, or a voxel lies in no tetrahedron.

    Notes
    -----
    Every tetrahedron looks at the voxel centres in its bounding box. A centre on a common facet
    belongs to the tetrahedron with the higher number.
    """
    lengths = np.diag(mesh.lattice)
    if mesh.dimension != 3 or np.abs(mesh.lattice - np.diag(lengths)).max() > 1e-9 * lengths.max():
        raise ValueError("only meshes in a box along the axes can be sampled")
    counts = np.maximum(1, np.ceil(lengths / spacing_nm - 1e-9).astype(np.int64))
    step = lengths / counts
    owner = np.full(tuple(counts.tolist()), -1, dtype=np.int64)
    for start in range(0, len(mesh.cells), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(mesh.cells)))
        _mark(owner, rows, mesh.points[mesh.cells[rows, :4]] / step - 0.5)
    if (owner < 0).any():
        raise ValueError(f"{int((owner < 0).sum())} voxels lie in no tetrahedron")
    return VoxelVolume(mesh.phase[owner], mesh.grain[owner], mesh.phase_names, step)


def _mark(owner: np.ndarray, rows: np.ndarray, corners: FloatArray) -> None:
    """Mark the grid points inside tetrahedra, whose corners are in units of the grid."""
    low = np.ceil(corners.min(axis=1) - 1e-9).astype(np.int64)
    extent = np.floor(corners.max(axis=1) + 1e-9).astype(np.int64) - low + 1
    inverse = np.linalg.inv((corners[:, 1:] - corners[:, :1]).transpose(0, 2, 1))
    alive = (extent > 0).all(axis=1)
    for offset in np.ndindex(*np.maximum(extent[alive].max(axis=0), 0).tolist()):
        some = np.flatnonzero(alive & (extent > np.array(offset)).all(axis=1))
        place = low[some] + np.array(offset)
        inner = np.einsum("nij,nj->ni", inverse[some], place - corners[some, 0])
        inside = (inner >= _EDGE).all(axis=1) & (inner.sum(axis=1) <= 1.0 - _EDGE)
        i, j, k = (place[inside] % np.array(owner.shape)).T
        owner[i, j, k] = rows[some[inside]]
