"""The network and the grains of a specimen in its report."""

import numpy as np

from ngcfem.atomprobe.boundary_distance import boundary_distances
from ngcfem.atomprobe.composition_field import VoxelGrid
from ngcfem.atomprobe.grain_sizes import measure_grain_sizes
from ngcfem.atomprobe.network import NetworkFound
from ngcfem.atomprobe.regions import RegionsFound
from ngcfem.quantities import INTERFACE, BoolArray, FloatArray
from ngcfem.report.atom_probe_network_figures import draw_network_profile
from ngcfem.report.atom_probe_regions import draw_size_histogram
from ngcfem.report.atom_probe_sections import ReportFigure, ReportSection
from ngcfem.report.atom_probe_surfaces import DrawnSurface
from ngcfem.report.colours import phase_colours
from ngcfem.report.page import Content

_DRAWN_GRID_VOXELS = 2_000_000
_OPACITY = 0.35


def network_surfaces(found: RegionsFound) -> tuple[DrawnSurface, ...]:
    """Give the surface of the network.

    Parameters
    ----------
    found : RegionsFound
        The regions.

    Returns
    -------
    tuple of DrawnSurface
        The network as thick as it was found, where it lies in the specimen; none if there is none.
    """
    if found.network is None:
        return ()
    grid = _drawn_grid(found.composition.grid)
    inside = _resampled(found.composition.grid, found.composition.inside, grid)
    half = 0.5 * found.network.profile.thickness_nm
    depth = np.where(inside, half - _depth_nm(found.network, grid), -half)
    return _surface("network", phase_colours([INTERFACE])[INTERFACE], grid, depth)


def _drawn_grid(grid: VoxelGrid) -> VoxelGrid:
    """Voxels for drawing: half of those of the field where these are few, else larger."""
    n_voxels = float(np.prod(grid.shape))
    factor = max(0.5, float(np.cbrt(n_voxels / _DRAWN_GRID_VOXELS)))
    shape = np.maximum(np.ceil(np.array(grid.shape) / factor), 2).astype(int)
    return VoxelGrid(
        grid.origin_nm,
        grid.voxel_nm * factor,
        (int(shape[0]), int(shape[1]), int(shape[2])),
    )


def _resampled(field: VoxelGrid, values: BoolArray, grid: VoxelGrid) -> BoolArray:
    centres = grid.centres_nm(np.arange(int(np.prod(grid.shape))))
    return values.ravel()[field.voxel_of(centres)].reshape(grid.shape)


def _depth_nm(network: NetworkFound, grid: VoxelGrid) -> FloatArray:
    """Distance of each voxel from the middle of the network."""
    grains = network.surfaces.grains
    centres = grid.centres_nm(np.arange(int(np.prod(grid.shape))))
    at = boundary_distances(centres, grains.labels, network.surfaces.facets, network.surfaces.near)
    far = np.where(at.facet < 0, network.parameters.reach_nm, np.abs(at.distance_nm))
    return far.reshape(grid.shape)


def _surface(
    title: str, colour: str, grid: VoxelGrid, depth_nm: FloatArray
) -> tuple[DrawnSurface, ...]:
    from skimage.measure import marching_cubes

    padded = np.pad(depth_nm, 1, constant_values=float(depth_nm.min()))
    if not padded.min() < 0.0 < padded.max():
        return ()
    points, triangles, *_ = marching_cubes(padded, 0.0, gradient_direction="ascent")
    vertices = np.asarray(grid.origin_nm) + (points - 0.5) * grid.voxel_nm
    return (DrawnSurface(title, colour, vertices, triangles.astype(np.int64), _OPACITY),)


def network_section(found: RegionsFound) -> ReportSection:
    """Write the section on network and grains.

    Parameters
    ----------
    found : RegionsFound
        The regions.

    Returns
    -------
    ReportSection
        Profile across the network and sizes of the grains, or why there is no network.
    """
    heading = "Network and grains"
    network = found.network
    if network is None:
        return ReportSection("network", heading, (f"No network was found: {found.failure}.",))
    profile, sizes = network.profile, measure_grain_sizes(network.surfaces)
    facts: dict[str, Content] = {
        "grains": str(network.surfaces.grains.number),
        "facets between them": str(len(network.surfaces.facets)),
        "thickness [nm]": f"{profile.thickness_nm:.2f}",
        "blur, that of the place of the facets included [nm]": f"{profile.sigma_nm:.2f}",
        f"{network.parameters.element} beside it [at%]": f"{100.0 * profile.matrix:.2f}",
        f"excess of {network.parameters.element} in it [at%]": f"{100.0 * profile.excess:.2f}",
    }
    blocks = [
        facts,
        ReportFigure(
            draw_network_profile(network),
            "Composition over the distance from the middle of the network, with the fit.",
            "Raw ions over their distance from the nearest facet. Line: a layer of constant "
            "excess, blurred.",
        ),
        ReportFigure(
            draw_size_histogram(
                {
                    "whole": sizes.diameter_nm[sizes.whole],
                    "cut by the rim": sizes.diameter_nm[~sizes.whole],
                },
                "equivalent diameter [nm]",
            ),
            "Histogram of the equivalent diameters of the grains.",
            "Grains with their half of the network; whole ones, and those that the surface of the "
            "specimen cuts.",
        ),
    ]
    return ReportSection("network", heading, blocks)
