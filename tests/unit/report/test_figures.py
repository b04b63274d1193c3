"""Figures, colours and the building blocks of pages."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ngcfem.experiment.compare import compare_with_pillar
from ngcfem.experiment.pillar_file import read_pillar_data
from ngcfem.quantities import COMPOSITE_PHASES
from ngcfem.report.colours import MEASURED, MODEL, phase_colours
from ngcfem.report.figures import draw_curve, draw_health, draw_phases
from ngcfem.report.page import Markup, element, facts, markup, number, picture, table
from ngcfem.results.curve import StressStrainCurve
from ngcfem.results.summary import build_summary

PILLAR = Path(__file__).parents[3] / "cases" / "data" / "fe90sc10_pillar.toml"


def share_of(png, colour):
    """Share of the pixels within a small distance of a colour."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return float(np.mean(np.all(np.abs(pixels - wanted) < 12, axis=2)))


def test_curve_figure_holds_model_and_data(compression):
    curve = StressStrainCurve.from_increments(compression, "z", "finite")
    comparison = compare_with_pillar(curve, read_pillar_data(PILLAR))
    both = draw_curve(comparison.curve, comparison.data, {"grain": 0.7, "interface": 0.3})
    alone = draw_curve(curve)
    assert share_of(both, MODEL) > 1e-3
    assert share_of(both, MEASURED) > 1e-3
    assert share_of(alone, MODEL) > 1e-3
    assert share_of(alone, MEASURED) == 0.0
    # The same numbers give the same file.
    again = draw_curve(comparison.curve, comparison.data, {"grain": 0.7, "interface": 0.3})
    assert again == both


def test_data_of_the_other_loading_are_not_drawn(build_increments):
    curve = StressStrainCurve.from_increments(build_increments([0.01, 0.1]), "z", "finite")
    comparison = compare_with_pillar(curve, read_pillar_data(PILLAR))
    assert share_of(draw_curve(comparison.curve, comparison.data), MEASURED) == 0.0


def test_digitized_curve_is_drawn(compression):
    model = StressStrainCurve.from_increments(compression, "z", "finite")
    data = read_pillar_data(PILLAR)
    measured = StressStrainCurve.from_measurement(
        model.true_strain,
        1.5 * model.engineering_stress_gpa,
        data.strain_measure,
        data.stress_measure,
    )
    curve = compare_with_pillar(model, data).curve
    with_curve = draw_curve(curve, replace(data, curve=measured))
    assert share_of(with_curve, MEASURED) > 1.2 * share_of(draw_curve(curve, data), MEASURED)


def test_phase_and_health_figures(compression):
    course = build_summary(compression, "z", "finite")["course"]
    phases = draw_phases(course)
    for colour in phase_colours(["grain", "interface"]).values():
        assert share_of(phases, colour) > 5e-4
    assert share_of(draw_health(course), MEASURED) > 5e-4


def test_health_figure_survives_gaps_and_zeros(compression):
    course = build_summary(compression, "z", "finite")["course"]
    course["pressure_noise"] = [None] * len(compression)
    course["hill_mandel_error"] = [0.0] * len(compression)
    course["newton_iterations"] = [0] * len(compression)
    assert draw_health(course).startswith(b"\x89PNG")


def test_phases_keep_their_colours():
    colours = phase_colours(COMPOSITE_PHASES)
    assert len(set(colours.values())) == len(COMPOSITE_PHASES)
    assert phase_colours(["grain"])["grain"] == colours["grain"]
    others = phase_colours(["b", "a", "grain"])
    assert len(set(others.values())) == 3
    assert phase_colours(["a", "b"])["a"] == others["a"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('<a> & "b"', "&lt;a&gt; &amp; &quot;b&quot;"),
        (Markup("<b>x</b>"), "<b>x</b>"),
        (None, "&ndash;"),
        (True, "yes"),
        (3, "3"),
        (0.123456, "0.1235"),
        (1.5e-9, "1.50e-09"),
    ],
)
def test_contents_of_a_page(content, expected):
    assert markup(content) == expected


def test_numbers_for_a_reader():
    assert number(0.0) == "0"
    assert number(2.5) == "2.5"
    assert number(1234567.0) == "1.23e+06"
    assert number(-1e-7) == "-1.00e-07"


def test_tables_and_facts():
    text = table(("a", "b"), [("<x>", 1.0)], numeric=(1,)).text
    assert "<th>a</th>" in text
    assert '<td class="number">1</td>' in text
    assert "&lt;x&gt;" in text
    assert "left out" not in facts({"kept": 1, "left out": None}).text
    assert element("p", ["a", Markup("<br>"), "<"]).text == "<p>a<br>&lt;</p>"
    assert "&quot;" in picture(b"png", 'a "b"', "c").text
