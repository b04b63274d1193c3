"""Surfaces, interactive view, pictures and pages of cells and meshes."""

import base64
import json
import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.quality import cell_volumes, mesh_quality, tetrahedron_shapes
from ngcfem.mesh.reading import read_written_mesh
from ngcfem.microstructure.cell import Cap, Flat, Inclusion, Layer, PeriodicCell
from ngcfem.microstructure.correlations import cell_correlations
from ngcfem.microstructure.descriptor import Descriptor
from ngcfem.microstructure.descriptors import DescriptorReport, describe_cell
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.generation import generate_cell
from ngcfem.microstructure.statistics import CompositeStatistics
from ngcfem.report import stage_report
from ngcfem.report.bodies import Body, surface_volume
from ngcfem.report.cell_ensemble_page import (
    MeasuredCell,
    correlation_deviations,
    write_cell_ensemble_page,
)
from ngcfem.report.cell_figures import draw_targets
from ngcfem.report.cell_surfaces import cap_surface, cell_bodies, crystal_surface
from ngcfem.report.interactive_view import interactive_view
from ngcfem.report.mesh_figures import worst_elements
from ngcfem.report.mesh_surfaces import mesh_bodies
from ngcfem.report.pictures import Pictures, draw_cell_pictures
from ngcfem.report.stage_report import write_cell_report, write_mesh_report
from ngcfem.results.fields import write_fields

COARSE = Path(__file__).parents[3] / "meshes" / "composite_coarse.msh"
HOSTILE = "<script>alert('x')</script> & co"
STATISTICS = CompositeStatistics(10.0, 0.25, 1.0, 3.0, 0.2, 0.08, 0.5, 0.8, 70.0)
NEEDLE = ((1.5, 0.0, 0.0), (0.0, 1.5**-0.5, 0.0), (0.0, 0.0, 1.5**-0.5))


@pytest.fixture(scope="module")
def composite() -> PeriodicCell:
    """A composite with caps."""
    return generate_cell("nanocomposite", STATISTICS, seed=3)


@pytest.fixture(scope="module")
def coarse() -> PeriodicMesh:
    """The shipped coarse mesh of a composite."""
    return read_written_mesh(COARSE)


def cube_grain() -> PeriodicCell:
    """One cubic grain with two crystals, one of them capped."""
    return PeriodicCell(
        "nanocomposite",
        np.diag([10.0, 10.0, 10.0]),
        ("interface", "grain", "sc_rich", "nanocrystal"),
        np.full((1, 3), 5.0),
        np.zeros(1),
        interface_thickness_nm=1.0,
        inclusions=(
            Inclusion((7.0, 5.0, 5.0), 1.2, 0, cap=Cap((0.0, 0.0, 1.0), 70.0, 0.8)),
            Inclusion((3.0, 5.0, 5.0), 1.5, 0),
        ),
    )


def is_closed(body: Body) -> bool:
    """Tell whether every edge is met once in either direction, corners taken by their place."""
    _, place = np.unique(np.round(body.points, 9), axis=0, return_inverse=True)
    corners = place.ravel()[body.triangles]
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    there, times = np.unique(edges, axis=0, return_counts=True)
    back, times_back = np.unique(edges[:, ::-1], axis=0, return_counts=True)
    return np.array_equal(there, back) and np.array_equal(times, times_back)


@pytest.mark.parametrize(
    "body",
    [
        Inclusion((1.0, 2.0, 3.0), 1.3),
        Inclusion((1.0, 2.0, 3.0), 1.3, stretch=NEEDLE),
        Inclusion((1.0, 2.0, 3.0), 1.3, flat=Flat((0.0, 0.6, 0.8), 0.7)),
        Inclusion((1.0, 2.0, 3.0), 1.3, stretch=NEEDLE, flat=Flat((1.0, 0.0, 0.0), 1.4)),
    ],
)
def test_surface_of_a_crystal(body):
    surface = Body(0, 0, *crystal_surface(body))
    assert is_closed(surface)
    # inscribed triangles: some hundred points lose a little over 1 % of a sphere
    assert surface_volume(surface) == pytest.approx(body.volume_nm3, rel=0.02)
    assert surface_volume(surface) < body.volume_nm3 * 1.001


@pytest.mark.parametrize("half_angle", [30.0, 70.0, 90.0, 150.0])
def test_surface_of_a_cap(half_angle):
    axis = (0.6, 0.0, -0.8)
    body = Inclusion((1.0, 2.0, 3.0), 1.3, cap=Cap(axis, half_angle, 0.6), stretch=NEEDLE)
    surface = Body(0, 0, *cap_surface(body))
    assert is_closed(surface)
    assert surface_volume(surface) == pytest.approx(body.cap_volume_nm3, rel=0.03)


def test_bodies_of_a_cell_fill_it(composite):
    bodies = cell_bodies(composite)
    fractions = geometric_fractions(composite)
    assert all(is_closed(body) for body in bodies)
    volumes = dict.fromkeys(composite.phase_names, 0.0)
    for body in bodies:
        volumes[composite.phase_names[body.phase]] += surface_volume(body)
    assert sum(volumes.values()) == pytest.approx(composite.volume_nm3, rel=1e-9)
    # grains and network are polyhedra: exact
    assert volumes["interface"] / composite.volume_nm3 == pytest.approx(
        fractions["interface"], rel=1e-9
    )
    assert volumes["nanocrystal"] / composite.volume_nm3 == pytest.approx(0.08, rel=0.02)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("sphere", {"fraction": 0.2}),
        ("laminate", {"normal": "y", "layers": [Layer("a", 0.3), Layer("b", 0.7)]}),
        ("homogeneous", {"phase": "grain"}),
    ],
)
def test_bodies_of_simple_cells(kind, options):
    cell = generate_cell(kind, **options)
    found = np.zeros(len(cell.phase_names))
    for body in cell_bodies(cell):
        assert is_closed(body)
        found[body.phase] += surface_volume(body) / cell.volume_nm3
    assert found == pytest.approx(list(geometric_fractions(cell).values()), rel=0.02)


def test_bodies_of_a_mesh_hold_its_volumes(coarse):
    bodies = mesh_bodies(coarse)
    volumes = cell_volumes(coarse.points, coarse.cells)
    for body in bodies:
        assert is_closed(body)
        own = (coarse.phase == body.phase) & (coarse.grain == body.grain)
        assert surface_volume(body) == pytest.approx(volumes[own].sum(), rel=1e-9)
    assert len({(body.phase, body.grain) for body in bodies}) == len(bodies)
    # only the network touches its own phase in another grain
    assert all(body.outer.all() for body in bodies if coarse.phase_names[body.phase] != "interface")
    assert not all(body.outer.all() for body in bodies)


def test_bodies_of_a_plane_mesh_are_prisms():
    points = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0], [1.0, 0.5]])
    cells = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
    mesh = PeriodicMesh(
        points,
        cells,
        np.arange(5),
        np.diag([2.0, 1.0]),
        False,
        np.array([0, 1, 1, 0], dtype=np.int32),
        ("a", "b"),
        np.zeros(4, dtype=np.int32),
    )
    for body in mesh_bodies(mesh):
        assert is_closed(body)
        assert surface_volume(body) == pytest.approx(1.0, rel=1e-12)


def decoded(page: str) -> tuple[dict, np.ndarray, np.ndarray]:
    """Header, points and triangles of a view, by the format that its program reads."""
    found = dict(re.findall(r'<script id="(header|content)" type="[^"]*">(.*?)</script>', page))
    header = json.loads(found["header"])
    content = np.frombuffer(zlib.decompress(base64.b64decode(found["content"])), dtype=np.uint8)
    n, corners = header["points"], 3 * header["triangles"]
    assert len(content) == 6 * n + 3 * corners
    points = np.empty((n, 3))
    for axis in range(3):
        low, high = content[2 * axis * n :][:n], content[(2 * axis + 1) * n :][:n]
        level = np.cumsum(low + 256 * high.astype(np.int64)) % 65536
        points[:, axis] = header["origin"][axis] + header["extent"][axis] * level / 65535.0
    planes = content[6 * n :].reshape(3, corners).astype(np.int64)
    codes = planes[0] + 256 * planes[1] + 65536 * planes[2]
    index, following = np.empty(corners, dtype=np.int64), 0
    for row, code in enumerate(codes.tolist()):
        index[row] = following - code
        following += code == 0
    return header, points, index.reshape(-1, 3)


def test_view_holds_the_bodies(coarse):
    bodies = mesh_bodies(coarse)
    page = interactive_view(
        HOSTILE, "facts", bodies, coarse.phase_names, coarse.lattice, edges=True
    )
    assert HOSTILE not in page
    assert "&lt;script&gt;alert" in page
    assert not re.search(r"""(?:src|href)\s*=|https?:|@import|url\(""", page)
    header, points, triangles = decoded(page)
    assert header["edges"]
    assert [phase["name"] for phase in header["phases"]] == [
        "interface",
        "grain",
        "sc-rich",
        "nanocrystal",
    ]
    for body, entry in zip(bodies, header["bodies"], strict=True):
        assert (entry["phase"], entry["grain"]) == (body.phase, body.grain)
        assert entry["outer"] == np.count_nonzero(body.outer)
        own = triangles[entry["first"] :][: entry["outer"] + entry["inner"]]
        shown = Body(0, 0, points, own, np.ones(len(own), dtype=bool))
        # positions are rounded to 1/65535 of the extent, 0.0005 nm
        assert surface_volume(shown) == pytest.approx(surface_volume(body), rel=2e-3)
    with pytest.raises(ValueError, match="nothing to show"):
        interactive_view("t", "f", [], ("a",), np.eye(3), edges=False)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_view_draws_in_a_browser(composite, tmp_path):
    page = tmp_path / "view.html"
    bodies = cell_bodies(composite)
    page.write_text(
        interactive_view("t", "f", bodies, composite.phase_names, composite.lattice, edges=False)
    )
    for wish, shown in (("", {"interface"}), ("#axis=3&place=0.5", {"interface", "grain"})):
        subprocess.run(
            [
                "chromium",
                "--headless",
                "--no-sandbox",
                "--use-gl=angle",
                "--use-angle=swiftshader",
                "--enable-unsafe-swiftshader",
                "--window-size=1000,640",
                "--virtual-time-budget=8000",
                f"--screenshot={tmp_path / 'view.png'}",
                f"{page.as_uri()}{wish}",
            ],
            check=True,
            capture_output=True,
            timeout=300,
        )
        pixels = np.asarray(Image.open(tmp_path / "view.png").convert("RGB"), dtype=int)[:, 300:]
        orange = (pixels[..., 0] > pixels[..., 2] + 80) & (pixels[..., 1] > 80)
        blue = (pixels[..., 2] > pixels[..., 0] + 30) & (pixels[..., 2] > 150)
        assert ("interface" in shown) == (orange.mean() > 0.02)
        assert ("grain" in shown) == (blue.mean() > 0.02)


def test_pictures_of_a_cell(tmp_path):
    pictures = draw_cell_pictures(cube_grain(), tmp_path)
    if pictures.obstacle:
        pytest.skip(pictures.obstacle)
    assert set(pictures.files) == {"cell_cut_open", "cell_grains_apart"}
    for path in pictures.files.values():
        pixels = np.asarray(Image.open(path).convert("RGB"), dtype=int)
        red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
        assert np.mean((blue > red + 15) & (blue > 110)) > 0.05  # grain
        assert np.mean((red > blue + 80) & (green > 80)) > 0.02  # network
        assert np.mean((red > green + 70) & (red > blue + 50)) > 0.002  # crystals
        assert np.mean((green > red + 30) & (green > blue + 10)) > 0.001  # cap


def test_page_of_a_cell(composite, tmp_path, monkeypatch):
    # pictures have a test of their own, and take their time
    monkeypatch.setattr(stage_report, "draw_cell_pictures", lambda *_: Pictures({}, "no camera"))
    report = describe_cell(composite, STATISTICS)
    shown = write_cell_report(tmp_path, HOSTILE, composite, report, STATISTICS)
    text = shown.page.read_text()
    assert HOSTILE not in text
    assert "mean grain diameter" in text
    assert 'href="figures/interactive.html"' in text
    names = {path.name for path in shown.files}
    assert {"sections.png", "sizes.png", "targets.png", "correlations.png"} <= names
    assert shown.view == tmp_path / "figures" / "interactive.html"
    assert shown.told == [
        f"look at {shown.page}",
        f"turn and cut it in {shown.view}",
        "pictures are missing: no camera",
    ]
    assert all(path.exists() and path.parent == tmp_path / "figures" for path in shown.files)
    assert text.count("<img ") == len([name for name in names if name.endswith(".png")])
    assert "Targets are missed" not in text
    assert "no camera" in text
    assert shown.obstacle == "no camera"


def test_page_of_several_cells(composite, tmp_path):
    def moved(factor):
        found = cell_correlations(composite, spacing_nm=0.6)
        return replace(found, two_point=factor * found.two_point)

    first = describe_cell(composite, STATISTICS)
    wanted = next(entry for entry in first.descriptors if entry.name == "number of crystals")
    entries = tuple(
        replace(entry, achieved=entry.achieved + 4.0) if entry is wanted else entry
        for entry in first.descriptors
    )
    cells = [
        MeasuredCell("000", first, moved(0.9)),
        MeasuredCell("001", replace(first, descriptors=entries), moved(1.1)),
    ]
    # S is 0.9 and 1.1 of the same function f, with f(0) the fraction: the distance is 0.1 f
    f = cell_correlations(composite, spacing_nm=0.6)
    expected = [
        0.1 * np.sqrt(np.mean(f.two_point[i, i] ** 2)) / f.two_point[i, i, 0]
        for i in range(len(f.phase_names))
    ]
    for row in correlation_deviations([cell.functions for cell in cells]):
        assert row == pytest.approx(expected, rel=1e-12)
    text = write_cell_ensemble_page(tmp_path, HOSTILE, cells).read_text()
    assert HOSTILE not in text
    assert (tmp_path / "figures" / "correlations.png").exists()
    line = re.search(r"<tr><td[^>]*>number of crystals.*?</tr>", text, re.DOTALL)
    assert line is not None
    numbers = re.findall(r">([\d.]+)<", line.group(0))
    count = wanted.achieved
    assert [float(x) for x in numbers[:4]] == pytest.approx(
        [count + 2.0, 8.0**0.5, count, count + 4.0], rel=1e-3
    )


def test_page_and_figure_say_what_is_missed(tmp_path, monkeypatch):
    monkeypatch.setattr(stage_report, "draw_cell_pictures", lambda *_: Pictures({}, ""))
    cell = generate_cell("homogeneous", phase="grain")
    missed = Descriptor("mean of something", "nm", 1.0, 9.0, 0.5)
    loose = Descriptor("mean of another", "nm", 1.0, 2.0, 0.5, binding=False, remark="told twice")
    report = DescriptorReport("nanocomposite", (missed, loose), {"grain": 1.0})
    figure = draw_targets(report)
    assert figure is not None
    assert figure.startswith(b"\x89PNG")
    text = write_cell_report(tmp_path, "t", cell, report).page.read_text()
    assert re.search(r"Targets are missed\..*mean of something", text, re.DOTALL)
    assert ">missed<" in text
    assert ">does not bind<" in text
    assert draw_targets(DescriptorReport("glass", (), {"grain": 1.0})) is None


def test_page_of_a_mesh(coarse, tmp_path):
    write_fields(
        tmp_path / "fields",
        step=0,
        time=0.0,
        points=coarse.points,
        cells=coarse.cells,
        point_data={},
        cell_data={"phase": coarse.phase, "grain": coarse.grain},
        names={"phase": coarse.phase_names},
    )
    quality = mesh_quality(coarse)
    shown = write_mesh_report(
        tmp_path,
        "Mesh",
        coarse,
        {"minimum_gamma": quality.minimum_gamma, "phase_fractions": quality.phase_fractions},
        tmp_path / "fields",
    )
    text = shown.page.read_text()
    assert f"{len(coarse.cells):,} tetrahedra" in text
    assert "minimum gamma" in text
    names = {path.name for path in shown.files}
    assert "quality.png" in names
    assert shown.view is not None
    assert shown.view.exists()
    if not shown.obstacle:
        assert {"rve_undeformed.png", "mesh_grains_apart.png"} <= names


def test_worst_elements_come_first(coarse):
    worst = worst_elements(coarse, 5)
    shapes = tetrahedron_shapes(coarse.points[coarse.cells[:, :4]])
    angles = np.sort(shapes.minimum_dihedral_angle_deg)[:5]
    assert [element.minimum_angle_deg for element in worst] == pytest.approx(angles.tolist())
    first = worst[0]
    assert first.centre_nm == pytest.approx(coarse.points[coarse.cells[first.number]].mean(axis=0))
    assert first.phase == coarse.phase_names[coarse.phase[first.number]]
