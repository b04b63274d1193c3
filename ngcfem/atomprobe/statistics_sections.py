"""Sections of the statistics file, made of quantities with unit, interval and provenance."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ngcfem.quantities import Provenance


class StatisticsSection(BaseModel):
    """Common rules of every section: strict types, no unknown keys, finite numbers, frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Quantity(StatisticsSection):
    """One number of the file: value, 95 % interval, and where it comes from.

    Parameters
    ----------
    value : float
        The number.
    lo95, hi95 : float, optional
        Ends of the 95 % interval, both or none.
    n : int, optional
        Number of observations behind it.
    unit : str
        Unit; each key of the file allows one.
    method : str
        How it was found.
    parameters : mapping of str to number, text or truth value
        Parameters of the method.
    provenance : str
        measured, paper, literature, assumed, calibrated or synthetic.
    reference : str
        Source; needed for the provenances paper and literature.
    """

    value: float = Field(description="The number.")
    lo95: float | None = Field(default=None, description="Lower end of the 95 % interval.")
    hi95: float | None = Field(default=None, description="Upper end of the 95 % interval.")
    n: int | None = Field(
        default=None, ge=1, description="Number of observations behind the value."
    )
    unit: str = Field(description="Unit; each key allows one.")
    method: str = Field(default="", description="How the value was found.")
    parameters: dict[str, float | str | bool] = Field(
        default_factory=dict, description="Parameters of the method."
    )
    provenance: Provenance = Field(description="Where the value comes from.")
    reference: str = Field(
        default="", description="Source; needed for the provenances paper and literature."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Quantity":
        if (self.lo95 is None) != (self.hi95 is None):
            raise ValueError("give both lo95 and hi95, or none")
        low = self.value if self.lo95 is None else self.lo95
        high = self.value if self.hi95 is None else self.hi95
        if not low <= self.value <= high:
            raise ValueError("the value must lie between lo95 and hi95")
        if self.provenance in ("paper", "literature") and not self.reference:
            raise ValueError(f"provenance {self.provenance} needs a reference")
        return self


class Samples(StatisticsSection):
    """Measured values one by one, and where they come from.

    Parameters
    ----------
    values : list of float
        The values.
    unit : str
        Unit; each key of the file allows one.
    method : str
        How they were found.
    provenance : str
        measured, paper, literature, assumed, calibrated or synthetic.
    reference : str
        Source; needed for the provenances paper and literature.
    """

    values: list[float] = Field(min_length=1, description="The values, in any order.")
    unit: str = Field(description="Unit; each key allows one.")
    method: str = Field(default="", description="How the values were found.")
    provenance: Provenance = Field(description="Where the values come from.")
    reference: str = Field(
        default="", description="Source; needed for the provenances paper and literature."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Samples":
        if self.provenance in ("paper", "literature") and not self.reference:
            raise ValueError(f"provenance {self.provenance} needs a reference")
        return self


class Orientation(StatisticsSection):
    """Directions of the main axes of the crystals: of the long axis, or of the normal of a disc."""

    kind: Literal["random", "fibre"] = Field(
        description="random: all directions alike; fibre: around one axis."
    )
    axis: tuple[float, float, float] | None = Field(
        default=None, description="Axis of the fibre in the frame of the cell, of any length."
    )
    spread: Quantity | None = Field(
        default=None,
        description="Width s of the fibre in degrees: the angle a from its axis has the density "
        "sin(a) exp(-a^2 / 2 s^2); 0 if not given.",
    )


class RegionComposition(StatisticsSection):
    """Composition of one region in atomic percent."""

    Fe: Quantity = Field(description="Iron, at%.")
    Sc: Quantity = Field(description="Scandium, at%.")
    H: Quantity | None = Field(default=None, description="Hydrogen, at%.")

    def at_percent(self) -> dict[str, float]:
        """Give the composition as plain numbers.

        Returns
        -------
        dict of str to float
            Atomic percent by element.
        """
        values = {"Fe": self.Fe.value, "Sc": self.Sc.value}
        return values if self.H is None else {**values, "H": self.H.value}


class Composition(StatisticsSection):
    """Compositions of the whole and of the four regions."""

    bulk: RegionComposition = Field(description="The whole material.")
    nanocrystal: RegionComposition | None = Field(
        default=None, description="Region I, the Fe nanocrystals."
    )
    sc_rich: RegionComposition | None = Field(
        default=None, description="Region II, the Sc-rich glass beside the crystals."
    )
    interface: RegionComposition | None = Field(
        default=None, description="Region III, the network between the grains."
    )
    grain: RegionComposition | None = Field(
        default=None, description="Region IV, the glassy grains."
    )


class VolumeFractions(StatisticsSection):
    """Volumes of the regions over the whole volume."""

    nanocrystal: Quantity | None = Field(default=None, description="Region I, of the whole volume.")
    sc_rich: Quantity | None = Field(default=None, description="Region II, of the whole volume.")
    interface: Quantity | None = Field(default=None, description="Region III, of the whole volume.")
    grain: Quantity | None = Field(default=None, description="Region IV, of the whole volume.")


class Crystals(StatisticsSection):
    """Size and place of the crystals."""

    diameter_mean: Quantity | None = Field(
        default=None,
        description="Arithmetic mean of the equivalent diameter, nm; of a lognormal distribution.",
    )
    diameter_variation: Quantity | None = Field(
        default=None, description="Standard deviation of the diameter over its mean."
    )
    diameter_samples: Samples | None = Field(
        default=None,
        description="Equivalent diameters one by one, nm, instead of their mean and variation.",
    )
    number_density: Quantity | None = Field(
        default=None, description="Crystals per volume, nm^-3, corrected for edges and recall."
    )
    aspect_ratio: Quantity | None = Field(
        default=None, description="Mean ratio of the longest to the shortest axis."
    )
    aspect_ratio_variation: Quantity | None = Field(
        default=None, description="Standard deviation of that ratio over its mean."
    )
    shape: Literal["prolate", "oblate"] | None = Field(
        default=None,
        description="Ellipsoids with an aspect ratio: needles (prolate, the default) or discs.",
    )
    orientation: Orientation | None = Field(
        default=None, description="Directions of ellipsoids; random if not given."
    )
    sphericity: Quantity | None = Field(default=None, description="Mean sphericity.")
    nearest_neighbour_distance: Quantity | None = Field(
        default=None, description="Mean distance to the nearest centre, nm."
    )
    surface_distance: Quantity | None = Field(
        default=None,
        description="Mean distance to the nearest surface, nm; negative where they overlap.",
    )
    minimum_gap: Quantity | None = Field(
        default=None,
        description="Smallest distance between crystals or caps, and from the network, nm.",
    )
    contact_fraction: Quantity | None = Field(
        default=None, description="Share of the crystals that touch another one."
    )
    agglomerate_size: Quantity | None = Field(
        default=None, description="Mean number of crystals of a group of those that touch."
    )
    interface_contact_share: Quantity | None = Field(
        default=None, description="Share of the crystals, by number, that touch the network."
    )


class ScRich(StatisticsSection):
    """Sc-rich regions, as caps on crystals."""

    share_of_crystals: Quantity = Field(
        description="Share of the crystals, by number, that carry a Sc-rich cap."
    )
    thickness: Quantity | None = Field(
        default=None,
        description="Radial thickness of a cap, nm; follows from the radius if not given.",
    )
    contact_half_angle: Quantity = Field(
        description="Polar angle of the rim of a cap from the centre of its crystal, degrees."
    )
    radius: Quantity | None = Field(default=None, description="Equivalent radius of a region, nm.")
    offset: Quantity | None = Field(
        default=None,
        description="Distance from the centre of the crystal to that of the region, nm.",
    )


class Grains(StatisticsSection):
    """Size of the grains, each with its half of the network."""

    equivalent_diameter: Quantity = Field(
        description="Mean diameter of the sphere of the same volume, nm."
    )
    diameter_variation: Quantity = Field(
        description="Standard deviation of that diameter over its mean."
    )
    lineal_intercept: Quantity | None = Field(
        default=None, description="Mean lineal intercept, nm."
    )
    sphericity: Quantity | None = Field(default=None, description="Mean sphericity.")
    anisotropy: Quantity | None = Field(
        default=None,
        description="Ratio of the lineal intercepts along and across the longest direction.",
    )


class Interface(StatisticsSection):
    """The network between the grains."""

    thickness: Quantity = Field(description="Thickness, nm.")
    area_density: Quantity | None = Field(default=None, description="Area per volume, nm^-1.")
    gibbs_excess_sc: Quantity | None = Field(
        default=None, description="Gibbs excess of Sc, atomic fraction times nm."
    )
    gibbs_excess_h: Quantity | None = Field(
        default=None, description="Gibbs excess of H, atomic fraction times nm."
    )


class AtomicVolumes(StatisticsSection):
    """Volume per atom of each element."""

    Fe: Quantity = Field(description="Iron, nm^3.")
    Sc: Quantity = Field(description="Scandium, nm^3.")
    H: Quantity | None = Field(
        default=None, description="Hydrogen, nm^3; needed where a composition holds hydrogen."
    )


class Source(StatisticsSection):
    """The atom probe data set behind measured numbers."""

    files_sha256: dict[str, str] = Field(
        default_factory=dict, description="SHA-256 of each input file."
    )
    n_ions: Quantity = Field(description="Number of ions.")
    ranged_fraction: Quantity = Field(description="Share of the ions that are ranged.")
    volume: Quantity = Field(description="Reconstructed volume, nm^3.")
    efficiency: Quantity | None = Field(default=None, description="Detection efficiency.")


class Resolution(StatisticsSection):
    """What the reconstruction can resolve."""

    kernel_sigma: Quantity = Field(
        description="Standard deviation of the delocalization kernel, nm."
    )
    smallest_detectable_radius: Quantity = Field(
        description="Radius under which crystals are lost, nm."
    )


class State(StatisticsSection):
    """Deformation of the material the statistics were taken from."""

    true_strain: Quantity = Field(description="True strain; negative in compression.")


class StatisticsFile(StatisticsSection):
    """The statistics file."""

    schema_version: Literal[1] = Field(description="Version of this schema.")
    title: str = Field(description="Name of the material and state.")
    notes: list[str] = Field(default_factory=list, description="Remarks on the whole.")
    composition: Composition = Field(description="Compositions.")
    atomic_volumes: AtomicVolumes = Field(description="Volume per atom.")
    volume_fractions: VolumeFractions | None = Field(
        default=None, description="Volume fractions of the regions."
    )
    grains: Grains | None = Field(default=None, description="Glassy grains.")
    interface: Interface | None = Field(default=None, description="Network between the grains.")
    crystals: Crystals | None = Field(default=None, description="Nanocrystals.")
    sc_rich: ScRich | None = Field(default=None, description="Sc-rich regions.")
    source: Source | None = Field(default=None, description="Data set behind measured numbers.")
    resolution: Resolution | None = Field(
        default=None, description="What the reconstruction can resolve."
    )
    state: State | None = Field(default=None, description="Deformation of the material measured.")
