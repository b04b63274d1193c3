"""Meshes that cannot fail: a lattice of tetrahedra on the torus, fitted to the interfaces."""

import numpy as np

from ngcfem.errors import RefusedError
from ngcfem.mesh.box_meshing import RawMesh
from ngcfem.mesh.cell_regions import cell_regions
from ngcfem.mesh.lattice_division import divide_lattice
from ngcfem.mesh.regions import Regions
from ngcfem.mesh.surface_relaxation import TorusMesh, relax_torus_mesh
from ngcfem.mesh.tetrahedron_cutting import EDGES
from ngcfem.mesh.torus_lattice import TorusLattice, torus_lattice
from ngcfem.mesh.vertex_snapping import snap_vertices
from ngcfem.microstructure.cell import PeriodicCell
from ngcfem.microstructure.tessellation import laguerre_cells
from ngcfem.quantities import FloatArray, IntArray

FRACTION_TOLERANCE = 0.003
"""Largest relative error of a phase volume at which the surfaces are not moved any more."""

NETWORK_SPACINGS = 1.5
SELF_SPACINGS = 0.9
CAP_SPACINGS = 1.25
CRYSTAL_SPACINGS = 1.2
_VOLUME_STEPS = 12
_COARSE_STEPS = 5
_LARGEST_GROWTH = 0.4
_SMALL_FACET = 0.01
_HOPELESS = 0.2
_REFINEMENTS = 2
_FINER = 0.8
_FLAT = 1e-6
_SNAP_SHARES = (1.0, 0.7, 0.4)


def resolving_size(cell: PeriodicCell, size_nm: float) -> float:
    """Spacing of the lattice that keeps thin regions of a cell whole.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry.
    size_nm : float
        Spacing asked for in nm.

    Returns
    -------
    float
        At most ``NETWORK_SPACINGS`` times the thickness of the network (the network then stays
        connected; ``SELF_SPACINGS`` in a cell of few grains, where a grain is its own neighbour and
        no edge may leap over the network between the two), ``CAP_SPACINGS`` times that of the
        thinnest cap, ``CRYSTAL_SPACINGS`` times the shortest semi-axis of a crystal and the
        thickness of the thinnest layer.
    """
    limits = [size_nm]
    if cell.number_of_grains:
        spacings = SELF_SPACINGS if _touches_itself(cell) else NETWORK_SPACINGS
        limits.append(spacings * cell.interface_thickness_nm)
    for inclusion in cell.inclusions:
        shortest = float(np.linalg.eigvalsh(inclusion.stretch_matrix)[0])
        limits.append(CRYSTAL_SPACINGS * shortest * inclusion.radius_nm)
        if inclusion.cap is not None:
            limits.append(CAP_SPACINGS * shortest * inclusion.cap.thickness_nm)
    height = float(np.linalg.norm(cell.lattice[cell.layer_axis]))
    limits += [layer.fraction * height for layer in cell.layers]
    return min(limits)


def _touches_itself(cell: PeriodicCell) -> bool:
    grains = laguerre_cells(cell.sites, cell.weights, np.diag(cell.lattice))
    least = _SMALL_FACET * cell.interface_thickness_nm**2
    return any(
        facet.neighbour == number and facet.area_nm2 > least
        for number, grain in enumerate(grains)
        for facet in grain.facets
    )


def stuff_cell(cell: PeriodicCell, size_nm: float) -> RawMesh:
    """Mesh any cell of three dimensions by periodic isosurface stuffing.

    Parameters
    ----------
    cell : PeriodicCell
        The geometry, of any kind.
    size_nm : float
        Edge length asked for; made smaller where ``resolving_size`` says so.

    Returns
    -------
    RawMesh
        Tetrahedra in the frame of the cell (``cell.rotation`` is not applied), whole, whose
        boundary nodes are exactly a period apart.

    Raises
    ------
    RefusedError
        If the phases do not come out within 1 % of their volumes, with the numbers.
    ValueError
        If the cell is plane, or ``size_nm`` is not positive.

    Notes
    -----
    See :func:`stuff_regions`. Layers thinner than the lattice resolves, such as the glass between a
    crystal and the network next to it, may be pinched: the two then touch there.
    """
    if not size_nm > 0.0:
        raise ValueError(f"size_nm must be positive, not {size_nm}")
    return stuff_regions(cell_regions(cell), resolving_size(cell, size_nm))


def stuff_regions(
    regions: Regions, spacing_nm: float, maximum_fraction_error: float = 0.01
) -> RawMesh:
    """Fill a periodic division into regions with tetrahedra.

    Parameters
    ----------
    regions : Regions
        The regions by their level functions.
    spacing_nm : float
        Spacing of the lattice.
    maximum_fraction_error : float
        Relative error of a phase volume above which the mesh is refused.

    Returns
    -------
    RawMesh
        Tetrahedra.

    Raises
    ------
    RefusedError
        If a phase does not come out within ``maximum_fraction_error`` of its volume.

    Notes
    -----
    1. A body-centred cubic lattice fills the torus; its vertices near an interface move onto it
       (:func:`ngcfem.mesh.vertex_snapping.snap_vertices`).
    2. Tetrahedra whose edges are still cut are divided by fixed templates
       (:func:`ngcfem.mesh.tetrahedron_cutting.pieces`), alike on both sides of every face. Every
       piece belongs to the region that its vertices have in common.
    3. What chords cut off round bodies is made up for: every region is grown by its missing volume
       over its surface until the phases are right, and the mesh is made anew.
    4. Nodes around poor tetrahedra are moved, those of an interface along it
       (:func:`ngcfem.mesh.surface_relaxation.relax_torus_mesh`).

    Where the phases do not come out, as in a network that the lattice does not resolve, the spacing
    is made smaller by a fifth, twice at most.

    The tetrahedra of the lattice cannot be inverted by moves of these lengths, and the pieces lie
    inside them; should one come out flat, everything is repeated with shorter moves.

    References
    ----------
    Labelle, Shewchuk (2007), ACM Trans. Graph. 26, 57, doi 10.1145/1276377.1276448.
    """
    spacing = spacing_nm
    mesh, error = _fitted(regions, torus_lattice(regions.lattice, spacing))
    for _ in range(_REFINEMENTS):
        if error <= maximum_fraction_error or error > _HOPELESS:
            break
        spacing *= _FINER
        mesh, error = _fitted(regions, torus_lattice(regions.lattice, spacing))
    if error <= maximum_fraction_error:
        return _unwrapped(mesh, regions)
    raise RefusedError(
        f"isosurface stuffing with a spacing of {mesh.spacing_nm:.3g} nm misses the volume "
        f"of a phase by {100.0 * error:.2f} %, at most {100.0 * maximum_fraction_error:g} % "
        "allowed. Use a smaller size_nm."
    )


def _fitted(regions: Regions, lattice: TorusLattice) -> tuple[TorusMesh, float]:
    """Mesh whose phases come closest to their volumes, and the largest relative error."""
    edges = np.unique(np.concatenate([lattice.cells[:, pair] for pair in EDGES]), axis=0)
    goal = _phase_volumes(regions, regions.target_volumes_nm3)
    wanted = regions.target_volumes_nm3
    growth = np.zeros(len(wanted))
    best: tuple[TorusMesh, float] | None = None
    limit = _LARGEST_GROWTH * lattice.spacing_nm
    relaxing = False
    for step in range(_VOLUME_STEPS):
        grown = regions.grown(growth)
        mesh = _valid_mesh(grown, lattice, edges)
        if relaxing:
            mesh = relax_torus_mesh(mesh, grown)
        volumes = np.bincount(mesh.region, weights=mesh.volumes(), minlength=len(wanted))
        error = float(np.abs(_phase_volumes(regions, volumes) / goal - 1.0).max())
        if best is None or (relaxing and error < best[1]):
            best = mesh, error
        if error < FRACTION_TOLERANCE:
            if relaxing:
                break
            relaxing = True
            best = None
            continue
        if step == _COARSE_STEPS:
            relaxing, best = True, None
        missing = np.divide(
            wanted - volumes,
            regions.growth_areas,
            out=np.zeros(len(wanted)),
            where=regions.growth_areas > 0.0,
        )
        growth = np.clip(growth + np.clip(missing, -0.5 * limit, 0.5 * limit), -limit, limit)
    if best is None:
        raise RuntimeError("no mesh was made")
    return best


def _phase_volumes(regions: Regions, volumes: FloatArray) -> FloatArray:
    by_phase = np.bincount(regions.phase, weights=volumes, minlength=len(regions.phase_names))
    return by_phase[np.unique(regions.phase)]


def _valid_mesh(regions: Regions, lattice: TorusLattice, edges: IntArray) -> TorusMesh:
    for share in _SNAP_SHARES:
        mesh = divide_lattice(regions, lattice, snap_vertices(regions, lattice, edges, share))
        volumes = mesh.volumes()
        if volumes.min() > _FLAT * volumes.mean():
            return mesh
    raise RefusedError(
        f"isosurface stuffing with a spacing of {lattice.spacing_nm:.3g} nm left flat tetrahedra. "
        "Use a smaller size_nm."
    )


def _unwrapped(mesh: TorusMesh, regions: Regions) -> RawMesh:
    corners = mesh.corners()
    inverse = np.linalg.inv(mesh.lattice)
    shift = np.round((corners - mesh.points[mesh.cells]) @ inverse).astype(np.int64)
    image = np.concatenate([mesh.cells[:, :, None], shift], axis=2).reshape(-1, 4)
    nodes, cells = np.unique(image, axis=0, return_inverse=True)
    return RawMesh(
        points=mesh.points[nodes[:, 0]] + nodes[:, 1:] @ mesh.lattice,
        cells=cells.reshape(-1, 4),
        phase=regions.phase[mesh.region].astype(np.int32),
        grain=regions.grains_at(mesh.region, corners.mean(axis=1)),
    )
