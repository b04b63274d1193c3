"""Displacements of a snapshot carried over to atoms, against a known field."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from ngcfem.errors import InputError
from ngcfem.results.displacement_field import DisplacementField
from ngcfem.results.fields import write_fields
from ngcfem.workflow.apt_synthetic import SyntheticRequest, apt_synthetic_stage
from ngcfem.workflow.deformed_state import run_deformation

EDGES = np.array([6.0, 5.0, 4.0])
GRADIENT = np.array([[1.1, 0.05, 0.0], [0.0, 0.98, 0.02], [0.0, 0.0, 0.9]])
AMPLITUDE_NM = 0.3
STEP = 3


def displacement(points: np.ndarray) -> np.ndarray:
    """Mean of a gradient, and a wave along x that moves along y."""
    wave = AMPLITUDE_NM * np.sin(2.0 * np.pi * points[:, 0] / EDGES[0])
    return points @ (GRADIENT - np.eye(3)).T + wave[:, None] * np.array([0.0, 1.0, 0.0])


def write_snapshot(directory: Path, per_edge: int, start: float) -> None:
    """Write a mesh of one period that starts outside the box: six tetrahedra a brick."""
    axes = [start * edge + np.linspace(0.0, edge, per_edge + 1) for edge in EDGES]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    number = np.arange(len(points)).reshape((per_edge + 1,) * 3)
    cells = []
    for order in itertools.permutations(range(3)):
        corner = np.zeros(3, dtype=int)
        path = [corner.copy()]
        for axis in order:
            corner[axis] = 1
            path.append(corner.copy())
        slices = [number[tuple(slice(at, at + per_edge) for at in place)].ravel() for place in path]
        cells.append(np.column_stack(slices))
    write_fields(
        directory,
        step=STEP,
        time=1.0,
        points=points,
        cells=np.concatenate(cells),
        point_data={"displacement [nm]": displacement(points)},
        cell_data={},
    )


@pytest.mark.parametrize("start", [0.0, -0.3])
def test_atoms_follow_the_displacements(tmp_path: Path, start: float) -> None:
    write_snapshot(tmp_path, per_edge=24, start=start)
    deformation = run_deformation(tmp_path, STEP, np.diag(EDGES), spacing_nm=0.2)
    # the linear interpolant of a periodic field has the mean of the field itself
    assert deformation.gradient == pytest.approx(GRADIENT, abs=1e-12)
    # the largest value of the wave stands on a node, next to which the grid may miss it
    assert deformation.fluctuation_nm == pytest.approx(AMPLITUDE_NM, rel=0.03)
    points = np.random.default_rng(1).uniform(-10.0, 15.0, (500, 3))
    # linear interpolation twice: A (2 pi h / L)^2 / 8 for h = 0.25 and 0.2 nm
    error = AMPLITUDE_NM * (2.0 * np.pi / EDGES[0]) ** 2 * (0.25**2 + 0.2**2) / 8.0
    exact = points + displacement(points)
    assert deformation.moved(points) == pytest.approx(exact, abs=1.2 * error)


def test_a_snapshot_must_be_there(tmp_path: Path) -> None:
    write_snapshot(tmp_path, per_edge=2, start=0.0)
    with pytest.raises(KeyError):
        DisplacementField(tmp_path, STEP + 1)


def test_a_directory_must_be_that_of_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run directory"):
        apt_synthetic_stage(tmp_path, tmp_path / "out", SyntheticRequest())
