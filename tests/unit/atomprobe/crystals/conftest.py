"""Specimens with crystals of known truth, made without anything of the package's own geometry."""

from dataclasses import dataclass

import numpy as np
import pytest

from ngcfem.atomprobe.ions import Ion
from ngcfem.atomprobe.range_model import MassRange
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.atomprobe.ranging import RangeTable

ATOMS_PER_NM3 = 85.0


@dataclass(frozen=True)
class Specimen:
    """What was measured, and what is true."""

    ions: RangedIons
    centre_nm: np.ndarray  # (k, 3)
    semi_axes_nm: np.ndarray  # (k, 3)
    rotation: np.ndarray  # (k, 3, 3), columns are the axes
    capped: np.ndarray  # (k,)
    cap_axis: np.ndarray  # (k, 3), before the stretch
    region: np.ndarray  # (n,) before blur: 0 matrix, 1 crystal, 2 cap, 3 interface
    box_nm: np.ndarray

    @property
    def radius_nm(self) -> np.ndarray:
        return self.semi_axes_nm.prod(axis=1) ** (1 / 3)

    def share(self, region: int) -> float:
        return float((self.region == region).mean())


def fe_sc_table() -> RangeTable:
    iron = MassRange(27.8, 28.2, Ion.of({"Fe": 1}))
    scandium = MassRange(22.3, 22.6, Ion.of({"Sc": 1}))
    return RangeTable.of([iron, scandium])


def rotation_at_random(generator: np.random.Generator) -> np.ndarray:
    orthogonal, triangle = np.linalg.qr(generator.normal(size=(3, 3)))
    return orthogonal * np.sign(np.diag(triangle))


def make_specimen(
    seed: int,
    box: tuple[float, float, float] = (30.0, 30.0, 30.0),
    radius: float = 2.0,
    variation: float = 0.2,
    share: float = 0.08,
    aspect: float = 1.0,
    oblate: bool = True,
    efficiency: float = 0.5,
    blur: tuple[float, float, float] = (0.25, 0.25, 0.08),
    capped_share: float = 0.5,
    cap_thickness: float = 0.8,
    cap_half_angle: float = 70.0,
    n_planes: int = 3,
    interface: float = 1.0,
    gap: float = 0.45,
    scandium: tuple[float, float, float, float] = (0.08, 0.003, 0.30, 0.22),
) -> Specimen:
    """Put spheres or ellipsoids, with caps, between planes at random, and evaporate them."""
    generator = np.random.default_rng(seed)
    size = np.array(box)
    normals = generator.normal(size=(n_planes, 3))
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    offsets = np.einsum("ij,ij->i", normals, generator.uniform(0.2, 0.8, (n_planes, 3)) * size)
    centres, reaches, bodies = [], [], []
    margin = 1.5 * radius * max(aspect, 1.0) ** (2 / 3)
    around = size + 2.0 * margin  # crystals that the surface cuts are as likely as elsewhere
    wanted, volume, tries = share * float(around.prod()), 0.0, 0
    spread = np.sqrt(np.log1p(variation**2))
    accepted = True
    while volume < wanted and tries < 10_000:
        if tries % 200 == 0 or accepted:
            r = radius * np.exp(spread * generator.normal() - 0.5 * spread**2)
        tries += 1
        accepted = False
        main, other = aspect ** (2 / 3), aspect ** (-1 / 3)
        if oblate:
            main, other = aspect ** (-2 / 3), aspect ** (1 / 3)
        axes = r * np.array([other, other, main])
        cap = generator.random() < capped_share
        reach = float(axes.max()) * (1.0 + (cap_thickness / r if cap else 0.0))
        centre = generator.uniform(-margin, size + margin)
        if n_planes and np.min(np.abs(normals @ centre - offsets)) < 0.5 * interface + reach + gap:
            continue
        if centres and np.any(
            np.linalg.norm(np.array(centres) - centre, axis=1) < np.array(reaches) + reach + gap
        ):
            continue
        accepted = True
        direction = generator.normal(size=3)
        direction /= np.linalg.norm(direction)
        centres.append(centre)
        reaches.append(reach)
        bodies.append((axes, rotation_at_random(generator), cap, direction))
        volume += 4.0 / 3.0 * np.pi * r**3
    atoms = generator.uniform(0.0, 1.0, (generator.poisson(size.prod() * ATOMS_PER_NM3), 3)) * size
    atoms = atoms[generator.random(len(atoms)) < efficiency]
    region = np.zeros(len(atoms), dtype=np.int8)
    for normal, offset in zip(normals, offsets, strict=True):
        region[np.abs(atoms @ normal - offset) < 0.5 * interface] = 3
    for centre, reach, (axes, turn, cap, direction) in zip(centres, reaches, bodies, strict=True):
        near = np.flatnonzero(np.linalg.norm(atoms - centre, axis=1) < reach)
        r = axes.prod() ** (1 / 3)
        # back to the ball that the stretch was made from
        ball = ((atoms[near] - centre) @ turn * (r / axes)) @ turn.T
        distance = np.linalg.norm(ball, axis=1)
        region[near[distance < r]] = 1
        if cap:
            cosine = ball @ direction / np.maximum(distance, 1e-12)
            over = (distance >= r) & (distance < r + cap_thickness)
            region[near[over & (cosine > np.cos(np.radians(cap_half_angle)))]] = 2
    # An atom of Sc takes 2.12 times the volume of one of Fe: rich regions hold fewer.
    room = 1.0 + np.array(scandium) * (0.02497 / 0.01178 - 1.0)
    present = generator.random(len(atoms)) < (1.0 / room)[region]
    atoms, region = atoms[present], region[present]
    is_sc = generator.random(len(atoms)) < np.array(scandium)[region]
    position = atoms + generator.normal(size=atoms.shape) * np.array(blur)
    label = np.where(is_sc, 0, 1)  # scandium has the lower mass-to-charge state ratio
    return Specimen(
        RangedIons(fe_sc_table(), position.astype(np.float32), label),
        np.array(centres).reshape(-1, 3),
        np.array([body[0] for body in bodies]).reshape(-1, 3),
        np.array([body[1] for body in bodies]).reshape(-1, 3, 3),
        np.array([body[2] for body in bodies], dtype=bool),
        np.array([body[3] for body in bodies]).reshape(-1, 3),
        region,
        size,
    )


@pytest.fixture(scope="session")
def specimen_of():
    """The maker of specimens."""
    return make_specimen
