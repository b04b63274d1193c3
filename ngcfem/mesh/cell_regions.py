"""Level functions of the geometry of a cell: grains, network, crystals, caps and layers."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from scipy.spatial import KDTree

from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.microstructure.grain_shape import grain_volume
from ngcfem.microstructure.tessellation import laguerre_cells
from ngcfem.quantities import (
    GRAIN,
    INTERFACE,
    NANOCRYSTAL,
    SC_RICH,
    BoolArray,
    FloatArray,
    Int32Array,
    IntArray,
)

_FAR = 1e30
_LONGEST_WALK = 200


@dataclass(frozen=True, eq=False)
class _Facets:
    """Facets of all Laguerre cells, padded to one number a grain."""

    normal: FloatArray
    offset: FloatArray
    neighbour: IntArray
    displacement: FloatArray


@dataclass(frozen=True, eq=False)
class _Bodies:
    """Crystals and their caps as arrays, and which of them each grain holds."""

    centre: FloatArray
    radius: FloatArray
    inverse_stretch: FloatArray
    flat_normal: FloatArray
    flat_distance: FloatArray
    cap_axis: FloatArray
    cap_half_angle: FloatArray
    cap_thickness: FloatArray
    cap_region: IntArray
    of_grain: IntArray
    reach: FloatArray


@dataclass(frozen=True, eq=False)
class CellRegions:
    """The regions of a cell, see :class:`ngcfem.mesh.regions.Regions`.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    phase : ndarray of int32, shape (n,)
        Index into the phase names of each region.
    grain : ndarray of int32, shape (n,)
        Grain of each region, -1 for the network and where there are no grains.
    target_volumes_nm3 : ndarray, shape (n,)
        Volumes of the geometry.
    growth_areas : ndarray, shape (n,)
        Surface of each region that moves as it grows, in nm^2; 0 for what is left over.
    connected : ndarray of bool, shape (n,)
        True for the network.
    growth_nm : ndarray, shape (n,)
        Distance by which the surface of each region is moved outwards.
    facets : _Facets or None
        Laguerre facets.
    bodies : _Bodies
        Crystals and caps.
    first_crystal : int
        Number of the region of the first crystal.

    Notes
    -----
    Levels are distances from the surface in nm, positive inside; exact for spheres, flats and the
    interior of polyhedra, to first order for ellipsoids. Where regions overlap after they have
    grown, crystals come first, then caps.
    """

    cell: PeriodicCell
    phase: Int32Array
    grain: Int32Array
    target_volumes_nm3: FloatArray
    growth_areas: FloatArray
    connected: BoolArray
    growth_nm: FloatArray
    facets: _Facets | None
    bodies: _Bodies
    first_crystal: int

    @property
    def lattice(self) -> FloatArray:
        """Period vectors as rows in nm, in the frame of the cell."""
        return self.cell.lattice

    @cached_property
    def inverse_lattice(self) -> FloatArray:
        """Matrix that takes positions as rows to fractions of the period vectors."""
        return np.linalg.inv(self.lattice)

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree((self.cell.sites @ self.inverse_lattice) % 1.0, boxsize=1.0)

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Names of the phases."""
        return self.cell.phase_names

    def grown(self, growth: FloatArray) -> Self:
        """Move the surfaces of the regions.

        Parameters
        ----------
        growth : ndarray, shape (n,)
            Distance outwards of each region in nm, counted from the geometry itself.

        Returns
        -------
        CellRegions
            The same regions with moved surfaces.
        """
        return replace(self, growth_nm=growth)

    def regions_at(self, points: FloatArray) -> IntArray:
        """Region of each point.

        Parameters
        ----------
        points : ndarray, shape (m, 3)
            Positions in nm, counted modulo the lattice.

        Returns
        -------
        ndarray of int, shape (m,)
            Numbers of regions.
        """
        owner, depth = self._owner_and_depth(points)
        if self.facets is not None:
            region = np.where(depth >= self._inset(owner), owner + 1, 0)
        else:
            region = self._layer_at(points)
        here, number = self._bodies_within(owner, points, np.zeros(len(points)))
        crystal, cap = self._crystal_and_cap(number, points[here])
        hit = cap > 0.0
        region[here[hit]] = self.bodies.cap_region[number[hit]]
        hit = crystal > 0.0
        region[here[hit]] = self.first_crystal + number[hit]
        return region

    def levels(self, regions: IntArray, points: FloatArray) -> FloatArray:
        """Distance of each point from the surface of a region, positive inside.

        Parameters
        ----------
        regions : ndarray of int, shape (m,)
            Number of the region that is asked for at each point.
        points : ndarray, shape (m, 3)
            Positions in nm, counted modulo the lattice.

        Returns
        -------
        ndarray, shape (m,)
            Distances in nm.
        """
        level = np.empty(len(points))
        caps = self.first_crystal + len(self.bodies.radius)
        bulk = np.flatnonzero(regions < self.first_crystal)
        level[bulk] = self._bulk_levels(regions[bulk], points[bulk])
        some = np.flatnonzero((regions >= self.first_crystal) & (regions < caps))
        level[some] = self._crystal_and_cap(regions[some] - self.first_crystal, points[some])[0]
        some = np.flatnonzero(regions >= caps)
        body_of_cap = np.flatnonzero(self.bodies.cap_region >= 0)
        crystal, cap = self._crystal_and_cap(body_of_cap[regions[some] - caps], points[some])
        level[some] = np.minimum(cap, -crystal)
        return level

    def grains_at(self, regions: IntArray, points: FloatArray) -> Int32Array:
        """Grain number of cells: in the network, that of the nearest grain.

        Parameters
        ----------
        regions : ndarray of int, shape (m,)
            Number of the region of each cell.
        points : ndarray, shape (m, 3)
            Middle of each cell in nm.

        Returns
        -------
        ndarray of int32, shape (m,)
            Grain numbers, -1 where there is none.
        """
        grain = self.grain[regions].copy()
        if self.facets is not None:
            network = np.flatnonzero(regions == 0)
            grain[network] = self._owner_and_depth(points[network])[0]
        return grain

    def _inset(self, owner: IntArray) -> FloatArray:
        return 0.5 * self.cell.interface_thickness_nm - self.growth_nm[1:][owner]

    def _owner_and_depth(self, points: FloatArray) -> tuple[IntArray, FloatArray]:
        """Laguerre cell of each point and the distance from its nearest facet."""
        facets = self.facets
        owner = np.zeros(len(points), dtype=np.int64)
        depth = np.full(len(points), _FAR)
        if facets is None or len(points) == 0:
            return owner, depth
        wrapped = points @ self.inverse_lattice
        wrapped = (wrapped - np.floor(wrapped)) % 1.0
        sites = self.cell.sites @ self.inverse_lattice
        owner = np.asarray(self._tree.query(wrapped)[1], dtype=np.int64)
        step = wrapped - sites[owner]
        local = (sites[owner] + step - np.round(step)) @ self.lattice
        # walk across the facet that is overstepped most until inside
        active = np.arange(len(points))
        for _ in range(_LONGEST_WALK):
            own = owner[active]
            gap = facets.offset[own] - (facets.normal[own] @ local[active][:, :, None])[:, :, 0]
            worst = np.argmin(gap, axis=1)
            depth[active] = gap[np.arange(len(active)), worst]
            outside = depth[active] < -1e-9
            if not outside.any():
                break
            active, worst = active[outside], worst[outside]
            local[active] -= facets.displacement[owner[active], worst]
            owner[active] = facets.neighbour[owner[active], worst]
        return owner, np.maximum(depth, 0.0)

    def _layer_levels(self, points: FloatArray) -> FloatArray:
        axis = self.cell.layer_axis
        fractions = np.array([layer.fraction for layer in self.cell.layers])
        height = np.linalg.norm(self.lattice[axis])
        middle = np.cumsum(fractions) - 0.5 * fractions
        where = (points @ self.inverse_lattice)[:, axis]
        away = where[:, None] - middle
        away = np.abs(away - np.round(away)) * height
        return 0.5 * fractions * height - away + self.growth_nm[: len(fractions)]

    def _layer_at(self, points: FloatArray) -> IntArray:
        if not self.cell.layers:
            return np.zeros(len(points), dtype=np.int64)
        return np.argmax(self._layer_levels(points), axis=1)

    def _bulk_levels(self, regions: IntArray, points: FloatArray) -> FloatArray:
        owner, depth = self._owner_and_depth(points)
        if self.facets is not None:
            inset = self._inset(owner)
            level = np.where(regions == 0, inset - depth, -(inset + depth))
            inside = regions == owner + 1
            level[inside] = (depth - inset)[inside]
        elif self.cell.layers:
            return self._layer_levels(points)[np.arange(len(points)), regions]
        else:
            level, inside = depth, np.ones(len(points), dtype=bool)
        rows = np.flatnonzero(inside)
        here, number = self._bodies_within(owner[rows], points[rows], level[rows])
        crystal, cap = self._crystal_and_cap(number, points[rows[here]])
        np.minimum.at(level, rows[here], -np.maximum(crystal, cap))
        return level

    def _bodies_within(
        self, owner: IntArray, points: FloatArray, distance: FloatArray
    ) -> tuple[IntArray, IntArray]:
        """Pairs of points and bodies of their grains that may be closer than a distance."""
        bodies = self.bodies
        candidates = bodies.of_grain[owner]
        number = np.maximum(candidates, 0)
        if number.size == 0 or len(bodies.radius) == 0:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        away = points[:, None] - bodies.centre[number]
        fractional = away @ self.inverse_lattice
        away = (fractional - np.round(fractional)) @ self.lattice
        square = (away**2).sum(axis=2)
        grown = bodies.reach[number] + np.abs(self.growth_nm).max() + distance[:, None]
        near = (candidates >= 0) & (square < np.maximum(grown, 0.0) ** 2)
        here, column = np.nonzero(near)
        return here, candidates[here, column]

    def _crystal_and_cap(
        self, number: IntArray, points: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Levels of a crystal, and of its cap with the crystal under it."""
        bodies = self.bodies
        away = points - bodies.centre[number]
        fractional = away @ self.inverse_lattice
        away = (fractional - np.round(fractional)) @ self.lattice
        inverse = bodies.inverse_stretch[number]
        ball = (inverse @ away[:, :, None])[:, :, 0]
        distance = np.sqrt((ball**2).sum(axis=1))
        direction = ball / np.maximum(distance, 1e-12)[:, None]
        # an inverse stretch is symmetric: this is the gradient of the distance in the ball
        slope = np.sqrt(((inverse @ direction[:, :, None])[:, :, 0] ** 2).sum(axis=1))
        slope = np.where(distance > 1e-12, slope, 1.0)
        growth = self.growth_nm[self.first_crystal + number]
        crystal = (bodies.radius[number] - distance) / slope + growth
        plane = bodies.flat_distance[number] - np.einsum(
            "ni,ni->n", away, bodies.flat_normal[number]
        )
        crystal = np.minimum(crystal, plane)
        cap = np.full(len(points), -_FAR)
        capped = np.flatnonzero(bodies.cap_region[number] >= 0)
        own = number[capped]
        outer = bodies.radius[own] + bodies.cap_thickness[own] - distance[capped]
        cosine = np.einsum("ni,ni->n", direction[capped], bodies.cap_axis[own])
        beyond = bodies.cap_half_angle[own] - np.arccos(np.clip(cosine, -1.0, 1.0))
        side = distance[capped] * np.sin(np.clip(beyond, -0.5 * np.pi, 0.5 * np.pi))
        cap_growth = self.growth_nm[bodies.cap_region[own]]
        cap[capped] = np.minimum(outer / slope[capped] + cap_growth, side / slope[capped])
        return crystal, cap


def cell_regions(cell: PeriodicCell) -> CellRegions:
    """Divide a cell into regions with level functions.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of any kind, in three dimensions.

    Returns
    -------
    CellRegions
        The network and every grain, or matrix, or layers; then crystals, then caps.

    Raises
    ------
    ValueError
        If the cell is plane.
    """
    if cell.dimension != 3:
        raise ValueError("only cells of three dimensions are divided into regions")
    number = cell.number_of_grains
    index = {name: k for k, name in enumerate(cell.phase_names)}
    crystals = [inclusion.volume_nm3 for inclusion in cell.inclusions]
    caps = [i for i in cell.inclusions if i.cap is not None]
    facets = None
    if number:
        facets, bulk_volumes, bulk_areas = _grains(cell)
        bulk_phase = [index[INTERFACE]] + [index[GRAIN]] * number
        bulk_grain = [-1, *range(number)]
    elif cell.layers:
        height = float(np.linalg.norm(cell.lattice[cell.layer_axis]))
        fractions = np.array([layer.fraction for layer in cell.layers])
        bulk_volumes = fractions * cell.volume_nm3
        bulk_areas = np.full(len(fractions), 2.0 * cell.volume_nm3 / height)
        if len(fractions) == 1:
            bulk_areas[:] = 0.0
        bulk_phase = [index[layer.phase] for layer in cell.layers]
        bulk_grain = [-1] * len(cell.layers)
    else:
        bulk_volumes = np.array([cell.volume_nm3 - sum(crystals)])
        bulk_areas = np.zeros(1)
        bulk_phase, bulk_grain = [0], [-1]
    first = len(bulk_phase)
    crystal_phase = index.get(NANOCRYSTAL, len(cell.phase_names) - 1)
    grain = np.array(
        bulk_grain + [i.grain for i in cell.inclusions] + [i.grain for i in caps], dtype=np.int32
    )
    areas = [4.0 * np.pi * i.equivalent_radius_nm**2 for i in cell.inclusions]
    cap_areas = [_cap_area(i) for i in caps]
    return CellRegions(
        cell=cell,
        phase=np.array(
            bulk_phase + [crystal_phase] * len(crystals) + [index.get(SC_RICH, 0)] * len(caps),
            dtype=np.int32,
        ),
        grain=grain,
        target_volumes_nm3=np.concatenate(
            [bulk_volumes, crystals, [i.cap_volume_nm3 for i in caps]]
        ),
        growth_areas=np.concatenate([bulk_areas, areas, cap_areas]),
        connected=np.arange(len(grain)) < (1 if number else 0),
        growth_nm=np.zeros(len(grain)),
        facets=facets,
        bodies=_bodies(cell.inclusions, max(number, 1), first),
        first_crystal=first,
    )


def _cap_area(inclusion: Inclusion) -> float:
    if inclusion.cap is None:
        return 0.0
    outer = inclusion.radius_nm + inclusion.cap.thickness_nm
    return float(2.0 * np.pi * outer**2 * (1.0 - np.cos(np.radians(inclusion.cap.half_angle_deg))))


def _grains(cell: PeriodicCell) -> tuple[_Facets, FloatArray, FloatArray]:
    edges = np.diag(cell.lattice)
    grains = laguerre_cells(cell.sites, cell.weights, edges)
    width = max(len(grain.facets) for grain in grains)
    facets = _Facets(
        normal=np.zeros((len(grains), width, 3)),
        offset=np.full((len(grains), width), _FAR),
        neighbour=np.zeros((len(grains), width), dtype=np.int64),
        displacement=np.zeros((len(grains), width, 3)),
    )
    for i, grain in enumerate(grains):
        for k, facet in enumerate(grain.facets):
            facets.normal[i, k] = facet.normal
            facets.offset[i, k] = facet.offset_nm
            facets.neighbour[i, k] = facet.neighbour
            facets.displacement[i, k] = np.array(facet.shift) * edges
    inset, step = 0.5 * cell.interface_thickness_nm, 1e-3 * cell.interface_thickness_nm
    whole = np.array([grain_volume(grain, inset) for grain in grains])
    less = np.array([grain_volume(grain, inset + step) for grain in grains])
    areas = (whole - less) / step
    solid = whole.copy()
    for inclusion in cell.inclusions:
        solid[inclusion.grain] -= inclusion.volume_nm3 + inclusion.cap_volume_nm3
    volumes = np.concatenate([[cell.volume_nm3 - whole.sum()], solid])
    return facets, volumes, np.concatenate([[0.0], areas])


def _bodies(inclusions: tuple[Inclusion, ...], grains: int, first: int) -> _Bodies:
    count = len(inclusions)
    cap_region = np.full(count, -1, dtype=np.int64)
    capped = [k for k, inclusion in enumerate(inclusions) if inclusion.cap is not None]
    cap_region[capped] = first + count + np.arange(len(capped))
    held: list[list[int]] = [[] for _ in range(grains)]
    for k, inclusion in enumerate(inclusions):
        held[max(inclusion.grain, 0)].append(k)
    of_grain = np.full((grains, max(map(len, held))), -1, dtype=np.int64)
    for row, numbers in zip(of_grain, held, strict=True):
        row[: len(numbers)] = numbers
    flats = [i.flat for i in inclusions]
    caps = [i.cap for i in inclusions]
    return _Bodies(
        centre=np.array([i.centre_nm for i in inclusions], dtype=float).reshape(-1, 3),
        radius=np.array([i.radius_nm for i in inclusions], dtype=float),
        inverse_stretch=np.array([np.linalg.inv(i.stretch_matrix) for i in inclusions]).reshape(
            -1, 3, 3
        ),
        flat_normal=np.array([f.normal if f else (0.0, 0.0, 0.0) for f in flats]).reshape(-1, 3),
        flat_distance=np.array([f.distance_nm if f else _FAR for f in flats], dtype=float),
        cap_axis=np.array([c.axis if c else (0.0, 0.0, 1.0) for c in caps]).reshape(-1, 3),
        cap_half_angle=np.radians([c.half_angle_deg if c else 0.0 for c in caps]),
        cap_thickness=np.array([c.thickness_nm if c else 0.0 for c in caps], dtype=float),
        cap_region=cap_region,
        of_grain=of_grain,
        reach=np.array(
            [
                (i.radius_nm + (i.cap.thickness_nm if i.cap else 0.0))
                * np.linalg.eigvalsh(i.stretch_matrix)[-1]
                for i in inclusions
            ]
        ),
    )
