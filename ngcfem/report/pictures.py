"""Pictures of the RVE, drawn off screen in a process of their own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.report.atom_probe_surfaces import DrawnSurface
from ngcfem.report.colours import phase_colours
from ngcfem.results.fields import COLLECTION_NAME, read_collection

PICTURE_NAMES: tuple[str, ...] = (
    "rve_undeformed",
    "rve_deformed",
    "rve_plastic_strain",
    "rve_mises_stress",
)
CELL_PICTURE_NAMES: tuple[str, ...] = ("cell_cut_open", "cell_grains_apart")
MESH_PICTURE_NAMES: tuple[str, ...] = ("rve_undeformed", "mesh_grains_apart")
_TIME_LIMIT_S = 300.0


@dataclass(frozen=True)
class Pictures:
    """What became of the pictures.

    Parameters
    ----------
    files : mapping of str to Path
        Pictures that were drawn, by name.
    obstacle : str
        Why pictures are missing; empty if none is.
    """

    files: Mapping[str, Path]
    obstacle: str


def draw_pictures(fields: Path, directory: Path, phase_names: Sequence[str]) -> Pictures:
    """Draw the RVE of the last snapshot: undeformed, deformed, by plastic strain and by stress.

    Parameters
    ----------
    fields : Path
        The ``fields`` directory of a run.
    directory : Path
        Where the pictures go.
    phase_names : sequence of str
        Names of the phases by the numbers in the cell field ``phase``.

    Returns
    -------
    Pictures
        The pictures, or why there are none; nothing is raised for a machine that cannot render.

    Notes
    -----
    VTK ends its process with a segmentation fault where no OpenGL library is found. It therefore
    runs in a process of its own, with EGL (no X server needed) unless the environment says
    otherwise; its death is reported as an obstacle.
    """
    return _draw_snapshot("run", PICTURE_NAMES, fields, directory, phase_names)


def draw_mesh_pictures(fields: Path, directory: Path, phase_names: Sequence[str]) -> Pictures:
    """Draw a mesh: cut open, and with its grains apart.

    Parameters
    ----------
    fields : Path
        Directory with a snapshot of the undeformed mesh.
    directory : Path
        Where the pictures go.
    phase_names : sequence of str
        Names of the phases by the numbers in the cell field ``phase``.

    Returns
    -------
    Pictures
        The pictures, or why there are none.
    """
    return _draw_snapshot("mesh", MESH_PICTURE_NAMES, fields, directory, phase_names)


def draw_cell_pictures(cell: PeriodicCell, directory: Path) -> Pictures:
    """Draw the geometry of a cell: cut open, and with its grains apart.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of dimension 3.
    directory : Path
        Where the pictures go.

    Returns
    -------
    Pictures
        The pictures, or why there are none.
    """
    request = {"task": "cell", "cell": cell.to_json()}
    return _draw(request, CELL_PICTURE_NAMES, directory, _colours(cell.phase_names))


def draw_surface_pictures(surfaces: Sequence[DrawnSurface], directory: Path) -> Pictures:
    """Draw surfaces of an atom probe specimen: together, and each of them alone.

    Parameters
    ----------
    surfaces : sequence of DrawnSurface
        The surfaces; those of an opacity below 1 are in every picture.
    directory : Path
        Where the pictures go.

    Returns
    -------
    Pictures
        ``surfaces`` and, if there are several, ``surface_0`` and so on, or why there are none.
    """
    if not surfaces:
        return Pictures({}, "there is no surface to draw")
    arrays = {}
    for number, surface in enumerate(surfaces):
        arrays[f"vertices_{number}"] = surface.vertices_nm
        arrays[f"triangles_{number}"] = surface.triangles
    with tempfile.TemporaryDirectory() as scratch:
        stored = Path(scratch) / "surfaces.npz"
        np.savez(stored, **arrays)
        request = {
            "task": "surfaces",
            "surfaces": str(stored),
            "opacities": [surface.opacity for surface in surfaces],
        }
        names = ["surfaces", *(f"surface_{number}" for number in range(len(surfaces)))]
        return _draw(request, names, directory, [surface.colour for surface in surfaces])


def _draw_snapshot(
    task: str,
    names: Sequence[str],
    fields: Path,
    directory: Path,
    phase_names: Sequence[str],
) -> Pictures:
    snapshots = read_collection(fields / COLLECTION_NAME)
    if not snapshots:
        return Pictures({}, "the run holds no field snapshots")
    request = {"task": task, "snapshot": str(fields / snapshots[-1][2])}
    return _draw(request, names, directory, _colours(phase_names))


def _colours(phase_names: Sequence[str]) -> list[str]:
    return [phase_colours(phase_names)[name] for name in phase_names]


def _draw(
    request: Mapping[str, Any], names: Sequence[str], directory: Path, colours: Sequence[str]
) -> Pictures:
    """Hand a request to a process that renders, and see what it made."""
    directory.mkdir(parents=True, exist_ok=True)
    request = {**request, "directory": str(directory), "colours": list(colours)}
    environment = dict(os.environ)
    if not environment.get("VTK_DEFAULT_OPENGL_WINDOW"):
        environment["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkEGLRenderWindow"
    try:
        run = subprocess.run(
            [sys.executable, "-m", "ngcfem.report.rendering"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            env=environment,
            timeout=_TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Pictures({}, f"drawing took more than {_TIME_LIMIT_S:g} s")
    drawn = {
        name: directory / f"{name}.png"
        for name in names
        if f"drawn {name}\n" in run.stdout and (directory / f"{name}.png").exists()
    }
    if run.returncode == 0:
        return Pictures(drawn, "")
    lines = [line for line in run.stderr.splitlines() if line.strip()]
    reason = f"signal {-run.returncode}" if run.returncode < 0 else f"exit code {run.returncode}"
    obstacle = (
        f"VTK could not draw on this machine ({reason}"
        + (f": {lines[-1][:200]}" if lines else "")
        + "). Off-screen pictures need the system packages libgl1, libegl1 and a software "
        "renderer; the field files themselves open in ParaView anywhere."
    )
    return Pictures(drawn, obstacle)
