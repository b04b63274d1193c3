"""Labelled volumes as files of other programs."""

import base64
import json
from pathlib import Path

import numpy as np

from ngcfem.microstructure.voxel_volume import VoxelVolume

VOXEL_FORMATS = {
    "npy": "NumPy arrays of phases and grains, with names and spacing as JSON",
    "vti": "VTK image with cell data phase and grain",
    "dream3d": "HDF5 in the layout of DREAM.3D 6: FeatureIds and Phases",
}
_CONTAINER = "DataContainers/ImageDataContainer"


def write_voxels(volume: VoxelVolume, path: Path, file_format: str) -> None:
    """Write a labelled volume.

    Parameters
    ----------
    volume : VoxelVolume
        The volume.
    path : Path
        File to write.
    file_format : str
        One of ``VOXEL_FORMATS``.

    Raises
    ------
    ValueError
        If the format is unknown.

    Notes
    -----
    Phases are numbered from 0 in the order of ``volume.phase_names``, in DREAM.3D from 1, where 0
    means none; grains as in the volume, in DREAM.3D plus 1. What ``voxel_labels`` gives can be read
    back as ``phases`` of a case.
    """
    if file_format == "npy":
        np.save(path, volume.phase)
        np.save(grain_file(path), volume.grain)
        names_file(path).write_text(
            json.dumps(
                {
                    "phases": voxel_labels(volume, file_format),
                    "spacing_nm": volume.spacing_nm.tolist(),
                    "axes": "xyz",
                },
                indent=1,
            )
            + "\n",
            encoding="utf-8",
        )
    elif file_format == "vti":
        path.write_text(_vti_text(volume), encoding="ascii")
    elif file_format == "dream3d":
        _write_dream3d(volume, path)
    else:
        raise ValueError(f"unknown voxel format {file_format}")


def voxel_labels(volume: VoxelVolume, file_format: str) -> dict[str, list[int]]:
    """Labels of each phase in a file.

    Parameters
    ----------
    volume : VoxelVolume
        The volume.
    file_format : str
        One of ``VOXEL_FORMATS``.

    Returns
    -------
    dict of str to list of int
        Phases that occur.
    """
    first = 1 if file_format == "dream3d" else 0
    present = np.unique(volume.phase)
    return {volume.phase_names[k]: [int(k) + first] for k in present.tolist()}


def grain_file(path: Path) -> Path:
    """File of the grain numbers beside a .npy file of phases.

    Parameters
    ----------
    path : Path
        File of the phases.

    Returns
    -------
    Path
        ``x.grain.npy`` for ``x.npy``.
    """
    return path.with_name(f"{path.stem}.grain.npy")


def names_file(path: Path) -> Path:
    """File of the names and the spacing beside a .npy file of phases.

    Parameters
    ----------
    path : Path
        File of the phases.

    Returns
    -------
    Path
        ``x.json`` for ``x.npy``.
    """
    return path.with_suffix(".json")


def _vti_text(volume: VoxelVolume) -> str:
    extent = " ".join(f"0 {n}" for n in volume.phase.shape)
    spacing = " ".join(repr(float(x)) for x in volume.spacing_nm)
    arrays = []
    for name, values in (("phase", volume.phase), ("grain", volume.grain)):
        content = np.asarray(values, dtype="<i4").tobytes(order="F")
        size = np.array([len(content)], dtype="<u8").tobytes()
        text = base64.b64encode(size + content).decode("ascii")
        arrays.append(f'<DataArray type="Int32" Name="{name}" format="binary">{text}</DataArray>')
    names = ", ".join(f"{k} {name}" for k, name in enumerate(volume.phase_names))
    return (
        '<?xml version="1.0"?>\n'
        f"<!-- phases: {names}; lengths in nm -->\n"
        '<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" '
        'header_type="UInt64">\n'
        f'<ImageData WholeExtent="{extent}" Origin="0 0 0" Spacing="{spacing}">\n'
        f'<Piece Extent="{extent}"><CellData Scalars="phase">\n'
        + "\n".join(arrays)
        + "\n</CellData></Piece>\n</ImageData>\n</VTKFile>\n"
    )


def _write_dream3d(volume: VoxelVolume, path: Path) -> None:
    import h5py

    shape = np.array(volume.phase.shape)
    with h5py.File(path, "w") as file:
        file.attrs["FileVersion"] = np.bytes_("7.0")
        file.attrs["DREAM3D Version"] = np.bytes_("6.5")
        geometry = file.create_group(f"{_CONTAINER}/_SIMPL_GEOMETRY")
        geometry.attrs["GeometryTypeName"] = np.bytes_("ImageGeometry")
        geometry.attrs["GeometryType"] = np.uint32(0)
        geometry.attrs["SpatialDimensionality"] = np.uint32(3)
        geometry.attrs["UnitDimensionality"] = np.uint32(3)
        geometry["DIMENSIONS"] = shape.astype(np.int64)
        geometry["ORIGIN"] = np.zeros(3, dtype=np.float32)
        geometry["SPACING"] = volume.spacing_nm.astype(np.float32)
        cells = file.create_group(f"{_CONTAINER}/CellData")
        cells.attrs["AttributeMatrixType"] = np.uint32(3)
        cells.attrs["TupleDimensions"] = shape.astype(np.uint64)
        for name, values in (("FeatureIds", volume.grain + 1), ("Phases", volume.phase + 1)):
            array = cells.create_dataset(
                name,
                data=values.astype(np.int32).transpose()[..., None],
                compression="gzip",
            )
            array.attrs["ObjectType"] = np.bytes_("DataArray<int32_t>")
            array.attrs["DataArrayVersion"] = np.int32(2)
            array.attrs["ComponentDimensions"] = np.array([1], dtype=np.uint64)
            array.attrs["TupleDimensions"] = shape.astype(np.uint64)
        ensembles = file.create_group(f"{_CONTAINER}/CellEnsembleData")
        ensembles.attrs["AttributeMatrixType"] = np.uint32(11)
        ensembles.attrs["TupleDimensions"] = np.array(
            [len(volume.phase_names) + 1], dtype=np.uint64
        )
        ensembles["PhaseName"] = ["Unknown", *volume.phase_names]
