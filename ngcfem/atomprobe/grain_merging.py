"""Making one of basins between which the raw ions show no layer."""

import heapq
from dataclasses import dataclass

import numpy as np

from ngcfem.quantities import FloatArray, Int32Array, IntArray


@dataclass(frozen=True, eq=False)
class Contacts:
    """What is known of the boundaries between basins.

    Parameters
    ----------
    pair : ndarray, shape (k, 2)
        Labels of the basins that touch, each pair once.
    evidence : ndarray, shape (k,)
        Logarithm of the likelihood of the ions with a layer there over that without.
    area_nm2 : ndarray, shape (k,)
        Area.
    """

    pair: IntArray
    evidence: FloatArray
    area_nm2: FloatArray


def merge_basins(
    contacts: Contacts,
    volume_nm3: FloatArray,
    least_per_area: float,
    smallest_nm3: float,
    least_area_nm2: float,
) -> Int32Array:
    """Merge basins, those with the least reason to be apart first.

    Parameters
    ----------
    contacts : Contacts
        The boundaries.
    volume_nm3 : ndarray, shape (n,)
        Volume of each label; that of label 0 does not count.
    least_per_area : float
        Evidence per nm^2 that keeps two basins apart.
    smallest_nm3 : float
        Basins below this volume go to the neighbour to which the boundary has the least evidence.
    least_area_nm2 : float
        A smaller contact is no reason to merge.

    Returns
    -------
    ndarray, shape (n,)
        New label of each old one, consecutive; 0 stays 0.

    Notes
    -----
    Evidence and areas of boundaries towards the same neighbour add up. Small contacts rest
    on too few ions to tell, and what touches there alone is apart.
    """
    beside: list[dict[int, tuple[float, float]]] = [{} for _ in volume_nm3]
    for (a, b), evidence, area in zip(
        contacts.pair.tolist(), contacts.evidence.tolist(), contacts.area_nm2.tolist(), strict=True
    ):
        beside[a][b] = beside[b][a] = (evidence, area)
    volume = volume_nm3.copy()
    parent = np.arange(len(volume))

    def reason(held: tuple[float, float]) -> float:
        return held[0] - least_per_area * held[1] if held[1] >= least_area_nm2 else 0.0

    queue = [
        (reason(held), a, b) for a, row in enumerate(beside) for b, held in row.items() if a < b
    ]
    heapq.heapify(queue)

    def join(a: int, b: int) -> None:
        parent[b] = a
        volume[a] += volume[b]
        volume[b] = 0.0
        beside[a].pop(b, None)
        for other, held in beside[b].items():
            if other == a:
                continue
            had = beside[a].get(other, (0.0, 0.0))
            beside[a][other] = beside[other][a] = (had[0] + held[0], had[1] + held[1])
            del beside[other][b]
            heapq.heappush(queue, (reason(beside[a][other]), min(a, other), max(a, other)))
        beside[b] = {}

    while queue and queue[0][0] < 0.0:
        value, a, b = heapq.heappop(queue)
        if b in beside[a] and reason(beside[a][b]) == value:
            join(a, b)
    for small in np.argsort(volume).tolist():
        if 0.0 < volume[small] < smallest_nm3 and beside[small]:
            join(min(beside[small], key=lambda other: reason(beside[small][other])), small)
    while np.any(parent != parent[parent]):
        parent = parent[parent]
    kept = np.unique(parent[1:])
    order = np.zeros(len(parent), dtype=np.int32)
    order[kept] = np.arange(1, len(kept) + 1)
    label = order[parent]
    label[0] = 0
    return label
