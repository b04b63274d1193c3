"""The laws at all integration points of one rank: evaluation, trial and committed state."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ngcfem.constitutive.batch import BatchedLaw, NonlocalInput
from ngcfem.constitutive.material import Material
from ngcfem.fem.periodic import RepresentativeVolume
from ngcfem.quantities import FloatArray, IntArray, Kinematics

CHUNK = 4096


@dataclass(frozen=True, eq=False)
class PhaseBlock:
    """The integration points of one phase on this rank.

    Parameters
    ----------
    name : str
        Phase.
    law : BatchedLaw
        Law of the phase; phases with the same law share the object and its compiled code.
    parameters : ndarray, shape (p,) or (rows, p)
        Parameter vector of the phase, or one for each point.
    rows : ndarray of int
        Integration points, numbered cell by cell.
    field_constants : ndarray or None
        Constants of the nonlocal softening; None for a phase without internal length.
    """

    name: str
    law: BatchedLaw
    parameters: FloatArray
    rows: IntArray
    field_constants: FloatArray | None = None

    def parameters_of(self, part: slice | IntArray) -> FloatArray:
        """Parameters of some of the points, for `BatchedLaw.update`.

        Parameters
        ----------
        part : slice or ndarray of int
            Which of `rows`.

        Returns
        -------
        ndarray
            The vector of the phase, or a row for each of these points.
        """
        return self.parameters if self.parameters.ndim == 1 else self.parameters[part]


class MaterialPoints:
    """Laws and history of the integration points of this rank.

    Parameters
    ----------
    volume : RepresentativeVolume
        Says which cell is of which phase.
    points_per_cell : int
        Integration points of a cell.
    materials : mapping of str to Material
        Material of every phase of the mesh.
    kinematics : {"finite", "small"}
        Kinematics of the laws.
    orientation : ndarray, shape (cells of the whole mesh, 4), or None
        Unit quaternions from lattice to specimen coordinates, read for laws of crystals; None puts
        their lattice on the axes.
    strength_factor : ndarray, shape (points,), or None
        What the strength of each point is multiplied by; None for 1 everywhere.

    Notes
    -----
    `evaluate` writes a trial state; `commit` makes it the state. A step that fails leaves the
    committed state untouched.
    """

    def __init__(
        self,
        volume: RepresentativeVolume,
        points_per_cell: int,
        materials: Mapping[str, Material],
        kinematics: Kinematics,
        orientation: FloatArray | None = None,
        strength_factor: FloatArray | None = None,
    ) -> None:
        laws = {
            name: BatchedLaw(name, kinematics, chunk_size=CHUNK)
            for name in sorted({material.law for material in materials.values()})
        }
        self.number_of_points: int = volume.number_of_owned_cells * points_per_cell
        blocks = []
        self._states: list[FloatArray] = []
        for index, name in enumerate(volume.source.phase_names):
            cells = np.flatnonzero(volume.phase == index)
            rows = (cells[:, None] * points_per_cell + np.arange(points_per_cell)).ravel()
            material = materials[name]
            law = laws[material.law]
            constants = None
            if material.has_nonlocal_field:
                constants = law.field_constants(material.parameters)
            vector = law.parameter_vector(material.parameters)
            if strength_factor is not None and (strength_factor[rows] != 1.0).any():
                vector = law.scaled_strength(vector, strength_factor[rows])
            blocks.append(PhaseBlock(name, law, vector, rows, constants))
            own = None
            if orientation is not None and law.needs_orientation:
                own = np.repeat(orientation[volume.original_cell[cells]], points_per_cell, axis=0)
            self._states.append(law.initial_state(len(rows), own))
        self.blocks: tuple[PhaseBlock, ...] = tuple(blocks)
        self._trials = [state.copy() for state in self._states]

    @property
    def state_columns(self) -> int:
        """Largest number of state variables of a law."""
        return max(block.law.number_of_state_variables for block in self.blocks)

    def evaluate(
        self,
        deformation_gradient: FloatArray,
        time_increment_s: float,
        viscosity_gpa_s: float,
        stress: FloatArray,
        moduli: FloatArray,
        field: FloatArray | None = None,
        coupling: FloatArray | None = None,
    ) -> tuple[int, float]:
        """Update all points from the committed state.

        Parameters
        ----------
        deformation_gradient : ndarray, shape (points, 9)
            F at the points, row-major.
        time_increment_s : float
            Time of the step.
        viscosity_gpa_s : float
            Viscous regularization.
        stress : ndarray, shape (points, 9)
            Receives the nominal stress in GPa.
        moduli : ndarray, shape (points, 81)
            Receives the consistent tangent in GPa.
        field : ndarray, shape (points,), or None
            Nonlocal field; read in phases with an internal length.
        coupling : ndarray, shape (points, 20), or None
            Receives the columns of `NonlocalCoupling` in those phases.

        Returns
        -------
        status : int
            Worst status flag over the points of this rank, 0 if all are well.
        asymmetry : float
            Largest difference between a tangent and its transpose over the largest modulus.
        """
        status, difference, largest = 0, 0.0, 1e-300
        for block, state, trial in zip(self.blocks, self._states, self._trials, strict=True):
            for start in range(0, len(block.rows), CHUNK):
                part = slice(start, start + CHUNK)
                rows = block.rows[part]
                parameters = block.parameters_of(part)
                nonlocal_input = None
                if field is not None and block.field_constants is not None:
                    nonlocal_input = NonlocalInput(field[rows], block.field_constants)
                result = block.law.update(
                    deformation_gradient[rows],
                    state[part],
                    parameters,
                    time_increment_s,
                    viscosity_gpa_s,
                    nonlocal_input=nonlocal_input,
                )
                if coupling is not None and result.coupling is not None:
                    coupling[rows] = result.coupling.values
                tangent = result.consistent_tangent
                assert tangent is not None
                stress[rows] = result.first_piola_kirchhoff_stress
                moduli[rows] = tangent
                trial[part] = result.state
                status = max(status, int(result.status.max(initial=0)))
                square = tangent.reshape(-1, 9, 9)
                difference = max(
                    difference, float(np.abs(square - square.transpose(0, 2, 1)).max(initial=0.0))
                )
                largest = max(largest, float(np.abs(tangent).max(initial=0.0)))
        return status, difference / largest

    def commit(self) -> None:
        """Make the trial state of the last evaluation the state."""
        self._states, self._trials = self._trials, self._states

    def last_step(self, block: int) -> tuple[FloatArray, FloatArray]:
        """States of a block before and after the last step, until the next evaluation.

        Parameters
        ----------
        block : int
            Number of the block in `blocks`.

        Returns
        -------
        tuple of ndarray
            State before the step, and the committed state; not to be written to.

        Notes
        -----
        A commit exchanges the arrays of trial and committed state, so that the state before the
        step stays where the next evaluation will write its trial.
        """
        return self._trials[block], self._states[block]

    def equivalent_plastic_strain(self, trial: bool = False) -> FloatArray:
        """Equivalent plastic strain at the points of this rank.

        Parameters
        ----------
        trial : bool
            Whether to read the trial state instead of the committed one.

        Returns
        -------
        ndarray, shape (points,)
            Zero where the law has none.
        """
        values = np.zeros(self.number_of_points)
        for block, state in zip(self.blocks, self._trials if trial else self._states, strict=True):
            if block.law.plastic_strain_index is not None:
                values[block.rows] = state[:, block.law.plastic_strain_index]
        return values

    def lattice_orientation(self, deformation_gradient: FloatArray) -> FloatArray | None:
        """Rotation of the lattices at the points of this rank, as deformed.

        Parameters
        ----------
        deformation_gradient : ndarray, shape (points, 9)
            F of the committed state.

        Returns
        -------
        ndarray, shape (points, 3, 3), or None
            Lattice to specimen coordinates, NaN where the law has no lattice; None if no law has.
        """
        if not any(block.law.needs_orientation for block in self.blocks):
            return None
        values = np.full((self.number_of_points, 3, 3), np.nan)
        for block, state in zip(self.blocks, self._states, strict=True):
            if block.law.needs_orientation and len(block.rows):
                own = deformation_gradient[block.rows]
                values[block.rows] = block.law.lattice_rotation(own, state)
        return values

    def export_state(self) -> FloatArray:
        """Committed state of the points of this rank, padded to equal width.

        Returns
        -------
        ndarray, shape (points, state_columns)
            Unused columns hold 0.
        """
        values = np.zeros((self.number_of_points, self.state_columns))
        for block, state in zip(self.blocks, self._states, strict=True):
            values[block.rows, : state.shape[1]] = state
        return values

    def import_state(self, values: FloatArray) -> None:
        """Set the committed state from what `export_state` gave.

        Parameters
        ----------
        values : ndarray, shape (points, state_columns)
            State of the points of this rank.
        """
        for number, block in enumerate(self.blocks):
            width = block.law.number_of_state_variables
            self._states[number] = np.ascontiguousarray(values[block.rows, :width])
            self._trials[number] = self._states[number].copy()
