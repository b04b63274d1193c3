"""Composition over the distance from the surfaces of the crystals, as a profile and as a table."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from ngcfem.atomprobe.binomial_intervals import wilson_interval
from ngcfem.atomprobe.composition_profiles import CompositionProfile
from ngcfem.atomprobe.crystal_results import CrystalsFound
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.errors import Finding, InputError
from ngcfem.quantities import FloatArray, IntArray

CRYSTAL_PROFILE_NAME = "crystal_profile.csv"
_EDGES = ("low_nm", "high_nm")
_PREFIX = "atoms_"


def crystal_profile(
    ions: RangedIons, found: CrystalsFound, reach_nm: float = 3.0, bin_nm: float = 0.2
) -> CompositionProfile:
    """Count ions over their distance from the nearest crystal.

    Parameters
    ----------
    ions : RangedIons
        The specimen.
    found : CrystalsFound
        Its crystals.
    reach_nm : float
        Largest distance, inside and outside.
    bin_nm : float
        Width of the bins.

    Returns
    -------
    CompositionProfile
        Distances are negative inside the crystals and to first order; an ion between two crystals
        counts for the nearer one.
    """
    number = round(reach_nm / bin_nm)
    edges = bin_nm * np.arange(-number, number + 1, dtype=np.float64)
    nearest = np.full(len(ions), np.inf)
    tree = KDTree(ions.position_nm)
    for crystal in range(len(found)):
        reach = float(found.semi_axes_nm[crystal, 0]) + reach_nm
        near = np.array(tree.query_ball_point(found.centre_nm[crystal], reach), dtype=np.int64)
        distance = found.distance_nm(crystal, ions.position_nm[near].astype(np.float64))
        nearest[near] = np.minimum(nearest[near], distance)
    counted = np.flatnonzero((nearest >= edges[0]) & (nearest < edges[-1]))
    place = np.searchsorted(edges, nearest[counted], side="right") - 1
    n_ranges = len(ions.table.ranges)
    flat = ions.label[counted].astype(np.int64) * 2 * number + place
    counts = np.bincount(flat, minlength=n_ranges * 2 * number).reshape(n_ranges, 2 * number)
    return CompositionProfile(ions.table, edges, counts)


def profile_text(profile: CompositionProfile) -> str:
    """Write a profile as a table.

    Parameters
    ----------
    profile : CompositionProfile
        The profile.

    Returns
    -------
    str
        CSV: edges of the bins in nm, and atoms of each element.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*_EDGES, *(f"{_PREFIX}{name}" for name in profile.elements)])
    columns = [profile.atoms_of(name) for name in profile.elements]
    for row, (low, high) in enumerate(
        zip(profile.edges_nm[:-1], profile.edges_nm[1:], strict=True)
    ):
        writer.writerow([f"{low:.6g}", f"{high:.6g}", *(int(column[row]) for column in columns)])
    return stream.getvalue()


@dataclass(frozen=True, eq=False)
class ProfileTable:
    """A profile read back.

    Parameters
    ----------
    edges_nm : ndarray, shape (k + 1,)
        Edges of the bins.
    atoms : dict of str to ndarray, shape (k,)
        Atoms in each bin by element.
    """

    edges_nm: FloatArray
    atoms: dict[str, IntArray]

    @property
    def centres_nm(self) -> FloatArray:
        """Middles of the bins, shape (k,)."""
        return 0.5 * (self.edges_nm[1:] + self.edges_nm[:-1])

    def fraction(self, element: str) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Share of one element with the 95 % interval of counting.

        Parameters
        ----------
        element : str
            Symbol.

        Returns
        -------
        fraction : ndarray, shape (k,)
            Atomic fraction; not a number in empty bins.
        low : ndarray, shape (k,)
            Lower end of the interval.
        high : ndarray, shape (k,)
            Upper end.
        """
        total = np.sum(list(self.atoms.values()), axis=0).astype(np.float64)
        share = np.full(len(total), np.nan)
        none = np.zeros(len(total), dtype=np.int64)
        np.divide(self.atoms.get(element, none), total, out=share, where=total > 0.0)
        low, high = wilson_interval(share, total)
        return share, np.asarray(low), np.asarray(high)


def read_profile(path: Path) -> ProfileTable:
    """Read a profile that `profile_text` wrote.

    Parameters
    ----------
    path : Path
        CSV file.

    Returns
    -------
    ProfileTable
        The profile.

    Raises
    ------
    InputError
        If it is not such a table.
    """
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))
        names, values = rows[0], np.array(rows[1:], dtype=float)
        if tuple(names[:2]) != _EDGES or values.shape[1:] != (len(names),):
            raise ValueError("other columns")
        edges = np.concatenate([values[:, 0], values[-1:, 1]])
    except (OSError, ValueError, IndexError) as error:
        allowed = f"a table with the columns {', '.join(_EDGES)} and atoms of each element"
        remedy = "run `ngcfem apt` again"
        raise InputError([Finding(str(path), "file", str(error), allowed, remedy)]) from error
    atoms = {
        name.removeprefix(_PREFIX): values[:, column].astype(np.int64)
        for column, name in enumerate(names)
        if column > 1
    }
    return ProfileTable(edges, atoms)
