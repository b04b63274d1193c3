"""Specimens of known truth: Laguerre grains, flat interfaces, crystals with caps."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from ngcfem.atomprobe.ions import Ion
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.atomprobe.ranging import RangeTable

DENSITY = 85.0


def ranged(position: np.ndarray, species: np.ndarray) -> RangedIons:
    """Make ions of species 0 Fe, 1 Sc, 2 H."""
    masses = {"Fe": (27.9, 28.1), "Sc": (22.4, 22.6), "H": (0.9, 1.1)}
    table = RangeTable.of([MassRange(*masses[name], Ion.of({name: 1})) for name in masses])
    order = [next(iter(dict(entry.ion.elements))) for entry in table.ranges]
    label = np.array([order.index(name) for name in masses], dtype=np.int16)[species]
    return RangedIons(table, np.asarray(position, dtype=np.float32), label)


def species_of(generator: np.random.Generator, sc: np.ndarray, h: np.ndarray) -> np.ndarray:
    draw = generator.random(len(sc))
    return np.where(draw < sc, 1, np.where(draw < sc + h, 2, 0))


class Laguerre:
    """Cells of the power distance |x - s|^2 - w."""

    def __init__(self, sites: np.ndarray, weights: np.ndarray) -> None:
        self.sites, self.weights = sites, weights
        self.lifted = np.column_stack([sites, np.sqrt(weights.max() - weights)])
        self.tree = cKDTree(self.lifted)

    def locate(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cell of each point, and its distance to the nearest face of that cell."""
        cell = np.empty(len(x), dtype=np.int64)
        distance = np.empty(len(x))
        for start in range(0, len(x), 200_000):
            part = x[start : start + 200_000]
            power, near = self.tree.query(np.column_stack([part, np.zeros(len(part))]), k=14)
            apart = np.linalg.norm(self.sites[near[:, 1:]] - self.sites[near[:, :1]], axis=2)
            faces = (power[:, 1:] ** 2 - power[:, :1] ** 2) / (2.0 * apart)
            cell[start : start + 200_000] = near[:, 0]
            distance[start : start + 200_000] = faces.min(axis=1)
        return cell, distance


def relaxed_sites(
    generator: np.random.Generator, box: np.ndarray, diameter: float, variation: float
) -> Laguerre:
    """Place seeds in a box widened by two grains on each side, relaxed by Lloyd's steps."""
    wide = box + 4.0 * diameter
    number = round(float(np.prod(wide)) / (np.pi / 6.0 * diameter**3 * (1.0 + 3.0 * variation**2)))
    sites = generator.uniform(0.0, 1.0, (number, 3)) * wide
    weights = (0.5 * diameter * np.exp(generator.normal(0.0, variation, number))) ** 2
    points = generator.uniform(0.0, 1.0, (60 * number, 3)) * wide
    for _ in range(12):
        tree = cKDTree(np.column_stack([sites, np.sqrt(weights.max() - weights)]))
        cell = tree.query(np.column_stack([points, np.zeros(len(points))]))[1]
        count = np.bincount(cell, minlength=number)
        for axis in range(3):
            mean = np.bincount(cell, points[:, axis], number) / np.maximum(count, 1)
            sites[:, axis] = np.where(count > 0, mean, sites[:, axis])
    return Laguerre(sites - 2.0 * diameter, weights)


def make_specimen(
    seed: int = 0,
    box: tuple[float, float, float] = (30.0, 30.0, 36.0),
    diameter: float = 10.0,
    variation: float = 0.15,
    thickness: float = 1.0,
    matrix_sc: float = 0.08,
    interface_sc: float = 0.22,
    interface_h: float = 0.02,
    efficiency: float = 0.52,
    blur: tuple[float, float, float] = (0.25, 0.25, 0.08),
    n_crystals: int = 12,
    crystal_radius: float = 2.0,
) -> SimpleNamespace:
    generator = np.random.default_rng(seed)
    size = np.array(box)
    grains = relaxed_sites(generator, size, diameter, variation)
    number = generator.poisson(np.prod(size + 2.0) * DENSITY * efficiency)
    x = generator.uniform(0.0, 1.0, (number, 3)) * (size + 2.0) - 1.0
    cell, distance = grains.locate(x)
    region = np.where(distance < 0.5 * thickness, 3, 4)
    crystals = []
    for _ in range(4000):
        if len(crystals) == n_crystals:
            break
        centre = generator.uniform(0.0, 1.0, 3) * size
        apart = [np.linalg.norm(centre - other[0]) for other in crystals]
        room = grains.locate(centre[None])[1][0] - crystal_radius - 0.5 * thickness
        if room > 0.2 and min(apart, default=np.inf) > 2.0 * crystal_radius + 2.0:
            axis = generator.normal(size=3)
            crystals.append((centre, axis / np.linalg.norm(axis)))
    truth_parts = np.zeros(len(x), dtype=np.int64)

    def parts(points: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """1 in a crystal, 2 in its cap, 0 elsewhere."""
        label = np.zeros(len(points), dtype=np.int64)
        for centre, axis in crystals:
            away = points - centre
            length = np.linalg.norm(away, axis=1)
            cosine = away @ axis / np.maximum(length, 1e-9)
            cap = (length < crystal_radius + 0.8 + margin) & (cosine > 0.5 - 0.3 * margin)
            label[cap & (label == 0)] = 2
            label[length < crystal_radius + margin] = 1
        return label

    truth_parts = parts(x)
    region = np.where((truth_parts == 2) & (region == 4), 2, region)
    region = np.where(truth_parts == 1, 1, region)
    sc = np.array([0.0, 0.003, 0.30, interface_sc, matrix_sc])
    hydrogen = np.array([0.0, 0.0, 0.0, interface_h, 0.0])
    # Atoms of Sc, Fe and H take 0.02497, 0.01178 and 0.0029 nm^3: rich regions hold fewer.
    room = 1.0 + sc * (0.02497 / 0.01178 - 1.0) + hydrogen * (0.0029 / 0.01178 - 1.0)
    present = generator.random(len(x)) < (1.0 / room)[region]
    x, region, truth_parts = x[present], region[present], truth_parts[present]
    cell, distance = cell[present], distance[present]
    sc, hydrogen = sc[region], hydrogen[region]
    species = species_of(generator, sc, hydrogen)
    moved = x + generator.normal(size=x.shape) * np.array(blur)
    keep = np.all((moved > 0.0) & (moved < size), axis=1)
    points = generator.uniform(0.0, 1.0, (1_000_000, 3)) * size
    _, away = grains.locate(points)
    near = away < 0.1
    wide = generator.uniform(0.0, 1.0, (1_000_000, 3)) * (size + 2.4 * diameter) - 1.2 * diameter
    all_cells = np.bincount(grains.locate(wide)[0], minlength=len(grains.sites))
    all_volumes = all_cells * np.prod(size + 2.4 * diameter) / len(wide)
    whole = np.all((grains.sites > 0.0) & (grains.sites < size), axis=1)
    diameters = np.cbrt(6.0 / np.pi * all_volumes[whole])
    density = near.mean() / 0.2
    truth = {
        "area_density": density,
        "lineal_intercept": 2.0 / density,
        "equivalent_diameter": diameters.mean(),
        "diameter_variation": diameters.std() / diameters.mean(),
        "thickness": thickness,
        "gibbs_excess_sc": thickness * (interface_sc - matrix_sc),
        "gibbs_excess_h": thickness * interface_h,
        "volume_fraction": float(np.mean((away < 0.5 * thickness) & (parts(points) != 1))),
        "grain_sc": 100.0 * matrix_sc,
        "interface_sc": 100.0 * interface_sc,
        "interface_h": 100.0 * interface_h,
    }
    return SimpleNamespace(
        ions=ranged(moved[keep], species[keep]),
        grain_of_ion=cell[keep],
        grains=grains,
        parts=parts,
        truth=truth,
        box=size,
    )


@pytest.fixture(scope="session")
def specimen_of():
    """The function that makes specimens; see its arguments."""
    return make_specimen


@pytest.fixture(scope="session")
def ions_of():
    """The function that makes ranged ions of positions and species 0 Fe, 1 Sc, 2 H."""
    return ranged
