"""The element "p2-nodal": quadratic displacement, and a pressure averaged at the vertices."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mpi4py import MPI

import numpy as np

from ngcfem.constitutive.material import Material
from ngcfem.fem.assembly import FluctuationSpace
from ngcfem.fem.nodal_average import NodalAverage
from ngcfem.fem.nodal_field import NodalFieldCoupling
from ngcfem.fem.nodal_tangent import NodalTangent
from ngcfem.fem.regularization import NonlocalField
from ngcfem.fem.tensors import determinants, trace, transposed_inverses
from ngcfem.quantities import FloatArray, IntArray, Kinematics

SMALLEST_VOLUME = 1e-12
"""Volume ratio below which a point counts as this small; it makes the step fail elsewhere."""
CHUNK = 2048
"""Points worked on at once: their moduli fit into the second-level cache."""

_IDENTITY = np.eye(3).ravel()


@dataclass(frozen=True, eq=False)
class AveragedVolume:
    """The volume change of a configuration and its averages.

    Parameters
    ----------
    direction : ndarray, shape (points, 9)
        f = d ln J/dF; F^-T, in small strain the identity.
    logarithm : ndarray, shape (points,)
        ln J; in small strain the trace of the strain.
    ratio : ndarray, shape (r,)
        Factor r by which the law's F is larger, at the points where the law sees the average; 1 in
        small strain.
    deformation_gradient : ndarray, shape (points, 9)
        F as the laws see it.
    """

    direction: FloatArray
    logarithm: FloatArray
    ratio: FloatArray
    deformation_gradient: FloatArray


class NodalPressure:
    """Volume change and pressure shared between the cells of a body.

    Parameters
    ----------
    space : FluctuationSpace
        Displacement space; gets the nodal part of the tangent.
    materials : mapping of str to Material
        Material of every phase.
    kinematics : {"finite", "small"}
        Kinematics of the laws.
    local_share : float
        Share g of the bulk stiffness that stays with the integration point, 0 < g <= 1.

    Attributes
    ----------
    average : NodalAverage
        Averages at the vertices of each body.
    tangent : NodalTangent
        Part of the tangent that the assembled matrix does not hold.
    pressure_by_field, variable_by_average : ndarray, shape (points,)
        ds/dchi in GPa and dkappa/dtheta of the last evaluation, with a nonlocal field chi that
        kappa feeds; zero elsewhere.

    Notes
    -----
    The quadratic displacement with d + 1 points a cell has the right stresses, but its volume
    change, and with it the pressure, alternates from point to point once the flow is nearly
    incompressible. Here S is the average over the cells of a body around each vertex, interpolated
    back (`NodalAverage`), and the share g stays with the point: without it the element has
    displacements that no average sees.

    1. Laws with a pressure K ln J that nothing else depends on (``elastic``, ``j2``) keep their F.
       Their energy K/2 (ln J)^2 becomes K/2 [g (ln J)^2 + (1 - g) ln J S ln J], so that the
       pressure is p = K [g ln J + (1 - g) S ln J].
    2. All other laws (pressure-sensitive, dilatant, crystals, a user's) see the averaged volume:
       with theta = S ln J they get F_bar = (theta / ln J as volumes) F, that is r F with
       ln r = c (theta - ln J) / 3, so that yield, flow and dilatancy follow the averaged pressure.
       The stress is the one that does work on the displacement,

           P = r P_bar + (S s - s) F^-T,   s = c tr(P_bar F_bar^T) / 3,

       the derivative of the integral of the law's energy where it has one. c = 1 - sqrt(g): the
       volume changes that no average sees meet g K, as above.
    3. P enters residual, macroscopic stress and tangent alike, and S is its own adjoint, so that
       Hill's condition holds. A homogeneous body, and one where each phase is, has S s = s: there
       the element is plain P2 to rounding.

    In small strain F^-T is I, ln J the trace of the strain, and F_bar differs from F by
    c (theta - ln J) I / 3.

    References
    ----------
    Bonet and Burton (1998), Commun. Numer. Methods Eng. 14, 437-449,
    doi 10.1002/(SICI)1099-0887(199805)14:5<437::AID-CNM162>3.0.CO;2-W: averaged nodal pressure.
    Pires, de Souza Neto and de la Cuesta Padilla (2004), Commun. Numer. Methods Eng. 20, 569-583,
    doi 10.1002/cnm.697: nodal volume change in the deformation gradient, any law.
    de Souza Neto et al. (1996), Int. J. Solids Struct. 33, 3277-3296,
    doi 10.1016/0020-7683(95)00259-6: F-bar. The stress that does work on it, and not P_bar alone,
    is used here.
    Puso and Solberg (2006), Int. J. Numer. Methods Eng. 67, 841-867, doi 10.1002/nme.1651: why a
    share has to stay local.
    """

    def __init__(
        self,
        space: FluctuationSpace,
        materials: Mapping[str, Material],
        kinematics: Kinematics,
        local_share: float,
    ) -> None:
        self._finite = kinematics == "finite"
        self.average = NodalAverage(space)
        names = space.volume.source.phase_names
        decoupled = np.array([materials[name].has_decoupled_volume for name in names])
        bulk = np.array([materials[name].isotropic_moduli_gpa[1] for name in names])
        shared = np.where(decoupled, (1.0 - local_share) * bulk, 0.0)
        per_cell = space.element.number_of_points
        phase = np.repeat(space.volume.phase, per_cell)
        self._decoupled_rows: IntArray = np.flatnonzero(decoupled[phase])
        self._rows: IntArray = np.flatnonzero(~decoupled[phase])
        self._shared_bulk = shared[phase]
        self._factor = (1.0 - math.sqrt(local_share)) / 3.0
        nodal_bulk = self.average.sums(self._shared_bulk) / self.average.volumes_nm3
        self.tangent = NodalTangent(space, self.average, nodal_bulk, self._rows)
        space.nodal_tangent = self.tangent
        self._space = space
        self.pressure_by_field: FloatArray = np.zeros(0)
        self.variable_by_average: FloatArray = np.zeros(0)

    def coupling_with(self, field: NonlocalField) -> NodalFieldCoupling | None:
        """Make what couples a nonlocal field and the averaged volume; collective.

        Parameters
        ----------
        field : NonlocalField
            The field.

        Returns
        -------
        NodalFieldCoupling or None
            None where no law with an averaged volume is in the domain of the field.
        """
        both = np.intersect1d(field.points, self._rows)
        if not self._space.comm.allreduce(len(both), op=MPI.MAX):
            return None
        self.pressure_by_field = np.zeros(self._space.number_of_points)
        self.variable_by_average = np.zeros(self._space.number_of_points)
        return NodalFieldCoupling(self._space, self.average, self.tangent, field, self._rows)

    def averaged_volume(self, deformation_gradient: FloatArray) -> AveragedVolume:
        """Average the volume change of a configuration; collective.

        Parameters
        ----------
        deformation_gradient : ndarray, shape (points, 9)
            F at the integration points.

        Returns
        -------
        AveragedVolume
            With the F that the laws are to be evaluated at.
        """
        rows = self._rows
        if self._finite:
            direction = transposed_inverses(deformation_gradient)
            volume = np.maximum(determinants(deformation_gradient), SMALLEST_VOLUME)
            logarithm = np.log(volume)
        else:
            direction = np.tile(_IDENTITY, (len(deformation_gradient), 1))
            logarithm = trace(deformation_gradient) - 3.0
        seen, ratio = deformation_gradient, np.ones(len(rows))
        if self.tangent.averages_in_laws:
            seen = deformation_gradient.copy()
            difference = (self.average.averaged(logarithm) - logarithm)[rows]
            if self._finite:
                ratio = np.exp(self._factor * difference)
                seen[rows] *= ratio[:, None]
            else:
                seen[rows] += self._factor * difference[:, None] * _IDENTITY
        return AveragedVolume(direction, logarithm, ratio, seen)

    def share(
        self,
        volume: AveragedVolume,
        stress: FloatArray,
        moduli: FloatArray,
        coupling: FloatArray,
    ) -> None:
        """Turn the answers of the laws into those of the element; collective.

        Parameters
        ----------
        volume : AveragedVolume
            From `averaged_volume`.
        stress : ndarray, shape (points, 9)
            Nominal stress of the laws at their F, in GPa; becomes that of the element.
        moduli : ndarray, shape (points, 81)
            Tangent of the laws; becomes the part of the tangent that stays within the point. The
            rest goes to `tangent`.
        coupling : ndarray, shape (points, 20) or (0, 20)
            Columns of `ngcfem.constitutive.batch.NonlocalCoupling`, of the laws at their F; becomes
            the part that stays within the point.

        Notes
        -----
        With the law's tangent A_bar and t = F_bar (in small strain t = I, without P_bar and D):

            k = c/3 t : g,   g = c/3 (P_bar + A_bar^T t),   h = c/3 (P_bar + A_bar t),
            b = r g - k f,   a = r h - k f,
            A = r^2 A_bar - (a + k f) f - f b + (S s - s) D,   D_iJkL = -f_iL f_kJ.

        With a nonlocal field chi fed by kappa: ds/dchi = c/3 t : dP_bar/dchi, and what stays of the
        other is dP/dchi = r dP_bar/dchi - ds/dchi f; likewise dkappa/dtheta = c/3 t : dkappa/dF_bar
        and dkappa/dF = r dkappa/dF_bar - dkappa/dtheta f.

        Where the law keeps its F: r = 1, a = 0, k = 0, s = (1 - g) K ln J, b = (1 - g) K f.
        """
        rows = self._rows
        pressure = self._shared_bulk * volume.logarithm
        if len(rows):
            seen = volume.deformation_gradient[rows] if self._finite else _IDENTITY
            pressure[rows] = self._factor * (seen * stress[rows]).sum(axis=1)
        shift = self.average.averaged(pressure) - pressure
        for start in range(0, len(self._decoupled_rows), CHUNK):
            part = self._decoupled_rows[start : start + CHUNK]
            direction = volume.direction[part]
            local = moduli[part].reshape(-1, 9, 9)
            local -= (self._shared_bulk[part, None] * direction)[:, :, None] * direction[:, None, :]
            self._add_shift(shift[part], direction, stress, local, part)
            moduli[part] = local.reshape(-1, 81)
        by_average = np.empty((len(rows), 9))
        pressure_direction = np.empty((len(rows), 9))
        stiffness = np.empty(len(rows))
        for start in range(0, len(rows), CHUNK):
            own = slice(start, start + CHUNK)
            part = rows[own]
            direction = volume.direction[part]
            ratio = volume.ratio[own, None]
            local = moduli[part].reshape(-1, 9, 9)
            seen = volume.deformation_gradient[part] if self._finite else None
            left, right = self._contractions(local, stress[part], seen)
            towards = _IDENTITY if seen is None else seen
            k = self._factor * (towards * left).sum(axis=1)
            a = ratio * right - k[:, None] * direction
            b = ratio * left - k[:, None] * direction
            by_average[own], pressure_direction[own], stiffness[own] = a, b, k
            local *= ratio[:, :, None] ** 2
            local -= (ratio * right)[:, :, None] * direction[:, None, :]
            local -= direction[:, :, None] * b[:, None, :]
            stress[part] *= ratio
            self._add_shift(shift[part], direction, stress, local, part)
            moduli[part] = local.reshape(-1, 81)
            if len(self.pressure_by_field):
                self._share_coupling(coupling, part, towards, ratio, direction)
        self.tangent.linearize(volume.direction, by_average, pressure_direction, stiffness)

    def _share_coupling(
        self,
        coupling: FloatArray,
        part: IntArray,
        towards: FloatArray,
        ratio: FloatArray,
        direction: FloatArray,
    ) -> None:
        """Split dP/dchi and dkappa/dF into what stays within the points and what does not."""
        for first, target in ((2, self.pressure_by_field), (11, self.variable_by_average)):
            own = coupling[part, first : first + 9]
            along = self._factor * (towards * own).sum(axis=1)
            target[part] = along
            coupling[part, first : first + 9] = ratio * own - along[:, None] * direction

    def _contractions(
        self, moduli: FloatArray, stress: FloatArray, seen: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Pressure by F_bar (g), stress by the logarithm of the ratio (h)."""
        if seen is None:
            left, right = _IDENTITY @ moduli, moduli @ _IDENTITY
        else:
            left = np.matmul(seen[:, None, :], moduli)[:, 0] + stress
            right = np.matmul(moduli, seen[:, :, None])[:, :, 0] + stress
        return self._factor * left, self._factor * right

    def _add_shift(
        self,
        shift: FloatArray,
        direction: FloatArray,
        stress: FloatArray,
        moduli: FloatArray,
        part: IntArray,
    ) -> None:
        stress[part] += shift[:, None] * direction
        if self._finite:
            f = direction.reshape(-1, 3, 3)
            crossed = (shift[:, None, None] * f)[:, :, None, None, :] * f.transpose(0, 2, 1)[
                :, None, :, :, None
            ]
            moduli -= crossed.reshape(-1, 9, 9)
