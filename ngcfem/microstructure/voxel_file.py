"""Files that hold a labelled volume: .npy, .vti and HDF5, DREAM.3D's layouts among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ngcfem.errors import Finding, InputError
from ngcfem.microstructure.voxel_volume import VoxelVolume, volume_from_labels
from ngcfem.quantities import FloatArray, IntArray

READABLE_ENDINGS = (".npy", ".vti", ".h5", ".hdf5", ".dream3d")
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, eq=False)
class VoxelArrays:
    """What a file says, before labels are given a meaning.

    Parameters
    ----------
    labels : ndarray
        Array that holds the labels, axes along x, y and z, of whatever shape and type.
    dataset : str
        Its name; empty where the format has none.
    grain : ndarray or None
        Array of the grain numbers.
    grain_dataset : str
        Its name.
    spacing : ndarray, shape (3,), or None
        Edges of a voxel in the unit of the file; None where the file says nothing.
    """

    labels: np.ndarray
    dataset: str
    grain: np.ndarray | None
    grain_dataset: str
    spacing: FloatArray | None


def read_voxel_volume(
    path: str | Path,
    phases: Mapping[str, Sequence[int | str]],
    *,
    dataset: str | None = None,
    grain_dataset: str | None = None,
    spacing_nm: Sequence[float] | None = None,
    length_unit_nm: float = 1.0,
    axis_order: Literal["xyz", "zyx"] = "xyz",
) -> VoxelVolume:
    """Read a labelled volume.

    Parameters
    ----------
    path : str or Path
        ``.npy``, ``.vti``, or HDF5 (``.h5``, ``.hdf5``, ``.dream3d``).
    phases : mapping of str to sequence of int or str
        Labels of each phase: numbers, or ranges such as "5-120".
    dataset : str, optional
        Array that holds the labels: a name in a .vti file, a path (or the last part of one) in an
        HDF5 file. By default the only one that can be meant; ``Phases`` in a DREAM.3D file.
    grain_dataset : str, optional
        Array that holds the grain numbers. By default ``FeatureIds`` in a DREAM.3D file.
    spacing_nm : sequence of float, optional
        Edges of a voxel in nm; needed where the file does not say, else it overrides the file.
    length_unit_nm : float
        Length in nm of one unit of a spacing that stands in the file.
    axis_order : {"xyz", "zyx"}
        Order of the axes of .npy files and of HDF5 datasets outside the layouts of DREAM.3D.

    Returns
    -------
    VoxelVolume
        Axes along x, y and z.

    Raises
    ------
    InputError
        With everything that is wrong with the file and with what is said about it.

    Notes
    -----
    DREAM.3D 6 and SIMPL: ``DataContainers/*/_SIMPL_GEOMETRY`` with ``DIMENSIONS`` and ``SPACING``
    (x, y, z), arrays of shape (z, y, x, 1) in a group beside it. DREAM3D-NX: ``DataStructure/*``
    with the attributes ``_DIMENSIONS`` and ``_SPACING``, arrays as before in a group inside. The
    unit of length is often a micrometre: ``length_unit_nm = 1000``.

    References
    ----------
    DREAM3D-NX, "DREAM3D File Specification", version 8.0 of the format.
    """
    path = Path(path)
    arrays = _read_arrays(path, dataset, grain_dataset, axis_order)
    file = str(path)
    findings = list(_shape_findings(file, arrays))
    spacing = spacing_nm
    if spacing is None and arrays.spacing is not None:
        spacing = (arrays.spacing * length_unit_nm).tolist()
    if spacing is None:
        findings.append(
            Finding(
                file,
                "microstructure.spacing_nm",
                "nothing: neither the case nor the file says how large a voxel is",
                "the edge of a voxel in nm, or three edges",
                "add spacing_nm = 0.5 under [microstructure]",
            )
        )
    elif not np.all(np.isfinite(spacing)) or np.any(np.asarray(spacing) <= 0.0):
        findings.append(
            Finding(
                file,
                "spacing",
                ", ".join(f"{x:g}" for x in spacing),
                "three positive lengths",
                "correct the file, or override it with spacing_nm under [microstructure]",
            )
        )
    labels = _whole(arrays.labels)
    volume = None
    if labels is not None and labels.ndim == 3 and labels.size:
        grain = None if arrays.grain is None else _whole(arrays.grain)
        if grain is not None and grain.shape != labels.shape:
            grain = None
        sound = (1.0, 1.0, 1.0) if findings or spacing is None else spacing
        volume, wrong = volume_from_labels(labels, sound, phases, grain, file)
        findings += wrong
    if findings or volume is None:
        raise InputError(findings)
    return volume


def _whole(values: np.ndarray) -> IntArray | None:
    """Labels as integers; None where they are not."""
    if values.dtype.kind in "iub":
        return values.astype(np.int64)
    if values.dtype.kind == "f" and np.all(np.isfinite(values)):
        whole = np.round(values).astype(np.int64)
        if np.array_equal(whole, values):
            return whole
    return None


def _shape_findings(file: str, arrays: VoxelArrays) -> list[Finding]:
    findings = []
    for key, name, values in (
        ("microstructure.dataset", arrays.dataset, arrays.labels),
        ("microstructure.grain_dataset", arrays.grain_dataset, arrays.grain),
    ):
        if values is None:
            continue
        what = f"{name}: " if name else ""
        shape = " x ".join(str(n) for n in values.shape) or "a single number"
        if values.ndim != 3:
            findings.append(
                Finding(
                    file,
                    key,
                    f"{what}an array of {values.ndim} dimensions ({shape})",
                    "an array of three dimensions, one label a voxel",
                    "give a volume; a section can be repeated along its normal (numpy.repeat)",
                )
            )
        elif min(values.shape) < 3:
            findings.append(
                Finding(
                    file,
                    key,
                    f"{what}{shape} voxels",
                    "at least three voxels in every direction",
                    "repeat the volume along its short axis (numpy.tile)",
                )
            )
        if _whole(values) is None:
            findings.append(
                Finding(
                    file,
                    key,
                    f"{what}values of type {values.dtype} that are not whole numbers",
                    "labels: whole numbers",
                    "segment the volume first; a grey value is no label",
                )
            )
    if arrays.grain is not None and arrays.grain.shape != arrays.labels.shape:
        findings.append(
            Finding(
                file,
                "microstructure.grain_dataset",
                f"{arrays.grain_dataset} of shape {arrays.grain.shape}, "
                f"labels of shape {arrays.labels.shape}",
                "two arrays of the same shape",
                "name arrays of the same volume",
            )
        )
    return findings


def _refused(path: Path, key: str, found: str, allowed: str, remedy: str) -> InputError:
    return InputError([Finding(str(path), key, found, allowed, remedy)])


def _read_arrays(
    path: Path, dataset: str | None, grain_dataset: str | None, axis_order: str
) -> VoxelArrays:
    try:
        with path.open("rb") as stream:
            start = stream.read(4096)
    except OSError as error:
        raise _refused(
            path,
            "microstructure.file",
            error.strerror or "not readable",
            "a labelled volume: " + ", ".join(READABLE_ENDINGS),
            "check the path of the file",
        ) from error
    if start.startswith(b"\x93NUMPY"):
        return _read_npy(path, dataset, grain_dataset, axis_order)
    if start.startswith(_HDF5_SIGNATURE):
        from ngcfem.microstructure.voxel_hdf5 import read_hdf5_arrays

        return read_hdf5_arrays(path, dataset, grain_dataset, axis_order)
    if b"<VTKFile" in start:
        return _read_vti(path, start, dataset, grain_dataset)
    raise _refused(
        path,
        "microstructure.file",
        "neither NumPy, VTK image nor HDF5",
        "a labelled volume: " + ", ".join(READABLE_ENDINGS),
        "convert it, e.g. numpy.save(file, labels) for a TIFF stack read with any library",
    )


def _read_npy(
    path: Path, dataset: str | None, grain_dataset: str | None, axis_order: str
) -> VoxelArrays:
    if dataset is not None or grain_dataset is not None:
        key = "dataset" if dataset is not None else "grain_dataset"
        raise _refused(
            path,
            f"microstructure.{key}",
            f'"{dataset or grain_dataset}", but a .npy file holds one array',
            "no name for a .npy file",
            "delete the line, or use .vti or HDF5 for several arrays",
        )
    try:
        labels = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _refused(
            path,
            "microstructure.file",
            f"NumPy cannot read it: {error}",
            "a complete .npy file of numbers",
            "write it again with numpy.save",
        ) from error
    return VoxelArrays(_ordered(labels, axis_order), "", None, "", None)


def _ordered(values: np.ndarray, axis_order: str) -> np.ndarray:
    return values.transpose() if axis_order == "zyx" and values.ndim == 3 else values


def _read_vti(
    path: Path, start: bytes, dataset: str | None, grain_dataset: str | None
) -> VoxelArrays:
    if b'type="ImageData"' not in start:
        raise _refused(
            path,
            "microstructure.file",
            "a VTK file that is no ImageData",
            "a VTK image (.vti), whose voxels are all alike",
            "resample it to an image in ParaView (Resample To Image)",
        )
    import pyvista

    image: Any = None
    try:
        with pyvista.vtk_verbosity("off"):
            image = pyvista.read(path)
    except Exception as error:  # the reader raises what it likes
        raise _unreadable_vti(path, str(error)) from error
    fields: dict[str, np.ndarray] = {}
    dimensions = np.array(image.dimensions)
    for group, shape in ((image.point_data, dimensions), (image.cell_data, dimensions - 1)):
        for name in group:
            values = np.asarray(group[name])
            # VTK runs along x first
            if values.ndim == 1 and values.size == np.prod(shape):
                fields[name] = values.reshape(shape, order="F")
    if not fields:
        raise _unreadable_vti(path, "it holds no array of one number a point or cell")
    labels, name = _chosen(path, fields, dataset, "dataset")
    grain, grain_name = None, ""
    if grain_dataset is not None:
        grain, grain_name = _chosen(path, fields, grain_dataset, "grain_dataset")
    return VoxelArrays(labels, name, grain, grain_name, np.array(image.spacing, dtype=float))


def _unreadable_vti(path: Path, reason: str) -> InputError:
    return _refused(
        path,
        "microstructure.file",
        f"VTK cannot read it: {reason}",
        "a complete VTK image with labels at its points or cells",
        "open it in ParaView and save it again",
    )


def _chosen(
    path: Path, fields: Mapping[str, np.ndarray], name: str | None, key: str
) -> tuple[np.ndarray, str]:
    allowed = "an array of the file: " + ", ".join(fields)
    if name is None:
        if len(fields) == 1:
            ((only, values),) = fields.items()
            return values, only
        raise _refused(
            path,
            f"microstructure.{key}",
            "nothing: the key is missing, and the file holds several arrays",
            allowed,
            f'add {key} = "{next(iter(fields))}" or another one',
        )
    if name not in fields:
        raise _refused(path, f"microstructure.{key}", f'"{name}"', allowed, "correct the name")
    return fields[name], name
