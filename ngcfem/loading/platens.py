"""Two rigid plates that compress or stretch a specimen which is not periodic."""

from dataclasses import dataclass

import numpy as np

from ngcfem.loading.path import MacroscopicState
from ngcfem.quantities import AXIS_INDEX, Axis, PlatenContact


@dataclass(frozen=True)
class Platens:
    """Two rigid plates normal to the load axis.

    Parameters
    ----------
    axis : {"x", "y", "z"}
        Normal of the plates; they touch the lowest and the highest nodes along it.
    contact : {"smooth", "rough"}
        Whether the faces slide freely along the plates or are held by them.

    Notes
    -----
    The average of the nominal stress over the specimen has the axial component R / A0, with R the
    reaction on a plate and A0 = V0 / h0: by the divergence theorem V0 <P_aa> is the reaction times
    the distance of the plates, because the lateral faces carry no traction.
    """

    axis: Axis
    contact: PlatenContact = "smooth"

    def prescribe(self, target: MacroscopicState) -> MacroscopicState:
        """Keep, of what a load path prescribes, the axial stretch alone.

        Parameters
        ----------
        target : MacroscopicState
            State of a uniaxial path along the axis of the platens.

        Returns
        -------
        MacroscopicState
            All components prescribed, identity but for the axial one: the fluctuation carries the
            lateral motion.
        """
        a = AXIS_INDEX[self.axis]
        deformation_gradient = np.eye(3)
        deformation_gradient[a, a] = target.deformation_gradient[a, a]
        return MacroscopicState(
            time_s=target.time_s,
            prescribed=np.ones((3, 3), dtype=bool),
            deformation_gradient=deformation_gradient,
            first_piola_kirchhoff_stress=np.zeros((3, 3)),
        )
