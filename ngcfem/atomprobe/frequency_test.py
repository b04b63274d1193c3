"""Binomial frequency test: whether blocks of ions vary more than random labels would let them."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln
from scipy.stats import chi2

from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.quantities import FloatArray, IntArray

_LEAST_EXPECTED = 5.0


@dataclass(frozen=True, eq=False)
class FrequencyTest:
    """How many blocks hold how many ions of an element.

    Parameters
    ----------
    element : str
        The element.
    ions_per_block : int
        Ions in a block.
    n_blocks : int
        Blocks.
    share : float
        Share of the ions of all blocks that hold the element.
    observed : ndarray of int, shape (n + 1,)
        Blocks that hold 0, 1, ... ions of the element.
    expected : ndarray, shape (n + 1,)
        The binomial distribution times the number of blocks.
    chi_square : float
        Sum of (observed - expected)^2 / expected over classes of at least five expected blocks.
    degrees_of_freedom : int
        Classes less two: the number of blocks and the share are those of the data.
    random_chi_square : ndarray, shape (r,)
        The same for random labellings.
    """

    element: str
    ions_per_block: int
    n_blocks: int
    share: float
    observed: IntArray
    expected: FloatArray
    chi_square: float
    degrees_of_freedom: int
    random_chi_square: FloatArray

    @property
    def pearson_coefficient(self) -> float:
        """Measure mu = sqrt(X^2 / (N + X^2)) from 0, random, to 1, wholly apart."""
        return float(np.sqrt(self.chi_square / (self.n_blocks + self.chi_square)))

    @property
    def random_pearson_coefficient(self) -> float:
        """Mean of mu over the random labellings: what chance alone gives."""
        random = self.random_chi_square
        return float(np.sqrt(random / (self.n_blocks + random)).mean())

    @property
    def p_value(self) -> float:
        """Probability of so large a chi-square in a random solution, by its distribution."""
        return float(chi2.sf(self.chi_square, self.degrees_of_freedom))

    @property
    def random_p_value(self) -> float:
        """Share of the random labellings that give as much; at least 1 / (r + 1)."""
        above = np.count_nonzero(self.random_chi_square >= self.chi_square)
        return float((1 + above) / (1 + len(self.random_chi_square)))


def frequency_test(
    ions: RangedIons,
    element: str,
    ions_per_block: int = 100,
    n_labellings: int = 99,
    seed: int = 0,
) -> FrequencyTest:
    """Test whether an element is spread at random.

    Parameters
    ----------
    ions : RangedIons
        The ions.
    element : str
        Symbol; a molecular ion that holds it counts once.
    ions_per_block : int
        Ions in a block.
    n_labellings : int
        Random labellings of the ions of the blocks.
    seed : int
        Seed of the labellings.

    Returns
    -------
    FrequencyTest
        Counts, chi-square and what random labels give.

    Raises
    ------
    ValueError
        If the ions do not fill ten blocks, or if fewer than three classes are left to compare.

    Notes
    -----
    The blocks are columns along z of about cubic cross-section, cut so that each holds the same
    number of ions; the rest of a column is left out. Classes are joined from both tails inwards
    until each expects five blocks.

    References
    ----------
    Moody, Stephenson, Ceguerra, Ringer (2008), Microscopy Research and Technique 71, 542,
    doi 10.1002/jemt.20582.
    """
    blocks = _blocks(ions, ions_per_block)
    if len(blocks) < 10:
        raise ValueError(f"{len(ions)} ions make fewer than ten blocks of {ions_per_block}")
    marked = (ions.atoms_of(element) > 0)[blocks]
    share = float(marked.mean())
    expected = len(blocks) * _binomial(ions_per_block, share)
    group, n_groups = _classes(expected)
    if n_groups < 3:
        raise ValueError(
            f"{element} ({100.0 * share:.3g} % of the ions) leaves fewer than three classes of "
            f"{len(blocks)} blocks of {ions_per_block} ions: take larger blocks"
        )
    joined = np.bincount(group, weights=expected, minlength=n_groups)

    def chi_square(in_block: IntArray) -> tuple[IntArray, float]:
        observed = np.bincount(in_block, minlength=ions_per_block + 1)
        found = np.bincount(group, weights=observed, minlength=n_groups)
        return observed, float(((found - joined) ** 2 / joined).sum())

    in_block = marked.sum(axis=1, dtype=np.int64)
    observed, measured = chi_square(in_block)
    generator = np.random.default_rng(seed)
    # What shuffled labels leave in each block, without shuffling them one by one.
    room, number = np.full(len(blocks), ions_per_block), int(in_block.sum())
    random = [
        chi_square(generator.multivariate_hypergeometric(room, number, method="marginals"))[1]
        for _ in range(n_labellings)
    ]
    return FrequencyTest(
        element,
        ions_per_block,
        len(blocks),
        share,
        observed,
        expected,
        measured,
        n_groups - 2,
        np.array(random),
    )


def _blocks(ions: RangedIons, size: int) -> IntArray:
    """Ions of each block, shape (n_blocks, size)."""
    place = ions.position_nm.astype(np.float64)
    if len(place) < size:
        return np.empty((0, size), dtype=np.int64)
    low = place.min(axis=0)
    extent = np.maximum(place.max(axis=0) - low, 1e-9)
    edge = (size * extent.prod() / len(place)) ** (1.0 / 3.0)
    number = np.maximum(np.round(extent[:2] / edge), 1.0).astype(np.int64)
    cell = np.minimum(((place[:, :2] - low[:2]) / extent[:2] * number).astype(np.int64), number - 1)
    column = cell[:, 0] * number[1] + cell[:, 1]
    order = np.lexsort((place[:, 2], column))
    counts = np.bincount(column, minlength=int(number.prod()))
    first = np.cumsum(counts) - counts
    rank = np.arange(len(order)) - np.repeat(first, counts)
    kept = rank < np.repeat(counts // size * size, counts)
    return order[kept].reshape(-1, size)


def _binomial(size: int, share: float) -> FloatArray:
    k = np.arange(size + 1)
    if share in (0.0, 1.0):
        return (k == round(size * share)).astype(np.float64)
    log = gammaln(size + 1) - gammaln(k + 1) - gammaln(size - k + 1)
    return np.exp(log + k * np.log(share) + (size - k) * np.log1p(-share))


def _classes(expected: FloatArray) -> tuple[IntArray, int]:
    """Class of each number of ions, tails joined until each class expects enough."""
    low, high = 0, len(expected) - 1
    while low < high and expected[: low + 1].sum() < _LEAST_EXPECTED:
        low += 1
    while high > low and expected[high:].sum() < _LEAST_EXPECTED:
        high -= 1
    return np.clip(np.arange(len(expected)), low, high) - low, high - low + 1
