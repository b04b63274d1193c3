"""Crystals that were found against crystals that are known to be there."""

from dataclasses import dataclass

import numpy as np

from ngcfem.atomprobe.crystal_results import CrystalsFound, inside_specimen
from ngcfem.quantities import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class TrueCrystals:
    """Crystals that are known.

    Parameters
    ----------
    centre_nm : ndarray, shape (k, 3)
        Centres, in the frame of the specimen; also those outside it that reach into it.
    semi_axes_nm : ndarray, shape (k, 3)
        Semi-axes in any order.
    capped : ndarray of bool, shape (k,)
        Which carry a Sc-rich cap.
    """

    centre_nm: FloatArray
    semi_axes_nm: FloatArray
    capped: BoolArray

    @property
    def radius_nm(self) -> FloatArray:
        """Radii of the spheres of the same volume, shape (k,)."""
        return np.cbrt(np.prod(self.semi_axes_nm, axis=1))

    @property
    def aspect_ratio(self) -> FloatArray:
        """Longest over shortest axis, shape (k,)."""
        return self.semi_axes_nm.max(axis=1) / self.semi_axes_nm.min(axis=1)


@dataclass(frozen=True, eq=False)
class CrystalMatch:
    """What became of the known crystals.

    Parameters
    ----------
    found, true : ndarray, shape (m,)
        Places of the matched crystals among those found and those known.
    n_true : int
        Known crystals large enough to be asked for, with their centre in the specimen.
    n_true_found : int
        Those of them that were found.
    n_found : int
        Crystals found with their centre in the specimen.
    n_found_true : int
        Those of them that are there.
    radius_ratio : ndarray, shape (m,)
        Radius found over the true one.
    aspect_ratio_ratio : ndarray, shape (m,)
        Aspect ratio found over the true one.
    radius_covered : ndarray of bool, shape (m,)
        Whether the 95 % interval of the radius holds the true one.
    cap_found_rate, cap_false_rate : float
        Share of the capped crystals found with a cap, and of those without found with one; nan if
        there are none.
    """

    found: IntArray
    true: IntArray
    n_true: int
    n_true_found: int
    n_found: int
    n_found_true: int
    radius_ratio: FloatArray
    aspect_ratio_ratio: FloatArray
    radius_covered: BoolArray
    cap_found_rate: float
    cap_false_rate: float

    @property
    def recall(self) -> float:
        """Share of the known crystals that were found; nan if none are known."""
        return self.n_true_found / self.n_true if self.n_true else np.nan

    @property
    def precision(self) -> float:
        """Share of the crystals found that are there; nan if none were found."""
        return self.n_found_true / self.n_found if self.n_found else np.nan

    @property
    def radius_bias(self) -> float:
        """Mean relative error of the radius; nan if nothing matches."""
        return float(np.mean(self.radius_ratio)) - 1.0 if len(self.radius_ratio) else np.nan


def match_crystals(
    found: CrystalsFound, truth: TrueCrystals, least_radius_nm: float = 0.0
) -> CrystalMatch:
    """Compare crystals found with known ones.

    Parameters
    ----------
    found : CrystalsFound
        What was found.
    truth : TrueCrystals
        What is there.
    least_radius_nm : float
        Known crystals under this radius need not be found; found ones that match them are right.

    Returns
    -------
    CrystalMatch
        Recall, precision and errors; radii, aspect ratios and caps of whole crystals alone.

    Notes
    -----
    Pairs are made one to one, the nearest in units of the true radius first, and only where the
    centre that was found lies within the sphere of the true volume. Recall and precision count
    crystals whose centre, the true or the found one, lies in the specimen.
    """
    true_radius = truth.radius_nm
    pairs = _pairs(found.centre_nm, truth.centre_nm, true_radius)
    of_found = np.array([pair[0] for pair in pairs], dtype=np.int64)
    of_true = np.array([pair[1] for pair in pairs], dtype=np.int64)
    asked = inside_specimen(found.grid, found.inside, truth.centre_nm)
    asked &= true_radius >= least_radius_nm
    right = np.zeros(len(found), dtype=bool)
    right[of_found] = True
    reached = np.zeros(len(true_radius), dtype=bool)
    reached[of_true] = True
    counted = found.centre_inside
    whole = ~found.cut[of_found] & (true_radius[of_true] >= least_radius_nm)
    of_found, of_true = of_found[whole], of_true[whole]
    ratio = found.radius_nm[of_found] / true_radius[of_true]
    low, high = found.radius_interval_nm[of_found].T
    capped, seen = truth.capped[of_true], found.capped[of_found]
    return CrystalMatch(
        found=of_found,
        true=of_true,
        n_true=int(asked.sum()),
        n_true_found=int((asked & reached).sum()),
        n_found=int(counted.sum()),
        n_found_true=int((counted & right).sum()),
        radius_ratio=ratio,
        aspect_ratio_ratio=found.aspect_ratio[of_found] / truth.aspect_ratio[of_true],
        radius_covered=(low <= true_radius[of_true]) & (true_radius[of_true] <= high),
        cap_found_rate=float(seen[capped].mean()) if capped.any() else np.nan,
        cap_false_rate=float(seen[~capped].mean()) if (~capped).any() else np.nan,
    )


def _pairs(
    found_nm: FloatArray, true_nm: FloatArray, radius_nm: FloatArray
) -> list[tuple[int, int]]:
    if not len(found_nm) or not len(true_nm):
        return []
    apart = np.linalg.norm(found_nm[:, None] - true_nm[None], axis=2) / radius_nm[None]
    pairs = []
    while True:
        one, other = np.unravel_index(int(np.argmin(apart)), apart.shape)
        if not apart[one, other] < 1.0:
            return pairs
        pairs.append((int(one), int(other)))
        apart[one, :] = np.inf
        apart[:, other] = np.inf
