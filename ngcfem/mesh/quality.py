"""How good a mesh is: shape of the tetrahedra, volumes, and what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.mesh.periodic_mesh import TETRAHEDRON_EDGES, TETRAHEDRON_FACETS, PeriodicMesh
from ngcfem.mesh.plane_quality import PlaneMeshQuality, plane_mesh_quality
from ngcfem.quantities import FloatArray, IntArray

POOR_DIHEDRAL_ANGLE_DEG = 8.0
POOR_GAMMA = 0.1


@dataclass(frozen=True)
class QualityFloor:
    """Below what a mesh is refused.

    Parameters
    ----------
    minimum_dihedral_angle_deg : float
        Smallest dihedral angle in degrees.
    minimum_gamma : float
        Smallest gamma.
    maximum_fraction_error : float
        Largest relative difference between a meshed phase fraction and the one of the geometry.
    """

    minimum_dihedral_angle_deg: float = POOR_DIHEDRAL_ANGLE_DEG
    minimum_gamma: float = POOR_GAMMA
    maximum_fraction_error: float = 0.01


@dataclass(frozen=True)
class MeshQuality:
    """Figures of merit of a mesh.

    Parameters
    ----------
    number_of_cells, number_of_nodes, number_of_torus_nodes : int
        Tetrahedra, nodes, and nodes after the identification modulo the lattice.
    minimum_gamma, mean_gamma : float
        gamma = 3 r_in / r_circ of the straight tetrahedron: 1 if regular, 0 if flat.
    minimum_dihedral_angle_deg, first_percentile_dihedral_angle_deg : float
        Of the smallest dihedral angle of each tetrahedron.
    maximum_dihedral_angle_deg : float
        Largest dihedral angle.
    maximum_aspect_ratio : float
        Longest edge over shortest height.
    cells_below_dihedral_angle, cells_below_gamma : int
        Tetrahedra under ``POOR_DIHEDRAL_ANGLE_DEG`` and ``POOR_GAMMA``.
    volume_nm3, minimum_cell_volume_nm3 : float
        Sum and minimum of the volumes, with curved edges where there are any.
    minimum_jacobian_ratio : float
        Smallest Jacobian at a node over the mean Jacobian of the cell; 1 for straight edges.
    mean_edge_nm : float
        Mean length of the edges.
    phase_fractions : mapping of str to float
        Meshed volume fraction of each phase.
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
    minimum_dihedral_angle_deg: float
    first_percentile_dihedral_angle_deg: float
    maximum_dihedral_angle_deg: float
    maximum_aspect_ratio: float
    cells_below_dihedral_angle: int
    cells_below_gamma: int
    volume_nm3: float
    minimum_cell_volume_nm3: float
    minimum_jacobian_ratio: float
    mean_edge_nm: float
    phase_fractions: Mapping[str, float]
    phase_fraction_errors: Mapping[str, float]
    periodic_mismatch_nm: float


@dataclass(frozen=True, eq=False)
class TetrahedronShapes:
    """Shape measures of every tetrahedron, from its four vertices.

    Parameters
    ----------
    volume : ndarray, shape (m,)
        Signed volume.
    gamma : ndarray, shape (m,)
        3 r_in / r_circ.
    minimum_dihedral_angle_deg, maximum_dihedral_angle_deg : ndarray, shape (m,)
        In degrees.
    aspect_ratio : ndarray, shape (m,)
        Longest edge over shortest height.
    """

    volume: FloatArray
    gamma: FloatArray
    minimum_dihedral_angle_deg: FloatArray
    maximum_dihedral_angle_deg: FloatArray
    aspect_ratio: FloatArray


def tetrahedron_volumes(corners: FloatArray) -> FloatArray:
    """Signed volumes of straight tetrahedra.

    Parameters
    ----------
    corners : ndarray, shape (m, 4, 3)
        Positions of the vertices.

    Returns
    -------
    ndarray, shape (m,)
        Volumes, positive where vertex 3 lies on the side the normal of 0, 1, 2 points to.
    """
    a, b, c = (corners[:, k] - corners[:, 0] for k in (1, 2, 3))
    return np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0


def tetrahedron_shapes(corners: FloatArray) -> TetrahedronShapes:
    """Shape measures of straight tetrahedra.

    Parameters
    ----------
    corners : ndarray, shape (m, 4, 3)
        Positions of the vertices.

    Returns
    -------
    TetrahedronShapes
        One entry per tetrahedron.

    Notes
    -----
    r_in = 3 V / sum(A); r_circ = sqrt(q) / (24 V) with q = (a+b+c)(a+b-c)(a-b+c)(-a+b+c) and a, b,
    c the products of opposite edge lengths.
    """
    tiny = 1e-300
    volume = tetrahedron_volumes(corners)
    size = np.abs(volume)
    normals = np.stack(
        [
            np.cross(corners[:, f[1]] - corners[:, f[0]], corners[:, f[2]] - corners[:, f[0]])
            for f in TETRAHEDRON_FACETS
        ],
        axis=1,
    )
    twice_area = np.linalg.norm(normals, axis=2)
    unit = normals / (twice_area[:, :, None] + tiny)
    smallest, largest = np.full(len(corners), 180.0), np.zeros(len(corners))
    for i in range(4):
        for j in range(i):
            cosine = np.clip(np.einsum("ij,ij->i", unit[:, i], unit[:, j]), -1.0, 1.0)
            angle = 180.0 - np.degrees(np.arccos(cosine))
            smallest, largest = np.minimum(smallest, angle), np.maximum(largest, angle)
    length = {
        (i, j): np.linalg.norm(corners[:, i] - corners[:, j], axis=1) for i, j in TETRAHEDRON_EDGES
    }
    a, b, c = (
        length[0, 1] * length[2, 3],
        length[0, 2] * length[1, 3],
        length[0, 3] * length[1, 2],
    )
    q = np.maximum((a + b + c) * (a + b - c) * (a - b + c) * (b + c - a), 0.0)
    inner = 6.0 * size / (twice_area.sum(axis=1) + tiny)
    outer = np.sqrt(q) / (24.0 * size + tiny)
    longest = np.max(list(length.values()), axis=0)
    shortest_height = 6.0 * size / (twice_area.max(axis=1) + tiny)
    return TetrahedronShapes(
        volume=volume,
        gamma=3.0 * inner / (outer + tiny),
        minimum_dihedral_angle_deg=smallest,
        maximum_dihedral_angle_deg=largest,
        aspect_ratio=longest / (shortest_height + tiny),
    )


def _shape_gradients(barycentric: FloatArray) -> FloatArray:
    # derivatives of the ten quadratic shape functions to the last three barycentric coordinates
    inner = np.array([[-1.0, -1.0, -1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    corner = (4.0 * barycentric - 1.0)[:, None] * inner
    middle = [
        4.0 * (barycentric[i] * inner[j] + barycentric[j] * inner[i]) for i, j in TETRAHEDRON_EDGES
    ]
    return np.concatenate([corner, np.array(middle)])


def curved_jacobians(points: FloatArray, cells: IntArray, barycentric: FloatArray) -> FloatArray:
    """Jacobian determinants of 10-node tetrahedra, over 6.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Node positions.
    cells : ndarray of int, shape (m, 10)
        Node numbers in Gmsh order.
    barycentric : ndarray, shape (k, 4)
        Where to evaluate.

    Returns
    -------
    ndarray, shape (m, k)
        Determinant over 6: the volume of the tetrahedron if it is constant.
    """
    nodes = points[cells]
    values = []
    for where in barycentric:
        gradient = np.einsum("mai,aj->mij", nodes, _shape_gradients(where))
        values.append(np.linalg.det(gradient) / 6.0)
    return np.stack(values, axis=1)


def node_jacobians(points: FloatArray, cells: IntArray) -> FloatArray:
    """Jacobian determinants of 10-node tetrahedra at their ten nodes, over 6.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Node positions.
    cells : ndarray of int, shape (m, 10)
        Node numbers in Gmsh order.

    Returns
    -------
    ndarray, shape (m, 10)
        Determinants over 6, in the order of the nodes.
    """
    corner = np.eye(4)
    middle = np.array([0.5 * (corner[i] + corner[j]) for i, j in TETRAHEDRON_EDGES])
    return curved_jacobians(points, cells, np.concatenate([corner, middle]))


def cell_volumes(points: FloatArray, cells: IntArray) -> FloatArray:
    """Volumes of 4-node or 10-node tetrahedra, curved edges included.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
        Node positions.
    cells : ndarray of int, shape (m, 4) or (m, 10)
        Node numbers in Gmsh order.

    Returns
    -------
    ndarray, shape (m,)
        Signed volumes.

    Notes
    -----
    The Jacobian of a 10-node tetrahedron is a cubic: the rule with weights -4/5 at the centre and
    9/20 at the four points (1/2, 1/6, 1/6, 1/6) integrates it exactly.
    """
    if cells.shape[1] == 4:
        return tetrahedron_volumes(points[cells])
    rule = np.vstack([np.full(4, 0.25), np.full((4, 4), 1.0 / 6.0) + np.eye(4) / 3.0])
    weights = np.array([-0.8, 0.45, 0.45, 0.45, 0.45])
    return curved_jacobians(points, cells, rule) @ weights


def periodic_mismatch(mesh: PeriodicMesh) -> float:
    """Largest distance in nm between a node and the image of its representative, in 2-D or 3-D.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.

    Returns
    -------
    float
        Distance in nm; 0 for a mesh that is not periodic.
    """
    step = mesh.points - mesh.points[mesh.torus_node]
    shift = np.round(step @ np.linalg.inv(mesh.lattice))
    return float(np.abs(step - shift @ mesh.lattice).max())


def measure_mesh(
    mesh: PeriodicMesh, geometric_fractions: Mapping[str, float] | None = None
) -> MeshQuality | PlaneMeshQuality:
    """Measure a mesh of tetrahedra or triangles.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    geometric_fractions : mapping of str to float, optional
        Phase fractions of the geometry that was meshed.

    Returns
    -------
    MeshQuality or PlaneMeshQuality
        The figures, by the dimension of the mesh.
    """
    if mesh.dimension == 2:
        return plane_mesh_quality(mesh, geometric_fractions, periodic_mismatch(mesh))
    return mesh_quality(mesh, geometric_fractions)


def smallest_angle(quality: MeshQuality | PlaneMeshQuality) -> str:
    """Say how small the smallest angle of a mesh is.

    Parameters
    ----------
    quality : MeshQuality or PlaneMeshQuality
        What was measured.

    Returns
    -------
    str
        The dihedral angle of tetrahedra, or the angle of triangles, in words.
    """
    if isinstance(quality, PlaneMeshQuality):
        return f"smallest angle: {quality.minimum_angle_deg:.1f} degrees"
    return f"smallest dihedral angle: {quality.minimum_dihedral_angle_deg:.1f} degrees"


def mesh_quality(
    mesh: PeriodicMesh, geometric_fractions: Mapping[str, float] | None = None
) -> MeshQuality:
    """Measure a mesh of tetrahedra.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    geometric_fractions : mapping of str to float, optional
        Phase fractions of the geometry that was meshed.

    Returns
    -------
    MeshQuality
        The figures.
    """
    shapes = tetrahedron_shapes(mesh.points[mesh.cells[:, :4]])
    volumes = cell_volumes(mesh.points, mesh.cells)
    jacobian_ratio = 1.0
    if mesh.order == 2:
        jacobians = node_jacobians(mesh.points, mesh.cells)
        jacobian_ratio = float((jacobians / volumes[:, None]).min())
    total = volumes.sum()
    by_phase = np.bincount(mesh.phase, weights=volumes, minlength=len(mesh.phase_names))
    fractions = {name: float(v / total) for name, v in zip(mesh.phase_names, by_phase, strict=True)}
    errors = {
        name: fractions.get(name, 0.0) / fraction - 1.0
        for name, fraction in (geometric_fractions or {}).items()
        if fraction > 0.0
    }
    pairs = np.array(TETRAHEDRON_EDGES)
    edges = mesh.points[mesh.cells[:, pairs[:, 1]]] - mesh.points[mesh.cells[:, pairs[:, 0]]]
    smallest = shapes.minimum_dihedral_angle_deg
    return MeshQuality(
        number_of_cells=len(mesh.cells),
        number_of_nodes=len(mesh.points),
        number_of_torus_nodes=len(np.unique(mesh.torus_node)),
        minimum_gamma=float(shapes.gamma.min()),
        mean_gamma=float(shapes.gamma.mean()),
        minimum_dihedral_angle_deg=float(smallest.min()),
        first_percentile_dihedral_angle_deg=float(np.percentile(smallest, 1.0)),
        maximum_dihedral_angle_deg=float(shapes.maximum_dihedral_angle_deg.max()),
        maximum_aspect_ratio=float(shapes.aspect_ratio.max()),
        cells_below_dihedral_angle=int((smallest < POOR_DIHEDRAL_ANGLE_DEG).sum()),
        cells_below_gamma=int((shapes.gamma < POOR_GAMMA).sum()),
        volume_nm3=float(total),
        minimum_cell_volume_nm3=float(volumes.min()),
        minimum_jacobian_ratio=jacobian_ratio,
        mean_edge_nm=float(np.linalg.norm(edges, axis=2).mean()),
        phase_fractions=fractions,
        phase_fraction_errors=errors,
        periodic_mismatch_nm=periodic_mismatch(mesh),
    )


def refuse_poor_quality(
    quality: MeshQuality, floor: QualityFloor | None = None, origin: str = "mesh"
) -> None:
    """Refuse a mesh below a floor.

    Parameters
    ----------
    quality : MeshQuality
        What was measured.
    floor : QualityFloor, optional
        What is asked for.
    origin : str
        File or kind of the mesh, for the message.

    Raises
    ------
    RefusedError
        Names everything that is below the floor.
    """
    floor = floor or QualityFloor()
    poor = []
    if quality.minimum_cell_volume_nm3 <= 0.0 or quality.minimum_jacobian_ratio <= 0.0:
        poor.append("a cell is inverted")
    if quality.minimum_dihedral_angle_deg < floor.minimum_dihedral_angle_deg:
        poor.append(
            f"smallest dihedral angle {quality.minimum_dihedral_angle_deg:.2f} degrees, "
            f"at least {floor.minimum_dihedral_angle_deg:g} asked for"
        )
    if quality.minimum_gamma < floor.minimum_gamma:
        poor.append(
            f"smallest gamma {quality.minimum_gamma:.3f}, "
            f"at least {floor.minimum_gamma:g} asked for"
        )
    for name, error in quality.phase_fraction_errors.items():
        if abs(error) > floor.maximum_fraction_error:
            poor.append(
                f"volume of phase {name} off by {100.0 * error:.2f} %, "
                f"at most {100.0 * floor.maximum_fraction_error:g} % allowed"
            )
    if poor:
        raise RefusedError(
            f"{origin}: mesh refused: " + "; ".join(poor) + ". Change size_nm or the seed."
        )
