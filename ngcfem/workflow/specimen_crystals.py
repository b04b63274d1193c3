"""The crystals of a synthetic specimen: shape and place after the deformation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from ngcfem.atomprobe.directions import even_directions
from ngcfem.microstructure.box_measures import InclusionImage, inclusion_images
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.crystal_distance import surface_points
from ngcfem.quantities import FloatArray
from ngcfem.workflow.deformed_state import Deformation
from ngcfem.workflow.synthetic_specimen import cap_place, reference_box

CONTACT_NM = 0.5
"""Crystals nearer than this touch: what two interatomic distances leave no glass between."""

_SURFACE_POINTS = 1500
_DIRECTIONS = 2000


@dataclass(frozen=True, eq=False)
class TrueCrystal:
    """One crystal of a specimen, as it is after the deformation.

    Parameters
    ----------
    number : int
        Place of its original in the cell.
    centre_nm : ndarray, shape (3,)
        Centre in nm; of a crystal cut flat, that of the whole ellipsoid.
    semi_axes_nm : ndarray, shape (3,)
        Semi-axes of the ellipsoid in nm, falling.
    axes : ndarray, shape (3, 3)
        Unit vectors along them as rows.
    equivalent_radius_nm : float
        Radius of the sphere of its volume, without what a flat cuts off.
    centre_inside : bool
        Whether the centre lies in the specimen.
    whole : bool
        Whether all of it does.
    cap : mapping or None
        Thickness, half-angle and axis (both before a deformation), centre, equivalent radius and
        offset of its Sc-rich region.
    flat : mapping or None
        Normal and distance from the centre of the plane that cuts it off, before a deformation.
    """

    number: int
    centre_nm: FloatArray
    semi_axes_nm: FloatArray
    axes: FloatArray
    equivalent_radius_nm: float
    centre_inside: bool
    whole: bool
    cap: Mapping[str, Any] | None
    flat: Mapping[str, Any] | None

    @property
    def aspect_ratio(self) -> float:
        """Longest over shortest axis."""
        return float(self.semi_axes_nm[0] / self.semi_axes_nm[-1])

    @property
    def sphericity(self) -> float:
        """Surface of the sphere of the volume of the ellipsoid over its surface, flats left out."""
        directions = even_directions(_DIRECTIONS)
        semi = self.semi_axes_nm
        # the area element of a sphere under the map diag(a, b, c)
        areas = np.prod(semi) * np.linalg.norm(directions / semi, axis=1)
        return float(np.prod(semi) ** (2.0 / 3.0) / areas.mean())


def crystals_of_box(
    cell: PeriodicCell, size_nm: FloatArray, deformation: Deformation
) -> tuple[tuple[TrueCrystal, ...], dict[str, FloatArray]]:
    """Find the crystals of a specimen and how far they are apart.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of dimension 3.
    size_nm : ndarray, shape (3,)
        Edges of the box.
    deformation : Deformation
        Deformation of the material.

    Returns
    -------
    crystals : tuple of TrueCrystal
        All of which the box holds a part.
    distances : dict of str to ndarray
        Of those with their centre in the box: distance from the nearest centre and from the nearest
        surface, whether that crystal is in the box or not; and the numbers of crystals of the
        groups that touch.

    Notes
    -----
    Distances of surfaces are those of 1500 points on each: too large by about the square of their
    spacing over twice the distance, some 0.01 nm.
    """
    low, high = reference_box(size_nm, deformation)
    margin = float(np.linalg.norm(cell.lattice, axis=1).min())
    images = inclusion_images(cell, low - margin, high + margin)
    everyone = [_crystal(cell, image, size_nm, deformation) for image in images]
    inside = [n for n, crystal in enumerate(everyone) if crystal.centre_inside]
    clouds = [
        deformation.moved(
            image.centre_nm
            + surface_points(image.inclusion, _SURFACE_POINTS, False) @ cell.rotation.T
        )
        for image in images
    ]
    centres = np.array([crystal.centre_nm for crystal in everyone]).reshape(-1, 3)
    nearest, gaps, clusters = np.full(len(inside), np.nan), np.full(len(inside), np.nan), []
    if len(everyone) > 1 and inside:
        apart, _ = KDTree(centres).query(centres[inside], k=2)
        nearest = np.asarray(apart)[:, 1]
        gaps, clusters = _surface_distances(clouds, centres, inside)
    shown = tuple(
        crystal for crystal in everyone if crystal.centre_inside or _meets(crystal, size_nm)
    )
    return shown, {
        "nearest_centre_nm": nearest,
        "nearest_surface_nm": gaps,
        "agglomerate_sizes": np.array(clusters, dtype=float),
    }


def _surface_distances(
    clouds: list[FloatArray], centres: FloatArray, inside: list[int]
) -> tuple[FloatArray, list[int]]:
    """Distance of each crystal from the next one, and sizes of the groups that touch."""
    reach = np.array(
        [np.linalg.norm(cloud - c, axis=1).max() for cloud, c in zip(clouds, centres, strict=True)]
    )
    trees = [KDTree(cloud) for cloud in clouds]
    gaps = np.full(len(inside), np.inf)
    group = np.arange(len(clouds))
    for row, number in enumerate(inside):
        bound = np.linalg.norm(centres - centres[number], axis=1) - reach - reach[number]
        bound[number] = np.inf
        for other in np.argsort(bound):
            if bound[other] > max(gaps[row], CONTACT_NM):
                break
            apart = float(np.min(trees[other].query(clouds[number])[0]))
            gaps[row] = min(gaps[row], apart)
            if apart < CONTACT_NM:
                group[group == group[other]] = group[number]
    return gaps, np.unique(group[inside], return_counts=True)[1].tolist()


def _crystal(
    cell: PeriodicCell, image: InclusionImage, size_nm: FloatArray, deformation: Deformation
) -> TrueCrystal:
    """Fit the ellipsoid that a crystal has become, which is exact if the deformation is even."""
    inclusion, rotation = image.inclusion, cell.rotation
    directions = even_directions(200)
    before = inclusion.radius_nm * directions @ inclusion.stretch_matrix @ rotation.T
    after = deformation.moved(image.centre_nm + before)
    system = np.column_stack([directions, np.ones(len(directions))])
    fit, *_ = np.linalg.lstsq(system, after, rcond=None)
    centre, shape = fit[3], fit[:3].T
    vectors, semi, _ = np.linalg.svd(shape)
    extent = np.sqrt(np.diag(shape @ shape.T))
    whole = bool(np.all(centre >= extent) and np.all(centre + extent <= size_nm))
    volume_share = inclusion.volume_nm3 / (4.0 / 3.0 * np.pi * inclusion.radius_nm**3)
    cap = flat = None
    if inclusion.cap is not None:
        offset, radius = cap_place(inclusion)
        place = deformation.moved((image.centre_nm + rotation @ offset)[None])[0]
        cap = {
            "thickness_nm": inclusion.cap.thickness_nm,
            "half_angle_deg": inclusion.cap.half_angle_deg,
            "axis": rotation @ np.array(inclusion.cap.axis),
            "centre_nm": place,
            "equivalent_radius_nm": radius * float(np.cbrt(np.linalg.det(deformation.gradient))),
            "offset_nm": float(np.linalg.norm(place - centre)),
        }
    if inclusion.flat is not None:
        flat = {
            "normal": rotation @ np.array(inclusion.flat.normal),
            "distance_nm": inclusion.flat.distance_nm,
        }
    return TrueCrystal(
        number=image.number,
        centre_nm=centre,
        semi_axes_nm=semi,
        axes=vectors.T,
        equivalent_radius_nm=float(np.cbrt(np.prod(semi) * volume_share)),
        centre_inside=bool(np.all(centre >= 0.0) and np.all(centre < size_nm)),
        whole=whole,
        cap=cap,
        flat=flat,
    )


def _meets(crystal: TrueCrystal, size_nm: FloatArray) -> bool:
    """Whether the ball around a crystal reaches into the box."""
    nearest = np.clip(crystal.centre_nm, 0.0, size_nm)
    return bool(np.linalg.norm(crystal.centre_nm - nearest) < crystal.semi_axes_nm[0])
