"""Meshes of labelled volumes: smooth interfaces, or the voxels as they are."""

from typing import Literal

import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.mesh.box_meshing import RawMesh
from ngcfem.mesh.isosurface_stuffing import stuff_regions
from ngcfem.mesh.pairing import check_quotient, identify_nodes
from ngcfem.mesh.periodic_mesh import PeriodicMesh, body_order
from ngcfem.mesh.quality import QualityFloor, mesh_quality, refuse_poor_quality
from ngcfem.mesh.voxel_regions import voxel_regions
from ngcfem.microstructure.voxel_volume import VoxelVolume, coarsened

SMOOTHING_VOXELS = 1.0
"""Standard deviation of the Gaussian that rounds the steps of the voxels off."""

Surface = Literal["smooth", "stair-stepped"]
_PATHS = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2), (2, 1, 0))


def mesh_voxel_volume(
    volume: VoxelVolume,
    size_nm: float | None = None,
    surface: Surface = "smooth",
    *,
    coarsening: int = 1,
    smoothing_voxels: float = SMOOTHING_VOXELS,
    floor: QualityFloor | None = None,
) -> PeriodicMesh:
    """Mesh a labelled volume with straight-sided tetrahedra.

    Parameters
    ----------
    volume : VoxelVolume
        One period.
    size_nm : float, optional
        Edge length of smooth meshes; by default the mean edge of a voxel.
    surface : {"smooth", "stair-stepped"}
        Interfaces by isosurface stuffing, or along the faces of the voxels.
    coarsening : int
        Stair-stepped: edge in voxels of the blocks that are merged before.
    smoothing_voxels : float
        Smooth: standard deviation of the Gaussian in voxels.
    floor : QualityFloor, optional
        Below what the mesh is refused.

    Returns
    -------
    PeriodicMesh
        Checked: phase volumes within the tolerance of the floor of those of the voxels, sound
        periodic topology, quality above the floor.

    Raises
    ------
    RefusedError
        If the phases do not come out, or the mesh is below the floor or too coarse to be periodic.
    ValueError
        If ``coarsening`` does not divide the volume.
    """
    floor = floor or QualityFloor()
    if surface == "smooth":
        size = size_nm or float(np.prod(volume.spacing_nm) ** (1.0 / 3.0))
        try:
            raw = stuff_regions(
                voxel_regions(volume, smoothing_voxels), size, floor.maximum_fraction_error
            )
        except RefusedError as error:
            raise RefusedError(
                f"{error} Features of a voxel or two are smoothed away: clean the volume, use "
                f"less than smoothing_voxels = {smoothing_voxels:g}, or surface = "
                '"stair-stepped".'
            ) from error
    else:
        raw = mesh_stairs(coarsened(volume, coarsening))
    mesh = _periodic(raw, volume)
    origin = f"{surface} mesh of {' x '.join(str(n) for n in volume.phase.shape)} voxels"
    quality = mesh_quality(mesh, volume.phase_fractions)
    if abs(quality.volume_nm3 / volume.volume_nm3 - 1.0) > 1e-9:
        raise RefusedError(
            f"{origin}: the tetrahedra fill {quality.volume_nm3:.9g} of {volume.volume_nm3:.9g} "
            "nm^3"
        )
    refuse_poor_quality(quality, floor, origin)
    return mesh


def _periodic(raw: RawMesh, volume: VoxelVolume) -> PeriodicMesh:
    order = body_order(raw.phase, raw.grain)
    cells = raw.cells[order]
    torus_node = identify_nodes(raw.points, cells, volume.lattice)
    check_quotient(raw.points, cells, torus_node)
    return PeriodicMesh(
        points=raw.points,
        cells=cells,
        torus_node=torus_node,
        lattice=volume.lattice,
        periodic=True,
        phase=raw.phase[order],
        phase_names=volume.phase_names,
        grain=raw.grain[order],
    )


def mesh_stairs(volume: VoxelVolume) -> RawMesh:
    """Divide every voxel into six tetrahedra.

    Parameters
    ----------
    volume : VoxelVolume
        One period.

    Returns
    -------
    RawMesh
        Tetrahedra of a box from the origin, interfaces along the faces of the voxels.

    Raises
    ------
    RefusedError
        If there are fewer than three voxels in some direction.

    Notes
    -----
    Every tetrahedron follows one order of the axes from the lowest to the highest corner of its
    voxel. All voxels are divided alike, so that they conform, also modulo the period.

    References
    ----------
    Freudenthal (1942), Ann. Math. 43, 580, doi 10.2307/1968813; known as Kuhn's division.
    """
    counts = np.array(volume.phase.shape)
    if counts.min() < 3:
        raise RefusedError(
            f"{' x '.join(map(str, counts.tolist()))} voxels are too few to be periodic: at least "
            "three in every direction. Use a smaller coarsening."
        )
    nodes = counts + 1
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in nodes), indexing="ij"), axis=-1)
    voxel = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1)
    voxel = voxel.reshape(-1, 3)
    stride = np.array([nodes[1] * nodes[2], nodes[2], 1])
    lowest = voxel @ stride
    cells = []
    for number, (a, b, _) in enumerate(_PATHS):
        first, second = lowest + stride[a], lowest + stride[a] + stride[b]
        highest = lowest + stride.sum()
        # the first three orders are even permutations of the axes, which orient positively
        middle = (first, second) if number < 3 else (second, first)
        cells.append(np.stack([lowest, *middle, highest], axis=1))
    return RawMesh(
        points=grid.reshape(-1, 3) * volume.spacing_nm,
        cells=np.concatenate(cells),
        phase=np.tile(volume.phase.ravel(), len(_PATHS)),
        grain=np.tile(volume.grain.ravel(), len(_PATHS)),
    )
