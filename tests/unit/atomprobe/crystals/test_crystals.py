"""Crystals of known size are found, and fitted without bias."""

import numpy as np
import pytest

from ngcfem.atomprobe.composition_field import composition_field
from ngcfem.atomprobe.crystal_matching import TrueCrystals, match_crystals
from ngcfem.atomprobe.crystals import CrystalParameters, find_crystals


@pytest.fixture(scope="module")
def recovered(specimen_of):
    specimen = specimen_of(2, box=(24.0, 24.0, 24.0), variation=0.1)
    chosen = CrystalParameters()
    field = composition_field(specimen.ions, chosen.voxel_nm, chosen.kernel_sigma_nm)
    found = find_crystals(specimen.ions, field, chosen)
    truth = TrueCrystals(specimen.centre_nm, specimen.semi_axes_nm, specimen.capped)
    return specimen, found, match_crystals(found, truth)


def test_crystals_are_found_and_nothing_else(recovered):
    _, _, match = recovered
    assert match.n_true >= 15
    assert match.recall >= 0.85
    assert match.precision >= 0.9


def test_radii_have_no_bias(recovered):
    _, found, match = recovered
    # the mean of m radii, each with a standard error of about 3 %
    errors = found.radius_error_nm[match.found] / found.radius_nm[match.found]
    standard = float(np.sqrt(np.sum(errors**2))) / len(errors)
    assert abs(match.radius_bias) < 0.02 + 3.0 * standard
    assert match.radius_covered.mean() >= 0.85
