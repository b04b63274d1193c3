"""Shape of a case file: one frozen pydantic model a section.

Only types, ranges of single values and defaults are declared here, each with the text that the
messages and the JSON schema show. What concerns more than one key is checked in
:mod:`ngcfem.case.checks`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag

from ngcfem.case.values import (
    LARGEST_COUNT,
    CellSize,
    Centre,
    Count,
    CountOrNone,
    Counts,
    GroupsByPhase,
    LabelsByPhase,
    Numbers,
    NumberWithOrigin,
    Orientation,
    ParameterValue,
    PartialMatrix,
    PeriodVectors,
    Positive,
    Rotation,
    Section,
    SourcedValue,
    is_number,
    refuse,
)
from ngcfem.constitutive.law_files import names_law_file
from ngcfem.fem.solver_options import SolverOptions
from ngcfem.quantities import Axis, Boundary, Kinematics, PlatenContact

LARGEST_SEED = 2**63 - 1
LARGEST_ENSEMBLE = 1000
BuiltInLaw = Literal[
    "elastic",
    "j2",
    "drucker-prager",
    "mohr-coulomb",
    "free-volume",
    "effective-temperature",
    "free-volume-relaxation",
    "cubic-elastic",
    "crystal-plasticity",
]
LAW_FILE_PATTERN = r"^.+\.py:[A-Za-z_]\w*$"
Law = Annotated[
    Annotated[BuiltInLaw, Tag("built-in")]
    | Annotated[str, Tag("own"), Field(pattern=LAW_FILE_PATTERN)],
    Discriminator(lambda value: "own" if names_law_file(value) else "built-in"),
]
"""A law that is built in, or ``file.py:ClassName`` of a user's own."""


class StatisticsSection(Section):
    """Statistics of the microstructure: the name of a file, or its content inline.

    What is inline has the schema of the statistics file and is checked by it.
    """

    model_config = ConfigDict(extra="allow")

    file: str | None = Field(
        default=None, description="Statistics file (JSON), relative to the case file."
    )

    @property
    def inline(self) -> dict[str, Any]:
        """The sections of a statistics file that stand in the case itself."""
        return dict(self.model_extra or {})


class _MicrostructureSection(Section):
    dimension: Literal[2, 3] = Field(
        default=3, description="Space dimension; 2 is plane strain in the plane x-y."
    )


class CompositeSection(_MicrostructureSection):
    """What the kinds made from statistics have in common."""

    n_grains: int = Field(
        default=8, ge=2, le=LARGEST_COUNT, description="Number of glassy grains in the cell."
    )
    cell_aspect: tuple[Positive, ...] = Field(
        default=(1.0, 1.0, 1.0),
        min_length=2,
        max_length=3,
        description="Relative edge lengths of the cell, as many as dimensions; an elongated one "
        "frustrates bands less.",
    )
    n_realizations: int = Field(
        default=1,
        ge=1,
        le=LARGEST_ENSEMBLE,
        description="Cells of the same statistics, each with a seed of its own, run as one case.",
    )
    allow_missed_targets: bool = Field(
        default=False,
        description="Accept a cell that misses targets of its statistics; the misses are reported.",
    )
    rotation_deg: Rotation | None = Field(
        default=None,
        description="Turn of the cell: three Euler angles phi1, Phi, phi2 in degrees (Bunge: about "
        "z, the new x, the new z), one angle in the plane, or random (from the seed).",
    )


class NanocompositeSection(CompositeSection):
    """Grains, interface network, nanocrystals and Sc-rich regions from statistics."""

    kind: Literal["nanocomposite"] = Field(description="Kind of microstructure.")
    crystal_gap_nm: Positive | None = Field(
        default=None,
        description="Smallest distance between crystals or Sc-rich regions, and from the network, "
        "in nm (default: crystals.minimum_gap of the statistics, else 0.45).",
    )


class NanoglassSection(CompositeSection):
    """Grains and interface network from statistics."""

    kind: Literal["nanoglass"] = Field(description="Kind of microstructure.")


class GlassSection(CompositeSection):
    """Monolithic glass in a cell of the volume that the composite would have."""

    kind: Literal["glass"] = Field(description="Kind of microstructure.")


class SphereSection(_MicrostructureSection):
    """One sphere, in the plane a disc (phase inclusion), in the middle of a box (phase matrix)."""

    kind: Literal["sphere"] = Field(description="Kind of microstructure.")
    fraction: float = Field(gt=0.0, lt=1.0, description="Volume fraction of the sphere.")
    cell_nm: CellSize = Field(default=10.0, description="Edge length(s) of the cell in nm.")


class Layer(Section):
    """One layer of a laminate."""

    phase: str = Field(min_length=1, description="Phase of the layer.")
    fraction: float = Field(gt=0.0, le=1.0, description="Share of the cell's thickness.")


class LaminateSection(_MicrostructureSection):
    """Plane layers."""

    kind: Literal["laminate"] = Field(description="Kind of microstructure.")
    normal: Axis = Field(description="Axis normal to the layers: x, y or z.")
    layers: tuple[Layer, ...] = Field(min_length=1, description="The layers in their order.")
    cell_nm: CellSize = Field(default=10.0, description="Edge length(s) of the cell in nm.")


class HomogeneousSection(_MicrostructureSection):
    """One phase."""

    kind: Literal["homogeneous"] = Field(description="Kind of microstructure.")
    phase: str = Field(min_length=1, description="Name of the phase.")
    cell_nm: CellSize = Field(default=10.0, description="Edge length(s) of the cell in nm.")


class UserMeshSection(_MicrostructureSection):
    """A user's mesh; its volumes carry the phases as physical groups."""

    kind: Literal["mesh"] = Field(description="Kind of microstructure.")


class VoxelsSection(_MicrostructureSection):
    """A labelled volume of voxels, taken as one period."""

    kind: Literal["voxels"] = Field(description="Kind of microstructure.")
    file: str = Field(
        description="Labelled volume (.npy, .vti, HDF5 as of DREAM.3D), relative to the case file."
    )
    phases: LabelsByPhase = Field(
        description='Labels of each phase: grain = [1, 2, "5-40"], nanocrystal = [3].'
    )
    dataset: str | None = Field(
        default=None, description="Array of the labels in a .vti or HDF5 file."
    )
    grain_dataset: str | None = Field(
        default=None, description="Array of the grain numbers (default: FeatureIds, if any)."
    )
    spacing_nm: CellSize | None = Field(
        default=None, description="Edge(s) of a voxel in nm; needed where the file does not say."
    )
    length_unit_nm: Positive = Field(
        default=1.0, description="Length in nm of one unit of the spacing in the file."
    )
    axis_order: Literal["xyz", "zyx"] = Field(
        default="xyz", description="Order of the axes of .npy files and plain HDF5 datasets."
    )
    surface: Literal["smooth", "stair-stepped"] = Field(
        default="smooth", description="Smooth interfaces, or those of the voxels."
    )
    smoothing_voxels: Positive = Field(
        default=1.0, description="Smooth: standard deviation of the Gaussian in voxels."
    )
    coarsening: Count = Field(
        default=1, description="Stair-stepped: edge in voxels of the blocks that are merged."
    )
    mirrored: bool = Field(
        default=False,
        description="Reflect the volume in every direction, which makes any volume periodic.",
    )


Microstructure = Annotated[
    NanocompositeSection
    | NanoglassSection
    | GlassSection
    | SphereSection
    | LaminateSection
    | HomogeneousSection
    | UserMeshSection
    | VoxelsSection,
    Field(discriminator="kind"),
]


class MeshSection(Section):
    """Size of a generated mesh, or a user's mesh file."""

    size_nm: Positive | None = Field(
        default=None, description="Element size of a generated mesh in nm."
    )
    interface_size_nm: Positive | None = Field(
        default=None,
        description="Element size on both sides of the interface network (default: size_nm).",
    )
    crystal_surface_size_nm: Positive | None = Field(
        default=None,
        description="Element size on crystals and Sc-rich regions (default: 0.7 size_nm).",
    )
    grain_interior_size_nm: Positive | None = Field(
        default=None,
        description="Element size inside the grains, reached gradually (default: as the surfaces).",
    )
    order: Literal[1, 2] | None = Field(
        default=None,
        description="Order of the geometry: 1 straight-sided; 2 curved (user's file only).",
    )
    file: str | None = Field(
        default=None, description="User's Gmsh file (.msh), relative to the case file."
    )
    length_unit_nm: Positive = Field(
        default=1.0, description="Length of one unit of the user's file in nm."
    )
    phases: GroupsByPhase | None = Field(
        default=None,
        description="Groups of the user's file by phase, as patterns or numbers: grain = "
        '["poly*"] (default: every name is a phase).',
    )
    pattern: Literal["crossed", "diagonal", "unstructured"] | None = Field(
        default=None,
        description="Triangles of a plane cell without grains: boxes cut by both diagonals "
        "(default) or one, or no grid.",
    )
    period_nm: PeriodVectors | None = Field(
        default=None,
        description="Period vectors of the user's mesh as rows, in nm (default: bounding box).",
    )


class PhaseSection(Section):
    """Material of one phase."""

    name: str = Field(
        min_length=1,
        description="grain, interface, nanocrystal, sc_rich, or a physical name of the mesh.",
    )
    law: Law = Field(description="Constitutive law.")
    parameters: Annotated[
        Annotated[str, Tag("file")] | Annotated[dict[str, ParameterValue], Tag("table")],
        Discriminator(lambda value: "file" if isinstance(value, str) else "table"),
    ] = Field(description="Parameters of the law, or the name of a parameter file (TOML).")
    orientation: Orientation | None = Field(
        default=None,
        description='Lattice of the crystals, for laws that have one: "random" (from the seed), '
        "three Euler angles in degrees (Bunge), or { axis, crystal_direction, spread_deg }.",
    )
    crystals: Literal["connected", "grains"] | None = Field(
        default=None,
        description="What is one crystal: what is connected (default), or each grain number.",
    )


class _LoadSection(Section):
    boundary: Boundary = Field(default="periodic", description="Boundary condition of the cell.")
    platens: PlatenContact | None = Field(
        default=None,
        description='With boundary = "platens": smooth (default) or rough end faces.',
    )
    kinematics: Kinematics = Field(default="finite", description="Finite or small strain.")
    axis: Axis = Field(default="z", description="Axis that curve.csv and the summary refer to.")


class UniaxialStressLoad(_LoadSection):
    """Uniaxial stress in equal steps of true strain."""

    kind: Literal["uniaxial-stress"] = Field(description="Kind of load.")
    true_strain: Numbers = Field(
        description="True strain at the end, compression negative; a list loads and unloads."
    )
    rate_per_s: Positive = Field(default=1e-3, description="Magnitude of the true strain rate.")
    increments: Counts = Field(default=40, description="Equal increments, in all or by segment.")


class LoadSegmentSection(Section):
    """One segment of a mixed load, linear in time."""

    deformation_gradient: PartialMatrix = Field(
        description='Values at the end of the segment relative to the undeformed cell; "free" '
        "entries follow from the stress."
    )
    first_piola_kirchhoff_stress_gpa: PartialMatrix | None = Field(
        default=None, description="Nominal stress in GPa of the free entries (default 0)."
    )
    duration_s: Positive = Field(description="Time the segment takes in s.")
    increments: Count = Field(description="Number of equal increments.")


class MixedLoad(_LoadSection):
    """Any mixture of prescribed deformation gradient and nominal stress, by segments."""

    kind: Literal["mixed"] = Field(description="Kind of load.")
    segment: tuple[LoadSegmentSection, ...] = Field(
        min_length=1, description="The segments, each under its own [[load.segment]]."
    )


Load = Annotated[UniaxialStressLoad | MixedLoad, Field(discriminator="kind")]

_SOLVER = SolverOptions()
RESIDUAL_TOLERANCES: dict[str, float] = {"default": _SOLVER.residual_tolerance, "tight": 1e-11}


def _residual_tolerance(value: object) -> object:
    if isinstance(value, str) and value in RESIDUAL_TOLERANCES:
        return RESIDUAL_TOLERANCES[value]
    if is_number(value) and 0.0 < value < 1.0:
        return value
    raise refuse(
        'a number between 0 and 1, or "default" (1e-7) or "tight" (1e-11)',
        "leave the key out unless identities are tested",
    )


def _petsc_options(value: object) -> object:
    if not isinstance(value, Mapping):
        raise refuse("a table of PETSc options", 'write [solver.petsc] and key = "value" below it')
    texts: dict[str, str] = {}
    for key, option in value.items():
        if not isinstance(option, str | int | float):
            raise refuse(
                "options with a text, number, true or false each",
                f"write one value for {key}; PETSc options have no tables or lists",
            )
        texts[key] = str(option).lower() if isinstance(option, bool) else str(option)
    return texts


class SolverSection(Section):
    """Tolerances, step control and linear solver."""

    element: Literal["p2", "p2-nodal"] = Field(
        default="p2",
        description="Displacement element: quadratic, or quadratic with a pressure that is "
        "averaged at the vertices of each body.",
    )
    local_pressure_share: float = Field(
        default=_SOLVER.local_pressure_share,
        gt=0.0,
        le=1.0,
        description='Share of the bulk stiffness that "p2-nodal" does not average; 1 is "p2".',
    )
    residual_tolerance: Annotated[float, BeforeValidator(_residual_tolerance)] = Field(
        default=_SOLVER.residual_tolerance,
        json_schema_extra={
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0.0, "exclusiveMaximum": 1.0},
                {"type": "string", "enum": list(RESIDUAL_TOLERANCES)},
            ]
        },
        description='Relative norm of the nodal residual forces; "tight" means 1e-11.',
    )
    maximum_newton_iterations: Count = Field(
        default=_SOLVER.maximum_newton_iterations,
        description="Iterations after which an increment is cut.",
    )
    linear_tolerance: float = Field(
        default=_SOLVER.linear_tolerance,
        gt=0.0,
        lt=1.0,
        description="Loosest relative tolerance of the Krylov solver.",
    )
    maximum_linear_iterations: Count = Field(
        default=_SOLVER.maximum_linear_iterations,
        description="Krylov iterations after which a linear solve has failed.",
    )
    minimum_increment_fraction: float = Field(
        default=_SOLVER.minimum_increment_fraction,
        gt=0.0,
        le=1.0,
        description="Smallest step as a fraction of an increment before the run gives up.",
    )
    grow: bool = Field(
        default=_SOLVER.grow, description="Whether steps may grow beyond the increments asked for."
    )
    maximum_growth: Count = Field(
        default=_SOLVER.maximum_growth,
        description="Increments that one step may span at most, with grow.",
    )
    predictor: Literal["secant", "affine", "none"] = Field(
        default="secant", description="First guess of an increment."
    )
    line_search_steps: CountOrNone = Field(
        default=_SOLVER.line_search_steps,
        description="Halvings of a Newton step before it counts as failed.",
    )
    viscosity_gpa_s: float = Field(
        default=_SOLVER.viscosity_gpa_s,
        ge=0.0,
        description="Viscous regularization: overstress per equivalent plastic strain rate, GPa s.",
    )
    nonlocal_field: Literal["shared", "per-phase"] = Field(
        default="shared",
        description="Whether the field that spreads softening over characteristic_length_nm, or "
        "that diffuses, crosses phase boundaries, or each phase has its own.",
    )
    nonlocal_solution: Literal["monolithic-then-staggered", "monolithic", "staggered"] = Field(
        default="monolithic-then-staggered",
        description="Newton's method on displacement and nonlocal field together, on each in turn, "
        "or in turn where together fails.",
    )
    mesh_dependent: bool = Field(
        default=_SOLVER.mesh_dependent,
        description="Accept that softening without an internal length depends on the mesh.",
    )
    petsc: Annotated[dict[str, str], BeforeValidator(_petsc_options)] = Field(
        default_factory=dict,
        description="Extra PETSc options of the multigrid preconditioner.",
        json_schema_extra={"additionalProperties": {"type": ["string", "number", "boolean"]}},
    )


class OutputSection(Section):
    """What a run writes, and how often."""

    fields_every: CountOrNone = Field(
        default=10, description="Fields every so many increments and at the end; 0: never."
    )
    checkpoint_every_increments: CountOrNone = Field(
        default=5, description="Checkpoint every so many increments; 0: by time only."
    )
    checkpoint_every_minutes: float = Field(
        default=10.0, ge=0.0, description="Checkpoint after so many minutes; 0: by count only."
    )
    figures: bool = Field(default=True, description="Whether figures and pictures are drawn.")
    localization: bool = Field(
        default=True,
        description="Whether a run of a softening material looks for the loss of ellipticity, "
        "bands and serrations.",
    )


class WeakRegionSection(Section):
    """A ball, in the plane a disc, whose strength differs from that of its phase."""

    centre: Centre = Field(
        description="Place of the centre as fractions of the edges of the cell, 0 to 1."
    )
    radius_nm: NumberWithOrigin = Field(description="Radius in nm.")
    strength_factor: NumberWithOrigin = Field(
        description="What the strength is multiplied by inside, more than 0."
    )


class StrengthScatterSection(Section):
    """A random field of strength, periodic with the cell."""

    standard_deviation: NumberWithOrigin = Field(
        description="Standard deviation of the logarithm of the strength factor, whose mean is 1."
    )
    correlation_length_nm: NumberWithOrigin = Field(
        description="Distance in nm over which the correlation falls to 1/e."
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=LARGEST_SEED,
        description="Seed of the field (default: that of the case).",
    )


class ImperfectionSection(Section):
    """Where the strength differs within a phase, so that bands have a place to start."""

    phases: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Phases it applies to (default: all whose law has a strength).",
    )
    region: tuple[WeakRegionSection, ...] = Field(
        default=(),
        description="Weak (or strong) regions, each under its own [[imperfection.region]]; where "
        "they overlap their factors multiply.",
    )
    scatter: StrengthScatterSection | None = Field(
        default=None, description="A random field of strength on top."
    )


class CompareSection(Section):
    """Experiment to hold the curve against."""

    data: str = Field(description="Pillar data (TOML), relative to the case file.")


class CaseDocument(Section):
    """A case file as text: every section with its defaults."""

    schema_version: Literal[1] = Field(description="Version of the case format; 1.")
    title: str = Field(default="", description="What the case is, for the report.")
    seed: int | None = Field(
        default=None,
        ge=0,
        le=LARGEST_SEED,
        description="Seed of the random microstructure; any whole number.",
    )
    statistics: StatisticsSection | None = Field(
        default=None, description="Statistics of the microstructure."
    )
    microstructure: Microstructure = Field(description="What the cell contains.")
    mesh: MeshSection = Field(default_factory=MeshSection, description="The mesh.")
    phase: tuple[PhaseSection, ...] = Field(
        min_length=1, description="Materials, each under its own [[phase]]."
    )
    imperfection: ImperfectionSection | None = Field(
        default=None, description="Where the strength differs within a phase."
    )
    load: Load = Field(description="The load path.")
    solver: SolverSection = Field(
        default_factory=SolverSection, description="How the problem is solved."
    )
    output: OutputSection = Field(default_factory=OutputSection, description="What is written.")
    compare: CompareSection | None = Field(default=None, description="Experiment to compare with.")


class MaterialFile(Section):
    """A parameter file: one set of parameters of one law, each value with its provenance."""

    schema_version: Literal[1] = Field(description="Version of the format; 1.")
    title: str = Field(description="What the material is.")
    law: Law = Field(description="The law these parameters are for.")
    references: tuple[str, ...] = Field(min_length=1, description="Sources of the values.")
    parameters: dict[str, SourcedValue] = Field(description="The values with their provenance.")


def plain(section: Section) -> dict[str, Any]:
    """Dump a section as the plain values that TOML knows.

    Parameters
    ----------
    section : Section
        Any table of a case file.

    Returns
    -------
    dict
        Its keys and values; keys without a value are left out.
    """
    return section.model_dump(exclude_none=True)
