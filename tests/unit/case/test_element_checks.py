"""The displacement element against the laws of a case."""

import pytest
from typer.testing import CliRunner

from ngcfem.cli.main import app

CASE = """\
schema_version = 1
title = "Sphere"
seed = 1
[microstructure]
kind = "sphere"
fraction = 0.2
[mesh]
size_nm = 4.0
[[phase]]
name = "matrix"
law = "{law}"
[phase.parameters]
youngs_modulus_gpa = 100.0
poisson_ratio = 0.33
yield_strength_gpa = 1.5
softening_gpa = 0.2
softening_strain = 0.05
characteristic_length_nm = {length}
{more}
[[phase]]
name = "inclusion"
law = "elastic"
parameters = {{ youngs_modulus_gpa = 204.0, poisson_ratio = 0.29 }}
[load]
boundary = "periodic"
kinematics = "finite"
kind = "uniaxial-stress"
true_strain = -0.06
increments = 5
[solver]
element = "{element}"
mesh_dependent = true
"""
FRICTION = "friction_coefficient = 0.12"


@pytest.mark.parametrize(
    ("law", "more", "length", "element", "refused"),
    [
        ("drucker-prager", FRICTION, 3.0, "p2-nodal", True),
        ("drucker-prager", FRICTION, 0.0, "p2-nodal", False),
        ("drucker-prager", FRICTION, 3.0, "p2", False),
        ("j2", "", 3.0, "p2-nodal", False),
    ],
)
def test_an_internal_length_needs_a_law_that_sees_no_volume(
    law, more, length, element, refused, tmp_path
):
    path = tmp_path / "case.toml"
    path.write_text(CASE.format(law=law, more=more, length=length, element=element))
    result = CliRunner().invoke(app, ["validate", str(path)])
    if not refused:
        assert (result.exit_code, result.stderr) == (0, "")
        return
    assert result.exit_code == 2
    for word in ("solver.element", 'phase "matrix"', "drucker-prager", 'element = "p2"'):
        assert word in result.stderr
