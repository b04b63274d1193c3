"""Effective stiffness against an own finite element solve that knows no periodic topology.

Everything is done anew with numpy and scipy: nodes on the edges of the unwrapped mesh, shape
functions in barycentric coordinates, the four-point rule, assembly, a constraint matrix that ties
nodes a period apart by position, a sparse direct solve, and the energy of nine fields.
"""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from ngcfem.constitutive.material import Material
from ngcfem.mesh.reading import read_mesh

CONSTANTS = {"matrix": (1.0, 0.3), "inclusion": (10.0, 0.2)}
# vertices of the edges that carry nodes 5 to 10
EDGES = np.array([(0, 1), (1, 2), (0, 2), (0, 3), (2, 3), (1, 3)])
# barycentric coordinates of the points of degree 2, Keast's rule, weight 1/4 each
A, B = 0.5854101966249685, 0.1381966011250105
POINTS = np.full((4, 4), B) + (A - B) * np.eye(4)
# derivative of the barycentric coordinates by the reference coordinates
BARYCENTRIC = np.vstack([-np.ones(3), np.eye(3)])


def quadratic_gradients(point):
    """Reference gradients of the ten shape functions, shape (10, 3)."""
    vertex = (4.0 * point - 1.0)[:, None] * BARYCENTRIC
    edge = 4.0 * (
        point[EDGES[:, 0], None] * BARYCENTRIC[EDGES[:, 1]]
        + point[EDGES[:, 1], None] * BARYCENTRIC[EDGES[:, 0]]
    )
    return np.vstack([vertex, edge])


def quadratic_nodes(mesh):
    """Positions and cells of the ten-node mesh; midpoints where the geometry is straight."""
    if mesh.order == 2:
        return mesh.points, mesh.cells
    ends = np.sort(mesh.cells[:, EDGES].reshape(-1, 2), axis=1)
    edges, number = np.unique(ends, axis=0, return_inverse=True)
    middle = mesh.points[edges].mean(axis=1)
    cells = np.hstack([mesh.cells, len(mesh.points) + number.reshape(-1, 6)])
    return np.vstack([mesh.points, middle]), cells


def moduli_of(mesh):
    """Isotropic moduli of each cell, shape (m, 9, 9)."""
    identity = np.eye(3)
    table = []
    for name in mesh.phase_names:
        modulus, ratio = CONSTANTS[name]
        shear = modulus / (2.0 * (1.0 + ratio))
        lame = modulus * ratio / ((1.0 + ratio) * (1.0 - 2.0 * ratio))
        table.append(
            lame * np.einsum("ij,kl->ijkl", identity, identity)
            + shear * np.einsum("ik,jl->ijkl", identity, identity)
            + shear * np.einsum("il,jk->ijkl", identity, identity)
        )
    return np.array(table).reshape(-1, 9, 9)[mesh.phase]


def assembled(mesh, positions, cells):
    """Stiffness, coupling with the nine macroscopic components, their own block, volume."""
    moduli = moduli_of(mesh)
    count = 3 * len(positions)
    local = np.zeros((len(cells), 30, 30))
    coupling = np.zeros((len(cells), 30, 9))
    macroscopic = np.zeros((9, 9))
    volume = 0.0
    for point in POINTS:
        reference = quadratic_gradients(point)
        jacobian = np.einsum("mai,ar->mir", positions[cells], reference)
        weight = np.linalg.det(jacobian) / 24.0
        assert weight.min() > 0.0
        gradient = np.einsum("ar,mrj->maj", reference, np.linalg.inv(jacobian))
        # displacement gradient (9) from the thirty nodal displacements
        strain = np.zeros((len(cells), 9, 30))
        for i in range(3):
            strain[:, 3 * i : 3 * i + 3, i::3] = gradient.transpose(0, 2, 1)
        stress = np.einsum("mpq,mqa->mpa", moduli, strain)
        local += weight[:, None, None] * np.einsum("mpa,mpb->mab", strain, stress)
        coupling += weight[:, None, None] * stress.transpose(0, 2, 1)
        macroscopic += np.einsum("m,mpq->pq", weight, moduli)
        volume += weight.sum()
    rows = (3 * cells[:, :, None] + np.arange(3)).reshape(len(cells), 30)
    pairs = (
        np.broadcast_to(rows[:, :, None], local.shape),
        np.broadcast_to(rows[:, None, :], local.shape),
    )
    stiffness = coo_array(
        (local.ravel(), (pairs[0].ravel(), pairs[1].ravel())), shape=(count, count)
    ).tocsr()
    forces = np.zeros((count, 9))
    np.add.at(forces, rows, coupling)
    return stiffness, forces, macroscopic, volume


def periodic_nodes(positions, lattice):
    """Number of the torus node of each node, found by position."""
    edges = np.diag(lattice)
    fractional = (positions - positions.min(axis=0)) / edges
    wrapped = np.where(fractional > 1.0 - 1e-7, 0.0, np.maximum(fractional, 0.0))
    first = np.full(len(positions), -1)
    for pair in sorted(cKDTree(wrapped).query_pairs(1e-7)):
        first[max(pair)] = min(pair) if first[max(pair)] < 0 else min(min(pair), first[max(pair)])
    first = np.where(first < 0, np.arange(len(positions)), first)
    return np.unique(first, return_inverse=True)[1]


def condensed(mesh, boundary):
    """Effective stiffness, shape (9, 9), of the constrained mesh."""
    positions, cells = quadratic_nodes(mesh)
    stiffness, forces, macroscopic, volume = assembled(mesh, positions, cells)
    if boundary == "periodic":
        number = periodic_nodes(positions, mesh.lattice)
        held = np.array([0])
    else:
        low, high = positions.min(axis=0), positions.max(axis=0)
        outside = np.minimum(np.abs(positions - low), np.abs(positions - high)).min(axis=1) < 1e-7
        number = np.arange(len(positions))
        held = np.flatnonzero(outside)
    nodes = number.max() + 1
    free = np.setdiff1d(np.arange(3 * nodes), (3 * held[:, None] + np.arange(3)).ravel())
    dofs = (3 * number[:, None] + np.arange(3)).ravel()
    tie = coo_array(
        (np.ones(len(dofs)), (np.arange(len(dofs)), dofs)), shape=(len(dofs), 3 * nodes)
    ).tocsc()[:, free]
    reduced = (tie.T @ stiffness @ tie).tocsc()
    right = tie.T @ forces
    fields = -splu(reduced).solve(right)
    # The mixed energies of the nine fields: an error of the solve enters only by its square.
    return (macroscopic + right.T @ fields + fields.T @ right + fields.T @ (reduced @ fields)) / (
        volume
    )


@pytest.fixture(scope="module")
def meshes_by_geometry(sphere_mesh, request):
    curved = request.config.rootpath / "meshes" / "sphere_curved_coarse.msh"
    return {"straight": sphere_mesh, "curved": read_mesh(curved)}


@pytest.mark.parametrize("geometry", ["straight", "curved"])
def test_effective_stiffness(geometry, meshes_by_geometry, build_problem):
    mesh = meshes_by_geometry[geometry]
    materials = {
        name: Material(name, "elastic", {"youngs_modulus_gpa": modulus, "poisson_ratio": ratio})
        for name, (modulus, ratio) in CONSTANTS.items()
    }
    found = {}
    for boundary in ("periodic", "uniform-displacement"):
        expected = condensed(mesh, boundary)
        problem = build_problem(mesh, materials, "small", boundary)
        found[boundary] = problem.effective_tangent()
        np.testing.assert_allclose(
            found[boundary], expected, rtol=0.0, atol=1e-9 * np.abs(expected).max()
        )
    # Fewer fluctuations are allowed, so no strain may cost less energy.
    excess = np.linalg.eigvalsh(found["uniform-displacement"] - found["periodic"])
    assert excess.min() > -1e-9 * np.abs(found["periodic"]).max()
    assert excess.max() > 1e-3 * np.abs(found["periodic"]).max()
