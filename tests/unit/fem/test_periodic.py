"""Cell tags by phase and by grain say what the mesh says."""

from mpi4py import MPI

import numpy as np
import pytest

from ngcfem.fem.periodic import build_representative_volume
from ngcfem.mesh.generation import generate_mesh
from ngcfem.microstructure.simple_cells import sphere_cell


def test_cell_tags() -> None:
    mesh = generate_mesh(sphere_cell(0.2, 10.0), 2.5)
    volume = build_representative_volume(MPI.COMM_WORLD, mesh)
    for kind in ("phase", "grain"):
        values = volume.cell_tags(kind).values
        assert np.array_equal(values, getattr(mesh, kind)[volume.original_cell])
    inside = np.linalg.norm(mesh.points[mesh.cells].mean(axis=1) - 5.0, axis=1) < 3.0
    assert (volume.cell_tags("phase").values[inside[volume.original_cell]] == 1).all()
    with pytest.raises(ValueError, match="not by 'colour'"):
        volume.cell_tags("colour")
