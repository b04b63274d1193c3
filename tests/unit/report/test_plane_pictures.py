"""Pictures of plane cells and meshes: the colours they show are the areas of the phases."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from ngcfem.mesh.generation import generate_mesh
from ngcfem.mesh.quality import measure_mesh
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.plane_generation import generate_plane_cell
from ngcfem.report.cell_picture import draw_cell
from ngcfem.report.colours import phase_colours
from ngcfem.report.plane_pictures import draw_plane_mesh


def shares(picture: bytes, names: tuple[str, ...]) -> dict[str, float]:
    """Share of the pixels of each phase among those of all phases; lines blend and are left out."""
    pixels = np.rint(255.0 * imread(io.BytesIO(picture))[..., :3])
    counts = {}
    for name, colour in phase_colours(names).items():
        wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
        counts[name] = int((np.abs(pixels - wanted).max(axis=-1) < 3.0).sum())
    return {name: count / sum(counts.values()) for name, count in counts.items()}


@pytest.mark.parametrize("rotation_deg", [0.0, 30.0])
def test_picture_of_a_cell_shows_its_areas(rotation_deg):
    cell = generate_plane_cell(
        "sphere", fraction=0.3, cell_nm=(8.0, 12.0), rotation_deg=rotation_deg
    )
    shown = shares(draw_cell(cell), cell.phase_names)
    # the squares of the legend and blended outlines count for some pixels in a hundred
    for name, fraction in geometric_fractions(cell).items():
        assert shown[name] == pytest.approx(fraction, abs=0.02)


def test_picture_of_a_mesh_shows_its_areas(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cell = generate_plane_cell("sphere", fraction=0.3, cell_nm=(8.0, 12.0))
    mesh = generate_mesh(cell, 2.0, use_cache=False)
    shown = shares(draw_plane_mesh(mesh), mesh.phase_names)
    # the smaller triangles of the disc lose more of their area to the lines
    for name, fraction in measure_mesh(mesh).phase_fractions.items():
        assert shown[name] == pytest.approx(fraction, abs=0.06)
