"""Report of an atom probe specimen: what it shows, that it is closed in itself and escaped."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ngcfem.atomprobe.composition_field import composition_field
from ngcfem.atomprobe.crystals import find_crystals
from ngcfem.atomprobe.field_analyses import FieldAnalysisSettings, analyse_field
from ngcfem.atomprobe.ion_reading import open_ions
from ngcfem.atomprobe.isosurfaces import isosurface, specimen_outline
from ngcfem.atomprobe.range_reading import read_ranges
from ngcfem.atomprobe.ranged_ions import read_ranged_ions
from ngcfem.atomprobe.ranging import RangeTable
from ngcfem.atomprobe.sc_rich import cap_volume_nm3
from ngcfem.atomprobe.statistics import quantities_of, statistics_from_mapping
from ngcfem.report import atom_probe_document as module
from ngcfem.report.atom_probe_document import atom_probe_document
from ngcfem.report.atom_probe_figures import draw_composition_maps, draw_composition_profiles
from ngcfem.report.atom_probe_regions import (
    crystal_section,
    crystal_surfaces,
)
from ngcfem.report.atom_probe_sections import ReportFigure, ReportSection, ReportTable
from ngcfem.report.atom_probe_surfaces import DrawnSurface, drawn_isosurfaces
from ngcfem.report.pictures import Pictures
from ngcfem.workflow.atom_probe import apt_stage

HOSTILE = "<script>alert(1)</script> & <b>"
RANGES = """[Ions]
Number=2
Ion1=Fe
Ion2=Sc
[Ranges]
Number=2
Range1=27.85 28.10 Vol:0.012 Fe:1 Color:CC00CC
Range2=22.37 22.58 Vol:0.020 Sc:1 Color:0000CC
"""


@pytest.fixture(scope="module")
def specimen(tmp_path_factory):
    """Directory, ions, field, analyses and summary of a ball of little Sc in a cylinder of much."""
    directory = tmp_path_factory.mktemp("specimen")
    generator = np.random.default_rng(1)
    position = generator.uniform(-6.0, 6.0, (60_000, 3))
    position = position[np.hypot(position[:, 0], position[:, 1]) < 6.0]
    share = np.where(np.linalg.norm(position, axis=1) < 3.0, 0.02, 0.20)
    mass = np.where(generator.random(len(position)) < share, 22.48, 27.97)
    data, ranges = directory / "ball.pos", directory / "ball.rrng"
    data.write_bytes(np.column_stack([position, mass]).astype(">f4").tobytes())
    ranges.write_text(RANGES)
    apt_stage(data, ranges, directory / "out")
    table = RangeTable.of(read_ranges(ranges).ranges)
    ions = read_ranged_ions(open_ions(data), table)
    field = composition_field(ions, 0.5, 0.6)
    settings = FieldAnalysisSettings(
        rich_threshold=0.9, poor_threshold=0.11, neighbour_labellings=9, block_labellings=9
    )
    analyses = analyse_field(ions, field, settings)
    summary = json.loads((directory / "out" / "summary.json").read_text())
    return directory, field, analyses, summary


def statistics():
    def quantity(value, unit, low, high):
        entry = {"value": value, "unit": unit, "lo95": low, "hi95": high, "n": 7}
        return {**entry, "provenance": "measured", "method": HOSTILE}

    return statistics_from_mapping(
        {
            "schema_version": 1,
            "title": "t",
            "composition": {
                "bulk": {
                    "Fe": quantity(90.0, "at%", 89.5, 90.5),
                    "Sc": quantity(10.0, "at%", 9.5, 10.5),
                }
            },
            "atomic_volumes": {
                "Fe": quantity(0.0118, "nm^3", 0.0117, 0.0119),
                "Sc": quantity(0.0249, "nm^3", 0.0248, 0.0250),
            },
            "interface": {"thickness": quantity(1.234, "nm", 1.111, 1.357)},
        },
        "test",
    )


def test_analyses_find_the_ball(specimen):
    _, field, analyses, _ = specimen
    rich, poor = analyses.isosurfaces
    assert len(rich.triangles) == 0
    assert analyses.remarks == ("no proximity histogram of Sc > 90 at%: there is no such surface",)
    assert list(analyses.proximity) == [poor.name] == ["Sc < 11 at%"]
    # s^2 / r = 0.12 nm inside the ball, and somewhat more at this r / s.
    radius = (3.0 * poor.volume_nm3 / (4.0 * np.pi)) ** (1.0 / 3.0)
    assert radius == pytest.approx(3.0 - 0.12, abs=0.08)
    volume = np.pi * 36.0 * 12.0
    assert specimen_outline(field).volume_nm3 == pytest.approx(volume, rel=0.03)
    assert analyses.settings.rich_threshold == 0.9
    assert [entry.axis for entry in analyses.maps] == ["x", "y", "z"]
    assert analyses.lines["z"].edges_nm[-1] == pytest.approx(12.0, abs=0.01)
    truth = 0.20 - 0.18 * 4.0 / 3.0 * np.pi * 27.0 / volume
    assert analyses.bulk_fraction == pytest.approx(truth, abs=0.01)
    assert analyses.frequency.random_p_value == pytest.approx(0.1)


def test_analyses_of_an_absent_element_leave_out_and_say_why(specimen):
    directory, field, _, _ = specimen
    table = RangeTable.of(read_ranges(directory / "ball.rrng").ranges)
    ions = read_ranged_ions(open_ions(directory / "ball.pos"), table)
    found = analyse_field(ions, field, FieldAnalysisSettings(element="Zr"))
    assert found.neighbours is None
    assert found.frequency is None
    assert found.isosurfaces == ()
    assert len(found.remarks) == 2


@pytest.fixture(scope="module")
def page_path(specimen):
    """The report with a further section, statistics and hostile text."""
    directory, field, analyses, summary = specimen
    figure = draw_composition_maps(analyses.maps)
    section = ReportSection(
        "crystals",
        "Crystals",
        (
            HOSTILE,
            ReportTable(("radius [nm]", HOSTILE), [(2.5, None), (3.25, "x")], (0,)),
            {"number": 12, "flag": True},
            ReportFigure(figure, "alt", "caption of a figure"),
        ),
    )
    return atom_probe_document(
        directory / "report.html",
        HOSTILE,
        {**summary, "warnings": [{"where": HOSTILE, "found": "odd", "allowed": ""}]},
        field,
        analyses,
        statistics=statistics(),
        sections=[section],
        parameters={"crystals": {"threshold": 0.25, "inner": {"name": HOSTILE}}},
    )


def test_page_holds_everything_and_nothing_from_elsewhere(specimen, page_path):
    _, _, analyses, summary = specimen
    text = page_path.read_text(encoding="utf-8")
    outer, view, rest = re.fullmatch(r"(.*)srcdoc=\"([^\"]*)\"(.*)", text, re.DOTALL).groups()
    page = outer + rest
    assert HOSTILE not in page
    assert "<script" not in page
    for tag in ("main", "section", "div", "table", "tr", "td", "figure", "details", "iframe"):
        assert len(re.findall(rf"<{tag}[ >]", page)) == page.count(f"</{tag}>"), tag
    for address in re.findall(r"(?:src|href)=\"([^\"]*)\"", page):
        assert address.startswith(("#", "data:image/png;base64,"))
    for anchor in re.findall(r"href=\"#([^\"]*)\"", page):
        assert f'id="{anchor}"' in page
    words = html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)))
    for expected in (
        HOSTILE,
        "caption of a figure",
        "flag yes",
        "interface.thickness 1.234 1.111 to 1.357 nm 7 measured",
        "analyses proximity_reach_nm 3",
        "crystals inner.name",
        "composition field kernel_sigma_nm 0.6",
        summary["data"]["sha256"],
        "no proximity histogram of Sc > 90 at%",
        "Numbers of Sc < 11 at%",
        f"{analyses.frequency.pearson_coefficient:.3f} (0 random",
        f"{100.0 * analyses.bulk_fraction:.2f} at%",
    ):
        assert expected in words, expected
    for name in quantities_of(statistics()):
        assert name in words
    # Nothing is left of the marks of the page inside the page; it knows surface and outline.
    inner = html.unescape(view)
    assert not re.search(r"@[A-Z]+@", inner)
    header = json.loads(re.search(r"id=\"header\"[^>]*>(.*?)</script>", inner).group(1))
    assert [entry["name"] for entry in header["phases"]] == ["Sc < 11 at%", "specimen"]
    assert [entry["opacity"] for entry in header["phases"]] == [1.0, 0.12]
    # The picture shows the surface in its colour.
    picture = np.asarray(Image.open(page_path.parent / "figures" / "surfaces.png").convert("RGB"))
    red, green, blue = np.moveaxis(picture.astype(int), 2, 0)
    assert np.mean((red > 1.7 * green) & (red > 1.7 * blue)) > 0.02


def test_regions_take_the_place_of_isosurfaces(specimen, tmp_path, monkeypatch):
    _, field, analyses, summary = specimen
    drawn = []

    def no_pictures(surfaces, directory):
        drawn.extend(surface.name for surface in surfaces)
        return Pictures({}, "no renderer <here>")

    monkeypatch.setattr(module, "draw_surface_pictures", no_pictures)
    for name in ("maps", "profiles"):
        monkeypatch.setattr(
            f"ngcfem.report.atom_probe_sections.draw_composition_{name}", lambda *_, **__: b""
        )
    crystal = DrawnSurface.of(isosurface(field, "Sc", 0.10, "below"), "#a4243b")
    path = atom_probe_document(
        tmp_path / "report.html", "t", summary, field, analyses, regions=[crystal]
    )
    assert drawn == ["Sc < 10 at%", "specimen"]
    text = path.read_text(encoding="utf-8")
    assert "no renderer &lt;here&gt;" in text
    assert "Drawn are the regions" in text
    twice = [ReportSection("slices", "Slices again")]
    with pytest.raises(ValueError, match="share an anchor"):
        atom_probe_document(path, "t", summary, field, analyses, sections=twice)


def test_surfaces_of_too_many_triangles_are_found_on_larger_voxels(specimen, monkeypatch):
    _, field, analyses, _ = specimen
    poor = analyses.isosurfaces[1]
    monkeypatch.setattr(
        "ngcfem.report.atom_probe_surfaces._MOST_TRIANGLES", len(poor.triangles) // 2
    )
    light, _ = drawn_isosurfaces(field, [poor])
    assert len(light.triangles) <= len(poor.triangles) // 2
    inside = [np.abs(entry.vertices_nm).max(axis=0) for entry in (light, poor)]
    np.testing.assert_allclose(*inside, atol=0.3)


def test_coarser_voxels_hold_the_same_atoms(specimen):
    _, field, _, _ = specimen
    coarse = field.coarser(3)
    np.testing.assert_allclose(
        coarse.atoms.sum(axis=(1, 2, 3)), field.atoms.sum(axis=(1, 2, 3)), rtol=1e-5
    )  # single precision
    np.testing.assert_allclose(coarse.counts[0, 1, 2, 3], field.counts[0, 3:6, 6:9, 9:12].sum())
    assert coarse.grid.voxel_nm == pytest.approx(1.5)


def test_figures_depend_on_their_numbers_alone(specimen):
    _, _, analyses, _ = specimen
    profiles = {"a": analyses.lines["x"]}
    first = draw_composition_profiles(profiles, "distance [nm]")
    assert first == draw_composition_profiles(profiles, "distance [nm]")
    assert first != draw_composition_profiles({"a": analyses.lines["z"]}, "distance [nm]")
    nothing = analyses.lines["x"].__class__(
        analyses.lines["x"].table, np.array([0.0, 1.0]), np.zeros((2, 1), dtype=np.int64)
    )
    assert draw_composition_profiles({"a": nothing}, "distance [nm]").startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_view_inside_the_page_draws_in_a_browser(page_path, tmp_path):
    subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--use-gl=angle",
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
            "--window-size=1150,1000",
            "--virtual-time-budget=8000",
            f"--screenshot={tmp_path / 'page.png'}",
            page_path.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    red, green, blue = np.moveaxis(
        np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int), 2, 0
    )
    frame = (red > 1.7 * green) & (red > 1.7 * blue)
    # The ball in the window of the view, to the right of its panel.
    assert np.count_nonzero(frame[350:1000, 420:]) > 3000


def found_crystals(specimen, capped=(True, False)):
    """Two crystals: a disc with a cap, aslant, and a ball cut by the rim."""
    directory, field, _, _ = specimen
    table = RangeTable.of(read_ranges(directory / "ball.rrng").ranges)
    ions = read_ranged_ions(open_ions(directory / "ball.pos"), table)
    angle = 0.6
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]]
    )
    nothing = find_crystals(ions.subset(np.arange(0)), field)
    return replace(
        nothing,
        centre_nm=np.array([[1.0, 2.0, 3.0], [-4.0, 0.0, 2.0]]),
        radius_nm=np.array([2.0, 1.0]),
        radius_error_nm=np.array([0.1, 0.2]),
        semi_axes_nm=np.array([[2.5, 2.5, 8.0 / 6.25], [1.0, 1.0, 1.0]]),
        rotation=np.array([turn, np.eye(3)]),
        crystal_content=np.array([0.01, 0.02]),
        log_likelihood_gain=np.array([55.5, 12.25]),
        cut=np.array([False, True]),
        below_resolution=np.array([False, True]),
        capped=np.array(capped),
        cap_axis=np.array([[0.0, 0.0, 1.0], [np.nan] * 3]),
        cap_half_angle_deg=np.array([60.0, np.nan]),
        cap_thickness_nm=np.array([0.5, np.nan]),
    )


def enclosed(surface):
    return np.linalg.det(surface.vertices_nm[surface.triangles]).sum() / 6.0


def test_crystals_are_drawn_as_they_were_fitted(specimen):
    found = found_crystals(specimen)
    crystals, caps = crystal_surfaces(found)
    # Polyhedra of 120 corners on a sphere enclose some 4 % less than it.
    assert enclosed(crystals) == pytest.approx(4.0 / 3.0 * np.pi * 9.0, rel=0.06)
    assert enclosed(caps) == pytest.approx(np.nansum(cap_volume_nm3(found)[:1]), rel=0.06)
    first = crystals.vertices_nm[: len(crystals.vertices_nm) // 2] - found.centre_nm[0]
    local = first @ found.rotation[0] / found.semi_axes_nm[0]
    np.testing.assert_allclose(np.linalg.norm(local, axis=1), 1.0, atol=1e-9)
    assert [surface.name for surface in crystal_surfaces(found_crystals(specimen, (0, 0)))] == [
        "crystals"
    ]
    text = crystal_section(found).markup().text
    cells = re.findall(r"<td[^>]*>(.*?)</td>", text)
    low, high = 2.0 * np.exp(-1.96 * 0.05), 2.0 * np.exp(1.96 * 0.05)
    assert cells[:8] == [
        "1", "1.0 2.0 3.0", "2.00", f"{low:.2f} to {high:.2f}", "1.95", "1.00", "55.5",
        "Sc-rich cap",
    ]  # fmt: skip
    assert cells[15] == "cut by the rim, below resolution"
