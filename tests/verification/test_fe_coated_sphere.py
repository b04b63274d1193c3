"""Hashin's coated sphere: a neutral inclusion, so its bulk modulus is known exactly in a box too.

Core and coating stand in a surrounding that has the bulk modulus of the two together. Under a
volumetric strain the surrounding then strains as if it were alone, whatever its shear modulus and
whatever the boundary, and the cell has that bulk modulus.
Hashin (1962), J. Appl. Mech. 29, 143, doi 10.1115/1.3636446.

The mesh is a user's: Gmsh makes it, with curved tetrahedra on the spheres.
"""

import gmsh
import numpy as np
import pytest

from ngcfem.constitutive.material import Material
from ngcfem.homogenization.bounds import elastic_bounds
from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.mesh.reading import read_mesh

EDGE_NM = 10.0
OUTER_NM = 3.5
FRACTION = 0.2
INNER_NM = OUTER_NM * FRACTION ** (1.0 / 3.0)
STRAIN = 1e-3
COARSE, FINE = 12, 24
# Young's modulus in GPa and Poisson's ratio.
SOFT, STIFF = (1.0, 0.3), (10.0, 0.2)


def bulk_and_shear(constants):
    modulus, poisson_ratio = constants
    return modulus / (3.0 * (1.0 - 2.0 * poisson_ratio)), modulus / (2.0 * (1.0 + poisson_ratio))


def elastic(name, constants):
    modulus, poisson_ratio = constants
    return Material(
        name, "elastic", {"youngs_modulus_gpa": modulus, "poisson_ratio": poisson_ratio}
    )


def of_moduli(bulk, shear):
    modulus = 9.0 * bulk * shear / (3.0 * bulk + shear)
    return modulus, (3.0 * bulk - 2.0 * shear) / (2.0 * (3.0 * bulk + shear))


def coated_sphere(core, coating):
    """Bulk modulus of the coated sphere, and strain of the core over that of the whole."""
    bulk_of_core, _ = bulk_and_shear(core)
    bulk, shear = bulk_and_shear(coating)
    contrast = 1.0 / (bulk_of_core - bulk)
    added = FRACTION / (contrast + 3.0 * (1.0 - FRACTION) / (3.0 * bulk + 4.0 * shear))
    return bulk + added, added * contrast / FRACTION


def write_cube(path, elements_around):
    """Cube with two concentric spheres in its middle, opposite faces meshed alike."""
    options = {
        "Mesh.ElementOrder": 2.0,
        "Mesh.HighOrderOptimize": 1.0,
        "Mesh.MeshSizeFromCurvature": float(elements_around),
        "Mesh.MeshSizeMax": 0.25 * EDGE_NM,
    }
    half = 0.5 * EDGE_NM
    with gmsh_session("coated sphere", options):
        cad = gmsh.model.occ
        cube = cad.addBox(-half, -half, -half, EDGE_NM, EDGE_NM, EDGE_NM)
        balls = [(3, cad.addSphere(0.0, 0.0, 0.0, radius)) for radius in (OUTER_NM, INNER_NM)]
        cad.fragment([(3, cube)], balls)
        cad.synchronize()
        reach = {
            volume: gmsh.model.getBoundingBox(3, volume)[3]
            for _, volume in gmsh.model.getEntities(3)
        }
        names = ("core", "coating", "surrounding")
        for name, volume in zip(names, sorted(reach, key=reach.__getitem__), strict=True):
            gmsh.model.addPhysicalGroup(3, [volume], name=name)
        for axis in range(3):
            low, high = np.full(3, -half), np.full(3, half)
            low[axis] = high[axis] = -half
            near = gmsh.model.getEntitiesInBoundingBox(*(low - 1e-3), *(high + 1e-3), 2)
            low[axis] = high[axis] = half
            far = gmsh.model.getEntitiesInBoundingBox(*(low - 1e-3), *(high + 1e-3), 2)
            shift = np.eye(4)
            shift[axis, 3] = EDGE_NM
            gmsh.model.mesh.setPeriodic(
                2, [tag for _, tag in far], [tag for _, tag in near], shift.ravel().tolist()
            )
        gmsh.model.mesh.generate(3)
        gmsh.write(str(path))


@pytest.fixture(scope="module")
def mesh_file(tmp_path_factory):
    """Builder of the file of a mesh with so many elements around each sphere, made once."""
    folder = tmp_path_factory.mktemp("coated_sphere")

    def build(elements_around):
        path = folder / f"{elements_around}.msh"
        if not path.exists():
            write_cube(path, elements_around)
        return path

    return build


@pytest.fixture
def strained(mesh_file, build_problem, build_path):
    """Builder of a cell under volumetric strain: its bulk modulus, and what its phases do."""

    def run(elements_around, boundary, core, coating, surrounding):
        mesh = read_mesh(mesh_file(elements_around), periodic=boundary == "periodic")
        assert mesh.order == 2
        constants = {"core": core, "coating": coating, "surrounding": surrounding}
        materials = {name: elastic(name, constants[name]) for name in mesh.phase_names}
        problem = build_problem(mesh, materials, "small", boundary)
        *_, row = problem.march(build_path(((1.0 + STRAIN) * np.eye(3), 1)))
        bulk = np.trace(row.first_piola_kirchhoff_stress) / (9.0 * STRAIN)
        in_core = np.trace(row.phases["core"].mean_cauchy_stress)
        strain_of_core = in_core / (9.0 * bulk_and_shear(core)[0] * STRAIN)

        fields = problem.snapshot()
        outside = fields.cell_data["phase"] == mesh.phase_names.index("surrounding")
        cells = fields.cells[outside]
        corners = fields.points[cells[:, :4]]
        volume = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
        stress = fields.cell_data["cauchy_stress [GPa]"][outside]
        alone = 3.0 * bulk_and_shear(surrounding)[0] * STRAIN
        squares = ((stress / alone - np.eye(3)) ** 2).sum(axis=(1, 2))
        # A periodic displacement is known up to a translation.
        nodes = np.unique(cells)
        moved = fields.point_data["displacement [nm]"][nodes] - STRAIN * fields.points[nodes]
        moved -= moved.mean(axis=0)
        return {
            "cells": len(mesh.cells),
            "bulk": bulk,
            "strain of core": strain_of_core,
            "stress outside": np.sqrt(np.average(squares, weights=volume)),
            "displacement outside": np.abs(moved).max() / (STRAIN * OUTER_NM),
        }

    return run


@pytest.mark.parametrize("boundary", ["periodic", "uniform-displacement"])
@pytest.mark.parametrize(
    ("core", "coating", "shear"),
    [(STIFF, SOFT, 0.05), (STIFF, SOFT, 5.0), (SOFT, STIFF, 1.0)],
    ids=["soft coating, soft surrounding", "soft coating, stiff surrounding", "stiff coating"],
)
def test_a_coated_sphere_is_neutral(core, coating, shear, boundary, strained):
    bulk, strain_of_core = coated_sphere(core, coating)
    # Soft outside is the lower of the bounds of Hashin and Shtrikman, stiff outside the upper one.
    bounds = elastic_bounds(
        [elastic("core", core), elastic("coating", coating)], [FRACTION, 1.0 - FRACTION]
    )
    if coating == SOFT:
        assert bulk == pytest.approx(bounds.hashin_shtrikman_lower_bulk_modulus_gpa, rel=1e-12)
    else:
        assert bulk == pytest.approx(bounds.hashin_shtrikman_upper_bulk_modulus_gpa, rel=1e-12)
    found = strained(COARSE, boundary, core, coating, of_moduli(bulk, shear))
    print(boundary, found, bulk, strain_of_core)
    # What is left is the error of quadratic elements in the coating, where the strain goes with
    # the third power of the radius: it falls with the size, as the next test shows.
    assert found["bulk"] == pytest.approx(bulk, rel=1e-3)
    assert found["strain of core"] == pytest.approx(strain_of_core, rel=1e-2)
    assert found["stress outside"] < 3e-3
    assert found["displacement outside"] < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize(("core", "coating"), [(STIFF, SOFT), (SOFT, STIFF)])
def test_half_the_size_brings_the_coated_sphere_nearer(core, coating, strained):
    bulk, strain_of_core = coated_sphere(core, coating)
    surrounding = of_moduli(bulk, 1.0)
    coarse, fine = (
        strained(count, "periodic", core, coating, surrounding) for count in (COARSE, FINE)
    )
    print(coarse, fine, bulk, strain_of_core)
    # Quadratic elements have an error of second order in the strain, and a smaller one of higher
    # order in the energy; half of each order is asked for, as the two meshes are not similar.
    assert abs(fine["bulk"] - bulk) < 0.25 * abs(coarse["bulk"] - bulk)
    assert fine["stress outside"] < 0.5 * coarse["stress outside"]
    assert fine["displacement outside"] < 0.5 * coarse["displacement outside"]
    assert fine["bulk"] == pytest.approx(bulk, rel=1e-4)
    assert fine["strain of core"] == pytest.approx(strain_of_core, rel=2e-3)


def test_another_surrounding_feels_the_coated_sphere(strained):
    """The surrounding a tenth too stiff: its strain is uneven by ten times what the mesh does."""
    bulk, _ = coated_sphere(STIFF, SOFT)
    right = strained(COARSE, "periodic", STIFF, SOFT, of_moduli(bulk, 1.0))
    wrong = strained(COARSE, "periodic", STIFF, SOFT, of_moduli(1.1 * bulk, 1.0))
    print(right, wrong)
    assert wrong["stress outside"] > 10.0 * right["stress outside"]
    assert abs(wrong["bulk"] / (1.1 * bulk) - 1.0) > 0.01


def test_the_curved_cells_of_one_material_pass_the_patch_test_nearly(strained):
    """Four points integrate the forces of a curved cell inexactly: how much that is.

    A uniform stress times the cofactor of the Jacobian is a cubic of the reference coordinates,
    the rule is of second degree. The energy feels the square of it.
    """
    bulk, _ = bulk_and_shear(SOFT)
    found = strained(COARSE, "periodic", SOFT, SOFT, SOFT)
    print(found)
    assert 1e-12 < found["stress outside"] < 1e-4
    assert found["bulk"] == pytest.approx(bulk, rel=1e-7)
