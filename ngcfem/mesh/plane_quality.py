"""How good a mesh of triangles is: angles, areas, and what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.mesh.periodic_mesh import TRIANGLE_EDGES, PeriodicMesh
from ngcfem.quantities import FloatArray, IntArray

POOR_ANGLE_DEG = 25.0


@dataclass(frozen=True)
class PlaneQualityFloor:
    """Below what a mesh of triangles is refused.

    Parameters
    ----------
    minimum_angle_deg : float
        Smallest angle of a triangle in degrees.
    maximum_fraction_error : float
        Largest relative difference between a meshed phase fraction and the one of the geometry.
    """

    minimum_angle_deg: float = 20.0
    maximum_fraction_error: float = 0.01


@dataclass(frozen=True)
class PlaneMeshQuality:
    """Figures of merit of a mesh of triangles.

    Parameters
    ----------
    number_of_cells, number_of_nodes, number_of_torus_nodes : int
        Triangles, nodes, and nodes after the identification modulo the lattice.
    minimum_gamma, mean_gamma : float
        gamma = 2 r_in / r_circ of the straight triangle: 1 if equilateral, 0 if flat.
    minimum_angle_deg, first_percentile_angle_deg : float
        Of the smallest angle of each triangle.
    maximum_angle_deg : float
        Largest angle.
    maximum_aspect_ratio : float
        Longest edge over shortest height.
    cells_below_angle : int
        Triangles under ``POOR_ANGLE_DEG``.
    volume_nm3, minimum_cell_volume_nm3 : float
        Sum and minimum of the areas times 1 nm, with curved edges where there are any.
    minimum_jacobian_ratio : float
        Smallest Jacobian at a node over the mean Jacobian of the cell; 1 for straight edges.
    mean_edge_nm : float
        Mean length of the edges.
    phase_fractions : mapping of str to float
        Meshed area fraction of each phase.
    phase_fraction_errors : mapping of str to float
        Relative difference from the fraction of the geometry; empty where that is not known.
    periodic_mismatch_nm : float
        Largest distance between a node and the image of its partner.
    """

    number_of_cells: int
    number_of_nodes: int
    number_of_torus_nodes: int
    minimum_gamma: float
    mean_gamma: float
    minimum_angle_deg: float
    first_percentile_angle_deg: float
    maximum_angle_deg: float
    maximum_aspect_ratio: float
    cells_below_angle: int
    volume_nm3: float
    minimum_cell_volume_nm3: float
    minimum_jacobian_ratio: float
    mean_edge_nm: float
    phase_fractions: Mapping[str, float]
    phase_fraction_errors: Mapping[str, float]
    periodic_mismatch_nm: float


@dataclass(frozen=True, eq=False)
class TriangleShapes:
    """Shape measures of every triangle, from its three vertices.

    Parameters
    ----------
    area : ndarray, shape (m,)
        Signed area.
    gamma : ndarray, shape (m,)
        2 r_in / r_circ.
    minimum_angle_deg, maximum_angle_deg : ndarray, shape (m,)
        In degrees.
    aspect_ratio : ndarray, shape (m,)
        Longest edge over shortest height.
    """

    area: FloatArray
    gamma: FloatArray
    minimum_angle_deg: FloatArray
    maximum_angle_deg: FloatArray
    aspect_ratio: FloatArray


def triangle_shapes(corners: FloatArray) -> TriangleShapes:
    """Shape measures of straight triangles.

    Parameters
    ----------
    corners : ndarray, shape (m, 3, 2)
        Positions of the vertices.

    Returns
    -------
    TriangleShapes
        One entry per triangle.

    Notes
    -----
    r_in = 2 A / (a + b + c) and r_circ = a b c / (4 A), so that gamma = 16 A^2 / ((a + b + c) a b
    c). The angle between two edges u and v is atan2(|u x v|, u . v).
    """
    tiny = 1e-300
    edges = np.stack([corners[:, j] - corners[:, i] for i, j in TRIANGLE_EDGES], axis=1)
    length = np.linalg.norm(edges, axis=2)
    area = 0.5 * (edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0])
    size = np.abs(area)
    dot = -np.einsum("mki,mki->mk", edges, np.roll(edges, 1, axis=1))
    angle = np.degrees(np.arctan2(2.0 * size[:, None], dot))
    longest = length.max(axis=1)
    return TriangleShapes(
        area=area,
        gamma=16.0 * size**2 / (length.sum(axis=1) * length.prod(axis=1) + tiny),
        minimum_angle_deg=angle.min(axis=1),
        maximum_angle_deg=angle.max(axis=1),
        aspect_ratio=longest**2 / (2.0 * size + tiny),
    )


def curved_triangle_jacobians(
    points: FloatArray, cells: IntArray, barycentric: FloatArray
) -> FloatArray:
    """Jacobian determinants of 6-node triangles, over 2.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Node positions.
    cells : ndarray of int, shape (m, 6)
        Node numbers in Gmsh order.
    barycentric : ndarray, shape (k, 3)
        Where to evaluate.

    Returns
    -------
    ndarray, shape (m, k)
        Determinant over 2: the area of the triangle if it is constant.
    """
    inner = np.array([[-1.0, -1.0], [1.0, 0.0], [0.0, 1.0]])
    nodes = points[cells]
    values = []
    for where in barycentric:
        corner = (4.0 * where - 1.0)[:, None] * inner
        middle = [4.0 * (where[i] * inner[j] + where[j] * inner[i]) for i, j in TRIANGLE_EDGES]
        gradient = np.einsum("mai,aj->mij", nodes, np.concatenate([corner, np.array(middle)]))
        values.append(0.5 * np.linalg.det(gradient))
    return np.stack(values, axis=1)


def triangle_node_jacobians(points: FloatArray, cells: IntArray) -> FloatArray:
    """Jacobian determinants of 6-node triangles at their six nodes, over 2.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Node positions.
    cells : ndarray of int, shape (m, 6)
        Node numbers in Gmsh order.

    Returns
    -------
    ndarray, shape (m, 6)
        Determinants over 2, in the order of the nodes.
    """
    corner = np.eye(3)
    middle = np.array([0.5 * (corner[i] + corner[j]) for i, j in TRIANGLE_EDGES])
    return curved_triangle_jacobians(points, cells, np.concatenate([corner, middle]))


def triangle_areas(points: FloatArray, cells: IntArray) -> FloatArray:
    """Areas of 3-node or 6-node triangles, curved edges included.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Node positions.
    cells : ndarray of int, shape (m, 3) or (m, 6)
        Node numbers in Gmsh order.

    Returns
    -------
    ndarray, shape (m,)
        Signed areas.

    Notes
    -----
    The Jacobian of a 6-node triangle is a quadratic polynomial: the mean of its values at the
    middles of the edges integrates it exactly.
    """
    if cells.shape[1] == 3:
        return triangle_shapes(points[cells]).area
    rule = 0.5 * (1.0 - np.eye(3))
    return curved_triangle_jacobians(points, cells, rule).mean(axis=1)


def plane_mesh_quality(
    mesh: PeriodicMesh,
    geometric_fractions: Mapping[str, float] | None,
    periodic_mismatch_nm: float,
) -> PlaneMeshQuality:
    """Measure a mesh of triangles.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    geometric_fractions : mapping of str to float or None
        Phase fractions of the geometry that was meshed.
    periodic_mismatch_nm : float
        Largest distance between a node and the image of its partner.

    Returns
    -------
    PlaneMeshQuality
        The figures.
    """
    shapes = triangle_shapes(mesh.points[mesh.cells[:, :3]])
    areas = triangle_areas(mesh.points, mesh.cells)
    jacobian_ratio = 1.0
    if mesh.order == 2:
        jacobians = triangle_node_jacobians(mesh.points, mesh.cells)
        jacobian_ratio = float((jacobians / areas[:, None]).min())
    total = areas.sum()
    by_phase = np.bincount(mesh.phase, weights=areas, minlength=len(mesh.phase_names))
    fractions = {name: float(a / total) for name, a in zip(mesh.phase_names, by_phase, strict=True)}
    pairs = np.array(TRIANGLE_EDGES)
    edges = mesh.points[mesh.cells[:, pairs[:, 1]]] - mesh.points[mesh.cells[:, pairs[:, 0]]]
    smallest = shapes.minimum_angle_deg
    return PlaneMeshQuality(
        number_of_cells=len(mesh.cells),
        number_of_nodes=len(mesh.points),
        number_of_torus_nodes=len(np.unique(mesh.torus_node)),
        minimum_gamma=float(shapes.gamma.min()),
        mean_gamma=float(shapes.gamma.mean()),
        minimum_angle_deg=float(smallest.min()),
        first_percentile_angle_deg=float(np.percentile(smallest, 1.0)),
        maximum_angle_deg=float(shapes.maximum_angle_deg.max()),
        maximum_aspect_ratio=float(shapes.aspect_ratio.max()),
        cells_below_angle=int((smallest < POOR_ANGLE_DEG).sum()),
        volume_nm3=float(total),
        minimum_cell_volume_nm3=float(areas.min()),
        minimum_jacobian_ratio=jacobian_ratio,
        mean_edge_nm=float(np.linalg.norm(edges, axis=2).mean()),
        phase_fractions=fractions,
        phase_fraction_errors={
            name: fractions.get(name, 0.0) / fraction - 1.0
            for name, fraction in (geometric_fractions or {}).items()
            if fraction > 0.0
        },
        periodic_mismatch_nm=periodic_mismatch_nm,
    )


def refuse_poor_plane_quality(
    quality: PlaneMeshQuality, floor: PlaneQualityFloor | None = None, origin: str = "mesh"
) -> None:
    """Refuse a mesh of triangles below a floor.

    Parameters
    ----------
    quality : PlaneMeshQuality
        What was measured.
    floor : PlaneQualityFloor, optional
        What is asked for.
    origin : str
        File or kind of the mesh, for the message.

    Raises
    ------
    RefusedError
        Names everything that is below the floor.
    """
    floor = floor or PlaneQualityFloor()
    poor = []
    if quality.minimum_cell_volume_nm3 <= 0.0 or quality.minimum_jacobian_ratio <= 0.0:
        poor.append("a triangle is inverted")
    if quality.minimum_angle_deg < floor.minimum_angle_deg:
        poor.append(
            f"smallest angle {quality.minimum_angle_deg:.2f} degrees, "
            f"at least {floor.minimum_angle_deg:g} asked for"
        )
    for name, error in quality.phase_fraction_errors.items():
        if abs(error) > floor.maximum_fraction_error:
            poor.append(
                f"area of phase {name} off by {100.0 * error:.2f} %, "
                f"at most {100.0 * floor.maximum_fraction_error:g} % allowed"
            )
    if poor:
        raise RefusedError(
            f"{origin}: mesh refused: " + "; ".join(poor) + ". Change size_nm or the seed."
        )
