"""Progress of a run on a terminal and in a file."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from ngcfem.cli.progress import ProgressReport, axial_measures, count_progress


def test_measures_of_uniaxial_stress(compression):
    increment = compression[-1]
    F, P = increment.deformation_gradient, increment.first_piola_kirchhoff_stress
    true_strain, true_stress = axial_measures(increment, "z", "finite")
    assert true_strain == pytest.approx(-0.8, rel=1e-12)
    assert true_stress == pytest.approx((P @ F.T)[2, 2] / np.linalg.det(F), rel=1e-12)
    assert axial_measures(increment, "z", "small")[1] == P[2, 2]


def test_measures_with_shear(compression):
    generator = np.random.default_rng(1)
    F = np.eye(3) + 0.2 * generator.normal(size=(3, 3))
    P = generator.normal(size=(3, 3))
    increment = replace(compression[1], deformation_gradient=F, first_piola_kirchhoff_stress=P)
    for index, axis in enumerate("xyz"):
        strain, stress = axial_measures(increment, axis, "finite")
        assert strain == pytest.approx(math.log(F[index, index]), rel=1e-12)
        cauchy = P @ F.T / np.linalg.det(F)
        assert stress == pytest.approx(cauchy[index, index], rel=1e-10)


def test_one_line_an_increment_away_from_a_terminal(compression):
    stream = io.StringIO()
    with ProgressReport("z", "finite", Console(file=stream, width=40)) as progress:
        for position, increment in enumerate(compression[1:], start=1):
            progress.step(increment, float(position), 22)
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(compression) - 1
    # (2.5 + 0.8) / (1 + 1 / 130) over the volume ratio 0.99147.
    assert lines[-1].startswith("increment 22/22  true strain -0.8000  true stress -3.3030 GPa")
    assert "Newton 3  Krylov 40  cut-backs 0" in lines[-1]


def test_a_bar_on_a_terminal(compression):
    stream = io.StringIO()
    console = Console(file=stream, width=140, force_terminal=True)
    with ProgressReport("z", "finite", console) as progress:
        progress.step(compression[1], 0.5, 22)
        progress.step(compression[-1], 22.0, 22)
    text = stream.getvalue()
    assert "22/22" in text
    assert "true strain -0.8000" in text
    assert "left" in text


def test_a_narrow_terminal_still_counts(compression):
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True)
    with ProgressReport("z", "finite", console) as progress:
        progress.step(compression[-1], 22.0, 22)
    text = stream.getvalue()
    assert "increment 22/22" in text
    assert "strain -0.8000  stress -3.303 GPa  Newton 3" in text


def test_the_mesh_grows_in_a_bar_and_its_ways_are_told():
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True)
    with ProgressReport("z", "finite", console) as progress:
        progress.meshing(0, 8, "whole cells")
        progress.meshing(0, 8, "stuffing, after whole cells: a flat tetrahedron")
        progress.meshing(8, 8, "grains filled")
    text = stream.getvalue()
    assert "mesh 8/8" in text
    assert "mesh: stuffing, after whole cells: a flat tetrahedron" in text


def test_the_mesh_takes_few_lines_in_a_file():
    stream = io.StringIO()
    with ProgressReport("z", "finite", Console(file=stream, width=100)) as progress:
        progress.meshing(0, 125, "whole cells")
        for done in range(1, 126):
            progress.meshing(done, 125, "grains filled")
        progress.message("warning: [brackets] stay")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "mesh: whole cells"
    assert lines[-2] == "mesh 125/125  grains filled"
    assert len(lines) == 12
    assert lines[-1] == "warning: [brackets] stay"


def test_another_realization_starts_the_bar_anew(compression):
    stream = io.StringIO()
    console = Console(file=stream, width=140, force_terminal=True, highlight=False)
    with ProgressReport("z", "finite", console) as progress:
        progress.step(compression[0], 0.0, 22)
        progress.step(compression[-1], 22.0, 22)
        progress.message("realization 001 (2 of 2), seed 5")
        progress.step(compression[0], 0.0, 22)
    text = stream.getvalue()
    # The bar shows where it stands last.
    assert "increment 0/22" in text[text.index("realization 001") :]


def test_counted_work_has_a_bar_only_on_a_terminal():
    with count_progress("ions", Console(file=io.StringIO())) as watch:
        assert watch is None
    stream = io.StringIO()
    with count_progress("ions", Console(file=stream, force_terminal=True, width=80)) as watch:
        assert watch is not None
        watch(500_000, 0)
        watch(1_250_000, 2_000_000)
    assert "1,250,000 ions" in stream.getvalue()
