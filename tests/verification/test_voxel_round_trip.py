"""A composite written as voxels and read back: fractions and elastic answer of all three meshes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.mesh.isosurface_stuffing import stuff_cell
from ngcfem.mesh.meshing_routes import periodic_from_raw
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.quality import cell_volumes
from ngcfem.mesh.voxel_meshing import mesh_voxel_volume
from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.voxel_file import read_voxel_volume
from ngcfem.microstructure.voxel_volume import VoxelVolume
from ngcfem.microstructure.voxel_writing import voxel_labels, write_voxels
from ngcfem.microstructure.voxels import sample_cell
from ngcfem.quantities import GRAIN, INTERFACE, NANOCRYSTAL

EDGE_NM = 12.0
SPACING_NM = 0.7
MODULI_GPA = {INTERFACE: 90.0, GRAIN: 140.0, NANOCRYSTAL: 210.0}


def composite() -> PeriodicCell:
    """Four grains near a face-centred lattice, a thick network, a crystal in every grain.

    The sites leave the lattice by 0.6 nm or less: facets parallel to rows of voxels would all be
    counted with the same error.
    """
    places = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    moves = np.random.default_rng(2).uniform(-0.6, 0.6, (4, 3))
    sites = EDGE_NM * places + np.array([0.7, 0.8, 0.9]) + moves
    return PeriodicCell(
        kind="nanocomposite",
        lattice=np.eye(3) * EDGE_NM,
        phase_names=(INTERFACE, GRAIN, NANOCRYSTAL),
        sites=sites,
        weights=np.zeros(4),
        interface_thickness_nm=1.8,
        inclusions=tuple(
            Inclusion(tuple(site.tolist()), 2.0, number) for number, site in enumerate(sites)
        ),
    )


def meshed_fractions(mesh: PeriodicMesh) -> dict[str, float]:
    volumes = cell_volumes(mesh.points, mesh.cells)
    return {
        name: float(volumes[mesh.phase == k].sum() / volumes.sum())
        for k, name in enumerate(mesh.phase_names)
    }


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> VoxelVolume:
    """The composite after a trip through the HDF5 layout of DREAM.3D."""
    sampled = sample_cell(composite(), SPACING_NM)
    volume = VoxelVolume(
        sampled.phase, sampled.grain, sampled.phase_names, np.diag(sampled.steps).copy()
    )
    path: Path = tmp_path_factory.mktemp("voxels") / "cell.dream3d"
    write_voxels(volume, path, "dream3d")
    return read_voxel_volume(path, voxel_labels(volume, "dream3d"))


def test_the_voxels_have_the_fractions_of_the_cell(imported: VoxelVolume) -> None:
    wanted = geometric_fractions(composite())
    # 16^3 points: the error of counting them is that of the surface, about area times a tenth of
    # a spacing
    assert imported.phase_fractions == pytest.approx(wanted, rel=0.02)
    assert set(np.unique(imported.grain).tolist()) == {1, 2, 3, 4}


@pytest.mark.parametrize("surface", ["smooth", "stair-stepped"])
def test_both_meshes_have_the_fractions_of_the_voxels(imported: VoxelVolume, surface: Any) -> None:
    mesh = mesh_voxel_volume(imported, 1.2 if surface == "smooth" else None, surface)
    assert meshed_fractions(mesh) == pytest.approx(imported.phase_fractions, rel=0.01)


@pytest.mark.slow
def test_the_elastic_answers_agree(
    imported: VoxelVolume, build_problem: Callable[..., Any], build_path: Callable[..., Any]
) -> None:
    cell = composite()
    materials = {
        name: Material(name, "elastic", {"youngs_modulus_gpa": modulus, "poisson_ratio": 0.3})
        for name, modulus in MODULI_GPA.items()
    }
    meshes = {
        "cell": periodic_from_raw(stuff_cell(cell, 1.4), cell),
        "smooth": mesh_voxel_volume(imported, 1.2),
        "stairs": mesh_voxel_volume(imported, surface="stair-stepped"),
    }
    modulus = {}
    free = np.full((3, 3), np.nan)
    free[2, 2] = 1.01
    free[np.triu_indices(3, 1)] = 0.0
    free[np.tril_indices(3, -1)] = 0.0
    for name, mesh in meshes.items():
        problem = build_problem(mesh, materials, "small", residual_tolerance=1e-7)
        *_, last = problem.march(build_path((free, 1)))
        assert last.minimum_jacobian_vertices > 0.0
        fractions = meshed_fractions(mesh)
        modulus[name] = last.first_piola_kirchhoff_stress[2, 2] / 0.01
        # equal Poisson ratios: Voigt and Reuss bound Young's modulus
        voigt = sum(f * MODULI_GPA[n] for n, f in fractions.items())
        reuss = 1.0 / sum(f / MODULI_GPA[n] for n, f in fractions.items())
        assert reuss < modulus[name] < voigt
    # the meshes differ by discretization and, for the voxels, by up to 2 % of a fraction; a
    # fraction of 2 % moves the modulus by less than 2 % of the contrast
    assert modulus["smooth"] == pytest.approx(modulus["cell"], rel=0.01)
    assert modulus["stairs"] == pytest.approx(modulus["smooth"], rel=0.01)
