"""Meshes and files that several tests of the mesh layer start from."""

from pathlib import Path

import numpy as np
import pytest

from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.microstructure.simple_cells import sphere_cell


@pytest.fixture(autouse=True)
def private_cache(tmp_path, monkeypatch) -> Path:
    """Keep the mesh cache of the user out of the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def sphere_mesh() -> PeriodicMesh:
    """A coarse sphere of 20 % in a cube of 10 nm."""
    return generate_mesh(sphere_cell(0.2), 2.5, use_cache=False)


def write_msh22(
    path: Path,
    points: np.ndarray,
    cells: np.ndarray,
    volume: np.ndarray,
    names: dict[int, str],
    element_type: int = 4,
    extra: tuple[str, ...] = (),
    loose: int = 0,
) -> Path:
    """Write an ASCII file of format 2.2 by hand, independent of the writer under test.

    ``volume`` is the elementary entity of each cell, its hundreds the physical group.
    """
    lines = ["$MeshFormat", "2.2 0 8", "$EndMeshFormat"]
    if names:
        lines += ["$PhysicalNames", str(len(names))]
        lines += [f'3 {number} "{name}"' for number, name in names.items()]
        lines += ["$EndPhysicalNames"]
    lines += ["$Nodes", str(len(points) + loose)]
    lines += [f"{k} {x!r} {y!r} {z!r}" for k, (x, y, z) in enumerate(points.tolist(), start=1)]
    lines += [f"{len(points) + k + 1} 0.5 0.5 {0.1 * k!r}" for k in range(loose)]
    lines += ["$EndNodes", "$Elements", str(len(cells) + len(extra))]
    for number, (nodes, entity) in enumerate(zip(cells.tolist(), volume.tolist()), start=1):
        tags = f"2 {entity // 100} {entity}"
        lines.append(f"{number} {element_type} {tags} " + " ".join(str(n + 1) for n in nodes))
    lines += [f"{len(cells) + k} {text}" for k, text in enumerate(extra, start=1)]
    lines += ["$EndElements", ""]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def shipped_meshes() -> Path:
    """Directory of the meshes in the repository."""
    return Path(__file__).parents[3] / "meshes"
