"""The truth about a synthetic specimen, under the keys of the statistics file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ngcfem.atomprobe.directions import even_directions
from ngcfem.atomprobe.statistics_contradictions import contradictions
from ngcfem.atomprobe.statistics_sections import StatisticsFile
from ngcfem.microstructure.box_measures import grain_crossings, lattice_vectors, random_lines
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.grain_measures import (
    GrainMeasures,
    directions_across,
    measure_grains,
)
from ngcfem.microstructure.tessellation import laguerre_cells
from ngcfem.microstructure.voxels import phases_of_points
from ngcfem.quantities import (
    COMPOSITE_PHASES,
    GRAIN,
    INTERFACE,
    FloatArray,
)
from ngcfem.workflow.deformed_state import Deformation, largest_true_strain, undeformed
from ngcfem.workflow.specimen_crystals import CONTACT_NM, TrueCrystal, crystals_of_box
from ngcfem.workflow.synthetic_specimen import ELEMENTS, RegionAtoms, reference_box

_LINES = 20_000
_GRID_POINTS = 2_000_000
_FINEST_NM = 0.1
_DIRECTIONS = 2000


@dataclass(frozen=True, eq=False)
class SpecimenTruth:
    """What a specimen really is.

    Parameters
    ----------
    statistics : StatisticsFile
        Under the keys that an analysis of the specimen fills.
    crystals : tuple of TrueCrystal
        All crystals of which the box holds a part.
    grains : list of dict
        Centre, equivalent diameter and whether all of it is inside, of the grains with their centre
        of volume in the box.
    further : dict
        Numbers without a key in the statistics file.
    """

    statistics: StatisticsFile
    crystals: tuple[TrueCrystal, ...]
    grains: list[dict[str, Any]]
    further: dict[str, Any]

    def entries(self) -> dict[str, Any]:
        """Give all of it as plain values.

        Returns
        -------
        dict
            For truth.json.
        """
        return {
            "statistics": self.statistics.model_dump(exclude_none=True, exclude_defaults=True),
            "crystals": [
                {**asdict(crystal), "aspect_ratio": crystal.aspect_ratio}
                for crystal in self.crystals
            ],
            "grains": self.grains,
            **self.further,
        }


def specimen_truth(
    cell: PeriodicCell,
    regions: RegionAtoms,
    size_nm: FloatArray,
    efficiency: float,
    deformation: Deformation | None = None,
    title: str = "synthetic specimen",
) -> SpecimenTruth:
    """Find what a box cut out of the endless material holds.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of dimension 3.
    regions : RegionAtoms
        Composition and atomic volumes.
    size_nm : ndarray, shape (3,)
        Edges of the box.
    efficiency : float
        Share of the atoms that are detected.
    deformation : Deformation, optional
        Deformation of the material.
    title : str
        Title of the statistics.

    Returns
    -------
    SpecimenTruth
        The truth.

    Notes
    -----
    Volume fractions are counted on a grid of about two million points, the intercept on some ten
    thousand isotropic lines whose crossings are exact. Means over crystals and grains are taken
    over those whose centre lies in the box. Compositions are those the elements are drawn with: an
    interval of counting must cover these, not what a specimen happened to get. The excess of the
    network is its composition over that of the grains times its thickness. Under a deformation that
    varies, area and intercept of the grains follow its mean.
    """
    deformation = deformation or undeformed()
    fractions = _fractions(cell, size_nm, deformation)
    crystals, distances = crystals_of_box(cell, size_nm, deformation)
    document: dict[str, Any] = {
        "schema_version": 1,
        "title": title,
        "notes": ["The truth about a synthetic specimen, not a measurement."],
        "composition": _compositions(regions, fractions),
        "atomic_volumes": {
            name: _entry(value, "nm^3") for name, value in regions.atomic_volumes_nm3.items()
        },
        "volume_fractions": {
            name: _entry(fractions[name], "1") for name in COMPOSITE_PHASES if fractions.get(name)
        },
        "source": {
            "n_ions": _entry(max(1, _expected_ions(regions, fractions, size_nm, efficiency)), "1"),
            "ranged_fraction": _entry(1.0, "1"),
            "volume": _entry(float(np.prod(size_nm)), "nm^3"),
            "efficiency": _entry(efficiency, "1"),
        },
    }
    grains: list[dict[str, Any]] = []
    if cell.number_of_grains:
        grains = _grain_list(cell, size_nm, deformation)
        measured = measure_grains(cell)
        crossings = _line_measures(cell, size_nm, deformation)
        document["grains"] = _grain_section(cell, grains, measured, crossings, deformation)
        document["interface"] = _interface_section(
            cell, regions, measured, crossings["area_density_per_nm"], deformation
        )
    centred = [crystal for crystal in crystals if crystal.centre_inside]
    if centred:
        near = distances["nearest_centre_nm"]
        gaps = distances["nearest_surface_nm"]
        section = _crystal_section(centred, near, gaps, float(np.prod(size_nm)))
        groups = distances["agglomerate_sizes"]
        if len(groups):
            section["agglomerate_size"] = _entry(groups.mean(), "1", len(groups))
        document["crystals"] = section
        capped = [crystal for crystal in centred if crystal.cap is not None]
        if capped:
            document["sc_rich"] = _sc_rich_section(capped, len(centred))
    if not np.array_equal(deformation.gradient, np.eye(3)):
        strain = largest_true_strain(deformation.gradient)
        document["state"] = {"true_strain": _entry(strain, "1")}
    statistics = StatisticsFile.model_validate(document)
    if any(True for _ in contradictions(statistics, title)):
        # of few crystals, those with their centre inside are not the volume inside
        del document["crystals"]["number_density"]
        statistics = StatisticsFile.model_validate(document)
    further = {
        "deformation_gradient": deformation.gradient.tolist(),
        "distances": {name: list(map(float, values)) for name, values in distances.items()},
        "contact_distance_nm": CONTACT_NM,
        "number_density_per_nm3": len(centred) / float(np.prod(size_nm)),
    }
    return SpecimenTruth(statistics, crystals, grains, further)


def _entry(value: float, unit: str, n: int | None = None) -> dict[str, Any]:
    entry = {"value": float(value), "unit": unit, "provenance": "synthetic"}
    return entry if n is None else {**entry, "n": n}


def _fractions(
    cell: PeriodicCell, size_nm: FloatArray, deformation: Deformation
) -> dict[str, float]:
    """Volume fractions of the phases in the box."""
    low, high = reference_box(size_nm, deformation)
    spacing = max(_FINEST_NM, float(np.cbrt(np.prod(high - low) / _GRID_POINTS)))
    shape = np.maximum(1, np.ceil((high - low) / spacing)).astype(int)
    axes = [
        a + (b - a) * (np.arange(n) + 0.5) / n for a, b, n in zip(low, high, shape, strict=True)
    ]
    counts = np.zeros(len(cell.phase_names), dtype=np.int64)
    rows = max(1, (1 << 19) // (shape[1] * shape[2]))
    for first in range(0, shape[0], rows):
        grid = np.meshgrid(axes[0][first : first + rows], axes[1], axes[2], indexing="ij")
        points = np.stack(grid, axis=-1).reshape(-1, 3)
        moved = deformation.moved(points)
        points = points[np.all((moved >= 0.0) & (moved < size_nm), axis=1)]
        phases = phases_of_points(cell, points @ cell.rotation)
        counts += np.bincount(phases, minlength=len(counts))
    return dict(zip(cell.phase_names, (counts / counts.sum()).tolist(), strict=True))


def _expected_ions(
    regions: RegionAtoms, fractions: Mapping[str, float], size_nm: FloatArray, efficiency: float
) -> int:
    density = sum(share * regions.atoms_per_nm3(name) for name, share in fractions.items())
    return round(efficiency * density * float(np.prod(size_nm)))


def _compositions(regions: RegionAtoms, fractions: Mapping[str, float]) -> dict[str, Any]:
    atoms = sum(
        share * regions.atoms_per_nm3(name) * regions.shares(name)
        for name, share in fractions.items()
    )
    found = {"bulk": atoms / np.sum(atoms)}
    found |= {
        name: regions.shares(name)
        for name in COMPOSITE_PHASES
        if fractions.get(name) and name in regions.compositions_at_percent
    }
    return {
        region: {
            element: _entry(100.0 * share, "at%")
            for element, share in zip(ELEMENTS, shares.tolist(), strict=True)
            if share > 0.0 or element != "H"
        }
        for region, shares in found.items()
    }


def _crystal_section(
    crystals: list[TrueCrystal], nearest: FloatArray, gaps: FloatArray, volume_nm3: float
) -> dict[str, Any]:
    number = len(crystals)
    diameters = np.array([2.0 * crystal.equivalent_radius_nm for crystal in crystals])
    # of spheres, rounding leaves some 1e-15
    aspects = np.round([crystal.aspect_ratio for crystal in crystals], 9)
    sphericity = np.mean([crystal.sphericity for crystal in crystals])
    section = {
        "diameter_mean": _entry(diameters.mean(), "nm", number),
        "diameter_variation": _entry(diameters.std() / diameters.mean(), "1", number),
        "number_density": _entry(number / volume_nm3, "nm^-3", number),
        "aspect_ratio": _entry(max(1.0, aspects.mean()), "1", number),
        "aspect_ratio_variation": _entry(aspects.std() / aspects.mean(), "1", number),
        "sphericity": _entry(min(1.0, float(sphericity)), "1", number),
    }
    if np.all(np.isfinite(nearest)):
        section |= {
            "nearest_neighbour_distance": _entry(nearest.mean(), "nm", number),
            "surface_distance": _entry(gaps.mean(), "nm", number),
            "contact_fraction": _entry(np.mean(gaps < CONTACT_NM), "1", number),
        }
    touching = np.mean([crystal.flat is not None for crystal in crystals])
    section["interface_contact_share"] = _entry(touching, "1", number)
    return section


def _sc_rich_section(capped: list[TrueCrystal], number: int) -> dict[str, Any]:
    caps = [crystal.cap for crystal in capped if crystal.cap is not None]

    def mean(key: str) -> float:
        return float(np.mean([cap[key] for cap in caps]))

    n = len(caps)
    return {
        "share_of_crystals": _entry(n / number, "1", number),
        "thickness": _entry(mean("thickness_nm"), "nm", n),
        "contact_half_angle": _entry(mean("half_angle_deg"), "deg", n),
        "radius": _entry(mean("equivalent_radius_nm"), "nm", n),
        "offset": _entry(mean("offset_nm"), "nm", n),
    }


def _grain_list(
    cell: PeriodicCell, size_nm: FloatArray, deformation: Deformation
) -> list[dict[str, Any]]:
    low, high = reference_box(size_nm, deformation)
    lattice = cell.lattice @ cell.rotation.T
    factor = float(np.linalg.det(deformation.gradient))
    found = []
    for number, grain in enumerate(laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice))):
        centroid = cell.rotation @ grain.centroid
        corners = np.concatenate([facet.polygon for facet in grain.facets]) @ cell.rotation.T
        for shift in lattice_vectors(lattice, low - centroid, high - centroid):
            centre = deformation.moved((centroid + shift)[None])[0]
            if not (np.all(centre >= 0.0) and np.all(centre < size_nm)):
                continue
            places = deformation.moved(corners + shift)
            found.append(
                {
                    "number": number,
                    "centre_nm": centre,
                    "equivalent_diameter_nm": float(
                        np.cbrt(6.0 * factor * grain.volume_nm3 / np.pi)
                    ),
                    "whole": bool(np.all(places >= 0.0) and np.all(places <= size_nm)),
                }
            )
    return found


def _line_measures(
    cell: PeriodicCell, size_nm: FloatArray, deformation: Deformation
) -> dict[str, float]:
    """Intercept and area of the boundaries in the box."""
    starts, ends = random_lines(size_nm, _LINES, np.random.default_rng(0))
    length = np.linalg.norm(ends - starts, axis=1)
    inverse = np.linalg.inv(deformation.gradient).T
    crossings = grain_crossings(cell, starts @ inverse, ends @ inverse)
    total = max(1, int(crossings.sum()))
    return {
        "intercept_nm": float(length.sum()) / total,
        "area_density_per_nm": 2.0 * total / float(length.sum()),
        "crossings": total,
    }


def _grain_section(
    cell: PeriodicCell,
    grains: list[dict[str, Any]],
    measured: GrainMeasures,
    lines: Mapping[str, float],
    deformation: Deformation,
) -> dict[str, Any]:
    diameters = np.array([grain["equivalent_diameter_nm"] for grain in grains])
    if not len(diameters):
        factor = float(np.cbrt(np.linalg.det(deformation.gradient)))
        diameters = factor * measured.diameters_nm
    area, _ = _deformed_faces(cell, measured, deformation)
    surface = np.bincount(measured.face_grain, weights=area, minlength=cell.number_of_grains)
    volume = float(np.linalg.det(deformation.gradient)) * measured.volumes_nm3
    sphericity = np.cbrt(36.0 * np.pi * volume**2) / surface
    return {
        "equivalent_diameter": _entry(diameters.mean(), "nm", len(diameters)),
        "diameter_variation": _entry(diameters.std() / diameters.mean(), "1", len(diameters)),
        "lineal_intercept": _entry(lines["intercept_nm"], "nm", int(lines["crossings"])),
        "sphericity": _entry(sphericity.mean(), "1", cell.number_of_grains),
        "anisotropy": _entry(_anisotropy(measured, cell, deformation), "1"),
    }


def _deformed_faces(
    cell: PeriodicCell, measured: GrainMeasures, deformation: Deformation
) -> tuple[FloatArray, FloatArray]:
    """Area of the faces, and factor on the thickness of the network there (Nanson's formula)."""
    gradient = deformation.gradient
    carried = measured.face_normal @ cell.rotation.T @ np.linalg.inv(gradient)
    length = np.linalg.norm(carried, axis=1)
    return float(np.linalg.det(gradient)) * length * measured.face_area_nm2, 1.0 / length


def _anisotropy(measured: GrainMeasures, cell: PeriodicCell, deformation: Deformation) -> float:
    """Longest mean intercept over the mean across it."""
    inverse = np.linalg.inv(deformation.gradient)

    def intercepts(directions: FloatArray) -> FloatArray:
        before = directions @ inverse.T
        length = np.linalg.norm(before, axis=1)
        return measured.intercepts_nm(before / length[:, None] @ cell.rotation) / length

    directions = even_directions(_DIRECTIONS)
    lengths = intercepts(directions)
    longest = directions[lengths.argmax()]
    return float(lengths.max() / intercepts(directions_across(longest)).mean())


def _interface_section(
    cell: PeriodicCell,
    regions: RegionAtoms,
    measured: GrainMeasures,
    area_density_per_nm: float,
    deformation: Deformation,
) -> dict[str, Any]:
    area, factor = _deformed_faces(cell, measured, deformation)
    thickness = cell.interface_thickness_nm * float((area * factor).sum() / area.sum())
    excess = thickness * (regions.shares(INTERFACE) - regions.shares(GRAIN))
    return {
        "thickness": _entry(thickness, "nm"),
        "area_density": _entry(area_density_per_nm, "nm^-1"),
        "gibbs_excess_sc": _entry(excess[ELEMENTS.index("Sc")], "at.frac nm"),
        "gibbs_excess_h": _entry(excess[ELEMENTS.index("H")], "at.frac nm"),
    }
