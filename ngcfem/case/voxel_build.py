"""The labelled volume of a case, and its mesh."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ngcfem.case.schema import Case
from ngcfem.case.sections import VoxelsSection
from ngcfem.errors import Finding, InputError
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.voxel_file import read_voxel_volume
from ngcfem.microstructure.voxel_volume import VoxelVolume, mirrored, seam_mismatch

_NOTABLE_SEAM = 1.5


def build_voxel_volume(case: Case) -> VoxelVolume | None:
    """Read the labelled volume of a case.

    Parameters
    ----------
    case : Case
        A valid case.

    Returns
    -------
    VoxelVolume or None
        One period; None for other kinds than ``voxels``.

    Raises
    ------
    InputError
        With everything that is wrong with the volume.
    """
    micro = case.microstructure
    path = case.voxels_path
    if not isinstance(micro, VoxelsSection) or path is None:
        return None
    spacing = micro.spacing_nm
    volume = read_voxel_volume(
        path,
        micro.phases,
        dataset=micro.dataset,
        grain_dataset=micro.grain_dataset,
        spacing_nm=None if spacing is None else np.broadcast_to(spacing, 3).tolist(),
        length_unit_nm=micro.length_unit_nm,
        axis_order=micro.axis_order,
    )
    if micro.mirrored:
        volume = mirrored(volume)
    counts = np.array(volume.phase.shape)
    if np.any(counts % micro.coarsening) or counts.min() < 3 * micro.coarsening:
        raise InputError(
            [
                Finding(
                    str(case.path),
                    "microstructure.coarsening",
                    f"{micro.coarsening}, for {' x '.join(map(str, counts.tolist()))} voxels",
                    "a common divisor of the counts of voxels that leaves at least three blocks",
                    f"write coarsening = {_largest_divisor(volume)} or a divisor of it, or crop "
                    "the volume",
                )
            ]
        )
    return volume


def seam_lines(record: Mapping[str, Any]) -> list[str]:
    """Say in words how well a volume repeats.

    Parameters
    ----------
    record : mapping
        What `build_voxel_mesh` gave along with the mesh.

    Returns
    -------
    list of str
        One line for each axis along which more voxels differ across the period than between the
        layers inside; empty for other kinds.
    """
    lines = []
    for axis, shares in record.get("differing_neighbours", {}).items():
        seam, inside = shares["across_the_period"], shares["between_layers"]
        if seam > _NOTABLE_SEAM * inside:
            lines.append(
                f"  along {axis} the volume does not repeat: {100.0 * seam:.3g} % of the voxels "
                f"differ from their neighbour across the period, {100.0 * inside:.3g} % inside; "
                "mirrored = true makes it periodic"
            )
    return lines


def _largest_divisor(volume: VoxelVolume) -> int:
    counts = volume.phase.shape
    common = int(np.gcd.reduce(counts))
    return max(k for k in range(1, common + 1) if common % k == 0 and min(counts) >= 3 * k)


def build_voxel_mesh(case: Case) -> tuple[PeriodicMesh, dict[str, Any]]:
    """Mesh the labelled volume of a case.

    Parameters
    ----------
    case : Case
        A valid case of the kind ``voxels``.

    Returns
    -------
    mesh : PeriodicMesh
        The checked mesh.
    record : dict
        Plain JSON: the file, how the surfaces were made, the fractions of the voxels, and the
        share of voxels that differ from their neighbour across the period and inside.

    Raises
    ------
    InputError
        With everything that is wrong with the volume.
    RefusedError
        If the phases do not come out within the tolerance.
    ValueError
        If the case is of another kind.
    """
    from ngcfem.mesh.voxel_meshing import mesh_voxel_volume

    micro = case.microstructure
    volume = build_voxel_volume(case)
    if volume is None or not isinstance(micro, VoxelsSection):
        raise ValueError("the case has no labelled volume")
    mesh = mesh_voxel_volume(
        volume,
        case.mesh.size_nm,
        micro.surface,
        coarsening=micro.coarsening,
        smoothing_voxels=micro.smoothing_voxels,
    )
    seams = {
        axis: {"across_the_period": seam, "between_layers": inside}
        for axis, (seam, inside) in seam_mismatch(volume).items()
    }
    record = {
        "file": micro.file,
        "surface": micro.surface,
        "voxels": list(volume.phase.shape),
        "spacing_nm": volume.spacing_nm.tolist(),
        "voxel_fractions": volume.phase_fractions,
        "differing_neighbours": seams,
    }
    return mesh, record
