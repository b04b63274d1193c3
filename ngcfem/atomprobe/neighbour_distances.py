"""Distances to the first, second, ... nearest neighbour of an element, against random labels."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import gammainc, gammaln

from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.quantities import FloatArray


@dataclass(frozen=True, eq=False)
class NeighbourDistances:
    """Distances between atoms of an element, in the specimen and with its labels shuffled.

    Parameters
    ----------
    element : str
        The element.
    n_ions : int
        Ions that hold it.
    n_taken : int
        Ions from which distances were taken, at most `largest_sample`.
    density_per_nm3 : float
        Ions that hold the element per volume of the specimen.
    mean_nm : ndarray, shape (k,)
        Mean distance to the neighbour of each order.
    random_mean_nm : ndarray, shape (r, k)
        The same for each random labelling.
    edges_nm : ndarray, shape (b + 1,)
        Edges of the bins.
    density : ndarray, shape (k, b)
        Share of the distances per nm.
    random_density : ndarray, shape (r, k, b)
        The same for each random labelling.
    """

    element: str
    n_ions: int
    n_taken: int
    density_per_nm3: float
    mean_nm: FloatArray
    random_mean_nm: FloatArray
    edges_nm: FloatArray
    density: FloatArray
    random_density: FloatArray

    @property
    def ratio(self) -> FloatArray:
        """Mean distance over that of random labels, shape (k,): below 1 where atoms cluster."""
        return self.mean_nm / self.random_mean_nm.mean(axis=0)

    @property
    def p_value(self) -> FloatArray:
        """Probability, shape (k,), that random labels give a mean that is as far off.

        Two-sided, of a Monte Carlo test: with r labellings none is below 1 / (r + 1).
        """
        middle = self.random_mean_nm.mean(axis=0)
        off = np.abs(self.random_mean_nm - middle) >= np.abs(self.mean_nm - middle)
        return (1.0 + off.sum(axis=0, dtype=np.float64)) / (1.0 + len(off))


def neighbour_distances(
    ions: RangedIons,
    element: str,
    volume_nm3: float,
    n_orders: int = 5,
    n_labellings: int = 49,
    bin_nm: float = 0.05,
    largest_sample: int = 20_000,
    seed: int = 0,
) -> NeighbourDistances:
    """Compare distances between atoms of an element with those under random labels.

    Parameters
    ----------
    ions : RangedIons
        The ions.
    element : str
        Symbol; a molecular ion that holds it counts once.
    volume_nm3 : float
        Volume of the specimen.
    n_orders : int
        Neighbours looked at, from the first on.
    n_labellings : int
        Random labellings.
    bin_nm : float
        Width of the bins.
    largest_sample : int
        Ions from which distances are taken, at most; all ions remain as their neighbours.
    seed : int
        Seed of labellings and sample.

    Returns
    -------
    NeighbourDistances
        Distances of the specimen and of the labellings.

    Raises
    ------
    ValueError
        If there are not more ions with the element than orders.

    Notes
    -----
    A random labelling takes as many of the places of all ions, so that the shape of the specimen,
    its edges and its uneven density are the same for both.

    References
    ----------
    Stephenson, Moody, Liddicoat, Ringer (2007), Microscopy and Microanalysis 13, 448,
    doi 10.1017/S1431927607070900.
    """
    places = np.flatnonzero(ions.atoms_of(element) > 0)
    if len(places) <= n_orders:
        raise ValueError(
            f"{len(places)} ions of {element} are too few for {n_orders} nearest neighbours"
        )
    generator = np.random.default_rng(seed)

    def distances(chosen: np.ndarray) -> FloatArray:
        points = ions.position_nm[chosen].astype(np.float64)
        taken = points
        if len(points) > largest_sample:
            taken = points[generator.choice(len(points), largest_sample, replace=False)]
        # A tree that is quick to build: it is asked only once, and by few of its points.
        tree = cKDTree(points, balanced_tree=False, compact_nodes=False)
        found, _ = tree.query(taken, k=n_orders + 1)
        return found[:, 1:]

    measured = distances(places)
    random = [
        distances(generator.choice(len(ions), len(places), replace=False))
        for _ in range(n_labellings)
    ]
    # The far tail of a few isolated atoms would make thousands of empty bins.
    largest = max(float(np.quantile(each[:, -1], 0.999)) for each in (measured, *random))
    edges: FloatArray = np.arange(np.ceil(largest / bin_nm) + 1.0) * bin_nm

    def density(found: FloatArray) -> FloatArray:
        counts = [np.histogram(column, edges)[0] for column in found.T]
        return np.array(counts) / (len(found) * bin_nm)

    return NeighbourDistances(
        element,
        len(places),
        len(measured),
        len(places) / volume_nm3,
        measured.mean(axis=0),
        np.array([each.mean(axis=0) for each in random]),
        edges,
        density(measured),
        np.array([density(each) for each in random]),
    )


def random_solution_density(
    distance_nm: FloatArray, density_per_nm3: float, order: int
) -> FloatArray:
    """Density of the distance to the nearest neighbours in an endless random solution.

    Parameters
    ----------
    distance_nm : ndarray, shape (n,)
        Distances.
    density_per_nm3 : float
        Atoms per volume.
    order : int
        Which neighbour, from 1 on.

    Returns
    -------
    ndarray, shape (n,)
        Share of the distances per nm.

    Notes
    -----
    With m = 4/3 pi rho r^3 atoms in a sphere of radius r, Poisson-distributed,
    p_k(r) = 3 m^k exp(-m) / (r (k - 1)!).

    References
    ----------
    Stephenson, Moody, Liddicoat, Ringer (2007), Microscopy and Microanalysis 13, 448,
    doi 10.1017/S1431927607070900.
    """
    r = np.maximum(np.asarray(distance_nm, dtype=np.float64), 1e-12)
    expected = 4.0 / 3.0 * np.pi * density_per_nm3 * r**3
    return 3.0 / r * np.exp(order * np.log(expected) - expected - gammaln(order))


def random_solution_share(
    distance_nm: FloatArray, density_per_nm3: float, order: int
) -> FloatArray:
    """Share of the nearest neighbours within a distance in an endless random solution.

    Parameters
    ----------
    distance_nm : ndarray, shape (n,)
        Distances.
    density_per_nm3 : float
        Atoms per volume.
    order : int
        Which neighbour, from 1 on.

    Returns
    -------
    ndarray, shape (n,)
        The distribution function: the regularized incomplete gamma function P(k, m) with
        m = 4/3 pi rho r^3.
    """
    return gammainc(order, 4.0 / 3.0 * np.pi * density_per_nm3 * np.asarray(distance_nm) ** 3)
