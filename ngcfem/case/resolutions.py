"""The two meshes of an objectivity study: cases that differ in their element sizes alone."""

from dataclasses import replace
from typing import Literal

from ngcfem.case.findings import shown
from ngcfem.case.load_checks import true_strains
from ngcfem.case.schema import Case
from ngcfem.case.sections import MixedLoad, UserMeshSection, VoxelsSection
from ngcfem.errors import Finding, InputError

Resolution = Literal["coarse", "fine"]
RESOLUTIONS: tuple[Resolution, ...] = ("coarse", "fine")
REFINEMENT = 0.5
"""Element sizes of the fine mesh over those of the case."""
_SIZES = (
    "size_nm",
    "interface_size_nm",
    "crystal_surface_size_nm",
    "grain_interior_size_nm",
)


def resolution_case(case: Case, resolution: Resolution) -> Case:
    """Take one mesh of an objectivity study as a case of its own.

    Parameters
    ----------
    case : Case
        A case that `check_objectivity` accepts.
    resolution : {"coarse", "fine"}
        The element sizes of the case, or half of each that it gives.

    Returns
    -------
    Case
        The same cell, seed, load and materials. Fields are written at the end at least, because
        the bands are measured there. Its text is its resolved form.

    Notes
    -----
    Sizes that the case leaves out follow from ``size_nm`` and are halved with it.
    """
    sizes = {name: getattr(case.mesh, name) for name in _SIZES}
    factor = REFINEMENT if resolution == "fine" else 1.0
    halved = {name: factor * size for name, size in sizes.items() if size is not None}
    every = case.output.fields_every or _number_of_increments(case)
    document = case.document.model_copy(
        update={
            "title": f"{case.title}, {resolution} mesh",
            "mesh": case.mesh.model_copy(update=halved),
            "output": case.output.model_copy(update={"fields_every": every}),
        }
    )
    single = replace(case, document=document)
    return replace(single, text=single.resolved_toml())


def check_objectivity(case: Case, realization: int | None = None) -> None:
    """Refuse an objectivity study of a case that has no second mesh.

    Parameters
    ----------
    case : Case
        A valid case.
    realization : int or None
        What the user gave for ``--realization``.

    Raises
    ------
    InputError
        With everything that is in the way.
    """
    file = str(case.path)
    findings: list[Finding] = []
    if realization is not None:
        findings.append(
            Finding(
                file,
                "--realization",
                f"{realization} together with --objectivity",
                "one of the two",
                "leave out --realization and give seed and n_realizations = 1 in the case",
            )
        )
    if case.n_realizations > 1:
        findings.append(
            Finding(
                file,
                "microstructure.n_realizations",
                f"{case.n_realizations} with --objectivity",
                "1: the two meshes are of one cell",
                "delete the line in a copy of the case",
            )
        )
    if isinstance(case.microstructure, UserMeshSection):
        findings.append(
            Finding(
                file,
                "microstructure.kind",
                '"mesh" with --objectivity',
                "a kind whose mesh is generated, so that it can be generated finer",
                "run the case with your two meshes, and compare their curves",
            )
        )
    elif isinstance(case.microstructure, VoxelsSection) and case.mesh.size_nm is None:
        findings.append(
            Finding(
                file,
                "microstructure.surface",
                f"{shown(case.microstructure.surface)} with --objectivity",
                '"smooth" with mesh.size_nm: elements of voxels have the size of the voxels',
                'set surface = "smooth" and mesh.size_nm',
            )
        )
    if findings:
        raise InputError(findings)


def _number_of_increments(case: Case) -> int:
    load = case.load
    if isinstance(load, MixedLoad):
        return sum(segment.increments for segment in load.segment)
    if isinstance(load.increments, tuple):
        return sum(load.increments)
    return load.increments * len(true_strains(load))
