"""Region II: the Sc-rich caps on crystals, Sc-rich islands away from them, and compositions."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ngcfem.atomprobe.binomial_intervals import wilson_interval
from ngcfem.atomprobe.composition_field import CompositionField
from ngcfem.atomprobe.crystal_model import CAP_CONTENT, shares
from ngcfem.atomprobe.crystal_quantities import QuantityWriter, whole_weights
from ngcfem.atomprobe.crystal_results import CrystalsFound, crystal_regions
from ngcfem.atomprobe.ranged_ions import RangedIons
from ngcfem.atomprobe.specimen_edges import SpecimenEdges
from ngcfem.atomprobe.statistics_sections import Quantity
from ngcfem.atomprobe.weighted_estimates import weighted_mean
from ngcfem.quantities import BoolArray, FloatArray, IntArray

_MARGIN_BLURS = 3.0
_SOLUTE = "Sc"
_LEAST_SHARE = 0.02
_NEAR_NM = 1.0


@dataclass(frozen=True, eq=False)
class FreeIslands:
    """Compact Sc-rich places that touch neither a crystal nor the network.

    Parameters
    ----------
    centre_nm : ndarray, shape (k, 3)
        Centres of gravity.
    radius_nm : ndarray, shape (k,)
        Radii of the spheres of the volume above the threshold.
    threshold : float
        Sc content above which a voxel counts, atomic fraction.
    """

    centre_nm: FloatArray
    radius_nm: FloatArray
    threshold: float

    def __len__(self) -> int:
        """Count the islands."""
        return len(self.radius_nm)


def cap_volume_nm3(found: CrystalsFound) -> FloatArray:
    """Give the volumes of the caps.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.

    Returns
    -------
    ndarray, shape (k,)
        2 pi / 3 (1 - cos a) ((R + t)^3 - R^3), which the stretch of an ellipsoid keeps; nan without
        a cap.
    """
    inner, outer = found.radius_nm, found.radius_nm + found.cap_thickness_nm
    opening = 1.0 - np.cos(np.radians(found.cap_half_angle_deg))
    return 2.0 * np.pi / 3.0 * opening * (outer**3 - inner**3)


def cap_offset_nm(found: CrystalsFound) -> FloatArray:
    """Give the distances from the centres of crystals to those of their caps.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.

    Returns
    -------
    ndarray, shape (k,)
        3 / 8 (1 + cos a) ((R + t)^4 - R^4) / ((R + t)^3 - R^3), that of a ball, drawn out along the
        axis of the cap as the crystal is; nan without a cap.
    """
    inner, outer = found.radius_nm, found.radius_nm + found.cap_thickness_nm
    closing = 1.0 + np.cos(np.radians(found.cap_half_angle_deg))
    ball = 0.375 * closing * (outer**4 - inner**4) / (outer**3 - inner**3)
    local = np.einsum("kji,kj->ki", found.rotation, found.cap_axis)
    return ball * np.linalg.norm(local * found.semi_axes_nm / found.radius_nm[:, None], axis=1)


def sc_rich_quantities(found: CrystalsFound) -> dict[str, Quantity]:
    """Measure the Sc-rich caps.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.

    Returns
    -------
    dict of str to Quantity
        By the dotted keys of the statistics file; what no cap tells is left out.

    Notes
    -----
    Over the crystals that lie whole in the specimen, weighted by the inverse chance to do so. The
    cap is a layer of even thickness up to a polar angle, blurred like the crystal, and fitted
    together with it. The volume fraction is the volume of the whole caps of all crystals with their
    centre in the specimen: caps that lie behind its surface are missed, which makes it too small by
    some 10 % where the specimen is 12 radii wide.
    """
    quantity = QuantityWriter(found)
    if not len(found):
        return {}
    weight = whole_weights(found, SpecimenEdges.of(found.grid, found.inside))
    whole = weight > 0.0
    if not whole.any():
        return {}
    method = "whole crystals, weighted by the inverse chance to be whole"
    share = float(np.sum(weight[found.capped]) / weight.sum())
    number = float(weight.sum() ** 2 / np.sum(weight**2))
    low, high = (float(end) for end in wilson_interval(share, number))
    count = int(np.count_nonzero(whole))
    result = {
        "sc_rich.share_of_crystals": quantity("1", share, (low, high), count, method + "; Wilson")
    }
    chosen = whole & found.capped
    if not chosen.any():
        return result
    volume, offset = cap_volume_nm3(found), cap_offset_nm(found)
    relative = np.hypot(
        found.cap_thickness_error_nm / found.cap_thickness_nm,
        # of 1 - cos a, whose logarithm has the derivative cot(a / 2)
        np.radians(found.cap_half_angle_error_deg)
        / np.tan(0.5 * np.radians(np.maximum(found.cap_half_angle_deg, 1.0))),
    )
    radius = np.cbrt(3.0 * volume / (4.0 * np.pi))
    angle, angle_error = found.cap_half_angle_deg, found.cap_half_angle_error_deg
    entries = (
        ("thickness", "nm", found.cap_thickness_nm, found.cap_thickness_error_nm, np.inf),
        ("contact_half_angle", "deg", angle, angle_error, 180.0),
        ("radius", "nm", radius, radius * relative / 3.0, np.inf),
        ("offset", "nm", offset, 0.5 * found.cap_thickness_error_nm, np.inf),
    )
    count = int(np.count_nonzero(chosen))
    for name, unit, values, errors, most in entries:
        mean, low, high = weighted_mean(values[chosen], weight[chosen], errors[chosen])
        interval = (max(low, 0.0), min(high, most)) if np.isfinite(low) else None
        result[f"sc_rich.{name}"] = quantity(
            unit, mean, interval, count, "caps fitted to raw ions; " + method
        )
    chosen = found.capped & found.centre_inside
    count = int(np.count_nonzero(chosen))
    if count:
        fraction = float(volume[chosen].sum()) / max(found.volume_nm3, 1e-9)
        # the sum of a Poisson distributed number of sizes, each with its error
        size = float(np.sqrt(np.sum(volume[chosen] ** 2 * (1.0 + relative[chosen] ** 2))))
        spread = float(np.exp(1.96 * size / volume[chosen].sum()))
        result["volume_fractions.sc_rich"] = quantity(
            "1",
            min(fraction, 1.0),
            (fraction / spread, min(fraction * spread, 1.0)),
            count,
            "fitted caps of the crystals with their centre in the specimen; compound Poisson",
        )
    return result


def region_compositions(
    ions: RangedIons, found: CrystalsFound, margin_nm: float = 0.5
) -> dict[str, Quantity]:
    """Measure the compositions of crystals and caps on the raw ions.

    Parameters
    ----------
    ions : RangedIons
        The ranged ions.
    found : CrystalsFound
        The crystals.
    margin_nm : float
        Atoms nearer to the surface of a crystal are not counted to it; three times the blur at
        least.

    Returns
    -------
    dict of str to Quantity
        composition.nanocrystal and composition.sc_rich of each element, in at%.

    Notes
    -----
    Crystals: atoms deeper than the margin, with Wilson's interval. Caps are thinner than two
    margins, so that no place in them is free of the blur: the indicator of an element is fitted by
    least squares with the blurred shares of crystal, cap and the rest, which is its expectation if
    each of the three has one composition; the interval is that of the residuals, and of the
    contents of the caps where place and size of crystal and cap are free.
    """
    from scipy.spatial import KDTree

    quantity = QuantityWriter(found)
    if not len(found):
        return {}
    margin = max(margin_nm, _MARGIN_BLURS * found.blur_nm)
    position = ions.position_nm.astype(np.float64)
    tree = KDTree(position)
    atoms = ions.atoms().astype(np.float64)
    core = np.zeros(len(position), dtype=bool)
    rows: list[FloatArray] = []
    places: list[IntArray] = []
    for crystal in range(len(found)):
        reach = float(found.semi_axes_nm[crystal, 0])
        if found.capped[crystal]:
            reach = reach + float(found.cap_thickness_nm[crystal]) + _NEAR_NM
        near = np.array(tree.query_ball_point(found.centre_nm[crystal], reach), dtype=np.int64)
        if not len(near):
            continue
        core[near[found.distance_nm(crystal, position[near]) < -margin]] = True
        if found.capped[crystal]:
            share = shares(position[near], found.fits[crystal].values, found.fits[crystal].parts)
            seen = (share.cap > _LEAST_SHARE) & (atoms[near] > 0)
            rest = 1.0 - share.crystal - share.cap
            rows.append(np.column_stack([share.cap, share.crystal, rest])[seen])
            places.append(near[seen])
    result = {}
    total = float(atoms[core].sum())
    if total > 0.0:
        for element in ions.elements:
            number = float(ions.atoms_of(element)[core].sum())
            low, high = (float(end) for end in wilson_interval(number / total, total))
            result[f"composition.nanocrystal.{element}"] = quantity(
                "at%",
                100.0 * number / total,
                (100.0 * low, 100.0 * high),
                int(total),
                f"atoms deeper than {margin:.2f} nm in crystals; Wilson",
            )
    if not rows:
        return result
    design, where = np.concatenate(rows), np.concatenate(places)
    weighted = design * atoms[where, None]
    normal = np.linalg.pinv(weighted.T @ design)
    cap_content, geometry = _content_error(found)
    for element in ions.elements:
        count = ions.atoms_of(element)[where]
        fitted = normal @ (design.T @ count)
        residual = count - weighted @ fitted
        spread = normal @ ((design * residual[:, None] ** 2).T @ design) @ normal
        value = float(np.clip(fitted[0], 0.0, 1.0))
        part = 1.0 if element == _SOLUTE else value / max(1.0 - cap_content, 1e-9)
        error = float(np.hypot(np.sqrt(spread[0, 0]), part * geometry))
        result[f"composition.sc_rich.{element}"] = quantity(
            "at%",
            100.0 * value,
            (100.0 * max(value - 1.96 * error, 0.0), 100.0 * min(value + 1.96 * error, 1.0)),
            int(np.count_nonzero(design[:, 0] > 0.5)) or None,
            "least squares with the blurred shares of cap, crystal and the rest around each cap",
        )
    return result


def _content_error(found: CrystalsFound) -> tuple[float, float]:
    """Sc content of all caps together, and its standard error with their geometry left free."""
    errors = np.array([np.sqrt(fit.variance(CAP_CONTENT)) for fit in found.fits])[found.capped]
    content = float(np.mean(found.cap_content[found.capped]))
    pooled = 1.0 / np.sqrt(np.sum(1.0 / np.maximum(errors, 1e-3) ** 2))
    return content, content * (1.0 - content) * float(pooled)


def free_islands(
    found: CrystalsFound,
    composition: CompositionField,
    network: BoolArray | None = None,
    significance: float = 5.0,
    largest_radius_nm: float = 2.5,
    distance_nm: float = 0.8,
) -> FreeIslands:
    """Find Sc-rich places that are no caps.

    Parameters
    ----------
    found : CrystalsFound
        The crystals.
    composition : CompositionField
        The field they were found in.
    network : ndarray of bool, shape (nx, ny, nz), optional
        Voxels of the interface network.
    significance : float
        Enrichment over its counting error, at least.
    largest_radius_nm : float
        Larger pieces belong to the network.
    distance_nm : float
        Pieces as near to a crystal, a cap or the network touch it.

    Returns
    -------
    FreeIslands
        Compact pieces: no longer than three times their width.
    """
    field = composition.fraction(_SOLUTE)
    error = np.sqrt(
        found.matrix * (1.0 - found.matrix) / np.maximum(composition.effective_atoms(), 1)
    )
    threshold = found.matrix + significance * float(np.median(error[composition.inside]))
    rich = (np.nan_to_num(field) > threshold) & composition.inside
    taken = crystal_regions(found, composition.grid) > 0
    if network is not None:
        taken |= network
    voxel = composition.grid.voxel_nm
    if taken.any():
        taken = np.asarray(ndimage.distance_transform_edt(~taken)) * voxel < distance_nm
    label, _ = ndimage.label(rich, np.ones((3, 3, 3), dtype=bool))
    touching = np.unique(label[taken])
    # what reaches the surface of the specimen may go on outside
    rim = ndimage.binary_dilation(~np.pad(composition.inside, 1))[1:-1, 1:-1, 1:-1]
    touching = np.union1d(touching, np.unique(label[rim]))
    centres, radii = [], []
    for piece, box in enumerate(ndimage.find_objects(label), start=1):
        if box is None or piece in touching:
            continue
        places = np.argwhere(label[box] == piece)
        radius = float(np.cbrt(3.0 * len(places) / (4.0 * np.pi))) * voxel
        if not voxel < radius < largest_radius_nm:
            continue
        extent = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(places.T)), 1e-3))
        if extent[2] > 3.0 * extent[0]:
            continue
        corner = np.array([side.start for side in box])
        centres.append(
            np.asarray(composition.grid.origin_nm) + (corner + places.mean(axis=0) + 0.5) * voxel
        )
        radii.append(radius)
    return FreeIslands(np.array(centres).reshape(-1, 3), np.array(radii), threshold)
