"""Which components of the fluctuation are held, by the boundary condition of the cell or specimen.

Platens: the specimen is not periodic. Its macroscopic deformation gradient holds the axial stretch
and is the identity otherwise, so the fluctuation carries all lateral motion; it has no axial
component on the two faces that the platens touch.
"""

from typing import TYPE_CHECKING, Any

from mpi4py import MPI

import dolfinx
import dolfinx.fem
import dolfinx.mesh
import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.fem.periodic import RepresentativeVolume
from ngcfem.loading.platens import Platens
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.quantities import AXIS_INDEX, BoolArray, Boundary, FloatArray, IntArray

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

FLATNESS = 1e-8
"""Distance from the plane of a platen, relative to the height, up to which a node touches it."""


def held_components(
    space: Any, volume: RepresentativeVolume, boundary: Boundary, platens: Platens | None
) -> BoolArray:
    """Find the components of the fluctuation that are held at zero.

    Parameters
    ----------
    space : dolfinx.fem.FunctionSpace
        Displacement space, vector-valued.
    volume : RepresentativeVolume
        The mesh.
    boundary : {"periodic", "uniform-displacement", "platens"}
        Boundary condition.
    platens : Platens or None
        The plates, for that boundary condition.

    Returns
    -------
    ndarray of bool, shape (local nodes, d)
        True where held, on owned and ghost nodes.

    Raises
    ------
    RefusedError
        If the specimen has no flat face for a platen to touch.
    """
    dimension = volume.source.dimension
    index_map = space.dofmap.index_map
    held = np.zeros((index_map.size_local + index_map.num_ghosts, dimension), dtype=bool)
    if boundary == "uniform-displacement":
        topology = volume.mesh.topology
        topology.create_connectivity(dimension - 1, dimension)
        facets = dolfinx.mesh.exterior_facet_indices(topology)
        held[dolfinx.fem.locate_dofs_topological(space, dimension - 1, facets)] = True
    if boundary == "platens":
        if platens is None:
            raise ValueError("the boundary condition 'platens' needs the platens")
        positions = space.tabulate_dof_coordinates()
        _hold_by_platens(held, positions, volume.source, platens, volume.comm)
    return held


def _hold_by_platens(
    held: BoolArray,
    positions: FloatArray,
    mesh: PeriodicMesh,
    platens: Platens,
    comm: "Intracomm",
) -> None:
    a = AXIS_INDEX[platens.axis]
    vertices = mesh.points[np.unique(mesh.cells[:, : mesh.dimension + 1])]
    lowest, highest = float(vertices[:, a].min()), float(vertices[:, a].max())
    tolerance = FLATNESS * (highest - lowest)
    for level in (lowest, highest):
        _check_face(mesh, a, level, tolerance)
        touching = np.abs(positions[:, a] - level) <= tolerance
        if platens.contact == "rough":
            held[touching] = True
        else:
            held[touching, a] = True
    if platens.contact == "smooth":
        lower = vertices[np.abs(vertices[:, a] - lowest) <= tolerance]
        for place, component in rigid_motion_pins(lower, a, tolerance):
            near = np.abs(positions[:, : mesh.dimension] - place).max(axis=1) <= tolerance
            held[near, component] = True
            if not comm.allreduce(bool(near.any()), op=MPI.LOR):
                raise RuntimeError("a vertex that should keep the specimen in place was not found")


def _check_face(mesh: PeriodicMesh, axis: int, level: float, tolerance: float) -> None:
    corners = mesh.points[mesh.cells[:, : mesh.dimension + 1], axis]
    touching = (np.abs(corners - level) <= tolerance).sum(axis=1)
    if not (touching == mesh.dimension).any():
        raise RefusedError(
            f"no element has a face in the plane {'xyz'[axis]} = {level:.6g} nm, so that a platen "
            "has nothing to press on: the specimen needs two flat end faces normal to the load axis"
        )


def rigid_motion_pins(
    lower: FloatArray, axis: int, tolerance: float
) -> list[tuple[FloatArray, int]]:
    """Choose the fewest components that stop a specimen from sliding and turning on its platen.

    Parameters
    ----------
    lower : ndarray, shape (n, d)
        Vertices on the lower platen, in nm.
    axis : int
        Normal of the platen.
    tolerance : float
        Length in nm below which coordinates are equal.

    Returns
    -------
    list of tuple of ndarray and int
        Position of a vertex and the component held there.

    Notes
    -----
    The vertex nearest to the corner keeps its lateral components (one in the plane, two in space).
    In space a second vertex, farthest from the first along one lateral axis and level with it along
    the other, keeps the other. These supports are statically determinate, so they carry no force,
    and a specimen that strains uniformly is not turned.
    """
    dimension = lower.shape[1]
    lateral = [component for component in range(dimension) if component != axis]
    first = lower[int(np.argmin(lower[:, lateral].sum(axis=1)))]
    pins = [(first, component) for component in lateral]
    if dimension == 3:
        along, across = lateral
        level = lower[np.abs(lower[:, across] - first[across]) <= tolerance]
        candidates = level if len(level) > 1 else lower
        second = candidates[int(np.argmax(np.abs(candidates[:, along] - first[along])))]
        pins.append((second, across))
    return pins


def held_degrees_of_freedom(held: BoolArray, component: int) -> IntArray:
    """Number the held degrees of freedom of one component.

    Parameters
    ----------
    held : ndarray of bool, shape (local nodes, d)
        Held components.
    component : int
        Component.

    Returns
    -------
    ndarray of int
        Numbers in the blocked numbering of the vector space, ascending.
    """
    return np.flatnonzero(held[:, component]) * held.shape[1] + component
