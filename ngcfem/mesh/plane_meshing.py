"""Meshes of plane cells: the union of whole Laguerre cells, rectangles with a disc, and grids."""

from typing import Literal

import numpy as np
from scipy.spatial import KDTree

from ngcfem.errors import RefusedError
from ngcfem.mesh.box_meshing import MINIMUM_DIVISIONS, RawMesh
from ngcfem.mesh.element_sizes import ElementSizes
from ngcfem.mesh.pairing import components_of_pairs
from ngcfem.mesh.plane_filling import CAP, DISC, INSIDE, NETWORK, FilledPlane, fill_outlines
from ngcfem.mesh.plane_outlines import grain_outline
from ngcfem.mesh.plane_quality import triangle_shapes
from ngcfem.mesh.plane_sides import grain_rings, rectangle_ring, without_short_sides
from ngcfem.microstructure.cell import Inclusion, PeriodicCell
from ngcfem.microstructure.plane_shape import plane_grain_corners
from ngcfem.microstructure.plane_tessellation import PlaneGrain, plane_diagram
from ngcfem.quantities import GRAIN, INTERFACE, NANOCRYSTAL, SC_RICH, FloatArray

PlanePattern = Literal["crossed", "diagonal", "unstructured"]
PLANE_PATTERNS: tuple[str, ...] = ("crossed", "diagonal", "unstructured")

ROWS_ACROSS_NETWORK = 0.8
"""Longest edge on both sides of the network, over its thickness: two rows of sound triangles."""

_ALGORITHMS = (6, 5, 1)
_SIZE_FACTORS = (1.0, 0.85, 0.7)
_MERGE_FACTORS = (1.0, 0.5, 0.0)
_CONTENT_ANGLE_DEG = 25.0
_WELD_NM = 1e-7


def mesh_plane_grains(cell: PeriodicCell, sizes: ElementSizes, merge_nm: float) -> RawMesh:
    """Mesh a plane cell of the kind ``nanocomposite`` or ``nanoglass``.

    Parameters
    ----------
    cell : PeriodicCell
        Grains, network and discs, of dimension 2.
    sizes : ElementSizes
        Edge lengths asked for; the one on the network is cut down to ``ROWS_ACROSS_NETWORK`` of its
        thickness, and without one for the interior that on the network as given is taken.
    merge_nm : float
        Length up to which sides of the polygons collapse; at most a third of the thickness of the
        network is sensible.

    Returns
    -------
    RawMesh
        Triangles of the union of the whole Laguerre cells.

    Raises
    ------
    RefusedError
        If a grain could not be filled in any of the ways tried.

    Notes
    -----
    1. The domain is the union of whole Laguerre cells; nothing is cut by a rectangle.
    2. Every side between two cells is divided once and used, displaced, from both, so the mesh
       conforms modulo the lattice by construction. These sides lie inside the network and are no
       physical interface: short ones are merged.
    3. Every cell is filled on its own by Gmsh: outer sides, the grain moved in by half the
       thickness of the network, discs and caps inside, all of exactly their areas. A cell with an
       angle under 25 degrees is tried again with other algorithms, finer outlines and less merging;
       the best try is kept.
    """
    edges = np.diag(cell.lattice)
    interior = sizes.grain_interior_nm or sizes.interface_nm
    across = ROWS_ACROSS_NETWORK * cell.interface_thickness_nm
    sizes = ElementSizes(min(sizes.interface_nm, across), sizes.crystal_surface_nm, interior)
    diagram = plane_diagram(cell.sites, cell.weights, edges)
    rings = grain_rings(diagram, edges, merge_nm, sizes.interface_nm)
    phase = {name: number for number, name in enumerate(cell.phase_names)}
    number_of = np.zeros(4, dtype=np.int32)
    for region, name in (
        (NETWORK, INTERFACE),
        (INSIDE, GRAIN),
        (CAP, SC_RICH),
        (DISC, NANOCRYSTAL),
    ):
        number_of[region] = phase.get(name, -1)
    filled = []
    for number, grain in enumerate(diagram.grains):
        inside = [i for i in cell.inclusions if i.grain == number]
        filled.append(
            _fill(
                number,
                grain,
                rings[number],
                inside,
                0.5 * cell.interface_thickness_nm,
                sizes,
                merge_nm,
            )
        )
    counts = [len(part.points) for part in filled]
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    points = np.concatenate([part.points for part in filled])
    cells = np.concatenate(
        [part.cells + start for part, start in zip(filled, first.tolist(), strict=True)]
    )
    pairs = KDTree(points).query_pairs(_WELD_NM, output_type="ndarray")
    _, label = components_of_pairs(pairs, len(points))
    _, first_of = np.unique(label, return_index=True)
    return RawMesh(
        points=points[first_of],
        cells=label[cells],
        phase=number_of[np.concatenate([part.region for part in filled])],
        grain=np.repeat(
            np.arange(len(filled), dtype=np.int32), [len(part.cells) for part in filled]
        ),
    )


def _fill(
    number: int,
    grain: PlaneGrain,
    ring: FloatArray,
    inside: list[Inclusion],
    inset_nm: float,
    sizes: ElementSizes,
    merge_nm: float,
) -> FilledPlane:
    exact = plane_grain_corners(grain, inset_nm)
    best: FilledPlane | None = None
    best_angle, reasons = 0.0, []
    for factor, merge in zip(_SIZE_FACTORS, _MERGE_FACTORS, strict=True):
        corners = without_short_sides(exact, merge * merge_nm)
        outline = grain_outline(corners, inside, sizes.scaled(factor))
        for algorithm in _ALGORITHMS:
            interior = factor * (sizes.grain_interior_nm or sizes.interface_nm)
            try:
                tried = fill_outlines(ring, outline, interior, algorithm)
            except RuntimeError as error:
                reasons.append(str(error))
                continue
            shapes = triangle_shapes(tried.points[tried.cells])
            angle = float(shapes.minimum_angle_deg.min())
            if angle > best_angle:
                best, best_angle = tried, angle
            if best_angle >= _CONTENT_ANGLE_DEG:
                return tried
    if best is None:
        raise RefusedError(
            f"grain {number} could not be meshed with elements of {sizes.largest_nm:g} nm: "
            f"{'; '.join(dict.fromkeys(reasons))}. Use a smaller size_nm or another seed."
        )
    return best


def mesh_rectangle_with_discs(cell: PeriodicCell, sizes: ElementSizes) -> RawMesh:
    """Mesh a rectangle without structure, with discs in it or empty.

    Parameters
    ----------
    cell : PeriodicCell
        Cell of the kind ``sphere``, ``homogeneous`` or ``glass``, of dimension 2.
    sizes : ElementSizes
        Edge length asked for on the rectangle (``interface_nm``), on discs, and in between.

    Returns
    -------
    RawMesh
        Triangles; discs have their exact area.

    Raises
    ------
    RefusedError
        If Gmsh fails.
    """
    edges = np.diag(cell.lattice)
    interior = sizes.grain_interior_nm or sizes.interface_nm
    outline = grain_outline(np.zeros((0, 2)), cell.inclusions, sizes)
    discs = [disc.bare for disc in outline.discs]
    # a disc that nearly meets its own image has a narrow gap to the edges of the rectangle
    gap = min((float(min(d.min(), (edges - d.max(axis=0)).min())) for d in discs), default=np.inf)
    reasons = []
    best: FilledPlane | None = None
    best_angle = 0.0
    for factor in _SIZE_FACTORS:
        size = factor * min(sizes.interface_nm, max(2.0 * gap, 0.02 * float(edges.min())))
        divisions = [max(MINIMUM_DIVISIONS, round(edge / size)) for edge in edges]
        outline = grain_outline(
            np.zeros((0, 2)),
            cell.inclusions,
            ElementSizes(size, min(factor * sizes.crystal_surface_nm, 1.5 * size)),
        )
        for algorithm in _ALGORITHMS:
            ring = rectangle_ring(edges, divisions)
            try:
                tried = fill_outlines(ring, outline, factor * interior, algorithm)
            except RuntimeError as error:
                reasons.append(str(error))
                continue
            angle = float(triangle_shapes(tried.points[tried.cells]).minimum_angle_deg.min())
            if angle > best_angle:
                best, best_angle = tried, angle
            if best_angle >= _CONTENT_ANGLE_DEG:
                break
        if best_angle >= _CONTENT_ANGLE_DEG:
            break
    if best is None:
        raise RefusedError(
            f"the {cell.kind} could not be meshed: {'; '.join(dict.fromkeys(reasons))}. "
            "Use a smaller size_nm."
        )
    phase = (best.region == DISC).astype(np.int32)
    return RawMesh(best.points, best.cells, phase, np.full(len(phase), -1, dtype=np.int32))


def mesh_plane_grid(cell: PeriodicCell, size_nm: float, pattern: PlanePattern) -> RawMesh:
    """Mesh a homogeneous or laminated rectangle with a regular grid.

    Parameters
    ----------
    cell : PeriodicCell
        Cell of the kind ``homogeneous``, ``glass`` or ``laminate``, of dimension 2.
    size_nm : float
        Edge of the boxes asked for; at least three are made across the cell in every direction.
    pattern : {"crossed", "diagonal"}
        Four triangles a box, by both diagonals (symmetric in x and y), or two.

    Returns
    -------
    RawMesh
        Triangles with the phase of each layer.

    Raises
    ------
    ValueError
        If there is no such pattern.
    """
    if pattern not in ("crossed", "diagonal"):
        raise ValueError(f"no pattern {pattern!r} of a grid: crossed or diagonal")
    edges = np.diag(cell.lattice)
    lines = [
        np.linspace(0.0, edge, max(MINIMUM_DIVISIONS, round(edge / size_nm)) + 1) for edge in edges
    ]
    layer_of = np.zeros(len(lines[cell.layer_axis]) - 1, dtype=np.int32)
    if cell.layers:
        lines[cell.layer_axis], layer_of = _layer_lines(
            cell, float(edges[cell.layer_axis]), size_nm
        )
    nx, ny = (len(line) - 1 for line in lines)
    vertices = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 2)
    i, j = (index.ravel() for index in np.meshgrid(np.arange(nx), np.arange(ny), indexing="ij"))
    low_left = i * (ny + 1) + j
    ring = np.stack([low_left, low_left + ny + 1, low_left + ny + 2, low_left + 1], axis=1)
    if pattern == "diagonal":
        points = vertices
        cells = np.concatenate([ring[:, [0, 1, 2]], ring[:, [0, 2, 3]]])
    else:
        points = np.concatenate([vertices, vertices[ring].mean(axis=1)])
        middle = len(vertices) + np.arange(len(ring))
        cells = np.concatenate(
            [np.stack([ring[:, k], ring[:, (k + 1) % 4], middle], axis=1) for k in range(4)]
        )
    phase = layer_of[(i, j)[cell.layer_axis]]
    return RawMesh(
        points=points,
        cells=cells.astype(np.int64),
        phase=np.tile(phase, len(cells) // len(ring)),
        grain=np.full(len(cells), -1, dtype=np.int32),
    )


def _layer_lines(
    cell: PeriodicCell, height_nm: float, size_nm: float
) -> tuple[FloatArray, np.ndarray]:
    fractions = np.array([layer.fraction for layer in cell.layers])
    heights = np.concatenate([[0.0], np.cumsum(fractions)]) * height_nm
    heights[-1] = height_nm
    rows = np.maximum(1, np.round(np.diff(heights) / size_nm).astype(int))
    while rows.sum() < MINIMUM_DIVISIONS:
        rows[np.argmax(np.diff(heights) / rows)] += 1
    parts = [
        np.linspace(low, high, n + 1)[:-1]
        for low, high, n in zip(heights[:-1], heights[1:], rows, strict=True)
    ]
    phases = np.array([cell.phase_names.index(layer.phase) for layer in cell.layers])
    return np.concatenate([*parts, [height_nm]]), np.repeat(phases, rows).astype(np.int32)


def mesh_plane_cell(
    cell: PeriodicCell, sizes: ElementSizes, merge_nm: float, pattern: PlanePattern = "crossed"
) -> RawMesh:
    """Mesh a plane cell in the way its kind asks for.

    Parameters
    ----------
    cell : PeriodicCell
        Cell of any kind and dimension 2.
    sizes : ElementSizes
        Edge lengths asked for; ``interface_nm`` is the general one where there is no network.
    merge_nm : float
        Length up to which sides of grains collapse.
    pattern : {"crossed", "diagonal", "unstructured"}
        How rectangles without grains and discs are divided; layers always lie on a grid.

    Returns
    -------
    RawMesh
        Triangles in the frame of the cell.

    Raises
    ------
    RefusedError
        If Gmsh fails.
    """
    if cell.number_of_grains:
        return mesh_plane_grains(cell, sizes, merge_nm)
    if cell.inclusions or (pattern == "unstructured" and not cell.layers):
        return mesh_rectangle_with_discs(cell, sizes)
    return mesh_plane_grid(
        cell, sizes.interface_nm, "crossed" if pattern == "unstructured" else pattern
    )
