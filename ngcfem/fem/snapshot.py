"""Fields for output on the true, non-wrapped mesh of one rank."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ngcfem.fem.assembly import FluctuationSpace
from ngcfem.fem.tensors import cauchy_stress, determinants, mises_stress, trace
from ngcfem.microstructure.orientation import euler_angles_deg
from ngcfem.quantities import FloatArray, Int32Array, IntArray, Kinematics
from ngcfem.results.fields import VTK_FROM_DOLFINX, VTK_TRIANGLE_FROM_DOLFINX


@dataclass(frozen=True, eq=False)
class FieldSnapshot:
    """One rank's piece of the fields at one instant.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Undeformed node positions in nm; the plane is z = 0.
    cells : ndarray of int, shape (m, 10) or (m, 6)
        Quadratic tetrahedra or triangles in VTK order.
    point_data, cell_data : mapping of str to ndarray
        Fields; the names carry the units.
    """

    points: FloatArray
    cells: IntArray
    point_data: Mapping[str, FloatArray]
    cell_data: Mapping[str, FloatArray | Int32Array]


def take_snapshot(
    space: FluctuationSpace,
    kinematics: Kinematics,
    fluctuation: FloatArray,
    macroscopic: FloatArray,
    deformation_gradient: FloatArray,
    stress: FloatArray,
    equivalent_plastic_strain: FloatArray,
    nonlocal_field: FloatArray | None = None,
    lattice_rotation: FloatArray | None = None,
    strength_factor: FloatArray | None = None,
) -> FieldSnapshot:
    """Collect the fields of a configuration; collective.

    Parameters
    ----------
    space : FluctuationSpace
        Mesh and displacement nodes.
    kinematics : {"finite", "small"}
        Says whether nominal and Cauchy stress differ.
    fluctuation : ndarray, shape (owned nodes, d)
        Displacement fluctuation in nm.
    macroscopic : ndarray, shape (3, 3)
        Macroscopic F.
    deformation_gradient, stress : ndarray, shape (points, 9)
        F and nominal stress (GPa) at the integration points.
    equivalent_plastic_strain : ndarray, shape (points,)
        Kappa at the integration points.
    nonlocal_field : ndarray, shape (points,), or None
        Chi at the integration points, NaN where it is not defined.
    lattice_rotation : ndarray, shape (points, 3, 3), or None
        Rotation from lattice to specimen coordinates, NaN where there is no lattice.
    strength_factor : ndarray, shape (points,), or None
        Factor of the strength at the integration points.

    Returns
    -------
    FieldSnapshot
        Displacement at the nodes of each quadratic cell, and cell means of the point fields.

    Notes
    -----
    A torus node has several images in the output, one for every place where the body meets its
    periodic neighbours: nodes of the output are the geometry vertices and the pairs of them that
    are edges, so the body is never wrapped.
    """
    volume = space.volume
    simplex = volume.simplex
    corners, dimension = simplex.number_of_vertices, simplex.dimension
    vertices = volume.node[:, :corners]
    edges = np.sort(vertices[:, simplex.midside_edges], axis=2).reshape(-1, 2)
    used, vertex_rows = np.unique(vertices, return_inverse=True)
    pairs, edge_rows = np.unique(edges, axis=0, return_inverse=True)
    cells = np.hstack(
        [
            vertex_rows.reshape(-1, corners),
            len(used) + edge_rows.reshape(-1, len(simplex.midside_edges)),
        ]
    ).astype(np.int64)
    source = np.zeros((len(volume.source.points), 3))
    source[:, :dimension] = volume.source.points
    midpoints = 0.5 * (source[pairs[:, 0]] + source[pairs[:, 1]])
    if volume.source.order == 2:
        midpoints[edge_rows.ravel()] = source[volume.node[:, corners:].ravel()]
    points = np.vstack([source[used], midpoints])
    nodal = np.zeros_like(points)
    nodal[cells.ravel(), :dimension] = space.with_ghosts(fluctuation)[space.dofs].reshape(
        -1, dimension
    )
    displacement = points @ (macroscopic - np.eye(3)).T + nodal

    weights = space.element.weights
    share = weights / weights.sum(axis=1, keepdims=True)
    per_cell = space.element.number_of_points

    def cell_mean(values: FloatArray) -> FloatArray:
        shaped = values.reshape(-1, per_cell, *values.shape[1:])
        return np.einsum("mq,mq...->m...", share, shaped)

    cauchy = cauchy_stress(deformation_gradient, stress) if kinematics == "finite" else stress
    mean_cauchy = cell_mean(cauchy)
    vertex_gradient = space.element.vertex_gradient(space.with_ghosts(fluctuation)) + macroscopic
    vertex_jacobian = determinants(vertex_gradient.reshape(-1, 9)).reshape(
        vertex_gradient.shape[:2]
    )
    optional = {}
    if nonlocal_field is not None:
        optional["nonlocal_field [-]"] = cell_mean(nonlocal_field)
    if lattice_rotation is not None:
        mean_rotation = cell_mean(lattice_rotation)
        crystal = np.isfinite(mean_rotation).all(axis=(1, 2))
        left, _, right = np.linalg.svd(mean_rotation[crystal])
        angles = np.full((len(crystal), 3), np.nan)
        angles[crystal] = euler_angles_deg(left @ right)
        optional["lattice_euler_angles [deg]"] = angles
    if strength_factor is not None:
        optional["strength_factor [-]"] = cell_mean(strength_factor)
    order = VTK_FROM_DOLFINX if dimension == 3 else VTK_TRIANGLE_FROM_DOLFINX
    return FieldSnapshot(
        points=points,
        cells=cells[:, order],
        point_data={"displacement [nm]": displacement},
        cell_data={
            "cauchy_stress [GPa]": mean_cauchy.reshape(-1, 3, 3),
            "mises_stress [GPa]": mises_stress(mean_cauchy),
            "pressure [GPa]": -trace(mean_cauchy) / 3.0,
            "equivalent_plastic_strain [-]": cell_mean(equivalent_plastic_strain),
            **optional,
            "minimum_vertex_jacobian [-]": vertex_jacobian.min(axis=1),
            "phase": volume.phase.astype(np.int32),
            "grain": volume.grain.astype(np.int32),
        },
    )
