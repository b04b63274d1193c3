"""How far a finished run localized: what its curve and its last fields say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ngcfem.quantities import AXIS_INDEX, Axis, FloatArray
from ngcfem.results.bands import BandReport, detect_bands
from ngcfem.results.curve import StressStrainCurve
from ngcfem.results.fields import FieldFile

PLASTIC_STRAIN = "equivalent_plastic_strain [-]"


@dataclass(frozen=True, eq=False)
class Localization:
    """Numbers of one run that say whether it localized.

    Parameters
    ----------
    peak_stress_gpa, strain_at_peak : float
        Largest Cauchy stress in the direction of the loading, and the true strain it stands at.
    final_stress_gpa, final_strain : float
        The same at the end of the run.
    localization_index : float or None
        Standard deviation over mean of the plastic strain at the end; None without fields.
    bands : BandReport or None
        Bands of the last fields; None without fields.
    first_loss_of_ellipticity : mapping or None
        What the run recorded of it; None if it recorded nothing.
    """

    peak_stress_gpa: float
    strain_at_peak: float
    final_stress_gpa: float
    final_strain: float
    localization_index: float | None
    bands: BandReport | None
    first_loss_of_ellipticity: Mapping[str, Any] | None

    @property
    def stress_drop(self) -> float:
        """Share of the peak stress that is lost at the end."""
        return 1.0 - self.final_stress_gpa / self.peak_stress_gpa if self.peak_stress_gpa else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Write as plain JSON.

        Returns
        -------
        dict
            Numbers; of each band its angle, width, extent, volume share and mean strain.
        """
        bands = None
        if self.bands is not None:
            bands = [
                {
                    "angle_deg": band.angle_deg,
                    "width_nm": band.width_nm,
                    "extent_nm": band.extent_nm,
                    "volume_share": band.volume_share,
                    "mean_plastic_strain": band.mean_strain,
                    "centre_nm": list(band.centre_nm),
                    "normal": list(band.normal),
                }
                for band in self.bands.bands
            ]
        return {
            "peak_stress_gpa": self.peak_stress_gpa,
            "strain_at_peak": self.strain_at_peak,
            "final_stress_gpa": self.final_stress_gpa,
            "final_strain": self.final_strain,
            "stress_drop": self.stress_drop,
            "localization_index": self.localization_index,
            "strain_share_above_threshold": (
                None if self.bands is None else self.bands.strain_share_above
            ),
            "volume_share_above_threshold": (
                None if self.bands is None else self.bands.volume_share_above
            ),
            "bands": bands,
            "band_spacing_nm": None if self.bands is None else self.bands.spacing_nm,
            "first_loss_of_ellipticity": self.first_loss_of_ellipticity,
        }


def measure_localization(
    curve: StressStrainCurve,
    fields: FieldFile | None,
    axis: Axis,
    lattice_nm: FloatArray | None,
    recorded: Mapping[str, Any] | None = None,
) -> Localization:
    """Take the localization of a run from its curve and its last fields.

    Parameters
    ----------
    curve : StressStrainCurve
        Cauchy stress over true strain.
    fields : FieldFile or None
        The last snapshot.
    axis : {"x", "y", "z"}
        Axis of the load.
    lattice_nm : ndarray, shape (d, d), or None
        Periods as rows; None for a specimen that is not periodic.
    recorded : mapping or None
        First loss of ellipticity, as the run recorded it.

    Returns
    -------
    Localization
        The numbers.

    Notes
    -----
    Bands are looked for in the undeformed configuration, in the cell means of the plastic strain:
    angle and width are those of the material layer before the deformation.
    """
    strain, stress = curve.loading_strain, curve.loading_stress_gpa
    peak = int(np.argmax(stress))
    bands = None
    if fields is not None:
        direction = np.zeros(fields.dimension)
        direction[AXIS_INDEX[axis]] = 1.0
        bands = detect_bands(
            fields.centres_nm,
            np.asarray(fields.cell_data[PLASTIC_STRAIN], dtype=float),
            fields.volumes,
            direction,
            lattice_nm=lattice_nm,
        )
    return Localization(
        peak_stress_gpa=float(stress[peak]),
        strain_at_peak=float(strain[peak]),
        final_stress_gpa=float(stress[-1]),
        final_strain=float(strain[-1]),
        localization_index=None if bands is None else bands.localization_index,
        bands=bands,
        first_loss_of_ellipticity=recorded,
    )
