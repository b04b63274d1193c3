"""Writing of a mesh as a Gmsh file with a record of what it is."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gmsh
import numpy as np

from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.plane_quality import PlaneMeshQuality
from ngcfem.mesh.quality import MeshQuality, measure_mesh
from ngcfem.mesh.reading import MESH_RECORD_VERSION


def write_mesh(
    mesh: PeriodicMesh,
    path: str | Path,
    quality: MeshQuality | PlaneMeshQuality | None = None,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write a mesh as Gmsh 4.1 (binary, so that no digit is lost) and its record as JSON.

    Parameters
    ----------
    mesh : PeriodicMesh
        The mesh.
    path : str or Path
        The ``.msh`` file; the record gets the same name with ``.json``.
    quality : MeshQuality or PlaneMeshQuality, optional
        Measured here if not given.
    origin : mapping, optional
        What made the mesh: plain numbers and text.

    Notes
    -----
    1. One volume (in the plane, surface) for each phase and grain, in a physical group with the
       name of the phase.
    2. The record keeps what the format has no place for: the exact lattice, the grain numbers, the
       order of the phases, hashes and quality.
    3. Both files are written whole or not at all.
    """
    path = Path(path)
    bodies, body = np.unique(
        np.stack([mesh.phase, mesh.grain], axis=1), axis=0, return_inverse=True
    )
    body = body.ravel()
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.msh")
    try:
        _write_gmsh(mesh, bodies.tolist(), body, temporary)
        _flush(temporary)
        file_hash = hashlib.sha256(temporary.read_bytes()).hexdigest()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    counts = np.bincount(body, minlength=len(bodies))
    record = {
        "mesh_record_version": MESH_RECORD_VERSION,
        "file": path.name,
        "file_sha256": file_hash,
        "sha256": mesh.sha256,
        "origin": dict(origin or {}),
        "gmsh_version": gmsh.GMSH_API_VERSION,
        "lattice_nm": mesh.lattice.tolist(),
        "periodic": mesh.periodic,
        "order": mesh.order,
        "phase_names": list(mesh.phase_names),
        "bodies": [
            {
                "tag": k + 1,
                "phase": mesh.phase_names[phase],
                "grain": grain,
                "cells": int(counts[k]),
            }
            for k, (phase, grain) in enumerate(bodies.tolist())
        ],
        "quality": asdict(quality or measure_mesh(mesh)),
    }
    record_path = path.with_suffix(".json")
    temporary = record_path.with_name(f".{record_path.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        _flush(temporary)
        temporary.replace(record_path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_gmsh(mesh: PeriodicMesh, bodies: list[list[int]], body: np.ndarray, path: Path) -> None:
    dimension = mesh.dimension
    element_type = {(3, 1): 4, (3, 2): 11, (2, 1): 2, (2, 2): 9}[dimension, mesh.order]
    points = np.zeros((len(mesh.points), 3))
    points[:, :dimension] = mesh.points
    with gmsh_session("write", {"Mesh.Binary": 1, "Mesh.ElementOrder": mesh.order}):
        for k in range(len(bodies)):
            gmsh.model.addDiscreteEntity(dimension, k + 1)
        tags = np.arange(1, len(mesh.points) + 1)
        gmsh.model.mesh.addNodes(dimension, 1, tags.tolist(), points.ravel().tolist())
        first = 1
        for k in range(len(bodies)):
            nodes = mesh.cells[body == k] + 1
            elements = np.arange(first, first + len(nodes))
            gmsh.model.mesh.addElementsByType(
                k + 1, element_type, elements.tolist(), nodes.ravel().tolist()
            )
            first += len(nodes)
        for index, name in enumerate(mesh.phase_names):
            members = [k + 1 for k, (phase, _) in enumerate(bodies) if phase == index]
            if members:
                gmsh.model.addPhysicalGroup(dimension, members, index + 1, name)
        gmsh.write(str(path))


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
