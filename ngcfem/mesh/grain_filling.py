"""Filling of one grain with tetrahedra, by Gmsh, and improving what came out."""

from dataclasses import dataclass

import gmsh
import numpy as np

from ngcfem.mesh.box_meshing import RawMesh, collect_tetrahedra
from ngcfem.mesh.element_sizes import ElementSizes, SizeField, grain_size_field
from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.mesh.grain_complex import GrainComplex, GrainRequest, grain_complex
from ngcfem.mesh.quality import tetrahedron_shapes, tetrahedron_volumes
from ngcfem.mesh.relaxation import Leash, relax_nodes


@dataclass(frozen=True)
class FillingAttempt:
    """One way to fill a grain.

    Parameters
    ----------
    size_factor : float
        Factor on the edge lengths of the inner surfaces.
    merge_factor : float
        Factor on the length up to which edges of the grain collapse.
    algorithm : int
        Gmsh's number of the algorithm: 1 Delaunay, 10 HXT.
    optimizer : str
        Gmsh's optimizer that follows; empty for its default one.
    spin : int
        Seed of the turns of the crystal surfaces.
    """

    size_factor: float
    merge_factor: float
    algorithm: int
    optimizer: str
    spin: int


@dataclass(frozen=True, eq=False)
class FilledGrain:
    """Tetrahedra of one grain and its half of the network.

    Parameters
    ----------
    mesh : RawMesh
        The nodes of the outer surface come first, in their order.
    minimum_dihedral_angle_deg, minimum_gamma : float
        Of the worst tetrahedra once the outer surface gives way; negative if one is inverted.
    """

    mesh: RawMesh
    minimum_dihedral_angle_deg: float
    minimum_gamma: float


def surface_leash(merge_nm: float, sizes: ElementSizes) -> Leash:
    """How far nodes between the phases of a grain may be moved.

    Parameters
    ----------
    merge_nm : float
        Length up to which edges of the polyhedra were merged.
    sizes : ElementSizes
        Edge lengths asked for.

    Returns
    -------
    Leash
        Across a surface a third of what merging moves corners by; along it a third of an edge.
    """
    return Leash(normal_nm=merge_nm / 3.0, along_nm=sizes.smallest_nm / 3.0)


def fill_grain(request: GrainRequest, attempt: FillingAttempt) -> FilledGrain:
    """Fill a grain in one of several ways.

    Parameters
    ----------
    request : GrainRequest
        The grain.
    attempt : FillingAttempt
        The way.

    Returns
    -------
    FilledGrain
        Tetrahedra.

    Raises
    ------
    RuntimeError
        If a surface cannot be made, or Gmsh does not fill it.

    Notes
    -----
    1. Gmsh keeps the triangles of all surfaces and fills the volumes between them.
    2. All nodes but those of the outer surface, which the neighbours share, are then moved where
       that improves the worst tetrahedra.
    3. The outer surface lies on no interface and moves when the grains are joined: the grain is
       judged by what it becomes when that surface gives way, which is not kept.
    """
    sizes = request.sizes.scaled(attempt.size_factor)
    options = {
        "Mesh.MeshSizeMax": 1.6 * request.sizes.largest_nm,
        "Mesh.MeshSizeMin": 0.2 * request.sizes.smallest_nm,
    }
    with gmsh_session("one grain", options):
        surfaces = grain_complex(request, attempt.size_factor, attempt.merge_factor, attempt.spin)
        gmsh.clear()
        field = grain_size_field(sizes, request.grain, request.inset_nm, request.inclusions)
        mesh = _filled(surfaces, request, attempt, field)
    shared = len(request.outer_points)
    if not np.array_equal(mesh.points[:shared], request.outer_points):
        raise RuntimeError("Gmsh did not keep the nodes of the outer surface")
    fixed = np.zeros(len(mesh.points), dtype=bool)
    fixed[:shared] = True
    leash = surface_leash(request.merge_nm, request.sizes)
    alone, phase = np.arange(len(mesh.points)), mesh.phase.astype(np.int64)
    points = relax_nodes(mesh.points, mesh.cells, alone, fixed, phase, leash)
    judged = relax_nodes(points, mesh.cells, alone, np.zeros_like(fixed), phase, leash)
    shapes = tetrahedron_shapes(judged[mesh.cells])
    sound = bool(np.all(tetrahedron_volumes(points[mesh.cells]) > 0.0))
    return FilledGrain(
        RawMesh(points, mesh.cells, mesh.phase, mesh.grain),
        float(shapes.minimum_dihedral_angle_deg.min()) if sound else -1.0,
        float(shapes.gamma.min()) if sound else -1.0,
    )


def _filled(
    surfaces: GrainComplex, request: GrainRequest, attempt: FillingAttempt, field: SizeField | None
) -> RawMesh:
    gmsh.option.setNumber("Mesh.Algorithm3D", attempt.algorithm)
    if field is not None:
        gmsh.option.setNumber("Mesh.MeshSizeExtendFromBoundary", 0)
        gmsh.model.mesh.setSizeCallback(lambda dim, tag, x, y, z, size: field.at((x, y, z)))
    tags = []
    for number, triangles in enumerate(surfaces.surfaces):
        tag = gmsh.model.addDiscreteEntity(2)
        if number == 0:
            nodes = np.arange(1, len(surfaces.points) + 1)
            gmsh.model.mesh.addNodes(2, tag, nodes.tolist(), surfaces.points.ravel().tolist())
        gmsh.model.mesh.addElementsByType(tag, 2, [], (triangles + 1).ravel().tolist())
        tags.append(tag)
    geo = gmsh.model.geo
    phase = {name: index for index, name in enumerate(request.phase_names)}
    volumes = []
    for name, shells in surfaces.volumes:
        loops = [geo.addSurfaceLoop([tags[k] for k in shell]) for shell in shells]
        volumes.append((geo.addVolume(loops), phase[name]))
    geo.synchronize()
    gmsh.model.mesh.generate(3)
    gmsh.model.mesh.optimize(attempt.optimizer)
    mesh = collect_tetrahedra(volumes)
    grain = np.full(len(mesh.cells), request.number, dtype=np.int32)
    return RawMesh(mesh.points, mesh.cells, mesh.phase, grain)
