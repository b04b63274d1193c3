"""The report: self-contained, escaped, complete for a whole run and honest about a torn one."""

import base64
import itertools
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ngcfem.errors import InputError
from ngcfem.report import pictures
from ngcfem.report.document import build_report
from ngcfem.report.pictures import draw_pictures
from ngcfem.report.run_record import read_run
from ngcfem.results.fields import write_fields
from ngcfem.results.history import CurveWriter
from ngcfem.results.provenance import collect_provenance
from ngcfem.results.run import RunDirectory
from ngcfem.results.summary import build_summary

PILLAR = Path(__file__).parents[3] / "cases" / "data" / "fe90sc10_pillar.toml"
HOSTILE = "<script>alert('x')</script> & \"quotes\""
VOID = {"meta", "img", "br", "link", "hr", "input"}

CASE = f"""
title = 'Composite {HOSTILE.replace("'", "")}'
[microstructure]
kind = "nanocomposite"
n_grains = 8
[[phase]]
name = "grain"
law = "j2"
[phase.parameters]
youngs_modulus_gpa = {{ value = 140.0, provenance = "assumed", reference = "rule of mixture" }}
softening_gpa = {{ value = 0.0, provenance = "assumed", reference = "default of the law" }}
[[phase]]
name = "interface"
law = "j2"
[phase.parameters]
youngs_modulus_gpa = {{ value = 95.0, provenance = "literature", reference = "<b>bold</b> 2020" }}
[load]
boundary = "periodic"
kinematics = "finite"
kind = "uniaxial-stress"
axis = "z"
true_strain = -0.8
[solver]
mesh_dependent = true
[compare]
data = "{PILLAR}"
"""


class Page(HTMLParser):
    """Collects what a page holds and checks that every tag is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.tags, self.images, self.addresses, self.words = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.stack.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                (self.images if tag == "img" else self.addresses).append(value)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if "style" not in self.stack:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def cube_mesh(n):
    """Points and cells of n^3 cubes of 1 nm, each cut into six tetrahedra with mid-nodes."""
    grid = np.arange(n + 1.0)
    points = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1).reshape(-1, 3)
    base = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = []
    for order in itertools.permutations(range(3)):
        corners = [base]
        for axis in order:
            corners.append(corners[-1] + np.eye(3, dtype=int)[axis])
        if np.linalg.det(np.eye(3)[list(order)]) < 0.0:
            corners[1], corners[2] = corners[2], corners[1]
        numbers = [(c[:, 0] * (n + 1) + c[:, 1]) * (n + 1) + c[:, 2] for c in corners]
        cells.append(np.stack(numbers, axis=1))
    linear = np.concatenate(cells)
    edges = [(0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3)]
    pairs = np.sort(np.stack([linear[:, edge] for edge in edges], axis=1), axis=2).reshape(-1, 2)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    middles = points[unique].mean(axis=1)
    return np.vstack([points, middles]), np.hstack([linear, len(points) + inverse.reshape(-1, 6)])


def write_snapshot(run, step, increment):
    points, cells = cube_mesh(4)
    centres = points[cells[:, :4]].mean(axis=1)
    phase = (np.abs(centres[:, 0] - 2.0) < 1.0).astype(np.int32)
    write_fields(
        run.fields_directory,
        step,
        increment.time_s,
        points,
        cells,
        {"displacement [nm]": points @ (increment.deformation_gradient - np.eye(3)).T},
        {
            "equivalent_plastic_strain [-]": 0.5 + 0.5 * phase,
            "mises_stress [GPa]": 2.5 - 0.5 * phase,
            "phase": phase,
            "grain": np.zeros(len(cells), dtype=np.int32),
        },
    )


@pytest.fixture
def finished_run(tmp_path, compression):
    """A run directory as a finished run leaves it, without fields."""
    with RunDirectory.create(tmp_path / "run", CASE, CASE) as run:
        run.set_state("running")
        run.write_json("provenance.json", collect_provenance(["ngcfem", "run", HOSTILE]))
        run.write_json(
            "cell.json",
            {
                "kind": "nanocomposite",
                "interface_thickness_nm": 1.0,
                "descriptors": [
                    {"name": "grain diameter", "unit": "nm", "target": 10.0, "achieved": 9.87}
                ],
                "mass_balance": {"difference_at_percent": 0.3},
            },
        )
        run.write_json(
            "mesh.json",
            {
                "phase_names": ["grain", "interface"],
                "quality": {
                    "number_of_cells": 384,
                    "minimum_gamma": 0.04,
                    "mean_edge_nm": 1.3,
                    "minimum_dihedral_angle_deg": 20.0,
                    "phase_fraction_errors": {"grain": -0.05},
                },
            },
        )
        run.write_json(
            "descriptors.json",
            {
                "descriptors": [
                    {
                        "name": "Sc of all regions together",
                        "unit": "at%",
                        "target": 10.0,
                        "achieved": 10.75,
                        "tolerance": 0.5,
                    }
                ]
            },
        )
        writer = CurveWriter(run.curve_file, "z", "finite")
        for step in compression:
            writer.append(step)
            run.log.write_increment(step)
        extra = {
            "exit_code": 0,
            "mesh_dependent": True,
            "n_dofs": 123456,
            "cpu_s": 86.0,
            "residual_tolerance": 1e-7,
            "element": "p2",
            "timers_s": {"linear solve": 60.0, "assembly": 26.0},
        }
        run.write_json("summary.json", build_summary(compression, "z", "finite", extra))
        run.set_state("finished", exit_code=0)
    return tmp_path / "run"


@pytest.fixture
def run_with_fields(finished_run, compression):
    """The same with a snapshot of the last step."""
    write_snapshot(RunDirectory.open(finished_run), len(compression) - 1, compression[-1])
    return finished_run


def test_report_of_a_finished_run(run_with_fields):
    finished_run = run_with_fields
    report = build_report(finished_run)
    assert report == finished_run / "report.html"
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    # Nothing is loaded from elsewhere, and nothing runs.
    assert all(address.startswith("#") for address in page.addresses)
    assert all(image.startswith("data:image/png;base64,") for image in page.images)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    embedded = {base64.b64decode(image.partition(",")[2]) for image in page.images}
    on_disk = {path.read_bytes() for path in (finished_run / "figures").glob("*.png")}
    assert embedded == on_disk
    assert len(on_disk) >= 3
    for anchor in page.addresses:
        assert f'id="{anchor[1:]}"' in text
    for words in (
        "finished",
        "8 grains",
        "grain diameter",
        "9.87",
        "difference_at_percent",
        "Sc of all regions together 10 10.75 0.5 at% missed",
        "Young's modulus",
        "assumed [1]",
        "Of the 2 numbers given, 1 assumed, 1 literature.",
        "region III: glassy interfaces",
        "70.00 %",
        "nearly flat",
        "5.0 % less of the phase grain",
        "one element thick",
        "These results depend on the mesh.",
        "bound missed",
        "volume-conserving",
        "shears off right after yield",
        "smooth yield surface hardly localize",
        "below 0 from a true strain of",
        "123,456",
        "linear solve",
        "p2: quadratic tetrahedra",
        "true_strain",
    ):
        assert words in page.text, words


def test_everything_is_escaped(finished_run):
    text = build_report(finished_run).read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "<b>bold" not in text
    page = Page(text)
    assert "<script>alert(x)</script> &" in page.text
    assert "<b>bold</b> 2020" in page.text
    assert HOSTILE in page.text


def test_same_run_gives_the_same_report(finished_run):
    first = build_report(finished_run).read_bytes()
    assert build_report(finished_run).read_bytes() == first


def test_killed_run_reports_from_its_log(finished_run):
    for name in ("summary.json", "cell.json", "provenance.json"):
        (finished_run / name).unlink()
    record = read_run(finished_run)
    assert record.summary["true_strain_reached"] == pytest.approx(0.8)
    page = Page(build_report(finished_run).read_text(encoding="utf-8"))
    assert "its numbers here are taken from the log" in page.text
    assert "provenance.json: versions" in page.text
    assert "Hill-Mandel" in page.text


def test_run_that_did_not_converge_says_why(finished_run):
    run = RunDirectory.open(finished_run)
    status = run.status()
    run.write_json(
        "status.json", {**status, "state": "not_converged", "reason": "6 cut-backs at grain 3"}
    )
    page = Page(build_report(finished_run).read_text(encoding="utf-8"))
    assert "not converged" in page.text
    assert "6 cut-backs at grain 3" in page.text


def test_run_that_only_began_has_a_report(tmp_path):
    RunDirectory.create(tmp_path / "run", "title = 'x'", "title = 'x'").release()
    page = Page(build_report(tmp_path / "run").read_text(encoding="utf-8"))
    assert page.images == []
    for words in (
        "not started",
        "The run has no curve yet.",
        "curve.csv: No such file",
        "Pictures are missing.",
        "No record of the mesh",
    ):
        assert words in page.text, words
    (tmp_path / "run" / "case.toml").unlink()
    (tmp_path / "run" / "case.resolved.toml").write_text("not = = toml")
    page = Page(build_report(tmp_path / "run").read_text(encoding="utf-8"))
    assert "case.resolved.toml: the case" in page.text


def test_no_run_is_told(tmp_path):
    with pytest.raises(InputError, match=r"no status\.json"):
        build_report(tmp_path)


def test_pillar_data_that_moved_or_broke(finished_run):
    case = finished_run / "case.resolved.toml"
    case.write_text(case.read_text().replace(str(PILLAR), "/nowhere/fe90sc10_pillar.toml"))
    record = read_run(finished_run)
    assert record.comparison is None
    assert any("pillar data that the case names" in entry for entry in record.missing)
    (finished_run / "fe90sc10_pillar.toml").write_bytes(PILLAR.read_bytes())
    assert read_run(finished_run).comparison is not None
    (finished_run / "fe90sc10_pillar.toml").write_text("schema_version = 7\n")
    record = read_run(finished_run)
    assert record.comparison is None
    assert any(entry.startswith("fe90sc10_pillar.toml: ") for entry in record.missing)


def test_state_while_the_run_closes_is_that_of_its_summary(finished_run):
    run = RunDirectory.open(finished_run)
    run.write_json("status.json", {**run.status(), "state": "running"})
    assert "under way" not in build_report(finished_run).read_text(encoding="utf-8")


def test_pictures_show_the_phases_in_their_colours(run_with_fields, tmp_path):
    drawn = draw_pictures(run_with_fields / "fields", tmp_path / "out", ["grain", "interface"])
    if drawn.obstacle:
        pytest.skip(drawn.obstacle)
    assert set(drawn.files) == set(pictures.PICTURE_NAMES)
    sizes = set()
    for name, path in drawn.files.items():
        pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
        sizes.add(pixels.shape)
        body = pixels[np.any(pixels < 245, axis=2)]
        # The body fills a good part of the frame and touches no edge of it.
        assert body.shape[0] > 0.15 * pixels.shape[0] * pixels.shape[1], name
        assert np.all(pixels[0] > 245), name
        assert np.all(pixels[:, -1] > 245), name
        if name in ("rve_undeformed", "rve_deformed"):
            blue = np.mean(body[:, 2] > body[:, 0] + 15)
            orange = np.mean(body[:, 0] > body[:, 2] + 60)
            assert blue > 0.15, name
            assert orange > 0.15, name
    assert len(sizes) == 1
    # Compressed to 45 % of its height and as much wider: the deformed body is the flatter one.
    extents = {}
    for name in ("rve_undeformed", "rve_deformed"):
        pixels = np.asarray(Image.open(drawn.files[name]).convert("RGB")).astype(int)
        # Left of a sixth of the width stand the axes.
        rows, columns = np.nonzero(np.any(pixels < 245, axis=2)[:, pixels.shape[1] // 5 :])
        extents[name] = (np.ptp(columns), np.ptp(rows))
    assert extents["rve_deformed"][1] < 0.9 * extents["rve_undeformed"][1]


def test_machine_that_cannot_render_is_told_and_survived(run_with_fields, tmp_path, monkeypatch):
    crash = tmp_path / "crash"
    crash.write_text("#!/bin/sh\necho 'libGL.so.1 missing' >&2\nkill -SEGV $$\n")
    crash.chmod(crash.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(pictures.sys, "executable", str(crash))
    drawn = draw_pictures(run_with_fields / "fields", tmp_path / "out", ["grain", "interface"])
    assert drawn.files == {}
    assert "signal 11" in drawn.obstacle
    assert "libGL.so.1 missing" in drawn.obstacle
    page = Page(build_report(run_with_fields).read_text(encoding="utf-8"))
    assert "Pictures are missing." in page.text
    assert "libegl1" in page.text


def test_damaged_snapshot_is_told(run_with_fields, tmp_path):
    for path in (run_with_fields / "fields").glob("*.vtu"):
        path.write_text("<VTKFile")
    drawn = draw_pictures(run_with_fields / "fields", tmp_path / "out", ["grain", "interface"])
    assert drawn.files == {}
    assert drawn.obstacle
