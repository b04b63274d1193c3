"""Assembly of residual forces, tangent matrix and the border that the macroscopic unknowns add."""

import os
from typing import Any

from mpi4py import MPI

import basix.ufl
import dolfinx
import dolfinx.fem
import dolfinx.fem.petsc
import dolfinx.mesh
import numpy as np
import ufl
from petsc4py import PETSc

from ngcfem.constitutive.xla import compilation_cache_directory
from ngcfem.fem.periodic import RepresentativeVolume
from ngcfem.fem.quadrature import QUADRATURE_DEGREE, QuadraticTetrahedra, scatter_add
from ngcfem.quantities import FloatArray, Int32Array, IntArray

TANGENT_CHUNK = 16384


class FluctuationSpace:
    """P2 displacement fluctuations on a representative volume and what is assembled over them.

    Parameters
    ----------
    volume : RepresentativeVolume
        The mesh.
    uniform_displacement : bool
        Whether the fluctuation vanishes on the outer boundary (linear displacements there) instead
        of being periodic.

    Attributes
    ----------
    element : QuadraticTetrahedra
        Gradients and element forces.
    fixed_nodes : ndarray of int32
        Local nodes (owned and ghost) whose fluctuation is held at zero.
    matrix : petsc4py.PETSc.Mat
        Tangent matrix, refilled by `assemble_tangent`.
    moduli : ndarray, shape (points, 81)
        Tangent moduli dP_iJ/dF_kL in GPa at 27 i + 9 J + 3 k + L, at the integration points of the
        owned cells, cell by cell; the caller writes them before `assemble_tangent`.
    """

    def __init__(self, volume: RepresentativeVolume, uniform_displacement: bool) -> None:
        self.volume = volume
        self.comm = volume.comm
        self.uniform_displacement = uniform_displacement
        mesh = volume.mesh
        self.space = dolfinx.fem.functionspace(mesh, ("Lagrange", 2, (3,)))
        cells = volume.number_of_owned_cells
        self.dofs: Int32Array = np.ascontiguousarray(self.space.dofmap.list[:cells])
        self.element = QuadraticTetrahedra(volume, self.dofs)
        index_map = self.space.dofmap.index_map
        self.owned_nodes: int = index_map.size_local
        self.local_nodes: int = index_map.size_local + index_map.num_ghosts
        self.global_nodes: int = index_map.size_global
        self._work = dolfinx.la.vector(index_map, 3)

        moduli_element = basix.ufl.quadrature_element(
            "tetrahedron", value_shape=(3, 3, 3, 3), degree=QUADRATURE_DEGREE
        )
        moduli = dolfinx.fem.Function(dolfinx.fem.functionspace(mesh, moduli_element))
        self.number_of_points: int = cells * self.element.number_of_points
        trial, test = ufl.TrialFunction(self.space), ufl.TestFunction(self.space)
        measure = ufl.Measure(
            "dx",
            mesh,
            metadata={"quadrature_degree": QUADRATURE_DEGREE, "quadrature_rule": "default"},
        )
        i, j, k, m = ufl.indices(4)
        self._form = dolfinx.fem.form(
            ufl.grad(test)[i, j] * moduli[i, j, k, m] * ufl.grad(trial)[k, m] * measure,
            jit_options=form_compiler_settings(),
        )
        # The kernel reads the moduli from here; packing a Function would copy all of them.
        (self._integral,) = dolfinx.fem.pack_coefficients(self._form)
        self.moduli: FloatArray = np.zeros((self.number_of_points, 81))
        self.matrix = dolfinx.fem.petsc.create_matrix(self._form)
        self.matrix.setVariableBlockSizes(np.full(self.owned_nodes, 3, dtype=np.int32))
        self.fixed_nodes: Int32Array = self._find_fixed_nodes()
        self._conditions: list[Any] = []
        if uniform_displacement:
            zero = dolfinx.fem.Function(self.space)
            self._conditions = [dolfinx.fem.dirichletbc(zero, self.fixed_nodes)]

    def _find_fixed_nodes(self) -> Int32Array:
        if not self.uniform_displacement:
            return np.empty(0, np.int32)
        topology = self.volume.mesh.topology
        topology.create_connectivity(2, 3)
        facets = dolfinx.mesh.exterior_facet_indices(topology)
        return np.sort(dolfinx.fem.locate_dofs_topological(self.space, 2, facets)).astype(np.int32)

    @property
    def has_translations(self) -> bool:
        """Whether rigid translations are in the null space."""
        return not self.uniform_displacement

    def assemble_tangent(self) -> None:
        """Refill `matrix` from the tangent moduli; collective."""
        self.matrix.zeroEntries()
        dolfinx.fem.petsc.assemble_matrix(
            self.matrix,
            self._form,
            bcs=self._conditions,
            diag=self._diagonal_scale(),
            constants=np.empty(0),
            coeffs={self._integral: self.moduli.reshape(len(self.dofs), -1)},
        )
        self.matrix.assemble()

    def _diagonal_scale(self) -> float:
        """Typical stiffness in nN/nm, put on the diagonal of held nodes."""
        if not self.uniform_displacement:
            return 1.0
        local = float(self.moduli[0, ::10].mean()) if len(self.moduli) else 0.0
        modulus = self.comm.allreduce(local, op=MPI.MAX)
        return modulus * self.volume.source.cell_volume_nm3 ** (1.0 / 3.0)

    def residual(self, stress: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Residual forces of the owned nodes, and the magnitudes of the element forces summed.

        Collective.

        Parameters
        ----------
        stress : ndarray, shape (points, 9)
            Nominal stress in GPa at the integration points of the owned cells.

        Returns
        -------
        forces : ndarray, shape (owned nodes, 3)
            Sum of the element forces in nN; zero at held nodes.
        magnitudes : ndarray, shape (owned nodes, 3)
            Sum of the absolute values of the element forces in nN, held nodes included.
        """
        element_forces = self.element.element_forces(
            stress.reshape(-1, self.element.number_of_points, 3, 3)
        )
        forces = self._sum_over_cells(element_forces)
        forces[self.fixed_nodes[self.fixed_nodes < self.owned_nodes]] = 0.0
        return forces, self._sum_over_cells(np.abs(element_forces))

    def _sum_over_cells(self, element_values: FloatArray) -> FloatArray:
        """Sum cell values into the owned nodes, over the ranks too."""
        self._work.array[:] = 0.0
        scatter_add(element_values, self.dofs, self._work.array.reshape(-1, 3))
        self._work.scatter_reverse(dolfinx.la.InsertMode.add)
        return self._work.array.reshape(-1, 3)[: self.owned_nodes].copy()

    def mean_over_cells(self, cell_values: FloatArray) -> FloatArray:
        """Mean, over the cells that share a node, of values given by cell; collective.

        Parameters
        ----------
        cell_values : ndarray, shape (m, 10, 3)
            Values at the nodes of the owned cells.

        Returns
        -------
        ndarray, shape (owned nodes, 3)
            Values of the owned nodes; values that agree between cells come back exactly to
            rounding.
        """
        return self._sum_over_cells(cell_values) / self._sum_over_cells(np.ones_like(cell_values))

    def border(self, components: IntArray, symmetric: bool) -> tuple[FloatArray, FloatArray]:
        """Coupling of the fluctuation with the free macroscopic components.

        Collective.

        Parameters
        ----------
        components : ndarray of int, shape (c,)
            Free components, 3 i + J.
        symmetric : bool
            Whether the moduli have major symmetry, so that both couplings are equal.

        Returns
        -------
        columns : ndarray, shape (owned nodes * 3, c)
            Forces in nN per unit macroscopic component: df/dF.
        rows : ndarray, shape (owned nodes * 3, c)
            Derivative of V0 times the macroscopic stress by the fluctuation: V0 dP/du.
        """
        columns = self._border_of(components, transposed=False)
        rows = columns if symmetric else self._border_of(components, transposed=True)
        return columns, rows

    def _border_of(self, components: IntArray, transposed: bool) -> FloatArray:
        border = np.empty((self.owned_nodes * 3, len(components)))
        stress = np.empty((self.number_of_points, 9))
        fixed = self.fixed_nodes[self.fixed_nodes < self.owned_nodes]
        for column, component in enumerate(components):
            for start in range(0, self.number_of_points, TANGENT_CHUNK):
                rows = slice(start, min(start + TANGENT_CHUNK, self.number_of_points))
                moduli = self.moduli[rows].reshape(-1, 9, 9)
                stress[rows] = moduli[:, component, :] if transposed else moduli[:, :, component]
            forces = self._sum_over_cells(
                self.element.element_forces(stress.reshape(-1, self.element.number_of_points, 3, 3))
            )
            forces[fixed] = 0.0
            border[:, column] = forces.ravel()
        return border

    def integral(self, values: FloatArray) -> FloatArray:
        """Integrate point values over the whole undeformed volume.

        Collective.

        Parameters
        ----------
        values : ndarray, shape (points, k)
            Values at the integration points of the owned cells.

        Returns
        -------
        ndarray, shape (k,)
            Integral over all ranks, times nm^3.
        """
        return self.comm.allreduce(self.element.weights.ravel() @ values, op=MPI.SUM)

    def integrated_moduli(self) -> FloatArray:
        """Integrate the tangent moduli over the undeformed volume.

        Collective.

        Returns
        -------
        ndarray, shape (9, 9)
            Moduli in GPa times the volume in nm^3.
        """
        weights = self.element.weights.ravel()
        total = np.zeros((9, 9))
        for start in range(0, self.number_of_points, TANGENT_CHUNK):
            rows = slice(start, min(start + TANGENT_CHUNK, self.number_of_points))
            total += (weights[rows] @ self.moduli[rows]).reshape(9, 9)
        return self.comm.allreduce(total, op=MPI.SUM)

    def with_ghosts(self, owned: FloatArray) -> FloatArray:
        """Extend owned nodal values by those of the ghost nodes.

        Collective.

        Parameters
        ----------
        owned : ndarray, shape (owned nodes, 3)
            Values of the owned nodes.

        Returns
        -------
        ndarray, shape (local nodes, 3)
            Values of the owned and ghost nodes.
        """
        self._work.array.reshape(-1, 3)[: self.owned_nodes] = owned
        self._work.scatter_forward()
        return self._work.array.reshape(-1, 3).copy()

    def interpolation_from_vertices(self) -> tuple[Any, Any]:
        """Build the P1 space and the matrix that interpolates it into the P2 space.

        Returns
        -------
        space : dolfinx.fem.FunctionSpace
            Vector P1 space.
        matrix : petsc4py.PETSc.Mat
            Interpolation.
        """
        vertices = dolfinx.fem.functionspace(self.volume.mesh, ("Lagrange", 1, (3,)))
        matrix = dolfinx.fem.petsc.interpolation_matrix(vertices, self.space)
        matrix.assemble()
        return vertices, matrix


def form_compiler_settings() -> dict[str, Any]:
    """Options of the C compiler for the element kernels, with a cache of their own.

    Returns
    -------
    dict
        Options of DOLFINx.

    Notes
    -----
    The kernel is one sum of products a cell: reordering the sums saves a quarter of the assembly
    time. Code for the processor at hand must not be shared with another machine, therefore the
    cache is named after the processor. An unwritable cache leaves the defaults.
    """
    directory = compilation_cache_directory()
    directory = directory.parent.parent / "forms" / directory.name
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    if not os.access(directory, os.W_OK | os.X_OK):
        return {}
    flags = ["-O3", "-march=native", "-ffast-math", "-g0"]
    return {"cffi_extra_compile_args": flags, "cache_dir": directory, "timeout": 120}


def translation_modes(matrix: PETSc.Mat) -> list[PETSc.Vec]:
    """Orthonormal rigid translations of a block-size-3 matrix.

    Parameters
    ----------
    matrix : petsc4py.PETSc.Mat
        Matrix whose layout the vectors take.

    Returns
    -------
    list of petsc4py.PETSc.Vec
        Three vectors.
    """
    modes = []
    for component in range(3):
        mode = matrix.createVecRight()
        values = np.zeros((mode.getLocalSize() // 3, 3))
        values[:, component] = (mode.getSize() // 3) ** -0.5
        mode.array[:] = values.ravel()
        modes.append(mode)
    return modes
