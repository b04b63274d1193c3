"""The verb export: meshes and cells as files of other programs."""

from pathlib import Path

from ngcfem.case.build import build_cell, build_mesh
from ngcfem.case.schema import load_case
from ngcfem.case.voxel_build import build_voxel_volume
from ngcfem.errors import Finding, InputError
from ngcfem.mesh.export import MESH_FORMATS, export_mesh
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.reading import read_mesh, read_written_mesh
from ngcfem.mesh.voxel_sampling import sample_mesh
from ngcfem.microstructure.cell import PeriodicCell, cell_from_json
from ngcfem.microstructure.voxel_volume import VoxelVolume
from ngcfem.microstructure.voxel_writing import (
    VOXEL_FORMATS,
    grain_file,
    names_file,
    voxel_labels,
    write_voxels,
)
from ngcfem.microstructure.voxels import sample_cell
from ngcfem.results.atomic import write_file_atomically
from ngcfem.results.run import RunDirectory

EXPORT_FORMATS: dict[str, str] = {**MESH_FORMATS, **VOXEL_FORMATS}
"""Formats that can be written, with what they are."""

_ENDINGS = {"msh22": "msh"}
_FORMAT_OF_ENDING = {"h5": "dream3d", "hdf5": "dream3d"}


def export_stage(
    source: Path,
    file_format: str | None = None,
    out: Path | None = None,
    *,
    order: int | None = None,
    spacing_nm: float | None = None,
    equations: bool = False,
) -> str:
    """Write the mesh or the cell of a case, a run or a mesh file for another program.

    Parameters
    ----------
    source : Path
        Case file, run directory, or mesh file (.msh).
    file_format : str or None
        One of ``EXPORT_FORMATS``; by default the ending of `out`.
    out : Path or None
        File to write; by default the name of the source with the ending of the format, in the
        working directory.
    order : {1, 2}, optional
        Meshes: order of the elements; as they are by default.
    spacing_nm : float, optional
        Voxels: their largest edge.
    equations : bool
        Abaqus: whether to write the periodicity as equations.

    Returns
    -------
    str
        What was written, in words.

    Raises
    ------
    InputError
        If the source is none of these, or the options do not fit the format, or the file exists.
    RefusedError
        If cell or mesh of a case do not meet what is asked of them.
    """
    chosen = file_format or _format_of(out)
    findings = _option_findings(chosen, file_format, order, spacing_nm, equations)
    path = out or Path(f"{_stem(source)}.{_ENDINGS.get(chosen, chosen)}")
    findings += [
        Finding(
            str(other),
            "--out",
            "a file of that name",
            "a name that is free: nothing is overwritten silently",
            "delete the file, or give another name",
        )
        for other in _files(path, chosen)
        if other.exists()
    ]
    if findings:
        raise InputError(findings)
    path.parent.mkdir(parents=True, exist_ok=True)
    if chosen in MESH_FORMATS:
        mesh = _mesh_of(source)
        if chosen == "msh":
            export_mesh(mesh, path, chosen, order)
        else:
            write_file_atomically(
                path, lambda temporary: export_mesh(mesh, temporary, chosen, order, equations)
            )
        return _mesh_text(mesh, path, chosen)
    volume = _volume_of(source, spacing_nm or 0.0)
    if chosen == "npy":
        write_voxels(volume, path, chosen)
    else:
        write_file_atomically(path, lambda temporary: write_voxels(volume, temporary, chosen))
    return _voxel_text(volume, path, chosen)


def _format_of(out: Path | None) -> str:
    ending = "" if out is None else out.suffix.lstrip(".").lower()
    return _FORMAT_OF_ENDING.get(ending, ending)


def _stem(source: Path) -> str:
    return source.resolve().name.removesuffix(".toml").removesuffix(".msh")


def _files(path: Path, chosen: str) -> list[Path]:
    if chosen == "npy":
        return [path, grain_file(path), names_file(path)]
    return [path, path.with_suffix(".json")] if chosen == "msh" else [path]


def _option_findings(
    chosen: str,
    file_format: str | None,
    order: int | None,
    spacing_nm: float | None,
    equations: bool,
) -> list[Finding]:
    if chosen not in EXPORT_FORMATS:
        found = f'"{chosen}"' if chosen else "neither --format nor an ending of --out"
        remedy = "give one of them to --format"
        if chosen in ("xdmf", "xmf"):
            remedy = "use vtu, which ParaView reads as well"
        listed = "; ".join(f"{name} ({what})" for name, what in EXPORT_FORMATS.items())
        return [Finding("export", "--format" if file_format else "--out", found, listed, remedy)]
    findings = []
    voxels = chosen in VOXEL_FORMATS
    if voxels and (spacing_nm is None or not spacing_nm > 0.0):
        findings.append(
            Finding(
                "export",
                "--spacing",
                "nothing" if spacing_nm is None else f"{spacing_nm:g}",
                f"the largest edge of a voxel in nm for the format {chosen}",
                "add --spacing 0.5",
            )
        )
    unused = {
        "--spacing": not voxels and spacing_nm is not None,
        "--order": voxels and order is not None,
        "--equations": chosen != "inp" and equations,
    }
    findings += [
        Finding(
            "export",
            option,
            f"an option that the format {chosen} does not use",
            "--spacing with voxels, --order with meshes, --equations with inp",
            "leave it out",
        )
        for option, useless in unused.items()
        if useless
    ]
    if order not in (None, 1, 2):
        findings.append(
            Finding("export", "--order", str(order), "1 or 2", "leave it out, or write --order 2")
        )
    return findings


def _mesh_of(source: Path) -> PeriodicMesh:
    if source.is_dir():
        return read_written_mesh(RunDirectory(source).mesh_file)
    if source.suffix == ".toml":
        case = load_case(source)
        return build_mesh(case, build_cell(case))
    if source.suffix == ".msh":
        if source.with_suffix(".json").is_file():
            return read_written_mesh(source)
        return read_mesh(source, periodic=False)
    raise _no_source(source)


def _no_source(source: Path) -> InputError:
    found = "no such file or directory" if not source.exists() else "something else"
    return InputError(
        [
            Finding(
                str(source),
                "export",
                found,
                "a case file (.toml), a run directory, or a mesh (.msh)",
                "check the name",
            )
        ]
    )


def _volume_of(source: Path, spacing_nm: float) -> VoxelVolume:
    cell: PeriodicCell | None = None
    if source.is_dir() and (source / "cell.json").is_file():
        cell = cell_from_json((source / "cell.json").read_text(encoding="utf-8"))
    elif source.suffix == ".toml":
        case = load_case(source)
        volume = build_voxel_volume(case)
        if volume is not None:
            return volume
        cell = build_cell(case)
    if cell is not None:
        return _sampled_cell(cell, spacing_nm, source)
    mesh = _mesh_of(source)
    try:
        return sample_mesh(mesh, spacing_nm)
    except ValueError as error:
        raise InputError(
            [
                Finding(
                    str(source),
                    "lattice",
                    str(error),
                    "a mesh that fills a box along the axes, for voxels",
                    "export the mesh itself (--format vtu)",
                )
            ]
        ) from error


def _sampled_cell(cell: PeriodicCell, spacing_nm: float, source: Path) -> VoxelVolume:
    if cell.dimension != 3:
        raise InputError(
            [
                Finding(
                    str(source),
                    "microstructure.dimension",
                    str(cell.dimension),
                    "3, for voxels",
                    "export the mesh of a plane cell instead (--format vtu)",
                )
            ]
        )
    sampled = sample_cell(cell, spacing_nm)
    return VoxelVolume(
        phase=sampled.phase,
        grain=sampled.grain,
        phase_names=sampled.phase_names,
        spacing_nm=sampled.steps.diagonal().copy(),
    )


def _mesh_text(mesh: PeriodicMesh, path: Path, chosen: str) -> str:
    what = EXPORT_FORMATS[chosen]
    return (
        f"{path}: {what}\n  {len(mesh.cells)} elements, phases "
        + ", ".join(mesh.phase_names)
        + "\n"
        "  lengths in nm; moduli in GPa then give forces in nN"
    )


def _voxel_text(volume: VoxelVolume, path: Path, chosen: str) -> str:
    shape = " x ".join(str(n) for n in volume.phase.shape)
    edges = ", ".join(f"{x:.6g}" for x in volume.spacing_nm)
    labels = ", ".join(f"{n} = {v}" for n, v in voxel_labels(volume, chosen).items())
    fractions = ", ".join(f"{n} {100.0 * v:.2f} vol%" for n, v in volume.phase_fractions.items())
    return (
        f"{path}: {EXPORT_FORMATS[chosen]}\n"
        f"  {shape} voxels of {edges} nm: {fractions}\n"
        f'  to read it back: [microstructure] kind = "voxels", phases = {{ {labels} }}, '
        f"spacing_nm = [{edges}]"
    )
