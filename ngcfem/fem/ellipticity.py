"""Loss of ellipticity in a run: a sample of the points that soften, looked at after a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ngcfem.constitutive.batch import BatchResult, NonlocalInput
from ngcfem.constitutive.localization import (
    minimum_acoustic_determinant,
    plane_angle_deg,
    spatial_normal,
)
from ngcfem.constitutive.material import Material
from ngcfem.constitutive.nonlocal_parameters import NONLOCAL_NAMES
from ngcfem.constitutive.parameters import LAW_PARAMETERS
from ngcfem.constitutive.plane_localization import minimum_plane_determinant
from ngcfem.constitutive.strength import shear_and_bulk_modulus
from ngcfem.fem.material_points import MaterialPoints, PhaseBlock
from ngcfem.fem.periodic import RepresentativeVolume
from ngcfem.quantities import FloatArray, IntArray, Kinematics

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

LARGEST_SAMPLE = 1000
"""Points looked at in a step, over all ranks: about a second in space, a fifth in the plane."""

_RATE = "rate_sensitivity"
_NO_ELASTIC_RANGE = "reference_stress_gpa"
_LEAST_FLOW = 1e-10


@dataclass(frozen=True)
class EllipticityState:
    """What a sample of softening points says after a step.

    Parameters
    ----------
    sampled : int
        Points looked at, all ranks.
    lost_share : float
        Share of them at which ellipticity is lost.
    lost_share_by_phase : mapping of str to float
        The same in each softening phase.
    phase : str
        Phase of the least determinant.
    determinant : float
        Least determinant of the acoustic tensor over that of the elastic solid.
    angle_deg : float
        Median angle between band plane and load axis over the points where ellipticity is lost; at
        the least determinant if it is lost nowhere.
    normal : tuple of three float
        Normal of the band at the least determinant, in the deformed configuration.
    """

    sampled: int
    lost_share: float
    lost_share_by_phase: Mapping[str, float]
    phase: str
    determinant: float
    angle_deg: float
    normal: tuple[float, float, float]

    @property
    def lost(self) -> bool:
        """Whether ellipticity is lost anywhere in the sample."""
        return self.lost_share > 0.0


@dataclass(frozen=True, eq=False)
class _Sample:
    """The points of one softening phase that this rank looks at."""

    number: int
    phase: int
    cells: IntArray
    rows: IntArray
    parameters: FloatArray
    shear_gpa: float
    longitudinal_gpa: float


class EllipticityMonitor:
    """Looks for the first loss of ellipticity in the phases that soften; calls are collective.

    Parameters
    ----------
    volume : RepresentativeVolume
        The mesh.
    points : MaterialPoints
        Laws and states.
    materials : mapping of str to Material
        By phase.
    kinematics : {"finite", "small"}
        Kinematics.

    Attributes
    ----------
    phases : tuple of str
        Phases that are looked at.
    growth_phases : tuple of str
        Those of them with a law of activated flow, for which lost means what note 4 says.

    Notes
    -----
    1. The sample is the first integration point of every k-th cell of the softening phases, by the
       number of the cell in the mesh: the same on any number of ranks.
    2. A point that has flowed in the step is evaluated once more, from the state before the step,
       without viscosity and with the least rate sensitivity its law allows (0 for Drucker-Prager):
       the viscous stiffness of a short step would hide the loss of ellipticity. A point that has
       not flowed is elastic and counts as not lost.
    3. With a nonlocal field chi that feeds on kappa, the tangent is that of a band which is wide
       compared with the internal length, where chi follows kappa: dP/dF + (dP/dchi) (dkappa/dF) /
       (1 - dkappa/dchi). Narrower bands come later.
    4. Laws of activated flow have no rate-independent limit, and their rate problem stays elliptic.
       What is looked at is the tangent of the step as it was made. By backward Euler a disturbance
       in the form of a band grows by 1 / (1 - dt a) in a step if its rate of growth is a, and the
       acoustic tensor is singular at dt a = 1: lost means that some band grows more than e-fold in
       the time of the step. Smaller steps say so later, or never.
    """

    def __init__(
        self,
        volume: RepresentativeVolume,
        points: MaterialPoints,
        materials: Mapping[str, Material],
        kinematics: Kinematics,
    ) -> None:
        self._comm: Intracomm = volume.comm
        self._names = volume.source.phase_names
        self._points = points
        self._finite = kinematics == "finite"
        self._plane = volume.simplex.dimension == 2
        watched = [index for index, name in enumerate(self._names) if materials[name].softens]
        self.phases: tuple[str, ...] = tuple(self._names[index] for index in watched)
        self.growth_phases: tuple[str, ...] = tuple(
            name for name in self.phases if _NO_ELASTIC_RANGE in materials[name].resolved
        )
        of_watched = np.flatnonzero(np.isin(volume.source.phase, watched))
        stride = max(1, -(-len(of_watched) // LARGEST_SAMPLE))
        chosen = of_watched[::stride]
        per_cell = points.number_of_points // max(volume.number_of_owned_cells, 1)
        samples = []
        for number, block in enumerate(points.blocks):
            phase = self._names.index(block.name)
            own = np.flatnonzero((volume.phase == phase) & np.isin(volume.original_cell, chosen))
            material = materials[block.name]
            if phase not in watched or "youngs_modulus_gpa" not in material.resolved:
                continue
            shear, bulk = shear_and_bulk_modulus(material.resolved)
            samples.append(
                _Sample(
                    number,
                    phase,
                    volume.original_cell[own],
                    own * per_cell,
                    _inviscid(block, material),
                    shear,
                    bulk + 4.0 / 3.0 * shear,
                )
            )
        self._samples = samples
        self._sampled = int(self._comm.allreduce(sum(len(each.rows) for each in samples)))

    def look(
        self,
        deformation_gradient: FloatArray,
        time_increment_s: float,
        axis: FloatArray,
        field: FloatArray | None,
    ) -> EllipticityState | None:
        """Look at the step that has just been committed; collective.

        Parameters
        ----------
        deformation_gradient : ndarray, shape (points, 9)
            F at the integration points of this rank at the end of the step.
        time_increment_s : float
            Time of the step.
        axis : ndarray, shape (3,)
            Direction of the load.
        field : ndarray, shape (points,), or None
            Nonlocal field at the points.

        Returns
        -------
        EllipticityState or None
            The same on every rank; None if no sampled point has flowed in the step.
        """
        own = [
            self._look_at(sample, deformation_gradient, time_increment_s, field)
            for sample in self._samples
        ]
        found = np.concatenate([*own, np.zeros((0, 6))])
        found = np.concatenate(self._comm.allgather(found))
        if not len(found):
            return None
        found = found[np.lexsort((found[:, 0], found[:, 2]))]
        cells_by_phase = np.zeros(len(self._names))
        for sample in self._samples:
            cells_by_phase[sample.phase] += len(sample.rows)
        cells_by_phase = self._comm.allreduce(cells_by_phase)
        lost = found[found[:, 2] <= 0.0]
        angles = [plane_angle_deg(row[3:], axis) for row in (lost if len(lost) else found[:1])]
        worst = found[0]
        return EllipticityState(
            sampled=self._sampled,
            lost_share=len(lost) / self._sampled,
            lost_share_by_phase={
                self._names[phase]: float((lost[:, 1] == phase).sum() / cells_by_phase[phase])
                for phase in np.flatnonzero(cells_by_phase)
            },
            phase=self._names[int(worst[1])],
            determinant=float(worst[2]),
            angle_deg=float(np.median(angles)),
            normal=(float(worst[3]), float(worst[4]), float(worst[5])),
        )

    def _look_at(
        self,
        sample: _Sample,
        deformation_gradient: FloatArray,
        time_increment_s: float,
        field: FloatArray | None,
    ) -> FloatArray:
        """Cell, phase, determinant and spatial normal of the points that flow, (n, 6)."""
        block = self._points.blocks[sample.number]
        before, after = self._points.last_step(sample.number)
        places = np.searchsorted(block.rows, sample.rows)
        column = block.law.plastic_strain_index
        assert column is not None
        flowing = after[places, column] - before[places, column] > _LEAST_FLOW
        rows, places = sample.rows[flowing], places[flowing]
        if not len(rows):
            return np.zeros((0, 6))
        gradient = deformation_gradient[rows]
        nonlocal_input = None
        if field is not None and block.field_constants is not None:
            nonlocal_input = NonlocalInput(field[rows], block.field_constants)
        result = block.law.update(
            gradient,
            before[places],
            sample.parameters if sample.parameters.ndim == 1 else sample.parameters[places],
            time_increment_s,
            nonlocal_input=nonlocal_input,
        )
        sound = result.status == 0
        tangent = _wide_band_tangent(result)[sound]
        if self._plane:
            scale = sample.shear_gpa * sample.longitudinal_gpa
            loss = minimum_plane_determinant(tangent, scale)
        else:
            scale = sample.shear_gpa**2 * sample.longitudinal_gpa
            loss = minimum_acoustic_determinant(tangent, scale)
        normal = spatial_normal(loss.normal, gradient[sound]) if self._finite else loss.normal
        cells = sample.cells[flowing][sound]
        return np.column_stack([cells, np.full(len(cells), sample.phase), loss.determinant, normal])


def _inviscid(block: PhaseBlock, material: Material) -> FloatArray:
    """Parameters (or a row for each point) with the least rate sensitivity the law allows."""
    parameters = block.parameters.copy()
    specs = [
        spec for spec in LAW_PARAMETERS.get(material.law, ()) if spec.name not in NONLOCAL_NAMES
    ]
    for index, spec in enumerate(specs):
        if spec.name == _RATE:
            parameters[..., index] = spec.minimum or 0.0
    return parameters


def _wide_band_tangent(result: BatchResult) -> FloatArray:
    """Tangent with the nonlocal field following its source."""
    assert result.consistent_tangent is not None
    coupling = result.coupling
    if coupling is None:
        return result.consistent_tangent
    share = 1.0 / np.maximum(1.0 - coupling.source_by_field, 1e-12)
    dyad = np.einsum("ni,nj->nij", coupling.stress_by_field, coupling.source_by_gradient)
    return result.consistent_tangent + share[:, None] * dyad.reshape(-1, 81)
