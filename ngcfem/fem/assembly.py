"""Assembly of residual forces, tangent matrix and the border that the macroscopic unknowns add."""

import os
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

import basix.ufl
import dolfinx
import dolfinx.fem
import dolfinx.fem.petsc
import numpy as np
import ufl
from petsc4py import PETSc

from ngcfem.constitutive.xla import compilation_cache_directory
from ngcfem.fem.boundary import held_components, held_degrees_of_freedom
from ngcfem.fem.periodic import RepresentativeVolume
from ngcfem.fem.quadrature import QUADRATURE_DEGREE, QuadraticElements, scatter_add
from ngcfem.loading.platens import Platens
from ngcfem.quantities import BoolArray, Boundary, FloatArray, Int32Array, IntArray

if TYPE_CHECKING:
    from ngcfem.fem.nodal_tangent import NodalTangent

TANGENT_CHUNK = 16384


class FluctuationSpace:
    """P2 displacement fluctuations on a representative volume and what is assembled over them.

    Parameters
    ----------
    volume : RepresentativeVolume
        The mesh, in d = 2 (plane strain) or 3 dimensions.
    boundary : {"periodic", "uniform-displacement", "platens"}
        Fluctuation at the boundary: periodic, zero, or held where platens touch.
    platens : Platens or None
        The plates, for that boundary condition.

    Attributes
    ----------
    dimension : int
        Space dimension d, the number of displacement components.
    has_translations : bool
        Whether rigid translations are in the null space.
    has_free_surface : bool
        Whether the fluctuation may have a mean gradient.
    element : QuadraticElements
        Gradients and element forces.
    held : ndarray of bool, shape (local nodes, d)
        Components, at owned and ghost nodes, that are held at zero.
    matrix : petsc4py.PETSc.Mat
        Tangent matrix, refilled by `assemble_tangent`.
    moduli : ndarray, shape (points, 81)
        Tangent moduli dP_iJ/dF_kL in GPa at 27 i + 9 J + 3 k + L, at the integration points of the
        owned cells, cell by cell; the caller writes them before `assemble_tangent`.
    nodal_tangent : NodalTangent or None
        Part of the tangent that couples more than the nodes of a cell, and is not in `matrix`.

    Raises
    ------
    RefusedError
        If the specimen has no flat face for a platen to touch.

    Notes
    -----
    The laws are three-dimensional in either case. In plane strain the displacement has two
    components and the matrix takes the 16 in-plane components of the moduli.
    """

    def __init__(
        self,
        volume: RepresentativeVolume,
        boundary: Boundary = "periodic",
        platens: Platens | None = None,
    ) -> None:
        self.volume = volume
        self.comm = volume.comm
        d = volume.source.dimension
        self.dimension: int = d
        self.has_translations: bool = boundary == "periodic"
        self.has_free_surface: bool = boundary == "platens"
        mesh = volume.mesh
        self.space = dolfinx.fem.functionspace(mesh, ("Lagrange", 2, (d,)))
        cells = volume.number_of_owned_cells
        self.dofs: Int32Array = np.ascontiguousarray(self.space.dofmap.list[:cells])
        self.element = QuadraticElements(volume, self.dofs)
        index_map = self.space.dofmap.index_map
        self.owned_nodes: int = index_map.size_local
        self.local_nodes: int = index_map.size_local + index_map.num_ghosts
        self.global_nodes: int = index_map.size_global
        self._work = dolfinx.la.vector(index_map, d)

        moduli_element = basix.ufl.quadrature_element(
            volume.simplex.name, value_shape=(d, d, d, d), degree=QUADRATURE_DEGREE
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
        self.matrix.setVariableBlockSizes(np.full(self.owned_nodes, d, dtype=np.int32))
        self.held: BoolArray = held_components(self.space, volume, boundary, platens)
        self.nodal_tangent: NodalTangent | None = None
        self._conditions: list[Any] = []
        if not self.has_translations:
            self._conditions = [
                dolfinx.fem.dirichletbc(
                    np.float64(0.0),
                    held_degrees_of_freedom(self.held, component).astype(np.int32),
                    self.space.sub(component),
                )
                for component in range(d)
            ]

    def assemble_tangent(self) -> None:
        """Refill `matrix` from the tangent moduli; collective."""
        self.matrix.zeroEntries()
        dolfinx.fem.petsc.assemble_matrix(
            self.matrix,
            self._form,
            bcs=self._conditions,
            diag=self._diagonal_scale(),
            constants=np.empty(0),
            coeffs={self._integral: self._moduli_of_displacement().reshape(len(self.dofs), -1)},
        )
        self.matrix.assemble()
        if self.nodal_tangent is not None:
            self.nodal_tangent.assemble()

    def multiply_tangent(self, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """Multiply the whole tangent with a displacement; collective.

        Parameters
        ----------
        x : petsc4py.PETSc.Vec
            Displacement in nm.
        y : petsc4py.PETSc.Vec
            Receives the forces in nN.
        """
        self.matrix.mult(x, y)
        if self.nodal_tangent is not None:
            self.nodal_tangent.add_product(x, y)

    def _moduli_of_displacement(self) -> FloatArray:
        """Moduli between the components of the displacement gradient, shape (points, d^4)."""
        if self.dimension == 3:
            return self.moduli
        in_plane = np.arange(81).reshape(3, 3, 3, 3)[:2, :2, :2, :2].ravel()
        return self.moduli[:, in_plane]

    def _diagonal_scale(self) -> float:
        """Typical stiffness in nN/nm, put on the diagonal of held nodes."""
        if self.has_translations:
            return 1.0
        local = float(self.moduli[0, ::10].mean()) if len(self.moduli) else 0.0
        modulus = self.comm.allreduce(local, op=MPI.MAX)
        return modulus * self.volume.source.cell_length_nm ** (self.dimension - 2)

    def residual(self, stress: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Residual forces of the owned nodes, and the magnitudes of the element forces summed.

        Collective.

        Parameters
        ----------
        stress : ndarray, shape (points, 9)
            Nominal stress in GPa at the integration points of the owned cells.

        Returns
        -------
        forces : ndarray, shape (owned nodes, d)
            Sum of the element forces in nN; zero where held.
        magnitudes : ndarray, shape (owned nodes, d)
            Sum of the absolute values of the element forces in nN, held components included.
        """
        element_forces = self.element.element_forces(
            stress.reshape(-1, self.element.number_of_points, 3, 3)
        )
        forces = self._sum_over_cells(element_forces)
        forces[self.held[: self.owned_nodes]] = 0.0
        return forces, self._sum_over_cells(np.abs(element_forces))

    def _sum_over_cells(self, element_values: FloatArray) -> FloatArray:
        """Sum cell values into the owned nodes, over the ranks too."""
        self._work.array[:] = 0.0
        scatter_add(element_values, self.dofs, self._work.array.reshape(-1, self.dimension))
        self._work.scatter_reverse(dolfinx.la.InsertMode.add)
        return self._work.array.reshape(-1, self.dimension)[: self.owned_nodes].copy()

    def mean_over_cells(self, cell_values: FloatArray) -> FloatArray:
        """Mean, over the cells that share a node, of values given by cell; collective.

        Parameters
        ----------
        cell_values : ndarray, shape (m, a, d)
            Values at the nodes of the owned cells.

        Returns
        -------
        ndarray, shape (owned nodes, d)
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
        columns : ndarray, shape (owned nodes * d, c)
            Forces in nN per unit macroscopic component: df/dF.
        rows : ndarray, shape (owned nodes * d, c)
            Derivative of V0 times the macroscopic stress by the fluctuation: V0 dP/du.
        """
        columns = self._border_of(components, transposed=False)
        rows = columns if symmetric else self._border_of(components, transposed=True)
        return columns, rows

    def _border_of(self, components: IntArray, transposed: bool) -> FloatArray:
        border = np.empty((self.owned_nodes * self.dimension, len(components)))
        stress = np.empty((self.number_of_points, 9))
        held = self.held[: self.owned_nodes]
        for column, component in enumerate(components):
            for start in range(0, self.number_of_points, TANGENT_CHUNK):
                rows = slice(start, min(start + TANGENT_CHUNK, self.number_of_points))
                moduli = self.moduli[rows].reshape(-1, 9, 9)
                stress[rows] = moduli[:, component, :] if transposed else moduli[:, :, component]
            forces = self._sum_over_cells(
                self.element.element_forces(stress.reshape(-1, self.element.number_of_points, 3, 3))
            )
            forces[held] = 0.0
            border[:, column] = forces.ravel()
        if self.nodal_tangent is not None:
            self.nodal_tangent.add_border(border, components, transposed)
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
        """Derivative of V0 times the macroscopic stress by macroscopic F, at a fixed fluctuation.

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
        total = self.comm.allreduce(total, op=MPI.SUM)
        if self.nodal_tangent is not None:
            total += self.nodal_tangent.integrated_moduli()
        return total

    def with_ghosts(self, owned: FloatArray) -> FloatArray:
        """Extend owned nodal values by those of the ghost nodes.

        Collective.

        Parameters
        ----------
        owned : ndarray, shape (owned nodes, d)
            Values of the owned nodes.

        Returns
        -------
        ndarray, shape (local nodes, d)
            Values of the owned and ghost nodes.
        """
        self._work.array.reshape(-1, self.dimension)[: self.owned_nodes] = owned
        self._work.scatter_forward()
        return self._work.array.reshape(-1, self.dimension).copy()

    def interpolation_from_vertices(self) -> tuple[Any, Any]:
        """Build the P1 space and the matrix that interpolates it into the P2 space.

        Returns
        -------
        space : dolfinx.fem.FunctionSpace
            Vector P1 space.
        matrix : petsc4py.PETSc.Mat
            Interpolation.
        """
        vertices = dolfinx.fem.functionspace(self.volume.mesh, ("Lagrange", 1, (self.dimension,)))
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


def translation_modes(matrix: PETSc.Mat, dimension: int) -> list[PETSc.Vec]:
    """Orthonormal rigid translations of a matrix with one block a node.

    Parameters
    ----------
    matrix : petsc4py.PETSc.Mat
        Matrix whose layout the vectors take.
    dimension : int
        Components of the displacement, the size of a block.

    Returns
    -------
    list of petsc4py.PETSc.Vec
        One vector a component.
    """
    modes = []
    for component in range(dimension):
        mode = matrix.createVecRight()
        values = np.zeros((mode.getLocalSize() // dimension, dimension))
        values[:, component] = (mode.getSize() // dimension) ** -0.5
        mode.array[:] = values.ravel()
        modes.append(mode)
    return modes
