"""Translation of cases into domain objects."""

import numpy as np
import pytest

from ngcfem.case.build import (
    build_cell,
    build_load_path,
    build_materials,
    build_mesh,
    build_pillar_data,
    build_solver_options,
    check_phases_of_mesh,
)
from ngcfem.errors import InputError
from ngcfem.mesh.periodic_mesh import PeriodicMesh

UNIAXIAL = 'kind = "uniaxial-stress"\ntrue_strain = -0.1\n'


def mixed(segments: str) -> tuple[str, str]:
    return UNIAXIAL, f'kind = "mixed"\naxis = "x"\n{segments}'


def test_uniaxial_path_hits_the_strains(load):
    path = build_load_path(
        load(("true_strain = -0.1", "true_strain = [-0.1, -0.05]\nincrements = [10, 5]"))
    )
    assert path.increments == 15
    end = path.at(10.0, np.eye(3), np.zeros((3, 3)))
    assert end.deformation_gradient[2, 2] == pytest.approx(np.exp(-0.1), rel=1e-15)
    assert end.time_s == pytest.approx(100.0)
    last = path.at(15.0, np.diag([1.0, 1.0, np.exp(-0.1)]), np.zeros((3, 3)))
    assert last.deformation_gradient[2, 2] == pytest.approx(np.exp(-0.05), rel=1e-15)
    assert last.time_s == pytest.approx(150.0)


def test_mixed_path_keeps_rows_and_free_entries(load):
    path = build_load_path(
        load(
            mixed(
                "[[load.segment]]\nduration_s = 4.0\nincrements = 8\n"
                'deformation_gradient = [[1.25, 0.1, 0], [0.3, 0.8, 0], [0, 0, "free"]]\n'
                'first_piola_kirchhoff_stress_gpa = [["free", 0, 0], [0, 0, 0], [0, 0, -2.0]]\n'
            )
        )
    )
    assert path.axis == "x"
    state = path.at(8.0, np.eye(3), np.zeros((3, 3)))
    assert state.deformation_gradient.tolist() == [[1.25, 0.1, 0], [0.3, 0.8, 0], [0, 0, 0]]
    assert state.first_piola_kirchhoff_stress.tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, -2.0]]
    assert state.prescribed.sum() == 8
    assert not state.prescribed[2, 2]
    half = path.at(4.0, np.eye(3), np.zeros((3, 3)))
    assert half.first_piola_kirchhoff_stress[2, 2] == -1.0
    assert half.time_s == 2.0


def test_materials_carry_the_parameters(load):
    material = build_materials(load())["grain"]
    assert (material.phase, material.law) == ("grain", "j2")
    assert material.parameters["yield_strength_gpa"] == 2.5


def test_solver_options_carry_every_key(load):
    options = build_solver_options(
        load(
            (
                "[load]",
                "[solver]\ngrow = true\nviscosity_gpa_s = 0.05\n[solver.petsc]\n"
                "mg_levels_ksp_max_it = 3\nmg_coarse_pc_gamg_aggressive_square_graph = true\n"
                "[load]",
            )
        )
    )
    assert options.grow is True
    assert options.viscosity_gpa_s == 0.05
    assert options.petsc == {
        "mg_levels_ksp_max_it": "3",
        "mg_coarse_pc_gamg_aggressive_square_graph": "true",
    }


def test_cells_without_statistics(load):
    cell = build_cell(load())
    assert cell is not None
    assert cell.volume_nm3 == pytest.approx(1000.0)
    laminate = build_cell(
        load(
            (
                'kind = "homogeneous"\nphase = "grain"\n',
                'kind = "laminate"\nnormal = "y"\ncell_nm = [4.0, 5.0, 6.0]\n'
                'layers = [{ phase = "grain", fraction = 1.0 }]\n',
            )
        )
    )
    assert laminate is not None
    assert laminate.layer_axis == 1
    assert np.diag(laminate.lattice).tolist() == [4.0, 5.0, 6.0]
    sphere_phases = ('name = "grain"', 'name = "matrix"')
    inclusion = (
        "[load]",
        '[[phase]]\nname = "inclusion"\nlaw = "elastic"\n'
        "parameters = { youngs_modulus_gpa = 204, poisson_ratio = 0.29 }\n[load]",
    )
    sphere = build_cell(
        load(
            ('kind = "homogeneous"\nphase = "grain"\n', 'kind = "sphere"\nfraction = 0.2\n'),
            sphere_phases,
            inclusion,
        )
    )
    assert sphere is not None
    assert sphere.inclusions[0].volume_nm3 == pytest.approx(200.0)


def test_generated_mesh_has_the_phases_of_the_case(load):
    case = load()
    mesh = build_mesh(case, build_cell(case))
    assert mesh.phase_names == ("grain",)
    assert mesh.periodic


def two_phase_mesh(names: tuple[str, ...]) -> PeriodicMesh:
    """Make a mesh of two cells in the first two phases; only the phases matter here."""
    return PeriodicMesh(
        points=np.zeros((4, 3)),
        cells=np.array([[0, 1, 2, 3], [0, 1, 2, 3]]),
        torus_node=np.arange(4),
        lattice=np.eye(3),
        periodic=False,
        phase=np.array([0, 1], dtype=np.int32),
        phase_names=names,
        grain=np.array([-1, -1], dtype=np.int32),
    )


def test_phases_of_mesh_and_case_must_agree(load):
    with pytest.raises(InputError) as caught:
        check_phases_of_mesh(load(), two_phase_mesh(("matrix", "inclusion", "grain")))
    keys = [finding.key for finding in caught.value.findings]
    assert keys == ["phase", "phase", "phase[0].name"]


def test_no_pillar_data_without_compare(load):
    assert build_pillar_data(load()) is None


def test_user_mesh_of_another_order_is_refused(load, tmp_path):
    from ngcfem.mesh.generation import generate_mesh
    from ngcfem.mesh.writing import write_mesh

    plain = load()
    cell = build_cell(plain)
    assert cell is not None
    write_mesh(generate_mesh(cell, 3.0, use_cache=False), tmp_path / "x.msh")
    user = (
        'kind = "homogeneous"\nphase = "grain"\n\n[mesh]\nsize_nm = 3.0\n',
        'kind = "mesh"\n\n[mesh]\nfile = "x.msh"\norder = ORDER\n',
    )
    case = load((user[0], user[1].replace("ORDER", "1")))
    mesh = build_mesh(case, build_cell(case))
    assert mesh.order == 1
    assert mesh.cell_volume_nm3 == pytest.approx(1000.0)
    with pytest.raises(InputError, match="of order 1"):
        build_mesh(load((user[0], user[1].replace("ORDER", "2"))), None)
    with pytest.raises(InputError, match="does not have"):
        load((user[0], user[1].replace("order = ORDER\n", "")), ('name = "grain"', 'name = "x"'))
