"""Generated meshes kept outside the repository, named by the hash of what made them."""

import json
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from ngcfem.mesh.meshing_record import GeneratedMesh, record_from_document
from ngcfem.mesh.periodic_mesh import PeriodicMesh


def cache_directory() -> Path:
    """Name the directory of the cache.

    Returns
    -------
    Path
        ``$XDG_CACHE_HOME/ngcfem/meshes``, by default below ``~/.cache``.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    # the specification says that a relative path is to be ignored
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return root / "ngcfem" / "meshes"


def load(key: str) -> GeneratedMesh | None:
    """Fetch a mesh from the cache.

    Parameters
    ----------
    key : str
        Content hash.

    Returns
    -------
    GeneratedMesh or None
        None if there is none, or the file cannot be read.
    """
    try:
        with (
            (cache_directory() / f"{key}.npz").open("rb") as stream,
            np.load(stream, allow_pickle=False) as stored,
        ):
            mesh = PeriodicMesh(
                points=stored["points"],
                cells=stored["cells"],
                torus_node=stored["torus_node"],
                lattice=stored["lattice"],
                periodic=bool(stored["periodic"]),
                phase=stored["phase"],
                phase_names=tuple(str(name) for name in stored["phase_names"]),
                grain=stored["grain"],
            )
            record = record_from_document(json.loads(str(stored["record"])))
            intact = mesh.sha256 == str(stored["sha256"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return GeneratedMesh(mesh, record) if intact else None


def store(key: str, made: GeneratedMesh) -> None:
    """Put a mesh into the cache, whole or not at all.

    Parameters
    ----------
    key : str
        Content hash.
    made : GeneratedMesh
        The mesh and how it came about.

    Notes
    -----
    A cache that cannot be written (read-only home, full disk) is no error: the mesh is made again.
    """
    directory, mesh = cache_directory(), made.mesh
    temporary = None
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=directory, suffix=".part")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            np.savez_compressed(
                stream,
                points=mesh.points,
                cells=mesh.cells,
                torus_node=mesh.torus_node,
                lattice=mesh.lattice,
                periodic=np.array(mesh.periodic),
                phase=mesh.phase,
                phase_names=np.array(mesh.phase_names, dtype=str),
                grain=mesh.grain,
                record=np.array(json.dumps(made.record.to_document())),
                sha256=np.array(mesh.sha256),
            )
        temporary.replace(directory / f"{key}.npz")
    except OSError:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
