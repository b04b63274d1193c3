"""How a cell is meshed, apart from the edge length."""

from dataclasses import dataclass, field

from ngcfem.mesh.element_sizes import ElementSizes
from ngcfem.mesh.plane_meshing import PlanePattern
from ngcfem.mesh.plane_quality import PlaneQualityFloor
from ngcfem.mesh.quality import QualityFloor


@dataclass(frozen=True)
class MeshOptions:
    """How a cell is meshed, apart from the edge length.

    Parameters
    ----------
    surface_size_factor : float
        Edge length on crystals over the edge length elsewhere, where none is given for crystals.
    merge_fraction : float
        Edges of the grain polyhedra shorter than this share of the network thickness are merged.
    floor : QualityFloor
        Below what the mesh is refused.
    interface_size_nm : float or None
        Edge length on both sides of the network in nm; None: the general one.
    crystal_surface_size_nm : float or None
        Edge length on crystals and caps in nm; None: ``surface_size_factor`` of the general one.
    grain_interior_size_nm : float or None
        Edge length inside the grains in nm, reached by a graded transition; None: what follows from
        the surfaces.
    plane_floor : PlaneQualityFloor
        Below what a mesh of triangles is refused.
    plane_pattern : {"crossed", "diagonal", "unstructured"}
        How a rectangle of one phase is divided into triangles.
    """

    surface_size_factor: float = 0.7
    merge_fraction: float = 1.0 / 3.0
    floor: QualityFloor = field(default_factory=QualityFloor)
    interface_size_nm: float | None = None
    crystal_surface_size_nm: float | None = None
    grain_interior_size_nm: float | None = None
    plane_floor: PlaneQualityFloor = field(default_factory=PlaneQualityFloor)
    plane_pattern: PlanePattern = "crossed"

    def element_sizes(self, size_nm: float) -> ElementSizes:
        """Edge lengths in the parts of a cell.

        Parameters
        ----------
        size_nm : float
            General edge length in nm.

        Returns
        -------
        ElementSizes
            The lengths.
        """
        crystal = self.crystal_surface_size_nm
        return ElementSizes(
            interface_nm=size_nm if self.interface_size_nm is None else self.interface_size_nm,
            crystal_surface_nm=self.surface_size_factor * size_nm if crystal is None else crystal,
            grain_interior_nm=self.grain_interior_size_nm,
        )
