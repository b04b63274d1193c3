"""Files of labelled volumes: what other programs write is read, what is broken is explained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import pyvista

from ngcfem.errors import InputError
from ngcfem.microstructure.voxel_file import read_voxel_volume
from ngcfem.microstructure.voxel_volume import VoxelVolume
from ngcfem.microstructure.voxel_writing import grain_file, names_file, voxel_labels, write_voxels

SHAPE = (4, 5, 6)
SPACING = np.array([0.5, 0.25, 1.0])
PHASES = {"grain": [1], "film": [2]}


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 3, SHAPE).astype(np.int32)


@pytest.fixture
def grains() -> np.ndarray:
    return np.random.default_rng(1).integers(1, 9, SHAPE).astype(np.int32)


def write_simpl(path: Path, labels: np.ndarray, grains: np.ndarray | None) -> None:
    """DREAM.3D 6: geometry as datasets, arrays (z, y, x, 1)."""
    with h5py.File(path, "w") as file:
        geometry = file.create_group("DataContainers/SyntheticVolume/_SIMPL_GEOMETRY")
        geometry["DIMENSIONS"] = np.array(labels.shape, dtype=np.int64)
        geometry["SPACING"] = SPACING.astype(np.float32)
        geometry["ORIGIN"] = np.zeros(3, dtype=np.float32)
        cells = file.create_group("DataContainers/SyntheticVolume/CellData")
        cells["Phases"] = labels.transpose(2, 1, 0)[..., None]
        cells["EulerAngles"] = np.zeros((*labels.shape[::-1], 3), dtype=np.float32)
        if grains is not None:
            cells["FeatureIds"] = grains.transpose(2, 1, 0)[..., None]
        file["DataContainers/SyntheticVolume/CellEnsembleData/CrystalStructures"] = np.zeros(3)


def write_nx(path: Path, labels: np.ndarray, grains: np.ndarray | None) -> None:
    """DREAM3D-NX, version 8 of the file: geometry as attributes of its group."""
    with h5py.File(path, "w") as file:
        file.attrs["FileVersion"] = "8.0"
        image = file.create_group("DataStructure/Image Geometry")
        image.attrs["ObjectType"] = "ImageGeom"
        image.attrs["_DIMENSIONS"] = np.array(labels.shape, dtype=np.uint64)
        image.attrs["_SPACING"] = SPACING.astype(np.float32)
        image.attrs["_ORIGIN"] = np.zeros(3, dtype=np.float32)
        cells = image.create_group("Cell Data")
        cells["Phases"] = labels.transpose(2, 1, 0)[..., None]
        if grains is not None:
            cells["FeatureIds"] = grains.transpose(2, 1, 0)[..., None]


def check(volume: VoxelVolume, labels: np.ndarray, grains: np.ndarray | None) -> None:
    np.testing.assert_array_equal(volume.phase, labels - 1)
    np.testing.assert_allclose(volume.spacing_nm, SPACING)
    if grains is None:
        assert (volume.grain == -1).all()
    else:
        np.testing.assert_array_equal(volume.grain, grains)


def findings_of(*arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_voxel_volume(*arguments, **options)
    return str(caught.value)


def test_numpy(tmp_path: Path, labels: np.ndarray) -> None:
    np.save(tmp_path / "v.npy", labels)
    check(read_voxel_volume(tmp_path / "v.npy", PHASES, spacing_nm=SPACING.tolist()), labels, None)
    np.save(tmp_path / "w.npy", labels.transpose())
    volume = read_voxel_volume(
        tmp_path / "w.npy", PHASES, spacing_nm=SPACING.tolist(), axis_order="zyx"
    )
    check(volume, labels, None)


def test_labels_stored_as_whole_floats_or_booleans(tmp_path: Path, labels: np.ndarray) -> None:
    np.save(tmp_path / "f.npy", labels.astype(float))
    check(read_voxel_volume(tmp_path / "f.npy", PHASES, spacing_nm=SPACING.tolist()), labels, None)
    np.save(tmp_path / "b.npy", labels == 2)
    mask = read_voxel_volume(tmp_path / "b.npy", {"a": [0], "b": [1]}, spacing_nm=[1.0] * 3)
    np.testing.assert_array_equal(mask.phase, labels - 1)


@pytest.mark.parametrize("where", ["cells", "points"])
def test_vtk_images_of_another_writer(tmp_path: Path, labels: np.ndarray, where: str) -> None:
    points = np.array(SHAPE) + (1 if where == "cells" else 0)
    image = pyvista.ImageData(dimensions=points.tolist(), spacing=(0.5, 0.25, 1.0))
    data = image.cell_data if where == "cells" else image.point_data
    data["material"] = labels.ravel(order="F")
    image.save(tmp_path / "v.vti")
    check(read_voxel_volume(tmp_path / "v.vti", PHASES), labels, None)
    scaled = read_voxel_volume(tmp_path / "v.vti", PHASES, length_unit_nm=1000.0)
    np.testing.assert_allclose(scaled.spacing_nm, 1000.0 * SPACING)


@pytest.mark.parametrize("write", [write_simpl, write_nx])
@pytest.mark.parametrize("with_grains", [True, False])
def test_both_layouts_of_dream3d(
    tmp_path: Path,
    labels: np.ndarray,
    grains: np.ndarray,
    write: Callable[[Path, np.ndarray, np.ndarray | None], None],
    with_grains: bool,
) -> None:
    write(tmp_path / "v.dream3d", labels, grains if with_grains else None)
    volume = read_voxel_volume(tmp_path / "v.dream3d", PHASES)
    check(volume, labels, grains if with_grains else None)
    if with_grains:
        by_feature = read_voxel_volume(
            tmp_path / "v.dream3d", {"a": ["1-4"], "b": ["5-8"]}, dataset="FeatureIds"
        )
        np.testing.assert_array_equal(by_feature.phase, (grains > 4).astype(int))


def test_plain_hdf5_datasets(tmp_path: Path, labels: np.ndarray, grains: np.ndarray) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["segmented/labels"] = labels
        file["segmented/grains"] = grains
        file["scan"] = np.zeros(SHAPE)
    volume = read_voxel_volume(
        tmp_path / "v.h5",
        PHASES,
        dataset="segmented/labels",
        grain_dataset="grains",
        spacing_nm=SPACING.tolist(),
    )
    check(volume, labels, grains)
    text = findings_of(tmp_path / "v.h5", PHASES, spacing_nm=[1.0] * 3)
    assert "which 3 datasets could be" in text
    assert "/segmented/labels" in text
    text = findings_of(tmp_path / "v.h5", PHASES, dataset="lables", spacing_nm=[1.0] * 3)
    assert '"lables", which no dataset has' in text


@pytest.mark.parametrize("file_format", ["npy", "vti", "dream3d"])
def test_what_is_written_is_read_back(
    tmp_path: Path, labels: np.ndarray, grains: np.ndarray, file_format: str
) -> None:
    volume = VoxelVolume(labels - 1, grains, ("grain", "film"), SPACING)
    path = tmp_path / f"v.{file_format}"
    write_voxels(volume, path, file_format)
    options: dict[str, Any] = {}
    if file_format == "npy":
        assert names_file(path).is_file()
        np.testing.assert_array_equal(np.load(grain_file(path)), grains)
        options = {"spacing_nm": SPACING.tolist()}
    if file_format == "vti":
        options = {"dataset": "phase", "grain_dataset": "grain"}
    found = read_voxel_volume(path, voxel_labels(volume, file_format), **options)
    np.testing.assert_array_equal(found.phase, volume.phase)
    np.testing.assert_allclose(found.spacing_nm, SPACING)
    if file_format != "npy":
        shift = 1 if file_format == "dream3d" else 0
        np.testing.assert_array_equal(found.grain, grains + shift)


def test_another_reader_understands_the_vtk_image(tmp_path: Path, labels: np.ndarray) -> None:
    volume = VoxelVolume(labels - 1, labels, ("grain", "film"), SPACING)
    write_voxels(volume, tmp_path / "v.vti", "vti")
    image = pyvista.read(tmp_path / "v.vti")
    assert isinstance(image, pyvista.ImageData)
    np.testing.assert_allclose(image.spacing, SPACING)
    # a cell of VTK by its middle, not by the order of the file
    middle = np.array(image.cell_centers().points)
    i, j, k = np.floor(middle / SPACING).astype(int).T
    np.testing.assert_array_equal(image.cell_data["phase"], (labels - 1)[i, j, k])


@pytest.mark.parametrize(
    ("values", "spacing", "told"),
    [
        (np.zeros((4, 4)), [1.0] * 3, "an array of 2 dimensions (4 x 4)"),
        (np.full((4, 4, 4), 0.5), [1.0] * 3, "values of type float64 that are not whole numbers"),
        (np.full((4, 4, 4), np.nan), [1.0] * 3, "that are not whole numbers"),
        (np.ones((4, 4, 2), dtype=int), [1.0] * 3, "4 x 4 x 2 voxels"),
        (np.ones((4, 4, 4), dtype=int), None, "neither the case nor the file says how large"),
        (np.ones((4, 4, 4), dtype=int), [1.0, np.nan, 1.0], "1, nan, 1"),
        (np.ones((4, 4, 4), dtype=int), [1.0, 0.0, 1.0], "1, 0, 1"),
        (np.zeros((0, 4, 4), dtype=int), [1.0] * 3, "0 x 4 x 4 voxels"),
    ],
)
def test_malformed_arrays(
    tmp_path: Path, values: np.ndarray, spacing: list[float] | None, told: str
) -> None:
    np.save(tmp_path / "v.npy", values)
    assert told in findings_of(tmp_path / "v.npy", {"a": [1]}, spacing_nm=spacing)


def test_several_faults_are_told_at_once(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.arange(27).reshape(3, 3, 3) % 3)
    text = findings_of(tmp_path / "v.npy", {"a": [1], "b": [8]})
    assert "neither the case nor the file says" in text
    assert "labels without a phase: 0, 2" in text
    assert "8: no voxel has such a label" in text


def test_broken_and_foreign_files(tmp_path: Path, labels: np.ndarray) -> None:
    assert "No such file" in findings_of(tmp_path / "none.npy", PHASES)
    (tmp_path / "v.tif").write_bytes(b"II*\0" + bytes(100))
    assert "neither NumPy, VTK image nor HDF5" in findings_of(tmp_path / "v.tif", PHASES)
    np.save(tmp_path / "v.npy", labels)
    content = (tmp_path / "v.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(content[:200])
    assert "NumPy cannot read it" in findings_of(tmp_path / "cut.npy", PHASES)
    write_simpl(tmp_path / "v.h5", labels, None)
    content = (tmp_path / "v.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    assert "HDF5 cannot read it" in findings_of(tmp_path / "cut.h5", PHASES)
    image = pyvista.ImageData(dimensions=(5, 6, 7))
    image.cell_data["material"] = labels.ravel(order="F")
    image.save(tmp_path / "v.vti")
    content = (tmp_path / "v.vti").read_bytes()
    (tmp_path / "cut.vti").write_bytes(content[: len(content) // 2])
    assert "VTK cannot read it" in findings_of(tmp_path / "cut.vti", PHASES)
    (tmp_path / "grid.vti").write_text('<?xml version="1.0"?><VTKFile type="UnstructuredGrid"/>')
    assert "a VTK file that is no ImageData" in findings_of(tmp_path / "grid.vti", PHASES)
    text = findings_of(tmp_path / "v.npy", PHASES, dataset="labels", spacing_nm=[1.0] * 3)
    assert "a .npy file holds one array" in text
