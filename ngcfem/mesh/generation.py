"""From a periodic cell to a checked periodic mesh, with a cache keyed by content."""

import hashlib
import json
from dataclasses import asdict

import gmsh

from ngcfem.mesh import cache
from ngcfem.mesh.meshing_options import MeshOptions
from ngcfem.mesh.meshing_record import GeneratedMesh, MeshProgress
from ngcfem.mesh.meshing_routes import mesh_by_routes
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.worker_pool import WorkerPool
from ngcfem.microstructure.cell import PeriodicCell

GENERATOR_VERSION = 3
"""Raised whenever the same cell and options give another mesh, so that the cache forgets."""


def mesh_key(cell: PeriodicCell, size_nm: float, options: MeshOptions) -> str:
    """Content hash that names a generated mesh in the cache.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    size_nm : float
        Edge length asked for in nm.
    options : MeshOptions
        The other options.

    Returns
    -------
    str
        Hexadecimal SHA-256 over the cell, the options and the versions of Gmsh and the generator.
    """
    document = {
        # Lattices make no difference to a mesh.
        "cell": cell.with_orientations(None).to_json(),
        "size_nm": float(size_nm),
        "options": asdict(options),
        "gmsh": gmsh.GMSH_API_VERSION,
        "generator": GENERATOR_VERSION,
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def generate_mesh(
    cell: PeriodicCell,
    size_nm: float,
    options: MeshOptions | None = None,
    use_cache: bool = True,
    progress: MeshProgress | None = None,
    workers: int | WorkerPool | None = None,
) -> PeriodicMesh:
    """Mesh a periodic cell with straight-sided tetrahedra.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of any kind.
    size_nm : float
        Edge length asked for in nm.
    options : MeshOptions, optional
        Local edge lengths and quality floor.
    use_cache : bool
        Whether a mesh of the same content may be taken from the cache and is put there.
    progress : callable, optional
        Called with how much is done, of how much, and what it is.
    workers : int or WorkerPool, optional
        Processes that work at the same time, by default one a core, or their number; the mesh does
        not depend on it. A pool serves several meshes without being started anew.

    Returns
    -------
    PeriodicMesh
        Checked: positive volumes that add up to the cell, phase fractions of the geometry, sound
        periodic topology, quality above the floor.

    Raises
    ------
    RefusedError
        If the mesh is too coarse to be periodic, or no route gives one above the quality floor.
    ValueError
        If ``size_nm`` is not positive.

    Notes
    -----
    The same cell, options, Gmsh version and platform give the same mesh, bit for bit.
    """
    return generate_recorded_mesh(cell, size_nm, options, use_cache, progress, workers).mesh


def generate_recorded_mesh(
    cell: PeriodicCell,
    size_nm: float,
    options: MeshOptions | None = None,
    use_cache: bool = True,
    progress: MeshProgress | None = None,
    workers: int | WorkerPool | None = None,
) -> GeneratedMesh:
    """Mesh a periodic cell, and say how.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of any kind.
    size_nm : float
        Edge length asked for in nm.
    options : MeshOptions, optional
        Local edge lengths and quality floor.
    use_cache : bool
        Whether a mesh of the same content may be taken from the cache and is put there.
    progress : callable, optional
        Called with how much is done, of how much, and what it is.
    workers : int or WorkerPool, optional
        Processes that work at the same time, by default one a core, or their number; the mesh does
        not depend on it. A pool serves several meshes without being started anew.

    Returns
    -------
    GeneratedMesh
        What ``generate_mesh`` gives, with the route that made it.

    Raises
    ------
    RefusedError
        If the mesh is too coarse to be periodic, or no route gives one above the quality floor.
    ValueError
        If ``size_nm`` is not positive.
    """
    options = options or MeshOptions()
    if not size_nm > 0.0:
        raise ValueError(f"size_nm must be positive, not {size_nm}")
    key = mesh_key(cell, size_nm, options)
    stored = cache.load(key) if use_cache else None
    if stored is not None:
        return stored
    if isinstance(workers, WorkerPool):
        made = mesh_by_routes(cell, size_nm, options, workers, progress)
    else:
        with WorkerPool(workers) as pool:
            made = mesh_by_routes(cell, size_nm, options, pool, progress)
    if use_cache:
        cache.store(key, made)
    return made
