import subprocess
import sys

import pytest

from ngcfem.constitutive.material import Material
from ngcfem.errors import InputError

J2 = {"youngs_modulus_gpa": 140.0, "poisson_ratio": 0.33, "yield_strength_gpa": 2.7}


def test_defaults_are_filled_in():
    material = Material("grain", "j2", {**J2, "softening_gpa": 0.2, "softening_strain": 0.05})
    assert material.resolved["hardening_modulus_gpa"] == 0.0
    assert material.resolved["softening_gpa"] == 0.2
    assert material.softens
    assert not Material("grain", "j2", J2).softens


def test_wrong_parameters_are_refused_with_every_finding():
    with pytest.raises(InputError) as caught:
        Material("grain", "j2", {"youngs_modulus_gpa": 0.0, "poison_ratio": 0.3})
    assert len(caught.value.findings) == 4
    assert all(finding.file == "material grain" for finding in caught.value.findings)


def test_materials_need_no_numerical_library():
    code = (
        "import sys\n"
        "import ngcfem.constitutive.material\n"
        "loaded = {'jax', 'numpy', 'scipy'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(loaded)) or 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
