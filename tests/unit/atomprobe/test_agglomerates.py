"""Groups of crystals that touch, of ellipsoids at known distances."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from ngcfem.atomprobe.agglomerates import agglomerate_size, agglomerates
from ngcfem.atomprobe.crystal_results import CrystalsFound
from ngcfem.atomprobe.ellipsoids import surface_distance_nm


def crystals(
    centres: list[list[float]], axes: list[list[float]], inside: list[bool] | None = None
) -> CrystalsFound:
    """Stand for the part of the crystals found that counts here."""

    class Stand(SimpleNamespace):
        def __len__(self) -> int:
            return len(centres)

        def distance_nm(self, crystal: int, position_nm: np.ndarray) -> np.ndarray:
            return surface_distance_nm(
                position_nm,
                np.array(centres[crystal]),
                np.array(axes[crystal]),
                np.eye(3),
            )

    stand = Stand(
        centre_nm=np.array(centres),
        semi_axes_nm=np.array(axes),
        rotation=np.tile(np.eye(3), (len(centres), 1, 1)),
        centre_inside=np.array(inside or [True] * len(centres)),
    )
    return cast(CrystalsFound, stand)


def test_needles_touch_along_their_axis_only() -> None:
    # needles of the half-axes 3, 1, 1 along x
    needle = [3.0, 1.0, 1.0]
    found = crystals(
        [[0.0, 0.0, 0.0], [6.3, 0.0, 0.0], [12.8, 0.0, 0.0], [0.0, 2.7, 0.0]], [needle] * 4
    )
    # gaps 0.3, 0.5 and 0.7 nm; points on the surface are 0.3 nm apart: 0.05 nm at these curvatures
    assert agglomerates(found, 0.42).tolist() == [0, 0, 1, 2]
    assert agglomerates(found, 0.6).tolist() == [0, 0, 0, 1]
    assert agglomerates(found, 0.8).tolist() == [0, 0, 0, 0]


def test_mean_size_of_groups_inside() -> None:
    ball = [1.0, 1.0, 1.0]
    found = crystals(
        [[0.0, 0.0, 0.0], [2.2, 0.0, 0.0], [10.0, 0.0, 0.0], [20.0, 0.0, 0.0]],
        [ball] * 4,
        [True, False, True, False],
    )
    size = agglomerate_size(found, 0.5)
    assert size is not None
    assert size.value == pytest.approx(1.5)
    assert (size.lo95, size.hi95, size.n) == (1.0, 2.0, 2)
    assert agglomerate_size(crystals([], []), 0.5) is None
