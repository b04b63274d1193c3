"""Labelled volumes in HDF5 files: the layouts of DREAM.3D, and plain datasets."""

from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.errors import Finding, InputError
from ngcfem.microstructure.voxel_file import VoxelArrays
from ngcfem.quantities import FloatArray

_LABELS, _FEATURES = "Phases", "FeatureIds"


def read_hdf5_arrays(
    path: Path, dataset: str | None, grain_dataset: str | None, axis_order: str
) -> VoxelArrays:
    """Read labels, grain numbers and spacing of an HDF5 file.

    Parameters
    ----------
    path : Path
        The file.
    dataset, grain_dataset : str or None
        Path of a dataset, or the end of one.
    axis_order : str
        Order of the axes of datasets outside a geometry of DREAM.3D.

    Returns
    -------
    VoxelArrays
        Axes along x, y and z.

    Raises
    ------
    InputError
        If the file cannot be read, or a dataset is missing or not the only one that can be meant.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            datasets = _datasets(file)
            images = _images(file)
            in_image = [name for name in datasets if _image_of(name, images)]
            findings: list[Finding] = []
            named = in_image or list(datasets)
            label_name = _resolved(path, datasets, named, dataset, "dataset", _LABELS, findings)
            optional = grain_dataset is None
            grain_name = _resolved(
                path, datasets, in_image, grain_dataset, "grain_dataset", _FEATURES, findings
            )
            if findings or label_name is None:
                raise InputError(findings)
            if optional and grain_name == label_name:
                grain_name = None
            image = _image_of(label_name, images)
            labels = _values(datasets[label_name], images.get(image or ""), axis_order)
            grain = None
            if grain_name is not None:
                own = images.get(_image_of(grain_name, images) or "")
                grain = _values(datasets[grain_name], own, axis_order)
            spacing = images[image][1] if image else None
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise InputError(
            [
                Finding(
                    str(path),
                    "microstructure.file",
                    f"HDF5 cannot read it: {error}",
                    "a complete HDF5 file with a dataset of labels",
                    "copy or write it again; h5dump -n lists what a sound file holds",
                )
            ]
        ) from error
    return VoxelArrays(labels, label_name, grain, grain_name or "", spacing)


def _datasets(file: Any) -> dict[str, Any]:
    """Datasets by path, in the order of the file."""
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found["/" + name] = item

    file.visititems(visit)
    return found


def _images(file: Any) -> dict[str, tuple[tuple[int, ...], FloatArray]]:
    """Path, voxels (x, y, z) and spacing of every image geometry of DREAM.3D."""
    import h5py

    images = {}
    for name, item in _groups(file, "DataContainers"):
        geometry = item.get("_SIMPL_GEOMETRY")
        if isinstance(geometry, h5py.Group) and "DIMENSIONS" in geometry:
            images[name] = (
                tuple(int(n) for n in np.ravel(geometry["DIMENSIONS"][()])),
                np.array(geometry["SPACING"][()], dtype=float).ravel(),
            )
    for name, item in _groups(file, "DataStructure"):
        if "_DIMENSIONS" in item.attrs and "_SPACING" in item.attrs:
            images[name] = (
                tuple(int(n) for n in np.ravel(item.attrs["_DIMENSIONS"])),
                np.array(item.attrs["_SPACING"], dtype=float).ravel(),
            )
    return images


def _groups(file: Any, root: str) -> list[tuple[str, Any]]:
    import h5py

    if not isinstance(file.get(root), h5py.Group):
        return []
    found = [(f"/{root}/{name}", item) for name, item in file[root].items()]
    return [(name, item) for name, item in found if isinstance(item, h5py.Group)]


def _image_of(name: str, images: dict[str, tuple[tuple[int, ...], FloatArray]]) -> str | None:
    return next((image for image in images if name.startswith(image + "/")), None)


def _values(
    dataset: Any, image: tuple[tuple[int, ...], FloatArray] | None, axis_order: str
) -> np.ndarray:
    values = np.asarray(dataset[()])
    if image is not None and values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        return values
    return values.transpose() if image is not None or axis_order == "zyx" else values


def _resolved(
    path: Path,
    datasets: dict[str, Any],
    candidates: list[str],
    name: str | None,
    key: str,
    usual: str,
    findings: list[Finding],
) -> str | None:
    """Path of the dataset that is meant; adds a finding where none or several can be."""
    volumes = [n for n in candidates if len(datasets[n].shape) in (3, 4)]
    if name is not None:
        ending = "/" + name.strip("/")
        matches = [n for n in datasets if n == ending] or [
            n for n in datasets if n.endswith(ending)
        ]
    else:
        matches = [n for n in volumes if n.endswith("/" + usual)]
        if key == "grain_dataset":
            return matches[0] if len(matches) == 1 else None
        matches = matches or volumes
    if len(matches) == 1:
        return matches[0]
    every = [n for n in datasets if len(datasets[n].shape) in (3, 4)] or list(datasets)
    shown = ", ".join(every[:12]) + (f" and {len(every) - 12} more" if len(every) > 12 else "")
    said = f'"{name}"' if name is not None else "nothing: the key is missing"
    which = "which no dataset has" if not matches else f"which {len(matches)} datasets could be"
    findings.append(
        Finding(
            str(path),
            f"microstructure.{key}",
            f"{said}, {which}",
            f"one dataset of the file: {shown or 'it holds none'}",
            "give its whole path",
        )
    )
    return None
