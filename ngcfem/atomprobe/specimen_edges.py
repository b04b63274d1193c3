"""How far places are from the surface of a specimen, and how much of it lies deeper."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import ndimage

from ngcfem.atomprobe.composition_field import VoxelGrid
from ngcfem.quantities import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class SpecimenEdges:
    """Depths under the surface of a specimen.

    Parameters
    ----------
    grid : VoxelGrid
        The voxels.
    depth_nm : ndarray, shape (nx + 2, ny + 2, nz + 2)
        Distance of the middle of each voxel from the surface, 0 outside; with a rim of voxels that
        are outside.
    sorted_depth_nm : ndarray, shape (v,)
        That of the voxels inside, ascending.
    """

    grid: VoxelGrid
    depth_nm: FloatArray
    sorted_depth_nm: FloatArray

    @classmethod
    def of(cls, grid: VoxelGrid, inside: BoolArray) -> Self:
        """Measure the depths.

        Parameters
        ----------
        grid : VoxelGrid
            The voxels.
        inside : ndarray of bool, shape (nx, ny, nz)
            Which of them belong to the specimen.

        Returns
        -------
        SpecimenEdges
            The depths.
        """
        padded = np.pad(inside, 1)
        # to the middle of the nearest voxel outside, whose face is half a voxel nearer
        steps = np.asarray(ndimage.distance_transform_edt(padded), dtype=np.float64)
        depth = np.maximum(steps - 0.5, 0.0) * grid.voxel_nm
        return cls(grid, depth, np.sort(depth[padded]))

    def depth_at_nm(self, position_nm: FloatArray) -> FloatArray:
        """Give the depth of places.

        Parameters
        ----------
        position_nm : ndarray, shape (n, 3)
            The places.

        Returns
        -------
        ndarray, shape (n,)
            Distance from the surface in nm; 0 outside.
        """
        place = self.grid.coordinates(position_nm).T + 1.0
        return ndimage.map_coordinates(self.depth_nm, place, order=1, mode="constant")

    def share_deeper(self, depth_nm: FloatArray) -> FloatArray:
        """Give the share of the volume that lies deeper.

        Parameters
        ----------
        depth_nm : ndarray, shape (n,)
            Depths.

        Returns
        -------
        ndarray, shape (n,)
            The chance of a ball of this radius to lie whole in the specimen, if its centre does.

        References
        ----------
        Lantuejoul (1980), Mikroskopie 37, suppl., 53 (weighting by the chance to be whole).
        """
        if not len(self.sorted_depth_nm):
            return np.zeros(len(depth_nm))
        less = np.searchsorted(self.sorted_depth_nm, depth_nm)
        return 1.0 - less / len(self.sorted_depth_nm)
