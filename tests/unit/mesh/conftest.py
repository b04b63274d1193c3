"""Meshes and files that several tests of the mesh layer start from."""

from pathlib import Path

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


@pytest.fixture
def shipped_meshes() -> Path:
    """Directory of the meshes in the repository."""
    return Path(__file__).parents[3] / "meshes"
