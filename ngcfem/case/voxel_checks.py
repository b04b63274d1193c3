"""Checks of the keys that describe a labelled volume, and of the phases of a user's mesh."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ngcfem.case.files import missing_file
from ngcfem.case.findings import shown
from ngcfem.case.sections import MeshSection, VoxelsSection
from ngcfem.errors import Finding

_MESH_KEYS = ("file", "length_unit_nm", "period_nm", "phases")


def check_voxels(
    micro: VoxelsSection,
    mesh: MeshSection | None,
    file: str,
    directory: Path,
    given: Sequence[str],
) -> Iterator[Finding]:
    """Check the sections [microstructure] and [mesh] of the kind ``voxels``.

    Parameters
    ----------
    micro : VoxelsSection
        The section [microstructure].
    mesh : MeshSection or None
        The section [mesh], if it is sound.
    file : str
        Name of the case file, for the messages.
    directory : Path
        Directory of the case file.
    given : sequence of str
        Keys that stand in [mesh].

    Yields
    ------
    Finding
        Each thing that is wrong. The volume itself is checked when it is read.
    """
    yield from missing_file(directory, micro.file, "a labelled volume", file, "microstructure.file")
    if micro.dimension != 3:
        yield Finding(
            file,
            "microstructure.dimension",
            shown(micro.dimension),
            "3 for the kind voxels",
            "delete the line",
        )
    smooth = micro.surface == "smooth"
    if smooth and micro.coarsening != 1:
        yield Finding(
            file,
            "microstructure.coarsening",
            shown(micro.coarsening),
            'a factor only with surface = "stair-stepped"; smooth meshes have the size of [mesh]',
            "delete the line, and set size_nm under [mesh]",
        )
    if mesh is None:
        return
    if smooth and mesh.size_nm is None:
        yield Finding(
            file,
            "mesh.size_nm",
            "nothing: the key is missing",
            "an element size in nm for smooth meshes of voxels",
            "add size_nm = 1.2 under [mesh], about the edge of a voxel or two",
        )
    if not smooth and mesh.size_nm is not None:
        yield Finding(
            file,
            "mesh.size_nm",
            shown(mesh.size_nm),
            "nothing: the elements of a stair-stepped mesh have the size of the voxels",
            "delete the line; coarsening = 2 under [microstructure] merges 2 x 2 x 2 voxels",
        )
    if mesh.order == 2:
        yield Finding(
            file,
            "mesh.order",
            "2",
            "1: generated meshes are straight-sided",
            "delete the line",
        )
    for name in _MESH_KEYS:
        if name in given:
            yield Finding(
                file,
                f"mesh.{name}",
                "a key that the kind voxels does not use",
                "file, length_unit_nm and phases of a volume stand under [microstructure]",
                "delete the line, or move it to [microstructure]",
            )
